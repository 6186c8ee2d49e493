"""Any query over relations gives what Python gives that follows the same relations by hand."""

from __future__ import annotations

import asyncio
import operator
import tempfile
import unittest
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mini_orm
from mini_orm import C, F, OrderBy
from mini_orm.core.models import model_meta
from mini_orm.core.query.compiler import compiler_for
from mini_orm.core.repositories.related import models_of
from tests.backends import Aiosqlite, Asyncmy, Backend, SyncPsycopg, SyncSqlite3, maybe_await, where_there_is_a_server
from tests.test_queries_property import COMPARISONS, Truth, compare, every, inverse, same, some, within


def key() -> Any:
    return field(default=None, metadata={"pk": True, "auto": True})


def refers(model: type, **metadata: Any) -> Any:
    return field(default=None, metadata={"fk": (model, "id"), "on_delete": "cascade", **metadata})


@dataclass
class Author:
    __table__ = "_1"  # like an alias
    __relations__ = {
        "mentor": {"model": "Author", "local_key": "mentor_id", "remote_key": "id"},
        "pupils": {"model": "Author", "local_key": "id", "remote_key": "mentor_id", "type": "has_many"},
        "namesake": {"model": "Author", "local_key": "name", "remote_key": "name", "type": "has_one"},
    }
    name: str
    age: int | None = None
    rating: Decimal | None = None
    mentor_id: int | None = None  # no foreign key: it may dangle
    id: int | None = key()


@dataclass
class Post:
    title: str
    views: int | None = None
    price: Decimal | None = None
    author_id: int | None = refers(Author)
    editor_id: int | None = refers(Author, related_name="edited")
    id: int | None = key()


@dataclass
class Comment:
    text: str | None = None
    score: int | None = None
    post_id: int | None = refers(Post)
    author_id: int | None = refers(Author)
    id: int | None = key()


@dataclass
class Tag:
    name: str
    weight: int | None = None
    id: int | None = key()


@dataclass
class PostTag:
    post_id: int = field(metadata={"pk": True, "fk": (Post, "id"), "on_delete": "cascade"})
    tag_id: int = field(metadata={"pk": True, "fk": (Tag, "id"), "on_delete": "cascade"})


@dataclass
class Twig:
    """A tree that may have circles and gaps."""

    __relations__ = {
        "parent": {"model": "Twig", "local_key": "up", "remote_key": "id"},
        "kids": {"model": "Twig", "local_key": "id", "remote_key": "up", "type": "has_many"},
        "first": {"model": "Twig", "local_key": "id", "remote_key": "up", "type": "has_one"},
    }
    name: str
    up: int | None = None
    id: int | None = key()


@dataclass
class Square:
    """The same with a key of two parts, and relations by one of them."""

    __relations__ = {
        "above": {"model": "Square", "local_key": ("x", "up"), "remote_key": ("x", "y")},
        "below": {"model": "Square", "local_key": ("x", "y"), "remote_key": ("x", "up"), "type": "has_many"},
        "row": {"model": "Square", "local_key": "y", "remote_key": "y", "type": "has_many"},
        "first": {"model": "Square", "local_key": "up", "remote_key": "y", "type": "has_one"},
    }
    x: int = field(metadata={"pk": True})
    y: int = field(metadata={"pk": True})
    up: int | None = None
    name: str = ""


ENTITIES: tuple[type, ...] = (Author, Post, Comment, Tag)
MODELS: tuple[type, ...] = (*ENTITIES, PostTag)
#: Models that refer to themselves alone.
TREES: tuple[type, ...] = (Twig, Square)
World = Mapping[type, list[Any]]


class Way(NamedTuple):
    """A relation, and how Python follows it: to rows of `target`, in the order of their keys."""

    target: type
    is_many: bool
    follow: Callable[[World, Any], list[Any]]


def way(target: type, local: str, remote: str, *, is_many: bool = False) -> Way:
    """Return the way by fields; of several, the names stand with blanks between."""
    names = list(zip(local.split(), remote.split(), strict=True))

    def follow(world: World, row: Any) -> list[Any]:
        values = {name: getattr(row, own) for own, name in names}
        if None in values.values():
            return []
        return [one for one in world[target] if all(getattr(one, name) == value for name, value in values.items())]

    return Way(target, is_many, follow)


