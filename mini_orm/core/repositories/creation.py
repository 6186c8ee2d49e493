"""Objects and their relations -> rows, in the order to insert them in: what `create` and `link` do before any SQL.

Rules of this file:
- What can be found wrong without the database is found here. Objects are checked and then read here, and defaults of
  links made, as none of the model's code runs inside the transaction. But for a link that is checked: where the
  database makes one of its keys, that is known inside only.
- Objects that one path of relations leads to are one batch, whoever they belong to, and are inserted in bulk. Parents
  come before the objects that refer to them, links come last.
- An object whose key is set stands for a row that is there, where it is a parent or the other side of a link. All
  others are new.
- Given objects change at the very end, when all is committed; frozen ones never.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import SimpleNamespace
from typing import Any

from ...errors import QueryError, RelationError
from ...validation import validate
from ..dialects import Dialect
from ..models import ColumnMeta, model_meta
from ..objects import build
from ..query.compiler import Compiler, compiler_for
from ..query.relating import encoded
from ..query.tables import Table, table_for
from ..relations import Relation, RelationType, relation_of
from .related import models_of

#: Where a value comes from: a column of another row.
Source = tuple["Draft", ColumnMeta]


class Draft:
    """A row in the making, of an object or between two: its values by field, and where its foreign keys come from."""

    __slots__ = ("changes", "is_new", "obj", "row", "sources", "table", "values", "waiting")

    def __init__(self, table: Table, values: dict[str, Any], *, is_new: bool, obj: Any = None) -> None:
        self.table = table
        self.values = values
        self.is_new = is_new
        self.obj = obj
        #: Where the values of fields come from that relations set: mostly from one row.
        self.sources: dict[str, list[Source]] = {}
        #: Fields that refer to rows which are not inserted yet, and their places in the row.
        self.waiting: dict[str, int] = {}
        #: Encoded values, of all columns.
        self.row: list[Any] = []
        #: What the object has to be told in the end.
        self.changes: dict[str, Any] = {}

    def refer(self, own: Sequence[ColumnMeta], source: Draft, theirs: Sequence[ColumnMeta]) -> None:
        """Take the values of `own` from the columns `theirs` of another row."""
        for column, other in zip(own, theirs, strict=True):
            self.sources.setdefault(column.name, []).append((source, other))

    def settle(self) -> None:
        """Take what is known of other rows, note what is not, and encode the rest.

        Raises:
            RelationError: another row has nothing to refer to, or two say different things of one field.
            CodecError: a value is not of its field's type.
            QueryError: a part of the key is `None` and the database does not make it.
        """
        for place, (name, column) in enumerate(self.table.columns.items()):
            sources = self.sources.get(name)
            if sources is None:
                value = self.values[name]
                if value is None and column.meta.pk and not column.meta.is_optional:
                    raise QueryError(f"create: the key {column} is None")
                self.row.append(encoded(column, value))
            elif any(source.will_have(other) for source, other in sources):
                if len(sources) > 1:
                    raise RelationError(f"create: two relations set {column}; give one of them")
                self.waiting[name] = place
                self.row.append(None)
            else:
                first, *others = [self._received(name, *source) for source in sources]
                if any(other != first for other in others):
                    raise RelationError(f"create: two relations set {column} to different values")
                self.row.append(first)

    def will_have(self, column: ColumnMeta) -> bool:
        """Whether a value is not known before the row is inserted."""
        is_filled_in = self.is_new and column.is_optional and self.values[column.name] is None
        return is_filled_in or column.name in self.waiting

    def _received(self, name: str, source: Draft, other: ColumnMeta) -> Any:
        """Take a value from another row; return it encoded."""
        column = self.table.columns[name]
        value = plain(source.values[other.name])
        if value is None:
            raise RelationError(f"{source.table.columns[other.name]} is None, and {column} refers to it")
        found = encoded(column, value)
        enum = column.meta.type.enum
        self.values[name] = self.changes[name] = value if enum is None else enum(value)
        return found

    def fill(self) -> None:
        """Take the keys of the rows that were inserted before."""
        for name, place in self.waiting.items():
            self.row[place] = self._received(name, *self.sources[name][0])

    def check(self, cls: type) -> None:
        """Make the object that a row between would be, let it check itself, and take what that changed.

        Raises:
            ValidationError: it is not right.
        """
        obj = build(cls, self.table.meta, self.values)
        validate(obj)
        for place, (name, column) in enumerate(self.table.columns.items()):
            if name not in self.sources:
                self.values[name] = getattr(obj, name)
                self.row[place] = encoded(column, self.values[name])

    def inserted(self, values: Mapping[str, Any]) -> None:
        """Take what the database filled in."""
        self.values.update(values)
        self.changes.update(values)

    def insertable(self) -> tuple[tuple[int, ...], list[Any]]:
        """Return the row as `Compiler.row` does: the places left out, and the other values."""
        columns = self.table.meta.columns
        omitted = tuple(place for place, value in enumerate(self.row) if value is None and columns[place].is_optional)
        return omitted, [value for place, value in enumerate(self.row) if place not in omitted]

    def stand_in(self) -> Any:
        """Return something with the object's attributes, and none of its code."""
        return SimpleNamespace(**self.values)


