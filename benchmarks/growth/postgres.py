"""PostgreSQL on psycopg, by hand and through mini_orm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mini_orm import Database

from ..contestants.postgres import PostgresContestant
from ..contestants.postgres_psycopg import to_user
from ..models import User
from .base import ByHand, GrowthContestant, ThroughMiniOrm


class OnPostgres(GrowthContestant, PostgresContestant):
    """On a connection of psycopg's."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Iterable[tuple[Any, ...]]:
        return self.conn.execute(sql, values).fetchall()

    def run(self, sql: str) -> None:
        self.conn.execute(sql)


class Raw(ByHand, OnPostgres):
    """psycopg, blocking."""

    def to_users(self, rows: Iterable[tuple[Any, ...]]) -> list[User]:
        return [to_user(row) for row in rows]

    def stream(self, sql: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        with self.conn.transaction(), self.conn.cursor("entries") as cursor:
            cursor.itersize = 1000
            cursor.execute(sql, values)
            yield from cursor

    def insert(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        with self.conn.transaction(), self.conn.cursor() as cursor:
            cursor.executemany(sql, rows)


class MiniOrm(ThroughMiniOrm, OnPostgres):
    """`Database` over psycopg."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.use(Database(self.conn))
