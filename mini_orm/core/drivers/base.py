"""What executors and scopes ask of a driver package.

Rules of this file:
- A driver has no state: it is told the connection. What it must remember of one is kept by the executor.
- A driver package is imported when a connection of it shows up, never before.
- Nobody outside `drivers/` asks which package it is.
"""

from __future__ import annotations

import importlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ..._typing import Row
from ...errors import ConfigurationError, DatabaseError
from ..dialects import Dialect

if TYPE_CHECKING:
    from array import array

#: Root package and name of a connection's class -> the module here, and the class in it.
_DRIVERS = {
    ("sqlite3", "Connection"): ("sqlite3", "Sqlite3Driver"),
    ("aiosqlite", "Connection"): ("aiosqlite", "AiosqliteDriver"),
    ("psycopg", "Connection"): ("psycopg", "PsycopgDriver"),
    ("psycopg", "AsyncConnection"): ("psycopg_async", "AsyncPsycopgDriver"),
    ("psycopg2", "connection"): ("psycopg2", "Psycopg2Driver"),
    ("asyncpg", "Connection"): ("asyncpg", "AsyncpgDriver"),
    ("asyncpg", "PoolConnectionProxy"): ("asyncpg", "AsyncpgDriver"),
    ("pymysql", "Connection"): ("pymysql", "PyMySQLDriver"),
    ("MySQLdb", "Connection"): ("mysqlclient", "MySQLClientDriver"),
    ("asyncmy", "Connection"): ("asyncmy", "AsyncmyDriver"),
}
#: Packages whose connections are of another name than `Connection`.
_CONNECTIONS = {"psycopg2": "connection"}
#: Packages that another one here stands for.
_INSTEAD = {"aiomysql": "asyncmy", "aiopg": "asyncpg"}


class Result:
    """The outcome of raw SQL, already read.

    Attributes:
        rowcount: rows changed, or rows in the result; never -1.
        lastrowid: the key that the driver tells of the last INSERT, or `None`.
        description: PEP 249's description of the columns, or `None` where the statement returns no rows.
    """

    __slots__ = ("_place", "_rows", "description", "lastrowid", "rowcount")

    def __init__(self, rows: list[Row], rowcount: int, lastrowid: int | None, description: Any) -> None:
        self._rows = rows
        self._place = 0
        self.description = description
        self.rowcount = rowcount if rowcount >= 0 else len(rows)
        self.lastrowid = lastrowid

    def fetchone(self) -> Row | None:
        """Return the next row as a tuple, or `None` after the last."""
        if self._place >= len(self._rows):
            return None
        self._place += 1
        return self._rows[self._place - 1]

    def fetchall(self) -> list[Row]:
        """Return the rows that were not fetched yet."""
        rows = self._rows[self._place :]
        self._place = len(self._rows)
        return rows

    def __iter__(self) -> Iterator[Row]:
        while (row := self.fetchone()) is not None:
            yield row


