"""Compares a model with its table as it is in the database: pure, one difference for each thing that differs.

Rules of this file:
- `safe` differences carry the statements that end them and that no row suffers from. `logged` ones are lived with.
  Everything else is a `conflict`. What is the same is no difference.
- All are named at once, by the names that the database knows; a message never quotes a row's value.
- What a model can't say is not compared: checks, triggers, `on update`, the collation of a column.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from ...errors import ModelError
from ..codecs import make_codec
from ..dialects import Dialect
from ..models import ColumnMeta, IndexMeta, ModelMeta
from ..refused import Refused
from .ddl import add_column_sql, check_indexes, create_schema_sql, default_sql, index_sql, replace_index_sql, type_sql
from .inspect import LiveColumn, LiveForeignKey, LiveIndex, LiveTable

Severity = Literal["safe", "logged", "conflict"]
Thing = Literal["table", "column", "primary key", "foreign key", "index"]
#: Factories that make the same value each time.
_CONSTANT_FACTORIES: tuple[Callable[[], Any], ...] = (
    *(bool, int, float, str, bytes, bytearray),
    *(list, dict, set, frozenset, tuple),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between a model and its table: of what, by which name, and how it is put.

    `statements` end a safe one. A conflict that is not `is_mendable` would outlast the table.
    """

    severity: Severity
    what: Thing
    name: str
    message: str
    statements: tuple[str, ...] = ()
    is_mendable: bool = True

    def __str__(self) -> str:
        return self.message


def diff(meta: ModelMeta, live: LiveTable | None, dialect: Dialect, taken: Mapping[str, str]) -> list[Difference]:
    """Compare a model with its table.

    Args:
        live: the table; `None` where there is none.
        taken: names of the model's indexes that something else has -> how that is put.

    Raises:
        ModelError: the model has no SQL in this dialect.
    """
    found = [Difference("conflict", "index", name, message, is_mendable=False) for name, message in taken.items()]
    if live is None:
        statements = create_schema_sql(_class(meta), dialect)
        return [Difference("safe", "table", meta.table, f"there is no table {meta.table!r}", tuple(statements)), *found]
    if live.kind != "table":
        message = f"the name of the table {meta.table!r} is that of something else: {live.kind}"
        return [Difference("conflict", "table", meta.table, message, is_mendable=False), *found]
    if live.flaw is not None:
        found.append(Difference("conflict", "table", meta.table, f"the table {meta.table!r}: {live.flaw}"))
    comparison = _Comparison(meta, live, dialect)
    parts = (comparison.columns(), comparison.primary_key(), comparison.foreign_keys(), comparison.indexes())
    return [*found, *(difference for part in parts for difference in part)]


