"""CRUD: the contracts of `tests/contracts/crud.py` on every backend."""

from __future__ import annotations

from tests.backends import bind_all
from tests.contracts.crud import AtomicContract, DeleteContract, GetContract, InsertContract, UpdateContract

bind_all(globals(), InsertContract, GetContract, UpdateContract, DeleteContract, AtomicContract)
