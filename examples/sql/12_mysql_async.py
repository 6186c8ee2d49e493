"""MySQL and MariaDB, awaited: a queue of jobs, times with a zone, counters in one statement, and rows that are locked.

Needs `pip install "mini_orm[async]"`, which brings asyncmy, and a server: MINI_ORM_MYSQL_HOST, _PORT, _USER, _PASSWORD
and _DATABASE say which one (localhost, 3306, root, password and mini_orm_test, where they are not set). All that is
stored goes into a database of its own, which is dropped at the end.

It prints:

    job 1 is due at 2024-05-01 10:00:00.000250+00:00
    5 workers did 40 jobs, each once: True
    rolled back: 0 jobs are open; the next key is 42
    counted: {'done': 40, 'failed': 1}
    job 1 is locked by somebody else, and the transaction goes on with 1 row changed
    job 2 is worker 7's now
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

from mini_orm import (
    AsyncDatabase,
    AsyncRepository,
    C,
    DatabaseError,
    LockTimeout,
    MissingDependencyError,
    apply_schema_async,
)

DATABASE = f"mini_orm_example_{os.getpid()}"
NOON = datetime(2024, 5, 1, 12, 0, 0, 250, tzinfo=timezone(timedelta(hours=2)))


@dataclass
class Job:
    due: datetime = field(metadata={"timezone": True, "index": True})  # DATETIME(6), in UTC
    owner: int | None = None
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Tally:
    word: str = field(metadata={"pk": True})  # VARCHAR(255), as a key is indexed
    times: int = 0


def url(database: str) -> str:
    """Make the server's URL of the variables. What may have any character in it is percent-encoded."""
    user = quote(os.environ.get("MINI_ORM_MYSQL_USER", "root"), safe="")
    password = quote(os.environ.get("MINI_ORM_MYSQL_PASSWORD", "password"), safe="")
    host = os.environ.get("MINI_ORM_MYSQL_HOST", "localhost")
    port = os.environ.get("MINI_ORM_MYSQL_PORT", "3306")
    return f"mysql+asyncmy://{user}:{password}@{host}:{port}/{quote(database, safe='')}"


async def connect() -> AsyncDatabase:
    """Open the database that the variables name, to make another one beside it."""
    try:
        database = os.environ.get("MINI_ORM_MYSQL_DATABASE", "mini_orm_test")
        return await AsyncDatabase.connect(url(database), pool_size=1)
    except (DatabaseError, MissingDependencyError) as error:
        reason = str(error).splitlines()[0]
        sys.exit(f"{reason}; MINI_ORM_MYSQL_HOST, _PORT, _USER, _PASSWORD and _DATABASE name another server")


async def do_jobs(db: AsyncDatabase) -> None:
    """Let workers take jobs from a queue. Nobody waits for a row that somebody else has taken."""
    jobs = AsyncRepository(db, Job)
    # One statement; the keys follow each other from the first one, which is all that the server tells.
    await jobs.insert_many(Job(NOON + timedelta(minutes=minute)) for minute in range(40))
    first = await jobs.get(1)
    assert first is not None
    print(f"job {first.id} is due at {first.due}")

    async def work(number: int) -> list[int]:
        done: list[int] = []
        while True:
            async with db.transaction(isolation="read committed") as tx:
                sql = "SELECT id FROM job WHERE owner IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
                row = await tx.fetchone(sql)
                if row is None:
                    return done
                await AsyncRepository(tx, Job).update_where({"owner": number}, where=C.eq("id", row["id"]))
                done.append(row["id"])

    lists = await asyncio.gather(*(work(number) for number in range(1, 6)))
    done = sorted(key for keys in lists for key in keys)
    print(f"5 workers did {len(done)} jobs, each once: {done == list(range(1, 41))}")


async def roll_back(db: AsyncDatabase) -> None:
    """Take a row back. Its key is spent, as a counter of keys is no part of a transaction."""
    jobs = AsyncRepository(db, Job)
    try:
        async with db.transaction() as tx:
            await AsyncRepository(tx, Job).insert(Job(NOON))
            raise RuntimeError("changed my mind")
    except RuntimeError:
        left = await jobs.count(C.is_null("owner"))
    late = await jobs.insert(Job(NOON, owner=1))
    print(f"rolled back: {left} jobs are open; the next key is {late.id}")


async def count(db: AsyncDatabase) -> None:
    """Insert or add, in one statement, from many tasks at once."""
    sql = "INSERT INTO tally (word, times) VALUES (%s, 1) ON DUPLICATE KEY UPDATE times = times + 1"
    words = ["done"] * 40 + ["failed"]
    await asyncio.gather(*(db.execute(sql, [word]) for word in words))
    tallies = await AsyncRepository(db, Tally).list(order_by="word")
    print("counted:", {tally.word: tally.times for tally in tallies})


async def meet_a_lock(db: AsyncDatabase, somebody_else: AsyncDatabase) -> None:
    """Want a row that somebody else has. Only the statement fails; what the transaction did before it stays."""
    lock = "SELECT id FROM job WHERE id = %s FOR UPDATE NOWAIT"
    async with somebody_else.transaction() as theirs:
        await theirs.fetchone(lock, [1])
        async with db.transaction() as tx:
            saved = await AsyncRepository(tx, Job).update_where({"owner": 7}, where=C.eq("id", 2))
            try:
                await tx.fetchone(lock, [1])
            except LockTimeout:
                print(f"job 1 is locked by somebody else, and the transaction goes on with {saved} row changed")
    second = await AsyncRepository(db, Job).get(2)
    assert second is not None
    print(f"job 2 is worker {second.owner}'s now")


async def main() -> None:
    """Tell the story."""
    async with await connect() as server:
        await server.execute(f"CREATE DATABASE {DATABASE}")
        try:
            async with (
                await AsyncDatabase.connect(url(DATABASE), pool_size=5) as db,
                await AsyncDatabase.connect(url(DATABASE), pool_size=1) as somebody_else,
            ):
                await apply_schema_async(db, [Job, Tally])
                await do_jobs(db)
                await roll_back(db)
                await count(db)
                await meet_a_lock(db, somebody_else)
        finally:
            await server.execute(f"DROP DATABASE {DATABASE}")


if __name__ == "__main__":
    asyncio.run(main())
