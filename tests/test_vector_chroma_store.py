"""The vector contracts on Chroma, and what is Chroma's own."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import io
import itertools
import os
import re
import sys
import tempfile
import threading
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from mini_orm import (
    AsyncVectorRepository,
    C,
    ChromaVectorStore,
    CollectionExistsError,
    DimensionError,
    InMemoryVectorStore,
    MissingDependencyError,
    UnsupportedFilterError,
    VectorError,
    VectorIdError,
    VectorRecord,
    VectorRepository,
    VectorValueError,
)
from mini_orm.vectors.filters import Compared, NoneOf, OneOf, matches
from mini_orm.vectors.stores import chroma_clients
from tests import servers
from tests.contracts.vector_stores import bind_vector_contracts
from tests.contracts.vectors import VectorQueryContract, VectorWriteContract
from tests.servers.server import free_port
from tests.test_readme import python_blocks
from tests.vector_backends import CHROMA_BACKENDS, bind_vectors
from tests.vector_backends.chroma import ChromaServer

HAS_CHROMA = importlib.util.find_spec("chromadb") is not None

bind_vector_contracts(globals(), CHROMA_BACKENDS)
if HAS_CHROMA:  # of the server's client that blocks a part is enough: the rest is as it is in memory
    bind_vectors(globals(), VectorWriteContract, VectorQueryContract, backends=[ChromaServer])

#: Those that Chroma casts from one kind to the other without regard to what is lost, and others.
NUMBERS: list[int | float] = [
    *(0, 0.5, -0.5, 1, 1.5, -1.5, 2, 2**53, 2**53 + 1, 2**53 + 2, float(2**53), -(2**53) - 1, 2**60),
    *(1e19, -1e19, -(2**63), 1e308),
]
#: These can't be in a payload, and be asked for.
OPERANDS = [*NUMBERS, 2**64, 2**70 + 1, 10**400, -(10**400), -(2**64)]


class MissingPackage(unittest.TestCase):
    def test_it_is_named(self) -> None:
        """E7: without chromadb a store can't be made; the error names the extra."""
        with (
            mock.patch.dict(sys.modules, {"chromadb": None}),
            self.assertRaisesRegex(MissingDependencyError, r'pip install "mini_orm\[chroma\]"'),
        ):
            ChromaVectorStore(path=":memory:")


@unittest.skipUnless(HAS_CHROMA, "needs chromadb")
class ChromaCase(unittest.TestCase):
    def setUp(self) -> None:
        self.store = ChromaVectorStore(path=":memory:")
        self.addCleanup(self.store.close)

    def repo(self, name: str = "things", store: Any = None, **options: Any) -> VectorRepository:
        return VectorRepository(store or self.store, name, **{"dimension": 2, **options})

    def directory(self) -> str:
        directory = tempfile.TemporaryDirectory(prefix="mini_orm_chroma_")
        self.addCleanup(directory.cleanup)
        return directory.name

    def at(self, path: str) -> ChromaVectorStore:
        store = ChromaVectorStore(path=path)
        self.addCleanup(store.close)
        return store

    def collection(self, name: str = "things") -> Any:
        """Return a collection as another program has it."""
        return self.store.client.get_collection(name, embedding_function=None)


