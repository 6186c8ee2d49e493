"""Hypothesis strategies: vectors, payloads and filters, and calls of a vector repository, right ones and wrong ones.

Ids, keys and values are few, so that they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypothesis import strategies as st

from mini_orm import C, F, VectorRecord

DIMENSION = 3
METRICS = st.sampled_from(["cosine", "dot", "l2"])
NAN, INF = float("nan"), float("inf")
#: The last one is a name as the others are, and no path into the first.
KEYS = st.sampled_from(["x", "x", "y", "x.y"])
#: Values that look alike, or have an order; those of one group meet in one test.
VALUES: tuple[Sequence[Any], ...] = (
    (None, True, 1, 1.0, "1", "True", [1], [1.0], [True]),
    (None, False, 0, -0.0, "", [], {}),
    (None, -2, 0.5, 2, 3, "2", True),
    (None, 2**53, 2**53 + 1, float(2**53), -(2**53)),
    (None, "a", "A", "ab", "b", "é", "a%", "a_b", ["a"]),
    (None, {"y": 1}, {"y": 1.0}, {"y": True}, {"y": None}, {}, [[1], {"y": 1}], "a"),
)
#: Some are equal, as vectors or by their direction; float32 rounds others; no product overflows or vanishes.
PLAIN_VECTORS: list[list[float]] = [
    [1, 0, 0],
    [1.0, 0.0, 0.0],
    [2, 0, 0],
    [0, 1, 0],
    [-1, 0, 0],
    [1, 1, 1],
    [0.1, 0.1, 0.1],
    [-0.3, 0.5, 0.7],
    [0.001, 0, -0.002],
    [333.333, -1000.001, 5],
]


class Call(NamedTuple):
    """A call of a repository's method."""

    method: str
    arguments: dict[str, Any]


def call(method: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Call]:
    """Draw a call."""
    return st.builds(Call, st.just(method), st.fixed_dictionaries(arguments))


