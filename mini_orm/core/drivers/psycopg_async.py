"""psycopg 3, awaited: `psycopg.AsyncConnection`. What the blocking one says of cursors and of its mode holds here.

A cancelled statement is cancelled in the server by psycopg itself, which waits for its end. Cancelled once more while
it waits, psycopg closes the connection, so each statement gets a task of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import generators
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from ..._typing import Params, RawParams, Row
from .awaited import AwaitedDriver
from .base import Result
from .postgres import PREPARED, RESET, deallocated
from .psycopg import _PLAIN_SETTINGS, _SETTINGS, PsycopgDriver, RealArray, RealArrayDumper


class AsyncPsycopgDriver(AwaitedDriver, PsycopgDriver):
    """Runs SQL through `psycopg.AsyncConnection`."""

    requires_task = True

    async def put_mode(self, conn: Any, mode: Any) -> None:
        await conn.set_autocommit(True if mode is None else mode)

    # --- statements ---

    async def execute(self, conn: Any, sql: str, params: Params) -> int:
        cursor = await _cursor(conn, params).execute(sql, params)
        return max(cursor.rowcount, 0)

    async def execute_many(self, conn: Any, sql: str, rows: Sequence[Params]) -> int:
        cursor = _cursor(conn)
        await cursor.executemany(sql, rows)
        return max(cursor.rowcount, 0)

    async def load(self, conn: Any, sql: str, parts: Iterable[bytes]) -> int:
        async with _cursor(conn) as cursor:
            async with cursor.copy(sql.encode()) as stream:
                for part in parts:
                    await stream.write(part)
            return max(cursor.rowcount, 0)

    async def fetch_one(self, conn: Any, sql: str, params: Params) -> Row | None:
        cursor = await _cursor(conn, params).execute(sql, params)
        return await cursor.fetchone()

    async def fetch_all(self, conn: Any, sql: str, params: Params) -> list[Row]:
        cursor = await _cursor(conn, params).execute(sql, params)
        return await cursor.fetchall()

    async def query(self, conn: Any, sql: str, params: RawParams) -> Result:
        cursor = await _cursor(conn).execute(sql, params)
        rows = [] if cursor.description is None else await cursor.fetchall()
        return Result(rows, cursor.rowcount, None, cursor.description)

    async def query_first(self, conn: Any, sql: str, params: RawParams) -> Result:
        cursor = await _cursor(conn).execute(sql, params)
        row = None if cursor.description is None else await cursor.fetchone()
        return Result([] if row is None else [row], cursor.rowcount, None, cursor.description)

    async def command(self, conn: Any, sql: str) -> str:
        cursor = await _cursor(conn).execute(sql)
        return cursor.statusmessage or ""

    async def quiesce(self, conn: Any) -> None:
        # psycopg has waited by itself, unless its caller was gone at once: then the statement has no reader any more.
        # Or it was cancelled while it began a COPY, and has left that open.
        if conn.pgconn.transaction_status == TransactionStatus.ACTIVE:
            with contextlib.suppress(psycopg.Error):
                await conn.wait(generators.copy_end(conn.pgconn, b"cancelled"))
        if conn.pgconn.transaction_status == TransactionStatus.ACTIVE:
            await conn.close()

    # --- sessions ---

    async def read_session(self, conn: Any) -> Any:
        return {name: getattr(conn, name) for name in ("autocommit", *_SETTINGS, *_PLAIN_SETTINGS)}

    async def put_session(self, conn: Any, session: Any) -> None:
        await conn.set_autocommit(True)
        for sql in RESET:
            await self.command(conn, sql)
        for sql in deallocated(await self.fetch_all(conn, PREPARED, ())):
            await self.command(conn, sql)
        for name in _PLAIN_SETTINGS:
            setattr(conn, name, session[name])
        for name in (*_SETTINGS, "autocommit"):
            if getattr(conn, name) != session[name]:
                await getattr(conn, f"set_{name}")(session[name])

    async def aclose(self, conn: Any) -> None:
        await conn.close()


def _cursor(conn: Any, params: Params = ()) -> psycopg.AsyncCursor[Row]:
    cursor = psycopg.AsyncCursor(conn, row_factory=tuple_row)
    if RealArray in map(type, params):  # else it need not be told of them, which takes its time
        cursor.adapters.register_dumper(RealArray, RealArrayDumper)
    return cursor
