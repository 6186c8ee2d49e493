"""Transactions as a user sees them: X1 commit, rollback, savepoints and loss; X3; X9 `run_in_transaction`; R6."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import mini_orm
from mini_orm import (
    C,
    DatabaseError,
    F,
    ForeignKeyViolation,
    LockTimeout,
    MiniOrmError,
    OperationalError,
    SerializationFailure,
    TransactionError,
    UniqueViolation,
)
from tests.backends import maybe_await, needs

if TYPE_CHECKING:
    from tests.backends import ContractCase as Case
else:
    Case = object

#: Seconds after which a test calls something stuck. No passing test waits for it.
LIMIT = 30.0


@dataclass
class Account:
    """The row that most tests here write: `owner` is unique."""

    id: int | None = field(default=None, metadata={"pk": True, "auto": True})
    owner: str = field(default="", metadata={"unique_index": True})
    balance: int = 0


class Odd(BaseException):
    """Neither an Exception nor one of the interpreter's own exits."""


class Gate:
    """An event that threads wait for on the sync face and tasks on the async one."""

    def __init__(self, is_async: bool) -> None:
        self._event: Any = asyncio.Event() if is_async else threading.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        if isinstance(self._event, asyncio.Event):
            async with asyncio.timeout(LIMIT):
                await self._event.wait()
        elif not self._event.wait(LIMIT):
            raise AssertionError("nobody opened the gate")


