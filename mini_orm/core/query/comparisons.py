"""One condition -> key and values -> text.

Rules of this file:
- `read` looks names up, checks the operator, encodes the value by the column's codec, and leaves a token: the key.
- `write` makes the text of a token. What it needs of the parser is estimated, for query/filters.py to add up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...errors import QueryError, QueryTypeError
from ..conditions import Condition, Expression
from ..dialects import Dialect
from ..refused import Refused, plain_text
from .expressions import Expressions, Token, expression_size, expression_stack
from .paths import Scope
from .tables import Column, Ref, Table

_COMPARISONS = {"=", "<>", "<", "<=", ">", ">="}
_SAME = {"IS NOT DISTINCT FROM": False, "IS DISTINCT FROM": True}
_MATCHES = {"LIKE", "ILIKE", "CONTAINS", "STARTSWITH", "ENDSWITH"}


class Piece(NamedTuple):
    """Text in the making: which values it binds, how deep its tree is, what it needs of the parser's stack."""

    sql: str
    params: list[int]
    depth: int
    stack: int
    operator: str = ""


class Comparisons:
    """Reads and writes single conditions in one dialect."""

    def __init__(self, dialect: Dialect, expressions: Expressions) -> None:
        self._dialect = dialect
        self._expressions = expressions
        self._mark = dialect.placeholder("value")

    # --- reading ---

    def read(self, condition: Condition, negated: bool, table: Table, params: list[Any]) -> Token:
        """Return the key of a condition on the rows of a table, and append its values to `params`.

        Raises:
            QueryError: an unknown name, a value of the wrong type, an operator that does not fit.
        """
        ref, column = table.find(condition.col, "filter")
        op, value = condition.op, condition.value
        if not isinstance(op, str):
            raise QueryTypeError(f"{column}: an operator is text, got {type(op).__name__}")
        before = len(params)
        token: Token
        if op in _COMPARISONS:
            if value is None:
                if op not in ("=", "<>"):
                    raise QueryError(f"{column} {op} None is never true; use C.is_null or C.is_not_null")
                token = ("NULL", ref, op == "<>")
            else:
                _check_order(column, op)
                token = ("CMP", op, ref, self._operand(column, value, table, params))
        elif op in _SAME:
            operand = ("?",) if value is None else self._operand(column, value, table, params)
            if value is None:
                params.append(None)
            token = ("SAME", _SAME[op], ref, operand)
        elif op in ("IS NULL", "IS NOT NULL"):
            token = ("NULL", ref, op == "IS NOT NULL")
        elif op in ("IN", "NOT IN"):
            token = self._in(ref, column, op == "NOT IN", condition.values, params)
        elif op == "BETWEEN":
            token = self._between(ref, column, condition.values, table, params)
        elif op in _MATCHES:
            token = self._match(ref, column, op, value, params)
        else:
            raise QueryError(f"{column}: {op!r} is no operator of a condition")
        return (*token, negated, len(params) - before)

    def _operand(self, column: Column, value: Any, table: Table, params: list[Any]) -> Token:
        if not isinstance(value, Expression):
            params.append(column.encode(value))
            return ("?",)
        return self._expressions.read(value, column, table, params, target=False)

    def _in(self, ref: Ref, column: Column, negated: bool, values: Any, params: list[Any]) -> Token:
        if not isinstance(values, tuple | list):
            raise QueryTypeError(f"{column}: IN takes a tuple of values")
        present = [value for value in values if value is not None]
        has_none = len(present) < len(values)
        coerce = column.codec.coerce
        try:
            encoded = [coerce(value) for value in present]
        except Refused:
            encoded = [column.encode(value) for value in present]  # raises, and says which
        # What a db_type column holds is the driver's to know, so each value goes by itself.
        kind = column.type
        count, limit = len(encoded), self._dialect.list_limit(kind) if kind.db_type is None else None
        if limit is not None and count > limit:
            params.append(self._dialect.many_value(kind, encoded))
            return ("IN", ref, negated, -1, has_none)
        if count and limit is not None:
            # A power of two, the last value repeated: lists of any length share a few statements.
            count = 1 << (count - 1).bit_length()
            encoded.extend(encoded[-1:] * (count - len(encoded)))
        params.extend(encoded)
        return ("IN", ref, negated, count, has_none)

    def _between(self, ref: Ref, column: Column, values: Any, table: Table, params: list[Any]) -> Token:
        if not isinstance(values, tuple) or len(values) != 2 or any(value is None for value in values):
            raise QueryError(f"{column}: BETWEEN takes two values, and None is none")
        _check_order(column, "BETWEEN")
        low, high = (self._operand(column, value, table, params) for value in values)
        return ("BETWEEN", ref, low, high)

    def _match(self, ref: Ref, column: Column, op: str, value: Any, params: list[Any]) -> Token:
        kind = column.type
        if not kind.is_text:
            raise QueryError(f"{column} is {kind.python_type}; {op} needs text")
        if not isinstance(value, str):
            raise QueryError(f"{column}: {op} takes str, got {type(value).__name__}")
        try:
            text = plain_text(value)
        except Refused as exc:
            raise column.refused(exc) from column.error(value, exc)
        match: Any = op
        how, values = self._dialect.choose_match(match, text)
        params.extend(values)
        return ("MATCH", how, ref)

    # --- writing ---

    def write(self, token: Token, place: int, scope: Scope) -> Piece:
        """Write a condition, whose values begin at `place`."""
        kind, negated, count = token[0], token[-2], token[-1]
        operands: tuple[Token, ...] = ()
        stack = 8
        if kind == "CMP":
            _, op, ref, operand = token[:4]
            operands = (operand,)
            sql = f"{self._left(ref, op, scope)} {op} {self._right(ref, operand, scope)}"
            stack = 4
        elif kind == "SAME":
            _, distinct, ref, operand = token[:4]
            operands = (operand,)
            sql = self._dialect.same(self._left(ref, "SAME", scope), self._right(ref, operand, scope), negated=distinct)
        elif kind == "NULL":
            ref = token[1]
            sql = f"{scope.sql(ref)} IS {'NOT ' if token[2] else ''}NULL"
            stack = 4
        elif kind == "BETWEEN":
            _, ref, *operands_ = token[:4]
            operands = tuple(operands_)
            low, high = (self._right(ref, operand, scope) for operand in operands)
            sql = f"({self._left(ref, 'BETWEEN', scope)} BETWEEN {low} AND {high})"
        elif kind == "IN":
            ref = token[1]
            sql = self._in_text(token, scope)
            stack = 16
        else:
            ref = token[2]
            sql = self._dialect.match(token[1], scope.sql(ref), self._mark)
        if negated:
            sql, stack = f"NOT ({sql})", stack + 3
        needed = [expression_stack(operand[1], scope) for operand in operands if operand[0] == "EXPR"]
        stack += max([scope.column_stack(ref), *needed])
        depth = 4 + sum(map(expression_size, operands))
        return Piece(sql, list(range(place, place + count)), depth, stack)

    def _left(self, ref: Ref, op: str, scope: Scope) -> str:
        return self._dialect.compared(scope.sql(ref), scope.column(ref).type, op)

    def _right(self, ref: Ref, operand: Token, scope: Scope) -> str:
        kind = scope.column(ref).type
        if operand[0] == "?":
            return self._dialect.operand(self._mark, kind)
        sql = self._expressions.write(operand, scope)
        if operand[2] == "int" and kind.kind == "decimal":
            return self._dialect.as_decimal(sql)
        return sql

    def _in_text(self, token: Token, scope: Scope) -> str:
        _, ref, negated, count, has_none = token[:5]
        column = self._left(ref, "IN", scope)
        if count == 0:
            if has_none:
                return f"{column} IS {'NOT ' if negated else ''}NULL"
            return "1 = 1" if negated else "1 = 0"
        if count < 0:
            sql = self._dialect.in_many(column, scope.column(ref).type, self._mark, negated=negated)
        else:
            marks = ", ".join([self._dialect.operand(self._mark, scope.column(ref).type)] * count)
            sql = f"{column} {'NOT ' if negated else ''}IN ({marks})"
        if not has_none:
            return sql
        return f"({sql} AND {column} IS NOT NULL)" if negated else f"({sql} OR {column} IS NULL)"


def _check_order(column: Column, op: str) -> None:
    if column.type.kind == "json" and op not in ("=", "<>"):
        raise QueryError(f"{column}: JSON values have no order; {op} can't compare them")
