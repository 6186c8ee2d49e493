"""The store on faiss beside faiss by hand: a list of ids, a list of payloads, and an index."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from mini_orm import FaissVectorStore, VectorRecord

from .vectors_data import DIMENSION, TOP_K, Comparison, Data, filled, ids

#: A graph is made of this part of the rows, as that takes long.
GRAPH_SHARE = 10
GRAPH = "HNSW32"
SEARCH = {"efSearch": 128}


def comparisons(rows: int) -> Iterator[Comparison]:
    """Compare the store with the index that it has."""
    faiss = importlib.import_module("faiss")
    data = Data(rows)

    def indexed(spec: str, units: Any) -> Any:
        index = faiss.index_factory(DIMENSION, spec, faiss.METRIC_INNER_PRODUCT)
        index.add(units)
        return index

    def found(index: Any, questions: Any) -> list[list[str]]:
        return [[str(n) for n in numbers] for numbers in index.search(questions, TOP_K)[1]]

    def compared(name: str, spec: str, index: Any, repo: Any, seen: Any) -> Iterator[Comparison]:
        yield Comparison(
            f"query{name}",
            f"{spec}: search",
            lambda: found(index, data.questions[:1])[0],
            lambda: ids(repo.query(data.questions[0], top_k=TOP_K)),
            1.05,
            seen=seen,
        )
        yield Comparison(
            f"query_many of {len(data.questions)}{name}",
            f"{spec}: search",
            lambda: found(index, data.questions),
            lambda: [ids(results) for results in repo.query_many(data.questions, top_k=TOP_K)],
            1.05,
            calls=len(data.questions),
            seen=seen,
        )

    flat = indexed("Flat", data.units)
    yield from compared("", "Flat", flat, filled(FaissVectorStore(), data), list)

    def written() -> int:
        # What every store keeps: the vectors as they are, their directions in the index, ids and payloads.
        kept = data.np.array([record.vector for record in data.records])
        index = indexed("Flat", kept / data.np.linalg.norm(kept, axis=1, keepdims=True))
        positions = {record.id: n for n, record in enumerate(data.records)}
        payloads = [dict(record.payload or {}) for record in data.records]
        return int(min(index.ntotal, len(positions), len(payloads)))

    yield Comparison(
        "upsert of all, from rows of an array",
        "Flat: add, lists of ids and payloads",
        written,
        lambda: filled(FaissVectorStore(), data).count(),
        1.05,
        seen=int,
    )
    del flat
    part = Data(rows // GRAPH_SHARE)
    name = f", {GRAPH}, 1/{GRAPH_SHARE} of the rows"
    graph, repo = indexed(GRAPH, part.units), filled(FaissVectorStore(index=GRAPH, search_parameters=SEARCH), part)
    graph.hnsw.efSearch = SEARCH["efSearch"]
    yield from compared(name, GRAPH, graph, repo, None)
    one = VectorRecord("one", part.questions[0], {"group": 1})

    def changed() -> int:
        repo.upsert([one])
        return repo.delete(["one"])

    def added() -> int:
        graph.add(part.questions[:1])
        return 1

    yield Comparison(f"upsert and delete of one{name}", f"{GRAPH}: add", added, changed, 1.5, seen=int)
