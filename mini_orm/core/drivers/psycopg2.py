"""psycopg2: `psycopg2.extensions.connection`.

Rules of this file:
- psycopg2 begins a transaction before a statement unless `autocommit` is true. While mini_orm uses the connection it
  is, and what the user set comes back: at the end of the use, or once the user's own transaction has ended.
- It knows of its own BEGIN only. One that was sent as SQL is ended by SQL; `commit` and `rollback` do nothing then.
- Cursors are our own: neither `cursor_factory` nor what the user registered for the types below ever matters.
- Values become text here, in the client. A number is written so that the database reads the very same one.
- psycopg2 has no prepared statements, so that a session's are all the user's.
"""

from __future__ import annotations

import datetime as dt
import functools
import operator
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import psycopg2
from psycopg2 import extensions as ext

from ...errors import ConfigurationError, DatabaseError, DataError
from ..dialects.postgres import PostgresDialect
from .base import Driver
from .postgres import RESET, attributes_of, class_of, class_of_package

#: What a user may set for transactions: parts of psycopg2's own BEGIN, but settings of the session in autocommit.
_SETTINGS = ("isolation_level", "readonly", "deferrable")
_RESET = "; ".join((*RESET, "DEALLOCATE ALL"))


def _bytes(text: str | None, cursor: Any) -> bytes | None:
    return None if text is None else bytes(psycopg2.BINARY(text, cursor))  # which makes it a memoryview


#: What reads the types that mini_orm has columns of, but for UUID, whose codec takes whatever it gets.
_TYPECASTERS = (
    *(ext.BOOLEAN, ext.INTEGER, ext.LONGINTEGER, ext.FLOAT, ext.DECIMAL, ext.UNICODE),
    *(ext.PYDATE, ext.PYDATETIME, ext.PYDATETIMETZ, ext.PYTIME),
    ext.new_type(psycopg2.BINARY.values, "BYTES", _bytes),
)
#: What Python's own % raises, and adapters of values.
_UNFIT = (ValueError, TypeError, LookupError, OverflowError)
_MARKS = re.compile(r"%%|%s(::[A-Za-z ]+\[\])?")


class Psycopg2Driver(Driver):
    """Runs SQL through `psycopg2.extensions.connection`."""

    name = "psycopg2"
    uses_network_to_interrupt = True
    # The last two are of a value that is read, such as a date beyond Python's.
    errors: ClassVar[tuple[type[BaseException], ...]] = (
        psycopg2.Error,
        psycopg2.Warning,
        ValueError,
        OverflowError,
    )

    def dialect(self) -> PostgresDialect:
        return PostgresDialect()

    def raw(self, conn: Any) -> Any:
        return conn

    def check(self, conn: Any) -> None:
        if conn.async_:
            raise ConfigurationError("a psycopg2 connection with async_=True can't be used; open it without")

    def cursor(self, conn: Any) -> Any:
        made = _Cursor(conn)
        for one in _TYPECASTERS:
            ext.register_type(one, made)
        return made

    def loader(self, conn: Any) -> Loader:
        return Loader(self.cursor(conn))

    def real_array(self, values: array[float]) -> list[float]:
        return values.tolist()

    def in_transaction(self, conn: Any) -> bool:
        status = conn.get_transaction_status()
        if status == ext.TRANSACTION_STATUS_UNKNOWN:
            raise psycopg2.OperationalError("the connection is closed")
        return bool(status != ext.TRANSACTION_STATUS_IDLE)

    def is_aborted(self, conn: Any) -> bool:
        return bool(conn.get_transaction_status() == ext.TRANSACTION_STATUS_INERROR)

    def mode(self, conn: Any) -> Any:
        return None if conn.autocommit else _settings(conn)

    def set_mode(self, conn: Any, *, idle: bool) -> None:
        if idle:
            _set_autocommit(conn, False)
            _set(conn, (None, None, None))  # in autocommit they would be sent to the server, and back
            _set_autocommit(conn, True)

    def restore_mode(self, conn: Any, mode: Any) -> bool:
        if conn.get_transaction_status() != ext.TRANSACTION_STATUS_IDLE and not conn.closed:
            return False
        _set_autocommit(conn, False)
        _set(conn, mode)
        return True

    def classify(self, exc: BaseException, conn: Any) -> tuple[type[DatabaseError], dict[str, Any]]:
        if isinstance(exc, ValueError):
            return DataError, {}
        ours = class_of(getattr(exc, "pgcode", None))
        if ours is not None:
            error: Any = exc  # an error with a code is psycopg2's own
            return ours, attributes_of(error.diag, error.pgcode, error.diag.message_detail)
        return class_of_package(exc, closed=conn is not None and bool(conn.closed)), {}

    def session(self, conn: Any, cursor: Any) -> Any:
        return conn.autocommit, _settings(conn), conn.cursor_factory, conn.encoding, dict(conn.string_types)

    def reset_session(self, conn: Any, cursor: Any, session: Any) -> None:
        autocommit, settings, conn.cursor_factory, encoding, string_types = session
        _set_autocommit(conn, True)
        _set(conn, (None, None, None))
        cursor.execute(_RESET)
        # psycopg2 sets these two itself when it connects, and reads them no more.
        if conn.encoding != encoding:
            conn.set_client_encoding(encoding)
        if not conn.get_parameter_status("DateStyle").startswith("ISO"):
            cursor.execute("SET datestyle TO 'ISO'")
        conn.string_types.clear()
        conn.string_types.update(string_types)
        _set_autocommit(conn, autocommit)
        _set(conn, settings)

    def interrupt(self, conn: Any) -> None:
        try:
            conn.cancel()
        except psycopg2.Error:
            return  # closed meanwhile, or the server is gone: there is nothing left to interrupt

    def close(self, conn: Any) -> None:
        conn.close()


