"""Any query gives what a plain Python evaluation of it gives over the same rows, with SQL's three truth values."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import math
import operator
import tempfile
import unittest
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mini_orm
from mini_orm import C, F, OrderBy
from tests.backends import (
    Aiosqlite,
    Backend,
    InlineSqlite3,
    SyncPsycopg,
    SyncPyMySQL,
    SyncSqlite3,
    WorkerSqlite3,
    maybe_await,
    where_there_is_a_server,
)


class Color(enum.Enum):
    RED = "red"
    GREEN = "Green"
    LIKE = "a%b"


class Level(enum.Enum):
    LOW = 2
    HIGH = 10
    NONE = -1


@dataclass
class Item:
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})
    n: int | None = None
    m: int | None = None
    big: int | None = None
    x: float | None = None
    y: float | None = None
    s: str | None = None
    t: str | None = None
    flag: bool | None = None
    d: Decimal | None = None
    e: Decimal | None = None
    at: dt.datetime | None = None
    until: dt.datetime | None = None
    seen: dt.datetime | None = field(default=None, metadata={"timezone": True})
    color: Color | None = None
    level: Level | None = None


#: What a row may hold; the pools are small so that values meet.
SMALL = [-3, -1, 0, 1, 2, 3, 7]
REALS = [-2.25, -0.0, 0.0, 0.5, 1.0, 3.0, 0.1, 5e-324, 1.7e308, float("inf"), float("-inf")]
TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "aB",
    "a%b",
    "a_b",
    "b\\a",
    "é",
    "É",
    "aé",
    "Жж",
    "😀a",
    "it's",
    "[a]",
    "a\nb",
    "*?",
    "\uffee",
]
DECIMALS = [
    "0",
    "-0",
    "1.1",
    "1.10",
    "9",
    "10",
    "1E+1",
    "-3.5",
    "100",
    "0.1000000000000000000000000001",
    "123456789012345678901",
]
NAIVE = [
    dt.datetime(1, 1, 1),
    dt.datetime(999, 12, 31, 23, 59, 59, 999999),
    dt.datetime(2024, 2, 29, 12, 0, 0, 1),
    dt.datetime(2024, 2, 29, 12),
    dt.datetime.max,
]
NOON = dt.datetime(2024, 6, 1, 12, tzinfo=dt.UTC)
ZONES = [dt.timezone(dt.timedelta(hours=hours)) for hours in (-11, 0, 5, 14)]
AWARE = [
    *(NOON.astimezone(zone) for zone in ZONES),
    *(NOON.replace(tzinfo=zone) for zone in ZONES),
    NOON + dt.timedelta(microseconds=1),
]
POOLS: dict[str, list[Any]] = {
    "n": SMALL,
    "m": SMALL,
    "big": [-(2**63), 2**63 - 1, 2**53, 2**53 + 1, 0],
    "x": REALS,
    "y": REALS,
    "s": TEXTS,
    "t": TEXTS,
    "flag": [False, True],
    "d": [Decimal(text) for text in DECIMALS],
    "e": [Decimal(text) for text in DECIMALS],
    "at": NAIVE,
    "until": NAIVE,
    "seen": AWARE,
    "color": list(Color),
    "level": list(Level),
}
#: What a filter may ask for beyond that: other types that the column accepts, and members' values.
MORE: dict[str, list[Any]] = {"x": [0, 3], "d": [0, 10], "color": ["red", "a%b"], "level": [2, 10]}
#: Pairs of columns that can be compared with each other.
PAIRS = [("n", "m"), ("n", "big"), ("x", "y"), ("x", "n"), ("s", "t"), ("d", "e"), ("at", "until"), ("flag", "flag")]
TEXT_COLUMNS = ["s", "t", "color"]
NEEDLES = ["", "a", "A", "b", "%", "_", "\\", "é", "É", "ж", "😀", "'", "\n", "re", "[", "*", "?", "a%", "ab"]
PATTERNS = [
    "",
    "%",
    "_",
    "a%",
    "%b",
    "A_",
    "%é%",
    "_é",
    "жЖ",
    "a%b",
    "a__",
    "%\n%",
    "%re%",
    "r%d",
    "[a]",
    "%_",
    "😀_",
    "*?",
]
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}

Truth = bool | None
Judge = Callable[[Item], Truth]


class Case(NamedTuple):
    """A condition, and what it means in Python."""

    where: Any
    judge: Judge


class Expression(NamedTuple):
    """An `F`, and what it means in Python."""

    f: Any
    compute: Callable[[Item], Any]


def plain(value: Any) -> Any:
    """Return an enum's value, anything else as it is."""
    return value.value if isinstance(value, enum.Enum) else value


