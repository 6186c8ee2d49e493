"""Runs an operation where there is no event loop: it is written as a coroutine, and never suspends."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


def drive(operation: Coroutine[Any, Any, R]) -> R:
    """Run an operation that never suspends.

    Raises:
        RuntimeError: it suspended, which is a bug in mini_orm.
    """
    try:
        operation.send(None)
    except StopIteration as done:
        result: R = done.value
        return result
    operation.close()
    raise RuntimeError("an operation on a blocking connection suspended; this is a bug in mini_orm")
