"""The operations of a repository, each written once for both faces.

Rules of this file:
- An operation is an `async def` whose first argument is the executor; it awaits nothing else.
- Operations call operations, never shells: connection, lock and transaction are taken once, in `Database.run`.
- A single statement is atomic by itself. Several stand in `atomic`; no code of the model runs inside of it, and
  objects change only after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import (
    DeadlockDetected,
    QueryError,
    QueryTypeError,
    SerializationFailure,
    UniqueViolation,
)
from ...validation import validate
from ..conditions import C
from ..database.executors import Executor
from ..database.transactions import atomic
from ..objects import build
from ..query.compiler import Compiler
from ..query.statements import InsertPlan, Statement

#: How often `get_or_create` looks again for a row that another transaction inserted and deleted.
_ATTEMPTS = 10


async def get(executor: Executor, compiler: Compiler, cls: type, pk: Any) -> Any:
    """Find one row by key."""
    key = compiler.key(pk)
    if key is None:
        return None
    row = await executor.fetch_one(compiler.get_sql, key)
    return None if row is None else compiler.decoder.one(cls, row)


async def select(
    executor: Executor,
    compiler: Compiler,
    cls: type,
    where: Any,
    order_by: Any,
    limit: int | None,
    offset: int | None,
) -> list[Any]:
    """Find rows by condition."""
    sql, params = compiler.select(where, order_by, limit, offset)
    return compiler.decoder.many(cls, await executor.fetch_all(sql, params))


async def count(executor: Executor, compiler: Compiler, where: Any) -> int:
    """Count rows."""
    sql, params = compiler.count(where)
    row = await executor.fetch_one(sql, params)
    return 0 if row is None else int(row[0])


async def exists(executor: Executor, compiler: Compiler, where: Any) -> bool:
    """Ask whether a row matches."""
    sql, params = compiler.exists(where)
    return await executor.fetch_one(sql, params) is not None


def row_to_insert(compiler: Compiler, cls: type, obj: Any) -> tuple[InsertPlan, list[Any]]:
    """Return how an object is inserted, and its values."""
    compiler.check(obj, cls)
    if compiler.uses_validation:
        validate(obj)
    omitted, params = compiler.row(obj)
    return compiler.insert(omitted), params


async def insert(executor: Executor, compiler: Compiler, cls: type, obj: Any) -> Any:
    """Insert one object."""
    plan, params = row_to_insert(compiler, cls, obj)
    return await insert_row(executor, compiler, plan, obj, params)


async def insert_row(executor: Executor, compiler: Compiler, plan: InsertPlan, obj: Any, params: list[Any]) -> Any:
    """Insert the row of an object."""
    values = await inserted(executor, compiler, plan, obj, params)
    return compiler.completed(obj, values)


async def inserted(
    executor: Executor, compiler: Compiler, plan: InsertPlan, obj: Any, params: list[Any]
) -> Mapping[str, Any]:
    """Insert one row; return what the database filled in, by field."""
    if plan.returning:
        return compiler.decoded(plan.returning, await executor.execute_returning(plan.sql, params))
    if plan.reread:
        return await atomic(executor, lambda: _reread(executor, compiler, plan, obj, params))
    if plan.last_id is not None:
        return {plan.last_id.name: await executor.insert_row(plan.sql, params)}
    await executor.execute(plan.sql, params)
    return {}


async def _reread(
    executor: Executor, compiler: Compiler, plan: InsertPlan, obj: Any, params: list[Any]
) -> Mapping[str, Any]:
    values: dict[str, Any] = {}
    if plan.last_id is not None:
        values[plan.last_id.name] = key = await executor.insert_row(plan.sql, params)
        keys = [key]
    else:
        await executor.execute(plan.sql, params)
        keys = compiler.key_of(obj, "insert")
    row = await executor.fetch_one(compiler.reread(plan.reread), keys)
    return values if row is None else values | compiler.decoded(plan.reread, row)


def row_to_update(compiler: Compiler, cls: type, obj: Any) -> Statement:
    """Return the statement that writes every column of an object."""
    compiler.check(obj, cls)
    if compiler.uses_validation:
        validate(obj)
    return compiler.update(obj)


async def update(executor: Executor, compiler: Compiler, cls: type, obj: Any) -> int:
    """Write every column of an object."""
    sql, params = row_to_update(compiler, cls, obj)
    return await executor.execute(sql, params)


async def delete(executor: Executor, compiler: Compiler, cls: type, obj: Any) -> int:
    """Delete an object's row."""
    compiler.check(obj, cls)
    return await executor.execute(compiler.delete_sql, compiler.key_of(obj, "delete"))


