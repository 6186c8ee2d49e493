"""Connections: X2 joined ones and modes put back, X4 threads and tasks, X5 closing, X6 workers and the inline way."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sqlite3
import sys
import threading
import unittest
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import mini_orm
from mini_orm import ClosedError, ConfigurationError, LockTimeout, MiniOrmError, TransactionError, UniqueViolation
from tests.backends import maybe_await, needs
from tests.contracts.transactions import LIMIT, Account, Tools, quiet_log


@dataclass
class Reading:
    """A row with the types that sqlite3 converts by itself when `detect_types` says so."""

    id: int | None = field(default=None, metadata={"pk": True, "auto": True})
    flag: bool = False
    day: date = date(2024, 2, 29)
    at: datetime = datetime(2024, 2, 29, 12, 30, 15, 250)
    seen: datetime = field(
        default=datetime(2024, 2, 29, 12, 30, 15, 250, tzinfo=UTC),
        metadata={"timezone": True},
    )
    note: str = "plain"
    data: bytes = b"\x00\xff"


def by_name(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    """A row factory that users often write."""
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def refuse(*_: Any) -> Any:
    """A row or text factory that must never be called."""
    raise AssertionError("the user's factory was used")


class JoinedContract(Tools):
    """X2: a transaction that the user opened is joined by savepoints and never ended."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.enterContext(quiet_log())  # foreign keys can't be switched on inside the user's transaction: a warning
        await self.create_tables(Account)

    async def work_joined(self, db: Any) -> None:
        """Run each kind of operation on a connection that is in the user's transaction."""
        repo = self.repo(Account, db)
        await maybe_await(repo.insert(Account(owner="one")))
        self.assertTrue(self.backend.in_transaction(db.conn))
        await maybe_await(repo.insert_many([Account(owner="two"), Account(owner="three")]))
        async with self.transaction(db) as tx:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="block")))
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction(db) as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="undone")))
                raise ZeroDivisionError
        with self.assertRaises(UniqueViolation):
            await maybe_await(repo.insert_many([Account(owner="undone"), Account(owner="one")]))
        await maybe_await(repo.get_or_create(lookup={"owner": "four"}))
        await maybe_await(db.execute("INSERT INTO account (owner, balance) VALUES ('raw', 1)"))
        self.assertTrue(self.backend.in_transaction(db.conn), "the user's transaction was ended")
        self.assertEqual(self.owners(), [], "the user's transaction was committed")

    WRITTEN = ("block", "four", "one", "raw", "three", "two")

    @needs("supports_implicit_begin")
    async def test_implicit_begin_before_wrapping(self) -> None:
        """X2: a connection given in mid-transaction (sqlite3's implicit BEGIN) is joined; the user ends it."""
        for finish, expected in (("rollback", []), ("commit", sorted([*self.WRITTEN, "mine"]))):
            with self.subTest(finish=finish):
                conn = await self.backend.connect()
                await self.backend.run(conn, "INSERT INTO account (owner, balance) VALUES ('mine', 1)")
                self.assertTrue(self.backend.in_transaction(conn))
                db = await self.wrap(conn)
                self.assertTrue(self.backend.in_transaction(conn))
                await self.work_joined(db)
                self.assertEqual(self.backend.mode(conn), self.backend.default_mode)
                await self.on_driver(conn, finish)
                self.assertEqual(self.owners(), expected)
                await self.assert_clean(db)

    @needs("supports_implicit_begin")
    async def test_implicit_begin_between_uses(self) -> None:
        """X2: between uses the connection is the user's, in its own mode: what it began there is joined next."""
        conn = self.db.conn
        repo = self.repo(Account)
        self.assertEqual(await maybe_await(repo.count()), 0)
        await self.backend.run(conn, "INSERT INTO account (owner, balance) VALUES ('mine', 1)")
        self.assertTrue(self.backend.in_transaction(conn), "the user's implicit BEGIN did not happen")
        await self.work_joined(self.db)
        await self.on_driver(conn, "rollback")
        self.assertEqual(self.owners(), [])
        await maybe_await(repo.insert(Account(owner="own")))
        self.assertEqual(self.owners(), ["own"])
        await self.backend.run(conn, "INSERT INTO account (owner, balance) VALUES ('mine', 1)")
        await self.on_driver(conn, "commit")
        self.assertEqual(self.owners(), ["mine", "own"])
        await self.assert_clean()

    async def test_begin_through_execute(self) -> None:
        """X2: `db.execute("BEGIN")` opens the user's own transaction; only COMMIT or ROLLBACK ends it."""
        for finish, expected in (("ROLLBACK", []), ("COMMIT", list(self.WRITTEN))):
            for begin in ("BEGIN", self.backend.begin, f"  {self.backend.other_begin}"):
                with self.subTest(finish=finish, begin=begin):
                    await maybe_await(self.db.execute(begin))
                    await self.work_joined(self.db)
                    await maybe_await(self.db.execute(finish))
                    self.assertEqual(self.owners(), expected)
                    await self.assert_clean()
                    await maybe_await(self.db.execute("DELETE FROM account"))
                    self.assertEqual(self.owners(), [])

    @needs("savepoints_begin")
    async def test_savepoint_through_execute(self) -> None:
        """X2: a savepoint of the user's own opens a transaction, too, and is left for the user to release."""
        await maybe_await(self.db.execute("SAVEPOINT mine"))
        await self.work_joined(self.db)
        await maybe_await(self.db.execute("RELEASE mine"))
        self.assertEqual(self.owners(), list(self.WRITTEN))
        await self.assert_clean()

    async def test_lost_while_joined(self) -> None:
        """X1 X2: a joined transaction that ends inside a block is lost for that block; nothing after it is kept."""
        await maybe_await(self.db.execute("BEGIN"))
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="gone")))
                await maybe_await(tx.execute("ROLLBACK"))
                with self.assertRaises(TransactionError):
                    await maybe_await(self.repo(Account, tx).insert(Account(owner="late")))
        self.assertEqual(self.owners(), [])
        await self.assert_clean()

    async def test_raw_write_outside_is_committed(self) -> None:
        """X2: raw SQL outside a transaction is committed at once: the driver's implicit BEGIN is kept out."""
        await maybe_await(self.db.execute("INSERT INTO account (owner, balance) VALUES ('raw', 1)"))
        self.assertEqual(self.owners(), ["raw"])
        await self.assert_clean()


