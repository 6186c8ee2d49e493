"""`QdrantVectorStore` as an `AsyncVectorRepository` calls it where there is a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from ..filters import Filter, FilterInput
from ..records import VectorIdPolicy, VectorRecord, VectorSearchResult
from .base import CollectionInfo
from .qdrant_ops import QdrantOperations


class AsyncQdrantVectorStore:
    """Async twin of `QdrantVectorStore`, with an `AsyncQdrantClient` for each event loop, which is all that one knows.

    Args:
        open_client: opens a client for the running loop, or refuses to.
        known: what is known of collections, shared with the twin.
    """

    supports_filters = True
    supports_conditions = True
    checks_records = True
    id_policy = VectorIdPolicy.UUID

    def __init__(self, open_client: Callable[[], Any], known: dict[str, CollectionInfo]) -> None:
        self._open_client = open_client
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()
        self._operations = QdrantOperations(self._call, known, is_exact=False)

    async def create_collection(
        self, name: str, dimension: int, metric: str = "cosine", *, overwrite: bool = False
    ) -> None:
        """Async twin of `QdrantVectorStore.create_collection`."""
        await self._operations.create_collection(name, dimension, metric, overwrite=overwrite)

    async def describe_collection(self, name: str) -> CollectionInfo | None:
        """Async twin of `QdrantVectorStore.describe_collection`."""
        return await self._operations.describe_collection(name)

    async def upsert(self, collection: str, records: Iterable[VectorRecord]) -> None:
        """Async twin of `QdrantVectorStore.upsert`."""
        await self._operations.upsert(collection, records)

    async def query(
        self, collection: str, vector: Sequence[float], *, top_k: int = 10, filters: FilterInput | Filter = None
    ) -> list[VectorSearchResult]:
        """Async twin of `QdrantVectorStore.query`."""
        [found] = await self._operations.query_many(collection, [vector], top_k=top_k, filters=filters)
        return found

    async def query_many(
        self,
        collection: str,
        vectors: Iterable[Sequence[float]],
        *,
        top_k: int = 10,
        filters: FilterInput | Filter = None,
    ) -> list[list[VectorSearchResult]]:
        """Async twin of `QdrantVectorStore.query_many`."""
        return await self._operations.query_many(collection, vectors, top_k=top_k, filters=filters)

    async def fetch(self, collection: str, ids: Iterable[str] | None = None) -> list[VectorRecord]:
        """Async twin of `QdrantVectorStore.fetch`."""
        return await self._operations.fetch(collection, ids)

    async def delete(self, collection: str, ids: Iterable[str]) -> int:
        """Async twin of `QdrantVectorStore.delete`."""
        return await self._operations.delete(collection, ids)

    async def delete_where(self, collection: str, filters: FilterInput | Filter) -> int:
        """Async twin of `QdrantVectorStore.delete_where`."""
        return await self._operations.delete_where(collection, filters)

    async def count(self, collection: str, filters: FilterInput | Filter = None) -> int:
        """Async twin of `QdrantVectorStore.count`."""
        return await self._operations.count(collection, filters)

    async def aclose(self) -> None:
        """Close the client of the running loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    async def _call(self, method: str, **arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = self._open_client()
        return await getattr(client, method)(**arguments)
