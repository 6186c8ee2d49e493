"""The comparison with peers and the guard: what they measure, what they say, and when they fail. No peer is needed."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from benchmarks import compare, guard
from benchmarks.databases import DATABASES, Databases, SqliteFiles
from benchmarks.operations import BY_NAME, measured_on
from benchmarks.peers import ASYNC, ENTRANTS, Entrant
from benchmarks.peers.base import as_values, values_of
from benchmarks.peers.chart import Bar, Group, Scale, chart
from benchmarks.peers.environment import base_name, reason
from benchmarks.peers.page import PAGE, Page
from benchmarks.peers.raw_async import numbered
from benchmarks.report import replaced
from benchmarks.rounds import BASELINE, ContestantFailed, Result
from benchmarks.worker import made, turn
from tests.test_benchmarks import MODULE, on

SVG = "{http://www.w3.org/2000/svg}"
#: The operations of tasks are measured on pools, by contestants of their own.
ALONE = [operation for operation in BY_NAME.values() if operation.name not in ("get_async", "get_tasks", "list_tasks")]


def result(name: str, **seconds: Sequence[float]) -> Result:
    """Make a result whose numbers are known."""
    return Result(BY_NAME[name], {who.replace("_async", ASYNC): list(one) for who, one in seconds.items()})


class TheCommand(unittest.TestCase):
    """`python -m benchmarks.compare`, with contestants of the tests in the place of peers."""

    def compare(self, *arguments: str, **peers: str) -> tuple[int, str]:
        """Run it on SQLite for two operations; return the code and what it printed."""
        ours = {"raw": "benchmarks.peers.ours:Raw.sqlite", "mini_orm": "benchmarks.peers.ours:MiniOrm.sqlite"}
        entrants = [Entrant(name, {"sqlite": place}) for name, place in {**ours, **peers}.items()]
        environment = mock.Mock(python=compare.sys.executable, **{"versions.return_value": {}})
        with (
            mock.patch.object(compare, "ENTRANTS", entrants),
            mock.patch("benchmarks.peers.page.ENTRANTS", entrants),
            mock.patch.object(compare, "Environment", return_value=environment),
            contextlib.redirect_stdout(io.StringIO()) as out,
            contextlib.redirect_stderr(io.StringIO()),
        ):
            code = compare.main(["--quick", "--offline", "--only", "count", "--only", "exists", *arguments])
        return code, out.getvalue()

    def test_a_run(self) -> None:
        """A peer that is wrong or fails is named and has no number there; the run goes on, and all numbers are kept."""
        with tempfile.TemporaryDirectory(prefix="mini_orm_test_") as directory:
            path = Path(directory) / "run.json"
            code, text = self.compare(
                "--json",
                str(path),
                wrong=f"{MODULE}:WrongCount",
                fails=f"{MODULE}:Fails",
                absent=f"{MODULE}:not_installed",
            )
            found = json.loads(path.read_text(encoding="utf-8"))
        self.assertEqual(code, 0)
        self.assertRegex(text, r"\| count with a filter +\| +[\d.]+ / call \| +[\d.]+ \| +- \| +- \|")
        self.assertRegex(text, r"\| exists by an indexed column \| +[\d.]+ / call \| +[\d.]+ \| +[\d.]+ \| +[\d.]+ \|")
        gaps = {
            "absent": "no_such_package is not installed",
            "wrong, `count`": "its results are not those of hand-written code",
            "fails, `count`": "ValueError: not today",
        }
        self.assertEqual(found["gaps"], gaps)
        for who, why in gaps.items():
            self.assertIn(f"- {who}: {why}\n", f"{text}\n")
        self.assertEqual(set(found["operations"]["count"]["seconds"]), {"raw", "mini_orm"})
        self.assertEqual(set(found["operations"]["exists"]["seconds"]), {"raw", "mini_orm", "wrong", "fails"})

    def test_mini_orm_may_not_fail(self) -> None:
        """The exit code is 1 where mini_orm has a gap, which no peer's is."""
        code, text = self.compare(mini_orm=f"{MODULE}:WrongCount")
        self.assertEqual(code, 1)
        self.assertIn("- mini_orm, `count`: its results are not", text)

    def test_arguments_that_make_no_sense(self) -> None:
        """The page is for whole runs."""
        for arguments in (["--write", "--quick"], ["--write", "--peer", "Pony"], ["--peer", "nobody"]):
            with self.subTest(arguments=arguments), contextlib.redirect_stderr(io.StringIO()):
                with self.assertRaises(SystemExit) as stopped:
                    compare.main(arguments)
                self.assertEqual(stopped.exception.code, 2)


