"""Several users of one connection: two databases, a tx that is still in use at its end, models that look things up."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import threading
from dataclasses import dataclass, field
from typing import Any

from mini_orm import AsyncDatabase, ConfigurationError, Database, OperationalError, TransactionError
from mini_orm.errors import QueryError
from tests.backends import maybe_await, needs

KEY = {"pk": True, "auto": True}
LIMIT = 20.0


@dataclass
class Note:
    text: str = field(metadata={"unique_index": True})
    id: int | None = field(default=None, metadata=KEY)


def row_of(case: Any, sql: str) -> Any:
    """Read one row from outside."""
    with contextlib.closing(case.backend.raw()) as conn:
        return conn.execute(sql).fetchone()


class SharingContract:
    """One connection, more than one user."""

    async def test_two_databases_on_one_connection_share_its_transaction(self: Any) -> None:
        """X4: a second database of the same face joins in: one lock, one transaction, a dialect of its own."""
        await self.create_tables(Note)
        own = type(self.db.dialect)
        loud = type("Loud", (own,), {"types": {**own.types, "str": "LOUD_TEXT"}})
        other = self.backend.database(self.db.conn, loud())
        self.assertEqual(type(other.dialect), loud)
        self.assertEqual(type(self.db.dialect), own)
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction():
                await maybe_await(self.repo(Note, other).insert(Note("inside")))
                raise ZeroDivisionError
        self.assertEqual(await maybe_await(self.repo(Note).count()), 0)

    async def test_one_connection_serves_one_face(self: Any) -> None:
        """X4: a connection that a database uses is refused to one of the other face, whose locks are others."""
        conn = self.db.conn
        wrong = Database if self.is_async else AsyncDatabase
        with self.assertRaises(ConfigurationError):
            wrong(conn)
        await self.create_tables(Note)
        self.assertEqual(await maybe_await(self.repo(Note).count()), 0)

    async def test_a_nested_read_only_transaction_is_read_only(self: Any) -> None:
        """X1: read-only inside of a writer's transaction, and a writer again behind it."""
        repo = await self.table(Note)
        async with self.transaction() as tx:
            async with self.transaction(tx, read_only=True) as inner:
                self.assertEqual(await maybe_await(self.repo(Note, inner).count()), 0)
                with self.assertRaises(TransactionError):
                    await maybe_await(self.repo(Note, inner).insert(Note("no")))
            await maybe_await(self.repo(Note, tx).insert(Note("yes")))
        self.assertEqual([note.text for note in await maybe_await(repo.list())], ["yes"])

    async def test_a_read_only_transaction_refuses_raw_sql_too(self: Any) -> None:
        """X1 X3: and the session is a writer's again behind it; the user's own setting stays."""
        repo = await self.table(Note)
        with self.assertRaises(OperationalError):
            async with self.transaction(read_only=True) as tx:
                await maybe_await(tx.execute("INSERT INTO note (text) VALUES ('no')"))
        await maybe_await(repo.insert(Note("yes")))
        if not self.backend.uses_file:  # the rest is of a session that refuses writes by its own setting
            return
        await maybe_await(self.db.execute("PRAGMA query_only = ON"))
        async with self.transaction(read_only=True) as tx:
            self.assertEqual(await maybe_await(self.repo(Note, tx).count()), 1)
        self.assertEqual(await maybe_await(self.db.fetchone("PRAGMA query_only")), {"query_only": 1})

    async def test_an_inner_transaction_that_outlives_the_outer_one(self: Any) -> None:
        """X1 X4: the outer end is an error and waits for nobody; nothing is kept, and the inner one has ended, too."""
        repo = await self.table(Note)
        outer = self.transaction()
        tx = await outer.__aenter__()
        inner = self.transaction(tx)
        inner_tx = await inner.__aenter__()
        await maybe_await(self.repo(Note, inner_tx).insert(Note("no")))
        with self.assertRaises(TransactionError):
            await outer.__aexit__(None, None, None)
        with self.assertRaises(TransactionError):
            await maybe_await(self.repo(Note, inner_tx).count())
        await maybe_await(repo.insert(Note("between")))
        with self.assertRaises(TransactionError):
            await inner.__aexit__(None, None, None)
        self.assertEqual([note.text for note in await maybe_await(repo.list())], ["between"])
        self.assertFalse(self.backend.in_transaction(self.db.conn))

    @needs("triggers_skip_rows")
    async def test_a_row_that_a_trigger_ignores(self: Any) -> None:
        """R1: an INSERT that the database takes and does not do is an error, not an object with another's key."""
        repo = await self.table(Note, [Note("first")])
        body = "SELECT RAISE(IGNORE) WHERE NEW.text = 'no'"
        if not self.backend.uses_file:
            body = "IF NEW.text = 'no' THEN RETURN NULL; END IF"
        for sql in self.backend.trigger("no", "BEFORE INSERT", "note", body):
            await maybe_await(self.db.execute(sql))
        note = Note("no")
        with self.assertRaises(OperationalError):
            await maybe_await(repo.insert(note))
        self.assertIsNone(note.id)

    async def test_sql_is_text(self: Any) -> None:
        """Q17: SQL that is no text is refused before the driver."""
        for wrong in (12, None, b"SELECT 1"):
            with self.subTest(repr(wrong)), self.assertRaises(QueryError):
                await maybe_await(self.db.execute(wrong))

    async def test_the_isolation_of_a_joined_transaction(self: Any) -> None:
        """X1 X2: a transaction that the user opened has its isolation; another can't be asked for inside of it."""
        await maybe_await(self.db.execute("BEGIN"))
        with self.assertRaises(TransactionError):
            async with self.transaction(isolation="serializable"):
                pass
        async with self.transaction() as tx:
            await maybe_await(tx.execute("SELECT 1"))
        self.assertTrue(self.backend.in_transaction(self.db.conn))
        await maybe_await(self.db.execute("ROLLBACK"))
        self.assertFalse(self.backend.in_transaction(self.db.conn))

    async def test_a_read_only_flag_that_outlives_its_transaction(self: Any) -> None:
        """X1 X3: ends in the wrong order leave neither the flag nor the session's setting behind."""
        repo = await self.table(Note)
        outer = self.transaction(read_only=True)
        tx = await outer.__aenter__()
        inner = self.transaction(tx)
        await inner.__aenter__()
        for block in (outer, inner):
            with self.assertRaises(TransactionError):
                await block.__aexit__(None, None, None)
        await maybe_await(repo.insert(Note("written")))
        if self.backend.uses_file:
            self.assertEqual(await maybe_await(self.db.fetchone("PRAGMA query_only")), {"query_only": 0})

    async def test_an_inner_transaction_that_was_dropped(self: Any) -> None:
        """X1: an inner block that nobody ended is never committed by the outer one."""
        repo = await self.table(Note)
        kept = []
        try:
            async with self.transaction() as tx:
                inner = tx.transaction()
                half = await inner.__aenter__() if self.is_async else inner.__enter__()
                await maybe_await(self.repo(Note, half).insert(Note("half")))
                del inner, half
                gc.collect()
                await maybe_await(self.repo(Note, tx).insert(Note("outer")))
                kept = ["outer"]
        except TransactionError:
            kept = []
        self.assertEqual([note.text for note in await maybe_await(repo.list())], kept)

    async def test_what_is_closed_in_the_middle(self: Any) -> None:
        """X5: a database is not closed by another task of the thread while a transaction is open on it."""
        await self.create_tables(Note)
        refused: list[Any] = []

        async def close() -> None:
            try:
                self.db.close()
            except RuntimeError as error:  # TransactionError, or that an async connection needs aclose()
                refused.append(error)

        async with self.transaction() as tx:
            context = contextvars.Context()
            task = asyncio.get_running_loop().create_task(close(), context=context)
            await task
            await maybe_await(self.repo(Note, tx).insert(Note("kept")))
        self.assertEqual(len(refused), 1)
        self.assertEqual(await maybe_await(self.repo(Note).count()), 1)


