"""What PgVectorStore has beside other stores: tables, transactions, indexes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest import mock

from mini_orm import (
    C,
    CollectionExistsError,
    CollectionNotFoundError,
    ConfigurationError,
    DimensionError,
    PgVectorStore,
    TransactionError,
    UnsupportedFilterError,
    VectorError,
    VectorIdError,
    VectorRecord,
)
from mini_orm.vectors.stores import pgvector_filters, pgvector_sql
from mini_orm.vectors.stores.pgvector_indexes import VectorIndex
from mini_orm.vectors.stores.pgvector_ops import COPIED
from mini_orm.vectors.stores.pgvector_sql import CATALOGUE
from tests.backends import maybe_await

if TYPE_CHECKING:
    from tests.vector_backends import VectorCase
    from tests.vector_backends.pgvector import PgVectorPsycopg

    class Case(VectorCase):
        backend: PgVectorPsycopg
else:
    Case = object


@dataclass
class Article:
    title: str
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


class PgVectorCase(Case):
    """The helpers of the contracts below."""

    @property
    def db(self) -> Any:
        return self.backend.db

    @contextlib.asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncIterator[Any]:
        """Open a transaction on either face."""
        scope = self.db.transaction(**options)
        if self.backend.face == "async":
            async with scope as tx:
                yield tx
        else:
            with scope as tx:
                yield tx

    async def another(self) -> Any:
        """Open another connection to the same database."""
        db = await self.backend.database.open()
        self.addAsyncCleanup(self.backend.shut, db)
        return db

    async def sql(self, text: str, db: Any = None) -> Any:
        """Run SQL; return its rows."""
        return (await maybe_await((self.db if db is None else db).execute(text))).fetchall()

    async def together(self, works: Sequence[Callable[[], Any]]) -> list[Any]:
        """Do works at the same time: in threads, or in tasks."""
        if self.backend.face == "async":
            return await asyncio.gather(*(work() for work in works))
        return await asyncio.gather(*(asyncio.to_thread(work) for work in works))

    async def refused_with(self, error: type[BaseException], text: str, call: Any, *args: Any, **options: Any) -> None:
        self.assertIn(text, str(await self.refused(error, call, *args, **options)))


def records(count: int, *, start: int = 0) -> list[VectorRecord]:
    return [VectorRecord(f"{n:05}", [math.cos(n / 900), math.sin(n / 900)], {"n": n}) for n in range(start, count)]


class PgVectorTransactionContract(PgVectorCase):
    """Rows and vectors commit together."""

    async def test_rows_and_vectors_together(self) -> None:
        """E7 R6: whether the store is on `tx`, or on the database whose transaction is open."""
        articles = self.backend.database.repository(self.db, Article, auto_schema=True)
        await maybe_await(articles.count())
        await self.repo()
        for number, where in enumerate(("tx", "db")):
            for fails in (True, False):
                with contextlib.suppress(ZeroDivisionError):
                    async with self.transaction() as tx:
                        store = PgVectorStore(tx) if where == "tx" else self.store
                        rows = self.backend.database.repository(tx, Article)
                        row = await maybe_await(rows.insert(Article(where)))
                        await maybe_await(store.upsert("things", [VectorRecord(f"{row.id:03}", [1, 2])]))
                        self.assertEqual(await maybe_await(store.count("things")), number + 1)
                        if fails:
                            raise ZeroDivisionError
                there = number if fails else number + 1
                self.assertEqual(await maybe_await(self.store.count("things")), there)
                self.assertEqual(await maybe_await(articles.count()), there)

    async def test_bulk_in_a_transaction(self) -> None:
        """E3 E7: many records more than once; nothing is left behind, and a rollback takes all."""
        await self.repo()
        for fails in (True, False):
            with contextlib.suppress(ZeroDivisionError):
                async with self.transaction():
                    await maybe_await(self.store.upsert("things", records(COPIED)))
                    await maybe_await(self.store.upsert("things", records(COPIED * 2)))
                    if fails:
                        raise ZeroDivisionError
            self.assertEqual(await maybe_await(self.store.count("things")), 0 if fails else COPIED * 2)
        self.assertEqual(await self.sql("SELECT 1 FROM pg_class WHERE relname = '_miniorm_pgvector_rows'"), [])

    async def test_collections_of_a_transaction(self) -> None:
        """E1 E7: one that was made, or made anew, and rolled back; in the open transaction it is what was made."""
        await self.repo("old")
        await maybe_await(self.store.upsert("old", records(1)))
        with contextlib.suppress(ZeroDivisionError):
            async with self.transaction():
                await maybe_await(self.store.create_collection("new", 2))
                await maybe_await(self.store.upsert("new", records(3)))
                await maybe_await(self.store.create_collection("old", 3, "l2", overwrite=True))
                await maybe_await(self.store.upsert("old", [VectorRecord("a", [1, 2, 3])]))
                [found] = await maybe_await(self.store.query("old", [1, 2, 4]))
                self.assertEqual(found.score, -1.0)
                raise ZeroDivisionError
        await self.refused(CollectionNotFoundError, self.store.fetch, "new")
        self.assertEqual([one.id for one in await maybe_await(self.store.query("old", [1, 0]))], ["00000"])

    async def test_what_is_not_there_leaves_the_transaction_alone(self) -> None:
        """E1 R6: the transaction goes on after a CollectionNotFoundError, and after what was refused before it."""
        await self.repo()
        async with self.transaction():
            await maybe_await(self.store.upsert("things", records(1)))
            for call, arguments in ((self.store.query, ([1, 2],)), (self.store.upsert, (records(1),))):
                await self.refused(CollectionNotFoundError, call, "nowhere", *arguments)
            await self.refused(CollectionExistsError, self.store.create_collection, "things", 2)
            await self.refused(DimensionError, self.store.upsert, "things", [VectorRecord("a", [1])])
        self.assertEqual(await maybe_await(self.store.count("things")), 1)

    async def test_read_only(self) -> None:
        """E7 X1: nothing is written in a read-only transaction; reading works."""
        await self.repo()
        await maybe_await(self.store.upsert("things", records(2)))
        async with self.transaction(read_only=True):
            self.assertEqual(len(await maybe_await(self.store.query("things", [1, 0]))), 2)
            for count in (1, COPIED):
                await self.refused(TransactionError, self.store.upsert, "things", records(count))

    async def test_the_same_records_at_once(self) -> None:
        """E3 E7: who writes and deletes the same records in another order waits, and there is no deadlock."""
        await self.repo()
        stores = [self.store, *[PgVectorStore(await self.another()) for _ in range(2)]]
        draws, sizes = random.Random(7), (0, 15, 60)

        def shuffled(count: int) -> list[VectorRecord]:
            return draws.sample(records(count), count)

        for _ in range(4):
            works = [
                functools.partial(one.upsert, "things", shuffled(size)) for one, size in zip(stores, sizes, strict=True)
            ]
            works[0] = functools.partial(self.store.delete, "things", [one.id for one in shuffled(60)])
            await self.together(works)
        # Whose turn was last decides how many are left; each is there once, and can be written and deleted.
        await maybe_await(self.store.upsert("things", shuffled(60)))
        self.assertEqual(await maybe_await(self.store.count("things")), 60)
        self.assertEqual(await maybe_await(self.store.delete("things", [one.id for one in records(60)])), 60)

    async def test_made_at_once(self) -> None:
        """E1 E7: of several who make the same collection one does, and the others find it."""
        stores = [self.store, *[PgVectorStore(await self.another()) for _ in range(2)]]

        def attempt(store: PgVectorStore) -> Any:
            if self.backend.face == "async":
                return self.outcome(store)
            return asyncio.run(self.outcome(store))

        found = await self.together([functools.partial(attempt, one) for one in stores])
        self.assertEqual(sorted(found), ["exists", "exists", "made"])

    async def outcome(self, store: PgVectorStore) -> str:
        try:
            await maybe_await(store.create_collection("raced", 2))
        except CollectionExistsError:
            return "exists"
        return "made"


class PgVectorTableContract(PgVectorCase):
    """Collections are tables."""

    async def test_the_table(self) -> None:
        """E7: the columns and the catalogue are there for everybody's SQL."""
        await self.repo("things", dimension=2, metric="dot")
        await maybe_await(self.store.upsert("things", [VectorRecord("a", [1, 2], {"k": 1}), VectorRecord("b", [3, 4])]))
        self.assertEqual(
            await self.sql("SELECT id, embedding::text, payload::text FROM things ORDER BY id"),
            [("a", "[1,2]", '{"k": 1}'), ("b", "[3,4]", None)],
        )
        self.assertEqual(await self.sql(f"SELECT * FROM {CATALOGUE}"), [("things", 2, "dot")])

    async def test_names(self) -> None:
        """E1 E7: any text that PostgreSQL keeps whole, with its schema before a dot; else a ValueError."""
        other = self.backend.database.other("other")["schema"]
        names: list[Any] = [
            "Order",
            'a "b"',
            "100% %s",
            "x'; --",
            "ü" * 31,
            f"{other}.things",
            "things",
            f"{other}.a.b",
        ]
        for place, name in enumerate(names):
            repo = await self.repo(name)
            await maybe_await(repo.upsert([self.record(place, [1, place])]))
        for place, name in enumerate(names):
            with self.subTest(name=name):
                repo = await self.repo(name)
                found = await maybe_await(repo.query([1, place], filters={"none": None}))
                self.assertEqual(self.numbers(found), [place])
                await maybe_await(repo.upsert([self.record(n, [1, 1]) for n in range(COPIED)]))
                self.assertEqual(await maybe_await(repo.delete([self.backend.id(place)])), 1)
                await maybe_await(repo.create_collection(overwrite=True))
        wrong: list[Any] = [
            "",
            "a.",
            ".a",
            "x" * 64,
            "a\0b",
            "\ud800",
            "." + "x" * 64,
            CATALOGUE,
            f"{other}.{CATALOGUE}",
            7,
        ]
        for name in wrong:
            with self.subTest(name=name):
                await self.refused(ValueError, self.store.create_collection, name, 2)
                await self.refused(ValueError, self.store.fetch, name)

    async def test_schemas(self) -> None:
        """E7: one that is not there is not made."""
        await self.refused_with(VectorError, "no schema 'nowhere'", self.store.create_collection, "nowhere.things", 2)
        await self.refused(CollectionNotFoundError, self.store.fetch, "nowhere.things")

    async def test_the_search_path(self) -> None:
        """E7: a name without a schema is looked for along the search path of now, in every call of a store."""
        home, other = self.backend.database.schema, self.backend.database.other("other")["schema"]
        for schema in (home, other):
            await self.sql(f'SET search_path TO "{schema}"')
            repo = await self.repo(metric="dot" if schema == home else "l2")
            await maybe_await(repo.upsert([VectorRecord(schema, [3, 4])]))
            await maybe_await(repo.fetch())
        for schema, score in ((home, 25.0), (other, 0.0), (home, 25.0)):
            await self.sql(f'SET search_path TO "{schema}"')
            for count in (1, COPIED):
                await maybe_await(self.store.upsert("things", [VectorRecord(f"{n}", [1, 0]) for n in range(count)]))
                self.assertEqual(await maybe_await(self.store.count("things")), 1 + count)
                self.assertEqual(await maybe_await(self.store.delete("things", [str(n) for n in range(count)])), count)
            self.assertEqual([one.id for one in await maybe_await(self.store.fetch("things"))], [schema])
            [found] = await maybe_await(self.store.query("things", [3, 4]))
            self.assertEqual((found.id, found.score), (schema, score))

    async def test_what_is_no_collection(self) -> None:
        """E1 E7: a table of the user's is refused, and never dropped; neither is a view, or one that looks alike."""
        await self.repo("other")
        await self.sql("CREATE TABLE mine (id text); INSERT INTO mine VALUES ('kept')")
        await self.sql("CREATE VIEW seen AS SELECT * FROM mine")
        await self.sql("CREATE TABLE alike (LIKE other INCLUDING ALL)")
        for name in ("mine", "seen", "alike"):
            for overwrite in (False, True):
                call = self.store.create_collection
                await self.refused_with(VectorError, "no collection", call, name, 2, overwrite=overwrite)
            self.assertIsNone(await maybe_await(self.store.describe_collection(name)))
            await self.refused(CollectionNotFoundError, self.store.query, name, [1, 2])
        self.assertEqual(await self.sql("SELECT * FROM mine"), [("kept",)])

    async def test_dropped_by_hand(self) -> None:
        """E1 E7: is a CollectionNotFoundError, with the database's error as its cause; it can be made again."""
        repo = await self.repo()
        await maybe_await(repo.upsert(records(2)))
        await self.sql("DROP TABLE things")
        error = await self.refused(CollectionNotFoundError, repo.query, [1, 2])
        self.assertIsNotNone(error.__cause__)
        self.assertIsNone(await maybe_await(self.store.describe_collection("things")))
        again = await self.repo(dimension=3)
        self.assertEqual(await maybe_await(again.count()), 0)

    async def test_a_table_in_the_place_of_a_collection(self) -> None:
        """E1 E7: what somebody made in the place of one that was dropped by hand is no collection, and stays."""
        await self.repo(dimension=2)
        [(kind,)] = await self.sql(
            "SELECT atttypid::regtype::text FROM pg_attribute "
            "WHERE attrelid = 'things'::regclass AND attname = 'embedding'"
        )
        for columns in (f"id int, embedding {kind}(2)", f"id text, embedding {kind}(3), payload jsonb"):
            with self.subTest(columns=columns):
                await self.sql("DROP TABLE things")
                await self.sql(f"CREATE TABLE things ({columns}); INSERT INTO things (id) VALUES ('7')")
                call = self.store.create_collection
                await self.refused_with(VectorError, "no collection", call, "things", 2, overwrite=True)
                self.assertEqual(len(await self.sql("SELECT * FROM things")), 1)

    async def test_made_anew_by_another(self) -> None:
        """E1 E2: a store that knew the collection from before answers by its new metric and dimension."""
        await self.repo(metric="cosine")
        await maybe_await(self.store.upsert("things", [VectorRecord("a", [3, 4])]))
        await maybe_await(self.store.query("things", [3, 4]))
        other = PgVectorStore(await self.another())
        for dimension, metric, score in ((2, "dot", 25.0), (3, "l2", 0.0)):
            vector = [3, 4, 0][:dimension]
            await maybe_await(other.create_collection("things", dimension, metric, overwrite=True))
            await maybe_await(other.upsert("things", [VectorRecord("a", vector)]))
            [found] = await maybe_await(self.store.query("things", vector))
            self.assertEqual(found.score, score)

    async def test_the_extension(self) -> None:
        """E7: is made where it is missing, unless that is not wanted; without it nothing is made."""
        with contextlib.suppress(ZeroDivisionError):
            async with self.transaction() as tx:
                await self.sql("DROP EXTENSION vector CASCADE", tx)
                bare = PgVectorStore(tx, ensure_extension=False)
                await self.refused_with(ConfigurationError, "CREATE EXTENSION", bare.create_collection, "things", 2)
                await maybe_await(PgVectorStore(tx).create_collection("things", 2))
                await maybe_await(bare.upsert("things", records(2)))
                self.assertEqual(await maybe_await(bare.count("things")), 2)
                raise ZeroDivisionError

    async def test_dimensions(self) -> None:
        """E1: what pgvector can't hold is a ValueError."""
        await self.refused_with(ValueError, "16000", self.store.create_collection, "things", 16_001)
        indexed = PgVectorStore(self.db, index="hnsw")
        await self.refused_with(ValueError, "4000", indexed.create_collection, "things", 4001)

    async def test_few_and_many(self) -> None:
        """E3: one statement or COPY, each writes what the other does; of a repeated id the last counts."""
        for count in (1, COPIED - 1, COPIED, COPIED * 3):
            repo = await self.repo(f"of {count}")
            doubled = [*records(count), *(VectorRecord(one.id, [0.1, 0.2], None) for one in records(count)[::2])]
            await maybe_await(repo.upsert(doubled))
            found = await maybe_await(repo.fetch())
            self.assertEqual([one.id for one in found], [one.id for one in records(count)])
            self.assertEqual([one.payload for one in found[1::2]], [one.payload for one in records(count)[1::2]])
            for one in found[::2]:
                self.assertEqual((one.vector, one.payload), ([0.10000000149011612, 0.20000000298023224], None))

    async def test_values_keep_their_types(self) -> None:
        """E6: ints of any size, floats that JSON writes with an exponent, texts that look like numbers."""
        values = [10**400, -(10**30), 2**53 + 1, 1e16, -1.5e300, 5e-324, 1e-7, 1.0, 0.1, 1e22, "1e+22", 'a"1e+22', "\\"]
        values += [[1e16, 1], {"a": 1e17, "b\\u0000": "\\u0000"}, True, "日本🙂"]
        repo = await self.repo()
        await maybe_await(repo.upsert([self.record(n, [1, n], {"k": one}) for n, one in enumerate(values)]))
        found = await maybe_await(repo.fetch())
        self.assertEqual([repr(one.payload["k"]) for one in found], [repr(one) for one in values])
        for place, value in enumerate(values):
            with self.subTest(value=place):
                self.assertEqual(self.numbers(await maybe_await(repo.query([1, 0], filters={"k": value}))), [place])
        numbers = [one for one in values if isinstance(one, int | float)]
        for least in (2**53, 1e16, 10**22, 0.1):
            wanted = sum(one > least for one in numbers if one is not True)
            self.assertEqual(await maybe_await(repo.count(C.gt("k", least))), wanted)

    async def test_texts_that_can_not_be_held(self) -> None:
        """E5 E6: NUL and lone surrogates, in payloads at any depth, in ids, and in filters; ids beyond a key's size."""
        repo = await self.repo()
        for value in ("a\0b", "\ud800", ["a\0b"], {"a\0b": 1}, {"a": {"b": "\udfff"}}, 10**5000):
            call = functools.partial(repo.upsert, [self.record(1, [1, 2]), self.record(2, [1, 2], {"the key": value})])
            with self.subTest(value=type(value)):
                error = await self.refused(TypeError, call)
                for text in ("JSON-serializable", "'the key'", "PgVectorStore"):
                    self.assertIn(text, str(error))
        for one in ("a\0b", "\ud800", "x" * 3000):
            await self.refused(VectorIdError, repo.upsert, [VectorRecord(one, [1, 2])])
            await self.refused(VectorIdError, repo.fetch, [one])
            await self.refused(VectorIdError, repo.delete, [one])
        await maybe_await(repo.upsert([VectorRecord("x" * 2600, [1, 2])]))
        for filters in ({"a\0b": 1}, {"k": "a\0b"}, C.lt("k", "\ud800"), C.contains("k", "\0"), C.in_("k", [1, "\0"])):
            await self.refused_with(UnsupportedFilterError, "PgVectorStore", repo.count, filters)
        self.assertEqual(await maybe_await(repo.count()), 1)

    async def test_half_a_filter_never_raises(self) -> None:
        """E4: a value of another kind beside one that is compared does not match, whatever is looked at first."""
        repo = await self.filled([{"k": "a"}, {"k": 5}, {"k": True}, {"k": [5]}, {"k": None}, None])
        for filters, wanted in ((C.gt("k", 1), [1]), (C.ge("k", "a"), [0]), (~C.startswith("k", "b"), [0])):
            self.assertEqual(self.numbers(await maybe_await(repo.query([1, 0], filters=filters))), wanted)


