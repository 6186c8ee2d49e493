"""The store on pgvector beside psycopg by hand: binary parameters for vectors, binary `unnest`, and text literals."""

from __future__ import annotations

import json
import os
import struct
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from mini_orm import Database, PgVectorStore
from tests.servers import Postgres

from .servers import have
from .vectors_data import DIMENSION, MANY, TOP_K, Comparison, Data, filled, ids

#: A vector of 384 numbers takes 1.6 kB in a table; text literals take ten times as long as all else.
MOST_ROWS = 20_000
TEXT_SHARE = 10
TABLE = '(id text COLLATE "C" PRIMARY KEY, embedding vector(384) NOT NULL, payload jsonb)'
UPSERT = "ON CONFLICT (id) DO UPDATE SET embedding = EXCLUDED.embedding, payload = EXCLUDED.payload"


def comparisons(rows: int) -> Iterator[Comparison]:
    """Compare the store with the same tables by hand, on a connection to the same server."""
    import psycopg

    rows = min(rows, MOST_ROWS)
    with ExitStack() as stack:
        have(Postgres, stack)
        params = Postgres.from_environment() or {}
        schema = f"mini_orm_benchmark_{os.getpid()}"
        # By hand the extension has to be on the search path; the store finds it, and nobody else's tables.
        own, by_hand = (
            stack.enter_context(psycopg.connect(**params, autocommit=True, options=f"-csearch_path={path}"))
            for path in (schema, f"{schema},public")
        )
        own.execute(f"CREATE SCHEMA {schema}")
        stack.callback(own.execute, f"DROP SCHEMA {schema} CASCADE")
        own.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
        yield from _compared(rows, Database(own), Hand(by_hand))


class Hand:
    """What a user writes who knows the format of vectors, with psycopg."""

    def __init__(self, conn: Any) -> None:
        from psycopg.adapt import Dumper
        from psycopg.pq import Format

        class VectorDumper(Dumper):
            format = Format.BINARY
            oid = 0  # the cast says it

            def dump(self, obj: Vector) -> bytes:
                return obj.sent

        self.cursor = conn.cursor()
        self.cursor.adapters.register_dumper(Vector, VectorDumper)
        self.element: int = conn.execute("SELECT 'vector'::regtype::oid::int").fetchone()[0]

    def create(self, table: str) -> None:
        self.cursor.execute(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} {TABLE}")

    def query(self, vector: Any, where: str = "") -> list[tuple[str, float, Any]]:
        sql = f"SELECT id, embedding <=> %s::vector AS distance, payload FROM by_hand {where} ORDER BY 2 LIMIT {TOP_K}"
        rows = self.cursor.execute(sql, [Vector(_sent(vector))]).fetchall()
        return [(one, 1 - distance, payload) for one, distance, payload in rows]

    def write(self, table: str, records: Any) -> None:
        """Write records by one binary `unnest`."""
        head = struct.pack("!iiIii", 1, 0, self.element, len(records), 1)
        size = struct.pack("!i", 4 + 4 * DIMENSION)
        sent = Vector(head + b"".join([size + _sent(record.vector) for record in records]))
        self.cursor.execute(
            f"INSERT INTO {table} SELECT * FROM unnest(%s::text[], %s::vector[], %s::text[]::jsonb[]) {UPSERT}",
            [[record.id for record in records], sent, [json.dumps(record.payload) for record in records]],
        )

    def write_texts(self, table: str, records: Any) -> None:
        """Write records by executemany."""
        self.cursor.executemany(
            f"INSERT INTO {table} VALUES (%s, %s::vector, %s::jsonb) {UPSERT}",
            [(record.id, str(record.vector), json.dumps(record.payload)) for record in records],
        )

    def read_texts(self, table: str) -> list[list[float]]:
        """Read all vectors from their text."""
        sql = f"SELECT id, embedding::text, payload FROM {table} ORDER BY id"
        return [json.loads(vector) for _, vector, _ in self.cursor.execute(sql).fetchall()]


