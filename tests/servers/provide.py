"""Has the servers that the tests need, by the first of three ways that works, and stops what it started."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tests.servers import compose
from tests.servers.chroma_server import Chroma
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import Postgres
from tests.servers.server import Server, Unavailable

AnyServer = TypeVar("AnyServer", bound=Server)

#: Every server that the tests know.
SERVERS: dict[str, type[Server]] = {server.name: server for server in (Postgres, MariaDB, Chroma)}
#: Names the servers, with commas between, without which a run of the tests fails.
REQUIRE = "MINI_ORM_TEST_REQUIRE"
#: Names the servers that a run has, in the same way; all of them where it is not set, and "none".
CHOOSE = "MINI_ORM_TEST_SERVERS"


def required() -> frozenset[str]:
    """Return the names of the servers that have to be there.

    Raises:
        Unavailable: the tests know no such server.
    """
    return frozenset(_named(REQUIRE, ""))


def chosen() -> tuple[str, ...]:
    """Return the names of the servers that this run is to have.

    Raises:
        Unavailable: the tests know no such server.
    """
    return _named(CHOOSE, ",".join(SERVERS))


def _named(variable: str, default: str) -> tuple[str, ...]:
    names = [name for name in os.environ.get(variable, default).replace(",", " ").split() if name != "none"]
    if unknown := sorted(set(names) - SERVERS.keys()):
        raise Unavailable(f"{variable} names {', '.join(unknown)}; there are: {', '.join(SERVERS)}")
    return tuple(names)


@contextlib.contextmanager
def provide(names: Iterable[str] = tuple(SERVERS)) -> Iterator[dict[str, str]]:
    """Have these servers until the block ends, and yield the variables that name those that were started.

    The servers that variables name already are used; else `docker compose` runs them, where an engine answers; else
    private ones are started. What can't be had is left out, with a line that says so.

    Raises:
        Unavailable: a server that is required can't be had, or one that a variable names does not answer.
    """
    must = required()
    wanted = [server for name in names if not _is_given(server := SERVERS[name])]
    with contextlib.ExitStack() as stack:
        variables: dict[str, str] = {}
        if wanted and compose.engine_answers():
            with contextlib.suppress(Unavailable):  # compose has said why
                variables = stack.enter_context(compose.up(wanted))
                wanted = []
        for server in wanted:
            try:
                started = stack.enter_context(private(server))
            except Unavailable as exc:
                variable, _ = next(iter(server.variables.values()))
                if server.name in must:
                    raise Unavailable(
                        f"{server.title} is required by {REQUIRE}: {exc}; {variable} can name one"
                    ) from exc
                _say(f"no {server.title}, its tests are skipped: {exc}; {variable} can name one")
            else:
                variables |= server.as_variables(started.params)
        yield variables


@contextlib.contextmanager
def private(server: type[AnyServer]) -> Iterator[AnyServer]:
    """Start a private server in a directory of its own; stop it at the end of the block, and remove what it wrote.

    Raises:
        Unavailable: it is not installed, or doesn't start.
    """
    own = server()
    with tempfile.TemporaryDirectory(prefix=f"mini_orm_test_{server.name}_") as directory:
        try:
            yield own.start_private(directory)
        finally:
            own.stop()


def _is_given(server: type[Server]) -> bool:
    params = server.from_environment()
    if params is None:
        return False
    for port in server.ports:
        try:
            socket.create_connection((params["host"], params[port]), timeout=10).close()
        except OSError as exc:
            variable, _ = server.variables[port]
            raise Unavailable(
                f"nothing answers where the variables of {server.title} ({variable} and the others) point: {exc}"
            ) from exc
    return True


def _say(text: str) -> None:
    print(f"tests.servers: {text}", file=sys.stderr, flush=True)
