"""Executes the Python blocks of docs/vectors.md, in order and in one namespace, and compares what they print."""

from __future__ import annotations

import contextlib
import io
import re
import unittest
from pathlib import Path
from typing import Any

from mini_orm import C, InMemoryVectorStore, VectorRecord, VectorRepository
from tests.test_readme import python_blocks

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "vectors.md"
#: What stands in the columns of the table of truth: a value that equals x, one that differs, one of another kind, None.
X, OTHER, KIND = "m", "q", 7


class VectorPage(unittest.TestCase):
    def setUp(self) -> None:
        self.text = PAGE.read_text(encoding="utf-8")

    def test_blocks_print_what_their_comments_say(self) -> None:
        """Names: every block runs after those above it."""
        blocks = python_blocks(self.text)
        self.assertGreaterEqual(len(blocks), 3)
        printed, namespace = io.StringIO(), {}  # type: ignore[var-annotated]  # filled by exec
        with contextlib.redirect_stdout(printed):
            for _, source in blocks:
                exec(compile(source, str(PAGE), "exec"), namespace)
        promised = [one for _, source in blocks for one in re.findall(r"^print\(.*\)  # (.+)$", source, re.M)]
        self.assertEqual(printed.getvalue().splitlines(), promised)

    def test_the_table_of_truth(self) -> None:
        """E4: each line of the page's table says what a store does."""
        repo = VectorRepository(InMemoryVectorStore(), "c", dimension=1)
        values = {"equal": X, "differs": OTHER, "kind": KIND}
        repo.upsert([VectorRecord(name, [1], {"k": value}) for name, value in values.items()])
        repo.upsert([VectorRecord("none", [1], {"k": None}), VectorRecord("missing", [1])])
        table = self.text.partition("| filter | value equal |")[2].partition("\n\n")[0]
        lines = [line.strip("|").split("|") for line in table.splitlines()[2:]]
        self.assertGreaterEqual(len(lines), 16)
        seen = 0
        for shown, *cells in lines:
            said = dict(zip(("equal", "differs", "kind", "none"), map(str.strip, cells), strict=True))
            for text in self.filters(shown):
                with self.subTest(filter=text):
                    filters: Any = eval(text, {"C": C, "x": X})
                    found = {one.id for one in repo.query([1], filters=filters)}
                    self.assertEqual("none" in found, "missing" in found)
                    for name, cell in said.items():
                        if cell in ("yes", "no"):
                            self.assertEqual(name in found, cell == "yes")
                            seen += 1
        self.assertGreater(seen, 50)

    @staticmethod
    def filters(shown: str) -> list[str]:
        """Return the filters of a line that stand there in full."""
        found = re.findall(r"`([^`]+)`", shown)
        return [text.replace(", …", "") for text in found if "(" in text or "{" in text]


if __name__ == "__main__":
    unittest.main()
