"""Pools on every backend; other contracts on pooled databases; Ctrl-C at every point of the sync face of a pool."""

from __future__ import annotations

import contextlib
import contextvars
import gc
import signal
import sqlite3
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from mini_orm import Database, PoolConnector, PoolTimeout, Repository, apply_schema
from tests import test_faults
from tests.backends import POOLED_BACKENDS, bind_all
from tests.contracts.bulk import InsertManyContract
from tests.contracts.crud import AtomicContract, DeleteContract, GetContract, InsertContract, UpdateContract
from tests.contracts.get_or_create import GetOrCreateContract
from tests.contracts.pool import PoolArgumentsContract, PoolOpeningContract, PoolThreadCheckContract
from tests.contracts.pool_callers import (
    PoolBoundContract,
    PoolLoopContract,
    PoolModelCodeContract,
    PoolRaceContract,
    PoolTaskContract,
    PoolThreadContract,
)
from tests.contracts.pool_cancellation import PoolCancellationContract
from tests.contracts.pool_closing import PoolClosingContract, PoolReleaseContract
from tests.contracts.pool_databases import PoolDatabaseContract
from tests.contracts.pool_guards import PoolFailedRollbackContract, PoolGuardContract
from tests.contracts.pool_sessions import (
    PoolAwaitedHookContract,
    PoolBlockingHookContract,
    PoolHookContract,
    PoolResetContract,
)
from tests.contracts.pool_sharing import PoolSharingContract
from tests.contracts.pool_stuck import PoolHookCancellationContract, PoolInterruptContract
from tests.contracts.pool_waiting import PoolUseContract, PoolWaitingContract
from tests.contracts.queries import ConditionContract
from tests.contracts.query_changes import ChangeWhereContract, OrderAndPageContract
from tests.contracts.schema import SchemaContract
from tests.contracts.sharing import OverlapContract
from tests.contracts.transactions import (
    LIMIT,
    Account,
    AtomicityContract,
    LockingContract,
    LostTransactionContract,
    TransactionContract,
)

bind_all(
    globals(),
    PoolArgumentsContract,
    PoolOpeningContract,
    PoolThreadCheckContract,
    PoolBoundContract,
    PoolLoopContract,
    PoolModelCodeContract,
    PoolRaceContract,
    PoolTaskContract,
    PoolThreadContract,
    PoolCancellationContract,
    PoolClosingContract,
    PoolReleaseContract,
    PoolDatabaseContract,
    PoolFailedRollbackContract,
    PoolGuardContract,
    PoolAwaitedHookContract,
    PoolBlockingHookContract,
    PoolHookContract,
    PoolResetContract,
    PoolSharingContract,
    PoolHookCancellationContract,
    PoolInterruptContract,
    PoolUseContract,
    PoolWaitingContract,
)

