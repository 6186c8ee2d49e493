# mypy: ignore-errors
# The peers' packages are not there where types are checked.
"""yara-orm, awaited, on its pool, with drivers of its own."""

from __future__ import annotations

from yara_orm import Model, Prefetch, YaraOrm, fields, in_transaction

from ..models import Status
from .base import AsyncPeer, url, values_of, without_key

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
    id = fields.BigIntField(pk=True)

    class Meta:
        table = "users"


class Contact(Model):
    name = fields.TextField()
    email = fields.TextField()
    age = fields.BigIntField()
    score = fields.FloatField()
    id = fields.BigIntField(pk=True)

    class Meta:
        table = "contacts"


class Member(Model):
    id = fields.BigIntField(pk=True)
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
    id = fields.BigIntField(pk=True)

    class Meta:
        table = "authors"


class Post(Model):
    author = fields.ForeignKeyField("Author", related_name="posts")
    title = fields.TextField()
    views = fields.BigIntField()
    id = fields.BigIntField(pk=True)

    class Meta:
        table = "posts"


class Yara(AsyncPeer):
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
        schemes = {"sqlite": "sqlite", "postgres": "postgres", "mysql": "mysql"}
        await YaraOrm.init(url(schemes[self.database], self.database, self.address))
        self.posts = Prefetch("posts", queryset=Post.all().order_by("id"))

    async def stop(self) -> None:
        await YaraOrm.close()

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
        return await user.save()

    async def insert_in_transaction(self, users):
        async with in_transaction():
            return [await user.save() for user in users]

    async def update_in_transaction(self, users):
        async with in_transaction():
            return [await User.filter(id=user.id).update(**without_key(user)) for user in users]

    async def delete_in_transaction(self, users):
        async with in_transaction():
            return [await User.filter(id=user.id).delete() for user in users]

    async def insert_many(self, users):
        async with in_transaction():
            await User.bulk_create(users, batch_size=AT_ONCE)

    async def insert_many_given(self, members):
        async with in_transaction():
            await Member.bulk_create(members, batch_size=AT_ONCE)

    async def eager_load(self):
        return [(author, await author.posts) for author in await Author.all().prefetch_related(self.posts)]
