"""What the drivers of MySQL and MariaDB share: errors, cursors, and the settings of a session.

Rules of this file:
- The class of an error is chosen by its number. Names stand in its text alone, which may be in any language: they are
  found by their quotes, and by the SQL that some texts quote.
  Source: https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html and
  https://mariadb.com/kb/en/mariadb-error-code-reference/
- A session is strict while mini_orm uses it, its COMMIT ends a transaction and begins none, and its queries have all
  rows; the user's mode is put back afterwards.
"""

from __future__ import annotations

import re
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..._typing import Row
from ...errors import (
    CheckViolation,
    ConfigurationError,
    ConnectionLost,
    DatabaseError,
    DataError,
    DeadlockDetected,
    ForeignKeyViolation,
    IntegrityError,
    LockTimeout,
    NotNullViolation,
    OperationalError,
    ProgrammingError,
    QueryError,
    SerializationFailure,
    TransactionError,
    UniqueViolation,
)

# --- errors ---

_CLASSES: Mapping[int, type[DatabaseError]] = {
    **dict.fromkeys((1022, 1062, 1169, 1586, 1859), UniqueViolation),
    **dict.fromkeys((1216, 1217, 1451, 1452), ForeignKeyViolation),
    **dict.fromkeys((1048, 1263, 1364), NotNullViolation),
    **dict.fromkeys((3819, 4025), CheckViolation),
    1369: IntegrityError,  # WITH CHECK OPTION
    **dict.fromkeys((1205, 3572), LockTimeout),  # the second: NOWAIT
    **dict.fromkeys((1213, 1614, 3058), DeadlockDetected),
    **dict.fromkeys((1020, 1412, 3101), SerializationFailure),  # MariaDB, a changed table, a group of servers
    **dict.fromkeys((8002, 8005, 8022, 8028, 9007), SerializationFailure),  # TiDB's, from a COMMIT, too
    # Numbers beyond a range, text that is too long, what is no date, no JSON, no UTF-8.
    **dict.fromkeys((167, 1264, 1265, 1292, 1300, 1365, 1366, 1367, 1406, 1411, 1426, 1441, 1525, 1690), DataError),
    **dict.fromkeys((1918, 1977, 3140, 3141, 3156, 3854, 4037, 4038), DataError),
    # Ended by the server, by an administrator, by a timeout, or by the network.
    **dict.fromkeys((1053, 1152, 1153, 1158, 1159, 1160, 1161, 1927, 3032, 3169, 4031), ConnectionLost),
    **dict.fromkeys((2006, 2013, 2014, 2027, 2055), ConnectionLost),
    # SQL that is not understood, and names that are not there.
    **dict.fromkeys((1046, 1049, 1050, 1051, 1052, 1054, 1055, 1059, 1060, 1061, 1064, 1066, 1068), ProgrammingError),
    **dict.fromkeys((1065, 1071, 1072, 1074, 1075, 1091, 1093, 1101, 1103, 1109, 1110, 1111), ProgrammingError),
    **dict.fromkeys((1118, 1136, 1146, 1166, 1170, 1222, 1235, 1241, 1242, 1248, 1305, 1318, 1327), ProgrammingError),
    **dict.fromkeys((1005, 1193, 1215, 1231, 1232, 1273, 1280, 1302, 1436, 1582, 1630, 1709), ProgrammingError),
    **dict.fromkeys((1822, 3734, 3779, 3780), ProgrammingError),
}
# The SQLSTATE of an error with another number, where the package tells it: SIGNAL in a trigger has the user's own.
_GROUPS: Mapping[str, type[DatabaseError]] = {
    "08": ConnectionLost,
    "21": ProgrammingError,
    "22": DataError,
    "23": IntegrityError,
    "40": SerializationFailure,
    "42": ProgrammingError,
}
# What a package raises by itself, by the names of PEP 249.
_PACKAGE_CLASSES: Mapping[str, type[DatabaseError]] = {
    "IntegrityError": IntegrityError,
    "OperationalError": OperationalError,
    "DataError": DataError,
    "ProgrammingError": ProgrammingError,
    "NotSupportedError": ProgrammingError,
    "InterfaceError": ProgrammingError,
    "Error": OperationalError,
}
_QUOTED = re.compile(r"'([^']*)'")
_NAME = r"`((?:[^`]|``)+)`"
_FOREIGN_KEY = re.compile(rf"{_NAME}\.{_NAME}, CONSTRAINT {_NAME} FOREIGN KEY \(([^)]*)\)")
_CHECK = re.compile(rf"{_NAME}[^`]*{_NAME}\.{_NAME}")
_NAMES = re.compile(_NAME)


