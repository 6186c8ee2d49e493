"""What a diagram of models shows: a box for each model, a line for each foreign key between two of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.models import ColumnMeta, ModelMeta, model_meta
from ..core.relations import RelationSpec, RelationType, model_relations
from ..core.schema.apply import models_in_order


@dataclass(frozen=True)
class Row:
    """A field in its box; `marks` are `PK`, `FK` and `UK`."""

    name: str
    type: str
    nullable: bool
    marks: tuple[str, ...]


@dataclass(frozen=True)
class Box:
    """A model."""

    name: str
    table: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Line:
    """A foreign key: places of boxes in the diagram, and of rows in these.

    `is_optional`: a child may have no parent. `is_single`: a parent has one child at most.
    """

    child: int
    child_row: int
    parent: int
    parent_row: int
    label: str
    is_optional: bool
    is_single: bool


@dataclass(frozen=True)
class Diagram:
    """Boxes, those that are referred to first, and the lines between them."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def diagram_of(models: list[type]) -> Diagram:
    """Read what is to be drawn of models.

    Raises:
        ModelError: a model has a mistake.
        RelationError: two of its relations have one name.
    """
    ordered = models_in_order(models, "diagram")
    metas = [model_meta(cls) for cls in ordered]
    boxes = tuple(Box(meta.name, meta.table, tuple(_row(meta, column) for column in meta.columns)) for meta in metas)
    lines = [line for place, cls in enumerate(ordered) for line in _lines(place, model_relations(cls), ordered, metas)]
    return Diagram(boxes, tuple(lines))


def _row(meta: ModelMeta, column: ColumnMeta) -> Row:
    is_unique = not column.pk and frozenset({column.name}) in meta.unique_keys
    marks = {"PK": column.pk, "FK": column.fk is not None, "UK": is_unique}
    return Row(
        column.name, column.type.python_type, column.nullable, tuple(name for name, is_on in marks.items() if is_on)
    )


def _lines(
    place: int, relations: dict[str, RelationSpec], models: list[type], metas: list[ModelMeta]
) -> Iterator[Line]:
    """Yield the foreign keys of one model, and what its relations say of several columns at once."""
    meta = metas[place]
    parents = [one for one in relations.values() if one.relation_type is RelationType.BELONGS_TO]
    labels = {one.local_key: name for name, one in relations.items() if one in parents}
    tables = {one.table: number for number, one in enumerate(metas)}
    for column in meta.columns:
        table, target = column.fk.resolve() if column.fk is not None else ("", "")
        if table in tables:
            rows = [one.column for one in metas[tables[table]].columns]
            row = rows.index(target) if target in rows else 0
            yield _line(meta, place, (column.name,), tables[table], row, labels.get(column.name, column.name))
    for name, one in ((one.name, one) for one in parents if isinstance(one.local_key, tuple)):
        if one.model in models:
            parent = models.index(one.model)
            rows = [column.name for column in metas[parent].columns]
            yield _line(meta, place, tuple(one.local_key), parent, rows.index(one.remote_key[0]), name)


def _line(meta: ModelMeta, place: int, fields: tuple[str, ...], parent: int, row: int, label: str) -> Line:
    names = [column.name for column in meta.columns]
    is_optional = any(meta.by_name[field].nullable for field in fields)
    return Line(place, names.index(fields[0]), parent, row, label, is_optional, frozenset(fields) in meta.unique_keys)
