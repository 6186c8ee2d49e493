"""Servers by `docker compose`, from docker-compose.yml: a project of its own, on free ports, gone at the end."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.servers.server import Server, Unavailable

FILE = Path(__file__).resolve().parent.parent.parent / "docker-compose.yml"


def engine_answers() -> bool:
    """Whether there is an engine that runs containers, and `docker compose`."""
    try:
        for question in (["docker", "compose", "version"], ["docker", "info"]):
            subprocess.run(question, check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


@contextlib.contextmanager
def up(servers: Sequence[type[Server]]) -> Iterator[dict[str, str]]:
    """Run these servers, all healthy, and yield the variables that name them.

    Raises:
        Unavailable: an image can't be had, or a server does not become healthy.
    """
    project = f"mini_orm_test_{os.getpid()}_{secrets.token_hex(4)}"
    variables: dict[str, str] = {}
    for server in servers:
        variables |= server.as_variables(server.local())

    def compose(*arguments: str) -> int:
        command = ["docker", "compose", "--project-name", project, "--file", str(FILE), *arguments]
        return subprocess.run(command, env=os.environ | variables).returncode

    try:
        if compose("up", "--detach", "--wait", "--wait-timeout", "180", *(server.name for server in servers)) != 0:
            raise Unavailable("docker compose could not bring it up")
        yield variables
    finally:
        compose("down", "--volumes", "--timeout", "0")
