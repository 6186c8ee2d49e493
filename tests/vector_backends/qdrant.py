"""The store on Qdrant."""

from __future__ import annotations

from tests.vector_backends.base import VectorBackend

QDRANT_BACKENDS: tuple[type[VectorBackend], ...] = ()
