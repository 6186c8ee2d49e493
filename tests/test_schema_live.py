"""Live schema (S3 and S4): the contracts on every backend, and what needs processes of its own."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from mini_orm import Database, ensure_schema
from tests.backends import Asyncmy, Asyncpg, SyncMySQLClient, SyncPsycopg, SyncPsycopg2, SyncPyMySQL, bind_all
from tests.contracts.schema_live import (
    AddedColumnContract,
    ConflictContract,
    EnsureContract,
    ForeignKeyContract,
    IndexContract,
    RecreateContract,
    Version1,
    Version2,
)
from tests.contracts.schema_live_mysql import (
    MySQLDefaultsContract,
    MySQLForeignKeysContract,
    MySQLIndexesContract,
    MySQLKeysContract,
    MySQLPlacesContract,
    MySQLTypesContract,
)
from tests.contracts.schema_live_postgres import (
    OwnDefaultsContract,
    OwnForeignKeysContract,
    OwnIndexesContract,
    OwnKeysContract,
    OwnPlacesContract,
    OwnRecreateContract,
    OwnTypesContract,
)

bind_all(
    globals(),
    EnsureContract,
    AddedColumnContract,
    IndexContract,
    ConflictContract,
    ForeignKeyContract,
    RecreateContract,
)

# The SQL is the dialect's; each driver reads the catalog's types in its own way.
bind_all(
    globals(),
    OwnTypesContract,
    OwnDefaultsContract,
    OwnKeysContract,
    OwnIndexesContract,
    OwnForeignKeysContract,
    OwnPlacesContract,
    OwnRecreateContract,
    backends=(SyncPsycopg, SyncPsycopg2, Asyncpg),
)
bind_all(
    globals(),
    MySQLTypesContract,
    MySQLDefaultsContract,
    MySQLKeysContract,
    MySQLIndexesContract,
    MySQLForeignKeysContract,
    MySQLPlacesContract,
    backends=(SyncPyMySQL, SyncMySQLClient, Asyncmy),
)

ROOT = Path(__file__).resolve().parent.parent

#: Brings the schema up to date as soon as it is told to, and says how many statements that took.
WORKER = """
import sys
import sqlite3
import mini_orm
from tests.contracts.schema import Customer, Purchase
from tests.contracts.schema_live import Version2

models = [Purchase, Version2, Customer]
print("ready", flush=True)
sys.stdin.readline()
if sys.argv[2] == "sync":
    with mini_orm.Database(sqlite3.connect(sys.argv[1])) as db:
        print(len(mini_orm.ensure_schema(db, models)))
else:
    import asyncio

    async def main():
        async with mini_orm.AsyncDatabase(sqlite3.connect(sys.argv[1])) as db:
            print(len(await mini_orm.ensure_schema_async(db, models)))

    asyncio.run(main())
"""


class LiveSchemaInProcesses(unittest.TestCase):
    """S3 across processes."""

    faces = "both"

    def test_processes_at_once_do_not_collide(self) -> None:
        """S3: four processes, of both faces, bring one file up to date at the same time; one of them does it."""
        with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
            path = Path(directory) / "shared.sqlite3"
            db = stack.enter_context(Database(sqlite3.connect(path)))
            ensure_schema(db, Version1)
            db.execute("INSERT INTO version (name) VALUES ('a')")
            workers = [
                stack.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-W", "error", "-c", WORKER, str(path), face],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        text=True,
                        cwd=ROOT,
                    )
                )
                for face in ("sync", "async", "sync", "async")
            ]
            for worker in workers:
                assert worker.stdout is not None
                self.assertEqual(worker.stdout.readline(), "ready\n")
            for worker in workers:
                assert worker.stdin is not None
                worker.stdin.write("go\n")
                worker.stdin.flush()
            counts = []
            for worker in workers:
                output, errors = worker.communicate(timeout=60)
                self.assertEqual((worker.returncode, errors), (0, ""))
                counts.append(int(output))
            self.assertEqual(sorted(counts)[:3], [0, 0, 0])
            self.assertGreater(max(counts), 5)
            self.assertEqual(ensure_schema(db, Version2), [])
            rows = db.fetchall("SELECT name, size, note FROM version")
            self.assertEqual([dict(row) for row in rows], [{"name": "a", "size": 7, "note": None}])
