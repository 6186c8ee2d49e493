"""The hub: the contracts on every backend."""

from __future__ import annotations

from tests.backends import bind_all
from tests.contracts.hub import HubContract, HubFlagsContract, HubFormsContract

bind_all(globals(), HubContract, HubFlagsContract, HubFormsContract)
