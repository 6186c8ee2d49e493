"""Pools: X7 a cancellation at any statement and any await leaves no transaction open and loses no connection.

Two ways to hit every point, as in tests/test_cancellation.py: as each statement starts, whatever connection and thread
it runs in, those that open a connection included; and after each number of turns of the event loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from mini_orm import PoolConnector
from tests.contracts.pool_tools import PoolTools
from tests.contracts.transactions import LIMIT, Account

#: More turns of the loop than any piece of work here takes where it runs inline.
STEPS = 30
Work = Callable[[], Coroutine[Any, Any, Any]]


class PoolCancellationTools(PoolTools):
    """Ways to cancel work on a pool, and to look at what it left."""

    requires: tuple[str, ...] = ("supports_tasks",)

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        if self.backend.uses_file:
            self.look.execute("PRAGMA synchronous = OFF")
        self.on_statement: Callable[[str], None] = lambda sql: None
        self.connections.prepare = lambda conn: self.backend.trace_opened(conn, lambda sql: self.on_statement(sql))

    def works(self, pool: PoolConnector) -> list[tuple[str, Work, int]]:
        """Return pieces of work: a name, what it does, and how many rows it leaves when nothing disturbs it."""
        db = self.on(pool)
        repo = self.repo(Account, db)

        async def block() -> None:
            async with self.transaction(db) as tx:
                await self.repo(Account, tx).insert(Account(owner="one"))
                async with self.transaction(tx) as inner:
                    await self.repo(Account, inner).insert_many([Account(owner="two"), Account(owner="three")])
                await tx.execute("UPDATE account SET balance = 7")

        async def body(tx: Any) -> None:
            await self.repo(Account, tx).insert(Account(owner="one"))
            await self.repo(Account, tx).insert(Account(owner="two"))

        async def by_hand() -> None:
            async with self.connection(pool) as conn:
                await self.insert_raw(conn, "one")
                await self.insert_raw(conn, "two")
                await self.on_driver(conn, "commit")

        async def raw() -> None:
            await db.execute("INSERT INTO account (owner, balance) VALUES ('one', 1)")

        return [
            ("insert", lambda: repo.insert(Account(owner="one")), 1),
            ("insert_many", lambda: repo.insert_many(Account(owner=str(number)) for number in range(9)), 9),
            ("get_or_create", lambda: repo.get_or_create(lookup={"owner": "one"}), 1),
            ("raw SQL", raw, 1),
            ("transaction", block, 3),
            ("run_in_transaction", lambda: db.run_in_transaction(body), 2),
            ("by hand", by_hand, 2),
        ]

    def awaited_works(self, pool: PoolConnector) -> list[tuple[str, Work, int]]:
        """Return those that wait for a connection without keeping the loop from going on."""
        works = self.works(pool)
        return works if self.backend.supports_awaited_pools else [work for work in works if work[0] != "by hand"]

    def start(self, work: Work) -> asyncio.Task[Any]:
        """Start `work` as an unrelated task."""

        async def run() -> Any:
            return await work()

        return asyncio.get_running_loop().create_task(run(), context=contextvars.Context())

    async def finish(self, task: asyncio.Task[Any], *, cancelled: bool) -> None:
        """Wait for a task's end, and check that a cancellation was neither swallowed nor became another error."""
        done, _ = await asyncio.wait({task}, timeout=LIMIT)
        self.assertTrue(done, "the cancelled task is stuck")
        if cancelled:
            self.assertTrue(task.cancelled(), "the cancellation was swallowed or became another error")
        else:
            task.result()

    async def assert_all_or_nothing(self, pool: PoolConnector, rows: int) -> None:
        """Check that every connection is there and clean; count the rows, and take them away."""
        (count,) = self.look.execute("SELECT count(*) FROM account").fetchone()
        self.assertIn(count, (0, rows))
        await self.assert_whole(pool)
        self.look.execute("DELETE FROM account")

    async def cancelled_at(self, statement: int, work: Work, storm: int) -> tuple[asyncio.Task[Any], bool]:
        """Run `work`, cancelled as its statement number `statement` starts, and again `storm` times after that.

        Return the task, and whether it came that far.
        """
        loop, loop_thread = asyncio.get_running_loop(), threading.get_ident()
        numbers = itertools.count()
        reached = False
        task: asyncio.Task[Any]

        def deliver(left: int, again: int, delivered: threading.Event) -> None:
            task.cancel()
            if left == 0:
                delivered.set()
            if left > 0 or again > 0:
                loop.call_soon(deliver, left - 1, again - 1, delivered)

        def trace(_: str) -> None:
            nonlocal reached
            if next(numbers) != statement:
                return
            reached = True
            delivered = threading.Event()
            if threading.get_ident() == loop_thread:
                deliver(0, storm, delivered)
            else:
                loop.call_soon_threadsafe(deliver, 4, storm, delivered)
                delivered.wait(LIMIT)

        self.on_statement = trace
        task = self.start(work)
        await asyncio.wait({task}, timeout=LIMIT)
        self.on_statement = lambda sql: None
        return task, reached


