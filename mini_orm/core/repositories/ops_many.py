"""`insert_many`: objects -> rows, many in a statement, and each object's key.

Rules of this file:
- It is all or nothing, and keys go to the objects in their order.
- Keys are had before the rows where the database gives them out, else counted from the first of a run that has no gaps;
  where neither is certain, as with a trigger that gives keys, rows are inserted one by one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

from ...errors import OperationalError, QueryError
from ..database.executors import Executor
from ..database.loading import load
from ..database.transactions import atomic
from ..query.bulk import Bulk
from ..query.compiler import ARRAY_ROWS, Compiler
from .given import check_all
from .ops import inserted

T = TypeVar("T")
_MAX_KEY = 2**63 - 1
#: Fewer rows are as quick in an INSERT as in the database's own form, for which it is asked first.
_LOADED_ROWS = 1000
#: Rows that are sent at a time in the database's own form: few, so that it stores some while others are written.
_LOADED_PART = 250

Row = tuple[tuple[int, ...], list[Any]]


async def insert_many(executor: Executor, compiler: Compiler, cls: type, objects: Sequence[Any]) -> list[Any]:
    """Insert objects, all or none, and pair them with their keys."""
    if not objects:
        return []
    check_all(compiler, cls, objects)
    inserted = await _insert_columns(executor, compiler, cls, objects)
    if inserted is not None:
        return inserted
    rows = [compiler.row(obj) for obj in objects]
    _refuse_twice(compiler, cls, [obj for obj, (omitted, _) in zip(objects, rows, strict=True) if omitted])
    filled = await atomic(executor, lambda: insert_rows(executor, compiler, objects, rows))
    return [compiler.completed(obj, values) for obj, values in zip(objects, filled, strict=True)]


def _refuse_twice(compiler: Compiler, cls: type, waiting: Sequence[Any]) -> None:
    """Refuse an object that is there twice and waits for a key."""
    if not compiler.meta.frozen and len(set(map(id, waiting))) < len(waiting):
        raise QueryError(f"insert_many: an object is there twice; one {cls.__name__} can't have two keys")


async def _insert_columns(
    executor: Executor, compiler: Compiler, cls: type, objects: Sequence[Any]
) -> list[Any] | None:
    """Insert objects that are alike: all keys given, or all to be reserved. `None` where they are not."""
    bulk = compiler.bulk.encode(objects)
    if bulk is None:
        return None
    auto, dialect = compiler.meta.auto, compiler.dialect
    omitted = bulk.omitted
    if not omitted:
        await _whole(executor, compiler, bulk, lambda: _insert_bulk(executor, compiler, bulk))
        return [compiler.completed(obj, {}) for obj in objects] if compiler.meta.frozen else list(objects)
    if auto is None or not (dialect.supports_reserved_keys or dialect.key_run_sql):
        return None
    place = compiler.meta.columns.index(auto)
    if omitted != (place,) or bulk.size < len(objects):  # there may be no other column
        return None
    _refuse_twice(compiler, cls, objects)

    executor.refuse_read_only()

    async def work() -> Sequence[int] | None:
        if not dialect.supports_reserved_keys:
            return await _insert_run(executor, compiler, bulk.rows(), omitted)
        keys = await _next_keys(executor, compiler, len(objects))
        if keys is not None:
            bulk.columns[place] = keys
            await _insert_bulk(executor, compiler, bulk)
        return keys

    keys = await _whole(executor, compiler, bulk, work)
    if keys is None:
        return None
    if compiler.meta.frozen:
        return [compiler.completed(obj, {auto.name: key}) for obj, key in zip(objects, keys, strict=True)]
    for obj, key in zip(objects, keys, strict=True):
        setattr(obj, auto.name, key)
    return list(objects)


async def _whole(executor: Executor, compiler: Compiler, bulk: Bulk, work: Callable[[], Awaitable[T]]) -> T:
    """Insert all rows or none. One statement does so by itself, and the values of a sequence are no part of it."""
    is_one = compiler.takes_arrays and bulk.size <= ARRAY_ROWS
    return await (work() if is_one and not executor.in_transaction else atomic(executor, work))


async def _insert_bulk(executor: Executor, compiler: Compiler, bulk: Bulk) -> None:
    """Insert rows that have all columns."""
    is_large = bulk.size >= _LOADED_ROWS and executor.driver.can_load(executor.conn)
    if is_large and await can_load(executor, compiler, bulk):
        await load_bulk(executor, compiler, bulk)
    elif compiler.takes_arrays:
        await _insert_arrays(executor, compiler, [column for column in bulk.columns if column is not None])
    else:
        await _insert_same(executor, compiler, bulk.rows())


async def can_load(executor: Executor, compiler: Compiler, bulk: Bulk) -> bool:
    """Tell whether the database takes these rows in a form of its own, and does with them what INSERT does."""
    if not compiler.takes_arrays:
        return False
    meta, omitted = compiler.meta, bulk.omitted
    given = [column.column for place, column in enumerate(meta.columns) if place not in omitted]
    return await executor.fetch_one(compiler.dialect.loads_sql, [meta.table, given]) is not None


async def load_bulk(executor: Executor, compiler: Compiler, bulk: Bulk) -> int:
    """Insert rows in the database's own form, in one statement; return how many were stored."""
    columns = [column for column in bulk.columns if column is not None]
    texts = (
        compiler.dialect.load_text([column[start : start + _LOADED_PART] for column in columns])
        for start in range(0, bulk.size, _LOADED_PART)
    )
    return await load(executor, compiler.load(bulk.omitted), texts)


