# mypy: ignore-errors
# The peers' packages are not there where types are checked.
"""Oxyde, awaited, on its pool, with drivers of its own. No postponed annotations, as it reads them."""

from datetime import datetime
from typing import Any

from oxyde import Field, Model, PoolSettings, atomic, db

from ..contestants.base import CONNECTIONS
from ..models import Status
from .base import AsyncPeer, url, values_of, without_key

#: Rows of one INSERT.
AT_ONCE = 1000


class User(Model):
    name: str
    email: str
    age: int
    score: float
    active: bool
    created: datetime
    status: Status = Field(db_type="TEXT")
    payload: dict[str, Any]
    id: int | None = Field(default=None, db_pk=True)

    class Meta:
        is_table = True
        table_name = "users"


class Contact(Model):
    name: str
    email: str
    age: int
    score: float
    id: int | None = Field(default=None, db_pk=True)

    class Meta:
        is_table = True
        table_name = "contacts"


class Member(Model):
    id: int = Field(db_pk=True)
    name: str
    email: str
    age: int
    score: float
    active: bool
    created: datetime
    status: Status = Field(db_type="TEXT")
    payload: dict[str, Any]

    class Meta:
        is_table = True
        table_name = "members"


class Author(Model):
    name: str
    email: str
    id: int | None = Field(default=None, db_pk=True)
    posts: list["Post"] = Field(db_reverse_fk="author")

    class Meta:
        is_table = True
        table_name = "authors"


class Post(Model):
    author: Author | None = Field(default=None, db_on_delete="CASCADE")
    title: str
    views: int
    id: int | None = Field(default=None, db_pk=True)

    class Meta:
        is_table = True
        table_name = "posts"


class Oxyde(AsyncPeer):
    threaded = ("sqlite", "postgres", "mysql")
    has_own_sqlite = True

    def __init__(self, database: str, address: str) -> None:
        verbs = ("insert", "insert_in_transaction", "insert_many")
        self.own = {
            **dict.fromkeys(verbs, lambda user: User(**values_of(user))),
            "insert_many_given": lambda member: Member(**values_of(member)),
        }
        super().__init__(database, address)

    async def start(self) -> None:
        schemes = {"sqlite": "sqlite", "postgres": "postgresql", "mysql": "mysql"}
        address = url(schemes[self.database], self.database, self.address)
        await db.init(default=address, settings=PoolSettings(max_connections=CONNECTIONS))

    async def stop(self) -> None:
        await db.close()

    async def get(self, key):
        return await User.objects.get_or_none(id=key)

    async def page(self, key):
        return await User.objects.filter(id__gte=key).order_by("id").limit(100).all()

    async def list_plain(self):
        return await Contact.objects.all()

    async def list_rich(self):
        return await User.objects.all()

    async def filter(self, age):
        return await User.objects.filter(age__gte=age, active=True).order_by("-id").limit(20).all()

    async def count(self, age):
        return await User.objects.filter(age__gte=age, active=True).count()

    async def exists(self, email):
        return await User.objects.filter(email=email).exists()

    async def update_where(self, age, status):
        return await User.objects.filter(age=age).update(status=status, active=False)

    async def insert(self, user):
        return await User.objects.create(instance=user)

    async def insert_in_transaction(self, users):
        async with atomic():
            return [await User.objects.create(instance=user) for user in users]

    async def update_in_transaction(self, users):
        async with atomic():
            return [await User.objects.filter(id=user.id).update(**without_key(user)) for user in users]

    async def delete_in_transaction(self, users):
        async with atomic():
            return [await User.objects.filter(id=user.id).delete() for user in users]

    async def insert_many(self, users):
        async with atomic():
            await User.objects.bulk_create(users, batch_size=AT_ONCE)

    async def insert_many_given(self, members):
        async with atomic():
            await Member.objects.bulk_create(members, batch_size=AT_ONCE)

    async def eager_load(self):
        return [(author, author.posts) for author in await Author.objects.prefetch("posts").all()]
