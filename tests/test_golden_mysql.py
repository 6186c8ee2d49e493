"""What MySQL, MariaDB and servers that speak like them are sent, as text, without a server."""

from __future__ import annotations

import datetime as dt
import unittest
import uuid
from dataclasses import dataclass, field, make_dataclass
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mini_orm import C, CodecError, F, ModelError, MySQLDialect, OrderBy, create_schema_sql, create_table_sql
from mini_orm.core.codecs import make_codec
from mini_orm.core.decimals import literal_decimal
from mini_orm.core.models import model_meta
from mini_orm.core.query.compiler import Compiler, compiler_for

ASKED, MYSQL, MARIADB = MySQLDialect(), MySQLDialect("mysql"), MySQLDialect("mariadb")
#: What servers answer to `features_sql`.
ANSWERS: dict[str, tuple[Any, ...]] = {
    "MySQL 8.4": (0, 0, "utf8mb4_0900_bin", "utf8mb4_0900_as_ci"),
    "MariaDB 10.11": (1, 1, "utf8mb4_nopad_bin", "uca1400_as_ci"),
    "OceanBase": (0, 0, "utf8mb4_bin", "utf8mb4_general_ci"),
}


@dataclass
class Thing:
    name: str
    size: int = 0
    count: int = 0
    price: Decimal = Decimal(0)
    cents: Decimal | None = field(default=None, metadata={"precision": 12, "scale": 2})
    tags: dict[str, Any] = field(default_factory=dict)
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


def compiler(dialect: MySQLDialect) -> Compiler:
    return compiler_for(model_meta(Thing), dialect)


def condition(where: Any, dialect: MySQLDialect) -> tuple[str, list[Any]]:
    """Return what stands behind WHERE, without the table's name and with `?` for marks."""
    sql, params = compiler(dialect).count(where)
    return sql.partition(" WHERE ")[2].replace("`thing`.", "").replace("%s", "?"), params


class Settling(unittest.TestCase):
    """A server's answer decides what only some of them have."""

    def test_a_servers_answer(self) -> None:
        """T9 S4: each server gets the collations that it names; what is asked binds nothing and has no %."""
        self.assertNotIn("%", ASKED.features_sql)
        expected = {
            "MySQL 8.4": ("mysql", "utf8mb4_0900_bin", "utf8mb4_0900_as_ci"),
            "MariaDB 10.11": ("mariadb", "utf8mb4_nopad_bin", "utf8mb4_uca1400_as_ci"),
            "OceanBase": ("mysql", "utf8mb4_bin", "utf8mb4_general_ci"),
        }
        for server, (flavour, binary, cased) in expected.items():
            with self.subTest(server):
                settled = ASKED.settled(ANSWERS[server])
                self.assertEqual(settled.flavour, flavour)
                self.assertIn(f"COLLATE {binary}", settled.table_suffix)
                self.assertIn(f"COLLATE {cased}", condition(C.ilike("name", "x"), settled)[0])
                self.assertEqual(settled, ASKED.settled(ANSWERS[server]))
                self.assertEqual(hash(settled), hash(ASKED.settled(ANSWERS[server])))

    def test_a_flavour_that_was_stated_stays(self) -> None:
        """Names: the server is asked only where nobody said; it may well be what was said."""
        self.assertIs(MARIADB.settled(ANSWERS["MySQL 8.4"]), MARIADB)
        self.assertEqual(ASKED.settled(ANSWERS["MySQL 8.4"]), MYSQL)
        self.assertEqual(ASKED.settled(ANSWERS["MariaDB 10.11"]), MARIADB)
        self.assertEqual(ASKED, MySQLDialect(None))
        self.assertEqual(create_table_sql(Thing, ASKED), create_table_sql(Thing, MYSQL))

    def test_a_dialect_of_the_users_own(self) -> None:
        """Names: a subclass is settled as itself."""

        class Mine(MySQLDialect):
            types = {**MySQLDialect.types, "str": "MEDIUMTEXT"}

        settled = Mine().settled(ANSWERS["MariaDB 10.11"])
        self.assertIs(type(settled), Mine)
        self.assertIn("`name` MEDIUMTEXT", create_table_sql(Thing, settled))