class ModeContract(Tools):
    """X2: the driver's mode and factories are the user's, and never change a result."""

    requires: tuple[str, ...] = ("supports_isolation_level",)

    async def use_all(self, db: Any) -> None:
        """Use the connection in every way once, with failures."""
        repo = self.repo(Account, db)
        await maybe_await(repo.insert(Account(owner="one")))
        await maybe_await(repo.list())
        await maybe_await(db.execute("SELECT 1"))
        with self.assertRaises(UniqueViolation):
            await maybe_await(repo.insert_many([Account(owner="two"), Account(owner="one")]))
        with self.assertRaises(MiniOrmError):
            await maybe_await(db.execute("no sql"))
        async with self.transaction(db) as tx:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="three")))
        with contextlib.suppress(ZeroDivisionError):
            async with self.transaction(db):
                raise ZeroDivisionError

    async def test_isolation_level_is_put_back(self) -> None:
        """X2: after each use, failed ones too, `isolation_level` is what the user chose."""
        await self.create_tables(Account)
        for level in ("", "DEFERRED", "IMMEDIATE", "EXCLUSIVE", None):
            with self.subTest(level=level):
                conn = await self.backend.connect(isolation_level=level)
                db = await self.wrap(conn)
                self.assertEqual(conn.isolation_level, level)
                await self.use_all(db)
                self.assertEqual(conn.isolation_level, level)
                await maybe_await(db.execute("DELETE FROM account"))
                self.assertEqual(conn.isolation_level, level)
                self.assertEqual(self.owners(), [])
                # The user's own statement, in the user's own mode.
                await self.backend.run(conn, "INSERT INTO account (owner, balance) VALUES ('mine', 1)")
                self.assertEqual(self.backend.in_transaction(conn), level is not None)
                await self.on_driver(conn, "rollback")
                self.assertEqual(self.owners(), [] if level is not None else ["mine"])
                await maybe_await(db.execute("DELETE FROM account"))

    async def test_changed_level_is_the_new_choice(self) -> None:
        """X2: a mode that the user changes between uses is the one that is put back."""
        await self.create_tables(Account)
        for level in ("EXCLUSIVE", "IMMEDIATE", ""):
            self.db.conn.isolation_level = level
            await self.use_all(self.db)
            self.assertEqual(self.db.conn.isolation_level, level)
            await maybe_await(self.db.execute("DELETE FROM account"))

    async def autocommit(self, conn: Any) -> Any:
        """Read the attribute, in the thread that the connection is bound to."""
        if isinstance(conn, sqlite3.Connection):
            return conn.autocommit  # type: ignore[attr-defined,unused-ignore]
        return await conn._execute(lambda: conn._conn.autocommit)

    @unittest.skipIf(sys.version_info < (3, 12), "sqlite3 has the autocommit attribute since Python 3.12")
    async def test_autocommit_true(self) -> None:
        """X2: `autocommit=True` (3.12+) works, is left as it is, and a user's BEGIN is joined."""
        await self.create_tables(Account)
        conn = await self.backend.connect(autocommit=True)
        db = await self.wrap(conn)
        await self.use_all(db)
        self.assertEqual(self.owners(), ["one", "three"])
        await self.raw(conn, "BEGIN")
        await maybe_await(self.repo(Account, db).insert(Account(owner="undone")))
        self.assertEqual(self.owners(), ["one", "three"])
        await self.raw(conn, "ROLLBACK")
        self.assertEqual(self.owners(), ["one", "three"])
        self.assertIs(await self.autocommit(conn), True)

    @unittest.skipIf(sys.version_info < (3, 12), "sqlite3 has the autocommit attribute since Python 3.12")
    async def test_autocommit_false(self) -> None:
        """X2: `autocommit=False` (3.12+) is a ConfigurationError with the fix, and the connection is untouched."""
        conn = await self.backend.connect(autocommit=False)
        try:
            with self.assertRaises(ConfigurationError) as caught:
                await maybe_await(self.backend.database(conn).execute("SELECT 1"))
            self.assertIn("autocommit", str(caught.exception))
            self.assertIs(await self.autocommit(conn), False)
        finally:
            await self.on_driver(conn, "close")

    async def test_row_factory_is_kept_out(self) -> None:
        """X2: `row_factory` stays the user's and changes no result."""
        await self.create_tables(Account)
        for number, factory in enumerate((sqlite3.Row, by_name, refuse)):
            with self.subTest(factory=factory.__name__):
                conn = self.db.conn
                conn.row_factory = factory
                repo = self.repo(Account)
                row = await maybe_await(repo.insert(Account(owner=str(number), balance=number)))
                self.assertEqual(await maybe_await(repo.get(row.id)), row)
                self.assertEqual((await maybe_await(repo.list(order_by="-id")))[0], row)
                self.assertEqual(await maybe_await(repo.count()), number + 1)
                self.assertEqual(
                    dict(await maybe_await(self.db.fetchone("SELECT 1 AS a, 2 AS b"))),
                    {"a": 1, "b": 2},
                )
                rows = list(await maybe_await(self.db.execute("SELECT 1, 2")))
                self.assertEqual((rows, type(rows[0])), ([(1, 2)], tuple))
                async with self.transaction() as tx:
                    self.assertEqual(await maybe_await(self.repo(Account, tx).get(row.id)), row)
                self.assertIs(conn.row_factory, factory)

    async def test_text_factory_is_kept_out(self) -> None:
        """X2: `text_factory` stays the user's and changes no result."""
        await self.create_tables(Account, Reading)
        factories: tuple[Any, ...] = (bytes, refuse)
        for number, factory in enumerate(factories):
            with self.subTest(factory=factory.__name__):
                conn = self.db.conn
                conn.text_factory = factory
                row = await maybe_await(self.repo(Account).insert(Account(owner=f"naïve {number}")))
                self.assertEqual(await maybe_await(self.repo(Account).get(row.id)), row)
                reading = await maybe_await(self.repo(Reading).insert(Reading()))
                self.assertEqual(await maybe_await(self.repo(Reading).get(reading.id)), reading)
                self.assertEqual(dict(await maybe_await(self.db.fetchone("SELECT 'x' AS a"))), {"a": "x"})
                self.assertIs(conn.text_factory, factory)
                conn.text_factory = str

    async def test_detect_types_that_meet_no_column(self) -> None:
        """X2 T5: with `detect_types` on, sqlite3's own converters (date, timestamp) meet no type of ours."""
        db = await self.open(detect_types=sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES)
        await self.create_tables(Reading, db=db)
        repo = self.repo(Reading, db)
        row = await maybe_await(repo.insert(Reading()))
        self.assertEqual(await maybe_await(repo.get(row.id)), row)
        self.assertEqual(await maybe_await(repo.list()), [row])

    async def test_detect_types_on_types_in_use(self) -> None:
        """X2: a converter for a type that a model's table uses can't be kept out: ConfigurationError."""
        await self.create_tables(Reading)
        sqlite3.register_converter("BOOLEAN", refuse)
        self.addCleanup(sqlite3.converters.pop, "BOOLEAN", None)
        conn = await self.backend.connect(detect_types=sqlite3.PARSE_DECLTYPES)
        try:
            with self.assertRaises(ConfigurationError) as caught:
                repo = self.repo(Reading, self.backend.database(conn))
                await maybe_await(repo.insert(Reading()))
                await maybe_await(repo.list())
            self.assertIn("detect_types", str(caught.exception))
        finally:
            await self.on_driver(conn, "close")


