"""Codecs: Enum (T10) and JSON (T11, T12), by type or by `metadata={"codec": …}`."""

from __future__ import annotations

import enum
import math
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Optional

from mini_orm import C, CodecError, F, ModelError, NotNullViolation, QueryError
from tests.backends import maybe_await
from tests.contracts.models import KEY, ModelMixin

JSON: Any = {"codec": "json"}


class Colour(enum.Enum):
    RED = "red"
    BLUE = "it's blue"
    CRIMSON = "red"  # noqa: PIE796 - an alias


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Day(enum.Enum):
    LEAP = date(2024, 2, 29)
    NEW_YEAR = date(2025, 1, 1)


class Switch(enum.Enum):
    ON = True
    OFF = False


class Rate(enum.Enum):
    HALF = Decimal("0.50")
    TEN = Decimal("10")


class Token(enum.Enum):
    ZERO = uuid.UUID(int=0)
    ONE = uuid.UUID(int=1)


@dataclass
class Painted:
    colour: Colour
    level: Level | None = None
    named: Level = field(default=Level.LOW, metadata={"codec": "enum"})
    id: int | None = field(default=None, metadata=KEY)


@dataclass
class Document:
    body: dict[str, Any]
    tags: list[str] = field(default_factory=list)
    maybe: dict[str, Any] | None = None
    id: int | None = field(default=None, metadata=KEY)


