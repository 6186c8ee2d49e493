"""A server that goes down under load, again and again: P6 X1 X9 what is lost, what is kept, who is served again."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import itertools
import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from unittest import mock

import psycopg
import pymysql  # type: ignore[import-untyped]  # it has no py.typed

from mini_orm import ConnectionLost, OperationalError
from mini_orm.core.database import awaiting
from tests import servers
from tests.backends import Backend, Handle, maybe_await, mysql, needs, postgres
from tests.contracts.server_tools import ServerTools
from tests.contracts.transactions import LIMIT

WORKERS = 12
#: Pairs of rows between two faults.
ENOUGH = 40


class OwnServer:
    """A server of these tests alone, which they kill and start, in place of the run's."""

    def __init__(self, own: Callable[[], contextlib.AbstractContextManager[Any]]) -> None:
        self._own = own
        self._stack = contextlib.ExitStack()

    @functools.cached_property
    def server(self) -> Any:
        return self._stack.enter_context(self._own())

    def start(self) -> None:
        """Have it run."""
        if self.server._process is None:
            self.server.start()

    def close(self) -> None:
        """Stop it, if it was ever asked for."""
        self._stack.close()
        self.__dict__.pop("server", None)

    def in_place(self) -> contextlib.AbstractContextManager[Any]:
        """Have backends use it."""
        raise NotImplementedError


class OwnPostgres(OwnServer):
    """PostgreSQL. It makes and drops schemas by connections of their own, as any other ends with it."""

    @contextlib.contextmanager
    def in_place(self) -> Iterator[Any]:
        with (
            mock.patch.object(postgres, "_test_database", lambda: self.server.params),
            mock.patch.object(postgres, "_server_connection", lambda: self),
        ):
            yield self.server

    def execute(self, sql: str) -> None:
        with psycopg.connect(**self.server.params, autocommit=True) as conn:
            conn.execute(sql)


class OwnMySQL(OwnServer):
    """MariaDB. It makes and drops databases by connections of their own, as any other ends with it."""

    Error = pymysql.Error

    @contextlib.contextmanager
    def in_place(self) -> Iterator[Any]:
        with (
            mock.patch.object(servers, "mysql", lambda: self.server.params),
            mock.patch.object(mysql, "_server_connection", lambda: self),
        ):
            yield self.server

    def execute(self, sql: str) -> Any:
        conn = mysql._raw_connection()(**self.server.params)
        with contextlib.closing(conn):
            return conn.execute(sql)  # the answer is read


#: By the names that `tests.servers` gives them.
OWN: Mapping[str, OwnServer] = {
    "postgres": OwnPostgres(servers.own_postgres),
    "mysql": OwnMySQL(servers.own_mysql),
}


def tearDownModule() -> None:
    """Stop the servers; unittest looks for this in the module that the cases say they are of."""
    for own in OWN.values():
        own.close()


class LostServerTools(ServerTools):
    """A server of one's own, and workers that write to it."""

    backend_class: type[Backend]

    @classmethod
    def own(cls) -> OwnServer:
        return OWN[str(cls.backend_class.server)]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.own().start()  # here: the event loop would complain of the time that it takes

    async def asyncSetUp(self) -> None:
        self.server = self.enterContext(self.own().in_place())
        await super().asyncSetUp()
        self.addCleanup(self.start)
        #: What became of each pair of rows: it got as far as its `body`, its `commit`, or was `kept`.
        self.fates: dict[tuple[int, int], str] = {}
        self.errors: list[Exception] = []
        self.up = self.gate()
        self.up.set()
        self.waiting: list[int] = []
        self.is_ending = False

    def start(self) -> None:
        """Have the server run, and a new connection to look from."""
        if self.server._process is None:
            self.own().start()
            self.look_anew()

    def look_anew(self) -> None:
        self.look.close()
        self.look = self.backend.raw()
        self.addCleanup(self.look.close)

    # --- load ---

    async def work(self, worker: int) -> None:
        """Write pairs of rows, each pair in a transaction, until the end; after an error wait for the server."""
        for number in itertools.count():
            if self.is_ending:
                return
            try:
                await self.write_pair(worker, number)
            except Exception as exc:
                self.errors.append(exc)
                up = self.up
                self.waiting.append(worker)
                await up.wait()

    async def write_pair(self, worker: int, number: int) -> None:
        self.fates[worker, number] = "body"
        async with self.transaction() as tx:
            await self.add(tx, f"{worker} {number} a")
            await self.add(tx, f"{worker} {number} b")
            self.fates[worker, number] = "commit"
        self.fates[worker, number] = "kept"

    @contextlib.asynccontextmanager
    async def load(self) -> Any:
        """Have all workers write inside of the block."""
        handles = [self.spawn(self.work, worker) for worker in range(WORKERS)]
        try:
            yield
        finally:
            self.is_ending = True
            self.up.set()
            await self.joined(handles)

    async def joined(self, handles: list[Handle]) -> None:
        for handle in handles:
            await self.within(handle.join())

    def kept(self) -> list[tuple[int, int]]:
        return [pair for pair, fate in [*self.fates.items()] if fate == "kept"]

    async def everybody_writes(self) -> None:
        """Let the load go on until each worker has stored some pair more, and all of them enough."""
        before = set(self.kept())

        def is_enough() -> bool:
            new = set(self.kept()) - before
            return len(new) >= ENOUGH and len({worker for worker, _ in new}) == WORKERS

        await self.until(is_enough)

    def check_rows(self) -> None:
        """Check that what was committed is there, what wasn't is not, and that nothing is there by half."""
        found = set(self.balances())
        for (worker, number), fate in self.fates.items():
            pair = {f"{worker} {number} a", f"{worker} {number} b"}
            there = pair & found
            if fate == "kept":
                self.assertEqual(there, pair, "a committed row is gone")
            elif fate == "body":
                self.assertEqual(there, set(), "a row is there that was never committed")
            else:  # the connection was lost in COMMIT: nobody can tell, but it is whole
                self.assertIn(there, (set(), pair), "half of a transaction is there")
        self.assertEqual(len(self.fates) - len(self.kept()), len(self.errors))


