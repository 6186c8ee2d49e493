"""The objects that `insert_many` is given: read to their end, and checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...validation import validate
from ..query.compiler import Compiler


def listed(objects: Any, cls: type) -> list[Any]:
    """Read an iterable of objects to its end, before any lock is taken: it may use the database itself.

    Raises:
        TypeError: it is no iterable.
    """
    if isinstance(objects, cls) or not isinstance(objects, Iterable):
        shown = f"one {cls.__name__}" if isinstance(objects, cls) else type(objects).__name__
        raise TypeError(f"insert_many takes an iterable of {cls.__name__} objects, got {shown}")
    return list(objects)


def check_all(compiler: Compiler, cls: type, objects: Sequence[Any]) -> None:
    """Refuse objects of another class, and those that their model says are not right."""
    for kind in set(map(type, objects)) - {cls}:
        compiler.check(next(obj for obj in objects if type(obj) is kind), cls)
    for obj in objects if compiler.uses_validation else ():
        validate(obj)
