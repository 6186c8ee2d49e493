"""The peers: other libraries that store objects, doing the operations of mini_orm on the same tables.

A name that ends with " (async)" is that of a contestant whose calls are awaited; it is measured by hand-written code
that awaits, too (`baseline_of`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..contestants import CONTESTANTS

ASYNC = " (async)"


@dataclass(frozen=True)
class Entrant:
    """Somebody who takes part.

    Args:
        name: in the tables. One name may have several, each with operations of its own.
        places: the class or function that makes its contestant, by database; it is a gap where one is not there.
        package: what pip installs for it; nothing for mini_orm and hand-written code.
        drivers: what it goes through, as a reader may want to know, by database.
    """

    name: str
    places: Mapping[str, str]
    package: str | None = None
    drivers: Mapping[str, str] | None = None


def _entrant(name: str, place: str, package: str | None = None, **drivers: str) -> Entrant:
    """Describe somebody whose class has a method for each database."""
    places = {database: f"benchmarks.peers.{place}.{database}" for database in drivers}
    return Entrant(name, places, package, drivers)


def _tasks(who: str) -> Entrant:
    """Describe those of `benchmarks.sql` whose operations are those of tasks, on a pool."""
    return Entrant(f"{who}{ASYNC}", {database: CONTESTANTS[database][who][1] for database in ("postgres", "mysql")})


_BLOCKING = {"sqlite": "sqlite3", "postgres": "psycopg", "mysql": "mysqlclient"}
_AWAITED = {"sqlite": "aiosqlite", "postgres": "asyncpg", "mysql": "asyncmy"}
_OF_ITS_OWN = dict.fromkeys(_BLOCKING, "its own")
#: In the order of their turns, and of the tables. Those whose calls block are first.
ENTRANTS = (
    _entrant("raw", "ours:Raw", **_BLOCKING),
    _entrant("mini_orm", "ours:MiniOrm", **_BLOCKING),
    _entrant("SQLAlchemy", "sqlalchemy_sync:SqlAlchemy", "SQLAlchemy[asyncio]", **_BLOCKING),
    _entrant("SQLModel", "sqlmodel_sync:SqlModel", "sqlmodel", **_BLOCKING),
    _entrant("Peewee", "peewee_sync:Peewee", "peewee", **_BLOCKING),
    _entrant("Pony", "pony_sync:Pony", "pony", **{**_BLOCKING, "postgres": "psycopg2"}),
    _entrant("Django", "django_sync:Django", "Django", **_BLOCKING),
    _entrant("raw (async)", "raw_async:Raw", **_AWAITED),
    _tasks("raw"),
    _entrant("mini_orm (async)", "ours_async:MiniOrm", **_AWAITED),
    _tasks("mini_orm"),
    _entrant("mini_orm inline (async)", "ours_async:InlineSqlite", sqlite="sqlite3"),
    _entrant("SQLAlchemy (async)", "sqlalchemy_async:AsyncSqlAlchemy", "SQLAlchemy[asyncio]", **_AWAITED),
    _entrant("Tortoise (async)", "tortoise_async:Tortoise", "tortoise-orm", **_AWAITED),
    _entrant("Piccolo (async)", "piccolo_async:Piccolo", "piccolo", sqlite="aiosqlite", postgres="asyncpg"),
    _entrant("oxyde (async)", "oxyde_async:Oxyde", "oxyde", **_OF_ITS_OWN),
    _entrant("yara-orm (async)", "yara_async:Yara", "yara-orm", **_OF_ITS_OWN),
    _entrant("ferro-orm (async)", "ferro_async:Ferro", "ferro-orm", sqlite="its own", postgres="its own"),
)
#: What the contestants of a database need beside their own packages.
DRIVERS = {
    "sqlite": ("aiosqlite",),
    "postgres": ("psycopg[binary]", "psycopg2-binary", "asyncpg"),
    "mysql": ("mysqlclient", "PyMySQL", "asyncmy"),
}
