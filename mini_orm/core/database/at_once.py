"""Single statements in plain functions, where the driver blocks and the database waits for locks by itself.

Rules of this file:
- They do what the executor's verbs of the same names do, which call them where they can. A coroutine more for each
  call shows where the statement itself takes microseconds, as on SQLite.
- None is called on an executor that is patient, or whose driver is awaited: a blocking database has neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..._typing import Params, Row
from ...errors import OperationalError, TransactionError
from .driving import drive

if TYPE_CHECKING:
    from .executors import Executor

R = TypeVar("R")
NOT_INSERTED = "the database took the statement and inserted no row; a trigger may have ignored it"


def send(executor: Executor, sql: str, params: Any = ()) -> Any:
    """Run a statement on the shared cursor, and return that."""
    if executor.cancelled:
        executor._check_cancelled()
    try:
        if executor.blocks and not executor.driver.in_transaction(executor.conn):
            executor.require_transaction()
        return executor._cursor.execute(sql, params)
    except executor._errors as exc:
        if executor.driver.is_unwaited(exc) or executor.driver.is_doubtful(exc):
            return drive(executor._send(sql, params))
        raise executor.error(exc, sql) from exc
    except TransactionError:
        raise  # nothing was sent
    except BaseException:
        executor._renew_cursor()
        raise


def execute(executor: Executor, sql: str, params: Params = ()) -> int:
    """Run a statement that writes; return the rows affected."""
    if executor.read_only:
        executor.refuse_read_only()
    return affected(send(executor, sql, params))


def insert_row(executor: Executor, sql: str, params: Params = ()) -> int:
    """Insert one row; return the key that the database gave it."""
    if executor.read_only:
        executor.refuse_read_only()
    return new_key(send(executor, sql, params))


def fetch_one(executor: Executor, sql: str, params: Params = ()) -> Row | None:
    """Run a query that has one row at most."""
    row: Row | None = read(executor, send(executor, sql, params).fetchone, sql)
    return row


# --- what is read from the cursor of a statement that ran ---


def affected(cursor: Any) -> int:
    """Return the number of rows."""
    count: int = cursor.rowcount
    return count if count > 0 else 0


def new_key(cursor: Any) -> int:
    """Return the key of the new row.

    Raises:
        OperationalError: there is none.
    """
    if cursor.rowcount == 0:
        raise OperationalError(NOT_INSERTED)
    return int(cursor.lastrowid or 0)


def read(executor: Executor, fetch: Callable[[], R], sql: str) -> R:
    """Return what a cursor's `fetchone` or `fetchall` returns."""
    try:
        return fetch()
    except executor._errors as exc:
        raise executor.error(exc, sql) from exc
    except BaseException:
        executor._renew_cursor()
        raise
