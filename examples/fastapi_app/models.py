"""What is stored. The rules stand here and nowhere else: an object that breaks one is never written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mini_orm import ValidatedModel


@dataclass
class Author(ValidatedModel):
    name: str = field(metadata={"non_empty": True, "max_length": 80, "max_len": 80, "unique_index": True})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Article(ValidatedModel):
    slug: str = field(
        metadata={"pattern": "[a-z0-9]+(-[a-z0-9]+)*", "max_length": 80, "max_len": 80, "unique_index": True}
    )
    title: str = field(metadata={"non_empty": True, "max_len": 200})
    text: str
    language: str = field(metadata={"pattern": "[a-z]{2}"})
    author_id: int = field(metadata={"fk": (Author, "id"), "index": True})
    written_at: datetime = field(metadata={"timezone": True})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})
