"""`AsyncUnifiedRepository`, the hub: the verbs of all models, for asyncio."""

from __future__ import annotations

import builtins
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar, overload

from ...errors import ConfigurationError
from ..conditions import OrderBy, WhereInput
from ..database.database_async import AsyncDatabase
from ..schema.policy import Policy
from . import forms, ops_schema
from .forms import ABSENT
from .model_repository_async import AsyncRepository
from .ops_schema import Flags
from .related import RelatedResult

T = TypeVar("T")


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
    async def insert_many(self, objects: Iterable[T], /, *, returning: Literal[True] = True) -> builtins.list[T]: ...
    @overload
    async def insert_many(
        self, model: type[T], objects: Iterable[T], *, returning: Literal[True] = True
    ) -> builtins.list[T]: ...
    @overload
    async def insert_many(self, objects: Iterable[Any], /, *, returning: Literal[False]) -> int: ...
    @overload
    async def insert_many(self, model: type[T], objects: Iterable[T], *, returning: Literal[False]) -> int: ...
    async def insert_many(self, model: Any = ABSENT, objects: Any = ABSENT, *, returning: bool = True) -> Any:
        """Async twin of `UnifiedRepository.insert_many`."""
        cls, objects = forms.many_objects(model, objects)
        if cls is None:
            return [] if returning else 0
        return await self.repo(cls).insert_many(objects, returning=returning)

    @overload
    async def create(self, obj: T, /, *, relations: Mapping[str, Any] | None = None) -> T: ...
    @overload
    async def create(self, model: type[T], obj: T, *, relations: Mapping[str, Any] | None = None) -> T: ...
    async def create(
        self, model: Any = ABSENT, obj: Any = ABSENT, *, relations: Mapping[str, Any] | None = None
    ) -> Any:
        """Async twin of `UnifiedRepository.create`."""
        cls, obj = forms.one_object("create", model, obj)
        return await self.repo(cls).create(obj, relations=relations)

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

    def iterate(
        self,
        model: type[T],
        where: WhereInput = None,
        order_by: str | OrderBy | Sequence[str | OrderBy] | None = None,
        batch_size: int = 1000,
    ) -> AsyncGenerator[T]:
        """Async twin of `UnifiedRepository.iterate`."""
        return self.repo(model).iterate(where, order_by, batch_size)

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

    async def get_related(self, model: type[T], pk: Any, *, include: str | Iterable[str]) -> RelatedResult[T] | None:
        """Async twin of `UnifiedRepository.get_related`."""
        return await self.repo(model).get_related(pk, include=include)

    async def list_related(
        self,
        model: type[T],
        *,
        include: str | Iterable[str],
        where: WhereInput = None,
        order_by: str | OrderBy | Sequence[str | OrderBy] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> builtins.list[RelatedResult[T]]:
        """Async twin of `UnifiedRepository.list_related`."""
        return await self.repo(model).list_related(
            include=include, where=where, order_by=order_by, limit=limit, offset=offset
        )

    @overload
    async def link(self, obj: object, name: str, others: Sequence[Any], /) -> int: ...
    @overload
    async def link(self, model: type[T], obj: T, name: str, others: Sequence[Any]) -> int: ...
    async def link(self, model: Any = ABSENT, obj: Any = ABSENT, name: Any = ABSENT, others: Any = ABSENT) -> int:
        """Async twin of `UnifiedRepository.link`."""
        cls, obj, name, others = forms.one_to_link("link", model, obj, name, others)
        return await self.repo(cls).link(obj, name, others)

    @overload
    async def unlink(self, obj: object, name: str, others: Sequence[Any], /) -> int: ...
    @overload
    async def unlink(self, model: type[T], obj: T, name: str, others: Sequence[Any]) -> int: ...
    async def unlink(self, model: Any = ABSENT, obj: Any = ABSENT, name: Any = ABSENT, others: Any = ABSENT) -> int:
        """Async twin of `UnifiedRepository.unlink`."""
        cls, obj, name, others = forms.one_to_link("unlink", model, obj, name, others)
        return await self.repo(cls).unlink(obj, name, others)

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