class PgVectorLargeContract(PgVectorCase):
    """Filters that are long."""

    async def test_large_filters(self) -> None:
        """E4 Q6 Q9: lists of 100,000 values, thousands of conditions, a hundred levels; beyond that it is refused."""
        repo = await self.repo()
        await maybe_await(repo.upsert(records(50)))
        self.assertEqual(await maybe_await(repo.count(C.in_("n", range(10, 100_000)))), 40)
        self.assertEqual(await maybe_await(repo.count(C.not_in("n", range(10, 1000)))), 10)
        self.assertEqual(await maybe_await(repo.count(C.or_([C.ge("n", n) for n in range(45, 2045)]))), 5)
        deep: Any = C.eq("n", 1)
        for number in range(49):
            deep = C.or_(C.and_(deep, C.ge("n", 0)), C.eq("n", number))
        self.assertEqual(await maybe_await(repo.count(deep)), 49)
        with mock.patch.object(pgvector_filters, "_MAX_PARAMS", 3):
            await self.refused_with(UnsupportedFilterError, "PgVectorStore", repo.count, C.eq("a", 1) & C.eq("b", 1))


class PgVectorCancelContract(PgVectorCase):
    """A cancelled call leaves the connection as it was."""

    async def test_cancelled_upsert(self) -> None:
        """E3 X6: at whatever step, all is written or nothing, and the connection is there for the next call."""
        repo = await self.repo()
        many = records(2000)
        for steps in (1, 3, 6, 12, 40):
            task = asyncio.ensure_future(repo.upsert(many))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            there = await repo.count()
            self.assertIn(there, (0, len(many)))
            self.assertEqual(await repo.delete([one.id for one in many]), there)


