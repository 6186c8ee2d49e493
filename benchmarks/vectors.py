"""What vector search through mini_orm costs, beside the same work done by hand with numpy or the store's own client.

    python -m benchmarks.vectors                   # some minutes, and a gigabyte of memory
    python -m benchmarks.vectors --store faiss     # one store; the option may be repeated
    python -m benchmarks.vectors --quick           # only to see that it runs and that all find the same

A store whose package or server is missing is left out. `--quick` also leaves out, unless they are named, stores whose
server would have to be started. Both sides of a line take turns, round after round, and the ratio of each round counts.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

from .databases import NotAvailable
from .vectors_data import DIMENSION, TOP_K, Comparison

ROWS, REPEATS = 100_000, 9
QUICK_ROWS, QUICK_REPEATS = 2_000, 2
#: The stores, each with a file vectors_<store>.py, and whether it needs a server.
STORES = {"memory": False, "faiss": False, "qdrant": False, "chroma": False, "pgvector": True}


def comparisons(store: str, rows: int) -> Iterator[Comparison]:
    """Yield what a store is compared in.

    Raises:
        ImportError, NotAvailable: its package or its server is missing.
    """
    yield from importlib.import_module(f".vectors_{store}", __package__).comparisons(rows)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def measured(one: Comparison, repeats: int) -> tuple[list[float], list[float], bool]:
    """Return the seconds of both sides, one for each round without the first, and whether they found the same."""
    hand: list[float] = []
    ours: list[float] = []
    agree = True
    for _ in range(repeats + 1):
        seconds, expected = timed(one.by_hand)
        hand.append(seconds / one.calls)
        seconds, found = timed(one.ours)
        ours.append(seconds / one.calls)
        agree = agree and (one.seen is None or one.seen(found) == one.seen(expected))
    return hand[1:], ours[1:], agree


def line(store: str, one: Comparison, hand: Sequence[float], ours: Sequence[float]) -> str:
    """Write one line of the table."""
    least = min(ours) / min(hand)
    ratio = median(mine / other for mine, other in zip(ours, hand, strict=True))
    value = median(ours) * 1e6 if one.is_absolute else ratio
    mark = "over" if value > one.target else ""
    cells = [store, one.name, one.baseline, f"{median(hand) * 1e6:.1f}", f"{median(ours) * 1e6:.1f}"]
    return f"| {' | '.join([*cells, f'{least:.2f}', f'{ratio:.2f}', f'{one.target:.2f}', mark])} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 1 if two sides find something else."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vectors", description=__doc__.partition("\n")[0])
    parser.add_argument("--store", action="append", choices=STORES, help="only this one; may be repeated")
    parser.add_argument("--quick", action="store_true", help="few vectors: to see that it runs, not how fast")
    options = parser.parse_args(arguments)
    rows, repeats = (QUICK_ROWS, QUICK_REPEATS) if options.quick else (ROWS, REPEATS)
    stores = options.store or [store for store, needs_server in STORES.items() if not (options.quick and needs_server)]
    print(f"{platform.python_implementation()} {platform.python_version()}, ", end="")
    print(f"{rows} vectors of {DIMENSION} numbers, cosine, top {TOP_K}, repeats {repeats}\n")
    print("| store | operation | beside | by hand, µs | mini_orm, µs | min | median | target | |")
    print("|---|---|---|---:|---:|---:|---:|---:|---|")
    wrong, left_out = [], []
    for store in stores:
        try:
            for one in comparisons(store, rows):
                hand, ours, agree = measured(one, repeats)
                print(line(store, one, hand, ours), flush=True)
                if not agree:
                    wrong.append((store, one))
        except (ImportError, NotAvailable) as exc:
            left_out.append(f"left out: {store}, {exc}")
    print("\nmin and median: mini_orm divided by what stands beside it. The codec's target is in µs.")
    print(*left_out, sep="\n")
    for store, one in wrong:
        print(f"differs: {store}, {one.name}, beside {one.baseline}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
