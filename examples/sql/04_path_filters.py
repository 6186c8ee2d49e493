"""Filter and order by what other tables hold, without writing a join.

It prints:

    by authors named Ann: ['On ships', 'On stars']
    by author, then title: ['On ships', 'On stars', 'On tea', 'Nobody wrote this']
    authors with a post about tea: ['Bob']
    authors without posts: ['Cid']
    posts with a comment of Bob's: ['On stars']
    renamed: 2
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from mini_orm import C, Database, OrderBy, UnifiedRepository


@dataclass
class Author:
    name: str
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Post:
    title: str
    author_id: int | None = field(default=None, metadata={"fk": (Author, "id"), "index": True})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Comment:
    text: str
    post_id: int | None = field(metadata={"fk": (Post, "id"), "index": True})
    author_id: int | None = field(metadata={"fk": (Author, "id")})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


def titles(posts: list[Post]) -> list[str]:
    return [post.title for post in posts]


with Database(sqlite3.connect(":memory:")) as db:
    hub = UnifiedRepository(db, auto_schema=True)
    hub.register_many([Author, Post, Comment])
    ann, bob, _ = hub.insert_many([Author("Ann"), Author("Bob"), Author("Cid")])
    ships, stars, tea, orphan = hub.insert_many(
        [Post("On ships", ann.id), Post("On stars", ann.id), Post("On tea", bob.id), Post("Nobody wrote this")]
    )
    hub.insert(Comment("I see", post_id=stars.id, author_id=bob.id))

    # A dotted name means what a LEFT JOIN means: a post without an author has NULL for its name.
    print("by authors named Ann:", titles(hub.list(Post, where=C.eq("author.name", "Ann"), order_by="title")))
    by_author = OrderBy("author.name", nulls="last")
    print("by author, then title:", titles(hub.list(Post, order_by=[by_author, "title"])))

    # What may be there many times is asked for by any_ and none, so that no row comes back twice.
    about_tea = C.any_("posts", C.contains("title", "tea"))
    print("authors with a post about tea:", [author.name for author in hub.list(Author, where=about_tea)])
    print("authors without posts:", [author.name for author in hub.list(Author, where=C.none("posts"))])
    by_bob = C.any_("comments", C.eq("author.name", "Bob"))
    print("posts with a comment of Bob's:", titles(hub.list(Post, where=by_bob)))

    # The same in what changes rows.
    print("renamed:", hub.update_where(Post, {"title": "Untitled"}, where=C.eq("author.name", "Ann")))
