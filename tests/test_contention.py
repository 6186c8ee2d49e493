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
from tests.backends import MYSQL_BACKENDS, POSTGRES_BACKENDS, SyncMySQLClient, SyncPsycopg, SyncPyMySQL, bind_all
from tests.contracts.contention import AbortedContract, ConflictContract, ExhaustionContract, RaceContract
from tests.contracts.ended_transactions import EndedTransactionContract, PacketContract
from tests.contracts.server_cancellation import (
    AwaitedStatementsContract,
    CancelledCallsContract,
    CancelledStatementsContract,
)
from tests.contracts.server_sessions import InterruptedContract, PreparedContract
from tests.contracts.transactions import LIMIT, Account, quiet_log

bind_all(
    globals(),
    AbortedContract,
    AwaitedStatementsContract,
    CancelledCallsContract,
    CancelledStatementsContract,
    ConflictContract,
    EndedTransactionContract,
    ExhaustionContract,
    InterruptedContract,
    PacketContract,
    PreparedContract,
    RaceContract,
    backends=(*POSTGRES_BACKENDS, *MYSQL_BACKENDS),
)


class CtrlCTools(unittest.TestCase):
    """Ctrl-C while the sync face waits for the server. unittest's event loop would take the signal for itself."""

    kind: Any  # of a server's backends
    faces = "sync"

    def setUp(self) -> None:
        self.enterContext(quiet_log())
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="mini_orm_test_"))
        self.backend = self.kind(directory)
        self.addCleanup(self.backend.close)
        self.pool = self.backend.pool(max_size=2)
        self.addCleanup(self.pool.close)
        self.db = Database(self.pool)
        apply_schema(self.db, Account)
        self.look = self.enterContext(contextlib.closing(self.backend.raw()))
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))

    def add(self, db: Any, owner: str) -> None:
        Repository(db, Account).insert(Account(owner=owner))

    def press_when_blocked(self, main: int) -> None:
        """Press Ctrl-C as soon as somebody waits for a lock."""
        deadline = time.monotonic() + LIMIT
        with contextlib.closing(self.backend.raw()) as conn:
            while time.monotonic() < deadline and not self.backend.blocked_sessions(conn):
                threading.Event().wait(0.001)
        signal.pthread_kill(main, signal.SIGINT)

    def works(self) -> dict[str, Callable[[], Any]]:
        """Return what waits for the row that is held."""
        held = C.eq("owner", "held")

        def block() -> None:
            with self.db.transaction() as tx:
                self.add(tx, "gone")
                Repository(tx, Account).update_where({"balance": 2}, where=held)

        def savepoint() -> None:
            with self.db.transaction() as tx, tx.transaction() as inner:
                self.add(inner, "gone")
                Repository(inner, Account).delete_where(where=held)

        return {
            "transaction": block,
            "savepoint": savepoint,
            "run_in_transaction": lambda: self.db.run_in_transaction(lambda tx: tx.execute("DELETE FROM account")),
        }

    def check_served(self, number: int) -> None:
        """Check that no place is lost, that nobody is in a transaction, and that the next caller is served."""
        self.assertEqual(self.pool.stats().in_use, 0)
        deadline = time.monotonic() + LIMIT
        while self.backend.open_sessions(self.look) and time.monotonic() < deadline:
            threading.Event().wait(0.001)
        self.assertEqual(self.backend.open_sessions(self.look), [])
        self.add(self.db, f"served {number}")

    def check_rows(self, served: int) -> None:
        owners = [owner for (owner,) in self.look.execute("SELECT owner FROM account ORDER BY id").fetchall()]
        self.assertEqual(owners, ["held", *(f"served {number}" for number in range(served))])


@unittest.skipIf(servers.postgres() is None, servers.reason("postgres"))
class CtrlC(CtrlCTools):
    """X1: the statement ends in the server."""

    kind = SyncPsycopg

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

    def test_while_the_server_works(self) -> None:
        """X1 P2: the statement ends in the server, what came before is undone, and no place is lost."""
        self.add(self.db, "held")
        works = {
            **self.works(),
            "operation": lambda: Repository(self.db, Account).delete_where(where=C.eq("owner", "held")),
            "raw SQL": lambda: self.db.execute("DELETE FROM account"),
        }
        for number, (name, work) in enumerate(works.items()):
            with self.subTest(name):
                self.interrupted(work)
                self.check_served(number)
        self.check_rows(len(works))
        self.assertEqual(self.pool.stats().lost, 0)


@unittest.skipIf(servers.mysql() is None, servers.reason("mysql"))
class CtrlCUnheard(CtrlCTools):
    """X1: the server goes on; what it does then is never committed."""

    kind = SyncPyMySQL

    def interrupted(self, work: Callable[[], Any]) -> None:
        """Run `work`, with Ctrl-C as soon as it waits for a lock, which is let go after that."""
        holder = self.enterContext(contextlib.closing(self.backend.raw()))
        holder.execute("BEGIN")
        holder.execute("UPDATE account SET balance = 1 WHERE owner = 'held'")

        def press(main: int) -> None:
            self.press_when_blocked(main)
            holder.execute("ROLLBACK")

        thread = threading.Thread(target=press, args=(threading.get_ident(),))
        thread.start()
        with self.assertRaises(KeyboardInterrupt):
            work()
        thread.join()

    def test_while_the_server_works(self) -> None:
        """X1 P2: what came before is undone, the connection is replaced, and no place is lost."""
        self.add(self.db, "held")
        works = self.works()
        for number, (name, work) in enumerate(works.items()):
            with self.subTest(name):
                self.interrupted(work)
                self.check_served(number)
        self.check_rows(len(works))


class CtrlCUnheardByMySQLClient(CtrlCUnheard):
    """The same of a package that hears of the signal when its statement is done."""

    kind = SyncMySQLClient
