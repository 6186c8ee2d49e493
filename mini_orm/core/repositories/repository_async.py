"""`AsyncRepository` and `AsyncUnifiedRepository`: the verbs of one model, and of any, for asyncio.

The logic is in ops.py and ops_schema.py.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, overload

from ...errors import ConfigurationError
from ..conditions import OrderBy, WhereInput
from ..database.database import Operation
from ..database.database_async import AsyncDatabase
from ..models import model_meta
from ..query.compiler import compiler_for
from ..schema.ensure import Policy
from . import forms, ops, ops_schema
from .forms import ABSENT
from .ops_schema import Flags

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

    async def _run(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        operation = await ops_schema.prepared(self._db, self._model, self._flags, operation)
        self._settle()
        return await self._db.run(operation, *args, **kwargs)

    async def insert(self, obj: T) -> T:
        """Async twin of `Repository.insert`."""
        return await self._run(ops.insert, self._compiler, self._model, obj)

    async def insert_many(self, objects: Iterable[T]) -> builtins.list[T]:
        """Async twin of `Repository.insert_many`."""
        return await self._run(ops.insert_many, self._compiler, self._model, ops.listed(objects, self._model))

    async def create(self, obj: T) -> T:
        """Async twin of `Repository.create`."""
        return await self._run(ops.insert, self._compiler, self._model, obj)

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
        return await self._run(ops.select, self._compiler, self._model, where, order_by, limit, offset)

    async def update(self, obj: T) -> int:
        """Async twin of `Repository.update`."""
        return await self._run(ops.update, self._compiler, self._model, obj)

    async def delete(self, obj: T) -> int:
        """Async twin of `Repository.delete`."""
        return await self._run(ops.delete, self._compiler, self._model, obj)

    async def count(self, where: WhereInput = None) -> int:
        """Async twin of `Repository.count`."""
        return await self._run(ops.count, self._compiler, where)

    async def exists(self, where: WhereInput = None) -> bool:
        """Async twin of `Repository.exists`."""
        return await self._run(ops.exists, self._compiler, where)

    async def update_where(
        self, values: Mapping[str, Any], *, where: WhereInput = None, allow_all: bool = False
    ) -> int:
        """Async twin of `Repository.update_where`."""
        return await self._run(ops.update_where, self._compiler, values, where, allow_all)

    async def delete_where(self, *, where: WhereInput = None, allow_all: bool = False) -> int:
        """Async twin of `Repository.delete_where`."""
        return await self._run(ops.delete_where, self._compiler, where, allow_all)

    async def get_or_create(
        self, *, lookup: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
    ) -> tuple[T, bool]:
        """Async twin of `Repository.get_or_create`."""
        return await self._run(ops.get_or_create, self._compiler, self._model, lookup, defaults)

    async def register(self, *, ensure: bool | None = None) -> None:
        """Async twin of `Repository.register`."""
        await ops_schema.register(self._db, [self._model], self._flags, ensure)

    async def register_many(self, *, ensure: bool | None = None) -> None:
        """Async twin of `Repository.register_many`."""
        await self.register(ensure=ensure)

    def is_registered(self) -> bool:
        """Async twin of `Repository.is_registered`."""
        return self._model in self._db._registry.registered


class AsyncUnifiedRepository:
    """Async twin of `UnifiedRepository`."""

    def __init__(
        self,
        db: AsyncDatabase,
        *,
        auto_schema: bool = False,
        schema_conflict: Policy = "raise",
        require_registration: bool = False,
    ) -> None:
        if not isinstance(db, AsyncDatabase):
            raise ConfigurationError(
                f"an AsyncUnifiedRepository needs an AsyncDatabase (AsyncDatabase(conn)), got {type(db).__name__}"
            )
        self._db = db
        self._flags = Flags(auto_schema, schema_conflict, require_registration)
        self._repos: dict[type, AsyncRepository[Any]] = {}

    def __repr__(self) -> str:
        return f"AsyncUnifiedRepository({self._db!r})"

    @property
    def db(self) -> AsyncDatabase:
        """Async twin of `UnifiedRepository.db`."""
        return self._db

    def repo(self, model: type[T]) -> AsyncRepository[T]:
        """Async twin of `UnifiedRepository.repo`."""
        cls = forms.one_model(model)
        found = self._repos.get(cls)
        if found is None:
            flags = self._flags
            made = AsyncRepository(
                self._db,
                model,
                auto_schema=flags.auto_schema,
                schema_conflict=flags.schema_conflict,
                require_registration=flags.require_registration,
            )
            found = self._repos.setdefault(cls, made)
        return found

    @overload
    async def insert(self, obj: T, /) -> T: ...
    @overload
    async def insert(self, model: type[T], obj: T) -> T: ...
    async def insert(self, model: Any = ABSENT, obj: Any = ABSENT) -> Any:
        """Async twin of `UnifiedRepository.insert`."""
        cls, obj = forms.one_object("insert", model, obj)
        return await self.repo(cls).insert(obj)

    @overload
    async def insert_many(self, objects: Iterable[T], /) -> builtins.list[T]: ...
    @overload
    async def insert_many(self, model: type[T], objects: Iterable[T]) -> builtins.list[T]: ...
    async def insert_many(self, model: Any = ABSENT, objects: Any = ABSENT) -> Any:
        """Async twin of `UnifiedRepository.insert_many`."""
        cls, objects = forms.many_objects(model, objects)
        return [] if cls is None else await self.repo(cls).insert_many(objects)

    @overload
    async def create(self, obj: T, /) -> T: ...
    @overload
    async def create(self, model: type[T], obj: T) -> T: ...
    async def create(self, model: Any = ABSENT, obj: Any = ABSENT) -> Any:
        """Async twin of `UnifiedRepository.create`."""
        cls, obj = forms.one_object("create", model, obj)
        return await self.repo(cls).create(obj)

    async def get(self, model: type[T], pk: Any) -> T | None:
        """Async twin of `UnifiedRepository.get`."""
        return await self.repo(model).get(pk)

    async def list(
        self,
        model: type[T],
        where: WhereInput = None,
        order_by: str | OrderBy | Sequence[str | OrderBy] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> builtins.list[T]:
        """Async twin of `UnifiedRepository.list`."""
        return await self.repo(model).list(where, order_by, limit, offset)

    @overload
    async def update(self, obj: object, /) -> int: ...
    @overload
    async def update(self, model: type[T], obj: T) -> int: ...
    async def update(self, model: Any = ABSENT, obj: Any = ABSENT) -> int:
        """Async twin of `UnifiedRepository.update`."""
        cls, obj = forms.one_object("update", model, obj)
        return await self.repo(cls).update(obj)

    @overload
    async def delete(self, obj: object, /) -> int: ...
    @overload
    async def delete(self, model: type[T], obj: T) -> int: ...
    async def delete(self, model: Any = ABSENT, obj: Any = ABSENT) -> int:
        """Async twin of `UnifiedRepository.delete`."""
        cls, obj = forms.one_object("delete", model, obj)
        return await self.repo(cls).delete(obj)

    async def count(self, model: type, where: WhereInput = None) -> int:
        """Async twin of `UnifiedRepository.count`."""
        return await self.repo(model).count(where)

    async def exists(self, model: type, where: WhereInput = None) -> bool:
        """Async twin of `UnifiedRepository.exists`."""
        return await self.repo(model).exists(where)

    async def update_where(
        self, model: type, values: Mapping[str, Any], *, where: WhereInput = None, allow_all: bool = False
    ) -> int:
        """Async twin of `UnifiedRepository.update_where`."""
        return await self.repo(model).update_where(values, where=where, allow_all=allow_all)

    async def delete_where(self, model: type, *, where: WhereInput = None, allow_all: bool = False) -> int:
        """Async twin of `UnifiedRepository.delete_where`."""
        return await self.repo(model).delete_where(where=where, allow_all=allow_all)

    async def get_or_create(
        self, model: type[T], *, lookup: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
    ) -> tuple[T, bool]:
        """Async twin of `UnifiedRepository.get_or_create`."""
        return await self.repo(model).get_or_create(lookup=lookup, defaults=defaults)

    async def register(self, model: type[T], ensure: bool | None = None) -> AsyncRepository[T]:
        """Async twin of `UnifiedRepository.register`."""
        found = self.repo(model)
        await found.register(ensure=ensure)
        return found

    async def register_many(self, models: Iterable[type], ensure: bool | None = None) -> None:
        """Async twin of `UnifiedRepository.register_many`."""
        found = forms.many_models(models)
        for model in found:
            self.repo(model)
        await ops_schema.register(self._db, found, self._flags, ensure)

    def is_registered(self, model: type) -> bool:
        """Async twin of `UnifiedRepository.is_registered`."""
        return self.repo(model).is_registered()
