"""What a vector store on a face is to the contracts, and the case that makes both faces read alike.

Capabilities are attributes; a contract asks for them and never for a product's name.
"""

from __future__ import annotations

import asyncio
import math
import unittest
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import mini_orm
from mini_orm import VectorRecord
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
    #: Conditions may ask for an order among texts: lt, le, gt, ge, between.
    supports_text_order = True
    #: Conditions may ask for an order of numbers that double precision can't tell apart.
    supports_large_number_order = True
    #: Ids may be any text.
    supports_any_id = True
    #: A collection tells its dimension and metric.
    supports_description = True
    #: A vector reads back as it was written, to the last digit of float32; else it does not under cosine.
    keeps_vectors_exactly = True
    #: An empty payload reads back as one.
    keeps_empty_payload = True
    #: Lists and dicts may stand in payloads, and in filters.
    keeps_nested_payload = True
    #: The store refuses payload values that JSON does not have, and copies the others.
    checks_payloads = True
    #: The store refuses names of collections that are no strings, also where no repository does that for it.
    checks_names = True
    #: It lives in this process, and can be looked into without waiting.
    is_in_memory = True
    #: How many random examples the congruence test tries; a slow store takes fewer.
    congruence_examples = 25

    def store(self) -> Any:
        """Make an empty store, or a coroutine that does."""
        raise NotImplementedError

    def repository(self, store: Any, collection: str, **options: Any) -> Any:
        """Make a repository of this face."""
        cls = mini_orm.VectorRepository if self.face == "sync" else mini_orm.AsyncVectorRepository
        return cls(store, collection, **options)

    def id(self, number: int) -> str:
        """Return an id that the store takes; a higher number sorts later."""
        return f"id-{number:06}"

    def close(self) -> Any:
        """Drop what the test stored, or return a coroutine that does."""


class VectorCase(unittest.IsolatedAsyncioTestCase):
    """The base that a vector contract is bound to."""

    backend_class: type[VectorBackend]
    backend: VectorBackend

    async def asyncSetUp(self) -> None:
        asyncio.get_running_loop().set_debug(False)
        await asyncio.sleep(0)  # it takes effect at the next step
        self.backend = self.backend_class()
        self.addAsyncCleanup(self.close)
        self.store = await maybe_await(self.backend.store())

    async def close(self) -> None:
        """Drop what the test stored, in the event loop of the test."""
        await maybe_await(self.backend.close())

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

    def same_vectors(self, metric: str, found: Iterable[Any], wanted: Iterable[Sequence[float]]) -> None:
        """See that records have the vectors that were written, in float32."""
        for record, vector in zip(found, wanted, strict=True):
            written = array("f", vector).tolist()
            if metric == "cosine" and not self.backend.keeps_vectors_exactly:
                self.assertEqual(len(record.vector), len(written))
                for one, number in zip(record.vector, written, strict=True):
                    self.assertAlmostEqual(one, number, delta=abs(number) * 1e-6)
            else:
                self.assertEqual(record.vector, written)

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


def bind_vectors(namespace: dict[str, Any], *contracts: type, backends: Iterable[type[VectorBackend]]) -> None:
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
