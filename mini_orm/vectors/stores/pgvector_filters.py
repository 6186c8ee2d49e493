"""Filters on payloads in jsonb, compiled to SQL.

Rules of this file:
- Keys and values are bound; each has its type in the text, so that no driver has to guess.
- NULL stands for "does not match": the normal form has no NOT, so that it can stay.
- jsonb's `=` is the equality of docs/vectors.md: numbers by value, objects by key, a list never equals its element.
- The order of texts in jsonb is that of the database's collation, so they are compared in "C": UTF-8 has the order of
  code points.
- Nothing here can raise for a value of another kind, in whatever order the database evaluates it.
"""

from __future__ import annotations

from typing import Any

from ...errors import UnsupportedFilterError
from ..checks import NotJson
from ..filters import And, Compared, Filter, IsNull, NoneOf, NotNull, OneOf, Or, Text
from .pgvector_values import json_text, refuse_texts

#: The most values that a statement binds, less those that stand beside the filter.
_MAX_PARAMS = 65_000
_VALUE = "payload -> %s::text"
_TEXT = '(payload ->> %s::text) COLLATE "C"'
_NULL = "'null'::jsonb"
_TEXT_MATCHES = {
    "CONTAINS": f"strpos({_TEXT}, %s::text) > 0",
    "STARTSWITH": f"starts_with({_TEXT}, %s::text)",
    "ENDSWITH": f"right({_TEXT}, length(%s::text)) = %s::text",
}


def compiled(filters: Filter, store: str) -> tuple[str, list[Any]]:
    """Return the condition of a WHERE, and what it binds.

    Raises:
        UnsupportedFilterError: it names what a payload can't have, or binds too much for one statement.
    """
    params: list[Any] = []
    try:
        sql = _condition(filters, params)
    except NotJson as exc:
        raise UnsupportedFilterError(f"{store} does not support this filter: {exc}") from None
    if len(params) > _MAX_PARAMS:
        raise UnsupportedFilterError(f"{store} does not support filters of more than {_MAX_PARAMS} keys and values")
    return sql, params


def _condition(filters: Filter, params: list[Any]) -> str:
    if isinstance(filters, And | Or):
        word, nothing = (" AND ", "TRUE") if isinstance(filters, And) else (" OR ", "FALSE")
        return f"({word.join([_condition(item, params) for item in filters.items])})" if filters.items else nothing
    refuse_texts(filters.key)
    params.append(filters.key)
    if isinstance(filters, IsNull):
        return f"coalesce({_VALUE}, {_NULL}) = {_NULL}"
    if isinstance(filters, NotNull):
        return f"{_VALUE} <> {_NULL}"
    if isinstance(filters, OneOf):
        return _one_of(filters, params)
    if isinstance(filters, NoneOf):
        return _none_of(filters, params)
    return _compared(filters, params) if isinstance(filters, Compared) else _matched(filters, params)


def _one_of(leaf: OneOf, params: list[Any]) -> str:
    if len(leaf.values) == 1:
        params.append(json_text(leaf.values[0]))
        return f"{_VALUE} = %s::text::jsonb"
    params.append([json_text(value) for value in leaf.values])
    # A list in a subquery is hashed, whatever the plan; `= ANY` would go through it for each row.
    return f"{_VALUE} IN (SELECT one::jsonb FROM unnest(%s::text[]) AS one)"


def _none_of(leaf: NoneOf, params: list[Any]) -> str:
    if len(leaf.values) == 1:
        params += (json_text(leaf.values[0]), leaf.key)
        return f"({_VALUE} <> %s::text::jsonb AND {_VALUE} <> {_NULL})"
    params += ([json_text(value) for value in leaf.values], leaf.key)
    return f"({_VALUE} NOT IN (SELECT one::jsonb FROM unnest(%s::text[]) AS one) AND {_VALUE} <> {_NULL})"


def _compared(leaf: Compared, params: list[Any]) -> str:
    params.append(leaf.key)
    if isinstance(leaf.value, str):
        refuse_texts(leaf.value)
        params.append(leaf.value)
        return f"(jsonb_typeof({_VALUE}) = 'string' AND {_TEXT} {leaf.op} %s::text)"
    params.append(json_text(leaf.value))
    return f"(jsonb_typeof({_VALUE}) = 'number' AND {_VALUE} {leaf.op} %s::text::jsonb)"


def _matched(leaf: Text, params: list[Any]) -> str:
    refuse_texts(leaf.text)
    match = _TEXT_MATCHES[leaf.op]
    params += (leaf.key, *[leaf.text] * (match.count("%s") - 1))
    negation = "NOT " if leaf.negated else ""
    return f"(jsonb_typeof({_VALUE}) = 'string' AND {negation}{match})"
