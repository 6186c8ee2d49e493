"""A contestant's own process: `python -m benchmarks.worker MODULE:CLASS ADDRESS`, driven by lines of JSON.

It says which operations it can do: none, if a package that it needs is not installed. A turn has three steps, each
asked for by a line and answered by one, so that the timed steps of all contestants can stand next to each other: the
arguments of `turn` for the first, `{}` for the others. The process ends with its input.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import pkgutil
import sys
import traceback
from collections.abc import Iterator
from typing import Any

from .contestants.base import Contestant

#: Packages that are here, so that a missing module of theirs is a mistake. Any other one is a contestant's own.
OURS = ("benchmarks", "mini_orm", "tests")


def digest_of(*values: Any) -> str:
    """Return a short text that is equal for equal values of plain types, and hardly for others."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def turn(contestant: Contestant, name: str, number: int, rows: int, calls: int) -> Iterator[dict[str, Any]]:
    """Yield the answers of one turn: ready; the seconds of a call or row; the digest, when all is put back."""
    operation = contestant.catalogue[name]
    batch = operation.prepare(operation.round(number, rows, calls))
    call, arguments = getattr(contestant, name), contestant.given(name, batch.arguments)
    gc.collect()  # everybody starts with the same debts to the collector: none
    yield {}
    seconds, results = contestant.timed(call, arguments)
    yield {"seconds": seconds / batch.units}
    stored = None
    if operation.writes is not None:
        stored = contestant.stored(operation.writes)
        contestant.restore(operation.writes)
    yield {"digest": digest_of([operation.seen(result) for result in results], stored)}


def say(message: dict[str, Any]) -> None:
    """Answer."""
    print(json.dumps(message), flush=True)


def made(where: str, address: str) -> Contestant:
    """Make the contestant of a class that is named `module:Class`."""
    contestant: Contestant = pkgutil.resolve_name(where)(address)
    return contestant


def stay_on_one_processor() -> None:
    """Keep this process where all others are, too, if the system can do that."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main(where: str, address: str) -> None:
    """Serve until the input ends."""
    contestant: Contestant | None = None
    try:
        contestant = made(where, address)
        if contestant.uses_one_processor:
            stay_on_one_processor()
        say({"operations": contestant.operations})
        steps: Iterator[dict[str, Any]] = iter(())
        for line in sys.stdin:
            command = json.loads(line)
            if command:
                steps = turn(contestant, **command)
            say(next(steps))
    except ModuleNotFoundError as exc:
        if contestant is not None or exc.name is None or exc.name.partition(".")[0] in OURS:
            say({"error": traceback.format_exc()})
        else:
            say({"operations": [], "missing": exc.name})
    except Exception:
        say({"error": traceback.format_exc()})
    finally:
        if contestant is not None:
            contestant.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
