"""What a Qdrant server says over HTTP, said by Qdrant's local mode: routes, statuses and JSON as the client knows them.

It stands in for a server where there is none, so that the clients that speak with one are tested on both faces.
"""

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

_PATH = re.compile(r"/collections/([^/]+)(.*)")


class QdrantStandIn(ThreadingHTTPServer):
    """A server on a free port of this machine."""

    daemon_threads = True

    def __init__(self) -> None:
        from qdrant_client import QdrantClient

        super().__init__(("127.0.0.1", 0), _Handler)
        self.local: Any = QdrantClient(location=":memory:", force_disable_check_same_thread=True)
        self.lock = threading.Lock()
        #: The route and the JSON of each request, oldest first.
        self.requests: list[tuple[str, Any]] = []
        #: What changes the points that a search has found, or nothing.
        self.spoil: Callable[[Any, list[Any]], list[Any]] | None = None

    @classmethod
    def started(cls) -> QdrantStandIn:
        """Start one in a thread of its own."""
        server = cls()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return server

    def stop(self) -> None:
        """Take no more requests."""
        self.shutdown()
        self.server_close()
        self.local.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Return status and result of a request."""
        found = _PATH.fullmatch(path)
        if found is None:
            return 404, None
        name, route = unquote(found[1]), f"{method} {found[2]}"
        self.requests.append((route, body))
        exists = self.local.collection_exists(name)
        if route == "GET /exists":
            return 200, {"exists": exists}
        if route == "PUT ":
            return (409, None) if exists else (200, self._create(name, body))
        if route == "DELETE ":
            return 200, self.local.delete_collection(name)
        if not exists:
            return 404, None
        try:
            return 200, _ROUTES[route](self, name, body)
        except ValueError:
            return 400, None

    def _create(self, name: str, body: Any) -> bool:
        from qdrant_client import models

        return bool(self.local.create_collection(name, models.VectorParams(**body["vectors"])))

    def _described(self, name: str, body: Any) -> Any:
        return self.local.get_collection(name)

    def _upserted(self, name: str, body: Any) -> Any:
        from qdrant_client import models

        return self.local.upsert(name, models.PointsList.model_validate(body).points)

    def _retrieved(self, name: str, body: Any) -> Any:
        return self.local.retrieve(name, body["ids"], body["with_payload"], body["with_vector"])

    def _scrolled(self, name: str, body: Any) -> Any:
        points, following = self.local.scroll(
            name, limit=body["limit"], offset=body.get("offset"), with_payload=True, with_vectors=body["with_vector"]
        )
        return {"points": points, "next_page_offset": following}

    def _counted(self, name: str, body: Any) -> Any:
        return self.local.count(name, _filter(body), exact=True)

    def _deleted(self, name: str, body: Any) -> Any:
        return self.local.delete(name, body["points"] if "points" in body else _filter(body))

    def _queried(self, name: str, body: Any) -> Any:
        vector = body["query"]["nearest"]
        found = self.local.query_points(name, vector, query_filter=_filter(body), limit=body["limit"]).points
        return {"points": self.spoil(body, found) if self.spoil else found}

    def _queried_many(self, name: str, body: Any) -> Any:
        return [self._queried(name, one) for one in body["searches"]]


_ROUTES: dict[str, Callable[[QdrantStandIn, str, Any], Any]] = {
    "GET ": QdrantStandIn._described,
    "PUT /points": QdrantStandIn._upserted,
    "POST /points": QdrantStandIn._retrieved,
    "POST /points/scroll": QdrantStandIn._scrolled,
    "POST /points/count": QdrantStandIn._counted,
    "POST /points/delete": QdrantStandIn._deleted,
    "POST /points/query": QdrantStandIn._queried,
    "POST /points/query/batch": QdrantStandIn._queried_many,
}


class _Handler(BaseHTTPRequestHandler):
    server: QdrantStandIn
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            status, result = self.server.answer(
                self.command, self.path.partition("?")[0], json.loads(body) if body else None
            )
        shown = {"result": result, "status": "ok" if status == 200 else {"error": "refused"}, "time": 0.0}
        answer = json.dumps(shown, default=lambda one: one.model_dump(mode="json")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@functools.cache
def stand_in() -> QdrantStandIn:
    """Start a server, once; it ends with the process."""
    return QdrantStandIn.started()


def _filter(body: Any) -> Any:
    from qdrant_client import models

    wanted = body.get("filter")
    return None if wanted is None else models.Filter.model_validate(wanted)
