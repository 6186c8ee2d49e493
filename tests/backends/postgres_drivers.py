"""The drivers of PostgreSQL: psycopg, psycopg2 and asyncpg."""

from __future__ import annotations

import functools
import itertools
import re
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import mini_orm
from tests.backends.postgres import PostgresBackend, isolation_of
from tests.counted import counted_async_psycopg, counted_asyncpg, counted_psycopg, counted_psycopg2


class SyncPsycopg(PostgresBackend):
    """`Database` over psycopg 3."""

    name = "psycopg"
    face = "sync"
    is_first = True
    supports_blocking_calls = True
    supports_tasks = False

    def sql(self, text: str) -> str:
        return re.sub(r"(?<![:\w]):(\w+)", r"%(\1)s", text.replace("?", "%s"))

    def connector(self, *args: Any, **kwargs: Any) -> Any:
        import psycopg

        return psycopg.connect(*args, **kwargs)

    async def connect(self, **options: Any) -> Any:
        options.pop("check_same_thread", None)
        return self.connector(**self.address(options), **options)

    default_mode = False
    supports_autocommit = True

    def mode(self, conn: Any) -> Any:
        return conn.autocommit

    async def set_autocommit(self, conn: Any, autocommit: bool) -> None:
        conn.autocommit = autocommit

    def factories(self, conn: Any) -> Any:
        return conn.row_factory, conn.cursor_factory

    def told(self) -> tuple[dict[str, Any], Any, dict[str, Any]]:
        return {"autocommit": True}, True, {"search_path": self.schema, "lock_timeout": "15s"}

    def in_autocommit(self) -> dict[str, Any]:
        return {"autocommit": True}

    def set_factories(self, conn: Any) -> Iterator[str]:
        import psycopg
        from psycopg.rows import dict_row, namedtuple_row, scalar_row

        for factory in (dict_row, namedtuple_row, scalar_row):
            conn.row_factory = factory
            yield factory.__name__
        conn.cursor_factory = psycopg.ClientCursor
        yield "ClientCursor"

    def driver_error(self, wanted: type[BaseException]) -> type[BaseException]:
        import psycopg

        found: type[BaseException] = psycopg.IntegrityError if wanted is sqlite3.IntegrityError else psycopg.Error
        return found

    def code(self, error: Any, sqlite: str, sqlstate: str) -> tuple[Any, str]:
        return error.sqlstate, sqlstate

    def trace_opened(self, conn: Any, note: Callable[[str], Any]) -> None:
        _trace_psycopg()
        conn.test_note = note

    async def trace(self, conn: Any, note: Callable[[str], Any] | None) -> None:
        _trace_psycopg()
        conn.test_note = note

    def refusal(self) -> Exception:
        import psycopg

        return psycopg.OperationalError("refused by the test")

    def traced_pool(self, note: Callable[[str], Any], **options: Any) -> mini_orm.PoolConnector:
        import psycopg

        _trace_psycopg()
        traced = type("Traced", (psycopg.Connection,), {"test_note": staticmethod(note)})
        return mini_orm.PoolConnector(traced.connect, **self.address(options), **options)

    def in_transaction(self, conn: Any) -> bool:
        return bool(conn.pgconn.transaction_status)  # IDLE is 0

    def counted_pool(self, counter: Any, **options: Any) -> mini_orm.PoolConnector:
        connect = counted_psycopg(counter).connect
        return mini_orm.PoolConnector(connect, **self.address(options), **options)

    def pool(self, **options: Any) -> mini_orm.PoolConnector:
        return mini_orm.PoolConnector(self.connector, **self.address(options), **options)


@functools.cache
def _trace_psycopg() -> None:
    """Have each cursor tell its statements to its connection's `test_note`."""
    import psycopg

    plain = psycopg.Cursor.execute

    def execute(self: Any, query: Any, *args: Any, **options: Any) -> Any:
        note = getattr(self.connection, "test_note", None)
        if note is not None:
            note(query)
        return plain(self, query, *args, **options)

    psycopg.Cursor.execute = execute  # type: ignore[method-assign]  # for this process


