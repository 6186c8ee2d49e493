"""Databases on the pools that psycopg, asyncpg and asyncmy bring along."""

from __future__ import annotations

import contextlib
import unittest
from collections.abc import AsyncIterator
from typing import Any

import asyncmy
import asyncpg  # type: ignore[import-untyped]  # it has no py.typed
import psycopg_pool
from asyncmy.cursors import DictCursor
from psycopg.rows import dict_row

from mini_orm import AsyncDatabase, ConfigurationError, Database
from tests.backends import Asyncmy, Asyncpg, AsyncPsycopg, SyncPsycopg, bind_all
from tests.contracts.driver_pools import DriverPoolContract, DriverPoolTaskContract, DriverPoolThreadContract


class PsycopgPool(SyncPsycopg):
    """`Database` over a `psycopg_pool.ConnectionPool`."""

    pool_log = "psycopg.pool"

    async def driver_pool(self, size: int) -> Any:
        """Make a pool of the driver's own."""
        kwargs = {**self.address({}), "row_factory": dict_row}
        return psycopg_pool.ConnectionPool(kwargs=kwargs, min_size=1, max_size=size, open=True)

    async def close_pool(self, pool: Any) -> None:
        """Close it; twice is fine."""
        pool.close()

    @contextlib.asynccontextmanager
    async def taken(self, pool: Any) -> AsyncIterator[Any]:
        """Take a connection out of it for a block, without mini_orm."""
        with pool.connection() as conn:
            yield conn

    def is_as_made(self, conn: Any) -> bool:
        """Tell whether a connection is idle, and as the pool made it."""
        return not self.in_transaction(conn) and not conn.autocommit and conn.row_factory is dict_row


class AsyncPsycopgPool(AsyncPsycopg):
    """`AsyncDatabase` over a `psycopg_pool.AsyncConnectionPool`."""

    pool_log = "psycopg.pool"

    async def driver_pool(self, size: int) -> Any:
        """Make a pool of the driver's own."""
        kwargs = {**self.address({}), "row_factory": dict_row}
        pool: Any = psycopg_pool.AsyncConnectionPool(kwargs=kwargs, min_size=1, max_size=size, open=False)
        await pool.open()
        return pool

    async def close_pool(self, pool: Any) -> None:
        """Close it; twice is fine."""
        await pool.close()

    @contextlib.asynccontextmanager
    async def taken(self, pool: Any) -> AsyncIterator[Any]:
        """Take a connection out of it for a block, without mini_orm."""
        async with pool.connection() as conn:
            yield conn

    def is_as_made(self, conn: Any) -> bool:
        """Tell whether a connection is idle, and as the pool made it."""
        return not conn.pgconn.transaction_status and not conn.autocommit and conn.row_factory is dict_row


class AsyncpgPool(Asyncpg):
    """`AsyncDatabase` over an `asyncpg.Pool`."""

    pool_log = "asyncpg.pool"

    async def driver_pool(self, size: int) -> Any:
        """Make a pool of the driver's own."""
        return await asyncpg.create_pool(**self.arguments({}), min_size=1, max_size=size)

    async def close_pool(self, pool: Any) -> None:
        """Close it; twice is fine."""
        await pool.close()

    @contextlib.asynccontextmanager
    async def taken(self, pool: Any) -> AsyncIterator[Any]:
        """Take a connection out of it for a block, without mini_orm."""
        async with pool.acquire() as conn:
            yield conn

    def is_as_made(self, conn: Any) -> bool:
        """Tell whether a connection is idle, as all are that asyncpg makes."""
        return not conn.is_in_transaction()


class AsyncmyPool(Asyncmy):
    """`AsyncDatabase` over an `asyncmy.pool.Pool`."""

    pool_log = "asyncmy"

    async def driver_pool(self, size: int) -> Any:
        """Make a pool of the driver's own."""
        return await asyncmy.create_pool(**self.address({}), cursor_cls=DictCursor, minsize=1, maxsize=size)

    async def close_pool(self, pool: Any) -> None:
        """Close it; twice is fine."""
        pool.close()
        await pool.wait_closed()

    @contextlib.asynccontextmanager
    async def taken(self, pool: Any) -> AsyncIterator[Any]:
        """Take a connection out of it for a block, without mini_orm."""
        async with pool.acquire() as conn:
            yield conn

    def is_as_made(self, conn: Any) -> bool:
        """Tell whether a connection is idle, and as the pool made it."""
        return not self.in_transaction(conn) and not conn.get_autocommit() and conn._cursor_cls is DictCursor


POOLS = (PsycopgPool, AsyncPsycopgPool, AsyncpgPool, AsyncmyPool)
bind_all(globals(), DriverPoolContract, DriverPoolThreadContract, DriverPoolTaskContract, backends=POOLS)


class Faces(unittest.IsolatedAsyncioTestCase):
    """What is refused before a connection is opened."""

    async def test_of_the_other_face(self) -> None:
        """X4: a blocking pool is a Database's, an awaited one an AsyncDatabase's."""
        blocking = psycopg_pool.ConnectionPool(open=False)
        awaited = asyncpg.create_pool()
        with self.assertRaisesRegex(ConfigurationError, "AsyncDatabase"):
            AsyncDatabase(blocking)
        with self.assertRaisesRegex(ConfigurationError, "AsyncDatabase"):
            Database(awaited)
