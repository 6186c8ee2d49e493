"""What `get_related` and `list_related` are asked for, and what they return."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ..relations import Relation, relation_of

T = TypeVar("T")


@dataclass(frozen=True)  # with slots RelatedResult[T](…) would fail: https://github.com/python/cpython/issues/116669
class RelatedResult(Generic[T]):
    """An object, and what it is related to: `relations[name]` is an object, `None`, or a list of objects.

    A relation through which a path goes, as "posts" in `include="posts.comments"`, has `RelatedResult`s in place of
    objects.
    """

    obj: T
    relations: dict[str, Any]


AsyncRelatedResult = RelatedResult


@dataclass(frozen=True, slots=True, eq=False)
class Include:
    """One relation to load, and what to load of the objects that it leads to."""

    relation: Relation
    target: type  # holds the class while it is needed
    inner: dict[str, Include] = field(default_factory=dict)

    def items(self, objects: list[Any]) -> list[Any]:
        """Return what the relation holds in place of objects."""
        return [RelatedResult(obj, {}) for obj in objects] if self.inner else objects


def included(cls: type, include: Any) -> dict[str, Include]:
    """Read the names and paths of an `include`; each relation counts once.

    Raises:
        TypeError: it is neither text nor an iterable of texts, or a name, also one in a path, is empty.
        RelationError: there is no relation of a name.
    """
    if isinstance(include, bytes | Mapping) or not isinstance(include, str | Iterable):
        raise TypeError(f"include takes a relation's name, or a list of names and paths; got {type(include).__name__}")
    found: dict[str, Include] = {}
    for path in (include,) if isinstance(include, str) else include:
        if not isinstance(path, str) or not path:
            shown = "an empty one" if isinstance(path, str) else type(path).__name__
            raise TypeError(f"include names relations of {cls.__name__} by text that is not empty, got {shown}")
        names = path.split(".")
        if not all(names):
            raise TypeError(
                f"include of {cls.__name__}: {path[:60]!r} is no path; it is names with one dot between them"
            )
        model, level = cls, found
        for name in names:
            if name not in level:
                relation = relation_of(model, name)
                level[name] = Include(relation, relation.target)
            model, level = level[name].target, level[name].inner
    return found


def models_of(relations: Iterable[Relation]) -> list[type]:
    """Return the models that relations lead to, and those between."""
    found: dict[type, None] = {}
    for relation in relations:
        found.setdefault(relation.target)
        if relation.link_ref is not None:
            found.setdefault(relation.link)
    return list(found)


def reached(includes: Mapping[str, Include]) -> list[type]:
    """Return the models that loading them reads."""
    levels = [includes]
    for level in levels:  # grows as it goes
        levels.extend(include.inner for include in level.values() if include.inner)
    return models_of(include.relation for level in levels for include in level.values())
