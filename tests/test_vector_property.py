"""Any sequence of writes and queries on the stores in memory, against a dictionary and the formulas."""

from __future__ import annotations

import math
import unittest
from array import array
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mini_orm import C, InMemoryVectorStore, VectorRecord, VectorRepository
from tests.vector_backends import PythonMemoryStore, score
from tests.vector_truth import mapping_matches, truth

STORES = (InMemoryVectorStore, PythonMemoryStore)
DIMENSION = 3
#: Few numbers, so that vectors and scores are equal now and then; and some that float32 can hardly multiply.
_numbers = st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.5]) | st.floats(-1e3, 1e3, width=32)
_extremes = st.sampled_from([1e-30, 1e30, 3e38, -3e38, 1e-38, 1.0])
_vectors = st.lists(_numbers, min_size=DIMENSION, max_size=DIMENSION).filter(any)
_extreme_vectors = st.lists(_extremes, min_size=DIMENSION, max_size=DIMENSION)
_values = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0, "a", "b", "ab", "", [1], [True]])
_payloads = st.none() | st.dictionaries(st.sampled_from("xy"), _values, max_size=2)
_ids = st.integers(0, 12).map(str)


def _records(vectors: Any) -> Any:
    return st.lists(st.builds(VectorRecord, _ids, vectors, _payloads), max_size=8)


_ordered = st.integers(-2, 2) | st.sampled_from([0.5, "a", "ab"])
_leaves = st.one_of(
    st.builds(
        lambda make, key, one: make(key, one),
        st.sampled_from([C.eq, C.ne, C.same_as, C.distinct_from]),
        st.sampled_from("xy"),
        _values,
    ),
    st.builds(
        lambda make, key, one: make(key, one),
        st.sampled_from([C.lt, C.le, C.gt, C.ge]),
        st.sampled_from("xy"),
        _ordered,
    ),
    st.builds(
        lambda make, key, some: make(key, some),
        st.sampled_from([C.in_, C.not_in]),
        st.sampled_from("xy"),
        st.lists(_values, max_size=3),
    ),
    st.builds(
        lambda make, key, text: make(key, text),
        st.sampled_from([C.contains, C.startswith, C.endswith]),
        st.sampled_from("xy"),
        st.sampled_from(["", "a", "b"]),
    ),
    st.builds(lambda make, key: make(key), st.sampled_from([C.is_null, C.is_not_null]), st.sampled_from("xy")),
)
_conditions = st.recursive(
    _leaves,
    lambda inner: (
        inner.map(C.not_)
        | st.lists(inner, min_size=1, max_size=3).map(C.and_)
        | st.lists(inner, min_size=1, max_size=3).map(C.or_)
    ),
    max_leaves=6,
)
_filters = st.none() | st.dictionaries(st.sampled_from("xy"), _values, max_size=2) | _conditions
_steps = st.lists(
    st.tuples(st.just("upsert"), _records(_vectors))
    | st.tuples(st.just("delete"), st.lists(_ids, max_size=4))
    | st.tuples(st.just("query"), st.tuples(_vectors, st.integers(1, 15), _filters))
    | st.tuples(st.just("count"), _filters)
    | st.tuples(st.just("delete_where"), _conditions),
    max_size=12,
)


def matches(filters: Any, payload: Any) -> bool:
    """Whether a payload matches filters of any form."""
    if filters is None or isinstance(filters, dict):
        return mapping_matches(filters or {}, payload)
    return truth(filters, payload) is True


