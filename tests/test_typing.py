"""Type checkers see what the documentation promises: mypy, strict, over `tests/typing_cases.py`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NO_MYPY = "mypy is not installed: pip install 'mini_orm[test]'"


def mypy(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run mypy in the project's directory, with the project's configuration and `--strict`."""
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--no-color-output", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


class Typing(unittest.TestCase):
    """`py.typed` is meant."""

    @unittest.skipIf(importlib.util.find_spec("mypy") is None, NO_MYPY)
    def test_the_cases(self) -> None:
        """Names: every `assert_type` holds, and every marked mistake is refused, on both faces."""
        run = mypy("tests/typing_cases.py")
        self.assertEqual((run.stdout, run.stderr, run.returncode), ("", "", 0))

    @unittest.skipIf(importlib.util.find_spec("mypy") is None, NO_MYPY)
    def test_a_broken_promise_is_found(self) -> None:
        """Names: the check can fail: a wrong `assert_type` and a needless `type: ignore` are errors."""
        source = """
            from typing import assert_type
            from mini_orm import Database, Repository
            from tests.typing_cases import User

            def wrong(db: Database) -> None:
                assert_type(Repository(db, User).get(1), User)
                Repository(db, User).get(1)  # type: ignore[arg-type]
        """
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "wrong_cases.py"
            path.write_text(textwrap.dedent(source), encoding="utf-8")
            run = mypy(str(path))
        self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
        self.assertIn("assert-type", run.stdout)
        self.assertIn("unused-ignore", run.stdout)

    def test_the_package_is_marked_as_typed(self) -> None:
        """Names: PEP 561's `py.typed` is in the package."""
        self.assertTrue((ROOT / "mini_orm" / "py.typed").is_file())

    def test_the_cases_can_be_imported(self) -> None:
        """Names: the file is valid at run time too, so that every name in it exists."""
        import tests.typing_cases as cases

        self.assertTrue(callable(cases.repository))