class OverlapContract:
    """Operations that run at the same time as the code around them; inline ones don't."""

    requires = ("supports_threads",)

    async def test_the_end_of_a_transaction_waits_for_what_runs_on_its_tx(self: Any) -> None:
        """X4 X1: a block that ends while another thread or task is inside an operation on `tx` lets it finish first."""
        begun, go_on = threading.Event(), threading.Event()

        @dataclass
        class Slow:
            text: str = field(metadata={"unique_index": True})
            id: int | None = field(default=None, metadata=KEY)

            def __post_init__(self) -> None:
                begun.set()
                go_on.wait(LIMIT)

        await self.create_tables(Slow)
        handle: Any = None

        async def use(tx: Any) -> Any:
            return await maybe_await(self.repo(Slow, tx).get_or_create(lookup={"text": "late"}))

        async def block() -> None:
            nonlocal handle
            async with self.transaction() as tx:
                handle = self.spawn(use, tx)
                while not begun.is_set():
                    await maybe_await(self.pause())
                # Late enough for the block to be at its end by then; earlier, the test only proves less.
                threading.Timer(0.05, go_on.set).start()
                raise ZeroDivisionError

        with self.assertRaises(ZeroDivisionError):
            await block()
        obj, created = await handle.join()
        self.assertTrue(created)
        self.assertEqual(obj.text, "late")
        self.assertEqual(row_of(self, "SELECT count(*) FROM slow"), (0,))
        self.assertFalse(self.backend.in_transaction(self.db.conn))

    async def pause(self: Any) -> None:
        """Let the loop go on while another thread works."""
        await asyncio.sleep(0.001)


