# mypy: ignore-errors
# The peers' packages are not there where types are checked.
"""Pony, blocking: a `db_session` for each call. It has no UPDATE of many rows, and reads a row before it changes it."""

from __future__ import annotations

from datetime import datetime

from pony.orm import Database, Json, PrimaryKey, Required, Set, count, db_session, desc, exists, flush, select
from pony.orm.dbapiprovider import StrConverter

from ..contestants.sqlite import PRAGMAS
from ..models import Status
from .base import Peer, server, values_of, without_key

db = Database()


class User(db.Entity):
    _table_ = "users"
    name = Required(str)
    email = Required(str)
    age = Required(int, size=64)
    score = Required(float)
    active = Required(bool)
    created = Required(datetime, precision=6)
    status = Required(Status)
    payload = Required(Json)
    id = PrimaryKey(int, size=64, auto=True)


class Contact(db.Entity):
    _table_ = "contacts"
    name = Required(str)
    email = Required(str)
    age = Required(int, size=64)
    score = Required(float)
    id = PrimaryKey(int, size=64, auto=True)


class Member(db.Entity):
    _table_ = "members"
    id = PrimaryKey(int, size=64)
    name = Required(str)
    email = Required(str)
    age = Required(int, size=64)
    score = Required(float)
    active = Required(bool)
    created = Required(datetime, precision=6)
    status = Required(Status)
    payload = Required(Json)


class Author(db.Entity):
    _table_ = "authors"
    name = Required(str)
    email = Required(str)
    id = PrimaryKey(int, size=64, auto=True)
    posts = Set("Post")


class Post(db.Entity):
    _table_ = "posts"
    author = Required(Author, column="author_id")
    title = Required(str)
    views = Required(int, size=64)
    id = PrimaryKey(int, size=64, auto=True)

    @property
    def author_id(self):
        return self.author.id


class StatusConverter(StrConverter):
    """A status, which is stored as its value."""

    def validate(self, val, obj=None):
        return val

    def py2sql(self, val):
        return val.value

    def sql2py(self, val):
        return Status(val)

    def sql_type(self):
        return "TEXT"


class Pony(Peer):
    def open(self) -> None:
        if self.database == "sqlite":
            db.bind(provider="sqlite", filename=self.address)
        else:
            found = server(self.database, self.address)
            names = {"database": "db", "password": "passwd"} if self.database == "mysql" else {}
            db.bind(provider=self.database, **{names.get(name, name): value for name, value in found.items()})
        db.provider.converter_classes.append((Status, StatusConverter))
        db.generate_mapping(check_tables=False)
        if self.database == "sqlite":
            with db_session:
                conn = db.get_connection()
                conn.rollback()  # Pony begins a transaction where it hands over its connection
                for pragma in PRAGMAS:
                    conn.execute(pragma)

    def shut(self) -> None:
        db.disconnect()

    @db_session
    def get(self, key):
        return User.get(id=key)

    @db_session
    def list_plain(self):
        return list(Contact.select())

    @db_session
    def list_rich(self):
        return list(User.select())

    @db_session
    def filter(self, age):
        found = select(user for user in User if user.age >= age and user.active == True)  # noqa: E712
        return list(found.order_by(desc(User.id)).limit(20))

    @db_session
    def count(self, age):
        return count(user for user in User if user.age >= age and user.active == True)  # noqa: E712

    @db_session
    def exists(self, email):
        return exists(user for user in User if user.email == email)

    @db_session
    def insert(self, user):
        return User(**without_key(user))

    @db_session
    def insert_in_transaction(self, users):
        found = []
        for user in users:
            found.append(User(**without_key(user)))
            flush()
        return found

    @db_session
    def update_in_transaction(self, users):
        for user in users:
            User[user.id].set(**without_key(user))
            flush()
        return [1] * len(users)  # it raises where there is no such row

    @db_session
    def delete_in_transaction(self, users):
        return [select(one for one in User if one.id == user.id).delete(bulk=True) for user in users]

    @db_session
    def insert_many(self, users):
        return [User(**without_key(user)) for user in users]

    @db_session
    def insert_many_given(self, members):
        for member in members:
            Member(**values_of(member))

    @db_session
    def eager_load(self):
        authors = Author.select().prefetch(Author.posts)
        return [(author, sorted(author.posts, key=lambda post: post.id)) for author in authors]
