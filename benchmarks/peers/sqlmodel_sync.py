# mypy: ignore-errors
# The peers' packages are not there where types are checked.
"""SQLModel: its classes and its session, on SQLAlchemy's engine. No postponed annotations, as SQLModel reads them."""

from types import SimpleNamespace
from typing import Any

from pydantic import NaiveDatetime
from sqlalchemy import JSON, BigInteger, Column, Double
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, Relationship, Session, SQLModel

from ..models import Status
from .sqlalchemy_models import enum_type
from .sqlalchemy_sync import SqlAlchemy


def json_column() -> Column:
    """Make a column of JSON."""
    return Column(JSON().with_variant(JSONB(), "postgresql"))


class User(SQLModel, table=True):
    __tablename__ = "users"
    name: str
    email: str
    age: int = Field(sa_type=BigInteger)
    score: float = Field(sa_type=Double)
    active: bool
    created: NaiveDatetime
    status: Status = Field(sa_column=Column(enum_type()))
    payload: dict[str, Any] = Field(sa_column=json_column())
    id: int | None = Field(default=None, primary_key=True)


class Contact(SQLModel, table=True):
    __tablename__ = "contacts"
    name: str
    email: str
    age: int = Field(sa_type=BigInteger)
    score: float = Field(sa_type=Double)
    id: int | None = Field(default=None, primary_key=True)


class Member(SQLModel, table=True):
    __tablename__ = "members"
    id: int = Field(primary_key=True)
    name: str
    email: str
    age: int = Field(sa_type=BigInteger)
    score: float = Field(sa_type=Double)
    active: bool
    created: NaiveDatetime
    status: Status = Field(sa_column=Column(enum_type()))
    payload: dict[str, Any] = Field(sa_column=json_column())


class Author(SQLModel, table=True):
    __tablename__ = "authors"
    name: str
    email: str
    id: int | None = Field(default=None, primary_key=True)
    posts: list["Post"] = Relationship(sa_relationship_kwargs={"order_by": "Post.id"})


class Post(SQLModel, table=True):
    __tablename__ = "posts"
    author_id: int = Field(foreign_key="authors.id")
    title: str
    views: int = Field(sa_type=BigInteger)
    id: int | None = Field(default=None, primary_key=True)


class SqlModel(SqlAlchemy):
    models = SimpleNamespace(User=User, Contact=Contact, Member=Member, Author=Author)
    session_class = Session
