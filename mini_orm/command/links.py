"""Foreign keys and relations of drafts.

Rules of this file:
- A foreign key names the model that it refers to, which makes a relation on both sides. A class can't name itself, nor
  one that stands below it: then the foreign key names the table, and `__relations__` of both sides say the rest.
- Relations have the names that they would have without a word, where these are free.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..core.dialects import Dialect
from ..core.relations.reader import plural
from ..core.schema.inspect import LiveForeignKey
from .drafts import ModelDraft, shown
from .fields import FieldDraft, literal


@dataclass
class Link:
    """A foreign key of a field of `child` to one of `parent`; `is_direct`: it can name the class."""

    child: ModelDraft
    field: FieldDraft
    parent: ModelDraft
    target: FieldDraft
    is_direct: bool = False
    forward: str = ""

    @property
    def is_single(self) -> bool:
        """Whether there is one row at most that refers so."""
        return self.field.name in self.child.alone

    @property
    def usual(self) -> str:
        """What the relation to the parent is called without a word."""
        name = self.field.name
        return name[:-3] if name.endswith("_id") and len(name) > 3 else self.parent.name.lower()

    @property
    def own(self) -> str:
        """What the relation to the parent is called after the field."""
        found = re.fullmatch(r"(.+?)(?:_[iI]|I)[dD]_?", self.field.name)
        return found[1] if found else self.field.name


def add_links(drafts: list[ModelDraft], dialect: Dialect) -> list[ModelDraft]:
    """Write foreign keys and relations into drafts; return them in the order in which the classes can stand."""
    by_table = {dialect.fold(draft.live.name): draft for draft in drafts}
    links = [link for draft in drafts for link in _links(draft, by_table, dialect)]
    ordered = _ordered(drafts, links)
    places = {draft.name: place for place, draft in enumerate(ordered)}
    for link in links:
        link.is_direct = places[link.parent.name] < places[link.child.name]
    names: dict[str, set[str]] = {draft.name: set() for draft in drafts}
    for draft in ordered:
        _name_forward([link for link in links if link.child is draft], names[draft.name])
    for link in links:
        _add_relation(link, links, names)
    for draft in ordered:
        _add_composite(draft, by_table, dialect, names)
    _add_other_ways([draft for draft in ordered if len(draft.live.primary_key) == 2], links, names)
    return ordered


def _links(draft: ModelDraft, by_table: dict[str, ModelDraft], dialect: Dialect) -> Iterator[Link]:
    """Write the foreign keys of single columns; yield those whose table has a model."""
    for key in draft.live.foreign_keys:
        field = draft.field_of(key.columns[0], dialect)
        if len(key.columns) > 1 or field is None:
            continue
        parent = by_table.get(dialect.fold(key.table))
        column = _target(key, parent)
        if "fk" in field.metadata or column is None:
            draft.notes.append(f"{_refers(key)} is left out: {_why_not(column)}; ensure_schema refuses that")
            continue
        target = None if parent is None else parent.field_of(column, dialect)
        field.metadata["fk"] = _table_text(key.table, column)
        action = key.on_delete.upper()
        if dialect.same_actions.get(action, action) != "NO ACTION":
            field.metadata["on_delete"] = literal(action.lower())
        if parent is not None and target is not None:
            yield Link(draft, field, parent, target)
        else:
            draft.notes.append(f"{_refers(key)}, which has no model; apply_schema needs that table")


def _target(key: LiveForeignKey, parent: ModelDraft | None) -> str | None:
    if key.targets[0] is not None or parent is None or len(parent.live.primary_key) != 1:
        return key.targets[0]
    return parent.live.primary_key[0]


def _why_not(column: str | None) -> str:
    return "its target is not known" if column is None else "a field has one foreign key only"


def _refers(key: LiveForeignKey) -> str:
    return f"the foreign key of {shown(', '.join(key.columns))} to {shown(key.table)}"


def _table_text(table: str, column: str) -> str:
    if "." in table + column:
        return f'{{"table": {literal(table)}, "column": {literal(column)}}}'
    return literal(f"{table}.{column}")


def _ordered(drafts: list[ModelDraft], links: list[Link]) -> list[ModelDraft]:
    """Return parents before their children, as far as there is no circle."""
    ordered: dict[str, ModelDraft] = {}
    begun: set[str] = set()
    stack = [(draft, False) for draft in reversed(drafts)]
    while stack:
        draft, done = stack.pop()
        if done:
            ordered[draft.name] = draft
        elif draft.name not in begun:
            begun.add(draft.name)
            stack.append((draft, True))
            stack += [(link.parent, False) for link in reversed(links) if link.child is draft]
    return list(ordered.values())


def _name_forward(links: list[Link], taken: set[str]) -> None:
    """Name the relations of a model to those that it refers to."""
    usual = Counter(link.usual for link in links)
    for link in links:
        is_usual = usual[link.usual] == 1 and link.parent is not link.child
        wanted = link.usual if is_usual else link.own
        link.forward = _free(wanted, taken)


def _add_relation(link: Link, links: list[Link], names: dict[str, set[str]]) -> None:
    """Write the relations of a link on both sides."""
    child = link.child.name.lower()
    usual = child if link.is_single else plural(child)
    is_only = sum((one.child, one.parent) == (link.child, link.parent) for one in links) == 1
    taken = names[link.parent.name]
    backward = _free(usual if is_only and usual not in taken else f"{usual}_by_{link.forward}", taken)
    if not link.is_direct:
        local, remote = literal(link.field.name), literal(link.target.name)
        kind = "has_one" if link.is_single else "has_many"
        link.child.relations[link.forward] = _declared(link.parent, local, remote, "belongs_to")
        link.parent.relations[backward] = _declared(link.child, remote, local, kind)
        return
    metadata = link.field.metadata
    metadata["fk"] = f"({link.parent.name}, {literal(link.target.name)})"
    if link.is_single:
        metadata["one_to_one"] = "True"
    if link.forward != link.usual:
        metadata["relation"] = literal(link.forward)
    if backward != usual:
        metadata["related_name"] = literal(backward)


def _add_composite(
    draft: ModelDraft, by_table: dict[str, ModelDraft], dialect: Dialect, names: dict[str, set[str]]
) -> None:
    """Write the relations of foreign keys of several columns, which a model can't state."""
    for key in draft.live.foreign_keys:
        if len(key.columns) == 1:
            continue
        draft.notes.append(f"{_refers(key)} is left out: it has several columns; ensure_schema refuses that")
        parent = by_table.get(dialect.fold(key.table))
        fields = draft.fields_of(key.columns, dialect)
        targets = None if parent is None else parent.fields_of(key.targets, dialect)
        if parent is None or fields is None or targets is None:
            continue
        local, remote = _tuple(fields), _tuple(targets)
        forward = _free(parent.name.lower(), names[draft.name])
        backward = _free(plural(draft.name.lower()), names[parent.name])
        draft.relations[forward] = _declared(parent, local, remote, "belongs_to")
        parent.relations[backward] = _declared(draft, remote, local, "has_many")


def _add_other_ways(between: list[ModelDraft], links: list[Link], names: dict[str, set[str]]) -> None:
    """Write the many-to-many relations of models between, of which another one makes a relation of that name."""
    made: set[tuple[str, str]] = set()
    for draft in between:
        sides = [link for link in links if link.child is draft and link.is_direct]
        keys = {link.field.column for link in sides}
        if len(sides) != 2 or keys != set(draft.live.primary_key) or sides[0].parent is sides[1].parent:
            continue
        for ours, theirs in (sides, sides[::-1]):
            pair = ours.parent.name, theirs.parent.name
            if pair in made:
                name = _free(f"{plural(theirs.parent.name.lower())}_by_{draft.name.lower()}", names[ours.parent.name])
                ends = {"model": literal(theirs.parent.name), "through": literal(draft.name)}
                ours.parent.relations[name] = ends | {"type": '"many_to_many"'}
            made.add(pair)


def _declared(model: ModelDraft, local: str, remote: str, kind: str) -> dict[str, str]:
    return {"model": literal(model.name), "local_key": local, "remote_key": remote, "type": literal(kind)}


def _tuple(fields: list[FieldDraft]) -> str:
    return f"({', '.join(literal(one.name) for one in fields)})"


def _free(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found
