"""`connect(url)`: X10 what a URL leads to, who closes what, and what is never shown."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import traceback
from collections.abc import AsyncIterator
from typing import Any
from unittest import mock
from urllib.parse import quote

import mini_orm
from mini_orm import (
    ClosedError,
    ConfigurationError,
    DatabaseError,
    MiniOrmError,
    MissingDependencyError,
    OperationalError,
    PoolConnector,
    PoolTimeout,
    SQLiteDialect,
    TransactionError,
)
from tests import servers
from tests.backends import maybe_await
from tests.contracts.transactions import Account, Tools

SECRET = "s3cret word"


class UrlTools(Tools):
    """Ways to connect by a URL, and to look for the password everywhere."""

    @property
    def face(self) -> Any:
        """The class whose `connect` is called."""
        return mini_orm.AsyncDatabase if self.is_async else mini_orm.Database

    async def connect(self, url: str, **options: Any) -> Any:
        """Open a database by its URL, closed at the end of the test."""
        db = await maybe_await(self.face.connect(url, **options))
        self.addAsyncCleanup(self.close, db)
        return db

    @contextlib.asynccontextmanager
    async def all_in_use(self, db: Any, many: int) -> AsyncIterator[None]:
        """Have so many transactions open at once, and check that there could not be one more."""
        async with contextlib.AsyncExitStack() as stack:
            gates = [(self.gate(), self.gate()) for _ in range(many)]

            async def hold(inside: Any, go_on: Any) -> None:
                async with self.transaction(db, read_only=True):
                    inside.set()
                    await go_on.wait()

            handles = [self.spawn(hold, *pair) for pair in gates]
            for handle, (_, go_on) in zip(handles, gates, strict=True):
                stack.push_async_callback(handle.join)
                stack.callback(go_on.set)
            for inside, _ in gates:
                await inside.wait()
            yield

    async def refused(self, url: str, error: type[BaseException] = ConfigurationError, **options: Any) -> Any:
        """Check that a URL is refused, and the password shown nowhere; return the error."""
        with self.assertRaises(error) as caught:
            await maybe_await(self.face.connect(url, **options))
        self.assert_hidden(caught.exception)
        return caught.exception

    def assert_hidden(self, error: BaseException) -> None:
        """Check that no error of the chain shows the password, or the half of it."""
        text = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
        for part in (SECRET, quote(SECRET), SECRET.partition(" ")[0]):
            self.assertNotIn(part, text)


class SqliteUrlContract(UrlTools):
    """X10: `sqlite://`."""

    async def test_files(self) -> None:
        """X10: three slashes and a relative path, four and an absolute one; names are percent-decoded."""
        names = ["plain.db", "with space.db", "a@b:c.db", "100%.db", "what?.db", "#1.db", "ünïcode.db"]
        self.enterContext(contextlib.chdir(self.backend.directory))
        for name in names:
            for path in (name, f"{self.backend.directory}/{name}"):
                with self.subTest(path=path):
                    db = await self.connect(f"sqlite:///{quote(path)}")
                    await self.create_tables(Account, db=db, if_not_exists=True)
                    self.assertTrue((self.backend.directory / name).exists())
                    self.assertIsInstance(db.dialect, SQLiteDialect)
        self.assertEqual(len(list(self.backend.directory.glob("*.db"))), len(names))

    async def test_memory(self) -> None:
        """X10: memory is one connection that stays, whatever the pool's options say, for all threads and tasks."""
        for url in ("sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///x?mode=memory"):
            with self.subTest(url=url):
                db = await self.connect(url, pool_size=7, max_idle=0.001, transaction_guard="discard")
                await self.create_tables(Account, db=db)
                with contextlib.suppress(ZeroDivisionError):
                    async with self.transaction(db):
                        raise ZeroDivisionError

                async def insert(number: int, db: Any = db) -> None:
                    await maybe_await(self.repo(Account, db).insert(Account(owner=str(number))))

                for handle in [self.spawn(insert, number) for number in range(8)]:
                    await handle.join()
                self.assertEqual(await maybe_await(self.repo(Account, db).count()), 8)
                other = await self.connect(url)
                self.assertIsNone(await maybe_await(other.fetchone("SELECT 1 FROM sqlite_schema")))

    async def test_shared_memory(self) -> None:
        """X10: memory with a shared cache is a database of several connections."""
        url = "sqlite:///mini_orm_test?mode=memory&cache=shared"
        db = await self.connect(url)
        await self.create_tables(Account, db=db)
        other = await self.connect(url)
        self.assertEqual(await maybe_await(self.repo(Account, other).count()), 0)

    async def test_pool_size(self) -> None:
        """X10: five connections unless `pool_size` says otherwise."""
        url = f"sqlite:///{self.backend.path}"
        for size, options in ((5, {}), (2, {"pool_size": 2})):
            db = await self.connect(url, **options)
            async with self.all_in_use(db, size):
                self.assertEqual(db.pool.stats().in_use, size)
                self.assertEqual(db.pool.stats().size, size)
        for bad in (0, -1, True, "5", None):
            with self.subTest(bad=bad):
                await self.refused(url, ValueError, pool_size=bad)
        error = await self.refused(url, max_size=3)
        self.assertIn("pool_size", str(error))

    async def test_options(self) -> None:
        """X10: options of a pool are the pool's, the others the driver's, and come before the URL's."""
        url = f"sqlite:///{self.backend.path}?timeout=0.125"
        db = await self.connect(url, transaction_guard="discard", pre_ping=True, max_age=60, isolation_level=None)
        pool = db.pool._pool
        self.assertEqual((pool.policy.guard, pool.health.pre_ping, pool.health.max_age), ("discard", True, 60))
        async with self.transaction(db) as tx:
            self.assertIsNone(tx.conn.isolation_level)
        self.assertEqual(await maybe_await(db.fetchone("PRAGMA busy_timeout")), {"timeout": 125})
        db = await self.connect(url, timeout=0.25)
        self.assertEqual(await maybe_await(db.fetchone("PRAGMA busy_timeout")), {"timeout": 250})
        await self.refused(url, TypeError, no_such_option=1)
        await self.refused(url, ValueError, transaction_guard="no such guard")

    async def test_read_only(self) -> None:
        """X10: options of SQLite's own URIs reach it, and what it does not know is refused before it ignores it."""
        url = f"sqlite:///{self.backend.path}?mode=ro"
        await self.create_tables(Account)
        db = await self.connect(url)
        self.assertEqual(await maybe_await(self.repo(Account, db).count()), 0)
        with self.assertRaises(OperationalError):
            await maybe_await(self.repo(Account, db).insert(Account(owner="x")))
        error = await self.refused(url.replace("mode", "mdoe"))
        self.assertIn("mode", str(error))
        await self.refused(f"sqlite:///{self.backend.path}?timeout=soon")

    async def test_the_first_connection_is_opened_at_once(self) -> None:
        """X10 Errors: what can't be opened is an error of `connect`, ours and the driver's."""
        error = await self.refused(f"sqlite:///{self.backend.directory}/no/such/directory/file.db", OperationalError)
        self.assertIsInstance(error, sqlite3.OperationalError)
        db = await self.connect(f"sqlite:///{self.backend.directory}/fine.db")
        self.assertEqual(db.pool.stats().opened, 1)

    async def test_close(self) -> None:
        """X10 X5: `close()` and the end of the block close the pool that `connect` made; twice is fine."""
        url = f"sqlite:///{self.backend.path}"
        for name in ("close", "with", "close_pool"):
            with self.subTest(name):
                db = await self.connect(url)
                pool = db.pool
                if name == "with":
                    await self.use_block(db)
                elif name == "close":
                    await self.close(db)
                else:
                    await maybe_await(db.aclose(close_pool=True) if self.is_async else db.close(close_pool=True))
                stats = pool.stats()
                self.assertEqual((stats.opened - stats.closed, stats.idle), (0, 0))
                with self.assertRaises(ClosedError):
                    await maybe_await(db.fetchone("SELECT 1"))
                await self.close(db)
                self.assertIn("closed", repr(db))
        if self.is_async:
            db = await self.connect(url)
            pool = db.pool
            db.close()
            self.assertEqual(pool.stats().closed, pool.stats().opened)

    async def use_block(self, db: Any) -> None:
        if self.is_async:
            async with db:
                await db.fetchone("SELECT 1")
        else:
            with db:
                db.fetchone("SELECT 1")

    async def test_close_inside_its_own_transaction(self) -> None:
        """X10 X5: it stays an error, which closes nothing."""
        db = await self.connect(f"sqlite:///{self.backend.path}")
        async with self.transaction(db) as tx:
            with self.assertRaises(TransactionError):
                await self.close(db)
            await maybe_await(tx.fetchone("SELECT 1"))

    async def test_a_failed_connect_leaves_nothing(self) -> None:
        """X10: after an error the connection that was opened is closed again."""
        closed = []
        real = PoolConnector.close

        def close(pool: Any) -> Any:
            closed.append(pool)
            return real(pool)

        class Unfit(sqlite3.Connection):
            def create_function(self, *args: Any, **kwargs: Any) -> None:
                raise sqlite3.OperationalError("no functions here")

        with mock.patch.object(PoolConnector, "close", close):
            await self.refused(f"sqlite:///{self.backend.path}", DatabaseError, factory=Unfit)
        [pool] = closed
        self.assertEqual(pool.stats().opened, pool.stats().closed)
        self.assertEqual(pool.stats().in_use, 0)

    async def test_subclasses(self) -> None:
        """X10: `connect` of a subclass makes one of it."""

        class Own(self.face):  # type: ignore[misc, name-defined]  # one of two classes
            pass

        for url in ("sqlite://", f"sqlite:///{self.backend.path}"):
            db = await maybe_await(Own.connect(url))
            self.assertIs(type(db), Own)
            await self.close(db)

    async def test_repr(self) -> None:
        """X10: scheme, host and database."""
        db = await self.connect(f"sqlite:///{self.backend.path}?timeout=1")
        self.assertEqual(repr(db), f"{self.face.__name__}(sqlite:///{self.backend.path}, open)")

    async def test_packages(self) -> None:
        """X10: a package that is named is taken; an async one belongs to the async face."""
        db = await self.connect(f"sqlite+sqlite3:///{self.backend.path}")
        self.assertEqual(db._source.driver.name, "sqlite3")
        db = await self.connect(f"sqlite:///{self.backend.path}")
        self.assertEqual(db._source.driver.name, "sqlite3")
        if self.is_async:
            for url in (f"sqlite+aiosqlite:///{self.backend.path}", "sqlite+aiosqlite://"):
                db = await self.connect(url)
                self.assertIn("aiosqlite", db._source.driver.name)
                self.assertEqual(await maybe_await(db.fetchone("SELECT 1 AS n")), {"n": 1})
        else:
            for url in ("sqlite+aiosqlite://", "postgresql+asyncpg://localhost/x"):
                self.assertIn("AsyncDatabase", str(await self.refused(url)))

    async def test_unknown_names(self) -> None:
        """X10: unknown schemes and packages name what is known, and the nearest."""
        for url, hint in (
            (f"postgre://me:{quote(SECRET)}@localhost/x", "postgres"),
            (f"oracle://me:{quote(SECRET)}@localhost/x", "sqlite://"),
            (f"postgresql+psycop://me:{quote(SECRET)}@localhost/x", "psycopg"),
            (f"mysqle://me:{quote(SECRET)}@localhost/x", "mysql"),
            (f"mariadb+asyncm://me:{quote(SECRET)}@localhost/x", "asyncmy"),
        ):
            with self.subTest(url=url):
                self.assertIn(hint, str(await self.refused(url)))

    async def test_missing_packages(self) -> None:
        """X10 Errors: a package that is not installed is named, with the extra that brings it."""
        hide = dict.fromkeys(("psycopg", "psycopg2", "asyncpg", "aiosqlite"))
        with mock.patch.dict("sys.modules", hide):
            for scheme, extra in (
                ("postgresql", "async" if self.is_async else "postgres"),
                ("postgres+psycopg", "postgres"),
                ("postgresql+psycopg2", "psycopg2-binary"),
                *([("postgresql+asyncpg", "async")] if self.is_async else []),
            ):
                url = f"{scheme}://me:{quote(SECRET)}@localhost/x"
                error = await self.refused(url, MissingDependencyError)
                self.assertIn("pip install", str(error))
                self.assertIn(extra, str(error))
                self.assertIsInstance(error, ImportError)


