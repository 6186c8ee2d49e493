"""The health of pools on every backend; Ctrl-C where connections are asked before they are used."""

from __future__ import annotations

import sqlite3

from mini_orm import Database, PoolConnector, Repository
from tests import test_pool
from tests.backends import SQLITE_BACKENDS, Aiosqlite, SyncSqlite3, bind_all
from tests.contracts.pool_health import (
    PoolAgeContract,
    PoolLostContract,
    PoolPingCancellationContract,
    PoolPingContract,
    PoolStatsContract,
)
from tests.contracts.pool_health_server import MySQLHealthContract, ServerHealthContract
from tests.contracts.transactions import Account

bind_all(
    globals(),
    PoolPingContract,
    PoolPingCancellationContract,
    PoolLostContract,
    PoolAgeContract,
    PoolStatsContract,
    backends=SQLITE_BACKENDS,
)
# They start a server of its own, and connect by URLs: the backend is but the face.
bind_all(globals(), ServerHealthContract, MySQLHealthContract, backends=(SyncSqlite3, Aiosqlite))


class InterruptedPings(test_pool.InterruptedPool):
    """P6 X7: Ctrl-C anywhere, where each connection is asked before its use."""

    def reopen(self) -> None:
        self.pool = self.conn = PoolConnector(
            sqlite3.connect, self.path, max_size=2, check_same_thread=False, pre_ping=True, max_idle=3600
        )
        self.addCleanup(self.pool.close)
        self.db = Database(self.pool)
        self.repo = Repository(self.db, Account)