@dataclass(frozen=True)
class Calls:
    """What calls are made of: ids that the store takes, vectors, and a group of values that its payloads may hold."""

    ids: st.SearchStrategy[str]
    vectors: st.SearchStrategy[list[float]]
    values: st.SearchStrategy[Any]

    @classmethod
    def several(
        cls, id_of: Callable[[int], str], vectors: st.SearchStrategy[list[float]], *, has_nested: bool = True
    ) -> list[Calls]:
        """Return one for each group of values.

        Args:
            id_of: makes an id of a small number.
            vectors: none of them zero.
            has_nested: lists and dicts may be among the values.
        """
        ids = st.sampled_from([id_of(number) for number in range(8)])
        groups = [[one for one in group if has_nested or not isinstance(one, list | dict)] for group in VALUES]
        return [cls(ids, vectors, st.sampled_from(group)) for group in groups]

    def records(self) -> st.SearchStrategy[list[VectorRecord]]:
        """Draw records; ids may be repeated."""
        return st.lists(self.record(), max_size=8)

    def calls(self, *others: st.SearchStrategy[Call]) -> st.SearchStrategy[list[Call]]:
        """Draw calls, the first of which writes something; a few of them from `others`."""
        begin = call("upsert", records=st.lists(self.record(), min_size=3, max_size=8))
        more = st.lists(st.one_of(*[self.right()] * 4, *others), min_size=3, max_size=12)
        return st.builds(lambda first, rest: [first, *rest], begin, more)

    def record(self, **other: st.SearchStrategy[Any]) -> st.SearchStrategy[VectorRecord]:
        """Draw a record, of `other` parts where they are given."""
        payloads = st.none() | st.dictionaries(KEYS, self.values, max_size=2)
        return st.builds(VectorRecord, **{"id": self.ids, "vector": self.vectors, "payload": payloads, **other})

    def conditions(self) -> st.SearchStrategy[Any]:
        """Draw conditions of `C`, single ones and groups."""
        ordered = self.values.filter(lambda one: isinstance(one, int | float | str) and not isinstance(one, bool))
        leaves = st.one_of(
            _made((C.eq, C.ne, C.same_as, C.distinct_from), self.values),
            _made((C.lt, C.le, C.gt, C.ge), ordered),
            _made((C.between,), *[st.sampled_from([-1, 0.5, 1])] * 2),
            _made((C.in_, C.not_in), st.lists(self.values, max_size=3)),
            _made((C.contains, C.startswith, C.endswith), st.sampled_from(["", "a", "b", "1", "%", "_"])),
            _made((C.is_null, C.is_not_null)),
        )
        return st.recursive(
            leaves,
            lambda inner: (
                inner.map(C.not_)
                | st.lists(inner, min_size=1, max_size=3).map(C.and_)
                | st.lists(inner, min_size=1, max_size=3).map(C.or_)
            ),
            max_leaves=6,
        )

    def filters(self) -> st.SearchStrategy[Any]:
        """Draw filters of every form."""
        mappings = st.dictionaries(KEYS, self.values, min_size=1, max_size=2)
        return mappings | self.conditions() | st.lists(self.conditions(), min_size=1, max_size=2)

    def right(self) -> st.SearchStrategy[Call]:
        """Draw calls with nothing wrong about them, though a store may refuse the filter."""
        ids, top_k = st.lists(self.ids, max_size=4), st.integers(-1, 15)
        filters: Any = self.filters() | st.sampled_from([None, {}, []])
        upserts = call("upsert", records=self.records(), batch_size=st.none() | st.integers(1, 3))
        queries = call("query", vector=self.vectors, top_k=top_k, filters=filters)
        return st.one_of(
            *[upserts] * 3,  # so that there is something to find
            *[queries] * 2,
            call("query_many", vectors=st.lists(self.vectors, max_size=3), top_k=top_k, filters=filters),
            call("fetch", ids=st.none() | ids),
            call("delete", ids=ids),
            call("count", filters=filters),
            call("delete_where", filters=self.filters()),
        )

    def wrong(self, *, checks_payloads: bool = True) -> st.SearchStrategy[Call]:
        """Draw calls that are refused, but for a zero vector, which cosine alone does not take.

        Args:
            checks_payloads: values that JSON does not have are refused, too.
        """
        zero: Any = [0] * DIMENSION
        vectors = st.sampled_from([zero, [], [1], [1] * (DIMENSION + 1), [1, NAN, 1], [1, 1, 1e39], [1, "1", 1], "123"])
        payloads = st.sampled_from([{"x": NAN}, {"x": {1}}, {"y": object()}, {1: "x"}])
        record = self.record(vector=vectors) | self.record(id=st.sampled_from([7, None]))
        if checks_payloads:
            record |= self.record(payload=payloads)
        records = st.builds(lambda before, one, after: [*before, one, *after], self.records(), record, self.records())
        ids: Any = st.sampled_from(["id", [7], [None], 7])
        top_k = st.integers(1, 15)
        filters = st.sampled_from(
            [
                C.lt("x", True),
                C.gt("x", None),
                C.between("x", 1, "b"),
                C.like("x", "a%"),
                C.eq("x", F("y")),
                C.any_("x"),
            ]
        )
        return st.one_of(
            *[call("upsert", records=records, batch_size=st.none() | st.integers(1, 3))] * 3,
            call("query", vector=vectors, top_k=top_k, filters=st.none()),
            call("query", vector=self.vectors, top_k=top_k, filters=filters),
            call("query_many", vectors=st.tuples(self.vectors, vectors), top_k=top_k, filters=st.none()),
            call("fetch", ids=ids),
            call("delete", ids=ids),
            call("count", filters=filters),
            call("delete_where", filters=filters | st.sampled_from([None, {}, []])),
            call("create_collection"),
        )


def _made(makes: Sequence[Callable[..., Any]], *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda make, key, *given: make(key, *given), st.sampled_from(makes), KEYS, *arguments)
