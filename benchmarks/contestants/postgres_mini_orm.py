"""PostgreSQL through mini_orm."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg  # type: ignore[import-untyped]  # it has no py.typed

from mini_orm import AsyncDatabase, AsyncRepository, C, Database, PoolConnector

from ..models import User
from .base import CONNECTIONS, AsyncContestant, in_tasks
from .mini_orm import MiniOrmOperations
from .postgres import PostgresContestant
from .postgres_asyncpg import arguments


class MiniOrm(MiniOrmOperations, PostgresContestant):
    """`Database` over psycopg."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.use(Database(self.conn))


class AsyncMiniOrm(AsyncContestant):
    """`AsyncDatabase` over a pool of asyncpg's connections."""

    uses_one_processor = True

    def __init__(self, address: str) -> None:
        super().__init__()
        self.pool = PoolConnector(asyncpg.connect, **arguments(address), max_size=CONNECTIONS)
        self.db = AsyncDatabase(self.pool)
        self.users = AsyncRepository(self.db, User)

    async def page(self, key: int) -> list[User]:
        return await self.users.list(where=C.ge("id", key), order_by="id", limit=100)

    async def get_tasks(self, keys: Sequence[int]) -> Sequence[User | None]:
        return await in_tasks(self.users.get, keys)

    async def list_tasks(self, keys: Sequence[int]) -> Sequence[Sequence[User]]:
        return await in_tasks(self.page, keys)

    def close(self) -> None:
        self.wait_for(self.db.aclose(close_pool=True))
        self.runner.close()