class PoolCancellationContract(PoolCancellationTools):
    """X7: work on a pool, cancelled at every point."""

    async def at_every_statement(self, *, warm: bool, storm: int = 0) -> None:
        for name, _, rows in self.works(self.pool())[:: self.amount(1, 2)]:
            pool = self.pool()
            if warm:
                await self.assert_whole(pool)
            for statement in itertools.count():
                if not warm:
                    await self.assert_shut(pool)
                    pool = self.pool()
                with self.subTest(work=name, statement=statement, warm=warm):
                    [work] = [found for key, found, _ in self.works(pool) if key == name]
                    task, reached = await self.cancelled_at(statement, work, storm)
                    await self.finish(task, cancelled=reached)
                    await self.assert_all_or_nothing(pool, rows)
                if not reached:
                    break
            self.assertGreater(statement, 0, "the trace saw no statement")
            await self.assert_shut(pool)

    async def test_at_every_statement(self) -> None:
        """X7 R6: cancelled as any of its statements starts: all or nothing, and every connection is there."""
        await self.at_every_statement(warm=True)

    async def test_at_every_statement_from_the_first_connection_on(self) -> None:
        """X7 P2: the same on a new pool, where the connection is opened and made ready first."""
        await self.at_every_statement(warm=False)

    async def test_cancelled_again_and_again(self) -> None:
        """X7: further cancellations, while the first one is being cleaned up after, change nothing of that."""
        await self.at_every_statement(warm=True, storm=8)

    async def test_at_every_step(self) -> None:
        """X7 P2: cancelled after each number of turns of the event loop, on a new pool and on a used one."""
        for (name, _, rows), warm in itertools.product(self.works(self.pool()), (False, True)):
            pool = self.pool()
            if warm:
                await self.assert_whole(pool)
            for steps in range(0, STEPS, self.amount(1, 4)):
                if not warm:
                    await self.assert_shut(pool)
                    pool = self.pool()
                with self.subTest(work=name, steps=steps, warm=warm):
                    [work] = [found for key, found, _ in self.works(pool) if key == name]
                    task = self.start(work)
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    await self.finish(task, cancelled=task.cancel())
                    await self.assert_all_or_nothing(pool, rows)
            await self.assert_shut(pool)

    async def test_while_waiting(self) -> None:
        """X7 P2: who waits for a connection is cancelled at once; the others keep their places in the line."""
        pool = self.pool()
        for name, work, rows in self.awaited_works(pool):
            with self.subTest(work=name):
                held = [await self.acquire(pool), await self.acquire(pool)]
                waiting = [self.start(work) for _ in range(3)]
                await self.until(lambda: len(pool._pool.slots.waiters) == 3)
                for task in (waiting[0], waiting[2]):
                    task.cancel()
                    await self.finish(task, cancelled=True)
                self.assertFalse(waiting[1].done())
                for conn in held:
                    await self.release(pool, conn)
                await self.finish(waiting[1], cancelled=False)
                await self.assert_all_or_nothing(pool, rows)

    async def test_as_a_connection_comes_back(self) -> None:
        """X7 P2: cancelled about when the connection is handed over: it is used or handed on, never lost."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        for steps in range(6):
            held = await self.acquire(pool)
            first = self.start(lambda: db.fetchone("SELECT 1"))
            second = self.start(lambda: db.fetchone("SELECT 1"))
            await self.until(lambda: len(pool._pool.slots.waiters) == 2)
            await self.release(pool, held)
            for _ in range(steps):
                await asyncio.sleep(0)
            await self.finish(first, cancelled=first.cancel())
            await self.finish(second, cancelled=False)
            await self.assert_whole(pool)

    async def test_while_the_block_awaits_something_else(self) -> None:
        """X7 X1 P3: a task cancelled in the user's own await, in a transaction or with a connection in its hands."""
        pool = self.pool()
        db = self.on(pool)
        for is_transaction in (True, False):
            entered = asyncio.Event()

            async def work(entered: asyncio.Event = entered, is_transaction: bool = is_transaction) -> None:
                if is_transaction:
                    async with self.transaction(db) as tx:
                        await self.repo(Account, tx).insert(Account(owner="gone"))
                        entered.set()
                        await asyncio.Event().wait()
                async with self.connection(pool) as conn:
                    await self.insert_raw(conn, "gone")
                    entered.set()
                    await asyncio.Event().wait()

            task = self.start(work)
            await self.within(entered.wait())
            task.cancel()
            await self.finish(task, cancelled=True)
            await self.assert_all_or_nothing(pool, 0)

    async def test_timeouts(self) -> None:
        """X7: `asyncio.timeout` and `wait_for` around work on a pool are the caller's TimeoutError."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        async with self.transaction(db) as tx:
            await self.repo(Account, tx).insert(Account(owner="kept"))

            async def stranger() -> None:
                async with asyncio.timeout(0.01):
                    await db.fetchone("SELECT 1")

            task = self.start(stranger)
            with self.assertRaises(TimeoutError):
                await task
            task = self.start(lambda: asyncio.wait_for(db.fetchone("SELECT 1"), 0.01))
            with self.assertRaises(TimeoutError):
                await task
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(0.01), self.transaction(db) as tx:
                await self.repo(Account, tx).insert(Account(owner="gone"))
                await asyncio.Event().wait()
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_whole(pool)

    async def test_a_failing_group(self) -> None:
        """X7 X4: a task that fails cancels its siblings in the middle; all connections come back clean."""
        pool = self.pool(max_size=3)
        db = self.on(pool)
        for steps in range(0, STEPS, 3):

            async def fail(steps: int = steps) -> None:
                for _ in range(steps):
                    await asyncio.sleep(0)
                raise ZeroDivisionError

            with self.assertRaises(ExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    for number in range(8):
                        group.create_task(self.write_pairs(db, number))
                    group.create_task(fail())
            self.assertEqual(len(self.owners()) % 2, 0)
            await self.assert_whole(pool)
            self.look.execute("DELETE FROM account")

    async def write_pairs(self, db: Any, number: int) -> None:
        for turn in range(20):
            async with self.transaction(db) as tx:
                await self.repo(Account, tx).insert(Account(owner=f"{number} {turn} a"))
                await self.repo(Account, tx).insert(Account(owner=f"{number} {turn} b"))

    async def test_when_all_tasks_are_cancelled(self) -> None:
        """X7: every task of the loop at once, as a loop that ends does: no place is lost, no transaction left open."""
        for steps in range(12):
            pool = self.pool()
            await self.assert_whole(pool)
            me = asyncio.current_task()
            # By hand a task would wait for another one's lock, in the database, while the loop stands still.
            works = [self.start(work) for name, work, _ in self.works(pool) for _ in range(2) if name != "by hand"]
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in asyncio.all_tasks() - {me}:
                task.cancel()
            await self.within(self.ends(works))
            await self.assert_whole(pool)
            await self.assert_shut(pool)
            self.look.execute("DELETE FROM account")

    async def ends(self, works: list[asyncio.Task[Any]]) -> None:
        await asyncio.gather(*works, return_exceptions=True)

    async def test_closing(self) -> None:
        """X7 P2 X5: `aclose(close_pool=True)` that is cancelled leaves a pool that can be closed, and is."""
        for steps in range(8):
            pool = self.pool(max_size=4)
            db = self.on(pool)
            await self.assert_whole(pool)
            task = self.start(lambda db=db: db.aclose(close_pool=True))  # type: ignore[misc]  # the loop's db
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task}, timeout=LIMIT)
            await self.assert_shut(pool)
