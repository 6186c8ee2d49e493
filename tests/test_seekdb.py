"""The SQL for MySQL on a second engine, one that does not call itself MariaDB: seekdb, which comes as a wheel.

It runs what `MySQLDialect("mysql")` writes, and no comment of MariaDB's. Its only binary collation is `utf8mb4_bin`,
which pads, so what blanks at the end of a text mean is not asked here.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import tempfile
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

from mini_orm import (
    C,
    Database,
    F,
    ForeignKeyViolation,
    MySQLDialect,
    OrderBy,
    Repository,
    SchemaConflictError,
    TransactionError,
    UnifiedRepository,
    UniqueViolation,
    apply_schema,
    create_schema_sql,
    ensure_schema,
)

MISSING = [name for name in ("pylibseekdb", "pymysql") if importlib.util.find_spec(name) is None]


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass
class Author:
    name: str = field(metadata={"unique_index": True})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Book:
    title: str
    author_id: int = field(default=0, metadata={"fk": (Author, "id"), "index": True, "on_delete": "CASCADE"})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Sample:
    text: str = field(metadata={"index": True})
    number: int = 2**63 - 1
    details: dict[str, Any] = field(default_factory=dict)
    exact: Decimal = Decimal("1234567890.0123456789")
    price: Decimal = field(default=Decimal("-1234.56"), metadata={"precision": 6, "scale": 2})
    real: float = 1e300
    data: bytes = b"\0\xff'\\"
    flag: bool = True
    key: UUID = field(default_factory=uuid4, metadata={"unique_index": True})
    size: Size = Size.SMALL
    day: dt.date = dt.date(2024, 2, 29)
    clock: dt.time = dt.time(23, 59, 59, 999999)
    span: dt.timedelta = dt.timedelta(days=-1, microseconds=5)
    at: dt.datetime = dt.datetime(2024, 1, 1, 1, 1, 1, 123456)
    seen: dt.datetime | None = field(default=None, metadata={"timezone": True})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})

    __indexes__ = [("size", "day")]


MODELS = [Author, Book, Sample]
HOSTILE = "na'me \\ \" % %s 😀 `"


@contextmanager
def engine() -> Iterator[Any]:
    """Start the engine in a process of its own, and stop it again."""
    import pylibseekdb

    with tempfile.TemporaryDirectory(prefix="mini_orm_test_seekdb_", ignore_cleanup_errors=True) as directory:
        instance = pylibseekdb.open(directory)
        try:
            yield instance
        finally:
            instance.close()


@unittest.skipIf(MISSING, f"pip install {' '.join(MISSING)} switches this on")
class SeekdbTest(unittest.TestCase):
    db: Database
    made: list[str]

    @classmethod
    def setUpClass(cls) -> None:
        import pymysql

        instance = cls.enterClassContext(engine())
        conn = pymysql.connect(database="test", charset="utf8mb4", **instance.connection_options())
        cls.db = cls.enterClassContext(Database(conn))
        cls.made = apply_schema(cls.db, MODELS)

    def setUp(self) -> None:
        self.hub = UnifiedRepository(self.db)
        for model in reversed(MODELS):
            self.hub.delete_where(model, allow_all=True)

    def test_schema(self) -> None:
        """S1 S3 S4: the tables and indexes are made once, and are what the models say."""
        dialect = self.db.dialect
        self.assertEqual(repr(dialect), repr(MySQLDialect("mysql")))
        self.assertEqual(self.made, [sql for model in MODELS for sql in create_schema_sql(model, dialect)])
        self.assertEqual(ensure_schema(self.db, MODELS), [])
        apply_schema(self.db, MODELS, if_not_exists=True)

        @dataclass
        class Wider(Author):
            __table__ = "author"
            country: str | None = field(default=None, metadata={"index": True})
            books: int = 7
            state: str = field(default="", metadata={"max_length": 9, "server_default": "'(it''s)'"})

        self.hub.insert(Author("Ada"))
        self.assertEqual(len(ensure_schema(self.db, Wider)), 4)
        self.assertEqual(ensure_schema(self.db, Wider), [])
        [wider] = Repository(self.db, Wider).list()
        self.assertEqual((wider.books, wider.state), (7, "(it's)"))
        self.addCleanup(self.db.execute, "ALTER TABLE author DROP COLUMN books")

        @dataclass
        class Other:
            name: bytes
            id: int | None = field(default=None, metadata={"pk": True, "auto": True})

            __table__ = "author"

        with self.assertRaises(SchemaConflictError):
            ensure_schema(self.db, Other)

    def test_values(self) -> None:
        """T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11: what is written is what is read, and is found by its value."""
        details = {"a": [1, {"b": HOSTILE}], "t": True, "n": None, "f": 1.0, "i": 2**60}
        sample = self.hub.insert(Sample(HOSTILE, details=details, seen=dt.datetime(2024, 1, 1, tzinfo=dt.UTC)))
        self.assertEqual(self.hub.get(Sample, sample.id), sample)
        self.hub.insert(Sample("other", 0, {}, Decimal(0), Decimal(0), 0.0, b"", False, size=Size.LARGE))
        for name in ("text", "number", "details", "exact", "price", "real", "data", "flag", "key", "size", "seen"):
            with self.subTest(name):
                value = getattr(sample, name)
                self.assertEqual(self.hub.count(Sample, C.eq(name, value)), 1)
                self.assertEqual(self.hub.count(Sample, C.in_(name, [value])), 1)
                self.assertEqual(self.hub.count(Sample, C.distinct_from(name, value)), 1)

    def test_verbs(self) -> None:
        """R1 R3 R4 B2 G1: keys in order, rows that were matched, one row for two callers of get_or_create."""
        authors = self.hub.insert_many([Author(f"author {number:02}") for number in range(20)])
        first = authors[0].id
        assert first is not None
        self.assertEqual([author.id for author in authors], list(range(first, first + 20)))
        self.assertEqual(self.hub.list(Author, order_by="id"), authors)
        self.assertEqual(self.hub.update(authors[3]), 1)
        self.assertEqual(self.hub.update(Author("nobody", id=first + 99)), 0)
        self.assertEqual(self.hub.delete(authors[19]), 1)
        again, is_new = self.hub.get_or_create(Author, lookup={"name": "author 05"})
        self.assertEqual((again, is_new), (authors[5], False))
        self.assertTrue(self.hub.get_or_create(Author, lookup={"name": "new"})[1])
        with self.assertRaises(UniqueViolation) as caught:
            self.hub.insert(Author("new"))
        self.assertEqual(caught.exception.constraint, "uidx_author_name")
        with self.assertRaises(ForeignKeyViolation):
            self.hub.insert(Book("orphan", first + 99))

    def test_conditions(self) -> None:
        """Q4 Q6 Q7 Q8 Q12 Q13 Q16: text, NULL, long lists, pages, and expressions of columns."""
        names = ["Ünder_score", "ünder%cent", HOSTILE, "plain"]
        day = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
        self.hub.insert_many([Sample(name, number, seen=day if number else None) for number, name in enumerate(names)])
        for where, wanted in (
            (C.contains("text", '\\ "'), [2]),
            (C.contains("text", "_"), [0]),
            (C.startswith("text", "ünder%"), [1]),
            (C.endswith("text", "`"), [2]),
            (C.like("text", "%nder%"), [0, 1]),
            (C.ilike("text", "ÜNDER%"), [0, 1]),
            (C.in_("seen", [None, day]), [0, 1, 2, 3]),
            (C.not_in("seen", [None, day]), []),
            (C.in_("number", range(2, 50_000)), [2, 3]),
            (C.gt("number", F("number") - 1) & ~C.eq("number", 2), [0, 1, 3]),
        ):
            with self.subTest(where=where):
                found = self.hub.list(Sample, where=where, order_by="number")
                self.assertEqual([sample.number for sample in found], wanted)
        page = self.hub.list(Sample, order_by=[OrderBy("seen", nulls="last"), "-number"], limit=2, offset=2)
        self.assertEqual([sample.number for sample in page], [1, 0])
        changed = self.hub.update_where(Sample, {"number": F("number") * 2 + 1}, where=C.gt("number", 1))
        self.assertEqual(changed, 2)
        self.assertEqual(self.hub.count(Sample, C.in_("number", [5, 7])), 2)

    def test_relations(self) -> None:
        """L2 L3: trees are stored and loaded, filters go along them, and what is changed may be asked for itself."""
        ada = self.hub.create(Author("Ada"), relations={"books": [Book("one"), Book("two")]})
        self.hub.create(Author("Bob"), relations={"books": [Book("three")]})
        loaded = self.hub.get_related(Author, ada.id, include="books")
        assert loaded is not None
        self.assertEqual([book.title for book in loaded.relations["books"]], ["one", "two"])
        self.assertEqual(self.hub.count(Book, C.eq("author.name", "Ada")), 2)
        self.assertEqual(self.hub.update_where(Book, {"title": "new"}, where=C.eq("author.name", "Ada")), 2)
        self.assertEqual(self.hub.delete_where(Author, where=C.any_("books", C.eq("title", "new"))), 1)
        self.assertEqual([book.title for book in self.hub.list(Book)], ["three"])

    def test_transactions(self) -> None:
        """X1 S5: rollbacks, savepoints, isolation, and no change of the schema in between."""
        for isolation in (None, "read committed", "repeatable read", "serializable"):
            with self.subTest(isolation), self.db.transaction(isolation=isolation) as tx:
                Repository(tx, Author).insert(Author(f"in {isolation}"))
                with self.assertRaises(UniqueViolation), tx.transaction() as inner:
                    Repository(inner, Author).insert(Author("undone"))
                    Repository(inner, Author).insert(Author(f"in {isolation}"))
        with self.assertRaises(ZeroDivisionError), self.db.transaction() as tx:
            Repository(tx, Author).insert(Author("undone"))
            raise ZeroDivisionError

        @dataclass
        class Late:
            id: int = field(metadata={"pk": True})

        with self.assertRaises(TransactionError), self.db.transaction() as tx:
            Repository(tx, Author).insert(Author("undone"))
            apply_schema(tx, Late)
        self.assertEqual(self.hub.count(Author), 4)
        self.assertFalse(self.hub.exists(Author, C.eq("name", "undone")))


if __name__ == "__main__":
    unittest.main()
