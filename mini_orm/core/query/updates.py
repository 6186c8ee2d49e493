"""UPDATE where a database makes its assignments one after the other, so that each sees those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .expressions import Token, expression_fields, expression_numbers
from .filters import Filters
from .paths import selecting
from .tables import Table


def reads_assigned(targets: Sequence[Token]) -> bool:
    """Whether a value is computed of a field that has its new value by then."""
    assigned: set[Any] = set()
    for name, token in targets:
        if assigned & expression_fields(token):
            return True
        assigned.add(name)
    return False


def update_of_found(
    table: Table, filters: Filters, targets: Sequence[Token], tokens: tuple[Token, ...], first: int
) -> tuple[str, list[int]]:
    """Write an UPDATE whose values are all computed, by a SELECT, before the first one is assigned.

    Args:
        targets: fields, and the keys of what they are set to.
        tokens: the key of the filter, whose values begin at `first`.

    Returns:
        The text, and the places of its values in the order of their marks.
    """
    scope = selecting(table)
    found = scope.alias()
    keys = [f"{scope.name}.{name}" for name in table.quoted_names(table.meta.pk)]
    shown = [f"{key} AS k{number}" for number, key in enumerate(keys)]
    assignments: list[str] = []
    early: list[int] = []
    late: list[int] = []
    place = 0
    for number, (name, token) in enumerate(targets):
        value = filters.write_assigned(token, name, scope)
        end = place + expression_numbers(token)
        if token == ("?",):
            late.extend(range(place, end))
        else:
            early.extend(range(place, end))
            shown.append(f"{value} AS v{number}")
            value = f"{found}.v{number}"
        assignments.append(f"{table.quoted}.{table.names[name]} = {value}")
        place = end
    condition, places = filters.write(tokens, first, scope) if tokens else ("", [])
    select = f"SELECT {', '.join(shown)} FROM {table.quoted}{scope.where(condition)}"
    on = " AND ".join(f"{key} = {found}.k{number}" for number, key in enumerate(keys))
    sql = table.dialect.update_found(table.quoted, select, found, on, ", ".join(assignments))
    return sql, [*early, *places, *late]