class WorkerPsycopg(SyncPsycopg):
    """`AsyncDatabase` over psycopg 3's blocking connection: operations run in a worker thread."""

    name = "psycopg-worker"
    face = "async"
    supports_blocking_calls = False
    supports_tasks = True


class SyncPsycopg2(SyncPsycopg):
    """`Database` over psycopg2."""

    name = "psycopg2"
    supports_driver_commit = False

    def connector(self, *args: Any, **kwargs: Any) -> Any:
        import psycopg2

        return psycopg2.connect(*args, connection_factory=_psycopg2_connection(), **kwargs)

    def counted_pool(self, counter: Any, **options: Any) -> mini_orm.PoolConnector:
        import psycopg2

        counted = counted_psycopg2(counter, _psycopg2_connection())
        return mini_orm.PoolConnector(psycopg2.connect, connection_factory=counted, **self.address(options), **options)

    async def send(self, conn: Any, sql: str, *params: Any) -> None:
        conn.cursor().execute(sql, params or None)

    async def value(self, conn: Any, sql: str) -> Any:
        was_open = self.in_transaction(conn)
        cursor = conn.cursor()
        cursor.execute(sql)
        (value,) = cursor.fetchone()
        if not was_open:
            conn.rollback()
        return value

    async def end(self, conn: Any, how: str) -> None:
        if conn.autocommit:  # then psycopg2's own calls end nothing
            conn.cursor().execute(how)
        else:
            await super().end(conn, how)

    def kill(self, conn: Any) -> None:
        conn.close()

    def traced_pool(self, note: Callable[[str], Any], **options: Any) -> mini_orm.PoolConnector:
        traced = type("Traced", (_psycopg2_connection(),), {"test_note": staticmethod(note)})
        import psycopg2

        address = self.address(options)
        return mini_orm.PoolConnector(psycopg2.connect, connection_factory=traced, **address, **options)

    def trace_opened(self, conn: Any, note: Callable[[str], Any]) -> None:
        _psycopg2_connection()
        conn.test_note = note

    async def trace(self, conn: Any, note: Callable[[str], Any] | None) -> None:
        _psycopg2_connection()
        conn.test_note = note

    def refusal(self) -> Exception:
        import psycopg2

        return psycopg2.OperationalError("refused by the test")

    async def run(self, conn: Any, sql: str) -> None:
        conn.cursor().execute(sql)

    def in_transaction(self, conn: Any) -> bool:
        return bool(conn.get_transaction_status())  # IDLE is 0

    opens_in_autocommit = False

    def told(self) -> tuple[dict[str, Any], Any, dict[str, Any]]:
        return {}, False, super().told()[2]

    def factories(self, conn: Any) -> Any:
        return conn.cursor_factory

    def set_factories(self, conn: Any) -> Iterator[str]:
        from psycopg2.extras import DictCursor, NamedTupleCursor, RealDictCursor

        for factory in (DictCursor, NamedTupleCursor, RealDictCursor):
            conn.cursor_factory = factory
            yield factory.__name__

    def driver_error(self, wanted: type[BaseException]) -> type[BaseException]:
        import psycopg2

        found: type[BaseException] = psycopg2.IntegrityError if wanted is sqlite3.IntegrityError else psycopg2.Error
        return found

    def code(self, error: Any, sqlite: str, sqlstate: str) -> tuple[Any, str]:
        return error.pgcode, sqlstate


@functools.cache
def _psycopg2_connection() -> Any:
    """Return a class of connections that keep what a test puts on them; cursors tell statements to `test_note`."""
    from psycopg2 import extensions

    from mini_orm.core.drivers import psycopg2 as driver

    plain = driver._Cursor.execute

    def execute(self: Any, query: Any, *args: Any) -> Any:
        note = getattr(self.connection, "test_note", None)
        if note is not None:
            note(query)
        return plain(self, query, *args)

    driver._Cursor.execute = execute  # type: ignore[method-assign]  # for this process
    return type("Connection", (extensions.connection,), {"test_note": None})


