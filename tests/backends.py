"""The backends that every contract runs on, and the case that makes both faces read alike.

A contract is a mixin with `async def test_…` methods. It gets its databases from the backend and awaits through
`maybe_await`, so one text serves `Database` and `AsyncDatabase`. Capabilities are attributes of the backend; a
contract asks for them and never for a product's name.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import sqlite3
import tempfile
import threading
import unittest
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import aiosqlite

import mini_orm


async def maybe_await(value: Any) -> Any:
    """Await what the async face returns; hand back what the sync face returns."""
    return await value if inspect.isawaitable(value) else value


class Handle:
    """A concurrent piece of work: a thread on the sync face, a task on the async one."""

    def __init__(self, join: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._join = join

    async def join(self) -> Any:
        """Wait for the work; return its result or raise its error."""
        return await self._join()


class Backend:
    """One driver on one face. `path` is a file in the test's own directory."""

    name: str
    face: str  # "sync" or "async"
    #: Two connections may use the same database at once.
    supports_second_connection = True
    #: The driver's connection may be used from any thread.
    supports_threads = True
    #: Calls block, as those of the sync face do.
    supports_blocking_calls = False
    #: Calls are awaited by tasks, as those of the async face are.
    supports_tasks = True
    #: A pool calls the driver's own function to connect, and sees its arguments.
    supports_own_connect = True
    #: The driver's connection is bound to a thread unless it is told otherwise.
    supports_thread_check = False
    #: A pool's connections are awaited.
    supports_awaited_pools = False

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self.path = self.directory / "test.sqlite3"

    async def connect(self, **options: Any) -> Any:
        """Open a raw driver connection to the test's database."""
        raise NotImplementedError

    async def open(self, **options: Any) -> Any:
        """Open a `Database` or `AsyncDatabase` on a new connection."""
        return self.database(await self.connect(**options))

    def database(self, conn: Any, *args: Any, **kwargs: Any) -> Any:
        """Wrap a raw connection in this face's database class."""
        cls = mini_orm.Database if self.face == "sync" else mini_orm.AsyncDatabase
        return cls(conn, *args, **kwargs)

    def pool(self, **options: Any) -> mini_orm.PoolConnector:
        """Make a pool of connections to the test's database."""
        return mini_orm.PoolConnector(self.connector, options.pop("path", self.path), **options)

    def connector(self, *args: Any, **kwargs: Any) -> Any:
        """Open a connection, as a pool does."""
        raise NotImplementedError

    def repository(self, db: Any, model: type, **flags: Any) -> Any:
        """Return this face's repository."""
        cls = mini_orm.Repository if self.face == "sync" else mini_orm.AsyncRepository
        return cls(db, model, **flags)

    def hub(self, db: Any, **flags: Any) -> Any:
        """Return this face's hub."""
        cls = mini_orm.UnifiedRepository if self.face == "sync" else mini_orm.AsyncUnifiedRepository
        return cls(db, **flags)

    def session(self, db: Any, **flags: Any) -> Any:
        """Return this face's session."""
        cls = mini_orm.Session if self.face == "sync" else mini_orm.AsyncSession
        return cls(db, **flags)

    def raw(self) -> sqlite3.Connection:
        """Open an independent sqlite3 connection to the same file, in autocommit, to look from outside."""
        return sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)


class SyncSqlite3(Backend):
    """`Database` over the standard library's sqlite3."""

    name = "sqlite3"
    face = "sync"
    supports_blocking_calls = True
    supports_tasks = False
    supports_thread_check = True
    connector = staticmethod(sqlite3.connect)

    def pool(self, **options: Any) -> mini_orm.PoolConnector:
        options.setdefault("check_same_thread", False)
        return super().pool(**options)

    async def connect(self, **options: Any) -> sqlite3.Connection:
        options.setdefault("check_same_thread", False)
        return sqlite3.connect(options.pop("path", self.path), **options)


class WorkerSqlite3(SyncSqlite3):
    """`AsyncDatabase` over a sqlite3 connection that any thread may use: operations run in a worker thread."""

    name = "sqlite3-worker"
    face = "async"
    supports_blocking_calls = False
    supports_tasks = True


