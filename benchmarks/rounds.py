"""Contestants take turns: one after the other does an operation, round after round, and never two at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

from .operations import Operation

ROOT = Path(__file__).resolve().parent.parent
#: Whose code is written by hand, and by whom it is measured.
BASELINE = "raw"


def baseline_of(name: str) -> str:
    """Return by whom a contestant is measured: the hand-written code on the driver that its name tells, if it does.

    So `mini_orm (PyMySQL)` is measured by `raw (PyMySQL)`, and `mini_orm` by `raw`.
    """
    _, bracket, driver = name.partition(" (")
    return f"{BASELINE}{bracket}{driver}"


class ContestantFailed(Exception):
    """A contestant's process reported an error, or is gone; `name` is the contestant's."""

    def __init__(self, name: str, said: str) -> None:
        super().__init__(f"{name}: {said}")
        self.name = name


class RemoteContestant:
    """A contestant in a process of its own, which works only while it is asked.

    Args:
        python: the interpreter of its process, whose packages are those that it has; this one, unless another is given.

    Raises:
        ContestantFailed: from every method, if it could not.
    """

    def __init__(self, name: str, where: str, address: str, python: str = sys.executable) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.worker", where, address],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            hello = self._answer()
        except ContestantFailed:
            self.close()
            raise
        self.operations: frozenset[str] = frozenset(hello["operations"])
        #: The package that it lacks, if it can do nothing for want of one.
        self.missing: str | None = hello.get("missing")

    def close(self) -> None:
        """End its process."""
        with self._process:  # closes its input, which ends it, and waits
            pass

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "its process ended"}
        if "error" in answer:
            raise ContestantFailed(self.name, answer["error"])
        return answer

    def _ask(self, **command: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except OSError as exc:
            raise ContestantFailed(self.name, "its process ended") from exc
        return self._answer()

    def prepare(self, operation: Operation, number: int, rows: int, calls: int) -> None:
        """Let it make the arguments of a round's calls."""
        self._ask(name=operation.name, number=number, rows=rows, calls=calls)

    def run(self) -> float:
        """Let it make the calls; return the seconds of one call or row."""
        seconds: float = self._ask()["seconds"]
        return seconds

    def finish(self) -> str:
        """Let it put back what it wrote; return the digest of what has to be equal."""
        digest: str = self._ask()["digest"]
        return digest

    def __enter__(self) -> RemoteContestant:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass
class Result:
    """What was measured of one operation: seconds by contestant and round, and whose results were not the first's."""

    operation: Operation
    seconds: dict[str, list[float]] = field(default_factory=dict)
    disagreeing: set[str] = field(default_factory=set)

    def ratios(self, name: str) -> list[float]:
        """Return a contestant's time in each round, divided by that of hand-written code in the same round."""
        mine, raw = self.seconds.get(name, []), self.seconds.get(baseline_of(name), [])
        return [own / hand for own, hand in zip(mine, raw, strict=bool(mine and raw))]

    def median_ratio(self, name: str) -> float | None:
        """Return the median of the rounds' ratios; `None` where one of the two has no time.

        The two turns of a round stand next to each other, so what slows the machine for a while is in both, and
        a ratio of medians would not know that.
        """
        ratios = self.ratios(name)
        return median(ratios) if ratios else None

    def least_ratio(self, name: str) -> float | None:
        """Return the ratio of the two shortest times: what is left when nothing disturbs either."""
        if not self.ratios(name):
            return None
        return min(self.seconds[name]) / min(self.seconds[baseline_of(name)])


def disagreeing(digests: Mapping[str, str]) -> set[str]:
    """Return the contestants whose digest is not that of the first."""
    first = next(iter(digests.values()), None)
    return {name for name, digest in digests.items() if digest != first}


def measure(
    operation: Operation,
    contestants: Sequence[RemoteContestant],
    *,
    rows: int,
    calls: int,
    repeats: int,
    warms_up: bool = True,
) -> Result:
    """Let all who can do an operation take turns: one round to warm up, then `repeats` that count.

    Raises:
        ContestantFailed: one could not.
    """
    able = [contestant for contestant in contestants if operation.name in contestant.operations]
    result = Result(operation, {contestant.name: [] for contestant in able})
    for number in range(0 if warms_up else 1, repeats + 1):
        for contestant in able:
            contestant.prepare(operation, number, rows, calls)
        seconds = {contestant.name: contestant.run() for contestant in able}
        result.disagreeing |= disagreeing({contestant.name: contestant.finish() for contestant in able})
        if number > 0:
            for name, one in seconds.items():
                result.seconds[name].append(one)
    return result
