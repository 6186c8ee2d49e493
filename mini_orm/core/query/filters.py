"""Conditions -> the text and the values of a WHERE.

Rules of this file:
- A filter is read in two steps. `read` walks it once, checks names, encodes values, and leaves a key (the shape) and
  the values. The text is made of the key alone, by `write`, and only when the cache has none for it.
- Nothing recurses over conditions that a user nested: both steps keep their own stack. Expressions are bounded.
- NOT is pushed down to the leaves (De Morgan holds in three values), groups of one kind are flattened, and the
  deepest part of a group is written first: a parser's stack then grows by one entry a level and not by five.
  SQLite up to 3.45 has 100 entries. What does not fit is a QueryError and no riddle from the parser.
- Wide groups are written in bundles, as SQLite's tree of `a AND b AND c …` is as deep as it is long.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ...errors import QueryError, QueryTypeError
from ..codecs import Codec, codec_error, decimal_text
from ..conditions import Arithmetic, Condition, ConditionGroup, Expression, F, NotCondition
from ..dialects import Dialect
from ..json_values import Refused, plain_text
from ..models import ColumnMeta, ModelMeta

_COMPARISONS = {"=", "<>", "<", "<=", ">", ">="}
_SAME = {"IS NOT DISTINCT FROM": False, "IS DISTINCT FROM": True}
_MATCHES = {"LIKE", "ILIKE", "CONTAINS", "STARTSWITH", "ENDSWITH"}
_OPPOSITE = {"AND": "OR", "OR": "AND"}
_BUNDLE = 100
_MAX_EXPRESSION = 100
#: What the statement around an expression takes of the parser's stack.
_AROUND = 12

Token = tuple[Any, ...]


@dataclass(slots=True)
class _Piece:
    """Text in the making: which values it binds, how deep its tree is, what it needs of the parser's stack."""

    sql: str
    params: list[int]
    depth: int
    stack: int
    operator: str = ""


