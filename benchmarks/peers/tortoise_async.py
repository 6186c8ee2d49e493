# mypy: ignore-errors
# The peers' packages are not there where types are checked.
"""Tortoise, awaited, on its pool, or on its one connection with SQLite."""

from __future__ import annotations

from tortoise import Tortoise as Orm
from tortoise import fields
from tortoise.models import Model
from tortoise.query_utils import Prefetch
from tortoise.transactions import in_transaction

from ..contestants.base import CONNECTIONS
from ..models import Status
from .base import AsyncPeer, server, values_of

#: Rows of one INSERT.
AT_ONCE = 1000


class User(Model):
    name = fields.TextField()
    email = fields.TextField()
    age = fields.BigIntField()
    score = fields.FloatField()
    active = fields.BooleanField()
    created = fields.DatetimeField()
    status = fields.CharEnumField(Status, max_length=20)
    payload = fields.JSONField()
    id = fields.BigIntField(primary_key=True)

    class Meta:
        table = "users"


class Contact(Model):
    name = fields.TextField()
    email = fields.TextField()
    age = fields.BigIntField()
    score = fields.FloatField()
    id = fields.BigIntField(primary_key=True)

    class Meta:
        table = "contacts"


class Member(Model):
    id = fields.BigIntField(primary_key=True, generated=False)
    name = fields.TextField()
    email = fields.TextField()
    age = fields.BigIntField()
    score = fields.FloatField()
    active = fields.BooleanField()
    created = fields.DatetimeField()
    status = fields.CharEnumField(Status, max_length=20)
    payload = fields.JSONField()

    class Meta:
        table = "members"


class Author(Model):
    name = fields.TextField()
    email = fields.TextField()
    id = fields.BigIntField(primary_key=True)
    posts: fields.ReverseRelation[Post]

    class Meta:
        table = "authors"


class Post(Model):
    author = fields.ForeignKeyField("models.Author", related_name="posts")
    title = fields.TextField()
    views = fields.BigIntField()
    id = fields.BigIntField(primary_key=True)

    class Meta:
        table = "posts"


def connection(database: str, address: str) -> dict:
    """Return how a database is reached, in Tortoise's words."""
    if database == "sqlite":
        pragmas = {"journal_mode": "WAL", "synchronous": "NORMAL", "foreign_keys": "ON"}
        return {"engine": "tortoise.backends.sqlite", "credentials": {"file_path": address, **pragmas}}
    found = server(database, address)
    given = {name: found[name] for name in ("host", "port", "user", "password")}
    if database == "postgres":
        pool = {"database": address, "min_size": CONNECTIONS, "max_size": CONNECTIONS}
        return {"engine": "tortoise.backends.asyncpg", "credentials": {**given, **pool}}
    pool = {"database": address, "minsize": CONNECTIONS, "maxsize": CONNECTIONS, "charset": "utf8mb4"}
    return {"engine": "tortoise.backends.mysql", "credentials": {**given, **pool}}


class Tortoise(AsyncPeer):
    def __init__(self, database: str, address: str) -> None:
        verbs = ("insert", "insert_in_transaction", "update_in_transaction", "delete_in_transaction", "insert_many")
        self.own = {
            **dict.fromkeys(verbs, lambda user: User(**values_of(user))),
            "insert_many_given": lambda member: Member(**values_of(member)),
        }
        super().__init__(database, address)

    async def start(self) -> None:
        models = {"models": [__name__], "default_connection": "default"}
        connections = {"default": connection(self.database, self.address)}
        await Orm.init(
            config={"connections": connections, "apps": {"models": models}, "use_tz": False},
            _enable_global_fallback=True,  # the tasks of later calls are not those of this one
        )
        self.posts = Prefetch("posts", queryset=Post.all().order_by("id"))

    async def stop(self) -> None:
        await Orm.close_connections()

    async def get(self, key):
        return await User.get_or_none(id=key)

    async def page(self, key):
        return await User.filter(id__gte=key).order_by("id").limit(100)

    async def list_plain(self):
        return await Contact.all()

    async def list_rich(self):
        return await User.all()

    async def filter(self, age):
        return await User.filter(age__gte=age, active=True).order_by("-id").limit(20)

    async def count(self, age):
        return await User.filter(age__gte=age, active=True).count()

    async def exists(self, email):
        return await User.filter(email=email).exists()

    async def update_where(self, age, status):
        return await User.filter(age=age).update(status=status, active=False)

    async def insert(self, user):
        await user.save()
        return user

    async def insert_in_transaction(self, users):
        async with in_transaction() as tx:
            for user in users:
                await user.save(using_db=tx)
        return users

    async def update_in_transaction(self, users):
        async with in_transaction() as tx:
            for user in users:
                await user.save(using_db=tx, force_update=True)  # it raises where there is no such row
        return [1] * len(users)

    async def delete_in_transaction(self, users):
        async with in_transaction() as tx:
            return [await User.filter(id=user.id).using_db(tx).delete() for user in users]

    async def insert_many(self, users):
        await User.bulk_create(users, batch_size=AT_ONCE)

    async def insert_many_given(self, members):
        await Member.bulk_create(members, batch_size=AT_ONCE)

    async def eager_load(self):
        return [(author, author.posts) for author in await Author.all().prefetch_related(self.posts)]
