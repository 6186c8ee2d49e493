"""The pool behind `PoolConnector`, and the leases on its connections.

Rules of this file:
- Who has a place of `slots` may have a connection: an idle one, or a new one. So the pool can lose a connection, or
  fail to open one, and never a place; a lease that is dropped gives its place up with its last reference.
- A lease ends in two steps. `settle` may talk to the database: it rolls back, resets, closes. `drop` gives back what
  is left, at once and always. What came back unsettled is settled by who takes it next (`executor.is_touched`).
- After mini_orm's own operations nothing is sent. What was in the user's hands, also by raw SQL, is looked at.
- A connection whose state is not known is closed, and its place is free for a new one.
"""

from __future__ import annotations

import collections
import inspect
import logging
import threading
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from ...errors import (
    ClosedError,
    ConfigurationError,
    DirtyConnectionError,
    MiniOrmError,
    PoolError,
    PoolTimeout,
    TransactionError,
    translated,
)
from ..drivers import Driver, driver_of, driver_of_error
from .executors import log
from .guards import IN_THE_MIDDLE, Guard, Runner, ThreadRunner, new_guard
from .locks import Lock
from .registry import Registry

R = TypeVar("R")
TransactionGuard = Literal["rollback", "raise", "ignore", "discard"]
threads = ThreadRunner()


@dataclass(frozen=True, slots=True)
class Policy:
    """What happens to a connection that was in the user's hands."""

    guard: TransactionGuard
    is_strict: bool
    resets: bool
    hook: Callable[[Any], Any] | None

    @property
    def discards(self) -> bool:
        """Whether a connection with an open transaction is closed."""
        return self.is_strict or self.guard in ("raise", "discard")

    @property
    def leaves(self) -> bool:
        """Whether an open transaction stays as it is."""
        return self.guard == "ignore" and not self.is_strict


