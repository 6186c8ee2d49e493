"""The store on Qdrant beside Qdrant's client by hand, in local mode, which takes fewer rows than the other stores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from mini_orm import QdrantVectorStore, VectorRecord

from .vectors_data import DIMENSION, TOP_K, Comparison, Data, ids, repository

#: It takes this part of the rows.
SHARE = 10
#: Rows that are written.
WRITTEN = 500


def comparisons(rows: int) -> Iterator[Comparison]:
    """Compare the store with a client that has the same points."""
    from qdrant_client import QdrantClient, models

    data = Data(rows // SHARE)
    records = [VectorRecord(str(UUID(int=n)), one.vector, one.payload) for n, one in enumerate(data.records)]
    config = models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)
    client, store = QdrantClient(location=":memory:"), QdrantVectorStore()
    client.create_collection("vectors", vectors_config=config)
    repo = repository(store)
    asked = data.questions.tolist()
    lists = [VectorRecord(one.id, data.matrix[n].tolist(), one.payload) for n, one in enumerate(records)]

    def written(records: list[VectorRecord]) -> int:
        points = [models.PointStruct(id=one.id, vector=one.vector, payload=dict(one.payload or {})) for one in records]
        client.upsert("vectors", points)
        return int(client.count("vectors").count)

    def upserted(records: list[VectorRecord]) -> int:
        repo.upsert(records)
        return repo.count()

    written(lists)
    upserted(lists)

    def found(wanted: Any = None) -> list[str]:
        answer = client.query_points("vectors", query=asked[0], limit=TOP_K, query_filter=wanted)
        return [str(point.id) for point in answer.points]

    def found_many() -> list[list[str]]:
        requests = [models.QueryRequest(query=one, limit=TOP_K, with_payload=True) for one in asked]
        return [[str(point.id) for point in one.points] for one in client.query_batch_points("vectors", requests)]

    def group() -> Any:
        return models.Filter(must=[models.FieldCondition(key="group", range=models.Range(gte=7, lte=7))])

    shown = f"1/{SHARE} of the rows"
    some = lists[:WRITTEN]
    try:
        yield Comparison(
            f"query, {shown}",
            "QdrantClient: query_points",
            found,
            lambda: ids(repo.query(asked[0], top_k=TOP_K)),
            1.05,
            seen=list,
        )
        yield Comparison(
            f"query, a mapping that keeps 1 %, {shown}",
            "QdrantClient: query_points, a range",
            lambda: found(group()),
            lambda: ids(repo.query(asked[0], top_k=TOP_K, filters={"group": 7})),
            1.05,
            seen=list,
        )
        yield Comparison(
            f"query_many of {len(asked)}, {shown}",
            "QdrantClient: query_batch_points",
            found_many,
            lambda: [ids(results) for results in repo.query_many(asked, top_k=TOP_K)],
            1.05,
            calls=len(asked),
            seen=list,
        )
        yield Comparison(
            f"upsert of {len(some)}, {shown}",
            "QdrantClient: upsert",
            lambda: written(some),
            lambda: upserted(some),
            1.5,  # the client alone checks no number, and keeps no norm
            calls=len(some),
            seen=int,
        )
    finally:
        client.close()
        store.close()
