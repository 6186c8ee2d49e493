"""Hostile data on every backend."""

from __future__ import annotations

from tests.backends import bind_all
from tests.contracts.hostile import HostileNameContract, HostileSchemaContract, HostileValueContract

bind_all(globals(), HostileValueContract, HostileNameContract, HostileSchemaContract)
