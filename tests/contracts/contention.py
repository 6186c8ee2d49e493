"""Callers that get in each other's way on a server: X1 X9 deadlocks, serialization failures, lock timeouts; G1; P2."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from mini_orm import (
    C,
    ConnectionLost,
    DatabaseError,
    DeadlockDetected,
    F,
    IntegrityError,
    LockTimeout,
    OperationalError,
    PoolTimeout,
    SerializationFailure,
    TransactionError,
    UniqueViolation,
)
from tests.backends import maybe_await, needs
from tests.contracts.server_tools import SIZE, ServerTools
from tests.contracts.transactions import Account

CALLERS = 32
LEVELS = ("read committed", "repeatable read", "serializable")


class ConflictContract(ServerTools):
    """X1 X9: what one transaction does to another, by its class; `run_in_transaction` gets through."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        for owner in ("a", "b"):
            await self.add(self.db, owner)

    async def soon(self, tx: Any) -> None:
        """Have the server look for a deadlock at once."""
        if self.sessions.watchful:
            await maybe_await(tx.execute(self.sessions.watchful))

    async def test_deadlock(self) -> None:
        """X1 Errors: of two that wait for each other one is a DeadlockDetected, rolled back; the other commits."""
        meet = self.meeting(2)

        async def work(mine: str, other: str) -> str:
            async with self.transaction() as tx:
                await self.soon(tx)
                await self.set_balance(tx, mine, 1)
                await meet()
                await self.set_balance(tx, other, 2)
            return mine

        results = await self.together([lambda: work("a", "b"), lambda: work("b", "a")])
        [error] = [one for one in results if isinstance(one, BaseException)]
        self.assertIsInstance(error, DeadlockDetected)
        [winner] = [one for one in results if isinstance(one, str)]
        self.assertEqual(self.balances(), {winner: 1, {"a": "b", "b": "a"}[winner]: 2})
        await self.assert_whole()

    async def test_deadlock_again(self) -> None:
        """X9: the one that was rolled back runs again, and both get through."""
        meet = self.meeting(2)
        calls: list[str] = []

        async def work(mine: str, other: str) -> None:
            async def change(tx: Any) -> None:
                await self.soon(tx)
                calls.append(mine)
                await maybe_await(
                    self.repo(Account, tx).update_where({"balance": F("balance") + 1}, where=C.eq("owner", mine))
                )
                if calls.count(mine) == 1:
                    await meet()
                await maybe_await(
                    self.repo(Account, tx).update_where({"balance": F("balance") + 10}, where=C.eq("owner", other))
                )

            await self.in_transaction(change)

        results = await self.together([lambda: work("a", "b"), lambda: work("b", "a")])
        self.assertEqual(results, [None, None])
        self.assertEqual(sorted(calls), sorted(["a", "b", calls[-1]]))
        self.assertEqual(self.balances(), {"a": 11, "b": 11})
        await self.assert_whole()

    async def test_serialization_failure_at_a_statement(self) -> None:
        """X1 X9 Errors: a row that changed since the snapshot is a SerializationFailure at the statement."""
        levels = self.sessions.overtaken_levels
        if not levels:
            self.skipTest("needs a server that refuses a change of what has changed since the snapshot")
        await self.new_pool(snapshots=True)
        for level in levels:
            with self.subTest(level=level):
                with self.assertRaises(SerializationFailure):
                    async with self.transaction(isolation=level) as tx:
                        await self.change_behind(tx)
                calls: list[int] = []

                async def change(tx: Any, calls: list[int] = calls) -> None:
                    calls.append(1)
                    await (self.change_behind(tx) if len(calls) == 1 else self.set_balance(tx, "a", 7))

                await self.in_transaction(change, isolation=level)
                self.assertEqual((len(calls), self.balances()["a"]), (2, 7))
        await self.assert_whole()

    async def change_behind(self, tx: Any) -> None:
        """Change a row that somebody else has changed and committed meanwhile."""
        await maybe_await(self.repo(Account, tx).count())
        self.look.execute("UPDATE account SET balance = balance + 1 WHERE owner = 'a'")
        await self.set_balance(tx, "a", -1)

    async def test_write_skew(self) -> None:
        """X1 X9: of two serializable ones that read what the other changes one runs again, whatever stops it."""
        meet = self.meeting(2)
        calls: list[str] = []

        async def work(mine: str, other: str) -> None:
            async def change(tx: Any) -> None:
                await self.soon(tx)
                calls.append(mine)
                rows = await maybe_await(self.repo(Account, tx).list())
                if calls.count(mine) == 1:
                    await meet()
                total = sum(row.balance for row in rows)
                await self.set_balance(tx, mine, total + 1)

            await self.in_transaction(change, isolation="serializable")

        results = await self.together([lambda: work("a", "b"), lambda: work("b", "a")])
        self.assertEqual(results, [None, None])
        self.assertGreater(len(calls), 2)
        # One after the other: the second one saw the first one's 1.
        self.assertEqual(sorted(self.balances().values()), [1, 2])
        await self.assert_whole()

    @needs("refuses_commits")
    async def test_serialization_failure_at_commit(self) -> None:
        """X1 X9 Errors: two that read what the other writes can't both commit: SerializationFailure of the COMMIT."""
        with self.assertRaises(SerializationFailure) as caught:
            async with self.transaction(isolation="serializable") as tx:
                await self.skew(tx)
                reached = True
        self.assertTrue(reached)
        self.assertIn("COMMIT", "".join(caught.exception.__notes__))
        self.assertEqual(self.balances(), {"a": 0, "b": 1})
        calls: list[int] = []

        async def change(tx: Any) -> None:
            calls.append(1)
            await (self.skew(tx) if len(calls) == 1 else self.set_balance(tx, "a", 7))

        await self.in_transaction(change, isolation="serializable")
        self.assertEqual((len(calls), self.balances()), (2, {"a": 7, "b": 1}))
        await self.assert_whole()

    async def skew(self, tx: Any) -> None:
        """Read what another transaction changes, which has read what this one changes, and commits first."""
        total = "SELECT sum(balance) FROM account"
        self.look.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        self.look.execute(total).fetchone()
        await maybe_await(self.repo(Account, tx).list())
        await self.set_balance(tx, "a", -1)
        self.look.execute("UPDATE account SET balance = 1 WHERE owner = 'b'")
        self.look.execute("COMMIT")

    async def test_lock_timeout(self) -> None:
        """X1 X9 Errors: who waits longer than `lock_timeout` gets a LockTimeout, also by NOWAIT; and gets through."""
        self.look.execute("BEGIN")
        self.look.execute("UPDATE account SET balance = 5 WHERE owner = 'a'")
        with self.assertRaises(LockTimeout):
            async with self.transaction() as tx:
                await maybe_await(tx.execute(self.sessions.unwaiting))
                await self.set_balance(tx, "a", -1)
        with self.assertRaises(LockTimeout):
            await maybe_await(self.db.execute("SELECT * FROM account FOR UPDATE NOWAIT"))
        calls: list[int] = []

        async def change(tx: Any) -> None:
            calls.append(1)
            if len(calls) == 3:
                self.look.execute("COMMIT")
            await maybe_await(tx.execute(self.sessions.unwaiting))
            await self.set_balance(tx, "a", 7)

        await self.in_transaction(change)
        self.assertEqual((len(calls), self.balances()["a"]), (3, 7))
        await self.assert_whole()

    async def test_a_lock_timeout_inside_heals(self) -> None:
        """X1: a LockTimeout under a savepoint leaves the transaction around it as it was."""
        self.look.execute("BEGIN")
        self.look.execute("UPDATE account SET balance = 5 WHERE owner = 'a'")
        async with self.transaction() as tx:
            await self.set_balance(tx, "b", 3)
            with self.assertRaises(LockTimeout):
                async with self.transaction(tx) as inner:
                    await maybe_await(inner.execute(self.sessions.unwaiting))
                    await self.set_balance(inner, "a", -1)
            self.look.execute("COMMIT")
            await self.set_balance(tx, "a", 6)
        self.assertEqual(self.balances(), {"a": 6, "b": 3})
        await self.assert_whole()

    async def test_retries_end(self) -> None:
        """X9: after the last try the error is raised, and nothing is left open."""
        self.look.execute("BEGIN")
        self.look.execute("UPDATE account SET balance = 5 WHERE owner = 'a'")
        calls: list[int] = []

        async def change(tx: Any) -> None:
            calls.append(1)
            await maybe_await(tx.execute(self.sessions.unwaiting))
            await self.set_balance(tx, "a", 7)

        with self.assertRaises(LockTimeout):
            await self.in_transaction(change, retries=2)
        self.look.execute("COMMIT")
        self.assertEqual((len(calls), self.balances()["a"]), (3, 5))
        await self.assert_whole()

    async def test_statement_timeout(self) -> None:
        """X1 X9 Errors: a statement that takes too long is an OperationalError, which another run won't survive."""
        calls: list[int] = []

        async def slow(tx: Any) -> None:
            calls.append(1)
            await maybe_await(tx.execute(self.sessions.hurrying))
            await maybe_await(tx.execute(self.sessions.endless))

        with self.assertRaises(OperationalError) as caught:
            await self.in_transaction(slow)
        self.assertNotIsInstance(caught.exception, LockTimeout | ConnectionLost)
        self.assertEqual(len(calls), 1)
        await self.assert_whole()

    @needs("refuses_commits")
    async def test_lost_in_commit(self) -> None:
        """X9: a connection that is lost in COMMIT is a ConnectionLost, and nothing runs again: it may be committed."""
        self.look.execute(
            "CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
        )
        self.look.execute(
            "CREATE CONSTRAINT TRIGGER ends AFTER INSERT ON account DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION end_session()"
        )
        calls: list[int] = []

        async def work(tx: Any) -> None:
            await self.add(tx, "lost")
            calls.append(1)

        with self.assertRaises(ConnectionLost):
            await self.in_transaction(work)
        self.assertEqual(len(calls), 1)
        with self.assertRaises(ConnectionLost):
            async with self.transaction() as tx:
                await work(tx)
        self.assertEqual(self.pool.stats().lost, 2)
        self.look.execute("DROP TRIGGER ends ON account")
        await self.in_transaction(work)
        self.assertEqual(sorted(self.balances()), ["a", "b", "lost"])
        await self.assert_whole()