class Filters:
    """Reads and writes the filters of one model in one dialect."""

    def __init__(
        self, meta: ModelMeta, dialect: Dialect, codecs: Mapping[str, Codec], columns: Mapping[str, str]
    ) -> None:
        self._meta = meta
        self._dialect = dialect
        self._codecs = codecs
        self._columns = columns
        self._mark = dialect.placeholder("value")

    # --- reading ---

    def read(self, where: Any, params: list[Any]) -> tuple[Token, ...]:
        """Return the key of a filter (`()` for none) and append its values to `params`.

        Raises:
            QueryError: an unknown name, a value of the wrong type, an operator that does not fit.
        """
        if where is None:
            return ()
        if not isinstance(where, Condition | ConditionGroup | NotCondition):
            if isinstance(where, str | bytes | Mapping) or not isinstance(where, Sequence):
                raise QueryTypeError(f"where takes conditions made by C, got {type(where).__name__}")
            if not where:
                return ()
            where = ConditionGroup("AND", tuple(where))
        if type(where) is Condition:
            return (self._leaf(where, False, params),)
        tokens: list[Token] = []
        stack: list[tuple[Any, bool]] = [(where, False)]
        while stack:
            node, negated = stack.pop()
            if isinstance(node, Condition):
                tokens.append(self._leaf(node, negated, params))
            elif isinstance(node, NotCondition):
                stack.append((node.item, not negated))
            elif isinstance(node, ConditionGroup):
                operator = node.operator
                if operator not in ("AND", "OR"):
                    raise QueryError("the operator of a ConditionGroup is 'AND' or 'OR'")
                if not node.items:
                    raise QueryError("a ConditionGroup needs at least one condition")
                tokens.append((_OPPOSITE[operator] if negated else operator, len(node.items)))
                stack.extend((item, negated) for item in reversed(node.items))
            else:
                raise QueryTypeError(f"where takes conditions made by C, got {type(node).__name__}")
        return tuple(tokens)

    def _leaf(self, condition: Condition, negated: bool, params: list[Any]) -> Token:
        name, op, value = condition.col, condition.op, condition.value
        column = self._meta.column(name, "filter")
        if not isinstance(op, str):
            raise QueryTypeError(f"{self._meta.name}.{name}: an operator is text, got {type(op).__name__}")
        before = len(params)
        token: Token
        if op in _COMPARISONS:
            if value is None:
                if op not in ("=", "<>"):
                    raise QueryError(
                        f"{self._meta.name}.{name} {op} None is never true; use C.is_null or C.is_not_null"
                    )
                token = ("NULL", name, op == "<>")
            else:
                self._check_order(column, op)
                token = ("CMP", op, name, self._operand(column, value, params))
        elif op in _SAME:
            operand = ("?",) if value is None else self._operand(column, value, params)
            if value is None:
                params.append(None)
            token = ("SAME", _SAME[op], name, operand)
        elif op in ("IS NULL", "IS NOT NULL"):
            token = ("NULL", name, op == "IS NOT NULL")
        elif op in ("IN", "NOT IN"):
            token = self._in(column, op == "NOT IN", condition.values, params)
        elif op == "BETWEEN":
            token = self._between(column, condition.values, params)
        elif op in _MATCHES:
            token = self._match(column, op, value, params)
        else:
            raise QueryError(f"{self._meta.name}.{name}: {op!r} is no operator of a condition")
        return (*token, negated, len(params) - before)

    def _check_order(self, column: ColumnMeta, op: str) -> None:
        if column.type.kind == "json" and op not in ("=", "<>"):
            raise QueryError(f"{self._meta.name}.{column.name}: JSON values have no order; {op} can't compare them")

    def encode(self, column: ColumnMeta, value: Any) -> Any:
        """Encode a value that a filter compares with.

        Raises:
            QueryError: it is not of the field's type.
        """
        try:
            return self._codecs[column.name].coerce(value)
        except Refused as exc:
            raise self._refused(column, value, exc) from codec_error(self._meta, column, value, exc)

    def _refused(self, column: ColumnMeta, value: Any, reason: Refused) -> QueryError:
        return QueryError(f"filter on {self._meta.name}.{column.name}: {reason}")

    def _operand(self, column: ColumnMeta, value: Any, params: list[Any]) -> Token:
        if not isinstance(value, Expression):
            params.append(self.encode(column, value))
            return ("?",)
        return self.read_expression(value, column, params, target=False)

    def _in(self, column: ColumnMeta, negated: bool, values: Any, params: list[Any]) -> Token:
        if not isinstance(values, tuple | list):
            raise QueryTypeError(f"{self._meta.name}.{column.name}: IN takes a tuple of values")
        present = [value for value in values if value is not None]
        has_none = len(present) < len(values)
        coerce = self._codecs[column.name].coerce
        try:
            encoded = [coerce(value) for value in present]
        except Refused:
            encoded = [self.encode(column, value) for value in present]  # raises, and says which
        # What a db_type column holds is the driver's to know, so each value goes by itself.
        count, limit = len(encoded), self._dialect.max_in_list if column.type.db_type is None else None
        if limit is not None and count > limit:
            params.append(self._dialect.many_value(column.type, encoded))
            return ("IN", column.name, negated, -1, has_none)
        if count and limit is not None:
            # A power of two, the last value repeated: lists of any length share a few statements.
            count = 1 << (count - 1).bit_length()
            encoded.extend(encoded[-1:] * (count - len(encoded)))
        params.extend(encoded)
        return ("IN", column.name, negated, count, has_none)

    def _between(self, column: ColumnMeta, values: Any, params: list[Any]) -> Token:
        if not isinstance(values, tuple) or len(values) != 2 or any(value is None for value in values):
            raise QueryError(f"{self._meta.name}.{column.name}: BETWEEN takes two values, and None is none")
        self._check_order(column, "BETWEEN")
        low, high = (self._operand(column, value, params) for value in values)
        return ("BETWEEN", column.name, low, high)

    def _match(self, column: ColumnMeta, op: Any, value: Any, params: list[Any]) -> Token:
        if not column.type.is_text:
            raise QueryError(f"{self._meta.name}.{column.name} is {column.type.python_type}; {op} needs text")
        if not isinstance(value, str):
            raise QueryError(f"{self._meta.name}.{column.name}: {op} takes str, got {type(value).__name__}")
        try:
            text = plain_text(value)
        except Refused as exc:
            raise self._refused(column, value, exc) from codec_error(self._meta, column, value, exc)
        longest = self._dialect.max_pattern
        if longest is not None and len(text) > longest and op in ("STARTSWITH", "ENDSWITH"):
            op = f"LONG {op}"
        params.append(self._dialect.match_value(op, text))
        return ("MATCH", op, column.name)

    # --- expressions ---

    def read_expression(self, value: Expression, column: ColumnMeta, params: list[Any], *, target: bool) -> Token:
        """Return the key of an expression, and append its numbers to `params`.

        Args:
            column: what it is compared with, or assigned to when `target` is true.

        Raises:
            QueryError: an unknown name, a column that is no number, a result of another type.
        """
        numbers: list[Any] = []
        token, kind = self._expression(value, numbers, 0)
        if self._stack(token) > self._dialect.max_stack - _AROUND:
            raise QueryError(f"{self._meta.name}.{column.name}: the expression is too long for the database to parse")
        self._check_copy(token, column, target)
        wanted = column.type.kind
        fits = kind == wanted or (kind, wanted) in (("int", "float"), ("int", "decimal"))
        if not target and not fits:
            fits = (kind, wanted) == ("float", "int")
        if not fits:
            what = "assigned to" if target else "compared with"
            raise QueryError(f"{self._meta.name}.{column.name} is {wanted}; an expression of {kind} can't be {what} it")
        params.extend(self._number(number, kind) for number in numbers)
        return ("EXPR", token, kind)

    def _check_copy(self, token: Token, column: ColumnMeta, target: bool) -> None:
        """Refuse another column that holds something else, although its kind is the same."""
        if token[0] != "F":
            return
        theirs, ours = self._meta.by_name[token[1]].type, column.type
        if theirs.kind == "datetime" and ours.kind == "datetime" and theirs.timezone != ours.timezone:
            names = f"{self._meta.name}.{column.name} and {token[1]}"
            raise QueryError(f"{names}: one is a naive datetime and the other has a time zone")
        narrow = (ours.enum, ours.literals, ours.max_length, ours.scale)
        is_narrow = any(part is not None for part in narrow)
        others = (theirs.enum, theirs.literals, theirs.max_length, theirs.scale)
        if target and ours.kind == theirs.kind and is_narrow and narrow != others:
            names = f"{self._meta.name}.{column.name} from {token[1]}"
            raise QueryError(f"{names}: the column takes only some of the values that the other may hold")

    def _stack(self, token: Token) -> int:
        """Estimate what an expression needs of the parser's stack."""
        if len(token) < 4:
            return 2
        _, left, right, kind = token
        if kind == "decimal":
            return max(3 + self._stack(left), 5 + self._stack(right))
        return max(self._stack(left), 3 + self._stack(right))

    def _number(self, number: Any, kind: str) -> Any:
        if kind != "decimal":
            return number
        exact = Decimal(number)
        if not exact.is_finite():
            raise QueryError("NaN and infinities have no place in an expression")
        return decimal_text(exact) if self._dialect.forms.get("decimal") == "text" else exact

    def _expression(self, value: Any, numbers: list[Any], depth: int) -> tuple[Token, str]:
        if depth > _MAX_EXPRESSION:
            raise QueryError(f"an expression is nested more than {_MAX_EXPRESSION} deep")
        if isinstance(value, F):
            column = self._meta.column(value.name, "F")
            return ("F", value.name), column.type.kind
        if isinstance(value, Arithmetic):
            if value.operator not in ("+", "-", "*"):
                raise QueryError("an expression knows +, - and *")
            left, left_kind = self._expression(value.left, numbers, depth + 1)
            right, right_kind = self._expression(value.right, numbers, depth + 1)
            for side, kind in ((value.left, left_kind), (value.right, right_kind)):
                number = not isinstance(side, F) or self._meta.column(side.name, "F").type.is_number
                if kind not in ("int", "float", "decimal") or not number:
                    name = side.name if isinstance(side, F) else "it"
                    raise QueryError(f"{self._meta.name}: {name} is {kind}; arithmetic takes int, float and Decimal")
            kinds = {left_kind, right_kind}
            if kinds == {"decimal", "float"}:
                raise QueryError(f"{self._meta.name}: Decimal and float don't mix in an expression; use Decimal(…)")
            kind = "decimal" if "decimal" in kinds else "float" if "float" in kinds else "int"
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

    def write_expression(self, token: Token) -> str:
        """Write an expression, or the mark of a value."""
        if token[0] == "?":
            return self._mark
        if token[0] == "F":
            return self._columns[token[1]]
        if token[0] == "EXPR":
            return self.write_expression(token[1])
        operator, left, right, kind = token
        texts = [self.write_expression(left), self.write_expression(right)]
        if kind != "decimal" or self._dialect.forms.get("decimal") != "text":
            # From the left + and - need no brackets, which the parser would have to remember.
            if left[0] in ("+", "-") and operator == "*":
                texts[0] = f"({texts[0]})"
            if len(right) == 4:
                texts[1] = f"({texts[1]})"
        return self._dialect.arithmetic(texts[0], operator, texts[1], kind)

    def write_assigned(self, token: Token, column: ColumnMeta) -> str:
        """Write what a column is set to."""
        sql = self.write_expression(token)
        is_result = token[0] == "EXPR" and len(token[1]) == 4
        return self._dialect.assigned(sql, column.type) if is_result else sql

    # --- writing ---

    def write(self, tokens: Sequence[Token], first: int) -> tuple[str, list[int]]:
        """Write the text of a filter, and the places of its values in the order of their marks.

        Args:
            tokens: what `read` returned.
            first: how many values come before the filter's.

        Raises:
            QueryError: the filter is nested deeper than the database can parse.
        """
        pieces: list[_Piece] = []
        place = first + sum(token[-1] for token in tokens if token[0] not in _OPPOSITE)
        # The tokens are in prefix order: read backwards, each group finds its items on the stack.
        for token in reversed(tokens):
            if token[0] in _OPPOSITE:
                items = [pieces.pop() for _ in range(token[1])]
                pieces.append(self._checked(self._joined(token[0], items)))
            else:
                place -= token[-1]
                pieces.append(self._written(token, place))
        piece = self._checked(pieces[0])
        return piece.sql, piece.params

    def _checked(self, piece: _Piece) -> _Piece:
        if piece.depth > self._dialect.max_depth or piece.stack > self._dialect.max_stack:
            raise QueryError("the conditions are nested deeper than the database can parse; use fewer levels")
        return piece

    def _joined(self, operator: str, items: list[_Piece]) -> _Piece:
        if len(items) == 1:
            return items[0]
        items.sort(key=lambda item: -item.stack)  # stable: equals stay as the user wrote them
        while len(items) > _BUNDLE:
            bundles = [items[start : start + _BUNDLE] for start in range(0, len(items), _BUNDLE)]
            items = [self._chained(operator, bundle, bundled=True) for bundle in bundles]
        return self._chained(operator, items, bundled=False)

    def _chained(self, operator: str, items: list[_Piece], *, bundled: bool) -> _Piece:
        texts = []
        params: list[int] = []
        depth = stack = 0
        for number, item in enumerate(items):
            # AND binds tighter than OR; a group in a group of its own kind needs nothing.
            enclosed = operator == "AND" and item.operator == "OR"
            texts.append(f"({item.sql})" if enclosed else item.sql)
            params.extend(item.params)
            depth = max(depth, item.depth + max(number, 1))
            stack = max(stack, item.stack + enclosed + (2 if number else 0))
        depth = max(depth, len(items))
        text = f" {operator} ".join(texts)
        return (
            _Piece(f"({text})", params, depth, stack + 1) if bundled else _Piece(text, params, depth, stack, operator)
        )

    def _written(self, token: Token, place: int) -> _Piece:
        kind, negated, count = token[0], token[-2], token[-1]
        operands: tuple[Token, ...] = ()
        stack = 8
        if kind == "CMP":
            _, op, name, operand = token[:4]
            operands = (operand,)
            sql = f"{self._left(name, op)} {op} {self._right(name, operand)}"
            stack = 4
        elif kind == "SAME":
            _, distinct, name, operand = token[:4]
            operands = (operand,)
            sql = self._dialect.same(self._columns[name], self._right(name, operand), negated=distinct)
        elif kind == "NULL":
            sql = f"{self._columns[token[1]]} IS {'NOT ' if token[2] else ''}NULL"
            stack = 4
        elif kind == "BETWEEN":
            _, name, *operands_ = token[:4]
            operands = tuple(operands_)
            low, high = (self._right(name, operand) for operand in operands)
            sql = f"({self._left(name, 'BETWEEN')} BETWEEN {low} AND {high})"
        elif kind == "IN":
            sql = self._written_in(token)
            stack = 16
        else:
            sql = self._dialect.match(token[1], self._columns[token[2]], self._mark)
        if negated:
            sql, stack = f"NOT ({sql})", stack + 3
        stack += max((self._stack(operand[1]) for operand in operands if operand[0] == "EXPR"), default=0)
        depth = 4 + sum(map(_size, operands))
        return _Piece(sql, list(range(place, place + count)), depth, stack)

    def _left(self, name: str, op: str) -> str:
        return self._dialect.compared(self._columns[name], self._meta.by_name[name].type, op)

    def _right(self, name: str, operand: Token) -> str:
        sql = self.write_expression(operand)
        if operand[0] == "EXPR" and operand[2] == "int" and self._meta.by_name[name].type.kind == "decimal":
            return self._dialect.as_decimal(sql)
        return sql

    def _written_in(self, token: Token) -> str:
        _, name, negated, count, has_none = token[:5]
        column = self._columns[name]
        if count == 0:
            if has_none:
                return f"{column} IS {'NOT ' if negated else ''}NULL"
            return "1 = 1" if negated else "1 = 0"
        if count < 0:
            kind = self._meta.by_name[name].type
            sql = self._dialect.in_many(column, kind, self._mark, negated=negated)
        else:
            marks = ", ".join([self._mark] * count)
            sql = f"{column} {'NOT ' if negated else ''}IN ({marks})"
        if not has_none:
            return sql
        return f"({sql} AND {column} IS NOT NULL)" if negated else f"({sql} OR {column} IS NULL)"


def _size(token: Token) -> int:
    """Count the operators and columns of an operand."""
    own = 0 if token[0] == "?" else 1
    return own + sum(_size(part) for part in token if isinstance(part, tuple))
