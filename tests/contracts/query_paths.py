"""Filters and order over relations (contract L7), on both faces."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from decimal import Decimal
from typing import Any

from mini_orm import C, F, OrderBy
from tests.backends import maybe_await
from tests.contracts.queries import QueryHelpers


def auto() -> Any:
    return field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Country:
    code: str = field(metadata={"pk": True})
    name: str | None = None


@dataclass
class Person:
    name: str
    age: int | None = None
    rating: Decimal | None = None
    country_code: str | None = field(default=None, metadata={"fk": (Country, "code"), "relation": "country"})
    id: int | None = auto()


@dataclass
class Passport:
    number: str = field(metadata={"pk": True})
    person_id: int = field(metadata={"fk": (Person, "id"), "unique_index": True, "one_to_one": True})


@dataclass
class Book:
    title: str
    pages: int | None = None
    author_id: int | None = field(default=None, metadata={"fk": (Person, "id")})
    editor_id: int | None = field(default=None, metadata={"fk": (Person, "id"), "related_name": "edited"})
    extra: dict[str, Any] | None = None
    id: int | None = auto()


@dataclass
class Review:
    text: str
    stars: int | None = None
    book_id: int | None = field(default=None, metadata={"fk": (Book, "id"), "on_delete": "cascade"})
    id: int | None = auto()


@dataclass
class Genre:
    name: str
    id: int | None = auto()


@dataclass
class BookGenre:
    book_id: int = field(metadata={"pk": True, "fk": (Book, "id"), "on_delete": "cascade"})
    genre_id: int = field(metadata={"pk": True, "fk": (Genre, "id")})


@dataclass
class Node:
    """A tree whose parents may be missing."""

    __relations__ = {
        "parent": {"model": "Node", "local_key": "parent_id", "remote_key": "id"},
        "children": {"model": "Node", "local_key": "id", "remote_key": "parent_id", "type": "has_many"},
        "child": {"model": "Node", "local_key": "id", "remote_key": "parent_id", "type": "has_one"},
        "namesake": {"model": "Node", "local_key": "name", "remote_key": "name", "type": "has_one"},
    }
    name: str
    parent_id: int | None = None
    id: int | None = auto()


@dataclass
class Region:
    country: str = field(metadata={"pk": True})
    number: int = field(metadata={"pk": True})
    name: str = ""
    __relations__ = {
        "cities": {
            "model": "City",
            "local_key": ("country", "number"),
            "remote_key": ("country", "region_number"),
            "type": "has_many",
        }
    }


@dataclass
class City:
    name: str
    country: str
    region_number: int | None = None
    id: int | None = auto()
    __relations__ = {
        "region": {
            "model": "Region",
            "local_key": ("country", "region_number"),
            "remote_key": ("country", "number"),
        },
        "twin": {"model": "City", "local_key": "name", "remote_key": "name", "type": "has_one"},
    }


@dataclass
class Visit:
    """Refers to what is not unique: the first row by its composite key counts."""

    country: str
    id: int | None = auto()
    __relations__ = {
        "region": {"model": "Region", "local_key": "country", "remote_key": "country"},
        "city": {"model": "City", "local_key": "country", "remote_key": "country", "type": "has_one"},
    }


LIBRARY = (Country, Person, Passport, Book, Review, Genre, BookGenre)
ROWS: tuple[Any, ...] = (
    [Country("fr", "France"), Country("uk", "Britain"), Country("xx")],
    [
        Person("alice", 30, Decimal("10"), "fr"),
        Person("bob", None, Decimal("9.5"), "uk"),
        Person("carol", 40, None, None),
        Person("dave", 50, Decimal("-1"), "xx"),
    ],
    [Passport("P-1", 1), Passport("P-2", 2)],
    [
        Book("Ash", 100, 1, 2, {"a": [1]}),
        Book("Birch", 30, 1, None),
        Book("Cedar", None, 2, 3),
        Book("Dogwood", 40, 3, 3),
        Book("Elm", 10),
    ],
    [Review("good", 5, 1), Review("bad", 1, 1), Review("fair", 3, 2), Review("odd", None, 4), Review("lost", 2)],
    [Genre("tree"), Genre("poem"), Genre("empty")],
    [BookGenre(1, 1), BookGenre(1, 2), BookGenre(3, 1)],
)


def hostile_pair(number: int, table: str, other: str) -> tuple[Any, Any]:
    """Make two models that refer to each other, with columns of names that only work where they are quoted."""
    key: dict[str, Any] = {"pk": True, "auto": True}
    parent_name, kid_name = f"Parent{number}", f"Kid{number}"
    relations = {
        "up": {"model": parent_name, "local_key": "up_id", "remote_key": "id"},
        "kids": {"model": kid_name, "local_key": "id", "remote_key": "parent_id", "type": "has_many"},
    }
    parent = make_dataclass(
        parent_name,
        [
            ("label", str, field(metadata={"column": 'sel"ect %s'})),
            ("up_id", int | None, field(default=None, metadata={"column": "_1"})),
            ("id", int | None, field(default=None, metadata=key)),
        ],
        namespace={"__table__": table, "__module__": __name__, "__relations__": relations},
    )
    kid = make_dataclass(
        kid_name,
        [
            ("parent_id", int, field(metadata={"column": "a.b ?", "fk": (parent, "id"), "relation": "where"})),
            ("id", int | None, field(default=None, metadata=key)),
        ],
        namespace={"__table__": other, "__module__": __name__},
    )
    return parent, kid


class PathHelpers(QueryHelpers):
    """What the contracts of this module share."""

    async def library(self) -> None:
        """Make and fill the tables of the library."""
        await self.create_tables(*LIBRARY)
        for model, rows in zip(LIBRARY, ROWS, strict=True):
            await maybe_await(self.repo(model).insert_many(rows))

    async def finds(self, model: type, cases: list[tuple[Any, list[Any]]]) -> None:
        """Assert which ids each condition finds, by `list`, `count` and `exists`."""
        repo = self.repo(model)
        for where, expected in cases:
            with self.subTest(where=where):
                self.assertEqual(await self.ids(repo, where), expected)


class PathContract(PathHelpers):
    """L7: fields of related rows in conditions and orders."""

    async def test_every_operator(self) -> None:
        """L7 Q7 Q8 Q11 T4: a path stands wherever a field's name does, and compares by that field's type."""
        await self.library()
        await self.finds(
            Book,
            [
                (C.eq("author.name", "alice"), [1, 2]),
                (C.ne("author.name", "alice"), [3, 4]),
                (C.lt("author.age", 40), [1, 2]),
                (C.between("author.age", 35, 45), [4]),
                (C.in_("author.name", ["bob", "carol"]), [3, 4]),
                (C.in_("author.id", range(2, 1000)), [3, 4]),
                (C.not_in("author.name", ["bob", "carol"]), [1, 2]),
                (C.like("author.name", "al%"), [1, 2]),
                (C.ilike("author.name", "BO_"), [3]),
                (C.contains("author.name", "aro"), [4]),
                (C.startswith("author.name", "b"), [3]),
                (C.endswith("author.name", "ce"), [1, 2]),
                (C.gt("author.rating", Decimal("9.50")), [1, 2]),
                (C.eq("author.rating", Decimal("9.500")), [3]),
                (C.eq("author.country.name", "France"), [1, 2]),
                (C.eq("author.passport.number", "P-2"), [3]),
                (C.eq("editor.passport.person.country.code", "uk"), [1]),
                ([C.eq("author.name", "alice"), C.gt("pages", 50)], [1]),
                (C.eq("author.name", "bob") | C.eq("title", "Elm"), [3, 5]),
                (C.eq("author.name", "alice") & C.eq("editor.name", "bob"), [1]),
            ],
        )
        await self.finds(Review, [(C.eq("book.extra", {"a": [1]}), [1, 2]), (C.eq("book.author.age", 30), [1, 2, 3])])

    async def test_a_missing_row_is_null(self) -> None:
        """L7 Q1 Q2 Q4: where there is no related row its fields are NULL, as a LEFT JOIN has it."""
        await self.library()
        await self.finds(
            Book,
            [
                (C.is_null("author.name"), [5]),
                (C.eq("author.name", None), [5]),
                (C.is_not_null("author.name"), [1, 2, 3, 4]),
                (C.ne("author.name", None), [1, 2, 3, 4]),
                (C.is_null("author.age"), [3, 5]),
                (~C.eq("author.name", "alice"), [3, 4]),
                (~C.is_null("author.name"), [1, 2, 3, 4]),
                (C.same_as("author.name", None), [5]),
                (C.same_as("author.age", 30), [1, 2]),
                (C.distinct_from("author.name", "alice"), [3, 4, 5]),
                (C.in_("author.age", [30, None]), [1, 2, 3, 5]),
                (C.not_in("author.age", [30]), [4]),
                (C.not_in("author.age", [30, None]), [4]),
                (C.not_in("author.age", []), [1, 2, 3, 4, 5]),
                (C.is_null("author.country.name"), [4, 5]),
                (C.is_null("editor.passport.number") & C.is_not_null("editor.name"), [3, 4]),
            ],
        )
        await self.finds(Person, [(C.is_null("country.name"), [3, 4]), (C.is_null("passport.number"), [3, 4])])

    async def test_expressions(self) -> None:
        """L7 Q16: paths stand on both sides of a comparison, and in arithmetic."""
        await self.library()
        await self.finds(
            Book,
            [
                (C.gt("author.age", F("pages")), []),
                (C.lt("author.age", F("pages")), [1]),
                (C.ge("pages", F("author.age")), [1, 2, 4]),
                (C.eq("author.name", F("editor.name")), [4]),
                (C.ne("author.name", F("editor.name")), [1, 3]),
                (C.same_as("author.name", F("editor.name")), [4, 5]),
                (C.gt("pages", F("author.age") * 2 + 10), [1]),
                (C.eq("pages", 70 - F("author.age")), []),
                (C.eq("author.age", 130 - F("pages")), [1]),
                (C.between("pages", F("author.age"), F("author.age") + 5), [2, 4]),
                (C.lt("author.rating", F("author.age")), [1, 2]),
            ],
        )

    async def test_order(self) -> None:
        """L7 Q13: order by paths, ascending and descending, NULLs first or last, beside fields."""
        await self.library()
        repo = self.repo(Book)
        orders: list[tuple[Any, list[int]]] = [
            ([OrderBy("author.name", nulls="last"), "-id"], [2, 1, 3, 4, 5]),
            ([OrderBy("author.name", True, "first"), "id"], [5, 4, 3, 1, 2]),
            ([OrderBy("author.rating", nulls="last"), "id"], [3, 1, 2, 4, 5]),
            ([OrderBy("author.country.name", nulls="last"), "-title"], [3, 2, 1, 5, 4]),
            ([OrderBy("editor.name", nulls="last"), OrderBy("author.age", True, "last"), "id"], [1, 4, 3, 2, 5]),
        ]
        for order, expected in orders:
            with self.subTest(order=order):
                self.assertEqual(await self.ids(repo, order_by=order), expected)
        where = C.is_not_null("author.name")
        self.assertEqual(await self.ids(repo, where, order_by=["author.name", "id"]), [1, 2, 3, 4])
        self.assertEqual(await self.ids(repo, where, order_by=["-author.name", "id"]), [4, 3, 1, 2])
        people = await maybe_await(self.repo(Person).list(where=C.lt("id", 3), order_by="-passport.number"))
        self.assertEqual([person.id for person in people], [2, 1])

    async def test_pages(self) -> None:
        """L7 Q12 Q15: pages of an ordered, filtered list have every row once; count and exists agree with it."""
        await self.create_tables(Person, Country, Book, Review)
        await maybe_await(self.repo(Person).insert_many([Person(f"p{n % 3}") for n in range(6)]))
        await maybe_await(self.repo(Book).insert_many([Book(f"b{n}", n, n % 7 or None) for n in range(1, 21) if n % 7]))
        books = await maybe_await(self.repo(Book).list(order_by="id"))
        reviews = [Review("r", n % 5, book.id) for book in books for n in (1, 2)]
        await maybe_await(self.repo(Review).insert_many(reviews))
        where = C.any_("reviews", C.ge("stars", 1)) & C.ne("author.name", "p2")
        order = [OrderBy("author.name", True), "id"]
        repo = self.repo(Book)
        whole = await maybe_await(repo.list(where=where, order_by=order))
        self.assertEqual(len({book.id for book in whole}), len(whole))
        self.assertEqual(await maybe_await(repo.count(where)), len(whole))
        pages = [
            await maybe_await(repo.list(where=where, order_by=order, limit=5, offset=start))
            for start in range(0, len(whole) + 5, 5)
        ]
        self.assertEqual([book for page in pages for book in page], whole)
        self.assertEqual([len(page) for page in pages], [5, 5, 2, 0])

    async def test_a_join_is_made_once(self) -> None:
        """L7: however often a path is named, its table is joined once; a filter without paths joins nothing."""
        await self.library()
        repo = self.repo(Book)
        where = C.ge("author.age", F("author.age")) & C.eq("author.country.name", "France") | C.is_null("author.name")
        async with self.traced() as statements:
            await maybe_await(repo.list(where=where, order_by=["author.name", "-author.country.code"]))
            await maybe_await(repo.list(where=C.eq("author_id", 1), order_by="title"))
        self.assertEqual([text.count("JOIN") for text in statements], [2, 0])

    async def test_what_is_not_unique_comes_once(self) -> None:
        """L7: a to-one relation by a key that is not unique means the first such row, and no row comes twice."""
        await self.create_tables(Region, City, Visit)
        regions = [Region("a", 2, "y"), Region("a", 1, "x"), Region("b", 1, "z")]
        await maybe_await(self.repo(Region).insert_many(regions))
        cities = [City("s", "a", 1), City("t", "a", 2), City("s", "b", 1), City("u", "b", 9)]
        await maybe_await(self.repo(City).insert_many(cities))
        await maybe_await(self.repo(Visit).insert_many([Visit("a"), Visit("b"), Visit("c")]))
        await self.finds(
            Visit,
            [
                (C.eq("region.name", "x"), [1]),
                (C.eq("region.name", "y"), []),
                (C.is_null("region.name"), [3]),
                (C.eq("city.region.name", "x"), [1]),
                (C.eq("city.twin.country", "a"), [1, 2]),
                (C.any_("region", C.eq("name", "y")), [1]),
                (C.none("city"), [3]),
            ],
        )
        await self.finds(City, [(C.eq("twin.id", F("id")), [1, 2, 4])])
        repo = self.repo(Visit)
        self.assertEqual(await self.ids(repo, order_by=[OrderBy("region.name", True, "last")]), [2, 1, 3])
        self.assertEqual(await maybe_await(repo.delete_where(where=C.eq("city.twin.country", "a"))), 2)
        self.assertEqual(await self.ids(repo), [3])

    async def test_composite_keys(self) -> None:
        """L7: relations by several fields join by all of them."""
        await self.create_tables(Region, City)
        regions = [Region("a", 1, "x"), Region("a", 2, "y"), Region("b", 1, "z")]
        await maybe_await(self.repo(Region).insert_many(regions))
        cities = [City("s", "a", 1), City("t", "b", 1), City("u", "b", 2), City("v", "a")]
        await maybe_await(self.repo(City).insert_many(cities))
        await self.finds(
            City,
            [
                (C.eq("region.name", "x"), [1]),
                (C.in_("region.name", ["x", "y", "z"]), [1, 2]),
                (C.is_null("region.name"), [3, 4]),
                (C.any_("region.cities", C.eq("name", "t")), [2]),
            ],
        )
        found = await maybe_await(self.repo(Region).list(where=C.none("cities"), order_by="name"))
        self.assertEqual([region.name for region in found], ["y"])
        self.assertEqual(await maybe_await(self.repo(City).delete_where(where=C.eq("region.name", "z"))), 1)

    async def test_a_tree(self) -> None:
        """L7: a relation of a model to itself goes up and down, any number of levels."""
        repo = await self.table(Node, [Node("root"), Node("a", 1), Node("b", 1), Node("c", 2), Node("lost", 99)])
        await self.finds(
            Node,
            [
                (C.eq("parent.name", "root"), [2, 3]),
                (C.eq("parent.parent.name", "root"), [4]),
                (C.is_null("parent.name"), [1, 5]),
                (C.eq("parent.id", F("parent_id")), [2, 3, 4]),
                (C.any_("children"), [1, 2]),
                (C.any_("children.children"), [1]),
                (C.any_("children", C.any_("children", C.eq("name", "c"))), [1]),
                (C.none("children"), [3, 4, 5]),
                (C.any_("parent.children", C.eq("id", 3)), [2, 3]),
                (C.any_("children", C.eq("parent.parent.name", "root")), [2]),
            ],
        )
        order = [OrderBy("parent.parent.name", nulls="last"), OrderBy("parent.name", True, "first"), "-id"]
        self.assertEqual(await self.ids(repo, order_by=order), [4, 5, 1, 3, 2])
        deep = ".".join(["parent"] * 60)
        self.assertEqual(await self.ids(repo, C.is_null(f"{deep}.name")), [1, 2, 3, 4, 5])

    async def test_hostile_names(self) -> None:
        """L7 M10: tables and columns of any name are joined, a table that is called like an alias among them."""
        for number, names in enumerate([("_1", "_2"), ("j1", "j2"), ('a "b" %s', "x.y 'z' ?"), ("order", "JOIN")]):
            parent, kid = hostile_pair(number, *names)
            await self.create_tables(parent, kid)
            await maybe_await(self.repo(parent).insert_many([parent("%s"), parent("y", 1), parent("z", 2)]))
            await maybe_await(self.repo(kid).insert_many([kid(1), kid(2), kid(2)]))
            with self.subTest(names):
                await self.finds(kid, [(C.eq("where.up.label", "%s"), [2, 3]), (C.eq("where.label", "%s"), [1])])
                await self.finds(parent, [(C.any_("kids", C.eq("where.up.label", "%s")), [2]), (C.none("kids"), [3])])
                deleted = await maybe_await(self.repo(parent).delete_where(where=C.eq("up.label", "y")))
                self.assertEqual(deleted, 1)
