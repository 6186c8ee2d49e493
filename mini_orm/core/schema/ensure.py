"""Brings the tables of models up to date: `ensure_schema`.

Rules of this file:
- A look that finds nothing to do sends nothing but reads, and locks nothing. Else the look is repeated inside a
  transaction, which on SQLite is the only writer from its start, so that several processes at once don't collide.
- A look outside of it is several statements, between which another may commit: of a table that was not there yet, the
  index is. So a conflict counts when a second look finds the same.
- The conflicts of all models are found before the first change.
- Nothing is dropped that another table's rows refer to. SQLite's DROP TABLE deletes the rows first, and ON DELETE
  would go on from there. Source: https://www.sqlite.org/foreignkeys.html#fk_schemacommands
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from ...errors import ProgrammingError, SchemaConflictError, UniqueViolation
from .. import log
from ..database.database import Database
from ..database.database_async import AsyncDatabase
from ..database.executors import Executor
from ..database.transactions import atomic
from ..dialects import Dialect
from ..models import ModelMeta, model_meta
from .apply import changing_schema, check_face, models_in_order, refuse_clashes
from .ddl import new_tables_sql
from .diff import Difference, diff
from .inspect import dependent_keys, index_obstacle, inspect, is_elsewhere, referring_tables
from .policy import Policy, check_policy


def ensure_schema(db: Database, model: type | Iterable[type], *, schema_conflict: Policy = "raise") -> list[str]:
    """Make the table and the indexes of a model, or of several, or bring them up to date.

    What is missing is made: tables, indexes, and columns that are nullable or have a `server_default` or a constant
    default in the class, which the rows that are there get. Indexes that have changed are made anew. Columns that only
    the database has are left alone, if they need no value. What is merely not as it could be (a missing foreign key,
    an index that only the database has) is logged. All of it happens in one transaction, or nothing; on MySQL and
    MariaDB, where no statement of this kind can be undone, an error says what was done before it. Several processes
    at once don't collide.

    Args:
        model: a model, or an iterable of models.
        schema_conflict: what to do with a table that differs otherwise: `"raise"`, or `"recreate"`, which drops the
            table with its rows and makes it anew, with a warning in the log.

    Returns:
        The statements, in the order in which they were run; none where all was there.

    Raises:
        ModelError: one of the classes is no model.
        SchemaConflictError: a table differs otherwise; the error names every conflict, and nothing was changed. With
            `"recreate"`: rows of another table refer to it, or something else has its name. In both cases: something
            else has the name of an index, or rows are equal in the columns of a new unique index.
        SchemaError: two of the models' tables and indexes have one name.
        TransactionError: on MySQL and MariaDB: something is missing inside of a transaction, which it would end.
        ValueError: `schema_conflict` is neither.
    """
    check_face(db, Database, "ensure_schema")
    return db.run(ensure, db.dialect, models_in_order(model, "ensure_schema"), schema_conflict)


async def ensure_schema_async(
    db: AsyncDatabase, model: type | Iterable[type], *, schema_conflict: Policy = "raise"
) -> list[str]:
    """Async twin of `ensure_schema`."""
    check_face(db, AsyncDatabase, "ensure_schema_async")
    return await db.run(ensure, db.dialect, models_in_order(model, "ensure_schema"), schema_conflict)


@dataclass(frozen=True, slots=True)
class Look:
    """One model, and how its table differs."""

    cls: type
    meta: ModelMeta
    differences: tuple[Difference, ...]

    @property
    def is_missing(self) -> bool:
        """Whether there is no table."""
        return any(one.severity == "safe" and one.what == "table" for one in self.differences)

    @property
    def conflicts(self) -> tuple[Difference, ...]:
        return tuple(difference for difference in self.differences if difference.severity == "conflict")


async def ensure(executor: Executor, dialect: Dialect, models: list[type], schema_conflict: str) -> list[str]:
    """Bring the tables of models that are in order already up to date; return the statements run."""
    check_policy(schema_conflict)
    refuse_clashes(models)
    dialect = executor.settled(dialect)
    recreated: list[Look] = []
    statements: list[str] = []

    async def run(sql: str) -> None:
        await executor.execute(dialect.without_values(sql))
        statements.append(sql)

    async def mend() -> list[Look]:
        looks = await _looks(executor, dialect, models)
        if schema_conflict == "recreate":
            recreated.extend(await _recreatable(executor, dialect, looks))
        _refuse([look for look in looks if look not in recreated])
        others: list[str] = []
        gone = {dialect.quote(dialect.fold(look.meta.table)) for look in recreated}
        for look in recreated:
            for other, key, definition in await dependent_keys(executor, dialect, look.meta.table):
                await run(f"ALTER TABLE {other} DROP CONSTRAINT {key}")
                if other not in gone:
                    others.append(f"ALTER TABLE {other} ADD CONSTRAINT {key} {definition}")
            await run(f"DROP TABLE {dialect.quote(look.meta.table)}")
        new = [look for look in looks if look in recreated or look.is_missing]
        early, last = new_tables_sql([look.cls for look in new], dialect)
        for sql in early:
            await run(sql)
        for look in looks:
            if look not in new:
                await _mend(run, look)
        for sql in last:
            await run(sql)
        for sql in others:
            await _put_back(executor, dialect, run, sql)
        return looks

    looks = await _settled_looks(executor, dialect, models)
    if any(difference.severity != "logged" for look in looks for difference in look.differences):
        if schema_conflict == "raise":
            _refuse(looks)
        looks = await changing_schema(executor, dialect, mend, statements)
    for look in looks:
        _log(look, look in recreated)
    executor.remember(models)
    return statements


def planned(looks: list[Look], dialect: Dialect) -> list[str]:
    """Return the statements that `ensure` runs where there is no conflict."""
    early, late = new_tables_sql([look.cls for look in looks if look.is_missing], dialect)
    there = [look for look in looks if not look.is_missing]
    mended = [sql for look in there for one in look.differences if one.severity == "safe" for sql in one.statements]
    return [*early, *mended, *late]


async def look_at(executor: Executor, dialect: Dialect, cls: type) -> Look:
    """Compare a model with its table; nothing is changed."""
    meta = model_meta(cls)
    live = await inspect(executor, dialect, meta.table)
    there = {dialect.fold(index.name) for index in live.indexes} if live is not None else set()
    taken = {}
    for index in meta.indexes:
        if dialect.fold(index.name) not in there:
            obstacle = await index_obstacle(executor, dialect, index.name, meta.table)
            if obstacle is not None:
                taken[index.name] = obstacle
    return Look(cls, meta, tuple(diff(meta, live, dialect, taken)))


async def _looks(executor: Executor, dialect: Dialect, models: list[type]) -> list[Look]:
    return [await look_at(executor, dialect, cls) for cls in models]


async def _settled_looks(executor: Executor, dialect: Dialect, models: list[type]) -> list[Look]:
    """Look until there is no conflict, or the same twice: one look may fall into the middle of another's changes."""
    looks = await _looks(executor, dialect, models)
    before: list[Look] = []
    while looks != before and any(look.conflicts for look in looks):
        before, looks = looks, await _looks(executor, dialect, models)
    return looks


