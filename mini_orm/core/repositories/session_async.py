"""`AsyncSession`: the same as `Session`, for asyncio."""

from __future__ import annotations

from types import TracebackType

from ...errors import ConfigurationError, TransactionError
from ..database.database import Operation, P, R
from ..database.database_async import AsyncDatabase, AsyncTransaction
from ..database.transactions import EndedError, Scope
from ..dialects.base import Isolation, check_isolation
from ..schema.policy import Policy
from .repository_async import AsyncUnifiedRepository
from .session import ENTERED_ONCE, NOT_ENTERED, Current, turn


class AsyncSessionDatabase(AsyncDatabase):
    """Async twin of `SessionDatabase`."""

    def __init__(self, db: AsyncDatabase) -> None:
        self.current = Current()
        self._given = db
        self._dialect = db._dialect
        self._is_checked = db._is_checked
        self._runner = db._runner
        self._pool = db._pool
        self._source = db._source
        self._guard = db._guard

    @property
    def _scope(self) -> Scope | None:  # type: ignore[override]  # nobody sets it
        return self.current.scope or self._given._scope

    @property
    def _closed(self) -> bool:
        return self._given._closed

    @_closed.setter
    def _closed(self, closed: bool) -> None:
        self._given._closed = closed

    async def run(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        while True:
            scope = self.current.scope
            try:
                return await super().run(operation, *args, **kwargs)
            except EndedError:
                if scope is None or scope.is_open:
                    raise

    def around(self, scope: Scope | None) -> AsyncDatabase:
        """Async twin of `SessionDatabase.around`."""
        return self._given if scope is None else AsyncDatabase._bound(self._given, scope)


class AsyncSession(AsyncUnifiedRepository):
    """Async twin of `Session`."""

    def __init__(
        self,
        db: AsyncDatabase,
        *,
        auto_schema: bool = False,
        schema_conflict: Policy = "raise",
        require_registration: bool = False,
    ) -> None:
        if not isinstance(db, AsyncDatabase):
            raise ConfigurationError(
                f"an AsyncSession needs an AsyncDatabase (AsyncDatabase(conn)), got {type(db).__name__}"
            )
        self._session_db = AsyncSessionDatabase(db)
        self._entered: AsyncTransaction | None = None
        super().__init__(
            self._session_db,
            auto_schema=auto_schema,
            schema_conflict=schema_conflict,
            require_registration=require_registration,
        )
        self._hub = AsyncUnifiedRepository(
            self._session_db,
            auto_schema=auto_schema,
            schema_conflict=schema_conflict,
            require_registration=require_registration,
        )

    def __repr__(self) -> str:
        return f"AsyncSession({self.db!r})"

    @property
    def db(self) -> AsyncDatabase:
        """Async twin of `Session.db`."""
        return self._session_db.around(self._session_db.current.scope)

    @property
    def hub(self) -> AsyncUnifiedRepository:
        """Async twin of `Session.hub`."""
        return self._hub

    def begin(self, *, isolation: Isolation | None = None, read_only: bool = False) -> AsyncSessionTransaction:
        """Async twin of `Session.begin`."""
        return AsyncSessionTransaction(self, isolation, read_only)

    def transaction(self, *, isolation: Isolation | None = None, read_only: bool = False) -> AsyncSessionTransaction:
        """Async twin of `Session.transaction`."""
        return AsyncSessionTransaction(self, isolation, read_only)

    async def __aenter__(self) -> AsyncSession:
        transaction = AsyncSessionTransaction(self, None, False, alone=True)
        await transaction.__aenter__()
        self._entered = transaction.inner  # as in Session
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        inner, self._entered = self._entered, None
        if inner is None:
            raise TransactionError(NOT_ENTERED)
        await inner.__aexit__(kind, error, trace)


class AsyncSessionTransaction:
    """What `AsyncSession.begin()` returns: an async context manager, for one use."""

    def __init__(
        self, session: AsyncSession, isolation: Isolation | None, read_only: bool, *, alone: bool = False
    ) -> None:
        check_isolation(isolation)
        self.inner: AsyncTransaction | None = None
        self._session = session
        self._isolation = isolation
        self._read_only = read_only
        self._alone = alone

    async def __aenter__(self) -> AsyncSession:
        if self.inner is not None:
            raise TransactionError(ENTERED_ONCE)
        session = self._session
        db, flags = session._session_db, session._flags
        hold = db._hold(db.current.lock)
        try:
            while True:
                around = await turn(db, db.current, hold, flags, alone=self._alone)
                inner = self.inner = db.around(around).transaction(isolation=self._isolation, read_only=self._read_only)
                try:
                    tx = await inner.__aenter__()
                    break
                except EndedError:
                    if around is None or around.is_open:
                        raise
            if around is None:
                db.current.outermost = tx._scope
            hold.release()
        except BaseException:
            hold.release()
            scope = None if self.inner is None else self.inner._scope
            if scope is not None:
                await scope.close(keep=False, wait=False)
            raise
        return session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.inner is None:
            raise TransactionError(NOT_ENTERED)
        await self.inner.__aexit__(kind, error, trace)