class AutocommitContract(ModeContract):
    """X2: the same of a driver whose mode is `autocommit`, and whose cursors have factories."""

    requires = ("supports_autocommit",)
    test_isolation_level_is_put_back = test_changed_level_is_the_new_choice = None  # type: ignore[assignment]
    test_autocommit_true = test_autocommit_false = None  # type: ignore[assignment]
    test_row_factory_is_kept_out = test_text_factory_is_kept_out = None  # type: ignore[assignment]
    test_detect_types_that_meet_no_column = test_detect_types_on_types_in_use = None  # type: ignore[assignment]

    async def test_autocommit_is_put_back(self) -> None:
        """X2: after each use, failed ones too, the connection's mode is what the user chose."""
        await self.create_tables(Account)
        for autocommit in (False, True):
            with self.subTest(autocommit=autocommit):
                conn = await self.backend.connect()
                await self.backend.set_autocommit(conn, autocommit)
                db = await self.wrap(conn)
                await self.use_all(db)
                self.assertEqual(self.backend.mode(conn), autocommit)
                await maybe_await(db.execute("DELETE FROM account"))
                self.assertEqual(self.backend.mode(conn), autocommit)
                self.assertEqual(self.owners(), [])
                # The user's own statement, in the user's own mode.
                await self.backend.run(conn, "INSERT INTO account (owner, balance) VALUES ('mine', 1)")
                self.assertEqual(self.backend.in_transaction(conn), not autocommit)
                await self.on_driver(conn, "rollback")
                self.assertEqual(self.owners(), ["mine"] if autocommit else [])
                await maybe_await(db.execute("DELETE FROM account"))

    async def test_after_the_users_own_begin(self) -> None:
        """X2: a transaction that `execute` began keeps the mode until it has ended; then it is put back."""
        await self.create_tables(Account)
        self.assertFalse(self.backend.mode(self.db.conn))
        await maybe_await(self.db.execute("BEGIN"))
        await maybe_await(self.repo(Account).insert(Account(owner="one")))
        self.assertEqual(self.owners(), [])
        await maybe_await(self.db.execute("COMMIT"))
        self.assertFalse(self.backend.mode(self.db.conn))
        self.assertEqual(self.owners(), ["one"])

    async def test_changed_mode_is_the_new_choice(self) -> None:
        """X2: a mode that the user changes between uses is the one that is put back."""
        await self.create_tables(Account)
        for autocommit in (True, False, True):
            await self.backend.set_autocommit(self.db.conn, autocommit)
            await self.use_all(self.db)
            self.assertEqual(self.backend.mode(self.db.conn), autocommit)
            await maybe_await(self.db.execute("DELETE FROM account"))

    async def test_factories_are_kept_out(self) -> None:
        """X2: the factories of a connection stay the user's, and change no result."""
        await self.create_tables(Account)
        for number, name in enumerate(self.backend.set_factories(self.db.conn)):
            with self.subTest(factory=name):
                repo = self.repo(Account)
                row = await maybe_await(repo.insert(Account(owner=str(number), balance=number)))
                self.assertEqual(await maybe_await(repo.get(row.id)), row)
                self.assertEqual((await maybe_await(repo.list(order_by="-id")))[0], row)
                self.assertEqual(await maybe_await(repo.count()), number + 1)
                self.assertEqual(await maybe_await(self.db.fetchone("SELECT 1 AS a, 2 AS b")), {"a": 1, "b": 2})
                rows = list(await maybe_await(self.db.execute("SELECT 1, 2")))
                self.assertEqual((rows, type(rows[0])), ([(1, 2)], tuple))


