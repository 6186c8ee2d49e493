"""A repository: the objects of one dataclass, stored, found, changed and deleted.

It prints:

    Emma has the key 1
    3 more, the last one has the key 4
    no. 2 is Ulysses
    no. 9 is None
    longest first: Ulysses, Emma
    lent and long: Ulysses
    1 changed: Emma is lent
    2 of 4 are lent
    2 came back
    1 gone, 3 left
    Persuasion, 249 pages, is new: True
    Persuasion, 249 pages, is new: False
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mini_orm import C, Database, Repository


@dataclass
class Book:
    title: str = field(metadata={"unique_index": True})
    pages: int
    is_lent: bool = False
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


# In memory. "sqlite:///library.sqlite3" is a file, "postgresql://user:password@localhost/library" a server.
db = Database.connect("sqlite://")
books = Repository(db, Book, auto_schema=True)

# Each call is a transaction of its own.
emma = books.insert(Book("Emma", 474))
print(emma.title, "has the key", emma.id)
more = books.insert_many([Book("Ulysses", 730, is_lent=True), Book("Candide", 94), Book("Walden", 352)])
print(f"{len(more)} more, the last one has the key {more[-1].id}")

second = books.get(2)
assert second is not None
print("no. 2 is", second.title)
print("no. 9 is", books.get(9))

# Conditions are made by C and joined by & | ~; a name that Book has not is an error.
print("longest first:", ", ".join(book.title for book in books.list(order_by="-pages", limit=2)))
found = books.list(where=C.eq("is_lent", True) & C.gt("pages", 100))
print("lent and long:", ", ".join(book.title for book in found))

emma.is_lent = True
print(books.update(emma), "changed: Emma is lent")
print(books.count(C.eq("is_lent", True)), "of", books.count(), "are lent")
print(books.update_where({"is_lent": False}, where=C.eq("is_lent", True)), "came back")
print(f"{books.delete_where(where=C.lt('pages', 100))} gone, {books.count()} left")

# By a unique field: who is second finds what the first one has stored.
for _ in range(2):
    book, is_new = books.get_or_create(lookup={"title": "Persuasion"}, defaults={"pages": 249})
    print(f"{book.title}, {book.pages} pages, is new: {is_new}")
db.close()