def number_of(exc: BaseException) -> int | None:
    """Return the number of an error; `None` where the package raised it by itself."""
    number = exc.args[0] if exc.args else None
    return number if type(number) is int and number else None


def classified(exc: BaseException, *, closed: bool, is_mariadb: bool) -> tuple[type[DatabaseError], dict[str, Any]]:
    """Return the class of an error, and `constraint`, `table`, `columns` where its text says.

    Args:
        closed: the connection is closed.
        is_mariadb: names of keys stand without their table's.
    """
    number = number_of(exc)
    if number is None:
        return _class_of_package(exc, closed=closed), {}
    text = str(exc.args[1]) if len(exc.args) > 1 else ""
    ours = _CLASSES.get(number)
    if ours is None:
        state = getattr(exc, "sqlstate", None) or ""
        return _GROUPS.get(state[:2], ConnectionLost if closed else OperationalError), {}
    return ours, _attributes(ours, number, text, is_mariadb=is_mariadb)


def _class_of_package(exc: BaseException, *, closed: bool) -> type[DatabaseError]:
    if closed or isinstance(exc, OSError):
        return ConnectionLost
    if isinstance(exc, UnicodeError | OverflowError):
        return DataError
    names = (base.__name__ for base in type(exc).__mro__)
    return next((_PACKAGE_CLASSES[name] for name in names if name in _PACKAGE_CLASSES), ProgrammingError)


def _attributes(ours: type[DatabaseError], number: int, text: str, *, is_mariadb: bool) -> dict[str, Any]:
    quoted = _QUOTED.findall(text)
    if ours is UniqueViolation and quoted:  # Duplicate entry '…' for key 'table.name'
        table, dot, name = quoted[-1].partition(".")
        return {"table": table, "constraint": name} if dot and not is_mariadb else {"constraint": quoted[-1]}
    if ours is NotNullViolation and quoted:  # Column 'name' cannot be null
        return {"columns": (quoted[0],)}
    if ours is ForeignKeyViolation and (found := _FOREIGN_KEY.search(text)):
        columns = tuple(map(_plain, _NAMES.findall(found[4])))
        return {"table": _plain(found[2]), "constraint": _plain(found[3]), "columns": columns}
    if number == 4025 and (found := _CHECK.search(text)):  # CONSTRAINT `name` failed for `database`.`table`
        return {"constraint": _plain(found[1]), "table": _plain(found[3])}
    if number == 3819 and quoted:  # Check constraint 'name' is violated.
        return {"constraint": quoted[0]}
    return {}


def _plain(name: str) -> str:
    return name.replace("``", "`")


# --- results ---

#: How statements begin that neither open a transaction nor end one.
NEUTRAL = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "SAVEPO", "RELEAS"})

_NUMBER = re.compile(r"\d+")


def matched(sql: str, info: str | bytes | None, affected: int) -> int:
    """Return the rows that an UPDATE matched, which its answer says beside those that it changed; else `affected`.

    Args:
        info: what the server says of a statement, such as `Rows matched: 1  Changed: 0  Warnings: 0`, in its language;
            as bytes its length may stand before it.
    """
    if not info or sql.lstrip()[:6].upper() != "UPDATE":
        return affected
    if isinstance(info, bytes):
        info = info[info[0] == len(info) - 1 :].decode("utf-8", "replace")
    found = _NUMBER.search(info)
    return affected if found is None else int(found[0])


