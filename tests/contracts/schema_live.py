"""Live schema (S3 and S4): what `ensure_schema` makes, changes, logs and refuses in a database that has tables."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import enum
import logging
import pickle
import re
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import MISSING, dataclass, field, make_dataclass
from decimal import Decimal
from typing import Any, Optional
from unittest import mock

import mini_orm
from mini_orm import IndexSpec, SchemaConflictError
from mini_orm.core.database.executors import Executor
from mini_orm.core.schema import ensure as schema_ensure
from mini_orm.core.schema.inspect import index_obstacle
from tests.backends import maybe_await, needs
from tests.contracts.crud import Outside, auto_key, pk
from tests.contracts.schema import Customer, Folder, Hostile, HostileChild, Line, Purchase, Reading

KEY = ("id", Optional[int], auto_key())
#: Annotation and metadata -> types.
Types = list[tuple[Any, dict[str, Any], list[str]]]


class Mood(enum.Enum):
    CALM = "calm"
    CROSS = "cross"


def unread(dialect: mini_orm.Dialect) -> mini_orm.Dialect:
    """Return a dialect of the user's own, of a database whose schema can't be read."""
    made: mini_orm.Dialect = type("Unread", (type(dialect),), {"columns_sql": ""})()
    return made


def column(annotation: Any, default: Any = None, **metadata: Any) -> tuple[Any, Any]:
    """An annotation and its field; a callable is the default's factory, and `...` stands for no default."""
    if default is ...:
        return annotation, field(metadata=metadata)
    if callable(default):
        return annotation, field(default_factory=default, metadata=metadata)
    return annotation, field(default=default, metadata=metadata)


def thing(*, indexes: Any = (), key: Any = KEY, table: str = "thing", **columns: Any) -> Any:
    """A version of the model `Thing`, with these columns."""
    specs = [key, *((name, *spec) for name, spec in columns.items())]
    namespace = {"__table__": table, "__indexes__": list(indexes), "__module__": __name__}
    return make_dataclass("Thing", specs, namespace=namespace, kw_only=True)


class Live(Outside):
    """Ways to make tables past mini_orm, and to compare what is there."""

    async def ensure(self, models: Any, db: Any = None, **options: Any) -> list[str]:
        """Call `ensure_schema` of this face."""
        function = mini_orm.ensure_schema_async if self.is_async else mini_orm.ensure_schema
        return await maybe_await(function(db or self.db, models, **options))

    def run_outside(self, *statements: str) -> None:
        """Run statements on a connection of its own."""
        with contextlib.closing(self.backend.raw()) as conn:
            for sql in statements:
                conn.execute(self.backend.ddl(sql))

    def schema(self) -> list[Any]:
        """Return the text of all that another connection sees in the schema."""
        return self.rows(self.backend.schema_sql)

    def everything(self) -> list[str]:
        """Return the whole database as text: schema and rows."""
        return self.backend.dump()

    async def assert_done(self, *models: Any) -> None:
        """Another call finds nothing to do, and sends nothing but reads."""
        seen = await self.trace()
        self.assertEqual(await self.ensure(models), [])
        self.assertEqual([sql for sql in seen if not sql.startswith(("SELECT", "PRAGMA", "-- "))], [])
        await self.backend.trace(self.db.conn, None)

    async def refused(self, models: Any, **options: Any) -> SchemaConflictError:
        """Return the error of a call that is refused and changes nothing."""
        before = self.everything()
        with self.assertRaises(SchemaConflictError) as caught:
            await self.ensure(models, **options)
        self.assertEqual(self.everything(), before)
        self.assert_clean()
        error = caught.exception
        self.assertTrue(error.differences)
        for difference in error.differences:
            self.assertEqual(difference.severity, "conflict")
            self.assertIn(difference.name, str(difference))
            self.assertIn(str(difference), str(error))
        return error

    async def conflicts(self, model: Any) -> list[tuple[str, str]]:
        """Return what is in the way of a model, and check that a new table would end it."""
        error = await self.refused(model)
        found = [(difference.what, difference.name) for difference in error.differences]
        if all(difference.is_mendable for difference in error.differences):
            with self.assertLogs("mini_orm", "WARNING"):
                await self.ensure(model, schema_conflict="recreate")
            await self.assert_done(model)
        return found

    @contextlib.contextmanager
    def logged(self, *expected: tuple[int, str]) -> Iterator[None]:
        """Expect these lines in the log, by level and a part of their text, and no others."""
        with self.assertLogs("mini_orm", "DEBUG") as logs:
            logging.getLogger("mini_orm").debug("so that there is one")
            yield
        got = [(record.levelno, record.getMessage()) for record in logs.records[1:]]
        self.assertEqual([level for level, _ in got], [level for level, _ in expected], got)
        for (_, line), (_, part) in zip(got, expected, strict=True):
            self.assertIn(part, line)

    async def assert_others(self, *others: str, unique: bool = False) -> None:
        """Each of these indexes of `thing` is another than that over a and b, and made anew."""
        spec = IndexSpec(("a", "b"), name="it's", unique=unique)
        model = thing(a=column(Optional[str]), b=column(int, ...), indexes=[spec])
        await self.ensure(model)
        made = self.schema()
        for create in others:
            with self.subTest(create=create):
                self.run_outside(self.backend.drop_index("it's", "thing"), create)
                await self.assert_made_anew(model)
                self.assertEqual(self.schema(), made)
                await self.assert_done(model)

    async def assert_made_anew(self, model: Any) -> None:
        """The one index of a model is put in the place of another, as the dialect does it."""
        statements = await self.ensure(model)
        wanted = self.db.dialect.replace_index("old", "new", "thing", "a", unique=False)
        self.assertEqual([sql.split()[0] for sql in statements], [sql.split()[0] for sql in wanted])

    async def assert_in_its_place(self, kind: str, sql: str) -> None:
        """What a statement makes, of this kind, is a conflict with `thing` that no new table would end."""
        with self.subTest(kind=kind):
            self.run_outside(sql)
            for policy in ("raise", "recreate"):
                error = await self.refused(thing(), schema_conflict=policy)
                self.assertEqual([(d.what, d.name) for d in error.differences], [("table", "thing")])
                self.assertIn(f"something else: {kind}", str(error))


class InItsOwnWords(Live):
    """Ways to make tables of the database's own types."""

    backend: Any

    def run_as_it_is(self, *statements: str) -> None:
        """Run statements that are in the database's own words already."""
        with contextlib.closing(self.backend.raw()) as conn:
            for sql in statements:
                conn.execute(sql)

    def remake(self, columns: str, *before: str) -> None:
        """Make `thing` anew with these columns, after what they need."""
        self.run_as_it_is("DROP TABLE IF EXISTS thing", *before, f"CREATE TABLE thing ({columns})")

    def with_types(self, types: Types, *before: str) -> Any:
        """Make `thing` with a column of each type; return the model that has the annotations."""
        columns = [f"id {self.backend.auto_key}"]
        found: dict[str, Any] = {}
        for place, (annotation, metadata, type_) in enumerate(
            (annotation, metadata, type_) for annotation, metadata, some in types for type_ in some
        ):
            columns.append(f"c{place} {type_} NOT NULL")
            found[f"c{place}"] = column(annotation, ..., **metadata)
        self.remake(", ".join(columns), *before)
        return thing(**found)

    async def assert_each_differs(self, model: Any) -> None:
        """Every column but the key is a conflict, and a new table would end them all."""
        names = [name for name in model.__dataclass_fields__ if name != "id"]
        self.assertEqual(await self.conflicts(model), [("column", name) for name in names])