@contextlib.contextmanager
def quiet_log() -> Iterator[None]:
    """Take the library's log for the time of a block, so that expected warnings do not reach the terminal."""
    logger = logging.getLogger("mini_orm")
    handler = logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class Tools(Case):
    """What the contracts on transactions, connections, errors and cancellation share."""

    def gate(self) -> Gate:
        return Gate(self.is_async)

    async def within(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Await `work`, failing instead of hanging."""
        try:
            async with asyncio.timeout(LIMIT) as scope:
                return await work
        except TimeoutError:
            if scope.expired():
                raise AssertionError("it is stuck") from None
            raise

    def outside(self, *, timeout: float = 5.0) -> Any:
        """Open an independent connection in autocommit, closed at the end of the test.

        Args:
            timeout: seconds that it waits for the lock of a file.
        """
        conn = self.backend.raw()
        self.addCleanup(conn.close)
        if self.backend.uses_file:
            conn.execute(f"PRAGMA busy_timeout = {round(timeout * 1000)}")
        return conn

    def owners(self) -> list[str]:
        """Return the owners that are committed, as another connection sees them, in order."""
        with self.backend.look() as conn:
            return [owner for (owner,) in conn.execute("SELECT owner FROM account ORDER BY owner").fetchall()]

    async def raw(self, conn: Any, sql: str, *params: Any) -> None:
        """Run SQL on the driver's connection behind mini_orm's back, in the connection's own mode."""
        await maybe_await(conn.execute(sql, params))

    async def on_driver(self, conn: Any, method: str, *args: Any) -> Any:
        """Call a method of the driver's connection on either face."""
        return await maybe_await(getattr(conn, method)(*args))

    async def traced(self, conn: Any) -> list[str]:
        """Return a list that collects every statement which the connection starts from now on."""
        statements: list[str] = []
        await self.backend.trace(conn, lambda sql: statements.append(" ".join(sql.upper().split())))
        return statements

    async def assert_clean(self, db: Any = None) -> None:
        """Check that no transaction is open and that an unrelated caller gets the connection."""
        db = self.db if db is None else db
        self.assertFalse(self.backend.in_transaction(db.conn), "a transaction is still open")

        async def unrelated() -> Any:
            return await maybe_await(db.fetchone("SELECT 1 AS one"))

        self.assertEqual(dict(await self.within(self.spawn(unrelated).join())), {"one": 1})

    def uses(self, db: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Yield every way to use `db`: the name of the call, and the call (awaitable on the async face)."""
        repo = self.repo(Account, db)

        async def begin_async() -> None:
            async with db.transaction():
                pass

        def begin() -> Any:
            if self.is_async:
                return begin_async()
            with db.transaction():
                return None

        yield "execute", lambda: db.execute("SELECT 1")
        yield "execute BEGIN", lambda: db.execute("BEGIN")
        yield "fetchone", lambda: db.fetchone("SELECT 1 AS one")
        yield "fetchall", lambda: db.fetchall("SELECT 1 AS one")
        yield "transaction", begin
        yield "get", lambda: repo.get(1)
        yield "list", lambda: repo.list()
        yield "count", lambda: repo.count()
        yield "exists", lambda: repo.exists()
        yield "insert", lambda: repo.insert(Account(owner="late"))
        yield "create", lambda: repo.create(Account(owner="late"))
        yield "insert_many", lambda: repo.insert_many([Account(owner="late"), Account(owner="later")])
        yield "update", lambda: repo.update(Account(id=1, owner="late"))
        yield "delete", lambda: repo.delete(Account(id=1, owner="late"))
        yield "update_where", lambda: repo.update_where({"balance": 9}, allow_all=True)
        yield "delete_where", lambda: repo.delete_where(allow_all=True)
        yield "get_or_create", lambda: repo.get_or_create(lookup={"owner": "late"})

    async def assert_every_use_raises(self, db: Any, error: type[BaseException], text: str = "") -> None:
        """Check that each call on `db` raises `error`, with `text` in its message."""
        for name, use in self.uses(db):
            with self.subTest(use=name):
                with self.assertRaises(error) as caught:
                    await maybe_await(use())
                self.assertIn(text, str(caught.exception))


class TransactionContract(Tools):
    """X1: a block commits or rolls back, blocks nest, and a transaction that is gone is never taken for one."""

    async def test_commits_on_normal_exit(self) -> None:
        """X1: what a block wrote, by repository and by raw SQL, is committed when it ends and not before."""
        await self.table(Account)
        async with self.transaction() as tx:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="ann")))
            await maybe_await(tx.execute("INSERT INTO account (owner, balance) VALUES ('bob', 0)"))
            self.assertEqual(await maybe_await(self.repo(Account, tx).count()), 2)
            self.assertEqual(self.owners(), [])
        self.assertEqual(self.owners(), ["ann", "bob"])
        await self.assert_clean()

    async def test_tx_is_a_database(self) -> None:
        """X1 X4: `tx` is a database of the same face and dialect, on the same connection."""
        async with self.transaction() as tx:
            self.assertIsInstance(tx, mini_orm.AsyncDatabase if self.is_async else mini_orm.Database)
            self.assertIs(tx.dialect, self.db.dialect)
            self.assertIs(tx.conn, self.db.conn)

    async def test_rolls_back_on_any_base_exception(self) -> None:
        """X1: any BaseException rolls the block back and goes on as the very same object."""
        await self.table(Account)
        errors = [
            ValueError("no"),
            mini_orm.QueryError("no"),
            KeyboardInterrupt(),
            SystemExit(3),
            GeneratorExit(),
            asyncio.CancelledError(),
            StopIteration(1),
            StopAsyncIteration(),
            Odd(),
        ]
        for error in errors:
            with self.subTest(error=type(error).__name__):
                with self.assertRaises(type(error)) as caught:
                    async with self.transaction() as tx:
                        await maybe_await(self.repo(Account, tx).insert(Account(owner="gone")))
                        raise error
                self.assertIs(caught.exception, error)
                self.assertEqual(self.owners(), [])
                await self.assert_clean()

    async def test_empty_block(self) -> None:
        """X1: a block that does nothing leaves nothing open, and one that is never entered begins nothing."""
        async with self.transaction():
            pass
        await self.assert_clean()
        scope = self.db.transaction()
        self.assertFalse(self.backend.in_transaction(self.db.conn))
        del scope
        await self.assert_clean()

    async def test_blocks_follow_each_other(self) -> None:
        """X1: a block after a failed one starts afresh."""
        await self.table(Account)
        for number in range(4):
            with contextlib.suppress(ZeroDivisionError):
                async with self.transaction() as tx:
                    await maybe_await(self.repo(Account, tx).insert(Account(owner=f"o{number}")))
                    if number % 2:
                        raise ZeroDivisionError
        self.assertEqual(self.owners(), ["o0", "o2"])

    async def test_nested_block_is_a_savepoint(self) -> None:
        """X1: a failed inner block is undone alone; the outer one goes on and commits the rest, three levels deep."""
        await self.table(Account)
        async with self.transaction() as tx:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="1")))
            with self.assertRaises(ZeroDivisionError):
                async with self.transaction(tx) as inner:
                    await maybe_await(self.repo(Account, inner).insert(Account(owner="2 undone")))
                    async with self.transaction(inner) as innermost:
                        await maybe_await(self.repo(Account, innermost).insert(Account(owner="3 undone")))
                    raise ZeroDivisionError
            async with self.transaction(tx) as inner:
                await maybe_await(self.repo(Account, inner).insert(Account(owner="4")))
                with self.assertRaises(Odd):
                    async with self.transaction(inner) as innermost:
                        await maybe_await(self.repo(Account, innermost).insert(Account(owner="5 undone")))
                        raise Odd
                await maybe_await(self.repo(Account, inner).insert(Account(owner="6")))
            self.assertEqual(self.owners(), [])
        self.assertEqual(self.owners(), ["1", "4", "6"])
        await self.assert_clean()

    async def test_nested_through_db(self) -> None:
        """X1 X4: in the task that opened it, `db.transaction()` inside the block is a savepoint of the same one."""
        repo = await self.table(Account)
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction():
                await maybe_await(repo.insert(Account(owner="outer")))
                async with self.transaction() as inner:
                    await maybe_await(self.repo(Account, inner).insert(Account(owner="inner")))
                self.assertEqual(await maybe_await(repo.count()), 2)
                raise ZeroDivisionError
        self.assertEqual(self.owners(), [])
        await self.assert_clean()

    async def test_released_savepoint_is_not_committed(self) -> None:
        """X1: an inner block that succeeded is undone with the outer one."""
        await self.table(Account)
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                async with self.transaction(tx) as inner:
                    await maybe_await(self.repo(Account, inner).insert(Account(owner="inner")))
                raise ZeroDivisionError
        self.assertEqual(self.owners(), [])

    async def test_caught_inner_failure(self) -> None:
        """X1: a violation inside a nested block, caught outside of it, leaves the outer transaction usable."""
        repo = await self.table(Account, [Account(owner="taken")])
        async with self.transaction() as tx:
            with self.assertRaises(UniqueViolation):
                async with self.transaction(tx) as inner:
                    await maybe_await(self.repo(Account, inner).insert(Account(owner="undone")))
                    await maybe_await(self.repo(Account, inner).insert(Account(owner="taken")))
            await maybe_await(self.repo(Account, tx).insert(Account(owner="kept")))
        self.assertEqual(self.owners(), ["kept", "taken"])
        self.assertEqual(await maybe_await(repo.count()), 2)

    async def test_many_savepoints(self) -> None:
        """X1: two hundred inner blocks, every third of them failing, in one transaction."""
        await self.table(Account)
        async with self.transaction() as tx:
            for number in range(200):
                with contextlib.suppress(ZeroDivisionError):
                    async with self.transaction(tx) as inner:
                        await maybe_await(self.repo(Account, inner).insert(Account(owner=f"{number:03}")))
                        if number % 3 == 0:
                            raise ZeroDivisionError
        self.assertEqual(self.owners(), [f"{number:03}" for number in range(200) if number % 3])

    async def test_isolation_names(self) -> None:
        """X1: the three isolation levels are taken; anything else is refused before anything is begun."""
        await self.table(Account)
        for number, isolation in enumerate(("read committed", "repeatable read", "serializable")):
            async with self.transaction(isolation=isolation) as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner=str(number))))
        self.assertEqual(self.owners(), ["0", "1", "2"])
        for wrong in ("snapshot", "SERIALIZABLE; DROP TABLE account", "", 1):
            with self.subTest(isolation=wrong), self.assertRaises(ValueError):
                async with self.transaction(isolation=wrong):
                    self.fail("the block was entered")
            await self.assert_clean()

    async def test_nested_isolation(self) -> None:
        """X1: an inner block may repeat the isolation or leave it out; another one is a TransactionError."""
        await self.table(Account)
        async with self.transaction(isolation="serializable") as tx:
            for same in (None, "serializable"):
                async with self.transaction(tx, isolation=same) as inner:
                    await maybe_await(self.repo(Account, inner).insert(Account(owner=f"inner {same}")))
            for db in (tx, self.db):
                with self.assertRaises(TransactionError) as caught:
                    async with self.transaction(db, isolation="read committed"):
                        self.fail("the block was entered")
                self.assertIn("isolation", str(caught.exception))
            await maybe_await(self.repo(Account, tx).insert(Account(owner="outer")))
        self.assertEqual(self.owners(), ["inner None", "inner serializable", "outer"])

    async def test_read_only(self) -> None:
        """X1 X3: a read-only block reads; each write of a repository is a TransactionError, in inner blocks too."""
        repo = await self.table(Account, [Account(owner="kept")])
        row = await maybe_await(repo.get(1))
        async with self.transaction(read_only=True) as tx:
            inside = self.repo(Account, tx)
            self.assertEqual(await maybe_await(inside.count()), 1)
            self.assertEqual(await maybe_await(inside.get(1)), row)
            writes: list[tuple[str, Callable[[], Any]]] = [
                ("insert", lambda: inside.insert(Account(owner="new"))),
                ("insert_many", lambda: inside.insert_many([Account(owner="a"), Account(owner="b")])),
                ("update", lambda: inside.update(row)),
                ("delete", lambda: inside.delete(row)),
                ("update_where", lambda: inside.update_where({"balance": 5}, allow_all=True)),
                ("delete_where", lambda: inside.delete_where(where=C.eq("owner", "kept"))),
                ("get_or_create", lambda: inside.get_or_create(lookup={"owner": "new"})),
                ("insert through db", lambda: repo.insert(Account(owner="new"))),
            ]
            for name, write in writes:
                with self.subTest(write=name), self.assertRaises(TransactionError):
                    await maybe_await(write())
            with self.assertRaises(TransactionError):
                async with self.transaction(tx) as inner:
                    await maybe_await(self.repo(Account, inner).insert(Account(owner="new")))
            self.assertEqual(await maybe_await(inside.list()), [row])
        self.assertEqual(self.owners(), ["kept"])
        await maybe_await(repo.insert(Account(owner="after")))
        self.assertEqual(self.owners(), ["after", "kept"])

    async def test_use_after_the_block(self) -> None:
        """X1: `tx` is a TransactionError after its block, committed or rolled back; nothing is written by it."""
        await self.table(Account, [Account(owner="kept")])
        kept: list[Any] = []
        for fails in (False, True):
            with contextlib.suppress(ZeroDivisionError):
                async with self.transaction() as tx:
                    kept.append(tx)
                    if fails:
                        raise ZeroDivisionError
        for tx in kept:
            await self.assert_every_use_raises(tx, TransactionError)
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_clean()

    async def test_inner_use_after_its_block(self) -> None:
        """X1: an inner `tx` ends with its own block, while the outer one goes on."""
        await self.table(Account)
        async with self.transaction() as tx:
            async with self.transaction(tx) as inner:
                await maybe_await(self.repo(Account, inner).insert(Account(owner="inner")))
            with self.assertRaises(TransactionError):
                await maybe_await(self.repo(Account, inner).insert(Account(owner="late")))
            await maybe_await(self.repo(Account, tx).insert(Account(owner="outer")))
        self.assertEqual(self.owners(), ["inner", "outer"])

    async def test_tx_of_an_earlier_block_is_not_the_open_one(self) -> None:
        """X1: a `tx` that was kept from an earlier block does not belong to a later one."""
        await self.table(Account)
        async with self.transaction() as earlier:
            pass
        async with self.transaction() as tx:
            with self.assertRaises(TransactionError):
                await maybe_await(self.repo(Account, earlier).insert(Account(owner="stray")))
            await maybe_await(self.repo(Account, tx).insert(Account(owner="own")))
        self.assertEqual(self.owners(), ["own"])

    async def test_begin_that_is_refused(self) -> None:
        """X1: a BEGIN that fails is the database's error, the block is not entered and the connection is free."""
        await self.table(Account)
        await self.backend.forbid(self.db.conn, "BEGIN")
        with self.assertRaises(DatabaseError):
            async with self.transaction():
                self.fail("the block was entered")
        await self.backend.forbid(self.db.conn, None)
        await self.assert_clean()
        async with self.transaction() as tx:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="after")))
        self.assertEqual(self.owners(), ["after"])

    @needs("supports_deferred_keys")
    async def test_commit_that_is_refused(self) -> None:
        """X1 R6: a COMMIT that fails (a deferred foreign key) raises, and everything is rolled back."""
        await self.table(Account)
        reference = "REFERENCES account (id) DEFERRABLE INITIALLY DEFERRED"
        await maybe_await(self.db.execute(f"CREATE TABLE child (parent INTEGER {reference})"))
        with self.assertRaises(ForeignKeyViolation):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="gone")))
                await maybe_await(tx.execute("INSERT INTO child VALUES (99)"))
        await self.assert_clean()
        self.assertEqual(self.owners(), [])
        self.assertEqual(await maybe_await(self.db.fetchall("SELECT * FROM child")), [])

    @needs("locks_file")
    async def test_commit_that_finds_a_reader(self) -> None:
        """X1 R6: a COMMIT that can't have the file (a reader holds it) is a LockTimeout and leaves nothing."""
        await self.table(Account, [Account(owner="kept")])
        db = await self.open(timeout=0.02)
        reader = self.outside()
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM account").fetchall()
        with self.assertRaises(LockTimeout):
            async with self.transaction(db) as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="gone")))
        with self.assertRaises(LockTimeout):
            await maybe_await(self.repo(Account, db).insert(Account(owner="gone")))
        await self.assert_clean(db)
        reader.execute("COMMIT")
        await maybe_await(self.repo(Account, db).insert(Account(owner="after")))
        self.assertEqual(self.owners(), ["after", "kept"])


