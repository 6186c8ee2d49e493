"""Drivers' own pools: X2 X4 X5 P3 a database on one, whose connections come back as they were."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from typing import Any
from unittest import mock

from mini_orm import (
    C,
    ClosedError,
    ConfigurationError,
    ConnectionLost,
    PoolConnector,
    ProgrammingError,
    TransactionError,
    UniqueViolation,
)
from mini_orm.core.database import awaiting
from tests.backends import maybe_await
from tests.contracts.transactions import LIMIT, Account, Tools, quiet_log

#: Connections of each pool.
SIZE = 3


class DriverPoolTools(Tools):
    """A pool of the driver's own, a database on it, and ways to look at both."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.enterContext(quiet_log())
        self.sessions: Any = self.backend  # those of servers are both
        self.look = self.enterContext(contextlib.closing(self.backend.raw()))
        log = logging.getLogger(self.backend.pool_log)  # type: ignore[attr-defined]  # such backends have it
        self.enterContext(mock.patch.object(log, "disabled", True))  # it warns of connections that the server ended
        await self.create_tables(Account)
        self.pool = await self.driver_pool()
        self.pooled = self.backend.database(self.pool)

    async def driver_pool(self) -> Any:
        """Make a pool of the driver's own, closed at the end of the test."""
        pool = await self.backend.driver_pool(SIZE)  # type: ignore[attr-defined]  # as above
        self.addAsyncCleanup(self.backend.close_pool, pool)  # type: ignore[attr-defined]
        return pool

    async def insert(self, owner: str, db: Any = None) -> None:
        await maybe_await(self.repo(Account, self.pooled if db is None else db).insert(Account(owner=owner)))

    async def stored(self) -> list[str]:
        """Return the owners that are there, read by another connection."""
        return [row.owner for row in await maybe_await(self.repo(Account).list(order_by="owner"))]

    async def assert_whole(self) -> None:
        """Check that all connections are back and idle, in the mode in which the pool made them."""
        async with contextlib.AsyncExitStack() as stack, asyncio.timeout(LIMIT):
            take = self.backend.taken  # type: ignore[attr-defined]  # as above
            conns = [await stack.enter_async_context(take(self.pool)) for _ in range(SIZE)]
            for conn in conns:
                self.assertTrue(self.backend.is_as_made(conn))  # type: ignore[attr-defined]


class DriverPoolContract(DriverPoolTools):
    """X2 X4 P3: operations and transactions take a connection each, and give it back as it came."""

    async def test_operations(self) -> None:
        """X2 X4: each operation is committed, and leaves the connection idle and in its own mode."""
        await self.insert("a")
        with self.assertRaises(UniqueViolation):
            await self.insert("a")
        rows = await maybe_await(self.repo(Account, self.pooled).insert_many([Account(owner="b"), Account(owner="c")]))
        self.assertTrue(all(row.id for row in rows))
        self.assertEqual(await self.stored(), ["a", "b", "c"])
        self.assertEqual(await maybe_await(self.pooled.fetchone("SELECT 1 AS n")), {"n": 1})
        await self.assert_whole()

    async def test_transactions(self) -> None:
        """X1 X4: one connection from begin to end; nested ones are savepoints; `db` is the owner's own in it."""
        async with self.transaction(self.pooled) as tx:
            await self.insert("a", tx)
            self.assertIs(self.pooled.conn, tx.conn)
            with contextlib.suppress(ZeroDivisionError):
                async with self.transaction(tx) as inner:
                    await self.insert("b", inner)
                    raise ZeroDivisionError
            await self.insert("c")
            self.assertEqual(await self.stored(), [])
        self.assertIsNone(self.pooled.conn)
        with contextlib.suppress(ZeroDivisionError):
            async with self.transaction(self.pooled) as tx:
                await self.insert("d", tx)
                raise ZeroDivisionError
        self.assertEqual(await self.stored(), ["a", "c"])
        await self.assert_whole()

    async def test_many_callers(self) -> None:
        """X4: many more callers than connections; nothing lost, nothing mixed, all given back."""

        async def caller(number: int) -> None:
            await self.insert(f"{number} alone")
            async with self.transaction(self.pooled) as tx:
                await self.insert(f"{number} inside", tx)
                self.assertTrue(await maybe_await(self.repo(Account, tx).exists(C.eq("owner", f"{number} inside"))))

        results = await self.together([lambda number=number: caller(number) for number in range(12)])  # type: ignore[misc]
        self.assertEqual(results, [None] * 12)
        self.assertEqual(len(await self.stored()), 24)
        await self.assert_whole()

    async def test_what_was_left_open(self) -> None:
        """P3 P5: a transaction that raw SQL leaves open is rolled back, and what it set is put back."""
        name, value = next(iter(self.backend.settings.items()))
        change, ask = self.backend.setting(name, value), self.backend.show(name)
        before = await maybe_await(self.pooled.fetchone(ask))
        await maybe_await(self.pooled.execute(change))
        await maybe_await(self.pooled.execute("BEGIN"))
        await self.assert_whole()
        for _ in range(SIZE):
            self.assertEqual(await maybe_await(self.pooled.fetchone(ask)), before)
        with self.assertRaises(ProgrammingError):
            await maybe_await(self.pooled.execute("SELECT * FROM no_such_table"))
        await self.assert_whole()

    async def test_a_lost_connection(self) -> None:
        """P6 X1: a session that the server ended is a ConnectionLost, and the driver's pool replaces it."""
        with self.assertRaises(ConnectionLost):
            async with self.transaction(self.pooled) as tx:
                await self.insert("lost", tx)
                row = await maybe_await(tx.fetchone(self.sessions.session_sql))
                self.assertTrue(self.sessions.end_session(self.look, row["number"]))
                await self.insert("later", tx)
        await self.insert("kept")
        self.assertEqual(await self.stored(), ["kept"])
        await self.assert_whole()

    async def test_two_databases(self) -> None:
        """X4: all databases on a pool share its transactions: what one of them opened the other one sees."""
        other = self.backend.database(self.pool)
        async with self.transaction(self.pooled):
            await self.insert("a")
            await self.insert("b", other)
            self.assertEqual(await self.stored(), [])
        self.assertEqual(await self.stored(), ["a", "b"])
        self.assertIs(other._registry, self.pooled._registry)
        await self.assert_whole()

    async def test_close(self) -> None:
        """X5: `close()` lets go of the pool, which is the caller's; `close_pool=True` closes it."""
        await self.insert("a")
        await self.close(self.pooled)
        with self.assertRaises(ClosedError):
            await self.insert("b")
        await self.assert_whole()
        for db in (self.backend.database(self.pool), self.pooled):
            await maybe_await(db.aclose(close_pool=True) if self.is_async else db.close(close_pool=True))
            with self.assertRaises(ClosedError):
                await self.insert("c", db)
        await self.insert("d", self.backend.database(await self.driver_pool()))
        self.assertEqual(await self.stored(), ["a", "d"])

    async def test_what_it_is(self) -> None:
        """X5: its dialect is the driver's; `joined` is for connections; its repr tells what it stands on."""
        self.assertIs(self.pooled.pool, self.pool)
        self.assertIs(type(self.pooled.dialect), type(self.db.dialect))
        self.assertIn("a pool of", repr(self.pooled))
        with self.assertRaises(ConfigurationError):
            self.backend.database(self.pool, joined=True)
        with self.assertRaises(TypeError):
            PoolConnector(self.pool)


