"""Databases of one PostgreSQL server: the one that variables name, else one of the benchmark's own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType

import psycopg

from mini_orm import Database
from tests.servers import Postgres

from .contestants.postgres import connect
from .databases import Databases, NotAvailable, fill, package_version
from .models import FIELDS
from .servers import have


class PostgresDatabases(Databases):
    """Copies of one database.

    Raises:
        NotAvailable: there is no server, and none can be started.
    """

    def __init__(self, rows: int) -> None:
        self._prefix = f"mini_orm_benchmark_{os.getpid()}"
        self._names: list[str] = []
        with ExitStack() as stack:
            have(Postgres, stack)
            try:
                self._admin = stack.enter_context(connect())
            except psycopg.OperationalError as exc:
                raise NotAvailable(f"the PostgreSQL server that variables name can't be reached: {exc}") from exc
            stack.callback(self._drop)
            self._original = self._create("template1")
            with self.open(self._original) as db:
                fill(db, rows)
                self.settle(db, [*FIELDS, *(f"original_{table}" for table in FIELDS)])
            self._stack = stack.pop_all()

    def _create(self, template: str) -> str:
        name = f"{self._prefix}_{len(self._names)}"
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        self._names.append(name)
        return name

    def _drop(self) -> None:
        for name in self._names:
            self._admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def new(self) -> str:
        return self._create(self._original)

    def open(self, address: str) -> Database:
        return Database(connect(address))

    def settle(self, db: Database, tables: Iterable[str]) -> None:
        for table in tables:
            db.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
            db.execute(f"VACUUM (ANALYZE) {table}")

    def versions(self) -> dict[str, str]:
        server = self._admin.info.parameter_status("server_version") or "unknown"
        return {
            "PostgreSQL": server.partition(" ")[0],
            "psycopg": f"{package_version('psycopg')} ({psycopg.pq.__impl__})",
            "asyncpg": package_version("asyncpg"),
        }

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
