"""Bulk inserts (B1 to B3): chunks, keys in input order, all or nothing."""

from __future__ import annotations

import collections
import dataclasses
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import mini_orm
from tests.backends import maybe_await, needs
from tests.contracts.crud import Outside, auto_key, pk


@dataclass
class Item:
    n: int = field(metadata={"unique_index": True})
    label: str = ""
    id: int | None = auto_key()


@dataclass(frozen=True)
class Fixed:
    n: int
    id: int | None = auto_key()


@dataclass
class Defaulted:
    n: int
    state: int | None = field(default=None, metadata={"server_default": "5"})
    id: int | None = auto_key()


@dataclass
class Bare:
    id: int | None = auto_key()


@dataclass
class Cell:
    x: int = pk()
    y: str = pk()
    value: int = 0


@dataclass
class Tagged:
    id: uuid.UUID = field(metadata={"pk": True})
    n: int = 0


@dataclass
class Named:
    name: str = pk()
    n: int = 0


class Once:
    """An iterable that may be asked for its iterator once, and notes how far it was read."""

    def __init__(self, items: Any) -> None:
        self.items = list(items)
        self.given = 0
        self.asked = 0

    def __iter__(self) -> Iterator[Any]:
        self.asked += 1
        if self.asked > 1:
            raise AssertionError("iterated twice")
        for item in self.items:
            self.given += 1
            yield item


