"""Rows -> objects.

Rules of this file:
- A decoder is made once for a model and dialect. Rows are decoded column by column, so that a column that needs no
  decoding costs nothing, and one that does costs one call a value and nothing around it.
- Nothing here holds the class: it is passed in, as the decoder lives as long as the class does.
- What goes wrong while decoding is looked for again, row by row, to say where it is. What the model's own
  `__init__` or `__post_init__` raises is the model's, and goes through.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap
from typing import Any

from ..._typing import Row
from ...errors import CodecError, ConfigurationError
from ...validation import without_checks
from ..codecs import Codec, Function
from ..models import ModelMeta

#: Rows that are turned into columns at a time: small enough to stay in the processor's cache.
_BLOCK = 1000


class RowDecoder:
    """Makes objects of a model from rows that have all its columns in order."""

    __slots__ = ("_construction", "_decoders", "_meta", "_plain")

    def __init__(self, meta: ModelMeta, codecs: Sequence[Codec]) -> None:
        self._meta = meta
        self._construction = meta.construction
        self._plain = meta.construction.is_plain
        self._decoders: tuple[tuple[int, Function], ...] = tuple(
            (place, codec.decode) for place, codec in enumerate(codecs) if codec.decode is not None
        )

    def one(self, cls: type, row: Row) -> Any:
        """Make one object.

        Raises:
            CodecError: a value can't be decoded; says which.
        """
        if self._decoders:
            values = list(row)
            try:
                for place, decode in self._decoders:
                    value = values[place]
                    if value is not None:
                        values[place] = decode(value)
            except Exception:  # any decoder may fail in its own way; `_explain` raises what it means
                self._explain((row,))
                raise
            return cls(*values) if self._plain else self._constructed(cls, values)
        return cls(*row) if self._plain else self._constructed(cls, row)

    def many(self, cls: type, rows: Sequence[Row]) -> list[Any]:
        """Make a list of objects, in the order of the rows.

        Raises:
            CodecError: a value can't be decoded; says which.
        """
        objects = self._made(cls, rows)
        if len(objects) != len(rows):  # the iterators below take it for their end
            raise RuntimeError(
                f"{self._meta.name}: its __init__ or __post_init__ raised StopIteration"
            ) from StopIteration()
        return objects

    def _made(self, cls: type, rows: Sequence[Row]) -> list[Any]:
        if not self._decoders:
            return list(starmap(cls, rows)) if self._plain else [self._constructed(cls, row) for row in rows]
        objects: list[Any] = []
        for start in range(0, len(rows), _BLOCK):
            columns = self._decoded(rows[start : start + _BLOCK])
            if self._plain:
                objects.extend(map(cls, *columns))
            else:
                objects.extend(self._constructed(cls, row) for row in zip(*columns, strict=True))
        return objects

    def _decoded(self, rows: Sequence[Row]) -> list[Sequence[Any]]:
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        try:
            for place, decode in self._decoders:
                column = columns[place]
                if None in column:
                    columns[place] = [None if value is None else decode(value) for value in column]
                else:
                    columns[place] = list(map(decode, column))
        except Exception:  # as in `one`
            self._explain(rows)
            raise
        return columns

    def _constructed(self, cls: type, row: Sequence[Any]) -> Any:
        how = self._construction
        obj = cls(*[row[place] for place in how.positional], **{name: row[place] for name, place in how.keywords})
        for name, place in how.assigned:
            object.__setattr__(obj, name, row[place])
        return obj

    def _explain(self, rows: Sequence[Row]) -> None:
        meta = self._meta
        places = {column.name: place for place, column in enumerate(meta.columns)}
        for row in rows:
            for place, decode in self._decoders:
                value = row[place]
                if value is None:
                    continue
                try:
                    decode(value)
                except Exception as exc:  # decoders call the model's enums and the standard library's parsers
                    key = tuple(row[places[column.name]] for column in meta.pk)
                    raise undecodable(meta, place, value, key[0] if len(key) == 1 else key) from exc


class UncheckedRowDecoder(RowDecoder):
    """Makes objects of a `ValidatedModel`, whose rules are for what is written: any row that is there can be read."""

    __slots__ = ()

    def one(self, cls: type, row: Row) -> Any:
        return without_checks(cls, super().one, cls, row)

    def many(self, cls: type, rows: Sequence[Row]) -> list[Any]:
        return without_checks(cls, super().many, cls, rows)


def undecodable(meta: ModelMeta, place: int, value: Any, key: Any) -> CodecError | ConfigurationError:
    """Say which stored value is not one of its field's type."""
    column = meta.columns[place]
    kind = column.type
    if kind.enum is None and type(value).__name__ == kind.python_type and kind.kind != "json":
        return ConfigurationError(
            f"{meta.name}.{column.name}: the driver converts {kind.python_type} values by itself; "
            "open the connection without detect_types, mini_orm decodes them"
        )
    where = {"model": meta.name, "field": column.name, "table": meta.table, "column": column.column}
    message = (
        f"{meta.name}.{column.name}: the stored {type(value).__name__} in {meta.table}.{column.column} is no "
        f"{kind.python_type}; the error has the row's .key and the .value"
    )
    return CodecError(message, **where, key=key, value=value)
