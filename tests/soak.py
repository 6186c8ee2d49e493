"""A long mixed load: threads on one pool, tasks on another, both in one process and one WAL file.

    python -m tests.soak [--operations 20000] [--threads 16] [--tasks 50] [--pool 8] [--seed 0] [--driver aiosqlite]

Every worker writes rows of its own and keeps a ledger of them. At the end the table equals the ledgers, a shared
counter equals the committed increments, each pool can hand out all of its connections, clean, and had no more open at
any time, and nothing stays open. Exit code 1, and the problems, if anything differs. The order of what the workers do
follows the seed; how they meet does not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import logging
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiosqlite

from mini_orm import AsyncDatabase, Database, PoolConnector, Repository, apply_schema
from tests.backends import maybe_await
from tests.contracts.pool_tools import Connections
from tests.soak_worker import Entry, Progress, Shared, Worker, drive

#: Seconds without any progress after which the run counts as stuck.
PATIENCE = 60.0
#: Seconds that a connection waits for another one's lock.
TIMEOUT = 120.0


class Soak:
    """One run: the pools, the workers, and what was wrong."""

    def __init__(self, directory: str, options: argparse.Namespace, *, shown: bool = False) -> None:
        self.path = Path(directory) / "soak.sqlite3"
        self.options = options
        self.progress = Progress(options.operations, shown=shown)
        self.problems: list[str] = []
        self.workers: list[Worker] = []
        self.connections = {"threads": Connections(), "tasks": Connections()}
        for connections in self.connections.values():
            connections.prepare = prepare
        with Database(sqlite3.connect(self.path)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            apply_schema(db, [Entry, Shared])
            Repository(db, Shared).insert(Shared("all"))

    def run(self) -> None:
        """Let all workers do their share, and look at what they left."""
        sync_side = [
            threading.Thread(target=self._guarded, args=(work,), daemon=True) for work in (self._threads, self._tasks)
        ]
        for thread in sync_side:
            thread.start()
        while any(thread.is_alive() for thread in sync_side):
            sync_side[0].join(0.1)
            sync_side[1].join(0.1)
            if time.monotonic() - self.progress.latest > PATIENCE:
                faulthandler.dump_traceback()
                self.problems.append(f"nothing happened for {PATIENCE} seconds")
                return
        self.verify()

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except Exception as error:
            self.problems.append(f"{work.__name__}: {type(error).__name__}: {error}")

    def _share(self, number: int) -> int:
        """Return how many operations a worker does."""
        many = self.options.threads + self.options.tasks
        share, left = divmod(self.options.operations, many)
        return int(share + (number < left))

    async def _work(self, worker: Worker, operations: int) -> None:
        try:
            await worker.run(operations, self.progress)
        except Exception as error:
            self.problems.append(f"{worker.name}: {type(error).__name__}: {error}")

    def _threads(self) -> None:
        pool = PoolConnector(
            sqlite3.connect,
            self.path,
            check_same_thread=False,
            timeout=TIMEOUT,
            factory=self.connections["threads"].factory,
            max_size=self.options.pool,
        )
        db = Database(pool)
        threads = []
        for number in range(self.options.threads):
            worker = Worker(f"thread {number}", db, pool, self.options.seed, is_async=False)
            self.workers.append(worker)
            work = self._work(worker, self._share(number))
            threads.append(threading.Thread(target=drive, args=(work,), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        conns = [pool.acquire(timeout=0) for _ in range(self.options.pool)]
        self._look_at(conns, "threads")
        for conn in conns:
            pool.release(conn)
        db.close(close_pool=True)

    def _tasks(self) -> None:
        asyncio.run(self._run_tasks())

    async def _run_tasks(self) -> None:
        connect: Any = aiosqlite.connect
        options: dict[str, Any] = {"timeout": TIMEOUT, "factory": self.connections["tasks"].factory}
        if self.options.driver == "sqlite3":
            connect, options["check_same_thread"] = sqlite3.connect, False
        pool = PoolConnector(connect, self.path, max_size=self.options.pool, **options)
        db = AsyncDatabase(pool)
        awaits = self.options.driver != "sqlite3"
        workers = [
            Worker(f"task {number}", db, pool, self.options.seed, is_async=True, awaits=awaits)
            for number in range(self.options.tasks)
        ]
        self.workers += workers
        first = self.options.threads
        await asyncio.gather(*[self._work(worker, self._share(first + n)) for n, worker in enumerate(workers)])
        conns = [await maybe_await(pool.acquire(timeout=0)) for _ in range(self.options.pool)]
        self._look_at(conns, "tasks")
        for conn in conns:
            await maybe_await(pool.release(conn))
        await db.aclose(close_pool=True)

    def _look_at(self, conns: Sequence[Any], side: str) -> None:
        if any(conn.in_transaction for conn in conns):
            self.problems.append(f"{side}: a connection of the pool is in a transaction")
        if len({id(conn) for conn in conns}) != self.options.pool:
            self.problems.append(f"{side}: the pool gave a connection twice")

    def verify(self) -> None:
        """Compare the table with the ledgers, and count the connections."""
        with contextlib.closing(sqlite3.connect(self.path)) as conn:
            rows = conn.execute("SELECT worker, place, value, text, id FROM entries").fetchall()
            (shared,) = conn.execute("SELECT value FROM shared").fetchone()
            (state,) = conn.execute("PRAGMA integrity_check").fetchone()
        self.problems += self._differences(rows)
        increments = sum(worker.increments for worker in self.workers)
        if shared != increments:
            self.problems.append(f"the shared counter is {shared}, and {increments} increments were committed")
        if state != "ok":
            self.problems.append("the file is damaged")
        if self.progress.total != self.options.operations:
            self.problems.append(f"{self.progress.total} of {self.options.operations} operations were done")
        for side, connections in self.connections.items():
            if connections.open:
                self.problems.append(f"{side}: {connections.open} connections were left open")
            if connections.most > self.options.pool:
                self.problems.append(f"{side}: {connections.most} connections were open at once")

    def _differences(self, rows: list[Any]) -> Iterator[str]:
        found = {(row[0], row[1]): Entry(*row) for row in rows}
        expected = {(worker.name, place): entry for worker in self.workers for place, entry in worker.ledger.items()}
        for (name, place), entry in expected.items():
            if (name, place) not in found:
                yield f"{name} lost place {place}"
            elif found[name, place] != entry:
                yield f"{name} finds something else in place {place}"
        for name, place in found.keys() - expected.keys():
            yield f"{name} has a row in place {place} that it did not keep"


def prepare(conn: sqlite3.Connection) -> None:
    """Spare the disk: this is about what processes see of each other, and not about power cuts."""
    conn.execute("PRAGMA synchronous = OFF")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--operations", type=int, default=20_000, help="of all workers together (default %(default)s)")
    made.add_argument("--threads", type=int, default=16, help="workers on the sync face (default %(default)s)")
    made.add_argument("--tasks", type=int, default=50, help="workers on the async face (default %(default)s)")
    made.add_argument("--pool", type=int, default=8, help="connections of each pool (default %(default)s)")
    made.add_argument("--seed", type=int, default=0, help="of the workers' choices (default %(default)s)")
    made.add_argument("--driver", choices=("aiosqlite", "sqlite3"), default="aiosqlite", help="of the async face")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; return its exit code."""
    options = parser().parse_args(arguments)
    logging.getLogger("mini_orm").addHandler(logging.NullHandler())  # what is left open on purpose is logged
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mini_orm_soak_", ignore_cleanup_errors=True) as directory:
        soak = Soak(directory, options, shown=True)
        soak.run()
    seconds = time.monotonic() - started
    print(f"{soak.progress.total} operations in {seconds:.1f} s, seed {options.seed}, {options.driver}")
    print(", ".join(f"{kind} {many}" for kind, many in sorted(soak.progress.done.items())))
    for side, connections in soak.connections.items():
        print(f"{side}: {len(connections.opened)} connections opened, {connections.most} at once at most")
    for problem in soak.problems[:50]:
        print(f"PROBLEM: {problem}")
    print("nothing lost, nothing mixed, nothing left open" if not soak.problems else f"{len(soak.problems)} problems")
    return 1 if soak.problems else 0


if __name__ == "__main__":
    sys.exit(main())
