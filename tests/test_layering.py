"""The layers of the package, held by reading every module's imports and comparisons (docs/architecture.md).

Rules that are held here:
- Imports go down only, wherever in a module they stand, and never in a circle (`TYPE_CHECKING` aside).
- Optional packages are imported inside functions of `drivers/` and `vectors/stores/`, or by a file that has the
  package's name and is imported only when the package is asked for; the core needs the standard library alone.
- Nobody but `dialects/` and `drivers/` asks which database or driver it is.
- A module stays small, does nothing when it is imported, and is named for what it is.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
import unittest
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mini_orm.core import log

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "mini_orm"

#: From low to high. A module belongs to the longest prefix that fits; it may import from its own layer and below.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("mini_orm.errors", "mini_orm._typing"),
    ("mini_orm.validation",),
    (
        "mini_orm.core.columns",
        "mini_orm.core.decimals",
        "mini_orm.core.frozen",
        "mini_orm.core.json_values",
        "mini_orm.core.log",
        "mini_orm.core.models",
        "mini_orm.core.objects",
        "mini_orm.core.refused",
        "mini_orm.core.relations",
        "mini_orm.core.codecs",
        "mini_orm.core.conditions",
    ),
    ("mini_orm.core.dialects",),
    ("mini_orm.core.query",),
    ("mini_orm.core.drivers",),
    ("mini_orm.core.database",),
    ("mini_orm.core.schema",),
    ("mini_orm.core.repositories",),
    ("mini_orm.vectors",),
    ("mini_orm",),
    ("mini_orm.command", "mini_orm.__main__"),
)
#: Modules at the bottom, which import nothing of mini_orm.
BOTTOM = {"mini_orm.errors", "mini_orm._typing", "mini_orm.core"}
#: The only places that may know names of databases and packages.
NAMERS = ("mini_orm.core.dialects", "mini_orm.core.drivers")
PRODUCTS = frozenset(
    {"sqlite", "sqlite3", "aiosqlite", "postgres", "postgresql", "psycopg", "psycopg2", "asyncpg"}
    | {"mysql", "mariadb", "pymysql", "mysqlclient", "mysqldb", "asyncmy", "aiomysql"}
)
MAX_LINES = 500
#: Files that may be longer, each with its reason.
LONG_FILES: dict[str, str] = {}


@dataclass(frozen=True)
class Import:
    """One import: who, what, and how."""

    module: str
    target: str
    line: int
    in_function: bool
    type_checking: bool


class _Imports(ast.NodeVisitor):
    """Collects the imports of one module, relative ones resolved."""

    def __init__(self, module: str, is_package: bool, known: frozenset[str]) -> None:
        self.module, self.known = module, known
        self.parts = module.split(".") if is_package else module.split(".")[:-1]
        self.found: list[Import] = []
        self.functions = 0
        self.checking = 0

    def add(self, target: str, line: int) -> None:
        self.found.append(Import(self.module, target, line, self.functions > 0, self.checking > 0))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parts = self.parts[: len(self.parts) - node.level + 1]
            base = ".".join([*parts, base] if base else parts)
        for alias in node.names:
            whole = f"{base}.{alias.name}"
            self.add(whole if whole in self.known else base, node.lineno)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.functions += 1
        self.generic_visit(node)
        self.functions -= 1

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_If(self, node: ast.If) -> None:
        name = node.test.attr if isinstance(node.test, ast.Attribute) else getattr(node.test, "id", "")
        if name != "TYPE_CHECKING":
            return self.generic_visit(node)
        self.checking += 1
        for child in node.body:
            self.visit(child)
        self.checking -= 1
        for child in node.orelse:
            self.visit(child)
        return None

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
            self.add(str(node.args[0].value), node.lineno)
        self.generic_visit(node)


def module_name(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str, module: str, is_package: bool, known: frozenset[str]) -> list[Import]:
    """Return every import that stands in a module's text."""
    visitor = _Imports(module, is_package, known)
    visitor.visit(ast.parse(source))
    return visitor.found


def layer(module: str) -> int | None:
    """Return a module's place among the layers, `None` for one that has none."""
    if module in BOTTOM:
        return 0
    best: tuple[int, int] | None = None
    for place, prefixes in enumerate(LAYERS):
        for prefix in prefixes:
            whole = prefix == PACKAGE  # the package itself: not a home for stray modules
            if module == prefix or (not whole and module.startswith(prefix + ".")):
                best = max(best or (0, 0), (len(prefix), place))
    return None if best is None else best[1]


