"""MariaDB or MySQL on mysqlclient, by hand and through mini_orm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mini_orm import Database

from ..contestants.mysql import OnMySQLClient
from ..contestants.mysql_raw import to_user
from ..models import User
from .base import ByHand, GrowthContestant, ThroughMiniOrm


class OnMySQL(GrowthContestant, OnMySQLClient):
    """On a connection of mysqlclient's."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Iterable[tuple[Any, ...]]:
        with self.conn.cursor() as cursor:
            cursor.execute(sql, values)
            rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def run(self, sql: str) -> None:
        with self.conn.cursor() as cursor:
            cursor.execute(sql)


class Raw(ByHand, OnMySQL):
    """mysqlclient."""

    def to_users(self, rows: Iterable[tuple[Any, ...]]) -> list[User]:
        return [to_user(row) for row in rows]

    def stream(self, sql: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        from MySQLdb.cursors import SSCursor  # here, as it may not be installed

        with self.conn.cursor(SSCursor) as cursor:
            cursor.execute(sql, values)
            while rows := cursor.fetchmany(1000):
                yield from rows

    def insert(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self.conn.begin()
        with self.conn.cursor() as cursor:
            cursor.executemany(sql, rows)
        self.conn.commit()


class MiniOrm(ThroughMiniOrm, OnMySQL):
    """`Database` over mysqlclient."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.use(Database(self.conn))