# What holds on a connection holds on a pool.
bind_all(
    globals(),
    InsertContract,
    GetContract,
    UpdateContract,
    DeleteContract,
    AtomicContract,
    InsertManyContract,
    GetOrCreateContract,
    ConditionContract,
    ChangeWhereContract,
    OrderAndPageContract,
    TransactionContract,
    LostTransactionContract,
    AtomicityContract,
    LockingContract,
    OverlapContract,
    SchemaContract,
    backends=POOLED_BACKENDS,
)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the interrupt away from a part of the work."""
    interruption = sys.getprofile()
    sys.setprofile(None)
    try:
        yield
    finally:
        sys.setprofile(interruption)


class InterruptedPool(test_faults.InterruptedCase):
    """X1 X7 P2: Ctrl-C anywhere inside the sync face of a pool loses no connection and leaves none dirty."""

    conn: Any  # what the base closes after a failure: here, the pool

    def setUp(self) -> None:
        super().setUp()
        # A connection that an interrupt lost goes with its last reference.
        warnings.filterwarnings("ignore", "unclosed database", ResourceWarning)
        self.reopen()
        apply_schema(self.db, Account)

    def reopen(self) -> None:
        self.pool = self.conn = PoolConnector(sqlite3.connect, self.path, max_size=2, check_same_thread=False)
        self.addCleanup(self.pool.close)
        self.db = Database(self.pool)
        self.repo = Repository(self.db, Account)

    def usable(self) -> None:
        gc.collect()
        self.look.execute("PRAGMA busy_timeout = 0")
        self.look.execute("BEGIN IMMEDIATE")  # nobody has the file locked
        self.look.execute("ROLLBACK")
        conns: list[Any] = []
        try:
            conns.extend(self.pool.acquire(timeout=0) for _ in range(2))
            for conn in conns:
                self.assertFalse(conn.in_transaction, "a transaction is still open")
                self.assertEqual(conn.isolation_level, "", "the connection's mode was not put back")
                self.assertEqual(conn.execute("PRAGMA foreign_keys").fetchone(), (1,))
                self.assertEqual(conn.execute("PRAGMA recursive_triggers").fetchone(), (0,))
            with self.assertRaises(PoolTimeout):
                self.pool.acquire(timeout=0)
        finally:
            for conn in conns:
                self.pool.release(conn)
        self.assertEqual(self.context.run(self.repo.count), self.use())

    def use(self) -> int:
        """Use the pool as an unrelated caller."""

        def work() -> int:
            with self.db.transaction() as tx:
                return Repository(tx, Account).count()

        return contextvars.Context().run(work)

    def at_every(self, name: str, work: Callable[[], Any], *counts: int) -> None:
        self.at_every_point(name, lambda: self.context.run(work), counts)

    def test_operations(self) -> None:
        """R6 P2 X7: operations of one statement and of several."""
        self.at_every("insert", lambda: self.repo.insert(Account(owner="a")), 0, 1)
        self.at_every("insert_many", lambda: self.repo.insert_many(Account(owner=str(n)) for n in range(5)), 0, 5)
        self.at_every("get_or_create", lambda: self.repo.get_or_create(lookup={"owner": "a"}), 0, 1)

    def test_raw_sql(self) -> None:
        """P3 P5 X7: raw SQL, whose session is put back, and a transaction that it leaves open."""
        self.at_every("insert", lambda: self.db.execute("INSERT INTO account (owner, balance) VALUES ('a', 1)"), 0, 1)
        self.at_every("pragma", lambda: self.db.execute("PRAGMA recursive_triggers = ON"), 0)
        self.at_every("begin", lambda: self.db.execute("BEGIN IMMEDIATE"), 0)

    def test_transactions(self) -> None:
        """X1 X7: blocks with an inner one, by commit and by rollback; `run_in_transaction`."""

        def commits() -> None:
            with self.db.transaction() as tx:
                tx.execute("INSERT INTO account (owner, balance) VALUES ('a', 1)")
                with tx.transaction() as inner:
                    Repository(inner, Account).insert(Account(owner="b"))

        def fails() -> None:
            with contextlib.suppress(ZeroDivisionError), self.db.transaction() as tx:
                Repository(tx, Account).insert(Account(owner="a"))
                raise ZeroDivisionError

        def body(tx: Database) -> None:
            Repository(tx, Account).insert(Account(owner="a"))

        self.at_every("commit", commits, 0, 2)
        self.at_every("rollback", fails, 0)
        self.at_every("run_in_transaction", lambda: self.db.run_in_transaction(body), 0, 1)

    def test_connection(self) -> None:
        """P2 P3 P5 X7: `with pool.connection()`, left clean, dirty and by an error."""

        def clean() -> None:
            with self.pool.connection() as conn:
                conn.execute("INSERT INTO account (owner, balance) VALUES ('a', 1)")
                conn.commit()

        def dirty() -> None:
            with self.pool.connection() as conn:
                conn.execute("PRAGMA recursive_triggers = ON")
                conn.execute("INSERT INTO account (owner, balance) VALUES ('a', 1)")

        def fails() -> None:
            with contextlib.suppress(ZeroDivisionError), self.pool.connection() as conn:
                conn.execute("INSERT INTO account (owner, balance) VALUES ('a', 1)")
                raise ZeroDivisionError

        self.at_every("clean", clean, 0, 1)
        self.at_every("dirty", dirty, 0)
        self.at_every("fails", fails, 0)

    def test_acquire_and_release(self) -> None:
        """P2 P3 X7: `acquire` that is interrupted takes nothing; `release` may be called again."""

        def acquire() -> None:
            conn = self.pool.acquire()
            with undisturbed():
                self.pool.release(conn)

        def release() -> None:
            with undisturbed():
                conn = self.pool.acquire()
                conn.execute("INSERT INTO account (owner, balance) VALUES ('a', 1)")
            try:
                self.pool.release(conn)
            except KeyboardInterrupt:
                with contextlib.suppress(ValueError):  # it is back already
                    self.pool.release(conn)
                raise

        self.at_every("acquire", acquire, 0)
        self.at_every("release", release, 0)

    def test_from_the_first_connection_on(self) -> None:
        """P2 X7: on a new pool, where the connection is opened and made ready first; and its end."""

        def work() -> None:
            with undisturbed():
                self.pool.close()
                self.reopen()
            self.repo.insert(Account(owner="a"))

        def by_hand() -> None:
            with undisturbed():
                self.pool.close()
                self.reopen()
            with self.pool.connection() as conn:
                conn.execute("INSERT INTO account (owner, balance) VALUES ('a', 1)")
                conn.commit()

        self.at_every("operation", work, 0, 1)
        self.at_every("by hand", by_hand, 0, 1)

    def test_while_waiting(self) -> None:
        """P2 X7: a real Ctrl-C for a thread that waits for a connection: it goes on, and takes nothing."""
        main = threading.get_ident()
        held = [self.pool.acquire(), self.pool.acquire()]
        raised = threading.Event()

        def handler(*_: Any) -> None:
            if not raised.is_set():
                raised.set()
                raise KeyboardInterrupt

        def interrupt() -> None:
            while not self.waiters():
                pass
            # Again, as a signal right before the thread begins to wait does not wake it.
            while not raised.wait(0.05):
                signal.pthread_kill(main, signal.SIGINT)

        previous = signal.signal(signal.SIGINT, handler)
        self.addCleanup(signal.signal, signal.SIGINT, previous)
        for work in (self.repo.count, self.pool.acquire, self.use):
            raised.clear()
            thread = threading.Thread(target=interrupt, daemon=True)
            thread.start()
            with self.assertRaises(KeyboardInterrupt):
                work()
            thread.join(LIMIT)
        for conn in held:
            self.pool.release(conn)
        self.usable()

    def waiters(self) -> int:
        try:
            self.pool.acquire(timeout=0)
        except PoolTimeout as error:
            return error.waiters or 0
        raise AssertionError("a connection is free")
