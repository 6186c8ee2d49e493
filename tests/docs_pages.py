"""Runs the Python blocks of a page of docs/, in order and in one namespace, and finds what it links to."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
import types
from pathlib import Path

from tests.test_readme import python_blocks

DOCS = Path(__file__).resolve().parent.parent / "docs"
#: What `print` says it prints; at least one has to stand on each page.
PROMISE = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)


def run_page(path: Path) -> tuple[list[str], list[str]]:
    """Run a page in a directory of its own; return what it printed, and what it says that it prints."""
    blocks = python_blocks(path.read_text(encoding="utf-8"))
    module = types.ModuleType(f"mini_orm_page_{path.stem}")
    printed = io.StringIO()
    with contextlib.ExitStack() as stack:
        # Where annotations of its models are looked up.
        sys.modules[module.__name__] = module
        stack.callback(sys.modules.pop, module.__name__)
        directory = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        stack.callback(os.chdir, os.getcwd())
        os.chdir(directory)
        stack.enter_context(contextlib.redirect_stdout(printed))
        stack.callback(lambda: module.db.close() if hasattr(module, "db") else None)
        for line, source in blocks:
            exec(compile("\n" * line + source, str(path), "exec"), vars(module))
    promised = [one for _, source in blocks for one in PROMISE.findall(source)]
    return printed.getvalue().splitlines(), promised


def links(path: Path) -> list[tuple[Path, str]]:
    """Return the files of the repository that a page links to, each with the part behind its `#`."""
    found = re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8"))
    parts = [link.partition("#") for link in found if "://" not in link]
    return [((path.parent / name).resolve() if name else path, anchor) for name, _, anchor in parts]


def anchors(path: Path) -> set[str]:
    """Return what a link to a page may have behind its `#`."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
