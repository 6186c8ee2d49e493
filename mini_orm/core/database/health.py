"""How long the connections of a pool may live, which of them are of no use any more, and what is counted.

Rules of this file:
- Nothing runs in the background. A connection is looked at when somebody takes it, or another one.
- One lost connection tells of the others: all that were opened before belong to a generation that is over, and are
  closed as they come up. What was lost out of an older generation tells nothing new.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

clock = time.monotonic


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What a pool is doing, and what it did since it was made.

    Attributes:
        size: connections at most.
        in_use: places that are taken, by operations, transactions and the user's hands.
        idle: connections that are open and free.
        waiters: who waits for a connection.
        opened: connections opened so far.
        closed: connections closed so far, for whatever reason.
        lost: those of them that the database, or the network, had ended.
        timeouts: how often somebody gave up waiting.
    """

    size: int
    in_use: int
    idle: int
    waiters: int
    opened: int
    closed: int
    lost: int
    timeouts: int


class Life:
    """When a connection was opened, and when it came back last."""

    __slots__ = ("generation", "idle_since", "opened_at")

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.opened_at = self.idle_since = clock()

    def came_back(self) -> None:
        """Note that the connection is idle from now on."""
        self.idle_since = clock()


class Health:
    """What a pool asks of its connections, and what it counted of them."""

    def __init__(self, *, pre_ping: bool = False, max_age: float | None = None, max_idle: float | None = None) -> None:
        self.pre_ping = pre_ping
        self.max_age = max_age
        self.max_idle = max_idle
        #: Whether connections of this generation, too, are looked at before they are used.
        self.is_watchful = pre_ping or max_age is not None or max_idle is not None
        self.generation = 0
        self.opened = self.closed = self.lost = self.timeouts = 0
        # Re-entrant: the collector may drop a lease, which closes its connection, while its thread is in here.
        self._mutex = threading.RLock()

    def is_worn(self, life: Life) -> bool:
        """Tell whether a connection is not to be used again."""
        if life.generation != self.generation:
            return True
        now = clock()
        return (self.max_age is not None and now - life.opened_at >= self.max_age) or (
            self.max_idle is not None and now - life.idle_since >= self.max_idle
        )

    def note_opened(self) -> None:
        """Count a connection that was opened."""
        with self._mutex:
            self.opened += 1

    def note_closed(self, life: Life, *, is_lost: bool) -> None:
        """Count a connection that is closed; one that was lost ends its generation."""
        with self._mutex:
            self.closed += 1
            self.lost += is_lost
            if is_lost and life.generation == self.generation:
                self.generation += 1

    def note_timeout(self) -> None:
        """Count somebody who waited in vain."""
        with self._mutex:
            self.timeouts += 1
