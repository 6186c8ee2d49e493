"""PostgreSQL, awaited: many tasks on a pool, JSONB, times with a zone, and transactions that are tried again.

Needs `pip install "mini_orm[async]"`, which brings asyncpg, and a server: MINI_ORM_PG_HOST, _PORT, _USER, _PASSWORD and
_DATABASE say which one (localhost, 5432, postgres, password and postgres, where they are not set). All that is stored
goes into a schema of its own, which is dropped at the end.

It prints:

    stored reading 1: {'place': 'attic', 'celsius': 21.5}, taken at 2024-05-01 10:00:00+00:00
    found by JSON: 25.0 at 2024-05-01 12:00:00+00:00
    50 tasks on a pool of 5 stored 50 readings
    cancelled: 0 seats are sold
    20 tasks wanted a seat, 8 of 8 are sold, each once: True
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from mini_orm import AsyncDatabase, AsyncRepository, C, DatabaseError, MissingDependencyError, apply_schema_async

SCHEMA = f"mini_orm_example_{os.getpid()}"
NOON = datetime(2024, 5, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))


@dataclass
class Reading:
    details: dict[str, Any]  # JSONB
    at: datetime = field(metadata={"timezone": True, "index": True})  # TIMESTAMPTZ
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Seat:
    number: int = field(metadata={"pk": True})
    guest: str | None = None


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
        # What mini_orm does not know itself goes to the driver: here asyncpg's `server_settings`.
        return await AsyncDatabase.connect(url(), pool_size=5, server_settings={"search_path": SCHEMA})
    except (DatabaseError, MissingDependencyError) as error:
        reason = str(error).splitlines()[0]
        sys.exit(f"{reason}; MINI_ORM_PG_HOST, _PORT, _USER, _PASSWORD and _DATABASE name another server")


async def store_readings(db: AsyncDatabase) -> None:
    """Store what was measured, and find it again."""
    readings = AsyncRepository(db, Reading)
    # A time of any zone is stored as the moment that it is, and read back in UTC.
    first = await readings.insert(Reading({"place": "attic", "celsius": 21.5}, NOON))
    stored = await readings.get(first.id)
    assert stored is not None
    print(f"stored reading {stored.id}: {stored.details}, taken at {stored.at}")

    await readings.insert_many(
        Reading({"place": "garden", "celsius": 20.0 + hours}, NOON + timedelta(hours=hours)) for hours in (1, 2, 3)
    )
    await readings.insert(Reading({"place": "roof", "celsius": 25.0}, NOON + timedelta(hours=2)))
    # What is PostgreSQL's own is said in SQL. Marks are the driver's: $1.
    row = await db.fetchone("SELECT id FROM reading WHERE (details ->> 'celsius')::float >= $1", [24.0])
    assert row is not None
    hottest = await readings.get(row["id"])
    assert hottest is not None
    print("found by JSON:", hottest.details["celsius"], "at", hottest.at)


async def store_in_tasks(db: AsyncDatabase) -> None:
    """Let tasks share the pool: each call has a connection of its own, and gives it back."""
    readings = AsyncRepository(db, Reading)
    later = NOON + timedelta(days=1)
    await asyncio.gather(*(readings.insert(Reading({"task": number}, later)) for number in range(50)))
    print("50 tasks on a pool of 5 stored", await readings.count(C.eq("at", later)), "readings")


async def sell_seats(db: AsyncDatabase) -> None:
    """Let many want the same few things. Nobody gets what somebody else has."""
    seats = AsyncRepository(db, Seat)
    await seats.insert_many(Seat(number) for number in range(1, 9))

    # Cancelled, or failed, a transaction leaves nothing behind, and its connection is as good as before.
    try:
        async with asyncio.timeout(0.05), db.transaction() as tx:
            await AsyncRepository(tx, Seat).update_where({"guest": "nobody"}, allow_all=True)
            await tx.execute("SELECT pg_sleep(60)")
    except TimeoutError:
        print("cancelled:", await seats.count(C.is_not_null("guest")), "seats are sold")

    async def buy(guest: str) -> int | None:
        async def choose(tx: AsyncDatabase) -> int | None:
            own = AsyncRepository(tx, Seat)
            free = await own.list(C.is_null("guest"), order_by="number", limit=1)
            if not free:
                return None
            free[0].guest = guest
            await own.update(free[0])  # SerializationFailure where another task was quicker
            return free[0].number

        # The function is called again from its start, in a new transaction, until nobody is in its way.
        return await db.run_in_transaction(choose, isolation="repeatable read", retries=50)

    numbers = await asyncio.gather(*(buy(f"guest {number}") for number in range(20)))
    sold = [number for number in numbers if number is not None]
    each_once = sorted(sold) == [seat.number for seat in await seats.list(C.is_not_null("guest"), order_by="number")]
    print(f"20 tasks wanted a seat, {len(sold)} of 8 are sold, each once: {each_once}")


async def main() -> None:
    """Tell the story."""
    async with await connect() as db:
        await db.execute(f"CREATE SCHEMA {SCHEMA}")
        try:
            await apply_schema_async(db, [Reading, Seat])
            await store_readings(db)
            await store_in_tasks(db)
            await sell_seats(db)
        finally:
            await db.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


if __name__ == "__main__":
    asyncio.run(main())
