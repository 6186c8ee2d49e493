"""A store of one's own: any object with these methods. Coroutines instead make it a store for AsyncVectorRepository.

It prints:

    nearest: ['b', 'a']
    filtered: ['a']
    refused: ListStore does not support conditions of C as filters; it takes a mapping
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mini_orm import (
    C,
    CollectionExistsError,
    CollectionNotFoundError,
    UnsupportedFilterError,
    VectorIdPolicy,
    VectorRecord,
    VectorRepository,
    VectorSearchResult,
)


class ListStore:
    """Knows one metric, the Euclidean distance. The repository has checked ids and vectors before it gets them."""

    supports_filters = True
    id_policy = VectorIdPolicy.ANY

    def __init__(self) -> None:
        self._collections: dict[str, dict[str, VectorRecord]] = {}

    def create_collection(self, name: str, dimension: int, metric: str = "cosine", *, overwrite: bool = False) -> None:
        if metric != "l2":
            raise ValueError("ListStore knows the metric 'l2'")
        if name in self._collections and not overwrite:
            raise CollectionExistsError(f"there is a collection {name!r} already")
        self._collections[name] = {}

    def upsert(self, collection: str, records: Sequence[VectorRecord]) -> None:
        self._records(collection).update((record.id, record) for record in records)

    def query(
        self, collection: str, vector: Sequence[float], *, top_k: int = 10, filters: Mapping[str, Any] | None = None
    ) -> list[VectorSearchResult]:
        wanted = (filters or {}).items()
        results = [
            VectorSearchResult(record.id, -math.dist(vector, record.vector), record.payload)
            for record in self._records(collection).values()
            if all((record.payload or {}).get(key) == value for key, value in wanted)
        ]
        return sorted(results, key=lambda result: (-result.score, result.id))[:top_k]

    def fetch(self, collection: str, ids: Sequence[str] | None = None) -> list[VectorRecord]:
        records = self._records(collection)
        return [records[one] for one in (sorted(records) if ids is None else ids) if one in records]

    def delete(self, collection: str, ids: Sequence[str]) -> int:
        return sum(self._records(collection).pop(one, None) is not None for one in ids)

    def _records(self, collection: str) -> dict[str, VectorRecord]:
        try:
            return self._collections[collection]
        except KeyError:
            raise CollectionNotFoundError(f"there is no collection {collection!r}") from None


repo = VectorRepository(ListStore(), "points", dimension=2, metric="l2")
repo.upsert([VectorRecord("a", [0, 0], {"kind": "x"}), VectorRecord("b", [3, 4])])
print("nearest:", [result.id for result in repo.query([3, 3])])
print("filtered:", [result.id for result in repo.query([3, 3], filters={"kind": "x"})])
try:
    repo.query([3, 3], filters=C.ne("kind", "x"))
except UnsupportedFilterError as error:
    print("refused:", error)
