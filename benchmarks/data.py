"""Made-up rows: the same number gives the same row, in every process."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from .models import Author, Contact, Member, Post, Status, User

_NAMES = ("Ada Lovelace", "Grace Hopper", "Zoë Keating", "Alan Turing", "Søren Kierkegaard", "Mary Somerville")
_CITIES = ("Lyon", "Osaka", "Málaga", "Leeds", "Porto")
_STATUSES = tuple(Status)
_EPOCH = datetime(2024, 1, 1)
LOWEST_AGE, HIGHEST_AGE = 18, 87
POSTS_EACH = 10


def _scattered(number: int) -> int:
    """Return another number of 32 bits, as different as can be for neighbours; no two are the same."""
    return number * 2654435761 % 2**32


def email(number: int) -> str:
    """Return the address of a row, whose order says nothing of the number's."""
    return f"{_scattered(number):08x}@example.com"


def _plain(number: int) -> tuple[str, str, int, float]:
    some = _scattered(number)
    age = LOWEST_AGE + some % (HIGHEST_AGE - LOWEST_AGE + 1)
    return _NAMES[some % len(_NAMES)], email(number), age, some % 100_000 / 1000


def _rich(number: int) -> tuple[bool, datetime, Status, dict[str, Any]]:
    some = _scattered(number)
    created = _EPOCH + timedelta(seconds=some % 31_536_000, microseconds=some % 1_000_000)
    payload = {"city": _CITIES[some % len(_CITIES)], "newsletter": some % 3 == 0, "tags": ["new", f"t{some % 50}"]}
    return some % 5 != 0, created, _STATUSES[some // 7 % len(_STATUSES)], payload | {"visits": some % 1000}


def user(number: int, key: int | None = None) -> User:
    """Make a user, without a key unless one is given."""
    return User(*_plain(number), *_rich(number), key)


def contact(number: int) -> Contact:
    """Make a contact without a key."""
    return Contact(*_plain(number))


def member(number: int) -> Member:
    """Make a member, whose key is the number."""
    return Member(number, *_plain(number), *_rich(number))


def author(number: int) -> Author:
    """Make an author without a key."""
    return Author(_NAMES[_scattered(number) % len(_NAMES)], email(number))


def post(number: int) -> Post:
    """Make a post without a key, of the author who is next when each one before has written all of theirs."""
    some = _scattered(number)
    return Post((number - 1) // POSTS_EACH + 1, f"{_CITIES[some % len(_CITIES)]} {some}", some % 1000)
