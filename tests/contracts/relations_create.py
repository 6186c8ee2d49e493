"""Creating an object together with what it is related to (L2): `create(obj, relations={…})`."""

from __future__ import annotations

import copy
import re
import types
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, ClassVar

import mini_orm
from mini_orm import (
    C,
    CodecError,
    ForeignKeyViolation,
    NotNullViolation,
    QueryError,
    RelatedResult,
    RelationError,
    RelationSpec,
    TransactionError,
    UniqueViolation,
)
from mini_orm.validation import ValidatedModel
from tests.backends import maybe_await
from tests.contracts.crud import auto_key, pk
from tests.contracts.relations import (
    Author,
    Colour,
    Comment,
    Door,
    Follow,
    Guest,
    Line,
    Match,
    Node,
    Order,
    Paint,
    Post,
    PostTag,
    Profile,
    Relations,
    Room,
    Sailor,
    Ship,
    Stay,
    Tag,
    Team,
    User,
    refers,
)

SECRET = "xyzzy"


class CreateContract(Relations):
    """What is stored, and what the objects know afterwards."""

    async def created(self, obj: Any, **relations: Any) -> Any:
        """Create an object by its repository."""
        return await maybe_await(self.repo(type(obj)).create(obj, relations=relations))

    async def test_children(self) -> None:
        """L2: has_many: the row, then its children with their foreign key set, in the order given."""
        author, posts = Author("Ann"), [Post("a"), Post("b"), Post("c")]
        self.assertIs(await self.created(author, posts=posts), author)
        self.assertEqual(author, Author("Ann", None, 1))
        self.assertEqual(posts, [Post("a", 1, 1), Post("b", 1, 2), Post("c", 1, 3)])
        self.assertEqual(await maybe_await(self.repo(Post).list(order_by="id")), posts)
        await self.created(Author("Bob"), posts=(Post("d"),))
        self.assertEqual((await maybe_await(self.repo(Post).get(4))).author_id, 2)

    async def test_parents(self) -> None:
        """L2: belongs_to: the parent is inserted first, and the foreign key set."""
        author, post = Author("Ann"), Post("a")
        self.assertIs(await self.created(post, author=author), post)
        self.assertEqual((author.id, post), (1, Post("a", 1, 1)))
        self.assertEqual(await maybe_await(self.repo(Author).list()), [author])

    async def test_a_parent_that_is_there(self) -> None:
        """L2: a parent whose key is set is linked: it is not inserted, not written, and not read."""
        author = await self.created(Author("Ann"))
        author.name = "never written"
        post = await self.created(Post("a"), author=author)
        self.assertEqual(post, Post("a", 1, 1))
        await self.created(Post("b"), author=Author("whoever", id=1))
        self.assertEqual(self.counts(), {"author": 1, "post": 2})
        self.assertEqual((await maybe_await(self.repo(Author).get(1))).name, "Ann")
        with self.assertRaises(ForeignKeyViolation):
            await self.created(Post("c"), author=Author("nobody", id=99))
        self.assertEqual(self.counts(), {"author": 1, "post": 2})

    async def test_none_is_passed_over(self) -> None:
        """L2: whatever the relation is; a foreign key that is set stays."""
        await self.created(Author("Ann"))
        post = await self.created(Post("a", 1), author=None, comments=None, tags=None)
        self.assertEqual(post, Post("a", 1, 1))
        await self.created(Author("Bob"), posts=[], profile=None)
        self.assertEqual(self.counts(), {"author": 2, "post": 1})

    async def test_has_one(self) -> None:
        """L2: one child, and a second one breaks the index."""
        author = await self.created(Author("Ann"), profile=Profile(text="of Ann"))
        self.assertEqual(await maybe_await(self.repo(Profile).list()), [Profile(author.id, "of Ann", 1)])
        with self.assertRaises(UniqueViolation):
            await self.created(Profile(text="another"), author=author)
        self.assertEqual(self.counts(), {"author": 1, "profile": 1})

    async def test_many_to_many(self) -> None:
        """L2: targets whose key is set are linked, others are inserted; each link once, with its defaults."""
        old = await self.created(Tag("old"))
        tags = [Tag("new"), old, Tag("newer"), old, Tag("old, too", old.id)]
        post = await self.created(Post("a"), tags=tags)
        self.assertEqual([tag.id for tag in tags], [2, 1, 3, 1, 1])
        links = await maybe_await(self.repo(PostTag).list(order_by="tag_id"))
        self.assertEqual([(link.post_id, link.tag_id, link.rank) for link in links], [(1, 1, 7), (1, 2, 7), (1, 3, 7)])
        self.assertEqual(len({link.mark for link in links}), 3)
        found = await maybe_await(self.repo(Post).get_related(post.id, include="tags"))
        self.assertEqual([tag.name for tag in found.relations["tags"]], ["old", "new", "newer"])

    async def test_several_at_once_in_both_directions(self) -> None:
        """L2: parents, children, one and many, links, in whatever order they are named."""
        relations = {
            "tags": [Tag("t")],
            "comments": [Comment("x"), Comment("y")],
            "author": (Author("Ann"), {"profile": Profile()}),
        }
        kept = dict(relations)
        post = await self.created(Post("a"), **relations)
        self.assertEqual(relations, kept)
        self.assertEqual(self.counts(), {"author": 1, "profile": 1, "post": 1, "comment": 2, "tag": 1, "posttag": 1})
        found = await maybe_await(self.repo(Post).get_related(post.id, include=["author.profile", "comments", "tags"]))
        self.assertEqual(
            found.relations["author"], RelatedResult(Author("Ann", None, 1), {"profile": Profile(1, "", 1)})
        )
        self.assertEqual([comment.text for comment in found.relations["comments"]], ["x", "y"])

    async def test_nested(self) -> None:
        """L2: a pair of an object and its relations may stand wherever an object does, however deep."""
        await self.created(
            Author("Ann"),
            posts=[
                (Post("a"), {"comments": [Comment("1"), Comment("2")], "tags": [(Tag("t"), {})]}),
                Post("b"),
                (Post("c"), {"comments": [Comment("3")], "tags": [Tag("u"), Tag("v")]}),
            ],
            profile=(Profile(text="p"), {}),
        )
        found = await maybe_await(self.repo(Author).get_related(1, include=["posts.comments", "posts.tags"]))
        told = [
            (
                post.obj.title,
                [comment.text for comment in post.relations["comments"]],
                [tag.name for tag in post.relations["tags"]],
            )
            for post in found.relations["posts"]
        ]
        self.assertEqual(told, [("a", ["1", "2"], ["t"]), ("b", [], []), ("c", ["3"], ["u", "v"])])

    async def test_below_a_parent_that_is_there(self) -> None:
        """L2: what belongs to a linked object is created; what it would belong to itself can't be."""
        await self.created(Author("Ann"))
        tag = await self.created(Tag("t"))
        ann = Author("Ann", id=1)
        post = await self.created(
            Post("a"), author=(ann, {"profile": Profile(), "posts": [Post("b")]}), tags=[(tag, {"posts": [Post("c")]})]
        )
        self.assertEqual(self.counts(), {"author": 1, "profile": 1, "post": 3, "tag": 1, "posttag": 2})
        self.assertEqual(await maybe_await(self.repo(Post).count(C.eq("author_id", 1))), 2)
        with self.assertRaisesRegex(RelationError, "the key of this Post is set.* 'author' can't be set"):
            await self.created(Comment("x"), post=(post, {"author": Author("Bob")}))
        await self.created(Comment("x"), post=(post, {"author": None, "tags": [tag]}))
        self.assertEqual(self.counts()["posttag"], 2)

    async def test_a_tree_of_one_model(self) -> None:
        """L2: a model that refers to itself, hundreds of levels deep."""
        relations: dict[str, Any] = {}
        for number in range(400, 0, -1):
            relations = {"children": [(Node(str(number)), relations), Node("leaf")]}
        await self.created(Node("0"), parent=Node("up"), **relations)
        self.assertEqual(self.counts(), {"node": 802})
        found = await maybe_await(self.repo(Node).get_related(2, include=["children.children.children", "parent"]))
        self.assertEqual((found.obj.name, found.relations["parent"].name), ("0", "up"))
        names: list[list[str]] = []
        while isinstance(found, RelatedResult):
            below = found.relations.get("children", [])
            names.append([getattr(one, "obj", one).name for one in below])
            found = below[0]
        self.assertEqual(names, [["1", "leaf"], ["2", "leaf"], ["3", "leaf"]])

    async def test_many_to_many_with_itself(self) -> None:
        """L2: both ends are one model; an object may even be linked with the new one."""
        ann = await self.created(User("Ann"))
        bob = await self.created(User("Bob"), following=[ann, User("Cid")], followers=[ann])
        found = await maybe_await(self.repo(User).get_related(bob.id, include=["following", "followers"]))
        self.assertEqual([user.name for user in found.relations["following"]], ["Ann", "Cid"])
        self.assertEqual(found.relations["followers"], [ann])
        self.assertEqual(self.counts(), {"user": 3, "follow": 3})

    async def test_two_keys_to_one_model(self) -> None:
        """L2: each relation sets its own."""
        match = await self.created(Match(), home_team=Team("A"), guest=Team("B"))
        self.assertEqual((match.home_id, match.guest_id), (1, 2))
        await self.created(Team("C"), home_matches=[Match()], away_matches=[Match(), Match()])
        found = await maybe_await(self.repo(Match).list(order_by="id"))
        self.assertEqual([(one.home_id, one.guest_id) for one in found[1:]], [(3, None), (None, 3), (None, 3)])

    async def test_frozen_objects(self) -> None:
        """L2 M5: nothing given is changed; the object comes back new, and `get_related` shows the others."""
        ship, sailors = Ship("Beagle"), [Sailor("Darwin"), Sailor("FitzRoy")]
        made = await self.created(ship, sailors=sailors)
        self.assertEqual((ship, sailors), (Ship("Beagle"), [Sailor("Darwin"), Sailor("FitzRoy")]))
        self.assertEqual(made, Ship("Beagle", 1))
        found = await maybe_await(self.repo(Ship).get_related(1, include="sailors"))
        self.assertEqual(found.relations["sailors"], [Sailor("Darwin", 1, 1), Sailor("FitzRoy", 1, 2)])
        sailor, other = Sailor("Nemo"), Ship("Nautilus")
        made = await self.created(sailor, ship=other)
        self.assertEqual((made, sailor.ship_id, other.id), (Sailor("Nemo", 2, 3), None, None))
        linked = await self.created(Sailor("Aronnax"), ship=Ship("whatever", 2))
        self.assertEqual(linked, Sailor("Aronnax", 2, 4))

    async def test_without_relations(self) -> None:
        """L2 R1: then `create` is `insert`."""
        for relations in (None, {}, types.MappingProxyType({})):
            author = Author("Ann")
            self.assertIs(await maybe_await(self.repo(Author).create(author, relations=relations)), author)
        self.assertEqual(author.id, 3)
        self.assertEqual(await maybe_await(self.repo(Ship).create(Ship("a"), relations={})), Ship("a", 1))

    async def test_the_hub(self) -> None:
        """L2 S7: with the model named, or with the object alone."""
        hub = self.hub()
        await maybe_await(hub.create(Author("Ann"), relations={"posts": [Post("a")]}))
        await maybe_await(hub.create(Author, Author("Bob"), relations={"posts": [Post("b")]}))
        await maybe_await(hub.create(obj=Author("Cid"), relations=None))
        self.assertEqual(self.counts(), {"author": 3, "post": 2})
        for wrong in ((Author,), (Post, Author("x")), ([Author("x")],)):
            with self.assertRaisesRegex(TypeError, r"create\(User\(…\)\)"):
                await maybe_await(hub.create(*wrong, relations={"posts": []}))

    async def test_validated_models(self) -> None:
        """L2 V4: every object that is inserted is checked again, before any SQL."""

        @dataclass
        class Form(ValidatedModel):
            name: str = field(metadata={"non_empty": True})
            author_id: int | None = refers(Author)
            id: int | None = auto_key()

        await self.create_tables(Form)
        form = Form("fine")
        form.name = ""
        seen = await self.trace()
        with self.assertRaises(mini_orm.ValidationError):
            await self.created(Author("Ann"), forms=[Form("good"), form])
        with self.assertRaises(mini_orm.ValidationError):
            await self.created(form, author=Author("Ann"))
        self.assertEqual(seen, [])
        form.name = "good, too"
        await self.created(Author("Ann"), forms=[Form("good"), form])
        self.assertEqual(form.author_id, 1)

    async def test_what_model_validate_changes(self) -> None:
        """L2 V4: it is stored, of whatever is inserted, as `insert` does; what is only linked is not checked."""

        class Neat(ValidatedModel):
            def model_validate(self) -> None:
                self.name = self.name.strip()

        @dataclass
        class House(Neat):
            name: str = ""
            id: int | None = auto_key()

        @dataclass
        class Owner(Neat):
            name: str = ""
            house_id: int | None = refers(House)
            id: int | None = auto_key()

        @dataclass
        class Pet(Neat):
            name: str = ""
            code: str | None = field(default=None, metadata={"pk": True})
            owner_id: int | None = refers(Owner)

            def model_validate(self) -> None:
                super().model_validate()
                self.code = self.name.upper()

        @dataclass
        class Toy(Neat):
            name: str = ""
            id: int | None = auto_key()

        @dataclass
        class PetToy:
            pet_code: str = pk(fk=(Pet, "code"))
            toy_id: int = pk(fk=(Toy, "id"))

        await self.create_tables(House, Owner, Pet, Toy, PetToy)
        there = await maybe_await(self.repo(Toy).insert(Toy("ball")))
        owner, house, toys = Owner(), House(), [there, Toy(), Toy()]
        pet, other = Pet("rex"), Pet("kim")
        for obj in (owner, house, pet, *toys):
            obj.name = f" {obj.name or type(obj).__name__} "
        await self.created(owner, house=house, pets=[(pet, {"toys": toys}), other])
        self.assertEqual((owner.name, house.name, pet.name, toys[1].name), ("Owner", "House", "rex", "Toy"))
        self.assertEqual(there.name, " ball ")
        for obj in (owner, house, other, *toys[1:]):
            key = obj.code if obj is other else obj.id
            self.assertEqual(await maybe_await(self.repo(type(obj)).get(key)), obj)
        found = await maybe_await(self.repo(Pet).get_related("REX", include="toys"))
        self.assertEqual(found, RelatedResult(pet, {"toys": [Toy("ball", 1), *toys[1:]]}))

    async def test_validated_links(self) -> None:
        """L2 V4: a link is checked as an object is, with its keys, and what that changes is stored."""
        made: list[tuple[Any, ...]] = []

        @dataclass
        class Player(ValidatedModel):
            name: str
            id: int | None = auto_key()
            __relations__: ClassVar[Any] = {
                "rivals": {"model": "Player", "through": "Game", "local_key": "home_id", "remote_key": "guest_id"}
            }

        @dataclass
        class Game(ValidatedModel):
            home_id: int = pk(fk=(Player, "id"), related_name="home_games", ge=1)
            guest_id: int = pk(fk=(Player, "id"), related_name="guest_games", ge=1)
            place: str = field(default=" here ", metadata={"max_len": 6})

            def model_validate(self) -> None:
                made.append((self.home_id, self.guest_id, self.place))
                self.place = self.place.strip()
                if self.home_id == self.guest_id or self.guest_id == 99:
                    raise ValueError("refused by Game")

        await self.create_tables(Player, Game)
        ann, bob, eve = await self.created(Player("Ann")), Player("Bob"), Player("Eve")
        await self.created(eve, rivals=[ann, bob])
        games = self.rows("SELECT home_id, guest_id, place FROM game ORDER BY guest_id")
        self.assertEqual(games, [(eve.id, ann.id, "here"), (eve.id, bob.id, "here")])
        self.assertLessEqual({(eve.id, ann.id, " here "), (eve.id, bob.id, " here ")}, set(made))
        seen = await self.trace()
        text = "^Game: refused by Game$"
        for obj, rivals in ((Player("Dan", 9), [Player("", 9)]), (Player("Dan", 9), [ann, Player("", 99)])):
            with self.assertRaisesRegex(mini_orm.ValidationError, text):
                await self.created(obj, rivals=rivals)
        self.assertEqual(seen, [])
        new = Player("Dan")
        with self.assertRaisesRegex(mini_orm.ValidationError, text):
            await self.created(new, rivals=[Player("Kim"), ann, Player("", 99)])
        self.assertIsNone(new.id)
        self.assertEqual(self.counts(), {"player": 3, "game": 2})


