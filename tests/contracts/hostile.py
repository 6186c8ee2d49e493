"""Text that tries to be SQL is data at every entry: as a value, as a name, as a table, column or index."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import operator
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mini_orm
from mini_orm import C, CodecError, Condition, ConditionGroup, F, ModelError, OrderBy, QueryError
from tests.backends import BACKENDS, maybe_await
from tests.contracts.queries import QueryHelpers

ENDS_OF_A_LITERAL = ["'", '"', "`", "]", ")", "')", '")', "'))", "1", "\\'", "''", "*/"]
STATEMENTS = [
    "; DROP TABLE control; --",
    "; DELETE FROM control WHERE '1'='1",
    "; UPDATE control SET note = 'gone' --",
    "; INSERT INTO control VALUES (9, 'x') --",
    "; COMMIT; DROP TABLE control --",
    "; PRAGMA writable_schema=1 --",
    " OR 1=1 --",
    " OR '1'='1",
    ' OR "1"="1',
    " AND 1=0 UNION SELECT id, note FROM control --",
    " UNION SELECT name, sql FROM sqlite_master /*",
    ", (SELECT note FROM control LIMIT 1)",
    " = 1; ATTACH DATABASE 'other' AS other; --",
    " COLLATE NOCASE --",
    " DESC; DROP TABLE control --",
    " IS NOT NULL OR note LIKE '%",
    "|| (SELECT note FROM control) ||",
    "\nGO\nDROP TABLE control\n",
]
MARKS = r"""
' " ` '' "" `` ; -- # /* */ /**/ \ \\ % %% %s %d %(a)s %(a ? ?1 :a :1 @a $a $1 $$ {} {0} {a!r} [x] ( ) () , . .. * & | ~
0 1=1 NULL null TRUE DEFAULT rowid oid x'00' 0x27 1e999 SELECT select control control.id main.control sqlite_master
CAST(1ASTEXT) char(39) lower(note) random() load_extension('x') ‘x’ ＇ ＂ ʼ
"""
STRANGE = [
    *" \n\t\x01\x7f\x85\ufeff\u200f\u2028éЖ😀\U0010ffff",
    "\r\n",
    "\x1b[2J",
    "\u202e' ;--",
    "שלום'; DROP TABLE control; --",
    "مرحبا",
    "\u202eelbat PORD",
    "😀' OR 1=1 --",
    "\U0001d4b3\U00010400",
    "e\u0301",
    "日本語",
    "a'b\"c`d[e]f",
    "it''s",
    "trailing \\",
    "two\nlines'--",
]
LONG = [mark * 10_000 for mark in ("'", "a", "%", "_", "😀", ";--", '"', "\u202e")]
#: Names that are nearly a field's.
NEAR = 'ID|Id| id|id |id\n|"id"|[id]|`id`|word.id|main.word.id|id--|id;|id, n|i\u200bd'
#: What the databases can't keep: refused as a value, and as a name.
REFUSED = ["\0", "a\0b", "'\0; DROP TABLE control; --", "\ud800", "a\udfff'"]
TEXTS = [*MARKS.split(), *STRANGE, *LONG, *map("".join, itertools.product(ENDS_OF_A_LITERAL, STATEMENTS))]


@dataclass
class Word:
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})
    text: str = field(default="", metadata={"unique_index": True})
    n: int = 0


@dataclass
class Page:
    """A row that is hostile from the key on."""

    key: str = field(metadata={"pk": True})
    body: str | None = None
    extra: dict[str, Any] | None = None
    raw: bytes | None = None


def named(text: str) -> str:
    """Shorten a text for the name of a sub-test."""
    return ascii(text[:40])


def short_texts() -> list[str]:
    return [text for text in TEXTS if len(text.encode()) <= 60]


@functools.cache
def hostile_models() -> dict[str, tuple[type, type]]:
    """Make, for each text, a table with that name, a column and an index with it, and a child that refers to it."""
    models: dict[str, tuple[type, type]] = {}
    seen: set[str] = set()
    for number, text in enumerate(TEXTS):
        if text.lower() not in seen and text.lower() not in {"control", "id", "n", "sqlite_master"}:
            seen.add(text.lower())
            models[text] = make_models(f"Hostile{number}", text)
    return models


def make_models(name: str, text: str) -> tuple[type, type]:
    key: dict[str, Any] = {"pk": True, "auto": True}
    parent = dataclasses.make_dataclass(
        name,
        [
            ("id", int | None, field(default=None, metadata=key)),
            ("label", str, field(default="", metadata={"column": text, "index": True})),
            ("n", int, field(default=0, metadata={"unique_index": True, "index_name": "ix " + text})),
        ],
        namespace={"__table__": text, "__indexes__": [("label", "n")], "__module__": __name__},
    )
    child = dataclasses.make_dataclass(
        name + "Child",
        [
            ("id", int | None, field(default=None, metadata=key)),
            ("parent_id", int, field(default=0, metadata={"fk": (parent, "id"), "column": text + " of"})),
            ("other_id", int | None, field(default=None, metadata={"fk": {"table": text, "column": "id"}})),
        ],
        namespace={"__table__": text + " child", "__module__": __name__},
    )
    return parent, child


def skeleton(sql: str, quote: str) -> str:
    """Return a statement with every quoted identifier made alike: hostile names must not change its shape."""
    return re.sub(f"{quote}(?:[^{quote}]|{quote}{quote})*{quote}", "<name>", sql)


class HostileCase(QueryHelpers):
    """A control table stands beside whatever is done, and must come through."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.db = await (self.open(path=":memory:") if self.backend.uses_file else self.open())
        await maybe_await(self.db.execute("CREATE TABLE control (id INTEGER PRIMARY KEY, note TEXT)"))
        await maybe_await(self.db.execute("INSERT INTO control VALUES (1, 'one'), (2, 'it''s'), (3, NULL)"))
        [self.control] = [sql for _, name, _, sql in await self.schema() if name == "control"]

    def keyed(self, text: str) -> str:
        """Return as much of a text as a column that is a key or in an index keeps."""
        return text[: self.backend.keyed.get("max_length")]

    @property
    def takes_all(self) -> bool:
        """Whether this backend tries every case: the first sync ones do, the others share them."""
        return not self.is_async and bool(self.amount(1, 0))

    def takes(self, number: int) -> bool:
        """Tell whether this backend tries a case."""
        if self.takes_all:
            return True
        sharing = [backend for backend in BACKENDS if backend.face == "async" or not backend.is_first]
        place = sharing.index(self.backend_class) if self.backend_class in sharing else 0
        return number % len(sharing) == place

    async def schema(self) -> list[tuple[Any, ...]]:
        """Return every object of the database, with its text."""
        return list(await maybe_await(self.db.execute(self.backend.schema_sql)))

    async def assert_intact(self, *tables: str) -> None:
        """Assert that the control table is as it was, and that no tables but `tables` stand beside it."""
        rows = list(await maybe_await(self.db.execute("SELECT id, note FROM control ORDER BY id")))
        self.assertEqual(rows, [(1, "one"), (2, "it's"), (3, None)])
        found = {name: sql for kind, name, _, sql in await self.schema() if kind == "table"}
        self.assertEqual(found["control"], self.control)
        self.assertEqual({name for name in found if not name.startswith("sqlite_")}, {"control", *tables})
        if self.backend.uses_file:
            databases = await maybe_await(self.db.fetchall("PRAGMA database_list"))
            self.assertEqual([row["name"] for row in databases], ["main"])


