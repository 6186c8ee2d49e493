"""What a compiler hands to an executor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from ..models import ColumnMeta


class Statement(NamedTuple):
    """SQL text and the values of its placeholders, in order."""

    sql: str
    params: list[Any]


#: Makes a statement of a tuple of its parts, in a third of the time that `Statement` itself takes.
statement: Callable[[tuple[str, list[Any]]], Statement] = partial(tuple.__new__, Statement)


class Plan(NamedTuple):
    """A compiled statement in the cache: its text, and the order of its values where that is not the given one."""

    sql: str
    order: tuple[int, ...] | None = None

    def bind(self, params: list[Any]) -> Statement:
        """Join the text with values that were collected in the order of the query."""
        if self.order is None:
            return statement((self.sql, params))
        return statement((self.sql, [params[place] for place in self.order]))


class InsertPlan(NamedTuple):
    """An INSERT that leaves out some columns, and how their values come back.

    `returning`: by RETURNING; `last_id`: the auto key, told by the driver; `reread`: by a SELECT of the new row.
    `told`: the name of the auto key where that is all that comes back, told by the driver.
    """

    sql: str
    returning: tuple[ColumnMeta, ...] = ()
    last_id: ColumnMeta | None = None
    reread: tuple[ColumnMeta, ...] = ()
    told: str | None = None
