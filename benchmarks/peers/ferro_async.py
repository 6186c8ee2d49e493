# mypy: ignore-errors
# The peers' packages are not there where types are checked.
"""ferro-orm, awaited: a session for each call, with drivers of its own. No postponed annotations, as it reads them.

It loads no rows of the other side of a relation.
"""

from datetime import datetime
from typing import Any

from ferro import Field, Model, connect, engines, transaction

from ..models import Status
from .base import AsyncPeer, url, values_of, without_key


class User(Model):
    __ferro_table__ = "users"
    name: str
    email: str
    age: int
    score: float
    active: bool
    created: datetime
    status: Status
    payload: dict[str, Any]
    id: int | None = Field(default=None, primary_key=True)


class Contact(Model):
    __ferro_table__ = "contacts"
    name: str
    email: str
    age: int
    score: float
    id: int | None = Field(default=None, primary_key=True)


class Member(Model):
    __ferro_table__ = "members"
    id: int = Field(primary_key=True)
    name: str
    email: str
    age: int
    score: float
    active: bool
    created: datetime
    status: Status
    payload: dict[str, Any]


class Ferro(AsyncPeer):
    threaded = ("sqlite", "postgres")
    has_own_sqlite = True

    def __init__(self, database: str, address: str) -> None:
        verbs = ("insert", "insert_in_transaction", "insert_many")
        self.own = {
            **dict.fromkeys(verbs, lambda user: User(**values_of(user))),
            "insert_many_given": lambda member: Member(**values_of(member)),
        }
        super().__init__(database, address)

    async def start(self) -> None:
        await connect(
            f"sqlite:{self.address}" if self.database == "sqlite" else url("postgres", "postgres", self.address)
        )

    async def stop(self) -> None:
        """Do nothing: its connections end with the process."""

    async def get(self, key):
        async with engines.session():
            return await User.get_or_none(key)

    async def page(self, key):
        async with engines.session():
            return await User.where(lambda user: user.id >= key).order_by(lambda user: user.id).limit(100).all()

    async def list_plain(self):
        async with engines.session():
            return await Contact.all()

    async def list_rich(self):
        async with engines.session():
            return await User.all()

    async def filter(self, age):
        async with engines.session():
            found = User.where(lambda user: (user.age >= age) & (user.active == True))  # noqa: E712
            return await found.order_by(lambda user: user.id, "desc").limit(20).all()

    async def count(self, age):
        async with engines.session():
            return await User.where(lambda user: (user.age >= age) & (user.active == True)).count()  # noqa: E712

    async def exists(self, email):
        async with engines.session():
            return await User.where(lambda user: user.email == email).exists()

    async def update_where(self, age, status):
        async with engines.session():
            return await User.where(lambda user: user.age == age).update(status=status, active=False)

    async def insert(self, user):
        async with engines.session():
            await user.save()
            return user

    async def insert_in_transaction(self, users):
        async with engines.session(), transaction():
            for user in users:
                await user.save()
        return users

    async def update_in_transaction(self, users):
        async with engines.session(), transaction():
            return [
                await User.where(lambda one, key=user.id: one.id == key).update(**without_key(user)) for user in users
            ]

    async def delete_in_transaction(self, users):
        async with engines.session(), transaction():
            return [await User.where(lambda one, key=user.id: one.id == key).delete() for user in users]

    async def insert_many(self, users):
        async with engines.session():
            await User.bulk_create(users)

    async def insert_many_given(self, members):
        async with engines.session():
            await Member.bulk_create(members)
