"""Order, pages, changes by condition and raw statements (contract Q12 to Q17), on both faces."""

from __future__ import annotations

import contextlib
import datetime as dt
import operator
import sqlite3
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from mini_orm import (
    C,
    CodecError,
    F,
    OrderBy,
    QueryError,
    UnsafeOperationError,
)
from tests.backends import maybe_await, needs
from tests.contracts.queries import UTC, Color, QueryHelpers, Thing, things


def is_transaction_control(statement: str) -> bool:
    """Tell BEGIN, COMMIT and SAVEPOINT from the statements that do the work."""
    return statement.split()[0].upper() in {"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"}


class OrderAndPageContract(QueryHelpers):
    """Q12, Q13, Q15: order, pages, counts."""

    async def test_pages(self) -> None:
        """Q12: limit and offset cut the ordered rows; offset works without limit."""
        repo = await self.table(Thing, things(n=range(7)))
        for limit in (None, 1, 3, 7, 100, sys.maxsize):
            for offset in (None, 0, 1, 6, 7, 100, sys.maxsize):
                with self.subTest(limit=limit, offset=offset):
                    start = offset or 0
                    expected = list(range(7, 0, -1))[start:][:limit]
                    self.assertEqual(await self.ids(repo, order_by="-id", limit=limit, offset=offset), expected)
        self.assertEqual(await self.ids(repo, C.ge("n", 2), limit=2, offset=1), [4, 5])

    async def test_bad_pages(self) -> None:
        """Q12: limit below 1, offset below 0, a bool or another type: ValueError before any SQL."""
        repo = await self.table(Thing)
        for limit in (0, -1, True, False, 1.5, "1"):
            with self.subTest(limit=limit):
                await self.refused(ValueError, lambda limit=limit: repo.list(limit=limit), "limit")
        for offset in (-1, True, False, 1.5, "1"):
            with self.subTest(offset=offset):
                await self.refused(ValueError, lambda offset=offset: repo.list(offset=offset), "offset")
                await self.refused(ValueError, lambda offset=offset: repo.list(limit=1, offset=offset), "offset")

    async def test_order_forms(self) -> None:
        """Q13: order_by takes an OrderBy, a name, a name with `-`, or a sequence of them."""
        repo = await self.table(Thing, things(n=[2, 1, 2, 1], m=[1, 1, 2, 2]))
        cases: list[tuple[Any, list[int]]] = [
            ("-id", [4, 3, 2, 1]),
            (OrderBy("id", desc=True), [4, 3, 2, 1]),
            (OrderBy("id"), [1, 2, 3, 4]),
            (["n", "id"], [2, 4, 1, 3]),
            (("-n", OrderBy("m", True)), [3, 1, 4, 2]),
            ([OrderBy("n", True), "-m"], [3, 1, 4, 2]),
            (["m", "n", "-n"], [2, 1, 4, 3]),
        ]
        for order_by, expected in cases:
            with self.subTest(order_by):
                self.assertEqual(await self.ids(repo, order_by=order_by), expected)
        nothings: list[Any] = [None, [], ()]
        for nothing in nothings:
            self.assertCountEqual(await self.ids(repo, order_by=nothing), [1, 2, 3, 4])

    async def test_order_of_nulls(self) -> None:
        """Q13: nulls first or last holds in both directions and for every key of a sequence."""
        repo = await self.table(Thing, things(n=[2, None, 1, None], m=[None, 5, None, 6]))
        cases: list[tuple[Any, list[int]]] = [
            ([OrderBy("n", nulls="first"), "id"], [2, 4, 3, 1]),
            ([OrderBy("n", nulls="last"), "id"], [3, 1, 2, 4]),
            ([OrderBy("n", desc=True, nulls="first"), "id"], [2, 4, 1, 3]),
            ([OrderBy("n", True, "last"), "-id"], [1, 3, 4, 2]),
            ([OrderBy("m", nulls="last"), OrderBy("n", True, "first")], [2, 4, 1, 3]),
        ]
        for order_by, expected in cases:
            with self.subTest(order_by):
                self.assertEqual(await self.ids(repo, order_by=order_by), expected)
                self.assertEqual(await self.ids(repo, order_by=order_by, limit=2, offset=1), expected[1:3])

    async def test_order_is_by_value(self) -> None:
        """Q13: Decimal, datetime, enum, bool and text sort by value (text by code point)."""
        zone = dt.timezone(dt.timedelta(hours=10))
        repo = await self.table(
            Thing,
            things(
                price=[Decimal("10"), Decimal("9"), Decimal("-1.5"), Decimal("9.0000000001")],
                at=[dt.datetime(2024, 1, 1), dt.datetime(2023, 1, 1), dt.datetime(2, 1, 1), dt.datetime(2023, 1, 1, 1)],
                seen=[
                    dt.datetime(2024, 1, 1, hour, tzinfo=tz) for hour, tz in ((9, zone), (0, UTC), (1, UTC), (9, UTC))
                ],
                color=[Color.RED, Color.BLUE, Color.GREEN, Color.RED],
                note=["\U0001f600", "\uffee", "Z", "a"],
            ),
        )
        for name, expected in {
            "price": [3, 2, 4, 1],
            "at": [3, 2, 4, 1],
            "seen": [1, 2, 3, 4],
            "color": [2, 3, 1, 4],
            "note": [3, 4, 2, 1],
        }.items():
            with self.subTest(name):
                self.assertEqual(await self.ids(repo, order_by=[name, "id"]), expected)
                self.assertEqual(await self.ids(repo, order_by=["-" + name, "-id"]), expected[::-1])

    async def test_bad_order(self) -> None:
        """Q10 Q13: an order by what is no field, or is no order, is a QueryError before any SQL."""
        repo = await self.table(Thing)
        middle: Any = "middle"
        unknown: list[Any] = [
            "",
            "-",
            "--n",
            "+n",
            "n desc",
            "n, m",
            OrderBy("-n"),
            ["n", "zz"],
            OrderBy("n", False, middle),
        ]
        for order_by in unknown:
            with self.subTest(order_by=order_by):
                await self.refused(QueryError, lambda order_by=order_by: repo.list(order_by=order_by))
        no_orders: list[Any] = [5, True, [None], [5], C.eq("n", 1), b"n", F("n")]
        for order_by in no_orders:
            with self.subTest(order_by=order_by):
                error = await self.refused(QueryError, lambda order_by=order_by: repo.list(order_by=order_by))
                self.assertIsInstance(error, TypeError)

    async def test_count_and_exists(self) -> None:
        """Q15: count is an int and exists a bool; neither orders; exists() alone asks whether there is a row."""
        repo = await self.table(Thing)
        self.assertIs(await maybe_await(repo.exists()), False)
        self.assertEqual(await maybe_await(repo.count()), 0)
        await maybe_await(repo.insert_many(things(n=[1, 2, None])))
        async with self.traced() as statements:
            self.assertIs(await maybe_await(repo.exists()), True)
            self.assertIs(await maybe_await(repo.exists(C.eq("n", 2))), True)
            self.assertIs(await maybe_await(repo.exists(where=C.eq("n", 3))), False)
            self.assertEqual(await maybe_await(repo.count()), 3)
            self.assertEqual(await maybe_await(repo.count(where=C.ge("n", 1))), 2)
            self.assertEqual(await maybe_await(repo.count([C.ge("n", 1), C.lt("n", 2)])), 1)
        self.assertEqual(len(statements), 6, statements)
        for statement in statements:
            self.assertNotIn("ORDER BY", statement.upper())


