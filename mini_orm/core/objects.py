"""Makes, reads and copies objects of models, as their authors would."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from .models import ColumnMeta, ModelMeta


def build(cls: type, meta: ModelMeta, values: Mapping[str, Any]) -> Any:
    """Make an object of `cls` from values by field, as its author would: `__init__`, then fields without it."""
    late = {name for name in values if not meta.by_name[name].init}
    obj = cls(**{name: value for name, value in values.items() if name not in late})
    for name in late:
        object.__setattr__(obj, name, values[name])
    return obj


def clone(obj: Any) -> Any:
    """Copy an object without calling its class. (`copy.copy` would leave `__slotnames__` on the class.)"""
    cls: Any = type(obj)
    twin = cls.__new__(cls)
    if hasattr(obj, "__dict__"):
        twin.__dict__.update(obj.__dict__)
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name in ("__dict__", "__weakref__"):
                continue
            private = name.startswith("__") and not name.endswith("__")
            slot = f"_{base.__name__.lstrip('_')}{name}" if private else name
            if hasattr(obj, slot):
                object.__setattr__(twin, slot, getattr(obj, slot))
    return twin


def getter(columns: Sequence[ColumnMeta]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that reads the fields of columns from an object."""
    names = [column.name for column in columns]
    if not names:
        return lambda obj: ()
    if len(names) == 1:
        single = attrgetter(names[0])
        return lambda obj: (single(obj),)
    return attrgetter(*names)
