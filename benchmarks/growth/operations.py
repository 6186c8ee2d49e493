"""What is measured, and at which sizes.

Rules of this file:
- An operation is the method of its name on a contestant, as in benchmarks/operations.py. The `rows` of a round are the
  size that grows: rows, columns, shapes, tasks or threads.
- Each size is measured with about the same work in a round, so that none has more of the disturbances than another.
- No round changes what the next one finds; nothing is left in the tables that are written to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..operations import USUAL_ROWS, Batch, Operation, Round
from .models import NEW_WIDE, WIDE_ROWS, WIDTHS, new_entry, wide

#: Rows of a round, where the size is smaller; and calls, where they are not of rows.
_ROWS = 10_000
_CALLS = 1000
#: Users that there are in a quick run, too.
FEWEST = 100
#: The columns and operators that shapes are made of: each column has one of these or is left out.
_SHAPED = ("id", "name", "email", "age", "score")
_OPERATORS = ("eq", "ne", "ge", "le")
SHAPES = (len(_OPERATORS) + 1) ** len(_SHAPED) - 1


@dataclass(frozen=True)
class Comparison:
    """What is asked of one column: `operator` is the name of a method of `C`."""

    field: str
    operator: str
    value: Any


def shape(number: int) -> list[Comparison]:
    """Return the comparisons of a shape; no two from 1 to `SHAPES` have the same text.

    The first one is for one row, so that the database has as little to do with each as with any other.
    """
    values = {"id": number, "name": "Ada Lovelace", "email": "0", "age": 40, "score": 50.0}
    comparisons = [Comparison("id", "eq", number)]
    for name in _SHAPED:
        number, chosen = divmod(number, len(_OPERATORS) + 1)
        if chosen:
            comparisons.append(Comparison(name, _OPERATORS[chosen - 1], values[name]))
    return comparisons


# --- what is given ---------------------------------------------------------------------------------------------


def _some_rows(turn: Round) -> Batch:
    return Batch([(turn.rows,)] * turn.calls, turn.rows * turn.calls)


def _some_entries(turn: Round) -> Batch:
    first = range(1, turn.rows * turn.calls + 1, turn.rows)
    calls = [([new_entry(number) for number in range(one, one + turn.rows)],) for one in first]
    return Batch(calls, turn.rows * turn.calls)


def _all_of_a_width(turn: Round) -> Batch:
    return Batch([(turn.rows,)] * turn.calls, turn.rows * WIDE_ROWS * turn.calls)


def _objects_of_a_width(turn: Round) -> Batch:
    model = NEW_WIDE[turn.rows]
    first = range(1, WIDE_ROWS * turn.calls + 1, WIDE_ROWS)
    calls = [(turn.rows, [wide(model, turn.rows, number) for number in range(one, one + WIDE_ROWS)]) for one in first]
    return Batch(calls, turn.rows * WIDE_ROWS * turn.calls)


def _shapes_in_turns(turn: Round) -> Batch:
    shapes = [shape(number) for number in range(1, turn.rows + 1)]
    return Batch([(shapes[call % len(shapes)],) for call in range(turn.calls)], turn.calls)


def _keys_at_once(turn: Round) -> Batch:
    keys = [turn.random.randint(1, FEWEST) for _ in range(turn.calls)]
    return Batch([(turn.rows, keys)], turn.calls)


# --- what is seen ----------------------------------------------------------------------------------------------


def _ends(objects: Sequence[Any]) -> Any:
    """Take the number of objects, and the first and the last one: a million are too many to look at."""
    return len(objects), *(list(vars(one).values()) for one in (objects[0], objects[-1]))


def _keys(users: Sequence[Any]) -> Any:
    return sorted(user.id for user in users)


def _itself(result: Any) -> Any:
    return result


def _only_the_table(result: Any) -> None:
    """Take no notice of a result."""


# --- the operations --------------------------------------------------------------------------------------------

LIST = Operation("list_entries", "list", {}, 1, _some_rows, _ends, unit="row")
ITERATE = Operation("iterate_entries", "iterate", {}, 1, _some_rows, _itself, unit="row")
INSERT = Operation(
    "insert_entries",
    "insert_many without keys",
    {},
    1,
    _some_entries,
    _only_the_table,
    unit="row",
    writes="new_entries",
)
LIST_WIDE = Operation("list_wide", f"list of {WIDE_ROWS:,}", {}, 1, _all_of_a_width, _ends, unit="value")
INSERT_WIDE = Operation(
    "insert_wide",
    f"insert_many of {WIDE_ROWS:,}",
    {},
    1,
    _objects_of_a_width,
    _only_the_table,
    unit="value",
    writes="new_wide",
)
EXISTS = Operation("exists_in_shape", "exists, in turns", {}, 1, _shapes_in_turns, _itself)
GET_IN_TASKS = Operation("get_in_tasks", "async get, pool of 10", {}, 1, _keys_at_once, _keys)
GET_IN_THREADS = Operation("get_in_threads", "get, pool of 10", {}, 1, _keys_at_once, _keys)
LIST_USERS = Operation("list_users", "objects of 9 columns, loaded", {}, 1, _some_rows, _ends, unit="row")
BY_NAME = {
    operation.name: operation
    for operation in (LIST, ITERATE, INSERT, LIST_WIDE, INSERT_WIDE, EXISTS, GET_IN_TASKS, GET_IN_THREADS, LIST_USERS)
}


def _calls_of_rows(size: int) -> int:
    return max(1, _ROWS // size)


def _calls_of_shapes(size: int) -> int:
    return max(_CALLS, size)


def _calls_of_many(size: int) -> int:
    return _CALLS


def _calls_of_widths(size: int) -> int:
    return 4


def _one_call(size: int) -> int:
    return 1


def _one_for_each(size: int) -> int:
    return size


@dataclass(frozen=True)
class Sweep:
    """The time of an operation at several sizes.

    Args:
        of: what a size is a number of.
        sizes: the smallest one first; `quick` are those of a quick run.
        calls: in a round, by size.
        is_flat: a unit should take as long at each size as at the one before.
        on: the databases that take part.
    """

    section: str
    operation: Operation
    of: str
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    calls: Callable[[int], int]
    is_flat: bool = False
    on: frozenset[str] = frozenset({"sqlite", "postgres", "mysql"})


_ROW_SIZES = (100, 10_000, 1_000_000), (10, 100)
_AT_ONCE = (1, 2, 4, 8, 16, 32, 64), (1, 8)
SWEEPS = (
    Sweep("rows", LIST, "rows", *_ROW_SIZES, _calls_of_rows, is_flat=True),
    Sweep("rows", ITERATE, "rows", *_ROW_SIZES, _calls_of_rows, is_flat=True),
    Sweep("rows", INSERT, "rows", *_ROW_SIZES, _calls_of_rows, is_flat=True),
    Sweep("columns", LIST_WIDE, "columns", WIDTHS, WIDTHS[:2], _calls_of_widths, is_flat=True),
    Sweep("columns", INSERT_WIDE, "columns", WIDTHS, WIDTHS[:2], _calls_of_widths, is_flat=True),
    Sweep("shapes", EXISTS, "shapes", (10, 100, 1000), (5, 10), _calls_of_shapes),
    Sweep("concurrency", GET_IN_TASKS, "tasks", *_AT_ONCE, _calls_of_many, on=frozenset({"postgres", "mysql"})),
    Sweep("concurrency", GET_IN_THREADS, "threads", *_AT_ONCE, _calls_of_many, on=frozenset({"postgres"})),
)


@dataclass(frozen=True)
class Footprint:
    """The memory of an operation at several sizes.

    Args:
        calls: by size.
        flat_from: from this size on it should take no more than at the size before; `None`: it is what the results
            take, at any size.
    """

    operation: Operation
    of: str
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    calls: Callable[[int], int]
    flat_from: int | None = None


FOOTPRINTS = (
    Footprint(LIST_USERS, "objects", (USUAL_ROWS,), (10,), _one_call),
    # A part of `iterate` is 1,000 rows: fewer are less.
    Footprint(ITERATE, "rows", (100, 10_000, 1_000_000), (10, 100), _one_call, flat_from=1_000_000),
    # More than are kept of one model (`CACHE_SIZE`), so that 3,000 may take no more than 1,000.
    Footprint(EXISTS, "shapes", (100, 1000, 3000), (5, 10), _one_for_each, flat_from=3000),
)
SECTIONS = (*dict.fromkeys(sweep.section for sweep in SWEEPS), "memory", "import")
