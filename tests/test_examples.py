"""Runs every file of examples/sql and examples/vector as a user does; what it prints is what its docstring says."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import unittest
from collections.abc import Iterable
from pathlib import Path

from tests import servers
from tests.servers.server import free_port

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = [path for kind in ("sql", "vector") for path in sorted((ROOT / "examples" / kind).glob("*.py"))]
#: Those that need a server say in their names which one.
ON_POSTGRES = [path for path in EXAMPLES if "postgres" in path.stem or "pgvector" in path.stem]
ON_MYSQL = [path for path in EXAMPLES if "mysql" in path.stem]
#: Those that need a package say which one, and end, where it is missing.
PACKAGES = {"faiss": "faiss", "qdrant": "qdrant_client", "chroma": "chromadb"}
MISSING = [
    path
    for path in EXAMPLES
    for name, package in PACKAGES.items()
    if name in path.stem and importlib.util.find_spec(package) is None
]
#: What stands above the output, which is indented, at the end of an example's docstring.
MARK = "\nIt prints:\n\n"


def promised(path: Path) -> str:
    """Return what an example's docstring says that it prints."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return textwrap.dedent(docstring.partition(MARK)[2]).rstrip()


def run(path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run an example alone, in an empty directory, with warnings as errors."""
    with tempfile.TemporaryDirectory(prefix="mini_orm_example_") as directory:
        return subprocess.run(
            [sys.executable, "-W", "error", str(path)],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **variables},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )


class IndexTest(unittest.TestCase):
    def test_each_has_a_number_and_stands_in_the_index(self) -> None:
        """README: examples/README.md has each one, in its order."""
        index = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
        self.assertEqual(re.findall(r"\[(\w+\.py)\]\(\w+/\1\)", index), [path.name for path in EXAMPLES])
        for kind in ("sql", "vector"):
            numbers = [path.name[:3] for path in EXAMPLES if path.parent.name == kind]
            self.assertEqual(numbers, [f"{number:02}_" for number in range(1, len(numbers) + 1)])


class ExamplesTest(unittest.TestCase):
    def check(self, paths: Iterable[Path]) -> None:
        """See that each example keeps its promise."""
        for path in paths:
            with self.subTest(path.name):
                self.assertNotEqual(promised(path), "", "its docstring does not say what it prints")
                done = run(path)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(done.stdout.rstrip(), promised(path))

    def test_every_example_prints_what_it_says(self) -> None:
        """Those that need no server."""
        paths = [path for path in EXAMPLES if path not in (*ON_POSTGRES, *ON_MYSQL, *MISSING)]
        self.assertGreaterEqual(len(paths), 2)
        self.check(paths)

    @unittest.skipIf(servers.postgres() is None, servers.reason("postgres"))
    def test_on_postgres(self) -> None:
        """Those that need PostgreSQL."""
        self.assertGreaterEqual(len(ON_POSTGRES), 2)
        self.check(ON_POSTGRES)

    @unittest.skipIf(servers.mysql() is None, servers.reason("mysql"))
    def test_on_mysql(self) -> None:
        """Those that need MariaDB or MySQL."""
        self.assertGreaterEqual(len(ON_MYSQL), 2)
        self.check(ON_MYSQL)

    def test_without_a_package(self) -> None:
        """They say in one line which one is missing, and the extra that has it."""
        for path in MISSING:
            with self.subTest(path.name):
                done = run(path)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertRegex(done.stderr, r"\A[^\n]*pip install \"mini_orm\[\w+\]\"[^\n]*\n\Z")

    def test_without_a_server(self) -> None:
        """They say in one line what was wrong, and which variables name a server."""
        for prefix, paths in (("MINI_ORM_PG", ON_POSTGRES), ("MINI_ORM_MYSQL", ON_MYSQL)):
            nowhere = {f"{prefix}_HOST": "127.0.0.1", f"{prefix}_PORT": str(free_port())}
            for path in paths:
                with self.subTest(path.name):
                    done = run(path, **nowhere)
                    self.assertEqual((done.returncode, done.stdout), (1, ""))
                    self.assertRegex(done.stderr, rf"\A[^\n]+{prefix}_HOST[^\n]+\n\Z")


if __name__ == "__main__":
    unittest.main()
