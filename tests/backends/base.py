"""What a contract asks of a backend: its databases, what it can do, and what a user does to its connections by hand.

Capabilities are attributes; a contract asks for them and never for a product's name.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import mini_orm

#: A quick run takes few drivers, and does long tests with none of them in full.
IS_QUICK = os.environ.get("MINI_ORM_TEST_DRIVERS") == "few"


async def maybe_await(value: Any) -> Any:
    """Await what the async face returns; hand back what the sync face returns."""
    return await value if inspect.isawaitable(value) else value


class Backend:
    """One driver on one face. `path` is a file in the test's own directory."""

    name: str
    face: str  # "sync" or "async"
    #: The name of the dialect that goes with it.
    dialect = "sqlite"
    #: Which of `tests.servers` it needs.
    server: str | None = None
    #: What it imports that the `test` extra may have left out.
    package: str | None = None
    #: Of its database's drivers the first of its face: it does long tests in full, and a quick run takes it.
    is_first = False
    #: What values and SQL are to its driver shows on the other face, and what worker threads do with another driver.
    repeats_values = False
    #: The database is a file, or in memory.
    uses_file = True
    #: Who writes has the whole database locked, and who reads keeps it from being committed.
    locks_file = True
    #: The settings of a session are pragmas.
    uses_pragmas = True
    #: A savepoint outside of a transaction opens one.
    savepoints_begin = True
    #: A statement may say that its failure ends the transaction.
    conflicts_roll_back = True
    #: A column takes values of any type, and text of any bytes.
    stores_anything = True
    #: `zeroblob` makes a value that is too large to be kept.
    supports_zeroblob = True
    #: Connections have `isolation_level`, `detect_types` and what else is sqlite3's own.
    supports_isolation_level = True
    #: The driver can be told to connect in autocommit.
    opens_in_autocommit = True
    #: A transaction goes on after a statement in it has failed.
    survives_errors = True
    #: A transaction takes nothing but a rollback after a statement in it has failed.
    aborts_on_errors = False
    #: Times, Decimals, UUIDs and JSON are kept as text, in one form each.
    stores_text = True
    #: A float column keeps NaN.
    keeps_nan = False
    #: A float column keeps infinities.
    keeps_infinity = True
    #: Digits that a Decimal without limits of its own may have before the point, and after it.
    decimal_digits = (1000, 1000)
    #: A key that the database gives out may be given as 0.
    keeps_zero_keys = True
    #: The database gives out keys below the largest one that there is.
    finds_free_keys = True
    #: Levels that a JSON value may have, above that of the document.
    json_depth = 100
    #: An index may be on columns of any type and length.
    indexes_every_column = True
    #: A trigger can leave out the row that fired it.
    triggers_skip_rows = True
    #: A trigger can write into the table whose statement fired it.
    triggers_write_their_table = True
    #: An error says which table and columns it is about; else it names a constraint alone.
    tells_columns = True
    #: The driver tells the SQLSTATE of every error.
    tells_sqlstate = True
    #: What CAST calls text.
    text_type = "TEXT"
    #: A unique index may be on an expression.
    supports_expression_indexes = True
    #: A constraint may be checked when the transaction ends.
    supports_deferred_keys = True
    #: Two statements in one text are an error.
    refuses_scripts = True
    #: Raw SQL may name its parameters, and take a mapping.
    supports_named_params = True
    #: SQL can call a function of the test's, by the driver's `create_function`.
    supports_functions = True
    #: The driver tells the key of the last row inserted.
    supports_last_id = True
    #: A database has schemas, and what lives in them: sequences, types, materialized views.
    has_schemas = False
    #: Rows have a number of their own, which an integer key is another name of.
    has_rowids = True
    #: There are tables whose module keeps the rows.
    has_virtual_tables = True
    #: There is the collation NOCASE, and a name in quotes that leads nowhere is a text.
    has_nocase = True
    #: Any words are a type of a column.
    takes_any_type = True
    #: Not every column can be added to a table that has rows.
    limits_added_columns = True
    #: LIKE ignores the case of ASCII letters.
    like_ignores_case = True
    #: A foreign key can be made before the table that it refers to.
    supports_early_foreign_keys = True
    #: A foreign key may refer to a row that is not there.
    supports_dangling_keys = True
    #: A statement that changes the schema is part of the transaction in which it runs.
    supports_transactional_ddl = True
    #: A statement that changes the schema commits the transaction in which it runs.
    commits_ddl = False
    #: The index of a UNIQUE has a name that no other can have.
    names_uniques_itself = True
    #: Names of indexes are those of the whole database, and names of tables don't mind case.
    shares_names = True
    #: NULL may stand as the default of a column that is NOT NULL.
    takes_null_for_a_default = True
    #: The catalog has the temporary tables of the session.
    tells_temporary_tables = True
    #: The type of a text column that may be in a key, and the metadata that say so.
    keyed_text = "TEXT"
    keyed: Mapping[str, Any] = {}
    #: The driver's own `commit` ends what SQL began.
    supports_driver_commit = True
    #: What makes a column a key that the database gives out.
    auto_key = "INTEGER PRIMARY KEY"
    #: Other statements run in a transaction while rows are read in parts; else the server takes none meanwhile.
    interleaves_reading = True
    reads_alone = False
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
    #: What the driver's function returns is a connection before it is awaited, too, and tells its dialect.
    connects_at_once = True
    #: The driver's connection is bound to a thread unless it is told otherwise.
    supports_thread_check = False
    #: A pool's connections are awaited.
    supports_awaited_pools = False

    def __init_subclass__(cls) -> None:
        cls.is_first = vars(cls).get("is_first", False)  # a driver that is like the first one is not the first

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self.path = self.directory / "test.sqlite3"

    def amount(self, full: int, short: int) -> int:
        """Return how much of a long test this backend does: all that the first of its face does, or less."""
        return full if self.is_first and not IS_QUICK else short

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

    def arguments(self, options: dict[str, Any]) -> dict[str, Any]:
        """Take out of `options` what is the backend's own; return `connector`'s arguments for the test's database."""
        return {"database": options.pop("path", self.path)}

    def nowhere(self) -> dict[str, Any]:
        """Return `connector`'s arguments for a database that can't be had."""
        return {"database": self.directory / "missing" / "file.sqlite3"}

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

    #: Settings of a session, each with another value than it has at first.
    settings: Mapping[str, Any] = {
        "foreign_keys": 0,
        "query_only": 1,
        "busy_timeout": 77,
        "ignore_check_constraints": 1,
        "recursive_triggers": 1,
    }
    #: One of them that changes nothing of what a test does.
    harmless = "recursive_triggers"

    def setting(self, name: str, value: Any) -> str:
        """Return the statement that changes a setting of the session."""
        return f"PRAGMA {name} = {value}"

    def show(self, name: str) -> str:
        """Return the query for a setting of the session."""
        return f"PRAGMA {name}"

    def told(self) -> tuple[dict[str, Any], Any, dict[str, Any]]:
        """Return options of a pool, with the mode and the settings in which its connections are opened then."""
        return {"isolation_level": "EXCLUSIVE", "timeout": 1.5}, "EXCLUSIVE", {"busy_timeout": 1500}

    def in_autocommit(self) -> dict[str, Any]:
        """Return the options of a pool whose connections are opened in autocommit."""
        return {"isolation_level": None}

    def factories(self, conn: Any) -> Any:
        """Return what makes rows and values on the connection."""
        return conn.row_factory, conn.text_factory

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

    def look(self, **other: Any) -> contextlib.AbstractContextManager[Any]:
        """Give for the time of a block what `raw` opens, to look only."""
        return contextlib.closing(self.raw(**other))

    def sql(self, text: str) -> str:
        """Write the marks `?` and `:name` of a statement in the driver's own style."""
        return text

    def takes_name(self, name: str) -> bool:
        """Tell whether a table or a column can have this name."""
        return True

    def takes_decimal(self, value: Decimal) -> bool:
        """Tell whether a Decimal column without limits of its own keeps this value."""
        before, after = self.decimal_digits
        exponent = value.as_tuple().exponent
        return value.adjusted() < before and isinstance(exponent, int) and -exponent <= after

    def ddl(self, text: str) -> str:
        """Write a statement that makes a table with the database's own types."""
        return text

    def trigger(self, name: str, when: str, table: str, body: str) -> list[str]:
        """Return the statements that make a trigger, for example `AFTER INSERT`; `body` sees the row as NEW or OLD."""
        return [f"CREATE TRIGGER {name} {when} ON {table} BEGIN {body}; END"]

    def raising(self, message: str) -> str:
        """Return the body of a trigger that refuses the row."""
        return f"SELECT RAISE(ABORT, '{message}')"

    def columns(self, table: str) -> dict[str, str]:
        """Return the declared types of a table's columns."""
        with self.look() as conn:
            return {row[1]: row[2] for row in conn.execute(f'PRAGMA table_info("{table}")').fetchall()}

    async def trace(self, conn: Any, note: Callable[[str], Any] | None) -> None:
        """Have every statement told that the connection starts from now on; `None` ends that."""
        await maybe_await(conn.set_trace_callback(note))

    def runs_elsewhere(self, look: Any) -> bool:
        """Whether the database runs a statement of a session other than `look`; `trace` tells of it when it does."""
        return True

    def trace_opened(self, conn: Any, note: Callable[[str], Any]) -> None:
        """Do what `trace` does to a connection that was just opened."""
        conn.set_trace_callback(note)

    #: The driver's own mode, as it is by default.
    default_mode: Any = ""
    #: The driver's mode is called autocommit.
    supports_autocommit = False

    def mode(self, conn: Any) -> Any:
        """Return the driver's mode."""
        return conn.isolation_level

    async def run(self, conn: Any, sql: str) -> None:
        """Run SQL on the driver's connection behind mini_orm's back, in the connection's own mode."""
        await maybe_await(conn.execute(sql))

    async def set_autocommit(self, conn: Any, autocommit: bool) -> None:
        """Have the driver begin no transaction by itself, or begin them as it does by default."""
        await self.set_attribute(conn, "isolation_level", None if autocommit else "")

    async def set_attribute(self, conn: Any, name: str, value: Any) -> None:
        """Set an attribute of the connection in the thread where it lives."""
        raw = self.raw_of(conn)
        await maybe_await(setattr(raw, name, value) if raw is conn else conn._execute(setattr, raw, name, value))

    def set_factories(self, conn: Any) -> Iterator[str]:
        """Set what makes rows and cursors to one thing after the other; yield what that is."""
        conn.row_factory = sqlite3.Row
        yield "row_factory"
        conn.text_factory = bytes
        yield "text_factory"

    def driver_error(self, wanted: type[BaseException]) -> type[BaseException]:
        """Return the driver's own class that goes by the name of one of sqlite3's."""
        return wanted

    def code(self, error: Any, sqlite: str, sqlstate: str) -> tuple[Any, str]:
        """Return the database's own code of an error, and the one that it should be."""
        return error.sqlite_errorname, sqlite

    #: What the statement has in it that puts a session back.
    reset = "PRAGMA"

    def refusal(self) -> Exception:
        """Return an error as the driver raises it."""
        return sqlite3.OperationalError("refused by the test")

    async def forbid(self, conn: Any, word: str | None) -> None:
        """Have the connection refuse BEGIN, ROLLBACK, ROLLBACK TO or `reset` as a broken one does; `None` ends that."""
        await maybe_await(conn.set_authorizer(None if word is None else _refusing(word)))

    def forbid_opened(self, conn: Any, word: str) -> None:
        """Do what `forbid` does to a connection that was just opened."""
        conn.set_authorizer(_refusing(word))

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
    #: Other ways to say BEGIN and COMMIT.
    other_begin, other_commit = "begin transaction", "END TRANSACTION"
    #: What opens a transaction in the place of one that it ends; others refuse it.
    reopening: tuple[str, ...] = ()

    def lock(self, table: str) -> list[str]:
        """Return the statements that open a transaction which keeps others from writing to a table."""
        return [self.begin]

    def tables(self, **other: Any) -> list[str]:
        """Return the names of the tables that are there, in order; of another database, if `other` says which."""
        with self.look(**other) as conn:
            return [name for (name,) in conn.execute(self.tables_sql).fetchall()]

    def indexes(self, **other: Any) -> list[str]:
        """Return the names of the indexes that are there, but for those of keys, in order."""
        with self.look(**other) as conn:
            return [name for (name,) in conn.execute(self.indexes_sql).fetchall()]

    def dump(self) -> list[str]:
        """Return the whole database as text: schema and rows."""
        with self.look() as conn:
            return list(conn.iterdump())

    #: Asks for all that the schema has: type, name, table, and text of each.
    schema_sql = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"

    def keys_from(self, table: str, key: str, first: int) -> list[str]:
        """Return the statements that have the database give out keys from `first` on, if it can be told."""
        return []  # SQLite goes on after the highest one

    def resume_keys(self, table: str, key: str) -> None:
        """Have the database give out keys beyond those that were given, if it does not do so by itself."""

    def drop_index(self, name: str, table: str) -> str:
        """Return the statement that drops an index."""
        return f'DROP INDEX "{name}"'

    #: Asks for the names of all tables, in order.
    tables_sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    #: Asks for the names of all indexes that were made as such, in order.
    indexes_sql = "SELECT name FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite_%' ORDER BY name"


class RefusingByTrace:
    """`forbid` where a statement is traced before it is sent; mixed into a backend."""

    async def forbid(self: Any, conn: Any, word: str | None) -> None:
        await self.trace(conn, None if word is None else self._refusing(word))

    def forbid_opened(self: Any, conn: Any, word: str) -> None:
        self.trace_opened(conn, self._refusing(word))

    def _refusing(self: Any, word: str) -> Callable[[str], None]:
        def refuse(sql: str) -> None:
            if sql == word or (word != "ROLLBACK" and word in sql):
                raise self.refusal()

        return refuse


def _refusing(word: str) -> Callable[..., int]:
    """Make an authorizer of SQLite's that denies a kind of statement."""
    kinds = {"ROLLBACK TO": sqlite3.SQLITE_SAVEPOINT, "PRAGMA": sqlite3.SQLITE_PRAGMA}
    kind = kinds.get(word, sqlite3.SQLITE_TRANSACTION)
    denied = None if word == "PRAGMA" else word.split()[0]

    def authorize(code: int, first: str | None, *_: Any) -> int:
        return sqlite3.SQLITE_DENY if code == kind and denied in (None, first) else sqlite3.SQLITE_OK

    return authorize
