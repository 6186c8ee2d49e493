"""A session among tasks: what `gather` starts inside of the block is in its transaction, and needs nothing handed on.

It prints:

    stored 3 pages together
    one of them failed: 3 pages, as before
    each for itself: 5 pages
"""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, field

from mini_orm import AsyncDatabase, AsyncSession


@dataclass
class Page:
    url: str = field(metadata={"pk": True})
    text: str = ""


async def fetch(url: str) -> str:
    """Stand for a request."""
    await asyncio.sleep(0)
    if "missing" in url:
        raise LookupError(url)
    return f"the text of {url}"


async def store(session: AsyncSession, url: str) -> None:
    """Fetch a page and store it, in the transaction that the caller may have opened."""
    await session.insert(Page(url, await fetch(url)))


async def main() -> None:
    async with AsyncDatabase(sqlite3.connect(":memory:")) as db:
        session = AsyncSession(db, auto_schema=True)
        await session.register(Page)

        async with session:
            await asyncio.gather(store(session, "/a"), store(session, "/b"), store(session, "/c"))
        print("stored", await session.count(Page), "pages together")

        try:
            async with session, asyncio.TaskGroup() as group:
                group.create_task(store(session, "/d"))
                group.create_task(store(session, "/missing"))
        except* LookupError:
            print("one of them failed:", await session.count(Page), "pages, as before")

        # Without a block each call is committed when it returns, so that one failure is one page less.
        await asyncio.gather(*(store(session, url) for url in ("/d", "/missing", "/e")), return_exceptions=True)
        print("each for itself:", await session.count(Page), "pages")


asyncio.run(main())
