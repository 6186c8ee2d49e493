"""The store in memory, with numpy and without it."""

from __future__ import annotations

from typing import Any

from mini_orm import InMemoryVectorStore
from tests.vector_backends.base import VectorBackend


class PythonMemoryStore(InMemoryVectorStore):
    """The store in memory as it is where there is no numpy."""

    @staticmethod
    def _numpy() -> Any:
        return None


class NumpyMemory(VectorBackend):
    name, face = "memory with numpy", "sync"

    def store(self) -> Any:
        return InMemoryVectorStore()


class AsyncNumpyMemory(NumpyMemory):
    face = "async"


class PythonMemory(VectorBackend):
    name, face = "memory", "sync"

    def store(self) -> Any:
        return PythonMemoryStore()


class AsyncPythonMemory(PythonMemory):
    face = "async"


MEMORY_BACKENDS: tuple[type[VectorBackend], ...] = (NumpyMemory, AsyncNumpyMemory, PythonMemory, AsyncPythonMemory)
