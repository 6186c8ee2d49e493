"""Claims on the connections of a pool: how one is had, and what is done when it comes back.

Rules of this file:
- A lease ends in two steps. `settle` may talk to the database: it rolls back, resets, closes. `drop` gives back what
  is left, at once and always. What came back unsettled is settled by who takes it next (`executor.is_touched`).
- After mini_orm's own operations nothing is sent. What was in the user's hands, also by raw SQL, is looked at.
- A connection whose state is not known is closed, and its place is free for a new one.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import DirtyConnectionError, PoolError, TransactionError
from .. import log
from .guards import IN_THE_MIDDLE, Guard, Reader, Runner

if TYPE_CHECKING:
    from .pooling import Policy, Pool

R = TypeVar("R")


class PoolLease:
    """A claim on a connection of a pool."""

    __slots__ = (
        "_hold",
        "_in_hands",
        "_is_busy",
        "_is_dropped",
        "_pool",
        "_reader",
        "_runner",
        "_transacts",
        "_user",
        "guard",
        "thread",
    )

    def __init__(
        self,
        pool: Pool,
        runner: Runner,
        *,
        in_hands: bool = False,
        for_transaction: bool = False,
        reader: Reader | None = None,
    ) -> None:
        self.guard: Guard | None = None
        self.thread = threading.get_ident()
        self._pool = pool
        self._runner = runner
        self._in_hands = in_hands
        self._transacts = for_transaction
        # Who has it for a transaction, and so can't wait for it.
        self._user: object = None
        self._reader = reader
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
        if pool.transactions and not pool.slots.free and not self._in_hands:
            pool.refuse_waiting_for_itself(self._whose())
        try:
            await self._hold.acquire(timeout)
        except TimeoutError:
            raise pool.timed_out() from None
        pool.check()  # it may have been closed meanwhile
        guard = self.guard = pool.take_idle()
        if pool.is_foreign:  # to be stopped: it may wait there for a connection as long as it takes
            self.guard = await pool.open(self._runner)
        elif guard is None or self._needs_care(guard) or pool.needs_look(guard):
            # Not to be stopped: a driver that is cancelled while it connects leaves threads and sockets behind.
            await self._runner.finish(self._made_ready())
        if self._transacts:
            self._user = self._whose()
            pool.transactions.add(self)
        assert self.guard is not None
        if self._in_hands:
            self.guard.executor.is_touched = True
        return self.guard

    def is_of(self, user: object) -> bool:
        """Tell whether a thread or a task has it for a transaction, or for an iteration that goes on."""
        return self._user == user and (self._reader is None or self._reader() is not None)

    def _whose(self) -> object:
        """Return who waits, or has it: a thread that blocks, or a task."""
        return self._runner.owner() if self._runner.is_async else self.thread

    def _needs_care(self, guard: Guard) -> bool:
        """Whether an idle connection is not as its next user may have it."""
        if self._runner.is_async and not guard.runner.is_async:  # it was opened for a blocking `acquire`
            guard.runner = self._runner.fresh()
        executor = guard.executor
        if self._in_hands:
            return not guard.is_left and (executor.is_unfinished or executor.is_touched)
        return executor.is_touched

    async def _made_ready(self) -> None:
        """Find an idle connection that is fit to be used, or open one."""
        pool = self._pool
        self._is_busy = True
        try:
            while self.guard is not None and not await self._is_fit(self.guard):
                await self._discard()
                self.guard = pool.take_idle()
            if self.guard is None:
                self.guard = await pool.open(self._runner)
            await pool.close_worn(self._runner)
        finally:
            await self._done()

    async def _is_fit(self, guard: Guard) -> bool:
        """Settle what a connection's last user could not, interrupted or with the guard "ignore"; look if it lives."""
        try:
            if self._needs_care(guard):
                await self._perform(guard, _unwound(guard))
                await self._reset(guard)
            if guard.is_left:  # the user takes a transaction again that is open on it
                return True
            if self._pool.health.is_worn(guard.life):
                return False
            if self._pool.health.pre_ping:
                await self._perform(guard, _pinged(guard))
        except Exception as exc:
            log.warning("a pooled connection could not be used again (%s) and is closed", type(exc).__name__)
            return False
        return True

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
            self._pool.discard_later(guard, self._runner)
        elif executor.is_lost or self._pool.closed:
            await self._runner.finish(self._discard())
        elif executor.is_touched:
            try:
                await self._runner.finish(self._settle(guard))
            except PoolError as exc:
                if not quiet:
                    raise
                log.warning("%s", exc)
        if self._pool.is_foreign and self.guard is not None:
            self.guard = None
            await self._runner.finish(self._pool.give_back(guard))

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
            if self._in_hands:
                await self._perform(guard, _quiesced(guard))
            is_dirty = await self._perform(guard, _is_dirty(guard))
            guard.is_left = is_dirty and policy.leaves
            if guard.is_left:
                return
            if is_dirty:
                write = log.info if policy.discards else log.warning
                write("rolling back a transaction that was left open on a pooled connection")
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
            await self._pool.discard(guard, self._runner)

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
                self._pool.discard_later(late, self._runner)
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
    await executor.enter_awaited()  # heals what an interrupt left
    await executor.leave_awaited()
    await executor.undo_awaited()


async def _pinged(guard: Guard) -> None:
    executor = guard.executor
    try:
        await executor.enter_awaited()
        await executor.fetch_all("SELECT 1")
    finally:
        await executor.leave_awaited()


async def _quiesced(guard: Guard) -> None:
    await guard.executor.quiesce_awaited()


async def _is_dirty(guard: Guard) -> bool:
    return await guard.executor.is_left_open()


async def _undone(guard: Guard) -> None:
    await guard.executor.undo_awaited()


async def _reset(guard: Guard) -> None:
    await guard.executor.reset_awaited(guard.session)


async def _hooked(guard: Guard, hook: Callable[[Any], Any]) -> Any:
    return hook(guard.conn)
