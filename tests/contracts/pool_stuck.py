"""Pools: X7 what takes too long: statements, hooks and connects that are interrupted, or can't be."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any
from unittest import mock

from mini_orm import PoolConnector
from mini_orm.core.database import awaiting
from tests.backends import maybe_await, needs
from tests.contracts.pool_cancellation import PoolCancellationTools, Work
from tests.contracts.transactions import LIMIT, Account

#: A statement that would run for hours.
ENDLESS = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000) "
    "SELECT count(*) AS many FROM n"
)


class PoolInterruptContract(PoolCancellationTools):
    """X7 where a statement runs off the loop, so that one that takes long can be interrupted, or can't."""

    requires = ("supports_tasks", "supports_threads")

    async def started(self, work: Work, mark: str) -> asyncio.Task[Any]:
        """Start `work` and wait until it runs a statement with `mark` in it."""
        event, loop = asyncio.Event(), asyncio.get_running_loop()

        def trace(sql: str) -> None:
            if mark in sql:
                loop.call_soon_threadsafe(event.set)

        self.on_statement = trace
        task = self.start(work)
        await self.within(event.wait())
        self.on_statement = lambda sql: None
        return task

    async def test_a_statement_that_takes_hours(self) -> None:
        """X7: it is interrupted at once, alone and in a transaction; its connection goes on."""
        pool = self.pool(max_size=1)
        db = self.on(pool)

        async def block() -> None:
            async with self.transaction(db) as tx:
                await self.repo(Account, tx).insert(Account(owner="gone"))
                await tx.fetchone(ENDLESS)

        for work in (lambda: db.fetchone(ENDLESS), block):
            task = await self.started(work, "RECURSIVE")
            task.cancel()
            await self.finish(task, cancelled=True)
            await self.assert_all_or_nothing(pool, 0)
        self.assertEqual(len(self.connections.opened), 1)

    @needs("supports_functions")
    async def test_nobody_else_is_interrupted(self) -> None:
        """X7 X4: what runs on another connection of the pool goes on."""
        release = threading.Event()
        prepare = self.connections.prepare

        def with_hold(conn: Any) -> None:
            prepare(conn)
            conn.create_function("hold", 0, lambda: int(release.wait(LIMIT)))

        self.connections.prepare = with_hold
        pool = self.pool()
        db = self.on(pool)
        held = await self.started(lambda: db.fetchone("SELECT hold() AS held"), "hold()")
        endless = await self.started(lambda: db.fetchone(ENDLESS), "RECURSIVE")
        endless.cancel()
        await self.finish(endless, cancelled=True)
        release.set()
        await self.finish(held, cancelled=False)
        self.assertEqual(held.result(), {"held": 1})
        await self.assert_whole(pool)

    @needs("supports_functions")
    async def test_a_statement_that_can_not_be_stopped(self) -> None:
        """X7: after the grace period the caller and the place are free; the connection is closed when it can be."""
        release = threading.Event()
        self.addCleanup(release.set)
        prepare = self.connections.prepare

        def with_hold(conn: Any) -> None:
            prepare(conn)
            conn.create_function("hold", 0, lambda: int(release.wait(LIMIT)))

        self.connections.prepare = with_hold
        pool = self.pool(max_size=1)
        db = self.on(pool)

        async def block() -> None:
            async with self.transaction(db, read_only=True) as tx:
                await tx.fetchone("SELECT hold() AS held")

        for work in (lambda: db.fetchone("SELECT hold() AS held"), block):
            release.clear()
            with mock.patch.object(awaiting, "GRACE", 0.05):
                task = await self.started(work, "hold()")
                task.cancel()
                done, _ = await asyncio.wait({task}, timeout=LIMIT / 3)
            self.assertTrue(done, "the caller waits for what can't be stopped")
            self.assertTrue(task.cancelled())
            self.assertEqual(await self.within(db.fetchone("SELECT 1 AS one")), {"one": 1})
            release.set()
            await self.until(lambda: self.connections.open == 1)
            await self.assert_whole(pool)

    async def test_a_connection_that_takes_too_long(self) -> None:
        """X7 P2: the same while a connection is opened: it is closed as soon as it is there."""
        release = threading.Event()
        self.addCleanup(release.set)
        opening = threading.Event()
        prepare = self.connections.prepare

        def slow(conn: Any) -> None:
            prepare(conn)
            opening.set()
            release.wait(LIMIT)

        self.connections.prepare = slow
        pool = self.pool(max_size=1)
        db = self.on(pool)
        with mock.patch.object(awaiting, "GRACE", 0.05):
            task = self.start(lambda: db.fetchone("SELECT 1"))
            await self.until(opening.is_set)
            task.cancel()
            await self.finish(task, cancelled=True)
        self.connections.prepare = prepare
        self.assertEqual(await self.within(db.fetchone("SELECT 1 AS one")), {"one": 1})
        release.set()
        await self.until(lambda: self.connections.open == 1)
        await self.assert_whole(pool)