class EnumContract(ModelMixin):
    """T10."""

    async def test_stored_as_its_value(self) -> None:
        """T10: the value of the member stands in the column, in the value's own type; the member comes back."""
        repo = await self.table(Painted, [Painted(Colour.BLUE, Level.HIGH, Level.HIGH), Painted(Colour.CRIMSON)])
        raw = await maybe_await(self.db.fetchall("SELECT colour, level, named FROM painted ORDER BY id"))
        self.assertEqual([tuple(row.values()) for row in raw], [("it's blue", 2, 2), ("red", None, 1)])
        rows = await maybe_await(repo.list(order_by="id"))
        self.assertEqual(rows, [Painted(Colour.BLUE, Level.HIGH, Level.HIGH, 1), Painted(Colour.RED, id=2)])
        self.assertIs(rows[1].colour, Colour.RED)

    async def test_members_of_other_types(self) -> None:
        """T10: dates, booleans, decimals and UUIDs as values go through the codec of their own type."""

        @dataclass
        class Odd:
            day: Day
            switch: Switch
            rate: Rate
            token: Token
            id: int | None = field(default=None, metadata=KEY)

        rows = [Odd(Day.LEAP, Switch.ON, Rate.TEN, Token.ONE), Odd(Day.NEW_YEAR, Switch.OFF, Rate.HALF, Token.ZERO)]
        repo = await self.table(Odd, rows)
        declared = await self.declared("odd")
        kinds = ("date", "bool", "decimal", "uuid", "int")
        self.assertEqual(list(declared.values()), [self.db.dialect.types[kind] for kind in kinds])
        self.assertEqual(await maybe_await(repo.list(order_by="id")), rows)
        for name, value in (
            ("day", Day.LEAP),
            ("day", date(2024, 2, 29)),
            ("switch", Switch.ON),
            ("switch", True),
            ("rate", Decimal("10.0")),
            ("token", uuid.UUID(int=1)),
        ):
            found = await maybe_await(repo.list(where=C.eq(name, value)))
            self.assertEqual([row.id for row in found], [1], name)

    async def test_member_or_value(self) -> None:
        """T10: writes and filters take a member or its value."""
        repo = await self.table(Painted)
        await maybe_await(repo.insert(Painted("it's blue", 2, 1)))  # type: ignore[arg-type]
        await maybe_await(repo.insert_many([Painted("red"), Painted(Colour.RED)]))  # type: ignore[arg-type]
        rows = await maybe_await(repo.list(order_by="id"))
        self.assertEqual([row.colour for row in rows], [Colour.BLUE, Colour.RED, Colour.RED])
        self.assertEqual((rows[0].level, rows[0].named), (Level.HIGH, Level.LOW))
        for value in (Colour.BLUE, "it's blue"):
            self.assertEqual(await maybe_await(repo.list(where=C.eq("colour", value))), rows[:1])
            self.assertEqual(await maybe_await(repo.count(C.ne("colour", value))), 2)
            self.assertEqual(await maybe_await(repo.count(C.in_("colour", [value, Colour.RED]))), 3)
            self.assertEqual(await maybe_await(repo.update_where({"colour": value}, where=C.eq("id", 2))), 1)
            self.assertEqual(await maybe_await(repo.update(rows[1])), 1)
        rows[2].level = 1
        self.assertEqual(await maybe_await(repo.update(rows[2])), 1)
        self.assertIs((await maybe_await(repo.get(3))).level, Level.LOW)

    async def test_no_member_when_written(self) -> None:
        """T10 T0: what is no member and no member's value is refused, also a member's name and a lookalike."""
        repo = await self.table(Painted, [Painted(Colour.RED)])
        wrongs: tuple[Any, ...] = ("RED", "Red", "red ", 1, Level.LOW, b"red", ["red"], {})
        for wrong in wrongs:
            with self.subTest(repr(wrong)):
                with self.assertRaises(CodecError) as caught:
                    await maybe_await(repo.insert(Painted(wrong)))
                self.assertEqual(caught.exception.field, "colour")
                self.assertIn("Colour", str(caught.exception))
                with self.assertRaises(CodecError):
                    await maybe_await(repo.update_where({"colour": wrong}, allow_all=True))
                with self.assertRaises(QueryError):
                    await maybe_await(repo.list(where=C.eq("colour", wrong)))
        self.assertEqual(await maybe_await(repo.list()), [Painted(Colour.RED, id=1)])

    async def test_no_member_when_read(self) -> None:
        """T10: a stored value that is no member is a CodecError with table, column, key and value."""

        @dataclass
        class Coat:
            __table__ = "the coats"
            colour: Colour = field(metadata={"column": "the colour"})
            size: int = field(metadata={"pk": True})
            maker: str = field(metadata={"pk": True})

        repo = await self.table(Coat, [Coat(Colour.RED, 1, "a"), Coat(Colour.RED, 2, "b")])
        await maybe_await(self.db.execute('UPDATE "the coats" SET "the colour" = \'gr33n\' WHERE size = 2'))
        self.assertEqual(await maybe_await(repo.get((1, "a"))), Coat(Colour.RED, 1, "a"))
        for read in (lambda: repo.get((2, "b")), lambda: repo.list(order_by="size")):
            with self.assertRaises(CodecError) as caught:
                await maybe_await(read())
            error = caught.exception
            self.assertEqual((error.table, error.column, error.field), ("the coats", "the colour", "colour"))
            self.assertEqual((error.key, error.value), ((2, "b"), "gr33n"))
            for part in ("Coat", "colour", "Colour"):
                self.assertIn(part, str(error))
            self.assertNotIn("gr33n", str(error))
        self.assertEqual(await maybe_await(repo.count()), 2)  # the connection is clean

    async def test_enum_as_a_key(self) -> None:
        """T10 M7: an Enum may be a key; `get` takes a member or its value."""

        @dataclass
        class Tin:
            colour: Colour = field(metadata={"pk": True})
            litres: int = 1

        repo = await self.table(Tin, [Tin(Colour.RED, 5)])
        for key in (Colour.RED, "red"):
            self.assertEqual(await maybe_await(repo.get(key)), Tin(Colour.RED, 5))
        self.assertIsNone(await maybe_await(repo.get(Colour.BLUE)))
        self.assertEqual(await maybe_await(repo.update(Tin(Colour.RED, 6))), 1)
        self.assertEqual(await maybe_await(repo.delete(Tin(Colour.RED))), 1)

    async def test_enum_defined_again(self) -> None:
        """T10: a member of another class of the same name is no member, even with the same value."""
        make: Any = enum.Enum
        twin = make("Colour", {"RED": "red"})
        repo = await self.table(Painted)
        with self.assertRaises(CodecError):
            await maybe_await(repo.insert(Painted(twin.RED)))


