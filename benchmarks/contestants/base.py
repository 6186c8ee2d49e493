"""What a contestant is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from ..operations import BY_NAME, Operation

T = TypeVar("T")
#: How many at once, where an operation is one of tasks; and the connections that they have.
TASKS, CONNECTIONS = 50, 10


class Contestant:
    """One way to do the operations, on a database of its own.

    A subclass has a method, or a callable attribute, for each operation that it can do, under the operation's name.
    Its database has the tables of models.py, with their rows, when the contestant is made.
    """

    #: The operations that there are, by name.
    catalogue: ClassVar[Mapping[str, Operation]] = BY_NAME
    #: Its process stays on one processor, the same for all: two of them are seldom equally busy.
    uses_one_processor = True

    @property
    def operations(self) -> list[str]:
        """The names of the operations that it can do."""
        return [name for name in self.catalogue if hasattr(self, name)]

    def given(self, name: str, arguments: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        """Return what the calls of an operation get, before the clock runs: here, what everybody gets."""
        return arguments

    def timed(self, call: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> tuple[float, list[Any]]:
        """Make the calls; return the seconds that they took and their results."""
        started = time.perf_counter()
        results = [call(*given) for given in arguments]
        return time.perf_counter() - started, results

    def stored(self, table: str) -> list[tuple[Any, ...]]:
        """Return the rows of a table as the database keeps them, in the order of the key."""
        raise NotImplementedError

    def restore(self, table: str) -> None:
        """Bring a table back to the rows that it had at first."""
        raise NotImplementedError

    def close(self) -> None:
        """Close what was opened."""
        raise NotImplementedError


class AsyncContestant(Contestant):
    """A contestant whose operations are awaited, one after the other, in a loop of its own."""

    uses_one_processor = False  # a driver may have threads

    def __init__(self) -> None:
        self.runner = asyncio.Runner()

    def wait_for(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something in the contestant's loop."""
        return self.runner.run(work)

    def timed(self, call: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> tuple[float, list[Any]]:
        async def all_calls() -> tuple[float, list[Any]]:
            started = time.perf_counter()
            results = [await call(*given) for given in arguments]
            return time.perf_counter() - started, results

        found: tuple[float, list[Any]] = self.wait_for(all_calls())
        return found


async def in_tasks(call: Callable[[int], Awaitable[T]], keys: Sequence[int], tasks: int = TASKS) -> list[T]:
    """Call for every key, in tasks that have an equal share of the keys each; return the results, task by task."""

    async def work(share: Sequence[int]) -> list[T]:
        return [await call(key) for key in share]

    shares = await asyncio.gather(*(work(keys[place::tasks]) for place in range(tasks)))
    return [result for share in shares for result in share]
