# mypy: ignore-errors
# The peers' packages are not there where types are checked.
"""Piccolo, awaited: on its pool, or with SQLite on a new connection for each statement outside a transaction.

It gives a status as text, which is handed to `Status` by hand. It loads no rows of the other side of a relation.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

from piccolo.columns import JSONB, BigInt, Boolean, DoublePrecision, Serial, Text, Timestamp
from piccolo.engine.postgres import PostgresEngine
from piccolo.engine.sqlite import SQLiteEngine
from piccolo.table import Table

from ..contestants.base import CONNECTIONS
from ..models import Status
from .base import AsyncPeer, server, values_of, without_key

#: Rows of one INSERT.
AT_ONCE = 1000


class User(Table, tablename="users"):
    name = Text()
    email = Text()
    age = BigInt()
    score = DoublePrecision()
    active = Boolean()
    created = Timestamp()
    status = Text(choices=Status)
    payload = JSONB()
    id = Serial(primary_key=True)


class Contact(Table, tablename="contacts"):
    name = Text()
    email = Text()
    age = BigInt()
    score = DoublePrecision()
    id = Serial(primary_key=True)


class Member(Table, tablename="members"):
    id = BigInt(primary_key=True)
    name = Text()
    email = Text()
    age = BigInt()
    score = DoublePrecision()
    active = Boolean()
    created = Timestamp()
    status = Text(choices=Status)
    payload = JSONB()


def read(user):
    """Give a user that was read the status that the others have."""
    if user is not None:
        user.status = Status(user.status)
    return user


class Piccolo(AsyncPeer):
    def __init__(self, database: str, address: str) -> None:
        verbs = ("insert", "insert_in_transaction", "insert_many")
        self.own = {
            **dict.fromkeys(verbs, lambda user: User(**values_of(user))),
            "insert_many_given": lambda member: Member(**values_of(member)),
        }
        super().__init__(database, address)

    async def start(self) -> None:
        if self.database == "sqlite":
            # Piccolo does so for the types that it gives to columns; these here have other names.
            sqlite3.register_converter("TIMESTAMP_TEXT", lambda text: datetime.fromisoformat(text.decode()))
            self.engine = SQLiteEngine(path=self.address)
        else:
            found = server(self.database, self.address)
            config = {"database": found.pop("dbname"), **found}
            self.engine = PostgresEngine(config=config, log_queries=False)
            await self.engine.start_connection_pool(min_size=CONNECTIONS, max_size=CONNECTIONS)
        for table in (User, Contact, Member):
            table._meta._db = self.engine

    async def stop(self) -> None:
        if self.database != "sqlite":
            await self.engine.close_connection_pool()

    async def get(self, key):
        return read(await User.objects().get(User.id == key).output(load_json=True))

    async def page(self, key):
        found = User.objects().where(User.id >= key).order_by(User.id).limit(100)
        return [read(user) for user in await found.output(load_json=True)]

    async def list_plain(self):
        return await Contact.objects()

    async def list_rich(self):
        return [read(user) for user in await User.objects().output(load_json=True)]

    async def filter(self, age):
        found = User.objects().where((User.age >= age) & (User.active.eq(True)))
        found = found.order_by(User.id, ascending=False).limit(20)
        return [read(user) for user in await found.output(load_json=True)]

    async def count(self, age):
        return await User.count().where((User.age >= age) & (User.active.eq(True)))

    async def exists(self, email):
        return await User.exists().where(User.email == email)

    async def update_where(self, age, status):
        # It does not tell how many rows it changed, but gives their keys.
        change = User.update({User.status: status, User.active: False}).where(User.age == age)
        return len(await change.returning(User.id))

    async def insert(self, user):
        await user.save()
        return read(user)

    async def insert_in_transaction(self, users):
        async with self.engine.transaction():
            return [await self.insert(user) for user in users]

    async def update_in_transaction(self, users):
        async with self.engine.transaction():
            changes = [User.update(without_key(user)).where(User.id == user.id).returning(User.id) for user in users]
            return [len(await change) for change in changes]

    async def delete_in_transaction(self, users):
        async with self.engine.transaction():
            return [len(await User.delete().where(User.id == user.id).returning(User.id)) for user in users]

    async def insert_many(self, users):
        async with self.engine.transaction():
            for first in range(0, len(users), AT_ONCE):
                await User.insert(*users[first : first + AT_ONCE])

    async def insert_many_given(self, members):
        async with self.engine.transaction():
            for first in range(0, len(members), AT_ONCE):
                await Member.insert(*members[first : first + AT_ONCE])