class JsonContract(ModelMixin):
    """T11, T12."""

    async def refused(self, value: Any, path: str | None = None) -> None:
        """Hold that a body is refused by every verb that writes, with the path to what was wrong."""
        repo = self.repo(Document)
        for write in (
            lambda: repo.insert(Document(value)),
            lambda: repo.insert_many([Document({}), Document(value)]),
            lambda: repo.update(Document(value, id=1)),
            lambda: repo.update_where({"body": value}, allow_all=True),
        ):
            with self.assertRaises(CodecError) as caught:
                await maybe_await(write())
            self.assertEqual(caught.exception.field, "body")
            self.assertIn("Document", str(caught.exception))
            if path is not None:
                self.assertRegex(str(caught.exception), path)
        self.assertEqual(await maybe_await(repo.list()), [Document({"kept": True}, id=1)])

    async def test_kept(self) -> None:
        """T11: every element that JSON has, in any nest, and numbers keep their kind."""
        body: dict[str, Any] = {
            "": None,
            "a": [True, 1, 1.0, -0.5, "1", None, [], {}, [[]], 2**53 + 1, 1e300],
            "unicode": "𝒳 \u2028 \x01 \\ \" ' %s",
            'it\'s "quoted"': {"a.b": {"$": [{"deep": False}]}},
        }
        repo = await self.table(Document, [Document(body, ["x", "it's"])])
        row = await maybe_await(repo.get(1))
        self.assertEqual((row.body, row.tags), (body, ["x", "it's"]))
        self.assertEqual([type(value) for value in row.body["a"]], [type(value) for value in body["a"]])

    async def test_none_is_null(self) -> None:
        """T11: None is SQL NULL, in a column that takes it; inside it is JSON's null."""
        repo = await self.table(Document, [Document({"a": None}, maybe=None), Document({}, maybe={})])
        raw = await maybe_await(
            self.db.fetchall(f"SELECT CAST(maybe AS {self.backend.text_type}) AS maybe FROM document ORDER BY id")
        )
        self.assertEqual([row["maybe"] for row in raw], [None, "{}"])
        self.assertEqual([row.id for row in await maybe_await(repo.list(where=C.is_null("maybe")))], [1])
        self.assertEqual((await maybe_await(repo.get(1))).body, {"a": None})
        with self.assertRaises(NotNullViolation):
            await maybe_await(repo.insert(Document(None)))  # type: ignore[arg-type]

    async def test_compared_by_value(self) -> None:
        """T11: equality does not depend on the order of keys; JSON can't be ordered or compared with `<`."""
        repo = await self.table(Document, [Document({"a": 1, "b": [1, 2]}), Document({"b": [2, 1], "a": 1})])
        for body, ids in (
            ({"b": [1, 2], "a": 1}, [1]),
            ({"a": 1, "b": [2, 1]}, [2]),
            ({"a": 1}, []),
        ):
            found = await maybe_await(repo.list(where=C.eq("body", body)))
            self.assertEqual([row.id for row in found], ids)
            self.assertEqual(await maybe_await(repo.count(C.in_("body", [body, {"z": 0}]))), len(ids))
        for call in (
            lambda: repo.list(order_by="body"),
            lambda: repo.list(order_by="-tags"),
            lambda: repo.list(where=C.lt("body", {})),
            lambda: repo.list(where=C.between("tags", [], ["z"])),
            lambda: repo.list(where=C.ge("body", F("maybe"))),
        ):
            with self.assertRaises(QueryError):
                await maybe_await(call())

    async def test_numbers_json_has_not(self) -> None:
        """T11: NaN and infinities are refused, with the path."""
        await self.table(Document, [Document({"kept": True})])
        for wrong in (math.nan, math.inf, -math.inf):
            await self.refused({"zebra": [0, 1, 2, wrong]}, r"zebra\W+3")
            await self.refused({"zebra": wrong}, "zebra")

    async def test_keys_json_has_not(self) -> None:
        """T11: keys that are no text are refused, with the path; none is turned into text."""
        await self.table(Document, [Document({"kept": True})])
        for wrong in (1, 1.5, True, None, b"x", (1, 2), Colour.RED, date(2024, 1, 1)):
            with self.subTest(repr(wrong)):
                await self.refused({wrong: 1})
                await self.refused({"zebra": [{wrong: 1}]}, r"zebra\W+0")

    async def test_elements_json_has_not(self) -> None:
        """T11: an element without a JSON form is refused, with the path; none is turned into text."""
        await self.table(Document, [Document({"kept": True})])
        elements = (
            Decimal("1"),
            date(2024, 1, 1),
            datetime(2024, 1, 1),
            uuid.UUID(int=1),
            b"x",
            object(),
            Colour.RED,
            1j,
        )
        for wrong in (*elements, Document, len, iter([]), Document({}), range(3)):
            with self.subTest(type(wrong).__name__):
                await self.refused({"zebra": [0, {"yak": wrong}]}, r"zebra\W+1\W+yak")

    async def test_text_json_has_not(self) -> None:
        """T11 T9: NUL and lone surrogates are refused, in values and in keys, with the path."""
        await self.table(Document, [Document({"kept": True})])
        for wrong in ("nul \0", "\ud800", "\udfff x"):
            with self.subTest(ascii(wrong)):
                await self.refused({"zebra": ["", wrong]}, r"zebra\W+1")
                await self.refused({"zebra": {wrong: 1}}, "zebra")

    async def test_recursion(self) -> None:
        """T11: what contains itself, or is nested beyond reason, is a CodecError and no RecursionError."""
        await self.table(Document, [Document({"kept": True})])
        loop: dict[str, Any] = {}
        loop["zebra"] = [loop]
        await self.refused(loop)
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        try:
            await self.refused({"zebra": deep})
        finally:
            while deep:  # taken apart by hand: not every interpreter frees such a nest kindly
                deep = deep.pop()

    async def test_reasonable_depth(self) -> None:
        """T11: a nest of many levels is kept."""
        deep: Any = "core"
        for level in range(self.backend.json_depth):
            deep = {"in": deep} if level % 2 else [deep]
        repo = await self.table(Document, [Document({"a": deep})])
        self.assertEqual((await maybe_await(repo.get(1))).body, {"a": deep})
        self.assertEqual(await maybe_await(repo.count(C.eq("body", {"a": deep}))), 1)

    async def test_filters_are_checked(self) -> None:
        """T11 Q11: what can't be written can't be asked for."""
        repo = await self.table(Document, [Document({})])
        wrongs: tuple[Any, ...] = ({"a": math.nan}, {1: 2}, {"a": object()}, {"a": "\0"}, [], "{}", 5)
        for wrong in wrongs:
            for where in (C.eq("body", wrong), C.in_("body", [wrong])):
                with self.assertRaises(QueryError):
                    await maybe_await(repo.list(where=where))

    async def test_tuples_and_sets_as_annotated(self) -> None:
        """T11: tuples and sets come back as annotated, at any depth; without annotation as lists."""

        @dataclass
        class Shapes:
            pair: tuple[int, str] = field(metadata=JSON)
            many: tuple[int, ...] = field(metadata=JSON)
            bare_tuple: tuple = field(metadata=JSON)  # type: ignore[type-arg]
            chosen: set[str] = field(metadata=JSON)
            frozen: frozenset[int] = field(metadata=JSON)
            points: list[tuple[int, int]]
            groups: dict[str, set[int]]
            nested: dict[str, list[tuple[set[str], ...]]]
            maybe: list[tuple[int, int] | None]
            optional: Optional[set[int]] = field(metadata=JSON)
            plain: list  # type: ignore[type-arg]
            loose: dict[str, Any]
            id: int | None = field(default=None, metadata=KEY)

        written = Shapes(
            pair=(1, "a"),
            many=(3, 1, 2),
            bare_tuple=(1, "x"),
            chosen={"b", "a", "c"},
            frozen=frozenset({3, 1}),
            points=[(1, 2), (3, 4)],
            groups={"x": {1, 2}, "y": set()},
            nested={"k": [({"p", "q"}, set()), ()]},
            maybe=[(1, 2), None],
            optional={5},
            plain=[(1, 2), {7}],
            loose={"a": (1, (2, 3))},
        )
        repo = await self.table(Shapes, [written])
        row = await maybe_await(repo.get(1))
        for name in (
            "pair",
            "many",
            "bare_tuple",
            "chosen",
            "frozen",
            "points",
            "groups",
            "nested",
            "maybe",
            "optional",
        ):
            self.assertEqual(getattr(row, name), getattr(written, name), name)
            self.assertIs(type(getattr(row, name)), type(getattr(written, name)), name)
        self.assertEqual((row.plain, row.loose), ([[1, 2], [7]], {"a": [1, [2, 3]]}))
        for name in ("chosen", "frozen", "points", "groups", "pair"):
            self.assertEqual(await maybe_await(repo.count(C.eq(name, getattr(written, name)))), 1, name)
        self.assertEqual(await maybe_await(repo.count(C.eq("chosen", {"c", "b", "a"}))), 1)

    async def test_change_in_place_is_saved(self) -> None:
        """T12: a JSON value changed in place is saved by `update`, which writes every column."""
        repo = await self.table(Document, [Document({"n": 1}, ["a"])])
        row = await maybe_await(repo.get(1))
        row.body["n"] = 2
        row.body["more"] = [True]
        row.tags.append("b")
        self.assertEqual(await maybe_await(repo.update(row)), 1)
        again = await maybe_await(repo.get(1))
        self.assertEqual((again.body, again.tags), ({"n": 2, "more": [True]}, ["a", "b"]))

    async def test_stored_is_independent_of_the_object(self) -> None:
        """T12: two reads share nothing, and an object changed after it was written changes no row."""
        document = Document({"a": [1]})
        repo = await self.table(Document, [document])
        document.body["a"].append(2)
        one, two = await maybe_await(repo.get(1)), await maybe_await(repo.get(1))
        self.assertEqual(one.body, {"a": [1]})
        one.body["a"].append(3)
        self.assertEqual(two.body, {"a": [1]})


