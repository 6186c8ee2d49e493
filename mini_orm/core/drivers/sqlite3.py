"""The standard library's sqlite3.

Rules of this file:
- Outside of a transaction sqlite3 begins one by itself before it writes, unless `isolation_level` is `None`. While
  mini_orm uses the connection it is; what the user set comes back after each use.
- `row_factory` never matters, as cursors are our own; `text_factory` is set aside for each use.
- The class of an error is chosen by SQLite's extended code. sqlite3 raises OperationalError for a syntax error and
  for a lock alike. Source: https://www.sqlite.org/rescode.html
"""

from __future__ import annotations

import functools
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any, ClassVar

from ...errors import (
    CheckViolation,
    ConfigurationError,
    ConnectionLost,
    DatabaseError,
    DataError,
    ForeignKeyViolation,
    IntegrityError,
    LockTimeout,
    NotNullViolation,
    OperationalError,
    ProgrammingError,
    SerializationFailure,
    UniqueViolation,
)
from ..decimals import decimal_text
from ..dialects.sqlite import SQLiteDialect, float_bits
from .base import Driver

_BUSY, _LOCKED, _LOCKED_SHARED, _BUSY_SNAPSHOT, _TRIGGER = 5, 6, 262, 517, 1811
# Extended codes first, then primary ones.
_CLASSES: dict[int, type[DatabaseError]] = {
    1555: UniqueViolation,  # SQLITE_CONSTRAINT_PRIMARYKEY
    2067: UniqueViolation,  # SQLITE_CONSTRAINT_UNIQUE
    2579: UniqueViolation,  # SQLITE_CONSTRAINT_ROWID
    787: ForeignKeyViolation,  # SQLITE_CONSTRAINT_FOREIGNKEY
    1299: NotNullViolation,  # SQLITE_CONSTRAINT_NOTNULL
    275: CheckViolation,  # SQLITE_CONSTRAINT_CHECK
    _BUSY_SNAPSHOT: SerializationFailure,
    1: ProgrammingError,  # SQLITE_ERROR: syntax, a missing table or column
    _BUSY: LockTimeout,
    _LOCKED: LockTimeout,
    18: DataError,  # SQLITE_TOOBIG
    19: IntegrityError,  # SQLITE_CONSTRAINT
    20: DataError,  # SQLITE_MISMATCH
    21: ProgrammingError,  # SQLITE_MISUSE
    25: ProgrammingError,  # SQLITE_RANGE
}
#: What a user may set on a connection, and mini_orm relies on: all cheap to read and to set.
_SESSION = ("foreign_keys", "query_only", "busy_timeout", "ignore_check_constraints", "recursive_triggers")
_CONNECT_ARGUMENTS = (
    "database",
    "timeout",
    "detect_types",
    "isolation_level",
    "check_same_thread",
    "factory",
    "cached_statements",
    "uri",
)
_MISSING = re.compile(r"^no such (table|column|index)|has no column named")
_FAILED = re.compile(r"(UNIQUE|NOT NULL|CHECK) constraint failed: (.*)", re.DOTALL)
# Python's own converters, and whose types mini_orm declares columns with.
_DECLARED = {word.partition("(")[0].upper() for word in SQLiteDialect.types.values()}


