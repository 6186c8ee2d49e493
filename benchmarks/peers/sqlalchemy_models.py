# mypy: ignore-errors
# The peers' packages are not there where types are checked.
"""The tables as SQLAlchemy's classes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Double, Enum, ForeignKey, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from ..models import Status


def enum_type() -> Enum:
    """Make the type of a status, which is stored as its value."""
    return Enum(Status, values_callable=lambda kind: [one.value for one in kind], native_enum=False, length=20)


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy's own way
        int: BigInteger,
        str: Text,
        float: Double,
        Status: enum_type(),
        dict[str, Any]: JSON().with_variant(JSONB(), "postgresql"),
    }


class User(Base):
    __tablename__ = "users"
    name: Mapped[str]
    email: Mapped[str]
    age: Mapped[int]
    score: Mapped[float]
    active: Mapped[bool]
    created: Mapped[datetime]
    status: Mapped[Status]
    payload: Mapped[dict[str, Any]]
    id: Mapped[int] = mapped_column(primary_key=True)


class Contact(Base):
    __tablename__ = "contacts"
    name: Mapped[str]
    email: Mapped[str]
    age: Mapped[int]
    score: Mapped[float]
    id: Mapped[int] = mapped_column(primary_key=True)


class Member(Base):
    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    email: Mapped[str]
    age: Mapped[int]
    score: Mapped[float]
    active: Mapped[bool]
    created: Mapped[datetime]
    status: Mapped[Status]
    payload: Mapped[dict[str, Any]]


class Author(Base):
    __tablename__ = "authors"
    name: Mapped[str]
    email: Mapped[str]
    id: Mapped[int] = mapped_column(primary_key=True)
    posts: Mapped[list[Post]] = relationship(order_by="Post.id")


class Post(Base):
    __tablename__ = "posts"
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    title: Mapped[str]
    views: Mapped[int]
    id: Mapped[int] = mapped_column(primary_key=True)
