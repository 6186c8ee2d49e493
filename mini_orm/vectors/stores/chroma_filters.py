"""Filters as Chroma's `where`.

What Chroma does otherwise than the rules of filters.py, and what is done about it:

- `$ne` and `$nin` match what is missing: the mark of the key is asked for as well.
- Numbers are compared with its columns of ints and of floats at once, the operand being cast to each: 0.5 equals the
  int 0 then, and 2**53 + 1 the float 2**53. The number that it is cast to is taken out, or put in, by itself.
- It has no order of texts, and looks into documents only: both are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from ...errors import UnsupportedFilterError
from ..filters import And, Compared, Filter, IsNull, NoneOf, NotNull, OneOf, Or, Text
from .chroma_payloads import RESERVED, NoForm, chroma_key, equal_key, equal_text, mark, utf8

Where: TypeAlias = dict[str, Any]
#: No record has this key.
_NOWHERE = f"{RESERVED}nowhere"
EVERYTHING: Where = {_NOWHERE: {"$ne": True}}
NOTHING: Where = {_NOWHERE: {"$eq": True}}
_OPERATORS = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
_NAMES = {"CONTAINS": "contains", "STARTSWITH": "startswith", "ENDSWITH": "endswith"}
_LARGEST = math.ldexp(1 - 2.0**-53, 1024)
_INT64_END = 2**63
#: SQLite takes expressions that are nested 1000 deep, and a chain of OR is one of them.
_WIDTH = 256
#: Chroma's own parser takes JSON that is nested 128 deep.
_DEPTH = 55
#: SQLite takes 32,766 values in a statement. Each number is two of them, and so is each key.
_VALUES = 32_000


def where_of(filters: Filter | None, store: str) -> Where | None:
    """Compile a filter.

    Raises:
        UnsupportedFilterError: Chroma can't say it, or can't take so much.
    """
    if filters is None:
        return None
    try:
        where = _compiled(filters)
    except NoForm as exc:
        raise UnsupportedFilterError(f"{store} does not support {exc} in filters") from None
    if _size(where) > _VALUES:
        raise UnsupportedFilterError(f"{store} does not support filters of so many values; about 15,000 are allowed")
    if _depth(where) > _DEPTH:
        raise UnsupportedFilterError(f"{store} does not support filters that are nested so deeply")
    return where


def _compiled(filters: Filter) -> Where:
    if isinstance(filters, And | Or):
        compiled = map(_compiled, _merged(filters))
        return _all(compiled) if isinstance(filters, And) else _any(compiled)
    if isinstance(filters, OneOf | NoneOf):
        return _listed(filters)
    if isinstance(filters, IsNull | NotNull):
        return {mark(_text(filters.key)): {"$eq" if isinstance(filters, NotNull) else "$ne": True}}
    if isinstance(filters, Text):
        raise NoForm(f"C.{_NAMES[filters.op]}")
    return _compared(filters)


def _merged(group: And | Or) -> list[Filter]:
    """Return a group's items, those of groups of its kind inside among them, and equalities of one key as one.

    Chroma takes a list of values at once, and seconds for as many equalities.
    """
    kind, merging = (And, NoneOf) if isinstance(group, And) else (Or, OneOf)
    found: list[Filter] = []
    merged: dict[str, list[Any]] = {}
    rest = list(reversed(group.items))
    while rest:
        item = rest.pop()
        if isinstance(item, kind):
            rest.extend(reversed(item.items))
        elif isinstance(item, merging):
            merged.setdefault(item.key, []).extend(item.values)
        else:
            found.append(item)
    return [*(merging(key, tuple(values)) for key, values in merged.items()), *found]


def _listed(leaf: OneOf | NoneOf) -> Where:
    """Compile an equality with one of some values, or with none of them."""
    key = chroma_key(_text(leaf.key))
    texts = [_text(value) for value in leaf.values if isinstance(value, str)]
    bools = [value for value in leaf.values if isinstance(value, bool)]
    numbers = [value for value in leaf.values if isinstance(value, int | float) and not isinstance(value, bool)]
    nested = [equal_text(value) for value in leaf.values if isinstance(value, list | dict)]
    if isinstance(leaf, OneOf):
        return _any([*_in(key, texts), *_in(key, bools), *_number_in(key, numbers), *_in(equal_key(leaf.key), nested)])
    parts = [*_not_in(key, texts), *_not_in(key, bools), *_number_not_in(key, numbers)]
    return _all([{mark(leaf.key): {"$eq": True}}, *parts, *_not_in(equal_key(leaf.key), nested)])


def _in(key: str, values: Sequence[Any]) -> list[Where]:
    return [{key: {"$in": list(values)}}] if values else []


def _not_in(key: str, values: Sequence[Any]) -> list[Where]:
    return [{key: {"$nin": list(values)}}] if values else []


def _number_in(key: str, numbers: Iterable[int | float]) -> list[Where]:
    ints, floats, casts = _by_column(numbers)
    found = [*_in(key, ints), *_in(key, floats)]
    if not found:
        return []
    return [_all([_any(found), *_each_column(_not_in, key, casts)])]


def _number_not_in(key: str, numbers: Iterable[int | float]) -> list[Where]:
    ints, floats, casts = _by_column(numbers)
    found = [*_not_in(key, ints), *_not_in(key, floats)]
    if not found:
        return []
    return [_any([_all(found), *_each_column(_in, key, casts)])]


def _by_column(numbers: Iterable[int | float]) -> tuple[list[int], list[float], set[int | float]]:
    """Return the ints and the floats of numbers, and what else Chroma would take for equal to one of them."""
    ints: list[int] = []
    floats: list[float] = []
    for number in dict.fromkeys(numbers):
        if -_INT64_END <= number < _INT64_END and number == int(number):
            ints.append(int(number))
        elif (nearest := _float(number)) == number:
            floats.append(nearest)
    wanted = {*ints, *floats}
    return ints, floats, {cast for cast in map(_cast, wanted) if cast not in wanted}


def _each_column(
    make: Callable[[str, Sequence[Any]], list[Where]], key: str, numbers: Iterable[int | float]
) -> list[Where]:
    found = list(numbers)
    ints = [one for one in found if isinstance(one, int)]
    return [*make(key, ints), *make(key, [one for one in found if isinstance(one, float)])]


def _compared(leaf: Compared) -> Where:
    if isinstance(leaf.value, str):
        raise NoForm("an order of texts")
    key, op, value = chroma_key(_text(leaf.key)), leaf.op, leaf.value
    if isinstance(value, int) and not -_INT64_END <= value < _INT64_END:
        nearest = _float(value)
        if nearest != value:  # no number that Chroma holds is between the two
            op = (">=" if nearest > value else ">") if op[0] == ">" else ("<" if nearest > value else "<=")
        value = nearest
    where = {key: {_OPERATORS[op]: value}}
    cast = _cast(value)
    if cast == value:
        return where
    # The numbers of the other column are compared with `cast`, so that it is itself the only one that may be wrong.
    is_meant = cast > value if op[0] == ">" else cast < value
    if is_meant is (op[-1] == "="):
        return where
    return _any([where, {key: {"$eq": cast}}]) if is_meant else _all([where, {key: {"$ne": cast}}])


def _cast(number: int | float) -> int | float:
    """Return a number as Chroma casts it for its other column, that of floats or that of ints."""
    if isinstance(number, int):
        cast: int | float = float(number)
    else:
        cast = max(-_INT64_END, min(int(number), _INT64_END - 1))
    if cast != number and abs(number) >= _INT64_END - 512 and abs(number) <= _INT64_END:
        raise NoForm("numbers so near to the end of 64 bits")  # it would be cast back to the number itself
    return cast


def _float(number: int | float) -> float:
    """Return the nearest float that is finite."""
    return float(max(-int(_LARGEST), min(number, int(_LARGEST))))


def _text(text: str) -> str:
    try:
        return utf8(text)
    except NoForm:
        raise NoForm("texts with lone surrogates") from None


def _all(items: Iterable[Where]) -> Where:
    return _group("$and", list(items), EVERYTHING)


def _any(items: Iterable[Where]) -> Where:
    return _group("$or", list(items), NOTHING)


def _group(operator: str, items: list[Where], empty: Where) -> Where:
    while len(items) > _WIDTH:
        items = [_group(operator, items[at : at + _WIDTH], empty) for at in range(0, len(items), _WIDTH)]
    if len(items) < 2:
        return items[0] if items else empty
    return {operator: items}


def _size(where: Where) -> int:
    """Return how many values SQLite is given for it, or a few less than that."""
    [operand] = where.values()
    if isinstance(operand, list):
        return sum(map(_size, operand))
    [value] = operand.values()
    return 2 + 2 * (len(value) if isinstance(value, list) else 1)


def _depth(where: Where) -> int:
    [operand] = where.values()
    return 1 + max(map(_depth, operand)) if isinstance(operand, list) else 0
