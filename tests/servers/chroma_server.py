"""Chroma's server. A private one comes from the wheel `chromadb`, which has the whole of it."""

from __future__ import annotations

import http.client
import importlib.util
import sys

from tests.servers.server import Server, Unavailable, environ_without

#: What the wheel's own program `chroma` does, without the import of its client, which takes more than a second.
PROGRAM = "import sys, chromadb_rust_bindings; chromadb_rust_bindings.cli(['chroma', *sys.argv[1:]])"


class Chroma(Server):
    """A Chroma server."""

    name = "chroma"
    title = "Chroma"
    variables = {
        "host": ("MINI_ORM_CHROMA_HOST", "localhost"),
        "port": ("MINI_ORM_CHROMA_PORT", "8000"),
    }

    def prepare(self) -> None:
        if importlib.util.find_spec("chromadb_rust_bindings") is None:
            raise Unavailable("the package chromadb is not installed")

    def command(self) -> list[str]:
        return [
            sys.executable,
            "-c",
            PROGRAM,
            "run",
            f"--path={self.directory / 'data'}",
            f"--host={self.params['host']}",
            f"--port={self.params['port']}",
        ]

    def ready(self) -> bool:
        client = http.client.HTTPConnection(self.params["host"], self.params["port"], timeout=1)
        try:
            client.request("GET", "/api/v2/heartbeat")
            return b"heartbeat" in client.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            client.close()

    def environ(self) -> dict[str, str]:
        return environ_without("CHROMA_") | {"ANONYMIZED_TELEMETRY": "False", "RUST_LOG": "error"}