class SharingContract(Tools):
    """X4: one connection is one lock; a transaction belongs to `tx`, and through `db` to who opened it."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self.create_tables(Account)

    async def test_nothing_is_mixed(self) -> None:
        """X4: eight callers on one connection, half of whose transactions fail: each is whole or absent."""

        async def work(caller: int) -> None:
            for turn in range(6):
                with contextlib.suppress(ZeroDivisionError):
                    async with self.transaction() as tx:
                        for part in "abc":
                            await maybe_await(
                                self.repo(Account, tx).insert(Account(owner=f"{caller}-{turn}-{part}", balance=caller))
                            )
                            if self.is_async:
                                await asyncio.sleep(0)
                        if (caller + turn) % 2:
                            raise ZeroDivisionError
                await maybe_await(self.repo(Account).insert(Account(owner=f"{caller}-{turn}-single")))

        results = await self.within(self.together([partial(work, caller) for caller in range(8)]))
        self.assertEqual(results, [None] * 8)
        expected = []
        for caller in range(8):
            for turn in range(6):
                expected.append(f"{caller}-{turn}-single")
                if (caller + turn) % 2 == 0:
                    expected += [f"{caller}-{turn}-{part}" for part in "abc"]
        self.assertEqual(self.owners(), sorted(expected))
        await self.assert_clean()

    async def test_read_then_write(self) -> None:
        """X4: reading and writing back in a transaction loses no update, however many callers there are."""
        row = await maybe_await(self.repo(Account).insert(Account(owner="shared")))

        async def work() -> None:
            for _ in range(5):
                async with self.transaction() as tx:
                    repo = self.repo(Account, tx)
                    found = await maybe_await(repo.get(row.id))
                    if self.is_async:
                        await asyncio.sleep(0)
                    found.balance += 1
                    await maybe_await(repo.update(found))

        self.assertEqual(await self.within(self.together([work] * 8)), [None] * 8)
        self.assertEqual((await maybe_await(self.repo(Account).get(row.id))).balance, 40)

    async def test_unrelated_callers_wait(self) -> None:
        """X4: who has nothing to do with an open transaction waits for its end, and neither joins nor sees it."""
        log: list[str] = []
        started = self.gate()

        async def other() -> int:
            started.set()
            seen = await maybe_await(self.repo(Account).count())
            log.append("other")
            await maybe_await(self.repo(Account).insert(Account(owner="other")))
            return int(seen)

        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="undone")))
                handle = self.spawn(other)
                await started.wait()
                for number in range(20):
                    await maybe_await(self.repo(Account, tx).insert(Account(owner=f"undone {number}")))
                    await asyncio.sleep(0)
                log.append("mine")
                raise ZeroDivisionError
        self.assertEqual(await self.within(handle.join()), 0)
        self.assertEqual(log, ["mine", "other"])
        self.assertEqual(self.owners(), ["other"])
        await self.assert_clean()

    async def test_unrelated_transaction_waits(self) -> None:
        """X4: the same for another caller's `transaction()`: two blocks on one connection follow each other."""
        log: list[str] = []
        started = self.gate()

        async def other() -> None:
            started.set()
            async with self.transaction() as tx:
                log.append("other begins")
                await maybe_await(self.repo(Account, tx).insert(Account(owner="other")))

        async with self.transaction() as tx:
            handle = self.spawn(other)
            await started.wait()
            for number in range(5):
                await maybe_await(self.repo(Account, tx).insert(Account(owner=f"mine {number}")))
                await asyncio.sleep(0)
            log.append("mine ends")
        await self.within(handle.join())
        self.assertEqual(log, ["mine ends", "other begins"])
        self.assertEqual(len(self.owners()), 6)

    async def test_two_databases_of_one_connection(self) -> None:
        """X4: the lock is the connection's: a second database around it takes its turn, too."""
        twin = self.backend.database(self.db.conn)
        started = self.gate()

        async def other() -> None:
            started.set()
            await maybe_await(self.repo(Account, twin).insert(Account(owner="other")))

        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="undone")))
                handle = self.spawn(other)
                await started.wait()
                for _ in range(20):
                    await maybe_await(self.repo(Account, tx).count())
                    await asyncio.sleep(0)
                raise ZeroDivisionError
        await self.within(handle.join())
        self.assertEqual(self.owners(), ["other"])

    async def test_tx_belongs_wherever_it_goes(self) -> None:
        """X4: what is done through `tx` in other threads or tasks, related or not, is part of the transaction."""
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                await self.hand_on(tx)
                self.assertEqual(await maybe_await(self.repo(Account, tx).count()), 12)
                self.assertEqual(self.owners(), [])
                raise ZeroDivisionError
        self.assertEqual(self.owners(), [])
        async with self.transaction() as tx:
            await self.hand_on(tx)
        self.assertEqual(len(self.owners()), 12)
        await self.assert_clean()

    async def hand_on(self, tx: Any) -> None:
        async def work(number: int) -> None:
            await maybe_await(self.repo(Account, tx).insert(Account(owner=f"{number} repository")))
            await maybe_await(
                tx.execute(self.backend.sql("INSERT INTO account (owner, balance) VALUES (?, 1)"), (f"{number} raw",))
            )
            async with self.transaction(tx) as inner:
                await maybe_await(self.repo(Account, inner).insert(Account(owner=f"{number} inner")))

        for handle in [self.spawn(work, number, inherit=bool(number % 2)) for number in range(4)]:
            await self.within(handle.join())

    async def test_inner_blocks_of_one_tx_take_turns(self) -> None:
        """X4: inner blocks that several callers open on one `tx` at once are not mixed: each is undone alone."""

        async def work(tx: Any, number: int) -> None:
            async with self.transaction(tx) as inner:
                for part in "abc":
                    await maybe_await(self.repo(Account, inner).insert(Account(owner=f"{number}{part}")))
                    if self.is_async:
                        await asyncio.sleep(0)
                if number % 2:
                    raise ZeroDivisionError

        async with self.transaction() as tx:
            results = await self.within(self.together([partial(work, tx, number) for number in range(6)]))
            self.assertEqual([type(result) for result in results], [type(None), ZeroDivisionError] * 3)
        self.assertEqual(self.owners(), [f"{number}{part}" for number in (0, 2, 4) for part in "abc"])
        await self.assert_clean()

    async def test_inherited_context_is_refused_at_once(self) -> None:
        """X4: a child that inherited the transaction and uses `db` gets TransactionError at once, with the way out."""
        async with self.transaction() as tx:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="kept")))
            for name, use in self.uses(self.db):

                async def child(use: Callable[[], Any] = use) -> None:
                    await maybe_await(use())

                with self.subTest(use=name):
                    with self.assertRaises(TransactionError) as caught:
                        await self.within(self.spawn(child, inherit=True).join())
                    self.assertRegex(str(caught.exception), r"\btx\b")
                    self.assertIn("asyncio.timeout", str(caught.exception))
            await maybe_await(self.repo(Account).insert(Account(owner="owner of the block")))
        self.assertEqual(self.owners(), ["kept", "owner of the block"])
        await self.assert_clean()

    async def test_inherited_context_after_the_end(self) -> None:
        """X4: once the transaction is over, who inherited it is a caller like any other."""
        go = self.gate()

        async def child() -> None:
            await go.wait()
            await maybe_await(self.repo(Account).insert(Account(owner="child")))
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="child's block")))

        async with self.transaction() as tx:
            handle = self.spawn(child, inherit=True)
            await maybe_await(self.repo(Account, tx).insert(Account(owner="parent")))
        go.set()
        await self.within(handle.join())
        self.assertEqual(self.owners(), ["child", "child's block", "parent"])
        await self.assert_clean()

    async def test_plain_calls_take_turns(self) -> None:
        """X4: outside a transaction related and unrelated callers share the connection freely."""

        async def work(number: int) -> None:
            await maybe_await(self.repo(Account).insert(Account(owner=str(number))))
            self.assertIsNotNone(await maybe_await(self.db.fetchone("SELECT 1 AS one")))

        handles = [self.spawn(work, number, inherit=bool(number % 2)) for number in range(20)]
        for handle in handles:
            await self.within(handle.join())
        self.assertEqual(len(self.owners()), 20)
        await self.assert_clean()

    async def test_two_connections_are_independent(self) -> None:
        """X4: a transaction on one connection says nothing about another database object in the same task."""
        other = await self.open()
        async with self.transaction(read_only=True) as tx:
            self.assertEqual(await maybe_await(self.repo(Account, tx).count()), 0)
            await maybe_await(other.execute("PRAGMA cache_size = 100" if self.backend.uses_file else "SELECT 1"))
            self.assertEqual(await maybe_await(self.repo(Account, other).count()), 0)
        async with self.transaction(other) as tx:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="other")))
            self.assertEqual(await maybe_await(self.repo(Account).count()), 0)
        self.assertEqual(self.owners(), ["other"])


