"""The vectors of a collection in memory, with the standard library alone.

`math.dist` over tuples is the quickest scan there is, so every metric is led back to a distance: of unit vectors under
cosine, and under dot by x·y = (|x|² + |y|² - |x - y|²) / 2. What comes out near the best is scored by the metric's own
formula, so that rounding in the scan never decides.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import mul
from typing import Any, TypeAlias

from ..checks import float32
from ..metrics import VectorMetric

#: Scored rows, among which are all that can be among the best: position and score.
Scored: TypeAlias = list[tuple[int, float]]
#: How far rounding may move a distance or a square of one, in parts of what it is made of.
_ROUNDING = 1e-12


class PythonRows:
    """Rows of float32 that are scanned one by one."""

    #: Nanoseconds that a number takes in a scan, in writing and in reading.
    costs = {"query": 15.0, "upsert": 120.0, "fetch": 30.0}  # noqa: RUF012  a constant

    def __init__(self, dimension: int, metric: VectorMetric) -> None:
        self._dimension = dimension
        self._metric = metric
        self._rows: list[array[float]] = []
        self._scanned: list[tuple[float, ...]] = []
        self._squares: list[float] = []

    def __len__(self) -> int:
        return len(self._rows)

    def pack(self, vectors: Sequence[Any], subject: str) -> list[array[float]]:
        """Check vectors, and return them as `append`, `replace` and `best` take them.

        Raises:
            DimensionError, VectorValueError: one is not as it has to be; `subject` names it, with its place.
        """
        return [
            float32(vector, self._dimension, self._metric, subject.format(place))
            for place, vector in enumerate(vectors)
        ]

    def append(self, packed: Sequence[array[float]], places: Sequence[int]) -> None:
        """Add those of `packed` at the end."""
        # Measuring takes long, and may be interrupted: it comes before the columns change.
        measured = [self._measured(packed[place]) for place in places]
        self._rows += [packed[place] for place in places]
        self._scanned += [direction for _, direction in measured]
        self._squares += [square for square, _ in measured]

    def replace(self, positions: Sequence[int], packed: Sequence[array[float]], places: Sequence[int]) -> None:
        """Put those of `packed` into the places of rows."""
        measured = [self._measured(packed[place]) for place in places]
        for position, place, (square, direction) in zip(positions, places, measured, strict=True):
            self._rows[position], self._squares[position], self._scanned[position] = packed[place], square, direction

    def remove(self, position: int) -> None:
        """Put the last row into the place of another."""
        for column in (self._rows, self._scanned, self._squares):
            last: Any = column.pop()
            if position < len(column):
                column[position] = last

    def vectors(self, positions: Iterable[int]) -> list[list[float]]:
        """Return rows as lists of floats."""
        return [self._rows[position].tolist() for position in positions]

    def best(self, packed: Sequence[array[float]], top_k: int, positions: Sequence[int] | None) -> list[Scored]:
        """Return the best rows for each of `packed`, among `positions` or all: in no order, and maybe more of them."""
        return [self._best(query, top_k, positions) for query in packed]

    def _best(self, query: array[float], top_k: int, positions: Sequence[int] | None) -> Scored:
        chosen = range(len(self._rows)) if positions is None else positions
        square, direction = self._measured(query)
        if top_k < len(chosen):
            chosen = self._near(direction, square, top_k, chosen)
        return [(position, self._score(query, square, position)) for position in chosen]

    def _near(self, direction: tuple[float, ...], square: float, top_k: int, chosen: Sequence[int]) -> list[int]:
        """Return all of the rows that can be among the best."""
        is_whole = len(chosen) == len(self._rows)
        rows = self._scanned if is_whole else [self._scanned[position] for position in chosen]
        ranks = list(map(math.dist, rows, repeat(direction)))
        if self._metric is VectorMetric.DOT:
            squares = self._squares if is_whole else [self._squares[position] for position in chosen]
            ranks = [rank * rank - one for rank, one in zip(ranks, squares, strict=True)]
            bound = _last(top_k, ranks) + _ROUNDING * (4 * max(squares) + 4 * square)
        elif self._metric is VectorMetric.COSINE:
            bound = math.sqrt(_last(top_k, ranks) ** 2 + _ROUNDING)
        else:
            bound = _last(top_k, ranks) * (1 + _ROUNDING)
        return [position for position, rank in zip(chosen, ranks, strict=True) if rank <= bound]

    def _measured(self, row: array[float]) -> tuple[float, tuple[float, ...]]:
        """Return the square of a row's norm, and what is scanned for it: under cosine its unit vector."""
        square = _dot(row, row)
        if self._metric is not VectorMetric.COSINE:
            return square, tuple(row)
        norm = math.sqrt(square)
        return square, tuple([value / norm for value in row])

    def _score(self, query: array[float], square: float, position: int) -> float:
        row = self._rows[position]
        if self._metric is VectorMetric.L2:
            return 0.0 - math.dist(row, query)
        product = _dot(row, query)
        if self._metric is VectorMetric.DOT:
            return product
        return max(-1.0, min(1.0, product / math.sqrt(square * self._squares[position])))


def _dot(left: Iterable[float], right: Iterable[float]) -> float:
    product: float = sum(map(mul, left, right))
    return product


def _last(top_k: int, ranks: Sequence[float]) -> float:
    return heapq.nsmallest(top_k, ranks)[-1]
