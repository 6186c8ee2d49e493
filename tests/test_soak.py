"""A short soak, and that it notices what it is there for."""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import unittest
from collections.abc import Callable

from tests import servers, soak
from tests.backends.base import IS_QUICK
from tests.contracts.transactions import quiet_log
from tests.soak_databases import DATABASES, SqliteDatabase


class ShortSoak(unittest.TestCase):
    """P2 P3 P5 X4 X7: threads and tasks on two pools of one file; nothing is lost, mixed or left open."""

    def test_both_drivers(self) -> None:
        """P2 P3 P5 X4 X7: a thousand operations on each driver of the async face, beside the sync one's."""
        self.on_each_driver("sqlite")

    def test_on_a_server(self) -> None:
        """P2 P3 P5 X4 X7: the same on PostgreSQL."""
        if servers.postgres() is None:
            self.skipTest(servers.reason("postgres"))
        self.on_each_driver("postgres")

    def test_where_deadlocks_are_normal(self) -> None:
        """P2 P3 P5 X4 X7: the same on MariaDB or MySQL, where a deadlock ends a transaction, and it is done again."""
        if servers.mysql() is None:
            self.skipTest(servers.reason("mysql"))
        self.on_each_driver("mysql")

    def on_each_driver(self, db: str) -> None:
        drivers = list(DATABASES[db].drivers)
        for driver in drivers[:1] if IS_QUICK else drivers:
            with self.subTest(driver=driver):
                shown, progress = io.StringIO(), io.StringIO()
                arguments = ["--operations", "1000", "--threads", "6", "--tasks", "14", "--pool", "4", "--seed", "7"]
                with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(progress), quiet_log():
                    code = soak.main([*arguments, "--db", db, "--driver", driver])
                self.assertEqual(code, 0, shown.getvalue())
                self.assertIn("1000 operations in", shown.getvalue())
                self.assertIn("1000 of 1000 operations", progress.getvalue())

    def test_what_it_notices(self) -> None:
        """P2 X4: a lost row, a strange one, a changed one, an increment and a connection too many are problems."""
        tampering: dict[str, tuple[str, Callable[[soak.Soak], None]]] = {
            "DELETE FROM entries WHERE id = (SELECT max(id) FROM entries)": ("lost place", nothing),
            "INSERT INTO entries (worker, place, value, text) VALUES ('thread 0', -1, 0, '')": (
                "did not keep",
                nothing,
            ),
            "UPDATE entries SET text = 'another' WHERE id = (SELECT max(id) FROM entries)": ("something else", nothing),
            "UPDATE shared SET value = value + 1 WHERE name = 'left'": ("shared counter", nothing),
            "SELECT 1": ("left open", leave_one_open),
        }
        options = soak.parsed(["--operations", "60", "--threads", "2", "--tasks", "2", "--pool", "2"])
        for sql, (problem, also) in tampering.items():
            with self.subTest(problem=problem), tempfile.TemporaryDirectory(prefix="mini_orm_test_") as directory:
                problems = self.tampered(directory, options, sql, also)
                self.assertEqual(len(problems), 1, problems)
                self.assertIn(problem, problems[0])

    def tampered(
        self, directory: str, options: argparse.Namespace, sql: str, also: Callable[[soak.Soak], None]
    ) -> list[str]:
        run = soak.Soak(directory, options)
        with quiet_log():
            run.run()
        self.assertEqual(run.problems, [])
        with contextlib.closing(run.database.raw()) as conn:
            conn.execute(sql)
        also(run)
        run.verify()
        run.database.close()
        return run.problems


def nothing(_: soak.Soak) -> None:
    """Leave the run as it is."""


def leave_one_open(run: soak.Soak) -> None:
    """Open a connection that nobody closes."""
    assert isinstance(run.database, SqliteDatabase)
    run.database.connections["tasks"].factory(run.database.path)
