"""Runs the pages on SQL (getting_started.md, pooling.md and sql/ of docs), and holds their tables against the code."""

from __future__ import annotations

import builtins
import dataclasses
import datetime as dt
import re
import unittest
import uuid
from decimal import Decimal
from typing import Any

import mini_orm
from mini_orm import C, MySQLDialect, PostgresDialect, Repository, SQLiteDialect, UnifiedRepository, create_table_sql
from mini_orm.core.models import _KNOWN_KEYS
from tests.docs_pages import DOCS, anchors, links, run_page

PAGES = [DOCS / "getting_started.md", DOCS / "pooling.md", *sorted((DOCS / "sql").glob("*.md"))]
DIALECTS = (SQLiteDialect(), PostgresDialect(), MySQLDialect())
TYPES: dict[str, Any] = {
    **{name: getattr(dt, name) for name in ("datetime", "date", "time", "timedelta")},
    "UUID": uuid.UUID,
    "Decimal": Decimal,
}


def rows(name: str, first: str) -> list[list[str]]:
    """Return the cells of the tables of a page whose heading begins so."""
    text = (DOCS / "sql" / name).read_text(encoding="utf-8")
    tables = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")[1:-1]] for table in tables for line in table.splitlines()]


def code(cell: str) -> list[str]:
    """Return what stands in a cell as code."""
    return re.findall(r"`([^`]+)`", cell)


class SqlPages(unittest.TestCase):
    def test_blocks_print_what_their_comments_say(self) -> None:
        """README: every page runs alone, and `print(…)  # X` prints X."""
        self.assertGreaterEqual(len(PAGES), 11)
        for page in PAGES:
            with self.subTest(page.name):
                printed, promised = run_page(page)
                self.assertNotEqual(promised, [])
                self.assertEqual(printed, promised)

    def test_links(self) -> None:
        """README: the file and the heading that a page links to are there."""
        for page in PAGES:
            for file, anchor in links(page):
                with self.subTest(page=page.name, link=f"{file.name}#{anchor}"):
                    self.assertTrue(file.is_file())
                    if anchor:
                        self.assertIn(anchor, anchors(file))

    def test_types(self) -> None:
        """T1 T4 T5 T6 T7 T8 T9 T11: the table of types says what each dialect makes of them."""
        seen = set()
        for python, *columns, _ in rows("models.md", "Python"):
            kind, *options = code(python)
            seen.add(kind)
            metadata = dict(option.split("=") for option in options)
            values = {name: eval(value) for name, value in metadata.items()}
            annotation = TYPES.get(kind) or vars(builtins)[kind]
            key = ("id", int, dataclasses.field(default=0, metadata={"pk": True}))
            shown = ("shown", annotation, dataclasses.field(metadata=values))
            model = dataclasses.make_dataclass("Shown", [shown] if "pk" in values else [shown, key])
            for dialect, column in zip(DIALECTS, columns, strict=True):
                with self.subTest(python=python, dialect=dialect.name):
                    line = create_table_sql(model, dialect).splitlines()[1].strip().rstrip(",")
                    wanted = f"{dialect.quote('shown')} {code(column)[0]}"
                    self.assertEqual(line, wanted if "pk" in values else f"{wanted} NOT NULL")
        self.assertEqual(seen, {"int", "bool", "float", "str", "bytes", "dict", "list", *TYPES})

    def test_metadata(self) -> None:
        """Names: the pages tell every key of a field's metadata."""
        named = {name for cells in rows("models.md", "metadata") for name in code(cells[0])}
        named |= {name for cells in rows("validation.md", "key") for name in code(cells[0])}
        self.assertEqual(named, set(_KNOWN_KEYS))

    def test_verbs(self) -> None:
        """Names: the pages tell every verb of a repository, and every condition."""
        verbs = {one.partition("(")[0] for cells in rows("repository.md", "call") for one in code(cells[0])}
        public = {name for name in (*vars(Repository), *vars(UnifiedRepository)) if name[0] != "_"}
        self.assertEqual(verbs, public - {"db", "model", "repo"})
        conditions = {one.partition("(")[0] for cells in rows("queries.md", "`C.…`") for one in code(cells[0])}
        self.assertEqual(conditions, {name for name in vars(C) if name[0] != "_"})

    def test_errors(self) -> None:
        """Names: the page tells every public error, what it is besides, and attributes that it has."""
        errors = {
            name: value
            for name in mini_orm.__all__
            if isinstance(value := getattr(mini_orm, name), type) and issubclass(value, mini_orm.MiniOrmError)
        }
        told = {"MiniOrmError"}
        for first, *cells in rows("errors.md", "error"):
            (name,) = code(first)
            told.add(name)
            for attribute in re.findall(r"`\.(\w+)`", cells[-1]):
                self.assertTrue(hasattr(errors[name]("x"), attribute), f"{name} has no {attribute}")
        self.assertEqual(told, set(errors))
        for first, others, *_ in rows("errors.md", "error | also a"):
            (name,) = code(first)
            for other in code(others):
                base = errors.get(other) or vars(builtins)[other]
                self.assertTrue(issubclass(errors[name], base), f"{name} is no {other}")


if __name__ == "__main__":
    unittest.main()
