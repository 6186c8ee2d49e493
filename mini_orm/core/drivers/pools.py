"""The pools that driver packages bring along: how a connection is taken from one, and given back.

They keep their own rules: how many connections there are, how long one waits, what is checked and reset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .base import Driver, _driver

#: More than any pool without a limit hands out.
_UNLIMITED = 1_000_000


@dataclass(frozen=True, slots=True)
class DriverPool:
    """A pool of a driver package, by the few things that are asked of it. An async driver's are awaited."""

    driver: Driver
    size: int
    take: Callable[[], Any]
    give_back: Callable[[Any], Any]
    close: Callable[[], Any]


def driver_pool_of(source: Any) -> DriverPool | None:
    """Return the verbs of a driver's own pool, by its class, subclasses included; `None` where it is none."""
    for base in type(source).__mro__:
        found = _POOLS.get((base.__module__.partition(".")[0], base.__name__))
        if found is not None:
            verbs, package, connection = found
            driver = _driver(package, connection)
            assert driver is not None  # as of the table below
            return verbs(source, driver)
    return None


def _psycopg_pool(pool: Any, driver: Driver) -> DriverPool:
    return DriverPool(driver, pool.max_size or _UNLIMITED, pool.getconn, pool.putconn, pool.close)


def _asyncpg_pool(pool: Any, driver: Driver) -> DriverPool:
    return DriverPool(driver, pool.get_max_size(), pool.acquire, pool.release, pool.close)


def _asyncmy_pool(pool: Any, driver: Driver) -> DriverPool:
    async def close() -> None:
        pool.close()
        await pool.wait_closed()

    return DriverPool(driver, pool.maxsize, pool.acquire, pool.release, close)


#: Root package and name of a pool's class -> its verbs, and the package and name of its connections' class.
_POOLS: dict[tuple[str, str], tuple[Callable[[Any, Driver], DriverPool], str, str]] = {
    ("psycopg_pool", "ConnectionPool"): (_psycopg_pool, "psycopg", "Connection"),
    ("psycopg_pool", "AsyncConnectionPool"): (_psycopg_pool, "psycopg", "AsyncConnection"),
    ("asyncpg", "Pool"): (_asyncpg_pool, "asyncpg", "Connection"),
    ("asyncmy", "Pool"): (_asyncmy_pool, "asyncmy", "Connection"),
}
