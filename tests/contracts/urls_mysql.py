"""`connect(url)` of MySQL and MariaDB: X10 what a URL leads to on a real server, and what is never shown."""

from __future__ import annotations

import os
from typing import Any
from unittest import mock
from urllib.parse import quote

from mini_orm import ConfigurationError, DatabaseError, MiniOrmError, MySQLDialect, PoolTimeout
from tests import servers
from tests.backends import maybe_await
from tests.contracts.transactions import Account
from tests.contracts.urls import SECRET, UrlTools


class MySQLUrlContract(UrlTools):
    """X10: `mysql://` and `mariadb://`, on a real server."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        server = servers.mysql()
        if server is None:
            self.skipTest(servers.reason("mysql"))
        self.server: dict[str, Any] = server

    def url(self, package: str = "", *, scheme: str = "mysql", query: str = "", **changes: Any) -> str:
        """Write the server's URL."""
        server = {**self.server, **changes}
        login = f"{quote(server['user'], safe='')}:{quote(server['password'] or '', safe='')}"
        scheme = f"{scheme}+{package}" if package else scheme
        return f"{scheme}://{login}@{server['host']}:{server['port']}/{quote(server['database'], safe='')}{query}"

    @property
    def packages(self) -> list[str]:
        """The packages of this face."""
        return ["pymysql", "mysqlclient", "asyncmy"] if self.is_async else ["pymysql", "mysqlclient"]

    async def test_every_package(self) -> None:
        """X10: all packages reach the same database, and options of the URL reach all of them."""
        for package in self.packages:
            with self.subTest(package=package):
                session = quote("SET SESSION innodb_lock_wait_timeout = 7")
                db = await self.connect(self.url(package, query=f"?connect_timeout=9&init_command={session}"))
                row = await maybe_await(
                    db.fetchone(
                        "SELECT @@innodb_lock_wait_timeout AS waits, DATABASE() AS name, @@autocommit AS autocommit, "
                        "@@character_set_connection AS charset"
                    )
                )
                self.assertEqual(
                    row, {"waits": 7, "name": self.server["database"], "autocommit": 1, "charset": "utf8mb4"}
                )
                self.assertIsInstance(db.dialect, MySQLDialect)
                self.assertNotEqual(db.dialect, MySQLDialect())  # it knows its server
                self.assertEqual(db.pool.stats().opened, 1)
                await self.close(db)
                self.assertEqual(db.pool.stats().closed, 1)

    async def test_matched_rows(self) -> None:
        """X10 R3: an update counts the rows that it matched, also where nothing changes, and in raw SQL, too."""
        for package in self.packages:
            with self.subTest(package=package):
                db = await self.connect(self.url(package), pool_size=1)
                conn = await maybe_await(db.pool.acquire())
                async with self.transaction(self.backend.database(conn)) as tx:
                    await maybe_await(
                        tx.execute("CREATE TEMPORARY TABLE account (id INTEGER, owner TEXT, balance INTEGER)")
                    )
                    row = Account(7, package, 1)
                    repo = self.repo(Account, tx)
                    await maybe_await(repo.insert(row))
                    self.assertEqual(await maybe_await(repo.update(row)), 1)
                    changed = await maybe_await(tx.execute("UPDATE account SET balance = balance"))
                    self.assertEqual(changed.rowcount, 1)
                await maybe_await(db.pool.release(conn))
                await self.close(db)

    async def test_odd_sessions(self) -> None:
        """X2 R6 Q6: a COMMIT that would open a transaction, rows that would be cut off, a short GROUP_CONCAT."""
        session = "SET completion_type = 1, sql_select_limit = 1, group_concat_max_len = 4"
        for package in self.packages:
            with self.subTest(package=package):
                db = await self.connect(self.url(package), pool_size=1)
                conn = await maybe_await(db.pool.acquire())
                cursor = conn.cursor()
                await maybe_await(cursor.execute(session))
                await maybe_await(cursor.close())
                one = self.backend.database(conn)
                await maybe_await(one.execute("CREATE TEMPORARY TABLE account (id BIGINT, owner TEXT, balance BIGINT)"))
                repo = self.repo(Account, one)
                await maybe_await(repo.insert_many([Account(1, "a"), Account(2, "b")]))
                async with self.transaction(one) as tx:
                    await maybe_await(self.repo(Account, tx).insert(Account(3, "c")))
                await maybe_await(repo.insert(Account(4, "d")))
                await maybe_await(one.execute("ROLLBACK"))  # of nothing
                self.assertEqual([row.id for row in await maybe_await(repo.list(order_by="id"))], [1, 2, 3, 4])
                await maybe_await(db.pool.release(conn))
                await self.close(db)

    async def test_the_best_one(self) -> None:
        """X10: mysqlclient, on the async face asyncmy; what is not installed is passed over; both schemes."""
        best, second = ("asyncmy", "mysqlclient") if self.is_async else ("mysqlclient", "pymysql")
        module = {"mysqlclient": "MySQLdb"}.get(best, best)
        db = await self.connect(self.url())
        self.assertIn(best, db._source.driver.name)
        with mock.patch.dict("sys.modules", {module: None}):
            db = await self.connect(self.url(scheme="mariadb"))
        self.assertIn(second, db._source.driver.name)

    async def test_refused_by_the_server(self) -> None:
        """X10 Errors: no such user, no such database, nobody there: our errors, without the password."""
        for package in self.packages:
            for changes in (
                {"user": "no such user", "password": SECRET},
                {"database": "no such database"},
                {"host": "127.0.0.1", "port": 1, "password": SECRET},
            ):
                with self.subTest(package=package, changes=changes):
                    error = await self.refused(self.url(package, **changes), DatabaseError)
                    self.assertIsInstance(error, MiniOrmError)

    def own_user(self) -> str:
        """Make a user whose password is SECRET; return its name. It goes at the end of the test."""
        import pymysql  # type: ignore[import-untyped]  # it has no py.typed

        name = f"test_{os.getpid()}"

        def run(*statements: str) -> None:
            with pymysql.connect(**self.server, autocommit=True) as conn, conn.cursor() as cursor:
                for sql in statements:
                    cursor.execute(sql)

        run(
            f"DROP USER IF EXISTS {name}",
            f"CREATE USER {name} IDENTIFIED BY '{SECRET}'",
            f"GRANT ALL ON {self.server['database']}.* TO {name}",
        )
        self.addCleanup(run, f"DROP USER {name}")
        return name

    async def test_the_password_is_not_shown(self) -> None:
        """X10: not in the repr of the database, its pool, its statistics, nor in errors of its statements."""
        user = self.own_user()
        for package in self.packages:
            with self.subTest(package=package):
                db = await self.connect(self.url(package, user=user, password=SECRET))
                label = f"mysql://{self.server['host']}/{self.server['database']}"
                self.assertEqual(repr(db), f"{self.face.__name__}({label}, open)")
                with self.assertRaises(DatabaseError) as caught:
                    await maybe_await(db.execute("SELECT * FROM no_such_table"))
                self.assert_hidden(caught.exception)
                async with self.transaction(db):
                    for shown in (db, db.pool.stats()):
                        self.assertNotIn(SECRET, repr(shown))
                await self.close(db)
                self.assertNotIn(SECRET, repr(db))

    async def test_options(self) -> None:
        """X10: options that a package wants as numbers are made so; what is none, or is not known, is refused."""
        for package in self.packages:
            with self.subTest(package=package):
                await self.refused(self.url(package, query="?connect_timeout=soon"))
                error = await self.refused(self.url(package, query="?conect_timeout=9"))
                self.assertIn("connect_timeout", str(error))
                await self.refused(self.url(package, query="?charset=latin1"))

    async def test_another_character_set(self) -> None:
        """T9 X10: a session is never in one that takes a part of a value for SQL, whoever would set it."""
        for package in self.packages:
            with self.subTest(package=package):
                if package != "mysqlclient":  # which sets its own one after the command
                    error = await self.refused(self.url(package, query="?init_command=SET%20NAMES%20gbk"))
                    self.assertIn("gbk", str(error))
                db = await self.connect(self.url(package), pool_size=1)
                for sql in (
                    "SET NAMES gbk",
                    " set  names 'latin1'",
                    "SET CHARACTER SET latin1",
                    "SET @one = 1, character_set_client=gbk, character_set_results = utf8mb4",
                    "SET @@SESSION.collation_connection := gbk_chinese_ci",
                    "SET character_set_results = NULL",
                ):
                    with self.assertRaises(ConfigurationError, msg=sql):
                        await maybe_await(db.execute(sql))
                with self.assertRaises(ConfigurationError):
                    await maybe_await(db.execute("SET character_set_client = %s", ["gbk"]))
                for sql in ("SET NAMES 'utf8mb4' COLLATE utf8mb4_unicode_ci", "SET @names = 'SET'"):
                    await maybe_await(db.execute(sql))
                # In GBK the third byte of this letter would swallow the backslash before the quote.
                text = "\u7e17' OR '1' = '1"
                row = await maybe_await(db.fetchone("SELECT %s AS given, @@character_set_client AS name", [text]))
                self.assertEqual(row, {"given": text, "name": "utf8mb4"})
                await self.close(db)

    async def test_the_pool_is_used_up(self) -> None:
        """X10 P2: `pool_size` is the most that are open at once."""
        db = await self.connect(self.url(), pool_size=3)
        async with self.all_in_use(db, 3):
            self.assertEqual(db.pool.stats().in_use, 3)
            with self.assertRaises(PoolTimeout):
                await maybe_await(db.pool.acquire(timeout=0))
