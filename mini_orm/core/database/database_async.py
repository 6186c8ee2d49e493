"""`AsyncDatabase`: the same as `Database`, for asyncio."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from ..._typing import RawParams
from ...errors import ClosedError, TransactionError
from ..dialects import Dialect
from ..dialects.base import Isolation, check_isolation
from ..drivers import Result, driver_of
from .database import (
    RETRIED,
    Operation,
    connection_of,
    described,
    dialect_for,
    entered,
    pauses,
    pooled_dialect,
    refuse_close,
    refuse_closed,
    refuse_tx,
)
from .executors import drive
from .foreign_pools import pool_of
from .guards import Guard, Runner, ThreadRunner, guard_of, thread_owner
from .leases import PoolLease
from .locks import Lock, ThreadHold
from .ops_raw import raw, raw_all, raw_first
from .pooling import Pool
from .registry import Registry
from .transactions import Scope, _open_scopes, route

R = TypeVar("R")
P = ParamSpec("P")
_threads = ThreadRunner()


class AsyncDatabase:
    """Async twin of `Database`.

    A blocking connection's work runs in a worker thread, one hop an operation; a sqlite3 connection that is bound
    to the event loop's thread runs inline. A cancelled call comes back when its connection is safe again.
    """

    def __init__(self, source: Any, dialect: Dialect | None = None, *, joined: bool | None = None) -> None:
        from .tasks import TaskRunner  # imports asyncio, which `import mini_orm` does not

        self._scope: Scope | None = None
        self._closed = False
        self._is_checked = True
        self._source: Guard | Pool
        self._guard: Guard | None = None
        self._runner: Runner = TaskRunner()
        self._pool: Any = None
        pool = pool_of(source)
        if pool is not None:
            self._pool = source
            self._source = pool
            self._is_checked = pool.driver is not None
            self._dialect = pooled_dialect(pool, dialect, joined, is_async=True)
            return
        driver = driver_of(source)
        self._dialect = dialect_for(driver, dialect)
        self._source = self._guard = guard_of(source, driver, joined, self._runner)
        self._runner = self._guard.runner

    @classmethod
    async def connect(cls, url: str, **options: Any) -> AsyncDatabase:
        """Async twin of `Database.connect`."""
        from .urls import connected  # brings urllib along, which `import mini_orm` does not

        return await connected(cls, url, options, is_async=True)

    @classmethod
    def _bound(cls, db: AsyncDatabase, scope: Scope) -> AsyncDatabase:
        if not db._is_checked:
            scope.guard.driver.check_dialect(db._dialect)
            db._is_checked = True
        bound = cls.__new__(cls)
        bound._scope = scope
        bound._closed = False
        bound._is_checked = True
        bound._dialect = db.dialect
        bound._runner = db._runner
        bound._pool = db._pool
        bound._source = db._source
        bound._guard = scope.guard
        return bound

    def __repr__(self) -> str:
        return f"AsyncDatabase({described(self._source, self._scope, closed=self._closed)})"

    @property
    def dialect(self) -> Dialect:
        """Async twin of `Database.dialect`."""
        self._dialect = self._registry.settled(self._dialect)
        return self._dialect

    @property
    def conn(self) -> Any:
        """Async twin of `Database.conn`."""
        return connection_of(self._source, self._scope, closed=self._closed)

    @property
    def pool(self) -> Any:
        """Async twin of `Database.pool`."""
        return self._pool

    @property
    def _registry(self) -> Registry:
        return self._source.registry

    def _scope_here(self) -> Scope | None:
        return route(self._source, self._scope, thread_owner)

    def _hold(self, lock: Lock) -> ThreadHold:
        return self._runner.hold(lock)

    async def run(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Async twin of `Database.run`."""
        scope, scopes = self._scope, _open_scopes.get()
        if scopes and scopes[-1] is not scope:
            scope = route(self._source, scope, thread_owner)
        guard = self._guard if scope is None else scope.guard
        if guard is None:
            return await self._run_pooled(None, operation, *args, **kwargs)
        hold = self._runner.hold(guard.lock if scope is None else scope.lock)
        try:
            await hold.acquire()
            if scope is None:
                guard.check()
                return await guard.runner.perform(guard, _use(guard, operation, *args, **kwargs))
            scope.check()
            return await guard.runner.perform(guard, operation(guard.executor, *args, **kwargs))
        finally:
            hold.release()

    async def _run_pooled(
        self, timeout: float | None, operation: Operation[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run an operation on a connection of its own, which is waited for no longer than `timeout`."""
        if self._closed:
            raise ClosedError("connection is closed")
        assert isinstance(self._source, Pool)
        lease = PoolLease(self._source, self._runner)
        try:
            guard = await lease.acquire(timeout)
            if not self._is_checked:
                guard.driver.check_dialect(self._dialect)
                self._is_checked = True
            result = await guard.runner.perform(guard, _use(guard, operation, *args, **kwargs))
            await lease.settle(quiet=False)
            return result
        except BaseException:
            await lease.settle(quiet=True)
            raise
        finally:
            lease.drop()

    def transaction(self, *, isolation: Isolation | None = None, read_only: bool = False) -> AsyncTransaction:
        """Async twin of `Database.transaction`."""
        return AsyncTransaction(self, isolation, read_only)

    async def run_in_transaction(
        self, fn: Callable[[AsyncDatabase], Awaitable[R]], *, retries: int = 3, isolation: Isolation | None = None
    ) -> R:
        """Async twin of `Database.run_in_transaction`."""
        import asyncio  # as in __init__

        for pause in pauses(retries):
            try:
                async with AsyncTransaction(self, isolation, False, outermost=True) as tx:
                    awaitable = fn(tx)
                    if not inspect.isawaitable(awaitable):
                        raise TypeError("run_in_transaction of an AsyncDatabase takes a coroutine function")
                    result = await awaitable
                return result
            except RETRIED:
                if pause is None:
                    raise
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def execute(self, sql: str, params: RawParams = None) -> Result:
        """Async twin of `Database.execute`."""
        return await self.run(raw, sql, params)

    async def fetchone(self, sql: str, params: RawParams = None) -> dict[str, Any] | None:
        """Async twin of `Database.fetchone`."""
        return await self.run(raw_first, sql, params)

    async def fetchall(self, sql: str, params: RawParams = None) -> list[dict[str, Any]]:
        """Async twin of `Database.fetchall`."""
        return await self.run(raw_all, sql, params)

    def close(self, *, close_pool: bool = False) -> None:
        """Close a blocking connection at once; an async one needs `await aclose()`. Twice is fine.

        Raises:
            RuntimeError: the connection is an async one, or is in use.
        """
        refuse_close(self._source, self._scope)
        if isinstance(self._source, Pool):
            close_pool = close_pool or self._source.is_owned
            if close_pool and self._source.is_async:
                raise RuntimeError("the connections of this pool are closed by coroutines; use await aclose()")
            self._closed = True
            if close_pool:
                drive(self._source.close(_threads))
            return
        guard = self._source
        if guard.closed:
            return
        if not guard.driver.is_blocking:
            raise RuntimeError(f"a {guard.driver.name} connection is closed by a coroutine; use await aclose()")
        if not guard.lock.free:
            raise TransactionError("an operation or a transaction is running; use await aclose(), which waits for it")
        guard.runner.close_blocking(guard)

    async def aclose(self, *, close_pool: bool = False) -> None:
        """Close the connection, after whatever runs on it has ended; let go of a pool. Twice is fine."""
        refuse_close(self._source, self._scope)
        if isinstance(self._source, Pool):
            self._closed = True
            if close_pool or self._source.is_owned:
                await self._source.close(self._runner)
            return
        guard = self._source
        hold = self._runner.hold(guard.lock)
        try:
            await hold.acquire()
            if not guard.closed:
                await guard.runner.close(guard)
        finally:
            hold.release()

    async def __aenter__(self) -> AsyncDatabase:
        refuse_tx(self._scope)
        refuse_closed(self._source, closed=self._closed)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class AsyncTransaction:
    """What `AsyncDatabase.transaction()` returns: an async context manager, for one use."""

    def __init__(self, db: AsyncDatabase, isolation: str | None, read_only: bool, *, outermost: bool = False) -> None:
        self._scope: Scope | None = None
        self._thread = threading.get_ident()
        check_isolation(isolation)
        self._db = db
        self._options = {"isolation": isolation, "read_only": read_only, "outermost": outermost}

    async def __aenter__(self) -> AsyncDatabase:
        db = self._db
        if self._scope is not None:
            raise TransactionError("a transaction can be entered once; call transaction() again")
        parent = db._scope_here()
        if db._closed:
            raise ClosedError("connection is closed")
        options: Any = self._options
        scope = self._scope = Scope(db._source, db._runner, parent, **options)
        try:
            await scope.open()
            return AsyncDatabase._bound(db, scope)
        except BaseException:
            await scope.close(keep=False, wait=False)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await entered(self._scope).close(keep=kind is None, wait=_may_wait(kind))
        except BaseException:
            if self._scope is not None:
                await self._scope.close(keep=False, wait=False)
            raise

    def __del__(self) -> None:
        # An interrupt in the first instruction of __aexit__ lets nobody else undo it. In a worker thread, which
        # can't be waited for here, the next use of the connection does.
        scope: Scope | None = getattr(self, "_scope", None)
        if scope is not None and scope.is_open:
            if scope.guard.runner.is_inline and threading.get_ident() == self._thread:
                drive(scope.close(keep=False, wait=False))
            else:
                scope.release()


def _may_wait(kind: type[BaseException] | None) -> bool:
    """Tell whether the end of a transaction may wait for others: not for an interrupt, whose own frames may hold it."""
    return kind is None or not issubclass(kind, KeyboardInterrupt | SystemExit | GeneratorExit)


async def _use(guard: Guard, operation: Callable[..., Coroutine[Any, Any, R]], *args: Any, **kwargs: Any) -> R:
    """Run an operation as a use of its own, in the connection's thread."""
    executor = guard.executor
    try:
        await executor.enter_awaited()
        return await operation(executor, *args, **kwargs)
    finally:
        await executor.leave_awaited()
