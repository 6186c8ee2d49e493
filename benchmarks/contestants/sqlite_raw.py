"""SQLite by hand: the module that an application without an ORM has, on sqlite3."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ..models import Author, Contact, Member, Post, Status, User
from .sqlite import SqliteContestant

_COLUMNS = "name, email, age, score, active, created, status, payload"
_SELECT = f"SELECT {_COLUMNS}, id FROM users"
GET = f"{_SELECT} WHERE id = ?"
LIST = _SELECT
LIST_CONTACTS = "SELECT name, email, age, score, id FROM contacts"
FILTER = f"{_SELECT} WHERE age >= ? AND active = ? ORDER BY id DESC LIMIT 20"
COUNT = "SELECT count(*) FROM users WHERE age >= ? AND active = ?"
EXISTS = "SELECT 1 FROM users WHERE email = ? LIMIT 1"
UPDATE_WHERE = "UPDATE users SET status = ?, active = ? WHERE age = ?"
INSERT = f"INSERT INTO users ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
UPDATE = (
    "UPDATE users SET name = ?, email = ?, age = ?, score = ?, active = ?, created = ?, status = ?, payload = ? "
    "WHERE id = ?"
)
DELETE = "DELETE FROM users WHERE id = ?"
INSERT_MEMBER = f"INSERT INTO members (id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
LIST_AUTHORS = "SELECT name, email, id FROM authors"
LIST_POSTS = (
    "SELECT author_id, title, views, id FROM posts WHERE author_id IN (SELECT value FROM json_each(?)) "
    "ORDER BY author_id, id"
)

# The text that mini_orm stores, so that tables can be compared. `json.dumps` with options makes an encoder each time.
_dumps = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def to_user(row: Iterable[Any]) -> User:
    """Make a user of a row."""
    name, email, age, score, active, created, status, payload, key = row
    return User(
        name,
        email,
        age,
        score,
        bool(active),
        datetime.fromisoformat(created),
        Status(status),
        json.loads(payload),
        key,
    )


def to_values(user: User | Member) -> tuple[Any, ...]:
    """Make the values of all columns but the key."""
    return (
        user.name,
        user.email,
        user.age,
        user.score,
        user.active,
        user.created.isoformat(" ", "microseconds"),
        user.status.value,
        _dumps(user.payload),
    )


class RawSqlite3(SqliteContestant):
    """The standard library's sqlite3."""

    def get(self, key: int) -> User | None:
        row = self.conn.execute(GET, (key,)).fetchone()
        return None if row is None else to_user(row)

    def list_plain(self) -> list[Contact]:
        return [Contact(*row) for row in self.conn.execute(LIST_CONTACTS)]

    def list_rich(self) -> list[User]:
        return [to_user(row) for row in self.conn.execute(LIST)]

    def filter(self, age: int) -> list[User]:
        return [to_user(row) for row in self.conn.execute(FILTER, (age, True))]

    def count(self, age: int) -> int:
        found: int = self.conn.execute(COUNT, (age, True)).fetchone()[0]
        return found

    def exists(self, email: str) -> bool:
        return self.conn.execute(EXISTS, (email,)).fetchone() is not None

    def update_where(self, age: int, status: Status) -> int:
        return self.conn.execute(UPDATE_WHERE, (status.value, False, age)).rowcount

    def insert(self, user: User) -> User:
        user.id = self.conn.execute(INSERT, to_values(user)).lastrowid
        return user

    def update(self, user: User) -> int:
        return self.conn.execute(UPDATE, (*to_values(user), user.id)).rowcount

    def delete(self, user: User) -> int:
        return self.conn.execute(DELETE, (user.id,)).rowcount

    def begin(self) -> sqlite3.Connection:
        """Begin a transaction; the connection, as a context manager, ends it."""
        self.conn.execute("BEGIN IMMEDIATE")
        return self.conn

    def insert_in_transaction(self, users: list[User]) -> list[User]:
        with self.begin():
            return [self.insert(user) for user in users]

    def update_in_transaction(self, users: list[User]) -> list[int]:
        with self.begin():
            return [self.update(user) for user in users]

    def delete_in_transaction(self, users: list[User]) -> list[int]:
        with self.begin():
            return [self.delete(user) for user in users]

    def insert_many(self, users: list[User]) -> None:
        with self.begin() as conn:
            conn.executemany(INSERT, [to_values(user) for user in users])

    def insert_many_given(self, members: list[Member]) -> None:
        with self.begin() as conn:
            conn.executemany(INSERT_MEMBER, [(member.id, *to_values(member)) for member in members])

    def eager_load(self) -> list[tuple[Author, list[Post]]]:
        authors = [Author(*row) for row in self.conn.execute(LIST_AUTHORS)]
        posts: dict[int | None, list[Post]] = {author.id: [] for author in authors}
        for row in self.conn.execute(LIST_POSTS, (json.dumps(list(posts)),)):
            posts[row[0]].append(Post(*row))
        return [(author, posts[author.id]) for author in authors]
