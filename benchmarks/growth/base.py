"""The operations by hand, and through mini_orm; what they are the same in on all databases."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, ClassVar

from mini_orm import C, Database, Repository

from ..contestants.base import Contestant
from ..models import User
from .models import NEW_WIDE, WIDE, WRITTEN, Entry, NewEntry
from .operations import BY_NAME, Comparison

_NAMES = "id, name, email, age, score"
_SIGNS = {"eq": "=", "ne": "<>", "ge": ">=", "le": "<="}


class GrowthContestant(Contestant):
    """A contestant whose database has the tables of models.py beside this file, too."""

    catalogue = BY_NAME
    #: What begins the statement that empties a table.
    emptying: ClassVar[str] = "TRUNCATE TABLE"

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> Iterable[tuple[Any, ...]]:
        """Run a query; return its rows."""

    @abstractmethod
    def run(self, sql: str) -> None:
        """Run a statement that has no rows."""

    def stored(self, table: str) -> list[tuple[Any, ...]]:
        counted = [f"SELECT count(*), min(id), max(id) FROM {model.__table__}" for model in WRITTEN]
        return [row for sql in counted for row in self.rows(sql)]

    def restore(self, table: str) -> None:
        for model in WRITTEN:
            self.run(f"{self.emptying} {model.__table__}")


class ByHand(GrowthContestant):
    """What one writes with a driver."""

    #: Stands for a value in SQL.
    mark: ClassVar[str] = "%s"

    @abstractmethod
    def to_users(self, rows: Iterable[tuple[Any, ...]]) -> list[User]:
        """Make users of rows."""

    @abstractmethod
    def stream(self, sql: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """Run a query; give its rows while they come, a thousand at a time where somebody has to say."""

    @abstractmethod
    def insert(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run an INSERT for many rows, in one transaction."""

    def list_entries(self, rows: int) -> list[Entry]:
        sql = f"SELECT {_NAMES} FROM entries WHERE id <= {self.mark}"
        return [Entry(*row) for row in self.rows(sql, (rows,))]

    def iterate_entries(self, rows: int) -> tuple[int, int]:
        sql = f"SELECT {_NAMES} FROM entries WHERE id <= {self.mark}"
        return counted(Entry(*row) for row in self.stream(sql, (rows,)))

    def insert_entries(self, entries: list[NewEntry]) -> None:
        sql = f"INSERT INTO new_entries ({_NAMES}) VALUES ({', '.join([self.mark] * 5)})"
        self.insert(sql, [(one.id, one.name, one.email, one.age, one.score) for one in entries])

    def list_wide(self, columns: int) -> list[Any]:
        model = WIDE[columns]
        return [model(*row) for row in self.rows(f"SELECT * FROM {model.__table__}")]

    def insert_wide(self, columns: int, objects: list[Any]) -> None:
        model = NEW_WIDE[columns]
        values = attrgetter(*model.__dataclass_fields__)
        sql = f"INSERT INTO {model.__table__} VALUES ({', '.join([self.mark] * columns)})"
        self.insert(sql, [values(one) for one in objects])

    def exists_in_shape(self, comparisons: list[Comparison]) -> bool:
        where = " AND ".join(f"{one.field} {_SIGNS[one.operator]} {self.mark}" for one in comparisons)
        found = self.rows(f"SELECT 1 FROM users WHERE {where} LIMIT 1", [one.value for one in comparisons])
        return any(True for _ in found)

    def list_users(self, rows: int) -> list[User]:
        columns = ", ".join(User.__dataclass_fields__)
        return self.to_users(self.rows(f"SELECT {columns} FROM users WHERE id <= {self.mark}", (rows,)))


class ThroughMiniOrm(GrowthContestant):
    """What one writes with a `Database`, whatever is under it."""

    def use(self, db: Database) -> None:
        """Make the repositories."""
        self.db = db
        self.users = Repository(db, User)
        self.entries = Repository(db, Entry)
        self.new_entries = Repository(db, NewEntry)
        self.wide = {columns: Repository(db, model) for columns, model in WIDE.items()}
        self.new_wide = {columns: Repository(db, model) for columns, model in NEW_WIDE.items()}

    def list_entries(self, rows: int) -> list[Entry]:
        return self.entries.list(C.le("id", rows))

    def iterate_entries(self, rows: int) -> tuple[int, int]:
        return counted(self.entries.iterate(C.le("id", rows)))

    def insert_entries(self, entries: list[NewEntry]) -> int:
        return self.new_entries.insert_many(entries, returning=False)

    def list_wide(self, columns: int) -> list[Any]:
        return self.wide[columns].list()

    def insert_wide(self, columns: int, objects: list[Any]) -> int:
        return self.new_wide[columns].insert_many(objects, returning=False)

    def exists_in_shape(self, comparisons: list[Comparison]) -> bool:
        return self.users.exists([getattr(C, one.operator)(one.field, one.value) for one in comparisons])

    def list_users(self, rows: int) -> list[User]:
        return self.users.list(C.le("id", rows))

    def close(self) -> None:
        self.db.close()


def counted(entries: Iterable[Entry]) -> tuple[int, int]:
    """Return how many entries came, and the sum of their ages."""
    number = ages = 0
    for entry in entries:
        number += 1
        ages += entry.age
    return number, ages
