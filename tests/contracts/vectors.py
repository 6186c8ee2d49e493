"""Vector stores: collections, writing, reading, searching."""

from __future__ import annotations

import math
from array import array
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from mini_orm import (
    CollectionExistsError,
    CollectionNotFoundError,
    DimensionError,
    VectorError,
    VectorIdError,
    VectorIdPolicy,
    VectorMetric,
    VectorRecord,
    VectorSearchResult,
    VectorValueError,
)
from tests.backends import maybe_await, needs
from tests.vector_backends import score

if TYPE_CHECKING:
    from tests.vector_backends import VectorCase as Case
else:
    Case = object

METRICS = ("cosine", "dot", "l2")
NAN, INF = float("nan"), float("inf")


class VectorCollectionContract(Case):
    """Creating and opening collections."""

    async def test_attributes(self) -> None:
        """E1 Names: a repository tells what it is about."""
        repo = await self.repo(dimension=3, metric="dot")
        self.assertIs(repo.store, self.store)
        self.assertEqual((repo.collection, repo.dimension, repo.metric), ("things", 3, VectorMetric.DOT))
        self.assertIs(repo.supports_filters, self.backend.supports_filters)
        self.assertIsInstance(repo.id_policy, VectorIdPolicy)
        self.assertTrue(hasattr(repo.payload_codec, "serialize_filters"))

    async def test_metrics_by_name(self) -> None:
        """E1 Names: a metric is its text, `euclid` is `l2`; another is a ValueError, before the store is asked."""
        for metric in (*METRICS, "euclid", VectorMetric.L2):
            with self.subTest(metric=metric):
                repo = await self.repo(f"by_{metric}", metric=metric)
                self.assertEqual(repo.metric, "l2" if metric == "euclid" else metric)
        for metric in ("Manhattan", "", None):
            with self.assertRaises(ValueError):
                self.backend.repository(self.store, "other", dimension=2, metric=metric)

    async def test_dimension(self) -> None:
        """E1: a dimension is an int of 1 or more."""
        for dimension in (0, -1, True, 1.5, "3"):
            with self.subTest(dimension=dimension), self.assertRaises(ValueError):
                self.backend.repository(self.store, "other", dimension=dimension)

    async def test_names(self) -> None:
        """E1: a collection's name is a string; another is a ValueError, before the store is asked."""
        for name in (7, None, b"things", ["things"]):
            for auto_create in (True, False):
                with self.subTest(name=name), self.assertRaisesRegex(ValueError, "name is a string, not"):
                    self.backend.repository(self.store, name, dimension=2, auto_create=auto_create)

    @needs("checks_names")
    async def test_names_given_to_the_store(self) -> None:
        """E1: a store that is called by itself refuses them as well."""
        for name in (7, None, b"things", ["things"]):
            error = await self.refused(ValueError, self.store.create_collection, name, 2)
            self.assertIn("name is a string, not", str(error))

    async def test_opening_what_is_there(self) -> None:
        """E1: auto_create opens a collection with what is in it."""
        repo = await self.repo()
        await maybe_await(repo.upsert([self.record(1, [1, 2])]))
        again = await self.repo()
        self.assertEqual(self.numbers(await maybe_await(again.fetch())), [1])

    @needs("supports_description")
    async def test_opening_what_differs(self) -> None:
        """E1: a collection of another dimension or metric is a ValueError that says both; nothing in it changes."""
        repo = await self.repo(dimension=2, metric="cosine")
        await maybe_await(repo.upsert([self.record(1, [1, 2])]))
        for options in ({"dimension": 3}, {"dimension": 2, "metric": "dot"}):
            with self.subTest(options=options):
                with self.assertRaises(ValueError) as caught:
                    await self.repo(**options)
                self.assertNotIsInstance(caught.exception, VectorError)
                self.assertIn("dimension 2 and metric 'cosine'", str(caught.exception))
        self.assertEqual(self.numbers(await maybe_await(repo.fetch())), [1])

    async def test_overwrite(self) -> None:
        """E1: overwrite begins with nothing, and may change dimension and metric; it does so once."""
        repo = await self.repo()
        await maybe_await(repo.upsert([self.record(1, [1, 2])]))
        other = await self.repo(dimension=3, metric="l2", overwrite=True)
        self.assertEqual(await maybe_await(other.fetch()), [])
        await maybe_await(other.upsert([self.record(2, [1, 2, 3])]))
        self.assertEqual(self.numbers(await maybe_await(other.fetch())), [2])

    async def test_create_collection(self) -> None:
        """E1: an existing name is a CollectionExistsError, unless it is to be overwritten."""
        repo = await self.repo(auto_create=False)
        await maybe_await(repo.create_collection())
        await maybe_await(repo.upsert([self.record(1, [1, 2])]))
        error = await self.refused(CollectionExistsError, repo.create_collection)
        self.assertIsInstance(error, ValueError)
        self.assertIn("things", str(error))
        await maybe_await(repo.create_collection(overwrite=True))
        self.assertEqual(await maybe_await(repo.fetch()), [])

    async def test_unknown_collection(self) -> None:
        """E1: every operation on a collection that is not there is a CollectionNotFoundError, also a KeyError."""
        repo = await self.repo("nowhere", auto_create=False)
        calls: list[tuple[Any, tuple[Any, ...]]] = [
            (repo.upsert, ([self.record(1, [1, 2])],)),
            (repo.query, ([1, 2],)),
            (repo.query_many, ([[1, 2]],)),
            (repo.fetch, ()),
            (repo.fetch, ([self.backend.id(1)],)),
            (repo.delete, ([self.backend.id(1)],)),
            (repo.count, ()),
        ]
        for call, arguments in calls:
            with self.subTest(call=call.__name__):
                error = await self.refused(CollectionNotFoundError, call, *arguments)
                self.assertIsInstance(error, KeyError)
                self.assertIn("nowhere", str(error))

    async def test_collections_are_apart(self) -> None:
        """E1: what is in one collection is not in another, whatever their names are."""
        names = ["one", "two"]
        for place, name in enumerate(names):
            repo = await self.repo(name, dimension=place + 1)
            await maybe_await(repo.upsert([self.record(place, [1] * (place + 1))]))
        for place, name in enumerate(names):
            repo = await self.repo(name, dimension=place + 1)
            self.assertEqual(self.numbers(await maybe_await(repo.fetch())), [place])