class CloseContract(Tools):
    """X5: what closing does, and what it refuses."""

    async def test_use_after_close(self) -> None:
        """X5: every use after `close()` is a ClosedError that says so, also through repositories made before."""
        await self.create_tables(Account)
        repo = self.repo(Account)
        await self.close(self.db)
        await self.assert_every_use_raises(self.db, ClosedError, "connection is closed")
        with self.assertRaises(ClosedError) as caught:
            await maybe_await(repo.insert(Account(owner="late")))
        self.assertIsInstance(caught.exception, RuntimeError)

        async def body(tx: Any) -> None:
            self.fail("the function was called")

        with self.assertRaises(ClosedError):
            await maybe_await(self.db.run_in_transaction(body if self.is_async else lambda tx: self.fail("called")))
        with self.assertRaises(ClosedError):
            await self.create_tables(Account, if_not_exists=True)

    async def test_twice(self) -> None:
        """X5: closing twice is fine, used or not."""
        for use in (True, False):
            db = await self.open()
            if use:
                await maybe_await(db.fetchone("SELECT 1 AS one"))
            for _ in range(3):
                await self.close(db)
            with self.assertRaises(ClosedError):
                await maybe_await(db.execute("SELECT 1"))

    async def test_closes_the_connection(self) -> None:
        """X5: the connection that was given is closed with the database."""
        conn = self.db.conn
        await maybe_await(self.db.fetchone("SELECT 1 AS one"))
        await self.close(self.db)
        with self.assertRaises((self.backend.driver_error(sqlite3.ProgrammingError), ValueError)):
            await self.backend.run(conn, "SELECT 1")

    async def test_conn_and_dialect(self) -> None:
        """X5: `db.conn` is the connection given and `None` after close; `db.dialect` is the driver's."""
        conn = await self.backend.connect()
        db = await self.wrap(conn)
        self.assertIs(db.conn, conn)
        self.assertEqual(db.dialect.name, self.backend.dialect)
        async with self.transaction(db) as tx:
            self.assertIs(tx.conn, conn)
        await self.close(db)
        self.assertIsNone(db.conn)
        self.assertEqual(db.dialect.name, self.backend.dialect)

    async def test_dialect_given(self) -> None:
        """X5: a dialect may be given; it is the one that is used."""
        dialect = type(self.db.dialect)()
        db = await self.wrap(await self.backend.connect(), dialect)
        self.assertIs(db.dialect, dialect)
        self.assertEqual(dict(await maybe_await(db.fetchone("SELECT 1 AS one"))), {"one": 1})

    async def test_context_manager(self) -> None:
        """X5: a database is a context manager that closes, after an exception too, which goes on."""
        for error in (None, ZeroDivisionError("mine")):
            db = self.backend.database(await self.backend.connect())
            try:
                if self.is_async:
                    async with db as entered:
                        self.assertIs(entered, db)
                        await db.fetchone("SELECT 1 AS one")
                        if error is not None:
                            raise error
                else:
                    with db as entered:
                        self.assertIs(entered, db)
                        db.fetchone("SELECT 1 AS one")
                        if error is not None:
                            raise error
            except ZeroDivisionError as caught:
                self.assertIs(caught, error)
            with self.assertRaises(ClosedError):
                await maybe_await(db.execute("SELECT 1"))

    async def test_inside_its_own_transaction(self) -> None:
        """X5: `tx.close()`, and `db.close()` inside its own block, are a TransactionError and close nothing."""
        await self.create_tables(Account)
        async with self.transaction() as tx:
            for db in (tx, self.db):
                with self.assertRaises(TransactionError):
                    await self.close(db)
            await maybe_await(self.repo(Account, tx).insert(Account(owner="kept")))
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_clean()

    async def test_driver_closed_behind_its_back(self) -> None:
        """X5: a connection that the user closed is an error of ours at the next use; `close()` is still fine."""
        await self.create_tables(Account)
        await self.on_driver(self.db.conn, "close")
        with self.assertRaises(MiniOrmError):
            await maybe_await(self.db.execute("SELECT 1"))
        with self.assertRaises(MiniOrmError):
            await maybe_await(self.repo(Account).insert(Account(owner="late")))
        with self.assertRaises(MiniOrmError):
            async with self.transaction():
                self.fail("the block was entered")
        await self.close(self.db)
        await self.close(self.db)
        with self.assertRaises(ClosedError):
            await maybe_await(self.db.execute("SELECT 1"))

    async def test_driver_closed_inside_a_block(self) -> None:
        """X1 X5: a connection closed inside a block: later uses and the exit are errors of ours, nothing is kept."""
        await self.create_tables(Account)
        with self.assertRaises(MiniOrmError), quiet_log():
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="gone")))
                await self.on_driver(self.db.conn, "close")
                with self.assertRaises(MiniOrmError):
                    await maybe_await(self.repo(Account, tx).insert(Account(owner="late")))
        self.assertEqual(self.owners(), [])

    async def test_what_is_no_connection(self) -> None:
        """X5 X6: what is no connection of a known driver, or one of the other face, is a ConfigurationError."""
        cls = mini_orm.AsyncDatabase if self.is_async else mini_orm.Database
        for source in (object(), None, 5, str(self.backend.path)):
            with self.subTest(source=source), self.assertRaises(ConfigurationError):
                cls(source)

    async def test_what_is_no_connection_yet(self) -> None:
        """X5 X10: a URL, a path or a call that was not awaited is told what to do with it; the URL is not shown."""
        cls = mini_orm.AsyncDatabase if self.is_async else mini_orm.Database

        async def connect() -> None:
            """Open nothing."""

        coroutine = connect()
        self.addCleanup(coroutine.close)
        for source, advice in (
            ("postgresql://me:secret@localhost/x", r"connect\(url\)"),
            ("shop.sqlite3", r"open it first, for example sqlite3\.connect"),
            (coroutine, "got coroutine; await it first"),
        ):
            with self.subTest(advice=advice), self.assertRaisesRegex(ConfigurationError, advice) as caught:
                cls(source)
            self.assertNotIn("secret", str(caught.exception))


