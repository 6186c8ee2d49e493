"""The server of a run: the one that variables name, else one of the benchmark's own."""

from __future__ import annotations

import os
from contextlib import ExitStack

from tests.servers import Server, Unavailable
from tests.servers.provide import private

from .databases import NotAvailable


def have(kind: type[Server], stack: ExitStack) -> None:
    """See that variables name a server, for the contestants' processes too, until the stack is closed.

    Raises:
        NotAvailable: none does, and none can be started.
    """
    if kind.from_environment() is not None:
        return
    try:
        started = stack.enter_context(private(kind))
    except Unavailable as exc:
        variable, _ = kind.variables["host"]
        raise NotAvailable(f"no {kind.title}: {exc}; {variable} can name one") from exc
    variables = kind.as_variables(started.params)
    os.environ.update(variables)
    stack.callback(lambda: [os.environ.pop(name) for name in variables])
