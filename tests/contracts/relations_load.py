"""Loading what objects are related to (L3 to L5): `get_related`, `list_related`."""

from __future__ import annotations

import contextlib
import enum
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

import mini_orm
from mini_orm import C, CodecError, NotRegisteredError, QueryError, RelatedResult, RelationError
from tests.backends import maybe_await, needs
from tests.contracts.crud import auto_key, pk
from tests.contracts.registration import Schemas
from tests.contracts.relations import (
    Author,
    Colour,
    Comment,
    Door,
    Follow,
    Guest,
    Line,
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
    User,
    refers,
)


def few_values(dialect: mini_orm.Dialect, params: int = 7) -> mini_orm.Dialect:
    """Return the dialect of a database that binds each value of a list by itself, and few of them."""
    made: mini_orm.Dialect = type("Few", (type(dialect),), {"max_in_list": None, "max_params": params})()
    return made


class Blog(Relations):
    """Rows of a small blog; a part of the contracts."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        ann, bob, cid = (Author(name, id=key) for key, name in enumerate(["Ann", "Bob", "Cid"], 1))
        # In the order of their keys nothing is in the order of its rows.
        posts = [Post("d", 1, 9), Post("b", 1, 3), Post("c", 2, 4), Post("a", None, 1), Post("e", 1, 5)]
        comments = [Comment("z", 3, 7), Comment("y", 9, 2), Comment("x", 3, 1), Comment("w", None, 4)]
        tags = [Tag("red", 8), Tag("green", 2), Tag("blue", 5)]
        links = [PostTag(3, 8), PostTag(3, 2), PostTag(9, 8), PostTag(4, 5), PostTag(1, 8)]
        await self.stored(ann, bob, cid, *posts, *comments, *tags, *links, Profile(2, "of Bob"))
        self.authors, self.posts, self.tags = self.repo(Author), self.repo(Post), self.repo(Tag)

    async def listed(self, repo: Any, **arguments: Any) -> list[Any]:
        """Return `list_related` in the order of the keys."""
        found: list[Any] = await maybe_await(repo.list_related(order_by="id", **arguments))
        return found


class LoadContract(Blog):
    """What relations lead to."""

    async def test_belongs_to(self) -> None:
        """L4 L5: an object; `None` where the key is NULL; one parent of many rows is one object."""
        found = await self.listed(self.posts, include="author")
        self.assertEqual([type(one) for one in found], [RelatedResult] * 5)
        self.assertEqual([one.obj.id for one in found], [1, 3, 4, 5, 9])
        authors = [one.relations["author"] for one in found]
        ann, bob = Author("Ann", None, 1), Author("Bob", None, 2)
        self.assertEqual(authors, [None, ann, bob, ann, ann])
        self.assertIs(authors[1], authors[3])
        self.assertIs(authors[1], authors[4])

    @needs("supports_dangling_keys")
    async def test_a_dangling_key(self) -> None:
        """L4: a foreign key to a row that is gone leads to `None`."""
        with self.backend.raw() as conn:  # which does not enforce foreign keys
            conn.execute("DELETE FROM author WHERE id = 1")
        found = await self.listed(self.posts, include="author")
        self.assertEqual(
            [one.relations["author"] and one.relations["author"].id for one in found], [None, None, 2, None, None]
        )
        self.assertEqual([one.obj.author_id for one in found], [None, 1, 2, 1, 1])

    async def test_has_many(self) -> None:
        """L4 L5: a list in the order of the keys; `[]` where there is none."""
        found = await self.listed(self.authors, include=["posts"])
        self.assertEqual([[post.id for post in one.relations["posts"]] for one in found], [[3, 5, 9], [4], []])
        self.assertEqual(found[0].relations["posts"][0], Post("b", 1, 3))
        found[2].relations["posts"].append("mine")
        self.assertEqual((await self.listed(self.authors, include=["posts"]))[2].relations["posts"], [])

    async def test_has_one(self) -> None:
        """L4 L5: an object, or `None`."""
        found = await self.listed(self.authors, include="profile")
        self.assertEqual([one.relations["profile"] for one in found], [None, Profile(2, "of Bob", 1), None])
        related = await maybe_await(self.repo(Profile).get_related(1, include="author"))
        self.assertEqual(related, RelatedResult(Profile(2, "of Bob", 1), {"author": Author("Bob", None, 2)}))

    async def test_many_to_many(self) -> None:
        """L4 L5: a list in the order of the targets' keys; what is shared is one object."""
        found = await self.listed(self.posts, include="tags")
        tags = [one.relations["tags"] for one in found]
        self.assertEqual([[tag.id for tag in some] for some in tags], [[8], [2, 8], [5], [], [8]])
        self.assertEqual(tags[1][0], Tag("green", 2))
        self.assertIs(tags[0][0], tags[1][1])
        self.assertIs(tags[0][0], tags[4][0])
        back = await self.listed(self.tags, include="posts")
        self.assertEqual([[post.id for post in one.relations["posts"]] for one in back], [[3], [4], [1, 3, 9]])

    async def test_several_relations_and_their_order(self) -> None:
        """L3 L5: each name once, in the order of `include`."""
        one = await maybe_await(
            self.posts.get_related(3, include=("tags", "author", "tags", "comments", "author", "posttags"))
        )
        self.assertEqual(list(one.relations), ["tags", "author", "comments", "posttags"])
        self.assertEqual([comment.id for comment in one.relations["comments"]], [1, 7])
        self.assertEqual([link.tag_id for link in one.relations["posttags"]], [2, 8])

    async def test_paths(self) -> None:
        """L3 L5: a relation through which a path goes has results in place of objects, down to the last one."""
        one = await maybe_await(self.authors.get_related(1, include=["posts.comments", "posts.tags.posts", "profile"]))
        posts = one.relations["posts"]
        self.assertEqual([type(post) for post in posts], [RelatedResult] * 3)
        self.assertEqual([post.obj.id for post in posts], [3, 5, 9])
        self.assertEqual([[c.id for c in post.relations["comments"]] for post in posts], [[1, 7], [], [2]])
        tags = [post.relations["tags"] for post in posts]
        self.assertEqual([[tag.obj.name for tag in some] for some in tags], [["green", "red"], [], ["red"]])
        self.assertIs(tags[0][1], tags[2][0])
        self.assertEqual([post.id for post in tags[2][0].relations["posts"]], [1, 3, 9])
        self.assertIsNone(one.relations["profile"])

    async def test_a_path_and_what_it_begins_with(self) -> None:
        """L3 L5: "posts" and "posts.comments" are one relation, whatever is named first."""
        for include in (["posts", "posts.comments"], ["posts.comments", "posts"], ["posts.comments"] * 2):
            one = await maybe_await(self.authors.get_related(2, include=include))
            self.assertEqual(one.relations, {"posts": [RelatedResult(Post("c", 2, 4), {"comments": []})]})

    async def test_paths_through_one_object(self) -> None:
        """L4 L5: over `belongs_to` and `has_one`: one result for one object, `None` where there is none."""
        found = await self.listed(self.repo(Comment), include="post.author.profile")
        posts = [one.relations["post"] for one in found]
        self.assertIs(posts[0], posts[3])
        self.assertIsNone(posts[2])
        self.assertIs(posts[0].relations["author"], posts[1].relations["author"])
        self.assertEqual(posts[1].relations["author"], RelatedResult(Author("Ann", None, 1), {"profile": None}))

    async def test_a_path_and_back(self) -> None:
        """L4: each step of a path loads anew: what comes back is equal, and another object."""
        one = await maybe_await(self.authors.get_related(1, include="posts.author"))
        for post in one.relations["posts"]:
            self.assertEqual(post.relations["author"], one.obj)
            self.assertIsNot(post.relations["author"], one.obj)
        self.assertIs(*(post.relations["author"] for post in one.relations["posts"][:2]))

    async def test_a_tree(self) -> None:
        """L1 L3: a model that refers to itself, in both directions, as deep as asked for."""
        root = await maybe_await(self.repo(Node).insert(Node("0")))
        parent = root
        for number in range(1, 60):
            parent = await maybe_await(self.repo(Node).insert(Node(str(number), parent.id)))
        up = await maybe_await(self.repo(Node).get_related(parent.id, include=".".join(["parent"] * 60)))
        names = []
        while isinstance(up, RelatedResult):
            names.append(int(up.obj.name))
            up = up.relations["parent"]
        self.assertEqual(names, list(range(59, -1, -1)))
        down = await maybe_await(self.repo(Node).get_related(root.id, include=["children.children", "parent"]))
        self.assertIsNone(down.relations["parent"])
        self.assertEqual([one.obj.name for one in down.relations["children"]], ["1"])

    async def test_many_to_many_with_itself(self) -> None:
        """L1 L4: both directions of a link between objects of one model; a link that is there twice counts once."""
        ann, bob, cid = [await maybe_await(self.repo(User).insert(User(name))) for name in ("Ann", "Bob", "Cid")]
        for one, other in ((ann, cid), (ann, bob), (bob, ann), (ann, cid)):
            await self.stored(Follow(one.id, other.id))
        found = await self.listed(self.repo(User), include=["following", "followers"])
        self.assertEqual([one.relations["following"] for one in found], [[bob, cid], [ann], []])
        self.assertEqual([one.relations["followers"] for one in found], [[bob], [ann], [ann]])

    async def test_composite_keys(self) -> None:
        """L4: matched as a whole: neither part alone, nor parts of two keys, nor a part that is NULL."""
        orders = [Order("a", 1), Order("a", 2), Order("b", 1), Order("b", 3)]
        lines = [Line("a", 1, "p"), Line("b", 1, "q"), Line("a", 1, "r"), Line("b", 2, "s"), Line("a", None, "t")]
        await self.stored(*orders, *lines, Line(None, None, "u"))
        found = await maybe_await(
            self.repo(Order).list_related(include="lines.order", order_by=["shop", "number"], where=C.lt("number", 3))
        )
        texts = [[line.obj.text for line in one.relations["lines"]] for one in found]
        self.assertEqual(texts, [["p", "r"], [], ["q"]])
        self.assertEqual(found[0].relations["lines"][0].relations["order"], orders[0])
        back = await self.listed(self.repo(Line), include="order.lines")
        owners = [one.relations["order"] and one.relations["order"].obj for one in back]
        self.assertEqual(owners, [orders[0], orders[2], orders[0], None, None, None])
        self.assertIs(back[0].relations["order"], back[2].relations["order"])
        one = await maybe_await(self.repo(Order).get_related(("b", 1), include="lines"))
        self.assertEqual([line.text for line in one.relations["lines"]], ["q"])
        self.assertIsNone(await maybe_await(self.repo(Order).get_related({"shop": "c", "number": 1}, include="lines")))

    async def test_composite_keys_with_a_part_that_is_null(self) -> None:
        """L4: NULL is equal to nothing, also where both sides have it."""

        @dataclass
        class Seat:
            row: str | None
            number: int | None
            id: int | None = auto_key()
            __relations__: ClassVar[Any] = {
                "same": {
                    "model": "Seat",
                    "local_key": ("row", "number"),
                    "remote_key": ("row", "number"),
                    "type": "has_many",
                },
            }

        await self.create_tables(Seat)
        await self.stored(Seat("a", None), Seat("a", 1), Seat(None, 1), Seat("a", None), Seat(None, None), Seat("a", 1))
        found = await self.listed(self.repo(Seat), include="same")
        same = [[seat.id for seat in one.relations["same"]] for one in found]
        self.assertEqual(same, [[], [2, 6], [], [], [], [2, 6]])

    async def test_composite_keys_at_one_end_of_a_link(self) -> None:
        """L4: many-to-many over a key of two fields, from both ends."""
        await self.stored(*(Room(house, number) for house in "xy" for number in (1, 2)), Guest("g"), Guest("h"))
        await self.stored(Stay("x", 1, 1), Stay("y", 2, 1), Stay("x", 2, 2), Stay("x", 1, 2))
        rooms = await maybe_await(self.repo(Room).list_related(include="guests", where=C.ne("number", 9)))
        self.assertEqual(
            {(one.obj.house, one.obj.number): [guest.name for guest in one.relations["guests"]] for one in rooms},
            {("x", 1): ["g", "h"], ("x", 2): ["h"], ("y", 1): [], ("y", 2): ["g"]},
        )
        where = C.same_as("house", "x") & C.eq("number", 2) | C.eq("house", "y") & C.eq("number", 1)
        statements = await self.selects(lambda: self.repo(Room).list_related(include="guests.rooms", where=where))
        if self.backend.stores_text:  # a trace with values: only the guest of these rooms, not of x 1 and y 2
            self.assertIn("'[2]'", statements[-1])
        guests = await self.listed(self.repo(Guest), include="rooms")
        self.assertEqual(guests[0].relations["rooms"], [Room("x", 1), Room("y", 2)])
        self.assertEqual(guests[1].relations["rooms"], [Room("x", 1), Room("x", 2)])

    async def test_an_enum_on_one_side(self) -> None:
        """L4 T10: an Enum's member and its value are one key."""
        await self.stored(Paint(Colour.RED), Paint(Colour.BLUE), Door("r"), Door(None), Door("r"))
        doors = await self.listed(self.repo(Door), include="paint")
        self.assertEqual([one.relations["paint"] for one in doors], [Paint(Colour.RED), None, Paint(Colour.RED)])
        paints = await maybe_await(self.repo(Paint).list_related(include="doors", order_by="colour"))
        self.assertEqual([[door.id for door in one.relations["doors"]] for one in paints], [[], [1, 3]])

    @needs("supports_dangling_keys")
    async def test_a_key_that_is_no_member(self) -> None:
        """L4 T10: no row can have it in an Enum's column, so it dangles: `None`, `[]`, and no query for it alone."""
        await self.stored(Paint(Colour.RED))
        with contextlib.closing(self.backend.raw()) as conn:  # which does not enforce foreign keys
            conn.execute("INSERT INTO door (colour) VALUES ('x'), ('r'), (NULL), ('y')")
        doors = await self.listed(self.repo(Door), include="paint.doors")
        found = [one.relations["paint"] and one.relations["paint"].obj for one in doors]
        self.assertEqual(found, [None, Paint(Colour.RED), None, None])
        one = lambda: self.repo(Door).get_related(1, include="paint.doors")  # noqa: E731
        self.assertEqual(len(await self.selects(one)), 1)
        self.assertEqual(await maybe_await(one()), RelatedResult(Door("x", 1), {"paint": None}))

    async def test_a_key_that_is_no_member_on_the_other_side(self) -> None:
        """L4 T10: the same for has_many, many-to-many, and a part of a composite key."""

        @dataclass
        class Brand:
            name: str = pk()
            land: str = ""
            __relations__: ClassVar[Any] = {
                "shades": {
                    "model": "Can",
                    "local_key": ("land", "name"),
                    "remote_key": ("land", "shade"),
                    "type": "has_many",
                },
            }

        @dataclass
        class Can:
            shade: Colour | None = refers(Brand, "name")  # noqa: RUF009  it is a field
            land: str = ""
            id: int | None = auto_key()

        @dataclass
        class Liking:
            shade: Colour = pk(fk=(Brand, "name"))  # noqa: RUF009  it is a field
            user_id: int = pk(fk=(User, "id"))

        await self.create_tables(Brand, Can, Liking)
        await self.stored(Brand("r", "nl"), Brand("x", "nl"), Brand("b", "be"), User("Ann"))
        await self.stored(Can(Colour.RED, "nl"), Can(Colour.BLUE, "nl"), Liking(Colour.BLUE, 1))
        found = await maybe_await(self.repo(Brand).list_related(include=["cans", "shades", "users"], order_by="name"))
        self.assertEqual([one.obj.name for one in found], ["b", "r", "x"])
        self.assertEqual([[can.id for can in one.relations["cans"]] for one in found], [[2], [1], []])
        self.assertEqual([[can.id for can in one.relations["shades"]] for one in found], [[], [1], []])
        self.assertEqual([one.relations["users"] for one in found], [[User("Ann", 1)], [], []])

    async def test_keys_of_every_kind(self) -> None:
        """L4: keys are matched as Python compares them, and ordered as the database does, by value."""

        class Size(enum.IntEnum):
            S = 10
            M = 9

        keys: tuple[tuple[type, list[Any]], ...] = (
            (str, ["b", "B", "ä", "a'; --"]),
            (bytes, [b"\0", b"b", b"a"]),
            (uuid.UUID, [uuid.UUID(int=number) for number in (2, 1)]),
            (Decimal, [Decimal("9"), Decimal("10"), Decimal("2.50"), Decimal("-1")]),
            (bool, [True, False]),
            (float, [1.5, 0.1, -0.0]),
            (Size, list(Size)),
        )
        for kind, values in keys:

            @dataclass
            class Owner:
                key: kind = pk()  # type: ignore[valid-type]  # noqa: RUF009  one after the other
                __table__ = f"owner_{kind.__name__.lower()}"

            @dataclass
            class Owned:
                owner: kind | None = refers(Owner, "key", relation="up", related_name="down")  # type: ignore[valid-type]  # noqa: RUF009  as above
                id: int | None = auto_key()
                __table__ = f"owned_{kind.__name__.lower()}"

            with self.subTest(kind=kind.__name__):
                await self.create_tables(Owner, Owned)
                await self.stored(*map(Owner, values), *map(Owned, [*values, None, values[0]]))
                found = await maybe_await(self.repo(Owner).list_related(include="down.up"))
                self.assertEqual(len(found), len(values))
                for one in found:
                    down = one.relations["down"]
                    self.assertEqual([owned.relations["up"] for owned in down], [one.obj] * len(down))
                    self.assertEqual(len(down), 2 if one.obj.key == values[0] else 1)

    async def test_the_first_of_many_where_there_should_be_one(self) -> None:
        """L4: a relation to one row that the schema does not hold to it gives the first by key."""

        @dataclass
        class Car:
            plate: str
            id: int | None = auto_key()
            __relations__: ClassVar[Any] = {
                "same": {"model": "Car", "local_key": "plate", "remote_key": "plate", "type": "has_one"},
                "alike": {"model": "Car", "local_key": "plate", "remote_key": "plate", "type": "has_many"},
            }

        await self.create_tables(Car)
        await self.stored(Car("a", 9), Car("b", 2), Car("a", 4))
        found = await self.listed(self.repo(Car), include=["same", "alike"])
        self.assertEqual([one.relations["same"].id for one in found], [2, 4, 4])
        self.assertEqual([[car.id for car in one.relations["alike"]] for one in found], [[2], [4, 9], [4, 9]])
        found[1].relations["alike"].clear()
        self.assertEqual(len(found[2].relations["alike"]), 2)

    async def test_frozen_objects(self) -> None:
        """L5 M5: frozen classes are loaded like all others."""
        await self.stored(Ship("Beagle"), Sailor("Darwin", 1), Sailor("FitzRoy", 1))
        one = await maybe_await(self.repo(Ship).get_related(1, include="sailors.ship"))
        self.assertEqual(
            one.relations["sailors"][1], RelatedResult(Sailor("FitzRoy", 1, 2), {"ship": Ship("Beagle", 1)})
        )

    async def test_hostile_names(self) -> None:
        """L3 M10: tables and columns of any name, in joins too."""

        @dataclass
        class A:
            id: int | None = field(default=None, metadata={"pk": True, "auto": True, "column": 'a"; DROP TABLE x --'})
            __table__ = 'order by "1"'

        @dataclass
        class B:
            id: int | None = field(default=None, metadata={"pk": True, "auto": True, "column": "100% 'b'"})
            __table__ = "select"

        @dataclass
        class AB:
            a_id: int = pk(fk=(A, "id"), column="?")
            b_id: int = pk(fk=(B, "id"), column=":b %s")
            __table__ = "a b"

        await self.create_tables(A, B, AB)
        await self.stored(A(), A(), B(), B(), AB(1, 2), AB(2, 2), AB(1, 1))
        found = await self.listed(self.repo(A), include=["bs.as", "abs.b"])
        self.assertEqual([[b.obj.id for b in one.relations["bs"]] for one in found], [[1, 2], [2]])
        self.assertEqual([[ab.relations["b"].id for ab in one.relations["abs"]] for one in found], [[1, 2], [2]])

    async def test_objects_are_made_once(self) -> None:
        """L4 M4: `__init__` and `__post_init__` run once for each row, also where many rows share it."""
        made: list[str] = []

        @dataclass
        class Leaf:
            name: str
            id: int | None = auto_key()

            def __post_init__(self) -> None:
                made.append(self.name)

        @dataclass
        class Twig:
            leaf_id: int | None = refers(Leaf)
            id: int | None = auto_key()

        @dataclass
        class Bond:
            leaf_id: int = pk(fk=(Leaf, "id"))
            twig_id: int = pk(fk=(Twig, "id"))

        await self.create_tables(Leaf, Twig, Bond)
        await self.stored(Leaf("a"), Leaf("b"), Twig(1), Twig(1), Twig(2), Bond(1, 1), Bond(1, 2), Bond(1, 3))
        made.clear()
        await self.listed(self.repo(Twig), include="leaf")
        self.assertEqual(made, ["a", "b"])
        made.clear()
        found = await self.listed(self.repo(Twig), include="leafs")
        self.assertEqual((made, [len(one.relations["leafs"]) for one in found]), (["a"], [1, 1, 1]))

    async def test_a_value_that_can_not_be_read(self) -> None:
        """L3 T10: an error in a related row is the error of reading that row."""

        @dataclass
        class Fence:
            colour: Colour
            post_id: int | None = refers(Post, related_name="fences")
            id: int | None = auto_key()

        await self.create_tables(Fence)
        await self.stored(Fence(Colour.RED, 3))
        with self.backend.raw() as conn:
            conn.execute("UPDATE fence SET colour = 'x'")
        with self.assertRaisesRegex(CodecError, r"^Fence\.colour: the stored str in fence\.colour is no Colour"):
            await self.listed(self.posts, include="fences")

    async def test_inside_a_transaction(self) -> None:
        """L3 X4: on `tx` it reads what the transaction has written."""
        async with self.transaction() as tx:
            await maybe_await(self.repo(Post, tx).insert(Post("new", 3)))
            one = await maybe_await(self.repo(Author, tx).get_related(3, include="posts"))
            self.assertEqual([post.title for post in one.relations["posts"]], ["new"])
            again = await maybe_await(self.authors.get_related(3, include="posts"))
            self.assertEqual(again, one)

    async def test_the_hub(self) -> None:
        """L3 S7: the same with the model first."""
        hub = self.hub()
        self.assertEqual(
            await maybe_await(hub.get_related(Author, 1, include="posts")),
            await maybe_await(self.authors.get_related(1, include="posts")),
        )
        arguments = {"include": ["tags"], "where": C.gt("id", 3), "order_by": "-id", "limit": 2, "offset": 1}
        found = await maybe_await(hub.list_related(Post, **arguments))
        self.assertEqual(found, await maybe_await(self.posts.list_related(**arguments)))
        self.assertEqual([one.obj.id for one in found], [5, 4])


