"""The tables of the benchmark, as the dataclasses that every contestant returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


class Status(Enum):
    TRIAL = "trial"
    ACTIVE = "active"
    PAUSED = "paused"
    CLOSED = "closed"


@dataclass
class User:
    """Nine columns; four of them are not stored as what they are in Python."""

    name: str
    email: str = field(metadata={"index": True})
    age: int
    score: float
    active: bool
    created: datetime
    status: Status
    payload: dict[str, Any]
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})

    __table__ = "users"


@dataclass
class Contact:
    """Five columns that are stored as they are."""

    name: str
    email: str = field(metadata={"index": True})
    age: int
    score: float
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})

    __table__ = "contacts"


@dataclass
class Member:
    """The columns of `User`, but the key is given and not made by the database."""

    id: int = field(metadata={"pk": True})
    name: str
    email: str = field(metadata={"index": True})
    age: int
    score: float
    active: bool
    created: datetime
    status: Status
    payload: dict[str, Any]

    __table__ = "members"


@dataclass
class Author:
    """One of those whose posts are loaded with them."""

    name: str
    email: str
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})

    __table__ = "authors"


@dataclass
class Post:
    """What an author wrote."""

    author_id: int = field(metadata={"fk": (Author, "id"), "index": True})
    title: str
    views: int
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})

    __table__ = "posts"


MODELS: tuple[type[Any], ...] = (User, Contact, Member, Author, Post)
#: The fields of each table, which are its columns.
FIELDS = {model.__table__: tuple(model.__dataclass_fields__) for model in MODELS}
