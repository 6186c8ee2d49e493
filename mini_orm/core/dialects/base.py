"""What the compiler and the schema ask of a database's SQL: flags, a type table, and a few short spellings.

Rules of this file:
- A difference between databases is one attribute or one short method here. Nobody else asks for a name.
- A spelling takes SQL text that is quoted already, and returns SQL text; values never pass through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from ..._typing import Row
from ...errors import ModelError
from ..codecs import make_codec
from ..columns import ColumnType
from ..models import ColumnMeta
from ..refused import Refused
from .declared import DeclaredType, normal_default, read_type

Isolation = Literal["read committed", "repeatable read", "serializable"]
ISOLATIONS: tuple[str, ...] = ("read committed", "repeatable read", "serializable")
#: How a live type fits a model's: as well as any, well enough, or not.
Fit = Literal["same", "logged", "conflict"]
Match = Literal["LIKE", "ILIKE", "CONTAINS", "STARTSWITH", "ENDSWITH", "LONG STARTSWITH", "LONG ENDSWITH", "RANGE"]
_LITERAL = r"'((?:[^']|'')*)'|([+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)"  # as in declared.py
# Text that holds what another type would hold, too.
_TEXTS: Mapping[str, tuple[DeclaredType, ...]] = {
    "json": (DeclaredType("TEXT"),),
    "uuid": (DeclaredType("TEXT"), DeclaredType("VARCHAR", (36,)), DeclaredType("CHAR", (36,))),
}


class Dialect:
    """How one database spells SQL. A subclass may change the type table, or any of the flags."""

    name: ClassVar[str] = ""
    #: PEP 249's word for the placeholders: "qmark" (`?`), "format" (`%s`) or "named" (`:name`).
    paramstyle: ClassVar[str] = "qmark"
    quote_char: ClassVar[str] = '"'
    #: Asks the server once, in one row, for what `settled` wants to know; empty where nothing has to be asked.
    features_sql: ClassVar[str] = ""
    supports_returning: ClassVar[bool] = True
    supports_nulls_order: ClassVar[bool] = True
    #: What an UPDATE or DELETE reads of the very table that it changes has to be found first, as keys (see `reread`).
    requires_keys_first: ClassVar[bool] = False
    #: `IF NOT EXISTS` for an index.
    supports_index_if_not_exists: ClassVar[bool] = True
    #: The assignments of an UPDATE are made one after the other, and each sees those before it.
    assigns_in_order: ClassVar[bool] = False
    #: A transaction can undo a change of the schema, and none ends it.
    supports_transactional_ddl: ClassVar[bool] = True
    #: A foreign key can stand behind the column that has it.
    supports_column_references: ClassVar[bool] = True
    #: An auto key of 0 stands for a new one.
    zero_makes_key: ClassVar[bool] = False
    #: Keys can be had before their rows are inserted: from the sequence (`sequence_keys_sql`), or handed out by the
    #: writer itself while it holds the database's write lock.
    supports_reserved_keys: ClassVar[bool] = False
    #: Asks whether the database remembers the keys that it gave, and whether a table has triggers.
    key_facts_sql: ClassVar[str] = ""
    #: Asks, after an INSERT of many rows whose first key the driver tells (`supports_last_id`), how far apart their
    #: keys are, and the first one that the database made itself; empty where keys don't follow each other.
    key_run_sql: ClassVar[str] = ""
    #: Asks for the last key that a table gave.
    last_key_sql: ClassVar[str] = ""
    #: Asks what keeps a table from having an index of a name, where tables share such names (see schema/inspect.py).
    index_table_sql: ClassVar[str] = ""
    #: What asks for a live schema; each takes the table's name, and the rows are the same for all databases (see
    #: schema/inspect.py). Empty: a live schema can't be read.
    table_kind_sql: ClassVar[str] = ""
    columns_sql: ClassVar[str] = ""
    indexes_sql: ClassVar[str] = ""
    foreign_keys_sql: ClassVar[str] = ""
    referrers_sql: ClassVar[str] = ""
    #: Asks for the names of all tables and views where CREATE TABLE makes one, in order.
    tables_sql: ClassVar[str] = ""
    #: Other names of types -> what they stand for.
    type_names: ClassVar[Mapping[str, DeclaredType]] = {}
    #: Families of types that no column of mini_orm has -> the kind whose values they hold, if in their own way.
    other_kinds: ClassVar[Mapping[str, str]] = {"VARCHAR": "str", "CHAR": "str"}
    #: LIMIT travels as a value; else it stands in the text, as the database plans a query for its limit.
    binds_limit: ClassVar[bool] = True
    #: The most values that one statement may bind.
    max_params: ClassVar[int] = 32766
    #: Rows in one multi-row INSERT: more make no difference that can be measured, and cost a longer text.
    bulk_rows: ClassVar[int] = 200
    #: About how long the text of an INSERT of many rows may be, its values written out; `None`: they travel beside it.
    max_statement: ClassVar[int | None] = None
    #: The deepest tree of conditions that the database takes.
    max_depth: ClassVar[int] = 900
    #: The most entries of the parser's stack that a filter may need (see query/filters.py).
    max_stack: ClassVar[int] = 2000
    #: Hands out the next keys of a table from its sequence; takes its name, the key's, its name again, the number of
    #: keys, and the key's name again. No rows: there is no sequence, or none that may be used.
    sequence_keys_sql: ClassVar[str] = ""
    #: There is an extension for vectors (see vectors/stores/pgvector.py).
    supports_vectors: ClassVar[bool] = False
    #: Rows can be inserted from one array for each column (see `array_rows`).
    supports_array_rows: ClassVar[bool] = False
    #: Asks for a row if a table takes rows as text (see `load_sql`), and does with them what INSERT does; takes its
    #: name and those of the columns that are given. Empty: none does.
    loads_sql: ClassVar[str] = ""
    #: A transaction has cursors that SQL declares and fetches from.
    supports_sql_cursors: ClassVar[bool] = False
    #: Makes others wait that change a schema, until the transaction ends; empty where a transaction does so by itself.
    schema_lock_sql: ClassVar[str] = ""
    #: Ends what `schema_lock_sql` began; empty where the end of the transaction does.
    schema_unlock_sql: ClassVar[str] = ""
    #: Make a change of the schema fail soon where transactions have its tables in use, and undo that.
    schema_haste_sql: ClassVar[tuple[str, str]] = ("", "")
    #: Names of what a foreign key does on delete -> another name of the same.
    same_actions: ClassVar[Mapping[str, str]] = {}
    #: A foreign key can be made before the table that it refers to.
    supports_early_foreign_keys: ClassVar[bool] = False
    #: Asks for the foreign keys of other tables that keep a table from being dropped: table, name, definition, schema.
    dependent_keys_sql: ClassVar[str] = ""
    #: What ends a SELECT that sees the rows which others committed after the transaction's begin; empty: nothing does.
    latest_read: ClassVar[str] = ""
    #: Asks for a row if a table is not where CREATE TABLE makes one; empty where there is one place only.
    is_elsewhere_sql: ClassVar[str] = ""
    #: Asks for the isolation level of the open transaction; empty where no transaction can be overtaken by another.
    isolation_sql: ClassVar[str] = ""
    #: The levels at which a transaction does not see what others commit after its begin.
    snapshot_isolations: ClassVar[tuple[str, ...]] = ("repeatable read", "serializable")
    #: How raw SQL begins that ends a transaction and opens the next one, so that nobody can see the end.
    reopening: ClassVar[str] = r"(?is)\s*(?:COMMIT|END|ROLLBACK|ABORT)\b.*\bAND\s+CHAIN\b"
    #: The driver tells the key that the last INSERT made.
    supports_last_id: ClassVar[bool] = False
    #: A longer IN list travels as one value (see `in_many`); `None`: never.
    max_in_list: ClassVar[int | None] = 256
    #: Kind of a column -> its type.
    types: ClassVar[Mapping[str, str]] = {}
    #: Kind of a column -> the form its values are stored in (see codecs.py); what is not here is "native".
    forms: ClassVar[Mapping[str, str]] = {}
    #: The whole definition of an `auto` key, but for its name.
    auto_key: ClassVar[str] = ""
    #: What an INSERT without columns says after the table.
    default_row: ClassVar[str] = "DEFAULT VALUES"
    #: What follows the closing parenthesis of CREATE TABLE.
    table_suffix: ClassVar[str] = ""
    #: OFFSET needs a LIMIT; this one is as good as none.
    no_limit: ClassVar[str | None] = None

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), repr(sorted(self.__dict__.items()))))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def settled(self, features: Row) -> Self:
        """Return the dialect of the server that answered `features_sql` so."""
        return self

    # --- names and values ---

    def quote(self, name: str) -> str:
        """Quote an identifier.

        Raises:
            ModelError: it is empty, or has a NUL.
        """
        if not name or "\0" in name:
            raise ModelError("an identifier must be text that is not empty and has no NUL")
        mark = self.quote_char
        return f"{mark}{name.replace(mark, mark * 2)}{mark}"

    def q(self, name: str) -> str:
        """Short for `quote`."""
        return self.quote(name)

    def placeholder(self, name: str) -> str:
        """Return the mark of a bound value."""
        return {"qmark": "?", "format": "%s", "pyformat": f"%({name})s", "named": f":{name}"}[self.paramstyle]

    def without_values(self, sql: str) -> str:
        """Write a statement that binds nothing as a driver takes it, which may read % in the text."""
        return sql.replace("%", "%%") if self.paramstyle in ("format", "pyformat") else sql

    def read(self, column: str, kind: ColumnType) -> str:
        """Spell a column whose value is read, in the form that its codec decodes."""
        return column

    def bound(self, mark: str, kind: ColumnType) -> str:
        """Spell the mark of a value that is written to a column, or compared with it."""
        return mark

    def operand(self, mark: str, kind: ColumnType) -> str:
        """Spell the mark of a value that a column is compared with."""
        return self.bound(mark, kind)

    def number(self, mark: str, kind: str) -> str:
        """Spell the mark of a number in an expression of a kind."""
        return mark

    # --- schema ---

    def column_type(self, column: ColumnMeta, *, keyed: bool) -> str:
        """Return the type of a column; `keyed` where it is a key, or in an index or foreign key.

        Raises:
            ModelError: the column has a `db_type` that does not speak of this database, and nothing else.
        """
        kind = column.type
        stated = self.stated_type(kind)
        if stated is not None:
            return stated
        if kind.kind not in self.types:
            raise ModelError(f"the field {column.name!r} has a db_type, but none for {self.name!r}", field=column.name)
        return self._sized(kind, self.types[kind.kind], keyed)

    def stated_type(self, kind: ColumnType) -> str | None:
        """Return the type that the model's `db_type` states for this database; `None` where it states none."""
        if kind.db_type is None or isinstance(kind.db_type, str):
            return kind.db_type
        return kind.db_type.get(self.name)

    def _sized(self, kind: ColumnType, default: str, keyed: bool) -> str:
        if kind.kind == "str" and kind.max_length is not None:
            return f"VARCHAR({kind.max_length})"
        if kind.kind == "decimal" and kind.precision is not None:
            return f"NUMERIC({kind.precision},{kind.scale or 0})"
        if kind.kind == "datetime" and kind.timezone:
            return self.types.get("datetime with time zone", default)
        return default

    def default(self, text: str, kind: ColumnType) -> str:
        """Return the default of a column, as it stands behind DEFAULT."""
        return text

    # --- live schema ---

    def fold(self, name: str) -> str:
        """Return what all spellings of a name have in common that are one name for the database."""
        return name

    def compare_types(self, kind: ColumnType, wanted: str, live: str) -> Fit:
        """Say how a live type fits a column whose own type is `wanted`."""
        ours, theirs = read_type(wanted, self.type_names), read_type(live, self.type_names)
        if ours == theirs:
            return "same"
        is_narrower = (ours.family, ours.sizes) == (theirs.family, theirs.sizes)
        return "logged" if is_narrower or theirs in _TEXTS.get(kind.kind, ()) else "conflict"

    def kind_of(self, live: str) -> str | None:
        """Return the kind, as in `types`, whose values a live type holds; `None` where it is none of them."""
        found = read_type(live, self.type_names)
        ours = [(kind, read_type(text, self.type_names)) for kind, text in self.types.items()]
        family = found.family.partition("(")[0].strip()  # what stands in parentheses may be texts
        exact = next((kind for kind, own in ours if own == found), None)
        return exact or self.other_kinds.get(family) or next((kind for kind, own in ours if own.family == family), None)

    def normal_default(self, text: str | None) -> str | None:
        """Write a default so that equal ones have one text; `None`: there is none."""
        return normal_default(text)

    def same_default(self, kind: ColumnType, wanted: str, live: str | None) -> bool:
        """Say whether a live default is the one that a column is to have."""
        return self.normal_default(wanted) == self.normal_default(live)

    def literal(self, value: Any) -> str | None:
        """Write a value that a codec has encoded as SQL; `None` where it has no literal."""
        return None

    def refusal_to_add(self, column: ColumnMeta, default: str | None) -> str | None:
        """Say why a column can't be added to a table that has rows; `None` where it can."""
        return None

    def refusal_to_index(self, types: Mapping[str, str]) -> str | None:
        """Say why columns, each with its type, can't be a key or an index together; `None` where they can."""
        return None

    def names_index_itself(self, index: str) -> bool:
        """Whether this is a name that the database has given an index, and that nobody else can."""
        return False

    def drop_index(self, index: str, table: str) -> str:
        """Spell DROP INDEX."""
        return f"DROP INDEX {index}"

    def replace_index(self, old: str, new: str, table: str, columns: str, *, unique: bool) -> tuple[str, ...]:
        """Spell what drops an index and makes another."""
        return self.drop_index(old, table), f"CREATE {'UNIQUE ' if unique else ''}INDEX {new} ON {table} ({columns})"

    # --- queries ---

    def choose_match(self, op: Match, text: str) -> tuple[Match, list[str]]:
        """Choose how a text is looked for; return that, and the values that `match` has marks for."""
        return op, [self.match_value(op, text)]

    def match(self, op: Match, column: str, mark: str) -> str:
        """Spell LIKE and its kin; the values were prepared by `choose_match`."""
        if op == "LIKE":
            return f"{column} LIKE {mark}"
        if op == "ILIKE":
            return f"{column} ILIKE {mark}"
        return f"{column} LIKE {mark} ESCAPE '!'"

    def match_value(self, op: Match, text: str) -> str:
        """Prepare the text that a match looks for."""
        if op in ("LIKE", "ILIKE"):
            return text
        plain = text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
        return {"CONTAINS": f"%{plain}%", "STARTSWITH": f"{plain}%", "ENDSWITH": f"%{plain}"}[op]

    def same(self, left: str, right: str, *, negated: bool) -> str:
        """Compare where NULL is a value like any other."""
        return f"{left} IS {'' if negated else 'NOT '}DISTINCT FROM {right}"

    def compared(self, column: str, kind: ColumnType, op: str) -> str:
        """Make the left side of a comparison, or a key of an order, compare by value."""
        return column

    def list_limit(self, kind: ColumnType) -> int | None:
        """Return how many values of a kind an IN list may have; a longer one travels as one value."""
        return self.max_in_list

    def in_many(self, column: str, kind: ColumnType, mark: str, *, negated: bool) -> str:
        """Spell an IN list that travels as one value."""
        raise NotImplementedError("this dialect binds each value of a list")

    def many_value(self, kind: ColumnType, values: Sequence[Any]) -> Any:
        """Pack the values of an IN list for `in_many`."""
        raise NotImplementedError("this dialect binds each value of a list")

    def array_rows(self, kinds: Sequence[ColumnType], mark: str) -> str:
        """Spell the rows that arrays make, one for each column."""
        raise NotImplementedError("this dialect has no arrays")

    def load_sql(self, table: str, columns: Sequence[str]) -> str:
        """Spell the statement that takes rows as text, for the quoted names of columns."""
        raise NotImplementedError("this dialect takes no rows as text")

    def load_text(self, columns: Sequence[Sequence[Any]]) -> bytes:
        """Write encoded values, given by column, as the text of rows."""
        raise NotImplementedError("this dialect takes no rows as text")

    def arithmetic(self, left: str, operator: str, right: str, kind: str) -> str:
        """Spell `+`, `-` or `*` over columns of a kind."""
        return f"{left} {operator} {right}"

    def assigned(self, sql: str, kind: ColumnType) -> str:
        """Make the result of arithmetic fail where it does not fit into the column."""
        return sql

    def as_decimal(self, sql: str) -> str:
        """Make a number comparable with a Decimal column."""
        return sql

    def ordered(self, term: str, *, desc: bool, nulls: str | None) -> str:
        """Spell one key of ORDER BY."""
        direction = f"{term} DESC" if desc else term
        if nulls is None:
            return direction
        if self.supports_nulls_order:
            return f"{direction} NULLS {nulls.upper()}"
        return f"{term} IS NULL{' DESC' if nulls == 'first' else ''}, {direction}"

    def reread(self, select: str) -> str:
        """Spell a SELECT of keys from the table that the statement around it changes."""
        return select

    def update_found(self, table: str, select: str, found: str, on: str, assignments: str) -> str:
        """Spell an UPDATE of the rows that a SELECT from the same table finds, with what it computes."""
        raise NotImplementedError("this dialect assigns all at once")

    # --- transactions ---

    def begin(self, isolation: str | None, *, read_only: bool) -> tuple[str, ...]:
        """Return the statements that open a transaction."""
        level = f" ISOLATION LEVEL {isolation.upper()}" if isolation else ""
        return (f"BEGIN{level}{' READ ONLY' if read_only else ''}",)


def bare(default: str) -> str:
    """Return a default without the parentheses around it."""
    plain = default.strip()
    while plain.startswith("(") and plain.endswith(")"):
        plain = plain[1:-1].strip()
    return plain


def stored_literal(default: str, kind: ColumnType, forms: Mapping[str, str]) -> str | None:
    """Return the text that a column stores for a literal default; `None` where it is no literal.

    Raises:
        ModelError: it is no value of the column.
    """
    literal = re.fullmatch(_LITERAL, default)
    if literal is None:
        return None
    codec = make_codec(kind._replace(enum=None, literals=None), forms)
    written = literal.group(2) if literal.group(1) is None else literal.group(1).replace("''", "'")
    try:
        assert codec.decode is not None
        return str(codec.encode(codec.decode(written)))
    except (Refused, ValueError, ArithmeticError, TypeError) as exc:
        raise ModelError(f"the server_default is no {kind.python_type}: {type(exc).__name__}") from exc


def check_isolation(isolation: str | None) -> None:
    """Refuse an isolation level that no database has.

    Raises:
        ValueError: it is none of the three.
    """
    if isolation is not None and isolation not in ISOLATIONS:
        raise ValueError(f"isolation must be one of {', '.join(map(repr, ISOLATIONS))} or None")
