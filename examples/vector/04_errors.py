"""What is refused, by which error, and that nothing is written then.

It prints:

    DimensionError: the vector of record 1 has 2 numbers; its collection takes 3
    VectorValueError: the vector of record 0 is zero in float32, and cosine needs a direction
    VectorIdError: an id is a string, not int
    nothing was written: 0
    CollectionExistsError: there is a collection 'things' already
    ValueError: the collection 'things' is there with dimension 3 and metric 'cosine', not 3 and 'dot'
    CollectionNotFoundError: there is no collection 'nowhere'
    UnsupportedFilterError: InMemoryVectorStore does not support LIKE in filters
    UnsafeOperationError: delete_where needs a filter; create_collection(overwrite=True) drops all
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mini_orm import C, InMemoryVectorStore, VectorRecord, VectorRepository


def refused(call: Callable[[], Any]) -> None:
    try:
        call()
    except (ValueError, KeyError, NotImplementedError) as error:
        print(f"{type(error).__name__}: {error}")


store = InMemoryVectorStore()
repo = VectorRepository(store, "things", dimension=3)
number: Any = 7

# All records are checked before the first one is written.
refused(lambda: repo.upsert([VectorRecord("a", [1, 2, 3]), VectorRecord("b", [1, 2])]))
refused(lambda: repo.upsert([VectorRecord("a", [0, 0, 0])]))
refused(lambda: repo.upsert([VectorRecord(number, [1, 2, 3])]))
print("nothing was written:", repo.count())

refused(repo.create_collection)
refused(lambda: VectorRepository(store, "things", dimension=3, metric="dot"))
refused(VectorRepository(store, "nowhere", dimension=3, auto_create=False).fetch)

# What a store can't answer is refused with its name, and never filtered after the fact.
refused(lambda: repo.query([1, 2, 3], filters=C.like("name", "a%")))
refused(lambda: repo.delete_where({}))
