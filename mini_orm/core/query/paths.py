"""Paths over relations -> the SQL that reaches them: joins, correlated subqueries, and the aliases of both.

Rules of this file:
- Every SELECT of a statement is a `Scope`: names are of its table, and the same join is made once in it.
- A to-one hop joins one row at most, so that no row comes back twice: by a unique key, or else by the key of the
  first such row. To-many hops stand in an EXISTS.
- UPDATE and DELETE have no joins: there each path is a subquery that refers to the row. Where that would read the
  very table that is changed, a database may see its own changes, or refuse (see `Dialect.requires_keys_first`): then
  a SELECT, which is that of `list`, finds the keys before the first row is changed.
- Aliases are numbered, and begin with a character that the statement's own table does not begin with. Every other
  table has one, so that no name can clash.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from ...errors import QueryError
from .tables import MAX_JOINS, Column, Hop, Path, Ref, Step, Table, hops_in

#: MySQL nests 63 SELECTs.
_MAX_LEVELS = 60
#: What SQLite's parser keeps on its stack, measured: before the condition of an EXISTS, with its NOT, and of a SELECT
#: of keys; for a column that a subquery reads; in FROM for a table, a join, a join by the key of the first row.
EXISTS_STACK = 8
_KEYS_STACK = 8
_COLUMN_STACK = 34
_TABLE_STACK, _JOIN_STACK, _FIRST_STACK = 8, 12, 22


class _Names:
    """What the scopes of one statement share: the aliases."""

    def __init__(self, table: Table) -> None:
        self._mark = "j" if table.meta.table.startswith("_") else "_"
        self._quote = table.dialect.quote
        self._numbers = count(1)

    def alias(self) -> str:
        return self._quote(f"{self._mark}{next(self._numbers)}")

    def select_one(self, columns: str, hop: Hop, alias: str, before: str, joins: str = "") -> str:
        """Write a SELECT of the one row that a hop leads to: the first by its key where there may be more."""
        (step,) = hop.steps
        order = "" if hop.is_unique else f" ORDER BY {step.table.key_order(alias)} LIMIT 1"
        return f"SELECT {columns} FROM {step.table.quoted} AS {alias}{joins} WHERE {step.on(alias, before)}{order}"


class Scope:
    """One SELECT: its table, by the name that it has in the SQL, and what paths join to it."""

    #: What stands around the condition on the parser's stack, beyond the usual.
    around = 0

    def __init__(self, names: _Names, table: Table, name: str, level: int = 0) -> None:
        self.table = table
        self.name = name
        self.level = level
        #: What FROM needs of the parser's stack.
        self.stack = 0
        self._names = names
        self._aliases: dict[tuple[Hop, ...], str] = {(): name}
        self._joins: list[str] = []

    @property
    def joins(self) -> str:
        """What stands behind the table in FROM."""
        return "".join(self._joins)

    def where(self, condition: str) -> str:
        """Write what stands behind the table, but for the order; there may be no condition."""
        return f"{self.joins} WHERE {condition}" if condition else self.joins

    def column(self, ref: Ref) -> Column:
        """Return the column that a name stands for."""
        return self.table.columns[ref] if isinstance(ref, str) else ref.hops[-1].target.columns[ref.name]

    def sql(self, ref: Ref) -> str:
        """Write a column, and join what it needs.

        Raises:
            QueryError: these are more tables than a database joins.
        """
        if isinstance(ref, str):
            return f"{self.name}.{self.table.names[ref]}"
        return f"{self._joined(ref.hops)}.{self.column(ref).quoted}"

    def column_stack(self, ref: Ref) -> int:
        """Return what a column takes of the parser's stack, beyond a plain name."""
        return 0

    def alias(self) -> str:
        """Return a name that nothing else in the statement has."""
        return self._names.alias()

    def related(self, hops: tuple[Hop, ...]) -> RelatedScope:
        """Return the scope of the rows that relations lead to.

        Raises:
            QueryError: this is deeper than a database nests, or joins more.
        """
        if self.level == _MAX_LEVELS:
            raise QueryError(f"C.any_ and C.none are nested more than {_MAX_LEVELS} deep")
        return RelatedScope(self._names, self, hops)

    def _joined(self, hops: tuple[Hop, ...]) -> str:
        alias = self._aliases.get(hops)
        if alias is not None:
            return alias
        before = self._joined(hops[:-1])
        hop = hops[-1]
        (step,) = hop.steps
        alias = self._aliases[hops] = self._names.alias()
        if hop.is_unique:
            self._join("LEFT JOIN", step, alias, step.on(alias, before))
            return alias
        first = self._names.alias()
        key, keys = step.table.key_value(alias), step.table.key(first)
        self._join("LEFT JOIN", step, alias, f"{key} = ({self._names.select_one(keys, hop, first, before)})")
        self._note_stack(_FIRST_STACK)
        return alias

    def _join(self, how: str, step: Step, alias: str, on: str) -> None:
        if len(self._joins) == MAX_JOINS:
            raise QueryError(f"the paths of a query go over more relations than the {MAX_JOINS} that can be joined")
        self._joins.append(f" {how} {step.table.quoted} AS {alias} ON {on}")
        self._note_stack(_JOIN_STACK)

    def _note_stack(self, stack: int) -> None:
        self.stack = max(self.stack, stack)