class MemoryProperties(unittest.TestCase):
    """With numpy and without it."""

    def agree(self, metric: str, query: Any, results: Any, expected: dict[str, VectorRecord], top_k: int) -> None:
        """See that results are the best by the formula, in its order, up to rounding in double precision."""
        asked = array("f", query)
        rows = {one: array("f", record.vector) for one, record in expected.items()}
        scores = {one: score(metric, asked, row) for one, row in rows.items()}
        # Rounding is in parts of what is added up, which may be far more than what comes out.
        added = [sum(abs(x * y) for x, y in zip(asked, row, strict=True)) for row in rows.values()]
        margin = 1e-12 * max(1.0, *added, *map(abs, scores.values()), 0.0) if metric != "cosine" else 1e-12
        self.assertEqual(len(results), min(top_k, len(expected)))
        self.assertEqual(len({one.id for one in results}), len(results))
        for one in results:
            self.assertTrue(math.isclose(one.score, scores[one.id], rel_tol=1e-12, abs_tol=margin))
            self.assertEqual(one.payload, expected[one.id].payload)
        self.assertEqual(results, sorted(results, key=lambda one: (-one.score, one.id)))
        if len(results) < len(expected):
            left = max(value for one, value in scores.items() if one not in {found.id for found in results})
            self.assertGreaterEqual(results[-1].score, left - margin)

    @settings(max_examples=70, deadline=None)
    @given(st.sampled_from(["cosine", "dot", "l2"]), _steps)
    def test_any_steps(self, metric: str, steps: list[Any]) -> None:
        """E1 E2 E3 E4: each answer is that of a dictionary."""
        for store in STORES:
            repo = VectorRepository(store(), "c", dimension=DIMENSION, metric=metric)
            known: dict[str, VectorRecord] = {}
            for step, argument in steps:
                if step == "upsert":
                    repo.upsert(argument)
                    known.update((one.id, one) for one in argument)
                elif step == "delete":
                    self.assertEqual(repo.delete(argument), sum(known.pop(one, None) is not None for one in argument))
                elif step == "query":
                    vector, top_k, filters = argument
                    wanted = {one: record for one, record in known.items() if matches(filters, record.payload)}
                    results = repo.query(vector, top_k=top_k, filters=filters)
                    self.agree(metric, vector, results, wanted, top_k)
                    [same] = repo.query_many([vector], top_k=top_k, filters=filters)
                    self.assertEqual(same, results)
                elif step == "count":
                    self.assertEqual(
                        repo.count(argument), sum(matches(argument, one.payload) for one in known.values())
                    )
                else:
                    gone = [one for one, record in known.items() if matches(argument, record.payload)]
                    self.assertEqual(repo.delete_where(argument), len(gone))
                    for one in gone:
                        del known[one]
            self.assertEqual(
                [(one.id, one.vector, one.payload) for one in repo.fetch()],
                [(one.id, array("f", one.vector).tolist(), one.payload) for _, one in sorted(known.items())],
            )

    @settings(max_examples=50, deadline=None)
    @given(st.sampled_from(["cosine", "dot", "l2"]), _records(_extreme_vectors), _extreme_vectors, st.integers(1, 5))
    def test_extremes(self, metric: str, records: list[VectorRecord], vector: list[float], top_k: int) -> None:
        """E2: numbers so large and small that their products are beyond float32."""
        for store in STORES:
            repo = VectorRepository(store(), "c", dimension=DIMENSION, metric=metric)
            repo.upsert(records)
            self.agree(metric, vector, repo.query(vector, top_k=top_k), {one.id: one for one in records}, top_k)


class LargerCollections(unittest.TestCase):
    """Enough rows for blocks, chunks, gathering and masking to be used, in awkward data too."""

    ROWS, DIMENSION = 3000, 16

    def data(self, kind: str) -> Any:
        rng = np.random.default_rng(7)
        rows = rng.standard_normal((self.ROWS, self.DIMENSION))
        if kind == "far away":  # distances are small beside the norms
            rows = rows * 0.01 + 100
        elif kind == "repeated":  # most scores are equal to others
            rows = rows[rng.integers(0, 5, self.ROWS)]
        elif kind == "one giant":
            rows[17] *= 1e12
        return rows.astype(np.float32)

    def expected(self, metric: str, rows: Any, query: Any) -> Any:
        rows, query = rows.astype(np.float64), query.astype(np.float64)
        if metric == "l2":
            return -np.sqrt(((rows - query) ** 2).sum(axis=1))
        product = rows @ query
        return product if metric == "dot" else product / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)

    def test_recall(self) -> None:
        """E2 E4: the best rows of all, exactly, with any share of them filtered out, one by one and many at once."""
        for kind in ("normal", "far away", "repeated", "one giant"):
            rows = self.data(kind)
            records = [VectorRecord(f"{n:05}", row, {"mod": n % 100}) for n, row in enumerate(rows)]
            queries = [rows[3], rows[17], -rows[5]]
            for metric in ("cosine", "dot", "l2"):
                for store in STORES:
                    repo = VectorRepository(store(), "c", dimension=self.DIMENSION, metric=metric)
                    repo.upsert(records)
                    for below in (None, 1, 50):
                        filters = None if below is None else C.lt("mod", below)
                        many = repo.query_many(queries, top_k=10, filters=filters)
                        self.assertEqual(many, [repo.query(one, top_k=10, filters=filters) for one in queries])
                        kept = [n for n in range(self.ROWS) if below is None or n % 100 < below]
                        for query, results in zip(queries, many, strict=True):
                            with self.subTest(kind=kind, metric=metric, store=store.__name__, below=below):
                                scores = np.sort(self.expected(metric, rows[kept], query))[::-1][:10]
                                size = max(1.0, np.abs(scores).max(initial=0))
                                found = np.array([one.score for one in results])
                                np.testing.assert_allclose(found, scores, rtol=1e-9, atol=1e-9 * size)
                                self.assertLessEqual({int(one.id) for one in results}, set(kept))

    def test_equal_rows_are_in_the_order_of_their_ids(self) -> None:
        """E2: wherever they stand in the matrix, among thousands, with as many equal ones as can be."""
        rows = self.data("repeated")
        for store in STORES:
            for metric in ("cosine", "dot", "l2"):
                repo = VectorRepository(store(), "c", dimension=self.DIMENSION, metric=metric)
                repo.upsert(VectorRecord(f"{(n * 7) % self.ROWS:05}", row) for n, row in enumerate(rows))
                results = repo.query(rows[0], top_k=100)
                same = sorted(f"{(n * 7) % self.ROWS:05}" for n in range(self.ROWS) if (rows[n] == rows[0]).all())
                if metric != "dot":  # under dot another direction may be longer
                    self.assertEqual([one.id for one in results], same[:100])
                self.assertEqual(results, sorted(results, key=lambda one: (-one.score, one.id)))


if __name__ == "__main__":
    unittest.main()
