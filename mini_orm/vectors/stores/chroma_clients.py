"""Chroma's clients: opened, called and closed, blocking and awaited.

In memory, and for a server, a client is made from the parts that `chromadb` makes its own of: those share one memory in
a process, and (1.5) leave connections open when they are closed. At a path it is Chroma's own, since two that don't
know each other must not write the same files.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

from ...errors import CollectionNotFoundError, MissingDependencyError, VectorError

#: How errors speak of the store on both faces.
STORE = "ChromaVectorStore"


def require_chroma() -> None:
    """Import Chroma.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import chromadb  # noqa: F401  only whether it is there
    except ImportError as exc:
        raise MissingDependencyError(f'{STORE} needs chromadb: pip install "mini_orm[chroma]"') from exc


@contextlib.contextmanager
def translated(subject: str) -> Iterator[None]:
    """Make an error of Chroma, or of its connection, one of mini_orm's: it quotes nothing, its cause says it all."""
    import httpx
    from chromadb.errors import NotFoundError

    try:
        yield
    except VectorError:
        raise
    except NotFoundError as exc:
        raise CollectionNotFoundError(f"there is no {subject}") from exc
    except httpx.TransportError as exc:
        raise VectorError(f"{STORE}: no Chroma server answers ({type(exc).__name__})") from exc
    except Exception as exc:
        raise VectorError(f"{STORE}: Chroma refused what was asked of the {subject} ({type(exc).__name__})") from exc


class BlockingClient:
    """A client whose calls block: in memory, at a path, or of a server. Safe for threads."""

    def __init__(self, path: str, host: str | None, port: int) -> None:
        # It stays the same directory when the process changes its own.
        self._path = path if path == ":memory:" else os.path.abspath(path)
        self._host = host
        self._port = port
        self._lock = threading.Lock()
        self.client: Any = None
        #: What is known of collections, by name, as long as this client is open.
        self.known: dict[str, Any] = {}

    async def open(self) -> None:
        """Open the client, unless it is open."""
        if self.client is None:
            with self._lock, translated("database"):
                if self.client is None:
                    self.client = self._opened()

    async def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the client."""
        return getattr(self.client, method)(*arguments, **options)

    async def call_on(self, collection: Any, method: str, **options: Any) -> Any:
        """Call a method of a collection."""
        return getattr(collection, method)(**options)

    def close(self) -> None:
        """Close the client; the next call opens another."""
        with self._lock:
            client, self.client = self.client, None
            self.known.clear()
        if client is not None:
            client.close()

    def _opened(self) -> Any:
        import chromadb
        from chromadb.config import Settings

        if self._host is not None:
            return _BlockingParts(_server_settings("chromadb.api.fastapi.FastAPI", self._host, self._port))
        if self._path == ":memory:":
            return _BlockingParts(Settings(anonymized_telemetry=False, is_persistent=False))
        return chromadb.PersistentClient(path=self._path, settings=Settings(anonymized_telemetry=False))


class AwaitedClient:
    """A client of a server whose calls are awaited. Each event loop has its own, as connections belong to a loop."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._opened: dict[asyncio.AbstractEventLoop, _AwaitedParts] = {}

    @property
    def known(self) -> dict[str, Any]:
        """As in `BlockingClient`."""
        return self._parts().known

    @property
    def writing(self) -> asyncio.Lock:
        """What a task has to hold from reading which keys a payload has until it is replaced."""
        return self._parts().writing

    async def open(self) -> None:
        """As `BlockingClient.open`."""
        self._parts()

    async def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """As `BlockingClient.call`."""
        return await getattr(self._parts(), method)(*arguments, **options)

    async def call_on(self, collection: Any, method: str, **options: Any) -> Any:
        """As `BlockingClient.call_on`."""
        return await getattr(collection, method)(**options)

    async def aclose(self) -> None:
        """Close the client of the running loop; the next call opens another."""
        parts = self._opened.pop(asyncio.get_running_loop(), None)
        if parts is not None:
            await parts.aclose()

    def _parts(self) -> _AwaitedParts:
        loop = asyncio.get_running_loop()
        found = self._opened.get(loop)
        if found is None:
            for ended in [one for one in list(self._opened) if one.is_closed()]:
                self._opened.pop(ended, None)
            settings = _server_settings("chromadb.api.async_fastapi.AsyncFastAPI", self._host, self._port)
            found = self._opened[loop] = _AwaitedParts(settings)
        return found


class _BlockingParts:
    """As much of a client as the store needs."""

    def __init__(self, settings: Any) -> None:
        from chromadb.api import ServerAPI
        from chromadb.api.models.Collection import Collection
        from chromadb.config import System

        self._system = System(settings)
        self._server = self._system.instance(ServerAPI)
        self._collection = Collection
        self._system.start()

    def create_collection(self, name: str, **options: Any) -> Any:
        embedder = options.pop("embedding_function")
        model = self._server.create_collection(name, **options)
        return self._collection(client=self._server, model=model, embedding_function=embedder)

    def get_collection(self, name: str, embedding_function: Any) -> Any:
        model = self._server.get_collection(name)
        return self._collection(client=self._server, model=model, embedding_function=embedding_function)

    def delete_collection(self, name: str) -> None:
        self._server.delete_collection(name)

    def get_max_batch_size(self) -> int:
        size: int = self._server.get_max_batch_size()
        return size

    def close(self) -> None:
        session = getattr(self._server, "_session", None)
        self._system.stop()
        if session is not None:
            session.close()


class _AwaitedParts:
    """The same, awaited."""

    def __init__(self, settings: Any) -> None:
        from chromadb.api import AsyncServerAPI
        from chromadb.api.models.AsyncCollection import AsyncCollection
        from chromadb.config import System

        self._server: Any = System(settings).instance(AsyncServerAPI)
        # chromadb 1.5 has one dict for the connections of all clients, and closes all of them with one.
        self._server._clients = {}
        self._collection = AsyncCollection
        self.known: dict[str, Any] = {}
        self.writing = asyncio.Lock()

    async def create_collection(self, name: str, **options: Any) -> Any:
        embedder = options.pop("embedding_function")
        model = await self._server.create_collection(name, **options)
        return self._collection(client=self._server, model=model, embedding_function=embedder)

    async def get_collection(self, name: str, embedding_function: Any) -> Any:
        model = await self._server.get_collection(name)
        return self._collection(client=self._server, model=model, embedding_function=embedding_function)

    async def delete_collection(self, name: str) -> None:
        await self._server.delete_collection(name)

    async def get_max_batch_size(self) -> int:
        size: int = await self._server.get_max_batch_size()
        return size

    async def aclose(self) -> None:
        await self._server._cleanup()


def _server_settings(implementation: str, host: str, port: int) -> Any:
    from chromadb.config import Settings

    return Settings(
        anonymized_telemetry=False,
        chroma_api_impl=implementation,
        chroma_server_host=host,
        chroma_server_http_port=port,
        chroma_server_ssl_enabled=False,
        # The certificates of authorities take longer to load than the rest, and tell nothing about a plain connection.
        chroma_server_ssl_verify=None if host.startswith("https:") else False,
    )
