"""Pools: P5 the session of a connection that was in the user's hands is put back; else nothing is sent."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import unittest
from collections.abc import Callable
from functools import partial
from typing import Any

from mini_orm import PoolConnector, PoolError
from tests.backends import maybe_await, needs
from tests.contracts.pool_tools import PoolTools
from tests.contracts.transactions import Account


class SessionTools(PoolTools):
    """Ways to change the session of a connection, and to look at it."""

    async def session_of(self, conn: Any) -> dict[str, Any]:
        """Return what a user may change, read on the connection itself."""
        settings = {name: await self.shown(conn, name) for name in self.backend.settings}
        return {**settings, "mode": self.backend.mode(conn), "factories": self.backend.factories(conn)}

    async def shown(self, conn: Any, name: str) -> Any:
        return await self.value(conn, self.backend.show(name))

    async def set(self, conn: Any, name: str) -> None:
        """Change one setting for good, whatever becomes of the transaction that is open."""
        await self.raw(conn, self.backend.setting(name, self.backend.settings[name]))
        if self.backend.in_transaction(conn):
            await self.on_driver(conn, "commit")

    async def change(self, conn: Any) -> None:
        """Change all that a user may."""
        await self.backend.set_autocommit(conn, True)
        for name in self.backend.settings:
            await self.set(conn, name)
        for _ in self.backend.set_factories(conn):
            pass


class PoolResetContract(SessionTools):
    """P5: what a user changed is put back before the next user."""

    async def get(self, conn: Any, name: str) -> Any:
        """Read an attribute in the thread where the connection lives."""
        raw = self.raw_of(conn)
        return getattr(raw, name) if raw is conn else await conn._execute(getattr, raw, name)

    async def assert_put_back(self, pool: PoolConnector, fresh: dict[str, Any]) -> None:
        """Check that the one connection of the pool is as a fresh one, for users and for mini_orm."""
        db = self.on(pool)
        async with self.connection(pool) as conn:
            self.assertEqual(await self.session_of(conn), fresh)
        rows = await maybe_await(db.fetchall("SELECT 'text' AS a"))
        self.assertEqual(rows, [{"a": "text"}])
        self.assertEqual(len(self.connections.opened), 1, "the connection was closed")

    async def test_after_a_release(self) -> None:
        """P5: settings, mode and factories, after a release, a block, a failed block."""
        pool = self.pool(max_size=1)
        async with self.connection(pool) as conn:
            fresh = await self.session_of(conn)
        self.assertEqual(fresh["mode"], self.backend.default_mode)
        conn = await self.acquire(pool)
        for name in self.backend.settings:
            await self.set(conn, name)
            self.assertNotEqual(await self.shown(conn, name), fresh[name])
        await self.release(pool, conn)
        await self.assert_put_back(pool, fresh)
        async with self.connection(pool) as conn:
            await self.change(conn)
        await self.assert_put_back(pool, fresh)
        with self.assertRaises(ZeroDivisionError):
            async with self.connection(pool) as conn:
                await self.change(conn)
                raise ZeroDivisionError
        await self.assert_put_back(pool, fresh)

    async def test_after_a_dirty_release(self) -> None:
        """P5 P3: the same where a transaction had to be rolled back first."""
        pool = self.pool(max_size=1)
        async with self.connection(pool) as conn:
            fresh = await self.session_of(conn)
        async with self.connection(pool) as conn:
            await self.set(conn, next(iter(self.backend.settings)))
            await self.raw(conn, "BEGIN")
            for _ in self.backend.set_factories(conn):
                pass
            await self.raw(conn, self.backend.setting(self.backend.harmless, 1))
        await self.assert_put_back(pool, fresh)

    async def test_after_raw_sql(self) -> None:
        """P5: the same after `db.execute`, outside and inside of a transaction, and a failed one."""
        pool = self.pool(max_size=1)
        db = self.on(pool)
        async with self.connection(pool) as conn:
            fresh = await self.session_of(conn)
        for name, value in self.backend.settings.items():
            change = self.backend.setting(name, value)
            await maybe_await(db.execute(change))
            await self.assert_put_back(pool, fresh)
            async with self.transaction(db) as tx:
                await maybe_await(tx.execute(change))
            await self.assert_put_back(pool, fresh)
            with self.assertRaises(ZeroDivisionError):
                async with self.transaction(db) as tx:
                    await maybe_await(tx.fetchall(change))
                    raise ZeroDivisionError
            await self.assert_put_back(pool, fresh)

    async def test_settings_of_connect_are_the_fresh_ones(self) -> None:
        """P5: what `connect` was told is what comes back."""
        options, mode, settings = self.backend.told()
        pool = self.pool(max_size=1, **options)
        for _ in range(2):
            async with self.connection(pool) as conn:
                self.assertEqual(self.backend.mode(conn), mode)
                for name, value in settings.items():
                    self.assertEqual(await self.shown(conn, name), value)
                await self.change(conn)

    @needs("supports_isolation_level")
    @unittest.skipIf(sys.version_info < (3, 12), "sqlite3 has the autocommit attribute since Python 3.12")
    async def test_autocommit(self) -> None:
        """P5: the attribute of Python 3.12 comes back, too."""
        pool = self.pool(max_size=1)
        for value in (True, False):
            async with self.connection(pool) as conn:
                await self.backend.set_attribute(conn, "autocommit", value)
            async with self.connection(pool) as conn:
                self.assertEqual(await self.get(conn, "autocommit"), -1)  # LEGACY_TRANSACTION_CONTROL
                self.assertFalse(self.backend.in_transaction(conn))
            await maybe_await(self.repo(Account, self.on(pool)).insert(Account(owner=str(value))))
        self.assertEqual(self.owners(), ["False", "True"])

    async def test_off(self) -> None:
        """P5: with `reset_session=False` settings stay; an open transaction is undone all the same."""
        pool = self.pool(max_size=1, reset_session=False)
        db = self.on(pool)
        name = self.backend.harmless
        async with self.connection(pool) as conn:
            fresh = await self.shown(conn, name)
            await self.set(conn, name)
            changed = await self.shown(conn, name)
            next(self.backend.set_factories(conn), None)
            factories = self.backend.factories(conn)
            await self.insert_raw(conn, "left")
        async with self.connection(pool) as conn:
            self.assertFalse(self.backend.in_transaction(conn))
            self.assertEqual(self.backend.factories(conn), factories)
            self.assertEqual(await self.shown(conn, name), changed)
        await maybe_await(db.execute(self.backend.setting(name, fresh)))
        async with self.connection(pool) as conn:
            self.assertEqual(await self.shown(conn, name), fresh)
        self.assertNotEqual(fresh, changed)
        self.assertEqual((self.owners(), len(self.connections.opened)), ([], 1))

    async def test_nothing_is_sent_after_own_operations(self) -> None:
        """P5: an operation or a transaction sends on a pool what it sends on a connection, and nothing else."""
        statements: list[str] = []
        self.connections.prepare = lambda conn: self.backend.trace_opened(conn, statements.append)
        self.spare_keys()
        pool = self.pool(max_size=1)
        pooled = self.on(pool)
        alone = await self.traced(self.db.conn)

        async def sent(db: Any, seen: list[str], name: str) -> list[str]:
            use = dict(self.uses(db))[name]
            for _ in range(2):  # the first time a connection is made ready
                self.look.execute("DELETE FROM account")
                self.look.execute("INSERT INTO account (id, owner, balance) VALUES (1, 'there', 0)")
                seen.clear()
                await maybe_await(use())
            return [" ".join(sql.upper().split()) for sql in seen]

        for name, _ in self.uses(pooled):
            if name in ("execute", "execute BEGIN", "fetchone", "fetchall"):
                continue
            with self.subTest(use=name):
                self.assertEqual(await sent(pooled, statements, name), await sent(self.db, alone, name))
                self.assertTrue(statements)
        # The user's own SQL is looked after.
        for name in ("execute", "fetchone", "fetchall"):
            self.assertGreater(len(await sent(pooled, statements, name)), len(await sent(self.db, alone, name)))


class PoolHookContract(SessionTools):
    """P5: `session_reset_hook` takes the place of mini_orm's own reset."""

    def hook(self, calls: list[Any]) -> Callable[[Any], Any]:
        """Make a hook of the kind that the pool's connections want; it notes what it was given."""
        if not self.backend.supports_awaited_pools:
            return calls.append

        async def hook(conn: Any) -> None:
            await asyncio.sleep(0)
            calls.append(conn)

        return hook

    async def test_when_it_is_called(self) -> None:
        """P5: once after each use by hand or by raw SQL, with the driver's connection; never after mini_orm's own."""
        for make in (self.hook, lambda calls: calls.append):
            calls: list[Any] = []
            pool = self.pool(max_size=1, session_reset_hook=make(calls))
            db = self.on(pool)
            async with self.connection(pool) as conn:
                self.assertEqual(calls, [])
            self.assertEqual(calls, [conn])
            await self.release(pool, await self.acquire(pool))
            self.assertEqual(calls, [conn] * 2)
            await maybe_await(db.execute("SELECT 1"))
            self.assertEqual(calls, [conn] * 3)
            async with self.transaction(db) as tx:
                await maybe_await(tx.execute("SELECT 1"))
                await maybe_await(tx.fetchall("SELECT 1"))
                self.assertEqual(calls, [conn] * 3)
            self.assertEqual(calls, [conn] * 4)
            for name, use in self.uses(db):
                if not name.startswith(("execute", "fetch")):
                    self.look.execute("DELETE FROM account")
                    await maybe_await(use())
            self.assertEqual(calls, [conn] * 4)
            async with self.connection(pool) as conn:
                await self.insert_raw(conn, "left")
            self.assertEqual(calls, [conn] * 5)
            await self.assert_shut(pool)
            self.look.execute("DELETE FROM account")

    async def test_what_it_finds(self) -> None:
        """P5 P3: a hook finds no transaction, as it was rolled back; its own is rolled back after it."""
        found: list[bool] = []

        def hook(conn: Any) -> None:
            raw = self.raw_of(conn)
            found.append(self.backend.in_transaction(raw))
            if self.backend.supports_own_connect and not self.backend.supports_thread_check:
                return  # an aiosqlite connection does nothing outside of its thread
            raw.execute("INSERT INTO account (owner, balance) VALUES ('hook', 1)")
            found.append(self.backend.in_transaction(raw))

        pool = self.pool(max_size=1, session_reset_hook=hook)
        async with self.connection(pool) as conn:
            await self.insert_raw(conn, "left")
        self.assertEqual(found[:2], [False, True] if len(found) > 1 else [False])
        await self.assert_whole(pool)
        self.assertEqual(self.owners(), [])

    async def test_it_is_used_instead(self) -> None:
        """P5: settings stay what the user or the hook made of them; with `reset_session=False` it is not called."""
        calls: list[Any] = []
        pool = self.pool(max_size=1, session_reset_hook=self.hook(calls))
        async with self.connection(pool) as conn:
            await self.set(conn, self.backend.harmless)
            changed = await self.shown(conn, self.backend.harmless)
        async with self.connection(pool) as conn:
            self.assertEqual(await self.shown(conn, self.backend.harmless), changed)
        silent: list[Any] = []
        pool = self.pool(max_size=1, session_reset_hook=self.hook(silent), reset_session=False)
        async with self.connection(pool):
            pass
        self.assertEqual((len(calls), silent), (2, []))

    async def test_a_failing_hook(self) -> None:
        """P5: the connection is closed, its place free, and PoolError raised, with the hook's own as its cause."""
        error = LookupError("mine")

        def hook(_: Any) -> None:
            raise error

        async def awaited(_: Any) -> None:
            await asyncio.sleep(0)
            raise error

        for failing in (hook, awaited) if self.backend.supports_awaited_pools else (hook,):
            pool = self.pool(max_size=1, session_reset_hook=failing)
            db = self.on(pool)

            async def block(pool: PoolConnector = pool) -> None:
                async with self.connection(pool) as conn:
                    self.assertEqual(await self.value(conn, "SELECT 1"), 1)

            async def in_transaction(db: Any = db) -> None:
                async with self.transaction(db) as tx:
                    await maybe_await(tx.execute("INSERT INTO account (owner, balance) VALUES ('kept', 1)"))

            ways: list[Callable[[], Any]] = [
                block,
                in_transaction,
                partial(db.execute, "SELECT 1"),
                partial(db.fetchone, "SELECT 1"),
            ]
            for way in ways:
                with self.assertRaises(PoolError) as caught:
                    await maybe_await(way())
                self.assertIs(caught.exception.__cause__, error)
                await self.until(lambda: self.connections.open == 0)
            self.assertEqual(self.owners(), ["kept"])
            self.look.execute("DELETE FROM account")

    async def test_a_failing_hook_hides_nothing(self) -> None:
        """P5 P3: an error that is on its way goes on as it is; the connection is closed all the same."""

        def hook(_: Any) -> None:
            raise LookupError("not this one")

        pool = self.pool(max_size=1, session_reset_hook=hook)
        db = self.on(pool)
        error = ZeroDivisionError("mine")

        async def block() -> None:
            async with self.connection(pool):
                raise error

        async def in_transaction() -> None:
            async with self.transaction(db) as tx:
                await maybe_await(tx.execute("SELECT 1"))
                raise error

        for way in (block, in_transaction):
            with self.assertRaises(ZeroDivisionError) as caught:
                await way()
            self.assertIs(caught.exception, error)
            await self.until(lambda: self.connections.open == 0)
        with self.assertRaises(self.backend.driver_error(sqlite3.OperationalError)):
            await maybe_await(db.execute("SELECT nothing"))
        await self.until(lambda: self.connections.open == 0)

    async def test_a_failing_reset(self) -> None:
        """P5: the same where mini_orm's own reset fails: closed, and PoolError."""
        pool = self.pool(max_size=1)
        conn = await self.acquire(pool)
        await self.backend.forbid(conn, self.backend.reset)
        with self.assertRaises(PoolError) as caught:
            await self.release(pool, conn)
        self.assertIsInstance(caught.exception.__cause__, self.backend.driver_error(sqlite3.DatabaseError))
        await self.until(lambda: self.connections.open == 0)
        await self.assert_whole(pool)

    async def test_a_hook_that_is_interrupted(self) -> None:
        """P5 P2: what is no Exception goes on; a connection of which nobody knows the state is not used again."""

        class Odd(BaseException):
            pass

        def hook(_: Any) -> None:
            raise Odd

        pool = self.pool(max_size=1, session_reset_hook=hook)
        conn = await self.acquire(pool)
        await self.change(conn)
        with self.assertRaises(Odd):
            await self.release(pool, conn)
        await self.until(lambda: self.connections.open == 0)
        self.assertEqual(await maybe_await(self.repo(Account, self.on(pool)).count()), 0)
        self.assertEqual(len(self.connections.opened), 2)


class PoolAwaitedHookContract(PoolTools):
    """P5 where the hook is awaited."""

    requires = ("supports_awaited_pools",)

    async def test_a_transaction_that_a_coroutine_leaves(self) -> None:
        """P5 P3: the same for a hook that is awaited."""

        async def hook(conn: Any) -> None:
            await self.insert_raw(conn, "hook")

        pool = self.pool(max_size=1, session_reset_hook=hook)
        async with self.connection(pool) as conn:
            await self.insert_raw(conn, "left")
        await self.assert_whole(pool)
        self.assertEqual((self.owners(), len(self.connections.opened)), ([], 1))


class PoolBlockingHookContract(PoolTools):
    """P5 where nothing is awaited."""

    requires = ("supports_thread_check",)

    async def test_a_coroutine_where_nothing_is_awaited(self) -> None:
        """P5: a hook that has to be awaited is a PoolError; the connection is closed."""

        async def hook(_: Any) -> None:
            await asyncio.sleep(0)

        pool = self.pool(max_size=1, session_reset_hook=hook)
        with self.assertRaises(PoolError):
            await self.release(pool, await self.acquire(pool))
        await self.until(lambda: self.connections.open == 0)