class InsertManyContract(Outside):
    """B1 B2 B3 on every backend."""

    @property
    def many(self) -> int:
        """How many rows are many: more than one statement takes, of small rows."""
        return self.amount(100_000, 12_000)

    async def test_nothing_is_no_sql(self) -> None:
        """B1: an empty list, tuple or iterator gives `[]` and sends nothing."""
        repo = await self.table(Item, [Item(1)])
        seen = await self.trace()
        for empty in ([], (), {}, iter(()), (Item(n) for n in range(0))):
            with self.subTest(empty=type(empty).__name__):
                self.assertEqual(await maybe_await(repo.insert_many(empty)), [])
        self.assertEqual(seen, [])

    async def test_any_iterable_is_taken(self) -> None:
        """B1: tuples, deques, dictionary views, maps, generators, an iterator of its own."""
        repo = await self.table(Item)

        def items(start: int) -> list[Item]:
            return [Item(n) for n in range(start, start + 3)]

        given: list[Any] = [tuple(items(0)), collections.deque(items(10)), dict(enumerate(items(20))).values()]
        given += [map(Item, range(30, 33)), (Item(n) for n in range(40, 43)), iter(items(50)), Once(items(60))]
        for index, iterable in enumerate(given):
            with self.subTest(iterable=type(iterable).__name__):
                stored = await maybe_await(repo.insert_many(iterable))
                self.assertIsInstance(stored, list)
                self.assertEqual([item.n for item in stored], list(range(index * 10, index * 10 + 3)))
        self.assertEqual(await maybe_await(repo.count()), 3 * len(given))

    async def test_what_is_no_iterable_of_objects_is_refused(self) -> None:
        """B1: one object alone, `None`, or an element of another class is a `TypeError`."""
        repo = await self.table(Item)
        for wrong in (Item(1), None, 3, [Item(1), None], [Item(1), {"n": 2}], [Item(1), Fixed(2)], "ab", [Item]):
            with self.subTest(wrong=wrong), self.assertRaises(TypeError):
                await maybe_await(repo.insert_many(wrong))
        self.assertEqual(self.rows("SELECT count(*) FROM item"), [(0,)])
        self.assert_clean()

    async def test_a_generator_is_consumed_once_and_written_in_chunks(self) -> None:
        """B1: it is read once, to its end, before the write lock is taken: it may use the database itself."""
        repo, many = await self.table(Item), self.many
        seen = await self.trace()
        before_the_end = -1

        def items() -> Iterator[Item]:
            nonlocal before_the_end
            for n in range(many):
                yield Item(n)
            before_the_end = sum("BEGIN" in sql.upper() or "INSERT" in sql.upper() for sql in seen)

        once = Once(Item(n) for n in range(many, many + 1000))
        generator = items()
        stored = await maybe_await(repo.insert_many(generator))
        self.assertEqual(before_the_end, 0)
        self.assertEqual(len(stored), many)
        self.assertIsNone(next(generator, None))
        inserts = [sql for sql in seen if sql.upper().startswith("INSERT")]
        self.assertEqual(len(inserts) > 1, not self.db.dialect.loads_sql)  # a COPY takes all, and sends them in parts
        self.assertLess(max((sql.count("(") for sql in inserts), default=0), self.db.dialect.max_params)
        await maybe_await(repo.insert_many(once))
        self.assertEqual((once.asked, once.given), (1, 1000))
        self.assertEqual(await maybe_await(repo.count()), many + 1000)

    async def test_many_objects_with_keys_in_input_order(self) -> None:
        """B1 B2: many objects come back as they went in, each with the key that its own row has."""
        repo, many = await self.table(Item, [Item(-1, id=10**9)]), self.many
        items = [Item((n * 7919) % many, f"row {n}") for n in range(many)]
        stored = await maybe_await(repo.insert_many(items))
        self.assertEqual(len(stored), many)
        self.assertTrue(all(one is other for one, other in zip(stored, items, strict=True)))
        by_key = {key: (n, label) for key, n, label in self.rows("SELECT id, n, label FROM item WHERE n >= 0")}
        self.assertEqual(by_key, {item.id: (item.n, item.label) for item in items})
        self.assert_clean()

    async def test_wide_rows_stay_below_the_limits(self) -> None:
        """B1: 80,000 values in rows of 200 columns go in, whatever one statement may bind."""
        names = [f"c{n}" for n in range(200)]
        wide = dataclasses.make_dataclass(
            "Wide", [("id", "int | None", auto_key()), *((name, int, field(default=0)) for name in names)]
        )
        repo = await self.table(wide)
        stored = await maybe_await(repo.insert_many([wide(c0=n, c199=-n) for n in range(400)]))
        self.assertEqual(
            self.rows("SELECT id, c0, c199 FROM wide ORDER BY c0"), [(obj.id, obj.c0, obj.c199) for obj in stored]
        )

    async def test_frozen_objects_come_back_as_new_ones(self) -> None:
        """B2 M5: the arguments of a frozen class are untouched."""
        repo = await self.table(Fixed)
        given = [Fixed(n) for n in range(2_000)]
        stored = await maybe_await(repo.insert_many(given))
        self.assertEqual({obj.id for obj in given}, {None})
        self.assertEqual([obj.n for obj in stored], list(range(2_000)))
        self.assertEqual(dict(self.rows("SELECT id, n FROM fixed")), {obj.id: obj.n for obj in stored})

    async def test_given_and_generated_keys_mixed(self) -> None:
        """B2 M8: given keys are kept, generated ones are paired with their rows and clear of the given ones."""
        for name, keys in {
            "low keys among generated": [None, 2, None, None, 5, None],
            "given first": [7, None, None, 3, None],
            "falling": [50, None, 30, None, 10, None],
            "all given": [9, 4, 6],
            "a key that the next chunk would take": [None] * 3_000 + [3_001, None, 3_003, None],
            "negative": [-5, None, None],
        }.items():
            with self.subTest(name):
                db = self.db
                await maybe_await(db.execute("DROP TABLE IF EXISTS item"))
                repo = await self.table(Item)
                items = [Item(n, id=key) for n, key in enumerate(keys)]
                stored = await maybe_await(repo.insert_many(items))
                got = [item.id for item in stored]
                self.assertEqual([item.n for item in stored], list(range(len(keys))))
                self.assertEqual(len(set(got)), len(keys))
                for key, given in zip(got, keys, strict=True):
                    self.assertEqual(key, given if given is not None else key)
                self.assertEqual(
                    self.rows("SELECT id, n FROM item ORDER BY n"), [(key, n) for n, key in enumerate(got)]
                )

    @needs("finds_free_keys")
    async def test_keys_after_the_largest_one(self) -> None:
        """B2 T1: where the largest key is taken already, free keys are found all the same."""
        repo = await self.table(Item)
        await maybe_await(repo.insert(Item(-1, id=2**63 - 1)))
        stored = await maybe_await(repo.insert_many([Item(n) for n in range(50)]))
        self.assertEqual(dict(self.rows("SELECT id, n FROM item WHERE n >= 0")), {item.id: item.n for item in stored})
        self.assertEqual(len(stored), 50)

    async def test_keys_that_the_caller_gives(self) -> None:
        """B2 M7: composite, UUID and str keys are stored as given, in input order."""
        cells = [Cell(n % 10, f"y{n}", n) for n in range(1_500)]
        tagged = [Tagged(uuid.UUID(int=n * 12345678901234567890), n) for n in range(1_500)]
        named = [Named(f"näme {n}", n) for n in range(1_500)]
        for model, objects, order in ((Cell, cells, "value"), (Tagged, tagged, "n"), (Named, named, "n")):
            with self.subTest(model=model.__name__):
                repo = await self.table(model)
                stored = await maybe_await(repo.insert_many(iter(objects)))
                self.assertTrue(all(one is other for one, other in zip(stored, objects, strict=True)))
                self.assertEqual(await maybe_await(repo.list(order_by=order)), objects)

    async def test_none_in_a_given_key_is_refused(self) -> None:
        """B3 M7: a key that is not generated and is `None` in one row refuses them all."""
        for model, good, bad in (
            (Cell, Cell(1, "a"), Cell(1, None)),  # type: ignore[arg-type]  # the mistake under test
            (Named, Named("a"), Named(None)),  # type: ignore[arg-type]
        ):
            repo = await self.table(model)
            with self.subTest(model=model.__name__), self.assertRaises(mini_orm.QueryError):
                await maybe_await(repo.insert_many([good, bad]))
            self.assertEqual(await maybe_await(repo.count()), 0)

    async def test_server_defaults_are_read_back(self) -> None:
        """B2 R1 M9: rows that leave the column out get the server's value on the object, others keep theirs."""
        repo = await self.table(Defaulted)
        states = [None, 0, None, 9, None] * 400
        stored = await maybe_await(repo.insert_many([Defaulted(n, state) for n, state in enumerate(states)]))
        self.assertEqual([obj.state for obj in stored], [5 if state is None else state for state in states])
        self.assertEqual([obj.n for obj in stored], list(range(len(states))))
        rows = self.rows("SELECT id, n, state FROM defaulted ORDER BY n")
        self.assertEqual(rows, [(obj.id, obj.n, obj.state) for obj in stored])

    async def test_rows_of_defaults_only(self) -> None:
        """B2 R1: a model of nothing but an auto key."""
        repo = await self.table(Bare)
        stored = await maybe_await(repo.insert_many([Bare() for _ in range(3_000)]))
        self.assertEqual(sorted(obj.id for obj in stored), [row[0] for row in self.rows("SELECT id FROM bare")])

    async def test_a_duplicate_in_the_last_row_leaves_nothing(self) -> None:
        """B3: of many rows none stays, no object has a key, and the connection is clean."""
        repo = await self.table(Item, [Item(-1)])
        items = [Item(n) for n in range(self.many)]
        items.append(Item(0, "the duplicate"))
        with self.assertRaises(mini_orm.UniqueViolation):
            await maybe_await(repo.insert_many(items))
        self.assertEqual({item.id for item in items}, {None})
        self.assertEqual(self.rows("SELECT n FROM item"), [(-1,)])
        self.assert_clean()
        self.assertEqual(len(await maybe_await(repo.insert_many(items[:-1]))), self.many)

    async def test_a_given_key_that_is_taken_leaves_nothing(self) -> None:
        """B3: also where the duplicate is the key, of a row in the table or of one before it in the list."""
        repo = await self.table(Item, [Item(-1, id=7)])
        for keys in ([None, None, 7], [1, 2, 1], [*[None] * 3_000, 5_000, 5_000]):
            items = [Item(n, id=key) for n, key in enumerate(keys)]
            with self.subTest(last=keys[-2:]):
                with self.assertRaises(mini_orm.UniqueViolation):
                    await maybe_await(repo.insert_many(items))
                self.assertEqual([item.id for item in items], keys)
                self.assertEqual(self.rows("SELECT id, n FROM item"), [(7, -1)])
        self.assert_clean()

    async def test_a_bad_value_in_the_last_row_leaves_nothing(self) -> None:
        """B3 T0: a value of the wrong type, a NULL where none may be, an object of another class."""
        repo = await self.table(Item)
        for bad, error in (
            (Item("7"), mini_orm.CodecError),  # type: ignore[arg-type]  # the mistake under test
            (Item(2**63), mini_orm.CodecError),
            (Item(None), mini_orm.NotNullViolation),  # type: ignore[arg-type]
            (Fixed(1), TypeError),
        ):
            items: list[Any] = [Item(n) for n in range(3_000)]
            with self.subTest(bad=bad):
                with self.assertRaises(error):
                    await maybe_await(repo.insert_many([*items, bad]))
                self.assertEqual({item.id for item in items}, {None})
                self.assertEqual(self.rows("SELECT count(*) FROM item"), [(0,)])
                self.assert_clean()

    async def test_a_generator_that_fails_leaves_nothing(self) -> None:
        """B3 B1: its error reaches the caller as it is, whether it comes first or after 3,000 rows."""
        repo = await self.table(Item)
        error = ZeroDivisionError("from the generator")
        for good in (0, 1, 3_000):
            items = [Item(n) for n in range(good)]

            def failing(items: list[Item] = items) -> Iterator[Item]:
                yield from items
                raise error

            with self.subTest(good=good):
                with self.assertRaises(ZeroDivisionError) as caught:
                    await maybe_await(repo.insert_many(failing()))
                self.assertIs(caught.exception, error)
                self.assertLessEqual({item.id for item in items}, {None})
                self.assertEqual(self.rows("SELECT count(*) FROM item"), [(0,)])
                self.assert_clean()

    async def test_callers_at_once_get_their_own_keys(self) -> None:
        """B2 X4: keys are paired by construction, on one shared connection and on two at once."""
        await self.create_tables(Item)
        databases = [self.db, await self.open()]

        async def work(index: int) -> list[Item]:
            repo = self.repo(Item, databases[index % 2])
            return await maybe_await(repo.insert_many([Item(index * 10_000 + n) for n in range(1_500)]))

        results = await self.together([lambda index=index: work(index) for index in range(6)])
        self.assertEqual([result for result in results if isinstance(result, BaseException)], [])
        expected = {item.id: item.n for result in results for item in result}
        self.assertEqual(len(expected), 6 * 1_500)
        self.assertEqual(dict(self.rows("SELECT id, n FROM item")), expected)
