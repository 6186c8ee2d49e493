"""How ids and payloads stand in Chroma, whose metadata is a flat dict of texts, numbers and bools.

Rules of this file:
- A payload's texts, numbers and bools are metadata under their own keys, as other programs expect them. A key that
  Chroma does not take gets a prefix.
- None, lists and dicts go into `JSON` as they are. For a list or dict there is also a text that is the same for equal
  values: that is what a filter asks for.
- Each key whose value is not None has a mark beside it, as Chroma can't ask whether a key is there.
- No payload is no metadata; an empty one is an empty `JSON`.
- Lists stay out of metadata. Chroma 1.5.9 keeps those of a deleted record, and gives them to one that comes after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import VectorIdError
from ..checks import json_payload

#: Begins whatever is not the user's own; what he begins so gets a prefix that does.
RESERVED = "mini_orm:"
JSON = f"{RESERVED}json"
_HAS = f"{RESERVED}has:"
_EQUAL = f"{RESERVED}equal:"
_KEY = f"{RESERVED}key:"
_ID = f"{RESERVED}id:"
#: Chroma's own names begin so.
_TAKEN = ("#", "$", "chroma:", RESERVED)
_INT64 = range(-(2**63), 2**63)


class NoForm(ValueError):
    """A value that Chroma has no form for; the message says why."""


def chroma_id(one: str) -> str:
    """Return an id as Chroma takes it: never empty.

    Raises:
        VectorIdError: UTF-8 has no form for it.
    """
    if not is_utf8(one):
        raise VectorIdError("an id is a text that UTF-8 has a form for, without lone surrogates")
    return _ID + one if not one or one.startswith(_ID) else one


def user_id(one: str) -> str:
    """Return what `chroma_id` was given."""
    return one.removeprefix(_ID)


def chroma_key(key: str) -> str:
    """Return the key of a payload as Chroma takes it."""
    return _KEY + key if not key or key.startswith(_TAKEN) else key


def mark(key: str) -> str:
    """Return the key of the mark that a payload has a value under `key`."""
    return _HAS + key


def equal_key(key: str) -> str:
    """Return the key of the text for a list or a dict under `key`."""
    return _EQUAL + key


def metadata_of(payload: Any, store: str) -> dict[str, Any] | None:
    """Return a payload as metadata.

    Raises:
        TypeError: it has a value that JSON, or Chroma, does not have; names key and store.
    """
    copied = json_payload(payload, store)
    if copied is None:
        return None
    metadata: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for key, value in copied.items():
        try:
            name = chroma_key(utf8(key))
            if value is None:
                others[key] = None
                continue
            metadata[mark(key)] = True
            if isinstance(value, list | dict):
                others[key] = value
                metadata[equal_key(key)] = equal_text(value)
            else:
                metadata[name] = scalar(value)
        except NoForm as exc:
            raise TypeError(f"{store} can't hold the payload value of {key!r}: not JSON-serializable, {exc}") from None
    if others or not copied:
        metadata[JSON] = json.dumps(others)
    return metadata


def payload_of(metadata: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the payload that `metadata_of` was given; what other programs wrote is taken as it is."""
    if not metadata:
        return None
    payload = {}
    for key, value in metadata.items():
        if not key.startswith(RESERVED):
            payload[key] = value
        elif key.startswith(_KEY):
            payload[key.removeprefix(_KEY)] = value
    if JSON in metadata:
        payload.update(json.loads(metadata[JSON]))
    return payload


def replacing(metadata: dict[str, Any] | None, found: Iterable[str]) -> dict[str, Any] | None:
    """Return metadata that takes the place of what has the keys `found`: Chroma leaves a key that is not named."""
    stale = dict.fromkeys(key for key in found if metadata is None or key not in metadata)
    return {**stale, **(metadata or {})} if stale else metadata


def scalar(value: Any) -> Any:
    """Return a text, a number or a bool, if Chroma has it.

    Raises:
        NoForm: it is a text that UTF-8 has no form for, or an int beyond 64 bits.
    """
    if isinstance(value, str):
        return utf8(value)
    if isinstance(value, int) and value not in _INT64:
        raise NoForm("an int there has 64 bits")
    return value


def utf8(text: str) -> str:
    """Return a text, if Chroma has it."""
    if not is_utf8(text):
        raise NoForm("a text there is UTF-8, without lone surrogates")
    return text


def is_utf8(text: str) -> bool:
    """Whether UTF-8 has a form for a text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def equal_text(value: Any) -> str:
    """Return a text that is the same for lists and dicts that are equal, and for these alone."""
    try:
        return json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"))
    except ValueError:
        raise NoForm("an int is too long for a text") from None


def _canonical(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    return value
