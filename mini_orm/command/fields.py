"""From a column as the database has it to the text of a field.

Rules of this file:
- A field is written so that its column, made anew, and the live one are the same for `ensure_schema`. Where no type of
  a model is the live one's, a `db_type` states it.
- Whatever a database says of itself reaches the text as a Python literal only.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, cast

from ..core.columns import ColumnType, Kind
from ..core.dialects import Dialect
from ..core.dialects.base import bare
from ..core.dialects.declared import literal_value, read_type
from ..core.models import ColumnMeta
from ..core.schema.inspect import LiveColumn
from ..errors import ModelError

_ANNOTATIONS = {
    "int": "int",
    "bool": "bool",
    "float": "float",
    "decimal": "Decimal",
    "str": "str",
    "bytes": "bytes",
    "datetime": "dt.datetime",
    "date": "dt.date",
    "time": "dt.time",
    "timedelta": "dt.timedelta",
    "uuid": "UUID",
    "json": "Any",
}
_TEXT = r"'((?:[^'\\]|'')*)'"


@dataclass
class FieldDraft:
    """A field to be written: its annotation and default are Python text, as are the values of its metadata."""

    name: str
    column: str
    annotation: str
    default: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def is_by_database(self) -> bool:
        """Whether the database fills in the value where a program gives none."""
        return self.default == "by_database"


def field_draft(name: str, live: LiveColumn, dialect: Dialect, *, is_pk: bool, is_alone: bool) -> FieldDraft:
    """Write a column as a field; `is_alone` where it is the whole key."""
    kind, metadata = _type(live, dialect)
    draft = FieldDraft(name, live.name, _ANNOTATIONS.get(kind.kind, "Any"))
    if live.name != name:
        draft.metadata["column"] = literal(live.name)
    if is_pk:
        draft.metadata["pk"] = "True"
    is_auto = is_pk and is_alone and live.is_auto and kind.kind == "int"
    if is_auto:
        draft.metadata["auto"] = "True"
        draft.annotation, draft.default = "int | None", "None"
        return draft
    draft.metadata |= metadata
    if live.nullable and not is_pk:
        draft.annotation = draft.annotation if draft.annotation == "Any" else f"{draft.annotation} | None"
        draft.default = "None"
    if live.is_auto and kind.kind == "int":
        draft.notes.append("the database hands out its values, which a model can say of a single key only")
    elif dialect.normal_default(live.default) is not None:
        _add_default(draft, kind, live, dialect)
    return draft


def literal(text: str) -> str:
    """Write a text as Python does, in double quotes where it can be."""
    return f'"{text}"' if text.isprintable() and not set('"\\') & set(text) else repr(text)


def _type(live: LiveColumn, dialect: Dialect) -> tuple[ColumnType, dict[str, str]]:
    """Choose the type of a field, and the metadata that say so."""
    name = dialect.kind_of(live.type)
    if name is None:
        return ColumnType("raw", "Any", db_type=live.type), {"db_type": literal(live.type)}
    kind = cast(Kind, name.partition(" ")[0])
    found = ColumnType(kind, kind, timezone=name != kind)
    said = {"codec": '"json"'} if kind == "json" else {"timezone": "True"} if found.timezone else {}
    sizes = _sizes(kind, read_type(live.type, dialect.type_names).sizes)
    sized = found._replace(**cast("dict[str, Any]", sizes))
    said_sizes = {key: str(size) for key, size in sizes.items()}
    if _fit(found, live, dialect) == "same":
        return found, said
    if _fit(sized, live, dialect) == "same":
        return sized, said | said_sizes
    if not sizes and _fit(found, live, dialect) == "logged":
        return found, said
    stated = sized._replace(db_type={dialect.name: live.type})
    return stated, said | said_sizes | {"db_type": f"{{{literal(dialect.name)}: {literal(live.type)}}}"}


def _sizes(kind: Kind, sizes: tuple[int, ...]) -> dict[str, int]:
    if kind in ("str", "bytes") and len(sizes) == 1 and sizes[0] > 0:
        return {"max_length": sizes[0]}
    if kind == "decimal" and sizes and 0 < sizes[0] >= sum(sizes[1:]):
        return dict(zip(("precision", "scale"), sizes, strict=False))
    return {}


def _fit(kind: ColumnType, live: LiveColumn, dialect: Dialect) -> str:
    wanted = dialect.column_type(_column(kind), keyed=False)
    return dialect.compare_types(kind, wanted, live.type)


def _column(kind: ColumnType) -> ColumnMeta:
    return ColumnMeta("column", "column", kind, nullable=True)


def _add_default(draft: FieldDraft, kind: ColumnType, live: LiveColumn, dialect: Dialect) -> None:
    """Write the column's default as the field's, too, where it is a literal; else the database fills it in."""
    assert live.default is not None
    plain = bare(dialect.normal_default(live.default) or "")
    plain = f"-{plain[2:]}" if plain.startswith("- ") else plain
    value = _literal_value(kind, plain)
    text = live.default if value is None else plain
    if draft.default is None:
        draft.default = "by_database" if value is None else value
    try:
        is_same = kind.db_type is not None or dialect.same_default(kind, dialect.default(text, kind), live.default)
    except ModelError:
        is_same = False
    if is_same:
        draft.metadata["server_default"] = literal(text)
        return
    draft.default = None if draft.is_by_database else draft.default
    draft.notes.append(f"its default in the database, {live.default}, has no form in a model")


def _literal_value(kind: ColumnType, text: str) -> str | None:
    """Return the Python text of a default that is a literal; `None` where it is none that a class can state."""
    if kind.kind == "str":
        found = re.fullmatch(_TEXT, text, re.DOTALL)
        return None if found is None else literal(found[1].replace("''", "'"))
    value = literal_value(kind.kind, text) if kind.kind in ("int", "bool", "float", "decimal") else None
    if value is None or (kind.kind == "int" and value != int(value)):
        return None
    if kind.kind == "int":
        return str(int(value))
    if kind.kind == "decimal":
        return f'Decimal("{value}")'
    return repr(value) if math.isfinite(value) else None
