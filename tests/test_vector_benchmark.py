"""The benchmark of vectors runs, and says where both sides find something else. No test looks at a time."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import vectors
from benchmarks.vectors_data import Comparison
from mini_orm import MissingDependencyError

ROOT = Path(__file__).resolve().parent.parent


class VectorBenchmark(unittest.TestCase):
    def test_a_quick_run(self) -> None:
        """In a process of its own, with warnings as errors."""
        run = subprocess.run(
            [sys.executable, "-W", "error", "-m", "benchmarks.vectors", "--quick"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        for text in ("| memory | query |", "query_many", "conditions that keeps", "without numpy", "deserialize"):
            self.assertIn(text, run.stdout)

    def test_what_differs_is_named(self) -> None:
        """It fails, and names the line."""
        wrong = Comparison("the wrong one", "by hand", lambda: 1, lambda: 2, 1.0, seen=int)
        right = Comparison("the right one", "by hand", lambda: 1, lambda: 1, 1.0, seen=int)
        code, printed, said = self.run_with(lambda store, rows: [wrong, right])
        self.assertEqual((code, said), (1, "differs: memory, the wrong one, beside by hand\n"))
        self.assertIn("| memory | the right one |", printed)

    def test_what_is_missing_is_left_out(self) -> None:
        """It says why, and measures the others."""
        right = Comparison("the right one", "by hand", lambda: 1, lambda: 1, 1.0, seen=int)

        def missing(store: str, rows: int) -> list[Comparison]:
            if store == "faiss":
                raise MissingDependencyError("there is no faiss")
            return [right]

        code, printed, said = self.run_with(missing, "--store", "faiss")
        self.assertEqual((code, said), (0, ""))
        self.assertIn("left out: faiss, there is no faiss", printed)
        self.assertIn("| memory | the right one |", printed)

    def run_with(self, comparisons: Any, *arguments: str) -> tuple[int, str, str]:
        """Run it here, with these comparisons; return its code, and what it printed and said."""
        said, printed = io.StringIO(), io.StringIO()
        with (
            mock.patch.object(vectors, "comparisons", comparisons),
            contextlib.redirect_stderr(said),
            contextlib.redirect_stdout(printed),
        ):
            code = vectors.main(["--quick", *arguments, "--store", "memory"])
        return code, printed.getvalue(), said.getvalue()


if __name__ == "__main__":
    unittest.main()
