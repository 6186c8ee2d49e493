"""Values of MySQL and MariaDB: how they are written into a statement, and how they are read.

Rules of this file:
- The packages put values into the text of a statement, in the client. Here that is done for all of them, whatever
  encoders the user gave a connection; a session that takes the backslash for a character like any other
  (`NO_BACKSLASH_ESCAPES`) is minded.
- What is read is decoded here, too: nothing that the user set on a connection changes a result.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

# --- values that are written ---


class Unfit(Exception):
    """A value, or the values of a statement, that can't be written; the drivers make it an error of their package's."""

    def __init__(self, message: str, *, is_data: bool = False) -> None:
        super().__init__(message)
        self.is_data = is_data


def bound(sql: str, params: Any, *, backslashes: bool) -> bytes:
    """Put values into a statement's text; without `params` the text stands as it is.

    Args:
        backslashes: the session takes a backslash in a literal for the begin of an escape.

    Raises:
        Unfit: a value has no form in SQL, or the values are not those that the text asks for.
    """
    try:
        text = sql.encode()
        if params is None:
            return text
        literals = _ESCAPED if backslashes else _DOUBLED
        if isinstance(params, Mapping):
            return text % {str(name).encode(): _literal(value, literals) for name, value in params.items()}
        if isinstance(params, str | bytes) or not isinstance(params, Sequence):
            raise Unfit("parameters are a list or a tuple, for %s, or a mapping, for %(name)s")
        return text % tuple([_literal(value, literals) for value in params])
    except UnicodeError as exc:
        raise Unfit("a text has characters that UTF-8 does not have", is_data=True) from exc
    except (TypeError, ValueError, KeyError) as exc:
        raise Unfit(
            "the values do not fit the SQL: the mark of a value is %s, or %(name)s with a mapping, each has its value, "
            "and a percent sign in SQL that has values is %%"
        ) from exc


_Literals = Mapping[type, Callable[[Any], bytes]]


def _literal(value: Any, literals: _Literals) -> bytes:
    write = literals.get(type(value))
    if write is None:
        if isinstance(value, list | tuple | set | frozenset):
            return b"(%s)" % b",".join([_literal(item, literals) for item in value or (None,)])
        write = next((literals[base] for base in type(value).__mro__ if base in literals), None)
        if write is None:
            raise Unfit(f"a value of the type {type(value).__name__} can't be bound")
    return write(value)


def _escaped_text(value: str) -> bytes:
    return b"'%s'" % value.encode().replace(b"\\", b"\\\\").replace(b"'", b"\\'")


def _doubled_text(value: str) -> bytes:
    return b"'%s'" % value.encode().replace(b"'", b"''")


def _escaped_bytes(value: Any) -> bytes:
    return b"_binary'%s'" % bytes(value).replace(b"\\", b"\\\\").replace(b"'", b"\\'")


def _doubled_bytes(value: Any) -> bytes:
    return b"_binary'%s'" % bytes(value).replace(b"'", b"''")


def _float(value: float) -> bytes:
    text = float.__repr__(value)
    if text in ("nan", "inf", "-inf"):
        raise Unfit("the database has no infinite numbers, and no NaN", is_data=True)
    return (text if "e" in text else f"{text}e0").encode()  # without an exponent it would be a NUMERIC


def _decimal(value: Decimal) -> bytes:
    if not value.is_finite():
        raise Unfit("the database has no infinite numbers, and no NaN", is_data=True)
    return format(value, "f").encode()


def _datetime(value: dt.datetime) -> bytes:
    if value.tzinfo is not None:
        raise Unfit("a DATETIME has no time zone: bind a naive datetime, in UTC", is_data=True)
    return b"'%s'" % value.isoformat(" ").encode()


def _time(value: dt.time) -> bytes:
    if value.tzinfo is not None:
        raise Unfit("a TIME has no time zone: bind a naive time", is_data=True)
    return b"'%s'" % value.isoformat().encode()


def _timedelta(value: dt.timedelta) -> bytes:
    microseconds = abs(value) // dt.timedelta(microseconds=1)
    seconds, microseconds = divmod(microseconds, 1_000_000)
    sign = "-" if value < dt.timedelta() else ""
    return f"'{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{microseconds:06}'".encode()


def _null(value: None) -> bytes:
    return b"NULL"


def _int(value: int) -> bytes:
    return b"%d" % value


def _date(value: dt.date) -> bytes:
    return b"'%s'" % value.isoformat().encode()


def _uuid(value: UUID) -> bytes:
    return b"'%s'" % str(value).encode()


_COMMON: _Literals = {
    type(None): _null,
    bool: _int,
    int: _int,
    float: _float,
    Decimal: _decimal,
    dt.datetime: _datetime,
    dt.date: _date,
    dt.time: _time,
    dt.timedelta: _timedelta,
    UUID: _uuid,
}
_ESCAPED: _Literals = {
    **_COMMON,
    str: _escaped_text,
    **dict.fromkeys((bytes, bytearray, memoryview), _escaped_bytes),
}
_DOUBLED: _Literals = {
    **_COMMON,
    str: _doubled_text,
    **dict.fromkeys((bytes, bytearray, memoryview), _doubled_bytes),
}

# --- values that are read ---


def _read_datetime(text: str) -> dt.datetime | str:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return text  # such as 0000-00-00, which Python has no date for


def _read_date(text: str) -> dt.date | str:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return text


def _read_time(text: str) -> dt.timedelta:
    hours, minutes, seconds = text.lstrip("-").split(":")
    whole, _, fraction = seconds.partition(".")
    value = dt.timedelta(
        hours=int(hours), minutes=int(minutes), seconds=int(whole), microseconds=int(fraction.ljust(6, "0"))
    )
    return -value if text[0] == "-" else value


#: Number of a type in the protocol -> what reads its text. Those that are not here stay text, or bytes.
#: Source: https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html
DECODERS: dict[int, Callable[[str], Any]] = {
    **dict.fromkeys((1, 2, 3, 8, 9, 13), int),
    **dict.fromkeys((4, 5), float),
    **dict.fromkeys((0, 246), Decimal),
    **dict.fromkeys((7, 12), _read_datetime),
    10: _read_date,
    11: _read_time,
}
