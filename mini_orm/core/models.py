"""A dataclass, read once: `model_meta(cls)` gives its table, columns, keys and indexes.

Rules of this file:
- The class is never changed, and never held: everything here refers to it weakly, so that a model made in a
  function or a notebook cell goes when its last user goes.
- Errors name the model and the field, and come when the class is first used, before any SQL.
"""

from __future__ import annotations

import dataclasses
import inspect
import threading
import warnings
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..errors import ModelError, QueryError
from ..validation.hints import field_hints
from .columns import ColumnType, column_type, flag
from .frozen import Frozen, frozen_dataclass, set_field

_KNOWN_KEYS = (
    "pk",
    "auto",
    "index",
    "unique_index",
    "index_name",
    "fk",
    "relation",
    "related_name",
    "one_to_one",
    "on_delete",
    "codec",
    "column",
    "max_length",
    "precision",
    "scale",
    "db_type",
    "server_default",
    "timezone",
    "required",
    "non_empty",
    "pattern",
    "choices",
    "min_len",
    "max_len",
    "gt",
    "ge",
    "lt",
    "le",
    "min",
    "max",
    "validator",
)
_FLAGS = ("pk", "auto", "index", "unique_index")
_ON_DELETE = ("cascade", "set null", "set default", "restrict", "no action")
#: Postgres cuts identifiers at 63 bytes; MySQL allows 64 characters.
_MAX_IDENTIFIER = 63


@frozen_dataclass(frozen=True, slots=True)
class IndexSpec(Frozen):
    """An index over the fields `columns`, in that order; `name` where the default name does not serve."""

    columns: tuple[str, ...] | str
    unique: bool = False
    name: str | None = None

    def __init__(self, columns: tuple[str, ...] | str, unique: bool = False, name: str | None = None) -> None:
        set_field(self, "columns", columns)
        set_field(self, "unique", unique)
        set_field(self, "name", name)


class ForeignKey(NamedTuple):
    """What a column refers to: `model` and its field `target`, or the column `target` of `table`."""

    target: str
    table: str | None = None
    model: weakref.ref[type] | None = None
    on_delete: str | None = None
    #: What the relation is called on this side and on the other, and whether it leads to one object there.
    relation: str | None = None
    related_name: str | None = None
    one_to_one: bool = False

    def resolve(self) -> tuple[str, str]:
        """Return the table and the column that are referred to.

        Raises:
            ModelError: the model is gone, or has no such field.
        """
        if self.table is not None:
            return self.table, self.target
        model = self.model() if self.model is not None else None
        if model is None:
            raise ModelError("the model that a foreign key refers to is not there any more; define it again")
        meta = model_meta(model)
        return meta.table, meta.column(self.target, "its foreign key").column


class ColumnMeta(NamedTuple):
    """One field that is a column."""

    name: str
    column: str
    type: ColumnType
    nullable: bool
    pk: bool = False
    auto: bool = False
    index: bool = False  # type: ignore[assignment]  # a field, in place of a tuple's method
    unique: bool = False
    index_name: str | None = None
    fk: ForeignKey | None = None
    server_default: str | None = None
    init: bool = True

    @property
    def is_optional(self) -> bool:
        """Whether `None` leaves the column out of an INSERT, for the database to fill in."""
        return self.auto or self.server_default is not None


class IndexMeta(NamedTuple):
    """One index with its final name."""

    name: str
    columns: tuple[ColumnMeta, ...]
    unique: bool


class Construction(NamedTuple):
    """How a row becomes an object: positions in the row, by the way they reach `__init__`.

    `positional` go to `__init__` in order, `keywords` by name, `assigned` (fields with `init=False`) are set after.
    """

    positional: tuple[int, ...]
    keywords: tuple[tuple[str, int], ...]
    assigned: tuple[tuple[str, int], ...]

    @property
    def is_plain(self) -> bool:
        """Whether the whole row is `__init__`'s arguments in order."""
        return not self.keywords and not self.assigned and self.positional == tuple(range(len(self.positional)))


