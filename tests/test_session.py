"""X8: sessions: the contracts on every backend, interrupts, cancellations, and blocks nested in any way."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import unittest
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mini_orm import AsyncDatabase, AsyncSession, Database, Session, apply_schema, apply_schema_async
from tests import test_cancellation, test_faults
from tests.backends import BACKENDS, bind_all, maybe_await
from tests.contracts.crud import auto_key
from tests.contracts.session import (
    BlockingSessionContract,
    SessionAtOnceContract,
    SessionContract,
    SessionSchemaContract,
    SessionTaskContract,
    SessionTools,
)
from tests.contracts.transactions import Account

bind_all(
    globals(),
    SessionContract,
    SessionAtOnceContract,
    BlockingSessionContract,
    SessionTaskContract,
    SessionSchemaContract,
)


class SessionCancellationContract(SessionTools):
    """X8 X7: cancelled anywhere, a session's transaction leaves all or nothing, and a session that is as before."""

    requires = ("supports_tasks",)

    cancelled_at = test_cancellation.CancellationContract.cancelled_at
    assert_all_or_nothing = test_cancellation.CancellationContract.assert_all_or_nothing
    start = test_cancellation.CancellationContract.start
    finish = test_cancellation.CancellationContract.finish
    at_every_statement = test_cancellation.CancellationContract.at_every_statement
    test_at_every_step = test_cancellation.CancellationContract.test_at_every_step

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self.create_tables(Account)
        if self.backend.uses_file:
            await self.db.execute("PRAGMA synchronous = OFF")
        self.look = self.outside()
        self.kept = self.session()  # one for all: had it kept anything, the next work would find it

    def works(self) -> list[tuple[str, Callable[[], Coroutine[Any, Any, Any]], int]]:
        session = self.kept

        async def nested() -> None:
            async with session:
                await self.add(session, "one")
                await asyncio.sleep(0)
                async with session.begin():
                    await session.insert_many([Account(owner="two"), Account(owner="three")])
                await session.db.execute("UPDATE account SET balance = 7")

        async def children() -> None:
            async with session.begin(), asyncio.TaskGroup() as group:
                for number in range(3):
                    group.create_task(child(number))

        async def child(number: int) -> None:
            async with session.begin():
                await session.hub.insert_many([Account(owner=f"{number}{letter}") for letter in "ab"])

        return [("with", nested, 3), ("children in savepoints", children, 6)]

    async def test_at_every_statement(self) -> None:
        """X8 X7: as any of its statements starts, BEGIN and COMMIT among them, once and again and again."""
        await self.at_every_statement()
        await self.at_every_statement(storm=8)


bind_all(globals(), SessionCancellationContract, backends=[one for one in BACKENDS if one.face == "async"])


class InterruptedSession(test_faults.InterruptedCase):
    """X8 X1: Ctrl-C anywhere inside of a session's transaction leaves nothing open and no lock held."""

    faces = "sync"
    reopen = test_faults.Interrupted.reopen
    usable = test_faults.Interrupted.usable
    at_every = test_faults.Interrupted.at_every

    def setUp(self) -> None:
        super().setUp()
        self.reopen()
        apply_schema(self.db, Account)

    def test_with(self) -> None:
        """X8: `with session`, with a savepoint inside, by commit and by rollback; the session goes with the block."""

        def commits() -> None:
            session = Session(self.db)
            with session:
                session.insert(Account(owner="a"))
                with session.begin():
                    session.insert(Account(owner="b"))

        def fails() -> None:
            session = Session(self.db)
            with contextlib.suppress(ZeroDivisionError), session:
                session.insert(Account(owner="a"))
                raise ZeroDivisionError

        self.at_every("commit", commits, 0, 2)
        self.at_every("rollback", fails, 0)

    def test_begin(self) -> None:
        """X8: `begin()`, with registered models to ensure; the session is one for all, and works after each."""
        session = Session(self.db, auto_schema=True)
        session.register(Account)

        def work() -> None:
            self.db._registry.ready.clear()
            with session.begin():
                session.insert(Account(owner="a"))
                with session.transaction():
                    session.hub.insert(Account(owner="b"))

        def whole() -> None:
            nonlocal session
            if session.db.conn is not self.conn:  # after a failure there is a new connection
                session = Session(self.db, auto_schema=True)
            work()

        self.at_every("begin", whole, 0, 2)

    def test_while_the_interrupt_is_handled(self) -> None:
        """X8: an interrupt on the way in has left nothing behind for who catches it, either."""
        left: list[str] = []

        def work() -> None:
            session = Session(self.db)
            block = session.begin()
            try:
                block.__enter__()
            except KeyboardInterrupt:
                if self.conn.in_transaction or session.db is not self.db:
                    left.append("a transaction")
                raise
            block.__exit__(None, None, None)

        self.at_every("begin", work, 0)
        self.assertEqual(left, [])


