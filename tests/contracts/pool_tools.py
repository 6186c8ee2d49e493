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
from tests.backends import Backend, Handle, counted_sqlite3, maybe_await
from tests.contracts.transactions import LIMIT, Account, Gate, Tools, quiet_log


class Connections:
    """Counts what is opened and closed: of a backend, or of sqlite3 through `factory`, the class of the connections."""

    def __init__(self, backend: Backend | None = None) -> None:
        self.opened: list[Any] = []
        self.closed: list[Any] = []
        #: The most that were open at once.
        self.most = 0
        #: So many of the next ones can't be opened.
        self.refused = 0
        #: Called with each new connection.
        self.prepare: Callable[[Any], None] = lambda conn: None
        #: Called once with each connection that is about to be closed.
        self.before_close: Callable[[Any], None] = lambda conn: None
        self.factory = counted_sqlite3(self)
        self._backend = backend
        self._mutex = threading.Lock()

    @property
    def open(self) -> int:
        """How many are open now."""
        return len(self.opened) - len(self.closed)

    @property
    def dirty(self) -> int:
        """How many have a transaction open now."""
        with self._mutex:
            closed = {id(conn) for conn in self.closed}
            left = [conn for conn in self.opened if id(conn) not in closed]
        if self._backend is None:
            return sum(conn.in_transaction for conn in left)
        return sum(self._backend.in_transaction(conn) for conn in left)

    def admits(self) -> bool:
        """Tell whether the next connection can be opened."""
        with self._mutex:
            is_refused = self.refused > 0
            self.refused -= is_refused
        return not is_refused

    def note_opened(self, conn: Any) -> None:
        with self._mutex:
            self.opened.append(conn)
            self.most = max(self.most, self.open)
        self.prepare(conn)

    def note_closed(self, conn: Any) -> None:
        with self._mutex:
            if any(conn is other for other in self.closed):
                return
            self.closed.append(conn)
        self.before_close(conn)

    def close_all(self) -> None:
        """Close what the pool left open, so that a failed test leaves nothing behind."""
        for conn in self.opened:
            if self._backend is not None:
                self._backend.kill(conn)
            else:
                with contextlib.suppress(sqlite3.Error):
                    conn.close()


class PoolTools(Tools):
    """A pool of two on a database (a file with WAL) with the table of `Account`, and its connections counted."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.connections = Connections(self.backend)
        self.addCleanup(self.connections.close_all)
        self.enterContext(quiet_log())
        self.look = self.outside()
        if self.backend.uses_file:
            self.look.execute("PRAGMA journal_mode = WAL")
        await self.create_tables(Account)

    # --- pools ---

    def pool(self, **options: Any) -> PoolConnector:
        """Make a pool of two, closed at the end of the test."""
        options.setdefault("max_size", 2)
        return self.watched(self.backend.counted_pool(self.connections, **options))

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

    def raw_of(self, conn: Any) -> Any:
        """Return the connection that was counted under a driver's."""
        return self.backend.raw_of(conn)

    async def value(self, conn: Any, sql: str) -> Any:
        """Return the one value of a query on a driver's connection, which is in no transaction afterwards."""
        return await self.backend.value(conn, sql)

    async def raw(self, conn: Any, sql: str, *params: Any) -> None:
        await self.backend.send(conn, self.backend.sql(sql), *params)

    async def on_driver(self, conn: Any, method: str, *args: Any) -> Any:
        if method in ("commit", "rollback"):
            return await self.backend.end(conn, method)
        return await super().on_driver(conn, method, *args)

    async def assert_whole(self, pool: PoolConnector) -> None:
        """Check that all connections can be had at once and are clean, and no more; the file is free for others."""
        async with asyncio.timeout(LIMIT):
            conns = [await self.acquire(pool, timeout=0) for _ in range(pool.max_size)]
        try:
            self.assertEqual(len({id(conn) for conn in conns}), pool.max_size)
            for conn in conns:
                self.assertFalse(self.backend.in_transaction(conn), "a transaction is still open")
                self.assertTrue(self.backend.is_as_opened(conn), "the connection's mode was not put back")
                self.assertEqual(await self.value(conn, "SELECT 1"), 1)
            with self.assertRaises(PoolTimeout):
                await self.acquire(pool, timeout=0)
            await self.assert_free()
        finally:
            for conn in conns:
                await self.release(pool, conn)
        self.assertLessEqual(self.connections.open, pool.max_size)

    def spare_keys(self) -> None:
        """Have the database hand out no key below 1000, so that a test may write rows with keys of its own."""
        for sql in self.backend.keys_from("account", "id", 1000):
            self.look.execute(sql)

    async def assert_free(self) -> None:
        """Check that nobody has the database locked; a server needs a moment to see that a connection was closed."""
        await self.until(self.backend.is_free)

    async def assert_shut(self, pool: PoolConnector, *, open_elsewhere: int = 0) -> None:
        """Close the pool and check that no connection of it is left open."""
        await self.shut(pool)
        await self.until(lambda: self.connections.open == open_elsewhere)

    async def insert_raw(self, conn: Any, owner: str) -> None:
        """Write a row by hand, in a transaction that the driver opens for it, or that is opened here."""
        if not self.backend.supports_implicit_begin and not self.backend.in_transaction(conn):
            await self.raw(conn, "BEGIN")
        await self.raw(conn, "INSERT INTO account (owner, balance) VALUES (?, 1)", owner)
