"""What relations need beside the statements of one model: rows on the way, and the rows behind a link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dialects import Dialect
from ..models import ColumnMeta, model_meta
from ..refused import Refused
from ..relations import Relation
from .statements import Statement
from .tables import Column, Table, table_for


def encoded(column: Column, value: Any) -> Any:
    """Encode a value that is written.

    Raises:
        CodecError: it is not of the field's type.
    """
    if value is None:
        return None
    try:
        return column.codec.encode(value)
    except Refused as exc:
        raise column.error(value, exc) from exc


def fits_one_list(dialect: Dialect, columns: Sequence[ColumnMeta]) -> bool:
    """Whether lists of any length travel as one value each."""
    return dialect.max_in_list is not None and all(column.type.db_type is None for column in columns)


def select_linked(relation: Relation, dialect: Dialect, keys: Sequence[Any]) -> Statement:
    """Compile the SELECT of a many-to-many relation: the targets' columns, then the link's that refer to the owners.

    Args:
        keys: of the owners; of a composite key tuples. Rows of other owners may come, too, where it is composite.
    """
    target = table_for(model_meta(relation.target), dialect)
    link = table_for(model_meta(relation.link), dialect)
    ours = link.quoted_names(relation.link_local)
    theirs = zip(target.quoted_names(relation.remote), link.quoted_names(relation.link_remote), strict=True)
    shown = [
        *(target.read(column, target.quoted) for column in target.meta.columns),
        *(link.read(column, link.quoted) for column in relation.link_local),
    ]
    joined = " AND ".join(f"{target.quoted}.{own} = {link.quoted}.{other}" for own, other in theirs)
    params: list[Any] = []
    parts = [keys] if len(ours) == 1 else list(zip(*keys, strict=True))
    wanted = [
        _one_of(link, link.columns[column.name], values, params)
        for column, values in zip(relation.link_local, parts, strict=True)
    ]
    sql = (
        f"SELECT {', '.join(shown)} FROM {link.quoted} JOIN {target.quoted} ON {joined} "
        f"WHERE {' AND '.join(wanted)} ORDER BY {target.key_order(target.quoted)}"
    )
    return Statement(sql, params)


def _one_of(table: Table, column: Column, values: Sequence[Any], params: list[Any]) -> str:
    dialect, kind = table.dialect, column.meta.type
    name = f"{table.quoted}.{column.quoted}"
    found = [column.encode(value) for value in dict.fromkeys(values)]
    mark = dialect.placeholder("value")
    if fits_one_list(dialect, [column.meta]):
        params.append(dialect.many_value(kind, found))
        return dialect.in_many(name, kind, mark, negated=False)
    params.extend(found)
    return f"{name} IN ({', '.join([dialect.bound(mark, kind)] * len(found))})"
