"""Which records of a collection in memory match a filter, told from columns of codes and not from the payloads.

A key gets its column when a filter first names it: for each row the number of its value among the values that differ,
0 for none. A leaf of a filter is asked once for each of these values, an equality for one alone; the rows follow from
the codes. `Masks` says how sets of rows are kept: `PythonMasks` here, `NumpyMasks` where there is numpy.
"""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from ..filters import And, Compared, Filter, IsNull, NoneOf, NotNull, OneOf, Or, Text, equality_key, leaf_matches

#: How many values that no row has any more a column may keep, beside twice as many as there are rows.
_SPARE_VALUES = 1024


class Masks(Protocol):
    """Sets of rows, of which there are `count`."""

    def every(self, count: int) -> Any:
        """Return the set of all rows."""

    def none(self, count: int) -> Any:
        """Return the set of no row."""

    def having(self, codes: array[int], table: bytearray) -> Any:
        """Return the rows whose code has a 1 in `table`."""

    def mark(self, table: bytearray, codes: array[int]) -> None:
        """Put a 1 into `table` for each of `codes`."""

    def both(self, left: Any, right: Any) -> Any:
        """Return the rows that are in both sets."""

    def either(self, left: Any, right: Any) -> Any:
        """Return the rows that are in one of the sets."""

    def size(self, mask: Any) -> int:
        """Return how many rows are in a set."""

    def positions(self, mask: Any, count: int) -> Sequence[int]:
        """Return the rows of a set, ascending."""


class PythonMasks:
    """Sets of rows as integers, a byte for each row: `&` and `|` of these are quick."""

    def every(self, count: int) -> int:
        return int.from_bytes(b"\1" * count, "little")

    def none(self, count: int) -> int:
        return 0

    def having(self, codes: array[int], table: bytearray) -> int:
        return int.from_bytes(bytes(map(table.__getitem__, codes)), "little")

    def mark(self, table: bytearray, codes: array[int]) -> None:
        for code in codes:
            table[code] = 1

    def both(self, left: int, right: int) -> int:
        return left & right

    def either(self, left: int, right: int) -> int:
        return left | right

    def size(self, mask: int) -> int:
        return mask.bit_count()

    def positions(self, mask: int, count: int) -> Sequence[int]:
        return list(itertools.compress(range(count), mask.to_bytes(count, "little")))


class _Ordered:
    """The numbers, or the texts, among a column's values, in their order, and the code of each."""

    def __init__(self, pairs: Iterable[tuple[Any, int]]) -> None:
        found = sorted(pairs)
        self.values = [value for value, _ in found]
        self.codes = array("i", [code for _, code in found])

    def add(self, value: Any, code: int) -> None:
        place = bisect_left(self.values, value)
        self.values.insert(place, value)
        self.codes.insert(place, code)

    def standing(self, leaf: Compared) -> array[int]:
        """Return the codes of the values that stand to the leaf's as it says."""
        if leaf.op == "<":
            return self.codes[: bisect_left(self.values, leaf.value)]
        if leaf.op == "<=":
            return self.codes[: bisect_right(self.values, leaf.value)]
        if leaf.op == ">":
            return self.codes[bisect_right(self.values, leaf.value) :]
        return self.codes[bisect_left(self.values, leaf.value) :]


