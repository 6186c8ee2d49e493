"""Links between objects that are there (L8): `link`, `unlink`."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mini_orm import CodecError, ForeignKeyViolation, QueryError, RelationError, TransactionError, ValidationError
from mini_orm.validation import ValidatedModel
from tests.backends import maybe_await
from tests.contracts.crud import auto_key, pk
from tests.contracts.relations import (
    Author,
    Follow,
    Guest,
    Post,
    Profile,
    Relations,
    Room,
    Stay,
    Tag,
    User,
    refers,
)
from tests.contracts.relations_load import few_values


class LinksContract(Relations):
    """Many-to-many relations of objects that are there."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.post, self.other = Post("a", id=1), Post("b", id=2)
        self.tags = [Tag(name, key) for key, name in enumerate("rgb", 1)]
        await self.stored(self.post, self.other, *self.tags)

    async def link(self, obj: Any, name: str, others: Any) -> int:
        found: int = await maybe_await(self.repo(type(obj)).link(obj, name, others))
        return found

    async def unlink(self, obj: Any, name: str, others: Any) -> int:
        found: int = await maybe_await(self.repo(type(obj)).unlink(obj, name, others))
        return found

    def links(self) -> list[Any]:
        return self.rows("SELECT post_id, tag_id FROM posttag ORDER BY 1, 2")

    async def test_link(self) -> None:
        """L8: it returns how many links are new; those that are there stay as they are."""
        red, green, blue = self.tags
        self.assertEqual(await self.link(self.post, "tags", [red, green]), 2)
        before = self.rows("SELECT mark FROM posttag WHERE tag_id = 1")
        self.assertEqual(await self.link(self.post, "tags", (red, blue, red, blue)), 1)
        self.assertEqual(self.rows("SELECT mark FROM posttag WHERE tag_id = 1"), before)
        self.assertEqual(await self.link(self.post, "tags", self.tags), 0)
        self.assertEqual(self.links(), [(1, 1), (1, 2), (1, 3)])
        self.assertEqual(await self.link(red, "posts", [self.post, self.other]), 1)
        self.assertEqual(self.links(), [(1, 1), (1, 2), (1, 3), (2, 1)])
        self.assertEqual(len(self.rows("SELECT DISTINCT mark FROM posttag WHERE rank = 7")), 4)

    async def test_unlink(self) -> None:
        """L8: it returns how many links there were; others, and the objects, stay."""
        red, green, blue = self.tags
        await self.link(self.post, "tags", [red, green])
        await self.link(self.other, "tags", [red])
        self.assertEqual(await self.unlink(self.post, "tags", [red, blue, red]), 1)
        self.assertEqual(self.links(), [(1, 2), (2, 1)])
        self.assertEqual(await self.unlink(self.post, "tags", [red]), 0)
        self.assertEqual(await self.unlink(red, "posts", (self.other, self.post)), 1)
        self.assertEqual(self.counts(), {"post": 2, "tag": 3, "posttag": 1})

    async def test_only_keys_count(self) -> None:
        """L8: what else the objects have is neither read nor written, and they do not change."""
        post, tag = Post(None, id=2), Tag(None, 3)  # type: ignore[arg-type]  # anything will do
        self.assertEqual(await self.link(post, "tags", [tag]), 1)
        self.assertEqual(await self.unlink(post, "tags", [tag]), 1)
        self.assertEqual((post, tag), (Post(None, id=2), Tag(None, 3)))  # type: ignore[arg-type]  # as above

    async def test_nothing(self) -> None:
        """L8 B1: no others: no SQL, and 0."""
        seen = await self.trace()
        for others in ([], ()):
            self.assertEqual(await self.link(self.post, "tags", others), 0)
            self.assertEqual(await self.unlink(self.post, "tags", others), 0)
        self.assertEqual(seen, [])

    async def test_the_hub(self) -> None:
        """L8 S7: the object says which model it is, or the model is named before it."""
        hub = self.hub()
        self.assertEqual(await maybe_await(hub.link(self.post, "tags", self.tags)), 3)
        self.assertEqual(await maybe_await(hub.unlink(self.post, "tags", self.tags[:2])), 2)
        self.assertEqual(await maybe_await(hub.link(obj=self.tags[0], name="posts", others=[self.other])), 1)
        self.assertEqual(await maybe_await(hub.unlink(Tag, self.tags[0], "posts", [self.other])), 1)
        seen = await self.trace()
        for verb in ("link", "unlink"):
            for wrong, got in (
                (Post, "the class Post"),
                (None, "None"),
                ({"id": 1}, "an object of dict"),
                (1, "an object of int"),
            ):
                text = rf'^{verb} takes an object, {verb}\(post, "tags", \[tag\]\), or the model and .*; got {got}$'
                with self.subTest(verb=verb, wrong=wrong), self.assertRaisesRegex(TypeError, text):
                    await maybe_await(getattr(hub, verb)(wrong, "tags", []))
        self.assertEqual(seen, [])

    async def test_what_is_refused(self) -> None:
        """L8: another kind of relation, an unknown one, no list, other classes, no key: before any SQL."""
        new, tag = Post("new"), self.tags[0]
        wrong: tuple[tuple[Any, Any, Any, type[Exception], str], ...] = (
            (self.post, "tag", [], RelationError, "Unknown relation 'tag' of Post; did you mean 'tags'"),
            (self.post, "", [], TypeError, "a relation of Post is named by text"),
            (self.post, None, [], TypeError, "a relation of Post is named by text"),
            (self.post, "author", [Author("a")], RelationError, "'author' of Post is belongs_to; .* many_to_many"),
            (self.post, "comments", [], RelationError, "'comments' of Post is has_many"),
            (Author("a", id=1), "profile", [Profile()], RelationError, "'profile' of Author is has_one"),
            (self.post, "tags", tag, TypeError, "'tags' of Post expects a sequence .* of Tag, got Tag"),
            (self.post, "tags", {1}, TypeError, "expects a sequence"),
            (self.post, "tags", "rg", TypeError, "expects a sequence"),
            (self.post, "tags", None, TypeError, "expects a sequence"),
            (self.post, "tags", iter([tag]), TypeError, "expects a sequence"),
            (self.post, "tags", [tag, 1], TypeError, "'tags' of Post expects Tag, got int"),
            (self.post, "tags", [tag, self.post], TypeError, "'tags' of Post expects Tag, got Post"),
            (self.post, "tags", [Tag], TypeError, "'tags' of Post expects Tag, got the class Tag"),
            (self.post, "tags", [(tag, {})], TypeError, "'tags' of Post expects Tag, got tuple"),
            (self.post, "tags", [tag, Tag("new")], QueryError, r"the key Tag\.id is None; insert the object first"),
            (new, "tags", [tag], QueryError, r"the key Post\.id is None; insert the object first"),
            (new, "tags", [], QueryError, r"the key Post\.id is None"),
        )
        seen = await self.trace()
        for obj, name, others, error, text in wrong:
            for verb in ("link", "unlink"):
                with self.subTest(verb=verb, text=text), self.assertRaisesRegex(error, text):
                    await maybe_await(getattr(self.repo(type(obj)), verb)(obj, name, others))
        with self.assertRaisesRegex(TypeError, "expects Post objects, got Tag"):
            await maybe_await(self.repo(Post).link(tag, "posts", []))
        bad: Any = object()
        with self.assertRaisesRegex(CodecError, r"^PostTag\.tag_id"):
            await self.link(self.post, "tags", [Tag("t", bad)])
        with self.assertRaisesRegex(QueryError, r"PostTag\.post_id"):
            await self.unlink(Post("p", id=bad), "tags", [tag])
        self.assertEqual(seen, [])

    async def test_validated_links(self) -> None:
        """L8 V4: a link is checked as an object is, before any SQL, and what that changes is stored."""

        @dataclass
        class Film:
            id: int | None = auto_key()

        @dataclass
        class Actor:
            id: int | None = auto_key()

        @dataclass
        class Role(ValidatedModel):
            film_id: int = pk(fk=(Film, "id"))
            actor_id: int = pk(fk=(Actor, "id"), lt=3)
            name: str = field(default="?", metadata={"non_empty": True})
            code: str = ""

            def model_validate(self) -> None:
                self.code = f"{self.film_id}/{self.actor_id}"

        await self.create_tables(Film, Actor, Role)
        actors = [Actor(), Actor(), Actor()]
        await self.stored(Film(), *actors)
        self.assertEqual(await self.link(Film(1), "actors", actors[:2]), 2)
        self.assertEqual(await self.link(actors[0], "films", [Film(1)]), 0)
        self.assertEqual(self.rows("SELECT code, name FROM role ORDER BY code"), [("1/1", "?"), ("1/2", "?")])
        seen = await self.trace()
        with self.assertRaisesRegex(ValidationError, "^Role: actor_id: must be less than 3$"):
            await self.link(Film(1), "actors", actors)
        self.assertEqual(seen, [])

    async def test_objects_that_are_not_there(self) -> None:
        """L8 L6: the database refuses, and makes no link."""
        with self.assertRaises(ForeignKeyViolation):
            await self.link(self.post, "tags", [self.tags[0], Tag("gone", 99)])
        with self.assertRaises(ForeignKeyViolation):
            await self.link(Post("gone", id=99), "tags", self.tags)
        self.assertEqual(self.links(), [])
        self.assert_clean()
        self.assertEqual(await self.unlink(Post("gone", id=99), "tags", [Tag("gone", 99)]), 0)

    async def test_in_a_transaction(self) -> None:
        """L8 R6 X1: on `tx` they belong to it; a read-only one refuses them."""
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                self.assertEqual(await maybe_await(self.repo(Post, tx).link(self.post, "tags", self.tags)), 3)
                self.assertEqual(await self.unlink(self.post, "tags", self.tags[:1]), 1)
                raise ZeroDivisionError
        self.assertEqual(self.links(), [])
        async with self.transaction(read_only=True):
            for verb in (self.link, self.unlink):
                with self.assertRaises(TransactionError):
                    await verb(self.post, "tags", self.tags)

    async def test_many_links(self) -> None:
        """L8 B2: however many: in bulk, and all or none."""
        await maybe_await(self.repo(Tag).insert_many([Tag("t") for _ in range(2000)]))
        tags = await maybe_await(self.repo(Tag).list(order_by="id"))
        seen = await self.trace()
        self.assertEqual(await self.link(self.post, "tags", tags), 2003)
        self.assertLess(len([sql for sql in seen if sql.startswith("INSERT")]), 40)
        self.assertEqual(await self.link(self.post, "tags", tags), 0)
        seen.clear()
        self.assertEqual(await self.unlink(self.post, "tags", tags[1:]), 2002)
        self.assertEqual(
            [sql for sql in seen if not sql.startswith(("DELETE", "PRAGMA"))], [self.backend.begin, "COMMIT"]
        )
        self.assertEqual(self.links(), [(1, 1)])

    async def test_links_that_are_there_twice(self) -> None:
        """L8: a link with a key of its own: linking adds none, unlinking removes all."""
        ann, bob = User("Ann", 1), User("Bob", 2)
        await self.stored(ann, bob, Follow(1, 2), Follow(1, 2), Follow(2, 1))
        self.assertEqual(await self.link(ann, "following", [bob, ann]), 1)
        self.assertEqual(await self.link(ann, "followers", [bob]), 0)
        self.assertEqual(await self.unlink(ann, "following", [bob]), 2)
        self.assertEqual(self.rows("SELECT follower_id, followed_id FROM follow ORDER BY 1"), [(1, 1), (2, 1)])

    async def test_composite_keys(self) -> None:
        """L8: a link is a whole key: parts of two keys are none."""
        rooms = [Room(house, number) for house in "xy" for number in (1, 2)]
        guests = [Guest("g", 1), Guest("h", 2)]
        await self.stored(*rooms, *guests, Stay("x", 2, 1))
        self.assertEqual(await self.link(guests[0], "rooms", [rooms[0], rooms[3]]), 2)
        self.assertEqual(await self.link(guests[0], "rooms", [rooms[0], rooms[1], rooms[2]]), 1)
        self.assertEqual(await self.link(rooms[0], "guests", guests), 1)
        self.assertEqual(await self.unlink(guests[0], "rooms", [rooms[0], rooms[3]]), 2)
        self.assertEqual(await maybe_await(self.repo(Stay).count()), 3)
        self.assertEqual(await self.unlink(rooms[1], "guests", guests), 1)
        rows = self.rows("SELECT house, room_number, guest_id FROM stay ORDER BY 1, 2, 3")
        self.assertEqual(rows, [("x", 1, 2), ("y", 1, 1)])

    async def test_values_that_are_bound_one_by_one(self) -> None:
        """L8: where a database takes few values, links are looked for, made and removed in parts."""
        tags = [Tag("t", key) for key in range(10, 40)]
        guest, rooms = Guest("g", 1), [Room("x", number) for number in range(12)]
        await self.stored(*tags, guest, *rooms)
        few = await self.wrap(await self.backend.connect(), few_values(self.db.dialect))
        posts, guests = self.repo(Post, few), self.repo(Guest, few)
        self.assertEqual(await maybe_await(posts.link(self.post, "tags", tags[:20])), 20)
        self.assertEqual(await maybe_await(posts.link(self.post, "tags", tags)), 10)
        self.assertEqual(await maybe_await(posts.unlink(self.post, "tags", tags[5:])), 25)
        self.assertEqual(len(self.links()), 5)
        self.assertEqual(await maybe_await(guests.link(guest, "rooms", rooms)), 12)
        self.assertEqual(await maybe_await(guests.unlink(guest, "rooms", rooms[1:])), 11)

    async def test_keys_of_other_types(self) -> None:
        """L8: keys are compared as the link has them."""

        @dataclass
        class Left:
            id: uuid.UUID = field(default_factory=uuid.uuid4, metadata={"pk": True})
            __relations__: ClassVar[Any] = {"rights": {"model": "Right", "through": "Both"}}

        @dataclass
        class Right:
            id: bytes = field(metadata={"pk": True})

        @dataclass
        class Both:
            left_id: uuid.UUID | None = refers(Left)  # noqa: RUF009  it is a field
            right_id: bytes | None = refers(Right)
            id: int | None = auto_key()

        await self.create_tables(Left, Right, Both)
        left, rights = Left(), [Right(b"\0"), Right(b"a"), Right(b"")]
        await self.stored(left, *rights)
        self.assertEqual(await self.link(left, "rights", rights[:2]), 2)
        self.assertEqual(await self.link(left, "rights", rights), 1)
        found = await maybe_await(self.repo(Left).get_related(left.id, include="rights"))
        self.assertEqual(found.relations["rights"], [rights[2], rights[0], rights[1]])
        self.assertEqual(await self.unlink(left, "rights", rights[1:]), 2)

    async def test_callers_at_once(self) -> None:
        """L8 X4: of many callers who make one link, one has made it."""
        results = await self.together([lambda: self.link(self.post, "tags", self.tags)] * 12)
        self.assertEqual(sorted(results), [0] * 11 + [3])
        self.assertEqual(len(self.links()), 3)
