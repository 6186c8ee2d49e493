"""The form that payloads have in Qdrant.

Rules of this file:
- A key stands where its user expects it: at the top, with its value as it is. Other programs see what they know.
- What Qdrant has no place for stands beside, under the one key `OWN`:
    norm    under cosine the vector's length, as Qdrant keeps unit vectors
    empty   there is a payload, and nothing in it
    keys    values whose keys can't be written in one of Qdrant's paths, under other names
    marks   a text for each value that Qdrant can't find by equality: lists and dicts, of which it looks at the items,
            and floats that are integers, which to Qdrant are not equal to these
- Two values have the same mark if they are equal, by the rules of filters.py, and stand under the same key.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from ..checks import json_payload

OWN = "_mini_orm"
MARKS = f"{OWN}.marks"
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_MAX_MARK = 64
_INT64 = range(-(2**63), 2**63)


def path_of(key: str) -> str:
    """Return the path by which Qdrant finds a key's value."""
    if _needs_another_name(key):
        return f"{OWN}.keys.{_name_of(key)}"
    return key if _PLAIN.fullmatch(key) else f'"{key}"'


def mark_of(key: str, value: Any) -> str:
    """Return the mark of a value that stands under a key."""
    text = json.dumps([key, _canonical(value)], sort_keys=True, separators=(",", ":"))
    return text if len(text) <= _MAX_MARK else hashlib.sha256(text.encode()).hexdigest()


def is_int64(value: Any) -> bool:
    """Whether Qdrant can hold an int."""
    return value in _INT64


def is_utf8(text: str) -> bool:
    """Whether Qdrant can hold a text: one without halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def written_payload(payload: Any, norm: float, store: str) -> dict[str, Any] | None:
    """Return a payload as Qdrant is to hold it, with the vector's norm.

    Raises:
        TypeError: it has a value that Qdrant can't hold; names key and store.
    """
    written = json_payload(payload, store)
    own: dict[str, Any] = {} if norm == 1.0 else {"norm": norm}
    if written is None:
        return {OWN: own} if own else None
    if not written:
        own["empty"] = True
    marks = []
    for key, value in written.items():
        _check(key, value, store)
        kind = type(value)
        if kind is list or kind is dict or (kind is float and value.is_integer()):
            marks.append(mark_of(key, value))
    if marks:
        own["marks"] = marks
    renamed = [key for key in written if _needs_another_name(key)]
    if renamed:
        own["keys"] = {_name_of(key): written.pop(key) for key in renamed}
    if own:
        written[OWN] = own
    return written


def read_payload(stored: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the payload that `written_payload` was given."""
    if not stored:
        return None
    payload = dict(stored)
    own = _own(stored)
    if own is None:
        return payload
    del payload[OWN]
    for name, value in own.get("keys", {}).items():
        payload[bytes.fromhex(name).decode()] = value
    return payload if payload or own.get("empty") else None


def norm_of(stored: Mapping[str, Any] | None) -> float:
    """Return the norm that `written_payload` was given."""
    own = _own(stored)
    return 1.0 if own is None else float(own.get("norm", 1.0))


def _own(stored: Mapping[str, Any] | None) -> dict[str, Any] | None:
    own = stored.get(OWN) if stored else None
    return own if isinstance(own, dict) else None


def _needs_another_name(key: str) -> bool:
    return key == OWN or '"' in key or "\\" in key


def _name_of(key: str) -> str:
    return key.encode("utf-8", "surrogatepass").hex()


def _check(key: str, value: Any, store: str) -> None:
    problem = None if is_utf8(key) else "a key that is no UTF-8"
    problem = problem or _problem(value)
    if problem:
        raise TypeError(f"{store} can't hold the payload value of {key!r}: not JSON-serializable, {problem}")


def _problem(value: Any) -> str | None:
    """Return what in a value Qdrant can't hold."""
    kind = type(value)
    if kind is str:
        return None if value.isascii() or is_utf8(value) else "a text that is no UTF-8"
    if kind is int:
        return None if is_int64(value) else "an int of more than 64 bits"
    if kind is dict:
        return next(filter(None, map(_problem, [*value, *value.values()])), None)
    if kind is list:
        return next(filter(None, map(_problem, value)), None)
    return None


def _canonical(value: Any) -> Any:
    """Return the same for values that are equal, so that they have one text."""
    kind = type(value)
    if kind is float and value.is_integer():
        return int(value)
    if kind is list:
        return [_canonical(item) for item in value]
    if kind is dict:
        return {key: _canonical(item) for key, item in value.items()}
    return value
