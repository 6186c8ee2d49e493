"""What the benchmarks of vectors share: made vectors, and what a comparison is."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mini_orm import VectorRecord, VectorRepository

DIMENSION = 384
TOP_K = 10
#: How many questions `query_many` is asked at once.
MANY = 64
#: How many groups there are: a filter for one of them keeps 1 % of the rows.
GROUPS = 100


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
    """Made vectors, the same in every run; record n has the id `str(n)` and is in the group n % GROUPS."""

    def __init__(self, rows: int) -> None:
        self.np = importlib.import_module("numpy")
        random = self.np.random.default_rng(1)
        self.matrix = random.standard_normal((rows, DIMENSION), dtype=self.np.float32)
        self.units = self.matrix / self.np.linalg.norm(self.matrix, axis=1, keepdims=True)
        self.questions = random.standard_normal((MANY, DIMENSION), dtype=self.np.float32)
        self.records = [VectorRecord(str(n), row, {"group": n % GROUPS}) for n, row in enumerate(self.matrix)]


def repository(store: Any) -> VectorRepository:
    """Make the repository that is measured."""
    return VectorRepository(store, "vectors", dimension=DIMENSION, metric="cosine")


def filled(store: Any, data: Data) -> VectorRepository:
    """Make a repository with all records in it."""
    repo = repository(store)
    repo.upsert(data.records)
    return repo


def ids(results: Any) -> list[str]:
    """Return the ids that were found."""
    return [result.id for result in results]
