"""The vector contracts on Qdrant, and what is this store's own."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import io
import json
import math
import re
import sys
import tempfile
import unittest
import warnings
from array import array
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

from mini_orm import (
    AsyncVectorRepository,
    C,
    ClosedError,
    CollectionExistsError,
    CollectionNotFoundError,
    ConfigurationError,
    DimensionError,
    MissingDependencyError,
    QdrantVectorStore,
    UnsupportedFilterError,
    VectorError,
    VectorIdError,
    VectorIdPolicy,
    VectorRecord,
    VectorRepository,
)
from mini_orm.vectors.stores import qdrant_ops
from mini_orm.vectors.stores.qdrant_errors import Failure, failure_of
from mini_orm.vectors.stores.qdrant_filters import compile_filter
from tests.contracts.vector_stores import bind_vector_contracts
from tests.contracts.vectors import VectorCollectionContract, VectorQueryContract, VectorWriteContract
from tests.contracts.vectors_filters import NESTED_PAYLOADS, PAYLOADS, SCALARS
from tests.servers.server import free_port
from tests.test_readme import python_blocks
from tests.vector_backends import QDRANT_BACKENDS, bind_vectors
from tests.vector_backends.qdrant import QDRANT_STAND_INS
from tests.vector_backends.qdrant_server import QdrantStandIn, stand_in
from tests.vector_truth import truth

ROOT = Path(__file__).resolve().parent.parent
HAS_CLIENT = importlib.util.find_spec("qdrant_client") is not None
needs_client = unittest.skipUnless(HAS_CLIENT, "the package qdrant-client is not installed")

bind_vector_contracts(globals(), QDRANT_BACKENDS)
bind_vectors(globals(), VectorCollectionContract, VectorWriteContract, VectorQueryContract, backends=QDRANT_STAND_INS)


def one_id(number: int) -> str:
    return str(UUID(int=number))


class QdrantCase(unittest.TestCase):
    """A store in memory."""

    def setUp(self) -> None:
        self.store = QdrantVectorStore()
        self.addCleanup(self.store.close)

    def repo(self, collection: str = "things", *, dimension: int = 2, **options: Any) -> VectorRepository:
        return VectorRepository(self.store, collection, dimension=dimension, **options)

    def filled(self, payloads: list[Any]) -> VectorRepository:
        repo = self.repo()
        repo.upsert(VectorRecord(one_id(n), [1, n / 100], one) for n, one in enumerate(payloads))
        return repo

    def points(self) -> list[Any]:
        """Return what is in the collection, as another program sees it."""
        found: list[Any] = self.store.client.scroll("things", with_vectors=True)[0]
        return found


@needs_client
class QdrantIds(QdrantCase):
    """UUIDs, and nothing else."""

    def test_uuids_only(self) -> None:
        """E5: another text is refused before anything is asked of Qdrant; local mode would have taken it."""
        repo = self.repo()
        self.assertIs(repo.id_policy, VectorIdPolicy.UUID)
        with mock.patch.object(self.store, "_opened", side_effect=AssertionError):
            for one in ("a", "", "7", one_id(1) + "0"):
                calls = (
                    lambda one=one: repo.upsert([VectorRecord(one_id(1), [1, 2]), VectorRecord(one, [1, 2])]),
                    lambda one=one: repo.fetch([one]),
                    lambda one=one: self.store.delete("things", [one]),
                )
                for call in calls:
                    with self.assertRaisesRegex(VectorIdError, "requires UUID"):
                        call()

    def test_other_forms_of_one_id(self) -> None:
        """E5: each is the same record, which reads back under the canonical form."""
        repo = self.repo()
        canonical = "a2345678-1234-5678-1234-56781234567b"
        forms = [canonical.upper(), canonical.replace("-", ""), f"{{{canonical}}}", f"urn:uuid:{canonical}"]
        for n, form in enumerate(forms):
            repo.upsert([VectorRecord(form, [1, n + 1])])
        self.assertEqual([one.id for one in repo.fetch()], [canonical])
        self.assertEqual([one.id for one in repo.fetch(forms[:2])], [canonical] * 2)
        self.assertEqual(repo.delete(forms), 1)


@needs_client
class QdrantPayloads(QdrantCase):
    """What Qdrant holds, and what is kept beside."""

    def test_lengths_of_vectors(self) -> None:
        """E3: Qdrant keeps unit vectors under cosine; what is read has the length that was written, any length."""
        vectors = [[3.0, 4.0], [1e30, -1e30], [1e-30, 2e-30], [1e-40, 0.0], [0.6, 0.8]]
        for metric in ("cosine", "dot", "l2"):
            repo = self.repo(f"by_{metric}", metric=metric)
            repo.upsert(VectorRecord(one_id(n), vector) for n, vector in enumerate(vectors))
            for one, wanted in zip(repo.fetch(), vectors, strict=True):
                self.assertIsNone(one.payload)
                for found, number in zip(one.vector, array("f", wanted), strict=True):
                    self.assertTrue(math.isclose(found, number, rel_tol=1e-6), (metric, found, number))
        for number in (1, 2):
            found = self.repo("by_cosine").query(vectors[number], top_k=1)
            self.assertEqual([(one.id, round(one.score, 5)) for one in found], [(one_id(number), 1.0)])

    def test_what_other_programs_see(self) -> None:
        """E3: payloads stand at the top, as they are; beside them is one key, which no reader of ours sees."""
        payload = {"lang": "en", "tags": ["a"], "a.b": 1.0, "_mini_orm": "mine", 'quo"te': 1, "none": None}
        repo = self.filled([payload, {}, None])
        stored = [dict(one.payload) for one in self.points()]
        norms = [one.pop("_mini_orm").get("norm", 1.0) for one in stored]
        for n, norm in enumerate(norms):
            self.assertAlmostEqual(norm, math.dist([0, 0], [1, n / 100]))
        self.assertEqual(stored, [{"lang": "en", "tags": ["a"], "a.b": 1.0, "none": None}, {}, {}])
        self.assertEqual([one.payload for one in repo.fetch()], [payload, {}, None])
        self.assertEqual([one.payload for one in repo.query([1, 0])], [payload, {}, None])
        for key, value in payload.items():
            if value is not None:
                self.assertEqual(repo.count({key: value}), 1, key)

    def test_what_it_can_not_hold(self) -> None:
        """E6: ints of more than 64 bits, and text that is no UTF-8: a TypeError that names key and store."""
        repo = self.repo()
        for value in (2**63, -(2**63) - 1, "\ud800", [1, [2**63]], {"a": {"b": "\udfff"}}, {"\ud800": 1}):
            with self.subTest(value=value), self.assertRaises(TypeError) as caught:
                repo.upsert([VectorRecord(one_id(1), [1, 2]), VectorRecord(one_id(2), [1, 2], {"key": value})])
            for text in ("QdrantVectorStore", "'key'", "JSON-serializable"):
                self.assertIn(text, str(caught.exception))
        with self.assertRaisesRegex(TypeError, "JSON-serializable"):
            repo.upsert([VectorRecord(one_id(2), [1, 2], {"\ud800": 1})])
        self.assertEqual(repo.count(), 0)
        extremes = {"most": 2**63 - 1, "least": -(2**63), "nul": "a\0b", "text": "日本🙂"}
        repo.upsert([VectorRecord(one_id(1), [1, 2], extremes)])
        self.assertEqual(repo.fetch()[0].payload, extremes)
        for key, value in extremes.items():
            self.assertEqual(repo.count({key: value}), 1, key)


@needs_client
class QdrantFilters(QdrantCase):
    """What is Qdrant's own about filters."""

    def check(self, payloads: list[Any], conditions: list[Any]) -> None:
        """See that as many records match as SQL's three values say."""
        repo = self.filled(payloads)
        for condition in conditions:
            with self.subTest(condition=condition):
                wanted = [one_id(n) for n, payload in enumerate(payloads) if truth(condition, payload) is True]
                self.assertEqual([one.id for one in repo.query([1, 0], top_k=100, filters=condition)], wanted)

    def test_parts_of_texts(self) -> None:
        """E4: contains and startswith are Qdrant's; neither looks into lists."""
        texts = [one for one in SCALARS if isinstance(one, str)]
        conditions: list[Any] = [make("k", text) for make in (C.contains, C.startswith) for text in texts]
        self.check([*PAYLOADS, *NESTED_PAYLOADS], [*conditions, *(~one for one in conditions)])

    def test_large_numbers(self) -> None:
        """E4: ints that double precision can't tell apart are told apart, and a float equals the one that it is."""
        numbers = [2**53 - 1, 2**53, 2**53 + 1, 2.0**53, 2**60, 2**60 + 1, 2.0**60, 1e300, -(2**62), 5, 5.0, 0.5]
        payloads = [*({"k": number} for number in numbers), {"k": "5"}, {"k": [2**60]}, None]
        conditions = [make("k", number) for make in (C.eq, C.ne) for number in (*numbers, 10**400, 2**63)]
        conditions += [C.in_("k", numbers), C.in_("k", range(1000)), C.not_in("k", [*range(1000), 0.5, "5"])]
        conditions += [make("k", bound) for make in (C.lt, C.ge) for bound in (5, 0.5, 2**53 - 1, 1e200)]
        self.check(payloads, conditions)

    def test_what_is_refused(self) -> None:
        """E4: an order of texts, or of numbers by their last bits, ends of texts, and half a character."""
        repo = self.filled([{"k": 1}])
        for condition in (
            C.lt("k", "a"),
            C.between("k", "a", "b"),
            C.gt("k", 2**53),
            C.lt("k", -(2**60)),
            C.le("k", 10**400),
            C.endswith("k", "a"),
            C.eq("k", "\ud800"),
            C.contains("k", "\ud800"),
        ):
            for filters in (condition, C.is_null("k") | ~condition):
                with self.subTest(filters=filters):
                    for call in (repo.count, repo.delete_where, lambda one: repo.query([1, 0], filters=one)):
                        with self.assertRaisesRegex(UnsupportedFilterError, "QdrantVectorStore.*'k'"):
                            call(filters)
        self.assertEqual(repo.count(), 1)

    def test_without_conditions_on_parts_of_texts(self) -> None:
        """E4: they are refused where qdrant-client is older than they are."""
        from qdrant_client import models

        with mock.patch.object(models, "MatchSubstring"):
            del models.MatchSubstring
            with self.assertRaisesRegex(UnsupportedFilterError, "C.contains"):
                self.repo().count(C.contains("k", "a"))

    def test_deep_groups(self) -> None:
        """E4: as deep as groups may be; a server reads no more than 128 levels of JSON."""
        condition: Any = C.eq("k", 1)
        for level in range(98):
            condition = (condition | C.eq("k", 2)) if level % 2 else (condition & C.ne("k", 3))
        self.check([{"k": n} for n in range(4)], [condition, ~condition])
        from mini_orm.vectors.filters import parse

        for one in (condition, ~condition):
            parsed = parse(one, "")
            assert parsed is not None
            text = compile_filter(parsed, "").model_dump_json(exclude_none=True)
            self.assertLess(_depth(json.loads(text)), 120)

    def test_keys(self) -> None:
        """E4: a key that Qdrant would read as a path, or not at all, is a name."""
        keys = ["", "a", "a.b", "a[0]", "a[]", 'a"b', "a\\b", "\\", '"', "a\nb", "日本", "_mini_orm", "_mini_orm.norm"]
        payloads: list[Any] = [*({key: 1} for key in keys), {"a": {"b": 1}}, {"a": [1]}]
        conditions: list[Any] = [make(key, 1) for key in keys for make in (C.eq, C.ge, C.distinct_from)]
        self.check(payloads, conditions)

    def test_points_of_others(self) -> None:
        """E4: what another program has written is found by the same rules, but that its empty lists are NULL."""
        from qdrant_client import models

        self.repo(metric="dot")
        payloads: list[Any] = [{"k": "x"}, {"k": ["x"]}, {"k": 5}, {"k": 5.0}, {"k": None}, {}, {"k": True}, {"k": []}]
        payloads.append({"_mini_orm": "theirs"})
        points = [models.PointStruct(id=n, vector=[1, n], payload=one) for n, one in enumerate(payloads)]
        self.store.client.upsert("things", points)
        repo = self.repo(metric="dot")

        def found(filters: Any) -> list[int]:
            return sorted(int(one.id) for one in repo.query([1, 0], top_k=20, filters=filters))

        self.assertEqual(found({"k": "x"}), [0])
        self.assertEqual(found({"k": 5}), [2, 3])
        self.assertEqual(found({"k": True}), [6])
        self.assertEqual(found(C.ne("k", "x")), [1, 2, 3, 6])
        self.assertEqual(found(C.gt("k", 4)), [2, 3])
        self.assertEqual(found(C.is_null("k")), [4, 5, 7, 8])
        self.assertEqual(repo.fetch()[8].payload, {"_mini_orm": "theirs"})


