"""How each database spells SQL: one file for each, imported by who speaks it."""

from __future__ import annotations

from .base import Dialect

__all__ = ["Dialect"]
