"""The drivers of MySQL and MariaDB: PyMySQL, mysqlclient and asyncmy."""

from __future__ import annotations

import contextlib
import functools
import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import mini_orm
from tests.backends.base import maybe_await
from tests.backends.mysql import MySQLBackend
from tests.counted import asyncmy_connect, counted_asyncmy, counted_mysql

#: The numbers of errors that go by the SQLSTATEs that contracts name.
ERRNOS = {"23505": 1062, "23000": 1644}


class MySQLDriver(MySQLBackend):
    """What the drivers have in common: all took their API from one of them."""

    supports_autocommit = True
    default_mode = False

    def api(self) -> Any:
        """Return the driver's package."""
        raise NotImplementedError

    def traced(self) -> Any:
        """Return the driver's class of connections, which tell their statements to `test_note` from now on."""
        raise NotImplementedError

    @property
    def connector(self) -> Any:
        return self.api().connect

    async def connect(self, **options: Any) -> Any:
        options.pop("check_same_thread", None)
        return await maybe_await(self.connector(**self.address(options), **options))

    def pool(self, **options: Any) -> mini_orm.PoolConnector:
        return mini_orm.PoolConnector(self.connector, **self.address(options), **options)

    async def send(self, conn: Any, sql: str, *params: Any) -> None:
        cursor = conn.cursor()
        await maybe_await(cursor.execute(sql, params or None))
        await maybe_await(cursor.close())

    async def run(self, conn: Any, sql: str) -> None:
        await self.send(conn, sql)

    async def value(self, conn: Any, sql: str) -> Any:
        was_open = self.in_transaction(conn)
        cursor = conn.cursor(self.cursors().Cursor)
        await maybe_await(cursor.execute(sql))
        (value,) = await maybe_await(cursor.fetchone())
        await maybe_await(cursor.close())
        if not was_open:
            await self.end(conn, "rollback")
        return value

    def mode(self, conn: Any) -> Any:
        return bool(conn.get_autocommit())

    def is_as_opened(self, conn: Any) -> bool:
        return not conn.get_autocommit()

    async def set_autocommit(self, conn: Any, autocommit: bool) -> None:
        await maybe_await(conn.autocommit(autocommit))

    #: The attribute that has the class of a connection's cursors.
    cursor_attribute = "cursorclass"

    def cursors(self) -> Any:
        """Return the module of the driver's cursors."""
        return importlib.import_module(f"{self.api().__name__}.cursors")

    def factories(self, conn: Any) -> Any:
        return getattr(conn, self.cursor_attribute)

    def set_factories(self, conn: Any) -> Iterator[str]:
        cursors = self.cursors()
        for factory in (cursors.DictCursor, cursors.SSCursor, cursors.SSDictCursor):
            setattr(conn, self.cursor_attribute, factory)
            yield factory.__name__

    def driver_error(self, wanted: type[BaseException]) -> type[BaseException]:
        # What a driver calls a broken constraint differs from version to version.
        error: type[BaseException] = self.api().Error
        return error

    def code(self, error: Any, sqlite: str, sqlstate: str) -> tuple[Any, Any]:
        return error.args[0], ERRNOS[sqlstate]

    def trace_opened(self, conn: Any, note: Callable[[str], Any]) -> None:
        self.traced()
        conn.test_note = note

    async def trace(self, conn: Any, note: Callable[[str], Any] | None) -> None:
        self.traced()
        conn.test_note = note

    def refusal(self) -> Exception:
        error: Exception = self.api().OperationalError("refused by the test")
        return error

    def told(self) -> tuple[dict[str, Any], Any, dict[str, Any]]:
        return {"autocommit": True}, True, {"innodb_lock_wait_timeout": 15}

    def in_autocommit(self) -> dict[str, Any]:
        return {"autocommit": True}


class SyncPyMySQL(MySQLDriver):
    """`Database` over PyMySQL."""

    name = "pymysql"
    face = "sync"
    is_first = True
    supports_blocking_calls = True
    supports_tasks = False

    def api(self) -> Any:
        import pymysql

        return pymysql

    def address(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**super().address(options), "ssl_disabled": True}  # as for `raw`, whose connections are PyMySQL's

    def traced(self) -> Any:
        return _traced_pymysql()

    def traced_pool(self, note: Callable[[str], Any], **options: Any) -> mini_orm.PoolConnector:
        traced = type("Traced", (self.traced(),), {"test_note": staticmethod(note)})
        return mini_orm.PoolConnector(traced, **self.address(options), **options)

    def counted_pool(self, counter: Any, **options: Any) -> mini_orm.PoolConnector:
        return mini_orm.PoolConnector(counted_mysql(counter, self.traced()), **self.address(options), **options)

    def in_transaction(self, conn: Any) -> bool:
        conn.ping(reconnect=False)  # an error has left the flag as it was
        return bool(conn.server_status & 1)

    def kill(self, conn: Any) -> None:
        if conn.open:
            conn.close()


