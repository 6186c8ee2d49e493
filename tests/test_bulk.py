"""Bulk inserts: the contract of `tests/contracts/bulk.py` on every backend."""

from __future__ import annotations

from tests.backends import bind_all
from tests.contracts.bulk import InsertManyContract

bind_all(globals(), InsertManyContract)
