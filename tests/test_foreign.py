"""Tables of other programs and versions, on every backend."""

from __future__ import annotations

from tests.backends import bind_all
from tests.contracts.foreign import ForeignContract

bind_all(globals(), ForeignContract)
