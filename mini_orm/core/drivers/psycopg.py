"""psycopg 3, blocking: `psycopg.Connection`.

Rules of this file:
- psycopg begins a transaction before a statement unless `autocommit` is true. While mini_orm uses the connection it is,
  and what the user set comes back: at the end of the use, or once the user's own transaction has ended.
- Cursors are our own, so that `row_factory` and `cursor_factory` of the connection never matter.
- Prepared statements are as the connection has them: `prepare_threshold=None` switches them off, as PgBouncer asks.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import psycopg
from psycopg import postgres
from psycopg.adapt import Dumper
from psycopg.pq import Format, PipelineStatus, TransactionStatus
from psycopg.rows import tuple_row

from ...errors import DatabaseError
from ..dialects.postgres import PostgresDialect
from .base import Driver
from .postgres import PREPARED, RESET, attributes_of, class_of, class_of_package, deallocated

_IDLE, _UNKNOWN, _INERROR = TransactionStatus.IDLE, TransactionStatus.UNKNOWN, TransactionStatus.INERROR
#: What a user may set on a connection.
_SETTINGS = ("isolation_level", "read_only", "deferrable")
_PLAIN_SETTINGS = ("row_factory", "cursor_factory", "server_cursor_factory", "prepare_threshold", "prepared_max")
#: Seconds that a request to cancel a statement may take.
_CANCEL_TIMEOUT = 5.0


class ArrayDumper(Dumper):
    """Writes the array that a cast in compiled SQL gives its type, many times as quick as psycopg's own."""

    def dump(self, obj: Sequence[Any]) -> bytes:
        return array_text(obj).encode()


class RealArray:
    """Numbers of float32 that travel as a real[]."""

    __slots__ = ("values",)

    def __init__(self, values: array[float]) -> None:
        self.values = values


class RealArrayDumper(Dumper):
    """Writes a real[] in binary: a head, then each number behind its length. Source: postgres, array_recv."""

    format = Format.BINARY
    oid = postgres.types["float4"].array_oid

    def dump(self, obj: RealArray) -> bytes:
        size = len(obj.values)
        words = array("i", [4]) * (2 * size)
        words[1::2] = array("i", obj.values.tobytes())
        if sys.byteorder == "little":
            words.byteswap()
        return struct.pack("!iiIii", 1, 0, postgres.types["float4"].oid, size, 1) + words.tobytes()


class Loader:
    """A cursor whose `execute` is a COPY."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor
        self.rowcount = 0

    def execute(self, sql: str, parts: Iterable[bytes]) -> Loader:
        """Send all parts."""
        with self._cursor as cursor:
            with cursor.copy(sql.encode()) as stream:
                for part in parts:
                    stream.write(part)
            self.rowcount = cursor.rowcount
        return self


_NULL = "\ud800"
_BARE = frozenset({int, float, bool})


def array_text(values: Sequence[Any]) -> str:
    """Write the literal of an array; NUL and lone surrogates are in no text that was encoded."""
    types = set(map(type, values))
    has_nulls = type(None) in types
    types.discard(type(None))
    if types <= _BARE:
        if has_nulls:
            return "{" + ",".join(["NULL" if v is None else str(v) for v in values]) + "}"
        return "{" + ",".join(map(str, values)) + "}"
    texts: Iterable[str]
    if types == {bytes}:
        texts = [_NULL if v is None else "\\x" + v.hex() for v in values]
    elif has_nulls:
        texts = [_NULL if v is None else str(v) for v in values]
    else:
        texts = values if types == {str} else map(str, values)
    text = "\0".join(texts).replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","')
    text = f'{{"{text}"}}'
    return text.replace(f'"{_NULL}"', "NULL") if has_nulls else text


class PsycopgDriver(Driver):
    """Runs SQL through `psycopg.Connection`."""

    name = "psycopg"
    uses_network_to_interrupt = True
    errors: ClassVar[tuple[type[BaseException], ...]] = (psycopg.Error, psycopg.Warning, UnicodeError, OverflowError)

    def dialect(self) -> PostgresDialect:
        return PostgresDialect()

    def raw(self, conn: Any) -> Any:
        return conn

    def check(self, conn: Any) -> None:
        return

    def cursor(self, conn: Any) -> Any:
        return psycopg.Cursor(conn, row_factory=tuple_row)

    def own_cursor(self, conn: Any) -> Any:
        cursor = self.cursor(conn)
        cursor.adapters.register_dumper(list, ArrayDumper)
        cursor.adapters.register_dumper(RealArray, RealArrayDumper)
        return cursor

    def can_load(self, conn: Any) -> bool:
        # Source: https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
        return bool(conn.pgconn.pipeline_status == PipelineStatus.OFF)

    def loader(self, conn: Any) -> Loader:
        return Loader(self.cursor(conn))

    def real_array(self, values: array[float]) -> RealArray:
        return RealArray(values)

    def in_transaction(self, conn: Any) -> bool:
        status = conn.pgconn.transaction_status
        if status == _UNKNOWN:
            raise psycopg.OperationalError("the connection is closed")
        return bool(status != _IDLE)

    def is_aborted(self, conn: Any) -> bool:
        return bool(conn.pgconn.transaction_status == _INERROR)

    def mode(self, conn: Any) -> Any:
        return None if conn.autocommit else False

    def set_mode(self, conn: Any, *, idle: bool) -> None:
        if idle:
            conn.autocommit = True

    def restore_mode(self, conn: Any, mode: Any) -> bool:
        if conn.pgconn.transaction_status != _IDLE and not conn.closed:
            return False
        conn.autocommit = mode
        return True

    def classify(self, exc: BaseException, conn: Any) -> tuple[type[DatabaseError], dict[str, Any]]:
        return classified(exc, conn)

    def session(self, conn: Any, cursor: Any) -> Any:
        names = ("autocommit", *_SETTINGS, *_PLAIN_SETTINGS)
        return {name: getattr(conn, name) for name in names}

    def reset_session(self, conn: Any, cursor: Any, session: Any) -> None:
        conn.autocommit = True
        for sql in RESET:
            cursor.execute(sql)
        for sql in deallocated(cursor.execute(PREPARED).fetchall()):
            cursor.execute(sql)
        for name, value in session.items():
            if getattr(conn, name) != value:
                setattr(conn, name, value)

    def interrupt(self, conn: Any) -> None:
        try:
            conn.cancel_safe(timeout=_CANCEL_TIMEOUT)
        except psycopg.Error:
            return  # closed meanwhile, or the server is gone: there is nothing left to interrupt

    def close(self, conn: Any) -> None:
        conn.close()


def classified(exc: BaseException, conn: Any) -> tuple[type[DatabaseError], dict[str, Any]]:
    """Return the class of an error of psycopg's, and the names that it has."""
    if not isinstance(exc, psycopg.Error):
        return class_of_package(exc, closed=False), {}
    if conn is None:  # of a connect: what psycopg keeps of the connection has the password in it
        exc._pgconn = None
    ours = class_of(exc.sqlstate)
    if ours is None:
        return class_of_package(exc, closed=conn is not None and bool(conn.closed)), {}
    return ours, attributes_of(exc.diag, exc.sqlstate, exc.diag.message_detail)
