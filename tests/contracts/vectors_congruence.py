"""The same random calls on the store in memory and on another store: the same answers, counts and errors."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mini_orm import (
    Condition,
    ConditionGroup,
    InMemoryVectorStore,
    MiniOrmError,
    NotCondition,
    UnsupportedFilterError,
    VectorRecord,
    VectorRepository,
)
from tests.backends import maybe_await
from tests.vector_strategies import DIMENSION, METRICS, PLAIN_VECTORS, Call, Calls

if TYPE_CHECKING:
    from tests.vector_backends import VectorBackend
    from tests.vector_backends import VectorCase as Case
else:
    Case = object

#: How far a store that computes in float32 may be off, in parts of the magnitudes that it adds up.
ROUNDING = 1e-6
#: More than there ever are.
ALL = 1000
TEXT_CONDITIONS = {"CONTAINS", "STARTSWITH", "ENDSWITH"}
ORDERS = {"<", "<=", ">", ">="}


class VectorCongruenceContract(Case):
    """Whatever is asked of a store, the store in memory answers the same."""

    async def test_any_calls(self) -> None:
        """E1 E2 E3 E4 E5: answers, order, scores up to float32's rounding, payloads, counts, classes of errors."""
        loop = asyncio.get_running_loop()
        backend = self.backend
        has_nested = backend.keeps_nested_payload and backend.checks_payloads
        several = Calls.several(backend.id, st.sampled_from(PLAIN_VECTORS), has_nested=has_nested)
        wrong = several[0].wrong(checks_payloads=backend.checks_payloads)
        calls = st.one_of([group.calls(wrong) for group in several])

        @settings(
            max_examples=backend.congruence_examples,
            deadline=None,
            derandomize=True,  # every run makes the same calls
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
            phases=[Phase.generate, Phase.shrink],  # without Phase.explain, which takes minutes
        )
        @given(metric=METRICS, calls=calls)
        def check(metric: str, calls: list[Call]) -> None:
            asyncio.run_coroutine_threadsafe(self.compare(metric, calls), loop).result()

        # Hypothesis takes no coroutines, and the store belongs to the loop of this test.
        await asyncio.to_thread(check)

    async def compare(self, metric: str, calls: list[Call]) -> None:
        """Make the calls on both stores, and see that they agree after each, and hold the same at last."""
        repo = await self.repo("things", dimension=DIMENSION, metric=metric, overwrite=True)
        oracle = VectorRepository(InMemoryVectorStore(), "things", dimension=DIMENSION, metric=metric)
        for one in [*calls, Call("fetch", {}), Call("count", {})]:
            found = await outcome(repo, one)
            if found is UnsupportedFilterError and may_refuse(self.backend, one):
                continue  # nothing has changed, as the calls that follow show
            # Among equal scores at the cut a store may return any: the ranking is asked for as a whole.
            whole = {**one.arguments, "top_k": ALL} if one.method.startswith("query") else one.arguments
            expected = await outcome(oracle, Call(one.method, whole))
            if not (isinstance(found, list) and isinstance(expected, list)):  # a count, an error, nothing
                assert found == expected, (one, found, expected)
            elif one.method == "fetch":
                self.agree_on_records(metric, found, expected)
            elif one.method == "query":
                self.agree_on_rankings(metric, one, [one.arguments["vector"]], [found], [expected], oracle)
            else:
                self.agree_on_rankings(metric, one, one.arguments["vectors"], found, expected, oracle)

    def agree_on_records(self, metric: str, found: list[VectorRecord], expected: list[VectorRecord]) -> None:
        """See that two stores hold the same."""
        assert [one.id for one in found] == [one.id for one in expected], (found, expected)
        for one, wanted in zip(found, expected, strict=True):
            assert self.shown(one.payload) == self.shown(wanted.payload), (one, wanted)
        self.same_vectors(metric, found, [one.vector for one in expected])

    def agree_on_rankings(
        self, metric: str, one: Call, asked: Any, found: Any, expected: Any, oracle: VectorRepository
    ) -> None:
        """See that results are the best ones of the ranking that the store in memory has, in its order."""
        vectors = {record.id: record.vector for record in oracle.fetch()}
        assert len(found) == len(expected), (one, found, expected)
        for vector, results, ranking in zip(asked, found, expected, strict=True):
            wanted = {result.id: result for result in ranking}
            margins = {known: ROUNDING * magnitude(metric, vector, vectors[known]) for known in wanted}
            assert len(results) == min(max(one.arguments["top_k"], 0), len(ranking)), (one, results, ranking)
            assert len({result.id for result in results} & wanted.keys()) == len(results), (one, results, ranking)
            assert results == sorted(results, key=lambda result: (-result.score, result.id)), (one, results)
            for place, result in enumerate(results):
                same = wanted[result.id]
                assert abs(result.score - same.score) <= margins[result.id], (one, result, same)
                assert abs(result.score - ranking[place].score) <= max(margins.values()), (one, results, ranking)
                assert self.shown(result.payload) == self.shown(same.payload), (one, result, same)

    def shown(self, payload: Mapping[str, Any] | None) -> str:
        """Return a payload as text, in which 1 differs from 1.0 and True, and None from nothing."""
        if not payload and not self.backend.keeps_empty_payload:
            return "None"
        # JSON has a -0.0, and JSON of databases has not: it is equal to 0.0.
        return re.sub(r"-0\.0\b", "0.0", repr(payload and sorted(payload.items())))


async def outcome(repo: Any, one: Call) -> Any:
    """Make a call; return its result, or the class of its error."""
    try:
        return await maybe_await(getattr(repo, one.method)(**one.arguments))
    except (MiniOrmError, TypeError, ValueError) as exc:
        return type(exc)


def magnitude(metric: str, left: Sequence[float], right: Sequence[float]) -> float:
    """Return how much is added up in a score, which its rounding is in parts of."""
    if metric == "cosine":
        return 1.0
    if metric == "l2":
        return math.dist(left, right)
    # An engine may compute the distance 1 - x·y in float32, and the score is read from that.
    return 1.0 + sum(abs(x * y) for x, y in zip(left, right, strict=True))


def may_refuse(backend: VectorBackend, one: Call) -> bool:
    """Whether a store may lack the ability that a call's filters ask for."""
    filters = one.arguments["filters"]
    if not backend.supports_filters:
        return True
    if isinstance(filters, Mapping):
        return not backend.supports_conditions and one.method in ("count", "delete_where")
    return not backend.supports_conditions or any(
        (not backend.supports_text_conditions and leaf.op in TEXT_CONDITIONS)
        or (not backend.supports_text_order and leaf.op in ORDERS and isinstance(leaf.value, str))
        or (not backend.supports_large_number_order and leaf.op in ORDERS and is_large(leaf.value))
        for leaf in leaves(filters)
    )


def is_large(value: Any) -> bool:
    """Whether a value is a number that has neighbours which are equal to it in double precision."""
    return isinstance(value, int | float) and abs(value) >= 2**53


def leaves(filters: Any) -> Iterator[Condition]:
    """Yield the conditions in groups and lists."""
    if isinstance(filters, Condition):
        yield filters
    elif isinstance(filters, NotCondition):
        yield from leaves(filters.item)
    elif isinstance(filters, ConditionGroup | list):
        for item in filters.items if isinstance(filters, ConditionGroup) else filters:
            yield from leaves(item)