def linked(target: type, own: str, other: str) -> Way:
    def follow(world: World, row: Any) -> list[Any]:
        keys = {getattr(link, other) for link in world[PostTag] if getattr(link, own) == row.id}
        return [found for found in world[target] if found.id in keys]

    return Way(target, True, follow)


WAYS: dict[type, dict[str, Way]] = {
    Author: {
        "mentor": way(Author, "mentor_id", "id"),
        "namesake": way(Author, "name", "name"),
        "pupils": way(Author, "id", "mentor_id", is_many=True),
        "posts": way(Post, "id", "author_id", is_many=True),
        "edited": way(Post, "id", "editor_id", is_many=True),
        "comments": way(Comment, "id", "author_id", is_many=True),
    },
    Post: {
        "author": way(Author, "author_id", "id"),
        "editor": way(Author, "editor_id", "id"),
        "comments": way(Comment, "id", "post_id", is_many=True),
        "tags": linked(Tag, "post_id", "tag_id"),
    },
    Comment: {"post": way(Post, "post_id", "id"), "author": way(Author, "author_id", "id")},
    Tag: {"posts": linked(Post, "tag_id", "post_id")},
    Twig: {
        "parent": way(Twig, "up", "id"),
        "kids": way(Twig, "id", "up", is_many=True),
        "first": way(Twig, "id", "up"),
    },
    Square: {
        "above": way(Square, "x up", "x y"),
        "below": way(Square, "x y", "x up", is_many=True),
        "row": way(Square, "y", "y", is_many=True),
        "first": way(Square, "up", "y"),
    },
}
INTS, TEXTS = [-1, 0, 1, 2, 5], ["", "a", "A", "ab", "b%"]
DECIMALS = [Decimal("-1"), Decimal("2"), Decimal("10"), Decimal("9.5")]
KEYS = [1, 2, 3]
#: The fields of each kind that conditions speak of.
FIELDS: dict[type, dict[str, list[Any]]] = {
    Author: {"name": TEXTS, "age": INTS, "rating": DECIMALS, "id": KEYS},
    Post: {"title": TEXTS, "views": INTS, "price": DECIMALS, "id": KEYS},
    Comment: {"text": TEXTS, "score": INTS, "id": KEYS},
    Tag: {"name": TEXTS, "weight": INTS, "id": KEYS},
    Twig: {"name": TEXTS, "up": KEYS, "id": KEYS},
    Square: {"x": KEYS, "y": KEYS, "up": KEYS, "name": TEXTS},
}


class Reached(NamedTuple):
    """A field, or a path to one over to-one relations, and what it is in Python."""

    name: str
    values: list[Any]
    get: Callable[[World, Any], Any]


def reached(model: type, depth: int) -> Iterator[Reached]:
    for name, values in FIELDS[model].items():
        yield Reached(name, values, lambda world, row, name=name: getattr(row, name))  # type: ignore[misc]
    for relation, step in WAYS[model].items():
        if depth and not step.is_many:
            for inner in reached(step.target, depth - 1):
                yield Reached(f"{relation}.{inner.name}", inner.values, over(step, inner))


def over(step: Way, inner: Reached) -> Callable[[World, Any], Any]:
    def get(world: World, row: Any) -> Any:
        found = step.follow(world, row)
        return inner.get(world, found[0]) if found else None

    return get


REACHED = {model: list(reached(model, 3)) for model in FIELDS}


class Case(NamedTuple):
    """A condition on rows of one model, and what it means in Python."""

    where: Any
    judge: Callable[[World, Any], Truth]


