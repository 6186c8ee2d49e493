"""Makes the tables and indexes of models in a database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from ...errors import ConfigurationError, LockTimeout, ModelError, SchemaError, TransactionError
from ..database.database import Database
from ..database.database_async import AsyncDatabase
from ..database.executors import Executor
from ..database.transactions import atomic
from ..dialects import Dialect
from ..models import ModelMeta, model_meta
from .ddl import in_key_order, new_table_sql
from .inspect import index_obstacle

R = TypeVar("R")


def apply_schema(db: Database, model: type | Iterable[type], *, if_not_exists: bool = False) -> list[str]:
    """Make the table and the indexes of a model, or of several in the order of their foreign keys.

    All of it happens in one transaction, or nothing; on MySQL and MariaDB, where no statement of this kind can be
    undone, an error says what was done before it. Several processes at once don't collide.

    Args:
        model: a model, or an iterable of models.
        if_not_exists: leave alone what is there already.

    Returns:
        The statements, in the order in which they were run.

    Raises:
        ModelError: one of the classes is no model.
        SchemaError: two of the models' tables and indexes have one name. With `if_not_exists`: something else has the
            name of an index.
        ProgrammingError: a table or an index exists already.
        TransactionError: on MySQL and MariaDB: inside of a transaction, which it would end.
    """
    check_face(db, Database, "apply_schema")
    return db.run(apply, db.dialect, models_in_order(model, "apply_schema"), if_not_exists)


async def apply_schema_async(
    db: AsyncDatabase, model: type | Iterable[type], *, if_not_exists: bool = False
) -> list[str]:
    """Async twin of `apply_schema`."""
    check_face(db, AsyncDatabase, "apply_schema_async")
    return await db.run(apply, db.dialect, models_in_order(model, "apply_schema"), if_not_exists)


async def apply(executor: Executor, dialect: Dialect, models: list[type], if_not_exists: bool) -> list[str]:
    """Run the statements of models that are in order already."""
    if not models:
        return []
    dialect = executor.settled(dialect)
    plans = [
        (model_meta(cls), *new_table_sql(cls, dialect, models[place + 1 :], if_not_exists=if_not_exists))
        for place, cls in enumerate(models)
    ]
    refuse_clashes(models)
    statements: list[str] = []

    async def run_all() -> None:
        if if_not_exists:
            await _refuse_taken(executor, dialect, models)
        wanted: list[str] = []
        last: list[str] = []
        for meta, early, late in plans:
            wanted.extend(await _without_indexes_there(executor, dialect, meta, early) if if_not_exists else early)
            if late and not (if_not_exists and await _is_there(executor, dialect, meta.table)):
                last.extend(late)
        for sql in (*wanted, *last):
            await executor.execute(dialect.without_values(sql))
            statements.append(sql)

    await changing_schema(executor, dialect, run_all, statements)
    return statements


async def changing_schema(
    executor: Executor, dialect: Dialect, work: Callable[[], Awaitable[R]], done: Sequence[str]
) -> R:
    """Run work that changes the schema, while nobody else does, so that all of it happens or nothing.

    Args:
        done: the statements that `work` has run so far. Where the database can't undo them, an error names them.

    Raises:
        TransactionError: the open transaction would end.
        LockTimeout: others change the schema, and it takes them too long.
    """
    if dialect.supports_transactional_ddl:
        return await atomic(executor, lambda: _locked(executor, dialect, work))
    executor.refuse_read_only()
    if executor.in_transaction:
        raise TransactionError(
            "this database ends a transaction where its schema changes; apply_schema, ensure_schema or register() has "
            "to come before the transaction (with auto_schema=True, a pool that has a connection free does for it)"
        )
    try:
        return await _locked(executor, dialect, work)
    except BaseException as exc:
        if done:
            exc.add_note(f"these statements were run before, and can't be undone: {'; '.join(done)}")
        raise


async def _locked(executor: Executor, dialect: Dialect, work: Callable[[], Awaitable[R]]) -> R:
    """Wait for others that change a schema. On SQLite the transaction does so: it is the only writer from its start."""
    if not dialect.schema_lock_sql:
        return await work()
    row = await executor.fetch_one(dialect.schema_lock_sql)
    if not dialect.schema_unlock_sql:
        return await work()
    if row is None or row[0] != 1:
        raise LockTimeout("another connection changes the schema of this database, and has not ended in time")
    try:
        return await work()
    finally:
        await executor.command(dialect.schema_unlock_sql, unwinding=True)


async def _without_indexes_there(
    executor: Executor, dialect: Dialect, meta: ModelMeta, statements: Sequence[str]
) -> Sequence[str]:
    """Leave out the indexes of a model that are there, where CREATE INDEX can't say IF NOT EXISTS itself."""
    if dialect.supports_index_if_not_exists or not meta.indexes:
        return statements
    there = {dialect.fold(row[0]) for row in await executor.fetch_all(dialect.indexes_sql, [meta.table])}
    table, *indexes = statements  # in the order of the model
    missing = [sql for sql, index in zip(indexes, meta.indexes, strict=True) if dialect.fold(index.name) not in there]
    return [table, *missing]