def plain(sql: str) -> str:
    """Return a statement without the quotes of its names."""
    return re.sub('["`]', "", sql)


class QueriesOfLoadingContract(Blog):
    """What `include` and the other arguments ask for, and how many statements that takes."""

    async def test_one_query_for_a_relation(self) -> None:
        """L3: one for the objects and one for each relation of each path, however many objects there are."""
        await maybe_await(self.authors.insert_many([Author(str(number)) for number in range(400)]))
        await maybe_await(self.posts.insert_many([Post("p", number % 400 + 1) for number in range(1000)]))
        expected = {
            "posts": 2,
            "profile": 2,
            "posts.comments": 3,
            "posts.author.posts.tags": 5,
        }
        for include, count in expected.items():
            with self.subTest(include=include):
                self.assertEqual(len(await self.selects(lambda i=include: self.authors.list_related(include=i))), count)
                self.assertEqual(
                    len(await self.selects(lambda i=include: self.authors.get_related(1, include=i))), count
                )
        # By an index, where there is one; in the order of the keys for each in any case.
        posts = (await self.selects(lambda: self.authors.list_related(include="posts")))[-1]
        self.assertTrue(plain(posts).endswith("ORDER BY post.author_id, post.id"), posts)
        comments = (await self.selects(lambda: self.posts.list_related(include="comments")))[-1]
        self.assertTrue(plain(comments).endswith("ORDER BY comment.id"), comments)
        every = [*expected, "posts", "posts.tags"]
        self.assertEqual(len(await self.selects(lambda: self.authors.list_related(include=every))), 8)

    async def test_nothing_to_ask_for(self) -> None:
        """L3: no rows, or no keys: no query for the relation."""
        action = lambda: self.authors.list_related(include=["posts.tags", "profile"], where=C.eq("id", 99))  # noqa: E731
        self.assertEqual(len(await self.selects(action)), 1)
        self.assertEqual(await maybe_await(action()), [])
        action = lambda: self.posts.list_related(include="author.posts", where=C.eq("id", 1))  # noqa: E731
        self.assertEqual(len(await self.selects(action)), 1)
        self.assertEqual([one.relations for one in await maybe_await(action())], [{"author": None}])

    async def test_objects_in_the_callers_order(self) -> None:
        """L3 Q12 Q13: where, order, limit and offset are about the objects, and not about what they lead to."""
        found = await maybe_await(
            self.authors.list_related(include="posts", where=C.lt("id", 3), order_by="-name", limit=1, offset=1)
        )
        self.assertEqual([(one.obj.name, len(one.relations["posts"])) for one in found], [("Ann", 3)])
        found = await maybe_await(self.authors.list_related(include="posts", where=[C.eq("name", "Bob")]))
        self.assertEqual([post.title for post in found[0].relations["posts"]], ["c"])
        seen = await self.trace()
        for wrong in ({"limit": 0}, {"offset": -1}, {"where": C.eq("nam", 1)}, {"where": "x"}, {"order_by": "posts"}):
            with self.subTest(wrong=wrong), self.assertRaises(QueryError):
                await maybe_await(self.authors.list_related(include="posts", **wrong))
        self.assertEqual(seen, [])

    async def test_rows_that_are_not_there(self) -> None:
        """L3 R2: `None` for a key that is not there, and for `None`; a wrong key is a `QueryError`."""
        for key in (99, None, (99,), {"id": 99}):
            self.assertIsNone(await maybe_await(self.authors.get_related(key, include="posts")))
        for key in ("one", (1, 2), {"name": 1}):
            with self.assertRaises(QueryError):
                await maybe_await(self.authors.get_related(key, include="posts"))

    async def test_forms_of_include(self) -> None:
        """L3: a name, or any iterable of names and paths; nothing asked for is nothing loaded."""
        forms: tuple[Callable[[], Any], ...] = (
            lambda: "posts",
            lambda: ["posts"],
            lambda: ("posts", "posts"),
            lambda: {"posts"},
            lambda: iter(["posts"]),
            lambda: {"posts": 1}.keys(),
        )
        expected = await maybe_await(self.authors.get_related(1, include="posts"))
        for form in forms:
            self.assertEqual(await maybe_await(self.authors.get_related(1, include=form())), expected)
        for empty in ([], (), set(), iter(())):
            one = await maybe_await(self.authors.get_related(1, include=empty))
            self.assertEqual(one, RelatedResult(Author("Ann", None, 1), {}))

    async def test_what_include_refuses(self) -> None:
        """L3: what is no text, or empty, is a TypeError; an unknown name is a RelationError; before any SQL."""
        wrong: tuple[tuple[Any, type[Exception], str], ...] = (
            (None, TypeError, "a list of names and paths; got NoneType"),
            (3, TypeError, "got int"),
            (b"posts", TypeError, "got bytes"),
            ({"posts": True}, TypeError, "got dict"),
            (["posts", None], TypeError, "^include names relations of Author by text that is not empty, got NoneType$"),
            ([["posts"]], TypeError, "not empty, got list"),
            ([b"posts"], TypeError, "not empty, got bytes"),
            ("", TypeError, "got an empty one"),
            (["posts", ""], TypeError, "got an empty one"),
            ("posts.", TypeError, r"^include of Author: 'posts\.' is no path; it is names with one dot between them$"),
            (".posts", TypeError, r"^include of Author: '\.posts' is no path"),
            (["posts", "posts..tags"], TypeError, r"^include of Author: 'posts\.\.tags' is no path"),
            (".", TypeError, r"'\.' is no path"),
            ("Posts", RelationError, "Unknown relation 'Posts' of Author; did you mean 'posts'"),
            ("posts.name", RelationError, "Unknown relation 'name' of Post"),
            (["posts", "posts.author.nope"], RelationError, "Unknown relation 'nope' of Author"),
            ("name", RelationError, "Unknown relation 'name' of Author"),
            ("x" * 1000, RelationError, f"Unknown relation '{'x' * 60}…' of Author"),
        )
        seen = await self.trace()
        for include, error, text in wrong:
            for action in (
                lambda include=include: self.authors.get_related(1, include=include),
                lambda include=include: self.authors.get_related(99, include=include),
                lambda include=include: self.authors.list_related(include=include),
            ):
                with self.subTest(include=include), self.assertRaisesRegex(error, text):
                    await maybe_await(action())
        self.assertEqual(seen, [])

    async def test_values_that_are_bound_one_by_one(self) -> None:
        """L3: where a database can't take all keys at once they go in parts, and the result is the same."""
        await maybe_await(self.authors.insert_many([Author(str(number)) for number in range(20)]))
        await maybe_await(self.posts.insert_many([Post("p", number % 20 + 1) for number in range(60)]))
        await self.stored(*(PostTag(key, tag) for key in range(20, 50) for tag in (2, 5, 8)))
        few = await self.wrap(await self.backend.connect(), few_values(self.db.dialect))
        for model, include in ((Author, ["posts.tags.posts", "profile"]), (Post, "author.posts"), (Tag, "posts")):
            expected = await self.listed(self.repo(model), include=include)
            self.assertEqual(await self.listed(self.repo(model, few), include=include), expected)
        await self.stored(*(Order(shop, number) for shop in "abc" for number in range(5)))
        await self.stored(*(Line(shop, number, shop) for shop in "cab" for number in range(5) for _ in range(3)))
        expected = await maybe_await(self.repo(Order).list_related(include="lines.order", order_by=["shop", "number"]))
        found = await maybe_await(
            self.repo(Order, few).list_related(include="lines.order", order_by=["shop", "number"])
        )
        self.assertEqual(found, expected)
        self.assertEqual([len(one.relations["lines"]) for one in found], [3] * 15)

    async def test_a_column_with_a_type_of_its_own(self) -> None:
        """L3: a `db_type` column's values are bound one by one, however many they are."""

        @dataclass
        class Own:
            key: int = field(metadata={"pk": True, "db_type": "INTEGER"})

        @dataclass
        class Leads:
            own: int | None = field(default=None, metadata={"fk": (Own, "key"), "db_type": "INTEGER", "relation": "up"})
            id: int | None = auto_key()

        await self.create_tables(Own, Leads)
        few = await self.wrap(
            await self.backend.connect(), type("Fewer", (type(self.db.dialect),), {"max_params": 9})()
        )
        await maybe_await(self.repo(Own).insert_many([Own(number) for number in range(50)]))
        await maybe_await(self.repo(Leads).insert_many([Leads(number) for number in range(50)]))
        action = lambda: self.repo(Leads, few).list_related(include="up", order_by="id")  # noqa: E731
        self.assertEqual(len(await self.selects(action, few)), 1 + 6)
        self.assertEqual([one.relations["up"].key for one in await maybe_await(action())], list(range(50)))