class Sqlite3Driver(Driver):
    """Runs SQL through `sqlite3.Connection`."""

    name = "sqlite3"
    requires_idle = True
    look_sql = "PRAGMA schema_version"
    no_params = ()
    # sqlite3 lets these through for values that it can't bind.
    errors: ClassVar[tuple[type[BaseException], ...]] = (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError)

    def dialect(self) -> SQLiteDialect:
        return SQLiteDialect()

    def raw(self, conn: Any) -> Any:
        return conn

    def check(self, conn: sqlite3.Connection) -> None:
        if sqlite3.sqlite_version_info < (3, 35):
            raise ConfigurationError(f"mini_orm needs SQLite 3.35 or later, this is {sqlite3.sqlite_version}")
        try:
            autocommit = getattr(conn, "autocommit", None)
        except sqlite3.ProgrammingError:
            return  # another thread's, or closed; checked again where it is used
        if autocommit is False:
            raise ConfigurationError(
                "this sqlite3 connection has autocommit=False, which keeps a transaction open all the time; "
                "connect without it: sqlite3.connect(path)"
            )

    def prepare(self, conn: sqlite3.Connection) -> None:
        try:
            self._register(conn)
        except sqlite3.OperationalError:
            # A statement of the user's is running, and another database has registered them before.
            if conn.execute("SELECT mini_orm_int(1)").fetchone() is None:
                raise

    def _register(self, conn: sqlite3.Connection) -> None:
        conn.create_function("mini_orm_ilike", 2, _ilike, deterministic=True)
        conn.create_function("mini_orm_bits", 1, _bits, deterministic=True)
        conn.create_function("mini_orm_int", 1, _int, deterministic=True)
        conn.create_function("mini_orm_startswith", 2, _startswith, deterministic=True)
        conn.create_function("mini_orm_endswith", 2, _endswith, deterministic=True)
        for sign, name in (("+", "add"), ("-", "subtract"), ("*", "multiply")):
            function = functools.partial(_decimal_arithmetic, getattr(_EXACT, name))
            short = {"+": "add", "-": "sub", "*": "mul"}[sign]
            conn.create_function(f"mini_orm_decimal_{short}", 2, function, deterministic=True)
        conn.create_function("mini_orm_decimal_fit", 3, _decimal_fit, deterministic=True)
        conn.create_collation("mini_orm_decimal", _compare_decimals)

    def _refuse_converters(self, conn: sqlite3.Connection) -> None:
        # There is no telling a connection's detect_types but by its effect on a column of a declared type.
        suspects = sorted(_DECLARED & set(sqlite3.converters))
        if not suspects:
            return
        cursor = self.cursor(conn)
        cursor.execute(f"CREATE TEMP TABLE mini_orm_probe (value {suspects[0]})")
        try:
            cursor.execute("INSERT INTO mini_orm_probe VALUES ('mini_orm')")
            try:
                [value] = cursor.execute("SELECT value FROM mini_orm_probe").fetchone()
            except Exception:  # the user's converter choked on the probe, so it was called
                value = None
            if value != "mini_orm":
                raise ConfigurationError(
                    f"this connection converts {suspects[0]} columns by itself (detect_types and a registered "
                    "converter), so values would be decoded twice; open it without detect_types"
                )
        finally:
            cursor.close()
            conn.rollback()
            conn.execute("DROP TABLE IF EXISTS temp.mini_orm_probe")

    def cursor(self, conn: sqlite3.Connection) -> sqlite3.Cursor:
        cursor = sqlite3.Cursor(conn)
        cursor.row_factory = None
        return cursor

    def in_transaction(self, conn: sqlite3.Connection) -> bool:
        return conn.in_transaction

    def is_fit(self, conn: sqlite3.Connection) -> bool:
        return conn.isolation_level is None and conn.text_factory is str

    def mode(self, conn: sqlite3.Connection) -> Any:
        isolation, text = conn.isolation_level, conn.text_factory
        return None if isolation is None and text is str else (isolation, text)

    def set_mode(self, conn: sqlite3.Connection, *, idle: bool) -> None:
        conn.text_factory = str
        if idle:
            conn.isolation_level = None

    def restore_mode(self, conn: sqlite3.Connection, mode: Any) -> bool:
        isolation, conn.text_factory = mode
        if conn.isolation_level != isolation:
            conn.isolation_level = isolation
        return True

    def prepare_idle(self, conn: sqlite3.Connection) -> None:
        self._refuse_converters(conn)
        # SQLite ignores it inside a transaction. Source: https://www.sqlite.org/pragma.html#pragma_foreign_keys
        conn.execute("PRAGMA foreign_keys = ON")

    def classify(
        self, exc: BaseException, conn: sqlite3.Connection | None
    ) -> tuple[type[DatabaseError], dict[str, Any]]:
        code = getattr(exc, "sqlite_errorcode", None)
        if code is None:
            if conn is not None and _is_closed(conn):
                return ConnectionLost, {}
            return (ProgrammingError, {}) if isinstance(exc, sqlite3.Error | sqlite3.Warning) else (DataError, {})
        ours = _CLASSES.get(code) or _CLASSES.get(code & 0xFF) or OperationalError
        if code == _TRIGGER and str(exc) == "FOREIGN KEY constraint failed":
            ours = ForeignKeyViolation  # ON DELETE RESTRICT has the code of a trigger, and no other mark than its text
        return ours, _constraint(str(exc)) if issubclass(ours, IntegrityError) else {}

    def is_busy(self, exc: BaseException) -> bool:
        # A plain SQLITE_LOCKED is this connection's own doing, and waiting does not help.
        code = getattr(exc, "sqlite_errorcode", 0)
        return (code & 0xFF == _BUSY and code != _BUSY_SNAPSHOT) or code == _LOCKED_SHARED

    def is_unwaited(self, exc: BaseException) -> bool:
        # Connections that share a cache; SQLite's busy handler is not asked.
        # Source: https://www.sqlite.org/rescode.html#locked_sharedcache
        return getattr(exc, "sqlite_errorcode", 0) == _LOCKED_SHARED

    def is_doubtful(self, exc: BaseException) -> bool:
        # SQLite looks whether the schema that it knows is current before it says so. Where another has the file locked
        # it can't, and says "no such table" of a table that is there by now.
        return getattr(exc, "sqlite_errorcode", 0) == 1 and _MISSING.search(str(exc)) is not None

    def is_bound_elsewhere(self, conn: sqlite3.Connection) -> bool:
        try:
            conn.cursor().close()
        except sqlite3.ProgrammingError as exc:
            return "thread" in str(exc)  # sqlite3 has no code for it
        return False

    def set_read_only(self, cursor: sqlite3.Cursor, on: bool) -> bool:
        [was_on] = cursor.execute("PRAGMA query_only").fetchone()
        cursor.execute(f"PRAGMA query_only = {int(on)}").fetchall()
        return bool(was_on) is not on

    def session(self, conn: sqlite3.Connection, cursor: sqlite3.Cursor) -> Any:
        pragmas = [(name, cursor.execute(f"PRAGMA {name}").fetchone()[0]) for name in _SESSION]
        autocommit = getattr(conn, "autocommit", None)  # since Python 3.12
        return pragmas, autocommit, conn.isolation_level, conn.row_factory, conn.text_factory

    def reset_session(self, conn: sqlite3.Connection, cursor: sqlite3.Cursor, session: Any) -> None:
        pragmas, autocommit, *mode = session
        if autocommit is not None:
            conn.autocommit = autocommit  # type: ignore[attr-defined,unused-ignore]  # not there before 3.12
        conn.isolation_level, conn.row_factory, conn.text_factory = mode
        for name, value in pragmas:
            cursor.execute(f"PRAGMA {name} = {value}").fetchall()

    def refuse_pool(
        self, connect: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], *, check_threads: bool
    ) -> None:
        given = dict(zip(_CONNECT_ARGUMENTS, args, strict=False)) | dict(kwargs)
        if _is_private(given.get("database", "?"), uri=bool(given.get("uri"))):
            raise ValueError(
                "each connection to a private SQLite memory database has a database of its own; pool a file, or "
                "'file:name?mode=memory&cache=shared' with uri=True, or set max_size=1"
            )
        if check_threads and self.is_blocking and given.get("check_same_thread", True):
            raise ValueError(
                "a pool hands sqlite3 connections from thread to thread; connect with check_same_thread=False, or set "
                "max_size=1 (enforce_sqlite_thread_check=False turns this check off)"
            )

    def interrupt(self, conn: sqlite3.Connection) -> None:
        try:
            conn.interrupt()
        except sqlite3.ProgrammingError:
            return  # closed meanwhile: there is nothing left to interrupt

    def close(self, conn: sqlite3.Connection) -> None:
        conn.close()

    def busy_timeout(self, cursor: sqlite3.Cursor) -> float:
        [milliseconds] = cursor.execute("PRAGMA busy_timeout").fetchone()
        return float(milliseconds) / 1000

    def set_busy_timeout(self, cursor: sqlite3.Cursor, seconds: float) -> None:
        cursor.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}").fetchall()


