"""What every server of the tests has in common: its variables, and a private process of its own."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from tests.servers.process import Process

#: Seconds that a server may take to start.
PATIENCE = 60.0


class Unavailable(Exception):
    """A server can't be had; the text says why, in one line."""


class Server:
    """One server. A new kind is a subclass that says its names, how to prepare it, start it, and see that it is up."""

    #: What the suite and docker-compose.yml call it.
    name: ClassVar[str]
    #: What people call it.
    title: ClassVar[str]
    #: What a client has to know, by the name that clients use: the variable that tells it, and its default.
    variables: ClassVar[Mapping[str, tuple[str, str]]]
    #: Which of these are numbers of ports.
    ports: ClassVar[tuple[str, ...]] = ("port",)
    #: What asks the process to stop in an orderly way.
    stop_signal: ClassVar[int] = signal.SIGTERM

    #: What a client has to know of this one.
    params: dict[str, Any]
    #: Where a private one keeps all that it has.
    directory: Path
    _process: Process | None = None

    @classmethod
    def from_environment(cls) -> dict[str, Any] | None:
        """Return what the variables say, with the defaults for the rest; `None` if none of them is set."""
        given = {key: os.environ.get(variable, "") for key, (variable, _) in cls.variables.items()}
        if not any(given.values()):
            return None
        return cls._params({key: value for key, value in given.items() if value})

    @classmethod
    def local(cls) -> dict[str, Any]:
        """Return the defaults, on free ports of this machine."""
        return cls._params({"host": "127.0.0.1", **cls._free_ports()})

    @classmethod
    def as_variables(cls, params: Mapping[str, Any]) -> dict[str, str]:
        """Return the variables that say this."""
        return {variable: str(params[key]) for key, (variable, _) in cls.variables.items()}

    @classmethod
    def reason(cls) -> str:
        """Say in one line what would switch the tests on that need this server."""
        variable, _ = next(iter(cls.variables.values()))
        return f"needs {cls.title}: ./scripts/test.sh provides it, or {variable} names one"

    @classmethod
    def _params(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        params = {key: given.get(key, default) for key, (_, default) in cls.variables.items()}
        return {key: int(value) if key in cls.ports else value for key, value in params.items()}

    @classmethod
    def _free_ports(cls) -> dict[str, int]:
        return {key: free_port() for key in cls.ports}

    # What a subclass says of a private server.

    def prepare(self) -> None:
        """Put into `directory` what the server needs, and complete `params`.

        Raises:
            Unavailable: the server is not installed here.
        """
        raise NotImplementedError

    def command(self) -> list[str]:
        """Return what starts the server in the foreground; the first word is a path."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether the server that was started takes connections."""
        raise NotImplementedError

    def user(self) -> tuple[int, int]:
        """Return the ids of the user and group that the server runs as."""
        return os.getuid(), os.getgid()

    def environ(self) -> dict[str, str]:
        """Return the environment that the server runs in."""
        return dict(os.environ)

    # What it does then.

    def start_private(self, directory: str | Path) -> Self:
        """Start a server of one's own in an empty directory, which may get another owner, and return it.

        To be called in a thread that outlives the server: see launch.py.

        Raises:
            Unavailable: it is not installed, or doesn't start.
        """
        if os.name != "posix":
            raise Unavailable("private servers need a POSIX system")
        self.directory = Path(directory)
        self.params = self.local()
        self.prepare()
        for attempts_left in (2, 1, 0):
            try:
                self.start()
                break
            except Unavailable:
                # Somebody else may have got the port since it was found free.
                if not attempts_left:
                    raise
                self.params |= self._free_ports()
        return self

    def start(self) -> None:
        """Start the private server (again, with the same data and port) and wait until it takes connections.

        Raises:
            Unavailable: it doesn't start; its log is quoted.
        """
        log = self.directory / "log"
        self._process = Process(self.command(), log=log, user=self.user(), environ=self.environ())
        deadline = time.monotonic() + PATIENCE
        while not self.ready():
            if self._process.ended or time.monotonic() > deadline:
                self.kill()
                raise Unavailable(f"{self.title} does not start; its log ends with: {_end_of(log)}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop the private server in an orderly way, if it runs."""
        self._end(self.stop_signal, signal.SIGKILL)

    def kill(self) -> None:
        """End the private server at once, as a crash does: it gets to say and to write nothing."""
        self._end(signal.SIGKILL)

    def _end(self, *signals: int) -> None:
        if self._process is not None:
            self._process.stop(*signals)
            self._process = None


def plain_user() -> tuple[int, int]:
    """Return the ids of the user and group for a server that is not to be root."""
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    import pwd  # POSIX has it

    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def give(directory: Path, user: tuple[int, int]) -> None:
    """Make the user the owner of the directory and of all in it."""
    if user[0] == os.getuid():
        return
    for path in (directory, *directory.rglob("*")):
        os.chown(path, *user, follow_symlinks=False)


def environ_without(*prefixes: str) -> dict[str, str]:
    """Return the environment without what would change a server or a client, and with messages in English."""
    return {key: value for key, value in os.environ.items() if not key.startswith(prefixes)} | {"LC_ALL": "C"}


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _end_of(log: Path) -> str:
    return "; ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:]) or "(nothing)"
