"""One connection under mini_orm's care, and how each face works on it.

Rules of this file:
- A Guard is one connection: its driver, its executor, its lock, its open transaction, and the runner that knows in
  which thread its work is done.
- All databases on a connection that was given share its guard. A pool's guards are the pool's own.
- A Lease is the right to use a connection for one operation or one transaction: `acquire`, `settle`, `drop`.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from ...errors import ClosedError, ConfigurationError, DatabaseError, TransactionError
from .. import log
from ..drivers import Driver
from .executors import Executor, drive
from .locks import Lock, ThreadHold
from .registry import Registry

R = TypeVar("R")


class Runner(Protocol):
    """How one face runs an operation on a connection: at once, or in another thread."""

    is_async: bool

    @property
    def is_inline(self) -> bool:
        """Whether operations run in the caller's own thread."""
        ...

    def fresh(self) -> Runner:
        """Make a runner for another connection of the same face."""
        ...

    def hold(self, lock: Lock) -> ThreadHold:
        """Make a claim on a lock, of the kind that this face waits with."""
        ...

    async def perform(self, guard: Guard, operation: Coroutine[Any, Any, R]) -> R:
        """Run an operation on the guard's executor."""
        ...

    async def connect(self, call: Callable[[], Any], *, in_loop: bool) -> Any:
        """Open a connection; `in_loop` where the call does not block."""
        ...

    async def finish(self, work: Coroutine[Any, Any, R]) -> R:
        """Let `work` come to its end, also if the caller is cancelled; that is raised then."""
        ...

    async def close(self, guard: Guard) -> None:
        """Close the connection, in the thread where it lives."""
        ...

    def close_blocking(self, guard: Guard) -> None:
        """Close a blocking connection without a loop."""
        ...

    def close_later(self, guard: Guard) -> None:
        """Close a connection without waiting for that, nor for what runs on it."""
        ...

    def later(self, work: Coroutine[Any, Any, None]) -> bool:
        """Have something done that nobody waits for; `False` where there is no loop to do it, and it is not done."""
        ...

    def owner(self) -> object:
        """Return who runs now."""
        ...


class Lease(Protocol):
    """The right to use a connection."""

    async def acquire(self) -> Guard:
        """Wait for a connection."""
        ...

    async def settle(self, *, quiet: bool) -> None:
        """Make the connection fit for its next user; `quiet` where an error is on its way already."""
        ...

    def drop(self) -> None:
        """Give the connection back as it is. Twice is fine."""
        ...


class Reader(Protocol):
    """A weak reference to an iteration, which may be gone before its end, that is on the way then."""

    def __call__(self) -> object:
        """Return the iteration, or `None` if nobody has it any more."""
        ...


class Source(Protocol):
    """What a database works on: a connection, or a pool."""

    @property
    def registry(self) -> Registry:
        """What is known of models there."""
        ...

    def lease(self, runner: Runner, reader: Reader | None = None) -> Lease:
        """Make a claim on a connection, for a transaction, which may be an iteration's."""
        ...

    def in_the_middle(self) -> Guard | None:
        """Return the connection on which this thread is in the middle of an operation."""
        ...


class Guard:
    """One connection under mini_orm's care."""

    __slots__ = (
        "__weakref__",
        "closed",
        "conn",
        "driver",
        "executor",
        "in_use",
        "is_left",
        "life",
        "lock",
        "runner",
        "scope",
        "session",
    )

    def __init__(self, driver: Driver, conn: Any, executor: Executor, runner: Runner) -> None:
        self.driver = driver
        self.conn = conn
        self.executor = executor
        self.runner = runner
        self.lock = Lock()
        self.scope: Any = None
        #: What `Executor.look` saw when a pool opened it.
        self.session: Any = None
        #: When a pool opened it, and got it back last.
        self.life: Any = None
        #: A transaction of the user's is open on it, and stays so until the user takes it again.
        self.is_left = False
        self.in_use = False
        self.closed = False

    @property
    def registry(self) -> Registry:
        """What is known of models on this connection."""
        return self.executor.registry

    def lease(self, runner: Runner, reader: Reader | None = None) -> Lease:
        """Make a claim on the connection."""
        return GuardLease(self, runner)

    def in_the_middle(self) -> Guard | None:
        """Return itself where this thread is in the middle of an operation on it."""
        return self if self.in_use and self.lock.thread == threading.get_ident() else None

    def check(self) -> None:
        """Refuse a connection that is closed, or whose transaction is another task's of this very thread.

        Raises:
            ClosedError: after `close()`.
            TransactionError: waiting would never end.
        """
        if self.closed:
            raise ClosedError("connection is closed")
        if self.scope is not None:
            raise TransactionError(
                "another task of this thread has a transaction, or an iteration, open on this connection, and a "
                "blocking database can't wait for it; use its tx, an AsyncDatabase, or a connection of your own"
            )


