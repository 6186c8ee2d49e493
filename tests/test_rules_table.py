"""Every rule has its tests, on both faces, and tests/README.md shows them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import types
import unittest
from pathlib import Path

from tests.backends import Aiosqlite, SyncSqlite3
from tests.rules import RULES

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "rules_table.py"


def script() -> types.ModuleType:
    """Import the script, which stands in no package."""
    spec = importlib.util.spec_from_file_location("rules_table", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks for the module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


class TheTable(unittest.TestCase):
    """The real one."""

    @unittest.skipIf(
        any(importlib.util.find_spec(name) is None for name in ("chromadb", "qdrant_client", "faiss")),
        "the table has the tests of all vector stores, whose packages the extra `test` installs",
    )
    def test_it_is_current_and_shows_no_gap(self) -> None:
        """`python scripts/rules_table.py --check` passes."""
        run = subprocess.run(
            [sys.executable, str(SCRIPT), "--check"], cwd=ROOT, capture_output=True, text=True, timeout=120
        )
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "", ""))

    def test_every_rule_has_a_meaning(self) -> None:
        """The list is complete where the contract counts, and says something of each rule."""
        for letter, first, last in (("M", 1, 12), ("T", 0, 13), ("Q", 1, 17), ("R", 1, 6), ("B", 1, 3), ("S", 1, 2)):
            for number in range(first, last + 1):
                self.assertIn(f"{letter}{number}", RULES)
        self.assertLessEqual(
            {"Names", "G1", *(f"X{n}" for n in (1, 2, 3, 4, 5, 6, 7, 9)), "Codecs", "Errors"}, set(RULES)
        )
        for rule, meaning in RULES.items():
            self.assertGreater(len(meaning), 10, rule)


class TheScript(unittest.TestCase):
    """What counts as a test of a rule, and what as a gap (with rules and tests of its own)."""

    RULES = {"Z1": "one", "Z12": "a | b", "Z3": "three", "Words": "a word"}

    def setUp(self) -> None:
        self.script = script()

    def test_names_in_docstrings_and_methods(self) -> None:
        """Codes count anywhere on word boundaries, words only among the names before the first colon."""
        for method, docstring, expected in (
            ("test_a", "Z1 Z3: text", {"Z1", "Z3"}),
            ("test_a", "Z1, Z3: text about Z12", {"Z1", "Z3", "Z12"}),
            ("test_a", "Z12: no Z11, no AZ1, no Z3b", {"Z12"}),
            ("test_z3_and_z1", None, {"Z1", "Z3"}),
            ("test_z31_xz1", "", set()),
            ("test_a", "Z1 Words: text", {"Z1", "Words"}),
            ("test_a", "Q9 Words: text", {"Words"}),
            ("test_a", "Words: Z1", {"Words", "Z1"}),
            ("test_a", "Z1: Words stand here as a word", {"Z1"}),
            ("test_words", "Some Words", set()),
            ("test_a", "Words are not the rule here: really", set()),
        ):
            with self.subTest(method=method, docstring=docstring):
                self.assertEqual(self.script.named(self.RULES, method, docstring), expected)

    def test_faces(self) -> None:
        """A backend says its face; a plain case says it in `faces`, or stands for both."""

        class OnSync(unittest.TestCase):
            backend_class = SyncSqlite3

            def test_it(self) -> None:
                """Z1: sync."""

        class OnAsync(OnSync):
            backend_class = Aiosqlite

        class Plain(unittest.TestCase):
            def test_it(self) -> None:
                """Z12: both."""

        class Said(unittest.TestCase):
            faces = "async"

            def test_it(self) -> None:
                """Z3: async."""

        found = self.script.collect([OnSync("test_it"), Plain("test_it"), Said("test_it")], self.RULES)
        gaps = {rule: entry.gap for rule, entry in found.items()}
        self.assertEqual(gaps, {"Z1": "no async test", "Z12": None, "Z3": "no sync test", "Words": "no test"})
        found = self.script.collect([OnSync("test_it"), OnAsync("test_it")], self.RULES)
        self.assertEqual((found["Z1"].gap, found["Z1"].tests), (None, {"test_rules_table.py": {"test_it"}}))

    def test_the_table_is_deterministic_markdown(self) -> None:
        """Rules in their own order, files and tests sorted, bars escaped, one line a rule."""
        entry = self.script.Entry
        found = {
            "Z1": entry({"test_b.py": {"test_2", "test_1"}, "contracts/a.py": {"test_x"}}, {"async", "sync"}),
            "Z12": entry({"test_b.py": {"test_3"}}, {"sync"}),
            "Z3": entry(),
            "Words": entry(),
        }
        lines = self.script.table(found, self.RULES).splitlines()
        self.assertEqual(
            lines[2:],
            [
                "| Z1 | one | [contracts/a.py](contracts/a.py): `test_x`<br>[test_b.py](test_b.py): `test_1`, `test_2` "
                "| sync async |",
                "| Z12 | a \\| b | [test_b.py](test_b.py): `test_3` | sync |",
                "| Z3 | three | **none** |  |",
                "| Words | a word | **none** |  |",
            ],
        )

    def test_the_text_around_the_table_stays(self) -> None:
        """Only what stands between the markers is replaced, and twice gives the same."""
        text = f"intro\n<!-- one: {self.script.MADE_BY} -->\nold\n<!-- /one -->\nafter\n"
        once = self.script.filled(text, "one", "new")
        self.assertTrue(once.startswith("intro\n") and once.endswith("\nafter\n"))
        self.assertNotIn("old", once)
        self.assertEqual(self.script.filled(once, "one", "new"), once)
        with self.assertRaises(SystemExit):
            self.script.filled(text, "two", "new")
