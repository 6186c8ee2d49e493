"""Results that are read in parts, so that no more than a part of one is in memory.

Rules of this file:
- A stream belongs to the innermost block that is open when it begins, and ends with that at the latest: none is left
  on a connection behind its transaction.
- Where SQL has cursors of its own (`supports_sql_cursors`), these are used, through any driver. Else the driver reads
  in parts; SQLite lets other statements run meanwhile, and the drivers of MySQL refuse them.
- An end undoes something: no cancellation stops it, and what fails in it is logged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from ..._typing import Params, Row
from ...errors import DatabaseError, TransactionError
from .. import log
from .executors import Executor

if TYPE_CHECKING:
    from .awaiting import AwaitingExecutor  # imports asyncio, which `import mini_orm` does not
    from .guards import Reader


class Stream(ABC):
    """A result on one connection, on its way."""

    def __init__(self, executor: Executor, sql: str) -> None:
        self.block = executor.blocks[-1]
        self.is_open = False
        #: The iteration, where that may be gone before anybody ends the stream.
        self.reader: Reader | None = None
        self._executor = executor
        self._sql = sql

    async def begin(self, params: Params) -> None:
        """Run the query.

        Raises:
            DatabaseError: the database refused.
        """
        self._executor.streams.append(self)
        self.is_open = True
        await self._begin(params)

    async def read(self, size: int) -> list[Row]:
        """Return the next rows: `size` of them, or fewer at the end, which ends the stream.

        Raises:
            TransactionError: the transaction that it stands in has ended.
        """
        if not self.is_open:
            raise TransactionError("the transaction that this iteration reads in has ended, and the iteration with it")
        rows = await self._read(size)
        if len(rows) < size:
            await self.end()
        return rows

    async def end(self, *, with_transaction: bool = False) -> None:
        """Let go of what is left. Twice is fine.

        Args:
            with_transaction: it ends now, and with it what SQL has declared in it.
        """
        if not self.is_open:
            return
        self.is_open = False
        self._executor.streams.remove(self)
        try:
            await self._end(with_transaction)
        except DatabaseError as exc:
            log.debug("a result was not read to its end: %s", type(exc).__name__)

    @abstractmethod
    async def _begin(self, params: Params) -> None: ...

    @abstractmethod
    async def _read(self, size: int) -> list[Row]: ...

    @abstractmethod
    async def _end(self, with_transaction: bool) -> None: ...


class SqlStream(Stream):
    """A cursor that SQL declares."""

    _name = ""

    async def _begin(self, params: Params) -> None:
        from zlib import crc32  # few programs need it, and it is not free to import

        # A driver may keep what it knows of the rows of a FETCH: one name is for one query alone.
        kind = f"mini_orm_{crc32(self._sql.encode()):08x}_"
        taken = {stream._name for stream in self._executor.streams}
        self._name = next(name for name in (f"{kind}{number}" for number in range(len(taken) + 1)) if name not in taken)
        await self._executor.execute(f"DECLARE {self._name} NO SCROLL CURSOR FOR {self._sql}", params, writes=False)

    async def _read(self, size: int) -> list[Row]:
        return await self._executor.fetch_all(f"FETCH {size} FROM {self._name}")

    async def _end(self, with_transaction: bool) -> None:
        if not with_transaction and self._executor.in_transaction and not self._executor.is_aborted:
            await self._executor.command(f"CLOSE {self._name}", unwinding=True)


class CursorStream(Stream):
    """A cursor of a blocking driver."""

    _cursor: Any = None

    async def _begin(self, params: Params) -> None:
        executor = self._executor
        self._cursor = executor.driver.reading_cursor(executor.conn)
        await executor._send(self._sql, params, own=self._cursor)

    async def _read(self, size: int) -> list[Row]:
        executor = self._executor
        executor._check_cancelled()
        executor.require_transaction()
        try:
            rows: list[Row] = self._cursor.fetchmany(size)
        except executor.driver.errors as exc:
            raise executor.error(exc, self._sql) from exc
        return rows

    async def _end(self, with_transaction: bool) -> None:
        if self._cursor is not None:
            self._executor._close_cursor(self._cursor)


class AwaitedStream(Stream):
    """What an awaited driver reads in parts."""

    _executor: AwaitingExecutor
    _reading: Any = None

    async def _begin(self, params: Params) -> None:
        executor = self._executor
        self._reading = await executor._run(executor.driver.begin_reading, self._sql, params)

    async def _read(self, size: int) -> list[Row]:
        executor = self._executor
        executor.require_transaction()
        return await executor._sent(executor.driver.read_part(executor.conn, self._reading, size), self._sql)

    async def _end(self, with_transaction: bool) -> None:
        executor = self._executor
        if self._reading is not None:
            await executor._finished(executor.driver.end_reading, executor.conn, self._reading)


async def end_left(executor: Executor) -> None:
    """End what nobody reads any more, as its end may be on the way in another task.

    Raises:
        TransactionError: somebody reads on, and the database takes nothing else meanwhile.
    """
    for stream in tuple(executor.streams):
        if stream.reader is not None and stream.reader() is None:
            await stream.end()
    executor.driver.check_reading(executor.conn)


async def streamed(executor: Executor, sql: str, params: Params) -> Stream:
    """Begin to read a result in parts, inside of the innermost block.

    Raises:
        DatabaseError: the database refused.
    """
    kind: type[Stream] = AwaitedStream if executor.driver.is_awaited else CursorStream
    stream = (SqlStream if executor.dialect.supports_sql_cursors else kind)(executor, sql)
    try:
        await stream.begin(params)
    except BaseException:
        await stream.end()
        raise
    return stream
