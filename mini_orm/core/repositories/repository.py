"""The place to import `Repository` and `UnifiedRepository` from."""

from __future__ import annotations

from .hub import UnifiedRepository
from .model_repository import Repository

__all__ = ["Repository", "UnifiedRepository"]
