"""asyncmy: `asyncmy.connection.Connection`. What PyMySQL's driver says of state and results holds here, too.

A statement that is cancelled while its answer is read costs the connection, so each one is left alone until the server
has answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from asyncmy import errors
from asyncmy.constants import SERVER_STATUS

from ..._typing import Params, RawParams, Row
from ...errors import DatabaseError
from ..dialects.mysql import MySQLDialect
from .awaited import AwaitedDriver
from .base import Result
from .mysql import (
    FACTS,
    NEUTRAL,
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
_SETTINGS = ("autocommit_mode", "_cursor_cls", "_decoders", "_encoders", "_use_unicode")
#: Seconds that a connection gets for its farewell.
_FAREWELL = 5.0


class AsyncmyDriver(AwaitedDriver):
    """Runs SQL through `asyncmy.connection.Connection`."""

    name = "asyncmy"
    requires_task = True  # where it is timed
    supports_cancel = False
    errors: ClassVar[tuple[type[BaseException], ...]] = (errors.MySQLError, OSError)

    def dialect(self) -> MySQLDialect:
        return MySQLDialect()

    def raw(self, conn: Any) -> Any:
        return conn

    def check(self, conn: Any) -> None:
        check_charset(conn.character_set_name())

    def loop(self, conn: Any) -> Any:
        return conn.loop

    async def prepare_awaited(self, conn: Any) -> None:
        result = await _run(conn, FACTS, None)
        note_session(conn, result.rows[0])

    def is_timed(self, conn: Any) -> bool:
        return conn._read_timeout is not None

    def is_stale(self, conn: Any, *, begins: bool) -> bool:
        if not conn.connected:
            return False
        # In autocommit nothing opens a transaction but a statement that says so, whose answer is always read.
        if begins:
            return _in_transaction(conn) or not conn.get_autocommit()
        return conn._result is None and _in_transaction(conn)  # after an error of anybody's

    async def refresh_awaited(self, conn: Any) -> None:
        await conn.ping(reconnect=False)

    def in_transaction(self, conn: Any) -> bool:
        if not conn.connected:
            raise errors.InterfaceError("the connection is closed")
        return _in_transaction(conn)

    def mode(self, conn: Any) -> Any:
        session = session_of(conn)
        autocommit = conn.get_autocommit()
        return None if session is None or (autocommit and session.is_fit) else (autocommit, session.own_mode)

    async def put_mode(self, conn: Any, mode: Any) -> None:
        await _run(conn, mode_sql(conn, mode, autocommit=True), None)

    def classify(self, exc: BaseException, conn: Any) -> tuple[type[DatabaseError], dict[str, Any]]:
        is_mariadb = conn is not None and _is_mariadb(conn)
        return classified(exc, closed=conn is not None and not conn.connected, is_mariadb=is_mariadb)

    # --- statements ---

    async def execute(self, conn: Any, sql: str, params: Params) -> int:
        result = await _run(conn, sql, params)
        return matched(sql, result.message, result.affected_rows)

    async def insert(self, conn: Any, sql: str, params: Params) -> tuple[int, int]:
        result = await _run(conn, sql, params)
        return result.affected_rows, result.insert_id

    async def execute_many(self, conn: Any, sql: str, rows: Sequence[Params]) -> int:
        affected = 0
        for row in rows:
            affected += await self.execute(conn, sql, row)
        return affected

    async def fetch_one(self, conn: Any, sql: str, params: Params) -> Row | None:
        rows = (await _run(conn, sql, params)).rows
        return rows[0] if rows else None

    async def fetch_all(self, conn: Any, sql: str, params: Params) -> list[Row]:
        return list((await _run(conn, sql, params)).rows or ())

    def check_reading(self, conn: Any) -> None:
        session = session_of(conn)
        if session is not None:
            session.check_reading()

    async def begin_reading(self, conn: Any, sql: str, params: Params) -> Any:
        statement = _statement(conn, sql, params)
        session = session_of(conn)
        if session is not None:
            session.check(sql, statement)
        decoders, use_unicode = conn._decoders, conn._use_unicode
        try:
            conn._decoders, conn._use_unicode = DECODERS, True
            await conn.query(statement, unbuffered=True)
        except errors.MySQLError:
            raise
        except BaseException:
            conn.close()  # as in _run
            raise
        finally:
            conn._decoders, conn._use_unicode = decoders, use_unicode
        if session is not None:
            session.is_reading = True
        return conn._result

    async def read_part(self, conn: Any, reading: Any, size: int) -> list[Row]:
        rows: list[Row] = []
        try:
            while len(rows) < size and (row := await reading._read_rowdata_packet_unbuffered()) is not None:
                rows.append(row)
                rows += reading._take_pending_rows(size - len(rows))
        except BaseException:
            conn._result = None  # so that the server is asked what the error did to the transaction
            if reading.unbuffered_active:
                conn.close()  # as in _run
            raise
        finally:
            if len(rows) < size:
                _end_reading(conn)
        return rows

    async def end_reading(self, conn: Any, reading: Any) -> None:
        try:
            if conn.connected:
                await reading._finish_unbuffered_query()
        finally:
            _end_reading(conn)

    async def query(self, conn: Any, sql: str, params: RawParams) -> Result:
        result = await _run(conn, sql, params)
        affected = matched(sql, result.message, result.affected_rows)
        return Result(list(result.rows or ()), affected, result.insert_id or None, result.description)

    async def query_first(self, conn: Any, sql: str, params: RawParams) -> Result:
        return await self.query(conn, sql, params)  # the answer is read whole in any case

    async def command(self, conn: Any, sql: str) -> str:
        await _run(conn, sql, ())
        return ""

    async def quiesce(self, conn: Any) -> None:
        session = session_of(conn)
        if session is not None and session.is_busy:
            conn.close()  # an answer has no reader any more
        if not conn.connected:
            raise errors.InterfaceError("the connection is closed")

    # --- sessions ---

    async def read_session(self, conn: Any) -> Any:
        names = variables(is_mariadb=_is_mariadb(conn))
        values = await self.fetch_one(conn, variables_sql(names), ())
        return names, values, [getattr(conn, name) for name in _SETTINGS]

    async def put_session(self, conn: Any, session: Any) -> None:
        names, values, settings = session
        for sql, params in reset_statements(names, values):
            await self.execute(conn, sql, params)
        note_reset(conn, names, values)
        for name, value in zip(_SETTINGS, settings, strict=True):
            setattr(conn, name, value)

    async def aclose(self, conn: Any) -> None:
        try:
            async with asyncio.timeout(_FAREWELL):
                await conn.ensure_closed()
        finally:
            conn.close()


def _end_reading(conn: Any) -> None:
    session = session_of(conn)
    if session is not None:
        session.is_reading = False


def _in_transaction(conn: Any) -> bool:
    return bool(conn.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)


def _is_mariadb(conn: Any) -> bool:
    return "MariaDB" in conn.get_server_info()


async def _run(conn: Any, sql: str, params: Any) -> Any:
    """Run a statement, and read its answer to the end; return the first result."""
    statement = _statement(conn, sql, params)
    session = session_of(conn)
    if session is not None:
        session.check(sql, statement)
        session.is_busy = True
    decoders, use_unicode = conn._decoders, conn._use_unicode
    try:
        conn._decoders, conn._use_unicode = DECODERS, True
        await conn.query(statement)
        result = conn._result
        while conn._result.has_next:  # of CALL; the first one counts
            await conn.next_result()
        if result.description is not None and sql[:6] not in NEUTRAL:
            await conn.ping(reconnect=False)
        elif conn._result.description is None:
            conn.server_status = conn._result.server_status  # asyncmy does not note one that is 0
    except errors.MySQLError:
        if session is not None:
            session.is_busy = False
        raise
    except BaseException:
        conn.close()  # nobody knows how much of the answer was read
        raise
    finally:
        conn._decoders, conn._use_unicode = decoders, use_unicode
    if session is not None:
        session.is_busy = False
    return result


def _statement(conn: Any, sql: str, params: Any) -> bytes:
    """Return the finished text of a statement."""
    backslashes = not conn.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES
    try:
        return bound(sql, params, backslashes=backslashes)
    except Unfit as exc:
        raise (errors.DataError if exc.is_data else errors.ProgrammingError)(str(exc)) from exc
