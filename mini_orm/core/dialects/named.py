"""Dialects by the names that people write."""

from __future__ import annotations

from .base import Dialect

#: What `dialect_named` knows.
DIALECTS = ("sqlite", "postgres", "mysql", "mariadb")


def dialect_named(name: str) -> Dialect:
    """Return the dialect of a name, one of `DIALECTS`.

    Raises:
        ValueError: it is none of them.
    """
    if name == "sqlite":
        from .sqlite import SQLiteDialect

        return SQLiteDialect()
    if name == "postgres":
        from .postgres import PostgresDialect

        return PostgresDialect()
    if name == "mysql" or name == "mariadb":
        from .mysql import MySQLDialect

        return MySQLDialect("mysql" if name == "mysql" else "mariadb")
    raise ValueError(f"there is no dialect of this name; known: {', '.join(DIALECTS)}")
