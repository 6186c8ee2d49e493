"""`AsyncRepository`: the verbs of one model, for asyncio. The logic is in ops.py."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from ...errors import ConfigurationError
from ..conditions import OrderBy, WhereInput
from ..database.database_async import AsyncDatabase
from ..models import model_meta
from ..query.compiler import compiler_for
from . import ops

T = TypeVar("T")


class AsyncRepository(Generic[T]):
    """Async twin of `Repository`."""

    def __init__(self, db: AsyncDatabase, model: type[T]) -> None:
        if not isinstance(db, AsyncDatabase):
            raise ConfigurationError(
                f"an AsyncRepository needs an AsyncDatabase (AsyncDatabase(conn)), got {type(db).__name__}"
            )
        self._db = db
        self._model = model
        self._compiler = compiler_for(model_meta(model), db.dialect)

    def __repr__(self) -> str:
        return f"AsyncRepository({self._db!r}, {self._model.__name__})"

    @property
    def db(self) -> AsyncDatabase:
        """Async twin of `Repository.db`."""
        return self._db

    @property
    def model(self) -> type[T]:
        """Async twin of `Repository.model`."""
        return self._model

    async def insert(self, obj: T) -> T:
        """Async twin of `Repository.insert`."""
        return await self._db.run(ops.insert, self._compiler, self._model, obj)

    async def insert_many(self, objects: Iterable[T]) -> builtins.list[T]:
        """Async twin of `Repository.insert_many`."""
        return await self._db.run(ops.insert_many, self._compiler, self._model, ops.listed(objects, self._model))

    async def create(self, obj: T) -> T:
        """Async twin of `Repository.create`."""
        return await self._db.run(ops.insert, self._compiler, self._model, obj)

    async def get(self, pk: Any) -> T | None:
        """Async twin of `Repository.get`."""
        return await self._db.run(ops.get, self._compiler, self._model, pk)

    async def list(
        self,
        where: WhereInput = None,
        order_by: str | OrderBy | Sequence[str | OrderBy] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> builtins.list[T]:
        """Async twin of `Repository.list`."""
        return await self._db.run(ops.select, self._compiler, self._model, where, order_by, limit, offset)

    async def update(self, obj: T) -> int:
        """Async twin of `Repository.update`."""
        return await self._db.run(ops.update, self._compiler, self._model, obj)

    async def delete(self, obj: T) -> int:
        """Async twin of `Repository.delete`."""
        return await self._db.run(ops.delete, self._compiler, self._model, obj)

    async def count(self, where: WhereInput = None) -> int:
        """Async twin of `Repository.count`."""
        return await self._db.run(ops.count, self._compiler, where)

    async def exists(self, where: WhereInput = None) -> bool:
        """Async twin of `Repository.exists`."""
        return await self._db.run(ops.exists, self._compiler, where)

    async def update_where(
        self, values: Mapping[str, Any], *, where: WhereInput = None, allow_all: bool = False
    ) -> int:
        """Async twin of `Repository.update_where`."""
        return await self._db.run(ops.update_where, self._compiler, values, where, allow_all)

    async def delete_where(self, *, where: WhereInput = None, allow_all: bool = False) -> int:
        """Async twin of `Repository.delete_where`."""
        return await self._db.run(ops.delete_where, self._compiler, where, allow_all)

    async def get_or_create(
        self, *, lookup: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
    ) -> tuple[T, bool]:
        """Async twin of `Repository.get_or_create`."""
        return await self._db.run(ops.get_or_create, self._compiler, self._model, lookup, defaults)