class _Column:
    """The values of one key."""

    def __init__(self, key: str, payloads: Iterable[Mapping[str, Any] | None]) -> None:
        self.key = key
        self.codes = array("i")
        self.values: list[Any] = [None]
        self._known: dict[Any, int] = {None: 0}
        self._ordered: dict[bool, _Ordered] = {}
        self.append(payloads)

    def append(self, payloads: Iterable[Mapping[str, Any] | None]) -> None:
        self.codes.extend(map(self._code, payloads))

    def replace(self, position: int, payload: Mapping[str, Any] | None) -> None:
        self.codes[position] = self._code(payload)

    def remove(self, position: int) -> None:
        """Put the last row into the place of another."""
        last = self.codes.pop()
        if position < len(self.codes):
            self.codes[position] = last

    def _code(self, payload: Mapping[str, Any] | None) -> int:
        value = None if payload is None else payload.get(self.key)
        known = equality_key(value)
        code = self._known.get(known)
        if code is None:
            code = self._known[known] = len(self.values)
            self.values.append(value)
            ordered = self._ordered.get(type(value) is str)
            if ordered is not None and type(value) in (int, float, str):
                ordered.add(value, code)
        return code

    def table(self, leaf: OneOf | NoneOf | Compared | Text | IsNull | NotNull, masks: Masks) -> bytearray:
        """Return a 1 for each value that matches."""
        count = len(self.values)
        if isinstance(leaf, IsNull):
            return bytearray(b"\1") + bytearray(count - 1)
        if isinstance(leaf, NotNull | NoneOf):
            table = bytearray(1) + bytearray(b"\1") * (count - 1)
        else:
            table = bytearray(count)
        if isinstance(leaf, OneOf | NoneOf):
            for value in leaf.values:
                code = self._known.get(equality_key(value))
                if code is not None:
                    table[code] = isinstance(leaf, OneOf)
        elif isinstance(leaf, Compared):
            masks.mark(table, self._in_order(isinstance(leaf.value, str)).standing(leaf))
        elif isinstance(leaf, Text):
            for code in range(1, count):
                table[code] = leaf_matches(leaf, self.values[code])
        return table

    def _in_order(self, texts: bool) -> _Ordered:
        found = self._ordered.get(texts)
        if found is None:
            kinds = (str,) if texts else (int, float)
            pairs = ((value, code) for code, value in enumerate(self.values) if type(value) in kinds)
            found = self._ordered[texts] = _Ordered(pairs)
        return found


class PayloadIndex:
    """The columns of a collection, whose `payloads` it reads when it makes one."""

    def __init__(self, payloads: Sequence[Mapping[str, Any] | None], masks: Masks) -> None:
        self._payloads = payloads
        self._masks = masks
        self._columns: dict[str, _Column] = {}

    def append(self, payloads: Sequence[Mapping[str, Any] | None]) -> None:
        """Take notice of rows that are new at the end."""
        for column in self._columns.values():
            column.append(payloads)

    def replace(self, position: int, payload: Mapping[str, Any] | None) -> None:
        """Take notice that a row has another payload."""
        for column in self._columns.values():
            column.replace(position, payload)

    def remove(self, position: int) -> None:
        """Take notice that the last row is now at `position`, whose row is gone."""
        for column in self._columns.values():
            column.remove(position)

    def size(self, filters: Filter) -> int:
        """Return how many rows match."""
        return self._masks.size(self._mask(filters)) if self._payloads else 0

    def positions(self, filters: Filter) -> Sequence[int]:
        """Return the rows that match, ascending."""
        if not self._payloads:
            return []
        return self._masks.positions(self._mask(filters), len(self._payloads))

    def _mask(self, filters: Filter) -> Any:
        if isinstance(filters, And | Or):
            return self._group(filters)
        column = self._column(filters.key)
        return self._masks.having(column.codes, column.table(filters, self._masks))

    def _group(self, group: And | Or) -> Any:
        if not group.items:
            return (self._masks.every if isinstance(group, And) else self._masks.none)(len(self._payloads))
        join = self._masks.both if isinstance(group, And) else self._masks.either
        mask = self._mask(group.items[0])
        for item in group.items[1:]:
            mask = join(mask, self._mask(item))
        return mask

    def _column(self, key: str) -> _Column:
        column = self._columns.get(key)
        if column is None or len(column.values) > 2 * len(self._payloads) + _SPARE_VALUES:
            column = self._columns[key] = _Column(key, self._payloads)
        return column
