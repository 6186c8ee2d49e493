"""From an annotation to the type of a column.

Rules of this file:
- The annotations come resolved (`validation/hints.py`); no column ever falls back to TEXT.
- `Optional`, `Annotated`, `NewType`, `Literal`, `Final` and type aliases give the column of what they stand for.
- Nothing here knows a database: a dialect maps the `kind` to its own type.
"""

from __future__ import annotations

import datetime as dt
import sys
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, NamedTuple

from ..errors import ModelError

Kind = Literal[
    "int", "bool", "float", "decimal", "str", "bytes", "datetime", "date", "time", "timedelta", "uuid", "json", "raw"
]

# The order matters where one type is a subclass of another: bool before int, datetime before date.
_KINDS: tuple[tuple[type, Kind], ...] = (
    (bool, "bool"),
    (int, "int"),
    (float, "float"),
    (Decimal, "decimal"),
    (str, "str"),
    (bytes, "bytes"),
    (bytearray, "bytes"),
    (memoryview, "bytes"),
    (dt.datetime, "datetime"),
    (dt.date, "date"),
    (dt.time, "time"),
    (dt.timedelta, "timedelta"),
)


def _kinds() -> dict[type, Kind]:
    """Return the types that have a kind; UUID where the program has imported it, as that is not free."""
    found: dict[type, Kind] = dict(_KINDS)
    if "uuid" in sys.modules:
        found[sys.modules["uuid"].UUID] = "uuid"
    return found


class JsonShape(NamedTuple):
    """Which containers a JSON value has where: `items` are the shapes inside (one for all, or one a place)."""

    container: type | None
    items: tuple[JsonShape | None, ...] = ()
    variadic: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether JSON's own lists and objects are what was annotated."""
        return self.container in (None, dict, list) and all(item is None or item.is_plain for item in self.items)


class ColumnType(NamedTuple):
    """What a column holds, without a database in mind.

    `kind` is the kind of the stored value; `enum` and `literals` narrow it. `shape` is for JSON, whose tuples and
    sets come back as annotated. `raw` columns (`db_type` alone) are handed to the driver as they are.
    """

    kind: Kind
    python_type: str
    enum: type[Enum] | None = None
    literals: tuple[Any, ...] | None = None
    shape: JsonShape | None = None
    max_length: int | None = None
    precision: int | None = None
    scale: int | None = None
    timezone: bool = False
    db_type: str | Mapping[str, str] | None = None

    @property
    def is_text(self) -> bool:
        """Whether LIKE and its kin make sense."""
        return self.kind == "str"

    @property
    def is_number(self) -> bool:
        """Whether the column can stand in arithmetic."""
        return self.kind in ("int", "float", "decimal") and self.enum is None


class _Unwrapped(NamedTuple):
    """An annotation without its wrappings."""

    annotation: Any
    nullable: bool


def unwrap(annotation: Any) -> _Unwrapped:
    """Take off `Annotated`, `NewType`, `Final`, aliases, and `None` in a union."""
    nullable = False
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated or origin is typing.Final:
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__value__") and type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__  # `type X = …`, Python 3.12
        elif origin is typing.Union or origin is types.UnionType:
            members = [member for member in typing.get_args(annotation) if member is not type(None)]
            nullable = nullable or len(members) < len(typing.get_args(annotation))
            if len(members) != 1:
                return _Unwrapped(typing.Union[tuple(members)], nullable)  # noqa: UP007  (made at run time)
            annotation = members[0]
        elif origin is Literal and None in typing.get_args(annotation):
            nullable = True
            values = tuple(value for value in typing.get_args(annotation) if value is not None)
            if not values:
                return _Unwrapped(type(None), True)
            annotation = Literal[values]
        else:
            return _Unwrapped(annotation, nullable)


