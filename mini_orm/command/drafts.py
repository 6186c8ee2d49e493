"""From tables as the database has them to drafts of models: which there are, their fields, keys and indexes.

What a model can't say is left out, and a note says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..core.dialects import Dialect
from ..core.models import shortened
from ..core.schema.inspect import LiveIndex, LiveTable
from .fields import FieldDraft, field_draft, literal
from .names import class_name, field_name


@dataclass
class ModelDraft:
    """A model to be written: the arguments of `indexes` and the values in `relations` are Python text."""

    name: str
    live: LiveTable
    fields: list[FieldDraft] = field(default_factory=list)
    indexes: list[list[str]] = field(default_factory=list)
    relations: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    #: Fields that have a unique index of their own, or are the whole key.
    alone: set[str] = field(default_factory=set)

    def field_of(self, column: str | None, dialect: Dialect) -> FieldDraft | None:
        """Return the field of a column, if there is one."""
        if column is None:
            return None
        wanted = dialect.fold(column)
        return next((one for one in self.fields if dialect.fold(one.column) == wanted), None)

    def fields_of(self, columns: Iterable[str | None], dialect: Dialect) -> list[FieldDraft] | None:
        """Return the fields of several columns; `None` where one of them has none."""
        found = [self.field_of(column, dialect) for column in columns]
        known = [one for one in found if one is not None]
        return known if len(known) == len(found) else None


def draft_models(tables: Iterable[LiveTable], dialect: Dialect) -> tuple[list[ModelDraft], list[str]]:
    """Draft a model of each table that can have one, without foreign keys.

    Returns:
        The drafts, and what is to be said of tables that have none.
    """
    drafts: dict[str, ModelDraft] = {}
    notes = []
    names: set[str] = set()
    for live in tables:
        refusal = _refusal(live, drafts)
        if refusal is not None:
            notes.append(f"{shown(live.name)}: {refusal}")
            continue
        name = class_name(live.name, names)
        names.add(name.lower())
        drafts[live.name.lower()] = ModelDraft(name, live)
    classes = {draft.name for draft in drafts.values()}
    for draft in drafts.values():
        _add_fields(draft, dialect, classes)
        _add_indexes(draft, dialect)
    return list(drafts.values()), notes


def shown(name: str) -> str:
    """Write a name as it may stand in a comment."""
    return name if name.isprintable() else repr(name)


def _refusal(live: LiveTable, drafts: dict[str, ModelDraft]) -> str | None:
    if live.kind != "table":
        return f"a {live.kind}, which is no table"
    if not live.primary_key:
        return "no model, as the table has no primary key"
    other = drafts.get(live.name.lower())
    return None if other is None else f"no model, as there is {shown(other.live.name)} in another case"


def _add_fields(draft: ModelDraft, dialect: Dialect, classes: set[str]) -> None:
    live = draft.live
    taken: set[str] = set()
    columns: set[str] = set()
    made: dict[str, FieldDraft] = {}
    for column in live.columns:
        is_pk = column.name in live.primary_key
        if column.is_generated and not is_pk:
            draft.notes.append(f"{shown(column.name)}: left out, as the database computes it")
            continue
        if column.name.lower() in columns:
            draft.notes.append(f"{shown(column.name)}: left out, as another column has its name in another case")
            continue
        name = field_name(column.name, taken, classes)
        taken.add(name.lower())
        columns.add(column.name.lower())
        one = field_draft(name, column, dialect, is_pk=is_pk, is_alone=live.primary_key == (column.name,))
        draft.notes += [f"{shown(column.name)}: {note}" for note in one.notes]
        made[column.name] = one
    keys = [made[column] for column in live.primary_key if column in made]
    for name, one in made.items():  # the order of a key is that of its fields
        draft.fields.append(keys.pop(0) if name in live.primary_key else one)
    if len(live.primary_key) == 1:
        draft.alone.add(made[live.primary_key[0]].name)


def _add_indexes(draft: ModelDraft, dialect: Dialect) -> None:
    said: set[tuple[tuple[str, ...], bool]] = set()
    # Unique ones first, as a relation to one object goes by the field's; then those with a name of their own.
    for index in sorted(draft.live.indexes, key=lambda one: (not one.unique, one.is_constraint)):
        is_key = index.columns == draft.live.primary_key
        if index.is_constraint and (is_key or not index.unique):
            continue
        fields = draft.fields_of(index.columns, dialect) if index.is_plain else None
        refusal = _index_refusal(index, fields, draft.live, dialect)
        if refusal is not None or fields is None:
            draft.notes.append(f"the index {shown(index.name)} is left out, as {refusal}")
            continue
        names = tuple(one.name for one in fields)
        if index.is_constraint and (names, True) in said and dialect.names_index_itself(index.name):
            continue
        said.add((names, index.unique))
        _add_index(draft, index, fields, dialect)


def _index_refusal(
    index: LiveIndex, fields: Sequence[FieldDraft] | None, live: LiveTable, dialect: Dialect
) -> str | None:
    if fields is None:
        return "a model can't say what it is over"
    if shortened(index.name) != index.name:
        return "a model's index has a name of 63 bytes at most"
    if len({one.name for one in fields}) < len(fields):
        return "it has a column twice"
    columns = {one.column for one in fields}
    return dialect.refusal_to_index({one.name: one.type for one in live.columns if one.name in columns})


def _add_index(draft: ModelDraft, index: LiveIndex, fields: Sequence[FieldDraft], dialect: Dialect) -> None:
    names = [one.name for one in fields]
    usual = "_".join(["uidx" if index.unique else "idx", draft.live.name, *(one.column for one in fields)])
    is_usual = index.name == shortened(usual) or dialect.names_index_itself(index.name)
    metadata = fields[0].metadata
    if len(fields) == 1 and index.unique:
        draft.alone.add(names[0])
    if len(fields) == 1 and not {"index", "unique_index"} & metadata.keys():
        metadata["unique_index" if index.unique else "index"] = "True"
        if not is_usual:
            metadata["index_name"] = literal(index.name)
        return
    columns = ", ".join(map(literal, names))
    parts = [f"({columns},)" if len(fields) == 1 else f"({columns})"]
    if index.unique:
        parts.append("unique=True")
    if not is_usual:
        parts.append(f"name={literal(index.name)}")
    draft.indexes.append(parts)
