"""PostgreSQL by hand: the module that an application without an ORM has, on psycopg."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg.types.json import Jsonb

from ..models import Author, Contact, Member, Post, Status, User
from .postgres import PostgresContestant

_COLUMNS = "name, email, age, score, active, created, status, payload"
_SELECT = f"SELECT {_COLUMNS}, id FROM users"
GET = f"{_SELECT} WHERE id = %s"
LIST = _SELECT
LIST_CONTACTS = "SELECT name, email, age, score, id FROM contacts"
FILTER = f"{_SELECT} WHERE age >= %s AND active = %s ORDER BY id DESC LIMIT 20"
COUNT = "SELECT count(*) FROM users WHERE age >= %s AND active = %s"
EXISTS = "SELECT 1 FROM users WHERE email = %s LIMIT 1"
UPDATE_WHERE = "UPDATE users SET status = %s, active = %s WHERE age = %s"
INSERT = f"INSERT INTO users ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id"
UPDATE = (
    "UPDATE users SET name = %s, email = %s, age = %s, score = %s, active = %s, created = %s, status = %s, "
    "payload = %s WHERE id = %s"
)
DELETE = "DELETE FROM users WHERE id = %s"
INSERT_MEMBER = f"INSERT INTO members (id, {_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
LIST_AUTHORS = "SELECT name, email, id FROM authors"
LIST_POSTS = "SELECT author_id, title, views, id FROM posts WHERE author_id = ANY(%s) ORDER BY author_id, id"


def to_user(row: Iterable[Any]) -> User:
    """Make a user of a row; psycopg has read the JSON."""
    name, email, age, score, active, created, status, payload, key = row
    return User(name, email, age, score, active, created, Status(status), payload, key)


def to_values(user: User | Member) -> tuple[Any, ...]:
    """Make the values of all columns but the key."""
    return (
        user.name,
        user.email,
        user.age,
        user.score,
        user.active,
        user.created,
        user.status.value,
        Jsonb(user.payload),
    )


class RawPsycopg(PostgresContestant):
    """psycopg, blocking. It prepares by itself what runs more than a few times."""

    def get(self, key: int) -> User | None:
        row = self.conn.execute(GET, (key,)).fetchone()
        return None if row is None else to_user(row)

    def list_plain(self) -> list[Contact]:
        return [Contact(*row) for row in self.conn.execute(LIST_CONTACTS).fetchall()]

    def list_rich(self) -> list[User]:
        return [to_user(row) for row in self.conn.execute(LIST).fetchall()]

    def filter(self, age: int) -> list[User]:
        return [to_user(row) for row in self.conn.execute(FILTER, (age, True)).fetchall()]

    def count(self, age: int) -> int:
        found: int = self._first(COUNT, (age, True))
        return found

    def _first(self, sql: str, values: tuple[Any, ...]) -> Any:
        """Return the first value of the one row that there is."""
        row = self.conn.execute(sql, values).fetchone()
        assert row is not None
        return row[0]

    def exists(self, email: str) -> bool:
        return self.conn.execute(EXISTS, (email,)).fetchone() is not None

    def update_where(self, age: int, status: Status) -> int:
        return self.conn.execute(UPDATE_WHERE, (status.value, False, age)).rowcount

    def insert(self, user: User) -> User:
        user.id = self._first(INSERT, to_values(user))
        return user

    def update(self, user: User) -> int:
        return self.conn.execute(UPDATE, (*to_values(user), user.id)).rowcount

    def delete(self, user: User) -> int:
        return self.conn.execute(DELETE, (user.id,)).rowcount

    def insert_in_transaction(self, users: list[User]) -> list[User]:
        with self.conn.transaction():
            return [self.insert(user) for user in users]

    def update_in_transaction(self, users: list[User]) -> list[int]:
        with self.conn.transaction():
            return [self.update(user) for user in users]

    def delete_in_transaction(self, users: list[User]) -> list[int]:
        with self.conn.transaction():
            return [self.delete(user) for user in users]

    def insert_many(self, users: list[User]) -> list[User]:
        with self.conn.transaction(), self.conn.cursor() as cursor:
            cursor.executemany(INSERT, [to_values(user) for user in users], returning=True)
            for user in users:
                row = cursor.fetchone()
                assert row is not None
                user.id = row[0]
                cursor.nextset()
        return users

    def insert_many_given(self, members: list[Member]) -> None:
        with self.conn.transaction(), self.conn.cursor() as cursor:
            cursor.executemany(INSERT_MEMBER, [(member.id, *to_values(member)) for member in members])

    def eager_load(self) -> list[tuple[Author, list[Post]]]:
        authors = [Author(*row) for row in self.conn.execute(LIST_AUTHORS).fetchall()]
        posts: dict[int | None, list[Post]] = {author.id: [] for author in authors}
        for row in self.conn.execute(LIST_POSTS, (list(posts),)).fetchall():
            posts[row[0]].append(Post(*row))
        return [(author, posts[author.id]) for author in authors]
