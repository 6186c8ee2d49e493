"""Measure mini_orm beside hand-written code and its peers, all doing the same; see docs/benchmarks.md.

python -m benchmarks.compare --db sqlite
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from .databases import DATABASES, Databases, NotAvailable
from .operations import BY_NAME, USUAL_ROWS, Operation, measured_on
from .peers import DRIVERS, ENTRANTS, Entrant
from .peers.environment import PLACE, Environment, base_name
from .peers.page import Page
from .report import OURS, header, write_json
from .rounds import BASELINE, ContestantFailed, RemoteContestant, Result, measure
from .sql import QUICK_REPEATS, QUICK_ROWS, calls_for, positive, say

REPEATS = 7
#: Peers take up to 100 times as long, so that a round has one in so many of the calls that `benchmarks.sql` makes,
#: where it makes many.
SHARE_OF_CALLS = 4
#: Awaited like any other here, so that it is `get` once more.
TWICE = "get_async"


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    found = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description=(
            "Time each operation in hand-written code, through mini_orm and through its peers, in turns, and print the "
            "ratios to hand-written code. The peers are installed into an environment of their own, in their newest "
            "versions. Exits with 1 where mini_orm or hand-written code fails, or results differ."
        ),
    )
    found.add_argument("--db", choices=sorted(DATABASES), default="sqlite", help="the database (default: %(default)s)")
    found.add_argument("--rows", type=positive, metavar="N", help=f"rows in each table (default: {USUAL_ROWS})")
    found.add_argument("--repeats", type=positive, metavar="N", help=f"rounds that count (default: {REPEATS})")
    found.add_argument("--only", action="append", metavar="NAME", choices=list(BY_NAME), help="this operation only")
    found.add_argument(
        "--peer",
        action="append",
        metavar="NAME",
        choices=[entrant.name for entrant in ENTRANTS],
        help="this peer only, beside hand-written code and mini_orm",
    )
    found.add_argument(
        "--environment", type=Path, default=PLACE, metavar="DIR", help="where the peers are installed (%(default)s)"
    )
    found.add_argument("--offline", action="store_true", help="install nothing: the environment is as it should be")
    found.add_argument(
        "--quick", action="store_true", help="few rows, calls and rounds: to see that it runs, not how fast"
    )
    found.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers of all rounds to this file")
    found.add_argument(
        "--write", action="store_true", help="also put tables and pictures into docs/benchmarks.md and docs/benchmarks/"
    )
    return found


class Standing:
    """Somebody who takes part, whose process is started again where it fails."""

    def __init__(
        self,
        entrant: Entrant,
        database: str,
        start: Callable[[str, str], RemoteContestant],
        absent: str | None = None,
    ) -> None:
        self.name = entrant.name
        self._where = entrant.places[database]
        self._start = start
        self.remote: RemoteContestant | None = None
        #: Why it is not there at all.
        self.absent = absent
        if absent is None:
            self.start()

    def start(self) -> None:
        """Begin again, with a new process and a new database."""
        self.stop()
        try:
            remote = self._start(self.name, self._where)
        except ContestantFailed as exc:
            self.absent = summary(exc)
            return
        if remote.missing is not None:
            self.absent = f"{remote.missing} is not installed"
            remote.close()
            return
        self.remote = remote

    def stop(self) -> None:
        """End the process, if there is one."""
        if self.remote is not None:
            self.remote.close()
            self.remote = None

    def can(self, operation: Operation) -> bool:
        """Say whether it can do an operation."""
        return self.remote is not None and operation.name in self.remote.operations

    def trial(self, operation: Operation, rows: int, calls: int) -> str:
        """Do one round, which does not count; return the digest of what has to be equal.

        Raises:
            ContestantFailed: it could not, and is started again.
        """
        assert self.remote is not None
        try:
            self.remote.prepare(operation, 0, rows, calls)
            self.remote.run()
            return self.remote.finish()
        except ContestantFailed:
            self.start()
            raise


def summary(exc: ContestantFailed) -> str:
    """Return what an error comes to, in one line: of a traceback, the last line that names an exception."""
    lines = str(exc).strip().splitlines()
    named = [line for line in lines if re.match(r"[A-Za-z_][\w.]*(Error|Exception|Failed|Warning|Group)\b", line)]
    return (named or lines)[-1].strip()[:160]


class Match:
    """All who take part on one database, and what was found of them."""

    def __init__(self, standings: Sequence[Standing], *, rows: int, repeats: int) -> None:
        self.standings = standings
        self.rows = rows
        self.repeats = repeats
        self.results: list[Result] = []
        #: What is missing, by who and where, and why.
        self.gaps = {one.name: one.absent for one in standings if one.absent is not None}

    def _note(self, name: str, operation: Operation, reason: str) -> None:
        self.gaps[f"{name}, `{operation.name}`"] = reason
        say(f"{name}, {operation.name}: {reason}")

    def _agreeing(self, operation: Operation, calls: int) -> list[Standing]:
        """Return those who can do an operation, with the result of hand-written code, which is the first."""
        agreeing: list[Standing] = []
        expected: str | None = None
        for one in self.standings:
            if not one.can(operation):
                continue
            try:
                digest = one.trial(operation, self.rows, calls)
            except ContestantFailed as exc:
                self._note(one.name, operation, summary(exc))
                continue
            expected = expected or digest
            if digest == expected:
                agreeing.append(one)
            else:
                self._note(one.name, operation, "its results are not those of hand-written code")
        return agreeing

    def measure(self, operation: Operation, calls: int) -> None:
        """Let all take turns who can do an operation rightly."""
        able = self._agreeing(operation, calls)
        while True:
            remotes = [one.remote for one in able if one.remote is not None]
            try:
                result = measure(operation, remotes, rows=self.rows, calls=calls, repeats=self.repeats)
            except ContestantFailed as exc:
                self._note(exc.name, operation, summary(exc))
                for one in able:  # they stopped within a round, so that what they wrote is still there
                    one.start()
                able = [one for one in able if one.name != exc.name]
            else:
                self.results.append(result)
                return


def chosen_entrants(database: str, peers: Sequence[str] | None) -> list[Entrant]:
    """Return those who take part."""
    return [
        entrant
        for entrant in ENTRANTS
        if database in entrant.places and (entrant.package is None or not peers or entrant.name in peers)
    ]


def run(
    databases: Databases, entrants: Sequence[Entrant], reasons: dict[str, str], python: str, options: argparse.Namespace
) -> Match:
    """Start all who are installed, and measure all operations.

    Args:
        reasons: why a package is not installed, by its name.
        python: the interpreter of the contestants' processes.
    """
    chosen = [one for one in measured_on(options.db) if options.only is None or one.name in options.only]

    def start(name: str, where: str) -> RemoteContestant:
        return RemoteContestant(name, where, databases.new(), python)

    with ExitStack() as stack:
        standings = []
        for entrant in entrants:
            standing = Standing(entrant, options.db, start, reasons.get(entrant.package or ""))
            stack.callback(standing.stop)
            standings.append(standing)
        match = Match(standings, rows=options.rows, repeats=options.repeats)
        for operation in chosen:
            if operation.name != TWICE:
                say(f"{operation.name} …")
                calls = calls_for(operation, options.rows, quick=options.quick)
                match.measure(operation, calls if operation.grows else max(1, calls // SHARE_OF_CALLS))
    return match


def prepared(options: argparse.Namespace, entrants: Sequence[Entrant]) -> tuple[Environment, dict[str, str]]:
    """Return the environment of the contestants, and why packages are not in it."""
    environment = Environment(options.environment)
    if options.offline:
        return environment, {}
    packages = [*DRIVERS[options.db], *(entrant.package for entrant in entrants if entrant.package)]
    say(f"installing {', '.join(dict.fromkeys(packages))} …")
    return environment, environment.install(packages, say)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    found = parser()
    options = found.parse_args(arguments)
    if options.write and (options.quick or options.only or options.peer):
        found.error("--write is for a whole run: not with --quick, --only or --peer")
    options.rows = options.rows or (QUICK_ROWS if options.quick else USUAL_ROWS)
    options.repeats = options.repeats or (QUICK_REPEATS if options.quick else REPEATS)
    entrants = chosen_entrants(options.db, options.peer)
    environment, reasons = prepared(options, entrants)
    try:
        with DATABASES[options.db](options.rows) as databases:
            match = run(databases, entrants, reasons, environment.python, options)
            head = header(databases.versions(), rows=options.rows, repeats=options.repeats)
    except NotAvailable as exc:
        say(str(exc))
        return 1
    page = Page(options.db, head, versions_of(entrants, options.db, environment), match.results, match.gaps)
    print(page.text())
    if options.json is not None:
        write_json(options.json, page.as_json())
    if options.write:
        page.write()
    return 1 if any(is_ours(place) for place in match.gaps) or any(one.disagreeing for one in match.results) else 0


def versions_of(entrants: Sequence[Entrant], database: str, environment: Environment) -> dict[str, str]:
    """Return the versions of the peers and of the drivers, by package."""
    installed = environment.versions()
    wanted = [*(entrant.package for entrant in entrants if entrant.package), *DRIVERS[database]]
    return {name: installed[base_name(name)] for name in dict.fromkeys(wanted) if base_name(name) in installed}


def is_ours(place: str) -> bool:
    """Say whether a gap is mini_orm's or that of hand-written code, which must have none."""
    return place.partition(" ")[0].rstrip(",") in (BASELINE, OURS)


if __name__ == "__main__":
    sys.exit(main())
