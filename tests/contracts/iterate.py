"""`iterate` (Q18 X11): objects in parts, in transactions and outside, and what is left when it ends early."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any, ClassVar

from mini_orm import C, ClosedError, ConnectionLost, NotRegisteredError, OrderBy, QueryError, TransactionError
from tests.backends import maybe_await, needs
from tests.contracts.crud import Outside, auto_key
from tests.contracts.pool_tools import PoolTools
from tests.contracts.server_tools import ServerTools
from tests.contracts.transactions import Account, Tools


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Shelf:
    name: str
    id: int | None = auto_key()


@dataclass
class Volume:
    n: int
    shelf_id: int | None = field(default=None, metadata={"fk": (Shelf, "id")})
    color: Color = Color.RED
    bought: date | None = None
    extra: dict[str, Any] | None = None
    id: int | None = auto_key()


@dataclass
class Seen:
    """Knows how many objects of it there are, and were at most."""

    n: int
    id: int | None = auto_key()

    __table__ = "volume"
    alive: ClassVar[weakref.WeakSet[Seen]] = weakref.WeakSet()
    most: ClassVar[int] = 0

    def __post_init__(self) -> None:
        Seen.alive.add(self)
        Seen.most = max(Seen.most, len(Seen.alive))

    __hash__ = object.__hash__  # type: ignore[assignment]  # for the set


@dataclass
class Picky:
    n: int
    id: int | None = auto_key()

    __table__ = "volume"

    def __post_init__(self) -> None:
        if self.n == 7:
            raise ZeroDivisionError("mine")


def volumes(many: int) -> list[Volume]:
    return [Volume(n, color=Color.BLUE if n % 2 else Color.RED, extra={"n": [n]}) for n in range(many)]


async def objects_of(iteration: Any) -> AsyncIterator[Any]:
    """Yield the objects of an iteration of either face."""
    if hasattr(iteration, "__aiter__"):
        async for obj in iteration:
            yield obj
    else:
        for obj in iteration:
            yield obj


async def listed(iteration: Any) -> list[Any]:
    """Read an iteration to its end."""
    return [obj async for obj in objects_of(iteration)]


async def first_one(iteration: Any, error: Exception | None = None) -> Any:
    """Take one object out of a loop that is left by `break`, or by an error; nothing else has the iteration."""
    alone, iteration = [iteration], None
    if hasattr(alone[0], "__aiter__"):
        async for obj in alone.pop():
            if error is None:
                return obj
            raise error
    for obj in alone.pop():
        if error is None:
            return obj
        raise error
    raise AssertionError("there is none")


async def following(iteration: Any) -> Any:
    """Return the next object of an iteration, which goes on."""
    return await anext(iteration) if hasattr(iteration, "__anext__") else next(iteration)


async def ended(iteration: Any) -> None:
    """End an iteration as its user may."""
    await maybe_await(iteration.aclose() if hasattr(iteration, "aclose") else iteration.close())


class Iterating(Outside, Tools):
    """A table of 25 rows."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self.create_tables(Shelf, Volume)
        self.volumes = self.repo(Volume)
        await maybe_await(self.volumes.insert_many(volumes(25)))

    async def assert_idle(self) -> None:
        """The connection is free for the next call, at once, and for others."""
        self.assertEqual(await self.within(self.counted()), 25)
        await Tools.assert_clean(self)
        self.assertTrue(self.backend.is_free())

    async def counted(self) -> int:
        return int(await maybe_await(self.volumes.count()))


