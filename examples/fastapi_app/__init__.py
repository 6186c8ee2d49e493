"""A FastAPI application over mini_orm: articles, their authors, and a search by meaning. See README.md beside it."""
