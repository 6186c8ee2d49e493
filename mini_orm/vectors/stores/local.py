"""What the stores in this process have in common: collections by name, ids and payloads, locks.

How vectors are kept and searched is said by rows: see `PythonRows`.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

from ...errors import CollectionExistsError, CollectionNotFoundError
from ..checks import (
    checked_ids,
    checked_records,
    checked_top_k,
    copied_payload,
    json_payloads,
    latest,
)
from ..filters import Filter, FilterInput
from ..records import VectorIdPolicy, VectorRecord, VectorSearchResult
from .base import CollectionInfo, new_collection
from .payload_index import Masks, PayloadIndex
from .python_rows import Scored

#: A call that takes longer than these nanoseconds is worth a hop into a worker thread.
_BRIEF = 300_000
#: Nanoseconds for what is done to each record, whatever its dimension.
_RECORD = 2_000


class LocalCollection:
    """The records of one collection, each with a position that is the same in all columns."""

    def __init__(self, info: CollectionInfo, rows: Any, masks: Masks, store: str) -> None:
        self.info = info
        self._lock = threading.Lock()
        self._store = store
        self._rows = rows
        self._ids: list[str] = []
        self._positions: dict[str, int] = {}
        self._payloads: list[dict[str, Any] | None] = []
        self._index = PayloadIndex(self._payloads, masks)

    def upsert(self, records: Iterable[VectorRecord]) -> None:
        listed = checked_records(records)
        ids = checked_ids([record.id for record in listed])
        payloads = json_payloads([record.payload for record in listed], self._store)
        packed = self._rows.pack([record.vector for record in listed], "the vector of record {}")
        with self._lock:
            self._write(ids, payloads, packed)

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

    def _write(self, ids: Sequence[str], payloads: Sequence[dict[str, Any] | None], packed: Any) -> None:
        """Write checked records."""
        places = latest(ids)
        if self._positions.keys().isdisjoint(ids):
            self._rows.append(packed, places)
            return self._append(chosen(ids, places), chosen(payloads, places))
        known = [place for place in places if ids[place] in self._positions]
        fresh = [place for place in places if ids[place] not in self._positions]
        self._rows.replace([self._positions[ids[place]] for place in known], packed, known)
        for place in known:
            position = self._positions[ids[place]]
            self._payloads[position] = payloads[place]
            self._index.replace(position, payloads[place])
        self._rows.append(packed, fresh)
        self._append(chosen(ids, fresh), chosen(payloads, fresh))
        return None

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


def chosen(values: Sequence[Any], places: Sequence[int]) -> Sequence[Any]:
    """Return the values at these places, which `latest` has told."""
    return values if len(places) == len(values) else [values[place] for place in places]


Made = TypeVar("Made", bound=LocalCollection)


class LocalStore(ABC, Generic[Made]):
    """Collections by name. Payloads are values of JSON. Safe for threads."""

    checks_records = True
    id_policy = VectorIdPolicy.ANY

    def __init__(self) -> None:
        self._collections: dict[str, Made] = {}
        self._lock = threading.Lock()

    def create_collection(self, name: str, dimension: int, metric: str = "cosine", *, overwrite: bool = False) -> None:
        """Create a collection; with `overwrite` in the place of one that is there.

        Raises:
            CollectionExistsError: it is there, and `overwrite` is not set.
            ValueError: `name` is no string; `dimension` or `metric` can't be.
        """
        made = self._made(new_collection(name, dimension, metric))
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

    def count(self, collection: str, filters: FilterInput | Filter = None) -> int:
        """Return how many records there are, or match."""
        return self._collection(collection).count(self._parsed(filters))

    def is_brief(self, method: str, collection: str, size: int) -> bool:
        """Tell whether a call takes less than a hop into a worker thread."""
        found = self._collections.get(collection)
        return found is None or found.is_brief(method, size)

    @abstractmethod
    def _made(self, info: CollectionInfo) -> Made:
        """Make an empty collection."""

    @abstractmethod
    def _parsed(self, filters: FilterInput | Filter) -> Filter | None:
        """Read filters into their normal form, or refuse them."""

    def _collection(self, name: str) -> Made:
        try:
            return self._collections[name]
        except KeyError:
            raise CollectionNotFoundError(f"there is no collection {name!r}") from None
