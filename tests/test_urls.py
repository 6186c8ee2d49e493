"""Databases by URL: the contracts on both faces, and how a URL is read."""

from __future__ import annotations

import unittest
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from mini_orm import ConfigurationError
from mini_orm.core.drivers.addresses import Address, read_url
from tests.backends import Aiosqlite, SyncSqlite3, bind_all
from tests.contracts.urls import PostgresUrlContract, SqliteUrlContract
from tests.contracts.urls_mysql import MySQLUrlContract

bind_all(globals(), SqliteUrlContract, PostgresUrlContract, MySQLUrlContract, backends=(SyncSqlite3, Aiosqlite))

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


class ReadUrl(unittest.TestCase):
    """X10: what stands where in a URL."""

    def test_parts(self) -> None:
        """X10: each part in its place; what is left out is empty."""
        for url, expected in (
            ("sqlite://", Address("sqlite")),
            ("sqlite:///a/b.db", Address("sqlite", database="a/b.db")),
            ("sqlite:////a/b.db", Address("sqlite", database="/a/b.db")),
            ("postgresql://", Address("postgresql")),
            ("PostgreSQL+AsyncPG://h", Address("postgresql", "asyncpg", hosts=("h",), ports=("",))),
            ("postgres://u@h", Address("postgres", user="u", hosts=("h",), ports=("",))),
            ("pg://u:p@h:1/d", Address("pg", None, "u", "p", ("h",), ("1",), "d")),
            ("pg://:p@/d", Address("pg", password="p", database="d")),
            ("pg://[::1]:5/d", Address("pg", hosts=("::1",), ports=("5",), database="d")),
            ("pg://[fe80::1%25eth0]", Address("pg", hosts=("fe80::1%eth0",), ports=("",))),
            ("pg://a:1,[::2],c/d", Address("pg", hosts=("a", "::2", "c"), ports=("1", "", ""), database="d")),
            ("pg://%2Frun%2Fpg/d", Address("pg", hosts=("/run/pg",), ports=("",), database="d")),
            ("pg://u@/d?host=/run/pg", Address("pg", user="u", hosts=("/run/pg",), database="d")),
            ("pg://?host=a,b&port=1,2", Address("pg", hosts=("a", "b"), ports=("1", "2"))),
            ("pg://?user=u&password=p&dbname=d", Address("pg", None, "u", "p", database="d")),
            (
                "pg://h/d?a=1&b=x%20y&c=",
                Address("pg", hosts=("h",), ports=("",), database="d", options={"a": "1", "b": "x y", "c": ""}),
            ),
        ):
            with self.subTest(url=url):
                self.assertEqual(read_url(url), expected)

    def test_unreadable(self) -> None:
        """X10: what is no URL, or could be read in two ways, is refused, and no part of it is quoted."""
        for url in (
            "",
            "secret",
            "secret.db",
            "://secret",
            "sqlite:secret",
            "sqlite:/secret.db",
            "pg://u:sec/ret@h/d",
            "pg://u:sec#ret@h/d",
            "pg://u:sec?ret@h/d",
            "pg://u:sec?a=ret@h/d",
            "pg://h/d#secret",
            "pg://u:secret@h:port/d",
            "pg://u:secret@h:99999/d",
            "pg://u:secret@h:²/d",
            "pg://u:secret@h/d?port=x",
            "pg://u:secret@[::1/d",
            "pg://u:secret@h/d?novalue",
            "pg://u:secret@h/d?=x",
            "pg://u:secret%FF@h/d",
        ):
            with self.subTest(url=url):
                with self.assertRaises(ConfigurationError) as caught:
                    read_url(url)
                for part in ("secret", "sec/", "ret@"):
                    self.assertNotIn(part, str(caught.exception))
                self.assertIsNone(caught.exception.__cause__)
        for wrong in (None, 5, b"sqlite://"):
            with self.assertRaises(ConfigurationError):
                read_url(wrong)  # type: ignore[arg-type]  # the mistake under test

    @settings(max_examples=200)
    @given(TEXT, TEXT, TEXT, TEXT, TEXT)
    def test_whatever_is_percent_encoded(self, user: str, password: str, host: str, database: str, option: str) -> None:
        """X10: any text comes back as it was, in every place; the password is in no repr and no label."""
        parts = [quote(part, safe="") for part in (user, password, host, database, option)]
        address = read_url("pg://{}:{}@{}:7/{}?o={}".format(*parts))
        expected = Address("pg", None, user, password, (host,), ("7",), database, {"o": option})
        self.assertEqual(address, expected)

    def test_what_is_shown(self) -> None:
        """X10: scheme, host and database; the repr has no password."""
        address = read_url("pg+x://me:secret@[::1]:7,b/d?o=secret")
        self.assertEqual(address.label, "pg://[::1],b/d")
        self.assertNotIn("secret", repr(address))
