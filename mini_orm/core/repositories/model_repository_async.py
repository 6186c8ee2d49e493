"""`AsyncRepository`: the verbs of one model, for asyncio.

The logic is in ops.py, ops_relations.py and ops_schema.py.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from typing import Any, Generic, Literal, ParamSpec, TypeVar, overload

from ...errors import ConfigurationError
from ..conditions import OrderBy, WhereInput
from ..database.database import Operation
from ..database.database_async import AsyncDatabase
from ..models import model_meta
from ..query.compiler import compiler_for
from ..schema.policy import Policy
from . import ops, ops_load, ops_relations, ops_schema
from .creation import creation, ends, links_of
from .given import listed
from .iteration import iterated_async, iteration
from .ops_schema import Flags
from .related import RelatedResult, included, models_of, reached

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class AsyncRepository(Generic[T]):
    """Async twin of `Repository`."""

    def __init__(
        self,
        db: AsyncDatabase,
        model: type[T],
        *,
        auto_schema: bool = False,
        schema_conflict: Policy = "raise",
        require_registration: bool = False,
    ) -> None:
        if not isinstance(db, AsyncDatabase):
            raise ConfigurationError(
                f"an AsyncRepository needs an AsyncDatabase (AsyncDatabase(conn)), got {type(db).__name__}"
            )
        self._db = db
        self._model = model
        self._compiler = compiler_for(model_meta(model), db.dialect)
        self._flags = Flags(auto_schema, schema_conflict, require_registration)
        self._settle()

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

    def _settle(self) -> None:
        if ops_schema.is_settled(self._db._registry, self._model, self._flags):
            self._run = self._db.run  # type: ignore[method-assign]  # as in Repository
        if not self._flags.are_set:
            self._run_where = self._db.run  # type: ignore[method-assign]  # as in Repository

    async def _run(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        operation = await ops_schema.prepared(self._db, [self._model], self._flags, operation)
        self._settle()
        return await self._db.run(operation, *args, **kwargs)

    async def _run_on(
        self, others: Collection[type], operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        operation = await ops_schema.prepared(self._db, [self._model, *others], self._flags, operation)
        return await self._db.run(operation, *args, **kwargs)

    async def _run_where(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        others = ops_schema.led_to(self._compiler.filters, self._flags, kwargs.get("where"), kwargs.get("order_by"))
        if others:
            return await self._run_on(others, operation, *args, **kwargs)
        return await self._run(operation, *args, **kwargs)

    async def insert(self, obj: T) -> T:
        """Async twin of `Repository.insert`."""
        return await self._run(ops.insert, self._compiler, self._model, obj)

    @overload
    async def insert_many(self, objects: Iterable[T], *, returning: Literal[True] = True) -> builtins.list[T]: ...
    @overload
    async def insert_many(self, objects: Iterable[T], *, returning: Literal[False]) -> int: ...
    @overload
    async def insert_many(self, objects: Iterable[T], *, returning: bool) -> builtins.list[T] | int: ...
    async def insert_many(self, objects: Iterable[T], *, returning: bool = True) -> builtins.list[T] | int:
        """Async twin of `Repository.insert_many`."""
        operation = ops_load.bulk_operation(returning)
        return await self._run(operation, self._compiler, self._model, listed(objects, self._model))

    async def create(self, obj: T, *, relations: Mapping[str, Any] | None = None) -> T:
        """Async twin of `Repository.create`."""
        if relations is None:
            return await self._run(ops.insert, self._compiler, self._model, obj)
        made = creation(self._compiler, self._model, obj, relations)
        return await self._run_on(made.models, ops_relations.create, made)

    async def get(self, pk: Any) -> T | None:
        """Async twin of `Repository.get`."""
        return await self._run(ops.get, self._compiler, self._model, pk)

    async def list(
        self,
        where: WhereInput = None,
        order_by: str | OrderBy | Sequence[str | OrderBy] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> builtins.list[T]:
        """Async twin of `Repository.list`."""
        return await self._run_where(
            ops.select, self._compiler, self._model, where=where, order_by=order_by, limit=limit, offset=offset
        )

    def iterate(
        self,
        where: WhereInput = None,
        order_by: str | OrderBy | Sequence[str | OrderBy] | None = None,
        batch_size: int = 1000,
    ) -> AsyncGenerator[T]:
        """Async twin of `Repository.iterate`."""
        reading = iteration(self._compiler, self._model, self._flags, where, order_by, batch_size)
        return iterated_async(self._db, reading)

    async def update(self, obj: T) -> int:
        """Async twin of `Repository.update`."""
        return await self._run(ops.update, self._compiler, self._model, obj)

    async def delete(self, obj: T) -> int:
        """Async twin of `Repository.delete`."""
        return await self._run(ops.delete, self._compiler, self._model, obj)

    async def count(self, where: WhereInput = None) -> int:
        """Async twin of `Repository.count`."""
        return await self._run_where(ops.count, self._compiler, where=where)

    async def exists(self, where: WhereInput = None) -> bool:
        """Async twin of `Repository.exists`."""
        return await self._run_where(ops.exists, self._compiler, where=where)

    async def update_where(
        self, values: Mapping[str, Any], *, where: WhereInput = None, allow_all: bool = False
    ) -> int:
        """Async twin of `Repository.update_where`."""
        return await self._run_where(ops.update_where, self._compiler, values, where=where, allow_all=allow_all)

    async def delete_where(self, *, where: WhereInput = None, allow_all: bool = False) -> int:
        """Async twin of `Repository.delete_where`."""
        return await self._run_where(ops.delete_where, self._compiler, where=where, allow_all=allow_all)

    async def get_or_create(
        self, *, lookup: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
    ) -> tuple[T, bool]:
        """Async twin of `Repository.get_or_create`."""
        return await self._run(ops.get_or_create, self._compiler, self._model, lookup, defaults)

    async def get_related(self, pk: Any, *, include: str | Iterable[str]) -> RelatedResult[T] | None:
        """Async twin of `Repository.get_related`."""
        includes = included(self._model, include)
        return await self._run_on(
            reached(includes), ops_relations.get_related, self._compiler, self._model, pk, includes
        )

    async def list_related(
        self,
        *,
        include: str | Iterable[str],
        where: WhereInput = None,
        order_by: str | OrderBy | Sequence[str | OrderBy] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> builtins.list[RelatedResult[T]]:
        """Async twin of `Repository.list_related`."""
        includes = included(self._model, include)
        others = ops_schema.led_to(self._compiler.filters, self._flags, where, order_by)
        return await self._run_on(
            [*reached(includes), *others],
            ops_relations.list_related,
            self._compiler,
            self._model,
            includes,
            where,
            order_by,
            limit,
            offset,
        )

    async def link(self, obj: T, name: str, others: Sequence[Any]) -> int:
        """Async twin of `Repository.link`."""
        found = ends("link", self._compiler, self._model, obj, name, others)
        return await self._run_on(models_of([found.relation]), ops_relations.link, links_of(found, self._db.dialect))

    async def unlink(self, obj: T, name: str, others: Sequence[Any]) -> int:
        """Async twin of `Repository.unlink`."""
        found = ends("unlink", self._compiler, self._model, obj, name, others)
        return await self._run_on(models_of([found.relation]), ops_relations.unlink, found)

    async def register(self, *, ensure: bool | None = None) -> None:
        """Async twin of `Repository.register`."""
        await ops_schema.register(self._db, [self._model], self._flags, ensure)

    async def register_many(self, *, ensure: bool | None = None) -> None:
        """Async twin of `Repository.register_many`."""
        await self.register(ensure=ensure)

    def is_registered(self) -> bool:
        """Async twin of `Repository.is_registered`."""
        return self._model in self._db._registry.registered
