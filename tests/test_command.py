"""The command line (K2 to K4): what its commands print, write and refuse, and that its page says what it does."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from unittest import mock

import mini_orm
from mini_orm.command.main import main
from mini_orm.command.names import class_name, field_name, singular

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "command_line.md"
MODELS = """
from dataclasses import dataclass, field

from mini_orm import IndexSpec


@dataclass
class Author:
    name: str = field(metadata={"unique_index": True})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Post:
    title: str
    author_id: int = field(metadata={"fk": (Author, "id"), "related_name": "posts"})
    editor_id: int | None = field(default=None, metadata={"fk": (Author, "id"), "related_name": "edited"})
    parent_id: int | None = field(default=None, metadata={"fk": "post.id"})
    tags: dict[str, int] = field(default_factory=dict)
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Profile:
    author_id: int = field(metadata={"pk": True, "fk": (Author, "id"), "one_to_one": True})


@dataclass
class NotAModel:
    name: str
"""


class Ran:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


class CommandCase(unittest.TestCase):
    """A directory with a module of models, in which commands run."""

    faces = "both"

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="mini_orm_test_")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.enterContext(contextlib.chdir(self.directory))
        self.enterContext(mock.patch.object(sys, "path", [*sys.path]))
        known = set(sys.modules)
        self.addCleanup(lambda: [sys.modules.pop(name) for name in set(sys.modules) - known if "_models" in name])
        self.write("shop_models.py", MODELS)

    def write(self, name: str, text: str) -> Path:
        """Write a file into the directory."""
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def run_command(self, *arguments: str) -> Ran:
        """Run a command in this process."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(arguments)
            except SystemExit as exc:
                code = int(exc.code or 0)
        return Ran(code, out.getvalue(), err.getvalue())

    def refused(self, *arguments: str) -> str:
        """Run a command that is refused: one message, nothing printed, exit code 2."""
        ran = self.run_command(*arguments)
        self.assertEqual((ran.code, ran.out), (2, ""), ran.err)
        self.assertNotIn("Traceback", ran.err)
        return ran.err


class SqlCommand(CommandCase):
    """`mini-orm sql`."""

    def test_every_dialect(self) -> None:
        """K2 S1: the statements of apply_schema, in the order of foreign keys, for each database."""
        for name, dialect in (
            ("sqlite", mini_orm.SQLiteDialect()),
            ("postgres", mini_orm.PostgresDialect()),
            ("mysql", mini_orm.MySQLDialect("mysql")),
            ("mariadb", mini_orm.MySQLDialect("mariadb")),
        ):
            with self.subTest(dialect=name):
                ran = self.run_command("sql", "shop_models:Post,Author", "--dialect", name)
                module = sys.modules["shop_models"]
                wanted = [
                    sql for cls in (module.Author, module.Post) for sql in mini_orm.create_schema_sql(cls, dialect)
                ]
                self.assertEqual((ran.code, ran.err), (0, ""))
                self.assertEqual(ran.out, "".join(f"{sql};\n" for sql in wanted))

    def test_it_runs(self) -> None:
        """K2: what is printed makes the tables that ensure_schema finds in order; twice with IF NOT EXISTS."""
        script = self.run_command("sql", "shop_models.py", "--dialect", "sqlite", "--if-not-exists").out
        with contextlib.closing(sqlite3.connect("made.db")) as conn:
            conn.executescript(script + script)
        ran = self.run_command("diff", "shop_models.py", "sqlite:///made.db")
        self.assertEqual((ran.code, ran.out, ran.err), (0, "-- nothing to do\n", ""))

    def test_foreign_keys_in_a_circle(self) -> None:
        """K2: the one that would come too early comes last, where the database wants it so."""
        self.write(
            "circle_models.py",
            MODELS.replace(
                "class Author:\n", 'class Author:\n    best: int | None = field(metadata={"fk": "post.id"})\n'
            ),
        )
        ran = self.run_command("sql", "circle_models", "--dialect", "postgres")
        self.assertIn('REFERENCES "post"', ran.out)
        self.assertRegex(ran.out.splitlines()[-1], r'^ALTER TABLE "post" ADD FOREIGN KEY \(.+ REFERENCES "author"')


