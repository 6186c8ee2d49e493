"""X7 on a server: a cancellation at every await leaves all or nothing, no open transaction and no lost place."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import threading
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from mini_orm import PoolConnector
from mini_orm.core.database import awaiting
from tests.backends import needs
from tests.contracts.server_tools import ServerTools
from tests.contracts.transactions import LIMIT, Account

ROWS = 20
Work = Callable[[], Coroutine[Any, Any, Any]]


@dataclass
class Shelf:
    """Has books."""

    name: str = field(metadata={"unique_index": True})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Book:
    """Stands on a shelf."""

    title: str
    shelf_id: int = field(default=0, metadata={"fk": (Shelf, "id"), "related_name": "books"})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


class CancelledAt:
    """Awaits some work, and cancels its task at one of its awaits, and at each of the `storm` next ones."""

    def __init__(self, work: Work, at: int, *, turns: int = 0, storm: int = 0) -> None:
        self.is_reached = False
        self._work = work
        self._at = range(at, at + 1 + storm)
        self._turns = turns

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._work().__await__()
        resume: Callable[[], Any] = lambda: steps.send(None)  # noqa: E731  # what follows is of the same kind
        for number in itertools.count():
            try:
                awaited = resume()
            except StopIteration as done:
                return done.value
            if number in self._at:
                self.is_reached = True
                self._cancel(asyncio.current_task(), self._turns)
            try:
                value = yield awaited
            except BaseException as exc:  # handed on
                error = exc
                resume = lambda: steps.throw(error)  # noqa: E731, B023  # called before the next one is caught
            else:
                resume = lambda: steps.send(value)  # noqa: E731, B023
        raise AssertionError("unreachable")

    def _cancel(self, task: asyncio.Task[Any] | None, turns: int) -> None:
        """Cancel the task now, or so many turns of the event loop later."""
        assert task is not None
        if turns == 0:
            task.cancel()
        elif not task.done():
            asyncio.get_running_loop().call_soon(self._cancel, task, turns - 1)


class CancellationTools(ServerTools):
    """What is cancelled, and what has to be so after it."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self.create_tables(Shelf, Book)
        self.hub_of_all = self.hub()

    def works(self) -> dict[str, tuple[Work, int]]:
        """Return what is cancelled, by name, and how many rows it leaves when it is not."""
        repo = self.repo(Account)

        async def block() -> None:
            async with self.transaction() as tx:
                await self.add(tx, "one")
                async with self.transaction(tx) as inner:
                    await self.repo(Account, inner).insert_many([Account(owner="two"), Account(owner="three")])
                await self.set_balance(tx, "one", 7)
                await self.repo(Account, tx).get_or_create(lookup={"owner": "four"})

        async def children() -> None:
            async with self.transaction() as tx, asyncio.TaskGroup() as group:
                for name in "abcd":
                    group.create_task(
                        self.repo(Account, tx).insert_many([Account(owner=name), Account(owner=name * 2)])
                    )

        async def body(tx: Any) -> None:
            await self.add(tx, "one")
            await self.add(tx, "two")

        async def raw() -> None:
            await self.db.execute("INSERT INTO account (owner, balance) VALUES ('raw', 0)")

        return {
            "insert": (lambda: self.add(self.db, "one"), 1),
            "insert_many": (lambda: repo.insert_many([Account(owner=str(number)) for number in range(ROWS)]), ROWS),
            "create": (
                lambda: self.hub_of_all.create(Shelf("one"), relations={"books": [Book("a"), Book("b")]}),
                3,
            ),
            "get_or_create": (lambda: repo.get_or_create(lookup={"owner": "one"}), 1),
            "transaction": (block, 4),
            "children through tx": (children, 8),
            "run_in_transaction": (lambda: self.db.run_in_transaction(body), 2),
            "raw SQL": (raw, 1),
        }

    def rows(self) -> int:
        return int(
            self.value("SELECT (SELECT count(*) FROM account) + (SELECT count(*) FROM shelf) + count(*) FROM book")
        )

    async def check(self, rows: int) -> None:
        """Check that all is there, or nothing, and that everybody is free; then take the rows away."""
        await self.until(lambda: not self.in_progress())
        self.assertEqual(self.pool.stats().in_use, 0, "a place of the pool is lost")
        found = self.rows()
        self.assertIn(found, (0, rows))
        if found:
            for table in ("book", "shelf", "account"):
                self.look.execute(f"DELETE FROM {table}")

    async def finished(self, task: asyncio.Task[Any]) -> None:
        done, _ = await asyncio.wait({task}, timeout=LIMIT)
        self.assertTrue(done, "the cancelled task is stuck")

    def start(self, work: Callable[[], Any]) -> asyncio.Task[Any]:
        """Start `work` as an unrelated task."""

        async def run() -> Any:
            return await work()

        return asyncio.get_running_loop().create_task(run(), context=contextvars.Context())


