"""`iterate`: the contracts of `tests/contracts/iterate.py` on every backend; generators that nobody ends."""

from __future__ import annotations

import gc
import sqlite3
import threading
import unittest
from collections.abc import Generator

from mini_orm import Database, PoolConnector, Repository, apply_schema
from tests.backends import MYSQL_BACKENDS, POOLED_BACKENDS, POSTGRES_BACKENDS, bind_all
from tests.contracts.iterate import (
    IterateAloneContract,
    IterateContract,
    IterateInTransactionContract,
    LostIterateContract,
    PoolIterateContract,
    Shelf,
)
from tests.contracts.transactions import quiet_log

bind_all(globals(), IterateContract, IterateAloneContract, IterateInTransactionContract, PoolIterateContract)
bind_all(globals(), IterateContract, IterateInTransactionContract, backends=POOLED_BACKENDS)
bind_all(globals(), LostIterateContract, backends=(*POSTGRES_BACKENDS, *MYSQL_BACKENDS))


class Cycle:
    """Refers to itself, so that only the collector ends what it has."""

    def __init__(self, iteration: Generator[Shelf]) -> None:
        self.iteration = iteration
        self.own = self


class CollectedIterations(unittest.TestCase):
    """X11: what the collector ends, in whatever thread it runs."""

    faces = "sync"

    def shelves(self, db: Database) -> Repository[Shelf]:
        apply_schema(db, Shelf)
        repo = Repository(db, Shelf)
        repo.insert_many(Shelf(str(n)) for n in range(9))
        return repo

    def collect_elsewhere(self) -> None:
        thread = threading.Thread(target=gc.collect)
        thread.start()
        thread.join()

    def test_in_another_thread(self) -> None:
        """X11: where that can't use the connection, its next use undoes what is open."""
        for shared in (False, True):
            with self.subTest(shared=shared), quiet_log():
                conn = sqlite3.connect(":memory:", check_same_thread=not shared)
                with Database(conn) as db:
                    repo = self.shelves(db)
                    cycle = Cycle(repo.iterate(batch_size=2))
                    next(cycle.iteration)
                    self.assertTrue(conn.in_transaction)
                    del cycle
                    self.collect_elsewhere()
                    self.assertIs(conn.in_transaction, not shared)
                    self.assertEqual(repo.count(), 9)
                    self.assertFalse(conn.in_transaction)

    def test_on_a_pool(self) -> None:
        """X11: the place comes back."""
        with PoolConnector(sqlite3.connect, "file:iterate?mode=memory&cache=shared", uri=True, max_size=1) as pool:
            repo = self.shelves(Database(pool))
            cycle = Cycle(repo.iterate(batch_size=2))
            next(cycle.iteration)
            del cycle
            gc.collect()
            self.assertEqual(pool.stats().in_use, 0)
            self.assertEqual(repo.count(), 9)

    def test_in_the_middle_of_a_call(self) -> None:
        """X11: one of a transaction that is busy in this very thread is left to the transaction's end."""
        with Database(sqlite3.connect(":memory:")) as db:
            repo = self.shelves(db)
            with db.transaction() as tx:
                cycle = Cycle(repo.iterate(batch_size=2))
                next(cycle.iteration)
                tx.conn.create_function("collect", 0, gc.collect)
                del cycle
                self.assertIsNotNone(tx.fetchone("SELECT collect() AS found"))
                self.assertEqual(repo.count(), 9)
            self.assertFalse(db.conn.in_transaction)
