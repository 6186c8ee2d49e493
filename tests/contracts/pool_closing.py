"""Pools: P2 what may be given back, and what `close()` closes."""

from __future__ import annotations

from typing import Any

import mini_orm
from mini_orm import ClosedError, PoolConnector
from tests.backends import maybe_await
from tests.contracts.pool_tools import PoolTools
from tests.contracts.transactions import Account


class PoolReleaseContract(PoolTools):
    """P2: what may be given back."""

    async def test_what_was_not_taken(self) -> None:
        """P2: a connection of somebody else's, or none at all, is a ValueError, and changes nothing."""
        pool, other = self.pool(), self.pool()
        conn, foreign = await self.acquire(pool), await self.acquire(other)
        stranger = await self.backend.connect()
        for wrong in (foreign, stranger, None, object(), self.db, pool, "connection"):
            with self.subTest(wrong=type(wrong).__name__), self.assertRaises(ValueError):
                await self.release(pool, wrong)
        for released in (foreign, stranger):
            self.assertEqual(await self.value(released, "SELECT 1"), 1)
        await self.on_driver(stranger, "close")
        await self.release(other, foreign)
        await self.assert_shut(other, open_elsewhere=1)
        await self.release(pool, conn)
        await self.assert_whole(pool)

    async def test_twice(self) -> None:
        """P2: a connection that is back already is a ValueError; nobody gets it twice."""
        pool = self.pool()
        conn = await self.acquire(pool)
        await self.release(pool, conn)
        for _ in range(3):
            with self.assertRaises(ValueError):
                await self.release(pool, conn)
        self.assertIs(await self.acquire(pool), conn)
        await self.release(pool, conn)
        async with self.connection(pool) as mine:
            pass
        with self.assertRaises(ValueError):
            await self.release(pool, mine)
        await self.assert_whole(pool)

    async def test_inside_its_block(self) -> None:
        """P2: a connection that was released by hand inside its block is a ValueError at the block's end."""
        pool = self.pool()
        with self.assertRaises(ValueError):
            async with self.connection(pool) as conn:
                await self.release(pool, conn)
        with self.assertRaises(ZeroDivisionError):
            async with self.connection(pool) as conn:
                await self.release(pool, conn)
                raise ZeroDivisionError
        await self.assert_whole(pool)

    async def test_by_another_caller(self) -> None:
        """P2: whoever has the connection may give it back, from another thread or task."""
        pool = self.pool(max_size=1)
        for _ in range(3):
            conn = await self.acquire(pool)
            await self.within(self.call(self.release, pool, conn).join())
        await self.assert_whole(pool)
        self.assertEqual(len(self.connections.opened), 1)

    async def test_at_once(self) -> None:
        """P2: of many who give the same connection back at once, one succeeds."""
        pool = self.pool(max_size=1)
        for _ in range(10):
            conn = await self.acquire(pool)
            outcomes: list[Any] = []

            async def giver(conn: Any = conn, outcomes: list[Any] = outcomes) -> None:
                try:
                    await self.release(pool, conn)
                    outcomes.append("released")
                except Exception as error:
                    outcomes.append(type(error))

            for handle in [self.call(giver) for _ in range(4)]:
                await self.within(handle.join())
            self.assertCountEqual(outcomes, ["released", ValueError, ValueError, ValueError])
        await self.assert_whole(pool)

    async def test_a_mode_that_the_user_relies_on(self) -> None:
        """P2 X2: a connection is the driver's own, in the driver's own mode, also when it was used before."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        for turn in range(3):
            async with self.connection(pool) as conn:
                self.assertTrue(self.backend.is_as_opened(conn))
                await self.insert_raw(conn, f"undone {turn}")
                self.assertTrue(self.backend.in_transaction(conn), "the driver's implicit BEGIN did not happen")
                await self.on_driver(conn, "rollback")
                await self.insert_raw(conn, f"kept {turn}")
                await self.on_driver(conn, "commit")
            await maybe_await(self.repo(Account, db).insert(Account(owner=f"own {turn}")))
        self.assertEqual(len(self.connections.opened), 1)
        self.assertEqual([owner for owner in self.owners() if "undone" in owner], [])
        self.assertEqual(len(self.owners()), 6)


class PoolClosingContract(PoolTools):
    """P2 X5: what `close()` closes, and when."""

    async def test_idle_ones_at_once(self) -> None:
        """P2: idle connections are closed at once; closing twice is fine."""
        pool = self.pool(max_size=3)
        await self.assert_whole(pool)
        self.assertEqual(self.connections.open, 3)
        for _ in range(3):
            await self.shut(pool)
            self.assertEqual(self.connections.open, 0)

    async def test_never_used(self) -> None:
        """P2: a pool that was never used is closed as well, and opens nothing for that."""
        pool = self.pool()
        await self.shut(pool)
        self.assertEqual(self.connections.opened, [])
        with self.assertRaises(ClosedError):
            await self.acquire(pool)

    async def test_never_used_with_a_function_of_the_users_own(self) -> None:
        """P2: the same where nothing tells yet whether connections are awaited; nothing is opened any more."""
        calls: list[int] = []

        def connect() -> Any:
            calls.append(1)
            return self.backend.connector(self.backend.path)

        pool = PoolConnector(connect)
        if self.backend.supports_awaited_pools:
            await pool.close()
        else:
            pool.close()
        with self.assertRaises(ClosedError):
            await maybe_await(pool.acquire())
        with self.assertRaises(ClosedError):
            db = self.backend.database(pool, mini_orm.SQLiteDialect())
            await maybe_await(db.fetchone("SELECT 1"))
        self.assertEqual(calls, [])

    async def test_what_is_out(self) -> None:
        """P2: a connection that is out goes on working, and is closed when it comes back."""
        pool = self.pool(max_size=3)
        conn, dirty, idle = [await self.acquire(pool) for _ in range(3)]
        await self.release(pool, idle)
        await self.insert_raw(dirty, "lost")
        await self.shut(pool)
        self.assertEqual(self.connections.open, 2)
        self.assertEqual(await self.value(conn, "SELECT 1"), 1)
        await self.release(pool, conn)
        self.assertEqual(self.connections.open, 1)
        await self.release(pool, dirty)
        self.assertEqual((self.connections.open, self.owners()), (0, []))
        await self.assert_free()
        with self.assertRaises(ValueError):
            await self.release(pool, conn)

    async def test_during_an_operation_and_a_transaction(self) -> None:
        """P2 X5: what runs as the pool is closed comes to its end; its connection is closed then."""
        pool = self.pool()
        db = self.on(pool)
        async with self.transaction(db) as tx:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="before")))
            await self.shut(pool)
            await maybe_await(self.repo(Account, tx).insert(Account(owner="after")))
            async with self.transaction(tx) as inner:
                await maybe_await(self.repo(Account, inner).insert(Account(owner="inner")))
        self.assertEqual(self.owners(), ["after", "before", "inner"])
        self.assertEqual(self.connections.open, 0)

    async def test_between_the_look_and_the_return(self) -> None:
        """P2: a pool that is closed while a connection is being reset closes that one, too."""
        pool: Any = None

        def hook(conn: Any) -> Any:
            return pool.close()

        pool = self.pool(session_reset_hook=hook)
        conn = await self.acquire(pool)
        await self.release(pool, conn)
        await self.until(lambda: self.connections.open == 0)

    async def test_who_waits(self) -> None:
        """P2: who waits for a connection gets a ClosedError: by hand, for an operation, for a transaction."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        held = await self.acquire(pool)

        async def by_hand() -> None:
            await self.acquire(pool)

        async def operation() -> None:
            await maybe_await(self.repo(Account, db).insert(Account(owner="late")))

        async def block() -> None:
            async with self.transaction(db):
                self.fail("the block was entered")

        handles = [self.call(by_hand), self.spawn(operation), self.spawn(block)]
        await self.queue_of(pool, 3)
        await self.shut(pool)
        for handle in handles:
            with self.assertRaises(ClosedError) as caught:
                await self.within(handle.join())
            self.assertIsInstance(caught.exception, RuntimeError)
        await self.release(pool, held)
        self.assertEqual((self.connections.open, self.owners()), (0, []))

    async def test_afterwards(self) -> None:
        """P2 X5: after `close()` every way in is a ClosedError, and nothing is opened."""
        pool = self.pool()
        db = self.on(pool)
        await maybe_await(db.fetchone("SELECT 1"))
        await self.shut(pool)
        with self.assertRaises(ClosedError):
            await self.acquire(pool)
        with self.assertRaises(ClosedError):
            async with self.connection(pool):
                self.fail("the block was entered")
        with self.assertRaises(ClosedError):
            if self.backend.supports_awaited_pools:
                async with pool:
                    self.fail("the block was entered")
            else:
                with pool:
                    self.fail("the block was entered")
        await self.assert_every_use_raises(db, ClosedError, "closed")
        with self.assertRaises(ClosedError):
            if self.is_async:
                async with db:
                    self.fail("the block was entered")
            else:
                with db:
                    self.fail("the block was entered")
        await self.assert_every_use_raises(self.on(pool), ClosedError, "closed")
        self.assertEqual(len(self.connections.opened), 1)
        self.assertEqual(self.connections.open, 0)

    async def test_as_a_context_manager(self) -> None:
        """P2: a pool is a context manager that closes, also after an exception, which goes on."""
        for error in (None, ZeroDivisionError("mine")):
            pool = self.pool()
            try:
                if self.backend.supports_awaited_pools:
                    async with pool as entered:
                        await self.use_then_raise(pool, entered, error)
                else:
                    with pool as entered:
                        await self.use_then_raise(pool, entered, error)
            except ZeroDivisionError as caught:
                self.assertIs(caught, error)
            self.assertEqual(self.connections.open, 0)
            with self.assertRaises(ClosedError):
                await self.acquire(pool)

    async def use_then_raise(self, pool: PoolConnector, entered: Any, error: Exception | None) -> None:
        self.assertIs(entered, pool)
        await self.release(pool, await self.acquire(pool))
        if error is not None:
            raise error

    async def test_one_that_can_not_be_closed(self) -> None:
        """P2: a connection whose `close` fails keeps no other one from being closed."""

        def stubborn(conn: Any) -> None:
            self.backend.kill(conn)
            raise self.backend.refusal()

        self.connections.before_close = stubborn
        pool = self.pool(max_size=3)
        await self.assert_whole(pool)
        await self.shut(pool)
        self.assertEqual((len(self.connections.opened), self.connections.open), (3, 0))

    async def test_under_load(self) -> None:
        """P2 X5: closed while many callers work: each ends whole or with a ClosedError, and nothing stays open."""
        pool = self.pool(max_size=3)
        db = self.on(pool)
        outcomes: list[Any] = []

        async def caller(number: int) -> None:
            for turn in range(50):
                try:
                    async with self.transaction(db) as tx:
                        repo = self.repo(Account, tx)
                        await maybe_await(repo.insert(Account(owner=f"{number}-{turn}a")))
                        await maybe_await(repo.insert(Account(owner=f"{number}-{turn}b")))
                    outcomes.append((number, turn))
                except ClosedError:
                    return

        handles = [self.spawn(caller, number) for number in range(8)]
        await self.until(lambda: len(outcomes) > 10)
        await self.shut(pool)
        for handle in handles:
            await self.within(handle.join())
        await self.until(lambda: self.connections.open == 0)
        expected = [f"{number}-{turn}{part}" for number, turn in outcomes for part in "ab"]
        self.assertEqual(self.owners(), sorted(expected))
        self.assertLessEqual(self.connections.most, 3)
        await self.assert_free()