class BlockingSharingContract:
    """What only a blocking call can meet: another thread's end of a block, and a model's own code in the middle."""

    requires = ("supports_blocking_calls",)

    async def test_a_transaction_that_is_left_in_another_thread(self: Any) -> None:
        """X4: as web frameworks do with generators: it commits there, and the connection is free again."""
        repo = await self.table(Note)
        block = self.db.transaction()

        async def enter() -> None:
            self.repo(Note, block.__enter__()).insert(Note("kept"))

        async def leave() -> None:
            block.__exit__(None, None, None)

        await self.spawn(enter).join()
        await self.spawn(leave).join()
        self.assertEqual([note.text for note in repo.list()], ["kept"])
        self.assertEqual(row_of(self, "SELECT count(*) FROM note"), (1,))

    async def test_a_model_that_uses_the_database_in_the_middle(self: Any) -> None:
        """X4: code of a model that runs inside of an operation may read; a transaction of its own is refused."""
        seen: list[Any] = []
        db = self.db

        @dataclass
        class Curious:
            text: str
            id: int | None = field(default=None, metadata=KEY)

            def __post_init__(self) -> None:
                if self.id is not None:
                    seen.append(db.fetchone("SELECT count(*) AS n FROM curious"))
                    try:
                        with db.transaction():
                            seen.append("in")
                    except TransactionError:
                        seen.append("refused")

        repo = await self.table(Curious, [Curious("a")])
        self.assertEqual(repo.get(1).text, "a")
        self.assertEqual(seen, [{"n": 1}, "refused"])
        repo.insert(Curious("b"))
        self.assertFalse(self.backend.in_transaction(self.db.conn))
        self.assertEqual(row_of(self, "SELECT count(*) FROM curious"), (2,))


class TaskSharingContract:
    """What only a loop's tasks can meet."""

    requires = ("supports_tasks",)

    async def test_when_all_tasks_are_cancelled(self: Any) -> None:
        """X7: the operation ends, and undoes itself, also where every task of the loop is cancelled at once."""
        repo = await self.table(Note)
        me = asyncio.current_task()
        work = asyncio.create_task(repo.insert_many([Note(str(n)) for n in range(20_000)]))
        for _ in range(4):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {me}:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        self.assertIn(await repo.count(), (0, 20_000) if not work.cancelled() else (0,))
        self.assertFalse(self.backend.in_transaction(self.db.conn))
