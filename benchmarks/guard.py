"""Fail where mini_orm has become slower beside hand-written code than the table that is kept says.

    python -m benchmarks.guard            # all operations, as benchmarks.sql measures them
    python -m benchmarks.guard --quick    # seconds: what continuous integration runs
    python -m benchmarks.guard --write    # keep the ratios of this run

Rules of this file:
- Only ratios of one run count, never times: two contestants take turns on one machine.
- Of a row the smaller of two numbers counts: the ratio of the shortest times, and the median of the rounds' ratios.
  A machine that is busy makes one of them larger now and then, and seldom both.
- A row that is over its limit is measured again, with more rounds each time, before it fails. What has become slower
  is slower each time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from .contestants import CONTESTANTS
from .databases import DATABASES, Databases, NotAvailable
from .operations import BY_NAME, USUAL_ROWS, Operation, measured_on
from .report import OURS, header, markdown, write_json
from .rounds import BASELINE, ContestantFailed, RemoteContestant, Result, measure
from .sql import say

KEPT = Path(__file__).with_name("guard.json")


@dataclass(frozen=True)
class Form:
    """How much is measured.

    Args:
        share: of the calls that `benchmarks.sql` makes in a round, one in so many.
        margin: how many times its kept ratio a row may have.
    """

    name: str
    rows: int
    share: int
    repeats: int
    margin: float


WHOLE = Form("whole", USUAL_ROWS, share=1, repeats=15, margin=1.15)
QUICK = Form("quick", 2000, share=5, repeats=6, margin=1.4)
#: How many times the rounds of the first try a row gets when it is over its limit, one try after the other.
TRIES = (1, 3, 6)
SLOWER = "slower"


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    found = argparse.ArgumentParser(
        prog="python -m benchmarks.guard",
        description=(
            "Compare the ratios of mini_orm to hand-written code with those that are kept in benchmarks/guard.json. "
            f"Exits with 1 where one is more than {WHOLE.margin} times as high ({QUICK.margin} times with --quick), "
            "also after it was measured again."
        ),
    )
    found.add_argument("--db", choices=sorted(DATABASES), default="sqlite", help="the database (default: %(default)s)")
    found.add_argument(
        "--quick", action="store_true", help="fewer rows, calls and rounds, which have ratios of their own"
    )
    found.add_argument("--only", action="append", metavar="NAME", choices=list(BY_NAME), help="this operation only")
    found.add_argument("--write", action="store_true", help="keep the ratios of this run")
    return found


def ratio_of(result: Result) -> float:
    """Return the ratio of a result that counts.

    Raises:
        ContestantFailed: hand-written code or mini_orm has no time.
    """
    least, middle = result.least_ratio(OURS), result.median_ratio(OURS)
    if least is None or middle is None:
        raise ContestantFailed(OURS, f"{result.operation.name} was not measured")
    return min(least, middle)


@dataclass(frozen=True)
class Row:
    """What was found of an operation: the smallest ratio of its tries, and the one that is kept, if there is one."""

    operation: Operation
    ratio: float
    kept: float | None
    tries: int
    differs: bool = False

    def verdict(self, margin: float) -> str:
        """Say what is wrong, if anything is."""
        if self.differs:
            return "results differ"
        if self.kept is None:
            return "not kept: --write"
        return SLOWER if self.ratio > self.kept * margin else ""


class Guard:
    """Measures mini_orm and hand-written code, in one of the forms."""

    def __init__(self, contestants: Sequence[RemoteContestant], form: Form) -> None:
        self._contestants = contestants
        self._form = form

    def _measured(self, operation: Operation, times: int) -> Result:
        form = self._form
        calls = max(1, operation.calls_for(form.rows) // form.share)
        return measure(operation, self._contestants, rows=form.rows, calls=calls, repeats=form.repeats * times)

    def look(self, operation: Operation, kept: float | None) -> Row:
        """Measure an operation, and again while it is over its limit."""
        found: list[float] = []
        for times in TRIES:
            result = self._measured(operation, times)
            found.append(ratio_of(result))
            row = Row(operation, min(found), kept, len(found), differs=bool(result.disagreeing))
            if row.verdict(self._form.margin) != SLOWER:
                break
            say(f"{operation.name}: {row.ratio:.2f}, kept: {kept:.2f}")
        return row

    def keep(self, operation: Operation) -> Row:
        """Measure what is to be kept: a median of many rounds, as luck that is kept would fail others."""
        result = self._measured(operation, TRIES[-1])
        middle = median(result.ratios(OURS))
        return Row(operation, middle, middle, 1, differs=bool(result.disagreeing))


def table(rows: Sequence[Row], margin: float) -> str:
    """Write what was found in Markdown."""
    lines = [
        [
            row.operation.title,
            f"{row.ratio:.2f}",
            "" if row.kept is None else f"{row.kept:.2f}",
            "" if row.kept is None else f"{row.kept * margin:.2f}",
            str(row.tries),
            row.verdict(margin),
        ]
        for row in rows
    ]
    return markdown(["operation", "ratio", "kept", "limit", "tries", ""], lines, left=1)


def read(path: Path) -> dict[str, Any]:
    """Return what is kept, by database and form."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def main(arguments: list[str] | None = None, path: Path = KEPT) -> int:
    """Run the command; return its exit code."""
    found = parser()
    options = found.parse_args(arguments)
    form = QUICK if options.quick else WHOLE
    chosen = [one for one in measured_on(options.db) if not options.only or one.name in options.only]
    all_kept = read(path)
    entry = all_kept.setdefault(options.db, {}).setdefault(form.name, {"header": {}, "ratios": {}})
    try:
        with started(options.db, form) as (databases, guard):
            if options.write:
                rows = [guard.keep(operation) for operation in chosen]
            else:
                rows = [guard.look(operation, entry["ratios"].get(operation.name)) for operation in chosen]
            repeats = form.repeats * (TRIES[-1] if options.write else 1)
            head = header(databases.versions(), rows=form.rows, repeats=repeats)
    except (ContestantFailed, NotAvailable) as exc:
        say(str(exc))
        return 1
    print(in_one_line(head))
    if not options.write:
        print(f"kept: {in_one_line(entry['header']) or 'nothing'}")
    print(f"\n{table(rows, form.margin)}")
    wrong = [row for row in rows if row.verdict(form.margin)]
    for row in wrong:
        say(f"{row.operation.name}: {row.verdict(form.margin)}")
    if options.write and not wrong:
        entry["header"] = head
        entry["ratios"] |= {row.operation.name: round(row.ratio, 3) for row in rows}
        write_json(path, all_kept)
    return 1 if wrong else 0


@contextmanager
def started(database: str, form: Form) -> Iterator[tuple[Databases, Guard]]:
    """Start mini_orm and hand-written code on databases of their own, until the block ends."""
    with DATABASES[database](form.rows) as databases, ExitStack() as stack:
        contestants = [
            stack.enter_context(RemoteContestant(name, where, databases.new()))
            for name in (BASELINE, OURS)
            for where in CONTESTANTS[database][name]
        ]
        yield databases, Guard(contestants, form)


def in_one_line(head: Mapping[str, Any]) -> str:
    """Write what a reader has to know of a run."""
    return ", ".join(f"{name} {value}" for name, value in head.items())


if __name__ == "__main__":
    sys.exit(main())
