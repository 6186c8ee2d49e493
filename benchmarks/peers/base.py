"""What a peer has in common with all others, whatever its library is."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Self

from ..contestants.base import AsyncContestant, Contestant, in_tasks
from ..models import FIELDS, Member, User
from ..operations import ordered


def plain(name: str, value: Any) -> Any:
    """Return the value of a column as all databases and libraries mean it, however they spell it."""
    if name == "active":
        return bool(value)
    if name == "created" and isinstance(value, str):
        return datetime.fromisoformat(value)
    if name == "payload":
        return ordered(json.loads(value) if isinstance(value, str) else value)
    return value


def as_values(table: str, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Return stored rows by what they mean: libraries write JSON with blanks or without, and times in two forms."""
    return [tuple(map(plain, FIELDS[table], row)) for row in rows]


class _Outside(Contestant):
    """Looks after a file of SQLite from another process."""

    def __init__(self, address: str) -> None:
        self._address = address

    def _run(self, *arguments: str) -> bytes:
        command = [sys.executable, "-m", "benchmarks.peers.keep", self._address, *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout

    def stored(self, table: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = pickle.loads(self._run("stored", table))
        return rows

    def restore(self, table: str) -> None:
        self._run("restore", table)

    def close(self) -> None:
        """Do nothing: there is no connection."""


def _keeper(database: str, address: str, *, outside: bool) -> Contestant:
    """Make what compares a peer's tables and puts them back, beside the peer."""
    if database == "sqlite" and outside:
        return _Outside(address)
    if database == "sqlite":
        from ..contestants.sqlite import SqliteContestant

        return SqliteContestant(address)
    if database == "postgres":
        from ..contestants.postgres import PostgresContestant  # needs psycopg

        return PostgresContestant(address)
    from ..contestants.mysql import OnPyMySQL  # needs PyMySQL

    return OnPyMySQL(address)


class Peer(Contestant):
    """A library that stores objects of classes of its own.

    `Class.sqlite(address)` and so on make it for a database: these are the names that the registry has. A subclass
    opens its connections in `open`, and closes them in `shut`.

    What it writes, it is given as objects of its own where it can make them without a connection: `own` says how, by
    operation. mini_orm and hand-written code get their dataclasses ready made, too.
    """

    own: Mapping[str, Callable[[Any], Any]] = {}
    #: It brings a SQLite of its own: two of them in one process do not see each other's locks.
    has_own_sqlite = False

    def __init__(self, database: str, address: str) -> None:
        super().__init__()
        self.database = database
        self.address = address
        self.keeper = _keeper(database, address, outside=self.has_own_sqlite)
        self.open()

    @classmethod
    def sqlite(cls, address: str) -> Self:
        return cls("sqlite", address)

    @classmethod
    def postgres(cls, address: str) -> Self:
        return cls("postgres", address)

    @classmethod
    def mysql(cls, address: str) -> Self:
        return cls("mysql", address)

    def open(self) -> None:
        """Open the peer's own connections."""
        raise NotImplementedError

    def shut(self) -> None:
        """Close them."""
        raise NotImplementedError

    def given(self, name: str, arguments: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        make = self.own.get(name)
        return arguments if make is None else [tuple(_made(make, one) for one in call) for call in arguments]

    def stored(self, table: str) -> list[tuple[Any, ...]]:
        return as_values(table, self.keeper.stored(table))

    def restore(self, table: str) -> None:
        self.keeper.restore(table)

    def close(self) -> None:
        self.shut()
        self.keeper.close()


def _made(make: Callable[[Any], Any], given: Any) -> Any:
    """Make the peer's objects of an argument."""
    if isinstance(given, (User, Member)):
        return make(given)
    return [make(one) for one in given]


class AsyncPeer(Peer, AsyncContestant):
    """A peer whose calls are awaited. It opens in `start` and closes in `stop`, in the loop of its calls.

    One that has `page`, 100 users from a key on, can do the operations of tasks, where they take part.
    """

    #: The databases whose driver has threads, which the one processor of all others would only slow down.
    threaded: Collection[str] = ("sqlite",)
    get: Callable[[int], Awaitable[Any]]

    def open(self) -> None:
        self.uses_one_processor = self.database not in self.threaded
        self.wait_for(self.start())
        page = getattr(self, "page", None)
        if page is not None and self.database != "sqlite":
            self.get_tasks = partial(in_tasks, self.get)
            self.list_tasks = partial(in_tasks, page)

    def shut(self) -> None:
        self.wait_for(self.stop())
        self.runner.close()

    async def start(self) -> None:
        """Open the peer's own connections."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Close them."""
        raise NotImplementedError


def server(database: str, address: str) -> dict[str, Any]:
    """Return host, port, user, password and database of a server's database."""
    from tests import servers

    found = servers.postgres() if database == "postgres" else servers.mysql()
    if found is None:
        raise LookupError("the benchmark's server has to be named by variables")
    named = {"dbname": address} if database == "postgres" else {"database": address}
    return {**found, **named}


def url(scheme: str, database: str, address: str) -> str:
    """Return the address of a database as a URL."""
    if database == "sqlite":
        return f"{scheme}:///{address}"
    found = server(database, address)
    return f"{scheme}://{found['user']}:{found['password']}@{found['host']}:{found['port']}/{address}"


def values_of(obj: User | Member) -> dict[str, Any]:
    """Return the columns of a row by name, without a key that the database is to make."""
    return vars(obj) if obj.id is not None else {name: value for name, value in vars(obj).items() if name != "id"}


def without_key(user: User) -> dict[str, Any]:
    """Return the columns of a row but its key, by name."""
    return {name: value for name, value in vars(user).items() if name != "id"}
