"""Runs single statements on one connection, and keeps what must be remembered of it.

Rules of this file:
- Every verb is `async def`, so that an operation is written once. On a blocking connection no verb ever suspends,
  and `drive` runs the whole operation with one `send`.
- `enter` and `leave` stand around each use: they read whether the user has a transaction open before they touch the
  connection's mode, and put the mode back. `blocks` are mini_orm's own transactions and savepoints, `streams` what is
  read in parts inside of them; what an interrupt left of both is undone by the next `enter`.
- No statement runs once a transaction that mini_orm began is gone: it would be committed by itself.
- A driver's error leaves here as one of ours that is also the driver's.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias, TypeVar

from ..._typing import Params, RawParams, Row
from ...errors import (
    ConnectionLost,
    DatabaseError,
    OperationalError,
    QueryTypeError,
    TransactionError,
    translated,
)
from .. import log
from ..dialects import Dialect
from ..drivers import Driver, Result
from .at_once import NOT_INSERTED, affected, new_key, read, send
from .driving import drive as drive  # whoever has an executor needs it
from .registry import Registry

R = TypeVar("R")
#: What runs on a connection, as a plain function (see at_once.py). With three arguments, always: to hand on any number
#: of them takes a tenth of what such an operation costs beside SQLite.
PlainOperation: TypeAlias = "Callable[[Executor, Any, Any, Any], R]"
#: Seconds between two tries for a lock; the last one repeats. SQLite's own handler waits like this.
_PAUSES = (0.001, 0.002, 0.005, 0.010, 0.015, 0.020, 0.025, 0.050)


def awaited(operation: PlainOperation[R]) -> Callable[[Executor, Any, Any, Any], Coroutine[Any, Any, R]]:
    """Make a coroutine function of a plain operation."""

    async def run(executor: Executor, first: Any, second: Any, third: Any) -> R:
        return operation(executor, first, second, third)

    return run


def driven(
    executor: Executor,
    operation: Callable[..., Coroutine[Any, Any, R]],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> R:
    """Run an operation that is a coroutine function, as a plain one."""
    return drive(operation(executor, *args, **kwargs))


class Stopped(BaseException):
    """Ends an operation whose caller was cancelled; never leaves mini_orm."""


class Executor:
    """Runs statements on one connection of a blocking driver."""

    #: Waits for locks by itself, and so may suspend.
    is_patient: ClassVar[bool] = False

    def __init__(
        self, driver: Driver, conn: Any, dialect: Dialect, registry: Registry, *, joined: bool = False
    ) -> None:
        self.driver = driver
        self.conn = conn
        self.dialect = dialect
        self.blocks: list[Any] = []
        self.streams: list[Any] = []
        self.registry = registry
        self.read_only = False
        self.broken: BaseException | None = None
        #: The connection was found to be gone.
        self.is_lost = False
        #: SQL of the user's own ran, which may have left a transaction open, or the session changed.
        self.is_touched = False
        self.cancelled = False
        self.is_declared_joined = joined
        self._errors = driver.errors
        self._cursor: Any = None
        self._mode: Any = None
        self._ready = False
        self._settled = False
        self._has_warned = False
        self._holds_read_only = False
        self._patience: float | None = None
        self._unwinding = False
        self._interrupts = threading.Lock()

    # --- uses ---

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open on the connection, mini_orm's or the user's."""
        try:
            declared = self.is_declared_joined and not self.driver.supports_transaction_state
            return declared or self.driver.in_transaction(self.conn)
        except self._errors as exc:
            raise self.error(exc, None) from exc

    @property
    def is_aborted(self) -> bool:
        """Whether the open transaction has failed, so that a COMMIT of it would be a rollback."""
        return self.driver.is_aborted(self.conn)

    def enter(self) -> None:
        """Begin a use of the connection.

        Raises:
            ConnectionLost: it is closed, or was given up after a failed rollback.
            ConfigurationError: the connection is in a mode that mini_orm can't work with.
        """
        if self.broken is not None:
            message = "this connection was given up, as its state is not known any more; open a new one"
            raise ConnectionLost(message) from self.broken
        try:
            driver, conn = self.driver, self.conn
            if self._settled and not self.blocks and driver.is_fit(conn):
                return
            if self.blocks:
                self._heal()
            if not self._ready:
                self._make_ready()
            if driver.requires_refresh:
                driver.refresh(conn)
            # What `in_transaction` tells, without the steps there: this is a part of every call.
            idle = not driver.in_transaction(conn) and (
                driver.supports_transaction_state or not self.is_declared_joined
            )
            mode = driver.mode(conn)
            if mode is not None:
                if self._mode is None:
                    self._mode = mode
                driver.set_mode(conn, idle=idle)
            if not self._settled:
                self._settle(idle)
        except self._errors as exc:
            raise self.error(exc, None) from exc

    def leave(self) -> None:
        """End a use of the connection: its mode is the user's again."""
        if self._holds_read_only:
            self._drop_read_only()
        mode = self._mode
        if mode is not None:
            try:
                if not self.driver.restore_mode(self.conn, mode):
                    return  # the user's own transaction goes on; a later use puts it back
            except self._errors as exc:
                self.error(exc, None)  # notes a connection that is lost
                log.debug("the mode of a closed connection was not put back")
            self._mode = None

    def _drop_read_only(self) -> None:
        with self._unstopped():
            try:
                self.driver.set_read_only(self._cursor, False)
                self._holds_read_only = False
            except self._errors:
                log.debug("a closed connection has no session to put back")

    def hold_read_only(self) -> None:
        """Make the session refuse writes until `leave`."""
        self._holds_read_only = True  # before: an interrupt may fall between
        self._holds_read_only = self.driver.set_read_only(self._cursor, True)

    def remember(self, models: Iterable[type]) -> None:
        """Note that the schema of `models` is there: from the end of the open transaction on, if it commits."""
        if self.blocks:
            self.blocks[-1].made.update(models)
        elif not self.in_transaction:
            self.registry.ready.update(models)

    def give_up(self, reason: BaseException) -> None:
        """Never use the connection again."""
        self.broken = reason
        self.blocks.clear()
        self.read_only = False

    # --- between two users of a pooled connection ---

    def look(self) -> Any:
        """Make the connection ready, and note what its session looks like to its users, for `reset`."""
        self.enter()
        self.leave()
        try:
            return self.driver.session(self.conn, self._cursor)
        except self._errors as exc:
            raise self.error(exc, None) from exc

    @property
    def is_unfinished(self) -> bool:
        """Whether an interrupt kept a use from its end, which the next `enter` and `leave` make up for."""
        return bool(self.blocks) or self._holds_read_only or self._mode is not None or self._patience is not None

    def undo(self) -> None:
        """Roll back what is open on the connection, whoever opened it."""
        try:
            if self.in_transaction or not self.driver.supports_transaction_state:
                cursor = self.driver.cursor(self.conn)
                cursor.execute("ROLLBACK")
                self._close_cursor(cursor)
        except self._errors as exc:
            raise self.error(exc, None) from exc
        self.blocks.clear()
        self.read_only = False
        self.leave()  # the transaction may have kept the mode from being put back

    def reset(self, session: Any) -> None:
        """Make the session what it was when `look` saw it."""
        try:
            cursor = self.driver.cursor(self.conn)
            self.driver.reset_session(self.conn, cursor, session)
            self._close_cursor(cursor)
        except self._errors as exc:
            raise self.error(exc, None) from exc

    # --- the same where a driver's calls are awaited (see awaiting.py) ---

    async def enter_awaited(self) -> None:
        """Do what `enter` does."""
        self.enter()

    async def leave_awaited(self) -> None:
        """Do what `leave` does."""
        self.leave()

    async def look_awaited(self) -> Any:
        """Do what `look` does."""
        return self.look()

    async def quiesce_awaited(self) -> None:
        """Wait for the end of a statement that the connection's user left in its middle."""

    async def is_left_open(self) -> bool:
        """Tell whether the user left a transaction open."""
        try:
            if self.driver.requires_refresh:
                self.driver.refresh(self.conn)
        except self._errors as exc:
            raise self.error(exc, None) from exc
        return self.in_transaction

    async def undo_awaited(self) -> None:
        """Do what `undo` does."""
        self.undo()

    async def reset_awaited(self, session: Any) -> None:
        """Do what `reset` does."""
        self.reset(session)

    # --- making ready ---

    @property
    def _asks_features(self) -> bool:
        """Whether nobody has asked the server yet for what the dialect wants to know of it."""
        return bool(self.dialect.features_sql) and self.registry.features is None

    def settled(self, dialect: Dialect) -> Dialect:
        """Return a dialect as the server speaks it."""
        return self.registry.settled(dialect)

    def _make_ready(self) -> None:
        self.driver.check(self.conn)
        self.driver.prepare(self.conn)
        self._cursor = self.driver.own_cursor(self.conn)
        self._ready = True

    def _settle(self, idle: bool) -> None:
        if self._asks_features:
            self.registry.features = self._cursor.execute(self.dialect.features_sql).fetchone()
        if idle:
            self.driver.prepare_idle(self.conn)
            self._settled = True
        elif self.driver.requires_idle and not self._has_warned:
            self._has_warned = True
            log.warning("the connection is in a transaction: settings such as foreign keys wait until it is idle")

    def _heal(self) -> None:
        # An interrupt fell into the very lines that undo a transaction. Nobody owns what is open now.
        log.warning("rolling back a transaction that an interrupt left open")
        if self._holds_read_only:
            self._drop_read_only()
        for stream in tuple(self.streams):
            drive(stream.end(with_transaction=True))
        outermost = self.blocks[0].savepoint
        self.blocks.clear()
        self.read_only = False
        if self._ready and self.in_transaction:
            undo = ["ROLLBACK"] if outermost is None else [f"ROLLBACK TO {outermost}", f"RELEASE {outermost}"]
            for sql in undo:
                self._cursor.execute(sql)

    # --- cancellation ---

    def cancel(self) -> None:
        """Make the running operation end soon: its statement is interrupted, and no other one begins."""
        with self._interrupts:
            self.cancelled = True
            if not self._unwinding:
                self.driver.interrupt(self.conn)

    @contextlib.contextmanager
    def _unstopped(self) -> Iterator[None]:
        """Keep `cancel` from the statements inside, which undo something."""
        with self._interrupts:
            self._unwinding = True
        try:
            yield
        finally:
            self._unwinding = False

    def resume(self) -> None:
        """Take statements again, after `cancel`."""
        self.cancelled = False

    # --- statements ---

    def _watch(self) -> None:
        self._check_cancelled()
        self.require_transaction()

    def require_transaction(self) -> None:
        """Refuse to go on where mini_orm's own transaction is gone.

        Raises:
            TransactionError: the database, or raw SQL, ended it.
        """
        if self.blocks and not self.in_transaction:
            raise TransactionError(
                "the transaction is not there any more: the database, or a COMMIT or ROLLBACK in raw SQL, ended it; "
                "nothing more is sent, and nothing after it was committed"
            )

    def _check_cancelled(self) -> None:
        if self.cancelled and not self._unwinding:
            raise Stopped

    def error(self, exc: BaseException, sql: str | None) -> DatabaseError:
        """Translate a driver's error."""
        ours, attributes = self.driver.classify(exc, self.conn)
        if issubclass(ours, ConnectionLost):
            self.is_lost = True
        return translated(ours, exc, sql=sql, **attributes)

    async def _send(
        self, sql: str, params: Any = (), *, many: bool = False, own: Any = None, watch: bool = True
    ) -> Any:
        """Run a statement on the shared cursor, or on `own`, the user's SQL's, which no note shows."""
        if watch and (self.blocks or self.cancelled):
            self._watch()
        cursor = self._cursor if own is None else own
        waited = 0.0
        has_looked = False
        pauses = iter(_PAUSES)
        while True:
            try:
                if many:
                    cursor.executemany(sql, params)  # which gives back nothing in PEP 249
                    return cursor
                return cursor.execute(sql, params)
            except self._errors as exc:
                if not has_looked and self.driver.is_doubtful(exc):
                    has_looked = True
                    await self._send(self.driver.look_sql, own=self.driver.cursor(self.conn), watch=False)
                    continue
                patience = self._patience
                if patience is None and self.driver.is_unwaited(exc):
                    patience = self.driver.busy_timeout(self.driver.cursor(self.conn))
                if patience is None or waited >= patience or not self.driver.is_busy(exc):
                    raise self.error(exc, sql if own is None else None) from exc
            except BaseException:
                if own is None:
                    self._renew_cursor()
                raise
            started = time.monotonic()
            await self._pause(min(next(pauses, _PAUSES[-1]), patience - waited))
            waited += max(time.monotonic() - started, _PAUSES[0])
            self._check_cancelled()

    async def _pause(self, seconds: float) -> None:
        time.sleep(seconds)  # for a lock that the database does not wait for by itself

    def _renew_cursor(self) -> None:
        # A statement that was left in the middle would keep its lock.
        cursor, self._cursor = self._cursor, self.driver.own_cursor(self.conn)
        self._close_cursor(cursor)

    def _close_cursor(self, cursor: Any) -> None:
        try:
            cursor.close()
        except self._errors:
            log.debug("a cursor of a closed connection was not closed")

    async def execute(self, sql: str, params: Params = (), *, writes: bool = True) -> int:
        """Run a statement that writes, or returns nothing; return the rows affected."""
        if writes and self.read_only:
            self.refuse_read_only()
        cursor = await self._send(sql, params) if self.is_patient else send(self, sql, params)
        return affected(cursor)

    async def execute_many(self, sql: str, rows: Sequence[Params]) -> int:
        """Run a statement that writes for each of `rows`; return the rows affected."""
        self.refuse_read_only()
        cursor = await self._send(sql, rows, many=True)
        return affected(cursor)

    async def execute_returning(self, sql: str, params: Params = ()) -> Row:
        """Run a statement that writes one row and returns it."""
        self.refuse_read_only()
        rows = await self.fetch_all(sql, params)
        if not rows:
            raise OperationalError(NOT_INSERTED)
        return rows[0]

    async def insert_row(self, sql: str, params: Params = ()) -> int:
        """Insert one row; return the key that the database gave it."""
        if self.read_only:
            self.refuse_read_only()
        cursor = await self._send(sql, params) if self.is_patient else send(self, sql, params)
        return new_key(cursor)

    async def fetch_one(self, sql: str, params: Params = ()) -> Row | None:
        """Run a query that has one row at most."""
        cursor = await self._send(sql, params) if self.is_patient else send(self, sql, params)
        row: Row | None = read(self, cursor.fetchone, sql)
        return row

    async def fetch_all(self, sql: str, params: Params = ()) -> list[Row]:
        """Run a query; return all rows."""
        cursor = await self._send(sql, params) if self.is_patient else send(self, sql, params)
        rows: list[Row] = read(self, cursor.fetchall, sql)
        return rows

    async def query(self, sql: str, params: RawParams, *, first: bool = False) -> Result:
        """Run the user's own SQL, in the driver's style; with `first` only one row is read."""
        if not isinstance(sql, str):
            raise QueryTypeError(f"SQL is text, got {type(sql).__name__}")
        # Its cursor is its own: it may be the SQL of a model's code that runs in the middle of an operation.
        self.is_touched = True
        cursor = self.driver.cursor(self.conn)
        try:
            await self._send(sql, self.driver.no_params if params is None else params, own=cursor)
            rows: list[Row] = []
            try:
                if cursor.description is not None:
                    row = cursor.fetchone() if first else None
                    rows = ([] if row is None else [row]) if first else cursor.fetchall()
            except self._errors as exc:
                raise self.error(exc, None) from exc
            last_id = cursor.lastrowid if self.dialect.supports_last_id else None
            return Result(rows, cursor.rowcount, last_id, cursor.description)
        finally:
            # Closed here, and not with its last reference, which may be dropped in another thread.
            self._close_cursor(cursor)

    async def command(self, sql: str, *, unwinding: bool = False) -> None:
        """Send BEGIN, COMMIT, SAVEPOINT and their kin. While `unwinding`, no cancellation stops it."""
        if unwinding:
            with self._unstopped():
                await self._send(sql, watch=False)
        else:
            self._check_cancelled()
            await self._send(sql, watch=False)

    def refuse_read_only(self) -> None:
        """Refuse to write in a read-only transaction.

        Raises:
            TransactionError: the transaction is read-only.
        """
        if self.read_only:
            raise TransactionError("this transaction was opened with read_only=True; nothing can be written in it")