class CreateKeysContract(Relations):
    """Which values foreign keys get."""

    created = CreateContract.created

    async def test_keys_that_are_given(self) -> None:
        """L2 M8: an explicit key is used as given, of the row and of its children."""
        author = await self.created(Author("Ann", id=70), posts=[Post("a", id=5), Post("b"), Post("c", id=3)])
        self.assertEqual(author.id, 70)
        posts = await maybe_await(self.repo(Post).list(order_by="title"))
        self.assertEqual([(post.title, post.author_id) for post in posts], [("a", 70), ("b", 70), ("c", 70)])
        self.assertEqual((posts[0].id, posts[2].id), (5, 3))

    async def test_a_foreign_key_that_was_set(self) -> None:
        """L2: it says now what the relation says; whatever was there, and of whatever type."""
        ann = await self.created(Author("Ann"))
        post = Post("a", ann.id)
        await self.created(Author("Bob"), posts=[post, Post("b", "no number")])  # type: ignore[arg-type]  # overwritten
        self.assertEqual(post.author_id, 2)
        self.assertEqual(await maybe_await(self.repo(Post).count(C.eq("author_id", 2))), 2)

    async def test_composite_keys(self) -> None:
        """L2: all parts are set, in both directions."""
        line = Line(None, None, "x")
        await self.created(Order("a", 1), lines=[line, Line("b", 7, "y")])
        self.assertEqual(line, Line("a", 1, "x", 1))
        other = await self.created(Line(None, None, "z"), order=Order("a", 1))
        self.assertEqual(other, Line("a", 1, "z", 3))
        self.assertEqual(self.counts(), {"order": 1, "line": 3})
        room = await self.created(Room("x", 1), guests=[Guest("g"), Guest("h")])
        self.assertEqual(
            await maybe_await(self.repo(Stay).list(order_by="guest_id")), [Stay("x", 1, 1), Stay("x", 1, 2)]
        )
        await self.created(Guest("i"), rooms=[room])
        self.assertEqual(self.counts()["stay"], 3)

    async def test_composite_keys_that_overlap(self) -> None:
        """L2: two relations may set one field, to one value."""
        for cls in (Author2, Team2, Move):
            await self.create_tables(cls)
        author, team = Author2(5, 1), Team2(5, 2)
        await self.stored(author, team, Team2(6, 2))
        move = Move()
        await self.created(move, author=author, team=team)
        self.assertEqual(move, Move(5, 1, 2, 1))
        child = Move()
        await self.created(Author2(6, 3), moves=[(child, {"team": Team2(6, 2)})])
        self.assertEqual(child, Move(6, 3, 2, 2))
        self.assertEqual(await maybe_await(self.repo(Move).list(order_by="id")), [move, child])
        seen = await self.trace()
        for relations in ({"author": author, "team": Team2(6, 2)}, {"team": Team2(6, 2), "author": author}):
            with self.assertRaisesRegex(RelationError, r"^create: two relations set Move\.tenant to different values"):
                await self.created(Move(), **relations)
        self.assertEqual(seen, [])

    async def test_an_enum_on_one_side(self) -> None:
        """L2 T10: each side gets what its own field is."""
        door = Door()
        await self.created(Paint(Colour.BLUE), doors=[door])
        self.assertEqual(door.colour, "b")

        @dataclass
        class Wall:
            colour: Colour | None = refers(Label, "text", relation="label")  # noqa: RUF009  it is a field
            id: int | None = auto_key()

        await self.create_tables(Label, Wall)
        await self.stored(Label("r"))
        wall = await self.created(Wall(), label=Label("r"))
        self.assertIs(wall.colour, Colour.RED)
        with self.assertRaisesRegex(CodecError, r"^Wall\.colour"):
            await self.created(Wall(), label=Label(SECRET))

    async def test_a_key_that_is_not_the_primary_key(self) -> None:
        """L2: a foreign key may refer to any unique field; the referred value has to be there."""

        @dataclass
        class Letter:
            to: str | None = refers(Author, "email", relation="recipient")
            id: int | None = auto_key()

        await self.create_tables(Letter)
        letter = await self.created(Letter(), recipient=Author("Ann", "ann@x"))
        self.assertEqual(letter.to, "ann@x")
        again = await self.created(Letter(), recipient=Author("Ann", "ann@x", id=1))
        self.assertEqual(again.to, "ann@x")
        seen = await self.trace()
        for author in (Author("Bob"), Author("Bob", id=1)):
            with self.assertRaisesRegex(RelationError, r"Author\.email is None, and Letter\.to refers to it"):
                await self.created(Letter(), recipient=author)
        with self.assertRaisesRegex(RelationError, r"Author\.email is None"):
            await self.created(Author("Bob"), letters=[Letter()])
        self.assertEqual(seen, [])

    async def test_a_key_of_the_database(self) -> None:
        """L2 M9: a referred value that a server default fills in is read back, and passed on."""

        @dataclass
        class Box:
            code: str | None = field(default=None, metadata={"unique_index": True, "server_default": "'made'"})
            id: int | None = auto_key()

        @dataclass
        class Content:
            box_code: str | None = refers(Box, "code")
            id: int | None = auto_key()

        await self.create_tables(Box, Content)
        content = await self.created(Content(), box=Box())
        self.assertEqual(content.box_code, "made")

    async def test_a_foreign_key_that_is_the_key(self) -> None:
        """L2: also where a third row refers to that one."""

        @dataclass
        class Base:
            id: int | None = auto_key()

        @dataclass
        class Part:
            base_id: int | None = pk(fk=(Base, "id"), one_to_one=True)

        @dataclass
        class Piece:
            part_id: int | None = pk(fk=(Part, "base_id"), one_to_one=True)

        await self.create_tables(Base, Part, Piece)
        part, piece = Part(None), Piece(None)
        await self.created(Base(), part=(part, {"piece": piece}))
        self.assertEqual((part.base_id, piece.part_id), (1, 1))
        up = await self.created(Piece(None), part=(Part(None), {"base": Base()}))
        self.assertEqual(up.part_id, 2)
        with self.assertRaisesRegex(QueryError, r"^create: the key Part\.base_id is None"):
            await self.created(Part(None), piece=Piece(None))

    async def test_a_key_that_the_class_makes(self) -> None:
        """L2: an object with a key of its own making is new as a child, and is there as a parent."""

        @dataclass
        class Owner:
            id: uuid.UUID = field(default_factory=uuid.uuid4, metadata={"pk": True})

        @dataclass
        class Thing:
            owner_id: uuid.UUID | None = refers(Owner)  # noqa: RUF009  it is a field
            id: uuid.UUID = field(default_factory=uuid.uuid4, metadata={"pk": True})

        await self.create_tables(Owner, Thing)
        owner = await self.created(Owner(), things=[Thing(), Thing()])
        thing = await self.created(Thing(), owner=owner)
        self.assertEqual(thing.owner_id, owner.id)
        with self.assertRaises(ForeignKeyViolation):
            await self.created(Thing(), owner=Owner())
        self.assertEqual(self.counts(), {"owner": 1, "thing": 3})

    async def test_fields_of_a_link(self) -> None:
        """L2: a link's other fields get their defaults; a field without one is named, before any SQL."""

        @dataclass
        class Film:
            id: int | None = auto_key()
            __relations__: ClassVar[Any] = {
                "cast": {"model": "Actor", "through": "Role"},
                "crew": {"model": "Actor", "through": "Job"},
            }

        @dataclass
        class Actor:
            id: int | None = auto_key()

        @dataclass
        class Role:
            film_id: int = field(metadata={"fk": (Film, "id")})
            actor_id: int = field(metadata={"fk": (Actor, "id")})
            since: datetime = field(default_factory=lambda: datetime.now(UTC), metadata={"timezone": True})
            state: str | None = field(default=None, metadata={"server_default": "'new'"})
            computed: str = field(default="x", init=False)
            no_column: object = field(init=False, metadata={"column": False})
            id: int | None = auto_key()

            def __post_init__(self) -> None:
                raise AssertionError("no object is made of a link")

        @dataclass
        class Job:
            film_id: int = pk(fk=(Film, "id"))
            actor_id: int = pk(fk=(Actor, "id"))
            what: str | None = field()

        await self.create_tables(Film, Actor, Role, Job)
        await self.created(Film(), cast=[Actor(), Actor()])
        rows = self.rows("SELECT film_id, actor_id, state, computed, id FROM role")
        self.assertEqual(rows, [(1, 1, "new", "x", 1), (1, 2, "new", "x", 2)])
        seen = await self.trace()
        text = "^the relation 'crew' of Film needs more than two keys: Job.what has no default; insert objects of Job"
        with self.assertRaisesRegex(RelationError, text):
            await self.created(Film(), crew=[Actor()])
        with self.assertRaisesRegex(RelationError, text):
            await maybe_await(self.repo(Film).link(Film(1), "crew", [Actor(1)]))
        self.assertEqual(seen, [])
        self.assertEqual(await maybe_await(self.repo(Film).unlink(Film(1), "crew", [Actor(1)])), 0)


