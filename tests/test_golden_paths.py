"""The SQL of filters and order over relations, held as text for every dialect; and when it is made anew (L7).

Texts are written with `"` and `?`; what a dialect writes in another way is given beside them.
"""

from __future__ import annotations

import dataclasses
import gc
import unittest
import weakref
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mini_orm import C, Dialect, F, MySQLDialect, OrderBy, PostgresDialect, QueryError, SQLiteDialect
from mini_orm.core.models import model_meta
from mini_orm.core.query.compiler import compiler_for

DIALECTS: dict[str, Dialect] = {"sqlite": SQLiteDialect(), "postgres": PostgresDialect(), "mysql": MySQLDialect()}


def auto() -> Any:
    return field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Land:
    code: str = field(metadata={"pk": True})


@dataclass
class Writer:
    name: str
    rank: Decimal | None = None
    land_code: str | None = field(default=None, metadata={"fk": (Land, "code"), "relation": "land"})
    id: int | None = auto()


@dataclass
class Desk:
    number: int = field(metadata={"pk": True})
    writer_id: int = field(metadata={"fk": (Writer, "id"), "unique_index": True, "one_to_one": True})


@dataclass
class Essay:
    title: str
    words: int = 0
    writer_id: int | None = field(default=None, metadata={"fk": (Writer, "id")})
    judge_id: int | None = field(default=None, metadata={"fk": (Writer, "id"), "related_name": "judged"})
    id: int | None = auto()


@dataclass
class Topic:
    name: str = field(metadata={"pk": True})


@dataclass
class EssayTopic:
    essay_id: int = field(metadata={"pk": True, "fk": (Essay, "id")})
    topic: str = field(metadata={"pk": True, "fk": (Topic, "name"), "relation": "subject"})


@dataclass
class Branch:
    """A tree; `twin` goes by what is not unique, and the key has two parts."""

    tree: int = field(metadata={"pk": True})
    number: int = field(metadata={"pk": True})
    above: int | None = None
    __table__ = "_branch"
    __relations__ = {
        "parent": {"model": "Branch", "local_key": ("tree", "above"), "remote_key": ("tree", "number")},
        "kids": {
            "model": "Branch",
            "local_key": ("tree", "number"),
            "remote_key": ("tree", "above"),
            "type": "has_many",
        },
        "twin": {"model": "Branch", "local_key": "above", "remote_key": "above", "type": "has_one"},
    }


