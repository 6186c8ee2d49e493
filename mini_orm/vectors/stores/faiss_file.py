"""Files of `FaissVectorStore`: an archive of JSON and columns of numbers, which is there as a whole or not at all.

store.json          what the file is, its version, the kind of index, and the collections
0/records.json      ids and payloads of the first collection
0/vectors           its vectors, one after the other, in float32 with the lowest byte first
0/index             its index as faiss writes it, where making it anew would take its time
0/numbers           the number in it of each record, in int64
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZipFile

from ...errors import MissingDependencyError, VectorError

_FORMAT = "FaissVectorStore of mini_orm"
_VERSION = 1


class Writer:
    """Writes the parts of a file."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive

    def json(self, name: str, value: Any) -> None:
        self.part(name, json.dumps(value, separators=(",", ":")).encode("ascii"))

    def part(self, name: str, content: Any) -> None:
        """Write what has a buffer."""
        with self._archive.open(name, "w", force_zip64=True) as part:
            part.write(content)

    def summary(self, options: dict[str, Any], collections: list[dict[str, Any]]) -> None:
        """Write what tells what the other parts are."""
        self.json("store.json", {"format": _FORMAT, "version": _VERSION, **options, "collections": collections})


class Reader:
    """Reads the parts of a file."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive

    def json(self, name: str) -> Any:
        return json.loads(self.part(name))

    def part(self, name: str) -> bytes:
        return self._archive.read(name)

    def summary(self) -> dict[str, Any]:
        """Return what tells what the other parts are.

        Raises:
            VectorError: it is a file of another version.
        """
        found: dict[str, Any] = self.json("store.json")
        if found["format"] != _FORMAT:
            raise ValueError("it is a file of something else")
        if found["version"] != _VERSION:
            raise VectorError(f"the file is of version {found['version']!r}; this mini_orm reads version {_VERSION}")
        return found


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Writer]:
    """Write a file; it gets its name, and takes the place of an older one, when all of it is written.

    Raises:
        VectorError: it can't be written.
    """
    try:
        target = Path(os.path.realpath(path))  # of a link it is the file behind it that is written
        unfinished = target.parent / f".{uuid4().hex}"
        try:
            with open(unfinished, "xb") as file:
                with suppress(FileNotFoundError):
                    shutil.copymode(target, unfinished)
                with ZipFile(file, "w") as archive:
                    yield Writer(archive)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, target)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(unfinished)
    except (OSError, ValueError) as exc:
        raise VectorError(f"the store can't be saved to {os.fspath(path)!r}: {type(exc).__name__}") from exc


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[Reader]:
    """Read a file.

    Raises:
        VectorError: it is not there, is damaged, or is something else.
    """
    try:
        with ZipFile(path) as archive:
            yield Reader(archive)
    except (VectorError, MissingDependencyError):
        raise
    except OSError as exc:
        raise VectorError(f"the file {os.fspath(path)!r} can't be read: {type(exc).__name__}") from exc
    except Exception as exc:  # whatever what is damaged, or was never a store, makes of zip, JSON and numbers
        raise VectorError(f"the file {os.fspath(path)!r} is damaged, or no file of FaissVectorStore") from exc
