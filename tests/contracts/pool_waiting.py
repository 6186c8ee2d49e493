"""Pools: P2 who waits for a connection, and what many callers do with few of them."""

from __future__ import annotations

import asyncio
import functools
import pickle
import threading
from typing import Any

import mini_orm
from mini_orm import PoolConnector, PoolError, PoolTimeout
from tests.backends import maybe_await
from tests.contracts.pool_tools import PoolTools
from tests.contracts.transactions import LIMIT, Account


class PoolWaitingContract(PoolTools):
    """P2: who waits is served in the order of coming, or told why not."""

    async def test_first_come_first_served_by_hand(self) -> None:
        """P2: callers of `acquire` get connections in the order in which they began to wait."""
        pool = self.pool()
        held = [await self.acquire(pool), await self.acquire(pool)]
        order: list[int] = []

        async def caller(number: int) -> None:
            async with self.connection(pool):
                order.append(number)

        handles = []
        for number in range(8):
            handles.append(self.call(caller, number))
            await self.queue_of(pool, number + 1)
        await self.release(pool, held.pop())  # the others follow each other on this one
        for handle in handles:
            await self.within(handle.join())
        self.assertEqual(order, list(range(8)))
        await self.release(pool, held.pop())
        await self.assert_whole(pool)

    async def test_first_come_first_served_by_operations(self) -> None:
        """P2 X4: operations and transactions of a database wait in the same line."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        held = await self.acquire(pool)

        async def operation(number: int) -> None:
            await maybe_await(self.repo(Account, db).insert(Account(owner=str(number))))

        async def block(number: int) -> None:
            async with self.transaction(db) as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner=str(number))))

        handles = []
        for number in range(8):
            handles.append(self.spawn(block if number % 2 else operation, number))
            await self.queue_of(pool, number + 1)
        await self.release(pool, held)
        for handle in handles:
            await self.within(handle.join())
        rows = await maybe_await(self.repo(Account, db).list(order_by="id"))
        self.assertEqual([row.owner for row in rows], [str(number) for number in range(8)])

    async def test_nobody_overtakes(self) -> None:
        """P2: who comes as a connection is given back does not pass who waits for it."""
        pool = self.pool(max_size=1)
        held = await self.acquire(pool)
        order: list[str] = []
        go = self.hand_gate()

        async def caller(name: str) -> None:
            async with self.connection(pool):
                order.append(name)
                await go.wait()

        first = self.call(caller, "first")
        await self.queue_of(pool, 1)
        await self.release(pool, held)
        with self.assertRaises(PoolTimeout):
            await self.acquire(pool, timeout=0)
        second = self.call(caller, "second")
        await self.queue_of(pool, 1)
        go.set()
        for handle in (first, second):
            await self.within(handle.join())
        self.assertEqual(order, ["first", "second"])

    async def test_timeout(self) -> None:
        """P2 Errors: a PoolTimeout tells the size, how many are in use and who else waits, and can be pickled."""
        pool = self.pool()
        held = [await self.acquire(pool), await self.acquire(pool)]
        for timeout in (0, 0.0, 0.01):
            with self.assertRaises(PoolTimeout) as caught:
                await self.acquire(pool, timeout=timeout)
            error = caught.exception
            self.assertEqual((error.size, error.in_use, error.waiters), (2, 2, 0))
            for cls in (TimeoutError, PoolError, RuntimeError, mini_orm.MiniOrmError):
                self.assertIsInstance(error, cls)
            self.assertIn("2 of 2", str(error))
            twin = pickle.loads(pickle.dumps(error))
            self.assertEqual((type(twin), twin.args), (PoolTimeout, error.args))
            self.assertEqual((twin.size, twin.in_use, twin.waiters), (2, 2, 0))
        handles = [self.call(self.use_once, pool) for _ in range(3)]
        await self.queue_of(pool, 3)
        with self.assertRaises(PoolTimeout) as caught:
            async with self.connection(pool, timeout=0.001):
                self.fail("the block was entered")
        self.assertEqual((caught.exception.size, caught.exception.in_use, caught.exception.waiters), (2, 2, 3))
        for conn in held:
            await self.release(pool, conn)
        for handle in handles:
            await self.within(handle.join())
        await self.assert_whole(pool)

    async def use_once(self, pool: PoolConnector, timeout: float | None = LIMIT) -> None:
        async with self.connection(pool, timeout) as conn:
            self.assertEqual(await self.value(conn, "SELECT 1"), 1)

    async def test_who_gave_up_takes_nothing(self) -> None:
        """P2: of many who wait some give up, again and again: the others are served, no place is lost."""
        pool = self.pool()
        held = [await self.acquire(pool), await self.acquire(pool)]
        patient = [self.call(self.use_once, pool) for _ in range(4)]
        hasty = [self.call(self.use_once, pool, 0.001 * number) for number in range(8)]
        for handle in hasty:
            with self.assertRaises(PoolTimeout):
                await self.within(handle.join())
        await self.queue_of(pool, 4)
        for conn in held:
            await self.release(pool, conn)
        for handle in patient:
            await self.within(handle.join())
        await self.assert_whole(pool)

    async def test_timeouts_that_race_with_a_release(self) -> None:
        """P2: a connection that comes back as a caller gives up goes to that caller, or stays in the pool."""
        pool = self.pool(max_size=1)
        for _ in range(30):
            held = await self.acquire(pool)
            handle = self.call(self.use_once, pool, 0.002)
            await asyncio.sleep(0.002)  # about when the caller gives up; every outcome is checked
            await self.release(pool, held)
            try:
                await self.within(handle.join())
            except PoolTimeout as error:
                self.assertEqual(error.size, 1)
            await self.release(pool, await self.acquire(pool, timeout=LIMIT))
        await self.assert_whole(pool)

    async def test_timeouts_that_are_none(self) -> None:
        """P2: a timeout is a number of seconds from 0 on, or None; anything else is a ValueError."""
        pool = self.pool()
        for wrong in (-1, -0.001, float("nan"), True, False, "1", [1], object()):
            with self.subTest(timeout=wrong):
                with self.assertRaisesRegex(ValueError, "timeout"):
                    await maybe_await(pool.acquire(wrong))  # type: ignore[arg-type]  # the mistake under test
                with self.assertRaisesRegex(ValueError, "timeout"):
                    async with self.connection(pool, wrong):  # type: ignore[arg-type]
                        self.fail("the block was entered")
        for right in (0, None, float("inf"), 10**9, 1e300):
            with self.subTest(timeout=right):
                async with self.connection(pool), self.connection(pool):
                    handle = self.call(self.use_once, pool, right)
                    if right == 0:
                        with self.assertRaises(PoolTimeout):
                            await self.within(handle.join())
                    else:
                        await self.queue_of(pool, 1)
                if right != 0:
                    await self.within(handle.join())
        await self.assert_whole(pool)


class PoolUseContract(PoolTools):
    """P2 X4: many callers on few connections."""

    async def test_eight_callers_on_four_connections(self) -> None:
        """P2 X4: eight callers' transactions really run on four connections at once, two times four of them."""
        pool = self.pool(max_size=4)
        db = self.on(pool)
        barrier: Any = asyncio.Barrier(4) if self.is_async else threading.Barrier(4)
        inside: list[int] = []

        async def caller() -> int:
            async with self.transaction(db, read_only=True) as tx:
                await maybe_await(self.repo(Account, tx).count())
                inside.append(id(tx.conn))
                await maybe_await(barrier.wait() if self.is_async else barrier.wait(LIMIT))
                return id(tx.conn)

        results = await self.within(self.together([caller] * 8))
        self.assertEqual(len(set(results)), 4, results)
        self.assertEqual((len(set(inside[:4])), len(set(inside[4:]))), (4, 4))
        self.assertEqual((len(self.connections.opened), self.connections.most), (4, 4))
        await self.assert_whole(pool)

    async def test_more_callers_than_connections(self) -> None:
        """P2 X4 B3: sixteen callers write on four connections: nothing is lost, nothing mixed."""
        pool = self.pool(max_size=4)
        db = self.on(pool)

        async def caller(number: int) -> None:
            repo = self.repo(Account, db)
            for turn in range(5):
                row = await maybe_await(repo.insert(Account(owner=f"{number}-{turn}", balance=number)))
                self.assertEqual(await maybe_await(repo.get(row.id)), row)
                await maybe_await(repo.insert_many([Account(owner=f"{number}-{turn}{part}") for part in "ab"]))

        results = await self.within(self.together([functools.partial(caller, number) for number in range(16)]))
        self.assertEqual(results, [None] * 16)
        expected = [f"{number}-{turn}{part}" for number in range(16) for turn in range(5) for part in ("", "a", "b")]
        self.assertEqual(self.owners(), sorted(expected))
        self.assertLessEqual(self.connections.most, 4)
        await self.assert_whole(pool)

    async def test_what_a_pool_says_of_itself(self) -> None:
        """P2: its repr tells how many are in use, and no argument of `connect`."""
        pool = self.pool()
        self.assertEqual(repr(pool), "PoolConnector(0 of 2 in use)")
        async with self.connection(pool):
            self.assertEqual(repr(pool), "PoolConnector(1 of 2 in use)")
        await self.shut(pool)
        self.assertEqual(repr(pool), "PoolConnector(closed)")