@needs_client
class QdrantCollections(QdrantCase):
    """Collections: what they tell of themselves, and their names."""

    def test_described_by_its_configuration(self) -> None:
        """E1: dimension and metric, also of a collection that another program has made."""
        from qdrant_client import models

        client = self.store.client
        for distance, metric in (("Cosine", "cosine"), ("Dot", "dot"), ("Euclid", "l2")):
            client.create_collection(distance, models.VectorParams(size=3, distance=models.Distance(distance)))
            info = self.store.describe_collection(distance)
            self.assertEqual((info and info.dimension, info and info.metric), (3, metric))
            VectorRepository(self.store, distance, dimension=3, metric=metric)
        self.assertIsNone(self.store.describe_collection("nowhere"))
        client.create_collection("named", {"text": models.VectorParams(size=3, distance=models.Distance.DOT)})
        client.create_collection("other", models.VectorParams(size=3, distance=models.Distance.MANHATTAN))
        for name in ("named", "other"):
            with self.assertRaisesRegex(VectorError, f"one vector without a name.*{name}"):
                VectorRepository(self.store, name, dimension=3)
            with self.assertRaises(VectorError):
                self.store.query(name, [1, 2, 3])

    def test_names(self) -> None:
        """E1: what a server refuses as a name is a ValueError, and in local mode no way into another folder."""
        for name in ("", "a/b", "..", ".", "a\\b", "a?b", "a\0", "x" * 256, "ü" * 128, "\ud800"):
            with self.subTest(name=name):
                with self.assertRaisesRegex(ValueError, "name of a collection"):
                    self.repo(name)
                with self.assertRaises(CollectionNotFoundError):
                    self.store.count(name)
        self.repo("a b.c-ü'").upsert([VectorRecord(one_id(1), [1, 2])])
        self.assertEqual(self.store.count("a b.c-ü'"), 1)

    def test_made_anew_by_others(self) -> None:
        """E1: what is known of a collection is asked again after a call that was refused."""
        from qdrant_client import models

        repo = self.repo()
        repo.upsert([VectorRecord(one_id(1), [1, 2])])
        self.store.client.delete_collection("things")
        self.store.client.create_collection("things", models.VectorParams(size=3, distance=models.Distance.DOT))
        with self.assertRaisesRegex(VectorError, "refused"):
            repo.query([1, 2])
        self.assertEqual(self.store.query("things", [1, 2, 3]), [])

    def test_made_anew_with_another_dimension(self) -> None:
        """E1: before a vector is refused it is asked again what the collection takes."""
        from qdrant_client import models

        self.repo().upsert([VectorRecord(one_id(1), [1, 2])])
        for size in (3, 4):
            self.store.client.delete_collection("things")
            self.store.client.create_collection("things", models.VectorParams(size=size, distance=models.Distance.DOT))
            if size == 3:
                self.store.upsert("things", [VectorRecord(one_id(1), [1.0] * size)])
            else:
                self.assertEqual(self.store.query("things", [1.0] * size), [])
        with self.assertRaises(DimensionError):
            self.store.query("things", [1, 2])

    def test_the_store_alone(self) -> None:
        """E1 E2: it checks for itself, without a repository; without filters all are counted and deleted."""
        self.store.create_collection("c", 2, "l2")
        self.store.upsert("c", iter([VectorRecord(one_id(n), [0, n]) for n in range(3)]))
        self.assertEqual([one.score for one in self.store.query("c", [0, 0])], [0.0, -1.0, -2.0])
        self.assertEqual(len(self.store.query_many("c", iter([[0, 0], [1, 1]]))), 2)
        self.assertEqual(self.store.query("c", [0, 0], top_k=0), [])
        for vector in ([1], [math.nan, 1]):
            with self.assertRaises(VectorError):
                self.store.query("c", vector, top_k=0)
        self.assertEqual((self.store.count("c"), self.store.delete_where("c", None), self.store.count("c")), (3, 3, 0))

    def test_pages(self) -> None:
        """E3: what is read or deleted in several requests is as in one."""
        repo = self.filled([{"n": n} for n in range(7)])
        everything = [one_id(n) for n in range(7)]
        with mock.patch.multiple(qdrant_ops, _PAGE=3, _IDS=2, _MANY_RESULTS=4):
            self.assertEqual([one.id for one in repo.fetch()], everything)
            self.assertEqual([one.id for one in repo.fetch(everything[::-1])], everything[::-1])
            self.assertEqual([one.id for one in repo.query([1, 0], top_k=10**12)], everything)
            self.assertEqual(repo.query([1, 0], top_k=10**30, filters={"n": 9}), [])
            self.assertEqual(repo.delete([*everything, one_id(99)]), 7)


