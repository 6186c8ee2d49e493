"""`Database`: a connection, its transactions, and raw SQL, for blocking code."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

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
from ..drivers import Driver, Result, driver_of, is_connection
from .executors import Executor, PlainOperation, awaited, drive, driven
from .guards import Guard, ThreadRunner, close_now, guard_of, thread_owner
from .locks import Lock, ThreadHold
from .ops_raw import raw, raw_all, raw_first
from .registry import Registry
from .transactions import Scope, _open_scopes, route

if TYPE_CHECKING:
    from .pooling import Pool

R = TypeVar("R")
P = ParamSpec("P")
Operation = Callable[Concatenate[Executor, P], Coroutine[Any, Any, R]]
#: What another run of the same transaction may well survive.
RETRIED = (SerializationFailure, DeadlockDetected, LockTimeout)


_runner = ThreadRunner()


class Database:
    """One database, for any number of threads: over one blocking connection, for which they take turns, or a pool.

    A connection stays the caller's: its settings come back after each use, and a transaction that is open on it
    is joined by savepoints and never committed. `close()` closes it. From a pool each operation, or each
    transaction, takes a connection of its own.

    Args:
        source: an open connection of a supported driver, a `PoolConnector`, or a driver's own pool (of psycopg_pool
            or asyncpg), which stays the caller's: its connections come back as they were.
        dialect: the SQL to speak; found from the driver where left out.
        joined: `True` says that the connection is in a transaction, for a driver that can't tell.

    Raises:
        ConfigurationError: the source is neither, is async, or does not speak the dialect.
    """

    def __init__(self, source: Any, dialect: Dialect | None = None, *, joined: bool | None = None) -> None:
        self._scope: Scope | None = None
        self._closed = False
        self._is_checked = True
        self._source: Guard | Pool
        self._guard: Guard | None = None
        self._pool: Any = None
        pool = None if is_connection(source) else _pool_of(source)
        if pool is not None:
            self._pool = source
            self._source = pool
            self._is_checked = pool.driver is not None
            self._dialect = pooled_dialect(pool, dialect, joined, is_async=False)
            return
        driver = driver_of(source)
        if not driver.is_blocking:
            raise ConfigurationError(f"{driver.name} connections are async; use AsyncDatabase")
        self._dialect = dialect_for(driver, dialect)
        self._source = self._guard = guard_of(source, driver, joined, _runner)

    @classmethod
    def connect(cls, url: str, **options: Any) -> Database:
        """Open a database by its URL, with a pool of its own, which `close()` closes.

        `sqlite:///relative.db`, `sqlite:////absolute.db`; `sqlite://`, in memory, has one connection whatever the
        options of a pool say. `postgresql://user:password@host:port/name?sslmode=require` takes psycopg or psycopg2,
        on the async face asyncpg or psycopg, whichever is installed, the first one first; `postgresql+psycopg2://`
        names one. For SQLite both faces take sqlite3, on the async one in worker threads, which is quicker than
        `sqlite+aiosqlite://`. What follows the `?` goes to the driver. The first connection is opened at once.

        Args:
            url: user, password and names are percent-encoded in it.
            options: `pool_size` (5), connections at most; all other options of a `PoolConnector`; what is left goes
                to the driver's own `connect`, and comes before what the URL says.

        Raises:
            ConfigurationError: the URL can't be read; its database, package or option is unknown.
            MissingDependencyError: the package for it is not installed.
            DatabaseError: the first connection could not be opened.
        """
        from .urls import connected  # brings urllib along, which `import mini_orm` does not

        return drive(connected(cls, url, options, is_async=False))

    @classmethod
    def _bound(cls, db: Database, scope: Scope) -> Database:
        if not db._is_checked:
            scope.guard.driver.check_dialect(db._dialect)
            db._is_checked = True
        bound = cls.__new__(cls)
        bound._scope = scope
        bound._closed = False
        bound._is_checked = True
        bound._dialect = db.dialect
        bound._pool = db._pool
        bound._source = db._source
        bound._guard = scope.guard
        return bound

    def __repr__(self) -> str:
        return f"Database({described(self._source, self._scope, closed=self._closed)})"

    @property
    def dialect(self) -> Dialect:
        """The SQL that is spoken; what the server tells of it is known from the first use on."""
        self._dialect = self._registry.settled(self._dialect)
        return self._dialect

    @property
    def conn(self) -> Any:
        """The connection that was given; with a pool the open transaction's, or `None`. `None` after `close()`."""
        return connection_of(self._source, self._scope, closed=self._closed)

    @property
    def pool(self) -> Any:
        """The pool that was given, or made by `connect`; `None` on one connection."""
        return self._pool

    @property
    def _registry(self) -> Registry:
        return self._source.registry

    def _scope_here(self) -> Scope | None:
        return route(self._source, self._scope, thread_owner)

    def _hold(self, lock: Lock) -> ThreadHold:
        return _runner.hold(lock)

    def run(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an operation on this context's connection: in the open transaction, or in one of its own."""
        result: R = self._run_at_once(driven, operation, args, kwargs)
        return result

    def _run_at_once(self, operation: PlainOperation[R], first: Any, second: Any, third: Any) -> R:
        """Do what `run` does, with a plain function."""
        scope, scopes = self._scope, _open_scopes.get()
        if scopes and scopes[-1] is not scope:  # else nothing is open that a call could belong to but `scope`
            scope = route(self._source, scope, thread_owner)
        guard = self._guard if scope is None else scope.guard
        if guard is None:
            return self._run_pooled(None, awaited(operation), first, second, third)
        lock = guard.lock if scope is None else scope.lock
        thread = get_ident()
        hold: ThreadHold | None = None
        is_had = False
        try:
            with lock.mutex:
                if lock.free:
                    lock.free -= 1
                    lock.thread = thread
                    is_had = True
            if not is_had:
                hold = ThreadHold(lock)
                hold.take()
            executor = guard.executor
            if scope is not None:
                if scope.child is not None or not scope.is_open:
                    scope.check()
                return operation(executor, first, second, third)
            if guard.closed or guard.scope is not None:
                guard.check()
            outer = guard.in_use  # a model's code that uses the database, in the middle of an operation
            try:
                guard.in_use = True
                if not outer:
                    executor.enter()
                return operation(executor, first, second, third)
            finally:
                guard.in_use = outer
                if not outer and (executor._mode is not None or executor._holds_read_only):
                    executor.leave()
        finally:
            if is_had:
                try:
                    lock.give_back(thread)
                except BaseException:  # an interrupt; it may have come before
                    lock.give_back(thread)
                    raise
            elif hold is not None:
                hold.release()

    def _run_pooled(self, timeout: float | None, operation: Operation[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an operation on a connection of its own, which is waited for no longer than `timeout`."""
        if self._closed:
            raise ClosedError("connection is closed")
        pool = self._source
        assert not isinstance(pool, Guard)
        outer = pool.in_the_middle()
        if outer is not None:  # as in `run`: on its own connection, which may be the only one
            return drive(operation(outer.executor, *args, **kwargs))
        lease = pool.lease_once(_runner)
        thread = lease.thread
        try:
            guard = drive(lease.acquire(timeout))
            if not self._is_checked:
                guard.driver.check_dialect(self._dialect)
                self._is_checked = True
            executor = guard.executor
            try:
                pool.running[thread] = lease
                executor.enter()
                result = drive(operation(executor, *args, **kwargs))
            finally:
                pool.running.pop(thread, None)
                executor.leave()
            drive(lease.settle(quiet=False))
            return result
        except BaseException:
            drive(lease.settle(quiet=True))
            raise
        finally:
            lease.drop()

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
        """Close the connection, after whatever runs on it has ended; let go of a pool. Twice is fine.

        Args:
            close_pool: close the pool, too, where the database has one. One that `connect` made is closed anyway.

        Raises:
            TransactionError: inside of a transaction on it.
        """
        refuse_close(self._source, self._scope)
        if not isinstance(self._source, Guard):
            self._closed = True
            if close_pool or self._source.is_owned:
                drive(self._source.close(_runner))
            return
        guard = self._source
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
        refuse_closed(self._source, closed=self._closed)
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
        parent = db._scope_here()
        if db._closed:
            raise ClosedError("connection is closed")
        scope = self._scope = Scope(db._source, _runner, parent, **self._options)  # type: ignore[arg-type]  # as given
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


def _pool_of(source: Any) -> Pool | None:
    """Return the pool that a database stands on; see `pool_of`."""
    from .foreign_pools import pool_of  # pools are not free to import

    return pool_of(source)


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


def pooled_dialect(pool: Pool, dialect: Dialect | None, joined: bool | None, *, is_async: bool) -> Dialect:
    """Return the dialect to speak through a pool.

    Raises:
        ConfigurationError: see `Pool.bind`; the dialect can't be known before a connection is open.
    """
    if joined is not None:
        raise ConfigurationError("joined is for a connection that is given; a pool opens its own")
    driver = pool.bind(is_async=is_async)
    if driver is not None:
        return dialect_for(driver, dialect)
    if not isinstance(dialect, Dialect):
        raise ConfigurationError(
            "which dialect this pool's connections speak can't be known before one is open; name it, "
            "for example AsyncDatabase(pool, PostgresDialect())"
        )
    return dialect


def described(source: Guard | Pool, scope: Scope | None, *, closed: bool) -> str:
    """Say what a database stands on, in a word or two."""
    if not isinstance(source, Guard):
        name = source.label or ("a pool" if source.driver is None else f"a pool of {source.driver.name}")
        closed = closed or source.closed
    else:
        name, closed = source.driver.name, source.closed
    state = "closed" if closed else "open"
    if scope is not None:
        state = "a transaction" if scope.is_open else "a transaction that has ended"
    return f"{name}, {state}"


def connection_of(source: Guard | Pool, scope: Scope | None, *, closed: bool) -> Any:
    """Return the driver's connection that a database stands on here, if it has one."""
    if isinstance(source, Guard):
        return None if source.closed else source.conn
    if closed:
        return None
    here = route(source, scope, thread_owner)
    return here.guard.conn if here is not None and here.is_open else None


def refuse_closed(source: Guard | Pool, *, closed: bool) -> None:
    """Refuse a database that is closed, or whose pool is.

    Raises:
        ClosedError: after `close()`.
    """
    if closed or source.closed:
        raise ClosedError("the pool is closed" if not (closed or isinstance(source, Guard)) else "connection is closed")


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


def refuse_close(source: Guard | Pool, scope: Scope | None) -> None:
    """Refuse to close a database from inside of its own transaction.

    Raises:
        TransactionError: through `tx`, or by the owner of the open transaction.
    """
    if scope is not None:
        raise TransactionError("tx ends with its with block; close the Database that it came from")
    if route(source, None, thread_owner) is not None:
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