class Typed(list[float]):
    """Numbers of one type, which other packages name otherwise than numpy, or with numpy's names."""

    ndim = 1
    dtype: Any = "float32"


class VectorWriteContract(Case):
    """upsert, fetch, delete."""

    async def test_what_is_written_is_read(self) -> None:
        """E3: vectors come back as lists of floats, rounded to float32, under every metric; payloads as written."""
        payload = {"text": "ü", "int": -3, "float": 0.5, "bool": True, "none": None, "empty": ""}
        vector = [0.1, -1.7]
        for metric in METRICS:
            with self.subTest(metric=metric):
                repo = await self.repo(f"by_{metric}", metric=metric)
                await maybe_await(repo.upsert([self.record(1, vector, payload)]))
                [found] = await maybe_await(repo.fetch())
                self.assertIs(type(found), VectorRecord)
                self.assertEqual(found.id, self.backend.id(1))
                self.assertIs(type(found.vector), list)
                self.same_vectors(metric, [found], [vector])
                kept = {key: value for key, value in (found.payload or {}).items() if value is not None}
                self.assertEqual(kept, {key: value for key, value in payload.items() if value is not None})
                self.assertIs(kept["bool"], True)
                self.assertEqual([type(kept["int"]), type(kept["float"])], [int, float])

    async def test_forms_of_vectors(self) -> None:
        """E1 E3: any sequence of numbers is a vector."""
        tensor, series = Typed([1.0, 2.0]), Typed([1.0, 2.0])
        series.dtype = SimpleNamespace(kind="f", char="f", isnative=True)
        forms: list[Any] = [[1, 2], (1.0, 2.0), array("f", [1, 2]), array("d", [1, 2]), range(1, 3), tensor, series]
        repo = await self.repo()
        await maybe_await(repo.upsert([self.record(place, form) for place, form in enumerate(forms)]))
        self.same_vectors("cosine", await maybe_await(repo.fetch()), [[1.0, 2.0]] * len(forms))
        for form in forms:
            self.assertEqual(len(await maybe_await(repo.query(form))), len(forms))

    async def test_payloads_of_nothing(self) -> None:
        """E3: None reads back as None, and an empty payload as one where the store knows such."""
        repo = await self.repo()
        await maybe_await(repo.upsert([self.record(1, [1, 2]), self.record(2, [1, 3], {})]))
        none, empty = [one.payload for one in await maybe_await(repo.fetch())]
        self.assertIsNone(none)
        self.assertEqual(empty, {} if self.backend.keeps_empty_payload else None)

    async def test_upsert_replaces(self) -> None:
        """E3: vector and payload of an id that is there are replaced as wholes; the last of a repeated id counts."""
        repo = await self.repo()
        await maybe_await(repo.upsert([self.record(1, [1, 0], {"a": 1, "b": 2}), self.record(2, [1, 1], {"a": 1})]))
        await maybe_await(
            repo.upsert(
                [
                    self.record(1, [5, 5], {"lost": True}),
                    self.record(3, [7, 7], {"lost": True}),
                    self.record(1, [0, 1], {"c": 3}),
                    self.record(3, [1, 2]),
                ]
            )
        )
        found = await maybe_await(repo.fetch())
        self.assertEqual(self.numbers(found), [1, 2, 3])
        self.same_vectors("cosine", found, [[0, 1], [1, 1], [1, 2]])
        self.assertEqual([one.payload for one in found], [{"c": 3}, {"a": 1}, None])
        self.assertEqual(self.numbers(await maybe_await(repo.query([0, 1], top_k=1))), [1])

    async def test_nothing_to_do(self) -> None:
        """E3: empty lists are no error, and change nothing."""
        repo = await self.filled([None])
        await maybe_await(repo.upsert([]))
        self.assertEqual(await maybe_await(repo.delete([])), 0)
        self.assertEqual(await maybe_await(repo.fetch([])), [])
        self.assertEqual(await maybe_await(repo.query_many([])), [])
        self.assertEqual(await maybe_await(repo.count()), 1)

    async def test_checked_whole_before_anything_is_written(self) -> None:
        """E1 E3 E5: one record that is wrong keeps all others out, the one before it too; it is named by its place."""
        wrong: list[tuple[type[Exception], Any]] = [
            (DimensionError, self.record(2, [1, 2, 3])),
            (DimensionError, self.record(2, [])),
            (VectorValueError, self.record(2, [1, NAN])),
            (VectorValueError, self.record(2, [INF, 1])),
            (VectorValueError, self.record(2, [1e39, 1])),
            (VectorValueError, self.record(2, [10**400, 1])),
            (VectorValueError, self.record(2, [0, 0.0])),
            (VectorValueError, self.record(2, [1, "2"])),
            (VectorValueError, self.record(2, [1, None])),
            (VectorValueError, self.record(2, "12")),
            (VectorValueError, self.record(2, b"12")),
            (VectorValueError, self.record(2, {1: 2, 3: 4})),
            (VectorValueError, self.record(2, 7)),
            (VectorIdError, VectorRecord(7, [1, 2])),  # type: ignore[arg-type]  # the mistake under test
            (TypeError, {"id": self.backend.id(2), "vector": [1, 2]}),
        ]
        repo = await self.repo()
        for error, record in wrong:
            with self.subTest(record=record):
                raised = await self.refused(error, repo.upsert, [self.record(1, [1, 2]), record])
                if isinstance(raised, DimensionError | VectorValueError):
                    self.assertIn("record 1", str(raised))
        await self.refused(TypeError, repo.upsert, self.record(1, [1, 2]))
        self.assertEqual(await maybe_await(repo.fetch()), [])

    async def test_zero_vectors(self) -> None:
        """E1: a zero vector has no direction, which only cosine needs."""
        for metric in ("dot", "l2"):
            repo = await self.repo(f"by_{metric}", metric=metric)
            await maybe_await(repo.upsert([self.record(1, [0, 0]), self.record(2, [3, 4])]))
            self.assertEqual([one.score for one in await maybe_await(repo.query([0, 0], top_k=1))], [0.0])
        repo = await self.repo(metric="cosine")
        await self.refused(VectorValueError, repo.query, [0, 0])
        await self.refused(VectorValueError, repo.upsert, [self.record(1, [1e-60, 0])])

    async def test_messages_quote_no_value(self) -> None:
        """Errors E1: what is wrong and what is allowed, and never the id or the numbers."""
        repo = await self.repo()
        for vector in ([1.25, 2.5, 3.75], [1.25, NAN]):
            error = await self.refused(VectorError, repo.upsert, [VectorRecord("secret", vector)])
            for text in ("secret", "1.25", "3.75"):
                self.assertNotIn(text, str(error))

    async def test_delete(self) -> None:
        """E3: delete returns how many were there, once for a repeated id; the others stay as they are."""
        repo = await self.filled([{"n": n} for n in range(5)])
        wanted = [self.backend.id(n) for n in (3, 99, 0, 3)]
        self.assertEqual(await maybe_await(repo.delete(wanted)), 2)
        self.assertEqual(await maybe_await(repo.delete(wanted)), 0)
        found = await maybe_await(repo.fetch())
        self.assertEqual([(one.payload["n"], *self.numbers([one])) for one in found], [(1, 1), (2, 2), (4, 4)])
        self.assertEqual(self.numbers(await maybe_await(repo.query([1, 0]))), [1, 2, 4])

    async def test_fetch(self) -> None:
        """E3: input order, without what is missing; all of them in the order of their ids."""
        repo = await self.repo()
        await maybe_await(repo.upsert([self.record(number, [1, number]) for number in (5, 1, 9, 3)]))
        self.assertEqual(self.numbers(await maybe_await(repo.fetch())), [1, 3, 5, 9])
        wanted = [self.backend.id(number) for number in (9, 2, 1)]
        self.assertEqual(self.numbers(await maybe_await(repo.fetch(wanted))), [9, 1])
        self.assertEqual(self.numbers(await maybe_await(repo.fetch(iter(wanted)))), [9, 1])

    async def test_ids(self) -> None:
        """E5: ids are strings, and a single one is no list of them."""
        repo = await self.repo()
        for call in (repo.fetch, repo.delete):
            for ids in ("id", [7], [None], [b"id"], 7):
                with self.subTest(call=call.__name__, ids=ids):
                    error = await self.refused(VectorIdError, call, ids)
                    self.assertIsInstance(error, ValueError)

    @needs("supports_any_id")
    async def test_any_text_is_an_id(self) -> None:
        """E5: also blanks, quotes, other scripts, and what only looks alike."""
        ids = sorted(["", " ", "a'b", 'a"b', "é", "e\u0301", "A", "a", "x" * 500, "🙂"])
        repo = await self.repo()
        await maybe_await(repo.upsert([VectorRecord(one, [1, 1]) for one in ids]))
        self.assertEqual([one.id for one in await maybe_await(repo.fetch())], ids)
        self.assertEqual(await maybe_await(repo.delete(ids)), len(ids))

    async def test_independent_of_the_callers_objects(self) -> None:
        """E3: what the caller does to his objects, or to results, changes nothing in the store."""
        vector, payload = [1.0, 2.0], {"a": 1}
        repo = await self.repo()
        await maybe_await(repo.upsert([self.record(1, vector, payload)]))
        vector[0], payload["a"] = 9.0, 9
        if self.backend.checks_payloads:
            [found] = await maybe_await(repo.fetch())
            found.vector[0] = found.payload["a"] = 9
            [found] = await maybe_await(repo.query([1, 2]))
            found.payload["a"] = 9
        [found] = await maybe_await(repo.fetch())
        self.same_vectors("cosine", [found], [[1.0, 2.0]])
        self.assertEqual(found.payload, {"a": 1})

    @needs("checks_payloads", "keeps_nested_payload")
    async def test_nested_payloads_are_copied(self) -> None:
        """E3: the lists and dicts inside, too; tuples are read back as lists."""
        inner: list[Any] = [1, {"b": 2}]
        repo = await self.repo()
        await maybe_await(repo.upsert([self.record(1, [1, 2], {"inner": inner, "pair": (1, 2)})]))
        inner[1]["b"] = 9
        [found] = await maybe_await(repo.fetch())
        self.assertEqual(found.payload, {"inner": [1, {"b": 2}], "pair": [1, 2]})
        found.payload["inner"][1]["b"] = 9
        [found] = await maybe_await(repo.query([1, 2]))
        self.assertEqual(found.payload["inner"], [1, {"b": 2}])

    @needs("checks_payloads")
    async def test_payloads_that_can_not_be_held(self) -> None:
        """E6: what JSON does not have is a TypeError that names key and store, before anything is written."""
        repo = await self.repo()
        for value in (object(), {1, 2}, b"x", NAN, INF, [1, object()], {1: 2}, 1j):
            with self.subTest(value=value):
                records = [self.record(1, [1, 2]), self.record(2, [1, 2], {"the key": value})]
                error = await self.refused(TypeError, repo.upsert, records)
                for text in ("JSON-serializable", "the key", "Store"):
                    self.assertIn(text, str(error))
        for payload in ([1], "text", {7: 1}):
            await self.refused(TypeError, repo.upsert, [self.record(1, [1, 2], payload)])
        self.assertEqual(await maybe_await(repo.fetch()), [])


