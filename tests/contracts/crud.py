"""Results of CRUD (R1 to R6): what each verb returns, and what is in the table afterwards."""

from __future__ import annotations

import copy
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import mini_orm
from mini_orm import C, F
from tests.backends import maybe_await, needs

if TYPE_CHECKING:
    from tests.backends import ContractCase as Case
else:
    Case = object


def auto_key() -> Any:
    """A generated integer key."""
    return field(default=None, metadata={"pk": True, "auto": True})


def pk(**metadata: Any) -> Any:
    """A key that the caller gives."""
    return field(metadata={"pk": True, **metadata})


@dataclass
class Person:
    name: str
    email: str = field(metadata={"unique_index": True})
    age: int | None = None
    tags: dict[str, Any] | None = None
    id: int | None = auto_key()


@dataclass
class Employee(Person):
    """A subclass is its own table, so its objects are no `Person` for a repository."""


@dataclass(frozen=True)
class Coin:
    face: str
    id: int | None = auto_key()


@dataclass
class Ticket:
    id: int | None = auto_key()


@dataclass
class Counter:
    id: int | None = auto_key()
    hits: int | None = field(default=None, metadata={"server_default": "7"})
    note: str | None = None


@dataclass
class Place:
    floor: int = pk()
    room: str = pk()
    label: str = ""


@dataclass
class Link:
    left: int = pk()
    right: int = pk()


@dataclass
class Token:
    id: uuid.UUID = field(metadata={"pk": True})
    label: str = ""


@dataclass
class Country:
    code: str = pk()
    label: str = ""


@dataclass
class Passport:
    country: str = field(metadata={"fk": "country.code"})
    id: int | None = auto_key()


class Outside(Case):
    """Ways to look at the database past mini_orm; a part of the contracts."""

    def rows(self, sql: str, *params: Any) -> list[Any]:
        """Run `sql` on a connection of its own: it sees only what is committed."""
        with self.backend.look() as conn:
            found = conn.execute(self.backend.sql(sql), params) if params else conn.execute(sql)
            return found.fetchall()

    async def trace(self, db: Any = None) -> list[str]:
        """Return a list that grows with every statement that the connection of `db` runs from now on."""
        seen: list[str] = []
        await self.backend.trace((db or self.db).conn, seen.append)
        return seen

    def assert_clean(self) -> None:
        """The connection is in no transaction and holds no lock: somebody else can write at once."""
        self.assertFalse(self.backend.in_transaction(self.db.conn))
        self.assertTrue(self.backend.is_free())


