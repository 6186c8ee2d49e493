"""Conditions -> the text and the values of a WHERE.

Rules of this file:
- A filter is read in two steps. `read` walks it once, checks names, encodes values, and leaves a key (the shape) and
  the values. The text is made of the key alone, by `write`, and only when the cache has none for it.
- Nothing recurses over conditions that a user nested: both steps keep their own stack. Expressions are bounded.
- NOT is pushed down to the leaves (De Morgan holds in three values), groups of one kind are flattened, and the
  deepest part of a group is written first: a parser's stack then grows by one entry a level and not by five.
  SQLite up to 3.45 has 100 entries. What does not fit is a QueryError and no riddle from the parser.
- Wide groups are written in bundles, as SQLite's tree of `a AND b AND c …` is as deep as it is long.
- What stands in an EXISTS has a scope of its own (see query/paths.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import QueryError, QueryTypeError
from ..conditions import Condition, ConditionGroup, Expression, NotCondition, OrderBy, RelatedCondition
from ..models import ColumnMeta
from .comparisons import Comparisons, Piece
from .expressions import Expressions, Token
from .ordering import read_order
from .paths import EXISTS_STACK, RelatedScope, Scope
from .tables import Table, hops_in

if TYPE_CHECKING:
    from ..relations import Relation

_OPPOSITE = {"AND": "OR", "OR": "AND"}
_BUNDLE = 100


class Filters:
    """Reads and writes the filters of one model in one dialect."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._dialect = table.dialect
        self._expressions = Expressions(table.dialect)
        self._comparisons = Comparisons(table.dialect, self._expressions)

    def encode(self, column: ColumnMeta, value: Any) -> Any:
        """Encode a value that a filter compares with; see `Column.encode`."""
        return self._table.columns[column.name].encode(value)

    def read_assigned(self, value: Expression, column: ColumnMeta, params: list[Any]) -> Token:
        """Return the key of an expression that a column is set to; see `Expressions.read`."""
        return self._expressions.read(value, self._table.columns[column.name], self._table, params, target=True)

    def write_assigned(self, token: Token, name: str, scope: Scope) -> str:
        """Write what a column is set to."""
        return self._expressions.write_assigned(token, self._table.columns[name], scope)

    # --- reading ---

    def read(self, where: Any, params: list[Any]) -> tuple[Token, ...]:
        """Return the key of a filter (`()` for none) and append its values to `params`.

        The tokens stand in prefix order: a group is followed by its items, a related condition by its own.

        Raises:
            QueryError: an unknown name, a value of the wrong type, an operator that does not fit.
        """
        if type(where) is Condition:
            return (self._comparisons.read(where, False, self._table, params),)
        where = _joined_by_and(where)
        if where is None:
            return ()
        tokens: list[Token] = []
        stack: list[tuple[Any, bool, Table]] = [(where, False, self._table)]
        while stack:
            node, negated, table = stack.pop()
            if isinstance(node, Condition):
                tokens.append(self._comparisons.read(node, negated, table, params))
            elif isinstance(node, NotCondition):
                stack.append((node.item, not negated, table))
            elif isinstance(node, ConditionGroup):
                operator = node.operator
                if operator not in ("AND", "OR"):
                    raise QueryError("the operator of a ConditionGroup is 'AND' or 'OR'")
                if not node.items:
                    raise QueryError("a ConditionGroup needs at least one condition")
                tokens.append((_OPPOSITE[operator] if negated else operator, len(node.items)))
                stack.extend((item, negated, table) for item in reversed(node.items))
            elif isinstance(node, RelatedCondition):
                hops = table.over(node.path, "filter")
                item = _joined_by_and(node.item)
                tokens.append(("EXISTS", hops, negated != bool(node.negated), item is not None))
                if item is not None:
                    stack.append((item, False, hops[-1].target))
            else:
                raise QueryTypeError(f"where takes conditions made by C, got {type(node).__name__}")
        return tuple(tokens)

    def relations(self, where: Any, order_by: Any) -> list[Relation]:
        """Return the relations that the paths of a filter and an order go over.

        Raises:
            QueryError: as `read` and `read_order`; where it is plain that there are no paths, nothing is checked.
        """
        if not _may_have_paths(where, order_by):
            return []
        key = (self.read(where, []), read_order(order_by, self._table))
        return [hop.relation for hop in hops_in(key)]

    # --- writing ---

    def write(self, tokens: Sequence[Token], first: int, scope: Scope) -> tuple[str, list[int]]:
        """Write the text of a filter, and the places of its values in the order of their marks.

        Args:
            tokens: what `read` returned.
            first: how many values come before the filter's.
            scope: what the names are of; it collects the joins, and knows where the text will stand.

        Raises:
            QueryError: the filter is nested deeper than the database can parse, or joins more tables.
        """
        # Forwards, so that a condition knows its scope, and joins and aliases come in the order of the query.
        parts: list[Piece | RelatedScope | None] = []
        scopes = [scope]
        place = first
        for token in tokens:
            current = scopes.pop()
            if token[0] in _OPPOSITE:
                parts.append(None)
                scopes.extend([current] * token[1])
            elif token[0] == "EXISTS":
                parts.append(related := current.related(token[1]))
                scopes.extend([related] * token[3])
            else:
                parts.append(self._comparisons.write(token, place, current))
                place += token[-1]
        # Backwards, so that each group finds its items on the stack.
        pieces: list[Piece] = []
        for token, part in zip(reversed(tokens), reversed(parts), strict=True):
            if isinstance(part, Piece):
                pieces.append(part)
            elif part is None:
                pieces.append(self._checked(self._joined(token[0], [pieces.pop() for _ in range(token[1])])))
            else:
                items = [Piece(part.correlation, [], 4, 6, "AND"), *(pieces.pop() for _ in range(token[3]))]
                pieces.append(self._checked(self._exists(part, items, token[2])))
        piece = self._checked(pieces[0], scope.around)
        return piece.sql, piece.params

    def _checked(self, piece: Piece, around: int = 0) -> Piece:
        if piece.depth > self._dialect.max_depth or piece.stack + around > self._dialect.max_stack:
            raise QueryError("the conditions are nested deeper than the database can parse; use fewer levels")
        return piece

    def _exists(self, scope: RelatedScope, items: list[Piece], negated: bool) -> Piece:
        body = self._joined("AND", items)
        sql = scope.exists(body.sql, negated=negated)
        return Piece(sql, body.params, body.depth + 2, max(body.stack, scope.stack) + EXISTS_STACK)

    def _joined(self, operator: str, items: list[Piece]) -> Piece:
        if len(items) == 1:
            return items[0]
        items.sort(key=lambda item: -item.stack)  # stable: equals stay as the user wrote them
        while len(items) > _BUNDLE:
            bundles = [items[start : start + _BUNDLE] for start in range(0, len(items), _BUNDLE)]
            items = [self._chained(operator, bundle, bundled=True) for bundle in bundles]
        return self._chained(operator, items, bundled=False)

    def _chained(self, operator: str, items: list[Piece], *, bundled: bool) -> Piece:
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
        if bundled:
            return Piece(f"({text})", params, depth, stack + 1)
        return Piece(text, params, depth, stack, operator)


