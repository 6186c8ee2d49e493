"""The backends that every contract runs on, and the case that makes both faces read alike.

A contract is a mixin with `async def test_…` methods. It gets its databases from the backend and awaits through
`maybe_await`, so one text serves `Database` and `AsyncDatabase`. Capabilities are attributes of the backend; a
contract asks for them and never for a product's name.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import functools
import inspect
import itertools
import os
import re
import sqlite3
import tempfile
import threading
import unittest
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

import mini_orm
from mini_orm.core.models import model_meta
from tests import servers
from tests.counted import counted_async_psycopg, counted_asyncpg, counted_psycopg, counted_psycopg2

Test = TypeVar("Test", bound=Callable[..., Any])


async def maybe_await(value: Any) -> Any:
    """Await what the async face returns; hand back what the sync face returns."""
    return await value if inspect.isawaitable(value) else value


class Handle:
    """A concurrent piece of work: a thread on the sync face, a task on the async one."""

    def __init__(self, join: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._join = join

    async def join(self) -> Any:
        """Wait for the work; return its result or raise its error."""
        return await self._join()


class Backend:
    """One driver on one face. `path` is a file in the test's own directory."""

    name: str
    face: str  # "sync" or "async"
    #: The name of the dialect that goes with it.
    dialect = "sqlite"
    #: Which of `tests.servers` it needs.
    server: str | None = None
    #: Of its server's drivers the one that a quick run takes.
    is_first = False
    #: The database is a file, with SQLite's pragmas; tests of the file, and of SQLite's own words, ask for it.
    uses_file = True
    #: A transaction goes on after a statement in it has failed.
    survives_errors = True
    #: A transaction takes nothing but a rollback after a statement in it has failed.
    aborts_on_errors = False
    #: Times, Decimals, UUIDs and JSON are kept as text, in one form each.
    stores_text = True
    #: A float column keeps NaN.
    keeps_nan = False
    #: Two statements in one text are an error.
    refuses_scripts = True
    #: Raw SQL may name its parameters, and take a mapping.
    supports_named_params = True
    #: SQL can call a function of the test's, by the driver's `create_function`.
    supports_functions = True
    #: The driver tells the key of the last row inserted.
    supports_last_id = True
    #: A foreign key can be made before the table that it refers to.
    supports_early_foreign_keys = True
    #: A foreign key may refer to a row that is not there.
    supports_dangling_keys = True
    #: The longest name of a table or column, in bytes; longer ones are cut.
    max_name = 1000
    #: The driver's own `commit` ends what SQL began.
    supports_driver_commit = True
    #: What makes a column a key that the database gives out.
    auto_key = "INTEGER PRIMARY KEY"
    #: Two connections may use the same database at once.
    supports_second_connection = True
    #: The driver's connection may be used from any thread.
    supports_threads = True
    #: Calls block, as those of the sync face do.
    supports_blocking_calls = False
    #: Calls are awaited by tasks, as those of the async face are.
    supports_tasks = True
    #: A pool calls the driver's own function to connect, and sees its arguments.
    supports_own_connect = True
    #: The driver's connection is bound to a thread unless it is told otherwise.
    supports_thread_check = False
    #: A pool's connections are awaited.
    supports_awaited_pools = False

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self.path = self.directory / "test.sqlite3"

    async def connect(self, **options: Any) -> Any:
        """Open a raw driver connection to the test's database."""
        raise NotImplementedError

    async def open(self, **options: Any) -> Any:
        """Open a `Database` or `AsyncDatabase` on a new connection."""
        return self.database(await self.connect(**options))

    def scratch(self) -> dict[str, Any]:
        """Return the options that open an empty database which nobody else sees."""
        return {"path": ":memory:"}

    def other(self, name: str) -> dict[str, Any]:
        """Return the options that open another empty database of the test's."""
        return {"path": self.directory / f"{name}.sqlite3"}

    def database(self, conn: Any, *args: Any, **kwargs: Any) -> Any:
        """Wrap a raw connection in this face's database class."""
        cls = mini_orm.Database if self.face == "sync" else mini_orm.AsyncDatabase
        return cls(conn, *args, **kwargs)

    def close(self) -> None:
        """Drop the test's databases."""

    def pool(self, **options: Any) -> mini_orm.PoolConnector:
        """Make a pool of connections to the test's database."""
        return mini_orm.PoolConnector(self.connector, options.pop("path", self.path), **options)

    def connector(self, *args: Any, **kwargs: Any) -> Any:
        """Open a connection, as a pool does."""
        raise NotImplementedError

    def counted_pool(self, counter: Any, **options: Any) -> mini_orm.PoolConnector:
        """Make a pool whose connections tell `counter` (contracts/pool_tools.py) that they are opened and closed."""
        options.setdefault("factory", counter.factory)
        return self.pool(**options)

    #: A driver's connection opens a transaction by itself before it writes.
    supports_implicit_begin = True
    #: What makes rows can be set on a driver's connection.
    supports_row_factory = True

    # What a user does with a driver's connection by hand.

    def raw_of(self, conn: Any) -> Any:
        """Return the connection under a driver's that a counter was told."""
        return conn if isinstance(conn, sqlite3.Connection) else conn._conn

    async def send(self, conn: Any, sql: str, *params: Any) -> None:
        """Run SQL in the connection's own mode."""
        await maybe_await(conn.execute(sql, params))

    async def end(self, conn: Any, how: str) -> None:
        """Commit, or roll back, as `how` says."""
        await maybe_await(getattr(conn, how)())

    async def value(self, conn: Any, sql: str) -> Any:
        """Return the one value of a query that reads."""
        cursor = await maybe_await(conn.execute(sql))
        (value,) = await maybe_await(cursor.fetchone())
        await maybe_await(cursor.close())
        return value

    def is_as_opened(self, conn: Any) -> bool:
        """Tell whether the connection is in the mode in which it was opened."""
        return bool((conn.isolation_level, conn.row_factory, conn.text_factory) == ("", None, str))

    def kill(self, conn: Any) -> None:
        """Close a connection that nobody uses, whatever its state."""
        with contextlib.suppress(sqlite3.Error):
            conn.close()

    def traced_pool(self, note: Callable[[str], Any], **options: Any) -> mini_orm.PoolConnector:
        """Make a pool whose connections tell every statement that they start."""

        class Traced(sqlite3.Connection):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                self.set_trace_callback(note)

        return self.pool(factory=Traced, **options)

    def repository(self, db: Any, model: type, **flags: Any) -> Any:
        """Return this face's repository."""
        cls = mini_orm.Repository if self.face == "sync" else mini_orm.AsyncRepository
        return cls(db, model, **flags)

    def hub(self, db: Any, **flags: Any) -> Any:
        """Return this face's hub."""
        cls = mini_orm.UnifiedRepository if self.face == "sync" else mini_orm.AsyncUnifiedRepository
        return cls(db, **flags)

    def session(self, db: Any, **flags: Any) -> Any:
        """Return this face's session."""
        cls = mini_orm.Session if self.face == "sync" else mini_orm.AsyncSession
        return cls(db, **flags)

    def raw(self, **other: Any) -> Any:
        """Open an independent connection to the same database, in autocommit, to look from outside.

        It has `execute(sql)`, whose result has `fetchone()` and `fetchall()`, and `close()`.
        """
        return sqlite3.connect(other.get("path", self.path), isolation_level=None, check_same_thread=False)

    def sql(self, text: str) -> str:
        """Write the marks `?` and `:name` of a statement in the driver's own style."""
        return text

    def ddl(self, text: str) -> str:
        """Write a statement that makes a table with the database's own types."""
        return text

    def trigger(self, name: str, when: str, table: str, body: str) -> list[str]:
        """Return the statements that make a trigger, for example `AFTER INSERT`; `body` sees the row as NEW or OLD."""
        return [f"CREATE TRIGGER {name} {when} ON {table} BEGIN {body}; END"]

    def columns(self, table: str) -> dict[str, str]:
        """Return the declared types of a table's columns."""
        with contextlib.closing(self.raw()) as conn:
            return {row[1]: row[2] for row in conn.execute(f'PRAGMA table_info("{table}")').fetchall()}

    async def trace(self, conn: Any, note: Callable[[str], Any] | None) -> None:
        """Have every statement told that the connection starts from now on; `None` ends that."""
        await maybe_await(conn.set_trace_callback(note))

    def trace_opened(self, conn: Any, note: Callable[[str], Any]) -> None:
        """Do what `trace` does to a connection that was just opened."""
        conn.set_trace_callback(note)

    #: The driver's own mode, as it is by default.
    default_mode: Any = ""
    #: The driver's mode is its `autocommit`.
    supports_autocommit = False

    def mode(self, conn: Any) -> Any:
        """Return the driver's mode."""
        return conn.isolation_level

    async def run(self, conn: Any, sql: str) -> None:
        """Run SQL on the driver's connection behind mini_orm's back, in the connection's own mode."""
        await maybe_await(conn.execute(sql))

    async def set_autocommit(self, conn: Any, autocommit: bool) -> None:
        """Set the mode of a driver that has `autocommit`."""
        raise NotImplementedError

    def set_factories(self, conn: Any) -> Iterator[str]:
        """Set what makes rows and cursors to one thing after the other; yield what that is."""
        raise NotImplementedError

    def driver_error(self, wanted: type[BaseException]) -> type[BaseException]:
        """Return the driver's own class that goes by the name of one of sqlite3's."""
        return wanted

    def code(self, error: Any, sqlite: str, sqlstate: str) -> tuple[Any, str]:
        """Return the database's own code of an error, and the one that it should be."""
        return error.sqlite_errorname, sqlite

    async def forbid(self, conn: Any, word: str | None) -> None:
        """Make the connection refuse BEGIN, ROLLBACK or ROLLBACK TO, as a broken one would; `None` ends that."""
        action = sqlite3.SQLITE_SAVEPOINT if word == "ROLLBACK TO" else sqlite3.SQLITE_TRANSACTION

        def authorize(code: int, first: str | None, *_: Any) -> int:
            return sqlite3.SQLITE_DENY if word and (code, first) == (action, word.split()[0]) else sqlite3.SQLITE_OK

        await maybe_await(conn.set_authorizer(None if word is None else authorize))

    def in_transaction(self, conn: Any) -> bool:
        """Tell whether a transaction is open on the connection."""
        return bool(conn.in_transaction)

    def is_free(self) -> bool:
        """Tell whether nobody has a transaction open that keeps others from writing."""
        with contextlib.closing(self.raw()) as conn:
            try:
                conn.execute("PRAGMA busy_timeout = 0")
                conn.execute("BEGIN EXCLUSIVE")
                conn.execute("ROLLBACK")
            except sqlite3.OperationalError:
                return False
        return True

    #: What opens a transaction for a writer.
    begin = "BEGIN IMMEDIATE"

    def lock(self, table: str) -> list[str]:
        """Return the statements that open a transaction which keeps others from writing to a table."""
        return [self.begin]

    def tables(self, **other: Any) -> list[str]:
        """Return the names of the tables that are there, in order; of another database, if `other` says which."""
        with contextlib.closing(self.raw(**other)) as conn:
            return [name for (name,) in conn.execute(self.tables_sql).fetchall()]

    def indexes(self, **other: Any) -> list[str]:
        """Return the names of the indexes that are there, but for those of keys, in order."""
        with contextlib.closing(self.raw(**other)) as conn:
            return [name for (name,) in conn.execute(self.indexes_sql).fetchall()]

    def dump(self) -> list[str]:
        """Return the whole database as text: schema and rows."""
        with contextlib.closing(self.raw()) as conn:
            return list(conn.iterdump())

    #: Asks for all that the schema has: type, name, table, and text of each.
    schema_sql = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"

    def resume_keys(self, table: str, key: str) -> None:
        """Have the database give out keys beyond those that were given, if it does not do so by itself."""

    #: Asks for the names of all tables, in order.
    tables_sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    #: Asks for the names of all indexes that were made as such, in order.
    indexes_sql = "SELECT name FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite_%' ORDER BY name"


