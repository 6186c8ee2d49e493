"""What a JSON column takes: JSON's own values, with tuples and sets as its lists, and nothing that it would bend."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any

from .columns import JsonShape
from .refused import Refused, plain_text

_MAX_DEPTH = 500
# As text: `re` keeps what it has compiled, and most programs need none of it.
# A text as a whole, or a number with an exponent.
_EXPONENT = r'"(?:[^"\\]|\\.)*"|(-?[\d.]+e\+\d+)'
_MANY_DIGITS = r"\d{19}"
# A text as a whole, or a number.
_PART = r'"(?:[^"\\]|\\.)*"|(-?\d[\d.e+-]*)'


def _make_dumps() -> Callable[[Any], str]:
    """Return what `JSONEncoder.encode` does, without making its C encoder again for each value."""
    plain = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # an interpreter without the C accelerator
        return plain.encode
    escape = json.encoder.encode_basestring
    chunks = make(None, plain.default, escape, None, ":", ",", True, False, False)

    def dumps(value: Any) -> str:
        return escape(value) if type(value) is str else "".join(chunks(value, 0))

    return dumps


_dumps = _make_dumps()
_decoder: Any = json.JSONDecoder()
_decode, _scan = _decoder.decode, _decoder.scan_once


def load_json(text: str) -> Any:
    """Read JSON text: what `json.loads` does, without its search for blanks around the value where there are none."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        return _decode(text)
    return value if end == len(text) else _decode(text)


_PLAIN_SCALARS = frozenset({str, int, bool, type(None)})
_CONTAINERS = frozenset({dict, list})


def json_text(value: Any) -> str:
    """Write a value as JSON: keys sorted, so that equal values have one text.

    Raises:
        Refused: JSON has no such value; says where it is.
    """
    try:
        if type(value) in _CONTAINERS and _is_plain_json(value):
            text = _dumps(value)
            # What `plain_text` refuses shows in the text: NUL as an escape, a surrogate as it is.
            if "\\u0000" not in text and (text.isascii() or _is_whole(text)):
                return text
        return _dumps(_json_value(value, "$", 0))
    except RecursionError:
        raise Refused("the JSON value is nested too deeply, or holds itself") from None
    except ValueError:
        raise Refused("the JSON value has an int of more digits than Python writes") from None


def with_fractions(text: str) -> str:
    """Write the large floats of JSON text with all their digits and a point.

    A database that keeps numbers by value writes `1e+23` as an integer, which is read as another number.
    """
    return re.sub(_EXPONENT, _spelt_out, text) if "e+" in text else text


def refuse_long_ints(text: str) -> None:
    """Refuse JSON text with an int that a database of 64-bit ones would make a float.

    Raises:
        Refused: there is one.
    """
    if re.search(_MANY_DIGITS, text) is None:
        return
    for number in re.findall(_PART, text):
        if number.lstrip("-").isdigit() and not -(2**63) <= int(number) < 2**64:
            raise Refused("an int in the JSON value does not fit into 64 bits")


def _spelt_out(found: re.Match[str]) -> str:
    return found[0] if found[1] is None else f"{Decimal(found[1]):f}.0"


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_plain_json(container: Any) -> bool:
    """Tell whether a dict or a list is of JSON's own types throughout, so that it needs no copy to be written."""
    if type(container) is dict:
        for key in container:
            if type(key) is not str:
                return False
        container = container.values()
    for item in container:
        kind = type(item)
        if kind in _PLAIN_SCALARS:
            continue
        if kind in _CONTAINERS:
            if not _is_plain_json(item):
                return False
        elif kind is not float or not isfinite(item):
            return False
    return True


def _json_value(value: Any, path: str, depth: int) -> Any:
    """Copy a value into what JSON has, or say where it has something else."""
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return value
    try:
        if kind is str:
            return plain_text(value)
    except Refused as exc:
        raise Refused(f"at {path}: {exc}") from None
    if kind is float:
        if not isfinite(value):
            raise Refused(f"at {path}: JSON has no NaN and no infinity")
        return value
    if depth > _MAX_DEPTH:
        raise Refused("the JSON value is nested too deeply, or holds itself")
    if isinstance(value, dict):
        for key in value:
            if type(key) is not str:
                raise Refused(f"at {path}: the keys of a JSON object are str, not {type(key).__name__}")
            try:
                plain_text(key)
            except Refused as exc:
                raise Refused(f"at a key of {path}: {exc}") from None
        return {key: _json_value(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item, f"{path}[{place}]", depth + 1) for place, item in enumerate(value)]
    if isinstance(value, set | frozenset):
        items = [_json_value(item, f"{path}[…]", depth + 1) for item in value]
        return sorted(items, key=_dumps)  # a set has no order; its text shall have one
    if isinstance(value, str | int | float) and not isinstance(value, Enum):
        base: Any = str if isinstance(value, str) else int if isinstance(value, int) else float
        return _json_value(base(value), path, depth)
    raise Refused(f"at {path}: JSON has no {kind.__name__}")


def restored(value: Any, shape: JsonShape | None) -> Any:
    """Bring tuples and sets back as the annotation has them."""
    if shape is None or shape.container is None or value is None:
        return value
    if shape.container is dict:
        if not isinstance(value, dict):
            return value
        inner = shape.items[0] if shape.items else None
        return value if inner is None else {key: restored(item, inner) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if not shape.variadic:
        inner_shapes = [*shape.items, *([None] * (len(value) - len(shape.items)))]
        return tuple(restored(item, inner) for item, inner in zip(value, inner_shapes, strict=False))
    inner = shape.items[0] if shape.items else None
    return shape.container([restored(item, inner) for item in value])
