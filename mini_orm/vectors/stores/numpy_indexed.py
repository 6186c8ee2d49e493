"""Rows with an index before them, which finds candidates quicker than a scan of all.

Rules of this file:
- The rows are the truth, and what is written is in them, as it was written. The index holds the same vectors, under
  cosine their directions, each by its number there; it may be lossy, as all that it finds is scored again by the rows.
- Nothing is ever removed from the index: many kinds can't. A row that is replaced or deleted leaves its number without
  an owner, and a search asks for more, as many as are likely to have none. When most have none, it is made anew.
- Wherever the index may not have found all that it has to, the rows are scanned instead: an answer is never short, and
  of an exact index never wrong. So it is as long as there are too few rows to train the index, and for good where
  numbers are so large or small that float32 can't multiply them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..metrics import VectorMetric
from .numpy_rows import Array, NumpyRows, Packed, grown, is_moderate
from .python_rows import Scored

#: How many more entries are asked for than are wanted, so that rounding does not decide which are the last.
_SPARE = 10
#: An index with fewer entries without an owner is never made anew.
_FEW = 1024
#: How many numbers are prepared at a time.
_CHUNK = 1 << 21
#: An index is trained with at most this many times the rows that it takes.
_TRAINED = 8


class IndexedRows(NumpyRows):
    """Rows of float32 behind an index.

    Args:
        make: makes an empty index, or reads one that was saved: a `FaissIndex`, or what has its methods.
    """

    _COLUMNS = (*NumpyRows._COLUMNS, "_numbers")

    def __init__(self, dimension: int, metric: VectorMetric, make: Callable[..., Any]) -> None:
        super().__init__(dimension, metric)
        self._make = make
        empty = make()
        self._is_exact: bool = empty.is_exact
        self._training_rows: int = empty.training_rows
        self._index: Any = None
        #: The number that a row has in the index.
        self._numbers: Array = np.empty(0, np.int64)
        #: The position of the row that has a number; -1: it is gone.
        self._owners: Array = np.empty(0, np.int64)
        self._waiting: list[Array] = []
        self._longest = 0.0

    @property
    def costs(self) -> dict[str, float]:  # type: ignore[override]  # here they change
        """As in `PythonRows`; what may take as long as making an index is never brief."""
        is_quick = self._is_exact and self._gone() <= self._allowed() // 2
        return {"query": 1.0, "upsert": 150.0 if is_quick else float("inf"), "fetch": 25.0}

    def append(self, packed: Packed, places: Sequence[int]) -> None:
        """As `PythonRows.append`."""
        start = self._count
        super().append(packed, places)
        self._waiting.append(np.arange(start, self._count))

    def replace(self, positions: Sequence[int], packed: Packed, places: Sequence[int]) -> None:
        """As `PythonRows.replace`."""
        super().replace(positions, packed, places)
        if positions:
            changed = np.asarray(positions)
            if self._index is not None:
                self._owners[self._numbers[changed]] = -1
            self._waiting.append(changed)

    def remove(self, position: int) -> None:
        """As `PythonRows.remove`."""
        if self._index is not None:
            self._owners[self._numbers[self._count - 1]] = position
            self._owners[self._numbers[position]] = -1
        super().remove(position)

    def settle(self) -> None:
        """Bring the index up to the rows, when some have been written.

        Raises:
            VectorError: that can't be done. The rows are there, and all of them are looked at until it can.
        """
        waiting, self._waiting = self._waiting, []
        index, self._index = self._index, None
        if self._count < self._training_rows or not self._is_moderate:
            return
        if index is None or len(index) + sum(map(len, waiting)) - self._count > self._allowed():
            index, waiting = self._trained(), [np.arange(self._count)]
            self._longest = 0.0
        for positions in waiting:
            self._add(index, positions)
        self._index = index

    def best(self, packed: Packed, top_k: int, positions: Array | None) -> list[Scored]:
        """As `PythonRows.best`."""
        lengths = np.sqrt(packed.squares)
        if self._index is None or top_k >= self._count or not is_moderate(lengths):
            return super().best(packed, top_k, positions)
        total = len(self._index)
        asked = min(total, -(-(top_k + _SPARE) * total // self._count))
        if asked > self._count:  # nearly all of the index is gone
            return super().best(packed, top_k, positions)
        scores, numbers = self._index.search(self._prepared(*packed), asked)
        owners = self._owners[numbers]
        owners[numbers < 0] = -1
        found = []
        for place, owned in enumerate(owners):
            near = owned[owned >= 0]
            if len(near) >= top_k and self._is_decided(scores[place], owned, top_k, lengths[place]):
                found.append(self._scored(packed.rows[place], packed.squares[place], near))
            else:
                alone = Packed(packed.rows[place : place + 1], packed.squares[place : place + 1])
                found += super().best(alone, top_k, None)
        return found

    def unpacked(self, content: bytes, count: int) -> Packed:
        """Check vectors that were saved, and return them as `append` takes them."""
        matrix = np.frombuffer(content, "<f4").reshape(count, self._dimension)
        return self.pack(list(matrix), "the vector of record {}")

    def saved(self) -> dict[str, Array]:
        """Return what `restore` takes, by name: the vectors, and the index if making it anew takes its time."""
        columns = {"vectors": self._matrix[: self._count].astype("<f4", copy=False)}
        if self._index is not None and not self._is_exact:
            columns["numbers"] = self._numbers[: self._count].astype("<i8", copy=False)
            columns["index"] = self._index.dumped()
        return columns

    def restore(self, index: bytes, numbers: bytes) -> None:
        """Take a saved index for the rows that are there.

        Raises:
            VectorError: it can't be read.
            ValueError, IndexError: it is not theirs.
        """
        made = self._make(np.frombuffer(index, np.uint8))
        self._waiting = []
        self._numbers[: self._count] = np.frombuffer(numbers, "<i8")
        self._owners = np.full(len(made), -1)
        self._owners[self._numbers[: self._count]] = np.arange(self._count)
        if np.count_nonzero(self._owners >= 0) != self._count or self._numbers[: self._count].min(initial=0) < 0:
            raise ValueError("the numbers of the records are not those of entries, each another")
        self._longest = float(self._norms[: self._count].max(initial=0.0))
        self._index = made

    def _gone(self) -> int:
        """Return how many entries of the index have no owner."""
        return 0 if self._index is None else len(self._index) - self._count

    def _allowed(self) -> int:
        """Return how many entries of the index may have no owner."""
        return max(_FEW, self._count)

    def _trained(self) -> Any:
        """Make an index that is ready to take rows."""
        index = self._make()
        if self._training_rows:
            chosen = slice(0, self._count, max(1, self._count // (_TRAINED * self._training_rows)))
            index.train(self._prepared(self._matrix[chosen], self._squares[chosen]))
        return index

    def _add(self, index: Any, positions: Array) -> None:
        """Add rows to an index."""
        start = len(index)
        self._owners = grown(self._owners, start, start + len(positions))
        self._owners[start : start + len(positions)] = positions
        self._numbers[positions] = np.arange(start, start + len(positions))
        self._longest = max(self._longest, float(self._norms[positions].max(initial=0.0)))
        step = max(1, _CHUNK // self._dimension)
        for first in range(0, len(positions), step):
            chosen = positions[first : first + step]
            index.add(self._prepared(self._matrix[chosen], self._squares[chosen]))

    def _prepared(self, rows: Array, squares: Array) -> Array:
        """Return vectors as the index takes them."""
        if self._metric is not VectorMetric.COSINE:
            return rows
        return rows / np.sqrt(squares).astype(np.float32)[:, None]

    def _is_decided(self, scores: Array, owners: Array, top_k: int, length: Any) -> bool:
        """Tell whether no entry that was not found can be among the best, however the scores were rounded."""
        if not self._is_exact or len(owners) == len(self._index):
            return True
        if self._metric is VectorMetric.COSINE:
            margin = self._margin
        elif self._metric is VectorMetric.DOT:
            margin = self._margin * length * self._longest
        else:
            margin = self._margin * (length + self._longest) ** 2
        last_wanted = scores[owners >= 0][top_k - 1]
        return bool(abs(last_wanted - scores[-1]) > 2 * margin)
