"""X7: cancellation at every await of every operation leaves all or nothing, no open transaction and a free lock.

Two ways to hit every point. By statement: the connection's trace callback, which runs as a statement starts, has the
task cancelled and lets the statement go on only when the cancellation has been delivered; so each statement of an
operation, BEGIN and COMMIT included, is met once, in whatever thread it runs. By step: the task is cancelled after
each number of turns of the event loop, which meets the awaits between statements and the waiting for locks.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from mini_orm import LockTimeout, TransactionError
from tests.backends import (
    BACKENDS,
    Aiosqlite,
    Asyncpg,
    AsyncPsycopg,
    WorkerPsycopg,
    WorkerPsycopg2,
    WorkerSqlite3,
    bind,
    needs,
)
from tests.contracts.transactions import LIMIT, Account, Tools

#: More turns of the loop than any operation here takes on an inline connection; the others take real time as well.
STEPS = 20
ROWS = 20
#: A statement that would run for hours.
ENDLESS = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000) "
    "SELECT count(*) AS many FROM n"
)


class CancellationContract(Tools):
    """X7 on every driver of the async face."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self.create_tables(Account)
        if self.backend.uses_file:
            await self.db.execute("PRAGMA synchronous = OFF")
        self.look = self.outside()

    # The work: name, what it runs, and how many rows it leaves when it is not disturbed.

    def works(self) -> list[tuple[str, Callable[[], Coroutine[Any, Any, Any]], int]]:
        repo = self.repo(Account)

        async def block() -> None:
            async with self.transaction() as tx:
                inside = self.repo(Account, tx)
                await inside.insert(Account(owner="one"))
                await asyncio.sleep(0)
                async with self.transaction(tx) as inner:
                    await self.repo(Account, inner).insert_many([Account(owner="two"), Account(owner="three")])
                await inside.update_where({"balance": 7}, allow_all=True)
                await inside.get_or_create(lookup={"owner": "four"})
                await asyncio.sleep(0)

        async def in_transaction(tx: Any) -> None:
            await self.repo(Account, tx).insert(Account(owner="one"))
            await self.repo(Account, tx).insert(Account(owner="two"))

        async def together() -> None:
            async with self.transaction() as tx, asyncio.TaskGroup() as group:
                for number in range(4):
                    group.create_task(self.repo(Account, tx).insert_many([Account(owner=f"{number}{p}") for p in "ab"]))

        return [
            ("insert", lambda: repo.insert(Account(owner="one")), 1),
            ("insert_many", lambda: repo.insert_many(Account(owner=str(number)) for number in range(ROWS)), ROWS),
            ("get_or_create", lambda: repo.get_or_create(lookup={"owner": "one"}), 1),
            ("transaction", block, 4),
            ("run_in_transaction", lambda: self.db.run_in_transaction(in_transaction), 2),
            ("children through tx", together, 8),
        ]

    def start(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Task[Any]:
        """Start `work` as an unrelated task."""

        async def run() -> Any:
            return await work()

        return asyncio.get_running_loop().create_task(run(), context=contextvars.Context())

    async def finish(self, task: asyncio.Task[Any]) -> None:
        done, _ = await asyncio.wait({task}, timeout=LIMIT)
        self.assertTrue(done, "the cancelled task is stuck")

    async def assert_all_or_nothing(self, rows: int) -> None:
        """Check that nothing is open and everybody can go on; count the rows, and take them away."""
        self.assertFalse(self.backend.in_transaction(self.db.conn), "a transaction is still open")
        (count,) = self.look.execute("SELECT count(*) FROM account").fetchone()
        self.assertIn(count, (0, rows))
        async with asyncio.timeout(LIMIT):
            task = self.start(lambda: self.repo(Account).insert(Account(owner="probe")))
            await task
            async with self.transaction() as tx:
                await self.repo(Account, tx).delete_where(allow_all=True)
        self.assertEqual(self.look.execute("SELECT count(*) FROM account").fetchone(), (0,))

    async def cancelled_at(
        self, statement: int, work: Callable[[], Coroutine[Any, Any, Any]], storm: int = 0
    ) -> tuple[asyncio.Task[Any], bool]:
        """Run `work`, cancelled as its statement number `statement` starts, and again `storm` times after that.

        Return the finished task, and whether it came that far.
        """
        loop = asyncio.get_running_loop()
        loop_thread = threading.get_ident()
        numbers = itertools.count()
        reached = False
        task: asyncio.Task[Any]

        def deliver(left: int, again: int, delivered: threading.Event) -> None:
            if again >= 0:
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
                # The statement goes on some turns later, when the task has got its cancellation.
                loop.call_soon_threadsafe(deliver, 4, storm, delivered)
                delivered.wait(LIMIT)

        conn = self.db.conn
        await self.backend.trace(conn, trace)
        task = self.start(work)
        await self.finish(task)
        await self.backend.trace(conn, None)
        return task, reached

    async def at_every_statement(self, storm: int = 0) -> None:
        for name, work, rows in self.works():
            for statement in itertools.count():
                with self.subTest(work=name, statement=statement):
                    task, reached = await self.cancelled_at(statement, work, storm)
                    if reached:
                        self.assertTrue(task.cancelled(), "the cancellation was swallowed or became another error")
                    else:
                        task.result()
                    await self.assert_all_or_nothing(rows)
                    if not reached:
                        break
            self.assertGreater(statement, 0, "the trace saw no statement")

    async def test_at_every_statement(self) -> None:
        """X7 B3 R6: cancelled as any of its statements starts, an operation is all or nothing and CancelledError."""
        await self.at_every_statement()

    async def test_cancelled_again_and_again(self) -> None:
        """X7: further cancellations, while the first one is being cleaned up after, change nothing of that."""
        await self.at_every_statement(storm=8)

    async def test_at_every_step(self) -> None:
        """X7: cancelled after each number of turns of the event loop, from before its first step on."""
        for name, work, rows in self.works():
            for steps in range(STEPS):
                with self.subTest(work=name, steps=steps):
                    task = self.start(work)
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    cancelled = task.cancel()
                    await self.finish(task)
                    if cancelled:
                        self.assertTrue(task.cancelled(), "the cancellation was swallowed or became another error")
                    else:
                        task.result()
                    await self.assert_all_or_nothing(rows)

    async def test_among_other_callers(self) -> None:
        """X7 X4: of many callers in the queue for one connection some are cancelled; the others get their turn."""
        for steps in range(0, STEPS, 3):
            repo = self.repo(Account)
            tasks = [self.start(partial(repo.insert, Account(owner=f"{steps} {number}"))) for number in range(9)]
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in tasks[1::3]:
                task.cancel()
            for number, task in enumerate(tasks):
                await self.finish(task)
                if number % 3 != 1:
                    self.assertEqual(task.result().owner, f"{steps} {number}")
            await self.assert_clean()
            await self.repo(Account).delete_where(allow_all=True)

    async def test_while_waiting_for_the_connection(self) -> None:
        """X7 X4: a caller that waits for another's transaction is cancelled at once, and takes no lock with it."""
        async with self.transaction() as tx:
            await self.repo(Account, tx).insert(Account(owner="mine"))
            for work in (
                lambda: self.repo(Account).insert(Account(owner="gone")),
                lambda: self.repo(Account).count(),
                self.empty_block,
            ):
                before, waiting, after = self.start(work), self.start(work), self.start(self.empty_block)
                for _ in range(5):
                    await asyncio.sleep(0)
                self.assertFalse(before.done() or waiting.done() or after.done())
                waiting.cancel()
                before.cancel()
                await self.finish(waiting)
                await self.finish(before)
                self.assertTrue(waiting.cancelled() and before.cancelled())
                self.assertFalse(after.done())
                after.cancel()
                await self.finish(after)
            last = self.start(lambda: self.repo(Account).insert(Account(owner="last")))
            await self.repo(Account, tx).insert(Account(owner="mine, too"))
        await self.finish(last)
        self.assertEqual(self.owners(), ["last", "mine", "mine, too"])
        await self.assert_clean()

    async def empty_block(self) -> None:
        async with self.transaction():
            pass

    async def test_while_the_block_awaits_something_else(self) -> None:
        """X7 X1: a task cancelled in the user's own await inside a block rolls back and frees the connection."""
        entered = asyncio.Event()

        async def work() -> None:
            async with self.transaction() as tx:
                await self.repo(Account, tx).insert(Account(owner="gone"))
                entered.set()
                await asyncio.Event().wait()

        task = self.start(work)
        async with asyncio.timeout(LIMIT):
            await entered.wait()
        waiting = self.start(lambda: self.repo(Account).count())
        task.cancel()
        await self.finish(task)
        self.assertTrue(task.cancelled())
        await self.finish(waiting)
        self.assertEqual(waiting.result(), 0)
        await self.assert_all_or_nothing(0)

    async def test_while_waiting_for_the_file(self) -> None:
        """X7 X6: cancelled while another connection holds the write lock: nothing is written when it comes free."""
        for name, work, rows in self.works()[:5]:
            with self.subTest(work=name):
                for sql in self.backend.lock("account"):
                    self.look.execute(sql)
                task = self.start(work)
                for _ in range(20):
                    await asyncio.sleep(0)
                self.assertFalse(task.done())
                task.cancel()
                for _ in range(3):
                    await asyncio.sleep(0)
                self.look.execute("COMMIT")
                await self.finish(task)
                self.assertTrue(task.cancelled())
                await self.assert_all_or_nothing(rows)

    async def test_timeout_scope(self) -> None:
        """X7 X4: `asyncio.timeout` inside a block: the caller's TimeoutError, and the block's own end after it."""
        async with self.transaction() as tx:
            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await asyncio.Event().wait()
            await self.repo(Account, tx).insert(Account(owner="kept"))
        self.assertEqual(self.owners(), ["kept"])
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(0.01), self.transaction() as tx:
                await self.repo(Account, tx).insert(Account(owner="gone"))
                await asyncio.Event().wait()
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_clean()

    async def test_between_retries(self) -> None:
        """X7 X9: cancelled while it waits to run again, `run_in_transaction` stops and leaves nothing."""
        for steps in range(STEPS):
            started = asyncio.Event()

            async def body(tx: Any, started: asyncio.Event = started) -> None:
                await self.repo(Account, tx).insert(Account(owner="gone"))
                started.set()
                raise LockTimeout("again")

            task = self.start(partial(self.db.run_in_transaction, body, retries=1000))
            async with asyncio.timeout(LIMIT):
                await started.wait()
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await self.finish(task)
            self.assertTrue(task.cancelled())
            await self.assert_all_or_nothing(0)


class InterruptContract(Tools):
    """X7 where a statement runs off the loop, so that one that takes long can be interrupted."""

    requires = ("supports_threads",)

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self.create_tables(Account)
        self.look = self.outside()

    @asynccontextmanager
    async def started(self) -> AsyncIterator[asyncio.Event]:
        """Yield an event that is set when the connection starts the endless statement."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()

        def trace(sql: str) -> None:
            if "WITH RECURSIVE" in sql:
                loop.call_soon_threadsafe(event.set)

        conn = self.db.conn
        await self.backend.trace(conn, trace)
        yield event
        await self.backend.trace(conn, None)

    async def cancel_while_running(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        loop = asyncio.get_running_loop()

        async def run() -> None:
            await work()

        async with self.started() as event:
            task = loop.create_task(run(), context=contextvars.Context())
            async with asyncio.timeout(LIMIT):
                await event.wait()
                while not self.backend.runs_elsewhere(self.look):  # a server forgets a cancel that comes before
                    await asyncio.sleep(0.001)
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=LIMIT)
            self.assertTrue(done, "the statement was not interrupted")
            self.assertTrue(task.cancelled())
        self.assertFalse(self.backend.in_transaction(self.db.conn))
        await self.assert_clean()

    async def test_a_single_statement(self) -> None:
        """X7: a statement that would run for hours is interrupted at once; the connection goes on."""
        for _ in range(3):
            await self.cancel_while_running(lambda: self.db.fetchall(ENDLESS))
            await self.repo(Account).insert(Account(owner="after"))
            self.assertEqual(self.owners(), ["after"])
            await self.repo(Account).delete_where(allow_all=True)

    async def test_inside_a_transaction(self) -> None:
        """X7: the same inside a block, nested and through `run_in_transaction`: rolled back."""

        async def nested() -> None:
            async with self.transaction() as tx:
                await self.repo(Account, tx).insert(Account(owner="gone"))
                async with self.transaction(tx) as inner:
                    await self.repo(Account, inner).insert(Account(owner="gone, too"))
                    await inner.fetchone(ENDLESS)

        async def body(tx: Any) -> None:
            await self.repo(Account, tx).insert(Account(owner="gone"))
            await tx.execute(f"INSERT INTO account (owner, balance) SELECT 'x', many FROM ({ENDLESS})")

        for work in (nested, lambda: self.db.run_in_transaction(body)):
            await self.cancel_while_running(work)
            self.assertEqual(self.owners(), [])

    async def test_timeout(self) -> None:
        """X7: `asyncio.timeout` around an endless statement raises TimeoutError, outside a block and around one."""
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(0.05):
                await self.db.fetchone(ENDLESS)
        await self.assert_clean()
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(0.05), self.transaction() as tx:
                await self.repo(Account, tx).insert(Account(owner="gone"))
                await tx.fetchone(ENDLESS)
        self.assertEqual(self.owners(), [])
        await self.assert_clean()

    @needs("survives_errors")
    async def test_timeout_caught_inside_the_block(self) -> None:
        """X7 X1: caught inside the block, the transaction goes on whole or is lost whole, never half."""
        try:
            async with self.transaction() as tx:
                await self.repo(Account, tx).insert(Account(owner="before"))
                with self.assertRaises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await tx.fetchone(ENDLESS)
                await self.repo(Account, tx).insert(Account(owner="after"))
        except TransactionError:
            self.assertEqual(self.owners(), [])
        else:
            self.assertEqual(self.owners(), ["after", "before"])
        await self.assert_clean()

    @needs("supports_functions")
    async def test_nobody_else_is_interrupted(self) -> None:
        """X7 X4: cancelling a caller that only waits in the queue does not interrupt the one that is running."""
        running, release = threading.Event(), threading.Event()

        def hold() -> int:
            running.set()
            return int(release.wait(LIMIT))

        await self.on_driver(self.db.conn, "create_function", "hold", 0, hold)
        loop = asyncio.get_running_loop()
        owner = loop.create_task(
            self.db.fetchone("SELECT hold() AS held, (SELECT count(*) FROM account) AS many"),
            context=contextvars.Context(),
        )
        async with asyncio.timeout(LIMIT):
            while not running.is_set():
                await asyncio.sleep(0)
        waiting = loop.create_task(self.db.fetchone("SELECT 1 AS one"), context=contextvars.Context())
        for _ in range(5):
            await asyncio.sleep(0)
        waiting.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        release.set()
        async with asyncio.timeout(LIMIT):
            self.assertEqual(dict(await owner), {"held": 1, "many": 0})
        await asyncio.wait({waiting}, timeout=LIMIT)
        self.assertTrue(waiting.cancelled())
        await self.assert_clean()

    async def test_wait_for(self) -> None:
        """X7: `asyncio.wait_for` that runs out interrupts the statement, in its own task (3.11) or not."""
        with self.assertRaises(TimeoutError):
            await asyncio.wait_for(self.db.fetchone(ENDLESS), 0.05)
        await self.assert_clean()


for contract, backends in (
    (CancellationContract, [backend for backend in BACKENDS if backend.face == "async"]),
    (InterruptContract, [WorkerSqlite3, Aiosqlite, WorkerPsycopg, WorkerPsycopg2, AsyncPsycopg, Asyncpg]),
):
    for backend in backends:
        case = bind(contract, backend)
        globals()[case.__name__] = case
del case
