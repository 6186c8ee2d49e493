"""The store on pgvector, over each driver of PostgreSQL and on each face."""

from __future__ import annotations

import functools
from typing import Any

from mini_orm import AsyncDatabase, PgVectorStore
from tests.backends import Asyncpg, AsyncPsycopg, SyncPsycopg, SyncPsycopg2, WorkerPsycopg, maybe_await
from tests.backends.postgres import PostgresBackend, _server_connection
from tests.vector_backends.base import VectorBackend


class PgVectorPsycopg(VectorBackend):
    """`Database` over psycopg. Collections are in a schema of the test's own, and the extension is in another one."""

    name, face, server = "pgvector, psycopg", "sync", "postgres"
    is_in_memory = False
    congruence_examples = 8
    driver: type[PostgresBackend] = SyncPsycopg
    options: dict[str, Any] = {}

    async def store(self) -> Any:
        ensure_extension()
        self.database = self.driver("")
        self.db = await self.open()
        return PgVectorStore(self.db, **self.options)

    async def open(self) -> Any:
        return await self.database.open()

    async def shut(self, db: Any) -> None:
        """Close a database of the test's, and its pool."""
        await maybe_await(db.close(close_pool=True) if self.face == "sync" else db.aclose(close_pool=True))

    async def close(self) -> None:
        await self.shut(self.db)
        self.database.close()


class PgVectorPsycopg2(PgVectorPsycopg):
    name, driver, is_first = "pgvector, psycopg2", SyncPsycopg2, False


class PgVectorWorker(PgVectorPsycopg):
    """`AsyncDatabase` over a connection that blocks."""

    name, face, driver, is_first = "pgvector, psycopg in a thread", "async", WorkerPsycopg, False


class PgVectorAsyncPsycopg(PgVectorPsycopg):
    name, face, driver, is_first = "pgvector, psycopg awaited", "async", AsyncPsycopg, False


class PgVectorAsyncpg(PgVectorPsycopg):
    name, face, driver = "pgvector, asyncpg", "async", Asyncpg


class PgVectorHnsw(PgVectorPsycopg):
    """With an index, whose answers are as long as those of an exact search."""

    name, is_first = "pgvector, HNSW", False
    options = {"index": "hnsw"}


class PgVectorPool(PgVectorAsyncpg):
    """Each call on whichever connection is free."""

    name, is_first = "pgvector, asyncpg in a pool", False

    async def open(self) -> Any:
        return AsyncDatabase(self.database.pool(max_size=2))


#: What differs from driver to driver is how values travel: these two run all contracts, a driver a face.
PGVECTOR_BACKENDS: tuple[type[PgVectorPsycopg], ...] = (PgVectorPsycopg, PgVectorAsyncpg)
#: These run what writes and reads, and the random calls.
PGVECTOR_DRIVERS: tuple[type[PgVectorPsycopg], ...] = (PgVectorPsycopg2, PgVectorWorker, PgVectorAsyncPsycopg)


@functools.cache
def ensure_extension() -> None:
    """Make the extension once, where no test has it on its search path."""
    conn = _server_connection()
    conn.execute("CREATE SCHEMA IF NOT EXISTS extensions")
    conn.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA extensions")
