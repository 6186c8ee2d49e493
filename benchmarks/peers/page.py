"""What a comparison found -> Markdown, the pictures, JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ..report import GAP, markdown, replaced
from ..rounds import BASELINE, ROOT, Result, baseline_of
from . import ASYNC, ENTRANTS
from .chart import Bar, Group, chart

PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "benchmarks"
TITLES = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "MariaDB or MySQL"}


@dataclass
class Page:
    """What there is to say of a run.

    Args:
        head: of the run.
        versions: of the peers and drivers, by package.
        gaps: what is missing, by who and where, and why.
    """

    database: str
    head: Mapping[str, Any]
    versions: Mapping[str, str]
    results: Sequence[Result]
    gaps: Mapping[str, str]

    def names(self, *, awaited: bool) -> list[str]:
        """Return those of one kind who have a place on the database, in the order of their turns."""
        taking_part = {name for result in self.results for name in result.seconds}
        names = dict.fromkeys(entrant.name for entrant in ENTRANTS)
        return [name for name in names if name in taking_part and name.endswith(ASYNC) is awaited]

    def _cells(self, result: Result, names: Sequence[str]) -> list[str]:
        cells = [result.operation.title]
        for name in names:
            if name == baseline_of(name):
                seconds = result.seconds.get(name)
                cells.append(f"{median(seconds) * 1e6:.1f} / {result.operation.unit}" if seconds else GAP)
            else:
                ratio = result.median_ratio(name)
                cells.append(GAP if ratio is None else f"{ratio:.2f}")
        return cells

    def table(self, *, awaited: bool) -> str:
        """Write the ratios of one kind, blocking or awaited, in Markdown."""
        names = self.names(awaited=awaited)
        heads = ["operation", *(f"{name}, µs" if name == baseline_of(name) else name for name in names), ""]
        lines = [self._cells(result, names) for result in self.results]
        known = [[*line, ""] for line in lines if any(cell != GAP for cell in line[1:])]
        return markdown([head.removesuffix(ASYNC).replace(f"{ASYNC},", ",") for head in heads], known, left=1)

    def picture(self, *, awaited: bool) -> str:
        """Draw the ratios of one kind."""
        groups = []
        for result in self.results:
            ratios = [(name, result.median_ratio(name)) for name in self.names(awaited=awaited)]
            bars = [
                Bar(name.removesuffix(ASYNC), ratio)
                for name, ratio in ratios
                if ratio is not None and name != baseline_of(name)
            ]
            if bars:
                groups.append(Group(result.operation.title, bars))
        kind = "awaited" if awaited else "blocking"
        title = f"{TITLES[self.database]}, {kind} calls: time divided by that of hand-written code"
        return chart(title, groups, base=BASELINE)

    def _drivers(self) -> str:
        taking_part = {*self.names(awaited=False), *self.names(awaited=True)}
        through = {
            entrant.name: entrant.drivers[self.database]
            for entrant in ENTRANTS
            if entrant.drivers and self.database in entrant.drivers and entrant.name in taking_part
        }
        return "Drivers: " + ", ".join(f"{name}: {driver}" for name, driver in through.items()) + "."

    def text(self, pictures: str = "") -> str:
        """Write all of it in Markdown; the pictures, too, where their directory is given."""
        versions = {**self.head, **self.versions}
        parts = [", ".join(f"{name} {value}" for name, value in versions.items())]
        for awaited, kind in ((False, "Blocking"), (True, "Awaited")):
            if self.names(awaited=awaited):
                parts.append(f"{kind} calls:")
                if pictures:
                    parts.append(f"![{kind} calls, as ratios to hand-written code]({pictures}/{self._file(awaited)})")
                parts.append(self.table(awaited=awaited))
        parts.append(self._drivers())
        if self.gaps:
            parts.append("Not there:\n\n" + "\n".join(f"- {who}: {why}" for who, why in self.gaps.items()))
        return "\n\n".join(parts)

    def _file(self, awaited: bool) -> str:
        return f"{self.database}_{'async' if awaited else 'sync'}.svg"

    def as_json(self) -> dict[str, Any]:
        """Collect all numbers of all rounds."""
        return {
            "database": self.database,
            "header": {**self.head, **self.versions},
            "operations": {result.operation.name: {"seconds": result.seconds} for result in self.results},
            "gaps": dict(self.gaps),
        }

    def write(self, page: Path = PAGE, pictures: Path = PICTURES) -> None:
        """Put tables into the page, between their markers, and the pictures beside it."""
        pictures.mkdir(exist_ok=True)
        for awaited in (False, True):
            (pictures / self._file(awaited)).write_text(self.picture(awaited=awaited), encoding="utf-8")
        text = replaced(
            page.read_text(encoding="utf-8"), self.database, self.text(pictures.name), "benchmarks.compare", "write"
        )
        page.write_text(text, encoding="utf-8")
