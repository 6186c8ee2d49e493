"""Types: what is written is what is read, and what is refused (T0 to T3, T5 to T9, T13)."""

from __future__ import annotations

import datetime as dt
import enum
import math
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal

from mini_orm import C, CodecError, MiniOrmError, QueryError, SQLiteDialect, UniqueViolation, create_table_sql
from tests.backends import maybe_await, needs
from tests.contracts.models import KEY, ModelMixin
from tests.strategies import HOSTILE_TEXT, MAX_INT, MIN_INT

UTC = dt.UTC
AT = datetime(2024, 2, 29, 13, 14, 15, 16)
SOME_UUID = uuid.UUID("00000000-0000-4000-8000-000000000001")
#: A wrong value that no message may quote.
SECRET = "s3cret-v4lue"


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


@dataclass
class Everything:
    """A column of every type."""

    an_int: int = 7
    a_bool: bool = True
    a_float: float = 1.5
    a_decimal: Decimal = Decimal("1.25")
    a_text: str = "text"
    a_short: str = field(default="short", metadata={"max_length": 10})
    some_bytes: bytes = b"\x00\xff"
    a_moment: datetime = AT
    an_aware: datetime = field(default=AT.replace(tzinfo=UTC), metadata={"timezone": True})
    a_date: date = date(2024, 2, 29)
    a_time: time = time(1, 2, 3, 4)
    a_duration: timedelta = timedelta(days=-1, microseconds=1)
    a_uuid: uuid.UUID = SOME_UUID
    a_colour: Colour = Colour.RED
    a_level: Level = Level.LOW
    a_literal: Literal["on", "off"] = "on"
    a_dict: dict[str, Any] = field(default_factory=dict)
    a_list: list[Any] = field(default_factory=list)
    id: int | None = field(default=None, metadata=KEY)


#: For each field of `Everything`, values of another type. Each is refused when written and as a filter.
WRONG: dict[str, tuple[Any, ...]] = {
    "an_int": (SECRET, "7", True, 7.0, Decimal(7), b"7", [7], AT),
    "a_bool": (SECRET, 0, 1, 1.0, "true", b"\x01"),
    "a_float": (SECRET, "1.5", True, Decimal("1.5"), complex(1, 0), b"1"),
    "a_decimal": (SECRET, "1.25", 1.25, True, b"1"),
    "a_text": (7, 1.5, True, b"text", uuid.uuid4(), Colour.RED, ["text"]),
    "a_short": (7, b"short"),
    "some_bytes": (SECRET, 7, [1, 2], uuid.uuid4()),
    "a_moment": (SECRET, "2024-02-29 13:14:15", 0, 0.0, date(2024, 2, 29), time(1, 2), AT.replace(tzinfo=UTC)),
    "an_aware": (SECRET, "2024-02-29 13:14:15+00:00", 0, date(2024, 2, 29), AT),
    "a_date": (SECRET, "2024-02-29", 0, AT, AT.replace(tzinfo=UTC), time(1, 2)),
    "a_time": (SECRET, "01:02:03", 0, AT, timedelta(1)),
    "a_duration": (SECRET, 5, 1.5, time(1, 2)),
    "a_uuid": (SECRET, "00000000-0000-4000-8000-000000000001", 5, b"\x00" * 16),
    "a_colour": (SECRET, "RED", 1, Level.LOW, b"red"),
    "a_level": (SECRET, 3, "1", True, 1.0, Colour.RED),
    "a_dict": (SECRET, "{}", [], 5, b"{}"),
    "a_list": (SECRET, "[]", {}, 5, b"[]"),
}
#: Values of the right type that can't be kept.
BEYOND: dict[str, tuple[Any, ...]] = {
    "an_int": (MAX_INT + 1, MIN_INT - 1, 10**400),
    "a_float": (math.nan, 10**400),
    "a_decimal": tuple(map(Decimal, ("NaN", "sNaN", "-NaN", "Infinity", "-Infinity", "1E+999999", "1E-999999"))),
    "a_text": ("nul \0", "\0", "lone \ud800", "\udfff"),
    "a_short": ("nul \0", "\ud800"),
    "a_duration": (timedelta.max, timedelta.min, timedelta(microseconds=MAX_INT + 1)),
    "an_aware": (datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),),
}
#: Right types and values, but not what the column declares; a filter may ask for them all the same.
UNDECLARED: dict[str, tuple[Any, ...]] = {"a_short": ("x" * 11,), "a_literal": ("idle",)}


