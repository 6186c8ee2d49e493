"""Filters in the normal form, compiled to Qdrant's own.

Rules of this file:
- Qdrant looks at the items of a list as at the list itself. A condition on a key is therefore joined by its opposite on
  the key's items, which only a list has: `k` is "x", and no item of `k` is.
- Lists and dicts as wholes are found by their marks (qdrant_payloads.py).
- Qdrant compares numbers in double precision. Where that could be off by rounding, ints are looked for by themselves,
  and an order is refused.
- To Qdrant an empty list is as good as none; its mark says that it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import UnsupportedFilterError
from ..filters import And, Compared, Filter, IsNull, NoneOf, OneOf, Or, Text
from .qdrant_payloads import MARKS, is_int64, is_utf8, mark_of, path_of

#: Below this ints have no neighbour in double precision that is equal to them; above all ints that Qdrant holds.
_EXACT, _BEYOND = 2**53, 2**64
#: Up to this many numbers are compared one by one, which also finds floats that other programs have written.
_FEW = 16
_RANGES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


def compile_filter(filters: Filter, store: str) -> Any:
    """Return Qdrant's form of a filter.

    Raises:
        UnsupportedFilterError: it has none that means the same.
    """
    from qdrant_client import models

    compiled = _Compiler(models, store).condition(filters)
    return compiled if isinstance(compiled, models.Filter) else models.Filter(must=[compiled])


class _Compiler:
    def __init__(self, models: Any, store: str) -> None:
        self._models = models
        self._store = store

    def condition(self, one: Filter) -> Any:
        if isinstance(one, And):
            return self._all(one)
        if isinstance(one, Or):
            return self._any(one)
        if isinstance(one, OneOf):
            return self._one_of(one.key, one.values)
        if isinstance(one, NoneOf):
            return self._models.Filter(must_not=[self._is_null(one.key), self._one_of(one.key, one.values)])
        if isinstance(one, Compared):
            return self._compared(one)
        if isinstance(one, Text):
            return self._text(one)
        null = self._is_null(one.key)
        return null if isinstance(one, IsNull) else self._models.Filter(must_not=[null])

    def _all(self, group: And) -> Any:
        """Compile AND, with one OR among its items in the same filter: a server reads 128 levels of JSON, not more."""
        items = list(_flat(group, And))
        inner = next((item for item in items if isinstance(item, Or)), None)
        should = None
        if inner is not None and inner.items:
            items.remove(inner)
            should = [self.condition(item) for item in _flat(inner, Or)]
        return self._models.Filter(must=[self.condition(item) for item in items], should=should)

    def _any(self, group: Or) -> Any:
        items = [self.condition(item) for item in _flat(group, Or)]
        if not items:
            return self._models.HasIdCondition(has_id=[])
        return self._models.Filter(should=items)

    def _one_of(self, key: str, values: Sequence[Any]) -> Any:
        path, options = path_of(key), list[Any]()
        texts = [value for value in values if type(value) is str]
        numbers = [value for value in values if type(value) in (int, float)]
        wholes = [value for value in values if type(value) in (list, dict)]
        self._check_texts(key, texts)
        is_few = len(numbers) <= _FEW and all(abs(number) < _EXACT for number in numbers)
        by_range = [number for number in numbers if is_few or not _is_integer(number)]
        by_match = [] if is_few else [int(number) for number in numbers if _is_integer(number)]
        ints = [number for number in by_match if is_int64(number)]

        def scalars(path: str) -> list[Any]:
            equal = [self._field(path, range=self._models.Range(gte=number, lte=number)) for number in by_range]
            equal += [self._match(path, "Value", value=value) for value in values if type(value) is bool]
            return equal + [self._match(path, "Any", any=some) for some in (texts, ints) if some]

        found = scalars(path)
        if found:
            # `must` comes first: it is what an index is looked up for, and what local mode ends a record's check with.
            must = found if len(found) == 1 else [self._models.Filter(should=found)]
            options.append(self._models.Filter(must=must, must_not=scalars(_items(path))))
        marks = [mark_of(key, value) for value in (*wholes, *by_match)]
        if marks:
            options.append(self._match(MARKS, "Any", any=marks))
        return options[0] if len(options) == 1 else self._models.Filter(should=options)

    def _compared(self, one: Compared) -> Any:
        bound = one.value
        if isinstance(bound, str):
            raise UnsupportedFilterError(f"{self._store} does not support an order of texts, as that of {one.key!r}")
        if not (abs(bound) < _EXACT or (abs(bound) > _BEYOND and _is_double(bound))):
            raise UnsupportedFilterError(
                f"{self._store} does not support an order of {one.key!r} and a number of {_EXACT} and more: it "
                "compares in double precision"
            )
        within = self._models.Range(**{_RANGES[one.op]: bound})
        path = path_of(one.key)
        return self._models.Filter(
            must=[self._field(path, range=within)], must_not=[self._field(_items(path), range=within)]
        )

    def _text(self, one: Text) -> Any:
        self._check_texts(one.key, [one.text])
        if one.op == "ENDSWITH" or not hasattr(self._models, "MatchSubstring"):
            raise UnsupportedFilterError(
                f"{self._store} does not support C.{one.op.lower()} in filters, as that of {one.key!r}"
            )

        def having(path: str) -> Any:
            if one.op == "CONTAINS":
                return self._match(path, "Substring", substring=one.text)
            return self._match(path, "Prefix", prefix=one.text)

        path = path_of(one.key)
        if not one.negated:
            return self._models.Filter(must=[having(path)], must_not=[having(_items(path))])
        is_text, has_text = (self._match(some, "Prefix", prefix="") for some in (path, _items(path)))
        return self._models.Filter(must=[is_text], must_not=[has_text, having(path)])

    def _is_null(self, key: str) -> Any:
        field = self._models.PayloadField(key=path_of(key))
        empty_list = self._match(MARKS, "Value", value=mark_of(key, []))
        return self._models.Filter(must=[self._models.IsEmptyCondition(is_empty=field)], must_not=[empty_list])

    def _match(self, path: str, kind: str, **what: Any) -> Any:
        return self._field(path, match=getattr(self._models, f"Match{kind}")(**what))

    def _field(self, path: str, **what: Any) -> Any:
        return self._models.FieldCondition(key=path, **what)

    def _check_texts(self, key: str, texts: Iterable[str]) -> None:
        if not all(map(is_utf8, texts)):
            raise UnsupportedFilterError(f"{self._store} does not support a text that is no UTF-8, as that of {key!r}")


def _items(path: str) -> str:
    """Return the path of what is in a list."""
    return f"{path}[]"


def _flat(group: Any, kind: type) -> Iterable[Any]:
    """Yield a group's items, those of groups of its own kind among them in their place."""
    for item in group.items:
        if isinstance(item, kind):
            yield from _flat(item, kind)
        else:
            yield item


def _is_integer(number: Any) -> bool:
    return type(number) is int or number.is_integer()


def _is_double(number: Any) -> bool:
    """Whether double precision has this very number."""
    try:
        return bool(float(number) == number)
    except OverflowError:
        return False