class Places(ChromaCase):
    """Where a store keeps what it is given."""

    def test_memory(self) -> None:
        """E7: two stores in memory are apart, and one that was closed has forgotten all."""
        self.repo().upsert([VectorRecord("a", [1, 0])])
        with ChromaVectorStore(path=":memory:") as other:
            self.assertIsNone(other.describe_collection("things"))
        self.store.close()
        self.store.close()  # nothing to do
        self.assertIsNone(self.store.describe_collection("things"))

    def test_path(self) -> None:
        """E7: a directory keeps all, whatever the directory of the process becomes; stores share it."""
        directory, before = self.directory(), os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(directory)
        store = self.at("vectors")
        os.chdir(before)
        self.repo(store=store, metric="dot").upsert([VectorRecord("a", [1, 0], {"x": [1]})])
        other = self.at(f"{directory}/vectors")
        self.assertEqual(self.repo(store=other, metric="dot").fetch(["a"])[0].payload, {"x": [1]})
        store.close()
        self.assertEqual(other.count("things"), 1)
        other.close()
        with self.at(f"{directory}/vectors") as again:
            self.assertEqual(self.repo(store=again, metric="dot").query([2, 0])[0].score, 2.0)

    def test_a_path_that_can_not_be(self) -> None:
        """E7 Errors: is a VectorError with Chroma's own as its cause."""
        with tempfile.NamedTemporaryFile() as file, self.assertRaises(VectorError) as caught:
            self.repo(store=self.at(f"{file.name}/below"))
        self.assertIsNotNone(caught.exception.__cause__)

    def test_a_port_needs_a_host(self) -> None:
        """E7: it would be left out otherwise."""
        with self.assertRaises(ValueError):
            ChromaVectorStore(port=8000)

    def test_no_server(self) -> None:
        """E7 Errors: it is opened with the first call, on both faces; that nothing answers is a VectorError."""
        store = ChromaVectorStore(host="127.0.0.1", port=free_port())
        self.addCleanup(store.close)
        with self.assertRaisesRegex(VectorError, "no Chroma server answers"):
            self.repo(store=store)

        async def ask() -> None:
            async with store:
                await AsyncVectorRepository(store, "things", dimension=2).count()

        with self.assertRaisesRegex(VectorError, "no Chroma server answers"):
            asyncio.run(ask())

    @unittest.skipIf(servers.chroma() is None, servers.reason("chroma"))
    def test_event_loops(self) -> None:
        """E7: one store serves several loops, one after the other, and the calls that block as well."""
        store = ChromaVectorStore(**(servers.chroma() or {}))
        self.addCleanup(store.close)
        name = f"mini_orm_test_{os.getpid()}_loops"

        async def ask() -> int:
            repo = AsyncVectorRepository(store, name, dimension=2)
            counts = await asyncio.gather(*(repo.count() for _ in range(3)))
            await store.aclose()
            return counts[0]

        repo = self.repo(name, store)
        self.addCleanup(lambda: store.client.delete_collection(name))
        repo.upsert([VectorRecord("a", [1, 0])])
        self.assertEqual([asyncio.run(ask()), asyncio.run(ask()), repo.count()], [1, 1, 1])

    @unittest.skipIf(servers.chroma() is None, servers.reason("chroma"))
    def test_event_loops_at_once(self) -> None:
        """E7: a loop keeps its connections while another loop uses the store, and closes these alone."""
        store = ChromaVectorStore(**(servers.chroma() or {}))
        self.addCleanup(store.close)
        name = f"mini_orm_test_{os.getpid()}_at_once"
        self.repo(name, store).upsert([VectorRecord("a", [1, 0])])
        self.addCleanup(lambda: store.client.delete_collection(name))
        with (
            asyncio.Runner() as one,
            asyncio.Runner() as other,
            mock.patch.object(chroma_clients, "_AwaitedParts", wraps=chroma_clients._AwaitedParts) as opened,
        ):
            for runner in (one, other, one, other):
                self.assertEqual(runner.run(store.for_async().count(name)), 1)
            one.run(store.aclose())
            self.assertEqual(other.run(store.for_async().count(name)), 1)
            self.assertEqual(opened.call_count, 2)
            other.run(store.aclose())

    @unittest.skipIf(servers.chroma() is None, servers.reason("chroma"))
    def test_tasks(self) -> None:
        """E3: of payloads that tasks write at the same time under one id one is there, and whole."""
        name = f"mini_orm_test_{os.getpid()}_tasks"
        payloads = [{f"k{n}": n, f"l{n}": [n]} for n in range(4)]

        async def write() -> Any:
            async with ChromaVectorStore(**(servers.chroma() or {})) as store:
                repo = AsyncVectorRepository(store, name, dimension=2)
                await repo.upsert([VectorRecord("a", [1, 0], {"old": 1})])
                await asyncio.gather(*(repo.upsert([VectorRecord("a", [1, n], one)]) for n, one in enumerate(payloads)))
                found = await repo.fetch()
                store.client.delete_collection(name)
                return found[0].payload

        self.assertIn(asyncio.run(write()), payloads)


