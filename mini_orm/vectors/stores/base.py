"""What a store is: any object with these methods, plain or as coroutines; nothing has to be inherited.

Beside the methods of `VectorStore` a store may have others, which its repository looks for:

- `describe_collection(name) -> CollectionInfo | None`: what a collection was created with. Without it a repository
  can't tell that a collection which is there is of another dimension or metric.
- `query_many(collection, vectors, *, top_k, filters)`; without it the queries go one by one.
- `count(collection, filters)`, `delete_where(collection, filters)`. Without them a repository counts by fetching all,
  and refuses the rest: it never filters after the fact.
- `supports_conditions`: `filters` may be the normal form of filters.py, which is what conditions of `C` become. Else a
  store is only ever given mappings.
- `checks_records`: the store checks ids and vectors by itself, before it writes anything.
- `is_brief(method, collection, size) -> bool`: the call takes less than a hop into a worker thread, so that the async
  face may make it in the event loop's own. `size` is how many vectors or ids the call is about.
- `is_async`: its methods return awaitables though they are no coroutine functions.
- `for_async() -> store`: the same store with coroutines, for the async face.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..checks import checked_dimension
from ..metrics import VectorMetric, metric_of
from ..records import VectorRecord, VectorSearchResult


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """What a collection was created with."""

    dimension: int
    metric: VectorMetric


def new_collection(name: str, dimension: int, metric: str) -> CollectionInfo:
    """Check what a collection is to be created with.

    Raises:
        ValueError: `name` is no string; `dimension` or `metric` can't be.
    """
    if not isinstance(name, str):
        raise ValueError(f"a collection's name is a string, not {type(name).__name__}")
    return CollectionInfo(checked_dimension(dimension), metric_of(metric))


class VectorStore(Protocol):
    """A store whose calls block."""

    @property
    def supports_filters(self) -> bool:
        """Whether `query` takes filters."""

    @property
    def id_policy(self) -> str:
        """Which ids it takes: a `VectorIdPolicy`."""

    def create_collection(self, name: str, dimension: int, metric: str = "cosine", *, overwrite: bool = False) -> None:
        """Create a collection; one that is there is emptied with `overwrite`, else a `CollectionExistsError`."""

    def upsert(self, collection: str, records: Sequence[VectorRecord]) -> None:
        """Write records, each in the place of the one that has its id."""

    def query(
        self, collection: str, vector: Sequence[float], *, top_k: int = 10, filters: Mapping[str, Any] | None = None
    ) -> list[VectorSearchResult]:
        """Return the nearest records, best first, then by id."""

    def fetch(self, collection: str, ids: Sequence[str] | None = None) -> list[VectorRecord]:
        """Return the records of `ids` that are there, in that order; all of them in the order of their ids."""

    def delete(self, collection: str, ids: Sequence[str]) -> int:
        """Delete records; return how many were there."""


class AsyncVectorStore(Protocol):
    """A store whose calls are awaited."""

    @property
    def supports_filters(self) -> bool:
        """Whether `query` takes filters."""

    @property
    def id_policy(self) -> str:
        """Which ids it takes: a `VectorIdPolicy`."""

    async def create_collection(
        self, name: str, dimension: int, metric: str = "cosine", *, overwrite: bool = False
    ) -> None:
        """Async twin of `VectorStore.create_collection`."""

    async def upsert(self, collection: str, records: Sequence[VectorRecord]) -> None:
        """Async twin of `VectorStore.upsert`."""

    async def query(
        self, collection: str, vector: Sequence[float], *, top_k: int = 10, filters: Mapping[str, Any] | None = None
    ) -> list[VectorSearchResult]:
        """Async twin of `VectorStore.query`."""

    async def fetch(self, collection: str, ids: Sequence[str] | None = None) -> list[VectorRecord]:
        """Async twin of `VectorStore.fetch`."""

    async def delete(self, collection: str, ids: Sequence[str]) -> int:
        """Async twin of `VectorStore.delete`."""


def name_of(store: Any) -> str:
    """Return the name by which errors speak of a store."""
    return type(store).__name__


def is_async(store: Any) -> bool:
    """Whether a store's calls are awaited."""
    return bool(getattr(store, "is_async", False)) or inspect.iscoroutinefunction(getattr(store, "query", None))


def can(store: Any, ability: str) -> bool:
    """Whether a store has a method or flag that not every store has."""
    return bool(getattr(store, ability, False))
