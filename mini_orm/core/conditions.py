"""What a query says: `C` builds conditions, `F` names columns in expressions, `OrderBy` orders.

Everything here is plain data. Names are checked, and values encoded, when a query is compiled for a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from ..errors import QueryError, QueryTypeError
from .frozen import Frozen, frozen_dataclass, set_field


class _Combinable(Frozen):
    """`&`, `|` and `~` for everything that stands in a filter."""

    __slots__ = ()

    def __and__(self, other: WhereExpression) -> ConditionGroup:
        return _joined("AND", self, other) if isinstance(other, _Combinable) else NotImplemented

    def __or__(self, other: WhereExpression) -> ConditionGroup:
        return _joined("OR", self, other) if isinstance(other, _Combinable) else NotImplemented

    def __invert__(self) -> NotCondition:
        return NotCondition(self)  # type: ignore[arg-type]  # self is one of the four classes below

    def __bool__(self) -> bool:
        raise QueryTypeError("a condition has no truth value; combine conditions with &, | and ~, not and, or and not")


@frozen_dataclass(frozen=True, slots=True)
class Condition(_Combinable):
    """One comparison: `col` is a field's name, `op` an operator, `value` or `values` what it is compared with.

    `col` may be a path over relations that lead to one row: `"author.name"`. Where there is no such row, it is NULL.

    `op` is one of `=`, `<>`, `<`, `<=`, `>`, `>=`, `LIKE`, `ILIKE`, `IN`, `NOT IN`, `BETWEEN`, `IS NULL`,
    `IS NOT NULL`, `CONTAINS`, `STARTSWITH`, `ENDSWITH`, `IS NOT DISTINCT FROM`, `IS DISTINCT FROM`.
    """

    col: str
    op: str
    value: Any = None
    values: tuple[Any, ...] | None = None
    is_unary: bool = False

    # Without a look-up by name for each field: every query makes conditions.
    def __init__(
        self, col: str, op: str, value: Any = None, values: tuple[Any, ...] | None = None, is_unary: bool = False
    ) -> None:
        _set_col(self, col)
        _set_op(self, op)
        _set_value(self, value)
        _set_values(self, values)
        _set_is_unary(self, is_unary)


_set_col, _set_op, _set_value, _set_values, _set_is_unary = (
    vars(Condition)[name].__set__ for name in ("col", "op", "value", "values", "is_unary")
)


@frozen_dataclass(frozen=True, slots=True)
class ConditionGroup(_Combinable):
    """Conditions joined by `operator`, which is `"AND"` or `"OR"`."""

    operator: str
    items: tuple[WhereExpression, ...]

    def __init__(self, operator: str, items: tuple[WhereExpression, ...]) -> None:
        set_field(self, "operator", operator)
        set_field(self, "items", items)


@frozen_dataclass(frozen=True, slots=True)
class NotCondition(_Combinable):
    """The opposite of `item`, in SQL's three values: what is unknown stays unknown."""

    item: WhereExpression

    def __init__(self, item: WhereExpression) -> None:
        set_field(self, "item", item)


@frozen_dataclass(frozen=True, slots=True)
class RelatedCondition(_Combinable):
    """Whether a related row matches `item`, or with `negated` none does; without `item` any row counts.

    `path` names one relation, or several with dots between (`"posts.comments"`), of any kind. The fields in `item`
    are those of the model that it leads to.
    """

    path: str
    item: WhereInput = None
    negated: bool = False

    def __init__(self, path: str, item: WhereInput = None, negated: bool = False) -> None:
        set_field(self, "path", path)
        set_field(self, "item", item)
        set_field(self, "negated", negated)


WhereExpression: TypeAlias = Condition | ConditionGroup | NotCondition | RelatedCondition
WhereInput: TypeAlias = WhereExpression | Sequence[WhereExpression] | None


@frozen_dataclass(frozen=True, slots=True)
class OrderBy(Frozen):
    """Order by the field `col`, or a path to one; `nulls` is `"first"`, `"last"`, or the database's own habit."""

    col: str
    desc: bool = False
    nulls: Literal["first", "last"] | None = None

    def __init__(self, col: str, desc: bool = False, nulls: Literal["first", "last"] | None = None) -> None:
        set_field(self, "col", col)
        set_field(self, "desc", desc)
        set_field(self, "nulls", nulls)


