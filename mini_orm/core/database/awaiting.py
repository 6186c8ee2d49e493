"""Runs statements on a connection whose calls are awaited one by one, such as psycopg's AsyncConnection or asyncpg's.

Rules of this file:
- A TaskRunner puts an AwaitingExecutor in the guard at the first use, where the driver is awaited; operations, blocks,
  scopes and leases are the same as ever. The verbs around a use (`enter_awaited` and its kin) do their work here.
- A statement is sent in the caller's own task, where the driver bears that, and nothing is sent that is not needed.
- A cancellation arrives at the driver's await, and the driver cancels its statement. It goes on only when the driver
  is done with that (`quiesce`): so whoever undoes something next finds a connection whose state can be told.
- A driver that does not bear a cancellation hears of none; its statement is awaited to its end.
- What undoes something runs in a task of its own, whose end is awaited whatever else is cancelled meanwhile; the
  cancellation is raised after it. Who is not done within the grace period makes the connection broken.
- A connection belongs to the event loop that it was first used in; TaskRunner holds that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextvars import Context
from typing import Any, Generic, TypeVar

from ..._typing import Params, RawParams, Row
from ...errors import ConnectionLost, OperationalError, QueryTypeError, TransactionError
from .. import log
from ..drivers import Result
from ..drivers.awaited import AwaitedDriver
from .at_once import NOT_INSERTED
from .executors import Executor, Stopped
from .streams import end_left

R = TypeVar("R")
#: Seconds that a cancelled operation gets to end before its connection is given up.
GRACE = 10.0
#: How often a driver that does not end a statement is cancelled at last, and the seconds that it gets each time.
_INSISTENCE = 10
_MOMENT = 0.02


class AwaitingExecutor(Executor):
    """Runs statements on one connection of an awaited driver."""

    driver: AwaitedDriver

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Somebody left in the middle of a statement, and could not wait for its end.
        self._is_restless = False
        # The last statement failed, and with it the transaction around it.
        self._has_failed = False

    @property
    def is_aborted(self) -> bool:
        return self.driver.is_aborted(self.conn) or (self._has_failed and self.in_transaction)

    # --- uses ---

    async def enter_awaited(self) -> None:
        if self._is_restless:
            await self._quiesce()
        try:
            if not self._ready:
                self.driver.check(self.conn)
                await self._sent(self.driver.prepare_awaited(self.conn), None)
                self._ready = True
            await self._refresh(begins=not self.blocks)
            if self.blocks:
                await self._heal_awaited()
            mode = self.driver.mode(self.conn)
            if mode is not None and not self.in_transaction:
                if self._mode is None:
                    self._mode = mode
                await self._sent(self.driver.put_mode(self.conn, None), None)
            if self._asks_features:
                features = self.driver.fetch_one(self.conn, self.dialect.features_sql, ())
                self.registry.features = await self._sent(features, None)
        except self._errors as exc:
            raise self.error(exc, None) from exc

    async def leave_awaited(self) -> None:
        if self._mode is None:
            return
        try:
            if not self.in_transaction:  # else it is put back after the transaction
                await self._finished(self.driver.put_mode, self.conn, self._mode)
                self._mode = None
        except ConnectionLost:
            self._mode = None
        except self._errors:
            log.debug("the mode of a connection was not put back")
            self._mode = None

    async def look_awaited(self) -> Any:
        await self.enter_awaited()
        await self.leave_awaited()
        try:
            return await self.driver.read_session(self.conn)
        except self._errors as exc:
            raise self.error(exc, None) from exc

    async def quiesce_awaited(self) -> None:
        await self._quiesce()

    async def is_left_open(self) -> bool:
        await self._refresh(begins=True)
        return self.in_transaction

    async def undo_awaited(self) -> None:
        if self.in_transaction:
            await self.command("ROLLBACK", unwinding=True)
        self.blocks.clear()
        self.read_only = False
        await self.leave_awaited()

    async def reset_awaited(self, session: Any) -> None:
        try:
            await self.driver.put_session(self.conn, session)
        except self._errors as exc:
            raise self.error(exc, None) from exc

    async def _heal_awaited(self) -> None:
        log.warning("rolling back a transaction that was left open")
        for stream in tuple(self.streams):
            await stream.end(with_transaction=True)
        outermost = self.blocks[0].savepoint
        self.blocks.clear()
        self.read_only = False
        if self.in_transaction:
            undo = ["ROLLBACK"] if outermost is None else [f"ROLLBACK TO {outermost}", f"RELEASE {outermost}"]
            for sql in undo:
                await self.command(sql, unwinding=True)

    # --- statements ---

    async def _refresh(self, *, begins: bool) -> None:
        """Find out whether a transaction is open, where the driver can't be sure."""
        if self.driver.is_stale(self.conn, begins=begins):
            await self._sent(self.driver.refresh_awaited(self.conn), None)

    async def _watch_awaited(self) -> None:
        await self._refresh(begins=False)
        self.require_transaction()
        if self.streams:
            await end_left(self)

    async def _run(self, verb: Callable[[Any, str, Any], Coroutine[Any, Any, R]], sql: str, params: Any) -> R:
        if self.blocks:
            await self._watch_awaited()
        return await self._sent(verb(self.conn, sql, params), sql)

    async def _sent(self, statement: Coroutine[Any, Any, R], sql: str | None) -> R:
        """Wait for a statement, and always for its end."""
        try:
            result = await self._carried(statement)
        except self._errors as exc:
            self._has_failed = self.driver.aborts(exc)
            if isinstance(exc, TimeoutError):  # the driver's own time limit: it cancels the statement by itself
                await self._quiesce()
            raise self.error(exc, sql) from exc
        except asyncio.CancelledError:
            await self._quiesce()
            raise
        except BaseException:  # nobody may be waited for here
            self._is_restless = True
            raise
        self._has_failed = False
        return result

    def _carried(self, statement: Coroutine[Any, Any, R]) -> Coroutine[Any, Any, R]:
        """Keep from a statement the cancellations that it does not bear."""
        driver = self.driver
        if not driver.supports_cancel and not driver.is_timed(self.conn):
            return self._to_its_end(statement)
        return self._in_task(statement) if driver.requires_task else statement

    async def _to_its_end(self, statement: Coroutine[Any, Any, R]) -> R:
        """Run a statement in the caller's task; once that is cancelled, in a task of its own."""
        unhindered = Unhindered(statement)
        try:
            return await unhindered
        except asyncio.CancelledError:
            if not unhindered.has_ended:
                await self._outlasted(asyncio.ensure_future(unhindered.rest()))
            raise

    async def _in_task(self, statement: Coroutine[Any, Any, R]) -> R:
        """Let a statement hear of the first cancellation alone, or of none."""
        task = asyncio.ensure_future(statement)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if self.driver.supports_cancel and not task.cancelling():  # else somebody cancels all tasks of the loop
                task.cancel()
            await self._outlasted(task)
            raise

    async def _outlasted(self, task: asyncio.Future[Any]) -> None:
        """Wait for the end of a statement whose caller was cancelled."""
        task.add_done_callback(forget)
        await ended(task)
        if not task.done():
            await self._give_up_waiting(task)

    async def _quiesce(self) -> None:
        self._is_restless = True
        if self.broken is not None:
            return
        try:
            await self._finished(self.driver.quiesce, self.conn)
        except ConnectionLost:
            return  # noted in `broken`; what the caller raises goes on
        except self._errors as exc:
            self.error(exc, None)  # notes a connection that is lost
        self._is_restless = False

    async def _finished(self, step: Callable[..., Coroutine[Any, Any, R]], *args: Any) -> R:
        """Let a step that makes good come to its end, also if the caller is cancelled; that is raised then.

        Raises:
            ConnectionLost: it did not end in time.
        """
        cancelled: asyncio.CancelledError | None = None
        while True:
            task = asyncio.ensure_future(step(*args))
            cancelled = await ended(task) or cancelled
            if not task.cancelled():
                break  # else somebody cancels all tasks of the loop, and it has to be done once more
        lost: BaseException | None = None
        if not task.done():
            lost, again = await self._give_up_waiting(task)
            cancelled = cancelled or again
        if cancelled is not None or lost is not None:
            task.add_done_callback(forget)
            raise cancelled or lost  # type: ignore[misc]  # one of them is there
        return task.result()

    async def _give_up_waiting(self, task: asyncio.Future[Any]) -> tuple[ConnectionLost, asyncio.CancelledError | None]:
        """Have a driver that does not answer let go of its socket; return the error, and a cancellation meanwhile.

        The socket's number goes to the next connection that is opened. Who still waits for it in the event loop then
        would break that one; a driver that is cancelled again and again stops to wait, and closes it itself.
        """
        log.error("a cancelled operation did not end within %s s; its connection is given up", GRACE)
        self.broken = lost = ConnectionLost("a cancelled operation did not end in time")
        cancelled: asyncio.CancelledError | None = None
        for _ in range(_INSISTENCE):
            task.cancel()
            again = await ended(task, _MOMENT)
            cancelled = cancelled or again
            if task.done():
                break
        return lost, cancelled

    async def execute(self, sql: str, params: Params = (), *, writes: bool = True) -> int:
        if writes:
            self.refuse_read_only()
        return await self._run(self.driver.execute, sql, params)

    async def execute_many(self, sql: str, rows: Sequence[Params]) -> int:
        self.refuse_read_only()
        return await self._run(self.driver.execute_many, sql, rows)

    async def execute_returning(self, sql: str, params: Params = ()) -> Row:
        self.refuse_read_only()
        row = await self._run(self.driver.fetch_one, sql, params)
        if row is None:
            raise OperationalError(NOT_INSERTED)
        return row

    async def insert_row(self, sql: str, params: Params = ()) -> int:
        self.refuse_read_only()
        affected, key = await self._run(self.driver.insert, sql, params)
        if not affected:
            raise OperationalError(NOT_INSERTED)
        return key

    async def fetch_one(self, sql: str, params: Params = ()) -> Row | None:
        return await self._run(self.driver.fetch_one, sql, params)

    async def fetch_all(self, sql: str, params: Params = ()) -> list[Row]:
        return await self._run(self.driver.fetch_all, sql, params)

    async def query(self, sql: str, params: RawParams, *, first: bool = False) -> Result:
        if not isinstance(sql, str):
            raise QueryTypeError(f"SQL is text, got {type(sql).__name__}")
        self.is_touched = True
        if self.blocks:
            await self._watch_awaited()
        verb = self.driver.query_first if first else self.driver.query
        return await self._sent(verb(self.conn, sql, params), None)  # no note: the text may have values in it

    async def command(self, sql: str, *, unwinding: bool = False) -> None:
        if not unwinding:
            if self.blocks:
                await self._watch_awaited()
            done = await self._sent(self.driver.command(self.conn, sql), sql)
            if sql == "COMMIT" and done == "ROLLBACK":
                raise TransactionError("the database made a rollback of the COMMIT; nothing was kept")
            return
        try:
            await self._finished(self.driver.command, self.conn, sql)
            self._has_failed = False
        except self._errors as exc:
            raise self.error(exc, sql) from exc


