"""Approximate indexes of pgvector: HNSW and IVFFlat, and what they may be told.

Rules of this file:
- An index answers with what it finds, which may be fewer than were asked for. Iterative scans (pgvector 0.8) go on for
  long where a filter leaves much out, but not for ever: who asks has to look at how many came.
- Settings hold for one statement: `set_config` with `is_local` stands in the statement itself.
  Source: https://github.com/pgvector/pgvector, README, Iterative Index Scans
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

IndexKind = Literal["hnsw", "ivfflat"]
#: The most numbers of a vector that an index takes as they are, and rounded to half precision.
MAX_INDEXED, MAX_HALF = 2000, 4000
_MAX_EF = 1000
_ITERATIVE = (0, 8)
#: Kind -> what its building takes, and its search, with the least and the most.
_BUILD: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "hnsw": {"m": (2, 100), "ef_construction": (4, 1000)},
    "ivfflat": {"lists": (1, 32768)},
}
_SEARCH: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "hnsw": {"ef_search": (1, _MAX_EF)},
    "ivfflat": {"probes": (1, 32768)},
}
#: IVFFlat knows the relaxed order only; the answer is sorted anyway.
_ORDERS = {"hnsw": "strict_order", "ivfflat": "relaxed_order"}


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """An index that new collections get, and that queries use."""

    kind: IndexKind
    options: Mapping[str, int]

    @classmethod
    def of(cls, kind: str | None, options: Mapping[str, int] | None) -> VectorIndex | None:
        """Read what a user says of an index.

        Raises:
            ValueError: there is no such index, or it has no such option.
        """
        if kind is None:
            if options:
                raise ValueError("index_options are for an index; say index='hnsw' or 'ivfflat'")
            return None
        if kind not in _BUILD:
            raise ValueError(f"unknown index; known are {', '.join(map(repr, _BUILD))}, and None for an exact search")
        known = {**_BUILD[kind], **_SEARCH[kind]}
        given = dict(options or {})
        for name, value in given.items():
            if name not in known:
                raise ValueError(f"{kind} has no option {name!r}; known are {', '.join(map(repr, known))}")
            least, most = known[name]
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise ValueError(f"the option {name!r} of {kind} is an int from {least} to {most}")
        if given.get("ef_construction", _MAX_EF) < 2 * given.get("m", 16):
            raise ValueError("the option 'ef_construction' of hnsw is at least twice its 'm', which is 16 if not given")
        return cls(kind, given)  # type: ignore[arg-type]  # it is one of them

    @property
    def storage(self) -> str:
        """What CREATE INDEX says behind WITH."""
        built = [f"{name} = {value}" for name, value in self.options.items() if name in _BUILD[self.kind]]
        return f" WITH ({', '.join(built)})" if built else ""

    def is_iterative(self, version: tuple[int, ...]) -> bool:
        """Whether a search goes on until it has enough."""
        return version >= _ITERATIVE

    def settings(self, top_k: int, version: tuple[int, ...]) -> dict[str, str]:
        """Return the settings of a search for so many."""
        found: dict[str, Any] = {
            f"{self.kind}.{name}": value for name, value in self.options.items() if name in _SEARCH[self.kind]
        }
        if self.kind == "hnsw" and top_k > found.get("hnsw.ef_search", 40):
            found["hnsw.ef_search"] = min(top_k, _MAX_EF)
        if self.is_iterative(version):
            found[f"{self.kind}.iterative_scan"] = _ORDERS[self.kind]
        return {name: str(value) for name, value in found.items()}