class DiffCommand(CommandCase):
    """`mini-orm diff`."""

    def test_it_changes_nothing(self) -> None:
        """K2 K4: neither a file's bytes, nor is one made; what is printed is what ensure_schema runs then."""
        message = self.refused("diff", "shop_models", "sqlite:///missing.db")
        self.assertIn("no file 'missing.db'", message)
        self.assertFalse(Path("missing.db").exists())
        with contextlib.closing(sqlite3.connect("old.db")) as conn:
            conn.execute("CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        before = Path("old.db").read_bytes()
        ran = self.run_command("diff", "shop_models", "sqlite:///old.db")
        self.assertEqual((ran.code, ran.err, Path("old.db").read_bytes()), (0, "", before))
        self.assertIn("-- to do: Author: the index 'uidx_author_name' is missing\n", ran.out)
        module = sys.modules["shop_models"]
        with mini_orm.Database.connect("sqlite:///old.db") as db:
            done = mini_orm.ensure_schema(db, [module.Author, module.Post, module.Profile])
        statements = ran.out[ran.out.index("CREATE") :]
        self.assertEqual(sorted(statements.split(";\n")[:-1]), sorted(done))

    def test_conflicts(self) -> None:
        """K2 K4: they are named, the exit code is 1, and no statement is printed, as none would be run."""
        with contextlib.closing(sqlite3.connect("odd.db")) as conn:
            conn.execute('CREATE TABLE author (id INTEGER PRIMARY KEY, name BLOB, "line\nend" TEXT NOT NULL)')
        ran = self.run_command("diff", "shop_models", "sqlite:///odd.db")
        self.assertEqual((ran.code, ran.err), (1, ""))
        self.assertTrue(all(line.startswith("-- ") for line in ran.out.splitlines()), ran.out)
        self.assertIn("-- conflict: Author: the column 'name' is BLOB, the model's TEXT\n", ran.out)


class DiagramCommand(CommandCase):
    """`mini-orm diagram`."""

    def test_mermaid(self) -> None:
        """K3: a box for each model, and a line for each foreign key with how many stand at its ends."""
        ran = self.run_command("diagram", "shop_models")
        self.assertEqual((ran.code, ran.err), (0, ""))
        wanted = """
            erDiagram
                Author {
                    str name UK
                    int id PK
                }
                Post {
                    str title
                    int author_id FK
                    int editor_id FK "or None"
                    int parent_id FK "or None"
                    dict_str_int tags
                    int id PK
                }
                Profile {
                    int author_id PK, FK
                }
                Author ||--o{ Post : "author"
                Author |o--o{ Post : "editor"
                Post |o--o{ Post : "parent_id"
                Author ||--o| Profile : "author"
        """
        self.assertEqual(ran.out, textwrap.dedent(wanted).lstrip())

    def test_svg(self) -> None:
        """K3: well-formed, every name in it, no box over another or outside of the picture; the same each time."""
        ran = self.run_command("diagram", "shop_models", "-o", "models.svg", "--output", "models.mmd")
        self.assertEqual((ran.code, ran.out, ran.err), (0, "", ""))
        self.assertEqual(Path("models.mmd").read_text(), self.run_command("diagram", "shop_models").out)
        text = Path("models.svg").read_text()
        root = ElementTree.fromstring(text)
        shown = {node.text for node in root.iter("{http://www.w3.org/2000/svg}text")}
        self.assertLessEqual({"Author", "Post", "Profile", "title", "dict[str, int]", "int | None"}, shown)
        self.assertEqual(text.count('class="line"'), 4 + 2)  # lines, and rings for the two that may lead nowhere
        boxes = [
            tuple(float(node.attrib[name]) for name in ("x", "y", "width", "height"))
            for node in root.iter("{http://www.w3.org/2000/svg}rect")
            if node.get("class") == "box"
        ]
        self.assertEqual(len(boxes), 3)
        for number, (x, y, width, height) in enumerate(boxes):
            self.assertTrue(x > 0 and x + width < float(root.attrib["width"]))
            self.assertTrue(y > 0 and y + height < float(root.attrib["height"]))
            for other in boxes[:number]:
                apart = other[0] + other[2] < x or x + width < other[0]
                self.assertTrue(apart or other[1] + other[3] < y or y + height < other[1])
        self.run_command("diagram", "shop_models", "-o", "again.svg")
        self.assertEqual(Path("again.svg").read_text(), text)


class RefusedCommand(CommandCase):
    """What is wrong, and how it is said."""

    def test_misuse(self) -> None:
        """K4: no command, an unknown one, an unknown option, a value that is none of the allowed ones."""
        for arguments in ((), ("draw",), ("sql", "shop_models"), ("sql", "shop_models", "--dialect", "oracle")):
            with self.subTest(arguments=arguments):
                self.assertIn("usage: mini-orm", self.refused(*arguments))

    def test_modules(self) -> None:
        """K4: one that is not there, has no models, fails, or has no class of a name; a model with a mistake."""
        self.write("empty_models.py", "x = 1\n")
        self.write("failing_models.py", "1 / 0\n")
        self.write("leaving_models.py", "raise SystemExit(0)\n")
        self.write("needing_models.py", "import nothing_of_this_name\n")
        self.write("wrong_models.py", MODELS.replace("title: str", "title: object"))
        self.write("clash_models.py", MODELS.replace('"related_name": "edited"', '"related_name": "posts"'))
        for place, message in (
            ("missing_models", "no module 'missing_models'"),
            ("missing_models.py", "no file 'missing_models.py'"),
            ("empty_models", "no models"),
            ("failing_models", "ZeroDivisionError"),
            ("leaving_models", "SystemExit"),
            ("needing_models", "nothing_of_this_name"),
            ("wrong_models", "Post.title"),
            ("clash_models", "'posts'"),
            ("shop_models:Pots", "did you mean 'Post'"),
            ("shop_models:NotAModel", "primary key"),
        ):
            with self.subTest(place=place):
                self.assertIn(message, self.refused("diagram", place))

    def test_urls(self) -> None:
        """K4: what is no URL, a scheme that nobody knows, a file that is no database; a password is never shown."""
        self.write("text.db", "this is no database, and long enough to be one: " * 30)
        for url, message in (
            ("shop.db", "URL"),
            ("oracle://user:s3cret@host/name", "scheme"),
            ("sqlite:///text.db", "not a database"),
            ("postgresql://user:s3cret@127.0.0.1:1/name?connect_timeout=2", ""),
        ):
            with self.subTest(url=url):
                found = self.refused("inspect", url)
                self.assertIn(message, found)
                self.assertNotIn("s3cret", found)

    def test_files(self) -> None:
        """K4: one that can't be written."""
        self.assertIn("nowhere", self.refused("diagram", "shop_models", "-o", "nowhere/models.svg"))

    def test_as_a_program(self) -> None:
        """K4 Names: `python -m mini_orm` exits with the code and shows no traceback; the package doesn't import it."""
        for arguments, code in ((["--version"], 0), (["diagram", "failing_models"], 2), (["inspect"], 2)):
            run = subprocess.run(
                [sys.executable, "-W", "error", "-m", "mini_orm", *arguments],
                env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
                capture_output=True,
                text=True,
                timeout=60,
            )
            self.assertEqual(run.returncode, code, run.stderr)
            self.assertNotIn("Traceback", run.stderr)
        code = "import sys, mini_orm; print([name for name in sys.modules if 'command' in name or name == 'argparse'])"
        run = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
        )
        self.assertEqual(run.stdout, "[]\n")