class Collections(ChromaCase):
    def test_names(self) -> None:
        """E1: one that Chroma does not take is a ValueError that says which it takes."""
        for name in ("ab", "a b", "ü-name", ".abc", "abc.", "a..b", "127.0.0.1", "a" * 513, ""):
            with self.subTest(name=name), self.assertRaisesRegex(ValueError, "3 to 512"):
                self.repo(name)
        self.assertEqual(self.repo("A.b-c_" + "d" * 500).count(), 0)

    def test_made_again_by_another(self) -> None:
        """E1: a store goes on with a collection that another one has made anew, by what it is now."""
        directory = self.directory()
        repo = self.repo(store=self.at(directory))
        repo.upsert([VectorRecord("a", [1, 0])])
        other = self.repo(store=self.at(directory), dimension=3, metric="l2", overwrite=True)
        self.assertEqual((repo.count(), repo.fetch(), repo.delete(["a"])), (0, [], 0))
        with self.assertRaises(DimensionError):
            repo.upsert([VectorRecord("a", [1, 0])])
        other.upsert([VectorRecord("b", [1, 2, 3])])
        self.assertEqual([one.id for one in repo.fetch()], ["b"])
        self.repo(store=other.store, dimension=4, metric="dot", overwrite=True)
        self.assertEqual(repo.store.query("things", [0, 0, 0, 0]), [])
        self.repo(store=other.store, dimension=2, metric="dot", overwrite=True)
        repo.store.upsert("things", [VectorRecord("c", [0, 2])])
        self.assertEqual(repo.query([0, 2])[0].score, 4.0)

    def test_made_by_two_at_once(self) -> None:
        """E1: who is the second gets a CollectionExistsError, though it was not there when he looked."""
        self.repo()
        with (
            mock.patch.object(self.store._ops, "_get", side_effect=[None, object()]),
            self.assertRaises(CollectionExistsError) as caught,
        ):
            self.store.create_collection("things", 2)
        self.assertIsNotNone(caught.exception.__cause__)

    def test_of_other_programs(self) -> None:
        """E1: they are opened by what Chroma says of them; their metadata are payloads; an empty one says little."""
        made = self.store.client.create_collection("foreign", embedding_function=None)
        with self.assertRaisesRegex(VectorError, "overwrite=True"):
            self.repo("foreign", metric="l2")
        made.upsert(ids=["a", "b"], embeddings=[[3, 4], [0, 1]], metadatas=[{"x": 1, "tags": ["new", "red"]}, None])
        repo = self.repo("foreign", metric="l2")
        payloads: list[Any] = [{"x": 1, "tags": ["new", "red"]}, None]
        self.assertEqual([one.payload for one in repo.fetch()], payloads)
        self.assertEqual([one.score for one in repo.query([0, 0], filters={"x": 1})], [-5.0])
        self.assertEqual(self.repo("foreign", overwrite=True).count(), 0)


