"""SQLite 3.35 and later.

Rules of this file:
- The declared type carries the kind and has the affinity that keeps the value as it is written (TEXT for text
  forms). Source: https://www.sqlite.org/datatype3.html, section 3.1.
- What SQLite can't do by value, functions do that the driver registers on every connection: `mini_orm_ilike`,
  `mini_orm_decimal_add` / `_sub` / `_mul`, `mini_orm_bits`, `mini_orm_int`, `mini_orm_startswith` / `_endswith`,
  and the collation `mini_orm_decimal`.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..columns import ColumnType
from ..models import ColumnMeta
from .base import Dialect, Match, bare, stored_literal
from .declared import DeclaredType

_DECIMAL_FUNCTIONS = {"+": "mini_orm_decimal_add", "-": "mini_orm_decimal_sub", "*": "mini_orm_decimal_mul"}
_AFFINITIES: tuple[tuple[str, str], ...] = (
    ("INT", "int"),
    *((part, "str") for part in ("CHAR", "CLOB", "TEXT")),
    *((part, "float") for part in ("REAL", "FLOA", "DOUB")),
)
_ORDERING = ("<", "<=", ">", ">=", "BETWEEN", "ORDER")
# In characters. SQLITE_MAX_LIKE_PATTERN_LENGTH is 50,000 bytes; a character of GLOB may take 3, and 4 bytes each.
_MAX_PATTERN = 4000
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


class SQLiteDialect(Dialect):
    """SQL as SQLite spells it."""

    name = "sqlite"
    paramstyle = "qmark"
    supports_reserved_keys = True
    supports_last_id = True
    supports_early_foreign_keys = True
    # It may change rows while it finds others; a subquery that does not refer to the row is run once, at the first.
    # Source: https://www.sqlite.org/lang_expr.html, "Correlated Subqueries"
    requires_keys_first = True
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
    # Tables, views and indexes share their names; triggers have names of their own.
    index_table_sql = (
        "SELECT tbl_name, type FROM sqlite_master WHERE type <> 'trigger' AND name = ? COLLATE NOCASE "
        "AND NOT (type = 'index' AND tbl_name = ? COLLATE NOCASE)"
    )
    # A temporary table hides one of the same name. Source: https://www.sqlite.org/lang_naming.html
    table_kind_sql = (
        "SELECT CASE WHEN found.sql LIKE 'CREATE VIRTUAL TABLE%' THEN 'virtual ' ELSE '' END || found.kind, NULL "
        "FROM (SELECT ? AS name) AS asked JOIN ("
        "SELECT name, 'temporary ' || type AS kind, sql FROM sqlite_temp_master WHERE type <> 'trigger' UNION ALL "
        "SELECT name, type, sql FROM sqlite_master WHERE type <> 'trigger'"
        ") AS found ON found.name = asked.name COLLATE NOCASE LIMIT 1"
    )
    # The tables in which a virtual one keeps its rows have its name and one of their own behind it.
    # Source: https://www.sqlite.org/vtab.html#the_xshadowname_method
    tables_sql = (
        "SELECT t.name FROM sqlite_master AS t WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite!_%' "
        "ESCAPE '!' AND NOT EXISTS (SELECT 1 FROM sqlite_master AS v WHERE v.sql LIKE 'CREATE VIRTUAL TABLE%' "
        "AND substr(t.name, 1, length(v.name) + 1) = v.name || '_') ORDER BY t.name"
    )
    # Only the table's own rowid is filled in by itself, and then the key needs no index.
    # Source: https://www.sqlite.org/lang_createtable.html#rowid
    columns_sql = (
        'SELECT c.name, c.type, c."notnull" = 0, c.dflt_value, c.pk, c.hidden IN (2, 3), '
        "c.pk = 1 AND NOT EXISTS (SELECT 1 FROM pragma_index_list(asked.name, 'main') WHERE origin = 'pk') "
        "FROM (SELECT ? AS name) AS asked JOIN pragma_table_xinfo(asked.name, 'main') AS c ORDER BY c.cid"
    )
    # A column's own collation is its index's, too, and no pragma tells it; so a collation counts as the index's own
    # only in a table that has none.
    indexes_sql = (
        'SELECT i.name, i."unique", i.origin <> \'c\', i.partial = 0 AND x."desc" = 0 '
        "AND (x.coll = 'BINARY' OR t.sql LIKE '%COLLATE%'), x.name "
        "FROM sqlite_master AS t JOIN pragma_index_list(t.name, 'main') AS i "
        "JOIN pragma_index_xinfo(i.name, 'main') AS x "
        "WHERE t.type = 'table' AND t.name = ? COLLATE NOCASE AND x.\"key\" ORDER BY i.name, x.seqno"
    )
    # A foreign key that names no columns refers to the key.
    foreign_keys_sql = (
        'SELECT f.id, f."from", f."table", coalesce(f."to", '
        "(SELECT p.name FROM pragma_table_xinfo(f.\"table\", 'main') AS p WHERE p.pk = f.seq + 1)), f.on_delete "
        "FROM (SELECT ? AS name) AS asked JOIN pragma_foreign_key_list(asked.name, 'main') AS f ORDER BY f.id, f.seq"
    )
    referrers_sql = (
        'SELECT t.name, f.id, f."from", NULL '
        "FROM (SELECT ? AS name) AS asked JOIN sqlite_master AS t JOIN pragma_foreign_key_list(t.name, 'main') AS f "
        "WHERE t.type = 'table' AND f.\"table\" = asked.name COLLATE NOCASE AND t.name <> asked.name COLLATE NOCASE "
        "ORDER BY t.name, f.id, f.seq"
    )
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
    # Every integer has 64 bits here, whatever its type is called; a narrower name still says what others may rely on.
    type_names: ClassVar[Mapping[str, DeclaredType]] = {
        **dict.fromkeys(("INTEGER", "INT", "BIGINT", "INT8"), DeclaredType("INTEGER", width=8)),
        "INT4": DeclaredType("INTEGER", width=4),
        "MEDIUMINT": DeclaredType("INTEGER", width=3),
        **dict.fromkeys(("SMALLINT", "INT2"), DeclaredType("INTEGER", width=2)),
        "TINYINT": DeclaredType("INTEGER", width=1),
        **dict.fromkeys(("BOOL", "TINYINT(1)"), DeclaredType("BOOLEAN")),
        **dict.fromkeys(("REAL", "DOUBLE", "DOUBLE PRECISION", "FLOAT", "FLOAT8"), DeclaredType("REAL", width=8)),
        "FLOAT4": DeclaredType("REAL", width=4),
        "CLOB": DeclaredType("TEXT"),
        **dict.fromkeys(("CHARACTER VARYING", "VARYING CHARACTER", "NVARCHAR"), DeclaredType("VARCHAR")),
        **dict.fromkeys(("CHARACTER", "NATIVE CHARACTER", "NCHAR"), DeclaredType("CHAR")),
    }
    other_kinds: ClassVar[Mapping[str, str]] = {
        **Dialect.other_kinds,
        **dict.fromkeys(("NUMERIC", "DECIMAL", "MONEY"), "decimal"),
        **dict.fromkeys(("DATETIME", "TIMESTAMP"), "datetime"),
        "DATE": "date",
        "TIME": "time",
        **dict.fromkeys(("UUID", "GUID"), "uuid"),
        **dict.fromkeys(("JSON", "JSONB"), "json"),
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
        return f"({_stored_default(text, kind)})"

    def fold(self, name: str) -> str:
        return name.translate(_LOWER)  # SQLite knows the case of ASCII only

    def kind_of(self, live: str) -> str | None:
        # What nobody knows has an affinity. Source: https://www.sqlite.org/datatype3.html, section 3.1
        return super().kind_of(live) or next((kind for part, kind in _AFFINITIES if part in live.upper()), None)

    def names_index_itself(self, index: str) -> bool:
        return index.startswith("sqlite_autoindex_")

    def normal_default(self, text: str | None) -> str | None:
        normal = super().normal_default(text)
        if normal is None or re.fullmatch(r'"(?:[^"]|"")*"', normal) is None:
            return normal
        # Source: https://www.sqlite.org/quirks.html#double_quoted_string_literals_are_accepted
        return _quoted(normal[1:-1].replace('""', '"'))

    def literal(self, value: Any) -> str | None:
        if isinstance(value, str):
            return _quoted(value) if "\0" not in value else None
        if isinstance(value, bytes):
            return f"x'{value.hex()}'"
        if isinstance(value, int):
            return str(int(value))
        if isinstance(value, float) and not math.isnan(value):
            return repr(value) if math.isfinite(value) else f"{value:+.0f}".replace("inf", "9e999")
        return None

    def refusal_to_add(self, column: ColumnMeta, default: str | None) -> str | None:
        # Source: https://www.sqlite.org/lang_altertable.html#alter_table_add_column
        if default is None:
            return None
        if column.fk is not None:
            return "SQLite adds no column that has both a foreign key and a default"
        return None if _is_constant(default) else "SQLite adds no column whose default is an expression"

    def choose_match(self, op: Match, text: str) -> tuple[Match, list[str]]:
        if len(text) > _MAX_PATTERN and op == "STARTSWITH":
            op = "LONG STARTSWITH"
        elif len(text) > _MAX_PATTERN and op == "ENDSWITH":
            op = "LONG ENDSWITH"
        return super().choose_match(op, text)

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


def _stored_default(text: str, kind: ColumnType) -> str:
    """Write the default of a column as the column's codec would, so that a row with it is found by its value.

    Raises:
        ModelError: it is a literal, and no value of the column.
    """
    plain = bare(text)
    clock = _CLOCKS.get((kind.kind, plain.upper()))
    if clock is not None:
        return f"{clock} || '+00:00'" if kind.timezone else clock
    if kind.kind not in ("decimal", "datetime", "date", "time", "uuid", "json"):
        return text
    stored = stored_literal(plain, kind, SQLiteDialect.forms)
    return text if stored is None else _quoted(stored)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# As text, as in declared.py.
_CONSTANT = r"""(?i)'(?:[^']|'')*'|x'[0-9a-f]*'|0x[0-9a-f]+|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|true|false|null"""


def _is_constant(default: str) -> bool:
    """Whether a default is a literal, with signs and parentheses around it."""
    plain = default.strip()
    while plain[:1] in ("+", "-") or (plain.startswith("(") and plain.endswith(")")):
        plain = (plain[1:-1] if plain.startswith("(") else plain[1:]).strip()
    return re.fullmatch(_CONSTANT, plain) is not None
