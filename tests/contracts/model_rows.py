"""Rows and objects: how an object is made, frozen and slots, keys, server defaults (M4, M5, M7, M8, M9)."""

from __future__ import annotations

import dataclasses
import uuid
from dataclasses import InitVar, dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from mini_orm import (
    CodecError,
    NotNullViolation,
    QueryError,
    UniqueViolation,
)
from tests.backends import maybe_await
from tests.contracts.models import KEY, ModelMixin


class ObjectsContract(ModelMixin):
    """M4, M5: the class's own way of making an object is the only one."""

    async def test_init_and_post_init_run_once_for_each_row(self) -> None:
        """M4: `__init__` and `__post_init__` run once for each object that is read, with the row's values."""
        made: list[str] = []

        @dataclass
        class Thing:
            name: str
            id: int | None = field(default=None, metadata=KEY)

            def __post_init__(self) -> None:
                made.append(self.name)

        repo = await self.table(Thing, [Thing("a"), Thing("b")])
        self.assertEqual(made, ["a", "b"])  # inserting makes no further object
        made.clear()
        await maybe_await(repo.get(2))
        self.assertEqual(made, ["b"])
        made.clear()
        await maybe_await(repo.list(order_by="id"))
        self.assertEqual(made, ["a", "b"])
        made.clear()
        await maybe_await(repo.count())
        await maybe_await(repo.exists())
        await maybe_await(repo.update_where({"name": "c"}, allow_all=True))
        self.assertEqual(made, [])

    async def test_post_init_error_reaches_the_caller(self) -> None:
        """M4: what `__post_init__` raises for a row is raised, and leaves the connection clean."""

        @dataclass
        class Thing:
            number: int
            id: int | None = field(default=None, metadata=KEY)

            def __post_init__(self) -> None:
                if self.number < 0:
                    raise StopIteration("negative")  # the one that machinery made of coroutines could swallow

        repo = await self.table(Thing, [Thing(1)])
        await maybe_await(repo.update_where({"number": -1}, allow_all=True))
        for read in (lambda: repo.get(1), lambda: repo.list()):
            try:
                await maybe_await(read())
            except Exception as error:
                chain = [error, error.__cause__, error.__context__]
                self.assertTrue(any(isinstance(one, StopIteration) for one in chain), chain)
            else:
                self.fail("the error of __post_init__ was lost")
        self.assertEqual(await maybe_await(repo.count()), 1)

    async def test_own_init(self) -> None:
        """M4: a class that writes its own `__init__` is made through it."""
        seen: list[tuple[int | None, str]] = []

        @dataclass(init=False)
        class Thing:
            id: int | None = field(metadata=KEY)
            name: str

            def __init__(self, id: int | None = None, name: str = "") -> None:
                seen.append((id, name))
                self.id = id
                self.name = name

        repo = await self.table(Thing, [Thing(name="a")])
        seen.clear()
        row = await maybe_await(repo.get(1))
        self.assertEqual((row.id, row.name), (1, "a"))
        self.assertEqual(seen, [(1, "a")])

    async def test_init_var_gets_its_default(self) -> None:
        """M3 M4: an InitVar has its default when a row becomes an object."""
        seen: list[int] = []

        @dataclass
        class Thing:
            name: str
            scale: InitVar[int] = 3
            id: int | None = field(default=None, metadata=KEY)

            def __post_init__(self, scale: int) -> None:
                seen.append(scale)

        repo = await self.table(Thing, [Thing("a", 7)])
        await maybe_await(repo.get(1))
        self.assertEqual(seen, [7, 3])

    async def test_init_var_without_default(self) -> None:
        """M3 M4: an InitVar that `__init__` can't do without makes a class that no row can become."""

        @dataclass
        class Thing:
            scale: InitVar[int]
            id: int | None = field(default=None, metadata=KEY)

        self.assert_names(await self.refusal(Thing), "Thing", "scale")

    async def test_factories_are_not_called_for_supplied_columns(self) -> None:
        """M4: a default factory is never called for a column that the row has, and is for a field that it has not."""
        calls: list[str] = []

        def make_tags() -> list[str]:
            calls.append("tags")
            return []

        def make_notes() -> list[str]:
            calls.append("notes")
            return []

        @dataclass
        class Thing:
            tags: list[str] = field(default_factory=make_tags)
            maybe: list[str] | None = field(default_factory=make_tags)
            late: list[str] = field(default_factory=make_tags, init=False)
            notes: list[str] = field(default_factory=make_notes, metadata={"column": False})
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Thing, [Thing(["a"], None)])
        calls.clear()
        row = await maybe_await(repo.get(1))
        self.assertEqual((row.tags, row.maybe, row.late, row.notes), (["a"], None, [], []))
        self.assertEqual([call for call in calls if call == "notes"], ["notes"])
        # `__init__` itself makes the field that it does not take.
        self.assertLessEqual(calls.count("tags"), 1)

    async def test_key_is_set_on_the_argument(self) -> None:
        """M5: an object that is not frozen gets its key and is returned, by `insert` and `insert_many`."""

        @dataclass
        class Thing:
            name: str
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Thing)
        one, two, three = Thing("a"), Thing("b"), Thing("c")
        self.assertIs(await maybe_await(repo.insert(one)), one)
        many = await maybe_await(repo.insert_many([two, three]))
        self.assertIs(many[0], two)
        self.assertIs(many[1], three)
        self.assertEqual([one.id, two.id, three.id], [1, 2, 3])

    async def test_frozen(self) -> None:
        """M5: of a frozen object a new one with the key is returned; the argument is untouched."""

        @dataclass(frozen=True)
        class Thing:
            name: str
            seed: InitVar[int] = 0
            late: str = field(init=False, default="late")
            tags: tuple[str, ...] = field(default=(), metadata={"codec": "json"})
            local: str = field(default="", metadata={"column": False})
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Thing)
        one = Thing("a", tags=("x",), local="here")
        object.__setattr__(one, "late", "set later")
        got = await maybe_await(repo.insert(one))
        self.assertIsNot(got, one)
        self.assertIs(type(got), Thing)
        self.assertIsNone(one.id)
        self.assertEqual((got.name, got.late, got.tags, got.local, got.id), ("a", "set later", ("x",), "here", 1))
        two, three = Thing("b"), Thing("c", tags=("y",))
        many = await maybe_await(repo.insert_many([two, three]))
        self.assertEqual([thing.id for thing in many], [2, 3])
        self.assertEqual([(thing.name, thing.tags) for thing in many], [("b", ()), ("c", ("y",))])
        self.assertEqual((two.id, three.id), (None, None))
        read = await maybe_await(repo.get(1))
        self.assertEqual((read.late, read.local), ("set later", ""))
        self.assertEqual(await maybe_await(repo.update(dataclasses.replace(read, name="z"))), 1)
        self.assertEqual((await maybe_await(repo.get(1))).name, "z")

    async def test_slots(self) -> None:
        """M5: slots work, frozen or not, also without `__weakref__`; nothing is attached to an instance."""

        @dataclass(slots=True)
        class Open:
            name: str
            late: int = field(init=False, default=5)
            id: int | None = field(default=None, metadata=KEY)

        @dataclass(slots=True, frozen=True)
        class Shut:
            name: str
            late: int = field(init=False, default=5)
            id: int | None = field(default=None, metadata=KEY)

        for model in (Open, Shut):
            with self.subTest(model.__name__):
                repo = await self.table(model)
                one = await maybe_await(repo.insert(model("a")))
                many = await maybe_await(repo.insert_many([model("b"), model("c")]))
                self.assertEqual([thing.id for thing in (one, *many)], [1, 2, 3])
                await maybe_await(self.db.execute(f"UPDATE {model.__name__.lower()} SET late = 6 WHERE id = 2"))
                row = await maybe_await(repo.get(2))
                self.assertEqual((row.name, row.late, row.id), ("b", 6, 2))
                self.assertFalse(hasattr(row, "__dict__"))
                self.assertEqual(await maybe_await(repo.update(row)), 1)
                self.assertEqual(await maybe_await(repo.delete(row)), 1)

    async def test_objects_without_equality_or_hash(self) -> None:
        """M5 M12: objects need no `__eq__`, no `__hash__`, and one that lies about equality does no harm."""

        @dataclass(eq=False)
        class Liar:
            name: str
            id: int | None = field(default=None, metadata=KEY)

            def __eq__(self, other: object) -> bool:
                raise AssertionError("nobody has to compare")

            def __bool__(self) -> bool:
                return False

        repo = await self.table(Liar)
        await maybe_await(repo.insert(Liar("a")))
        many = await maybe_await(repo.insert_many([Liar("b"), Liar("c")]))
        self.assertEqual([one.id for one in many], [2, 3])
        self.assertEqual(await maybe_await(repo.update(many[0])), 1)
        self.assertEqual([one.name for one in await maybe_await(repo.list(order_by="id"))], ["a", "b", "c"])


