"""How vectors and payloads travel to PostgreSQL and back: vectors in binary, payloads as JSON's text.

Rules of this file:
- Numbers of float32 are in an `array("f")` on our side, and in the order of the network on the other.
  Source: pgvector's vector_send and vector_recv; https://www.postgresql.org/docs/current/sql-copy.html, Binary Format
- What jsonb can't hold is found here, before anything is sent: NUL and lone surrogates in texts.
- jsonb keeps a number's digits, and prints no exponent. A float beyond 1e16 is written out with a point, so that it is
  read back as a float.
"""

from __future__ import annotations

import json
import re
import struct
import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...errors import VectorIdError
from ..checks import NotJson, json_payload

#: What a B-tree takes for a key, less what stands beside it.
_MAX_ID = 2600
_HEAD = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
_END = struct.pack("!h", -1)
_NULL = struct.pack("!i", -1)
_JSONB_VERSION = b"\1"
#: How many bytes stand before a vector's numbers: how many they are, and two bytes for later.
_VECTOR_HEAD = 4
_encode: Callable[[Any], str] = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
).encode
_NUL = "\\u0000"
_LARGE_FLOAT = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d(?:\.\d+)?e\+\d+')


def json_text(value: Any) -> str:
    """Write a value of JSON's own types as jsonb takes it.

    Raises:
        NotJson: there is something in it that jsonb can't hold.
    """
    try:
        text = _encode(value)
    except ValueError:  # of an int's digits, see sys.set_int_max_str_digits
        raise NotJson("it has a number of too many digits") from None
    if _NUL in text or not text.isascii():
        refuse_texts(value)
    if "e+" in text:
        return _LARGE_FLOAT.sub(_written_out, text)
    return text


def _written_out(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else f"{float(found[0]):.1f}"


def refuse_texts(value: Any) -> None:
    """Refuse what PostgreSQL's texts can't hold, at any depth.

    Raises:
        NotJson: says what it is.
    """
    if isinstance(value, str):
        if "\0" in value:
            raise NotJson("PostgreSQL's texts have no NUL")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise NotJson("PostgreSQL's texts have no lone surrogates") from None
    elif isinstance(value, list):
        for item in value:
            refuse_texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            refuse_texts(key)
            refuse_texts(item)


def payload_text(payload: Any, store: str) -> str | None:
    """Write a payload.

    Raises:
        TypeError: the store can't hold it; names key and store.
    """
    checked = json_payload(payload, store)
    if checked is None:
        return None
    try:
        return json_text(checked)
    except NotJson:
        for key, value in checked.items():
            try:
                json_text({key: value})
            except NotJson as exc:
                raise TypeError(
                    f"{store} can't hold the payload value of {key!r}: not JSON-serializable, {exc}"
                ) from None
        raise


def payload_of(text: str | None) -> Any:
    """Read what `payload_text` wrote."""
    return None if text is None else json.loads(text)


def checked_texts(ids: Iterable[str]) -> None:
    """Refuse ids that are no key of a table.

    Raises:
        VectorIdError: says what is allowed.
    """
    for one in ids:
        try:
            size = len(one.encode())
        except UnicodeEncodeError:
            raise VectorIdError("an id that PostgreSQL keeps has no lone surrogates") from None
        if size > _MAX_ID or "\0" in one:
            raise VectorIdError(f"an id that PostgreSQL keeps has no NUL, and at most {_MAX_ID} bytes in UTF-8")


def vector_of(sent: bytes) -> list[float]:
    """Read what vector_send returned."""
    values = array("f", sent[_VECTOR_HEAD:])
    if sys.byteorder == "little":
        values.byteswap()
    return values.tolist()


def copy_rows(ids: Sequence[str], vectors: Sequence[array[float]], payloads: Sequence[str | None]) -> bytes:
    """Write rows of id, vector and jsonb in COPY's binary form. The vectors are turned over on the way."""
    dimension = len(vectors[0])
    vector_head = struct.pack("!ihh", _VECTOR_HEAD + 4 * dimension, dimension, 0)
    id_head = struct.Struct("!hi").pack
    payload_head = struct.Struct("!i").pack
    parts = [_HEAD]
    for one, vector, payload in zip(ids, vectors, payloads, strict=True):
        key = one.encode()
        if sys.byteorder == "little":
            vector.byteswap()
        parts += (id_head(3, len(key)), key, vector_head, vector.tobytes())
        if payload is None:
            parts.append(_NULL)
        else:
            value = payload.encode()
            parts += (payload_head(len(value) + 1), _JSONB_VERSION, value)
    parts.append(_END)
    return b"".join(parts)
