"""Vectors in memory: store, search, filter, count, delete.

It prints:

    like [1, 0, 0]: [('cat', 1.0), ('dog', 0.96), ('carrot', 0.0)]
    plants only: ['carrot', 'oak']
    animals since 2021: ['dog']
    not an animal, as far as is known: ['carrot', 'oak']
    without a year: ['oak']
    three questions at once: ['cat', 'dog', 'carrot']
    records 4, of plants 2
    deleted 2, left ['cat', 'dog']
"""

from __future__ import annotations

from mini_orm import C, InMemoryVectorStore, VectorRecord, VectorRepository, VectorSearchResult


def ids(results: list[VectorSearchResult]) -> list[str]:
    return [result.id for result in results]


repo = VectorRepository(InMemoryVectorStore(), "things", dimension=3, metric="cosine")
repo.upsert(
    [
        VectorRecord("cat", [1, 0, 0], {"kind": "animal", "year": 2019}),
        VectorRecord("dog", [0.96, 0.28, 0], {"kind": "animal", "year": 2022}),
        VectorRecord("carrot", [0, 1, 0], {"kind": "plant", "year": 2023}),
        VectorRecord("oak", [0, 0.6, 0.8], {"kind": "plant"}),
    ]
)

# A higher score is a nearer vector, in every metric and in every store.
found = repo.query([1, 0, 0], top_k=3)
print("like [1, 0, 0]:", [(result.id, round(result.score, 2)) for result in found])

# A mapping: all values have to be equal.
print("plants only:", ids(repo.query([0, 1, 0], filters={"kind": "plant"})))

# Conditions, as in SQL: what is missing is NULL, and NULL is neither equal nor different.
recent = C.and_(C.eq("kind", "animal"), C.ge("year", 2021))
print("animals since 2021:", ids(repo.query([1, 0, 0], filters=recent)))
print("not an animal, as far as is known:", ids(repo.query([0, 1, 0], filters=C.ne("kind", "animal"))))
print("without a year:", ids(repo.query([1, 1, 1], filters={"year": None})))

best = repo.query_many([[1, 0, 0], [0.9, 0.4, 0], [0, 1, 0]], top_k=1)
print("three questions at once:", [results[0].id for results in best])

print(f"records {repo.count()}, of plants {repo.count({'kind': 'plant'})}")
print(f"deleted {repo.delete_where(C.eq('kind', 'plant'))}, left {[record.id for record in repo.fetch()]}")
