"""The vectors of a collection in memory, with numpy.

Rules of this file:
- Rows lie one after the other in one matrix of float32 with room to grow, as they were written; their norms are kept.
- A scan is one product in float32. It is off by no more than `_MARGIN` allows, so that all rows which can be among the
  best are known; these are scored again in double precision, each by itself, so that equal rows have equal scores.
- Numbers so large or small that float32 can't multiply them are scored in double precision from the start.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..checks import float32
from ..metrics import VectorMetric
from .python_rows import Scored

Array: TypeAlias = Any
#: How far a product of float32 may be off for each number in it, in parts of the norms' product.
_MARGIN = 2.0**-23
#: Norms between which products of float32 neither overflow nor vanish.
_SMALLEST, _LARGEST = 1e-15, 1e15
#: Up to this part of all rows a filter's rows are copied out; from there on all are scanned, and masked.
_GATHERED = 0.25
#: Rows in a block of which only the best one is looked at, to know what the best ones must reach.
_BLOCK = 64
#: How many numbers are in double precision at a time, or scores in float32.
_CHUNK = 1 << 16
_SCORES = 1 << 23


class Packed(NamedTuple):
    """Checked vectors: a row for each, and the squares of their norms."""

    rows: Array
    squares: Array


class NumpyMasks:
    """Sets of rows as arrays of bools."""

    def every(self, count: int) -> Array:
        return np.ones(count, np.bool_)

    def none(self, count: int) -> Array:
        return np.zeros(count, np.bool_)

    def having(self, codes: array[int], table: bytearray) -> Array:
        numbers = np.frombuffer(codes, np.int32)
        if table.count(1) == 1:
            return numbers == table.index(1)
        return np.frombuffer(table, np.bool_)[numbers]

    def mark(self, table: bytearray, codes: array[int]) -> None:
        if codes:
            np.frombuffer(table, np.uint8)[np.frombuffer(codes, np.int32)] = 1

    def both(self, left: Array, right: Array) -> Array:
        return left & right

    def either(self, left: Array, right: Array) -> Array:
        return left | right

    def size(self, mask: Array) -> int:
        return int(np.count_nonzero(mask))

    def positions(self, mask: Array, count: int) -> Array:
        return np.flatnonzero(mask)


class NumpyRows:
    """Rows of float32 that are scanned as a matrix."""

    #: The columns, by the names of their attributes.
    _COLUMNS: tuple[str, ...] = ("_matrix", "_squares", "_norms")
    #: As in `PythonRows`.
    costs = {"query": 0.5, "upsert": 60.0, "fetch": 25.0}  # noqa: RUF012  a constant

    def __init__(self, dimension: int, metric: VectorMetric) -> None:
        self._dimension = dimension
        self._metric = metric
        self._count = 0
        self._matrix: Array = np.empty((0, dimension), np.float32)
        self._squares: Array = np.empty(0, np.float64)
        self._norms: Array = np.empty(0, np.float32)
        self._is_moderate = True
        self._margin = (dimension + 8) * _MARGIN

    def __len__(self) -> int:
        return self._count

    def pack(self, vectors: Sequence[Any], subject: str) -> Packed:
        """As `PythonRows.pack`."""
        if set(map(type, vectors)) == {np.ndarray}:
            packed = self._stacked(vectors)
            if packed is not None:
                return packed
        rows = [
            float32(vector, self._dimension, self._metric, subject.format(place))
            for place, vector in enumerate(vectors)
        ]
        matrix = np.frombuffer(b"".join(rows), np.float32).reshape(len(rows), self._dimension)
        return Packed(matrix, _squares_of(matrix))

    def _stacked(self, vectors: Sequence[Array]) -> Packed | None:
        """Return arrays as one matrix; `None` if there is something wrong with one."""
        if {one.shape for one in vectors} != {(self._dimension,)}:
            return None
        if any(kind.kind not in "fiu" for kind in {one.dtype for one in vectors}):
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = np.array(vectors, np.float32)
            squares = _squares_of(matrix)  # not finite where a number is not, and zero where all are
        if not np.isfinite(squares).all() or (self._metric is VectorMetric.COSINE and not squares.all()):
            return None
        return Packed(matrix, squares)

    def append(self, packed: Packed, places: Sequence[int]) -> None:
        """As `PythonRows.append`."""
        if len(places) < len(packed.rows):
            packed = Packed(packed.rows[places], packed.squares[places])
        end = self._count + len(places)
        if self._count == 0 and packed.rows.flags.owndata:
            self._matrix = packed.rows  # nobody else has it, and a copy would take as long as all the rest
        self._reserve(end)
        self._put(slice(self._count, end), packed)
        self._count = end

    def replace(self, positions: Sequence[int], packed: Packed, places: Sequence[int]) -> None:
        """As `PythonRows.replace`."""
        if positions:
            self._put(positions, Packed(packed.rows[places], packed.squares[places]))

    def remove(self, position: int) -> None:
        """As `PythonRows.remove`."""
        self._count = last = self._count - 1
        for name in self._COLUMNS:
            column = getattr(self, name)
            column[position] = column[last]

    def vectors(self, positions: Sequence[int]) -> list[list[float]]:
        """As `PythonRows.vectors`."""
        rows: list[list[float]] = self._matrix[np.asarray(positions, np.intp)].tolist()
        return rows

    def best(self, packed: Packed, top_k: int, positions: Array | None) -> list[Scored]:
        """As `PythonRows.best`."""
        count = self._count if positions is None else len(positions)
        if top_k < count:
            return self._search(packed, top_k, positions)
        every = np.arange(self._count) if positions is None else positions
        return [self._scored(query, square, every) for query, square in zip(*packed, strict=True)]

    def _search(self, packed: Packed, top_k: int, positions: Array | None) -> list[Scored]:
        is_gathered = positions is not None and len(positions) <= _GATHERED * self._count
        chosen = slice(self._count) if positions is None else positions
        norms, squares = self._norms[chosen], self._squares[chosen]
        found = []
        for query, square, product in self._multiplied(packed, positions if is_gathered else None):
            if positions is not None and not is_gathered:
                product = product[positions]
            near = self._near(square, product, norms, squares, top_k)
            found.append(self._scored(query, square, near if positions is None else positions[near]))
        return found

    def _multiplied(self, packed: Packed, positions: Array | None) -> Iterator[tuple[Array, Any, Array]]:
        """Yield each query, its square, and its products with the rows at `positions`, or with all."""
        if positions is not None and len(packed.rows) == 1:
            yield packed.rows[0], packed.squares[0], self._gathered(positions, packed.rows[0])
            return
        matrix = self._matrix[: self._count] if positions is None else self._matrix.take(positions, axis=0)
        step = max(1, _SCORES // len(matrix))
        for start in range(0, len(packed.rows), step):
            part = Packed(packed.rows[start : start + step], packed.squares[start : start + step])
            yield from zip(*part, _products(matrix, part.rows), strict=True)

    def _gathered(self, positions: Array, query: Array) -> Array:
        """Multiply a query with some rows; few at a time, so that they are still in the cache when they are used."""
        product = np.empty(len(positions), np.float32)
        step = max(1, _CHUNK // self._dimension)
        with np.errstate(all="ignore"):  # as in _products
            for start in range(0, len(positions), step):
                rows = self._matrix.take(positions[start : start + step], axis=0)
                np.matmul(rows, query, out=product[start : start + step])
        return product

    def _near(self, square: Any, product: Array, norms: Array, squares: Array, top_k: int) -> Array:
        """Return where those of the products stand whose rows can be among the best."""
        length = np.sqrt(square)
        if not self._is_moderate or not is_moderate(length):
            return np.arange(len(product))
        margin = self._margin * float(length)
        if self._metric is VectorMetric.COSINE:
            scores, margins = product / norms, np.float32(margin)
        elif self._metric is VectorMetric.DOT:
            scores, margins = product, norms * np.float32(margin)
        else:
            small = squares.astype(np.float32)
            scores = 2 * product - small
            margins = norms * np.float32(2 * margin) + small * np.float32(self._margin)
        highest = scores + margins
        near = np.flatnonzero(highest >= _reached(scores - margins, top_k))
        if len(near) > 4 * top_k + _BLOCK:
            lowest = (scores - margins)[near]
            near = near[highest[near] >= _last(lowest, top_k)]
        return near

    def _scored(self, query: Array, square: Any, positions: Array) -> Scored:
        """Score rows by the metric's own formula."""
        exact = query.astype(np.float64)
        scores = np.empty(len(positions))
        step = max(1, _CHUNK // self._dimension)
        for start in range(0, len(positions), step):
            chosen = positions[start : start + step]
            rows = self._matrix[chosen].astype(np.float64)
            if self._metric is VectorMetric.L2:
                part = 0.0 - np.sqrt(np.square(rows - exact).sum(axis=1))
            else:
                part = (rows * exact).sum(axis=1)
                if self._metric is VectorMetric.COSINE:
                    part = np.clip(part / np.sqrt(self._squares[chosen] * square), -1.0, 1.0)
            scores[start : start + step] = part
        return list(zip(positions.tolist(), scores.tolist(), strict=True))

    def _reserve(self, count: int) -> None:
        for name in self._COLUMNS:
            setattr(self, name, grown(getattr(self, name), self._count, count))

    def _put(self, where: Any, packed: Packed) -> None:
        norms = np.sqrt(packed.squares)
        if packed.rows is not self._matrix:
            self._matrix[where] = packed.rows
        self._squares[where] = packed.squares
        with np.errstate(over="ignore"):  # it is not moderate then, and nobody asks for it
            self._norms[where] = norms
        self._is_moderate = self._is_moderate and is_moderate(norms)


def grown(column: Array, used: int, count: int) -> Array:
    """Return a column with room for `count` entries, of which `used` are kept."""
    if count <= len(column):
        return column
    larger = np.empty((max(count, len(column) + len(column) // 2), *column.shape[1:]), column.dtype)
    larger[:used] = column[:used]
    return larger


def is_moderate(norms: Array) -> bool:
    """Whether products of float32 of vectors with these norms neither overflow nor vanish."""
    return bool((((norms >= _SMALLEST) & (norms <= _LARGEST)) | (norms == 0)).all())


def _squares_of(rows: Array) -> Array:
    """Return the square of each row's norm; a row's is the same wherever it stands."""
    squares = np.empty(len(rows))
    step = max(1, _CHUNK // rows.shape[1])
    for start in range(0, len(rows), step):
        squares[start : start + step] = np.square(rows[start : start + step], dtype=np.float64).sum(axis=1)
    return squares


def _products(matrix: Array, queries: Array) -> Array:
    """Multiply each row with each query: a line for each query."""
    with np.errstate(all="ignore"):  # what overflows is not looked at: see _near
        return (matrix @ queries[0])[None] if len(queries) == 1 else queries @ matrix.T


def _reached(scores: Array, top_k: int) -> Any:
    """Return something that the `top_k` best scores reach: of blocks, each with its best one, the last best."""
    blocks = len(scores) // _BLOCK
    if blocks < 8 * top_k:
        return _last(scores, top_k)
    return _last(scores[: blocks * _BLOCK].reshape(blocks, _BLOCK).max(axis=1), top_k)


def _last(scores: Array, top_k: int) -> Any:
    return np.partition(scores, -top_k)[-top_k]
