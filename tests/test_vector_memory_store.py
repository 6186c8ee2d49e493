"""The vector contracts on the stores that need nothing else: those in memory, and a user's own."""

from __future__ import annotations

from tests.contracts.vector_stores import bind_vector_contracts
from tests.vector_backends import MEMORY_BACKENDS, OWN_BACKENDS

bind_vector_contracts(globals(), MEMORY_BACKENDS + OWN_BACKENDS)
