"""The process of a private server: it runs as a user of its own and does not outlive who started it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")


class Process:
    """A running command and whatever it starts. Its output goes to `log`."""

    def __init__(self, command: Sequence[str], *, log: Path, user: tuple[int, int], environ: Mapping[str, str]) -> None:
        # A pipe that is open as long as one of the server's processes lives: the pid alone tells of the first only.
        self._alive, theirs = os.pipe()
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(LAUNCH), *map(str, (os.getpid(), *user)), *command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=[theirs],
                    cwd=log.parent,
                    env=environ,
                    start_new_session=True,  # Ctrl-C in a terminal is for the tests; the server is stopped after them
                )
        except BaseException:
            os.close(self._alive)
            raise
        finally:
            os.close(theirs)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self, *signals: int, patience: float = 20.0) -> None:
        """Send the first signal, each next one if it is not gone after `patience` seconds, and wait for all of it.

        Raises:
            TimeoutError: it is still there after the last signal.
        """
        gone = select.poll()
        gone.register(self._alive)
        for number in signals:
            self._process.send_signal(number)
            if gone.poll(patience * 1000):
                self._process.wait()
                os.close(self._alive)
                return
        raise TimeoutError(f"the processes of {self.pid} don't end, not even after {signal.Signals(signals[-1]).name}")
