"""A model as one dialect knows it: quoted names, codecs, and where its relations lead.

Rules of this file:
- A name that a query uses is found here, before any SQL, and quoted here.
- Nothing here holds a class. A `Hop` is the relation as it was read last: when a model is defined again, or another
  foreign key becomes known, there is a new one. Hops are compared by identity, so a plan of the old one is not found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ...errors import CodecError, ModelError, QueryError, QueryTypeError, RelationError
from ..codecs import Codec, codec_error, make_codec, refusing_zero
from ..columns import ColumnType
from ..dialects import Dialect
from ..models import ColumnMeta, ModelMeta, model_meta
from ..refused import Refused

if TYPE_CHECKING:
    from ..relations import Relation

#: MySQL joins 61 tables, SQLite 64: the table itself, and these.
MAX_JOINS = 60


class Path(NamedTuple):
    """A field of a related row, as it stands in the key of a query."""

    hops: tuple[Hop, ...]
    name: str


#: A column in the key of a query: a field's name, or a path to one.
Ref: TypeAlias = str | Path


class Column:
    """One column, and what encodes the values that it is compared with."""

    __slots__ = ("codec", "meta", "table", "type")

    def __init__(self, table: Table, meta: ColumnMeta, codec: Codec) -> None:
        self.table = table
        self.meta = meta
        self.type: ColumnType = meta.type
        self.codec = codec

    def __str__(self) -> str:
        return f"{self.table.meta.name}.{self.meta.name}"

    @property
    def quoted(self) -> str:
        """The name as SQL writes it, without its table."""
        return self.table.names[self.meta.name]

    def encode(self, value: Any) -> Any:
        """Encode a value that a filter compares with.

        Raises:
            QueryError: it is not of the field's type.
        """
        try:
            return self.codec.coerce(value)
        except Refused as exc:
            raise self.refused(exc) from self.error(value, exc)

    def refused(self, reason: Refused) -> QueryError:
        """Say why a filter can't compare with a value."""
        return QueryError(f"filter on {self}: {reason}")

    def error(self, value: Any, reason: Refused) -> CodecError:
        """Make the cause of such a refusal, which has the value."""
        return codec_error(self.table.meta, self.meta, value, reason)


class Step(NamedTuple):
    """One table on the way of a hop: its columns `own` have the values of the columns `before`, which were there."""

    table: Table
    own: tuple[str, ...]
    before: tuple[str, ...]

    def on(self, alias: str, before: str) -> str:
        """Write the condition that joins the table by its alias to the one before."""
        pairs = zip(self.own, self.before, strict=True)
        return " AND ".join(f"{alias}.{own} = {before}.{other}" for own, other in pairs)


class Hop:
    """The way over one relation: the steps (two where a link stands between), and what is known of its end."""

    __slots__ = ("is_many", "is_unique", "relation", "steps", "target")

    def __init__(self, owner: Table, relation: Relation, target: type) -> None:
        dialect = owner.dialect
        self.relation = relation
        self.target = table_for(model_meta(target), dialect)
        local, remote = owner.quoted_names(relation.local), self.target.quoted_names(relation.remote)
        if relation.link_ref is None:
            self.steps: tuple[Step, ...] = (Step(self.target, remote, local),)
        else:
            link = table_for(model_meta(relation.link), dialect)
            ours, theirs = link.quoted_names(relation.link_local), link.quoted_names(relation.link_remote)
            self.steps = (Step(link, ours, local), Step(self.target, remote, theirs))
        self.is_many = relation.is_many
        keys = {column.name for column in relation.remote}
        self.is_unique = any(unique <= keys for unique in self.target.meta.unique_keys)


def hops_in(key: tuple[Any, ...]) -> Iterator[Hop]:
    """Find the hops in the key of a query, or in a part of it."""
    for part in key:
        if isinstance(part, Hop):
            yield part
        elif isinstance(part, tuple):
            yield from hops_in(part)


