"""Packages of Debian and Ubuntu that the tests need and PyPI does not have: python tests/servers/debian.py PACKAGE…

They are installed only by root, as in a container for continuous integration. No service of theirs is started.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

#: Decides whether a package that is installed may start its service: https://manpages.debian.org/invoke-rc.d(8).
POLICY = Path("/usr/sbin/policy-rc.d")


def install(*packages: str) -> bool:
    """Install these packages, without what they only recommend; tell whether that was done.

    It is not where this is another system, or another user. Of several processes one installs and the others wait.
    """
    apt = shutil.which("apt-get")
    if apt is None or os.getuid() != 0:
        return False
    command = [apt, "install", "--yes", "--no-install-recommends", *packages]
    with _alone(), _without_services():
        return _run(command) or (_run([apt, "update"]) and _run(command))


def _run(command: list[str]) -> bool:
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True)
    return run.returncode == 0


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep other processes of the tests out; this file is what they lock."""
    with open(__file__, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _without_services() -> Iterator[None]:
    """Forbid the start of services, where nobody has said anything about them."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


if __name__ == "__main__":
    sys.exit(not install(*sys.argv[1:]))