class Contestants(unittest.TestCase):
    """Those who are ours: peers are compared with them."""

    def check_the_same(self, kind: str, databases: Databases, *, inline: bool = False) -> None:
        """See that awaited hand-written code and mini_orm return and store what blocking hand-written code does."""
        places = ["ours:Raw", "raw_async:Raw", "ours_async:MiniOrm"] + ["ours_async:InlineSqlite"] * inline
        contestants = {place: made(f"benchmarks.peers.{place}.{kind}", databases.new()) for place in places}
        for contestant in contestants.values():
            self.addCleanup(contestant.close)
        for operation in ALONE:
            digests = {
                place: [*turn(contestant, operation.name, 1, 40, 3)][-1]["digest"]
                for place, contestant in contestants.items()
            }
            with self.subTest(operation=operation.name):
                self.assertEqual(set(digests.values()), {digests["ours:Raw"]}, digests)

    def test_the_same_on_sqlite(self) -> None:
        """All operations."""
        self.check_the_same("sqlite", self.enterContext(SqliteFiles(40)), inline=True)

    @on("postgres")
    def test_the_same_on_postgres(self) -> None:
        """All operations but those of tasks."""
        self.check_the_same("postgres", self.enterContext(DATABASES["postgres"](40)))

    @on("mysql")
    def test_the_same_on_mysql(self) -> None:
        """All operations but those of tasks."""
        self.check_the_same("mysql", self.enterContext(DATABASES["mysql"](40)))

    def test_a_library_with_a_sqlite_of_its_own(self) -> None:
        """Its tables are compared and put back from another process, with the same result."""
        from benchmarks.peers import base

        address = self.enterContext(SqliteFiles(5)).new()
        inside, outside = (base._keeper("sqlite", address, outside=outside) for outside in (False, True))
        self.addCleanup(inside.close)
        before = inside.stored("users")
        self.assertEqual(outside.stored("users"), before)
        inside.conn.execute("DELETE FROM users")  # type: ignore[attr-defined]
        outside.restore("users")
        self.assertEqual(inside.stored("users"), before)

    def test_the_registry(self) -> None:
        """Every place is there, and whoever is awaited stands beside hand-written code that is."""
        for entrant in ENTRANTS:
            for database, place in entrant.places.items():
                with self.subTest(entrant=entrant.name, database=database):
                    self.assertIsNotNone(importlib.util.find_spec(place.partition(":")[0]))
        names = [entrant.name for entrant in ENTRANTS]
        self.assertLess(names.index(f"{BASELINE}{ASYNC}"), names.index(f"mini_orm{ASYNC}"))
        self.assertEqual(names[:2], [BASELINE, "mini_orm"])

    def test_values(self) -> None:
        """Two spellings of one row are equal, and two rows are not; a key that the database makes is not given."""
        ours = (1, "Ann", "a@b", 3, 1.5, 1, "2024-01-02 03:04:05.000000", "trial", '{"a":1,"b":2}')
        theirs = (1, "Ann", "a@b", 3, 1.5, True, "2024-01-02T03:04:05", "trial", {"b": 2, "a": 1})
        self.assertEqual(repr(as_values("members", [ours])), repr(as_values("members", [theirs])))
        self.assertNotEqual(as_values("members", [ours]), as_values("members", [(2, *ours[1:])]))
        user = compare.BY_NAME["insert"].prepare(compare.BY_NAME["insert"].round(1, 1, 1)).arguments[0][0]
        self.assertNotIn("id", values_of(user))
        user.id = 5
        self.assertEqual(values_of(user)["id"], 5)

    def test_numbered(self) -> None:
        """The parameters of asyncpg have numbers."""
        self.assertEqual(numbered("a = %s AND b = %s"), "a = $1 AND b = $2")
        self.assertEqual(numbered("SELECT 1"), "SELECT 1")


