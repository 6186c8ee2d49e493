"""The store on Chroma: in memory, and on a server, where the face that awaits has a client of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
from typing import Any

from mini_orm import ChromaVectorStore
from tests import servers
from tests.vector_backends.base import VectorBackend

_numbers = itertools.count(1)


class ChromaMemory(VectorBackend):
    name, face, package = "Chroma in memory", "sync", "chromadb"
    keeps_vectors_exactly = False
    supports_text_conditions = False
    supports_text_order = False
    is_in_memory = False
    congruence_examples = 6

    def store(self) -> Any:
        self._store = ChromaVectorStore(path=":memory:")
        return self._store

    def close(self) -> Any:
        self._store.close()


class WorkerChromaMemory(ChromaMemory):
    name, face = "Chroma in memory, in a thread", "async"


class AsyncChromaServer(ChromaMemory):
    """Each test has names of its own there, and deletes them."""

    name, face, server = "Chroma's server", "async", "chroma"
    congruence_examples = 3

    def store(self) -> Any:
        self._store = ChromaVectorStore(**(servers.chroma() or {}))
        self._client = self.client(self._store)
        self._call = self._client.call
        self._client.call = self._prefixed
        self._prefix = f"mini_orm_test_{os.getpid()}_{next(_numbers)}_"
        self._made: set[str] = set()
        return self._store

    def client(self, store: Any) -> Any:
        """Return the client that this face calls."""
        return store.for_async()._client

    async def close(self) -> None:
        from chromadb.errors import NotFoundError

        await self._client.open()
        for name in self._made:
            with contextlib.suppress(NotFoundError):  # the name was refused
                await self._call("delete_collection", name)
        await self._store.aclose()

    async def _prefixed(self, method: str, *names: str, **options: Any) -> Any:
        own = [self._prefix + name for name in names]
        if method == "create_collection":
            self._made.update(own)
        return await self._call(method, *own, **options)


class ChromaServer(AsyncChromaServer):
    """The client that blocks; what stands on it is that of the store in memory."""

    face = "sync"

    def client(self, store: Any) -> Any:
        return store._client


CHROMA_BACKENDS: tuple[type[VectorBackend], ...] = ()
if importlib.util.find_spec("chromadb"):
    CHROMA_BACKENDS = (ChromaMemory, WorkerChromaMemory, AsyncChromaServer)
