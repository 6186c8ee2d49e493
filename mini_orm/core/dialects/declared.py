"""Reads what a database says of a column: the text of its declared type, and of its default.

Rules of this file:
- The same function reads the text that mini_orm writes and the one that the database gives back, so that what was
  written is found equal, however the database spells it.
- Nothing here is exact SQL: a text that can't be read is a family of its own, equal to itself alone.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from ..refused import Refused

# As text: `re` keeps what it has compiled, and programs that look at no schema need none of it.
_TYPE = r"([^()]*)\(([\d\s,]*)\)([^()]*)"
_LITERAL = r"('(?:[^']|'')*')|[-+]?[\w.]+(?:[-+]\d+)?"
_TRUE, _FALSE = ("t", "true", "y", "yes", "on", "1"), ("f", "false", "n", "no", "off", "0")
_TOKEN = r"(?s:'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[\w.$]+|\s+|.)"


class DeclaredType(NamedTuple):
    """A type: its family, its sizes (a length, or precision and scale), and for numbers the width in bytes."""

    family: str
    sizes: tuple[int, ...] = ()
    width: int | None = None


def read_type(text: str, names: Mapping[str, DeclaredType]) -> DeclaredType:
    """Read a declared type; `names` says what its other names stand for (`"INT"`, `"TINYINT(1)"`)."""
    found = re.fullmatch(_TYPE, text)
    sizes = tuple(int(size) for size in found[2].split(",") if size.strip()) if found else ()
    name = " ".join((found[1] + found[3] if found else text).upper().split())
    known = names.get(f"{name}({','.join(map(str, sizes))})")
    if known is not None:
        return known
    known = names.get(name, DeclaredType(name))
    if known.width is not None:  # what stands behind a number's type tells how it is shown
        return known
    if known.family == "VARCHAR" and not sizes:
        return DeclaredType("TEXT")
    return known._replace(sizes=sizes)


def normal_default(text: str | None) -> str | None:
    """Write a default so that equal ones have one text: no needless blanks and parentheses, lower case but in quotes.

    `NULL` is no default.
    """
    if text is None:
        return None
    tokens = [token for token in re.findall(_TOKEN, text) if not token.isspace()]
    while tokens and tokens[0] == "(" and _closing(tokens) == len(tokens) - 1:
        tokens = tokens[1:-1]
    normal = " ".join(token if token[0] in "'\"" else token.lower() for token in tokens)
    return None if normal == "null" else normal


def _closing(tokens: list[str]) -> int:
    """Return the place of the parenthesis that closes the first one."""
    depth = 0
    for place, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth == 0:
            return place
    return -1


def literal_value(kind: str, text: str) -> Any:
    """Return the value of a kind that a default is a literal of; `None`: it is none, or none that can be read here."""
    plain = text.strip()
    while plain.startswith("(") and plain.endswith(")"):
        plain = plain[1:-1].strip()
    literal, read = re.fullmatch(_LITERAL, plain), _READERS.get(kind)
    if literal is None or read is None:
        return None
    try:
        return read(literal[1][1:-1].replace("''", "'") if literal[1] else plain)
    except (ValueError, ArithmeticError, Refused):
        return None


def _integer(text: str) -> Decimal:
    return Decimal(int(text, 0)) if text.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") else Decimal(text)


def _truth(text: str) -> bool | None:
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _bytes(text: str) -> bytes | None:
    if text.startswith("\\x"):
        return bytes.fromhex(text[2:])
    return text.encode() if "\\" not in text else None


def _uuid(text: str) -> Any:
    from uuid import UUID  # not free to import

    return UUID(text)


def _json(text: str) -> str:
    from ..json_values import json_text, load_json  # as above

    return json_text(load_json(text))


_READERS: Mapping[str, Callable[[str], Any]] = {
    "int": _integer,
    "bool": _truth,
    "float": float,
    "decimal": Decimal,
    "bytes": _bytes,
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "timedelta": _integer,
    "uuid": _uuid,
    "json": _json,
}
