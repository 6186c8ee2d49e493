"""What a repository sees to before it acts: that its model is registered, and that the model's tables are there.

Rules of this file:
- A model is ensured together with the models that its foreign keys refer to, whose tables have to be there first, and
  with those that an action reaches over relations.
- Outside of a transaction one caller at a time looks after schemas, and looks again when its turn has come, so that
  each model is ensured once. Inside of one nobody waits, as who has the lock may be waiting for that very transaction.
- `ensure` notes what it ensured, and that counts from its commit on. A failure leaves nothing behind: the next action
  tries again.
- Where a change of the schema ends the transaction, it is made on another connection of the pool, if one is free.
- The flow is written once. On the sync face nothing in it suspends, and `drive` runs it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ...errors import LockTimeout, NotRegisteredError, PoolTimeout, TransactionError
from ..database.database import Database, Operation
from ..database.executors import Executor
from ..database.guards import Guard
from ..database.registry import Registry
from ..dialects import Dialect
from ..models import model_meta
from ..query.filters import Filters
from ..schema.policy import Policy, check_policy

if TYPE_CHECKING:
    from ..database.database_async import AsyncDatabase

P = ParamSpec("P")
R = TypeVar("R")


class Flags:
    """What a repository was told about schemas and registration.

    Attributes:
        are_set: whether there may be anything to see to before an action.
    """

    __slots__ = ("are_set", "auto_schema", "require_registration", "schema_conflict")

    def __init__(self, auto_schema: bool, schema_conflict: Policy, require_registration: bool) -> None:
        check_policy(schema_conflict)
        self.auto_schema = auto_schema
        self.schema_conflict = schema_conflict
        self.require_registration = require_registration
        self.are_set = auto_schema or require_registration


def is_settled(registry: Registry, model: type, flags: Flags) -> bool:
    """Whether no action on a model has anything to see to any more."""
    if flags.require_registration and model not in registry.registered:
        return False
    return not flags.auto_schema or all(cls in registry.ready for cls in _with_targets([model], {}))


def led_to(filters: Filters, flags: Flags, where: Any, order_by: Any = None) -> list[type]:
    """Return the models that a filter and an order reach over relations, if the flags ask for anything.

    Raises:
        QueryError: they can't be read.
    """
    if not flags.are_set:
        return []
    from .related import models_of  # for few programs, and not free to import

    return models_of(filters.relations(where, order_by))


async def prepared(
    db: Database | AsyncDatabase, models: Collection[type], flags: Flags, operation: Operation[P, R]
) -> Operation[P, R]:
    """See to what comes before an action on models: its own, and those that it reaches over relations.

    Returns:
        The operation to run. Inside of a transaction that is one which ensures the schema first, in that transaction.

    Raises:
        NotRegisteredError: a model has to be registered, and is not.
    """
    registry = db._registry
    if flags.require_registration:
        for model in models:
            if model not in registry.registered:
                raise NotRegisteredError(
                    f"{model.__name__} is not registered on this database; before anything else call register() on "
                    f"its repository, or register({model.__name__}) on a hub"
                )
    if not flags.auto_schema:
        return operation
    missing = _unready(registry, models)
    if missing and db._scope_here() is not None:
        if await _ensured_apart(db, missing, flags):
            return operation
        return _after_ensure(operation, db.dialect, missing, flags)
    if missing:
        await _look_after(db, lambda: _unready(registry, models), flags)
    return operation


async def register(db: Database | AsyncDatabase, models: Collection[type], flags: Flags, now: bool | None) -> None:
    """Register models, all or none. Their schema is ensured before: if `now`, or by the flags where it is `None`.

    Raises:
        TypeError: `now` is something else.
    """
    if now is not None and not isinstance(now, bool):
        raise TypeError(f"ensure must be True, False or None, got {type(now).__name__}")
    registry = db._registry
    if now or (now is None and flags.auto_schema):
        again = models if now else ()
        await _look_after(db, lambda: _missing(registry, models, again), flags)
    for cls in models:
        if now is None and not flags.auto_schema:
            registry.registered.setdefault(cls, True)  # an earlier ensure=False still holds
        else:
            registry.registered[cls] = now is not False


async def _look_after(db: Database | AsyncDatabase, find: Callable[[], list[type]], flags: Flags) -> None:
    """Ensure what `find` names when it is this caller's turn."""
    from ..schema.ensure import ensure  # as above

    hold = db._hold(db._registry.lock)
    try:
        if not _is_inside(db):
            await hold.acquire()
        models = find()
        if models and not await _ensured_apart(db, models, flags):
            made = db.run(ensure, db.dialect, models, flags.schema_conflict)
            if isinstance(made, Awaitable):
                await made
    finally:
        hold.release()


