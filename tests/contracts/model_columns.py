"""Which fields of which class are columns, and what is refused (M3, M6, M11, M12)."""

from __future__ import annotations

import dataclasses
import enum
import gc
import warnings
import weakref
from collections.abc import Callable
from dataclasses import KW_ONLY, InitVar, dataclass, field
from datetime import date
from typing import Any, ClassVar, Optional

from mini_orm import C, MiniOrmError, QueryError, UniqueViolation
from tests.backends import maybe_await
from tests.contracts.models import KEY, ModelMixin


class ColumnsContract(ModelMixin):
    """M3, M6, M11, M12: which fields are columns, of which class, and what is refused."""

    async def test_class_variables_are_no_columns(self) -> None:
        """M3: ClassVar, InitVar and KW_ONLY are never columns, as text (as here) or as objects."""
        module = self.module(
            """
            from dataclasses import KW_ONLY, InitVar, dataclass, field
            from typing import ClassVar

            @dataclass
            class Thing:
                limit: ClassVar[int] = 5
                name: str
                seed: InitVar[int] = 1
                _: KW_ONLY
                made: int = 0
                id: int | None = field(default=None, metadata={"pk": True, "auto": True})

                def __post_init__(self, seed):
                    self.name = self.name or str(seed)
            """
        )

        @dataclass
        class Textual:
            limit: ClassVar[int] = 5
            missing: ClassVar[Nowhere]  # type: ignore[name-defined]  # noqa: F821 - nobody has to resolve it
            name: str
            seed: InitVar[int] = 1
            _: KW_ONLY
            made: int = 0
            id: int | None = field(default=None, metadata=KEY)

            def __post_init__(self, seed: int) -> None:
                self.name = self.name or str(seed)

        for model in (module.Thing, Textual):
            with self.subTest(model.__name__):
                repo = await self.table(model, [model("", 7, made=3)])
                columns = await self.declared(model.__name__.lower())
                self.assertEqual(list(columns), ["name", "made", "id"])
                self.assertEqual(await maybe_await(repo.get(1)), model("7", made=3, id=1))
                for name in ("limit", "seed", "_"):
                    with self.assertRaises(QueryError):
                        await maybe_await(repo.list(where=C.eq(name, 1)))

    async def test_column_false(self) -> None:
        """M3: `column: False` leaves a field out; it may have any type, and a loaded object has its default."""

        class Anything:
            pass

        @dataclass
        class Thing:
            name: str
            cache: Anything | None = field(default=None, metadata={"column": False}, compare=False)
            notes: list[Any] = field(default_factory=lambda: ["fresh"], metadata={"column": False})
            id: int | None = field(default=None, metadata=KEY)

        held = Anything()
        thing = Thing("a", held, ["mine"])
        repo = await self.table(Thing)
        self.assertIs(await maybe_await(repo.insert(thing)), thing)
        self.assertIs(thing.cache, held)
        self.assertEqual(thing.notes, ["mine"])
        self.assertEqual(list(await self.declared("thing")), ["name", "id"])
        row = await maybe_await(repo.get(1))
        self.assertIsNone(row.cache)
        self.assertEqual(row.notes, ["fresh"])
        for call in (
            lambda: repo.list(where=C.eq("cache", 1)),
            lambda: repo.list(order_by="notes"),
            lambda: repo.update_where({"cache": 1}, allow_all=True),
        ):
            with self.assertRaises(QueryError):
                await maybe_await(call())

    async def test_column_renamed(self) -> None:
        """M3: `column` names the column; in Python the field goes by its own name, everywhere."""

        @dataclass
        class Person:
            __indexes__ = [("last_name", "age")]
            first_name: str = field(metadata={"column": "FirstName"})
            last_name: str = field(metadata={"column": "surname", "unique_index": True})
            age: int = field(default=0, metadata={"column": "years"})
            id: int | None = field(default=None, metadata={**KEY, "column": "person_no"})

        repo = await self.table(Person, [Person("Ada", "Lovelace", 36), Person("Alan", "Turing", 41)])
        raw = await maybe_await(self.db.fetchone("SELECT * FROM person WHERE person_no = 1"))
        self.assertEqual(dict(raw), {"FirstName": "Ada", "surname": "Lovelace", "years": 36, "person_no": 1})
        self.assertEqual(await maybe_await(repo.get(2)), Person("Alan", "Turing", 41, 2))
        rows = await maybe_await(repo.list(where=C.gt("age", 40), order_by="-last_name"))
        self.assertEqual([row.id for row in rows], [2])
        self.assertEqual(await maybe_await(repo.update_where({"age": 1}, where=C.eq("first_name", "Ada"))), 1)
        self.assertEqual((await maybe_await(repo.get_or_create(lookup={"last_name": "Turing"})))[0].id, 2)
        for name in ("surname", "years", "person_no", "FirstName"):
            with self.assertRaises(QueryError):
                await maybe_await(repo.list(where=C.eq(name, 1)))

    async def test_two_fields_for_one_column(self) -> None:
        """M3: two fields that name the same column are refused."""

        @dataclass
        class Clash:
            id: int = field(metadata={"pk": True})
            a: int = 0
            b: int = field(default=0, metadata={"column": "a"})

        self.assert_names(await self.refusal(Clash), "Clash", "a", "b")

    async def test_init_false_is_a_column(self) -> None:
        """M3 M4: a `field(init=False)` is a column; what the row holds wins over what `__post_init__` computes."""

        @dataclass
        class Person:
            first: str
            last: str
            full: str = field(init=False)
            visits: int = field(init=False, default=0)
            id: int | None = field(init=False, default=None, metadata=KEY)

            def __post_init__(self) -> None:
                self.full = f"{self.first} {self.last}"

        person = Person("Ada", "Lovelace")
        person.visits = 3
        repo = await self.table(Person, [person])
        self.assertEqual(person.id, 1)
        self.assertEqual(await maybe_await(repo.get(1)), person)
        await maybe_await(self.db.execute("UPDATE person SET \"full\" = 'The Countess'"))
        row = await maybe_await(repo.get(1))
        self.assertEqual((row.full, row.visits, row.id), ("The Countess", 3, 1))
        self.assertEqual(await maybe_await(repo.list(where=C.eq("full", "The Countess"))), [row])

    async def test_subclass_is_its_own_table(self) -> None:
        """M6: a subclass has its base's fields and its own, in the order of `dataclasses.fields`, in its own table."""

        @dataclass
        class Animal:
            __table__ = "beasts"
            __indexes__ = ["name"]
            name: str
            legs: int = 4
            id: int | None = field(default=None, metadata=KEY)

        @dataclass
        class Dog(Animal):
            legs: Optional[int] = None  # type: ignore[assignment]  # redefined: nullable here
            tricks: list[str] = field(default_factory=list)

        statements = await self.create_tables(Animal, Dog)
        self.assertEqual(sum("INDEX" in statement.upper() for statement in statements), 1)
        self.assertEqual(list(await self.declared("dog")), [one.name for one in dataclasses.fields(Dog)])
        self.assertEqual(list(await self.declared("beasts")), [one.name for one in dataclasses.fields(Animal)])
        animals, dogs = self.repo(Animal), self.repo(Dog)
        await maybe_await(dogs.insert(Dog("Rex", None, tricks=["sit"])))
        self.assertEqual(await maybe_await(animals.count()), 0)
        self.assertEqual(await maybe_await(dogs.get(1)), Dog("Rex", None, 1, ["sit"]))
        with self.assertRaises(TypeError) as caught:
            await maybe_await(animals.insert(Dog("Rex")))
        self.assert_names(caught.exception, "Animal", "Dog")

    async def test_class_attributes_count_where_they_are_stated(self) -> None:
        """M6: `__table__` of a base class is not the subclass's, which may state its own."""

        @dataclass
        class Base:
            __table__ = "bases"
            id: int | None = field(default=None, metadata=KEY)
            name: str = field(default="", metadata={"unique_index": True})

        @dataclass
        class Plain(Base):
            pass

        @dataclass
        class Named(Base):
            __table__ = "named_ones"

        await self.create_tables(Base, Plain, Named)
        for table in ("bases", "plain", "named_ones"):
            self.assertEqual(list(await self.declared(table)), ["id", "name"])
        # Field metadata, unlike class attributes, comes with the field.
        repo = self.repo(Plain)
        await maybe_await(repo.insert(Plain(name="x")))
        with self.assertRaises(UniqueViolation):
            await maybe_await(repo.insert(Plain(name="x")))

    async def test_redefined_class_replaces_the_earlier_one(self) -> None:
        """M6: a class defined again, as in a notebook, is read anew; objects of the earlier one are another's."""

        def first() -> Any:
            @dataclass
            class Cell:
                id: int | None = field(default=None, metadata=KEY)
                text: str = ""

            Cell.__qualname__ = "Cell"
            return Cell

        def second() -> Any:
            @dataclass
            class Cell:
                id: int | None = field(default=None, metadata=KEY)
                number: int = 0
                text: str = ""

            Cell.__qualname__ = "Cell"
            return Cell

        earlier, later = first(), second()
        await self.table(earlier, [earlier(text="old")])
        await maybe_await(self.db.execute("DROP TABLE cell"))
        repo = await self.table(later, [later(number=7)])
        self.assertEqual(await maybe_await(repo.get(1)), later(1, 7, ""))
        self.assertEqual(await maybe_await(repo.list(where=C.eq("number", 7))), [later(1, 7, "")])
        with self.assertRaises(TypeError):
            await maybe_await(repo.insert(earlier()))

    async def test_classes_are_held_weakly(self) -> None:
        """M6: a class that was used with a repository, and is not any more, is collected; the database stays open."""
        for slots in (False, True):
            with self.subTest(slots=slots):
                reference = await self._use_and_forget(slots)
                gc.collect()
                self.assertIsNone(reference())
        self.assertEqual(len(await maybe_await(self.db.fetchall("SELECT * FROM fleeting"))), 2)

    async def _use_and_forget(self, slots: bool) -> weakref.ref[type]:
        class Tone(enum.Enum):
            LOW = "low"

        @dataclass(slots=slots)  # type: ignore[literal-required]  # both forms are tried
        class Fleeting:
            __indexes__ = ["name"]
            name: str
            tone: Tone = Tone.LOW
            tags: list[str] = field(default_factory=list)
            id: int | None = field(default=None, metadata=KEY)

        await self.create_tables(Fleeting, if_not_exists=True)
        repo = self.repo(Fleeting)
        await maybe_await(repo.delete_where(allow_all=True))
        one = await maybe_await(repo.insert(Fleeting("a")))
        await maybe_await(repo.insert_many([Fleeting("b"), Fleeting("c")]))
        await maybe_await(repo.update(one))
        await maybe_await(repo.list(where=C.eq("tone", Tone.LOW), order_by="-name", limit=2))
        await maybe_await(repo.get(one.id))
        await maybe_await(repo.count(C.in_("name", ["a", "b"])))
        async with self.transaction() as tx:
            await maybe_await(self.repo(Fleeting, tx).delete(one))
        self.assertEqual(await maybe_await(repo.count()), 2)
        return weakref.ref(Fleeting)

    async def test_class_and_objects_are_never_changed(self) -> None:
        """M12: using a model leaves its class, its fields and its objects' attributes as they were."""

        @dataclass
        class Thing:
            __table__ = "things"
            name: str
            tags: list[str] = field(default_factory=list)
            day: Optional[date] = None
            id: int | None = field(default=None, metadata=KEY)

        def state() -> tuple[dict[str, Any], list[str], dict[str, Any]]:
            fields = dataclasses.fields(Thing)
            return dict(vars(Thing)), [repr(one) for one in fields], dict(Thing.__annotations__)

        before = state()
        repo = await self.table(Thing, [Thing("a")])
        one = await maybe_await(repo.insert(Thing("b", ["x"], date(2024, 1, 1))))
        await maybe_await(repo.update(one))
        row = await maybe_await(repo.get(one.id))
        await maybe_await(repo.list(where=C.ne("name", "z"), order_by="name"))
        await maybe_await(repo.delete(row))
        self.assertEqual(state(), before)
        for obj in (one, row):
            self.assertEqual(vars(obj), {"name": "b", "tags": ["x"], "day": date(2024, 1, 1), "id": 2})

    async def test_no_dataclass(self) -> None:
        """M12: what is no dataclass is a ModelError that is a TypeError and a MiniOrmError."""

        class Plain:
            id: int

        @dataclass
        class Thing:
            id: int = field(default=1, metadata={"pk": True})

        for wrong in (Plain, dict, int, enum.Enum, Thing(), "thing", None, 5, {"id": int}):
            with self.subTest(repr(wrong)):
                error = await self.refusal(wrong)
                self.assertIsInstance(error, TypeError)
                self.assertIsInstance(error, MiniOrmError)
                self.assertIn("dataclass", str(error))

    async def test_misspelt_metadata_key_warns(self) -> None:
        """M11: an unknown key that is close to a known one warns, naming model, field, key and the known one."""
        for wrong, right in (
            ("uniqe_index", "unique_index"),
            ("unique_indx", "unique_index"),
            ("max_lenght", "max_length"),
            ("server_defualt", "server_default"),
            ("on_delte", "on_delete"),
            ("colum", "column"),
        ):
            with self.subTest(wrong):
                spec: Any = field(default=None, metadata={wrong: 5})
                model = dataclasses.make_dataclass(
                    "Spelt", [("id", int, field(metadata={"pk": True})), ("name", Optional[str], spec)]
                )
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    await self.create_tables(model, if_not_exists=True)
                texts = [str(one.message) for one in caught if issubclass(one.category, UserWarning)]
                self.assertEqual(len(texts), 1, texts)
                for part in ("Spelt", "name", wrong, right):
                    self.assertIn(part, texts[0])

    async def test_flags_are_true_or_false(self) -> None:
        """M11: what is neither is refused, as text would be true; `None` says nothing."""

        @dataclass
        class Other:
            id: int = field(metadata={"pk": True})

        flags = ("pk", "auto", "index", "unique_index", "one_to_one", "timezone")
        for key in flags:
            for wrong in ("yes", "False", 1, 0, []):
                metadata = {"fk": (Other, "id"), "unique_index": True, key: wrong}
                model = dataclasses.make_dataclass(
                    "Odd", [("id", int, field(metadata={"pk": True})), ("it", int, field(metadata=metadata))]
                )
                with self.subTest(key=key, wrong=wrong):
                    error = await self.refusal(model)
                    self.assert_names(error, "Odd", "it", f"{key} is True or False, not {type(wrong).__name__}")

        @dataclass
        class Thing:
            id: int = field(metadata={"pk": True})
            it: int = field(default=0, metadata=dict.fromkeys(flags))

        await self.table(Thing, [Thing(1)])

    async def test_foreign_metadata_is_left_alone(self) -> None:
        """M11: keys of other libraries, and keys that are no text, warn of nothing."""

        @dataclass
        class Thing:
            id: int = field(metadata={"pk": True})
            name: str = field(default="", metadata={"label": "Name", "widget": "textarea", 5: 6, ("a",): "b", None: 1})

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            await self.table(Thing, [Thing(1)])

    async def test_type_without_a_column_form(self) -> None:
        """M11: a type that no column can hold is a ModelError with model, field and a hint."""

        class Custom:
            pass

        for wrong in (complex, object, Custom, Any, type, range, Callable[[], int], Custom | None, Optional[complex]):
            with self.subTest(repr(wrong)):
                model = dataclasses.make_dataclass(
                    "Odd", [("id", int, field(metadata={"pk": True})), ("strange", wrong, field(default=None))]
                )
                error = await self.refusal(model)
                self.assert_names(error, "Odd", "strange")
                self.assertRegex(str(error), "codec|db_type|column")
