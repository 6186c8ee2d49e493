"""Every exception that mini_orm raises.

Rules of this file:
- All derive from `MiniOrmError`, and from the builtin that a caller would have caught without knowing mini_orm.
- A message says what was wrong, which name, and what is allowed. It never quotes a value; values are attributes.
- What a driver raised reaches the caller through `translated`: an instance of our class and of the driver's own
  class at once, so that `except sqlite3.IntegrityError` and `except UniqueViolation` both catch it.
- Every error can be pickled; attributes that can't (live handles) are dropped on the way.
"""

from __future__ import annotations

import sys
import types
from typing import Any, NamedTuple


def _portable(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that survive pickling."""
    import pickle  # not free to import

    kept = {}
    for name, value in attributes.items():
        try:
            pickle.dumps(value)
        except Exception:  # any object may refuse in its own way; it is a live handle then
            continue
        kept[name] = value
    return kept


def _rebuild(cls: type[Exception], args: tuple[Any, ...], attributes: dict[str, Any]) -> Exception:
    error = cls(*args)
    error.args = args
    error.__dict__.update(attributes)
    return error


def _rebuild_translated(
    cls: type[DatabaseError], module: str, name: str, args: tuple[Any, ...], attributes: dict[str, Any]
) -> Exception:
    driver_class = getattr(sys.modules.get(module), name, None)
    if isinstance(driver_class, type) and issubclass(driver_class, BaseException):
        return _rebuild(_combined(cls, driver_class), args, attributes)
    return _rebuild(cls, args, attributes)


class MiniOrmError(Exception):
    """The base of every error that mini_orm raises."""

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), _portable_args(self.args), _portable(self.__dict__))


def _portable_args(args: tuple[Any, ...]) -> tuple[Any, ...]:
    import pickle  # as above

    kept = []
    for value in args:
        try:
            pickle.dumps(value)
            kept.append(value)
        except Exception:  # as in _portable: what can't travel goes as its text
            kept.append(str(value))
    return tuple(kept)


class ConfigurationError(MiniOrmError):
    """mini_orm was given something it can't work with: a connection, a dialect, an option."""


class MissingDependencyError(ConfigurationError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


class ModelError(MiniOrmError, TypeError, ValueError):
    """A class can't be read as a model: `.model` and `.field` (or `None`) say where."""

    def __init__(self, message: str, *, model: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.model = model
        self.field = field


class RelationError(MiniOrmError, ValueError):
    """A relation is unknown, or two relations clash."""


class NotRegisteredError(MiniOrmError, ValueError):
    """A model was used before it was registered, where registration is required."""


class QueryError(MiniOrmError, ValueError):
    """A query names what the model does not have, or asks for what no database could answer."""


class QueryTypeError(QueryError, TypeError):
    """A query was given an object of a kind that has no place there."""


class UnsafeOperationError(QueryError):
    """An UPDATE or DELETE of every row was not confirmed by `allow_all=True`."""


class CodecError(MiniOrmError, ValueError):
    """A value can't be written to, or read from, its column.

    Attributes: `.model`, `.field`, `.table`, `.column`, `.key` (of the row, when reading) and `.value`.
    """

    def __init__(self, message: str, **where: Any) -> None:
        super().__init__(message)
        self.model: str | None = where.get("model")
        self.field: str | None = where.get("field")
        self.table: str | None = where.get("table")
        self.column: str | None = where.get("column")
        self.key: Any = where.get("key")
        self.value: Any = where.get("value")


class Failure(NamedTuple):
    """One thing that is wrong with an object: which field (`None`: the whole), which rule, and what is allowed."""

    field: str | None
    rule: str
    message: str


class ValidationError(MiniOrmError, ValueError):
    """An object breaks the rules of its model: `.model` is the model's name, `.errors` a tuple of what is wrong.

    Each of `.errors` is `(field, rule, message)`, also by these names.
    """

    def __init__(self, message: str, *, model: str | None = None, errors: tuple[Failure, ...] = ()) -> None:
        super().__init__(message)
        self.model = model
        self.errors = errors


class SchemaError(MiniOrmError):
    """A schema can't be made or changed."""


class SchemaConflictError(SchemaError, ValueError):
    """A live table differs from its model: `.model` is the model's name, `.differences` a tuple that says in what."""

    def __init__(self, message: str, *, model: str | None = None, differences: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.model = model
        self.differences = differences


class TransactionError(MiniOrmError, RuntimeError):
    """A transaction was used from the wrong place, or is not there any more."""


class ClosedError(MiniOrmError, RuntimeError):
    """The database was used after `close()`."""


class PoolError(MiniOrmError, RuntimeError):
    """A pool can't give, or take back, a connection."""


class PoolTimeout(PoolError, TimeoutError):
    """No connection came free in time.

    Attributes: `.size`, `.in_use`, and `.waiters`, who wait beside the one that gave up.
    """

    def __init__(
        self, message: str, *, size: int | None = None, in_use: int | None = None, waiters: int | None = None
    ) -> None:
        super().__init__(message)
        self.size = size
        self.in_use = in_use
        self.waiters = waiters


class DirtyConnectionError(PoolError):
    """A connection came back to its pool with an open transaction."""


class DatabaseError(MiniOrmError):
    """What the database refused. It is also an instance of the driver's own class; the original is `__cause__`.

    Attributes: `.constraint`, `.table`, `.columns` (a tuple of column names), each `None` where the database does
    not say.
    """

    constraint: str | None = None
    table: str | None = None
    columns: tuple[str, ...] | None = None


class IntegrityError(DatabaseError):
    """A constraint was violated."""


class UniqueViolation(IntegrityError):
    """A primary key or unique index has this value already."""


class ForeignKeyViolation(IntegrityError):
    """A row refers to one that is not there, or is referred to."""


class NotNullViolation(IntegrityError):
    """NULL in a column that has NOT NULL."""


class CheckViolation(IntegrityError):
    """A CHECK constraint failed."""


class OperationalError(DatabaseError):
    """The database could not do its work: disk, memory, permissions, an interrupt."""


class SerializationFailure(OperationalError):
    """The transaction saw data that has changed since; run it again."""


class DeadlockDetected(OperationalError):
    """Two transactions waited for each other; run it again."""


class LockTimeout(OperationalError):
    """A lock was not had in time (SQLITE_BUSY, too); run it again."""


class ConnectionLost(OperationalError):
    """The connection is gone, or can't be trusted any more."""


class ProgrammingError(DatabaseError):
    """SQL that the database does not understand, a missing table, a wrong number of parameters."""


class DataError(DatabaseError):
    """A value that the database can't take."""


class VectorError(MiniOrmError):
    """What vector repositories and their stores raise."""


class DimensionError(VectorError, ValueError):
    """A vector has more or fewer numbers than its collection."""


class CollectionExistsError(VectorError, ValueError):
    """A collection of this name is there already."""


class CollectionNotFoundError(VectorError, KeyError):
    """There is no collection of this name."""

    __str__ = Exception.__str__  # KeyError shows its message as a quoted key


class VectorIdError(VectorError, ValueError):
    """An id is not of the kind that the store takes."""


class VectorValueError(VectorError, ValueError):
    """A vector is no sequence of finite numbers, or has no direction where one is needed."""


class UnsupportedFilterError(VectorError, NotImplementedError):
    """The store can't answer such a filter; nothing was filtered after the fact."""


def _reduce_translated(self: Any) -> Any:
    ours, theirs = type(self).__bases__
    return _rebuild_translated, (
        ours,
        theirs.__module__,
        theirs.__qualname__,
        _portable_args(self.args),
        _portable(self.__dict__),
    )


_combinations: dict[tuple[type[DatabaseError], type[BaseException]], type[DatabaseError]] = {}


def _combined(ours: type[DatabaseError], theirs: type[BaseException]) -> type[DatabaseError]:
    found = _combinations.get((ours, theirs))
    if found is None:
        found = _combinations.setdefault((ours, theirs), _combine(ours, theirs))
    return found


def _combine(ours: type[DatabaseError], theirs: type[BaseException]) -> type[DatabaseError]:
    # Named as ours, so that a traceback reads `mini_orm.errors.UniqueViolation`.
    body: dict[str, Any] = {
        "__module__": ours.__module__,
        "__qualname__": ours.__qualname__,
        "__doc__": ours.__doc__,
        "__reduce__": _reduce_translated,
    }
    body |= {name: _kept(name) for name in _hidden_attributes(theirs)}
    metaclass: Any = type(theirs)
    made: type[DatabaseError] = metaclass(ours.__name__, (ours, theirs), body)
    return made


def _hidden_attributes(theirs: type[BaseException]) -> list[str]:
    """Return the public attributes that the driver's class keeps in C: they are in no instance's `__dict__`."""
    own = (base for base in theirs.__mro__ if base.__module__ != "builtins")
    kinds = (types.MemberDescriptorType, types.GetSetDescriptorType)
    return [name for base in own for name, value in vars(base).items() if name[0] != "_" and isinstance(value, kinds)]


def _kept(name: str) -> property:
    return property(lambda self: self.__dict__.get(name), doc=f"The driver's own `{name}`.")


def translated(
    ours: type[DatabaseError], exc: BaseException, *, sql: str | None = None, **attributes: Any
) -> DatabaseError:
    """Make the error that the caller sees of a driver's error.

    Args:
        ours: the class that its code stands for.
        exc: the driver's error; its args and attributes are taken over.
        sql: the statement's text, added as a note. Only compiled text is passed, which has no values in it.
        attributes: `constraint`, `table`, `columns` where known.
    """
    if isinstance(exc, DatabaseError):
        return exc
    cls = _combined(ours, type(exc))
    error = cls(*exc.args)
    error.args = exc.args
    error.__dict__.update({name: getattr(exc, name) for name in _hidden_attributes(type(exc))})
    error.__dict__.update(exc.__dict__)
    error.__dict__.update({name: value for name, value in attributes.items() if value is not None})
    if sql is not None:
        error.add_note(f"SQL: {sql if len(sql) <= 2000 else sql[:2000] + ' …'}")
    return error