class HostileValueContract(HostileCase):
    """Values: written, filtered and looked up."""

    async def test_written_values(self) -> None:
        """Q10 Q11 T9: hostile text, JSON and bytes come back as they were through insert, get, update, delete."""
        repo = await self.table(Page)
        self.assertGreater(len(TEXTS), 300)
        texts = [text for number, text in enumerate(TEXTS) if self.takes(number)]
        for text in texts:
            with self.subTest(named(text)):
                page = Page(self.keyed(text), text, {text: [text, {text: None}]}, text.encode())
                await maybe_await(repo.insert(page))
                self.assertEqual(await maybe_await(repo.get(page.key)), page)
                changed = Page(page.key, text[::-1], {"": text}, text[:1].encode())
                self.assertEqual(await maybe_await(repo.update(changed)), 1)
                self.assertEqual(await maybe_await(repo.get({"key": page.key})), changed)
        self.assertEqual(await maybe_await(repo.count()), len(texts))
        for text in texts:
            with self.subTest(named(text)):
                key = self.keyed(text)
                values: dict[str, Any] = {"body": text, "extra": {text: text}, "raw": text.encode()}
                self.assertEqual(await maybe_await(repo.update_where(values, where=C.eq("key", key))), 1)
                self.assertEqual(await maybe_await(repo.get(key)), Page(key, **values))
                self.assertEqual(await maybe_await(repo.delete(Page(key))), 1)
                self.assertIsNone(await maybe_await(repo.get(key)))
        self.assertEqual(await maybe_await(repo.count()), 0)
        pages = [Page(self.keyed(text), text, {text: text}, text.encode()) for text in TEXTS]
        await maybe_await(repo.insert_many(pages))
        self.assertEqual(sorted(await maybe_await(repo.list()), key=lambda page: TEXTS.index(page.body)), pages)
        await self.assert_intact("page")

    async def test_looked_up_values(self) -> None:
        """Q10 Q11 G1: get_or_create finds and makes exactly the row of a hostile text."""
        repo = await self.table(Word)
        texts = [self.keyed(text) for number, text in enumerate(TEXTS) if self.takes(number)]
        for number, text in enumerate(texts):
            with self.subTest(named(text)):
                for expected in (True, False):
                    row, made = await maybe_await(repo.get_or_create(lookup={"text": text}, defaults={"n": number}))
                    self.assertEqual((row.text, row.n, made), (text, number, expected))
        self.assertEqual(await maybe_await(repo.count()), len(texts))
        await self.assert_intact("word")

    async def test_filtered_values(self) -> None:
        """Q7 Q10 Q11: every operator takes hostile text as text: it finds what Python finds."""
        texts = [*map(self.keyed, TEXTS)]
        repo = await self.table(Word, [Word(text=text) for text in texts])
        single: dict[str, Callable[[str, str], bool]] = {
            "eq": operator.eq,
            "ne": operator.ne,
            "lt": operator.lt,
            "le": operator.le,
            "gt": operator.gt,
            "ge": operator.ge,
            "same_as": operator.eq,
            "distinct_from": operator.ne,
            "contains": operator.contains,
            "startswith": str.startswith,
            "endswith": str.endswith,
        }
        for number, text in enumerate(texts):
            with self.subTest(named(text)):
                for place, (name, holds) in enumerate(single.items()):
                    if self.takes(number + place):
                        where = getattr(C, name)("text", text)
                        expected = sum(holds(row, text) for row in texts)
                        self.assertEqual(await maybe_await(repo.count(where)), expected, name)
                for where in (C.eq("text", text), C.in_("text", [text]), C.between("text", text, text)):
                    self.assertEqual([row.text for row in await maybe_await(repo.list(where=where))], [text])
                self.assertEqual(await maybe_await(repo.count(C.not_in("text", [text, "x"]))), len(texts) - 1)
        everything = await maybe_await(repo.list(where=C.in_("text", texts), order_by="text"))
        self.assertEqual([row.text for row in everything], sorted(texts))
        self.assertEqual(
            await maybe_await(repo.update_where({"n": 1}, where=C.in_("text", texts[::2]))), len(texts[::2])
        )
        self.assertEqual(await maybe_await(repo.delete_where(where=C.not_in("text", texts))), 0)
        await self.assert_intact("word")

    async def test_patterns(self) -> None:
        """Q7 Q8: like and ilike bind hostile patterns; like answers as the database does, ilike as its folding."""
        texts = [*map(self.keyed, TEXTS)]
        repo = await self.table(Word, [Word(text=text) for text in texts])
        for text in [text for number, text in enumerate(texts) if self.takes(number)]:
            with self.subTest(named(text)):
                raw = await maybe_await(
                    self.db.fetchone(self.backend.sql("SELECT count(*) AS n FROM word WHERE text LIKE ?"), [text])
                )
                self.assertEqual(await maybe_await(repo.count(C.like("text", text))), raw["n"])
                if not set("%_\\") & set(text):
                    expected = sum(row.casefold() == text.casefold() for row in texts)
                    self.assertEqual(await maybe_await(repo.count(C.ilike("text", text))), expected)
        await self.assert_intact("word")

    async def test_patterns_that_never_end(self) -> None:
        """Q8: a pattern full of wildcards is matched in time that doesn't explode with its length."""
        repo = await self.table(Word, [Word(text="a" * 110), Word(text="A" * 100 + "b")])
        start = time.perf_counter()
        self.assertEqual(await maybe_await(repo.count(C.ilike("text", "%a" * 5 + "%c"))), 0)
        self.assertEqual(await maybe_await(repo.count(C.ilike("text", "%A" * 5 + "%B"))), 1)
        # Trying every way to share the text among the wildcards takes half a minute; not trying takes microseconds.
        self.assertLess(time.perf_counter() - start, 5)

    async def test_plain_text_of_any_length(self) -> None:
        """Q7: contains, startswith and endswith take text beyond the database's limit on patterns."""
        long = "[é*?]%_" * 8_000  # SQLite's limit is 50,000 bytes; the databases' time grows with the square
        repo = await self.table(Page, [Page("1", "<" + long + ">"), Page("2", long), Page("3", "short")])
        cases = [
            (C.contains("body", long), 2),
            (C.startswith("body", "<" + long), 1),
            (C.endswith("body", long + ">"), 1),
            (C.endswith("body", long + "?"), 0),
        ]
        for where, expected in cases:
            self.assertEqual(await maybe_await(repo.count(where)), expected, where.op)

    async def test_refused_values(self) -> None:
        """T9 Q11: NUL and lone surrogates are refused, written (CodecError) or asked for (QueryError)."""
        repo, pages = await self.table(Word, [Word(text="kept")]), await self.table(Page)
        for text in REFUSED:
            writes: dict[str, Any] = {
                "insert": lambda text=text: repo.insert(Word(text=text)),
                "insert_many": lambda text=text: repo.insert_many([Word(text="first"), Word(text=text)]),
                "update": lambda text=text: repo.update(Word(1, text)),
                "update_where": lambda text=text: repo.update_where({"text": text}, allow_all=True),
                "json": lambda text=text: pages.insert(Page("a", extra={"a": "\ud800" + text})),
            }
            for entry, write in writes.items():
                with self.subTest(entry, text=named(text)), self.assertRaises(CodecError) as caught:
                    await maybe_await(write())
                caught.exception.__str__().encode()  # prints plainly, whatever the value was
            for name in ("eq", "ne", "gt", "same_as", "contains", "startswith", "endswith", "like", "ilike"):
                with self.subTest(name, text=named(text)):
                    await self.refused(
                        QueryError, lambda name=name, text=text: repo.list(where=getattr(C, name)("text", text))
                    )
            with self.subTest("lists", text=named(text)):
                await self.refused(QueryError, lambda text=text: repo.list(where=C.in_("text", ["a", text])))
                await self.refused(QueryError, lambda text=text: repo.list(where=C.between("text", "a", text)))
                await self.refused(QueryError, lambda text=text: pages.get(text))
        self.assertEqual([(row.id, row.text) for row in await maybe_await(repo.list())], [(1, "kept")])
        self.assertEqual(await maybe_await(pages.count()), 0)
        await self.assert_intact("word", "page")


