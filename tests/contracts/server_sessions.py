"""Sessions of a server that come back to a pool: P5 what is put back, and what stays."""

from __future__ import annotations

from typing import Any

from mini_orm import DatabaseError
from tests.backends import maybe_await, needs
from tests.contracts.server_tools import ServerTools
from tests.contracts.transactions import Account, Odd

#: More than it takes until a driver prepares a statement.
OFTEN = 12


class PreparedContract(ServerTools):
    """P5: prepared statements."""

    async def test_a_drivers_own_statements(self) -> None:
        """P5: what the driver prepared by itself works after a session was reset, as often as one likes."""
        await self.add(self.db, "one")
        for _ in range(3):
            for _ in range(2):
                await maybe_await(self.db.execute("SELECT 1"))
            for _ in range(OFTEN):
                self.assertEqual(await maybe_await(self.repo(Account).count()), 1)
                async with self.transaction() as tx:
                    self.assertEqual(await maybe_await(self.repo(Account, tx).count()), 1)
        self.assertEqual(self.pool.stats().opened, 1)
        await self.assert_whole()

    @needs("forgets_statements")
    async def test_the_users_statements(self) -> None:
        """P5: what raw SQL prepared is gone when the session comes back."""
        await maybe_await(self.db.execute('PREPARE "my Plan" AS SELECT 1'))
        with self.assertRaises(DatabaseError):
            await maybe_await(self.db.execute('EXECUTE "my Plan"'))
        self.assertEqual(self.pool.stats().opened, 1)
        await self.assert_whole()


class InterruptedContract(ServerTools):
    """P6: a driver that closes its connection as it is interrupted, as psycopg does at the second Ctrl-C."""

    requires = ("supports_blocking_calls",)

    async def test_nobody_else_notices(self) -> None:
        """P6 P2: the caller gets the interrupt; the connection is replaced before the next one uses it."""
        for use in (lambda: self.repo(Account).count(), lambda: self.db.execute("SELECT 1")):
            conn = self.pool.acquire()
            self.pool.release(conn)

            def close(_: str, conn: Any = conn) -> None:
                conn.close()
                raise Odd

            await self.backend.trace(conn, close)
            with self.assertRaises(Odd):
                use()
            self.assertEqual(self.repo(Account).count(), 0)
        self.assertEqual(self.pool.stats().lost, 2)
        await self.assert_whole()
