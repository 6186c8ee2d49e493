"""What a relation is: `RelationSpec` as users write and see it, `Relation` as it is used."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ...errors import RelationError
from ..models import ColumnMeta
from .classes import current


class RelationType(StrEnum):
    """What a relation is, seen from the model that has it."""

    BELONGS_TO = "belongs_to"
    HAS_MANY = "has_many"
    HAS_ONE = "has_one"
    MANY_TO_MANY = "many_to_many"


_MANY = (RelationType.HAS_MANY, RelationType.MANY_TO_MANY)
#: The texts of all types, for errors.
RELATION_TYPES = ", ".join(repr(one.value) for one in RelationType)


@dataclass(frozen=True, slots=True)
class RelationSpec:
    """One relation: by `name` to `model`, where its `remote_key` has the value of the own `local_key`.

    Keys are fields' names; of a composite key a tuple of them. `relation_type` is a `RelationType` or its text; left
    out it is `HAS_MANY` if `many` is true, else `BELONGS_TO`. A many-to-many relation goes through a model between,
    `through`: then `local_key` and `remote_key` are the fields of that model which refer to this side and to the other.

    Raises:
        RelationError: the parts contradict each other.
    """

    name: str
    model: type
    local_key: str | tuple[str, ...]
    remote_key: str | tuple[str, ...]
    relation_type: RelationType | None = None
    many: bool = False
    through: type | None = None

    def __post_init__(self) -> None:
        kind = self.relation_type
        if kind is None:
            kind = RelationType.HAS_MANY if self.many else RelationType.BELONGS_TO
            if self.through is not None:
                kind = RelationType.MANY_TO_MANY
        try:
            kind = RelationType(kind)
        except ValueError:
            raise RelationError(f"{self.name}: the type of a relation is one of {RELATION_TYPES}") from None
        if self.many and kind not in _MANY:
            raise RelationError(f"{self.name}: many=True contradicts {kind.value!r}")
        if (self.through is not None) != (kind is RelationType.MANY_TO_MANY):
            raise RelationError(f"{self.name}: 'through' goes with {RelationType.MANY_TO_MANY.value!r}")
        object.__setattr__(self, "relation_type", kind)
        object.__setattr__(self, "many", kind in _MANY)


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation with its models held weakly, and the columns it goes by, in pairs.

    `local` are columns of the owner, `remote` of the target. Through a link, `link_local` are the link's columns that
    refer to `local`, and `link_remote` those that refer to `remote`.
    """

    name: str
    owner: weakref.ref[type]
    target_ref: weakref.ref[type]
    kind: RelationType
    local: tuple[ColumnMeta, ...]
    remote: tuple[ColumnMeta, ...]
    link_ref: weakref.ref[type] | None = None
    link_local: tuple[ColumnMeta, ...] = ()
    link_remote: tuple[ColumnMeta, ...] = ()

    def __str__(self) -> str:
        return f"the relation {self.name!r} of {_alive(self.owner, self.name).__name__}"

    @property
    def is_many(self) -> bool:
        """Whether it leads to a list."""
        return self.kind in _MANY

    @property
    def target(self) -> type:
        """The model it leads to."""
        return _alive(self.target_ref, self.name)

    @property
    def link(self) -> type:
        """The model between."""
        assert self.link_ref is not None
        return _alive(self.link_ref, self.name)

    @property
    def is_current(self) -> bool:
        """Whether its models are there and were not defined again."""
        target = self.target_ref()
        if target is None or current(target) is not target:
            return False
        link = None if self.link_ref is None else self.link_ref()
        return self.link_ref is None or (link is not None and current(link) is link)

    def spec(self) -> RelationSpec:
        """Return it as users see it."""
        through = None if self.link_ref is None else self.link
        local, remote = (self.local, self.remote) if through is None else (self.link_local, self.link_remote)
        return RelationSpec(self.name, self.target, _plain(local), _plain(remote), self.kind, self.is_many, through)

    def says(self) -> tuple[Any, ...]:
        """Return what makes two relations the same, whatever they are called, and whether one or many are expected."""
        link = None if self.link_ref is None else self.link_ref()
        names = tuple(map(names_of, (self.local, self.remote, self.link_local, self.link_remote)))
        return self.kind is RelationType.BELONGS_TO, self.target_ref(), link, names


def names_of(columns: Iterable[ColumnMeta]) -> tuple[str, ...]:
    """Return the fields' names."""
    return tuple(column.name for column in columns)


def _alive(ref: weakref.ref[type], name: str) -> type:
    cls = ref()
    if cls is None:
        raise RelationError(f"the model of the relation {name!r} is not there any more; define it again")
    return cls


def _plain(columns: tuple[ColumnMeta, ...]) -> str | tuple[str, ...]:
    return columns[0].name if len(columns) == 1 else names_of(columns)
