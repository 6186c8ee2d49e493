"""Runs examples/quickstart.py as a user does: as a program, into a pipe and on a terminal."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

try:
    import fcntl
    import pty
    import struct
    import termios
except ImportError:  # Windows
    pty = None  # type: ignore[assignment]

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "examples" / "quickstart.py"
LAST_LINE = r"^stored (\d+) records in \d+\.\d s$"
BAR = re.compile(r"\d+%\|")
SAMPLE = '''
"""A module that says hello when it is imported, and warns."""
import os, sys, warnings
from json import dumps

print("hello")
print("hello", file=sys.stderr)
warnings.warn("watch out", DeprecationWarning)

async def serve(environ=os.environ, marker=object(), port: int = 80, *, quiet=True):
    """Serve.

    More.
    """

def _hidden():
    """Not public."""

class Box:
    """A box."""

    def __init__(self, size):
        self._size = size

    def open(self):
        pass

    @property
    def volume(self):
        """How much it holds.

        Deprecated since 1.0.
        """
'''

#: Stands for sentence_transformers: one direction for texts about closing, another for the rest.
MODEL = """
class SentenceTransformer:
    def __init__(self, name):
        if name != "small":
            raise OSError("no model of this name\\nhere is a long story")

    def encode(self, texts, *, normalize_embeddings):
        assert normalize_embeddings
        return [[0.0, 1.0] if "clos" in text.lower() else [1.0, 0.0] for text in texts]
