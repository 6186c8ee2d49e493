"""Pools: X4 X6 what only callers of one kind can meet: blocking calls, threads, tasks of one loop and of two."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sqlite3
import sys
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mini_orm import ClosedError, ConfigurationError, PoolConnector, TransactionError
from tests.backends import maybe_await, needs
from tests.contracts.pool_tools import PoolTools
from tests.contracts.transactions import LIMIT, Account


class PoolCallers(PoolTools):
    """What the contracts of this file share."""

    async def queue_of_operations(self, pool: PoolConnector, many: int) -> None:
        """Let the loop go on until `many` wait."""
        await self.until(lambda: len(pool._pool.slots.waiters) >= many)

    async def insert(self, db: Any, number: int) -> None:
        await self.repo(Account, db).insert(Account(owner=str(number)))


class PoolModelCodeContract(PoolTools):
    """X4 where calls block: what a model's own code does in the middle of an operation, and tasks of one thread."""

    requires = ("supports_blocking_calls",)

    async def test_a_model_that_uses_the_database(self) -> None:
        """X4: code of a model reads on the operation's own connection, maybe the only one; no transaction there."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        seen: list[Any] = []

        @dataclass
        class Curious:
            text: str
            id: int | None = field(default=None, metadata={"pk": True, "auto": True})

            def __post_init__(self) -> None:
                if self.id is not None:
                    seen.append(db.fetchone("SELECT count(*) AS n FROM curious"))
                    try:
                        with db.transaction():
                            seen.append("in")
                    except TransactionError:
                        seen.append("refused")

        await self.create_tables(Curious, db=db)
        repo = self.repo(Curious, db)
        repo.insert(Curious("a"))
        work = self.spawn_thread(self.get, repo, context=contextvars.Context())
        self.assertEqual((await self.within(work.join())).text, "a")
        self.assertEqual(seen, [{"n": 1}, "refused"])
        with db.transaction() as tx:
            self.assertEqual(self.repo(Curious, tx).get(1).text, "a")
        await self.assert_whole(pool)
        self.assertEqual(len(self.connections.opened), 1)

    async def get(self, repo: Any) -> Any:
        return repo.get(1)

    async def test_a_model_that_leaves_a_transaction_open(self) -> None:
        """X4 P3: raw SQL of a model's code is looked after when the operation ends."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        begin = self.backend.begin

        @dataclass
        class Careless:
            text: str
            id: int | None = field(default=None, metadata={"pk": True, "auto": True})

            def __post_init__(self) -> None:
                if self.id is not None:
                    db.execute(begin)
                    if self.text == "fails":
                        raise ZeroDivisionError

        await self.create_tables(Careless, db=db)
        self.look.execute("INSERT INTO careless (text) VALUES ('a'), ('fails')")
        repo = self.repo(Careless, db)
        self.assertEqual(repo.get(1).text, "a")
        await self.assert_whole(pool)
        with self.assertRaises(ZeroDivisionError):
            repo.get(2)
        await self.assert_whole(pool)

    async def test_transactions_of_one_thread(self) -> None:
        """X4: where only this thread could give a connection back, waiting for one is a TransactionError."""
        pool = self.pool()
        db = self.on(pool)
        with contextlib.ExitStack() as stack:
            contexts = [contextvars.Context() for _ in range(2)]
            blocks = [context.run(db.transaction, read_only=True) for context in contexts]
            for context, block in zip(contexts, blocks, strict=True):
                context.run(block.__enter__)
                stack.callback(context.run, block.__exit__, None, None, None)
            for name, use in self.uses(db):

                async def stranger(use: Any = use) -> None:
                    use()

                with self.subTest(use=name), self.assertRaisesRegex(TransactionError, "thread"):
                    await asyncio.get_running_loop().create_task(stranger(), context=contextvars.Context())
            # Another thread waits, as its turn comes.
            handle = self.spawn(self.count, db)
            await self.queue_of(pool, 1)
        self.assertEqual(await self.within(handle.join()), 0)
        await self.assert_whole(pool)

    async def count(self, db: Any) -> int:
        return int(self.repo(Account, db).count())

    async def test_left_in_another_thread(self) -> None:
        """X4: a transaction that another thread ends commits there, and its connection is back."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        block = db.transaction()

        async def enter() -> None:
            self.repo(Account, block.__enter__()).insert(Account(owner="kept"))

        async def leave() -> None:
            block.__exit__(None, None, None)

        await self.within(self.spawn(enter).join())
        await self.within(self.spawn(leave).join())
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_whole(pool)


class PoolThreadContract(PoolTools):
    """P2 X4 where statements of several connections run at the same time, in threads."""

    requires = ("supports_threads",)

    @needs("supports_functions")
    async def test_operations_at_once(self) -> None:
        """P2 X4: the same for single operations: four statements are in the database at the same time."""
        barrier = threading.Barrier(4)
        self.connections.prepare = lambda conn: conn.create_function("meet", 0, lambda: barrier.wait(LIMIT))
        pool = self.pool(max_size=4)
        db = self.on(pool)

        async def caller() -> Any:
            return (await maybe_await(db.fetchone("SELECT meet() AS met")))["met"]

        results = await self.within(self.together([caller] * 8))
        self.assertCountEqual(results, [0, 1, 2, 3] * 2)
        self.assertEqual((len(self.connections.opened), self.connections.most), (4, 4))
        await self.assert_whole(pool)

    async def test_while_one_is_opened(self) -> None:
        """P2: a connection that is being opened as the pool is closed is not left open."""
        opening, go_on = threading.Event(), threading.Event()

        def prepare(_: sqlite3.Connection) -> None:
            opening.set()
            go_on.wait(LIMIT)

        self.connections.prepare = prepare
        pool = self.pool()

        async def caller() -> None:
            async with self.connection(pool):
                pass

        handle = self.call(caller)
        await self.until(opening.is_set)
        await self.shut(pool)
        go_on.set()
        try:
            await self.within(handle.join())
        except ClosedError as error:
            self.assertIn("pool", str(error))
        await self.until(lambda: self.connections.open == 0)


class PoolTaskContract(PoolCallers):
    """X4 X6 where tasks of one loop share a pool."""

    requires = ("supports_tasks",)

    async def test_transactions_of_one_loop(self) -> None:
        """X4: where all connections are in transactions of other tasks of this thread, a task waits for its turn."""
        pool = self.pool()
        db = self.on(pool)
        go_on = asyncio.Event()
        inside = asyncio.Semaphore(0)

        async def holder(number: int) -> None:
            async with self.transaction(db, read_only=True) as tx:
                await self.repo(Account, tx).count()
                inside.release()
                await go_on.wait()

        handles = [self.spawn(holder, number) for number in range(2)]
        for _ in handles:
            await self.within(inside.acquire())
        waiting = [self.spawn(self.insert, db, number) for number in range(2)]
        await self.queue_of_operations(pool, 2)
        go_on.set()
        for handle in [*handles, *waiting]:
            await self.within(handle.join())
        self.assertEqual(self.owners(), ["0", "1"])
        await self.assert_whole(pool)

    async def test_gather_through_db_and_tx(self) -> None:
        """X4: `gather` through `db` outside of a transaction runs on several connections; inside it takes `tx`."""
        pool = self.pool(max_size=3)
        db = self.on(pool)
        await asyncio.gather(*[self.insert(db, number) for number in range(9)])
        self.assertEqual(len(self.owners()), 9)
        async with self.transaction(db) as tx:
            refused = await asyncio.gather(*[self.insert(db, number) for number in range(9)], return_exceptions=True)
            self.assertEqual({type(result) for result in refused}, {TransactionError})
            await asyncio.gather(*[self.insert(tx, number + 10) for number in range(9)])
        self.assertEqual(len(self.owners()), 18)
        self.assertLessEqual(self.connections.most, 3)
        await self.assert_whole(pool)

    async def test_one_event_loop_after_another(self) -> None:
        """X6: a pool may be used in a loop after another one has ended; what it opened there is used, or refused."""
        pool = self.pool(max_size=2)
        db = self.on(pool)
        await self.insert(db, 0)

        async def elsewhere() -> str:
            try:
                await self.insert(db, 1)
            except ConfigurationError as error:
                return str(error)
            return "inserted"

        outcome = await asyncio.to_thread(contextvars.Context().run, asyncio.run, elsewhere())
        if self.backend.supports_threads:
            self.assertEqual(outcome, "inserted")
            self.assertEqual(self.owners(), ["0", "1"])
        else:
            self.assertIn("another event loop", outcome)
        await self.insert(db, 2)
        await self.assert_whole(pool)

    async def test_by_hand_beside_a_database(self) -> None:
        """X6 P2: connections go to and fro between tasks of a database and callers by hand."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        for number in range(4):
            async with self.connection(pool) as conn:
                await self.insert_raw(conn, f"by hand {number}")
                await self.on_driver(conn, "commit")
            await self.insert(db, number)
            async with self.transaction(db) as tx:
                await self.insert(tx, number + 10)
        self.assertEqual(len(self.owners()), 12)
        self.assertEqual(len(self.connections.opened), 1)
        await self.assert_whole(pool)

    async def test_works_at_once(self) -> None:
        """X4 R6: many tasks with transactions, nested ones and failures on few connections: nothing is mixed."""
        pool = self.pool(max_size=3)
        db = self.on(pool)

        async def work(number: int) -> None:
            for turn in range(4):
                with contextlib.suppress(ZeroDivisionError):
                    async with self.transaction(db) as tx:
                        await self.repo(Account, tx).insert(Account(owner=f"{number}-{turn}"))
                        with contextlib.suppress(LookupError):
                            async with self.transaction(tx) as inner:
                                await self.repo(Account, inner).insert(Account(owner=f"{number}-{turn} inner"))
                                if turn % 2:
                                    raise LookupError
                        if number % 2:
                            raise ZeroDivisionError

        self.assertEqual(await self.within(self.together([partial(work, n) for n in range(10)])), [None] * 10)
        expected = [f"{n}-{t}{part}" for n in range(0, 10, 2) for t in range(4) for part in ("", " inner")]
        self.assertEqual(self.owners(), sorted(name for name in expected if not name.endswith(("1 inner", "3 inner"))))
        await self.assert_whole(pool)


