"""Measure what grows with rows, columns, statements and tasks; see growth.md beside the directory of this file."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..databases import DATABASES, Databases, NotAvailable
from ..operations import USUAL_ROWS
from ..report import OURS, header, replaced
from ..rounds import BASELINE, ContestantFailed, RemoteContestant, measure
from ..sql import say
from ..startup import measure_import
from .memory import remembered
from .models import fill
from .operations import FEWEST, FOOTPRINTS, SECTIONS, SWEEPS, Footprint, Sweep
from .report import Memories, Times, as_text

PAGE = Path(__file__).parent.with_name("growth.md")
#: Rounds that count, after one that does not; and those of a size that takes long, and is warm by the ones before.
REPEATS, QUICK_REPEATS, LARGE_REPEATS = 9, 1, 2
_LARGE = 1_000_000
#: Rows of `entries`: the largest size that is measured.
_ROWS = 1_000_000
_QUICK_CALLS = 20

#: By database: whose tables grow, and who does what many do at once.
GROWING: dict[str, dict[str, str]] = {
    "sqlite": {BASELINE: "benchmarks.growth.sqlite:Raw", OURS: "benchmarks.growth.sqlite:MiniOrm"},
    "postgres": {BASELINE: "benchmarks.growth.postgres:Raw", OURS: "benchmarks.growth.postgres:MiniOrm"},
    "mysql": {BASELINE: "benchmarks.growth.mysql:Raw", OURS: "benchmarks.growth.mysql:MiniOrm"},
}
AT_ONCE: dict[str, dict[str, tuple[str, ...]]] = {
    "sqlite": {},
    "postgres": {
        BASELINE: ("benchmarks.growth.postgres_tasks:Raw", "benchmarks.growth.postgres_threads:Raw"),
        OURS: ("benchmarks.growth.postgres_tasks:MiniOrm", "benchmarks.growth.postgres_threads:MiniOrm"),
    },
    "mysql": {BASELINE: ("benchmarks.growth.mysql_tasks:Raw",), OURS: ("benchmarks.growth.mysql_tasks:MiniOrm",)},
}


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    found = argparse.ArgumentParser(
        prog="python -m benchmarks.growth",
        description=(
            "Measure mini_orm beside hand-written code on the same driver at several sizes: rows, columns, shapes of "
            "statements, tasks and threads, and the memory that they take. Exits with 1 where results are not equal."
        ),
    )
    found.add_argument("--db", choices=sorted(DATABASES), default="sqlite", help="the database (default: %(default)s)")
    found.add_argument("--only", action="append", choices=SECTIONS, help="this part only; may be repeated")
    found.add_argument("--quick", action="store_true", help="small sizes and one round: to see that it runs")
    found.add_argument(
        "--write", action="store_true", help="also put the tables into benchmarks/growth.md, between their markers"
    )
    return found


class Growth:
    """Measures contestants at several sizes.

    Args:
        places: by name, the class and the database of those whose tables grow.
    """

    def __init__(
        self, contestants: Sequence[RemoteContestant], places: Mapping[str, tuple[str, str]], *, quick: bool
    ) -> None:
        self.repeats = QUICK_REPEATS if quick else REPEATS
        self._contestants = contestants
        self._places = places
        self._quick = quick

    def _sizes(self, one: Sweep | Footprint) -> Iterable[int]:
        return one.quick if self._quick else one.sizes

    def times(self, sweep: Sweep) -> Times:
        """Measure the time of an operation at each size."""
        found = Times(sweep)
        for size in self._sizes(sweep):
            say(f"{sweep.operation.name}, {size:,} {sweep.of} …")
            calls = sweep.calls(size)
            is_large = size >= _LARGE
            found.by_size[size] = measure(
                sweep.operation,
                self._contestants,
                rows=size,
                calls=min(calls, _QUICK_CALLS) if self._quick else calls,
                repeats=LARGE_REPEATS if is_large else self.repeats,
                warms_up=not is_large,
            )
        return found

    def memory(self, footprint: Footprint) -> Memories:
        """Measure the memory of an operation at each size."""
        found = Memories(footprint)
        for size in self._sizes(footprint):
            say(f"{footprint.operation.name}, {size:,} {footprint.of} …")
            found.by_size[size] = {
                name: remembered(name, where, address, footprint.operation, size, footprint.calls(size))
                for name, (where, address) in self._places.items()
            }
        return found


@contextmanager
def started(database: str, *, quick: bool) -> Iterator[tuple[Databases, Growth]]:
    """Start contestants in processes and on databases of their own, until the block ends."""
    with DATABASES[database](FEWEST if quick else USUAL_ROWS) as databases, ExitStack() as stack:
        contestants = []
        places = {}
        for name, where in GROWING[database].items():
            address = databases.new()
            with databases.open(address) as db:
                databases.settle(db, fill(db, FEWEST if quick else _ROWS))
            contestants.append(stack.enter_context(RemoteContestant(name, where, address)))
            if contestants[-1].missing is None:
                places[name] = where, address
        for name, classes in AT_ONCE[database].items():
            address = databases.new()
            contestants += [stack.enter_context(RemoteContestant(name, where, address)) for where in classes]
        for one in contestants:
            if one.missing is not None:
                say(f"{one.name}: {one.missing} is not installed")
        yield databases, Growth(contestants, places, quick=quick)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    found = parser()
    options = found.parse_args(arguments)
    if options.write and (options.quick or options.only):
        found.error("--write is for a whole run: not with --quick or --only")
    sections = options.only or SECTIONS
    sweeps = [one for one in SWEEPS if one.section in sections and options.db in one.on]
    footprints = FOOTPRINTS if "memory" in sections else ()
    try:
        with started(options.db, quick=options.quick) as (databases, growth):
            times = [growth.times(sweep) for sweep in sweeps]
            memories = [growth.memory(footprint) for footprint in footprints]
            rows = FEWEST if options.quick else _ROWS
            head = header(databases.versions(), rows=rows, repeats=growth.repeats)
    except (ContestantFailed, NotAvailable) as exc:
        say(str(exc))
        return 1
    cost = measure_import(growth.repeats) if "import" in sections else None
    text = as_text(head | {"machine": platform.machine()}, times, memories, cost)
    print(text)
    if options.write:
        PAGE.write_text(
            replaced(PAGE.read_text(encoding="utf-8"), options.db, text, "benchmarks.growth", "write"), encoding="utf-8"
        )
    differing = sorted({one.sweep.operation.name for one in times if one.disagreeing})
    if differing:
        say(f"results differ in: {', '.join(differing)}")
    return 1 if differing else 0
