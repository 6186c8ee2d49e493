"""The measurement of what grows: what it measures, and what it says. No test looks at a time."""

from __future__ import annotations

import contextlib
import io
import unittest
from unittest import mock

from benchmarks.databases import DATABASES, SqliteFiles
from benchmarks.growth import command
from benchmarks.growth.memory import Memory, remembered, traced
from benchmarks.growth.models import fill
from benchmarks.growth.operations import (
    FOOTPRINTS,
    INSERT,
    ITERATE,
    LIST,
    LIST_USERS,
    SHAPES,
    SWEEPS,
    Footprint,
    Sweep,
    shape,
)
from benchmarks.growth.report import Memories, Times, as_text, beside
from benchmarks.operations import Operation
from benchmarks.report import GAP, replaced
from benchmarks.rounds import ContestantFailed, Result
from benchmarks.worker import made, turn
from tests.test_benchmarks import on

RAW, OURS = "benchmarks.growth.sqlite:Raw", "benchmarks.growth.sqlite:MiniOrm"
ROWS = 2500


class TheCommand(unittest.TestCase):
    """`python -m benchmarks.growth`."""

    def check_a_quick_run(self, database: str, *sections: str) -> None:
        """See that every size is there with a ratio, and that nobody's results differ."""
        arguments = [part for section in sections for part in ("--only", section)]
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = command.main(["--db", database, "--quick", *arguments])
        self.assertEqual(code, 0, err.getvalue())
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.getvalue().splitlines()]
        for sweep in SWEEPS:
            if sweep.section in sections and database in sweep.on:
                for size in sweep.quick:
                    with self.subTest(operation=sweep.operation.name, size=size):
                        start = [sweep.operation.title, f"{size:,} {sweep.of}"]
                        [line] = [line for line in lines if line[:2] == start]
                        self.assertRegex(line[7], r"^\d+\.\d\d$")

    def test_a_quick_run(self) -> None:
        """On SQLite, which is always there."""
        self.check_a_quick_run("sqlite", "rows", "columns", "shapes")

    @on("postgres")
    def test_a_quick_run_on_postgres(self) -> None:
        """On the server of this run."""
        self.check_a_quick_run("postgres", "rows", "concurrency")

    @on("mysql")
    def test_a_quick_run_on_mysql(self) -> None:
        """On the server of this run, where mysqlclient is installed."""
        try:
            import MySQLdb  # noqa: F401
        except ModuleNotFoundError:
            self.skipTest("mysqlclient is not installed")
        self.check_a_quick_run("mysql", "rows", "concurrency")

    def test_arguments_that_make_no_sense(self) -> None:
        """A part is never written into the page."""
        for arguments in (["--write", "--quick"], ["--write", "--only", "rows"], ["--only", "nothing"]):
            with self.subTest(arguments=arguments), contextlib.redirect_stderr(io.StringIO()):
                with self.assertRaises(SystemExit) as stopped:
                    command.main(arguments)
                self.assertEqual(stopped.exception.code, 2)

    def test_the_page_has_its_markers(self) -> None:
        """The tables of each database can be replaced."""
        page = command.PAGE.read_text(encoding="utf-8")
        for database in DATABASES:
            self.assertIn("\n\na table\n\n", replaced(page, database, "a table", "benchmarks.growth", "write"))


class Measuring(unittest.TestCase):
    """The contestants, on SQLite."""

    address: str

    @classmethod
    def setUpClass(cls) -> None:
        databases = cls.enterClassContext(SqliteFiles(10))
        cls.address = databases.new()
        with databases.open(cls.address) as db:
            fill(db, ROWS)

    def memory_of(self, where: str, operation: Operation, size: int) -> Memory:
        """Measure in this process, what tracemalloc says alone."""
        contestant = made(where, self.address)
        self.addCleanup(contestant.close)
        arguments = operation.prepare(operation.round(1, size, 1)).arguments
        return Memory(**traced(contestant, operation.name, arguments), process=None)

    def test_memory(self) -> None:
        """A list is kept, and is much more than what is read in parts, which are the same however many follow."""
        for where in (RAW, OURS):
            with self.subTest(where=where):
                listed = self.memory_of(where, LIST, ROWS)
                streamed, fewer = (self.memory_of(where, ITERATE, size) for size in (ROWS, 1200))
                self.assertGreater(listed.kept, ROWS * 100)
                self.assertLess(streamed.peak, listed.peak / 1.5)
                self.assertLess(streamed.peak, fewer.peak * 1.5)

    def test_memory_in_processes_of_its_own(self) -> None:
        """What a process says comes back; one that fails is named."""
        found = remembered("mini_orm", OURS, self.address, LIST_USERS, 10, 1)
        self.assertGreater(found.peak, found.kept)
        self.assertGreater(found.kept, 1000)
        with self.assertRaisesRegex(ContestantFailed, r"(?s)mini_orm: the memory of list_users: .*MiniOrmNothing"):
            remembered("mini_orm", f"{OURS}Nothing", self.address, LIST_USERS, 10, 1)

    def test_every_round_finds_the_same(self) -> None:
        """What was inserted is seen, and gone after the round."""
        for where in (RAW, OURS):
            with self.subTest(where=where):
                contestant = made(where, self.address)
                self.addCleanup(contestant.close)
                before = contestant.stored("new_entries")
                first, second, other = ([*turn(contestant, INSERT.name, 1, size, 3)][-1] for size in (4, 4, 5))
                self.assertEqual((first, contestant.stored("new_entries")), (second, before))
                self.assertNotEqual(first, other)

    def test_shapes(self) -> None:
        """No two have the same columns and operators."""
        shapes = {tuple((one.field, one.operator) for one in shape(number)) for number in range(1, SHAPES + 1)}
        self.assertEqual(len(shapes), SHAPES)
        largest = max(size for one in (*SWEEPS, *FOOTPRINTS) if one.of == "shapes" for size in one.sizes)
        self.assertGreaterEqual(SHAPES, largest)


