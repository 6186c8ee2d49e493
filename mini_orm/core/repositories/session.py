"""`Session`: a hub with a transaction, for blocking code.

Rules of this file:
- A session has one transaction at most, and what stands inside of that. It belongs to the session and not to who opened
  it: every call through the session finds it, from any task or thread, and waits for its turn there.
- A call belongs to the innermost transaction that was opened around it, also by the task that it inherited it from. A
  caller who stands outside of all is let into the outermost one.
- The repositories of a session work on a database that looks for the transaction at each call. So they can be kept,
  like the session, before, inside and behind it.
- Who opens the outermost transaction does so alone. Others wait for that, and are inside of it then. It commits when
  their savepoints have ended. Who still waited for it then is behind it, as if the call had come later.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from ...errors import ConfigurationError, TransactionError
from ..database.database import Database, R, Transaction
from ..database.database_async import AsyncDatabase
from ..database.executors import PlainOperation, drive
from ..database.locks import Lock, ThreadHold
from ..database.transactions import EndedError, Scope, _open_scopes
from ..dialects.base import Isolation, check_isolation
from ..schema.policy import Policy
from . import ops_schema
from .ops_schema import Flags
from .repository import UnifiedRepository

ENTERED_ONCE = "a transaction can be entered once; call begin() again"
NOT_ENTERED = "this session's transaction was not entered; use it in a with block"


class Current:
    """Which transaction of a session is open."""

    __slots__ = ("lock", "outermost")

    def __init__(self) -> None:
        #: Held by who opens the outermost transaction.
        self.lock = Lock()
        #: The outermost transaction. One that has ended stays until the next one comes.
        self.outermost: Scope | None = None

    @property
    def scope(self) -> Scope | None:
        """The transaction that a call belongs to here; `None` where the session has none."""
        outermost = self.outermost
        if outermost is None or not outermost.is_open:
            return None
        for scope in reversed(_open_scopes.get()):
            if scope.is_open and (scope is outermost or scope.is_inside(outermost)):
                return scope
        return outermost


class SessionDatabase(Database):
    """What a session's repositories work on: the database that it was made on, or the open transaction."""

    def __init__(self, db: Database) -> None:
        self.current = Current()
        self._given = db
        self._dialect = db._dialect
        self._is_checked = db._is_checked
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

    def _run_at_once(self, operation: PlainOperation[R], first: Any, second: Any, third: Any) -> R:
        while True:
            scope = self.current.scope
            try:
                return super()._run_at_once(operation, first, second, third)
            except EndedError:
                if scope is None or scope.is_open:
                    raise

    def around(self, scope: Scope | None) -> Database:
        """Return the `tx` of a transaction, or the database that was given."""
        return self._given if scope is None else Database._bound(self._given, scope)


