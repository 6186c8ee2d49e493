"""What ends a transaction, a statement or a connection behind a block's back: X1 X9 what is lost, and what goes on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mini_orm import (
    C,
    ConnectionLost,
    DeadlockDetected,
    LockTimeout,
    OperationalError,
    QueryError,
    TransactionError,
)
from tests.backends import maybe_await
from tests.contracts.server_tools import ServerTools
from tests.contracts.transactions import LIMIT, Account

#: Bytes of a statement that a server takes in these tests: as many as MySQL's took for years.
PACKET = 1024 * 1024


@dataclass
class Page:
    """A row of any length."""

    text: str
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


class EndedTransactionContract(ServerTools):
    """X1 X9: a transaction that the database ends, with no more than an error, or none at all."""

    requires = ("ends_transactions",)

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        for owner in ("a", "b"):
            await self.add(self.db, owner)

    async def deadlock(self, change: Callable[[str], Any]) -> None:
        """Have `change` change two rows, of which the second one is held by somebody who waits for the first one."""
        other = self.backend.raw()
        held = "UPDATE account SET balance = 5 WHERE owner = '{}'"
        with contextlib.closing(other):
            other.execute("BEGIN")
            # Who has changed less is the one that is rolled back.
            for number in range(20):
                other.execute(f"INSERT INTO account (owner, balance) VALUES ('other {number}', 0)")
            other.execute(held.format("b"))
            await maybe_await(change("a"))
            waiting = threading.Thread(target=other.execute, args=(held.format("a"),))
            waiting.start()
            try:
                self.wait_until_blocked()
                await maybe_await(change("b"))
            finally:
                waiting.join(LIMIT)
                other.execute("ROLLBACK")

    def wait_until_blocked(self) -> None:
        """Wait, without letting go of the caller's thread, until somebody waits for a lock."""
        deadline = time.monotonic() + LIMIT
        while not self.blocked():
            if time.monotonic() > deadline:
                raise AssertionError("nobody waits for a lock")
            time.sleep(0.001)

    async def deadlock_in(self, tx: Any) -> None:
        """Have a transaction rolled back by a deadlock, and swallow the error."""
        with self.assertRaises(DeadlockDetected):
            await self.deadlock(lambda owner: self.set_balance(tx, owner, -1))

    async def test_a_swallowed_deadlock(self) -> None:
        """X1: it ended the transaction, so that every later use and the block's end raise, and nothing is kept."""
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await self.add(tx, "gone")
                await self.deadlock_in(tx)
                for name, use in self.uses(tx):
                    with self.subTest(name), self.assertRaises(TransactionError):
                        await maybe_await(use())
                with self.assertRaises(TransactionError):
                    await self.add(tx, "late")
        self.assertEqual(self.balances(), {"a": 0, "b": 0})
        await self.assert_whole()

    async def test_a_deadlock_under_a_savepoint(self) -> None:
        """X1: it takes the transaction around the inner block, too, whoever catches it."""
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await self.add(tx, "gone")
                with self.assertRaises(DeadlockDetected):
                    async with self.transaction(tx) as inner:
                        await self.deadlock(lambda owner: self.set_balance(inner, owner, -1))
                with self.assertRaises(TransactionError):
                    await self.add(tx, "late")
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await self.add(tx, "gone")
                async with self.transaction(tx) as inner:
                    await self.deadlock_in(inner)
        self.assertEqual(self.balances(), {"a": 0, "b": 0})
        await self.assert_whole()

    async def test_a_swallowed_deadlock_is_not_repeated(self) -> None:
        """X9 X1: a function that swallows it gets a TransactionError, and no second run; one that doesn't, does."""
        calls: list[int] = []

        async def swallow(tx: Any) -> None:
            calls.append(1)
            await self.deadlock_in(tx)

        with self.assertRaises(TransactionError):
            await self.in_transaction(swallow)
        self.assertEqual(len(calls), 1)

        async def run_into_it(tx: Any) -> None:
            calls.append(1)
            await self.add(tx, "once")
            if len(calls) == 2:
                await self.deadlock(lambda owner: self.set_balance(tx, owner, -1))

        await self.in_transaction(run_into_it)
        self.assertEqual((len(calls), self.balances()), (3, {"a": 0, "b": 0, "once": 0}))
        await self.assert_whole()

    async def test_behind_the_back(self) -> None:
        """X1 X2: a deadlock of statements that the driver's connection was given ends the block, too."""
        update = "UPDATE account SET balance = -1 WHERE owner = '{}'"
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await self.add(tx, "gone")
                with self.assertRaises(self.backend.driver_error(Exception)):
                    await self.deadlock(lambda owner: self.backend.run(tx.conn, update.format(owner)))
                await self.add(tx, "late")
        self.assertEqual(self.balances(), {"a": 0, "b": 0})
        await self.assert_whole()

    async def test_on_a_connection_of_the_users(self) -> None:
        """X2: what a deadlock ended is not joined: the next operation is committed by itself."""
        conn = await self.backend.connect()
        db = await self.wrap(conn)
        await self.backend.send(conn, "BEGIN")
        update = "UPDATE account SET balance = -1 WHERE owner = '{}'"
        with self.assertRaises(self.backend.driver_error(Exception)):
            await self.deadlock(lambda owner: self.backend.send(conn, update.format(owner)))
        await self.add(db, "kept")
        self.assertEqual(self.balances(), {"a": 0, "b": 0, "kept": 0})
        await self.backend.send(conn, "BEGIN")
        await self.backend.send(conn, update.format("a"))
        await self.add(db, "the user's")
        self.assertEqual(self.balances(), {"a": 0, "b": 0, "kept": 0})
        await self.backend.end(conn, "rollback")
        self.assertEqual(self.balances(), {"a": 0, "b": 0, "kept": 0})

    async def test_a_change_of_the_schema(self) -> None:
        """X1: it commits what came before it; the block is lost and says so, and nothing after it is kept."""
        for number, sql in enumerate(
            (
                "CREATE TABLE extra (id INTEGER)",
                "ALTER TABLE extra ADD other INTEGER",
                "DROP TABLE extra",
                "ANALYZE TABLE account",  # which has an answer
            )
        ):
            with self.subTest(sql):
                with self.assertRaises(TransactionError):
                    async with self.transaction() as tx:
                        await self.add(tx, f"committed {number}")
                        await maybe_await(tx.execute(sql))
                        with self.assertRaises(TransactionError):
                            await self.add(tx, "late")
                self.assertIn(f"committed {number}", self.balances())
        for sql in ("TRUNCATE TABLE account", "ANALYZE TABLE account"):
            with self.subTest(sql), self.assertRaises(TransactionError):
                async with self.transaction() as tx, self.transaction(tx) as inner:
                    await maybe_await(inner.execute(sql))
        self.assertEqual(self.balances(), {})
        await self.assert_whole()

    async def test_an_error_leaves_the_transaction(self) -> None:
        """X1 R6: other errors take back their own statement; the transaction goes on, and is still the block's."""
        self.look.execute("BEGIN")
        self.look.execute("UPDATE account SET balance = 5 WHERE owner = 'a'")
        async with self.transaction() as tx:
            await self.add(tx, "kept")
            await maybe_await(tx.execute(self.sessions.unwaiting))
            with self.assertRaises(LockTimeout):
                await self.set_balance(tx, "a", -1)
            await maybe_await(tx.execute(self.sessions.hurrying))
            with self.assertRaises(OperationalError):
                await maybe_await(tx.fetchall(self.sessions.endless))
            await self.add(tx, "kept, too")
            self.assertEqual(set(self.balances()), {"a", "b"})
        self.look.execute("ROLLBACK")
        self.assertEqual(set(self.balances()), {"a", "b", "kept", "kept, too"})
        await self.assert_whole()

    async def test_a_statement_that_somebody_ends(self) -> None:
        """X1 Errors: KILL QUERY is an OperationalError of the statement; connection and transaction go on."""
        ready = self.gate()

        async def caller() -> None:
            async with self.transaction() as tx:
                await self.add(tx, "kept")
                ready.set()
                with self.assertRaises(OperationalError) as caught:
                    await maybe_await(tx.fetchall(self.sessions.sleeping))
                self.assertNotIsInstance(caught.exception, ConnectionLost | LockTimeout)
                await self.add(tx, "kept, too")

        handle = self.spawn(caller)
        await self.until(lambda: bool(self.sessions.sleeping_sessions(self.look)))
        self.sessions.end_statement(self.look, self.sessions.sleeping_sessions(self.look)[0])
        await self.within(handle.join())
        self.assertEqual(set(self.balances()), {"a", "b", "kept", "kept, too"})
        self.assertEqual(self.pool.stats().lost, 0)
        await self.assert_whole()

    async def test_a_connection_that_is_closed(self) -> None:
        """P6 X1: closed under a block, without a word of the server: a ConnectionLost, and the pool goes on."""
        for at_the_end in (False, True):
            with self.subTest(at_the_end=at_the_end), self.assertRaises(ConnectionLost):
                async with self.transaction() as tx:
                    await self.add(tx, "gone")
                    self.backend.kill(tx.conn)
                    if not at_the_end:
                        await self.add(tx, "late")
        self.assertEqual(self.pool.stats().lost, 2)
        await self.add(self.db, "served")
        self.assertEqual(set(self.balances()), {"a", "b", "served"})
        await self.assert_whole()


