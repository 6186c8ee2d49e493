"""A field's metadata -> the rules that its values keep.

A rule that can't be kept by any value, or can't be understood, is an error of the class, and says what is allowed.
"""

from __future__ import annotations

import datetime as dt
import inspect
import itertools
import operator
import re
import reprlib
import types
from collections.abc import Callable, Collection, Mapping, Sized
from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Real
from typing import Any

from .annotations import TypeCheck

Function = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a field.

    Attributes:
        name: its key in the metadata.
        message: what a value has to be.
        passes: whether a value keeps it; an exception says no.
        source: the same as an expression of `{value}` and `{operand}`; without one `passes` is called.
        operand: what stands for `{operand}`.
    """

    name: str
    message: str
    passes: Function
    source: str | None = None
    operand: Any = None


#: Words, function and sign of each comparison.
_COMPARISONS: dict[str, tuple[str, Callable[[Any, Any], Any], str]] = {
    "gt": ("greater than", operator.gt, ">"),
    "ge": ("at least", operator.ge, ">="),
    "lt": ("less than", operator.lt, "<"),
    "le": ("at most", operator.le, "<="),
    "min": ("at least", operator.ge, ">="),
    "max": ("at most", operator.le, "<="),
}
_LENGTHS = {"min_len": "ge", "max_len": "le"}


def read_rule(name: str, stated: Any, check: TypeCheck) -> Rule | None:
    """Read one key of a field's metadata, for values of the type `check`.

    Returns:
        The rule, or `None` for one that is switched off (`False`).

    Raises:
        TypeError, ValueError: the rule is broken; the message says what is allowed.
    """
    if name == "non_empty":
        return _non_empty(check) if is_on(stated) else None
    if name == "pattern":
        return _pattern(stated, check)
    if name == "choices":
        return _choices(stated, check)
    return _length(name, stated, check) if name in _LENGTHS else _comparison(name, stated, check)


def is_on(stated: Any) -> bool:
    """Read a rule that is only there or not.

    Raises:
        TypeError: it is neither `True` nor `False`.
    """
    if not isinstance(stated, bool):
        raise TypeError(f"expected True or False, got {type(stated).__name__}")
    return stated


def read_validator(stated: Any) -> Function:
    """Check a function of the user's.

    Raises:
        TypeError: it can't be called, or would have to be awaited.
    """
    if not callable(stated):
        raise TypeError(f"expected a function of one value, got {type(stated).__name__}")
    if inspect.iscoroutinefunction(stated):
        raise TypeError("expected a plain function; a coroutine function can't be awaited here")
    return stated  # type: ignore[no-any-return]  # `callable` says nothing of the result


def refuse_contradictions(rules: Mapping[str, Rule]) -> None:
    """Refuse bounds between which nothing lies.

    Raises:
        ValueError: a lower bound is above an upper one, or equal to it where one of them is no value itself; or two
            can't be compared.
    """
    for lows, highs in ((("min_len",), ("max_len",)), (("gt", "ge", "min"), ("lt", "le", "max"))):
        for low, high in itertools.product(lows, highs):
            if low in rules and high in rules:
                _refuse_contradiction(low, rules[low].operand, high, rules[high].operand)


def _refuse_contradiction(low: str, least: Any, high: str, most: Any) -> None:
    try:
        is_above = bool(least > most)
        is_empty = (low == "gt" or high == "lt") and bool(least >= most)
    except Exception as exc:  # comparing is the class's own code
        raise ValueError(f"{low} and {high} can't be compared with each other") from exc
    if is_above or is_empty:
        what = f"{low} is above {high}" if is_above else f"nothing lies between {low} and {high}"
        raise ValueError(f"{what}: no value can be both")


def mixes_awareness(one: Any, other: Any) -> bool:
    """Tell whether of two datetimes, or two times, one has an offset and the other has none: they have no order."""
    has_offset = [value.utcoffset() is not None for value in (one, other) if isinstance(value, dt.datetime | dt.time)]
    return len(set(has_offset)) == 2


def _applied(rule: Rule, check: TypeCheck, classes: tuple[type, ...]) -> Rule:
    """Let a rule be for instances of some classes; what else the type takes keeps it as it is.

    Raises:
        TypeError: the type takes no instance of them.
    """
    known = [cls for cls in check.classes if cls is not types.NoneType]
    concerned = [cls for cls in known if issubclass(cls, classes)]
    if check.classes and not concerned:
        raise TypeError(f"it does not apply to {check.name}")
    if concerned == known:
        return rule
    return replace(rule, source=None, passes=lambda value: not isinstance(value, classes) or rule.passes(value))


def _non_empty(check: TypeCheck) -> Rule:
    message = "must not be empty or blank" if str in check.classes else "must not be empty"
    return _applied(Rule("non_empty", message, _is_filled), check, (Sized,))


def _is_filled(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else len(value) > 0


def _pattern(stated: Any, check: TypeCheck) -> Rule:
    if not isinstance(stated, str | bytes | re.Pattern):
        raise TypeError(f"expected text or a compiled pattern, got {type(stated).__name__}")
    try:
        pattern = re.compile(stated)
    except (re.error, OverflowError, RecursionError) as exc:
        raise ValueError(f"{stated!r} is no regular expression: {exc}") from exc
    # A match is true, also an empty one.
    rule = Rule(
        "pattern",
        f"must match {pattern.pattern!r} as a whole",
        pattern.fullmatch,
        "{operand}({value})",
        pattern.fullmatch,
    )
    return _applied(rule, check, (type(pattern.pattern),))


def _choices(stated: Any, check: TypeCheck) -> Rule:
    if isinstance(stated, str | bytes) or not isinstance(stated, Collection):
        raise TypeError(f"expected a collection of values, got {type(stated).__name__}")
    listed = tuple(stated)
    if not any(map(check.accepts, listed)):
        raise ValueError(f"none of its {len(listed)} choices is of the type {check.name}")
    try:
        allowed: Collection[Any] = frozenset(listed)
    except TypeError:  # lists and dicts have no hash
        allowed = listed
    message = f"must be one of {', '.join(map(reprlib.repr, listed[:10]))}{', …' if len(listed) > 10 else ''}"
    return Rule("choices", message, allowed.__contains__, "{value} in {operand}", allowed)


def _length(name: str, stated: Any, check: TypeCheck) -> Rule:
    if isinstance(stated, bool) or not isinstance(stated, int):
        raise TypeError(f"expected an int, got {type(stated).__name__}")
    if stated < 0:
        raise ValueError("expected an int of at least 0, as no length is below")
    words, compare, sign = _COMPARISONS[_LENGTHS[name]]
    message = f"must have a length of {words} {stated}"
    source = f"len({{value}}) {sign} {{operand}}"
    rule = Rule(name, message, lambda value: compare(len(value), stated), source, stated)
    return _applied(rule, check, (Sized,))


def _comparison(name: str, stated: Any, check: TypeCheck) -> Rule:
    if not _is_orderly(stated):
        raise TypeError(f"expected a value that others can be compared with, got {type(stated).__name__}")
    words, compare, sign = _COMPARISONS[name]
    message = f"must be {words} {reprlib.repr(stated)}"
    rule = Rule(name, message, lambda value: compare(value, stated), f"{{value}} {sign} {{operand}}", stated)
    return _applied(rule, check, tuple(cls for cls in check.classes if _is_like(stated, cls, check)))


def _is_like(bound: Any, cls: type, check: TypeCheck) -> bool:
    """Tell whether instances of one of a type's classes are to be compared with a bound: numbers, or its own kind."""
    if isinstance(bound, Real | Decimal) and issubclass(cls, Real | Decimal):
        return True
    return check.accepts(bound) and (isinstance(bound, cls) or issubclass(cls, type(bound)))


def _is_orderly(value: Any) -> bool:
    """Tell whether a bound has an order at all; NaN and `None` have none."""
    try:
        return bool(value <= value)
    except Exception:  # comparing is the class's own code
        return False