class Driver(ABC):
    """How one Python package runs SQL. The connection is always the raw one that statements run on."""

    name: ClassVar[str]
    #: `Database` can use it; otherwise only `AsyncDatabase`.
    is_blocking: ClassVar[bool] = True
    #: Its statements are awaited one by one (see awaited.py).
    is_awaited: ClassVar[bool] = False
    #: `interrupt` sends a message and waits for its answer.
    uses_network_to_interrupt: ClassVar[bool] = False
    #: Whether a transaction is open can be read from the connection.
    supports_transaction_state: ClassVar[bool] = True
    #: Settings wait until no transaction is open (see `prepare_idle`).
    requires_idle: ClassVar[bool] = False
    #: What `in_transaction` reads may be out of date when a use begins, and `refresh` asks the server.
    requires_refresh: ClassVar[bool] = False
    #: Reads the schema anew, or fails where another has it locked.
    look_sql: ClassVar[str] = ""
    #: What a cursor takes for "no parameters", so that it leaves the text as it is.
    no_params: ClassVar[Any] = None
    #: What the package, or the connection, raises for the database.
    errors: ClassVar[tuple[type[BaseException], ...]]

    @abstractmethod
    def dialect(self) -> Dialect:
        """Return the dialect that goes with the driver."""

    @abstractmethod
    def raw(self, conn: Any) -> Any:
        """Return the blocking connection under `conn`.

        Raises:
            ConfigurationError: it is not open yet.
        """

    @abstractmethod
    def check(self, conn: Any) -> None:
        """Refuse a raw connection in a mode that mini_orm can't work with.

        Raises:
            ConfigurationError: says what to change.
        """

    def prepare(self, conn: Any) -> None:
        """Make a raw connection ready, once, in the thread that uses it."""
        return

    def prepare_idle(self, conn: Any) -> None:
        """Make the settings that the database takes only outside of a transaction, once."""
        return

    @abstractmethod
    def cursor(self, conn: Any) -> Any:
        """Make a cursor that returns plain tuples, whatever the user set on the connection."""

    def own_cursor(self, conn: Any) -> Any:
        """Make the cursor for compiled SQL, whose casts say what its values are."""
        return self.cursor(conn)

    def reading_cursor(self, conn: Any) -> Any:
        """Make a cursor for compiled SQL that reads rows from the database when they are fetched."""
        return self.own_cursor(conn)

    def can_load(self, conn: Any) -> bool:
        """Tell whether the connection takes rows in the database's own form just now."""
        return True

    def loader(self, conn: Any) -> Any:
        """Make what has `execute(sql, parts)`, for rows in the database's own form, and a `rowcount` afterwards."""
        raise NotImplementedError("this database takes no rows in a form of its own")

    def check_reading(self, conn: Any) -> None:
        """Refuse to send anything while rows are read in parts, where the database takes nothing then.

        Raises:
            TransactionError: an iteration reads on the connection.
        """
        return

    def real_array(self, values: array[float]) -> Any:
        """Return what a mark `%s::real[]` takes for numbers of float32, in the quickest form that there is."""
        raise NotImplementedError("this database has no arrays")

    @abstractmethod
    def in_transaction(self, conn: Any) -> bool:
        """Tell whether a transaction is open on the raw connection."""

    def refresh(self, conn: Any) -> None:
        """Bring up to date what `in_transaction` reads, where `requires_refresh`."""
        return

    def is_aborted(self, conn: Any) -> bool:
        """Tell whether the open transaction has failed, so that all it takes is a rollback."""
        return False

    def is_fit(self, conn: Any) -> bool:
        """Tell at a glance that the connection is in mini_orm's mode; `False` where that takes a closer look."""
        return False

    @abstractmethod
    def mode(self, conn: Any) -> Any:
        """Return what of the connection's mode mini_orm would change; `None` where nothing has to change."""

    @abstractmethod
    def set_mode(self, conn: Any, *, idle: bool) -> None:
        """Put the connection into mini_orm's mode; into autocommit only if it is `idle`."""

    @abstractmethod
    def restore_mode(self, conn: Any, mode: Any) -> bool:
        """Put back what `mode` returned; `False` where that has to wait for the end of a transaction."""

    @abstractmethod
    def classify(self, exc: BaseException, conn: Any) -> tuple[type[DatabaseError], dict[str, Any]]:
        """Return the class of an error, and `constraint`, `table`, `columns` where the database says."""

    def is_busy(self, exc: BaseException) -> bool:
        """Tell whether the statement failed because of another's lock, and may be tried again as it is."""
        return False

    def is_unwaited(self, exc: BaseException) -> bool:
        """Tell whether it is a lock that the database does not wait for, whatever its timeout."""
        return False

    def is_doubtful(self, exc: BaseException) -> bool:
        """Tell whether the error may be said of an old schema: `look_sql` waits for the new one."""
        return False

    def is_bound_elsewhere(self, conn: Any) -> bool:
        """Tell whether the connection refuses to be used in this thread."""
        return False

    def set_read_only(self, cursor: Any, on: bool) -> bool:
        """Make the session refuse writes, where BEGIN does not say so; return whether that changed anything."""
        return False

    @abstractmethod
    def session(self, conn: Any, cursor: Any) -> Any:
        """Return what of the session a user may change, for `reset_session` to put back."""

    @abstractmethod
    def reset_session(self, conn: Any, cursor: Any, session: Any) -> None:
        """Put back what `session` returned."""

    def refuse_pool(
        self, connect: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], *, check_threads: bool
    ) -> None:
        """Refuse to open several connections so.

        Raises:
            ValueError: they would not be connections to one database, or not be fit for several threads.
        """
        return  # a server's connections are

    @abstractmethod
    def interrupt(self, conn: Any) -> None:
        """Interrupt the statement that runs, from any thread."""

    @abstractmethod
    def close(self, conn: Any) -> None:
        """Close the raw connection."""

    def hop(self, conn: Any) -> Callable[[Callable[[], Any]], Any] | None:
        """Return the async function that runs a call in the connection's own thread, if it has one."""
        return None

    def loop(self, conn: Any) -> Any:
        """Return the event loop that an awaited connection belongs to; `None` where it does not say."""
        return None

    async def aclose(self, conn: Any) -> None:
        """Close a connection that has to be awaited."""
        raise NotImplementedError

    def busy_timeout(self, cursor: Any) -> float:
        """Return how long a statement waits for a lock that another try may get, in seconds."""
        return 0.0

    def set_busy_timeout(self, cursor: Any, seconds: float) -> None:
        """Set how long a statement waits for a lock that another try may get, in seconds."""
        return

    def check_dialect(self, dialect: Dialect) -> None:
        """Refuse a dialect of another database.

        Raises:
            ConfigurationError: the connection speaks another dialect.
        """
        own = self.dialect().name
        if dialect.name != own:
            raise ConfigurationError(f"a {self.name} connection speaks {own}, not {dialect.name or type(dialect)}")


