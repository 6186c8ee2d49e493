"""Pools: P6 connections that are gone, too old or idle for too long are replaced; P7 statistics."""

from __future__ import annotations

import dataclasses
from typing import Any
from unittest import mock

from mini_orm import ConnectionLost, DatabaseError, OperationalError, PoolConnector, PoolStats, PoolTimeout
from tests.backends import maybe_await
from tests.contracts.pool_cancellation import PoolCancellationContract
from tests.contracts.pool_tools import PoolTools
from tests.contracts.transactions import Account


class Clock:
    """The pools' clock, moved on by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class HealthTools(PoolTools):
    """Ways to lose connections, and to let time pass."""

    async def idle(self, pool: PoolConnector, many: int = 2) -> list[Any]:
        """Open so many connections and give them back, the last one last; return them."""
        conns = [await self.acquire(pool) for _ in range(many)]
        for conn in conns:
            await self.release(pool, conn)
        return conns

    async def kill(self, conn: Any) -> None:
        """End a connection behind the pool's back."""
        raw = self.raw_of(conn)
        if raw is conn:
            raw.close()
        else:
            await conn._execute(raw.close)

    def clock(self) -> Clock:
        """Take the clock into the test's own hands."""
        clock = Clock()
        self.enterContext(mock.patch("mini_orm.core.database.health.clock", clock))
        return clock

    async def statements(self, conn: Any) -> list[str]:
        """Have a connection note what is sent to it from now on."""
        sent: list[str] = []
        raw = self.raw_of(conn)
        if raw is conn:
            raw.set_trace_callback(sent.append)
        else:
            await conn._execute(raw.set_trace_callback, sent.append)
        return sent


class PoolPingContract(HealthTools):
    """P6: `pre_ping`."""

    async def test_replaced_before_anybody_notices(self) -> None:
        """P6: a connection that died while it was idle is replaced: operations, transactions, `acquire`."""
        pool = self.pool(pre_ping=True)
        db = self.on(pool)
        repo = self.repo(Account, db)
        for name, use in (
            ("operation", lambda: repo.insert(Account(owner="operation"))),
            ("transaction", lambda: self.in_transaction(db)),
            ("by hand", lambda: self.by_hand(pool)),
        ):
            with self.subTest(name):
                for conn in await self.idle(pool):
                    await self.kill(conn)
                await maybe_await(use())
                self.assertIn(name, self.owners())
                await self.assert_whole(pool)

    async def in_transaction(self, db: Any) -> None:
        async with self.transaction(db) as tx:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="transaction")))

    async def by_hand(self, pool: PoolConnector) -> None:
        async with self.connection(pool) as conn:
            await self.insert_raw(conn, "by hand")
            await maybe_await(conn.commit())

    async def test_one_dead_among_living(self) -> None:
        """P6: only what is dead is closed by a ping that finds it, and what was opened before that."""
        pool = self.pool(max_size=3, pre_ping=True)
        *_, last = await self.idle(pool, 3)
        await self.kill(last)
        await maybe_await(self.on(pool).fetchone("SELECT 1"))
        stats = pool.stats()
        self.assertEqual((stats.opened, stats.closed, stats.lost, stats.idle), (4, 3, 1, 1))

    async def test_living_ones_are_kept(self) -> None:
        """P6: a connection that answers is used; the ping is one statement, and none without `pre_ping`."""
        for pre_ping in (True, False):
            with self.subTest(pre_ping=pre_ping):
                pool = self.pool(max_size=1, pre_ping=pre_ping)
                [conn] = await self.idle(pool, 1)
                sent = await self.statements(conn)
                await maybe_await(self.repo(Account, self.on(pool)).count())
                self.assertEqual(sent.count("SELECT 1"), int(pre_ping))
                self.assertEqual(pool.stats().opened, 1)

    async def test_the_users_transaction_is_left_alone(self) -> None:
        """P6 P3: with the guard "ignore" the transaction that the next `acquire` gets is not pinged, nor too old."""
        clock = self.clock()
        pool = self.pool(max_size=1, transaction_guard="ignore", pre_ping=True, max_age=10, max_idle=5)
        conn = await self.acquire(pool)
        await self.insert_raw(conn, "mine")
        await self.release(pool, conn)
        clock.now += 100
        self.assertIs(await self.acquire(pool), conn)
        self.assertTrue(self.raw_of(conn).in_transaction)
        await maybe_await(conn.commit())
        await self.release(pool, conn)
        self.assertEqual(self.owners(), ["mine"])

    async def test_nobody_can_connect(self) -> None:
        """P6 P2: where no new connection can be had the caller gets that error, and no place is lost."""
        pool = self.pool(pre_ping=True)
        for conn in await self.idle(pool):
            await self.kill(conn)
        self.connections.refused = 1
        with self.assertRaises(OperationalError):
            await maybe_await(self.on(pool).fetchone("SELECT 1"))
        await self.assert_whole(pool)