@st.composite
def leaves(draw: st.DrawFn, model: type) -> Case:
    """One condition on a field, or on one of a related row."""
    one = draw(st.sampled_from(REACHED[model]))
    get, value = one.get, draw(st.sampled_from(one.values))
    kind = draw(st.sampled_from(["compare", "compare", "null", "same", "list", "between", "text", "other"]))
    name = draw(st.sampled_from(sorted(COMPARISONS)))
    holds = COMPARISONS[name]
    if kind == "null":
        if draw(st.booleans()):
            return Case(C.is_null(one.name), lambda world, row: get(world, row) is None)
        return Case(C.is_not_null(one.name), lambda world, row: get(world, row) is not None)
    if kind == "same":
        given_ = draw(st.sampled_from([None, value]))
        if draw(st.booleans()):
            return Case(C.same_as(one.name, given_), lambda world, row: same(get(world, row), given_))
        return Case(C.distinct_from(one.name, given_), lambda world, row: not same(get(world, row), given_))
    if kind == "list":
        values = draw(st.lists(st.none() | st.sampled_from(one.values), max_size=3))
        if draw(st.booleans()):
            return Case(C.in_(one.name, values), lambda world, row: within(get(world, row), values))
        return Case(C.not_in(one.name, values), lambda world, row: inverse(within(get(world, row), values)))
    if kind == "between":
        high = draw(st.sampled_from(one.values))
        return Case(
            C.between(one.name, value, high),
            lambda world, row: every(
                [compare(operator.ge, get(world, row), value), compare(operator.le, get(world, row), high)]
            ),
        )
    if kind == "text" and isinstance(value, str):
        return Case(C.contains(one.name, value), lambda world, row: compare(operator.contains, get(world, row), value))
    if kind == "other":
        alike = [other for other in REACHED[model] if type(other.values[0]) is type(value)]
        other = draw(st.sampled_from(alike))
        plus = draw(st.sampled_from([0, 1])) if isinstance(value, int) else 0

        def right(world: World, row: Any) -> Any:
            found = other.get(world, row)
            return found + plus if plus and found is not None else found

        expression = F(other.name) + plus if plus else F(other.name)
        return Case(
            getattr(C, name)(one.name, expression),
            lambda world, row: compare(holds, get(world, row), right(world, row)),
        )
    return Case(getattr(C, name)(one.name, value), lambda world, row: compare(holds, get(world, row), value))


@st.composite
def cases(draw: st.DrawFn, model: type, levels: int = 3) -> Case:
    """Any condition on rows of a model."""
    kind = draw(st.sampled_from(["leaf", "leaf", "related", "related", "and", "or", "not"])) if levels else "leaf"
    if kind == "leaf":
        return draw(leaves(model))
    if kind == "related":
        return draw(related(model, levels - 1))
    if kind == "not":
        one = draw(cases(model, levels - 1))
        return Case(~one.where, lambda world, row: inverse(one.judge(world, row)))
    several = draw(st.lists(cases(model, levels - 1), min_size=1, max_size=3))
    join, truth = (C.and_, every) if kind == "and" else (C.or_, some)
    return Case(join([case.where for case in several]), lambda world, row: truth(c.judge(world, row) for c in several))


@st.composite
def related(draw: st.DrawFn, model: type, levels: int) -> Case:
    """Whether a row over one relation, or two, matches, or none does."""
    names: list[str] = []
    steps: list[Way] = []
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        name = draw(st.sampled_from(sorted(WAYS[steps[-1].target if steps else model])))
        steps.append(WAYS[steps[-1].target if steps else model][name])
        names.append(name)
    inner = draw(st.none() | cases(steps[-1].target, levels))

    def found(world: World, row: Any) -> bool:
        rows = [row]
        for step in steps:
            rows = [other for one in rows for other in step.follow(world, one)]
        return any(inner is None or inner.judge(world, one) is True for one in rows)

    path, where = ".".join(names), None if inner is None else inner.where
    if draw(st.booleans()):
        return Case(C.any_(path, where), found)
    return Case(C.none(path, where), lambda world, row: not found(world, row))


@dataclass
class Question:
    """What is asked of one model's table."""

    model: type
    case: Case
    keys: list[tuple[Reached, OrderBy]]
    limit: int | None
    offset: int | None


@st.composite
def questions(draw: st.DrawFn) -> Question:
    model = draw(st.sampled_from(ENTITIES))
    keys = [
        (one, OrderBy(one.name, draw(st.booleans()), draw(st.sampled_from(["first", "last"]))))
        for one in draw(st.lists(st.sampled_from(REACHED[model]), max_size=3))
    ]
    limit, offset = draw(st.none() | st.integers(1, 4)), draw(st.none() | st.integers(0, 3))
    return Question(model, draw(cases(model)), keys, limit, offset)


def ordered(world: World, rows: list[Any], keys: Iterable[tuple[Reached, OrderBy]]) -> list[Any]:
    """Sort as ORDER BY does; `rows` are in the order of their keys."""
    for one, order in reversed(list(keys)):
        nulls = [row for row in rows if one.get(world, row) is None]
        others = [row for row in rows if one.get(world, row) is not None]
        others.sort(key=lambda row: one.get(world, row), reverse=order.desc)
        rows = nulls + others if order.nulls == "first" else others + nulls
    return rows


