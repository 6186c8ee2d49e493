"""The case that makes both faces read alike, and what binds a contract to backends.

A contract is a mixin with `async def test_…` methods. It gets its databases from the backend and awaits through
`maybe_await`, so one text serves `Database` and `AsyncDatabase`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import importlib.util
import tempfile
import threading
import unittest
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, TypeVar

import mini_orm
from mini_orm.core.models import model_meta
from tests import servers
from tests.backends.base import IS_QUICK, Backend, maybe_await
from tests.backends.families import BACKENDS
from tests.backends.sqlite import SyncSqlite3

Test = TypeVar("Test", bound=Callable[..., Any])
#: Modules of contracts about models, SQL and values, to which it is all one what carries a statement.
ABOUT_VALUES = {
    "tests.test_types_property",
    *(
        f"tests.contracts.{name}"
        for name in [
            "codecs",
            "hostile",
            "model_columns",
            "model_names",
            "model_rows",
            "models",
            "queries",
            "query_changes",
            "query_groups",
            "query_paths",
            "query_related",
            "relations",
            "relations_load",
            "schema",
            "schema_live",
            "types",
            "types_decimal",
            "validation",
        ]
    ),
}


class Handle:
    """A concurrent piece of work: a thread on the sync face, a task on the async one."""

    def __init__(self, join: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._join = join

    async def join(self) -> Any:
        """Wait for the work; return its result or raise its error."""
        return await self._join()


@functools.cache
def spare_collections() -> None:
    """Leave what discovery has loaded, thousands of classes, to the end: each collection would look at all of it."""
    gc.collect()
    gc.freeze()


class ContractCase(unittest.IsolatedAsyncioTestCase):
    """The base that a contract mixin is bound to: `self.backend`, `self.db` and the helpers below."""

    backend_class: type[Backend] = SyncSqlite3
    backend: Backend
    db: Any

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        spare_collections()

    async def asyncSetUp(self) -> None:
        # unittest's loop is in debug mode, which reports every step of 0.1 s and takes three times as long.
        asyncio.get_running_loop().set_debug(False)
        await asyncio.sleep(0)  # it takes effect at the next step
        directory = tempfile.TemporaryDirectory(prefix="mini_orm_test_")
        self.addCleanup(directory.cleanup)
        self.backend = self.backend_class(directory.name)
        self.addCleanup(self.backend.close)
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

    def amount(self, full: int, short: int) -> int:
        """Return how much of a long test this case's backend does."""
        return self.backend.amount(full, short)

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
        self.resume_keys(model)
        return repo

    def resume_keys(self, *models: type) -> None:
        """Have the database give out keys of these models beyond those that were given."""
        for meta in map(model_meta, models):
            if meta.auto is not None:
                self.backend.resume_keys(meta.table, meta.auto.column)

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


def needs(*capabilities: str) -> Callable[[Test], Test]:
    """Bind one test of a contract only to backends that have these capabilities."""

    def mark(test: Test) -> Test:
        test.needs = capabilities  # type: ignore[attr-defined]  # a function takes any attribute
        return test

    return mark


def bind(contract: type, backend: type[Any], case: type = ContractCase) -> Any:
    """Make the test case of one contract on one backend."""
    name = f"{contract.__name__}_{backend.__name__}"
    body: dict[str, Any] = {"backend_class": backend, "__module__": contract.__module__, "__doc__": contract.__doc__}
    for test in dir(contract):
        if not _has(backend, getattr(getattr(contract, test), "needs", ())):
            body[test] = None  # unittest passes over what can't be called
    return where_there_is_a_server(type(name, (contract, case), body), backend)


def where_there_is_a_server(case: Any, backend: type[Any]) -> Any:
    """Have a case skipped, with a reason, where its backend is left out or its server or package is missing."""
    if _is_left_out(backend):
        return unittest.skip("MINI_ORM_TEST_DRIVERS=few leaves this driver out")(case)
    if backend.package is not None and importlib.util.find_spec(backend.package) is None:
        return unittest.skip(f"needs {backend.package}, which ./scripts/test.sh installs where it can be built")(case)
    if backend.server is None or servers.SERVERS[backend.server].from_environment() is not None:
        return case
    return unittest.skip(servers.reason(backend.server))(case)


def _has(backend: type[Any], capabilities: Iterable[str]) -> bool:
    return all(getattr(backend, one, False) for one in capabilities)


def is_repeated(contract: type, backend: type[Any]) -> bool:
    """Whether other backends show all that a contract could find on this one."""
    return getattr(backend, "repeats_values", False) and contract.__module__ in ABOUT_VALUES


def _is_left_out(backend: type[Any]) -> bool:
    """Whether a quick run leaves a backend out: it takes the first drivers, of a server the one that is awaited."""
    return IS_QUICK and not (backend.is_first and (backend.server is None or backend.face == "async"))


def bind_all(
    namespace: dict[str, Any],
    *contracts: type,
    backends: Iterable[type[Any]] = BACKENDS,
    case: type = ContractCase,
) -> None:
    """Put a case for every contract and backend into a test module's namespace, for unittest's discovery."""
    backends = tuple(backends)
    for contract in contracts:
        for backend in backends:
            if is_repeated(contract, backend) or _is_left_out(backend):
                continue
            if _has(backend, getattr(contract, "requires", ())):
                bound = bind(contract, backend, case)
                namespace[bound.__name__] = bound