class EnsureContract(Live):
    """What is missing is made; nothing is done twice."""

    async def test_makes_what_is_missing(self) -> None:
        """S3: tables and indexes, in the order of foreign keys, as `apply_schema` makes them; then nothing."""
        models = [Line, Reading, Purchase, Customer, Folder]
        statements = await self.ensure(models)
        made = self.schema()
        ordered = (Reading, Folder, Customer, Purchase, Line)
        texts = {sql for model in ordered for sql in mini_orm.create_schema_sql(model, self.db.dialect)}
        self.assertEqual(set(statements), texts)
        tables = [re.split('["`]', sql)[1] for sql in statements if sql.startswith("CREATE TABLE")]
        self.assertLess(tables.index("customer"), tables.index("purchase"))
        self.assertLess(tables.index("purchase"), tables.index("line"))
        await self.assert_done(*models)
        self.assertEqual(self.schema(), made)
        self.run_outside("DROP TABLE line")
        self.assertEqual(await self.ensure(models), mini_orm.create_schema_sql(Line, self.db.dialect))
        self.assertEqual(self.schema(), made)

    async def test_what_apply_schema_made_is_done(self) -> None:
        """S3 S4: also with hostile names, and with a model that says it all."""
        await self.create_tables(Customer, Purchase, Line, Folder, Reading, Hostile, HostileChild)
        with self.logged():
            await self.assert_done(Customer, Purchase, Line, Folder, Reading, Hostile, HostileChild)

    async def test_one_model_or_a_sequence(self) -> None:
        """S3: a class alone, a tuple, a generator, nothing; what is no model is refused before any SQL."""
        self.assertEqual(await self.ensure([]), [])
        self.assertEqual(len(await self.ensure(Reading)), 1)
        self.assertEqual(len(await self.ensure((Reading, Folder))), 1)
        self.assertEqual(await self.ensure(model for model in (Folder, Reading)), [])
        seen = await self.trace()
        for wrong in (3, None, [dict], "thing"):
            with self.subTest(wrong=wrong), self.assertRaises(mini_orm.ModelError):
                await self.ensure(wrong)
        self.assertEqual(seen, [])

    async def test_an_unknown_policy(self) -> None:
        """S3: it is a ValueError that names the two, and nothing is sent."""
        await self.ensure(Reading)
        seen = await self.trace()
        with self.assertRaisesRegex(ValueError, "'raise', 'recreate'"):
            await self.ensure(Folder, schema_conflict="drop")
        self.assertEqual(seen, [])

    async def test_two_models_of_one_table(self) -> None:
        """S3 S2: they are refused as `apply_schema` does."""
        with self.assertRaises(mini_orm.SchemaError):
            await self.ensure([Reading, thing(table="READING")])
        self.assertEqual(self.schema(), [])

    @needs("shares_names")
    async def test_names_are_compared_as_the_database_does(self) -> None:
        """S3: names that differ in case alone are one name, of tables, columns, indexes and targets."""
        self.run_outside(
            "CREATE TABLE PARENT (ID INTEGER PRIMARY KEY)",
            "CREATE TABLE THING (ID INTEGER PRIMARY KEY, SIZE INTEGER NOT NULL, P INTEGER REFERENCES PARENT (ID))",
            "CREATE INDEX IDX_THING_SIZE ON THING (SIZE)",
        )
        with self.logged():
            await self.assert_done(thing(size=column(int, ..., index=True), p=column(Optional[int], fk="parent.id")))

    @needs("supports_transactional_ddl")
    async def test_inside_a_transaction_it_belongs_to_it(self) -> None:
        """S3 X1: it goes with the rollback and stays with the commit, and a refusal leaves the transaction usable."""
        await self.create_tables(Reading)
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                self.assertTrue(await self.ensure([Customer, Purchase], tx))
                await maybe_await(self.repo(Customer, tx).insert(Customer("Ann", "ann@x")))
                raise ZeroDivisionError
        self.assertEqual((self.backend.tables(), self.backend.indexes()), (["reading"], []))
        other = thing(table="reading", device=column(str, ...))
        async with self.transaction() as tx:
            await self.ensure(Customer, tx)
            with self.assertRaises(SchemaConflictError):
                await self.ensure([Folder, other], tx)
        self.assertEqual(self.backend.tables(), ["customer", "reading"])

    @needs("supports_transactional_ddl")
    async def test_inside_a_transaction_of_the_users(self) -> None:
        """S3 X2: a connection that is in a transaction already is joined."""
        await maybe_await(self.db.execute("BEGIN"))
        self.assertTrue(await self.ensure(Customer))
        self.assertEqual(await self.ensure(Customer), [])
        self.assertEqual(self.schema(), [])
        await maybe_await(self.db.execute("ROLLBACK"))
        self.assertTrue(await self.ensure(Customer))

    async def test_in_a_read_only_transaction(self) -> None:
        """S3 X1: it may look; it is a TransactionError only where something has to be done."""
        await self.ensure(Customer)
        async with self.transaction(read_only=True) as tx:
            self.assertEqual(await self.ensure(Customer, tx), [])
            with self.assertRaises(mini_orm.TransactionError):
                await self.ensure([Customer, Folder], tx)
            with self.assertRaises(SchemaConflictError):
                await self.ensure(thing(table="customer"), tx)
        self.assertEqual({table for _, _, table, _ in self.schema()}, {"customer"})

    async def test_callers_at_once_do_not_collide(self) -> None:
        """S3: eight connections that all bring the same tables up to date succeed; one of them does the work."""
        await self.ensure([thing(name=column(str, ..., max_length=9))])
        self.run_outside("INSERT INTO thing VALUES (1, 'a'), (2, 'b')")
        second = thing(name=column(str, ..., max_length=9, index=True), size=column(int, 7), note=column(Optional[str]))
        databases = [await self.open() for _ in range(8)]
        start = self._starting_line(len(databases))

        async def work(db: Any) -> list[str]:
            await start()
            return await self.ensure([second, Purchase, Customer], db)

        results = await self.together([lambda db=db: work(db) for db in databases])
        self.assertEqual([result for result in results if isinstance(result, BaseException)], [])
        self.assertEqual(len([result for result in results if result]), 1)
        self.assertEqual(self.rows("SELECT * FROM thing"), [(1, "a", 7, None), (2, "b", 7, None)])
        await self.assert_done(second, Purchase, Customer)

    async def test_a_look_into_the_middle_of_anothers_changes(self) -> None:
        """S3: what is there once another has committed is no conflict, although a part of it was not there before."""
        statements = await self.ensure([Purchase, Customer])
        self.run_outside("DROP TABLE purchase", "DROP TABLE customer")
        seen_halfway = ["the table 'customer' has an index 'idx_customer_city' already"]

        async def obstacle(executor: Executor, dialect: mini_orm.Dialect, index: str, table: str) -> str | None:
            if seen_halfway:
                self.run_outside(*statements)
                return seen_halfway.pop()
            return await index_obstacle(executor, dialect, index, table)

        with mock.patch.object(schema_ensure, "index_obstacle", obstacle):
            self.assertEqual(await self.ensure([Purchase, Customer]), [])
        self.assertEqual(seen_halfway, [])
        await self.assert_done(Purchase, Customer)

    def _starting_line(self, parties: int) -> Callable[[], Awaitable[None]]:
        line: Any = asyncio.Barrier(parties) if self.is_async else threading.Barrier(parties, timeout=30)

        async def meet() -> None:
            await maybe_await(line.wait())

        return meet

    async def test_the_executor_is_told(self) -> None:
        """S3 S5: what was made, or was there already, is remembered; what was refused is not."""
        with mock.patch.object(Executor, "remember") as remember:
            for _ in range(2):
                await self.ensure([Purchase, Customer])
                remember.assert_called_once_with([Customer, Purchase])
                remember.reset_mock()
            await self.refused(thing(table="customer"))
            remember.assert_not_called()

    async def test_a_database_that_can_not_be_read(self) -> None:
        """S3: a dialect that has no SQL for it says so, before any SQL."""
        db = await self.wrap(await self.backend.connect(), unread(self.db.dialect))
        with self.assertRaisesRegex(mini_orm.ConfigurationError, "Unread"):
            await self.ensure(Customer, db)
        self.assertEqual(self.schema(), [])