class Names(unittest.TestCase):
    """Names of tables and columns as names of classes and fields."""

    faces = "both"

    def test_classes(self) -> None:
        """K1: in the singular where it is known, in one word, never a name that is taken or none."""
        for table, wanted in (
            ("order_lines", "OrderLine"),
            ("Categories", "Category"),
            ("boxes", "Box"),
            ("addresses", "Address"),
            ("status", "Status"),
            ("news", "News"),
            ("movies", "Movie"),
            ("2nd", "Table2nd"),
            ("---", "Table"),
            ("None", "TableNone"),
            ("élèves", "Élève"),
        ):
            with self.subTest(table=table):
                self.assertEqual(class_name(table, set()), wanted)
        self.assertEqual(class_name("user", {"user"}), "User_2")
        self.assertEqual(singular("buses"), "bus")

    def test_fields(self) -> None:
        """K1: the column's own name wherever Python and the module leave it free."""
        for column, wanted in (
            ("Name", "Name"),
            ("class", "class_"),
            ("match", "match"),
            ("a b", "a_b"),
            ("2nd", "column_2nd"),
            ("__secret", "secret"),
            ("___", "column"),
            (":", "column"),
            ("int", "int_"),
            ("Author", "Author_"),
            ("", "column_"),
        ):
            with self.subTest(column=column):
                self.assertEqual(field_name(column, set(), {"Author"}), wanted)
        self.assertEqual(field_name("A b", {"a_b"}, set()), "A_b_2")


class Page(CommandCase):
    """docs/command_line.md."""

    def test_what_it_shows_is_what_is_printed(self) -> None:
        """K1 K2 K3: its files are written, its commands run in order, and print what stands below them."""
        text = PAGE.read_text(encoding="utf-8")
        commands = 0
        for language, title, body in re.findall(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", text, re.M | re.S):
            if language == "sql" and title:
                with contextlib.closing(sqlite3.connect(Path(title).with_suffix(".db"))) as conn:
                    conn.executescript(body)
            elif title and not (self.directory / title).exists():
                self.write(title, body)
            elif title:
                self.assertEqual((self.directory / title).read_text(encoding="utf-8"), body, title)
            elif language == "console":
                for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", body, re.M):
                    words = shlex.split(command)
                    self.assertEqual(words[0], "mini-orm")
                    ran = self.run_command(*words[1:])
                    self.assertEqual(ran.out + ran.err, output, command)
                    commands += 1
        self.assertGreaterEqual(commands, 4)


if __name__ == "__main__":
    unittest.main()
