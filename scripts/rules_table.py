#!/usr/bin/env python3
"""Write two tables into tests/README.md: contracts by backend, and rules by test.

Usage: python scripts/rules_table.py [--check]

A test holds the rules that its docstring or its own name names (tests/rules.py lists them all). A rule without a
test, or without one on each face, is a gap. So is a test of a contract that a backend does not run, where no
capability says why. `--check` writes nothing; it exits with 1 where the file is not current or there is a gap.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import unittest
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "tests" / "README.md"
MADE_BY = "made by scripts/rules_table.py"
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
    os.environ.pop("MINI_ORM_TEST_DRIVERS", None)  # all backends count
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


class Matrix:
    """Which contract runs on which backend, and what keeps the rest from it."""

    def __init__(self, tests: Iterable[unittest.TestCase]) -> None:
        self.gaps: list[str] = []
        self._bound: dict[type, dict[type, set[str]]] = {}
        for test in tests:
            case = type(test)
            if "backend_class" in vars(case):
                bound = self._bound.setdefault(case.__bases__[0], {})
                bound.setdefault(case.backend_class, set()).add(test._testMethodName)  # type: ignore[attr-defined]
        self._notes: list[str] = []
        self._reasons: Mapping[str, str] = {}
        self._chosen: Mapping[str, str] = {}

    def table(
        self, families: Mapping[str, Sequence[type]], reasons: Mapping[str, str], chosen: Mapping[str, str]
    ) -> str:
        """Write a table for each family of backends, and the reasons below.

        Args:
            reasons: why a backend lacks a capability.
            chosen: why a contract is bound to some backends only, by its name.
        """
        self._chosen = chosen
        self._reasons = {**reasons, **chosen}
        parts = [part for name, backends in families.items() for part in self._family(name, backends)]
        notes = [f"{number}. {_escaped(note)}" for number, note in enumerate(self._notes, start=1)]
        return "\n".join([*parts, "Why:", "", *notes])

    def _family(self, name: str, backends: Sequence[type]) -> Iterator[str]:
        shown = [backend for backend in backends if any(backend in bound for bound in self._bound.values())]
        yield f"**{name}**\n"
        yield f"| contract | {' | '.join(f'{one.name} ({one.face})' for one in shown)} |"  # type: ignore[attr-defined]
        yield "|---|" + "---|" * len(shown)
        for contract in sorted(self._bound, key=lambda one: (one.__module__, one.__qualname__)):
            if any(backend in self._bound[contract] for backend in shown):
                yield f"| {contract.__qualname__} | {' | '.join(self._cell(contract, one) for one in shown)} |"
        yield ""

    def _cell(self, contract: type, backend: type) -> str:
        from tests.backends.cases import is_repeated  # `load` has put the project on the path

        wanted = {name for name in dir(contract) if name.startswith("test") and callable(getattr(contract, name))}
        missing = wanted - self._bound[contract].get(backend, set())
        lacks: list[str] = []
        for name in sorted(missing):
            asked = (*getattr(contract, "requires", ()), *getattr(getattr(contract, name), "needs", ()))
            found = [one for one in asked if not getattr(backend, one, False)]
            if not found and contract.__qualname__ in self._chosen:
                found = [contract.__qualname__]
            if not found and is_repeated(contract, backend):
                found = ["repeats_values"]
            if not found:
                self.gaps.append(f"{contract.__qualname__}.{name} does not run on {backend.__qualname__}")
            lacks += found
        marks = ", ".join(map(str, dict.fromkeys(map(self._number, lacks))))
        if not missing:
            return str(len(wanted))
        return f"never ({marks})" if missing == wanted else f"{len(wanted) - len(missing)} of {len(wanted)} ({marks})"

    def _number(self, lack: str) -> int:
        """Return the number of the note that says why; those that say the same are one."""
        note = self._reasons.get(lack)
        if note is None:
            note = f"**unexplained**: {lack}"
            self.gaps.append(f"{lack}: no reason in CAPABILITIES")
        if note not in self._notes:
            self._notes.append(note)
        return self._notes.index(note) + 1


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def filled(readme: str, name: str, made: str) -> str:
    """Put a table between its markers.

    Raises:
        SystemExit: the markers are not there.
    """
    first, last = f"<!-- {name}: {MADE_BY} -->", f"<!-- /{name} -->"
    before, begin, rest = readme.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise SystemExit(f"{README.name} needs the lines {first!r} and {last!r}")
    return f"{before}{first}\n\n{made}\n\n{last}{after}"


def main(arguments: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description="Write the tables of contracts and rules into tests/README.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if something is amiss")
    options = parser.parse_args(arguments)
    tests = load()
    from tests.capabilities import CAPABILITIES, CHOSEN, FAMILIES
    from tests.rules import RULES

    found, matrix = collect(tests, RULES), Matrix(tests)
    current = README.read_text(encoding="utf-8")
    wanted = filled(current, "contracts", matrix.table(FAMILIES, CAPABILITIES, CHOSEN))
    wanted = filled(wanted, "rules", table(found, RULES))
    gaps = [*(f"{rule}: {entry.gap}" for rule, entry in found.items() if entry.gap), *matrix.gaps]
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
