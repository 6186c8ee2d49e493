"""The operations that are measured, each declared once for all databases and contestants.

Rules of this file:
- An operation is the method of its name on a contestant; one that has no such method is a gap in the table.
- What a call is given is made before the clock runs, the same for every contestant, from the round's own random
  numbers. No round changes what the next one finds: `writes` names the table that is put back.
- `seen` says what of a result has to be equal, in values of plain types. The table that was written counts too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from . import data
from .models import FIELDS, Contact, Status, User

#: The rows for which `Operation.calls` is stated.
USUAL_ROWS = 10_000


@dataclass(frozen=True)
class Round:
    """One turn of a contestant: the rows that a table has, how often to call, and the round's random numbers."""

    rows: int
    calls: int
    random: Random

    def some_keys(self) -> list[int]:
        """Return a key for each call, in no order, none of them twice."""
        return self.random.sample(range(1, self.rows + 1), min(self.calls, self.rows))

    def some_ages(self, highest: int) -> list[int]:
        """Return an age for each call."""
        return [self.random.randint(data.LOWEST_AGE, highest) for _ in range(self.calls)]


@dataclass(frozen=True)
class Batch:
    """The arguments of every call of a round, and the calls or rows that its time is divided by."""

    arguments: Sequence[tuple[Any, ...]]
    units: int


