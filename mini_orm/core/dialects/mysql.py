"""MySQL 8.0.19 and later, MariaDB 10.11 and later.

Rules of this file:
- A TEXT column can't be indexed without a length (https://dev.mysql.com/doc/refman/8.4/en/column-indexes.html), so
  whatever is keyed is VARCHAR(255) or VARBINARY(255): 1020 bytes of the 3072 that an index row may have.
- Collations are binary and unpadded, so that equality is by code point, as in the other databases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from ..columns import ColumnType
from .base import Dialect, Match

Flavour = Literal["mysql", "mariadb"]
_COLLATIONS = {"mysql": "utf8mb4_0900_bin", "mariadb": "utf8mb4_nopad_bin"}


class MySQLDialect(Dialect):
    """SQL as MySQL and MariaDB spell it; `flavour` is `"mysql"`, `"mariadb"`, or `None` where the server tells."""

    name = "mysql"
    paramstyle = "format"
    quote_char = "`"
    supports_returning = False
    supports_last_id = True
    supports_nulls_order = False
    supports_index_if_not_exists = False
    requires_keys_first = True
    auto_key = "BIGINT AUTO_INCREMENT PRIMARY KEY"
    default_row = "() VALUES ()"
    # The largest value, as the manual advises: https://dev.mysql.com/doc/refman/8.4/en/select.html
    no_limit = "18446744073709551615"
    max_params = 65535
    max_in_list = None
    types: ClassVar[Mapping[str, str]] = {
        "int": "BIGINT",
        "bool": "BOOLEAN",
        "float": "DOUBLE",
        "decimal": "NUMERIC(38,10)",
        "str": "LONGTEXT",
        "bytes": "LONGBLOB",
        "datetime": "DATETIME(6)",
        "date": "DATE",
        "time": "TIME(6)",
        "timedelta": "BIGINT",
        "uuid": "CHAR(36)",
        "json": "JSON",
    }
    forms: ClassVar[Mapping[str, str]] = {
        "bool": "int",
        "float": "finite",
        "decimal": "38,10",
        "datetime": "utc",
        "uuid": "text",
        "json": "text",
    }

    def __init__(self, flavour: Flavour | None = None) -> None:
        if flavour not in (None, "mysql", "mariadb"):
            raise ValueError("flavour must be 'mysql', 'mariadb' or None")
        self.flavour = flavour

    def __repr__(self) -> str:
        return f"MySQLDialect({self.flavour!r})" if self.flavour else "MySQLDialect()"

    @property
    def table_suffix(self) -> str:  # type: ignore[override]  # a constant elsewhere; here the flavour decides
        collation = _COLLATIONS[self.flavour or "mysql"]
        return f" CHARACTER SET utf8mb4 COLLATE {collation}"

    def _sized(self, kind: ColumnType, default: str, keyed: bool) -> str:
        if kind.kind == "bytes" and (kind.max_length is not None or keyed):
            return f"VARBINARY({kind.max_length or 255})"
        if kind.kind == "str" and kind.max_length is None and keyed:
            return "VARCHAR(255)"
        return super()._sized(kind, default, keyed)

    def default(self, text: str, kind: ColumnType) -> str:
        return f"({text})"

    def drop_index(self, index: str, table: str) -> str:
        return f"DROP INDEX {index} ON {table}"

    def match(self, op: Match, column: str, mark: str) -> str:
        if op == "ILIKE":
            return f"LOWER({column}) LIKE LOWER({mark})"
        return super().match(op, column, mark)

    def same(self, left: str, right: str, *, negated: bool) -> str:
        return f"NOT ({left} <=> {right})" if negated else f"{left} <=> {right}"

    def reread(self, select: str) -> str:
        # Error 1093 refuses the table itself; a derived table with a LIMIT is not merged into the statement around it.
        # Source: https://dev.mysql.com/doc/refman/8.4/en/derived-table-optimization.html
        return f"SELECT * FROM ({select} LIMIT {self.no_limit}) AS {self.quote('found')}"

    def begin(self, isolation: str | None, *, read_only: bool) -> tuple[str, ...]:
        start = "START TRANSACTION READ ONLY" if read_only else "START TRANSACTION"
        return (f"SET TRANSACTION ISOLATION LEVEL {isolation.upper()}", start) if isolation else (start,)
