"""How each Python package connects and runs: one file for each, found by the class of a connection."""

from __future__ import annotations

from .base import Driver, Result, driver_of, driver_of_connect, driver_of_error, is_connection

__all__ = ["Driver", "Result", "driver_of", "driver_of_connect", "driver_of_error", "is_connection"]
