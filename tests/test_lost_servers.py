"""A server that goes down, on every driver."""

from __future__ import annotations

from tests.backends import POSTGRES_BACKENDS, Asyncmy, SyncMySQLClient, SyncPyMySQL, bind_all
from tests.contracts.lost_servers import FrozenServerContract, LostServerContract, LostSessionContract

bind_all(globals(), FrozenServerContract, LostServerContract, LostSessionContract, backends=POSTGRES_BACKENDS)
# What a loss does in worker threads those of PostgreSQL show; MariaDB takes its time to start again.
bind_all(globals(), LostServerContract, LostSessionContract, backends=(SyncPyMySQL, SyncMySQLClient, Asyncmy))
