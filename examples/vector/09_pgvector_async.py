"""pgvector, awaited: tasks on a pool of connections, and a collection that is filled in batches.

Needs `pip install "mini_orm[async]"`, which brings asyncpg, and a server that has pgvector: MINI_ORM_PG_HOST, _PORT,
_USER, _PASSWORD and _DATABASE say which one (localhost, 5432, postgres, password and postgres, where they are not set).
All that is stored goes into a schema of its own, which is dropped at the end.

It prints:

    written 600
    written 1000
    20 questions at once, each found itself: True
    even ones among the nearest to 500: ['498', '500', '502']
    deleted 500, left 500
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
from collections.abc import Iterator
from urllib.parse import quote

from mini_orm import (
    AsyncDatabase,
    AsyncVectorRepository,
    DatabaseError,
    MissingDependencyError,
    PgVectorStore,
    VectorRecord,
)

SCHEMA = f"mini_orm_example_{os.getpid()}"


def url() -> str:
    """Make the server's URL of the variables. What may have any character in it is percent-encoded."""
    user = quote(os.environ.get("MINI_ORM_PG_USER", "postgres"), safe="")
    password = quote(os.environ.get("MINI_ORM_PG_PASSWORD", "password"), safe="")
    host = os.environ.get("MINI_ORM_PG_HOST", "localhost")
    port = os.environ.get("MINI_ORM_PG_PORT", "5432")
    database = quote(os.environ.get("MINI_ORM_PG_DATABASE", "postgres"), safe="")
    return f"postgresql+asyncpg://{user}:{password}@{host}:{port}/{database}"


async def connect() -> AsyncDatabase:
    """Open a database with a pool of five connections, whose tables are those of the example's schema."""
    try:
        return await AsyncDatabase.connect(url(), pool_size=5, server_settings={"search_path": SCHEMA})
    except (DatabaseError, MissingDependencyError) as error:
        reason = str(error).splitlines()[0]
        sys.exit(f"{reason}; MINI_ORM_PG_HOST, _PORT, _USER, _PASSWORD and _DATABASE name another server")


def angle(number: int) -> list[float]:
    return [math.cos(number / 1000), math.sin(number / 1000)]


def records() -> Iterator[VectorRecord]:
    for number in range(1000):
        yield VectorRecord(str(number), angle(number), {"even": number % 2 == 0})


async def search(db: AsyncDatabase) -> None:
    """Fill a collection, ask it, and empty half of it."""
    repo = AsyncVectorRepository(PgVectorStore(db), "angles", dimension=2, metric="l2")
    # Each batch is one stream of COPY, in binary.
    await repo.upsert(records(), batch_size=600, progress=lambda done: print("written", done))
    numbers = range(0, 1000, 50)
    answers = await asyncio.gather(*(repo.query(angle(number), top_k=1) for number in numbers))
    print("20 questions at once, each found itself:", [int(best.id) for [best] in answers] == list(numbers))
    found = await repo.query(angle(500), top_k=3, filters={"even": True})
    print("even ones among the nearest to 500:", sorted(result.id for result in found))
    print(f"deleted {await repo.delete_where({'even': True})}, left {await repo.count()}")


async def main() -> None:
    """Tell the story."""
    async with await connect() as db:
        await db.execute(f"CREATE SCHEMA {SCHEMA}")
        try:
            await search(db)
        finally:
            await db.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


if __name__ == "__main__":
    asyncio.run(main())
