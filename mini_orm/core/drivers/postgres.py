"""What all drivers of PostgreSQL share: what its error codes stand for, and how a session is put back.

Rules of this file:
- The class of an error is chosen by its SQLSTATE: the whole code, or else its first two characters. An error that
  has none is the package's own, and the connection's state tells whether it is gone.
  Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
- Names come from the fields of the error's report. Only the columns of a unique key have none: they stand in its
  detail, `Key (email)=(…) already exists.`, in any language in the first parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import (
    CheckViolation,
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
    SerializationFailure,
    UniqueViolation,
)

_CLASSES: dict[str, type[DatabaseError]] = {
    "23505": UniqueViolation,
    "23P01": IntegrityError,  # an exclusion constraint
    "23503": ForeignKeyViolation,
    "23502": NotNullViolation,
    "23514": CheckViolation,
    "40001": SerializationFailure,
    "40P01": DeadlockDetected,
    "55P03": LockTimeout,
    "57P01": ConnectionLost,  # the administrator, or the server's end
    "57P02": ConnectionLost,
    "57P03": ConnectionLost,
    "57P05": ConnectionLost,  # idle_session_timeout
    "25P03": ConnectionLost,  # idle_in_transaction_session_timeout
    "25P04": ConnectionLost,  # transaction_timeout
    "42501": OperationalError,  # no permission
}
_GROUPS: dict[str, type[DatabaseError]] = {
    "08": ConnectionLost,
    "0A": ProgrammingError,  # a feature that is not there
    "21": ProgrammingError,
    "22": DataError,
    "23": IntegrityError,
    "26": ProgrammingError,
    "34": ProgrammingError,
    "3D": ProgrammingError,
    "3F": ProgrammingError,
    "42": ProgrammingError,
    "44": IntegrityError,  # WITH CHECK OPTION
}
# What a package raises by itself, by the names of PEP 249.
_PACKAGE_CLASSES: dict[str, type[DatabaseError]] = {
    "IntegrityError": IntegrityError,
    "OperationalError": OperationalError,
    "DataError": DataError,
    "ProgrammingError": ProgrammingError,
    "NotSupportedError": ProgrammingError,
    "InterfaceError": ProgrammingError,
    "Error": OperationalError,
}
_NAME = r'(?:"(?:[^"]|"")+"|[^"(),=]+)'
_KEY = re.compile(rf"\(({_NAME}(?:, {_NAME})*)\)=\(")
_NAMES = re.compile(rf"({_NAME})(?:, |$)")

#: What puts a session back to what it was at its start. Source: https://www.postgresql.org/docs/current/sql-discard.html
RESET: Sequence[str] = ("SET SESSION AUTHORIZATION DEFAULT", "RESET ALL", "UNLISTEN *")
#: Asks for what SQL's own PREPARE left behind. DEALLOCATE ALL would take the driver's own statements, too: psycopg does
#: not notice it each time.
PREPARED = "SELECT quote_ident(name) FROM pg_prepared_statements WHERE from_sql"
#: What tells that the open transaction has failed.
ABORTED = "25P02"


def deallocated(rows: Iterable[Any]) -> list[str]:
    """Return the statements that take away what `PREPARED` found."""
    return [f"DEALLOCATE {name}" for (name,) in rows]


def class_of(sqlstate: str | None) -> type[DatabaseError] | None:
    """Return the class of an error code; `None` where there is none."""
    if not sqlstate:
        return None
    return _CLASSES.get(sqlstate) or _GROUPS.get(sqlstate[:2]) or OperationalError


def class_of_package(exc: BaseException, *, closed: bool) -> type[DatabaseError]:
    """Return the class of an error without a code: the package's own, or Python's for parameters that don't fit."""
    if closed or isinstance(exc, OSError):
        return ConnectionLost
    if isinstance(exc, UnicodeError | OverflowError):
        return DataError
    names = (base.__name__ for base in type(exc).__mro__)
    return next((_PACKAGE_CLASSES[name] for name in names if name in _PACKAGE_CLASSES), ProgrammingError)


def attributes_of(report: Any, sqlstate: str | None, detail: str | None) -> dict[str, Any]:
    """Return `constraint`, `table` and `columns` of an error that is about a constraint.

    Args:
        report: what has `constraint_name`, `table_name` and `column_name`.
        detail: the report's detail, which tells the columns of a unique key.
    """
    if sqlstate is None or not sqlstate.startswith("23"):
        return {}
    column = report.column_name
    columns = (column,) if column else _key_columns(detail or "") if sqlstate == "23505" else None
    return {"constraint": report.constraint_name, "table": report.table_name, "columns": columns}


def _key_columns(detail: str) -> tuple[str, ...] | None:
    """Read `Key (a, "B c")=(1, 2) already exists.`; `None` where an expression stands in the key."""
    found = _KEY.search(detail)
    if found is None:
        return None
    names = _NAMES.findall(found[1])
    return tuple(name[1:-1].replace('""', '"') if name.startswith('"') else name for name in names)
