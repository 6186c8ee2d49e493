"""Long lists and groups of conditions (contract Q6, Q9), on both faces."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import operator
import random
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mini_orm import (
    C,
    ConditionGroup,
    F,
    NotCondition,
    OrderBy,
    QueryError,
)
from tests.backends import maybe_await
from tests.contracts.queries import UTC, Color, QueryHelpers, Thing, things


@dataclass
class Listed:
    """Columns for lists longer than any limit on parameters."""

    id: int | None = field(default=None, metadata={"pk": True, "auto": True})
    number: int | None = None
    text: str | None = None
    data: bytes | None = None
    real: float | None = None
    price: Decimal | None = None
    at: dt.datetime | None = None
    seen: dt.datetime | None = field(default=None, metadata={"timezone": True})
    day: dt.date | None = None
    token: uuid.UUID | None = None
    color: Color | None = None
    flag: bool | None = None


@functools.cache
def long_lists(size: int) -> dict[str, list[Any]]:
    """So many values for each of three columns."""
    return {
        "number": list(range(size)),
        "text": [f'it\'s "{i}" \\ é😀\n' for i in range(size)],
        "data": [b"", *(i.to_bytes(3, "big") for i in range(size - 1))],
    }


class LongListContract(QueryHelpers):
    """Q6: lists past every limit on bound parameters."""

    async def test_many_values(self) -> None:
        """Q6: 300,000 ints, strings or bytes work in one statement, with order, limit, NOT and count right."""
        size = self.amount(300_000, 70_000)  # more than any database binds
        lists = long_lists(size)
        rows = [Listed(**{name: values[at] for name, values in lists.items()}) for at in (0, 1, size // 2, size - 1)]
        rows += [Listed(number=size, text="it's", data=b"\xff\xff\xff"), Listed()]
        repo = await self.table(Listed, rows)
        for name, values in lists.items():
            with self.subTest(name):
                inside = C.in_(name, values)
                async with self.traced() as statements:
                    found = await maybe_await(repo.list(where=inside, order_by="-id", limit=3, offset=1))
                self.assertEqual([row.id for row in found], [3, 2, 1])
                self.assertEqual(len(statements), 1, [text[:80] for text in statements])
                self.assertEqual(await maybe_await(repo.count(~inside)), 1)
        numbers = lists["number"]
        self.assertEqual(await maybe_await(repo.count(C.in_("number", [*numbers, None]))), 5)
        self.assertEqual([row.id for row in await maybe_await(repo.list(where=C.not_in("number", numbers)))], [5])
        self.assertTrue(await maybe_await(repo.exists(C.in_("number", numbers) & C.eq("id", 4))))
        self.assertEqual(await maybe_await(repo.update_where({"text": "new"}, where=C.in_("number", numbers))), 4)
        self.assertEqual(await maybe_await(repo.delete_where(where=C.not_in("number", [*numbers, None]))), 1)

    async def test_long_lists_of_every_kind(self) -> None:
        """Q6: a long list of any kind finds exactly the values that a short one finds."""
        size, rng = self.amount(35_000, 2_000), random.Random(6)
        start, zone = dt.datetime(2000, 1, 1, microsecond=1), dt.timezone(dt.timedelta(hours=5))
        lists: dict[str, list[Any]] = {
            "number": [-(2**63), 2**63 - 1, 2**53 + 1, *range(size)],
            "text": ["", "é", "\U0010ffff", "\x01\x1f\x7f", '"', "\\u0041", "\u2028", *map(str, range(size))],
            "data": [bytes([byte, 0, 255 - byte]) for byte in range(256)] * (size // 256 + 1),
            "real": [5e-324, 0.1 + 0.2, *(rng.uniform(-1e9, 1e9) for _ in range(size))],
            "price": [Decimal("1E+2"), Decimal("0.10"), Decimal("-7.250"), *(Decimal(i) / 8 for i in range(size))],
            "at": [start + dt.timedelta(seconds=i) for i in range(size)],
            "seen": [(start + dt.timedelta(hours=i)).replace(tzinfo=zone) for i in range(size)],
            "day": [dt.date.fromordinal(1 + i) for i in range(size)],
            "token": [uuid.UUID(int=i << 90) for i in range(size)],
            "color": [Color.RED, "blue"] * size,
            "flag": [True] * size,
        }
        if self.backend.keeps_infinity:
            lists["real"][:0] = [float("inf"), float("-inf")]
        others: dict[str, Any] = {
            "number": -5,
            "text": "A",
            "data": b"\0",
            "real": 0.3,
            "price": Decimal("0.11"),
            "at": start + dt.timedelta(microseconds=1),
            "seen": start.replace(tzinfo=UTC, microsecond=2),
            "day": dt.date(2024, 1, 1),
            "token": uuid.UUID(int=1),
            "color": Color.GREEN,
            "flag": False,
        }
        rows = [Listed(**{name: values[at % len(values)] for name, values in lists.items()}) for at in range(300)]
        repo = await self.table(Listed, [*rows, Listed(**others), Listed()])
        for name, values in lists.items():
            with self.subTest(name):
                where = C.in_(name, values)
                found = await maybe_await(repo.list(where=where, order_by="id"))
                self.assertEqual([row.id for row in found], list(range(1, 301)))
                self.assertEqual([row.id for row in await maybe_await(repo.list(where=~where))], [301])


class GroupContract(QueryHelpers):
    """Q9: groups, lists of conditions, width and depth."""

    async def test_groups(self) -> None:
        """Q9: and_ and or_ take one sequence or many arguments; &, | and ~ mean the same."""
        repo = await self.table(Thing, things(n=[1, 2, 3, None], m=[1, 1, 2, 2]))
        one, two = C.eq("m", 1), C.ge("n", 2)
        alls: list[Any] = [
            C.and_(one, two),
            C.and_([one, two]),
            C.and_((one, two)),
            one & two,
            [one, two],
            C.and_([one & two]),
        ]
        for where in alls:
            self.assertEqual(await self.ids(repo, where), [2])
        anys: list[Any] = [C.or_(one, two), C.or_([one, two]), C.or_((one, two)), one | two, ~(~one & ~two)]
        for where in anys:
            self.assertEqual(await self.ids(repo, where), [1, 2, 3])
        nones: list[Any] = [C.not_(one | two), ~(one | two), ~one & ~two, NotCondition(one | two)]
        for where in nones:
            self.assertEqual(await self.ids(repo, where), [])
        self.assertEqual(await self.ids(repo, ~~one), [1, 2])
        self.assertEqual(await self.ids(repo, one & (two | C.eq("n", 1))), [1, 2])
        self.assertEqual(await self.ids(repo, (one & two) | C.is_null("n")), [2, 4])
        self.assertEqual(await self.ids(repo, ConditionGroup("OR", (C.eq("n", 1), C.eq("n", 3)))), [1, 3])
        self.assertEqual(await self.ids(repo, C.and_(one)), [1, 2])

    async def test_no_filter(self) -> None:
        """Q9: `[]` and `None` as where mean no filter."""
        repo = await self.table(Thing, things(n=[1, 2]))
        self.assertEqual(await self.ids(repo, None), [1, 2])
        self.assertEqual(await self.ids(repo, []), [1, 2])

    async def test_nothing_in_a_group(self) -> None:
        """Q9: a group of nothing is a ValueError."""
        repo = await self.table(Thing)
        nothings: list[Any] = [(), ([],), ((),)]
        for make in (C.and_, C.or_):
            for arguments in nothings:
                with self.subTest(make=make.__name__, arguments=arguments):
                    await self.refused(ValueError, lambda make=make, args=arguments: repo.list(where=make(*args)))
        await self.refused(ValueError, lambda: repo.list(where=ConditionGroup("AND", ())))

    async def test_what_is_no_condition(self) -> None:
        """Q9: something that is no condition is a TypeError, as where also a QueryError, before any SQL."""
        repo = await self.table(Thing)
        good: Any = C.eq("n", 1)
        for bad in (1, "n = 1", True, ("n", 1), {"n": 1}, OrderBy("n"), F("n"), C, object()):
            calls: list[Any] = [
                lambda bad=bad: C.and_(good, bad),
                lambda bad=bad: C.or_([good, bad]),
                lambda bad=bad: C.not_(bad),
                lambda bad=bad: good & bad,
                lambda bad=bad: good | bad,
            ]
            for number, call in enumerate(calls):
                with self.subTest(bad=bad, number=number):
                    await self.refused(TypeError, lambda call=call: repo.list(where=call()))
            for where in ([good, bad], [bad], bad):
                with self.subTest(where=where):
                    error = await self.refused(TypeError, lambda where=where: repo.list(where=where))
                    self.assertIsInstance(error, QueryError)

    async def test_wide_groups(self) -> None:
        """Q9: 5,000 conditions work in one group, in a list, and chained with & and | from either side."""
        repo = await self.table(Thing, things(n=[1, 4_999, 5_001, None]))
        # The database's planner takes time with the square of the width: the full width once for each way of writing.
        width = self.amount(5_000, 500)
        none_of: list[Any] = [C.ne("n", i) for i in range(5_001, 5_001 - width, -1)]
        any_of: list[Any] = [C.eq("n", i) for i in range(5_001, 5_001 - width, -1)]
        few, other = none_of[:1_000], any_of[:1_000]
        cases: dict[str, tuple[Any, list[int]]] = {
            "list": (none_of, [1]),
            "and_(*)": (C.and_(*few), [1]),
            "and_([])": (C.and_(few), [1]),
            "&": (functools.reduce(operator.and_, none_of), [1]),
            "& from the right": (functools.reduce(lambda acc, item: item & acc, few), [1]),
            "or_(*)": (C.or_(*any_of), [2, 3]),
            "|": (functools.reduce(operator.or_, other), [2, 3]),
            "| from the right": (functools.reduce(lambda acc, item: item | acc, any_of), [2, 3]),
            "not": (~C.or_(other), [1]),
            "pairs": (C.and_([a | b for a, b in zip(few, other, strict=True)]), [1, 2, 3]),
        }
        for name, (where, expected) in cases.items():
            with self.subTest(name):
                found = await maybe_await(repo.list(where=where, order_by="id"))
                self.assertEqual([row.id for row in found], expected)
        self.assertEqual(await maybe_await(repo.count(few)), 1)
        self.assertEqual(await maybe_await(repo.update_where({"m": 1}, where=C.or_(other))), 2)
        self.assertEqual(await maybe_await(repo.delete_where(where=few)), 1)

    async def test_deep_nests(self) -> None:
        """Q9: nests of 200 levels of AND, OR and NOT work, whichever side they grow on."""
        repo = await self.table(Thing, things(n=[1, 2, 300, None]))
        for swap in (False, True):
            for depth in (50, 199, 200):
                where: Any = C.eq("n", 1)
                truth: list[bool | None] = [True, False, False, None]
                for level in range(depth):
                    if level % 3 == 2:
                        where, truth = ~where, [None if held is None else not held for held in truth]
                        continue
                    other: Any = C.lt("n", 300) if level % 3 == 0 else C.eq("n", 300)
                    values = [True, True, False, None] if level % 3 == 0 else [False, False, True, None]
                    pair = (where, other) if swap else (other, where)
                    where = C.and_(pair) if level % 3 == 0 else C.or_(pair)
                    join = (lambda a, b: a and b) if level % 3 == 0 else (lambda a, b: a or b)
                    truth = [None if a is None else join(a, b) for a, b in zip(truth, values, strict=True)]
                expected = [i for i, held in enumerate(truth, start=1) if held]
                with self.subTest(depth=depth, swap=swap):
                    self.assertEqual(await self.ids(repo, where), expected)

    async def test_too_deep_nests(self) -> None:
        """Q9: nesting deeper than the database can parse is a QueryError, never a RecursionError."""
        repo = await self.table(Thing, things(n=[1]))
        for depth in (2_000, 50_000)[: self.amount(2, 1)]:
            where: Any = C.eq("n", 1)
            for level in range(depth):
                where = C.and_(C.eq("n", 1), where) if level % 2 else C.or_(where, C.eq("m", 2))
            calls: dict[str, Any] = {
                "list": lambda where=where: repo.list(where=where),
                "not": lambda where=where: repo.list(where=~where),
                "in a list": lambda where=where: repo.list(where=[where, where]),
                "count": lambda where=where: repo.count(where),
                "exists": lambda where=where: repo.exists(where),
                "update_where": lambda where=where: repo.update_where({"m": 3}, where=where),
                "delete_where": lambda where=where: repo.delete_where(where=where),
            }
            for name, call in calls.items():
                with self.subTest(name, depth=depth), self.assertRaises(QueryError):
                    await maybe_await(call())
        self.assertEqual(await self.ids(repo, C.is_null("m")), [1])
        where = C.eq("n", 1)
        for _ in range(self.amount(20_000, 600)):
            where = ~where
        with contextlib.suppress(QueryError):  # twice NOT may be dropped, or be too deep
            self.assertEqual(await self.ids(repo, where), [1])

    async def test_deep_expressions(self) -> None:
        """Q9 Q16: a long expression of F works or is a QueryError, never a RecursionError."""
        repo = await self.table(Thing, things(n=[1]))
        for length in (20, 60, 95, 100, 1_000, 30_000)[: self.amount(6, 5)]:
            expression: Any = F("n")
            for _ in range(length):
                expression = expression + 1
            calls: dict[str, Any] = {
                "filter": lambda e=expression: repo.count(C.lt("n", e)),
                "value": lambda e=expression: repo.update_where({"m": e}, where=C.is_not_null("n")),
            }
            for name, call in calls.items():
                with self.subTest(name, length=length):
                    try:
                        self.assertEqual(await maybe_await(call()), 1)
                    except QueryError:
                        self.assertGreater(length, 20)
                    if name == "value":
                        self.assertIn(
                            await maybe_await(repo.count(C.eq("m", length + 1))), (0, 1) if length > 20 else (1,)
                        )
