"""What the application takes and gives: dataclasses, too, which FastAPI reads and writes as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mini_orm import RelatedResult

from .models import Article


@dataclass
class ArticleText:
    title: str
    text: str


@dataclass
class NewArticle(ArticleText):
    slug: str
    author: str
    language: str = "en"


@dataclass
class ShownArticle:
    slug: str
    title: str
    text: str
    language: str
    author: str
    written_at: datetime


@dataclass
class Page:
    items: list[ShownArticle]
    next: int | None
    """What the next page is asked for with, as `before`; null on the last one."""


@dataclass
class Hit:
    score: float
    article: ShownArticle


def shown(found: RelatedResult[Article]) -> ShownArticle:
    """Show an article that was loaded with its author."""
    article, author = found.obj, found.relations["author"]
    return ShownArticle(article.slug, article.title, article.text, article.language, author.name, article.written_at)
