"""The tables that grow, in rows and in columns, and those that are written to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, make_dataclass
from typing import Any

from mini_orm import Database, Repository, apply_schema

from .. import data

#: Columns of the tables that differ in nothing else, and the rows that each has.
WIDTHS = (4, 16, 64)
WIDE_ROWS = 1000
#: Objects that are made and stored at a time, when a table is filled.
_PART = 50_000


@dataclass
class Entry:
    """Five columns that are stored as they are. There is no index, as that grows in ways of its own."""

    id: int = field(metadata={"pk": True})
    name: str
    email: str
    age: int
    score: float

    __table__ = "entries"


@dataclass
class NewEntry(Entry):
    """The same, in a table that is empty before each round."""

    __table__ = "new_entries"


def _wide(columns: int) -> type[Any]:
    """Make a model of a key, and of text, integers and floats in turns."""
    kinds = (str, int, float)
    others = [(f"c{place}", kinds[place % len(kinds)]) for place in range(columns - 1)]
    key = ("id", int, field(metadata={"pk": True}))
    return make_dataclass(f"Wide{columns}", [key, *others], namespace={"__table__": f"wide_{columns}"})


def _written(model: type[Any]) -> type[Any]:
    return make_dataclass(f"New{model.__name__}", [], bases=(model,), namespace={"__table__": f"new_{model.__table__}"})


WIDE = {columns: _wide(columns) for columns in WIDTHS}
NEW_WIDE = {columns: _written(model) for columns, model in WIDE.items()}
#: The models of tables that are filled, and of those that are empty before each round.
READ: tuple[type[Any], ...] = (Entry, *WIDE.values())
WRITTEN: tuple[type[Any], ...] = (NewEntry, *NEW_WIDE.values())


def new_entry(number: int) -> NewEntry:
    """Make the entry whose key is the number."""
    contact = data.contact(number)
    return NewEntry(number, contact.name, contact.email, contact.age, contact.score)


def wide(model: type[Any], columns: int, number: int) -> Any:
    """Make an object of a wide model, whose key is the number."""
    values = (f"text {number}", number, number / 8)
    return model(number, *(values[place % len(values)] for place in range(columns - 1)))


def fill(db: Database, rows: int) -> Iterable[str]:
    """Make the tables, and so many entries; return the names of the tables."""
    apply_schema(db, [*READ, *WRITTEN])
    entries = Repository(db, Entry)
    for first in range(1, rows + 1, _PART):
        numbers = range(first, min(first + _PART, rows + 1))
        entries.insert_many((Entry(**vars(new_entry(number))) for number in numbers), returning=False)
    for columns, model in WIDE.items():
        objects = [wide(model, columns, number) for number in range(1, WIDE_ROWS + 1)]
        Repository(db, model).insert_many(objects, returning=False)
    return [model.__table__ for model in (*READ, *WRITTEN)]
