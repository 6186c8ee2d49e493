"""`PgVectorStore`: vectors in PostgreSQL, beside the rows that they belong to, by the extension pgvector."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ...core.database.database import Database
from ...core.database.database_async import AsyncDatabase
from ...core.database.executors import drive
from ...errors import ConfigurationError, DataError, DimensionError, ProgrammingError
from ..checks import checked_ids, checked_records, checked_top_k, float32, latest
from ..filters import Filter, FilterInput, parse
from ..records import VectorIdPolicy, VectorRecord
from . import pgvector_ops as ops
from .base import CollectionInfo, new_collection
from .pgvector_filters import compiled
from .pgvector_indexes import VectorIndex
from .pgvector_sql import BY_ID, Collection, check_dimension
from .pgvector_values import checked_texts, payload_text

R = TypeVar("R")
_NAME = "PgVectorStore"
#: What may be wrong because the collection is another one by now.
_DOUBTFUL = (ops.Outdated, ProgrammingError, DataError, DimensionError)
#: More than any table has rows.
_MOST = 2**62


class PgVectorStore:
    """Keeps vectors in tables of PostgreSQL, and takes part in the transactions of its database.

    A collection is a table, named `table` or `schema.table`, with the columns `id`, `embedding` and `payload`. The
    search is exact unless an index is asked for. On a `Database` the methods block, on an `AsyncDatabase` they are
    awaited.

    Args:
        db: a database with PostgreSQL, or the `tx` of a transaction, of whatever driver.
        ensure_extension: CREATE EXTENSION where it is missing, when the first collection is made.
        index: `"hnsw"` or `"ivfflat"`: new collections get such an index, and queries use it: quicker, and
            approximate. As many results as match come back, up to `top_k`, with a filter too.
        index_options: `m`, `ef_construction` and `ef_search` for hnsw, `lists` and `probes` for ivfflat; pgvector's
            own defaults where left out.

    Raises:
        ValueError: the database is no PostgreSQL; no such index or option.
        ConfigurationError: `db` is no database.
    """

    supports_filters = True
    supports_conditions = True
    checks_records = True
    id_policy = VectorIdPolicy.ANY

    def __init__(
        self,
        db: Database | AsyncDatabase,
        *,
        ensure_extension: bool = True,
        index: str | None = None,
        index_options: Mapping[str, int] | None = None,
    ) -> None:
        if not isinstance(db, Database | AsyncDatabase):
            raise ConfigurationError(f"{_NAME} needs a Database or an AsyncDatabase, got {type(db).__name__}")
        if not db.dialect.supports_vectors:
            raise ValueError(f"{_NAME} needs a database with PostgresDialect, not {type(db.dialect).__name__}")
        self.is_async = isinstance(db, AsyncDatabase)
        self._db: Any = db
        self._ensure_extension = ensure_extension
        self._index = VectorIndex.of(index, index_options)
        #: Collections that were there for everybody when they were looked for.
        self._known: dict[str, Collection] = {}

    def create_collection(self, name: str, dimension: int, metric: str = "cosine", *, overwrite: bool = False) -> Any:
        """Create a collection; with `overwrite` in the place of one that is there.

        Several processes at once don't collide, and in a transaction it is undone with that.

        Raises:
            CollectionExistsError: it is there, and `overwrite` is not set.
            ValueError: `name`, `dimension` or `metric` can't be.
            VectorError: there is no such schema; a table of this name is no collection.
            ConfigurationError: the database has no pgvector.
        """
        info = new_collection(name, dimension, metric)
        check_dimension(info.dimension, self._index)
        return self._start(self._create(name, info, overwrite))

    def describe_collection(self, name: str) -> Any:
        """Return a collection's dimension and metric, or `None` if it is not there."""
        return self._start(self._describe(name))

    def upsert(self, collection: str, records: Iterable[VectorRecord]) -> Any:
        """Write records, all or none; all are checked before, and of a repeated id the last one counts."""
        return self._start(self._upsert(collection, records))

    def query(
        self, collection: str, vector: Sequence[float], *, top_k: int = 10, filters: FilterInput | Filter = None
    ) -> Any:
        """Return the `top_k` nearest records, best first, equal ones by id."""
        return self._start(self._query(collection, vector, top_k, filters))

    def query_many(
        self,
        collection: str,
        vectors: Iterable[Sequence[float]],
        *,
        top_k: int = 10,
        filters: FilterInput | Filter = None,
    ) -> Any:
        """Answer many queries on one connection."""
        return self._start(self._query_many(collection, list(vectors), top_k, filters, "vector {}"))

    def fetch(self, collection: str, ids: Iterable[str] | None = None) -> Any:
        """Return the records of `ids` that are there, in that order; all of them in the order of their ids."""
        return self._start(self._fetch(collection, ids))

    def delete(self, collection: str, ids: Iterable[str]) -> Any:
        """Delete records; return how many were there."""
        return self._start(self._delete(collection, ids))

    def delete_where(self, collection: str, filters: FilterInput | Filter) -> Any:
        """Delete the records that match; return how many."""
        return self._start(self._at(collection, ops.delete, self._where(filters)))

    def count(self, collection: str, filters: FilterInput | Filter = None) -> Any:
        """Return how many records there are, or match."""
        return self._start(self._at(collection, ops.count, self._where(filters)))

    # --- the operations, which await nothing but the database ---

    async def _create(self, name: str, info: CollectionInfo, overwrite: bool) -> None:
        flags = {"overwrite": overwrite, "ensure_extension": self._ensure_extension}
        try:
            await self._run(ops.create, name, info.dimension, info.metric, self._index, **flags)
        finally:
            self._known.pop(name, None)

    async def _describe(self, name: str) -> CollectionInfo | None:
        found = await self._run(ops.describe, name)
        return None if found is None else CollectionInfo(found.dimension, found.metric)

    async def _upsert(self, collection: str, records: Iterable[VectorRecord]) -> None:
        listed = checked_records(records)
        ids = checked_ids(record.id for record in listed)
        checked_texts(ids)
        payloads = [payload_text(record.payload, _NAME) for record in listed]
        places = sorted(latest(ids), key=ids.__getitem__)

        async def write(known: Collection) -> None:
            vectors = [
                float32(record.vector, known.dimension, known.metric, f"the vector of record {place}")
                for place, record in enumerate(listed)
            ]
            if places:
                ordered = ([column[place] for place in places] for column in (ids, vectors, payloads))
                await self._run(ops.upsert, known, *ordered)

        await self._with(collection, write)

    async def _query(self, collection: str, vector: Any, top_k: int, filters: Any) -> Any:
        [found] = await self._query_many(collection, [vector], top_k, filters, "the vector")
        return found

    async def _query_many(self, collection: str, vectors: list[Any], top_k: int, filters: Any, subject: str) -> Any:
        wanted = min(checked_top_k(top_k), _MOST)
        where = self._where(filters)

        async def find(known: Collection) -> Any:
            asked: list[array[float]] = [
                float32(vector, known.dimension, known.metric, subject.format(place))
                for place, vector in enumerate(vectors)
            ]
            if wanted == 0 or not asked:
                return [[] for _ in asked]
            return await self._run(ops.query, known, self._index, asked, wanted, where)

        return await self._with(collection, find)

    async def _fetch(self, collection: str, ids: Iterable[str] | None) -> Any:
        return await self._at(collection, ops.fetch, None if ids is None else self._ids(ids))

    async def _delete(self, collection: str, ids: Iterable[str]) -> Any:
        return await self._at(collection, ops.delete, (BY_ID, [self._ids(ids)]))

    async def _at(self, collection: str, operation: Callable[..., Any], *args: Any) -> Any:
        """Run an operation on a collection."""

        async def work(known: Collection) -> Any:
            return await self._run(operation, known, *args)

        return await self._with(collection, work)

    async def _with(self, collection: str, work: Callable[[Collection], Awaitable[R]]) -> R:
        """Do work on a collection, as it is known; if that fails, look whether it is another one by now."""
        known = self._known.get(collection)
        if known is None:
            return await work(await self._look(collection))
        try:
            return await work(known)
        except _DOUBTFUL as error:
            self._known.pop(collection, None)
            now = await self._look(collection, error)
            if now == known:
                raise
        return await work(now)

    async def _look(self, collection: str, after: Exception | None = None) -> Collection:
        found: Collection
        found, is_lasting = await self._run(ops.look, collection, after)
        if is_lasting:
            self._known[collection] = found
        return found

    async def _run(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = self._db.run(operation, *args, **kwargs)
        return await result if self.is_async else result

    def _start(self, operation: Coroutine[Any, Any, Any]) -> Any:
        """Return what an operation returns, or the operation where it is awaited."""
        return operation if self.is_async else drive(operation)

    def _where(self, filters: FilterInput | Filter) -> tuple[str, list[Any]] | None:
        parsed = parse(filters, _NAME)
        return None if parsed is None else compiled(parsed, _NAME)

    def _ids(self, ids: Iterable[str]) -> list[str]:
        checked = checked_ids(ids)
        checked_texts(checked)
        return checked
