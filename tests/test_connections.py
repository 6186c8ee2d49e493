"""X2 X4 X5 X6 on every backend, and the sync face where it meets asyncio."""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mini_orm import AsyncDatabase, AsyncRepository, Database, Repository, TransactionError, apply_schema
from tests.backends import BACKENDS, Aiosqlite, InlineSqlite3, WorkerSqlite3, bind_all
from tests.contracts.connections import (
    AsyncConnectionContract,
    AutocommitContract,
    BlockingDriverContract,
    CloseContract,
    InlineContract,
    JoinedContract,
    ModeContract,
    NativeDriverContract,
    OffTheLoopContract,
    SharingContract,
    in_a_thread,
)
from tests.contracts.transactions import LIMIT, Account

bind_all(globals(), JoinedContract, ModeContract, AutocommitContract, SharingContract, CloseContract)

for contract, backends in (
    (AsyncConnectionContract, [backend for backend in BACKENDS if backend.face == "async"]),
    (OffTheLoopContract, [WorkerSqlite3, Aiosqlite]),
    (BlockingDriverContract, [WorkerSqlite3, InlineSqlite3]),
    (NativeDriverContract, [Aiosqlite]),
    (InlineContract, [InlineSqlite3]),
):
    bind_all(globals(), contract, backends=backends)


class SyncDatabaseInAsyncio(unittest.TestCase):
    """X4: the sync face inside an event loop, where waiting for another task of the same thread would never end."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="mini_orm_test_")
        self.addCleanup(directory.cleanup)
        self.db = Database(sqlite3.connect(Path(directory.name) / "test.sqlite3", check_same_thread=False))
        self.addCleanup(self.db.close)
        apply_schema(self.db, Account)

    def owners(self) -> list[str]:
        return [account.owner for account in Repository(self.db, Account).list(order_by="owner")]

    def run_in_loop(self, main: Callable[[], Any]) -> Any:
        with in_a_thread(lambda: asyncio.run(main())) as result:
            return result()

    def uses(self) -> list[Callable[[], Any]]:
        def block() -> None:
            with self.db.transaction():
                self.fail("the block was entered")

        return [
            lambda: self.db.execute("SELECT 1"),
            lambda: Repository(self.db, Account).insert(Account(owner="stray")),
            lambda: Repository(self.db, Account).count(),
            block,
        ]

    def test_two_tasks_of_one_thread(self) -> None:
        """X4: while one task is in a transaction, another task of the thread gets TransactionError, and never joins."""

        async def main() -> None:
            entered, leave = asyncio.Event(), asyncio.Event()

            async def first() -> None:
                with self.db.transaction() as tx:
                    Repository(tx, Account).insert(Account(owner="first"))
                    entered.set()
                    await leave.wait()

            async def second() -> None:
                await entered.wait()
                for use in self.uses():
                    with self.assertRaises(TransactionError):
                        use()

            loop = asyncio.get_running_loop()
            task = loop.create_task(first(), context=contextvars.Context())
            for context in (contextvars.Context(), contextvars.copy_context()):
                await loop.create_task(second(), context=context)
            leave.set()
            await task
            Repository(self.db, Account).insert(Account(owner="later"))

        self.run_in_loop(main)
        self.assertEqual(self.owners(), ["first", "later"])

    def test_child_task(self) -> None:
        """X4: a child task that inherited the transaction is refused, through `tx` it belongs."""

        async def main() -> None:
            with self.db.transaction() as tx:

                async def stray() -> None:
                    for use in self.uses():
                        with self.assertRaises(TransactionError):
                            use()

                async def child() -> None:
                    Repository(tx, Account).insert(Account(owner="child"))

                await asyncio.gather(stray(), child())
                Repository(self.db, Account).insert(Account(owner="parent"))

        self.run_in_loop(main)
        self.assertEqual(self.owners(), ["child", "parent"])

    def test_to_thread(self) -> None:
        """X4: `asyncio.to_thread` inherits: through `db` refused at once, through `tx` part of the transaction."""

        async def main() -> None:
            with self.db.transaction() as tx:
                for use in self.uses():
                    with self.assertRaises(TransactionError) as caught:
                        await asyncio.wait_for(asyncio.to_thread(use), LIMIT)
                    self.assertRegex(str(caught.exception), r"\btx\b")
                await asyncio.to_thread(Repository(tx, Account).insert, Account(owner="worker"))
            await asyncio.to_thread(Repository(self.db, Account).insert, Account(owner="after"))

        self.run_in_loop(main)
        self.assertEqual(self.owners(), ["after", "worker"])

    def test_iterable_that_reads(self) -> None:
        """X4: an iterable given to `insert_many` that uses the same database itself does not wait for ever."""

        def rows() -> Any:
            for number in range(3):
                Repository(self.db, Account).count()
                yield Account(owner=str(number))

        def work() -> int:
            try:
                return len(Repository(self.db, Account).insert_many(rows()))
            except TransactionError:
                return 0

        with in_a_thread(work) as result:
            self.assertEqual(result(), len(self.owners()))


class OneLoopAfterAnother(unittest.TestCase):
    """X6: a connection is not tied to the event loop that used it first."""

    def test_runs_in_two_loops(self) -> None:
        """X6: `asyncio.run` twice with one database works, the lock included."""
        with tempfile.TemporaryDirectory(prefix="mini_orm_test_") as directory:
            db = AsyncDatabase(sqlite3.connect(Path(directory) / "test.sqlite3", check_same_thread=False))
            repo = AsyncRepository(db, Account)

            async def use(owner: str) -> int:
                await db.execute("CREATE TABLE IF NOT EXISTS account (id INTEGER PRIMARY KEY, owner TEXT, balance INT)")
                await asyncio.gather(*[repo.insert(Account(owner=f"{owner} {number}")) for number in range(5)])
                return await repo.count()

            try:
                self.assertEqual(asyncio.run(use("first")), 5)
                self.assertEqual(asyncio.run(use("second")), 10)
            finally:
                db.close()