def compare(holds: Callable[[Any, Any], bool], left: Any, right: Any) -> Truth:
    return None if left is None or right is None else holds(plain(left), plain(right))


def same(left: Any, right: Any) -> bool:
    return left is right if left is None or right is None else plain(left) == plain(right)


def inverse(truth: Truth) -> Truth:
    return None if truth is None else not truth


def every(truths: Iterable[Truth]) -> Truth:
    found = set(truths)
    return False if False in found else None if None in found else True


def some(truths: Iterable[Truth]) -> Truth:
    return inverse(every(inverse(truth) for truth in truths))


def within(value: Any, values: list[Any]) -> Truth:
    """`IN` with the contract's meaning of None among the values."""
    if not values:
        return False
    if value is None:
        return True if None in values else None
    return plain(value) in [plain(other) for other in values if other is not None]


def like(pattern: str, text: str, fold: Callable[[str], str]) -> bool:
    """Match `%` and `_`, comparing characters after `fold`."""
    at = mark = 0
    star = -1
    for_pattern = len(pattern)
    while mark < len(text):
        if at < for_pattern and pattern[at] == "%":
            star, resume = at, mark
            at += 1
        elif at < for_pattern and (pattern[at] == "_" or fold(pattern[at]) == fold(text[mark])):
            at, mark = at + 1, mark + 1
        elif star >= 0:
            resume += 1
            at, mark = star + 1, resume
        else:
            return False
    return not pattern[at:].strip("%")


def ascii_lower(character: str) -> str:
    return character.lower() if character.isascii() else character


def text_test(name: str, fold: Callable[[str], str]) -> Callable[[str, str], bool]:
    """What an operator on text means for (text, argument); LIKE is the database's, which compares after `fold`."""
    tests: dict[str, Callable[[str, str], bool]] = {
        "contains": operator.contains,
        "startswith": str.startswith,
        "endswith": str.endswith,
        "like": lambda text, pattern: like(pattern, text, fold),
        "ilike": lambda text, pattern: like(pattern, text, str.lower),
    }
    return tests[name]


def pools_of(backend: Backend) -> dict[str, list[Any]]:
    """Return the values of `POOLS` that the backend keeps."""

    def keeps(value: Any) -> bool:
        if isinstance(value, Decimal):
            return backend.takes_decimal(value)
        return backend.keeps_infinity or not isinstance(value, float) or math.isfinite(value)

    return {column: list(filter(keeps, pool)) for column, pool in POOLS.items()}


#: The column operands of an arithmetic expression.
OPERANDS = [
    Expression(F("n"), lambda item: item.n),
    Expression(F("m"), lambda item: item.m),
    Expression(F("n") - 2, lambda item: None if item.n is None else item.n - 2),
]


def constant(number: Any) -> Expression:
    return Expression(number, lambda item: number)


@st.composite
def expressions(draw: st.DrawFn, numbers: list[Any]) -> Expression:
    """A sum, difference or product over n, m and `numbers`."""
    constants = [constant(number) for number in numbers]
    made: Expression = draw(st.sampled_from(OPERANDS))
    for _ in range(draw(st.integers(0, 3))):
        combine = draw(st.sampled_from([operator.add, operator.sub, operator.mul]))
        left, right = made, draw(st.sampled_from([*OPERANDS, *constants]))
        if draw(st.booleans()):
            left, right = right, left

        def compute(item: Item, combine: Any = combine, left: Expression = left, right: Expression = right) -> Any:
            one, two = left.compute(item), right.compute(item)
            return None if one is None or two is None else combine(one, two)

        made = Expression(combine(left.f, right.f), compute)
    return made


