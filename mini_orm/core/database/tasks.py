"""What only the async face needs: its lock, the hop into a worker thread, and the executors that wait in steps.

Rules of this file:
- It is imported when the first `AsyncDatabase` is made, as it imports asyncio.
- A blocking connection's work runs in a thread, one hop an operation. A cancelled caller waits until the thread is
  done with it: its statement is interrupted, no other one begins, and the operation undoes itself there. Only a
  thread that does not come back within the grace period is left alone, and its connection given up.
- On a connection that is bound to the loop's own thread the work runs inline; it never waits for another's lock
  inside of the database, but tries again after it let the loop go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from ..._typing import RawParams
from ...errors import ConfigurationError, ConnectionLost
from .. import log
from ..drivers import Result
from . import awaiting
from .awaiting import AwaitingExecutor, ended, forget
from .executors import Executor, drive
from .guards import Guard, close_now, thread_owner
from .locks import Lock, ThreadHold
from .streams import end_left

R = TypeVar("R")
#: Seconds between two interrupts of the same operation: by a call, and by a message to a server.
_INTERRUPT_EVERY = 0.02
_ASK_EVERY = 0.5


class TaskHold(ThreadHold):
    """A claim on a lock by a task, in any loop."""

    __slots__ = ("_future", "_loop")

    def __init__(self, lock: Lock) -> None:
        super().__init__(lock)
        self.thread = None  # a thread has many tasks, and none has what another one has

    async def acquire(self, timeout: float | None = None) -> None:
        """Wait for the lock, as `ThreadHold.take` does."""
        try:
            if self._queue():
                if timeout is None:
                    await self._future
                else:
                    await asyncio.wait({self._future}, timeout=timeout)
                self._waited()
        except BaseException:
            self._withdraw()
            raise

    def _prepare(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> bool:
        """Let the task go on; `False` if its loop is closed, and it is gone."""
        if asyncio._get_running_loop() is self._loop:
            _wake(self._future)  # no loop has to be woken from its sleep
            return True
        try:
            self._loop.call_soon_threadsafe(_wake, self._future)
        except RuntimeError:
            return False
        return True


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class PatientExecutor(Executor):
    """Waits for other connections' locks in steps of its own, so that it can be stopped while it waits."""

    is_patient = True
    _native = False

    async def _send(
        self, sql: str, params: Any = (), *, many: bool = False, own: Any = None, watch: bool = True
    ) -> Any:
        if self._patience is None and not self._native:  # the first statement of a use
            try:
                patience = self.driver.busy_timeout(self._cursor)
                self._patience = patience
                self.driver.set_busy_timeout(self._cursor, 0)
            except self._errors as exc:
                raise self.error(exc, None) from exc
        return await super()._send(sql, params, many=many, own=own, watch=watch)

    def _watch(self) -> None:
        super()._watch()
        if self.streams:
            drive(end_left(self))

    async def query(self, sql: str, params: RawParams, *, first: bool = False) -> Result:
        if not isinstance(sql, str) or "busy_timeout" not in sql.lower():
            return await super().query(sql, params, first=first)
        # The user reads or sets what is put aside here.
        self._put_back()
        self._native = True
        try:
            return await super().query(sql, params, first=first)
        finally:
            self._native = False

    def leave(self) -> None:
        self._put_back()
        super().leave()

    def _put_back(self) -> None:
        if self._patience is not None:
            with self._unstopped():
                try:
                    self.driver.set_busy_timeout(self._cursor, self._patience)
                except self._errors:
                    log.debug("the busy timeout of a closed connection was not put back")
            self._patience = None


