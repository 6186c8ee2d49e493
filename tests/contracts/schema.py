"""Schema (S1 and S2), as far as a database can tell: what `apply_schema` makes, refuses and repeats."""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import mini_orm
from mini_orm import IndexSpec
from tests.backends import maybe_await, needs
from tests.contracts.crud import Outside, auto_key, pk


@dataclass
class Customer:
    name: str
    email: str = field(metadata={"unique_index": True})
    city: str | None = field(default=None, metadata={"index": True})
    id: int | None = auto_key()


@dataclass
class Purchase:
    __indexes__ = [("customer_id", "placed"), IndexSpec(("number",), unique=True, name="the number")]
    number: str
    placed: str
    customer_id: int = field(default=0, metadata={"fk": (Customer, "id"), "on_delete": "cascade"})
    id: int | None = auto_key()


@dataclass
class Line:
    purchase_id: int = pk(fk={"model": Purchase, "column": "id"}, on_delete="CASCADE")
    position: int = pk()
    text: str = ""
    replaces_id: int | None = field(default=None, metadata={"fk": "customer.id", "on_delete": "set null"})


@dataclass
class Folder:
    parent_id: int | None = field(default=None, metadata={"fk": "folder.id"})
    id: int | None = auto_key()


@dataclass
class Reading:
    device: str = pk()
    at: int = pk()
    value: float | None = None


@dataclass
class FirstClash:
    a: int = field(metadata={"index": True, "index_name": "idx_clash"})
    id: int | None = auto_key()


@dataclass
class SecondClash:
    b: int = field(metadata={"index": True, "index_name": "idx_clash"})
    id: int | None = auto_key()


@dataclass
class Hostile:
    __table__ = 'ta"ble; DROP TABLE x --'
    __indexes__ = [IndexSpec(("order", "say"), name='in"dex; %s')]
    order: int = field(metadata={"column": "order"})
    say: str = field(metadata={"column": 'it\'s "said" %(x)s ?', "unique_index": True})
    group: str = field(default="", metadata={"column": "ünï 列 \u202e", "index": True})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True, "column": "se lect"})


@dataclass
class HostileChild:
    __table__ = "x'; --"
    parent: int = field(metadata={"fk": (Hostile, "id"), "column": "ref`erence"})
    id: int | None = auto_key()