@st.composite
def leaves(draw: st.DrawFn, fold: Callable[[str], str], pools: dict[str, list[Any]]) -> Case:
    """One condition on one column, where LIKE compares after `fold`."""
    column = draw(st.sampled_from(sorted(pools)))
    get = operator.attrgetter(column)
    values_of = st.sampled_from(pools[column] + MORE.get(column, []))
    kind = draw(st.sampled_from(["compare", "null", "same", "list", "between", "text", "column", "expression"]))
    if kind == "compare":
        name = draw(st.sampled_from(sorted(COMPARISONS)))
        value = draw(values_of)
        return Case(getattr(C, name)(column, value), lambda item: compare(COMPARISONS[name], get(item), value))
    if kind == "null":
        make = draw(st.sampled_from([C.is_null, lambda name: C.eq(name, None)]))
        if draw(st.booleans()):
            return Case(make(column), lambda item: get(item) is None)
        make = draw(st.sampled_from([C.is_not_null, lambda name: C.ne(name, None)]))
        return Case(make(column), lambda item: get(item) is not None)
    if kind == "same":
        value = draw(st.none() | values_of)
        if draw(st.booleans()):
            return Case(C.same_as(column, value), lambda item: same(get(item), value))
        return Case(C.distinct_from(column, value), lambda item: not same(get(item), value))
    if kind == "list":
        values = draw(st.lists(st.none() | values_of, max_size=5))
        if draw(st.booleans()):
            return Case(C.in_(column, values), lambda item: within(get(item), values))
        return Case(C.not_in(column, values), lambda item: inverse(within(get(item), values)))
    if kind == "between":
        low, high = draw(values_of), draw(values_of)
        return Case(
            C.between(column, low, high),
            lambda item: every([compare(operator.ge, get(item), low), compare(operator.le, get(item), high)]),
        )
    if kind == "text":
        column = draw(st.sampled_from(TEXT_COLUMNS))
        text_of = operator.attrgetter(column)
        name = draw(st.sampled_from(["contains", "startswith", "endswith", "like", "ilike"]))
        argument = draw(st.sampled_from(PATTERNS if name.endswith("like") else NEEDLES))
        holds = text_test(name, fold)
        return Case(getattr(C, name)(column, argument), lambda item: compare(holds, text_of(item), argument))
    name = draw(st.sampled_from(sorted(COMPARISONS)))
    if kind == "column":
        left, right = draw(st.sampled_from(PAIRS))
        if draw(st.booleans()) and left != "x":
            left, right = right, left
        return Case(
            getattr(C, name)(left, F(right)),
            lambda item: compare(COMPARISONS[name], getattr(item, left), getattr(item, right)),
        )
    left = draw(st.sampled_from(["n", "m", "x"]))
    expression = draw(expressions([-1, 0, 2, 5] if left != "x" else [-1, 2, 0.5, -0.25]))
    return Case(
        getattr(C, name)(left, expression.f),
        lambda item: compare(COMPARISONS[name], getattr(item, left), expression.compute(item)),
    )


