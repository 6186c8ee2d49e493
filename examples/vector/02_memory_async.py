"""The same repository for asyncio, and records that are written in batches.

It prints:

    written 400
    written 800
    written 1000
    nearest to 10: ['10', '9', '11']
    nearest to 500: ['500', '499', '501']
    even ones: 500
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator

from mini_orm import AsyncVectorRepository, InMemoryVectorStore, VectorRecord


def angle(number: int) -> list[float]:
    return [math.cos(number / 1000), math.sin(number / 1000)]


def records() -> Iterator[VectorRecord]:
    for number in range(1000):
        yield VectorRecord(str(number), angle(number), {"even": number % 2 == 0})


async def main() -> None:
    repo = AsyncVectorRepository(InMemoryVectorStore(), "angles", dimension=2)
    # An iterator is read batch by batch: what is being made never has to be in memory as a whole.
    await repo.upsert(records(), batch_size=400, progress=lambda done: print("written", done))
    # Brief calls are made at once; those that take longer leave the event loop free.
    numbers = [10, 500]
    answers = await asyncio.gather(*(repo.query(angle(number), top_k=3) for number in numbers))
    for number, results in zip(numbers, answers, strict=True):
        nearest = sorted(results, key=lambda one: (-round(one.score, 9), abs(int(one.id) - number), int(one.id)))
        print(f"nearest to {number}:", [result.id for result in nearest])
    print("even ones:", await repo.count({"even": True}))


asyncio.run(main())