class Conditions(unittest.TestCase):
    """WHERE and ORDER BY."""

    def test_text(self) -> None:
        """Q7 Q8: plain text minds case whatever the column's collation; ilike compares small letters."""
        for dialect, binary, cased in (
            (MYSQL, " COLLATE utf8mb4_0900_bin", " COLLATE utf8mb4_0900_as_ci"),
            (MARIADB, " COLLATE utf8mb4_nopad_bin", " COLLATE utf8mb4_uca1400_as_ci"),
            (
                ASKED,
                " /*!80000 COLLATE utf8mb4_0900_bin *//*M! COLLATE utf8mb4_nopad_bin */",
                " /*!80000 COLLATE utf8mb4_0900_as_ci *//*M! COLLATE utf8mb4_uca1400_as_ci */",
            ),
        ):
            name, mark = (f"LOWER(CONVERT({one} USING utf8mb4){cased}){binary}" for one in ("`name`", "?"))
            for where, sql, value in (
                (C.like("name", "a!%"), "`name` LIKE ?", "a!%"),
                (C.contains("name", "a!%"), f"LOCATE(?{binary}, `name`) > 0", "a!%"),
                (C.startswith("name", ""), f"LOCATE(?{binary}, `name`) = 1", ""),
                (C.endswith("name", "ab%"), f"REVERSE(`name`) LIKE ?{binary} ESCAPE '!'", "!%ba%"),
                (C.ilike("name", "a!\\%"), f"{name} LIKE {mark} ESCAPE '!'", "a!!\\%"),
            ):
                with self.subTest(flavour=dialect.flavour, op=where.op):
                    self.assertEqual(condition(where, dialect), (sql, [value]))
            beginning = f"(`name` >= ?{binary} AND `name` < ?{binary})"
            for text, following in (("a!%_", "a!%`"), ("a\ud7ff", "a\ue000"), ("😀\U0010ffff", "😁")):
                with self.subTest(flavour=dialect.flavour, text=ascii(text)):
                    found = condition(C.startswith("name", text), dialect)
                    self.assertEqual(found, (beginning, [text, following]))

    def test_json(self) -> None:
        """Q1 Q3 T11: JSON values are compared as such, which IN can't do; on MariaDB they are text."""
        for dialect, mark in (
            (MYSQL, "CAST(? AS JSON)"),
            (MARIADB, "?"),
            (ASKED, "/*!80000 CAST( */ ? /*!80000 AS JSON) */"),
        ):
            found = (
                "EXISTS (SELECT 1 FROM JSON_TABLE(?, '$[*]' COLUMNS (v JSON PATH '$')) AS given WHERE given.v = `tags`)"
            )
            for where, sql, value in (
                (C.eq("tags", {"b": 1, "a": []}), f"`tags` = {mark}", '{"a":[],"b":1}'),
                (C.same_as("tags", {}), f"`tags` <=> {mark}", "{}"),
                (C.in_("tags", [{}, {"a": 1}]), f"CASE WHEN `tags` IS NULL THEN NULL ELSE {found} END", '[{},{"a":1}]'),
                (C.not_in("tags", [{}]), f"CASE WHEN `tags` IS NULL THEN NULL ELSE NOT {found} END", "[{}]"),
            ):
                with self.subTest(flavour=dialect.flavour, op=where.op):
                    self.assertEqual(condition(where, dialect), (sql, [value]))

    def test_lists(self) -> None:
        """Q6: a long list is one value, which the driver writes out."""
        numbers = list(range(1000))
        self.assertEqual(condition(C.in_("size", numbers), ASKED), ("`size` IN ?", [numbers]))
        self.assertEqual(condition(C.not_in("size", numbers), ASKED), ("`size` NOT IN ?", [numbers]))

    def test_order_and_pages(self) -> None:
        """Q12 Q13: NULLs where they are wanted, and OFFSET without LIMIT."""
        order = [OrderBy("cents", nulls="last"), OrderBy("name", desc=True, nulls="first")]
        sql, _ = compiler(ASKED).select(None, order, None, 3)
        wanted = "`thing`.`cents` IS NULL, `thing`.`cents`, `thing`.`name` IS NULL DESC, `thing`.`name` DESC"
        self.assertTrue(sql.endswith(f" ORDER BY {wanted} LIMIT 9223372036854775807 OFFSET %s"), sql)