class VectorQueryContract(Case):
    """query and query_many, without filters."""

    async def test_scores(self) -> None:
        """E2: one formula a metric, higher is better; the order is by score."""
        vectors = [[1, 0], [1, 1], [-3, 0.5], [0.25, 4], [-1, -1], [2, 0]]
        for metric in METRICS:
            with self.subTest(metric=metric):
                repo = await self.repo(f"by_{metric}", metric=metric)
                await maybe_await(repo.upsert([self.record(n, one) for n, one in enumerate(vectors)]))
                found = await maybe_await(repo.query([1, 0.5]))
                wanted = {n: score(metric, [1, 0.5], one) for n, one in enumerate(vectors)}
                self.assertEqual(self.numbers(found), sorted(wanted, key=lambda n: (-round(wanted[n], 6), n)))
                for one, number in zip(found, self.numbers(found), strict=True):
                    self.assertIs(type(one), VectorSearchResult)
                    self.assertIs(type(one.score), float)
                    self.assertAlmostEqual(one.score, wanted[number], places=5)

    async def test_best_scores(self) -> None:
        """E2: a vector's own score is 1 under cosine, its square under dot, 0 under l2 and never -0.0."""
        for metric, wanted in (("cosine", 1.0), ("dot", 25.0), ("l2", 0.0)):
            repo = await self.repo(f"by_{metric}", metric=metric)
            await maybe_await(repo.upsert([self.record(1, [3, 4])]))
            [found] = await maybe_await(repo.query([3, 4]))
            self.assertAlmostEqual(found.score, wanted, places=5)
            if self.backend.checks_payloads and metric == "l2":
                self.assertEqual(math.copysign(1, found.score), 1)

    async def test_equal_scores(self) -> None:
        """E2: equal scores are in the order of their ids, whatever the order of writing was."""
        repo = await self.repo()
        for number in (5, 3, 8, 1, 7):
            await maybe_await(repo.upsert([self.record(number, [2, 1])]))
        self.assertEqual(self.numbers(await maybe_await(repo.query([1, 0]))), [1, 3, 5, 7, 8])

    async def test_top_k(self) -> None:
        """E2: none for 0 and less, all where there are fewer; ten, unless told otherwise."""
        repo = await self.filled([None] * 12)
        for top_k, wanted in ((-1, 0), (0, 0), (1, 1), (5, 5), (12, 12), (100, 12)):
            with self.subTest(top_k=top_k):
                self.assertEqual(self.numbers(await maybe_await(repo.query([1, 0], top_k=top_k))), [*range(wanted)])
        self.assertEqual(len(await maybe_await(repo.query([1, 0]))), 10)
        await self.refused(TypeError, repo.query, [1, 0], top_k="3")
        self.assertEqual(await maybe_await((await self.repo("empty")).query([1, 0])), [])

    async def test_results_carry_payloads(self) -> None:
        """E2: with the payload of each record."""
        repo = await self.filled([{"n": 0}, None])
        self.assertEqual([one.payload for one in await maybe_await(repo.query([1, 0]))], [{"n": 0}, None])

    async def test_questions_that_are_wrong(self) -> None:
        """E1: a query's vector is checked as those of records are, also where nothing would be returned."""
        repo = await self.filled([None])
        for error, vector in (
            (DimensionError, [1]),
            (DimensionError, [1, 2, 3]),
            (VectorValueError, [1, NAN]),
            (VectorValueError, [1, INF]),
            (VectorValueError, "12"),
        ):
            for call, question in ((repo.query, vector), (repo.query_many, [[1, 0], vector])):
                for top_k in (3, 0):
                    with self.subTest(vector=vector, call=call.__name__, top_k=top_k):
                        await self.refused(error, call, question, top_k=top_k)

    async def test_query_many(self) -> None:
        """E2: each question has the results that it has alone, in the order of the questions."""
        repo = await self.filled([{"n": n} for n in range(20)])
        questions = [[math.cos(n), math.sin(n)] for n in range(7)]
        many = await maybe_await(repo.query_many(iter(questions), top_k=4))
        self.assertEqual(many, [await maybe_await(repo.query(one, top_k=4)) for one in questions])
        self.assertEqual(await maybe_await(repo.query_many(questions[:2], top_k=0)), [[], []])

    async def test_count(self) -> None:
        """E3: how many records there are."""
        repo = await self.filled([None] * 3)
        self.assertEqual(await maybe_await(repo.count()), 3)
        self.assertEqual(await maybe_await(repo.count({})), 3)