class Packages(unittest.TestCase):
    """What pip says."""

    def test_reasons(self) -> None:
        """The Python that a package needs, or the last error; always one line."""
        other = (
            "ERROR: Ignored: 0.1 Requires-Python >=3.12; 0.2 Requires-Python >=3.13\nERROR: No matching distribution"
        )
        self.assertIn("needs Python >=3.13, this is", reason(other))
        self.assertEqual(reason("warning: x\nERROR: one\nERROR: No network\n"), "can't be installed: No network")
        self.assertNotIn("\n", reason(""))

    def test_names(self) -> None:
        """Extras and spelling don't count."""
        self.assertEqual([base_name(name) for name in ("SQLAlchemy[asyncio]", "yara_orm")], ["sqlalchemy", "yara-orm"])


class ThePage(unittest.TestCase):
    """Numbers that are known."""

    def setUp(self) -> None:
        results = [
            result("get", raw=[1e-6, 1e-6], mini_orm=[2e-6, 2e-6], Pony=[4e-6, 6e-6]),
            result("count", raw=[1e-6], mini_orm=[1e-6], raw_async=[2e-6], mini_orm_async=[1e-6]),
        ]
        self.page = Page("sqlite", {"rows": 10}, {"pony": "1"}, results, {"Pony, `count`": "it can't"})

    def test_tables(self) -> None:
        """Ratios are those of the rounds, to hand-written code of the same kind; what is not there is a gap."""
        lines = [
            [cell.strip() for cell in line.split("|")[1:-2]] for line in self.page.text().splitlines() if "|" in line
        ]
        self.assertEqual(lines[0], ["operation", "raw, µs", "mini_orm", "Pony"])
        self.assertEqual(lines[2], ["get by key", "1.0 / call", "2.00", "5.00"])
        self.assertEqual(lines[3], ["count with a filter", "1.0 / call", "1.00", "-"])
        self.assertEqual(lines[4], ["operation", "raw, µs", "mini_orm"])
        self.assertEqual(lines[6], ["count with a filter", "2.0 / call", "0.50"])
        self.assertEqual(len(lines), 7)
        self.assertIn("rows 10, pony 1", self.page.text())

    def test_written(self) -> None:
        """Once or again, between the markers, with the pictures beside it."""
        with tempfile.TemporaryDirectory(prefix="mini_orm_test_") as directory:
            page, pictures = Path(directory) / "page.md", Path(directory) / "pictures"
            page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
            self.page.write(page, pictures)
            once = page.read_text(encoding="utf-8")
            self.page.write(page, pictures)
            self.assertEqual(page.read_text(encoding="utf-8"), once)
            self.assertIn("(pictures/sqlite_sync.svg)", once)
            self.assertEqual(sorted(one.name for one in pictures.iterdir()), ["sqlite_async.svg", "sqlite_sync.svg"])

    def test_the_page_has_its_markers(self) -> None:
        """For every database; its pictures are there."""
        text = PAGE.read_text(encoding="utf-8")
        for database in DATABASES:
            self.assertIn("a table", replaced(text, database, "a table", "benchmarks.compare", "write"))


class Charts(unittest.TestCase):
    """The picture."""

    def test_bars(self) -> None:
        """They begin at 1, go to the left where something is quicker, and are as long as their ratio says."""
        drawn = chart("A & B", [Group("get", [Bar("mini_orm", 0.5), Bar("<peer>", 4.0)])], base="raw")
        root = ElementTree.fromstring(drawn)
        ours, peer = (one for one in root.iter(f"{SVG}rect") if one.get("class") in ("ours", "peer"))
        scale = Scale([0.5, 4.0])
        self.assertAlmostEqual(float(ours.attrib["x"]), scale.place(0.5), places=0)
        self.assertAlmostEqual(float(peer.attrib["x"]), scale.place(1.0), places=0)
        self.assertAlmostEqual(2 * float(ours.attrib["width"]), float(peer.attrib["width"]), delta=0.3)
        texts = [one.text for one in root.iter(f"{SVG}text")]
        for text in ("A & B", "get", "mini_orm", "0.50", "<peer>", "4.00"):
            self.assertIn(text, texts)

    def test_light_and_dark(self) -> None:
        """It has a ground of its own, and a colour for each part in both."""
        drawn = chart("", [Group("get", [Bar("mini_orm", 1.0)])], base="raw")
        light, dark = drawn.split("prefers-color-scheme: dark")
        for part in (".ground", ".ours", ".peer", ".one", "text {"):
            self.assertIn(part, light)
            self.assertIn(part, dark)


