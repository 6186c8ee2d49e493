"""MariaDB or MySQL in tasks, on asyncmy."""

from __future__ import annotations

from collections.abc import Sequence

from ..contestants.base import in_tasks
from ..contestants.mysql_asyncmy import RawAsyncmy
from ..contestants.mysql_mini_orm import OverAsyncmy
from ..models import User
from .operations import BY_NAME


class Raw(RawAsyncmy):
    """asyncmy's own pool, as it is by default."""

    catalogue = BY_NAME

    async def get_in_tasks(self, tasks: int, keys: Sequence[int]) -> list[User | None]:
        return await in_tasks(self.one, keys, tasks)


class MiniOrm(OverAsyncmy):
    """`AsyncDatabase` over a pool of asyncmy's connections."""

    catalogue = BY_NAME

    async def get_in_tasks(self, tasks: int, keys: Sequence[int]) -> list[User | None]:
        return await in_tasks(self.users.get, keys, tasks)
