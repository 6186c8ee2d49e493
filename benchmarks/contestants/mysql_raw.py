"""MariaDB or MySQL by hand: the module that an application without an ORM has, on mysqlclient or PyMySQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..models import Author, Contact, Member, Post, Status, User
from .mysql import MySQLContestant, OnMySQLClient, OnPyMySQL

_COLUMNS = "name, email, age, score, active, created, status, payload"
SELECT = f"SELECT {_COLUMNS}, id FROM users"
GET = f"{SELECT} WHERE id = %s"
LIST = SELECT
LIST_CONTACTS = "SELECT name, email, age, score, id FROM contacts"
FILTER = f"{SELECT} WHERE age >= %s AND active = %s ORDER BY id DESC LIMIT 20"
COUNT = "SELECT count(*) FROM users WHERE age >= %s AND active = %s"
EXISTS = "SELECT 1 FROM users WHERE email = %s LIMIT 1"
UPDATE_WHERE = "UPDATE users SET status = %s, active = %s WHERE age = %s"
INSERT = f"INSERT INTO users ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
UPDATE = (
    "UPDATE users SET name = %s, email = %s, age = %s, score = %s, active = %s, created = %s, status = %s, "
    "payload = %s WHERE id = %s"
)
DELETE = "DELETE FROM users WHERE id = %s"
INSERT_MEMBER = f"INSERT INTO members (id, {_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
LIST_AUTHORS = "SELECT name, email, id FROM authors"
LIST_POSTS = "SELECT author_id, title, views, id FROM posts WHERE author_id IN %s ORDER BY author_id, id"

# The text that mini_orm stores, so that tables can be compared. `json.dumps` with options makes an encoder each time.
_dumps = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def to_user(row: Iterable[Any]) -> User:
    """Make a user of a row, in which JSON is text."""
    name, email, age, score, active, created, status, payload, key = row
    return User(name, email, age, score, bool(active), created, Status(status), json.loads(payload), key)


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
        _dumps(user.payload),
    )


class RawOperations(MySQLContestant):
    """What both packages do with the same code, blocking."""

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> Sequence[tuple[Any, ...]]:
        with self.conn.cursor() as cursor:
            cursor.execute(sql, values)
            rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def _first(self, sql: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        with self.conn.cursor() as cursor:
            cursor.execute(sql, values)
            row: tuple[Any, ...] | None = cursor.fetchone()
        return row

    def _change(self, sql: str, values: tuple[Any, ...]) -> int:
        """Run a statement; return the number of its rows."""
        with self.conn.cursor() as cursor:
            affected: int = cursor.execute(sql, values)
        return affected

    def get(self, key: int) -> User | None:
        row = self._first(GET, (key,))
        return None if row is None else to_user(row)

    def list_plain(self) -> list[Contact]:
        return [Contact(*row) for row in self._rows(LIST_CONTACTS)]

    def list_rich(self) -> list[User]:
        return [to_user(row) for row in self._rows(SELECT)]

    def filter(self, age: int) -> list[User]:
        return [to_user(row) for row in self._rows(FILTER, (age, True))]

    def count(self, age: int) -> int:
        row = self._first(COUNT, (age, True))
        assert row is not None
        found: int = row[0]
        return found

    def exists(self, email: str) -> bool:
        return self._first(EXISTS, (email,)) is not None

    def update_where(self, age: int, status: Status) -> int:
        return self._change(UPDATE_WHERE, (status.value, False, age))

    def insert(self, user: User) -> User:
        with self.conn.cursor() as cursor:
            cursor.execute(INSERT, to_values(user))
            user.id = cursor.lastrowid
        return user

    def update(self, user: User) -> int:
        return self._change(UPDATE, (*to_values(user), user.id))

    def delete(self, user: User) -> int:
        return self._change(DELETE, (user.id,))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.conn.begin()
        try:
            yield
        except BaseException:
            self.conn.rollback()
            raise
        self.conn.commit()

    def insert_in_transaction(self, users: list[User]) -> list[User]:
        with self.transaction():
            return [self.insert(user) for user in users]

    def update_in_transaction(self, users: list[User]) -> list[int]:
        with self.transaction():
            return [self.update(user) for user in users]

    def delete_in_transaction(self, users: list[User]) -> list[int]:
        with self.transaction():
            return [self.delete(user) for user in users]

    def insert_many(self, users: list[User]) -> None:
        with self.transaction(), self.conn.cursor() as cursor:
            cursor.executemany(INSERT, [to_values(user) for user in users])

    def insert_many_given(self, members: list[Member]) -> None:
        with self.transaction(), self.conn.cursor() as cursor:
            cursor.executemany(INSERT_MEMBER, [(member.id, *to_values(member)) for member in members])

    def eager_load(self) -> list[tuple[Author, list[Post]]]:
        authors = [Author(*row) for row in self._rows(LIST_AUTHORS)]
        posts: dict[int | None, list[Post]] = {author.id: [] for author in authors}
        for row in self._rows(LIST_POSTS, (list(posts),)):
            posts[row[0]].append(Post(*row))
        return [(author, posts[author.id]) for author in authors]


class RawMySQLClient(RawOperations, OnMySQLClient):
    """mysqlclient."""


class RawPyMySQL(RawOperations, OnPyMySQL):
    """PyMySQL."""