class LostTransactionContract(Tools):
    """X1: a transaction that ended by itself is lost, whoever ended it, and says so until its block is over."""

    async def test_raw_end(self) -> None:
        """X1: after a raw COMMIT, in any words, or ROLLBACK every use raises, and the exit; nothing more is kept."""
        for sql, kept in (("COMMIT", ["early"]), (self.backend.other_commit, ["early"]), ("ROLLBACK", [])):
            with self.subTest(sql=sql):
                await self.create_tables(Account, if_not_exists=True)
                with self.assertRaises(TransactionError):
                    async with self.transaction() as tx:
                        await maybe_await(self.repo(Account, tx).insert(Account(owner="early")))
                        await maybe_await(tx.execute(sql))
                        await self.assert_every_use_raises(tx, TransactionError)
                await self.assert_clean()
                self.assertEqual(self.owners(), kept)
                await maybe_await(self.db.execute("DELETE FROM account"))

    async def test_raw_sql_that_begins_anew(self) -> None:
        """X1: an end that a new transaction would hide is refused, and the block goes on: all of it, or nothing."""
        await self.table(Account)
        for sql in ("COMMIT AND CHAIN", " rollback\nwork and  chain", *self.backend.reopening):
            with self.subTest(sql=sql), contextlib.suppress(Odd):
                async with self.transaction() as tx:
                    await maybe_await(self.repo(Account, tx).insert(Account(owner="early")))
                    for run in (tx.execute, tx.fetchone, tx.fetchall):
                        with self.assertRaises(TransactionError):
                            await maybe_await(run(sql))
                    await maybe_await(self.repo(Account, tx).insert(Account(owner="late")))
                    self.assertEqual(await maybe_await(self.repo(Account, tx).count()), 2)
                    raise Odd
            self.assertEqual(self.owners(), [])
        await self.assert_clean()

    async def test_through_db(self) -> None:
        """X1 X4: through `db`, in the task that opened it, the lost transaction is as lost as through `tx`."""
        repo = await self.table(Account)
        with self.assertRaises(TransactionError):
            async with self.transaction():
                await maybe_await(self.db.execute("ROLLBACK"))
                with self.assertRaises(TransactionError):
                    await maybe_await(repo.insert(Account(owner="late")))
                with self.assertRaises(TransactionError):
                    await maybe_await(self.db.execute("INSERT INTO account (owner, balance) VALUES ('late', 0)"))
        self.assertEqual(self.owners(), [])
        await self.assert_clean()

    @needs("supports_driver_commit")
    async def test_driver_commit(self) -> None:
        """X1: a COMMIT on the driver's connection, behind mini_orm's back, loses the transaction as well."""
        await self.table(Account)
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="early")))
                await self.on_driver(self.db.conn, "commit")
                with self.assertRaises(TransactionError):
                    await maybe_await(self.repo(Account, tx).insert(Account(owner="late")))
        self.assertEqual(self.owners(), ["early"])
        await self.assert_clean()

    async def test_noticed_at_the_exit_alone(self) -> None:
        """X1: a loss that no later use met is raised by the normal exit."""
        await self.table(Account)
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="gone")))
                await maybe_await(tx.execute("ROLLBACK"))
        self.assertEqual(self.owners(), [])
        await self.assert_clean()

    async def test_first_error_goes_on(self) -> None:
        """X1: an exception that leaves a lost block is the one that the caller gets."""
        error = ValueError("mine")
        with self.assertRaises(ValueError) as caught:
            async with self.transaction() as tx:
                await maybe_await(tx.execute("ROLLBACK"))
                raise error
        self.assertIs(caught.exception, error)
        await self.assert_clean()

    @needs("conflicts_roll_back")
    async def test_on_conflict_rollback(self) -> None:
        """X1: ON CONFLICT ROLLBACK ends the transaction; caught or not, nothing of the block is kept."""
        await self.table(Account, [Account(owner="taken")])
        sql = "INSERT OR ROLLBACK INTO account (owner, balance) VALUES ('taken', 1)"
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="early")))
                with self.assertRaises(UniqueViolation):
                    await maybe_await(tx.execute(sql))
                await self.assert_every_use_raises(tx, TransactionError)
        self.assertEqual(self.owners(), ["taken"])
        with self.assertRaises(UniqueViolation):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="early")))
                await maybe_await(tx.execute(sql))
        self.assertEqual(self.owners(), ["taken"])
        await self.assert_clean()

    @needs("conflicts_roll_back")
    async def test_inside_a_savepoint(self) -> None:
        """X1: a loss inside an inner block is a loss of the outer one, even where the inner error is caught."""
        await self.table(Account, [Account(owner="taken")])
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="early")))
                with self.assertRaises(UniqueViolation):
                    async with self.transaction(tx) as inner:
                        await maybe_await(
                            inner.execute("INSERT OR ROLLBACK INTO account (owner, balance) VALUES ('taken', 1)")
                        )
                with self.assertRaises(TransactionError):
                    await maybe_await(self.repo(Account, tx).insert(Account(owner="late")))
        self.assertEqual(self.owners(), ["taken"])
        await self.assert_clean()

    async def test_raw_end_inside_a_savepoint(self) -> None:
        """X1: a raw ROLLBACK inside an inner block is a loss of both, and nothing of either is kept."""
        await self.table(Account)
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="early")))
                with self.assertRaises(TransactionError):
                    async with self.transaction(tx) as inner:
                        await maybe_await(inner.execute("ROLLBACK"))
        self.assertEqual(self.owners(), [])
        await self.assert_clean()

    @needs("conflicts_roll_back")
    async def test_insert_many_loses_its_own(self) -> None:
        """X1 R6: a bulk insert whose implicit transaction the database ends leaves nothing, and a clean connection."""
        await maybe_await(
            self.db.execute(
                "CREATE TABLE account (id INTEGER PRIMARY KEY, "
                "owner TEXT NOT NULL UNIQUE ON CONFLICT ROLLBACK, balance INTEGER NOT NULL)"
            )
        )
        repo = self.repo(Account)
        rows = [Account(owner=str(number)) for number in range(50)]
        with self.assertRaises(UniqueViolation):
            await maybe_await(repo.insert_many([*rows, Account(owner="7"), Account(owner="last")]))
        self.assertEqual(self.owners(), [])
        await self.assert_clean()
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="early")))
                with self.assertRaises(UniqueViolation):
                    await maybe_await(self.repo(Account, tx).insert_many([Account(owner="x"), Account(owner="x")]))
        self.assertEqual(self.owners(), [])
        await self.assert_clean()

    @needs("uses_file")
    async def test_disk_full(self) -> None:
        """X1 R6: a full disk undoes the call; in a block, the transaction goes on or is lost as the database says."""
        repo = await self.table(Account, [Account(owner="kept")])
        pages = (await maybe_await(self.db.fetchone("PRAGMA page_count")))["page_count"]
        await maybe_await(self.db.execute(f"PRAGMA max_page_count = {pages + 6}"))
        rows = [Account(owner=f"{number} " + "x" * 700) for number in range(300)]
        with self.assertRaises(OperationalError) as caught:
            await maybe_await(repo.insert_many(rows))
        self.assertEqual(getattr(caught.exception, "sqlite_errorname", None), "SQLITE_FULL")
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_clean()
        lost = False
        try:
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="early")))
                with self.assertRaises(OperationalError):
                    await maybe_await(self.repo(Account, tx).insert_many(Account(owner=row.owner) for row in rows))
                lost = not self.backend.in_transaction(self.db.conn)
                if lost:
                    with self.assertRaises(TransactionError):
                        await maybe_await(self.repo(Account, tx).count())
        except TransactionError:
            self.assertTrue(lost, "a transaction that is still open was called lost")
        else:
            self.assertFalse(lost, "the exit of a lost transaction raised nothing")
        self.assertEqual(self.owners(), ["kept"] if lost else ["early", "kept"])
        await self.assert_clean()