class Changes(unittest.TestCase):
    """INSERT and UPDATE."""

    def test_assignments_that_read_each_other(self) -> None:
        """Q16: MySQL makes them from left to right, so that the values are found first; else one plain UPDATE."""
        update = compiler(ASKED).update_where
        self.assertEqual(
            update({"size": F("count"), "name": "n", "count": F("size") + 1}, C.eq("id", 7), allow_all=False),
            (
                "UPDATE `thing` JOIN (SELECT `thing`.`id` AS k0, `thing`.`count` AS v0, `thing`.`size` + %s AS v2 "
                "FROM `thing` WHERE `thing`.`id` = %s LIMIT 9223372036854775807 FOR UPDATE) AS `_1` "
                "ON `thing`.`id` = `_1`.k0 "
                "SET `thing`.`size` = `_1`.v0, `thing`.`name` = %s, `thing`.`count` = `_1`.v2",
                [1, 7, "n"],
            ),
        )
        sql, _ = update({"size": F("count"), "count": 0}, None, allow_all=True)
        self.assertEqual(sql, "UPDATE `thing` SET `size` = `thing`.`count`, `count` = %s")

    def test_a_result_with_more_digits(self) -> None:
        """T4 Q16: becomes a text that is no number, as the column would round it."""
        for name, scale in (("price", 10), ("cents", 2)):
            sql, _ = compiler(ASKED).update_where({name: F(name) * Decimal("1.1")}, None, allow_all=True)
            pattern = f"'^-?[0-9]*[.][0-9]{{{scale}}}[0-9]*[1-9][0-9]*$'"
            self.assertIn(f"= REGEXP_REPLACE(`thing`.`{name}` * %s, {pattern}, 'the result has more", sql)

    def test_a_key_of_zero(self) -> None:
        """M8: is refused where it is written, alone and among many; it can be looked for and deleted."""
        one = compiler(ASKED)
        with self.assertRaisesRegex(CodecError, "Thing.id"):
            one.row(Thing("x", id=0))
        self.assertIsNone(one.bulk.encode([Thing("x", id=0), Thing("y", id=1)]))
        self.assertIsNotNone(one.bulk.encode([Thing("x", id=2), Thing("y", id=1)]))
        self.assertEqual(one.key(0), [0])
        self.assertEqual(one.key_of(Thing("x", id=0), "delete"), [0])

    def test_integers_in_json(self) -> None:
        """T11: an int of more than 64 bits, which MySQL would make a float; digits in a text or a fraction are none."""
        one = compiler(ASKED)
        for fine in (2**64 - 1, -(2**63), "9" * 30, 1e300, 12345678901234567890123.5):
            one.row(Thing("x", tags={"9" * 30: [fine]}))
        for wrong in (2**64, -(2**63) - 1):
            with self.assertRaisesRegex(CodecError, "64 bits"):
                one.row(Thing("x", tags={"a": [wrong]}))

    @given(st.decimals(allow_nan=False, allow_infinity=False), st.decimals(-(10**27), 10**27, places=10))
    def test_a_decimal_as_a_literal(self, asked: Decimal, stored: Decimal) -> None:
        """T4: what a filter asks for is cut to what a literal holds, and compares with what columns hold as before."""
        cut = literal_decimal(asked)
        whole, _, fraction = format(cut, "f").lstrip("-").partition(".")
        self.assertLessEqual(len(whole) + len(fraction.rstrip("0")), 65)
        self.assertLessEqual(len(fraction.rstrip("0")), 30)
        self.assertEqual((cut < stored, cut > stored), (asked < stored, asked > stored))


