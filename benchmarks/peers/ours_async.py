"""mini_orm, awaited, as its peers are: all operations on one connection."""

from __future__ import annotations

from collections.abc import Sequence

from mini_orm import AsyncDatabase, AsyncRelatedResult, AsyncRepository, C

from ..models import Author, Contact, Member, Status, User
from .base import AsyncPeer
from .raw_async import connected_by_aiosqlite


class AsyncMiniOrm(AsyncPeer):
    """`AsyncDatabase`, whatever is under it."""

    db: AsyncDatabase

    def use(self, db: AsyncDatabase) -> None:
        """Make the repositories."""
        self.db = db
        self.users = AsyncRepository(db, User)
        self.authors = AsyncRepository(db, Author)
        self.get = self.users.get
        self.list_plain = AsyncRepository(db, Contact).list
        self.list_rich = self.users.list
        self.insert = self.users.insert
        self.insert_many = self.users.insert_many
        self.insert_many_given = AsyncRepository(db, Member).insert_many

    async def stop(self) -> None:
        await self.db.aclose()

    async def filter(self, age: int) -> list[User]:
        return await self.users.list(where=C.ge("age", age) & C.eq("active", True), order_by="-id", limit=20)

    async def count(self, age: int) -> int:
        return await self.users.count(C.ge("age", age) & C.eq("active", True))

    async def exists(self, email: str) -> bool:
        return await self.users.exists(C.eq("email", email))

    async def update_where(self, age: int, status: Status) -> int:
        return await self.users.update_where({"status": status, "active": False}, where=C.eq("age", age))

    async def insert_in_transaction(self, users: list[User]) -> list[User]:
        async with self.db.transaction() as tx:
            repo = AsyncRepository(tx, User)
            return [await repo.insert(user) for user in users]

    async def update_in_transaction(self, users: list[User]) -> list[int]:
        async with self.db.transaction() as tx:
            repo = AsyncRepository(tx, User)
            return [await repo.update(user) for user in users]

    async def delete_in_transaction(self, users: list[User]) -> list[int]:
        async with self.db.transaction() as tx:
            repo = AsyncRepository(tx, User)
            return [await repo.delete(user) for user in users]

    async def eager_load(self) -> Sequence[AsyncRelatedResult[Author]]:
        return await self.authors.list_related(include="posts")


class MiniOrmSqlite(AsyncMiniOrm):
    """Over aiosqlite."""

    async def start(self) -> None:
        self.use(AsyncDatabase(await connected_by_aiosqlite(self.address)))


class InlineSqlite(AsyncMiniOrm):
    """Over sqlite3, in the thread of the event loop."""

    threaded = ()

    async def start(self) -> None:
        from ..contestants.sqlite import connect

        self.use(AsyncDatabase(connect(self.address)))


class MiniOrmPostgres(AsyncMiniOrm):
    """Over asyncpg."""

    async def start(self) -> None:
        import asyncpg  # type: ignore[import-untyped]  # it has no py.typed

        from ..contestants.postgres_asyncpg import arguments

        self.use(AsyncDatabase(await asyncpg.connect(**arguments(self.address))))


class MiniOrmMysql(AsyncMiniOrm):
    """Over asyncmy."""

    async def start(self) -> None:
        import asyncmy

        from ..contestants.mysql import arguments

        self.use(AsyncDatabase(await asyncmy.connect(**arguments(self.address))))


class MiniOrm:
    """mini_orm on the same driver as hand-written code, for each database."""

    sqlite, postgres, mysql = MiniOrmSqlite.sqlite, MiniOrmPostgres.postgres, MiniOrmMysql.mysql
