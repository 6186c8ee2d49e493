"""The hub (S7): `UnifiedRepository`, whose verbs are `Repository`'s with the model first, or with objects alone."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import mini_orm
from mini_orm import (
    C,
    CodecError,
    F,
    ModelError,
    NotRegisteredError,
    ProgrammingError,
    QueryError,
    SchemaConflictError,
    UniqueViolation,
    UnsafeOperationError,
)
from tests.backends import maybe_await
from tests.contracts.crud import auto_key, pk
from tests.contracts.registration import Schemas

SECRET = "xyzzy"


@dataclass
class User:
    name: str = field(metadata={"unique_index": True})
    age: int | None = None
    id: int | None = auto_key()


@dataclass
class Admin(User):
    """A subclass: a table of its own."""


@dataclass
class Post:
    user_id: int = field(metadata={"fk": (User, "id")})
    text: str = ""
    id: int | None = auto_key()


@dataclass(frozen=True)
class Coin:
    face: str
    id: int | None = auto_key()


@dataclass
class Place:
    floor: int = pk()
    room: str = pk()


@dataclass
class Team:
    name: str
    id: int | None = auto_key()


@dataclass
class Member:
    """A link between the two."""

    user_id: int = pk(fk=(User, "id"))
    team_id: int = pk(fk=(Team, "id"))


@dataclass
class Loose:
    """A dataclass that is no model: it has no key."""

    name: str = SECRET


@dataclass
class Batch:
    """A model that can be iterated over."""

    size: int
    id: int | None = auto_key()

    def __iter__(self) -> Iterator[Any]:
        return iter([User("never")] * self.size)


class Plain:
    """No dataclass at all."""

    def __repr__(self) -> str:
        return SECRET


#: A verb, its arguments behind the model, and the keyword ones. Together they are a story: each sees what came before.
STORY: tuple[tuple[str, tuple[Any, ...], dict[str, Any]], ...] = (
    ("count", (), {}),
    ("exists", (), {}),
    ("insert", (User("Ann", 30),), {}),
    ("create", (User("Bob"),), {}),
    ("insert_many", ([User("Cid", 5), User("Dee", 50)],), {}),
    ("insert_many", ([],), {}),
    ("get", (1,), {}),
    ("get", (), {"pk": 99}),
    ("get", ({"id": 2},), {}),
    ("list", (), {}),
    ("list", (C.is_not_null("age"), "-age", 2, 1), {}),
    ("list", (), {"where": [C.gt("age", 4)], "order_by": ["name"], "limit": 2}),
    ("count", (C.gt("age", 4),), {}),
    ("exists", (), {"where": C.eq("name", "Eve")}),
    ("update", (User("Anne", 31, 1),), {}),
    ("update", (User("Nobody", 0, 77),), {}),
    ("update_where", ({"age": F("age") + 1},), {"where": C.gt("age", 4)}),
    ("update_where", ({"age": None},), {"allow_all": True}),
    ("get_or_create", (), {"lookup": {"name": "Bob"}}),
    ("get_or_create", (), {"lookup": {"name": "Eve"}, "defaults": {"age": 9}}),
    ("delete", (User("whoever", None, 2),), {}),
    ("delete", (User("whoever", None, 2),), {}),
    ("delete_where", (), {"where": C.eq("name", "Cid")}),
    ("list", (), {"order_by": "id"}),
    ("delete_where", (), {"allow_all": True}),
    ("count", (), {}),
)
#: Verbs that take an object alone, too.
ONE = ("insert", "create", "update", "delete")


def calls(hub: Any) -> dict[str, Callable[[], Any]]:
    """Return every verb, in every form, as a call on a hub."""
    return {
        "insert": lambda: hub.insert(User("Ann")),
        "insert named": lambda: hub.insert(User, User("Ann")),
        "insert_many": lambda: hub.insert_many([User("Ann")]),
        "insert_many named": lambda: hub.insert_many(User, [User("Ann")]),
        "create": lambda: hub.create(User("Ann")),
        "create named": lambda: hub.create(User, User("Ann")),
        "update": lambda: hub.update(User("Ann", id=1)),
        "update named": lambda: hub.update(User, User("Ann", id=1)),
        "delete": lambda: hub.delete(User("Ann", id=1)),
        "delete named": lambda: hub.delete(User, User("Ann", id=1)),
        "link": lambda: hub.link(User("Ann", id=1), "teams", []),
        "link named": lambda: hub.link(User, User("Ann", id=1), "teams", []),
        "unlink": lambda: hub.unlink(User("Ann", id=1), "teams", []),
        "unlink named": lambda: hub.unlink(User, User("Ann", id=1), "teams", []),
        "get": lambda: hub.get(User, 1),
        "list": lambda: hub.list(User),
        "count": lambda: hub.count(User),
        "exists": lambda: hub.exists(User),
        "update_where": lambda: hub.update_where(User, {"age": 1}, allow_all=True),
        "delete_where": lambda: hub.delete_where(User, allow_all=True),
        "get_or_create": lambda: hub.get_or_create(User, lookup={"name": "Ann"}),
    }


class HubContract(Schemas):
    """What the hub does, where it is called as it should be."""

    async def test_verbs_are_those_of_a_repository(self) -> None:
        """S7: with the model named, and with objects alone, each verb gives what `Repository`'s gives."""
        told: list[list[Any]] = []
        for style in ("repository", "named", "alone"):
            db = await self.open(**self.backend.other(style))
            await self.create_tables(User, db=db)
            results = []
            for verb, arguments, keywords in STORY:
                takes_alone = verb in ONE or (verb == "insert_many" and arguments[0])
                if style == "repository":
                    call = getattr(self.repo(User, db), verb)
                elif style == "alone" and takes_alone:
                    call = getattr(self.hub(db), verb)
                else:
                    call = getattr(self.hub(db), verb)
                    arguments = (User, *arguments)
                results.append(await maybe_await(call(*_copied(arguments), **keywords)))
            told.append(results)
        self.assertEqual(told[1], told[0])
        self.assertEqual(told[2], told[0])
        self.assertEqual(told[0][-3], [User("Anne", None, 1), User("Dee", None, 4), User("Eve", 9, 5)])

    async def test_errors_are_those_of_a_repository(self) -> None:
        """S7: what a repository refuses the hub refuses in the same way."""
        await self.create_tables(User)
        hub = self.hub()
        await maybe_await(hub.insert(User("Ann")))
        for call, error in (
            (lambda: hub.insert(User("Ann")), UniqueViolation),
            (lambda: hub.insert(User, User(5)), CodecError),  # type: ignore[arg-type]  # the mistake under test
            (lambda: hub.get(User, "one"), QueryError),
            (lambda: hub.list(User, C.eq("nme", "Ann")), QueryError),
            (lambda: hub.list(User, limit=0), ValueError),
            (lambda: hub.update(User("Ann")), QueryError),
            (lambda: hub.delete_where(User), UnsafeOperationError),
            (lambda: hub.update_where(User, {}, allow_all=True), QueryError),
            (lambda: hub.get_or_create(User, lookup={"age": 3}), QueryError),
            (lambda: hub.count(Place), ProgrammingError),
        ):
            with self.subTest(error=error), self.assertRaises(error):
                await maybe_await(call())
        self.assertEqual(await maybe_await(hub.count(User)), 1)

    async def test_objects_come_back(self) -> None:
        """S7 M5: the object itself, a new one of a frozen class; composite keys; any iterable."""
        await self.create_tables(User, Coin, Place)
        hub = self.hub()
        ann = User("Ann")
        self.assertIs(await maybe_await(hub.insert(ann)), ann)
        coin = Coin("heads")
        self.assertEqual(await maybe_await(hub.insert(coin)), Coin("heads", 1))
        self.assertIsNone(coin.id)
        users = await maybe_await(hub.insert_many(User(name) for name in "abc"))
        self.assertEqual([user.id for user in users], [2, 3, 4])
        self.assertEqual(len(await maybe_await(hub.insert_many(User, (User(name) for name in "de")))), 2)
        self.assertEqual(await maybe_await(hub.insert_many(Coin, {Coin("tails")})), [Coin("tails", 2)])
        await maybe_await(hub.insert(Place, obj=Place(1, "a")))
        self.assertEqual(await maybe_await(hub.get(Place, (1, "a"))), Place(1, "a"))
        self.assertEqual(await maybe_await(hub.get(Place, {"room": "a", "floor": 2})), None)

    async def test_arguments_by_name(self) -> None:
        """S7: both forms may be written with the names of the arguments."""
        await self.create_tables(User)
        hub = self.hub()
        await maybe_await(hub.insert(model=User, obj=User("a")))
        await maybe_await(hub.insert(obj=User("b")))
        await maybe_await(hub.insert_many(model=User, objects=[User("c")]))
        await maybe_await(hub.insert_many(objects=[User("d")]))
        self.assertEqual(await maybe_await(hub.count(model=User, where=C.lt("name", "c"))), 2)
        self.assertEqual([user.name for user in await maybe_await(hub.list(User, order_by="id"))], list("abcd"))

    async def test_links(self) -> None:
        """S7 L8: `link` and `unlink` take the object alone or after its model, by position or by name."""
        await self.create_tables(User, Team, Member)
        hub = self.hub()
        ann = await maybe_await(hub.insert(User("Ann")))
        red, blue = await maybe_await(hub.insert_many([Team("red"), Team("blue")]))
        for alone, named in (
            (lambda verb: verb(ann, "teams", [red, blue]), lambda verb: verb(User, ann, "teams", [red, blue])),
            (lambda verb: verb(red, "users", [ann]), lambda verb: verb(Team, red, "users", [ann])),
            (
                lambda verb: verb(obj=ann, name="teams", others=[blue]),
                lambda verb: verb(model=User, obj=ann, name="teams", others=[blue]),
            ),
            (
                lambda verb: verb(ann, name="teams", others=(red,)),
                lambda verb: verb(User, ann, name="teams", others=(red,)),
            ),
        ):
            for call, opposite in ((alone, named), (named, alone)):
                many = await maybe_await(call(hub.link))
                self.assertEqual(self.rows("SELECT count(*) FROM member"), [(many,)])
                self.assertEqual(await maybe_await(opposite(hub.link)), 0)
                self.assertEqual(await maybe_await(opposite(hub.unlink)), many)
                self.assertEqual(await maybe_await(call(hub.unlink)), 0)
        self.assertEqual(many, 1)

    async def test_nothing_to_insert(self) -> None:
        """S7 B1: no objects, no model: `[]`, and no SQL."""
        hub = self.hub(require_registration=True)
        seen = await self.trace()
        for nothing in ([], (), iter(()), (user for user in [])):
            self.assertEqual(await maybe_await(hub.insert_many(nothing)), [])
        self.assertEqual(seen, [])
        self.assertEqual(await maybe_await(self.hub().insert_many(User, [])), [])

    async def test_a_model_is_exactly_the_objects_class(self) -> None:
        """S7 M6: an object of a subclass goes to the subclass's table, and nowhere else."""
        await self.create_tables(User, Admin)
        hub = self.hub()
        await maybe_await(hub.insert(Admin("root")))
        await maybe_await(hub.insert_many([Admin("toor")]))
        self.assertEqual(await maybe_await(hub.count(User)), 0)
        self.assertEqual([admin.name for admin in await maybe_await(hub.list(Admin))], ["root", "toor"])
        self.assertEqual(await maybe_await(hub.delete(Admin("root", id=1))), 1)

    async def test_in_a_transaction(self) -> None:
        """S7 X4: a hub on `tx` belongs to the transaction; one on the database joins it in the same task or thread."""
        await self.create_tables(User)
        outside = self.hub()
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                hub = self.hub(tx)
                self.assertIs(hub.db, tx)
                await maybe_await(hub.insert(User("a")))
                await maybe_await(outside.insert(User("b")))
                self.assertEqual(await maybe_await(hub.count(User)), 2)
                raise ZeroDivisionError
        self.assertEqual(await maybe_await(outside.count(User)), 0)

    async def test_its_repositories(self) -> None:
        """S7: `repo` is plain on both faces and gives the same repository each time, with the hub's flags."""
        hub = self.hub(auto_schema=True, require_registration=True)
        users = hub.repo(User)
        self.assertIsInstance(users, mini_orm.AsyncRepository if self.is_async else mini_orm.Repository)
        self.assertIs(hub.repo(User), users)
        self.assertIsNot(hub.repo(Admin), users)
        self.assertIs(users.model, User)
        self.assertIs(users.db, hub.db)
        with self.assertRaises(NotRegisteredError):
            await maybe_await(users.count())
        self.assertIs(await maybe_await(hub.register(User)), users)
        self.assertEqual(await maybe_await(users.count()), 0)

    async def test_it_needs_a_database(self) -> None:
        """S7: a connection, or a database of the other face, is refused with what it needs."""
        kind = "AsyncDatabase" if self.is_async else "Database"
        for wrong in (self.db.conn, None, self.hub()):
            with self.assertRaisesRegex(mini_orm.ConfigurationError, rf"needs an? {kind} "):
                self.backend.hub(wrong)
        self.assertIn(kind, repr(self.hub()))


