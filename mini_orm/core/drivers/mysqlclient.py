"""mysqlclient: `MySQLdb.connections.Connection`.

Rules of this file:
- mysqlclient does not tell whether a transaction is open. Of mini_orm's own statements it is known what opens one and
  ends one; after an error, and after statements of the user's, the server is asked. That the user sent one shows in
  the methods of the connection that send something, which are shadowed for that.
- MariaDB answers that. MySQL does for a connection in autocommit, where a savepoint is kept in a transaction alone. For
  one that is not, nobody can tell: `Database(conn, joined=True)` says that it is in a transaction.
- Cursors are our own: neither `cursorclass` nor `conv` nor `use_unicode` of the connection ever matters.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import MySQLdb
from MySQLdb import _mysql, connections
from MySQLdb.constants import FIELD_TYPE, FLAG

from ..._typing import Row
from ...errors import ConnectionLost, DatabaseError
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
_SETTINGS = ("cursorclass", "converter", "encoders")
_TEXT_OR_BYTES = ((FLAG.BINARY, bytes), (None, str))
_CONVERTERS: dict[int, Any] = {
    **DECODERS,
    **dict.fromkeys((FIELD_TYPE.STRING, FIELD_TYPE.VAR_STRING, FIELD_TYPE.VARCHAR), _TEXT_OR_BYTES),
    **dict.fromkeys((FIELD_TYPE.TINY_BLOB, FIELD_TYPE.BLOB), _TEXT_OR_BYTES),
    **dict.fromkeys((FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB), _TEXT_OR_BYTES),
    **dict.fromkeys((FIELD_TYPE.BIT, FIELD_TYPE.GEOMETRY), bytes),
    FIELD_TYPE.JSON: str,
}
#: What a user calls to open a transaction, or to end one.
_WATCHED = ("query", "commit", "rollback", "autocommit")
#: RELEASE SAVEPOINT: there is none of that name.
_NO_SAVEPOINT = 1305


class MySQLClientDriver(Driver):
    """Runs SQL through `MySQLdb.connections.Connection`."""

    name = "mysqlclient"
    supports_transaction_state = False
    requires_refresh = True
    errors: ClassVar[tuple[type[BaseException], ...]] = (MySQLdb.MySQLError, OSError)

    def dialect(self) -> MySQLDialect:
        return MySQLDialect()

    def raw(self, conn: Any) -> Any:
        return conn

    def check(self, conn: Any) -> None:
        if conn.open:
            check_charset(conn.character_set_name())

    def prepare(self, conn: Any) -> None:
        is_watched = session_of(conn) is not None
        session = note_session(conn, _fetched(conn, FACTS))
        session.is_touched = True
        for name in () if is_watched else _WATCHED:
            setattr(conn, name, _watched(conn, name, session))

    def cursor(self, conn: Any) -> Any:
        return _Cursor(conn)

    def check_reading(self, conn: Any) -> None:
        session = session_of(conn)
        if session is not None:
            session.check_reading()

    def reading_cursor(self, conn: Any) -> Any:
        return _ReadingCursor(conn)

    def refresh(self, conn: Any) -> None:
        session = session_of(conn)
        if session is not None and conn.open and (session.is_open or not conn.get_autocommit()):
            session.is_touched = True

    def in_transaction(self, conn: Any) -> bool:
        if not conn.open:
            raise MySQLdb.InterfaceError("the connection is closed")
        session = session_of(conn)
        if session is None:
            return False
        if session.is_touched:
            _ask(conn, session)
        return session.is_open

    def mode(self, conn: Any) -> Any:
        session = session_of(conn)
        autocommit = conn.get_autocommit()
        return None if session is None or (autocommit and session.is_fit) else (autocommit, session.own_mode)

    def set_mode(self, conn: Any, *, idle: bool) -> None:
        _send(conn, mode_sql(conn, None, autocommit=idle))

    def restore_mode(self, conn: Any, mode: Any) -> bool:
        if conn.open and self.in_transaction(conn):
            return False
        _send(conn, mode_sql(conn, mode, autocommit=True))
        return True

    def classify(self, exc: BaseException, conn: Any) -> tuple[type[DatabaseError], dict[str, Any]]:
        is_open = conn is not None and bool(conn.open)
        return classified(exc, closed=conn is not None and not is_open, is_mariadb=is_open and _is_mariadb(conn))

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


class EncryptedConnection(connections.Connection):  # type: ignore[misc]  # mysqlclient is untyped
    """A connection that is encrypted, or is not made: MariaDB's library takes the mode REQUIRED for a wish."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        if not _fetched(self, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")[1]:
            self.close()
            raise MySQLdb.OperationalError(2026, "the server has no TLS, which ssl_mode=REQUIRED asks for")


def _is_mariadb(conn: Any) -> bool:
    return "MariaDB" in conn.get_server_info()


def _watched(conn: Any, name: str, session: Session) -> Callable[..., Any]:
    """Make a method of a connection's tell that it was called."""
    own = vars(conn).get(name)  # a function that the user put there
    method, this = getattr(type(conn), name), weakref.ref(conn)

    @functools.wraps(method)
    def watched(*args: Any) -> Any:
        session.is_touched = True
        return method(this(), *args) if own is None else own(*args)

    return watched