class Schema(unittest.TestCase):
    """Keys, defaults and live types."""

    def test_what_is_too_long_for_an_index(self) -> None:
        """T9 S2: is refused before any SQL; MariaDB would index the beginning of the text alone."""
        fits = [
            ("a", str, field(metadata={"max_length": 768, "index": True})),
            ("id", int, field(metadata={"pk": True})),
        ]
        create_schema_sql(make_dataclass("Fits", fits), ASKED)
        three = make_dataclass("Three", [(name, str, field(metadata={"pk": True})) for name in "abc"])
        create_schema_sql(three, ASKED)
        for what, wrong in (
            (
                "idx_wrong_a.*3076.*max_length",
                [("a", str, field(metadata={"max_length": 769, "index": True})), *fits[1:]],
            ),
            ("primary key.*4080.*max_length", [(name, str, field(metadata={"pk": True})) for name in "abcd"]),
            ("'a' is TEXT", [("a", str, field(metadata={"db_type": "TEXT", "unique_index": True})), *fits[1:]]),
        ):
            with self.subTest(what), self.assertRaisesRegex(ModelError, what):
                create_schema_sql(make_dataclass("Wrong", wrong), ASKED)

    def test_defaults(self) -> None:
        """M9 T5 T7 T11: clocks have all digits, an aware column's is UTC; literals stand as they are kept."""
        columns: dict[str, tuple[Any, dict[str, Any]]] = {
            "made": (dt.datetime, {"server_default": "now()"}),
            "aware": (dt.datetime, {"server_default": "CURRENT_TIMESTAMP", "timezone": True}),
            "hour": (dt.time, {"server_default": "CURRENT_TIME"}),
            "token": (uuid.UUID, {"server_default": "'{6BA7B810-9DAD-11D1-80B4-00C04FD430C8}'"}),
            "tags": (dict, {"server_default": """'{"b": 1, "a": 2}'"""}),
            "state": (str, {"server_default": "'it''s'"}),
        }
        fields = [(name, kind, field(metadata=metadata)) for name, (kind, metadata) in columns.items()]
        model = make_dataclass("Defaults", [("id", int, field(metadata={"pk": True})), *fields])
        sql = create_table_sql(model, ASKED)
        for name, default in (
            ("made", "(CURRENT_TIMESTAMP(6))"),
            ("aware", "(UTC_TIMESTAMP(6))"),
            ("hour", "(CURRENT_TIME(6))"),
            ("token", "('6ba7b810-9dad-11d1-80b4-00c04fd430c8')"),
            ("tags", """('{"a":2,"b":1}')"""),
            ("state", "('it''s')"),
        ):
            with self.subTest(name):
                self.assertRegex(sql, rf"`{name}` .* DEFAULT ")
                self.assertIn(f"DEFAULT {default}", sql)

    def test_defaults_of_the_catalog(self) -> None:
        """S4: one text for what the two servers and the model write in their own ways."""
        same = (
            ("('it''s')", "'it\\'s'", "_utf8mb4\\'it\\\\\\'s\\'"),
            ("(CURRENT_TIMESTAMP(6))", "current_timestamp(6)", "now(6)"),
            ("(CURRENT_DATE)", "curdate()", "curdate()"),
            ("(TRUE)", "1", "true"),
            ("(1.50)", "1.5000000000", "1.50"),
            ("(-5)", "-5", "-5"),
            ("(concat('a', 'b'))", "concat('a','b')", "concat(_utf8mb4\\'a\\',_utf8mb4\\'b\\')"),
        )
        for ours, *theirs in same:
            for dialect, text in zip((MARIADB, MYSQL), theirs, strict=True):
                with self.subTest(ours, flavour=dialect.flavour):
                    self.assertEqual(dialect.normal_default(text), dialect.normal_default(ours))
        self.assertIsNone(MARIADB.normal_default("NULL"))
        self.assertNotEqual(MYSQL.normal_default("('a')"), MYSQL.normal_default("('A')"))

    def test_literals(self) -> None:
        """S3: no backslash and no double quote, whose meaning a session may change."""
        for value, literal in (
            ("it's", "('it''s')"),
            ("back\\slash", "(CONVERT(x'6261636b5c736c617368' USING utf8mb4))"),
            (b"\x00'", "(x'0027')"),
            (5, "5"),
            (1.5, "1.5"),
            (Decimal("1.50"), "1.5"),
            (dt.date(2024, 2, 29), "'2024-02-29'"),
        ):
            with self.subTest(literal):
                self.assertEqual(MYSQL.literal(value), literal)

    def test_live_types(self) -> None:
        """S4: by family; a narrower number or text is lived with, and JSON is LONGTEXT on MariaDB."""
        columns = {column.name: column.type for column in model_meta(Thing).columns}
        flag = model_meta(make_dataclass("Flag", [("id", bool, field(metadata={"pk": True}))])).columns[0].type
        for kind, wanted, live, fit in (
            (columns["size"], "BIGINT", "bigint(20)", "same"),
            (columns["size"], "BIGINT", "int(11)", "logged"),
            (columns["size"], "BIGINT", "bigint(20) unsigned", "logged"),
            (columns["size"], "BIGINT", "tinyint(1)", "conflict"),
            (flag, "BOOLEAN", "tinyint(1)", "same"),
            (columns["name"], "LONGTEXT", "longtext", "same"),
            (columns["name"], "LONGTEXT", "text", "logged"),
            (columns["name"], "LONGTEXT", "varchar(255)", "logged"),
            (columns["name"], "LONGTEXT", "varchar(20)", "conflict"),
            (columns["name"], "VARCHAR(255)", "longtext", "conflict"),
            (columns["price"], "NUMERIC(38,10)", "decimal(38,10)", "same"),
            (columns["cents"], "NUMERIC(12,2)", "decimal(12,3)", "conflict"),
            (columns["tags"], "JSON", "json", "same"),
        ):
            for dialect in (MYSQL, MARIADB):
                with self.subTest(live, wanted=wanted, flavour=dialect.flavour):
                    self.assertEqual(dialect.compare_types(kind, wanted, live), fit)
        self.assertEqual(MYSQL.compare_types(columns["tags"], "JSON", "longtext"), "logged")
        self.assertEqual(MARIADB.compare_types(columns["tags"], "JSON", "longtext"), "same")

    def test_times_that_python_can_not_hold(self) -> None:
        """T5 T6: a date of zeros, and a time that is no time of day, are refused when they are read."""
        kinds = {"day": dt.date, "at": dt.datetime, "hour": dt.time}
        model = make_dataclass("Times", [("id", int, field(metadata={"pk": True})), *kinds.items()])
        _, day, at, hour = (make_codec(column.type, ASKED.forms).decode for column in model_meta(model).columns)
        for decode, wrong in (
            (day, "0000-00-00"),
            (at, "0000-00-00 00:00:00.000000"),
            (hour, dt.timedelta(hours=24)),
            (hour, dt.timedelta(microseconds=-1)),
        ):
            assert decode is not None
            with self.subTest(wrong), self.assertRaises(ValueError):
                decode(wrong)
        assert hour is not None
        self.assertEqual(hour(dt.timedelta(hours=23, microseconds=1)), dt.time(23, microsecond=1))
