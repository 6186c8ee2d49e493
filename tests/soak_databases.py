"""What the soak runs on: a file of SQLite's, or a server; how its drivers are used by hand, and what they left open."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mini_orm import Database, PoolConnector, Repository, apply_schema
from tests.backends import (
    Aiosqlite,
    Asyncpg,
    AsyncPsycopg,
    Backend,
    SyncPsycopg,
    SyncPsycopg2,
    SyncSqlite3,
    WorkerPsycopg,
    WorkerPsycopg2,
    WorkerSqlite3,
    maybe_await,
)
from tests.contracts.pool_tools import Connections
from tests.soak_worker import Entry, Shared

#: Seconds that a connection waits for another one's lock.
TIMEOUT = 120.0
#: Seconds that a server gets to notice that its clients are gone.
FAREWELL = 10.0


class Side:
    """The threads, or the tasks: their driver, and their pool."""

    def __init__(self, backend: Backend, disturb: str, **options: Any) -> None:
        self.backend = backend
        self.is_async = backend.face == "async"
        #: Connections in the user's hands are awaited.
        self.awaits = backend.supports_awaited_pools
        #: Changes a session in a way that others would notice.
        self.disturb = disturb
        #: The most connections that were open at once, as far as the pool says.
        self.most = 0
        self._options = options
        self._pool: PoolConnector | None = None

    def pool(self, size: int) -> PoolConnector:
        self._pool = self.backend.pool(max_size=size, **self._options)
        return self._pool

    @property
    def opened(self) -> int:
        return 0 if self._pool is None else self._pool.stats().opened

    @property
    def open(self) -> int:
        """How many connections the pool has open."""
        if self._pool is None:
            return 0
        stats = self._pool.stats()
        return stats.opened - stats.closed

    def look(self) -> None:
        """Note how many connections are open."""
        self.most = max(self.most, self.open)

    # --- by hand, on the driver's own connection ---

    async def fetch(self, conn: Any, text: str, *params: Any) -> Any:
        """Run a statement; return its first row, if it has rows."""
        cursor = await maybe_await(conn.cursor())
        await maybe_await(cursor.execute(self.backend.sql(text), params))
        row = None if cursor.description is None else await maybe_await(cursor.fetchone())
        await maybe_await(cursor.close())
        return row

    async def begin(self, conn: Any) -> None:
        """Open a transaction, if the driver doesn't do so by itself."""

    async def commit(self, conn: Any) -> None:
        await maybe_await(conn.commit())


class AsyncpgSide(Side):
    """Tasks on asyncpg, which has no cursors and no transactions of its own accord."""

    async def fetch(self, conn: Any, text: str, *params: Any) -> Any:
        return await conn.fetchrow(self.backend.sql(text), *params)

    async def begin(self, conn: Any) -> None:
        await conn.execute("BEGIN")

    async def commit(self, conn: Any) -> None:
        await conn.execute("COMMIT")


class SoakDatabase:
    """The tables of a run, and what can be said of them from outside."""

    #: Drivers of the tasks; the first one unless told otherwise.
    drivers: ClassVar[Sequence[str]]
    sides: Mapping[str, Side]

    def raw(self) -> Any:
        """Open a connection to look from outside."""
        return self.sides["threads"].backend.raw()

    def damage(self) -> str | None:
        """Say what is wrong with the database itself."""
        return None

    def left_open(self) -> int:
        """Count connections that nobody closed."""
        raise NotImplementedError

    def close(self) -> None:
        """Take away what the run made."""


class SqliteDatabase(SoakDatabase):
    """A file in WAL mode. Its connections are counted as they are opened and closed."""

    drivers = ("aiosqlite", "sqlite3")
    _disturb = "PRAGMA query_only = ON"

    def __init__(self, directory: str, driver: str) -> None:
        self.path = Path(directory) / "soak.sqlite3"
        self.connections = {"threads": Connections(), "tasks": Connections()}
        backends: dict[str, Backend] = {
            "threads": SyncSqlite3(directory),
            "tasks": (Aiosqlite if driver == "aiosqlite" else WorkerSqlite3)(directory),
        }
        self.sides = {name: self._side(name, backend) for name, backend in backends.items()}
        with Database(sqlite3.connect(self.path)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            prepare(db)

    def _side(self, name: str, backend: Backend) -> Side:
        backend.path = self.path
        self.connections[name].prepare = spare_the_disk
        return Side(backend, self._disturb, timeout=TIMEOUT, factory=self.connections[name].factory)

    def damage(self) -> str | None:
        with contextlib.closing(self.raw()) as conn:
            (state,) = conn.execute("PRAGMA integrity_check").fetchone()
        return None if state == "ok" else "the file is damaged"

    def left_open(self) -> int:
        return sum(connections.open for connections in self.connections.values())

    def close(self) -> None:
        for connections in self.connections.values():
            connections.close_all()


class PostgresDatabase(SoakDatabase):
    """A schema on the server of this run. The server tells who is connected."""

    drivers = ("asyncpg", "psycopg", "psycopg-worker", "psycopg2")
    _disturb = "SET default_transaction_read_only = on"

    def __init__(self, directory: str, driver: str) -> None:
        kinds = {
            "asyncpg": (SyncPsycopg, Asyncpg),
            "psycopg": (SyncPsycopg, AsyncPsycopg),
            "psycopg-worker": (SyncPsycopg, WorkerPsycopg),
            "psycopg2": (SyncPsycopg2, WorkerPsycopg2),
        }
        threads, tasks = (kind(directory) for kind in kinds[driver])
        self._own = (threads, tasks)
        tasks.schema = threads.schema
        side = AsyncpgSide if driver == "asyncpg" else Side
        self.sides = {"threads": Side(threads, self._disturb), "tasks": side(tasks, self._disturb)}
        with Database(threads.connector(**threads.address({}))) as db:
            prepare(db)
        self._sessions = self._count_sessions()

    def _count_sessions(self) -> int:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        with contextlib.closing(self.raw()) as conn:
            return int(conn.execute(sql).fetchone()[0])

    def left_open(self) -> int:
        deadline = time.monotonic() + FAREWELL
        while (more := self._count_sessions() - self._sessions) > 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        return max(more, 0)

    def close(self) -> None:
        for backend in self._own:
            backend.close()


DATABASES: dict[str, type[SqliteDatabase] | type[PostgresDatabase]] = {
    "sqlite": SqliteDatabase,
    "postgres": PostgresDatabase,
}


def prepare(db: Database) -> None:
    """Make the tables, and the row that everybody counts up."""
    apply_schema(db, [Entry, Shared])
    Repository(db, Shared).insert(Shared("all"))


def spare_the_disk(conn: sqlite3.Connection) -> None:
    """Let nobody wait for a disk: this is about what processes see of each other, and not about power cuts."""
    conn.execute("PRAGMA synchronous = OFF")
