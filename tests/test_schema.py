"""Schema (S1 and S2): the contract on every backend, and what needs processes of its own."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from tests.backends import bind_all
from tests.contracts.schema import SchemaContract
from tests.contracts.schema_commits import CommittedSchemaContract

bind_all(globals(), SchemaContract, CommittedSchemaContract)

ROOT = Path(__file__).resolve().parent.parent

#: Makes the schema again and again: whoever comes first makes it, the others find it.
WORKER = """
import sys
import sqlite3
import mini_orm
from tests.contracts.schema import Customer, Folder, Line, Purchase

models = [Line, Folder, Purchase, Customer]
print("ready", flush=True)
sys.stdin.readline()
if sys.argv[2] == "sync":
    with mini_orm.Database(sqlite3.connect(sys.argv[1])) as db:
        mini_orm.apply_schema(db, models, if_not_exists=True)
else:
    import asyncio

    async def main():
        async with mini_orm.AsyncDatabase(sqlite3.connect(sys.argv[1])) as db:
            await mini_orm.apply_schema_async(db, models, if_not_exists=True)

    asyncio.run(main())
"""


class SchemaInProcesses(unittest.TestCase):
    """S1 across processes."""

    faces = "both"

    def test_processes_at_once_do_not_collide(self) -> None:
        """S1: four processes, of both faces, make one schema in one file at the same time."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "shared.sqlite3"
            with contextlib.ExitStack() as stack:
                workers = []
                for face in ("sync", "async", "sync", "async"):
                    worker = subprocess.Popen(
                        [sys.executable, "-W", "error", "-c", WORKER, str(path), face],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        text=True,
                        cwd=ROOT,
                    )
                    workers.append(stack.enter_context(worker))
                for worker in workers:
                    assert worker.stdout is not None
                    self.assertEqual(worker.stdout.readline(), "ready\n")
                for worker in workers:
                    assert worker.stdin is not None
                    worker.stdin.write("go\n")
                    worker.stdin.flush()
                for worker in workers:
                    _, errors = worker.communicate(timeout=60)
                    self.assertEqual((worker.returncode, errors), (0, ""))
            with contextlib.closing(sqlite3.connect(path)) as conn:
                tables = conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
            self.assertEqual([name for (name,) in tables], ["customer", "folder", "line", "purchase"])
