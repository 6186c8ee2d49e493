"""The SQL, the names and the mistakes of indexes, for every dialect, as text (S1 and S2)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unittest
from collections.abc import Callable
from dataclasses import field, make_dataclass
from typing import Any

from mini_orm import IndexSpec, create_index_sql, create_indexes_sql, create_schema_sql, create_table_sql
from tests.test_golden_sql import DIALECTS, MYSQL, ROOT, SQLITE, Keyed, Target, flat


class GoldenIndexes(unittest.TestCase):
    """CREATE INDEX, and the names of indexes."""

    maxDiff = None

    def test_every_index_of_a_model(self) -> None:
        """S1 S2: fields first, then `__indexes__`; unique ones say so."""
        expected = [
            ("INDEX", "idx_keyed_indexed", "indexed"),
            ("UNIQUE INDEX", "uidx_keyed_unique", "unique"),
            ("INDEX", "idx_keyed_color", "color"),
            ("INDEX", "idx_keyed_mode", "mode"),
            ("INDEX", "idx_keyed_short", "short"),
            ("INDEX", "idx_keyed_told", "told"),
            ("INDEX", "idx_keyed_first_second", "first second"),
            ("UNIQUE INDEX", "uidx_keyed_binary", "binary"),
        ]
        for name, dialect in DIALECTS.items():
            with self.subTest(dialect=name):
                q = dialect.quote
                texts = [
                    f"CREATE {kind} {q(index)} ON {q('keyed')} ({', '.join(map(q, columns.split()))})"
                    for kind, index, columns in expected
                ]
                self.assertEqual([flat(sql) for sql in create_indexes_sql(Keyed, dialect)], texts)
                schema = create_schema_sql(Keyed, dialect)
                self.assertEqual(schema, [create_table_sql(Keyed, dialect), *create_indexes_sql(Keyed, dialect)])

    def test_if_not_exists(self) -> None:
        """S1: MySQL knows none for an index, so its text leaves it out; MariaDB does, and the table's stays."""
        for name, dialect in DIALECTS.items():
            with self.subTest(dialect=name):
                guard = "" if dialect == MYSQL else "IF NOT EXISTS "
                for sql in create_indexes_sql(Keyed, dialect, if_not_exists=True):
                    self.assertRegex(sql, rf"^CREATE (UNIQUE )?INDEX {guard}[\"`]")
                schema = create_schema_sql(Keyed, dialect, if_not_exists=True)
                self.assertTrue(schema[0].startswith("CREATE TABLE IF NOT EXISTS "))
                self.assertEqual(schema[1:], create_indexes_sql(Keyed, dialect, if_not_exists=True))

    def test_one_index(self) -> None:
        """S1 S2: `create_index_sql` for any column, with a default or a given name."""
        for name, dialect in DIALECTS.items():
            with self.subTest(dialect=name):
                q = dialect.quote
                on = f"ON {q('keyed')} ({q('free')})"
                self.assertEqual(
                    flat(create_index_sql(Keyed, dialect, "free")), f"CREATE INDEX {q('idx_keyed_free')} {on}"
                )
                self.assertEqual(
                    flat(create_index_sql(Keyed, dialect, "free", unique=True)),
                    f"CREATE UNIQUE INDEX {q('uidx_keyed_free')} {on}",
                )
                self.assertEqual(
                    flat(create_index_sql(Keyed, dialect, "free", name="my own")), f"CREATE INDEX {q('my own')} {on}"
                )
                guard = "" if dialect == MYSQL else "IF NOT EXISTS "
                self.assertEqual(
                    flat(create_index_sql(Keyed, dialect, "free", if_not_exists=True)),
                    f"CREATE INDEX {guard}{q('idx_keyed_free')} {on}",
                )
                with self.assertRaisesRegex(ValueError, "fre.*free"):
                    create_index_sql(Keyed, dialect, "fre")

    def test_names_of_every_spelling(self) -> None:
        """S2: `idx_table_cols`, `uidx_table_cols`, `index_name`, `name`; by the columns' names."""
        specs: list[Any] = ["a", ("a", "b"), ["b", "c"], {"columns": "b"}, {"columns": ["c", "a"], "unique": True}]
        specs += [{"columns": ("c",), "name": "my name"}, IndexSpec(("c", "b"), True, "other"), IndexSpec("c")]
        model = self.model(
            specs,
            a={"unique_index": True},
            b={"index": True, "index_name": "named by the field"},
            c={"column": "see"},
        )
        expected = ["uidx_m_a", "named by the field", "idx_m_a", "idx_m_a_b", "idx_m_b_see", "idx_m_b", "uidx_m_see_a"]
        self.assertEqual(self.names(model), [*expected, "my name", "other", "idx_m_see"])

    def test_equal_specs_once(self) -> None:
        """S2: the same index stated on the field and in `__indexes__`, in whatever spelling, is one."""
        specs = [
            "a",
            ("a",),
            ["a"],
            IndexSpec(("a",)),
            IndexSpec("a"),
            {"columns": "a"},
            {"columns": ("a",), "unique": False},
        ]
        self.assertEqual(self.names(self.model(specs, a={"index": True})), ["idx_m_a"])
        unique = [IndexSpec(("b",), unique=True), {"columns": ["b"], "unique": True}]
        self.assertEqual(self.names(self.model(unique, b={"unique_index": True})), ["uidx_m_b"])
        self.assertEqual(self.names(self.model([("a", "b"), ("a", "b"), ("b", "a")])), ["idx_m_a_b", "idx_m_b_a"])

    def test_two_indexes_of_one_name_are_refused(self) -> None:
        """S2: where their columns differ, one of them could not be made."""
        with self.assertRaises(ValueError):
            self.names(self.model([IndexSpec(("a",), name="x"), IndexSpec(("b",), name="x")]))

    def test_long_names_are_shortened_and_differ(self) -> None:
        """S2: default names fit 63 bytes, are valid text, always the same, and stay apart."""
        for letter in ("x", "é", "列", "😀"):
            table = letter * (60 // len(letter.encode()))
            columns = {f"{letter if letter.isidentifier() else 'x'}{'y' * 30}_{n}": {"index": True} for n in range(20)}
            with self.subTest(letter=letter):
                model = make_dataclass(
                    "Long",
                    [
                        ("id", int, field(metadata={"pk": True})),
                        *((name, int, field(metadata=metadata)) for name, metadata in columns.items()),
                    ],
                    namespace={"__table__": table, "__indexes__": [tuple(columns)]},
                )
                names = self.names(model)
                self.assertEqual(len(set(names)), 21)
                self.assertEqual(names, self.names(model))
                self.assertLessEqual(max(len(name.encode()) for name in names), 63)
                self.assertTrue(all(name.startswith(f"idx_{letter}") for name in names), names)

    def test_a_name_of_63_bytes_is_left_alone(self) -> None:
        """S2: nothing is cut that fits; one byte more is."""
        for length, expected in ((57, True), (58, False)):  # idx_ + table + _a
            model = self.model(["a"], table="t" * length)
            (name,) = self.names(model)
            self.assertEqual(name == f"idx_{'t' * length}_a", expected)
            self.assertEqual(len(name), 63)

    def test_unknown_columns_are_refused(self) -> None:
        """S2: a `ValueError` that names the model, the column and the nearest field, wherever the spec stands."""
        for specs in (["naem"], [("a", "naem")], [IndexSpec(("naem",))], [{"columns": ["naem"]}], [("A",)]):
            with self.subTest(specs=specs):
                for make in self.makers():
                    with self.assertRaisesRegex(ValueError, r"M.*(naem.*name|'A')"):
                        make(self.model(specs))
        with self.assertRaisesRegex(ValueError, "column name"):  # fields go by their own names
            self.names(self.model(["column name"], a={"column": "column name"}))

    def test_bad_specs_are_refused(self) -> None:
        """S2: what is no spec is a `TypeError` that shows what is one."""
        for specs in (
            [3],
            [None],
            [b"a"],
            [object()],
            [{"unique": True}],
            [{"columns": "a", "uniqe": True}],
            [{"columns": 3}],
            [IndexSpec((1,))],  # type: ignore[arg-type]  # the mistakes under test
            [IndexSpec(None)],  # type: ignore[arg-type]
            [("a", 1)],
            [()],
            [IndexSpec(())],
            [("a", ("b",))],
            [IndexSpec(("a",), name=3)],  # type: ignore[arg-type]
            "a",
            3,
            IndexSpec(("a",)),
            {"columns": "a"},
        ):
            with self.subTest(specs=specs):
                for make in self.makers():
                    with self.assertRaises(TypeError) as caught:
                        make(self.model(specs))
                    self.assertRegex(str(caught.exception), r"\bM\b")

    def test_bad_foreign_keys_are_refused(self) -> None:
        """S1: a spelling that is none, an action that is none, a field that the target does not have."""
        for metadata in (
            {"fk": "nodot"},
            {"fk": ".x"},
            {"fk": "x."},
            {"fk": 3},
            {"fk": ("t",)},
            {"fk": ("t", "a", "b")},
            {"fk": (Target, 3)},
            {"fk": (int, "real")},
            {"fk": {"model": Target}},
            {"fk": {"table": "t", "column": "c", "model": Target}},
            {"fk": (Target, "cod")},
            {"fk": {"model": Target, "column": "missing"}},
            {"fk": "t.c", "on_delete": "explode"},
            {"fk": "t.c", "on_delete": "cascade; DROP TABLE t"},
            {"fk": "t.c", "on_delete": 3},
            {"fk": "t\0.c"},
        ):
            with self.subTest(metadata=metadata), self.assertRaises(ValueError):
                create_table_sql(self.model([], a=metadata), SQLITE)

    def test_the_same_text_in_every_process(self) -> None:
        """S1 S2: nothing depends on the order of a hash table."""
        code = (
            "from mini_orm import create_schema_sql\n"
            "from tests.test_golden_sql import DIALECTS, Defaults, Hostile, Keyed, Kinds, Pair\n"
            "for dialect in DIALECTS.values():\n"
            "    for model in (Kinds, Keyed, Pair, Defaults, Hostile):\n"
            "        print(*create_schema_sql(model, dialect), sep='\\n')\n"
        )
        texts = set()
        for seed in ("0", "1"):
            run = subprocess.run(
                [sys.executable, "-c", code],
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
                capture_output=True,
                text=True,
                timeout=60,
            )
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            texts.add(run.stdout)
        self.assertEqual(len(texts), 1)
        self.assertIn("CREATE TABLE", texts.pop())

    @staticmethod
    def model(specs: Any, table: str = "m", **metadata: dict[str, Any]) -> type:
        """Make a model `M` with int fields a, b, c and name, and the given `__indexes__`."""
        fields = [(name, int, field(metadata=metadata.get(name, {}))) for name in ("a", "b", "c", "name")]
        key = ("id", int, field(metadata={"pk": True}))
        return make_dataclass("M", [key, *fields], namespace={"__table__": table, "__indexes__": specs})

    @staticmethod
    def names(model: type) -> list[str]:
        """Return the names of a model's indexes, which are the same in every dialect."""
        found = {
            name: [re.split(r"[\"`]", sql)[1] for sql in create_indexes_sql(model, dialect)]
            for name, dialect in DIALECTS.items()
        }
        assert len(set(map(tuple, found.values()))) == 1, found
        return found["sqlite"]

    @staticmethod
    def makers() -> list[Callable[[type], object]]:
        """Return the functions that have to find a mistake in `__indexes__`."""
        return [lambda model: create_indexes_sql(model, SQLITE), lambda model: create_schema_sql(model, MYSQL)]