class _Comparison:
    """Compares the parts of one model with those of one table."""

    def __init__(self, meta: ModelMeta, live: LiveTable, dialect: Dialect) -> None:
        self.meta = meta
        self.live = live
        self.dialect = dialect
        self.known = {dialect.fold(column.column) for column in meta.columns}
        self.there = {dialect.fold(column.name): column for column in live.columns}

    def _fold_all(self, names: tuple[str | None, ...]) -> tuple[str | None, ...]:
        return tuple(None if name is None else self.dialect.fold(name) for name in names)

    # --- columns ---

    def columns(self) -> Iterator[Difference]:
        for column in self.meta.columns:
            live = self.there.get(self.dialect.fold(column.column))
            if live is None:
                yield self._missing(column)
            else:
                yield from self._column(column, live)
        for name, live in self.there.items():
            if name not in self.known and not self._is_filled(live):
                message = f"the column {live.name!r} is NOT NULL without a default, and the model does not know it"
                yield Difference("conflict", "column", live.name, message)

    def _is_filled(self, live: LiveColumn) -> bool:
        """Whether a row can be inserted that says nothing of the column."""
        has_default = self.dialect.normal_default(live.default) is not None
        return live.nullable or has_default or live.is_generated or live.is_auto

    def _column(self, column: ColumnMeta, live: LiveColumn) -> Iterator[Difference]:
        name = column.column
        if not column.pk and column.nullable != live.nullable:
            words = {True: "nullable", False: "NOT NULL"}
            message = f"the column {name!r} is {words[live.nullable]}, the model's {words[column.nullable]}"
            yield Difference("conflict", "column", name, message)
        if self.dialect.stated_type(column.type) is not None:
            return
        if live.is_generated and not (column.auto and live.is_auto):
            yield Difference("conflict", "column", name, f"the column {name!r} is computed by the database")
        yield from self._type(column, live)
        wanted = default_sql(self.meta, column, self.dialect)
        if self._is_default(wanted) and not self.dialect.same_default(column.type, wanted, live.default):
            has = "no default" if live.default is None else f"the default {live.default}"
            message = f"the column {name!r} has {has}, the model's is {column.server_default}"
            yield Difference("conflict", "column", name, message)

    def _type(self, column: ColumnMeta, live: LiveColumn) -> Iterator[Difference]:
        wanted = self.dialect.types["int"] if column.auto else type_sql(self.meta, column, self.dialect)
        fit = self.dialect.compare_types(column.type, wanted, live.type)
        if fit != "same":
            is_ = f"is {live.type}" if live.type else "has no type"
            message = f"the column {column.column!r} {is_}, the model's {wanted}"
            yield Difference(fit, "column", column.column, message)

    def _is_default(self, text: str | None) -> TypeGuard[str]:
        """Whether this is a default, and not NULL."""
        return self.dialect.normal_default(text) is not None

    def _missing(self, column: ColumnMeta) -> Difference:
        name = column.column
        missing = f"the column {name!r} is missing"
        if column.pk:
            return Difference("conflict", "column", name, f"{missing}, and a part of a key can't be added")
        default = default_sql(self.meta, column, self.dialect)
        if not self._is_default(default):
            default = None
        if default is None and not column.nullable:
            try:
                default = class_default(self.meta, column, self.dialect)
            except Refused as exc:
                return Difference("conflict", "column", name, f"{missing}, and its default does not fit: {exc}")
            if default is None:
                advice = "make it nullable, or give it a constant default or a server_default"
                return Difference("conflict", "column", name, f"{missing}, and rows would have no value; {advice}")
        refusal = self.dialect.refusal_to_add(column, default)
        if refusal is not None and self.live.has_rows:
            return Difference("conflict", "column", name, f"{missing}; {refusal} to a table that has rows")
        return Difference("safe", "column", name, missing, (add_column_sql(self.meta, column, self.dialect, default),))

    # --- keys ---

    def primary_key(self) -> Iterator[Difference]:
        wanted = tuple(column.column for column in self.meta.pk)
        live = self.live.primary_key
        name = ", ".join(wanted)
        keys = [self.dialect.fold(one) for one in wanted]
        if self._fold_all(live) != tuple(keys):
            message = f"the primary key is ({', '.join(live)}), the model's ({name})"
            yield Difference("conflict", "primary key", name, message)
        elif self.meta.auto is not None and not self.there[keys[0]].is_auto:
            message = f"the database hands out no values for the key {name!r}, which takes {self.dialect.auto_key}"
            yield Difference("conflict", "primary key", name, message)
        elif self.meta.auto is None and self.dialect.zero_makes_key and any(self.there[one].is_auto for one in keys):
            message = f"the database hands out values for the key ({name}), and takes 0 for a wish to have one"
            yield Difference("logged", "primary key", name, message)

    def foreign_keys(self) -> Iterator[Difference]:
        wanted = {self.dialect.fold(column.column): column for column in self.meta.columns if column.fk is not None}
        met = set()
        for live in self.live.foreign_keys:
            names = self._fold_all(live.columns)
            column = wanted.get(names[0] or "") if len(names) == 1 else None
            if column is not None:
                met.add(column.column)
                yield from self._foreign_key(column, live)
            elif self.known.intersection(names):
                yield Difference(
                    "conflict", "foreign key", ", ".join(live.columns), f"{_refers(live)}, the model's not"
                )
        for name, column in wanted.items():
            if column.column not in met and name in self.there:
                message = f"the foreign key of the column {column.column!r} is missing"
                yield Difference("logged", "foreign key", column.column, message)

    def _foreign_key(self, column: ColumnMeta, live: LiveForeignKey) -> Iterator[Difference]:
        fk = column.fk
        assert fk is not None
        table, target = fk.resolve()
        targets = self._fold_all(live.targets)
        # A target that the database can't name is the key of a table that is not there yet.
        is_same = targets in ((None,), (self.dialect.fold(target),))
        if self.dialect.fold(live.table) != self.dialect.fold(table) or not is_same:
            message = f"{_refers(live)}, the model's to {table!r} ({target})"
            yield Difference("conflict", "foreign key", column.column, message)
        elif self._action(live.on_delete.upper()) != self._action(fk.on_delete or "NO ACTION"):
            message = f"{_refers(live)} with ON DELETE {live.on_delete}, the model's {fk.on_delete or 'NO ACTION'}"
            yield Difference("logged", "foreign key", column.column, message)

    def _action(self, name: str) -> str:
        return self.dialect.same_actions.get(name, name)

    # --- indexes ---

    def indexes(self) -> Iterator[Difference]:
        check_indexes(self.meta, self.dialect)
        there = {self.dialect.fold(index.name): index for index in self.live.indexes}
        for index in self.meta.indexes:
            live = there.pop(self.dialect.fold(index.name), None)
            create = index_sql(self.meta, index, self.dialect)
            if live is None:
                if not self._is_constrained(index):
                    yield Difference("safe", "index", index.name, f"the index {index.name!r} is missing", (create,))
            elif not self._is_same(index, live) and live.is_constraint:
                message = f"the index {index.name!r} is another, and a constraint's"
                yield Difference("conflict", "index", index.name, message)
            elif not self._is_same(index, live):
                anew = replace_index_sql(self.meta, index, live.name, self.dialect)
                yield Difference("safe", "index", index.name, f"the index {index.name!r} is another", anew)
        for live in there.values():
            if not live.is_constraint:
                message = f"the index {live.name!r} is in the database only"
                yield Difference("logged", "index", live.name, message)

    def _is_same(self, index: IndexMeta, live: LiveIndex) -> bool:
        wanted = self._fold_all(tuple(column.column for column in index.columns))
        return live.is_plain and live.unique == index.unique and self._fold_all(live.columns) == wanted

    def _is_constrained(self, index: IndexMeta) -> bool:
        """Whether the table has a UNIQUE in an index's place whose own name no model can state."""
        return any(
            live.is_constraint and self._is_same(index, live)
            for live in self.live.indexes
            if self.dialect.names_index_itself(live.name)
        )


def class_default(meta: ModelMeta, column: ColumnMeta, dialect: Dialect) -> str | None:
    """Write the default that the class gives a field as SQL; `None` where it is none that stays the same.

    Raises:
        Refused: it is no value of the column.
    """
    [field] = [one for one in dataclasses.fields(_class(meta)) if one.name == column.name]
    factory = next((one for one in _CONSTANT_FACTORIES if one is field.default_factory), None)
    if factory is not None:
        value = factory()
    elif field.default is not dataclasses.MISSING:
        value = field.default
    else:
        return None
    return dialect.literal(make_codec(column.type, dialect.forms).encode(value))


def _refers(live: LiveForeignKey) -> str:
    columns, targets = ", ".join(live.columns), ", ".join(target or "its key" for target in live.targets)
    return f"the foreign key of ({columns}) refers to {live.table!r} ({targets})"


def _class(meta: ModelMeta) -> Any:
    cls = meta.ref()
    if cls is None:
        raise ModelError(f"the model {meta.name} is not there any more; define it again", model=meta.name)
    return cls
