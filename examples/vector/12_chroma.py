"""Chroma in a directory here: what it keeps, what other programs of Chroma see of it, and what it can't answer.

Needs `pip install "mini_orm[chroma]"`, and no server.

It prints:

    like a cat: [('cat', 1.0), ('dog', 0.96)]
    animals since 2021: ['dog']
    not an animal, or nobody knows: ['oak', 'stone']
    as Chroma has the dog: {'kind': 'animal', 'year': 2022}
    opened again: 4 records, the oak is {'kind': 'plant', 'rings': [1, 2]}
    refused: ChromaVectorStore does not support C.contains in filters
    refused: ChromaVectorStore does not support an order of texts in filters
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

from mini_orm import (
    C,
    ChromaVectorStore,
    MissingDependencyError,
    UnsupportedFilterError,
    VectorRecord,
    VectorRepository,
)

RECORDS = [
    VectorRecord("cat", [1, 0, 0], {"kind": "animal", "year": 2019}),
    VectorRecord("dog", [0.96, 0.28, 0], {"kind": "animal", "year": 2022}),
    VectorRecord("oak", [0, 0.6, 0.8], {"kind": "plant", "rings": [1, 2]}),
    VectorRecord("stone", [0, 0, 1]),
]


def ids(repo: VectorRepository, filters: Any) -> list[str]:
    return [result.id for result in repo.query([1, 0.1, 0], filters=filters)]


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        # path=":memory:" keeps nothing; with host="localhost" it is a server.
        with ChromaVectorStore(path=directory) as store:
            repo = VectorRepository(store, "things", dimension=3)
            repo.upsert(RECORDS)
            found = repo.query([1, 0, 0], top_k=2)
            print("like a cat:", [(result.id, round(result.score, 2)) for result in found])
            print("animals since 2021:", ids(repo, C.eq("kind", "animal") & C.ge("year", 2021)))
            print("not an animal, or nobody knows:", ids(repo, C.distinct_from("kind", "animal")))
            # Other programs of Chroma see this; what mini_orm keeps for itself begins with its name.
            [metadata] = store.client.get_collection("things", embedding_function=None).get(["dog"])["metadatas"]
            print("as Chroma has the dog:", {key: metadata[key] for key in sorted(metadata) if ":" not in key})

        with ChromaVectorStore(path=directory) as store:
            repo = VectorRepository(store, "things", dimension=3)
            print(f"opened again: {repo.count()} records, the oak is {repo.fetch(['oak'])[0].payload}")
            for condition in (C.contains("kind", "an"), C.lt("kind", "b")):
                try:
                    repo.count(condition)
                except UnsupportedFilterError as error:
                    print("refused:", error)


if __name__ == "__main__":
    try:
        main()
    except MissingDependencyError as error:
        sys.exit(str(error))
