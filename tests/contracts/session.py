"""X8: a session's transaction as a user sees it, alone and among threads or tasks; S5: what is ensured before it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import mini_orm
from mini_orm import (
    C,
    ClosedError,
    ConfigurationError,
    F,
    LockTimeout,
    NotRegisteredError,
    OperationalError,
    SchemaConflictError,
    TransactionError,
    UniqueViolation,
)
from tests.backends import maybe_await, needs
from tests.contracts.crud import auto_key
from tests.contracts.registration import Author, Book, Review, Schemas
from tests.contracts.transactions import Account, Odd, Tools, quiet_log


class SessionTools(Tools):
    """Ways to enter a session, and to do something in it; a part of the contracts."""

    until = Schemas.until
    pooled = Schemas.pooled
    shut = Schemas.shut

    @contextlib.asynccontextmanager
    async def inside(self, block: Any) -> AsyncIterator[Any]:
        """Enter a session, or a transaction of one, on this face; yield what it gives."""
        if self.is_async:
            async with block as given:
                yield given
        else:
            with block as given:
                yield given

    async def enter(self, block: Any) -> Any:
        return await block.__aenter__() if self.is_async else block.__enter__()

    async def leave(self, block: Any) -> None:
        await maybe_await((block.__aexit__ if self.is_async else block.__exit__)(None, None, None))

    async def add(self, to: Any, owner: str) -> None:
        """Insert an account through a session or a hub."""
        await maybe_await(to.insert(Account(owner=owner)))

    async def every_way(self, session: Any, repo: Any, name: str) -> None:
        """Insert four accounts through all that a session has, and through a repository of it."""
        await self.add(session, f"{name}1")
        await self.add(session.hub, f"{name}2")
        await maybe_await(repo.insert(Account(owner=f"{name}3")))
        await maybe_await(
            session.db.execute(self.backend.sql("INSERT INTO account (owner, balance) VALUES (?, 0)"), [f"{name}4"])
        )


class SessionContract(SessionTools):
    """X8: one caller."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self.create_tables(Account)

    async def test_each_call_is_committed_before_and_behind_a_transaction(self) -> None:
        """X8 R6: what is done through the session, its hub and its repositories, those of before, too."""
        session = self.session()
        repo = session.repo(Account)
        await self.every_way(session, repo, "a")
        self.assertEqual(self.owners(), ["a1", "a2", "a3", "a4"])
        async with self.inside(session):
            pass
        await self.every_way(session, repo, "b")
        self.assertEqual(self.owners(), ["a1", "a2", "a3", "a4", "b1", "b2", "b3", "b4"])
        await self.assert_clean()

    async def test_a_block_is_one_transaction(self) -> None:
        """X8 X1: `with session`, `begin()` and `transaction()` give the session, and commit all of it at their end."""
        for number in range(3):
            session = self.session()
            repo = session.repo(Account)
            block = (session, session.begin(), session.transaction())[number]
            before = self.owners()
            async with self.inside(block) as given:
                self.assertIs(given, session)
                await self.every_way(session, repo, str(number))
                self.assertEqual(await maybe_await(repo.count(C.startswith("owner", str(number)))), 4)
                self.assertEqual(self.owners(), before)
            self.assertEqual(self.owners(), [*before, *(f"{number}{way}" for way in "1234")])
            await self.assert_clean()

    async def test_any_exception_rolls_back_and_the_session_goes_on(self) -> None:
        """X8 X1: any BaseException takes all of it back and goes on as the same object; the next block is a new one."""
        session = self.session()
        repo = session.repo(Account)
        errors = (ValueError("no"), Odd(), KeyboardInterrupt(), asyncio.CancelledError(), StopIteration(1))
        for error in errors:
            for block in (session, session.begin()):
                with self.subTest(error=error, block=block):
                    with self.assertRaises(type(error)) as caught:
                        async with self.inside(block):
                            await self.every_way(session, repo, "gone")
                            raise error
                    self.assertIs(caught.exception, error)
                    self.assertEqual(self.owners(), [])
                    await self.assert_clean()
        async with self.inside(session):
            await self.add(session, "kept")
        self.assertEqual(self.owners(), ["kept"])

    async def test_begin_inside_is_a_savepoint(self) -> None:
        """X8 X1: one that fails is undone alone, however deep; one that ends well goes with the rest."""
        session = self.session()
        repo = session.repo(Account)
        for outer in (session, session.begin()):
            await maybe_await(session.delete_where(Account, allow_all=True))
            async with self.inside(outer):
                await self.add(session, "outer")
                with self.assertRaises(ZeroDivisionError):
                    async with self.inside(session.begin()) as given:
                        self.assertIs(given, session)
                        await self.every_way(session, repo, "undone")
                        async with self.inside(session.transaction()):
                            await self.every_way(session, repo, "undone, too")
                        self.assertEqual(await maybe_await(session.count(Account)), 9)
                        raise ZeroDivisionError
                self.assertEqual(await maybe_await(session.count(Account)), 1)
                with self.assertRaises(UniqueViolation):
                    async with self.inside(session.begin()):
                        await self.add(session, "never")
                        await self.add(session, "outer")
                async with self.inside(session.begin()):
                    await self.add(session, "inner")
                self.assertEqual(self.owners(), [])
            self.assertEqual(self.owners(), ["inner", "outer"])
        with self.assertRaises(ZeroDivisionError):
            async with self.inside(session):
                async with self.inside(session.begin()):
                    await self.add(session, "gone")
                raise ZeroDivisionError
        self.assertEqual(self.owners(), ["inner", "outer"])
        await self.assert_clean()

    async def test_a_session_inside_itself(self) -> None:
        """X8: `with session` inside of its own transaction, however that began, is refused and harms nothing."""
        session = self.session()
        for outer in (session, session.begin()):
            async with self.inside(outer):
                await self.add(session, "outer" if outer is session else "begun")
                with self.assertRaisesRegex(TransactionError, r"begin\(\)") as caught:
                    async with self.inside(session):
                        self.fail("it was entered")
                self.assertIsInstance(caught.exception, RuntimeError)
                async with self.inside(session.begin()):
                    with self.assertRaises(TransactionError):
                        async with self.inside(session):
                            self.fail("it was entered")
                await self.add(session, "after" if outer is session else "later")
        self.assertEqual(self.owners(), ["after", "begun", "later", "outer"])
        await self.assert_clean()

    async def test_blocks_are_entered_once_and_left_after_that(self) -> None:
        """X8: a second time is refused, inside and behind; so is the end of what was not begun."""
        session = self.session()
        with self.assertRaises(TransactionError):
            await self.leave(session)
        block = session.begin()
        with self.assertRaises(TransactionError):
            await self.leave(block)
        async with self.inside(block):
            await self.add(session, "kept")
            with self.assertRaises(TransactionError):
                await self.enter(block)
            await self.add(session, "kept, too")
        with self.assertRaises(TransactionError):
            await self.enter(block)
        self.assertEqual(self.owners(), ["kept", "kept, too"])
        await self.assert_clean()

    async def test_blocks_that_are_left_in_the_wrong_order(self) -> None:
        """X8 X1: the outer end is an error, and the inner one has ended with it; the session goes on at once."""
        session = self.session()
        for outer in (session, session.begin()):
            inner = session.begin()
            await self.enter(outer)
            await self.enter(inner)
            await self.add(session, "gone")
            with self.assertRaises(TransactionError):
                await self.leave(outer)
            await self.add(session, "between")
            self.assertEqual(self.owners(), ["between"])
            with self.assertRaises(TransactionError):
                await self.leave(inner)
            await maybe_await(session.delete_where(Account, allow_all=True))
            self.assertEqual(self.owners(), [])
            await self.assert_clean()

    async def test_options(self) -> None:
        """X8 X1: `isolation` and `read_only` are those of `Database.transaction`."""
        session = self.session()
        for wrong in ("snapshot", "", 1):
            with self.subTest(wrong=wrong), self.assertRaises(ValueError):
                session.begin(isolation=wrong)
        async with self.inside(session.begin(isolation="serializable")):
            await self.add(session, "kept")
            with self.assertRaises(TransactionError):
                async with self.inside(session.begin(isolation="read committed")):
                    self.fail("it was entered")
            async with self.inside(session.begin(isolation="serializable")):
                await self.add(session, "kept, too")
        async with self.inside(session.transaction(read_only=True)):
            self.assertEqual(await maybe_await(session.count(Account)), 2)
            with self.assertRaises(TransactionError):
                await self.add(session, "no")
            if self.backend.survives_errors:
                with self.assertRaises(OperationalError):
                    await maybe_await(session.db.execute("DELETE FROM account"))
        await self.add(session, "after")
        self.assertEqual(self.owners(), ["after", "kept", "kept, too"])

    async def test_its_database(self) -> None:
        """X8: `session.db` is the one that was given; inside it is a `tx`, the innermost, which ends with its block."""
        session = self.session()
        self.assertIs(session.db, self.db)
        async with self.inside(session):
            tx = session.db
            self.assertIsInstance(tx, type(self.db))
            self.assertIsNot(tx, self.db)
            self.assertIs(tx.conn, self.db.conn)
            self.assertIs(tx.dialect, self.db.dialect)
            with self.assertRaises(ZeroDivisionError):
                async with self.inside(session.begin()):
                    inner = session.db
                    await maybe_await(self.repo(Account, inner).insert(Account(owner="gone")))
                    raise ZeroDivisionError
            async with self.transaction(session.db) as nested:
                await maybe_await(self.repo(Account, nested).insert(Account(owner="kept")))
            with self.assertRaises(TransactionError):
                await maybe_await(inner.execute("SELECT 1"))
        with self.assertRaises(TransactionError):
            await maybe_await(tx.execute("SELECT 1"))
        self.assertIs(session.db, self.db)
        self.assertEqual(self.owners(), ["kept"])

    async def test_its_hub_and_its_repositories(self) -> None:
        """X8: they are the same ones all the time, and of the session's flags; the session is a hub itself."""
        session = self.session(require_registration=True)
        kind = type(self.hub())
        self.assertIsInstance(session, kind)
        self.assertIs(type(session.hub), kind)
        repo, hub, hubs = session.repo(Account), session.hub, session.hub.repo(Account)
        for count in (lambda: session.count(Account), lambda: hub.count(Account), hubs.count, repo.count):
            with self.assertRaises(NotRegisteredError):
                await maybe_await(count())
        await maybe_await(session.register(Account))
        async with self.inside(session):
            self.assertIs(session.repo(Account), repo)
            self.assertIs(session.hub, hub)
            self.assertIs(hub.repo(Account), hubs)
            async with self.transaction(repo.db) as tx:
                await maybe_await(self.repo(Account, tx).insert(Account(owner="ann")))
            self.assertEqual(self.owners(), [])
            self.assertEqual(await maybe_await(hubs.count()), 1)
            self.assertIn("a transaction", repr(session))
        self.assertEqual(self.owners(), ["ann"])
        kind_name = "AsyncSession(AsyncDatabase(" if self.is_async else "Session(Database("
        self.assertTrue(repr(session).startswith(kind_name), repr(session))
        self.assertIn("open", repr(session))

    async def test_on_a_transaction(self) -> None:
        """X8: a session on a `tx` is in that from the start, its blocks are savepoints, and it ends with it."""
        async with self.transaction() as tx:
            session = self.session(tx)
            self.assertIs(session.db, tx)
            await self.add(session, "plain")
            async with self.inside(session):
                await self.add(session, "block")
            with self.assertRaises(ZeroDivisionError):
                async with self.inside(session):
                    await self.add(session, "undone")
                    raise ZeroDivisionError
            self.assertEqual(self.owners(), [])
        self.assertEqual(self.owners(), ["block", "plain"])
        for use in (lambda: session.count(Account), lambda: self.enter(session), lambda: self.enter(session.begin())):
            with self.assertRaises(TransactionError):
                await maybe_await(use())
        await self.assert_clean()

    async def test_inside_and_around_a_transaction_of_the_database(self) -> None:
        """X8 X4: in one task, blocks of the session and of its database stand inside of each other."""
        session = self.session()
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction():
                await self.add(session, "in the database's")
                async with self.inside(session):
                    await self.add(session, "in both")
                    async with self.transaction():
                        await self.add(session, "in all three")
                    await maybe_await(self.repo(Account).insert(Account(owner="through the database")))
                self.assertEqual(await maybe_await(session.count(Account)), 4)
                raise ZeroDivisionError
        self.assertEqual(self.owners(), [])
        async with self.inside(session):
            with self.assertRaises(ZeroDivisionError):
                async with self.transaction():
                    await self.add(session, "undone")
                    raise ZeroDivisionError
            await self.add(session, "kept")
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_clean()

    async def test_a_transaction_of_the_users_own(self) -> None:
        """X8 X2: a raw BEGIN is joined by savepoints, and is the user's to end."""
        session = self.session()
        await maybe_await(session.db.execute("BEGIN"))
        async with self.inside(session):
            await self.add(session, "in")
        self.assertEqual(self.owners(), [])
        await maybe_await(session.db.execute("COMMIT"))
        self.assertEqual(self.owners(), ["in"])

    async def test_a_transaction_that_is_lost(self) -> None:
        """X8 X1: after a raw ROLLBACK every use is refused, and so is the end; the session goes on behind it."""
        session = self.session()
        with self.assertRaises(TransactionError):
            async with self.inside(session):
                await self.add(session, "gone")
                await maybe_await(session.db.execute("ROLLBACK"))
                with self.assertRaises(TransactionError):
                    await self.add(session, "no")
        self.assertEqual(self.owners(), [])
        async with self.inside(session):
            await self.add(session, "kept")
        self.assertEqual(self.owners(), ["kept"])

    @needs("locks_file")
    async def test_a_transaction_that_can_not_begin(self) -> None:
        """X8 X3: while another connection has the file locked: a LockTimeout, nothing is open, and then it can."""
        session = self.session()
        await maybe_await(self.db.execute("PRAGMA busy_timeout = 0"))
        other = self.outside()
        other.execute("BEGIN IMMEDIATE")
        errors = []
        for block in (session, session.begin()):
            try:
                await self.enter(block)
            except LockTimeout as error:
                errors.append(error)  # with all that it came through
            self.assertIs(session.db, self.db)
            await self.assert_clean()
        other.execute("ROLLBACK")

        async def stranger() -> None:
            async with self.inside(session):
                await self.add(session, "kept")

        await self.within(self.spawn(stranger).join())
        self.assertEqual(len(errors), 2)
        self.assertEqual(self.owners(), ["kept"])

    async def test_a_closed_database(self) -> None:
        """X8 X5: a session made before and one made after: each use is a ClosedError."""
        pooled, _ = self.pooled(1)
        for db in (self.db, pooled):
            early = self.session(db)
            await maybe_await(early.count(Account))
            async with self.inside(early):
                with self.assertRaises(TransactionError):
                    db.close()
            await self.close(db)
            for session in (early, self.session(db)):
                for use in (
                    lambda session=session: session.count(Account),
                    lambda session=session: session.hub.get(Account, 1),
                    lambda session=session: session.db.execute("SELECT 1"),
                    lambda session=session: self.enter(session),
                    lambda session=session: self.enter(session.begin()),
                ):
                    with self.subTest(session=session), self.assertRaises(ClosedError):
                        await maybe_await(use())

    async def test_a_database_that_is_closed_through_the_session(self) -> None:
        """X8 X5: what a session's repositories work on closes the database that was given."""
        pooled, _ = self.pooled(1)
        for db in (self.db, pooled):
            session = self.session(db)
            await maybe_await(session.count(Account))
            await self.close(session.repo(Account).db)
            with self.assertRaises(ClosedError):
                await maybe_await(db.fetchone("SELECT 1"))
            with self.assertRaises(ClosedError):
                await maybe_await(session.count(Account))

    async def test_what_is_no_database(self) -> None:
        """X8: a connection, a hub, another session or a database of the other face is refused when it is made."""
        kind = mini_orm.AsyncSession if self.is_async else mini_orm.Session
        other = mini_orm.Session if self.is_async else mini_orm.AsyncSession
        for wrong in (self.db.conn, self.hub(), self.session(), None):
            with self.subTest(wrong=wrong), self.assertRaisesRegex(ConfigurationError, f"{kind.__name__} needs a"):
                kind(wrong)
        with self.assertRaises(ConfigurationError):
            other(self.db)
        with self.assertRaisesRegex(ValueError, "'raise', 'recreate'"):
            self.session(schema_conflict="drop")

    async def test_a_session_that_is_dropped(self) -> None:
        """X8 X1: one that was entered and never left goes with its last reference; nothing of it is kept."""
        session = self.session()
        await self.enter(session)
        await self.add(session, "gone")
        del session
        with quiet_log():
            await maybe_await(self.repo(Account).insert(Account(owner="kept")))
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_clean()