class InlineSqlite3(Backend):
    """`AsyncDatabase` over a sqlite3 connection bound to the loop's thread: operations run inline."""

    name = "sqlite3-inline"
    face = "async"
    supports_threads = False
    supports_own_connect = False
    supports_awaited_pools = True

    async def connector(self, *args: Any, **kwargs: Any) -> sqlite3.Connection:
        kwargs.pop("check_same_thread", None)
        return sqlite3.connect(*args, **kwargs)

    async def connect(self, **options: Any) -> sqlite3.Connection:
        return sqlite3.connect(options.pop("path", self.path), **options)


class Aiosqlite(Backend):
    """`AsyncDatabase` over aiosqlite."""

    name = "aiosqlite"
    face = "async"
    supports_awaited_pools = True
    connector = staticmethod(aiosqlite.connect)

    async def connect(self, **options: Any) -> aiosqlite.Connection:
        options.pop("check_same_thread", None)
        return await aiosqlite.connect(options.pop("path", self.path), **options)


BACKENDS: tuple[type[Backend], ...] = (SyncSqlite3, WorkerSqlite3, InlineSqlite3, Aiosqlite)


class PooledDatabase(mini_orm.Database):
    """A `Database` on a pool of its own. `conn` is the connection that the next call will be on."""

    @property
    def conn(self) -> Any:
        return super().conn or self._source._idle[-1].conn  # type: ignore[union-attr]  # it is a pool

    def close(self, *, close_pool: bool = True) -> None:
        super().close(close_pool=close_pool)


class AsyncPooledDatabase(mini_orm.AsyncDatabase):
    """Async twin of `PooledDatabase`."""

    @property
    def conn(self) -> Any:
        return super().conn or self._source._idle[-1].conn  # type: ignore[union-attr]  # it is a pool

    async def aclose(self, *, close_pool: bool = True) -> None:
        await super().aclose(close_pool=close_pool)


class Pooled(Backend):
    """The same contracts on a pool of several connections; mixed into a backend."""

    async def open(self, **options: Any) -> Any:
        pool = self.pool(max_size=4, **options)
        await maybe_await(pool.release(await maybe_await(pool.acquire())))
        return PooledDatabase(pool) if self.face == "sync" else AsyncPooledDatabase(pool)


class PooledSqlite3(Pooled, SyncSqlite3):
    """`Database` over a pool of sqlite3 connections."""

    name = "sqlite3-pool"


class PooledWorkerSqlite3(Pooled, WorkerSqlite3):
    """`AsyncDatabase` over a pool of sqlite3 connections, whose operations run in worker threads."""

    name = "sqlite3-worker-pool"


class PooledAiosqlite(Pooled, Aiosqlite):
    """`AsyncDatabase` over a pool of aiosqlite connections."""

    name = "aiosqlite-pool"


POOLED_BACKENDS: tuple[type[Backend], ...] = (PooledSqlite3, PooledWorkerSqlite3, PooledAiosqlite)


