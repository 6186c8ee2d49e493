"""SQLite 3.35 and later.

Rules of this file:
- The declared type carries the kind and has the affinity that keeps the value as it is written (TEXT for text
  forms). Source: https://www.sqlite.org/datatype3.html, section 3.1.
- What SQLite can't do by value, functions do that the driver registers on every connection: `mini_orm_ilike`,
  `mini_orm_decimal_add` / `_sub` / `_mul`, `mini_orm_bits`, `mini_orm_int`, `mini_orm_startswith` / `_endswith`,
  and the collation `mini_orm_decimal`.
"""

from __future__ import annotations

import dataclasses
import json
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...errors import ModelError
from ..codecs import make_codec
from ..columns import ColumnType
from ..json_values import Refused
from .base import Dialect, Match

_DECIMAL_FUNCTIONS = {"+": "mini_orm_decimal_add", "-": "mini_orm_decimal_sub", "*": "mini_orm_decimal_mul"}
_ORDERING = ("<", "<=", ">", ">=", "BETWEEN", "ORDER")


class SQLiteDialect(Dialect):
    """SQL as SQLite spells it."""

    name = "sqlite"
    paramstyle = "qmark"
    supports_reserved_keys = True
    supports_last_id = True
    # yyStackDepth is 100 up to SQLite 3.45; the statement around the filter takes some.
    max_stack = 88
    auto_key = "INTEGER PRIMARY KEY"
    no_limit = "-1"
    # Only a table that another program made has AUTOINCREMENT: https://www.sqlite.org/autoinc.html, section 3
    key_facts_sql = (
        "SELECT (SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'), "
        "(SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE LIMIT 1)"
    )
    last_key_sql = "SELECT seq FROM sqlite_sequence WHERE name = ? COLLATE NOCASE"
    index_table_sql = "SELECT tbl_name FROM sqlite_master WHERE type = 'index' AND name = ? COLLATE NOCASE"
    # SQLITE_MAX_LIKE_PATTERN_LENGTH is 50,000; a character of GLOB may take 3, and 4 bytes each.
    max_pattern = 4000
    types: ClassVar[Mapping[str, str]] = {
        "int": "INTEGER",
        "bool": "BOOLEAN",
        "float": "REAL",
        "decimal": "NUMERIC_TEXT",
        "str": "TEXT",
        "bytes": "BLOB",
        "datetime": "TIMESTAMP_TEXT",
        "datetime with time zone": "TIMESTAMPTZ_TEXT",
        "date": "DATE_TEXT",
        "time": "TIME_TEXT",
        "timedelta": "DURATION_INTEGER",
        "uuid": "UUID_TEXT",
        "json": "JSON_TEXT",
    }
    forms: ClassVar[Mapping[str, str]] = {
        "bool": "int",
        "float": "no nan",
        "decimal": "text",
        "bytes": "bytes",
        "datetime": "text",
        "date": "text",
        "time": "text",
        "uuid": "text",
        "json": "text",
    }

    def _sized(self, kind: ColumnType, default: str, keyed: bool) -> str:
        if kind.kind == "decimal":
            # Not NUMERIC(p,s): its affinity would turn the text into a float.
            return f"{default}({kind.precision},{kind.scale or 0})" if kind.precision is not None else default
        return super()._sized(kind, default, keyed)

    def default(self, text: str, kind: ColumnType) -> str:
        return f"DEFAULT ({_stored_default(text, kind)})"

    def match(self, op: Match, column: str, mark: str) -> str:
        if op == "LIKE":
            return f"{column} LIKE {mark}"
        if op == "ILIKE":
            return f"mini_orm_ilike({mark}, {column})"
        if op == "LONG STARTSWITH" or op == "LONG ENDSWITH":
            return f"mini_orm_{op[5:].lower()}({column}, {mark})"
        # LIKE ignores the case of ASCII here; GLOB and instr do not. GLOB can use an index for a prefix.
        return f"instr({column}, {mark}) > 0" if op == "CONTAINS" else f"{column} GLOB {mark}"

    def match_value(self, op: Match, text: str) -> str:
        if op not in ("STARTSWITH", "ENDSWITH"):
            return text
        plain = text.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")
        return f"{plain}*" if op == "STARTSWITH" else f"*{plain}"

    def same(self, left: str, right: str, *, negated: bool) -> str:
        return f"{left} IS {'NOT ' if negated else ''}{right}"

    def compared(self, column: str, kind: ColumnType, op: str) -> str:
        # Equal Decimals have one text, so that only an order needs the collation, and = can use any index.
        return f"{column} COLLATE mini_orm_decimal" if kind.kind == "decimal" and op in _ORDERING else column

    def in_many(self, column: str, kind: ColumnType, mark: str, *, negated: bool) -> str:
        # hex(NULL) is '', and NULL is in no list.
        hexed = f"CASE WHEN {column} IS NULL THEN NULL ELSE hex({column}) END"
        left = {"bytes": hexed, "float": f"mini_orm_bits({column})"}.get(kind.kind, column)
        return f"{left} {'NOT ' if negated else ''}IN (SELECT value FROM json_each({mark}))"

    def many_value(self, kind: ColumnType, values: Sequence[Any]) -> str:
        if kind.kind == "bytes":
            return json.dumps([value.hex().upper() for value in values])
        if kind.kind == "float":
            # The text of a float is not always read back to the last bit.
            return json.dumps([float_bits(value) for value in values])
        return json.dumps(values, ensure_ascii=False)

    def arithmetic(self, left: str, operator: str, right: str, kind: str) -> str:
        if kind == "decimal":
            return f"{_DECIMAL_FUNCTIONS[operator]}({left}, {right})"
        return super().arithmetic(left, operator, right, kind)

    def assigned(self, sql: str, kind: ColumnType) -> str:
        if kind.kind == "int":
            return f"mini_orm_int({sql})"
        if kind.kind == "decimal" and kind.precision is not None:
            return f"mini_orm_decimal_fit({sql}, {kind.precision}, {kind.scale or 0})"
        return sql

    def as_decimal(self, sql: str) -> str:
        return f"mini_orm_decimal_add({sql}, 0)"

    def begin(self, isolation: str | None, *, read_only: bool) -> tuple[str, ...]:
        # SQLite is serializable whatever was asked for. A deferred transaction that turns into a writer can fail
        # at once where another writes; so writers say so. Source: https://www.sqlite.org/lang_transaction.html
        return ("BEGIN DEFERRED",) if read_only else ("BEGIN IMMEDIATE",)


