"""`InMemoryVectorStore`: vectors in this process, exact, with numpy where it is installed and without it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import CollectionExistsError, CollectionNotFoundError
from ..checks import (
    checked_dimension,
    checked_ids,
    checked_records,
    checked_top_k,
    copied_payload,
    json_payload,
    latest,
)
from ..filters import Filter, FilterInput, parse
from ..metrics import metric_of
from ..records import VectorIdPolicy, VectorRecord, VectorSearchResult
from .base import CollectionInfo
from .payload_index import PayloadIndex, PythonMasks
from .python_rows import PythonRows, Scored

#: A call that takes longer than these nanoseconds is worth a hop into a worker thread.
_BRIEF = 300_000
#: Nanoseconds for what is done to each record, whatever its dimension.
_RECORD = 2_000


class InMemoryVectorStore:
    """Keeps vectors in memory and finds the nearest ones by looking at all of them.

    With numpy (`pip install "mini_orm[numpy]"`) that goes about as fast as memory can be read; without it the standard
    library does the same, some fifty times slower. Payloads are values of JSON. Safe for threads.
    """

    supports_filters = True
    supports_conditions = True
    checks_records = True
    id_policy = VectorIdPolicy.ANY

    def __init__(self) -> None:
        self._rows: Any
        self._masks: Any
        self._rows, self._masks = self._numpy() or (PythonRows, PythonMasks())
        self._collections: dict[str, _Collection] = {}
        self._lock = threading.Lock()

    def create_collection(self, name: str, dimension: int, metric: str = "cosine", *, overwrite: bool = False) -> None:
        """Create a collection; with `overwrite` in the place of one that is there.

        Raises:
            CollectionExistsError: it is there, and `overwrite` is not set.
            ValueError: `dimension` or `metric` can't be.
        """
        info = CollectionInfo(checked_dimension(dimension), metric_of(metric))
        made = _Collection(info, self._rows(info.dimension, info.metric), self._masks)
        with self._lock:
            if name in self._collections and not overwrite:
                raise CollectionExistsError(f"there is a collection {name!r} already")
            self._collections[name] = made

    def describe_collection(self, name: str) -> CollectionInfo | None:
        """Return a collection's dimension and metric, or `None` if it is not there."""
        found = self._collections.get(name)
        return None if found is None else found.info

    def upsert(self, collection: str, records: Iterable[VectorRecord]) -> None:
        """Write records; all are checked before anything is written, and of a repeated id the last one counts."""
        self._collection(collection).upsert(records)

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
        return self._collection(collection).query_many(list(vectors), checked_top_k(top_k), self._parsed(filters))

    def fetch(self, collection: str, ids: Iterable[str] | None = None) -> list[VectorRecord]:
        """Return the records of `ids` that are there, in that order; all of them in the order of their ids."""
        return self._collection(collection).fetch(None if ids is None else checked_ids(ids))

    def delete(self, collection: str, ids: Iterable[str]) -> int:
        """Delete records; return how many were there."""
        return self._collection(collection).delete(checked_ids(ids))

    def delete_where(self, collection: str, filters: FilterInput | Filter) -> int:
        """Delete the records that match; return how many."""
        return self._collection(collection).delete_where(self._parsed(filters))

    def count(self, collection: str, filters: FilterInput | Filter = None) -> int:
        """Return how many records there are, or match."""
        return self._collection(collection).count(self._parsed(filters))

    def is_brief(self, method: str, collection: str, size: int) -> bool:
        """Tell whether a call takes less than a hop into a worker thread."""
        found = self._collections.get(collection)
        return found is None or found.is_brief(method, size)

    @staticmethod
    def _numpy() -> Any:
        """Return what numpy does for rows and masks, if it is installed."""
        try:
            from .numpy_rows import NumpyMasks, NumpyRows
        except ImportError:
            return None
        return NumpyRows, NumpyMasks()

    def _parsed(self, filters: FilterInput | Filter) -> Filter | None:
        return parse(filters, type(self).__name__)

    def _collection(self, name: str) -> _Collection:
        try:
            return self._collections[name]
        except KeyError:
            raise CollectionNotFoundError(f"there is no collection {name!r}") from None