class ChangeWhereContract(QueryHelpers):
    """Q14 and Q16: update_where, delete_where and expressions of columns."""

    async def test_a_filter_is_needed(self) -> None:
        """Q14: without a filter both are an UnsafeOperationError (a ValueError) unless allow_all=True."""
        repo = await self.table(Thing, things(n=[1, 2, 3]))
        self.assertTrue(issubclass(UnsafeOperationError, ValueError))
        nothings: list[Any] = [None, []]
        for where in nothings:
            for allow in ({}, {"allow_all": False}):
                await self.refused(
                    UnsafeOperationError, lambda w=where, a=allow: repo.update_where({"n": 9}, where=w, **a)
                )
                await self.refused(UnsafeOperationError, lambda w=where, a=allow: repo.delete_where(where=w, **a))
        self.assertEqual(await self.ids(repo, C.le("n", 3)), [1, 2, 3])
        self.assertEqual(await maybe_await(repo.update_where({"m": 7}, allow_all=True)), 3)
        self.assertEqual(await maybe_await(repo.update_where({"m": 8}, where=C.eq("n", 1), allow_all=True)), 1)
        self.assertEqual(await self.ids(repo, C.eq("m", 7)), [2, 3])
        self.assertEqual(await maybe_await(repo.delete_where(where=C.eq("n", 1), allow_all=True)), 1)
        self.assertEqual(await maybe_await(repo.delete_where(allow_all=True)), 2)
        self.assertEqual(await maybe_await(repo.count()), 0)
        self.assertEqual(await maybe_await(repo.delete_where(where=[], allow_all=True)), 0)

    async def test_what_is_changed(self) -> None:
        """Q14: the rows matched are changed and counted, and no other."""
        repo = await self.table(Thing, things(n=[1, 2, 3, None], note=list("abcd")))
        values = {"note": None, "color": "blue", "price": Decimal("1.50"), "tags": ["x"], "flag": True}
        self.assertEqual(await maybe_await(repo.update_where(values, where=C.ge("n", 2))), 2)
        self.assertEqual(await maybe_await(repo.update_where(values, where=C.ge("n", 2))), 2)
        self.assertEqual(await maybe_await(repo.update_where(values, where=C.ge("n", 99))), 0)
        rows = await maybe_await(repo.list(order_by="id"))
        self.assertEqual([row.note for row in rows], ["a", None, None, "d"])
        self.assertEqual([row.color for row in rows], [None, Color.BLUE, Color.BLUE, None])
        self.assertEqual((rows[1].price, rows[1].tags, rows[1].flag), (Decimal("1.50"), ["x"], True))
        self.assertEqual(await maybe_await(repo.delete_where(where=[C.ge("n", 2), C.is_null("note")])), 2)
        self.assertEqual(await self.ids(repo), [1, 4])

    async def test_bad_values(self) -> None:
        """Q14: empty values, unknown columns and key columns are a QueryError; a wrong value is a CodecError."""
        repo = await self.table(Thing, things(n=[1]))
        where = C.eq("n", 1)
        refused: list[Any] = [{}, {"nn": 1}, {"remark": "x"}, {"cached": "x"}, {"id": 5}, {"n": 2, "id": 5}]
        for values in [*refused, {"id": F("id") + 1}]:
            with self.subTest(values):
                await self.refused(QueryError, lambda values=values: repo.update_where(values, where=where))
        wrong: list[Any] = [
            {"n": "abc-secret"},
            {"n": True},
            {"name": 1},
            {"color": "secret"},
            {"price": 0.5},
            {"n": 2**63},
        ]
        for values in wrong:
            with self.subTest(values):
                error = await self.refused(CodecError, lambda values=values: repo.update_where(values, where=where))
                self.assertNotIn("secret", str(error))
        await self.refused(QueryError, lambda: repo.update_where({"n": 2}, where="n = 1"))
        self.assertEqual(await self.ids(repo, C.eq("n", 1)), [1])

    async def test_f_in_update_where(self) -> None:
        """Q16: an expression of columns and numbers is computed by the database, in one statement without a read."""
        expressions: list[tuple[Any, Callable[[int, int], int]]] = [
            (F("n"), lambda n, m: n),
            (F("n") + 1, lambda n, m: n + 1),
            (F("n") - 1, lambda n, m: n - 1),
            (F("n") * 3, lambda n, m: n * 3),
            (1 + F("n"), lambda n, m: 1 + n),
            (10 - F("n"), lambda n, m: 10 - n),
            (2 * F("n"), lambda n, m: 2 * n),
            (F("n") - -1, lambda n, m: n - -1),
            (F("n") + F("m") * 2, lambda n, m: n + m * 2),
            ((F("n") + F("m")) * 2, lambda n, m: (n + m) * 2),
            (F("n") - (F("m") - 3), lambda n, m: n - (m - 3)),
            (F("n") - F("m") - 3, lambda n, m: n - m - 3),
            (2 * (F("n") - 1) * (F("m") + 1), lambda n, m: 2 * (n - 1) * (m + 1)),
        ]
        repo = await self.table(Thing, things(n=[5, -2, 7], m=[3, 4, None]))
        for number, (expression, compute) in enumerate(expressions):
            with self.subTest(number):
                async with self.traced() as statements:
                    changed = await maybe_await(repo.update_where({"x": expression}, where=C.le("n", 5)))
                self.assertEqual(changed, 2)
                work = [text for text in statements if not is_transaction_control(text)]
                self.assertEqual(len(work), 1, statements)
                self.assertTrue(work[0].startswith("UPDATE"), work)
                rows = await maybe_await(repo.list(order_by="id"))
                self.assertEqual([row.x for row in rows], [compute(5, 3), compute(-2, 4), None])
        self.assertEqual(await maybe_await(repo.update_where({"m": F("m") + 1, "n": F("m")}, allow_all=True)), 3)
        rows = await maybe_await(repo.list(order_by="id"))
        self.assertEqual([(row.n, row.m) for row in rows], [(3, 4), (4, 5), (None, None)])
        self.assertEqual(
            await maybe_await(repo.update_where({"note": F("name"), "x": F("x") * 0.5}, allow_all=True)), 3
        )
        self.assertEqual(await self.ids(repo, C.eq("note", F("name"))), [1, 2, 3])

    async def test_f_is_atomic(self) -> None:
        """Q16: increments from several threads or tasks are all counted."""
        repo = await self.table(Thing, things(n=[0, 100]))

        async def increment() -> None:
            for _ in range(10):
                await maybe_await(repo.update_where({"n": F("n") + 1}, where=C.eq("id", 1)))

        self.assertEqual(await self.together([increment] * 4), [None] * 4)
        self.assertEqual([row.n for row in await maybe_await(repo.list(order_by="id"))], [40, 100])

    async def test_f_in_comparisons(self) -> None:
        """Q16: an expression is the other side of any comparison; NULL in it matches nothing."""
        repo = await self.table(
            Thing, things(n=[1, 5, 3, None, 4], m=[2, 5, 1, 1, None], note=["row 1", "x", *[None] * 3])
        )
        cases: list[tuple[Any, list[int]]] = [
            (C.eq("n", F("m")), [2]),
            (C.ne("n", F("m")), [1, 3]),
            (C.lt("n", F("m")), [1]),
            (C.le("n", F("m")), [1, 2]),
            (C.gt("n", F("m")), [3]),
            (C.ge("n", F("m")), [2, 3]),
            (~C.gt("n", F("m")), [1, 2]),
            (C.eq("n", F("m") - 1), [1]),
            (C.eq("n", 2 * F("m") + 1), [3]),
            (C.gt("n", F("n") - 1) & C.eq("name", F("note")), [1]),
            (C.eq("id", F("id")), [1, 2, 3, 4, 5]),
        ]
        for where, expected in cases:
            with self.subTest(where):
                self.assertEqual(await self.ids(repo, where), expected)
        self.assertEqual(await maybe_await(repo.delete_where(where=C.gt("n", F("m")))), 1)
        self.assertEqual(await self.ids(repo), [1, 2, 4, 5])

    async def test_bad_expressions(self) -> None:
        """Q16: unknown names, text in arithmetic, wrong kinds and what is no number are refused before any SQL."""
        repo = await self.table(Thing, things(n=[1]))
        update: Any = lambda values: repo.update_where(values, allow_all=True)  # noqa: E731
        kinds: list[Any] = [
            lambda: update({"n": F("name")}),
            lambda: update({"name": F("n")}),
            lambda: update({"n": F("name") + 1}),
            lambda: update({"name": F("n") + 1}),
            lambda: update({"flag": F("n")}),
            lambda: update({"at": F("n") + 1}),
            lambda: update({"at": F("seen")}),
            lambda: update({"color": F("n")}),
            lambda: update({"n": F("tags")}),
            lambda: repo.list(where=C.eq("n", F("name"))),
            lambda: repo.list(where=C.gt("name", F("n") + 1)),
            lambda: repo.list(where=C.lt("at", F("seen"))),
            lambda: repo.list(where=C.eq("n", F("n") + F("name"))),
        ]
        for number, call in enumerate(kinds):
            with self.subTest("kind", number=number):
                await self.refused(QueryError, call)
        await self.refused(QueryError, lambda: update({"n": F("nn") + 1}), "nn")
        await self.refused(QueryError, lambda: update({"n": F("n") + F("remark")}), "remark")
        await self.refused(QueryError, lambda: repo.list(where=C.gt("n", 1 - F("cached"))), "cached")
        for other in ("1", None, True, [1], object(), C.eq("n", 1)):
            for combine in (operator.add, operator.sub, operator.mul):
                with self.subTest(other=other, combine=combine.__name__):
                    await self.refused(
                        (QueryError, TypeError),
                        lambda combine=combine, other=other: update({"n": combine(F("n"), other)}),
                    )
        for other in (2**63, float("nan")):
            with self.subTest(other=other):
                await self.refused((QueryError, CodecError), lambda other=other: update({"x": F("x") + other}))
        for combine in (operator.truediv, operator.mod, operator.pow, operator.floordiv):
            with self.subTest(combine=combine.__name__), self.assertRaises(TypeError):
                combine(F("n"), 2)
        await self.refused((QueryError, CodecError), lambda: update({"n": F("n") * 0.5}))
        with self.assertRaises(CodecError):
            expression: Any = F("n") + 1
            await maybe_await(repo.insert(Thing(name="F", n=expression)))
        self.assertEqual(await self.ids(repo, C.eq("n", 1)), [1])

    async def test_decimal_expressions_stay_exact(self) -> None:
        """Q16 T4: arithmetic on a Decimal column is exact, or a QueryError where the database can't."""
        repo = await self.table(Thing, things(price=[Decimal("0.1")]))
        expected = Decimal("0.1")
        try:
            await maybe_await(repo.update_where({"price": F("price") + Decimal("0.2")}, allow_all=True))
            expected = Decimal("0.3")
        except QueryError:
            pass
        row = await maybe_await(repo.get(1))
        self.assertEqual(row.price, expected)
        self.assertEqual(await self.ids(repo, C.eq("price", F("price"))), [1])


