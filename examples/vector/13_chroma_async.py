"""Chroma for asyncio: the calls of a server are awaited, those of a directory are made in worker threads.

Needs `pip install "mini_orm[chroma]"`. MINI_ORM_CHROMA_HOST and _PORT (8000, where it is not set) name a server, where
the example leaves nothing; without one it works in memory.

It prints:

    written 400
    written 800
    written 1000
    nearest to 10 and to 500: ['10'] ['500']
    even ones near 500: ['498', '500', '502']
    replaced: {'seen': True}
    deleted 499, left 501
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
from collections.abc import Iterator

from mini_orm import AsyncVectorRepository, C, ChromaVectorStore, MissingDependencyError, VectorError, VectorRecord

COLLECTION = f"mini_orm_example_{os.getpid()}"


def angle(number: int) -> list[float]:
    return [math.cos(number / 1000), math.sin(number / 1000)]


def records() -> Iterator[VectorRecord]:
    for number in range(1000):
        yield VectorRecord(str(number), angle(number), {"even": number % 2 == 0, "number": number})


def connect() -> ChromaVectorStore:
    host = os.environ.get("MINI_ORM_CHROMA_HOST")
    if not host:
        return ChromaVectorStore(path=":memory:")
    return ChromaVectorStore(host=host, port=int(os.environ.get("MINI_ORM_CHROMA_PORT", "8000")))


async def main() -> None:
    async with connect() as store:
        repo = AsyncVectorRepository(store, COLLECTION, dimension=2, auto_create=False)
        await repo.create_collection()
        try:
            await repo.upsert(records(), batch_size=400, progress=lambda done: print("written", done))
            one, other = await asyncio.gather(*(repo.query(angle(number), top_k=1) for number in (10, 500)))
            print("nearest to 10 and to 500:", [result.id for result in one], [result.id for result in other])
            near = await repo.query(angle(500), top_k=3, filters={"even": True})
            print("even ones near 500:", sorted(result.id for result in near))

            # Vector and payload are replaced as wholes: nothing of the old payload is left.
            await repo.upsert([VectorRecord("7", angle(7), {"seen": True})])
            print("replaced:", (await repo.fetch(["7"]))[0].payload)
            deleted = await repo.delete_where(C.eq("even", False) & C.ge("number", 0))
            print(f"deleted {deleted}, left {await repo.count()}")
        finally:
            # What is Chroma's own is done by its client, which blocks.
            await asyncio.to_thread(lambda: store.client.delete_collection(COLLECTION))


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (MissingDependencyError, VectorError) as error:
        sys.exit(f"{error}; MINI_ORM_CHROMA_HOST and _PORT name another server")