async def update_where(
    executor: Executor, compiler: Compiler, values: Mapping[str, Any], where: Any, allow_all: bool
) -> int:
    """Change the rows that match."""
    sql, params = compiler.update_where(values, where, allow_all=allow_all)
    return await executor.execute(sql, params)


async def delete_where(executor: Executor, compiler: Compiler, where: Any, allow_all: bool) -> int:
    """Delete the rows that match."""
    sql, params = compiler.delete_where(where, allow_all=allow_all)
    return await executor.execute(sql, params)


async def get_or_create(
    executor: Executor, compiler: Compiler, cls: type, lookup: Mapping[str, Any], defaults: Mapping[str, Any] | None
) -> tuple[Any, bool]:
    """Find the one row of a unique key, or insert it, whoever else does so at the same time."""
    values = _looked_up(compiler, lookup, defaults)
    where = [C.eq(name, value) for name, value in lookup.items()]
    sql, params = compiler.select(where, None, 1, None)
    violation: UniqueViolation | DeadlockDetected | None = None
    is_inside = executor.in_transaction
    for _ in range(_ATTEMPTS):
        row = await executor.fetch_one(sql if violation is None else sql + compiler.dialect.latest_read, params)
        if row is not None:
            return compiler.decoder.one(cls, row), False
        obj = build(cls, compiler.meta, values)
        attempt = _insertion(executor, compiler, obj)
        try:
            filled = await atomic(executor, attempt)
        except UniqueViolation as exc:
            if not compiler.is_about(exc, lookup):
                raise
            if not isinstance(violation, UniqueViolation):
                await _refuse_snapshot(executor, compiler, sql, params, exc)
            violation = exc  # another was first; if its row is gone again, so is the obstacle
            continue
        except DeadlockDetected as exc:
            if is_inside:
                raise  # the caller's transaction is gone
            violation = exc  # several waited for one that was rolled back
            continue
        return compiler.completed(obj, filled), True
    assert violation is not None
    raise violation


async def _refuse_snapshot(
    executor: Executor, compiler: Compiler, sql: str, params: list[Any], violation: UniqueViolation
) -> None:
    """Refuse to look for a row that the caller's transaction will never see.

    Raises:
        SerializationFailure: the transaction sees what was there when it began, and the row came later.
    """
    dialect = compiler.dialect
    if not dialect.isolation_sql or not executor.in_transaction or await executor.fetch_one(sql, params) is not None:
        return
    level = await executor.fetch_one(dialect.isolation_sql)
    if level is not None and level[0] in dialect.snapshot_isolations:
        raise SerializationFailure(
            f"get_or_create: another transaction inserted this {compiler.meta.name}, and this one, which is "
            f"{level[0]}, can't see it; run it again (run_in_transaction does)"
        ) from violation


def _insertion(executor: Executor, compiler: Compiler, obj: Any) -> Callable[[], Any]:
    if compiler.uses_validation:
        validate(obj)
    omitted, params = compiler.row(obj)
    plan = compiler.insert(omitted)
    return lambda: inserted(executor, compiler, plan, obj, params)


def _looked_up(compiler: Compiler, lookup: Any, defaults: Any) -> dict[str, Any]:
    """Check the arguments of `get_or_create`; return the values of a new row by field."""
    meta = compiler.meta
    for what, given in (("lookup", lookup), ("defaults", {} if defaults is None else defaults)):
        if not isinstance(given, Mapping):
            raise QueryTypeError(f"get_or_create: {what} is a mapping of fields to values, got {type(given).__name__}")
        for name in given:
            meta.column(name, f"get_or_create: {what}")
    if not lookup:
        raise QueryError("get_or_create: lookup needs at least one field")
    for name, value in lookup.items():
        if value is None:
            raise QueryError(f"get_or_create: {meta.name}.{name} is None in lookup, and NULL is never unique")
        compiler.filters.encode(meta.by_name[name], value)
    if not any(key <= set(lookup) for key in meta.unique_keys):
        keys = " or ".join("(" + ", ".join(sorted(key)) + ")" for key in meta.unique_keys)
        raise QueryError(f"get_or_create: lookup must have a unique key of {meta.name}: {keys}")
    values = {name: compiler.member(name, value) for name, value in lookup.items()}
    for name, given in (defaults or {}).items():
        value = compiler.member(name, given)
        if name in values and not (value is values[name] or value == values[name]):
            raise QueryError(f"get_or_create: defaults has another value for {meta.name}.{name} than lookup")
        values.setdefault(name, value)
    return values
