"""`order_by` -> key -> the terms of ORDER BY."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ...errors import QueryError, QueryTypeError
from ..conditions import OrderBy
from .paths import Scope
from .tables import Ref, Table

#: What is ordered by, whether it descends, and where NULL goes.
Term: TypeAlias = tuple[Ref, bool, str | None]

_NULLS = ("first", "last", None)


def read_order(order_by: Any, table: Table) -> tuple[Term, ...]:
    """Return the key of an order; `()` for none.

    Raises:
        QueryError: an unknown name, or one that has no order.
    """
    if order_by is None:
        return ()
    if isinstance(order_by, str | OrderBy):
        return (_read_term(order_by, table),)
    if isinstance(order_by, Mapping) or not isinstance(order_by, Sequence):
        raise QueryTypeError(f"order_by takes OrderBy, str or a sequence of them, got {type(order_by).__name__}")
    return tuple(_read_term(term, table) for term in order_by)


def _read_term(term: Any, table: Table) -> Term:
    desc, nulls = False, None
    if isinstance(term, str):
        desc = term.startswith("-")
        name = term[1:] if desc else term
    elif isinstance(term, OrderBy):
        name, desc, nulls = term.col, bool(term.desc), term.nulls
        if nulls not in _NULLS:
            raise QueryError("OrderBy.nulls is 'first', 'last' or None")
    else:
        raise QueryTypeError(f"order_by takes OrderBy and str, got {type(term).__name__}")
    ref, column = table.find(name, "order_by")
    if column.type.kind == "json":
        raise QueryError(f"order_by: {column} is JSON, and JSON values have no order")
    return ref, desc, nulls


def write_order(terms: Sequence[Term], scope: Scope) -> str:
    """Write what follows ORDER BY."""
    dialect = scope.table.dialect
    texts = []
    for ref, desc, nulls in terms:
        term = dialect.compared(scope.sql(ref), scope.column(ref).type, "ORDER")
        texts.append(dialect.ordered(term, desc=desc, nulls=nulls))
    return ", ".join(texts)


def check_page(limit: Any, offset: Any) -> None:
    """Refuse a limit below 1 and an offset below 0.

    Raises:
        QueryError: says which.
    """
    for name, value, least in (("limit", limit, 1), ("offset", offset, 0)):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
            raise QueryError(f"{name} must be an int of at least {least}, or None")