class CancelledCallsContract(CancellationTools):
    """X7 R6 B3: operations and transactions on a pool, cancelled."""

    requires = ("supports_tasks",)

    async def at_every_await(self, *, turns: int = 0, storm: int = 0) -> None:
        for name, (work, rows) in self.works().items():
            for at in itertools.count():
                with self.subTest(work=name, at=at):
                    cancelled = CancelledAt(work, at, turns=turns, storm=storm)
                    task = self.start(lambda cancelled=cancelled: cancelled)  # type: ignore[misc]
                    await self.finished(task)
                    if turns == 0 and cancelled.is_reached:
                        self.assertTrue(task.cancelled(), "the cancellation was swallowed or became another error")
                    elif not task.cancelled():  # it may come when all is done
                        task.result()
                    await self.check(rows)
                if not cancelled.is_reached:
                    break
            self.assertGreater(at, 0, "nothing was awaited")
        await self.assert_whole()

    async def test_at_every_await(self) -> None:
        """X7 B3 R6: cancelled at each of its awaits, with the statement hardly sent: all or nothing."""
        await self.at_every_await()

    async def test_some_turns_later(self) -> None:
        """X7 B3 R6: the same when the statement is on its way, or done."""
        await self.at_every_await(turns=2)

    async def test_again_and_again(self) -> None:
        """X7: more cancellations, while what was begun is being undone, change nothing of that."""
        await self.at_every_await(storm=8)

    @needs("interrupts_statements")
    async def test_while_the_server_works(self) -> None:
        """X7: a statement that waits in the server for a lock ends there, too, and what came before is undone."""
        self.look.execute("INSERT INTO account (owner, balance) VALUES ('held', 0)")

        async def waits(db: Any) -> None:
            await self.add(db, "gone")
            await self.set_balance(db, "held", 1)

        async def block() -> None:
            async with self.transaction() as tx:
                await waits(tx)

        async def with_a_limit() -> None:
            async with asyncio.timeout(None) as limit, self.transaction() as tx:
                limits.append(limit)
                await waits(tx)

        limits: list[asyncio.Timeout] = []
        for number, work in enumerate((block, lambda: self.db.run_in_transaction(waits), with_a_limit)):
            with self.subTest(number=number):
                self.look.execute("BEGIN")
                self.look.execute("UPDATE account SET balance = 2 WHERE owner = 'held'")
                task = self.start(work)
                await self.until(lambda: self.blocked() == 1)
                if limits:
                    limits.pop().reschedule(asyncio.get_running_loop().time())
                else:
                    task.cancel()
                await self.finished(task)
                self.assertEqual(self.blocked(), 0)
                if task.cancelled():
                    self.assertLess(number, 2)
                else:
                    self.assertIsInstance(task.exception(), TimeoutError)
                self.look.execute("COMMIT")
                self.assertEqual(self.balances(), {"held": 2})
                await self.assert_whole()
        self.assertEqual(self.pool.stats().lost, 0)

    @needs("interrupts_statements")
    async def test_in_commit(self) -> None:
        """X7 X1: a COMMIT that takes long is cancelled in the server, and nothing of it is kept."""
        self.sessions.prepare_to_hold_commits(self.look, "account")
        self.enterContext(self.sessions.hold_commits(self.look))
        for storm in (0, 3):
            for name, (work, _) in self.works().items():
                if name == "create":
                    continue
                with self.subTest(work=name, storm=storm):
                    task = self.start(work)
                    await self.until(lambda: self.blocked() == 1)
                    for _ in range(1 + storm):
                        task.cancel()
                        await asyncio.sleep(0)
                    await self.finished(task)
                    self.assertTrue(task.cancelled())
                    await self.check(0)
        self.assertEqual(self.pool.stats().lost, 0)
        await self.assert_whole()

    async def test_who_waits_for_a_place(self) -> None:
        """X7 P2: callers that are cancelled while they wait for a connection take none, and lose none."""
        enough = self.gate()

        async def holder() -> None:
            async with self.transaction():
                await enough.wait()

        holders = [self.start(holder) for _ in range(self.pool.max_size)]
        await self.until(lambda: self.pool.stats().in_use == self.pool.max_size)
        waiting = [self.start(lambda name=name: self.add(self.db, name)) for name in "abcdef"]  # type: ignore[misc]
        await self.until(lambda: self.pool.stats().waiters == len(waiting))
        for task in waiting[::2]:
            task.cancel()
        enough.set()
        for task in (*holders, *waiting):
            await self.finished(task)
        self.assertEqual(sorted(self.balances()), ["b", "d", "f"])
        self.assertTrue(all(task.cancelled() for task in waiting[::2]))
        await self.assert_whole()

    @needs("supports_awaited_pools")
    async def test_by_hand(self) -> None:
        """X7 P2 P3: cancelled with the driver's own connection in hand, or while one is opened: no place is lost."""

        async def use() -> None:
            async with self.pool.connection() as conn:
                await self.backend.send(conn, "BEGIN")
                await self.backend.send(conn, "INSERT INTO account (owner, balance) VALUES ('gone', 0)")

        for at in itertools.count():
            with self.subTest(at=at):
                await self.shut(self.pool)  # so that a connection has to be opened
                self.pool = self.backend.pool(max_size=2)
                self.addAsyncCleanup(self.shut, self.pool)
                cancelled = CancelledAt(use, at)
                await self.finished(self.start(lambda cancelled=cancelled: cancelled))  # type: ignore[misc]
                self.assertEqual(self.rows(), 0)
                await self.assert_whole()
            if not cancelled.is_reached:
                break