class HopExecutor(PatientExecutor):
    """Runs in a worker thread, where waiting blocks nobody else."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._wake = threading.Event()

    async def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)

    def cancel(self) -> None:
        super().cancel()
        self._wake.set()

    def resume(self) -> None:
        super().resume()
        self._wake.clear()


class InlineExecutor(PatientExecutor):
    """Runs in the loop's own thread."""

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class TaskRunner:
    """Runs operations on one connection for asyncio; finds out at the first use how the connection wants it."""

    is_async = True

    def __init__(self) -> None:
        self._worker: ThreadPoolExecutor | None = None
        self._hop: Callable[[Callable[[], Any]], Any] | None = None
        self._chosen = False
        #: Where an operation that runs without a hop has to be: in its thread, or in its event loop.
        self._where: Callable[[], object] = threading.get_ident
        self._home: object = None

    @property
    def is_inline(self) -> bool:
        """Whether operations run in the loop's own thread, and wait for nothing but locks."""
        return self._chosen and self._hop is None and self._where is threading.get_ident

    def fresh(self) -> TaskRunner:
        return TaskRunner()

    def hold(self, lock: Lock) -> TaskHold:
        return TaskHold(lock)

    def owner(self) -> object:
        return thread_owner()

    async def perform(self, guard: Guard, operation: Coroutine[Any, Any, R]) -> R:
        """Run an operation: by a hop, or inline. The guard's lock, or its scope's, is held."""
        try:
            if guard.executor.broken is not None:  # what it is stuck in would hold up everything behind it
                raise ConnectionLost("this connection was given up; open a new one") from guard.executor.broken
            if not self._chosen:
                await self._choose(guard)
            if self._hop is None:
                self._require_home()
        except BaseException:
            operation.close()
            raise
        if self._hop is None:
            return await operation
        try:
            return await self._hopped(guard, operation)
        except ConnectionLost:
            guard.executor.is_lost = True
            raise

    def _require_home(self) -> None:
        if self._where() != self._home:
            raise ConfigurationError("this connection belongs to another event loop, or its thread; open one here")

    async def _choose(self, guard: Guard) -> None:
        home = None
        if guard.driver.is_awaited:
            self._where = asyncio.get_running_loop
            home = guard.driver.loop(guard.conn)
            _put_executor(guard, AwaitingExecutor)
        else:
            await self._choose_thread(guard)
        self._home = home or self._where()
        self._chosen = True

    async def _choose_thread(self, guard: Guard) -> None:
        """Find out in which thread a blocking connection can be used."""
        driver, conn = guard.driver, guard.conn
        hop = driver.hop(conn)
        if hop is None:
            worker = self._worker or _new_worker()
            loop_free = functools.partial(_run_in, worker)
            if await loop_free(functools.partial(driver.is_bound_elsewhere, conn)):
                worker.shutdown(wait=False)
                if driver.is_bound_elsewhere(conn):
                    raise ConfigurationError(
                        "this connection belongs to another thread than the event loop's; open it in the loop's "
                        "thread, or so that any thread may use it: sqlite3.connect(path, check_same_thread=False)"
                    )
                self._worker = None
            else:
                self._worker, hop = worker, loop_free
        _put_executor(guard, InlineExecutor if hop is None else HopExecutor)
        self._hop = hop

    async def _hopped(self, guard: Guard, operation: Coroutine[Any, Any, R]) -> R:
        assert self._hop is not None
        executor = guard.executor
        call = _Call(operation)
        asyncio.ensure_future(self._hop(call)).add_done_callback(call.ended)
        try:
            result: R = await asyncio.shield(call.done)
            return result
        except asyncio.CancelledError:
            await _settled(executor, call.done)
            raise
        finally:
            if executor.broken is None:  # else it may still run, and shall not go on
                executor.resume()

    async def connect(self, call: Callable[[], Any], *, in_loop: bool) -> Any:
        """Open a connection. What blocks, or may block, does so in the worker that the connection then lives in."""
        if in_loop:
            return await call()
        worker = self._worker = _new_worker()
        conn = await _run_in(worker, call)
        if inspect.isawaitable(conn):
            self.stop()
            conn = await conn
        return conn

    async def finish(self, work: Coroutine[Any, Any, R]) -> R:
        """Let `work` come to its end; a cancelled caller waits for it, at most the grace period."""
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(forget)
            await ended(task)
            if not task.done():
                log.error("what a cancelled call had begun did not end within %s s; it goes on alone", awaiting.GRACE)
            raise

    async def close(self, guard: Guard) -> None:
        """Close the connection, in the thread where it lives."""
        if not guard.driver.is_blocking:
            if self._chosen and self._hop is None:
                self._require_home()
            await guard.driver.aclose(guard.conn)
            guard.closed = True
        elif self._worker is not None:
            await _run_in(self._worker, functools.partial(close_now, guard))
        else:
            close_now(guard)
        self.stop()

    def close_blocking(self, guard: Guard) -> None:
        """Close a blocking connection where it lives, and wait for that."""
        if self._worker is not None:
            self._worker.submit(close_now, guard).result()
        else:
            close_now(guard)
        self.stop()

    def close_later(self, guard: Guard) -> None:
        """Close a connection without waiting for that, nor for what runs on it."""
        if guard.driver.is_blocking and self is not guard.runner:
            guard.runner.close_later(guard)
        elif self._worker is not None:
            self._worker.submit(close_now, guard).add_done_callback(_forget_closed)
            self.stop()
        elif guard.driver.is_blocking:
            _forget_closed(_done(functools.partial(close_now, guard)))
        elif not self.later(guard.driver.aclose(guard.conn)):
            log.debug("an async connection was given up without an event loop to close it in")

    def later(self, work: Coroutine[Any, Any, None]) -> bool:
        """Have something done by a task of its own; `False` where no loop runs, and it is not done."""
        try:
            task = asyncio.get_running_loop().create_task(work)
        except RuntimeError:
            work.close()
            return False
        _background.add(task)
        task.add_done_callback(_background.discard)
        task.add_done_callback(forget)
        return True

    def stop(self) -> None:
        """Let the worker thread go."""
        if self._worker is not None:
            self._worker.shutdown(wait=False)
            self._worker = None


