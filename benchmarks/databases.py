"""The databases that contestants work on: each gets one of its own, all with the same rows.

mini_orm makes the tables and fills them, so that everybody reads what it stores.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType

from mini_orm import Database, Repository, apply_schema

from . import data
from .contestants.sqlite import connect
from .models import FIELDS, MODELS, Author, Contact, Post, User


class NotAvailable(Exception):
    """There is no server; the text says why, in one line."""


def fill(db: Database, rows: int) -> None:
    """Make the tables and their rows; what `Contestant.restore` needs stands beside them."""
    apply_schema(db, MODELS)
    Repository(db, User).insert_many(data.user(number) for number in range(1, rows + 1))
    Repository(db, Contact).insert_many(data.contact(number) for number in range(1, rows + 1))
    authors = -(-rows // data.POSTS_EACH)
    Repository(db, Author).insert_many(data.author(number) for number in range(1, authors + 1))
    Repository(db, Post).insert_many(data.post(number) for number in range(1, rows + 1))
    for table in FIELDS:
        db.execute(f"CREATE TABLE original_{table} AS SELECT * FROM {table}")


class Databases(AbstractContextManager["Databases"]):
    """Gives out filled databases, and removes them at the end of its `with` block."""

    @abstractmethod
    def new(self) -> str:
        """Make a filled database; return the address that a contestant opens it by."""

    @abstractmethod
    def open(self, address: str) -> Database:
        """Open one of them."""

    @abstractmethod
    def settle(self, db: Database, tables: Iterable[str]) -> None:
        """Leave nothing to be done about tables by the database itself, in the middle of somebody's turn."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Return the versions of the database and of the packages that reach it, by name."""


class SqliteFiles(Databases):
    """Copies of one file, in a directory of their own."""

    def __init__(self, rows: int) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="mini_orm_benchmark_")
        self._made = 0
        self._original = Path(self._directory.name) / "original.sqlite3"
        with self.open(str(self._original)) as db:
            fill(db, rows)
            self.settle(db, FIELDS)

    def new(self) -> str:
        self._made += 1
        path = self._original.with_name(f"{self._made}.sqlite3")
        shutil.copyfile(self._original, path)
        return str(path)

    def open(self, address: str) -> Database:
        return Database(connect(address))

    def settle(self, db: Database, tables: Iterable[str]) -> None:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def versions(self) -> dict[str, str]:
        return {"SQLite": sqlite3.sqlite_version, "aiosqlite": package_version("aiosqlite")}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._directory.cleanup()


def package_version(name: str) -> str:
    """Return a package's version, in words where there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _on_postgres(rows: int) -> Databases:
    from .databases_postgres import PostgresDatabases  # needs packages that SQLite does not

    return PostgresDatabases(rows)


def _on_mysql(rows: int) -> Databases:
    from .databases_mysql import MySQLDatabases  # as above

    return MySQLDatabases(rows)


#: By the name on the command line: what makes its databases, given the number of rows.
DATABASES: dict[str, Callable[[int], Databases]] = {
    "sqlite": SqliteFiles,
    "postgres": _on_postgres,
    "mysql": _on_mysql,
}