@dataclass(slots=True, eq=False)
class Batch:
    """New rows of one model."""

    compiler: Compiler
    drafts: list[Draft]


@dataclass(slots=True, eq=False)
class Links(Batch):
    """The rows of a link that a many-to-many relation asks for, if they are not there."""

    relation: Relation

    def check(self, drafts: Iterable[Draft]) -> None:
        """Let those of the rows check themselves whose model does so.

        Raises:
            ValidationError: one is not right.
        """
        if self.compiler.uses_validation:
            for draft in drafts:
                draft.check(self.relation.link)


@dataclass(slots=True, eq=False)
class Ends:
    """Rows that a many-to-many relation links, or does not link any more."""

    relation: Relation
    owner: Draft
    others: list[Draft]

    def key(self, end: Draft, columns: Sequence[ColumnMeta]) -> tuple[Any, ...]:
        """Return what a link has of one end."""
        return tuple(plain(end.values[column.name]) for column in columns)


@dataclass(slots=True, eq=False)
class Creation:
    """Everything that one `create` inserts."""

    compiler: Compiler
    root: Draft
    batches: list[Batch]
    #: The models of all relations.
    models: list[type]

    def finish(self) -> Any:
        """Tell the objects their keys; return the first one, anew if it is frozen."""
        for batch in self.batches:
            for draft in batch.drafts:
                if draft.obj is not None and draft is not self.root and not batch.compiler.meta.frozen:
                    batch.compiler.completed(draft.obj, draft.changes)
        return self.compiler.completed(self.root.obj, self.root.changes)


@dataclass(slots=True, eq=False)
class _Group:
    """Objects that one path leads to, each with the relations that are to be created with it."""

    cls: type
    members: list[tuple[Draft, Mapping[Any, Any]]]


def creation(compiler: Compiler, cls: type, obj: Any, relations: Any) -> Creation:
    """Read the arguments of `create`.

    Raises:
        RelationError: an unknown relation, one that can't be set here, or an object that is there twice.
        TypeError: something has no place where it stands.
        CodecError: a value is not of its field's type.
        QueryError: a part of a key is `None` and the database does not make it.
    """
    compiler.check(obj, cls)
    planner = _Planner(compiler.dialect)
    root, batches = planner.plan(cls, obj, _mapping(relations, "create: relations"))
    return Creation(compiler, root, batches, models_of(planner.relations))


def ends(verb: str, compiler: Compiler, cls: type, obj: Any, name: str, others: Any) -> Ends:
    """Read the arguments of `link` and `unlink`.

    Raises:
        RelationError: an unknown relation, or one that is not many-to-many.
        TypeError: something has no place where it stands.
        QueryError: a key is `None`.
    """
    compiler.check(obj, cls)
    relation = relation_of(cls, name)
    if relation.link_ref is None:
        raise RelationError(
            f"{verb}: {relation} is {relation.kind.value}; {verb} is for many_to_many, "
            "others are set by the foreign key of the object that has it"
        )
    for other in _listed(relation, others):
        _check(relation, other)
    own, target = (table_for(model_meta(one), compiler.dialect) for one in (cls, relation.target))
    found = Ends(relation, _read(own, obj), [_read(target, other) for other in others])
    for draft, columns in ((found.owner, relation.local), *((other, relation.remote) for other in found.others)):
        for column in columns:
            if draft.values[column.name] is None:
                raise QueryError(f"{verb}: the key {draft.table.columns[column.name]} is None; insert the object first")
    return found


