"""The real servers that tests need: who they are, how a test finds them, and how a run of the tests gets them.

    python -m tests.servers -- COMMAND…

runs a command with all of them, as ./scripts/test.sh does (see `provide`). A test asks for `postgres()`, `mysql()` or
`chroma()`, and skips with `reason("postgres")` where there is none. A test that kills its server has one of its own,
from `own_postgres()` or `own_mysql()`.
"""

from __future__ import annotations

import contextlib
import unittest
from collections.abc import Iterator
from typing import Any

from tests.servers.chroma_server import Chroma
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import Postgres
from tests.servers.provide import REQUIRE, SERVERS, AnyServer, private, provide, required
from tests.servers.server import Server, Unavailable

__all__ = [
    "REQUIRE",
    "SERVERS",
    "Chroma",
    "MariaDB",
    "Postgres",
    "Server",
    "Unavailable",
    "chroma",
    "mysql",
    "own_mysql",
    "own_postgres",
    "postgres",
    "provide",
    "reason",
    "required",
]


def postgres() -> dict[str, Any] | None:
    """Return host, port, user, password and dbname of the PostgreSQL server of this run, `None` if there is none."""
    return Postgres.from_environment()


def mysql() -> dict[str, Any] | None:
    """Return host, port, user, password and database of this run's MariaDB or MySQL, `None` if there is none."""
    return MariaDB.from_environment()


def chroma() -> dict[str, Any] | None:
    """Return host and port of this run's Chroma, `None` if there is none."""
    return Chroma.from_environment()


def own_postgres() -> contextlib.AbstractContextManager[Postgres]:
    """Start a private PostgreSQL for one test or class (`self.enterContext`), which may `kill()` and `start()` it.

    Raises:
        unittest.SkipTest: it can't be had, and is not required.
    """
    return _own(Postgres)


def own_mysql() -> contextlib.AbstractContextManager[MariaDB]:
    """Start a private MariaDB, as `own_postgres` does PostgreSQL."""
    return _own(MariaDB)


@contextlib.contextmanager
def _own(kind: type[AnyServer]) -> Iterator[AnyServer]:
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(private(kind))
        except Unavailable as exc:
            if kind.name in required():
                raise
            raise unittest.SkipTest(str(exc)) from exc
        yield server


def reason(name: str) -> str:
    """Say in one line why tests that need this server are skipped, and what would switch them on."""
    return SERVERS[name].reason()
