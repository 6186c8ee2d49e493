"""The store on Qdrant: in memory, in a folder, and on a server, where the face that awaits has a client of its own.

`MINI_ORM_VECTOR_HOST_TESTS=1` with `MINI_ORM_QDRANT_URL` and `MINI_ORM_QDRANT_GRPC_PORT` names a real server; else
tests/vector_backends/qdrant_server.py stands in for one.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import inspect
import itertools
import os
import tempfile
from typing import Any
from uuid import UUID

import mini_orm
from tests.vector_backends.base import VectorBackend
from tests.vector_backends.qdrant_server import stand_in

IS_REAL = os.environ.get("MINI_ORM_VECTOR_HOST_TESTS") == "1"
_numbers = itertools.count(1)
#: Clients that block, by their options: to open one takes longer than most tests.
_clients: dict[Any, Any] = {}


class QdrantMemory(VectorBackend):
    name, face, package = "Qdrant in memory", "sync", "qdrant_client"
    supports_any_id = False
    keeps_vectors_exactly = False  # but unit vectors, and their lengths beside
    supports_text_conditions = False
    supports_text_order = False
    supports_large_number_order = False
    is_in_memory = False
    congruence_examples = 12

    def options(self) -> dict[str, Any]:
        """Return the arguments of the store."""
        return {}

    def store(self) -> Any:
        self._store = QdrantVectorStore(**self.options())
        return self._store

    def id(self, number: int) -> str:
        return str(UUID(int=number))

    async def close(self) -> None:
        self._store.drop()
        await self._store.aclose()


class WorkerQdrantMemory(QdrantMemory):
    """Local mode has one client for both faces, here in a worker thread."""

    name, face = "Qdrant in memory, in a thread", "async"


class QdrantFolder(QdrantMemory):
    name = "Qdrant in a folder"

    def options(self) -> dict[str, Any]:
        return {"location": folder()}


class QdrantServer(QdrantMemory):
    name = "Qdrant's server over HTTP"

    def options(self) -> dict[str, Any]:
        return {"url": os.environ.get("MINI_ORM_QDRANT_URL", "http://localhost:6333") if IS_REAL else stand_in().url}


class AsyncQdrantServer(QdrantServer):
    face = "async"


class QdrantGrpc(QdrantServer):
    name = "Qdrant's server over gRPC"

    def options(self) -> dict[str, Any]:
        port = int(os.environ.get("MINI_ORM_QDRANT_GRPC_PORT", "6334"))
        return {**super().options(), "prefer_grpc": True, "grpc_port": port}


class AsyncQdrantGrpc(QdrantGrpc):
    face = "async"


class QdrantVectorStore(mini_orm.QdrantVectorStore):
    """The store, whose collections have names that no other test, and nobody on a server, has given to any."""

    def __init__(self, **options: Any) -> None:
        self._prefix = f"mini_orm_test_{os.getpid()}_{next(_numbers)}_"
        self._names: set[str] = set()
        super().__init__(**options)
        if not (self._is_local or IS_REAL):
            self._options["verify"] = False  # nothing is encrypted, and reading certificates takes long

    def drop(self) -> None:
        """Delete the collections that were made."""
        for name in self._names:
            self.client.delete_collection(collection_name=name)

    def _open(self) -> Any:
        options = tuple(self._options.items())
        if options not in _clients:
            _clients[options] = super()._open()
            atexit.register(_clients[options].close)
        return _Prefixed(_clients[options], self._prefix, self._names)

    def _opened_async(self) -> Any:
        return _Prefixed(super()._opened_async(), self._prefix, self._names)


class _Prefixed:
    """A client that puts something before the names of collections."""

    def __init__(self, client: Any, prefix: str, names: set[str]) -> None:
        self._client = client
        self._prefix = prefix
        self._names = names

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._client, method)

        def prefixed(**arguments: Any) -> Any:
            name = arguments.pop("collection_name")
            if method == "create_collection":
                self._names.add(name)
            return call(collection_name=self._prefix + name, **arguments)

        return prefixed

    def close(self) -> Any:
        """Close a client that is awaited; one that blocks is left to the tests that follow."""
        return self._client.close() if inspect.iscoroutinefunction(self._client.close) else None


@functools.cache
def folder() -> str:
    """Make the folder that all tests share."""
    # Local mode makes each record safe on the disk by itself; what is in memory is safe at once.
    place = "/dev/shm" if os.path.isdir("/dev/shm") else None
    made = tempfile.TemporaryDirectory(prefix="mini_orm_qdrant_", dir=place)
    atexit.register(made.cleanup)
    return made.name


QDRANT_BACKENDS: tuple[type[VectorBackend], ...] = ()
#: With what stands in for a server, which need not show again what filters mean.
QDRANT_STAND_INS: tuple[type[VectorBackend], ...] = ()
if importlib.util.find_spec("qdrant_client"):
    QDRANT_BACKENDS = (QdrantMemory, WorkerQdrantMemory, QdrantFolder)
    if IS_REAL:
        QDRANT_BACKENDS += (QdrantServer, AsyncQdrantServer, QdrantGrpc, AsyncQdrantGrpc)
    else:
        QDRANT_STAND_INS = (QdrantServer, AsyncQdrantServer)