def links_of(found: Ends, dialect: Dialect) -> Links:
    """Make the rows that link two ends.

    Raises:
        RelationError: the link has a field without a default.
        CodecError: a key is not of its field's type.
        ValidationError: the link checks itself, and is not right.
    """
    links = _links(found.relation, dialect, [(found.owner, other) for other in found.others])
    for draft in links.drafts:
        draft.settle()
    links.check(links.drafts)
    return links


class _Planner:
    """Reads a tree of objects, path by path."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.relations: list[Relation] = []
        #: The objects to insert, and those with relations, by identity.
        self.seen: dict[int, Any] = {}

    def plan(self, cls: type, obj: Any, relations: Mapping[Any, Any]) -> tuple[Draft, list[Batch]]:
        root = self._draft(table_for(model_meta(cls), self.dialect), obj, relations, is_new=True)
        batches: list[Batch] = []
        steps: list[_Group | Batch] = [_Group(cls, [(root, relations)])]
        while steps:
            step = steps.pop()
            if isinstance(step, Batch):
                batches.append(step)
            else:
                steps.extend(reversed(list(self._expand(step))))
        _check_all([draft for batch in batches if batch.compiler.uses_validation for draft in batch.drafts])
        for batch in batches:
            for draft in batch.drafts:
                draft.settle()
            if isinstance(batch, Links):
                batch.check(draft for draft in batch.drafts if not draft.waiting)
        return root, batches

    def _expand(self, group: _Group) -> Iterator[_Group | Batch]:
        """Yield what to insert before a group, the group itself, and what comes after it."""
        wanted: dict[str, tuple[Relation, list[tuple[Draft, Any]]]] = {}
        for draft, relations in group.members:
            for name, value in relations.items():
                relation = relation_of(group.cls, name)
                items = _items(relation, value)
                if items and relation.kind is RelationType.BELONGS_TO and not draft.is_new:
                    raise RelationError(
                        f"create: the key of this {group.cls.__name__} is set, so that it is linked and not written; "
                        f"its relation {name!r} can't be set"
                    )
                wanted.setdefault(name, (relation, []))[1].extend((draft, item) for item in items)
        found = [(relation.kind, list(self._follow(relation, pairs))) for relation, pairs in wanted.values() if pairs]
        yield from _of_kind(found, RelationType.BELONGS_TO)
        new = [draft for draft, _ in group.members if draft.is_new]
        if new:
            yield Batch(compiler_for(new[0].table.meta, self.dialect), new)
        yield from _of_kind(found, RelationType.HAS_ONE, RelationType.HAS_MANY)
        yield from _of_kind(found, RelationType.MANY_TO_MANY)

    def _follow(self, relation: Relation, pairs: list[tuple[Draft, Any]]) -> Iterator[_Group | Batch]:
        """Yield the group that a relation leads to, and the links to it."""
        self.relations.append(relation)
        target = relation.target
        table = table_for(model_meta(target), self.dialect)
        is_owned = relation.kind in (RelationType.HAS_ONE, RelationType.HAS_MANY)
        members: list[tuple[Draft, Mapping[Any, Any]]] = []
        ends: list[tuple[Draft, Draft]] = []
        for owner, item in pairs:
            obj, relations = _pair(relation, item)
            draft = self._draft(table, obj, relations, is_new=is_owned)
            members.append((draft, relations))
            if is_owned:
                draft.refer(relation.remote, owner, relation.local)
            elif relation.kind is RelationType.BELONGS_TO:
                owner.refer(relation.local, draft, relation.remote)
            else:
                ends.append((owner, draft))
        yield _Group(target, members)
        if ends:
            yield _links(relation, self.dialect, ends)

    def _draft(self, table: Table, obj: Any, relations: Mapping[Any, Any], *, is_new: bool) -> Draft:
        draft = _read(table, obj, is_new=is_new)
        if (draft.is_new or relations) and self.seen.setdefault(id(obj), draft) is not draft:
            name = table.meta.name
            raise RelationError(
                f"create: an object of {name} is there twice; it can be inserted, and have relations, once"
            )
        return draft


def _read(table: Table, obj: Any, *, is_new: bool = False) -> Draft:
    """Read an object; without a key it is new in any case."""
    values = _values(table, obj)
    return Draft(table, values, is_new=is_new or any(values[column.name] is None for column in table.meta.pk), obj=obj)


def _values(table: Table, obj: Any) -> dict[str, Any]:
    return {name: getattr(obj, name) for name in table.columns}


def _check_all(drafts: Sequence[Draft]) -> None:
    """Check the objects that are inserted, and read them again: that may have changed them, or one the other."""
    given = [draft for draft in drafts if draft.obj is not None]
    for draft in given:
        validate(draft.obj)
    for draft in given:
        draft.values = _values(draft.table, draft.obj)


def _links(relation: Relation, dialect: Dialect, ends: Iterable[tuple[Draft, Draft]]) -> Links:
    """Make the rows between the ends of a many-to-many relation.

    Raises:
        RelationError: the link has a field without a default.
    """
    table = table_for(model_meta(relation.link), dialect)
    keys = {column.name for column in (*relation.link_local, *relation.link_remote)}
    defaults = _defaults(relation, keys)
    drafts = []
    for owner, other in ends:
        values = dict.fromkeys(table.columns) | {name: make() for name, make in defaults.items()}
        draft = Draft(table, values, is_new=True)
        draft.refer(relation.link_local, owner, relation.local)
        draft.refer(relation.link_remote, other, relation.remote)
        drafts.append(draft)
    return Links(compiler_for(table.meta, dialect), drafts, relation)


def _defaults(relation: Relation, keys: set[str]) -> dict[str, Callable[[], Any]]:
    """Return what makes the values of a link's other fields."""
    link = relation.link
    meta = model_meta(link)
    found: dict[str, Callable[[], Any]] = {}
    for one in dataclasses.fields(link):
        if one.name in keys or one.name not in meta.by_name:
            continue
        if one.default_factory is not dataclasses.MISSING:
            found[one.name] = one.default_factory
        elif one.default is not dataclasses.MISSING:
            found[one.name] = partial(_same, one.default)
        else:
            raise RelationError(
                f"{relation} needs more than two keys: {meta.name}.{one.name} has no default; "
                f"insert objects of {meta.name} in its place"
            )
    return found