class Table:
    """One model in one dialect."""

    def __init__(self, meta: ModelMeta, dialect: Dialect) -> None:
        self.meta = meta
        self.dialect = dialect
        try:
            self.codecs = tuple(_codec(column, dialect) for column in meta.columns)
        except Refused as exc:
            raise ModelError(f"{meta.name}: the value of an Enum's member can't be stored: {exc}") from exc
        self.quoted = self._quote(meta.table)
        self.names = {column.name: self._quote(column.column) for column in meta.columns}
        self.columns = {
            column.name: Column(self, column, codec) for column, codec in zip(meta.columns, self.codecs, strict=True)
        }
        self._hops: dict[str, Hop] = {}

    def _quote(self, name: str) -> str:
        quoted = self.dialect.quote(name)
        # In these styles a driver reads % in the text itself.
        return quoted.replace("%", "%%") if self.dialect.paramstyle in ("format", "pyformat") else quoted

    def quoted_names(self, columns: Sequence[ColumnMeta]) -> tuple[str, ...]:
        """Return the names of columns as SQL writes them."""
        return tuple(self.names[column.name] for column in columns)

    def read(self, column: ColumnMeta, alias: str) -> str:
        """Write a column whose value is read."""
        return self.dialect.read(f"{alias}.{self.names[column.name]}", column.type)

    def bound(self, column: ColumnMeta) -> str:
        """Write the mark of a value of a column."""
        return self.dialect.bound(self.dialect.placeholder("value"), column.type)

    def key(self, alias: str) -> str:
        """Write the columns of the key."""
        return ", ".join(f"{alias}.{name}" for name in self.quoted_names(self.meta.pk))

    def key_value(self, alias: str) -> str:
        """Write the key as one value, which is compared with what a SELECT of `key` finds."""
        key = self.key(alias)
        return f"({key})" if len(self.meta.pk) > 1 else key

    def key_order(self, alias: str) -> str:
        """Write the key as ORDER BY takes it."""
        terms = (self.dialect.compared(f"{alias}.{self.names[one.name]}", one.type, "ORDER") for one in self.meta.pk)
        return ", ".join(terms)

    def find(self, name: Any, where: str) -> tuple[Ref, Column]:
        """Find what a name stands for: a field, or a path to one over relations that lead to one row.

        Raises:
            QueryError: there is none; names the model and the nearest name. A relation on the way leads to many rows.
        """
        found = self.columns.get(name) if isinstance(name, str) else None
        if found is not None:
            return name, found
        if not isinstance(name, str) or "." not in name:
            raise self._unknown(name, where)
        path, _, field = name.rpartition(".")
        hops = self.over(path, where)
        for place, hop in enumerate(hops):
            if hop.is_many:
                names = ".".join(one.relation.name for one in hops[: place + 1])
                raise QueryError(
                    f"{where}: {hop.relation.name!r} leads to many rows, so {name[:60]!r} is no one value; "
                    f"C.any_({names!r}, …) and C.none({names!r}, …) filter by them"
                )
        end = hops[-1].target
        column = end.columns.get(field)
        if column is None:
            raise end._unknown(field, where)
        return Path(hops, field), column

    def _unknown(self, name: Any, where: str) -> QueryError:
        """Say that a name is no field, and more where it is a relation's."""
        from ..relations import relations_of  # few programs need it, and it is not free to import

        cls = self.meta.ref()
        try:
            relation = relations_of(cls).get(name) if cls is not None and isinstance(name, str) else None
        except (ModelError, RelationError):  # not what the query asked for
            relation = None
        if relation is None:
            return QueryError(f"{where}: {self.meta.unknown(name)}")
        advice = "" if relation.is_many else f" {name + '.' + relation.remote[0].name!r} is a field of it;"
        return QueryError(f"{where}: {self.meta.name}.{name} is a relation;{advice} C.any_({name!r}) asks for a row")

    def over(self, path: Any, where: str) -> tuple[Hop, ...]:
        """Find the way over the relations of a path, of any kind.

        Raises:
            QueryError: there is no such relation, or the path is no text, or too long.
        """
        if not isinstance(path, str):
            raise QueryTypeError(f"{where}: a path is text, not {type(path).__name__}")
        names = path.split(".")
        if len(names) > MAX_JOINS:
            raise QueryError(f"{where}: a path of {len(names)} relations is too long; {MAX_JOINS} are allowed")
        hops: list[Hop] = []
        table = self
        for name in names:
            if not name:
                raise QueryError(f"{where}: {path[:60]!r} is no path; it is names with one dot between them")
            try:
                hops.append(table._hop(name))
            except RelationError as exc:
                raise QueryError(f"{where}: {exc}") from exc
            table = hops[-1].target
        return tuple(hops)

    def _hop(self, name: str) -> Hop:
        from ..relations import relation_of  # as above

        cls = self.meta.ref()
        if cls is None:
            raise RelationError(f"the model {self.meta.name} is not there any more; define it again")
        relation = relation_of(cls, name)
        target = relation.target  # raises where it is gone
        hop = self._hops.get(name)
        if hop is None or (relation is not hop.relation and relation != hop.relation):
            hop = self._hops[name] = Hop(self, relation, target)
        hop.relation = relation
        return hop


def _codec(column: ColumnMeta, dialect: Dialect) -> Codec:
    codec = make_codec(column.type, dialect.forms)
    return refusing_zero(codec) if column.auto and dialect.zero_makes_key else codec


def table_for(meta: ModelMeta, dialect: Dialect) -> Table:
    """Return the one table of a model in a dialect."""
    # Kept beside the compilers, so that it goes with the class.
    found: Table | None = meta.compilers.get((Table, dialect))
    if found is None:
        found = meta.compilers.setdefault((Table, dialect), Table(meta, dialect))
    return found