def column_type(model: str, name: str, annotation: Any, metadata: Mapping[str, Any]) -> tuple[ColumnType, bool]:
    """Return the column's type, and whether `None` is in the annotation.

    Raises:
        ModelError: the annotation has no column form.
    """
    unwrapped = unwrap(annotation)
    target = unwrapped.annotation
    options = _options(model, name, metadata)
    codec = metadata.get("codec")
    if codec not in (None, "json", "enum"):
        raise _error(model, name, f"unknown codec {codec!r}; allowed are 'json' and 'enum'")
    is_enum = isinstance(target, type) and issubclass(target, Enum)
    if codec == "enum" and not is_enum:
        raise _error(model, name, "codec 'enum' needs an Enum annotation")
    if codec == "json":
        found = ColumnType("json", _name(target), shape=json_shape(target), **options)
    elif typing.get_origin(target) is Literal:
        values = typing.get_args(target)
        found = _of_values(model, name, "Literal", values, options)
        found = found._replace(literals=values)
    elif is_enum:
        members = [member.value for member in target]
        found = _of_values(model, name, target.__name__, members, options)
        found = found._replace(enum=target)
    elif (typing.get_origin(target) or target) in (dict, list):
        found = ColumnType("json", _name(target), shape=json_shape(target), **options)
    else:
        kind = _kind(target)
        if kind is None:
            if options["db_type"] is None:
                raise _error(model, name, _hint_for(target))
            kind = "raw"
        found = ColumnType(kind, _name(target), **options)
    _check_options(model, name, found)
    return found, unwrapped.nullable


def json_shape(annotation: Any) -> JsonShape | None:
    """Read the containers of an annotation; `None` where it says nothing about them."""
    target = unwrap(annotation).annotation
    container = typing.get_origin(target) or target
    args = typing.get_args(target)
    if container is dict:
        return JsonShape(dict, (json_shape(args[1]),) if args else ())
    if container is tuple and args and args[-1] is not Ellipsis:
        return JsonShape(tuple, tuple(map(json_shape, args)), variadic=False)
    if container in (list, tuple, set, frozenset):
        return JsonShape(container, (json_shape(args[0]),) if args else ())
    return None


def _kind(target: Any) -> Kind | None:
    """Return the kind of a plain type; a subclass of one (say, a str subclass) has no kind of its own."""
    return _kinds().get(target) if isinstance(target, type) else None


def _of_values(model: str, name: str, what: str, values: Any, options: dict[str, Any]) -> ColumnType:
    kinds = {next((kind for base, kind in _kinds().items() if isinstance(value, base)), None) for value in values}
    if len(kinds) != 1 or None in kinds:
        raise _error(model, name, f"the values of {what} must be of one type that has a column form")
    return ColumnType(typing.cast(Kind, kinds.pop()), what, **options)


def _options(model: str, name: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for key in ("max_length", "precision", "scale"):
        value = metadata.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < (key != "scale")):
            raise _error(model, name, f"{key} must be a positive int")
        options[key] = value
    db_type = metadata.get("db_type")
    if db_type is not None and not isinstance(db_type, str | Mapping):
        raise _error(model, name, "db_type must be text, or a mapping of dialect names to text")
    options["db_type"] = db_type
    options["timezone"] = flag(model, name, metadata, "timezone")
    return options


def flag(model: str, name: str, metadata: Mapping[str, Any], key: str) -> bool:
    """Read a key of a field's metadata that is only there or not.

    Raises:
        ModelError: it is neither `True` nor `False`.
    """
    value = metadata.get(key)
    if value is not None and not isinstance(value, bool):
        raise _error(model, name, f"{key} is True or False, not {type(value).__name__}")
    return bool(value)


def _check_options(model: str, name: str, found: ColumnType) -> None:
    if found.scale is not None and found.precision is None:
        raise _error(model, name, "scale needs precision")
    if found.precision is not None and found.kind != "decimal":
        raise _error(model, name, "precision is for Decimal columns")
    if found.precision is not None and (found.scale or 0) > found.precision:
        raise _error(model, name, "scale must not be greater than precision")
    if found.max_length is not None and found.kind not in ("str", "bytes"):
        raise _error(model, name, "max_length is for str and bytes columns")
    if found.timezone and found.kind != "datetime":
        raise _error(model, name, "timezone=True is for datetime columns")


def _hint_for(target: Any) -> str:
    shown = _name(target)
    if typing.get_origin(target) is typing.Union:
        return f"{shown} is a union of several types; give it metadata={{'codec': 'json'}} or a 'db_type'"
    if (typing.get_origin(target) or target) in (tuple, set, frozenset) or target is Any or target is object:
        return f"{shown} has no column form; metadata={{'codec': 'json'}} stores it as JSON"
    return (
        f"{shown} has no column form; use a type that has one, metadata={{'codec': 'json'}}, a 'db_type', "
        f"or leave the field out with metadata={{'column': False}}"
    )


def _name(target: Any) -> str:
    return target.__name__ if isinstance(target, type) and not typing.get_args(target) else str(target)


def _error(model: str, name: str, message: str) -> ModelError:
    return ModelError(f"{model}.{name}: {message}", model=model, field=name)
