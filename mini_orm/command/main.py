"""The arguments of `mini-orm`, what is called for them, and how it ends: 0, 1 for conflicts, 2 for anything wrong."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .. import __version__
from ..core.database.database import Database
from ..core.dialects.named import DIALECTS, dialect_named
from ..core.drivers.openers import local_file
from ..errors import ConfigurationError, MiniOrmError

_URL = "the database: sqlite:///file.db, postgresql://user:password@host/name, mysql://user:password@host/name"
_MODULE = "where the models are: package.module or path/to/file.py; with :Name,Other behind it only these"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: those behind the command's name; the process's own where left out.
    """
    given = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = given.run
    try:
        return run(given)
    except (MiniOrmError, OSError, ValueError) as exc:
        notes = getattr(exc, "__notes__", [])
        print("\n".join([f"mini-orm: {exc or type(exc).__name__}", *notes]), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mini-orm",
        description="Models from a database, SQL and diagrams from models, and how the two differ.",
    )
    parser.add_argument("--version", action="version", version=f"mini_orm {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    inspect = commands.add_parser("inspect", help="write models of the tables of a database")
    inspect.add_argument("url", metavar="URL", help=_URL)
    inspect.add_argument("--table", action="append", default=[], help="only this table; may be given again")
    inspect.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="the file to write; else the models are printed"
    )
    inspect.set_defaults(run=_inspect)

    sql = commands.add_parser("sql", help="print the SQL that makes the tables of models")
    sql.add_argument("module", metavar="MODULE", help=_MODULE)
    sql.add_argument("--dialect", required=True, choices=DIALECTS, help="whose SQL")
    sql.add_argument("--if-not-exists", action="store_true", help="leave alone what is there")
    sql.set_defaults(run=_sql)

    diff = commands.add_parser("diff", help="print what ensure_schema would do; exits with 1 where it would refuse")
    diff.add_argument("module", metavar="MODULE", help=_MODULE)
    diff.add_argument("url", metavar="URL", help=_URL)
    diff.set_defaults(run=_diff)

    diagram = commands.add_parser("diagram", help="draw models and their foreign keys, as Mermaid or SVG")
    diagram.add_argument("module", metavar="MODULE", help=_MODULE)
    diagram.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a file to write, SVG if it ends with .svg; may be given again. Else Mermaid is printed",
    )
    diagram.set_defaults(run=_diagram)
    return parser


def _inspect(given: argparse.Namespace) -> int:
    from .inspecting import inspect_database

    with _opened(given.url) as db:
        found = db.run(inspect_database, db.dialect, given.table)
    if given.output is None:
        _print(found.source)
    else:
        given.output.write_text(found.source, encoding="utf-8")
        notes = f"; {_counted(len(found.notes), 'note')} at its top" if found.notes else ""
        print(f"{given.output}: {_counted(found.models, 'model')}{notes}", file=sys.stderr)
    return 0


def _sql(given: argparse.Namespace) -> int:
    from .modules import models_of
    from .scripts import schema_script

    _print(schema_script(models_of(given.module), dialect_named(given.dialect), if_not_exists=given.if_not_exists))
    return 0


def _diff(given: argparse.Namespace) -> int:
    from .modules import models_of
    from .scripts import compare_schema

    models = models_of(given.module)
    with _opened(given.url) as db:
        found = db.run(compare_schema, db.dialect, models)
    _print(found.text)
    return 1 if found.has_conflicts else 0


def _diagram(given: argparse.Namespace) -> int:
    from .diagrams import diagram_of
    from .mermaid import mermaid_text
    from .modules import models_of
    from .svg import svg_text

    diagram = diagram_of(models_of(given.module))
    if not given.output:
        _print(mermaid_text(diagram))
    for path in given.output:
        write = svg_text if path.suffix.lower() == ".svg" else mermaid_text
        path.write_text(write(diagram), encoding="utf-8")
    return 0


@contextlib.contextmanager
def _opened(url: str) -> Iterator[Database]:
    """Open a database in a transaction that only reads.

    Raises:
        ConfigurationError: the URL's file is not there, which opening it would make.
    """
    file = local_file(url)
    if file is not None and not Path(file).is_file():
        raise ConfigurationError(f"there is no file {file!r}")
    with Database.connect(url, pool_size=1) as db, db.transaction(read_only=True) as tx:
        yield tx


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _print(text: str) -> None:
    """Print a text as UTF-8, whatever the terminal's own encoding is."""
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(text)
    else:
        buffer.write(text.encode())
        buffer.flush()
