"""Bulk inserts: the contract of `tests/contracts/bulk.py` on every backend, and what is one database's own."""

from __future__ import annotations

from tests.backends import MYSQL_BACKENDS, POSTGRES_BACKENDS, AsyncPsycopg, SyncPsycopg, WorkerPsycopg, bind_all
from tests.contracts.bulk import InsertManyContract
from tests.contracts.bulk_load import InsertRowsContract
from tests.contracts.bulk_mysql import CountedKeysContract
from tests.contracts.bulk_postgres import CopyContract, GivenKeysContract, PipelineContract

bind_all(globals(), InsertManyContract, InsertRowsContract)
bind_all(globals(), CountedKeysContract, backends=MYSQL_BACKENDS)
bind_all(globals(), CopyContract, GivenKeysContract, backends=POSTGRES_BACKENDS)
bind_all(globals(), PipelineContract, backends=(SyncPsycopg, WorkerPsycopg, AsyncPsycopg))
