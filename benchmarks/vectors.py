"""What vector search through mini_orm costs, beside the same work done by hand.

    python -m benchmarks.vectors            # about two minutes, and a gigabyte of memory
    python -m benchmarks.vectors --quick    # only to see that it runs and that all find the same

numpy, and faiss where it is installed, do the same on the same vectors. Both sides of a line take turns, round after
round, and the ratio of each round counts.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from mini_orm import C, InMemoryVectorStore, JsonVectorPayloadCodec, VectorRecord, VectorRepository
from mini_orm.vectors.stores.payload_index import PythonMasks
from mini_orm.vectors.stores.python_rows import PythonRows

ROWS, DIMENSION, REPEATS = 100_000, 384, 9
QUICK_ROWS, QUICK_REPEATS = 2_000, 2
TOP_K = 10
#: How many questions `query_many` is asked at once.
MANY = 64
#: The standard library does this part of the rows.
PLAIN_SHARE = 20
PAYLOAD = {"lang": "en", "year": 2024, "score": 0.5, "title": "on vectors", "draft": False}


@dataclass(frozen=True)
class Comparison:
    """Two ways to do the same, `calls` times in a call; `target` is for the ratio, or for µs of mini_orm alone."""

    name: str
    baseline: str
    by_hand: Callable[[], Any]
    ours: Callable[[], Any]
    target: float
    calls: int = 1
    #: What of the results has to be the same on both sides; `None`: there is nothing to compare.
    seen: Callable[[Any], Any] | None = None
    is_absolute: bool = False


class Data:
    """Made vectors, the same in every run, and what stands on them."""

    def __init__(self, rows: int) -> None:
        self.np = importlib.import_module("numpy")
        random = self.np.random.default_rng(1)
        self.matrix = random.standard_normal((rows, DIMENSION), dtype=self.np.float32)
        self.units = self.matrix / self.np.linalg.norm(self.matrix, axis=1, keepdims=True)
        self.questions = random.standard_normal((MANY, DIMENSION), dtype=self.np.float32)
        self.records = [VectorRecord(str(n), row, {"group": n % 100}) for n, row in enumerate(self.matrix)]
        self.repo = repository(InMemoryVectorStore())
        self.repo.upsert(self.records)


class PlainStore(InMemoryVectorStore):
    """The store in memory, as it is without numpy."""

    @staticmethod
    def _numpy() -> Any:
        return PythonRows, PythonMasks()


def repository(store: Any) -> VectorRepository:
    """Make the repository that is measured."""
    return VectorRepository(store, "vectors", dimension=DIMENSION, metric="cosine")


def ids(results: Any) -> list[str]:
    """Return the ids that were found."""
    return [result.id for result in results]


def scans(data: Data) -> Iterator[Comparison]:
    """Look at all vectors."""
    np, repo, question = data.np, data.repo, data.questions[0]

    def dot() -> list[str]:
        scores = data.units @ question
        best = np.argpartition(scores, -TOP_K)[-TOP_K:]
        return [str(n) for n in best[np.argsort(-scores[best])]]

    def ours() -> list[str]:
        return ids(repo.query(question, top_k=TOP_K))

    yield Comparison("query", "numpy: dot, argpartition", dot, ours, 1.25, seen=list)
    try:
        faiss = importlib.import_module("faiss")
    except ImportError:
        return
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(data.units)

    def flat() -> list[str]:
        return [str(n) for n in index.search(question[None], TOP_K)[1][0]]

    yield Comparison("query", "faiss: IndexFlatIP", flat, ours, 1.0, seen=list)

    def added() -> Any:
        empty = faiss.IndexFlatIP(DIMENSION)
        empty.add(data.matrix)
        return empty.ntotal

    yield Comparison(
        "upsert of all, from rows of an array", "faiss: add", added, lambda: upserted(data), 0.64, seen=int
    )


def upserted(data: Data) -> int:
    """Write all records into an empty store."""
    repo = repository(InMemoryVectorStore())
    repo.upsert(data.records)
    return repo.count()


def filtered(data: Data) -> Iterator[Comparison]:
    """Look at those that a filter keeps."""
    repo, question = data.repo, data.questions[1]
    rest = [record.id for record in data.records if record.payload == {"group": 7}]
    scores = dict(zip(rest, data.units[[int(one) for one in rest]] @ question, strict=True))
    wanted = sorted(rest, key=lambda one: -scores[one])[:TOP_K]

    def whole() -> list[str]:
        repo.query(question, top_k=TOP_K)
        return wanted

    for name, filters in (("a mapping", {"group": 7}), ("conditions", C.and_(C.gt("group", 6), C.lt("group", 8)))):
        yield Comparison(
            f"query, {name} that keeps 1 %",
            "mini_orm: all of them",
            whole,
            lambda filters=filters: ids(repo.query(question, top_k=TOP_K, filters=filters)),  # type: ignore[misc]
            0.03,
            seen=list,
        )


def many(data: Data) -> Iterator[Comparison]:
    """Ask many questions, and change single records."""
    repo = data.repo
    yield Comparison(
        f"query_many of {MANY}",
        "mini_orm: one by one",
        lambda: [repo.query(question, top_k=TOP_K) for question in data.questions],
        lambda: repo.query_many(data.questions, top_k=TOP_K),
        0.2,
        calls=MANY,
        seen=lambda found: [ids(results) for results in found],
    )
    small = repository(InMemoryVectorStore())
    small.upsert(data.records[: len(data.records) // 10])

    def change(changed: VectorRepository) -> int:
        changed.upsert(data.records[:1])
        return changed.delete(["0"])

    yield Comparison(
        "upsert and delete of one",
        "mini_orm: a tenth of the rows",
        lambda: [change(small) for _ in range(100)],
        lambda: [change(repo) for _ in range(100)],
        1.3,
        calls=100,
        seen=list,
    )


def plain(data: Data) -> Iterator[Comparison]:
    """Do it with the standard library alone."""
    rows = data.units[: len(data.units) // PLAIN_SHARE]
    tuples = [tuple(row) for row in rows.tolist()]
    question = data.questions[2]
    repo = repository(PlainStore())
    repo.upsert(data.records[: len(rows)])
    asked = question.tolist()
    unit = tuple((question / data.np.linalg.norm(question)).tolist())

    def loop() -> list[str]:
        distances = [math.dist(unit, row) for row in tuples]
        return [str(n) for n in sorted(range(len(distances)), key=distances.__getitem__)[:TOP_K]]

    yield Comparison(
        f"query without numpy, 1/{PLAIN_SHARE} of the rows",
        "math.dist over tuples, sorted",
        loop,
        lambda: ids(repo.query(asked, top_k=TOP_K)),
        1.2,
        seen=list,
    )
    codec = JsonVectorPayloadCodec()
    for name, call in (("serialize", codec.serialize), ("deserialize", codec.deserialize)):
        yield Comparison(
            f"payload codec: {name}, µs",
            "dict(payload)",
            lambda: [dict(PAYLOAD) for _ in range(1000)],
            lambda call=call: [call(PAYLOAD) for _ in range(1000)],  # type: ignore[misc]
            1.0,
            calls=1000,
            seen=list,
            is_absolute=True,
        )


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


def line(one: Comparison, hand: Sequence[float], ours: Sequence[float]) -> str:
    """Write one line of the table."""
    least = min(ours) / min(hand)
    ratio = median(mine / other for mine, other in zip(ours, hand, strict=True))
    value = median(ours) * 1e6 if one.is_absolute else ratio
    mark = "over" if value > one.target else ""
    cells = [one.name, one.baseline, f"{median(hand) * 1e6:.1f}", f"{median(ours) * 1e6:.1f}"]
    return f"| {' | '.join([*cells, f'{least:.2f}', f'{ratio:.2f}', f'{one.target:.2f}', mark])} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 1 if two sides find something else."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vectors", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few vectors: to see that it runs, not how fast")
    options = parser.parse_args(arguments)
    rows, repeats = (QUICK_ROWS, QUICK_REPEATS) if options.quick else (ROWS, REPEATS)
    data = Data(rows)
    print(f"{platform.python_implementation()} {platform.python_version()}, numpy {data.np.__version__}, ", end="")
    print(f"{rows} vectors of {DIMENSION} numbers, cosine, top {TOP_K}, repeats {repeats}\n")
    print("| operation | beside | by hand, µs | mini_orm, µs | min | median | target | |")
    print("|---|---|---:|---:|---:|---:|---:|---|")
    wrong = []
    for one in itertools.chain(scans(data), filtered(data), many(data), plain(data)):
        hand, ours, agree = measured(one, repeats)
        print(line(one, hand, ours), flush=True)
        if not agree:
            wrong.append(one)
    print("\nmin and median: mini_orm divided by what stands beside it. The codec's target is in µs.")
    for one in wrong:
        print(f"differs: {one.name}, beside {one.baseline}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
