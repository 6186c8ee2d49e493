"""Pools: P1 what is refused when one is made, P2 how connections are opened."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import sys
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mini_orm
from mini_orm import OperationalError, PoolConnector, PoolError, PoolTimeout
from tests.backends import maybe_await, needs
from tests.contracts.pool_tools import PoolTools
from tests.contracts.transactions import Account, Tools

#: Keyword arguments of sqlite3.connect that open a database which no other connection sees.
PRIVATE: tuple[dict[str, Any], ...] = (
    {"database": ":memory:"},
    {"database": ""},
    {"database": b":memory:"},
    {"database": b""},
    {"database": Path(":memory:")},
    {"database": ":memory:", "uri": True},
    {"database": "", "uri": True},
    {"database": "file::memory:", "uri": True},
    {"database": "file:%3Amemory%3A", "uri": True},
    {"database": "file:", "uri": True},
    {"database": "file:?cache=private", "uri": True},
    {"database": "file::memory:?cache=private", "uri": 1},
    {"database": "file:pool?mode=memory", "uri": True},
    {"database": b"file:pool?mode=memory", "uri": True},
    {"database": "file:pool?mode=memory&cache=private", "uri": True},
    {"database": "file:pool?cache=private&mode=memory#cache=shared", "uri": True},
)
#: The same for databases that several connections share; the names are never opened here.
SHARED: tuple[dict[str, Any], ...] = (
    {"database": "pool.sqlite3"},
    {"database": Path("pool.sqlite3")},
    {"database": b"pool.sqlite3"},
    {"database": "file:pool.sqlite3", "uri": True},
    {"database": "file:pool?mode=rwc", "uri": True},
    {"database": "file::memory:?cache=shared", "uri": True},
    {"database": "file:pool?mode=memory&cache=shared", "uri": True},
    {"database": "file:pool?cache=shared&mode=memory", "uri": True},
    {"database": "file:pool?mode=memory"},  # without uri=True that is the name of a file
)


class PoolArgumentsContract(Tools):
    """P1: what can't work is refused when the pool is made, however the arguments are given."""

    requires = ("supports_own_connect",)

    def ways(self, arguments: dict[str, Any]) -> Iterator[tuple[str, Callable[..., PoolConnector]]]:
        """Yield ways to make a pool with these arguments of `connect`: a name, and a function of its options."""
        connect = self.backend.connector
        database, rest = arguments["database"], {k: v for k, v in arguments.items() if k != "database"}
        yield "keywords", lambda **options: PoolConnector(connect, **arguments, **options)
        yield "positional", lambda **options: PoolConnector(connect, database, **rest, **options)
        whole = functools.partial(connect, database, **rest)
        yield "partial", lambda **options: PoolConnector(whole, **options)
        by_name = functools.partial(connect, **arguments)
        yield "partial of keywords", lambda **options: PoolConnector(by_name, **options)
        nested = functools.partial(functools.partial(functools.partial(connect), database), **rest)
        yield "nested partial", lambda **options: PoolConnector(nested, **options)
        other = functools.partial(connect, **{**arguments, "database": "another", "uri": False})
        yield "overridden partial", lambda **options: PoolConnector(other, **{"uri": False, **arguments, **options})

    def fit(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Add what lets the connections go from thread to thread."""
        return {**arguments, "check_same_thread": False} if self.backend.supports_thread_check else arguments

    @needs("uses_file")
    async def test_private_memory(self) -> None:
        """P1: a private memory database is refused for more than one connection, in every spelling; one is fine."""
        for arguments in PRIVATE:
            for way, make in self.ways(self.fit(arguments)):
                with self.subTest(arguments=arguments, way=way):
                    with self.assertRaisesRegex(ValueError, "memory"):
                        make()
                    with self.assertRaisesRegex(ValueError, "memory"):
                        make(max_size=2)
                    self.assertEqual(make(max_size=1).max_size, 1)

    @needs("uses_file")
    async def test_shared_databases(self) -> None:
        """P1: files, and memory databases with a shared cache, are taken; nothing is opened yet."""
        for arguments in SHARED:
            for way, make in self.ways(self.fit(arguments)):
                with self.subTest(arguments=arguments, way=way):
                    self.assertEqual(make().max_size, 5)
        self.assertEqual([path for path in self.backend.directory.iterdir() if "pool" in path.name], [])
        self.assertFalse(Path("pool.sqlite3").exists())

    @needs("supports_isolation_level")
    async def test_thread_check(self) -> None:
        """P1: sqlite3 connections that one thread only may use are refused for more than one, unless told otherwise."""
        for extra in ({}, {"check_same_thread": True}, {"check_same_thread": 1}):
            for way, make in self.ways({"database": str(self.backend.path), **extra}):
                with self.subTest(extra=extra, way=way):
                    self.assertEqual(make(max_size=1).max_size, 1)
                    self.assertEqual(make(max_size=2, enforce_sqlite_thread_check=False).max_size, 2)
                    if self.backend.supports_thread_check:
                        with self.assertRaisesRegex(ValueError, "check_same_thread=False"):
                            make(max_size=2)
                    else:
                        self.assertEqual(make(max_size=2).max_size, 2)
        with self.assertRaisesRegex(ValueError, "memory"):
            PoolConnector(self.backend.connector, ":memory:", enforce_sqlite_thread_check=False)

    async def test_sizes(self) -> None:
        """P1: the size is an int of at least 1, and no bool."""
        for wrong in (0, -1, True, False, 1.0, 2.5, "2", None):
            for way, make in self.ways(self.fit({"database": self.backend.path})):
                with self.subTest(size=wrong, way=way), self.assertRaisesRegex(ValueError, "max_size"):
                    make(max_size=wrong)
        for size in (1, 2, 1000):
            self.assertEqual(self.backend.pool(max_size=size).max_size, size)
        with self.assertRaises(AttributeError):
            self.backend.pool().max_size = 7  # type: ignore[misc]  # the mistake under test

    async def test_guards(self) -> None:
        """P1: the guard is one of four words; the error names them."""
        for wrong in ("Rollback", "", "rollbck", None, 1, True, ["rollback"]):
            with self.subTest(guard=wrong), self.assertRaises(ValueError) as caught:
                self.backend.pool(transaction_guard=wrong)
            for word in ("rollback", "raise", "ignore", "discard"):
                self.assertIn(repr(word), str(caught.exception))
        for right in ("rollback", "raise", "ignore", "discard"):
            self.assertEqual(self.backend.pool(transaction_guard=right).max_size, 5)

    async def test_what_can_not_be_called(self) -> None:
        """P1: `connect` and the hook are functions: TypeError."""
        for wrong in (None, "sqlite3", self.db, self.db.conn if self.backend.supports_thread_check else 5):
            if not callable(wrong):
                with self.subTest(connect=type(wrong).__name__), self.assertRaises(TypeError):
                    PoolConnector(wrong, self.backend.path)  # type: ignore[arg-type]  # the mistake under test
        with self.assertRaises(TypeError):
            self.backend.pool(session_reset_hook="RESET ALL")


class PoolThreadCheckContract(Tools):
    """P1 where the driver binds a connection to a thread: the arguments that say otherwise."""

    requires = ("supports_thread_check",)

    async def test_the_default_timeout_and_uri_by_position(self) -> None:
        """P1: the arguments of sqlite3.connect are known by their places, too."""
        path = str(self.backend.path)
        by_place = (5.0, 0, None, False, sqlite3.Connection, 128, True)
        self.assertEqual(PoolConnector(sqlite3.connect, path, *by_place).max_size, 5)
        with self.assertRaisesRegex(ValueError, "memory"):
            PoolConnector(sqlite3.connect, "file::memory:", *by_place)
        with self.assertRaisesRegex(ValueError, "check_same_thread"):
            PoolConnector(sqlite3.connect, path, 5.0, 0, None, True)
        with self.assertRaisesRegex(ValueError, "check_same_thread"):
            PoolConnector(functools.partial(sqlite3.connect, path, 5.0, 0), None, True)

    async def test_a_class_that_connects(self) -> None:
        """P1: a connection's class is a driver's own way to connect, too."""
        for cls in (sqlite3.Connection, type("Own", (sqlite3.Connection,), {})):
            with self.assertRaisesRegex(ValueError, "memory"):
                PoolConnector(cls, ":memory:", check_same_thread=False)
            with self.assertRaisesRegex(ValueError, "check_same_thread"):
                PoolConnector(cls, self.backend.path)
            self.assertEqual(PoolConnector(cls, self.backend.path, check_same_thread=False).max_size, 5)


class PoolOpeningContract(PoolTools):
    """P2: connections are opened when they are needed, up to `max_size`, and used again."""

    async def test_an_open_connection_is_no_function(self) -> None:
        """P1 P2: a connection in place of `connect`, and a `connect` that returns the same one again, are refused."""
        conn = await self.backend.connect()
        self.addAsyncCleanup(self.close_again, conn)
        with self.assertRaises(TypeError):
            PoolConnector(conn)
        if self.backend.supports_awaited_pools:
            return
        pool = self.watched(PoolConnector(lambda: conn, max_size=2))
        first = await self.acquire(pool)
        with self.assertRaises(mini_orm.ConfigurationError):
            await self.acquire(pool)
        await self.release(pool, first)

    async def close_again(self, conn: Any) -> None:
        """Close a connection, which may be closed already."""
        with contextlib.suppress(self.backend.driver_error(sqlite3.Error)):
            await self.on_driver(conn, "close")

    async def test_lazily(self) -> None:
        """P2: nothing is opened before it is needed; what is idle is used before another one is opened."""
        pool = self.pool(max_size=3)
        self.assertEqual(self.connections.opened, [])
        if self.backend.supports_own_connect:
            self.on(pool)
            self.assertEqual(self.connections.opened, [])
        for _ in range(3):
            await self.release(pool, await self.acquire(pool))
        self.assertEqual(len(self.connections.opened), 1)
        first, second = await self.acquire(pool), await self.acquire(pool)
        self.assertIsNot(first, second)
        self.assertEqual(len(self.connections.opened), 2)
        await self.release(pool, first)
        self.assertIs(await self.acquire(pool), first)
        await self.release(pool, first)
        await self.release(pool, second)
        db = self.on(pool)
        for number in range(5):
            await maybe_await(self.repo(Account, db).insert(Account(owner=str(number))))
        self.assertEqual(len(self.connections.opened), 2)
        await self.assert_whole(pool)
        self.assertEqual((len(self.connections.opened), self.connections.open), (3, 3))
        await self.assert_shut(pool)

    async def test_blocks_give_back(self) -> None:
        """P2: `connection()` gives its connection back at the end of the block, after an error too, which goes on."""
        pool = self.pool(max_size=1)
        for _ in range(2):
            async with self.connection(pool) as conn:
                self.assertEqual(await self.value(conn, "SELECT 7"), 7)
                with self.assertRaises(PoolTimeout):
                    await self.acquire(pool, timeout=0)
            error = ZeroDivisionError("mine")
            with self.assertRaises(ZeroDivisionError) as caught:
                async with self.connection(pool):
                    raise error
            self.assertIs(caught.exception, error)
        with self.assertRaises(PoolTimeout):
            async with self.connection(pool), self.connection(pool, timeout=0):
                self.fail("the block was entered")
        await self.assert_whole(pool)
        self.assertEqual(len(self.connections.opened), 1)

    async def test_a_block_that_is_entered_twice(self) -> None:
        """P2: a block that is entered inside of itself is refused, and loses no place."""
        pool = self.pool()
        block = pool.connection()
        with self.assertRaises(PoolError):
            if self.backend.supports_awaited_pools:
                async with block, block:
                    self.fail("the block was entered")
            else:
                with block, block:
                    self.fail("the block was entered")
        await self.assert_whole(pool)

    async def test_the_wrong_kind_of_block(self) -> None:
        """P2: `with` where connections are awaited, and `async with` where they are not, say which one to write."""
        for pool in (self.pool(), self.pool().connection()):
            with self.assertRaises(mini_orm.ConfigurationError) as caught:
                if self.backend.supports_awaited_pools:
                    with pool:
                        self.fail("the block was entered")
                else:
                    async with pool:
                        self.fail("the block was entered")
            self.assertIn(
                "write async with" if self.backend.supports_awaited_pools else "write with", str(caught.exception)
            )

    async def test_a_failed_connect(self) -> None:
        """P2: what can't be opened is our error and the driver's, from every way in, and leaves its place free."""
        pool = self.pool()
        db = self.on(pool)

        async def block() -> None:
            async with self.transaction(db):
                self.fail("the block was entered")

        async def by_hand() -> None:
            async with self.connection(pool):
                self.fail("the block was entered")

        ways: list[Callable[[], Any]] = [
            lambda: self.acquire(pool),
            by_hand,
            lambda: db.fetchone("SELECT 1"),
            lambda: self.repo(Account, db).insert(Account(owner="lost")),
            block,
        ]
        for _ in range(3):  # more often than there are places
            for way in ways:
                self.connections.refused = 1
                with self.assertRaises(OperationalError) as caught:
                    await maybe_await(way())
                drivers_own = (self.backend.driver_error(sqlite3.OperationalError), OSError)
                self.assertIsInstance(caught.exception, drivers_own)
                self.assertIsInstance(caught.exception.__cause__, drivers_own)
        self.assertEqual((self.owners(), self.connections.opened), ([], []))
        await self.assert_whole(pool)

    async def test_a_failed_connect_of_the_users_own(self) -> None:
        """P2: the same where `connect` is a function of the user's, whose driver nobody knows yet."""

        def connect() -> Any:
            return self.backend.connector(**self.backend.nowhere())

        pool = self.watched(PoolConnector(connect))
        dialect = type(self.db.dialect)()
        for way in (lambda: pool.acquire(), lambda: self.backend.database(pool, dialect).fetchone("")):
            with self.assertRaises(OperationalError) as caught:
                await maybe_await(way())
            drivers_own = (self.backend.driver_error(sqlite3.OperationalError), OSError)
            self.assertIsInstance(caught.exception, drivers_own)

    async def test_who_waits_after_a_failed_connect(self) -> None:
        """P2: the place of a connection that could not be opened goes to who waits."""
        pool = self.pool(max_size=1)
        conn = await self.acquire(pool)
        await maybe_await(conn.close())
        self.connections.refused = 1

        async def caller() -> None:
            async with self.connection(pool) as mine:
                self.assertEqual(await self.value(mine, "SELECT 1"), 1)

        handles = []
        for number in range(2):
            handles.append(self.call(caller))
            await self.queue_of(pool, number + 1)
        await self.release(pool, conn)
        with self.assertRaises(OperationalError):
            await self.within(handles[0].join())
        await self.within(handles[1].join())
        await self.assert_whole(pool)

    @needs("supports_isolation_level")
    async def test_a_connection_that_is_refused_is_closed(self) -> None:
        """P2: a connection that mini_orm can't work with is closed again, and its place is free."""
        sqlite3.register_converter("BOOLEAN", bytes)
        self.addCleanup(sqlite3.converters.pop, "BOOLEAN", None)
        pool = self.pool(detect_types=sqlite3.PARSE_DECLTYPES)
        for _ in range(3):
            with self.assertRaises(mini_orm.ConfigurationError):
                await self.acquire(pool)
        self.assertEqual((len(self.connections.opened), self.connections.open), (3, 0))

    @needs("supports_isolation_level")
    @unittest.skipIf(sys.version_info < (3, 12), "sqlite3 has the autocommit attribute since Python 3.12")
    async def test_a_mode_that_is_refused(self) -> None:
        """P2 X2: the same for `autocommit=False` (3.12+)."""
        pool = self.pool(autocommit=False)
        for _ in range(3):
            with self.assertRaisesRegex(mini_orm.ConfigurationError, "autocommit"):
                await self.acquire(pool)
        await self.until(lambda: self.connections.open == 0)
        self.assertEqual(len(self.connections.opened), 3)

    @needs("uses_file")
    async def test_one_connection_in_memory(self) -> None:
        """P1 P2: a pool of one may have a private memory database, which all its users see."""
        pool = self.pool(max_size=1, path=":memory:")
        db = self.on(pool)
        await self.create_tables(Account, db=db)
        results = await self.within(
            self.together([functools.partial(self.insert_account, db, f"{number}") for number in range(4)])
        )
        self.assertEqual(results, [None] * 4)
        self.assertEqual(await maybe_await(self.repo(Account, db).count()), 4)
        self.assertEqual(len(self.connections.opened), 1)

    async def insert_account(self, db: Any, owner: str) -> None:
        await maybe_await(self.repo(Account, db).insert(Account(owner=owner)))
