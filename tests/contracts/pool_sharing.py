"""Pools: X4 whose connection a call and a transaction work on."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import mini_orm
from mini_orm import PoolTimeout, TransactionError
from tests.backends import maybe_await, needs
from tests.contracts.pool_tools import PoolTools
from tests.contracts.transactions import Account


class PoolSharingContract(PoolTools):
    """X4: each operation, and each transaction, has a connection of its own."""

    async def test_others_take_their_own(self) -> None:
        """X4: unrelated callers neither wait for an open transaction nor see what it wrote."""
        pool = self.pool()
        db = self.on(pool)

        async def other() -> int:
            async with self.transaction(db, read_only=True) as tx:
                inside = await maybe_await(self.repo(Account, tx).count())
            return int(inside + await maybe_await(self.repo(Account, db).count()))

        async with self.transaction(db) as tx:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="mine")))
            self.assertEqual(await self.within(self.spawn(other).join()), 0)
            self.assertEqual(await maybe_await(self.repo(Account, tx).count()), 1)
        self.assertEqual(await self.within(self.spawn(other).join()), 2)
        await self.assert_whole(pool)
        self.assertEqual(len(self.connections.opened), 2)

    async def test_the_owner_stays_on_one(self) -> None:
        """X4: through `db` and `tx` the opener's calls belong to the transaction, on its connection, nested too."""
        pool = self.pool(max_size=1)  # anything else would wait for ever
        db = self.on(pool)
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction(db) as tx:
                await maybe_await(self.repo(Account, db).insert(Account(owner="by db")))
                await maybe_await(db.execute("INSERT INTO account (owner, balance) VALUES ('raw', 1)"))
                async with self.transaction(db) as inner:
                    self.assertIs(inner.conn, tx.conn)
                    await maybe_await(self.repo(Account, inner).insert_many([Account(owner="a"), Account(owner="b")]))
                with self.assertRaises(LookupError):
                    async with self.transaction(tx):
                        await maybe_await(self.repo(Account, db).insert(Account(owner="undone")))
                        raise LookupError
                self.assertEqual(await maybe_await(self.repo(Account, tx).count()), 4)
                self.assertEqual(self.owners(), [])
                raise ZeroDivisionError
        self.assertEqual(self.owners(), [])
        await self.assert_whole(pool)

    async def test_tx_belongs_wherever_it_goes(self) -> None:
        """X4: `tx` in other threads or tasks works on the transaction's connection, one call at a time."""
        pool = self.pool()
        db = self.on(pool)

        async def work(tx: Any, number: int) -> None:
            await maybe_await(self.repo(Account, tx).insert(Account(owner=f"{number}")))
            async with self.transaction(tx) as inner:
                await maybe_await(self.repo(Account, inner).insert(Account(owner=f"{number} inner")))
                self.assertIs(inner.conn, tx.conn)

        for error in (ZeroDivisionError, None):
            with contextlib.suppress(ZeroDivisionError):
                async with self.transaction(db) as tx:
                    handles = [self.spawn(work, tx, number, inherit=bool(number % 2)) for number in range(4)]
                    for handle in handles:
                        await self.within(handle.join())
                    if error is not None:
                        raise error
        self.assertEqual(self.owners(), sorted(f"{n}{part}" for n in range(4) for part in ("", " inner")))
        await self.assert_whole(pool)

    async def test_inherited_is_refused_at_once(self) -> None:
        """X4: who inherited the transaction gets a TransactionError from any use of `db`, with connections to spare."""
        pool = self.pool(max_size=4)
        db = self.on(pool)
        async with self.transaction(db) as tx:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="kept")))
            for name, use in self.uses(db):

                async def child(use: Any = use) -> None:
                    await maybe_await(use())

                with self.subTest(use=name):
                    with self.assertRaises(TransactionError) as caught:
                        await self.within(self.spawn(child, inherit=True).join())
                    self.assertRegex(str(caught.exception), r"\btx\b")
                    self.assertIn("asyncio.timeout", str(caught.exception))
            await maybe_await(self.repo(Account, db).insert(Account(owner="owner of the block")))
        self.assertEqual(self.owners(), ["kept", "owner of the block"])
        self.assertEqual(len(self.connections.opened), 1)
        await self.assert_whole(pool)

    async def test_inherited_after_the_end(self) -> None:
        """X4: once the transaction is over, who inherited it takes a connection of its own."""
        pool = self.pool()
        db = self.on(pool)
        go = self.gate()

        async def child() -> None:
            await go.wait()
            await maybe_await(self.repo(Account, db).insert(Account(owner="child")))
            async with self.transaction(db) as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="child's block")))

        async with self.transaction(db) as tx:
            handle = self.spawn(child, inherit=True)
            await maybe_await(self.repo(Account, tx).insert(Account(owner="parent")))
        go.set()
        await self.within(handle.join())
        self.assertEqual(self.owners(), ["child", "child's block", "parent"])

    async def test_two_databases_of_one_pool(self) -> None:
        """X4: the transaction is the pool's: a second database on it belongs to it, in the task that opened it."""
        pool = self.pool(max_size=1)
        db, twin = self.on(pool), self.on(pool)
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction(db) as tx:
                await maybe_await(self.repo(Account, twin).insert(Account(owner="undone")))
                async with self.transaction(twin) as inner:
                    self.assertIs(inner.conn, tx.conn)
                raise ZeroDivisionError
        self.assertEqual(self.owners(), [])
        await self.assert_whole(pool)

    async def test_two_pools_are_apart(self) -> None:
        """X4: a transaction on one pool says nothing about another pool, or a connection, in the same task."""
        pool, other = self.pool(), self.pool()
        async with self.transaction(self.on(pool)) as tx:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="mine")))
            self.assertEqual(await maybe_await(self.repo(Account, self.on(other)).count()), 0)
            self.assertEqual(await maybe_await(self.repo(Account).count()), 0)
        self.assertEqual(await maybe_await(self.repo(Account, self.on(other)).count()), 1)

    async def test_by_hand_inside_a_transaction(self) -> None:
        """X4: a connection that is taken by hand inside a transaction is another one, and sees nothing of it."""
        pool = self.pool()
        db = self.on(pool)
        async with self.transaction(db) as tx:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="mine")))
            async with self.connection(pool) as conn:
                self.assertIsNot(conn, tx.conn)
                self.assertEqual(await self.value(conn, "SELECT count(*) FROM account"), 0)
                with self.assertRaises(PoolTimeout):
                    await self.acquire(pool, timeout=0)
        await self.assert_whole(pool)

    async def test_what_is_kept_of_a_transaction(self) -> None:
        """X1 X4: after its end `tx` is refused, and the connection is the next one's."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        async with self.transaction(db) as tx:
            pass
        await self.assert_every_use_raises(tx, TransactionError, "ended")
        async with self.transaction(db) as other:
            await self.assert_every_use_raises(tx, TransactionError, "ended")
            await maybe_await(self.repo(Account, other).insert(Account(owner="kept")))
        self.assertEqual(self.owners(), ["kept"])

    async def test_run_in_transaction(self) -> None:
        """X9 X4: `run_in_transaction` takes a connection for each try, and none for the pause between."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        tries: list[Any] = []

        async def body(tx: Any) -> str:
            tries.append(tx.conn)
            await maybe_await(self.repo(Account, tx).insert(Account(owner="once")))
            if len(tries) < 3:
                raise mini_orm.LockTimeout("again")
            return "done"

        def blocking(tx: Any) -> Any:
            try:
                body(tx).send(None)
            except StopIteration as done:
                return done.value

        result = await maybe_await(db.run_in_transaction(body if self.is_async else blocking))
        self.assertEqual((result, len(tries), self.owners()), ("done", 3, ["once"]))
        async with self.transaction(db):
            with self.assertRaises(TransactionError):
                await maybe_await(db.run_in_transaction(body if self.is_async else blocking))
        await self.assert_whole(pool)

    async def test_nobody_ends_it(self) -> None:
        """X4 X1: a transaction that nobody ends, and that is dropped, is undone; nobody gets its connection dirty."""
        pool = self.pool()
        db = self.on(pool)

        async def careless() -> None:
            block = db.transaction()
            tx = await block.__aenter__() if self.is_async else block.__enter__()
            await maybe_await(self.repo(Account, tx).insert(Account(owner="lost")))

        await self.within(self.spawn(careless).join())
        await self.until(lambda: repr(pool) == "PoolConnector(0 of 2 in use)" and not self.connections.dirty)
        await self.assert_whole(pool)
        self.assertEqual(self.owners(), [])

    @needs("opens_in_autocommit")
    async def test_nobody_ends_it_in_autocommit(self) -> None:
        """X4 X2: the same on connections in autocommit: the next user finds their settings as they were."""
        pool = self.pool(max_size=1, **self.backend.in_autocommit())
        db = self.on(pool)

        async def careless() -> None:
            block = db.transaction()
            await block.__aenter__() if self.is_async else block.__enter__()

        shown = [self.backend.show(name) for name in self.backend.settings]
        async with self.connection(pool) as conn:
            mode, settings = self.backend.mode(conn), [await self.value(conn, sql) for sql in shown]
        await self.within(self.spawn(careless).join())
        await self.until(lambda: repr(pool) == "PoolConnector(0 of 1 in use)" and not self.connections.dirty)
        async with self.connection(pool) as conn:
            self.assertEqual(self.backend.mode(conn), mode)
            self.assertEqual([await self.value(conn, sql) for sql in shown], settings)

    @needs("uses_file")
    async def test_a_shared_memory_database(self) -> None:
        """P1 X3: connections to one memory database with a shared cache wait for each other's locks, as to a file."""
        begun: list[str] = []
        self.connections.prepare = lambda conn: self.backend.trace_opened(conn, begun.append)
        pool = self.pool(path=f"file:shared{id(self)}?mode=memory&cache=shared", uri=True)
        db = self.on(pool)
        await self.create_tables(Account, db=db)

        async def other() -> None:
            async with self.transaction(db) as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="other")))

        async with self.transaction(db) as tx:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="mine")))
            begun.clear()
            handle = self.spawn(other)
            await self.until(lambda: any(sql.startswith("BEGIN") for sql in begun))
            for _ in range(20):
                await maybe_await(self.repo(Account, tx).count())
                await asyncio.sleep(0.001)
        await self.within(handle.join())
        self.assertEqual(await maybe_await(self.repo(Account, db).count()), 2)
