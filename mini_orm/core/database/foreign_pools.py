"""Drivers' own pools, handed over as they are.

Rules of this file:
- A connection is taken for each operation or transaction and given back after it, in the mode in which it came. What
  was open on it is rolled back before, and what raw SQL changed of its session is put back.
- One that is lost, or whose state is not known, is closed first: the driver's pool sees that, and replaces it.
- How many there are, who waits and for how long is the driver's pool's affair. mini_orm's own callers wait in their
  order for its places, so that a thread that would wait for itself is found out.
"""

from __future__ import annotations

import inspect
import threading
import weakref
from typing import Any

from ...errors import ConfigurationError
from .. import log
from ..drivers import Driver
from ..drivers.pools import DriverPool, driver_pool_of
from .guards import Guard, Runner, new_guard
from .health import Health, Life
from .pool import PoolConnector
from .pooling import Policy, Pool


class ForeignPool(Pool):
    """A driver's own pool."""

    is_foreign = True

    def __init__(self, origin: Any, pool: DriverPool) -> None:
        super().__init__(pool.take, pool.driver, pool.size, Policy("rollback", False, True, None), Health())
        self.origin = origin
        self._driver_pool = pool

    def bind(self, *, is_async: bool) -> Driver | None:
        if is_async and not self.is_async:
            raise ConfigurationError("this pool's connections are blocking; give AsyncDatabase an async one")
        return super().bind(is_async=is_async)

    def take_idle(self) -> None:
        return None

    def put(self, guard: Guard) -> None:
        if not guard.runner.later(self.give_back(guard)):
            log.warning("a connection could not be given back to its pool, as there is no event loop to do it in")

    async def give_back(self, guard: Guard) -> None:
        try:
            done = self._driver_pool.give_back(guard.conn)
            if inspect.isawaitable(done):
                await done
        except Exception as exc:  # the pool was closed, or has it back already
            log.warning("a connection could not be given back to its pool: %s", type(exc).__name__)

    async def discard(self, guard: Guard, runner: Runner) -> None:
        await super().discard(guard, runner)
        await self.give_back(guard)

    def discard_later(self, guard: Guard, runner: Runner) -> None:
        if not runner.later(self.discard(guard, runner)):
            log.warning("a connection that was given up could not be closed, as there is no event loop to do it in")

    def _guarded(self, conn: Any, runner: Runner, life: Life) -> Guard:
        assert self.driver is not None
        guard = new_guard(conn, self.driver, runner, self.registry)
        guard.life = life
        return guard

    async def close(self, runner: Runner) -> None:
        self.closed = True
        self.slots.close()
        done = self._driver_pool.close()
        if inspect.isawaitable(done):
            await done


_pools: weakref.WeakValueDictionary[int, ForeignPool] = weakref.WeakValueDictionary()
_pools_lock = threading.Lock()


def pool_of(source: Any) -> Pool | None:
    """Return the pool that a database stands on: a `PoolConnector`'s, or a driver's own; `None` for a connection.

    All databases on a driver's pool share one, and what is known of models there.
    """
    if isinstance(source, PoolConnector):
        return source._pool
    found = driver_pool_of(source)
    if found is None:
        return None
    with _pools_lock:
        pool = _pools.get(id(source))
        if pool is None or pool.origin is not source:
            _pools[id(source)] = pool = ForeignPool(source, found)
        return pool
