"""Callers that get in each other's way, are cancelled or interrupted, on every driver of a server."""

from __future__ import annotations

import contextlib
import signal
import tempfile
import threading
import time
import unittest
from collections.abc import Callable
from typing import Any

from mini_orm import C, Database, Repository, apply_schema
from tests import servers
from tests.backends import POSTGRES_BACKENDS, Backend, SyncPsycopg, bind_all
from tests.contracts.contention import AbortedContract, ConflictContract, ExhaustionContract, RaceContract
from tests.contracts.server_cancellation import CancelledCallsContract, CancelledStatementsContract
from tests.contracts.server_sessions import InterruptedContract, PreparedContract
from tests.contracts.transactions import LIMIT, Account, quiet_log

bind_all(
    globals(),
    AbortedContract,
    CancelledCallsContract,
    CancelledStatementsContract,
    ConflictContract,
    ExhaustionContract,
    InterruptedContract,
    PreparedContract,
    RaceContract,
    backends=POSTGRES_BACKENDS,
)


@unittest.skipIf(servers.postgres() is None, servers.reason("postgres"))
class CtrlC(unittest.TestCase):
    """X1: Ctrl-C while the sync face waits for the server. unittest's event loop would take the signal for itself."""

    backend_class: type[Backend] = SyncPsycopg

    def setUp(self) -> None:
        self.enterContext(quiet_log())
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="mini_orm_test_"))
        self.backend = self.backend_class(directory)
        self.addCleanup(self.backend.close)
        self.pool = self.backend.pool(max_size=2)
        self.addCleanup(self.pool.close)
        self.db = Database(self.pool)
        apply_schema(self.db, Account)
        self.look = self.enterContext(contextlib.closing(self.backend.raw()))
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))

    def add(self, db: Any, owner: str) -> None:
        Repository(db, Account).insert(Account(owner=owner))

    def interrupted(self, work: Callable[[], Any]) -> None:
        """Run `work`, with Ctrl-C as soon as it waits for a lock that somebody else has."""
        thread = threading.Thread(target=self.press_when_blocked, args=(threading.get_ident(),))
        with contextlib.closing(self.backend.raw()) as holder:
            holder.execute("BEGIN")
            holder.execute("UPDATE account SET balance = 1 WHERE owner = 'held'")
            thread.start()
            with self.assertRaises(KeyboardInterrupt):
                work()
            thread.join()
            holder.execute("ROLLBACK")

    def press_when_blocked(self, main: int) -> None:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        deadline = time.monotonic() + LIMIT
        with contextlib.closing(self.backend.raw()) as conn:
            while time.monotonic() < deadline and not conn.execute(sql).fetchone()[0]:
                threading.Event().wait(0.001)
        signal.pthread_kill(main, signal.SIGINT)

    def test_while_the_server_works(self) -> None:
        """X1 P2: the statement ends in the server, what came before is undone, and no place is lost."""
        self.add(self.db, "held")
        held = C.eq("owner", "held")

        def block() -> None:
            with self.db.transaction() as tx:
                self.add(tx, "gone")
                Repository(tx, Account).update_where({"balance": 2}, where=held)

        def savepoint() -> None:
            with self.db.transaction() as tx, tx.transaction() as inner:
                self.add(inner, "gone")
                Repository(inner, Account).delete_where(where=held)

        works = {
            "operation": lambda: Repository(self.db, Account).update_where({"balance": 2}, where=held),
            "transaction": block,
            "savepoint": savepoint,
            "run_in_transaction": lambda: self.db.run_in_transaction(lambda tx: tx.execute("DELETE FROM account")),
            "raw SQL": lambda: self.db.execute("DELETE FROM account"),
        }
        for number, (name, work) in enumerate(works.items()):
            with self.subTest(name):
                self.interrupted(work)
                self.assertEqual(self.pool.stats().in_use, 0)
                sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
                self.assertEqual(self.look.execute(sql).fetchone(), (1,))  # the one that asks
                self.add(self.db, f"served {number}")
        owners = [owner for (owner,) in self.look.execute("SELECT owner FROM account ORDER BY id").fetchall()]
        self.assertEqual(owners, ["held", *(f"served {number}" for number in range(len(works)))])
        self.assertEqual(self.pool.stats().lost, 0)