class ContractCase(unittest.IsolatedAsyncioTestCase):
    """The base that a contract mixin is bound to: `self.backend`, `self.db` and the helpers below."""

    backend_class: type[Backend] = SyncSqlite3
    backend: Backend
    db: Any

    async def asyncSetUp(self) -> None:
        # unittest's loop is in debug mode, which reports every step of 0.1 s and takes three times as long.
        asyncio.get_running_loop().set_debug(False)
        directory = tempfile.TemporaryDirectory(prefix="mini_orm_test_")
        self.addCleanup(directory.cleanup)
        self.backend = self.backend_class(directory.name)
        self.db = await self.open()

    @property
    def is_async(self) -> bool:
        return self.backend.face == "async"

    async def open(self, **options: Any) -> Any:
        """Open a database on a new connection, closed at the end of the test."""
        db = await self.backend.open(**options)
        self.addAsyncCleanup(self.close, db)
        return db

    async def wrap(self, conn: Any, *args: Any, **kwargs: Any) -> Any:
        """Wrap a raw connection in a database, closed at the end of the test."""
        db = self.backend.database(conn, *args, **kwargs)
        self.addAsyncCleanup(self.close, db)
        return db

    async def close(self, db: Any) -> None:
        """Close a database of either face (twice is fine)."""
        if self.backend.face == "async":
            await db.aclose()
        else:
            db.close()

    def repo(self, model: type, db: Any = None, **flags: Any) -> Any:
        """Return a repository of this face, on `self.db` unless told otherwise."""
        return self.backend.repository(self.db if db is None else db, model, **flags)

    def hub(self, db: Any = None, **flags: Any) -> Any:
        """Return a hub of this face, on `self.db` unless told otherwise."""
        return self.backend.hub(self.db if db is None else db, **flags)

    def session(self, db: Any = None, **flags: Any) -> Any:
        """Return a session of this face, on `self.db` unless told otherwise."""
        return self.backend.session(self.db if db is None else db, **flags)

    async def create_tables(self, *models: type, db: Any = None, if_not_exists: bool = False) -> list[str]:
        """Run `apply_schema` on this face."""
        db = self.db if db is None else db
        if self.backend.face == "async":
            return await mini_orm.apply_schema_async(db, list(models), if_not_exists=if_not_exists)
        return mini_orm.apply_schema(db, list(models), if_not_exists=if_not_exists)

    async def table(self, model: type, rows: Iterable[Any] = ()) -> Any:
        """Create the table of `model`, insert `rows` into it, and return its repository."""
        await self.create_tables(model)
        repo = self.repo(model)
        await maybe_await(repo.insert_many(list(rows)))
        return repo

    @contextlib.asynccontextmanager
    async def transaction(self, db: Any = None, **options: Any) -> AsyncIterator[Any]:
        """Open `db.transaction(**options)` on this face and yield its `tx`."""
        scope = (self.db if db is None else db).transaction(**options)
        if self.backend.face == "async":
            async with scope as tx:
                yield tx
        else:
            with scope as tx:
                yield tx

    def spawn(self, work: Callable[..., Coroutine[Any, Any, Any]], *args: Any, inherit: bool = False) -> Handle:
        """Start `work(*args)` in a thread (sync face) or a task (async face).

        It starts in an empty context, as an unrelated caller's would be; with `inherit=True` in a copy of the
        current one, as `gather`, `TaskGroup` and `to_thread` do.
        """
        context = contextvars.copy_context() if inherit else contextvars.Context()
        if self.backend.face == "async":
            return self.spawn_task(work, *args, context=context)
        return self.spawn_thread(work, *args, context=context)

    def spawn_task(
        self, work: Callable[..., Coroutine[Any, Any, Any]], *args: Any, context: contextvars.Context
    ) -> Handle:
        """Start `work(*args)` in a task."""
        task = asyncio.get_running_loop().create_task(work(*args), context=context)

        async def join_task() -> Any:
            return await task

        return Handle(join_task)

    def spawn_thread(
        self, work: Callable[..., Coroutine[Any, Any, Any]], *args: Any, context: contextvars.Context
    ) -> Handle:
        """Start `work(*args)`, which never suspends, in a thread."""
        outcome: list[Any] = []

        def target() -> None:
            coroutine = work(*args)
            try:
                coroutine.send(None)
                outcome.append(AssertionError("work on the sync face suspended"))
            except StopIteration as done:
                outcome.append(done)
            except BaseException as exc:  # handed to join()
                outcome.append(exc)

        thread = threading.Thread(target=context.run, args=(target,), daemon=True)
        thread.start()

        async def join_thread() -> Any:
            # The loop stays free while it waits, so that async helpers of the test go on.
            while thread.is_alive():
                thread.join(0.005)
                await asyncio.sleep(0)
            if isinstance(outcome[0], StopIteration):
                return outcome[0].value
            raise outcome[0]

        return Handle(join_thread)

    async def together(self, works: Iterable[Callable[[], Coroutine[Any, Any, Any]]]) -> list[Any]:
        """Run all `works` at once (threads or tasks) and return their results, or their errors, in order."""
        results: list[Any] = []
        for handle in [self.spawn(work) for work in works]:
            try:
                results.append(await handle.join())
            except Exception as exc:
                results.append(exc)
        return results


def bind(contract: type, backend: type[Backend]) -> type[ContractCase]:
    """Make the test case of one contract on one backend."""
    name = f"{contract.__name__}_{backend.__name__}"
    body = {"backend_class": backend, "__module__": contract.__module__, "__doc__": contract.__doc__}
    return type(name, (contract, ContractCase), body)


def bind_all(namespace: dict[str, Any], *contracts: type, backends: Iterable[type[Backend]] = BACKENDS) -> None:
    """Put a case for every contract and backend into a test module's namespace, for unittest's discovery."""
    backends = tuple(backends)
    for contract in contracts:
        for backend in backends:
            if all(getattr(backend, need, False) for need in getattr(contract, "requires", ())):
                case = bind(contract, backend)
                namespace[case.__name__] = case