class AsyncConnectionContract(Tools):
    """X4 X5 X6 where they speak of asyncio alone."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self.create_tables(Account)

    async def test_gather_and_task_group_through_db(self) -> None:
        """X4: `gather` and TaskGroup through `db` inside its transaction are TransactionErrors, nothing hangs."""
        repo = self.repo(Account)
        async with self.transaction() as tx:
            await self.repo(Account, tx).insert(Account(owner="kept"))
            work = asyncio.gather(*[repo.insert(Account(owner=f"stray {n}")) for n in range(3)], return_exceptions=True)
            for result in await work:
                self.assertIsInstance(result, TransactionError)
            with self.assertRaises(ExceptionGroup) as caught:
                async with asyncio.TaskGroup() as group:
                    group.create_task(repo.count())
            self.assertIsInstance(caught.exception.exceptions[0], TransactionError)
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_clean()

    async def test_gather_and_task_group_through_tx(self) -> None:
        """X4: through `tx` they belong to the transaction, one at a time."""
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                repo = self.repo(Account, tx)
                await asyncio.gather(*[repo.insert(Account(owner=f"gather {number}")) for number in range(5)])
                async with asyncio.TaskGroup() as group:
                    for number in range(5):
                        group.create_task(repo.insert(Account(owner=f"group {number}")))
                self.assertEqual(await repo.count(), 10)
                raise ZeroDivisionError
        self.assertEqual(self.owners(), [])
        await self.assert_clean()

    async def test_failing_task_group(self) -> None:
        """X1 X4: a child that fails cancels its siblings in mid-call; the block is rolled back, nothing is open."""
        for _ in range(5):
            with self.assertRaises(ExceptionGroup):
                async with self.transaction() as tx:
                    repo = self.repo(Account, tx)

                    async def fail(repo: Any = repo) -> None:
                        await repo.insert(Account(owner="first"))
                        raise ZeroDivisionError

                    async with asyncio.TaskGroup() as group:
                        group.create_task(fail())
                        for number in range(8):
                            group.create_task(repo.insert_many([Account(owner=f"{number}{part}") for part in "abc"]))
            self.assertEqual(self.owners(), [])
            await self.assert_clean()

    async def test_wait_for(self) -> None:
        """X4: `asyncio.wait_for` through `db` inside a block: refused where it makes a task (3.11), else it works."""
        async with self.transaction() as tx:
            if sys.version_info < (3, 12):
                with self.assertRaises(TransactionError) as caught:
                    await asyncio.wait_for(self.repo(Account).count(), LIMIT)
                self.assertIn("asyncio.timeout", str(caught.exception))
            else:
                self.assertEqual(await asyncio.wait_for(self.repo(Account).count(), LIMIT), 0)
            self.assertEqual(await asyncio.wait_for(self.repo(Account, tx).count(), LIMIT), 0)
            async with asyncio.timeout(LIMIT):
                await self.repo(Account).insert(Account(owner="in time"))
        self.assertEqual(await asyncio.wait_for(self.repo(Account).count(), LIMIT), 1)
        await self.assert_clean()

    async def test_gather_outside_a_transaction(self) -> None:
        """X4: `gather` on one connection outside a transaction takes turns."""
        repo = self.repo(Account)
        rows = await asyncio.gather(*[repo.insert(Account(owner=str(number))) for number in range(20)])
        self.assertEqual(sorted(row.id for row in rows), list(range(1, 21)))
        self.assertEqual(len(await asyncio.gather(*[repo.get(row.id) for row in rows])), 20)
        await self.assert_clean()

    async def test_busy_file_leaves_the_loop_free(self) -> None:
        """X6: while a write waits for another connection's lock the loop runs, and the lock's holder gives it back."""
        holder = self.outside()
        for write in (
            lambda: self.repo(Account).insert(Account(owner="insert")),
            lambda: self.repo(Account).insert_many([Account(owner="many 1"), Account(owner="many 2")]),
            lambda: self.db.run_in_transaction(self.insert_in, retries=0),
            lambda: self.db.execute("INSERT INTO account (owner, balance) VALUES ('raw', 1)"),
        ):
            for sql in self.backend.lock("account"):
                holder.execute(sql)
            task = asyncio.get_running_loop().create_task(write(), context=contextvars.Context())
            for _ in range(50):
                await asyncio.sleep(0)
            self.assertFalse(task.done())
            holder.execute("COMMIT")
            async with asyncio.timeout(LIMIT):
                await task
            await self.assert_clean()
        self.assertEqual(self.owners(), ["insert", "many 1", "many 2", "raw", "run"])

    async def insert_in(self, tx: Any) -> None:
        await self.repo(Account, tx).insert(Account(owner="run"))

    @needs("locks_file")
    async def test_busy_file_times_out(self) -> None:
        """X3 X6: a lock that stays is a LockTimeout after the user's timeout; meanwhile the loop runs."""
        db = await self.open(timeout=0.1)
        holder = self.outside()
        holder.execute("BEGIN IMMEDIATE")
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        with self.assertRaises(LockTimeout):
            async with self.transaction(db):
                self.fail("the block was entered")
        ticking.cancel()
        self.assertGreater(ticks, 5)
        holder.execute("ROLLBACK")
        await self.repo(Account, db).insert(Account(owner="after"))
        self.assertEqual(self.owners(), ["after"])

    async def test_two_connections_of_one_loop(self) -> None:
        """X6: a writer that waits for another task's connection in the same loop does not keep that task waiting."""
        other = await self.open()
        await self.repo(Account).insert(Account(owner="nobody"))
        entered, log = asyncio.Event(), []

        async def first() -> None:
            async with self.transaction() as tx:
                await self.repo(Account, tx).update_where({"owner": "first"}, allow_all=True)
                entered.set()
                for _ in range(30):
                    await asyncio.sleep(0)
                    await self.repo(Account, tx).count()
                log.append("first")

        async def second() -> None:
            await entered.wait()
            await self.repo(Account, other).update_where({"owner": "second"}, allow_all=True)
            log.append("second")

        async with asyncio.timeout(LIMIT):
            await asyncio.gather(first(), second())
        self.assertEqual(log, ["first", "second"])
        self.assertEqual(self.owners(), ["second"])


