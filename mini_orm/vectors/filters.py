"""What a filter on payloads means, and its normal form, which every store compiles.

A filter is a mapping, `{"lang": "en"}`, or conditions of `C`. Both become one formula of And, Or and the leaves below.
It holds no NOT: that is worked in here, by the rules of SQL's three values, so that each leaf either matches a record
or does not, and a store needs no third value. The rules, for a payload's value v under a key:

- A missing key is NULL, as is None. A key is a name, never a path: a dot in it is a dot.
- Equality is by value: 1 is 1.0, True is not 1, "1" is not 1. Lists and dicts are equal as wholes, by the same rule
  inside; a list never equals its element. NULL equals nothing and differs from nothing.
- Order (lt, le, gt, ge, between) is there among numbers, and among texts by code point. Between other kinds, and of
  bools, lists and dicts, it is unknown, as with NULL.
- contains, startswith and endswith look into texts, mind case, and are unknown for what is no text.
- What is unknown does not match, and neither does its opposite.

    condition                    v equal    v differs   v of another kind   v NULL
    C.eq("k", x)                 yes        no          no                  no
    C.ne("k", x)                 no         yes         yes                 no
    C.lt("k", x) and its like    by order   by order    no                  no
    ~C.lt("k", x)                by order   by order    no                  no
    C.in_("k", [x, ...])         yes        no          no                  with None among them
    C.not_in("k", [x, ...])      no         yes         yes                 no; with an empty list
    C.is_null("k")               no         no          no                  yes
    C.is_not_null("k")           yes        yes         yes                 no
    C.same_as("k", x)            yes        no          no                  no; yes if x is None
    C.distinct_from("k", x)      no         yes         yes                 yes; no if x is None
    {"k": x}                     yes        no          no                  no; yes if x is None
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias

from ..core.conditions import (
    Condition,
    ConditionGroup,
    Expression,
    NotCondition,
    RelatedCondition,
    WhereInput,
)
from ..errors import QueryError, QueryTypeError, UnsupportedFilterError
from .checks import NotJson, json_value

Order: TypeAlias = Literal["<", "<=", ">", ">="]
TextMatch: TypeAlias = Literal["CONTAINS", "STARTSWITH", "ENDSWITH"]
#: How a codec writes a value under a key.
Encode: TypeAlias = Callable[[str, Any], Any]


@dataclass(frozen=True, slots=True)
class And:
    """All of `items` match; without any: everything does."""

    items: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of `items` matches; without any: nothing does."""

    items: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value equals one of `values`, of which none is None, and there is at least one."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """The value is not NULL and equals none of `values`, of which none is None, and there is at least one."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """The value is a number, if `value` is one, else a text, and stands to it as `op` says."""

    key: str
    op: Order
    value: int | float | str


@dataclass(frozen=True, slots=True)
class Text:
    """The value is a text that has `text` in it, or at its start or end; with `negated` a text that has not."""

    key: str
    op: TextMatch
    text: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsNull:
    """The key is missing, or its value is None."""

    key: str


@dataclass(frozen=True, slots=True)
class NotNull:
    """The key is there, with a value that is not None."""

    key: str


Filter: TypeAlias = And | Or | OneOf | NoneOf | Compared | Text | IsNull | NotNull
#: What users give as `filters`.
FilterInput: TypeAlias = Mapping[str, Any] | WhereInput
EVERYTHING = And(())
NOTHING = Or(())
_NODES = (And, Or, OneOf, NoneOf, Compared, Text, IsNull, NotNull)
_CONDITIONS = (Condition, ConditionGroup, NotCondition, RelatedCondition)
_OPPOSITE: dict[Any, Order] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
#: Stores' own parsers recurse as well, and not all of them take more.
_MAX_DEPTH = 100
_TEXT_MATCHES = ("CONTAINS", "STARTSWITH", "ENDSWITH")


def is_empty(filters: Any) -> bool:
    """Whether filters, as users give them, ask for nothing."""
    if isinstance(filters, str | bytes):
        return False  # no filter at all, which `parse` says
    return filters is None or (isinstance(filters, Mapping | Sequence) and not filters)


def parse(filters: Any, store: str, encode: Encode | None = None) -> Filter | None:
    """Read filters, as users or a repository give them, into the normal form; `None` asks for nothing.

    Args:
        store: its name, for errors.
        encode: the codec's form of a condition's value. A mapping has been through the codec before.

    Raises:
        QueryError: it can't be meant: a value that JSON does not have, an order of what has none.
        UnsupportedFilterError: no store can say it: LIKE, F, paths over relations.
    """
    if isinstance(filters, _NODES):
        return filters
    if is_empty(filters):
        return None
    if isinstance(filters, Mapping):
        return _all(_equals(_key(key), _json(key, value)) for key, value in filters.items())
    reader = _Reader(store, encode)
    if isinstance(filters, _CONDITIONS):
        return reader.read(filters)
    if isinstance(filters, Sequence) and not isinstance(filters, str | bytes):
        return _all(reader.read(one) for one in filters)
    raise QueryTypeError(f"filters are a mapping or conditions of C, not {type(filters).__name__}")


def equality_key(value: Any) -> Any:
    """Return something hashable that is equal for equal values of payloads, and for these alone."""
    kind = type(value)
    if kind is bool:
        return ("bool", value)
    if kind is list:
        return ("list", tuple(map(equality_key, value)))
    if kind is dict:
        return ("dict", frozenset((key, equality_key(item)) for key, item in value.items()))
    return value


def _all(items: Any) -> Filter:
    found = tuple(items)
    return found[0] if len(found) == 1 else And(found)


def _any(items: Any) -> Filter:
    found = tuple(items)
    return found[0] if len(found) == 1 else Or(found)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise QueryTypeError(f"a filter's key is a string, not {type(key).__name__}")
    return str.__str__(key)


def _json(key: str, value: Any) -> Any:
    try:
        return json_value(value)
    except NotJson as exc:
        raise QueryTypeError(f"the filter's value for {key!r} is not JSON-serializable: {exc}") from None


def _equals(key: str, value: Any) -> Filter:
    return IsNull(key) if value is None else OneOf(key, (value,))


def _differs(key: str, value: Any) -> Filter:
    return NotNull(key) if value is None else NoneOf(key, (value,))


class _Reader:
    """Reads conditions; with `negated` what makes them false is wanted, which is not the same as not true."""

    def __init__(self, store: str, encode: Encode | None) -> None:
        self._store = store
        self._encode = encode

    def read(self, item: Any, negated: bool = False, depth: int = 0) -> Filter:
        if depth > _MAX_DEPTH:
            raise QueryError(f"the filter is nested more than {_MAX_DEPTH} levels deep")
        if isinstance(item, Condition):
            return self._condition(item, negated)
        if isinstance(item, ConditionGroup):
            together = (item.operator == "AND") is not negated
            items = [self.read(one, negated, depth + 1) for one in item.items]
            return _all(items) if together else _any(items)
        if isinstance(item, NotCondition):
            return self.read(item.item, not negated, depth + 1)
        if isinstance(item, RelatedCondition):
            raise UnsupportedFilterError(f"{self._store} does not support C.any_ and C.none in filters")
        raise QueryTypeError(f"filters are a mapping or conditions of C, not {type(item).__name__}")

    def _condition(self, one: Condition, negated: bool) -> Filter:
        key, op = _key(one.col), one.op
        if op in ("IS NULL", "IS NOT NULL"):
            return IsNull(key) if (op == "IS NULL") is not negated else NotNull(key)
        if op in ("IN", "NOT IN"):
            return self._listed(key, one.values or (), (op == "IN") is not negated)
        if op in ("=", "<>"):
            value = self._value(key, one.value)
            return _equals(key, value) if (op == "=") is not negated else _differs(key, value)
        if op in ("IS NOT DISTINCT FROM", "IS DISTINCT FROM"):
            value = self._value(key, one.value)
            if (op == "IS NOT DISTINCT FROM") is not negated:
                return _equals(key, value)
            return NotNull(key) if value is None else Or((NoneOf(key, (value,)), IsNull(key)))
        if op == "BETWEEN":
            return self._between(key, one.values or (), negated)
        if op in _OPPOSITE:
            compared = _OPPOSITE[op] if negated else op
            return Compared(key, compared, self._ordered(key, one.value))  # type: ignore[arg-type]  # a text, to mypy
        if op in _TEXT_MATCHES:
            return self._text(key, op, one.value, negated)
        raise UnsupportedFilterError(f"{self._store} does not support {op} in filters")

    def _listed(self, key: str, values: Sequence[Any], positive: bool) -> Filter:
        found = [self._value(key, value) for value in values]
        known = tuple(value for value in found if value is not None)
        has_null = len(known) < len(found)
        if positive:
            items: list[Filter] = [OneOf(key, known)] if known else []
            return _any([*items, IsNull(key)] if has_null else items)
        if known:
            return NoneOf(key, known)
        return NotNull(key) if has_null else EVERYTHING

    def _between(self, key: str, values: Sequence[Any], negated: bool) -> Filter:
        low, high = (self._ordered(key, value) for value in values)
        if isinstance(low, str) is not isinstance(high, str):
            raise QueryTypeError(f"C.between of {key!r} has a number and a text, which have no order")
        if negated:
            return Or((Compared(key, "<", low), Compared(key, ">", high)))
        return And((Compared(key, ">=", low), Compared(key, "<=", high)))

    def _text(self, key: str, op: Any, text: Any, negated: bool) -> Filter:
        if not isinstance(text, str):
            raise QueryTypeError(f"C.{op.lower()} of {key!r} takes a text, not {type(text).__name__}")
        return Text(key, op, str.__str__(text), negated)

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, Expression):
            raise UnsupportedFilterError(f"{self._store} does not support F in filters")
        if value is None:
            return None
        return _json(key, value if self._encode is None else self._encode(key, value))

    def _ordered(self, key: str, value: Any) -> Any:
        """Return the codec's form of a value that has an order, which the form has to keep."""
        encoded = self._value(key, value)
        for one in (value, encoded):
            if isinstance(one, bool | Enum) or not isinstance(one, int | float | str):
                raise QueryTypeError(f"the filter's value for {key!r} has no order: only numbers and texts have")
        return encoded


