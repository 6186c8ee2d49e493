"""A server that goes down, on every driver."""

from __future__ import annotations

from tests.backends import POSTGRES_BACKENDS, bind_all
from tests.contracts.lost_servers import FrozenServerContract, LostServerContract, LostSessionContract

bind_all(
    globals(),
    FrozenServerContract,
    LostServerContract,
    LostSessionContract,
    backends=POSTGRES_BACKENDS,
)