class SessionAtOnceContract(SessionTools):
    """X8: several callers at once."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self.create_tables(Account)

    async def test_in_any_task_or_thread(self) -> None:
        """X8: those that the block started, and unrelated ones, are in its transaction, one after the other."""
        session = self.session()
        repo = session.repo(Account)
        for block in (session, session.begin()):
            for inherit in (True, False):
                with self.subTest(block=block, inherit=inherit), self.assertRaises(ZeroDivisionError):
                    async with self.inside(block if block is session else session.begin()):
                        works = [
                            self.spawn(self.every_way, session, repo, str(number), inherit=inherit)
                            for number in range(4)
                        ]
                        for work in works:
                            await self.within(work.join())
                        self.assertEqual(await maybe_await(session.count(Account)), 16)
                        self.assertEqual(self.owners(), [])
                        raise ZeroDivisionError
                self.assertEqual(self.owners(), [])
                await self.assert_clean()

    async def test_in_a_savepoint(self) -> None:
        """X8: who was started inside of a savepoint is inside of it, with blocks of its own, too."""
        session = self.session()

        async def work(number: int) -> None:
            async with self.inside(session.begin()):
                await self.add(session, f"gone {number}")
            self.assertIsNot(session.db, self.db)

        async with self.inside(session):
            await self.add(session, "kept")
            with self.assertRaises(ZeroDivisionError):
                async with self.inside(session.begin()):
                    works = [self.spawn(work, number, inherit=True) for number in range(4)]
                    for one in works:
                        await self.within(one.join())
                    self.assertEqual(await maybe_await(session.count(Account)), 5)
                    raise ZeroDivisionError
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_clean()

    async def test_who_outlives_a_savepoint(self) -> None:
        """X8: who was started inside of a savepoint is in the transaction around it when that has ended."""
        session = self.session()
        begun, ended = self.gate(), self.gate()

        async def work() -> None:
            await self.add(session, "undone")
            begun.set()
            await ended.wait()
            await self.add(session, "kept")
            async with self.inside(session.begin()):
                await self.add(session, "kept, too")

        async with self.inside(session):
            with self.assertRaises(ZeroDivisionError):
                async with self.inside(session.begin()):
                    handle = self.spawn(work, inherit=True)
                    await begun.wait()
                    raise ZeroDivisionError
            ended.set()
            await self.within(handle.join())
            self.assertEqual(self.owners(), [])
        self.assertEqual(self.owners(), ["kept", "kept, too"])
        await self.assert_clean()

    async def test_who_stands_outside_of_a_savepoint(self) -> None:
        """X8 X4: waits for its end, and is in the transaction around it, not in the savepoint."""
        session = self.session()

        async def stranger() -> None:
            await self.add(session, "the stranger's")

        async with self.inside(session):
            lock = session._session_db.current.outermost.lock
            with self.assertRaises(ZeroDivisionError):
                async with self.inside(session.begin()):
                    await self.add(session, "undone")
                    waiting = self.spawn(stranger)
                    await self.until(lambda: len(lock.waiters) == 1)
                    self.assertEqual(await maybe_await(session.count(Account)), 1)
                    raise ZeroDivisionError
            await self.within(waiting.join())
            self.assertEqual(self.owners(), [])
        self.assertEqual(self.owners(), ["the stranger's"])

    async def test_blocks_inside_take_turns(self) -> None:
        """X8 X4: eight callers with a savepoint each, which read, and write what they read and one more."""
        session = self.session()
        account = await maybe_await(session.insert(Account(owner="ann")))

        async def work() -> None:
            async with self.inside(session.begin()):
                found = await maybe_await(session.get(Account, account.id))
                found.balance += 1
                await maybe_await(session.update(found))

        async with self.inside(session):
            self.assertEqual(await self.within(self.together([work] * 8)), [None] * 8)
        self.assertEqual((await maybe_await(session.get(Account, account.id))).balance, 8)

    async def test_a_second_block_of_another_caller(self) -> None:
        """X8: while it is in a transaction another caller's `with session` is refused, and `begin()` is inside."""
        session = self.session()

        async def stranger(owner: str) -> None:
            with self.assertRaises(TransactionError):
                await self.enter(session)
            async with self.inside(session.begin()):
                await self.add(session, owner)

        for inherit in (True, False):
            with self.assertRaises(ZeroDivisionError):
                async with self.inside(session):
                    await self.within(self.spawn(stranger, "gone", inherit=inherit).join())
                    self.assertEqual(await maybe_await(session.count(Account)), 1)
                    raise ZeroDivisionError
        self.assertEqual(self.owners(), [])

    async def test_who_begins_while_another_one_begins(self) -> None:
        """X8: one transaction comes of it: the second caller waits, and is inside of the first one's then."""
        session = self.session()
        lock = session._session_db.current.lock
        done = self.gate()

        async def first() -> None:
            async with self.inside(session.begin()):
                await done.wait()
                raise ZeroDivisionError

        async def second() -> None:
            async with self.inside(session.begin()):
                await self.add(session, "gone with the first one's")

        async def third() -> None:
            await self.enter(session)

        async with self.transaction():  # so that the first one has to wait
            works = []
            for number, work in enumerate((first, second, third)):
                works.append(self.spawn(work))
                await self.until(lambda number=number: not lock.free and len(lock.waiters) == number)
            with self.assertRaises(TransactionError):  # which would wait for itself
                await self.enter(session.begin())
        await self.within(works[1].join())
        with self.assertRaises(TransactionError):
            await self.within(works[2].join())
        done.set()
        with self.assertRaises(ZeroDivisionError):
            await self.within(works[0].join())
        self.assertEqual(self.owners(), [])
        self.assertTrue(lock.free)
        await self.assert_clean()

    async def test_who_begins_inside_and_is_not_done(self) -> None:
        """X8 X1: a commit waits for another caller's savepoint; who came behind it is as one who came later."""
        session = self.session()
        scopes: list[Any] = []
        held, go = self.gate(), self.gate()

        async def owner() -> None:
            async with self.inside(session.begin()):
                await self.add(session, "owner")
                scopes.append(session.db._scope)
                await held.wait()

        async def inside() -> None:
            async with self.inside(session.begin()):
                held.set()
                await go.wait()
                await self.add(session, "inside")

        async def block() -> None:
            async with self.inside(session.begin()):
                await self.add(session, "block")

        works = [self.spawn(owner)]
        await self.until(lambda: scopes)
        works.append(self.spawn(inside))
        waiters = scopes[0].lock.waiters
        await self.until(lambda: len(waiters) == 1)  # the commit
        for number, work in enumerate((lambda: self.add(session, "call"), block), start=2):
            works.append(self.spawn(work))
            await self.until(lambda number=number: len(waiters) == number)
        self.assertEqual(self.owners(), [])
        go.set()
        for work in works:
            await self.within(work.join())
        self.assertEqual(self.owners(), ["block", "call", "inside", "owner"])
        await self.assert_clean()

    async def test_who_begins_inside_of_what_fails(self) -> None:
        """X8 X1: a rollback waits for nobody, and takes back the savepoint of another caller, who hears of it."""
        session = self.session()
        inside, ended = self.gate(), self.gate()

        async def late() -> None:
            async with self.inside(session.begin()):
                await self.add(session, "gone")
                inside.set()
                await ended.wait()

        with self.assertRaises(ZeroDivisionError):
            async with self.inside(session):
                handle = self.spawn(late)
                await inside.wait()
                raise ZeroDivisionError
        ended.set()
        with self.assertRaises(TransactionError):
            await self.within(handle.join())
        self.assertEqual(self.owners(), [])
        await self.add(session, "kept")
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_clean()

    async def test_blocks_of_equals(self) -> None:
        """X8: eight callers who begin a block each, with none around: whoever is first, all is kept, and each once."""
        session = self.session()

        async def one(name: str) -> None:
            async with self.inside(session.begin()):
                await self.add(session, f"{name} a")
                await self.add(session, f"{name} b")

        names = [[f"{turn}.{number}" for number in range(8)] for turn in range(5)]
        for turn in names:
            for work in [self.spawn(one, name) for name in turn]:
                await self.within(work.join())
        self.assertEqual(self.owners(), [f"{name} {half}" for turn in names for name in turn for half in "ab"])
        await self.assert_clean()

    async def test_another_session_is_another_transaction(self) -> None:
        """X8 X4: on one connection it waits for its turn; who inherited the block is told, as by the database."""
        session, other = self.session(), self.session()

        async def stranger() -> int:
            count: int = await maybe_await(other.count(Account))
            return count

        async def heir() -> None:
            await maybe_await(other.count(Account))

        async with self.inside(session):
            await self.add(session, "ann")
            waiting = self.spawn(stranger)
            with self.assertRaises(TransactionError):
                await self.within(self.spawn(heir, inherit=True).join())
            await self.add(session, "bob")
        self.assertEqual(await self.within(waiting.join()), 2)

    async def test_on_a_pool(self) -> None:
        """X8 X4: each call has a connection of its own, a block has one for all that is done in it, by whomever."""
        db, seen = self.pooled(2)
        session, other = self.session(db), self.session(db)

        async def stranger() -> int:
            await self.add(session, "the stranger's")
            count: int = await maybe_await(other.count(Account))
            return count

        self.assertIsNone(session.db.conn)
        with self.assertRaises(ZeroDivisionError):
            async with self.inside(session):
                self.assertIsNotNone(session.db.conn)
                await self.add(session, "mine")
                self.assertEqual(await self.within(self.spawn(stranger).join()), 0)
                self.assertEqual(await maybe_await(session.count(Account)), 2)
                raise ZeroDivisionError
        self.assertEqual(self.owners(), [])
        self.assertEqual(sum(sql.startswith("BEGIN") for sql in seen), 1)
        self.assertIsNone(session.db.conn)
        await self.add(session, "after")
        self.assertEqual(self.owners(), ["after"])

    async def test_sessions_on_a_pool_at_once(self) -> None:
        """X8 X4: eight callers on three connections, a session each: every transaction is whole."""
        db, _ = self.pooled(3)
        account = await maybe_await(self.session(db).insert(Account(owner="ann")))

        async def work() -> None:
            session = self.session(db)
            async with self.inside(session):
                where = C.eq("id", account.id)
                await maybe_await(session.update_where(Account, {"balance": F("balance") + 2}, where=where))
                await maybe_await(session.update_where(Account, {"balance": F("balance") - 1}, where=where))

        self.assertEqual(await self.within(self.together([work] * 8)), [None] * 8)
        self.assertEqual((await maybe_await(self.session(db).get(Account, account.id))).balance, 8)