class IterateContract(Iterating):
    """Q18 on every backend."""

    async def test_the_same_as_list(self) -> None:
        """Q18: every row once, in the order asked for, however large the parts; codecs as everywhere."""
        whole = await maybe_await(self.volumes.list(order_by="-n"))
        for size in (1, 7, 24, 25, 26, 1000):
            with self.subTest(size=size):
                self.assertEqual(await listed(self.volumes.iterate(order_by="-n", batch_size=size)), whole)
        self.assertEqual(await listed(self.volumes.iterate(None, [OrderBy("n", desc=True)])), whole)
        self.assertEqual(await listed(self.volumes.iterate(C.gt("n", 99))), [])
        await self.assert_idle()

    async def test_conditions(self) -> None:
        """Q18 L7 Q6: filters and order as for `list`, over relations and with long lists, too."""
        shelf = await maybe_await(self.repo(Shelf).insert(Shelf("top")))
        for n in (3, 4, 20):
            await maybe_await(self.volumes.update_where({"shelf_id": shelf.id}, where=C.eq("n", n)))
        cases: list[tuple[Any, Any, list[int]]] = [
            (C.eq("shelf.name", "top"), ["shelf.name", "-n"], [20, 4, 3]),
            ([C.in_("n", range(3, 2000)), C.eq("color", Color.BLUE)], "n", list(range(3, 25, 2))),
            (C.startswith("shelf.name", "%") | C.like("shelf.name", "t%"), "n", [3, 4, 20]),
            (C.in_("n", iter([5, 6])), "n", [5, 6]),
        ]
        for number, (where, order_by, expected) in enumerate(cases):
            with self.subTest(number=number):
                found = await listed(self.volumes.iterate(where, order_by, 2))
                self.assertEqual([each.n for each in found], expected)

    async def test_arguments(self) -> None:
        """Q18 Q10 Q11: what can't be meant is refused by the call itself, before any SQL."""
        seen = await self.trace()
        for size in (0, -1, True, False, 1.0, "5", None):
            with self.subTest(size=size), self.assertRaisesRegex(ValueError, "batch_size"):
                self.volumes.iterate(batch_size=size)
        for where, order_by in (
            (C.eq("nn", 1), None),
            (C.eq("n", "a"), None),
            (None, "nn"),
            (C.eq("shelf.x", 1), None),
        ):
            with self.subTest(where=where, order_by=order_by), self.assertRaises(QueryError):
                self.volumes.iterate(where, order_by)
        self.volumes.iterate()  # nor does anything happen before the first object is asked for
        self.assertEqual(seen, [])

    async def test_a_part_is_in_memory(self) -> None:
        """Q18: there are never more objects than those of a part, and the last one that came before it."""
        Seen.most = 0
        async for _ in objects_of(self.repo(Seen).iterate(batch_size=4)):
            pass
        self.assertEqual(Seen.most, 5)

    async def test_what_goes_wrong_with_an_object(self) -> None:
        """Q18: an error of the model's own code ends the iteration, outside of a transaction and inside."""
        found: list[int] = []
        with self.assertRaisesRegex(ZeroDivisionError, "mine"):
            async for each in objects_of(self.repo(Picky).iterate(order_by="n", batch_size=5)):
                found += [each.n]
        self.assertEqual(found, [0, 1, 2, 3, 4])
        await self.assert_idle()
        async with self.transaction():
            with self.assertRaisesRegex(ZeroDivisionError, "mine"):
                await listed(self.repo(Picky).iterate(order_by="n", batch_size=5))
            await maybe_await(self.volumes.delete_where(where=C.eq("n", 7)))
        self.assertEqual(len(self.rows("SELECT n FROM volume")), 24)

    async def test_hubs_and_sessions(self) -> None:
        """Q18 S7 X8: the hub takes the model first; a session's iteration is in its transaction."""
        found = await listed(self.hub().iterate(Volume, C.lt("n", 3), "-n", 2))
        self.assertEqual([each.n for each in found], [2, 1, 0])
        session = self.session()
        self.assertEqual(len(await listed(session.iterate(Volume, batch_size=20))), 25)
        async with contextlib.AsyncExitStack() as stack:
            if self.is_async:
                await stack.enter_async_context(session)
            else:
                stack.enter_context(session)
            await maybe_await(session.insert(Volume(25)))
            self.assertEqual(len(await listed(session.iterate(Volume, batch_size=20))), 26)
            self.assertEqual(len(self.rows("SELECT n FROM volume")), 25)

    async def test_schema_and_registration(self) -> None:
        """Q18 S5 S6: what comes before an action comes before the first object."""
        repo = self.repo(Shelf, require_registration=True)
        with self.assertRaises(NotRegisteredError):
            await listed(repo.iterate())
        db = await self.open(**self.backend.other("empty"))
        self.assertEqual(await listed(self.repo(Volume, db, auto_schema=True).iterate(C.eq("shelf.name", "x"))), [])
        self.assertEqual(await maybe_await(self.repo(Shelf, db).count()), 0)