class Expression(Frozen):
    """An expression of columns and numbers: `F("views") + 1`."""

    __slots__ = ()

    def __add__(self, other: Operand) -> Arithmetic:
        return _arithmetic(self, "+", other)

    def __radd__(self, other: Operand) -> Arithmetic:
        return _arithmetic(other, "+", self)

    def __sub__(self, other: Operand) -> Arithmetic:
        return _arithmetic(self, "-", other)

    def __rsub__(self, other: Operand) -> Arithmetic:
        return _arithmetic(other, "-", self)

    def __mul__(self, other: Operand) -> Arithmetic:
        return _arithmetic(self, "*", other)

    def __rmul__(self, other: Operand) -> Arithmetic:
        return _arithmetic(other, "*", self)


@frozen_dataclass(frozen=True, slots=True)
class F(Expression):
    """The column of the field `name`, in an expression: `update_where({"views": F("views") + 1}, where=…)`.

    In a condition it may be a path to a field of a related row: `C.gt("spent", F("customer.budget"))`.
    """

    name: str

    def __init__(self, name: str) -> None:
        set_field(self, "name", name)


@frozen_dataclass(frozen=True, slots=True)
class Arithmetic(Expression):
    """Two operands and `+`, `-` or `*`."""

    left: Operand
    operator: str
    right: Operand

    def __init__(self, left: Operand, operator: str, right: Operand) -> None:
        set_field(self, "left", left)
        set_field(self, "operator", operator)
        set_field(self, "right", right)


Operand: TypeAlias = Expression | int | float | Decimal


def _arithmetic(left: Operand, operator: str, right: Operand) -> Arithmetic:
    for side in (left, right):
        if isinstance(side, bool) or not isinstance(side, Expression | int | float | Decimal):
            return NotImplemented  # type: ignore[no-any-return]  # what Python's operators expect
    return Arithmetic(left, operator, right)


def _joined(operator: str, left: Any, right: Any) -> ConditionGroup:
    # Chains stay flat, so that thousands of conditions joined by & make one wide group and no deep one.
    items: list[WhereExpression] = []
    for side in (left, right):
        if type(side) is ConditionGroup and side.operator == operator:
            items.extend(side.items)
        else:
            items.append(side)
    return ConditionGroup(operator, tuple(items))


def _group(operator: str, items: tuple[Any, ...]) -> ConditionGroup:
    if len(items) == 1 and not isinstance(items[0], _Combinable):
        if isinstance(items[0], str | bytes) or not isinstance(items[0], Iterable):
            raise QueryTypeError(f"C.{operator.lower()}_ takes conditions, got {type(items[0]).__name__}")
        items = tuple(items[0])
    if not items:
        raise QueryError(f"C.{operator.lower()}_ needs at least one condition")
    for item in items:
        if not isinstance(item, _Combinable):
            raise QueryTypeError(f"C.{operator.lower()}_ takes conditions, got {type(item).__name__}")
    return ConditionGroup(operator, items)


def _listed(method: str, values: Iterable[Any]) -> tuple[Any, ...]:
    if isinstance(values, str | bytes | bytearray | memoryview):
        raise QueryTypeError(f"C.{method} takes an iterable of values, got {type(values).__name__}; did you mean eq?")
    if not isinstance(values, Iterable):
        raise QueryTypeError(f"C.{method} takes an iterable of values, got {type(values).__name__}")
    return tuple(values)


def _related(method: str, path: str, condition: WhereInput, negated: bool) -> RelatedCondition:
    if not isinstance(path, str):
        raise QueryTypeError(f"C.{method} takes a relation's name, or a path of them, got {type(path).__name__}")
    if condition is None or isinstance(condition, _Combinable):
        return RelatedCondition(path, condition, negated)
    listed = isinstance(condition, Sequence) and not isinstance(condition, str | bytes)
    items: tuple[Any, ...] = tuple(condition) if listed else (condition,)
    for item in items:
        if not isinstance(item, _Combinable):
            raise QueryTypeError(f"C.{method} takes conditions on the related rows, got {type(item).__name__}")
    return RelatedCondition(path, ConditionGroup("AND", items) if items else None, negated)


