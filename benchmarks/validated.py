"""What the checks of a `ValidatedModel` cost: an object of five checked fields, beside the plain dataclass.

    python -m benchmarks.validated            # half a minute
    python -m benchmarks.validated --quick    # only to see that it runs and that all refuse the same

pydantic's dataclasses (strict) and attrs with its validators make the same object under the same rules, where they are
installed; else they are a gap. All take turns, round after round, and the ratio of each round counts.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from timeit import Timer
from typing import Annotated, Any

from mini_orm.errors import ValidationError
from mini_orm.validation import ValidatedModel

BASELINE = "plain dataclass"
TARGET = 3.0
REPEATS, CALLS = 25, 20_000
QUICK_REPEATS, QUICK_CALLS = 5, 200
PATTERN = "[A-Z]{2}-[0-9]{2}"
RIGHT: dict[str, Any] = {"name": "Ada Lovelace", "age": 36, "code": "AB-12", "score": 1.5, "tags": ["a", "b"]}
#: For each field a value of another type, then values that break its rules.
WRONG: dict[str, list[Any]] = {
    "name": [5, "", "x" * 41],
    "age": ["36", -1, 151],
    "code": [5, "AB-123", "xAB-12"],
    "score": ["1.5"],
    "tags": ["ab", ["a", 1]],
}
#: How the object is made, by the name of the way.
CALL: dict[str, str] = {
    "by keyword": f"make({', '.join(f'{name}={name}' for name in RIGHT)})",
    "by position": f"make({', '.join(RIGHT)})",
}


@dataclass
class Plain:
    """The object without a check."""

    name: str
    age: int
    code: str
    score: float
    tags: list[str]


@dataclass
class Validated(ValidatedModel):
    """The object with mini_orm's checks."""

    name: str = field(metadata={"min_len": 1, "max_len": 40})
    age: int = field(metadata={"ge": 0, "le": 150})
    code: str = field(metadata={"pattern": PATTERN})
    score: float
    tags: list[str]


@dataclass(frozen=True)
class Contestant:
    """A class that makes the object, and what it raises for a wrong one."""

    make: Callable[..., Any]
    refuses: type[Exception] | None


def pydantic_dataclass() -> Contestant:
    """Make the class with pydantic.

    Raises:
        ImportError: it is not installed.
    """
    pydantic = importlib.import_module("pydantic")
    decorate = importlib.import_module("pydantic.dataclasses").dataclass

    class Checked:
        __annotations__ = {  # what a class body makes of annotations
            "name": Annotated[str, pydantic.Field(min_length=1, max_length=40)],
            "age": Annotated[int, pydantic.Field(ge=0, le=150)],
            "code": Annotated[str, pydantic.Field(pattern=f"^{PATTERN}$")],
            "score": float,
            "tags": list[str],
        }

    return Contestant(decorate(config=pydantic.ConfigDict(strict=True))(Checked), pydantic.ValidationError)


def attrs_class() -> Contestant:
    """Make the class with attrs.

    Raises:
        ImportError: it is not installed.
    """
    attrs = importlib.import_module("attrs")
    check = attrs.validators
    fields = {
        "name": [check.instance_of(str), check.min_len(1), check.max_len(40)],
        "age": [check.instance_of(int), check.ge(0), check.le(150)],
        "code": [check.instance_of(str), check.matches_re(PATTERN)],
        "score": check.instance_of((float, int)),
        "tags": check.deep_iterable(check.instance_of(str), check.instance_of(list)),
    }
    made = attrs.make_class("Checked", {name: attrs.field(validator=one) for name, one in fields.items()})
    return Contestant(made, Exception)  # TypeError or ValueError, as it happens


CONTESTANTS: Mapping[str, Callable[[], Contestant]] = {
    BASELINE: lambda: Contestant(Plain, None),
    "ValidatedModel": lambda: Contestant(Validated, ValidationError),
    "pydantic": pydantic_dataclass,
    "attrs": attrs_class,
}


def installed() -> dict[str, Contestant]:
    """Return the contestants that are there."""
    found = {}
    for name, load in CONTESTANTS.items():
        try:
            found[name] = load()
        except ImportError:
            continue
    return found


def disagreements(contestants: Mapping[str, Contestant]) -> list[str]:
    """Say who takes a wrong object, or refuses the right one."""
    said = []
    for name, one in contestants.items():
        made = one.make(**RIGHT)
        said += [f"{name} changes {key}" for key, value in RIGHT.items() if getattr(made, key) != value]
        if one.refuses is None:
            continue
        for key, values in WRONG.items():
            for place, value in enumerate(values):
                try:
                    one.make(**{**RIGHT, key: value})
                except one.refuses:
                    continue
                said.append(f"{name} takes wrong value {place} of {key}")
    return said


def measure(contestants: Mapping[str, Contestant], call: str, repeats: int, calls: int) -> dict[str, list[float]]:
    """Return the seconds of one object by contestant, one for each round; the first round does not count."""
    timers = {name: Timer(call, globals={**RIGHT, "make": one.make}) for name, one in contestants.items()}
    seconds: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(repeats + 1):
        for name, timer in timers.items():
            seconds[name].append(timer.timeit(calls) / calls)
    return {name: each[1:] for name, each in seconds.items()}


def line(way: str, seconds: Mapping[str, Sequence[float]]) -> str:
    """Write one line of the table."""
    plain = seconds[BASELINE]
    cells = [way, f"{median(plain) * 1e9:.0f} ns"]
    for name in list(CONTESTANTS)[1:]:
        if name not in seconds:
            cells += ["-", "-"]
            continue
        rounds = [one / base for one, base in zip(seconds[name], plain, strict=True)]
        cells += [f"{min(seconds[name]) / min(plain):.2f}", f"{median(rounds):.2f}"]
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 1 if somebody checks something else than the others."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validated", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few calls: to see that it runs, not how fast")
    options = parser.parse_args(arguments)
    repeats, calls = (QUICK_REPEATS, QUICK_CALLS) if options.quick else (REPEATS, CALLS)
    contestants = installed()
    wrong = disagreements(contestants)
    heads = [head for name in list(CONTESTANTS)[1:] for head in (f"{name}: min", "median")]
    print(f"{platform.python_implementation()} {platform.python_version()}, repeats {repeats}, calls {calls}\n")
    print(f"| made | {BASELINE} | {' | '.join(heads)} |")
    print(f"|---|---:|{'---:|' * len(heads)}")
    for way, call in CALL.items():
        print(line(way, measure(contestants, call, repeats, calls)))
    print(f"\nRatios to the {BASELINE}, whose fields are not checked; ValidatedModel is to stay below {TARGET:.0f}.")
    for one in wrong:
        print(f"differs: {one}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
