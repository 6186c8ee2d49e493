"""Objects -> columns of encoded values, for inserting many at once.

Rules of this file:
- Values are encoded column by column: a column of one type is checked and encoded in one go where its codec can.
- This is the quick way of `Compiler.row` for objects that are alike. Whatever is unusual, and whatever is wrong, is
  left to that: it is right for all, and names the field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ..codecs import Codec
from ..models import ModelMeta

_NONE = type(None)
#: Objects that are turned into columns at a time: for each column all of them are visited, and more than these would be
#: in no cache of the processor any more.
_PART = 1000


class Bulk(NamedTuple):
    """Encoded values by column, each `None` where the database fills the whole column in."""

    columns: list[Sequence[Any] | None]

    @property
    def omitted(self) -> tuple[int, ...]:
        """The places of the columns that are left out."""
        return tuple(place for place, column in enumerate(self.columns) if column is None)

    @property
    def size(self) -> int:
        """The number of rows."""
        return next((len(column) for column in self.columns if column is not None), 0)

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the rows, without the columns that are left out."""
        return list(zip(*(column for column in self.columns if column is not None), strict=True))


class BulkEncoder:
    """Encodes objects of one model."""

    __slots__ = ("_codecs", "_fields", "_optional", "_required")

    def __init__(self, meta: ModelMeta, codecs: Sequence[Codec], fields: Callable[[Any], tuple[Any, ...]]) -> None:
        self._codecs = tuple(codecs)
        self._fields = fields
        self._optional = [column.is_optional for column in meta.columns]
        self._required = [column.pk and not column.is_optional for column in meta.columns]

    def encode(self, objects: Sequence[Any]) -> Bulk | None:
        """Encode objects; `None` where they are not alike, or a value is refused."""
        columns: list[Sequence[Any] | None] = []
        try:
            for place, values in enumerate(self._values(objects)):
                types = set(map(type, values))
                if _NONE not in types:
                    columns.append(self._encoded(place, values, types))
                elif self._required[place] or (self._optional[place] and len(types) > 1):
                    return None
                elif self._optional[place]:
                    columns.append(None)
                else:
                    encode = self._codecs[place].encode
                    columns.append([None if value is None else encode(value) for value in values])
        except Exception:  # encoders fail in their own ways; `Compiler.row` says where and why
            return None
        return Bulk(columns)

    def _values(self, objects: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """Return the values of each column."""
        if len(objects) <= _PART:
            return zip(*map(self._fields, objects), strict=True)
        columns: list[list[Any]] = [[] for _ in self._codecs]
        for start in range(0, len(objects), _PART):
            part = zip(*map(self._fields, objects[start : start + _PART]), strict=True)
            for column, values in zip(columns, part, strict=True):
                column.extend(values)
        return columns

    def _encoded(self, place: int, values: Sequence[Any], types: set[type]) -> Sequence[Any]:
        codec = self._codecs[place]
        if codec.encode_all is not None and len(types) == 1:
            found = codec.encode_all(values, next(iter(types)))
            if found is not None:
                return found
        return list(map(codec.encode, values))