@needs_client
class QdrantPlaces(unittest.TestCase):
    """In memory, in a folder, and how both are opened and closed."""

    def test_a_folder(self) -> None:
        """E7: what is written is there for the next one, who has to wait for `close`."""
        with tempfile.TemporaryDirectory() as folder:
            payload = {"k": [1, {"a": None}], 'q"': 1}
            with QdrantVectorStore(location=folder) as store:
                repo = VectorRepository(store, "things", dimension=2)
                repo.upsert([VectorRecord(one_id(1), [3, 4], payload)])
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ResourceWarning)  # a client that can't open it leaves a file open
                    with self.assertRaisesRegex(ConfigurationError, "one client at a time") as caught:
                        QdrantVectorStore(location=folder)
                    self.assertIsInstance(caught.exception.__cause__, RuntimeError)
                    del caught
                    gc.collect()
            with QdrantVectorStore(location=folder) as store:
                repo = VectorRepository(store, "things", dimension=2)
                [found] = repo.query([3, 4], filters={"k": [1, {"a": None}]})
                self.assertEqual((found.id, found.payload), (one_id(1), payload))
                [record] = repo.fetch()
                self.assertEqual([round(number, 5) for number in record.vector], [3, 4])

    def test_closed(self) -> None:
        """E7: a store that is closed says so; to close it twice is no error."""
        store = QdrantVectorStore()
        repo = VectorRepository(store, "things", dimension=2)
        store.close()
        store.close()
        calls = (repo.count, lambda: store.client, lambda: VectorRepository(store, "other", dimension=2))
        for call in calls:
            with self.assertRaisesRegex(ClosedError, "QdrantVectorStore is closed"):
                call()

    def test_two_places(self) -> None:
        """E7: a location or a URL; a location may be a URL."""
        with self.assertRaises(ConfigurationError):
            QdrantVectorStore(location="here", url="http://localhost")
        with QdrantVectorStore(location=stand_in().url) as store, self.assertRaises(CollectionNotFoundError):
            store.count("not there")

    def test_without_the_package(self) -> None:
        """E7: a MissingDependencyError that names the extra."""
        with mock.patch.dict(sys.modules, {"qdrant_client": None}):
            for options in ({}, {"url": "http://localhost"}):
                with self.assertRaisesRegex(MissingDependencyError, r"mini_orm\[qdrant\]"):
                    QdrantVectorStore(**options)

    def test_with_a_package_that_is_too_old(self) -> None:
        """E7 E4: its local mode takes True for 1, and so it is none."""
        old = mock.patch("mini_orm.vectors.stores.qdrant.version", return_value="1.18.3")
        with old, self.assertRaisesRegex(MissingDependencyError, "1.19 or newer"):
            QdrantVectorStore()

    def test_both_faces(self) -> None:
        """E7: in local mode they see the same records, whichever comes first, from any loop and many tasks."""

        async def written(store: QdrantVectorStore, start: int) -> int:
            repo = AsyncVectorRepository(store, "things", dimension=2)
            records = [[VectorRecord(one_id(start + n), [1, n])] for n in range(20)]
            await asyncio.gather(*map(repo.upsert, records))
            return await repo.count()

        with tempfile.TemporaryDirectory() as folder:
            for options in ({}, {"location": folder}):
                with QdrantVectorStore(**options) as store:
                    self.assertEqual(asyncio.run(written(store, 0)), 20)
                    repo = VectorRepository(store, "things", dimension=2)
                    repo.upsert([VectorRecord(one_id(100), [1, 1])])
                    self.assertEqual(asyncio.run(written(store, 20)), 41)
                    self.assertEqual(repo.count(), 41)


