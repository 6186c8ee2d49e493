"""Dataclasses that check themselves: types and rules of their fields, without a database."""

from __future__ import annotations

from .model import ValidatedModel, prepare, validate, without_checks

__all__ = ["ValidatedModel", "prepare", "validate", "without_checks"]
