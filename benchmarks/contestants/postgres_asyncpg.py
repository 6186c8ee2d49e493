"""PostgreSQL by hand, on asyncpg's own pool, as it is by default."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no py.typed

from ..models import Status, User
from .base import CONNECTIONS, AsyncContestant, in_tasks
from .postgres import server

_SELECT = "SELECT name, email, age, score, active, created, status, payload, id FROM users"
GET = f"{_SELECT} WHERE id = $1"
PAGE = f"{_SELECT} WHERE id >= $1 ORDER BY id LIMIT 100"


def arguments(database: str) -> dict[str, Any]:
    """Return how a database is reached, in asyncpg's words."""
    given = server(database)
    return {"database": given.pop("dbname"), **given}


def to_user(row: Iterable[Any]) -> User:
    """Make a user of a row, in which JSON is text."""
    name, email, age, score, active, created, status, payload, key = row
    return User(name, email, age, score, active, created, Status(status), json.loads(payload), key)


class RawAsyncpg(AsyncContestant):
    """asyncpg, awaited, by many tasks at once."""

    uses_one_processor = True

    def __init__(self, address: str) -> None:
        super().__init__()
        self.pool: Any = self.wait_for(self._open(address))

    async def _open(self, address: str) -> Any:
        return await asyncpg.create_pool(**arguments(address), min_size=CONNECTIONS, max_size=CONNECTIONS)

    async def one(self, key: int) -> User | None:
        row = await self.pool.fetchrow(GET, key)
        return None if row is None else to_user(row)

    async def page(self, key: int) -> list[User]:
        return [to_user(row) for row in await self.pool.fetch(PAGE, key)]

    async def get_tasks(self, keys: Sequence[int]) -> Sequence[User | None]:
        return await in_tasks(self.one, keys)

    async def list_tasks(self, keys: Sequence[int]) -> Sequence[Sequence[User]]:
        return await in_tasks(self.page, keys)

    def close(self) -> None:
        self.wait_for(self.pool.close())
        self.runner.close()
