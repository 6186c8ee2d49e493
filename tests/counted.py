"""Connections to PostgreSQL and MySQL that tell a counter when they are opened and closed (contracts/pool_tools.py)."""

from __future__ import annotations

from typing import Any


def counted_psycopg(counter: Any) -> type[Any]:
    """Make a class of psycopg connections that tell `counter`."""
    import psycopg

    class Counted(psycopg.Connection[Any]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            counter.note_opened(self)

        @classmethod
        def connect(cls, *args: Any, **kwargs: Any) -> Any:
            return super().connect(*args, **_admitted(counter, kwargs))

        def close(self) -> None:
            counter.note_closed(self)
            super().close()

    return Counted


def counted_async_psycopg(counter: Any) -> type[Any]:
    """Make a class of psycopg's awaited connections that tell `counter`."""
    import psycopg

    class Counted(psycopg.AsyncConnection[Any]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            counter.note_opened(self)

        @classmethod
        async def connect(cls, *args: Any, **kwargs: Any) -> Any:
            return await super().connect(*args, **_admitted(counter, kwargs))

        async def close(self) -> None:
            counter.note_closed(self)
            await super().close()

    return Counted


def counted_psycopg2(counter: Any, plain: type[Any]) -> type[Any]:
    """Make a class of psycopg2 connections, of a `plain` one, that tell `counter`."""

    class Counted(plain):  # type: ignore[misc]  # any class of connections
        def __init__(self, dsn: str, *args: Any, **kwargs: Any) -> None:
            super().__init__(dsn if counter.admits() else "host=/no/such/directory", *args, **kwargs)
            counter.note_opened(self)

        def close(self) -> None:
            counter.note_closed(self)
            super().close()

    return Counted


def _admitted(counter: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    return kwargs if counter.admits() else {**kwargs, "host": "/no/such/directory"}


def counted_asyncpg(counter: Any, secret: str) -> dict[str, Any]:
    """Return the arguments with which asyncpg opens connections that tell `counter`."""
    import asyncpg

    class Counted(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            counter.note_opened(self)

        async def close(self, *, timeout: float | None = None) -> None:
            counter.note_closed(self)
            await super().close(timeout=timeout)

        def terminate(self) -> None:
            counter.note_closed(self)
            super().terminate()

    def password() -> str:
        """Answer for the server, which is asked for nothing else before a connection is made."""
        if not counter.admits():
            raise ConnectionRefusedError("the server does not want it")
        return secret

    return {"connection_class": Counted, "password": password}


def counted_mysql(counter: Any, plain: type[Any]) -> type[Any]:
    """Make a class of connections to MySQL, of a `plain` one of PyMySQL or mysqlclient, that tell `counter`."""

    class Counted(plain):  # type: ignore[misc]  # any class of connections
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**(kwargs if counter.admits() else {**kwargs, "host": "127.0.0.1", "port": 1}))
            counter.note_opened(self)

        def close(self) -> None:
            counter.note_closed(self)
            super().close()

    return Counted


def counted_asyncmy(counter: Any) -> Any:
    """Return what opens asyncmy connections that tell `counter`."""
    from asyncmy.connection import Connection

    class Counted(Connection):  # type: ignore[misc]  # asyncmy's classes are compiled
        async def connect(self) -> None:
            if not counter.admits():
                raise ConnectionRefusedError("the server does not want it")
            await super().connect()
            counter.note_opened(self)

        def close(self) -> None:
            counter.note_closed(self)
            super().close()

        async def ensure_closed(self) -> None:
            counter.note_closed(self)
            await super().ensure_closed()

    return asyncmy_connect(Counted)


def asyncmy_connect(kind: Any) -> Any:
    """Return what opens connections of a class of asyncmy's, and shows which class that is."""

    class Opener(kind):  # type: ignore[misc]  # as above
        @classmethod
        async def connect(cls, **kwargs: Any) -> Any:
            conn = kind(**kwargs)
            await conn.connect()
            return conn

    return Opener.connect
