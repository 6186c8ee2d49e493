"""What the outside does to a process: SIGKILL, Ctrl-C, and a second process at the same moment.

Nothing here depends on timing. A child process that is to be killed stops itself at a chosen point (the n-th object,
statement or call of the progress handler) and says so through its pipe; a KeyboardInterrupt is raised by a profile
function at the n-th point where CPython hands a signal over to code of the package.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import unittest
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import mini_orm
from mini_orm import (
    AsyncDatabase,
    AsyncRepository,
    C,
    Database,
    Repository,
    TransactionError,
    apply_schema,
    apply_schema_async,
)
from tests.contracts.transactions import LIMIT, Account, quiet_log

PACKAGE = str(Path(mini_orm.__file__).parent)
ROOT = Path(mini_orm.__file__).parent.parent
MANY = 100_000
#: Seconds after which a lock counts as left behind.
PATIENCE = 3.0


#: What every child begins with: an error ends it at once, whatever threads its drivers have.
CHILD = """
import os, sys

def end(*error):
    sys.__excepthook__(*error)
    sys.stderr.flush()
    os._exit(1)

sys.excepthook = end
"""


def child(script: str, *args: str) -> subprocess.Popen[bytes]:
    """Start a Python process that runs `script` and can import what this one can."""
    paths = [str(ROOT), str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "error"}
    return subprocess.Popen(
        [sys.executable, "-c", CHILD + script, *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )


#: The child of `Killed`: it inserts objects, and stops for ever at the point that its arguments name.
KILLED = """
import asyncio, itertools, sqlite3, sys
from tests.contracts.transactions import Account
from mini_orm import AsyncDatabase, AsyncRepository, Database, Repository

driver, path, kind, point, many = sys.argv[1:4] + [int(text) for text in sys.argv[4:]]

def stop():
    sys.stdout.write("here\\n")
    sys.stdout.flush()
    sys.stdin.read()

def stop_at(point):
    numbers = itertools.count()
    def reached(*_):
        if next(numbers) == point:
            stop()
        return 0
    return reached

def objects():
    for number in range(many):
        if kind == "object" and number == point:
            stop()
        yield Account(owner=f"owner {number}", balance=number)

def stop_at_commit(sql):
    if sql.upper().startswith("COMMIT"):
        stop()

settings = {
    "object": [],
    "statement": [("set_trace_callback", (stop_at(point),))],
    "progress": [("set_progress_handler", (stop_at(point), 1000))],
    "commit": [("set_trace_callback", (stop_at_commit,))],
    "returned": [],
    "block": [],
}[kind]

def run():
    conn = sqlite3.connect(path)
    for method, args in settings:
        getattr(conn, method)(*args)
    db = Database(conn)
    if kind == "block":
        with db.transaction() as tx:
            Repository(tx, Account).insert_many(objects())
            stop()
    Repository(db, Account).insert_many(objects())
    stop()

async def run_async():
    import aiosqlite
    conn = await aiosqlite.connect(path) if driver == "aiosqlite" else sqlite3.connect(path, check_same_thread=False)
    for method, args in settings:
        result = getattr(conn, method)(*args)
        if result is not None:
            await result
    db = AsyncDatabase(conn)
    if kind == "block":
        async with db.transaction() as tx:
            await AsyncRepository(tx, Account).insert_many(objects())
            stop()
    await AsyncRepository(db, Account).insert_many(objects())
    stop()

if driver == "sqlite3":
    run()
else:
    asyncio.run(run_async())
