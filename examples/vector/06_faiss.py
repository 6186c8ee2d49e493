"""Faiss: an exact search and a graph, what was saved to a file, and filters, which it has not.

Needs `pip install "mini_orm[faiss]"`.

It prints:

    exact: ['10', '9', '11']
    by a graph, the same: True
    without 10: ['11', '9', '12']
    from the file: ['11', '9', '12'] {'degrees': 9}
    refused: FaissVectorStore does not support payload filters
"""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path

from mini_orm import FaissVectorStore, MissingDependencyError, UnsupportedFilterError, VectorRecord, VectorRepository


def direction(degrees: float) -> list[float]:
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


def nearest(repo: VectorRepository, degrees: float) -> list[str]:
    return [result.id for result in repo.query(direction(degrees), top_k=3)]


def main() -> None:
    records = [VectorRecord(str(degrees), direction(degrees), {"degrees": degrees}) for degrees in range(360)]
    exact = VectorRepository(FaissVectorStore(), "directions", dimension=2)
    exact.upsert(records)
    print("exact:", nearest(exact, 9.9))

    # A graph finds what is near without looking at all; the scores are the same, and so is everything else.
    store = FaissVectorStore(index="HNSW16", search_parameters={"efSearch": 64})
    repo = VectorRepository(store, "directions", dimension=2)
    repo.upsert(records)
    print("by a graph, the same:", repo.query(direction(9.9)) == exact.query(direction(9.9)))
    repo.delete(["10"])
    print("without 10:", nearest(repo, 10.1))

    # All is in memory until it is saved: all collections, with their payloads, in one file.
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "directions.faiss"
        store.save(path)
        again = VectorRepository(FaissVectorStore.load(path), "directions", dimension=2)
    [record] = again.fetch(["9"])
    print("from the file:", nearest(again, 10.1), record.payload)

    try:
        again.query(direction(9), filters={"degrees": 9})
    except UnsupportedFilterError as error:
        print("refused:", error)


if __name__ == "__main__":
    try:
        main()
    except MissingDependencyError as error:
        sys.exit(str(error))