class FailedRollbackContract(Tools):
    """X1: what happens when even the way back fails."""

    async def test_to_a_savepoint(self) -> None:
        """X1: a failed rollback to a savepoint rolls the whole transaction back and keeps the first error."""
        await self.table(Account)
        error = ValueError("first")
        with self.assertRaises(TransactionError), quiet_log():
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="early")))
                with self.assertRaises(ValueError) as caught:
                    async with self.transaction(tx) as inner:
                        await maybe_await(self.repo(Account, inner).insert(Account(owner="inner")))
                        await self.backend.forbid(self.db.conn, "ROLLBACK TO")
                        raise error
                self.assertIs(caught.exception, error)
                await self.backend.forbid(self.db.conn, None)
                with self.assertRaises(TransactionError):
                    await maybe_await(self.repo(Account, tx).insert(Account(owner="late")))
        self.assertEqual(self.owners(), [])
        await self.assert_clean()

    async def test_of_the_whole(self) -> None:
        """X1: a failed rollback keeps the first error; the given connection is marked broken and left open."""
        await self.table(Account)
        conn = self.db.conn
        error = ValueError("first")
        with self.assertRaises(ValueError) as caught, quiet_log():
            async with self.transaction() as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="gone")))
                await self.backend.forbid(conn, "ROLLBACK")
                raise error
        self.assertIs(caught.exception, error)
        await self.backend.forbid(conn, None)

        async def later_use() -> None:
            await maybe_await(self.repo(Account).insert(Account(owner="late")))

        for inherit in (False, True):
            with self.assertRaises(MiniOrmError):
                await self.within(self.spawn(later_use, inherit=inherit).join())
        with self.assertRaises(MiniOrmError):
            await later_use()
        await self.backend.run(conn, "SELECT 1")
        await self.close(self.db)
        self.assertEqual(self.owners(), [])

    async def test_of_an_implicit_one(self) -> None:
        """X1 R6: the same for the transaction of a single bulk call: the violation is what the caller gets."""
        await self.table(Account)
        conn = self.db.conn
        await self.backend.forbid(conn, "ROLLBACK")
        rows = [Account(owner="a"), Account(owner="b"), Account(owner="a")]
        with self.assertRaises(UniqueViolation), quiet_log():
            await maybe_await(self.repo(Account).insert_many(rows))
        await self.backend.forbid(conn, None)
        if self.backend.in_transaction(conn):  # nothing was left to undo otherwise
            with self.assertRaises(MiniOrmError):
                await maybe_await(self.repo(Account).insert(Account(owner="late")))
        await self.close(self.db)
        self.assertEqual(self.owners(), [])