async def _ensured_apart(db: Database | AsyncDatabase, models: list[type], flags: Flags) -> bool:
    """Ensure models beside the caller's transaction where that would end, if its pool has another connection free.

    Returns:
        Whether that was done.

    Raises:
        TransactionError: a transaction has the tables in use.
    """
    if db.dialect.supports_transactional_ddl or db._scope_here() is None:
        return False
    if isinstance(db._source, Guard) or db._source.in_the_middle() is not None:
        return False
    try:
        made = db._run_pooled(0, _ensure_in_haste, db.dialect, models, flags.schema_conflict)
        if isinstance(made, Awaitable):
            await made
    except (PoolTimeout, TransactionError):
        return False  # waiting might never end, as it would be for transactions like this one
    except LockTimeout as exc:
        names = ", ".join(cls.__name__ for cls in models)
        raise TransactionError(
            f"the schema of {names} can't be changed while a transaction has its tables in use, which may be this one; "
            "ensure it before the transaction, with register() or ensure_schema"
        ) from exc
    return True


async def _ensure_in_haste(executor: Executor, dialect: Dialect, models: list[type], schema_conflict: Policy) -> None:
    """Do what `ensure` does, but fail soon where another transaction is in the way."""
    from ..schema.ensure import ensure  # as above

    hurry, calm_down = dialect.schema_haste_sql
    await executor.command(hurry)
    try:
        await ensure(executor, dialect, models, schema_conflict)
    finally:
        await executor.command(calm_down, unwinding=True)


def _is_inside(db: Database | AsyncDatabase) -> bool:
    """Whether who has the lock may wait for this very caller: for its transaction, or for its connection.

    It has the connection where a model's own code uses the database in the middle of an operation.
    """
    if db._scope_here() is not None:
        return True
    return db._source.in_the_middle() is not None


def _after_ensure(operation: Operation[P, R], dialect: Dialect, models: list[type], flags: Flags) -> Operation[P, R]:
    """Put `ensure` before an operation, of those `models` that the open transaction has not ensured yet."""
    from ..schema.ensure import ensure  # as above

    async def both(executor: Executor, /, *args: P.args, **kwargs: P.kwargs) -> R:
        missing = [cls for cls in models if not any(cls in block.made for block in executor.blocks)]
        if missing:
            await ensure(executor, dialect, missing, flags.schema_conflict)
        return await operation(executor, *args, **kwargs)

    return both


def _unready(registry: Registry, models: Collection[type]) -> list[type]:
    """Return what an action on models needs and nobody has ensured, but for those that the user looks after."""
    return _missing(registry, [model for model in models if registry.registered.get(model) is not False])


def _missing(registry: Registry, models: Collection[type], again: Collection[type] = ()) -> list[type]:
    """Return what of `models` and their targets is not ready, or is in `again`, in the order to make it in."""
    from ..schema.ddl import in_key_order  # as above

    found = _with_targets(models, registry.registered)
    return in_key_order(cls for cls in found if cls in again or cls not in registry.ready)


def _with_targets(models: Collection[type], registered: Mapping[type, bool]) -> list[type]:
    """Add the models that foreign keys refer to, however far, but for those that the user looks after."""
    found = list(dict.fromkeys(models))
    for cls in found:  # grows as it goes
        for column in model_meta(cls).columns:
            target = column.fk.model() if column.fk is not None and column.fk.model is not None else None
            if target is not None and target not in found and registered.get(target) is not False:
                found.append(target)
    return found
