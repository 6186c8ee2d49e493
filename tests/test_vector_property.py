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
from tests.vector_strategies import DIMENSION, METRICS, PLAIN_VECTORS, Call, Calls
from tests.vector_truth import mapping_matches, truth

STORES = (InMemoryVectorStore, PythonMemoryStore)
#: Any numbers that float32 can multiply well; and some that it hardly can.
_numbers = st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.5]) | st.floats(-1e3, 1e3, width=32)
_extremes = st.sampled_from([1e-30, 1e30, 3e38, -3e38, 1e-38, 1.0])
_vectors = st.lists(_numbers, min_size=DIMENSION, max_size=DIMENSION).filter(any)
_extreme_vectors = st.lists(_extremes, min_size=DIMENSION, max_size=DIMENSION)
_calls = st.one_of([group.calls() for group in Calls.several(str, st.sampled_from(PLAIN_VECTORS) | _vectors)])
_extreme_records = Calls.several(str, _extreme_vectors)[0].records()


def matches(filters: Any, payload: Any) -> bool:
    """Whether a payload matches filters of any form."""
    if filters is None or isinstance(filters, dict):
        return mapping_matches(filters or {}, payload)
    return all(truth(one, payload) is True for one in (filters if isinstance(filters, list) else [filters]))


def as_read(record: VectorRecord) -> VectorRecord:
    """Return a record as it is read back."""
    return VectorRecord(record.id, array("f", record.vector).tolist(), record.payload)


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
        self.assertEqual(len(results), min(max(top_k, 0), len(expected)))
        self.assertEqual(len({one.id for one in results}), len(results))
        for one in results:
            self.assertTrue(math.isclose(one.score, scores[one.id], rel_tol=1e-12, abs_tol=margin))
            self.assertEqual(one.payload, expected[one.id].payload)
        self.assertEqual(results, sorted(results, key=lambda one: (-one.score, one.id)))
        if results and len(results) < len(expected):
            left = max(value for one, value in scores.items() if one not in {found.id for found in results})
            self.assertGreaterEqual(results[-1].score, left - margin)

    @settings(max_examples=70, deadline=None)
    @given(METRICS, _calls)
    def test_any_calls(self, metric: str, calls: list[Call]) -> None:
        """E1 E2 E3 E4: each answer is that of a dictionary."""
        for store in STORES:
            repo = VectorRepository(store(), "c", dimension=DIMENSION, metric=metric)
            known: dict[str, VectorRecord] = {}
            for method, arguments in [*calls, Call("fetch", {"ids": None})]:
                answer = getattr(repo, method)(**arguments)
                filters = arguments.get("filters")
                found = {one: record for one, record in known.items() if matches(filters, record.payload)}
                if method == "upsert":
                    known.update((one.id, one) for one in arguments["records"])
                elif method == "query":
                    self.agree(metric, arguments["vector"], answer, found, arguments["top_k"])
                elif method == "query_many":
                    self.assertEqual(len(answer), len(arguments["vectors"]))
                    for vector, results in zip(arguments["vectors"], answer, strict=True):
                        self.agree(metric, vector, results, found, arguments["top_k"])
                elif method == "fetch":
                    wanted = sorted(known) if arguments["ids"] is None else filter(known.get, arguments["ids"])
                    self.assertEqual(answer, [as_read(known[one]) for one in wanted])
                elif method == "count":
                    self.assertEqual(answer, len(found))
                else:
                    gone = known.keys() & (arguments["ids"] if method == "delete" else found)
                    self.assertEqual(answer, len(gone))
                    known = {one: record for one, record in known.items() if one not in gone}

    @settings(max_examples=50, deadline=None)
    @given(METRICS, _extreme_records, _extreme_vectors, st.integers(1, 5))
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