class PoolHookCancellationContract(PoolCancellationTools):
    """X7 P5 where the session's reset is awaited."""

    requires = ("supports_awaited_pools",)

    async def test_in_the_hook(self) -> None:
        """X7 P5: cancelled while the hook runs: it comes to its end, and the connection is used again."""
        started, go_on = asyncio.Event(), asyncio.Event()
        ended: list[Any] = []

        async def hook(conn: Any) -> None:
            started.set()
            await go_on.wait()
            ended.append(conn)

        pool = self.pool(max_size=1, session_reset_hook=hook)
        db = self.on(pool)
        for way in (lambda: db.fetchone("SELECT 1"), lambda: self.use(pool)):
            started.clear()
            go_on.clear()
            task = self.start(way)
            await self.within(started.wait())
            task.cancel()
            for _ in range(5):
                await asyncio.sleep(0)
            self.assertFalse(task.done())
            go_on.set()
            await self.finish(task, cancelled=True)
        self.assertEqual((len(ended), len(self.connections.opened)), (2, 1))
        await self.assert_whole(pool)

    async def use(self, pool: PoolConnector) -> None:
        async with self.connection(pool):
            pass

    async def test_a_hook_that_never_ends(self) -> None:
        """X7 P5: after the grace period the place is free; nobody else gets the connection that the hook still has."""
        started, never = asyncio.Event(), asyncio.Event()
        self.addCleanup(never.set)
        hooked: list[Any] = []

        async def hook(conn: Any) -> None:
            hooked.append(conn)
            started.set()
            if len(hooked) == 1:
                await never.wait()

        pool = self.pool(max_size=1, session_reset_hook=hook)
        with mock.patch.object(awaiting, "GRACE", 0.05):
            task = self.start(lambda: self.use(pool))
            await self.within(started.wait())
            task.cancel()
            await self.finish(task, cancelled=True)
        conn = await self.acquire(pool, timeout=0)
        self.assertIsNot(conn, hooked[0])
        await self.release(pool, conn)
        never.set()
        await self.until(lambda: self.connections.open == 1)
        await self.assert_whole(pool)

    async def test_a_hook_that_is_cancelled_with_all_tasks(self) -> None:
        """X7 P5: a hook that is cancelled itself leaves a connection that is not used again, and loses no place."""
        started = asyncio.Event()

        async def hook(_: Any) -> None:
            started.set()
            await asyncio.Event().wait()

        pool = self.pool(max_size=1, session_reset_hook=hook)
        task = self.start(lambda: self.use(pool))
        await self.within(started.wait())
        [dirty] = self.connections.opened
        for other in asyncio.all_tasks() - {asyncio.current_task()}:
            other.cancel()
        await self.finish(task, cancelled=True)
        await self.until(lambda: any(dirty is conn for conn in self.connections.closed))
        with contextlib.suppress(TimeoutError):
            self.assertEqual(await maybe_await(self.repo(Account, self.on(pool)).count()), 0)
