"""Which backends there are, by the database that they speak to."""

from __future__ import annotations

from tests.backends.base import Backend
from tests.backends.mysql_drivers import Asyncmy, SyncMySQLClient, SyncPyMySQL, WorkerMySQLClient, WorkerPyMySQL
from tests.backends.pooled import (
    PooledAiosqlite,
    PooledAsyncpg,
    PooledPsycopg,
    PooledSqlite3,
    PooledWorkerSqlite3,
)
from tests.backends.postgres_drivers import (
    Asyncpg,
    AsyncPsycopg,
    SyncPsycopg,
    SyncPsycopg2,
    WorkerPsycopg,
    WorkerPsycopg2,
)
from tests.backends.sqlite import Aiosqlite, InlineSqlite3, SyncSqlite3, WorkerSqlite3

SQLITE_BACKENDS: tuple[type[Backend], ...] = (SyncSqlite3, WorkerSqlite3, InlineSqlite3, Aiosqlite)
POSTGRES_BACKENDS: tuple[type[Backend], ...] = (
    SyncPsycopg,
    WorkerPsycopg,
    SyncPsycopg2,
    WorkerPsycopg2,
    AsyncPsycopg,
    Asyncpg,
)
MYSQL_BACKENDS: tuple[type[Backend], ...] = (SyncPyMySQL, WorkerPyMySQL, SyncMySQLClient, WorkerMySQLClient, Asyncmy)
BACKENDS: tuple[type[Backend], ...] = (*SQLITE_BACKENDS, *POSTGRES_BACKENDS, *MYSQL_BACKENDS)
POOLED_BACKENDS: tuple[type[Backend], ...] = (
    PooledSqlite3,
    PooledWorkerSqlite3,
    PooledAiosqlite,
    PooledPsycopg,
    PooledAsyncpg,
)