class DriverPoolThreadContract(DriverPoolTools):
    """X4: where a thread would wait for itself."""

    requires = ("supports_blocking_calls",)

    async def test_a_thread_that_would_wait_for_itself(self) -> None:
        """X4: when all connections are in its own transactions, it is told so at once."""
        others = [self.backend.database(self.pool) for _ in range(SIZE)]
        with contextlib.ExitStack() as stack:
            for db in others:
                # In a context of its own each, as callbacks have.
                stack.enter_context(_elsewhere(db))
            with self.assertRaises(TransactionError):
                _elsewhere(self.pooled).__enter__()
        await self.assert_whole()


class DriverPoolTaskContract(DriverPoolTools):
    """X7: cancelled tasks."""

    requires = ("supports_tasks",)

    async def test_cancelled(self) -> None:
        """X7 P2: a cancelled operation or transaction gives its connection back, clean; else another one comes."""
        if not self.sessions.interrupts_statements:
            self.enterContext(mock.patch.object(awaiting, "GRACE", 0.1))

        async def operation() -> None:
            await self.pooled.fetchone(self.sessions.sleeping)

        async def block() -> None:
            async with self.pooled.transaction() as tx:
                await self.insert("gone", tx)
                await tx.fetchone(self.sessions.sleeping)

        for work in (operation, block) * 2:
            task = asyncio.get_running_loop().create_task(work())
            while not self.sessions.sleeping_sessions(self.look):
                await asyncio.sleep(0.01)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            for number in self.sessions.sleeping_sessions(self.look):  # nobody waits for it any more
                self.sessions.end_session(self.look, number)
            await self.assert_whole()
        self.assertEqual(await self.stored(), [])

    async def test_cancelled_while_it_waits(self) -> None:
        """X7 P2: who is cancelled while all connections are out takes none."""
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(SIZE):
                await stack.enter_async_context(self.backend.taken(self.pool))  # type: ignore[attr-defined]
            task = asyncio.get_running_loop().create_task(self.insert("gone"))
            await asyncio.sleep(0)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
        await self.assert_whole()
        self.assertEqual(await self.stored(), [])


def _elsewhere(db: Any) -> contextlib.AbstractContextManager[Any]:
    """Open a transaction in a context of its own."""

    @contextlib.contextmanager
    def opened() -> Any:
        context = contextvars.Context()
        block = db.transaction()
        yield context.run(block.__enter__)
        context.run(block.__exit__, None, None, None)

    return opened()