class ManyObjectsContract(Blog):
    """How many objects there may be; one face is enough to tell."""

    requires = ("supports_blocking_calls",)

    async def test_a_hundred_thousand_objects(self) -> None:
        """L3 Q6: their keys are one statement, too."""
        count = 100_000
        await maybe_await(self.authors.insert_many([Author("n") for _ in range(count)]))
        await maybe_await(self.posts.insert_many([Post("p", key) for key in range(10, count, 10)]))
        await self.stored(PostTag(count // 10, 2))
        found: list[Any] = []
        include = ["posts.author", "posts.tags", "profile"]
        self.assertEqual(len(await self.selects(lambda: found.extend(self.authors.list_related(include=include)))), 5)
        self.assertEqual(len(found), count + 3)
        posts = [post for one in found for post in one.relations["posts"]]
        self.assertEqual(len(posts), 4 + count // 10 - 1)
        self.assertTrue(all(post.relations["author"].id == post.obj.author_id for post in posts))


class SchemasOfRelationsContract(Schemas):
    """What a repository sees to before it reaches other models (S5, S6)."""

    def reading(self, hub: Any) -> dict[str, tuple[Callable[[], Any], set[str]]]:
        """Return actions that read, and the tables that they need."""
        return {
            "get_related": (lambda: hub.get_related(Author, 1, include="posts"), {"author", "post"}),
            "list_related": (lambda: hub.list_related(Comment, include="post"), {"author", "post", "comment"}),
            "a path": (
                lambda: hub.get_related(Author, 1, include=["posts.comments", "profile"]),
                {"author", "post", "comment", "profile"},
            ),
            "a link": (lambda: hub.list_related(Tag, include="posts"), {"author", "post", "tag", "posttag"}),
        }

    def writing(self, hub: Any) -> dict[str, tuple[Callable[[], Any], set[str]]]:
        """Return actions that write, and the tables that they need."""
        post, links = Post("p"), {"author", "post", "tag", "posttag"}
        return {
            "a child": (lambda: hub.create(Author("a"), relations={"posts": [Post("p")]}), {"author", "post"}),
            "a parent": (
                lambda: hub.create(Comment("c"), relations={"post": (Post("p"), {"author": Author("a")})}),
                {"author", "post", "comment"},
            ),
            "links": (lambda: hub.create(post, relations={"tags": [Tag("t")]}), links),
            "link": (lambda: hub.link(Post("p", id=1), "tags", []), links),
            "unlink": (lambda: hub.unlink(Post("p", id=1), "tags", [Tag("t", 1)]), links),
        }

    async def test_auto_schema(self) -> None:
        """S5 L3: before the first action there are tables of all that it reaches: targets, children, links."""
        for actions in (self.reading, self.writing):
            for name in actions(None):
                with self.subTest(action=name):
                    db = await self.open(**self.backend.other(name))
                    action, tables = actions(self.hub(db, auto_schema=True))[name]
                    await maybe_await(action())
                    self.assertEqual(set(self.backend.tables(**self.backend.other(name))), tables)
                    again = await self.trace(db)
                    await maybe_await(
                        action() if actions == self.reading else self.hub(db, auto_schema=True).count(Author)
                    )
                    self.assertEqual(
                        [sql for sql in again if "sqlite_master" in sql or "pg_class" in sql or "CREATE" in sql], []
                    )

    @needs("supports_transactional_ddl")
    async def test_a_repository_that_has_seen_its_own_table(self) -> None:
        """S5: another relation is another model to look after, also later, in a transaction and on `tx`."""
        authors = self.auto(Author)
        self.assertEqual(await maybe_await(authors.count()), 0)
        self.assertEqual(self.tables(), ["author"])
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                self.assertEqual(await maybe_await(self.auto(Author, tx).list_related(include="posts")), [])
                await maybe_await(authors.create(Author("a"), relations={"profile": Profile()}))
                raise ZeroDivisionError
        self.assertEqual(self.tables(), ["author"])
        await maybe_await(authors.create(Author("a"), relations={"posts": [Post("p")]}))
        self.assertEqual(self.tables(), ["author", "post"])
        self.assertEqual(len(await maybe_await(authors.list_related(include="profile"))), 1)
        self.assertEqual(self.tables(), ["author", "post", "profile"])

    async def test_only_where_it_is_asked_for(self) -> None:
        """S5 S6: without `auto_schema`, and for models registered with `ensure=False`, nothing is made."""
        await self.table(Author, [Author("a")])
        with self.assertRaises(mini_orm.ProgrammingError):
            await maybe_await(self.hub().list_related(Author, include="posts"))
        auto = self.hub(auto_schema=True)
        await maybe_await(auto.register(Post, False))
        for action in (
            lambda: auto.list_related(Author, include="posts"),
            lambda: auto.create(Author("b"), relations={"posts": [Post("p")]}),
        ):
            with self.assertRaises(mini_orm.ProgrammingError):
                await maybe_await(action())
        self.assertEqual(self.tables(), ["author"])
        self.assertEqual(await maybe_await(auto.count(Author)), 1)

    async def test_registration_that_is_required(self) -> None:
        """S6 L2 L3: each model that an action reaches has to be registered, before any SQL."""
        hub = self.hub(require_registration=True)
        seen = await self.trace()
        for actions in (self.reading(hub), self.writing(hub)):
            for name, (action, _) in actions.items():
                with self.subTest(action=name), self.assertRaises(NotRegisteredError):
                    await maybe_await(action())
        await maybe_await(hub.register_many([Author, Post, Tag]))
        with self.assertRaisesRegex(NotRegisteredError, "^Comment is not registered"):
            await maybe_await(hub.get_related(Author, 1, include="posts.comments"))
        with self.assertRaisesRegex(NotRegisteredError, "^PostTag is not registered"):
            await maybe_await(hub.list_related(Post, include="tags"))
        with self.assertRaisesRegex(NotRegisteredError, "^PostTag is not registered"):
            await maybe_await(hub.link(Post("p", id=1), "tags", [Tag("t", 1)]))
        with self.assertRaisesRegex(NotRegisteredError, "^Profile is not registered"):
            await maybe_await(hub.create(Author("a"), relations={"profile": Profile()}))
        self.assertEqual(seen, [])
        await self.create_tables(Author, Post, Profile)
        self.assertEqual(await maybe_await(hub.list_related(Author, include="posts")), [])
        await maybe_await(hub.create(Author("a"), relations={"profile": None, "posts": []}))
