"""Whatever objects there are: what relations load is what a plain Python look-up finds, and what `create` stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mini_orm import C, RelatedResult, RelationType
from mini_orm.core.relations import Relation, relation_of
from tests.backends import BACKENDS, maybe_await, where_there_is_a_server
from tests.contracts.relations import Author, Comment, Post, PostTag, Profile, Tag
from tests.contracts.relations_load import few_values
from tests.test_types_property import SETTINGS, PropertyCase

MODELS = (Author, Profile, Post, Comment, Tag, PostTag)
#: The relations that paths go by.
NAMES = {
    Author: ("posts", "profile"),
    Profile: ("author",),
    Post: ("author", "comments", "tags", "posttags"),
    Comment: ("post",),
    Tag: ("posts", "posttags"),
    PostTag: ("post", "tag"),
}
KEYS = st.integers(1, 6)

if TYPE_CHECKING:
    Mixin = PropertyCase
else:
    Mixin = object

Tables = dict[type, list[Any]]


@st.composite
def tables(draw: st.DrawFn) -> Tables:
    """Draw rows that refer to each other, in no order."""

    def some(model: type, make: Any) -> list[Any]:
        return [make(key) for key in draw(st.permutations(sorted(draw(st.sets(KEYS)))))]

    def one_of(rows: list[Any]) -> Any:
        return draw(st.sampled_from([None, *(row.id for row in rows)]))

    authors = some(Author, lambda key: Author(f"a{key}", id=key))
    posts = some(Post, lambda key: Post(f"p{key}", one_of(authors), key))
    tags = some(Tag, lambda key: Tag(f"t{key}", key))
    pairs = [(post.id, tag.id) for post in posts for tag in tags]
    links = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    owners = draw(st.permutations([author.id for author in authors]))
    return {
        Author: authors,
        Profile: [
            Profile(owner, id=key) for owner, key in zip(owners, draw(st.lists(KEYS, unique=True)), strict=False)
        ],
        Post: posts,
        Comment: some(Comment, lambda key: Comment(f"c{key}", one_of(posts), key)),
        Tag: tags,
        PostTag: [PostTag(*pair) for pair in links],
    }


@st.composite
def paths(draw: st.DrawFn, model: type) -> str:
    """Draw a path over relations of a model."""
    names: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        names.append(draw(st.sampled_from(NAMES[model])))
        model = relation_of(model, names[-1]).target
    return ".".join(names)


def key_of(obj: Any) -> Any:
    """Return what objects of a model are ordered by."""
    return (obj.post_id, obj.tag_id) if isinstance(obj, PostTag) else obj.id


def looked_up(rows: Tables, obj: Any, relation: Relation) -> list[Any]:
    """Find what an object is related to, in the order of the keys."""

    def values(one: Any, columns: Any) -> list[Any]:
        return [getattr(one, column.name) for column in columns]

    own, target = values(obj, relation.local), rows[relation.target]
    if relation.link_ref is None:
        found = [other for other in target if values(other, relation.remote) == own]
    else:
        ends = [
            values(link, relation.link_remote)
            for link in rows[relation.link]
            if values(link, relation.link_local) == own
        ]
        found = [other for other in target if values(other, relation.remote) in ends]
    return sorted(found, key=key_of)


def expected(rows: Tables, obj: Any, include: list[str]) -> Any:
    """Return what loading has to give, as plain tuples."""
    inner: dict[str, list[str]] = {}
    for path in include:
        name, _, rest = path.partition(".")
        inner.setdefault(name, []).extend([rest] if rest else [])
    told = {}
    for name, below in inner.items():
        relation = relation_of(type(obj), name)
        found = [expected(rows, one, below) if below else one for one in looked_up(rows, obj, relation)]
        told[name] = found if relation.is_many else next(iter(found), None)
    return (obj, told)


def plain(value: Any) -> Any:
    """Return results as plain tuples."""
    if isinstance(value, RelatedResult):
        return (value.obj, {name: plain(one) for name, one in value.relations.items()})
    return [plain(one) for one in value] if isinstance(value, list) else value


class LoadingProperty(Mixin):
    def test_loading_is_looking_up(self) -> None:
        """L3 L4 L5: any paths over any rows, for all objects and for one, whatever a statement can bind."""
        for model in MODELS:
            self.run_async(self.create_table(self.db, model))

        @settings(SETTINGS, max_examples=60)
        @given(st.data())
        def check(data: st.DataObject) -> None:
            rows = data.draw(tables())
            model = data.draw(st.sampled_from(MODELS[:-1]))
            include = data.draw(st.lists(paths(model), max_size=4))
            self.run_async(self.loads(rows, model, include, data.draw(KEYS)))

        check()

    async def loads(self, rows: Tables, model: type, include: list[str], least: int) -> None:
        for cls in reversed(MODELS):
            await maybe_await(self.backend.repository(self.db, cls).delete_where(allow_all=True))
        for cls in MODELS:
            await maybe_await(self.backend.repository(self.db, cls).insert_many(rows[cls]))
        wanted = [expected(rows, one, include) for one in sorted(rows[model], key=key_of) if one.id >= least]
        few = self.backend.database(self.db.conn, few_values(self.db.dialect))
        for db in (self.db, few):
            repo = self.backend.repository(db, model)
            found = await maybe_await(repo.list_related(include=include, where=C.ge("id", least), order_by="id"))
            self.assertEqual(plain(found), wanted)
        one = await maybe_await(self.backend.repository(self.db, model).get_related(least, include=include))
        self.assertEqual(plain(one), next((told for told in wanted if told[0].id == least), None))


#: What may hang on an object that `create` inserts; never what it hangs on itself.
BELOW = {
    Author: ("posts", "profile"),
    Profile: (),
    Post: ("comments", "tags"),
    Comment: (),
    Tag: (),
}
ABOVE = {Post: "author", Comment: "post", Profile: "author"}
MAKE = {Author: Author, Profile: lambda name: Profile(text=name), Post: Post, Comment: Comment, Tag: Tag}


@st.composite
def trees(draw: st.DrawFn, model: type, *, is_below: bool, of: type | None = None) -> tuple[Any, dict[str, Any]]:
    """Draw an object, maybe the parent `of` another, and what to create with it. Author 1, tags 1 and 2 are there."""
    obj = MAKE[model](draw(st.text("abc", max_size=2)))
    relations: dict[str, Any] = {}
    for name in draw(st.permutations(BELOW[model])):
        target = relation_of(model, name).target
        if target is of:
            continue
        below = trees(target, is_below=True)
        if name == "tags":
            below = st.one_of(below, st.sampled_from([1, 2]).map(lambda key: (Tag("there", key), {})))
        if relation_of(model, name).is_many:
            relations[name] = draw(st.one_of(st.none(), st.lists(below, max_size=3)))
        else:
            relations[name] = draw(st.one_of(st.none(), below))
    if not is_below and model in ABOVE:
        there = st.just((Author("there", id=1), {})) if ABOVE[model] == "author" else st.none()
        target = relation_of(model, ABOVE[model]).target
        relations[ABOVE[model]] = draw(st.one_of(st.none(), there, trees(target, is_below=False, of=model)))
    return obj, relations


class CreatingProperty(Mixin):
    def test_what_is_created_is_loaded(self) -> None:
        """L2 L3: any tree of objects comes back as it was given, with the keys that the objects were told."""
        for model in MODELS:
            self.run_async(self.create_table(self.db, model))

        @settings(SETTINGS, max_examples=60)
        @given(st.sampled_from([Author, Post, Comment, Profile]).flatmap(lambda model: trees(model, is_below=False)))
        def check(tree: tuple[Any, dict[str, Any]]) -> None:
            self.run_async(self.creates(*tree))

        check()

    async def creates(self, obj: Any, relations: dict[str, Any]) -> None:
        hub = self.backend.hub(self.db)
        for cls in reversed(MODELS):
            await maybe_await(hub.delete_where(cls, allow_all=True))
        await maybe_await(hub.insert_many([Tag("x", 1), Tag("y", 2)]))
        await maybe_await(hub.insert(Author("z", id=1)))
        self.assertIs(await maybe_await(hub.create(obj, relations=relations)), obj)
        count = 3 + await self.compare(hub, obj, relations)
        stored = [await maybe_await(hub.count(cls)) for cls in MODELS if cls is not PostTag]
        self.assertEqual(sum(stored), count)

    async def compare(self, hub: Any, obj: Any, relations: dict[str, Any]) -> int:
        """Compare what is stored of an object, and of what hangs on it; return how many objects are new."""
        model = type(obj)
        found = await maybe_await(hub.get_related(model, obj.id, include=list(relations)))
        is_there = (model is Tag and obj.id in (1, 2)) or (model is Author and obj.id == 1)
        if not is_there:
            self.assertEqual(found.obj, obj)
        new = 0 if is_there else 1
        for name, wanted in relations.items():
            relation = relation_of(model, name)
            pairs = [] if wanted is None else wanted if relation.is_many else [wanted]
            value = found.relations[name]
            loaded = value if relation.is_many else [] if value is None else [value]
            keys = [one.id for one, _ in pairs]
            if relation.kind is RelationType.MANY_TO_MANY:
                keys = sorted(set(keys))
            self.assertEqual([one.id for one in loaded], keys)
            for one, below in pairs:
                new += await self.compare(hub, one, below)
        return new


for backend in BACKENDS:
    # Keys that are given among keys that are handed out need a database that looks at both.
    for prop in (LoadingProperty, CreatingProperty) if backend.uses_file else (LoadingProperty,):
        name = f"{prop.__name__}_{backend.__name__}"
        made = type(name, (prop, PropertyCase), {"backend_class": backend, "__module__": __name__})
        globals()[name] = where_there_is_a_server(made, backend)
