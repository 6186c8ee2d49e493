"""Payloads in the form that stores can hold, and back.

Rules of this file:
- Scalars (text, numbers, bool, None) stay as they are, so that filters and the store's own indexes see them.
- Everything else becomes one text: `prefix`, then JSON. What JSON lacks is an object with the inner key there, which
  names the type. Equal values have equal texts (keys and sets are sorted), so that filters find them.
- Reading imports nothing and calls nothing by name but the members of Enum classes that are loaded already.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol
from uuid import UUID

#: The inner key: which type an object in the JSON stands for.
INNER = "__miniorm_codec__"
_SCALARS = frozenset({str, int, float, bool, type(None)})


class VectorPayloadCodec(Protocol):
    """How payloads are written to a store and read from it; any object with these methods is one."""

    def serialize(self, payload: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return the payload as the store is to hold it."""

    def deserialize(self, payload: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return what `serialize` was given."""

    def serialize_filters(self, filters: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return filters whose values are in the form that `serialize` gives them."""


class IdentityVectorPayloadCodec:
    """Leaves payloads as they are; they must be what the store can hold."""

    def serialize(self, payload: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return the payload."""
        return payload

    def deserialize(self, payload: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return the payload."""
        return payload

    def serialize_filters(self, filters: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return the filters."""
        return filters


class JsonVectorPayloadCodec:
    """Keeps scalars, and writes other values as tagged JSON text that reads back equal.

    These are Enum, datetime, date, time, Decimal, UUID, bytes, tuple, set, frozenset, dict and list, also inside each
    other. An Enum is read back as a member where its class is loaded, else as its value.

    Args:
        prefix: what a tagged text begins with. Plain text that begins so is tagged, too, and survives.
    """

    def __init__(self, prefix: str = "__miniorm_json__:") -> None:
        if not isinstance(prefix, str) or not prefix:
            raise ValueError("the prefix of tagged texts is a string with something in it")
        self.prefix = prefix

    def serialize(self, payload: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return a payload of scalars.

        Raises:
            TypeError: a value is of none of the types above ("cannot serialize payload value").
        """
        if payload is None:
            return None
        if not isinstance(payload, Mapping):
            raise TypeError(f"a payload is a dict, not {type(payload).__name__}")
        prefix = self.prefix
        written = dict(payload)
        for key, value in written.items():
            kind = type(value)
            if kind is str:
                if value.startswith(prefix):
                    written[key] = prefix + _text(value)
            elif kind not in _SCALARS:
                written[key] = self._tagged(key, value)
        return written

    def serialize_filters(self, filters: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return filters of scalars.

        Raises:
            TypeError: as `serialize`.
        """
        return self.serialize(filters)

    def deserialize(self, payload: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return the payload that `serialize` was given."""
        if payload is None:
            return None
        prefix = self.prefix
        read = dict(payload)
        for key, value in read.items():
            if type(value) is str and value.startswith(prefix):
                read[key] = _untagged(value, len(prefix))
        return read

    def _tagged(self, key: Any, value: Any) -> Any:
        if not isinstance(value, Enum) and isinstance(value, str | int | float):
            return value  # of a subclass: a scalar all the same
        try:
            return self.prefix + _text(_encoded(value))
        except _Unknown as exc:
            message = f"cannot serialize payload value of {key!r}: there is no form for {exc}"
        except RecursionError:
            message = f"cannot serialize payload value of {key!r}: it is nested too deeply, or holds itself"
        raise TypeError(message)


class _Unknown(Exception):
    """The name of a type that has no form."""


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _untagged(text: str, start: int) -> Any:
    try:
        return _decoded(json.loads(text[start:]))
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
        return text  # not written by this codec


def _object(kind: str, value: Any) -> dict[str, Any]:
    return {INNER: kind, "value": value}


def _items(values: Any) -> list[Any]:
    return [_encoded(value) for value in values]


def _sorted_items(values: Any) -> list[Any]:
    return sorted(_items(values), key=_text)


def _encoded_dict(value: Mapping[Any, Any]) -> Any:
    if all(type(key) is str for key in value) and INNER not in value:
        return {key: _encoded(item) for key, item in value.items()}
    return _object("dict", sorted(([_encoded(key), _encoded(item)] for key, item in value.items()), key=_text))


def _encoded_enum(value: Enum) -> Any:
    cls = type(value)
    return {**_object("enum", _encoded(value.value)), "type": f"{cls.__module__}:{cls.__qualname__}"}


#: How a value of a type is written; looked for in this order where it is of a subclass.
_ENCODERS: dict[type, Callable[[Any], Any]] = {
    Enum: _encoded_enum,
    str: str.__str__,
    bool: bool,
    int: int,
    float: float,
    list: _items,
    tuple: lambda value: _object("tuple", _items(value)),
    dict: _encoded_dict,
    set: lambda value: _object("set", _sorted_items(value)),
    frozenset: lambda value: _object("frozenset", _sorted_items(value)),
    datetime: lambda value: _object("datetime", value.isoformat()),
    date: lambda value: _object("date", value.isoformat()),
    time: lambda value: _object("time", value.isoformat()),
    Decimal: lambda value: _object("decimal", str(value)),
    UUID: lambda value: _object("uuid", str(value)),
    bytes: lambda value: _object("bytes", b64encode(value).decode("ascii")),
}


def _encoded(value: Any) -> Any:
    """Return a value as JSON has it."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    encode = _ENCODERS.get(kind)
    if encode is None:
        encode = next((one for base, one in _ENCODERS.items() if isinstance(value, base)), None)
        if encode is None:
            raise _Unknown(kind.__name__)
    return encode(value)


def _decoded_enum(value: Mapping[str, Any]) -> Any:
    scalar = _decoded(value["value"])
    module, _, name = value["type"].partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, "__dict__", {}).get(part)  # no module's own __getattr__, which may import
    if isinstance(found, type) and issubclass(found, Enum):
        try:
            return found(scalar)
        except ValueError:
            return scalar  # no member any more
    return scalar


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "tuple": lambda value: tuple(map(_decoded, value)),
    "dict": lambda value: {_decoded(key): _decoded(item) for key, item in value},
    "set": lambda value: set(map(_decoded, value)),
    "frozenset": lambda value: frozenset(map(_decoded, value)),
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "decimal": Decimal,
    "uuid": UUID,
    "bytes": lambda value: b64decode(value, validate=True),
}


def _decoded(value: Any) -> Any:
    """Return the value that `_encoded` was given."""
    if type(value) is list:
        return [_decoded(item) for item in value]
    if type(value) is not dict:
        return value
    kind = value.get(INNER)
    if kind is None:
        return {key: _decoded(item) for key, item in value.items()}
    return _decoded_enum(value) if kind == "enum" else _DECODERS[kind](value["value"])
