"""Many rows at once, in a form of the database's own, such as `Dialect.load_text`."""

from __future__ import annotations

from collections.abc import Iterable

from .executors import Executor


async def load(executor: Executor, sql: str, parts: Iterable[bytes]) -> int:
    """Run a statement that takes rows in the database's own form; return how many it stored.

    Raises:
        TransactionError: the transaction is read-only.
        DatabaseError: the database refused; nothing is stored.
    """
    executor.refuse_read_only()
    driver = executor.driver
    if driver.is_awaited:
        stored: int = await executor._run(driver.load, sql, parts)  # type: ignore[attr-defined]  # an AwaitingExecutor
        return stored
    loader = await executor._send(sql, parts, own=driver.loader(executor.conn))
    return max(int(loader.rowcount), 0)
