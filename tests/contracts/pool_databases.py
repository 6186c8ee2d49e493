"""Pools: X5 what a database over a pool tells of itself, and what it closes."""

from __future__ import annotations

from typing import Any

import mini_orm
from mini_orm import (
    AsyncDatabase,
    ClosedError,
    ConfigurationError,
    Database,
    PoolConnector,
    SQLiteDialect,
    TransactionError,
)
from tests.backends import maybe_await
from tests.contracts.pool_tools import PoolTools
from tests.contracts.transactions import Account


class PoolDatabaseContract(PoolTools):
    """X5: what a database over a pool tells of itself, and what it closes."""

    async def test_conn(self) -> None:
        """X5: `db.conn` is the open transaction's connection, else `None`; `None` after close."""
        pool = self.pool()
        db = self.on(pool)
        self.assertIsNone(db.conn)
        await maybe_await(db.fetchone("SELECT 1"))
        self.assertIsNone(db.conn)
        async with self.transaction(db) as tx:
            self.assertIs(db.conn, tx.conn)
            self.assertTrue(self.backend.in_transaction(tx.conn))
            self.assertIs(self.raw_of(tx.conn), self.connections.opened[0])
        self.assertIsNone(db.conn)
        await self.close(db)
        self.assertIsNone(db.conn)

    async def test_dialect(self) -> None:
        """X5: the dialect is the driver's; another may be given, and a wrong one is refused."""
        pool = self.pool()
        own = type(self.db.dialect)
        self.assertIsInstance(self.on(pool).dialect, own)
        dialect = own()
        self.assertIs(self.backend.database(pool, dialect).dialect, dialect)
        other = mini_orm.PostgresDialect() if own is mini_orm.MySQLDialect else mini_orm.MySQLDialect()
        for wrong in (other, dialect.name, own):
            with self.subTest(wrong=wrong), self.assertRaises(ConfigurationError):
                await maybe_await(self.backend.database(pool, wrong).fetchone("SELECT 1"))

    async def test_joined(self) -> None:
        """X5 X2: `joined` is for a connection that is given; with a pool it is a ConfigurationError."""
        for joined in (True, False):
            with self.assertRaisesRegex(ConfigurationError, "joined"):
                self.backend.database(self.pool(), SQLiteDialect(), joined=joined)

    async def test_close_lets_go(self) -> None:
        """X5: `close()` closes the database and leaves the pool to others; twice is fine."""
        pool = self.pool()
        db, other = self.on(pool), self.on(pool)
        await maybe_await(self.repo(Account, db).insert(Account(owner="there")))
        for _ in range(3):
            await self.close(db)
        await self.assert_every_use_raises(db, ClosedError, "connection is closed")
        self.assertEqual(await maybe_await(self.repo(Account, other).count()), 1)
        self.assertEqual(len(self.connections.closed), 0)
        await self.assert_whole(pool)

    async def test_close_pool(self) -> None:
        """X5: `close_pool=True` closes the pool as well, also where the database is closed already; twice is fine."""
        for is_closed in (False, True):
            pool = self.pool()
            db = self.on(pool)
            await maybe_await(db.fetchone("SELECT 1"))
            if is_closed:
                await self.close(db)
            for _ in range(2):
                await maybe_await(db.aclose(close_pool=True) if self.is_async else db.close(close_pool=True))
            await self.assert_every_use_raises(db, ClosedError, "closed")
            with self.assertRaises(ClosedError):
                await self.acquire(pool)
            self.assertEqual(self.connections.open, 0)
            await self.shut(pool)

    async def test_plain_close_of_the_async_face(self) -> None:
        """X5: `close(close_pool=True)` is plain where the driver blocks; else a RuntimeError that names `aclose`."""
        pool = self.pool()
        db = self.on(pool)
        await maybe_await(db.fetchone("SELECT 1"))
        if self.backend.supports_awaited_pools:
            with self.assertRaisesRegex(RuntimeError, "aclose"):
                db.close(close_pool=True)
            await maybe_await(db.fetchone("SELECT 1"))
        else:
            self.assertIsNone(db.close(close_pool=True))
            self.assertEqual(self.connections.open, 0)

    async def test_context_manager(self) -> None:
        """X5: a database is a context manager that closes itself, and leaves the pool."""
        pool = self.pool()
        for error in (None, ZeroDivisionError("mine")):
            db = self.on(pool)
            try:
                if self.is_async:
                    async with db as entered:
                        await self.use(db, entered, error)
                else:
                    with db as entered:
                        await self.use(db, entered, error)
            except ZeroDivisionError as caught:
                self.assertIs(caught, error)
            with self.assertRaises(ClosedError):
                await maybe_await(db.fetchone("SELECT 1"))
        await self.assert_whole(pool)

    async def use(self, db: Any, entered: Any, error: Exception | None) -> None:
        self.assertIs(entered, db)
        await maybe_await(db.fetchone("SELECT 1"))
        if error is not None:
            raise error

    async def test_inside_its_own_transaction(self) -> None:
        """X5: `close()` inside the own transaction is a TransactionError and closes nothing."""
        pool = self.pool()
        db = self.on(pool)
        async with self.transaction(db) as tx:
            for closing in (db, tx):
                for options in ({}, {"close_pool": True}):
                    with self.assertRaises(TransactionError):
                        await maybe_await(closing.aclose(**options) if self.is_async else closing.close(**options))
            await maybe_await(self.repo(Account, tx).insert(Account(owner="kept")))
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_whole(pool)

    async def test_closed_while_others_work(self) -> None:
        """X5: a database that is closed while another caller is in a transaction of it lets that come to its end."""
        pool = self.pool()
        db = self.on(pool)
        inside, go_on = self.gate(), self.gate()

        async def other() -> None:
            async with self.transaction(db) as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="first")))
                inside.set()
                await go_on.wait()
                await maybe_await(self.repo(Account, tx).insert(Account(owner="second")))

        handle = self.spawn(other)
        await inside.wait()
        await maybe_await(db.aclose(close_pool=True) if self.is_async else db.close(close_pool=True))
        go_on.set()
        await self.within(handle.join())
        self.assertEqual(self.owners(), ["first", "second"])
        await self.until(lambda: self.connections.open == 0)

    async def test_one_face(self) -> None:
        """X4 X6: a pool serves one face; and connections that are awaited never serve the sync one."""
        pool = self.pool()
        self.on(pool)
        wrong = Database if self.is_async else AsyncDatabase
        with self.assertRaises(ConfigurationError) as caught:
            wrong(pool, SQLiteDialect())
        self.assertIn("AsyncDatabase" if self.backend.supports_awaited_pools else "face", str(caught.exception))
        self.assertIsNotNone(await maybe_await(self.on(pool).fetchone("SELECT 1")))
        if self.backend.supports_awaited_pools:
            with self.assertRaisesRegex(ConfigurationError, "AsyncDatabase"):
                Database(self.pool(), SQLiteDialect())

    async def test_a_function_of_the_users_own(self) -> None:
        """P2 P5 X6: `connect` may be any function, plain or `async`; the dialect is asked for where nothing tells."""
        opened: list[int] = []

        def connect(**options: Any) -> Any:
            opened.append(1)
            return self.backend.connector(**options)

        async def connect_async(**options: Any) -> Any:
            opened.append(1)
            return await self.backend.connector(**options)

        class Opener:
            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                return connect(*args, **kwargs)

        options = self.backend.arguments({})
        if self.backend.supports_thread_check:
            options["check_same_thread"] = False
        dialect = type(self.db.dialect)
        ways: list[Any] = [connect, Opener(), *([connect_async] if self.backend.supports_awaited_pools else [])]
        for way in ways:
            opened.clear()
            pool = self.watched(PoolConnector(way, max_size=2, **options))
            if way is connect_async or not self.backend.connects_at_once:
                with self.assertRaisesRegex(ConfigurationError, "Dialect"):
                    self.backend.database(pool)
                db = self.backend.database(pool, dialect())
            else:
                db = self.backend.database(pool)
            self.assertIsInstance(db.dialect, dialect)
            self.assertIsNotNone(
                await maybe_await(self.repo(Account, db).insert(Account(owner=str(len(self.owners())))))
            )
            await self.assert_whole(pool)
            self.assertEqual(len(opened), 2)
            # Known by now, from the connections.
            self.assertIsInstance(self.backend.database(pool).dialect, dialect)
            await self.shut(pool)

    async def test_what_is_no_connection(self) -> None:
        """P2: a `connect` that gives something else is a ConfigurationError, and its place is free."""

        async def nothing() -> Any:
            return object()

        for wrong in (lambda: object(), lambda: None, *([nothing] if self.is_async else [])):
            pool = self.watched(PoolConnector(wrong))
            for _ in range(2):
                with self.assertRaises(ConfigurationError):
                    await maybe_await(self.backend.database(pool, SQLiteDialect()).fetchone("SELECT 1"))
                with self.assertRaises(ConfigurationError):
                    await maybe_await(pool.acquire(0))
            self.assertIn("0 of 5", repr(pool))
