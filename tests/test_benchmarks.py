"""The benchmark runs, compares what it measures, and says so where results differ. No test looks at a time."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pymysql  # type: ignore[import-untyped]  # it has no py.typed

from benchmarks import report, sql
from benchmarks.contestants.mysql import connect as mysql_connect
from benchmarks.contestants.postgres import connect
from benchmarks.contestants.sqlite_raw import RawSqlite3
from benchmarks.databases import DATABASES, Databases, NotAvailable, SqliteFiles
from benchmarks.databases_mysql import MySQLDatabases
from benchmarks.databases_postgres import PostgresDatabases
from benchmarks.operations import BY_NAME, OPERATIONS, Operation, measured_on
from benchmarks.profiling import Samples, listing
from benchmarks.rounds import ContestantFailed, RemoteContestant, Result, disagreeing, measure
from benchmarks.worker import digest_of, made, turn
from tests import servers
from tests.backends.base import IS_QUICK
from tests.benchmark_contestants import Fails, ForgetsAColumn, WrongCount
from tests.servers.server import free_port

ROOT = Path(__file__).resolve().parent.parent
#: Where workers find the contestants of these tests.
MODULE = "tests.benchmark_contestants"
#: The operations of tasks.
AWAITED = ("get_tasks", "list_tasks")


def on(server: str) -> Callable[[Any], Any]:
    """Skip a test where this server is missing, and in a quick run."""
    if IS_QUICK:
        return unittest.skip("a quick run, MINI_ORM_TEST_DRIVERS=few, measures SQLite alone")
    return unittest.skipIf(servers.SERVERS[server].from_environment() is None, servers.reason(server))


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, with warnings as errors in all of its processes."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "benchmarks.sql", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


@contextlib.contextmanager
def unnamed_server() -> Iterator[None]:
    """Hide the server of this run."""
    with mock.patch.dict(os.environ):
        for variable, _ in servers.Postgres.variables.values():
            os.environ.pop(variable, None)
        yield


class TheCommand(unittest.TestCase):
    """`python -m benchmarks.sql`, in processes of its own."""

    def check_a_quick_run(self, database: str, *, drivers: Sequence[str] = ()) -> None:
        """See that every operation is there with a ratio, and that everybody's results are the same.

        Args:
            drivers: the further ones, on which all is done that is not awaited.
        """
        with tempfile.TemporaryDirectory(prefix="mini_orm_test_") as directory:
            path = Path(directory) / "run.json"
            run = benchmark("--db", database, "--quick", "--json", str(path))
            self.assertEqual(run.returncode, 0, run.stderr)
            found = json.loads(path.read_text(encoding="utf-8"))
        operations = measured_on(database)
        self.assertEqual(list(found["operations"]), [operation.name for operation in operations])
        for operation in operations:
            with self.subTest(operation=operation.name):
                entry = found["operations"][operation.name]
                self.assertEqual(entry["disagreeing"], [])
                others = () if operation.name in AWAITED else drivers
                kinds = ["", *(f" ({driver})" for driver in others)]
                self.assertEqual(
                    set(entry["seconds"]), {f"{who}{kind}" for who in ("raw", "mini_orm") for kind in kinds}
                )
                for kind in kinds:
                    self.assertIsNotNone(entry["median_ratio"][f"mini_orm{kind}"])
                [line] = [line for line in run.stdout.splitlines() if f"| `{operation.name}` " in line]
                self.assertNotIn("differ", line)
                self.assertEqual(line.count(f" {report.GAP} |"), 3 * (len(drivers) - len(others)))
        self.assertEqual(found["import"]["modules"], [])
        self.assertIn("`import mini_orm`", run.stdout)

    def test_a_quick_run(self) -> None:
        """On SQLite, which is always there."""
        self.check_a_quick_run("sqlite")

    @on("postgres")
    def test_a_quick_run_on_postgres(self) -> None:
        """On the server of this run."""
        self.check_a_quick_run("postgres")

    @on("mysql")
    def test_a_quick_run_on_mysql(self) -> None:
        """On the server of this run, each driver beside hand-written code on the same one."""
        self.check_a_quick_run("mysql", drivers=["PyMySQL"])

    @on("postgres")
    def test_nothing_is_left_on_the_server(self) -> None:
        """Databases are dropped, also while somebody has them open."""
        with PostgresDatabases(10) as databases:
            address = databases.new()
            still_open = connect(address)
        self.addCleanup(still_open.close)
        with self.assertRaisesRegex(psycopg.OperationalError, "does not exist"):
            connect(address)

    @on("mysql")
    def test_nothing_is_left_on_mysql(self) -> None:
        """As on PostgreSQL."""
        with MySQLDatabases(10) as databases:
            address = databases.new()
            still_open = mysql_connect("pymysql", address)
        self.addCleanup(still_open.close)
        with self.assertRaisesRegex(pymysql.OperationalError, "Unknown database"):
            mysql_connect("pymysql", address)

    def test_a_server_of_its_own(self) -> None:
        """Without variables a private server is started, and gone at the end; where none can be had, it says so."""
        with unnamed_server():
            try:
                with PostgresDatabases(10) as databases:
                    self.assertIsNotNone(servers.postgres())
                    self.assertIn("PostgreSQL", databases.versions())
                    contestant = made("benchmarks.contestants.postgres_psycopg:RawPsycopg", databases.new())
                    self.assertEqual(len(contestant.stored("users")), 10)
                    contestant.close()
            except NotAvailable as exc:
                self.assertIn("MINI_ORM_PG_HOST", str(exc))
            self.assertIsNone(servers.postgres())

    def test_no_server(self) -> None:
        """A server that is named and not there is said in one line, and is the exit code."""
        for database, prefix in (("postgres", "MINI_ORM_PG"), ("mysql", "MINI_ORM_MYSQL")):
            nobody = {f"{prefix}_HOST": "127.0.0.1", f"{prefix}_PORT": str(free_port())}
            with (
                self.subTest(database=database),
                mock.patch.dict(os.environ, nobody),
                contextlib.redirect_stderr(io.StringIO()) as said,
            ):
                self.assertEqual(sql.main(["--db", database, "--quick", "--only", "get"]), 1)
            self.assertIn("can't be reached", said.getvalue())

    def test_arguments_that_make_no_sense(self) -> None:
        """They are refused before anything is measured; a table of a part is never written into the README."""
        for arguments in (
            ["--only", "nothing"],
            ["--rows", "0"],
            ["--db", "none"],
            ["--write-readme", "--quick"],
            ["--db", "sqlite", "--only", "get_tasks"],
            ["--db", "postgres", "--profile", "get_async"],
            ["--db", "mysql", "--only", "get_async"],
        ):
            with self.subTest(arguments=arguments), contextlib.redirect_stderr(io.StringIO()) as said:
                with self.assertRaises(SystemExit) as stopped:
                    sql.main(arguments)
                self.assertEqual(stopped.exception.code, 2)
                self.assertIn(arguments[0], said.getvalue().partition("error:")[2])


class Comparing(unittest.TestCase):
    """Results that are not equal are found, wherever the difference is."""

    databases: Databases

    @classmethod
    def setUpClass(cls) -> None:
        cls.databases = cls.enterClassContext(SqliteFiles(50))

    def measured(self, operation: str, *contestants: type) -> Result:
        """Measure some of this module's contestants in processes of their own, named by their classes."""
        with contextlib.ExitStack() as stack:
            remote = [
                stack.enter_context(RemoteContestant(one.__name__, f"{one.__module__}:{one.__name__}", address))
                for one in contestants
                for address in [self.databases.new()]
            ]
            return measure(BY_NAME[operation], remote, rows=50, calls=4, repeats=1)

    def test_digests(self) -> None:
        """The digest of equal values is equal; a bool is no int, and a list no tuple."""
        self.assertEqual(digest_of([1, "a"], None), digest_of([1, "a"], None))
        for other in ([True, "a"], [1, "b"], (1, "a"), ["a", 1]):
            self.assertNotEqual(digest_of([1, "a"]), digest_of(other))

    def test_disagreeing(self) -> None:
        """Those are named whose digest is not the first's."""
        self.assertEqual(disagreeing({}), set())
        self.assertEqual(disagreeing({"raw": "a"}), set())
        self.assertEqual(disagreeing({"raw": "a", "one": "a", "two": "a"}), set())
        self.assertEqual(disagreeing({"raw": "a", "one": "a", "two": "b"}), {"two"})

    def test_another_result(self) -> None:
        """A contestant that returns something else is named; the same one is not where it is right."""
        self.assertEqual(self.measured("count", RawSqlite3, WrongCount).disagreeing, {"WrongCount"})
        self.assertEqual(self.measured("exists", RawSqlite3, WrongCount).disagreeing, set())

    def test_another_table(self) -> None:
        """What was written counts, whatever was returned."""
        found = self.measured("update_in_transaction", RawSqlite3, ForgetsAColumn)
        self.assertEqual(found.disagreeing, {"ForgetsAColumn"})

    def test_failure(self) -> None:
        """A contestant that raises ends the run, with its traceback."""
        with self.assertRaisesRegex(ContestantFailed, r"(?s)Fails: .*ValueError: not today"):
            self.measured("count", Fails)

    def test_a_gap(self) -> None:
        """Who has no such operation has no time, and no ratio."""
        found = self.measured("get_async", RawSqlite3)
        self.assertEqual((found.seconds, found.median_ratio("mini_orm"), found.disagreeing), ({}, None, set()))

    def test_a_package_that_is_not_installed(self) -> None:
        """It is named, and its contestant can do nothing; a module of ours that is missing is a failure."""
        with RemoteContestant("peer", f"{MODULE}:not_installed", self.databases.new()) as peer:
            self.assertEqual((peer.missing, peer.operations), ("no_such_package", frozenset()))
        with self.assertRaisesRegex(ContestantFailed, r"(?s)peer: .*benchmarks\.nothing"):
            RemoteContestant("peer", "benchmarks.nothing:Peer", self.databases.new())

    def test_the_command_fails(self) -> None:
        """Results that differ are said in the table and on stderr, and are the exit code."""
        different = {"sqlite": {"raw": (f"{MODULE}:RawSqlite3",), "mini_orm": (f"{MODULE}:WrongCount",)}}
        with (
            mock.patch.object(sql, "CONTESTANTS", different),
            contextlib.redirect_stdout(io.StringIO()) as out,
            contextlib.redirect_stderr(io.StringIO()) as err,
        ):
            code = sql.main(["--quick", "--only", "count", "--only", "exists"])
        self.assertEqual(code, 1)
        self.assertRegex(out.getvalue(), r"`count` .* results differ: mini_orm")
        self.assertNotRegex(out.getvalue(), r"`exists` .* differ")
        self.assertIn("results differ in: count", err.getvalue())

    def check_turns(self, where: str, address: str) -> None:
        """See that what an operation wrote is put back, so that the same round has the same digest again."""
        contestant = made(where, address)
        self.addCleanup(contestant.close)
        for operation in OPERATIONS:
            if operation.name in contestant.operations:
                with self.subTest(operation=operation.name):
                    before = [contestant.stored(table) for table in ("users", "contacts", "members")]
                    first, second = ([*turn(contestant, operation.name, 1, 50, 4)][-1]["digest"] for _ in range(2))
                    self.assertEqual(first, second)
                    after = [contestant.stored(table) for table in ("users", "contacts", "members")]
                    self.assertEqual(before, after)

    def test_every_turn_finds_the_same_rows(self) -> None:
        """Whatever it wrote before."""
        self.check_turns("benchmarks.contestants.sqlite_raw:RawSqlite3", self.databases.new())

    @on("postgres")
    def test_every_turn_finds_the_same_rows_on_postgres(self) -> None:
        """Whatever it wrote before, and keys go on from where they were."""
        databases = self.enterContext(PostgresDatabases(50))
        for where in ("postgres_psycopg:RawPsycopg", "postgres_mini_orm:MiniOrm"):
            self.check_turns(f"benchmarks.contestants.{where}", databases.new())

    @on("mysql")
    def test_every_turn_finds_the_same_rows_on_mysql(self) -> None:
        """As on PostgreSQL."""
        databases = self.enterContext(MySQLDatabases(50))
        for where in ("mysql_raw:RawPyMySQL", "mysql_mini_orm:OverPyMySQL"):
            self.check_turns(f"benchmarks.contestants.{where}", databases.new())