class PoolPingCancellationContract(PoolCancellationContract):
    """P6 X7: a cancellation at every point, where connections are asked before they are used."""

    def pool(self, **options: Any) -> PoolConnector:
        return super().pool(pre_ping=True, max_age=3600, max_idle=3600, **options)


class PoolLostContract(HealthTools):
    """P6: what is lost without `pre_ping`."""

    async def test_one_loss_tells_of_the_others(self) -> None:
        """P6: one ConnectionLost, and all that were opened before are closed; everybody after it is served."""
        pool = self.pool(max_size=4)
        db = self.on(pool)
        for conn in await self.idle(pool, 4):
            await self.kill(conn)
        with self.assertRaises(ConnectionLost):
            await maybe_await(self.repo(Account, db).count())
        self.assertEqual(pool.stats().lost, 1)
        await self.together([lambda: self.insert(db, "a"), lambda: self.insert(db, "b"), lambda: self.insert(db, "c")])
        self.assertEqual(sorted(self.owners()), ["a", "b", "c"])
        await self.assert_whole(pool)
        self.assertEqual(pool.stats().lost, 1)

    async def insert(self, db: Any, owner: str) -> None:
        await maybe_await(self.repo(Account, db).insert(Account(owner=owner)))

    async def test_in_a_transaction(self) -> None:
        """P6 X1: the same of a connection that is lost in a transaction, whose rows are gone."""
        pool = self.pool()
        db = self.on(pool)
        await self.idle(pool)
        with self.assertRaises(ConnectionLost):
            async with self.transaction(db) as tx:
                await self.insert(tx, "lost")
                await self.kill(tx.conn)
                await self.insert(tx, "later")
        await self.insert(db, "kept")
        self.assertEqual(self.owners(), ["kept"])
        stats = pool.stats()
        self.assertEqual((stats.lost, stats.in_use), (1, 0))
        self.assertEqual(stats.opened, 3)  # the other one was of the same generation
        await self.assert_whole(pool)

    async def test_in_the_users_hands(self) -> None:
        """P6 P2: the same of one that comes back dead from the user."""
        pool = self.pool()
        await self.idle(pool)
        conn = await self.acquire(pool)
        await self.kill(conn)
        await self.release(pool, conn)
        self.assertEqual(pool.stats().lost, 1)
        await self.insert(self.on(pool), "kept")
        self.assertEqual(pool.stats().opened, 3)
        await self.assert_whole(pool)

    async def test_stragglers(self) -> None:
        """P6: what was lost out of an older generation does not end the new one."""
        pool = self.pool(max_size=4)
        early = [await self.acquire(pool) for _ in range(3)]
        for conn in early:
            await self.kill(conn)
        await self.release(pool, early.pop())
        [fresh] = await self.idle(pool, 1)
        for conn in early:
            await self.release(pool, conn)
        self.assertEqual(pool.stats().lost, 3)
        async with self.connection(pool) as conn:
            self.assertIs(conn, fresh)
        await self.assert_whole(pool)

    async def test_other_errors(self) -> None:
        """P6: an error that is not the connection's leaves all of them as they are."""
        pool = self.pool()
        await self.idle(pool)
        with self.assertRaises(DatabaseError):
            await maybe_await(self.on(pool).execute("SELECT * FROM no_such_table"))
        await self.assert_whole(pool)
        self.assertEqual((pool.stats().opened, pool.stats().closed), (2, 0))