class BlockingSessionContract(SessionTools):
    """X8: what only blocking calls can meet."""

    requires = ("supports_blocking_calls",)

    async def test_a_block_that_is_left_in_another_thread(self) -> None:
        """X8 X4: as web frameworks do with generators; a third thread works in between."""
        await self.create_tables(Account)
        for kind in ("with", "begin"):
            session = self.session()
            block = session if kind == "with" else session.begin()

            async def enter(block: Any = block) -> None:
                block.__enter__()

            async def work(session: Any = session, kind: str = kind) -> None:
                session.insert(Account(owner=kind))
                self.assertEqual(session.count(Account, C.eq("owner", kind)), 1)
                self.assertNotIn(kind, self.owners())

            async def leave(block: Any = block) -> None:
                block.__exit__(None, None, None)

            for step in (enter, work, leave):
                await self.within(self.spawn(step).join())
        self.assertEqual(self.owners(), ["begin", "with"])
        await self.assert_clean()

    async def test_tasks_of_one_thread(self) -> None:
        """X8 X4: they share the transaction, as threads do; what could only wait for ever is refused."""
        await self.create_tables(Account)
        session = self.session()

        async def stranger() -> None:
            session.insert(Account(owner="the stranger's"))

        def start() -> Any:
            return asyncio.get_running_loop().create_task(stranger(), context=contextvars.Context())

        with session:
            await start()
            self.assertEqual(session.count(Account), 1)
            with session.begin(), self.assertRaises(TransactionError):
                await start()
        self.assertEqual(self.owners(), ["the stranger's"])


