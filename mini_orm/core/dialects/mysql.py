"""MySQL 8.0.19 and later, MariaDB 10.11 and later, and servers that speak like them.

Rules of this file:
- What a server can do is asked once (`features_sql`), by features and not by numbers of versions. The statements of
  repositories may be compiled before: without an answer each is one text that MySQL and MariaDB both take. What only
  one of them knows stands in a comment that only this one reads.
  Sources: https://dev.mysql.com/doc/refman/8.4/en/comments.html, https://mariadb.com/kb/en/comment-syntax/
- A TEXT column can't be indexed without a length (https://dev.mysql.com/doc/refman/8.4/en/column-indexes.html), so
  whatever is keyed is VARCHAR(255) or VARBINARY(255): 1020 bytes of the 3072 that an index row may have.
- Collations are binary and unpadded, so that equality is by code point, as in the other databases.
- Drivers write values into the text of a statement, so that its length is limited and not the number of values.
- No literal has a backslash or a double quote, whose meaning a session's sql_mode may change.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Literal, TypeVar

from ..._typing import Row
from ..columns import ColumnType
from ..decimals import decimal_text
from .base import Dialect, Fit, Match, bare, stored_literal
from .declared import DeclaredType, literal_value, normal_default, read_type

D = TypeVar("D", bound="MySQLDialect")
Flavour = Literal["mysql", "mariadb"]
#: The best collations first; every server has the last one. Equality by code point, and case without accents: LOWER
#: knows the letters of its collation's version of Unicode.
#: Source: https://dev.mysql.com/doc/refman/8.4/en/string-functions.html#function_lower
_BINARY = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin", "utf8mb4_bin")
_CASED = ("uca1400_as_ci", "utf8mb4_0900_as_ci", "utf8mb4_unicode_520_ci", "utf8mb4_general_ci")
_COLLATIONS = {
    "mysql": ("utf8mb4_0900_bin", "utf8mb4_0900_as_ci"),
    "mariadb": ("utf8mb4_nopad_bin", "utf8mb4_uca1400_as_ci"),
}
# https://dev.mysql.com/doc/refman/8.4/en/fixed-point-types.html: 65 digits, 30 of them after the point
_DEFAULT_SCALE = 10
_INDEX_BYTES = 3072
#: The bytes of a character.
_BYTES = {"VARCHAR": 4, "CHAR": 4, "VARBINARY": 1, "BINARY": 1}
#: How a default that the catalog shows says the character set of a text.
_INTRODUCER = re.compile(r"\b_(?:utf8mb4|utf8mb3|utf8|latin1|ascii|binary)\s*(?=')", re.IGNORECASE)
_ESCAPED_TEXT = re.compile(r"\b_\w+\\'")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_KEYED = {"str": DeclaredType("VARCHAR", (255,)), "bytes": DeclaredType("VARBINARY", (255,))}
#: Other names of the same function, and of the same value.
_SYNONYMS = {
    "now": "current_timestamp",
    "localtime": "current_timestamp",
    "localtimestamp": "current_timestamp",
    "curdate": "current_date",
    "curtime": "current_time",
    "lcase": "lower",
    "ucase": "upper",
    "substring": "substr",
    "true": "1",
    "false": "0",
}
_TYPED = re.compile(r"^(?:timestamp|date|time)\s*(?=')", re.IGNORECASE)
_BEYOND = re.compile("[\U00010000-\U0010ffff]")
#: A text as a whole, a fraction, or a name.
_PART = re.compile(r"'(?:[^']|'')*'|\b\d+\.\d+\b|\b[a-z_]+\b")
_BARE_CALL = re.compile(r"(current_\w+|utc_\w+) \( \)")
#: What a default of the current time is in a column that keeps microseconds.
_CLOCKS = re.compile(r"(CURRENT_TIMESTAMP|NOW|LOCALTIME|LOCALTIMESTAMP)(\s*\(\s*\))?", re.IGNORECASE)
_CLOCK_TIMES = re.compile(r"(CURRENT_TIME|CURTIME)(\s*\(\s*\))?", re.IGNORECASE)
_LAST_CHARACTER = "\U0010ffff"


def _numbers(width: int, *names: str) -> dict[str, DeclaredType]:
    """Return integer types. What has no sign is no wider than the next narrower one: it lacks half of the values."""
    plain, unsigned = DeclaredType("INTEGER", width=width), DeclaredType("INTEGER", width=width - 1)
    return {
        **dict.fromkeys(names, plain),
        **{f"{name} {end}": unsigned for name in names for end in ("UNSIGNED", "UNSIGNED ZEROFILL")},
    }


def _first_collation(names: Sequence[str]) -> str:
    """Ask for the first one that is there."""
    listed = ", ".join(map(repr, names))
    return (
        f"(SELECT collation_name FROM information_schema.collations WHERE collation_name IN ({listed}) "
        f"ORDER BY FIELD(collation_name, {listed}) LIMIT 1)"
    )


def _normal_part(found: re.Match[str]) -> str:
    part = found[0]
    return part.rstrip("0").rstrip(".") if part[0].isdigit() else _SYNONYMS.get(part, part)


def _following(text: str) -> str | None:
    """Return the least text above all those that begin with this one; `None` where there is none."""
    text = text.rstrip(_LAST_CHARACTER)
    if not text:
        return None
    code = ord(text[-1]) + 1
    return text[:-1] + chr(0xE000 if code == 0xD800 else code)  # between the two are no characters


class MySQLDialect(Dialect):
    """SQL as MySQL and MariaDB spell it; `flavour` is `"mysql"`, `"mariadb"`, or `None` where the server tells."""

    name = "mysql"
    paramstyle = "format"
    quote_char = "`"
    supports_returning = False
    supports_last_id = True
    supports_nulls_order = False
    supports_transactional_ddl = False
    supports_column_references = False
    requires_keys_first = True
    assigns_in_order = True
    zero_makes_key = True
    auto_key = "BIGINT AUTO_INCREMENT PRIMARY KEY"
    default_row = "() VALUES ()"
    # The manual advises 2^64 - 1, which not all servers take in an UPDATE.
    # Source: https://dev.mysql.com/doc/refman/8.4/en/select.html
    no_limit = "9223372036854775807"
    max_params = 1_000_000
    # The default thread_stack of MariaDB, 292 kB, holds some more.
    max_depth = 700
    bulk_rows = 500
    max_statement = 1_000_000
    # A plain SELECT of a transaction reads what was there at its first one; a locking read does not, and InnoDB takes
    # the lock that the refused INSERT has taken already: https://dev.mysql.com/doc/refman/8.4/en/innodb-locks-set.html
    latest_read = " LOCK IN SHARE MODE"
    # A variable of the session, which clusters set. Of keys that a trigger gave the function knows nothing.
    # Source: https://dev.mysql.com/doc/refman/8.4/en/replication-options-source.html#sysvar_auto_increment_increment
    # and https://dev.mysql.com/doc/refman/8.4/en/information-functions.html#function_last-insert-id
    key_run_sql = "SELECT @@auto_increment_increment, LAST_INSERT_ID()"
    # Source: https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html; BEGIN NOT ATOMIC is MariaDB's block.
    reopening = r"(?is)\s*(?:BEGIN\b(?!\s+NOT\b)|START\s+TRANSACTION\b|(?:COMMIT|ROLLBACK)\b.*\bAND\s+CHAIN\b)"
    # One lock for each database; names of locks have 64 characters, and a database's name may have as many.
    schema_lock_sql = "SELECT GET_LOCK(CONCAT('mini_orm schema ', MD5(DATABASE())), 60)"
    schema_unlock_sql = "SELECT RELEASE_LOCK(CONCAT('mini_orm schema ', MD5(DATABASE())))"
    # A transaction has the tables that it used locked to its end, and their parents; the default is a day, or a year.
    # Source: https://dev.mysql.com/doc/refman/8.4/en/metadata-locking.html
    schema_haste_sql = (
        "SET @mini_orm_wait = @@lock_wait_timeout, SESSION lock_wait_timeout = 3",
        "SET SESSION lock_wait_timeout = @mini_orm_wait",
    )
    # NO ACTION is RESTRICT: https://dev.mysql.com/doc/refman/8.4/en/create-table-foreign-keys.html
    same_actions: ClassVar[Mapping[str, str]] = {"RESTRICT": "NO ACTION"}
    #: Asks whether the server is MariaDB, whether JSON is text there, and for the best of the collations that it has.
    features_sql = (
        "SELECT LOCATE('MariaDB', VERSION()) > 0, JSON_EXTRACT('[1, 2]', '$') = '[1, 2]', "
        f"{_first_collation(_BINARY)}, {_first_collation(_CASED)}"
    )
    # From 11.2 on MariaDB shows the temporary tables of a session, too, which hide others.
    # Source: https://mariadb.com/kb/en/information-schema-tables-table/
    table_kind_sql = (
        "SELECT CASE WHEN table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') THEN 'table' "
        "WHEN table_type = 'TEMPORARY' THEN 'temporary table' ELSE LOWER(table_type) END, "
        "CASE WHEN engine IN ('MyISAM', 'Aria', 'MEMORY', 'CSV', 'ARCHIVE', 'MRG_MyISAM') "
        "THEN CONCAT('its engine is ', engine, ', which has no transactions') END "
        "FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s "
        "ORDER BY table_type = 'TEMPORARY' DESC"
    )
    tables_sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name"
    foreign_keys_sql = (
        "SELECT k.constraint_name, k.column_name, CASE WHEN k.referenced_table_schema = DATABASE() "
        "THEN k.referenced_table_name ELSE CONCAT(k.referenced_table_schema, '.', k.referenced_table_name) END, "
        "k.referenced_column_name, r.delete_rule "
        "FROM information_schema.key_column_usage AS k JOIN information_schema.referential_constraints AS r "
        "ON r.constraint_schema = DATABASE() AND r.table_name = k.table_name AND r.constraint_name = k.constraint_name "
        "WHERE k.table_schema = DATABASE() AND k.table_name = %s AND k.referenced_table_name IS NOT NULL "
        "ORDER BY k.constraint_name, k.ordinal_position"
    )
    # Those of other databases the server itself keeps from being left behind; to look for them takes long.
    referrers_sql = (
        "SELECT k.table_name, k.constraint_name, k.column_name, NULL FROM information_schema.key_column_usage AS k "
        "WHERE k.table_schema = DATABASE() AND k.referenced_table_schema = DATABASE() "
        "AND k.referenced_table_name = %s AND k.table_name <> k.referenced_table_name "
        "ORDER BY k.table_name, k.constraint_name, k.ordinal_position"
    )
    dependent_keys_sql = (
        "SELECT k.table_name, k.constraint_name, CONCAT('FOREIGN KEY (', "
        "GROUP_CONCAT(CONCAT('`', REPLACE(k.column_name, '`', '``'), '`') ORDER BY k.ordinal_position), "
        "') REFERENCES `', REPLACE(k.referenced_table_name, '`', '``'), '` (', "
        "GROUP_CONCAT(CONCAT('`', REPLACE(k.referenced_column_name, '`', '``'), '`') ORDER BY k.ordinal_position), "
        "') ON DELETE ', r.delete_rule, ' ON UPDATE ', r.update_rule), NULL "
        "FROM information_schema.key_column_usage AS k JOIN information_schema.referential_constraints AS r "
        "ON r.constraint_schema = DATABASE() AND r.table_name = k.table_name AND r.constraint_name = k.constraint_name "
        "WHERE k.table_schema = DATABASE() AND k.referenced_table_schema = DATABASE() "
        "AND k.referenced_table_name = %s AND k.table_name <> k.referenced_table_name "
        "GROUP BY k.table_name, k.constraint_name, k.referenced_table_name, r.delete_rule, r.update_rule "
        "ORDER BY k.table_name, k.constraint_name"
    )
    # InnoDB makes an index for a foreign key that has none. It has the name of the constraint, or of the column, as
    # that of a UNIQUE has. Whether the planner may use an index is the user's affair.
    indexes_sql = (
        "SELECT s.index_name, s.non_unique = 0, s.index_name = 'PRIMARY' "
        "OR (s.non_unique = 0 AND s.index_name = s.column_name) OR EXISTS (SELECT 1 "
        "FROM information_schema.key_column_usage AS k WHERE k.table_schema = DATABASE() "
        "AND k.table_name = s.table_name AND k.referenced_table_name IS NOT NULL "
        "AND (k.constraint_name = s.index_name OR k.column_name = s.index_name)), "
        "s.sub_part IS NULL AND coalesce(s.collation, 'A') = 'A' AND s.index_type = 'BTREE', "
        "s.column_name FROM information_schema.statistics AS s "
        "WHERE s.table_schema = DATABASE() AND s.table_name = %s ORDER BY s.index_name, s.seq_in_index"
    )
    types: ClassVar[Mapping[str, str]] = {
        "int": "BIGINT",
        "bool": "BOOLEAN",
        "float": "DOUBLE",
        "decimal": f"NUMERIC(38,{_DEFAULT_SCALE})",
        "str": "LONGTEXT",
        "bytes": "LONGBLOB",
        "datetime": "DATETIME(6)",
        "datetime with time zone": "DATETIME(6)",
        "date": "DATE",
        "time": "TIME(6)",
        "timedelta": "BIGINT",
        "uuid": "CHAR(36)",
        "json": "JSON",
    }
    # The widths of texts say which of them is the narrower one, as those of numbers do.
    type_names: ClassVar[Mapping[str, DeclaredType]] = {
        **_numbers(8, "BIGINT", "INT8"),
        **_numbers(4, "INTEGER", "INT", "INT4"),
        **_numbers(3, "MEDIUMINT"),
        **_numbers(2, "SMALLINT", "INT2"),
        **_numbers(1, "TINYINT", "INT1"),
        **dict.fromkeys(("BOOL", "TINYINT(1)"), DeclaredType("BOOLEAN")),
        **dict.fromkeys(("DOUBLE", "DOUBLE PRECISION", "REAL", "FLOAT8"), DeclaredType("REAL", width=8)),
        **dict.fromkeys(("FLOAT", "FLOAT4"), DeclaredType("REAL", width=4)),
        **dict.fromkeys(("DECIMAL", "DEC", "FIXED"), DeclaredType("NUMERIC")),
        "CHARACTER VARYING": DeclaredType("VARCHAR"),
        "CHARACTER": DeclaredType("CHAR"),
        **{f"{size}TEXT": DeclaredType("TEXT", width=w) for size, w in (("LONG", 4), ("MEDIUM", 3), ("", 2))},
        **{f"{size}BLOB": DeclaredType("BLOB", width=w) for size, w in (("LONG", 4), ("MEDIUM", 3), ("", 2))},
    }
    other_kinds: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("VARCHAR", "CHAR", "TINYTEXT", "ENUM", "SET"), "str"),
        **dict.fromkeys(("VARBINARY", "BINARY", "TINYBLOB"), "bytes"),
        "DECIMAL UNSIGNED": "decimal",
        **dict.fromkeys(("DOUBLE UNSIGNED", "FLOAT UNSIGNED"), "float"),
        "TIMESTAMP": "datetime",
        "YEAR": "int",
    }
    forms: ClassVar[Mapping[str, str]] = {
        "bool": "int",
        "float": "finite",
        "decimal": "38,10",
        "datetime": "utc",
        "date": "checked",
        "time": "span",
        "uuid": "text",
        "json": "json64",
    }

    def __init__(self, flavour: Flavour | None = None) -> None:
        if flavour not in (None, "mysql", "mariadb"):
            raise ValueError("flavour must be 'mysql', 'mariadb' or None")
        self.flavour = flavour
        self._collation, self._cased = _COLLATIONS[flavour or "mysql"]
        self._has_json = flavour != "mariadb"

    def __repr__(self) -> str:
        return f"MySQLDialect({self.flavour!r})" if self.flavour else "MySQLDialect()"

    def settled(self: D, features: Row) -> D:
        if self.flavour is not None:
            return self
        is_mariadb, is_text, binary, cased = features
        made = copy.copy(self)
        made.flavour = "mariadb" if is_mariadb else "mysql"
        made._collation = binary
        made._cased = f"utf8mb4_{cased}" if cased.startswith("uca") else cased
        made._has_json = not is_text
        return made

    @property
    def table_suffix(self) -> str:  # type: ignore[override]  # a constant elsewhere; here the server decides
        return f" ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE {self._collation}"

    @property
    def supports_index_if_not_exists(self) -> bool:  # type: ignore[override]  # as above
        return self.flavour == "mariadb"

    # --- values ---

    def operand(self, mark: str, kind: ColumnType) -> str:
        if kind.kind != "json" or (self.stated_type(kind) or "JSON").upper() != "JSON":
            return mark
        # A text is not equal to a JSON value, except where that is a text, too.
        # Source: https://dev.mysql.com/doc/refman/8.4/en/json.html#json-comparison
        if self.flavour is None:
            return f"/*!80000 CAST( */ {mark} /*!80000 AS JSON) */"
        return f"CAST({mark} AS JSON)" if self._has_json else mark

    def literal(self, value: Any) -> str | None:
        if isinstance(value, int):
            return str(int(value))
        if isinstance(value, float):
            return repr(value)
        if isinstance(value, Decimal):
            return decimal_text(value)
        if hasattr(value, "isoformat"):
            return f"'{value.isoformat()}'"
        # In parentheses, as a default of LONGTEXT, LONGBLOB or JSON has to be an expression.
        # Source: https://dev.mysql.com/doc/refman/8.4/en/data-type-defaults.html
        if isinstance(value, bytes):
            return f"(x'{value.hex()}')"
        if not isinstance(value, str) or "\0" in value:
            return None
        if "\\" in value:  # MariaDB keeps no letters beyond ASCII behind an introducer
            return f"(CONVERT(x'{value.encode().hex()}' USING utf8mb4))"
        return "('" + value.replace("'", "''") + "')"

    # --- schema ---

    def _sized(self, kind: ColumnType, default: str, keyed: bool) -> str:
        if kind.kind == "bytes" and (kind.max_length is not None or keyed):
            return f"VARBINARY({kind.max_length or 255})"
        if kind.kind == "str" and kind.max_length is None and keyed:
            return "VARCHAR(255)"
        return super()._sized(kind, default, keyed)

    def default(self, text: str, kind: ColumnType) -> str:
        plain = bare(text)
        if kind.kind == "datetime" and _CLOCKS.fullmatch(plain):
            # The session's own time, or UTC, with all the digits that the column keeps.
            return f"({'UTC_TIMESTAMP' if kind.timezone else 'CURRENT_TIMESTAMP'}(6))"
        if kind.kind == "time" and _CLOCK_TIMES.fullmatch(plain):
            return "(CURRENT_TIME(6))"
        if kind.kind in ("uuid", "json"):
            stored = stored_literal(plain, kind, self.forms)
            return f"({text})" if stored is None else self.literal(stored) or ""
        return f"({text})"

    def refusal_to_index(self, types: Mapping[str, str]) -> str | None:
        # MariaDB would index a prefix, without a word. Source: https://dev.mysql.com/doc/refman/8.4/en/innodb-limits.html
        size = 0
        for name, text in types.items():
            kind = read_type(text, self.type_names)
            if kind.family in ("TEXT", "BLOB", "JSON"):
                return f"the column {name!r} is {text}, which has no index; a max_length makes text one that has"
            size += sum(kind.sizes) * _BYTES[kind.family] if kind.family in _BYTES else 8
        if size <= _INDEX_BYTES:
            return None
        return f"it takes {size} bytes, and an index has {_INDEX_BYTES}, 4 a character; give a smaller max_length"

    def drop_index(self, index: str, table: str) -> str:
        return f"DROP INDEX {index} ON {table}"

    def replace_index(self, old: str, new: str, table: str, columns: str, *, unique: bool) -> tuple[str, ...]:
        # In one statement: a foreign key may need the index, and nothing brings the old one back if this fails.
        return (f"ALTER TABLE {table} DROP INDEX {old}, ADD {'UNIQUE ' if unique else ''}INDEX {new} ({columns})",)

    # --- live schema ---

    @property
    def columns_sql(self) -> str:  # type: ignore[override]  # as above
        # MariaDB shows a default as SQL, MySQL only one that is an expression.
        # Source: https://dev.mysql.com/doc/refman/8.4/en/information-schema-columns-table.html
        default = "c.column_default"
        if self.flavour != "mariadb":
            # Not all servers say of a function of the time that it is an expression.
            times = "c.data_type IN ('varbinary', 'date', 'datetime', 'time') AND c.column_default NOT LIKE '%%(%%'"
            plain = f"c.extra NOT LIKE '%%DEFAULT_GENERATED%%' AND (c.collation_name IS NOT NULL OR {times})"
            default = f"CASE WHEN {plain} THEN QUOTE(c.column_default) ELSE c.column_default END"
        return (
            f"SELECT c.column_name, c.column_type, c.is_nullable = 'YES', {default}, coalesce(s.seq_in_index, 0), "
            "coalesce(c.generation_expression, '') <> '', c.extra LIKE '%%auto_increment%%' "
            # MariaDB would open the tables of all databases for a plain join; the LIMIT keeps it from making one.
            "FROM information_schema.columns AS c LEFT JOIN (SELECT column_name, seq_in_index "
            "FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = %s "
            "AND index_name = 'PRIMARY' LIMIT 1000) AS s ON s.column_name = c.column_name "
            "WHERE c.table_schema = DATABASE() AND c.table_name = %s ORDER BY c.ordinal_position"
        )

    def fold(self, name: str) -> str:
        return name.lower()  # columns and indexes, whatever the file system makes of tables

    def compare_types(self, kind: ColumnType, wanted: str, live: str) -> Fit:
        theirs = read_type(live, self.type_names)
        if kind.kind == "json" and theirs.family == "TEXT":
            return "same" if live.upper() == "LONGTEXT" and not self._has_json else "logged"
        if theirs.family == "REAL" and "(" in live:
            return "conflict"  # it rounds
        fit = super().compare_types(kind, wanted, live)
        # A length that nobody stated depends on whether there is an index; a column that may have one will do.
        is_short = kind.max_length is None and theirs == _KEYED.get(kind.kind)
        is_text = kind.kind == "uuid" and theirs.family == "TEXT"
        return "logged" if fit == "conflict" and (is_short or is_text) else fit

    def normal_default(self, text: str | None) -> str | None:
        if text is None:
            return None
        # MySQL's catalog escapes what is escaped once more, in expressions, where texts have an introducer.
        plain = _ESCAPED.sub(r"\1", text) if _ESCAPED_TEXT.search(text) else text
        normal = normal_default(_INTRODUCER.sub("", plain).replace("\\'", "''"))
        if normal is None:
            return None
        normal = _PART.sub(_normal_part, normal)
        return _BARE_CALL.sub(r"\1", normal).replace("- ", "-")

    def same_default(self, kind: ColumnType, wanted: str, live: str | None) -> bool:
        if live is None:
            return self.normal_default(wanted) is None
        if super().same_default(kind, wanted, live):
            return True
        # The catalog shows the value that a literal was read as: 1e3 as 1000, '10:00' as '10:00:00.000000'.
        ours, theirs = (literal_value(kind.kind, _TYPED.sub("", bare(text))) for text in (wanted, live))
        if ours is not None and ours == theirs:
            return True
        # It has no letters beyond U+FFFF: a question mark stands for each of them, or for each of their bytes.
        shown = [self.normal_default(_BEYOND.sub(marks, wanted)) for marks in ("?", "????")]
        return _BEYOND.search(wanted) is not None and self.normal_default(live) in shown

    # --- queries ---

    def _collated(self, sql: str, place: int) -> str:
        """Give a text one of the two collations: 0 is binary, 1 knows the case of letters."""
        if self.flavour is None:
            (mysql, mariadb) = (_COLLATIONS[flavour][place] for flavour in ("mysql", "mariadb"))
            return f"{sql} /*!80000 COLLATE {mysql} *//*M! COLLATE {mariadb} */"
        return f"{sql} COLLATE {(self._collation, self._cased)[place]}"

    def choose_match(self, op: Match, text: str) -> tuple[Match, list[str]]:
        end = _following(text) if op == "STARTSWITH" else None
        return super().choose_match(op, text) if end is None else ("RANGE", [text, end])

    def match(self, op: Match, column: str, mark: str) -> str:
        if op == "LIKE":
            return f"{column} LIKE {mark}"
        if op == "ILIKE":
            column, mark = (f"LOWER({self._collated(f'CONVERT({one} USING utf8mb4)', 1)})" for one in (column, mark))
            return f"{self._collated(column, 0)} LIKE {self._collated(mark, 0)} ESCAPE '!'"
        # By its own collation a column of another program's may ignore case.
        exact = self._collated(mark, 0)
        if op == "CONTAINS":
            return f"LOCATE({exact}, {column}) > 0"
        if op == "STARTSWITH":
            return f"LOCATE({exact}, {column}) = 1"
        # In an index LIKE passes over what goes on beyond U+FFFF, emoji for one (MariaDB 10.11, binary collations).
        if op == "RANGE":
            return f"({column} >= {exact} AND {column} < {exact})"
        # A pattern that begins with % is tried at every place of a text.
        return f"REVERSE({column}) LIKE {exact} ESCAPE '!'"

    def match_value(self, op: Match, text: str) -> str:
        if op == "ILIKE":
            return text.replace("!", "!!")
        if op == "ENDSWITH":
            return super().match_value("STARTSWITH", text[::-1])
        return super().match_value(op, text) if op == "LIKE" else text

    def same(self, left: str, right: str, *, negated: bool) -> str:
        return f"NOT ({left} <=> {right})" if negated else f"{left} <=> {right}"

    def list_limit(self, kind: ColumnType) -> int | None:
        # IN does not compare JSON values: https://dev.mysql.com/doc/refman/8.4/en/json.html#json-comparison
        return 0 if kind.kind == "json" else super().list_limit(kind)

    def in_many(self, column: str, kind: ColumnType, mark: str, *, negated: bool) -> str:
        if kind.kind != "json":
            return f"{column} {'NOT ' if negated else ''}IN {mark}"
        given = f"JSON_TABLE({mark}, '$[*]' COLUMNS (v JSON PATH '$')) AS given"
        found = f"{'NOT ' if negated else ''}EXISTS (SELECT 1 FROM {given} WHERE given.v = {column})"
        return f"CASE WHEN {column} IS NULL THEN NULL ELSE {found} END"

    def many_value(self, kind: ColumnType, values: Sequence[Any]) -> Any:
        # A driver writes a list as `(1, 2, 3)`.
        return f"[{','.join(values)}]" if kind.kind == "json" else list(values)

    def assigned(self, sql: str, kind: ColumnType) -> str:
        if kind.kind != "decimal" or kind.db_type is not None:
            return sql
        # The column would round, with a note that nobody reads. A text that is no number is an error.
        scale = _DEFAULT_SCALE if kind.precision is None else kind.scale or 0
        digits = f"^-?[0-9]*[.][0-9]{{{scale}}}[0-9]*[1-9][0-9]*$"
        return f"REGEXP_REPLACE({sql}, '{digits}', 'the result has more digits than the column takes')"

    def reread(self, select: str) -> str:
        # Error 1093 refuses the table itself; a derived table with a LIMIT is not merged into the statement around it.
        # Source: https://dev.mysql.com/doc/refman/8.4/en/derived-table-optimization.html
        return f"SELECT * FROM ({select} LIMIT {self.no_limit}) AS {self.quote('found')}"

    def update_found(self, table: str, select: str, found: str, on: str, assignments: str) -> str:
        # Locked, as below REPEATABLE READ another could change the rows before they are updated.
        return f"UPDATE {table} JOIN ({select} LIMIT {self.no_limit} FOR UPDATE) AS {found} ON {on} SET {assignments}"

    # --- transactions ---

    def begin(self, isolation: str | None, *, read_only: bool) -> tuple[str, ...]:
        start = "START TRANSACTION READ ONLY" if read_only else "START TRANSACTION"
        return (f"SET TRANSACTION ISOLATION LEVEL {isolation.upper()}", start) if isolation else (start,)
