"""What the soak runs on: a file of SQLite's, or a server; how its drivers are used by hand, and what they left open."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mini_orm import Database, DeadlockDetected, PoolConnector, Repository, SerializationFailure, apply_schema
from tests.backends import (
    Aiosqlite,
    Asyncmy,
    Asyncpg,
    AsyncPsycopg,
    Backend,
    SyncMySQLClient,
    SyncPsycopg,
    SyncPsycopg2,
    SyncPyMySQL,
    SyncSqlite3,
    WorkerMySQLClient,
    WorkerPsycopg,
    WorkerPsycopg2,
    WorkerPyMySQL,
    WorkerSqlite3,
    maybe_await,
)
from tests.backends.mysql import MySQLBackend
from tests.backends.postgres import PostgresBackend
from tests.contracts.pool_tools import Connections
from tests.soak_worker import PAIR, Entry, Shared

#: A backend on a server, which keeps the tests apart by schemas.
Served = PostgresBackend | MySQLBackend
#: Seconds that a connection waits for another one's lock.
TIMEOUT = 120.0
#: Seconds that a server gets to notice that its clients are gone.
FAREWELL = 10.0


class Side:
    """The threads, or the tasks: their driver, and their pool."""

    #: Two transactions that wait for each other are found at once, and one of them is undone.
    finds_deadlocks = False

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

    async def insert(self, conn: Any, table: str, values: Mapping[str, Any]) -> int:
        """Add a row; return the key that the database made."""
        row = await self.fetch(conn, f"{_insert(table, values)} RETURNING id", *values.values())
        return int(row[0])

    def is_conflict(self, error: Exception) -> bool:
        """Tell whether the database undid a transaction of no fault, which any program has to expect and do again."""
        return False


def _insert(table: str, values: Mapping[str, Any]) -> str:
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"


class MySQLSide(Side):
    """InnoDB locks gaps between rows, too, so that even inserts of different rows may make a deadlock."""

    finds_deadlocks = True

    async def insert(self, conn: Any, table: str, values: Mapping[str, Any]) -> int:
        cursor = conn.cursor()
        await maybe_await(cursor.execute(self.backend.sql(_insert(table, values)), [*values.values()]))
        key = int(cursor.lastrowid)
        await maybe_await(cursor.close())
        return key

    def is_conflict(self, error: Exception) -> bool:
        return isinstance(error, DeadlockDetected | SerializationFailure) or error.args[:1] in ((1213,), (1020,))


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


class ServerDatabase(SoakDatabase):
    """What the server of this run keeps apart for the run. The server tells who is connected."""

    #: Driver of the tasks -> the backends of threads and of tasks.
    kinds: ClassVar[Mapping[str, tuple[type[Served], type[Served]]]]
    #: Counts the sessions of others.
    sessions_sql: ClassVar[str]

    def __init__(self, directory: str, driver: str) -> None:
        threads, tasks = (kind(directory) for kind in self.kinds[driver])
        self._own = (threads, tasks)
        tasks.schema = threads.schema
        self.sides = {"threads": self.side(threads), "tasks": self.side(tasks)}
        with Database(threads.connector(**threads.address({}))) as db:
            prepare(db)
        self._sessions = self._count_sessions()

    def side(self, backend: Backend) -> Side:
        """Describe the threads, or the tasks."""
        raise NotImplementedError

    def _count_sessions(self) -> int:
        with contextlib.closing(self.raw()) as conn:
            return int(conn.execute(self.sessions_sql).fetchone()[0])

    def left_open(self) -> int:
        deadline = time.monotonic() + FAREWELL
        while (more := self._count_sessions() - self._sessions) > 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        return max(more, 0)

    def close(self) -> None:
        for backend in self._own:
            backend.close()


class PostgresDatabase(ServerDatabase):
    """A schema."""

    kinds = {
        "asyncpg": (SyncPsycopg, Asyncpg),
        "psycopg": (SyncPsycopg, AsyncPsycopg),
        "psycopg-worker": (SyncPsycopg, WorkerPsycopg),
        "psycopg2": (SyncPsycopg2, WorkerPsycopg2),
    }
    drivers = tuple(kinds)
    sessions_sql = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def side(self, backend: Backend) -> Side:
        kind = AsyncpgSide if isinstance(backend, Asyncpg) else Side
        return kind(backend, "SET default_transaction_read_only = on")


class MySQLDatabase(ServerDatabase):
    """A database of MariaDB or MySQL."""

    kinds = {
        "asyncmy": (SyncMySQLClient, Asyncmy),
        "mysqlclient": (SyncMySQLClient, WorkerMySQLClient),
        "pymysql": (SyncPyMySQL, WorkerPyMySQL),
    }
    drivers = tuple(kinds)
    sessions_sql = "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"

    def side(self, backend: Backend) -> Side:
        patient = f"SET SESSION innodb_lock_wait_timeout = {TIMEOUT:.0f}, SESSION lock_wait_timeout = {TIMEOUT:.0f}"
        return MySQLSide(backend, "SET SESSION TRANSACTION READ ONLY", init_command=patient)


DATABASES: dict[str, type[SqliteDatabase] | type[ServerDatabase]] = {
    "sqlite": SqliteDatabase,
    "postgres": PostgresDatabase,
    "mysql": MySQLDatabase,
}


def prepare(db: Database) -> None:
    """Make the tables, and the rows that everybody counts up."""
    apply_schema(db, [Entry, Shared])
    Repository(db, Shared).insert_many([Shared(name) for name in ("all", *PAIR)])


def spare_the_disk(conn: sqlite3.Connection) -> None:
    """Let nobody wait for a disk: this is about what processes see of each other, and not about power cuts."""
    conn.execute("PRAGMA synchronous = OFF")