class TheGuard(unittest.TestCase):
    """`python -m benchmarks.guard`."""

    def look(self, kept: float | None, *ratios: tuple[float, float]) -> tuple[str, int]:
        """Measure a row whose rounds have these ratios, one pair for each try; return the verdict and the tries."""
        found = [result("get", raw=[1.0, 1.0], mini_orm=list(pair)) for pair in ratios]
        with mock.patch.object(guard, "measure", side_effect=found), contextlib.redirect_stderr(io.StringIO()):
            row = guard.Guard([], guard.QUICK).look(BY_NAME["get"], kept)
        return row.verdict(guard.QUICK.margin), row.tries

    def test_verdicts(self) -> None:
        """A row fails when it is over its limit each time, and not for one bad round or try."""
        slow, odd = (9.0, 9.0), (9.0, 1.1)
        self.assertEqual(self.look(1.0, (1.2, 1.3)), ("", 1))
        self.assertEqual(self.look(1.0, odd), ("", 1))
        self.assertEqual(self.look(1.0, slow, (1.3, 1.3)), ("", 2))
        self.assertEqual(self.look(1.0, slow, slow, (1.0, 1.0)), ("", 3))
        self.assertEqual(self.look(1.0, slow, slow, slow), ("slower", 3))
        self.assertEqual(self.look(8.0, slow), ("", 1))

    def test_nothing_is_kept(self) -> None:
        """An operation that has no ratio yet is not passed over."""
        self.assertEqual(self.look(None, (1.0, 1.0)), ("not kept: --write", 1))

    def test_results_differ(self) -> None:
        """Whatever the time is."""
        wrong = result("get", raw=[1.0], mini_orm=[1.0])
        wrong.disagreeing.add("mini_orm")
        with mock.patch.object(guard, "measure", return_value=wrong):
            row = guard.Guard([], guard.QUICK).look(BY_NAME["get"], 1.0)
        self.assertEqual(row.verdict(2.0), "results differ")

    def test_a_contestant_that_is_missing(self) -> None:
        """There is no ratio, and no silence about it."""
        with (
            mock.patch.object(guard, "measure", return_value=result("get", raw=[1.0])),
            self.assertRaisesRegex(ContestantFailed, "get was not measured"),
        ):
            guard.Guard([], guard.QUICK).look(BY_NAME["get"], 1.0)

    def test_the_command(self) -> None:
        """It keeps what it measured, passes by it, and fails by a ratio that nobody can have."""
        with tempfile.TemporaryDirectory(prefix="mini_orm_test_") as directory:
            path = Path(directory) / "guard.json"

            def run(*arguments: str) -> int:
                with (
                    mock.patch.object(guard, "QUICK", guard.Form("quick", 20, 50, 1, margin=100.0)),
                    contextlib.redirect_stdout(io.StringIO()),
                    contextlib.redirect_stderr(io.StringIO()),
                ):
                    return guard.main(["--quick", "--only", "count", *arguments], path)

            self.assertEqual(run("--write"), 0)
            kept = guard.read(path)
            self.assertEqual(list(kept["sqlite"]["quick"]["ratios"]), ["count"])
            self.assertEqual(run(), 0)
            kept["sqlite"]["quick"]["ratios"]["count"] = 1e-6
            guard.write_json(path, kept)
            self.assertEqual(run(), 1)

    def test_what_is_kept(self) -> None:
        """Every operation on SQLite has its ratio in the quick form."""
        kept = guard.read(guard.KEPT)["sqlite"][guard.QUICK.name]
        self.assertEqual(set(kept["ratios"]), {one.name for one in measured_on("sqlite")})


if __name__ == "__main__":
    unittest.main()