"""


class Killed(unittest.TestCase):
    """B3: a process that is killed (SIGKILL) in the middle of `insert_many` leaves all or nothing."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="mini_orm_test_")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def prepared(self, name: str) -> Path:
        path = self.directory / name
        with Database(sqlite3.connect(path)) as db:
            apply_schema(db, Account)
            Repository(db, Account).insert(Account(owner="was there"))
        return path

    def kill_at(self, moments: list[tuple[str, str, int]], many: int, journal: str = "delete") -> None:
        """Kill one process at each of the moments `(driver, kind, point)`, two at a time; check what each left."""
        for pair in pairs(moments):
            running = []
            for driver, kind, point in pair:
                path = self.prepared(f"{driver}-{kind}-{point}-{many}-{journal}.sqlite3")
                if journal == "wal":
                    with contextlib.closing(sqlite3.connect(path)) as conn:
                        conn.execute("PRAGMA journal_mode = WAL")
                process = child(KILLED, driver, str(path), kind, str(point), str(many))
                running.append((driver, kind, point, path, process))
            for driver, kind, point, path, process in running:
                with self.subTest(driver=driver, kind=kind, point=point, journal=journal), process:
                    assert process.stdout is not None and process.stderr is not None
                    line = process.stdout.readline()
                    process.kill()
                    self.assertEqual(line, b"here\n", process.stderr.read().decode())
                    process.wait(LIMIT)
                    self.check(path, many if kind == "returned" else 0)

    def check(self, path: Path, expected: int) -> None:
        """Check that the file holds `expected` new rows and is sound, and that work goes on in it."""
        with contextlib.closing(sqlite3.connect(path)) as conn:
            self.assertEqual(conn.execute("SELECT count(*) FROM account").fetchone(), (1 + expected,))
            self.assertEqual(conn.execute("PRAGMA integrity_check").fetchone(), ("ok",))
        if expected:
            return
        with Database(sqlite3.connect(path)) as db:
            repo = Repository(db, Account)
            repo.insert_many(Account(owner=f"owner {number}") for number in range(100))
            self.assertEqual(repo.count(), 101)

    def test_between_objects(self) -> None:
        """B3 X1: killed between two of 100,000 objects, in the middle and at the last, and of few: nothing is there."""
        self.kill_at([("sqlite3", "object", MANY - 1), ("aiosqlite", "object", MANY // 2)], MANY)
        self.kill_at([("sqlite3", "object", 1), ("worker", "object", 7)], 10)

    def test_inside_statements(self) -> None:
        """B3 X1: killed inside statements: at the n-th one, and at the n-th thousand of SQLite's own steps."""
        self.kill_at(
            [("sqlite3", "progress", 500), ("sqlite3", "progress", 1200), ("aiosqlite", "progress", 700)], MANY
        )

    def test_at_commit(self) -> None:
        """B3 X1: killed as COMMIT starts: nothing is there; killed when the call has returned: everything is."""
        self.kill_at(
            [
                ("sqlite3", "commit", 0),
                ("sqlite3", "returned", 0),
                ("worker", "commit", 0),
                ("aiosqlite", "returned", 0),
            ],
            MANY,
        )

    def test_in_a_block(self) -> None:
        """X1: killed at the end of a transaction's block, before its COMMIT, with a journal and with WAL."""
        for journal in ("delete", "wal"):
            self.kill_at([("sqlite3", "block", 0), ("aiosqlite", "block", 0)], MANY // 10, journal)

    def test_few_rows(self) -> None:
        """B3 X1: the same for a few rows, at each of the first statements."""
        self.kill_at([("sqlite3", "statement", point) for point in (1, 2, 3)] + [("worker", "statement", 2)], 50)


def pairs(items: list[Any]) -> Iterator[list[Any]]:
    """Yield two items at a time."""
    for start in range(0, len(items), 2):
        yield items[start : start + 2]


class Interruption:
    """Raise KeyboardInterrupt at the n-th point of the package's code where CPython could have raised it.

    The interpreter runs a signal's handler as a Python function starts or resumes, and as a call of a C function
    returns: those are the `call` and `c_return` events of a profile function, and an exception that one raises comes
    out of the very instruction. (A line event would do so where no signal ever arrives, on the line of a `with` that
    is being left, say, or inside `finally`, and miss the moment between `lock.acquire()` and the next line's `try`.)
    """

    def __init__(self, point: int) -> None:
        self.point = point
        self.where: str | None = None
        self._numbers = itertools.count()

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        if event not in ("call", "c_return") or not code.co_filename.startswith(PACKAGE) or dropped(frame):
            return
        if next(self._numbers) == self.point:
            sys.setprofile(None)
            self.where = f"{event} {getattr(arg, '__name__', '')} at {code.co_filename}:{frame.f_lineno} {code.co_name}"
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def armed(self) -> Iterator[None]:
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)


def dropped(frame: FrameType | None) -> bool:
    """Whether the interpreter drops exceptions here: in a `__del__`, or as a generator expression is closed.

    `__aexit__` counts, too: asyncio turns Ctrl-C into a cancellation, which comes at an await. An interrupt in the
    first instruction of `__aexit__` could be answered by nobody who may await, before the frames are gone.
    """
    if frame is not None and frame.f_code.co_name in ("<genexpr>", "__aexit__"):
        return True
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


class InterruptedCase(unittest.TestCase):
    """What both faces share: the file, and what must hold after each interrupt."""

    conn: sqlite3.Connection
    #: What interrupted work leaves in its context is there for the checks after it, and not for the next point.
    context: contextvars.Context

    def setUp(self) -> None:
        self.context = contextvars.Context()
        directory = tempfile.TemporaryDirectory(prefix="mini_orm_test_")
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "test.sqlite3"
        self.look = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(self.look.close)
        self.look.execute("PRAGMA journal_mode = WAL")
        self.look.execute("PRAGMA synchronous = OFF")
        self.enterContext(quiet_log())
        # The coroutines of operations that an interrupt kept from beginning.
        self.enterContext(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        self.addCleanup(gc.collect)
        # What is alive now need not be looked at by each collection.
        gc.collect()
        gc.freeze()
        self.addCleanup(gc.unfreeze)

    def reopen(self) -> None:
        """Go on with a new connection."""
        raise NotImplementedError

    def usable(self) -> None:
        """Check that neither transaction nor lock is left over."""
        raise NotImplementedError

    def at_every_point(self, name: str, work: Callable[[], Any], counts: tuple[int, ...]) -> None:
        """Run `work` once for each point, interrupted there; then check, and count the rows it left.

        `counts` are the numbers of rows that it may leave; the last is that of undisturbed work.
        """
        work()  # statements are compiled and kept now, so that the points are those of every later call
        self.clear()
        for point in itertools.count():
            interruption = Interruption(point)
            self.context = contextvars.Context()
            raised = whole = False
            failure: Exception | None = None
            try:
                with interruption.armed():
                    work()
            except KeyboardInterrupt:
                raised = True
            except Exception as exc:
                failure = exc
            with self.subTest(work=name, point=point, where=interruption.where):
                if failure is not None:
                    raise failure
                self.assertEqual(raised, interruption.where is not None, "the interrupt was swallowed")
                self.usable()
                (count,) = self.look.execute("SELECT count(*) FROM account").fetchone()
                self.assertIn(count, counts if raised else counts[-1:])
                whole = True
            if not whole:
                self.conn.close()
                self.reopen()
            self.clear()
            if interruption.where is None:
                break
        self.assertGreater(point, 5, "the profile function saw nothing of the package")

    def clear(self) -> None:
        self.look.execute("DELETE FROM account")


class Interrupted(InterruptedCase):
    """X1 X7: Ctrl-C anywhere inside the sync face leaves no transaction open and no lock held."""

    def setUp(self) -> None:
        super().setUp()
        self.reopen()
        apply_schema(self.db, Account)

    def reopen(self) -> None:
        self.conn = sqlite3.connect(self.path, check_same_thread=False)
        self.addCleanup(self.conn.close)
        self.db = Database(self.conn)
        self.repo = Repository(self.db, Account)
        self.db.execute("PRAGMA synchronous = OFF")

    def usable(self) -> None:
        self.assertFalse(self.conn.in_transaction, "a transaction is still open")
        outcome: list[Any] = []

        def other() -> None:
            try:
                outcome.append(self.repo.count())
                with self.db.transaction() as tx:
                    outcome.append(Repository(tx, Account).count())
            except Exception as exc:
                outcome.append(exc)

        thread = threading.Thread(target=contextvars.Context().run, args=(other,), daemon=True)
        thread.start()
        thread.join(PATIENCE)
        self.assertEqual(len(outcome), 2, f"the connection's lock is still held, or the use failed: {outcome}")
        self.assertEqual(outcome[0], outcome[1])
        self.assertEqual(self.context.run(self.repo.count), outcome[0])
        self.assertEqual(self.conn.isolation_level, "", "the connection's mode was not put back")

    def at_every(self, name: str, work: Callable[[], Any], *counts: int) -> None:
        self.at_every_point(name, lambda: self.context.run(work), counts)

    def test_transaction(self) -> None:
        """X1: entering, using and leaving a block, by commit and by rollback."""

        def commits() -> None:
            with self.db.transaction() as tx:
                tx.execute("INSERT INTO account (owner, balance) VALUES ('a', 1)")
                tx.execute("INSERT INTO account (owner, balance) VALUES ('b', 1)")

        def fails() -> None:
            with contextlib.suppress(ZeroDivisionError), self.db.transaction() as tx:
                tx.execute("INSERT INTO account (owner, balance) VALUES ('a', 1)")
                raise ZeroDivisionError

        self.at_every("commit", commits, 0, 2)
        self.at_every("rollback", fails, 0)

    def test_savepoints(self) -> None:
        """X1: inner blocks, one that is released and one that is undone."""

        def work() -> None:
            with self.db.transaction() as tx:
                with tx.transaction() as inner:
                    inner.execute("INSERT INTO account (owner, balance) VALUES ('a', 1)")
                with contextlib.suppress(ZeroDivisionError), self.db.transaction() as inner:
                    inner.execute("INSERT INTO account (owner, balance) VALUES ('b', 1)")
                    raise ZeroDivisionError

        self.at_every("savepoints", work, 0, 1)

    def test_caught_inside_a_block(self) -> None:
        """X1 X7: an interrupt that the user catches inside the block, around a call, leaves a block that is whole."""

        def work() -> None:
            caught: KeyboardInterrupt | None = None
            try:
                with self.db.transaction() as tx:
                    repo = Repository(tx, Account)
                    try:
                        repo.insert_many([Account(owner="a"), Account(owner="b")])
                    except KeyboardInterrupt as exc:
                        caught = exc
                    if caught is None:
                        repo.insert(Account(owner="c"))
            except TransactionError:
                # The way back to the savepoint was what was interrupted: the whole is rolled back, and says so.
                if caught is None:
                    raise
            if caught is not None:
                raise caught

        self.at_every("caught", work, 0, 2, 3)

    def test_insert(self) -> None:
        """R6: `insert`, of one row and one statement."""
        self.at_every("insert", lambda: self.repo.insert(Account(owner="a")), 0, 1)

    def test_insert_many(self) -> None:
        """R6 B3: `insert_many`, alone and in a block."""

        def inside() -> None:
            with self.db.transaction() as tx:
                Repository(tx, Account).insert_many(Account(owner=str(number)) for number in range(5))

        self.at_every(
            "insert_many", lambda: self.repo.insert_many(Account(owner=str(number)) for number in range(5)), 0, 5
        )
        self.at_every("insert_many in a block", inside, 0, 5)

    def test_get_or_create(self) -> None:
        """R6 G1: `get_or_create`, when it makes the row and when it finds it."""
        self.at_every("create", lambda: self.repo.get_or_create(lookup={"owner": "a"}), 0, 1)

        def both() -> None:
            self.repo.get_or_create(lookup={"owner": "a"})
            self.repo.get_or_create(lookup={"owner": "a"})

        self.at_every("create and get", both, 0, 1)

    def test_reads_and_writes(self) -> None:
        """R6: reads, updates and deletes."""

        def work() -> None:
            row = self.repo.insert(Account(owner="a"))
            row.balance = 3
            self.repo.update(row)
            self.repo.get(row.id)
            self.repo.list(where=C.eq("owner", "a"), limit=1)
            self.repo.update_where({"balance": 4}, allow_all=True)
            self.db.fetchall("SELECT * FROM account")
            self.repo.delete(row)

        self.at_every("reads and writes", work, 0, 1, 0)

    def test_run_in_transaction(self) -> None:
        """X9: `run_in_transaction`."""

        def body(tx: Database) -> None:
            Repository(tx, Account).insert(Account(owner="a"))
            Repository(tx, Account).insert(Account(owner="b"))

        self.at_every("run_in_transaction", lambda: self.db.run_in_transaction(body), 0, 2)

    def test_joined(self) -> None:
        """X2: in the user's own transaction: it stays open, and is the user's to end."""

        def work() -> None:
            self.conn.execute("BEGIN")
            try:
                self.repo.insert_many([Account(owner="a"), Account(owner="b")])
            finally:
                if not self.conn.in_transaction:
                    raise AssertionError("the user's transaction was ended")
                self.conn.rollback()

        self.at_every("joined", work, 0)

    @unittest.skipUnless(
        threading.current_thread() is threading.main_thread(), "signals reach Python's main thread only"
    )
    def test_while_waiting_for_the_connection(self) -> None:
        """X4 X7: a real Ctrl-C for a thread that waits for another's transaction: it goes on, the lock is whole."""
        holding, raised, release = threading.Event(), threading.Event(), threading.Event()
        main = threading.get_ident()

        def handler(*_: Any) -> None:
            if not raised.is_set():
                raised.set()
                raise KeyboardInterrupt

        def holder() -> None:
            with self.db.transaction() as tx:
                Repository(tx, Account).insert(Account(owner="holder"))
                holding.set()
                while not self.db._source.lock.waiters:
                    pass
                # Again, as a signal right before the thread begins to wait does not wake it.
                while not raised.wait(0.05):
                    signal.pthread_kill(main, signal.SIGINT)
                release.wait(LIMIT)

        previous = signal.signal(signal.SIGINT, handler)
        self.addCleanup(signal.signal, signal.SIGINT, previous)
        thread = threading.Thread(target=holder, daemon=True)
        thread.start()
        holding.wait(LIMIT)
        with self.assertRaises(KeyboardInterrupt):
            self.repo.insert(Account(owner="waiting"))
        release.set()
        thread.join(LIMIT)
        self.assertFalse(thread.is_alive())
        self.assertEqual([account.owner for account in self.repo.list()], ["holder"])
        self.usable()


class InterruptedInline(InterruptedCase):
    """X1 X7: the same on the async face, on a connection bound to the loop's thread.

    asyncio turns Ctrl-C into a cancellation of the main task (X7); a KeyboardInterrupt inside of a task is the second
    Ctrl-C, or that of a loop which was started by hand.
    """

    def setUp(self) -> None:
        super().setUp()
        self.reopen()
        self.runner.run(apply_schema_async(self.db, Account))

    def reopen(self) -> None:
        self.runner = asyncio.Runner()
        self.addCleanup(self.close_runner, self.runner)
        self.conn = sqlite3.connect(self.path)
        self.addCleanup(self.conn.close)
        self.db = AsyncDatabase(self.conn)
        self.repo = AsyncRepository(self.db, Account)
        self.runner.run(self.db.execute("PRAGMA synchronous = OFF"))

    def close_runner(self, runner: asyncio.Runner) -> None:
        if not asyncio.all_tasks(runner.get_loop()):  # a stuck one would keep it from closing
            runner.close()

    async def use(self) -> None:
        async def other() -> None:
            async with asyncio.timeout(PATIENCE), self.db.transaction() as tx:
                await AsyncRepository(tx, Account).count()

        await asyncio.get_running_loop().create_task(other(), context=contextvars.Context())
        async with asyncio.timeout(PATIENCE):
            await self.repo.count()

    def usable(self) -> None:
        # The loop's task keeps the interrupt, with the frames that it came through, in a cycle.
        self.runner.run(asyncio.sleep(0))
        gc.collect()
        self.assertFalse(self.conn.in_transaction, "a transaction is still open")
        self.runner.run(self.use(), context=self.context)
        self.assertEqual(self.conn.isolation_level, "", "the connection's mode was not put back")

    def at_every(self, name: str, work: Callable[[], Any], *counts: int) -> None:
        def limited() -> None:
            # What is stuck may bear a cancellation, too: the loop is stopped, and `run` raises a RuntimeError.
            loop = self.runner.get_loop()
            alarm = loop.call_later(PATIENCE, loop.stop)
            try:
                self.runner.run(work(), context=self.context)
            finally:
                alarm.cancel()

        self.at_every_point(name, limited, counts)

    def test_transaction(self) -> None:
        """X1: entering, using and leaving a block with an inner one, by commit and by rollback."""

        async def commits() -> None:
            async with self.db.transaction() as tx:
                await tx.execute("INSERT INTO account (owner, balance) VALUES ('a', 1)")
                async with tx.transaction() as inner:
                    await inner.execute("INSERT INTO account (owner, balance) VALUES ('b', 1)")

        async def fails() -> None:
            with contextlib.suppress(ZeroDivisionError):
                async with self.db.transaction() as tx:
                    await tx.execute("INSERT INTO account (owner, balance) VALUES ('a', 1)")
                    raise ZeroDivisionError

        self.at_every("commit", commits, 0, 2)
        self.at_every("rollback", fails, 0)

    def test_calls(self) -> None:
        """R6 B3 G1 X9: single calls of one and of several statements."""

        async def insert() -> None:
            await self.repo.insert(Account(owner="a"))

        async def insert_many() -> None:
            await self.repo.insert_many(Account(owner=str(number)) for number in range(5))

        async def get_or_create() -> None:
            await self.repo.get_or_create(lookup={"owner": "a"})
            await self.repo.get_or_create(lookup={"owner": "a"})

        async def body(tx: AsyncDatabase) -> None:
            await AsyncRepository(tx, Account).insert(Account(owner="a"))
            await AsyncRepository(tx, Account).insert(Account(owner="b"))

        async def run_in_transaction() -> None:
            await self.db.run_in_transaction(body)

        self.at_every("insert", insert, 0, 1)
        self.at_every("insert_many", insert_many, 0, 5)
        self.at_every("get_or_create", get_or_create, 0, 1)
        self.at_every("run_in_transaction", run_in_transaction, 0, 2)


#: The child of `TwoProcesses`: it says that it is ready, waits for the word, and makes the schemas.
SCHEMA = """
import asyncio, sqlite3, sys
from mini_orm import AsyncDatabase, Database, apply_schema, apply_schema_async
from tests.test_faults import Author, Book

directory, face, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()

async def run_async(path):
    import aiosqlite
    async with AsyncDatabase(await aiosqlite.connect(path)) as db:
        await apply_schema_async(db, [Book, Author], if_not_exists=True)

for number in range(rounds):
    path = f"{directory}/{number}.sqlite3"
    if face == "async":
        asyncio.run(run_async(path))
    else:
        with Database(sqlite3.connect(path)) as db:
            apply_schema(db, [Book, Author], if_not_exists=True)
"""


@dataclass
class Author:
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})
    name: str = field(default="", metadata={"unique_index": True})
    born: int = field(default=0, metadata={"index": True})


@dataclass
class Book:
    __indexes__ = [("title", "year"), {"columns": ("year", "author_id"), "unique": True}]

    id: int | None = field(default=None, metadata={"pk": True, "auto": True})
    title: str = field(default="", metadata={"index": True})
    year: int = 0
    author_id: int | None = field(default=None, metadata={"fk": (Author, "id"), "index": True})


class TwoProcesses(unittest.TestCase):
    """S1: two processes that make the same schema at once don't collide."""

    def test_apply_schema(self) -> None:
        """S1: `apply_schema(if_not_exists=True)` of two processes on one new file, twenty files, both faces."""
        rounds = 20
        for faces in (("sync", "sync"), ("sync", "async")):
            with self.subTest(faces=faces), tempfile.TemporaryDirectory(prefix="mini_orm_test_") as directory:
                processes = [child(SCHEMA, directory, face, str(rounds)) for face in faces]
                for process in processes:
                    assert process.stdout is not None
                    process.stdout.readline()
                outcomes = []
                for process in processes:
                    assert process.stdin is not None
                    process.stdin.write(b"go\n")
                    process.stdin.flush()
                for process in processes:
                    _, errors = process.communicate(timeout=2 * LIMIT)
                    outcomes.append((process.returncode, errors.decode()))
                self.assertEqual(outcomes, [(0, "")] * 2)
                found = {tuple(self.schema(Path(directory) / f"{number}.sqlite3")) for number in range(rounds)}
                self.assertEqual(len(found), 1)
                (names,) = found
                self.assertEqual([name for name in names if "idx" not in name], ["author", "book"])
                self.assertEqual(len(names), 8)

    def schema(self, path: Path) -> list[str]:
        with contextlib.closing(sqlite3.connect(path)) as conn:
            return [name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE sql > '' ORDER BY name")]
