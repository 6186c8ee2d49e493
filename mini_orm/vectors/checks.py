"""What a vector store takes: vectors, ids, payloads, each refused with what is allowed and never quoted."""

from __future__ import annotations

import operator
from array import array
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from math import isfinite
from typing import Any
from uuid import UUID

from ..errors import DimensionError, VectorIdError, VectorValueError
from .metrics import VectorMetric
from .records import VectorIdPolicy, VectorRecord

_NO_VECTORS = (str, bytes, bytearray, memoryview, Mapping, AbstractSet)
#: Kinds of numpy's arrays, told by `dtype.kind`.
_REAL = "fiub"
_SCALARS = frozenset({str, int, bool, type(None)})
_NUMBERS_TOO = _SCALARS | {float}
_MAX_DEPTH = 100


class NotJson(TypeError):
    """A value that JSON does not have; the message is where it is."""


def checked_dimension(value: int) -> int:
    """Return a collection's dimension.

    Raises:
        ValueError: it is no int above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("a collection's dimension is an int of 1 or more")
    return value


def checked_top_k(value: int) -> int:
    """Return how many results are wanted, 0 for none.

    Raises:
        TypeError: it is no int.
    """
    return max(operator.index(value), 0)


def float32(vector: Any, dimension: int, metric: VectorMetric, subject: str = "the vector") -> array[float]:
    """Return a vector rounded to float32.

    Raises:
        DimensionError: it has not `dimension` numbers.
        VectorValueError: it is no sequence of numbers, has one that float32 can't hold, or is zero under cosine.
    """
    if isinstance(vector, _NO_VECTORS) or not hasattr(vector, "__len__"):
        raise VectorValueError(f"{subject} is not a sequence of numbers, but {type(vector).__name__}")
    if getattr(vector, "ndim", 1) != 1:
        raise DimensionError(f"{subject} is not one row of {dimension} numbers, but an array of another shape")
    dtype = getattr(vector, "dtype", None)
    if getattr(dtype, "kind", "f") not in _REAL:
        raise VectorValueError(f"{subject} is an array of another kind than real numbers")
    # The bytes of numpy's own float32 are taken as they are; a tensor, or an array with a mask, is read by its numbers.
    is_float32 = type(vector).__module__ == "numpy" and dtype is not None and dtype.char == "f" and dtype.isnative
    try:
        values = array("f", vector.tobytes() if is_float32 else vector)
    except (TypeError, ValueError, OverflowError):
        raise VectorValueError(f"{subject} has something in it that is no number of float32") from None
    if len(values) != dimension:
        raise DimensionError(f"{subject} has {len(values)} numbers; its collection takes {dimension}")
    # The sum is finite if all are: it is added up in double precision, which float32's largest can't exceed.
    if not isfinite(sum(values)):
        raise VectorValueError(f"{subject} has NaN, an infinity, or a number beyond float32")
    if metric is VectorMetric.COSINE and not any(values):
        raise VectorValueError(f"{subject} is zero in float32, and cosine needs a direction")
    return values


def checked_id(value: object, policy: str = VectorIdPolicy.ANY) -> str:
    """Return an id in the form in which it is read back.

    Raises:
        VectorIdError: it is no text, or no UUID where the store takes these alone.
    """
    if type(value) is not str:
        if not isinstance(value, str):
            raise VectorIdError(f"an id is a string, not {type(value).__name__}")
        value = str.__str__(value)
    if policy == VectorIdPolicy.UUID:
        try:
            return str(UUID(value))
        except ValueError:
            raise VectorIdError("this store requires UUID strings as ids") from None
    return value


def checked_ids(values: Iterable[Any], policy: str = VectorIdPolicy.ANY) -> list[str]:
    """Return ids as a list.

    Raises:
        VectorIdError: one is no id, or a single one was given alone.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise VectorIdError(f"ids are a list of strings, not {type(values).__name__}")
    found = list(values)
    if policy == VectorIdPolicy.ANY and set(map(type, found)) <= {str}:
        return found
    return [checked_id(value, policy) for value in found]


