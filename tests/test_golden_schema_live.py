"""What a live schema is compared by (S3 and S4), held without a database: types, defaults, and the SQL that mends."""

from __future__ import annotations

import dataclasses
import datetime as dt
import unittest
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mini_orm import Dialect, IndexSpec, MySQLDialect, PostgresDialect, SQLiteDialect
from mini_orm.core.dialects.declared import DeclaredType, normal_default, read_type
from mini_orm.core.models import model_meta
from mini_orm.core.schema.diff import diff
from mini_orm.core.schema.inspect import LiveColumn, LiveIndex, LiveTable

SQLITE = SQLiteDialect()


@dataclass
class Old:
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class New:
    __table__ = "old"
    __indexes__ = [IndexSpec(("name", "size"), unique=True, name="changed")]
    name: str | None = field(default=None, metadata={"max_length": 20, "index": True})
    size: int | None = field(default=None, metadata={"server_default": "7"})
    old_id: int | None = field(default=None, metadata={"fk": (Old, "id"), "on_delete": "cascade"})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Defaulted:
    __table__ = "old"
    count: int = 5
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


def live(dialect: Dialect, *indexes: LiveIndex) -> LiveTable:
    """The table of `Old`, with these indexes."""
    key = LiveColumn("id", dialect.types["int"], False, is_auto=True)
    return LiveTable("old", columns=(key,), primary_key=("id",), indexes=indexes, has_rows=True)


def statements(model: type, table: LiveTable, dialect: Dialect) -> list[str]:
    """The statements that make the table the model's; nothing else may differ."""
    differences = diff(model_meta(model), table, dialect, {})
    assert {difference.severity for difference in differences} == {"safe"}, list(map(str, differences))
    return [sql for difference in differences for sql in difference.statements]


class Reading(unittest.TestCase):
    """The texts that a database gives."""

    def test_types(self) -> None:
        """S4: a family, its sizes, and a width for numbers alone."""
        for text, expected in {
            "INTEGER": DeclaredType("INTEGER", width=8),
            " big  int ": DeclaredType("BIG INT"),
            "bigint(20)": DeclaredType("INTEGER", width=8),
            "SMALLINT": DeclaredType("INTEGER", width=2),
            "TINYINT(1)": DeclaredType("BOOLEAN"),
            "varchar ( 20 )": DeclaredType("VARCHAR", (20,)),
            "Character Varying(20)": DeclaredType("VARCHAR", (20,)),
            "VARCHAR": DeclaredType("TEXT"),
            "VARCHAR()": DeclaredType("TEXT"),
            "NUMERIC_TEXT(10, 2)": DeclaredType("NUMERIC_TEXT", (10, 2)),
            "timestamp(6) with time zone": DeclaredType("TIMESTAMP WITH TIME ZONE", (6,)),
            "ENUM('a','b')": DeclaredType("ENUM('A','B')"),
            "": DeclaredType(""),
            "(": DeclaredType("("),
        }.items():
            with self.subTest(text=text):
                self.assertEqual(read_type(text, SQLITE.type_names), expected)

    def test_defaults(self) -> None:
        """S3: blanks, parentheses and case are nothing, but in quotes; NULL is no default."""
        for text, expected in {
            "0": "0",
            " ( ( 0 ) ) ": "0",
            "CURRENT_TIMESTAMP": "current_timestamp",
            "'It''s  (A)'": "'It''s  (A)'",
            "(a) || (b)": "( a ) | | ( b )",
            "(strftime('%Y','NOW'))": "strftime ( '%Y' , 'NOW' )",
            'LOWER("A ""b")': 'lower ( "A ""b" )',
            "('open": "( ' open",
            "((": "( (",
            "null": None,
            "(NULL)": None,
            "": "",
        }.items():
            with self.subTest(text=text):
                self.assertEqual(normal_default(text), expected)
        self.assertIsNone(normal_default(None))

    def test_names(self) -> None:
        """S3: SQLite knows the case of ASCII alone; elsewhere quoted names are what they are."""
        self.assertEqual(SQLITE.fold("ÄSIZEı"), "Äsizeı")
        self.assertEqual(PostgresDialect().fold("Size"), "Size")