class _Collection:
    """The records of one collection, each with a position that is the same in all columns."""

    def __init__(self, info: CollectionInfo, rows: Any, masks: Any) -> None:
        self.info = info
        self._lock = threading.Lock()
        self._rows = rows
        self._ids: list[str] = []
        self._positions: dict[str, int] = {}
        self._payloads: list[dict[str, Any] | None] = []
        self._index = PayloadIndex(self._payloads, masks)

    def upsert(self, records: Iterable[VectorRecord]) -> None:
        listed = checked_records(records)
        ids = checked_ids(record.id for record in listed)
        payloads = [json_payload(record.payload, InMemoryVectorStore.__name__) for record in listed]
        packed = self._rows.pack([record.vector for record in listed], "the vector of record {}")
        with self._lock:
            places = latest(ids)
            known = [] if self._positions.keys().isdisjoint(ids) else [n for n in places if ids[n] in self._positions]
            fresh = [n for n in places if ids[n] not in self._positions] if known else places
            self._rows.append(packed, fresh)
            self._rows.replace([self._positions[ids[place]] for place in known], packed, known)
            for place in known:
                position = self._positions[ids[place]]
                self._payloads[position] = payloads[place]
                self._index.replace(position, payloads[place])
            self._append([ids[place] for place in fresh], [payloads[place] for place in fresh])

    def query_many(self, vectors: Sequence[Any], top_k: int, filters: Filter | None) -> list[list[VectorSearchResult]]:
        packed = self._rows.pack(vectors, "the vector" if len(vectors) == 1 else "vector {}")
        if top_k == 0 or not vectors:
            return [[] for _ in vectors]
        with self._lock:
            positions = None if filters is None else self._index.positions(filters)
            if not self._ids or (positions is not None and len(positions) == 0):
                return [[] for _ in vectors]
            return [self._results(scored, top_k) for scored in self._rows.best(packed, top_k, positions)]

    def fetch(self, ids: Sequence[str] | None) -> list[VectorRecord]:
        with self._lock:
            wanted = sorted(self._positions) if ids is None else [one for one in ids if one in self._positions]
            if not wanted:
                return []
            positions = [self._positions[one] for one in wanted]
            vectors = self._rows.vectors(positions)
            return [
                VectorRecord(one, vector, self._payload(position))
                for one, vector, position in zip(wanted, vectors, positions, strict=True)
            ]

    def delete(self, ids: Iterable[str]) -> int:
        with self._lock:
            return sum(map(self._remove, ids))

    def delete_where(self, filters: Filter | None) -> int:
        with self._lock:
            found = range(len(self._ids)) if filters is None else self._index.positions(filters)
            return sum(map(self._remove, [self._ids[position] for position in found]))

    def count(self, filters: Filter | None) -> int:
        with self._lock:
            return len(self._ids) if filters is None else self._index.size(filters)

    def is_brief(self, method: str, size: int) -> bool:
        if self._lock.locked():
            return False  # somebody is at work, for who knows how long
        costs: dict[str, float] = self._rows.costs
        if method.startswith("query"):
            return len(self._ids) * size * self.info.dimension * costs["query"] < _BRIEF
        touched = len(self._ids) if size < 0 else size
        return touched * (_RECORD + self.info.dimension * costs.get(method, 0.0)) < _BRIEF

    def _append(self, ids: Sequence[str], payloads: Sequence[dict[str, Any] | None]) -> None:
        start = len(self._ids)
        self._positions.update(zip(ids, range(start, start + len(ids)), strict=True))
        self._ids.extend(ids)
        self._payloads.extend(payloads)
        self._index.append(payloads)

    def _remove(self, one: str) -> bool:
        """Delete a record, if it is there, and put the last one into its place."""
        position = self._positions.pop(one, None)
        if position is None:
            return False
        self._rows.remove(position)
        self._index.remove(position)
        last_id, last_payload = self._ids.pop(), self._payloads.pop()
        if position < len(self._ids):
            self._ids[position], self._payloads[position] = last_id, last_payload
            self._positions[last_id] = position
        return True

    def _results(self, scored: Scored, top_k: int) -> list[VectorSearchResult]:
        ids = self._ids
        ranked = sorted([(-score, ids[position], position) for position, score in scored])
        return [VectorSearchResult(one, 0.0 - rank, self._payload(position)) for rank, one, position in ranked[:top_k]]

    def _payload(self, position: int) -> dict[str, Any] | None:
        return copied_payload(self._payloads[position])