class Session(UnifiedRepository):
    """A `UnifiedRepository` with a transaction.

    `with session:` is one transaction, and so is `with session.begin():`. Inside of one `begin()` is a savepoint, and
    `with session:` a `TransactionError`. It belongs to everything that is done through the session, its repositories
    and its `hub`, in any thread; threads take turns, and a commit waits for the savepoints that others have open in it.
    Before and behind it each call is committed when it returns. After an error, which rolls back, the session is as
    good as before.

    A session is cheap: make one for each piece of work, a request for example. Whoever uses it at the same time is in
    its transaction, too.

    Args:
        db: the database. A transaction's `tx`, too: the session's own transactions are savepoints then.
        auto_schema: as for `Repository`. Registered models that nobody has ensured yet are ensured before a transaction
            begins, as some databases commit when they make a table; others inside of it, with their first action.
        schema_conflict: as for `Repository`.
        require_registration: as for `Repository`.

    Raises:
        ConfigurationError: `db` is no `Database`.
        ValueError: `schema_conflict` is none of its values.
    """

    def __init__(
        self,
        db: Database,
        *,
        auto_schema: bool = False,
        schema_conflict: Policy = "raise",
        require_registration: bool = False,
    ) -> None:
        if not isinstance(db, Database):
            raise ConfigurationError(f"a Session needs a Database (Database(conn)), got {type(db).__name__}")
        self._session_db = SessionDatabase(db)
        self._entered: Transaction | None = None
        super().__init__(
            self._session_db,
            auto_schema=auto_schema,
            schema_conflict=schema_conflict,
            require_registration=require_registration,
        )
        self._hub = UnifiedRepository(
            self._session_db,
            auto_schema=auto_schema,
            schema_conflict=schema_conflict,
            require_registration=require_registration,
        )

    def __repr__(self) -> str:
        return f"Session({self.db!r})"

    @property
    def db(self) -> Database:
        """The database that the session was made on; inside of its transaction the `tx`, which ends with it.

        So `session.db.execute` belongs to the transaction like everything else.
        """
        return self._session_db.around(self._session_db.current.scope)

    @property
    def hub(self) -> UnifiedRepository:
        """A `UnifiedRepository` whose actions are the session's, for code that shall begin and commit nothing."""
        return self._hub

    def begin(self, *, isolation: Isolation | None = None, read_only: bool = False) -> SessionTransaction:
        """Open a transaction of the session: `with session.begin():`. It yields the session.

        It commits at the end of the block, and rolls back on any exception, which goes on. Inside of the session's
        transaction it is a savepoint.

        Args:
            isolation: as for `Database.transaction`.
            read_only: as for `Database.transaction`.

        Raises:
            TransactionError: as for `Database.transaction`.
            LockTimeout: another connection kept the database locked.
            SchemaConflictError: `auto_schema`, and the table of a registered model is not as it says.
        """
        return SessionTransaction(self, isolation, read_only)

    def transaction(self, *, isolation: Isolation | None = None, read_only: bool = False) -> SessionTransaction:
        """Do the same as `begin`."""
        return SessionTransaction(self, isolation, read_only)

    def __enter__(self) -> Session:
        transaction = SessionTransaction(self, None, False, alone=True)
        transaction.__enter__()
        self._entered = transaction.inner  # not itself, which refers to the session: it has to go when that goes
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        inner, self._entered = self._entered, None
        if inner is None:
            raise TransactionError(NOT_ENTERED)
        inner.__exit__(kind, error, trace)


class SessionTransaction:
    """What `Session.begin()` returns: a context manager, for one use."""

    def __init__(self, session: Session, isolation: Isolation | None, read_only: bool, *, alone: bool = False) -> None:
        check_isolation(isolation)
        self.inner: Transaction | None = None
        self._session = session
        self._isolation = isolation
        self._read_only = read_only
        self._alone = alone

    def __enter__(self) -> Session:
        if self.inner is not None:
            raise TransactionError(ENTERED_ONCE)
        session = self._session
        db, flags = session._session_db, session._flags
        hold = db._hold(db.current.lock)
        try:
            while True:
                around = drive(turn(db, db.current, hold, flags, alone=self._alone))
                inner = self.inner = db.around(around).transaction(isolation=self._isolation, read_only=self._read_only)
                try:
                    tx = inner.__enter__()
                    break
                except EndedError:
                    if around is None or around.is_open:
                        raise
            if around is None:
                db.current.outermost = tx._scope
            hold.release()
        except BaseException:
            hold.release()
            if self.inner is not None:
                self.inner._abandon()
            raise
        return session

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.inner is None:
            raise TransactionError(NOT_ENTERED)
        self.inner.__exit__(kind, error, trace)


async def turn(
    db: Database | AsyncDatabase, current: Current, hold: ThreadHold, flags: Flags, *, alone: bool
) -> Scope | None:
    """See to what comes before the BEGIN of a session's transaction, and wait until nobody else is about to send it.

    Args:
        db: the session's.
        hold: a claim on `current.lock`; it is had afterwards by who opens the outermost transaction.
        alone: refuse to be a savepoint of the session.

    Returns:
        The session's transaction around the new one; `None` for the outermost.

    Raises:
        TransactionError: waiting would never end; it is refused to be a savepoint.
    """
    around = current.scope
    if around is None:
        is_inside = db._scope_here() is not None
        if flags.auto_schema and not is_inside:
            await _ensure_registered(db, flags)
        try:
            await hold.acquire(0 if is_inside else None)
        except TimeoutError:
            # It may need the very connection that the transaction around has.
            raise TransactionError("another thread or task is about to open this session's transaction") from None
        around = current.scope
    if around is not None:
        hold.release()
        if alone:
            raise TransactionError("this session is in a transaction; session.begin() opens another one inside of it")
    return around


async def _ensure_registered(db: Database | AsyncDatabase, flags: Flags) -> None:
    """Ensure the registered models that nobody has ensured, each by itself: two may have one table."""
    registry = db._registry
    for reference in registry.registered.keyrefs():
        cls = reference()
        if cls is not None and registry.registered.get(cls) and cls not in registry.ready:
            await ops_schema.register(db, [cls], flags, None)
