"""A store of a user's own: plain, in a worker thread, and as coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import mini_orm
from mini_orm import VectorIdPolicy, VectorRecord, VectorSearchResult
from tests.vector_backends.base import VectorBackend, score


class OwnStore:
    """What a user may write: a dictionary, and the methods that every store has, none more."""

    supports_filters = True
    id_policy = VectorIdPolicy.ANY

    def __init__(self) -> None:
        self.collections: dict[str, dict[str, VectorRecord]] = {}
        self.metrics: dict[str, str] = {}

    def create_collection(self, name: str, dimension: int, metric: str = "cosine", *, overwrite: bool = False) -> None:
        if name in self.collections and not overwrite:
            raise mini_orm.CollectionExistsError(name)
        self.collections[name], self.metrics[name] = {}, metric

    def upsert(self, collection: str, records: Sequence[VectorRecord]) -> None:
        for record in records:
            self._records(collection)[record.id] = VectorRecord(
                record.id, list(record.vector), None if record.payload is None else dict(record.payload)
            )

    def query(
        self, collection: str, vector: Sequence[float], *, top_k: int = 10, filters: Mapping[str, Any] | None = None
    ) -> list[VectorSearchResult]:
        wanted = (filters or {}).items()
        found = [
            VectorSearchResult(one.id, score(self.metrics[collection], vector, one.vector), one.payload)
            for one in self._records(collection).values()
            if all(_same((one.payload or {}).get(key), value) for key, value in wanted)
        ]
        return sorted(found, key=lambda one: (-one.score, one.id))[:top_k]

    def fetch(self, collection: str, ids: Sequence[str] | None = None) -> list[VectorRecord]:
        records = self._records(collection)
        return [records[one] for one in (sorted(records) if ids is None else ids) if one in records]

    def delete(self, collection: str, ids: Sequence[str]) -> int:
        return sum(self._records(collection).pop(one, None) is not None for one in ids)

    def _records(self, collection: str) -> dict[str, VectorRecord]:
        try:
            return self.collections[collection]
        except KeyError:
            raise mini_orm.CollectionNotFoundError(collection) from None


class OwnAsyncStore:
    """The same as coroutines, each of which really waits."""

    supports_filters = True
    id_policy = VectorIdPolicy.ANY

    def __init__(self) -> None:
        self.plain = OwnStore()

    async def create_collection(self, *args: Any, **kwargs: Any) -> None:
        await asyncio.sleep(0)
        self.plain.create_collection(*args, **kwargs)

    async def upsert(self, *args: Any) -> None:
        await asyncio.sleep(0)
        self.plain.upsert(*args)

    async def query(self, *args: Any, **kwargs: Any) -> list[VectorSearchResult]:
        await asyncio.sleep(0)
        return self.plain.query(*args, **kwargs)

    async def fetch(self, *args: Any) -> list[VectorRecord]:
        await asyncio.sleep(0)
        return self.plain.fetch(*args)

    async def delete(self, *args: Any) -> int:
        await asyncio.sleep(0)
        return self.plain.delete(*args)


class Own(VectorBackend):
    name, face = "a user's own", "sync"
    supports_conditions = False
    supports_text_conditions = False
    supports_text_order = False
    supports_description = False
    checks_payloads = False
    checks_names = False

    def store(self) -> Any:
        return OwnStore()


class WorkerOwn(Own):
    face = "async"


class AsyncOwn(Own):
    name, face = "a user's own, awaited", "async"
    is_in_memory = False

    def store(self) -> Any:
        return OwnAsyncStore()


OWN_BACKENDS: tuple[type[VectorBackend], ...] = (Own, WorkerOwn, AsyncOwn)


def _same(left: Any, right: Any) -> bool:
    return left == right and isinstance(left, bool) is isinstance(right, bool)