class PgVectorIndexContract(PgVectorCase):
    """Approximate indexes."""

    COUNT = 400
    KINDS = (("hnsw", {"m": 4, "ef_construction": 16, "ef_search": 10}), ("ivfflat", {"lists": 5, "probes": 1}))

    async def indexed(self, kind: str, options: dict[str, int], **flags: Any) -> Any:
        """Make a repository with an index of a kind, and with records whose `n` is higher the farther they are."""
        store = PgVectorStore(self.db, index=kind, index_options=options)
        repo = self.backend.repository(store, kind, dimension=2, overwrite=True, **flags)
        await maybe_await(repo.upsert(records(self.COUNT)))
        await self.sql(f"REINDEX TABLE {kind}; ANALYZE {kind}")
        return repo

    async def numbered(self, repo: Any, **options: Any) -> list[int]:
        return [one.payload["n"] for one in await maybe_await(repo.query([1, 0], **options))]

    async def test_answers_are_never_short(self) -> None:
        """E2 E4 E7: beyond what a search looks at, with filters that keep many, few and none."""
        for kind, options in self.KINDS:
            repo = await self.indexed(kind, options)
            for few in (1000, 3):  # a filter is answered exactly, or by the index
                with self.subTest(kind=kind, few=few), mock.patch.object(pgvector_sql, "_FEW_ROWS", few):
                    for top_k in (1, 10, 200, 1000):
                        self.assertEqual(len(await self.numbered(repo, top_k=top_k)), min(top_k, self.COUNT))
                    for least in (0, 200, 390, 399, 400):
                        found = await self.numbered(repo, top_k=8, filters=C.ge("n", least))
                        self.assertEqual(len(found), min(8, self.COUNT - least))
                        self.assertEqual(found, sorted(found))
                        if few == 1000 or least >= 398:
                            self.assertEqual(found, [*range(least, least + len(found))])
                    many = await maybe_await(repo.query_many([[1, 0], [0, 1]], top_k=3, filters=C.ge("n", 200)))
                    self.assertEqual([len(one) for one in many], [3, 3])

    async def test_before_iterative_scans(self) -> None:
        """E4: an older pgvector has no iterative scans, and a filter is answered exactly."""
        repo = await self.indexed(*self.KINDS[0])
        with (
            mock.patch.object(VectorIndex, "is_iterative", lambda self, version: False),
            mock.patch.object(pgvector_sql, "_FEW_ROWS", 3),
        ):
            self.assertEqual(await self.numbered(repo, filters=C.ge("n", 100)), [*range(100, 110)])
            self.assertEqual(len(await self.numbered(repo, top_k=300)), 300)

    async def test_the_index_is_used(self) -> None:
        """E7: by a query of a store that has it, and by no other, which is exact."""
        index = VectorIndex.of(*self.KINDS[0])
        assert index is not None
        await self.indexed(*self.KINDS[0])
        store = PgVectorStore(self.db, index="hnsw")
        await maybe_await(store.count("hnsw"))
        known = store._known["hnsw"]
        for sql, uses in (
            (pgvector_sql.indexed_sql(known, index, 3, None), True),
            (pgvector_sql.exact_sql(known, 3, None), False),
        ):
            text = sql.replace("%s", "'{1,0}'")
            async with self.transaction() as tx:
                await self.sql("SET LOCAL enable_seqscan = off", tx)
                plan = await self.sql(f"EXPLAIN {text}", tx)
            self.assertEqual("hnsw_embedding_idx" in str(plan), uses)
        # The settings hold before the index is opened: else it would answer with the 10 of its ef_search.
        async with self.transaction() as tx:
            await self.sql("SET LOCAL enable_seqscan = off", tx)
            filtered = pgvector_sql.indexed_sql(known, index, 100, "(payload ->> 'n')::int > 100")
            for sql in (pgvector_sql.indexed_sql(known, index, 200, None), filtered):
                text = sql.replace("%s", "'{1,0}'")
                self.assertIn("hnsw_embedding_idx", str(await self.sql(f"EXPLAIN {text}", tx)))
                self.assertGreaterEqual(len(await self.sql(text, tx)), 100)

    async def test_settings_stay_as_they_are(self) -> None:
        """E7 X2: in the session, and in the caller's transaction."""
        repo = await self.indexed(*self.KINDS[0])
        show = "SELECT current_setting('hnsw.ef_search'), current_setting('hnsw.iterative_scan')"
        before = await self.sql(show)
        await self.numbered(repo, top_k=100)
        self.assertEqual(await self.sql(show), before)
        async with self.transaction() as tx:
            await self.sql("SET LOCAL hnsw.ef_search = 77", tx)
            self.assertEqual(len(await self.numbered(repo, top_k=100)), 100)
            self.assertEqual(await self.sql(show, tx), [("77", "off")])

    async def test_half_precision(self) -> None:
        """E3 E7: beyond 2,000 numbers the index rounds; vectors and scores don't."""
        for kind, options in (("hnsw", {}), ("ivfflat", {"lists": 1})):
            for metric in ("cosine", "dot", "l2"):
                store = PgVectorStore(self.db, index=kind, index_options=options)
                repo = self.backend.repository(store, f"{kind} {metric}", dimension=2001, metric=metric)
                vectors = [[0.1, *[0.3] * n, *[0.0] * (2000 - n)] for n in (10, 20, 30)]
                await maybe_await(repo.upsert([self.record(n, one) for n, one in enumerate(vectors)]))
                self.assertEqual((await maybe_await(repo.fetch()))[0].vector[0], 0.10000000149011612)
                found = await maybe_await(repo.query(vectors[2], top_k=2))
                self.assertEqual(self.numbers(found), [2, 1])
                best = {"cosine": 1.0, "dot": 2.71, "l2": 0.0}[metric]
                self.assertAlmostEqual(found[0].score, best, places=5)

    async def test_options(self) -> None:
        """E7: what pgvector does not know is a ValueError that says what it does."""
        for index, options, text in (
            ("tree", None, "'hnsw', 'ivfflat'"),
            ("hnsw", {"lists": 5}, "'ef_search'"),
            ("hnsw", {"m": 1}, "from 2 to 100"),
            ("hnsw", {"m": True}, "int"),
            ("hnsw", {"m": 40, "ef_construction": 60}, "twice"),
            ("ivfflat", {"probes": 0}, "from 1"),
            (None, {"m": 5}, "index="),
        ):
            with self.subTest(index=index, options=options), self.assertRaises(ValueError) as caught:
                PgVectorStore(self.db, index=index, index_options=options)
            self.assertIn(text, str(caught.exception))
