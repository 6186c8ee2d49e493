"""Drivers whose calls are awaited one by one, in the event loop that the connection was opened in.

Rules of this file:
- A verb here is one statement; `database/awaiting.py` calls them.
- A caller may be cancelled at any await. Then the package cancels its statement, and `quiesce` waits for the end of
  that: before it, nobody can tell whether a transaction is open.
- What Driver asks of blocking connections alone (cursors, interrupts, locks) is never asked here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NoReturn

from ..._typing import Params, RawParams, Row
from .base import Driver, Result


class AwaitedDriver(Driver):
    """How one Python package runs SQL that is awaited."""

    is_blocking = False
    is_awaited = True
    #: A statement bears one cancellation, and a second one would cost the connection.
    requires_task: ClassVar[bool] = False
    #: It bears that one. Else it is left alone until the server has answered.
    supports_cancel: ClassVar[bool] = True

    def is_timed(self, conn: Any) -> bool:
        """Tell whether the package itself cancels the task that a statement runs in, after some time."""
        return False

    async def prepare_awaited(self, conn: Any) -> None:
        """Do what `prepare` does."""

    def is_stale(self, conn: Any, *, begins: bool) -> bool:
        """Tell whether what `in_transaction` reads may be out of date, so that `refresh_awaited` asks the server.

        Args:
            begins: a use begins, and the user had the connection before it.
        """
        return False

    async def refresh_awaited(self, conn: Any) -> None:
        """Bring up to date what `in_transaction` reads."""

    @abstractmethod
    async def execute(self, conn: Any, sql: str, params: Params) -> int:
        """Run a statement that writes; return the rows affected."""

    async def insert(self, conn: Any, sql: str, params: Params) -> tuple[int, int]:
        """Insert; return the rows inserted, and the key that the database gave to the first."""
        raise NotImplementedError("this database's INSERT returns its keys")

    @abstractmethod
    async def execute_many(self, conn: Any, sql: str, rows: Sequence[Params]) -> int:
        """Run a statement that writes for each of `rows`; return the rows affected."""

    @abstractmethod
    async def fetch_one(self, conn: Any, sql: str, params: Params) -> Row | None:
        """Run a query that has one row at most."""

    @abstractmethod
    async def fetch_all(self, conn: Any, sql: str, params: Params) -> list[Row]:
        """Run a query; return all rows."""

    async def load(self, conn: Any, sql: str, parts: Iterable[bytes]) -> int:
        """Run a statement that takes rows in the database's own form; return how many it stored."""
        raise NotImplementedError("this database takes no rows in a form of its own")

    async def begin_reading(self, conn: Any, sql: str, params: Params) -> Any:
        """Run a query whose rows are read in parts, and by `read_part`."""
        raise NotImplementedError("this database reads in parts by SQL")

    async def read_part(self, conn: Any, reading: Any, size: int) -> list[Row]:
        """Return the next rows of what `begin_reading` returned: `size` of them, or fewer at the end."""
        raise NotImplementedError

    async def end_reading(self, conn: Any, reading: Any) -> None:
        """Let go of the rows that are left."""
        raise NotImplementedError

    @abstractmethod
    async def query(self, conn: Any, sql: str, params: RawParams) -> Result:
        """Run the user's own SQL, in the package's style."""

    @abstractmethod
    async def query_first(self, conn: Any, sql: str, params: RawParams) -> Result:
        """Run the user's own SQL, of whose rows one is wanted."""

    @abstractmethod
    async def command(self, conn: Any, sql: str) -> str:
        """Send BEGIN, COMMIT and their kin; return what the database says that it did."""

    def aborts(self, exc: BaseException) -> bool:
        """Tell whether an error makes the open transaction useless, where `is_aborted` can't read that."""
        return False

    @abstractmethod
    async def quiesce(self, conn: Any) -> None:
        """Wait until the connection is done with a statement that nobody waits for any more."""

    @abstractmethod
    async def put_mode(self, conn: Any, mode: Any) -> None:
        """Put back what `mode` returned; `None` stands for mini_orm's own mode."""

    @abstractmethod
    async def read_session(self, conn: Any) -> Any:
        """Return what of the session a user may change, for `put_session` to put back."""

    @abstractmethod
    async def put_session(self, conn: Any, session: Any) -> None:
        """Put back what `read_session` returned."""

    # --- what is asked of blocking connections alone ---

    def cursor(self, conn: Any) -> NoReturn:
        raise NotImplementedError

    def set_mode(self, conn: Any, *, idle: bool) -> NoReturn:
        raise NotImplementedError

    def restore_mode(self, conn: Any, mode: Any) -> NoReturn:
        raise NotImplementedError

    def session(self, conn: Any, cursor: Any) -> NoReturn:
        raise NotImplementedError

    def reset_session(self, conn: Any, cursor: Any, session: Any) -> NoReturn:
        raise NotImplementedError

    def interrupt(self, conn: Any) -> NoReturn:
        raise NotImplementedError

    def close(self, conn: Any) -> NoReturn:
        raise NotImplementedError