class VectorBatchContract(Case):
    """upsert in batches."""

    async def test_batches(self) -> None:
        """E3: an iterator is read batch by batch, and `progress` is told after each."""
        repo = await self.repo()
        drawn: list[int] = []
        told: list[tuple[int, int]] = []

        def records() -> Any:
            for number in range(7):
                drawn.append(number)
                yield self.record(number, [1, number])

        await maybe_await(repo.upsert(records(), batch_size=3, progress=lambda done: told.append((done, len(drawn)))))
        self.assertEqual(told, [(3, 3), (6, 6), (7, 7)])
        self.assertEqual(await maybe_await(repo.count()), 7)

    async def test_without_batches(self) -> None:
        """E3: all is one batch."""
        repo = await self.repo()
        told: list[int] = []
        await maybe_await(repo.upsert((self.record(n, [1, n]) for n in range(5)), progress=told.append))
        self.assertEqual(told, [5])

    async def test_a_batch_that_is_wrong(self) -> None:
        """E3: is not written; those before it are."""
        repo = await self.repo()
        records = [self.record(0, [1, 2]), self.record(1, [1, 2]), self.record(2, [1, 2]), self.record(3, [1])]
        await self.refused(DimensionError, repo.upsert, records, batch_size=2)
        self.assertEqual(self.numbers(await maybe_await(repo.fetch())), [0, 1])

    async def test_sizes_that_can_not_be(self) -> None:
        """E3: a batch has 1 or more records."""
        repo = await self.repo()
        for size in (0, -1, True, 1.5):
            await self.refused(ValueError, repo.upsert, [self.record(0, [1, 2])], batch_size=size)
        await self.refused(TypeError, repo.upsert, self.record(0, [1, 2]), batch_size=2)
        self.assertEqual(await maybe_await(repo.count()), 0)
