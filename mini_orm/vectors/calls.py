"""How the async repository calls a store, and the opening of its collection.

It is imported when the first `AsyncVectorRepository` is made, as it imports asyncio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .stores.base import can


class AwaitedCalls:
    """Calls a store whose methods are awaited."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def __call__(self, method: str, size: int, *args: Any, **kwargs: Any) -> Any:
        return await getattr(self._store, method)(*args, **kwargs)


class WorkerCalls:
    """Calls a store that blocks: in a worker thread, or in the loop's own where the store says that it is brief."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._can_be_brief = can(store, "is_brief")

    async def __call__(self, method: str, size: int, *args: Any, **kwargs: Any) -> Any:
        call = getattr(self._store, method)
        if self._can_be_brief and self._store.is_brief(method, args[0], size):
            return call(*args, **kwargs)
        return await asyncio.to_thread(call, *args, **kwargs)


class Opening:
    """Opens a collection once, however many tasks begin at the same time; a failure is tried again by the next."""

    def __init__(self, opener: Callable[[], Awaitable[None]]) -> None:
        self._opener = opener
        self._lock = asyncio.Lock()
        self.is_done = False

    async def wait(self) -> None:
        """Return when the collection is open."""
        if not self.is_done:
            async with self._lock:
                if not self.is_done:
                    await self._opener()
                    self.is_done = True
