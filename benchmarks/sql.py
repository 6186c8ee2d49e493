"""Measure mini_orm beside hand-written code on the same driver; see README.md beside this file."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from .contestants import CONTESTANTS
from .databases import DATABASES, Databases, NotAvailable
from .operations import BY_NAME, USUAL_ROWS, Operation, measured_on
from .profiling import listing, profile
from .report import OURS, as_json, as_text, header, replaced, write_json
from .rounds import ContestantFailed, RemoteContestant, Result, measure
from .startup import NAME as IMPORT
from .startup import measure_import
from .worker import made

README = Path(__file__).with_name("README.md")
REPEATS, QUICK_REPEATS = 25, 2
QUICK_ROWS, QUICK_CALLS = 300, 50
PROFILED_SECONDS = 3.0


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    found = argparse.ArgumentParser(
        prog="python -m benchmarks.sql",
        description=(
            "Time each operation through mini_orm and in hand-written code on the same driver, in turns, and print "
            "the ratio of the two. Exits with 1 where results are not equal, never because something is slow."
        ),
        epilog=f"operations: {', '.join([*BY_NAME, IMPORT])}",
    )
    found.add_argument("--db", choices=sorted(DATABASES), default="sqlite", help="the database (default: %(default)s)")
    found.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        choices=[*BY_NAME, IMPORT],
        help="this operation only; may be repeated",
    )
    found.add_argument("--rows", type=positive, metavar="N", help=f"rows in each table (default: {USUAL_ROWS})")
    found.add_argument(
        "--repeats",
        type=positive,
        metavar="N",
        help=f"rounds that count, after one that does not (default: {REPEATS})",
    )
    found.add_argument(
        "--quick", action="store_true", help="few rows, calls and rounds: to see that it runs, not how fast"
    )
    found.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers of all rounds to this file")
    found.add_argument(
        "--write-readme", action="store_true", help="also put the table into benchmarks/README.md, between its markers"
    )
    found.add_argument(
        "--profile",
        metavar="NAME",
        choices=list(BY_NAME),
        help="measure nothing; list where the time of this operation goes in mini_orm, line by line",
    )
    return found


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a number of at least 1")
    return number


def say(text: str) -> None:
    """Report progress."""
    print(text, file=sys.stderr, flush=True)


def calls_for(operation: Operation, rows: int, *, quick: bool) -> int:
    """Return how often an operation is called in a round."""
    calls = operation.calls_for(rows)
    return min(calls, QUICK_CALLS) if quick else calls


def run(databases: Databases, options: argparse.Namespace) -> list[Result]:
    """Start the contestants and measure the operations."""
    chosen = [one for one in measured_on(options.db) if options.only is None or one.name in options.only]
    if not chosen:
        return []
    with ExitStack() as stack:
        contestants = [
            stack.enter_context(RemoteContestant(name, where, databases.new()))
            for name, places in CONTESTANTS[options.db].items()
            for where in places
        ]
        for contestant in contestants:
            if contestant.missing is not None:
                say(f"{contestant.name}: {contestant.missing} is not installed")
        results = []
        for operation in chosen:
            say(f"{operation.name} …")
            calls = calls_for(operation, options.rows, quick=options.quick)
            results.append(measure(operation, contestants, rows=options.rows, calls=calls, repeats=options.repeats))
        return results


def print_profile(databases: Databases, options: argparse.Namespace) -> None:
    """Profile one operation of mini_orm, in this process, on each driver that can do it."""
    operation = BY_NAME[options.profile]
    ours = [places for name, places in CONTESTANTS[options.db].items() if name.partition(" ")[0] == OURS]
    for where in chain.from_iterable(ours):
        contestant = made(where, databases.new())
        try:
            if operation.name in contestant.operations:
                calls = calls_for(operation, options.rows, quick=options.quick)
                found = profile(contestant, operation, rows=options.rows, calls=calls, seconds=PROFILED_SECONDS)
                print(where, listing(found), sep="\n")
        finally:
            contestant.close()


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    found = parser()
    options = found.parse_args(arguments)
    if options.write_readme and (options.quick or options.only or options.profile):
        found.error("--write-readme is for a whole run: not with --quick, --only or --profile")
    known = {IMPORT, *(operation.name for operation in measured_on(options.db))}
    unknown = sorted({*(options.only or ()), *filter(None, [options.profile])} - known)
    if unknown:
        found.error(f"not measured with --db {options.db}: {', '.join(unknown)}")
    options.rows = options.rows or (QUICK_ROWS if options.quick else USUAL_ROWS)
    options.repeats = options.repeats or (QUICK_REPEATS if options.quick else REPEATS)
    try:
        with DATABASES[options.db](options.rows) as databases:
            return _measured(databases, options)
    except (ContestantFailed, NotAvailable) as exc:
        say(str(exc))
        return 1


def _measured(databases: Databases, options: argparse.Namespace) -> int:
    """Measure what was asked for, and report it; return the exit code."""
    if options.profile:
        print_profile(databases, options)
        return 0
    results = run(databases, options)
    cost = None
    if options.only is None or IMPORT in options.only:
        say(f"{IMPORT} …")
        cost = measure_import(options.repeats)
    head = header(databases.versions(), rows=options.rows, repeats=options.repeats)
    names = list(CONTESTANTS[options.db])
    text = as_text(head, results, cost, database=options.db, contestants=names)
    print(text)
    if options.json is not None:
        write_json(options.json, as_json(head, results, cost, database=options.db))
    if options.write_readme:
        README.write_text(replaced(README.read_text(encoding="utf-8"), options.db, text), encoding="utf-8")
    differing = [result.operation.name for result in results if result.disagreeing]
    if differing:
        say(f"results differ in: {', '.join(differing)}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
