"""What the store does on a connection, each operation once for both faces.

Rules of this file:
- An operation is an `async def` whose first argument is the executor; it awaits nothing else.
- A collection is looked for before its table is used, so that one that is not there leaves the caller's transaction as
  it is. `Collection` may be known from before: then what is wrong with it shows at the statement.
- Records are locked in the order of their ids, so that two who write the same ones wait, and don't end in a deadlock.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from ...core.database.executors import Executor
from ...core.database.loading import load
from ...core.database.transactions import Block, atomic
from ...core.schema.apply import changing_schema
from ...errors import CollectionExistsError, CollectionNotFoundError, ConfigurationError, VectorError
from ..metrics import VectorMetric
from ..records import VectorRecord, VectorSearchResult
from .pgvector_indexes import VectorIndex
from .pgvector_sql import (
    BY_ID,
    CATALOGUE,
    COPY_INCOMING,
    FACTS_SQL,
    Collection,
    Facts,
    catalogue_sql,
    count_sql,
    delete_sql,
    exact_sql,
    fetch_sql,
    few_sql,
    incoming_sql,
    index_sql,
    indexed_sql,
    insert_sql,
    named,
    parts_of,
    remember_sql,
    table_sql,
    version_of,
)
from .pgvector_values import copy_rows, payload_of, vector_of

#: So many records and more are written by COPY.
COPIED = 24
#: A condition of SQL, and what it binds.
Where = tuple[str, list[Any]] | None


class Outdated(VectorError):
    """What was known of a collection is not true any more: it was made anew meanwhile."""


async def look(executor: Executor, name: str, after: Exception | None = None) -> tuple[Collection, bool]:
    """Find a collection; tell also whether others see it, too.

    Args:
        after: the error that led here; it stands where nothing can be asked any more.

    Raises:
        CollectionNotFoundError: there is no collection of this name.
    """
    if after is not None and executor.is_aborted:
        raise after
    found = await _found(executor, name, await _facts(executor, name))
    if found is None:
        raise CollectionNotFoundError(f"there is no collection {name!r}") from after
    return found, not executor.in_transaction


async def describe(executor: Executor, name: str) -> Collection | None:
    """Find a collection, if it is there."""
    return await _found(executor, name, await _facts(executor, name))


async def _facts(executor: Executor, name: str) -> Facts:
    row = await executor.fetch_one(FACTS_SQL, parts_of(name))
    assert row is not None
    return Facts(*row)


async def _found(executor: Executor, name: str, facts: Facts) -> Collection | None:
    """Return the collection that a name leads to; `None` where that is nothing, or something else."""
    if facts.oid is None or facts.dimension is None or not facts.has_catalogue:
        return None
    assert facts.schema is not None and facts.home is not None and facts.version is not None
    dialect, (schema, table) = executor.dialect, parts_of(name)
    # Somebody may have dropped a collection, and made a table of his own that has its name.
    sql = f"SELECT metric FROM {named(dialect, facts.schema, CATALOGUE)} WHERE name = %s::text AND dimension = %s::int"
    row = await executor.fetch_one(sql, [table, facts.dimension])
    return (
        None
        if row is None
        else Collection(
            facts.oid,
            # Without a schema it is looked for anew by each statement: the search path may lead elsewhere by then.
            named(dialect, table) if schema is None else named(dialect, schema, table),
            facts.dimension,
            VectorMetric(row[0]),
            named(dialect, facts.home),
            version_of(facts.version),
        )
    )


# --- collections --------------------------------------------------------------------------------------------------


async def create(
    executor: Executor,
    name: str,
    dimension: int,
    metric: VectorMetric,
    index: VectorIndex | None,
    *,
    overwrite: bool,
    ensure_extension: bool,
) -> None:
    """Make a collection, while nobody else makes one.

    Raises:
        CollectionExistsError: it is there, and is not to be overwritten.
        ConfigurationError: the database has no pgvector.
        VectorError: there is no such schema; something else has the name.
    """
    dialect = executor.dialect

    async def work() -> None:
        facts = await _facts(executor, name)
        if facts.home is None and ensure_extension:
            await executor.execute("CREATE EXTENSION IF NOT EXISTS vector")
            facts = await _facts(executor, name)
        schema, home = _places(facts, name)
        home = named(dialect, home)
        table, catalogue = (named(dialect, schema, one) for one in (parts_of(name)[1], CATALOGUE))
        if facts.oid is not None:
            await _make_room(executor, name, facts, table, overwrite=overwrite)
        await executor.execute(catalogue_sql(catalogue))
        await executor.execute(table_sql(table, home, dimension))
        if index is not None:
            await executor.execute(index_sql(table, home, dimension, metric, index))
        await executor.execute(remember_sql(catalogue), [parts_of(name)[1], dimension, metric.value])

    await changing_schema(executor, dialect, work, [])


def _places(facts: Facts, name: str) -> tuple[str, str]:
    """Return the schema of a new collection, and that of the extension."""
    if facts.home is None:
        raise ConfigurationError(
            "this database has no pgvector: CREATE EXTENSION vector makes it, or PgVectorStore(ensure_extension=True)"
        )
    if facts.schema is None:
        schema, _ = parts_of(name)
        missing = "the search path leads to no schema" if schema is None else f"there is no schema {schema!r}"
        raise VectorError(f"{missing}, and a collection does not make one")
    return facts.schema, facts.home


async def _make_room(executor: Executor, name: str, facts: Facts, table: str, *, overwrite: bool) -> None:
    if await _found(executor, name, facts) is None:
        raise VectorError(f"{name!r} is the name of something that is no collection of PgVectorStore; choose another")
    if not overwrite:
        raise CollectionExistsError(f"there is a collection {name!r} already")
    await executor.execute(f"DROP TABLE {table}")


# --- records ------------------------------------------------------------------------------------------------------


async def upsert(
    executor: Executor,
    known: Collection,
    ids: Sequence[str],
    vectors: Sequence[array[float]],
    payloads: Sequence[str | None],
) -> None:
    """Write records, which are in the order of their ids."""
    if len(ids) < COPIED:
        params: list[Any] = []
        for one, vector, payload in zip(ids, vectors, payloads, strict=True):
            params += (one, executor.driver.real_array(vector), payload)
        await executor.execute(insert_sql(known, len(ids)), params)
        return
    before, write, after = incoming_sql(known)
    data = copy_rows(ids, vectors, payloads)

    async def work() -> None:
        await executor.execute(before)
        await load(executor, COPY_INCOMING, [data])
        await executor.execute(write)
        await executor.execute(after)

    await atomic(executor, work)


async def fetch(executor: Executor, known: Collection, ids: Sequence[str] | None) -> list[VectorRecord]:
    """Read records: those of `ids` in their order, or all."""
    if ids is None:
        rows = await executor.fetch_all(fetch_sql(known, None))
        return [VectorRecord(one, vector_of(sent), payload_of(text)) for one, sent, text in rows]
    rows = await executor.fetch_all(fetch_sql(known, BY_ID), [list(ids)])
    found = {row[0]: row for row in rows}
    return [VectorRecord(one, vector_of(found[one][1]), payload_of(found[one][2])) for one in ids if one in found]


async def delete(executor: Executor, known: Collection, where: Where) -> int:
    """Delete records; return how many there were."""
    sql, params = (None, []) if where is None else where
    return await executor.execute(delete_sql(known, sql), params)


async def count(executor: Executor, known: Collection, where: Where) -> int:
    """Count records."""
    sql, params = (None, []) if where is None else where
    row = await executor.fetch_one(count_sql(known, sql), params)
    assert row is not None
    return int(row[0])


# --- searching ----------------------------------------------------------------------------------------------------


async def query(
    executor: Executor,
    known: Collection,
    index: VectorIndex | None,
    vectors: Sequence[array[float]],
    top_k: int,
    where: Where,
) -> list[list[VectorSearchResult]]:
    """Find the nearest records of each vector."""
    if index is not None and executor.in_transaction:
        # The settings of a search would hold until the transaction ends; with a savepoint they are rolled back.
        block = Block(executor)
        try:
            await block.begin()
            return await _all_nearest(executor, known, index, vectors, top_k, where)
        finally:
            await block.rollback()
    return await _all_nearest(executor, known, index, vectors, top_k, where)


async def _all_nearest(
    executor: Executor,
    known: Collection,
    index: VectorIndex | None,
    vectors: Sequence[array[float]],
    top_k: int,
    where: Where,
) -> list[list[VectorSearchResult]]:
    found = []
    for vector in vectors:
        rows = await _nearest(executor, known, index, vector, top_k, where)
        if rows and rows[0][3] != known.oid:
            raise Outdated("the collection was made anew while it was in use")
        found.append([VectorSearchResult(one, score, payload_of(text)) for one, score, text, *_ in rows])
    return found


async def _nearest(
    executor: Executor, known: Collection, index: VectorIndex | None, vector: array[float], top_k: int, where: Where
) -> Sequence[Any]:
    sql, params = (None, []) if where is None else where
    bound = [executor.driver.real_array(vector), *params]
    if index is None:
        return await executor.fetch_all(exact_sql(known, top_k, sql), bound)
    if sql is not None:
        rows = await executor.fetch_all(few_sql(known, top_k, sql), bound)
        if not rows or rows[0][-1]:
            return rows
    if sql is None or index.is_iterative(known.version):
        rows = await executor.fetch_all(indexed_sql(known, index, top_k, sql), bound)
        if len(rows) == top_k:
            return rows
    # The index gave up before it had enough, or there are no more.
    return await executor.fetch_all(exact_sql(known, top_k, sql), bound)