def matches(filters: Filter, payload: Mapping[str, Any] | None) -> bool:
    """Whether a payload matches: the meaning of the normal form, as plainly as it can be said."""
    if isinstance(filters, And):
        return all(matches(item, payload) for item in filters.items)
    if isinstance(filters, Or):
        return any(matches(item, payload) for item in filters.items)
    value = None if payload is None else payload.get(filters.key)
    if isinstance(filters, IsNull):
        return value is None
    return value is not None and leaf_matches(filters, value)


def leaf_matches(leaf: OneOf | NoneOf | Compared | Text | NotNull, value: Any) -> bool:
    """Whether a value, which is not None, matches."""
    if isinstance(leaf, NotNull):
        return True
    if isinstance(leaf, OneOf | NoneOf):
        wanted = map(equality_key, leaf.values)
        return (equality_key(value) in wanted) is isinstance(leaf, OneOf)
    if isinstance(leaf, Text):
        return isinstance(value, str) and _has_text(leaf, value) is not leaf.negated
    if isinstance(value, bool) or isinstance(value, str) is not isinstance(leaf.value, str):
        return False
    return isinstance(value, int | float | str) and _COMPARE[leaf.op](value, leaf.value)


def _has_text(leaf: Text, value: str) -> bool:
    if leaf.op == "CONTAINS":
        return leaf.text in value
    return value.startswith(leaf.text) if leaf.op == "STARTSWITH" else value.endswith(leaf.text)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}