class HubFlagsContract(Schemas):
    """The hub's flags and its `register`."""

    async def test_auto_schema(self) -> None:
        """S5 S7: each verb, in each form, finds the tables of its model made."""
        for verb in calls(None):
            with self.subTest(verb=verb):
                db = await self.open(**self.backend.other(verb))
                await maybe_await(calls(self.hub(db, auto_schema=True))[verb]())
                self.assertIn(await maybe_await(self.repo(User, db).count()), (0, 1))
        await maybe_await(self.hub(auto_schema=True).list(Post))
        self.assertEqual(self.tables(), ["post", "user"])

    async def test_registration_that_is_required(self) -> None:
        """S6 S7: each verb, in each form, is refused before any SQL, until the model is registered."""
        hub = self.hub(require_registration=True)
        seen = await self.trace()
        for verb, call in calls(hub).items():
            with self.subTest(verb=verb), self.assertRaisesRegex(NotRegisteredError, r"^User is not registered"):
                await maybe_await(call())
        self.assertEqual(seen, [])
        self.assertFalse(hub.is_registered(User))
        await maybe_await(hub.register(User, True))
        self.assertTrue(hub.is_registered(User))
        self.assertEqual(await maybe_await(hub.insert(User("Ann"))), User("Ann", None, 1))
        with self.assertRaises(NotRegisteredError):
            await maybe_await(hub.insert(Post(1)))

    async def test_register(self) -> None:
        """S6 S7: it returns the repository; `ensure` is as for `Repository.register`, by position or name."""
        hub = self.hub()
        self.assertIs(await maybe_await(hub.register(User)), hub.repo(User))
        self.assertEqual(self.tables(), [])
        await maybe_await(hub.register(Post, ensure=True))
        self.assertEqual(self.tables(), ["post", "user"])
        auto = self.hub(auto_schema=True)
        await maybe_await(auto.register(Coin, False))
        with self.assertRaises(ProgrammingError):
            await maybe_await(auto.count(Coin))
        await maybe_await(auto.register(Coin))
        self.assertEqual(await maybe_await(auto.count(Coin)), 0)
        with self.assertRaises(TypeError):
            await maybe_await(auto.register(Place, "yes"))
        self.assertFalse(auto.is_registered(Place))

    async def test_register_many(self) -> None:
        """S6 S7: any iterable, in any order; their schema is made in that of their keys; nothing is returned."""
        hub = self.hub(auto_schema=True)
        seen = await self.trace()
        self.assertIsNone(await maybe_await(hub.register_many(model for model in (Post, User, Coin, Post))))
        made = [re.split('["`]', sql)[1] for sql in seen if sql.startswith("CREATE TABLE")]
        self.assertEqual(sorted(made), ["coin", "post", "user"])
        self.assertLess(made.index("user"), made.index("post"))
        if self.backend.supports_transactional_ddl:
            self.assertEqual(seen.count("COMMIT"), 1)
        self.assertTrue(all(hub.is_registered(model) for model in (Post, User, Coin)))
        self.assertIsNone(await maybe_await(self.hub().register_many([Place, Admin], ensure=False)))
        self.assertTrue(hub.is_registered(Place) and hub.is_registered(Admin))
        self.assertIsNone(await maybe_await(hub.register_many([])))
        self.assertEqual(self.tables(), ["coin", "post", "user"])

    async def test_register_many_is_all_or_none(self) -> None:
        """S6 S7: something that is no model, a conflict, or an unknown `ensure`: nothing is registered or made."""
        await maybe_await(self.db.execute('CREATE TABLE "user" (id INTEGER PRIMARY KEY, must TEXT NOT NULL)'))
        hub = self.hub(auto_schema=True)
        for models, ensure, error in (
            ([Coin, Loose], None, ModelError),
            ([Coin, dict], None, ModelError),
            ([Coin, User("Ann")], None, ModelError),
            ([Coin, "User"], None, ModelError),
            ([Coin, None], False, ModelError),
            ([Coin, Post], None, SchemaConflictError),
            ([Coin, User], True, SchemaConflictError),
            ([Coin], "yes", TypeError),
            (Coin, None, TypeError),
            ("Coin", None, TypeError),
            (None, None, TypeError),
        ):
            with self.subTest(models=models, ensure=ensure), self.assertRaises(error):
                await maybe_await(hub.register_many(models, ensure))
            self.assertFalse(any(hub.is_registered(model) for model in (Coin, Post, User)))
        self.assertEqual(self.tables(), ["user"])


