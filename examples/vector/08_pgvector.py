"""pgvector: vectors in PostgreSQL, beside the rows that they belong to, in one transaction with them.

Needs `pip install "mini_orm[postgres]"` and a server that has pgvector: MINI_ORM_PG_HOST, _PORT, _USER, _PASSWORD and
_DATABASE say which one (localhost, 5432, postgres, password and postgres, where they are not set). All that is stored
goes into a schema of its own, which is dropped at the end.

It prints:

    like [1, 0, 0]: [('cat', 1.0), ('dog', 0.96)]
    refused: no weight
    as before: 3 rows, 3 vectors
    plants: ['carrot'], with SQL: [('carrot', 'plant')]
    with an index 5 of 5: ['n480', 'n485', 'n490', 'n495', 'n500']
"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass, field
from urllib.parse import quote

from mini_orm import (
    C,
    Database,
    DatabaseError,
    MissingDependencyError,
    PgVectorStore,
    Repository,
    VectorRecord,
    VectorRepository,
    apply_schema,
)

SCHEMA = f"mini_orm_example_{os.getpid()}"


@dataclass
class Thing:
    name: str = field(metadata={"pk": True})
    kind: str
    weight: float


def url() -> str:
    """Make the server's URL of the variables. What may have any character in it is percent-encoded."""
    user = quote(os.environ.get("MINI_ORM_PG_USER", "postgres"), safe="")
    password = quote(os.environ.get("MINI_ORM_PG_PASSWORD", "password"), safe="")
    host = os.environ.get("MINI_ORM_PG_HOST", "localhost")
    port = os.environ.get("MINI_ORM_PG_PORT", "5432")
    database = quote(os.environ.get("MINI_ORM_PG_DATABASE", "postgres"), safe="")
    return f"postgresql://{user}:{password}@{host}:{port}/{database}"


def connect() -> Database:
    """Open a database whose tables are those of the example's schema."""
    try:
        return Database.connect(url(), options=f"-c search_path={SCHEMA}")
    except (DatabaseError, MissingDependencyError) as error:
        reason = str(error).splitlines()[0]
        sys.exit(f"{reason}; MINI_ORM_PG_HOST, _PORT, _USER, _PASSWORD and _DATABASE name another server")


def add(db: Database, thing: Thing, vector: list[float]) -> None:
    """Store a row and its vector, or neither of them."""
    with db.transaction() as tx:
        vectors = VectorRepository(PgVectorStore(tx), "thing_vectors", dimension=3)
        vectors.upsert([VectorRecord(thing.name, vector, {"kind": thing.kind})])
        if not thing.weight:
            raise ValueError("no weight")
        Repository(tx, Thing).insert(thing)


def rows_and_vectors(db: Database) -> None:
    """Tell the story of three things, and of a fourth."""
    apply_schema(db, Thing)
    things = Repository(db, Thing)
    vectors = VectorRepository(PgVectorStore(db), "thing_vectors", dimension=3, metric="cosine")
    add(db, Thing("cat", "animal", 4.0), [1, 0, 0])
    add(db, Thing("dog", "animal", 20.0), [0.96, 0.28, 0])
    add(db, Thing("carrot", "plant", 0.1), [0, 1, 0])
    found = vectors.query([1, 0, 0], top_k=2)
    print("like [1, 0, 0]:", [(result.id, round(result.score, 2)) for result in found])
    try:
        add(db, Thing("ghost", "spirit", 0.0), [0, 0, 1])
    except ValueError as error:
        print("refused:", error)
    print(f"as before: {things.count()} rows, {vectors.count()} vectors")

    plants = vectors.query([1, 0, 0], filters=C.eq("kind", "plant"))
    # A collection is a table: id, embedding, payload.
    rows = db.fetchall(
        "SELECT name, payload ->> 'kind' AS kind FROM thing JOIN thing_vectors ON id = name WHERE weight < 1"
    )
    print(f"plants: {[result.id for result in plants]}, with SQL: {[tuple(row.values()) for row in rows]}")


def with_an_index(db: Database) -> None:
    """Search by HNSW: quicker where there is much, approximate, and never shorter than asked for."""
    store = PgVectorStore(db, index="hnsw", index_options={"ef_search": 40})
    vectors = VectorRepository(store, "many", dimension=2)
    angles = {f"n{n}": n / 1000 for n in range(1, 501)}
    vectors.upsert(
        VectorRecord(name, [math.cos(angle), math.sin(angle)], {"n": round(angle * 1000)})
        for name, angle in angles.items()
    )
    # What matches is far from the question.
    found = vectors.query([1, 0], top_k=5, filters=C.in_("n", range(480, 501, 5)))
    print(f"with an index {len(found)} of 5:", [result.id for result in found])


def main() -> None:
    """Tell both stories."""
    with connect() as db:
        db.execute(f"CREATE SCHEMA {SCHEMA}")
        try:
            rows_and_vectors(db)
            with_an_index(db)
        finally:
            db.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


if __name__ == "__main__":
    main()
