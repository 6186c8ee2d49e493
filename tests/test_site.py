"""The documentation site: mkdocs.yml names every page, the reference every public name, and links lead somewhere."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import sys
import types
import unittest
from pathlib import Path
from typing import Any

import mini_orm
from tests.test_readme import python_blocks

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def hooks() -> Any:
    """Return the module docs/_hooks.py, which needs nothing of MkDocs until a site is built."""
    spec = importlib.util.spec_from_file_location("mini_orm_site_hooks", DOCS / "_hooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class SiteTest(unittest.TestCase):
    def setUp(self) -> None:
        self.settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
        self.named = re.findall(r"^ +- (?:[^:\n]+: )?(\S+\.md)$", self.settings, re.MULTILINE)

    def test_every_page_is_in_the_navigation(self) -> None:
        """README: once; and each page that is named is there."""
        pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
        own = [page for page in self.named if not page.startswith("repository/")]
        self.assertEqual(sorted(own), sorted(pages))
        files = [hooks().file_of(page) for page in self.named if page not in own]
        self.assertEqual(sorted(files), sorted(hooks().NAMED))
        for file in files:
            self.assertTrue((ROOT / file).is_file(), file)

    def test_the_reference_has_every_public_name(self) -> None:
        """Names README: each once."""
        found = [
            name
            for page in (DOCS / "reference").glob("*.md")
            for name in re.findall(r"^::: mini_orm\.(\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        ]
        self.assertEqual(sorted(found), sorted(mini_orm.__all__))

    def test_nothing_is_loaded_from_elsewhere(self) -> None:
        """README: no font of another host, no repository whose stars are asked for, no script or style but our own."""
        self.assertIn("\n  font: false\n", self.settings)
        self.assertNotIn("://", self.settings)
        self.assertNotIn("repo_url", self.settings)

    def test_the_blocks_of_the_first_page(self) -> None:
        """README: they run, and print what their comments say."""
        text = (DOCS / "index.md").read_text(encoding="utf-8")
        module = types.ModuleType("mini_orm_first_page")
        sys.modules[module.__name__] = module  # where annotations of its models are looked up
        self.addCleanup(sys.modules.pop, module.__name__)
        self.addCleanup(lambda: module.db.close() if hasattr(module, "db") else None)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            for _, source in python_blocks(text):
                exec(compile(source, "index.md", "exec"), vars(module))
        promised = re.findall(r"^print\(.*\)  # (.+)$", text, re.MULTILINE)
        self.assertEqual((len(promised), printed.getvalue().splitlines()), (3, promised))


class LinksTest(unittest.TestCase):
    """What docs/_hooks.py makes of links to files outside of docs/."""

    def setUp(self) -> None:
        self.hooks = hooks()

    def test_pages_and_files(self) -> None:
        """README: a page for each file, and back."""
        for file, page in (
            ("docs/vectors.md", "vectors.md"),
            ("CHANGELOG.md", "repository/CHANGELOG.md"),
            ("examples/README.md", "repository/examples/README.md"),
            ("examples/quickstart.py", "repository/examples/quickstart.py.md"),
        ):
            with self.subTest(file):
                self.assertEqual((self.hooks.page_of(file), self.hooks.file_of(page)), (page, file))
        self.assertEqual(self.hooks.page_of("README.md"), "index.md")

    def test_links(self) -> None:
        """README: they lead from page to page; where there is no page only the text stays."""
        pages = {"index.md", "vectors.md", "repository/examples/README.md", "repository/examples/quickstart.py.md"}
        for page, text, expected in (
            ("vectors.md", "[a](../examples/README.md#sql)", "[a](repository/examples/README.md#sql)"),
            ("howto/retries.md", "[a `b[1]`](../../README.md)", "[a `b[1]`](../index.md)"),
            ("vectors.md", "[a](postgres.md) [b](#c) [d](x.md)", "[a](postgres.md) [b](#c) [d](x.md)"),
            ("vectors.md", "[a](https://example.org/README.md)", "[a](https://example.org/README.md)"),
            ("vectors.md", "see [a](../tests/rules.py).", "see a."),
            ("repository/examples/README.md", "[a](quickstart.py)", "[a](quickstart.py.md)"),
            ("repository/examples/README.md", "[a](../docs/vectors.md#b)", "[a](../../vectors.md#b)"),
            ("repository/CHANGELOG.md", "[a](CONTRIBUTING.md)", "a"),
        ):
            with self.subTest(text, page=page):
                self.assertEqual(self.hooks.relinked(text, page, pages), expected)

    def test_which_files_get_a_page(self) -> None:
        """README: what is linked; Markdown also from there, code not, so that the suite is no part of the site."""
        found = self.hooks.outside(["CONTRIBUTING.md"])
        self.assertLessEqual({"CHANGELOG.md", "tests/README.md", "examples/vector/05_own_store.py"}, found)
        self.assertEqual([file for file in found if file.startswith("tests/") and file.endswith(".py")], [])
        self.assertEqual([file for file in found if file.startswith("docs/")], [])


if __name__ == "__main__":
    unittest.main()
