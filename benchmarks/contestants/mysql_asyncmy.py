"""MariaDB or MySQL by hand, on asyncmy's own pool, as it is by default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncmy

from ..models import User
from .base import CONNECTIONS, AsyncContestant, in_tasks
from .mysql import arguments
from .mysql_raw import GET, SELECT, to_user

PAGE = f"{SELECT} WHERE id >= %s ORDER BY id LIMIT 100"


class RawAsyncmy(AsyncContestant):
    """asyncmy, awaited, by many tasks at once."""

    uses_one_processor = True

    def __init__(self, address: str) -> None:
        super().__init__()
        self.pool: Any = self.wait_for(self._open(address))

    async def _open(self, address: str) -> Any:
        return await asyncmy.create_pool(**arguments(address), minsize=CONNECTIONS, maxsize=CONNECTIONS)

    async def one(self, key: int) -> User | None:
        async with self.pool.acquire() as conn, conn.cursor() as cursor:
            await cursor.execute(GET, (key,))
            row = await cursor.fetchone()
        return None if row is None else to_user(row)

    async def page(self, key: int) -> list[User]:
        async with self.pool.acquire() as conn, conn.cursor() as cursor:
            await cursor.execute(PAGE, (key,))
            rows = await cursor.fetchall()
        return [to_user(row) for row in rows]

    async def get_tasks(self, keys: Sequence[int]) -> Sequence[User | None]:
        return await in_tasks(self.one, keys)

    async def list_tasks(self, keys: Sequence[int]) -> Sequence[Sequence[User]]:
        return await in_tasks(self.page, keys)

    def close(self) -> None:
        self.wait_for(self._close())
        self.runner.close()

    async def _close(self) -> None:
        self.pool.close()
        await self.pool.wait_closed()