class AwaitedStatementsContract(CancellationTools):
    """X7 where nobody can end a statement that the server runs: it is waited for, for the grace period at most."""

    requires = ("supports_tasks", "waits_for_statements")

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.look.execute("INSERT INTO account (owner, balance) VALUES ('held', 0)")
        #: Holds what the statements of others wait for.
        self.holder = self.enterContext(contextlib.closing(self.backend.raw()))

    def hold(self) -> None:
        self.holder.execute("BEGIN")
        self.holder.execute("UPDATE account SET balance = 2 WHERE owner = 'held'")

    def works_that_wait(self) -> dict[str, Work]:
        """Return what waits for the row that is held."""

        async def body(tx: Any) -> None:
            await self.add(tx, "gone")
            await self.set_balance(tx, "held", 1)

        async def block() -> None:
            async with self.transaction() as tx:
                await body(tx)

        async def inner() -> None:
            async with self.transaction() as tx, self.transaction(tx) as inner:
                await body(inner)

        return {
            "transaction": block,
            "savepoint": inner,
            "run_in_transaction": lambda: self.db.run_in_transaction(body),
        }

    async def test_until_it_is_done(self) -> None:
        """X7: a statement that waits for a lock is waited for; then what came before it is undone."""
        for name, work in self.works_that_wait().items():
            for storm in (0, 3):
                with self.subTest(name, storm=storm):
                    self.hold()
                    task = self.start(work)
                    await self.until(lambda: self.blocked() == 1)
                    for _ in range(1 + storm):
                        task.cancel()
                        await asyncio.sleep(0)
                    self.assertFalse(task.done(), "the statement was not waited for")
                    self.holder.execute("COMMIT")
                    await self.finished(task)
                    self.assertTrue(task.cancelled())
                    self.assertEqual(self.balances(), {"held": 2})
        await self.assert_whole()
        self.assertEqual(self.pool.stats().lost, 0)

    async def test_in_commit(self) -> None:
        """X7 X1: a COMMIT that takes long is waited for, too: all of it is kept, and the caller still cancelled."""
        self.look.execute("DELETE FROM account")
        held: list[contextlib.AbstractContextManager[None]] = []

        def hold(sql: str) -> None:
            if sql == "COMMIT":
                held.append(self.sessions.hold_commits(self.holder))
                held[0].__enter__()

        await self.shut(self.pool)
        self.pool: PoolConnector = self.backend.traced_pool(hold, max_size=2)
        self.addAsyncCleanup(self.shut, self.pool)
        self.db = self.backend.database(self.pool, self.db.dialect)
        self.hub_of_all = self.hub()
        seen = []
        for name, (work, rows) in self.works().items():
            with self.subTest(name):
                task = self.start(work)
                await self.until(lambda task=task: task.done() or self.blocked() == 1)  # type: ignore[misc]
                if held:  # else its one statement commits by itself
                    task.cancel()
                    await asyncio.sleep(0)
                    held.pop().__exit__(None, None, None)
                    await self.finished(task)
                    self.assertTrue(task.cancelled())
                    seen.append(name)
                self.assertEqual(self.rows(), rows)
                await self.check(rows)
        self.assertIn("transaction", seen)
        self.assertEqual(self.pool.stats().lost, 0)

    async def test_for_the_grace_period_at_most(self) -> None:
        """X7 P2: then its connection is given up, its place is free, and nothing of it is kept."""
        self.enterContext(mock.patch.object(awaiting, "GRACE", 0.1))
        for number, (name, work) in enumerate(self.works_that_wait().items(), 1):
            with self.subTest(name):
                self.hold()
                task = self.start(work)
                await self.until(lambda: self.blocked() == 1)
                task.cancel()
                await self.finished(task)
                self.assertTrue(task.cancelled())
                self.assertEqual(self.pool.stats().in_use, 0)
                await self.add(self.db, f"served {number}")
                self.holder.execute("ROLLBACK")
                await self.until(lambda: not self.in_progress())
                self.assertEqual(self.balances(), {"held": 0, **{f"served {one + 1}": 0 for one in range(number)}})
        await self.assert_whole()