class PostgresUrlContract(UrlTools):
    """X10: `postgresql://`, on a real server."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        server = servers.postgres()
        if server is None:
            self.skipTest(servers.reason("postgres"))
        self.server: dict[str, Any] = server

    def url(self, package: str = "", *, query: str = "", **changes: Any) -> str:
        """Write the server's URL."""
        server = {**self.server, **changes}
        login = f"{quote(server['user'], safe='')}:{quote(server['password'] or '', safe='')}"
        scheme = f"postgresql+{package}" if package else "postgresql"
        return f"{scheme}://{login}@{server['host']}:{server['port']}/{quote(server['dbname'], safe='')}{query}"

    @property
    def packages(self) -> list[str]:
        """The packages of this face."""
        return ["psycopg", "psycopg2", "asyncpg"] if self.is_async else ["psycopg", "psycopg2"]

    async def test_every_package(self) -> None:
        """X10: all packages reach the same database, and options of the URL reach all of them."""
        for package in self.packages:
            with self.subTest(package=package):
                db = await self.connect(self.url(package, query="?application_name=mini_orm%20test&sslmode=prefer"))
                row = await maybe_await(
                    db.fetchone("SELECT current_setting('application_name') AS app, current_database() AS name")
                )
                self.assertEqual(row, {"app": "mini_orm test", "name": self.server["dbname"]})
                self.assertEqual(db.pool.stats().opened, 1)
                await self.close(db)
                self.assertEqual(db.pool.stats().closed, 1)

    async def test_the_best_one(self) -> None:
        """X10: psycopg, on the async face asyncpg; what is not installed is passed over."""
        best = "asyncpg" if self.is_async else "psycopg"
        db = await self.connect(self.url())
        self.assertIn(best, db._source.driver.name)
        with mock.patch.dict("sys.modules", {best: None}):
            second = await self.connect(self.url().replace("postgresql://", "postgres://"))
        self.assertIn("psycopg" if self.is_async else "psycopg2", second._source.driver.name)

    async def test_hosts(self) -> None:
        """X10: several hosts are tried in their order; the host may stand among the options."""
        server = self.server
        for package in self.packages:
            scheme = f"postgresql+{package}"
            login = f"{scheme}://{server['user']}:{quote(server['password'] or '')}@"
            for url in (
                f"{login}127.0.0.1:1,{server['host']}:{server['port']}/{server['dbname']}",
                f"{login}/{server['dbname']}?host={server['host']}&port={server['port']}",
                f"{scheme}://?host={server['host']}&port={server['port']}&user={server['user']}"
                f"&password={quote(server['password'] or '')}&dbname={server['dbname']}",
            ):
                with self.subTest(url=url):
                    db = await self.connect(url)
                    self.assertEqual(await maybe_await(db.fetchone("SELECT 1 AS n")), {"n": 1})
                    await self.close(db)

    async def test_refused_by_the_server(self) -> None:
        """X10 Errors: no such user, no such database, nobody there: our errors, without the password."""
        for package in self.packages:
            for changes in (
                {"user": "no such user", "password": SECRET},
                {"dbname": "no such database"},
                {"host": "127.0.0.1", "port": 1, "password": SECRET},
            ):
                with self.subTest(package=package, changes=changes):
                    error = await self.refused(self.url(package, **changes), DatabaseError)
                    self.assertIsInstance(error, MiniOrmError)

    def own_user(self) -> str:
        """Make a user whose password is SECRET; return its name. It goes at the end of the test."""
        import psycopg

        name = f"mini_orm_test_{os.getpid()}"

        def run(*statements: str) -> None:
            with psycopg.connect(**self.server, autocommit=True) as conn:
                for sql in statements:
                    conn.execute(sql)

        run(f"DROP ROLE IF EXISTS {name}", f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'")
        self.addCleanup(run, f"DROP ROLE {name}")
        return name

    async def test_the_password_is_not_shown(self) -> None:
        """X10: not in the repr of the database, its pool, its statistics, nor in errors of its statements."""
        user = self.own_user()
        for package in self.packages:
            with self.subTest(package=package):
                db = await self.connect(self.url(package, user=user, password=SECRET))
                self.assertEqual(
                    repr(db), f"{self.face.__name__}(postgresql://{self.server['host']}/{self.server['dbname']}, open)"
                )
                with self.assertRaises(DatabaseError) as caught:
                    await maybe_await(db.execute("SELECT * FROM no_such_table"))
                self.assert_hidden(caught.exception)
                async with self.transaction(db):
                    for shown in (db, db.pool.stats()):
                        self.assertNotIn(SECRET, repr(shown))
                await self.close(db)
                self.assertNotIn(SECRET, repr(db))

    async def test_numbers(self) -> None:
        """X10: options that a package wants as numbers are made so; what is none is refused."""
        numbers = {"psycopg": "prepare_threshold=none", "asyncpg": "statement_cache_size=0&command_timeout=30"}
        for package, query in numbers.items():
            if package in self.packages:
                db = await self.connect(self.url(package, query=f"?{query}"))
                self.assertEqual(await maybe_await(db.fetchone("SELECT 1 AS n")), {"n": 1})
                await self.close(db)
                name = query.partition("=")[0]
                await self.refused(self.url(package, query=f"?{name}=many"))

    async def test_the_pool_is_used_up(self) -> None:
        """X10 P2: `pool_size` is the most that are open at once."""
        db = await self.connect(self.url(), pool_size=3)
        async with self.all_in_use(db, 3):
            self.assertEqual(db.pool.stats().in_use, 3)
            with self.assertRaises(PoolTimeout):
                await maybe_await(db.pool.acquire(timeout=0))
