"""How models refer to each other: `model_relations(cls)`, inferred from foreign keys and declared in `__relations__`.

Rules of this file:
- A foreign key with a model makes a relation on both sides. The parent's side is found in every model that was read
  (by a repository, `register`, `apply_schema`, …) and in the parent's own module.
- A `related_name` is the model's that states it: a subclass that inherits the foreign key gets its own default name.
- What is declared wins: over an inferred relation of that name, and over one that says the same by another name.
- A class that was defined again (a notebook, a reload) replaces the earlier one, wherever that is referred to.
- Classes are held weakly, here too. What was found is kept until another model is read, or a model that it leads to is
  gone or replaced.
- A class of a function that has returned may be there until the garbage collector runs. Before it is held against
  another one, that is done.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...errors import RelationError
from ..models import ModelMeta, model_meta, models_read, nearest
from .classes import read_module
from .reader import Reader
from .specs import Relation, RelationSpec, RelationType

__all__ = ["Relation", "RelationSpec", "RelationType", "model_relations", "relation_of", "relations_of"]


class _Found(NamedTuple):
    """The relations of a model, and how many models were read before."""

    read: int
    relations: Mapping[str, Relation]


def model_relations(cls: type) -> dict[str, RelationSpec]:
    """Return the relations of a model by name: those declared, then those that foreign keys make.

    Raises:
        ModelError: the class is no model.
        RelationError: a declaration can't be read, or two relations have one name.
    """
    return {name: relation.spec() for name, relation in _read(cls, model_meta(cls)).items()}


def relations_of(cls: type) -> Mapping[str, Relation]:
    """Return the relations of a model, read anew where that may make a difference.

    Raises:
        RelationError: see `model_relations`.
    """
    meta = model_meta(cls)
    kept = _kept(meta)
    if kept is not None and all(relation.is_current for relation in kept.values()):
        return kept
    return _read(cls, meta)


def relation_of(cls: type, name: Any) -> Relation:
    """Return one relation.

    Raises:
        RelationError: there is none of that name; says which there are, and how to make more known.
        TypeError: the name is no text, or empty.
    """
    if not isinstance(name, str) or not name:
        shown = "an empty one" if isinstance(name, str) else type(name).__name__
        raise TypeError(f"a relation of {cls.__name__} is named by text that is not empty, got {shown}")
    meta = model_meta(cls)
    kept = _kept(meta)
    found = None if kept is None else kept.get(name)
    if found is not None and found.is_current:
        return found
    relations = _read(cls, meta)
    found = relations.get(name)
    if found is not None:
        return found
    near = nearest(name[:100], relations, 0.6)
    if near:
        advice = f"did you mean {near[0]!r}?"
    elif relations:
        advice = f"it has {', '.join(relations)}"
    else:
        advice = "it has none"
    shown = name if len(name) <= 60 else name[:60] + "…"
    raise RelationError(
        f"Unknown relation {shown!r} of {cls.__name__}; {advice} (a model that nothing has used yet is known once a "
        "repository, register or apply_schema has seen it)"
    )


def _kept(meta: ModelMeta) -> Mapping[str, Relation] | None:
    """Return the relations that were found before, if no model was read since."""
    found: _Found | None = meta.relations.get("found")
    if found is None or found.read != models_read():
        return None
    return found.relations


def _read(cls: type, meta: ModelMeta) -> Mapping[str, Relation]:
    read_module(cls)
    while True:
        found = _Found(models_read(), _read_once(cls, meta))
        if found.read == models_read():
            break  # else a target was read just now, and may refer back
    meta.relations["found"] = found
    return found.relations


def _read_once(cls: type, meta: ModelMeta) -> Mapping[str, Relation]:
    try:
        return Reader(cls, meta).read()
    except RelationError:
        pass  # and with it go the frames that hold classes
    gc.collect()
    return Reader(cls, meta).read()
