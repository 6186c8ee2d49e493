"""A long mixed load: threads on one pool, tasks on another, both in one process and one database.

    python -m tests.soak [--db sqlite] [--driver aiosqlite]
                         [--operations 20000] [--threads 16] [--tasks 50] [--pool 8] [--seed 0]

Every worker writes rows of its own and keeps a ledger of them. At the end the table equals the ledgers, shared
counters equal the committed increments, each pool can hand out all of its connections, clean, and had no more open at
any time, and nothing stays open. Exit code 1, and the problems, if anything differs. The order of what the workers do
follows the seed; how they meet does not. Where deadlocks are nobody's fault (MariaDB, MySQL), what one has undone is
done again. A server is the one that the variables name, or is started for the run, as for the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import contextlib
import faulthandler
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from mini_orm import AsyncDatabase, Database
from tests import servers
from tests.backends import maybe_await
from tests.soak_databases import DATABASES, Side
from tests.soak_worker import PAIR, Entry, Progress, Worker, drive

#: Seconds without any progress after which the run counts as stuck.
PATIENCE = 60.0


class Soak:
    """One run: the pools, the workers, and what was wrong."""

    def __init__(self, directory: str, options: argparse.Namespace, *, shown: bool = False) -> None:
        self.database = DATABASES[options.db](directory, options.driver)
        self.options = options
        self.progress = Progress(options.operations, shown=shown)
        self.problems: list[str] = []
        self.workers: list[Worker] = []

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
        side = self.database.sides["threads"]
        pool = side.pool(self.options.pool)
        db = Database(pool)
        threads = []
        for number in range(self.options.threads):
            worker = Worker(f"thread {number}", db, pool, self.options.seed, side)
            self.workers.append(worker)
            work = self._work(worker, self._share(number))
            threads.append(threading.Thread(target=drive, args=(work,), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        conns = [pool.acquire(timeout=0) for _ in range(self.options.pool)]
        self._look_at(conns, side)
        for conn in conns:
            pool.release(conn)
        db.close(close_pool=True)

    def _tasks(self) -> None:
        asyncio.run(self._run_tasks())

    async def _run_tasks(self) -> None:
        side = self.database.sides["tasks"]
        pool = side.pool(self.options.pool)
        db = AsyncDatabase(pool)
        workers = [Worker(f"task {number}", db, pool, self.options.seed, side) for number in range(self.options.tasks)]
        self.workers += workers
        first = self.options.threads
        await asyncio.gather(*[self._work(worker, self._share(first + n)) for n, worker in enumerate(workers)])
        conns = [await maybe_await(pool.acquire(timeout=0)) for _ in range(self.options.pool)]
        self._look_at(conns, side)
        for conn in conns:
            await maybe_await(pool.release(conn))
        await db.aclose(close_pool=True)

    def _look_at(self, conns: Sequence[Any], side: Side) -> None:
        if any(side.backend.in_transaction(conn) for conn in conns):
            self.problems.append(f"{side.backend.name}: a connection of the pool is in a transaction")
        if len({id(conn) for conn in conns}) != self.options.pool:
            self.problems.append(f"{side.backend.name}: the pool gave a connection twice")

    def verify(self) -> None:
        """Compare the table with the ledgers, and count the connections."""
        with contextlib.closing(self.database.raw()) as conn:
            rows = conn.execute("SELECT worker, place, value, text, id FROM entries").fetchall()
            counters = dict(conn.execute("SELECT name, value FROM shared").fetchall())
        self.problems += self._differences(rows)
        for name in ("all", *PAIR):
            increments = sum(worker.increments[name] for worker in self.workers)
            if counters.get(name) != increments:
                self.problems.append(
                    f"the shared counter {name} is {counters.get(name)}, and {increments} increments were committed"
                )
        if (damage := self.database.damage()) is not None:
            self.problems.append(damage)
        if self.progress.total != self.options.operations:
            self.problems.append(f"{self.progress.total} of {self.options.operations} operations were done")
        if left_open := self.database.left_open():
            self.problems.append(f"{left_open} connections were left open")
        for name, side in self.database.sides.items():
            if side.open:
                self.problems.append(f"{name}: the pool counts {side.open} connections that are not closed")
            if side.most > self.options.pool:
                self.problems.append(f"{name}: {side.most} connections were open at once")

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


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--operations", type=int, default=20_000, help="of all workers together (default %(default)s)")
    made.add_argument("--threads", type=int, default=16, help="workers on the sync face (default %(default)s)")
    made.add_argument("--tasks", type=int, default=50, help="workers on the async face (default %(default)s)")
    made.add_argument("--pool", type=int, default=8, help="connections of each pool (default %(default)s)")
    made.add_argument("--seed", type=int, default=0, help="of the workers' choices (default %(default)s)")
    made.add_argument("--db", choices=[*DATABASES], default="sqlite", help="(default %(default)s)")
    named = "; ".join(f"{name}: {', '.join(database.drivers)}" for name, database in DATABASES.items())
    made.add_argument("--driver", help=f"of the async face ({named}; default: the first)")
    return made


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; a driver is one of its database's."""
    made = parser()
    options = made.parse_args(arguments)
    drivers = DATABASES[options.db].drivers
    options.driver = options.driver or drivers[0]
    if options.driver not in drivers:
        made.error(f"--driver of {options.db} is one of {', '.join(drivers)}")
    return options


def provide_server(name: str) -> None:
    """Have a server until the process ends, if the run needs one."""
    if name in servers.SERVERS:
        stack = contextlib.ExitStack()
        os.environ.update(stack.enter_context(servers.provide([name])))
        atexit.register(stack.close)  # what the backends register later is done before it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; return its exit code."""
    options = parsed(arguments)
    logging.getLogger("mini_orm").addHandler(logging.NullHandler())  # what is left open on purpose is logged
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mini_orm_soak_", ignore_cleanup_errors=True) as directory:
        soak = Soak(directory, options, shown=True)
        try:
            soak.run()
        finally:
            soak.database.close()
    seconds = time.monotonic() - started
    print(f"{soak.progress.total} operations in {seconds:.1f} s, seed {options.seed}, {options.driver}")
    print(", ".join(f"{kind} {many}" for kind, many in sorted(soak.progress.done.items())))
    if conflicts := sum(worker.conflicts for worker in soak.workers):
        print(f"{conflicts} times the database undid one of several transactions, and it was done again")
    for name, side in soak.database.sides.items():
        print(f"{name}: {side.opened} connections of {side.backend.name} opened, {side.most} at once at most")
    for problem in soak.problems[:50]:
        print(f"PROBLEM: {problem}")
    print("nothing lost, nothing mixed, nothing left open" if not soak.problems else f"{len(soak.problems)} problems")
    return 1 if soak.problems else 0


if __name__ == "__main__":
    provide_server(parsed(None).db)
    sys.exit(main())