def counted_sqlite3(counter: Any) -> type[sqlite3.Connection]:
    """Make a class of sqlite3 connections that tell `counter`."""

    class Counted(sqlite3.Connection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*(args if counter.admits() else ("/no/such/directory/file",)), **kwargs)
            counter.note_opened(self)

        def close(self) -> None:
            counter.note_closed(self)
            super().close()

    return Counted


class SyncSqlite3(Backend):
    """`Database` over the standard library's sqlite3."""

    name = "sqlite3"
    face = "sync"
    supports_blocking_calls = True
    supports_tasks = False
    supports_thread_check = True
    connector = staticmethod(sqlite3.connect)

    def pool(self, **options: Any) -> mini_orm.PoolConnector:
        options.setdefault("check_same_thread", False)
        return super().pool(**options)

    async def connect(self, **options: Any) -> sqlite3.Connection:
        options.setdefault("check_same_thread", False)
        return sqlite3.connect(options.pop("path", self.path), **options)


class WorkerSqlite3(SyncSqlite3):
    """`AsyncDatabase` over a sqlite3 connection that any thread may use: operations run in a worker thread."""

    name = "sqlite3-worker"
    face = "async"
    supports_blocking_calls = False
    supports_tasks = True


class InlineSqlite3(Backend):
    """`AsyncDatabase` over a sqlite3 connection bound to the loop's thread: operations run inline."""

    name = "sqlite3-inline"
    face = "async"
    supports_threads = False
    supports_own_connect = False
    supports_awaited_pools = True

    async def connector(self, *args: Any, **kwargs: Any) -> sqlite3.Connection:
        kwargs.pop("check_same_thread", None)
        return sqlite3.connect(*args, **kwargs)

    async def connect(self, **options: Any) -> sqlite3.Connection:
        return sqlite3.connect(options.pop("path", self.path), **options)


