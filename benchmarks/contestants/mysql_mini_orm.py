"""MariaDB or MySQL through mini_orm."""

from __future__ import annotations

from collections.abc import Sequence

from mini_orm import AsyncDatabase, AsyncRepository, C, Database, PoolConnector

from ..models import User
from .base import CONNECTIONS, AsyncContestant, in_tasks
from .mini_orm import MiniOrmOperations
from .mysql import OnMySQLClient, OnPyMySQL, arguments


class OverMySQLClient(MiniOrmOperations, OnMySQLClient):
    """`Database` over mysqlclient."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.use(Database(self.conn))


class OverPyMySQL(MiniOrmOperations, OnPyMySQL):
    """`Database` over PyMySQL."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.use(Database(self.conn))


class OverAsyncmy(AsyncContestant):
    """`AsyncDatabase` over a pool of asyncmy's connections."""

    uses_one_processor = True

    def __init__(self, address: str) -> None:
        import asyncmy  # here, as the other classes of this module do without

        super().__init__()
        self.pool = PoolConnector(asyncmy.connect, **arguments(address), max_size=CONNECTIONS)
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