class AbortedContract(ServerTools):
    """X1 R6: a transaction in which a statement failed keeps nothing, unless a savepoint stood around the statement."""

    requires = ("aborts_on_errors",)

    async def provoke(self, tx: Any) -> None:
        """Have a statement fail, and swallow its error."""
        with self.assertRaises(DatabaseError):
            await maybe_await(tx.execute("SELECT 1 / 0"))

    async def test_a_swallowed_error(self) -> None:
        """X1 R6: the COMMIT would be a rollback, so the block's end raises, and what was done is gone."""
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await self.add(tx, "gone")
                await self.provoke(tx)
        self.assertEqual(self.balances(), {})
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await self.add(tx, "gone")
                with self.assertRaises(DatabaseError):
                    await self.add(tx, "gone")
        self.assertEqual(self.balances(), {})
        await self.assert_whole()

    async def test_statements_after_it(self) -> None:
        """X1 R6: every later statement is refused until the end of the block, or of the savepoint around it."""
        async with self.transaction() as tx:
            await self.add(tx, "kept")
            with self.assertRaises(TransactionError):
                async with self.transaction(tx) as inner:
                    await self.provoke(inner)
                    for _ in range(2):
                        with self.assertRaises(OperationalError):
                            await self.add(inner, "late")
                    with self.assertRaises(DatabaseError):
                        async with self.transaction(inner):
                            pass
            await self.add(tx, "kept, too")
        self.assertEqual(sorted(self.balances()), ["kept", "kept, too"])
        await self.assert_whole()

    async def test_savepoints_heal(self) -> None:
        """X1 R6: an inner block, and an operation of several statements, take only their own back."""
        async with self.transaction() as tx:
            await self.add(tx, "kept")
            for _ in range(3):
                with self.assertRaises(UniqueViolation):
                    async with self.transaction(tx) as inner:
                        await self.add(inner, "gone")
                        await self.add(inner, "kept")
            with self.assertRaises(UniqueViolation):
                async with self.transaction(tx) as inner, self.transaction(inner) as innermost:
                    await self.add(innermost, "kept")
            _, created = await maybe_await(self.repo(Account, tx).get_or_create(lookup={"owner": "kept"}))
            self.assertFalse(created)
            await self.add(tx, "kept, too")
        self.assertEqual(sorted(self.balances()), ["kept", "kept, too"])
        await self.assert_whole()

    async def test_an_aborted_transaction_through_run_in_transaction(self) -> None:
        """X9 X1: a function that swallows an error gets a TransactionError, and no second run."""
        calls: list[int] = []

        async def work(tx: Any) -> None:
            calls.append(1)
            await self.add(tx, "gone")
            await self.provoke(tx)

        with self.assertRaises(TransactionError):
            await self.in_transaction(work)
        self.assertEqual((len(calls), self.balances()), (1, {}))
        await self.assert_whole()

    async def test_a_commit_by_hand(self) -> None:
        """X1: a raw COMMIT of an aborted transaction is a rollback; the block is lost, and says so."""
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await self.add(tx, "gone")
                await self.provoke(tx)
                await maybe_await(tx.execute("COMMIT"))
                with self.assertRaises(TransactionError):
                    await self.add(tx, "late")
        self.assertEqual(self.balances(), {})
        await self.assert_whole()

    async def test_behind_the_back(self) -> None:
        """X1: a statement that failed on the driver's own connection aborts the block, too."""
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await self.add(tx, "gone")
                with contextlib.suppress(Exception):
                    await self.backend.run(tx.conn, "SELECT 1 / 0")
        self.assertEqual(self.balances(), {})
        async with self.transaction() as tx:
            await self.add(tx, "kept")
            with self.assertRaises((DatabaseError, TransactionError)):  # whether the driver knew, or the server said so
                async with self.transaction(tx) as inner:
                    await self.add(inner, "gone")
                    with contextlib.suppress(Exception):
                        await self.backend.run(inner.conn, "SELECT 1 / 0")
        self.assertEqual(sorted(self.balances()), ["kept"])
        await self.assert_whole()

    async def test_a_commit_that_fails(self) -> None:
        """X1 X9: a deferred constraint fails at COMMIT: its own error, once, and nothing is kept."""
        self.look.execute("ALTER TABLE account ADD UNIQUE (balance) DEFERRABLE INITIALLY DEFERRED")
        await self.add(self.db, "there", 1)
        calls: list[int] = []

        async def work(tx: Any) -> None:
            await self.add(tx, "gone", 1)
            calls.append(1)

        with self.assertRaises(IntegrityError):
            await self.in_transaction(work)
        with self.assertRaises(UniqueViolation):
            async with self.transaction() as tx:
                await work(tx)
        self.assertEqual((len(calls), self.balances()), (2, {"there": 1}))
        await self.assert_whole()


