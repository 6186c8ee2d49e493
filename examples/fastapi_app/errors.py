"""Which answer an error of mini_orm is. No handler of a path catches them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from mini_orm import (
    CodecError,
    DeadlockDetected,
    LockTimeout,
    QueryError,
    SerializationFailure,
    UniqueViolation,
    ValidationError,
)

#: Fields that a request calls by another name than their model does.
NAMES = {("Author", "name"): "author"}


def add_handlers(app: FastAPI) -> None:
    """Answer for the whole application."""
    app.add_exception_handler(ValidationError, invalid)
    app.add_exception_handler(CodecError, unstorable)
    app.add_exception_handler(QueryError, unanswerable)
    app.add_exception_handler(UniqueViolation, taken)
    for error in (LockTimeout, DeadlockDetected, SerializationFailure):
        app.add_exception_handler(error, busy)


def problem(place: str, model: str, field: str | None, rule: str, message: str) -> dict[str, Any]:
    """Write one thing that is wrong as FastAPI itself does."""
    name = NAMES.get((model, field or ""), field)
    return {"loc": [place] if name is None else [place, name], "msg": message, "type": rule}


async def invalid(request: Request, error: Any) -> JSONResponse:
    """422: an object breaks the rules of its model; every broken one is told."""
    return JSONResponse({"detail": [problem("body", error.model, *failure) for failure in error.errors]}, 422)


async def unstorable(request: Request, error: Any) -> JSONResponse:
    """422: a value that its column can't hold, such as a text with a NUL."""
    return JSONResponse({"detail": [problem("body", error.model, error.field, "value", str(error))]}, 422)


async def unanswerable(request: Request, error: Any) -> JSONResponse:
    """422: a filter with such a value. Any other query that can't be meant is a mistake of the application's own."""
    cause = error.__cause__
    if not isinstance(cause, CodecError):
        raise error
    return JSONResponse({"detail": [problem("query", cause.model or "", cause.field, "value", str(error))]}, 422)


async def taken(request: Request, error: Any) -> JSONResponse:
    """409: another row has the value of a key or a unique column. Which one, not every database says in `.columns`."""
    return JSONResponse({"detail": "what has to be unique is taken already"}, 409)


async def busy(request: Request, error: Any) -> JSONResponse:
    """503: another transaction was in the way; nothing was changed."""
    return JSONResponse({"detail": "busy, try again"}, 503, {"Retry-After": "1"})
