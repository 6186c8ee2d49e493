"""`get_or_create`: the contract of `tests/contracts/get_or_create.py` on every backend."""

from __future__ import annotations

from tests.backends import bind_all
from tests.contracts.get_or_create import GetOrCreateContract

bind_all(globals(), GetOrCreateContract)