class SessionTaskContract(SessionTools):
    """X8: what only a loop's tasks can meet."""

    requires = ("supports_tasks",)

    async def test_cancelled_blocks(self) -> None:
        """X8 X7: a cancelled block is rolled back, one that was to begin never does; the session goes on."""
        await self.create_tables(Account)
        session = self.session()
        inside = self.gate()

        async def block() -> None:
            async with session:
                await self.add(session, "gone")
                inside.set()
                await asyncio.Event().wait()

        async def starting() -> None:
            async with session.begin():
                self.fail("it was entered")

        task = asyncio.create_task(block(), context=contextvars.Context())
        await inside.wait()
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await self.within(task)
        async with self.transaction():
            tasks = [asyncio.create_task(starting(), context=contextvars.Context()) for _ in range(3)]
            lock = session._session_db.current.lock
            await self.until(lambda: len(lock.waiters) == 2)
            for task in (tasks[1], tasks[0], tasks[2]):
                task.cancel()
            for task in tasks:
                with self.assertRaises(asyncio.CancelledError):
                    await self.within(task)
        self.assertTrue(lock.free)
        self.assertIs(session.db, self.db)
        async with session:
            await self.add(session, "kept")
        self.assertEqual(self.owners(), ["kept"])
        await self.assert_clean()

    async def test_gather(self) -> None:
        """X8 X4: `gather` inside of a block needs no `tx`; through the database itself it is refused as ever."""
        await self.create_tables(Account)
        session = self.session()
        async with session:
            await asyncio.gather(*(self.add(session, str(number)) for number in range(4)))
            with self.assertRaises(TransactionError):
                await asyncio.gather(self.repo(Account).count(), self.repo(Account).count())
            self.assertEqual(self.owners(), [])
        self.assertEqual(self.owners(), ["0", "1", "2", "3"])


