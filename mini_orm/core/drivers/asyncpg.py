"""asyncpg.

Rules of this file:
- asyncpg is always in autocommit, and has marks of its own (`$1`): compiled text is turned over once, and kept.
- A cancelled statement goes on in the server until asyncpg's cancel request arrives; the next one waits for that.
- Records stay as they are where rows are decoded, as they are read by position; a Result has tuples.
- Statements are prepared and kept by asyncpg, as the connection's own settings say (`statement_cache_size`).
"""

from __future__ import annotations

import contextlib
import functools
import re
from array import array
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, ClassVar

import asyncpg  # type: ignore[import-untyped]  # it has no py.typed

from ..._typing import Params, RawParams, Row
from ...errors import (
    ConnectionLost,
    DatabaseError,
    OperationalError,
    ProgrammingError,
    QueryTypeError,
)
from ..dialects.postgres import PostgresDialect
from .awaited import AwaitedDriver
from .base import Result
from .postgres import PREPARED, attributes_of, class_of, deallocated

_MARKS = re.compile("%[s%]")
_COUNT = re.compile(r"(\d+)$")
#: What may hide a semicolon: literals, quoted names, comments.
_OPAQUE = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$""", re.DOTALL)
#: Seconds that a connection gets for its farewell.
_FAREWELL = 5.0


class AsyncpgDriver(AwaitedDriver):
    """Runs SQL through `asyncpg.Connection`."""

    name = "asyncpg"
    errors: ClassVar[tuple[type[BaseException], ...]] = (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        OSError,
    )

    def dialect(self) -> PostgresDialect:
        return PostgresDialect()

    def raw(self, conn: Any) -> Any:
        # What a pool of asyncpg's hands out refuses every call once its connection is gone, and then tells nothing.
        return getattr(conn, "_con", conn)

    def check(self, conn: Any) -> None:
        return

    def loop(self, conn: Any) -> Any:
        return conn._loop

    def in_transaction(self, conn: Any) -> bool:
        if conn.is_closed():
            raise asyncpg.InterfaceError("connection is closed")
        return bool(conn.is_in_transaction())

    def aborts(self, exc: BaseException) -> bool:
        # One that has no severity is asyncpg's own, of a statement that was not sent.
        return isinstance(exc, asyncpg.PostgresError) and exc.severity is not None

    def mode(self, conn: Any) -> None:
        return None

    async def put_mode(self, conn: Any, mode: Any) -> None:
        raise NotImplementedError  # there is one mode

    def classify(self, exc: BaseException, conn: Any) -> tuple[type[DatabaseError], dict[str, Any]]:
        if isinstance(exc, asyncpg.DataError) and isinstance(exc.__cause__, TypeError):
            return ProgrammingError, {}  # a value that can't be bound, which asyncpg finds before it sends anything
        sqlstate = getattr(exc, "sqlstate", None)
        ours = class_of(sqlstate)
        if ours is not None and not isinstance(exc, asyncpg.InterfaceError):
            return ours, attributes_of(exc, sqlstate, getattr(exc, "detail", None))
        if isinstance(exc, TimeoutError):  # command_timeout, or a connect's
            return OperationalError, {}
        if isinstance(exc, OSError) or (conn is not None and conn.is_closed()):
            return ConnectionLost, {}
        return (ProgrammingError if isinstance(exc, asyncpg.InterfaceError) else OperationalError), {}

    # --- statements ---

    async def execute(self, conn: Any, sql: str, params: Params) -> int:
        return _affected(await conn.execute(numbered(sql, params), *params))

    async def execute_many(self, conn: Any, sql: str, rows: Sequence[Params]) -> int:
        await conn.executemany(numbered(sql, rows), rows)
        return len(rows)  # asyncpg does not say

    async def load(self, conn: Any, sql: str, parts: Iterable[bytes]) -> int:
        # What asyncpg's own words for it send, which spell the statement themselves.
        return _affected(await conn._copy_in(sql, _stream(parts), None))

    def real_array(self, values: array[float]) -> array[float]:
        return values

    async def fetch_one(self, conn: Any, sql: str, params: Params) -> Row | None:
        row: Row | None = await conn.fetchrow(numbered(sql, params), *params, record_class=asyncpg.Record)
        return row

    async def fetch_all(self, conn: Any, sql: str, params: Params) -> list[Row]:
        rows: list[Row] = await conn.fetch(numbered(sql, params), *params, record_class=asyncpg.Record)
        return rows

    async def query(self, conn: Any, sql: str, params: RawParams) -> Result:
        return await self._query(conn, sql, params, first=False)

    async def query_first(self, conn: Any, sql: str, params: RawParams) -> Result:
        return await self._query(conn, sql, params, first=True)

    async def _query(self, conn: Any, sql: str, params: RawParams, *, first: bool) -> Result:
        if params is None and _is_script(sql):
            return Result([], _affected(await conn.execute(sql)), None, None)
        values = _positional(params)
        statement = await conn.prepare(sql, record_class=asyncpg.Record)
        if first:
            row = await statement.fetchrow(*values)
            rows = [] if row is None else [row]
        else:
            rows = await statement.fetch(*values)
        columns = [(each.name, each.type.oid, None, None, None, None, None) for each in statement.get_attributes()]
        affected = len(rows) if columns and first else _affected(statement.get_statusmsg())
        return Result([tuple(row) for row in rows], affected, None, columns or None)

    async def command(self, conn: Any, sql: str) -> str:
        status: str = await conn.execute(sql)
        return status

    async def quiesce(self, conn: Any) -> None:
        with contextlib.suppress(asyncpg.PostgresError):  # in a transaction that has failed
            await conn.execute("SELECT 1")  # it waits for the end of the statement before it

    # --- sessions ---

    async def read_session(self, conn: Any) -> None:
        return None

    async def put_session(self, conn: Any, session: None) -> None:
        await conn.reset()
        for sql in deallocated(await conn.fetch(PREPARED, record_class=asyncpg.Record)):
            await conn.execute(sql)

    async def aclose(self, conn: Any) -> None:
        await conn.close(timeout=_FAREWELL)


async def _stream(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def numbered(sql: str, params: Any) -> str:
    """Return compiled text with asyncpg's marks; without `params` it is no compiled one, and stands as it is."""
    return sql if params is None else _numbered(sql)


@functools.lru_cache(maxsize=2048)
def _numbered(sql: str) -> str:
    place = 0

    def mark(found: re.Match[str]) -> str:
        nonlocal place
        if found[0] == "%%":
            return "%"
        place += 1
        return f"${place}"

    return _MARKS.sub(mark, sql)


def _affected(status: str | None) -> int:
    """Read the count at the end of what the server says, such as `INSERT 0 3`."""
    found = _COUNT.search(status or "")
    return int(found[1]) if found else 0


def _is_script(sql: str) -> bool:
    """Tell whether it is several statements, which can't be prepared."""
    return ";" in sql and ";" in _OPAQUE.sub("", sql).rstrip().rstrip(";")


def _positional(params: RawParams) -> Sequence[Any]:
    if params is None:
        return ()
    if isinstance(params, str | bytes) or not isinstance(params, Sequence):
        raise QueryTypeError("asyncpg takes values by position: a list or a tuple, for $1, $2 and so on")
    return params
