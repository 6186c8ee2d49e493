"""Reads what is in a database: `inspect` gives a table as plain facts, which `diff` compares with a model.

The SQL that asks is the dialect's, and has a mark for the table's name, or several; its rows are these, on every
database:

- `tables_sql` has no mark: the names of all tables and views.
- `table_kind_sql`: what stands under a table's name (`"table"`, `"view"`, …), if anything does; what is amiss with the
  table as a whole (`NULL`: nothing).
- `index_table_sql`, with the names of an index and of its table: what else has the name of the index: table, kind. The
  table of the index that has it (`"index"`), or the table (`"table"`, `"view"`, …) that has the name itself.
- `columns_sql`, in the order of the table: name, type, nullable, default, place in the primary key (from 1; 0: none),
  whether the database alone gives it its values, whether the database hands out its values as a key.
- `indexes_sql`, a row for each column of an index, in order: index, unique, whether a constraint made it, whether the
  column is in it as it is (no condition, direction or collation of its own), column (`NULL`: an expression).
- `foreign_keys_sql`, a row for each column of a foreign key, in order: id, column, table and column that it refers to
  (`NULL`: not known), what happens on delete.
- `referrers_sql`, a row for each column of a foreign key of another table that refers to this one: table, id, column,
  schema of the table (`NULL`: its name alone leads to it).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from ..._typing import Row
from ...errors import ConfigurationError
from ..database.executors import Executor
from ..dialects import Dialect


@dataclass(frozen=True, slots=True)
class LiveColumn:
    """A column as the database has it.

    `is_generated`: it takes its values from the database alone; `is_auto`: the database gives it out as a key.
    """

    name: str
    type: str
    nullable: bool
    default: str | None = None
    is_generated: bool = False
    is_auto: bool = False


@dataclass(frozen=True, slots=True)
class LiveForeignKey:
    """A foreign key as the database has it; a target is `None` where the database does not say."""

    columns: tuple[str, ...]
    table: str
    targets: tuple[str | None, ...]
    on_delete: str


@dataclass(frozen=True, slots=True)
class LiveIndex:
    """An index as the database has it.

    A column is `None` where an expression stands; `is_plain` means that the index is over its columns and all rows,
    and nothing else. `is_constraint`: it belongs to a PRIMARY KEY or UNIQUE of the table.
    """

    name: str
    columns: tuple[str | None, ...]
    unique: bool
    is_constraint: bool = False
    is_plain: bool = True


@dataclass(frozen=True, slots=True)
class LiveTable:
    """What stands under a table's name. Only a `kind` of `"table"` has anything else.

    `flaw`: what is amiss with it as a whole.
    """

    name: str
    kind: str = "table"
    columns: tuple[LiveColumn, ...] = ()
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[LiveForeignKey, ...] = ()
    indexes: tuple[LiveIndex, ...] = ()
    has_rows: bool = False
    flaw: str | None = None


async def table_names(executor: Executor, dialect: Dialect) -> list[str]:
    """Return the names of all tables and views of the database where CREATE TABLE makes one.

    Raises:
        ConfigurationError: the dialect has no SQL for it.
    """
    _refuse_unreadable(dialect, dialect.tables_sql)
    return [row[0] for row in await executor.fetch_all(dialect.tables_sql)]


async def inspect(executor: Executor, dialect: Dialect, table: str) -> LiveTable | None:
    """Read a table; `None` where there is none.

    Raises:
        ConfigurationError: the dialect has no SQL for it.
    """
    _refuse_unreadable(dialect, dialect.columns_sql)
    found = await executor.fetch_one(dialect.table_kind_sql, [table])
    if found is None:
        return None
    kind, flaw = found
    if kind != "table":
        return LiveTable(table, kind)
    columns = await executor.fetch_all(dialect.columns_sql, [table] * _marks(dialect.columns_sql, dialect))
    indexes = await executor.fetch_all(dialect.indexes_sql, [table])
    foreign_keys = await executor.fetch_all(dialect.foreign_keys_sql, [table])
    keyed = sorted((row for row in columns if row[4]), key=itemgetter(4))
    return LiveTable(
        name=table,
        columns=tuple(_column(row) for row in columns),
        primary_key=tuple(row[0] for row in keyed),
        foreign_keys=tuple(_foreign_key(list(rows)) for _, rows in groupby(foreign_keys, itemgetter(0))),
        indexes=tuple(_index(list(rows)) for _, rows in groupby(indexes, itemgetter(0))),
        has_rows=await _has_row(executor, dialect, f"SELECT 1 FROM {dialect.quote(table)} LIMIT 1"),
        flaw=flaw,
    )


async def index_obstacle(executor: Executor, dialect: Dialect, name: str, table: str) -> str | None:
    """Say what keeps `table` from having an index of this name: another's index, or a table or view of the name.

    Returns:
        `None` where nothing does; also where each table has names of its own.
    """
    if not dialect.index_table_sql:
        return None
    row = await executor.fetch_one(dialect.index_table_sql, [name, table])
    if row is None:
        return None
    owner, kind = row
    if kind != "index":
        return f"the index {name!r} has the name of the {kind} {owner!r}"
    return f"the table {owner!r} has an index {name!r} already"


async def referring_tables(executor: Executor, dialect: Dialect, table: str) -> list[str]:
    """Return the other tables that have rows which refer to `table`: those with no NULL in a foreign key."""
    found: dict[str, None] = {}
    rows = await executor.fetch_all(dialect.referrers_sql, [table])
    for (name, _, schema), group in groupby(rows, itemgetter(0, 1, 3)):
        full_name = name if schema is None else f"{schema}.{name}"
        refers = " AND ".join(f"{dialect.quote(row[2])} IS NOT NULL" for row in group)
        sql = f"SELECT 1 FROM {_quoted(dialect, schema, name)} WHERE {refers} LIMIT 1"
        if full_name not in found and await _has_row(executor, dialect, sql):
            found[full_name] = None
    return list(found)


async def dependent_keys(executor: Executor, dialect: Dialect, table: str) -> list[tuple[str, str, str]]:
    """Return the foreign keys of others that keep `table` from being dropped: table and name in SQL, definition."""
    if not dialect.dependent_keys_sql:
        return []
    rows = await executor.fetch_all(dialect.dependent_keys_sql, [table])
    return [(_quoted(dialect, schema, name), dialect.quote(key), definition) for name, key, definition, schema in rows]


async def is_elsewhere(executor: Executor, dialect: Dialect, table: str) -> bool:
    """Whether a table is not where a new one of its name would be made."""
    if not dialect.is_elsewhere_sql:
        return False
    return await executor.fetch_one(dialect.is_elsewhere_sql, [table]) is not None


def _refuse_unreadable(dialect: Dialect, sql: str) -> None:
    if not sql:
        name = type(dialect).__name__
        raise ConfigurationError(f"{name} can't read the schema of a database; apply_schema works without")


def _marks(sql: str, dialect: Dialect) -> int:
    return sql.count(dialect.placeholder("name"))


async def _has_row(executor: Executor, dialect: Dialect, sql: str) -> bool:
    return await executor.fetch_one(dialect.without_values(sql)) is not None


def _quoted(dialect: Dialect, schema: str | None, table: str) -> str:
    return dialect.quote(table) if schema is None else f"{dialect.quote(schema)}.{dialect.quote(table)}"


def _column(row: Row) -> LiveColumn:
    name, type_, nullable, default, _, is_generated, is_auto = row
    return LiveColumn(name, type_, bool(nullable), default, bool(is_generated), bool(is_auto))


def _foreign_key(rows: list[Row]) -> LiveForeignKey:
    _, _, table, _, on_delete = rows[0]
    return LiveForeignKey(tuple(row[1] for row in rows), table, tuple(row[3] for row in rows), on_delete)


def _index(rows: list[Row]) -> LiveIndex:
    name, unique, is_constraint, _, _ = rows[0]
    columns = tuple(row[4] for row in rows)
    return LiveIndex(name, columns, bool(unique), bool(is_constraint), all(row[3] for row in rows))
