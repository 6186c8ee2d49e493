"""The SQL of tables and indexes. The same model gives the same text, always."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ...errors import ModelError
from ..dialects import Dialect
from ..models import ColumnMeta, ForeignKey, IndexMeta, IndexSpec, ModelMeta, index_meta, model_meta


def create_table_sql(cls: type, dialect: Dialect, *, if_not_exists: bool = False) -> str:
    """Return the CREATE TABLE of a model, without a semicolon.

    Raises:
        ModelError: the class is no model, or a column has no type in the dialect.
    """
    return _table(model_meta(cls), dialect, if_not_exists, later=())


def create_index_sql(
    cls: type,
    dialect: Dialect,
    column: str,
    *,
    unique: bool = False,
    name: str | None = None,
    if_not_exists: bool = False,
) -> str:
    """Return the CREATE INDEX over one field of a model.

    Args:
        column: the field's name.
        name: the index's name; `idx_table_column` (`uidx_…` if unique) where left out.
        if_not_exists: left out of the text where the database has no such clause.

    Raises:
        ModelError: the field is unknown (a ValueError), or no text (a TypeError).
    """
    meta = model_meta(cls)
    if not isinstance(column, str):
        raise ModelError(f"{meta.name}: the column of an index is a field's name, not {type(column).__name__}")
    index = index_meta(cls, meta.table, meta.by_name, IndexSpec((column,), unique, name))
    return index_sql(meta, index, dialect, if_not_exists=if_not_exists)


def create_indexes_sql(cls: type, dialect: Dialect, *, if_not_exists: bool = False) -> list[str]:
    """Return the CREATE INDEX statements of a model: fields first, then `__indexes__`, each once.

    Raises:
        ModelError: the database can't have one of them.
    """
    meta = model_meta(cls)
    check_indexes(meta, dialect)
    return [index_sql(meta, index, dialect, if_not_exists=if_not_exists) for index in meta.indexes]


def create_schema_sql(cls: type, dialect: Dialect, *, if_not_exists: bool = False) -> list[str]:
    """Return the statements that make a model's table and its indexes, in order."""
    table = create_table_sql(cls, dialect, if_not_exists=if_not_exists)
    return [table, *create_indexes_sql(cls, dialect, if_not_exists=if_not_exists)]


def new_table_sql(
    cls: type, dialect: Dialect, later: Iterable[type], *, if_not_exists: bool = False
) -> tuple[list[str], list[str]]:
    """Return the statements that make a model's table and indexes, and those that make its other foreign keys.

    These are the ones that refer to tables which are made `later`, where the database takes them only then.
    """
    meta = model_meta(cls)
    tables = set() if dialect.supports_early_foreign_keys else {model_meta(other).table for other in later}
    early = [_table(meta, dialect, if_not_exists, later=tables)]
    late = [
        f"ALTER TABLE {dialect.quote(meta.table)} ADD {_foreign_key(column, column.fk, dialect)}"
        for column in meta.columns
        if column.fk is not None and column.fk.resolve()[0] in tables
    ]
    return [*early, *create_indexes_sql(cls, dialect, if_not_exists=if_not_exists)], late


def new_tables_sql(models: Sequence[type], dialect: Dialect) -> tuple[list[str], list[str]]:
    """Return the statements that make the tables and indexes of models in their order, and those that come last."""
    early: list[str] = []
    last: list[str] = []
    for place, cls in enumerate(models):
        first, late = new_table_sql(cls, dialect, models[place + 1 :])
        early.extend(first)
        last.extend(late)
    return early, last


def in_key_order(models: Iterable[type]) -> list[type]:
    """Sort models so that what a foreign key refers to comes first; cycles keep the given order.

    Raises:
        ModelError: one of them is no model.
    """
    given: list[type] = []
    by_table: dict[str, type] = {}
    for cls in models:
        table = model_meta(cls).table  # refuses what is no model, and could not be told apart
        if cls not in given:
            given.append(cls)
            by_table[table] = cls
    ordered: dict[type, None] = {}
    for start in given:
        stack = [(start, False)]
        seen: set[type] = set()
        while stack:
            cls, done = stack.pop()
            if done:
                ordered.setdefault(cls)
                continue
            if cls in ordered or cls in seen:
                continue
            seen.add(cls)
            stack.append((cls, True))
            targets = [by_table.get(column.fk.resolve()[0]) for column in model_meta(cls).columns if column.fk]
            stack.extend((target, False) for target in reversed(targets) if target is not None and target is not cls)
    return list(ordered)


