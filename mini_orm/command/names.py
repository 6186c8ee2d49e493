"""Names of tables and columns -> names of classes and fields."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Container

#: What the text of a module of models uses, where it stands.
USED = frozenset({"Any", "Decimal", "IndexSpec", "UUID", "by_database", "dataclass", "dt", "field"})
_BUILTINS = frozenset({"bool", "bytes", "float", "int", "str"})
#: Plurals whose singular no rule tells, and words that are none.
_ODD_PLURALS = {"movies": "movie", "people": "person", "children": "child"}
_NO_PLURALS = ("ss", "us", "is", "news", "series", "species")


def class_name(table: str, taken: Container[str]) -> str:
    """Return the name of a table's class, which is none of `taken` (in lower case): `order_lines` -> `OrderLine`."""
    words = [word for word in re.split(r"[\W_]+", unicodedata.normalize("NFKC", table)) if word]
    if words:
        words[-1] = singular(words[-1])
    name = "".join(word[:1].upper() + word[1:] for word in words)
    name = name if name.isidentifier() and not keyword.iskeyword(name) and name not in USED else f"Table{name}"
    return _free(name, taken)


def field_name(column: str, taken: Container[str], classes: Container[str]) -> str:
    """Return the name of a column's field: its own one, where Python takes it and the module does not use it.

    `taken` are in lower case; `classes` are the names of the module's classes.
    """
    name = re.sub(r"\W", "_", unicodedata.normalize("NFKC", column))
    if name.startswith("__") or name == "_":  # Python puts the class's name before two
        name = name.lstrip("_") or "column"
    if not name.isidentifier():
        name = f"column_{name}"
    if keyword.iskeyword(name) or name in USED or name in _BUILTINS or name in classes:
        name += "_"
    return _free(name, taken)


def singular(word: str) -> str:
    """Return the singular of an English word, by the rules by which relations are named in the plural."""
    low = word.lower()
    if low in _ODD_PLURALS:
        return word[0] + _ODD_PLURALS[low][1:]
    if not low.endswith("s") or low.endswith(_NO_PLURALS) or len(low) < 4:
        return word
    if low.endswith("ies"):
        return f"{word[:-3]}y"
    if low.endswith(("sses", "xes", "zes", "ches", "shes", "uses")):
        return word[:-2]
    return word[:-1]


def _free(name: str, taken: Container[str]) -> str:
    number, found = 1, name
    while found.lower() in taken:
        number += 1
        found = f"{name}_{number}"
    return found
