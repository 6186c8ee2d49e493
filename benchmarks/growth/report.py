"""What was measured, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ..report import GAP, OURS, import_table, markdown
from ..rounds import BASELINE, Result
from ..startup import ImportCost
from .memory import Memory
from .operations import Footprint, Sweep

#: How much more a unit may cost than at the size before, where it should cost the same.
FLAT = 1.25
EXPLANATION = (
    "x before: the time of a unit beside that at the size before, of the shortest times. ratio: the median of the\n"
    "rounds' ratios of mini_orm's time to that of hand-written code."
)
MEMORY_EXPLANATION = (
    "KiB. peak: the most at one time, and kept: what stays with the results, of what Python allocates. process: how\n"
    "far the whole process grew. x before: mini_orm's peak beside that at the size before. ratio: of the peaks."
)


@dataclass
class Times:
    """The results of a sweep, by size."""

    sweep: Sweep
    by_size: dict[int, Result] = field(default_factory=dict)

    @property
    def disagreeing(self) -> set[str]:
        """Whose results were not the first's, at any size."""
        return {name for result in self.by_size.values() for name in result.disagreeing}

    def shortest(self, name: str) -> list[float | None]:
        """Return a contestant's shortest time of a unit at each size; `None` where it has none."""
        return [min(result.seconds.get(name, ()), default=None) for result in self.by_size.values()]


@dataclass
class Memories:
    """The memory of an operation, by size and contestant."""

    footprint: Footprint
    by_size: dict[int, dict[str, Memory]] = field(default_factory=dict)

    def peaks(self, name: str) -> list[float | None]:
        """Return a contestant's peak at each size; `None` where it has none."""
        return [found[name].peak if name in found else None for found in self.by_size.values()]


def beside(values: Sequence[float | None]) -> list[float | None]:
    """Return each value divided by the one before; the first has none."""
    pairs = [later / before if later and before else None for before, later in pairwise(values)]
    return [None, *pairs]


def _number(value: float | None, digits: int = 2) -> str:
    return GAP if value is None else f"{value:,.{digits}f}"


def _microseconds(seconds: float | None) -> str:
    return GAP if seconds is None else _number(seconds * 1e6, 2 if seconds >= 1e-6 else 3)


def _mark(is_flat: bool, times: float | None) -> str:
    return f"over {FLAT}" if is_flat and times is not None and round(times, 2) > FLAT else ""


def _time_lines(times: Times) -> Iterator[list[str]]:
    sweep = times.sweep
    columns = {name: times.shortest(name) for name in (BASELINE, OURS)}
    grown = {name: beside(column) for name, column in columns.items()}
    for place, (size, result) in enumerate(times.by_size.items()):
        line = [sweep.operation.title, f"{size:,} {sweep.of}", sweep.operation.unit]
        for name, column in columns.items():
            shortest = column[place]
            line += [_microseconds(shortest), _number(grown[name][place])]
        differing = f"results differ: {', '.join(sorted(result.disagreeing))}" if result.disagreeing else ""
        yield [*line, _number(result.median_ratio(OURS)), differing or _mark(sweep.is_flat, grown[OURS][place])]


def time_table(found: Sequence[Times]) -> str:
    """Write the times of all sizes."""
    heads = ["operation", "size", "unit", "raw, µs", "x before", "mini_orm, µs", "x before", "ratio", ""]
    return markdown(heads, [line for times in found for line in _time_lines(times)], left=3)


def _memory_lines(memories: Memories) -> Iterator[list[str]]:
    footprint = memories.footprint
    grown = beside(memories.peaks(OURS))
    for place, (size, found) in enumerate(memories.by_size.items()):
        line = [footprint.operation.title, f"{size:,} {footprint.of}"]
        for name in (BASELINE, OURS):
            line += _kibibytes(found.get(name))
        flat_from = footprint.flat_from
        ratio = found[OURS].peak / found[BASELINE].peak if flat_from is None and len(found) > 1 else None
        said = _mark(flat_from is not None and size >= flat_from, grown[place])
        yield [*line, _number(grown[place]), _number(ratio), said]


def _kibibytes(memory: Memory | None) -> list[str]:
    values = (None,) * 3 if memory is None else (memory.peak, memory.kept, memory.process)
    return [_number(None if value is None else value / 1024, 0) for value in values]


def memory_table(found: Sequence[Memories]) -> str:
    """Write the memory of all sizes."""
    who = [
        f"{name}: peak" if what == "peak" else what for name in ("raw", OURS) for what in ("peak", "kept", "process")
    ]
    heads = ["operation", "size", *who, "x before", "ratio", ""]
    return markdown(heads, [line for memories in found for line in _memory_lines(memories)], left=2)


def as_text(
    head: Mapping[str, Any], times: Sequence[Times], memories: Sequence[Memories], cost: ImportCost | None
) -> str:
    """Write all that was measured, in Markdown."""
    parts = [", ".join(f"{name} {value}" for name, value in head.items())]
    if times:
        parts += [time_table(times), EXPLANATION]
    if memories:
        parts += [memory_table(memories), MEMORY_EXPLANATION]
    if cost is not None:
        parts.append(import_table(cost))
    return "\n\n".join(parts)
