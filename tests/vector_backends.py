"""The vector stores that the vector contracts run on: a store on a face each, and the case that makes both read alike.

A store is one class here. Capabilities are attributes; a contract asks for them and never for a product's name.
"""

from __future__ import annotations

import asyncio
import math
import unittest
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import mini_orm
from mini_orm import InMemoryVectorStore, VectorIdPolicy, VectorRecord, VectorSearchResult
from tests.backends import bind_all, maybe_await


class VectorBackend:
    """One store on one face."""

    name: str
    face: str  # "sync" or "async"
    #: Which of `tests.servers` it needs, and whether a quick run takes it.
    server: str | None = None
    is_first = True  # none of them takes long
    package: str | None = None
    #: `query` takes filters.
    supports_filters = True
    #: Filters may be conditions of `C`, and `count` and `delete_where` take filters.
    supports_conditions = True
    #: Conditions may look into texts: contains, startswith, endswith.
    supports_text_conditions = True
    #: Ids may be any text.
    supports_any_id = True
    #: A collection tells its dimension and metric.
    supports_description = True
    #: An empty payload reads back as one.
    keeps_empty_payload = True
    #: Lists and dicts may stand in payloads, and in filters.
    keeps_nested_payload = True
    #: The store refuses payload values that JSON does not have, and copies the others.
    checks_payloads = True
    #: It lives in this process, and can be looked into without waiting.
    is_in_memory = True

    def store(self) -> Any:
        """Make an empty store."""
        raise NotImplementedError

    def repository(self, store: Any, collection: str, **options: Any) -> Any:
        """Make a repository of this face."""
        cls = mini_orm.VectorRepository if self.face == "sync" else mini_orm.AsyncVectorRepository
        return cls(store, collection, **options)

    def id(self, number: int) -> str:
        """Return an id that the store takes; a higher number sorts later."""
        return f"id-{number:06}"

    def close(self) -> None:
        """Drop what the test stored."""


class PythonMemoryStore(InMemoryVectorStore):
    """The store in memory as it is where there is no numpy."""

    @staticmethod
    def _numpy() -> Any:
        return None


class NumpyMemory(VectorBackend):
    name, face = "memory with numpy", "sync"

    def store(self) -> Any:
        return InMemoryVectorStore()


class AsyncNumpyMemory(NumpyMemory):
    face = "async"


class PythonMemory(VectorBackend):
    name, face = "memory", "sync"

    def store(self) -> Any:
        return PythonMemoryStore()


class AsyncPythonMemory(PythonMemory):
    face = "async"


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
    supports_description = False
    checks_payloads = False

    def store(self) -> Any:
        return OwnStore()


class WorkerOwn(Own):
    face = "async"


class AsyncOwn(Own):
    name, face = "a user's own, awaited", "async"
    is_in_memory = False

    def store(self) -> Any:
        return OwnAsyncStore()


VECTOR_BACKENDS: tuple[type[VectorBackend], ...] = (
    NumpyMemory,
    AsyncNumpyMemory,
    PythonMemory,
    AsyncPythonMemory,
    Own,
    WorkerOwn,
    AsyncOwn,
)


class VectorCase(unittest.IsolatedAsyncioTestCase):
    """The base that a vector contract is bound to."""

    backend_class: type[VectorBackend] = NumpyMemory
    backend: VectorBackend

    async def asyncSetUp(self) -> None:
        asyncio.get_running_loop().set_debug(False)
        await asyncio.sleep(0)  # it takes effect at the next step
        self.backend = self.backend_class()
        self.addCleanup(self.backend.close)
        self.store = self.backend.store()

    async def repo(self, collection: str = "things", *, dimension: int = 2, **options: Any) -> Any:
        """Open a repository on the test's store."""
        made = self.backend.repository(self.store, collection, dimension=dimension, **options)
        if options.get("auto_create", True):
            await maybe_await(made.fetch([]))  # the async face opens its collection on first use
        return made

    def record(self, number: int, vector: Any, payload: Any = None) -> VectorRecord:
        """Make a record whose id is `number`, in the store's form."""
        return VectorRecord(self.backend.id(number), vector, payload)

    def numbers(self, found: Iterable[Any]) -> list[int]:
        """Return the numbers of the ids of records or results."""
        known = {self.backend.id(number): number for number in range(300)}
        return [known[one.id] for one in found]

    async def filled(self, payloads: Sequence[Any], **options: Any) -> Any:
        """Open a repository with a record for each payload, whose vectors are less and less like [1, 0]."""
        repo = await self.repo(**options)
        records = [self.record(n, [math.cos(n / 200), math.sin(n / 200)], one) for n, one in enumerate(payloads)]
        await maybe_await(repo.upsert(records))
        return repo

    async def refused(self, error: type[BaseException], call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """See that a call is refused, and return the error."""
        with self.assertRaises(error) as caught:
            await maybe_await(call(*args, **kwargs))
        return caught.exception


def bind_vectors(
    namespace: dict[str, Any], *contracts: type, backends: Iterable[type[VectorBackend]] = VECTOR_BACKENDS
) -> None:
    """Put a case for every contract and store into a test module's namespace."""
    bind_all(namespace, *contracts, backends=backends, case=VectorCase)


def score(metric: str, left: Sequence[float], right: Sequence[float]) -> float:
    """Score two vectors by a metric's formula, as plainly as it can be said."""
    if metric == "l2":
        return -math.dist(left, right)
    product = math.fsum(x * y for x, y in zip(left, right, strict=True))
    if metric == "dot":
        return product
    return product / math.sqrt(math.fsum(x * x for x in left) * math.fsum(y * y for y in right))


def _same(left: Any, right: Any) -> bool:
    return left == right and isinstance(left, bool) is isinstance(right, bool)