def float_bits(value: float | int) -> int:
    """Return the 64 bits of a float as a signed int; -0.0 and 0.0 are one."""
    return int(struct.unpack("<q", struct.pack("<d", float(value) + 0.0))[0])


# SQLite's own text has no fraction; a column's texts have one width, so that their order is the time's.
_CLOCKS = {
    ("datetime", "CURRENT_TIMESTAMP"): "strftime('%Y-%m-%d %H:%M:%f000', 'now')",
    ("time", "CURRENT_TIME"): "strftime('%H:%M:%f000', 'now')",
}
_LITERAL = re.compile(r"'((?:[^']|'')*)'|([+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)")


def _stored_default(text: str, kind: ColumnType) -> str:
    """Write the default of a column as the column's codec would, so that a row with it is found by its value.

    Raises:
        ModelError: it is a literal, and no value of the column.
    """
    plain = text.strip()
    while plain.startswith("(") and plain.endswith(")"):
        plain = plain[1:-1].strip()
    clock = _CLOCKS.get((kind.kind, plain.upper()))
    if clock is not None:
        return f"{clock} || '+00:00'" if kind.timezone else clock
    literal = _LITERAL.fullmatch(plain)
    if kind.kind not in ("decimal", "datetime", "date", "time", "uuid", "json") or literal is None:
        return text
    codec = make_codec(dataclasses.replace(kind, enum=None, literals=None), SQLiteDialect.forms)
    written = literal.group(2) if literal.group(1) is None else literal.group(1).replace("''", "'")
    try:
        assert codec.decode is not None
        stored = codec.encode(codec.decode(written))
    except (Refused, ValueError, ArithmeticError, TypeError) as exc:
        raise ModelError(f"the server_default is no {kind.python_type}: {type(exc).__name__}") from exc
    return "'" + str(stored).replace("'", "''") + "'"
