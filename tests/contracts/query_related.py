"""Conditions on related rows, and what no path may say (contract L7), on both faces."""

from __future__ import annotations

import contextlib
from typing import Any

from mini_orm import C, CodecError, F, OrderBy, QueryError
from mini_orm.core.conditions import RelatedCondition
from tests.backends import maybe_await
from tests.contracts.query_paths import Book, Genre, Node, Passport, PathHelpers, Person, Review


class RelatedContract(PathHelpers):
    """L7: C.any_ and C.none."""

    async def test_any_and_none(self) -> None:
        """L7 Q15: any_ asks for a related row, none for its absence, and no row comes back twice."""
        await self.library()
        good = C.ge("stars", 3)
        await self.finds(
            Book,
            [
                (C.any_("reviews"), [1, 2, 4]),
                (C.any_("reviews", None), [1, 2, 4]),
                (C.any_("reviews", []), [1, 2, 4]),
                (C.none("reviews"), [3, 5]),
                (C.any_("reviews", good), [1, 2]),
                (C.none("reviews", good), [3, 4, 5]),
                (~C.any_("reviews", good), [3, 4, 5]),
                (~C.none("reviews", good), [1, 2]),
                (C.not_(~C.any_("reviews", good)), [1, 2]),
                (C.any_("reviews", ~good), [1]),
                (C.any_("reviews", [C.ge("stars", 1), C.eq("text", "bad")]), [1]),
                (C.any_("reviews", C.eq("text", "bad") | C.is_null("stars")), [1, 4]),
                (C.any_("reviews", C.eq("text", "good")) & C.any_("reviews", C.eq("text", "bad")), [1]),
                (C.any_("reviews", good) & C.eq("title", "Ash") | C.eq("pages", 10), [1, 5]),
                ([C.any_("reviews", good), C.gt("pages", 50)], [1]),
                (C.none("reviews", C.in_("stars", [])), [1, 2, 3, 4, 5]),
                (C.any_("author"), [1, 2, 3, 4]),
                (C.none("author"), [5]),
                (C.any_("author", C.eq("age", 30)), [1, 2]),
                (C.none("author", C.eq("age", 30)), [3, 4, 5]),
            ],
        )
        await self.finds(Person, [(C.any_("passport"), [1, 2]), (C.none("passport", C.eq("number", "P-1")), [2, 3, 4])])

    async def test_over_several_relations(self) -> None:
        """L7: the path goes over relations of any kind; the condition has paths, any_ and none of its own."""
        await self.library()
        await self.finds(
            Person,
            [
                (C.any_("books.reviews", C.eq("stars", 5)), [1]),
                (C.any_("books.reviews"), [1, 3]),
                (C.none("books.reviews"), [2, 4]),
                (C.any_("books", C.none("reviews")), [2]),
                (C.any_("books", [C.any_("reviews"), C.none("reviews", C.is_null("stars"))]), [1]),
                (C.any_("books", C.eq("editor.name", "bob")), [1]),
                (C.any_("books", C.ne("editor.name", F("author.name"))), [1, 2]),
                (C.any_("edited.author.passport"), [2, 3]),
            ],
        )
        await self.finds(
            Review,
            [
                (C.any_("book.author.books", C.eq("title", "Birch")), [1, 2, 3]),
                (C.none("book.genres"), [3, 4, 5]),
                (C.any_("book", C.eq("author.country.name", "France") & C.any_("genres")), [1, 2]),
            ],
        )

    async def test_two_relations_to_one_table(self) -> None:
        """L7: each relation has rows of its own, also where both lead to one table."""
        await self.library()
        await self.finds(
            Person,
            [
                (C.any_("books"), [1, 2, 3]),
                (C.any_("edited"), [2, 3]),
                (C.any_("books") & C.none("edited"), [1]),
                (C.any_("edited", C.eq("author.name", "bob")), [3]),
            ],
        )
        await self.finds(Book, [(C.eq("author.name", "carol"), [4]), (C.eq("editor.name", "carol"), [3, 4])])

    async def test_many_to_many(self) -> None:
        """L7: over a link both ways, once for each row whatever the number of links."""
        await self.library()
        await self.finds(
            Book,
            [
                (C.any_("genres"), [1, 3]),
                (C.any_("genres", C.eq("name", "poem")), [1]),
                (C.none("genres", C.eq("name", "poem")), [2, 3, 4, 5]),
                (C.any_("genres.books", C.eq("title", "Cedar")), [1, 3]),
                (C.any_("genres", C.any_("books", C.eq("author.name", "bob"))), [1, 3]),
            ],
        )
        await self.finds(Genre, [(C.any_("books.author", C.eq("name", "alice")), [1, 2]), (C.none("books"), [3])])

    async def test_update_and_delete(self) -> None:
        """L7 Q14 R5: update_where and delete_where take paths, any_ and none, and say how many rows there were."""
        await self.library()
        books, people = self.repo(Book), self.repo(Person)
        update: Any = lambda values, where: maybe_await(books.update_where(values, where=where))  # noqa: E731
        self.assertEqual(await update({"pages": 1}, C.eq("author.country.name", "France")), 2)
        self.assertEqual(await update({"pages": F("pages") + 1}, C.lt("pages", F("author.age"))), 2)
        self.assertEqual(await update({"title": "none"}, C.none("reviews") & C.is_null("author.name")), 1)
        self.assertEqual(await update({"title": "pair"}, C.eq("author.name", F("editor.name"))), 1)
        rows = await maybe_await(books.list(order_by="id"))
        self.assertEqual([row.pages for row in rows], [2, 2, None, 40, 10])
        self.assertEqual([row.title for row in rows], ["Ash", "Birch", "Cedar", "pair", "none"])
        where = C.any_("books", C.eq("title", "pair")) | C.is_null("country.code")
        self.assertEqual(await maybe_await(people.update_where({"age": 0}, where=where)), 1)
        self.assertEqual(await maybe_await(books.delete_where(where=C.any_("genres", C.eq("name", "poem")))), 1)
        self.assertEqual(await maybe_await(books.delete_where(where=[C.eq("editor.age", 0), C.none("reviews")])), 1)
        self.assertEqual(await self.ids(books), [2, 4, 5])
        self.assertEqual(await maybe_await(books.delete_where(where=C.is_not_null("author.passport.number"))), 1)
        self.assertEqual(await self.ids(books), [4, 5])

    async def test_update_and_delete_of_a_tree(self) -> None:
        """L7 Q14: the table that is changed is read as it was before, whatever the order of the rows."""
        nodes = [Node("a"), Node("a", 1), Node("a", 2), Node("a", 3), Node("b", 4), Node("b", 5)]
        repo = await self.table(Node, nodes)
        self.assertEqual(await maybe_await(repo.update_where({"name": "c"}, where=C.eq("parent.parent.name", "a"))), 4)
        self.assertEqual([row.name for row in await maybe_await(repo.list(order_by="id"))], list("aacccc"))
        self.assertEqual(await maybe_await(repo.update_where({"name": "d"}, where=C.any_("children.children"))), 4)
        self.assertEqual([row.name for row in await maybe_await(repo.list(order_by="id"))], list("ddddcc"))
        self.assertEqual(await maybe_await(repo.delete_where(where=C.eq("parent.name", "d"))), 4)
        self.assertEqual(await self.ids(repo), [1, 6])
        self.assertEqual(await maybe_await(repo.delete_where(where=C.none("children"))), 2)

    async def test_changes_that_the_filter_could_see(self) -> None:
        """L7 Q14 R5: what `list` finds is changed, and nothing else, where one change makes or ends another match."""
        repo = await self.table(Node)
        lone = [C.none("children", C.none("children")), C.none("children.children"), C.is_null("child.child.id")]
        twice = [C.eq("namesake.namesake.name", "a") & C.none("parent.parent"), ~C.any_("parent", C.any_("parent"))]
        for where in (*lone, *twice, C.eq("parent.id", F("namesake.parent.id")) | C.none("children.parent.children")):
            for values in ({"parent_id": 1}, {"parent_id": 3, "name": "a"}, {"parent_id": None, "name": "z"}):
                await maybe_await(repo.delete_where(allow_all=True))
                rows = [Node("a", 2, 1), Node("b", None, 2), Node("a", None, 3), Node("b", 3, 4)]
                await maybe_await(repo.insert_many(rows))
                found = await self.ids(repo, where)
                with self.subTest(where=where, values=values):
                    self.assertEqual(await maybe_await(repo.update_where(values, where=where)), len(found))
                    for row in rows:
                        wanted = {"name": row.name, "parent_id": row.parent_id} | (values if row.id in found else {})
                        self.assertEqual(await maybe_await(repo.get(row.id)), Node(**wanted, id=row.id))
                    left = [row.id for row in rows if row.id not in await self.ids(repo, where)]
                    self.assertEqual(await maybe_await(repo.delete_where(where=where)), len(rows) - len(left))
                    self.assertEqual(await self.ids(repo), left)


