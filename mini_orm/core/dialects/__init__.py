"""How each database spells SQL."""

from __future__ import annotations

from .base import Dialect
from .mysql import MySQLDialect
from .postgres import PostgresDialect
from .sqlite import SQLiteDialect

__all__ = ["Dialect", "MySQLDialect", "PostgresDialect", "SQLiteDialect"]
