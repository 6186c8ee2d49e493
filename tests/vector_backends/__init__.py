"""The vector stores that the vector contracts run on: a file a store, a class a face."""

from __future__ import annotations

from tests.vector_backends.base import VectorBackend, VectorCase, bind_vectors, score
from tests.vector_backends.chroma import CHROMA_BACKENDS
from tests.vector_backends.faiss import FAISS_BACKENDS
from tests.vector_backends.memory import MEMORY_BACKENDS, PythonMemoryStore
from tests.vector_backends.own import OWN_BACKENDS, OwnAsyncStore, OwnStore
from tests.vector_backends.pgvector import PGVECTOR_BACKENDS
from tests.vector_backends.qdrant import QDRANT_BACKENDS

VECTOR_BACKENDS: tuple[type[VectorBackend], ...] = (
    *MEMORY_BACKENDS,
    *OWN_BACKENDS,
    *FAISS_BACKENDS,
    *PGVECTOR_BACKENDS,
    *QDRANT_BACKENDS,
    *CHROMA_BACKENDS,
)

__all__ = [
    "CHROMA_BACKENDS",
    "FAISS_BACKENDS",
    "MEMORY_BACKENDS",
    "OWN_BACKENDS",
    "PGVECTOR_BACKENDS",
    "QDRANT_BACKENDS",
    "VECTOR_BACKENDS",
    "OwnAsyncStore",
    "OwnStore",
    "PythonMemoryStore",
    "VectorBackend",
    "VectorCase",
    "bind_vectors",
    "score",
]