def checked_records(records: Iterable[Any]) -> list[VectorRecord]:
    """Return records as a list.

    Raises:
        TypeError: there is something else among them, or one was given alone.
    """
    if isinstance(records, VectorRecord):
        raise TypeError("upsert takes a list of VectorRecord objects, not one alone")
    found = list(records)
    if not set(map(type, found)) <= {VectorRecord}:
        for record in found:
            if not isinstance(record, VectorRecord):
                raise TypeError(f"upsert takes VectorRecord objects, not {type(record).__name__}")
    return found


def latest(ids: Sequence[str]) -> Sequence[int]:
    """Return where each id stands, for the last time if it is repeated."""
    if len(set(ids)) == len(ids):
        return range(len(ids))
    return list(dict(zip(ids, range(len(ids)), strict=True)).values())


def json_payloads(payloads: Sequence[Any], store: str) -> Sequence[dict[str, Any] | None]:
    """Copy payloads, as `json_payload` does each.

    Raises:
        TypeError: as for `json_payload`.
    """
    if set(map(type, payloads)) == {dict}:  # most are plain, and one by one they take several times as long
        copied = list(map(dict.copy, payloads))
        kinds = set(map(type, chain.from_iterable(map(dict.values, copied))))
        numbers = (value for payload in copied for value in payload.values() if type(value) is float)
        is_finite = float not in kinds or all(map(isfinite, numbers))
        if is_finite and kinds <= _NUMBERS_TOO and set(map(type, chain.from_iterable(copied))) <= {str}:
            return copied
    return [json_payload(payload, store) for payload in payloads]


def json_payload(payload: Any, store: str) -> dict[str, Any] | None:
    """Copy a payload, so that it is independent of the caller's objects.

    Raises:
        TypeError: it has a value that JSON does not have; names key and store.
    """
    if payload is None:
        return None
    if type(payload) is dict:
        kinds = set(map(type, payload.values()))
        if kinds <= _NUMBERS_TOO and set(map(type, payload)) <= {str} and _has_finite_floats(payload, kinds):
            return payload.copy()
    elif not isinstance(payload, Mapping):
        raise TypeError(f"a payload is a dict, not {type(payload).__name__}")
    copied = {}
    for key, value in payload.items():
        if not isinstance(key, str):
            raise TypeError(f"{store}: the keys of a payload are strings, not {type(key).__name__}")
        try:
            copied[str.__str__(key)] = json_value(value)
        except NotJson as exc:
            raise TypeError(f"{store} can't hold the payload value of {key!r}: not JSON-serializable, {exc}") from None
    return copied


def _has_finite_floats(payload: Mapping[str, Any], kinds: AbstractSet[type]) -> bool:
    if float in kinds:
        for value in payload.values():
            if type(value) is float and not isfinite(value):
                return False
    return True


def copied_payload(payload: dict[str, Any] | None) -> dict[str, Any] | None:
    """Copy what `json_payload` made."""
    if payload is None:
        return None
    copied = payload.copy()
    for key, value in payload.items():
        if type(value) is list or type(value) is dict:
            copied[key] = json_value(value)
    return copied


def json_value(value: Any, depth: int = 0) -> Any:
    """Copy a value into JSON's own types; tuples become lists.

    Raises:
        NotJson: JSON has no such value.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if isinstance(value, float):
        if not isfinite(value):
            raise NotJson("JSON has no NaN and no infinity")
        return float(value)
    if depth > _MAX_DEPTH:
        raise NotJson("it is nested too deeply")
    if isinstance(value, list | tuple):
        return [json_value(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise NotJson("the keys of a JSON object are strings")
        return {str.__str__(key): json_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    raise NotJson(f"JSON has no {kind.__name__}")