class InterruptedInlineSession(test_faults.InterruptedCase):
    """X8 X1: the same on the async face, on a connection bound to the loop's thread."""

    faces = "async"
    reopen = test_faults.InterruptedInline.reopen
    close_runner = test_faults.InterruptedInline.close_runner
    use = test_faults.InterruptedInline.use
    usable = test_faults.InterruptedInline.usable
    at_every = test_faults.InterruptedInline.at_every

    def setUp(self) -> None:
        super().setUp()
        self.reopen()
        self.runner.run(apply_schema_async(self.db, Account))

    def test_blocks(self) -> None:
        """X8: `async with session` and `begin()`, one inside of the other."""

        async def work() -> None:
            session = AsyncSession(self.db)
            async with session:
                await session.insert(Account(owner="a"))
                async with session.begin():
                    await session.insert(Account(owner="b"))

        self.at_every("commit", work, 0, 2)


@dataclass
class Item:
    owner: str
    id: int | None = auto_key()


@dataclass(frozen=True)
class Block:
    """What a caller does: an owner to insert, or a block of such, which may fail at its end."""

    actions: tuple[str | Block, ...]
    fails: bool

    def kept(self) -> Iterator[str]:
        """Yield the owners that are there if the blocks around end well."""
        if not self.fails:
            for action in self.actions:
                if isinstance(action, str):
                    yield action
                else:
                    yield from action.kept()


def blocks() -> st.SearchStrategy[Block]:
    """Blocks that are nested up to a depth of five or so."""
    leaves = st.builds(Block, st.lists(st.sampled_from("abcd"), max_size=3).map(tuple), st.booleans())
    return st.recursive(
        leaves,
        lambda inner: st.builds(Block, st.lists(st.sampled_from("abcd") | inner, max_size=4).map(tuple), st.booleans()),
        max_leaves=8,
    )


class Failed(Exception):
    """A block's own end."""


class Nested(unittest.TestCase):
    """X8 X1: whatever blocks stand inside of each other, what is kept is what every block around it kept."""

    @settings(max_examples=80, deadline=None)
    @given(st.lists(blocks(), max_size=3), st.booleans())
    def test_any_blocks(self, given_blocks: list[Block], uses_with: bool) -> None:
        """X8 X1: one session, blocks one after the other and in each other, each insert by another way."""
        expected = [owner for block in given_blocks for owner in block.kept()]
        for face in (self.sync, self.inline):
            self.assertEqual(face(given_blocks, uses_with), expected)

    def sync(self, given_blocks: list[Block], uses_with: bool) -> list[str]:
        with Database(sqlite3.connect(":memory:")) as db:
            apply_schema(db, Item)
            session = Session(db)
            for block in given_blocks:
                outcome = self.run_block(session, block, session if uses_with else session.begin())
                with contextlib.suppress(StopIteration):
                    outcome.send(None)
            return [item.owner for item in session.list(Item, order_by="id")]

    def inline(self, given_blocks: list[Block], uses_with: bool) -> list[str]:
        async def run() -> list[str]:
            async with AsyncDatabase(sqlite3.connect(":memory:")) as db:
                await apply_schema_async(db, Item)
                session = AsyncSession(db)
                for block in given_blocks:
                    await self.run_block(session, block, session if uses_with else session.begin())
                return [item.owner for item in await session.list(Item, order_by="id")]

        return asyncio.run(run())

    async def run_block(self, session: Any, block: Block, opened: Any) -> None:
        """Do what a block says, in `opened`, which is entered and left as its face asks for."""
        ways = (session.insert, session.hub.insert, session.repo(Item).insert)
        is_async = isinstance(session, AsyncSession)
        await maybe_await(opened.__aenter__() if is_async else opened.__enter__())
        try:
            for number, action in enumerate(block.actions):
                if isinstance(action, Block):
                    await self.run_block(session, action, session.begin())
                else:
                    await maybe_await(ways[number % 3](Item(action)))
            if block.fails:
                raise Failed
        except Failed as error:
            ending: tuple[Any, ...] = (Failed, error, None)
        else:
            ending = (None, None, None)
        await maybe_await((opened.__aexit__ if is_async else opened.__exit__)(*ending))
