"""The environment of the peers: one of its own, so that nobody who develops mini_orm has them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Callable, Iterable
from pathlib import Path

PLACE = Path(__file__).resolve().parent.parent / ".venv"


class Environment:
    """A virtual environment, made where it is not there yet."""

    def __init__(self, place: Path = PLACE) -> None:
        self.place = place
        self.python = str(place / ("Scripts" if os.name == "nt" else "bin") / "python")
        if not Path(self.python).exists():
            venv.create(place, with_pip=True)

    def _pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [self.python, "-m", "pip", "--disable-pip-version-check", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def install(self, packages: Iterable[str], say: Callable[[str], None]) -> dict[str, str]:
        """Install the newest versions; return those that can't be had, with the reason."""
        wanted = list(dict.fromkeys(packages))
        if self._pip("install", "--quiet", "--upgrade", *wanted).returncode == 0:
            return {}
        reasons = {}
        for package in wanted:  # one can't be had: which?
            say(f"installing {package} …")
            run = self._pip("install", "--quiet", "--upgrade", package)
            if run.returncode != 0 and base_name(package) not in self.versions():
                reasons[package] = reason(run.stderr)
        return reasons

    def versions(self) -> dict[str, str]:
        """Return the version of every package, by its name in small letters."""
        found: list[dict[str, str]] = json.loads(self._pip("list", "--format=json").stdout)
        return {base_name(one["name"]): one["version"] for one in found}


def base_name(package: str) -> str:
    """Return a package's name as pip compares it, without extras."""
    return re.sub(r"[-_.]+", "-", package.partition("[")[0]).lower()


def reason(stderr: str) -> str:
    """Return in one line why pip could not install a package."""
    if other := re.findall(r"Requires-Python ([^;\s]+)", stderr):
        return f"can't be installed: needs Python {other[-1]}, this is {sys.version_info[0]}.{sys.version_info[1]}"
    lines = [line.strip() for line in stderr.splitlines() if line.lower().startswith("error")]
    return f"can't be installed: {lines[-1].partition(': ')[2] if lines else 'pip says no more'}"