class IterateAloneContract(Iterating):
    """X11 on one connection, outside of a transaction."""

    async def test_ends(self) -> None:
        """X11: whatever ends an iteration, the connection is free for the very next call."""
        self.assertEqual((await first_one(self.volumes.iterate(order_by="n", batch_size=2))).n, 0)
        await self.assert_idle()
        self.assertEqual((await first_one(self.volumes.iterate(order_by="n"))).n, 0)  # all rows are there already
        await self.assert_idle()
        with self.assertRaises(ZeroDivisionError):
            await first_one(self.volumes.iterate(batch_size=2), ZeroDivisionError())
        await self.assert_idle()
        iteration = self.volumes.iterate(batch_size=2)
        await following(iteration)
        for _ in range(2):
            await ended(iteration)
        await self.assert_idle()
        iteration = self.volumes.iterate(batch_size=2)
        await following(iteration)
        del iteration
        await self.assert_idle()
        await ended(self.volumes.iterate())  # it had not begun
        await self.assert_idle()

    async def test_other_calls_of_the_same_caller(self) -> None:
        """X11 X4: they are refused, and the iteration goes on; another one as well, and a transaction."""
        found = []
        async for each in objects_of(self.volumes.iterate(order_by="n", batch_size=2)):
            found.append(each.n)
            if each.n == 3:
                with self.assertRaisesRegex(TransactionError, "iteration.*pool"):
                    await maybe_await(self.volumes.count())
                with self.assertRaisesRegex(TransactionError, "iteration"):
                    await listed(self.volumes.iterate())
                with self.assertRaisesRegex(TransactionError, "iteration"):
                    async with self.transaction():
                        self.fail("it began")
                with self.assertRaisesRegex(TransactionError, "iteration"):
                    await self.close(self.db)
        self.assertEqual(found, list(range(25)))
        await self.assert_idle()

    @needs("supports_threads")
    async def test_others_wait(self) -> None:
        """X11 X4: an unrelated caller has its turn after the iteration."""
        iteration = self.volumes.iterate(batch_size=2)
        await following(iteration)
        begun, done = self.gate(), []

        async def unrelated() -> Any:
            begun.set()
            found = await maybe_await(self.volumes.count())
            done.append(found)
            return found

        handle = self.spawn(unrelated)
        await begun.wait()
        await asyncio.sleep(0)
        self.assertEqual(done, [])
        await ended(iteration)
        self.assertEqual(await self.within(handle.join()), 25)

    @needs("supports_tasks")
    async def test_cancelled(self) -> None:
        """X11 X7: a task that is cancelled while it iterates leaves the connection free."""
        for size in (1, 1000):
            begun = asyncio.Event()

            async def work(size: int = size, begun: asyncio.Event = begun) -> None:
                async for _ in self.volumes.iterate(batch_size=size):
                    begun.set()
                    await asyncio.sleep(0)
                await asyncio.Event().wait()

            task = asyncio.create_task(work())
            await begun.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            await self.assert_idle()

    async def test_closed(self) -> None:
        """X11 X5: after `close()` an iteration that has not begun is a ClosedError, also if it was made before."""
        iteration = self.volumes.iterate()
        await self.close(self.db)
        with self.assertRaises(ClosedError):
            await following(iteration)
        with self.assertRaises(ClosedError):
            await following(self.volumes.iterate())

    async def test_a_transaction_of_the_users(self) -> None:
        """X11 X2: one that raw SQL began is joined, and still open afterwards."""
        await maybe_await(self.db.execute(self.backend.begin))
        await maybe_await(self.volumes.insert(Volume(25)))
        self.assertEqual(len(await listed(self.volumes.iterate(batch_size=20))), 26)
        await first_one(self.volumes.iterate(batch_size=3))
        self.assertEqual(len(self.rows("SELECT n FROM volume")), 25)
        await maybe_await(self.db.execute("ROLLBACK"))
        await self.assert_idle()


