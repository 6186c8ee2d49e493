"""The same backends on pools of several connections."""

from __future__ import annotations

from typing import Any

import mini_orm
from tests.backends.base import Backend, maybe_await
from tests.backends.postgres_drivers import Asyncpg, SyncPsycopg
from tests.backends.sqlite import Aiosqlite, SyncSqlite3, WorkerSqlite3


class PooledDatabase(mini_orm.Database):
    """A `Database` on a pool of its own. `conn` is the connection that the next call will be on."""

    @property
    def conn(self) -> Any:
        return super().conn or self._source._idle[-1].conn  # type: ignore[union-attr]  # it is a pool

    def close(self, *, close_pool: bool = True) -> None:
        super().close(close_pool=close_pool)


class AsyncPooledDatabase(mini_orm.AsyncDatabase):
    """Async twin of `PooledDatabase`."""

    @property
    def conn(self) -> Any:
        return super().conn or self._source._idle[-1].conn  # type: ignore[union-attr]  # it is a pool

    async def aclose(self, *, close_pool: bool = True) -> None:
        await super().aclose(close_pool=close_pool)


class Pooled(Backend):
    """The same contracts on a pool of several connections; mixed into a backend."""

    def amount(self, full: int, short: int) -> int:
        return short  # the full amount is done on a connection

    async def open(self, **options: Any) -> Any:
        pool = self.pool(max_size=4, **options)
        await maybe_await(pool.release(await maybe_await(pool.acquire())))
        return PooledDatabase(pool) if self.face == "sync" else AsyncPooledDatabase(pool)


class PooledSqlite3(Pooled, SyncSqlite3):
    """`Database` over a pool of sqlite3 connections."""

    name = "sqlite3-pool"


class PooledWorkerSqlite3(Pooled, WorkerSqlite3):
    """`AsyncDatabase` over a pool of sqlite3 connections, whose operations run in worker threads."""

    name = "sqlite3-worker-pool"


class PooledAiosqlite(Pooled, Aiosqlite):
    """`AsyncDatabase` over a pool of aiosqlite connections."""

    name = "aiosqlite-pool"


class PooledPsycopg(Pooled, SyncPsycopg):
    """`Database` over a pool of psycopg connections."""

    name = "psycopg-pool"


class PooledAsyncpg(Pooled, Asyncpg):
    """`AsyncDatabase` over a pool of asyncpg connections."""

    name = "asyncpg-pool"
    is_first = True
