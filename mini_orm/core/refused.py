"""Why a value can't be encoded, and the text that can't be."""

from __future__ import annotations


class Refused(Exception):
    """Why a value can't be encoded; becomes a `CodecError` that names the field."""


def plain_text(value: str) -> str:
    """Return `value` as an exact str that every database keeps.

    Raises:
        Refused: it has a NUL or a lone surrogate.
    """
    if type(value) is not str:
        value = str.__str__(value)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Refused("the text has a lone surrogate, which is no character") from None
    if "\0" in value:
        raise Refused("the text has a NUL character, which databases don't keep")
    return value