def grow(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    """Nest conditions in every way that there is to write it."""
    several = st.lists(inner, min_size=1, max_size=4)
    two = st.tuples(inner, inner)

    def all_of(cases: Iterable[Case]) -> Judge:
        return lambda item: every(case.judge(item) for case in cases)

    def any_of(cases: Iterable[Case]) -> Judge:
        return lambda item: some(case.judge(item) for case in cases)

    def none_of(case: Case) -> Judge:
        return lambda item: inverse(case.judge(item))

    return st.one_of(
        several.map(lambda cases: Case(C.and_(*(case.where for case in cases)), all_of(cases))),
        several.map(lambda cases: Case(C.and_([case.where for case in cases]), all_of(cases))),
        several.map(lambda cases: Case(C.or_(*(case.where for case in cases)), any_of(cases))),
        several.map(lambda cases: Case(C.or_([case.where for case in cases]), any_of(cases))),
        two.map(lambda cases: Case(cases[0].where & cases[1].where, all_of(cases))),
        two.map(lambda cases: Case(cases[0].where | cases[1].where, any_of(cases))),
        inner.map(lambda case: Case(~case.where, none_of(case))),
        inner.map(lambda case: Case(C.not_(case.where), none_of(case))),
    )


def items_of(pools: dict[str, list[Any]]) -> st.SearchStrategy[list[Item]]:
    """A few rows."""
    columns = {name: st.none() | st.sampled_from(pool) for name, pool in pools.items()}
    return st.lists(st.builds(Item, **columns), min_size=1, max_size=8)


KEYS = st.lists(
    st.builds(OrderBy, st.sampled_from(sorted(POOLS)), st.booleans(), st.sampled_from(["first", "last"])), max_size=4
)


def ordered(items: list[Item], keys: Iterable[OrderBy]) -> list[Item]:
    """Sort as `ORDER BY` does: the first key counts most, ties keep the order of the later ones."""
    for key in reversed(list(keys)):
        nulls = [item for item in items if getattr(item, key.col) is None]
        others = [item for item in items if getattr(item, key.col) is not None]
        others.sort(key=lambda item: plain(getattr(item, key.col)), reverse=key.desc)
        items = nulls + others if key.nulls == "first" else others + nulls
    return items


class QueryProperties:
    """Properties that one backend holds; `examples` says how many are tried."""

    backend_class: type[Backend]
    examples: int

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="mini_orm_test_")
        self.runner = asyncio.Runner()
        self.backend = backend = self.backend_class(directory.name)
        self.db: Any = self.runner.run(backend.open(**backend.scratch()))
        self.repo: Any = backend.repository(self.db, Item)
        self.runner.run(self.prepare(backend))
        cleanup: Callable[[Callable[[], Any]], Any] = self.addCleanup  # type: ignore[attr-defined]  # TestCase's
        cleanup(directory.cleanup)
        cleanup(backend.close)
        cleanup(self.runner.close)
        cleanup(lambda: self.runner.run(self.close(backend)))

    async def prepare(self, backend: Backend) -> None:
        if backend.face == "async":
            await mini_orm.apply_schema_async(self.db, Item)
        else:
            mini_orm.apply_schema(self.db, Item)

    async def close(self, backend: Backend) -> None:
        if backend.face == "async":
            await self.db.aclose()
        else:
            self.db.close()

    async def fill(self, items: list[Item]) -> list[Item]:
        """Make `items` the only rows."""
        await maybe_await(self.repo.delete_where(allow_all=True))
        stored: list[Item] = await maybe_await(self.repo.insert_many(items))
        return stored

    def search(self, work: Callable[..., Coroutine[Any, Any, None]], **strategies: st.SearchStrategy[Any]) -> None:
        """Run `work` for many examples, each as one run of the loop outside hypothesis."""

        @settings(
            max_examples=self.examples,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
        )
        @given(**strategies)
        def check(**drawn: Any) -> None:
            self.runner.run(work(**drawn))

        check()

    def test_conditions_mean_what_python_says(self) -> None:
        """Q1 Q2 Q3 Q4 Q7 Q8 Q9 Q11 Q16: any nest of conditions finds the rows that Python's evaluation finds."""

        async def work(items: list[Item], cases: list[Case]) -> None:
            rows = await self.fill(items)
            for case in cases:
                for where, wanted in ((case.where, True), (~case.where, False)):
                    expected = [row for row in rows if case.judge(row) is wanted]
                    found = await maybe_await(self.repo.list(where=where, order_by="id"))
                    assert [row.id for row in found] == [row.id for row in expected], (where, expected, found)
                assert await maybe_await(self.repo.count(case.where)) == len([r for r in rows if case.judge(r)])
                assert await maybe_await(self.repo.exists(case.where)) is any(case.judge(row) for row in rows)
            expected = [row for row in rows if every(case.judge(row) for case in cases)]
            deleted = await maybe_await(self.repo.delete_where(where=[case.where for case in cases]))
            assert deleted == len(expected), (cases, expected)

        pools = pools_of(self.backend)
        fold = ascii_lower if self.backend.like_ignores_case else str
        trees = st.recursive(leaves(fold, pools), grow, max_leaves=12)
        self.search(work, items=items_of(pools), cases=st.lists(trees, min_size=1, max_size=4))

    def test_order_and_pages_mean_what_python_says(self) -> None:
        """Q12 Q13: any order by several keys, with limit and offset, is Python's sort and slice."""

        async def work(
            items: list[Item], keys: list[OrderBy], descending: bool, limit: int | None, offset: int | None
        ) -> None:
            rows = await self.fill(items)
            last = "-id" if descending else "id"
            expected = ordered(rows, [*keys, OrderBy("id", descending)])
            expected = expected[offset or 0 :][:limit]
            found = await maybe_await(self.repo.list(order_by=[*keys, last], limit=limit, offset=offset))
            assert [row.id for row in found] == [row.id for row in expected], (keys, expected, found)

        self.search(
            work,
            items=items_of(pools_of(self.backend)),
            keys=KEYS,
            descending=st.booleans(),
            limit=st.none() | st.integers(1, 10),
            offset=st.none() | st.integers(0, 10),
        )


class SyncSqlite3Properties(QueryProperties, unittest.TestCase):
    backend_class, examples = SyncSqlite3, 150


class WorkerSqlite3Properties(QueryProperties, unittest.TestCase):
    backend_class, examples = WorkerSqlite3, 30


class InlineSqlite3Properties(QueryProperties, unittest.TestCase):
    backend_class, examples = InlineSqlite3, 40


class SyncPsycopgProperties(QueryProperties, unittest.TestCase):
    backend_class, examples = SyncPsycopg, 120


SyncPsycopgProperties = where_there_is_a_server(SyncPsycopgProperties, SyncPsycopg)


class SyncPyMySQLProperties(QueryProperties, unittest.TestCase):
    backend_class, examples = SyncPyMySQL, 60


SyncPyMySQLProperties = where_there_is_a_server(SyncPyMySQLProperties, SyncPyMySQL)


class AiosqliteProperties(QueryProperties, unittest.TestCase):
    backend_class, examples = Aiosqlite, 50
