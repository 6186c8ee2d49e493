"""Databases of one MariaDB or MySQL: the one that variables name, else one of the benchmark's own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Any

from mini_orm import Database, apply_schema
from tests.servers import MariaDB

from .contestants.mysql import connect
from .databases import Databases, NotAvailable, fill, package_version
from .models import FIELDS, MODELS
from .servers import have

#: The package that makes databases; it has no library of its own.
_PACKAGE = "pymysql"


class MySQLDatabases(Databases):
    """Copies of one database.

    Raises:
        NotAvailable: there is no server, and none can be started; or there is no PyMySQL.
    """

    def __init__(self, rows: int) -> None:
        self._prefix = f"mini_orm_benchmark_{os.getpid()}"
        self._names: list[str] = []
        with ExitStack() as stack:
            have(MariaDB, stack)
            self._admin = stack.enter_context(closing(_admin()))
            stack.callback(self._drop)
            self._original = self._create()
            with self.open(self._original) as db:
                fill(db, rows)
            self._stack = stack.pop_all()

    def _run(self, sql: str) -> Any:
        """Run a statement; return the first value of its answer, if it has one."""
        with self._admin.cursor() as cursor:
            cursor.execute(sql)
            row = cursor.fetchone()
        return None if row is None else row[0]

    def _create(self) -> str:
        name = f"{self._prefix}_{len(self._names)}"
        self._run(f"CREATE DATABASE {name}")
        self._names.append(name)
        return name

    def _drop(self) -> None:
        for name in self._names:
            self._run(f"DROP DATABASE {name}")

    def new(self) -> str:
        name = self._create()
        with self.open(name) as db:
            apply_schema(db, MODELS)
            for table in FIELDS:
                db.execute(f"CREATE TABLE original_{table} AS SELECT * FROM {self._original}.{table}")
                db.execute(f"INSERT INTO {table} SELECT * FROM original_{table}")
            self.settle(db, FIELDS)
        return name

    def open(self, address: str) -> Database:
        return Database(connect(_PACKAGE, address))

    def settle(self, db: Database, tables: Iterable[str]) -> None:
        for table in tables:
            db.execute(f"ALTER TABLE {table} STATS_AUTO_RECALC = 0")
            db.fetchall(f"ANALYZE TABLE {table}")

    def versions(self) -> dict[str, str]:
        number, _, build = self._run("SELECT VERSION()").partition("-")
        return {
            "MariaDB" if "MariaDB" in build else "MySQL": number,
            **{name: package_version(name) for name in ("mysqlclient", "PyMySQL", "asyncmy")},
        }

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _admin() -> Any:
    """Connect to the server's own database."""
    try:
        return connect(_PACKAGE)
    except ModuleNotFoundError as exc:
        raise NotAvailable("PyMySQL, which makes the databases, is not installed") from exc
    except Exception as exc:  # the package's own class is not known here
        raise NotAvailable(f"the MariaDB or MySQL server that variables name can't be reached: {exc}") from exc
