"""Pools: P6 connections that a real server ends, one by one and all at once."""

from __future__ import annotations

import contextlib
import time
import unittest
from typing import Any
from urllib.parse import quote

import psycopg
import pymysql  # type: ignore[import-untyped]  # it has no py.typed

from mini_orm import ConnectionLost, DatabaseError, OperationalError
from tests import servers
from tests.backends import maybe_await
from tests.contracts.transactions import LIMIT, Account, quiet_log
from tests.contracts.urls import SECRET, UrlTools

#: Callers at once, on a pool of half as many.
MANY = 8


class ServerHealthContract(UrlTools):
    """P6: what the pool does when the server ends its connections."""

    server_name = "postgres"
    server: Any

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if servers.SERVERS[cls.server_name].from_environment() is None:
            # It starts one of its own, but only where such tests are wanted.
            raise unittest.SkipTest(servers.reason(cls.server_name))
        cls.server = cls.enterClassContext(cls.own_server())  # each test leaves it up

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.enterContext(quiet_log())

    @classmethod
    def own_server(cls) -> contextlib.AbstractContextManager[Any]:
        return servers.own_postgres()

    @property
    def packages(self) -> list[str]:
        """The packages of this face."""
        return ["asyncpg", "psycopg", "psycopg2"] if self.is_async else ["psycopg", "psycopg2"]

    def url(self, package: str, **changes: Any) -> str:
        """Write the server's URL."""
        params = {**self.server.params, **changes}
        login = f"{params['user']}:{quote(params['password'], safe='')}"
        database = params.get("dbname") or params["database"]
        scheme = {"postgres": "postgresql"}.get(self.server_name, self.server_name)
        return f"{scheme}+{package}://{login}@{params['host']}:{params['port']}/{database}"

    def end_sessions(self) -> int:
        """Have the server end all sessions but the one that asks, and wait for that; return how many they were."""
        with psycopg.connect(**self.server.params, autocommit=True) as conn:
            ended = conn.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchall()
        self.assertTrue(all(done for (done,) in ended))
        return len(ended)

    async def database(self, package: str, **options: Any) -> Any:
        """Open a database with a pool whose connections are all open, and the table of `Account`, empty."""
        db = await self.connect(self.url(package), pool_size=MANY // 2, **options)
        await self.create_tables(Account, db=db, if_not_exists=True)
        await maybe_await(self.repo(Account, db).delete_where(allow_all=True))
        async with self.all_in_use(db, MANY // 2):
            pass
        self.assertEqual(db.pool.stats().idle, MANY // 2)
        return db

    async def all_insert(self, db: Any) -> list[Any]:
        """Have many callers insert at once; return what became of them, `None` for each that did."""

        async def insert(number: int) -> None:
            await maybe_await(self.repo(Account, db).insert(Account(owner=str(number))))

        return await self.together([lambda number=number: insert(number) for number in range(MANY)])  # type: ignore[misc]

    async def assert_healed(self, db: Any, rows: int) -> None:
        """Check that everybody is served again, and no place is lost."""
        self.assertEqual(await maybe_await(self.repo(Account, db).count()), rows)
        async with self.all_in_use(db, MANY // 2):
            pass
        stats = db.pool.stats()
        self.assertEqual((stats.in_use, stats.waiters, stats.opened - stats.closed), (0, 0, MANY // 2))

    async def test_sessions_that_end_while_they_are_idle(self) -> None:
        """P6: with `pre_ping` nobody notices; without, one caller does, and after it nobody."""
        for package in self.packages:
            for pre_ping in (True, False):
                with self.subTest(package=package, pre_ping=pre_ping):
                    db = await self.database(package, pre_ping=pre_ping)
                    self.assertEqual(self.end_sessions(), MANY // 2)
                    if not pre_ping:
                        with self.assertRaises(ConnectionLost):
                            await maybe_await(self.repo(Account, db).count())
                    self.assertEqual(await self.all_insert(db), [None] * MANY)
                    await self.assert_healed(db, MANY)
                    await self.close(db)

    async def test_a_session_that_ends_in_a_transaction(self) -> None:
        """P6 X1: the transaction is lost with its rows, its place is free, and the pool as good as new."""
        for package in self.packages:
            with self.subTest(package=package):
                db = await self.database(package)
                with self.assertRaises(ConnectionLost):
                    async with self.transaction(db) as tx:
                        await maybe_await(self.repo(Account, tx).insert(Account(owner="lost")))
                        self.end_sessions()
                        await maybe_await(self.repo(Account, tx).insert(Account(owner="later")))
                self.assertEqual(db.pool.stats().lost, 1)
                self.assertEqual(await self.all_insert(db), [None] * MANY)
                await self.assert_healed(db, MANY)
                await self.close(db)

    async def test_the_server_is_started_again(self) -> None:
        """P6: while it is down each call is an error that says so; when it is up again one caller may get one more."""
        for package in self.packages:
            with self.subTest(package=package):
                db = await self.database(package)
                self.server.kill()
                for _ in range(MANY):
                    with self.assertRaises(OperationalError):
                        await maybe_await(self.repo(Account, db).count())
                self.server.start()
                self.assertEqual(await self.all_insert(db), [None] * MANY)
                await self.assert_healed(db, MANY)
                await self.close(db)

    async def test_the_server_is_started_again_unseen(self) -> None:
        """P6: where nobody called meanwhile, the first callers get a ConnectionLost, and nobody after them."""
        for package in self.packages:
            with self.subTest(package=package):
                db = await self.database(package)
                self.server.kill()
                self.server.start()
                first = await self.all_insert(db)
                lost = [one for one in first if one is not None]
                self.assertTrue(all(isinstance(one, ConnectionLost) for one in lost), lost)
                self.assertTrue(1 <= len(lost) <= MANY // 2, lost)
                await self.assert_healed(db, MANY - len(lost))
                await self.close(db)

    async def test_a_wrong_password(self) -> None:
        """X10 Errors: an error of ours, which does not show it."""
        for package in self.packages:
            with self.subTest(package=package):
                error = await self.refused(self.url(package, password=SECRET), DatabaseError)
                self.assertIn("password", str(error))


class MySQLHealthContract(ServerHealthContract):
    """P6: the same of MariaDB or MySQL."""

    server_name = "mysql"

    @classmethod
    def own_server(cls) -> contextlib.AbstractContextManager[Any]:
        return servers.own_mysql()

    @property
    def packages(self) -> list[str]:
        return ["asyncmy", "pymysql", "mysqlclient"] if self.is_async else ["pymysql", "mysqlclient"]

    def end_sessions(self) -> int:
        with pymysql.connect(**self.server.params) as conn, conn.cursor() as cursor:
            others = "SELECT id FROM information_schema.processlist WHERE user = 'root' AND id <> CONNECTION_ID()"
            cursor.execute(others)
            numbers = [number for (number,) in cursor.fetchall()]
            for number in numbers:
                cursor.execute(f"KILL {number}")
            deadline = time.monotonic() + LIMIT
            while cursor.execute(others) and time.monotonic() < deadline:
                time.sleep(0.001)
            self.assertEqual(cursor.fetchall(), ())
        return len(numbers)
