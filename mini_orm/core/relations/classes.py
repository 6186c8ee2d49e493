"""Which classes are models that refer to each other.

A class that was defined again (same module and qualified name: a notebook, a reload) stands for its earlier self.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from typing import Any

from ...errors import ModelError
from ..models import ColumnMeta, ModelMeta, known_models, model_meta


def target_of(column: ColumnMeta) -> type | None:
    """Return the model that a foreign key refers to; `None` where it names a table only, or there is none."""
    target = column.fk.model() if column.fk is not None and column.fk.model is not None else None
    return None if target is None else current(target)


def refers(column: ColumnMeta, cls: type) -> bool:
    """Whether a column is a foreign key to a model, or to what it was before it was defined again."""
    target = target_of(column)
    return target is not None and target is current(cls)


def current(cls: type) -> type:
    """Return what stands in a class's place now: itself, or the class that was defined again there."""
    found: Any = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)  # a local class is not found
    if found is cls or not dataclasses.is_dataclass(found) or not isinstance(found, type):
        return cls
    is_again = (found.__module__, found.__qualname__) == (cls.__module__, cls.__qualname__)
    return found if is_again else cls


def children_of(cls: type) -> Iterator[type]:
    """Yield the models with a foreign key to `cls`; of those defined again the last one."""
    latest: dict[tuple[str, str], type] = {}
    for known in known_models():
        child = current(known)
        meta = _readable(child)
        if meta is not None and any(refers(column, cls) for column in meta.columns):
            latest[child.__module__, child.__qualname__] = child
    yield from latest.values()


def is_inherited(cls: type, name: str) -> bool:
    """Whether a model has a field as a base states it that is a model, too."""
    stated = cls.__dataclass_fields__[name]  # type: ignore[attr-defined]  # every dataclass has it
    return any(
        vars(base).get("__dataclass_fields__", {}).get(name) is stated and _readable(base) is not None
        for base in cls.__mro__[1:]
    )


def read_module(cls: type) -> None:
    """Read the models with foreign keys that stand in the module of `cls`."""
    module = sys.modules.get(cls.__module__)
    for value in list(vars(module).values()) if module is not None else ():
        if isinstance(value, type) and value.__module__ == cls.__module__ and _has_foreign_key(value):
            _readable(value)


def _has_foreign_key(cls: type) -> bool:
    return dataclasses.is_dataclass(cls) and any("fk" in one.metadata for one in dataclasses.fields(cls))


def _readable(cls: type) -> ModelMeta | None:
    """Read a model that nobody asked for. One with a mistake says so to who uses it."""
    try:
        return model_meta(cls)
    except ModelError:
        return None
