"""The benchmark of vectors runs, and says where both sides find something else. No test looks at a time."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

from benchmarks import vectors

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
        for text in ("| query |", "query_many", "conditions that keeps", "without numpy", "deserialize"):
            self.assertIn(text, run.stdout)

    def test_what_differs_is_named(self) -> None:
        """It fails, and names the line."""
        wrong = vectors.Comparison("the wrong one", "by hand", lambda: 1, lambda: 2, 1.0, seen=int)
        right = vectors.Comparison("the right one", "by hand", lambda: 1, lambda: 1, 1.0, seen=int)
        said, printed = io.StringIO(), io.StringIO()
        with (
            mock.patch.multiple(
                vectors, QUICK_ROWS=200, filtered=lambda data: [], many=lambda data: [], plain=lambda data: []
            ),
            mock.patch.object(vectors, "scans", lambda data: [wrong, right]),
            contextlib.redirect_stderr(said),
            contextlib.redirect_stdout(printed),
        ):
            self.assertEqual(vectors.main(["--quick"]), 1)
        self.assertEqual(said.getvalue(), "differs: the wrong one, beside by hand\n")
        self.assertIn("| the right one |", printed.getvalue())


if __name__ == "__main__":
    unittest.main()