class AddedColumnContract(Live):
    """Columns that the table does not have yet."""

    async def added(self, **columns: Any) -> Any:
        """Add columns to a table with one row; return that row, read through the new model."""
        self.run_outside("CREATE TABLE thing (id INTEGER PRIMARY KEY)", "INSERT INTO thing VALUES (1)")
        model = thing(**columns)
        self.resume_keys(model)
        self.assertEqual(len(await self.ensure(model)), len(columns))
        await self.assert_done(model)
        repo = self.repo(model)
        unset = [name for name, (_, made) in columns.items() if made.default in (None, MISSING)]
        factories = [name for name, (_, made) in columns.items() if made.default_factory is not MISSING]
        await maybe_await(repo.insert(model(**{name: None for name in unset if name not in factories})))
        return await maybe_await(repo.get(1))

    async def test_nullable_columns(self) -> None:
        """S3: old rows have NULL there."""
        row = await self.added(name=column(Optional[str]), tags=column(Optional[list[str]]), size=column(int, None))
        self.assertEqual((row.name, row.tags, row.size), (None, None, None))

    async def test_constant_defaults_of_the_class(self) -> None:
        """S3: old rows have what a new object would have, of every type, to the last bit."""
        moment = dt.datetime(2024, 2, 29, 23, 59, 59, 999999)
        values: dict[str, tuple[Any, Any, dict[str, Any]]] = {
            "least": (int, -(2**63), {}),
            "most": (int, 2**63 - 1, {}),
            "flag": (bool, True, {}),
            "ratio": (float, 1 / 3, {}),
            "tiny": (float, -5e-324, {}),
            **({"endless": (float, float("-inf"), {})} if self.backend.keeps_infinity else {}),
            "whole": (float, 3, {}),
            "price": (Decimal, Decimal("12345678901234567890.10"), {}),
            "cost": (Decimal, Decimal("0.50"), {"precision": 6, "scale": 2}),
            "text": (str, 'it\'s 100% "fine"; --\n ünï 🎉', {}),
            "path": (str, "C:\\new\\ünï 🎉 it's\n", {}),
            "empty": (str, "", {"max_length": 4}),
            "number": (str, "007", {}),
            "data": (bytes, b"\x00'\xff", {}),
            "local": (dt.datetime, moment, {}),
            "aware": (dt.datetime, moment.replace(tzinfo=dt.timezone(dt.timedelta(hours=5))), {"timezone": True}),
            "day": (dt.date, dt.date(1, 1, 1), {}),
            "hour": (dt.time, dt.time(1, 2), {}),
            "pause": (dt.timedelta, dt.timedelta(days=-1, microseconds=1), {}),
            "token": (uuid.UUID, uuid.UUID(int=1), {}),
            "mood": (Mood, Mood.CROSS, {}),
            "pair": (tuple[int, str], (1, "a"), {"codec": "json"}),
        }
        row = await self.added(**{name: column(kind, value, **more) for name, (kind, value, more) in values.items()})
        for name, (_, value, _) in values.items():
            with self.subTest(name):
                self.assertEqual(getattr(row, name), value)

    async def test_factories_of_the_builtins(self) -> None:
        """S3: an empty list is as constant as a zero."""
        row = await self.added(
            items=column(list[int], list),
            tree=column(dict[str, int], dict),
            names=column(set[str], set, codec="json"),
            count=column(int, int),
            text=column(str, str),
            flag=column(bool, bool),
        )
        found = (row.items, row.tree, row.names, row.count, row.text, row.flag)
        self.assertEqual(found, ([], {}, set(), 0, "", False))

    async def test_server_defaults(self) -> None:
        """S3 M9: old rows have them, in nullable columns too."""
        row = await self.added(
            state=column(str, None, server_default="'draft'"),
            level=column(int, ..., server_default="(-1)"),
            price=column(Optional[Decimal], None, server_default="1.50"),
        )
        self.assertEqual((row.state, row.level, row.price), ("draft", -1, Decimal("1.5")))

    @needs("limits_added_columns")
    async def test_a_default_that_is_an_expression(self) -> None:
        """S3: the database adds it where there are no rows; else it is a conflict that says why."""
        for default in ("CURRENT_TIMESTAMP", "(strftime('%Y', 'now'))", "('a' || 'b')", "1 + 1"):
            with self.subTest(default=default):
                self.run_outside("DROP TABLE IF EXISTS thing", "CREATE TABLE thing (id INTEGER PRIMARY KEY)")
                model = thing(made=column(str, ..., server_default=default))
                self.assertEqual(len(await self.ensure(model)), 1)
                await self.assert_done(model)
                self.run_outside("DROP TABLE thing", "CREATE TABLE thing (id INTEGER PRIMARY KEY)")
                self.run_outside("INSERT INTO thing VALUES (1)")
                error = await self.refused(model)
                self.assertIn("expression", str(error))

    @needs("limits_added_columns")
    async def test_every_constant_that_the_database_takes(self) -> None:
        """S3: signs, parentheses, hexadecimal digits, blobs, truth: what is accepted here, the database accepts."""
        constants = [
            "1",
            "+1",
            "- -1",
            "(-(1))",
            "0x1F",
            "1e3",
            ".5",
            "5.",
            "'x'",
            "(('x'))",
            "x'00ff'",
            "TRUE",
            "nUll",
        ]
        columns = {
            f"c{place}": column(Optional[str], None, server_default=constant)
            for place, constant in enumerate(constants)
        }
        await self.added(**columns)

    async def test_columns_that_can_not_be_added(self) -> None:
        """S3: without a value for the rows that are there it is a conflict that advises, also in an empty table."""
        self.run_outside("CREATE TABLE thing (id INTEGER PRIMARY KEY)")
        model = thing(
            plain=column(int, ...),
            made=column(uuid.UUID, uuid.uuid4),
            wrong=column(int, "text"),
            null=column(str, ..., server_default="NULL"),
        )
        error = await self.refused(model)
        names = [difference.name for difference in error.differences]
        self.assertEqual(names, ["plain", "made", "wrong", "null"])
        self.assertIn("server_default", str(error))
        two = ("id", int, pk())
        self.run_outside("DROP TABLE thing", "CREATE TABLE thing (id INTEGER NOT NULL PRIMARY KEY)")
        found = await self.conflicts(thing(key=two, part=column(int, 0, pk=True)))
        self.assertEqual(found, [("column", "part"), ("primary key", "id, part")])

    async def test_defaults_that_do_not_fit(self) -> None:
        """S3 T0: the conflict says what is wrong with the default, and not that there is none."""
        self.run_outside("CREATE TABLE thing (id INTEGER PRIMARY KEY)")
        wrong: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
            "size": (int, "secret", {}, "expected int, got str"),
            "code": (str, "secret", {"max_length": 4}, "6 characters, and the column takes 4"),
            "price": (Decimal, Decimal("0.125"), {"precision": 6, "scale": 2}, "more than 2 digits after the point"),
            "mood": (Mood, "secret", {}, "expected Mood or the value of one of its members, got str"),
            "items": (list[int], dict, {}, "expected list, got dict"),
        }
        columns = {name: column(kind, value, **more) for name, (kind, value, more, _) in wrong.items()}
        error = await self.refused(thing(**columns))
        self.assertEqual([difference.name for difference in error.differences], list(wrong))
        for difference, (_, _, _, reason) in zip(error.differences, wrong.values(), strict=True):
            with self.subTest(difference.name):
                self.assertIn(f"its default does not fit: {reason}", str(difference))
                self.assertNotIn("constant default", str(difference))
                self.assertNotIn("secret", str(difference))

    async def test_foreign_keys(self) -> None:
        """S3 L6: the column comes with its foreign key, which is enforced."""
        self.run_outside("CREATE TABLE parent (id INTEGER PRIMARY KEY)", "INSERT INTO parent VALUES (1)")
        row = await self.added(parent_id=column(Optional[int], None, fk="parent.id", on_delete="cascade"))
        self.assertIsNone(row.parent_id)
        with self.assertRaises(mini_orm.ForeignKeyViolation):
            await maybe_await(self.db.execute("UPDATE thing SET parent_id = 2"))
        [found] = self.rows(self.db.dialect.foreign_keys_sql, "thing")
        self.assertEqual(tuple(found[1:]), ("parent_id", "parent", "id", "CASCADE"))

    @needs("limits_added_columns")
    async def test_a_foreign_key_with_a_default(self) -> None:
        """S3: a conflict that says why, where there are rows."""
        self.run_outside(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
            "CREATE TABLE thing (id INTEGER PRIMARY KEY)",
            "INSERT INTO thing VALUES (1)",
        )
        error = await self.refused(thing(other_id=column(int, 1, fk="parent.id")))
        self.assertEqual([difference.name for difference in error.differences], ["other_id"])
        self.assertIn("foreign key", str(error))

    async def test_a_column_with_its_index(self) -> None:
        """S3: the column first, then the index over it; hostile names too."""
        name = 'it\'s "new" ?'
        self.run_outside(f"CREATE TABLE thing (id INTEGER PRIMARY KEY, a {self.backend.keyed_text})")
        self.run_outside("INSERT INTO thing VALUES (1, 'x')")
        model = thing(
            a=column(Optional[str]), b=column(int, 0, column=name), indexes=[IndexSpec(("b", "a"), unique=True)]
        )
        statements = await self.ensure(model)
        self.assertEqual([sql.split()[0] for sql in statements], ["ALTER", "CREATE"])
        await self.assert_done(model)
        self.assertEqual(await maybe_await(self.repo(model).list()), [model(id=1, a="x", b=0)])

    async def test_what_only_the_database_has(self) -> None:
        """S3: it is left alone where a row needs no value for it; else it is a conflict."""
        computed = "c INTEGER NOT NULL GENERATED ALWAYS AS (a + 1) STORED"
        self.run_outside(
            "CREATE TABLE other (id INTEGER PRIMARY KEY)",
            "CREATE TABLE thing (id INTEGER PRIMARY KEY, a INTEGER DEFAULT 1, b TEXT NOT NULL DEFAULT 'x', "
            f"{computed}, d INTEGER, FOREIGN KEY (d) REFERENCES other (id))",
        )
        before = self.schema()
        model = thing()
        with self.logged():
            await self.assert_done(model)
        self.assertEqual(self.schema(), before)
        await maybe_await(self.repo(model).insert(model()))
        self.run_outside("DROP TABLE thing")
        self.run_outside("CREATE TABLE thing (id INTEGER PRIMARY KEY, e TEXT NOT NULL)")
        self.assertEqual(await self.conflicts(thing()), [("column", "e")])

    @needs("takes_null_for_a_default")
    async def test_null_as_a_default(self) -> None:
        """S3: it is none, to a model that knows the column and to one that does not."""
        text = thing(a=column(str, ..., server_default="'x'"))
        for model in (text, thing()):
            self.run_outside("DROP TABLE IF EXISTS thing")
            self.run_outside("CREATE TABLE thing (id INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT NULL)")
            self.assertEqual(await self.conflicts(model), [("column", "a")])


