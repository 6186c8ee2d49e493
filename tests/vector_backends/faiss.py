"""The store on Faiss."""

from __future__ import annotations

from tests.vector_backends.base import VectorBackend

FAISS_BACKENDS: tuple[type[VectorBackend], ...] = ()
