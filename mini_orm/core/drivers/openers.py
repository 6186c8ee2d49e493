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
from .addresses import Address, read_url


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
    advised = named[0] if address.package else _ADVISED.get((database, is_async), named[0])
    message = f"{address.scheme}:// needs {' or '.join(named)}; {_INSTALL[advised]}"
    raise MissingDependencyError(message) from missing


def local_file(url: str) -> str | None:
    """Return the file that a URL's database is, which opening it would make; `None` where it is another kind.

    Raises:
        ConfigurationError: the URL can't be read.
    """
    address = read_url(url)
    is_file = _ALIASES.get(address.scheme, address.scheme) in _FILES
    return address.database if is_file and address.database not in ("", ":memory:") else None


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


# --- MySQL and MariaDB ---

_Options = dict[str, Callable[[str], Any]]
_TLS = ("ssl_mode", "ssl_ca", "ssl_cert", "ssl_key")
#: How sure a connection is to be, in MySQL's words.
#: Source: https://dev.mysql.com/doc/refman/8.4/en/connection-options.html#option_general_ssl-mode
_TLS_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
#: What all packages take, and what some of them do.
_MYSQL_OPTIONS: _Options = {
    **dict.fromkeys(("charset", "init_command", "read_default_file", "read_default_group", "sql_mode"), str),
    **dict.fromkeys(("connect_timeout", "read_timeout", "local_infile"), int),
}
_PYMYSQL_OPTIONS: _Options = {
    **_MYSQL_OPTIONS,
    "bind_address": str,
    "collation": str,
    "program_name": str,
    "write_timeout": int,
}
_MYSQLCLIENT_OPTIONS: _Options = {
    **_MYSQL_OPTIONS,
    "auth_plugin": str,
    "collation": str,
    "compress": int,
    "write_timeout": int,
}
_ASYNCMY_OPTIONS: _Options = {**_MYSQL_OPTIONS, "program_name": str}


def _pymysql(address: Address, is_async: bool) -> Opener:
    import pymysql  # type: ignore[import-untyped]  # it has no py.typed
    from pymysql.constants import CLIENT  # type: ignore[import-untyped]  # as above

    mode, files = _tls(address)
    arguments = _mysql(address, CLIENT.FOUND_ROWS, _PYMYSQL_OPTIONS)
    if mode == "DISABLED":
        arguments["ssl_disabled"] = True
    elif mode != "PREFERRED":  # which is what PyMySQL does by itself
        arguments["ssl"] = _tls_context(mode, files)
    return Opener(pymysql.connect, arguments)


def _mysqlclient(address: Address, is_async: bool) -> Opener:
    import MySQLdb
    from MySQLdb.constants import CLIENT

    from .mysqlclient import EncryptedConnection

    mode, files = _tls(address)
    arguments = _mysql(address, CLIENT.FOUND_ROWS, _MYSQLCLIENT_OPTIONS) | {"ssl_mode": mode, "multi_statements": False}
    if files:
        arguments["ssl"] = files
    if arguments.get("host", "localhost") == "localhost" and "unix_socket" not in arguments:
        arguments["host"] = "127.0.0.1"  # the client's library would take its own socket, whatever the port
    return Opener(EncryptedConnection if mode == "REQUIRED" else MySQLdb.connect, arguments)


def _asyncmy(address: Address, is_async: bool) -> Opener:
    _refuse_blocking(is_async, "asyncmy")
    import asyncmy
    from asyncmy.constants import CLIENT

    mode, files = _tls(address)
    arguments = _mysql(address, CLIENT.FOUND_ROWS, _ASYNCMY_OPTIONS)
    if mode not in ("DISABLED", "PREFERRED"):  # it can't prefer TLS: it takes it, or does not
        arguments["ssl"] = _tls_context(mode, files)
    return Opener(asyncmy.connect, arguments)


