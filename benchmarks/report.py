"""Results -> text, Markdown and JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import mini_orm

from .rounds import Result, baseline_of
from .startup import NAME, TARGET_MIB, TARGET_MS, ImportCost

#: Whose ratios have targets.
OURS = "mini_orm"
GAP = "-"
#: How far over its target a ratio may be before the mark gets louder.
MUCH = 1.3
EXPLANATION = (
    "A ratio is the contestant's time divided by that of hand-written code. min: of the two shortest times.\n"
    "median: of the ratios of the rounds, whose turns stand next to each other."
)


def header(versions: Mapping[str, str], *, rows: int, repeats: int) -> dict[str, Any]:
    """Collect what a reader has to know of the run."""
    return {
        "date": date.today().isoformat(),
        "mini_orm": mini_orm.__version__,
        platform.python_implementation(): platform.python_version(),
        **versions,
        "CPUs": os.cpu_count(),
        "rows": rows,
        "repeats": repeats,
    }


def mark(value: float | None, target: float | None) -> str:
    """Say whether a value is over its target, as both are shown."""
    if value is None or target is None or round(value, 2) <= target:
        return ""
    return "over" if round(value, 2) <= MUCH * target else f"over {MUCH} x target"


def _number(value: float | None, digits: int = 2) -> str:
    return GAP if value is None else f"{value:.{digits}f}"


def _cells(result: Result, name: str) -> list[str]:
    """Write what is known of a contestant: the time of hand-written code, the ratios of everybody else."""
    if baseline_of(name) != name:
        return [_number(result.least_ratio(name)), _number(result.median_ratio(name))]
    seconds = result.seconds.get(name)
    return [f"{median(seconds) * 1e6:.2f} / {result.operation.unit}" if seconds else GAP]


def _line(result: Result, database: str, contestants: Sequence[str]) -> list[str]:
    operation = result.operation
    cells = [operation.title, f"`{operation.name}`"]
    for name in contestants:
        cells += _cells(result, name)
    target = operation.targets.get(database)
    if result.disagreeing:
        said = f"results differ: {', '.join(sorted(result.disagreeing))}"
    else:
        said = mark(result.median_ratio(OURS), target)
    return [*cells, _number(target), said]


def table(results: Sequence[Result], database: str, contestants: Sequence[str]) -> str:
    """Write the table of times and ratios in Markdown, in columns that a terminal shows well."""
    heads = ["operation", "name"]
    for name in contestants:
        heads += [f"{name}, µs"] if baseline_of(name) == name else [f"{name}: min", "median"]
    lines = [_line(result, database, contestants) for result in results]
    return markdown([*heads, "target", ""], lines, left=2)


def import_table(cost: ImportCost) -> str:
    """Write what the import costs in Markdown."""
    lines = [
        ["milliseconds", _number(min(cost.milliseconds), 1), _number(cost.median_ms, 1), _number(TARGET_MS, 0)],
        ["MiB", _number(min(cost.mebibytes, default=None), 1), _number(cost.median_mib, 1), _number(TARGET_MIB, 0)],
    ]
    lines[0].append(mark(cost.median_ms, TARGET_MS))
    lines[1].append(mark(cost.median_mib, TARGET_MIB))
    heads = [f"`{NAME} mini_orm`, above the bare interpreter", "min", "median", "target", ""]
    brought = ", ".join(cost.modules) or "none"
    return f"{markdown(heads, lines, left=1)}\n\nasyncio and drivers that it imports: {brought}."


def markdown(heads: Sequence[str], lines: Sequence[Sequence[str]], *, left: int) -> str:
    """Write a table; the first `left` columns and the last one go to the left, numbers to the right."""
    widths = [max(3, *(len(line[place]) for line in [heads, *lines])) for place in range(len(heads))]
    to_left = [place < left or place == len(heads) - 1 for place in range(len(heads))]

    def written(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if flush else cell.rjust(width)
            for cell, width, flush in zip(cells, widths, to_left, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if flush else "-" * (width - 1) + ":" for width, flush in zip(widths, to_left, strict=True)]
    return "\n".join([written(heads), written(rule), *map(written, lines)])


def as_text(
    head: Mapping[str, Any],
    results: Sequence[Result],
    cost: ImportCost | None,
    *,
    database: str,
    contestants: Sequence[str],
) -> str:
    """Write all that was measured, in Markdown."""
    parts = [", ".join(f"{name} {value}" for name, value in head.items())]
    if results:
        parts += [table(results, database, contestants), EXPLANATION]
    if cost is not None:
        parts.append(import_table(cost))
    return "\n\n".join(parts)


def as_json(
    head: Mapping[str, Any], results: Sequence[Result], cost: ImportCost | None, *, database: str
) -> dict[str, Any]:
    """Collect all that was measured, each round's numbers too."""
    operations = {
        result.operation.name: {
            "unit": result.operation.unit,
            "target": result.operation.targets.get(database),
            "seconds": result.seconds,
            "median_ratio": {name: result.median_ratio(name) for name in result.seconds},
            "least_ratio": {name: result.least_ratio(name) for name in result.seconds},
            "disagreeing": sorted(result.disagreeing),
        }
        for result in results
    }
    imported = None if cost is None else vars(cost)
    return {"database": database, "header": dict(head), "operations": operations, NAME: imported}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file of JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def replaced(
    readme: str, database: str, made: str, command: str = "benchmarks.sql", option: str = "write-readme"
) -> str:
    """Put a database's table between its markers.

    Args:
        command: that makes the table, with which option; the markers name it.

    Raises:
        ValueError: the markers are not there.
    """
    begin = f"<!-- {database}: made by python -m {command} --db {database} --{option} -->"
    end = f"<!-- /{database} -->"
    before, found_begin, rest = readme.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"the file needs the lines {begin!r} and {end!r}")
    return f"{before}{begin}\n\n{made}\n\n{end}{after}"