class ModelMeta:
    """Everything that is known of a model. One for each class, found by `model_meta`."""

    def __init__(
        self,
        cls: type,
        table: str,
        columns: tuple[ColumnMeta, ...],
        indexes: tuple[IndexMeta, ...],
        construction: Construction,
    ) -> None:
        self.ref = weakref.ref(cls)
        self.name = cls.__name__
        self.table = table
        self.columns = columns
        self.indexes = indexes
        self.construction = construction
        self.by_name: Mapping[str, ColumnMeta] = {column.name: column for column in columns}
        self.pk = tuple(column for column in columns if column.pk)
        self.auto = next((column for column in self.pk if column.auto), None)
        self.frozen: bool = cls.__dataclass_params__.frozen  # type: ignore[attr-defined]  # every dataclass has it
        #: Compiled statements by dialect; kept here so that they go with the class.
        self.compilers: dict[Any, Any] = {}
        #: Its relations, as relations.py found them.
        self.relations: dict[str, Any] = {}

    def column(self, name: Any, where: str) -> ColumnMeta:
        """Return the column of the field `name`.

        Raises:
            QueryError: the model has no such field; the message names the nearest one.
        """
        found = self.by_name.get(name) if isinstance(name, str) else None
        if found is None:
            raise QueryError(f"{where}: {self.unknown(name)}")
        return found

    def unknown(self, name: Any) -> str:
        """Say that `name` is no field, and which is the nearest one."""
        if not isinstance(name, str):
            return f"{self.name} fields are named by str, not {type(name).__name__}"
        shown = name if len(name) <= 60 else name[:60] + "…"
        if "." in name:
            return f"{self.name} has no field {shown!r}; a path over relations has no place here"
        near = nearest(name[:100], self.by_name, 0.5)
        advice = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(self.by_name)}"
        return f"{self.name} has no field {shown!r}; {advice}"

    @property
    def unique_keys(self) -> tuple[frozenset[str], ...]:
        """The sets of fields of which a value can be there only once."""
        unique = [frozenset(column.name for column in index.columns) for index in self.indexes if index.unique]
        return (frozenset(column.name for column in self.pk), *unique)


_metas: weakref.WeakKeyDictionary[type, ModelMeta] = weakref.WeakKeyDictionary()
_lock = threading.RLock()
_reads = 0


def model_meta(cls: type) -> ModelMeta:
    """Read a dataclass as a model; the second time it is a look-up.

    Raises:
        ModelError: it is no dataclass, has no key, or a field has no column form.
    """
    try:
        found = _metas.get(cls)
    except TypeError:  # no weak reference to it: an instance, a string
        found = None
    if found is not None:
        return found
    if not isinstance(cls, type) or not dataclasses.is_dataclass(cls):
        shown = cls.__name__ if isinstance(cls, type) else f"an instance of {type(cls).__name__}"
        raise ModelError(f"a model is a dataclass; {shown} is none. Decorate the class with @dataclass")
    global _reads
    with _lock:
        meta = _metas.setdefault(cls, _read(cls))
        _reads += 1
    return meta


def known_models() -> list[type]:
    """Return the models that were read so far and are still there, in the order of their first use."""
    with _lock:
        return list(_metas)


def models_read() -> int:
    """Count the models that were ever read: what was found among them is current while this stays."""
    return _reads


def _read(cls: type) -> ModelMeta:
    fields = dataclasses.fields(cls)
    _refuse_undecorated(cls, {one.name for one in fields})
    _refuse_odd_fields(cls)
    wanted = tuple(one for one in fields if one.metadata.get("column") is not False)
    hints = field_hints(cls, wanted)
    columns = tuple(_column(cls, one, hints[one.name]) for one in wanted)
    by_name = {column.name: column for column in columns}
    taken: dict[str, str] = {}
    for column in columns:
        other = taken.setdefault(column.column.lower(), column.name)
        if other != column.name:
            raise _error(cls, column.name, f"its column {column.column!r} is taken by the field {other!r}")
    pk = tuple(column for column in columns if column.pk)
    if not pk:
        raise _error(cls, None, "no field has metadata={'pk': True}; a model needs a primary key")
    for column in columns:
        if column.auto and (len(pk) > 1 or not column.pk or column.type.kind != "int" or column.type.enum):
            raise _error(cls, column.name, "'auto' is for a single integer primary key")
    table = _table_name(cls)
    return ModelMeta(cls, table, columns, _indexes(cls, table, by_name), _construction(cls, columns))


def _refuse_undecorated(cls: type, names: set[str]) -> None:
    if "__dataclass_fields__" in vars(cls):
        return
    for name in inspect.get_annotations(cls):
        if name not in names and not name.startswith("__"):
            raise _error(cls, name, "the class has fields of its own but is not decorated with @dataclass")


def _refuse_odd_fields(cls: type) -> None:
    for name in ("__table__", "__indexes__", "__relations__"):
        if name in cls.__dataclass_fields__ and cls.__dataclass_fields__[name] in dataclasses.fields(cls):  # type: ignore[attr-defined]  # checked by the caller
            raise _error(cls, name, "annotate it as ClassVar, or leave the annotation out, so that it is no field")


def _table_name(cls: type) -> str:
    table = vars(cls).get("__table__", cls.__name__.lower())
    return _identifier(cls, None, table, "__table__")