def add_column_sql(meta: ModelMeta, column: ColumnMeta, dialect: Dialect, default: str | None) -> str:
    """Return the ALTER TABLE that adds a column, with its foreign key and this default."""
    sql = f"ALTER TABLE {dialect.quote(meta.table)} ADD COLUMN {_column(meta, column, dialect, default)}"
    if column.fk is None:
        return sql
    if dialect.supports_column_references:
        return f"{sql} {_reference(column.fk, dialect)}"
    return f"{sql}, ADD {_foreign_key(column, column.fk, dialect)}"


def index_sql(meta: ModelMeta, index: IndexMeta, dialect: Dialect, *, if_not_exists: bool = False) -> str:
    """Return the CREATE INDEX of one index of a model."""
    start = "CREATE UNIQUE INDEX" if index.unique else "CREATE INDEX"
    if if_not_exists and dialect.supports_index_if_not_exists:
        start += " IF NOT EXISTS"
    return f"{start} {dialect.quote(index.name)} ON {dialect.quote(meta.table)} ({_names(index.columns, dialect)})"


def replace_index_sql(meta: ModelMeta, index: IndexMeta, live: str, dialect: Dialect) -> tuple[str, ...]:
    """Return the statements that put an index of a model in the place of the one that is called `live`."""
    table, columns = dialect.quote(meta.table), _names(index.columns, dialect)
    return dialect.replace_index(dialect.quote(live), dialect.quote(index.name), table, columns, unique=index.unique)


def check_indexes(meta: ModelMeta, dialect: Dialect) -> None:
    """Refuse indexes that the database can't have.

    Raises:
        ModelError: says which, and why.
    """
    for index in meta.indexes:
        _check_key(meta, f"the index {index.name!r}", index.columns, dialect)


def type_sql(meta: ModelMeta, column: ColumnMeta, dialect: Dialect) -> str:
    """Return the type of a column that is no `auto` key.

    Raises:
        ModelError: the column has no type in the dialect.
    """
    keyed = column.pk or column.fk is not None or any(column in index.columns for index in meta.indexes)
    try:
        return dialect.column_type(column, keyed=keyed)
    except ModelError as exc:
        raise ModelError(f"{meta.name}: {exc}", model=meta.name, field=column.name) from exc


def default_sql(meta: ModelMeta, column: ColumnMeta, dialect: Dialect) -> str | None:
    """Return the SQL of a column's `server_default`, if it has one.

    Raises:
        ModelError: it is a literal, and no value of the column.
    """
    if column.server_default is None:
        return None
    try:
        return dialect.default(column.server_default, column.type)
    except ModelError as exc:
        raise ModelError(f"{meta.name}.{column.name}: {exc}", model=meta.name, field=column.name) from exc


def _table(meta: ModelMeta, dialect: Dialect, if_not_exists: bool, *, later: Collection[str]) -> str:
    lines = [_column(meta, column, dialect, default_sql(meta, column, dialect)) for column in meta.columns]
    if meta.auto is None:
        _check_key(meta, "the primary key", meta.pk, dialect)
        lines.append(f"PRIMARY KEY ({_names(meta.pk, dialect)})")
    lines += [
        _foreign_key(column, column.fk, dialect)
        for column in meta.columns
        if column.fk is not None and column.fk.resolve()[0] not in later
    ]
    start = "CREATE TABLE IF NOT EXISTS" if if_not_exists else "CREATE TABLE"
    body = ",\n  ".join(lines)
    return f"{start} {dialect.quote(meta.table)} (\n  {body}\n){dialect.table_suffix}"


def _column(meta: ModelMeta, column: ColumnMeta, dialect: Dialect, default: str | None) -> str:
    name = dialect.quote(column.column)
    if column.auto:
        return f"{name} {dialect.auto_key}"
    parts = [name, type_sql(meta, column, dialect)]
    if not column.nullable:
        parts.append("NOT NULL")
    if default is not None:
        parts.append(f"DEFAULT {default}")
    return " ".join(parts)


def _foreign_key(column: ColumnMeta, fk: ForeignKey, dialect: Dialect) -> str:
    return f"FOREIGN KEY ({dialect.quote(column.column)}) {_reference(fk, dialect)}"


def _reference(fk: ForeignKey, dialect: Dialect) -> str:
    table, target = fk.resolve()
    action = f" ON DELETE {fk.on_delete}" if fk.on_delete else ""
    return f"REFERENCES {dialect.quote(table)} ({dialect.quote(target)}){action}"


def _check_key(meta: ModelMeta, what: str, columns: Sequence[ColumnMeta], dialect: Dialect) -> None:
    refusal = dialect.refusal_to_index({one.column: type_sql(meta, one, dialect) for one in columns if not one.auto})
    if refusal is not None:
        raise ModelError(f"{meta.name}: {what}: {refusal}", model=meta.name, field=columns[0].name)


def _names(columns: Iterable[ColumnMeta], dialect: Dialect) -> str:
    return ", ".join(dialect.quote(column.column) for column in columns)