IN_THE_MIDDLE = "a transaction can't begin in the middle of an operation on the same connection"


class GuardLease:
    """A claim on a connection that was given: on its lock."""

    __slots__ = ("_guard", "_hold")

    def __init__(self, guard: Guard, runner: Runner) -> None:
        self._guard = guard
        self._hold = runner.hold(guard.lock)

    async def acquire(self) -> Guard:
        """Wait for the connection.

        Raises:
            TransactionError: this thread is in the middle of an operation on it.
        """
        await self._hold.acquire()
        if self._hold.is_nested and self._guard.in_use:
            raise TransactionError(IN_THE_MIDDLE)
        self._guard.check()
        return self._guard

    async def settle(self, *, quiet: bool) -> None:
        """Do nothing: the connection's next user begins where the last one ended."""

    def drop(self) -> None:
        """Give the lock back."""
        self._hold.release()


_guards: weakref.WeakValueDictionary[int, Guard] = weakref.WeakValueDictionary()
_guards_lock = threading.Lock()


def guard_of(source: Any, driver: Driver, joined: bool | None, runner: Runner) -> Guard:
    """Return the guard of a connection: the same for every database on it.

    Raises:
        ConfigurationError: the connection is in a mode that can't be worked with, or in use by the other face.
    """
    with _guards_lock:
        driver.check(driver.raw(source))
        found = _guards.get(id(source))
        made = new_guard(source, driver, runner, Registry(), joined=bool(joined))
        if found is None or found.conn is not source:
            _guards[id(source)] = found = made
        elif found.runner.is_async != runner.is_async:
            message = "this connection is used by a database of the other face; a connection is either sync or async"
            raise ConfigurationError(message)
        if joined:
            found.executor.is_declared_joined = True
        return found


def new_guard(source: Any, driver: Driver, runner: Runner, registry: Registry, *, joined: bool = False) -> Guard:
    """Make a guard for a connection, whose mode is looked at by others.

    Raises:
        ConfigurationError: the connection is not open.
    """
    conn = driver.raw(source)
    return Guard(driver, source, Executor(driver, conn, driver.dialect(), registry, joined=joined), runner)


def close_now(guard: Guard) -> None:
    """Close a blocking connection.

    Raises:
        DatabaseError: the driver refused.
    """
    try:
        guard.driver.close(guard.conn)
    except guard.driver.errors as exc:
        raise guard.executor.error(exc, None) from exc
    guard.closed = True


class ThreadRunner:
    """Runs operations at once, in the thread that calls. It has no state: one serves all."""

    is_async = False
    is_inline = True

    def fresh(self) -> ThreadRunner:
        return self

    def hold(self, lock: Lock) -> ThreadHold:
        return ThreadHold(lock)

    async def perform(self, guard: Guard, operation: Coroutine[Any, Any, R]) -> R:
        return await operation

    async def connect(self, call: Callable[[], Any], *, in_loop: bool) -> Any:
        return call()

    async def finish(self, work: Coroutine[Any, Any, R]) -> R:
        return await work

    async def close(self, guard: Guard) -> None:
        close_now(guard)

    def close_blocking(self, guard: Guard) -> None:
        close_now(guard)

    def close_later(self, guard: Guard) -> None:
        try:
            guard.runner.close_blocking(guard)
        except DatabaseError as exc:
            log.debug("a connection that was given up could not be closed: %s", type(exc).__name__)

    def later(self, work: Coroutine[Any, Any, None]) -> bool:
        drive(work)
        return True

    def owner(self) -> object:
        return thread_owner()


def thread_owner() -> object:
    """Return who runs now: the thread, and the task in it if there is one."""
    asyncio = sys.modules.get("asyncio")
    task = None
    if asyncio is not None:
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no loop runs in this thread
            task = None
    return threading.get_ident(), task
