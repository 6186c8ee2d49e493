"""Expressions of `F` -> key and numbers -> text.

Rules of this file:
- An expression is of one kind, found while it is read: what does not fit is refused before any SQL.
- Its depth is bounded, so that these functions may call themselves.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from ...errors import QueryError
from ..conditions import Arithmetic, Expression, F
from ..decimals import decimal_text
from ..dialects import Dialect
from .paths import Scope
from .tables import Column, Table

Token = tuple[Any, ...]

_MAX_EXPRESSION = 100
#: What the statement around an expression takes of the parser's stack.
_AROUND = 12


class Expressions:
    """Reads and writes expressions in one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._mark = dialect.placeholder("value")
        self._has_text_decimals = dialect.forms.get("decimal") == "text"

    # --- reading ---

    def read(self, value: Expression, column: Column, table: Table, params: list[Any], *, target: bool) -> Token:
        """Return the key of an expression, and append its numbers to `params`.

        Args:
            column: what it is compared with, or assigned to when `target` is true.
            table: whose fields its names are; paths are for comparisons only.

        Raises:
            QueryError: an unknown name, a column that is no number, a result of another type.
        """
        numbers: list[Any] = []
        token, kind = self._read(value, table, target, numbers, 0)
        if expression_stack(token) > self._dialect.max_stack - _AROUND:
            raise QueryError(f"{column}: the expression is too long for the database to parse")
        if isinstance(value, F):
            _check_copy(table.find(value.name, "F")[1], column, target)
        wanted = column.type.kind
        fits = kind == wanted or (kind, wanted) in (("int", "float"), ("int", "decimal"))
        if not target and not fits:
            fits = (kind, wanted) == ("float", "int")
        if not fits:
            what = "assigned to" if target else "compared with"
            raise QueryError(f"{column} is {wanted}; an expression of {kind} can't be {what} it")
        params.extend(numbers)
        return ("EXPR", token, kind)

    def _read(self, value: Any, table: Table, target: bool, numbers: list[Any], depth: int) -> tuple[Token, str]:
        if depth > _MAX_EXPRESSION:
            raise QueryError(f"an expression is nested more than {_MAX_EXPRESSION} deep")
        if isinstance(value, F):
            ref, column = table.find(value.name, "F")
            if target and not isinstance(ref, str):
                raise QueryError(f"update_where: {value.name!r} is of another row; a value takes the row's own fields")
            return ("F", ref), column.type.kind
        if isinstance(value, Arithmetic):
            if value.operator not in ("+", "-", "*"):
                raise QueryError("an expression knows +, - and *")
            first = len(numbers)
            left, left_kind = self._read(value.left, table, target, numbers, depth + 1)
            second = len(numbers)
            right, right_kind = self._read(value.right, table, target, numbers, depth + 1)
            for side, kind in ((value.left, left_kind), (value.right, right_kind)):
                number = not isinstance(side, F) or table.find(side.name, "F")[1].type.is_number
                if kind not in ("int", "float", "decimal") or not number:
                    name = side.name if isinstance(side, F) else "it"
                    raise QueryError(f"{table.meta.name}: {name} is {kind}; arithmetic takes int, float and Decimal")
            kinds = {left_kind, right_kind}
            if kinds == {"decimal", "float"}:
                raise QueryError(f"{table.meta.name}: Decimal and float don't mix in an expression; use Decimal(…)")
            kind = "decimal" if "decimal" in kinds else "float" if "float" in kinds else "int"
            for place, part in ((first, left), (second, right)):
                if part == ("?",):
                    numbers[place] = self._number(numbers[place], kind)
            return (value.operator, left, right, kind), kind
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise QueryError(f"an expression takes columns and numbers, got {type(value).__name__}")
        kind = "decimal" if isinstance(value, Decimal) else "float" if isinstance(value, float) else "int"
        if kind == "int" and not -(2**63) <= value < 2**63:
            raise QueryError("an int in an expression does not fit into 64 bits")
        if isinstance(value, float) and not math.isfinite(value):
            raise QueryError("NaN and infinities have no place in an expression")
        numbers.append(value)
        return ("?",), kind

    def _number(self, number: Any, kind: str) -> Any:
        if kind != "decimal":
            return number
        exact = Decimal(number)
        if not exact.is_finite():
            raise QueryError("NaN and infinities have no place in an expression")
        return decimal_text(exact) if self._has_text_decimals else exact

    # --- writing ---

    def write(self, token: Token, scope: Scope) -> str:
        """Write an expression."""
        if token[0] == "F":
            return scope.sql(token[1])
        if token[0] == "EXPR":
            return self.write(token[1], scope)
        operator, left, right, kind = token
        number = self._dialect.number(self._mark, kind)
        texts = [number if side == ("?",) else self.write(side, scope) for side in (left, right)]
        if kind != "decimal" or not self._has_text_decimals:
            # From the left + and - need no brackets, which the parser would have to remember.
            if left[0] in ("+", "-") and operator == "*":
                texts[0] = f"({texts[0]})"
            if len(right) == 4:
                texts[1] = f"({texts[1]})"
        return self._dialect.arithmetic(texts[0], operator, texts[1], kind)

    def write_assigned(self, token: Token, column: Column, scope: Scope) -> str:
        """Write what a column is set to."""
        if token[0] == "?":
            return self._dialect.bound(self._mark, column.type)
        sql = self.write(token, scope)
        is_result = token[0] == "EXPR" and len(token[1]) == 4
        return self._dialect.assigned(sql, column.type) if is_result else sql


def expression_stack(token: Token, scope: Scope | None = None) -> int:
    """Estimate what an expression needs of the parser's stack; without a scope as if no path were in it."""
    if len(token) < 4:
        return 2 + (scope.column_stack(token[1]) if scope is not None and token[0] == "F" else 0)
    _, left, right, kind = token
    if kind == "decimal":
        return max(3 + expression_stack(left, scope), 5 + expression_stack(right, scope))
    return max(expression_stack(left, scope), 3 + expression_stack(right, scope))


def expression_fields(token: Token) -> set[Any]:
    """Return the fields and paths that an operand reads."""
    if token[0] == "F":
        return {token[1]}
    return {ref for part in token if isinstance(part, tuple) for ref in expression_fields(part)}


def expression_numbers(token: Token) -> int:
    """Count the values that an operand binds."""
    return 1 if token == ("?",) else sum(expression_numbers(part) for part in token if isinstance(part, tuple))


def expression_size(token: Token) -> int:
    """Count the operators and columns of an operand."""
    if token[0] == "?":
        return 0
    if token[0] == "F":
        return 1
    return 1 + sum(expression_size(part) for part in token if isinstance(part, tuple))


def _check_copy(other: Column, column: Column, target: bool) -> None:
    """Refuse another column that holds something else, although its kind is the same."""
    theirs, ours = other.type, column.type
    if theirs.kind == "datetime" and ours.kind == "datetime" and theirs.timezone != ours.timezone:
        raise QueryError(f"{column} and {other}: one is a naive datetime and the other has a time zone")
    narrow = (ours.enum, ours.literals, ours.max_length, ours.scale)
    is_narrow = any(part is not None for part in narrow)
    others = (theirs.enum, theirs.literals, theirs.max_length, theirs.scale)
    if target and ours.kind == theirs.kind and is_narrow and narrow != others:
        raise QueryError(f"{column} from {other}: the column takes only some of the values that the other may hold")
