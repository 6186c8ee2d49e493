"""`AsyncVectorRepository`: the same as `VectorRepository`, for asyncio."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, ParamSpec, TypeVar

from .codecs import VectorPayloadCodec
from .filters import FilterInput
from .ops import Progress, VectorOperations
from .records import VectorIdPolicy, VectorRecord, VectorSearchResult
from .repository import VectorRepository
from .stores.base import can, is_async

R = TypeVar("R")
P = ParamSpec("P")


class AsyncVectorRepository:
    """Async twin of `VectorRepository`, over stores of both kinds.

    The calls of a store that blocks are made in a worker thread; those of a store in memory in the event loop's own,
    as long as they are brief. Where a call may wait, `auto_create` creates or opens the collection on first use.
    """

    def __init__(
        self,
        store: Any,
        collection: str,
        *,
        dimension: int,
        metric: str = "cosine",
        auto_create: bool = True,
        overwrite: bool = False,
        payload_codec: VectorPayloadCodec | None = None,
    ) -> None:
        from .calls import AwaitedCalls, Opening, WorkerCalls  # imports asyncio, which `import mini_orm` does not

        called = store.for_async() if can(store, "for_async") else store
        calls = AwaitedCalls(called) if is_async(called) else WorkerCalls(called)
        self._ops = VectorOperations(called, calls, collection, dimension, metric, payload_codec)
        self.store = store
        self.collection = collection
        self.dimension = dimension
        self.metric = self._ops.metric
        self.payload_codec = self._ops.codec
        self._opening = Opening(functools.partial(self._ops.open, overwrite))
        if not auto_create:
            self._opening.is_done = True
        elif can(called, "is_brief"):
            # In memory: nothing to wait for, so that a collection which does not fit is refused here and now.
            VectorRepository(called, collection, dimension=dimension, metric=metric, overwrite=overwrite)
            self._opening.is_done = True

    @property
    def id_policy(self) -> VectorIdPolicy:
        """Async twin of `VectorRepository.id_policy`."""
        return VectorIdPolicy(self.store.id_policy)

    @property
    def supports_filters(self) -> bool:
        """Async twin of `VectorRepository.supports_filters`."""
        return bool(self.store.supports_filters)

    async def create_collection(self, *, overwrite: bool = False) -> None:
        """Async twin of `VectorRepository.create_collection`."""
        await self._run(self._ops.create, overwrite)

    async def upsert(
        self, records: Iterable[VectorRecord], *, batch_size: int | None = None, progress: Progress | None = None
    ) -> None:
        """Async twin of `VectorRepository.upsert`."""
        await self._run(self._ops.upsert, records, batch_size, progress)

    async def query(self, vector: Any, *, top_k: int = 10, filters: FilterInput = None) -> list[VectorSearchResult]:
        """Async twin of `VectorRepository.query`."""
        return await self._run(self._ops.query, vector, top_k, filters)

    async def query_many(
        self, vectors: Iterable[Any], *, top_k: int = 10, filters: FilterInput = None
    ) -> list[list[VectorSearchResult]]:
        """Async twin of `VectorRepository.query_many`."""
        return await self._run(self._ops.query_many, vectors, top_k, filters)

    async def fetch(self, ids: Iterable[str] | None = None) -> list[VectorRecord]:
        """Async twin of `VectorRepository.fetch`."""
        return await self._run(self._ops.fetch, ids)

    async def delete(self, ids: Iterable[str]) -> int:
        """Async twin of `VectorRepository.delete`."""
        return await self._run(self._ops.delete, ids)

    async def delete_where(self, filters: FilterInput) -> int:
        """Async twin of `VectorRepository.delete_where`."""
        return await self._run(self._ops.delete_where, filters)

    async def count(self, filters: FilterInput = None) -> int:
        """Async twin of `VectorRepository.count`."""
        return await self._run(self._ops.count, filters)

    async def _run(self, operation: Callable[P, Coroutine[Any, Any, R]], *args: P.args, **kwargs: P.kwargs) -> R:
        if not self._opening.is_done:
            await self._opening.wait()
        return await operation(*args, **kwargs)
