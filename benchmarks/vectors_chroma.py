"""The store on Chroma beside Chroma's client by hand, in memory: on the same collection, for the same payloads."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from mini_orm import C, ChromaVectorStore

from .vectors_data import TOP_K, Comparison, Data, filled, ids

#: Chroma takes a millisecond to write a vector: it gets this part of the rows.
SHARE = 20


def comparisons(rows: int) -> Iterator[Comparison]:
    """Compare the store with the client that it calls."""
    importlib.import_module("chromadb")
    data = Data(rows // SHARE)
    name = f", {len(data.records)} rows"
    with ChromaVectorStore(path=":memory:") as store:
        repo = filled(store, data)
        collection = store.client.get_collection("vectors", embedding_function=None)
        questions = data.questions

        def found(questions: Any, where: Any = None) -> list[list[str]]:
            answers: list[list[str]] = collection.query(
                query_embeddings=questions, n_results=TOP_K, where=where, include=["metadatas", "distances"]
            )["ids"]
            return answers

        yield Comparison(
            f"query{name}",
            "Chroma: query",
            lambda: [found(questions[n : n + 1])[0] for n in range(10)],
            lambda: [ids(repo.query(questions[n], top_k=TOP_K)) for n in range(10)],
            1.05,
            calls=10,
            seen=list,
        )
        yield Comparison(
            f"query, a condition that keeps 1 %{name}",
            "Chroma: query, where",
            lambda: found(questions[:1], {"group": {"$eq": 7}})[0],
            lambda: ids(repo.query(questions[0], top_k=TOP_K, filters=C.eq("group", 7))),
            1.05,
            seen=list,
        )
        yield Comparison(
            f"query_many of {len(questions)}{name}",
            "Chroma: query",
            lambda: found(questions),
            lambda: [ids(results) for results in repo.query_many(questions, top_k=TOP_K)],
            1.05,
            calls=len(questions),
            seen=list,
        )
        part = data.records[:500]

        def written() -> int:
            # What a payload takes to be replaced as a whole: the keys that were there, and the new ones.
            collection.get(ids=ids(part), include=["metadatas"])
            collection.upsert(
                ids=ids(part),
                embeddings=data.matrix[: len(part)],
                metadatas=[{**(record.payload or {}), "there": True} for record in part],
            )
            return len(part)

        def ours() -> int:
            repo.upsert(part)
            return len(part)

        yield Comparison(
            f"upsert of {len(part)} that are there{name}",
            "Chroma: get, upsert",
            written,
            ours,
            1.2,
            calls=len(part),
            seen=int,
        )