class PoolAgeContract(HealthTools):
    """P6: `max_age` and `max_idle`."""

    async def test_too_old(self) -> None:
        """P6: a connection that lived for `max_age` is replaced at its next use, however busy it was."""
        clock = self.clock()
        pool = self.pool(max_size=1, max_age=60)
        [first] = await self.idle(pool, 1)
        for _ in range(5):
            clock.now += 11
            async with self.connection(pool) as conn:
                self.assertIs(conn, first)
        clock.now += 5
        async with self.connection(pool) as conn:
            self.assertIsNot(conn, first)
        stats = pool.stats()
        self.assertEqual((stats.opened, stats.closed, stats.lost), (2, 1, 0))

    async def test_in_use_as_it_grows_old(self) -> None:
        """P6: a connection is never taken from who has it, and comes back as any other."""
        clock = self.clock()
        pool = self.pool(max_size=1, max_age=60, max_idle=10)
        db = self.on(pool)
        async with self.transaction(db) as tx:
            clock.now += 1000
            await maybe_await(self.repo(Account, tx).insert(Account(owner="kept")))
        self.assertEqual(self.owners(), ["kept"])
        self.assertEqual(pool.stats().closed, 0)
        self.assertEqual(await maybe_await(self.repo(Account, db).count()), 1)
        self.assertEqual((pool.stats().opened, pool.stats().closed), (2, 1))

    async def test_idle_for_too_long(self) -> None:
        """P6: a connection that waited for `max_idle` is replaced; one that is used stays."""
        clock = self.clock()
        pool = self.pool(max_size=1, max_idle=60)
        [first] = await self.idle(pool, 1)
        for _ in range(5):
            clock.now += 59
            async with self.connection(pool) as conn:
                self.assertIs(conn, first)
        clock.now += 60
        async with self.connection(pool) as conn:
            self.assertIsNot(conn, first)

    async def test_the_others_are_closed(self) -> None:
        """P6: connections that nobody needs any more are closed as another one is used."""
        clock = self.clock()
        pool = self.pool(max_size=4, max_idle=60)
        *_, last = await self.idle(pool, 4)
        for _ in range(3):
            clock.now += 25
            await maybe_await(self.on(pool).fetchone("SELECT 1"))
        stats = pool.stats()
        self.assertEqual((stats.opened, stats.closed, stats.idle), (4, 3, 1))
        self.assertEqual(self.connections.open, 1)
        async with self.connection(pool) as conn:
            self.assertIs(conn, last)

    async def test_bad_options(self) -> None:
        """P6: seconds are positive numbers; anything else is a ValueError that names the option."""
        for name in ("max_age", "max_idle"):
            for bad in (0, -1, float("nan"), "60", True):
                with self.subTest(name=name, bad=bad), self.assertRaisesRegex(ValueError, name):
                    self.pool(**{name: bad})


class PoolStatsContract(HealthTools):
    """P7: `pool.stats()`."""

    async def test_what_it_tells(self) -> None:
        """P7: places in use, idle connections, waiters; what was opened and closed, and who gave up."""
        pool = self.pool()
        self.assertEqual(pool.stats(), PoolStats(2, 0, 0, 0, 0, 0, 0, 0))
        held = [await self.acquire(pool), await self.acquire(pool)]
        with self.assertRaises(PoolTimeout):
            await self.acquire(pool, timeout=0)
        handles = [self.call(self.use_once, pool) for _ in range(2)]
        await self.until(lambda: pool.stats().waiters == 2)
        self.assertEqual(pool.stats(), PoolStats(2, 2, 0, 2, opened=2, closed=0, lost=0, timeouts=1))
        for conn in held:
            await self.release(pool, conn)
        for handle in handles:
            await self.within(handle.join())
        self.assertEqual(pool.stats(), PoolStats(2, 0, 2, 0, opened=2, closed=0, lost=0, timeouts=1))
        await self.shut(pool)
        self.assertEqual(pool.stats(), PoolStats(2, 0, 0, 0, opened=2, closed=2, lost=0, timeouts=1))

    async def use_once(self, pool: PoolConnector) -> None:
        async with self.connection(pool):
            pass

    async def test_operations_count(self) -> None:
        """P7: operations and transactions take places as `acquire` does."""
        pool = self.pool()
        db = self.on(pool)
        async with self.transaction(db) as tx:
            self.assertIs(tx.pool, pool)
            self.assertEqual((pool.stats().in_use, pool.stats().idle), (1, 0))
            await maybe_await(tx.fetchone("SELECT 1"))
            self.assertEqual(pool.stats().in_use, 1)
        await maybe_await(db.fetchone("SELECT 1"))
        self.assertEqual((pool.stats().in_use, pool.stats().idle, pool.stats().opened), (0, 1, 1))
        self.assertIs(db.pool, pool)
        self.assertIsNone(self.db.pool)

    async def test_what_is_closed_otherwise(self) -> None:
        """P7 P3: a connection that is discarded as dirty counts as closed, and not as lost."""
        pool = self.pool(transaction_guard="discard")
        conn = await self.acquire(pool)
        await self.insert_raw(conn, "gone")
        await self.release(pool, conn)
        self.assertEqual(pool.stats(), PoolStats(2, 0, 0, 0, opened=1, closed=1, lost=0, timeouts=0))

    async def test_it_is_a_value(self) -> None:
        """P7: frozen, equal by value, and readable also when the pool is closed."""
        pool = self.pool()
        await self.idle(pool)
        stats = pool.stats()
        self.assertEqual(stats, pool.stats())
        with self.assertRaises(dataclasses.FrozenInstanceError):
            stats.size = 3  # type: ignore[misc]  # the mistake under test
        self.assertIn("idle=2", repr(stats))