class RawContract(QueryHelpers):
    """Q17 and X2: raw statements, and what the user set on the connection."""

    async def test_result(self) -> None:
        """Q17: execute returns a Result with rowcount, lastrowid, description, fetchone, fetchall, iteration."""
        await self.create_tables(Thing)
        insert = self.backend.sql("INSERT INTO thing (name, n) VALUES (?, ?)")
        first = await maybe_await(self.db.execute(insert, ("a", 1)))
        self.assertEqual((first.rowcount, first.lastrowid), (1, 1 if self.backend.supports_last_id else None))
        self.assertEqual((first.fetchone(), first.fetchall(), list(first)), (None, [], []))
        named, given = "INSERT INTO thing (name, n) VALUES (:a, :b)", {"a": "b", "b": 2}
        if self.backend.supports_named_params:
            second = await maybe_await(self.db.execute(self.backend.sql(named), given))
        else:
            second = await maybe_await(self.db.execute(insert, list(given.values())))
        self.assertEqual((second.rowcount, second.lastrowid), (1, 2 if self.backend.supports_last_id else None))
        changed = await maybe_await(self.db.execute("UPDATE thing SET n = n + 1"))
        self.assertEqual(changed.rowcount, 2)
        select = "SELECT name, n AS number FROM thing ORDER BY id"
        result = await maybe_await(self.db.execute(select))
        self.assertEqual([column[0] for column in result.description], ["name", "number"])
        self.assertEqual(result.fetchone(), ("a", 2))
        self.assertEqual(result.fetchall(), [("b", 3)])
        self.assertIsNone(result.fetchone())
        self.assertEqual(result.fetchall(), [])
        rows = list(await maybe_await(self.db.execute(select)))
        self.assertEqual(rows, [("a", 2), ("b", 3)])
        self.assertEqual({type(row) for row in rows}, {tuple})
        self.assertEqual(list(await maybe_await(self.db.execute("SELECT '%', '%s', ':x'"))), [("%", "%s", ":x")])

    async def test_result_is_already_read(self) -> None:
        """Q17: a Result is read: it holds no cursor open, and outlives later changes and the connection."""
        repo = await self.table(Thing, things(n=[1, 2, 3]))
        result = await maybe_await(self.db.execute("SELECT n FROM thing ORDER BY n"))
        self.assertEqual(result.fetchone(), (1,))
        self.assertEqual(await maybe_await(repo.delete_where(allow_all=True)), 3)
        await maybe_await(self.db.execute("DROP TABLE thing"))
        await self.close(self.db)
        self.assertEqual(result.fetchall(), [(2,), (3,)])
        self.assertEqual([column[0] for column in result.description], ["n"])

    async def test_rows_are_mappings(self) -> None:
        """Q17: fetchone gives a mapping by column name or None, fetchall a list of mappings."""
        await self.table(Thing, things(n=[1, 2], note=["a", None]))
        sql = self.backend.sql("SELECT id, n, remark AS r FROM thing WHERE n = ?")
        row = await maybe_await(self.db.fetchone(sql, [1]))
        self.assertIsInstance(row, Mapping)
        self.assertEqual(dict(row), {"id": 1, "n": 1, "r": "a"})
        self.assertEqual((row["n"], list(row), len(row)), (1, ["id", "n", "r"], 3))
        self.assertIsNone(await maybe_await(self.db.fetchone("SELECT n FROM thing WHERE n = 9")))
        is_named = self.backend.supports_named_params
        sql = self.backend.sql(f"SELECT n, remark FROM thing WHERE n >= {':low' if is_named else '?'} ORDER BY n")
        rows = await maybe_await(self.db.fetchall(sql, {"low": 1} if is_named else [1]))
        self.assertIs(type(rows), list)
        self.assertEqual([dict(each) for each in rows], [{"n": 1, "remark": "a"}, {"n": 2, "remark": None}])
        self.assertEqual(await maybe_await(self.db.fetchall("SELECT n FROM thing WHERE n = 9")), [])

    async def test_raw_writes_are_committed(self) -> None:
        """Q17: a raw write outside a transaction is committed when the call returns."""
        await self.create_tables(Thing)
        await maybe_await(self.db.execute("INSERT INTO thing (name) VALUES ('seen from outside')"))
        with contextlib.closing(self.backend.raw()) as other:
            self.assertEqual(other.execute("SELECT name FROM thing").fetchall(), [("seen from outside",)])

    @needs("supports_row_factory")
    async def test_factories_of_the_user(self) -> None:
        """Q17 X2: row_factory and text_factory of the user's connection stay, and never change a result."""
        await self.table(Thing, things(name=["naïve"], n=[1], color=[Color.RED], tags=[["é"]], price=[Decimal("1.5")]))

        def row_factory(cursor: Any, row: Any) -> Any:
            return {"broken": True}

        def text_factory(raw: bytes) -> Any:
            return ["broken", raw]

        for set_first in (True, False):
            for rows, texts in ((sqlite3.Row, bytes), (row_factory, text_factory)):
                conn = await self.backend.connect()
                if set_first:
                    conn.row_factory, conn.text_factory = rows, texts
                db = await self.wrap(conn)
                repo = self.repo(Thing, db)
                await maybe_await(repo.count())
                conn.row_factory, conn.text_factory = rows, texts
                with self.subTest(set_first=set_first, rows=rows):
                    thing = await maybe_await(repo.get(1))
                    self.assertEqual(
                        (thing.name, thing.n, thing.color, thing.tags, thing.price),
                        ("naïve", 1, Color.RED, ["é"], Decimal("1.5")),
                    )
                    self.assertEqual(await self.ids(repo, C.eq("name", "naïve")), [1])
                    result = await maybe_await(db.execute("SELECT name, n FROM thing"))
                    self.assertEqual((type(result.fetchone()), result.rowcount != 0), (tuple, True))
                    self.assertEqual(list(await maybe_await(db.execute("SELECT name, n FROM thing"))), [("naïve", 1)])
                    self.assertEqual(dict(await maybe_await(db.fetchone("SELECT name FROM thing"))), {"name": "naïve"})
                    one = await maybe_await(repo.insert(Thing(name=f"{set_first} {rows}")))
                    self.assertEqual(await maybe_await(repo.delete(one)), 1)
                    found, made = await maybe_await(repo.get_or_create(lookup={"name": "naïve"}))
                    self.assertEqual((found.id, made), (1, False))
                    self.assertIs(conn.row_factory, rows)
                    self.assertIs(conn.text_factory, texts)