class IterateInTransactionContract(Iterating):
    """X11 inside of a transaction."""

    async def test_joins(self) -> None:
        """X11: it sees what the transaction did, and leaves it as it was; through `db` and through `tx`."""
        async with self.transaction() as tx:
            await maybe_await(self.volumes.insert(Volume(25)))
            for repo in (self.volumes, self.repo(Volume, tx)):
                self.assertEqual(len(await listed(repo.iterate(batch_size=20))), 26)
        self.assertEqual(len(self.rows("SELECT n FROM volume")), 26)
        async with self.transaction(read_only=True):
            self.assertEqual(len(await listed(self.volumes.iterate(batch_size=20))), 26)

    async def test_left_early(self) -> None:
        """X11: after `break` the very next statement runs, a savepoint, too, and the transaction goes on."""
        async with self.transaction():
            await first_one(self.volumes.iterate(batch_size=2))
            await maybe_await(self.volumes.insert(Volume(25)))
            await first_one(self.volumes.iterate(batch_size=2))
            async with self.transaction():
                await maybe_await(self.volumes.insert(Volume(26)))
                await first_one(self.volumes.iterate(batch_size=2))
            await first_one(self.volumes.iterate(batch_size=2))
        self.assertEqual(len(self.rows("SELECT n FROM volume")), 27)

    async def test_the_transaction_ends_first(self) -> None:
        """X11: the iteration has ended with it, also with a savepoint; what was read is still to be had."""
        async with self.transaction():
            iteration = self.volumes.iterate(order_by="n", batch_size=2)
            await following(iteration)
        self.assertEqual((await following(iteration)).n, 1)
        with self.assertRaisesRegex(TransactionError, "ended"):
            await following(iteration)
        await self.assert_idle()
        async with self.transaction():
            with contextlib.suppress(ZeroDivisionError):
                async with self.transaction():
                    inner = self.volumes.iterate(batch_size=1)
                    await following(inner)
                    raise ZeroDivisionError
            with self.assertRaisesRegex(TransactionError, "ended"):
                await following(inner)
            await maybe_await(self.volumes.delete_where(where=C.eq("n", 24)))
        self.assertEqual(len(self.rows("SELECT n FROM volume")), 24)

    @needs("interleaves_reading")
    async def test_statements_between(self) -> None:
        """X11: objects are changed while they come; two iterations at once, one of them in a savepoint."""
        async with self.transaction():
            async for each in objects_of(self.volumes.iterate(order_by="n", batch_size=2)):
                each.n += 100
                self.assertEqual(await maybe_await(self.volumes.update(each)), 1)
                if each.n == 110:
                    async with self.transaction():
                        self.assertEqual(len(await listed(self.volumes.iterate(batch_size=3))), 25)
                    await first_one(self.volumes.iterate(batch_size=3))
        self.assertEqual(self.rows("SELECT min(n), max(n) FROM volume"), [(100, 124)])

    @needs("interleaves_reading")
    async def test_a_call_that_fails_between(self) -> None:
        """X11: what is undone by a savepoint leaves the iteration around it."""
        found = 0
        async with self.transaction():
            async for _ in objects_of(self.volumes.iterate(batch_size=2)):
                found += 1
                with contextlib.suppress(ZeroDivisionError):
                    async with self.transaction():
                        await maybe_await(self.volumes.insert(Volume(99)))
                        raise ZeroDivisionError
        self.assertEqual(found, 25)
        await self.assert_idle()

    @needs("reads_alone")
    async def test_nothing_between(self) -> None:
        """X11: the server takes nothing else before the last row is read; the iteration goes on."""
        async with self.transaction():
            iteration = self.volumes.iterate(order_by="n", batch_size=20)
            self.assertEqual((await following(iteration)).n, 0)
            with self.assertRaisesRegex(TransactionError, "iteration"):
                await maybe_await(self.volumes.count())
            with self.assertRaisesRegex(TransactionError, "iteration"):
                async with self.transaction():
                    self.fail("it began")
            self.assertEqual(len(await listed(iteration)), 24)
            self.assertEqual(await maybe_await(self.volumes.count()), 25)