class Reporting(unittest.TestCase):
    """Numbers that are known."""

    def result(self, **seconds: list[float]) -> Result:
        operation = Operation("get", "get by key", {"sqlite": 1.0}, 1, mock.Mock(), mock.Mock())
        return Result(operation, seconds)

    def test_ratios(self) -> None:
        """The median is that of the rounds' ratios, the minimum that of the shortest times."""
        result = self.result(raw=[1.0, 2.0, 4.0], mini_orm=[2.0, 3.0, 2.0])
        self.assertEqual(result.ratios("mini_orm"), [2.0, 1.5, 0.5])
        self.assertEqual((result.median_ratio("mini_orm"), result.least_ratio("mini_orm")), (1.5, 2.0))

    def test_marks(self) -> None:
        """A ratio is judged as it is shown; a gap is not judged."""
        marks = [report.mark(value, 1.0) for value in (0.5, 1.004, 1.01, 1.3, 1.31, None)]
        self.assertEqual(marks, ["", "", "over", "over", "over 1.3 x target", ""])
        self.assertEqual(report.mark(2.0, None), "")

    def test_a_table_with_gaps(self) -> None:
        """Peers have columns of their own, and what they can't do is a gap."""
        results = [self.result(raw=[1e-6, 1e-6], mini_orm=[2e-6, 2e-6]), self.result(raw=[1e-6], peer=[3e-6])]
        lines = report.table(results, "sqlite", ["raw", "mini_orm", "peer"]).splitlines()
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        self.assertEqual(
            cells[0], ["operation", "name", "raw, µs", "mini_orm: min", "median", "peer: min", "median", "target", ""]
        )
        shown = ["get by key", "`get`", "1.00 / call"]
        self.assertEqual(cells[2], [*shown, "2.00", "2.00", "-", "-", "1.00", "over 1.3 x target"])
        self.assertEqual(cells[3], [*shown, "-", "-", "3.00", "3.00", "1.00", ""])

    def test_another_driver(self) -> None:
        """Who names one is measured by hand-written code on the same one, whose time has a column of its own."""
        seconds = {"raw": [1e-6], "mini_orm": [3e-6], "raw (other)": [2e-6], "mini_orm (other)": [4e-6]}
        result = self.result(**seconds)
        self.assertEqual((result.median_ratio("mini_orm (other)"), result.least_ratio("mini_orm (other)")), (2.0, 2.0))
        [heads, _, line] = report.table([result], "sqlite", list(seconds)).splitlines()
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        self.assertEqual(cells[2:8], ["1.00 / call", "3.00", "3.00", "2.00 / call", "2.00", "2.00"])
        self.assertIn("| raw (other), µs | mini_orm (other): min | median |", " ".join(heads.split()))

    def test_the_readme_has_its_markers(self) -> None:
        """The table can be replaced, once or again, and nothing else changes."""
        readme = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
        for database in DATABASES:
            once = report.replaced(readme, database, "a table")
            self.assertIn("\n\na table\n\n", once)
            self.assertEqual(report.replaced(once, database, "a table"), once)
        with self.assertRaisesRegex(ValueError, "nothing"):
            report.replaced(readme, "nothing", "a table")


class Profiling(unittest.TestCase):
    """The listing of samples."""

    def test_listing(self) -> None:
        """Own and total time of functions, without the paths of this machine."""
        frame = sys._getframe()
        samples = Samples()
        for _ in range(3):
            samples.take(0, frame)
        samples.take(0, frame.f_back)
        text = listing(samples)
        self.assertIn("4 samples", text)
        self.assertRegex(text, r" 75\.0%   75\.0%  Profiling\.test_listing  tests/test_benchmarks\.py:")
        self.assertNotIn(str(ROOT), text)

    @unittest.skipUnless(hasattr(signal, "setitimer"), "needs a system whose timers send signals")
    def test_the_command(self) -> None:
        """It samples the operation that was named, through mini_orm."""
        with (
            mock.patch.object(sql, "PROFILED_SECONDS", 0.05),
            contextlib.redirect_stdout(io.StringIO()) as out,
        ):
            self.assertEqual(sql.main(["--rows", "50", "--profile", "update_where"]), 0)
        self.assertRegex(out.getvalue(), r"%  mini_orm/core/\S+\.py:\d+  ")


if __name__ == "__main__":
    unittest.main()
