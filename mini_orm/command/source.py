"""Drafts of models -> the text of a Python module."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from .drafts import ModelDraft, shown
from .fields import FieldDraft, literal

#: What formatters of Python keep to, unless they are told otherwise.
_WIDTH = 88
_BY_DATABASE = '''
def by_database() -> Any:
    """Stand for a value that the database fills in when an object is inserted."""
    return None
'''


def module_source(drafts: list[ModelDraft], notes: Iterable[str]) -> str:
    """Write models, in their order, with notes at the top."""
    body = "".join(f"\n\n{_model(draft)}" for draft in drafts)
    by_database = any(field.is_by_database for draft in drafts for field in draft.fields)
    parts = ['"""Models of an existing database, as `mini-orm inspect` wrote them."""\n', *_notes(notes)]
    parts.append("\nfrom __future__ import annotations\n\n")
    parts.append(_imports(body, by_database))
    if by_database:
        parts.append(f"\n{_BY_DATABASE}")
    return "".join([*parts, body])


def _notes(notes: Iterable[str]) -> Iterator[str]:
    listed = list(notes)
    if listed:
        yield "\n# What the models don't say:\n"
    for note in listed:
        yield textwrap.fill(shown(note), _WIDTH, initial_indent="# - ", subsequent_indent="#   ") + "\n"


def _imports(body: str, by_database: bool) -> str:
    standard = [
        "import datetime as dt\n" if "dt." in body else "",
        "from dataclasses import dataclass, field\n" if "field(" in body else "from dataclasses import dataclass\n",
        "from decimal import Decimal\n" if "Decimal" in body else "",
        "from typing import Any\n" if ": Any" in body or by_database else "",
        "from uuid import UUID\n" if ": UUID" in body else "",
    ]
    own = "\nfrom mini_orm import IndexSpec\n" if "IndexSpec(" in body else ""
    return "".join(standard) + own


def _model(draft: ModelDraft) -> str:
    lines = ["@dataclass(kw_only=True)", f"class {draft.name}:"]
    for field in draft.fields:
        lines += _field(field)
    if draft.live.name != draft.name.lower():
        lines += ["", f"    __table__ = {literal(draft.live.name)}"]
    if draft.indexes:
        lines += ["", *_indexes(draft.indexes)]
    if draft.relations:
        lines += ["", "    __relations__ = {"]
        for name, parts in draft.relations.items():
            lines += _listed(f"{literal(name)}: {{", _items(parts), "}")
        lines.append("    }")
    return "\n".join(lines) + "\n"


def _indexes(indexes: list[list[str]]) -> list[str]:
    line = f"    __indexes__ = (IndexSpec({', '.join(indexes[0])}),)"
    if len(indexes) == 1 and len(line) <= _WIDTH:
        return [line]
    listed = [line for parts in indexes for line in _listed("IndexSpec(", parts, ")")]
    return ["    __indexes__ = (", *listed, "    )"]


def _field(field: FieldDraft) -> list[str]:
    start = f"    {field.name}: {field.annotation}"
    if not field.metadata and not field.is_by_database:
        return [start if field.default is None else f"{start} = {field.default}"]
    default = [] if field.default is None else [f"default={field.default}"]
    if field.is_by_database:
        default = ["default_factory=by_database"]
    items = _items(field.metadata)
    metadata = f"metadata={{{', '.join(items)}}}"
    line = f"{start} = field({', '.join([*default, metadata])})"
    if len(line) <= _WIDTH:
        return [line]
    return [f"{start} = field(", *(f"        {part}," for part in default), *_listed("metadata={", items, "}"), "    )"]


def _items(parts: dict[str, str]) -> list[str]:
    return [f"{literal(key)}: {value}" for key, value in parts.items()]


def _listed(start: str, parts: list[str], end: str) -> list[str]:
    """Write one thing of a list, in one line if it is not too long, else in one line for each of its parts."""
    line = f"        {start}{', '.join(parts)}{end},"
    if len(line) <= _WIDTH:
        return [line]
    return [f"        {start}", *(f"            {part}," for part in parts), f"        {end},"]