@dataclass
class Author2:
    """A key that has a part in common with others."""

    tenant: int = pk()
    number: int = pk()


@dataclass
class Team2:
    tenant: int = pk()
    number: int = pk()


@dataclass
class Move:
    tenant: int | None = None
    author_number: int | None = None
    team_number: int | None = None
    id: int | None = auto_key()

    __relations__: ClassVar[Any] = {
        "author": RelationSpec("author", Author2, ("tenant", "author_number"), ("tenant", "number")),
        "team": RelationSpec("team", Team2, ("tenant", "team_number"), ("tenant", "number")),
    }


Author2.__relations__ = {  # type: ignore[attr-defined]  # as a class that stands after it would be declared
    "moves": RelationSpec("moves", Move, ("tenant", "number"), ("tenant", "author_number"), many=True)
}


@dataclass
class Label:
    text: str = pk()


class Watched:
    """Tells of each attribute that is read or set while the connection is in a transaction."""

    told: ClassVar[list[str]] = []
    db: ClassVar[Any] = None

    def __getattribute__(self, name: str) -> Any:
        Watched.tell(name)
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        Watched.tell(name)
        super().__setattr__(name, value)

    @staticmethod
    def tell(name: str) -> None:
        if Watched.db is not None and Watched.backend.in_transaction(Watched.db.conn) and not name.startswith("__"):
            Watched.told.append(name)


