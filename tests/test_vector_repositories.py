"""What concerns repositories and stores beside the contracts: threads, the event loop, numpy or none, users' stores."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
import unittest
import weakref
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import mini_orm
from mini_orm import (
    AsyncVectorRepository,
    CollectionNotFoundError,
    ConfigurationError,
    DimensionError,
    InMemoryVectorStore,
    UnsupportedFilterError,
    VectorIdError,
    VectorIdPolicy,
    VectorMetric,
    VectorRecord,
    VectorRepository,
    VectorValueError,
)
from mini_orm.vectors.stores.base import CollectionInfo
from tests.vector_backends import OwnAsyncStore, OwnStore, PythonMemoryStore

ROOT = Path(__file__).resolve().parent.parent


class Recording(OwnStore):
    """Remembers in which thread each method ran."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, threading.Thread]] = []

    def create_collection(self, *args: Any, **kwargs: Any) -> None:
        self.calls.append(("create_collection", threading.current_thread()))
        super().create_collection(*args, **kwargs)

    def _records(self, collection: str) -> dict[str, VectorRecord]:
        self.calls.append(("records", threading.current_thread()))
        return super()._records(collection)


class NoFilters(OwnStore):
    supports_filters = False


class Uuids(OwnStore):
    id_policy = VectorIdPolicy.UUID


class OwnStores(unittest.TestCase):
    """A store of a user's own, with more or fewer abilities."""

    def test_what_it_is_given(self) -> None:
        """E8 E4: a mapping as it is, for an empty one nothing, and lists of floats for vectors."""
        store = mock.Mock(wraps=OwnStore(), spec_set=OwnStore)
        store.supports_filters, store.id_policy = True, "any"
        repo = VectorRepository(store, "c", dimension=2, metric="euclid")
        store.create_collection.assert_called_once_with("c", 2, "l2", overwrite=False)
        repo.upsert([VectorRecord("a", (1, 2), {"k": 1})])
        repo.query(range(2), top_k=3, filters={"k": 1})
        store.query.assert_called_once_with("c", [0.0, 1.0], top_k=3, filters={"k": 1})
        repo.query([1, 2], filters={})
        store.query.assert_called_with("c", [1.0, 2.0], top_k=10, filters=None)

    def test_no_filters(self) -> None:
        """E4 E8: refused with the store's name; an empty filter asks for nothing."""
        repo = VectorRepository(NoFilters(), "c", dimension=2)
        self.assertFalse(repo.supports_filters)
        with self.assertRaisesRegex(UnsupportedFilterError, "NoFilters does not support payload filters"):
            repo.query([1, 2], filters={"k": 1})
        self.assertEqual(repo.query([1, 2], filters={}), [])

    def test_uuids_only(self) -> None:
        """E5: ids are checked before the store is asked, and are in their canonical form when they get there."""
        repo = VectorRepository(Uuids(), "c", dimension=2)
        self.assertIs(repo.id_policy, VectorIdPolicy.UUID)
        one = "12345678-1234-5678-1234-567812345678"
        for call in (repo.fetch, repo.delete):
            with self.assertRaisesRegex(VectorIdError, "requires UUID"):
                call([one, "7"])
        with self.assertRaisesRegex(VectorIdError, "requires UUID"):
            repo.upsert([VectorRecord(one, [1, 2]), VectorRecord("7", [1, 2])])
        self.assertEqual(repo.fetch(), [])
        repo.upsert([VectorRecord(one.replace("-", "").upper(), [1, 2])])
        self.assertEqual([found.id for found in repo.fetch()], [one])
        self.assertEqual(repo.delete(["{" + one + "}"]), 1)

    def test_abilities_that_it_has(self) -> None:
        """E8: methods beside those that every store has are found and used."""

        class Able(OwnStore):
            supports_conditions = True

            def describe_collection(self, name: str) -> CollectionInfo:
                return CollectionInfo(2, VectorMetric.COSINE)

            def count(self, collection: str, filters: Any = None) -> int:
                return 77

        store = Able()
        repo = VectorRepository(store, "c", dimension=2)
        self.assertEqual(repo.count(), 77)
        with self.assertRaises(ValueError):
            VectorRepository(store, "c", dimension=2, metric="dot")

    def test_the_wrong_face(self) -> None:
        """E8: a store of coroutines needs the async repository, and the error says so."""
        for store in (OwnAsyncStore(), mock.Mock(is_async=True)):
            with self.assertRaisesRegex(ConfigurationError, "AsyncVectorRepository"):
                VectorRepository(store, "c", dimension=2)


