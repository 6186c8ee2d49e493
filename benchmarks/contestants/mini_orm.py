"""The operations through a `Database`, whatever is under it."""

from __future__ import annotations

from functools import partial

from mini_orm import C, Database, RelatedResult, Repository

from ..models import Author, Contact, Member, Status, User


class MiniOrmOperations:
    """What a contestant that has a `Database` can do."""

    def use(self, db: Database) -> None:
        """Make the repositories."""
        self.db = db
        self.users = Repository(db, User)
        self.authors = Repository(db, Author)
        # Where an operation is a method of the repository, that one is timed, with nothing around it.
        self.get = self.users.get
        self.list_plain = Repository(db, Contact).list
        self.list_rich = self.users.list
        self.insert = self.users.insert
        self.insert_many = self.users.insert_many
        self.insert_many_given = partial(Repository(db, Member).insert_many, returning=False)

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

    def eager_load(self) -> list[RelatedResult[Author]]:
        return self.authors.list_related(include="posts")

    def close(self) -> None:
        self.db.close()