class SessionSchemaContract(Schemas):
    """S5 X8: registered models are ensured before BEGIN, where `auto_schema` says so."""

    inside = SessionTools.inside
    enter = SessionTools.enter

    @needs("supports_transactional_ddl")
    async def test_before_begin(self) -> None:
        """S5: they stay when the transaction is rolled back; others are made in it, and go with it."""
        await maybe_await(self.hub().register_many([Book]))
        for begin in (lambda session: session, lambda session: session.begin()):
            session = self.session(auto_schema=True)
            with self.assertRaises(ZeroDivisionError):
                async with self.inside(begin(session)):
                    self.assertEqual(self.tables(), ["author", "book"])
                    await maybe_await(session.insert(Author("Ann")))
                    await maybe_await(session.insert(Review(3)))
                    self.assertEqual(self.tables(), ["author", "book"])
                    raise ZeroDivisionError
            self.assertEqual(self.tables(), ["author", "book"])
            self.assertEqual(await maybe_await(session.count(Author)), 0)

    async def test_once(self) -> None:
        """S5: the next transaction, of whichever session, sends nothing but its own statements."""
        await maybe_await(self.hub().register_many([Author, Book]))
        for expected in (True, False, False):
            session = self.session(auto_schema=True)
            sent = await self.sent(lambda session=session: self.nothing(session))
            self.assertEqual(any("author" in sql for sql in sent), expected)
            if not expected:
                self.assertEqual([sql.split()[0] for sql in sent if "PRAGMA" not in sql.upper()], ["BEGIN", "COMMIT"])

    async def nothing(self, block: Any) -> None:
        """Enter a block, and leave it."""
        async with self.inside(block):
            pass

    async def test_only_where_it_is_asked_for(self) -> None:
        """S5 S6: not without `auto_schema`, and not what is registered with `ensure=False`."""
        await maybe_await(self.hub().register(Author))
        await self.nothing(self.session())
        self.assertEqual(self.tables(), [])
        await maybe_await(self.hub().register(Author, ensure=False))
        await self.nothing(self.session(auto_schema=True))
        self.assertEqual(self.tables(), [])

    async def test_inside_of_another_transaction(self) -> None:
        """S5: where one is open already nothing is made for its sake; actions make what they need, in it."""
        await maybe_await(self.hub().register_many([Author, Book]))
        for on_tx in (True, False):
            async with self.transaction() as tx:
                session = self.session(tx if on_tx else self.db, auto_schema=True)
                sent = await self.sent(lambda session=session: self.nothing(session))
                self.assertEqual([sql.split()[0] for sql in sent], ["SAVEPOINT", "RELEASE"])
        self.assertEqual(self.tables(), [])
        async with self.inside(self.session(auto_schema=True)) as session:
            sent = await self.sent(lambda: self.nothing(session.begin()))
            self.assertEqual([sql.split()[0] for sql in sent], ["SAVEPOINT", "RELEASE"])

    @needs("supports_transactional_ddl")
    async def test_what_a_rollback_took_away(self) -> None:
        """S5 S6: a model that was registered in a transaction that failed is ensured before the next one."""
        session = self.session(auto_schema=True)
        with self.assertRaises(ZeroDivisionError):
            async with self.inside(session):
                await maybe_await(session.register(Author))
                raise ZeroDivisionError
        self.assertEqual(self.tables(), [])
        async with self.inside(session):
            self.assertEqual(self.tables(), ["author"])

    async def test_a_conflict(self) -> None:
        """S5 S3: nothing begins, and nothing is open afterwards; the session goes on when it is mended."""
        await maybe_await(
            self.db.execute("CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT, must TEXT NOT NULL)")
        )
        await maybe_await(self.hub().register(Author))
        session = self.session(auto_schema=True)
        for _ in range(2):
            with self.assertRaises(SchemaConflictError):
                await self.enter(session)
            self.assert_clean()
            self.assertIs(session.db, self.db)
        await maybe_await(self.db.execute("DROP TABLE author"))
        async with self.inside(session):
            await maybe_await(session.insert(Author("Ann")))
        self.assertEqual(self.rows("SELECT name FROM author"), [("Ann",)])

    async def test_two_models_of_one_table(self) -> None:
        """S5: an older and a newer one, both registered, are not in each other's way."""

        @dataclass
        class Old:
            __table__ = "note"
            text: str
            id: int | None = auto_key()

        @dataclass
        class New:
            __table__ = "note"
            text: str
            mark: str | None = None
            id: int | None = auto_key()

        for model in (Old, New):
            await maybe_await(self.hub().register(model))
        session = self.session(auto_schema=True)
        async with self.inside(session):
            await maybe_await(session.insert(New("a", "b")))
            self.assertEqual(await maybe_await(session.list(Old)), [Old("a", 1)])

    async def test_many_sessions_at_once(self) -> None:
        """S5 X8: on a pool, the first transactions of many: each model is made once."""
        db, seen = self.pooled(4)
        await maybe_await(self.hub(db).register_many([Book]))

        async def work(number: int) -> None:
            session = self.session(db, auto_schema=True)
            async with self.inside(session):
                await maybe_await(session.insert(Author(str(number))))

        works: list[Callable[[], Any]] = [lambda number=number: work(number) for number in range(8)]
        self.assertEqual(await self.within(self.together(works)), [None] * 8)
        self.assertEqual(sum(sql.startswith("CREATE TABLE") for sql in seen), 2)
        self.assertEqual(self.rows("SELECT count(*) FROM author"), [(8,)])