@dataclass
class WatchedOwner(Watched):
    name: str
    id: int | None = auto_key()


@dataclass
class WatchedChild(Watched):
    owner_id: int | None = refers(WatchedOwner, related_name="children")
    id: int | None = auto_key()


class CreateTransactionsContract(Relations):
    """All or nothing."""

    created = CreateContract.created

    def family(self) -> tuple[Post, dict[str, Any], list[Any]]:
        """Return an object, its relations, and all new objects in them."""
        author, profile, tag = Author("Ann", "ann@x"), Profile(), Tag("t")
        post, comments = Post("a"), [Comment("x"), Comment("y")]
        relations = {"tags": [tag], "comments": comments, "author": (author, {"profile": profile})}
        return post, relations, [post, author, profile, tag, *comments]

    async def test_one_transaction(self) -> None:
        """L2 R6: BEGIN, parents, the row, children, links, COMMIT; of links the objects before the rows between."""
        post, relations, _ = self.family()
        seen = await self.trace()
        await self.created(post, **relations)
        written = [
            re.split('["`]', sql)[1] if sql.startswith("INSERT") else sql
            for sql in seen
            if not sql.startswith(("SELECT", "WITH", "PRAGMA"))
        ]
        expected = ["author", "profile", "post", "comment", "tag", "posttag"]
        written = [sql for sql, _ in groupby(written)]  # the comments are one statement, or two
        self.assertEqual(written, [self.backend.begin, *expected, "COMMIT"])
        # New ends have no links yet, so none are looked for; and the key of one row is not reserved.
        looks = [sql for sql in seen if sql.startswith("SELECT") and not re.search("comment|nextval", sql)]
        self.assertEqual(looks, [])

    async def test_inside_a_transaction(self) -> None:
        """L2 R6 X1: it is a savepoint; what fails inside leaves the rest."""
        async with self.transaction() as tx:
            posts = self.repo(Post, tx)
            post, relations, _ = self.family()
            seen = await self.trace()
            await maybe_await(posts.create(post, relations=relations))
            self.assertTrue(seen[0].startswith("SAVEPOINT") and seen[-1].startswith("RELEASE"))
            self.assertNotIn("COMMIT", seen)
            other, relations, objects = self.family()
            with self.assertRaises(UniqueViolation):
                await maybe_await(posts.create(other, relations=relations))
            self.assertTrue(all(obj.id is None for obj in objects))
            await maybe_await(self.repo(Tag, tx).insert(Tag("after")))
        self.assertEqual(self.counts(), {"author": 1, "profile": 1, "post": 1, "comment": 2, "tag": 2, "posttag": 1})

    async def test_a_failure_leaves_nothing(self) -> None:
        """L2 R6: neither rows nor keys on objects; the connection is clean, and the same objects can be tried again."""
        await self.stored(Author("Bob", "ann@x"))
        before = self.counts()
        post, relations, objects = self.family()
        kept = copy.deepcopy(objects)
        with self.assertRaises(UniqueViolation):
            await self.created(post, **relations)
        self.assertEqual((objects, self.counts()), (kept, before))
        self.assert_clean()
        relations["author"][0].email = "other@x"
        relations["tags"].append(Tag("missing", id=99))
        kept = copy.deepcopy(objects)
        with self.assertRaises(ForeignKeyViolation):  # by the very last row
            await self.created(post, **relations)
        self.assertEqual((objects, self.counts()), (kept, before))
        relations["tags"].pop()
        await self.created(post, **relations)
        self.assertTrue(all(obj.id is not None for obj in objects))

    async def test_a_null_that_is_refused(self) -> None:
        """L2: a child's own mistake undoes the parent, too."""

        @dataclass
        class Strict:
            text: str
            author_id: int | None = refers(Author)
            id: int | None = auto_key()

        await self.create_tables(Strict)
        author = Author("Ann")
        with self.assertRaises(NotNullViolation):
            await self.created(author, stricts=[Strict("fine"), Strict(None)])  # type: ignore[arg-type]  # the mistake
        self.assertIsNone(author.id)
        self.assertEqual(self.counts(), {})

    async def test_read_only(self) -> None:
        """L2 X1: a transaction that may not write is told so."""
        async with self.transaction(read_only=True) as tx:
            with self.assertRaises(TransactionError):
                await maybe_await(self.repo(Author, tx).create(Author("a"), relations={"posts": [Post("p")]}))
        self.assertEqual(self.counts(), {})

    async def test_children_are_inserted_in_bulk(self) -> None:
        """L2 B2: of one path all at once, whoever they belong to."""
        seen = await self.trace()
        posts = [
            (Post(str(n)), {"comments": [Comment(str(m)) for m in range(10)], "tags": [Tag("t")]}) for n in range(400)
        ]
        await self.created(Author("Ann"), posts=posts)
        inserts = [sql for sql in seen if sql.startswith("INSERT")]
        self.assertLess(len(inserts), 1 + 2 + 20 + 2 + 2 + 1)
        self.assertEqual(self.counts(), {"author": 1, "post": 400, "comment": 4000, "tag": 400, "posttag": 400})
        for post, relations in posts:
            self.assertEqual({comment.post_id for comment in relations["comments"]}, {post.id})
        pairs = self.rows(
            "SELECT title, text, tag_id, t.post_id FROM post p JOIN comment c ON c.post_id = p.id "
            "JOIN posttag t ON t.post_id = p.id WHERE text = '7' ORDER BY p.id"
        )
        self.assertEqual(pairs, [(str(n), "7", n + 1, n + 1) for n in range(400)])

    async def test_no_code_of_a_model_runs_inside(self) -> None:
        """L2: attributes are read before BEGIN and set after COMMIT."""
        await self.create_tables(WatchedOwner, WatchedChild)
        Watched.db, Watched.backend = self.db, self.backend
        self.addCleanup(setattr, Watched, "db", None)
        Watched.told.clear()
        owner, children = WatchedOwner("o"), [WatchedChild(), WatchedChild()]
        await self.created(owner, children=children)
        await self.created(WatchedChild(), owner=WatchedOwner("p"))
        await self.created(WatchedChild(), owner=owner)
        self.assertEqual(Watched.told, [])
        self.assertEqual([child.owner_id for child in children], [1, 1])

    async def test_callers_at_once(self) -> None:
        """L2 X4: each caller's children are its own."""

        async def create(number: int) -> None:
            name = str(number)
            posts = [(Post(name), {"comments": [Comment(name)]}) for _ in range(5)]
            await self.created(Author(name), posts=posts)

        results = await self.together([lambda number=number: create(number) for number in range(8)])
        self.assertEqual(results, [None] * 8)
        rows = self.rows(
            "SELECT DISTINCT name = title AND title = text FROM author a JOIN post p ON p.author_id = a.id "
            "JOIN comment c ON c.post_id = p.id"
        )
        self.assertEqual(rows, [(1,)])
        self.assertEqual(self.counts(), {"author": 8, "post": 40, "comment": 40})