class BufferedCursor(ABC):
    """A cursor that has read a whole answer into plain tuples."""

    __slots__ = ("_place", "_rows", "lastrowid", "rowcount")

    def __init__(self) -> None:
        self._rows: Sequence[Row] = ()
        self._place = 0
        self.lastrowid: int | None = None
        self.rowcount = 0

    @property
    @abstractmethod
    def description(self) -> Any:
        """PEP 249's description of the columns; `None` where the statement returned no rows."""

    @abstractmethod
    def execute(self, sql: str, params: Any = None) -> BufferedCursor:
        """Run a statement, and read its answer; return the cursor."""

    def executemany(self, sql: str, rows: Iterable[Any]) -> None:
        """Run a statement for each of `rows`; the rows affected are added up."""
        affected = 0
        for row in rows:
            affected += self.execute(sql, row).rowcount
        self.rowcount = affected

    def fetchone(self) -> Row | None:
        """Return the next row."""
        if self._place >= len(self._rows):
            return None
        self._place += 1
        return self._rows[self._place - 1]

    def fetchall(self) -> list[Row]:
        """Return the rows that were not fetched yet."""
        rows, self._rows = self._rows, ()
        place, self._place = self._place, 0
        return list(rows[place:] if place else rows)

    def close(self) -> None:
        """Forget the answer."""
        self._rows = ()


# --- sessions ---

#: What mini_orm has its own way of: what SQL means, what follows a COMMIT, and how many rows a query has.
_MODE = ("sql_mode", "completion_type", "sql_select_limit")
_FACTS = (*_MODE, "max_allowed_packet", "character_set_client", "character_set_connection", "character_set_results")
#: Asks for what is to be known of a session before it is used; it reads no table, so that it begins no transaction.
FACTS = f"SELECT {', '.join(f'@@SESSION.{name}' for name in _FACTS)}"
#: A default that counts as none; others are larger.
_ALL_ROWS = 2**63 - 1
#: Modes in which SQL means something else, or '' is NULL.
_HARMFUL = frozenset({"EMPTY_STRING_IS_NULL", "HIGH_NOT_PRECEDENCE", "ORACLE", "PAD_CHAR_TO_FULL_LENGTH"})
_STRICT = frozenset({"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES"})
#: What a statement sets a session's character sets to. In any other than UTF-8 the server would take the end of one
#: character and the beginning of the next for something else, for the end of a literal even.
_SETS = re.compile(rb"\s*SET\s", re.IGNORECASE)
_CHARSET = re.compile(
    rb"(?:(?:SET|,)\s*(?:NAMES|CHARACTER\s+SET|CHARSET)\b"
    rb"|\b(?:character_set_(?:client|connection|results)|collation_connection)\b`?\s*:?=)\s*['\"]?(@?[^\W_]*)",
    re.IGNORECASE,
)
#: What a user may have changed of a session, and `reset_session` puts back.
_VARIABLES = (
    *(*_MODE, "time_zone", "foreign_key_checks", "unique_checks", "sql_safe_updates"),
    *("innodb_lock_wait_timeout", "lock_wait_timeout", "wait_timeout", "group_concat_max_len", "max_sort_length"),
    *("auto_increment_increment", "auto_increment_offset", "lc_messages", "lc_time_names", "div_precision_increment"),
    *("character_set_client", "character_set_results", "collation_connection", "autocommit"),
)


class Session:
    """What is known of a connection's session.

    Attributes:
        own_mode: its mode as the user has it, as what stands in a SET.
        mode: the one that mini_orm works with.
        max_packet: the longest statement that the server takes, in bytes.
        is_busy: a statement was sent, and its answer is not read yet.
        is_reading: rows of an answer are still on their way, and are read in parts.
        is_open: a transaction is open, where the package does not tell.
        is_touched: the user sent something, and may have opened one.
    """

    __slots__ = ("is_busy", "is_open", "is_reading", "is_touched", "max_packet", "mode", "own_mode")

    def __init__(self) -> None:
        self.own_mode = self.mode = ""
        self.max_packet = 0
        self.is_busy = self.is_reading = self.is_open = self.is_touched = False

    def note(self, mode: Sequence[Any]) -> None:
        """Note the user's mode, as `_MODE` names it."""
        sql_mode, completion, limit = str(mode[0]), str(mode[1]), int(mode[2])
        self.own_mode = _settings(sql_mode, completion, limit)
        self.mode = _settings(_fit_mode(sql_mode), "NO_CHAIN", max(limit, _ALL_ROWS))

    @property
    def is_fit(self) -> bool:
        """Whether the user's mode is one that mini_orm works with."""
        return self.mode == self.own_mode

    def check_reading(self) -> None:
        """Refuse to send anything while rows of an answer are on their way.

        Raises:
            TransactionError: they are.
        """
        if self.is_reading:
            raise TransactionError(
                "an iteration reads on this connection, and MySQL takes no other statement until its last row is read; "
                "end it first, or iterate outside of the transaction, on a pool"
            )

    def check(self, sql: str, statement: bytes) -> None:
        """Refuse a statement that would make the server misread the next ones, or close the connection.

        Raises:
            ConfigurationError: it sets another character set than UTF-8.
            QueryError: it is longer than `max_allowed_packet`.
            TransactionError: an iteration reads on the connection.
        """
        self.check_reading()
        if sql[:6] not in NEUTRAL and _SETS.match(statement):
            for found in _CHARSET.finditer(statement):
                check_charset(found[1].decode())
        if len(statement) >= self.max_packet:
            raise QueryError(
                f"the statement has {len(statement)} bytes, and the server's setting max_allowed_packet allows "
                f"{self.max_packet}; raise it, or send less at once"
            )


