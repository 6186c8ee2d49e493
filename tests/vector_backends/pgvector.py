"""The store on pgvector."""

from __future__ import annotations

from tests.vector_backends.base import VectorBackend

PGVECTOR_BACKENDS: tuple[type[VectorBackend], ...] = ()
