"""The statements of one model in one dialect, each compiled once. This package is where queries become SQL.

Rules of this file:
- Values are bound, always. A name reaches the text only after it was found in the model, and quoted.
- The same question gives the same text: golden tests and the drivers' statement caches depend on it.
- The cache is bounded; what falls out is compiled again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..._typing import Row
from ...errors import QueryError, QueryTypeError, UniqueViolation, UnsafeOperationError
from ...validation import ValidatedModel, prepare
from ..codecs import Function, codec_error
from ..conditions import Condition, Expression
from ..dialects import Dialect
from ..models import ColumnMeta, ModelMeta
from ..objects import clone, getter
from ..refused import Refused
from .bulk import BulkEncoder
from .expressions import Token
from .filters import Filters
from .ordering import Term, check_page, read_order, write_order
from .paths import Scope, changing, selecting
from .rows import RowDecoder, UncheckedRowDecoder, undecodable
from .statements import InsertPlan, Plan, Statement, statement
from .tables import table_for
from .updates import reads_assigned, update_of_found

#: Shapes of statements kept for one model and dialect.
CACHE_SIZE = 512
#: A longer filter is compiled each time: its text is large, and hardly the same twice.
CACHED_CONDITIONS = 200
#: Rows in one INSERT by arrays: enough that the way to the server and back does not count.
ARRAY_ROWS = 5000
#: Keys that are no tuple and no mapping, without asking an abstract class.
_PLAIN_KEYS = frozenset({int, str, bytes})


def compiler_for(meta: ModelMeta, dialect: Dialect) -> Compiler:
    """Return the one compiler of a model in a dialect."""
    found: Compiler | None = meta.compilers.get(dialect)
    if found is None:
        found = meta.compilers.setdefault(dialect, Compiler(meta, dialect))
    return found


class Compiler:
    """Compiles the statements of one model in one dialect, and binds them."""

    def __init__(self, meta: ModelMeta, dialect: Dialect) -> None:
        self.meta = meta
        self.dialect = dialect
        self._table = table = table_for(meta, dialect)
        self.decoder = RowDecoder(meta, table.codecs)
        self.uses_validation = False
        model = meta.ref()
        if model is not None and issubclass(model, ValidatedModel):
            prepare(model)  # a mistake in a rule is found before any SQL
            self.decoder = UncheckedRowDecoder(meta, table.codecs)
            self.uses_validation = True
        self._mark = dialect.placeholder("value")
        self._names = table.names
        # With its table's name, as SQLite takes a quoted name that it does not know for a text.
        # Source: https://www.sqlite.org/quirks.html, section 8
        self._qualified = {name: f"{table.quoted}.{quoted}" for name, quoted in self._names.items()}
        self.filters = Filters(table)
        self._cache: dict[Any, Any] = {}
        #: What `_filtered` made of single comparisons: kind, operator, field -> text, and what encodes the value.
        self._comparing: dict[tuple[str, str, str], tuple[str, Function]] = {}
        self._lock = threading.Lock()
        self._all = self._shown(meta.columns)
        self._key_text = " AND ".join(f"{self._qualified[column.name]} = {table.bound(column)}" for column in meta.pk)
        self._values = getter(meta.columns)
        self._pk = tuple(table.columns[column.name] for column in meta.pk)
        self._pk_values = getter(meta.pk)
        self._rest = tuple(column for column in meta.columns if not column.pk)
        self._rest_values = getter(self._rest)
        self._rest_encoders = tuple(table.columns[column.name].codec.encode for column in self._rest)
        self._pk_encoders = tuple(one.codec.coerce if one.meta.auto else one.codec.encode for one in self._pk)
        self._encoders = tuple(codec.encode for codec in table.codecs)
        self.bulk = BulkEncoder(meta, table.codecs, self._values)
        self._optional = frozenset(place for place, column in enumerate(meta.columns) if column.is_optional)
        self._required = frozenset(place for place, column in enumerate(meta.columns) if column.pk) - self._optional
        self._starts = {
            "count": f"SELECT count(*) FROM {self._table.quoted}",
            "exists": f"SELECT 1 FROM {self._table.quoted}",
            "delete": f"DELETE FROM {self._table.quoted}",
        }
        self.get_sql = f"SELECT {self._all} FROM {self._table.quoted} WHERE {self._key_text}"
        self.delete_sql = f"DELETE FROM {self._table.quoted} WHERE {self._key_text}"
        assignments = ", ".join(f"{self._names[column.name]} = {table.bound(column)}" for column in self._rest)
        self.update_sql = f"UPDATE {self._table.quoted} SET {assignments} WHERE {self._key_text}"

    def _plan(self, key: Any, make: Callable[[], Any], size: int = 0) -> Any:
        """Return the plan of a shape; one of `size` conditions is not kept if that is more than anybody writes."""
        if size > CACHED_CONDITIONS:
            return make()
        found = self._cache.get(key)
        if found is None:
            found = make()
            with self._lock:
                while len(self._cache) >= CACHE_SIZE:
                    del self._cache[next(iter(self._cache))]
                self._cache[key] = found
        return found

    def _shown(self, columns: Sequence[ColumnMeta]) -> str:
        return ", ".join(self._table.read(column, self._table.quoted) for column in columns)

    # --- keys ---

    def key(self, pk: Any) -> list[Any] | None:
        """Encode a primary key: a value, a tuple in field order, or a mapping by field. `None` where a part is.

        Raises:
            QueryError: wrong form, wrong arity, wrong names, or a value of the wrong type.
        """
        columns = self._pk
        if type(pk) in _PLAIN_KEYS and len(columns) == 1:
            return [columns[0].encode(pk)]
        if len(columns) == 1 and not isinstance(pk, tuple | dict | Mapping):
            return None if pk is None else [columns[0].encode(pk)]
        if isinstance(pk, Mapping):
            names = {column.name for column in self.meta.pk}
            if set(pk) != names:
                raise QueryError(f"the key of {self.meta.name} is {', '.join(sorted(names))}")
            values: Sequence[Any] = [pk[column.name] for column in self.meta.pk]
        elif pk is None:
            return None
        else:
            wanted = ", ".join(column.name for column in self.meta.pk)
            if not isinstance(pk, tuple):
                shape = f"a tuple ({wanted}) or a mapping"
                raise QueryError(f"the key of {self.meta.name} is composite: {shape}; got {type(pk).__name__}")
            if len(pk) != len(columns):
                raise QueryError(f"the key of {self.meta.name} has {len(columns)} part(s): {wanted}; got {len(pk)}")
            values = pk
        if any(value is None for value in values):
            return None
        return [column.encode(value) for column, value in zip(columns, values, strict=True)]

    def key_of(self, obj: Any, action: str) -> list[Any]:
        """Encode the key of an object.

        Raises:
            QueryError: a part of it is `None`.
        """
        if len(self._pk) == 1:
            [column], [encode] = self.meta.pk, self._pk_encoders
            value = getattr(obj, column.name)
            if value is None:
                raise QueryError(f"{action}: the key {self.meta.name}.{column.name} is None")
            try:
                return [encode(value)]
            except Refused as exc:
                raise codec_error(self.meta, column, value, exc) from exc
        values = self._pk_values(obj)
        for place, value in enumerate(values):
            if value is None:
                raise QueryError(f"{action}: the key {self.meta.name}.{self.meta.pk[place].name} is None")
        return self._encoded(self.meta.pk, self._pk_encoders, values)

    def check(self, obj: Any, cls: type) -> None:
        """Refuse an object of another class.

        Raises:
            TypeError: its class is not exactly the model.
        """
        if type(obj) is not cls:
            shown = f"the class {obj.__name__}" if isinstance(obj, type) else type(obj).__name__
            raise TypeError(f"this repository expects {cls.__name__} objects, got {shown}")

    # --- SELECT ---

    def select(self, where: Any, order_by: Any, limit: int | None, offset: int | None) -> Statement:
        """Compile a SELECT of all columns.

        Raises:
            QueryError: see `Filters.read`; an unknown name to order by.
            QueryError: limit below 1, offset below 0 (a ValueError).
        """
        params: list[Any] = []
        tokens = self.filters.read(where, params)
        order = read_order(order_by, self._table)
        check_page(limit, offset)
        key = ("select", tokens, order, limit is not None if self.dialect.binds_limit else limit, offset is not None)
        filtered = len(params)
        if limit is not None and self.dialect.binds_limit:
            params.append(limit)
        if offset is not None:
            params.append(offset)
        plan: Plan = self._plan(key, lambda: self._make_select(tokens, order, limit, offset, filtered), len(tokens))
        return self._bound(plan, params)

    def _make_select(
        self, tokens: tuple[Token, ...], order: tuple[Term, ...], limit: int | None, offset: int | None, filtered: int
    ) -> Plan:
        scope = selecting(self._table)
        condition, places = self._condition(tokens, 0, scope)
        ordered = f" ORDER BY {write_order(order, scope)}" if order else ""
        sql = f"SELECT {self._all} FROM {self._table.quoted}{scope.where(condition)}{ordered}"
        if limit is not None:
            sql += f" LIMIT {self._mark if self.dialect.binds_limit else limit}"
        elif offset is not None and self.dialect.no_limit is not None:
            sql += f" LIMIT {self.dialect.no_limit}"
        if offset is not None:
            sql += f" OFFSET {self._mark}"
        extra = (limit is not None and self.dialect.binds_limit) + (offset is not None)
        return Plan(sql, _order([*places, *range(filtered, filtered + extra)]))

    def count(self, where: Any) -> Statement:
        """Compile `SELECT count(*)`."""
        return self._filtered("count", where)

    def exists(self, where: Any) -> Statement:
        """Compile a SELECT that has a row where one matches."""
        return self._filtered("exists", where, " LIMIT 1")

    def delete_where(self, where: Any, *, allow_all: bool) -> Statement:
        """Compile a DELETE by condition.

        Raises:
            UnsafeOperationError: there is no condition, and `allow_all` is not true.
        """
        self._refuse_all(where is None or (isinstance(where, Sequence) and not where), allow_all, "delete_where")
        return self._filtered("delete", where, changes=True)

    def _filtered(self, kind: str, where: Any, end: str = "", *, changes: bool = False) -> Statement:
        compares = type(where) is Condition
        if compares and (value := where.value) is not None and not isinstance(value, Expression):
            try:
                found = self._comparing.get((kind, where.op, where.col))
            except TypeError:  # no names; what is wrong with them is said below
                found = None
            if found is not None:
                sql, encode = found
                return statement((sql, [encode(value)]))
        params: list[Any] = []
        tokens = self.filters.read(where, params)

        def make() -> Plan:
            scope = changing(self._table, tokens) if changes else selecting(self._table)
            condition, places = self._condition(tokens, 0, scope)
            return Plan(self._starts[kind] + scope.where(condition) + end, _order(places))

        plan: Plan = self._plan((kind, tokens), make, len(tokens))
        if compares and tokens[0][0] == "CMP" and where.col in self._names and tokens[0][3] == ("?",):
            self._comparing[kind, where.op, where.col] = plan.sql, self._table.columns[where.col].encode
        return self._bound(plan, params)

    def _condition(self, tokens: tuple[Token, ...], first: int, scope: Scope) -> tuple[str, list[int]]:
        return self.filters.write(tokens, first, scope) if tokens else ("", [])

    def _bound(self, plan: Plan, params: list[Any]) -> Statement:
        if len(params) > self.dialect.max_params:
            limit = self.dialect.max_params
            raise QueryError(
                f"{len(params)} values are more than one statement can bind ({limit}); use C.in_ for lists"
            )
        return plan.bind(params)

    def _refuse_all(self, everything: bool, allow_all: bool, action: str) -> None:
        if everything and not allow_all:
            message = f"{action} without a condition would change every row of {self.meta.name}"
            raise UnsafeOperationError(f"{message}; pass allow_all=True if that is what you want")

    # --- INSERT ---

    def _encode(self, column: ColumnMeta, value: Any) -> Any:
        if value is None:
            return None
        try:
            return self._table.columns[column.name].codec.encode(value)
        except Refused as exc:
            raise codec_error(self.meta, column, value, exc) from exc

    def _encoded(self, columns: Sequence[ColumnMeta], encoders: Sequence[Function], values: Sequence[Any]) -> list[Any]:
        encoded = list(values)
        place = 0
        try:
            for place, encode in enumerate(encoders):
                value = encoded[place]
                if value is not None:
                    encoded[place] = encode(value)
        except Refused as exc:
            raise codec_error(self.meta, columns[place], encoded[place], exc) from exc
        return encoded

    def member(self, name: str, value: Any) -> Any:
        """Return the member that a value of an Enum's field stands for; other values as they are."""
        enum = self.meta.by_name[name].type.enum
        if enum is None or value is None or isinstance(value, enum):
            return value
        self._encode(self.meta.by_name[name], value)  # refuses what is no member's value
        return enum(value)

    def row(self, obj: Any) -> tuple[tuple[int, ...], list[Any]]:
        """Encode an object: the places of the columns left out (the database fills them), and the other values.

        Raises:
            CodecError: a value is not of its field's type.
            QueryError: a part of the key is `None` and the database does not make it.
        """
        values = list(self._values(obj))
        omitted: list[int] = []
        place = 0
        try:
            for place, encode in enumerate(self._encoders):
                value = values[place]
                if value is not None:
                    values[place] = encode(value)
                elif place in self._optional:
                    omitted.append(place)
        except Refused as exc:
            raise codec_error(self.meta, self.meta.columns[place], values[place], exc) from exc
        for place in self._required:
            if values[place] is None:
                raise QueryError(f"insert: the key {self.meta.name}.{self.meta.columns[place].name} is None")
        if not omitted:
            return (), values
        if len(omitted) == 1:
            del values[omitted[0]]
            return (omitted[0],), values
        return tuple(omitted), [value for place, value in enumerate(values) if place not in omitted]

    def insert(self, omitted: tuple[int, ...]) -> InsertPlan:
        """Compile an INSERT of one row without the omitted columns, which come back."""
        plan: InsertPlan = self._cache.get(("insert", omitted)) or self._plan(
            ("insert", omitted), lambda: self._make_insert(omitted)
        )
        return plan

    def _make_insert(self, omitted: tuple[int, ...]) -> InsertPlan:
        sql = self._insert_into(omitted, 1)
        left_out = tuple(self.meta.columns[place] for place in omitted)
        auto = self.meta.auto
        last_id = auto if auto in left_out and self.dialect.supports_last_id else None
        if last_id is not None and left_out == (last_id,):
            return InsertPlan(sql, last_id=last_id, told=last_id.name)
        if not left_out:
            return InsertPlan(sql)
        if self.dialect.supports_returning:
            return InsertPlan(f"{sql} RETURNING {self._shown(left_out)}", returning=left_out)
        reread = tuple(column for column in left_out if column is not last_id)
        for column in reread:
            if column.pk:
                raise QueryError(f"insert: this database can't tell the default of the key {column.name}; give a value")
        return InsertPlan(sql, last_id=last_id, reread=reread)

    def _insert_into(self, omitted: tuple[int, ...], rows: int) -> str:
        columns = [column for place, column in enumerate(self.meta.columns) if place not in omitted]
        if not columns:
            return f"INSERT INTO {self._table.quoted} {self.dialect.default_row}"
        marks = f"({', '.join(map(self._table.bound, columns))})"
        return f"{self._insert_start(columns)} VALUES {', '.join([marks] * rows)}"

    def _insert_start(self, columns: Sequence[ColumnMeta]) -> str:
        names = ", ".join(self._names[column.name] for column in columns)
        return f"INSERT INTO {self._table.quoted} ({names})"

    def insert_rows(self, rows: int, omitted: tuple[int, ...] = ()) -> str:
        """Compile an INSERT of several rows without the omitted columns."""
        if 1 < rows < self.bulk_rows():  # what is left of many: hardly the same twice
            return self._insert_into(omitted, rows)
        return str(self._plan(("insert_rows", rows, omitted), lambda: self._insert_into(omitted, rows)))

    def bulk_rows(self) -> int:
        """Return how many rows with all columns one statement may insert."""
        return max(1, min(self.dialect.bulk_rows, self.dialect.max_params // len(self.meta.columns)))

    @property
    def takes_arrays(self) -> bool:
        """Whether rows with all columns can be inserted as one array for each column."""
        # What a db_type column holds is the driver's to know, and may be an array itself.
        return self.dialect.supports_array_rows and all(column.type.db_type is None for column in self.meta.columns)

    def load(self, omitted: tuple[int, ...]) -> str:
        """Compile the statement that takes rows without the omitted columns as text (`Dialect.load_text`)."""
        columns = [column for place, column in enumerate(self.meta.columns) if place not in omitted]
        return self.dialect.load_sql(self._table.quoted, [self._names[column.name] for column in columns])

    def insert_arrays(self) -> str:
        """Compile an INSERT of as many rows as the arrays have, with all columns."""
        return str(self._plan(("insert_arrays",), self._make_insert_arrays))

    def _make_insert_arrays(self) -> str:
        columns = self.meta.columns
        return f"{self._insert_start(columns)} {self.dialect.array_rows([one.type for one in columns], self._mark)}"

    def highest_key(self) -> str:
        """Compile a SELECT of the highest auto key."""
        auto = self.meta.auto
        assert auto is not None
        return f"SELECT max({self._qualified[auto.name]}) FROM {self._table.quoted}"

    def is_about(self, violation: UniqueViolation, names: Iterable[str]) -> bool:
        """Tell whether a unique violation is about the fields `names`; `True` where the database does not say."""
        if violation.columns is not None:
            return set(violation.columns) <= {self.meta.by_name[name].column for name in names}
        if violation.constraint is not None:
            for index in self.meta.indexes:
                if index.name == violation.constraint:
                    return {column.name for column in index.columns} <= set(names)
        return True

    def reread(self, columns: Sequence[ColumnMeta]) -> str:
        """Compile a SELECT of some columns by key."""
        return f"SELECT {self._shown(columns)} FROM {self._table.quoted} WHERE {self._key_text}"

    def decoded(self, columns: Sequence[ColumnMeta], row: Row) -> dict[str, Any]:
        """Decode single values by field."""
        values = {}
        for column, value in zip(columns, row, strict=True):
            decode = self._table.columns[column.name].codec.decode
            try:
                values[column.name] = value if value is None or decode is None else decode(value)
            except Exception as exc:  # as in RowDecoder: decoders fail in their own ways
                raise undecodable(self.meta, self.meta.columns.index(column), value, None) from exc
        return values

    def completed(self, obj: Any, values: Mapping[str, Any]) -> Any:
        """Set what the database filled in: on the object, or on a copy where the model is frozen."""
        if not values:
            return clone(obj) if self.meta.frozen else obj
        if not self.meta.frozen:
            for name, value in values.items():
                setattr(obj, name, value)
            return obj
        # No second __init__ and __post_init__: the object is the same, but for what the database knows.
        twin = clone(obj)
        for name, value in values.items():
            object.__setattr__(twin, name, value)
        return twin

    # --- UPDATE ---

    def update(self, obj: Any) -> Statement:
        """Compile an UPDATE of every column by key.

        Raises:
            QueryError: the key is `None`, or the model has nothing but a key.
        """
        key = self.key_of(obj, "update")
        if not self._rest:
            raise QueryError(f"update: {self.meta.name} has no columns beside its key")
        values = self._encoded(self._rest, self._rest_encoders, self._rest_values(obj))
        return statement((self.update_sql, values + key))

    def update_where(self, values: Mapping[str, Any], where: Any, *, allow_all: bool) -> Statement:
        """Compile an UPDATE by condition; values may be expressions of `F`.

        Raises:
            QueryError: no values, an unknown name, a column of the key.
            UnsafeOperationError: there is no condition, and `allow_all` is not true.
        """
        if not isinstance(values, Mapping):
            raise QueryTypeError(f"update_where takes a mapping of values, got {type(values).__name__}")
        if not values:
            raise QueryError("update_where needs at least one value")
        params: list[Any] = []
        targets: list[Token] = []
        for name, value in values.items():
            column = self.meta.column(name, "update_where")
            if column.pk:
                raise QueryError(f"update_where: {self.meta.name}.{name} is part of the key, which can't be changed")
            if isinstance(value, Expression):
                targets.append((name, self.filters.read_assigned(value, column, params)))
            else:
                params.append(self._encode(column, value))
                targets.append((name, ("?",)))
        first = len(params)
        tokens = self.filters.read(where, params)
        self._refuse_all(not tokens, allow_all, "update_where")
        key = ("update", tuple(targets), tokens)
        plan = self._plan(key, lambda: self._make_update(targets, tokens, first), len(tokens))
        return self._bound(plan, params)

    def _make_update(self, targets: Sequence[Token], tokens: tuple[Token, ...], first: int) -> Plan:
        if self.dialect.assigns_in_order and reads_assigned(targets):
            sql, places = update_of_found(self._table, self.filters, targets, tokens, first)
            return Plan(sql, _order(places))
        scope = changing(self._table, tokens)
        assignments = ", ".join(
            f"{self._names[name]} = {self.filters.write_assigned(token, name, scope)}" for name, token in targets
        )
        condition, places = self._condition(tokens, first, scope)
        sql = f"UPDATE {self._table.quoted} SET {assignments}{scope.where(condition)}"
        return Plan(sql, _order([*range(first), *places]))


def _order(places: list[int]) -> tuple[int, ...] | None:
    return None if places == list(range(len(places))) else tuple(places)
