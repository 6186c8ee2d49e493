"""Objects that belong to each other: created together, and loaded together, by name.

Relations are read from foreign keys; nothing has to be declared. Nothing is loaded that was not asked for, and what is
asked for takes one query for each relation, however many rows there are.

It prints:

    Author has: posts
    Post has: author, comments
    stored: 1 author, 3 posts, 2 comments
    Iris, 'Moss' belongs to author 1
    Moss: nice, more please
    Fern: no comments
    Dust: no comments
    in 3 queries
    Moss by Iris
    Fern by Iris
    Dust by Iris
    Moths by nobody
    Iris is one object: True
    Replies to the first comment: me too, thanks
    the name is taken: no author was stored, and no post
    gone with the author: 3 posts, 4 comments
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mini_orm import Database, OrderBy, UnifiedRepository, UniqueViolation, model_relations


@dataclass
class Author:
    name: str = field(metadata={"unique_index": True})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Post:
    title: str
    author_id: int | None = field(default=None, metadata={"fk": (Author, "id"), "on_delete": "cascade", "index": True})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Comment:
    text: str
    post_id: int | None = field(default=None, metadata={"fk": (Post, "id"), "on_delete": "cascade", "index": True})
    reply_to: int | None = field(default=None, metadata={"fk": "comment.id", "on_delete": "cascade"})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})

    # A model can't name itself in its own foreign key, so what refers to itself is declared.
    __relations__: ClassVar[dict[str, Any]] = {
        "answered": {"model": "Comment", "local_key": "reply_to", "remote_key": "id"},
        "replies": {"model": "Comment", "local_key": "id", "remote_key": "reply_to", "type": "has_many"},
    }


for model in (Author, Post):
    print(f"{model.__name__} has:", ", ".join(model_relations(model)))

db = Database(sqlite3.connect(":memory:"))
hub = UnifiedRepository(db, auto_schema=True)
hub.register_many([Author, Post, Comment])

# One transaction: the author, the posts with the author's key, the comments with the first post's key.
moss = Post("Moss")
iris = hub.create(
    Author("Iris"),
    relations={"posts": [(moss, {"comments": [Comment("nice"), Comment("more please")]}), Post("Fern"), Post("Dust")]},
)
print(f"stored: {hub.count(Author)} author, {hub.count(Post)} posts, {hub.count(Comment)} comments")
print(f"{iris.name}, {moss.title!r} belongs to author {moss.author_id}")

queries: list[str] = []
db.conn.set_trace_callback(queries.append)
found = hub.get_related(Author, iris.id, include="posts.comments")
assert found is not None
for post in found.relations["posts"]:
    print(f"{post.obj.title}:", ", ".join(comment.text for comment in post.relations["comments"]) or "no comments")
print("in", len(queries), "queries")
db.conn.set_trace_callback(None)

hub.insert(Post("Moths"))
results = hub.list_related(Post, include=["author"], order_by=OrderBy("id"))
for result in results:
    author = result.relations["author"]
    print(result.obj.title, "by", author.name if author else "nobody")
print("Iris is one object:", results[0].relations["author"] is results[1].relations["author"])

# An object whose key is set is there already: it is linked, and not inserted again.
first = hub.list(Comment, order_by="id", limit=1)[0]
for text in ("me too", "thanks"):
    hub.create(Comment(text, post_id=moss.id), relations={"answered": first})
thread = hub.get_related(Comment, first.id, include="replies")
assert thread is not None
print("Replies to the first comment:", ", ".join(reply.text for reply in thread.relations["replies"]))

# All or nothing.
before = hub.count(Post), hub.count(Comment)
try:
    hub.create(Author("Iris"), relations={"posts": [Post("Rust")]})
except UniqueViolation:
    assert hub.count(Post) == before[0]
    print("the name is taken: no author was stored, and no post")

# What happens to the rows that refer to a deleted one is the database's business: on_delete.
hub.delete(iris)
print(f"gone with the author: {before[0] - hub.count(Post)} posts, {before[1] - hub.count(Comment)} comments")
db.close()