def _same(value: Any) -> Any:
    return value


def _check(relation: Relation, obj: Any) -> None:
    """Refuse what a relation does not lead to.

    Raises:
        TypeError: it is not exactly of the target's class.
    """
    target = relation.target
    if type(obj) is not target:
        shown = f"the class {obj.__name__}" if isinstance(obj, type) else type(obj).__name__
        if type(obj).__name__ == target.__name__:
            shown = f"an object of another class {shown}"
        raise TypeError(f"{relation} expects {target.__name__}, got {shown}")


def _listed(relation: Relation, value: Any) -> Sequence[Any]:
    """Refuse what is no list of objects.

    Raises:
        TypeError: it is neither a list nor a tuple.
    """
    if not isinstance(value, list | tuple):
        raise TypeError(
            f"{relation} expects a sequence (a list or a tuple) of {relation.target.__name__}, got "
            f"{type(value).__name__}"
        )
    return value


def plain(value: Any) -> Any:
    """Return what the two sides of a relation have in common: the value of an Enum's member."""
    return value.value if isinstance(value, Enum) else value


def _items(relation: Relation, value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return _listed(relation, value) if relation.is_many else (value,)


def _pair(relation: Relation, item: Any) -> tuple[Any, Mapping[Any, Any]]:
    """Read `object` and `(object, relations)`."""
    relations: Mapping[Any, Any] = {}
    if isinstance(item, tuple):
        if len(item) != 2:
            raise TypeError(
                f"{relation} expects {relation.target.__name__}, or a pair of one and its relations; got a tuple of "
                f"{len(item)}"
            )
        item, given = item
        _check(relation, item)
        relations = _mapping(given, f"the relations of this {relation.target.__name__}")
    _check(relation, item)
    return item, relations


def _mapping(given: Any, what: str) -> Mapping[Any, Any]:
    if not isinstance(given, Mapping):
        raise TypeError(f"{what} must be a mapping of names to objects, got {type(given).__name__}")
    return given


def _of_kind(
    found: Iterable[tuple[RelationType, list[_Group | Batch]]], *kinds: RelationType
) -> Iterator[_Group | Batch]:
    for kind, steps in found:
        if kind in kinds:
            yield from steps
