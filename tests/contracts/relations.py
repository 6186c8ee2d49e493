"""Models that refer to each other, for all contracts of relations; and what a database has to do with knowing them."""

from __future__ import annotations

import contextlib
import enum
import gc
import itertools
import sys
import textwrap
import types
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mini_orm import C, ForeignKeyViolation, IntegrityError, ModelError, RelationError, RelationSpec, model_relations
from tests.backends import maybe_await
from tests.contracts.crud import auto_key, pk
from tests.contracts.registration import Schemas


def refers(model: Any, name: str = "id", **metadata: Any) -> Any:
    """A foreign key that may be NULL."""
    return field(default=None, metadata={"fk": (model, name), **metadata})


@dataclass
class Author:
    name: str
    email: str | None = field(default=None, metadata={"unique_index": True})
    id: int | None = auto_key()


@dataclass
class Profile:
    author_id: int | None = refers(Author, one_to_one=True, unique_index=True)
    text: str = ""
    id: int | None = auto_key()


@dataclass
class Post:
    title: str
    author_id: int | None = refers(Author, index=True)
    id: int | None = auto_key()


@dataclass
class Comment:
    text: str
    post_id: int | None = refers(Post, on_delete="cascade")
    id: int | None = auto_key()


@dataclass
class Tag:
    name: str
    id: int | None = auto_key()


@dataclass
class PostTag:
    post_id: int = pk(fk=(Post, "id"), on_delete="cascade")
    tag_id: int = pk(fk=(Tag, "id"))
    rank: int = 7
    mark: uuid.UUID = field(default_factory=uuid.uuid4)


@dataclass
class Node:
    """Refers to itself."""

    name: str
    parent_id: int | None = field(default=None, metadata={"fk": "node.id"})
    id: int | None = auto_key()

    __relations__: ClassVar[Any] = {
        "parent": {"model": "Node", "local_key": "parent_id", "remote_key": "id"},
        "children": {"model": "Node", "local_key": "id", "remote_key": "parent_id", "type": "has_many"},
    }


@dataclass
class Team:
    name: str
    id: int | None = auto_key()


@dataclass
class Match:
    """Two foreign keys to one model."""

    home_id: int | None = refers(Team, relation="home_team", related_name="home_matches")
    guest_id: int | None = refers(Team, related_name="away_matches")
    id: int | None = auto_key()


@dataclass
class Order:
    """A composite key, and relations over it that only a declaration can tell."""

    shop: str = pk()
    number: int = pk()
    note: str = ""

    __relations__: ClassVar[Any] = {
        "lines": {
            "model": "Line",
            "local_key": ("shop", "number"),
            "remote_key": ("shop", "order_number"),
            "type": "has_many",
        },
    }


@dataclass
class Line:
    shop: str | None
    order_number: int | None
    text: str
    id: int | None = auto_key()

    __relations__: ClassVar[Any] = {
        "order": RelationSpec("order", Order, ("shop", "order_number"), ("shop", "number")),
    }


@dataclass(frozen=True)
class Ship:
    name: str
    id: int | None = auto_key()


@dataclass(frozen=True)
class Sailor:
    name: str
    ship_id: int | None = refers(Ship)
    id: int | None = auto_key()


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


@dataclass
class Paint:
    colour: Colour = field(metadata={"pk": True})
    litres: int = 1


@dataclass
class Door:
    colour: str | None = refers(Paint, "colour")
    id: int | None = auto_key()


@dataclass
class User:
    name: str
    id: int | None = auto_key()

    __relations__: ClassVar[Any] = {
        "following": {
            "model": "User",
            "through": "Follow",
            "local_key": "follower_id",
            "remote_key": "followed_id",
            "type": "many_to_many",
        },
        "followers": {
            "model": "User",
            "through": "Follow",
            "local_key": "followed_id",
            "remote_key": "follower_id",
            "type": "many_to_many",
        },
    }


@dataclass
class Follow:
    """A link with a key of its own, that may be there twice."""

    follower_id: int | None = refers(User, related_name="follows")
    followed_id: int | None = refers(User, related_name="followed_by")
    id: int | None = auto_key()