def _send(conn: Any, sql: str) -> None:
    """Send a statement of mini_orm's own that has no result."""
    if sql:
        _mysql.connection.query(conn, sql.encode())
        conn.store_result()


def _fetched(conn: Any, sql: str) -> Any:
    """Return the first row of a query of mini_orm's own."""
    _mysql.connection.query(conn, sql.encode())
    [row] = conn.store_result().fetch_row(1)
    return [value.decode() if isinstance(value, bytes) else value for value in row]


def _ask(conn: Any, session: Session) -> None:
    """Ask the server whether a transaction is open."""
    if _is_mariadb(conn):
        session.is_open = bool(int(_fetched(conn, "SELECT @@in_transaction")[0]))
    elif conn.get_autocommit():
        _send(conn, "SAVEPOINT mini_orm_probe")
        try:
            _send(conn, "RELEASE SAVEPOINT mini_orm_probe")
            session.is_open = True
        except MySQLdb.MySQLError as exc:
            if exc.args[0] != _NO_SAVEPOINT:
                raise
            session.is_open = False
    session.is_touched = False


class _Cursor(BufferedCursor):
    __slots__ = ("_conn", "_result", "_session")

    def __init__(self, conn: Any) -> None:
        super().__init__()
        self._conn = conn
        self._session = session_of(conn)
        self._result: Any = None

    @property
    def description(self) -> Any:
        return None if self._result is None else self._result.describe()

    def execute(self, sql: str, params: Any = None) -> _Cursor:
        conn = self._conn
        session = self._session
        statement = _statement(conn, session, sql, params)
        converter = conn.converter
        has_more = False
        try:
            conn.converter = _CONVERTERS
            _mysql.connection.query(conn, statement)
            result = self._result = conn.store_result()
            affected, key, info = conn.affected_rows(), conn.insert_id(), conn.info()
            rows = () if result is None else result.fetch_row(0)
            while conn.next_result() != -1:  # of CALL; the first one counts
                has_more = True
                conn.store_result()
        except MySQLdb.MySQLError as exc:
            _learn_from_error(conn, session, exc)
            raise
        except BaseException:
            conn.close()  # nobody knows how much of the answer was read
            raise
        finally:
            conn.converter = converter
        if session is not None and (has_more or sql[:6] not in NEUTRAL):
            _learn(conn, session, sql, has_more=has_more)
        self._rows, self._place = rows, 0
        self.lastrowid = key or None
        self.rowcount = len(rows) if result is not None else matched(sql, info, affected)
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
        converter = conn.converter
        try:
            conn.converter = _CONVERTERS
            _mysql.connection.query(conn, statement)
            self._result = conn.use_result()
        except MySQLdb.MySQLError as exc:
            _learn_from_error(conn, self._session, exc)
            raise
        except BaseException:
            conn.close()  # as in _Cursor
            raise
        finally:
            conn.converter = converter
        self._note(is_reading=True)
        return self

    def fetchmany(self, size: int) -> Sequence[Row]:
        """Return the next rows: `size` of them, or fewer at the end."""
        try:
            rows: Sequence[Row] = self._result.fetch_row(size)
        except MySQLdb.MySQLError as exc:
            self._note(is_reading=False)
            _learn_from_error(self._conn, self._session, exc)
            raise
        if len(rows) < size:
            self._note(is_reading=False)
        return rows

    def close(self) -> None:
        """Read what is left: there is no other way to be rid of it."""
        result, self._result = self._result, None
        if result is not None:
            self._note(is_reading=False)
            if self._conn.open:
                result.discard()

    def _note(self, *, is_reading: bool) -> None:
        if self._session is not None:
            self._session.is_reading = is_reading


def _learn(conn: Any, session: Session, sql: str, *, has_more: bool) -> None:
    """Note what a statement did to the transaction."""
    if sql in ("COMMIT", "ROLLBACK"):
        session.is_open = False
    elif sql.startswith("START TRANSACTION") and not has_more:
        session.is_open = True
    elif has_more or not sql.startswith("ROLLBACK TO "):
        _ask(conn, session)


def _learn_from_error(conn: Any, session: Session | None, exc: BaseException) -> None:
    """Note what an error did to the transaction, and to the connection."""
    if issubclass(classified(exc, closed=False, is_mariadb=False)[0], ConnectionLost):
        conn.close()
    elif session is not None and session.is_open and conn.open:
        _ask(conn, session)


def _statement(conn: Any, session: Session | None, sql: str, params: Any) -> bytes:
    """Return the finished text of a statement."""
    try:
        statement = bound(sql, params, backslashes=len(conn.escape_string(b"\\")) == 2)
    except Unfit as exc:
        raise (MySQLdb.DataError if exc.is_data else MySQLdb.ProgrammingError)(str(exc)) from exc
    if session is not None:
        session.check(sql, statement)
    return statement