class Pool:
    """The connections: how they are opened, who waits for them, which are idle."""

    def __init__(self, connect: Callable[[], Any], driver: Driver | None, size: int, policy: Policy) -> None:
        self.size = size
        self.policy = policy
        self.registry = Registry()
        self.slots = Lock(size)
        self.driver = driver
        #: Whether connections are awaited; `None` until that is known.
        self.is_async: bool | None = None if driver is None else not driver.is_blocking
        self.closed = False
        #: Connections in the user's hands, by id.
        self.handed_out: dict[int, PoolLease] = {}
        #: Thread -> what an operation of it is using now, or used before it was interrupted.
        self.running: dict[int, PoolLease] = {}
        #: Leases of blocking databases' transactions.
        self.transactions: set[PoolLease] = set()
        self._connect = connect
        self._face: bool | None = None
        self._mutex = threading.Lock()
        self._idle: collections.deque[Guard] = collections.deque()
        self._guards: weakref.WeakValueDictionary[int, Guard] = weakref.WeakValueDictionary()
        # What the first call of `connect` gave, when it was made to find out what it gives.
        self._first: Any = None

    @property
    def in_use(self) -> int:
        """How many connections are out."""
        return self.size - self.slots.free

    def lease(self, runner: Runner) -> PoolLease:
        """Make a claim on a connection, for a transaction."""
        return PoolLease(self, runner, for_transaction=True)

    def check(self) -> None:
        """Refuse a pool that is closed.

        Raises:
            ClosedError: after `close()`.
        """
        if self.closed:
            raise ClosedError("the pool is closed")

    def bind(self, *, is_async: bool) -> Driver | None:
        """Note the face of the databases that use the pool; return its driver, if it can be known yet.

        Raises:
            ConfigurationError: the connections are async and the database is not; a database of the other face
                uses the pool.
        """
        self.find_out()
        if self.is_async and not is_async:
            raise ConfigurationError("this pool's connections are async; use AsyncDatabase")
        if self._face is None:
            self._face = is_async
        elif self._face is not is_async:
            raise ConfigurationError("this pool is used by a database of the other face; make a pool for each")
        return self.driver

    def find_out(self) -> None:
        """Find out whether connections are awaited, by opening the first one where nothing else tells."""
        with self._mutex:
            if self.is_async is not None:
                return
            self.check()
            try:
                first = self._call()
            except Exception as exc:
                raise self._translated(exc) from exc
            is_async = inspect.isawaitable(first)
            try:
                self.driver = driver_of(first)
            except ConfigurationError:
                if not is_async:
                    raise
            self._first, self.is_async = first, is_async

    def runner(self) -> Runner:
        """Return the runner for connections in the user's hands."""
        if not self.is_async:
            return threads
        from .tasks import TaskRunner  # imports asyncio, which `import mini_orm` does not

        return TaskRunner()

    # --- connections ---

    def take_idle(self) -> Guard | None:
        """Return the connection that was used last, if one is idle."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def put(self, guard: Guard) -> Guard | None:
        """Take a connection back; return one to close, where the pool was closed meanwhile."""
        self._idle.append(guard)
        return self.take_idle() if self.closed else None  # looked at last: `close` may have missed it

    def _call(self) -> Any:
        """Call the user's `connect`, or hand over what its first call gave."""
        first, self._first = self._first, None
        return self._connect() if first is None else first

    async def open(self, runner: Runner) -> Guard:
        """Open a connection.

        Raises:
            DatabaseError: the database refused.
        """
        own = runner.fresh()
        try:
            conn = await own.connect(self._call, in_loop=bool(self.is_async))
        except Exception as exc:
            raise self._translated(exc) from exc
        guard = self._guarded(conn, own)
        try:
            guard.driver.check(guard.executor.conn)
            guard.session = await own.perform(guard, _looked(guard))
        except BaseException:
            await own.close(guard)
            raise
        return guard

    def _translated(self, exc: Exception) -> Exception:
        """Make an error of `connect` ours, if it is a driver's."""
        driver = self.driver or driver_of_error(exc)
        if driver is None or not isinstance(exc, driver.errors) or isinstance(exc, MiniOrmError):
            return exc
        ours, attributes = driver.classify(exc, None)
        return translated(ours, exc, sql=None, **attributes)

    def _guarded(self, conn: Any, runner: Runner) -> Guard:
        if self.driver is None:
            self.driver = driver_of(conn)
        known = self._guards.get(id(conn))
        if known is not None and known.conn is conn and not known.closed:
            raise ConfigurationError("connect returned a connection that the pool has already; it must open a new one")
        guard = self._guards[id(conn)] = new_guard(conn, self.driver, runner, self.registry)
        return guard

    async def close(self, runner: Runner) -> None:
        """Close what is idle; send everybody away who waits; what is out is closed when it comes back."""
        with self._mutex:
            self.closed = True
            first, self._first = self._first, None
        self.slots.close()
        if inspect.iscoroutine(first):
            first.close()
        elif first is not None and not self.is_async:
            self._idle.append(self._guarded(first, threads))
        while (guard := self.take_idle()) is not None:
            try:
                await close_guard(guard, runner)
            except Exception as exc:  # the others are to be closed, too
                log.warning("a connection of a pool could not be closed: %s", type(exc).__name__)

    # --- waiting ---

    def in_the_middle(self) -> Guard | None:
        """Return the connection on which this thread is in the middle of an operation."""
        lease = self.running.get(threading.get_ident())
        return None if lease is None else lease.guard  # of a lease that was dropped, too

    def timed_out(self) -> PoolTimeout:
        """Say how the pool is used."""
        waiters = len(self.slots.waiters)
        message = f"no connection came free in time: {self.in_use} of {self.size} in use, {waiters} more waiting"
        return PoolTimeout(message, size=self.size, in_use=self.in_use, waiters=waiters)

    def refuse_waiting_for_itself(self) -> None:
        """Refuse to wait for what only this very thread could give back.

        Raises:
            TransactionError: all connections are in transactions of this thread.
        """
        thread = threading.get_ident()
        if not self.slots.free and sum(lease.thread == thread for lease in tuple(self.transactions)) >= self.size:
            raise TransactionError(
                "every connection of the pool is in a transaction of this very thread, and a blocking database can't "
                "wait for it; use the tx of one of them, an AsyncDatabase, or a larger pool"
            )


