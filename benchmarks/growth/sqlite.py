"""SQLite, by hand and through mini_orm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mini_orm import Database

from ..contestants.sqlite import SqliteContestant
from ..contestants.sqlite_raw import to_user
from ..models import User
from .base import ByHand, GrowthContestant, ThroughMiniOrm


class OnSqlite(GrowthContestant, SqliteContestant):
    """On a connection of sqlite3's."""

    emptying = "DELETE FROM"

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Iterable[tuple[Any, ...]]:
        return self.conn.execute(sql, values)

    def run(self, sql: str) -> None:
        self.conn.execute(sql)

    def restore(self, table: str) -> None:
        super().restore(table)
        self.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


class Raw(ByHand, OnSqlite):
    """The standard library's sqlite3, whose cursors read row by row."""

    mark = "?"

    def to_users(self, rows: Iterable[tuple[Any, ...]]) -> list[User]:
        return [to_user(row) for row in rows]

    def stream(self, sql: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        return self.conn.execute(sql, values)

    def insert(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        with self.conn:
            self.conn.execute("BEGIN IMMEDIATE")
            self.conn.executemany(sql, rows)


class MiniOrm(ThroughMiniOrm, OnSqlite):
    """`Database` over sqlite3."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.use(Database(self.conn))