class IndexContract(Live):
    """Indexes that are missing, changed, or nobody's."""

    async def test_changed_indexes_are_made_anew(self) -> None:
        """S3: other columns, another order, uniqueness, a direction."""
        await self.assert_others(
            'CREATE INDEX "it\'s" ON thing (a)',
            'CREATE INDEX "it\'s" ON thing (b, a)',
            'CREATE INDEX "it\'s" ON thing (a, b, id)',
            'CREATE INDEX "it\'s" ON thing (a, b DESC)',
            'CREATE UNIQUE INDEX "it\'s" ON thing (a, b)',
        )

    @needs("supports_expression_indexes")
    async def test_changed_indexes_of_expressions(self) -> None:
        """S3: a condition, an expression."""
        await self.assert_others(
            'CREATE INDEX "it\'s" ON thing (a, b) WHERE b > 0',
            'CREATE INDEX "it\'s" ON thing (lower(a), b)',
        )

    @needs("has_nocase")
    async def test_changed_indexes_of_text(self) -> None:
        """S3: a collation of the index's own, and a name in quotes that is a text."""
        await self.assert_others(
            'CREATE INDEX "it\'s" ON thing (a COLLATE NOCASE, b)',
            'CREATE INDEX "it\'s" ON thing ("A misspelt name", b)',
        )

    @needs("has_nocase")
    async def test_the_same_index_in_other_words(self) -> None:
        """S3: an index is compared by what it is, and a column's own collation is no change."""
        self.run_outside(
            "CREATE TABLE thing (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE NOT NULL, b INTEGER NOT NULL)",
            "create index IF NOT EXISTS idx_thing_a_b on thing(A ASC, [b])",
        )
        await self.assert_done(thing(a=column(str, ...), b=column(int, ...), indexes=[("a", "b")]))

    @needs("names_uniques_itself")
    async def test_a_unique_constraint(self) -> None:
        """S3: one does the work of a unique index over its columns, as no model can state its index's name."""
        self.run_outside("CREATE TABLE thing (id INTEGER PRIMARY KEY, a TEXT NOT NULL UNIQUE, b TEXT, UNIQUE (b, a))")
        a, b = column(str, ...), column(Optional[str])
        await self.assert_done(thing(a=column(str, ..., unique_index=True), b=b))
        await self.assert_done(thing(a=a, b=b, indexes=[IndexSpec(("b", "a"), unique=True)]))
        for index in (IndexSpec(("a", "b"), unique=True), IndexSpec("a")):
            self.assertEqual(len(await self.ensure(thing(a=a, b=b, indexes=[index]))), 1)

    async def test_indexes_that_only_the_database_has(self) -> None:
        """S3: a line in the log for each, and none for those that keys and UNIQUE brought along."""
        key, text = ("id", str, pk()), f"{self.backend.keyed_text} NOT NULL"
        self.run_outside(
            f"CREATE TABLE thing (id {text} PRIMARY KEY, a {text} UNIQUE)",
            "CREATE INDEX mine ON thing (a)",
        )
        before = self.schema()
        with self.logged((logging.INFO, "'mine'")):
            self.assertEqual(await self.ensure(thing(key=key, a=column(str, ..., **self.backend.keyed))), [])
        self.assertEqual(self.schema(), before)

    @needs("shares_names")
    async def test_a_name_that_another_table_has(self) -> None:
        """S3: a conflict that no new table would end."""
        self.run_outside("CREATE TABLE other (a INTEGER)", "CREATE INDEX idx_thing_a ON other (a)")
        model = thing(a=column(str, ..., index=True))
        for there in (False, True):
            with self.subTest(there=there):
                if there:
                    self.run_outside("CREATE TABLE thing (id INTEGER PRIMARY KEY, a TEXT NOT NULL)")
                for policy in ("raise", "recreate"):
                    error = await self.refused(model, schema_conflict=policy)
                    self.assertEqual([(d.what, d.name) for d in error.differences], [("index", "idx_thing_a")])
                    self.assertIn("'other'", str(error))
        self.run_outside("DROP TABLE thing", "CREATE TABLE thing (id INTEGER PRIMARY KEY, a INTEGER NOT NULL)")
        error = await self.refused(model, schema_conflict="recreate")
        self.assertEqual([d.name for d in error.differences], ["idx_thing_a", "a"])

    async def assert_taken(self, kind: str, name: str, sql: str) -> None:
        """What a statement makes, of this kind and name, keeps an index from having the name `other`."""
        model = thing(a=column(str, ..., index=True, index_name="other"))
        for table in ((), ("CREATE TABLE thing (id INTEGER PRIMARY KEY, a TEXT NOT NULL)",)):
            for policy in ("raise", "recreate"):
                with self.subTest(sql=sql, table=table, policy=policy):
                    self.run_outside("DROP TABLE IF EXISTS thing", sql, *table)
                    error = await self.refused([Folder, model], schema_conflict=policy)
                    self.assertEqual([(d.what, d.name) for d in error.differences], [("index", "other")])
                    self.assertIn(f"the index 'other' has the name of the {kind} {name!r}", str(error))
                    with self.assertRaisesRegex(mini_orm.SchemaError, f"'other' .* {kind} {name!r}"):
                        await self.create_tables(model, if_not_exists=True)
                    self.run_outside(f"DROP {kind} {name}")
        await self.ensure(model)
        await self.assert_done(model)

    @needs("shares_names")
    async def test_a_name_that_a_table_or_a_view_has(self) -> None:
        """S3: a conflict that names both and that no new table would end, whether the index's own table is there."""
        await self.assert_taken("table", "other", "CREATE TABLE other (a INTEGER)")
        self.run_outside("DROP TABLE thing")
        await self.assert_taken("view", "other", "CREATE VIEW other AS SELECT 1 AS a")

    @needs("has_virtual_tables")
    async def test_a_name_that_a_virtual_table_has(self) -> None:
        """S3: it is a table's, in whatever case of letters."""
        await self.assert_taken("table", "Other", "CREATE VIRTUAL TABLE Other USING rtree (id, a, b)")

    async def test_names_that_are_no_matter_to_an_index(self) -> None:
        """S3: those of triggers and of temporary tables, which are names of another kind, or elsewhere."""
        nothing = "DELETE FROM thing WHERE 1 = 0"
        self.run_outside(
            f"CREATE TABLE thing (id INTEGER PRIMARY KEY, a {self.backend.keyed_text} NOT NULL)",
            *self.backend.trigger("idx_thing_a", "AFTER INSERT", "thing", nothing),
        )
        await maybe_await(self.db.execute("CREATE TEMPORARY TABLE idx_thing_a (a INTEGER)"))
        model = thing(a=column(str, ..., index=True))
        self.assertEqual(await self.ensure(model), mini_orm.create_indexes_sql(model, self.db.dialect))
        await self.assert_done(model)

    async def test_the_name_of_a_table_of_the_same_call(self) -> None:
        """S2 S3: its own, or another model's, in whatever order: a SchemaError that names both, before any change."""
        own = thing(a=column(str, ..., index=True, index_name="THING"))
        another = thing(a=column(str, ..., index=True, index_name="folder"))
        for models in ([own], [another, Folder], [Folder, another]):
            table = "Thing" if models == [own] else "Folder"
            text = rf"^Thing: the index '\w+' has the name of the table of {table}; give it another$"
            for make in (self.ensure, lambda models: self.create_tables(*models)):
                with self.subTest(models=models, make=make), self.assertRaisesRegex(mini_orm.SchemaError, text):
                    await make(models)
        self.assertEqual(self.schema(), [])

    @needs("supports_transactional_ddl")
    async def test_a_unique_index_over_equal_rows(self) -> None:
        """S3: a conflict that comes from the database; nothing of the call is kept."""
        self.run_outside(
            f"CREATE TABLE thing (id INTEGER PRIMARY KEY, a {self.backend.keyed_text} NOT NULL)",
            "INSERT INTO thing (a) VALUES ('secret'), ('secret')",
        )
        model = thing(a=column(str, ..., unique_index=True), b=column(Optional[int]))
        error = await self.refused([Folder, model])
        self.assertIsInstance(error.__cause__, mini_orm.UniqueViolation)
        self.assertEqual([(d.what, d.name) for d in error.differences], [("index", "uidx_thing_a")])
        self.assertNotIn("secret", str(error))


