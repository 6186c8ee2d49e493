"""`Database`: a connection, its transactions, and raw SQL, for blocking code."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from ..._typing import RawParams
from ...errors import (
    ClosedError,
    ConfigurationError,
    DeadlockDetected,
    LockTimeout,
    SerializationFailure,
    TransactionError,
)
from ..dialects import Dialect
from ..dialects.base import Isolation, check_isolation
from ..drivers import Driver, Result, driver_of
from .executors import Executor, drive
from .locks import Lock, ThreadHold
from .ops_raw import raw, raw_all, raw_first
from .transactions import Guard, Scope, _open_scopes, guard_of, route, thread_owner

R = TypeVar("R")
P = ParamSpec("P")
Operation = Callable[Concatenate[Executor, P], Coroutine[Any, Any, R]]
#: What another run of the same transaction may well survive.
RETRIED = (SerializationFailure, DeadlockDetected, LockTimeout)


class ThreadRunner:
    """Runs operations at once, in the thread that calls."""

    def hold(self, lock: Lock) -> ThreadHold:
        return ThreadHold(lock)

    async def perform(self, guard: Guard, operation: Coroutine[Any, Any, R]) -> R:
        return await operation

    def owner(self) -> object:
        return thread_owner()


_runner = ThreadRunner()


class Database:
    """One database over one blocking connection, for any number of threads, which take turns.

    The connection stays the caller's: its settings come back after each use, and a transaction that is open on it
    is joined by savepoints and never committed. `close()` closes it.

    Args:
        source: an open connection of a supported driver.
        dialect: the SQL to speak; found from the driver where left out.
        joined: `True` says that the connection is in a transaction, for a driver that can't tell.

    Raises:
        ConfigurationError: the source is no connection that mini_orm knows, is an async one, or does not speak
            the dialect.
    """

    def __init__(self, source: Any, dialect: Dialect | None = None, *, joined: bool | None = None) -> None:
        driver = driver_of(source)
        if not driver.is_blocking:
            raise ConfigurationError(f"{driver.name} connections are async; use AsyncDatabase")
        self._scope: Scope | None = None
        self._dialect = dialect_for(driver, dialect)
        self._guard = new_guard(source, driver, joined, is_async=False)

    @classmethod
    def _bound(cls, db: Database, scope: Scope) -> Database:
        bound = cls.__new__(cls)
        bound._scope = scope
        bound._dialect = db._dialect
        bound._guard = scope.guard
        return bound

    def __repr__(self) -> str:
        return f"Database({described(self._guard, self._scope)})"

    @property
    def dialect(self) -> Dialect:
        """The SQL that is spoken."""
        return self._dialect

    @property
    def conn(self) -> Any:
        """The connection that was given; `None` after `close()`."""
        return None if self._guard.closed else self._guard.conn

    def run(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an operation on this context's connection: in the open transaction, or in one of its own."""
        guard = self._guard
        scope = self._scope if not _open_scopes.get() else route(guard, self._scope, thread_owner)
        hold = ThreadHold(guard.lock if scope is None else scope.lock)
        try:
            hold.take()
            if scope is not None:
                scope.check()
                return drive(operation(guard.executor, *args, **kwargs))
            guard.check()
            executor = guard.executor
            outer = guard.in_use  # a model's code that uses the database, in the middle of an operation
            try:
                guard.in_use = True
                if not outer:
                    executor.enter()
                return drive(operation(executor, *args, **kwargs))
            finally:
                guard.in_use = outer
                if not outer:
                    executor.leave()
        finally:
            hold.release()

    def transaction(self, *, isolation: Isolation | None = None, read_only: bool = False) -> Transaction:
        """Open a transaction: `with db.transaction() as tx:`. `tx` is a `Database` bound to it.

        It commits at the end of the block, and rolls back on any exception, which goes on. Inside of a transaction
        it is a savepoint. On SQLite it is a writer's from the start (BEGIN IMMEDIATE) unless `read_only`.

        Args:
            isolation: `"read committed"`, `"repeatable read"` or `"serializable"`; `None` is the database's default.
            read_only: nothing will be written.

        Raises:
            TransactionError: from the block's start: another isolation than the transaction around it; the caller
                inherited another task's or thread's transaction. At its end: the transaction is not there any more.
            LockTimeout: another connection kept the database locked.
        """
        return Transaction(self, isolation, read_only)

    def run_in_transaction(
        self, fn: Callable[[Database], R], *, retries: int = 3, isolation: Isolation | None = None
    ) -> R:
        """Call `fn(tx)` in a transaction and return its result; try again where another transaction was in the way.

        Args:
            fn: called once more after each failure that another run may survive (serialization failure, deadlock,
                lock timeout); whatever else it changes must bear that.
            retries: how often to try again, at most.

        Raises:
            TransactionError: inside of a transaction, which could not be repeated.
        """
        for pause in pauses(retries):
            try:
                with Transaction(self, isolation, False, outermost=True) as tx:
                    result = fn(tx)
                    if isinstance(result, Coroutine):
                        result.close()
                        raise TypeError("run_in_transaction of a Database takes a plain function, not a coroutine one")
                return result
            except RETRIED:
                if pause is None:
                    raise
            time.sleep(pause)
        raise AssertionError("unreachable")

    def execute(self, sql: str, params: RawParams = None) -> Result:
        """Run SQL in the driver's own style; return its `Result`, already read.

        Outside of a transaction it is committed when it returns. `db.execute("BEGIN")` opens a transaction that all
        users of the connection join, until `COMMIT` or `ROLLBACK`.
        """
        return self.run(raw, sql, params)

    def fetchone(self, sql: str, params: RawParams = None) -> dict[str, Any] | None:
        """Run a query; return its first row by column name, or `None`."""
        return self.run(raw_first, sql, params)

    def fetchall(self, sql: str, params: RawParams = None) -> list[dict[str, Any]]:
        """Run a query; return its rows by column name."""
        return self.run(raw_all, sql, params)

    def close(self, *, close_pool: bool = False) -> None:
        """Close the connection, after whatever runs on it has ended. Twice is fine.

        Args:
            close_pool: close the pool, too, where the database has one.

        Raises:
            TransactionError: inside of a transaction on it.
        """
        guard = self._guard
        refuse_close(guard, self._scope)
        hold = ThreadHold(guard.lock)
        try:
            hold.take()
            if hold.is_nested:
                raise TransactionError("something runs on this connection in this thread; close it when that has ended")
            if not guard.closed:
                close_now(guard)
        finally:
            hold.release()

    def __enter__(self) -> Database:
        refuse_tx(self._scope)
        if self._guard.closed:
            raise ClosedError("connection is closed")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Transaction:
    """What `Database.transaction()` returns: a context manager, for one use."""

    def __init__(self, db: Database, isolation: str | None, read_only: bool, *, outermost: bool = False) -> None:
        self._scope: Scope | None = None
        check_isolation(isolation)
        self._db = db
        self._options = {"isolation": isolation, "read_only": read_only, "outermost": outermost}

    def __enter__(self) -> Database:
        if self._scope is not None:
            raise TransactionError("a transaction can be entered once; call transaction() again")
        db = self._db
        parent = route(db._guard, db._scope, thread_owner)
        scope = self._scope = Scope(_runner, db._guard, parent, **self._options)  # type: ignore[arg-type]  # as given
        try:
            drive(scope.open())
            return Database._bound(db, scope)
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        """Undo what is left of the transaction."""
        scope = self._scope
        if scope is not None:
            drive(scope.close(keep=False))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            drive(entered(self._scope).close(keep=kind is None))
        except BaseException:
            self._abandon()
            raise

    def __del__(self) -> None:
        # An interrupt in the first instruction of __exit__ lets nobody else undo it.
        scope: Scope | None = getattr(self, "_scope", None)
        if scope is not None and scope.is_open:
            if scope.owner == thread_owner():
                self._abandon()
            else:  # the connection may be bound to its thread: its next use rolls back what is open
                scope.release()