def _may_have_paths(where: Any, order_by: Any) -> bool:
    """Whether a filter or an order may go over relations; this reads no values and looks no names up."""
    nodes = [where, order_by]
    for node in nodes:  # grows as it goes
        if node is None:
            continue
        if isinstance(node, Condition):
            if "." in str(node.col) or node.op == "BETWEEN" or isinstance(node.value, Expression):
                return True
        elif isinstance(node, ConditionGroup):
            nodes.extend(node.items)
        elif isinstance(node, NotCondition):
            nodes.append(node.item)
        elif isinstance(node, RelatedCondition):
            return True
        elif isinstance(node, OrderBy):
            nodes.append(node.col)
        elif isinstance(node, str):
            if "." in node:
                return True
        elif isinstance(node, Sequence):
            nodes.extend(node)
    return False


def _joined_by_and(where: Any) -> Any:
    """Return one condition, or `None` for no filter.

    Raises:
        QueryTypeError: it is neither a condition nor a sequence.
    """
    if where is None or isinstance(where, Condition | ConditionGroup | NotCondition | RelatedCondition):
        return where
    if isinstance(where, str | bytes | Mapping) or not isinstance(where, Sequence):
        raise QueryTypeError(f"where takes conditions made by C, got {type(where).__name__}")
    return ConditionGroup("AND", tuple(where)) if where else None
