"""Hypothesis strategies: values of every supported type, hostile names, and whole dataclass models.

A `Kind` is one way to annotate a column together with the values that such a column must keep. `KINDS` has them all by
name; `models()` draws dataclasses made of them, with names that try to be SQL.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import keyword
import string
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, Literal, NewType, Optional

from hypothesis import strategies as st

MIN_INT, MAX_INT = -(2**63), 2**63 - 1

#: Text that means something to SQL, to a driver's parameter style, to JSON or to a terminal.
HOSTILE_TEXT = (
    "",
    " ",
    "'",
    '"',
    "`",
    "''",
    "\\",
    "%",
    "%s",
    "%(x)s",
    "?",
    ":name",
    "$1",
    "NULL",
    "null",
    "0",
    "1.50",
    "true",
    "'; DROP TABLE things; --",
    '"; DELETE FROM things; /*',
    "/* comment */",
    "-- comment",
    "[brackets]",
    "{braces}",
    "line\nbreak\r\n\ttab",
    "trailing ",
    "e\u0301 is not \u00e9",
    "ß ſ İ ı",
    "\u202eright to left\u202c",
    "שלום",
    "\ufeffmark",
    "astral 𝒳🎉",
    "\x01\x1f\x7f\u0085\u2028",
    "\uffff\U0010ffff",
)

#: Names of tables, columns and indexes that only work where identifiers are quoted and quotes are doubled.
HOSTILE_NAMES = (
    "order",
    "user",
    "group",
    "select",
    "table",
    "index",
    "values",
    "rowid",
    "null",
    "two words",
    " edge ",
    "it's",
    'quo"te',
    '"',
    '""',
    "`tick`",
    "100%",
    "%s",
    "%(x)s",
    "what?",
    ":name",
    "$1",
    "a.b",
    "a,b",
    "a);b",
    "semi;colon",
    "--dash",
    "/*star*/",
    "[brackets]",
    "{0}",
    "back\\slash",
    "line\nbreak",
    "naïve",
    "日本",
    "𝒳🎉",
    "\u202eabc",
    "1st",
    "CamelCase",
    "x" * 63,
)

#: Field names that Python allows and that SQL, or code made at run time, could trip over.
FIELD_NAMES = (
    "order",
    "user",
    "group",
    "select",
    "where",
    "values",
    "rowid",
    "self",
    "cls",
    "obj",
    "row",
    "conn",
    "type",
    "int",
    "list",
    "fields",
    "params",
    "value",
    "key",
    "_private",
    "CamelCase",
    "naïve",
    "名前",
    "x1",
)

safe_text = st.one_of(
    st.sampled_from(HOSTILE_TEXT),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
)
"""Text that every database keeps: no NUL, no lone surrogate."""

integers = st.one_of(st.sampled_from([0, -1, MIN_INT, MAX_INT, 2**31, 2**53 + 1]), st.integers(MIN_INT, MAX_INT))
finite_floats = st.floats(allow_nan=False, allow_infinity=False)


def exact_decimals(integer_digits: int, places: int) -> st.SearchStrategy[Decimal]:
    """Decimals with at most that many digits before and after the point, spelt in many ways (`1.50`, `15E-1`)."""

    def spell(negative: bool, whole: int, fraction: int, scale: int) -> Decimal:
        digits = str(whole) + (str(fraction % 10**scale).zfill(scale) if scale else "")
        return Decimal((int(negative), tuple(int(digit) for digit in digits), -scale))

    wholes = st.one_of(st.integers(0, 200), st.integers(0, 10**integer_digits - 1))
    spelt = st.builds(spell, st.booleans(), wholes, st.integers(0, 10**places), st.integers(0, places))
    exponents = st.builds(lambda n, e: Decimal((0, (n,), e)), st.integers(0, 9), st.integers(0, integer_digits - 1))
    return st.one_of(spelt, exponents)


def _aware(naive: dt.datetime, offset: int) -> dt.datetime:
    return naive.replace(tzinfo=dt.timezone(dt.timedelta(seconds=offset)))


# Two days from either end, so that every offset has its UTC time.
_shiftable = st.datetimes(dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29))
aware_datetimes = st.one_of(
    _shiftable.map(lambda moment: moment.replace(tzinfo=dt.UTC)),
    st.builds(_aware, _shiftable, st.integers(-1439, 1439).map(lambda minutes: minutes * 60)),
    st.builds(_aware, _shiftable, st.integers(-86399, 86399)),
)

#: Every duration whose microseconds are a 64-bit integer.
durations = st.timedeltas(dt.timedelta(microseconds=MIN_INT), dt.timedelta(microseconds=MAX_INT))

json_scalars = st.one_of(st.none(), st.booleans(), integers, finite_floats, safe_text)
json_values = st.recursive(
    json_scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(safe_text, inner, max_size=3)),
    max_leaves=6,
)
json_objects = st.dictionaries(safe_text, json_values, max_size=3)
json_arrays = st.lists(json_values, max_size=4)


class Mood(enum.Enum):
    """A plain enum of text, some of it hostile."""

    HAPPY = "happy"
    QUOTED = 'it\'s 100% "fine"; --'
    EMPTY = ""
    ASTRAL = "𝒳🎉"


class Level(enum.Enum):
    """A plain enum of numbers."""

    LOW = -1
    NONE = 0
    TOP = MAX_INT


class Colour(enum.StrEnum):
    """An enum whose members are text."""

    RED = "red"
    BLUE = "bl'ue"


class Rank(enum.IntEnum):
    """An enum whose members are numbers."""

    FIRST = 1
    SECOND = 2


class Ratio(enum.Enum):
    """An enum of floats."""

    HALF = 0.5
    THIRD = 1 / 3


UserId = NewType("UserId", int)
Json = MappingProxyType({"codec": "json"})
NOTHING: Mapping[str, Any] = MappingProxyType({})


def same(value: Any) -> Any:
    """Return the value: what is read is what was written."""
    return value


@dataclass(frozen=True)
class Kind:
    """One way to annotate a column, and the values it must keep.

    `read(value)` is what reading gives for a written value. `ordered`: the database sorts it as Python does. `exact`:
    Python's `==` and the database's `=` agree (not so in JSON, where Python holds `True`, `1` and `1.0` for the same).
    """

    name: str
    annotation: Any
    values: st.SearchStrategy[Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    read: Callable[[Any], Any] = same
    ordered: bool = False
    exact: bool = True


_ALL = (
    Kind("int", int, integers, ordered=True),
    Kind("bool", bool, st.booleans(), ordered=True),
    Kind("float", float, st.floats(allow_nan=False), ordered=True),
    Kind("float_from_int", float, st.integers(-(2**53), 2**53), read=float, ordered=True),
    Kind("decimal", Decimal, exact_decimals(28, 10), ordered=True),
    Kind("money", Decimal, exact_decimals(10, 2), {"precision": 12, "scale": 2}, ordered=True),
    Kind("decimal_from_int", Decimal, st.integers(-(10**20), 10**20), read=Decimal, ordered=True),
    Kind("naive_datetime", dt.datetime, st.datetimes(), ordered=True),
    Kind("aware_datetime", dt.datetime, aware_datetimes, {"timezone": True}, ordered=True),
    Kind("date", dt.date, st.dates(), ordered=True),
    Kind("time", dt.time, st.times(), ordered=True),
    Kind("timedelta", dt.timedelta, durations, ordered=True),
    Kind("uuid", uuid.UUID, st.uuids(), ordered=True),
    Kind("bytes", bytes, st.binary(max_size=40), ordered=True),
    Kind("bytearray", bytearray, st.binary(max_size=40).map(bytearray), read=bytes),
    Kind("memoryview", memoryview, st.binary(max_size=40).map(memoryview), read=bytes),
    Kind("text", str, safe_text, ordered=True),
    Kind("varchar", str, safe_text, {"max_length": 100}, ordered=True),
    Kind("enum_of_text", Mood, st.sampled_from(Mood)),
    Kind("enum_of_int", Level, st.sampled_from(Level)),
    Kind("enum_of_float", Ratio, st.sampled_from(Ratio)),
    Kind("str_enum", Colour, st.sampled_from(Colour)),
    Kind("int_enum", Rank, st.sampled_from(Rank)),
    Kind("enum_by_value", Mood, st.sampled_from([mood.value for mood in Mood]), read=Mood),
    Kind("enum_codec", Level, st.sampled_from(Level), {"codec": "enum"}),
    Kind("literal_text", Literal["draft", "it's live", ""], st.sampled_from(["draft", "it's live", ""])),
    Kind("literal_int", Literal[1, 2, 3], st.sampled_from([1, 2, 3]), ordered=True),
    Kind("annotated", Annotated[int, "a note"], integers, ordered=True),
    Kind("new_type", UserId, integers, ordered=True),
    Kind("dict", dict, json_objects, exact=False),
    Kind("list", list, json_arrays, exact=False),
    Kind("dict_of_int", dict[str, int], st.dictionaries(safe_text, integers, max_size=4)),
    Kind("list_of_text", list[str], st.lists(safe_text, max_size=4)),
    Kind("list_of_tuples", list[tuple[int, str]], st.lists(st.tuples(integers, safe_text), max_size=3)),
    Kind("dict_of_sets", dict[str, set[int]], st.dictionaries(safe_text, st.sets(integers, max_size=3), max_size=3)),
    Kind("tuple_fixed", tuple[int, str], st.tuples(integers, safe_text), Json),
    Kind("tuple_variadic", tuple[int, ...], st.lists(integers, max_size=4).map(tuple), Json),
    Kind("set", set[str], st.sets(safe_text, max_size=4), Json),
    Kind("frozenset", frozenset[int], st.frozensets(integers, max_size=4), Json),
    Kind("union", int | str, st.one_of(integers, safe_text), Json),
    Kind("any_json", Any, json_values.filter(lambda value: value is not None), Json, exact=False),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}

#: Kinds that may be a key of their own. (Decimal too: its keys are unique by value.)
KEY_KINDS = (
    "int",
    "text",
    "uuid",
    "date",
    "naive_datetime",
    "bytes",
    "decimal",
    "enum_of_text",
    "literal_text",
    "bool",
)

names = st.one_of(
    st.sampled_from(HOSTILE_NAMES),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20),
).filter(lambda name: not name.lower().startswith("sqlite_"))
"""Names of tables and columns: anything but NUL and what the database keeps for itself."""

identifiers = st.one_of(
    st.sampled_from(FIELD_NAMES),
    st.text(string.ascii_letters, min_size=2, max_size=8),
).filter(lambda name: not keyword.iskeyword(name))


@dataclass(frozen=True)
class ModelCase:
    """A drawn model and what a test must know of it. `pk` has one name, or several for a composite key."""

    model: type
    kinds: Mapping[str, Kind]
    pk: tuple[str, ...]
    auto: bool
    nullable: frozenset[str]
    options: Mapping[str, Any]

    @property
    def plain(self) -> list[str]:
        """The fields that are no part of the key."""
        return [name for name in self.kinds if name not in self.pk]

    def values(self, names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        """Values for the named fields, as a mapping; nullable ones are sometimes `None`."""
        made = {}
        for name in names:
            values = self.kinds[name].values
            made[name] = st.one_of(st.none(), values) if name in self.nullable else values
        return st.fixed_dictionaries(made)

    def objects(self, max_size: int = 4) -> st.SearchStrategy[list[Any]]:
        """Lists of objects with distinct keys (an `auto` key is `None`)."""
        plain = st.lists(self.values(self.plain), min_size=1, max_size=max_size)
        if self.auto:
            return plain.map(lambda rows: [self.model(**{self.pk[0]: None}, **row) for row in rows])
        keys = st.lists(
            self.values(list(self.pk)),
            min_size=1,
            max_size=max_size,
            unique_by=lambda key: tuple(map(_stored, key.values())),
        )
        pairs = st.tuples(plain, keys)
        return pairs.map(lambda pair: [self.model(**key, **row) for row, key in zip(*pair, strict=False)])

    def key(self, obj: Any) -> Any:
        """The key of an object as `get` takes it."""
        values = tuple(getattr(obj, name) for name in self.pk)
        return values if len(values) > 1 else values[0]

    def expected(self, obj: Any) -> dict[str, Any]:
        """What each field of an object must be when it is read back."""
        values = {name: getattr(obj, name) for name in self.kinds}
        return {name: None if value is None else self.kinds[name].read(value) for name, value in values.items()}


@st.composite
def models(draw: st.DrawFn) -> ModelCase:
    """A dataclass with a hostile table name, hostile column names, and columns of any kind."""
    fields = draw(st.lists(identifiers, min_size=2, max_size=6, unique_by=str.casefold))
    columns = draw(st.lists(names, min_size=len(fields), max_size=len(fields), unique_by=_folded))
    key_size = draw(st.sampled_from([0, 0, 1, 1, 2])) if len(fields) > 2 else draw(st.sampled_from([0, 1]))
    auto = key_size == 0
    pk = tuple(fields[: max(key_size, 1)])
    kinds: dict[str, Kind] = {}
    nullable = set()
    specs: list[tuple[str, Any, Any]] = []
    for name, column in zip(fields, columns, strict=True):
        metadata: dict[str, Any] = {"column": column} if draw(st.booleans()) else {}
        if name in pk:
            kind = KINDS["int"] if auto else KINDS[draw(st.sampled_from(KEY_KINDS))]
            metadata |= {"pk": True, "auto": True} if auto else {"pk": True}
            annotation = Optional[kind.annotation] if auto else kind.annotation
        else:
            kind = draw(st.sampled_from(_ALL))
            annotation = kind.annotation
            if draw(st.booleans()):
                nullable.add(name)
                annotation = Optional[annotation]
            if draw(st.booleans()):
                metadata["index"] = True
        kinds[name] = kind
        specs.append((name, annotation, field(metadata={**kind.metadata, **metadata})))
    # A field that keeps its own name must not meet another field's column.
    taken = {_folded(spec[2].metadata.get("column", spec[0])) for spec in specs}
    if len(taken) < len(specs):
        specs = [(name, annotation, _without_column(made)) for name, annotation, made in specs]
    options: dict[str, Any] = {
        "frozen": draw(st.booleans()),
        "slots": draw(st.booleans()),
        "kw_only": draw(st.booleans()),
    }
    namespace = {"__table__": draw(names), "__module__": __name__}
    model = dataclasses.make_dataclass("Drawn", specs, namespace=namespace, **options)
    return ModelCase(model, kinds, pk, auto, frozenset(nullable), options)


def _stored(value: Any) -> Any:
    """Return what two keys that are one in the database have in common."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC)  # across zones == is not to be trusted around a change of clocks
    return bytes(value) if isinstance(value, bytearray | memoryview) else value


def _folded(name: str) -> str:
    # SQLite folds ASCII only; folding more keeps the names apart on every database.
    return name.casefold()


def _without_column(made: Any) -> Any:
    return field(metadata={key: value for key, value in made.metadata.items() if key != "column"})
