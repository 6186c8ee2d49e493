"""Pools: P3 what happens to a connection that comes back with an open transaction, P4 to one that can't be undone."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from mini_orm import ConfigurationError, DirtyConnectionError, MiniOrmError, PoolConnector, PoolError
from tests.backends import maybe_await
from tests.contracts.pool_tools import PoolTools
from tests.contracts.transactions import Account

GUARDS = ("rollback", "raise", "ignore", "discard")


def policies() -> Iterator[tuple[str, bool]]:
    """Yield every guard with and without `strict_pool`."""
    return itertools.product(GUARDS, (False, True))


def some_policies() -> Iterator[tuple[str, bool]]:
    """Yield every guard once, and one of them strict."""
    return zip(GUARDS, (False, False, False, True), strict=True)


class PoolGuardContract(PoolTools):
    """P3: each guard, with and without `strict_pool`, for every way in which a connection gets dirty."""

    def policies(self) -> Iterator[tuple[str, bool]]:
        return policies() if self.amount(2, 1) == 2 else some_policies()

    async def by_hand(self, pool: PoolConnector) -> None:
        conn = await self.acquire(pool)
        await self.raw(conn, self.backend.begin)
        await self.insert_raw(conn, "left")
        await self.release(pool, conn)

    async def by_an_implicit_begin(self, pool: PoolConnector) -> None:
        conn = await self.acquire(pool)
        await self.insert_raw(conn, "left")
        self.assertTrue(self.backend.in_transaction(conn), "the driver's implicit BEGIN did not happen")
        await self.release(pool, conn)

    async def begin_savepoint(self, conn: Any) -> None:
        if not self.backend.supports_implicit_begin:
            await self.raw(conn, "BEGIN")
        await self.raw(conn, "SAVEPOINT mine")

    async def by_a_savepoint(self, pool: PoolConnector) -> None:
        conn = await self.acquire(pool)
        await self.begin_savepoint(conn)
        await self.insert_raw(conn, "left")
        await self.release(pool, conn)

    async def by_a_block(self, pool: PoolConnector) -> None:
        async with self.connection(pool) as conn:
            await self.insert_raw(conn, "left")

    async def by_a_block_after_a_failure(self, pool: PoolConnector) -> None:
        async with self.connection(pool) as conn:
            await self.raw(conn, self.backend.begin)
            await self.insert_raw(conn, "left")
            with self.assertRaises(self.backend.driver_error(sqlite3.OperationalError)):
                await self.raw(conn, "SELECT nothing")

    async def by_another_caller(self, pool: PoolConnector) -> None:
        conn = await self.acquire(pool)
        await self.insert_raw(conn, "left")
        await self.within(self.call(self.release, pool, conn).join())

    async def by_execute(self, pool: PoolConnector) -> None:
        await maybe_await(self.on(pool).execute(self.backend.begin))

    async def by_execute_of_a_savepoint(self, pool: PoolConnector) -> None:
        await maybe_await(self.on(pool).execute("SAVEPOINT mine"))

    def ways(self) -> list[Callable[[PoolConnector], Coroutine[Any, Any, None]]]:
        return [
            self.by_hand,
            self.by_an_implicit_begin,
            self.by_a_savepoint,
            self.by_a_block,
            self.by_a_block_after_a_failure,
            self.by_another_caller,
            self.by_execute,
            # Outside of a transaction a savepoint is one on SQLite, and an error elsewhere.
            *([self.by_execute_of_a_savepoint] if self.backend.savepoints_begin else []),
        ]

    async def test_every_guard_and_every_way(self) -> None:
        """P3: undone or left, used again or closed, silent or an error: each guard as it says; the place is free."""
        for (guard, strict), way in itertools.product(self.policies(), self.ways()):
            with self.subTest(guard=guard, strict=strict, way=way.__name__):
                pool = self.pool(transaction_guard=guard, strict_pool=strict)
                opened = len(self.connections.opened)
                if guard == "raise":
                    with self.assertRaises(DirtyConnectionError) as caught:
                        await way(pool)
                    for cls in (PoolError, RuntimeError, MiniOrmError):
                        self.assertIsInstance(caught.exception, cls)
                else:
                    await way(pool)
                self.assertEqual(len(self.connections.opened), opened + 1)
                is_closed = strict or guard in ("raise", "discard")
                is_left = guard == "ignore" and not strict
                [dirty] = self.connections.opened[opened:]
                self.assertEqual(any(dirty is conn for conn in self.connections.closed), is_closed)
                again = await self.acquire(pool, timeout=0)
                self.assertEqual(self.raw_of(again) is dirty, not is_closed)
                self.assertEqual(self.backend.in_transaction(again), is_left)
                if is_left:
                    await self.on_driver(again, "rollback")
                await self.release(pool, again)
                self.assertEqual(self.owners(), [])
                await self.assert_whole(pool)
                await self.assert_shut(pool)

    async def test_ignored_work_is_the_next_users(self) -> None:
        """P3: with `"ignore"` the next `acquire` goes on in the transaction, and may commit it."""
        pool = self.pool(transaction_guard="ignore")
        async with self.connection(pool) as first:
            await self.insert_raw(first, "left")
        self.assertEqual(self.owners(), [])
        async with self.connection(pool) as second:
            self.assertIs(second, first)
            await self.insert_raw(second, "added")
        async with self.connection(pool) as third:
            await self.on_driver(third, "commit")
        self.assertEqual(self.owners(), ["added", "left"])
        await self.assert_whole(pool)

    async def test_clean_ones_are_used_again(self) -> None:
        """P3: a connection that comes back clean is used again, whatever the guard; strict, too."""
        for guard, strict in self.policies():
            with self.subTest(guard=guard, strict=strict):
                pool = self.pool(transaction_guard=guard, strict_pool=strict)
                opened = len(self.connections.opened)
                async with self.connection(pool) as conn:
                    await self.insert_raw(conn, f"{guard} {strict}")
                    await self.on_driver(conn, "commit")
                async with self.connection(pool) as again:
                    self.assertIs(again, conn)
                    await self.insert_raw(again, "undone")
                    await self.on_driver(again, "rollback")
                async with self.connection(pool) as again:
                    self.assertIs(again, conn)
                self.assertEqual(len(self.connections.opened), opened + 1)
                await self.assert_shut(pool)
        self.assertEqual(self.owners(), sorted(f"{guard} {strict}" for guard, strict in self.policies()))

    async def test_an_error_on_its_way_is_not_hidden(self) -> None:
        """P3: an exception of the block goes on as it is, whatever the guard would have raised."""
        for guard, strict in self.policies():
            for error in (ZeroDivisionError("mine"), KeyboardInterrupt("mine"), PoolError("mine")):
                with self.subTest(guard=guard, strict=strict, error=type(error).__name__):
                    pool = self.pool(transaction_guard=guard, strict_pool=strict)
                    with self.assertRaises(type(error)) as caught:
                        async with self.connection(pool) as conn:
                            await self.insert_raw(conn, "left")
                            raise error
                    self.assertIs(caught.exception, error)
                    again = await self.acquire(pool, timeout=0)
                    self.assertEqual(self.backend.in_transaction(again), guard == "ignore" and not strict)
                    await self.on_driver(again, "rollback")
                    await self.release(pool, again)
                    await self.assert_whole(pool)
                    await self.assert_shut(pool)
        self.assertEqual(self.owners(), [])

    async def test_own_operations_never_begin_on_a_dirty_one(self) -> None:
        """P3 X2: what was left open is undone before an operation of mini_orm's, which is committed by itself."""
        self.spare_keys()
        for guard, strict in self.policies():
            pool = self.pool(max_size=1, transaction_guard=guard, strict_pool=strict)
            db = self.on(pool)
            for name, use in self.uses(db):
                if name == "execute BEGIN":
                    continue
                with self.subTest(guard=guard, strict=strict, use=name):
                    self.look.execute("DELETE FROM account")
                    self.look.execute("INSERT INTO account (id, owner, balance) VALUES (1, 'there', 0)")
                    with contextlib.suppress(DirtyConnectionError):
                        await self.by_an_implicit_begin(pool)
                    await maybe_await(use())
                    owners = self.owners()
                    self.assertNotIn("left", owners)
                    self.assertEqual(
                        "late" in owners, name in ("insert", "create", "insert_many", "update", "get_or_create")
                    )
                    await self.assert_free()
            await self.assert_shut(pool)

    async def test_a_new_one_is_clean(self) -> None:
        """P3 X2: what `connect` left open is refused, as operations would join it, and never be committed."""
        makers = self.pool()
        for name in ("insert", "transaction", "acquire"):
            with self.subTest(use=name):
                conn = await self.acquire(makers)
                await self.insert_raw(conn, "left")
                pool = self.watched(PoolConnector(self.connect_to(conn), max_size=1))
                db = self.backend.database(pool, type(self.db.dialect)())
                with self.assertRaisesRegex(ConfigurationError, "open transaction"):
                    if name == "insert":
                        await maybe_await(self.repo(Account, db).insert(Account(owner="late")))
                    elif name == "transaction":
                        async with self.transaction(db):
                            raise AssertionError("a transaction began")
                    else:
                        await self.acquire(pool)
                await self.release(makers, conn)
                self.assertEqual(pool.stats().in_use, 0)
                self.assertEqual(self.owners(), [])
                await self.assert_free()

    def connect_to(self, conn: Any) -> Callable[[], Any]:
        """Make a function that connects, and gives this connection."""

        async def connect() -> Any:
            return conn

        return connect if self.backend.supports_awaited_pools else lambda: conn

    async def test_a_transaction_never_joins_what_was_left(self) -> None:
        """P3 X1: a block of mini_orm's own is a transaction, which really commits, and no savepoint of a stranger's."""
        for guard, strict in self.policies():
            with self.subTest(guard=guard, strict=strict):
                pool = self.pool(max_size=1, transaction_guard=guard, strict_pool=strict)
                db = self.on(pool)
                with contextlib.suppress(DirtyConnectionError):
                    await self.by_execute(pool)
                async with self.transaction(db, isolation="serializable") as tx:
                    await maybe_await(self.repo(Account, tx).insert(Account(owner=f"{guard} {strict}")))
                with contextlib.suppress(DirtyConnectionError):
                    await self.by_hand(pool)
                await maybe_await(db.run_in_transaction(self.touch if self.is_async else lambda tx: None))
                await self.assert_shut(pool)
        self.assertEqual(self.owners(), sorted(f"{guard} {strict}" for guard, strict in self.policies()))

    async def touch(self, tx: Any) -> None:
        """Do nothing in a transaction."""

    async def test_what_was_left_with_its_session(self) -> None:
        """P3 P5: what `"ignore"` left is undone whole, for mini_orm's own operations: the session's settings, too."""
        pool = self.pool(max_size=1, transaction_guard="ignore")
        db = self.on(pool)
        async with self.connection(pool) as conn:
            fresh = [await self.value(conn, self.backend.show(name)) for name in self.backend.settings]
            for name, value in self.backend.settings.items():
                await self.raw(conn, self.backend.setting(name, value))
            if self.backend.in_transaction(conn):
                await self.on_driver(conn, "commit")
            await self.raw(conn, "BEGIN")
        await maybe_await(self.repo(Account, db).insert(Account(owner="own")))
        self.assertEqual(self.owners(), ["own"])
        async with self.connection(pool) as conn:
            self.assertFalse(self.backend.in_transaction(conn))
            self.assertEqual([await self.value(conn, self.backend.show(name)) for name in self.backend.settings], fresh)

    async def test_a_begin_through_execute_is_no_transaction(self) -> None:
        """P3 X4: on a pool `db.execute("BEGIN")` opens nothing for the next operation, which is committed at once."""
        for guard in ("rollback", "ignore", "discard"):
            pool = self.pool(max_size=1, transaction_guard=guard)
            db = self.on(pool)
            await maybe_await(db.execute("BEGIN"))
            await maybe_await(
                db.execute(self.backend.sql("INSERT INTO account (owner, balance) VALUES (?, 1)"), (guard,))
            )
            self.assertIn(guard, self.owners())
            await self.assert_shut(pool)

    async def test_raw_ends_inside_a_block(self) -> None:
        """P3 X1: a transaction that raw SQL ended and began anew is lost, and what is open is undone."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        with self.assertRaises(MiniOrmError):
            async with self.transaction(db) as tx:
                await maybe_await(tx.execute("COMMIT"))
                await maybe_await(tx.execute("BEGIN"))
        await self.assert_whole(pool)

    async def test_what_the_log_says(self) -> None:
        """P3: a transaction that was left open is a line in the log of mini_orm, without any value."""
        for guard, level in (("rollback", "WARNING"), ("discard", "INFO")):
            pool = self.pool(transaction_guard=guard)
            with self.assertLogs("mini_orm", logging.INFO) as caught:
                await self.by_hand(pool)
            self.assertEqual([record.levelname for record in caught.records], [level])
            self.assertNotIn("left'", caught.output[0])
        pool = self.pool()
        with self.assertNoLogs("mini_orm", logging.INFO):
            async with self.connection(pool) as conn:
                await self.insert_raw(conn, "kept")
                await self.on_driver(conn, "commit")


class PoolFailedRollbackContract(PoolTools):
    """P4: a connection that can't be rolled back is closed, and its place is free."""

    async def refuse_rollback(self, conn: Any) -> None:
        await self.backend.forbid(conn, "ROLLBACK")

    async def test_on_release(self) -> None:
        """P4 P3: by hand: closed, with the guard's own error if it has one."""
        for guard, strict in policies():
            with self.subTest(guard=guard, strict=strict):
                pool = self.pool(max_size=1, transaction_guard=guard, strict_pool=strict)
                is_left = guard == "ignore" and not strict
                conn = await self.acquire(pool)
                await self.insert_raw(conn, "left")
                await self.refuse_rollback(conn)
                if guard == "raise":
                    with self.assertRaises(DirtyConnectionError):
                        await self.release(pool, conn)
                else:
                    await self.release(pool, conn)
                if is_left:
                    await maybe_await(self.on(pool).fetchone("SELECT 1"))  # which has to undo it first
                await self.until(functools.partial(self.was_closed, conn))
                await self.assert_whole(pool)
                await self.assert_shut(pool)
        self.assertEqual(self.owners(), [])

    def was_closed(self, conn: Any) -> bool:
        """Whether a driver's connection was closed."""
        try:
            return any(self.raw_of(conn) is closed for closed in self.connections.closed)
        except ValueError:  # aiosqlite lets go of it
            return True

    async def test_closed_by_its_user(self) -> None:
        """P4: a connection that its user closed, in whatever state, is not used again."""
        for guard, is_dirty in itertools.product(GUARDS, (False, True)):
            with self.subTest(guard=guard, is_dirty=is_dirty):
                pool = self.pool(max_size=1, transaction_guard=guard)
                async with self.connection(pool) as conn:
                    if is_dirty:
                        await self.insert_raw(conn, "left")
                    await self.on_driver(conn, "close")
                async with self.connection(pool) as other:
                    self.assertIsNot(other, conn)
                await self.assert_whole(pool)
                await self.assert_shut(pool)
        self.assertEqual(self.owners(), [])

    async def test_closed_after_its_release(self) -> None:
        """P4: one that is closed in the pool's own hands costs the next operation, and no other one."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        for use in (lambda: db.fetchone("SELECT 1"), self.repo(Account, db).list):
            conn = await self.acquire(pool)
            await self.release(pool, conn)
            await self.on_driver(conn, "close")
            with self.assertRaises(MiniOrmError):
                await maybe_await(use())
            await maybe_await(use())
        with self.assertRaises(MiniOrmError):
            conn = await self.acquire(pool)
            await self.release(pool, conn)
            await self.on_driver(conn, "close")
            async with self.transaction(db):
                self.fail("the block was entered")
        await self.assert_whole(pool)

    async def test_closed_in_a_transaction(self) -> None:
        """P4 X1: closed inside a block: an error of ours, nothing is kept, and the next one has a new connection."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        with self.assertRaises(MiniOrmError):
            async with self.transaction(db) as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="gone")))
                await self.on_driver(tx.conn, "close")
        await maybe_await(self.repo(Account, db).insert(Account(owner="kept")))
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_whole(pool)

    async def test_at_the_end_of_a_transaction(self) -> None:
        """P4 X1: a block whose rollback fails keeps its first error; its connection is closed, and nothing is kept."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        error = ZeroDivisionError("mine")
        with self.assertRaises(ZeroDivisionError) as caught:
            async with self.transaction(db) as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="gone")))
                await self.refuse_rollback(tx.conn)
                raise error
        self.assertIs(caught.exception, error)
        await self.until(lambda: self.connections.open == 0)
        await self.assert_free()
        await maybe_await(self.repo(Account, db).insert(Account(owner="kept")))
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_whole(pool)

    async def test_at_the_end_of_an_operation(self) -> None:
        """P4 R6: an operation of several statements whose rollback fails keeps its error; the connection is closed."""
        self.connections.prepare = lambda conn: self.backend.forbid_opened(conn, "ROLLBACK")
        pool = self.pool(max_size=1)
        db = self.on(pool)
        await maybe_await(self.repo(Account, db).insert(Account(owner="taken")))
        with self.assertRaises(self.backend.driver_error(sqlite3.IntegrityError)):
            rows = [Account(owner="new"), Account(id=9, owner="taken")]  # a statement for those without a key
            await maybe_await(self.repo(Account, db).insert_many(rows))
        await self.until(lambda: self.connections.open == 0)
        self.connections.prepare = lambda conn: None
        self.assertEqual(self.owners(), ["taken"])
        await self.assert_whole(pool)

    async def test_who_waits_gets_a_new_one(self) -> None:
        """P4 P2: who waits for a connection that had to be closed gets a new one."""
        pool = self.pool(max_size=1)
        conn = await self.acquire(pool)
        await self.insert_raw(conn, "left")
        await self.refuse_rollback(conn)

        async def caller() -> bool:
            async with self.connection(pool) as mine:
                return mine is not conn

        handle = self.call(caller)
        await self.queue_of(pool, 1)
        await self.release(pool, conn)
        self.assertTrue(await self.within(handle.join()))
        await self.assert_whole(pool)