async def _insert_arrays(executor: Executor, compiler: Compiler, columns: Sequence[Sequence[Any]]) -> None:
    sql = compiler.insert_arrays()
    for start in range(0, len(columns[0]), ARRAY_ROWS):
        await executor.execute(sql, [list(column[start : start + ARRAY_ROWS]) for column in columns])


async def _next_keys(executor: Executor, compiler: Compiler, count: int) -> Sequence[int] | None:
    """Return the keys that the database gives out next; `None` where they can't be had beforehand."""
    auto, dialect, table = compiler.meta.auto, compiler.dialect, compiler.meta.table
    assert auto is not None
    if dialect.sequence_keys_sql:
        params = [table, auto.column, table, count, auto.column]
        return sorted(row[0] for row in await executor.fetch_all(dialect.sequence_keys_sql, params)) or None
    highest = await _highest_key(executor, compiler)
    if highest is None or highest + count > _MAX_KEY:
        return None
    return range(highest + 1, highest + 1 + count)


async def insert_rows(
    executor: Executor, compiler: Compiler, objects: Sequence[Any], rows: list[Row]
) -> list[Mapping[str, Any]]:
    keys: list[int | None] = [None] * len(rows)
    if compiler.meta.auto is not None and compiler.dialect.supports_reserved_keys:
        keys = await _reserve_keys(executor, compiler, rows)
    run = _run_of(compiler)
    filled: list[Mapping[str, Any]] = []
    start = 0
    while start < len(rows):
        omitted = rows[start][0]
        end = start + 1
        while end < len(rows) and rows[end][0] == omitted:
            end += 1
        if run and omitted == run and end - start > 1:
            found = await _insert_run(executor, compiler, [values for _, values in rows[start:end]], omitted)
            filled.extend({compiler.meta.columns[run[0]].name: key} for key in found)
        elif omitted:
            for place in range(start, end):
                plan = compiler.insert(omitted)
                filled.append(await inserted(executor, compiler, plan, objects[place], rows[place][1]))
        else:
            await _insert_same(executor, compiler, [values for _, values in rows[start:end]])
            filled.extend({} for _ in range(start, end))
        start = end
    auto = compiler.meta.auto
    if auto is None:
        return filled
    return [values if key is None else {**values, auto.name: key} for values, key in zip(filled, keys, strict=True)]


async def _reserve_keys(executor: Executor, compiler: Compiler, rows: list[Row]) -> list[int | None]:
    """Give the rows without a key the next ones: from the sequence, or while the transaction keeps other writers out.

    Each row that has none gets the next one and goes into the bulk; `rows` is changed. Where the keys run out the
    rows stay as they are, and the database answers.
    """
    auto = compiler.meta.auto
    assert auto is not None
    place = compiler.meta.columns.index(auto)
    if not any(place in omitted for omitted, _ in rows):
        return [None] * len(rows)
    hand_out = _keys_of_sequence if compiler.dialect.sequence_keys_sql else _keys_by_hand
    keys = await hand_out(executor, compiler, rows, place)
    if keys is None:
        return [None] * len(rows)
    for number, (key, (omitted, values)) in enumerate(zip(keys, rows, strict=True)):
        if key is not None:
            values.insert(place - sum(other < place for other in omitted), key)
            rows[number] = (tuple(other for other in omitted if other != place), values)
    return keys


