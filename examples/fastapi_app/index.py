"""The index that finds articles by what they say."""

from __future__ import annotations

import zlib

from mini_orm import (
    AsyncDatabase,
    AsyncRepository,
    AsyncVectorRepository,
    InMemoryVectorStore,
    PgVectorStore,
    PostgresDialect,
    VectorRecord,
)

from .models import Article

DIMENSION = 256


def embedding(text: str) -> list[float]:
    """Turn text into a vector: texts that share words, or parts of words, are near each other.

    It stands for a real model, which would be asked in a thread: `await asyncio.to_thread(model.encode, text)`.
    """
    vector = [0.0] * DIMENSION
    for word in text.lower().split():
        padded = f" {word} "
        for start in range(len(padded) - 2):
            vector[zlib.crc32(padded[start : start + 3].encode()) % DIMENSION] += 1
    return vector


def record(article: Article) -> VectorRecord:
    """Make the record of an article: its id leads back to the row, its payload is what a search can be filtered by."""
    return VectorRecord(str(article.id), embedding(f"{article.title} {article.text}"), {"language": article.language})


async def open_index(db: AsyncDatabase) -> AsyncVectorRepository:
    """Return the index: in PostgreSQL beside the rows, else in this process, made of the rows that are there."""
    if isinstance(db.dialect, PostgresDialect):
        # It works in the transaction that is open around a call, so that row and vector are one commit.
        return AsyncVectorRepository(PgVectorStore(db), "article_vectors", dimension=DIMENSION)
    index = AsyncVectorRepository(InMemoryVectorStore(), "article_vectors", dimension=DIMENSION)
    await index.upsert([record(article) async for article in AsyncRepository(db, Article).iterate()])
    return index