def _is_private(database: Any, *, uri: bool) -> bool:
    """Tell whether nobody else can open the same database."""
    import urllib.parse  # not needed for anything else, and not free to import

    name = os.fsdecode(database) if isinstance(database, str | bytes | os.PathLike) else "?"
    if not uri or not name.startswith("file:"):
        return name in ("", ":memory:")
    parts = urllib.parse.urlsplit(name)
    options = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    path = urllib.parse.unquote(parts.path)
    if path == ":memory:" or options.get("mode") == "memory":
        return options.get("cache") != "shared"
    return not path


def _is_closed(conn: sqlite3.Connection) -> bool:
    try:
        return conn.total_changes < 0
    except sqlite3.ProgrammingError:
        return True


def _constraint(text: str) -> dict[str, Any]:
    """Read the names from SQLite's text, its only place for them: `UNIQUE constraint failed: user.email`."""
    found = _FAILED.match(text)
    if found is None:
        return {}
    kind, names = found.groups()
    if kind == "CHECK":
        return {"constraint": names}
    if names.startswith("index '"):
        return {"constraint": names[len("index '") : -1]}
    table = names.partition(".")[0]
    columns = names[len(table) + 1 :].split(f", {table}.")
    # A dot in a name leaves no way to tell the table from the column.
    return {"table": table, "columns": tuple(columns)} if names.count(".") == len(columns) else {}


