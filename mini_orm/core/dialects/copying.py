"""The text form of COPY: a line for each row, its values between tabs.

Source: https://www.postgresql.org/docs/current/sql-copy.html, "Text Format"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

_NULL = r"\N"
_SPECIAL = re.compile(r"[\\\t\n\r]")
#: The backslash comes first, as the others bring some.
_ESCAPES = (("\\", r"\\"), ("\t", r"\t"), ("\n", r"\n"), ("\r", r"\r"))


def copy_text(columns: Iterable[Sequence[Any]]) -> bytes:
    """Write rows, given by column; the values are as a driver would be given them."""
    lines = map("\t".join, zip(*map(_texts, columns), strict=True))
    return ("\n".join(lines) + "\n").encode()


def _texts(values: Sequence[Any]) -> Sequence[str]:
    types = set(map(type, values))
    has_nulls = type(None) in types
    types.discard(type(None))
    if not has_nulls and types == {str}:
        text = "\0".join(values)  # which is in no text that was encoded
        return _escaped(text).split("\0") if _SPECIAL.search(text) else values
    write = _writer(next(iter(types))) if len(types) == 1 else _written
    if has_nulls:
        return [_NULL if value is None else write(value) for value in values]
    return list(map(write, values))


def _writer(kind: type) -> Callable[[Any], str]:
    if issubclass(kind, str):
        return _escaped
    return _hex if issubclass(kind, bytes) else str


def _written(value: Any) -> str:
    return _writer(type(value))(value)


def _escaped(value: str) -> str:
    for special, escape in _ESCAPES:
        value = value.replace(special, escape)
    return value


def _hex(value: bytes) -> str:
    return rf"\\x{value.hex()}"
