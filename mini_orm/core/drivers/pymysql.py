"""PyMySQL: `pymysql.connections.Connection`.

Rules of this file:
- What the server said last of its state stands in `server_status`. An error says nothing of it, and PyMySQL does not
  read what a result set says: so the server is asked (`ping`) after an error, which leaves no `_result` behind, after
  what may end a transaction and has a result, and before a use where that may matter.
- Cursors are our own: neither `cursorclass` nor `conv` nor `use_unicode` of the connection ever matters.
- An answer that was not read to its end would be the next statement's: such a connection is closed.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pymysql  # type: ignore[import-untyped]  # it has no py.typed
from pymysql.constants import SERVER_STATUS  # type: ignore[import-untyped]  # as above

from ..._typing import Row
from ...errors import DatabaseError
from ..dialects.mysql import MySQLDialect
from .base import Driver
from .mysql import (
    FACTS,
    NEUTRAL,
    BufferedCursor,
    Session,
    check_charset,
    classified,
    matched,
    mode_sql,
    note_reset,
    note_session,
    reset_statements,
    session_of,
    variables,
    variables_sql,
)
from .mysql_values import DECODERS, Unfit, bound

#: What a user may set on a connection.
_SETTINGS = ("autocommit_mode", "cursorclass", "decoders", "encoders", "use_unicode")


class PyMySQLDriver(Driver):
    """Runs SQL through `pymysql.connections.Connection`."""

    name = "pymysql"
    requires_refresh = True
    errors: ClassVar[tuple[type[BaseException], ...]] = (pymysql.MySQLError, OSError)

    def dialect(self) -> MySQLDialect:
        return MySQLDialect()

    def raw(self, conn: Any) -> Any:
        return conn

    def check(self, conn: Any) -> None:
        check_charset(conn.charset)

    def prepare(self, conn: Any) -> None:
        [facts] = _Cursor(conn).execute(FACTS).fetchall()
        note_session(conn, facts)

    def cursor(self, conn: Any) -> Any:
        return _Cursor(conn)

    def check_reading(self, conn: Any) -> None:
        session = session_of(conn)
        if session is not None:
            session.check_reading()

    def reading_cursor(self, conn: Any) -> Any:
        return _ReadingCursor(conn)

    def refresh(self, conn: Any) -> None:
        # In autocommit nothing opens a transaction but a statement that says so, whose answer is always read.
        if conn.open and (_in_transaction(conn) or not conn.get_autocommit()):
            conn.ping(reconnect=False)

    def in_transaction(self, conn: Any) -> bool:
        if not conn.open:
            raise pymysql.InterfaceError("the connection is closed")
        if conn._result is None and _in_transaction(conn):
            conn.ping(reconnect=False)
        return _in_transaction(conn)

    def mode(self, conn: Any) -> Any:
        session = session_of(conn)
        autocommit = conn.get_autocommit()
        return None if session is None or (autocommit and session.is_fit) else (autocommit, session.own_mode)

    def set_mode(self, conn: Any, *, idle: bool) -> None:
        _send(conn, mode_sql(conn, None, autocommit=idle))

    def restore_mode(self, conn: Any, mode: Any) -> bool:
        if conn.open and _in_transaction(conn):
            return False
        _send(conn, mode_sql(conn, mode, autocommit=True))
        return True

    def classify(self, exc: BaseException, conn: Any) -> tuple[type[DatabaseError], dict[str, Any]]:
        is_mariadb = conn is not None and _is_mariadb(conn)
        return classified(exc, closed=conn is not None and not conn.open, is_mariadb=is_mariadb)

    def session(self, conn: Any, cursor: Any) -> Any:
        names = variables(is_mariadb=_is_mariadb(conn))
        return names, cursor.execute(variables_sql(names)).fetchone(), [getattr(conn, name) for name in _SETTINGS]

    def reset_session(self, conn: Any, cursor: Any, session: Any) -> None:
        names, values, settings = session
        for sql, params in reset_statements(names, values):
            cursor.execute(sql, params)
        note_reset(conn, names, values)
        for name, value in zip(_SETTINGS, settings, strict=True):
            setattr(conn, name, value)

    def interrupt(self, conn: Any) -> None:
        return  # the server can be told by another connection alone; the statement is waited for

    def close(self, conn: Any) -> None:
        if conn.open:
            conn.close()


def _in_transaction(conn: Any) -> bool:
    return bool(conn.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)


def _is_mariadb(conn: Any) -> bool:
    return "MariaDB" in conn.get_server_info()


def _send(conn: Any, sql: str) -> None:
    if sql:
        _Cursor(conn).execute(sql)


class _Cursor(BufferedCursor):
    __slots__ = ("_conn", "_session", "description")

    def __init__(self, conn: Any) -> None:
        super().__init__()
        self._conn = conn
        self._session = session_of(conn)
        self.description: Any = None

    def execute(self, sql: str, params: Any = None) -> _Cursor:
        conn = self._conn
        statement = _statement(conn, self._session, sql, params)
        decoders, use_unicode = conn.decoders, conn.use_unicode
        try:
            conn.decoders, conn.use_unicode = DECODERS, True
            conn.query(statement)
            result = conn._result
            while conn._result.has_next:  # of CALL; the first one counts
                conn.next_result()
            if result.description is not None and sql[:6] not in NEUTRAL:
                conn.ping(reconnect=False)
        except pymysql.MySQLError:
            raise  # the server's answer, and the whole of it
        except BaseException:
            conn._force_close()
            raise
        finally:
            conn.decoders, conn.use_unicode = decoders, use_unicode
        self._rows, self._place = result.rows or (), 0
        self.description = result.description
        self.lastrowid = result.insert_id or None
        self.rowcount = matched(sql, result.message, result.affected_rows)
        return self


class _ReadingCursor:
    """A cursor that reads its answer in parts."""

    __slots__ = ("_conn", "_result", "_session")

    def __init__(self, conn: Any) -> None:
        self._conn = conn
        self._session = session_of(conn)
        self._result: Any = None

    def execute(self, sql: str, params: Any = None) -> _ReadingCursor:
        conn = self._conn
        statement = _statement(conn, self._session, sql, params)
        decoders, use_unicode = conn.decoders, conn.use_unicode
        try:
            conn.decoders, conn.use_unicode = DECODERS, True
            conn.query(statement, unbuffered=True)
        except pymysql.MySQLError:
            raise  # as in _Cursor
        except BaseException:
            conn._force_close()
            raise
        finally:
            conn.decoders, conn.use_unicode = decoders, use_unicode
        self._result = conn._result
        self._note()
        return self

    def fetchmany(self, size: int) -> list[Row]:
        """Return the next rows: `size` of them, or fewer at the end."""
        rows: list[Row] = []
        try:
            while len(rows) < size and (row := self._result._read_rowdata_packet_unbuffered()) is not None:
                rows.append(row)
        except BaseException:
            self._give_up()
            raise
        finally:
            self._note()
        return rows

    def close(self) -> None:
        """Read what is left: there is no other way to be rid of it."""
        if self._result is None:
            return
        try:
            if self._conn.open:
                self._result._finish_unbuffered_query()
        finally:
            self._give_up()
            self._note()

    def _give_up(self) -> None:
        """Close the connection if the answer has not ended: nobody knows how much of it was read."""
        self._conn._result = None  # so that the server is asked what an error did to the transaction
        if self._result.unbuffered_active:
            self._result.unbuffered_active = False
            self._conn._force_close()

    def _note(self) -> None:
        if self._session is not None:
            self._session.is_reading = self._conn.open and self._result.unbuffered_active


def _statement(conn: Any, session: Session | None, sql: str, params: Any) -> bytes:
    """Return the finished text of a statement."""
    backslashes = not conn.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES
    try:
        statement = bound(sql, params, backslashes=backslashes)
    except Unfit as exc:
        raise (pymysql.DataError if exc.is_data else pymysql.ProgrammingError)(str(exc)) from exc
    if session is not None:
        session.check(sql, statement)
    return statement
