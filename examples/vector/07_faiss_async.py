"""Faiss for asyncio: an index that is trained when there are enough vectors, while the event loop stays free.

Needs `pip install "mini_orm[faiss]"`.

It prints:

    written 100
    written 200
    written 300
    written 360
    nearest: [['45', '46', '44'], ['200', '201', '199']]
    left: 180
"""

from __future__ import annotations

import asyncio
import math
import sys

from mini_orm import AsyncVectorRepository, FaissVectorStore, MissingDependencyError, VectorRecord


def direction(degrees: float) -> list[float]:
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


async def main() -> None:
    # Four cells, of which a query looks into two. 39 vectors for each cell are what training asks for.
    store = FaissVectorStore(index="IVF4,Flat", search_parameters={"nprobe": 2})
    repo = AsyncVectorRepository(store, "directions", dimension=2)
    records = (VectorRecord(str(degrees), direction(degrees)) for degrees in range(360))
    # Until there are so many all vectors are looked at. Training and adding are work for another thread.
    await repo.upsert(records, batch_size=100, progress=lambda done: print("written", done))
    answers = await repo.query_many([direction(45.1), direction(200.1)], top_k=3)
    print("nearest:", [[result.id for result in results] for results in answers])
    await repo.delete(str(degrees) for degrees in range(0, 360, 2))
    print("left:", await repo.count())


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except MissingDependencyError as error:
        sys.exit(str(error))
