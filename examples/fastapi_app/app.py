"""The application: a database and an index for its lifetime, a session for each request."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response

from mini_orm import AsyncDatabase, AsyncSession, AsyncVectorRepository, C, RelatedResult, apply_schema_async

from .errors import add_handlers
from .index import embedding, open_index, record
from .models import Article, Author
from .schemas import ArticleText, Hit, NewArticle, Page, ShownArticle, shown

DEFAULT_URL = "sqlite:///articles.sqlite3"
router = APIRouter()


def create_app(url: str | None = None) -> FastAPI:
    """Make an application on the database of `url`, by default that of the variable DATABASE_URL."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await AsyncDatabase.connect(url or os.environ.get("DATABASE_URL", DEFAULT_URL)) as db:
            await apply_schema_async(db, [Author, Article], if_not_exists=True)
            app.state.db, app.state.index = db, await open_index(db)
            yield

    app = FastAPI(title="Articles", lifespan=lifespan)
    app.include_router(router)
    add_handlers(app)
    return app


async def session_of(request: Request) -> AsyncSession:
    """Give a request its session. It has a connection only while it works, so that there is nothing to close."""
    return AsyncSession(request.app.state.db)


async def index_of(request: Request) -> AsyncVectorRepository:
    index: AsyncVectorRepository = request.app.state.index
    return index


Session = Annotated[AsyncSession, Depends(session_of)]
Index = Annotated[AsyncVectorRepository, Depends(index_of)]
Limit = Annotated[int, Query(ge=1, le=100)]


async def article_of(session: AsyncSession, slug: str) -> RelatedResult[Article]:
    """Return an article with its author; 404 where there is none."""
    found = await session.list_related(Article, include="author", where=C.eq("slug", slug))
    if not found:
        raise HTTPException(404, "no such article")
    return found[0]


@router.post("/articles", status_code=201)
async def create_article(new: NewArticle, session: Session, index: Index, response: Response) -> ShownArticle:
    """Store an article, and its author where that is a new one: all of it or nothing."""
    async with session.begin():
        author, _ = await session.get_or_create(Author, lookup={"name": new.author})
        assert author.id is not None
        article = Article(new.slug, new.title, new.text, new.language, author.id, datetime.now(UTC))
        await session.insert(article)
        # Last: an index in memory knows no rollback. Whatever fails above has left it alone.
        await index.upsert([record(article)])
    response.headers["Location"] = f"/articles/{article.slug}"
    return shown(RelatedResult(article, {"author": author}))


@router.get("/articles")
async def list_articles(
    session: Session,
    limit: Limit = 20,
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    author: str | None = None,
) -> Page:
    """List the newest articles first. Pages go by the key: they stay quick, and nothing is skipped or seen twice."""
    where = []
    if before is not None:
        where.append(C.lt("id", before))
    if author is not None:
        where.append(C.eq("author.name", author))
    # One more than is shown tells whether there is another page.
    found = await session.list_related(Article, include="author", where=where, order_by="-id", limit=limit + 1)
    page = found[:limit]
    return Page([shown(one) for one in page], page[-1].obj.id if len(found) > limit else None)


@router.get("/articles/{slug}")
async def get_article(slug: str, session: Session) -> ShownArticle:
    return shown(await article_of(session, slug))


@router.put("/articles/{slug}")
async def change_article(slug: str, new: ArticleText, session: Session, index: Index) -> ShownArticle:
    async with session.begin():
        found = await article_of(session, slug)
        found.obj.title, found.obj.text = new.title, new.text
        if not await session.update(found.obj):
            raise HTTPException(404, "no such article")  # deleted since it was read
        await index.upsert([record(found.obj)])
    return shown(found)


@router.delete("/articles/{slug}", status_code=204)
async def delete_article(slug: str, session: Session, index: Index) -> None:
    async with session.begin():
        found = await article_of(session, slug)
        await session.delete(found.obj)
        await index.delete([str(found.obj.id)])


@router.get("/search")
async def search(
    q: Annotated[str, Query(max_length=200, pattern=r"\S")],
    session: Session,
    index: Index,
    limit: Limit = 10,
    language: Annotated[str | None, Query(pattern="^[a-z]{2}$")] = None,
) -> list[Hit]:
    """Find the articles nearest to a question, best first."""
    filters = None if language is None else {"language": language}
    results = await index.query(embedding(q), top_k=limit, filters=filters)
    ids = [int(result.id) for result in results]
    rows = {one.obj.id: one for one in await session.list_related(Article, include="author", where=C.in_("id", ids))}
    # A row may have been deleted between the two.
    return [Hit(result.score, shown(rows[key])) for key, result in zip(ids, results, strict=True) if key in rows]


app = create_app()
