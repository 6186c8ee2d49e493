"""PostgreSQL: the database that every contestant gets a copy of, and the connection to it.

Which server that is, the variables MINI_ORM_PG_… say: the benchmark sets them for its contestants where it has started
one of its own.
"""

from __future__ import annotations

from typing import Any

import psycopg

from tests.servers import postgres

from ..models import FIELDS, MODELS
from .base import Contestant

#: Tables whose key the database makes.
_COUNTING = frozenset(model.__table__ for model in MODELS if model.__dataclass_fields__["id"].metadata.get("auto"))


def server(database: str | None = None) -> dict[str, Any]:
    """Return how a database of the server is reached, in psycopg's words; without a name, the server's own one."""
    found = postgres()
    if found is None:
        raise LookupError("the benchmark's server has to be named by variables")
    return found if database is None else {**found, "dbname": database}


def connect(database: str | None = None) -> psycopg.Connection[Any]:
    """Open a database; in autocommit, as mini_orm sends BEGIN itself."""
    return psycopg.connect(**server(database), autocommit=True)


class PostgresContestant(Contestant):
    """A contestant on a psycopg connection of its own."""

    def __init__(self, address: str) -> None:
        self.conn = connect(address)

    def stored(self, table: str) -> list[tuple[Any, ...]]:
        return self.conn.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()

    def restore(self, table: str) -> None:
        columns = ", ".join(FIELDS[table])
        with self.conn.transaction():
            self.conn.execute(f"TRUNCATE {table}")
            self.conn.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM original_{table}")
            if table in _COUNTING:
                self.conn.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
                )
        # Else whoever reads next would have to look after these rows, and plan by what it knew of the ones before.
        self.conn.execute(f"VACUUM (ANALYZE) {table}")

    def close(self) -> None:
        self.conn.close()