class HostileNameContract(HostileCase):
    """Names in queries: what is no field is refused before any SQL."""

    async def test_names(self) -> None:
        """Q10: a hostile name is a QueryError before any SQL through every operator, order, key and expression."""
        repo = await self.table(Word, [Word(text="kept", n=7)])
        one = C.eq("id", 1)
        entries: dict[str, Any] = {
            **{
                op: lambda name, op=op: repo.list(where=getattr(C, op)(name, 1))
                for op in ("eq", "ne", "lt", "le", "gt", "ge", "same_as", "distinct_from")
            },
            **{
                op: lambda name, op=op: repo.count(getattr(C, op)(name, "a"))
                for op in ("like", "ilike", "contains", "startswith", "endswith")
            },
            "eq None": lambda name: repo.list(where=C.eq(name, None)),
            "in_": lambda name: repo.exists(C.in_(name, [1])),
            "in_ nothing": lambda name: repo.exists(C.in_(name, [])),
            "not_in": lambda name: repo.delete_where(where=C.not_in(name, [1])),
            "between": lambda name: repo.delete_where(where=C.between(name, 1, 2)),
            "is_null": lambda name: repo.update_where({"n": 1}, where=C.is_null(name)),
            "is_not_null": lambda name: repo.list(where=~(one & C.is_not_null(name))),
            "Condition": lambda name: repo.list(where=Condition(name, "=", 1)),
            "order": lambda name: repo.list(order_by=[name]),
            "order down": lambda name: repo.list(order_by=["n", "-" + name]),
            "OrderBy": lambda name: repo.list(order_by=OrderBy(name, True, "last")),
            "values": lambda name: repo.update_where({name: 1}, where=one),
            "more values": lambda name: repo.update_where({"n": 2, name: 1}, where=one),
            "lookup": lambda name: repo.get_or_create(lookup={name: "x"}),
            "more lookup": lambda name: repo.get_or_create(lookup={"text": "x", name: "x"}),
            "defaults": lambda name: repo.get_or_create(lookup={"text": "x"}, defaults={name: "x"}),
            "key": lambda name: repo.get({name: 1}),
            "F value": lambda name: repo.update_where({"n": F(name) + 1}, where=one),
            "F filter": lambda name: repo.list(where=C.gt("n", 2 * F(name))),
        }
        names = [*TEXTS, *REFUSED, *NEAR.split("|")]
        self.assertGreater(len(names), 300)
        async with self.traced() as statements:
            cases = itertools.product(enumerate(names), enumerate(entries.items()))
            for (number, name), (place, (entry, call)) in cases:
                if self.takes(number + place):
                    with self.subTest(entry, name=named(name)):
                        with self.assertRaises(QueryError) as caught:
                            await maybe_await(call(name))
                        self.assertLess(len(str(caught.exception)), 40_000)
        self.assertEqual(statements, [])
        self.assertEqual(await maybe_await(repo.get(1)), Word(1, "kept", 7))
        self.assertEqual(await maybe_await(repo.count()), 1)
        await self.assert_intact("word")

    async def test_operators_and_words(self) -> None:
        """Q9 Q13: an operator, a group's word or a place for nulls that is unknown is refused before any SQL."""
        repo = await self.table(Word, [Word(text="kept")])
        calls: dict[str, Any] = {
            "op": lambda text: repo.list(where=Condition("n", text, 1)),
            "unary": lambda text: repo.list(where=Condition("n", text, is_unary=True)),
            "group": lambda text: repo.list(where=ConditionGroup(text, (C.eq("n", 0), C.eq("n", 1)))),
            "nulls": lambda text: repo.list(order_by=OrderBy("n", False, text)),
        }
        texts = [*TEXTS, *REFUSED, "", "==", "is", "in", "XOR"]
        async with self.traced() as statements:
            for (number, text), (place, (entry, call)) in itertools.product(enumerate(texts), enumerate(calls.items())):
                if self.takes(number + place):
                    with self.subTest(entry, text=named(text)), self.assertRaises(QueryError):
                        await maybe_await(call(text))
        self.assertEqual(statements, [])
        await self.assert_intact("word")