class ConflictContract(Live):
    """What can't be changed without harm: types, nullability, keys, defaults."""

    async def with_column(self, declaration: str, model: Any) -> None:
        """Make the table `thing` anew with a column `a` so declared."""
        self.run_outside("DROP TABLE IF EXISTS thing", f"CREATE TABLE thing (id INTEGER PRIMARY KEY, a {declaration})")

    @needs("takes_any_type")
    async def test_types_that_are_the_same(self) -> None:
        """S4: other names of a type, in any case and with any blanks."""
        same: list[tuple[Any, dict[str, Any], list[str]]] = [
            (int, {}, ["INTEGER", "int", "BIGINT", "BigInt(20)", "INT8"]),
            (float, {}, ["REAL", "DOUBLE", "double  precision", "FLOAT", "FLOAT(53)"]),
            (bool, {}, ["BOOLEAN", "BOOL", "TINYINT(1)", "tinyint ( 1 )"]),
            (str, {}, ["TEXT", "CLOB", "VARCHAR"]),
            (str, {"max_length": 20}, ["VARCHAR(20)", "character varying ( 20 )"]),
            (Decimal, {"precision": 8, "scale": 2}, ["NUMERIC_TEXT(8,2)", "numeric_text( 8, 2 )"]),
            (Decimal, {"precision": 8}, ["NUMERIC_TEXT(8,0)"]),
            (Mood, {}, ["TEXT"]),
        ]
        for annotation, metadata, types in same:
            for type_ in types:
                with self.subTest(annotation=annotation, type=type_):
                    model = thing(a=column(annotation, ..., **metadata))
                    await self.with_column(f"{type_} NOT NULL", model)
                    with self.logged():
                        await self.assert_done(model)

    @needs("takes_any_type")
    async def test_types_that_will_do(self) -> None:
        """S3 S4: a narrower number, and text for JSON and UUID, are lived with, and logged."""
        will_do: list[tuple[Any, list[str]]] = [
            (int, ["SMALLINT", "TINYINT", "MEDIUMINT(8)", "INT4"]),
            (float, ["FLOAT4"]),
            (uuid.UUID, ["TEXT", "CHAR(36)", "VARCHAR(36)"]),
            (dict, ["TEXT", "CLOB"]),
        ]
        for annotation, types in will_do:
            for type_ in types:
                with self.subTest(annotation=annotation, type=type_):
                    model = thing(a=column(annotation, ...))
                    await self.with_column(f"{type_} NOT NULL", model)
                    with self.logged((logging.WARNING, "'a'")):
                        await self.assert_done(model)

    @needs("takes_any_type")
    async def test_types_that_differ(self) -> None:
        """S3 S4 T13: what the database can tell apart is a conflict: kinds that share their text, sizes, affinities."""
        others: list[tuple[Any, dict[str, Any], list[str]]] = [
            (int, {}, ["BOOLEAN", "REAL", "TEXT", "DURATION_INTEGER", "NUMERIC", ""]),
            (bool, {}, ["INTEGER", "TINYINT", "TEXT"]),
            (float, {}, ["INTEGER", "NUMERIC", "DECIMAL(8,2)"]),
            (Decimal, {}, ["NUMERIC", "NUMERIC_TEXT(8,2)", "TEXT", "REAL"]),
            (Decimal, {"precision": 8, "scale": 2}, ["NUMERIC_TEXT", "NUMERIC_TEXT(8,3)", "NUMERIC_TEXT(9,2)"]),
            (str, {}, ["VARCHAR(20)", "BLOB", "JSON_TEXT", "DATE_TEXT", "CHAR(20)"]),
            (str, {"max_length": 20}, ["VARCHAR(19)", "VARCHAR(21)", "TEXT", "CHAR(20)"]),
            (dt.datetime, {}, ["TIMESTAMPTZ_TEXT", "TIMESTAMP", "DATETIME", "DATE_TEXT", "TEXT"]),
            (dt.datetime, {"timezone": True}, ["TIMESTAMP_TEXT", "TIMESTAMPTZ"]),
            (dt.date, {}, ["TIMESTAMP_TEXT", "DATE", "TEXT"]),
            (dt.time, {}, ["TEXT", "TIME"]),
            (dt.timedelta, {}, ["INTEGER", "BIGINT"]),
            (uuid.UUID, {}, ["BLOB", "CHAR(32)", "VARCHAR(255)"]),
            (list, {}, ["JSON", "VARCHAR(36)", "BLOB"]),
            (bytes, {}, ["TEXT", "VARBINARY(8)"]),
        ]
        for annotation, metadata, types in others:
            for type_ in types:
                with self.subTest(annotation=annotation, type=type_):
                    model = thing(a=column(annotation, ..., **metadata))
                    await self.with_column(f"{type_} NOT NULL", model)
                    self.assertEqual(await self.conflicts(model), [("column", "a")])

    async def test_nullability(self) -> None:
        """S3: either way round it is a conflict, but for keys, which are never NULL."""
        model = thing(a=column(Optional[int]))
        await self.with_column("INTEGER NOT NULL", model)
        self.assertEqual(await self.conflicts(model), [("column", "a")])
        model = thing(a=column(int, ...))
        await self.with_column("INTEGER", model)
        self.assertEqual(await self.conflicts(model), [("column", "a")])
        self.run_outside("DROP TABLE thing", f"CREATE TABLE thing (id {self.backend.keyed_text} PRIMARY KEY)")
        await self.assert_done(thing(key=("id", str, pk())))

    async def test_primary_keys(self) -> None:
        """S3: other columns, another order, none at all; the same key however it is written is the same."""
        two = {"key": ("a", int, pk()), "b": column(str, ..., pk=True)}
        model = thing(**two)
        columns = f"CREATE TABLE thing (b {self.backend.keyed_text} NOT NULL, a INTEGER NOT NULL"
        self.run_outside(f"{columns}, CONSTRAINT mine PRIMARY KEY (a, b))")
        await self.assert_done(model)
        for key in (", PRIMARY KEY (b, a))", ", PRIMARY KEY (a))", ", UNIQUE (a, b))"):
            with self.subTest(key=key):
                self.run_outside("DROP TABLE thing", columns + key)
                self.assertEqual(await self.conflicts(model), [("primary key", "a, b")])
        self.run_outside("DROP TABLE thing", f"{columns}, id INTEGER PRIMARY KEY)")
        self.assertEqual(await self.conflicts(model), [("primary key", "a, b")])

    @needs("has_rowids")
    async def test_keys_of_tables_without_rowid(self) -> None:
        """S3: how a table keeps its rows is no matter to its key."""
        self.run_outside("CREATE TABLE thing (b TEXT NOT NULL, a INTEGER NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID")
        await self.assert_done(thing(key=("a", int, pk()), b=column(str, ..., pk=True)))
        self.run_outside("DROP TABLE thing", "CREATE TABLE thing (id INTEGER PRIMARY KEY AUTOINCREMENT)")
        await self.assert_done(thing())
        await self.assert_done(thing(key=("id", int, pk())))

    @needs("has_rowids")
    async def test_keys_that_the_database_does_not_hand_out(self) -> None:
        """S3 M8: only the rowid fills itself; `apply_schema` and hand-written tables are told apart."""
        for key in ("id BIGINT PRIMARY KEY)", "id INTEGER PRIMARY KEY) WITHOUT ROWID", "id INTEGER PRIMARY KEY DESC)"):
            with self.subTest(key=key):
                self.run_outside("DROP TABLE IF EXISTS thing", f"CREATE TABLE thing ({key}")
                await self.assert_done(thing(key=("id", int, pk())))
                self.assertEqual(await self.conflicts(thing()), [("primary key", "id")])

    @needs("has_nocase")
    async def test_texts_of_others(self) -> None:
        """S3 S4: a default in double quotes is a text; NVARCHAR is VARCHAR, and has its length."""
        model = thing(a=column(str, ..., max_length=9, server_default="'x'"))
        await self.with_column('NVARCHAR(9) NOT NULL DEFAULT "x"', model)
        await self.assert_done(model)
        for declaration in ('NVARCHAR(9) NOT NULL DEFAULT "y"', "NVARCHAR(8) NOT NULL DEFAULT 'x'"):
            await self.with_column(declaration, model)
            self.assertEqual(await self.conflicts(model), [("column", "a")])

    async def test_server_defaults(self) -> None:
        """S3 M9: none, or another, is a conflict; the same in other words is the same, and one more is no matter."""
        text = thing(a=column(str, ..., server_default="'It''s'"))
        number = thing(a=column(int, ..., server_default="0"))
        for model, declaration in (
            (text, "TEXT DEFAULT 'It''s' NOT NULL"),
            (text, "TEXT NOT NULL DEFAULT (( 'It''s' ))"),
            (number, "INTEGER NOT NULL DEFAULT 0"),
            (thing(a=column(str, ...)), "TEXT NOT NULL DEFAULT 'more'"),
            (thing(a=column(Optional[str], None, server_default="NULL")), "TEXT"),
            (thing(a=column(Optional[str])), "TEXT DEFAULT NULL"),
        ):
            with self.subTest(declaration=declaration):
                await self.with_column(declaration, model)
                await self.assert_done(model)
        for model, declaration in (
            (text, "TEXT NOT NULL"),
            (text, "TEXT NOT NULL DEFAULT 'it''s'"),
            (number, "INTEGER NOT NULL DEFAULT 1"),
        ):
            with self.subTest(declaration=declaration):
                await self.with_column(declaration, model)
                self.assertEqual(await self.conflicts(model), [("column", "a")])

    @needs("stores_text")
    async def test_the_clock_as_a_default(self) -> None:
        """S3 M9 T13: it is compared in the form that the column keeps, and not in the database's own."""
        clock = thing(a=column(dt.datetime, ..., server_default="CURRENT_TIMESTAMP"))
        await self.with_column("TIMESTAMP_TEXT NOT NULL DEFAULT (STRFTIME( '%Y-%m-%d %H:%M:%f000' , 'now'))", clock)
        await self.assert_done(clock)
        await self.with_column("TIMESTAMP_TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP", clock)
        self.assertEqual(await self.conflicts(clock), [("column", "a")])

    async def test_a_column_that_the_database_computes(self) -> None:
        """S3: nothing could be written to it."""
        model = thing(a=column(Optional[int]))
        await self.with_column("INTEGER GENERATED ALWAYS AS (b + 1) STORED, b INTEGER", model)
        self.assertEqual(await self.conflicts(model), [("column", "a")])

    async def test_types_of_the_models_own(self) -> None:
        """S3: a column with `db_type` is compared by nullability and key alone."""
        model = thing(a=column(str, ..., db_type="CHAR(7)", server_default="'x'"))
        for declaration in ("INTEGER NOT NULL", "REAL NOT NULL DEFAULT 2"):
            await self.with_column(declaration, model)
            with self.logged():
                await self.assert_done(model)
        await self.with_column("CHAR(7)", model)
        self.assertEqual(await self.conflicts(model), [("column", "a")])
        elsewhere = thing(a=column(str, ..., db_type={"elsewhere": "CHAR(7)"}))
        await self.with_column("INTEGER NOT NULL", elsewhere)
        self.assertEqual(await self.conflicts(elsewhere), [("column", "a")])

    @needs("has_virtual_tables")
    async def test_a_virtual_table_in_its_place(self) -> None:
        """S3: what it keeps, and how, is its module's."""
        await self.assert_in_its_place("virtual table", "CREATE VIRTUAL TABLE thing USING rtree (id, a, b)")

    async def test_something_else_in_its_place(self) -> None:
        """S3: a view, an index: no table of it can be made, and nothing is dropped."""
        await self.assert_in_its_place("view", "CREATE VIEW thing AS SELECT 1 AS id")
        if self.backend.shares_names:
            self.run_outside("DROP VIEW thing", "CREATE TABLE other (a INTEGER)")
            await self.assert_in_its_place("index", "CREATE INDEX thing ON other (a)")

    @needs("tells_temporary_tables")
    async def test_a_temporary_table_in_its_place(self) -> None:
        """S3: it hides the table of its name, and nothing is dropped."""
        await self.ensure(thing())
        await maybe_await(self.db.execute("CREATE TEMPORARY TABLE thing (id INTEGER PRIMARY KEY)"))
        self.assertIn("temporary table", str(await self.refused(thing(), schema_conflict="recreate")))

    async def test_all_conflicts_at_once(self) -> None:
        """S3 Errors: each is named, of all models, before any change; the error is a ValueError and can be pickled."""
        self.run_outside(
            "CREATE TABLE thing (id INTEGER PRIMARY KEY, a TEXT, b TEXT NOT NULL, x TEXT NOT NULL)",
            f"CREATE TABLE reading (device {self.backend.keyed_text} NOT NULL, at TEXT NOT NULL, value REAL, "
            "PRIMARY KEY (device))",
            "INSERT INTO thing VALUES (1, 'secret', 'secret', 'secret')",
        )
        model = thing(a=column(int, ...), b=column(Optional[str]), c=column(int, ...), d=column(int, 0), key=KEY)
        error = await self.refused([Customer, model, Reading])
        self.assertIsInstance(error, ValueError)
        self.assertEqual(error.model, "Thing")
        self.assertEqual([d.name for d in error.differences], ["a", "a", "b", "c", "x"])
        self.assertIn("recreate", str(error))
        [note] = error.__notes__
        for part in ("Reading", "'at'", "(device)", "(device, at)"):
            self.assertIn(part, note)
        self.assertNotIn("secret", f"{error}{note}")
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((str(again), again.model, again.differences), (str(error), error.model, error.differences))


