# mypy: ignore-errors
# The peers' packages are not there where types are checked.
"""Peewee, blocking, on one connection, which is in autocommit."""

from __future__ import annotations

from peewee import (
    BigAutoField,
    BigIntegerField,
    BooleanField,
    DatabaseProxy,
    DateTimeField,
    DoubleField,
    ForeignKeyField,
    JSONField,
    Model,
    MySQLDatabase,
    PostgresqlDatabase,
    SqliteDatabase,
    TextField,
    chunked,
)

from ..models import Status
from .base import Peer, server, values_of

#: Rows of one INSERT; SQLite takes 32,766 values in one.
AT_ONCE = 1000
database = DatabaseProxy()


class StatusField(TextField):
    """A status, which is stored as its value."""

    def db_value(self, value):
        return None if value is None else value.value

    def python_value(self, value):
        return None if value is None else Status(value)


class User(Model):
    name = TextField()
    email = TextField()
    age = BigIntegerField()
    score = DoubleField()
    active = BooleanField()
    created = DateTimeField()
    status = StatusField()
    payload = JSONField()
    id = BigAutoField()

    class Meta:
        database = database
        table_name = "users"


class Contact(Model):
    name = TextField()
    email = TextField()
    age = BigIntegerField()
    score = DoubleField()
    id = BigAutoField()

    class Meta:
        database = database
        table_name = "contacts"


class Member(Model):
    id = BigIntegerField(primary_key=True)
    name = TextField()
    email = TextField()
    age = BigIntegerField()
    score = DoubleField()
    active = BooleanField()
    created = DateTimeField()
    status = StatusField()
    payload = JSONField()

    class Meta:
        database = database
        table_name = "members"


class Author(Model):
    name = TextField()
    email = TextField()
    id = BigAutoField()

    class Meta:
        database = database
        table_name = "authors"


class Post(Model):
    author = ForeignKeyField(Author, backref="posts", column_name="author_id", object_id_name="author_id")
    title = TextField()
    views = BigIntegerField()
    id = BigAutoField()

    class Meta:
        database = database
        table_name = "posts"


def connected(kind: str, address: str, keeper):
    """Make the database object."""
    if kind == "sqlite":
        return SqliteDatabase(address, pragmas={"journal_mode": "wal", "synchronous": "normal", "foreign_keys": 1})
    found = server(kind, address)
    if kind == "postgres":
        return PostgresqlDatabase(found.pop("dbname"), prefer_psycopg3=True, **found)
    is_mariadb = "MariaDB" in keeper.conn.get_server_info()  # they spell JSON in two ways
    return MySQLDatabase(found.pop("database"), mariadb=is_mariadb, charset="utf8mb4", **found)


class Peewee(Peer):
    def open(self) -> None:
        database.initialize(connected(self.database, self.address, self.keeper))
        database.connect()
        own_user = lambda user: User(**values_of(user))  # noqa: E731
        verbs = ("insert", "insert_in_transaction", "update_in_transaction", "delete_in_transaction", "insert_many")
        self.own = dict.fromkeys(verbs, own_user)

    def shut(self) -> None:
        database.close()

    def get(self, key):
        return User.get_or_none(User.id == key)

    def list_plain(self):
        return list(Contact.select())

    def list_rich(self):
        return list(User.select())

    def filter(self, age):
        found = User.select().where((User.age >= age) & (User.active == True))  # noqa: E712
        return list(found.order_by(User.id.desc()).limit(20))

    def count(self, age):
        return User.select().where((User.age >= age) & (User.active == True)).count()  # noqa: E712

    def exists(self, email):
        return User.select().where(User.email == email).exists()

    def update_where(self, age, status):
        return User.update(status=status, active=False).where(User.age == age).execute()

    def insert(self, user):
        user.save()
        return user

    def insert_in_transaction(self, users):
        with database.atomic():
            for user in users:
                user.save()
        return users

    def update_in_transaction(self, users):
        with database.atomic():
            return [user.save() for user in users]

    def delete_in_transaction(self, users):
        with database.atomic():
            return [user.delete_instance() for user in users]

    def insert_many(self, users):
        with database.atomic():
            User.bulk_create(users, batch_size=AT_ONCE)

    def insert_many_given(self, members):
        with database.atomic():
            for batch in chunked(members, AT_ONCE):
                Member.insert_many([values_of(member) for member in batch]).execute()

    def eager_load(self):
        return [(author, author.posts) for author in Author.select().prefetch(Post.select().order_by(Post.id))]
