"""`Repository` and `UnifiedRepository`: the verbs of one model, and of any, for blocking code.

The logic is in ops.py and ops_schema.py.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, overload

from ...errors import ConfigurationError
from ..conditions import OrderBy, WhereInput
from ..database.database import Database, Operation
from ..database.executors import drive
from ..models import model_meta
from ..query.compiler import compiler_for
from ..schema.ensure import Policy
from . import forms, ops, ops_schema
from .forms import ABSENT
from .ops_schema import Flags

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Repository(Generic[T]):
    """Stores and finds objects of one dataclass.

    Outside of a transaction each call is atomic, and committed when it returns. A repository is cheap: make one
    wherever it is needed, also on the `tx` of a transaction.

    Args:
        db: the database, or a transaction's `tx`.
        model: a dataclass with at least one field of `metadata={"pk": True}`.
        auto_schema: before the first action, do what `ensure_schema` does, once for each database and model: for the
            model, and for those that its foreign keys refer to. Inside of a transaction it is a part of it.
        schema_conflict: what then happens to a table, of a target too, that differs from its model: `"raise"`, or
            `"recreate"`, which drops it with its rows and makes it anew.
        require_registration: refuse every action with `NotRegisteredError` until the model is registered.

    Raises:
        ModelError: the class can't be read as a model.
        ConfigurationError: `db` is no `Database`.
        ValueError: `schema_conflict` is something else.
    """

    def __init__(
        self,
        db: Database,
        model: type[T],
        *,
        auto_schema: bool = False,
        schema_conflict: Policy = "raise",
        require_registration: bool = False,
    ) -> None:
        if not isinstance(db, Database):
            raise ConfigurationError(f"a Repository needs a Database (Database(conn)), got {type(db).__name__}")
        self._db = db
        self._model = model
        self._compiler = compiler_for(model_meta(model), db.dialect)
        self._flags = Flags(auto_schema, schema_conflict, require_registration)
        self._settle()

    def __repr__(self) -> str:
        return f"Repository({self._db!r}, {self._model.__name__})"

    @property
    def db(self) -> Database:
        """The database, or the transaction, that it works on."""
        return self._db

    @property
    def model(self) -> type[T]:
        """The dataclass."""
        return self._model

    def _settle(self) -> None:
        """Let actions go to the database directly, from when there is nothing more to see to before them."""
        if ops_schema.is_settled(self._db._registry, self._model, self._flags):
            self._run = self._db.run  # type: ignore[method-assign]  # spares each call a step

    def _run(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an action, after what the flags ask for."""
        operation = drive(ops_schema.prepared(self._db, self._model, self._flags, operation))
        self._settle()
        return self._db.run(operation, *args, **kwargs)

    def insert(self, obj: T) -> T:
        """Insert an object.

        An auto key that is `None` and columns with a server default that are `None` are left out and filled in
        from the database: on the object itself, or on a copy where the class is frozen.

        Returns:
            The object with its key.

        Raises:
            TypeError: it is not exactly of the model's class.
            CodecError: a value is not of its field's type.
            QueryError: the key is `None` and not made by the database.
            IntegrityError: the row breaks a constraint (`UniqueViolation` and its kin).
        """
        return self._run(ops.insert, self._compiler, self._model, obj)  # type: ignore[no-any-return]  # one of T

    def insert_many(self, objects: Iterable[T]) -> builtins.list[T]:
        """Insert objects in bulk, all or none. `[]` runs no SQL.

        Returns:
            The objects with their keys, in the order given.

        Raises:
            As `insert`; then no row is kept and no object has changed.
        """
        return self._run(ops.insert_many, self._compiler, self._model, ops.listed(objects, self._model))

    def create(self, obj: T) -> T:
        """Insert an object, as `insert` does."""
        return self._run(ops.insert, self._compiler, self._model, obj)  # type: ignore[no-any-return]  # one of T

    def get(self, pk: Any) -> T | None:
        """Find one object by its key.

        Args:
            pk: the key; of a composite one a tuple in the order of the fields, or a mapping by field.

        Returns:
            The object; `None` where there is none, and for `None`.

        Raises:
            QueryError: the key has other parts, or a part is not of its field's type.
        """
        return self._run(ops.get, self._compiler, self._model, pk)  # type: ignore[no-any-return]  # a T, or None

    def list(
        self,
        where: WhereInput = None,
        order_by: str | OrderBy | Sequence[str | OrderBy] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> builtins.list[T]:
        """Find objects.

        Args:
            where: conditions made by `C`; a list is joined by AND; `None` and `[]` let every row pass.
            order_by: `"age"`, `"-age"` (descending), `OrderBy(…)`, or a sequence of them.
            limit: how many rows at most, from 1.
            offset: how many rows to pass over first, from 0.

        Returns:
            The objects, in the database's order unless `order_by` says one.

        Raises:
            QueryError: an unknown field, a value that is not of its field's type, limit below 1, offset below 0.
        """
        return self._run(ops.select, self._compiler, self._model, where, order_by, limit, offset)

    def update(self, obj: T) -> int:
        """Write every column of an object to the row with its key. Never inserts.

        Returns:
            How many rows matched: 1, or 0 where the row is gone.

        Raises:
            QueryError: the key is `None`, or the model has nothing but a key.
            CodecError: a value is not of its field's type.
        """
        return self._run(ops.update, self._compiler, self._model, obj)

    def delete(self, obj: T) -> int:
        """Delete the row with an object's key. The object is not changed.

        Returns:
            How many rows were deleted: 1 or 0.

        Raises:
            QueryError: the key is `None`.
        """
        return self._run(ops.delete, self._compiler, self._model, obj)

    def count(self, where: WhereInput = None) -> int:
        """Count the rows that match."""
        return self._run(ops.count, self._compiler, where)

    def exists(self, where: WhereInput = None) -> bool:
        """Ask whether any row matches; without conditions, whether there is a row at all."""
        return self._run(ops.exists, self._compiler, where)

    def update_where(self, values: Mapping[str, Any], *, where: WhereInput = None, allow_all: bool = False) -> int:
        """Change columns of all rows that match, in one statement.

        Args:
            values: field -> value, or an expression such as `F("views") + 1`.
            allow_all: needed where there is no condition.

        Returns:
            How many rows matched.

        Raises:
            UnsafeOperationError: no condition, and `allow_all` is not true.
            QueryError: no values, an unknown field, a field of the key.
        """
        return self._run(ops.update_where, self._compiler, values, where, allow_all)

    def delete_where(self, *, where: WhereInput = None, allow_all: bool = False) -> int:
        """Delete all rows that match, in one statement.

        Returns:
            How many rows were deleted.

        Raises:
            UnsafeOperationError: no condition, and `allow_all` is not true.
        """
        return self._run(ops.delete_where, self._compiler, where, allow_all)

    def get_or_create(self, *, lookup: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> tuple[T, bool]:
        """Find the row of a unique key, or insert it; right also when many do so at once.

        Args:
            lookup: field -> value, with all fields of the primary key or of a unique index.
            defaults: the other fields of a new row.

        Returns:
            The object, and whether this call inserted it.

        Raises:
            QueryError: lookup has no unique key, an unknown field, or `None`; defaults contradicts it.
            IntegrityError: the new row breaks a constraint that lookup is not about.
        """
        return self._run(ops.get_or_create, self._compiler, self._model, lookup, defaults)

    def register(self, *, ensure: bool | None = None) -> None:
        """Note that the model is used on this database, for every user of its connection or pool.

        Args:
            ensure: `True` ensures the model's schema now. `False` does not, and keeps `auto_schema` from it later.
                `None` ensures it if `auto_schema` says so.

        Raises:
            TypeError: `ensure` is something else.
            SchemaConflictError: as `ensure_schema`. A model whose schema could not be ensured is not registered.
        """
        drive(ops_schema.register(self._db, [self._model], self._flags, ensure))

    def register_many(self, *, ensure: bool | None = None) -> None:
        """Do the same as `register`, as there is one model."""
        self.register(ensure=ensure)

    def is_registered(self) -> bool:
        """Tell whether the model was registered on this database, by whichever repository."""
        return self._model in self._db._registry.registered


class UnifiedRepository:
    """Stores and finds objects of any model: a `Repository` for each, with the model named first.

    `insert`, `update`, `delete`, `create` and `insert_many` take the object or the objects alone, too; their model is
    then exactly their class. Repositories are made when they are needed, and kept.

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
    def insert_many(self, objects: Iterable[T], /) -> builtins.list[T]: ...
    @overload
    def insert_many(self, model: type[T], objects: Iterable[T]) -> builtins.list[T]: ...
    def insert_many(self, model: Any = ABSENT, objects: Any = ABSENT) -> Any:
        """Insert objects of one model: `insert_many(users)` or `insert_many(User, users)`.

        As `Repository.insert_many`; `insert_many([])` is `[]`.

        Raises:
            TypeError: neither form was meant, or the objects are not all of the model.
        """
        cls, objects = forms.many_objects(model, objects)
        return [] if cls is None else self.repo(cls).insert_many(objects)

    @overload
    def create(self, obj: T, /) -> T: ...
    @overload
    def create(self, model: type[T], obj: T) -> T: ...
    def create(self, model: Any = ABSENT, obj: Any = ABSENT) -> Any:
        """Insert an object, as `insert` does."""
        cls, obj = forms.one_object("create", model, obj)
        return self.repo(cls).create(obj)

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
