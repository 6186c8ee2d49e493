"""`Repository`: the verbs of one model, for blocking code. The logic is in ops.py."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from ...errors import ConfigurationError
from ..conditions import OrderBy, WhereInput
from ..database.database import Database
from ..models import model_meta
from ..query.compiler import compiler_for
from . import ops

T = TypeVar("T")


class Repository(Generic[T]):
    """Stores and finds objects of one dataclass.

    Outside of a transaction each call is atomic, and committed when it returns. It holds no state but its
    compiled statements: make one wherever it is needed, also on the `tx` of a transaction.

    Args:
        db: the database, or a transaction's `tx`.
        model: a dataclass with at least one field of `metadata={"pk": True}`.

    Raises:
        ModelError: the class can't be read as a model.
        ConfigurationError: `db` is no `Database`.
    """

    def __init__(self, db: Database, model: type[T]) -> None:
        if not isinstance(db, Database):
            raise ConfigurationError(f"a Repository needs a Database (Database(conn)), got {type(db).__name__}")
        self._db = db
        self._model = model
        self._compiler = compiler_for(model_meta(model), db.dialect)

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
        return self._db.run(ops.insert, self._compiler, self._model, obj)  # type: ignore[no-any-return]  # one of T

    def insert_many(self, objects: Iterable[T]) -> builtins.list[T]:
        """Insert objects in bulk, all or none. `[]` runs no SQL.

        Returns:
            The objects with their keys, in the order given.

        Raises:
            As `insert`; then no row is kept and no object has changed.
        """
        return self._db.run(ops.insert_many, self._compiler, self._model, ops.listed(objects, self._model))

    def create(self, obj: T) -> T:
        """Insert an object, as `insert` does."""
        return self._db.run(ops.insert, self._compiler, self._model, obj)  # type: ignore[no-any-return]  # one of T

    def get(self, pk: Any) -> T | None:
        """Find one object by its key.

        Args:
            pk: the key; of a composite one a tuple in the order of the fields, or a mapping by field.

        Returns:
            The object; `None` where there is none, and for `None`.

        Raises:
            QueryError: the key has other parts, or a part is not of its field's type.
        """
        return self._db.run(ops.get, self._compiler, self._model, pk)  # type: ignore[no-any-return]  # a T, or None

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
        return self._db.run(ops.select, self._compiler, self._model, where, order_by, limit, offset)

    def update(self, obj: T) -> int:
        """Write every column of an object to the row with its key. Never inserts.

        Returns:
            How many rows matched: 1, or 0 where the row is gone.

        Raises:
            QueryError: the key is `None`, or the model has nothing but a key.
            CodecError: a value is not of its field's type.
        """
        return self._db.run(ops.update, self._compiler, self._model, obj)

    def delete(self, obj: T) -> int:
        """Delete the row with an object's key. The object is not changed.

        Returns:
            How many rows were deleted: 1 or 0.

        Raises:
            QueryError: the key is `None`.
        """
        return self._db.run(ops.delete, self._compiler, self._model, obj)

    def count(self, where: WhereInput = None) -> int:
        """Count the rows that match."""
        return self._db.run(ops.count, self._compiler, where)

    def exists(self, where: WhereInput = None) -> bool:
        """Ask whether any row matches; without conditions, whether there is a row at all."""
        return self._db.run(ops.exists, self._compiler, where)

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
        return self._db.run(ops.update_where, self._compiler, values, where, allow_all)

    def delete_where(self, *, where: WhereInput = None, allow_all: bool = False) -> int:
        """Delete all rows that match, in one statement.

        Returns:
            How many rows were deleted.

        Raises:
            UnsafeOperationError: no condition, and `allow_all` is not true.
        """
        return self._db.run(ops.delete_where, self._compiler, where, allow_all)

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
        return self._db.run(ops.get_or_create, self._compiler, self._model, lookup, defaults)