class Vector:
    """What a vector looks like in binary."""

    def __init__(self, sent: bytes) -> None:
        self.sent = sent


def _sent(vector: Any) -> bytes:
    values = array("f", vector)
    values.byteswap()
    return struct.pack("!hh", DIMENSION, 0) + values.tobytes()


def _compared(rows: int, db: Database, hand: Hand) -> Iterator[Comparison]:
    data = Data(rows)
    for place, record in enumerate(data.records):
        object.__setattr__(record, "vector", data.matrix[place].tolist())
    hand.create("by_hand")
    hand.write("by_hand", data.records)
    repo = filled(PgVectorStore(db), data)
    for one in (db, hand.cursor):
        one.execute("VACUUM ANALYZE")
    question = data.questions[0].tolist()
    questions = data.questions.tolist()

    def asked(where: str = "") -> list[str]:
        return [one for one, _, _ in hand.query(question, where)]

    yield Comparison(
        f"query of {rows} rows",
        "psycopg, in binary",
        asked,
        lambda: ids(repo.query(question, top_k=TOP_K)),
        1.05,
        seen=list,
    )
    yield Comparison(
        "query, a filter that keeps 1 %",
        "psycopg, in binary",
        lambda: asked("WHERE payload -> 'group' = '7'::jsonb"),
        lambda: ids(repo.query(question, top_k=TOP_K, filters={"group": 7})),
        1.05,
        seen=list,
    )
    few = data.records[:100]
    hand.create("by_hand")
    hand.write("by_hand", few)
    small = PgVectorStore(db)
    small.create_collection("small", DIMENSION)
    small.upsert("small", few)
    yield Comparison(
        "query of 100 rows",
        "psycopg, in binary",
        lambda: [asked() for _ in range(50)][-1],
        lambda: [ids(small.query("small", question, top_k=TOP_K)) for _ in range(50)][-1],
        1.05,
        calls=50,
        seen=list,
    )
    yield Comparison(
        f"query_many of {MANY}, 100 rows",
        "psycopg, one by one",
        lambda: [[one for one, _, _ in hand.query(each)] for each in questions],
        lambda: [ids(each) for each in small.query_many("small", questions, top_k=TOP_K)],
        1.05,
        calls=MANY,
        seen=list,
    )
    yield from _written(data, db, hand)


def _written(data: Data, db: Database, hand: Hand) -> Iterator[Comparison]:
    store = PgVectorStore(db)
    batch = data.records[: len(data.records) // 2]
    part = batch[: max(1, len(batch) // TEXT_SHARE)]

    store.create_collection("written", DIMENSION)
    hand.create("written_by_hand")

    def ours(records: Any) -> int:
        db.execute("TRUNCATE written")
        store.upsert("written", records)
        return len(records)

    def theirs(write: Any, records: Any) -> int:
        hand.cursor.execute("TRUNCATE written_by_hand")
        write("written_by_hand", records)
        return len(records)

    def again(write: Callable[[], None]) -> None:
        for _ in range(50):
            write()

    yield Comparison(
        f"upsert of {len(batch)}",
        "psycopg, unnest in binary",
        lambda: theirs(hand.write, batch),
        lambda: ours(batch),
        1 / 0.9,
        calls=len(batch),
        seen=int,
    )
    yield Comparison(
        f"upsert of {len(part)}",
        "psycopg, executemany of texts",
        lambda: theirs(hand.write_texts, part),
        lambda: ours(part),
        0.1,
        calls=len(part),
        seen=int,
    )
    one = data.records[:1]
    ours(batch)
    theirs(hand.write, batch)
    yield Comparison(
        "upsert of one",
        "psycopg, unnest in binary",
        lambda: again(lambda: hand.write("written_by_hand", one)),
        lambda: again(lambda: store.upsert("written", one)),
        1.05,
        calls=50,
    )
    yield Comparison(
        f"fetch of {len(batch)}",
        "psycopg, texts",
        lambda: hand.read_texts("written_by_hand"),
        lambda: [list(record.vector) for record in store.fetch("written")],
        0.2,
        calls=len(batch),
        seen=len,
    )
