"""`ChromaVectorStore`: vectors in Chroma, in this process or on a server."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from ...core.database.executors import drive
from ..filters import Filter, FilterInput
from ..records import VectorIdPolicy, VectorRecord, VectorSearchResult
from .base import CollectionInfo
from .chroma_clients import AwaitedClient, BlockingClient, require_chroma
from .chroma_ops import ChromaOperations

_PORT = 8000


class ChromaVectorStore:
    """Keeps vectors in Chroma: `pip install "mini_orm[chroma]"`.

    Chroma's index is approximate; up to a few thousand records it finds the best ones all the same. Safe for threads.
    Under an `AsyncVectorRepository` the calls of a server are awaited, and the others made in a worker thread.

    Args:
        path: a directory, which is made; `":memory:"` keeps nothing.
        host: a server's name, then `path` is not used.
        port: its port, 8000 unless given.

    Raises:
        MissingDependencyError: chromadb is not installed.
        ValueError: there is a `port` without a `host`.
    """

    supports_filters = True
    supports_conditions = True
    checks_records = True
    id_policy = VectorIdPolicy.ANY

    def __init__(self, *, path: str = "./.chroma", host: str | None = None, port: int | None = None) -> None:
        require_chroma()
        if port is not None and host is None:
            raise ValueError("a port is that of a server: give its host, too")
        self._client = BlockingClient(path, host, port or _PORT)
        self._ops = ChromaOperations(self._client)
        self._writing = threading.Lock()
        self._awaited = None if host is None else AsyncChromaVectorStore(AwaitedClient(host, port or _PORT))

    @property
    def client(self) -> Any:
        """Chroma's client that blocks, for what is Chroma's own: its `get_collection` and `delete_collection`."""
        drive(self._client.open())
        return self._client.client

    def create_collection(self, name: str, dimension: int, metric: str = "cosine", *, overwrite: bool = False) -> None:
        """Create a collection; with `overwrite` in the place of one that is there.

        Raises:
            CollectionExistsError: it is there, and `overwrite` is not set.
            ValueError: `dimension` or `metric` can't be, or Chroma takes no such name.
        """
        drive(self._ops.create_collection(name, dimension, metric, overwrite))

    def describe_collection(self, name: str) -> CollectionInfo | None:
        """Return a collection's dimension and metric, or `None` if it is not there."""
        return drive(self._ops.describe_collection(name))

    def upsert(self, collection: str, records: Iterable[VectorRecord]) -> None:
        """Write records; all are checked before anything is written, and of a repeated id the last one counts.

        More than Chroma takes at once (5,461) are written in parts. If one of these fails, those before it are there.
        """
        with self._writing:  # between reading which keys a payload has, and replacing it
            drive(self._ops.upsert(collection, records))

    def query(
        self, collection: str, vector: Sequence[float], *, top_k: int = 10, filters: FilterInput | Filter = None
    ) -> list[VectorSearchResult]:
        """Return the `top_k` nearest records, best first, equal ones by id."""
        return self.query_many(collection, [vector], top_k=top_k, filters=filters)[0]

    def query_many(
        self,
        collection: str,
        vectors: Iterable[Sequence[float]],
        *,
        top_k: int = 10,
        filters: FilterInput | Filter = None,
    ) -> list[list[VectorSearchResult]]:
        """Answer many queries at once."""
        return drive(self._ops.query_many(collection, vectors, top_k, filters))

    def fetch(self, collection: str, ids: Iterable[str] | None = None) -> list[VectorRecord]:
        """Return the records of `ids` that are there, in that order; all of them in the order of their ids."""
        return drive(self._ops.fetch(collection, ids))

    def delete(self, collection: str, ids: Iterable[str]) -> int:
        """Delete records; return how many were there."""
        with self._writing:
            return drive(self._ops.delete(collection, ids))

    def delete_where(self, collection: str, filters: FilterInput | Filter) -> int:
        """Delete the records that match; return how many."""
        return drive(self._ops.delete_where(collection, filters))

    def count(self, collection: str, filters: FilterInput | Filter = None) -> int:
        """Return how many records there are, or match."""
        return drive(self._ops.count(collection, filters))

    def for_async(self) -> Any:
        """Return the store whose calls are awaited; this one, if it has no server."""
        return self._awaited or self

    def close(self) -> None:
        """Close what the calls that block have opened; in memory, all is gone then."""
        self._client.close()

    async def aclose(self) -> None:
        """Close what the awaited calls have opened as well."""
        if self._awaited is not None:
            await self._awaited.aclose()
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


class AsyncChromaVectorStore:
    """What `ChromaVectorStore` is on a server, awaited; made by its `for_async`."""

    supports_filters = True
    supports_conditions = True
    checks_records = True
    id_policy = VectorIdPolicy.ANY

    def __init__(self, client: AwaitedClient) -> None:
        self._client = client
        self._ops = ChromaOperations(client)

    async def create_collection(
        self, name: str, dimension: int, metric: str = "cosine", *, overwrite: bool = False
    ) -> None:
        """Async twin of `ChromaVectorStore.create_collection`."""
        await self._ops.create_collection(name, dimension, metric, overwrite)

    async def describe_collection(self, name: str) -> CollectionInfo | None:
        """Async twin of `ChromaVectorStore.describe_collection`."""
        return await self._ops.describe_collection(name)

    async def upsert(self, collection: str, records: Iterable[VectorRecord]) -> None:
        """Async twin of `ChromaVectorStore.upsert`."""
        async with self._client.writing:
            await self._ops.upsert(collection, records)

    async def query(
        self, collection: str, vector: Sequence[float], *, top_k: int = 10, filters: FilterInput | Filter = None
    ) -> list[VectorSearchResult]:
        """Async twin of `ChromaVectorStore.query`."""
        return (await self.query_many(collection, [vector], top_k=top_k, filters=filters))[0]

    async def query_many(
        self,
        collection: str,
        vectors: Iterable[Sequence[float]],
        *,
        top_k: int = 10,
        filters: FilterInput | Filter = None,
    ) -> list[list[VectorSearchResult]]:
        """Async twin of `ChromaVectorStore.query_many`."""
        return await self._ops.query_many(collection, vectors, top_k, filters)

    async def fetch(self, collection: str, ids: Iterable[str] | None = None) -> list[VectorRecord]:
        """Async twin of `ChromaVectorStore.fetch`."""
        return await self._ops.fetch(collection, ids)

    async def delete(self, collection: str, ids: Iterable[str]) -> int:
        """Async twin of `ChromaVectorStore.delete`."""
        async with self._client.writing:
            return await self._ops.delete(collection, ids)

    async def delete_where(self, collection: str, filters: FilterInput | Filter) -> int:
        """Async twin of `ChromaVectorStore.delete_where`."""
        return await self._ops.delete_where(collection, filters)

    async def count(self, collection: str, filters: FilterInput | Filter = None) -> int:
        """Async twin of `ChromaVectorStore.count`."""
        return await self._ops.count(collection, filters)

    async def aclose(self) -> None:
        """Close the client; the next call opens another."""
        await self._client.aclose()
