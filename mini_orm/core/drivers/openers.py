"""How each package opens a connection to an address, and which package is used where a URL names none.

Rules of this file:
- A package is imported when a URL asks for it, never before; the first one that is installed is taken.
- What a URL's options mean is the package's own affair. Values are text there; what the package wants as a number is
  made one here.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from ...errors import ConfigurationError, MissingDependencyError
from .addresses import Address


@dataclass(frozen=True, slots=True)
class Opener:
    """A function that opens a connection, and its arguments."""

    connect: Callable[..., Any]
    arguments: dict[str, Any] = field(repr=False)  # the password is among them
    #: Each connection would have a database of its own.
    is_single: bool = False


def opener_for(address: Address, *, is_async: bool) -> Opener:
    """Find the package that an address names, or the best one that is installed.

    Raises:
        ConfigurationError: there is no such database or package; the package is for the other face; an option is
            unknown.
        MissingDependencyError: the package is not installed, or none is.
    """
    database = _ALIASES.get(address.scheme, address.scheme)
    if database in _LATER:
        raise ConfigurationError(f"{address.scheme}:// comes with a later version of mini_orm; known now: {_known()}")
    packages = _PACKAGES.get(database)
    if packages is None:
        nearest = _nearest(address.scheme, [*_PACKAGES, *_ALIASES])
        raise ConfigurationError(f"no database has the scheme of this URL{nearest}; known: {_known()}")
    if address.package is not None and address.package not in packages:
        nearest = _nearest(address.package, packages)
        raise ConfigurationError(f"{database} has no package of this name{nearest}; known: {', '.join(packages)}")
    named = [address.package] if address.package else _PREFERRED[database, is_async]
    for name in named:
        try:
            return packages[name](address, is_async)
        except ImportError as exc:
            missing = exc
    message = f"{address.scheme}:// needs {' or '.join(named)}; {_INSTALL[named[0]]}"
    raise MissingDependencyError(message) from missing


def _known() -> str:
    return ", ".join(f"{scheme}://" for scheme in sorted([*_PACKAGES, *_ALIASES]))


def _nearest(name: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(names), n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def _numbers(options: dict[str, str], **kinds: Callable[[str], Any]) -> dict[str, Any]:
    """Return the options with those in `kinds` made what the package wants."""
    made: dict[str, Any] = dict(options)
    for name in options.keys() & kinds.keys():
        try:
            made[name] = kinds[name](options[name])
        except ValueError:
            raise ConfigurationError(f"the option {name} of a URL is a number") from None
    return made


def _number_or_none(text: str) -> int | None:
    return None if text.lower() == "none" else int(text)


# --- SQLite ---

#: Parameters of a file's URI. Source: https://www.sqlite.org/uri.html
_URI_PARAMETERS = ("cache", "immutable", "mode", "modeof", "nolock", "psow", "vfs")
_SQLITE_ARGUMENTS: dict[str, Callable[[str], Any]] = {"timeout": float, "cached_statements": int}


def _sqlite3(address: Address, is_async: bool) -> Opener:
    import sqlite3

    # A pool hands its connections from thread to thread; the async face runs them in worker threads, which is quicker
    # than aiosqlite: one hop an operation and not one a call.
    return _sqlite(address, sqlite3.connect, check_same_thread=False)


def _aiosqlite(address: Address, is_async: bool) -> Opener:
    _refuse_blocking(is_async, "aiosqlite")
    import aiosqlite

    return _sqlite(address, aiosqlite.connect)


def _sqlite(address: Address, connect: Callable[..., Any], **arguments: Any) -> Opener:
    if address.hosts or address.user or address.password:
        raise ConfigurationError(
            "SQLite has no host: a relative file is sqlite:///file.db, an absolute one sqlite:////path/file.db, and "
            "memory sqlite://"
        )
    for name in address.options:
        if name not in _URI_PARAMETERS and name not in _SQLITE_ARGUMENTS:
            known = (*_SQLITE_ARGUMENTS, *_URI_PARAMETERS)
            raise ConfigurationError(
                f"SQLite has no option of this name{_nearest(name, known)}; known: {', '.join(known)}"
            )
    path = address.database or ":memory:"
    uri = {name: value for name, value in address.options.items() if name in _URI_PARAMETERS}
    arguments |= _numbers(
        {name: value for name, value in address.options.items() if name not in uri}, **_SQLITE_ARGUMENTS
    )
    in_memory = path == ":memory:" or uri.get("mode") == "memory"
    if uri:
        arguments |= {"database": f"file:{quote(path)}?{urlencode(uri)}", "uri": True}
    else:
        arguments["database"] = path
    return Opener(connect, arguments, is_single=in_memory and uri.get("cache") != "shared")


# --- PostgreSQL ---

_ASYNCPG_NUMBERS: dict[str, Callable[[str], Any]] = {
    "command_timeout": float,
    "max_cacheable_statement_size": int,
    "max_cached_statement_lifetime": int,
    "statement_cache_size": int,
    "timeout": float,
}


def _psycopg(address: Address, is_async: bool) -> Opener:
    import psycopg

    connect = psycopg.AsyncConnection.connect if is_async else psycopg.connect
    return Opener(connect, _libpq(address) | _numbers(address.options, prepare_threshold=_number_or_none))


def _psycopg2(address: Address, is_async: bool) -> Opener:
    import psycopg2

    return Opener(psycopg2.connect, _libpq(address) | address.options)


def _libpq(address: Address) -> dict[str, Any]:
    """Write an address as libpq's parameters; what is left out, libpq finds in its own places."""
    given = {
        "host": ",".join(address.hosts),
        "port": ",".join(address.ports) if any(address.ports) else "",
        "user": address.user,
        "password": address.password,
        "dbname": address.database,
    }
    return {name: value for name, value in given.items() if value}


