"""Hypothesis strategies: a model in two versions, and what stands between them.

A `Version` is a model as data, so that a test can tell without mini_orm what has to happen when the table of the first
becomes that of the second: `obstacles` names what can't be changed.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Optional

from hypothesis import strategies as st

from mini_orm import IndexSpec, MySQLDialect, PostgresDialect, SQLiteDialect
from mini_orm.core.models import model_meta
from tests.backends import Backend
from tests.strategies import KEY_KINDS, KINDS, Kind, ModelCase, identifiers, names

#: What every foreign key here refers to; its one row has this key.
PARENT = "the parent"
PARENT_ID = 1
_FACTORIES = {"list": list, "list_of_text": list, "dict": dict, "dict_of_int": dict, "set": set, "bytearray": bytearray}
_SERVER_DEFAULTS = {
    "int": ("7", "(-1)"),
    "text": ("'x'", "'it''s'"),
    "float": ("0.5",),
    "money": ("1.50",),
    "date": ("'2024-02-29'",),
    "naive_datetime": ("CURRENT_TIMESTAMP",),
    "varchar": ("(lower('AB'))",),
}
_EXPRESSIONS = ("CURRENT_TIMESTAMP", "(lower('AB'))")
_REFERENCE = Kind("int", int, st.just(PARENT_ID))
_DIALECTS = {"sqlite": SQLiteDialect(), "postgres": PostgresDialect(), "mysql": MySQLDialect()}
#: Types of one database whose columns take each other's place, if only with a line in the log.
_ALIKE = {"mysql": {"LONGTEXT", "JSON", "CHAR(36)", "VARCHAR(255)"}}
_short_names = names.filter(lambda name: len(name.encode()) <= 63)


@functools.cache
def declared(kind: str, dialect: str, *, keyed: bool = False) -> str:
    """Return the type that a column of this kind has in a dialect; `keyed` where it is in a key or an index."""
    specs: list[Any] = [("value", KINDS[kind].annotation, field(metadata=KINDS[kind].metadata))]
    specs.append(("id", int, field(metadata={"pk": True})))
    model = dataclasses.make_dataclass("Declared", specs)
    return _DIALECTS[dialect].column_type(model_meta(model).by_name["value"], keyed=keyed)


@dataclass(frozen=True)
class Part:
    """A column. `default` is of the class: a way to have one, and the value or the factory."""

    name: str
    column: str
    kind: str
    nullable: bool = False
    default: tuple[Literal["none", "value", "factory", "function"], Any] = ("none", None)
    server_default: str | None = None
    index: Literal["index", "unique_index"] | None = None
    on_delete: str | None = None  # "" for a foreign key that says nothing
    auto: bool = False

    @property
    def folded(self) -> str:
        return self.column.casefold()

    def spec(self, *, pk: bool) -> tuple[str, Any, Any]:
        """Return the column as `make_dataclass` takes it."""
        metadata: dict[str, Any] = {**KINDS[self.kind].metadata, "column": self.column}
        if pk:
            metadata |= {"pk": True, "auto": self.auto}
        if self.server_default is not None:
            metadata["server_default"] = self.server_default
        if self.index is not None:
            metadata[self.index] = True
        if self.on_delete is not None:
            metadata["fk"] = f"{PARENT}.id"
        if self.on_delete:
            metadata["on_delete"] = self.on_delete
        annotation = KINDS[self.kind].annotation
        options: dict[str, Any] = {}
        if self.nullable or self.auto:
            annotation, options = Optional[annotation], {"default": None}
        way, given = self.default
        if way == "value":
            options = {"default": given}
        elif way != "none":
            options = {"default_factory": given}
        return self.name, annotation, field(metadata=metadata, **options)


@dataclass(frozen=True)
class Version:
    """A model of a backend: its key, its other columns, and its indexes over several fields (names and uniqueness)."""

    backend: type[Backend]
    table: str
    key: tuple[Part, ...]
    parts: tuple[Part, ...]
    indexes: tuple[tuple[tuple[str, ...], bool], ...] = ()

    @property
    def all(self) -> tuple[Part, ...]:
        return self.key + self.parts

    @property
    def is_filled(self) -> bool:
        """Whether the database hands out the key."""
        is_rowid = self.backend.has_rowids and len(self.key) == 1 and self.type_of(self.key[0].kind) == "INTEGER"
        return is_rowid or self.key[0].auto

    def type_of(self, kind: str) -> str:
        """Return the type that a column of this kind has."""
        return declared(kind, self.backend.dialect)

    def is_keyed(self, part: Part) -> bool:
        """Whether a column is in a key or an index."""
        is_named = any(part.name in names for names, _ in self.indexes)
        return part in self.key or part.index is not None or part.on_delete is not None or is_named

    def declared(self, part: Part) -> str:
        """Return the type of one of the columns."""
        return declared(part.kind, self.backend.dialect, keyed=self.is_keyed(part))

    @property
    def is_possible(self) -> bool:
        """Whether the database can have such a table at all."""
        if self.backend.indexes_every_column:
            return True
        return not any(
            (self.is_keyed(part) and self.declared(part) == "JSON")
            or (part.on_delete == "SET NULL" and not part.nullable)
            for part in self.all
        )

    def model(self) -> Any:
        """Make the dataclass."""
        # The name says nothing of order and uniqueness, so that an index can change under it.
        specs = [IndexSpec(names, unique, f"ix {'-'.join(sorted(names))}") for names, unique in self.indexes]
        namespace = {"__table__": self.table, "__indexes__": specs, "__module__": __name__}
        fields = [part.spec(pk=part in self.key) for part in self.all]
        return dataclasses.make_dataclass("Versioned", fields, namespace=namespace, kw_only=True)

    def case(self, model: Any) -> ModelCase:
        """Return what draws objects of the model."""
        kinds = {part.name: KINDS[part.kind] if part.on_delete is None else _REFERENCE for part in self.all}
        nullable = frozenset(part.name for part in self.parts if part.nullable)
        return ModelCase(model, kinds, tuple(part.name for part in self.key), self.key[0].auto, nullable, {})


def obstacles(first: Version, second: Version, *, has_rows: bool) -> set[tuple[str, str]]:
    """Name what keeps the table of the first version from becoming that of the second."""
    before = {part.folded: part for part in first.all}
    after = {part.folded for part in second.all}
    found = set()
    for part in second.all:
        old = before.get(part.folded)
        is_key = part in second.key
        if old is None:
            if is_key or not _can_be_added(part, has_rows=has_rows and first.backend.limits_added_columns):
                found.add(("column", part.column))
            continue
        was_nullable = old.auto or (old.nullable and old not in first.key)
        if not is_key and part.nullable != was_nullable:
            found.add(("column", part.column))
        # A text that may be in an index will do where there is none.
        fitting = (second.declared(part), declared(part.kind, first.backend.dialect, keyed=True))
        if first.declared(old) not in fitting:
            found.add(("column", part.column))
        if part.server_default is not None and part.server_default != old.server_default:
            found.add(("column", part.column))
        if old.on_delete is not None and part.on_delete is None:
            found.add(("foreign key", part.column))
    for old in first.all:
        is_filled = old.server_default is not None or old.auto or (old in first.key and first.is_filled)
        if old.folded not in after and not is_filled and not (old.nullable and old not in first.key):
            found.add(("column", old.column))
    is_same_key = [part.folded for part in first.key] == [part.folded for part in second.key]
    if not is_same_key or (second.key[0].auto and not first.is_filled):
        found.add(("primary key", ", ".join(part.column for part in second.key)))
    return found


def _can_be_added(part: Part, *, has_rows: bool) -> bool:
    has_default = part.server_default is not None or (not part.nullable and part.default[0] in ("value", "factory"))
    if has_rows and has_default and (part.on_delete is not None or part.server_default in _EXPRESSIONS):
        return False
    return has_default or part.nullable


@st.composite
def versions(draw: st.DrawFn, backend: type[Backend]) -> Version:
    """A model of any key, any columns, any indexes."""
    size = draw(st.integers(1, 6))
    spares = _names(draw, size, ())
    table = draw(_short_names.filter(lambda name: name.casefold() != PARENT))
    shape = draw(st.sampled_from(["auto", "one", "two"])) if size > 1 else "one"
    key = _key(draw, shape, [next(spares) for _ in range(2 if shape == "two" else 1)])
    parts = tuple(_part(draw, *spare) for spare in spares)
    return _indexed(draw, Version(backend, table, key, parts))


@st.composite
def successors(draw: st.DrawFn, first: Version) -> Version:
    """The same model later: columns added, dropped and changed, another key, other indexes."""
    parts = []
    for part in first.parts:
        change = draw(st.sampled_from(["no"] * 8 + ["drop", "kind", "nullable", "default", "index", "fk"]))
        if change == "drop":
            continue
        parts.append(_of_another_kind(draw, part, first) if change == "kind" else _changed(draw, part, change))
    spares = _names(draw, draw(st.integers(0, 2)), first.all)
    parts += [_added(draw, _part(draw, *spare)) for spare in spares]
    key = first.key
    change = draw(st.sampled_from(["no"] * 9 + ["order", "kind", "auto"]))
    if change == "order":
        key = key[::-1]
    elif change == "auto" and len(key) == 1:
        key = (replace(key[0], kind="int", auto=not key[0].auto),)
    elif change == "kind":
        key = (
            replace(key[0], kind=draw(st.sampled_from(_others(first, key[0].kind, KEY_KINDS))), auto=False),
            *key[1:],
        )
    second = Version(first.backend, first.table, key, tuple(draw(st.permutations(parts))), ())
    if draw(st.booleans()):
        kept = {part.name for part in second.all}
        return replace(second, indexes=tuple(index for index in first.indexes if kept.issuperset(index[0])))
    return _indexed(draw, second)


def _names(draw: st.DrawFn, size: int, taken: tuple[Part, ...]) -> Iterator[tuple[str, str]]:
    fields = {part.name.casefold() for part in taken}
    columns = {part.folded for part in taken}
    free_fields = identifiers.filter(lambda name: name.casefold() not in fields)
    free_columns = _short_names.filter(lambda name: name.casefold() not in columns)
    return zip(
        draw(st.lists(free_fields, min_size=size, max_size=size, unique_by=str.casefold)),
        draw(st.lists(free_columns, min_size=size, max_size=size, unique_by=str.casefold)),
        strict=True,
    )


def _key(draw: st.DrawFn, shape: str, spares: list[tuple[str, str]]) -> tuple[Part, ...]:
    if shape == "auto":
        return (Part(*spares[0], "int", auto=True),)
    return tuple(Part(*spare, draw(st.sampled_from(KEY_KINDS))) for spare in spares)


def _part(draw: st.DrawFn, name: str, column: str) -> Part:
    part = Part(name, column, draw(st.sampled_from(sorted(KINDS))), nullable=draw(st.booleans()))
    if part.kind == "int" and draw(st.booleans()):
        part = _changed(draw, part, "fk")
    part = _changed(draw, part, "index") if draw(st.booleans()) else part
    return _changed(draw, part, "default") if draw(st.booleans()) else part


def _added(draw: st.DrawFn, part: Part) -> Part:
    """Give a new column another chance of a value for the rows that are there."""
    if part.nullable or part.server_default is not None or part.default[0] != "none":
        return part
    return _changed(draw, part, "default")


def _changed(draw: st.DrawFn, part: Part, change: str) -> Part:
    """Change one thing about a column, where it can have another."""
    if change == "nullable":
        return replace(part, nullable=not part.nullable)
    if change == "index":
        return replace(part, index=draw(st.sampled_from([None, "index", "index", "unique_index"])))
    if change == "fk" and part.kind == "int":
        on_delete = draw(st.sampled_from([None, "", "cascade", "SET NULL"]))
        keeps = on_delete is None or part.server_default is None  # a default has to refer to a row that is there
        server_default = part.server_default if keeps else str(PARENT_ID)
        return replace(part, on_delete=on_delete, server_default=server_default, default=("none", None))
    if change == "default":
        way = draw(st.sampled_from(["value", "factory", "function", "server", "none"]))
        if way == "server" and part.kind in _SERVER_DEFAULTS:
            defaults = _SERVER_DEFAULTS[part.kind] if part.on_delete is None else (str(PARENT_ID),)
            return replace(part, server_default=draw(st.sampled_from(defaults)))
        if part.on_delete is not None:
            return replace(part, default=("value", PARENT_ID))
        if part.kind in _FACTORIES:
            return replace(part, default=("factory", _FACTORIES[part.kind]))
        if way in ("value", "function"):
            value = draw(KINDS[part.kind].values)
            is_mutable = type(value).__hash__ is None  # dataclasses takes no such default
            way = "function" if is_mutable else way
            return replace(part, default=(way, (lambda: value) if way == "function" else value))
    return part


def _of_another_kind(draw: st.DrawFn, part: Part, version: Version) -> Part:
    kind = draw(st.sampled_from(_others(version, part.kind, sorted(KINDS))))
    return Part(part.name, part.column, kind, part.nullable, index=part.index)


def _others(version: Version, kind: str, kinds: Any) -> list[str]:
    """Return the kinds whose columns the database can tell from one of this kind; text can pass for JSON and UUID."""
    own = version.type_of(kind)
    passing = {own, *(version.type_of(other) for other in ("dict", "uuid") if own == version.type_of("text"))}
    alike = _ALIKE.get(version.backend.dialect, set())
    passing |= alike if own in alike else set()
    return [other for other in kinds if version.type_of(other) not in passing]


def _indexed(draw: st.DrawFn, version: Version) -> Version:
    fields = [part.name for part in version.all]
    groups = st.lists(st.sampled_from(fields), min_size=1, max_size=3, unique=True).map(tuple)
    specs = st.lists(st.tuples(groups, st.booleans()), max_size=2, unique_by=lambda index: frozenset(index[0]))
    return replace(version, indexes=tuple(draw(specs)))
