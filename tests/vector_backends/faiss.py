"""The store on Faiss: exact, and with an index that finds the most."""

from __future__ import annotations

from typing import Any

import mini_orm
from tests.vector_backends.base import VectorBackend


class Faiss(VectorBackend):
    name, face = "faiss", "sync"
    package = "faiss"
    supports_filters = False
    supports_conditions = False
    supports_text_conditions = False
    index: str | None = None

    def store(self) -> Any:
        return mini_orm.FaissVectorStore(index=self.index)


class AsyncFaiss(Faiss):
    face = "async"


class FaissGraph(Faiss):
    """A graph: nothing can be removed from it."""

    name = "faiss with HNSW"
    index = "HNSW8"


class AsyncFaissGraph(FaissGraph):
    face = "async"


FAISS_BACKENDS: tuple[type[VectorBackend], ...] = (Faiss, AsyncFaiss, FaissGraph, AsyncFaissGraph)