class CancelledStatementsContract(CancellationTools):
    """X7 where statements run in a thread: cancelled as each of them starts there."""

    requires = ("supports_tasks", "supports_threads")

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self.shut(self.pool)
        self.pool: PoolConnector = self.backend.pool(max_size=1)
        self.addAsyncCleanup(self.shut, self.pool)
        self.db = self.backend.database(self.pool)
        self.hub_of_all = self.hub()

    async def test_at_every_statement(self) -> None:
        """X7 B3 R6: cancelled as any of its statements starts, BEGIN and COMMIT included."""
        for name, (work, rows) in self.works().items():
            for statement in itertools.count():
                with self.subTest(work=name, statement=statement):
                    task, is_reached = await self.cancelled_at(statement, work)
                    if is_reached:
                        self.assertTrue(task.cancelled(), "the cancellation was swallowed or became another error")
                    else:
                        task.result()
                    await self.check(rows)
                if not is_reached:
                    break
            self.assertGreater(statement, 0, "nothing was seen")
        await self.assert_whole()

    async def cancelled_at(self, statement: int, work: Work) -> tuple[asyncio.Task[Any], bool]:
        """Run `work`, cancelled as its statement of this number starts; tell whether it came so far."""
        loop = asyncio.get_running_loop()
        numbers = itertools.count()
        reached: list[bool] = []
        task: asyncio.Task[Any]

        def deliver(turns: int, delivered: threading.Event) -> None:
            task.cancel()
            if turns:
                loop.call_soon(deliver, turns - 1, delivered)
            else:
                delivered.set()

        def note(_: str) -> None:
            if next(numbers) == statement:
                reached.append(True)
                delivered = threading.Event()
                loop.call_soon_threadsafe(deliver, 4, delivered)
                delivered.wait(LIMIT)

        conn = await asyncio.to_thread(self.pool.acquire)
        await asyncio.to_thread(self.pool.release, conn)
        await self.backend.trace(conn, note)
        task = self.start(work)
        await self.finished(task)
        await self.backend.trace(conn, None)
        return task, bool(reached)
