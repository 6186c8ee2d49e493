"""Run a command with the servers of the tests: python -m tests.servers -- COMMAND…

The variables that name the servers are set for it. Its exit code is the command's; 1 if a server is missing that has to
be there; 128 and the signal's number if either was ended by one. Ctrl-C and SIGTERM reach the command, and the servers
are stopped when it has ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from tests.servers.provide import chosen, provide
from tests.servers.server import Unavailable

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str]) -> int:
    """Run the script; return its exit code."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        print("usage: python -m tests.servers -- COMMAND…", file=sys.stderr)
        return 2
    _on_signals(_leave)
    try:
        with provide(chosen()) as variables:
            return run(command, os.environ | variables)
    except Unavailable as exc:
        print(f"tests.servers: error: {exc}", file=sys.stderr)
        return 1


def run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a command to its end, passing on the signals that come; return its exit code as a shell does."""
    child = subprocess.Popen(command, env=environ)

    def pass_on(number: int, frame: FrameType | None) -> None:
        if number != signal.SIGINT or not _has_terminal():
            child.send_signal(number)

    _on_signals(pass_on)
    try:
        code = child.wait()
    finally:
        _on_signals(signal.SIG_IGN)  # what is left to do is to stop the servers
    return code if code >= 0 else 128 - code


def _leave(number: int, frame: FrameType | None) -> None:
    """End before the command runs: what was started is stopped on the way out."""
    _on_signals(signal.SIG_IGN)
    sys.exit(128 + number)


def _on_signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for number in SIGNALS:
        # Who ignores the hang-up wants that (nohup).
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _has_terminal() -> bool:
    """Whether Ctrl-C in the terminal reaches the command without help."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
