"""What both repositories do, each operation once.

Rules of this file:
- Every operation is a coroutine that awaits nothing but `call`. The plain repository drives it without an event loop,
  the async one awaits it.
- The codec stands here, between the user and every store. So do the checks of stores that don't check for themselves.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ..errors import CollectionExistsError, UnsafeOperationError, UnsupportedFilterError
from .checks import (
    checked_id,
    checked_ids,
    checked_records,
    checked_top_k,
    float32,
)
from .codecs import IdentityVectorPayloadCodec, VectorPayloadCodec
from .filters import FilterInput, is_empty, parse
from .records import VectorRecord, VectorSearchResult
from .stores.base import can, name_of, new_collection

#: Called with how many records have been written.
Progress = Callable[[int], Any]


class Call(Protocol):
    """Calls a method of the store; `size` is how many vectors or ids it is about."""

    async def __call__(self, method: str, size: int, *args: Any, **kwargs: Any) -> Any:
        """Return what the method returns."""


class VectorOperations:
    """The operations on one collection of a store."""

    def __init__(
        self,
        store: Any,
        call: Call,
        collection: str,
        dimension: int,
        metric: str,
        payload_codec: VectorPayloadCodec | None,
    ) -> None:
        self.store = store
        self.collection = collection
        info = new_collection(collection, dimension, metric)
        self.dimension, self.metric = info.dimension, info.metric
        self.codec: VectorPayloadCodec = IdentityVectorPayloadCodec() if payload_codec is None else payload_codec
        self._call = call
        self._is_plain = type(self.codec) is IdentityVectorPayloadCodec
        self._checks = not can(store, "checks_records")

    async def create(self, overwrite: bool) -> None:
        await self._call(
            "create_collection", 1, self.collection, self.dimension, self.metric.value, overwrite=overwrite
        )

    async def open(self, overwrite: bool) -> None:
        """Create the collection, or take the one that is there.

        Raises:
            ValueError: it has another dimension or metric.
        """
        try:
            await self.create(overwrite)
        except CollectionExistsError:
            if not can(self.store, "describe_collection"):
                return
            found = await self._call("describe_collection", 1, self.collection)
            if found is not None and (found.dimension, found.metric) != (self.dimension, self.metric):
                raise ValueError(
                    f"the collection {self.collection!r} is there with dimension {found.dimension} and metric "
                    f"{str(found.metric)!r}, not {self.dimension} and {self.metric.value!r}"
                ) from None

    async def upsert(self, records: Iterable[VectorRecord], batch_size: int | None, progress: Progress | None) -> None:
        done = 0
        for batch in _batches(records, batch_size):
            await self._call("upsert", len(batch), self.collection, self._encoded(batch))
            done += len(batch)
            if progress is not None:
                progress(done)

    async def query(self, vector: Any, top_k: int, filters: FilterInput) -> list[VectorSearchResult]:
        [asked], top_k, wanted = self._question([vector], top_k, filters)
        if top_k == 0 and self._checks:
            return []
        found = await self._call("query", 1, self.collection, asked, top_k=top_k, filters=wanted)
        return self._decoded_results(found)

    async def query_many(
        self, vectors: Iterable[Any], top_k: int, filters: FilterInput
    ) -> list[list[VectorSearchResult]]:
        asked, top_k, wanted = self._question(vectors, top_k, filters)
        if not asked or (top_k == 0 and self._checks):
            return [[] for _ in asked]
        if can(self.store, "query_many"):
            found = await self._call("query_many", len(asked), self.collection, asked, top_k=top_k, filters=wanted)
        else:
            found = [
                await self._call("query", 1, self.collection, vector, top_k=top_k, filters=wanted) for vector in asked
            ]
        return [self._decoded_results(results) for results in found]

    async def fetch(self, ids: Iterable[str] | None) -> list[VectorRecord]:
        wanted = None if ids is None else checked_ids(ids, self.store.id_policy)
        size = -1 if wanted is None else len(wanted)
        found: list[VectorRecord] = await self._call("fetch", size, self.collection, wanted)
        if self._is_plain:
            return found
        decode = self.codec.deserialize
        return [VectorRecord(one.id, one.vector, decode(one.payload)) for one in found]

    async def delete(self, ids: Iterable[str]) -> int:
        wanted = checked_ids(ids, self.store.id_policy)
        deleted: int = await self._call("delete", len(wanted), self.collection, wanted)
        return deleted

    async def delete_where(self, filters: FilterInput) -> int:
        if is_empty(filters):
            raise UnsafeOperationError("delete_where needs a filter; create_collection(overwrite=True) drops all")
        wanted = self._filters(filters)
        if not can(self.store, "delete_where"):
            raise UnsupportedFilterError(f"{name_of(self.store)} does not support deleting by a filter")
        deleted: int = await self._call("delete_where", -1, self.collection, wanted)
        return deleted

    async def count(self, filters: FilterInput) -> int:
        wanted = self._filters(filters)
        if can(self.store, "count"):
            counted: int = await self._call("count", -1, self.collection, wanted)
            return counted
        if wanted is not None:
            raise UnsupportedFilterError(f"{name_of(self.store)} does not support counting by a filter")
        return len(await self._call("fetch", -1, self.collection, None))

    def _question(self, vectors: Iterable[Any], top_k: int, filters: FilterInput) -> tuple[list[Any], int, Any]:
        """Check what a query asks, before anything is sent."""
        asked = list(vectors)
        if self._checks:
            asked = [float32(vector, self.dimension, self.metric).tolist() for vector in asked]
        return asked, checked_top_k(top_k), self._filters(filters)

    def _encoded(self, batch: Iterable[VectorRecord]) -> list[VectorRecord]:
        """Return records as the store takes them."""
        records = checked_records(batch)
        if self._checks:
            records = [self._checked(place, record) for place, record in enumerate(records)]
        if self._is_plain:
            return records
        encode = self.codec.serialize
        return [VectorRecord(one.id, one.vector, encode(one.payload)) for one in records]

    def _checked(self, place: int, record: VectorRecord) -> VectorRecord:
        one = checked_id(record.id, self.store.id_policy)
        vector = float32(record.vector, self.dimension, self.metric, f"the vector of record {place}")
        return VectorRecord(one, vector.tolist(), record.payload)

    def _decoded_results(self, found: list[VectorSearchResult]) -> list[VectorSearchResult]:
        if self._is_plain:
            return found
        decode = self.codec.deserialize
        return [VectorSearchResult(one.id, one.score, decode(one.payload)) for one in found]

    def _filters(self, filters: FilterInput) -> Any:
        """Return filters as the store takes them: a mapping stays one, conditions get their normal form."""
        if is_empty(filters):
            return None
        store = name_of(self.store)
        if not self.store.supports_filters:
            raise UnsupportedFilterError(f"{store} does not support payload filters")
        if isinstance(filters, Mapping):
            return self.codec.serialize_filters(filters)
        parsed = parse(filters, store, self._encoded_value)
        if not can(self.store, "supports_conditions"):
            raise UnsupportedFilterError(f"{store} does not support conditions of C as filters; it takes a mapping")
        return parsed

    def _encoded_value(self, key: str, value: Any) -> Any:
        return (self.codec.serialize_filters({key: value}) or {})[key]


def _batches(records: Iterable[VectorRecord], batch_size: int | None) -> Iterator[Sequence[VectorRecord]]:
    if batch_size is None:
        yield checked_records(records)
        return
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError("batch_size is an int of 1 or more")
    if isinstance(records, VectorRecord):
        checked_records(records)
    rest = iter(records)
    while batch := list(itertools.islice(rest, batch_size)):
        yield batch
