"""The vector contracts on Faiss, and what it has beside them: kinds of index, and files."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import sys
import tempfile
import unittest
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

from mini_orm import (
    AsyncVectorRepository,
    C,
    FaissVectorStore,
    InMemoryVectorStore,
    MissingDependencyError,
    UnsupportedFilterError,
    VectorError,
    VectorMetric,
    VectorRecord,
    VectorRepository,
)
from tests.contracts.vector_stores import bind_vector_contracts
from tests.test_readme import python_blocks
from tests.vector_backends import FAISS_BACKENDS

try:
    import faiss
    import numpy as np
    from hypothesis import given, settings
    from hypothesis import strategies as st

    from mini_orm.vectors.stores import numpy_indexed
    from mini_orm.vectors.stores.faiss_index import FaissIndex, IndexKind
except ImportError as missing:
    raise unittest.SkipTest(f"needs faiss, numpy and hypothesis: {missing}") from missing

bind_vector_contracts(globals(), FAISS_BACKENDS)

METRICS = ("cosine", "dot", "l2")
DIMENSION = 8
#: Of each family one: exact, a graph, cells, codes, both behind a transformation, and what maps ids by itself.
KINDS: dict[str, dict[str, Any]] = {
    "Flat": {},
    "HNSW8": {"search_parameters": {"efSearch": 64}},
    "IVF4,Flat": {"search_parameters": {"nprobe": 2}},
    "PCA8,IVF2,PQ8x2": {},
    "SQ8": {},
    "IDMap2,HNSW8": {},
}


def setUpModule() -> None:
    """Let faiss work in one thread: its own wait for each other, which takes long where others are at work."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    unittest.addModuleCleanup(faiss.omp_set_num_threads, threads)


def rows(count: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)


def records(vectors: Any, first: int = 0) -> list[VectorRecord]:
    return [VectorRecord(f"{first + n:05}", row, {"n": n}) for n, row in enumerate(vectors)]


def repository(store: Any, **options: Any) -> VectorRepository:
    return VectorRepository(store, "c", dimension=DIMENSION, **options)


def index_of(store: FaissVectorStore) -> Any:
    """Return the index of the tests' collection, `None` where there is none yet."""
    return store._collection("c")._rows._index


def stores() -> Iterator[tuple[str, FaissVectorStore]]:
    """Make a store of each kind."""
    for kind, options in KINDS.items():
        yield kind, FaissVectorStore(index=kind, **options)


class FaissCase(unittest.TestCase):
    def same(self, left: VectorRepository, right: VectorRepository, questions: Any, top_k: int = 10) -> None:
        """See that two repositories hold and find the same, to the last bit."""
        self.assertEqual(left.fetch(), right.fetch())
        self.assertEqual(left.query_many(questions, top_k=top_k), right.query_many(questions, top_k=top_k))
        for question in questions:
            self.assertEqual(left.query(question, top_k=top_k), right.query(question, top_k=top_k))


