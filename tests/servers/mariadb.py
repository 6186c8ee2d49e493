"""MariaDB, for the tests of MySQL's dialect. A private one is made by the system's package mariadb-server."""

from __future__ import annotations

import atexit
import functools
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.servers import debian
from tests.servers.server import Server, Unavailable, environ_without, give, plain_user

#: Where the programs are, and those that they call, whatever PATH says: for most users it has no /usr/sbin.
PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/homebrew/bin")
#: Data that is thrown away needs no file of 96 MB for its log.
LOG_FILE_SIZE = "--innodb-log-file-size=16M"
#: For data that is thrown away: nothing waits for a disk. Yet 2 has each commit written out to the operating system, so
#: that a server which is killed (and not its machine) has kept it. All else, `sql_mode` too, is as it comes.
SETTINGS = (
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=nosync",
    "--skip-sync-frm",
    LOG_FILE_SIZE,
    "--innodb-file-per-table=0",  # tables come and go with each test
    "--skip-log-bin",
    "--skip-name-resolve",
    "--bind-address=127.0.0.1",
    "--character-set-server=utf8mb4",
    "--max-connections=300",
)


class MariaDB(Server):
    """A MariaDB server, or what the variables name: MySQL 8 is good as well."""

    name = "mysql"
    title = "MariaDB or MySQL"
    variables = {
        "host": ("MINI_ORM_MYSQL_HOST", "localhost"),
        "port": ("MINI_ORM_MYSQL_PORT", "3306"),
        "user": ("MINI_ORM_MYSQL_USER", "root"),
        "password": ("MINI_ORM_MYSQL_PASSWORD", "password"),
        "database": ("MINI_ORM_MYSQL_DATABASE", "mini_orm_test"),
    }

    def prepare(self) -> None:
        template = _template()
        shutil.copytree(template.data, self._data)
        self.params["password"] = secrets.token_urlsafe()
        # Runs at each start, before the first connection. Only who is in the directory comes in by another name.
        self._init_file.write_text(
            f"SET PASSWORD FOR root@'127.0.0.1' = PASSWORD('{self.params['password']}');\n"
            f"CREATE DATABASE IF NOT EXISTS {self.params['database']};\n",
            encoding="utf-8",
        )
        give(self.directory, self.user())

    def command(self) -> list[str]:
        return [
            _template().programs.server,
            "--no-defaults",
            f"--datadir={self._data}",
            f"--socket={self._socket}",
            f"--pid-file={self.directory / 'pid'}",
            f"--init-file={self._init_file}",
            f"--port={self.params['port']}",
            *SETTINGS,
        ]

    def ready(self) -> bool:
        # Whoever greets at this socket is the server that was started, and listens on its port, too.
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            try:
                client.connect(str(self._socket))
                return bool(client.recv(1))
            except OSError:
                return False

    def user(self) -> tuple[int, int]:
        return plain_user()

    def environ(self) -> dict[str, str]:
        return _environ(self.directory)

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _socket(self) -> Path:
        return self.directory / "socket"

    @property
    def _init_file(self) -> Path:
        return self.directory / "init.sql"


@dataclass(frozen=True)
class Programs:
    """The paths of what makes a data directory, and of what serves it."""

    install: str
    server: str


@dataclass(frozen=True)
class Template:
    """What private servers are made from: the programs, and a data directory to copy."""

    programs: Programs
    data: Path


@functools.cache
def _template() -> Template:
    """Make it, once a process: that takes seconds, a copy does not.

    Raises:
        Unavailable: MariaDB is not installed and can't be, or it makes no data directory.
    """
    programs = _programs()
    directory = Path(tempfile.mkdtemp(prefix="mini_orm_test_mariadb_"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    data = directory / "data"
    command = [programs.install, "--no-defaults", f"--datadir={data}", LOG_FILE_SIZE, "--skip-name-resolve"]
    command += ["--auth-root-authentication-method=normal", "--skip-test-db"]
    user, group = plain_user()
    give(directory, (user, group))
    try:
        made = subprocess.run(
            command,
            user=user,
            group=group,
            extra_groups=[] if user != os.getuid() else None,
            cwd=directory,
            env=_environ(directory),
            capture_output=True,
            text=True,
        )
    except OSError as exc:  # as root, where nobody else may look into the directory for temporary files
        raise Unavailable(f"{Path(programs.install).name} can't be run: {exc}") from exc
    if made.returncode != 0:
        said = "; ".join(f"{made.stdout}\n{made.stderr}".split("\n")[-3:])
        raise Unavailable(f"{Path(programs.install).name} fails: {said}")
    return Template(programs, data)


def _programs() -> Programs:
    """Find the programs; where they are missing, install the system's package if that can be done."""
    found = _found()
    if found is None:
        debian.install("mariadb-server")
        found = _found()
    if found is None:
        raise Unavailable("mariadbd is not installed (the package mariadb-server of most systems has it)")
    return found


def _found() -> Programs | None:
    install, server = (shutil.which(name, path=_path()) for name in ("mariadb-install-db", "mariadbd"))
    return Programs(install, server) if install and server else None


def _path() -> str:
    return os.pathsep.join((os.environ.get("PATH", ""), *PLACES))


def _environ(directory: Path) -> dict[str, str]:
    """Return the environment of a program that may write into this directory, and perhaps nowhere else."""
    return environ_without("MYSQL", "MARIADB") | {"PATH": _path(), "TMPDIR": str(directory)}
