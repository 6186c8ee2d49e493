"""SQLite through mini_orm."""

from __future__ import annotations

from mini_orm import AsyncDatabase, AsyncRepository, Database

from ..models import User
from .base import AsyncContestant
from .mini_orm import MiniOrmOperations
from .sqlite import SqliteContestant, connect


class MiniOrm(MiniOrmOperations, SqliteContestant):
    """`Database` over sqlite3."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.use(Database(self.conn))


class AsyncMiniOrm(AsyncContestant):
    """`AsyncDatabase` over a sqlite3 connection of the loop's own thread: inline."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.db = AsyncDatabase(connect(address))
        self.get_async = AsyncRepository(self.db, User).get

    def close(self) -> None:
        self.wait_for(self.db.aclose())
        self.runner.close()