class ForeignKeyContract(Live):
    """Foreign keys that are missing or others."""

    async def compared(self, references: str, **metadata: Any) -> Any:
        """Make `thing` with a column `a` that refers so, and a model of it."""
        self.run_outside(
            "DROP TABLE IF EXISTS thing",
            "CREATE TABLE IF NOT EXISTS parent (id INTEGER PRIMARY KEY, code INTEGER UNIQUE)",
            "CREATE TABLE IF NOT EXISTS other (id INTEGER PRIMARY KEY, p INTEGER, q INTEGER, UNIQUE (p, q))",
            f"CREATE TABLE thing (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER {references})",
        )
        return thing(a=column(Optional[int], None, **metadata), b=column(Optional[int]))

    async def test_the_same(self) -> None:
        """S3: written out, with a target left to the key, with the default action in words."""
        for references in (
            ", FOREIGN KEY (a) REFERENCES parent (id)",
            ", FOREIGN KEY (a) REFERENCES parent (ID) ON DELETE NO ACTION ON UPDATE CASCADE",
            *([", FOREIGN KEY (a) REFERENCES Parent"] if self.backend.shares_names else []),
        ):
            with self.subTest(references=references), self.logged():
                await self.assert_done(await self.compared(references, fk="parent.id"))

    @needs("supports_early_foreign_keys")
    async def test_a_target_that_is_not_there(self) -> None:
        """S3: the key of a table that is yet to be made can't be compared, and is no conflict."""
        self.run_outside("CREATE TABLE thing (id INTEGER PRIMARY KEY, a INTEGER REFERENCES parent)")
        parent = thing(table="parent")
        child = thing(a=column(Optional[int], None, fk=(parent, "id")))
        self.assertEqual(await self.ensure([child, parent]), mini_orm.create_schema_sql(parent, self.db.dialect))
        await self.assert_done(child, parent)

    async def test_lived_with(self) -> None:
        """S3: a missing one and another `on_delete` are logged, once a call."""
        model = await self.compared("", fk="parent.id")
        with self.logged((logging.WARNING, "'a'")):
            self.assertEqual(await self.ensure(model), [])
        model = await self.compared(
            ", FOREIGN KEY (a) REFERENCES parent (id) ON DELETE CASCADE", fk="parent.id", on_delete="restrict"
        )
        with self.logged((logging.WARNING, "RESTRICT")):
            self.assertEqual(await self.ensure(model), [])

    async def test_conflicts(self) -> None:
        """S3: another table or column, and a foreign key of the model's columns that the model does not know."""
        to_parent = ", FOREIGN KEY (a) REFERENCES parent (id)"
        cases: list[tuple[str, str, dict[str, Any]]] = [
            (", FOREIGN KEY (a) REFERENCES other (id)", "a", {"fk": "parent.id"}),
            (", FOREIGN KEY (a) REFERENCES parent (code)", "a", {"fk": "parent.id"}),
            (to_parent, "a", {"fk": "parent.code"}),
            (to_parent, "a", {}),
            (f"{to_parent}, FOREIGN KEY (b) REFERENCES parent (id)", "b", {"fk": "parent.id"}),
            (f"{to_parent}, FOREIGN KEY (a) REFERENCES other (id)", "a", {"fk": "parent.id"}),
            (", x INTEGER, FOREIGN KEY (x, b) REFERENCES other (p, q)", "x, b", {}),
        ]
        for references, name, metadata in cases:
            with self.subTest(references=references):
                model = await self.compared(references, **metadata)
                self.assertEqual(await self.conflicts(model), [("foreign key", name)])