class HubFormsContract(Schemas):
    """S7: what is neither of the two forms."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self.create_tables(User, Admin, Post, Batch)

    async def test_one_object(self) -> None:
        """S7: a class alone, a dict, an object of another class: a TypeError with both forms, before any SQL."""
        hub = self.hub()
        wrong: tuple[tuple[tuple[Any, ...], str], ...] = (
            ((), "nothing"),
            ((User,), "the class User"),
            ((None,), "None"),
            (({"name": SECRET},), "an object of dict"),
            ((SECRET,), "an object of str"),
            ((Plain(),), "an object of Plain"),
            (([User(SECRET)],), "an object of list"),
            ((User, None), "User and None"),
            ((User, User), "User and the class User"),
            ((User, {"name": SECRET}), "User and an object of dict"),
            ((User, Post(1)), "User and an object of Post"),
            ((User, Admin(SECRET)), "User and an object of Admin"),
            ((Admin, User(SECRET)), "Admin and an object of User"),
            ((User(SECRET), User), "an object of User in the model's place"),
            (("User", User(SECRET)), "an object of str in the model's place"),
            ((None, User(SECRET)), "None in the model's place"),
        )
        seen = await self.trace()
        for verb in ONE:
            for arguments, shown in wrong:
                with self.subTest(verb=verb, arguments=arguments):
                    with self.assertRaises(TypeError) as caught:
                        await maybe_await(getattr(hub, verb)(*arguments))
                    text = str(caught.exception)
                    self.assertIn(f"{verb}(User(…))", text)
                    self.assertIn(f"{verb}(User, user)", text)
                    self.assertTrue(text.endswith(f"got {shown}"), text)
                    self.assertNotIn(SECRET, text)
        self.assertEqual(seen, [])

    async def test_one_object_to_link(self) -> None:
        """S7 L8: what is neither form of `link` and `unlink` is a TypeError with both, before any SQL."""
        hub = self.hub()
        user = User(SECRET, id=1)
        wrong: tuple[tuple[tuple[Any, ...], str], ...] = (
            ((), "0 arguments"),
            ((user,), "1 argument"),
            ((user, "teams"), "2 arguments"),
            ((User, user), "2 arguments"),
            ((User, "teams", []), "the class User"),
            ((User, user, []), "the class User"),
            ((None, "teams", []), "None"),
            (({"id": SECRET}, "teams", []), "an object of dict"),
            (([user], "teams", []), "an object of list"),
            ((Plain(), "teams", []), "an object of Plain"),
            ((User, None, "teams", []), "User and None"),
            ((User, User, "teams", []), "User and the class User"),
            ((User, Admin(SECRET, id=1), "teams", []), "User and an object of Admin"),
            ((Admin, user, "teams", []), "Admin and an object of User"),
            ((user, User, "teams", []), "an object of User in the model's place"),
            ((user, "teams", [], []), "an object of User in the model's place"),
            (("User", user, "teams", []), "an object of str in the model's place"),
        )
        seen = await self.trace()
        for verb in ("link", "unlink"):
            for arguments, shown in wrong:
                with self.subTest(verb=verb, arguments=arguments):
                    with self.assertRaises(TypeError) as caught:
                        await maybe_await(getattr(hub, verb)(*arguments))
                    text = str(caught.exception)
                    self.assertIn(f'{verb}(post, "tags", [tag])', text)
                    self.assertIn(f'{verb}(Post, post, "tags", [tag])', text)
                    self.assertTrue(text.endswith(f"got {shown}"), text)
                    self.assertNotIn(SECRET, text)
        self.assertEqual(seen, [])

    async def test_many_objects(self) -> None:
        """S7: a class, one object, a dict, text, a mixed list: a TypeError with both forms, and nothing is inserted."""
        hub = self.hub()
        wrong: tuple[tuple[tuple[Any, ...], str], ...] = (
            ((), "nothing"),
            ((User,), "the class User"),
            ((User(SECRET),), "an object of User"),
            ((Batch(3),), "an object of Batch"),
            ((None,), "None"),
            ((7,), "an object of int"),
            (({},), "an object of dict"),
            (("",), "an object of str"),
            ((b"",), "an object of bytes"),
            (([{"name": SECRET}],), "an object of dict"),
            (([User],), "the class User"),
            (([None],), "None"),
            (([User(SECRET), Post(1)],), "an object of Post among the objects of User"),
            (((one for one in (User(SECRET), Admin("b"))),), "an object of Admin among the objects of User"),
            (([User(SECRET), None],), "None among the objects of User"),
            (([User(SECRET), User],), "the class User among the objects of User"),
            ((User, None), "None"),
            ((User, User(SECRET)), "an object of User"),
            ((User, {"name": SECRET}), "an object of dict"),
            ((User, [Post(1)]), "an object of Post among the objects of User"),
            ((User, [User(SECRET), Admin(SECRET)]), "an object of Admin among the objects of User"),
            (([User(SECRET)], User), "an object of list in the model's place"),
            ((User(SECRET), User(SECRET)), "an object of User in the model's place"),
        )
        seen = await self.trace()
        for arguments, shown in wrong:
            with self.subTest(arguments=arguments):
                with self.assertRaises(TypeError) as caught:
                    await maybe_await(hub.insert_many(*arguments))
                text = str(caught.exception)
                self.assertIn("insert_many([User(…), …])", text)
                self.assertIn("insert_many(User, users)", text)
                self.assertTrue(text.endswith(f"got {shown}"), text)
                self.assertNotIn(SECRET, text)
        self.assertEqual(seen, [])

    async def test_a_model_that_can_be_iterated_over(self) -> None:
        """S7: alone it is one object; where another model is named it is an iterable like any other."""
        hub = self.hub()
        self.assertEqual((await maybe_await(hub.insert(Batch(3)))).id, 1)
        self.assertEqual(len(await maybe_await(hub.insert_many(User, Batch(1)))), 1)

    async def test_the_model_of_the_other_verbs(self) -> None:
        """S7 M12: an object, a text, `None` or a class that is no model: a ModelError, which is a TypeError."""
        hub = self.hub()
        seen = await self.trace()
        for wrong in (User("a"), "User", None, 7, Loose, Plain, dict, list[User]):
            for verb, call in {
                "repo": lambda wrong=wrong: hub.repo(wrong),
                "get": lambda wrong=wrong: hub.get(wrong, 1),
                "list": lambda wrong=wrong: hub.list(wrong),
                "count": lambda wrong=wrong: hub.count(wrong),
                "exists": lambda wrong=wrong: hub.exists(wrong),
                "update_where": lambda wrong=wrong: hub.update_where(wrong, {"a": 1}, allow_all=True),
                "delete_where": lambda wrong=wrong: hub.delete_where(wrong, allow_all=True),
                "get_or_create": lambda wrong=wrong: hub.get_or_create(wrong, lookup={"a": 1}),
                "register": lambda wrong=wrong: hub.register(wrong),
                "is_registered": lambda wrong=wrong: hub.is_registered(wrong),
            }.items():
                with self.subTest(verb=verb, wrong=wrong), self.assertRaises(ModelError) as caught:
                    await maybe_await(call())
                self.assertIsInstance(caught.exception, TypeError)
        with self.assertRaisesRegex(ModelError, "given as its class, such as User; got an object of User$"):
            hub.repo(User("a"))
        self.assertEqual(seen, [])

    async def test_an_object_of_what_is_no_model(self) -> None:
        """S7 M7: a dataclass without a key is told what it lacks."""
        for call in (self.hub().insert, self.hub().update, lambda one: self.hub().insert_many([one])):
            with self.assertRaisesRegex(ModelError, "primary key"):
                await maybe_await(call(Loose()))


def _copied(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return arguments with objects of their own, as `insert` sets their keys."""
    return tuple(copy.deepcopy(one) for one in arguments)
