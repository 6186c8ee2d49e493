"""Hand-written code that is awaited: all operations but those of tasks, on one connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ..contestants.sqlite import PRAGMAS
from ..models import Author, Contact, Member, Post, Status, User
from .base import AsyncPeer

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Statements:
    """The SQL of the contestant whose calls block, in the spelling of an awaited driver."""

    get: str
    list: str
    list_contacts: str
    filter: str
    count: str
    exists: str
    update_where: str
    insert: str
    update: str
    delete: str
    insert_member: str
    list_authors: str
    list_posts: str

    def __init__(self, module: Any, spell: Callable[[str], str] = str) -> None:
        for name in Statements.__annotations__:
            setattr(self, name, spell(getattr(module, name.upper())))


class RawAsync(AsyncPeer):
    """What is the same on all drivers. A subclass says how a statement is run."""

    statements: Statements
    #: How rows become users, and users the values of a row.
    to_user: Callable[[Any], User]
    to_values: Callable[..., tuple[Any, ...]]

    async def rows(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        """Return all rows of an answer."""
        raise NotImplementedError

    async def row(self, sql: str, values: Sequence[Any]) -> Any:
        """Return the first row of an answer, if it has one."""
        raise NotImplementedError

    async def change(self, sql: str, values: Sequence[Any]) -> int:
        """Return how many rows a statement changed."""
        raise NotImplementedError

    async def inserted(self, sql: str, values: Sequence[Any]) -> int:
        """Return the key of a new row."""
        raise NotImplementedError

    async def many(self, sql: str, values: Sequence[Sequence[Any]]) -> None:
        """Run a statement for many rows."""
        raise NotImplementedError

    def transaction(self) -> Any:
        """Return what makes a transaction of an `async with` block."""
        raise NotImplementedError

    def keys(self, keys: Sequence[Any]) -> Any:
        """Return the parameter that stands for many keys."""
        raise NotImplementedError

    async def get(self, key: int) -> User | None:
        row = await self.row(self.statements.get, (key,))
        return None if row is None else self.to_user(row)

    async def list_plain(self) -> list[Contact]:
        return [Contact(*row) for row in await self.rows(self.statements.list_contacts)]

    async def list_rich(self) -> list[User]:
        make = self.to_user
        return [make(row) for row in await self.rows(self.statements.list)]

    async def filter(self, age: int) -> list[User]:
        make = self.to_user
        return [make(row) for row in await self.rows(self.statements.filter, (age, True))]

    async def count(self, age: int) -> int:
        found: int = (await self.row(self.statements.count, (age, True)))[0]
        return found

    async def exists(self, email: str) -> bool:
        return await self.row(self.statements.exists, (email,)) is not None

    async def update_where(self, age: int, status: Status) -> int:
        return await self.change(self.statements.update_where, (status.value, False, age))

    async def insert(self, user: User) -> User:
        user.id = await self.inserted(self.statements.insert, self.to_values(user))
        return user

    async def insert_in_transaction(self, users: list[User]) -> list[User]:
        async with self.transaction():
            return [await self.insert(user) for user in users]

    async def update_in_transaction(self, users: list[User]) -> list[int]:
        async with self.transaction():
            return [await self.change(self.statements.update, (*self.to_values(user), user.id)) for user in users]

    async def delete_in_transaction(self, users: list[User]) -> list[int]:
        async with self.transaction():
            return [await self.change(self.statements.delete, (user.id,)) for user in users]

    async def insert_many(self, users: list[User]) -> None:
        async with self.transaction():
            await self.many(self.statements.insert, [self.to_values(user) for user in users])

    async def insert_many_given(self, members: list[Member]) -> None:
        async with self.transaction():
            rows = [(member.id, *self.to_values(member)) for member in members]
            await self.many(self.statements.insert_member, rows)

    async def eager_load(self) -> list[tuple[Author, list[Post]]]:
        authors = [Author(*row) for row in await self.rows(self.statements.list_authors)]
        posts: dict[int | None, list[Post]] = {author.id: [] for author in authors}
        for row in await self.rows(self.statements.list_posts, (self.keys(list(posts)),)):
            posts[row[0]].append(Post(*row))
        return [(author, posts[author.id]) for author in authors]


async def connected_by_aiosqlite(address: str) -> Any:
    """Open a file, as all contestants do."""
    import aiosqlite  # here, as the other databases do without

    conn = await aiosqlite.connect(address, isolation_level=None)
    for pragma in PRAGMAS:
        await conn.execute(pragma)
    return conn


class RawSqlite(RawAsync):
    """aiosqlite."""

    async def start(self) -> None:
        from ..contestants import sqlite_raw

        self.statements = Statements(sqlite_raw)
        self.to_user, self.to_values = sqlite_raw.to_user, sqlite_raw.to_values
        self.conn = await connected_by_aiosqlite(self.address)

    async def stop(self) -> None:
        await self.conn.close()

    async def rows(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        found: Sequence[Any] = await self.conn.execute_fetchall(sql, values)
        return found

    async def row(self, sql: str, values: Sequence[Any]) -> Any:
        cursor = await self.conn.execute(sql, values)
        return await cursor.fetchone()

    async def change(self, sql: str, values: Sequence[Any]) -> int:
        affected: int = (await self.conn.execute(sql, values)).rowcount
        return affected

    async def inserted(self, sql: str, values: Sequence[Any]) -> int:
        key: int = (await self.conn.execute(sql, values)).lastrowid
        return key

    async def many(self, sql: str, values: Sequence[Sequence[Any]]) -> None:
        await self.conn.executemany(sql, values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        await self.conn.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            await self.conn.rollback()
            raise
        await self.conn.commit()

    def keys(self, keys: Sequence[Any]) -> str:
        return json.dumps(keys)


def numbered(sql: str) -> str:
    """Return a statement with `$1` and so on, for its `%s`."""
    first, *rest = sql.split("%s")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


class RawPostgres(RawAsync):
    """asyncpg."""

    async def start(self) -> None:
        import asyncpg  # type: ignore[import-untyped]  # it has no py.typed

        from ..contestants import postgres_asyncpg, postgres_psycopg

        self.statements = Statements(postgres_psycopg, numbered)
        self.to_user = postgres_asyncpg.to_user
        self.conn = await asyncpg.connect(**postgres_asyncpg.arguments(self.address))

    async def stop(self) -> None:
        await self.conn.close()

    def transaction(self) -> Any:
        return self.conn.transaction()

    def to_values(self, user: User | Member) -> tuple[Any, ...]:
        payload = _dumps(user.payload)
        return user.name, user.email, user.age, user.score, user.active, user.created, user.status.value, payload

    async def rows(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        found: Sequence[Any] = await self.conn.fetch(sql, *values)
        return found

    async def row(self, sql: str, values: Sequence[Any]) -> Any:
        return await self.conn.fetchrow(sql, *values)

    async def change(self, sql: str, values: Sequence[Any]) -> int:
        return int((await self.conn.execute(sql, *values)).rpartition(" ")[2])

    async def inserted(self, sql: str, values: Sequence[Any]) -> int:
        key: int = await self.conn.fetchval(sql, *values)
        return key

    async def many(self, sql: str, values: Sequence[Sequence[Any]]) -> None:
        await self.conn.executemany(sql, values)

    def keys(self, keys: Sequence[Any]) -> Sequence[Any]:
        return keys


class RawMysql(RawAsync):
    """asyncmy."""

    async def start(self) -> None:
        import asyncmy

        from ..contestants import mysql_raw
        from ..contestants.mysql import arguments

        self.statements = Statements(mysql_raw)
        self.to_user, self.to_values = mysql_raw.to_user, mysql_raw.to_values
        self.conn = await asyncmy.connect(**arguments(self.address))

    async def stop(self) -> None:
        await self.conn.ensure_closed()

    async def rows(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        async with self.conn.cursor() as cursor:
            await cursor.execute(sql, values)
            found: Sequence[Any] = await cursor.fetchall()
        return found

    async def row(self, sql: str, values: Sequence[Any]) -> Any:
        async with self.conn.cursor() as cursor:
            await cursor.execute(sql, values)
            return await cursor.fetchone()

    async def change(self, sql: str, values: Sequence[Any]) -> int:
        async with self.conn.cursor() as cursor:
            affected: int = await cursor.execute(sql, values)
        return affected

    async def inserted(self, sql: str, values: Sequence[Any]) -> int:
        async with self.conn.cursor() as cursor:
            await cursor.execute(sql, values)
            key: int = cursor.lastrowid
        return key

    async def many(self, sql: str, values: Sequence[Sequence[Any]]) -> None:
        async with self.conn.cursor() as cursor:
            await cursor.executemany(sql, values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        await self.conn.begin()
        try:
            yield
        except BaseException:
            await self.conn.rollback()
            raise
        await self.conn.commit()

    def keys(self, keys: Sequence[Any]) -> Sequence[Any]:
        return tuple(keys)


class Raw:
    """Hand-written code for each database."""

    sqlite, postgres, mysql = RawSqlite.sqlite, RawPostgres.postgres, RawMysql.mysql