class KeysContract(ModelMixin):
    """M7, M8, M9: primary keys and what the server fills in."""

    async def test_no_key(self) -> None:
        """M7: a model without `pk` is a ModelError that names it."""

        @dataclass
        class Keyless:
            id: int
            other: int = field(default=0, metadata={"pk": False})

        self.assert_names(await self.refusal(Keyless), "Keyless", "pk")

    async def test_composite_key(self) -> None:
        """M7: several `pk` fields are one key in field order; `get` takes a tuple or a mapping by field name."""

        @dataclass
        class Seat:
            row: int = field(metadata={"pk": True})
            name: str = ""
            letter: str = field(default="", metadata={"pk": True, "column": "the letter"})

        repo = await self.table(Seat, [Seat(1, "x", "a"), Seat(1, "y", "b"), Seat(2, "z", "a")])
        self.assertEqual(await maybe_await(repo.get((1, "b"))), Seat(1, "y", "b"))
        self.assertEqual(await maybe_await(repo.get({"letter": "a", "row": 2})), Seat(2, "z", "a"))
        self.assertIsNone(await maybe_await(repo.get((2, "b"))))
        self.assertIsNone(await maybe_await(repo.get(None)))
        with self.assertRaises(UniqueViolation):
            await maybe_await(repo.insert(Seat(1, "again", "a")))
        self.assertEqual(await maybe_await(repo.update(Seat(1, "new", "a"))), 1)
        self.assertEqual(await maybe_await(repo.update(Seat(9, "new", "a"))), 0)
        self.assertEqual(await maybe_await(repo.delete(Seat(2, "", "a"))), 1)
        rows = await maybe_await(repo.list(order_by=["row", "letter"]))
        self.assertEqual(rows, [Seat(1, "new", "a"), Seat(1, "y", "b")])

    async def test_composite_key_of_the_wrong_form(self) -> None:
        """M7: wrong arity or wrong names of a composite key are a QueryError, and so are wrong types."""

        @dataclass
        class Seat:
            row: int = field(metadata={"pk": True})
            letter: str = field(metadata={"pk": True})

        repo = await self.table(Seat, [Seat(1, "a")])
        wrong: tuple[Any, ...] = (
            1,
            "a",
            (1,),
            (),
            (1, "a", "b"),
            {"row": 1},
            {},
            {"row": 1, "letter": "a", "more": 2},
            {"row": 1, "lettr": "a"},
            ("a", 1),
            {"row": "1", "letter": "a"},
        )
        for key in wrong:
            with self.subTest(repr(key)), self.assertRaises(QueryError):
                await maybe_await(repo.get(key))

    async def test_single_key_of_the_wrong_form(self) -> None:
        """M7 Q11: a single key is one value of its type."""

        @dataclass
        class Thing:
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Thing, [Thing()])
        for key in ("1", 1.0, True, (1, 2), [1], {"nope": 1}, b"1", object()):
            with self.subTest(repr(key)), self.assertRaises(QueryError):
                await maybe_await(repo.get(key))
        self.assertEqual(await maybe_await(repo.get(1)), Thing(1))

    async def test_keys_of_other_types(self) -> None:
        """M7: a key may be text, a UUID, a date, bytes or a Decimal; it is not filled in."""
        values = {
            str: "it's",
            uuid.UUID: uuid.uuid4(),
            date: date(2024, 2, 29),
            bytes: b"\x00'",
            Decimal: Decimal("1.5"),
        }
        for kind, value in values.items():
            with self.subTest(kind.__name__):
                model = dataclasses.make_dataclass(
                    f"By{kind.__name__}", [("key", kind, field(metadata={"pk": True})), ("number", int)]
                )
                repo = await self.table(model, [model(value, 1)])
                self.assertEqual(await maybe_await(repo.get(value)), model(value, 1))
                self.assertEqual(await maybe_await(repo.update(model(value, 2))), 1)
                with self.assertRaises(UniqueViolation):
                    await maybe_await(repo.insert(model(value, 3)))
                with self.assertRaises(QueryError):
                    await maybe_await(repo.insert(model(None, 3)))
                self.assertEqual(await maybe_await(repo.delete(model(value, 0))), 1)
                self.assertIsNone(await maybe_await(repo.get(value)))

    async def test_auto_in_the_wrong_place(self) -> None:
        """M7: `auto` on a key that is no integer, on one of several keys, or on no key: ModelError."""

        @dataclass
        class Textual:
            key: str | None = field(default=None, metadata=KEY)

        @dataclass
        class Truth:
            key: bool | None = field(default=None, metadata=KEY)

        @dataclass
        class Both:
            key: int | None = field(default=None, metadata=KEY)
            other: int = field(default=0, metadata={"pk": True})

        @dataclass
        class Beside:
            id: int = field(metadata={"pk": True})
            key: int | None = field(default=None, metadata={"auto": True})

        for model in (Textual, Truth, Both, Beside):
            with self.subTest(model.__name__):
                self.assert_names(await self.refusal(model), model.__name__, "key", "auto")

    async def test_auto_key_is_filled_in(self) -> None:
        """M8: `None` is left out and filled in, also where it is the annotation's business that it may be None."""

        @dataclass
        class Thing:
            id: int = field(default=None, metadata=KEY)  # type: ignore[assignment]

        repo = await self.table(Thing)
        self.assertEqual([(await maybe_await(repo.insert(Thing()))).id for _ in range(3)], [1, 2, 3])

    async def test_explicit_auto_key_is_used(self) -> None:
        """M8: an explicit value of an `auto` key is used as given, -7 too, alone and in bulk; 0 where that can be."""

        @dataclass
        class Thing:
            name: str
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Thing)
        if not self.backend.keeps_zero_keys:
            with self.assertRaises(CodecError):
                await maybe_await(repo.insert(Thing("x", 0)))
        for key in (50, *([0] if self.backend.keeps_zero_keys else []), -7, 2**40):
            self.assertEqual((await maybe_await(repo.insert(Thing("x", key)))).id, key)
            self.assertEqual(await maybe_await(repo.get(key)), Thing("x", key))
        mixed = await maybe_await(repo.insert_many([Thing("a"), Thing("b", 7), Thing("c"), Thing("d", -9), Thing("e")]))
        self.assertEqual([thing.name for thing in mixed], ["a", "b", "c", "d", "e"])
        self.assertEqual((mixed[1].id, mixed[3].id), (7, -9))
        self.assertEqual(len({thing.id for thing in mixed}), 5)
        for thing in mixed:
            self.assertEqual(await maybe_await(repo.get(thing.id)), thing)
        with self.assertRaises(UniqueViolation):
            await maybe_await(repo.insert(Thing("again", 50)))
        with self.assertRaises(CodecError):
            await maybe_await(repo.insert(Thing("beyond", 2**63)))

    async def test_key_that_is_not_auto_must_be_given(self) -> None:
        """M8: without `auto`, an integer key that is None is refused before the database makes one up."""

        @dataclass
        class Thing:
            id: int = field(default=None, metadata={"pk": True})  # type: ignore[assignment]
            name: str = ""

        repo = await self.table(Thing)
        with self.assertRaises(QueryError):
            await maybe_await(repo.insert(Thing()))
        with self.assertRaises(QueryError):
            await maybe_await(repo.insert_many([Thing(1), Thing()]))
        self.assertEqual(await maybe_await(repo.count()), 0)

    async def test_server_default(self) -> None:
        """M9 R1: a column left None is left out and read back; a given value is written."""

        @dataclass
        class Post:
            title: str
            state: str | None = field(default=None, metadata={"server_default": "'it''s new'"})
            score: int | None = field(default=None, metadata={"server_default": "40 + 2"})
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Post)
        one = Post("a")
        self.assertIs(await maybe_await(repo.insert(one)), one)
        self.assertEqual((one.state, one.score, one.id), ("it's new", 42, 1))
        two = await maybe_await(repo.insert(Post("b", state="old")))
        self.assertEqual((two.state, two.score), ("old", 42))
        many = await maybe_await(repo.insert_many([Post("c"), Post("d", "old", 1), Post("e", None, 2), Post("f", "x")]))
        expected = [("c", "it's new", 42), ("d", "old", 1), ("e", "it's new", 2), ("f", "x", 42)]
        self.assertEqual([(post.title, post.state, post.score) for post in many], expected)
        for post in (one, two, *many):
            self.assertEqual(await maybe_await(repo.get(post.id)), post)

    async def test_server_default_of_a_frozen_object(self) -> None:
        """M9 M5: the returned object has the server's values, the argument has not."""

        @dataclass(frozen=True, slots=True)
        class Post:
            state: str | None = field(default=None, metadata={"server_default": "'new'"})
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Post)
        one = Post()
        self.assertEqual(await maybe_await(repo.insert(one)), Post("new", 1))
        self.assertEqual(await maybe_await(repo.insert_many([one, Post("x")])), [Post("new", 2), Post("x", 3)])
        self.assertEqual(one, Post(None, None))

    async def test_server_default_of_a_column_that_is_not_null(self) -> None:
        """M9: the default fills a column that has no None in its annotation; `update` can't write NULL there."""

        @dataclass
        class Post:
            key: str = field(metadata={"pk": True})
            score: int = field(default=None, metadata={"server_default": "7"})  # type: ignore[assignment]
            level: int = field(init=False, metadata={"server_default": "8"})

            def __post_init__(self) -> None:
                self.level = None  # type: ignore[assignment]

        repo = await self.table(Post)
        post = await maybe_await(repo.insert(Post("a")))
        self.assertEqual((post.score, post.level), (7, 8))
        post.level = None
        with self.assertRaises(NotNullViolation):
            await maybe_await(repo.update(post))

    async def test_row_of_defaults_only(self) -> None:
        """M9 R1: an object without any value of its own can be inserted, alone and in bulk."""

        @dataclass
        class Tick:
            id: int | None = field(default=None, metadata=KEY)
            count: int | None = field(default=None, metadata={"server_default": "1"})

        @dataclass
        class Bare:
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Tick)
        self.assertEqual(await maybe_await(repo.insert(Tick())), Tick(1, 1))
        self.assertEqual(await maybe_await(repo.insert_many([Tick(), Tick()])), [Tick(2, 1), Tick(3, 1)])
        bare = await self.table(Bare)
        self.assertEqual(await maybe_await(bare.insert(Bare())), Bare(1))
        self.assertEqual(await maybe_await(bare.insert_many([Bare(), Bare()])), [Bare(2), Bare(3)])