def _fit_mode(mode: str) -> str:
    modes = [name for name in mode.split(",") if name and name not in _HARMFUL]
    if _STRICT.isdisjoint(modes):
        modes.append("STRICT_TRANS_TABLES")
    fit = ",".join(modes)
    return mode if fit == mode else fit


def _settings(sql_mode: str, completion: str, limit: int) -> str:
    return f"sql_mode = '{sql_mode}', completion_type = '{completion}', sql_select_limit = {limit}"


_sessions: weakref.WeakKeyDictionary[Any, Session] = weakref.WeakKeyDictionary()


def session_of(conn: Any) -> Session | None:
    """Return what is known of a connection's session, once it was asked."""
    return _sessions.get(conn)


def note_session(conn: Any, facts: Sequence[Any]) -> Session:
    """Note what `FACTS` answered; a connection keeps its session for good.

    Raises:
        ConfigurationError: its character set is not UTF-8, whatever the package believes.
    """
    mode, (max_packet, *charsets) = facts[: len(_MODE)], facts[len(_MODE) :]
    for charset in charsets:
        check_charset(str(charset))
    session = _sessions.get(conn)
    if session is None:
        session = _sessions[conn] = Session()
    session.note(mode)
    session.max_packet = int(max_packet)
    return session


def mode_sql(conn: Any, mode: tuple[bool, str] | None, *, autocommit: bool) -> str:
    """Write what puts a connection into mini_orm's mode, or back into `mode`; empty where nothing has to change.

    Args:
        autocommit: may be changed, too, as no transaction is open.
    """
    session = _sessions[conn]
    is_on, settings = (True, session.mode) if mode is None else mode
    parts = [f"autocommit = {is_on:d}"] if autocommit else []
    if not session.is_fit:
        parts.append(settings)
    return f"SET {', '.join(parts)}" if parts else ""


def variables(is_mariadb: bool) -> tuple[str, ...]:
    """Return the names of a session's variables that are put back after its user."""
    word = "tx" if is_mariadb else "transaction"
    return (*_VARIABLES, f"{word}_isolation", f"{word}_read_only")


def variables_sql(names: Sequence[str]) -> str:
    """Ask for the session's variables, and its database."""
    return f"SELECT {', '.join(f'@@SESSION.{name}' for name in names)}, DATABASE()"


def reset_statements(names: Sequence[str], values: Sequence[Any]) -> list[tuple[str, Sequence[Any]]]:
    """Return the statements that put back what `variables_sql` answered, and let go of locks."""
    settings = ", ".join(f"SESSION {name} = %s" for name in names)
    statements: list[tuple[str, Sequence[Any]]] = [("UNLOCK TABLES", ()), ("SELECT RELEASE_ALL_LOCKS()", ())]
    statements.append((f"SET {settings}", values[:-1]))
    if values[-1] is not None:
        database = str(values[-1]).replace("`", "``").replace("%", "%%")
        statements.append((f"USE `{database}`", ()))
    return statements


def note_reset(conn: Any, names: Sequence[str], values: Sequence[Any]) -> None:
    """Note that a session is as `variables_sql` found it: since then its user may have changed what is known of it."""
    _sessions[conn].note([values[names.index(name)] for name in _MODE])


def check_charset(charset: str) -> None:
    """Refuse a connection that can't take all of Unicode.

    Raises:
        ConfigurationError: says what to change.
    """
    if charset.lower() != "utf8mb4":
        raise ConfigurationError(
            f"the connection's character set is {charset}; open it with charset='utf8mb4', and leave it so"
        )