class LockingContract(Tools):
    """X3: how SQLite's own locks are taken."""

    async def test_begin_immediate(self) -> None:
        """X3: a transaction takes the write lock with BEGIN IMMEDIATE; a read-only one is deferred."""
        await self.table(Account)
        statements = await self.traced(self.db.conn)
        async with self.transaction():
            pass
        self.assertIn(self.backend.begin, [text.removesuffix(" TRANSACTION") for text in statements])
        self.assertIn("COMMIT", statements)
        statements.clear()
        async with self.transaction(read_only=True):
            pass
        begins = [text for text in statements if text.startswith("BEGIN")]
        self.assertEqual(len(begins), 1)
        self.assertIn(begins[0].removesuffix(" TRANSACTION"), ("BEGIN", "BEGIN DEFERRED", "BEGIN READ ONLY"))

    @needs("locks_file")
    async def test_write_lock_is_held(self) -> None:
        """X3: inside a block no other connection can start to write; inside a read-only block it can."""
        await self.table(Account)
        other = self.outside(timeout=0)
        async with self.transaction():
            with self.assertRaises(sqlite3.OperationalError):
                other.execute("BEGIN IMMEDIATE")
        async with self.transaction(read_only=True) as tx:
            self.assertEqual(await maybe_await(self.repo(Account, tx).count()), 0)
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")

    async def test_implicit_transactions(self) -> None:
        """X3 B2: an operation of several statements never begins deferred, so that it can't fail half way."""
        repo = await self.table(Account)
        statements = await self.traced(self.db.conn)
        await maybe_await(repo.insert_many([Account(owner=str(number)) for number in range(5)]))
        await maybe_await(repo.get_or_create(lookup={"owner": "new"}))
        begins = {text.removesuffix(" TRANSACTION") for text in statements if text.startswith("BEGIN")}
        self.assertLessEqual(begins, {self.backend.begin})
        self.assertEqual(len(self.owners()), 6)

    async def test_reads_begin_nothing(self) -> None:
        """X2 X3: single reads run in the driver's autocommit, without a transaction around them."""
        repo = await self.table(Account, [Account(owner="a")])
        await maybe_await(repo.get(1))
        statements = await self.traced(self.db.conn)
        await maybe_await(repo.get(1))
        await maybe_await(repo.list(where=C.eq("owner", "a")))
        await maybe_await(repo.count())
        await maybe_await(self.db.fetchall("SELECT * FROM account"))
        self.assertTrue(statements)
        self.assertEqual([text for text in statements if text.startswith(("BEGIN", "SAVEPOINT"))], [])

    @needs("locks_file")
    async def test_busy_timeout_of_the_user(self) -> None:
        """X3: a timeout that the user set is used: a lock that stays is a LockTimeout long before five seconds."""
        await self.table(Account)
        db = await self.open(timeout=0.04)
        repo = self.repo(Account, db)
        self.assertEqual(await maybe_await(repo.count()), 0)
        holder = self.outside()
        holder.execute("BEGIN IMMEDIATE")
        clock = asyncio.get_running_loop().time
        for write in (
            lambda: repo.insert(Account(owner="a")),
            lambda: repo.insert_many([Account(owner="a"), Account(owner="b")]),
            lambda: repo.update_where({"balance": F("balance") + 1}, allow_all=True),
            lambda: repo.get_or_create(lookup={"owner": "a"}),
        ):
            started = clock()
            with self.assertRaises(LockTimeout):
                await maybe_await(write())
            self.assertLess(clock() - started, 4)
            await self.assert_clean(db)
        with self.assertRaises(LockTimeout):
            async with self.transaction(db):
                self.fail("the block was entered")
        await self.assert_clean(db)
        holder.execute("ROLLBACK")
        await maybe_await(repo.insert(Account(owner="a")))
        self.assertEqual(self.owners(), ["a"])


