"""A field's metadata -> the rules that its values keep.

A rule that can't be kept by any value, or can't be understood, is an error of the class, and says what is allowed.
"""

from __future__ import annotations

import inspect
import operator
import re
import reprlib
from collections.abc import Callable, Collection, Mapping, Sized
from dataclasses import dataclass
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
        ValueError: a lower bound is above an upper one.
    """
    for lows, highs in ((("min_len",), ("max_len",)), (("gt", "ge", "min"), ("lt", "le", "max"))):
        for low in lows:
            for high in highs:
                if low in rules and high in rules and rules[low].operand > rules[high].operand:
                    raise ValueError(f"{low} is above {high}: no value can be both")


def _require(check: TypeCheck, fits: Callable[[type], bool]) -> None:
    """Refuse a rule that no value of the type could ever keep."""
    if check.classes and not any(map(fits, check.classes)):
        raise TypeError(f"it does not apply to {check.name}")


def _is_sized(cls: type) -> bool:
    return issubclass(cls, Sized)


def _non_empty(check: TypeCheck) -> Rule:
    _require(check, _is_sized)
    return Rule("non_empty", "must not be empty or blank" if str in check.classes else "must not be empty", _is_filled)


def _is_filled(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else len(value) > 0


def _pattern(stated: Any, check: TypeCheck) -> Rule:
    if not isinstance(stated, str | bytes | re.Pattern):
        raise TypeError(f"expected text or a compiled pattern, got {type(stated).__name__}")
    try:
        pattern = re.compile(stated)
    except (re.error, OverflowError, RecursionError) as exc:
        raise ValueError(f"{stated!r} is no regular expression: {exc}") from exc
    kind = type(pattern.pattern)
    _require(check, lambda cls: issubclass(cls, kind))
    # A match is true, also an empty one.
    return Rule(
        "pattern",
        f"must match {pattern.pattern!r} as a whole",
        pattern.fullmatch,
        "{operand}({value})",
        pattern.fullmatch,
    )


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
    _require(check, _is_sized)
    words, compare, sign = _COMPARISONS[_LENGTHS[name]]
    source = f"len({{value}}) {sign} {{operand}}"
    return Rule(
        name, f"must have a length of {words} {stated}", lambda value: compare(len(value), stated), source, stated
    )


def _comparison(name: str, stated: Any, check: TypeCheck) -> Rule:
    if not _is_orderly(stated):
        raise TypeError(f"expected a value that others can be compared with, got {type(stated).__name__}")
    is_number = isinstance(stated, Real | Decimal)
    _require(check, lambda cls: (is_number and issubclass(cls, Real | Decimal)) or check.accepts(stated))
    words, compare, sign = _COMPARISONS[name]
    message = f"must be {words} {reprlib.repr(stated)}"
    return Rule(name, message, lambda value: compare(value, stated), f"{{value}} {sign} {{operand}}", stated)


def _is_orderly(value: Any) -> bool:
    """Tell whether a bound has an order at all; NaN and `None` have none."""
    try:
        return bool(value <= value)
    except Exception:  # comparing is the class's own code
        return False
