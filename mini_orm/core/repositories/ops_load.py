"""`insert_many(…, returning=False)`: objects -> rows, on the quickest road that the database has.

The keys and defaults that the database fills in are not read, and no object changes. What is not alike goes the way of
`ops_many.insert_many`, which is right for all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from typing import Any

from ..database.executors import Executor
from ..database.transactions import atomic
from ..query.bulk import Bulk
from ..query.compiler import Compiler
from . import ops_many
from .given import check_all


def bulk_operation(returning: Any) -> Callable[..., Any]:
    """Return the operation of `insert_many`.

    Raises:
        TypeError: `returning` is neither True nor False.
    """
    if not isinstance(returning, bool):
        raise TypeError(f"returning must be True or False, got {type(returning).__name__}")
    return ops_many.insert_many if returning else load_many


async def load_many(executor: Executor, compiler: Compiler, cls: type, objects: Sequence[Any]) -> int:
    """Insert objects, all or none; return how many rows were stored."""
    if not objects:
        return 0
    check_all(compiler, cls, objects)
    executor.refuse_read_only()
    bulk = compiler.bulk.encode(objects)
    if bulk is None or bulk.size < len(objects):  # not alike, or without any column
        rows = [compiler.row(obj) for obj in objects]
        await atomic(executor, lambda: ops_many.insert_rows(executor, compiler, objects, rows))
        return len(objects)
    if await ops_many.can_load(executor, compiler, bulk):
        return await _alone(executor, lambda: ops_many.load_bulk(executor, compiler, bulk))
    return await atomic(executor, lambda: _insert(executor, compiler, bulk))


async def _alone(executor: Executor, statement: Callable[[], Awaitable[int]]) -> int:
    """Run one statement, which is whole by itself; in a transaction its failure shall not be the end of that."""
    return await (atomic(executor, statement) if executor.in_transaction else statement())


async def _insert(executor: Executor, compiler: Compiler, bulk: Bulk) -> int:
    """Insert rows that leave out the same columns, many in a statement."""
    rows, omitted = bulk.rows(), bulk.omitted
    stored = 0
    if compiler.dialect.max_statement is not None:
        for part in ops_many.parts(compiler, rows):
            stored += await executor.execute(compiler.insert_rows(len(part), omitted), list(chain.from_iterable(part)))
        return stored
    size = compiler.bulk_rows()
    whole = len(rows) - len(rows) % size
    sql = compiler.insert_rows(size, omitted)
    for start in range(0, whole, size):
        stored += await executor.execute(sql, list(chain.from_iterable(rows[start : start + size])))
    if whole < len(rows):
        stored += await executor.execute_many(compiler.insert_rows(1, omitted), rows[whole:])
    return stored