class PacketContract(ServerTools):
    """Q6: a statement that is longer than the server takes."""

    requires = ("limits_packets",)

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.enterContext(self.sessions.small_packets(self.look, PACKET))
        await self.new_pool()

    async def test_it_is_refused(self) -> None:
        """Q6 X1: a QueryError that names the setting and no value; connection and transaction go on."""
        secret = "s3cret" * PACKET
        async with self.transaction() as tx:
            await self.add(tx, "kept")
            for use in (
                lambda: maybe_await(tx.fetchone(self.backend.sql("SELECT ? AS text"), [secret])),
                lambda: maybe_await(self.repo(Account, tx).count(C.eq("owner", secret))),
                lambda: self.add(tx, secret),
            ):
                with self.assertRaisesRegex(QueryError, "max_allowed_packet") as caught:
                    await use()
                self.assertNotIn("s3cret", str(caught.exception))
            await self.add(tx, "kept, too")
        self.assertEqual(set(self.balances()), {"kept", "kept, too"})
        self.assertEqual((self.pool.stats().lost, self.pool.stats().opened), (0, 1))
        await self.assert_whole()

    async def test_many_rows(self) -> None:
        """B1: rows that are too much for one statement go in several."""
        await self.create_tables(Page)
        pages = [Page(str(number) * (PACKET // 20)) for number in range(10, 50)]
        stored = await maybe_await(self.repo(Page).insert_many(pages))
        found = dict(self.look.execute("SELECT id, LEFT(text, 2) FROM page").fetchall())
        self.assertEqual(found, {page.id: page.text[:2] for page in stored})
        self.assertEqual(len(found), len(pages))
        self.assertEqual(self.value(f"SELECT COUNT(*) FROM page WHERE LENGTH(text) <> {2 * (PACKET // 20)}"), 0)
        await self.assert_whole()
