"""How near two vectors are: one formula a metric, the same in every store.

cosine   x·y / (|x| |y|)
dot      x·y
l2       -|x - y|
"""

from __future__ import annotations

from enum import StrEnum


class VectorMetric(StrEnum):
    """What a score is: cosine similarity, inner product, or minus the Euclidean distance. `"euclid"` is `L2`, too."""

    COSINE = "cosine"
    DOT = "dot"
    L2 = "l2"

    @classmethod
    def _missing_(cls, value: object) -> VectorMetric | None:
        return cls.L2 if value == "euclid" else None


def metric_of(value: str) -> VectorMetric:
    """Read a metric's name.

    Raises:
        ValueError: there is no such metric.
    """
    try:
        return VectorMetric(value)
    except ValueError:
        known = ", ".join(repr(one.value) for one in VectorMetric)
        raise ValueError(f"unknown metric; known are {known}") from None