class Reporting(unittest.TestCase):
    """Numbers that are known."""

    def times(self, *, is_flat: bool, seconds: dict[str, list[list[float]]]) -> Times:
        operation = Operation("list_entries", "list", {}, 1, mock.Mock(), mock.Mock(), unit="row")
        sizes = (1000, 2000)
        sweep = Sweep("rows", operation, "rows", sizes, (1,), mock.Mock(), is_flat=is_flat)
        results = [
            Result(operation, {name: rounds[place] for name, rounds in seconds.items()}) for place in range(len(sizes))
        ]
        return Times(sweep, dict(zip(sizes, results, strict=True)))

    def cells(self, text: str) -> list[list[str]]:
        return [
            [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
        ]

    def test_beside(self) -> None:
        """Each beside the one before; where one is missing, nothing."""
        self.assertEqual(beside([2.0, 3.0, None, 4.0]), [None, 1.5, None, None])

    def test_times(self) -> None:
        """Growth is of the shortest times, the ratio of the rounds; what should be flat and isn't, is marked."""
        seconds = {"raw": [[1e-6, 2e-6], [2e-6]], "mini_orm": [[2e-6, 2e-6], [3e-6]]}
        lines = self.cells(as_text({}, [self.times(is_flat=True, seconds=seconds)], [], None))[2:]
        self.assertEqual(lines[0], ["list", "1,000 rows", "row", "1.00", GAP, "2.00", GAP, "1.50", ""])
        self.assertEqual(lines[1], ["list", "2,000 rows", "row", "2.00", "2.00", "3.00", "1.50", "1.50", "over 1.25"])
        other = self.cells(as_text({}, [self.times(is_flat=False, seconds=seconds)], [], None))
        self.assertEqual(other[-1][-1], "")

    def test_a_gap(self) -> None:
        """A contestant that is not there has none of it."""
        times = self.times(is_flat=True, seconds={"raw": [[1e-6], [1e-6]]})
        line = self.cells(as_text({}, [times], [], None))[-1]
        self.assertEqual(line[3:], ["1.00", "1.00", GAP, GAP, GAP, ""])

    def test_results_that_differ(self) -> None:
        """They are said in place of what grows."""
        times = self.times(is_flat=True, seconds={"raw": [[1e-6], [1e-6]], "mini_orm": [[1e-6], [9e-6]]})
        times.by_size[2000].disagreeing = {"mini_orm"}
        self.assertEqual(times.disagreeing, {"mini_orm"})
        self.assertEqual(self.cells(as_text({}, [times], [], None))[-1][-1], "results differ: mini_orm")

    def test_memory(self) -> None:
        """What grows with its results has a ratio; what should not grow is marked from the size that says so."""
        kib = 1024
        found = {
            size: {"raw": Memory(kib, 2 * kib, None), "mini_orm": Memory(kib, peak * kib, 7 * kib)}
            for size, peak in ((1, 2), (2, 4), (3, 8))
        }
        growing = Memories(Footprint(LIST, "rows", (1, 2, 3), (1,), mock.Mock()), found)
        lines = self.cells(as_text({}, [], [growing], None))[2:]
        self.assertEqual(lines[0], ["list", "1 rows", "2", "1", GAP, "2", "1", "7", GAP, "1.00", ""])
        self.assertEqual(lines[2][-3:], ["2.00", "4.00", ""])
        flat = Memories(Footprint(LIST, "rows", (1, 2, 3), (1,), mock.Mock(), flat_from=3), found)
        lines = self.cells(as_text({}, [], [flat], None))[2:]
        self.assertEqual([line[-2:] for line in lines], [[GAP, ""], [GAP, ""], [GAP, "over 1.25"]])


if __name__ == "__main__":
    unittest.main()