@dataclass
class Room:
    """A composite key at one end of a link."""

    house: str = pk()
    number: int = pk()

    __relations__: ClassVar[Any] = {
        "guests": {
            "model": "Guest",
            "through": "Stay",
            "local_key": ("house", "room_number"),
            "remote_key": "guest_id",
            "type": "many_to_many",
        },
    }


@dataclass
class Guest:
    name: str
    id: int | None = auto_key()

    __relations__: ClassVar[Any] = {
        "rooms": {
            "model": "Room",
            "through": "Stay",
            "local_key": "guest_id",
            "remote_key": ("house", "room_number"),
            "type": "many_to_many",
        },
    }


@dataclass
class Stay:
    house: str = pk()
    room_number: int = pk()
    guest_id: int = pk(fk=(Guest, "id"))


@dataclass
class Alone:
    """Has no relations."""

    id: int | None = auto_key()


#: What every contract of relations has tables of.
MODELS = (
    *(Author, Profile, Post, Comment, Tag, PostTag, Node, Team, Match, Order, Line, Ship, Sailor, Paint, Door),
    *(User, Follow, Room, Guest, Stay),
)


class Relations(Schemas):
    """Tables for all of them; a part of the contracts."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self.create_tables(*MODELS)

    async def stored(self, *objects: Any) -> None:
        """Insert objects of any models, one after the other."""
        for obj in objects:
            await maybe_await(self.hub().insert(obj))
        self.resume_keys(*set(map(type, objects)))

    async def selects(self, action: Callable[[], Any], db: Any = None) -> list[str]:
        """Return the statements of a reading action, which are nothing but SELECT."""
        seen = await self.trace(db)
        await maybe_await(action())
        found = [sql for sql in seen if not sql.startswith("PRAGMA ")]
        self.assertEqual([sql for sql in found if not sql.startswith("SELECT ")], [])
        return found

    def counts(self) -> dict[str, int]:
        """Return how many rows each table has."""
        found = {table: self.rows(f'SELECT count(*) FROM "{table}"')[0][0] for table in self.tables()}
        return {table: count for table, count in found.items() if count}


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector from running by itself."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class KnownContract(Schemas):
    """L1: a child in another module is known once mini_orm has seen it, whatever came first."""

    modules = itertools.count()

    def module(self, source: str) -> Any:
        """Make a module, and put it where modules are."""
        module = types.ModuleType(f"{__name__}_{next(self.modules)}")
        sys.modules[module.__name__] = module
        self.addCleanup(sys.modules.pop, module.__name__)
        imports = "from dataclasses import dataclass\nfrom tests.contracts.relations import auto_key, refers\n"
        exec(imports + textwrap.dedent(source), vars(module))
        return module

    def pair(self) -> tuple[type, type]:
        """Return a parent, and its child from another module."""
        parents = self.module("""
            @dataclass
            class Parent:
                id: int | None = auto_key()
        """)
        children = self.module(f"""
            from {parents.__name__} import Parent
            @dataclass
            class Child:
                parent_id: int | None = refers(Parent)
                id: int | None = auto_key()
        """)
        return parents.Parent, children.Child

    async def test_known_by_whatever_has_seen_it(self) -> None:
        """L1: a repository, `register`, `apply_schema`: each makes the child known, before or after the parent."""

        async def repository(model: type) -> None:
            self.repo(model)

        async def registered(model: type) -> None:
            await maybe_await(self.hub().register(model, False))

        async def applied(model: type) -> None:
            await self.create_tables(model, if_not_exists=True)

        ways = (
            (repository, registered, applied) if self.backend.supports_early_foreign_keys else (repository, registered)
        )
        for see in ways:
            for parent_first in (True, False):
                with self.subTest(see=see.__name__, parent_first=parent_first):
                    parent, child = self.pair()
                    if parent_first:
                        self.assertEqual(model_relations(parent), {})
                    await see(child)
                    found = model_relations(parent)
                    self.assertEqual(list(found), ["childs"])
                    self.assertIs(found["childs"].model, child)
                    self.assertEqual(list(model_relations(child)), ["parent"])

    async def test_local_classes_that_are_gone(self) -> None:
        """L1 M6: a class that only a reference cycle keeps is in nobody's way; of two that are used both are named."""

        def first() -> type:
            @dataclass
            class Reply:
                tag_id: int | None = refers(Tag)
                id: int | None = auto_key()

            return Reply

        def second() -> type:
            @dataclass
            class Reply:
                tag_id: int | None = refers(Tag)
                id: int | None = auto_key()

            return Reply

        with uncollected():
            for make in (first, second, first):
                model = make()
                self.repo(model)
                self.assertIs(model_relations(Tag)["replies"].model, model)
                del model
            kept = [first(), second()]
            list(map(self.repo, kept))
            names = " and ".join(rf"\S*\.{one}\.<locals>\.Reply\.tag_id" for one in ("first", "second"))
            with self.assertRaisesRegex(RelationError, f"^Tag: {names} both make a relation 'replies'"):
                model_relations(Tag)
            kept.pop()
            self.assertIs(model_relations(Tag)["replies"].model, kept[0])

    async def test_classes_of_one_name_are_told_apart(self) -> None:
        """L1: in the error of two that clash by their modules, where nothing else does."""
        parent, child = self.pair()
        other = self.module(f"""
            from {parent.__module__} import Parent
            @dataclass
            class Child:
                parent_id: int | None = refers(Parent)
                id: int | None = auto_key()
        """).Child
        for model in (child, other):
            self.repo(model)
        names = f"{child.__module__}.Child.parent_id and {other.__module__}.Child.parent_id"
        with self.assertRaisesRegex(RelationError, f"^Parent: {names} both make a relation 'childs'; name them"):
            model_relations(parent)

    async def test_inherited_names(self) -> None:
        """L1 M6: a subclass is named by its own class where its base, a model, has the name that the key states."""
        module = self.module("""
            @dataclass
            class Parent:
                id: int | None = auto_key()
            @dataclass
            class Mixed:
                maker_id: int | None = refers(Parent, related_name="made")
            @dataclass
            class Child(Mixed):
                parent_id: int | None = refers(Parent, related_name="mine")
                half_id: int | None = refers(Parent, related_name="half", one_to_one=True, unique_index=True)
                id: int | None = auto_key()
            @dataclass(slots=True)
            class Elder(Child):
                maker_id: int | None = refers(Parent, related_name="made_by_elders")
                half_id: int | None = None
            @dataclass
            class Eldest(Elder):
                parent_id: int | None = None
        """)
        found = model_relations(module.Parent)
        self.assertEqual(
            {name: (one.model, one.remote_key) for name, one in found.items()},
            {
                "made": (module.Child, "maker_id"),
                "mine": (module.Child, "parent_id"),
                "half": (module.Child, "half_id"),
                "made_by_elders": (module.Elder, "maker_id"),
                "elders": (module.Elder, "parent_id"),
                "eldests": (module.Eldest, "maker_id"),
            },
        )

    async def test_paths_where_they_have_no_place(self) -> None:
        """L1 L7: a path names no field to be written, looked up, or compared by a declared relation."""

        @dataclass
        class Text:
            post_id: int | None = refers(Post)
            id: int | None = auto_key()
            __relations__: ClassVar[Any] = {"up": {"model": Post, "local_key": "post_id", "remote_key": "author.name"}}

        await self.create_tables(Author, Post)
        posts, name = self.repo(Post), "author.name"
        seen = await self.trace()
        for model, call in (
            ("Post", lambda: posts.update_where({name: "x"}, where=C.eq("id", 1))),
            ("Post", lambda: posts.get_or_create(lookup={name: "x"})),
            ("Post", lambda: posts.get_or_create(lookup={"id": 1}, defaults={name: "x"})),
            ("Post", lambda: self.repo(Text).get_related(1, include="up")),
        ):
            text = rf"{model} has no field 'author\.name'; a path over relations has no place here$"
            with self.assertRaisesRegex(ValueError, text):
                await maybe_await(call())
        self.assertEqual(seen, [])

    async def test_models_that_can_not_be_found(self) -> None:
        """L1: the error names the model, the relation, and what its declaration names."""
        for named, error, text in (
            ("Nope", RelationError, "can be found, not 'Nope'$"),
            (3, RelationError, "can be found, not an object of int$"),
            (int, ModelError, "a dataclass, and int is none$"),
        ):

            @dataclass
            class Text:
                id: int | None = auto_key()
                __relations__: ClassVar[Any] = {"up": {"model": named, "local_key": "id", "remote_key": "id"}}

            with self.subTest(named=named), self.assertRaisesRegex(error, f"^Text: up: its model is .*{text}"):
                await maybe_await(self.repo(Text).get_related(1, include="up"))

    async def test_an_unknown_relation_says_how_to_make_it_known(self) -> None:
        """L1 L2 L3: the error names the model, what it has, the nearest name, and the way; no SQL was run."""
        await self.create_tables(Author, Post)
        authors = self.repo(Author)
        seen = await self.trace()
        actions: tuple[Callable[[str], Any], ...] = (
            lambda name: authors.create(Author("Ann"), relations={name: None}),
            lambda name: authors.get_related(1, include=name),
            lambda name: authors.list_related(include=["posts", name]),
            lambda name: authors.list_related(include=f"posts.author.{name}"),
            lambda name: authors.link(Author("Ann", id=1), name, []),
            lambda name: authors.unlink(Author("Ann", id=1), name, []),
        )
        for action in actions:
            with self.assertRaisesRegex(RelationError, "^Unknown relation 'psts' of Author; did you mean 'posts'"):
                await maybe_await(action("psts"))
            with self.assertRaisesRegex(
                ValueError, r"of Author; it has .*posts.*that nothing has used yet is known once .*register"
            ):
                await maybe_await(action("qqq"))
        self.assertEqual(seen, [])


