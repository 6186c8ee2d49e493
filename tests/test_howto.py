"""Runs the Python blocks of each page of docs/howto, in order and in one namespace, and compares what they print."""

from __future__ import annotations

import importlib.util
import re
import unittest

from tests.docs_pages import DOCS, run_page

PAGES = DOCS / "howto"


class HowToTest(unittest.TestCase):
    def check(self, name: str) -> None:
        """Run a page."""
        printed, promised = run_page(PAGES / name)
        self.assertNotEqual(promised, [])
        self.assertEqual(printed, promised)

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
