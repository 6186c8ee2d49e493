"""What the contracts on pools share: connections that are counted, and ways to hold, wait and look."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from mini_orm import PoolConnector, PoolTimeout, SQLiteDialect
from tests.backends import Handle, maybe_await
from tests.contracts.transactions import LIMIT, Account, Gate, Tools, quiet_log


class Connections:
    """Counts what is opened and closed, through `factory`, the class of the connections."""

    def __init__(self) -> None:
        self.opened: list[sqlite3.Connection] = []
        self.closed: list[sqlite3.Connection] = []
        #: The most that were open at once.
        self.most = 0
        #: So many of the next ones can't be opened.
        self.refused = 0
        #: Called with each new connection.
        self.prepare: Callable[[sqlite3.Connection], None] = lambda conn: None
        self._mutex = threading.Lock()
        counter = self

        class Counted(sqlite3.Connection):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*(args if counter._admits() else ("/no/such/directory/file",)), **kwargs)
                counter._note_opened(self)
                counter.prepare(self)

            def close(self) -> None:
                counter._note_closed(self)
                super().close()

        self.factory = Counted

    @property
    def open(self) -> int:
        """How many are open now."""
        return len(self.opened) - len(self.closed)

    @property
    def dirty(self) -> int:
        """How many have a transaction open now."""
        with self._mutex:
            closed = {id(conn) for conn in self.closed}
            return sum(conn.in_transaction for conn in self.opened if id(conn) not in closed)

    def _admits(self) -> bool:
        with self._mutex:
            is_refused = self.refused > 0
            self.refused -= is_refused
        return not is_refused

    def _note_opened(self, conn: sqlite3.Connection) -> None:
        with self._mutex:
            self.opened.append(conn)
            self.most = max(self.most, self.open)

    def _note_closed(self, conn: sqlite3.Connection) -> None:
        with self._mutex:
            if not any(conn is other for other in self.closed):
                self.closed.append(conn)

    def close_all(self) -> None:
        """Close what the pool left open, so that a failed test leaves nothing behind."""
        for conn in self.opened:
            with contextlib.suppress(sqlite3.Error):
                conn.close()


class PoolTools(Tools):
    """A pool of two on a WAL file with the table of `Account`, and its connections counted."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.connections = Connections()
        self.addCleanup(self.connections.close_all)
        self.enterContext(quiet_log())
        self.look = self.outside()
        self.look.execute("PRAGMA journal_mode = WAL")
        await self.create_tables(Account)

    # --- pools ---

    def pool(self, **options: Any) -> PoolConnector:
        """Make a pool of two, closed at the end of the test."""
        options.setdefault("max_size", 2)
        options.setdefault("factory", self.connections.factory)
        return self.watched(self.backend.pool(**options))

    def watched(self, pool: PoolConnector) -> PoolConnector:
        """Have a pool closed at the end of the test."""
        self.addAsyncCleanup(self.shut, pool)
        return pool

    def on(self, pool: PoolConnector) -> Any:
        """Make a database on a pool."""
        dialect = [] if self.backend.supports_own_connect else [SQLiteDialect()]
        return self.backend.database(pool, *dialect)

    async def acquire(self, pool: PoolConnector, timeout: float | None = LIMIT) -> Any:
        return await maybe_await(pool.acquire(timeout))

    async def release(self, pool: PoolConnector, conn: Any) -> None:
        await maybe_await(pool.release(conn))

    async def shut(self, pool: PoolConnector) -> None:
        await maybe_await(pool.close())

    @contextlib.asynccontextmanager
    async def connection(self, pool: PoolConnector, timeout: float | None = LIMIT) -> AsyncIterator[Any]:
        """Open `pool.connection()` in the way that the pool wants."""
        block = pool.connection(timeout)
        if self.backend.supports_awaited_pools:
            async with block as conn:
                yield conn
        else:
            with block as conn:
                yield conn

    # --- callers ---

    def call(self, work: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Handle:
        """Start `work(*args)`, which takes connections by hand: a task where they are awaited, else a thread."""
        spawn = self.spawn_task if self.backend.supports_awaited_pools else self.spawn_thread
        return spawn(work, *args, context=contextvars.Context())

    def hand_gate(self) -> Gate:
        """Make a gate for what `call` starts."""
        return Gate(self.backend.supports_awaited_pools)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the others go on until something is so."""
        async with asyncio.timeout(LIMIT):
            while not condition():
                await asyncio.sleep(0.001)

    async def queue_of(self, pool: PoolConnector, many: int) -> None:
        """Let the others go on until `many` of them wait for a connection."""
        async with asyncio.timeout(LIMIT):
            while await self.waiters(pool) < many:
                await asyncio.sleep(0.001)

    async def waiters(self, pool: PoolConnector) -> int:
        """Return how many wait; the pool has to be used up."""
        try:
            conn = await self.acquire(pool, timeout=0)
        except PoolTimeout as error:
            assert error.waiters is not None
            return error.waiters
        await self.release(pool, conn)
        raise AssertionError("a connection is free")

    # --- looking ---

    def raw_of(self, conn: Any) -> sqlite3.Connection:
        """Return the sqlite3 connection under a driver's."""
        return conn if isinstance(conn, sqlite3.Connection) else conn._conn

    async def value(self, conn: Any, sql: str) -> Any:
        """Return the one value of a query on a driver's connection."""
        cursor = await maybe_await(conn.execute(sql))
        (value,) = await maybe_await(cursor.fetchone())
        await maybe_await(cursor.close())
        return value

    async def assert_whole(self, pool: PoolConnector) -> None:
        """Check that all connections can be had at once and are clean, and no more; the file is free for others."""
        async with asyncio.timeout(LIMIT):
            conns = [await self.acquire(pool, timeout=0) for _ in range(pool.max_size)]
        try:
            self.assertEqual(len({id(conn) for conn in conns}), pool.max_size)
            for conn in conns:
                self.assertFalse(conn.in_transaction, "a transaction is still open")
                self.assertEqual(conn.isolation_level, "", "the connection's mode was not put back")
                self.assertEqual(await self.value(conn, "SELECT 1"), 1)
            with self.assertRaises(PoolTimeout):
                await self.acquire(pool, timeout=0)
            self.assert_free()
        finally:
            for conn in conns:
                await self.release(pool, conn)
        self.assertLessEqual(self.connections.open, pool.max_size)

    def assert_free(self) -> None:
        """Check that nobody has the file locked."""
        self.look.execute("PRAGMA busy_timeout = 0")
        self.look.execute("BEGIN IMMEDIATE")
        self.look.execute("ROLLBACK")

    async def assert_shut(self, pool: PoolConnector, *, open_elsewhere: int = 0) -> None:
        """Close the pool and check that no connection of it is left open."""
        await self.shut(pool)
        await self.until(lambda: self.connections.open == open_elsewhere)

    async def insert_raw(self, conn: Any, owner: str) -> None:
        """Write a row by hand; sqlite3 opens a transaction for it."""
        await self.raw(conn, "INSERT INTO account (owner, balance) VALUES (?, 1)", owner)
