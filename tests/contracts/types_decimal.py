"""Decimal (T4): exact, and compared, ordered and unique by value, on a database that has no such type."""

from __future__ import annotations

import itertools
import operator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mini_orm import C, CodecError, F, OrderBy, QueryError, UniqueViolation
from tests.backends import maybe_await, needs
from tests.contracts.models import KEY, ModelMixin

D = Decimal
#: More digits than Python's default context keeps.
LONG = D("123456789012345678901234567890.12345678901234567890")


@dataclass
class Price:
    """An amount without limits, and one with cents."""

    amount: Decimal
    cents: Decimal | None = field(default=None, metadata={"precision": 12, "scale": 2})
    pieces: int = 1
    id: int | None = field(default=None, metadata=KEY)


class DecimalContract(ModelMixin):
    """T4 in every place where a value is compared or computed."""

    async def prices(self, *amounts: str) -> Any:
        return await self.table(Price, [Price(D(amount)) for amount in amounts])

    async def test_exact(self) -> None:
        """T4: every digit is kept, also more than the default context's 28, and very small and large ones."""
        texts = ["0", "-0", "0.1", "-0.10", "1E+3", "1E-30", "9" * 60, "0." + "0" * 40 + "1", str(LONG), "100", "1e20"]
        texts += ["9" * 28 + "." + "9" * 10, "-" + "9" * 28, "-0.0000000001"]
        texts = [text for text in texts if self.backend.takes_decimal(D(text))]
        repo = await self.prices(*texts)
        rows = await maybe_await(repo.list(order_by="id"))
        self.assertEqual([row.amount for row in rows], [D(text) for text in texts])
        self.assertEqual({type(row.amount) for row in rows}, {Decimal})

    async def test_int_is_taken(self) -> None:
        """T4 T0: an int is taken for a Decimal; a float or a bool is not."""
        repo = await self.table(Price, [Price(7, 8)])  # type: ignore[arg-type]
        row = await maybe_await(repo.get(1))
        self.assertEqual((type(row.amount), row.amount, row.cents), (Decimal, D(7), D(8)))
        self.assertEqual(await maybe_await(repo.count(C.eq("amount", 7))), 1)
        for wrong in (7.0, True, "7"):
            with self.assertRaises(CodecError):
                await maybe_await(repo.insert(Price(wrong)))  # type: ignore[arg-type]

    @needs("stores_text")
    async def test_canonical_text(self) -> None:
        """T4: equal values are one text, whatever way they were spelt."""
        repo = await self.prices("1.5", "1.50", "0.15E1", "15E-1", "0", "-0", "0.00", "0E+5", "100", "1E+2")
        raw = await maybe_await(self.db.fetchall("SELECT count(DISTINCT amount || '') AS n FROM price"))
        self.assertEqual(raw[0]["n"], 3)
        self.assertEqual(await maybe_await(repo.count(C.eq("amount", D("1.500")))), 4)
        self.assertEqual(await maybe_await(repo.count(C.eq("amount", D("-0.0")))), 4)

    async def test_order(self) -> None:
        """T4: the order is that of the numbers, in both directions, with NULLs where they were asked for."""
        texts = ["10", "9", "1.50", "-2", "-10", "1E+2", "0.5", "-0.5", "0", str(LONG), "-1E-20", "99.9"]
        texts = [text for text in texts if self.backend.takes_decimal(D(text))]
        repo = await self.prices(*texts)
        amounts = sorted(D(text) for text in texts)
        rows = await maybe_await(repo.list(order_by="amount"))
        self.assertEqual([row.amount for row in rows], amounts)
        rows = await maybe_await(repo.list(order_by="-amount", limit=3, offset=2))
        self.assertEqual([row.amount for row in rows], amounts[::-1][2:5])
        await maybe_await(repo.update_where({"cents": D("9.5")}, where=C.gt("amount", 50)))
        await maybe_await(repo.update_where({"cents": D("10")}, where=C.lt("amount", -1)))
        rows = await maybe_await(repo.list(order_by=[OrderBy("cents", True, "last"), "amount"]))
        above = sum(amount > 50 for amount in amounts)
        rest = [None] * (len(amounts) - 2 - above)
        self.assertEqual([row.cents for row in rows], [D(10)] * 2 + [D("9.5")] * above + rest)

    async def test_comparisons(self) -> None:
        """T4: `= <> < <= > >=` and `between` are by value, for every pair."""
        amounts = [D(text) for text in ("10", "9", "1.5", "-2", "-10", "100", "0.5", "-0.5", "0")]
        repo = await self.table(Price, [Price(amount) for amount in amounts])
        for name, holds in {
            "eq": operator.eq,
            "ne": operator.ne,
            "lt": operator.lt,
            "le": operator.le,
            "gt": operator.gt,
            "ge": operator.ge,
        }.items():
            for pivot in (*amounts, D("1.50"), D("1E+1"), D("0.49999999999999999999999999999999999999"), D("-0")):
                rows = await maybe_await(repo.list(where=getattr(C, name)("amount", pivot)))
                expected = {amount for amount in amounts if holds(amount, pivot)}
                self.assertEqual({row.amount for row in rows}, expected, f"{name} {pivot}")
        for low, high in itertools.product([D("-2.0"), D("0"), D("9.00"), D("10")], repeat=2):
            rows = await maybe_await(repo.list(where=C.between("amount", low, high)))
            self.assertEqual({row.amount for row in rows}, {one for one in amounts if low <= one <= high})

    async def test_null_safe_comparisons(self) -> None:
        """T4 Q2: the null-safe pair is by value too."""
        repo = await self.table(Price, [Price(D(1), D("1.50")), Price(D(2), None), Price(D(3), D("2"))])
        for value, same in ((D("1.5"), {1}), (None, {2}), (D("2.00"), {3}), (D(9), set())):
            rows = await maybe_await(repo.list(where=C.same_as("cents", value)))
            self.assertEqual({row.id for row in rows}, same)
            rows = await maybe_await(repo.list(where=C.distinct_from("cents", value)))
            self.assertEqual({row.id for row in rows}, {1, 2, 3} - same)

    async def test_in(self) -> None:
        """T4: `in_` and `not_in` are by value, in short lists and in ones too long for parameters."""
        repo = await self.prices("1.5", "10", "100", "-2")
        for extra in (0, 40_000):
            with self.subTest(extra=extra):
                values = [D("1.50"), D("1E+2"), D("-2.000"), *(D(number) + D("0.25") for number in range(extra))]
                rows = await maybe_await(repo.list(where=C.in_("amount", values), order_by="amount"))
                self.assertEqual([row.amount for row in rows], [D("-2"), D("1.5"), D("100")])
                rows = await maybe_await(repo.list(where=C.not_in("amount", values)))
                self.assertEqual([row.amount for row in rows], [D("10")])

    async def test_unique_by_value(self) -> None:
        """T4: 1.5 and 1.50 are one value for a unique index, alone and with another column, and for a key."""

        @dataclass
        class Rate:
            __indexes__ = [{"columns": ["low", "name"], "unique": True}]
            high: Decimal = field(metadata={"unique_index": True})
            low: Decimal
            name: str = "x"
            id: Decimal = field(default=D(1), metadata={"pk": True})

        repo = await self.table(Rate, [Rate(D("1.5"), D("7"), id=D("2.50"))])
        for clash in (
            Rate(D("1.50"), D(8), id=D(3)),
            Rate(D("15E-1"), D(8), id=D(3)),
            Rate(D(2), D("7.000"), id=D(3)),
            Rate(D(2), D(8), id=D("2.5")),
        ):
            with self.assertRaises(UniqueViolation):
                await maybe_await(repo.insert(clash))
        await maybe_await(repo.insert(Rate(D("1.51"), D("7"), "y", D("25"))))
        row = await maybe_await(repo.get(D("2.500")))
        self.assertEqual(row.high, D("1.5"))
        self.assertEqual(await maybe_await(repo.update(Rate(D(4), D(4), "z", D("2.50")))), 1)
        found, created = await maybe_await(repo.get_or_create(lookup={"high": D("4.00")}, defaults={"low": D(1)}))
        self.assertEqual((found.name, created), ("z", False))
        self.assertEqual(await maybe_await(repo.delete(row)), 1)
        self.assertEqual(await maybe_await(repo.count()), 1)

    async def test_arithmetic(self) -> None:
        """T4 Q16: `+ - *` with numbers and columns are exact in `update_where`, beyond 28 digits too."""
        for start, change, expected in (
            ("0.1", F("amount") + D("0.2"), "0.3"),
            ("0.3", F("amount") - D("0.1"), "0.2"),
            ("1.1", F("amount") * D("1.1"), "1.21"),
            ("0.1", F("amount") * 3, "0.3"),
            ("19.99", F("amount") * F("pieces"), "19.99"),
            ("5", F("amount") + F("amount"), "10"),
            (str(LONG), F("amount") + D("1E-20"), "123456789012345678901234567890.12345678901234567891"),
            ("1" + "0" * 29, F("amount") * D("1" + "0" * 29 + "1"), "1" + "0" * 29 + "1" + "0" * 29),
            ("9007199254740993", F("amount") + 1, "9007199254740994"),
            ("-0.5", F("amount") - F("amount"), "0"),
            ("2", (F("amount") + 1) * (F("amount") - D("0.5")), "4.5"),
            ("1" + "0" * 27, F("amount") + D("1E-10"), "1" + "0" * 27 + ".0000000001"),
        ):
            if not (self.backend.takes_decimal(D(start)) and self.backend.takes_decimal(D(expected))):
                continue
            with self.subTest(expected):
                await maybe_await(self.db.execute("DROP TABLE IF EXISTS price"))
                repo = await self.prices(start)
                self.assertEqual(await maybe_await(repo.update_where({"amount": change}, allow_all=True)), 1)
                row = await maybe_await(repo.get(1))
                self.assertEqual((type(row.amount), row.amount), (Decimal, D(expected)))
                self.assertEqual(await maybe_await(repo.count(C.eq("amount", D(expected)))), 1)

    async def test_arithmetic_with_null(self) -> None:
        """T4 Q16: NULL in arithmetic gives NULL."""
        repo = await self.table(Price, [Price(D(1), None), Price(D(2), D("0.10"))])
        await maybe_await(repo.update_where({"cents": F("cents") + D("0.20")}, allow_all=True))
        self.assertEqual([row.cents for row in await maybe_await(repo.list(order_by="id"))], [None, D("0.3")])

    async def test_columns_compared(self) -> None:
        """T4 Q16: a column or an expression as the other side is compared by value, not as text."""
        rows = [Price(D("9"), D("10")), Price(D("10.5"), D("10.50")), Price(D("100"), D("20")), Price(D("1"), None)]
        repo = await self.table(Price, rows)
        for where, expected in (
            (C.lt("amount", F("cents")), {1}),
            (C.eq("amount", F("cents")), {2}),
            (C.gt("amount", F("cents")), {3}),
            (C.ge("amount", F("cents") * 5), {3}),
            (C.le("amount", F("cents") - 1), {1}),
            (C.gt("cents", F("pieces") * 10), {2, 3}),
        ):
            self.assertEqual({row.id for row in await maybe_await(repo.list(where=where))}, expected, where)

    async def test_more_digits_than_scale(self) -> None:
        """T4: more digits than `scale`, or than `precision` leaves before the point, are refused, not rounded."""
        repo = await self.table(Price, [Price(D(1), D("9999999999.99")), Price(D(2), D("-0.01"))])
        for wrong in ("1.234", "0.001", "-0.005", "10000000000", "1E+10", "99999999999.99", "1E-10"):
            with self.subTest(wrong):
                for write in (
                    lambda value: repo.insert(Price(D(1), value)),
                    lambda value: repo.insert_many([Price(D(1), D(1)), Price(D(1), value)]),
                    lambda value: repo.update(Price(D(1), value, id=1)),
                    lambda value: repo.update_where({"cents": value}, allow_all=True),
                ):
                    with self.assertRaises(CodecError) as caught:
                        await maybe_await(write(D(wrong)))
                    self.assertEqual(caught.exception.field, "cents")
                    self.assertNotIn(wrong, str(caught.exception))
        listed = await maybe_await(repo.list(order_by="cents"))
        self.assertEqual([row.cents for row in listed], [D("-0.01"), D("9999999999.99")])

    async def test_not_a_number(self) -> None:
        """T4: NaN, infinities and exponents that no database keeps are refused, written or asked for, at once."""
        repo = await self.prices("1")
        for text in ("NaN", "sNaN", "-NaN12", "Infinity", "-Infinity", "1E+999999999", "1E-999999999", "-9E+200000"):
            with self.subTest(text):
                with self.assertRaises(CodecError):
                    await maybe_await(repo.insert(Price(D(text))))
                for where in (C.eq("amount", D(text)), C.in_("amount", [D(1), D(text)]), C.gt("amount", D(text))):
                    with self.assertRaises(QueryError):
                        await maybe_await(repo.count(where))
        self.assertEqual(await maybe_await(repo.count()), 1)