class LostServerContract(LostServerTools):
    """P6 X1: a server that goes down."""

    async def down_and_up(self, end: Callable[[], None]) -> None:
        """Take the server down in the middle of the load; see who notices, and who is served when it is back."""
        await self.everybody_writes()
        self.up, self.waiting = self.gate(), []
        known = len(self.errors)
        # All workers may have just committed, and could not get a new connection then: this one has its own.
        with self.assertRaises(ConnectionLost):
            async with self.transaction() as tx:
                await self.add(tx, "held")
                end()
                await self.until(lambda: len(self.waiting) == WORKERS)
        errors = self.errors[known:]
        self.assertTrue(all(isinstance(error, OperationalError) for error in errors), errors)
        self.start()
        self.check_rows()
        self.up.set()
        await self.everybody_writes()
        self.assertEqual(self.errors[known + WORKERS :], [], "a caller was not served, though the server was up again")

    async def test_killed_again_and_again(self) -> None:
        """P6 X1: killed under load, the server keeps what was committed, and everybody is served when it is back."""
        async with self.load():
            for _ in range(3):
                await self.down_and_up(self.server.kill)
        self.check_rows()
        await self.assert_whole()

    async def test_stopped(self) -> None:
        """P6 X1: the same of a server that is stopped in an orderly way, and says so."""
        async with self.load():
            await self.down_and_up(self.server.stop)
        self.check_rows()
        await self.assert_whole()


