"""`UnifiedRepository`, the hub: the verbs of all models, for blocking code."""

from __future__ import annotations

import builtins
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar, overload

from ...errors import ConfigurationError
from ..conditions import OrderBy, WhereInput
from ..database.database import Database
from ..database.executors import drive
from ..schema.policy import Policy
from . import forms, ops_schema
from .forms import ABSENT
from .model_repository import Repository
from .ops_schema import Flags
from .related import RelatedResult

T = TypeVar("T")


class UnifiedRepository:
    """Stores and finds objects of any model: a `Repository` for each, with the model named first.

    `insert`, `update`, `delete`, `create`, `link`, `unlink` and `insert_many` take the object or the objects alone,
    too; their model is then exactly their class. Repositories are made when they are needed, and kept.

    Args:
        db: the database, or a transaction's `tx`.
        auto_schema: as for `Repository`; this and the other flags go to the repository of each model.
        schema_conflict: as for `Repository`.
        require_registration: as for `Repository`.

    Raises:
        ConfigurationError: `db` is no `Database`.
        ValueError: `schema_conflict` is none of its values.
    """

    def __init__(
        self,
        db: Database,
        *,
        auto_schema: bool = False,
        schema_conflict: Policy = "raise",
        require_registration: bool = False,
    ) -> None:
        if not isinstance(db, Database):
            raise ConfigurationError(f"a UnifiedRepository needs a Database (Database(conn)), got {type(db).__name__}")
        self._db = db
        self._flags = Flags(auto_schema, schema_conflict, require_registration)
        self._repos: dict[type, Repository[Any]] = {}

    def __repr__(self) -> str:
        return f"UnifiedRepository({self._db!r})"

    @property
    def db(self) -> Database:
        """The database, or the transaction, that it works on."""
        return self._db

    def repo(self, model: type[T]) -> Repository[T]:
        """Return the repository of a model, the same one each time.

        Raises:
            ModelError: it can't be read as a model.
        """
        cls = forms.one_model(model)
        found = self._repos.get(cls)
        if found is None:
            flags = self._flags
            made = Repository(
                self._db,
                model,
                auto_schema=flags.auto_schema,
                schema_conflict=flags.schema_conflict,
                require_registration=flags.require_registration,
            )
            found = self._repos.setdefault(cls, made)
        return found

    @overload
    def insert(self, obj: T, /) -> T: ...
    @overload
    def insert(self, model: type[T], obj: T) -> T: ...
    def insert(self, model: Any = ABSENT, obj: Any = ABSENT) -> Any:
        """Insert an object: `insert(user)` or `insert(User, user)`. As `Repository.insert`.

        Raises:
            TypeError: neither form was meant, or the object is of another class.
        """
        cls, obj = forms.one_object("insert", model, obj)
        return self.repo(cls).insert(obj)

    @overload
    def insert_many(self, objects: Iterable[T], /, *, returning: Literal[True] = True) -> builtins.list[T]: ...
    @overload
    def insert_many(
        self, model: type[T], objects: Iterable[T], *, returning: Literal[True] = True
    ) -> builtins.list[T]: ...
    @overload
    def insert_many(self, objects: Iterable[Any], /, *, returning: Literal[False]) -> int: ...
    @overload
    def insert_many(self, model: type[T], objects: Iterable[T], *, returning: Literal[False]) -> int: ...
    def insert_many(self, model: Any = ABSENT, objects: Any = ABSENT, *, returning: bool = True) -> Any:
        """Insert objects of one model: `insert_many(users)` or `insert_many(User, users)`.

        As `Repository.insert_many`; `insert_many([])` is `[]`, or 0.

        Raises:
            TypeError: neither form was meant, or the objects are not all of the model.
        """
        cls, objects = forms.many_objects(model, objects)
        if cls is None:
            return [] if returning else 0
        return self.repo(cls).insert_many(objects, returning=returning)

    @overload
    def create(self, obj: T, /, *, relations: Mapping[str, Any] | None = None) -> T: ...
    @overload
    def create(self, model: type[T], obj: T, *, relations: Mapping[str, Any] | None = None) -> T: ...
    def create(self, model: Any = ABSENT, obj: Any = ABSENT, *, relations: Mapping[str, Any] | None = None) -> Any:
        """Insert an object and what it is related to: `create(user, relations={"posts": [post]})`, or with the model.

        As `Repository.create`.
        """
        cls, obj = forms.one_object("create", model, obj)
        return self.repo(cls).create(obj, relations=relations)

    def get(self, model: type[T], pk: Any) -> T | None:
        """Find one object by its key, as `Repository.get`."""
        return self.repo(model).get(pk)

    def list(
        self,
        model: type[T],
        where: WhereInput = None,
        order_by: str | OrderBy | Sequence[str | OrderBy] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> builtins.list[T]:
        """Find objects, as `Repository.list`."""
        return self.repo(model).list(where, order_by, limit, offset)

    def iterate(
        self,
        model: type[T],
        where: WhereInput = None,
        order_by: str | OrderBy | Sequence[str | OrderBy] | None = None,
        batch_size: int = 1000,
    ) -> Generator[T]:
        """Find objects, and read them in parts, as `Repository.iterate`."""
        return self.repo(model).iterate(where, order_by, batch_size)

    @overload
    def update(self, obj: object, /) -> int: ...
    @overload
    def update(self, model: type[T], obj: T) -> int: ...
    def update(self, model: Any = ABSENT, obj: Any = ABSENT) -> int:
        """Write an object to its row: `update(user)` or `update(User, user)`. As `Repository.update`."""
        cls, obj = forms.one_object("update", model, obj)
        return self.repo(cls).update(obj)

    @overload
    def delete(self, obj: object, /) -> int: ...
    @overload
    def delete(self, model: type[T], obj: T) -> int: ...
    def delete(self, model: Any = ABSENT, obj: Any = ABSENT) -> int:
        """Delete an object's row: `delete(user)` or `delete(User, user)`. As `Repository.delete`."""
        cls, obj = forms.one_object("delete", model, obj)
        return self.repo(cls).delete(obj)

    def count(self, model: type, where: WhereInput = None) -> int:
        """Count the rows that match, as `Repository.count`."""
        return self.repo(model).count(where)

    def exists(self, model: type, where: WhereInput = None) -> bool:
        """Ask whether any row matches, as `Repository.exists`."""
        return self.repo(model).exists(where)

    def update_where(
        self, model: type, values: Mapping[str, Any], *, where: WhereInput = None, allow_all: bool = False
    ) -> int:
        """Change columns of all rows that match, as `Repository.update_where`."""
        return self.repo(model).update_where(values, where=where, allow_all=allow_all)

    def delete_where(self, model: type, *, where: WhereInput = None, allow_all: bool = False) -> int:
        """Delete all rows that match, as `Repository.delete_where`."""
        return self.repo(model).delete_where(where=where, allow_all=allow_all)

    def get_or_create(
        self, model: type[T], *, lookup: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
    ) -> tuple[T, bool]:
        """Find the row of a unique key, or insert it, as `Repository.get_or_create`."""
        return self.repo(model).get_or_create(lookup=lookup, defaults=defaults)

    def get_related(self, model: type[T], pk: Any, *, include: str | Iterable[str]) -> RelatedResult[T] | None:
        """Find one object by its key, with what it is related to, as `Repository.get_related`."""
        return self.repo(model).get_related(pk, include=include)

    def list_related(
        self,
        model: type[T],
        *,
        include: str | Iterable[str],
        where: WhereInput = None,
        order_by: str | OrderBy | Sequence[str | OrderBy] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> builtins.list[RelatedResult[T]]:
        """Find objects, with what they are related to, as `Repository.list_related`."""
        return self.repo(model).list_related(
            include=include, where=where, order_by=order_by, limit=limit, offset=offset
        )

    @overload
    def link(self, obj: object, name: str, others: Sequence[Any], /) -> int: ...
    @overload
    def link(self, model: type[T], obj: T, name: str, others: Sequence[Any]) -> int: ...
    def link(self, model: Any = ABSENT, obj: Any = ABSENT, name: Any = ABSENT, others: Any = ABSENT) -> int:
        """Link an object with others: `link(post, "tags", [tag])`, or with the model. As `Repository.link`.

        Raises:
            TypeError: neither form was meant, or the object is of another class.
        """
        cls, obj, name, others = forms.one_to_link("link", model, obj, name, others)
        return self.repo(cls).link(obj, name, others)

    @overload
    def unlink(self, obj: object, name: str, others: Sequence[Any], /) -> int: ...
    @overload
    def unlink(self, model: type[T], obj: T, name: str, others: Sequence[Any]) -> int: ...
    def unlink(self, model: Any = ABSENT, obj: Any = ABSENT, name: Any = ABSENT, others: Any = ABSENT) -> int:
        """Take links away: `unlink(post, "tags", [tag])`, or with the model. As `Repository.unlink`.

        Raises:
            TypeError: neither form was meant, or the object is of another class.
        """
        cls, obj, name, others = forms.one_to_link("unlink", model, obj, name, others)
        return self.repo(cls).unlink(obj, name, others)

    def register(self, model: type[T], ensure: bool | None = None) -> Repository[T]:
        """Register a model, as `Repository.register`; return its repository."""
        found = self.repo(model)
        found.register(ensure=ensure)
        return found

    def register_many(self, models: Iterable[type], ensure: bool | None = None) -> None:
        """Register models, all or none; their schema is ensured as one.

        Raises:
            TypeError: `models` is no iterable.
            ModelError: one of them can't be read as a model.
        """
        found = forms.many_models(models)
        for model in found:
            self.repo(model)
        drive(ops_schema.register(self._db, found, self._flags, ensure))

    def is_registered(self, model: type) -> bool:
        """Tell whether a model was registered on this database, by whichever repository."""
        return self.repo(model).is_registered()
