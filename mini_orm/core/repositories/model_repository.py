"""`Repository`: the verbs of one model, for blocking code.

The logic is in ops.py, ops_relations.py and ops_schema.py.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar, overload

from ...errors import ConfigurationError
from ..conditions import OrderBy, WhereInput
from ..database.database import Database, Operation
from ..database.executors import PlainOperation, awaited, drive
from ..models import model_meta
from ..query.compiler import Compiler, compiler_for
from ..schema.policy import Policy
from . import ops, ops_at_once, ops_schema
from .given import listed
from .ops_schema import Flags

if TYPE_CHECKING:
    from .related import RelatedResult

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
            model, for those that its foreign keys refer to, and for those that an action reaches over relations.
            Inside of a transaction it is a part of it.
        schema_conflict: what then happens to a table, of a target too, that differs from its model: `"raise"`, or
            `"recreate"`, which drops it with its rows and makes it anew.
        require_registration: refuse every action with `NotRegisteredError` until the model is registered, and those
            that the action reaches over relations.

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
            self._run_at_once = self._db._run_at_once  # type: ignore[method-assign]  # the same
        if not self._flags.are_set:
            self._run_where = self._db.run  # type: ignore[method-assign]  # the same
            self._ask_where = self._db._run_at_once  # type: ignore[assignment]  # the same

    def _run(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an action, after what the flags ask for."""
        operation = drive(ops_schema.prepared(self._db, [self._model], self._flags, operation))
        self._settle()
        return self._db.run(operation, *args, **kwargs)

    def _run_on(self, others: Collection[type], operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an action that reaches other models, after what the flags ask for."""
        operation = drive(ops_schema.prepared(self._db, [self._model, *others], self._flags, operation))
        return self._db.run(operation, *args, **kwargs)

    def _run_where(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an action whose `where` and `order_by`, which are named, may reach other models."""
        others = ops_schema.led_to(self._compiler.filters, self._flags, kwargs.get("where"), kwargs.get("order_by"))
        return self._run_on(others, operation, *args, **kwargs) if others else self._run(operation, *args, **kwargs)

    def _run_at_once(self, operation: PlainOperation[R], first: Any, second: Any, third: Any) -> R:
        """Run an action that is a plain function, after what the flags ask for."""
        return self._run(awaited(operation), first, second, third)

    def _ask_where(self, operation: PlainOperation[R], compiler: Compiler, model: type, where: Any) -> R:
        """Run a plain function whose `where` may reach other models, after what the flags ask for."""
        others = ops_schema.led_to(compiler.filters, self._flags, where)
        action = awaited(operation)
        if others:
            return self._run_on(others, action, compiler, model, where)
        return self._run(action, compiler, model, where)

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
        return self._run_at_once(ops_at_once.insert, self._compiler, self._model, obj)  # type: ignore[no-any-return]  # one of T

    @overload
    def insert_many(self, objects: Iterable[T], *, returning: Literal[True] = True) -> builtins.list[T]: ...
    @overload
    def insert_many(self, objects: Iterable[T], *, returning: Literal[False]) -> int: ...
    @overload
    def insert_many(self, objects: Iterable[T], *, returning: bool) -> builtins.list[T] | int: ...
    def insert_many(self, objects: Iterable[T], *, returning: bool = True) -> builtins.list[T] | int:
        """Insert objects in bulk, all or none. `[]` runs no SQL.

        Raises what `insert` raises; then no row is kept and no object has changed.

        Args:
            returning: `False` asks for no keys, and takes the quickest road that the database has (COPY on PostgreSQL).
                The objects stay as they are.

        Returns:
            The objects with their keys, in the order given; the number of rows where `returning` is `False`.
        """
        from . import ops_load

        operation = ops_load.bulk_operation(returning)
        return self._run(operation, self._compiler, self._model, listed(objects, self._model))  # type: ignore[no-any-return]  # as overloaded

    def create(self, obj: T, *, relations: Mapping[str, Any] | None = None) -> T:
        """Insert an object, as `insert` does, and with it the objects that it is related to.

        All of it is one transaction, or nothing: parents first, then the object, then its children with their foreign
        keys, then links. A parent, or the other side of a link, whose key is set already is there: it is linked, and
        not inserted.

        Args:
            relations: a relation's name -> an object, or a list of objects where there are many; `None` is passed
                over. In an object's place a pair `(object, relations)` says what to create with it.

        Returns:
            The object with its key. All objects that were inserted get their keys and foreign keys, at the end. Where a
            class is frozen nothing changes: the object comes back new, and what the others became, `get_related` tells.

        Raises:
            RelationError: an unknown relation, a relation that can't be set here, an object that is there twice.
            ValidationError: a model checks itself, and an object or a link is not right.
            TypeError: an object is not exactly of its relation's model, or there is no list where there are many.
            CodecError: as `insert`, for all objects. These come before any SQL.
            IntegrityError: a row breaks a constraint. Then none is kept, and no object has changed.
        """
        if relations is None:
            return self._run_at_once(ops_at_once.insert, self._compiler, self._model, obj)  # type: ignore[no-any-return]  # one of T
        from . import creation, ops_relations  # here, as below: few programs need it, and it is not free to import

        made = creation.creation(self._compiler, self._model, obj, relations)
        return self._run_on(made.models, ops_relations.create, made)  # type: ignore[no-any-return]  # one of T

    def get(self, pk: Any) -> T | None:
        """Find one object by its key.

        Args:
            pk: the key; of a composite one a tuple in the order of the fields, or a mapping by field.

        Returns:
            The object; `None` where there is none, and for `None`.

        Raises:
            QueryError: the key has other parts, or a part is not of its field's type.
        """
        return self._run_at_once(ops_at_once.get, self._compiler, self._model, pk)  # type: ignore[no-any-return]  # a T, or None

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
        return self._run_where(
            ops.select, self._compiler, self._model, where=where, order_by=order_by, limit=limit, offset=offset
        )

    def iterate(
        self,
        where: WhereInput = None,
        order_by: str | OrderBy | Sequence[str | OrderBy] | None = None,
        batch_size: int = 1000,
    ) -> Generator[T]:
        """Find objects, and read them in parts: `for user in users.iterate():`. Memory stays the same, however many.

        Inside of a transaction it reads in that. Outside it has a connection to itself, in a read-only transaction,
        from the first object that is asked for to the end: the last object, an error, or the generator's own end by
        `break` or `close()`. On one connection other calls are refused meanwhile; of a pool they have others.

        Args:
            where: as for `list`.
            order_by: as for `list`.
            batch_size: how many rows are read at a time, from 1.

        Returns:
            A generator of objects. Rows that its own transaction changes meanwhile come as they were, or as they are.

        Raises:
            ValueError: `batch_size` is below 1.
            QueryError: as `list`, at once.
            TransactionError: later: the transaction that it reads in has ended; waiting would never end.
        """
        from . import iteration

        reading = iteration.iteration(self._compiler, self._model, self._flags, where, order_by, batch_size)
        return iteration.iterated(self._db, reading)

    def update(self, obj: T) -> int:
        """Write every column of an object to the row with its key. Never inserts.

        Returns:
            How many rows matched: 1, or 0 where the row is gone.

        Raises:
            QueryError: the key is `None`, or the model has nothing but a key.
            CodecError: a value is not of its field's type.
        """
        return self._run_at_once(ops_at_once.update, self._compiler, self._model, obj)

    def delete(self, obj: T) -> int:
        """Delete the row with an object's key. The object is not changed.

        Returns:
            How many rows were deleted: 1 or 0.

        Raises:
            QueryError: the key is `None`.
        """
        return self._run_at_once(ops_at_once.delete, self._compiler, self._model, obj)

    def count(self, where: WhereInput = None) -> int:
        """Count the rows that match."""
        return self._ask_where(ops_at_once.count, self._compiler, self._model, where)

    def exists(self, where: WhereInput = None) -> bool:
        """Ask whether any row matches; without conditions, whether there is a row at all."""
        return self._ask_where(ops_at_once.exists, self._compiler, self._model, where)

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
        return self._run_where(ops.update_where, self._compiler, values, where=where, allow_all=allow_all)

    def delete_where(self, *, where: WhereInput = None, allow_all: bool = False) -> int:
        """Delete all rows that match, in one statement.

        Returns:
            How many rows were deleted.

        Raises:
            UnsafeOperationError: no condition, and `allow_all` is not true.
        """
        return self._run_where(ops.delete_where, self._compiler, where=where, allow_all=allow_all)

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

    def get_related(self, pk: Any, *, include: str | Iterable[str]) -> RelatedResult[T] | None:
        """Find one object by its key, with what it is related to. Raises what `get` and `list_related` raise.

        Args:
            pk: as for `get`.
            include: as for `list_related`.

        Returns:
            The object and its relations; `None` where there is no object.
        """
        from . import ops_relations, related

        includes = related.included(self._model, include)
        return self._run_on(
            related.reached(includes), ops_relations.get_related, self._compiler, self._model, pk, includes
        )

    def list_related(
        self,
        *,
        include: str | Iterable[str],
        where: WhereInput = None,
        order_by: str | OrderBy | Sequence[str | OrderBy] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> builtins.list[RelatedResult[T]]:
        """Find objects, with what they are related to: one query for them, and one for each relation.

        The queries are not one snapshot, unless they stand in a transaction that is one.

        Args:
            include: a relation's name, or a list of names and paths (`"posts.comments"`). What is named twice counts
                once.
            where: as for `list`; like all that follows it is about the objects, not about what they are related to.
            order_by: as for `list`.
            limit: as for `list`.
            offset: as for `list`.

        Returns:
            The objects with their relations: for each name an object or `None`, or a list of objects in the order of
            their keys. One parent of many objects is one object. A relation through which a path goes has
            `RelatedResult`s in place of objects.

        Raises:
            RelationError: an unknown relation.
            TypeError: `include` is neither text nor a list of texts, or one is empty.
            QueryError: as `list`.
        """
        from . import ops_relations, related

        includes = related.included(self._model, include)
        others = ops_schema.led_to(self._compiler.filters, self._flags, where, order_by)
        return self._run_on(
            [*related.reached(includes), *others],
            ops_relations.list_related,
            self._compiler,
            self._model,
            includes,
            where,
            order_by,
            limit,
            offset,
        )

    def link(self, obj: T, name: str, others: Sequence[Any]) -> int:
        """Link an object with others, over a many-to-many relation. Links that are there stay as they are.

        Args:
            name: the relation's.
            others: a list of objects. As `obj` they have to be there; only their keys count.

        Returns:
            How many links are new.

        Raises:
            RelationError: an unknown relation, or no many-to-many one; the model between has a field without a default.
            ValidationError: the model between checks itself, and a link is not right.
            TypeError: one of the objects is not exactly of its model, or `others` is no list.
            QueryError: a key is `None`.
            IntegrityError: an object is not there (`ForeignKeyViolation`). Then no link is made.
        """
        from . import creation, ops_relations, related

        found = creation.ends("link", self._compiler, self._model, obj, name, others)
        links = creation.links_of(found, self._db.dialect)
        return self._run_on(related.models_of([found.relation]), ops_relations.link, links)

    def unlink(self, obj: T, name: str, others: Sequence[Any]) -> int:
        """Take the links between an object and others away. The objects stay.

        Raises what `link` raises, but for what is about new links.

        Args:
            name: as for `link`.
            others: as for `link`.

        Returns:
            How many links there were.
        """
        from . import creation, ops_relations, related

        found = creation.ends("unlink", self._compiler, self._model, obj, name, others)
        return self._run_on(related.models_of([found.relation]), ops_relations.unlink, found)

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