class Golden(unittest.TestCase):
    """Compares the part of a statement behind its columns, and its values."""

    maxDiff = None

    def check(self, expected: str, statement: Any, params: list[Any], **others: str) -> None:
        """Compare what `statement(compiler)` compiles in each dialect."""
        for name, dialect in DIALECTS.items():
            wanted = others.get(name, expected)
            if dialect.placeholder("value") != "?":
                wanted = wanted.replace("?", "%s")
            sql, bound = statement(lambda model, dialect=dialect: compiler_for(model_meta(model), dialect))
            if sql.startswith("SELECT ") and " FROM " in sql:
                sql = sql[sql.index(" FROM ") + 1 :]
            with self.subTest(name):
                self.assertEqual(sql, wanted.replace('"', dialect.quote_char))
                self.assertEqual(bound, params)

    def select(
        self, expected: str, model: type, where: Any = None, order: Any = None, *params: Any, **others: str
    ) -> None:
        """Compare a SELECT of a model."""
        self.check(expected, lambda compiler: compiler(model).select(where, order, None, None), list(params), **others)

    def test_no_path(self) -> None:
        """L7: without a path there is no join and no alias."""
        self.select('FROM "essay" WHERE "essay"."title" = ?', Essay, C.eq("title", "x"), None, "x")

    def test_one_relation(self) -> None:
        """L7: a path is a LEFT JOIN by the foreign key, from either side of it."""
        self.select(
            'FROM "essay" LEFT JOIN "writer" AS "_1" ON "_1"."id" = "essay"."writer_id" WHERE "_1"."name" = ?',
            Essay,
            C.eq("writer.name", "x"),
            None,
            "x",
        )
        self.select(
            'FROM "writer" LEFT JOIN "desk" AS "_1" ON "_1"."writer_id" = "writer"."id" WHERE "_1"."number" IS NULL',
            Writer,
            C.is_null("desk.number"),
        )

    def test_joins_are_made_once(self) -> None:
        """L7: aliases come in the order of the query, and what is named again is not joined again."""
        self.select(
            'FROM "essay" LEFT JOIN "writer" AS "_1" ON "_1"."id" = "essay"."judge_id" '
            'LEFT JOIN "writer" AS "_2" ON "_2"."id" = "essay"."writer_id" '
            'LEFT JOIN "land" AS "_3" ON "_3"."code" = "_2"."land_code" '
            'WHERE "_1"."name" = "_2"."name" AND "_3"."code" = ? AND "_2"."name" <> ? '
            'ORDER BY "_1"."name", "essay"."id"',
            Essay,
            [C.eq("judge.name", F("writer.name")), C.eq("writer.land.code", "fr"), C.ne("writer.name", "x")],
            ["judge.name", "id"],
            "fr",
            "x",
        )

    def test_order(self) -> None:
        """L7 Q13 T4: an order by a path joins, compares by value, and puts NULLs where they were asked for."""
        join = 'FROM "essay" LEFT JOIN "writer" AS "_1" ON "_1"."id" = "essay"."writer_id" ORDER BY '
        self.select(f'{join}"_1"."name" DESC', Essay, None, "-writer.name")
        self.select(
            f'{join}"_1"."rank" DESC NULLS LAST',
            Essay,
            None,
            OrderBy("writer.rank", True, "last"),
            sqlite=f'{join}"_1"."rank" COLLATE mini_orm_decimal DESC NULLS LAST',
            mysql=f'{join}"_1"."rank" IS NULL, "_1"."rank" DESC',
        )

    def test_count_exists_and_pages(self) -> None:
        """L7 Q12 Q15: count and exists join as list does; limit and offset are bound last, where they are bound."""
        join = 'FROM "essay" LEFT JOIN "writer" AS "_1" ON "_1"."id" = "essay"."writer_id" WHERE "_1"."name" = ?'
        where = C.eq("writer.name", "x")
        self.check(join, lambda compiler: compiler(Essay).count(where), ["x"])
        self.check(f"{join} LIMIT 1", lambda compiler: compiler(Essay).exists(where), ["x"])
        for name, dialect in DIALECTS.items():
            with self.subTest(name):
                sql, bound = compiler_for(model_meta(Essay), dialect).select(where, "writer.id", 5, 2)
                mark = dialect.placeholder("value")
                limit, values = (mark, ["x", 5, 2]) if dialect.binds_limit else ("5", ["x", 2])
                self.assertTrue(sql.endswith(f" LIMIT {limit} OFFSET {mark}"), sql)
                self.assertEqual(bound, values)

    def test_any_and_none(self) -> None:
        """L7: any_ is EXISTS, none and ~any_ are NOT EXISTS; without a condition only the keys are compared."""
        inner = 'SELECT 1 FROM "essay" AS "_1" WHERE "_1"."writer_id" = "writer"."id"'
        self.select(f'FROM "writer" WHERE EXISTS ({inner})', Writer, C.any_("essays"))
        self.select(f'FROM "writer" WHERE NOT EXISTS ({inner})', Writer, C.none("essays"))
        about = C.eq("title", "x")
        with_title = f'{inner} AND "_1"."title" = ?'
        self.select(f'FROM "writer" WHERE EXISTS ({with_title})', Writer, ~C.none("essays", about), None, "x")
        self.select(f'FROM "writer" WHERE NOT EXISTS ({with_title})', Writer, ~C.any_("essays", about), None, "x")
        self.select(
            f'FROM "writer" WHERE EXISTS ({inner} AND ("_1"."words" > ? OR "_1"."title" = ?)) AND "writer"."name" = ?',
            Writer,
            C.eq("name", "w") & C.any_("essays", C.gt("words", 5) | about),
            None,
            5,
            "x",
            "w",
        )

    def test_over_several_relations(self) -> None:
        """L7: a path in any_ joins the tables on the way; a link is one of them."""
        self.select(
            'FROM "writer" WHERE EXISTS (SELECT 1 FROM "essay" AS "_1" '
            'JOIN "essaytopic" AS "_2" ON "_2"."essay_id" = "_1"."id" '
            'JOIN "topic" AS "_3" ON "_3"."name" = "_2"."topic" '
            'WHERE "_1"."writer_id" = "writer"."id" AND "_3"."name" = ?)',
            Writer,
            C.any_("essays.topics", C.eq("name", "t")),
            None,
            "t",
        )

    def test_nested(self) -> None:
        """L7: what is inside has joins and aliases of its own, and refers to the row around it."""
        self.select(
            'FROM "land" WHERE NOT EXISTS (SELECT 1 FROM "writer" AS "_1" '
            'LEFT JOIN "desk" AS "_3" ON "_3"."writer_id" = "_1"."id" '
            'WHERE NOT EXISTS (SELECT 1 FROM "essay" AS "_2" WHERE "_2"."judge_id" = "_1"."id") '
            'AND "_3"."number" = ? AND "_1"."land_code" = "land"."code")',
            Land,
            C.none("writers", [C.none("judged"), C.eq("desk.number", 5)]),
            None,
            5,
        )

    def test_composite_keys(self) -> None:
        """L7: all parts of a key are compared; an alias is unlike the table's own name."""
        self.select(
            'FROM "_branch" LEFT JOIN "_branch" AS "j1" ON "j1"."tree" = "_branch"."tree" '
            'AND "j1"."number" = "_branch"."above" WHERE "j1"."above" = ?',
            Branch,
            C.eq("parent.above", 1),
            None,
            1,
        )

    def test_what_is_not_unique(self) -> None:
        """L7: of several rows the first by its key is joined."""
        self.select(
            'FROM "_branch" LEFT JOIN "_branch" AS "j1" ON ("j1"."tree", "j1"."number") = ('
            'SELECT "j2"."tree", "j2"."number" FROM "_branch" AS "j2" WHERE "j2"."above" = "_branch"."above" '
            'ORDER BY "j2"."tree", "j2"."number" LIMIT 1) WHERE "j1"."number" = ?',
            Branch,
            C.eq("twin.number", 1),
            None,
            1,
        )

    def test_update_and_delete(self) -> None:
        """L7 Q14: there are no joins; a path is a subquery, any_ an EXISTS."""
        self.check(
            'DELETE FROM "essay" WHERE (SELECT "_2"."code" FROM "writer" AS "_1" '
            'LEFT JOIN "land" AS "_2" ON "_2"."code" = "_1"."land_code" WHERE "_1"."id" = "essay"."writer_id") = ? '
            'AND (SELECT "_3"."name" FROM "writer" AS "_3" WHERE "_3"."id" = "essay"."writer_id") <> ?',
            lambda compiler: compiler(Essay).delete_where(
                [C.eq("writer.land.code", "fr"), C.ne("writer.name", "x")], allow_all=False
            ),
            ["fr", "x"],
        )
        self.check(
            'UPDATE "essay" SET "words" = ? WHERE "essay"."words" < '
            '(SELECT "_1"."id" FROM "writer" AS "_1" WHERE "_1"."id" = "essay"."judge_id") + ? AND NOT EXISTS '
            '(SELECT 1 FROM "essaytopic" AS "_2" WHERE "_2"."essay_id" = "essay"."id")',
            lambda compiler: compiler(Essay).update_where(
                {"words": 7}, C.lt("words", F("judge.id") + 1) & C.none("essaytopics"), allow_all=False
            ),
            [7, 1],
            postgres='UPDATE "essay" SET "words" = ? WHERE "essay"."words" < '
            '(SELECT "_1"."id" FROM "writer" AS "_1" WHERE "_1"."id" = "essay"."judge_id") + ?::BIGINT AND NOT EXISTS '
            '(SELECT 1 FROM "essaytopic" AS "_2" WHERE "_2"."essay_id" = "essay"."id")',
        )

    def test_the_table_that_is_changed(self) -> None:
        """L7 Q14: where it is read again, SQLite and MySQL find keys first; PostgreSQL reads it as it was before."""
        for where, joins, first, plain in (
            (
                C.eq("parent.above", 1),
                ' LEFT JOIN "_branch" AS "j1" ON "j1"."tree" = "_branch"."tree" AND "j1"."number" = "_branch"."above"',
                '"j1"."above" = ?',
                '(SELECT "j1"."above" FROM "_branch" AS "j1" '
                'WHERE "j1"."tree" = "_branch"."tree" AND "j1"."number" = "_branch"."above") = ?',
            ),
            (
                C.eq("twin.number", 1),
                ' LEFT JOIN "_branch" AS "j1" ON ("j1"."tree", "j1"."number") = (SELECT "j2"."tree", "j2"."number" '
                'FROM "_branch" AS "j2" WHERE "j2"."above" = "_branch"."above" '
                'ORDER BY "j2"."tree", "j2"."number" LIMIT 1)',
                '"j1"."number" = ?',
                '(SELECT "j1"."number" FROM "_branch" AS "j1" '
                'WHERE "j1"."above" = "_branch"."above" ORDER BY "j1"."tree", "j1"."number" LIMIT 1) = ?',
            ),
            (
                C.any_("kids.kids", C.eq("number", 1)),
                "",
                *[
                    'EXISTS (SELECT 1 FROM "_branch" AS "j1" '
                    'JOIN "_branch" AS "j2" ON "j2"."tree" = "j1"."tree" AND "j2"."above" = "j1"."number" '
                    'WHERE "j1"."tree" = "_branch"."tree" AND "j1"."above" = "_branch"."number" AND "j2"."number" = ?)'
                ]
                * 2,
            ),
        ):
            keys = f'SELECT "_branch"."tree", "_branch"."number" FROM "_branch"{joins} WHERE {first}'
            start = 'DELETE FROM "_branch" WHERE '
            self.check(
                f"{start}{plain}",
                lambda compiler, where=where: compiler(Branch).delete_where(where, allow_all=False),
                [1],
                sqlite=f'{start}("_branch"."tree", "_branch"."number") IN ({keys})',
                mysql=f'{start}("_branch"."tree", "_branch"."number") IN '
                f'(SELECT * FROM ({keys} LIMIT 9223372036854775807) AS "found")',
            )

    def test_the_table_that_is_changed_by_another_model(self) -> None:
        """L7 Q14 Q16: it is the table that counts, in whatever case its name is written; what is set stays outside."""
        sheet = make("PathSheet", ("over_id", int), __table__="SHEET")
        over = {"model": sheet, "local_key": "over_id", "remote_key": "id"}
        page = make("PathPage", ("over_id", int), ("size", int), __table__="sheet", __relations__={"over": over})
        where = C.eq("over.over_id", F("size")) & C.eq("size", 5)
        start = 'UPDATE "sheet" SET "over_id" = "sheet"."size" WHERE '
        joins = 'LEFT JOIN "SHEET" AS "_1" ON "_1"."id" = "sheet"."over_id"'
        plain = '(SELECT "_1"."over_id" FROM "SHEET" AS "_1" WHERE "_1"."id" = "sheet"."over_id") = "sheet"."size"'
        keys = f'SELECT "sheet"."id" FROM "sheet" {joins} WHERE "_1"."over_id" = "sheet"."size" AND "sheet"."size" = ?'
        self.check(
            f'{start}{plain} AND "sheet"."size" = ?',
            lambda compiler: compiler(page).update_where({"over_id": F("size")}, where, allow_all=False),
            [5],
            sqlite=f'{start}"sheet"."id" IN ({keys})',
            mysql=f'{start}"sheet"."id" IN (SELECT * FROM ({keys} LIMIT 9223372036854775807) AS "found")',
        )


