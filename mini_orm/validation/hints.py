"""The annotations of a dataclass, resolved as their author wrote them.

Quoted, under `from __future__ import annotations`, in a class inside a function: a name means what it meant where it
was written. One that can't be found is an error, never a guess.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from enum import Enum
from typing import Any

from ..errors import ModelError


def field_hints(cls: type, fields: tuple[dataclasses.Field[Any], ...]) -> dict[str, Any]:
    """Resolve the annotations of `fields`, by name, each where it was written.

    Raises:
        ModelError: a name in an annotation can't be found.
    """
    names: dict[type, dict[str, Any]] = {}
    hints = {}
    for field in fields:
        owner = _owner(cls, field)
        if owner not in names:
            names[owner] = _visible_names(owner)
        hints[field.name] = _hint(cls, owner, field, names[owner])
    return hints


def _owner(cls: type, field: dataclasses.Field[Any]) -> type:
    """Return the class that the field was written in: the topmost one that has this very field."""
    owners = (base for base in cls.__mro__ if vars(base).get("__dataclass_fields__", {}).get(field.name) is field)
    return next(reversed(list(owners)), cls)


def _hint(cls: type, owner: type, field: dataclasses.Field[Any], names: dict[str, Any]) -> Any:
    module = sys.modules.get(owner.__module__)
    # A class, as `Final` is an annotation only there.
    holder = type("holder", (), {"__annotations__": {field.name: field.type}})
    try:
        hints = typing.get_type_hints(holder, dict(vars(module)) if module else {}, names, include_extras=True)
        return hints[field.name]
    except NameError as exc:
        message = f"{cls.__name__}.{field.name}: the name {exc.name!r} in its annotation can't be found"
        hint = "import it in the model's module, or define it before the model is used"
        raise ModelError(f"{message}; {hint}", model=cls.__name__, field=field.name) from exc
    except Exception as exc:  # an annotation may be any expression
        message = f"{cls.__name__}.{field.name}: its annotation {field.type!r} can't be read"
        raise ModelError(f"{message}: {exc}", model=cls.__name__, field=field.name) from exc


def _visible_names(cls: type) -> dict[str, Any]:
    """Return what an annotation inside `cls` may name beside its module: itself, and its function's locals."""
    names: dict[str, Any] = {cls.__name__: cls}
    if "<locals>" not in cls.__qualname__:
        return names
    for value in vars(cls).values():
        if isinstance(value, Enum):  # a default tells its class, when the function has returned
            names.setdefault(type(value).__name__, type(value))
        closure = getattr(value, "__closure__", None)
        if closure:
            for name, cell in zip(value.__code__.co_freevars, closure, strict=True):
                try:
                    names.setdefault(name, cell.cell_contents)
                except ValueError:  # the cell is still empty: the name is bound later
                    continue
    parts = cls.__qualname__.split(".<locals>.")
    functions = {".<locals>.".join(parts[:depth]) for depth in range(1, len(parts))}
    hidden: set[str] = set()
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_qualname in functions and frame.f_globals.get("__name__") == cls.__module__:
            hidden |= _hidden_by(code, functions)
            for name, value in frame.f_locals.items():
                if name not in hidden:
                    names.setdefault(name, value)
        frame = frame.f_back
    return names


def _hidden_by(code: types.CodeType, functions: set[str]) -> set[str]:
    """Return the names of the inner functions that have returned: there they meant something else than out here."""
    hidden: set[str] = set()
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType) and inner.co_qualname in functions:
            hidden |= {*inner.co_varnames, *inner.co_cellvars} | _hidden_by(inner, functions)
    return hidden
