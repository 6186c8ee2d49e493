"""The backends that every contract runs on, and the case that makes both faces read alike."""

from __future__ import annotations

from tests.backends.base import Backend, maybe_await
from tests.backends.cases import ContractCase, Handle, bind, bind_all, needs, where_there_is_a_server
from tests.backends.families import BACKENDS, MYSQL_BACKENDS, POOLED_BACKENDS, POSTGRES_BACKENDS, SQLITE_BACKENDS
from tests.backends.mysql_drivers import Asyncmy, SyncMySQLClient, SyncPyMySQL, WorkerMySQLClient, WorkerPyMySQL
from tests.backends.postgres_drivers import (
    Asyncpg,
    AsyncPsycopg,
    SyncPsycopg,
    SyncPsycopg2,
    WorkerPsycopg,
    WorkerPsycopg2,
)
from tests.backends.sqlite import Aiosqlite, InlineSqlite3, SyncSqlite3, WorkerSqlite3, counted_sqlite3

__all__ = [
    "BACKENDS",
    "MYSQL_BACKENDS",
    "POOLED_BACKENDS",
    "POSTGRES_BACKENDS",
    "SQLITE_BACKENDS",
    "Aiosqlite",
    "AsyncPsycopg",
    "Asyncmy",
    "Asyncpg",
    "Backend",
    "ContractCase",
    "Handle",
    "InlineSqlite3",
    "SyncMySQLClient",
    "SyncPsycopg",
    "SyncPsycopg2",
    "SyncPyMySQL",
    "SyncSqlite3",
    "WorkerMySQLClient",
    "WorkerPsycopg",
    "WorkerPsycopg2",
    "WorkerPyMySQL",
    "WorkerSqlite3",
    "bind",
    "bind_all",
    "counted_sqlite3",
    "maybe_await",
    "needs",
    "where_there_is_a_server",
]