class PoolLoopContract(PoolCallers):
    """X4 X6 where connections may be used by tasks of any loop."""

    requires = ("supports_tasks", "supports_threads")

    async def test_two_event_loops_at_once(self) -> None:
        """X4 X6: tasks of two loops in two threads share a pool; who waits in one is woken by the other."""
        pool = self.pool(max_size=2)
        db = self.on(pool)

        async def work(first: int) -> None:
            await asyncio.gather(*[self.insert(db, first + number) for number in range(20)])

        other = asyncio.to_thread(contextvars.Context().run, asyncio.run, work(100))
        await self.within(self.both(work(0), other))
        self.assertEqual(len(self.owners()), 40)
        self.assertLessEqual(self.connections.most, 2)
        await self.assert_whole(pool)

    async def both(self, one: Any, other: Any) -> None:
        await asyncio.gather(one, other)

    async def test_a_loop_that_ended_while_its_tasks_waited(self) -> None:
        """X4 P2: a caller whose loop is gone takes no connection from those who wait after it."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        inside, go_on = asyncio.Event(), asyncio.Event()

        async def holder() -> None:
            async with self.transaction(db):
                inside.set()
                await go_on.wait()

        held = self.spawn(holder)
        await self.within(inside.wait())

        def short_lived() -> asyncio.Task[None]:
            loop = asyncio.new_event_loop()
            task = loop.create_task(self.insert(db, 1))
            for _ in range(5):
                loop.run_until_complete(asyncio.sleep(0))
            loop.close()
            return task

        gone = await asyncio.to_thread(contextvars.Context().run, short_lived)
        gone._log_destroy_pending = False  # type: ignore[attr-defined]  # it is meant to be left pending
        last = self.spawn(self.insert, db, 2)
        await self.queue_of_operations(pool, 2)
        go_on.set()
        await self.within(held.join())
        await self.within(last.join())
        self.assertEqual(self.owners(), ["2"])
        await self.assert_whole(pool)

    async def test_where_connections_are_opened(self) -> None:
        """X6: a blocking `connect` does not keep the loop waiting."""
        moved = threading.Event()
        waited: list[bool] = []

        def prepare(_: sqlite3.Connection) -> None:
            waited.append(moved.wait(LIMIT))

        self.connections.prepare = prepare
        db = self.on(self.pool())
        asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(moved.set))
        await self.insert(db, 1)
        self.assertEqual(waited, [True])


class PoolBoundContract(PoolCallers):
    """X6 where a connection may be bound to a thread."""

    requires = ("supports_tasks", "supports_thread_check")

    async def test_connections_bound_to_a_thread(self) -> None:
        """X6 P1: a pool of one may have a connection that only one thread may use; it works there."""
        pool = self.pool(max_size=1, check_same_thread=True)
        db = self.on(pool)
        await asyncio.gather(*[self.insert(db, number) for number in range(5)])
        self.assertEqual(len(self.owners()), 5)
        await db.aclose(close_pool=True)
        self.assertEqual(self.connections.open, 0)


class PoolRaceContract(PoolTools):
    """P2 where threads meet between any two instructions."""

    requires = ("supports_blocking_calls",)

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-6)

    async def test_closed_as_connections_come_back(self) -> None:
        """P2: a connection that comes back in the very moment in which the pool is closed is closed, too."""
        for _ in range(self.amount(60, 20)):
            pool = self.pool(max_size=4)
            db = self.on(pool)
            handles = [self.spawn(self.until_closed, db) for _ in range(4)]
            await self.until(lambda: self.connections.open >= 3)
            await self.shut(pool)
            for handle in handles:
                await self.within(handle.join())
            self.assertEqual(self.connections.open, 0)

    async def until_closed(self, db: Any) -> None:
        with contextlib.suppress(ClosedError):
            while True:
                db.fetchone("SELECT 1")

    async def test_given_back_by_several_at_once(self) -> None:
        """P2: of several who give one connection back at once, one does."""
        pool = self.pool(max_size=1)
        for _ in range(self.amount(100, 30)):
            conn = await self.acquire(pool)
            barrier = threading.Barrier(4)

            async def giver(conn: Any = conn, barrier: threading.Barrier = barrier) -> str:
                barrier.wait(LIMIT)
                try:
                    pool.release(conn)
                except ValueError:
                    return "refused"
                return "released"

            outcomes = await self.together([giver] * 4)
            self.assertCountEqual(outcomes, ["released", "refused", "refused", "refused"])
        await self.assert_whole(pool)