class WorkerPsycopg2(SyncPsycopg2):
    """`AsyncDatabase` over psycopg2: operations run in a worker thread."""

    name = "psycopg2-worker"
    repeats_values = True
    face = "async"
    supports_blocking_calls = False
    supports_tasks = True


class AsyncPsycopg(PostgresBackend):
    """`AsyncDatabase` over psycopg 3's AsyncConnection, whose calls are awaited."""

    name = "psycopg-async"
    face = "async"
    supports_threads = False
    supports_awaited_pools = True
    connects_at_once = False

    def sql(self, text: str) -> str:
        return re.sub(r"(?<![:\w]):(\w+)", r"%(\1)s", text.replace("?", "%s"))

    @property
    def connector(self) -> Any:  # type: ignore[override]  # imported where it is used
        import psycopg

        return psycopg.AsyncConnection.connect

    async def connect(self, **options: Any) -> Any:
        options.pop("check_same_thread", None)
        return await self.connector(**self.arguments(options), **options)

    default_mode = False
    supports_autocommit = True

    def mode(self, conn: Any) -> Any:
        return conn.autocommit

    async def set_autocommit(self, conn: Any, autocommit: bool) -> None:
        await conn.set_autocommit(autocommit)

    def factories(self, conn: Any) -> Any:
        return conn.row_factory, conn.cursor_factory

    def told(self) -> tuple[dict[str, Any], Any, dict[str, Any]]:
        return {"autocommit": True}, True, {"search_path": self.schema, "lock_timeout": "15s"}

    def in_autocommit(self) -> dict[str, Any]:
        return {"autocommit": True}

    def set_factories(self, conn: Any) -> Iterator[str]:
        import psycopg
        from psycopg.rows import dict_row, namedtuple_row, scalar_row

        for factory in (dict_row, namedtuple_row, scalar_row):
            conn.row_factory = factory
            yield factory.__name__
        conn.cursor_factory = psycopg.AsyncClientCursor
        yield "AsyncClientCursor"

    def driver_error(self, wanted: type[BaseException]) -> type[BaseException]:
        import psycopg

        found: type[BaseException] = psycopg.IntegrityError if wanted is sqlite3.IntegrityError else psycopg.Error
        return found

    def code(self, error: Any, sqlite: str, sqlstate: str) -> tuple[Any, str]:
        return error.sqlstate, sqlstate

    def refusal(self) -> Exception:
        import psycopg

        return psycopg.OperationalError("refused by the test")

    def trace_opened(self, conn: Any, note: Callable[[str], Any]) -> None:
        _trace_async_psycopg()
        conn.test_note = note

    async def trace(self, conn: Any, note: Callable[[str], Any] | None) -> None:
        _trace_async_psycopg()
        conn.test_note = note

    def in_transaction(self, conn: Any) -> bool:
        return bool(conn.pgconn.transaction_status)  # IDLE is 0

    def traced_pool(self, note: Callable[[str], Any], **options: Any) -> mini_orm.PoolConnector:
        import psycopg

        _trace_async_psycopg()
        traced = type("Traced", (psycopg.AsyncConnection,), {"test_note": staticmethod(note)})
        return mini_orm.PoolConnector(traced.connect, **self.arguments(options), **options)

    def counted_pool(self, counter: Any, **options: Any) -> mini_orm.PoolConnector:
        connect = counted_async_psycopg(counter).connect
        return mini_orm.PoolConnector(connect, **self.arguments(options), **options)

    def pool(self, **options: Any) -> mini_orm.PoolConnector:
        return mini_orm.PoolConnector(self.connector, **self.arguments(options), **options)


@functools.cache
def _trace_async_psycopg() -> None:
    """Have each awaited cursor tell its statements to its connection's `test_note`."""
    import psycopg

    plain = psycopg.AsyncCursor.execute

    async def execute(self: Any, query: Any, *args: Any, **options: Any) -> Any:
        note = getattr(self.connection, "test_note", None)
        if note is not None:
            note(query)
        return await plain(self, query, *args, **options)

    psycopg.AsyncCursor.execute = execute  # type: ignore[method-assign]  # for this process


