"""The user's own SQL, in the driver's style."""

from __future__ import annotations

import re
from typing import Any

from ..._typing import RawParams
from ...errors import TransactionError
from ..drivers import Result
from .executors import Executor


async def raw(executor: Executor, sql: str, params: RawParams) -> Result:
    """Run the user's SQL."""
    _refuse_reopening(executor, sql)
    return await executor.query(sql, params)


async def raw_first(executor: Executor, sql: str, params: RawParams) -> dict[str, Any] | None:
    """Run the user's query and read one row."""
    _refuse_reopening(executor, sql)
    result = await executor.query(sql, params, first=True)
    row = result.fetchone()
    return None if row is None else dict(zip(_names(result), row, strict=True))


async def raw_all(executor: Executor, sql: str, params: RawParams) -> list[dict[str, Any]]:
    """Run the user's query and read all rows."""
    _refuse_reopening(executor, sql)
    result = await executor.query(sql, params)
    names = _names(result)
    return [dict(zip(names, row, strict=True)) for row in result]


def _refuse_reopening(executor: Executor, sql: str) -> None:
    """Refuse what would end a block's transaction and put another one in its place.

    Raises:
        TransactionError: it would; nothing is sent.
    """
    if executor.blocks and isinstance(sql, str) and re.match(executor.dialect.reopening, sql):
        raise TransactionError(
            "this SQL would end the transaction that it stands in and open another one; use db.transaction(), which "
            "is a savepoint in a transaction"
        )


def _names(result: Result) -> list[str]:
    return [column[0] for column in result.description or ()]
