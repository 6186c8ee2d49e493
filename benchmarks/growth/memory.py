"""The memory of one operation, in processes of its own: `python -m benchmarks.growth.memory`, started by `remembered`.

What Python allocates is counted by tracemalloc. That takes memory itself, and knows nothing of what the library under a
driver allocates, so another process does the same without it, and tells how far it grew.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..contestants.base import Contestant
from ..operations import Operation
from ..rounds import ROOT, ContestantFailed
from ..worker import made

_TRACED, _PLAIN = "traced", "plain"


@dataclass(frozen=True)
class Memory:
    """Bytes.

    Args:
        kept: of the results, and of what else stays behind.
        peak: the most at one time, of what Python allocates.
        process: how far the process grew; `None` where the system does not tell.
    """

    kept: int
    peak: int
    process: int | None


def remembered(name: str, where: str, address: str, operation: Operation, size: int, calls: int) -> Memory:
    """Let a contestant, named by its class, do an operation at a size.

    Raises:
        ContestantFailed: it could not.
    """

    def told(kind: str) -> dict[str, Any]:
        command = [sys.executable, "-m", __name__, where, address, operation.name, str(size), str(calls), kind]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if run.returncode:
            raise ContestantFailed(name, f"the memory of {operation.name}: {run.stderr}")
        found: dict[str, Any] = json.loads(run.stdout)
        return found

    return Memory(**told(_TRACED), **told(_PLAIN))


def _process(name: str) -> int | None:
    """Return a line of what Linux says of this process, in bytes."""
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
    except OSError:
        return None


def _forget_the_peak() -> None:
    """Let the peak of this process be what it has now."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:  # then the peak so far counts, of which little is left when all is imported
        pass


def _done(contestant: Contestant, name: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    _, results = contestant.timed(getattr(contestant, name), arguments)
    return results


def traced(contestant: Contestant, name: str, arguments: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """Make the calls; return what tracemalloc says."""
    tracemalloc.start()
    results = _done(contestant, name, arguments)
    _, peak = tracemalloc.get_traced_memory()
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del results  # not before: they are kept
    return {"kept": kept, "peak": peak}


def grown(contestant: Contestant, name: str, arguments: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """Make the calls; return how far the process grew."""
    _forget_the_peak()
    before = _process("VmHWM")
    _done(contestant, name, arguments)
    after = _process("VmHWM")
    return {"process": None if before is None or after is None else after - before}


def main(where: str, address: str, name: str, size: str, calls: str, kind: str) -> None:
    """Measure, and print what was found."""
    contestant = made(where, address)
    try:
        operation = contestant.catalogue[name]
        smallest = operation.prepare(operation.round(0, 1, 1)).arguments
        _done(contestant, name, smallest)  # imports, connections and the first statement are not measured
        arguments = operation.prepare(operation.round(1, int(size), int(calls))).arguments
        gc.collect()
        measure = traced if kind == _TRACED else grown
        print(json.dumps(measure(contestant, name, arguments)))
    finally:
        contestant.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