async def _recreatable(executor: Executor, dialect: Dialect, looks: list[Look]) -> list[Look]:
    """Return the tables to make anew, those that refer before those that they refer to.

    Raises:
        SchemaConflictError: rows of a table that stays refer to one of them, or a new one would not take its place.
    """
    found: list[Look] = []
    for look in reversed(looks):
        if not look.conflicts or not all(conflict.is_mendable for conflict in look.conflicts):
            continue
        if await is_elsewhere(executor, dialect, look.meta.table):
            raise _not_anew(look, "it is in another schema than new tables")
        dropped = {dialect.fold(other.meta.table) for other in found}
        for table in await referring_tables(executor, dialect, look.meta.table):
            if dialect.fold(table) not in dropped:
                raise _not_anew(look, f"rows of {table!r} refer to it")
        found.append(look)
    return found


def _not_anew(look: Look, reason: str) -> SchemaConflictError:
    message = f"the table {look.meta.table!r} can't be made anew, as {reason}"
    refusal = Difference("conflict", "table", look.meta.table, message, is_mendable=False)
    return _error(look.meta, (*look.conflicts, refusal))


def _refuse(looks: list[Look]) -> None:
    """Raise the error of the first model that has a conflict, with those of the others as its notes."""
    errors = [_error(look.meta, look.conflicts, _advice(look)) for look in looks if look.conflicts]
    if errors:
        for other in errors[1:]:
            errors[0].add_note(str(other))
        raise errors[0]


async def _put_back(executor: Executor, dialect: Dialect, run: Callable[[str], Awaitable[None]], sql: str) -> None:
    """Make a foreign key of another table again, which had to go with the table that it referred to."""
    try:
        await (atomic(executor, lambda: run(sql)) if dialect.supports_transactional_ddl else run(sql))
    except ProgrammingError as exc:
        log.warning("a foreign key fits the table that was made anew no more, and is gone: %s (%s)", sql, exc)


async def _mend(run: Callable[[str], Awaitable[None]], look: Look) -> None:
    for difference in look.differences:
        if difference.severity != "safe":
            continue
        for sql in difference.statements:
            try:
                await run(sql)
            except UniqueViolation as exc:
                message = f"rows are equal in the columns of the unique index {difference.name!r}"
                raise _error(look.meta, (Difference("conflict", "index", difference.name, message),)) from exc


def _log(look: Look, anew: bool) -> None:
    table, model = look.meta.table, look.meta.name
    if anew:
        log.warning("made the table %r of %s anew, without its rows: %s", table, model, _listed(look.conflicts))
        return
    for difference in look.differences:
        if difference.severity == "logged":
            write = log.info if difference.what == "index" else log.warning
            write("the table %r of %s: %s", table, model, difference)


def _advice(look: Look) -> str:
    if not all(conflict.is_mendable for conflict in look.conflicts):
        return ""
    return '. Change the table or the model, or let schema_conflict="recreate" drop the table with its rows'


def _error(meta: ModelMeta, conflicts: tuple[Difference, ...], advice: str = "") -> SchemaConflictError:
    message = f"{meta.name}: the table {meta.table!r} is not as the model says, and nothing was changed"
    return SchemaConflictError(f"{message}: {_listed(conflicts)}{advice}", model=meta.name, differences=conflicts)


def _listed(conflicts: tuple[Difference, ...]) -> str:
    return "; ".join(map(str, conflicts))