def _asyncpg(address: Address, is_async: bool) -> Opener:
    _refuse_blocking(is_async, "asyncpg")
    import asyncpg  # type: ignore[import-untyped]  # it has no py.typed

    given = {
        "host": list(address.hosts) if any(address.hosts) else None,
        "port": [int(port or 5432) for port in address.ports] if any(address.ports) else None,
        "user": address.user,
        "password": address.password,
        "database": address.database,
    }
    arguments = {name: value for name, value in given.items() if value}
    options = dict(address.options)
    if "connect_timeout" in options:  # libpq's word
        options["timeout"] = options.pop("connect_timeout")
    numbers = {name: options.pop(name) for name in _ASYNCPG_NUMBERS if name in options}
    arguments |= _numbers(numbers, **_ASYNCPG_NUMBERS)
    if options:  # asyncpg knows libpq's words in a DSN only, and takes others as settings of the session
        arguments["dsn"] = f"postgresql://?{urlencode(options, quote_via=quote)}"
    return Opener(asyncpg.connect, arguments)


def _refuse_blocking(is_async: bool, package: str) -> None:
    if not is_async:
        raise ConfigurationError(f"{package} connections are async; use AsyncDatabase.connect")


_ALIASES = {"postgres": "postgresql"}
_LATER = ("mysql", "mariadb")
_PACKAGES: dict[str, dict[str, Callable[[Address, bool], Opener]]] = {
    "sqlite": {"sqlite3": _sqlite3, "aiosqlite": _aiosqlite},
    "postgresql": {"psycopg": _psycopg, "psycopg2": _psycopg2, "asyncpg": _asyncpg},
}
#: Database and whether the face is async -> the packages for it, the best first.
_PREFERRED = {
    ("sqlite", False): ["sqlite3"],
    ("sqlite", True): ["sqlite3"],
    ("postgresql", False): ["psycopg", "psycopg2"],
    ("postgresql", True): ["asyncpg", "psycopg", "psycopg2"],
}
_INSTALL = {
    "sqlite3": "this Python was built without it",
    "aiosqlite": 'pip install "mini_orm[async]"',
    "psycopg": 'pip install "mini_orm[postgres]"',
    "psycopg2": "pip install psycopg2-binary",
    "asyncpg": 'pip install "mini_orm[async]"',
}