class AsyncFace(unittest.IsolatedAsyncioTestCase):
    """Where the work of the async face is done."""

    async def asyncSetUp(self) -> None:
        asyncio.get_running_loop().set_debug(False)
        await asyncio.sleep(0)  # it takes effect at the next step

    async def test_a_store_that_blocks_works_in_a_thread(self) -> None:
        """E8: each call of it, the opening of the collection too; the loop's thread makes none."""
        store = Recording()
        repo = AsyncVectorRepository(store, "c", dimension=2)
        await repo.upsert([VectorRecord("a", [1, 2])])
        await repo.query([1, 2])
        await repo.query_many([[1, 2], [2, 1]])
        await repo.fetch()
        await repo.count()
        await repo.delete(["a"])
        self.assertEqual([name for name, _ in store.calls], ["create_collection", *["records"] * 7])
        self.assertNotIn(threading.current_thread(), {thread for _, thread in store.calls})

    async def test_the_loop_stays_free(self) -> None:
        """E8: while a store blocks, other tasks go on, which here is what ends the blocking."""
        go_on = threading.Event()

        class Waiting(OwnStore):
            def fetch(self, collection: str, ids: Any = None) -> Any:
                if not go_on.wait(30):
                    raise AssertionError("the event loop stood still")
                return super().fetch(collection, ids)

        repo = AsyncVectorRepository(Waiting(), "c", dimension=2)
        fetching = asyncio.create_task(repo.fetch())
        await asyncio.sleep(0)
        go_on.set()
        self.assertEqual(await fetching, [])

    async def test_brief_calls_in_memory_are_made_at_once(self) -> None:
        """E8: in the loop's thread as long as they are brief, in a worker thread from there on."""
        for store in (InMemoryVectorStore(), PythonMemoryStore()):
            threads: list[threading.Thread] = []
            repo = AsyncVectorRepository(store, "c", dimension=64)
            original = store.query

            def query(*args: Any, original: Any = original, threads: Any = threads, **kwargs: Any) -> Any:
                threads.append(threading.current_thread())
                return original(*args, **kwargs)

            with mock.patch.object(store, "query", query):
                await repo.upsert([VectorRecord("a", [1.0] * 64)])
                await repo.query([1.0] * 64)
                await repo.upsert([VectorRecord(str(n), [1.0] * 64) for n in range(12_000)], batch_size=4000)
                await repo.query([1.0] * 64)
            self.assertIs(threads[0], threading.current_thread())
            self.assertIsNot(threads[1], threading.current_thread())

    async def test_a_busy_collection_is_never_waited_for_in_the_loop(self) -> None:
        """E8: while somebody else has it, a brief call goes to a worker thread."""
        store = InMemoryVectorStore()
        repo = AsyncVectorRepository(store, "c", dimension=2)
        with store._collections["c"]._lock:
            counting = asyncio.create_task(repo.count())
            await asyncio.sleep(0)
            self.assertFalse(counting.done())
        self.assertEqual(await counting, 0)

    async def test_opened_once(self) -> None:
        """E1: however many tasks begin at once, overwrite drops what was there once and nothing that they wrote."""
        store = OwnAsyncStore()
        await AsyncVectorRepository(store, "c", dimension=2).upsert([VectorRecord("old", [1, 2])])
        repo = AsyncVectorRepository(store, "c", dimension=2, overwrite=True)
        self.assertEqual(len(store.plain.fetch("c")), 1)  # a constructor can't wait
        await asyncio.gather(*(repo.upsert([VectorRecord(str(n), [1, n])]) for n in range(5)))
        self.assertEqual([one.id for one in await repo.fetch()], ["0", "1", "2", "3", "4"])

    async def test_an_opening_that_failed_is_tried_again(self) -> None:
        """E1: by the next call."""
        store = OwnAsyncStore()
        repo = AsyncVectorRepository(store, "c", dimension=2)
        failing = mock.patch.object(store.plain, "create_collection", side_effect=OSError("no network"))
        with failing, self.assertRaises(OSError):
            await repo.fetch()
        self.assertEqual(await repo.fetch(), [])

    async def test_without_opening(self) -> None:
        """E1: auto_create=False creates nothing, on first use neither."""
        repo = AsyncVectorRepository(OwnAsyncStore(), "c", dimension=2, auto_create=False)
        with self.assertRaises(CollectionNotFoundError):
            await repo.fetch()

    async def test_the_store_for_async(self) -> None:
        """E7: a store that has another form for this face hands it over, and stays the repository's `store`."""
        store = mock.Mock(spec=["for_async", "supports_filters", "id_policy"], supports_filters=True, id_policy="any")
        store.for_async.return_value = OwnAsyncStore()
        repo = AsyncVectorRepository(store, "c", dimension=2)
        await repo.upsert([VectorRecord("a", [1, 2])])
        self.assertEqual(len(await repo.fetch()), 1)
        self.assertIs(repo.store, store)

    async def test_a_memory_store_is_opened_when_the_repository_is_made(self) -> None:
        """E1: as nothing has to wait; so a collection that does not fit is refused there."""
        store = InMemoryVectorStore()
        AsyncVectorRepository(store, "c", dimension=2)
        with self.assertRaises(ValueError):
            AsyncVectorRepository(store, "c", dimension=3)


