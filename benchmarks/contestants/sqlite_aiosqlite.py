"""SQLite by hand, on aiosqlite."""

from __future__ import annotations

import aiosqlite

from ..models import User
from .base import AsyncContestant
from .sqlite import PRAGMAS
from .sqlite_raw import GET, to_user


class RawAiosqlite(AsyncContestant):
    """aiosqlite, awaited."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.conn: aiosqlite.Connection = self.wait_for(self._connect(address))

    async def _connect(self, address: str) -> aiosqlite.Connection:
        conn = await aiosqlite.connect(address, isolation_level=None)
        for pragma in PRAGMAS:
            await conn.execute(pragma)
        return conn

    async def get_async(self, key: int) -> User | None:
        cursor = await self.conn.execute(GET, (key,))
        row = await cursor.fetchone()
        return None if row is None else to_user(row)

    def close(self) -> None:
        self.wait_for(self.conn.close())
        self.runner.close()