class WorkerPyMySQL(SyncPyMySQL):
    """`AsyncDatabase` over PyMySQL: operations run in a worker thread."""

    name = "pymysql-worker"
    face = "async"
    supports_blocking_calls = False
    supports_tasks = True


class SyncMySQLClient(SyncPyMySQL):
    """`Database` over mysqlclient."""

    name = "mysqlclient"
    package = "MySQLdb"
    refuses_scripts = False

    def api(self) -> Any:
        import MySQLdb

        return MySQLdb

    def address(self, options: dict[str, Any]) -> dict[str, Any]:
        return MySQLBackend.address(self, options)

    def traced(self) -> Any:
        return _traced_mysqlclient()

    @property
    def connector(self) -> Any:
        # `connect` of the package is a function in front of this class.
        return self.traced()

    def in_transaction(self, conn: Any) -> bool:
        from MySQLdb import _mysql

        _mysql.connection.query(conn, b"SELECT @@in_transaction")  # mini_orm listens to what a user sends
        [(number,)] = conn.store_result().fetch_row(0)
        return bool(int(number))

    def kill(self, conn: Any) -> None:
        with contextlib.suppress(self.api().Error):
            conn.close()


class WorkerMySQLClient(SyncMySQLClient):
    """`AsyncDatabase` over mysqlclient: operations run in a worker thread."""

    name = "mysqlclient-worker"
    repeats_values = True
    face = "async"
    supports_blocking_calls = False
    supports_tasks = True


class Asyncmy(MySQLDriver):
    """`AsyncDatabase` over asyncmy, whose calls are awaited."""

    name = "asyncmy"
    is_first = True
    refuses_scripts = False
    face = "async"
    supports_threads = False
    supports_awaited_pools = True
    connects_at_once = False
    cursor_attribute = "_cursor_cls"

    def api(self) -> Any:
        import asyncmy

        return asyncmy

    def traced(self) -> Any:
        return _traced_asyncmy()

    def traced_pool(self, note: Callable[[str], Any], **options: Any) -> mini_orm.PoolConnector:
        traced = type("Traced", (self.traced(),), {"test_note": staticmethod(note)})
        return mini_orm.PoolConnector(asyncmy_connect(traced), **self.address(options), **options)

    def counted_pool(self, counter: Any, **options: Any) -> mini_orm.PoolConnector:
        return mini_orm.PoolConnector(counted_asyncmy(counter), **self.address(options), **options)

    def in_transaction(self, conn: Any) -> bool:
        return bool(conn.get_transaction_status())

    def kill(self, conn: Any) -> None:
        conn.close()


#: What mini_orm sends to know a session and to set its mode, and would not where it needn't: no contract is about it.
_OF_THE_SESSION = re.compile(rf"SET (?:autocommit|sql_mode) |SELECT @@|{re.escape(mini_orm.MySQLDialect.features_sql)}")


def _tell(conn: Any, sql: Any) -> None:
    """Tell a statement to the connection's `test_note`, in the words of all other databases where it begins one."""
    note = getattr(conn, "test_note", None)
    if note is not None:
        text = sql.decode(errors="replace") if isinstance(sql, (bytes, bytearray)) else sql
        if not _OF_THE_SESSION.match(text):
            note(text.replace("START TRANSACTION", "BEGIN") if text.startswith("START") else text)


def _telling(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Make of a connection's `query` one that tells the statement."""

    def query(self: Any, sql: Any, *args: Any, **options: Any) -> Any:
        _tell(self, sql)
        return plain(self, sql, *args, **options)

    return query


@functools.cache
def _traced_pymysql() -> Any:
    from pymysql.connections import Connection

    Connection.query = _telling(Connection.query)  # for this process
    return Connection


@functools.cache
def _traced_asyncmy() -> Any:
    from asyncmy.connection import Connection

    Connection.query = _telling(Connection.query)
    return Connection


@functools.cache
def _traced_mysqlclient() -> Any:
    from MySQLdb.connections import Connection

    from mini_orm.core.drivers import mysqlclient as driver

    plain = driver._Cursor.execute

    def execute(self: Any, sql: str, *args: Any) -> Any:
        _tell(self._conn, sql)
        return plain(self, sql, *args)

    driver._Cursor.execute = execute  # type: ignore[method-assign]  # for this process
    return Connection