class Memory(unittest.TestCase):
    """The store in memory, by itself."""

    def test_threads(self) -> None:
        """E7: many threads write, delete and query at once, and nothing is lost or mixed up."""
        for store in (InMemoryVectorStore(), PythonMemoryStore()):
            repo = VectorRepository(store, "c", dimension=4)

            def work(number: int, repo: VectorRepository = repo) -> None:
                for turn in range(40):
                    one = f"{number}-{turn}"
                    repo.upsert([VectorRecord(one, [1, number + 1, turn, 1], {"by": number, "turn": turn})])
                    for found in repo.query([1, number + 1, turn, 1], top_k=3, filters={"by": number}):
                        assert found.payload is not None and found.id == f"{number}-{found.payload['turn']}"
                    if turn % 2:
                        assert repo.delete([one]) == 1

            with ThreadPoolExecutor(4) as threads:
                list(threads.map(work, range(4)))
            self.assertEqual(repo.count(), 80)
            for found in repo.fetch():
                assert found.payload is not None
                self.assertEqual(found.vector, [1, found.payload["by"] + 1, found.payload["turn"], 1])

    def test_arrays(self) -> None:
        """E1 E3: rows of numpy of any kind of number are vectors; what is wrong with them is said as of lists."""
        rows = [np.array([1, 2], kind) for kind in ("f4", "f8", "i4", "u1", "f2")] + [np.array([[1, 9], [2, 9]])[:, 0]]
        for store in (InMemoryVectorStore(), PythonMemoryStore()):
            repo = VectorRepository(store, "c", dimension=2)
            repo.upsert(VectorRecord(str(n), row) for n, row in enumerate(rows))
            self.assertEqual([one.vector for one in repo.fetch()], [[1.0, 2.0]] * len(rows))
            self.assertEqual(len(repo.query(np.array([1.0, 2.0]))), len(rows))
            for error, row in (
                (DimensionError, np.array([1, 2, 3])),
                (DimensionError, np.array([[1, 2]])),
                (VectorValueError, np.array([1, np.nan])),
                (VectorValueError, np.array([1e39, -1e39])),
                (VectorValueError, np.array([0, 0])),
                (VectorValueError, np.array(["1", "2"])),
                (VectorValueError, np.array([1j, 2])),
            ):
                with self.subTest(row=row, store=store), self.assertRaisesRegex(error, "record 1"):
                    repo.upsert([VectorRecord("x", rows[0]), VectorRecord("y", row)])
            self.assertEqual(repo.count(), len(rows))

    def test_an_array_may_change_afterwards(self) -> None:
        """E3: what is stored is independent of it, of one written alone and of many."""
        repo = VectorRepository(InMemoryVectorStore(), "c", dimension=2)
        rows = np.ones((3, 2), np.float32)
        repo.upsert(VectorRecord(str(n), row) for n, row in enumerate(rows))
        repo.upsert([VectorRecord("x", rows[0])])
        rows[:] = 7
        self.assertEqual([one.vector for one in repo.fetch()], [[1.0, 1.0]] * 4)

    def test_it_is_gone_with_its_repository(self) -> None:
        """E7: its memory is free at once, and not when the collector comes by."""
        for repository in (VectorRepository, AsyncVectorRepository):
            store = InMemoryVectorStore()
            seen, repo = weakref.ref(store), repository(store, "c", dimension=2)
            gc.disable()
            try:
                del store, repo
                self.assertIsNone(seen(), repository.__name__)
            finally:
                gc.enable()

    def test_the_store_alone(self) -> None:
        """E8 E4: its methods take what a repository takes: mappings, conditions, any iterable."""
        for store in (InMemoryVectorStore(), PythonMemoryStore()):
            store.create_collection("c", 2, "dot")
            store.upsert("c", (VectorRecord(str(n), [1, n], {"k": n}) for n in range(3)))
            self.assertEqual([one.id for one in store.query("c", [0, 1], filters={"k": 1})], ["1"])
            self.assertEqual([one.id for one in store.query("c", [0, 1], filters=mini_orm.C.ge("k", 1))], ["2", "1"])
            self.assertEqual(store.delete("c", ["0", "9"]), 1)
            self.assertEqual(store.describe_collection("c"), CollectionInfo(2, VectorMetric.DOT))
            self.assertIsNone(store.describe_collection("d"))

    def test_columns_of_values_that_come_and_go(self) -> None:
        """E4: a key whose values are ever new does not grow for ever."""
        for store in (InMemoryVectorStore(), PythonMemoryStore()):
            repo = VectorRepository(store, "c", dimension=1)
            for turn in range(3000):
                repo.upsert([VectorRecord("a", [1], {"k": turn})])
                if turn % 100 == 0:
                    self.assertEqual(repo.count({"k": turn}), 1)
                    self.assertEqual(repo.count(mini_orm.C.lt("k", turn)), 0)
            self.assertEqual(repo.count({"k": 2999}), 1)
            column = store._collections["c"]._index._columns["k"]
            self.assertLess(len(column.values), 1500)

    def test_rounded_queries(self) -> None:
        """E2: a vector that was written finds itself with a score of exactly 1, or 0 under l2."""
        vector = [0.1, 0.2, 0.7]
        for store in (InMemoryVectorStore, PythonMemoryStore):
            for metric, wanted in (("cosine", 1.0), ("l2", 0.0)):
                repo = VectorRepository(store(), "c", dimension=3, metric=metric)
                repo.upsert([VectorRecord("a", vector)])
                self.assertEqual(repo.query(vector)[0].score, wanted)
                self.assertEqual(repo.fetch()[0].vector, array("f", vector).tolist())


