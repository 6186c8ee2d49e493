"""The user's own SQL, in the driver's style."""

from __future__ import annotations

from typing import Any

from ..._typing import RawParams
from ..drivers import Result
from .executors import Executor


async def raw(executor: Executor, sql: str, params: RawParams) -> Result:
    """Run the user's SQL."""
    return await executor.query(sql, params)


async def raw_first(executor: Executor, sql: str, params: RawParams) -> dict[str, Any] | None:
    """Run the user's query and read one row."""
    result = await executor.query(sql, params, first=True)
    row = result.fetchone()
    return None if row is None else dict(zip(_names(result), row, strict=True))


async def raw_all(executor: Executor, sql: str, params: RawParams) -> list[dict[str, Any]]:
    """Run the user's query and read all rows."""
    result = await executor.query(sql, params)
    names = _names(result)
    return [dict(zip(names, row, strict=True)) for row in result]


def _names(result: Result) -> list[str]:
    return [column[0] for column in result.description or ()]
