"""Sharing a connection, on every backend."""

from __future__ import annotations

from tests.backends import bind_all
from tests.contracts.sharing import (
    BlockingSharingContract,
    OverlapContract,
    SharingContract,
    TaskSharingContract,
)

bind_all(globals(), SharingContract, OverlapContract, BlockingSharingContract, TaskSharingContract)