class CreateErrorsContract(Relations):
    """What is refused, before any SQL."""

    async def refused(self, obj: Any, relations: Any, error: type[Exception], text: str) -> None:
        """Assert that a `create` is refused, that nothing was run, and that no object was changed."""
        objects = [obj, *_objects(relations)]
        kept = copy.deepcopy(objects)
        seen = await self.trace()
        with self.subTest(text=text), self.assertRaisesRegex(error, text) as caught:
            await maybe_await(self.repo(type(obj)).create(obj, relations=relations))
        self.assertNotIn(SECRET, str(caught.exception))
        self.assertEqual(seen, [])
        self.assertEqual(objects, kept)

    async def test_unknown_relations(self) -> None:
        """L2: "Unknown relation", at whatever depth, also for nothing to create."""
        text = "^Unknown relation 'post' of Author; did you mean 'posts'"
        for value in ([Post("a")], None, [], SECRET):
            await self.refused(Author("a"), {"post": value}, RelationError, text)
        await self.refused(Post("a"), {"author": (Author("a"), {"post": None})}, RelationError, text)
        for name, got in ((None, "NoneType"), (3, "int"), ("", "an empty one")):
            text = f"^a relation of Author is named by text that is not empty, got {got}$"
            await self.refused(Author("a"), {name: []}, TypeError, text)
        text = r"^Unknown relation 'posts\.comments' of Author"
        await self.refused(Author("a"), {"posts.comments": []}, RelationError, text)

    async def test_what_is_no_sequence(self) -> None:
        """L2: many are given as a list or a tuple."""
        text = r"^the relation 'posts' of Author expects a sequence \(a list or a tuple\) of Post, got "
        one = Post(SECRET)
        values = (one, SECRET, {"a": one}, {1}, iter([one]), (one for one in [one]), 3, Post, b"x")
        for value in values:
            seen = await self.trace()
            with self.subTest(value=type(value)), self.assertRaisesRegex(TypeError, text):
                await maybe_await(self.repo(Author).create(Author("a"), relations={"posts": value}))
            self.assertEqual(seen, [])
        await self.refused(Post("a"), {"tags": Tag("t")}, TypeError, "'tags' of Post expects a sequence")

    async def test_objects_of_another_class(self) -> None:
        """L2: exactly the relation's model: no subclass, no class, no mapping, no `None`."""

        @dataclass
        class Post2(Post):
            pass

        for value, got in (
            (Author(SECRET), "Author"),
            (Post2("a"), "Post2"),
            (Post, "the class Post"),
            ({"title": SECRET}, "dict"),
            (None, "NoneType"),
            (SECRET, "str"),
            ([Post("a")], "list"),
        ):
            text = f"^the relation 'posts' of Author expects Post, got {got}$"
            await self.refused(Author("a"), {"posts": [Post("a"), value]}, TypeError, text)
        for value, got in ((Post("a"), "Post"), ([Author("a")], "list"), (3, "int"), ([], "list"), ("", "str")):
            for obj, name, text in (
                (Post("a"), "author", "'author' of Post expects Author"),
                (Author("a"), "profile", "'profile' of Author expects Profile"),
            ):
                await self.refused(obj, {name: value}, TypeError, f"^the relation {text}, got {got}$")
        made = dataclass(type("Post", (), {"__annotations__": {"title": str}, "title": "x"}))
        text = "expects Post, got an object of another class Post"
        await self.refused(Author("a"), {"posts": [made()]}, TypeError, text)
        with self.assertRaisesRegex(TypeError, "expects Author objects, got Post"):
            await maybe_await(self.repo(Author).create(Post("a"), relations={"posts": []}))

    async def test_pairs(self) -> None:
        """L2: a pair is an object and a mapping of its relations."""
        post = Post("a")
        text = "^the relation 'posts' of Author expects Post, or a pair of one and its relations; got a tuple of "
        for wrong, size in (((post,), 1), ((post, {}, {}), 3), ((), 0)):
            await self.refused(Author("a"), {"posts": [wrong]}, TypeError, f"{text}{size}")
        for given, got in (([], "list"), (None, "NoneType"), ("tags", "str"), (post, "Post")):
            text = f"^the relations of this Post must be a mapping of names to objects, got {got}"
            await self.refused(Author("a"), {"posts": [(Post("b"), given)]}, TypeError, text)
        await self.refused(Author("a"), {"posts": [({}, post)]}, TypeError, "expects Post, got dict")
        await self.refused(Author("a"), {"posts": [[post, {}]]}, TypeError, "expects Post, got list")
        await self.refused(Author("a"), {"posts": (post, {"tags": []})}, TypeError, "expects Post, got dict")
        await self.refused(post, {"author": (Author("a"), 1)}, TypeError, "the relations of this Author must be")

    async def test_what_is_no_mapping(self) -> None:
        """L2: `relations` is a mapping, or `None`."""
        for wrong in ([], "posts", [("posts", [])], {"posts"}, 3, Post("a")):
            text = "^create: relations must be a mapping of names to objects, got "
            await self.refused(Author("a"), wrong, TypeError, text)

    async def test_an_object_twice(self) -> None:
        """L2: it can be inserted once; frozen ones, too; what is there may be linked often."""
        post, author, tag, sailor = Post("a"), Author("a"), Tag("t"), Sailor("s")
        for obj, relations in (
            (Author("a"), {"posts": [post, Post("b"), post]}),
            (Author("a"), {"posts": [post, (Post("b"), {"author": None, "tags": [(Tag("t"), {"posts": [post]})]})]}),
            (author, {"posts": [(post, {"tags": [tag]}), (Post("b"), {"tags": [tag]})]}),
            (Match(), {"home_team": (team := Team("t")), "guest": team}),
            (node := Node("n"), {"children": [node]}),
            (node, {"parent": node}),
            (Ship("s"), {"sailors": [sailor, sailor]}),
        ):
            text = "^create: an object of .* is there twice"
            await self.refused(obj, relations, RelationError, text)
        there = await maybe_await(self.repo(Team).insert(Team("there")))
        match = await maybe_await(self.repo(Match).create(Match(), relations={"home_team": there, "guest": there}))
        self.assertEqual((match.home_id, match.guest_id), (1, 1))

    async def test_circles(self) -> None:
        """L2: relations that lead into themselves come to an end, also where nothing is inserted."""
        nodes: dict[str, Any] = {}
        nodes["children"] = [(Node("a"), nodes)]
        posts: dict[str, Any] = {}
        posts["tags"] = [(Tag("t", 1), {"posts": [(Post("p", id=1), posts)]})]
        for obj, relations in ((Node("root"), nodes), (Post("a"), posts)):
            seen = await self.trace()
            with self.assertRaisesRegex(RelationError, "is there twice"):
                await maybe_await(self.repo(type(obj)).create(obj, relations=relations))
            self.assertEqual(seen, [])

    async def test_two_relations_that_set_one_key(self) -> None:
        """L2: it can have one value."""
        text = r"^create: two relations set Post\.author_id; give one of them"
        relations = {"posts": [(Post("p"), {"author": Author("b")})]}
        await self.refused(Author("a"), relations, RelationError, text)

    async def test_values_of_the_wrong_type(self) -> None:
        """L2 T0: in any of the objects, also in a key that others take."""
        bad: Any = object()
        for obj, relations, where in (
            (Author(bad), {"posts": []}, "Author.name"),
            (Author("a"), {"posts": [Post("b"), Post(bad)]}, "Post.title"),
            (Author("a"), {"posts": [(Post("b"), {"comments": [Comment("c"), Comment(bad)]})]}, "Comment.text"),
            (Comment("c"), {"post": (Post("p"), {"author": Author(bad)})}, "Author.name"),
            (Post("p"), {"tags": [Tag(bad)]}, "Tag.name"),
            (Post("p"), {"author": Author("a", id=bad)}, "Post.author_id"),
            (Post("p"), {"tags": [Tag("t", bad)]}, "PostTag.tag_id"),
            (Author("a", id=bad), {"posts": [Post("p")]}, "Author.id"),
        ):
            seen = await self.trace()
            with self.subTest(where=where), self.assertRaisesRegex(CodecError, f"^{where}: expected"):
                await maybe_await(self.repo(type(obj)).create(obj, relations=relations))
            self.assertEqual(seen, [])

    async def test_keys_that_are_missing(self) -> None:
        """L2 M8: a key that the database does not make has to be there."""
        text = r"^create: the key Order\.number is None"
        await self.refused(Line("a", 1, "x"), {"order": Order("a", None)}, QueryError, text)  # type: ignore[arg-type]  # the mistake
        await self.refused(Follow(), {"follower": User("a"), "x": None}, RelationError, "Unknown relation 'x'")


def _objects(value: Any) -> list[Any]:
    """Return the objects of models that stand somewhere in relations."""
    if isinstance(value, dict):
        return [obj for one in value.values() for obj in _objects(one)]
    if isinstance(value, list | tuple):
        return [obj for one in value for obj in _objects(one)]
    return [value] if hasattr(value, "__dataclass_fields__") and not isinstance(value, type) else []
