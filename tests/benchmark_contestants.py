"""Contestants of the benchmark that go wrong. Workers import them by the name of this module."""

from __future__ import annotations

import dataclasses

from benchmarks.contestants.sqlite_raw import RawSqlite3
from benchmarks.models import User


class WrongCount(RawSqlite3):
    """Counts one too many."""

    def count(self, age: int) -> int:
        return super().count(age) + 1


class ForgetsAColumn(RawSqlite3):
    """Updates all columns but one, and says the right number of rows."""

    def update(self, user: User) -> int:
        stored = self.get(user.id or 0)
        return super().update(user if stored is None else dataclasses.replace(user, email=stored.email))


class Fails(RawSqlite3):
    """Can't count."""

    def count(self, age: int) -> int:
        raise ValueError("not today")


def not_installed(address: str) -> None:
    """Stand for a contestant whose package is not here."""
    import no_such_package  # type: ignore[import-not-found]  # noqa: F401
