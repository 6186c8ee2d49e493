"""`QdrantVectorStore`: vectors in a Qdrant server, or in Qdrant's local mode.

Rules of the files qdrant*.py:
- An operation is written once, in qdrant_ops.py; it awaits nothing but calls of the client. The store here drives it
  without an event loop, the one in qdrant_async.py awaits it.
- Local mode has one client, which both faces share: a folder can be opened by one client alone, and what is in memory
  is in that client. It is not made for threads, so that its calls are made one after the other.
- A server has a client for each face, opened with the first call.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

from ...core.database.executors import drive
from ...errors import ClosedError, ConfigurationError, MissingDependencyError
from ..filters import Filter, FilterInput
from ..records import VectorIdPolicy, VectorRecord, VectorSearchResult
from .base import CollectionInfo
from .qdrant_ops import QdrantOperations

if TYPE_CHECKING:
    from .qdrant_async import AsyncQdrantVectorStore

_MEMORY = ":memory:"
_OLDEST = (1, 19)


class QdrantVectorStore:
    """Keeps vectors in Qdrant: in memory, in a folder, or on a server.

    An `AsyncVectorRepository` awaits a client of its own where there is a server. In local mode it makes the calls of
    the one client in a worker thread, and so sees what a `VectorRepository` on the same store has written.

    Args:
        location: `":memory:"`, a folder, or a server's URL.
        url: a server's URL, instead of `location`.
        api_key: what the server asks for.
        prefer_grpc: speak gRPC with the server where that can be done.
        timeout: seconds that a request may take; the client's own default, unless given.
        grpc_port: the server's port for gRPC.

    Raises:
        MissingDependencyError: qdrant-client is not installed, or too old.
        ConfigurationError: both `location` and `url` are given; the folder is open in another client.
    """

    supports_filters = True
    supports_conditions = True
    checks_records = True
    id_policy = VectorIdPolicy.UUID

    def __init__(
        self,
        *,
        location: str | os.PathLike[str] = _MEMORY,
        url: str | None = None,
        api_key: str | None = None,
        prefer_grpc: bool = False,
        timeout: int | None = None,
        grpc_port: int = 6334,
    ) -> None:
        place = os.fspath(location)
        if url is not None and place != _MEMORY:
            raise ConfigurationError("QdrantVectorStore takes a location or a url, not both")
        if url is None and "://" in place:
            url = place
        self._is_local = url is None
        self._options: dict[str, Any]
        if url is None:
            self._options = {"location": place} if place == _MEMORY else {"path": place}
            self._options["force_disable_check_same_thread"] = True  # the lock is what threads need
        else:
            self._options = {
                "url": url,
                "api_key": api_key,
                "prefer_grpc": prefer_grpc,
                "timeout": timeout,
                "grpc_port": grpc_port,
                "check_compatibility": False,  # a thread of the client's that warns where nobody sees it
            }
        self._opening = threading.Lock()
        self._calling = threading.Lock() if self._is_local else contextlib.nullcontext()
        self._known: dict[str, CollectionInfo] = {}
        self._operations = QdrantOperations(self._call, self._known, is_exact=self._is_local)
        self._async: AsyncQdrantVectorStore | None = None
        self._client: Any = None
        self._is_closed = False
        self._package()
        if self._is_local:
            self._opened()

    @property
    def client(self) -> Any:
        """The `QdrantClient`, for what is Qdrant's own: payload indexes, snapshots, aliases.

        Raises:
            ClosedError: the store is closed.
        """
        return self._opened()

    def create_collection(self, name: str, dimension: int, metric: str = "cosine", *, overwrite: bool = False) -> None:
        """Create a collection; with `overwrite` in the place of one that is there.

        Raises:
            CollectionExistsError: it is there, and `overwrite` is not set.
            ValueError: `name`, `dimension` or `metric` can't be.
        """
        return drive(self._operations.create_collection(name, dimension, metric, overwrite=overwrite))

    def describe_collection(self, name: str) -> CollectionInfo | None:
        """Return a collection's dimension and metric, or `None` if it is not there.

        Raises:
            VectorError: it is not one that a repository can work with: vectors with names, another metric.
        """
        return drive(self._operations.describe_collection(name))

    def upsert(self, collection: str, records: Iterable[VectorRecord]) -> None:
        """Write records; all are checked before the first is sent, and of a repeated id the last one counts.

        They are sent in as many requests as the server's limit for one asks for.
        """
        return drive(self._operations.upsert(collection, records))

    def query(
        self, collection: str, vector: Sequence[float], *, top_k: int = 10, filters: FilterInput | Filter = None
    ) -> list[VectorSearchResult]:
        """Return the `top_k` nearest records, best first, equal ones by id."""
        [found] = drive(self._operations.query_many(collection, [vector], top_k=top_k, filters=filters))
        return found

    def query_many(
        self,
        collection: str,
        vectors: Iterable[Sequence[float]],
        *,
        top_k: int = 10,
        filters: FilterInput | Filter = None,
    ) -> list[list[VectorSearchResult]]:
        """Answer many queries in one request, or in as many as the server's limit for one asks for."""
        return drive(self._operations.query_many(collection, vectors, top_k=top_k, filters=filters))

    def fetch(self, collection: str, ids: Iterable[str] | None = None) -> list[VectorRecord]:
        """Return the records of `ids` that are there, in that order; all of them in the order of their ids."""
        return drive(self._operations.fetch(collection, ids))

    def delete(self, collection: str, ids: Iterable[str]) -> int:
        """Delete records; return how many were there, as a request just before the deletion has seen them."""
        return drive(self._operations.delete(collection, ids))

    def delete_where(self, collection: str, filters: FilterInput | Filter) -> int:
        """Delete the records that match; return how many, as a request just before the deletion has seen them."""
        return drive(self._operations.delete_where(collection, filters))

    def count(self, collection: str, filters: FilterInput | Filter = None) -> int:
        """Return how many records there are, or match."""
        return drive(self._operations.count(collection, filters))

    def for_async(self) -> QdrantVectorStore | AsyncQdrantVectorStore:
        """Return the store as an `AsyncVectorRepository` calls it; in local mode that is this one."""
        if self._is_local:
            return self
        if self._async is None:
            from .qdrant_async import AsyncQdrantVectorStore

            self._async = AsyncQdrantVectorStore(self._opened_async, self._known)
        return self._async

    def close(self) -> None:
        """Close the client. What the async face has opened needs `aclose`."""
        self._is_closed = True
        with self._calling, self._opening:
            client, self._client = self._client, None
            if client is not None:
                client.close()

    async def aclose(self) -> None:
        """Close the clients of both faces; of those of the async face the one of the running loop."""
        if self._async is not None:
            await self._async.aclose()
        self.close()

    def __enter__(self) -> QdrantVectorStore:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> QdrantVectorStore:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def _call(self, method: str, **arguments: Any) -> Any:
        with self._calling:
            return getattr(self._opened(), method)(**arguments)

    def _opened(self) -> Any:
        """Return the client, opened if need be."""
        self._check_open()
        if self._client is None:
            with self._opening:
                if self._client is None:
                    self._client = self._open()
        return self._client

    def _open(self) -> Any:
        try:
            return self._package().QdrantClient(**self._options)
        except RuntimeError as exc:
            raise ConfigurationError(
                "QdrantVectorStore can't open its folder: one client at a time may have it open, and a server as many "
                "as there are"
            ) from exc

    def _opened_async(self) -> Any:
        """Open a client for the running loop."""
        self._check_open()
        return self._package().AsyncQdrantClient(**self._options)

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError("this QdrantVectorStore is closed")

    @staticmethod
    def _package() -> Any:
        try:
            import qdrant_client
        except ImportError as exc:
            raise MissingDependencyError(
                'QdrantVectorStore needs qdrant-client; pip install "mini_orm[qdrant]" brings it'
            ) from exc
        major, minor = version("qdrant-client").split(".")[:2]
        if (int(major), int(minor)) < _OLDEST:
            needed = ".".join(map(str, _OLDEST))
            raise MissingDependencyError(
                f"QdrantVectorStore needs qdrant-client {needed} or newer: before that, True was 1 in local mode"
            )
        return cast(Any, qdrant_client)
