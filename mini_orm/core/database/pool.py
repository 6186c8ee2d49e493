"""`PoolConnector`: a few connections for many threads or tasks. The pool itself is in pooling.py."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, get_args

from ...errors import ConfigurationError, PoolError
from ..drivers import driver_of_connect, is_connection
from .executors import drive
from .health import Health, PoolStats
from .leases import PoolLease
from .pooling import Policy, Pool, TransactionGuard


class PoolConnector:
    """A pool of connections, opened when they are needed, for `Database` or `AsyncDatabase`.

    Each operation and each transaction of a database has a connection of its own for its time. Who waits is served
    in the order of coming. With a `connect` that is awaited, `acquire`, `release`, `close` are awaited, too, and
    `connection()` is `async with`.

    Args:
        connect: opens a connection of a supported driver, called as `connect(*args, **kwargs)`: a driver's own
            `connect`, or a function of yours, plain or `async`.
        max_size: connections at most.
        transaction_guard: what happens to a connection that comes back with an open transaction. `"rollback"`: it
            is rolled back and used again. `"raise"`: rolled back and closed, and an error for who left it.
            `"ignore"`: the next `acquire` gets it as it is. `"discard"`: closed.
        strict_pool: close such connections, also with `"rollback"` and `"ignore"`.
        reset_session: put back the session's settings when a connection was in the user's hands (`acquire`,
            `connection`, raw SQL).
        session_reset_hook: called with the connection instead of mini_orm's own reset.
        enforce_sqlite_thread_check: refuse sqlite3 connections that only one thread may use.
        pre_ping: ask a connection whether it is alive before each use, at the price of a round trip; one that is not
            is replaced before anybody notices. Without it the first to use a lost connection gets a `ConnectionLost`,
            after which the pool closes all connections that were opened before.
        max_age: seconds that a connection may live; then its next user gets a new one.
        max_idle: seconds that a connection may wait for its next user. Both are looked at when connections are
            taken, never in the background.

    These names are the pool's own: what `connect` itself calls so is given by `functools.partial`.

    Raises:
        ValueError: `max_size` below 1; an unknown guard; seconds that are no positive number; several connections to
            private memory databases of SQLite; several sqlite3 connections without `check_same_thread=False`.
        TypeError: `connect`, or the hook, can't be called.
    """

    def __init__(
        self,
        connect: Callable[..., Any],
        *args: Any,
        max_size: int = 5,
        transaction_guard: TransactionGuard = "rollback",
        strict_pool: bool = False,
        reset_session: bool = True,
        session_reset_hook: Callable[[Any], Any] | None = None,
        enforce_sqlite_thread_check: bool = True,
        pre_ping: bool = False,
        max_age: float | None = None,
        max_idle: float | None = None,
        **kwargs: Any,
    ) -> None:
        if not callable(connect):
            raise TypeError(f"connect is a function that opens a connection, got {type(connect).__name__}")
        if is_connection(connect):
            raise TypeError(
                "a pool opens its connections itself; give it sqlite3.connect and its arguments, for example"
            )
        if session_reset_hook is not None and not callable(session_reset_hook):
            raise TypeError(f"session_reset_hook is a function, got {type(session_reset_hook).__name__}")
        if isinstance(max_size, bool) or not isinstance(max_size, int) or max_size < 1:
            raise ValueError("max_size must be an int of at least 1")
        if transaction_guard not in get_args(TransactionGuard):
            allowed = ", ".join(map(repr, get_args(TransactionGuard)))
            raise ValueError(f"transaction_guard must be one of {allowed}")
        _check_seconds(max_age=max_age, max_idle=max_idle)
        function, args, kwargs = _unwrapped(connect, args, kwargs)
        driver = driver_of_connect(function)
        if driver is not None and max_size > 1:
            driver.refuse_pool(function, args, kwargs, check_threads=enforce_sqlite_thread_check)
        policy = Policy(transaction_guard, strict_pool, reset_session, session_reset_hook)
        health = Health(pre_ping=bool(pre_ping), max_age=max_age, max_idle=max_idle)
        self._pool = Pool(functools.partial(function, *args, **kwargs), driver, max_size, policy, health)
        if inspect.iscoroutinefunction(function):
            self._pool.is_async = True

    def __repr__(self) -> str:
        pool = self._pool
        return f"PoolConnector({'closed' if pool.closed else f'{pool.in_use} of {pool.size} in use'})"

    @property
    def max_size(self) -> int:
        """How many connections there are at most."""
        return self._pool.size

    def stats(self) -> PoolStats:
        """Say what the pool is doing, and what it did. It asks no connection, and is a plain call on both faces."""
        return self._pool.stats()

    def acquire(self, timeout: float | None = None) -> Any:
        """Take a connection out of the pool; `release` gives it back.

        With a `connect` that blocks it blocks, and with it the event loop of an `AsyncDatabase`; there, call it through
        `asyncio.to_thread`.

        Args:
            timeout: seconds to wait for one that is free; `None` waits as long as it takes.

        Returns:
            The driver's own connection; where `connect` is awaited, a coroutine that returns it.

        Raises:
            PoolTimeout: none came free in time.
            ClosedError: the pool is closed, also while waiting.
            DatabaseError: a new connection could not be opened.
        """
        _check_timeout(timeout)
        self._pool.check()
        self._pool.find_out()
        return self._on_face(self._acquired(timeout, self._new_lease()))

    def release(self, conn: Any) -> Any:
        """Give a connection back.

        Raises:
            ValueError: it was not taken out of this pool, or is back already.
            DirtyConnectionError: it has an open transaction, and the guard is `"raise"`.
            PoolError: its session could not be reset; it is closed.
        """
        return self._on_face(self._released(conn, quiet=False))

    def connection(self, timeout: float | None = None) -> PooledConnection:
        """Take a connection for a block: `with pool.connection() as conn:`.

        At its end the connection is released; what `release` raises never hides an error of the block.
        """
        _check_timeout(timeout)
        return PooledConnection(self, timeout)

    def close(self) -> Any:
        """Close the idle connections, and each other one when it comes back. Twice is fine.

        Who waits for a connection gets a `ClosedError`.
        """
        if self._pool.is_async is None:  # nothing was opened yet, and nobody knows how that is done
            drive(self._pool.close(self._pool.runner()))
            return _Nothing()
        return self._on_face(self._pool.close(self._pool.runner()))

    def __enter__(self) -> PoolConnector:
        self.require_face(is_async=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> PoolConnector:
        self.require_face(is_async=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close(self._pool.runner())

    def require_face(self, *, is_async: bool) -> None:
        """Refuse `with` where the connections are awaited, and `async with` where they are not."""
        pool = self._pool
        pool.check()
        pool.find_out()
        if pool.is_async is not is_async:
            kind, word = ("awaited", "async with") if pool.is_async else ("blocking", "with")
            raise ConfigurationError(f"the connections of this pool are {kind}; write {word}")

    def _on_face(self, work: Coroutine[Any, Any, Any]) -> Any:
        return work if self._pool.is_async else drive(work)

    def _new_lease(self) -> PoolLease:
        return PoolLease(self._pool, self._pool.runner(), in_hands=True)

    async def _acquired(self, timeout: float | None, lease: PoolLease) -> Any:
        try:
            guard = await lease.acquire(timeout)
            self._pool.handed_out[id(guard.conn)] = lease
            return guard.conn
        except BaseException:
            if lease.guard is not None:
                self._pool.handed_out.pop(id(lease.guard.conn), None)
            lease.drop()
            raise

    async def _released(self, conn: Any, *, quiet: bool) -> None:
        lease = self._pool.handed_out.pop(id(conn), None)  # in one step: of several who give it back, one does
        if lease is None:
            if quiet:
                return  # an error is on its way already
            raise ValueError("this connection was not taken out of this pool, or is back in it already")
        try:
            await lease.settle(quiet=quiet)
        finally:
            lease.drop()


class PooledConnection:
    """What `PoolConnector.connection()` returns: a context manager."""

    def __init__(self, connector: PoolConnector, timeout: float | None) -> None:
        self._connector = connector
        self._timeout = timeout
        self._conn: Any = None
        self._lease: PoolLease | None = None

    def __enter__(self) -> Any:
        lease = self._begun(is_async=False)
        try:
            conn = self._conn = drive(self._connector._acquired(self._timeout, lease))
        except BaseException:
            self._let_go()
            raise
        return conn

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        drive(self._connector._released(self._conn, quiet=kind is not None))

    async def __aenter__(self) -> Any:
        lease = self._begun(is_async=True)
        try:
            conn = self._conn = await self._connector._acquired(self._timeout, lease)
        except BaseException:
            self._let_go()
            raise
        return conn

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connector._released(self._conn, quiet=kind is not None)

    def _begun(self, *, is_async: bool) -> PoolLease:
        self._connector.require_face(is_async=is_async)
        if self._lease is not None and self._lease.guard is not None:
            raise PoolError("this block was entered already; call connection() again")
        lease = self._lease = self._connector._new_lease()
        return lease

    def _let_go(self) -> None:
        lease = self._lease
        if lease is not None and lease.guard is not None:
            self._connector._pool.handed_out.pop(id(lease.guard.conn), None)
            lease.drop()

    def __del__(self) -> None:
        # An interrupt in the first instruction of __exit__ lets nobody else give the connection back.
        if getattr(self, "_lease", None) is not None:
            self._let_go()


class _Nothing:
    """What was done already, for who awaits it and who does not."""

    def __await__(self) -> Iterator[None]:
        return iter(())


def _unwrapped(
    connect: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """Take off `functools.partial`, so that the function and all of its arguments are seen."""
    function: Any = connect
    while isinstance(function, functools.partial):
        function, args, kwargs = function.func, (*function.args, *args), {**function.keywords, **kwargs}
    return function, args, kwargs


def _check_timeout(timeout: Any) -> None:
    if timeout is not None and not (_is_number(timeout) and timeout >= 0):
        raise ValueError("timeout is a number of seconds of at least 0, or None")


def _check_seconds(**options: Any) -> None:
    for name, seconds in options.items():
        if seconds is not None and not (_is_number(seconds) and seconds > 0):
            raise ValueError(f"{name} is a number of seconds above 0, or None")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