class Loader:
    """A cursor whose `execute` is a COPY; and the file that it reads."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._parts: Iterator[bytes] = iter(())
        self.rowcount = 0

    def execute(self, sql: str, parts: Iterable[bytes]) -> Loader:
        """Send all parts."""
        self._parts = iter(parts)
        with self._cursor as cursor:
            cursor.copy_expert(sql, self)
            self.rowcount = cursor.rowcount
        return self

    def read(self, size: int) -> bytes:
        """Return the next part, whatever its size is."""
        return next(self._parts, b"")


def _settings(conn: Any) -> tuple[Any, ...]:
    return tuple(getattr(conn, name) for name in _SETTINGS)


def _set(conn: Any, settings: tuple[Any, ...]) -> None:
    """Set those of `_SETTINGS` that are others now, on a connection on which no transaction is open."""
    for name, value in zip(_SETTINGS, settings, strict=True):
        if getattr(conn, name) != value:
            setattr(conn, name, value)


def _set_autocommit(conn: Any, on: bool) -> None:
    """Switch a connection on which no transaction is open."""
    if conn.status != ext.STATUS_READY and not conn.closed:
        conn.rollback()  # COMMIT or ROLLBACK was sent as SQL, and psycopg2 believes in its own BEGIN
    if conn.autocommit != on:
        conn.autocommit = on


class _Cursor(ext.cursor):  # type: ignore[misc]  # psycopg2 is untyped
    """A cursor that returns tuples, and itself when it has executed."""

    def execute(self, sql: str, params: Any = None) -> _Cursor:
        if type(params) in (list, tuple):
            params = _spelt(sql, params)
        try:
            super().execute(sql, params)
        except _UNFIT as exc:
            raise _unfit(exc) from exc
        return self

    def executemany(self, sql: str, rows: Iterable[Any]) -> _Cursor:
        for_each = (_spelt(sql, row) if type(row) in (list, tuple) else row for row in rows)
        try:
            super().executemany(sql, for_each)
        except _UNFIT as exc:
            raise _unfit(exc) from exc
        return self


def _unfit(exc: Exception) -> psycopg2.Error:
    """Make an error of the package's own of what it raises while it puts the values into the text."""
    if isinstance(exc, ValueError | OverflowError) and "format" not in str(exc):
        return psycopg2.DataError(*exc.args)
    return psycopg2.ProgrammingError(f"the parameters do not fit the SQL: {exc}")


# --- values -------------------------------------------------------------------------------------------------------


def _spelt(sql: str, params: Sequence[Any]) -> Sequence[Any]:
    """Replace the values that psycopg2 writes as something else, or not at all."""
    kinds = set(map(type, params))
    if list in kinds:
        places = _arrays(sql)
        params = [
            _array(value) if type(value) is list and place in places else value for place, value in enumerate(params)
        ]
    if int in kinds or float in kinds:
        params = [_number(value) for value in params]
    return params


def _number(value: Any) -> Any:
    """Replace the two numbers that are others once they are parts of a text."""
    if type(value) is int:
        return ext.AsIs(f"({value})") if value == -(2**63) else value  # -9223372036854775808::bigint negates too late
    if type(value) is float:
        return value if value else ext.AsIs(f"'{value}'::float8")  # -0.0 is a numeric, which has no minus zero
    return value


@functools.lru_cache(maxsize=2048)
def _arrays(sql: str) -> frozenset[int]:
    """Return the places of the values whose marks have the type of an array, as those of compiled lists do."""
    marks = [found for found in _MARKS.finditer(sql) if found[0] != "%%"]
    return frozenset(place for place, found in enumerate(marks) if found[1])


def _array(values: list[Any]) -> Any:
    """Write an array as one literal, which takes the server a fifth of the time of `ARRAY[…]`.

    Source: https://www.postgresql.org/docs/current/arrays.html, section 8.15.6
    """
    kinds = set(map(type, values))
    if not kinds <= _ELEMENTS.keys():
        return values  # a type that only an adapter of psycopg2's, or of the user's, knows
    items: Iterable[str] = (_ELEMENTS[type(value)](value) for value in values)
    if len(kinds) == 1:
        items = map(_ELEMENTS[kinds.pop()], values)
    return f"{{{','.join(items)}}}"


def _null(value: None) -> str:
    return "NULL"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _hex(value: bytes) -> str:
    return f'"\\\\x{value.hex()}"'


_ELEMENTS: dict[type, Callable[[Any], str]] = {
    type(None): _null,
    bool: str,
    int: str,
    float: str,
    Decimal: str,
    str: _quoted,
    bytes: _hex,
    **dict.fromkeys((dt.datetime, dt.date, dt.time), operator.methodcaller("isoformat")),
}
