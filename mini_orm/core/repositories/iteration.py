"""`iterate`: objects one by one, of which a part at a time is in memory.

Rules of this file:
- Inside of a transaction an iteration reads in that, part by part, and other calls may come between. Outside it has a
  read-only transaction of its own, and with it the connection, from the first object that is asked for to the end.
- The end comes with the last object, with an error, or with the generator's own: `break` drops that, `close()` and
  `aclose()` end it. What is dropped in a thread where the connection can't be used is undone by its next use.
- Parts go through threads and the event loop, and never objects one by one.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import ClosedError
from ..database.database import Database, _runner
from ..database.database_async import AsyncDatabase
from ..database.executors import Executor, drive
from ..database.guards import Reader, Runner
from ..database.streams import Stream, streamed
from ..database.transactions import ReadingScope, Scope
from ..query.compiler import Compiler
from . import ops_schema
from .ops_schema import Flags


@dataclass(slots=True, eq=False)
class Iteration:
    """A query, and in which parts it is read."""

    compiler: Compiler
    cls: type
    flags: Flags
    models: list[type]
    sql: str
    params: list[Any]
    size: int

    async def begin(self, executor: Executor) -> tuple[Stream, list[Any]]:
        """Run the query; return where to read on, and the first objects."""
        stream = await streamed(executor, self.sql, self.params)
        return stream, await self.read(executor, stream)

    async def read(self, executor: Executor, stream: Stream) -> list[Any]:
        """Return the next objects."""
        try:
            return self.compiler.decoder.many(self.cls, await stream.read(self.size))
        except BaseException:
            await stream.end()
            raise


def iteration(compiler: Compiler, cls: type, flags: Flags, where: Any, order_by: Any, batch_size: Any) -> Iteration:
    """Read the arguments of `iterate`.

    Raises:
        ValueError: `batch_size` is no int of at least 1.
        QueryError: as for `list`.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError("batch_size must be an int of at least 1")
    others = ops_schema.led_to(compiler.filters, flags, where, order_by)
    sql, params = compiler.select(where, order_by, None, None)
    return Iteration(compiler, cls, flags, [cls, *others], sql, params, batch_size)


def iterated(db: Database, reading: Iteration) -> Generator[Any]:
    """Yield the objects of a blocking database."""
    begin = drive(ops_schema.prepared(db, reading.models, reading.flags, reading.begin))
    around = db._scope_here()
    scope = around or _reading_scope(db, _runner)
    stream: Stream | None = None
    has_ended = False
    try:
        if around is None:
            drive(scope.open())
        tx = Database._bound(db, scope)
        begun, objects = tx.run(begin)
        stream = begun
        while objects:
            is_full = len(objects) == reading.size
            yield from objects
            del objects  # or it would stay while the next part is read
            objects = tx.run(reading.read, begun) if is_full else []
        has_ended = True
    finally:
        if around is not None:
            drive(_leave(around, stream))
        elif _is_out_of_reach(scope):
            scope.release()
        else:
            drive(_close(scope, keep=has_ended))


def iterated_async(db: AsyncDatabase, reading: Iteration) -> AsyncGenerator[Any]:
    """Yield the objects of an awaited database."""
    reader: list[Reader] = []
    generator = _iterated_async(db, reading, reader)
    # Once nobody has the generator the loop ends it, a little later; the next call may come before that.
    reader.append(weakref.ref(generator))
    return generator


async def _iterated_async(db: AsyncDatabase, reading: Iteration, reader: Sequence[Reader]) -> AsyncGenerator[Any]:
    begin = await ops_schema.prepared(db, reading.models, reading.flags, reading.begin)
    around = db._scope_here()
    scope = around or _reading_scope(db, db._runner, *reader)
    stream: Stream | None = None
    has_ended = False
    try:
        if around is None:
            await scope.open()
        tx = AsyncDatabase._bound(db, scope)
        begun, objects = await tx.run(begin)
        stream = begun
        stream.reader = reader[0]
        while objects:
            is_full = len(objects) == reading.size
            for obj in objects:
                yield obj
            del objects  # or it would stay while the next part is read
            objects = await tx.run(reading.read, begun) if is_full else []
        has_ended = True
    finally:
        if around is not None:
            await _leave(around, stream)
        else:
            await _close(scope, keep=has_ended)


def _reading_scope(db: Database | AsyncDatabase, runner: Runner, reader: Reader | None = None) -> ReadingScope:
    if db._closed:
        raise ClosedError("connection is closed")
    return ReadingScope(db._source, runner, reader)


async def _leave(around: Scope, stream: Stream | None) -> None:
    """End what is left of an iteration in a transaction that goes on."""
    if stream is None or not stream.is_open or around.child is not None:  # or it ends with the transaction
        return
    hold = around.hold()
    try:
        await hold.acquire()
        # A generator that the collector ends may find its thread in the middle of a call.
        if around.is_open and not hold.is_nested:
            await around.guard.runner.perform(around.guard, stream.end())
    finally:
        hold.release()


def _is_out_of_reach(scope: Scope) -> bool:
    """Tell whether the connection can't be used in this thread, where the collector ends the generator."""
    return scope.is_open and scope.guard.driver.is_bound_elsewhere(scope.guard.executor.conn)


async def _close(scope: Scope, *, keep: bool) -> None:
    """End the transaction of an iteration, and give its connection back."""
    try:
        await scope.close(keep=keep, wait=False)
    except BaseException:
        await scope.close(keep=False, wait=False)
        raise