class InsertContract(Outside):
    """R1: what `insert` hands back."""

    async def test_insert_sets_the_generated_key_on_the_object(self) -> None:
        """R1 M5 M8: the argument itself comes back, with the key that its row has."""
        repo = await self.table(Person)
        ann, bob = Person("Ann", "ann@x"), Person("Bob", "bob@x", 40)
        self.assertIs(await maybe_await(repo.insert(ann)), ann)
        self.assertIs(await maybe_await(repo.insert(bob)), bob)
        self.assertEqual(self.rows("SELECT id, name FROM person ORDER BY name"), [(ann.id, "Ann"), (bob.id, "Bob")])
        self.assertNotEqual(ann.id, bob.id)
        self.assertEqual(await maybe_await(repo.get(bob.id)), bob)

    async def test_insert_of_a_frozen_object_returns_a_new_one(self) -> None:
        """R1 M5: the argument of a frozen class is untouched, the returned object has the key."""
        repo = await self.table(Coin)
        coin = Coin("heads")
        stored = await maybe_await(repo.insert(coin))
        self.assertIsNone(coin.id)
        self.assertEqual(self.rows("SELECT id, face FROM coin"), [(stored.id, "heads")])
        self.assertEqual(await maybe_await(repo.get(stored.id)), stored)

    async def test_an_explicit_auto_key_is_kept(self) -> None:
        """R1 M8: a key that the object has is used as given, and later keys stay clear of it."""
        repo = await self.table(Person)
        given = await maybe_await(repo.insert(Person("Ann", "ann@x", id=40)))
        after = await maybe_await(repo.insert(Person("Bob", "bob@x")))
        self.assertEqual(given.id, 40)
        self.assertEqual(dict(self.rows("SELECT name, id FROM person")), {"Ann": 40, "Bob": after.id})
        self.assertNotEqual(after.id, 40)

    async def test_insert_reads_server_defaults_back(self) -> None:
        """R1 M9: a server default is on the returned object; a value that was given wins over it."""
        repo = await self.table(Counter)
        self.assertEqual((await maybe_await(repo.insert(Counter()))).hits, 7)
        self.assertEqual((await maybe_await(repo.insert(Counter(hits=0)))).hits, 0)
        self.assertEqual((await maybe_await(repo.insert(Counter(note="x")))).hits, 7)
        self.assertEqual(self.rows("SELECT hits, note FROM counter ORDER BY id"), [(7, None), (0, None), (7, "x")])

    async def test_a_row_of_defaults_only(self) -> None:
        """R1: a model of nothing but an auto key can be inserted, again and again."""
        repo = await self.table(Ticket)
        keys = [(await maybe_await(repo.insert(Ticket()))).id for _ in range(3)]
        self.assertEqual(len(set(keys)), 3)
        self.assertEqual([row[0] for row in self.rows("SELECT id FROM ticket ORDER BY id")], sorted(keys))

    async def test_keys_of_every_kind(self) -> None:
        """R1 R2 M7: composite, UUID and str keys are stored as given and found again."""
        token = Token(uuid.UUID(int=7), "seven")
        cases = [(Token, token, token.id), (Country, Country("nl", "Nederland"), "nl")]
        cases += [(Country, Country("", "nowhere"), ""), (Place, Place(0, "a", "attic"), (0, "a"))]
        await self.create_tables(Token, Country, Place)
        for model, obj, key in cases:
            with self.subTest(model=model.__name__, key=key):
                repo = self.repo(model)
                self.assertIs(await maybe_await(repo.insert(obj)), obj)
                self.assertEqual(await maybe_await(repo.get(key)), obj)
        self.assertEqual(await maybe_await(self.repo(Place).get({"room": "a", "floor": 0})), Place(0, "a", "attic"))

    async def test_none_in_a_given_key_is_refused(self) -> None:
        """R1 R6: a key that is not generated must be there, in every part, before any SQL."""
        await self.create_tables(Country, Place, Token)
        seen = await self.trace()
        for model, obj in (
            (Country, Country(None)),  # type: ignore[arg-type]  # the mistake under test
            (Token, Token(None)),  # type: ignore[arg-type]
            (Place, Place(1, None)),  # type: ignore[arg-type]
            (Place, Place(None, "a")),  # type: ignore[arg-type]
        ):
            with self.subTest(obj=obj), self.assertRaises(mini_orm.QueryError):
                await maybe_await(self.repo(model).insert(obj))
        self.assertEqual([sql for sql in seen if "INSERT" in sql.upper()], [])

    async def test_an_object_of_another_class_is_refused(self) -> None:
        """R1: insert, update and delete take objects of exactly the model; the error names both classes."""
        repo = await self.table(Person)
        await self.create_tables(Employee, Coin)
        for wrong in (Employee("Eve", "eve@x", id=1), Coin("heads", 1)):
            for verb in (repo.insert, repo.update, repo.delete, lambda obj: repo.insert_many([obj])):
                with self.assertRaises(TypeError) as caught:
                    await maybe_await(verb(wrong))
                self.assertIn("Person", str(caught.exception))
                self.assertIn(type(wrong).__name__, str(caught.exception))
        for nothing in ({"name": "Ann"}, None, Person):
            with self.subTest(nothing=nothing), self.assertRaises(TypeError):
                await maybe_await(repo.insert(nothing))
        self.assertEqual(await maybe_await(repo.count()), 0)

    async def test_a_failed_insert_sets_no_key(self) -> None:
        """R1 R6: an object whose row the database refused keeps its `None`."""
        repo = await self.table(Person, [Person("Ann", "ann@x")])
        again = Person("Other", "ann@x")
        with self.assertRaises(mini_orm.UniqueViolation):
            await maybe_await(repo.insert(again))
        self.assertIsNone(again.id)
        self.assertEqual(self.rows("SELECT name FROM person"), [("Ann",)])

    async def test_a_trigger_does_not_change_the_key(self) -> None:
        """R1 B2: rows that a trigger writes elsewhere are not mistaken for the inserted one."""
        repo = await self.table(Person)
        await maybe_await(self.db.execute(f"CREATE TABLE audit (id {self.backend.auto_key}, what TEXT)"))
        await maybe_await(self.db.execute("INSERT INTO audit VALUES (1000, 'start')"))
        body = "INSERT INTO audit (what) VALUES (NEW.name)"
        for sql in self.backend.trigger("audited", "AFTER INSERT", "person", body):
            await maybe_await(self.db.execute(sql))
        one = await maybe_await(repo.insert(Person("Ann", "ann@x")))
        many = await maybe_await(repo.insert_many([Person("Bob", "bob@x"), Person("Cid", "cid@x")]))
        expected = {person.name: person.id for person in [one, *many]}
        self.assertEqual(dict(self.rows("SELECT name, id FROM person")), expected)
        self.assertEqual(self.rows("SELECT count(*) FROM audit"), [(4,)])