class BusyTimeoutContract(Tools):
    """X3: the setting itself, where nothing else changes it while an operation runs."""

    requires = ("supports_threads", "uses_pragmas")

    async def test_value(self) -> None:
        """X3: five seconds unless the user chose otherwise, when connecting or later by PRAGMA."""
        for options, expected in (({}, 5000), ({"timeout": 1.234}, 1234), ({"timeout": 60}, 60000)):
            db = await self.open(**options)
            for _ in range(2):
                self.assertEqual((await maybe_await(db.fetchone("PRAGMA busy_timeout")))["timeout"], expected)
        db = await self.open()
        await maybe_await(db.execute("PRAGMA busy_timeout = 321"))
        async with self.transaction(db):
            pass
        self.assertEqual((await maybe_await(db.fetchone("PRAGMA busy_timeout")))["timeout"], 321)


class AtomicityContract(Tools):
    """R6: a call outside a transaction is one, inside it is undone alone."""

    async def test_committed_on_return(self) -> None:
        """R6: each write is committed when it returns, for another connection to see."""
        repo = await self.table(Account)
        look = self.outside()

        def rows() -> list[tuple[str, int]]:
            return look.execute("SELECT owner, balance FROM account ORDER BY owner").fetchall()

        ann = await maybe_await(repo.insert(Account(owner="ann")))
        self.assertEqual(rows(), [("ann", 0)])
        ann.balance = 5
        await maybe_await(repo.update(ann))
        self.assertEqual(rows(), [("ann", 5)])
        await maybe_await(repo.insert_many([Account(owner="bob"), Account(owner="cid")]))
        self.assertEqual(len(rows()), 3)
        await maybe_await(repo.update_where({"balance": F("balance") + 1}, where=C.eq("owner", "ann")))
        self.assertEqual(rows()[0], ("ann", 6))
        await maybe_await(repo.get_or_create(lookup={"owner": "dan"}, defaults={"balance": 3}))
        self.assertEqual(rows()[3], ("dan", 3))
        await maybe_await(repo.delete(ann))
        await maybe_await(repo.delete_where(where=C.eq("owner", "bob")))
        self.assertEqual([owner for owner, _ in rows()], ["cid", "dan"])
        await maybe_await(self.db.execute("UPDATE account SET balance = 8"))
        self.assertEqual([balance for _, balance in rows()], [8, 8])
        await maybe_await(repo.create(Account(owner="eve")))
        self.assertEqual(len(rows()), 3)
        await self.assert_clean()

    async def test_failure_leaves_nothing(self) -> None:
        """R6 B3: a call that fails at its last row, or in the caller's own iterable, is rolled back whole."""
        repo = await self.table(Account, [Account(owner="taken")])
        many = [Account(owner=f"{number:04}") for number in range(3000)]

        def broken() -> Iterator[Account]:
            yield from many
            raise ZeroDivisionError("the caller's own")

        sql = "INSERT INTO account (owner, balance) SELECT 'new', 1 UNION ALL SELECT 'taken', 2"
        failing: list[tuple[type[BaseException], Callable[[], Any]]] = [
            (UniqueViolation, lambda: repo.insert(Account(owner="taken"))),
            (UniqueViolation, lambda: repo.insert_many([*many, Account(owner="taken")])),
            (mini_orm.CodecError, lambda: repo.insert_many([*many, Account(owner=object())])),  # type: ignore[arg-type]
            (TypeError, lambda: repo.insert_many([*many, object()])),
            (ZeroDivisionError, lambda: repo.insert_many(broken())),
            (UniqueViolation, lambda: self.db.execute(sql)),
        ]
        for error, call in failing:
            for row in many:
                row.id = None
            with self.subTest(error=error.__name__):
                with self.assertRaises(error):
                    await maybe_await(call())
                self.assertEqual(self.owners(), ["taken"])
                await self.assert_clean()

    async def test_failure_inside_a_transaction(self) -> None:
        """R6: inside a block a failed call of several statements is undone alone, by its savepoint."""
        await self.table(Account, [Account(owner="taken")])
        async with self.transaction() as tx:
            repo = self.repo(Account, tx)
            await maybe_await(repo.insert(Account(owner="before")))
            rows = [Account(owner=f"{number:04}") for number in range(3000)]
            with self.assertRaises(UniqueViolation):
                await maybe_await(repo.insert_many([*rows, Account(owner="taken")]))
            self.assertEqual(await maybe_await(repo.count()), 2)
            if self.backend.survives_errors:
                with self.assertRaises(UniqueViolation):
                    await maybe_await(repo.insert(Account(owner="taken")))
            await maybe_await(repo.insert(Account(owner="after")))
        self.assertEqual(self.owners(), ["after", "before", "taken"])
        await self.assert_clean()

    async def test_open_result(self) -> None:
        """R6 Q17: a result is read when `execute` returns; it holds no lock and survives what comes later."""
        repo = await self.table(Account, [Account(owner=str(number)) for number in range(500)])
        result = await maybe_await(self.db.execute("SELECT owner FROM account"))
        other = self.outside(timeout=0)
        other.execute("UPDATE account SET balance = 2")
        await maybe_await(repo.delete_where(allow_all=True))
        self.assertEqual(len(result.fetchall()), 500)
        await self.assert_clean()


