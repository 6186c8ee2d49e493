"""SQLite: the file that every contestant gets a copy of, and the connection to it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from .base import Contestant

#: The same for all: what a web application sets, and autocommit, as mini_orm sends BEGIN itself.
PRAGMAS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", "PRAGMA foreign_keys = ON")


def connect(path: Path | str) -> sqlite3.Connection:
    """Open the file of a contestant."""
    conn = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        conn.execute(pragma)
    return conn


class SqliteContestant(Contestant):
    """A contestant on a sqlite3 connection of its own."""

    def __init__(self, address: str) -> None:
        self.conn = connect(address)

    def stored(self, table: str) -> list[tuple[Any, ...]]:
        return self.conn.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()

    def restore(self, table: str) -> None:
        with self.conn:
            self.conn.execute("BEGIN IMMEDIATE")
            self.conn.execute(f"DELETE FROM {table}")
            self.conn.execute(f"INSERT INTO {table} SELECT * FROM original_{table}")
        # Else some later write, of whichever contestant, would have to move these rows out of the log.
        self.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def close(self) -> None:
        self.conn.close()