class GetContract(Outside):
    """R2: what `get` finds."""

    async def test_a_missing_key_is_none(self) -> None:
        """R2: `get` of a key that no row has is `None`, on an empty table and beside other rows."""
        await self.create_tables(Person, Country, Token, Place)
        self.assertIsNone(await maybe_await(self.repo(Person).get(1)))
        await maybe_await(self.repo(Person).insert(Person("Ann", "ann@x", id=1)))
        await maybe_await(self.repo(Place).insert(Place(1, "a")))
        for model, key in ((Person, 2), (Person, -1), (Country, "xx"), (Token, uuid.UUID(int=1)), (Place, (1, "b"))):
            with self.subTest(model=model.__name__, key=key):
                self.assertIsNone(await maybe_await(self.repo(model).get(key)))
        self.assertIsNone(await maybe_await(self.repo(Place).get({"floor": 2, "room": "a"})))

    async def test_get_of_none_is_none(self) -> None:
        """R2: `None` is the key of no row, for single and for composite keys."""
        await self.create_tables(Person, Country, Token, Place)
        await maybe_await(self.repo(Person).insert(Person("Ann", "ann@x")))
        for model in (Person, Country, Token, Place):
            with self.subTest(model=model.__name__):
                self.assertIsNone(await maybe_await(self.repo(model).get(None)))

    async def test_a_composite_key_is_a_tuple_or_a_mapping(self) -> None:
        """R2 M7: another kind of value, also another sequence, is a QueryError that says so, before any SQL."""
        await self.create_tables(Place)
        gets = (self.repo(Place).get, lambda key: self.hub().get(Place, key))
        seen = await self.trace()
        for wrong in ([1, "a"], [], {1, "a"}, iter([1]), 1, "ab", Place(1, "a")):
            text = rf"^the key of Place is composite: a tuple \(floor, room\) or a mapping; got {type(wrong).__name__}$"
            for get in gets:
                with self.subTest(wrong=wrong), self.assertRaisesRegex(mini_orm.QueryError, text):
                    await maybe_await(get(wrong))
        for short, count in (((1,), 1), ((), 0), ((1, "a", 2), 3)):
            with self.assertRaisesRegex(mini_orm.QueryError, rf"has 2 part\(s\): floor, room; got {count}$"):
                await maybe_await(self.repo(Place).get(short))
        self.assertEqual(seen, [])

    async def test_get_returns_a_new_object_each_time(self) -> None:
        """R2 M4: there is no identity map: what one caller does to its object is not another's."""
        repo = await self.table(Person, [Person("Ann", "ann@x", tags={"a": 1}, id=1)])
        first, second = await maybe_await(repo.get(1)), await maybe_await(repo.get(1))
        self.assertEqual(first, second)
        self.assertIsNot(first, second)
        first.tags["a"] = 2
        self.assertEqual((await maybe_await(repo.get(1))).tags, {"a": 1})