class Writing(unittest.TestCase):
    """The SQL that mends."""

    def test_literals(self) -> None:
        """S3: what a codec gives for SQLite has a literal; what it never gives has none."""
        literals: list[tuple[Any, str | None]] = [
            (0, "0"),
            (-(2**63), "-9223372036854775808"),
            (True, "1"),
            (0.1, "0.1"),
            (-5e-324, "-5e-324"),
            (float("inf"), "+9e999"),
            (float("-inf"), "-9e999"),
            (float("nan"), None),
            ("it's", "'it''s'"),
            ("\0", None),
            (b"\x00'", "x'0027'"),
            (Decimal(1), None),
            (dt.date(2024, 1, 1), None),
        ]
        for value, expected in literals:
            with self.subTest(value=value):
                self.assertEqual(SQLITE.literal(value), expected)

    def test_what_can_be_added_to_rows(self) -> None:
        """S3: constants can, expressions can't, and no default of a foreign key."""
        plain, key = model_meta(New).by_name["name"], model_meta(New).by_name["old_id"]
        for default in ("1", "(-1)", "- ( +1.5e-3 )", "0xFF", "'a''b'", "(X'00')", "true", "NULL", "(('('))"):
            with self.subTest(default=default):
                self.assertIsNone(SQLITE.refusal_to_add(plain, default))
                self.assertIsNotNone(SQLITE.refusal_to_add(key, default))
        for default in ("1 + 1", "(1) + (1)", "('a') || ('b')", "CURRENT_DATE", "abs(-1)", "'a", "", "x'0", "1e"):
            with self.subTest(default=default):
                self.assertIsNotNone(SQLITE.refusal_to_add(plain, default))
        self.assertIsNone(SQLITE.refusal_to_add(key, None))

    def test_statements(self) -> None:
        """S3: columns with their defaults and foreign keys, then indexes, dropped first where they changed."""
        for dialect, expected in (
            (
                SQLITE,
                [
                    'ALTER TABLE "old" ADD COLUMN "name" VARCHAR(20)',
                    'ALTER TABLE "old" ADD COLUMN "size" INTEGER DEFAULT (7)',
                    'ALTER TABLE "old" ADD COLUMN "old_id" INTEGER REFERENCES "old" ("id") ON DELETE CASCADE',
                    'CREATE INDEX "idx_old_name" ON "old" ("name")',
                    'DROP INDEX "changed"',
                    'CREATE UNIQUE INDEX "changed" ON "old" ("name", "size")',
                ],
            ),
            (
                PostgresDialect(),
                [
                    'ALTER TABLE "old" ADD COLUMN "name" VARCHAR(20)',
                    'ALTER TABLE "old" ADD COLUMN "size" BIGINT DEFAULT 7',
                    'ALTER TABLE "old" ADD COLUMN "old_id" BIGINT REFERENCES "old" ("id") ON DELETE CASCADE',
                    'CREATE INDEX "idx_old_name" ON "old" ("name")',
                    'DROP INDEX "changed"',
                    'CREATE UNIQUE INDEX "changed" ON "old" ("name", "size")',
                ],
            ),
        ):
            with self.subTest(dialect=dialect.name):
                self.assertEqual(
                    statements(New, live(dialect, LiveIndex("changed", ("size",), True)), dialect), expected
                )
        mysql = MySQLDialect("mysql")
        self.assertEqual(
            statements(New, live(mysql, LiveIndex("changed", ("size",), True)), mysql),
            [
                "ALTER TABLE `old` ADD COLUMN `name` VARCHAR(20)",
                "ALTER TABLE `old` ADD COLUMN `size` BIGINT DEFAULT (7)",
                "ALTER TABLE `old` ADD COLUMN `old_id` BIGINT, "
                "ADD FOREIGN KEY (`old_id`) REFERENCES `old` (`id`) ON DELETE CASCADE",
                "CREATE INDEX `idx_old_name` ON `old` (`name`)",
                "ALTER TABLE `old` DROP INDEX `changed`, ADD UNIQUE INDEX `changed` (`name`, `size`)",
            ],
        )

    def test_a_constant_default(self) -> None:
        """S3: NOT NULL with the class's default, where the dialect has literals."""
        [sql] = statements(Defaulted, live(SQLITE), SQLITE)
        self.assertEqual(sql, 'ALTER TABLE "old" ADD COLUMN "count" INTEGER NOT NULL DEFAULT 5')
        postgres = PostgresDialect()
        [sql] = statements(Defaulted, live(postgres), postgres)
        self.assertEqual(sql, 'ALTER TABLE "old" ADD COLUMN "count" BIGINT NOT NULL DEFAULT 5')
        mysql = MySQLDialect()
        [sql] = statements(Defaulted, live(mysql), mysql)
        self.assertEqual(sql, "ALTER TABLE `old` ADD COLUMN `count` BIGINT NOT NULL DEFAULT 5")

    def test_differences_are_values(self) -> None:
        """S3: they are frozen, equal by what they say, and their text is their message."""
        one, two = (diff(model_meta(Defaulted), live(SQLITE), SQLITE, {}) for _ in range(2))
        self.assertEqual(one, two)
        self.assertEqual(str(one[0]), one[0].message)
        with self.assertRaises(dataclasses.FrozenInstanceError):
            one[0].name = "other"  # type: ignore[misc]