class Numpy(unittest.TestCase):
    """With it and without it."""

    def run_alone(self, code: str) -> str:
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return run.stdout.strip()

    def test_it_is_imported_with_the_first_store(self) -> None:
        """Names E7: and neither with mini_orm nor with a user's own store."""
        printed = self.run_alone("""
            import sys, mini_orm
            print("numpy" in sys.modules, "asyncio" in sys.modules)
            mini_orm.VectorRepository(mini_orm.InMemoryVectorStore(), "c", dimension=2)
            print("numpy" in sys.modules, "asyncio" in sys.modules)
        """)
        self.assertEqual(printed, "False False\nTrue False")

    def test_where_it_is_missing(self) -> None:
        """Names E7: the store works all the same."""
        printed = self.run_alone("""
            import sys
            sys.modules["numpy"] = None
            from mini_orm import C, InMemoryVectorStore, VectorRecord, VectorRepository
            repo = VectorRepository(InMemoryVectorStore(), "c", dimension=2)
            repo.upsert([VectorRecord("a", [1, 2], {"k": 1}), VectorRecord("b", [2, 1])])
            print([one.id for one in repo.query([1, 1.5], filters=C.ge("k", 0))], repo.count())
        """)
        self.assertEqual(printed, "['a'] 2")


if __name__ == "__main__":
    unittest.main()
