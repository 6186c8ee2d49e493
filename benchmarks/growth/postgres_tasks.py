"""PostgreSQL in tasks, on asyncpg."""

from __future__ import annotations

from collections.abc import Sequence

from ..contestants.base import in_tasks
from ..contestants.postgres_asyncpg import RawAsyncpg
from ..contestants.postgres_mini_orm import AsyncMiniOrm
from ..models import User
from .operations import BY_NAME


class Raw(RawAsyncpg):
    """asyncpg's own pool, as it is by default."""

    catalogue = BY_NAME

    async def get_in_tasks(self, tasks: int, keys: Sequence[int]) -> list[User | None]:
        return await in_tasks(self.one, keys, tasks)


class MiniOrm(AsyncMiniOrm):
    """`AsyncDatabase` over a pool of asyncpg's connections."""

    catalogue = BY_NAME

    async def get_in_tasks(self, tasks: int, keys: Sequence[int]) -> list[User | None]:
        return await in_tasks(self.users.get, keys, tasks)