class RaceContract(ServerTools):
    """G1: `get_or_create` by many at once, on every isolation level."""

    async def race(self, call: Any) -> None:
        """Have 32 callers ask for the same row: one row, one True."""
        start = self.meeting(CALLERS)

        async def work(number: int) -> tuple[Account, bool]:
            await start()
            found: tuple[Account, bool] = await call(number)
            return found

        results = await self.together([lambda number=number: work(number) for number in range(CALLERS)])  # type: ignore[misc]
        self.assertEqual([one for one in results if isinstance(one, BaseException)], [])
        self.assertEqual(sum(created for _, created in results), 1)
        [winner] = [found for found, created in results if created]
        self.assertEqual([found for found, _ in results], [winner] * CALLERS)
        self.assertEqual(self.balances(), {"one": winner.balance})
        await self.assert_whole()

    async def kinds(self) -> AsyncIterator[tuple[str, bool]]:
        """Yield each level, and whether a transaction of it can't see a row that came later, with a pool for that."""
        for level in LEVELS:
            with self.subTest(level=level):
                self.look.execute("TRUNCATE TABLE account")
                await self.new_pool(isolation=level)
                yield level, level in self.sessions.blind_levels
        for level in self.sessions.overtaken_levels:
            if level not in self.sessions.blind_levels:
                with self.subTest(level=level, snapshots=True):
                    self.look.execute("TRUNCATE TABLE account")
                    await self.new_pool(isolation=level, snapshots=True)
                    yield level, True

    async def test_by_itself(self) -> None:
        """G1 X4: each call commits by itself, on connections whose default is any of the levels."""
        async for _ in self.kinds():

            async def call(number: int) -> Any:
                defaults = {"balance": number}
                return await maybe_await(self.repo(Account).get_or_create(lookup={"owner": "one"}, defaults=defaults))

            await self.race(call)

    async def test_in_transactions(self) -> None:
        """G1 X9: in callers' transactions `run_in_transaction` gets through, where the winner can't be seen, too."""
        async for level, _ in self.kinds():

            async def call(number: int, level: str = level) -> Any:
                async def work(tx: Any) -> Any:
                    defaults = {"balance": number}
                    repo = self.repo(Account, tx)
                    return await maybe_await(repo.get_or_create(lookup={"owner": "one"}, defaults=defaults))

                return await self.in_transaction(work, isolation=level, retries=CALLERS)

            await self.race(call)

    async def test_a_winner_that_can_not_be_seen(self) -> None:
        """G1: in a transaction whose snapshot is older than the winner's row: SerializationFailure."""
        async for level, is_blind in self.kinds():
            if is_blind:
                with self.assertRaises(SerializationFailure):
                    await self.lose(level)
                self.assertEqual(sorted(self.balances()), ["one"])
            else:
                await self.lose(level)
                self.assertEqual(sorted(self.balances()), ["mine", "one"])
        await self.assert_whole()

    async def lose(self, level: str) -> None:
        async with self.transaction(isolation=level) as tx:
            await self.add(tx, "mine")
            if level not in self.sessions.locking_levels:  # else the winner would have to wait
                await maybe_await(self.repo(Account, tx).count())
            self.look.execute("INSERT INTO account (owner, balance) VALUES ('one', 5)")
            found, created = await maybe_await(self.repo(Account, tx).get_or_create(lookup={"owner": "one"}))
            self.assertEqual((found.balance, created), (5, False))


class ExhaustionContract(ServerTools):
    """P2: a pool that is used up says by whom."""

    async def test_who_waits(self) -> None:
        """P2 P7: PoolTimeout tells size, in use and waiters, while transactions have all connections."""
        enough, ready = self.gate(), self.meeting(SIZE)

        async def holder() -> None:
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).count())
                await ready()
                await enough.wait()

        async def waiter() -> int:
            return int(await maybe_await(self.repo(Account).count()))

        holders = [self.spawn(holder) for _ in range(SIZE)]
        await self.until(lambda: len(self.in_progress()) == SIZE)
        waiters = [self.spawn(waiter) for _ in range(5)]
        await self.until(lambda: self.pool.stats().waiters == 5)
        with self.assertRaises(PoolTimeout) as caught:
            await maybe_await(self.pool.acquire(0))
        error = caught.exception
        self.assertEqual((error.size, error.in_use, error.waiters), (SIZE, SIZE, 5))
        self.assertIn("8 of 8 in use, 5 more waiting", str(error))
        enough.set()
        for handle in holders:
            await self.within(handle.join())
        self.assertEqual([await self.within(handle.join()) for handle in waiters], [0] * 5)
        await self.assert_whole()