class Aiosqlite(Backend):
    """`AsyncDatabase` over aiosqlite."""

    name = "aiosqlite"
    face = "async"
    supports_awaited_pools = True
    connector = staticmethod(aiosqlite.connect)

    async def connect(self, **options: Any) -> aiosqlite.Connection:
        options.pop("check_same_thread", None)
        return await aiosqlite.connect(options.pop("path", self.path), **options)


class PostgresBackend(Backend):
    """A driver of PostgreSQL: one database for each process, and in it a schema for each test."""

    server = dialect = "postgres"
    uses_file = False
    survives_errors = False
    aborts_on_errors = True
    stores_text = False
    keeps_nan = True
    refuses_scripts = False
    supports_functions = False
    supports_last_id = False
    supports_early_foreign_keys = False
    supports_dangling_keys = False
    max_name = 63
    auto_key = "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
    tables_sql = (
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace ORDER BY 1"
    )
    indexes_sql = (
        "SELECT relname FROM pg_class WHERE relkind = 'i' AND relnamespace = current_schema()::regnamespace "
        "AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = pg_class.oid AND contype = 'p') ORDER BY 1"
    )
    _numbers = itertools.count(1)

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self.schema = f"test_{next(self._numbers)}"
        self._schemas: list[str] = []
        self._ensure(self.schema)

    def other(self, name: str) -> dict[str, Any]:
        schema = re.sub(r"\W", "_", f"{self.schema}_{name}")
        self._ensure(schema)
        return {"schema": schema}

    def scratch(self) -> dict[str, Any]:
        return self.other(f"scratch_{next(self._numbers)}")

    def _ensure(self, schema: str) -> None:
        if schema not in self._schemas:
            self._schemas.append(schema)
            _server_connection().execute(f'CREATE SCHEMA "{schema}"')

    def ddl(self, text: str) -> str:
        ours, theirs = mini_orm.PostgresDialect.types, mini_orm.SQLiteDialect.types
        words = {theirs[kind]: ours[kind] for kind in theirs if kind not in ("timedelta", "str")}
        words |= {"INTEGER PRIMARY KEY": self.auto_key, theirs["timedelta"]: "BIGINT"}
        longest = sorted(words, key=len, reverse=True)
        return re.sub(rf"\b({'|'.join(map(re.escape, longest))})\b", lambda found: words[found[0]], text)

    def trigger(self, name: str, when: str, table: str, body: str) -> list[str]:
        row = "OLD" if "DELETE" in when else "NEW"
        return [
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN {row}; END $$",
            f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
        ]

    def columns(self, table: str) -> dict[str, str]:
        sql = (
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped "
            "AND attrelid = to_regclass(quote_ident(%s)) ORDER BY attnum"
        )
        short = {
            "character varying": "varchar",
            "timestamp without time zone": "timestamp",
            "timestamp with time zone": "timestamptz",
            "time without time zone": "time",
        }
        found = {}
        with contextlib.closing(self.raw()) as conn:
            for name, kind in conn.execute(sql, [table]).fetchall():
                for word, other in short.items():
                    kind = kind.replace(word, other)
                found[name] = kind.upper()
        return found

    def close(self) -> None:
        _server_connection().execute(_END_OTHERS)  # what a test left open would keep its locks
        for schema in self._schemas:
            _server_connection().execute(f'DROP SCHEMA "{schema}" CASCADE')

    def address(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return what connects to the test's database; `options` has its schema."""
        schema = options.pop("schema", self.schema)
        return {**_test_database(), "options": f"-csearch_path={schema} -clock_timeout=15s"}

    begin = "BEGIN"

    def raw_of(self, conn: Any) -> Any:
        return conn

    async def value(self, conn: Any, sql: str) -> Any:
        was_open = self.in_transaction(conn)
        value = await super().value(conn, sql)
        if not was_open:
            await self.end(conn, "rollback")
        return value

    def is_as_opened(self, conn: Any) -> bool:
        return not conn.autocommit

    def kill(self, conn: Any) -> None:
        conn.pgconn.finish()

    def lock(self, table: str) -> list[str]:
        return ["BEGIN", f"LOCK TABLE {table} IN EXCLUSIVE MODE"]

    def is_free(self) -> bool:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in trans%'"
        with contextlib.closing(self.raw()) as conn:
            return bool(conn.execute(sql).fetchone()[0] == 0)

    def raw(self, **other: Any) -> Any:
        import psycopg

        return psycopg.connect(**self.address(other), autocommit=True)

    schema_sql = (
        "SELECT CASE relkind WHEN 'r' THEN 'table' WHEN 'i' THEN 'index' ELSE 'other' END, relname, "
        "coalesce((SELECT t.relname FROM pg_index JOIN pg_class AS t ON t.oid = indrelid WHERE indexrelid = c.oid), "
        "relname), "
        "coalesce(pg_get_indexdef(c.oid), '') || coalesce((SELECT string_agg(attname || ' ' || format_type(atttypid, "
        "atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END || coalesce(' ' || pg_get_expr(d.adbin, "
        "d.adrelid), ''), ', ' ORDER BY attnum) FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = "
        "a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped), '') || "
        "coalesce((SELECT string_agg(pg_get_constraintdef(k.oid), ', ' ORDER BY conname) FROM pg_constraint AS k "
        "WHERE k.conrelid = c.oid AND k.contype <> 'n'), '') "
        "FROM pg_class AS c WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind <> 'S' "
        "AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid AND contype IN ('p', 'u')) ORDER BY 1, 2"
    )

    def dump(self) -> list[str]:
        quote = mini_orm.PostgresDialect().quote
        with contextlib.closing(self.raw()) as conn:
            found = list(map(str, conn.execute(self.schema_sql).fetchall()))
            for (name,) in conn.execute(self.tables_sql).fetchall():
                found += [row for (row,) in conn.execute(f"SELECT t::text FROM {quote(name)} AS t ORDER BY 1")]
        return found

    def resume_keys(self, table: str, key: str) -> None:
        with contextlib.closing(self.raw()) as conn:
            quoted, column = (mini_orm.PostgresDialect().quote(name) for name in (table, key))
            highest = conn.execute(f"SELECT max({column}) FROM {quoted}").fetchone()[0]
            if highest is not None:
                conn.execute("SELECT setval(pg_get_serial_sequence(%s, %s), greatest(%s, 1))", [quoted, key, highest])


@functools.cache
def _test_database() -> dict[str, Any]:
    """Make this process's own database; return what connects to it. It is dropped at exit."""
    import psycopg

    params = servers.postgres()
    assert params is not None
    name = f"mini_orm_test_{os.getpid()}"
    with psycopg.connect(**params, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        # Text is sorted by code point, and letters of any language have their case.
        locale = "LOCALE 'C' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
        if conn.info.server_version < 170000:
            locale = "LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"
        conn.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {locale}")

    def drop() -> None:
        _server_connection().close()
        with psycopg.connect(**params, autocommit=True) as conn:
            conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    atexit.register(drop)
    return {**params, "dbname": name}


_END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@functools.cache
def _server_connection() -> Any:
    """Return the connection that makes schemas and drops them."""
    import psycopg

    return psycopg.connect(**_test_database(), autocommit=True)


class SyncPsycopg(PostgresBackend):
    """`Database` over psycopg 3."""

    name = "psycopg"
    face = "sync"
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

    async def forbid(self, conn: Any, word: str | None) -> None:
        import psycopg

        def refuse(sql: str) -> None:
            if sql == word or (word != "ROLLBACK" and sql.startswith(f"{word} ")):
                raise psycopg.OperationalError("refused by the test")

        await self.trace(conn, None if word is None else refuse)

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

    async def forbid(self, conn: Any, word: str | None) -> None:
        import psycopg2

        def refuse(sql: str) -> None:
            if sql == word or (word != "ROLLBACK" and sql.startswith(f"{word} ")):
                raise psycopg2.OperationalError("refused by the test")

        await self.trace(conn, None if word is None else refuse)

    async def run(self, conn: Any, sql: str) -> None:
        conn.cursor().execute(sql)

    def in_transaction(self, conn: Any) -> bool:
        return bool(conn.get_transaction_status())  # IDLE is 0

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
    face = "async"
    supports_blocking_calls = False
    supports_tasks = True


class AsyncPsycopg(PostgresBackend):
    """`AsyncDatabase` over psycopg 3's AsyncConnection, whose calls are awaited."""

    name = "psycopg-async"
    face = "async"
    supports_threads = False
    supports_awaited_pools = True

    def sql(self, text: str) -> str:
        return re.sub(r"(?<![:\w]):(\w+)", r"%(\1)s", text.replace("?", "%s"))

    @property
    def connector(self) -> Any:  # type: ignore[override]  # imported where it is used
        import psycopg

        return psycopg.AsyncConnection.connect

    def arguments(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the driver's arguments to connect to the test's database."""
        return self.address(options)

    async def connect(self, **options: Any) -> Any:
        options.pop("check_same_thread", None)
        return await self.connector(**self.arguments(options), **options)

    default_mode = False
    supports_autocommit = True

    def mode(self, conn: Any) -> Any:
        return conn.autocommit

    async def set_autocommit(self, conn: Any, autocommit: bool) -> None:
        await conn.set_autocommit(autocommit)

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

    async def forbid(self, conn: Any, word: str | None) -> None:
        error = self.driver_error(sqlite3.OperationalError)

        def refuse(sql: str) -> None:
            if sql == word or (word != "ROLLBACK" and sql.startswith(f"{word} ")):
                raise error("refused by the test")

        await self.trace(conn, None if word is None else refuse)

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

    def set_factories(self, conn: Any) -> Iterator[str]:
        yield from ()  # asyncpg takes them when it connects

    def driver_error(self, wanted: type[BaseException]) -> Any:
        import asyncpg

        if wanted is sqlite3.IntegrityError:
            return asyncpg.IntegrityConstraintViolationError
        return asyncpg.PostgresError, asyncpg.InterfaceError  # they have no base of their own

    async def forbid(self, conn: Any, word: str | None) -> None:
        import asyncpg

        def refuse(sql: str) -> None:
            if sql == word or (word != "ROLLBACK" and sql.startswith(f"{word} ")):
                raise asyncpg.InterfaceError("refused by the test")

        await self.trace(conn, None if word is None else refuse)

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
        schema = options.pop("schema", self.schema)
        address = {{"dbname": "database"}.get(name, name): value for name, value in _test_database().items()}
        return {**address, "server_settings": {"search_path": schema}}

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


SQLITE_BACKENDS: tuple[type[Backend], ...] = (SyncSqlite3, WorkerSqlite3, InlineSqlite3, Aiosqlite)
POSTGRES_BACKENDS: tuple[type[Backend], ...] = (
    SyncPsycopg,
    WorkerPsycopg,
    SyncPsycopg2,
    WorkerPsycopg2,
    AsyncPsycopg,
    Asyncpg,
)
BACKENDS: tuple[type[Backend], ...] = (*SQLITE_BACKENDS, *POSTGRES_BACKENDS)


class PooledDatabase(mini_orm.Database):
    """A `Database` on a pool of its own. `conn` is the connection that the next call will be on."""

    @property
    def conn(self) -> Any:
        return super().conn or self._source._idle[-1].conn  # type: ignore[union-attr]  # it is a pool

    def close(self, *, close_pool: bool = True) -> None:
        super().close(close_pool=close_pool)


class AsyncPooledDatabase(mini_orm.AsyncDatabase):
    """Async twin of `PooledDatabase`."""

    @property
    def conn(self) -> Any:
        return super().conn or self._source._idle[-1].conn  # type: ignore[union-attr]  # it is a pool

    async def aclose(self, *, close_pool: bool = True) -> None:
        await super().aclose(close_pool=close_pool)


class Pooled(Backend):
    """The same contracts on a pool of several connections; mixed into a backend."""

    async def open(self, **options: Any) -> Any:
        pool = self.pool(max_size=4, **options)
        await maybe_await(pool.release(await maybe_await(pool.acquire())))
        return PooledDatabase(pool) if self.face == "sync" else AsyncPooledDatabase(pool)


class PooledSqlite3(Pooled, SyncSqlite3):
    """`Database` over a pool of sqlite3 connections."""

    name = "sqlite3-pool"


class PooledWorkerSqlite3(Pooled, WorkerSqlite3):
    """`AsyncDatabase` over a pool of sqlite3 connections, whose operations run in worker threads."""

    name = "sqlite3-worker-pool"


class PooledAiosqlite(Pooled, Aiosqlite):
    """`AsyncDatabase` over a pool of aiosqlite connections."""

    name = "aiosqlite-pool"


POOLED_BACKENDS: tuple[type[Backend], ...] = (PooledSqlite3, PooledWorkerSqlite3, PooledAiosqlite)


class ContractCase(unittest.IsolatedAsyncioTestCase):
    """The base that a contract mixin is bound to: `self.backend`, `self.db` and the helpers below."""

    backend_class: type[Backend] = SyncSqlite3
    backend: Backend
    db: Any

    async def asyncSetUp(self) -> None:
        # unittest's loop is in debug mode, which reports every step of 0.1 s and takes three times as long.
        asyncio.get_running_loop().set_debug(False)
        await asyncio.sleep(0)  # it takes effect at the next step
        directory = tempfile.TemporaryDirectory(prefix="mini_orm_test_")
        self.addCleanup(directory.cleanup)
        self.backend = self.backend_class(directory.name)
        self.addCleanup(self.backend.close)
        self.db = await self.open()

    @property
    def is_async(self) -> bool:
        return self.backend.face == "async"

    async def open(self, **options: Any) -> Any:
        """Open a database on a new connection, closed at the end of the test."""
        db = await self.backend.open(**options)
        self.addAsyncCleanup(self.close, db)
        return db

    async def wrap(self, conn: Any, *args: Any, **kwargs: Any) -> Any:
        """Wrap a raw connection in a database, closed at the end of the test."""
        db = self.backend.database(conn, *args, **kwargs)
        self.addAsyncCleanup(self.close, db)
        return db

    async def close(self, db: Any) -> None:
        """Close a database of either face (twice is fine)."""
        if self.backend.face == "async":
            await db.aclose()
        else:
            db.close()

    def repo(self, model: type, db: Any = None, **flags: Any) -> Any:
        """Return a repository of this face, on `self.db` unless told otherwise."""
        return self.backend.repository(self.db if db is None else db, model, **flags)

    def hub(self, db: Any = None, **flags: Any) -> Any:
        """Return a hub of this face, on `self.db` unless told otherwise."""
        return self.backend.hub(self.db if db is None else db, **flags)

    def session(self, db: Any = None, **flags: Any) -> Any:
        """Return a session of this face, on `self.db` unless told otherwise."""
        return self.backend.session(self.db if db is None else db, **flags)

    async def create_tables(self, *models: type, db: Any = None, if_not_exists: bool = False) -> list[str]:
        """Run `apply_schema` on this face."""
        db = self.db if db is None else db
        if self.backend.face == "async":
            return await mini_orm.apply_schema_async(db, list(models), if_not_exists=if_not_exists)
        return mini_orm.apply_schema(db, list(models), if_not_exists=if_not_exists)

    async def table(self, model: type, rows: Iterable[Any] = ()) -> Any:
        """Create the table of `model`, insert `rows` into it, and return its repository."""
        await self.create_tables(model)
        repo = self.repo(model)
        await maybe_await(repo.insert_many(list(rows)))
        self.resume_keys(model)
        return repo

    def resume_keys(self, *models: type) -> None:
        """Have the database give out keys of these models beyond those that were given."""
        for meta in map(model_meta, models):
            if meta.auto is not None:
                self.backend.resume_keys(meta.table, meta.auto.column)

    @contextlib.asynccontextmanager
    async def transaction(self, db: Any = None, **options: Any) -> AsyncIterator[Any]:
        """Open `db.transaction(**options)` on this face and yield its `tx`."""
        scope = (self.db if db is None else db).transaction(**options)
        if self.backend.face == "async":
            async with scope as tx:
                yield tx
        else:
            with scope as tx:
                yield tx

    def spawn(self, work: Callable[..., Coroutine[Any, Any, Any]], *args: Any, inherit: bool = False) -> Handle:
        """Start `work(*args)` in a thread (sync face) or a task (async face).

        It starts in an empty context, as an unrelated caller's would be; with `inherit=True` in a copy of the
        current one, as `gather`, `TaskGroup` and `to_thread` do.
        """
        context = contextvars.copy_context() if inherit else contextvars.Context()
        if self.backend.face == "async":
            return self.spawn_task(work, *args, context=context)
        return self.spawn_thread(work, *args, context=context)

    def spawn_task(
        self, work: Callable[..., Coroutine[Any, Any, Any]], *args: Any, context: contextvars.Context
    ) -> Handle:
        """Start `work(*args)` in a task."""
        task = asyncio.get_running_loop().create_task(work(*args), context=context)

        async def join_task() -> Any:
            return await task

        return Handle(join_task)

    def spawn_thread(
        self, work: Callable[..., Coroutine[Any, Any, Any]], *args: Any, context: contextvars.Context
    ) -> Handle:
        """Start `work(*args)`, which never suspends, in a thread."""
        outcome: list[Any] = []

        def target() -> None:
            coroutine = work(*args)
            try:
                coroutine.send(None)
                outcome.append(AssertionError("work on the sync face suspended"))
            except StopIteration as done:
                outcome.append(done)
            except BaseException as exc:  # handed to join()
                outcome.append(exc)

        thread = threading.Thread(target=context.run, args=(target,), daemon=True)
        thread.start()

        async def join_thread() -> Any:
            # The loop stays free while it waits, so that async helpers of the test go on.
            while thread.is_alive():
                thread.join(0.005)
                await asyncio.sleep(0)
            if isinstance(outcome[0], StopIteration):
                return outcome[0].value
            raise outcome[0]

        return Handle(join_thread)

    async def together(self, works: Iterable[Callable[[], Coroutine[Any, Any, Any]]]) -> list[Any]:
        """Run all `works` at once (threads or tasks) and return their results, or their errors, in order."""
        results: list[Any] = []
        for handle in [self.spawn(work) for work in works]:
            try:
                results.append(await handle.join())
            except Exception as exc:
                results.append(exc)
        return results


def needs(*capabilities: str) -> Callable[[Test], Test]:
    """Bind one test of a contract only to backends that have these capabilities."""

    def mark(test: Test) -> Test:
        test.needs = capabilities  # type: ignore[attr-defined]  # a function takes any attribute
        return test

    return mark


def bind(contract: type, backend: type[Backend]) -> type[ContractCase]:
    """Make the test case of one contract on one backend."""
    name = f"{contract.__name__}_{backend.__name__}"
    body: dict[str, Any] = {"backend_class": backend, "__module__": contract.__module__, "__doc__": contract.__doc__}
    for test in dir(contract):
        if not _has(backend, getattr(getattr(contract, test), "needs", ())):
            body[test] = None  # unittest passes over what can't be called
    case = type(name, (contract, ContractCase), body)
    return where_there_is_a_server(case, backend)


def where_there_is_a_server(case: Any, backend: type[Backend]) -> Any:
    """Have a case skipped, with what would switch it on, where its backend needs a server and there is none."""
    if backend.server is None or servers.SERVERS[backend.server].from_environment() is not None:
        return case
    return unittest.skip(servers.reason(backend.server))(case)


def _has(backend: type[Backend], capabilities: Iterable[str]) -> bool:
    return all(getattr(backend, one, False) for one in capabilities)


def _is_left_out(backend: type[Backend]) -> bool:
    """Whether a quick run, MINI_ORM_TEST_DRIVERS=few, leaves a backend out: of a server it takes one."""
    return backend.server is not None and os.environ.get("MINI_ORM_TEST_DRIVERS") == "few" and not backend.is_first


def bind_all(namespace: dict[str, Any], *contracts: type, backends: Iterable[type[Backend]] = BACKENDS) -> None:
    """Put a case for every contract and backend into a test module's namespace, for unittest's discovery."""
    backends = tuple(backends)
    for contract in contracts:
        for backend in backends:
            if _has(backend, getattr(contract, "requires", ())) and not _is_left_out(backend):
                case = bind(contract, backend)
                namespace[case.__name__] = case
