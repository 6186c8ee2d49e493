"""PostgreSQL in threads, on psycopg."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import psycopg_pool

from mini_orm import Database, PoolConnector, Repository

from ..contestants.base import CONNECTIONS, Contestant
from ..contestants.postgres import server
from ..contestants.postgres_psycopg import GET, to_user
from ..models import User
from .operations import BY_NAME


class InThreads(Contestant):
    """What many threads do at once, on a pool of ten connections."""

    catalogue = BY_NAME
    #: Returns the user of a key.
    one: Callable[[int], User | None]

    def get_in_threads(self, threads: int, keys: Sequence[int]) -> list[User | None]:
        """Call for every key, in threads that have an equal share of the keys each."""

        def work(share: Sequence[int]) -> list[User | None]:
            return [self.one(key) for key in share]

        with ThreadPoolExecutor(threads) as pool:
            shares = pool.map(work, [keys[place::threads] for place in range(threads)])
            return [user for share in shares for user in share]


class Raw(InThreads):
    """psycopg_pool's pool, as it is by default."""

    def __init__(self, address: str) -> None:
        self.pool: psycopg_pool.ConnectionPool[Any] = psycopg_pool.ConnectionPool(
            kwargs={**server(address), "autocommit": True}, min_size=CONNECTIONS, max_size=CONNECTIONS, open=True
        )
        self.one = self.get
        self.pool.wait()

    def get(self, key: int) -> User | None:
        with self.pool.connection() as conn:
            row = conn.execute(GET, (key,)).fetchone()
        return None if row is None else to_user(row)

    def close(self) -> None:
        self.pool.close()


class MiniOrm(InThreads):
    """`Database` over a pool of psycopg's connections."""

    def __init__(self, address: str) -> None:
        self.db = Database(PoolConnector(psycopg.connect, **server(address), max_size=CONNECTIONS))
        self.one = Repository(self.db, User).get

    def close(self) -> None:
        self.db.close(close_pool=True)