class Payloads(ChromaCase):
    def test_for_other_programs(self) -> None:
        """E3: texts, numbers and bools stand in the metadata under their keys; a replaced payload leaves nothing."""
        repo = self.repo()
        repo.upsert([VectorRecord("a", [1, 0], {"x": 1, "text": "t", "tags": [1], "none": None, "$odd": 2})])
        [metadata] = self.collection().get(ids=["a"])["metadatas"]
        self.assertEqual({key: one for key, one in metadata.items() if ":" not in key}, {"x": 1, "text": "t"})
        repo.upsert([VectorRecord("a", [1, 0], {"y": True})])
        [metadata] = self.collection().get(ids=["a"])["metadatas"]
        self.assertEqual(metadata, {"y": True, "mini_orm:has:y": True})
        repo.upsert([VectorRecord("a", [1, 0])])
        self.assertEqual(self.collection().get(ids=["a"])["metadatas"], [None])

    def test_keys_that_chroma_keeps_for_itself(self) -> None:
        """E3 E4: are keys as others are, and those of this store too."""
        keys = ["", "#document", "$eq", "chroma:document", "mini_orm:json", "mini_orm:key:x", "mini_orm:has:x", "x"]
        repo = self.repo()
        repo.upsert([VectorRecord(str(n), [1, n], {key: n}) for n, key in enumerate(keys)])
        self.assertEqual([one.payload for one in repo.fetch()], [{key: n} for n, key in enumerate(keys)])
        for n, key in enumerate(keys):
            with self.subTest(key=key):
                found = repo.query([1, 0], filters=C.gt(key, n - 0.5) & C.is_not_null(key))
                self.assertEqual([one.id for one in found], [str(n)])

    def test_what_chroma_has_no_form_for(self) -> None:
        """E5 E6: ints beyond 64 bits and lone surrogates are refused before anything is written; in lists they fit."""
        repo = self.repo()
        wrong: list[Any] = [{"k": 2**63}, {"k": -(2**63) - 1}, {"k": "\ud800"}, {"\ud800": 1}, {"k": [10**5000]}]
        for payload in wrong:
            with self.assertRaisesRegex(TypeError, "JSON-serializable"):
                repo.upsert([VectorRecord("a", [1, 0]), VectorRecord("b", [1, 0], payload)])
        with self.assertRaises(VectorIdError):
            repo.upsert([VectorRecord("a", [1, 0]), VectorRecord("\ud800", [1, 0])])
        self.assertEqual(repo.count(), 0)
        payload = {"k": [2**70, "\ud800", 1.0], "least": -(2**63)}
        repo.upsert([VectorRecord("mini_orm:id:", [1, 0], payload), VectorRecord("", [1, 0])])
        self.assertEqual([(one.id, one.payload) for one in repo.fetch()], [("", None), ("mini_orm:id:", payload)])
        self.assertEqual(repo.count({"k": [2**70, "\ud800", 1]}), 1)

    def test_threads(self) -> None:
        """E3: of payloads that threads write at the same time under one id one is there, and whole."""
        repo = self.repo()
        payloads = [{f"k{n}": n, f"l{n}": [n]} for n in range(6)]
        threads = [
            threading.Thread(target=repo.upsert, args=([VectorRecord("a", [1, n], one)],))
            for n, one in enumerate(payloads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertIn(repo.fetch()[0].payload, payloads)


class Filters(ChromaCase):
    def test_numbers(self) -> None:
        """E4: every equality and order among ints and floats that lose something where one is made of the other."""
        repo = self.repo()
        repo.upsert([VectorRecord(str(n), [1, n], {"k": one}) for n, one in enumerate([*NUMBERS, True, "1"])])
        self.store.upsert("things", [VectorRecord("none", [1, 0])])
        values = [*NUMBERS, True, "1", None]
        for operand in OPERANDS:
            leaves: list[Any] = [Compared("k", op, operand) for op in ("<", "<=", ">", ">=")]
            leaves += [OneOf("k", (operand,)), NoneOf("k", (operand,)), NoneOf("k", (operand, 0.5, 2**53))]
            for leaf in leaves:
                with self.subTest(leaf=repr(leaf)[:60]):
                    expected = sum(matches(leaf, {"k": value}) for value in values)
                    self.assertEqual(self.store.count("things", leaf), expected)

    def test_what_is_refused(self) -> None:
        """E4: what Chroma can't say, or not exactly, or what is too much for it, by the store's name."""
        repo = self.repo()
        deep: Any = C.eq("k", 1)
        for n in range(70):
            deep = (C.and_ if n % 2 else C.or_)(deep, C.eq("j", n))
        for condition in (
            *(C.lt("k", "a"), C.between("k", "a", "b"), C.contains("k", "a"), ~C.startswith("k", "a")),
            *(C.eq("k", "\ud800"), C.is_null("\ud800"), C.eq("k", 2**63 - 1), C.gt("k", 2.0**63)),
            *(C.in_("k", range(20_000)), deep),
        ):
            for call in (repo.count, repo.delete_where):
                with self.assertRaisesRegex(UnsupportedFilterError, "ChromaVectorStore does not support"):
                    call(condition)

    def test_wide_groups(self) -> None:
        """E4: groups inside groups, wider than SQLite's own depth, of equalities and of others."""
        repo = self.repo()
        repo.upsert([VectorRecord(str(n), [1, n], {"k": n, "j": [n]}) for n in range(5)])
        self.assertEqual(repo.count(C.or_([C.or_(C.eq("k", n), C.eq("k", f"{n}")) for n in range(3, 3000)])), 2)
        self.assertEqual(repo.count(C.and_([C.ne("k", n) for n in range(3, 3000)])), 3)
        self.assertEqual(repo.count(C.or_([C.gt("k", 1_000_000 + n) for n in range(300)])), 0)
        self.assertEqual(repo.count(C.in_("j", [[1], [4.0], [9]])), 2)


class Searches(ChromaCase):
    def test_full_answers(self) -> None:
        """E2: as many as are wanted and there, where Chroma's index finds some of them alone, or none."""
        records = [VectorRecord(f"{n:02}", [1, n // 10], {"n": n}) for n in range(40)]
        questions: list[tuple[int, Any]] = [(3, None), (40, None), (5000, None), (30, C.ge("n", 10)), (3, {"n": 7})]
        for metric in ("cosine", "dot", "l2"):
            repo = self.repo(f"by_{metric}", metric=metric)
            exact = self.repo(store=InMemoryVectorStore(), metric=metric)
            for each in (repo, exact):
                each.upsert(records)
            for (top_k, filters), kept in itertools.product(questions, (1, 0)):
                with self.subTest(metric=metric, top_k=top_k, filters=filters, kept=kept), self.finding(kept, repo):
                    for vector, found in enumerate(repo.query_many([[1, 0], [0, 1]], top_k=top_k, filters=filters)):
                        wanted = exact.query([1 - vector, vector], top_k=top_k, filters=filters)
                        self.assertEqual(
                            [(one.id, one.payload) for one in found], [(one.id, one.payload) for one in wanted]
                        )
                        for one, other in zip(found, wanted, strict=True):
                            self.assertAlmostEqual(one.score, other.score, places=5)

    @contextlib.contextmanager
    def finding(self, kept: int, repo: VectorRepository) -> Iterator[None]:
        """Have Chroma's searches find no more than the best `kept`, as its index does among many equal vectors."""
        collection = self.store._client.known[repo.collection].collection

        def query(**options: Any) -> Any:
            return {name: part and [one[:kept] for one in part] for name, part in asked(**options).items()}

        asked = collection.query
        with mock.patch.object(collection, "query", query):
            yield

    def test_more_than_chroma_takes_at_once(self) -> None:
        """E3: writing, reading and deleting go in parts."""
        repo = self.repo()
        with mock.patch.object(self.store.client, "get_max_batch_size", return_value=3):
            repo.upsert([VectorRecord(str(n), [1, n]) for n in range(8)])
            self.assertEqual([one.id for one in repo.fetch()], [str(n) for n in range(8)])
            self.assertEqual(repo.delete([str(n) for n in range(1, 20)]), 7)
        self.assertEqual(repo.count(), 1)

    def test_lengths(self) -> None:
        """E1: a vector whose products, or direction, float32 can't tell is a VectorValueError; nothing is written."""
        for metric, wrong in (("cosine", [[1e19, 1], [1e-15, 0]]), ("dot", [[1e19, 0]]), ("l2", [[0, -1e19]])):
            repo = self.repo(f"by_{metric}", metric=metric)
            for vector in wrong:
                with self.assertRaisesRegex(VectorValueError, "record 1"):
                    repo.upsert([VectorRecord("a", [1, 0]), VectorRecord("b", vector)])
                with self.assertRaises(VectorValueError):
                    repo.query(vector)
            self.assertEqual(repo.count(), 0)

    def test_what_chroma_refuses(self) -> None:
        """Errors: is a VectorError that quotes nothing, with Chroma's own as its cause."""
        repo = self.repo()
        refusal = RuntimeError("the secret")
        with mock.patch.object(self.store._client.known["things"].collection, "_client") as server:
            server._count.side_effect = refusal
            with self.assertRaises(VectorError) as caught:
                repo.count()
        self.assertIs(caught.exception.__cause__, refusal)
        self.assertIn("things", str(caught.exception))
        self.assertNotIn("secret", str(caught.exception))


@unittest.skipUnless(HAS_CHROMA, "needs chromadb")
class Page(unittest.TestCase):
    def test_blocks_print_what_their_comments_say(self) -> None:
        """Names E7: every block of docs/vectors_chroma.md runs after those above it."""
        page = Path(__file__).resolve().parent.parent / "docs" / "vectors_chroma.md"
        blocks = [source for _, source in python_blocks(page.read_text(encoding="utf-8"))]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n".join(blocks), str(page), "exec"), {})
        promised = re.findall(r"^print\(.*\)  # (.+)$", "\n".join(blocks), re.MULTILINE)
        self.assertEqual(printed.getvalue().splitlines(), promised)
        self.assertGreaterEqual(len(promised), 3)


if __name__ == "__main__":
    unittest.main()
