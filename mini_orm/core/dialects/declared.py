"""Reads what a database says of a column: the text of its declared type, and of its default.

Rules of this file:
- The same function reads the text that mini_orm writes and the one that the database gives back, so that what was
  written is found equal, however the database spells it.
- Nothing here is exact SQL: a text that can't be read is a family of its own, equal to itself alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

_TYPE = re.compile(r"([^()]*)\(([\d\s,]*)\)([^()]*)")
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[\w.$]+|\s+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DeclaredType:
    """A type: its family, its sizes (a length, or precision and scale), and for numbers the width in bytes."""

    family: str
    sizes: tuple[int, ...] = ()
    width: int | None = None


def read_type(text: str, names: Mapping[str, DeclaredType]) -> DeclaredType:
    """Read a declared type; `names` says what its other names stand for (`"INT"`, `"TINYINT(1)"`)."""
    found = _TYPE.fullmatch(text)
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
    return replace(known, sizes=sizes)


def normal_default(text: str | None) -> str | None:
    """Write a default so that equal ones have one text: no needless blanks and parentheses, lower case but in quotes.

    `NULL` is no default.
    """
    if text is None:
        return None
    tokens = [token for token in _TOKEN.findall(text) if not token.isspace()]
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
