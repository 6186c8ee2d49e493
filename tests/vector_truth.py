"""What conditions on payloads mean, in SQL's three values, as plainly as it can be said: the oracle of all stores.

Nothing here is taken from the package: docs/vectors.md has the same rules as text.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mini_orm import Condition, ConditionGroup, NotCondition

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "CONTAINS": lambda value, text: text in value,
    "STARTSWITH": str.startswith,
    "ENDSWITH": str.endswith,
}


def equal(left: Any, right: Any) -> bool:
    """Whether two values of payloads are equal."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return bool(left == right)


def kind(value: Any) -> str | None:
    """Return which order a value belongs to."""
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else None


def negation(value: bool | None) -> bool | None:
    return None if value is None else not value


def conjunction(values: Iterable[bool | None]) -> bool | None:
    found = list(values)
    return False if False in found else None if None in found else True


def disjunction(values: Iterable[bool | None]) -> bool | None:
    return negation(conjunction(map(negation, values)))


def equality(left: Any, right: Any) -> bool | None:
    """SQL's `=`."""
    return None if left is None or right is None else equal(left, right)


def truth(condition: Any, payload: Mapping[str, Any] | None) -> bool | None:
    """Evaluate a condition."""
    if isinstance(condition, ConditionGroup):
        join = conjunction if condition.operator == "AND" else disjunction
        return join(truth(item, payload) for item in condition.items)
    if isinstance(condition, NotCondition):
        return negation(truth(condition.item, payload))
    assert isinstance(condition, Condition)
    value, op = (payload or {}).get(condition.col), condition.op
    if op in ("IS NULL", "IS NOT NULL"):
        return (value is None) is (op == "IS NULL")
    if op in ("=", "<>") and condition.value is None:
        return (value is None) is (op == "=")
    if op == "=":
        return equality(value, condition.value)
    if op == "<>":
        return negation(equality(value, condition.value))
    if op in ("IS NOT DISTINCT FROM", "IS DISTINCT FROM"):
        same = value is None if condition.value is None else bool(equality(value, condition.value))
        return same is (op == "IS NOT DISTINCT FROM")
    if op in ("IN", "NOT IN"):
        found = disjunction(value is None if one is None else equality(value, one) for one in condition.values or ())
        if value is None and None in (condition.values or ()):
            found = True
        return found if op == "IN" else negation(found)
    if op == "BETWEEN":
        low, high = condition.values or ()
        return conjunction([compared(">=", value, low), compared("<=", value, high)])
    if op in _ORDERS:
        return compared(op, value, condition.value)
    return _TEXTS[op](value, condition.value) if isinstance(value, str) else None


def compared(op: str, value: Any, other: Any) -> bool | None:
    """An order, which is unknown between kinds."""
    return _ORDERS[op](value, other) if kind(value) is not None and kind(value) == kind(other) else None


def mapping_matches(filters: Mapping[str, Any], payload: Mapping[str, Any] | None) -> bool:
    """Whether the mapping form matches: the values are equal, and None is also a missing key."""
    for key, wanted in filters.items():
        value = (payload or {}).get(key)
        if not (value is None if wanted is None else equality(value, wanted)):
            return False
    return True
