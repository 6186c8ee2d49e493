"""Reads the relations of one model: what its `__relations__` declare, and what foreign keys make."""

from __future__ import annotations

import dataclasses
import sys
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...errors import ModelError, RelationError
from ..models import ColumnMeta, ModelMeta, known_models, model_meta
from .classes import children_of, current, is_inherited, refers, target_of
from .specs import RELATION_TYPES, Relation, RelationSpec, RelationType, names_of

_PARTS = ("model", "local_key", "foreign_key", "remote_key", "type", "through")


class End(NamedTuple):
    """One end of a link: its columns that refer to a model, and the columns that they refer to."""

    keys: tuple[ColumnMeta, ...]
    columns: tuple[ColumnMeta, ...]


class Reader:
    """Reads the relations of one model."""

    def __init__(self, cls: type, meta: ModelMeta) -> None:
        self.cls = cls
        self.meta = meta

    def read(self) -> dict[str, Relation]:
        declared = vars(self.cls).get("__relations__", {})
        if not isinstance(declared, Mapping):
            raise self._error("__relations__ is a mapping of names to relations")
        found = {name: self._declared(name, given) for name, given in declared.items()}
        said = {relation.says() for relation in found.values()}
        children = list(children_of(self.cls))
        inferred: dict[str, Relation] = {}
        for relation in (*self._parents(), *self._owned(children)):
            if relation.name not in found and relation.says() not in said:
                self._add(inferred, relation, "name them by 'relation' (where the key is) and 'related_name'")
        linked: dict[str, Relation] = {}
        for relation in self._linked(children):
            if relation.name not in found | inferred and relation.says() not in said:
                self._add(linked, relation, "declare them in __relations__")
        return found | inferred | linked

    def _add(self, relations: dict[str, Relation], relation: Relation, advice: str) -> None:
        other = relations.setdefault(relation.name, relation)
        if other is not relation:
            one, two = self._made_by(other), self._made_by(relation)
            if one == two:
                one, two = self._made_by(other, in_module=True), self._made_by(relation, in_module=True)
            raise self._error(f"{one} and {two} both make a relation {relation.name!r}; {advice}")

    def _made_by(self, relation: Relation, *, in_module: bool = False) -> str:
        """Name the foreign key, or the model between, that makes a relation."""
        if relation.link_ref is not None:
            model, field = relation.link, ""
        elif relation.kind is RelationType.BELONGS_TO:
            model, field = self.cls, f".{relation.local[0].name}"
        else:
            model, field = relation.target, f".{relation.remote[0].name}"
        return f"{model.__module__ + '.' if in_module else ''}{model.__qualname__}{field}"

    # --- inferred ---

    def _parents(self) -> Iterator[Relation]:
        for column in self.meta.columns:
            target = target_of(column)
            if target is not None:
                assert column.fk is not None
                name = column.fk.relation or _without_id(column.name) or target.__name__.lower()
                remote = self._referred(self.meta, column, target)
                yield self._relation(name, target, RelationType.BELONGS_TO, (column,), (remote,))

    def _owned(self, children: list[type]) -> Iterator[Relation]:
        for child in children:
            for column in model_meta(child).columns:
                fk = column.fk
                if fk is None or not refers(column, self.cls):
                    continue
                local = self._referred(model_meta(child), column, self.cls)
                kind = RelationType.HAS_ONE if fk.one_to_one else RelationType.HAS_MANY
                name = child.__name__.lower() if fk.one_to_one else plural(child.__name__.lower())
                if fk.related_name and not is_inherited(child, column.name):
                    name = fk.related_name
                yield self._relation(name, child, kind, (local,), (column,))

    def _linked(self, children: list[type]) -> Iterator[Relation]:
        """Yield the many-to-many relations that models between make: two foreign keys, which are their key."""
        for link in children:
            sides = link_sides(model_meta(link))
            if sides is None:
                continue
            for ours, theirs in (sides, sides[::-1]):
                target = target_of(theirs)
                if refers(ours, self.cls) and target is not None and not refers(theirs, self.cls):
                    local, remote = self._end(link, (ours,), self.cls), self._end(link, (theirs,), target)
                    yield self._through(plural(target.__name__.lower()), target, link, local, remote)

    def _through(self, name: str, target: type, link: type, local: End, remote: End) -> Relation:
        return Relation(
            name=name,
            owner=weakref.ref(self.cls),
            target_ref=weakref.ref(target),
            kind=RelationType.MANY_TO_MANY,
            local=local.columns,
            remote=remote.columns,
            link_ref=weakref.ref(link),
            link_local=local.keys,
            link_remote=remote.keys,
        )

    def _end(self, link: type, keys: tuple[ColumnMeta, ...], cls: type) -> End:
        return End(keys, tuple(self._referred(model_meta(link), key, cls) for key in keys))

    def _relation(
        self, name: str, target: type, kind: RelationType, local: tuple[ColumnMeta, ...], remote: tuple[ColumnMeta, ...]
    ) -> Relation:
        return Relation(name, weakref.ref(self.cls), weakref.ref(target), kind, local, remote)

    def _referred(self, child: ModelMeta, column: ColumnMeta, parent: type) -> ColumnMeta:
        """Return the column of a parent that a foreign key refers to."""
        assert column.fk is not None
        meta = model_meta(parent)
        found = meta.by_name.get(column.fk.target)
        if found is None:
            raise self._error(f"the foreign key {child.name}.{column.name}: {meta.unknown(column.fk.target)}")
        return found

    # --- declared ---

    def _declared(self, name: Any, given: Any) -> Relation:
        if not isinstance(name, str) or not name or "." in name:
            raise self._error("a relation is named by text that is not empty and has no dot")
        parts = self._parts(name, given)
        target = self._model(name, parts["model"])
        through, kind = parts.get("through"), parts.get("type")
        if kind is None:
            kind = RelationType.BELONGS_TO if through is None else RelationType.MANY_TO_MANY
        try:
            kind = RelationType(kind)
        except ValueError:
            raise self._error(f"{name}: the type of a relation is one of {RELATION_TYPES}") from None
        key, remote_key = parts.get("local_key", parts.get("foreign_key")), parts.get("remote_key")
        if (through is not None) != (kind is RelationType.MANY_TO_MANY):
            raise self._error(f"{name}: 'through', the model between, goes with 'many_to_many'")
        if through is not None:
            link = self._model(name, through)
            ours = self._declared_end(name, link, self.cls, key, "local_key")
            theirs = self._declared_end(name, link, target, remote_key, "remote_key")
            if set(names_of(ours.keys)) & set(names_of(theirs.keys)):
                raise self._error(f"{name}: local_key and remote_key must name different fields of {link.__name__}")
            return self._through(name, target, link, ours, theirs)
        local = self._columns(name, self.meta, key, "local_key")
        remote = self._columns(name, model_meta(target), remote_key, "remote_key")
        if len(local) != len(remote):
            raise self._error(f"{name}: local_key and remote_key have different numbers of fields")
        return self._relation(name, target, kind, local, remote)

    def _parts(self, name: str, given: Any) -> Mapping[str, Any]:
        if isinstance(given, RelationSpec):
            if given.name != name:
                raise self._error(f"{name}: its RelationSpec has another name")
            return {
                "model": given.model,
                "local_key": given.local_key,
                "remote_key": given.remote_key,
                "type": given.relation_type,
                "through": given.through,
            }
        if not isinstance(given, Mapping):
            raise self._error(f"{name}: a relation is a mapping or a RelationSpec, got {type(given).__name__}")
        odd = sorted(str(key) for key in given if key not in _PARTS)
        if odd or "model" not in given:
            what = f"unknown key {odd[0]!r}" if odd else "no 'model'"
            raise self._error(f"{name}: {what}; a relation has {', '.join(_PARTS)}")
        if "local_key" in given and "foreign_key" in given:
            raise self._error(f"{name}: 'foreign_key' is another word for 'local_key'; give one of them")
        return given

    def _declared_end(self, name: str, link: type, cls: type, given: Any, what: str) -> End:
        """Find the fields of a link that refer to one side: its foreign keys, or as many as the side's key has."""
        meta = model_meta(link)
        if given is None:
            keys = tuple(column for column in meta.columns if refers(column, cls))
            if len(keys) == 1:
                return self._end(link, keys, cls)
            raise self._error(
                f"{name}: {meta.name} has {len(keys)} foreign keys to {cls.__name__} that name the model; {what} says "
                "which fields refer to it"
            )
        keys = self._columns(name, meta, given, what)
        if all(refers(key, cls) for key in keys):
            return self._end(link, keys, cls)
        columns = model_meta(cls).pk
        if len(keys) != len(columns):
            raise self._error(f"{name}: {what}: the key of {cls.__name__} is {', '.join(names_of(columns))}")
        return End(keys, columns)

    def _model(self, name: str, given: Any) -> type:
        found = given() if isinstance(given, weakref.ref) else given
        if isinstance(found, str):
            found = self._named(found)
        if not isinstance(found, type):
            shown = repr(given) if isinstance(given, str) else f"an object of {type(given).__name__}"
            raise self._error(f"{name}: its model is a class, or the name of one that can be found, not {shown}")
        found = current(found)
        if not dataclasses.is_dataclass(found):
            message = f"{self.meta.name}: {name}: its model is a dataclass, and {found.__name__} is none"
            raise ModelError(message, model=self.meta.name)
        model_meta(found)
        return found

    def _named(self, text: str) -> type | None:
        """Find a model by its name, also with its module's: this one, one beside it, or one that was read."""
        module, _, short = text.rpartition(".")
        if short == self.cls.__name__ and module in ("", self.cls.__module__):
            return self.cls
        found = getattr(sys.modules.get(module or self.cls.__module__), short, None)
        if isinstance(found, type):
            return found
        named = [one for one in known_models() if one.__name__ == short and module in ("", one.__module__)]
        beside = [one for one in named if _scope(one) == _scope(self.cls)]
        if beside:
            return beside[-1]
        return named[0] if len(named) == 1 else None

    def _columns(self, name: str, meta: ModelMeta, given: Any, what: str) -> tuple[ColumnMeta, ...]:
        names = (given,) if isinstance(given, str) else given
        if not isinstance(names, tuple | list) or not names:
            raise self._error(f"{name}: {what} is a field's name, or a tuple of them")
        for one in names:
            if not isinstance(one, str) or one not in meta.by_name:
                raise self._error(f"{name}: {what}: {meta.unknown(one)}")
            if meta.by_name[one].type.kind == "json":
                raise self._error(f"{name}: {what}: {meta.name}.{one} is JSON, which can't be a key")
        return tuple(meta.by_name[one] for one in names)

    def _error(self, message: str) -> RelationError:
        return RelationError(f"{self.meta.name}: {message}")


def link_sides(meta: ModelMeta) -> tuple[ColumnMeta, ColumnMeta] | None:
    """Return the two foreign keys of a model that is a link: they are its whole key."""
    keys = [column for column in meta.columns if target_of(column) is not None]
    if len(keys) != 2 or set(names_of(keys)) != set(names_of(meta.pk)):
        return None
    return keys[0], keys[1]


def plural(name: str) -> str:
    """Write the plural of an English noun, by the rules that hold for most."""
    if name.endswith("y") and name[-2:-1] not in ("a", "e", "i", "o", "u", ""):
        return f"{name[:-1]}ies"
    if name.endswith(("s", "x", "z", "ch", "sh")):
        return f"{name}es"
    return f"{name}s"


def _scope(cls: type) -> tuple[str, str]:
    """Return where a class was defined."""
    return cls.__module__, cls.__qualname__.rpartition(".")[0]


def _without_id(name: str) -> str | None:
    return name[: -len("_id")] if name.endswith("_id") and len(name) > len("_id") else None
