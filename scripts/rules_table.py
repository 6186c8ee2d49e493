#!/usr/bin/env python3
"""Write the table of rules and their tests into tests/README.md.

Usage: python scripts/rules_table.py [--check]

A test holds the rules that its docstring or its own name names (tests/rules.py lists them all). A rule without a
test, or without one on each face, is a gap. `--check` writes nothing; it exits with 1 where the file is not current
or there is a gap.
"""

from __future__ import annotations

import argparse
import re
import sys
import unittest
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "tests" / "README.md"
BEGIN = "<!-- rules: made by scripts/rules_table.py -->"
END = "<!-- /rules -->"
FACES = ("sync", "async")


@dataclass
class Entry:
    """What was found for one rule: test names by file, and the faces they run on."""

    tests: dict[str, set[str]] = field(default_factory=dict)
    faces: set[str] = field(default_factory=set)

    @property
    def gap(self) -> str | None:
        """Say what is missing."""
        if not self.tests:
            return "no test"
        missing = [face for face in FACES if face not in self.faces]
        return f"no {' and no '.join(missing)} test" if missing else None


def named(rules: Iterable[str], method: str, docstring: str | None) -> set[str]:
    """Return the rules that a test's name or docstring names.

    A rule like `Q3` counts anywhere; one whose name is a plain word only among the names before
    the docstring's first colon, if only names stand there.
    """
    known = set(rules)
    codes = {rule for rule in known if any(character.isdigit() for character in rule)}
    found = codes & {part.upper() for part in method.split("_")}
    text = docstring or ""
    found |= codes & set(re.findall(r"\b[A-Z]+[0-9]+\b", text))
    head, colon, _ = text.partition(":")
    names = head.replace(",", " ").split()
    if colon and all(name in known or re.fullmatch(r"[A-Z]+[0-9]+", name) for name in names):
        found |= known & set(names)
    return found


def faces_of(case: type, method: str) -> set[str]:
    """Return the faces that a test runs on: its backend's, or what the test or its class says in `faces`."""
    backend = getattr(case, "backend_class", None)
    said = getattr(backend, "face", None)
    said = said or getattr(getattr(case, method), "faces", None) or getattr(case, "faces", "both")
    return set(FACES) if said == "both" else {said}


def file_of(case: type, method: str) -> str:
    """Return the file, within tests/, of the class that states a test."""
    owner = next(cls for cls in case.__mro__ if method in vars(cls))
    path = Path(sys.modules[owner.__module__].__file__ or "").resolve()
    return path.relative_to(README.parent).as_posix()


def flatten(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """Yield the tests of a suite."""
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def load() -> list[unittest.TestCase]:
    """Load every test of the project, as unittest's discovery does.

    Raises:
        SystemExit: a test module can't be imported.
    """
    sys.path.insert(0, str(ROOT))
    loader = unittest.TestLoader()
    tests = list(flatten(loader.discover(str(README.parent), pattern="test_*.py", top_level_dir=str(ROOT))))
    if loader.errors:
        raise SystemExit("\n".join(["tests that can't be loaded:", *map(str, loader.errors)]))
    return tests


def collect(tests: Iterable[unittest.TestCase], rules: Mapping[str, str]) -> dict[str, Entry]:
    """Find the tests of each rule. A test that runs on several backends counts once, with all its faces."""
    found = {rule: Entry() for rule in rules}
    for test in tests:
        case, method = type(test), test._testMethodName
        for rule in named(rules, method, getattr(case, method).__doc__):
            found[rule].tests.setdefault(file_of(case, method), set()).add(method)
            found[rule].faces |= faces_of(case, method)
    return found


def table(found: Mapping[str, Entry], rules: Mapping[str, str]) -> str:
    """Write the table in Markdown."""
    lines = ["| rule | meaning | tests | faces |", "|---|---|---|---|"]
    for rule, meaning in rules.items():
        entry = found[rule]
        cells = []
        for file, names in sorted(entry.tests.items()):
            shown = ", ".join(f"`{name}`" for name in sorted(names))
            cells.append(f"[{file}]({file}): {shown}")
        faces = " ".join(face for face in FACES if face in entry.faces)
        tests = "<br>".join(cells) or "**none**"
        lines.append(f"| {rule} | {_escaped(meaning)} | {tests} | {faces} |")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def filled(readme: str, made: str) -> str:
    """Put a table between the markers.

    Raises:
        SystemExit: the markers are not there.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{README.name} needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description="Write the table of rules and tests into tests/README.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if something is amiss")
    options = parser.parse_args(arguments)
    tests = load()
    from tests.rules import RULES

    found = collect(tests, RULES)
    current = README.read_text(encoding="utf-8")
    wanted = filled(current, table(found, RULES))
    gaps = [f"{rule}: {entry.gap}" for rule, entry in found.items() if entry.gap]
    if wanted != current and not options.check:
        README.write_text(wanted, encoding="utf-8")
        print(f"wrote {README.relative_to(ROOT)}")
    for gap in gaps:
        print(f"gap: {gap}", file=sys.stderr)
    stale = wanted != current and options.check
    if stale:
        print("tests/README.md is not current: run python scripts/rules_table.py", file=sys.stderr)
    return 1 if stale or gaps else 0


if __name__ == "__main__":
    sys.exit(main())