class ChangedScope(Scope):
    """The row that an UPDATE or DELETE looks at: whatever a path leads to is read by a subquery."""

    def sql(self, ref: Ref) -> str:
        if isinstance(ref, str):
            return super().sql(ref)
        hop, *rest = ref.hops
        alias = self._names.alias()
        inner = Scope(self._names, hop.target, alias)
        column = inner.sql(Path(tuple(rest), ref.name) if rest else ref.name)
        return f"({self._names.select_one(column, hop, alias, self.name, inner.joins)})"

    def column_stack(self, ref: Ref) -> int:
        return 0 if isinstance(ref, str) else _COLUMN_STACK


class KeysScope(Scope):
    """The SELECT that finds the keys of the rows that an UPDATE or DELETE changes, before it changes any."""

    around = _KEYS_STACK

    def where(self, condition: str) -> str:
        # It does not refer to the row, so it is run once, as a whole.
        select = f"SELECT {self.table.key(self.name)} FROM {self.name}{super().where(condition)}"
        return f" WHERE {self.table.key_value(self.name)} IN ({self.table.dialect.reread(select)})"


class RelatedScope(Scope):
    """The rows that relations lead to from a row of another scope."""

    def __init__(self, names: _Names, outer: Scope, hops: tuple[Hop, ...]) -> None:
        (first, *others) = [step for hop in hops for step in hop.steps]
        alias = names.alias()
        super().__init__(names, hops[-1].target, alias, outer.level + 1)
        #: What makes the rows those of the outer row.
        self.correlation = first.on(alias, outer.name)
        self._source = f"{first.table.quoted} AS {alias}"
        self._note_stack(_TABLE_STACK)
        for step in others:
            before, alias = alias, names.alias()
            self._join("JOIN", step, alias, step.on(alias, before))
        self.name = self._aliases[()] = alias

    def exists(self, condition: str, *, negated: bool) -> str:
        """Write the question whether there is such a row."""
        return f"{'NOT ' if negated else ''}EXISTS (SELECT 1 FROM {self._source}{self.joins} WHERE {condition})"


def selecting(table: Table) -> Scope:
    """Return the scope of a SELECT from a model's table."""
    return Scope(_Names(table), table, table.quoted)


def changing(table: Table, tokens: tuple[Any, ...]) -> Scope:
    """Return the scope of an UPDATE or DELETE of a model's table, by a filter that was read."""
    kind = KeysScope if table.dialect.requires_keys_first and _reads(table, tokens) else ChangedScope
    return kind(_Names(table), table, table.quoted)


def _reads(table: Table, tokens: tuple[Any, ...]) -> bool:
    """Whether the paths of a filter go over a table, by whatever model."""
    names = {step.table.quoted.casefold() for hop in hops_in(tokens) for step in hop.steps}
    return table.quoted.casefold() in names