@needs_client
class QdrantServers(unittest.TestCase):
    """What is a server's own."""

    def setUp(self) -> None:
        self.server = QdrantStandIn.started()
        self.addCleanup(self.server.stop)
        self.store = QdrantVectorStore(url=self.server.url)
        self.addCleanup(self.store.close)

    def repo(self) -> VectorRepository:
        return VectorRepository(self.store, "things", dimension=2)

    def asked(self) -> list[str]:
        """Return the routes that were asked since the last time."""
        routes = [route for route, _ in self.server.requests]
        self.server.requests.clear()
        return routes

    def test_one_request_a_call(self) -> None:
        """E1: dimension and metric are asked for once, by a store that has not made the collection."""
        self.repo()
        self.assertEqual(self.asked(), ["PUT "])
        store = QdrantVectorStore(url=self.server.url)
        self.addCleanup(store.close)
        store.upsert("things", [VectorRecord(one_id(1), [1, 2])])
        self.assertEqual(self.asked(), ["GET ", "PUT /points"])
        store.query("things", [1, 2])
        store.query_many("things", [[1, 2], [3, 4]])
        store.fetch("things", [one_id(1)])
        store.count("things")
        self.assertEqual(
            self.asked(), ["POST /points/query", "POST /points/query/batch", "POST /points", "POST /points/count"]
        )
        self.assertEqual((store.delete("things", [one_id(1)]), store.delete("things", [one_id(1)])), (1, 0))
        self.assertEqual(self.asked(), ["POST /points", "POST /points/delete", "POST /points"])
        with self.assertRaises(CollectionNotFoundError):
            store.count("nowhere")
        self.assertEqual(self.asked(), ["POST /points/count"])

    def test_requests_of_a_size(self) -> None:
        """E3: many bytes are several requests, each below the server's limit; all is checked before the first."""
        repo = self.repo()
        records = [VectorRecord(one_id(n), [1, n], {"text": "ü" * 30_000}) for n in range(10)]
        self.asked()
        with mock.patch.object(qdrant_ops, "_REQUEST_BYTES", 1_000_000):
            with self.assertRaises(TypeError):
                repo.upsert([*records, VectorRecord(one_id(99), [1, 2], {"k": object()})])
            self.assertEqual(self.asked(), [])
            repo.upsert(records)
            sizes = [len(json.dumps(body)) for _, body in self.server.requests]
        self.assertEqual(len(sizes), 2)
        self.assertLess(max(sizes), 1_000_000)
        self.assertEqual(repo.count(), 10)
        questions = [[1, n] for n in range(5)]
        wanted = [[repo.query(one, filters=some)] for one in questions for some in (None, C.in_("text", ["ü" * 99]))]
        self.asked()
        with mock.patch.object(qdrant_ops, "_REQUEST_BYTES", 100):
            found = [repo.query_many(questions), repo.query_many(questions, filters=C.in_("text", ["ü" * 99]))]
        self.assertEqual([[one] for pair in zip(*found, strict=True) for one in pair], wanted)
        self.assertEqual(len(self.asked()), 3 + 2 * 5)

    def test_a_graph_that_finds_too_few(self) -> None:
        """E4: where a filter leaves the graph's answer short, every match is looked at; nothing else is asked twice."""
        repo = self.repo()
        repo.upsert(VectorRecord(one_id(n), [1, n / 10], {"even": n % 2 == 0}) for n in range(8))

        def short(body: Any, found: list[Any]) -> list[Any]:
            return found if (body.get("params") or {}).get("exact") else found[:2]

        self.server.spoil = short
        self.asked()
        found = repo.query([1, 0], top_k=3, filters={"even": True})
        self.assertEqual([one.id for one in found], [one_id(n) for n in (0, 2, 4)])
        [first, second] = repo.query_many([[1, 0], [0, 1]], top_k=3, filters={"even": False})
        self.assertEqual([one.id for one in first + second], [one_id(n) for n in (1, 3, 5, 7, 5, 3)])
        self.assertEqual(self.asked(), [*["POST /points/query"] * 2, *["POST /points/query/batch"] * 2])
        self.server.spoil = None
        repo.query([1, 0], top_k=3, filters={"even": True})
        repo.query([1, 0], top_k=100)
        self.assertEqual(self.asked(), ["POST /points/query"] * 2)

    def test_what_a_server_refuses(self) -> None:
        """Errors E1: a VectorError with the client's as its cause, and no word of what was sent."""
        repo = self.repo()
        for status in (400, 401, 413, 500):
            with mock.patch.object(self.server, "answer", return_value=(status, None)):
                with self.assertRaises(VectorError) as caught:
                    repo.upsert([VectorRecord(one_id(1), [1, 2], {"k": "secret"})])
                self.assertNotIsInstance(caught.exception, KeyError)
                self.assertEqual(caught.exception.__cause__.status_code, status)  # type: ignore[union-attr]
                self.assertIn("'things'", str(caught.exception))
                self.assertNotIn("secret", str(caught.exception))
        repo.upsert([VectorRecord(one_id(1), [1, 2])])

    def test_servers_of_other_versions(self) -> None:
        """E1: a collection that is there, or is not, is told by asking where the status does not say it."""
        self.repo()
        answer = self.server.answer

        def old(method: str, path: str, body: Any) -> tuple[int, Any]:
            status, result = answer(method, path, body)
            return (400, None) if status in (404, 409) else (status, result)

        with mock.patch.object(self.server, "answer", old):
            with self.assertRaises(CollectionExistsError):
                self.store.create_collection("things", 2)
            with self.assertRaises(CollectionNotFoundError):
                self.store.count("nowhere")
            with self.assertRaises(VectorError) as caught:
                self.store.upsert("nowhere", [VectorRecord(one_id(1), [1, 2])])
            self.assertIsInstance(caught.exception, CollectionNotFoundError)

    def test_no_server(self) -> None:
        """Errors E7: a VectorError, from HTTP and from gRPC."""
        port = free_port()
        for options in ({}, {"prefer_grpc": True, "grpc_port": port}):
            with QdrantVectorStore(url=f"http://127.0.0.1:{port}", timeout=5, **options) as store:
                with self.assertRaisesRegex(VectorError, "did not answer count") as caught:
                    store.count("things")
                self.assertIsNotNone(caught.exception.__cause__)

    def test_codes_of_grpc(self) -> None:
        """E1 Errors: they mean what the statuses of HTTP mean; what is no failure of Qdrant's is none."""
        from grpc import RpcError, StatusCode

        class Refused(RpcError):
            def __init__(self, code: StatusCode) -> None:
                self.code = lambda: code

        for code, failure in (
            (StatusCode.NOT_FOUND, Failure.MISSING),
            (StatusCode.ALREADY_EXISTS, Failure.EXISTS),
            (StatusCode.INVALID_ARGUMENT, Failure.REFUSED),
            (StatusCode.DEADLINE_EXCEEDED, Failure.UNREACHED),
        ):
            self.assertIs(failure_of(Refused(code)), failure)
        self.assertIsNone(failure_of(KeyError("a bug")))

    def test_loops(self) -> None:
        """E7: each event loop has a client of its own; a store that is closed opens none."""

        async def used(number: int) -> int:
            repo = AsyncVectorRepository(self.store, "things", dimension=2)
            await repo.upsert([VectorRecord(one_id(number), [1, 2])])
            counted = await repo.count()
            await self.store.for_async().aclose()  # type: ignore[union-attr]  # the awaited one, on a server
            return counted

        async def closed() -> None:
            async with self.store as store:
                repo = AsyncVectorRepository(store, "things", dimension=2)
                self.assertEqual(await repo.count(), 2)
            with self.assertRaises(ClosedError):
                await repo.count()

        self.assertEqual([asyncio.run(used(1)), asyncio.run(used(2))], [1, 2])
        self.assertIs(self.store.for_async(), self.store.for_async())
        asyncio.run(closed())

    def test_what_the_faces_know(self) -> None:
        """E1: what one face has been told of a collection the other need not ask for."""
        self.repo()
        self.asked()

        async def asked() -> list[Any]:
            async with self.store as store:
                repo = AsyncVectorRepository(store, "things", dimension=2, auto_create=False)
                return await repo.query([1, 2])

        self.assertEqual(asyncio.run(asked()), [])
        self.assertEqual(self.asked(), ["POST /points/query"])


@needs_client
class QdrantPage(unittest.TestCase):
    def test_blocks_print_what_their_comments_say(self) -> None:
        """Names E7: every block of docs/vectors_qdrant.md runs after those above it."""
        text = (ROOT / "docs" / "vectors_qdrant.md").read_text(encoding="utf-8")
        printed, namespace = io.StringIO(), {}  # type: ignore[var-annotated]  # filled by exec
        with contextlib.redirect_stdout(printed):
            for _, source in python_blocks(text):
                exec(compile(source, "vectors_qdrant.md", "exec"), namespace)
        promised = re.findall(r"^print\(.*\)  # (.+)$", text, re.M)
        self.assertEqual(len(promised), 3)
        self.assertEqual(printed.getvalue().splitlines(), promised)


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


if __name__ == "__main__":
    unittest.main()
