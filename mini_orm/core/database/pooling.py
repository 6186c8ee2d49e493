"""The pool behind `PoolConnector`: its connections, and who waits for them. What is done with one is in leases.py.

Rules of this file:
- Who has a place of `slots` may have a connection: an idle one, or a new one. So the pool can lose a connection, or
  fail to open one, and never a place; a lease that is dropped gives its place up with its last reference.
"""

from __future__ import annotations

import collections
import inspect
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ...errors import (
    ClosedError,
    ConfigurationError,
    MiniOrmError,
    PoolTimeout,
    TransactionError,
    translated,
)
from .. import log
from ..drivers import Driver, driver_of, driver_of_error
from .guards import Guard, Reader, Runner, ThreadRunner, new_guard
from .health import Health, Life, PoolStats
from .leases import PoolLease, close_guard
from .locks import Lock
from .registry import Registry

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

    #: Connections are taken from another pool, and given back to it after each use.
    is_foreign: ClassVar[bool] = False

    def __init__(
        self, connect: Callable[[], Any], driver: Driver | None, size: int, policy: Policy, health: Health
    ) -> None:
        self.size = size
        self.policy = policy
        self.health = health
        self.registry = Registry()
        self.slots = Lock(size)
        self.driver = driver
        #: Whether connections are awaited; `None` until that is known.
        self.is_async: bool | None = None if driver is None else not driver.is_blocking
        self.closed = False
        #: A database made it, and closes it.
        self.is_owned = False
        #: What it shows of the place that it connects to, if it knows that.
        self.label: str | None = None
        #: Connections in the user's hands, by id.
        self.handed_out: dict[int, PoolLease] = {}
        #: Thread -> what an operation of it is using now, or used before it was interrupted.
        self.running: dict[int, PoolLease] = {}
        #: Leases of transactions, and of iterations.
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

    def stats(self) -> PoolStats:
        """Say what the pool is doing, and what it did."""
        health = self.health
        return PoolStats(
            size=self.size,
            in_use=self.in_use,
            idle=len(self._idle),
            waiters=len(self.slots.waiters),
            opened=health.opened,
            closed=health.closed,
            lost=health.lost,
            timeouts=health.timeouts,
        )

    def lease_once(self, runner: Runner) -> PoolLease:
        """Make a claim on a connection, for one operation."""
        return PoolLease(self, runner)

    def lease(self, runner: Runner, reader: Reader | None = None) -> PoolLease:
        """Make a claim on a connection, for a transaction, which may be an iteration's."""
        return PoolLease(self, runner, for_transaction=True, reader=reader)

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
                raise connect_error(exc, self.driver) from exc
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
        if self.health.is_watchful:
            guard.life.came_back()
        self._idle.append(guard)
        return self.take_idle() if self.closed else None  # looked at last: `close` may have missed it

    async def give_back(self, guard: Guard) -> None:
        """Give a connection back to where it was taken from, where `is_foreign`."""
        raise NotImplementedError

    def needs_look(self, guard: Guard) -> bool:
        """Tell whether a connection that was idle, or another one that still is, may be of no use any more."""
        health = self.health
        if guard.life.generation == health.generation and not health.is_watchful:
            return False
        return health.pre_ping or health.is_worn(guard.life) or self._has_worn()

    def _has_worn(self) -> bool:
        try:
            longest = self._idle[0]  # the one that was used last stands at the end
        except IndexError:
            return False
        return self.health.is_worn(longest.life)

    async def close_worn(self, runner: Runner) -> None:
        """Close what was idle for too long, or lived too long, at the end that nobody takes from."""
        while self._has_worn():
            try:
                guard = self._idle.popleft()
            except IndexError:
                return
            if not self.health.is_worn(guard.life):  # another thread took the one that was meant
                self._idle.appendleft(guard)
                return
            await self.discard(guard, runner)

    def _call(self) -> Any:
        """Call the user's `connect`, or hand over what its first call gave."""
        first, self._first = self._first, None
        return self._connect() if first is None else first

    async def open(self, runner: Runner) -> Guard:
        """Open a connection.

        Raises:
            DatabaseError: the database refused.
            ConfigurationError: mini_orm can't work with what was opened.
        """
        own = runner.fresh()
        life = Life(self.health.generation)  # as of before: what is lost meanwhile may tell of this one, too
        try:
            conn = await own.connect(self._call, in_loop=bool(self.is_async))
        except Exception as exc:
            raise connect_error(exc, self.driver) from exc
        guard = self._guarded(conn, own, life)
        try:
            guard.driver.check(guard.executor.conn)
            guard.session = await own.perform(guard, _looked(guard))
        except BaseException:
            await self.discard(guard, own)
            raise
        return guard

    def _guarded(self, conn: Any, runner: Runner, life: Life) -> Guard:
        if self.driver is None:
            self.driver = driver_of(conn)
        known = self._guards.get(id(conn))
        if known is not None and known.conn is conn and not known.closed:
            raise ConfigurationError("connect returned a connection that the pool has already; it must open a new one")
        guard = self._guards[id(conn)] = new_guard(conn, self.driver, runner, self.registry)
        guard.life = life
        self.health.note_opened()
        return guard

    def note_closed(self, guard: Guard) -> None:
        """Count a connection that is about to be closed."""
        self.health.note_closed(guard.life, is_lost=guard.executor.is_lost)

    async def discard(self, guard: Guard, runner: Runner) -> None:
        """Close a connection that nobody shall use again."""
        self.note_closed(guard)
        try:
            await close_guard(guard, runner)
        except Exception as exc:  # it is given up; there is nobody who could do more
            log.debug("a connection that was given up could not be closed: %s", type(exc).__name__)

    def discard_later(self, guard: Guard, runner: Runner) -> None:
        """Close a connection that may be stuck, or where nobody can wait for it."""
        self.note_closed(guard)
        runner.close_later(guard)

    async def close(self, runner: Runner) -> None:
        """Close what is idle; send everybody away who waits; what is out is closed when it comes back."""
        with self._mutex:
            self.closed = True
            first, self._first = self._first, None
        self.slots.close()
        if inspect.iscoroutine(first):
            first.close()
        elif first is not None and not self.is_async:
            self._idle.append(self._guarded(first, threads, Life(self.health.generation)))
        while (guard := self.take_idle()) is not None:
            self.note_closed(guard)
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
        """Say how the pool is used, to who waited in vain."""
        self.health.note_timeout()
        waiters = len(self.slots.waiters)
        message = f"no connection came free in time: {self.in_use} of {self.size} in use, {waiters} more waiting"
        return PoolTimeout(message, size=self.size, in_use=self.in_use, waiters=waiters)

    def refuse_waiting_for_itself(self, user: object) -> None:
        """Refuse to wait for what only this very thread, or task, could give back.

        Raises:
            TransactionError: all connections are in its transactions and iterations.
        """
        if sum(lease.is_of(user) for lease in tuple(self.transactions)) >= self.size:
            raise TransactionError(
                "every connection of the pool is in a transaction or an iteration of this very thread or task, which "
                "would wait for itself; use the tx of one of them, end an iteration, or make the pool larger"
            )


async def _looked(guard: Guard) -> Any:
    """Make a new connection ready; return what its session looks like.

    Raises:
        ConfigurationError: it is in a transaction, in which operations would never be committed.
    """
    session = await guard.executor.look_awaited()
    if guard.executor.in_transaction:
        raise ConfigurationError(
            "connect returned a connection with an open transaction, in which nothing would be committed; let it "
            "commit what it does, or open the connection in autocommit"
        )
    return session


def connect_error(exc: Exception, driver: Driver | None = None) -> Exception:
    """Make an error of `connect` ours, if it is a driver's."""
    driver = driver or driver_of_error(exc)
    if driver is None or not isinstance(exc, driver.errors) or isinstance(exc, MiniOrmError):
        return exc
    ours, attributes = driver.classify(exc, None)
    return translated(ours, exc, sql=None, **attributes)
