"""What the contracts on a real server share: pools, sessions that are watched from outside, callers that meet."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from mini_orm import C, PoolConnector, PoolTimeout
from tests.backends import maybe_await
from tests.backends.sessions import Sessions
from tests.contracts.transactions import LIMIT, Account, Tools, quiet_log

#: Places of a pool.
SIZE = 8


class ServerTools(Tools):
    """A pool of eight on a server with the table of `Account`; `self.look` sees what is committed, and who waits."""

    pool: PoolConnector

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.enterContext(quiet_log())
        await self.create_tables(Account)
        self.look = self.backend.raw()
        self.addCleanup(self.look.close)
        await self.close(self.db)
        self.pool = self.backend.pool(max_size=SIZE)
        self.addAsyncCleanup(self.shut, self.pool)
        self.db = self.backend.database(self.pool)

    async def shut(self, pool: PoolConnector) -> None:
        await maybe_await(pool.close())

    async def add(self, db: Any, owner: str, balance: int = 0) -> Any:
        return await maybe_await(self.repo(Account, db).insert(Account(owner=owner, balance=balance)))

    async def set_balance(self, db: Any, owner: str, balance: int) -> int:
        changed = self.repo(Account, db).update_where({"balance": balance}, where=C.eq("owner", owner))
        return int(await maybe_await(changed))

    async def in_transaction(self, work: Callable[[Any], Awaitable[Any]], **options: Any) -> Any:
        """Have `run_in_transaction` call `work` on either face."""
        if self.is_async:
            return await self.db.run_in_transaction(work, **options)

        def blocking(tx: Any) -> Any:
            coroutine = work(tx)
            try:
                coroutine.send(None)  # type: ignore[attr-defined]  # it is a coroutine
            except StopIteration as done:
                return done.value
            raise AssertionError("work on the sync face suspended")

        return self.db.run_in_transaction(blocking, **options)

    def meeting(self, parties: int) -> Callable[[], Awaitable[None]]:
        """Return what so many callers await, so that all go on at once."""
        if self.is_async:
            line = asyncio.Barrier(parties)

            async def meet() -> None:
                async with asyncio.timeout(LIMIT):
                    await line.wait()
        else:
            threads = threading.Barrier(parties, timeout=LIMIT)

            async def meet() -> None:
                threads.wait()

        return meet

    # --- looking ---

    def value(self, sql: str) -> Any:
        return self.look.execute(sql).fetchone()[0]

    def balances(self) -> dict[str, int]:
        """Return what is committed."""
        return dict(self.look.execute("SELECT owner, balance FROM account").fetchall())

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the others go on until something is so."""
        async with asyncio.timeout(LIMIT):
            while not condition():
                await asyncio.sleep(0.001)

    @property
    def sessions(self) -> Sessions:
        """The server's sessions, and what it takes to make them wait."""
        backend: Any = self.backend
        return backend  # type: ignore[no-any-return]  # those of servers are both

    def blocked(self) -> int:
        """Return how many sessions of this test's database wait for a lock."""
        return len(self.sessions.blocked_sessions(self.look))

    def in_progress(self) -> list[int]:
        """Return the sessions, other than the one that asks, that have a transaction open."""
        return self.sessions.open_sessions(self.look)

    async def new_pool(self, **options: Any) -> None:
        """Have a pool, and connections that were opened just now."""
        await self.shut(self.pool)
        self.pool = self.backend.pool(**{"max_size": SIZE, **options})
        self.addAsyncCleanup(self.shut, self.pool)
        self.db = self.backend.database(self.pool)

    async def assert_whole(self, pool: PoolConnector | None = None) -> None:
        """Check that all places can be had at once, and are clean, and that no session is in a transaction."""
        pool = self.pool if pool is None else pool
        async with contextlib.AsyncExitStack() as stack:
            conns = []
            async with asyncio.timeout(LIMIT):
                for _ in range(pool.max_size):
                    conns.append(await maybe_await(pool.acquire(LIMIT)))
                    stack.push_async_callback(self.give_back, pool, conns[-1])
            self.assertEqual(len({id(conn) for conn in conns}), pool.max_size)
            with self.assertRaises(PoolTimeout):
                await maybe_await(pool.acquire(0))
            for conn in conns:
                self.assertFalse(self.backend.in_transaction(conn), "a transaction is still open")
        self.assertEqual(pool.stats().in_use, 0)
        await self.until(lambda: not self.in_progress())

    async def give_back(self, pool: PoolConnector, conn: Any) -> None:
        await maybe_await(pool.release(conn))
