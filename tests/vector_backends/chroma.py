"""The store on Chroma."""

from __future__ import annotations

from tests.vector_backends.base import VectorBackend

CHROMA_BACKENDS: tuple[type[VectorBackend], ...] = ()
