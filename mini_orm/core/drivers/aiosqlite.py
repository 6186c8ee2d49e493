"""aiosqlite: a sqlite3 connection that lives in a thread of its own.

Every method of aiosqlite is a call that its thread runs, one hop each. mini_orm sends one call an operation, which
does all its statements there. aiosqlite has no public word for "run this in your thread"; `_execute` is what all of
its own methods are made of, in every version since 0.10.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import ConfigurationError, ConnectionLost
from .sqlite3 import Sqlite3Driver


class AiosqliteDriver(Sqlite3Driver):
    """Runs SQL through `aiosqlite.Connection`."""

    name = "aiosqlite"
    is_blocking = False

    def raw(self, conn: Any) -> Any:
        try:
            return conn._conn
        except ValueError:
            message = "this aiosqlite connection is not open; await it first: await aiosqlite.connect(path)"
            raise ConfigurationError(message) from None

    def hop(self, conn: Any) -> Callable[[Callable[[], Any]], Any] | None:
        async def hop(call: Callable[[], Any]) -> Any:
            if not conn._running or conn._connection is None:
                raise ConnectionLost("the aiosqlite connection was closed")
            return await conn._execute(call)

        return hop

    async def aclose(self, conn: Any) -> None:
        await conn.close()