def naming(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the places that ask which dialect or driver it is: line and how."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare | ast.MatchValue):
            if any(isinstance(part, ast.Attribute) and _is_name(part) for part in ast.walk(node)):
                yield node.lineno, "compares a dialect's or driver's name"
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and str(part.value).lower() in PRODUCTS:
                    yield node.lineno, f"compares with {part.value!r}"
            if isinstance(node, ast.Compare) and any(_is_class(part) for part in [node.left, *node.comparators]):
                yield node.lineno, "compares classes of dialects or drivers"
        elif isinstance(node, ast.Match) and isinstance(node.subject, ast.Attribute) and _is_name(node.subject):
            yield node.lineno, "matches a dialect's or driver's name"
        elif isinstance(node, ast.MatchClass) and _is_class(node.cls):
            yield node.lineno, "matches a class of dialects or drivers"
        elif isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in ("isinstance", "issubclass") and len(node.args) == 2:
                if any(_is_class(part) for part in ast.walk(node.args[1])):
                    yield node.lineno, f"{called.id} of a dialect's or driver's class"
            elif isinstance(called, ast.Attribute) and _is_name(called.value):
                yield node.lineno, f"asks a dialect's or driver's name with .{called.attr}"


def _terminal(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _is_name(node: ast.AST) -> bool:
    """Whether a node is `dialect.name`, `self._driver.name` and the like."""
    if not isinstance(node, ast.Attribute) or node.attr not in ("name", "flavour", "__name__"):
        return False
    owner = _terminal(node.value).lower()
    return owner.endswith(("dialect", "driver"))


def _is_class(node: ast.AST) -> bool:
    name = _terminal(node)
    return name.endswith(("Dialect", "Driver")) and name not in ("Dialect", "Driver")


class Layering(unittest.TestCase):
    """What every module of the package keeps to."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.paths = sorted((ROOT / PACKAGE).rglob("*.py"))
        cls.sources = {module_name(path): path.read_text(encoding="utf-8") for path in cls.paths}
        cls.known = frozenset(cls.sources)
        packages = {module_name(path) for path in cls.paths if path.name == "__init__.py"}
        cls.imports = {
            module: imports_of(source, module, module in packages, cls.known) for module, source in cls.sources.items()
        }

    def own(self, module: str) -> list[Import]:
        """Return a module's imports of the package itself, those for type checkers aside."""
        return [
            one
            for one in self.imports[module]
            if not one.type_checking and (one.target == PACKAGE or one.target.startswith(PACKAGE + "."))
        ]

    def test_every_module_has_a_layer(self) -> None:
        """A new module is put into LAYERS; nothing is called utils or helpers."""
        self.assertIn(PACKAGE, self.known)
        self.assertEqual([module for module in self.known if layer(module) is None], [])
        odd = [
            path.name for path in self.paths if path.stem.strip("_") in ("util", "utils", "helper", "helpers", "misc")
        ]
        self.assertEqual(odd, [])

    def test_imports_go_down_only(self) -> None:
        """No module imports from a layer above its own, inside functions either."""
        wrong = []
        for module in self.known:
            for one in self.own(module):
                self.assertIn(one.target, self.known, f"{module}:{one.line} imports what is not there")
                if one.target == module:
                    continue
                low, high = layer(one.target), layer(module)
                if low is None or high is None or low > high:
                    wrong.append(f"{module}:{one.line} imports {one.target}")
        self.assertEqual(wrong, [])

    def test_the_bottom_imports_nothing(self) -> None:
        """Errors and _typing stand alone."""
        for module in BOTTOM & self.known:
            self.assertEqual([one.target for one in self.own(module)], [], module)

    def test_no_import_is_circular(self) -> None:
        """Not even through functions; so the order of imports can never matter."""
        graph = {module: {one.target for one in self.own(module)} - {module} for module in self.known}
        done: set[str] = set()

        def walk(module: str, path: tuple[str, ...]) -> None:
            if module in path:
                self.fail(" -> ".join([*path[path.index(module) :], module]))
            if module not in done:
                for target in sorted(graph[module]):
                    walk(target, (*path, module))
                done.add(module)

        for module in sorted(graph):
            walk(module, ())

    def test_optional_packages_stay_in_drivers_and_stores(self) -> None:
        """Whatever is neither the standard library nor mini_orm is imported where it is used."""
        wrong = []
        drivers, stores = "mini_orm.core.drivers.", "mini_orm.vectors.stores."
        other_names = {"mysqlclient": "MySQLdb"}
        for module, found in self.imports.items():
            for one in found:
                top = one.target.partition(".")[0]
                if one.type_checking or top == PACKAGE or top in sys.stdlib_module_names:
                    continue
                own = module.removeprefix(drivers).removesuffix("_async")
                is_its_own = other_names.get(own, own) == top or module.startswith(f"{stores}{top}_")
                if not (module.startswith((drivers, stores)) and (one.in_function or is_its_own)):
                    wrong.append(f"{module}:{one.line} imports {one.target}")
        self.assertEqual(wrong, [])

    def test_nobody_else_asks_for_a_name(self) -> None:
        """Outside dialects/ and drivers/ a difference between databases is a flag or a method."""
        wrong = []
        for module, source in self.sources.items():
            if not module.startswith(NAMERS):
                wrong += [f"{module}:{line} {how}" for line, how in naming(ast.parse(source))]
        self.assertEqual(wrong, [])

    def test_no_file_is_too_long(self) -> None:
        """A concept that needs more than 500 lines is two concepts, or has its reason in LONG_FILES."""
        long = {}
        for path in self.paths:
            name = path.relative_to(ROOT).as_posix()
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > MAX_LINES and name not in LONG_FILES:
                long[name] = lines
        self.assertEqual(long, {})
        self.assertEqual([name for name in LONG_FILES if not (ROOT / name).exists()], [])

    def test_modules_do_nothing_when_imported(self) -> None:
        """No module reads the environment, opens a file or prints at import."""
        wrong = []
        for module, source in self.sources.items():
            for statement in ast.parse(source).body:
                for node in _outside_functions(statement):
                    name = _terminal(node.func) if isinstance(node, ast.Call) else ""
                    if name in ("open", "print", "getenv", "read_text", "connect") or _terminal(node) == "environ":
                        wrong.append(f"{module}:{getattr(node, 'lineno', 0)}")
        self.assertEqual(wrong, [])

    def test_future_annotations_everywhere(self) -> None:
        """Every module with code begins with the same future import."""
        missing = [
            module
            for module, source in self.sources.items()
            if len(ast.parse(source).body) > 1 and "from __future__ import annotations\n" not in source
        ]
        self.assertEqual(missing, [])


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a statement's nodes that run when the module is imported."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    for child in ast.iter_child_nodes(node):
        yield from _outside_functions(child)


class ImportingThePackage(unittest.TestCase):
    """What `import mini_orm` brings along."""

    def test_no_driver_and_no_asyncio(self) -> None:
        """Names: `import mini_orm` imports no driver and no asyncio."""
        code = """
            import sys
            import mini_orm
            drivers = ("asyncio", "sqlite3", "_sqlite3", "aiosqlite", "psycopg", "psycopg2", "asyncpg", "pymysql",
                       "MySQLdb", "asyncmy", "aiomysql", "numpy")
            print(*(name for name in drivers if name in sys.modules))
        """
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual((run.returncode, run.stdout.strip(), run.stderr), (0, "", ""))

    def test_what_few_programs_use_comes_later(self) -> None:
        """Names: the import leaves out what most programs never use, and the name that needs it brings it."""
        code = """
            import sys
            sys.path.insert(0, sys.argv[1])
            import mini_orm
            later = ("logging", "uuid", "pickle", "mini_orm.vectors", "mini_orm.core.database.pool",
                     "mini_orm.core.repositories.session", "mini_orm.core.schema.ensure")
            print(*(name for name in later if name in sys.modules))
            print(mini_orm.Session.__name__, mini_orm.VectorRecord.__name__)
        """
        run = subprocess.run(
            [sys.executable, "-I", "-S", "-W", "error", "-c", textwrap.dedent(code), str(ROOT)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "\nSession VectorRecord\n", ""))

    def test_log_lines_are_the_callers(self) -> None:
        """A line in the log tells where it was written, and not where `logging` was called."""
        with self.assertLogs("mini_orm", "DEBUG") as caught:
            for write in (log.debug, log.info, log.warning, log.error):
                write("%s went by", "it")
        self.assertEqual([one.levelname for one in caught.records], ["DEBUG", "INFO", "WARNING", "ERROR"])
        self.assertEqual(
            {(one.getMessage(), one.filename) for one in caught.records}, {("it went by", Path(__file__).name)}
        )

    def test_only_the_standard_library_is_needed(self) -> None:
        """Names: without site-packages the import and a whole round trip work."""
        code = """
            import sqlite3
            import sys
            sys.path.insert(0, sys.argv[1])
            from dataclasses import dataclass, field
            import mini_orm
            @dataclass
            class User:
                name: str
                id: int | None = field(default=None, metadata={"pk": True, "auto": True})
            with mini_orm.Database(sqlite3.connect(":memory:")) as db:
                mini_orm.apply_schema(db, User)
                users = mini_orm.Repository(db, User)
                print(users.get(users.insert(User("Ann")).id).name)
        """
        run = subprocess.run(
            [sys.executable, "-I", "-S", "-W", "error", "-c", textwrap.dedent(code), str(ROOT)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "Ann\n", ""))


class TheChecksThemselves(unittest.TestCase):
    """A check that can't fail holds nothing: each one is shown what it is for."""

    def test_imports_are_found_and_resolved(self) -> None:
        """Relative, nested, in functions, for type checkers, by import_module."""
        source = textwrap.dedent("""
            import os.path
            from typing import TYPE_CHECKING
            from ..models import ModelMeta
            from . import base
            if TYPE_CHECKING:
                from ..database import database
            else:
                import json
            def load():
                import aiosqlite
                importlib.import_module("psycopg")
        """)
        known = frozenset({"mini_orm.core.models", "mini_orm.core.drivers.base", "mini_orm.core.database.database"})
        found = imports_of(source, "mini_orm.core.drivers.sqlite3", False, known)
        self.assertEqual(
            [(one.target, one.in_function, one.type_checking) for one in found],
            [
                ("os.path", False, False),
                ("typing", False, False),
                ("mini_orm.core.models", False, False),
                ("mini_orm.core.drivers.base", False, False),
                ("mini_orm.core.database.database", False, True),
                ("json", False, False),
                ("aiosqlite", True, False),
                ("psycopg", True, False),
            ],
        )
        from_package = imports_of("from .base import Dialect", "mini_orm.core.dialects", True, known)
        self.assertEqual(from_package[0].target, "mini_orm.core.dialects.base")

    def test_layers_are_ordered(self) -> None:
        """The table gives each known module one place, and a stray one none."""
        order = ["mini_orm._typing", "mini_orm.validation", "mini_orm.core.models", "mini_orm.core.dialects.base"]
        order += ["mini_orm.core.query.compiler", "mini_orm.core.drivers.sqlite3", "mini_orm.core.database.pool"]
        order += ["mini_orm.core.schema.ddl", "mini_orm.core.repositories.ops", "mini_orm.vectors.stores.faiss"]
        order += ["mini_orm", "mini_orm.command.main"]
        self.assertEqual([layer(module) for module in order], list(range(len(LAYERS))))
        self.assertIsNone(layer("mini_orm.stray"))
        self.assertIsNone(layer("mini_orm.core.stray"))

    def test_questions_for_a_name_are_found(self) -> None:
        """Comparing, membership, match, isinstance, startswith; flags and db_type maps are free."""
        asking = [
            'if dialect.name == "x": pass',
            "if self._db.dialect.name in names: pass",
            'if kind == "sqlite": pass',
            'if kind in ("mysql", "mariadb"): pass',
            'if self.dialect.flavour != "x": pass',
            "isinstance(db.dialect, SQLiteDialect)",
            "isinstance(dialect, (dialects.MySQLDialect, int))",
            "type(dialect) is PostgresDialect",
            'driver.name.startswith("aio")',
            'match dialect.name:\n    case "x": pass',
            'match text:\n    case "postgres": pass',
            "match dialect:\n    case SQLiteDialect(): pass",
        ]
        for source in asking:
            with self.subTest(source=source):
                self.assertTrue(list(naming(ast.parse(source))))
        for source in (
            "if dialect.supports_returning: pass",
            "isinstance(dialect, Dialect)",
            "text = db_type[dialect.name]",
            'if codec == "enum": pass',
            "if column.name == other.name: pass",
        ):
            with self.subTest(source=source):
                self.assertEqual(list(naming(ast.parse(source))), [])