class UpdateContract(Outside):
    """R3: what `update` writes and counts."""

    async def test_update_writes_every_column(self) -> None:
        """R3 T12: each non-key column, `None` and a JSON value changed in place among them; the count is 1."""
        repo = await self.table(Person, [Person("Ann", "ann@x", 30, {"a": [1]}), Person("Bob", "bob@x", 50)])
        ann = await maybe_await(repo.get(1))
        ann.name, ann.email, ann.age = "Anna", "anna@x", None
        ann.tags["a"].append(2)
        self.assertEqual(await maybe_await(repo.update(ann)), 1)
        self.assertEqual(await maybe_await(repo.get(1)), Person("Anna", "anna@x", None, {"a": [1, 2]}, 1))
        self.assertEqual(await maybe_await(repo.get(2)), Person("Bob", "bob@x", 50, None, 2))

    async def test_update_counts_the_rows_matched(self) -> None:
        """R3 R5: a row that already has these values counts all the same."""
        repo = await self.table(Person, [Person("Ann", "ann@x")])
        ann = await maybe_await(repo.get(1))
        self.assertEqual([await maybe_await(repo.update(ann)) for _ in range(2)], [1, 1])
        same = await maybe_await(repo.update_where({"name": "Ann"}, where=C.eq("id", 1)))
        self.assertEqual(same, 1)

    async def test_update_of_a_missing_row_is_0_and_inserts_nothing(self) -> None:
        """R3 R5: update never inserts."""
        repo = await self.table(Person)
        ann = await maybe_await(repo.insert(Person("Ann", "ann@x")))
        await maybe_await(repo.delete(ann))
        self.assertEqual(await maybe_await(repo.update(ann)), 0)
        self.assertEqual(await maybe_await(repo.update(Person("New", "new@x", id=99))), 0)
        self.assertEqual(self.rows("SELECT count(*) FROM person"), [(0,)])

    async def test_update_without_a_key_is_refused(self) -> None:
        """R3: a key of `None`, also in one part of a composite one, is a `QueryError` and changes nothing."""
        await self.create_tables(Person, Place)
        await maybe_await(self.repo(Person).insert(Person("Ann", "ann@x")))
        await maybe_await(self.repo(Place).insert(Place(1, "a", "kept")))
        with self.assertRaises(mini_orm.QueryError):
            await maybe_await(self.repo(Person).update(Person("X", "x@x")))
        for place in (Place(None, "a", "lost"), Place(1, None, "lost")):  # type: ignore[arg-type]  # the mistake
            with self.subTest(place=place), self.assertRaises(mini_orm.QueryError):
                await maybe_await(self.repo(Place).update(place))
        self.assertEqual(self.rows("SELECT name FROM person"), [("Ann",)])
        self.assertEqual(self.rows("SELECT label FROM place"), [("kept",)])

    async def test_update_of_a_model_with_only_a_key_is_refused(self) -> None:
        """R3: there is nothing to write, so it is a `QueryError`."""
        await self.create_tables(Ticket, Link)
        for model, obj in ((Ticket, Ticket(1)), (Link, Link(1, 2))):
            await maybe_await(self.repo(model).insert(obj))
            with self.subTest(model=model.__name__), self.assertRaises(mini_orm.QueryError):
                await maybe_await(self.repo(model).update(obj))

    async def test_update_by_a_composite_key_touches_one_row(self) -> None:
        """R3 M7: every part of the key counts."""
        repo = await self.table(Place, [Place(1, "a", "1a"), Place(1, "b", "1b"), Place(2, "a", "2a")])
        self.assertEqual(await maybe_await(repo.update(Place(1, "b", "new"))), 1)
        labels = self.rows("SELECT label FROM place ORDER BY floor, room")
        self.assertEqual(labels, [("1a",), ("new",), ("2a",)])

    async def test_a_refused_update_changes_nothing(self) -> None:
        """R3 R6: neither the row nor the object."""
        repo = await self.table(Person, [Person("Ann", "ann@x"), Person("Bob", "bob@x")])
        bob = Person("Robert", "ann@x", id=2)
        with self.assertRaises(mini_orm.UniqueViolation):
            await maybe_await(repo.update(bob))
        self.assertEqual(bob, Person("Robert", "ann@x", id=2))
        self.assertEqual(self.rows("SELECT name FROM person WHERE id = 2"), [("Bob",)])
        self.assert_clean()