def dialect_for(driver: Driver, dialect: Dialect | None) -> Dialect:
    """Return the dialect to speak through a driver.

    Raises:
        ConfigurationError: the given one is none, or another database's.
    """
    if dialect is None:
        return driver.dialect()
    if not isinstance(dialect, Dialect):
        raise ConfigurationError(f"dialect must be a Dialect, got {type(dialect).__name__}")
    driver.check_dialect(dialect)
    return dialect


def new_guard(source: Any, driver: Driver, joined: bool | None, *, is_async: bool) -> Guard:
    """Return the guard of a connection, made at its first use.

    Raises:
        ConfigurationError: the connection is in a mode that can't be worked with, or in use by the other face.
    """
    conn = driver.raw(source)
    driver.check(conn)
    executor = Executor(driver, conn, driver.dialect(), joined=bool(joined))
    return guard_of(source, lambda: Guard(driver, source, executor, is_async=is_async))


def described(guard: Guard, scope: Scope | None) -> str:
    """Say what a database stands on, in a word or two."""
    state = "closed" if guard.closed else "open"
    if scope is not None:
        state = "a transaction" if scope.is_open else "a transaction that has ended"
    return f"{guard.driver.name}, {state}"


def close_now(guard: Guard) -> None:
    """Close a blocking connection.

    Raises:
        DatabaseError: the driver refused.
    """
    try:
        guard.driver.close(guard.conn)
    except guard.driver.errors as exc:
        raise guard.executor.error(exc, None) from exc
    guard.closed = True


def entered(scope: Scope | None) -> Scope:
    """Return the scope of a transaction that is being left.

    Raises:
        TransactionError: it was never entered.
    """
    if scope is None:
        raise TransactionError("this transaction was not entered; use it in a with block")
    return scope


def refuse_tx(scope: Scope | None) -> None:
    """Refuse a `tx` as a context manager: it is inside of one.

    Raises:
        TransactionError: it is a transaction's.
    """
    if scope is not None:
        raise TransactionError("tx is open already, and ends with its block; tx.transaction() opens one inside of it")


def refuse_close(guard: Guard, scope: Scope | None) -> None:
    """Refuse to close a connection from inside of its own transaction.

    Raises:
        TransactionError: through `tx`, or by the owner of the open transaction.
    """
    if scope is not None:
        raise TransactionError("tx ends with its with block; close the Database that it came from")
    if route(guard, None, thread_owner) is not None:
        raise TransactionError("a transaction is open on this connection; leave its with block before close()")


def pauses(retries: int) -> list[float | None]:
    """Return the pause after each try, in seconds; `None` after the last. They grow, are capped, and vary.

    Raises:
        ValueError: `retries` is no int of at least 0.
    """
    import random  # not needed for anything else, and not free to import

    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise ValueError("retries must be an int of at least 0")
    return [*(min(1.0, 0.01 * 2**number) * random.uniform(0.5, 1.0) for number in range(retries)), None]
