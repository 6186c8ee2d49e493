"""What `import mini_orm` costs above the bare interpreter, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from statistics import median

from .rounds import ROOT

NAME = "import"
TARGET_MS = 40.0
TARGET_MIB = 15.0
_BARE = "pass"
_IMPORT = "import mini_orm"
#: Modules that should not come along; those that do are shown.
UNWANTED = (
    "asyncio",
    "sqlite3",
    "aiosqlite",
    "psycopg",
    "psycopg2",
    "asyncpg",
    "MySQLdb",
    "pymysql",
    "asyncmy",
    "aiomysql",
    "numpy",
)
# The peak that the process itself reached. `ru_maxrss` may be that of the process that it was forked from.
_PEAK = """
import sys
try:
    with open("/proc/self/status") as status:
        print([line.split()[1] for line in status if line.startswith("VmHWM:")][0])
except OSError:
    print("")
print(*(name for name in {unwanted!r} if name in sys.modules))
"""


@dataclass
class ImportCost:
    """Milliseconds and MiB above the bare interpreter, one for each round, and the unwanted modules that came along."""

    milliseconds: list[float] = field(default_factory=list)
    mebibytes: list[float] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """The median of the milliseconds."""
        return median(self.milliseconds)

    @property
    def median_mib(self) -> float | None:
        """The median of the MiB; `None` where the system does not tell."""
        return median(self.mebibytes) if self.mebibytes else None


def _environment(cache: str) -> dict[str, str]:
    """Return an environment that keeps compiled modules in `cache`, as an installed package has them."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": cache}


class _Interpreter:
    """Runs code in new processes."""

    def __init__(self, cache: str) -> None:
        self._environment = _environment(cache)

    def run(self, code: str) -> str:
        """Return what the code prints."""
        command = [sys.executable, "-c", code]
        run = subprocess.run(command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, text=True, check=True)
        return run.stdout

    def milliseconds(self, code: str) -> float:
        """Return how long the process takes."""
        started = time.perf_counter()
        self.run(code)
        return (time.perf_counter() - started) * 1000

    def peak(self, code: str) -> tuple[float | None, list[str]]:
        """Return the MiB that the process reaches, and the unwanted modules in it."""
        kibibytes, modules = self.run(code + _PEAK.format(unwanted=UNWANTED)).splitlines()
        return int(kibibytes) / 1024 if kibibytes else None, modules.split()


def measure_import(repeats: int) -> ImportCost:
    """Start the interpreter with and without the import, in turns."""
    cost = ImportCost()
    with tempfile.TemporaryDirectory(prefix="mini_orm_benchmark_") as cache:
        interpreter = _Interpreter(cache)
        interpreter.peak(_BARE)  # leave compiled modules behind
        interpreter.peak(_IMPORT)
        for _ in range(repeats):
            bare = interpreter.milliseconds(_BARE)
            cost.milliseconds.append(interpreter.milliseconds(_IMPORT) - bare)
            without, _ = interpreter.peak(_BARE)
            peak, cost.modules = interpreter.peak(_IMPORT)
            if peak is not None and without is not None:
                cost.mebibytes.append(peak - without)
    return cost
