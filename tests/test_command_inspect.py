"""Models from a database (K1), on one driver of each kind."""

from __future__ import annotations

from tests.backends import (
    Asyncmy,
    Asyncpg,
    SyncMySQLClient,
    SyncPsycopg,
    SyncPsycopg2,
    SyncPyMySQL,
    SyncSqlite3,
    WorkerSqlite3,
    bind_all,
)
from tests.contracts.command import InspectContract

# The SQL is the dialect's; each driver reads the catalog's types in its own way.
bind_all(
    globals(),
    InspectContract,
    backends=(
        *(SyncSqlite3, WorkerSqlite3),
        *(SyncPsycopg, SyncPsycopg2, Asyncpg),
        *(SyncPyMySQL, SyncMySQLClient, Asyncmy),
    ),
)