class C:
    """Builds conditions. The first argument is a field's name, or a path to one over relations (`"author.name"`).

    Values are always bound, never SQL.
    """

    __slots__ = ()

    @staticmethod
    def eq(col: str, value: Any) -> Condition:
        """Equal; `None` asks for NULL."""
        return Condition(col, "=", value)

    @staticmethod
    def ne(col: str, value: Any) -> Condition:
        """SQL's `<>`: rows with NULL don't match. `None` asks for what is not NULL."""
        return Condition(col, "<>", value)

    @staticmethod
    def lt(col: str, value: Any) -> Condition:
        """Less than."""
        return Condition(col, "<", value)

    @staticmethod
    def le(col: str, value: Any) -> Condition:
        """Less than or equal."""
        return Condition(col, "<=", value)

    @staticmethod
    def gt(col: str, value: Any) -> Condition:
        """Greater than."""
        return Condition(col, ">", value)

    @staticmethod
    def ge(col: str, value: Any) -> Condition:
        """Greater than or equal."""
        return Condition(col, ">=", value)

    @staticmethod
    def between(col: str, low: Any, high: Any) -> Condition:
        """From `low` to `high`, both included."""
        return Condition(col, "BETWEEN", values=(low, high))

    @staticmethod
    def same_as(col: str, value: Any) -> Condition:
        """Equal, where NULL is equal to `None`: never unknown."""
        return Condition(col, "IS NOT DISTINCT FROM", value)

    @staticmethod
    def distinct_from(col: str, value: Any) -> Condition:
        """Not equal, where NULL differs from every value: never unknown."""
        return Condition(col, "IS DISTINCT FROM", value)

    @staticmethod
    def is_null(col: str) -> Condition:
        """NULL."""
        return Condition(col, "IS NULL", is_unary=True)

    @staticmethod
    def is_not_null(col: str) -> Condition:
        """Not NULL."""
        return Condition(col, "IS NOT NULL", is_unary=True)

    @staticmethod
    def in_(col: str, values: Iterable[Any]) -> Condition:
        """One of `values`, of which there may be none (then nothing matches) or 300,000. `None` matches NULL.

        Raises:
            QueryError: `values` is a str, bytes, or no iterable (also a TypeError).
        """
        return Condition(col, "IN", values=_listed("in_", values))

    @staticmethod
    def not_in(col: str, values: Iterable[Any]) -> Condition:
        """None of `values`; with `None` among them NULL is left out, too. An empty list lets every row pass.

        Raises:
            QueryError: `values` is a str, bytes, or no iterable (also a TypeError).
        """
        return Condition(col, "NOT IN", values=_listed("not_in", values))

    @staticmethod
    def like(col: str, pattern: str) -> Condition:
        """The database's own LIKE: `%` is any text, `_` any character. (SQLite's ignores the case of ASCII.)"""
        return Condition(col, "LIKE", pattern)

    @staticmethod
    def ilike(col: str, pattern: str) -> Condition:
        """LIKE that ignores case in every database, for all of Unicode."""
        return Condition(col, "ILIKE", pattern)

    @staticmethod
    def contains(col: str, text: str) -> Condition:
        """Contains `text`, taken as it is (`%` and `_` too); case counts."""
        return Condition(col, "CONTAINS", text)

    @staticmethod
    def startswith(col: str, text: str) -> Condition:
        """Starts with `text`, taken as it is; case counts."""
        return Condition(col, "STARTSWITH", text)

    @staticmethod
    def endswith(col: str, text: str) -> Condition:
        """Ends with `text`, taken as it is; case counts."""
        return Condition(col, "ENDSWITH", text)

    @staticmethod
    def any_(path: str, condition: WhereInput = None) -> RelatedCondition:
        """A related row matches `condition`; without one: there is a related row.

        Args:
            path: a relation's name, or several with dots between: `C.any_("posts.comments", C.eq("spam", True))`.
            condition: speaks of the fields of the model that the path leads to; a list is joined by AND.

        Raises:
            QueryError: something is no condition, or `path` is no text (also a TypeError).
        """
        return _related("any_", path, condition, False)

    @staticmethod
    def none(path: str, condition: WhereInput = None) -> RelatedCondition:
        """No related row matches `condition`; without one: there is no related row.

        Raises:
            QueryError: as for `any_`.
        """
        return _related("none", path, condition, True)

    @staticmethod
    def and_(*items: WhereExpression | Sequence[WhereExpression]) -> ConditionGroup:
        """All of the conditions, given one by one or as one sequence.

        Raises:
            QueryError: there is none (a ValueError), or something is no condition (also a TypeError).
        """
        return _group("AND", items)

    @staticmethod
    def or_(*items: WhereExpression | Sequence[WhereExpression]) -> ConditionGroup:
        """Any of the conditions, given one by one or as one sequence.

        Raises:
            QueryError: there is none (a ValueError), or something is no condition (also a TypeError).
        """
        return _group("OR", items)

    @staticmethod
    def not_(item: WhereExpression) -> NotCondition:
        """The opposite, in SQL's three values.

        Raises:
            QueryError: `item` is no condition (also a TypeError).
        """
        if not isinstance(item, _Combinable):
            raise QueryTypeError(f"C.not_ takes a condition, got {type(item).__name__}")
        return NotCondition(item)