class TypesContract(ModelMixin):
    """T0 and each type by itself."""

    async def refused(self, name: str, value: Any) -> None:
        """Hold that the value is refused through every verb that writes, and that nothing was written."""
        repo = self.repo(Everything)

        async def insert() -> None:
            await maybe_await(repo.insert(Everything(**{name: value})))

        async def insert_many() -> None:
            await maybe_await(repo.insert_many([Everything(an_int=8), Everything(**{name: value})]))

        async def update() -> None:
            await maybe_await(repo.update(Everything(**{"id": 1, name: value})))

        async def update_where() -> None:
            await maybe_await(repo.update_where({name: value}, where=C.eq("id", 1)))

        for write in (insert, insert_many, update, update_where):
            with self.assertRaises(CodecError) as caught:
                await write()
            error = caught.exception
            self.assertEqual(error.field, name)
            self.assertEqual(error.column, name)
            self.assertEqual(error.table, "everything")
            self.assertIs(error.value, value)
            self.assertIn("Everything", str(error.model))
            self.assertIn(name, str(error))
            self.assertNotIn(SECRET, str(error))
            self.assertIsInstance(error, ValueError)
            self.assertIsInstance(error, MiniOrmError)

    async def filter_refused(self, name: str, value: Any) -> None:
        """Hold that the value is refused as a filter, wherever a value goes."""
        repo = self.repo(Everything)
        conditions = [C.eq(name, value), C.ne(name, value), C.in_(name, [value]), ~C.eq(name, value)]
        if name not in ("a_dict", "a_list"):
            conditions += [C.lt(name, value), C.between(name, value, value)]
        for where in conditions:
            with self.assertRaises(QueryError) as caught:
                await maybe_await(repo.list(where=where))
            self.assertIsInstance(caught.exception.__cause__, CodecError)
            self.assertIn(name, str(caught.exception))
            self.assertNotIn(SECRET, str(caught.exception))

    async def test_everything_is_kept(self) -> None:
        """T0: a row of every type reads back equal, with every value of its own type."""
        written = Everything(a_dict={"a": [1, None]}, a_list=[{"b": 2.5}])
        repo = await self.table(Everything, [written])
        read = await maybe_await(repo.get(1))
        self.assertEqual(read, written)
        for name, value in vars(written).items():
            self.assertIs(type(getattr(read, name)), type(value), name)

    async def test_value_of_another_type(self) -> None:
        """T0: a value that is not of the field's type is a CodecError naming the field, before the driver."""
        kept = Everything()
        await self.table(Everything, [kept])
        for name, values in WRONG.items():
            for value in values:
                with self.subTest(name, value=repr(value)):
                    await self.refused(name, value)
        self.assertEqual(await maybe_await(self.repo(Everything).list()), [kept])

    async def test_filter_value_of_another_type(self) -> None:
        """T0 Q11: a filter value of another type is a QueryError, chained from a CodecError."""
        await self.table(Everything, [Everything()])
        for name, values in WRONG.items():
            for value in values:
                with self.subTest(name, value=repr(value)):
                    await self.filter_refused(name, value)

    async def test_value_that_cannot_be_kept(self) -> None:
        """T1 T3 T4 T5 T6 T9: a value of the right type that no column keeps is refused, not changed."""
        kept = Everything()
        await self.table(Everything, [kept])
        for name, values in BEYOND.items():
            for value in values:
                if value is math.nan and self.backend.keeps_nan:
                    continue
                with self.subTest(name, value=repr(value)[:40]):
                    await self.refused(name, value)
                    await self.filter_refused(name, value)
        for name, values in UNDECLARED.items():
            for value in values:
                with self.subTest(name, value=repr(value)[:40]):
                    await self.refused(name, value)
                    self.assertEqual(await maybe_await(self.repo(Everything).count(C.eq(name, value))), 0)
        self.assertEqual(await maybe_await(self.repo(Everything).list()), [kept])

    @needs("keeps_nan")
    async def test_nan(self) -> None:
        """T3: a database that keeps NaN gives it back, and takes it for equal to itself."""
        repo = await self.table(Everything, [Everything(a_float=math.nan), Everything(a_float=math.inf)])
        rows = await maybe_await(repo.list(order_by="id"))
        self.assertTrue(math.isnan(rows[0].a_float))
        self.assertEqual(rows[1].a_float, math.inf)
        self.assertEqual(await maybe_await(repo.count(C.eq("a_float", math.nan))), 1)

    async def test_wrong_type_is_found_in_the_middle_of_many(self) -> None:
        """T0 B3: one wrong object among many, and none is written."""
        repo = await self.table(Everything)
        many = [Everything(an_int=number) for number in range(500)]
        many[400].an_int = "400"  # type: ignore[assignment]
        with self.assertRaises(CodecError) as caught:
            await maybe_await(repo.insert_many(many))
        self.assertEqual(caught.exception.field, "an_int")
        self.assertEqual(await maybe_await(repo.count()), 0)

    async def test_integers(self) -> None:
        """T1: 64 bits, to the last one; the auto key is `INTEGER PRIMARY KEY`."""
        repo = await self.table(Everything, [Everything(an_int=MIN_INT), Everything(an_int=MAX_INT)])
        rows = await maybe_await(repo.list(order_by="-an_int"))
        self.assertEqual([row.an_int for row in rows], [MAX_INT, MIN_INT])
        self.assertEqual(await maybe_await(repo.count(C.eq("an_int", MAX_INT))), 1)
        self.assertRegex(create_table_sql(Everything, SQLiteDialect()), r'"id" INTEGER PRIMARY KEY')

    async def test_bool(self) -> None:
        """T2: comes back as bool, from a filter too."""
        repo = await self.table(Everything, [Everything(a_bool=True), Everything(a_bool=False)])
        for value in (True, False):
            (row,) = await maybe_await(repo.list(where=C.eq("a_bool", value)))
            self.assertIs(row.a_bool, value)

    async def test_floats(self) -> None:
        """T3 T0: double precision, infinities, and an int that is a float."""
        values = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0, 3, 1e23, 2**53]
        if self.backend.keeps_infinity:
            values += [math.inf, -math.inf]
        repo = await self.table(Everything, [Everything(a_float=value) for value in values])
        rows = await maybe_await(repo.list(order_by="id"))
        self.assertEqual([row.a_float for row in rows], [float(value) for value in values])
        self.assertEqual({type(row.a_float) for row in rows}, {float})
        for value in values:
            self.assertGreaterEqual(await maybe_await(repo.count(C.eq("a_float", value))), 1)

    async def test_naive_datetime(self) -> None:
        """T5 T6: naive stays naive, to the microsecond, from year 1 to 9999, in fixed-width text."""
        values = [AT, datetime.min, datetime.max, datetime(987, 6, 5), datetime(2024, 1, 1, microsecond=1)]
        repo = await self.table(Everything, [Everything(a_moment=value) for value in values])
        rows = await maybe_await(repo.list(order_by="a_moment"))
        self.assertEqual([row.a_moment for row in rows], sorted(values))
        self.assertEqual({row.a_moment.tzinfo for row in rows}, {None})
        if self.backend.stores_text:
            raw = await maybe_await(self.db.fetchall("SELECT a_moment AS at FROM everything ORDER BY a_moment || ''"))
            self.assertEqual([row["at"] for row in raw], _texts(values))

    async def test_aware_datetime(self) -> None:
        """T5: an aware moment is stored as UTC and read back aware; text order is time order, whatever the offset."""
        offsets = (0, 330, -570, 840, -720)
        values = [
            datetime(2024, 3, 1, 12, minute, tzinfo=timezone(timedelta(minutes=offset)))
            for minute, offset in enumerate(offsets)
        ]
        repo = await self.table(Everything, [Everything(an_aware=value) for value in values])
        rows = await maybe_await(repo.list(order_by="an_aware"))
        self.assertEqual([row.an_aware for row in rows], sorted(values))
        self.assertEqual({row.an_aware.utcoffset() for row in rows}, {timedelta(0)})
        if self.backend.stores_text:
            raw = await maybe_await(self.db.fetchall("SELECT an_aware AS at FROM everything ORDER BY an_aware || ''"))
            self.assertEqual([row["at"] for row in raw], _texts([value.astimezone(UTC) for value in values]))
        for value in values:
            same = value.astimezone(timezone(timedelta(hours=-3)))
            self.assertEqual(await maybe_await(repo.count(C.eq("an_aware", same))), 1)
            earlier = [other for other in values if other < value]
            self.assertEqual(await maybe_await(repo.count(C.lt("an_aware", same))), len(earlier))

    async def test_naive_and_aware_are_told_apart(self) -> None:
        """T5: a naive value in an aware column, or the reverse, is a CodecError whose text shows the fix."""
        repo = await self.table(Everything)
        with self.assertRaises(CodecError) as caught:
            await maybe_await(repo.insert(Everything(an_aware=AT)))
        self.assertRegex(str(caught.exception), "an_aware.*(tzinfo|timezone|UTC)")
        with self.assertRaises(CodecError) as caught:
            await maybe_await(repo.insert(Everything(a_moment=AT.replace(tzinfo=UTC))))
        self.assertRegex(str(caught.exception), "a_moment.*(timezone=True|'timezone': True|timezone.*True)")

    async def test_server_default_timestamp(self) -> None:
        """T5 M9: `CURRENT_TIMESTAMP` reads back as a datetime, naive or aware, and is found and ordered as one."""

        @dataclass
        class Stamped:
            id: int | None = field(default=None, metadata=KEY)
            naive: datetime | None = field(default=None, metadata={"server_default": "CURRENT_TIMESTAMP"})
            aware: datetime | None = field(
                default=None, metadata={"server_default": "CURRENT_TIMESTAMP", "timezone": True}
            )
            day: date | None = field(default=None, metadata={"server_default": "CURRENT_DATE"})

        before = datetime.now(UTC) - timedelta(seconds=2)
        repo = await self.table(Stamped)
        one = await maybe_await(repo.insert(Stamped()))
        (two,) = await maybe_await(repo.insert_many([Stamped()]))
        after = datetime.now(UTC) + timedelta(seconds=2)
        for row in (one, two, await maybe_await(repo.get(1))):
            self.assertIsNone(row.naive.tzinfo)
            self.assertEqual(row.aware.utcoffset(), timedelta(0))
            self.assertIs(type(row.day), date)
            self.assertTrue(before <= row.aware <= after, row)
            self.assertTrue(before <= row.naive.replace(tzinfo=UTC) <= after, row)
            self.assertIn(row.day, (before.date(), after.date()))
        for name in ("naive", "aware", "day"):
            value = getattr(one, name)
            found = await maybe_await(repo.list(where=C.eq(name, value), order_by="id"))
            self.assertIn(one, found, name)
            self.assertEqual(await maybe_await(repo.count(C.lt(name, value))), 0, name)
            self.assertEqual(await maybe_await(repo.count(C.ge(name, value))), 2, name)
        earlier = Stamped(None, datetime(2000, 1, 1), datetime(2000, 1, 1, tzinfo=UTC), date(2000, 1, 1))
        await maybe_await(repo.insert(earlier))
        for name in ("naive", "aware", "day"):
            rows = await maybe_await(repo.list(order_by=[name, "id"]))
            self.assertEqual([row.id for row in rows], [3, 1, 2], name)

    async def test_time_and_timedelta(self) -> None:
        """T6: microseconds survive; durations are integer microseconds, negative ones too, in the right order."""
        times = [time.min, time.max, time(1, 2, 3), time(1, 2, 3, 1)]
        spans = [timedelta(microseconds=MIN_INT), timedelta(microseconds=MAX_INT), timedelta(0), timedelta(days=-3)]
        rows = [Everything(a_time=at, a_duration=span) for at, span in zip(times, spans, strict=True)]
        repo = await self.table(Everything, rows)
        self.assertEqual([row.a_time for row in await maybe_await(repo.list(order_by="a_time"))], sorted(times))
        listed = await maybe_await(repo.list(order_by="a_duration"))
        self.assertEqual([row.a_duration for row in listed], sorted(spans))
        raw = await maybe_await(self.db.fetchall("SELECT a_duration AS span FROM everything ORDER BY id"))
        self.assertEqual([row["span"] for row in raw], [MIN_INT, MAX_INT, 0, -3 * 86400 * 10**6])

    async def test_time_with_a_zone(self) -> None:
        """T6: a time of day with a zone would lose it: CodecError."""
        await self.table(Everything)
        await self.refused("a_time", time(1, 2, tzinfo=UTC))

    async def test_uuid(self) -> None:
        """T7: text in the canonical form, whatever it was made of."""
        value = uuid.UUID("{6BA7B810-9DAD-11D1-80B4-00C04FD430C8}")
        repo = await self.table(Everything, [Everything(a_uuid=value), Everything(a_uuid=uuid.UUID(int=0))])
        self.assertEqual(await maybe_await(repo.count(C.eq("a_uuid", uuid.UUID(value.hex)))), 1)
        raw = await maybe_await(
            self.db.fetchone(f"SELECT CAST(a_uuid AS {self.backend.text_type}) AS u FROM everything WHERE id = 1")
        )
        self.assertEqual(raw["u"], "6ba7b810-9dad-11d1-80b4-00c04fd430c8")

    async def test_bytes(self) -> None:
        """T8: bytes, bytearray and memoryview in any of the annotations; read as bytes, independent of the source."""

        @dataclass
        class Blobs:
            a: bytes
            b: bytearray
            c: memoryview
            id: int | None = field(default=None, metadata=KEY)

        data = bytes(range(256))
        source = bytearray(data)
        repo = await self.table(
            Blobs, [Blobs(data, source, memoryview(source)), Blobs(b"", bytearray(), memoryview(b""))]
        )
        source[0] = 255
        rows = await maybe_await(repo.list(order_by="id"))
        self.assertEqual([(row.a, row.b, row.c) for row in rows], [(data, data, data), (b"", b"", b"")])
        self.assertEqual({type(value) for row in rows for value in (row.a, row.b, row.c)}, {bytes})
        for name in ("a", "b", "c"):
            for value in (data, bytearray(data), memoryview(data)):
                self.assertEqual(await maybe_await(repo.count(C.eq(name, value))), 1, name)

    async def test_text_is_compared_by_code_point(self) -> None:
        """T9: case, accents in another form and blanks at the end make another text, for `=` and for uniqueness."""

        @dataclass
        class Word:
            text: str = field(metadata={"unique_index": True})
            id: int | None = field(default=None, metadata=KEY)

        words = ["a", "A", "a ", " a", "ä", "a\u0308", "Ä", "ß", "ss", "SS", "", " ", "ſ", "s", "ﬁ", "fi", "İ", "i"]
        repo = await self.table(Word, [Word(word) for word in words])
        for word in words:
            self.assertEqual([row.text for row in await maybe_await(repo.list(where=C.eq("text", word)))], [word])
            with self.assertRaises(UniqueViolation):
                await maybe_await(repo.insert(Word(word)))
        listed = await maybe_await(repo.list(order_by="text"))
        self.assertEqual([row.text for row in listed], sorted(words))

    async def test_hostile_text(self) -> None:
        """T9: text that tries to be SQL, a parameter or a number is text."""
        texts = [*HOSTILE_TEXT, "x" * 10_000, "𝒳" * 5_000]
        repo = await self.table(Everything, [Everything(a_text=text) for text in texts])
        rows = await maybe_await(repo.list(order_by="id"))
        self.assertEqual([row.a_text for row in rows], texts)
        for text in texts:
            self.assertEqual(await maybe_await(repo.count(C.eq("a_text", text))), 1, text[:30])

    async def test_max_length(self) -> None:
        """T9: VARCHAR(n) counts characters, not bytes; one more is refused, not cut."""
        repo = await self.table(Everything, [Everything(a_short="𝒳" * 10)])
        self.assertEqual((await maybe_await(repo.get(1))).a_short, "𝒳" * 10)
        await self.refused("a_short", "𝒳" * 11)

    async def test_subclasses_of_plain_types(self) -> None:
        """T0: a member of a StrEnum is text, and of an IntEnum an int: read back as the type declared."""

        class Word(enum.StrEnum):
            HI = "hi"

        class Number(enum.IntEnum):
            TWO = 2

        repo = await self.table(Everything, [Everything(a_text=Word.HI, an_int=Number.TWO)])
        row = await maybe_await(repo.get(1))
        self.assertEqual((type(row.a_text), row.a_text), (str, "hi"))
        self.assertEqual((type(row.an_int), row.an_int), (int, 2))

    @needs("stores_text")
    async def test_declared_types(self) -> None:
        """T13: on SQLite the declared type carries the kind."""
        await self.create_tables(Everything)
        declared = await self.declared("everything")
        self.assertEqual(
            declared,
            {
                "an_int": "INTEGER",
                "a_bool": "BOOLEAN",
                "a_float": "REAL",
                "a_decimal": "NUMERIC_TEXT",
                "a_text": "TEXT",
                "a_short": "VARCHAR(10)",
                "some_bytes": "BLOB",
                "a_moment": "TIMESTAMP_TEXT",
                "an_aware": "TIMESTAMPTZ_TEXT",
                "a_date": "DATE_TEXT",
                "a_time": "TIME_TEXT",
                "a_duration": "DURATION_INTEGER",
                "a_uuid": "UUID_TEXT",
                "a_colour": "TEXT",
                "a_level": "INTEGER",
                "a_literal": "TEXT",
                "a_dict": "JSON_TEXT",
                "a_list": "JSON_TEXT",
                "id": "INTEGER",
            },
        )

    @needs("stores_text")
    async def test_text_affinity(self) -> None:
        """T13: what is stored as text stays text, also where it looks like a number."""

        @dataclass
        class Digits:
            a_decimal: Decimal
            a_text: str
            a_literal: Literal["1", "2"]
            an_any: Any = field(metadata={"codec": "json"})
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Digits, [Digits(Decimal("12"), "007", "1", 5), Digits(Decimal("0.5"), "1e5", "2", 1.0)])
        names = ("a_decimal", "a_text", "a_literal", "an_any")
        columns = ", ".join(f"typeof({name}) AS {name}" for name in names)
        for row in await maybe_await(self.db.fetchall(f"SELECT {columns} FROM digits")):
            self.assertEqual([row[name] for name in names], ["text"] * 4)
        rows = await maybe_await(repo.list(order_by="id"))
        self.assertEqual([row.a_text for row in rows], ["007", "1e5"])
        self.assertEqual([row.an_any for row in rows], [5, 1.0])

    async def test_garbage_in_the_database(self) -> None:
        """T10 T5 T7: what another program wrote and no type can read is a CodecError that says where it is."""
        repo = await self.table(Everything, [Everything()])
        names = ("a_colour", "a_moment", "an_aware", "a_date", "a_time", "a_uuid", "a_decimal", "a_dict")
        for name in names if self.backend.stores_text else names[:1]:
            with self.subTest(name):
                await maybe_await(self.db.execute("DELETE FROM everything"))
                await maybe_await(repo.insert(Everything(id=5)))
                await maybe_await(self.db.execute(self.backend.sql(f"UPDATE everything SET {name} = ?"), (SECRET,)))
                for read in (lambda: repo.get(5), lambda: repo.list()):
                    with self.assertRaises(CodecError) as caught:
                        await maybe_await(read())
                    error = caught.exception
                    self.assertEqual((error.table, error.column, error.field), ("everything", name, name))
                    self.assertEqual((error.key, error.value), (5, SECRET))
                    self.assertIn(name, str(error))
                    self.assertNotIn(SECRET, str(error))


def _texts(values: list[datetime]) -> list[str]:
    """The stored text of moments, in the order of time."""
    return [value.isoformat(" ", "microseconds") for value in sorted(values)]
