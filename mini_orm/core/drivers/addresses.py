"""Where a database is, read from a URL: `scheme+package://user:password@host:port/database?option=value`.

Rules of this file:
- No message quotes a part of the URL, as it may be a part of a password that was not percent-encoded.
- A URL that can be read in two ways is refused: `/`, `?`, `#` and `@` stand for themselves only as `%2F` and so on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from ...errors import ConfigurationError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9]*)(?:\+([A-Za-z0-9_]+))?://(.*)", re.DOTALL)
_SERVER = re.compile(r"(?:\[([0-9A-Fa-f:.]+(?:%[^\[\]]*)?)\]|([^:\[\]]*))(?::([0-9]{0,5}))?")
_EXAMPLES = "sqlite:///file.db or postgresql://user:password@host:5432/name"
_ENCODE = "in user, password and names write /, ?, #, @ and : as %2F, %3F, %23, %40 and %3A"


@dataclass(frozen=True, slots=True)
class Address:
    """What a URL says, decoded; what it leaves out is empty. There may be several hosts, each with its port."""

    scheme: str
    package: str | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    hosts: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    database: str = ""
    options: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def label(self) -> str:
        """Scheme, host and database: what may be shown to anybody."""
        hosts = ",".join(f"[{host}]" if ":" in host else host for host in self.hosts)
        return f"{self.scheme}://{hosts}/{self.database}"


def read_url(url: str) -> Address:
    """Read a URL.

    Raises:
        ConfigurationError: it is none, or can't be read in one way only.
    """
    found = _URL.fullmatch(url) if isinstance(url, str) else None
    if found is None:
        raise ConfigurationError(f"a database's URL looks like {_EXAMPLES}")
    scheme, package, rest = found.groups()
    place, _, query = rest.partition("?")
    netloc, _, path = place.partition("/")
    if "#" in rest or (netloc and "@" in path + query):
        raise ConfigurationError(f"this URL can be read in several ways; {_ENCODE}")
    login, _, servers = netloc.rpartition("@")
    user, _, password = login.partition(":")
    hosts, ports = _servers(servers)
    options = _options(query)
    # What can't stand in its own place stands among the options, as a socket's directory does: ?host=/run/postgresql
    named = {name: options.pop(name, "") for name in ("host", "port", "user", "password", "dbname")}
    return Address(
        scheme=scheme.lower(),
        package=package and package.lower(),
        user=_decoded(user) or named["user"],
        password=_decoded(password) or named["password"],
        hosts=hosts if any(hosts) or not named["host"] else tuple(named["host"].split(",")),
        ports=ports if any(ports) or not named["port"] else tuple(map(_port, named["port"].split(","))),
        database=_decoded(path) or named["dbname"],
        options=options,
    )


def _servers(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read `host:port,host:port`."""
    hosts, ports = [], []
    for part in text.split(",") if text else ():
        found = _SERVER.fullmatch(part)
        if found is None:
            raise ConfigurationError(f"the host or port of this URL can't be read; {_ENCODE}, and IPv6 as [::1]")
        hosts.append(_decoded(found[1] or found[2]))
        ports.append(_port(found[3] or ""))
    return tuple(hosts), tuple(ports)


def _port(text: str) -> str:
    if text and not (text.isdecimal() and text.isascii() and int(text) <= 65535):
        raise ConfigurationError("a port is a number of at most 65535")
    return text


def _options(query: str) -> dict[str, str]:
    """Read `name=value&name=value`."""
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, equals, value = part.partition("=")
        if not name or not equals:
            raise ConfigurationError(f"the options of a URL are name=value, joined by &; {_ENCODE}")
        options[_decoded(name)] = _decoded(value)
    return options


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ConfigurationError("what is percent-encoded in this URL is not UTF-8") from None
