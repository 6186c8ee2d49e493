"""An index of faiss: what kind it is, and what is asked of it.

It is imported with the first `FaissVectorStore`, as it imports faiss.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import faiss

from ...errors import VectorError
from ..metrics import VectorMetric

Array: TypeAlias = Any
#: What maps ids, which are not given to the index here.
_ID_MAP = re.compile(r"^IDMap2?,")
#: A dimension for which most kinds of an index are there.
_ANY_DIMENSION = 8
#: Vectors for each centroid that training asks for at least, before it warns.
_EACH = 39


@dataclass(frozen=True)
class IndexKind:
    """Which index is made for each collection."""

    #: What faiss' index factory takes.
    spec: str = "Flat"
    #: From how many vectors on an index is trained; by default from as many as its training asks for.
    training_rows: int | None = None
    search_parameters: Mapping[str, float] = field(default_factory=dict)


def check_spec(spec: str) -> None:
    """Refuse what is no index for any dimension. Whether it is one for a certain dimension, a collection shows.

    Raises:
        ValueError: it is no text.
        VectorError: faiss can't read it.
    """
    if not isinstance(spec, str):
        raise ValueError(f"index is what faiss' index factory takes, a text, not {type(spec).__name__}")
    try:
        faiss.index_factory(_ANY_DIMENSION, _bare(spec))
    except (RuntimeError, TypeError) as exc:
        # Many are there for other dimensions alone, and nothing but the text tells these apart.
        if isinstance(exc, TypeError) or "could not parse" in str(exc):
            raise VectorError(f"faiss has no index {spec!r}") from exc


def _bare(spec: str) -> str:
    return _ID_MAP.sub("", spec)


class FaissIndex:
    """An index of faiss, whose entries have the numbers 0, 1, 2, … in the order of their coming, and are never removed.

    Raises:
        VectorError: there is no such index for this dimension and metric, or it has no such search parameter.
    """

    def __init__(self, kind: IndexKind, dimension: int, metric: VectorMetric, saved: Array = None) -> None:
        self._kind = kind
        measure = faiss.METRIC_L2 if metric is VectorMetric.L2 else faiss.METRIC_INNER_PRODUCT
        if saved is None:
            with _told(f"has no index {kind.spec!r} for {dimension} numbers under {metric.value}"):
                self._index: Any = faiss.index_factory(dimension, _bare(kind.spec), measure)
        else:
            with _told("can't read a saved index"):
                self._index = faiss.deserialize_index(saved)
            if self._index.d != dimension:
                raise VectorError(f"the saved index is for {self._index.d} numbers, not for {dimension}")
        self._count = int(self._index.ntotal)  # asking the index takes its time
        space = faiss.ParameterSpace()
        for name, value in kind.search_parameters.items():
            with _told(f"has no search parameter {name!r} for an index {kind.spec!r}, or none of this value"):
                space.set_index_parameter(self._index, name, value)

    def __len__(self) -> int:
        return self._count

    @property
    def is_exact(self) -> bool:
        """Whether it finds the nearest vectors always."""
        return isinstance(self._index, faiss.IndexFlat)

    @property
    def training_rows(self) -> int:
        """How many vectors it takes to train it; 0 where there is nothing to train."""
        if self._index.is_trained:
            return 0
        centroids = max(map(_centroids, _parts(self._index)))
        wanted = self._kind.training_rows
        return max(centroids, _EACH * centroids if wanted is None else wanted)

    def train(self, rows: Array) -> None:
        """Learn from vectors how they lie."""
        with _told("can't train an index with these vectors"):
            self._index.train(rows)

    def add(self, rows: Array) -> None:
        """Add vectors at the end."""
        with _told("can't add to an index"):
            self._index.add(rows)
        self._count += len(rows)

    def search(self, queries: Array, count: int) -> tuple[Array, Array]:
        """Return for each query the scores and numbers of the nearest entries, best first; -1 where there is none."""
        with _told("can't search an index"):
            scores, numbers = self._index.search(queries, count)
        return scores, numbers

    def dumped(self) -> Array:
        """Return the index as bytes, which `saved` takes."""
        with _told("can't write this index"):
            return faiss.serialize_index(self._index)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Have an error of faiss tell what could not be done; its own text is the cause."""
    try:
        yield
    except (RuntimeError, TypeError, AssertionError) as exc:
        raise VectorError(f"faiss {what}") from exc


def _parts(index: Any) -> Iterator[Any]:
    """Yield an index and those that it is made of."""
    yield index
    for name in ("index", "base_index", "storage"):
        inner = getattr(index, name, None)
        if inner is not None:
            yield from _parts(faiss.downcast_index(inner))


def _centroids(index: Any) -> int:
    """Return how many centroids the training of an index looks for at a time."""
    quantizer = getattr(index, "pq", None)
    return max(1, getattr(index, "nlist", 1), 1 if quantizer is None else int(quantizer.ksub))
