"""`Database.connect` and `AsyncDatabase.connect`: from a URL to a database whose first connection is open.

Rules of this file:
- The pool is the database's own: it made it, and its `close` closes it.
- A password is in no repr and in no message of ours. The driver gets it as an argument, never inside of a text.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from ...errors import ConfigurationError
from ..drivers.addresses import Address, read_url
from ..drivers.openers import opener_for
from .executors import Executor
from .pool import PoolConnector
from .pooling import connect_error

D = TypeVar("D")
#: What a pool is told, beside its size; everything else is the driver's.
_POOL_OPTIONS = frozenset(
    name
    for name, one in inspect.signature(PoolConnector.__init__).parameters.items()
    if one.kind is one.KEYWORD_ONLY and name != "max_size"
)


async def connected(cls: Callable[[Any], D], url: str, options: dict[str, Any], *, is_async: bool) -> D:
    """Make a database of class `cls` for a URL, and open its first connection; never suspends on the sync face."""
    address = read_url(url)
    opener = opener_for(address, is_async=is_async)
    if "max_size" in options:
        raise ConfigurationError("the size of a database's own pool is pool_size")
    size = options.pop("pool_size", 5)
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError("pool_size must be an int of at least 1")
    pooling = {name: options.pop(name) for name in _POOL_OPTIONS & options.keys()}
    connect = functools.partial(opener.connect, **(opener.arguments | options))
    if opener.is_single:
        return await _on_connection(cls, connect)
    return await _on_pool(cls, PoolConnector(connect, max_size=size, **pooling), address)


async def _on_connection(cls: Callable[[Any], D], connect: Callable[[], Any]) -> D:
    """Stand on one connection: a database in memory that is private to it goes with it."""
    try:
        conn = connect()
        if inspect.isawaitable(conn):
            conn = await conn
    except Exception as exc:
        raise connect_error(exc) from exc
    return cls(conn)


async def _on_pool(cls: Callable[[Any], D], pool: PoolConnector, address: Address) -> D:
    pool._pool.is_owned = True
    pool._pool.label = address.label
    try:
        db: Any = cls(pool)
        reached = db.run(_reached)
        if inspect.isawaitable(reached):
            await reached
    except BaseException:
        closing = pool.close()
        if inspect.isawaitable(closing):
            await closing
        raise
    made: D = db
    return made


async def _reached(executor: Executor) -> None:
    """Do nothing: the connection is open, and in order, when an operation begins."""