class PoolIterateContract(PoolTools):
    """X11 on a pool of two."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await maybe_await(self.repo(Account).insert_many([Account(owner=str(n), balance=n) for n in range(9)]))
        self.two = self.pool()
        self.accounts = self.repo(Account, self.on(self.two))

    async def test_a_connection_of_its_own(self) -> None:
        """X11: other calls of the same caller have the other connection, and are committed by themselves."""
        async for each in objects_of(self.accounts.iterate(order_by="id", batch_size=2)):
            each.balance += 100
            await self.within(self.update(each))
            if each.owner == "4":
                self.assertEqual(len(self.look.execute("SELECT id FROM account WHERE balance >= 100").fetchall()), 5)
        self.assertEqual(self.look.execute("SELECT min(balance) FROM account").fetchone()[0], 100)
        await self.assert_whole(self.two)

    async def update(self, obj: Any) -> None:
        self.assertEqual(await maybe_await(self.accounts.update(obj)), 1)

    async def test_two_at_once(self) -> None:
        """X11: two iterations take turns, each to its end; a third one would wait for its own caller."""
        one, two = (self.accounts.iterate(order_by="id", batch_size=2) for _ in range(2))
        for n in range(4):
            self.assertEqual([(await following(each)).owner for each in (one, two)], [str(n)] * 2)
        with self.assertRaisesRegex(TransactionError, "iteration"):
            await self.within(self.count())
        await ended(one)
        self.assertEqual(await self.within(self.count()), 9)
        self.assertEqual(len(await listed(two)), 5)
        await self.assert_whole(self.two)

    async def count(self) -> int:
        return int(await maybe_await(self.accounts.count()))

    async def test_ends(self) -> None:
        """X11: the connection comes back whatever ends the iteration, and is held by none that has not begun."""
        held = [self.accounts.iterate() for _ in range(3)]
        await first_one(self.accounts.iterate(batch_size=2))
        iteration = self.accounts.iterate(batch_size=2)
        await following(iteration)
        del iteration
        iteration = self.accounts.iterate(batch_size=2)
        await following(iteration)
        await ended(iteration)
        with self.assertRaises(ZeroDivisionError):
            await first_one(self.accounts.iterate(batch_size=2), ZeroDivisionError())
        self.assertEqual(len(await listed(held[0])), 9)
        await self.until(lambda: self.two._pool.in_use == 0)
        await self.assert_whole(self.two)

    @needs("supports_tasks")
    async def test_cancelled(self) -> None:
        """X11 X7: so does that of a task that is cancelled, in its own code or while rows are read."""
        for turns in range(6):
            begun = asyncio.Event()

            async def work(begun: asyncio.Event = begun) -> None:
                begun.set()
                async for _ in self.accounts.iterate(batch_size=1):
                    await asyncio.sleep(0)
                await asyncio.Event().wait()

            task = asyncio.create_task(work())
            await begun.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            await self.until(lambda: self.two._pool.in_use == 0)
        await self.assert_whole(self.two)

    async def test_the_pool_is_closed(self) -> None:
        """X11 X5: an iteration that has its connection goes on; that is closed at the end, and the next one refused."""
        iteration = self.accounts.iterate(batch_size=2)
        await following(iteration)
        await self.shut(self.two)
        self.assertEqual(len(await listed(iteration)), 8)
        with self.assertRaises(ClosedError):
            await following(self.accounts.iterate())
        await self.until(lambda: self.connections.open == 0)


class LostIterateContract(ServerTools):
    """X11 where a server ends the session."""

    async def test_a_session_that_ends(self) -> None:
        """X11 P6: the iteration is a ConnectionLost, and its place in the pool is free for another connection."""
        accounts = self.repo(Account)
        await maybe_await(accounts.insert_many([Account(owner=str(n), balance=n) for n in range(300)]))
        iteration = accounts.iterate(batch_size=2)
        await following(iteration)
        [number] = self.in_progress()
        self.assertTrue(self.sessions.end_session(self.look, number))
        with self.assertRaises(ConnectionLost):
            await listed(iteration)
        self.assertEqual(await maybe_await(accounts.count()), 300)
        await self.assert_whole()
