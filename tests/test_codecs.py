"""Codecs on every backend: Enum and JSON."""

from __future__ import annotations

from tests.backends import bind_all
from tests.contracts.codecs import CodecChoiceContract, EnumContract, JsonContract

bind_all(globals(), EnumContract, JsonContract, CodecChoiceContract)
