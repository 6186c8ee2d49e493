"""`inspect`: the tables of a database -> the text of a module of models, and what it leaves out."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from types import ModuleType

from ..core.database.executors import Executor
from ..core.dialects import Dialect
from ..core.models import model_meta, nearest
from ..core.relations import model_relations
from ..core.schema.diff import diff
from ..core.schema.inspect import LiveTable, inspect, table_names
from ..errors import ConfigurationError, ModelError, RelationError
from .drafts import ModelDraft, draft_models, shown
from .links import add_links
from .source import module_source

_MODULE = "mini_orm_inspected"


@dataclass(frozen=True)
class Inspection:
    """The text of a module, how many models it has, and what these leave out."""

    source: str
    models: int
    notes: list[str]


async def inspect_database(executor: Executor, dialect: Dialect, only: Collection[str]) -> Inspection:
    """Write the models of all tables, or of those in `only`; nothing is changed.

    Raises:
        ConfigurationError: there is no table, or none of a name in `only`.
    """
    dialect = executor.settled(dialect)
    names = await table_names(executor, dialect)
    for name in only:
        if name not in names:
            near = nearest(name[:100], names, 0.5)
            advice = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigurationError(f"the database has no table {name!r}{advice}")
    found = [await inspect(executor, dialect, name) for name in names if not only or name in only]
    return inspection([live for live in found if live is not None], dialect)


def inspection(tables: list[LiveTable], dialect: Dialect) -> Inspection:
    """Write the models of tables."""
    if not tables:
        raise ConfigurationError("the database has no tables")
    drafts, notes = draft_models(tables, dialect)
    drafts = add_links(drafts, dialect)
    notes += [f"{shown(draft.live.name)}: {note}" for draft in drafts for note in draft.notes]
    notes += _remaining(drafts, dialect)
    return Inspection(module_source(drafts, notes), len(drafts), notes)


def _remaining(drafts: list[ModelDraft], dialect: Dialect) -> list[str]:
    """Read the models as Python does, compare them with the tables, and return what still differs."""
    module = ModuleType(_MODULE)
    sys.modules[_MODULE] = module  # where annotations are looked up
    try:
        exec(compile(module_source(drafts, ()), "<inspected>", "exec"), vars(module))
        return [note for draft in drafts for note in _differences(draft, getattr(module, draft.name), dialect)]
    finally:
        del sys.modules[_MODULE]


def _differences(draft: ModelDraft, cls: type, dialect: Dialect) -> list[str]:
    table = shown(draft.live.name)
    try:
        found = diff(model_meta(cls), draft.live, dialect, {})
        model_relations(cls)
    except (ModelError, RelationError) as exc:
        return [f"{table}: {exc}"]
    unsaid = [one for one in found if one.severity != "logged" and one.what != "foreign key"]
    return [f"{table}: ensure_schema finds that {one}" for one in unsaid]
