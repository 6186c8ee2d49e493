"""The place to import `AsyncRepository` and `AsyncUnifiedRepository` from."""

from __future__ import annotations

from .hub_async import AsyncUnifiedRepository
from .model_repository_async import AsyncRepository

__all__ = ["AsyncRepository", "AsyncUnifiedRepository"]
