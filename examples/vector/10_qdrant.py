"""Qdrant: in a folder here, on a server by its URL; ids, conditions, what Qdrant itself sees, and what it can't answer.

Needs `pip install "mini_orm[qdrant]"`, and no server.

It prints:

    like a cat: ['cat', 'dog']
    tame since 2020: ['dog']
    opened again: 3 records, the oak is [0.0, 3.0, 4.0]
    as Qdrant has it: {'name': 'oak', 'tags': ['tree', 'old']}
    refused: this store requires UUID strings as ids
    refused: QdrantVectorStore does not support an order of texts, as that of 'name'
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from mini_orm import (
    C,
    MissingDependencyError,
    QdrantVectorStore,
    UnsupportedFilterError,
    VectorIdError,
    VectorRecord,
    VectorRepository,
)


def id_of(name: str) -> str:
    """Make a UUID of a name, always the same one: Qdrant knows ids of no other kind."""
    return str(uuid5(NAMESPACE_URL, f"https://example.org/things/{name}"))


def record(vector: list[float], **payload: Any) -> VectorRecord:
    return VectorRecord(id_of(payload["name"]), vector, payload)


def refused(call: Callable[[], Any]) -> None:
    try:
        call()
    except (VectorIdError, UnsupportedFilterError) as error:
        print("refused:", error)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Without a location all is in memory; with url="http://localhost:6333" it is on a server.
        with QdrantVectorStore(location=folder) as store:
            repo = VectorRepository(store, "things", dimension=3)
            repo.upsert(
                [
                    record([1, 0, 0], name="cat", tags=["tame"], since=2019),
                    record([0.96, 0.28, 0], name="dog", tags=["tame"], since=2022),
                    record([0, 3, 4], name="oak", tags=["tree", "old"]),
                ]
            )
            print("like a cat:", names(repo, [1, 0, 0]))
            # A list is compared as a whole, as in every store.
            print("tame since 2020:", names(repo, [1, 0, 0], C.eq("tags", ["tame"]) & C.ge("since", 2020)))

        # The folder was free again when the store was closed.
        with QdrantVectorStore(location=folder) as store:
            repo = VectorRepository(store, "things", dimension=3)
            [oak] = repo.fetch([id_of("oak")])
            print(f"opened again: {repo.count()} records, the oak is {[round(one, 5) for one in oak.vector]}")

            # What is Qdrant's own is done by its client. What mini_orm keeps for itself stands under one key.
            [point] = store.client.retrieve("things", [id_of("oak")])
            print("as Qdrant has it:", {key: point.payload[key] for key in point.payload if key != "_mini_orm"})

            refused(lambda: repo.fetch(["oak"]))
            refused(lambda: repo.count(C.lt("name", "d")))


def names(repo: VectorRepository, vector: list[float], filters: Any = None) -> list[str]:
    found = repo.query(vector, top_k=2, filters=filters)
    return [result.payload["name"] for result in found if result.payload]


if __name__ == "__main__":
    try:
        main()
    except MissingDependencyError as error:
        sys.exit(str(error))
