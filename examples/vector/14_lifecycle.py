"""The life of a collection: made, filled in batches, opened again, made anew.

It prints:

    wrote 4
    wrote 8
    wrote 10
    opened again: 10
    deleted: 2 by id, 4 by a filter
    replaced: [0.0, 2.0] {'kept': True}
    made anew, with another dimension: 0
"""

from __future__ import annotations

from mini_orm import C, InMemoryVectorStore, VectorRecord, VectorRepository

store = InMemoryVectorStore()

# With `auto_create=False` nothing is made or opened until you say so.
repo = VectorRepository(store, "notes", dimension=2, auto_create=False)
repo.create_collection()

# An iterator is read batch by batch: it may be longer than memory is large.
records = (VectorRecord(f"{number}", [1, number], {"number": number}) for number in range(10))
repo.upsert(records, batch_size=4, progress=lambda done: print("wrote", done))

# Whoever names the collection again has what is in it, if dimension and metric are the same.
again = VectorRepository(store, "notes", dimension=2)
print("opened again:", again.count())

print("deleted:", again.delete(["0", "1", "none"]), "by id,", again.delete_where(C.ge("number", 6)), "by a filter")

# A record is replaced as a whole, vector and payload.
again.upsert([VectorRecord("2", [0, 2], {"kept": True})])
[found] = again.fetch(["2"])
print("replaced:", found.vector, found.payload)

# `overwrite=True` drops all that was there.
anew = VectorRepository(store, "notes", dimension=3, overwrite=True)
print("made anew, with another dimension:", anew.count())