async def _keys_of_sequence(
    executor: Executor, compiler: Compiler, rows: Sequence[Row], place: int
) -> list[int | None] | None:
    given = {
        values[place - sum(other < place for other in omitted)] for omitted, values in rows if place not in omitted
    }
    waiting = sum(place in omitted for omitted, _ in rows)
    keys: list[int] = []
    while len(keys) < waiting:
        found = await _next_keys(executor, compiler, waiting - len(keys))
        if found is None:
            return None
        keys.extend(key for key in found if key not in given)  # the sequence does not know what is given
    following = iter(keys)
    return [next(following) if place in omitted else None for omitted, _ in rows]


async def _keys_by_hand(
    executor: Executor, compiler: Compiler, rows: Sequence[Row], place: int
) -> list[int | None] | None:
    highest = await _highest_key(executor, compiler)
    if highest is None:
        return None
    keys: list[int | None] = []
    for omitted, values in rows:
        if place not in omitted:
            highest = max(highest, values[place - sum(other < place for other in omitted)])
            keys.append(None)
        else:
            highest += 1
            keys.append(highest)
    return keys if highest <= _MAX_KEY else None


async def _highest_key(executor: Executor, compiler: Compiler) -> int | None:
    """Return the highest key there is, or ever was where the database remembers: 0 for none.

    `None` where keys can't be handed out beforehand, as a trigger may take some.
    """
    dialect, table = compiler.dialect, compiler.meta.table
    remembers, has_triggers = await executor.fetch_one(dialect.key_facts_sql, [table]) or (None, None)
    if has_triggers:
        return None
    row = await executor.fetch_one(compiler.highest_key())
    highest = 0 if row is None or row[0] is None else int(row[0])
    if remembers:
        row = await executor.fetch_one(dialect.last_key_sql, [table])
        highest = max(highest, 0 if row is None or row[0] is None else int(row[0]))
    return highest


def _run_of(compiler: Compiler) -> tuple[int, ...]:
    """Return what rows leave out whose keys follow each other; `()` where the database does not say so."""
    auto, columns = compiler.meta.auto, compiler.meta.columns
    is_known = auto is not None and len(columns) > 1 and compiler.dialect.key_run_sql
    return (columns.index(auto),) if is_known else ()


async def _insert_run(
    executor: Executor, compiler: Compiler, rows: Sequence[Sequence[Any]], omitted: tuple[int, ...]
) -> list[int]:
    """Insert rows without their key, many in a statement, and return the keys that the database gave them."""
    keys: list[int] = []
    for part in parts(compiler, rows):
        first = await executor.insert_row(compiler.insert_rows(len(part), omitted), list(chain.from_iterable(part)))
        step, made = await executor.fetch_one(compiler.dialect.key_run_sql) or (1, 0)
        if first <= 0 or made != first:
            raise OperationalError(
                "the database took the rows and made no keys for them; a trigger may have given some"
            )
        keys.extend(range(first, first + len(part) * step, step))
    return keys


def parts(compiler: Compiler, rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    """Cut rows into what one statement takes, where their values become part of its text."""
    size, longest = compiler.bulk_rows(), compiler.dialect.max_statement
    if longest is not None:
        size = max(1, min(size, longest // max(map(_length, rows))))
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _length(row: Sequence[Any]) -> int:
    """Estimate how long the values of a row are in the text of a statement, each character escaped."""
    return sum(30 + 4 * len(value) if type(value) in (str, bytes) else 30 for value in row)


async def _insert_same(executor: Executor, compiler: Compiler, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows that have all columns, many in a statement."""
    if compiler.takes_arrays:
        await _insert_arrays(executor, compiler, list(zip(*rows, strict=True)))
        return
    if compiler.dialect.max_statement is not None:
        for part in parts(compiler, rows):
            await executor.execute(compiler.insert_rows(len(part)), list(chain.from_iterable(part)))
        return
    size = compiler.bulk_rows()
    whole = len(rows) - len(rows) % size
    sql = compiler.insert_rows(size)
    for start in range(0, whole, size):
        await executor.execute(sql, list(chain.from_iterable(rows[start : start + size])))
    if whole < len(rows):
        await executor.execute_many(compiler.insert_rows(1), rows[whole:])