def optional(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.none() | st.sampled_from(values)


@st.composite
def worlds(draw: st.DrawFn) -> dict[type, list[Any]]:
    """A few rows of every model that refer to each other."""
    sizes = {model: draw(st.integers(1, 4)) for model in ENTITIES}

    def one_of(model: type) -> st.SearchStrategy[Any]:
        return optional(list(range(1, sizes[model] + 1)))

    text, number, exact = st.sampled_from(TEXTS), optional(INTS), optional(DECIMALS)
    made: dict[type, st.SearchStrategy[Any]] = {
        Author: st.builds(Author, text, number, exact, optional([1, 2, 3, 99])),
        Post: st.builds(Post, text, number, exact, one_of(Author), one_of(Author)),
        Comment: st.builds(Comment, optional(TEXTS), number, one_of(Post), one_of(Author)),
        Tag: st.builds(Tag, text, number),
    }
    world = {model: [draw(made[model]) for _ in range(size)] for model, size in sizes.items()}
    pairs = st.tuples(st.integers(1, sizes[Post]), st.integers(1, sizes[Tag]))
    world[PostTag] = [PostTag(*pair) for pair in draw(st.lists(pairs, max_size=5, unique=True))]
    for rows in world.values():
        for number_, row in enumerate(rows, start=1):
            if not isinstance(row, PostTag):
                row.id = number_
    return world


#: What `update_where` sets, which is read back nowhere.
CHANGES: dict[type, dict[str, Any]] = {
    Author: {"age": 3},
    Post: {"views": F("views") + 1},
    Comment: {"score": None},
    Tag: {"weight": 0},
}


@st.composite
def trees(draw: st.DrawFn, model: type) -> list[Any]:
    """A few rows of a model that refer to each other, in the order of their keys."""
    up, name = optional([*KEYS, 4, 99]), st.sampled_from(TEXTS)
    if model is Twig:
        return [Twig(draw(name), draw(up), number) for number in range(1, draw(st.integers(1, 6)) + 1)]
    places = draw(st.sets(st.tuples(st.sampled_from(KEYS), st.sampled_from(KEYS)), min_size=1, max_size=6))
    return [Square(*place, draw(up), draw(name)) for place in sorted(places)]


@dataclass
class Change:
    """What is changed by condition in the table of a model that refers to itself."""

    model: type
    rows: list[Any]
    case: Case
    values: dict[str, Any]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    model = draw(st.sampled_from(TREES))
    values = draw(
        st.fixed_dictionaries({"up": optional(KEYS)}, optional={"name": st.sampled_from(TEXTS)})
        | st.fixed_dictionaries({"name": st.sampled_from(TEXTS)})
    )
    return Change(model, draw(trees(model)), draw(cases(model)), values)


class PathProperties:
    """What one backend holds; `examples` says how many are tried."""

    backend_class: type[Backend]
    examples: int

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="mini_orm_test_")
        self.runner = asyncio.Runner()
        self.backend = self.backend_class(directory.name)
        self.db: Any = self.runner.run(self.backend.open(**self.backend.scratch()))
        self.hub: Any = self.backend.hub(self.db)
        self.runner.run(self.prepare())
        cleanup: Callable[[Callable[[], Any]], Any] = self.addCleanup  # type: ignore[attr-defined]  # TestCase's
        cleanup(directory.cleanup)
        cleanup(self.backend.close)
        cleanup(self.runner.close)
        cleanup(lambda: self.runner.run(self.close()))

    async def prepare(self) -> None:
        if self.backend.face == "async":
            await mini_orm.apply_schema_async(self.db, MODELS + TREES)
        else:
            mini_orm.apply_schema(self.db, MODELS + TREES)

    async def close(self) -> None:
        if self.backend.face == "async":
            await self.db.aclose()
        else:
            self.db.close()

    async def fill(self, world: World) -> None:
        """Make these the only rows."""
        for model in reversed(MODELS):
            await maybe_await(self.hub.delete_where(model, allow_all=True))
        for model in MODELS:
            await maybe_await(self.hub.insert_many(model, world[model]))

    def search(self, work: Callable[..., Coroutine[Any, Any, None]], **strategies: st.SearchStrategy[Any]) -> None:
        """Run `work` for many examples, each as one run of the loop outside hypothesis."""

        @settings(
            max_examples=self.examples,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
        )
        @given(**strategies)
        def check(**drawn: Any) -> None:
            self.runner.run(work(**drawn))

        check()

    def test_paths_mean_what_python_says(self) -> None:
        """L7 Q1 Q2 Q4 Q9 Q12 Q13 Q15 Q16: conditions and orders over relations, in every verb that takes them."""

        async def work(world: World, asked: list[Question]) -> None:
            await self.fill(world)
            for question in asked:
                await self.check(world, question)
            last = asked[-1]
            matching = [row for row in world[last.model] if last.case.judge(world, row)]
            verb = self.hub.update_where if last.limit else self.hub.delete_where
            values = (CHANGES[last.model],) if last.limit else ()
            assert await maybe_await(verb(last.model, *values, where=last.case.where)) == len(matching), last

        self.search(work, world=worlds(), asked=st.lists(questions(), min_size=1, max_size=3))

    def test_changes_see_the_table_as_it_was(self) -> None:
        """L7 Q14 R5: update_where and delete_where over the table that they change, by the fields that they set."""

        async def work(change: Change) -> None:
            model, rows, case = change.model, change.rows, change.case
            await maybe_await(self.hub.delete_where(model, allow_all=True))
            await maybe_await(self.hub.insert_many(model, rows))
            world: World = {model: rows}
            found = [row for row in rows if case.judge(world, row) is True]
            changed = [replace(row, **change.values) if row in found else row for row in rows]
            count = await maybe_await(self.hub.update_where(model, change.values, where=case.where))
            assert (count, await self.stored(model)) == (len(found), changed), change
            world = {model: changed}
            left = [row for row in changed if case.judge(world, row) is not True]
            count = await maybe_await(self.hub.delete_where(model, where=case.where))
            assert (count, await self.stored(model)) == (len(changed) - len(left), left), change

        self.search(work, change=changes())

    async def stored(self, model: type) -> list[Any]:
        keys = ["x", "y"] if model is Square else ["id"]
        rows: list[Any] = await maybe_await(self.hub.list(model, order_by=keys))
        return rows

    def test_no_relation_is_overlooked(self) -> None:
        """S5 S6 L7: what is seen to before an action are the relations that its statement goes over, all of them."""

        async def work(question: Question) -> None:
            compiler = compiler_for(model_meta(question.model), self.db.dialect)
            where, order = question.case.where, [order for _, order in question.keys]
            found = compiler.filters.relations(where, order)
            sql = compiler.select(where, order, None, None).sql
            read = [model for model in MODELS if f" {self.db.dialect.quote(model_meta(model).table)} AS " in sql]
            assert set(models_of(found)) == set(read), (question, sql)

        self.search(work, question=questions())

    async def check(self, world: World, question: Question) -> None:
        model, case = question.model, question.case
        for where, wanted in ((case.where, True), (~case.where, False)):
            matching = [row for row in world[model] if case.judge(world, row) is wanted]
            expected = ordered(world, matching, question.keys)[question.offset or 0 :][: question.limit]
            order = [*(order for _, order in question.keys), "id"]
            found = await maybe_await(
                self.hub.list(model, where=where, order_by=order, limit=question.limit, offset=question.offset)
            )
            assert [row.id for row in found] == [row.id for row in expected], (question, expected, found)
            assert await maybe_await(self.hub.count(model, where)) == len(matching), question
            assert await maybe_await(self.hub.exists(model, where)) is bool(matching), question


class SyncSqlite3Paths(PathProperties, unittest.TestCase):
    backend_class, examples = SyncSqlite3, 400


class SyncPsycopgPaths(PathProperties, unittest.TestCase):
    backend_class, examples = SyncPsycopg, 60


SyncPsycopgPaths = where_there_is_a_server(SyncPsycopgPaths, SyncPsycopg)


class AsyncmyPaths(PathProperties, unittest.TestCase):
    backend_class, examples = Asyncmy, 40


AsyncmyPaths = where_there_is_a_server(AsyncmyPaths, Asyncmy)


class AiosqlitePaths(PathProperties, unittest.TestCase):
    backend_class, examples = Aiosqlite, 60