class Asyncpg(AsyncPsycopg):
    """`AsyncDatabase` over asyncpg."""

    name = "asyncpg"
    is_first = True

    def sql(self, text: str) -> str:
        numbers = itertools.count(1)
        return re.sub(r"\?", lambda _: f"${next(numbers)}", text)

    @property
    def connector(self) -> Any:  # type: ignore[override]  # as above
        import asyncpg

        return asyncpg.connect

    supports_autocommit = False
    supports_named_params = False
    supports_row_factory = False
    supports_driver_commit = False
    default_mode = None

    def mode(self, conn: Any) -> Any:
        return None  # always autocommit

    def told(self) -> tuple[dict[str, Any], Any, dict[str, Any]]:
        return {}, None, {"search_path": self.schema}

    def in_autocommit(self) -> dict[str, Any]:
        return {}  # it always is

    async def set_autocommit(self, conn: Any, autocommit: bool) -> None:
        return None

    def factories(self, conn: Any) -> None:
        return None

    def set_factories(self, conn: Any) -> Iterator[str]:
        yield from ()  # asyncpg takes them when it connects

    def driver_error(self, wanted: type[BaseException]) -> Any:
        import asyncpg

        if wanted is sqlite3.IntegrityError:
            return asyncpg.IntegrityConstraintViolationError
        return asyncpg.PostgresError, asyncpg.InterfaceError  # they have no base of their own

    def refusal(self) -> Exception:
        import asyncpg

        found: Exception = asyncpg.InterfaceError("refused by the test")
        return found

    supports_implicit_begin = False

    def traced_pool(self, note: Callable[[str], Any], **options: Any) -> mini_orm.PoolConnector:
        import asyncpg

        _trace_asyncpg()

        class Traced(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                _asyncpg_notes[self] = note

        arguments = {**self.arguments(options), "connection_class": Traced}
        return mini_orm.PoolConnector(self.connector, **arguments, **options)

    def counted_pool(self, counter: Any, **options: Any) -> mini_orm.PoolConnector:
        arguments = self.arguments(options)
        arguments |= counted_asyncpg(counter, arguments.get("password") or "")
        return mini_orm.PoolConnector(self.connector, **arguments, **options)

    async def send(self, conn: Any, sql: str, *params: Any) -> None:
        await conn.execute(sql, *params)

    async def end(self, conn: Any, how: str) -> None:
        await conn.execute(how)

    async def value(self, conn: Any, sql: str) -> Any:
        return await conn.fetchval(sql)

    def is_as_opened(self, conn: Any) -> bool:
        return True

    def kill(self, conn: Any) -> None:
        if not conn.is_closed():
            conn.terminate()

    def arguments(self, options: dict[str, Any]) -> dict[str, Any]:
        settings = {"search_path": options.pop("schema", self.schema), **isolation_of(options)}
        address = {{"dbname": "database"}.get(name, name): value for name, value in self.params().items()}
        return {**address, "server_settings": settings}

    def trace_opened(self, conn: Any, note: Callable[[str], Any]) -> None:
        _trace_asyncpg()
        _asyncpg_notes[conn] = note

    async def trace(self, conn: Any, note: Callable[[str], Any] | None) -> None:
        _trace_asyncpg()
        _asyncpg_notes[conn] = note

    def in_transaction(self, conn: Any) -> bool:
        return bool(conn.is_in_transaction())


#: Connection of asyncpg's, which takes no attributes -> who is told its statements.
_asyncpg_notes: weakref.WeakKeyDictionary[Any, Callable[[str], Any] | None] = weakref.WeakKeyDictionary()


@functools.cache
def _trace_asyncpg() -> None:
    """Have each connection of asyncpg's tell its statements."""
    import asyncpg

    def telling(plain: Any) -> Any:
        async def run(self: Any, query: str, *args: Any, **options: Any) -> Any:
            note = _asyncpg_notes.get(self)
            if note is not None:
                note(query)
            return await plain(self, query, *args, **options)

        return run

    for name in ("execute", "executemany", "fetch", "fetchrow", "prepare"):
        setattr(asyncpg.Connection, name, telling(getattr(asyncpg.Connection, name)))
