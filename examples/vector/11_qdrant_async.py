"""Qdrant for asyncio: many tasks, a collection that is opened with the first call, and filters on long lists.

Needs `pip install "mini_orm[qdrant]"`. MINI_ORM_QDRANT_URL names a server; without it all is in memory.

It prints:

    written 200
    nearest: [10, 9, 11]
    even: [10, 8, 12]
    of some: [100, 300]
    deleted 101, left 100
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
from typing import Any
from uuid import UUID

from mini_orm import AsyncVectorRepository, C, MissingDependencyError, QdrantVectorStore, VectorRecord


def angle(number: float) -> list[float]:
    return [math.cos(number / 500), math.sin(number / 500)]


def record(number: int) -> VectorRecord:
    return VectorRecord(str(UUID(int=number)), angle(number), {"number": number, "even": number % 2 == 0})


async def numbers(repo: AsyncVectorRepository, near: float, **options: Any) -> list[int]:
    return [UUID(result.id).int for result in await repo.query(angle(near), **options)]


async def main() -> None:
    url = os.environ.get("MINI_ORM_QDRANT_URL")
    # On a server each event loop has a client of its own; in memory the calls are made in a worker thread.
    async with QdrantVectorStore(url=url) as store:
        repo = AsyncVectorRepository(store, f"mini_orm_example_{os.getpid()}", dimension=2)
        # Two tasks at once: the first call opens the collection, the others wait for it.
        await asyncio.gather(*(repo.upsert(map(record, range(start, start + 100))) for start in (0, 100)))
        print("written", await repo.count())

        print("nearest:", await numbers(repo, 9.9, top_k=3))
        print("even:", await numbers(repo, 9.9, top_k=3, filters={"even": True}))
        await repo.upsert([record(300)])
        print("of some:", await numbers(repo, 0, filters=C.in_("number", range(100, 10_000, 200))))

        deleted = await repo.delete_where(C.eq("even", False) | C.gt("number", 199))
        print(f"deleted {deleted}, left {await repo.count()}")
        if url is not None:
            await asyncio.to_thread(store.client.delete_collection, repo.collection)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except MissingDependencyError as error:
        sys.exit(str(error))
