"""Runs the Python blocks of each page of docs/howto, in order and in one namespace, and compares what they print."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import sys
import tempfile
import types
import unittest
from pathlib import Path

from tests.test_readme import python_blocks

PAGES = Path(__file__).resolve().parent.parent / "docs" / "howto"
#: What `print` says it prints; at least one has to stand in each block that prints.
PROMISE = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)


class HowToTest(unittest.TestCase):
    def check(self, name: str) -> None:
        """Run a page."""
        text = (PAGES / name).read_text(encoding="utf-8")
        blocks = python_blocks(text)
        module = types.ModuleType(f"mini_orm_howto_{Path(name).stem}")
        printed = io.StringIO()
        with contextlib.ExitStack() as stack:
            # Where annotations of its models are looked up.
            sys.modules[module.__name__] = module
            stack.callback(sys.modules.pop, module.__name__)
            directory = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            stack.callback(os.chdir, os.getcwd())
            os.chdir(directory)
            stack.enter_context(contextlib.redirect_stdout(printed))
            stack.callback(lambda: module.db.close() if hasattr(module, "db") else None)
            for line, source in blocks:
                exec(compile("\n" * line + source, str(PAGES / name), "exec"), vars(module))
        promised = [one for _, source in blocks for one in PROMISE.findall(source)]
        self.assertNotEqual(promised, [])
        self.assertEqual(printed.getvalue().splitlines(), promised)

    def test_blocks_print_what_their_comments_say(self) -> None:
        """README: every page, but for the one of FastAPI."""
        pages = sorted(page.name for page in PAGES.glob("*.md") if page.name != "fastapi.md")
        self.assertGreaterEqual(len(pages), 7)
        for page in pages:
            with self.subTest(page):
                self.check(page)

    @unittest.skipIf(
        any(importlib.util.find_spec(name) is None for name in ("fastapi", "httpx")),
        "fastapi or httpx is not installed; the extra `test` brings them",
    )
    def test_fastapi(self) -> None:
        """README: an application is made, and asked."""
        self.check("fastapi.md")

    def test_links(self) -> None:
        """README: what a page links to is there."""
        for page in PAGES.glob("*.md"):
            for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
                if "://" not in link:
                    self.assertTrue((PAGES / link).is_file(), f"{page.name}: {link}")


if __name__ == "__main__":
    unittest.main()