class CodecChoiceContract(ModelMixin):
    """Codecs: which codec a field has."""

    async def test_codec_by_name(self) -> None:
        """Codecs T10 T11: `codec="json"` and `codec="enum"` say what the type says anyway, or what it can't say."""

        @dataclass
        class Chosen:
            anything: Any = field(metadata=JSON)
            number: int = field(metadata=JSON)
            text: str = field(metadata=JSON)
            listed: list[int] = field(metadata=JSON)
            level: Level = field(metadata={"codec": "enum"})
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(
            Chosen, [Chosen({"a": [1]}, 5, "5", [1], Level.HIGH), Chosen("x", 6, "", [], Level.LOW)]
        )
        declared = await self.declared("chosen")
        types = self.db.dialect.types
        self.assertEqual(list(declared.values())[:5], [*[types["json"]] * 4, types["int"]])
        rows = await maybe_await(repo.list(order_by="id"))
        self.assertEqual(rows[0], Chosen({"a": [1]}, 5, "5", [1], Level.HIGH, 1))
        self.assertEqual(rows[1], Chosen("x", 6, "", [], Level.LOW, 2))

    async def test_unknown_codec(self) -> None:
        """Codecs T10: an unknown codec name is a ValueError that names model, field and codec, and what is allowed."""
        for wrong in ("pickle", "JSON", "", "jsn", 5, True):
            with self.subTest(repr(wrong)):

                @dataclass
                class Odd:
                    value: Any = field(metadata={"codec": wrong})
                    id: int | None = field(default=None, metadata=KEY)

                error = await self.refusal(Odd)
                self.assertIsInstance(error, ValueError)
                self.assert_names(error, "Odd", "value", str(wrong), "json", "enum")

    async def test_enum_codec_without_enum(self) -> None:
        """Codecs T10: the enum codec on what is no Enum is refused."""

        @dataclass
        class Odd:
            value: str = field(metadata={"codec": "enum"})
            id: int | None = field(default=None, metadata=KEY)

        self.assert_names(await self.refusal(Odd), "Odd", "value", "enum")

    async def test_containers_without_codec(self) -> None:
        """M11 T11: a set or tuple without a codec is either kept as annotated or refused with the way out."""

        @dataclass
        class Sets:
            chosen: set[int]
            id: int | None = field(default=None, metadata=KEY)

        try:
            repo = await self.table(Sets, [Sets({1, 2})])
        except ModelError as error:
            self.assert_names(error, "Sets", "chosen", "json")
        else:
            self.assertEqual((await maybe_await(repo.get(1))).chosen, {1, 2})
