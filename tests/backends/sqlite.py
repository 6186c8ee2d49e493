"""SQLite: sqlite3 and aiosqlite."""

from __future__ import annotations

import sqlite3
from typing import Any

import aiosqlite

import mini_orm
from tests.backends.base import Backend


def counted_sqlite3(counter: Any) -> type[sqlite3.Connection]:
    """Make a class of sqlite3 connections that tell `counter`."""

    class Counted(sqlite3.Connection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*(args if counter.admits() else ("/no/such/directory/file",)), **kwargs)
            counter.note_opened(self)

        def close(self) -> None:
            counter.note_closed(self)
            super().close()

    return Counted


class SyncSqlite3(Backend):
    """`Database` over the standard library's sqlite3."""

    name = "sqlite3"
    face = "sync"
    is_first = True
    supports_blocking_calls = True
    supports_tasks = False
    supports_thread_check = True
    connector = staticmethod(sqlite3.connect)

    def pool(self, **options: Any) -> mini_orm.PoolConnector:
        options.setdefault("check_same_thread", False)
        return super().pool(**options)

    async def connect(self, **options: Any) -> sqlite3.Connection:
        options.setdefault("check_same_thread", False)
        return sqlite3.connect(options.pop("path", self.path), **options)


class WorkerSqlite3(SyncSqlite3):
    """`AsyncDatabase` over a sqlite3 connection that any thread may use: operations run in a worker thread."""

    name = "sqlite3-worker"
    face = "async"
    supports_blocking_calls = False
    supports_tasks = True


class InlineSqlite3(Backend):
    """`AsyncDatabase` over a sqlite3 connection bound to the loop's thread: operations run inline."""

    name = "sqlite3-inline"
    face = "async"
    supports_threads = False
    supports_own_connect = False
    connects_at_once = False
    supports_awaited_pools = True

    async def connector(self, *args: Any, **kwargs: Any) -> sqlite3.Connection:
        kwargs.pop("check_same_thread", None)
        return sqlite3.connect(*args, **kwargs)

    async def connect(self, **options: Any) -> sqlite3.Connection:
        return sqlite3.connect(options.pop("path", self.path), **options)


class Aiosqlite(Backend):
    """`AsyncDatabase` over aiosqlite."""

    name = "aiosqlite"
    face = "async"
    is_first = True
    supports_awaited_pools = True
    connector = staticmethod(aiosqlite.connect)

    async def connect(self, **options: Any) -> aiosqlite.Connection:
        options.pop("check_same_thread", None)
        return await aiosqlite.connect(options.pop("path", self.path), **options)