def make(name: str, *fields: Any, **namespace: Any) -> Any:
    """Make a model with an auto key, in a module that holds none."""
    auto_key = ("id", int | None, auto())
    return dataclasses.make_dataclass(name, [*fields, auto_key], namespace={"__module__": "made_here", **namespace})


class Plans(unittest.TestCase):
    """When a statement over relations is compiled anew."""

    def sql(self, model: type, where: Any) -> str:
        sql: str = compiler_for(model_meta(model), DIALECTS["sqlite"]).count(where).sql
        return sql

    def test_it_is_compiled_once(self) -> None:
        """L7: the same shape has the same text, whatever the values, and whatever other models were read since."""
        first = self.sql(Essay, C.eq("writer.name", "a") & C.any_("topics"))
        self.assertIs(self.sql(Essay, C.eq("writer.name", "b") & C.any_("topics")), first)
        model_meta(make("Unrelated"))
        self.assertIs(self.sql(Essay, C.eq("writer.name", "c") & C.any_("topics")), first)
        for other in (
            C.eq("judge.name", "a") & C.any_("topics"),
            C.eq("writer.name", "a") & C.none("topics"),
            C.eq("writer.name", "a") & C.any_("essaytopics"),
            C.eq("writer.name", "a") & C.any_("topics", C.eq("name", "a")),
        ):
            self.assertNotEqual(self.sql(Essay, other), first)

    def test_another_model_in_its_place(self) -> None:
        """L7 M6: when a model is defined again, statements go by the new one."""
        shop = make("PathShop", ("town", str))
        make_sale: Any = lambda key, table: make(  # noqa: E731
            "PathSale", (key, int, field(metadata={"fk": (shop, "id"), "relation": "shop"})), __table__=table
        )
        sale = make_sale("shop_id", "sale")
        self.assertIn('"_1"."id" = "sale"."shop_id"', self.sql(sale, C.eq("shop.town", "x")))
        self.assertIn('"sale" AS "_1" WHERE "_1"."shop_id"', self.sql(shop, C.any_("pathsales")))
        again = make_sale("place_id", "deal")
        self.assertIn('"_1"."id" = "deal"."place_id"', self.sql(again, C.eq("shop.town", "x")))
        self.assertIn('"deal" AS "_1" WHERE "_1"."place_id"', self.sql(shop, C.any_("pathsales")))
        self.assertIn('"sale"."shop_id"', self.sql(sale, C.eq("shop.town", "x")))

    def test_relations_that_become_known(self) -> None:
        """L7 L1: a relation that another model brings is there as soon as that model is known."""
        team = make("PathTeam", ("name", str))
        with self.assertRaisesRegex(QueryError, "Unknown relation 'pathplayers' of PathTeam"):
            self.sql(team, C.any_("pathplayers"))
        player = make("PathPlayer", ("team_id", int, field(metadata={"fk": (team, "id")})))
        self.assertIn('"pathteam"', self.sql(player, C.any_("team")))
        self.assertIn('FROM "pathplayer" AS "_1"', self.sql(team, C.any_("pathplayers")))

    def test_broken_relations(self) -> None:
        """L7: what is wrong with a model's relations is a QueryError where a query needs them."""
        broken = make("PathBroken", __relations__={"other": {"model": "Nowhere"}})
        for where in (C.any_("other"), C.eq("other.id", 1)):
            with self.assertRaisesRegex(QueryError, "PathBroken"):
                self.sql(broken, where)
        with self.assertRaisesRegex(QueryError, "no field 'other'"):
            self.sql(broken, C.eq("other", 1))

    def test_no_class_is_kept(self) -> None:
        """L7 M12: statements keep no model alive, neither their own nor a related one."""
        for kept in ("neither", "the owner", "the target"):
            target = make("PathTarget", ("name", str))
            self.sql(target, C.eq("name", "x"))
            relations = {"target": {"model": "PathTarget", "local_key": "target_id", "remote_key": "id"}}
            owner = make("PathOwner", ("target_id", int), __relations__=relations)
            where = C.eq("target.name", "x") & C.any_("target", C.eq("name", "y"))
            self.sql(owner, where)
            models = {"the owner": owner, "the target": target}
            refs = {name: weakref.ref(model) for name, model in models.items() if name != kept}
            held = models.get(kept)
            del owner, target, models
            gc.collect()
            with self.subTest(kept=kept):
                self.assertEqual([name for name, ref in refs.items() if ref() is not None], [])
                if kept == "the owner" and held is not None:
                    with self.assertRaisesRegex(QueryError, "PathOwner"):
                        self.sql(held, where)