def _mysql(address: Address, found_rows: int, known: _Options) -> dict[str, Any]:
    """Write an address as the packages' arguments. An UPDATE counts the rows that it matched."""
    if len(address.hosts) > 1:
        raise ConfigurationError("a URL of MySQL or MariaDB has one host")
    options = {name: value for name, value in address.options.items() if name not in _TLS}
    host, socket = "".join(address.hosts), options.pop("unix_socket", "")
    for name in options.keys() - known.keys():
        names = [*known, *_TLS, "unix_socket"]
        raise ConfigurationError(f"there is no option of this name{_nearest(name, names)}; known: {', '.join(names)}")
    given = {
        "host": "" if host.startswith("/") else host,
        "unix_socket": socket or (host if host.startswith("/") else ""),
        "port": int("".join(address.ports) or 0),
        "user": address.user,
        "password": address.password,
        "database": address.database,
    }
    fixed = {"charset": "utf8mb4", "autocommit": True, "client_flag": found_rows}
    return fixed | {name: value for name, value in given.items() if value} | _numbers(options, **known)


def _tls(address: Address) -> tuple[str, dict[str, str]]:
    """Read what a URL says of TLS: the mode, and the files. Who names an authority wants it to be asked."""
    files = {name: address.options[f"ssl_{name}"] for name in ("ca", "cert", "key") if f"ssl_{name}" in address.options}
    usual = "VERIFY_CA" if "ca" in files else "REQUIRED" if files else "PREFERRED"
    mode = address.options.get("ssl_mode", usual).upper()
    if mode not in _TLS_MODES:
        raise ConfigurationError(f"ssl_mode of a URL is one of {', '.join(_TLS_MODES)}")
    return mode, files


def _tls_context(mode: str, files: dict[str, str]) -> Any:
    import ssl

    try:
        context = ssl.create_default_context(cafile=files.get("ca"))
        if "cert" in files:
            context.load_cert_chain(files["cert"], files.get("key"))
    except OSError as exc:  # ssl.SSLError, too
        raise ConfigurationError("a file that ssl_ca, ssl_cert or ssl_key of this URL names can't be read") from exc
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # certificates that a server has made itself would not pass
    context.check_hostname = mode == "VERIFY_IDENTITY"
    context.verify_mode = ssl.CERT_REQUIRED if mode.startswith("VERIFY") else ssl.CERT_NONE
    return context


_ALIASES = {"postgres": "postgresql", "mariadb": "mysql"}
#: Databases that are files.
_FILES = ("sqlite",)
_PACKAGES: dict[str, dict[str, Callable[[Address, bool], Opener]]] = {
    "sqlite": {"sqlite3": _sqlite3, "aiosqlite": _aiosqlite},
    "postgresql": {"psycopg": _psycopg, "psycopg2": _psycopg2, "asyncpg": _asyncpg},
    "mysql": {"pymysql": _pymysql, "mysqlclient": _mysqlclient, "mysqldb": _mysqlclient, "asyncmy": _asyncmy},
}
#: Database and whether the face is async -> the packages for it, the best first.
_PREFERRED = {
    ("sqlite", False): ["sqlite3"],
    ("sqlite", True): ["sqlite3"],
    ("postgresql", False): ["psycopg", "psycopg2"],
    ("postgresql", True): ["asyncpg", "psycopg", "psycopg2"],
    ("mysql", False): ["mysqlclient", "pymysql"],
    ("mysql", True): ["asyncmy", "mysqlclient", "pymysql"],
}
#: The package to install where it is another one than the best.
_ADVISED = {("mysql", False): "pymysql"}  # mysqlclient needs a compiler
_INSTALL = {
    "sqlite3": "this Python was built without it",
    "aiosqlite": 'pip install "mini_orm[async]"',
    "psycopg": 'pip install "mini_orm[postgres]"',
    "psycopg2": "pip install psycopg2-binary",
    "asyncpg": 'pip install "mini_orm[async]"',
    "pymysql": 'pip install "mini_orm[mysql]"',
    "mysqlclient": 'pip install "mini_orm[mysqlclient]"',
    "mysqldb": 'pip install "mini_orm[mysqlclient]"',
    "asyncmy": 'pip install "mini_orm[async]"',
}