class ExactAnswers(FaissCase):
    """Without an index of the user's choice, or where it is of no use."""

    def test_as_the_store_in_memory(self) -> None:
        """E2 E3: the same answers, in awkward data too, after rows were replaced and deleted."""
        plain = rows(600)
        giant = plain.copy()
        giant[17] *= 1e12
        beyond = plain.copy()
        beyond[17] *= 1e25
        awkward = {
            "plain": plain,
            "far away": plain * np.float32(0.01) + 100,
            "repeated": plain[np.random.default_rng(2).integers(0, 5, len(plain))],
            "one giant": giant,
            "beyond float32": beyond,
        }
        for name, vectors in awkward.items():
            for metric in METRICS:
                with self.subTest(data=name, metric=metric):
                    ours = repository(FaissVectorStore(), metric=metric)
                    memory = repository(InMemoryVectorStore(), metric=metric)
                    for repo in (ours, memory):
                        repo.upsert(records(vectors))
                        repo.upsert(records(vectors[::-1][:50]))
                        self.assertEqual(repo.delete([f"{n:05}" for n in range(40, 90, 2)]), 25)
                    self.same(ours, memory, [vectors[3], vectors[17], -vectors[5], *vectors[100:120]])

    def test_distances_that_faiss_makes_of_products(self) -> None:
        """E2: small beside the norms they are nothing but rounding; which are the nearest is right all the same."""
        self.addCleanup(
            setattr, faiss.cvar, "distance_compute_blas_threshold", faiss.cvar.distance_compute_blas_threshold
        )
        faiss.cvar.distance_compute_blas_threshold = 1
        vectors = rows(300) * np.float32(0.05) + 100
        ours, memory = (repository(one, metric="l2") for one in (FaissVectorStore(), InMemoryVectorStore()))
        for repo in (ours, memory):
            repo.upsert(records(vectors))
        self.same(ours, memory, vectors[100:120])

    def test_numbers_beyond_float32(self) -> None:
        """E2: whatever the index, the rows are scanned, for one such query, and for good with one such row."""
        vectors = rows(300)
        for kind, store in stores():
            for metric in METRICS:
                with self.subTest(kind=kind, metric=metric):
                    ours = VectorRepository(store, f"by {metric}", dimension=DIMENSION, metric=metric)
                    memory = repository(InMemoryVectorStore(), metric=metric)
                    for repo in (ours, memory):
                        repo.upsert(records(vectors))
                    self.same(ours, memory, vectors[:3] * np.float32(1e20))
                    for repo in (ours, memory):
                        repo.upsert(records(vectors[:1] * np.float32(1e-20), 7))
                    self.same(ours, memory, vectors[:3])

    def test_most_of_the_nearest_are_gone(self) -> None:
        """E2 E3: what was deleted is not found, and does not keep others from being found."""
        vectors = rows(400)
        for kind, store in stores():
            with self.subTest(kind=kind):
                repo = repository(store, metric="l2")
                repo.upsert(records(vectors))
                nearest = [one.id for one in repo.query(vectors[0], top_k=100)]
                self.assertEqual(repo.delete(nearest), 100)
                found = [one.id for one in repo.query(vectors[0], top_k=30)]
                self.assertEqual((len(set(found)), set(found) & set(nearest)), (30, set()))

    def test_filters_are_refused(self) -> None:
        """E4: by the store itself, with its name, whatever is asked."""
        store = FaissVectorStore()
        repository(store).upsert(records(rows(3)))
        for filters in ({"n": 1}, C.eq("n", 1), [C.eq("n", 1)]):
            for call in (lambda f: store.query("c", [1] * DIMENSION, filters=f), lambda f: store.count("c", f)):
                with self.assertRaisesRegex(
                    UnsupportedFilterError, "FaissVectorStore does not support payload filters"
                ):
                    call(filters)
        self.assertEqual((store.count("c", {}), store.count("c", None)), (3, 3))