def _driver(root: str, name: str) -> Driver | None:
    found = _DRIVERS.get((root, name))
    if found is None:
        return None
    module = importlib.import_module(f"{__package__}.{found[0]}")
    driver: Driver = getattr(module, found[1])()
    return driver


def driver_of(conn: Any) -> Driver:
    """Find the driver of a connection by its class, subclasses included.

    Raises:
        ConfigurationError: it is no connection that mini_orm knows.
    """
    for base in type(conn).__mro__:
        found = _driver(base.__module__.partition(".")[0], base.__name__)
        if found is not None:
            return found
    hint = ""
    instead = _INSTEAD.get(type(conn).__module__.partition(".")[0])
    if instead is not None:
        hint = f"; open it with {instead}"
    elif inspect.isawaitable(conn):
        hint = "; await it first"
    elif isinstance(conn, str) and "://" in conn:
        hint = "; connect(url) takes a URL: Database.connect(url), await AsyncDatabase.connect(url)"
    elif isinstance(conn, str | bytes):
        hint = "; open it first, for example sqlite3.connect(path)"
    known = sorted({package for package, _ in _DRIVERS})
    raise ConfigurationError(f"a database needs a connection of {' or '.join(known)}, got {type(conn).__name__}{hint}")


def is_connection(value: object) -> bool:
    """Tell whether it is a connection that mini_orm knows."""
    return any((base.__module__.partition(".")[0], base.__name__) in _DRIVERS for base in type(value).__mro__)


def driver_of_connect(connect: Callable[..., Any]) -> Driver | None:
    """Find the driver whose connections a function opens: its package's own `connect`, or a connection's class."""
    if getattr(connect, "__name__", None) in ("connect", "Connect"):
        owner = getattr(connect, "__self__", None)  # psycopg.connect is a method of its class
        if not isinstance(owner, type):
            # sqlite3.connect says that it is of _sqlite3.
            return _driver_of_package((getattr(connect, "__module__", None) or "").partition(".")[0].lstrip("_"))
        connect = owner
    if not isinstance(connect, type):
        return None
    bases = ((base.__module__.partition(".")[0], base.__name__) for base in connect.__mro__)
    return next((found for found in (_driver(*base) for base in bases) if found is not None), None)


def driver_of_error(exc: BaseException) -> Driver | None:
    """Find the driver whose package raised an error, by the class of the error and its bases."""
    roots = (base.__module__.partition(".")[0] for base in type(exc).__mro__)
    return next((found for found in map(_driver_of_package, roots) if found is not None), None)


def _driver_of_package(root: str) -> Driver | None:
    return _driver(root, _CONNECTIONS.get(root, "Connection"))
