"""`sql` and `diff`: the statements of models as a script that a database's own shell takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..core.database.executors import Executor
from ..core.dialects import Dialect
from ..core.schema.apply import models_in_order, refuse_clashes
from ..core.schema.ddl import new_table_sql
from ..core.schema.ensure import Look, look_at, planned


@dataclass(frozen=True)
class Comparison:
    """The text of a script, and whether `ensure_schema` would refuse instead of running it."""

    text: str
    has_conflicts: bool


def schema_script(models: list[type], dialect: Dialect, *, if_not_exists: bool) -> str:
    """Write what makes the tables and indexes of models, in the order of their foreign keys.

    Raises:
        ModelError: a model has no SQL in this dialect.
        SchemaError: two tables or indexes have one name.
    """
    ordered = models_in_order(models, "sql")
    refuse_clashes(ordered)
    statements: list[str] = []
    last: list[str] = []
    for place, cls in enumerate(ordered):
        early, late = new_table_sql(cls, dialect, ordered[place + 1 :], if_not_exists=if_not_exists)
        statements += early
        last += late
    return _script([*statements, *last])


async def compare_schema(executor: Executor, dialect: Dialect, models: list[type]) -> Comparison:
    """Write what `ensure_schema` would do, and what it would refuse or live with; nothing is changed."""
    ordered = models_in_order(models, "diff")
    refuse_clashes(ordered)
    dialect = executor.settled(dialect)
    looks = [await look_at(executor, dialect, cls) for cls in ordered]
    has_conflicts = any(look.conflicts for look in looks)
    lines = "".join(_comments(looks))
    if has_conflicts:
        return Comparison(f"{lines}-- with a conflict ensure_schema changes nothing\n", True)
    statements = planned(looks, dialect)
    return Comparison(f"{lines}{_script(statements)}" if statements else f"{lines}-- nothing to do\n", False)


def _comments(looks: list[Look]) -> Iterator[str]:
    words = {"safe": "to do", "logged": "left alone", "conflict": "conflict"}
    for look in looks:
        for one in look.differences:
            message = " ".join(str(one).splitlines())  # a name may have a line's end in it
            yield f"-- {words[one.severity]}: {look.meta.name}: {message}\n"


def _script(statements: Iterable[str]) -> str:
    return "".join(f"{sql};\n" for sql in statements)
