"""One worker of the soak: what it does, at random, and the ledger of what has to be there after it."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mini_orm import AsyncRepository, C, F, LockTimeout, PoolConnector, PoolTimeout, Repository
from tests.backends import maybe_await

if TYPE_CHECKING:
    from tests.soak_databases import Side


@dataclass
class Entry:
    """A row of one worker's; `text` says whose it is, too."""

    __table__ = "entries"
    __indexes__ = [{"columns": ("worker", "place"), "unique": True}]

    worker: str
    place: int
    value: int = 0
    text: str = ""
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Shared:
    """What all workers count up."""

    __table__ = "shared"

    name: str = field(metadata={"pk": True})
    value: int = 0


#: Counters that are counted up together, in either order.
PAIR = ("left", "right")
#: How often something is done where a database undoes one of several transactions that met, before that is a problem.
ATTEMPTS = 20


class Undone(Exception):
    """Ends a transaction on purpose."""


class Progress:
    """Counts what was done, shows it, and notices when nothing happens any more."""

    def __init__(self, operations: int, *, shown: bool) -> None:
        self.done: collections.Counter[str] = collections.Counter()
        self.total = 0
        self.latest = time.monotonic()
        self._operations = operations
        self._shown = shown
        self._mutex = threading.Lock()

    def note(self, kind: str) -> None:
        with self._mutex:
            self.done[kind] += 1
            self.total += 1
            self.latest = time.monotonic()
            if self._shown and self.total % max(1, self._operations // 20) == 0:
                print(f"{self.total} of {self._operations} operations", file=sys.stderr)


class Worker:
    """One thread or task: what it does, and the ledger of what has to be there after it."""

    def __init__(self, name: str, db: Any, pool: PoolConnector, seed: int, side: Side) -> None:
        self.name = name
        self.ledger: dict[int, Entry] = {}
        #: What it has added to each of the shared counters.
        self.increments: collections.Counter[str] = collections.Counter()
        #: How often something had to be done again.
        self.conflicts = 0
        self._db = db
        self._pool = pool
        self._side = side
        self._is_async = side.is_async
        self._awaits = side.awaits
        self._random = random.Random(f"{seed} {name}")
        self._places = iter(range(10**9))

    async def run(self, operations: int, progress: Progress) -> None:
        """Do so many things, chosen by the seed."""
        kinds = [
            *(self.insert, self.insert_many, self.get, self.list, self.update, self.update_where, self.delete),
            *(self.get_or_create, self.transaction, self.transaction, self.run_in_transaction, self.raw, self.by_hand),
        ]
        if self._is_async:
            kinds.append(self.cancelled)
        if self._awaits:
            kinds.append(self.cancelled_by_hand)
        if self._side.finds_deadlocks:
            kinds.append(self.in_either_order)
        for _ in range(operations):
            kind = self._random.choice(kinds)
            for attempt in range(ATTEMPTS):
                try:
                    await self._do(kind)
                    break
                except Exception as error:
                    if not self._side.is_conflict(error) or attempt == ATTEMPTS - 1:
                        raise
                    self.conflicts += 1
            self._side.look()
            progress.note(kind.__name__)
        await self.list()

    async def _do(self, kind: Any) -> None:
        if kind == self.by_hand and self._is_async and not self._awaits:
            await asyncio.to_thread(drive, self.by_hand())  # it blocks, and others need the loop to give back
        else:
            await kind()

    # --- single operations ---

    def _repo(self, model: type, db: Any = None) -> Any:
        return (AsyncRepository if self._is_async else Repository)(self._db if db is None else db, model)

    def _new(self) -> Entry:
        place = next(self._places)
        return Entry(self.name, place, self._random.randrange(1000), f"{self.name} {place}")

    def _known(self) -> Entry | None:
        """Return one of the rows that are there, as it has to be."""
        return replace(self._random.choice([*self.ledger.values()])) if self.ledger else None

    def _keep(self, *entries: Entry) -> None:
        for entry in entries:
            assert entry.id is not None, "a stored row has no key"
            self.ledger[entry.place] = replace(entry)

    def _check(self, found: Any, expected: Any) -> None:
        if found != expected:
            raise AssertionError(f"{self.name} read {found!r} and had written {expected!r}")

    async def insert(self) -> None:
        self._keep(await maybe_await(self._repo(Entry).insert(self._new())))

    async def insert_many(self) -> None:
        entries = [self._new() for _ in range(self._random.randrange(1, 6))]
        self._keep(*await maybe_await(self._repo(Entry).insert_many(entries)))

    async def get(self) -> None:
        if (entry := self._known()) is not None:
            self._check(await maybe_await(self._repo(Entry).get(entry.id)), entry)
        self._check(await maybe_await(self._repo(Entry).get(-1)), None)

    async def list(self) -> None:
        found = await maybe_await(self._repo(Entry).list(C.eq("worker", self.name), order_by="place"))
        self._check(found, sorted(self.ledger.values(), key=lambda entry: entry.place))
        self._check(await maybe_await(self._repo(Entry).count(C.eq("worker", self.name))), len(self.ledger))

    async def update(self) -> None:
        if (entry := self._known()) is not None:
            entry.value += 1
            self._check(await maybe_await(self._repo(Entry).update(entry)), 1)
            self._keep(entry)

    async def update_where(self) -> None:
        limit, change = self._random.randrange(1000), self._random.randrange(1, 9)
        where = C.eq("worker", self.name) & C.lt("value", limit)
        changed = await maybe_await(self._repo(Entry).update_where({"value": F("value") + change}, where=where))
        mine = [entry for entry in self.ledger.values() if entry.value < limit]
        self._check(changed, len(mine))
        self._keep(*(replace(entry, value=entry.value + change) for entry in mine))

    async def delete(self) -> None:
        if (entry := self._known()) is not None:
            self._check(await maybe_await(self._repo(Entry).delete(entry)), 1)
            del self.ledger[entry.place]
            # Not by its key, which SQLite may have given to a row of somebody else's meanwhile.
            mine = C.eq("worker", self.name) & C.eq("place", entry.place)
            self._check(await maybe_await(self._repo(Entry).delete_where(where=mine)), 0)

    async def get_or_create(self) -> None:
        known = self._known() if self._random.random() < 0.5 else None
        entry = known or self._new()
        found, created = await maybe_await(
            self._repo(Entry).get_or_create(
                lookup={"worker": self.name, "place": entry.place},
                defaults={"value": entry.value, "text": entry.text},
            )
        )
        self._check((replace(found, id=entry.id), created), (entry, known is None))
        self._keep(found)

    async def raw(self) -> None:
        total = sum(entry.value for entry in self.ledger.values())
        sql = self._side.backend.sql
        row = await maybe_await(
            self._db.fetchone(sql("SELECT coalesce(sum(value), 0) AS total FROM entries WHERE worker = ?"), [self.name])
        )
        self._check(row, {"total": total})
        if (entry := self._known()) is not None:
            result = await maybe_await(self._db.execute(sql("UPDATE entries SET value = 0 WHERE id = ?"), [entry.id]))
            self._check(result.rowcount, 1)
            self._keep(replace(entry, value=0))
        if self._random.random() < 0.2:
            await maybe_await(self._db.execute(self._side.backend.begin))  # which the pool undoes

    # --- transactions ---

    @contextlib.asynccontextmanager
    async def _transaction(self, db: Any) -> AsyncIterator[Any]:
        if self._is_async:
            async with db.transaction() as tx:
                yield tx
        else:
            with db.transaction() as tx:
                yield tx

    async def _count_up(self, tx: Any, name: str = "all") -> None:
        await maybe_await(self._repo(Shared, tx).update_where({"value": F("value") + 1}, where=C.eq("name", name)))

    async def transaction(self) -> None:
        """A block with an inner one; either may be undone."""
        outer, inner, gone = self._new(), self._new(), self._known()
        keeps_inner, keeps = self._random.random() < 0.6, self._random.random() < 0.7
        with contextlib.suppress(Undone):
            async with self._transaction(self._db) as tx:
                repo = self._repo(Entry, tx)
                await maybe_await(repo.insert(outer))
                await self._count_up(tx)
                with contextlib.suppress(Undone):
                    async with self._transaction(self._random.choice([tx, self._db])) as nested:
                        await maybe_await(self._repo(Entry, nested).insert(inner))
                        await self._count_up(nested)
                        if gone is not None:
                            self._check(await maybe_await(self._repo(Entry, nested).delete(gone)), 1)
                        if not keeps_inner:
                            raise Undone
                await self._take_another(tx)
                mine = {*self.ledger, outer.place} | ({inner.place} if keeps_inner else set())
                mine -= {gone.place} if gone is not None and keeps_inner else set()
                self._check(await maybe_await(repo.count(C.eq("worker", self.name))), len(mine))
                if not keeps:
                    raise Undone
        if keeps:
            self._keep(outer)
            self.increments["all"] += 1
        if keeps and keeps_inner:
            self._keep(inner)
            self.increments["all"] += 1
            if gone is not None:
                del self.ledger[gone.place]

    async def _take_another(self, tx: Any) -> None:
        """Inside of a transaction another connection, if one is free, sees what was there before."""
        with contextlib.suppress(PoolTimeout):
            async with self._connection(timeout=0) as conn:
                if conn is tx.conn:
                    raise AssertionError(f"{self.name} got its transaction's connection twice")
                self._check(await self._count_by_hand(conn), len(self.ledger))

    async def run_in_transaction(self) -> None:
        entry, fails = self._new(), self._random.random() < 0.3

        async def body(tx: Any) -> None:
            nonlocal fails
            stored = await maybe_await(self._repo(Entry, tx).insert(replace(entry)))
            await self._count_up(tx)
            if fails:
                fails = False
                raise LockTimeout("once more")
            entry.id = stored.id

        await self._in_transaction(body)
        self._keep(entry)
        self.increments["all"] += 1

    async def _in_transaction(self, body: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        def blocking(tx: Any) -> None:
            drive(body(tx))

        await maybe_await(self._db.run_in_transaction(body if self._is_async else blocking))

    async def in_either_order(self) -> None:
        """Count two rows up, while others do so the other way round: of two that meet, one has to do it again."""
        names = self._random.sample(PAIR, 2)
        attempts = 0

        async def body(tx: Any) -> None:
            nonlocal attempts
            attempts += 1
            for name in names:
                await self._count_up(tx, name)

        await self._in_transaction(body)
        self.increments.update(names)
        self.conflicts += attempts - 1

    # --- by hand ---

    @contextlib.asynccontextmanager
    async def _connection(self, timeout: float | None = None) -> AsyncIterator[Any]:
        block = self._pool.connection(timeout)
        if self._awaits:
            async with block as conn:
                yield conn
        else:
            with block as conn:
                yield conn

    async def _count_by_hand(self, conn: Any) -> int:
        row = await self._side.fetch(conn, "SELECT count(*) FROM entries WHERE worker = ?", self.name)
        return int(row[0])

    async def _insert_by_hand(self, conn: Any, entry: Entry) -> None:
        values = {name: getattr(entry, name) for name in ("worker", "place", "value", "text")}
        entry.id = await self._side.insert(conn, "entries", values)

    async def by_hand(self) -> None:
        """Use the driver's connection, commit or leave a transaction open, or change the session."""
        entry, chance = self._new(), self._random.random()
        async with self._connection() as conn:
            self._check(self._side.backend.in_transaction(conn), False)
            await self._side.begin(conn)
            self._check(await self._count_by_hand(conn), len(self.ledger))
            if chance < 0.3:
                await self._side.fetch(conn, self._side.disturb)
                await self._side.commit(conn)
                return
            await self._insert_by_hand(conn, entry)
            if chance < 0.7:
                await self._side.commit(conn)
                self._keep(entry)

    # --- cancellations ---

    async def cancelled(self) -> None:
        """Cancel a transaction, or an operation, at some moment; it is there whole, or not at all."""
        entries = [self._new(), self._new()]
        counts = self._random.random() < 0.5

        async def block() -> None:
            async with self._db.transaction() as tx:
                await self._repo(Entry, tx).insert(replace(entries[0]))
                await self._count_up(tx)
                await self._repo(Entry, tx).insert(replace(entries[1]))

        async def many() -> None:
            await self._repo(Entry).insert_many([replace(entry) for entry in entries])

        await self._cancel(block() if counts else many())
        places = [entry.place for entry in entries]
        found = await self._repo(Entry).list(C.eq("worker", self.name) & C.in_("place", places), order_by="place")
        self._check([replace(entry, id=None) for entry in found] or entries, entries)
        self._keep(*found)
        self.increments["all"] += bool(found) and counts

    async def cancelled_by_hand(self) -> None:
        """Cancel who waits for a connection, has one, or gives one back dirty: none is lost."""

        async def use() -> None:
            async with self._connection() as conn:
                await self._side.begin(conn)
                await self._insert_by_hand(conn, self._new())
                await asyncio.sleep(0)

        await self._cancel(use())

    async def _cancel(self, work: Any) -> None:
        task = asyncio.create_task(work)
        if self._random.random() < 0.5:
            for _ in range(self._random.randrange(30)):
                await asyncio.sleep(0)
        else:
            await asyncio.sleep(self._random.random() * 0.02)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def drive(work: Any) -> None:
    """Run a coroutine of the blocking face, which never suspends."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("work on the sync face suspended")