class PoolLease:
    """A claim on a connection of a pool."""

    __slots__ = ("_hold", "_in_hands", "_is_busy", "_is_dropped", "_pool", "_runner", "_transacts", "guard", "thread")

    def __init__(self, pool: Pool, runner: Runner, *, in_hands: bool = False, for_transaction: bool = False) -> None:
        self.guard: Guard | None = None
        self.thread = threading.get_ident()
        self._pool = pool
        self._runner = runner
        self._in_hands = in_hands
        self._transacts = for_transaction and not runner.is_async
        self._is_busy = False
        self._is_dropped = False
        self._hold = runner.hold(pool.slots)
        self._hold.thread = None  # a thread may have several

    async def acquire(self, timeout: float | None = None) -> Guard:
        """Wait for a connection, first come first served, and open it where none is idle.

        Raises:
            PoolTimeout: none came free in time.
            ClosedError: the pool is closed.
            TransactionError: waiting would never end.
            DatabaseError: a new connection could not be opened.
        """
        pool = self._pool
        pool.check()
        if self._transacts and pool.in_the_middle() is not None:
            raise TransactionError(IN_THE_MIDDLE)
        if pool.transactions and not self._in_hands:
            pool.refuse_waiting_for_itself()
        try:
            await self._hold.acquire(timeout)
        except TimeoutError:
            raise pool.timed_out() from None
        pool.check()  # it may have been closed meanwhile
        guard = self.guard = pool.take_idle()
        if guard is None or self._needs_care(guard):
            # Not to be stopped: a driver that is cancelled while it connects leaves threads and sockets behind.
            await self._runner.finish(self._made_ready(guard))
        if self._transacts:
            pool.transactions.add(self)
        assert self.guard is not None
        if self._in_hands:
            self.guard.executor.is_touched = True
        return self.guard

    def _needs_care(self, guard: Guard) -> bool:
        """Whether an idle connection is not as its next user may have it."""
        if self._runner.is_async and not guard.runner.is_async:  # it was opened for a blocking `acquire`
            guard.runner = self._runner.fresh()
        executor = guard.executor
        if self._in_hands:
            return executor.is_unfinished or (executor.is_touched and not guard.is_left)
        return executor.is_touched

    async def _made_ready(self, guard: Guard | None) -> None:
        """Open a connection, or settle what its last user could not, interrupted or with the guard "ignore"."""
        self._is_busy = True
        try:
            if guard is not None:
                try:
                    await self._perform(guard, _unwound(guard))
                    await self._reset(guard)
                except Exception as exc:
                    log.warning("a pooled connection could not be used again (%s) and is closed", type(exc).__name__)
                    await self._discard()
            if self.guard is None:
                self.guard = await self._pool.open(self._runner)
        finally:
            await self._done()

    async def _done(self) -> None:
        """End a step that is not to be stopped. If nobody waited for its end, the connection is nobody's."""
        self._is_busy = False
        if self._is_dropped:
            await self._discard()

    async def _perform(self, guard: Guard, operation: Coroutine[Any, Any, R]) -> R:
        # A blocking `acquire` may get what an AsyncDatabase opened, and has no loop.
        runner = guard.runner if self._runner.is_async else self._runner
        return await runner.perform(guard, operation)

    async def settle(self, *, quiet: bool) -> None:
        """Make the connection fit for its next user, or close it.

        Args:
            quiet: an error is on its way already; what is raised here otherwise goes to the log.

        Raises:
            DirtyConnectionError: a transaction is open, and the guard is `"raise"`.
            PoolError: the session could not be reset.
        """
        guard = self.guard
        if guard is None:
            return
        executor = guard.executor
        if executor.broken is not None:
            self.guard = None
            self._runner.close_later(guard)  # it may be stuck
        elif executor.is_lost or self._pool.closed:
            await self._runner.finish(self._discard())
        elif executor.is_touched:
            try:
                await self._runner.finish(self._settle(guard))
            except PoolError as exc:
                if not quiet:
                    raise
                log.warning("%s", exc)

    async def _settle(self, guard: Guard) -> None:
        self._is_busy = True
        try:
            await self._settled(guard, self._pool.policy)
        except PoolError:
            raise
        except BaseException:  # an interrupt: nobody knows what it is in the middle of
            await self._discard()
            raise
        finally:
            if self._pool.closed:
                await self._discard()
            await self._done()

    async def _settled(self, guard: Guard, policy: Policy) -> None:
        is_dirty = False
        try:
            is_dirty = await self._perform(guard, _is_dirty(guard))
            guard.is_left = is_dirty and policy.leaves
            if guard.is_left:
                return
            if is_dirty:
                log.log(
                    logging.INFO if policy.discards else logging.WARNING,
                    "rolling back a transaction that was left open on a pooled connection",
                )
            await self._perform(guard, _undone(guard))
        except Exception as exc:
            log.warning("a pooled connection could not be rolled back (%s) and is closed", type(exc).__name__)
            await self._discard()
        if is_dirty and policy.discards:
            await self._discard()
            if policy.guard == "raise":
                raise DirtyConnectionError(
                    "a connection came back to the pool with an open transaction; nothing of it is kept, and the "
                    "connection is closed: commit or roll back before that"
                )
        if self.guard is not None:
            await self._reset(guard)

    async def _reset(self, guard: Guard) -> None:
        """Put the session back; then the connection is as good as new."""
        policy = self._pool.policy
        try:
            if policy.resets and policy.hook is None:
                await self._perform(guard, _reset(guard))
            elif policy.resets:
                await self._call_hook(guard, policy.hook)
                await self._perform(guard, _undone(guard))  # the hook may have left one open
        except Exception as exc:
            await self._discard()
            raise PoolError("the session of a connection could not be reset; the connection is closed") from exc
        guard.executor.is_touched = guard.is_left = False

    async def _call_hook(self, guard: Guard, hook: Any) -> None:
        if guard.driver.is_blocking:
            done = await self._perform(guard, _hooked(guard, hook))
        else:
            done = hook(guard.conn)
        if inspect.iscoroutine(done) and not self._runner.is_async:
            done.close()
            raise TypeError("session_reset_hook of blocking connections is a plain function, not a coroutine one")
        if inspect.isawaitable(done):
            await done

    async def _discard(self) -> None:
        guard, self.guard = self.guard, None
        if guard is not None:
            try:
                await close_guard(guard, self._runner)
            except Exception as exc:  # it is given up; there is nobody who could do more
                log.debug("a connection that was given up could not be closed: %s", type(exc).__name__)

    def drop(self, *, undo: bool = True) -> None:
        """Give the connection and its place back. Twice is fine.

        Args:
            undo: roll back first what came back unsettled: it would keep its locks until the connection's next use.
        """
        self._is_dropped = True
        guard = self.guard
        if guard is not None and not self._is_busy:
            executor = guard.executor
            is_open = executor.blocks or (executor.is_touched and not guard.is_left)
            if undo and is_open and self._runner.later(self._undo_and_drop(guard)):
                return
            self.guard = None
            if (late := self._pool.put(guard)) is not None:
                self._runner.close_later(late)
        if self._transacts:
            self._pool.transactions.discard(self)
        self._hold.release()

    async def _undo_and_drop(self, guard: Guard) -> None:
        try:
            await self._perform(guard, _unwound(guard))
        except Exception as exc:
            log.warning("a pooled connection could not be rolled back (%s) and is closed", type(exc).__name__)
            await self._discard()
        finally:
            guard.executor.blocks.clear()
            self.drop(undo=False)

    def __del__(self) -> None:
        if getattr(self, "guard", None) is not None:
            self.drop()


async def close_guard(guard: Guard, runner: Runner) -> None:
    """Close a connection from a face."""
    if runner.is_async:
        await guard.runner.close(guard)
    else:
        guard.runner.close_blocking(guard)


async def _unwound(guard: Guard) -> None:
    executor = guard.executor
    executor.enter()  # heals what an interrupt left
    executor.leave()
    executor.undo()


async def _looked(guard: Guard) -> Any:
    return guard.executor.look()


async def _is_dirty(guard: Guard) -> bool:
    return guard.executor.in_transaction


async def _undone(guard: Guard) -> None:
    guard.executor.undo()


async def _reset(guard: Guard) -> None:
    guard.executor.reset(guard.session)


async def _hooked(guard: Guard, hook: Callable[[Any], Any]) -> Any:
    return hook(guard.conn)
