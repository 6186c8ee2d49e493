"""MariaDB or MySQL: the database that every contestant gets a copy of, and the connection to it.

Which server that is, the variables MINI_ORM_MYSQL_… say: the benchmark sets them for its contestants where it has
started one of its own.
"""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

from tests.servers import mysql

from .base import Contestant

#: Has the server count the rows that an UPDATE matched, as other databases do, and not those that it changed.
_FOUND_ROWS = 2


def arguments(database: str | None = None) -> dict[str, Any]:
    """Return how a database of the server is reached, in the words of all packages; without a name, the server's own.

    In autocommit, as mini_orm sends START TRANSACTION itself.
    """
    server = mysql()
    if server is None:
        raise LookupError("the benchmark's server has to be named by variables")
    found = server if database is None else {**server, "database": database}
    return {**found, "charset": "utf8mb4", "client_flag": _FOUND_ROWS, "autocommit": True}


def connect(package: str, database: str | None = None) -> Any:
    """Open a database with a package of PEP 249."""
    return importlib.import_module(package).connect(**arguments(database))


class MySQLContestant(Contestant):
    """A contestant on a connection of its own."""

    #: What it is opened with.
    package: ClassVar[str]

    def __init__(self, address: str) -> None:
        self.conn = connect(self.package, address)

    def stored(self, table: str) -> list[tuple[Any, ...]]:
        with self.conn.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")
            return list(cursor.fetchall())

    def restore(self, table: str) -> None:
        with self.conn.cursor() as cursor:
            cursor.execute(f"TRUNCATE TABLE {table}")  # leaves no old versions of rows; keys begin again
            cursor.execute(f"INSERT INTO {table} SELECT * FROM original_{table}")
            cursor.execute(f"ANALYZE TABLE {table}")  # else queries would be planned for an empty table
            cursor.fetchall()

    def close(self) -> None:
        self.conn.close()


class OnMySQLClient(MySQLContestant):
    """On a connection of mysqlclient's."""

    package = "MySQLdb"


class OnPyMySQL(MySQLContestant):
    """On a connection of PyMySQL's."""

    package = "pymysql"
