"""Types on every backend: every type but Enum and JSON, which stand in test_codecs.py."""

from __future__ import annotations

from tests.backends import bind_all
from tests.contracts.types import TypesContract
from tests.contracts.types_decimal import DecimalContract

bind_all(globals(), TypesContract, DecimalContract)
