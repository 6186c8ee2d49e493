"""Models from a database (K1): what `mini-orm inspect` writes imports, and fits both that database and an empty one."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from types import ModuleType
from typing import Any

import mini_orm
from mini_orm import C, SchemaConflictError
from mini_orm.command.inspecting import Inspection, inspect_database
from mini_orm.command.scripts import Comparison, compare_schema
from mini_orm.core.models import model_meta
from tests.backends import maybe_await
from tests.contracts.command_sql import LIBRARY, LIBRARY_ROWS
from tests.contracts.schema import Customer, Folder, Hostile, HostileChild, Line, Purchase, Reading
from tests.contracts.schema_live import Live


@dataclass
class Everything:
    """A column of each kind."""

    whole: int
    flag: bool
    number: float
    exact: Decimal
    price: Decimal = field(metadata={"precision": 8, "scale": 2})
    text: str
    short: str = field(metadata={"max_length": 40, "server_default": "'it''s'"})
    raw: bytes
    at: dt.datetime
    moment: dt.datetime = field(metadata={"timezone": True})
    day: dt.date | None = None
    clock: dt.time | None = None
    token: uuid.UUID | None = None
    tags: dict[str, int] | None = None
    count: int | None = field(default=None, metadata={"server_default": "-7"})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@contextlib.contextmanager
def imported(source: str) -> Iterator[ModuleType]:
    """Import the text of a module for the time of a block."""
    module = ModuleType("tests_inspected_models")
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, "<models>", "exec"), vars(module))
        yield module
    finally:
        del sys.modules[module.__name__]


def models_in(module: ModuleType) -> list[type]:
    """Return the models of a module."""
    return [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__]


class InspectContract(Live):
    """`inspect` on a live database."""

    async def inspect(self, *tables: str, db: Any = None) -> Inspection:
        """Inspect the database, as the command does."""
        db = db or self.db
        found: Inspection = await maybe_await(db.run(inspect_database, db.dialect, tables))
        return found

    async def compare(self, models: list[type], db: Any = None) -> Comparison:
        """Compare models with the database, as the command does."""
        db = db or self.db
        found: Comparison = await maybe_await(db.run(compare_schema, db.dialect, models))
        return found

    async def assert_round_trip(self, models: list[type], source: str, *, is_fixed: bool = True) -> None:
        """Check that models fit the database and a new one, of which the same text is written where it `is_fixed`."""
        self.assertEqual(await self.ensure(models), [])
        fresh = await self.open(**self.backend.scratch())
        await self.create_tables(*models, db=fresh)
        self.assertEqual(await self.ensure(models, fresh), [])
        again = await self.inspect(db=fresh)
        found = again.source.partition("from __future__")[2]
        if is_fixed:
            self.assertEqual(found, source.partition("from __future__")[2])

    async def test_models_of_mini_orm(self) -> None:
        """K1: the tables of models, hostile names among them, are written as models of the same tables."""
        models = [Customer, Purchase, Line, Folder, Reading, Hostile, HostileChild, Everything]
        await self.ensure(models)
        found = await self.inspect()
        self.assertEqual((found.notes, found.models), ([], len(models)))
        with imported(found.source) as module:
            await self.assert_round_trip(models_in(module), found.source)
            [name] = [name for name, spec in mini_orm.model_relations(module.Folder).items() if not spec.many]
            self.assertEqual(name, "parent")
            wanted = {"customer": "belongs_to", "lines": "has_many"}
            kinds = {name: spec.relation_type for name, spec in mini_orm.model_relations(module.Purchase).items()}
            self.assertEqual({name: kinds.get(name) for name in wanted}, wanted)

    async def library(self) -> None:
        """Make the tables of another program."""
        with contextlib.closing(self.backend.raw()) as conn:
            for sql in LIBRARY[self.backend.dialect].split(";\n"):
                if sql.strip():
                    conn.execute(sql)

    async def test_a_database_of_others(self) -> None:
        """K1: composite keys, odd names, defaults and circles are kept; views and the like are left out with a note."""
        await self.library()
        found = await self.inspect()
        with imported(found.source) as module:
            with self.assertLogs("mini_orm"):  # that some numbers are narrower than a model's
                await self.assert_round_trip(models_in(module), found.source, is_fixed=False)
            self.assert_library(module)
        notes = "\n".join(found.notes)
        for name in ("loans_by_member", "audit trail", "title_initials"):
            self.assertIn(name, notes)
            self.assertIn(name, found.source.partition("from __future__")[0])

    def assert_library(self, module: Any) -> None:
        """Check what the models of the library say."""
        meta = {cls.__name__: model_meta(cls).by_name for cls in models_in(module)}
        self.assertEqual(
            sorted(meta), ["Author", "Book", "BookAuthor", "Branch", "BranchStock", "Member", "Table2ndHandOffer"]
        )
        self.assertEqual([name for name, one in meta["BranchStock"].items() if one.pk], ["isbn", "branch_code"])
        self.assertEqual(meta["Book"]["class_"].column, "class")
        self.assertEqual(meta["Book"]["in_stock_"].column, "in stock?")
        self.assertEqual(meta["Book"]["pages"].server_default, "0")
        self.assertEqual(module.Book(isbn="x", title="t", class_=1).pages, 0)
        self.assertIsNone(module.Member(name="Ann", joined=None).id)
        relations = {name: spec.relation_type for name, spec in mini_orm.model_relations(module.Book).items()}
        self.assertEqual(
            relations,
            {
                "previous": "belongs_to",
                "books": "has_many",
                "bookauthors": "has_many",
                "branchstocks": "has_many",
                "table2ndhandoffer": "has_one",
                "authors": "many_to_many",
                "branches": "many_to_many",
            },
        )
        self.assertIn("has_one", {one.relation_type for one in mini_orm.model_relations(module.Member).values()})

    async def test_rows_of_others(self) -> None:
        """K1 L3: the models read the rows that are there, and relations lead from one to the other."""
        await self.library()
        with contextlib.closing(self.backend.raw()) as conn:
            for sql in LIBRARY_ROWS:
                conn.execute(sql)
        found = await self.inspect()
        with imported(found.source) as module:
            hub = self.hub()
            [book] = await maybe_await(hub.list(module.Book, where=C.eq("isbn", "978-1")))
            self.assertEqual((book.title, book.pages, book.class_), ("Emma", 0, 7))
            self.assertEqual(book.price, Decimal("9.50"))
            result = await maybe_await(hub.get_related(module.Book, "978-2", include=["previous", "authors"]))
            self.assertEqual(result.relations["previous"].title, "Emma")
            self.assertEqual([author.name for author in result.relations["authors"]], ["Jane"])
            [branch] = await maybe_await(hub.list_related(module.Branch, include="member"))
            self.assertEqual(branch.relations["member"].name, "Ann")
            added = await maybe_await(hub.insert(module.Member(name="Bob")))
            self.assertIsInstance(added.joined, dt.datetime)

    async def test_chosen_tables(self) -> None:
        """K1: only the tables that are named; a foreign key to another one names the table, with a note."""
        await self.ensure([Customer, Purchase])
        found = await self.inspect("purchase")
        self.assertEqual(found.models, 1)
        self.assertIn('"fk": "customer.id"', found.source)
        self.assertIn("customer", " ".join(found.notes))
        with imported(found.source) as module:
            self.assertEqual(await self.ensure(module.Purchase), [])
        with self.assertRaisesRegex(mini_orm.ConfigurationError, "no table 'purchases'; did you mean 'purchase'"):
            await self.inspect("purchases")

    async def test_nothing_to_inspect(self) -> None:
        """K4: an empty database is said to be one."""
        with self.assertRaisesRegex(mini_orm.ConfigurationError, "no tables"):
            await self.inspect()

    async def test_what_no_model_says(self) -> None:
        """K1: a foreign key of several columns has a note and relations, and the note says what ensure_schema does."""
        text = self.backend.keyed_text
        self.run_outside(
            f"CREATE TABLE parent (b {text} NOT NULL, a INTEGER NOT NULL, PRIMARY KEY (a, b))",
            f"CREATE TABLE kid (id INTEGER PRIMARY KEY, a INTEGER, b {text}, "
            "FOREIGN KEY (a, b) REFERENCES parent (a, b))",
            "INSERT INTO parent (a, b) VALUES (1, 'x')",
            "INSERT INTO kid (id, a, b) VALUES (5, 1, 'x')",
        )
        found = await self.inspect()
        self.assertIn("several columns", " ".join(found.notes))
        with imported(found.source) as module:
            result = await maybe_await(self.hub().get_related(module.Parent, (1, "x"), include="kids"))
            self.assertEqual([kid.id for kid in result.relations["kids"]], [5])
            with self.assertRaises(SchemaConflictError):
                await self.ensure(models_in(module))

    async def test_several_ways_between_two_tables(self) -> None:
        """K1 L1: two foreign keys to one table, and two tables between, get names that are free."""
        self.run_outside(
            "CREATE TABLE places (id INTEGER PRIMARY KEY)",
            "CREATE TABLE people (id INTEGER PRIMARY KEY, home_id INTEGER NOT NULL, work_id INTEGER, "
            "FOREIGN KEY (home_id) REFERENCES places (id), FOREIGN KEY (work_id) REFERENCES places (id))",
            *(
                f"CREATE TABLE {name} (person_id INTEGER NOT NULL, place_id INTEGER NOT NULL, "
                "PRIMARY KEY (person_id, place_id), FOREIGN KEY (person_id) REFERENCES people (id), "
                "FOREIGN KEY (place_id) REFERENCES places (id))"
                for name in ("likes", "visits")
            ),
            "CREATE TABLE desks (id INTEGER PRIMARY KEY, person_id INTEGER UNIQUE, "
            "FOREIGN KEY (person_id) REFERENCES people (id))",
            "CREATE INDEX mine ON desks (person_id)",
        )
        found = await self.inspect()
        self.assertEqual(found.notes, [])
        with imported(found.source) as module:
            await self.assert_round_trip(models_in(module), found.source)
            person = mini_orm.model_relations(module.Person)
            self.assertEqual(
                {name: (one.model.__name__, one.many) for name, one in person.items()},
                {
                    "home": ("Place", False),
                    "work": ("Place", False),
                    "likes": ("Like", True),
                    "visits": ("Visit", True),
                    "places": ("Place", True),
                    "places_by_visit": ("Place", True),
                    "desk": ("Desk", False),
                },
            )
            place = mini_orm.model_relations(module.Place)
            self.assertLessEqual({"persons_by_home", "persons_by_work", "persons", "persons_by_visit"}, set(place))

    async def test_names_that_python_has(self) -> None:
        """K1: keywords, names that the module uses, and names that differ in nothing but their marks."""
        names = ["class", "field", "str", "dt", "a b", "a-b", "2nd", "__x", "IndexSpec", "Any", "self", "ﬁ"]
        with self.scratch_raw() as run:
            columns = ", ".join(f'"{name}" INTEGER' for name in names)
            run(f'CREATE TABLE "class" (id INTEGER PRIMARY KEY, {columns})')
            run('CREATE TABLE "2 odd-ones" (id INTEGER PRIMARY KEY, "class" INTEGER)')
            run('CREATE INDEX i1 ON "class" ("ﬁ", "a b")')
        found = await self.inspect()
        self.assertEqual(found.notes, [])
        with imported(found.source) as module:
            await self.assert_round_trip(models_in(module), found.source)
            repo = self.repo(module.Class)
            stored = await maybe_await(repo.insert(module.Class(a_b=1, a_b_2=2, class_=3, field_=4, fi=5)))
            self.assertEqual(await maybe_await(repo.get(stored.id)), stored)
            query = 'SELECT "a b" AS one, "a-b" AS other, "ﬁ" AS third FROM "class"'
            row = await maybe_await(self.db.fetchone(query.replace('"', self.db.dialect.quote_char)))
            self.assertEqual(row, {"one": 1, "other": 2, "third": 5})

    @contextlib.contextmanager
    def scratch_raw(self) -> Iterator[Any]:
        """Give a function that runs SQL past mini_orm, in quotes of standard SQL."""
        with contextlib.closing(self.backend.raw()) as conn:
            yield lambda sql: conn.execute(self.backend.ddl(sql))

    async def test_differences(self) -> None:
        """K2 S3: what ensure_schema would do is said and not done; with a conflict it would do nothing."""
        before = self.schema()
        models = [Purchase, Customer]
        script = await self.compare(models)
        self.assertEqual((self.schema(), script.has_conflicts), (before, False))
        self.assertEqual([line for line in script.text.splitlines() if line.startswith("-- conflict")], [])
        self.assertEqual(script.text.count("-- to do: "), 2)
        done = await self.ensure(models)
        said = "\n".join(line for line in script.text.splitlines() if not line.startswith("--"))
        self.assertEqual(said, "\n".join(f"{sql};" for sql in done))
        script = await self.compare(models)
        self.assertEqual((script.text, script.has_conflicts), ("-- nothing to do\n", False))

        other = mini_orm_model_of_customer()
        script = await self.compare([other])
        self.assertTrue(script.has_conflicts)
        self.assertIn("-- conflict: Customer: the column 'email'", script.text)
        self.assertNotIn(";\n", script.text)
        with self.assertRaises(SchemaConflictError):
            await self.ensure(other)


def mini_orm_model_of_customer() -> type:
    """Return a model that the table of `Customer` does not fit."""

    @dataclass
    class Customer:
        name: str
        email: dt.date
        id: int | None = field(default=None, metadata={"pk": True, "auto": True})

    return Customer