class RecreateContract(Live):
    """`schema_conflict="recreate"`."""

    async def test_a_new_table(self) -> None:
        """S3: the table and its indexes are new and empty, with a warning; other tables keep all."""
        self.run_outside(
            "CREATE TABLE thing (id INTEGER PRIMARY KEY, a TEXT)",
            "CREATE INDEX idx_thing_a ON thing (a)",
            "INSERT INTO thing (a) VALUES ('x')",
        )
        await self.table(Reading, [Reading("d", 1)])
        model = thing(a=column(int, ..., index=True))
        with self.logged((logging.WARNING, "'thing'")):
            statements = await self.ensure([Reading, model], schema_conflict="recreate")
        self.assertEqual(
            statements,
            [f"DROP TABLE {self.db.dialect.quote('thing')}", *mini_orm.create_schema_sql(model, self.db.dialect)],
        )
        self.assertEqual(self.rows("SELECT count(*) FROM thing"), [(0,)])
        self.assertEqual(self.rows("SELECT count(*) FROM reading"), [(1,)])
        await self.assert_done(Reading, model)

    async def test_not_without_need(self) -> None:
        """S3: what can be mended keeps its rows, and nothing is warned of."""
        self.run_outside("CREATE TABLE thing (id INTEGER PRIMARY KEY)", "INSERT INTO thing VALUES (1)")
        with self.logged():
            statements = await self.ensure(thing(a=column(int, 5)), schema_conflict="recreate")
        self.assertEqual(len(statements), 1)
        self.assertEqual(self.rows("SELECT * FROM thing"), [(1, 5)])

    async def test_refused_while_rows_refer_to_it(self) -> None:
        """S3: no row of another table is touched, whatever its ON DELETE says; a table that nobody names too."""
        changed = thing(a=column(int, ...))
        target = "THING" if self.backend.shares_names else "thing"
        for action in ("CASCADE", "SET NULL", "NO ACTION"):
            refers = f'"the thing" INTEGER, FOREIGN KEY ("the thing") REFERENCES {target} (id) ON DELETE {action}'
            with self.subTest(action=action):
                self.run_outside(
                    "DROP TABLE IF EXISTS child",
                    "DROP TABLE IF EXISTS thing",
                    "CREATE TABLE thing (id INTEGER PRIMARY KEY, a TEXT)",
                    f"CREATE TABLE child (id INTEGER PRIMARY KEY, {refers})",
                    "INSERT INTO thing VALUES (1, 'x')",
                    "INSERT INTO child VALUES (1, 1), (2, NULL)",
                )
                error = await self.refused([Folder, changed], schema_conflict="recreate")
                self.assertEqual(
                    [(d.what, d.name) for d in error.differences], [("column", "a")] * 2 + [("table", "thing")]
                )
                self.assertIn("'child'", str(error))
                self.run_outside("DELETE FROM child WHERE id = 1")
                with self.assertLogs("mini_orm", "WARNING"):
                    await self.ensure(changed, schema_conflict="recreate")
                self.assertEqual(self.rows("SELECT * FROM child"), [(2, None)])

    async def test_a_composite_foreign_key(self) -> None:
        """S3: a row with a NULL in it refers to nothing."""
        self.run_outside(
            "CREATE TABLE thing (a INTEGER, b INTEGER, c TEXT, PRIMARY KEY (a, b))",
            "CREATE TABLE child (x INTEGER, y INTEGER, FOREIGN KEY (x, y) REFERENCES thing (a, b) ON DELETE CASCADE)",
            "INSERT INTO thing VALUES (1, 1, 'x')",
            "INSERT INTO child VALUES (1, NULL), (NULL, 1)",
        )
        self.run_outside("INSERT INTO child VALUES (1, 1)")
        changed = thing(key=("a", int, pk()))
        await self.refused(changed, schema_conflict="recreate")
        self.run_outside("DELETE FROM child WHERE x = y")
        with self.assertLogs("mini_orm", "WARNING"):
            await self.ensure(changed, schema_conflict="recreate")
        self.assertEqual(self.rows("SELECT count(*) FROM child"), [(2,)])

    async def test_rows_that_refer_to_their_own_table(self) -> None:
        """S3: they go with it."""
        self.run_outside(
            "CREATE TABLE folder (id INTEGER PRIMARY KEY, parent_id INTEGER, x TEXT NOT NULL, "
            "FOREIGN KEY (parent_id) REFERENCES folder (id))",
            "INSERT INTO folder VALUES (1, 1, 'x'), (2, 1, 'x')",
        )
        with self.assertLogs("mini_orm", "WARNING"):
            await self.ensure(Folder, schema_conflict="recreate")
        self.assertEqual(self.rows("SELECT count(*) FROM folder"), [(0,)])

    async def test_tables_that_refer_to_each_other(self) -> None:
        """S3: a table that goes too, and before, does not stand in the way."""
        self.run_outside(
            "CREATE TABLE customer (id INTEGER PRIMARY KEY, name INTEGER NOT NULL)",
            "CREATE TABLE purchase (id INTEGER PRIMARY KEY, customer_id INTEGER, "
            "FOREIGN KEY (customer_id) REFERENCES customer (id))",
            "INSERT INTO customer VALUES (1, 1)",
            "INSERT INTO purchase VALUES (1, 1)",
        )
        await self.refused(Customer, schema_conflict="recreate")
        with self.assertLogs("mini_orm", "WARNING"):
            statements = await self.ensure([Purchase, Customer], schema_conflict="recreate")
        dropped = [f"DROP TABLE {self.db.dialect.quote(name)}" for name in ("purchase", "customer")]
        self.assertEqual([sql for sql in statements if "DROP" in sql], dropped)
        await self.assert_done(Purchase, Customer)

    async def test_tables_of_a_circle(self) -> None:
        """S3: one always refers to a table that would go before it."""
        await self.create_tables(
            *(
                thing(table=name, a=column(Optional[int], None, fk=f"{other}.id"))
                for name, other in (("one", "two"), ("two", "one"))
            )
        )
        self.run_outside("INSERT INTO one VALUES (1, NULL)", "INSERT INTO two VALUES (1, 1)", "UPDATE one SET a = 1")
        circle = [thing(table=name, a=column(int, ...)) for name in ("one", "two")]
        await self.refused(circle, schema_conflict="recreate")

    @needs("supports_transactional_ddl")
    async def test_inside_a_transaction(self) -> None:
        """S3 X1: the old table comes back with the rollback, rows and all."""
        self.run_outside("CREATE TABLE thing (id INTEGER PRIMARY KEY, a TEXT)", "INSERT INTO thing VALUES (1, 'x')")
        before = self.everything()
        with self.assertRaises(ZeroDivisionError), self.assertLogs("mini_orm", "WARNING"):
            async with self.transaction() as tx:
                await self.ensure(thing(), tx)
                await self.ensure(thing(a=column(int, ...)), tx, schema_conflict="recreate")
                raise ZeroDivisionError
        self.assertEqual(self.everything(), before)


@dataclass
class Version1:
    """The first version that processes of their own bring a database to."""

    __table__ = "version"
    name: str
    id: int | None = auto_key()


@dataclass
class Version2:
    """The second one."""

    __table__ = "version"
    name: str = field(metadata={"index": True})
    size: int = 7
    note: str | None = None
    id: int | None = auto_key()