class Kinds(FaissCase):
    """Indexes of the user's choice."""

    def test_they_find_what_is_near(self) -> None:
        """E2 E3: scores by the formula, vectors as written though the index is lossy, and always `top_k` results."""
        vectors = rows(500)
        for metric in METRICS:
            memory = repository(InMemoryVectorStore(), metric=metric)
            memory.upsert(records(vectors))
            for kind, store in stores():
                with self.subTest(metric=metric, kind=kind):
                    repo = repository(store, metric=metric)
                    repo.upsert(records(vectors[:300]))
                    repo.upsert(records(vectors[300:], 300))
                    repo.upsert([VectorRecord(one.id, one.vector, one.payload) for one in memory.fetch()[:20]])
                    self.assertEqual(len(index_of(store)), 520)
                    self.assertEqual([one.vector for one in repo.fetch()], vectors.tolist())
                    questions = vectors[::50]
                    scores = [{one.id: one.score for one in memory.query(q, top_k=500)} for q in questions]
                    hits = 0
                    for known, found in zip(scores, repo.query_many(questions), strict=True):
                        self.assertEqual(found, sorted(found, key=lambda one: (-one.score, one.id)))
                        self.assertEqual([one.score for one in found], [known[one.id] for one in found])
                        hits += len({one.id for one in found} & {*sorted(known, key=lambda one: -known[one])[:10]})
                    self.assertGreater(hits, 30)
                    for top_k in (1, 450, 499, 500, 501):
                        found = repo.query(questions[0], top_k=top_k)
                        self.assertEqual(len({one.id for one in found}), min(top_k, 500))

    def test_training(self) -> None:
        """E2: an index is trained as soon as there are enough vectors; until then all of them are looked at."""
        vectors = rows(400)
        for options, enough in (({}, 39 * 4), ({"training_rows": 200}, 200)):
            with self.subTest(options=options):
                store = FaissVectorStore(index="IVF4,Flat", search_parameters={"nprobe": 4}, **options)
                repo, memory = repository(store), repository(InMemoryVectorStore())
                repo.upsert(records(vectors[: enough - 1]))
                memory.upsert(records(vectors[: enough - 1]))
                self.assertIsNone(index_of(store))
                self.same(repo, memory, vectors[:3])
                repo.upsert(records(vectors[enough - 1 : enough], enough - 1))
                self.assertEqual(len(index_of(store)), enough)
                repo.upsert(records(vectors[enough:], enough))
                self.assertEqual(len(index_of(store)), 400)
                self.assertEqual([one.id for one in repo.query(vectors[7], top_k=1)], ["00007"])

    def test_how_many_vectors_training_takes(self) -> None:
        """E2: as many as faiss asks for, or as the user says, but never fewer than there are centroids."""
        for kind, wanted, takes in (
            ("Flat", None, 0),
            ("HNSW8", 7, 0),
            ("IVF4,Flat", None, 39 * 4),
            ("IVF4,Flat", 1, 4),
            ("IVF4,PQ2x5", None, 39 * 32),
            ("PCA4,IVF100_HNSW8,Flat", None, 39 * 100),
            ("IVF4,PQ2x5,RFlat", 40, 40),
            ("HNSW8_PQ2x4", None, 39 * 16),
            ("SQ8", None, 39),
        ):
            with self.subTest(kind=kind, wanted=wanted):
                made = FaissIndex(IndexKind(kind, wanted), DIMENSION, VectorMetric.COSINE)
                self.assertEqual(made.training_rows, takes)

    def test_an_index_with_few_that_are_left_is_made_anew(self) -> None:
        """E3: by the next upsert, so that what is gone takes no place for long."""
        vectors = rows(300)
        with mock.patch.object(numpy_indexed, "_FEW", 8):
            for kind, store in stores():
                with self.subTest(kind=kind):
                    repo = repository(store)
                    repo.upsert(records(vectors))
                    repo.delete([f"{n:05}" for n in range(140)])
                    repo.upsert(records(vectors[:1], 300))
                    self.assertEqual(len(index_of(store)), 301)
                    for _ in range(22):
                        repo.upsert(records(vectors[:1], 300))
                    self.assertEqual(len(index_of(store)), 161)
                    self.assertEqual([one.id for one in repo.query(vectors[0], top_k=1)], ["00300"])
                    self.assertEqual(len(repo.query(vectors[3], top_k=161)), 161)

    def test_what_faiss_has_not(self) -> None:
        """E1: is a VectorError when the collection is made, which names it; faiss' own error is its cause."""
        for options, text in (
            ({"index": "PQ3"}, "'PQ3' for 8 numbers under cosine"),
            ({"search_parameters": {"nprobe": 3}}, "'nprobe' for an index 'Flat'"),
            ({"index": "HNSW8", "search_parameters": {"speed": 3}}, "'speed'"),
        ):
            with self.subTest(options=options):
                store = FaissVectorStore(**options)
                with self.assertRaises(VectorError) as caught:
                    repository(store)
                self.assertIn(text, str(caught.exception))
                self.assertIsInstance(caught.exception.__cause__, RuntimeError)
                self.assertIsNone(store.describe_collection("c"))

    def test_what_no_index_is_made_of(self) -> None:
        """E1: a ValueError or VectorError when the store is made; a text that faiss can't read is named."""
        for text in ("nonsense", "", "Flat,", "IDMap,", "\ud800"):
            with self.subTest(text=text), self.assertRaises(VectorError) as caught:
                FaissVectorStore(index=text)
            self.assertEqual(str(caught.exception), f"faiss has no index {text!r}")
            self.assertIsInstance(caught.exception.__cause__, RuntimeError | TypeError)
        wrong: list[tuple[dict[str, Any], str]] = [
            *(({"index": one}, "a text, not") for one in (7, True, b"Flat", ["Flat"])),
            *(({"training_rows": one}, "an int of 1 or more") for one in (0, -1, 1.5, True, "3")),
            *(({"search_parameters": one}, "a mapping") for one in (7, [("nprobe", 3)], "nprobe")),
            *(({"search_parameters": {"nprobe": one}}, "to numbers, not 'nprobe'") for one in ("3", None, True)),
            ({"search_parameters": {7: 3}}, "names to numbers"),
        ]
        for options, text in wrong:
            with self.subTest(options=options), self.assertRaisesRegex(ValueError, text):
                FaissVectorStore(**options)
        for index in ("PQ3", "PCA64,Flat", "IDMap,Flat", "ITQ,LSH"):
            with self.subTest(index=index):
                self.assertIsInstance(FaissVectorStore(index=index), FaissVectorStore)

    def test_when_the_index_fails(self) -> None:
        """E3 Errors: a VectorError; what was written is there and found, and the next upsert makes the index anew."""
        vectors = rows(200)
        for kind in ("Flat", "HNSW8"):
            with self.subTest(kind=kind):
                store = FaissVectorStore(index=kind)
                repo = repository(store)
                repo.upsert(records(vectors[:100]))
                broken = mock.patch.object(index_of(store)._index, "add", side_effect=RuntimeError("no room"))
                with broken, self.assertRaises(VectorError) as caught:
                    repo.upsert(records(vectors[90:150], 90))
                self.assertEqual(str(caught.exception), "faiss can't add to an index")
                self.assertEqual((repo.count(), repo.delete(["00000"])), (150, 1))
                self.assertEqual([one.id for one in repo.query(vectors[120], top_k=1)], ["00120"])
                repo.upsert(records(vectors[150:], 150))
                self.assertEqual(len(index_of(store)), 199)
                self.assertEqual([one.id for one in repo.query(vectors[170], top_k=1)], ["00170"])

    def test_without_faiss(self) -> None:
        """E7: a MissingDependencyError when the store is made, which names what to install."""
        modules = {"faiss": None, "mini_orm.vectors.stores.faiss_index": None}
        with (
            mock.patch.dict(sys.modules, modules),
            self.assertRaisesRegex(MissingDependencyError, r"mini_orm\[faiss\]"),
        ):
            FaissVectorStore()

    def test_a_file_without_faiss(self) -> None:
        """E7: a MissingDependencyError, too: the file is as good as it was."""
        with tempfile.TemporaryDirectory(prefix="mini_orm_faiss_") as directory:
            path = Path(directory) / "store"
            FaissVectorStore().save(path)
            with (
                mock.patch.dict(sys.modules, {"mini_orm.vectors.stores.faiss_index": None}),
                self.assertRaisesRegex(MissingDependencyError, r"mini_orm\[faiss\]"),
            ):
                FaissVectorStore.load(path)