class RunInTransactionContract(Tools):
    """X9: `run_in_transaction` commits, and runs again what the database asks to be run again."""

    def function(self, body: Callable[[Any], Coroutine[Any, Any, Any]]) -> Callable[[Any], Any]:
        """Return `body` as this face takes it: a coroutine function, or a plain one."""
        if self.is_async:
            return body

        def plain(tx: Any) -> Any:
            coroutine = body(tx)
            try:
                coroutine.send(None)
            except StopIteration as done:
                return done.value
            raise AssertionError("the body suspended on the sync face")

        return plain

    async def run_it(self, db: Any, body: Callable[[Any], Coroutine[Any, Any, Any]], **options: Any) -> Any:
        return await maybe_await(db.run_in_transaction(self.function(body), **options))

    async def test_result(self) -> None:
        """X9: the function gets `tx`; its result is returned, after the commit."""
        await self.table(Account)

        async def body(tx: Any) -> int:
            self.assertIsInstance(tx, type(self.db))
            for owner in ("ann", "bob"):
                await maybe_await(self.repo(Account, tx).insert(Account(owner=owner)))
            self.assertEqual(self.owners(), [])
            return int(await maybe_await(self.repo(Account, tx).count()))

        self.assertEqual(await self.run_it(self.db, body), 2)
        self.assertEqual(self.owners(), ["ann", "bob"])
        self.assertEqual(await self.run_it(self.db, self.count, isolation="serializable"), 2)
        await self.assert_clean()

    async def count(self, tx: Any) -> int:
        return int(await maybe_await(self.repo(Account, tx).count()))

    async def test_other_errors_are_not_retried(self) -> None:
        """X9: any other exception rolls back and is raised at once."""
        await self.table(Account, [Account(owner="taken")])
        for error in (ZeroDivisionError("no"), KeyboardInterrupt(), mini_orm.DataError("no")):
            calls = 0

            async def body(tx: Any, error: BaseException = error) -> None:
                nonlocal calls
                calls += 1
                await maybe_await(self.repo(Account, tx).insert(Account(owner="gone")))
                raise error

            with self.assertRaises(type(error)) as caught:
                await self.run_it(self.db, body)
            self.assertIs(caught.exception, error)
            self.assertEqual(calls, 1)

        calls = 0

        async def violates(tx: Any) -> None:
            nonlocal calls
            calls += 1
            await maybe_await(self.repo(Account, tx).insert(Account(owner="gone")))
            await maybe_await(self.repo(Account, tx).insert(Account(owner="taken")))

        with self.assertRaises(UniqueViolation):
            await self.run_it(self.db, violates)
        self.assertEqual(calls, 1)
        self.assertEqual(self.owners(), ["taken"])
        await self.assert_clean()

    async def test_runs_again(self) -> None:
        """X9: after a serialization failure, deadlock or lock timeout it rolls back and calls the function again."""
        await self.table(Account)
        for number, error in enumerate((SerializationFailure, mini_orm.DeadlockDetected, LockTimeout)):
            calls = 0

            async def body(tx: Any, number: int = number, error: type[DatabaseError] = error) -> str:
                nonlocal calls
                calls += 1
                await maybe_await(self.repo(Account, tx).insert(Account(owner=f"{number} {calls}")))
                if calls < 3:
                    raise error("again")
                return "done"

            self.assertEqual(await self.run_it(self.db, body), "done")
            self.assertEqual(calls, 3)
        self.assertEqual(self.owners(), ["0 3", "1 3", "2 3"])
        await self.assert_clean()

    @needs("locks_file")
    async def test_a_real_lock_inside_the_function(self) -> None:
        """X9: a LockTimeout that came out of another connection's call runs the function again, too."""
        await self.table(Account)
        other = await self.open(timeout=0.02)
        calls = 0

        async def body(tx: Any) -> None:
            nonlocal calls
            calls += 1
            await maybe_await(self.repo(Account, tx).insert(Account(owner=f"call {calls}")))
            if calls == 1:
                await maybe_await(self.repo(Account, other).insert(Account(owner="other")))

        await self.run_it(self.db, body)
        self.assertEqual(self.owners(), ["call 2"])
        await self.assert_clean()
        await self.assert_clean(other)

    @needs("locks_file")
    async def test_waits_for_the_write_lock(self) -> None:
        """X9: while another connection writes, BEGIN times out and is tried again until the lock is free."""
        await self.table(Account)
        db = await self.open(timeout=0.02)
        holder = self.outside()
        holder.execute("BEGIN IMMEDIATE")
        begins = itertools.count(1)

        def release(sql: str) -> None:
            if sql.upper().startswith("BEGIN") and next(begins) == 3:
                holder.execute("COMMIT")

        await self.backend.trace(db.conn, release)

        async def body(tx: Any) -> str:
            await maybe_await(self.repo(Account, tx).insert(Account(owner="patient")))
            return "done"

        self.assertEqual(await self.within(self.as_coroutine(self.run_it(db, body, retries=5))), "done")
        self.assertEqual(self.owners(), ["patient"])
        self.assertGreaterEqual(next(begins), 4)
        await self.assert_clean(db)

    async def as_coroutine(self, work: Awaitable[Any]) -> Any:
        return await work

    async def test_gives_up(self) -> None:
        """X9: with its retries spent the last error is raised; `retries` counts the calls after the first."""
        await self.table(Account)
        for retries in (0, 1, 3):
            calls = 0

            async def body(tx: Any) -> None:
                nonlocal calls
                calls += 1
                await maybe_await(self.repo(Account, tx).insert(Account(owner="gone")))
                raise LockTimeout("again")

            with self.assertRaises(LockTimeout):
                await self.run_it(self.db, body, retries=retries)
            self.assertEqual(calls, 1 + retries)
        self.assertEqual(self.owners(), [])
        await self.assert_clean()

    @needs("locks_file")
    async def test_gives_up_at_begin(self) -> None:
        """X9: a write lock that is never given back is a LockTimeout; the function was not called."""
        await self.table(Account)
        db = await self.open(timeout=0.02)
        holder = self.outside()
        holder.execute("BEGIN IMMEDIATE")

        async def body(tx: Any) -> None:
            self.fail("the function was called")

        with self.assertRaises(LockTimeout):
            await self.run_it(db, body, retries=1)
        holder.execute("ROLLBACK")
        await self.assert_clean(db)
        self.assertEqual(await self.run_it(db, self.count), 0)

    async def test_never_inside_a_transaction(self) -> None:
        """X9: inside a transaction, mini_orm's or the user's own, it is a TransactionError."""
        repo = await self.table(Account)

        async def body(tx: Any) -> None:
            self.fail("the function was called")

        async with self.transaction() as tx:
            for db in (tx, self.db):
                with self.assertRaises(TransactionError):
                    await self.run_it(db, body)
            await maybe_await(self.repo(Account, tx).insert(Account(owner="kept")))
        await maybe_await(self.db.execute("BEGIN"))
        with self.assertRaises(TransactionError):
            await self.run_it(self.db, body)
        await maybe_await(repo.insert(Account(owner="undone")))
        await maybe_await(self.db.execute("ROLLBACK"))
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_clean()

    async def test_lost_inside(self) -> None:
        """X9 X1: a function that ends the transaction by raw SQL gets a TransactionError and is not called again."""
        await self.table(Account)
        calls = 0

        async def body(tx: Any) -> None:
            nonlocal calls
            calls += 1
            await maybe_await(tx.execute("ROLLBACK"))

        with self.assertRaises(TransactionError):
            await self.run_it(self.db, body)
        self.assertEqual(calls, 1)
        await self.assert_clean()

    async def test_wrong_arguments(self) -> None:
        """X9: an unknown isolation is a ValueError; the async face wants a coroutine function. Nothing is begun."""
        await self.table(Account)

        async def body(tx: Any) -> None:
            self.fail("the function was called")

        with self.assertRaises(ValueError):
            await self.run_it(self.db, body, isolation="chaos")
        if self.is_async:

            def plain(tx: Any) -> None:
                return None

            with self.assertRaises((TypeError, MiniOrmError)):
                await self.db.run_in_transaction(plain)
        await self.assert_clean()
