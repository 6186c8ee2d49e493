"""A lock that threads and tasks wait for in the order in which they came; with a capacity, that many have it.

Rules of this file:
- Who has the lock is a `Hold`, an object of its own, and no thread: a transaction may be left in another thread than
  the one that entered it, as web frameworks do with generators.
- A hold knows itself whether it is had, and changes that only under the mutex. So an interrupt at any point leaves
  it clear what `release` has to do; should `release` never be reached, the hold gives up with its last reference.
- A call that begins and ends in one thread does without a hold where the lock is free (see `Database.run`): it takes
  the lock under the mutex, as `take` does, and `give_back` knows it by its thread.
"""

from __future__ import annotations

import collections
import threading
from typing import Any

from ...errors import ClosedError


class Lock:
    """The lock: how many more may have it, which thread has it, and who waits."""

    __slots__ = ("free", "is_closed", "mutex", "thread", "waiters")

    def __init__(self, capacity: int = 1) -> None:
        self.free = capacity
        self.is_closed = False
        # Re-entrant: the collector may drop a hold, which releases it, while its thread is in here. So nothing is
        # made, and nothing called, between a look at the state and its change.
        self.mutex = threading.RLock()
        self.thread: int | None = None
        self.waiters: collections.deque[Any] = collections.deque()

    def give_back(self, thread: int) -> None:
        """Hand on what a thread took without a hold. Does nothing if it does not have it any more."""
        with self.mutex:
            if self.thread != thread:
                return
            if self.waiters:
                self.pass_on(None)
            else:
                self.thread = None
                self.free += 1

    def pass_on(self, hold: ThreadHold | None) -> None:
        """Hand the lock over to who waits longest, or free it; `hold` has it no more. The mutex is held."""
        if hold is not None:
            hold.is_had = False
        while self.waiters:
            waiter = self.waiters[0]
            self.thread = waiter.thread
            waiter.is_had = True
            del self.waiters[0]
            try:
                is_awake = waiter.wake()
            except BaseException:  # an interrupt; the waiter has the lock, and has to hear of it
                waiter.wake()
                raise
            if is_awake:
                return
            waiter.is_had = False
        self.thread = None
        self.free += 1

    def close(self) -> None:
        """Send everybody away who waits, now and later."""
        with self.mutex:
            self.is_closed = True
            waiters = list(self.waiters)
            self.waiters.clear()
        for waiter in waiters:
            waiter.wake()


class ThreadHold:
    """A claim on a lock by a thread."""

    __slots__ = ("_lock", "_turn", "is_had", "is_nested", "thread")

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self.is_had = False
        #: The thread has the lock already, further out.
        self.is_nested = False
        self.thread: int | None = threading.get_ident()

    def take(self, timeout: float | None = None) -> None:
        """Wait for the lock, unless this thread has it already.

        Raises:
            TimeoutError: it was not free within `timeout` seconds.
            ClosedError: the lock is closed.
        """
        lock = self._lock
        with lock.mutex:
            if lock.free:
                lock.free -= 1
                self.is_had = True
                lock.thread = self.thread
                return
        try:
            if self._queue():
                self._turn.acquire(timeout=-1 if timeout is None else min(timeout, threading.TIMEOUT_MAX))
                self._waited()
        except BaseException:
            self._withdraw()
            raise

    def _queue(self) -> bool:
        """Take the lock if it is free; tell whether there is something to wait for."""
        lock = self._lock
        prepared = False
        while True:
            with lock.mutex:
                if lock.free:
                    lock.free -= 1
                    self.is_had = True
                    lock.thread = self.thread
                    return False
                if self.thread is not None and lock.thread == self.thread:
                    self.is_nested = True
                    return False
                if prepared:
                    if lock.is_closed:
                        raise ClosedError("the pool is closed")
                    lock.waiters.append(self)
                    return True
            self._prepare()
            prepared = True

    def _prepare(self) -> None:
        """Make what the hold waits on."""
        self._turn = threading.Lock()
        self._turn.acquire()

    def _waited(self) -> None:
        """Look at what the wait came to."""
        with self._lock.mutex:
            if self.is_had:
                return
            is_closed = self._lock.is_closed
        if is_closed:
            raise ClosedError("the pool is closed")
        raise TimeoutError

    async def acquire(self, timeout: float | None = None) -> None:
        """Wait for the lock as `take` does; never suspends."""
        self.take(timeout)

    def wake(self) -> bool:
        """Let the thread go on; it has the lock."""
        if self._turn.locked():
            self._turn.release()
        return True

    def _withdraw(self) -> None:
        with self._lock.mutex:
            if not self.is_had and self in self._lock.waiters:
                self._lock.waiters.remove(self)

    def release(self) -> None:
        """Hand the lock over to who waits longest, or free it. Does nothing if it is not had."""
        lock = self._lock
        with lock.mutex:
            if self.is_had:
                lock.pass_on(self)

    def __del__(self) -> None:
        if getattr(self, "is_had", False):  # not there if an interrupt fell into __init__
            self.release()
