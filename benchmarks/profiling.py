"""Where the time of one operation goes: samples of the stack, as a profiler of calls would slow small calls most.

A timer interrupts the process, and the interpreter notices at its next call or jump. So the time of C code, such as
sqlite3's or json's, stands at the line of Python that called it; that of freeing a list, at the line that comes after.
"""

from __future__ import annotations

import gc
import linecache
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

from .contestants.base import Contestant
from .operations import Operation
from .rounds import ROOT

_INTERVAL = 0.0005


@dataclass
class Samples:
    """How often code was seen at the top of the stack (`lines`, `own`), and anywhere in it (`total`)."""

    count: int = 0
    lines: Counter[tuple[CodeType, int]] = field(default_factory=Counter)
    own: Counter[CodeType] = field(default_factory=Counter)
    total: Counter[CodeType] = field(default_factory=Counter)
    is_busy: bool = False

    def take(self, number: int, frame: FrameType | None) -> None:
        """Look at the stack; a handler of signals."""
        if self.is_busy or frame is None:  # the next signal came while this one was handled
            return
        self.is_busy = True
        self.count += 1
        self.lines[frame.f_code, frame.f_lineno or frame.f_code.co_firstlineno] += 1
        self.own[frame.f_code] += 1
        codes = set()
        while frame is not None:
            codes.add(frame.f_code)
            frame = frame.f_back
        self.total.update(codes)
        self.is_busy = False

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Take samples in the block."""
        before = signal.signal(signal.SIGALRM, self.take)
        signal.setitimer(signal.ITIMER_REAL, _INTERVAL, _INTERVAL)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def profile(contestant: Contestant, operation: Operation, *, rows: int, calls: int, seconds: float) -> Samples:
    """Take samples of an operation until it ran for so many seconds."""
    call = getattr(contestant, operation.name)
    samples, warming_up = Samples(), Samples()
    spent, number = 0.0, 0
    while spent < seconds:
        batch = operation.prepare(operation.round(number, rows, calls))
        arguments = contestant.given(operation.name, batch.arguments)
        gc.collect()
        with (samples if number else warming_up).sampling():
            took, results = contestant.timed(call, arguments)
        del results  # or the next round's samples show how it is freed
        if operation.writes is not None:
            contestant.restore(operation.writes)
        spent += took if number else 0
        number += 1
    return samples


def shown_place(code: CodeType, line: int) -> str:
    """Return file and line, without what is this machine's; generated code is told apart by its arguments."""
    if code.co_filename.startswith("<"):
        return f"{code.co_name}({', '.join(code.co_varnames[: code.co_argcount])}):{line}"
    path = Path(code.co_filename)
    shown = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else "/".join(path.parts[-2:])
    return f"{shown}:{line}"


def listing(samples: Samples, length: int = 25) -> str:
    """Write the lines and the functions with the most time of their own."""
    whole = max(samples.count, 1)
    text = [f"{samples.count} samples", "", "   own  line"]
    for (code, line), count in samples.lines.most_common(length):
        source = linecache.getline(code.co_filename, line).strip()
        text.append(f"{count / whole:6.1%}  {shown_place(code, line)}  {source}")
    text += ["", "   own   total  function"]
    for code, count in samples.own.most_common(length):
        where = shown_place(code, code.co_firstlineno)
        text.append(f"{count / whole:6.1%}  {samples.total[code] / whole:6.1%}  {code.co_qualname}  {where}")
    return "\n".join(text)