class PathErrorContract(PathHelpers):
    """L7: what is refused, before any SQL."""

    async def test_unknown_names(self) -> None:
        """L7 Q10: an unknown relation or field is a QueryError that names the model and the nearest name."""
        await self.library()
        repo = self.repo(Book)
        bad: list[tuple[str, list[str]]] = [
            ("autor.name", ["Book", "'author'"]),
            ("author.nme", ["Person", "'name'"]),
            ("author.contry.name", ["Person", "'country'"]),
            ("title.name", ["Book", "title"]),
            ("author_id.name", ["Book", "'author'"]),
            ("author.country_code.name", ["Person", "country"]),
            ("author", ["Book.author", "relation", "author.id"]),
            ("author.country", ["Person.country", "relation"]),
            ("author.name.x", ["Person", "name"]),
            ("author.", ["Person"]),
            (".name", ["path"]),
            ("author..name", ["path"]),
            (".", ["path"]),
            ("author.name ", ["Person", "'name'"]),
            ('author"."name', ["Book"]),
        ]
        for name, words in bad:
            uses: list[Any] = [
                lambda name=name: repo.list(where=C.eq(name, "x")),
                lambda name=name: repo.count(C.is_null(name)),
                lambda name=name: repo.exists(C.eq("title", F(name))),
                lambda name=name: repo.list(order_by=f"-{name}"),
                lambda name=name: repo.list(order_by=OrderBy(name)),
                lambda name=name: repo.delete_where(where=C.eq(name, "x")),
                lambda name=name: self.repo(Review).list(where=C.any_("book", C.eq(name, "x"))),
            ]
            for number, use in enumerate(uses):
                with self.subTest(name, number=number):
                    await self.refused(QueryError, use, *words)
        for path in ("revews", "author.boks", "title", "", ".", "reviews.", "reviews.text", "author.name"):
            with self.subTest(path):
                await self.refused(QueryError, lambda path=path: repo.list(where=C.any_(path)))

    async def test_many_rows_are_no_value(self) -> None:
        """L7: a path over a to-many relation is a QueryError that shows C.any_."""
        await self.library()
        for model, name in ((Book, "reviews.stars"), (Review, "book.genres.name"), (Person, "books.author.name")):
            relations = name.split(".")[: 1 if model is Person else -1]
            advice = f"C.any_({'.'.join(relations)!r}"
            for where, order in ((C.eq(name, 1), None), (C.gt("id", F(name)), None), (None, name)):
                with self.subTest(name=name, order=order):
                    repo = self.repo(model)
                    await self.refused(QueryError, lambda r=repo, w=where, o=order: r.list(where=w, order_by=o), advice)
        await self.refused(QueryError, lambda: self.repo(Book).list(where=C.eq("reviews", 1)), "C.any_('reviews')")

    async def test_wrong_values(self) -> None:
        """L7 Q1 Q11 T0: values are checked by the type of the field that the path leads to, and never shown."""
        await self.library()
        repo = self.repo(Book)
        wrong: list[Any] = [
            C.eq("author.age", "secret"),
            C.in_("author.age", [1, "secret"]),
            C.eq("author.name", 5),
            C.like("author.age", "x"),
            C.lt("author.name", None),
            C.eq("author.age", F("author.name")),
            C.eq("title", F("author.age")),
            C.lt("author.age", F("author.name") + 1),
            C.any_("reviews", C.eq("stars", "secret")),
            C.any_("reviews", C.eq("pages", 1)),
        ]
        for number, where in enumerate(wrong):
            with self.subTest(number):
                error = await self.refused(QueryError, lambda where=where: repo.list(where=where))
                self.assertNotIn("secret", str(error))
        error = await self.refused(QueryError, lambda: repo.count(C.eq("author.age", "x")), "Person.age")
        self.assertIsInstance(error.__cause__, CodecError)
        await self.refused(QueryError, lambda: self.repo(Review).list(order_by="book.extra"), "Book.extra is JSON")

    async def test_what_is_no_condition(self) -> None:
        """L7 Q9: any_ and none take conditions and a path of text; anything else is a TypeError."""
        await self.library()
        repo = self.repo(Book)
        for bad in ("stars = 5", "", b"", 5, True, {"stars": 5}, F("stars"), OrderBy("stars"), [5], ["stars"], C):
            for make in (C.any_, C.none):
                with self.subTest(bad=bad, make=make.__name__):
                    error = await self.refused(
                        TypeError, lambda make=make, bad=bad: repo.list(where=make("reviews", bad))
                    )
                    self.assertIsInstance(error, QueryError)
        by_hand: Any = RelatedCondition
        for bad_path in (None, 5, ["reviews"], F("reviews")):
            with self.subTest(path=bad_path):
                await self.refused(TypeError, lambda path=bad_path: repo.list(where=C.any_(path)))
                await self.refused(TypeError, lambda path=bad_path: repo.list(where=by_hand(path)))
        await self.refused(TypeError, lambda: repo.list(where=by_hand("reviews", "stars = 5")))
        self.assertEqual(await self.ids(repo, by_hand("reviews", [C.eq("stars", 5)])), [1])
        self.assertEqual(await self.ids(repo, by_hand("reviews", negated=True)), [3, 5])

    async def test_where_no_path_belongs(self) -> None:
        """L7 Q14 Q16 G1: what is written, and what get_or_create looks up, are the row's own fields."""
        await self.library()
        repo = self.repo(Book)
        calls: list[Any] = [
            lambda: repo.update_where({"pages": F("author.age")}, where=C.eq("id", 1)),
            lambda: repo.update_where({"pages": F("pages") + F("author.age")}, where=C.eq("id", 1)),
            lambda: repo.update_where({"author.age": 1}, where=C.eq("id", 1)),
            lambda: self.repo(Passport).get_or_create(lookup={"person.id": 1}),
            lambda: self.repo(Passport).get_or_create(lookup={"number": "P"}, defaults={"person.name": "x"}),
        ]
        for number, call in enumerate(calls):
            with self.subTest(number):
                await self.refused(QueryError, call)

    async def test_limits(self) -> None:
        """L7 Q9: what the database can't join, nest or parse is a QueryError; what it can is answered."""
        repo = await self.table(Node, [Node("a"), Node("b", 1)])
        up = ".".join(["parent"] * 61)
        await self.refused(QueryError, lambda: repo.list(where=C.is_null(f"{up}.name")), "60")
        await self.refused(QueryError, lambda: repo.list(order_by=f"{up}.name"), "60")
        await self.refused(QueryError, lambda: repo.list(where=C.any_(up)), "60")
        wide = [C.is_null(".".join(["parent"] * up + ["name"])) for up in (60, 30)]
        self.assertEqual(await self.ids(repo, wide), [1, 2])
        both = [C.any_("children", wide[0]), C.none(".".join(["children"] * 20), wide[1])]
        self.assertEqual(await self.ids(repo, both), [1])
        too_wide = C.any_(".".join(["children"] * 60), wide[1])
        await self.refused(QueryError, lambda: repo.list(where=too_wide), "60")
        for levels in (1, 5, 8):
            where: Any = C.eq("name", "b")
            for level in range(levels):
                where = C.none("children", where) if level % 2 else C.any_("parent.children", where)
            with self.subTest(levels=levels):
                inside = C.any_("children", C.eq("name", "b"))
                found = await self.ids(repo, where)
                self.assertEqual(await self.ids(repo, ~where), [key for key in (1, 2) if key not in found])
                self.assertEqual(await self.ids(repo, inside & (where | ~where)), [1])
        for levels in (100, 5_000):
            where = C.eq("name", "b")
            for _ in range(levels):
                where = C.any_("children", C.ne("name", "x") & where)
            for call in (
                lambda where=where: repo.count(where),
                lambda where=where: repo.delete_where(where=~where),
            ):
                with self.subTest(levels=levels):
                    await self.refused(QueryError, call)

    async def test_as_deep_as_it_may_be(self) -> None:
        """L7 Q9: whatever is nested, the database can parse it or it is a QueryError, in every verb."""
        repo = await self.table(Node, [Node("a"), Node("b", 1)])
        twins = "namesake.parent.namesake"
        leaves: list[Any] = [
            C.eq("name", "zz"),
            C.between(f"{twins}.id", F("parent.parent.id"), F(f"{twins}.id")),
            C.startswith(f"{twins}.name", "zz"),
            ~C.in_(f"{twins}.id", [1, 2, None]),
            C.same_as("id", 1 - (F(f"{twins}.id") - (F("namesake.id") - 1))) & C.eq("parent.id", 5),
        ]
        for number, leaf in enumerate(leaves[: self.amount(5, 1)]):
            where, nests = leaf, []
            for level in range(14):
                inner = where if level % 2 else C.eq("parent.name", "a") & (where | C.eq("name", "c"))
                where = (C.any_ if level % 3 else C.none)("children.children" if level == 2 else "children", inner)
                nests.append(where)
            for name, call in (
                ("count", lambda where: repo.count(C.eq("id", 1) | where)),
                ("update_where", lambda where: repo.update_where({"name": "x"}, where=where & C.eq("id", 77))),
                ("delete_where", lambda where: repo.delete_where(where=[C.eq(f"{twins}.id", 77), where])),
            ):
                answered = 0
                for where in nests:
                    with contextlib.suppress(QueryError):
                        await maybe_await(call(where))
                        answered += 1
                with self.subTest(name, number=number):
                    self.assertGreater(answered, 3)

    async def test_changes_as_deep_as_they_may_be(self) -> None:
        """L7 Q9 Q14: the same, level by level, where the table that is changed is read."""
        repo = await self.table(Node, [Node("a"), Node("b", 1), Node("c", 2)])
        for leaf in (C.eq("namesake.parent.name", "zz"), ~C.in_("parent.id", [1, 2, None])):
            where: Any = leaf
            changed: list[int] = []
            for _ in range(self.amount(12, 8)):
                where = C.none("children", where)
                with contextlib.suppress(QueryError):
                    changed.append(await maybe_await(repo.update_where({"name": "x"}, where=where)))
                    self.assertEqual(changed[-1], await maybe_await(repo.count(where)))
            with self.subTest(leaf=leaf):
                self.assertGreater(len(changed), 5)

    async def test_conditions_of_any_width(self) -> None:
        """L7 Q6 Q9: 5,000 conditions and long lists work inside of any_, and beside it."""
        await self.library()
        stars, many = [C.eq("stars", n) for n in range(5, self.amount(5_005, 505))], self.amount(100_000, 5_000)
        await self.finds(
            Book,
            [
                (C.any_("reviews", C.or_(stars)), [1]),
                (C.any_("reviews", C.in_("stars", range(5, many))), [1]),
                (C.in_("author.age", [*range(40, many), None]), [3, 4, 5]),
                (C.or_([C.any_("reviews", C.eq("stars", n)) for n in range(3, 60)]), [1, 2]),
            ],
        )