def _identifier(cls: type, name: str | None, value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise _error(cls, name, f"{what} must be text that is not empty")
    if "\0" in value:
        raise _error(cls, name, f"{what} must not contain NUL")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _error(cls, name, f"{what} must not contain lone surrogates") from None
    return value


def _column(cls: type, one: dataclasses.Field[Any], hint: Any) -> ColumnMeta:
    metadata = one.metadata
    _warn_of_misspelt(cls, one)
    kind, nullable = column_type(cls.__name__, one.name, hint, metadata)
    pk, auto, index, unique = (flag(cls.__name__, one.name, metadata, key) for key in _FLAGS)
    column = metadata.get("column")
    index_name = metadata.get("index_name")
    return ColumnMeta(
        name=one.name,
        column=_identifier(cls, one.name, one.name if column is None or column is True else column, "column"),
        type=kind,
        nullable=(nullable or one.default is None) and not pk,
        pk=pk,
        auto=auto,
        index=index,
        unique=unique,
        index_name=None if index_name is None else _identifier(cls, one.name, index_name, "index_name"),
        fk=_foreign_key(cls, one),
        server_default=_server_default(cls, one),
        init=one.init,
    )


def _warn_of_misspelt(cls: type, one: dataclasses.Field[Any]) -> None:
    for key in one.metadata:
        if isinstance(key, str) and key not in _KNOWN_KEYS:
            near = nearest(key, _KNOWN_KEYS, 0.8)
            if near:
                message = f"{cls.__name__}.{one.name}: unknown metadata key {key!r}; did you mean {near[0]!r}?"
                warnings.warn(message, UserWarning, stacklevel=_outside())


def _outside() -> int:
    """Return the stack level of the first frame outside of the package, for a warning to point at."""
    package = __name__.partition(".")[0]
    level = 1
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    return level - 1


def _server_default(cls: type, one: dataclasses.Field[Any]) -> str | None:
    value = one.metadata.get("server_default")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _error(cls, one.name, "server_default is the SQL text of the default, such as \"'draft'\" or '0'")
    return _identifier(cls, one.name, str(value), "server_default")


def _foreign_key(cls: type, one: dataclasses.Field[Any]) -> ForeignKey | None:
    spec = one.metadata.get("fk")
    on_delete = one.metadata.get("on_delete")
    if on_delete is not None and (not isinstance(on_delete, str) or on_delete.lower() not in _ON_DELETE):
        raise _error(cls, one.name, f"on_delete must be one of {', '.join(map(repr, _ON_DELETE))}")
    if spec is None:
        if on_delete is not None:
            raise _error(cls, one.name, "on_delete needs fk")
        return None
    options = {"on_delete": on_delete and on_delete.upper(), **_relation_names(cls, one)}
    target: Any = None
    name: Any = None
    if isinstance(spec, str) and 0 < spec.find(".") < len(spec) - 1:
        target, name = spec.rsplit(".", 1)
    elif isinstance(spec, tuple) and len(spec) == 2:
        target, name = spec
    elif isinstance(spec, Mapping) and set(spec) in ({"model", "column"}, {"table", "column"}):
        target, name = spec.get("model", spec.get("table")), spec["column"]
    if isinstance(target, str) and isinstance(name, str) and target and name:
        table = _identifier(cls, one.name, target, "fk")
        return ForeignKey(_identifier(cls, one.name, name, "fk"), table=table, **options)
    if isinstance(target, type) and isinstance(name, str) and dataclasses.is_dataclass(target):
        return ForeignKey(name, model=weakref.ref(target), **options)
    allowed = '"table.column", (Model, "field"), {"model": M, "column": "id"} or {"table": "t", "column": "id"}'
    raise _error(cls, one.name, f"fk must be {allowed}")


def _relation_names(cls: type, one: dataclasses.Field[Any]) -> dict[str, Any]:
    for key in ("relation", "related_name"):
        value = one.metadata.get(key)
        if value is not None and (not isinstance(value, str) or not value or "." in value):
            raise _error(cls, one.name, f"{key} must be text that is not empty and has no dot")
    one_to_one = flag(cls.__name__, one.name, one.metadata, "one_to_one")
    if one_to_one and not (one.metadata.get("unique_index") or one.metadata.get("pk")):
        raise _error(cls, one.name, "one_to_one needs unique_index, so that there is one")
    return {key: one.metadata.get(key) for key in ("relation", "related_name")} | {"one_to_one": one_to_one}


def _construction(cls: type, columns: tuple[ColumnMeta, ...]) -> Construction:
    places = {column.name: place for place, column in enumerate(columns)}
    parameters = list(inspect.signature(cls).parameters.values())
    positional: list[int] = []
    keywords: list[tuple[str, int]] = []
    in_order = True
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        place = places.get(parameter.name)
        column = None if place is None else columns[place]
        if place is None or column is None or not column.init:
            if parameter.default is parameter.empty:
                advice = "give it a default, so that an object can be made of a row"
                raise _error(cls, parameter.name, f"it is no column and __init__ needs it; {advice}")
            in_order = False
        elif in_order and parameter.kind is not parameter.KEYWORD_ONLY:
            positional.append(place)
        else:
            keywords.append((parameter.name, place))
    reached = {*positional, *(place for _, place in keywords)}
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    assigned = []
    for place, column in enumerate(columns):
        if place in reached:
            continue
        if takes_any and column.init:
            keywords.append((column.name, place))
        else:
            assigned.append((column.name, place))
    return Construction(tuple(positional), tuple(keywords), tuple(assigned))


def _indexes(cls: type, table: str, by_name: Mapping[str, ColumnMeta]) -> tuple[IndexMeta, ...]:
    specs: list[IndexSpec] = []
    for column in by_name.values():
        if column.index or column.unique:
            specs.append(IndexSpec((column.name,), column.unique, column.index_name))
        elif column.index_name is not None:
            raise _error(cls, column.name, "index_name needs index or unique_index")
    declared = vars(cls).get("__indexes__", ())
    if isinstance(declared, str | Mapping | IndexSpec) or not isinstance(declared, Iterable):
        raise _error(cls, None, "__indexes__ must be a list or tuple of index specs")
    specs.extend(_index_spec(cls, spec) for spec in declared)
    found: dict[str, IndexMeta] = {}
    for spec in dict.fromkeys(specs):
        index = index_meta(cls, table, by_name, spec)
        if found.setdefault(index.name, index) != index:
            raise _error(cls, None, f"two indexes have the name {index.name!r}; give one of them a 'name'")
    return tuple(found.values())


def _index_spec(cls: type, spec: Any) -> IndexSpec:
    if isinstance(spec, str):
        return IndexSpec((spec,))
    if isinstance(spec, Mapping) and "columns" in spec and set(spec) <= {"columns", "unique", "name"}:
        return _index_spec(cls, IndexSpec(spec["columns"], bool(spec.get("unique", False)), spec.get("name")))
    columns = spec.columns if isinstance(spec, IndexSpec) else spec
    if isinstance(columns, str):
        columns = (columns,)
    if not isinstance(columns, tuple | list) or not columns or not all(isinstance(name, str) for name in columns):
        allowed = '"field", ("a", "b"), {"columns": …, "unique": …, "name": …} or an IndexSpec'
        raise _error(cls, None, f"an index spec is {allowed}, not {type(spec).__name__}")
    if isinstance(spec, IndexSpec):
        return IndexSpec(tuple(columns), spec.unique, spec.name)
    return IndexSpec(tuple(columns))


def index_meta(cls: type, table: str, by_name: Mapping[str, ColumnMeta], spec: IndexSpec) -> IndexMeta:
    """Find the columns and the name of an index.

    Raises:
        ModelError: a column is unknown (a ValueError), or the name is no text (a TypeError).
    """
    columns = []
    for name in spec.columns:
        if name not in by_name:
            near = nearest(name, by_name, 0.6)
            advice = f"; did you mean {near[0]!r}?" if near else ""
            raise _error(cls, None, f"an index names the field {name!r}, which is no column{advice}")
        columns.append(by_name[name])
    if len(set(spec.columns)) != len(spec.columns):
        raise _error(cls, None, "an index names a field twice")
    if spec.name is not None:
        given = _identifier(cls, None, spec.name, "an index's name")
        return IndexMeta(shortened(given), tuple(columns), spec.unique)
    prefix = "uidx" if spec.unique else "idx"
    name = "_".join([prefix, table, *(column.column for column in columns)])
    return IndexMeta(shortened(name), tuple(columns), spec.unique)


def nearest(name: str, known: Iterable[str], cutoff: float) -> list[str]:
    """Return the name that is most like another one, if any is; `cutoff` is from 0, anything, to 1, equal."""
    import difflib  # as hashlib, below

    return difflib.get_close_matches(name, known, n=1, cutoff=cutoff)


def shortened(name: str) -> str:
    """Cut an identifier to 63 bytes, with a hash of the whole in place of its end."""
    encoded = name.encode()
    if len(encoded) <= _MAX_IDENTIFIER:
        return name
    import hashlib  # not needed for anything else, and not free to import

    mark = "_" + hashlib.sha256(encoded).hexdigest()[:10]
    return encoded[: _MAX_IDENTIFIER - len(mark)].decode(errors="ignore") + mark


def _error(cls: type, name: str | None, message: str) -> ModelError:
    where = cls.__name__ if name is None else f"{cls.__name__}.{name}"
    return ModelError(f"{where}: {message}", model=cls.__name__, field=name)