class LostSessionContract(LostServerTools):
    """P6 X1 X9: a server that ends single sessions."""

    def end_one(self, numbers: Iterable[int]) -> bool:
        """Have the server end one session out of several; tell whether there was one."""
        return any(self.sessions.end_session(self.look, number) for number in itertools.islice(numbers, 1))

    async def test_under_load(self) -> None:
        """P6 X1: sessions that end in the middle of transactions: a ConnectionLost each, and the load goes on."""

        def is_noticed(known: int) -> bool:
            # One that had just committed is replaced without anybody's notice; then the next one ends.
            self.end_one(self.in_progress())
            return len(self.errors) > known

        async with self.load():
            for _ in range(10):
                await self.until(functools.partial(is_noticed, len(self.errors)))
            await self.everybody_writes()
        strange = [error for error in self.errors if not isinstance(error, ConnectionLost)]
        self.assertEqual(strange, [])
        self.check_rows()
        await self.assert_whole()

    async def test_in_a_quiet_block(self) -> None:
        """P6 X1: a session that ends while its block does something else: the block's end says so, or its own error."""
        for inner in (False, True):
            with self.subTest(inner=inner):
                with self.assertRaises(ConnectionLost):
                    async with self.transaction() as tx:
                        await self.add(tx, "gone")
                        async with self.transaction(tx) if inner else contextlib.nullcontext(tx) as innermost:
                            await self.add(innermost, "gone, too")
                            self.assertTrue(self.end_one(self.in_progress()))
                with self.assertRaises(ZeroDivisionError):
                    async with self.transaction() as tx:
                        await self.add(tx, "gone")
                        self.assertTrue(self.end_one(self.in_progress()))
                        raise ZeroDivisionError
        self.assertEqual(self.balances(), {})
        await self.add(self.db, "served")
        await self.assert_whole()

    async def test_limits_of_the_server(self) -> None:
        """P6 X1 Errors: a session that the server ends for its own time limits is a ConnectionLost, too."""
        for statement in self.sessions.limits(self.look):
            with self.subTest(statement), self.assertRaises(ConnectionLost):
                async with self.transaction() as tx:
                    await self.add(tx, "gone")
                    await maybe_await(tx.execute(statement))
                    await self.until(lambda: not self.in_progress())
                    await self.add(tx, "late")
        self.assertEqual(self.balances(), {})
        await self.assert_whole()

    async def lost_commit(self, ready: Callable[[Any], Any], end: Callable[[], Any]) -> list[int]:
        """Write a row in `run_in_transaction`; call `ready` before COMMIT, and `end` until it is lost; return calls."""
        calls: list[int] = []

        async def write(tx: Any) -> None:
            calls.append(1)
            await self.add(tx, "doubtful")
            ready(tx)

        async def caller() -> None:
            with self.assertRaises(ConnectionLost):
                await self.in_transaction(write)

        handle = self.spawn(caller)
        await self.until(end)
        await self.within(handle.join())
        return calls

    async def test_before_the_commit_is_done(self) -> None:
        """X9 P6: lost while a COMMIT waits, by its session or with the server: nothing is kept, nothing runs twice."""
        self.sessions.prepare_to_hold_commits(self.look, "account")
        for kill in (False, True):
            with self.subTest(kill=kill), contextlib.ExitStack() as stack:
                holder = stack.enter_context(contextlib.closing(self.backend.raw()))
                held = self.sessions.hold_commits(holder)

                def end(kill: bool = kill) -> bool:
                    waiting = self.sessions.blocked_sessions(self.look)
                    if kill and waiting:
                        self.server.kill()
                    return bool(waiting) and (kill or self.end_one(waiting))

                calls = await self.lost_commit(lambda _, held=held: held.__enter__(), end)  # type: ignore[misc]
                self.assertEqual(len(calls), 1)
                self.start()
                self.assertEqual(self.balances(), {})
                if not kill:
                    held.__exit__(None, None, None)
        await self.add(self.db, "served")
        await self.assert_whole()

    @needs("refuses_commits")
    async def test_after_the_commit_is_done(self) -> None:
        """X9 P6: lost when the row is committed and the answer is not sent: it is there, and nothing runs twice."""
        self.look.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")  # a COMMIT waits for its answer
        try:
            self.look.execute("SELECT pg_reload_conf()")
            await self.until(lambda: self.value("SHOW synchronous_standby_names") == "nobody")
            waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            calls = await self.lost_commit(
                lambda _: None, lambda: self.end_one(number for (number,) in self.look.execute(waiting).fetchall())
            )
        finally:
            self.look.execute("ALTER SYSTEM RESET synchronous_standby_names")
            self.look.execute("SELECT pg_reload_conf()")
        self.assertEqual(len(calls), 1)
        self.assertEqual(self.balances(), {"doubtful": 0})
        await self.until(lambda: self.value("SHOW synchronous_standby_names") == "")
        await self.add(self.db, "served")
        await self.assert_whole()


class FrozenServerContract(LostServerTools):
    """X7: a server that does not answer any more."""

    requires = ("supports_tasks", "interrupts_statements")

    async def test_cancelled(self) -> None:
        """X7 P2: who is cancelled waits for the grace period at most; the connection is given up, its place is free."""
        self.enterContext(mock.patch.object(awaiting, "GRACE", 0.2))
        logging.getLogger("psycopg").addHandler(quiet := logging.NullHandler())  # it tells what it gives up
        self.addCleanup(logging.getLogger("psycopg").removeHandler, quiet)
        holder = self.enterContext(contextlib.closing(self.backend.raw()))
        for name, work in (("operation", self.one_row), ("transaction", self.one_transaction)):
            with self.subTest(name):
                task = asyncio.get_running_loop().create_task(work(), context=contextvars.Context())
                holder.execute("BEGIN")
                holder.execute("LOCK TABLE account")
                await self.until(lambda: self.blocked() == 1)
                pid = self.value("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
                os.kill(pid, signal.SIGSTOP)
                try:
                    holder.execute("ROLLBACK")
                    task.cancel()
                    done, _ = await asyncio.wait({task}, timeout=LIMIT)
                    self.assertTrue(done, "the cancelled task is stuck")
                    self.assertTrue(task.cancelled())
                    self.assertEqual(self.pool.stats().in_use, 0)
                    await self.add(self.db, f"served after {name}")
                finally:
                    os.kill(pid, signal.SIGCONT)
                await self.until(lambda: not self.in_progress())
        self.assertEqual(sorted(self.balances()), ["served after operation", "served after transaction"])
        await self.assert_whole()

    async def one_row(self) -> None:
        await self.add(self.db, "one")

    async def one_transaction(self) -> None:
        async with self.transaction() as tx:
            await self.add(tx, "one")
