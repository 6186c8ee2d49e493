"""The store in memory beside numpy, beside faiss where it is installed, and beside itself."""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Iterator
from typing import Any

from mini_orm import C, InMemoryVectorStore, JsonVectorPayloadCodec, VectorRepository
from mini_orm.vectors.stores.payload_index import PythonMasks
from mini_orm.vectors.stores.python_rows import PythonRows

from .vectors_data import DIMENSION, MANY, TOP_K, Comparison, Data, filled, ids, repository

#: The standard library does this part of the rows.
PLAIN_SHARE = 20
PAYLOAD = {"lang": "en", "year": 2024, "score": 0.5, "title": "on vectors", "draft": False}


class PlainStore(InMemoryVectorStore):
    """The store in memory, as it is without numpy."""

    @staticmethod
    def _numpy() -> Any:
        return PythonRows, PythonMasks()


def comparisons(rows: int) -> Iterator[Comparison]:
    """Compare the store in memory."""
    data = Data(rows)
    repo = filled(InMemoryVectorStore(), data)
    return itertools.chain(scans(data, repo), filtered(data, repo), many(data, repo), plain(data))


def scans(data: Data, repo: VectorRepository) -> Iterator[Comparison]:
    """Look at all vectors."""
    np, question = data.np, data.questions[0]

    def dot() -> list[str]:
        scores = data.units @ question
        best = np.argpartition(scores, -TOP_K)[-TOP_K:]
        return [str(n) for n in best[np.argsort(-scores[best])]]

    def ours() -> list[str]:
        return ids(repo.query(question, top_k=TOP_K))

    yield Comparison("query", "numpy: dot, argpartition", dot, ours, 1.25, seen=list)
    try:
        faiss = importlib.import_module("faiss")
    except ImportError:
        return
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(data.units)

    def flat() -> list[str]:
        return [str(n) for n in index.search(question[None], TOP_K)[1][0]]

    yield Comparison("query", "faiss: IndexFlatIP", flat, ours, 1.0, seen=list)

    def added() -> Any:
        empty = faiss.IndexFlatIP(DIMENSION)
        empty.add(data.matrix)
        return empty.ntotal

    yield Comparison(
        "upsert of all, from rows of an array", "faiss: add", added, lambda: upserted(data), 0.64, seen=int
    )


def upserted(data: Data) -> int:
    """Write all records into an empty store."""
    return filled(InMemoryVectorStore(), data).count()


def filtered(data: Data, repo: VectorRepository) -> Iterator[Comparison]:
    """Look at those that a filter keeps."""
    question = data.questions[1]
    rest = [record.id for record in data.records if record.payload == {"group": 7}]
    scores = dict(zip(rest, data.units[[int(one) for one in rest]] @ question, strict=True))
    wanted = sorted(rest, key=lambda one: -scores[one])[:TOP_K]

    def whole() -> list[str]:
        repo.query(question, top_k=TOP_K)
        return wanted

    for name, filters in (("a mapping", {"group": 7}), ("conditions", C.and_(C.gt("group", 6), C.lt("group", 8)))):
        yield Comparison(
            f"query, {name} that keeps 1 %",
            "mini_orm: all of them",
            whole,
            lambda filters=filters: ids(repo.query(question, top_k=TOP_K, filters=filters)),  # type: ignore[misc]
            0.03,
            seen=list,
        )


def many(data: Data, repo: VectorRepository) -> Iterator[Comparison]:
    """Ask many questions, and change single records."""
    yield Comparison(
        f"query_many of {MANY}",
        "mini_orm: one by one",
        lambda: [repo.query(question, top_k=TOP_K) for question in data.questions],
        lambda: repo.query_many(data.questions, top_k=TOP_K),
        0.2,
        calls=MANY,
        seen=lambda found: [ids(results) for results in found],
    )
    small = repository(InMemoryVectorStore())
    small.upsert(data.records[: len(data.records) // 10])

    def change(changed: VectorRepository) -> int:
        changed.upsert(data.records[:1])
        return changed.delete(["0"])

    yield Comparison(
        "upsert and delete of one",
        "mini_orm: a tenth of the rows",
        lambda: [change(small) for _ in range(100)],
        lambda: [change(repo) for _ in range(100)],
        1.3,
        calls=100,
        seen=list,
    )


def plain(data: Data) -> Iterator[Comparison]:
    """Do it with the standard library alone."""
    rows = data.units[: len(data.units) // PLAIN_SHARE]
    tuples = [tuple(row) for row in rows.tolist()]
    question = data.questions[2]
    repo = repository(PlainStore())
    repo.upsert(data.records[: len(rows)])
    asked = question.tolist()
    unit = tuple((question / data.np.linalg.norm(question)).tolist())

    def loop() -> list[str]:
        distances = [math.dist(unit, row) for row in tuples]
        return [str(n) for n in sorted(range(len(distances)), key=distances.__getitem__)[:TOP_K]]

    yield Comparison(
        f"query without numpy, 1/{PLAIN_SHARE} of the rows",
        "math.dist over tuples, sorted",
        loop,
        lambda: ids(repo.query(asked, top_k=TOP_K)),
        1.2,
        seen=list,
    )
    codec = JsonVectorPayloadCodec()
    for name, call in (("serialize", codec.serialize), ("deserialize", codec.deserialize)):
        yield Comparison(
            f"payload codec: {name}, µs",
            "dict(payload)",
            lambda: [dict(PAYLOAD) for _ in range(1000)],
            lambda call=call: [call(PAYLOAD) for _ in range(1000)],  # type: ignore[misc]
            1.0,
            calls=1000,
            seen=list,
            is_absolute=True,
        )