class DeleteContract(Outside):
    """R4 R5: what `delete` removes and counts."""

    async def test_delete_returns_the_rows_deleted(self) -> None:
        """R4 R5: 1, then 0; the object is not changed, the other rows stay."""
        repo = await self.table(Person, [Person("Ann", "ann@x", tags={"a": 1}), Person("Bob", "bob@x")])
        ann = await maybe_await(repo.get(1))
        before = copy.deepcopy(ann)
        self.assertEqual([await maybe_await(repo.delete(ann)) for _ in range(2)], [1, 0])
        self.assertEqual(ann, before)
        self.assertEqual(self.rows("SELECT name FROM person"), [("Bob",)])

    async def test_delete_goes_by_the_key_alone(self) -> None:
        """R4: the other fields of the object do not matter, and a model of only a key works."""
        await self.create_tables(Person, Place, Link)
        for model, stored, given in (
            (Person, Person("Ann", "ann@x", id=3), Person("?", "?", id=3)),
            (Place, Place(1, "a", "attic"), Place(1, "a")),
            (Link, Link(1, 2), Link(1, 2)),
        ):
            repo = self.repo(model)
            await maybe_await(repo.insert(stored))
            with self.subTest(model=model.__name__):
                self.assertEqual(await maybe_await(repo.delete(given)), 1)
                self.assertEqual(await maybe_await(repo.count()), 0)

    async def test_delete_by_a_composite_key_touches_one_row(self) -> None:
        """R4 M7: every part of the key counts."""
        repo = await self.table(Place, [Place(1, "a"), Place(1, "b"), Place(2, "a")])
        self.assertEqual(await maybe_await(repo.delete(Place(1, "a"))), 1)
        self.assertEqual(self.rows("SELECT floor, room FROM place ORDER BY 1, 2"), [(1, "b"), (2, "a")])

    async def test_delete_without_a_key_is_refused(self) -> None:
        """R4: a key of `None`, also in one part of a composite one, is a `QueryError` and deletes nothing."""
        await self.create_tables(Person, Place)
        await maybe_await(self.repo(Person).insert(Person("Ann", "ann@x")))
        await maybe_await(self.repo(Place).insert(Place(1, "a")))
        with self.assertRaises(mini_orm.QueryError):
            await maybe_await(self.repo(Person).delete(Person("Ann", "ann@x")))
        with self.assertRaises(mini_orm.QueryError):
            await maybe_await(self.repo(Place).delete(Place(1, None)))  # type: ignore[arg-type]  # the mistake
        self.assertEqual(self.rows("SELECT (SELECT count(*) FROM person), (SELECT count(*) FROM place)"), [(1, 1)])

    async def test_a_refused_delete_changes_nothing(self) -> None:
        """R4 R6: a row that others refer to stays, and the connection is clean."""
        await self.create_tables(Country, Passport)
        await maybe_await(self.repo(Country).insert(Country("nl")))
        await maybe_await(self.repo(Passport).insert(Passport("nl")))
        with self.assertRaises(mini_orm.ForeignKeyViolation):
            await maybe_await(self.repo(Country).delete(Country("nl")))
        self.assertEqual(self.rows("SELECT code FROM country"), [("nl",)])
        self.assert_clean()

    async def test_counts_are_exact_and_never_negative(self) -> None:
        """R5: of no rows, of one and of a thousand, filtered and not."""
        repo = await self.table(Counter)
        self.assertEqual(await maybe_await(repo.update_where({"note": "x"}, allow_all=True)), 0)
        self.assertEqual(await maybe_await(repo.delete_where(allow_all=True)), 0)
        await maybe_await(repo.insert_many([Counter(hits=n) for n in range(1000)]))
        self.assertEqual(await maybe_await(repo.update_where({"hits": F("hits") + 1}, allow_all=True)), 1000)
        self.assertEqual(await maybe_await(repo.update_where({"note": "x"}, where=C.gt("hits", 1000))), 0)
        self.assertEqual(await maybe_await(repo.update_where({"note": "x"}, where=C.le("hits", 250))), 250)
        self.assertEqual(await maybe_await(repo.delete_where(where=C.eq("note", "x"))), 250)
        self.assertEqual(await maybe_await(repo.delete_where(where=C.in_("hits", range(1, 40_000)))), 750)
        await maybe_await(repo.insert_many([Counter() for _ in range(10)]))
        self.assertEqual(await maybe_await(repo.delete_where(allow_all=True)), 10)