class OffTheLoopContract(Tools):
    """X6 where statements run in another thread than the loop's."""

    requires = ("supports_threads",)

    async def test_the_loop_stays_free(self) -> None:
        """X6: a statement that waits for the loop to move on gets its answer: it does not run on the loop."""
        moved = threading.Event()

        def wait_for_the_loop() -> int:
            return int(moved.wait(LIMIT))

        await self.on_driver(self.db.conn, "create_function", "wait_for_the_loop", 0, wait_for_the_loop)
        asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(moved.set))
        row = await self.db.fetchone("SELECT wait_for_the_loop() AS free")
        self.assertEqual(dict(row), {"free": 1})

    async def test_where_statements_run(self) -> None:
        """X6: statements of an operation and of a transaction run in a thread that is not the loop's."""
        await self.create_tables(Account)
        threads: set[int] = set()
        await self.on_driver(self.db.conn, "set_trace_callback", lambda _: threads.add(threading.get_ident()))
        await self.repo(Account).insert_many([Account(owner=str(number)) for number in range(5)])
        async with self.transaction() as tx:
            await self.repo(Account, tx).count()
        self.assertTrue(threads)
        self.assertNotIn(threading.get_ident(), threads)


class BlockingDriverContract(Tools):
    """X5 X6 for an `AsyncDatabase` on a blocking driver, whose `close` is a plain call."""

    async def test_plain_close(self) -> None:
        """X5: `AsyncDatabase.close` is a plain call on a blocking driver; `aclose` works as well."""
        await self.create_tables(Account)
        conn = self.db.conn
        self.assertIsNone(self.db.close())
        with self.assertRaises(sqlite3.ProgrammingError):
            conn.execute("SELECT 1")
        self.assertIsNone(self.db.close())
        await self.db.aclose()
        with self.assertRaises(ClosedError):
            await self.db.execute("SELECT 1")

    async def test_plain_close_in_a_block(self) -> None:
        """X5: the plain `close` is refused inside the block as `aclose` is."""
        async with self.transaction() as tx:
            for db in (tx, self.db):
                with self.assertRaises(TransactionError):
                    db.close()
        await self.assert_clean()

    async def test_bound_to_a_third_thread(self) -> None:
        """X6: a connection bound to a thread that is not the loop's is a ConfigurationError which says so."""
        with ThreadPoolExecutor(1) as third:
            conn = third.submit(sqlite3.connect, self.backend.path).result()
            try:
                with self.assertRaises(ConfigurationError) as caught:
                    await mini_orm.AsyncDatabase(conn).execute("SELECT 1")
                self.assertIn("thread", str(caught.exception))
            finally:
                third.submit(conn.close).result()


