"""Filters and order over relations, on every backend."""

from __future__ import annotations

from tests.backends import bind_all
from tests.contracts.query_paths import PathContract
from tests.contracts.query_related import PathErrorContract, RelatedContract

bind_all(globals(), PathContract, RelatedContract, PathErrorContract)