class CascadesContract(Relations):
    """L6: what happens to the objects that refer to a row which is deleted is the database's business."""

    async def test_on_delete(self) -> None:
        """L6: foreign keys are enforced, and `on_delete` cascades, sets NULL, or refuses."""

        @dataclass
        class Owner:
            id: int | None = auto_key()

        @dataclass
        class Taken:
            owner_id: int | None = refers(Owner, on_delete="cascade")
            id: int | None = auto_key()

        @dataclass
        class Orphan:
            owner_id: int | None = refers(Owner, on_delete="set null")
            id: int | None = auto_key()

        @dataclass
        class Guard:
            owner_id: int | None = refers(Owner, on_delete="restrict")
            id: int | None = auto_key()

        await self.create_tables(Owner, Taken, Orphan, Guard)
        hub = self.hub()
        owner = await maybe_await(
            hub.create(Owner(), relations={"takens": [Taken(), Taken()], "orphans": [Orphan()], "guards": [Guard()]})
        )
        with self.assertRaises(IntegrityError):
            await maybe_await(hub.delete(owner))
        self.assertEqual(await maybe_await(hub.count(Taken)), 2)
        await maybe_await(hub.delete_where(Guard, allow_all=True))
        self.assertEqual(await maybe_await(hub.delete(owner)), 1)
        self.assertEqual(await maybe_await(hub.count(Taken)), 0)
        self.assertEqual(await maybe_await(hub.list(Orphan)), [Orphan(None, 1)])

    async def test_a_child_of_nobody_is_refused(self) -> None:
        """L6: a foreign key to a row that is not there is the database's error."""
        with self.assertRaises(ForeignKeyViolation):
            await maybe_await(self.hub().insert(Comment("to nobody", post_id=99)))
        self.assertEqual(self.counts(), {})

    async def test_links_go_with_their_objects(self) -> None:
        """L6: a link cascades where its foreign key says so, and refuses where it does not."""
        hub = self.hub()
        post = await maybe_await(hub.create(Post("a"), relations={"tags": [Tag("x"), Tag("y")]}))
        with self.assertRaises(ForeignKeyViolation):
            await maybe_await(hub.delete_where(Tag, where=C.eq("name", "x")))
        await maybe_await(hub.delete(post))
        self.assertEqual(self.counts(), {"tag": 2})
