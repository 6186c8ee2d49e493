"""MySQL and MariaDB: a database for each test, which is what these call a schema."""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import mini_orm
from tests import servers
from tests.backends.base import Backend, RefusingByTrace
from tests.backends.sessions import MySQLSessions

#: Held by who looks into the databases.
_LOOKING = threading.RLock()
#: As a user may set a session: tests speak the SQL of all other databases. Nothing waits long for locks.
SESSION = (
    "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES,PIPES_AS_CONCAT'), SESSION innodb_lock_wait_timeout = 15, "
    "SESSION lock_wait_timeout = 15"
)


class MySQLBackend(MySQLSessions, RefusingByTrace, Backend):
    """A driver of MySQL and MariaDB: a database for each test."""

    server = dialect = "mysql"
    uses_file = False
    locks_file = False
    uses_pragmas = False
    savepoints_begin = False
    conflicts_roll_back = False
    stores_anything = False
    supports_zeroblob = False
    supports_isolation_level = False
    has_rowids = False
    has_virtual_tables = False
    has_nocase = False
    takes_any_type = False
    limits_added_columns = False
    like_ignores_case = False
    stores_text = False
    supports_functions = False
    supports_early_foreign_keys = False
    supports_dangling_keys = False
    names_uniques_itself = False
    supports_transactional_ddl = False
    commits_ddl = True
    shares_names = False
    takes_null_for_a_default = False
    interleaves_reading = False
    reads_alone = True
    tells_temporary_tables = False
    keyed_text = "VARCHAR(255)"
    keyed = {"max_length": 255}
    keeps_infinity = False
    keeps_zero_keys = False
    finds_free_keys = False
    decimal_digits = (28, 10)
    indexes_every_column = False
    triggers_skip_rows = False
    triggers_write_their_table = False
    tells_columns = False
    tells_sqlstate = False  # mysqlclient has none
    text_type = "CHAR"
    json_depth = 30  # https://mariadb.com/kb/en/json_valid/: 32 are valid
    supports_expression_indexes = False
    supports_deferred_keys = False
    auto_key = "BIGINT AUTO_INCREMENT PRIMARY KEY"
    tables_sql = (
        "SELECT table_name AS name FROM information_schema.tables "
        "WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY 1"
    )
    #: A foreign key makes an index of its own, by its own name or its column's.
    indexes_sql = (
        "SELECT DISTINCT index_name AS name FROM information_schema.statistics WHERE table_schema = DATABASE() "
        "AND index_name <> 'PRIMARY' AND (table_name, index_name) NOT IN ("
        "SELECT table_name, constraint_name FROM information_schema.key_column_usage "
        "WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL UNION ALL "
        "SELECT table_name, column_name FROM information_schema.key_column_usage "
        "WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL) ORDER BY 1"
    )
    _numbers = itertools.count(1)

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self.schema = f"{_prefix()}{next(self._numbers)}"
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
            _server_connection().execute(f"CREATE DATABASE {schema}")

    def sql(self, text: str) -> str:
        return re.sub(r"(?<![:\w]):(\w+)", r"%(\1)s", text.replace("?", "%s"))

    def takes_name(self, name: str) -> bool:
        # https://dev.mysql.com/doc/refman/8.4/en/identifiers.html
        is_ended = not name.endswith(tuple(" \t\n\v\f\r"))
        return len(name) <= 64 and is_ended and all(letter <= "\uffff" for letter in name)

    def ddl(self, text: str) -> str:
        ours, theirs = mini_orm.MySQLDialect.types, mini_orm.SQLiteDialect.types
        words = {theirs[kind]: ours[kind] for kind in theirs if kind not in ("timedelta", "str")}
        words |= {"INTEGER PRIMARY KEY": self.auto_key, theirs["timedelta"]: "BIGINT"}
        longest = sorted(words, key=len, reverse=True)
        text = text.replace("NOT NULL GENERATED", "GENERATED")  # which MariaDB does not take
        return re.sub(rf"\b({'|'.join(map(re.escape, longest))})\b", lambda found: words[found[0]], text)

    def trigger(self, name: str, when: str, table: str, body: str) -> list[str]:
        return [f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW BEGIN {body}; END"]

    def raising(self, message: str) -> str:
        return f"SIGNAL SQLSTATE '23000' SET MESSAGE_TEXT = '{message}'"

    def columns(self, table: str) -> dict[str, str]:
        sql = (
            "SELECT column_name, column_type FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position"
        )
        with self.look() as conn:
            found = {name: _type(kind) for name, kind in conn.execute(sql, [table]).fetchall()}
            if found:
                made = conn.execute(f"SHOW CREATE TABLE {mini_orm.MySQLDialect().quote(table)}").fetchone()[1]
                # MariaDB's JSON is text with a check.
                found |= dict.fromkeys(re.findall(r'json_valid\([`"](.*?)[`"]\)', made), "JSON")
        return found

    def close(self) -> None:
        """Drop the test's databases; what a test left open would keep its locks."""
        conn = _server_connection()
        names = ", ".join(f"'{schema}'" for schema in self._schemas)
        for (number,) in conn.execute(
            f"SELECT id FROM information_schema.processlist WHERE db IN ({names}) AND id <> CONNECTION_ID()"
        ).fetchall():
            with contextlib.suppress(conn.Error):  # it has gone by itself
                conn.execute(f"KILL {number}")
        for schema in self._schemas:
            conn.execute(f"DROP DATABASE {schema}")

    def address(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return what connects to the test's database; `options` has its name, and what its sessions are like."""
        params = servers.mysql()
        assert params is not None
        session = options.pop("init_command", SESSION)
        if options.pop("snapshots", False):
            session += ", SESSION innodb_snapshot_isolation = ON"
        if (level := options.pop("isolation", None)) is not None:
            session += f", SESSION {self.isolation_setting} = '{level.replace(' ', '-')}'"
        return {**params, "database": options.pop("schema", self.schema), "init_command": session, "charset": "utf8mb4"}

    def arguments(self, options: dict[str, Any]) -> dict[str, Any]:
        return self.address(options)

    def nowhere(self) -> dict[str, Any]:
        return {**self.arguments({}), "user": "nobody_at_all"}

    @property
    def settings(self) -> Mapping[str, Any]:  # type: ignore[override]  # a name depends on the server
        return {
            "sql_mode": "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
            "innodb_lock_wait_timeout": 7,
            "time_zone": "'+03:00'",
            "foreign_key_checks": 0,
            "div_precision_increment": 7,
            "autocommit": 1,
            self.isolation_setting: "'SERIALIZABLE'",
            "database": "information_schema",
            "lock": "'mine'",
        }

    @property
    def isolation_setting(self) -> str:
        """The variable that has a session's isolation level."""
        return "tx_isolation" if self.is_mariadb else "transaction_isolation"

    harmless = "div_precision_increment"

    def setting(self, name: str, value: Any) -> str:
        if name == "database":
            return f"USE {value}"
        return f"DO GET_LOCK({value}, 1)" if name == "lock" else f"SET SESSION {name} = {value}"

    def show(self, name: str) -> str:
        # Whether it is this session's lock shows in that it is one at all: nobody else takes it.
        function = {"database": "DATABASE()", "lock": "IS_USED_LOCK('mine') IS NULL"}.get(name, f"@@SESSION.{name}")
        return f"SELECT {function} AS value"

    reset = "UNLOCK TABLES"

    begin = "BEGIN"
    other_begin, other_commit = "start transaction", "COMMIT WORK"
    reopening = ("BEGIN", "begin work", " START TRANSACTION READ ONLY")

    @property
    def is_mariadb(self) -> bool:
        """Whether the server is MariaDB, whose variables have other names than MySQL's."""
        return _is_mariadb()

    def raw_of(self, conn: Any) -> Any:
        return conn

    def lock(self, table: str) -> list[str]:
        return ["BEGIN", f"SELECT * FROM {table} FOR UPDATE"]

    def is_free(self) -> bool:
        with self.look() as conn:
            self.await_statements(conn)
            return not self.open_sessions(conn)

    def raw(self, **other: Any) -> Any:
        return _raw_connection()(**MySQLBackend.address(self, other))

    @contextlib.contextmanager
    def look(self, **other: Any) -> Iterator[Any]:
        with _LOOKING:  # threads look, too, and may not meet on a connection
            conn = _server_connection()  # there already, and quicker than a new one for each look
            conn.select_db(other.get("schema", self.schema))
            yield conn

    #: What belongs to a table is told in rows of its own: a join of these views would open all of a server's tables.
    schema_sql = (
        "SELECT 'table', table_name, table_name, table_collation FROM information_schema.tables "
        "WHERE table_schema = DATABASE() UNION ALL "
        "SELECT 'column', column_name, table_name, CONCAT_WS(' ', ordinal_position, column_type, collation_name, "
        "is_nullable, column_default, extra) FROM information_schema.columns WHERE table_schema = DATABASE() UNION ALL "
        "SELECT 'key', constraint_name, table_name, CONCAT_WS(' ', ordinal_position, column_name, "
        "referenced_table_name, referenced_column_name) FROM information_schema.key_column_usage "
        "WHERE table_schema = DATABASE() UNION ALL "
        "SELECT 'reference', constraint_name, table_name, delete_rule FROM information_schema.referential_constraints "
        "WHERE constraint_schema = DATABASE() UNION ALL "
        "SELECT 'index', index_name, table_name, CONCAT_WS(' ', non_unique, seq_in_index, column_name, sub_part, "
        "collation) FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_name <> 'PRIMARY' "
        "ORDER BY 1, 2, 3, 4"
    )

    def keys_from(self, table: str, key: str, first: int) -> list[str]:
        return [f"ALTER TABLE {table} AUTO_INCREMENT = {first}"]

    def drop_index(self, name: str, table: str) -> str:
        return f'DROP INDEX "{name}" ON "{table}"'

    def dump(self) -> list[str]:
        quote = mini_orm.MySQLDialect().quote
        with self.look() as conn:
            found = list(map(str, conn.execute(self.schema_sql).fetchall()))
            for (name,) in conn.execute(self.tables_sql).fetchall():
                found += sorted(map(str, conn.execute(f"SELECT * FROM {quote(name)}").fetchall()))
        return found


@functools.cache
def _raw_connection() -> Any:
    """Return a class of PyMySQL connections that have the methods of sqlite3's that tests use."""
    import pymysql

    class Cursor(pymysql.cursors.Cursor):
        def fetchall(self) -> list[Any]:
            return list(super().fetchall())

    class Connection(pymysql.connections.Connection):
        def execute(self, sql: str, params: Any = None) -> Cursor:
            cursor: Cursor = self.cursor()
            cursor.execute(sql, params)
            return cursor

        def close(self) -> None:
            if self.open:  # else PyMySQL refuses
                super().close()

    # Reading the system's certificates, which nothing here is about, would take most of the time of a connection.
    return functools.partial(Connection, autocommit=True, cursorclass=Cursor, ssl_disabled=True)


def _type(kind: str) -> str:
    """Return a column's type as the dialect writes it, without the widths that MariaDB shows."""
    short = re.sub(r"^(BIGINT|INT)\(\d+\)", r"\1", kind.upper())
    return short.replace("DECIMAL", "NUMERIC").replace("TINYINT(1)", "BOOLEAN")


@functools.cache
def _prefix() -> str:
    """Return what the names of this process's databases begin with; those that an earlier one left are dropped."""
    prefix = f"mini_orm_test_{os.getpid()}_"
    conn = _server_connection()
    for name in _databases(conn, prefix):
        conn.execute(f"DROP DATABASE {name}")
    return prefix


def _databases(conn: Any, prefix: str) -> Iterator[str]:
    names = conn.execute("SELECT schema_name FROM information_schema.schemata").fetchall()
    yield from (name for (name,) in names if name.startswith(prefix))


@functools.cache
def _is_mariadb() -> bool:
    [(version,)] = _server_connection().execute("SELECT VERSION()").fetchall()
    return "MariaDB" in version


@functools.cache
def _server_connection() -> Any:
    """Return the connection that makes databases and drops them."""
    params = servers.mysql()
    assert params is not None
    address = {key: value for key, value in params.items() if key != "database"}
    conn = _raw_connection()(**address, charset="utf8mb4", init_command=SESSION)
    atexit.register(conn.close)
    return conn