@dataclass(frozen=True)
class Operation:
    """One line of the table.

    Args:
        name: of the contestants' method, and on the command line.
        title: in the table.
        targets: the highest ratio to hand-written code that is aimed at, by database; those that are not there don't
            take part.
        calls: in one round.
        prepare: makes the arguments of a round.
        seen: makes of a call's result what has to be equal.
        unit: what a time is of, "call" or "row".
        grows: a call goes over the whole table, so that a larger table gets fewer calls, and a smaller one more.
        writes: the table that is changed, compared and put back.
    """

    name: str
    title: str
    targets: Mapping[str, float]
    calls: int
    prepare: Callable[[Round], Batch]
    seen: Callable[[Any], Any]
    unit: str = "call"
    grows: bool = False
    writes: str | None = None

    def calls_for(self, rows: int) -> int:
        """Return how often to call in a round."""
        return max(1, self.calls * USUAL_ROWS // rows) if self.grows else self.calls

    def round(self, number: int, rows: int, calls: int) -> Round:
        """Return a round, whose random numbers depend on its number alone."""
        return Round(rows, calls, Random(f"{self.name} {number}"))


# --- what is given ---------------------------------------------------------------------------------------------


def _nothing(turn: Round) -> Batch:
    return Batch([()] * turn.calls, turn.calls * turn.rows)


def _one_key_each(turn: Round) -> Batch:
    keys = [turn.random.randint(1, turn.rows) for _ in range(turn.calls)]
    return Batch([(key,) for key in keys], turn.calls)


def _all_keys_at_once(turn: Round) -> Batch:
    keys = [turn.random.randint(1, turn.rows) for _ in range(turn.calls)]
    return Batch([(keys,)], turn.calls)


def _filter_ages(turn: Round) -> Batch:
    # Low enough that 20 rows are found soon: what is measured is a page, not the database reading the table.
    return Batch([(age,) for age in turn.some_ages(60)], turn.calls)


def _count_ages(turn: Round) -> Batch:
    return Batch([(age,) for age in turn.some_ages(data.HIGHEST_AGE)], turn.calls)


def _changes_by_age(turn: Round) -> Batch:
    statuses = list(Status)
    return Batch([(age, turn.random.choice(statuses)) for age in turn.some_ages(data.HIGHEST_AGE)], turn.calls)


def _emails(turn: Round) -> Batch:
    # Every other one is nobody's.
    return Batch([(data.email(turn.random.randint(1, 2 * turn.rows)),) for _ in range(turn.calls)], turn.calls)


def _new_users(turn: Round) -> list[User]:
    return [data.user(turn.rows + number) for number in range(1, turn.calls + 1)]


def _one_new_user_each(turn: Round) -> Batch:
    return Batch([(user,) for user in _new_users(turn)], turn.calls)


def _new_users_at_once(turn: Round) -> Batch:
    return Batch([(_new_users(turn),)], turn.calls)


def _members_at_once(turn: Round) -> Batch:
    return Batch([([data.member(number) for number in range(1, turn.calls + 1)],)], turn.calls)


def _changed_users(turn: Round) -> Batch:
    users = [data.user(turn.rows + key, key) for key in turn.some_keys()]
    return Batch([(users,)], len(users))


def _stored_users(turn: Round) -> Batch:
    users = [data.user(key, key) for key in turn.some_keys()]
    return Batch([(users,)], len(users))


# --- what is seen ----------------------------------------------------------------------------------------------


def ordered(value: Any) -> Any:
    """Return a dictionary with its keys in order, in which equal ones may differ; anything else as it is."""
    return dict(sorted(value.items())) if isinstance(value, dict) else value


def _fields(obj: Any, names: Iterable[str]) -> tuple[Any, ...] | None:
    return None if obj is None else tuple(ordered(getattr(obj, name)) for name in names)


def _user(user: User | None) -> Any:
    return _fields(user, FIELDS["users"])


def _users(users: Sequence[User]) -> Any:
    return [_fields(user, FIELDS["users"]) for user in users]


def _contacts(contacts: Sequence[Contact]) -> Any:
    return [_fields(contact, FIELDS["contacts"]) for contact in contacts]


def _pages(pages: Sequence[Sequence[User]]) -> Any:
    return [_users(page) for page in pages]


def _authors(found: Sequence[Any]) -> Any:
    """Take a `RelatedResult`, or the pair that is made by hand."""
    pairs = [one if isinstance(one, tuple) else (one.obj, one.relations["posts"]) for one in found]
    return [
        (_fields(author, FIELDS["authors"]), [_fields(post, FIELDS["posts"]) for post in posts])
        for author, posts in pairs
    ]


def _itself(result: Any) -> Any:
    return result


def _only_the_table(result: Any) -> None:
    """Take no notice of a result: `executemany` has none, and tells no keys."""


OPERATIONS = (
    Operation("get", "get by key", {"sqlite": 1.0, "postgres": 1.05, "mysql": 1.05}, 1000, _one_key_each, _user),
    Operation(
        "list_plain",
        "list, 5 plain columns",
        {"sqlite": 1.0, "postgres": 1.0, "mysql": 1.05},
        1,
        _nothing,
        _contacts,
        unit="row",
        grows=True,
    ),
    Operation(
        "list_rich",
        "list, 9 columns with codecs",
        {"sqlite": 0.75, "postgres": 0.8, "mysql": 0.8},
        1,
        _nothing,
        _users,
        unit="row",
        grows=True,
    ),
    Operation(
        "filter", "filter + order + limit 20", {"sqlite": 0.9, "postgres": 1.0, "mysql": 1.0}, 50, _filter_ages, _users
    ),
    Operation(
        "count",
        "count with a filter",
        {"sqlite": 1.03, "postgres": 1.03, "mysql": 1.03},
        20,
        _count_ages,
        _itself,
        grows=True,
    ),
    Operation(
        "update_where",
        "update_where",
        {"sqlite": 1.03, "postgres": 1.03, "mysql": 1.03},
        5,
        _changes_by_age,
        _itself,
        grows=True,
        writes="users",
    ),
    Operation(
        "exists",
        "exists by an indexed column",
        {"sqlite": 1.3, "postgres": 1.05, "mysql": 1.05},
        2000,
        _emails,
        _itself,
    ),
    Operation(
        "insert",
        "insert one, committed",
        {"sqlite": 1.1, "postgres": 1.05, "mysql": 1.05},
        150,
        _one_new_user_each,
        _user,
        writes="users",
    ),
    Operation(
        "insert_in_transaction",
        "insert one, in a transaction",
        {"sqlite": 1.1, "postgres": 1.05, "mysql": 1.05},
        500,
        _new_users_at_once,
        _users,
        writes="users",
    ),
    Operation(
        "update_in_transaction",
        "update one, in a transaction",
        {"sqlite": 1.2, "postgres": 1.05, "mysql": 1.05},
        500,
        _changed_users,
        _itself,
        writes="users",
    ),
    Operation(
        "delete_in_transaction",
        "delete one, in a transaction",
        {"sqlite": 1.15, "postgres": 1.05, "mysql": 1.05},
        1000,
        _stored_users,
        _itself,
        writes="users",
    ),
    Operation(
        "insert_many",
        "insert_many with keys",
        {"sqlite": 1.15, "postgres": 0.5, "mysql": 1.1},
        10_000,
        _new_users_at_once,
        _only_the_table,
        unit="row",
        writes="users",
    ),
    Operation(
        "insert_many_given",
        "insert_many without keys",
        {"sqlite": 0.9, "postgres": 0.55, "mysql": 1.0},
        10_000,
        _members_at_once,
        _only_the_table,
        unit="row",
        writes="members",
    ),
    Operation(
        "eager_load",
        "eager load, 10 posts an author",
        {"sqlite": 1.1, "postgres": 1.1, "mysql": 1.1},
        1,
        _nothing,
        _authors,
        unit="row",
        grows=True,
    ),
    Operation("get_async", "async get", {"sqlite": 0.45}, 100, _one_key_each, _user),
    Operation("get_tasks", "async get, 50 tasks", {"postgres": 0.6, "mysql": 1.1}, 2000, _all_keys_at_once, _users),
    Operation(
        "list_tasks", "async list of 100, 50 tasks", {"postgres": 0.7, "mysql": 1.1}, 200, _all_keys_at_once, _pages
    ),
)
BY_NAME = {operation.name: operation for operation in OPERATIONS}


def measured_on(database: str) -> list[Operation]:
    """Return the operations that take part where this is the database."""
    return [operation for operation in OPERATIONS if database in operation.targets]