class Unhindered(Generic[R]):
    """Awaits a statement so that a cancellation ends the wait, and the statement hears nothing of it."""

    __slots__ = ("_statement", "_waited", "has_ended")

    def __init__(self, statement: Coroutine[Any, Any, R]) -> None:
        self._statement = statement
        self._waited: asyncio.Future[Any] | None = None
        self.has_ended = False

    def __await__(self) -> Generator[Any, None, R]:
        while True:
            self.has_ended = True  # unless it waits again
            try:
                waited = self._waited = self._statement.send(None)
            except StopIteration as done:
                result: R = done.value
                return result
            self.has_ended = False
            if waited is None:  # it lets others go first
                yield
                continue
            # As a task does with what it is given to wait for. Source: asyncio/tasks.py, Task.__step
            waited._asyncio_future_blocking = False
            yield _Sheltered(waited)

    async def rest(self) -> R:
        """Await what is left of the statement."""
        if self._waited is not None:
            await asyncio.wait({self._waited})
        return await self


class _Sheltered:
    """What a task waits for in place of a future, which goes on if the task is cancelled.

    It has what a task asks of a future that is not asyncio's own; one of asyncio's in between would cost each statement
    a turn of the event loop. Source: asyncio/futures.py, isfuture, and asyncio/tasks.py, Task.__step and Task.__wakeup
    """

    __slots__ = ("_asyncio_future_blocking", "_context", "_is_cancelled", "_waited", "_wake")

    def __init__(self, waited: asyncio.Future[Any]) -> None:
        self._asyncio_future_blocking = True
        self._is_cancelled = False
        self._waited = waited

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._waited.get_loop()

    def add_done_callback(self, wake: Callable[[_Sheltered], object], *, context: Context) -> None:
        """Hear how the task is woken."""
        self._wake, self._context = wake, context
        self._waited.add_done_callback(self._ended, context=context)

    def _ended(self, _: asyncio.Future[Any]) -> None:
        self._wake(self)

    def cancel(self, msg: object = None) -> bool:
        """Wake the task now; `False` where it is about to be woken."""
        if not self._waited.remove_done_callback(self._ended):
            return False
        self._is_cancelled = True
        self.get_loop().call_soon(self._wake, self, context=self._context)
        return True

    def result(self) -> None:
        """Tell the task why it was woken; what became of the future is for the statement alone."""
        if self._is_cancelled:
            raise asyncio.CancelledError


async def ended(task: asyncio.Future[Any], seconds: float | None = None) -> asyncio.CancelledError | None:
    """Wait for the end of a task, at most the grace period; return the first cancellation that came meanwhile."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (GRACE if seconds is None else seconds)
    cancelled: asyncio.CancelledError | None = None
    while not task.done() and loop.time() < deadline:
        try:
            await asyncio.wait({task}, timeout=deadline - loop.time())
        except asyncio.CancelledError as exc:
            cancelled = cancelled or exc
    return cancelled


def forget(task: asyncio.Future[Any]) -> None:
    """Note what became of a task whose caller was cancelled, and is gone."""
    exc = None if task.cancelled() else task.exception()
    if exc is not None and not isinstance(exc, Stopped):
        log.debug("what a cancelled call had begun ended with %s", type(exc).__name__)
