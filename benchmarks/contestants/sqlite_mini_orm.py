"""SQLite through mini_orm."""

from __future__ import annotations

from mini_orm import AsyncDatabase, AsyncRepository, C, Database, Repository

from ..models import Contact, Member, Status, User
from .base import AsyncContestant
from .sqlite import SqliteContestant, connect


class MiniOrm(SqliteContestant):
    """`Database` over sqlite3."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.db = Database(self.conn)
        self.users = Repository(self.db, User)
        # Where an operation is a method of the repository, that one is timed, with nothing around it.
        self.get = self.users.get
        self.list_plain = Repository(self.db, Contact).list
        self.list_rich = self.users.list
        self.insert = self.users.insert
        self.insert_many = self.users.insert_many
        self.insert_many_given = Repository(self.db, Member).insert_many

    def filter(self, age: int) -> list[User]:
        return self.users.list(where=C.ge("age", age) & C.eq("active", True), order_by="-id", limit=20)

    def count(self, age: int) -> int:
        return self.users.count(C.ge("age", age) & C.eq("active", True))

    def exists(self, email: str) -> bool:
        return self.users.exists(C.eq("email", email))

    def update_where(self, age: int, status: Status) -> int:
        return self.users.update_where({"status": status, "active": False}, where=C.eq("age", age))

    def insert_in_transaction(self, users: list[User]) -> list[User]:
        with self.db.transaction() as tx:
            repo = Repository(tx, User)
            return [repo.insert(user) for user in users]

    def update_in_transaction(self, users: list[User]) -> list[int]:
        with self.db.transaction() as tx:
            repo = Repository(tx, User)
            return [repo.update(user) for user in users]

    def delete_in_transaction(self, users: list[User]) -> list[int]:
        with self.db.transaction() as tx:
            repo = Repository(tx, User)
            return [repo.delete(user) for user in users]

    def close(self) -> None:
        self.db.close()


class AsyncMiniOrm(AsyncContestant):
    """`AsyncDatabase` over a sqlite3 connection of the loop's own thread: inline."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.db = AsyncDatabase(connect(address))
        self.get_async = AsyncRepository(self.db, User).get

    def close(self) -> None:
        self.wait_for(self.db.aclose())
        self.runner.close()
