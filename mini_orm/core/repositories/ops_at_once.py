"""The operations of one statement, for a blocking database: plain functions in place of coroutines.

Rules of this file:
- Each does what the one of its name in ops.py does, with the same parts, and the same contracts hold both. It is
  there for the microsecond that a coroutine and an awaited verb take, which is half of what `exists` takes on SQLite.
- All take the same four arguments, which are handed on as they are (see `PlainOperation`).
- What may take more than one statement goes on in ops.py.
"""

from __future__ import annotations

from typing import Any

from ..database import at_once
from ..database.executors import Executor, drive
from ..query.compiler import Compiler
from . import ops


def get(executor: Executor, compiler: Compiler, cls: type, pk: Any) -> Any:
    """Find one row by key."""
    key = compiler.key(pk)
    if key is None:
        return None
    row = at_once.fetch_one(executor, compiler.get_sql, key)
    return None if row is None else compiler.decoder.one(cls, row)


def count(executor: Executor, compiler: Compiler, cls: type, where: Any) -> int:
    """Count rows."""
    sql, params = compiler.count(where)
    row = at_once.fetch_one(executor, sql, params)
    return 0 if row is None else int(row[0])


def exists(executor: Executor, compiler: Compiler, cls: type, where: Any) -> bool:
    """Ask whether a row matches."""
    sql, params = compiler.exists(where)
    return at_once.fetch_one(executor, sql, params) is not None


def insert(executor: Executor, compiler: Compiler, cls: type, obj: Any) -> Any:
    """Insert one object."""
    plan, params = ops.row_to_insert(compiler, cls, obj)
    if plan.told is None or compiler.meta.frozen:
        return drive(ops.insert_row(executor, compiler, plan, obj, params))
    setattr(obj, plan.told, at_once.insert_row(executor, plan.sql, params))
    return obj


def update(executor: Executor, compiler: Compiler, cls: type, obj: Any) -> int:
    """Write every column of an object."""
    sql, params = ops.row_to_update(compiler, cls, obj)
    return at_once.execute(executor, sql, params)


def delete(executor: Executor, compiler: Compiler, cls: type, obj: Any) -> int:
    """Delete an object's row."""
    compiler.check(obj, cls)
    return at_once.execute(executor, compiler.delete_sql, compiler.key_of(obj, "delete"))