# --- functions and the collation that SQLite lacks ------------------------------------------------------------


class _Pattern:
    """A LIKE pattern, matched piece by piece from the left: no pattern makes it try twice."""

    def __init__(self, pattern: str) -> None:
        pieces = pattern.split("%")
        self._open = len(pieces) > 1
        self._first, *self._middle = (self._compiled(piece) for piece in pieces)
        self._last, self._width = self._compiled(pieces[-1]), len(pieces[-1])

    @staticmethod
    def _compiled(piece: str) -> re.Pattern[str]:
        text = "".join("." if mark == "_" else re.escape(mark) for mark in piece)
        return re.compile(text, re.IGNORECASE | re.DOTALL)

    def matches(self, text: str) -> bool:
        if not self._open:
            return self._first.fullmatch(text) is not None
        found = self._first.match(text)
        for piece in self._middle[:-1]:
            if found is None:
                return False
            found = piece.search(text, found.end())
        start = len(text) - self._width
        return found is not None and found.end() <= start and self._last.match(text, start) is not None


_pattern = functools.lru_cache(maxsize=256)(_Pattern)


def _ilike(pattern: Any, value: Any) -> int | None:
    if pattern is None or value is None:
        return None
    return _pattern(str(pattern)).matches(str(value))


def _startswith(value: Any, text: Any) -> int | None:
    return None if value is None else str(value).startswith(text)


def _endswith(value: Any, text: Any) -> int | None:
    return None if value is None else str(value).endswith(text)


def _int(value: Any) -> int | None:
    # SQLite goes over to floats where an int is out of range. An OverflowError here is its TOOBIG, our DataError.
    if isinstance(value, float):
        raise OverflowError("the result does not fit into 64 bits")
    return value  # type: ignore[no-any-return]  # an int or NULL


def _bits(value: Any) -> int | None:
    return None if value is None else float_bits(value)


# Wide enough for any result of what a column can hold; inexact results are errors and never rounded.
_EXACT = Context(prec=400_000, Emax=999_999, Emin=-999_999, traps=[Inexact, InvalidOperation, Overflow])


def _decimal(value: Any) -> Decimal:
    return Decimal(value if isinstance(value, str | int) else str(value))


def _decimal_arithmetic(operation: Callable[[Decimal, Decimal], Decimal], left: Any, right: Any) -> str | None:
    if left is None or right is None:
        return None
    return decimal_text(operation(_decimal(left), _decimal(right)))


def _decimal_fit(value: Any, precision: int, scale: int) -> Any:
    """Return a result that the column can hold; an OverflowError is SQLite's TOOBIG, our DataError."""
    if value is not None:
        whole, _, fraction = str(value).lstrip("-").partition(".")
        if len(fraction) > scale or len(whole.lstrip("0")) > precision - scale:
            raise OverflowError("the result has more digits than the column takes")
    return value


def _compare_decimals(left: str, right: str) -> int:
    try:
        a, b = Decimal(left), Decimal(right)
    except InvalidOperation:
        # A foreign text in the column: any order will do, as long as it is one.
        return (left > right) - (left < right)
    return (a > b) - (a < b)