class NativeDriverContract(Tools):
    """X5 for an `AsyncDatabase` on a driver that is awaited."""

    async def test_plain_close(self) -> None:
        """X5: the plain `close` is a RuntimeError that names `await aclose()`, and closes nothing."""
        with self.assertRaises(RuntimeError) as caught:
            self.db.close()
        self.assertIn("aclose()", str(caught.exception))
        self.assertEqual(dict(await self.db.fetchone("SELECT 1 AS one")), {"one": 1})

    async def test_wrong_face(self) -> None:
        """X6: a connection that is awaited can't serve the sync face: ConfigurationError."""
        with self.assertRaises(ConfigurationError) as caught:
            mini_orm.Database(self.db.conn)
        self.assertIn("AsyncDatabase", str(caught.exception))


class InlineContract(Tools):
    """X6 for a connection that is bound to the loop's thread."""

    async def test_runs_in_the_loop_thread(self) -> None:
        """X6: statements run in the thread that the connection is bound to."""
        await self.create_tables(Account)
        threads: set[int] = set()
        self.db.conn.set_trace_callback(lambda _: threads.add(threading.get_ident()))
        await self.repo(Account).insert_many([Account(owner=str(number)) for number in range(5)])
        async with self.transaction() as tx:
            await self.repo(Account, tx).count()
        self.assertEqual(threads, {threading.get_ident()})

    async def test_never_waits_in_the_driver(self) -> None:
        """X6: no try for a lock blocks the loop: with a minute's timeout, tries and other work alternate."""
        await self.create_tables(Account)
        db = await self.open(timeout=60)
        await self.repo(Account, db).count()
        holder = self.outside()
        holder.execute("BEGIN IMMEDIATE")
        clock = asyncio.get_running_loop().time
        task = asyncio.create_task(self.repo(Account, db).insert(Account(owner="patient")))
        started = clock()
        for _ in range(20):
            await asyncio.sleep(0)
        self.assertLess(clock() - started, 5)
        self.assertFalse(task.done())
        holder.execute("ROLLBACK")
        async with asyncio.timeout(LIMIT):
            await task
        self.assertEqual(self.owners(), ["patient"])
        self.assertEqual(db.conn.execute("PRAGMA busy_timeout").fetchone(), (60000,))


@contextlib.contextmanager
def in_a_thread(work: Callable[[], Any]) -> Iterator[Callable[[], Any]]:
    """Run `work` in a daemon thread and yield a function that waits for its result, so that a deadlock is a failure."""
    outcome: list[tuple[bool, Any]] = []

    def target() -> None:
        try:
            outcome.append((True, work()))
        except BaseException as exc:  # handed to the waiting test
            outcome.append((False, exc))

    thread = threading.Thread(target=target, daemon=True)
    thread.start()

    def result() -> Any:
        thread.join(LIMIT)
        if not outcome:
            raise AssertionError("it is stuck")
        succeeded, value = outcome[0]
        if not succeeded:
            raise value
        return value

    yield result