class _Call:
    """An operation on its way to a thread. `done` follows the operation, and not the task that carried it there.

    Where the carrier comes back, `done` is set then and not before: a loop that is closed while aiosqlite's thread has
    yet to answer it takes that thread down, and the connection with it.
    """

    __slots__ = ("_is_orphaned", "_is_taken", "_loop", "_mutex", "_operation", "_outcome", "done")

    def __init__(self, operation: Coroutine[Any, Any, Any]) -> None:
        self._operation = operation
        self._loop = asyncio.get_running_loop()
        self._mutex = threading.Lock()
        self._is_taken = False
        self._is_orphaned = False
        self._outcome: tuple[Any, BaseException | None] | None = None
        self.done: asyncio.Future[Any] = self._loop.create_future()

    def _take(self) -> bool:
        with self._mutex:
            was_taken, self._is_taken = self._is_taken, True
        return not was_taken

    def __call__(self) -> None:
        """Run in the thread."""
        if not self._take():
            return
        result, error = None, None
        try:
            result = drive(self._operation)
        except BaseException as exc:  # handed to the loop
            error = exc
        with self._mutex:
            self._outcome = (result, error)
            is_orphaned = self._is_orphaned
        if is_orphaned:
            try:
                self._loop.call_soon_threadsafe(self._set)
            except RuntimeError:
                log.debug("an operation ended after its event loop was closed")

    def _set(self) -> None:
        outcome, self._outcome = self._outcome, None
        if outcome is None or self.done.done():
            return
        result, error = outcome
        if error is None:
            self.done.set_result(result)
        else:
            self.done.set_exception(error)

    def ended(self, carrier: asyncio.Future[Any]) -> None:
        """Hear that the carrier is done: if it did not get there, the operation never begins."""
        error = None if carrier.cancelled() else carrier.exception()
        if not self._take():
            with self._mutex:
                self._is_orphaned = self._outcome is None
            if not self._is_orphaned:
                self._set()
            return
        self._operation.close()
        if error is None:
            self.done.cancel()
        else:
            self._outcome = (None, error)
            self._set()


def _put_executor(guard: Guard, executor_class: type[Executor]) -> None:
    """Give a connection the executor that waits as its runner does, unless another runner has."""
    old = guard.executor
    if type(old) is Executor:
        new = executor_class(guard.driver, old.conn, old.dialect, old.registry, joined=old.is_declared_joined)
        new.is_touched = old.is_touched
        guard.executor = new


async def _run_in(worker: ThreadPoolExecutor, call: Callable[[], R]) -> R:
    return await asyncio.get_running_loop().run_in_executor(worker, call)


#: Tasks that nobody waits for; the loop itself keeps only weak references.
_background: set[asyncio.Task[None]] = set()


def _done(call: Callable[[], None]) -> Future[None]:
    """Call now, and keep the outcome as a future does."""
    future: Future[None] = Future()
    try:
        call()
        future.set_result(None)
    except Exception as exc:
        future.set_exception(exc)
    return future


def _forget_closed(future: Future[None]) -> None:
    if not future.cancelled() and future.exception() is not None:
        log.debug("a connection that was given up could not be closed: %s", type(future.exception()).__name__)


def _new_worker() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="mini_orm")


async def _settled(executor: Executor, future: asyncio.Future[Any]) -> None:
    """Interrupt an operation and wait until it has ended, whatever else is cancelled meanwhile."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + awaiting.GRACE
    pause = _ASK_EVERY if executor.driver.uses_network_to_interrupt else _INTERRUPT_EVERY
    interrupt: asyncio.Future[None] | None = None
    while not future.done():
        if loop.time() > deadline:
            executor.broken = ConnectionLost("a cancelled operation did not end in time")
            log.error("a cancelled operation did not end within %s s; its connection is given up", awaiting.GRACE)
            future.add_done_callback(forget)
            return
        if not executor.driver.uses_network_to_interrupt:
            executor.cancel()
        elif interrupt is None or interrupt.done():
            interrupt = loop.run_in_executor(None, executor.cancel)
        with contextlib.suppress(asyncio.CancelledError):  # the first one is raised when the connection is safe
            await asyncio.wait({future}, timeout=pause)
    forget(future)
    if interrupt is not None:  # else it would meet the connection's next user
        await ended(interrupt)