async def _is_there(executor: Executor, dialect: Dialect, table: str) -> bool:
    return await executor.fetch_one(dialect.table_kind_sql, [table]) is not None


def refuse_clashes(models: list[type]) -> None:
    """Refuse two tables, two indexes, or a table and an index, of one name.

    Raises:
        SchemaError: names the models.
    """
    metas = [model_meta(cls) for cls in models]
    tables: dict[str, str] = {}
    indexes: dict[str, str] = {}
    for meta in metas:
        other = tables.setdefault(meta.table.lower(), meta.name)
        if other != meta.name or sum(meta.table.lower() == one.table.lower() for one in metas) > 1:
            raise SchemaError(f"{other} and {meta.name} have the same table {meta.table!r}; give one of them __table__")
    for meta in metas:
        for index in meta.indexes:
            taken = indexes.setdefault(index.name.lower(), meta.name)
            if taken != meta.name:
                raise SchemaError(f"{taken} and {meta.name} have an index {index.name!r} each; give one of them a name")
            table_of = tables.get(index.name.lower())
            if table_of is not None:
                raise SchemaError(
                    f"{meta.name}: the index {index.name!r} has the name of the table of {table_of}; give it another"
                )


async def _refuse_taken(executor: Executor, dialect: Dialect, models: list[type]) -> None:
    """Refuse an index whose name something else has: IF NOT EXISTS would pass over another table's without a word."""
    for meta in map(model_meta, models):
        for index in meta.indexes:
            obstacle = await index_obstacle(executor, dialect, index.name, meta.table)
            if obstacle is not None:
                raise SchemaError(f"{meta.name}: {obstacle}; give the index another name")


def models_in_order(model: type | Iterable[type], verb: str) -> list[type]:
    """Return the models that a call of `verb` was given, in the order of their foreign keys.

    Raises:
        ModelError: it is no model, or one of them is none.
    """
    if isinstance(model, type):
        return in_key_order([model])
    if not isinstance(model, Iterable):
        raise ModelError(f"{verb} takes a model or a sequence of models, got {type(model).__name__}")
    return in_key_order(model)


def check_face(db: object, wanted: type, function: str) -> None:
    """Refuse what is no database of a function's face.

    Raises:
        ConfigurationError: says what it needs, and which function takes the other face.
    """
    if not isinstance(db, wanted):
        other = function.removesuffix("_async") if function.endswith("_async") else f"{function}_async"
        hint = f"; use {other}" if isinstance(db, Database | AsyncDatabase) else f": {wanted.__name__}(conn)"
        raise ConfigurationError(f"{function} needs {_article(wanted)}{hint}; got {type(db).__name__}")


def _article(wanted: type) -> str:
    return f"{'an' if wanted is AsyncDatabase else 'a'} {wanted.__name__}"
