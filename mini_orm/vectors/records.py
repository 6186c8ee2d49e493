"""What goes into a vector store, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class VectorRecord:
    """A vector under its id, with a payload to filter by.

    `vector` is any sequence of numbers, a numpy row too; read back it is a list of floats, rounded to float32.
    """

    id: str
    vector: Sequence[float]
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class VectorSearchResult:
    """A record that a query found. A higher `score` is a nearer vector, in every store and metric."""

    id: str
    score: float
    payload: Mapping[str, Any] | None = None


class VectorIdPolicy(StrEnum):
    """Which ids a store takes: any text, or UUIDs as text only."""

    ANY = "any"
    UUID = "uuid"