class AtomicContract(Outside):
    """R6: each call is whole, committed, and leaves a clean connection."""

    async def test_each_call_is_committed_when_it_returns(self) -> None:
        """R6 X2: another connection sees the effect of every verb at once."""
        repo = await self.table(Person)

        def names() -> list[str]:
            return [row[0] for row in self.rows("SELECT name FROM person ORDER BY id")]

        ann = await maybe_await(repo.insert(Person("Ann", "ann@x")))
        self.assertEqual(names(), ["Ann"])
        await maybe_await(repo.insert_many([Person("Bob", "bob@x"), Person("Cid", "cid@x")]))
        self.assertEqual(names(), ["Ann", "Bob", "Cid"])
        ann.name = "Anna"
        await maybe_await(repo.update(ann))
        self.assertEqual(names(), ["Anna", "Bob", "Cid"])
        await maybe_await(repo.update_where({"name": "Rob"}, where=C.eq("name", "Bob")))
        self.assertEqual(names(), ["Anna", "Rob", "Cid"])
        await maybe_await(repo.delete(ann))
        self.assertEqual(names(), ["Rob", "Cid"])
        await maybe_await(repo.delete_where(where=C.eq("name", "Cid")))
        self.assertEqual(names(), ["Rob"])
        await maybe_await(repo.get_or_create(lookup={"email": "dan@x"}, defaults={"name": "Dan"}))
        self.assertEqual(names(), ["Rob", "Dan"])
        await maybe_await(repo.list())
        self.assert_clean()

    async def test_a_failed_call_is_rolled_back_and_leaves_the_connection_clean(self) -> None:
        """R6: after each verb's failure no lock is held, nothing is changed, and the next call works."""
        people = [Person("Ann", "ann@x"), Person("Bob", "bob@x")]
        repo = await self.table(Person, people)
        before = self.rows("SELECT * FROM person ORDER BY id")
        failing = {
            "insert": lambda: repo.insert(Person("X", "ann@x")),
            "insert of NULL": lambda: repo.insert(Person(None, "x@x")),  # type: ignore[arg-type]  # the mistake
            "insert_many": lambda: repo.insert_many([Person("X", "x@x"), Person("Y", "ann@x")]),
            "update": lambda: repo.update(Person("Bob", "ann@x", id=2)),
            "update_where": lambda: repo.update_where({"email": "same@x"}, allow_all=True),
            "get_or_create": lambda: repo.get_or_create(lookup={"email": "y@x"}, defaults={"name": None}),
        }
        for verb, call in failing.items():
            with self.subTest(verb=verb):
                with self.assertRaises(mini_orm.IntegrityError):
                    await maybe_await(call())
                self.assert_clean()
                self.assertEqual(self.rows("SELECT * FROM person ORDER BY id"), before)
                self.assertEqual(await maybe_await(repo.count()), 2)

    async def test_a_failed_operation_of_several_statements_inside_a_transaction(self) -> None:
        """R6 B3 X1: it runs under a savepoint: nothing of it stays, and the transaction goes on."""
        await self.create_tables(Person)
        async with self.transaction() as tx:
            repo = self.repo(Person, tx)
            await maybe_await(repo.insert(Person("Ann", "ann@x")))
            batch = [Person(f"p{n}", f"{n}@x") for n in range(5_000)]
            with self.assertRaises(mini_orm.UniqueViolation):
                await maybe_await(repo.insert_many([*batch, Person("Bob", "ann@x")]))
            self.assertEqual(await maybe_await(repo.count()), 1)
            self.assertEqual({person.id for person in batch}, {None})
            await maybe_await(repo.insert(Person("Cid", "cid@x")))
        self.assertEqual(self.rows("SELECT name FROM person ORDER BY id"), [("Ann",), ("Cid",)])
        self.assert_clean()

    @needs("survives_errors")
    async def test_a_failed_single_statement_inside_a_transaction(self) -> None:
        """R6: the database's own rule holds: the statement is undone and the transaction goes on."""
        await self.create_tables(Person)
        async with self.transaction() as tx:
            repo = self.repo(Person, tx)
            await maybe_await(repo.insert(Person("Ann", "ann@x")))
            with self.assertRaises(mini_orm.UniqueViolation):
                await maybe_await(repo.insert(Person("Bob", "ann@x")))
            await maybe_await(repo.insert(Person("Cid", "cid@x")))
            self.assertEqual(self.rows("SELECT count(*) FROM person"), [(0,)])
        self.assertEqual(self.rows("SELECT name FROM person ORDER BY id"), [("Ann",), ("Cid",)])

    @needs("aborts_on_errors")
    async def test_a_failed_single_statement_aborts_the_transaction(self) -> None:
        """R6 X1: the database's own rule holds: it takes nothing more, and a commit that would be a rollback raises."""
        await self.create_tables(Person)
        with self.assertRaises(mini_orm.TransactionError):
            async with self.transaction() as tx:
                repo = self.repo(Person, tx)
                await maybe_await(repo.insert(Person("Ann", "ann@x")))
                with self.assertRaises(mini_orm.UniqueViolation):
                    await maybe_await(repo.insert(Person("Bob", "ann@x")))
                with self.assertRaises(mini_orm.OperationalError):
                    await maybe_await(repo.count())
        self.assertEqual(self.rows("SELECT count(*) FROM person"), [(0,)])
        self.assert_clean()

    @needs("aborts_on_errors")
    async def test_a_savepoint_outlives_a_failed_statement(self) -> None:
        """R6 X1: what stands in a nested transaction fails alone, and the one around it goes on."""
        await self.create_tables(Person)
        async with self.transaction() as tx:
            repo = self.repo(Person, tx)
            await maybe_await(repo.insert(Person("Ann", "ann@x")))
            with self.assertRaises(mini_orm.UniqueViolation):
                async with self.transaction(tx) as inner:
                    await maybe_await(self.repo(Person, inner).insert(Person("Bob", "ann@x")))
            await maybe_await(repo.insert(Person("Cid", "cid@x")))
        self.assertEqual(self.rows("SELECT name FROM person ORDER BY id"), [("Ann",), ("Cid",)])

    async def test_a_rollback_takes_every_verb_back(self) -> None:
        """R6 X1: inside a transaction nothing is committed before its end."""
        await self.table(Person, [Person("Ann", "ann@x"), Person("Bob", "bob@x")])
        before = self.rows("SELECT * FROM person ORDER BY id")
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                repo = self.repo(Person, tx)
                await maybe_await(repo.insert(Person("Cid", "cid@x")))
                await maybe_await(repo.insert_many([Person(f"p{n}", f"{n}@x") for n in range(1_000)]))
                await maybe_await(repo.update(Person("Anna", "anna@x", id=1)))
                await maybe_await(repo.update_where({"age": 1}, allow_all=True))
                await maybe_await(repo.get_or_create(lookup={"email": "new@x"}, defaults={"name": "New"}))
                await maybe_await(repo.delete_where(where=C.eq("name", "Bob")))
                self.assertEqual(await maybe_await(repo.count()), 1_003)
                self.assertEqual(self.rows("SELECT * FROM person ORDER BY id"), before)
                raise ZeroDivisionError
        self.assertEqual(self.rows("SELECT * FROM person ORDER BY id"), before)
        self.assert_clean()