class HostileSchemaContract(HostileCase):
    """Names in the schema: quoted everywhere."""

    async def test_tables_and_columns(self) -> None:
        """M10 S2 L6: a hostile table, column or index name works in the schema and in every statement."""
        tables: set[str] = set()
        for number, (text, (parent, child)) in enumerate(hostile_models().items()):
            if not self.takes(number) or not all(map(self.backend.takes_name, (text, f"{text} child"))):
                continue
            with self.subTest(named(text)):
                await self.create_tables(child, parent)
                await self.create_tables(parent, child, if_not_exists=True)
                tables |= {text, text + " child"}
                repo, children = self.repo(parent), self.repo(child)
                await maybe_await(repo.insert_many([parent(label=text, n=1), parent(label="other", n=2)]))
                row = await maybe_await(repo.insert(parent(label="third", n=3)))
                row.label = "3rd"
                self.assertEqual(await maybe_await(repo.update(row)), 1)
                found = await maybe_await(repo.list(where=C.eq("label", text), order_by=["-label", "n"]))
                self.assertEqual(found, [parent(1, text, 1)])
                values = {"label": "new", "n": F("n") + 10}
                where = C.in_("label", [text]) & C.startswith("label", text[:1])
                self.assertEqual(await maybe_await(repo.update_where(values, where=where)), 1)
                self.assertEqual(await maybe_await(repo.get(1)), parent(1, "new", 11))
                same, made = await maybe_await(repo.get_or_create(lookup={"n": 2}, defaults={"label": "x"}))
                self.assertEqual((same.label, made), ("other", False))
                await maybe_await(children.insert(child(parent_id=1, other_id=2)))
                with self.assertRaises(mini_orm.ForeignKeyViolation):
                    await maybe_await(children.insert(child(parent_id=99)))
                with self.assertRaises(mini_orm.ForeignKeyViolation):
                    await maybe_await(repo.delete(same))
                self.assertEqual(await maybe_await(children.delete_where(where=C.eq("parent_id", 1))), 1)
                self.assertEqual(await maybe_await(repo.delete(same)), 1)
                self.assertEqual(await maybe_await(repo.count(C.ge("n", 3))), 2)
        self.assertGreater(len(tables), 50 if self.takes_all else 10)
        indexes = {(table, name) for kind, name, table, _ in await self.schema() if kind == "index"}
        for text in tables & set(hostile_models()):
            names = [name for table, name in indexes if table == text]
            with self.subTest(named(text)):
                self.assertEqual(len(names), 3)
                self.assertLessEqual(max(len(name.encode()) for name in names), 63)
                if len(text.encode()) <= 60:
                    self.assertIn("ix " + text, names)
        await self.assert_intact(*tables)

    async def test_statements_keep_their_shape(self) -> None:
        """M10: in every dialect a hostile name changes nothing but the text between quotes."""
        dialects = [mini_orm.SQLiteDialect(), mini_orm.PostgresDialect(), mini_orm.MySQLDialect("mysql")]
        dialects.append(mini_orm.MySQLDialect("mariadb"))
        plain, _ = make_models("Benign", "benign")
        for dialect in dialects:
            quote = dialect.quote_char
            expected = [skeleton(sql, quote) for sql in mini_orm.create_schema_sql(plain, dialect, if_not_exists=True)]
            index = skeleton(mini_orm.create_index_sql(plain, dialect, "label", name="benign"), quote)
            for text in short_texts():
                with self.subTest(dialect=dialect.name, text=named(text)):
                    doubled = quote + text.replace(quote, quote * 2) + quote
                    self.assertEqual(dialect.quote(text), doubled)
                    if text not in hostile_models():
                        continue
                    model, _ = hostile_models()[text]
                    made = mini_orm.create_schema_sql(model, dialect, if_not_exists=True)
                    self.assertEqual([skeleton(sql, quote) for sql in made], expected)
                    self.assertEqual(made[0].count(doubled) >= 2, True, made[0])
                    sql = mini_orm.create_index_sql(model, dialect, "label", name=text)
                    self.assertEqual(skeleton(sql, quote), index)
                    self.assertIn(doubled, sql)
                    with self.assertRaises(ValueError):
                        mini_orm.create_index_sql(plain, dialect, text)
            for text in ("\0", "a\0b"):
                with self.assertRaises(ValueError):
                    dialect.quote(text)

    async def test_refused_names(self) -> None:
        """M10 S2 M12: NUL, lone surrogates, unknown columns and what is no model are refused before any SQL."""
        for number, text in enumerate(REFUSED):
            with self.subTest("table", text=named(text)):
                table = dataclasses.make_dataclass(
                    f"RefusedTable{number}", [("id", int, field(metadata={"pk": True}))], namespace={"__table__": text}
                )
                await self.refused(ModelError, lambda model=table: self.create_tables(model))
            with self.subTest("column", text=named(text)):
                column = dataclasses.make_dataclass(
                    f"RefusedColumn{number}", [("id", int, field(metadata={"pk": True, "column": text}))]
                )
                await self.refused(ModelError, lambda model=column: self.create_tables(model))
            with self.subTest("index", text=named(text)):
                index = dataclasses.make_dataclass(
                    f"RefusedIndex{number}",
                    [
                        ("id", int, field(metadata={"pk": True})),
                        ("n", int, field(metadata={"index": True, "index_name": text})),
                    ],
                )
                await self.refused(ValueError, lambda model=index: self.create_tables(model))
        for number, text in enumerate(short_texts()[::10]):
            with self.subTest("__indexes__", text=named(text)):
                unknown = dataclasses.make_dataclass(
                    f"UnknownIndex{number}",
                    [("id", int, field(metadata={"pk": True}))],
                    namespace={"__indexes__": [text]},
                )
                await self.refused(ValueError, lambda model=unknown: self.create_tables(model))
            with self.subTest("on_delete", text=named(text)):
                action = dataclasses.make_dataclass(
                    f"Action{number}",
                    [("id", int, field(metadata={"pk": True, "fk": "control.id", "on_delete": "CASCADE" + text}))],
                )
                await self.refused(ValueError, lambda model=action: self.create_tables(model))
            model: Any = text
            with self.subTest("model", text=named(text)):
                await self.refused(TypeError, lambda model=model: self.create_tables(model))
                await self.refused(TypeError, lambda model=model: self.repo(model))
            with self.subTest("isolation", text=named(text)):

                async def begin(text: str = text) -> None:
                    async with self.transaction(isolation=text):
                        pass

                await self.refused(ValueError, begin)
        await self.assert_intact()