"""


class QuickstartTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="mini_orm_quickstart_")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-W", "error", str(SCRIPT), *arguments]

    def run_in_pipe(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )

    def run_on_terminal(self, *arguments: str) -> str:
        """Return what a terminal of 100 columns is sent; the run must succeed."""
        master, slave = pty.openpty()
        with contextlib.closing(os.fdopen(master, "rb", buffering=0)) as terminal:
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
            with subprocess.Popen(
                self.command(*arguments),
                cwd=self.directory,
                env={**self.environment, "TERM": "xterm"},
                stdin=slave,
                stdout=slave,
                stderr=slave,
            ) as process:
                os.close(slave)
                sent = b""
                # Linux reports the other end's close as EIO, other systems as the end of the file.
                with contextlib.suppress(OSError):
                    while chunk := terminal.read(65536):
                        sent += chunk
        text = sent.decode("utf-8")
        self.assertEqual(process.returncode, 0, text)
        return text

    def stored(self, output: str) -> int:
        """Return the N of the last line."""
        last = output.rstrip("\n").splitlines()[-1]
        self.assertRegex(last, LAST_LINE)
        match = re.match(LAST_LINE, last)
        assert match is not None
        return int(match.group(1))

    def rows(self, name: str = "quickstart.sqlite3") -> list[tuple[str, int]]:
        """Return the entries of a file that the quickstart made, read without mini_orm."""
        with contextlib.closing(sqlite3.connect(self.directory / name)) as conn:
            return conn.execute("SELECT name, id FROM entry ORDER BY name").fetchall()

    def change(self, *statements: str) -> None:
        with contextlib.closing(sqlite3.connect(self.directory / "quickstart.sqlite3")) as conn, conn:
            for statement in statements:
                self.assertGreater(conn.execute(statement).rowcount, 0, statement)

    def assert_refused(self, run: subprocess.CompletedProcess[str], *words: str) -> None:
        """The run failed with exit code 2, one line that has these words, and nothing on standard output."""
        self.assertEqual((run.returncode, run.stdout), (2, ""), run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        for word in words:
            self.assertIn(word, run.stderr)

    def test_second_run_adds_nothing(self) -> None:
        """Quickstart: the second run into the same file finds everything unchanged and keeps every key."""
        first = self.run_in_pipe("email")
        self.assertEqual((first.returncode, first.stderr), (0, ""))
        stored = self.stored(first.stdout)
        rows = self.rows()
        self.assertIn("email.message_from_string", [name for name, _ in rows])
        self.assertIn("email.message.Message.get_payload", [name for name, _ in rows])
        self.assertGreater(stored, len(rows))  # modules are records, too
        self.assertIn(f"{stored} new, 0 updated, 0 unchanged, 0 removed\n", first.stdout)

        second = self.run_in_pipe("email")
        self.assertEqual((second.returncode, second.stderr), (0, ""))
        self.assertEqual(self.stored(second.stdout), stored)
        self.assertIn(f"0 new, 0 updated, {stored} unchanged, 0 removed\n", second.stdout)
        self.assertEqual(self.rows(), rows)
        self.assertIn("asked 1 times", first.stdout)
        self.assertIn("asked 2 times", second.stdout)

    def test_changes_are_brought_up_to_date(self) -> None:
        """Quickstart: a changed entry is updated under its key, a missing one stored again, a stale one removed."""
        stored = self.stored(self.run_in_pipe("json").stdout)
        rows = self.rows()
        self.change(
            "UPDATE entry SET doc = 'old' WHERE name = 'json.dumps'",
            "DELETE FROM entry WHERE name = 'json.loads'",
            "UPDATE entry SET name = 'json.gone' WHERE name = 'json.load'",
        )
        run = self.run_in_pipe("json")
        self.assertIn(f"2 new, 1 updated, {stored - 3} unchanged, 1 removed\n", run.stdout)
        self.assertEqual([name for name, _ in self.rows()], [name for name, _ in rows])
        self.assertEqual(dict(self.rows())["json.dumps"], dict(rows)["json.dumps"])

    def test_packages_do_not_touch_each_other(self) -> None:
        """Quickstart: reading one package leaves another's records alone; overlapping names count once."""
        self.run_in_pipe("json")
        json_rows = self.rows()
        run = self.run_in_pipe("xml.dom", "xml", "xml.dom")
        self.assertIn(" 0 updated, 0 unchanged, 0 removed\n", run.stdout)
        self.assertEqual([row for row in self.rows() if row[0].startswith("json.")], json_rows)
        names = [name for name, _ in self.rows()]
        self.assertTrue(any(name.startswith("xml.etree.") for name in names))
        with contextlib.closing(sqlite3.connect(self.directory / "quickstart.sqlite3")) as conn:
            modules = conn.execute("SELECT count(*) FROM module WHERE package = 'xml'").fetchone()[0]
        self.assertEqual(self.stored(run.stdout), len(names) - len(json_rows) + modules)

    def test_output_is_readable(self) -> None:
        """Quickstart: tables fit 100 columns, and a pipe gets neither a progress bar nor control characters."""
        run = self.run_in_pipe("email", "--db", "other.sqlite3")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertTrue((self.directory / "other.sqlite3").is_file())
        self.assertIsNone(BAR.search(run.stdout))
        self.assertIsNone(re.search(r"[\x00-\x09\x0b-\x1f\x7f]", run.stdout))
        self.assertLessEqual(max(map(len, run.stdout.splitlines())), 100)
        self.assertGreaterEqual(run.stdout.count("\n\n"), 5)

    def test_what_is_read_of_a_package(self) -> None:
        """Quickstart: public names only, with kind, tags and signature; a default's content is not written down."""
        (self.directory / "sample.py").write_text(SAMPLE, encoding="utf-8")
        self.environment["PYTHONPATH"] = os.pathsep.join([str(self.directory), str(ROOT)])
        self.environment["MINI_ORM_QUICKSTART_TEST"] = "what the environment holds"
        run = self.run_in_pipe("sample")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        with contextlib.closing(sqlite3.connect(self.directory / "quickstart.sqlite3")) as conn:
            rows = conn.execute("SELECT name, kind, signature, summary, tags FROM entry ORDER BY id").fetchall()
            dump = "\n".join(conn.iterdump())
        expected = [
            (
                "sample.serve",
                "function",
                "(environ=..., marker=..., port: int = 80, *, quiet=True)",
                "Serve.",
                '["async"]',
            ),
            ("sample.Box", "class", "(size)", "A box.", "[]"),
            ("sample.Box.open", "method", "(self)", "", "[]"),
            ("sample.Box.volume", "property", None, "How much it holds.", '["deprecated"]'),
        ]
        self.assertEqual(rows, expected)
        self.assertNotIn("what the environment holds", dump)
        self.assertIn("0 new, 0 updated, 5 unchanged, 0 removed", self.run_in_pipe("sample").stdout)

    def test_search_text_is_data(self) -> None:
        """Quickstart: a search may hold quotes and SQL; it finds nothing and breaks nothing."""
        run = self.run_in_pipe("json", "--search", "'; DROP TABLE entry; --")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertIn(": 0 in all", run.stdout)
        self.assertGreater(len(self.rows()), 10)

    def found(self, output: str) -> list[list[str]]:
        """Return score, name and kind of each hit of the search by meaning."""
        _, _, rest = output.partition("\nBy meaning: ")
        _, headers, *lines = rest.splitlines()
        self.assertEqual(headers.split(), ["score", "name", "kind", "summary"])
        return [line.split()[:3] for line in lines[: lines.index("") - 1]]

    def put(self, name: str, text: str) -> None:
        """Write a module that the quickstart finds before others of this name."""
        (self.directory / name).write_text(text, encoding="utf-8")
        self.environment["PYTHONPATH"] = os.pathsep.join([str(self.directory), str(ROOT)])

    def test_found_by_meaning(self) -> None:
        """Quickstart: other forms of a text's words find it; functions and methods only; the same in each process."""
        runs = []
        for seed in ("1", "2"):
            self.environment["PYTHONHASHSEED"] = seed
            run = self.run_in_pipe("mimetypes", "shutil", "--find", "What guessed the types of some files?")
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            runs.append(self.found(run.stdout))
        self.assertEqual(runs[0], runs[1])
        self.assertEqual(len(runs[0]), 5)
        self.assertIn("guess_type", runs[0][0][1])
        self.assertLessEqual({kind for _, _, kind in runs[0]}, {"function", "method"})
        scores = [float(score) for score, _, _ in runs[0]]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertLess(scores[0], 1.0)

    def test_nothing_to_find_by_meaning(self) -> None:
        """Quickstart: a question without words is near nothing; without documentation there is nothing to find."""
        run = self.run_in_pipe("json", "--find", "?!")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertEqual({score for score, _, _ in self.found(run.stdout)}, {"0.00"})
        self.put("silent.py", "def nothing(): pass")
        run = self.run_in_pipe("silent")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertEqual(self.found(run.stdout), [["(none)"]])

    def test_model(self) -> None:
        """Quickstart: a model makes the vectors, if its package is installed; else an error says what to install."""
        self.put("sentence_transformers.py", MODEL)
        run = self.run_in_pipe("tempfile", "--find", "close it", "--model", "small")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        [first, *_] = self.found(run.stdout)
        self.assertEqual(first[0], "1.00")
        self.assert_refused(self.run_in_pipe("tempfile", "--model", "large"), "no model of this name")
        self.put("sentence_transformers.py", "raise ImportError('not installed')")
        self.assert_refused(self.run_in_pipe("--model", "small"), "pip install sentence-transformers")

    def test_unknown_package(self) -> None:
        """Quickstart: an unknown package is a one-line error, before anything is stored."""
        for name in ("no_such_package", "email.nothing", "email..mime", ""):
            with self.subTest(name=name):
                self.assert_refused(self.run_in_pipe("email", name), repr(name))
        self.assertEqual(list(self.directory.iterdir()), [])

    def test_unusable_file(self) -> None:
        """Quickstart: a file that can't be written, or is no database, is a one-line error."""
        (self.directory / "notes.txt").write_text("not a database, " * 100, encoding="utf-8")
        for name in ("missing/file.sqlite3", ".", "notes.txt"):
            with self.subTest(name=name):
                self.assert_refused(self.run_in_pipe("email", "--db", name), name)
        self.assertEqual([path.name for path in self.directory.iterdir()], ["notes.txt"])

    @unittest.skipIf(pty is None, "needs pseudo-terminals, which this operating system does not have")
    @unittest.skipUnless(importlib.util.find_spec("tqdm"), "needs tqdm: pip install 'mini_orm[demo]'")
    def test_progress_bar_on_a_terminal(self) -> None:
        """Quickstart: a terminal is shown a progress bar, and the same last line."""
        text = self.run_on_terminal("email", "json")
        self.assertRegex(text, BAR)
        self.stored(text.replace("\r\n", "\n"))

    @unittest.skipIf(pty is None, "needs pseudo-terminals, which this operating system does not have")
    def test_without_tqdm(self) -> None:
        """Quickstart: without the `demo` extra it works on a terminal, too, and shows no bar."""
        (self.directory / "tqdm.py").write_text("raise ImportError('not installed')\n", encoding="utf-8")
        self.environment["PYTHONPATH"] = os.pathsep.join([str(self.directory), str(ROOT)])
        text = self.run_on_terminal("email", "json")
        self.assertNotRegex(text, BAR)
        self.stored(text.replace("\r\n", "\n"))


if __name__ == "__main__":
    unittest.main()