class Files(FaissCase):
    """save and load."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="mini_orm_faiss_")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.path = self.directory / "store"

    def test_a_round_trip(self) -> None:
        """E3: all collections with their ids, payloads, vectors and indexes; the same answers, and room for more."""
        vectors = rows(300)
        for kind, store in stores():
            with self.subTest(kind=kind):
                for metric in METRICS:
                    repo = VectorRepository(store, f"by {metric}", dimension=DIMENSION, metric=metric)
                    repo.upsert(records(vectors[:200]))
                    repo.delete(["00003", "00199"])
                    repo.upsert(records(vectors[200:210], 5))
                VectorRepository(store, "empty", dimension=1)
                store.save(self.path)
                again = FaissVectorStore.load(self.path)
                for metric in METRICS:
                    options: Any = {"dimension": DIMENSION, "metric": metric}
                    before, after = (VectorRepository(one, f"by {metric}", **options) for one in (store, again))
                    self.same(before, after, vectors[::60])
                    after.delete([f"{n:05}" for n in range(10, 30)])
                    after.upsert(records(vectors[210:], 300))
                    self.assertEqual([one.id for one in after.query(vectors[220], top_k=1)], ["00310"])
                    self.assertEqual(len(after.query(vectors[0], top_k=240)), 240)
                self.assertEqual(VectorRepository(again, "empty", dimension=1).count(), 0)
                again.create_collection("c", DIMENSION)  # by the options of the store that was saved
                repository(again).upsert(records(vectors))
                self.assertEqual(len(index_of(again)), 300)
        self.assertEqual([one.name for one in self.directory.iterdir()], ["store"])

    def test_whatever_json_has(self) -> None:
        """E3 E5: ids of any text and payloads of any depth; None stays None, and {} an empty one."""
        payloads: list[Any] = [
            None,
            {},
            {"a": [1, {"b": None}], "ü": "\ud800 🙂", "f": 1e-300, "big": 10**30, "t": True},
        ]
        ids = ["", "🙂", "\udfff 'quote'"]
        repo = repository(FaissVectorStore())
        repo.upsert([VectorRecord(*one) for one in zip(ids, rows(3), payloads, strict=True)])
        repo.store.save(str(self.path))
        self.same(repo, repository(FaissVectorStore.load(str(self.path))), rows(2))

    def test_an_index_is_not_made_anew(self) -> None:
        """E3: a graph is read as it was, with the places of those that are gone."""
        repo = repository(FaissVectorStore(index="HNSW8"))
        repo.upsert(records(rows(50)))
        repo.delete(["00001"])
        repo.store.save(self.path)
        self.assertEqual(len(index_of(FaissVectorStore.load(self.path))), 50)

    def test_an_older_file_stays_until_the_new_one_is_whole(self) -> None:
        """E3: when saving fails, the file is as it was, and nothing is left beside it."""
        store = FaissVectorStore(index="HNSW8")
        repo = repository(store)
        repo.upsert(records(rows(5)))
        store.save(self.path)
        before = self.path.read_bytes()
        with mock.patch.object(faiss, "serialize_index", side_effect=RuntimeError), self.assertRaises(VectorError):
            store.save(self.path)
        repo.upsert([VectorRecord("x", rows(1)[0], {"k": 10**5000})])
        with self.assertRaises(VectorError) as caught:  # Python writes no int of so many digits
            store.save(self.path)
        self.assertNotIn("000", str(caught.exception))
        self.assertEqual(self.path.read_bytes(), before)
        self.assertEqual([one.name for one in self.directory.iterdir()], ["store"])
        repo.delete(["x", "00000"])
        store.save(self.path)
        self.assertEqual(FaissVectorStore.load(self.path).count("c"), 4)

    def test_a_file_keeps_its_mode_and_its_links(self) -> None:
        """E3: what nobody else may read stays so, and a link leads to the new file."""
        store, link = FaissVectorStore(), self.directory / ("n" * 250)
        self.path.touch(mode=0o600)
        link.symlink_to(self.path)
        store.save(link)
        self.assertTrue(link.is_symlink())
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        FaissVectorStore.load(self.path)

    def test_names_that_no_file_has(self) -> None:
        """Errors: a VectorError, as for any other path that can't be written."""
        for path in ("", "a\0b", self.directory / ("n" * 300)):
            for call in (FaissVectorStore().save, FaissVectorStore.load):
                with self.assertRaises(VectorError):
                    call(path)
        self.assertEqual(list(self.directory.iterdir()), [])

    def test_no_file(self) -> None:
        """Errors: a VectorError that names the path; the error of the system is its cause."""
        for call in (FaissVectorStore.load, FaissVectorStore().save):
            for path in (self.directory / "nowhere" / "store", self.directory):
                with self.assertRaises(VectorError) as caught:
                    call(path)
                self.assertIn(path.name, str(caught.exception))
                self.assertIsInstance(caught.exception.__cause__, OSError)

    def test_another_version(self) -> None:
        """Errors: a VectorError that says both versions; a file of something else is told from it."""
        for content, text in (
            ({"format": "FaissVectorStore of mini_orm", "version": 99}, "version 99; this mini_orm reads version 1"),
            ({"format": "another"}, "no file of FaissVectorStore"),
            ({}, "no file of FaissVectorStore"),
            ([], "no file of FaissVectorStore"),
        ):
            with zipfile.ZipFile(self.path, "w") as archive:
                archive.writestr("store.json", json.dumps(content))
            with self.assertRaisesRegex(VectorError, text):
                FaissVectorStore.load(self.path)

    def test_damaged_files(self) -> None:
        """Errors: a VectorError for a file that is cut or changed anywhere, unless the change means nothing."""
        store = FaissVectorStore(index="HNSW4")
        repo = repository(store)
        repo.upsert(records(rows(3)))
        store.save(self.path)
        whole = self.path.read_bytes()
        damaged = [whole[:length] for length in range(0, len(whole), 97)]
        damaged += [whole[:n] + bytes([whole[n] ^ 0x55]) + whole[n + 1 :] for n in range(0, len(whole), 11)]
        refused = 0
        for content in damaged:
            self.path.write_bytes(content)
            try:
                found = FaissVectorStore.load(self.path)
            except VectorError:
                refused += 1
            else:
                self.assertEqual(repository(found).fetch(), repo.fetch())
        self.assertGreater(refused, len(damaged) // 2)

    def test_parts_that_do_not_fit(self) -> None:
        """Errors: a VectorError also where each part by itself is whole."""
        store = FaissVectorStore(index="HNSW4")
        repository(store).upsert(records(rows(3)))
        store.save(self.path)
        with zipfile.ZipFile(self.path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        other = FaissVectorStore(index="HNSW4")
        other.create_collection("c", 3)
        other.upsert("c", [VectorRecord("a", [1, 2, 3])])
        nan = np.full(3 * DIMENSION, np.nan, np.float32).tobytes()
        for name, content in (
            ("0/records.json", b'{"ids":["a","a","b"],"payloads":[null,null,null]}'),
            ("0/records.json", b'{"ids":["a","b","c"],"payloads":[null,null]}'),
            ("0/records.json", b'{"ids":["a","b",3],"payloads":[null,null,null]}'),
            ("0/records.json", b'{"ids":["a","b"],"payloads":[null,null]}'),
            ("0/vectors", nan),
            ("0/vectors", parts["0/vectors"][:-4]),
            ("0/index", bytes(index_of(other).dumped())),
            ("0/index", parts["0/index"][:-4]),
            ("0/numbers", parts["0/numbers"][:8] * 3),
            ("0/numbers", b"\7" * 24),
            ("0/numbers", b"".join((-n).to_bytes(8, "little", signed=True) for n in (1, 2, 3))),
            ("0/numbers", parts["0/numbers"] * 2),
        ):
            with self.subTest(name=name):
                with zipfile.ZipFile(self.path, "w") as archive:
                    for part, kept in parts.items():
                        archive.writestr(part, content if part == name else kept)
                with self.assertRaises(VectorError):
                    FaissVectorStore.load(self.path)


class Page(FaissCase):
    def test_blocks_print_what_their_comments_say(self) -> None:
        """Names E7: docs/vectors_faiss.md, block after block."""
        page = Path(__file__).resolve().parent.parent / "docs" / "vectors_faiss.md"
        blocks = [source for _, source in python_blocks(page.read_text(encoding="utf-8"))]
        printed, namespace = io.StringIO(), {}  # type: ignore[var-annotated]  # filled by exec
        with tempfile.TemporaryDirectory(prefix="mini_orm_faiss_") as directory, contextlib.chdir(directory):
            with contextlib.redirect_stdout(printed):
                for source in blocks:
                    exec(compile(source, str(page), "exec"), namespace)
            self.assertEqual([one.name for one in Path(directory).iterdir()], ["articles.faiss"])
        promised = re.findall(r"^print\(.*\)  # (.+)$", "\n".join(blocks), re.M)
        self.assertEqual((printed.getvalue().splitlines(), len(promised)), (promised, 2))


class Steps(FaissCase):
    """Any sequence of writes, queries, saves and loads."""

    _numbers = st.sampled_from([0.0, 1.0, -1.0, 0.5, 1e-30, 1e30]) | st.floats(-9, 9, width=32)
    _vectors = st.lists(_numbers, min_size=2, max_size=2).filter(any)
    _ids = st.integers(0, 40).map(str)
    _payloads = st.none() | st.dictionaries(st.sampled_from("xy"), st.integers() | st.text(), max_size=2)
    _steps = st.lists(
        st.tuples(st.just("upsert"), st.lists(st.builds(VectorRecord, _ids, _vectors, _payloads), max_size=30))
        | st.tuples(st.just("delete"), st.lists(_ids, max_size=9))
        | st.tuples(st.just("query"), st.tuples(_vectors, st.integers(1, 30)))
        | st.tuples(st.just("reopen"), st.none()),
        max_size=12,
    )

    @settings(max_examples=40, deadline=None)
    @given(st.sampled_from(METRICS), st.sampled_from(["Flat", "HNSW4", "SQ8"]), _steps)
    def test_any_steps(self, metric: str, kind: str, steps: list[Any]) -> None:
        """E1 E2 E3: an exact index answers as the store in memory; others never less, and no other scores."""
        options: Any = {"dimension": 2, "metric": metric}
        memory = VectorRepository(InMemoryVectorStore(), "c", **options)
        repo = VectorRepository(FaissVectorStore(index=kind, training_rows=5), "c", **options)
        with mock.patch.object(numpy_indexed, "_FEW", 4), mock.patch.object(numpy_indexed, "_SPARE", 1):
            for step, argument in steps:
                if step == "upsert":
                    memory.upsert(argument)
                    repo.upsert(argument)
                elif step == "delete":
                    self.assertEqual(repo.delete(argument), memory.delete(argument))
                elif step == "query":
                    vector, top_k = argument
                    found = repo.query(vector, top_k=top_k)
                    if kind == "Flat":
                        self.assertEqual(found, memory.query(vector, top_k=top_k))
                    known = {one.id: one for one in memory.query(vector, top_k=100)}
                    self.assertEqual(len({one.id for one in found}), min(top_k, len(known)))
                    self.assertEqual(found, [known[one.id] for one in found])
                else:
                    with tempfile.TemporaryDirectory() as directory:
                        repo.store.save(Path(directory) / "store")
                        store = FaissVectorStore.load(Path(directory) / "store")
                    repo = VectorRepository(store, "c", **options)
            self.assertEqual(repo.fetch(), memory.fetch())


class Threads(FaissCase):
    def test_many_at_a_time(self) -> None:
        """E3: writes, deletes, queries and saves from several threads; each sees whole records only."""
        for kind in ("Flat", "HNSW8"):
            with self.subTest(kind=kind), tempfile.TemporaryDirectory(prefix="mini_orm_faiss_") as directory:
                self.check_threads(
                    repository(FaissVectorStore(index=kind), metric="l2"), kind == "Flat", Path(directory)
                )

    def check_threads(self, repo: VectorRepository, is_exact: bool, directory: Path) -> None:
        """Let each of four threads write, change, find and save records of its own."""
        vectors = rows(160)

        def work(start: int) -> None:
            mine = records(vectors[start : start + 40], start)
            for _ in range(3):
                repo.upsert(mine)
                self.assertEqual(repo.delete([one.id for one in mine[::2]]), 20)
                for one in mine[1::8]:
                    [found] = repo.query(one.vector, top_k=1)
                    if is_exact:  # a graph may miss it
                        self.assertEqual((found.id, found.score), (one.id, 0.0))
            repo.store.save(directory / f"{start}")

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(work, range(0, 160, 40)))
        self.assertEqual([one.id for one in repo.fetch()], [f"{n:05}" for n in range(1, 160, 2)])
        for start in range(0, 160, 40):
            self.assertGreaterEqual(FaissVectorStore.load(directory / f"{start}").count("c"), 20)

    def test_what_is_brief(self) -> None:
        """E7: what may take long leaves the event loop: writing to a graph, and what makes an index anew."""
        flat, graph = FaissVectorStore(), FaissVectorStore(index="HNSW8")
        for store in (flat, graph):
            asyncio.run(self.written(store))
        for method in ("query", "fetch", "delete", "count"):
            self.assertTrue(flat.is_brief(method, "c", 1), method)
            self.assertTrue(graph.is_brief(method, "c", 1), method)
        self.assertEqual((flat.is_brief("upsert", "c", 1), graph.is_brief("upsert", "c", 1)), (True, False))
        with mock.patch.object(numpy_indexed, "_FEW", 8):
            repository(flat).delete([f"{n:05}" for n in range(40)])
            self.assertFalse(flat.is_brief("upsert", "c", 1))
            repository(flat).upsert(records(rows(10), 100))
            self.assertTrue(flat.is_brief("upsert", "c", 1))

    async def written(self, store: FaissVectorStore) -> None:
        repo = AsyncVectorRepository(store, "c", dimension=DIMENSION)
        await asyncio.gather(*(repo.upsert(records(rows(20), start)) for start in (0, 20, 40)))
        self.assertEqual((await repo.count(), len(await repo.query(rows(1)[0], top_k=60))), (60, 60))


if __name__ == "__main__":
    unittest.main()
