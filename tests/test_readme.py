"""Executes the Python blocks of README.md, in order and in one namespace, and holds what it names to what there is."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import sys
import tempfile
import tomllib
import types
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
NAMESPACE = "mini_orm_readme"
VARIABLE = re.compile(r"MINI_ORM_(?:PG|MYSQL|QDRANT|CHROMA|VECTOR|TEST)_[A-Z_]*[A-Z]")
#: Of pyproject.toml; the other ones are for working on mini_orm itself.
EXTRAS = [
    name
    for name in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    if name not in ("build", "demo", "docs", "examples", "test", "test-few")
]


def python_blocks(text: str) -> list[tuple[int, str]]:
    """Return each ```python block with the number of its first line."""
    blocks = re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, block.start(1)), block.group(1)) for block in blocks]


def variables_are_read_in() -> list[Path]:
    """Return the files that read variables."""
    return [
        ROOT / "docker-compose.yml",
        *(path for part in ("examples", "tests") for path in (ROOT / part).rglob("*.py")),
    ]


class ReadmeTest(unittest.TestCase):
    def setUp(self) -> None:
        self.text = README.read_text(encoding="utf-8")
        self.blocks = python_blocks(self.text)

    def test_python_blocks_run_and_print_what_their_comments_say(self) -> None:
        """README: every block runs after those above it, and `print(…)  # X` prints X."""
        self.assertEqual(len(self.blocks), 3)
        # A module of its own, so that annotations of the models are looked up where a reader's would be.
        module = types.ModuleType(NAMESPACE)
        sys.modules[NAMESPACE] = module
        self.addCleanup(sys.modules.pop, NAMESPACE)
        printed = io.StringIO()
        with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
            stack.callback(os.chdir, os.getcwd())
            os.chdir(directory)
            stack.enter_context(contextlib.redirect_stdout(printed))
            stack.callback(lambda: module.books.db.close() if hasattr(module, "books") else None)
            for line, source in self.blocks:
                tree = ast.parse(source, filename=str(README))
                exec(compile(ast.increment_lineno(tree, line), str(README), "exec"), vars(module))
        promised = [
            match.group(1)
            for _, source in self.blocks
            for match in re.finditer(r"^ *print\(.*\)  # (.+)$", source, re.M)
        ]
        self.assertEqual(printed.getvalue().splitlines(), promised)

    def test_every_print_says_what_it_prints(self) -> None:
        """README: no `print` without its output beside it, so that the comparison above misses none."""
        for line, source in self.blocks:
            for number, text in enumerate(source.splitlines(), line + 1):
                if "print(" in text:
                    self.assertRegex(text, r"^ *print\(.*\)  # .+$", f"README.md, line {number}")

    def test_what_it_names_is_all_there_is(self) -> None:
        """README: every variable that is read, every extra for users, every service, and no others."""
        read = {name for path in variables_are_read_in() for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
        self.assertEqual({*VARIABLE.findall(self.text)}, read)
        for name in EXTRAS:
            self.assertIn(f"`{name}`", self.text)
        compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
        for service in re.findall(r"^  (\w+):$", compose, re.MULTILINE):
            self.assertIn(f"`{service}`", self.text)

    def test_sections(self) -> None:
        """README: what a link within the page leads to is there."""
        headings = [text.lower().replace(" ", "-") for text in re.findall(r"^#+ (.+)$", self.text, re.MULTILINE)]
        links = re.findall(r"\]\(#([^)]+)\)", self.text)
        self.assertNotEqual(links, [])
        self.assertLessEqual({*links}, {*headings})

    def test_files_and_commands_exist(self) -> None:
        """README: what it links to and the scripts it names are there, and the scripts can be run."""
        links = [link for link in re.findall(r"\]\(([^)#]+)", self.text) if "://" not in link]
        scripts = re.findall(r"\./scripts/\w+\.sh", self.text)
        self.assertIn("./scripts/quickstart.sh", scripts)
        self.assertIn("./scripts/test.sh", scripts)
        for name in [*links, *scripts, ".ci/run"]:
            self.assertTrue((ROOT / name).is_file(), name)
        if os.name == "posix":
            for name in [*scripts, ".ci/run"]:
                self.assertTrue(os.access(ROOT / name, os.X_OK), f"{name} is not executable")


if __name__ == "__main__":
    unittest.main()