class SchemaContract(Outside):
    """S1 and S2 on every backend."""

    async def apply(self, models: Any, db: Any = None, **options: Any) -> list[str]:
        """Call `apply_schema` of this face with `models` as they are."""
        function = mini_orm.apply_schema_async if self.is_async else mini_orm.apply_schema
        return await maybe_await(function(db or self.db, models, **options))

    def names(self, kind: str = "table") -> list[str]:
        """Return the tables or indexes that another connection sees, without SQLite's own."""
        return self.backend.tables() if kind == "table" else self.backend.indexes()

    async def test_returns_the_statements_run(self) -> None:
        """S1: the table first, then its indexes; the same texts as `create_schema_sql` gives."""
        await self.apply(Customer)
        seen = await self.trace()
        statements = await self.apply(Purchase, if_not_exists=False)
        self.assertEqual(statements, mini_orm.create_schema_sql(Purchase, self.db.dialect))
        self.assertTrue(statements[0].startswith("CREATE TABLE "), statements)
        self.assertTrue(all("INDEX" in sql for sql in statements[1:]), statements)
        self.assertEqual([sql for sql in seen if sql.startswith("CREATE")], statements)
        self.assertEqual(self.names(), ["customer", "purchase"])
        self.assertLessEqual({"idx_purchase_customer_id_placed", "the number"}, set(self.names("index")))

    async def test_one_model_or_a_sequence(self) -> None:
        """S1: a class alone, a list, a tuple and a generator; nothing to do is `[]`."""
        self.assertEqual(await self.apply([]), [])
        await self.apply(Customer)
        await self.apply((Purchase,))
        await self.apply(model for model in (Line, Folder))
        self.assertEqual(self.names(), ["customer", "folder", "line", "purchase"])

    async def test_if_not_exists_can_be_repeated(self) -> None:
        """S1: the same statements again, and nothing changes; without it the second time is an error."""
        models = [Customer, Purchase, Line, Folder, Reading]
        first = await self.apply(models, if_not_exists=True)
        tables, indexes = self.names(), self.names("index")
        await maybe_await(self.repo(Customer).insert(Customer("Ann", "ann@x")))
        self.assertEqual(await self.apply(models, if_not_exists=True), first)
        self.assertEqual((self.names(), self.names("index")), (tables, indexes))
        self.assertEqual(await maybe_await(self.repo(Customer).count()), 1)
        with self.assertRaises(mini_orm.DatabaseError):
            await self.apply(Customer)
        self.assert_clean()

    async def test_if_not_exists_adds_what_is_missing(self) -> None:
        """S1: indexes too: one that was dropped comes back."""
        await self.apply(Customer)
        before = self.names("index")
        await maybe_await(self.db.execute(self.backend.drop_index(before[0], "customer")))
        await self.apply([Customer, Folder], if_not_exists=True)
        self.assertEqual(self.names("index"), before)
        self.assertEqual(self.names(), ["customer", "folder"])

    async def test_a_sequence_is_applied_in_the_order_of_its_foreign_keys(self) -> None:
        """S1: targets before those that refer to them, for every order of the input, and always the same."""
        expected: set[tuple[str, ...]] = set()
        for models in itertools.permutations([Customer, Purchase, Line]):
            statements = await self.apply(list(models))
            tables = [re.split('["`]', sql)[1] for sql in statements if sql.startswith("CREATE TABLE")]
            self.assertEqual(tables, ["customer", "purchase", "line"])
            expected.add(tuple(statements))
            for table in reversed(tables):
                await maybe_await(self.db.execute(f"DROP TABLE {table}"))
        self.assertEqual(len(expected), 1)

    @needs("supports_transactional_ddl")
    async def test_all_in_one_transaction(self) -> None:
        """S1 R6: where one statement fails, nothing of the call stays, and the connection is clean."""
        await maybe_await(self.db.execute("CREATE TABLE secondclash (x TEXT)"))
        with self.assertRaises(mini_orm.DatabaseError):
            await self.apply([Customer, SecondClash])
        self.assertEqual((self.names(), self.names("index")), (["secondclash"], []))
        self.assert_clean()
        await maybe_await(self.db.execute("DROP TABLE secondclash"))

    @needs("shares_names")
    async def test_names_that_clash(self) -> None:
        """S1 S2: two tables or indexes of one name are refused before any SQL, and an index that another table has."""

        @dataclass
        class Twin:
            __table__ = "CUSTOMER"
            id: int | None = auto_key()

        for models in ([Customer, FirstClash, SecondClash], [Customer, Twin]):
            with self.assertRaises(mini_orm.SchemaError):
                await self.apply(models, if_not_exists=True)
            self.assertEqual(self.names(), [])
        await self.apply(FirstClash)
        with self.assertRaises(mini_orm.SchemaError):
            await self.apply(SecondClash, if_not_exists=True)
        self.assertEqual(self.names(), ["firstclash"])
        await maybe_await(self.db.execute("DROP TABLE firstclash"))
        self.assert_clean()
        await self.apply([Customer, FirstClash])
        self.assertEqual(self.names("index"), ["idx_clash", "idx_customer_city", "uidx_customer_email"])

    @needs("supports_transactional_ddl")
    async def test_inside_a_transaction_it_belongs_to_it(self) -> None:
        """S1 X1: tables made through `tx` go with its rollback and stay with its commit."""
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                await self.apply([Customer, Purchase], tx)
                await maybe_await(self.repo(Customer, tx).insert(Customer("Ann", "ann@x")))
                raise ZeroDivisionError
        self.assertEqual(self.names(), [])
        async with self.transaction() as tx:
            await self.apply([Customer], tx)
            with self.assertRaises(mini_orm.DatabaseError):
                await self.apply([Folder, Customer], tx)
        self.assertEqual(self.names(), ["customer"])

    async def test_callers_at_once_do_not_collide(self) -> None:
        """S1: eight connections that all make the same schema all succeed, and it is there once."""
        models = [Line, Purchase, Customer, Folder, Reading]
        databases = [await self.open() for _ in range(8)]
        start = self._starting_line(len(databases))

        async def work(db: Any) -> list[str]:
            await start()
            return await self.apply(models, db, if_not_exists=True)

        results = await self.together([lambda db=db: work(db) for db in databases])
        self.assertEqual([result for result in results if isinstance(result, BaseException)], [])
        self.assertEqual({tuple(result) for result in results}, {tuple(results[0])})
        self.assertEqual(self.names(), ["customer", "folder", "line", "purchase", "reading"])

    def _starting_line(self, parties: int) -> Callable[[], Awaitable[None]]:
        if self.is_async:
            line = asyncio.Barrier(parties)

            async def meet() -> None:
                await line.wait()
        else:
            threads = threading.Barrier(parties, timeout=30)

            async def meet() -> None:
                threads.wait()

        return meet

    async def test_keys_and_uniqueness_are_the_databases(self) -> None:
        """S1 S2 M7: single and composite keys, unique fields and unique specs are enforced."""
        await self.apply([Customer, Purchase, Line, Reading])
        customers, readings = self.repo(Customer), self.repo(Reading)
        await maybe_await(customers.insert(Customer("Ann", "ann@x", "Delft")))
        await maybe_await(customers.insert(Customer("Bob", "bob@x", "Delft")))
        with self.assertRaises(mini_orm.UniqueViolation):
            await maybe_await(customers.insert(Customer("Eve", "ann@x")))
        await maybe_await(readings.insert_many([Reading("a", 1), Reading("a", 2), Reading("b", 1)]))
        with self.assertRaises(mini_orm.UniqueViolation):
            await maybe_await(readings.insert(Reading("a", 2)))
        purchases = self.repo(Purchase)
        await maybe_await(purchases.insert(Purchase("n1", "today", 1)))
        await maybe_await(purchases.insert(Purchase("n2", "today", 1)))
        with self.assertRaises(mini_orm.UniqueViolation):
            await maybe_await(purchases.insert(Purchase("n1", "later", 2)))
        for table in ("customer", "reading"):
            with self.assertRaises(mini_orm.NotNullViolation):
                column = {"customer": "name", "reading": "device"}[table]
                await maybe_await(self.db.execute(f"INSERT INTO {table} ({column}) VALUES (NULL)"))

    @needs("locks_file")
    async def test_a_new_table_while_the_file_is_locked(self) -> None:
        """S1 X3: a connection that can't read the new schema says that it is locked, and not that there is no table."""
        await self.apply(Customer)
        other = await self.open(timeout=0)
        await maybe_await(self.repo(Customer, other).count())  # knows the schema as it is now
        await self.apply(Purchase)
        look = self.backend.raw()
        self.addCleanup(look.close)
        look.execute("BEGIN EXCLUSIVE")
        for use in (self.repo(Purchase, other).count, lambda: other.fetchall("SELECT * FROM purchase")):
            with self.assertRaises(mini_orm.LockTimeout):
                await maybe_await(use())
        look.execute("ROLLBACK")
        self.assertEqual(await maybe_await(self.repo(Purchase, other).count()), 0)
        with self.assertRaises(mini_orm.ProgrammingError):
            await maybe_await(other.execute("SELECT * FROM nothing"))

    async def test_what_is_no_database_of_this_face(self) -> None:
        """S1 S3: a bare connection, and a database of the other face, are refused with what to use instead."""
        other = mini_orm.Database if self.is_async else mini_orm.AsyncDatabase
        conn = self.backend.raw()
        self.addCleanup(conn.close)
        ending = "_async" if self.is_async else ""
        for name in ("apply_schema", "ensure_schema"):
            for db in (conn, other(conn), None):
                with self.subTest(name=name, db=type(db)), self.assertRaises(mini_orm.ConfigurationError) as caught:
                    await maybe_await(getattr(mini_orm, name + ending)(db, Customer))
                self.assertIn(name, str(caught.exception))

    async def test_models_that_point_at_each_other(self) -> None:
        """S1 L6: two models that refer to each other, and one to itself."""

        @dataclass
        class Team:
            captain_id: int | None = field(default=None, metadata={"fk": "player.id", "on_delete": "set null"})
            parent_id: int | None = field(default=None, metadata={"fk": "team.id", "on_delete": "cascade"})
            id: int | None = auto_key()

        @dataclass
        class Player:
            team_id: int | None = field(default=None, metadata={"fk": (Team, "id"), "on_delete": "cascade"})
            id: int | None = auto_key()

        await self.apply([Team, Player])
        await self.apply([Player, Team], if_not_exists=True)
        teams, players = self.repo(Team), self.repo(Player)
        team = await maybe_await(teams.insert(Team()))
        part = await maybe_await(teams.insert(Team(parent_id=team.id)))
        player = await maybe_await(players.insert(Player(team_id=team.id)))
        await maybe_await(teams.update(Team(captain_id=player.id, id=team.id)))
        with self.assertRaises(mini_orm.ForeignKeyViolation):
            await maybe_await(teams.insert(Team(captain_id=9999)))
        self.assertEqual(await maybe_await(players.delete(player)), 1)
        self.assertIsNone((await maybe_await(teams.get(team.id))).captain_id)
        await maybe_await(players.insert(Player(team_id=part.id)))
        self.assertEqual(await maybe_await(teams.delete(team)), 1)
        self.assertEqual(await maybe_await(players.count()), 0)

    async def test_foreign_keys_in_every_spelling_are_enforced(self) -> None:
        """S1 L6: `"table.column"`, a pair, and both mappings refer to the same column, and the database minds it."""
        await self.apply(Customer)
        await maybe_await(self.repo(Customer).insert(Customer("Ann", "ann@x", id=1)))
        spellings = [
            "customer.id",
            (Customer, "id"),
            ("customer", "id"),
            {"model": Customer, "column": "id"},
            {"table": "customer", "column": "id"},
        ]
        for index, fk in enumerate(spellings):
            with self.subTest(fk=fk):
                model = self._referring(f"refer{index}", fk)
                await self.apply(model)
                [found] = self.rows(self.db.dialect.foreign_keys_sql, f"refer{index}")
                self.assertEqual(found[1:4], ("customer_id", "customer", "id"))
                repo = self.repo(model)
                await maybe_await(repo.insert(model(1)))
                await maybe_await(repo.insert(model(None)))
                with self.assertRaises(mini_orm.ForeignKeyViolation):
                    await maybe_await(repo.insert(model(2)))

    @staticmethod
    def _referring(table: str, fk: Any) -> Any:
        @dataclass
        class Referring:
            __table__ = table
            customer_id: int | None = field(metadata={"fk": fk})
            id: int | None = field(default=None, metadata={"pk": True, "auto": True})

        return Referring

    async def test_on_delete_is_the_databases(self) -> None:
        """S1 L6: cascade and set null, in either case of letters; without it the delete is refused."""
        await self.apply([Customer, Purchase, Line])
        await maybe_await(
            self.repo(Customer).insert_many([Customer(n, f"{n}@x", id=i) for i, n in enumerate("abc", 1)])
        )
        await maybe_await(self.repo(Purchase).insert(Purchase("n1", "today", 1, id=5)))
        await maybe_await(self.repo(Line).insert_many([Line(5, 1), Line(5, 2, replaces_id=2)]))
        await maybe_await(self.repo(Customer).delete(Customer("", "", id=2)))
        self.assertEqual(self.rows("SELECT position, replaces_id FROM line ORDER BY 1"), [(1, None), (2, None)])
        await maybe_await(self.repo(Customer).delete(Customer("", "", id=1)))
        self.assertEqual(self.rows("SELECT (SELECT count(*) FROM purchase), (SELECT count(*) FROM line)"), [(0, 0)])

    async def test_a_table_that_refers_to_itself(self) -> None:
        """S1: a self-reference has no order to find; rows can be nested."""
        await self.apply([Folder])
        repo = self.repo(Folder)
        root = await maybe_await(repo.insert(Folder()))
        await maybe_await(repo.insert(Folder(root.id)))
        with self.assertRaises(mini_orm.ForeignKeyViolation):
            await maybe_await(repo.insert(Folder(99)))

    async def test_hostile_names_are_names(self) -> None:
        """S1 M10: quotes, semicolons, comments, percent signs and right-to-left text in every place of a schema."""
        await self.apply([HostileChild, Hostile])
        self.assertEqual(self.names(), sorted([Hostile.__table__, HostileChild.__table__]))
        self.assertIn('in"dex; %s', self.names("index"))
        await self.apply([HostileChild, Hostile], if_not_exists=True)
        parent = await maybe_await(self.repo(Hostile).insert(Hostile(1, "x", "y")))
        child = await maybe_await(self.repo(HostileChild).insert(HostileChild(parent.id)))
        self.assertEqual(await maybe_await(self.repo(Hostile).list()), [parent])
        self.assertEqual(await maybe_await(self.repo(HostileChild).get(child.id)), child)
        with self.assertRaises(mini_orm.UniqueViolation):
            await maybe_await(self.repo(Hostile).insert(Hostile(2, "x", "z")))
        with self.assertRaises(mini_orm.ForeignKeyViolation):
            await maybe_await(self.repo(HostileChild).insert(HostileChild(404)))

    async def test_nothing_is_run_for_a_model_with_a_mistake(self) -> None:
        """S2 M12: a bad spec anywhere in the sequence is found before the first statement."""

        @dataclass
        class Broken:
            __indexes__ = ["nmae"]
            name: str
            id: int | None = field(default=None, metadata={"pk": True, "auto": True})

        seen = await self.trace()
        for models, error in (([Customer, Broken], ValueError), ([Customer, dict], mini_orm.ModelError)):
            with self.subTest(models=models), self.assertRaises(error):
                await self.apply(models)
        for wrong in (None, 3, "customer", Customer("a", "b")):
            with self.subTest(wrong=wrong), self.assertRaises(TypeError):
                await self.apply(wrong)
        self.assertEqual([sql for sql in seen if "CREATE" in sql], [])
        self.assertEqual(self.names(), [])
