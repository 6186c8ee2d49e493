"""`VectorRepository`: one collection of vectors, in any store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core.database.executors import drive
from ..errors import ConfigurationError
from .codecs import VectorPayloadCodec
from .filters import FilterInput
from .ops import Progress, VectorOperations
from .records import VectorIdPolicy, VectorRecord, VectorSearchResult
from .stores.base import is_async, name_of


class VectorRepository:
    """Keeps vectors under ids, with payloads, and finds the nearest ones.

    Args:
        store: a store of mini_orm, or any object that has the methods of one.
        collection: its name.
        dimension: how many numbers a vector has.
        metric: `"cosine"`, `"dot"` or `"l2"`.
        auto_create: create the collection, or open the one that is there.
        overwrite: drop a collection that is there first.
        payload_codec: how payloads are written; without one they must be what the store can hold.

    Raises:
        ValueError: `collection` is no string; `dimension` or `metric` can't be; the collection is there with others.
        ConfigurationError: the store's calls are awaited.
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
        if is_async(store):
            raise ConfigurationError(f"the calls of {name_of(store)} are awaited: use AsyncVectorRepository")
        self._ops = VectorOperations(store, _Calls(store), collection, dimension, metric, payload_codec)
        self.store = store
        self.collection = collection
        self.dimension = dimension
        self.metric = self._ops.metric
        self.payload_codec = self._ops.codec
        if auto_create:
            drive(self._ops.open(overwrite))

    @property
    def id_policy(self) -> VectorIdPolicy:
        """Which ids the store takes."""
        return VectorIdPolicy(self.store.id_policy)

    @property
    def supports_filters(self) -> bool:
        """Whether the store takes filters."""
        return bool(self.store.supports_filters)

    def create_collection(self, *, overwrite: bool = False) -> None:
        """Create the collection.

        Raises:
            CollectionExistsError: it is there, and `overwrite` is not set.
        """
        return drive(self._ops.create(overwrite))

    def upsert(
        self, records: Iterable[VectorRecord], *, batch_size: int | None = None, progress: Progress | None = None
    ) -> None:
        """Write records; one whose id is there replaces its vector and payload. Of a repeated id the last one counts.

        All are checked before anything is written. With `batch_size` that holds for each batch by itself, and an
        iterator is read batch by batch.

        Args:
            records: any iterable.
            batch_size: how many records are written at once; all, unless given.
            progress: called after each batch with the number of records written so far.

        Raises:
            DimensionError: a vector has another length.
            VectorValueError: a vector has NaN or an infinity, or is zero under cosine.
            VectorIdError: an id is none that the store takes.
            TypeError: a payload has what the codec, or the store, has no form for.
        """
        return drive(self._ops.upsert(records, batch_size, progress))

    def query(self, vector: Any, *, top_k: int = 10, filters: FilterInput = None) -> list[VectorSearchResult]:
        """Return the `top_k` nearest records, best first, equal ones by id.

        Args:
            vector: `dimension` numbers.
            top_k: how many; with 0 or less none.
            filters: a mapping of keys to values that all have to be equal, or conditions of `C`. As many results as
                match come back, up to `top_k`.

        Raises:
            DimensionError, VectorValueError: as for `upsert`.
            UnsupportedFilterError: the store can't answer the filter.
        """
        return drive(self._ops.query(vector, top_k, filters))

    def query_many(
        self, vectors: Iterable[Any], *, top_k: int = 10, filters: FilterInput = None
    ) -> list[list[VectorSearchResult]]:
        """Answer many queries at once; the results stand in the order of `vectors`.

        Raises:
            DimensionError, VectorValueError, UnsupportedFilterError: as for `query`.
        """
        return drive(self._ops.query_many(vectors, top_k, filters))

    def fetch(self, ids: Iterable[str] | None = None) -> list[VectorRecord]:
        """Return the records of `ids` in their order, without those that are missing; without `ids` all, by id.

        Vectors are lists of floats, rounded to float32.
        """
        return drive(self._ops.fetch(ids))

    def delete(self, ids: Iterable[str]) -> int:
        """Delete records; return how many were there."""
        return drive(self._ops.delete(ids))

    def delete_where(self, filters: FilterInput) -> int:
        """Delete the records that match; return how many.

        Raises:
            UnsafeOperationError: there is no filter.
            UnsupportedFilterError: the store can't answer the filter.
        """
        return drive(self._ops.delete_where(filters))

    def count(self, filters: FilterInput = None) -> int:
        """Return how many records there are, or match.

        Raises:
            UnsupportedFilterError: the store can't answer the filter.
        """
        return drive(self._ops.count(filters))


class _Calls:
    """Calls a store that blocks. It does not know the repository, which no cycle keeps alive."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def __call__(self, method: str, size: int, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._store, method)(*args, **kwargs)
