"""Runs every file of examples/sql as a user does, and compares what it prints with what its docstring says."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples" / "sql").glob("*.py"))
#: What stands above the output, which is indented, at the end of an example's docstring.
MARK = "\nIt prints:\n\n"


def promised(path: Path) -> str:
    """Return what an example's docstring says that it prints."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return textwrap.dedent(docstring.partition(MARK)[2]).rstrip()


class ExamplesTest(unittest.TestCase):
    def test_every_example_prints_what_it_says(self) -> None:
        """Each runs alone, in an empty directory, with warnings as errors, and keeps its promise."""
        self.assertGreaterEqual(len(EXAMPLES), 2)
        for path in EXAMPLES:
            with self.subTest(path.name), tempfile.TemporaryDirectory(prefix="mini_orm_example_") as directory:
                run = subprocess.run(
                    [sys.executable, "-W", "error", str(path)],
                    cwd=directory,
                    env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
                    capture_output=True,
                    encoding="utf-8",
                    timeout=120,
                )
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                self.assertNotEqual(promised(path), "", "its docstring does not say what it prints")
                self.assertEqual(run.stdout.rstrip(), promised(path))


if __name__ == "__main__":
    unittest.main()
