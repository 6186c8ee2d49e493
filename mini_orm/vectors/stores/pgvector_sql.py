"""Collections as tables, and the SQL of pgvector.

Rules of this file:
- Types, functions and operators are named with the schema of the extension, which need not be on the search path.
- An exact query orders by an expression that no index has, so that an index on the table never makes it approximate.
- The vector that is asked for stands in a subquery, so that it is read once for all rows, whatever the plan. It is the
  first value that a query binds; those of the filter follow.
- A result has the number of its table (`tableoid`) beside it. Who knows a collection from before sees by this that it
  was dropped, and made anew with another metric.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...core.dialects import Dialect
from ..metrics import VectorMetric
from .pgvector_indexes import MAX_HALF, MAX_INDEXED, VectorIndex

#: The table beside the collections of a schema, in which their metrics are remembered.
CATALOGUE = "_miniorm_pgvector_collections"
#: The temporary table that rows are copied into.
INCOMING = "_miniorm_pgvector_rows"
COPY_INCOMING = f'COPY pg_temp."{INCOMING}" FROM STDIN (FORMAT binary)'
#: The most numbers of a vector.
_MAX_DIMENSION = 16_000
#: In bytes; PostgreSQL would cut a longer one.
_MAX_NAME = 63
#: A filter that keeps fewer rows than this, or than this part of the table, is answered without the index.
_FEW_ROWS, _FEW_PART = 1000, 50
_OPERATORS = {VectorMetric.COSINE: "<=>", VectorMetric.DOT: "<#>", VectorMetric.L2: "<->"}
_CLASSES = {VectorMetric.COSINE: "cosine_ops", VectorMetric.DOT: "ip_ops", VectorMetric.L2: "l2_ops"}
#: Distance -> score; 0 - 0 is no minus zero.
_SCORES = {VectorMetric.COSINE: "1 - distance", VectorMetric.DOT: "0 - distance", VectorMetric.L2: "0 - distance"}

#: Asks what there is of a name: takes its schema, or NULL, and the table. Its columns are those of `Facts`.
FACTS_SQL = (
    "WITH asked AS (SELECT %s::text AS schema, %s::text AS name) "
    "SELECT coalesce(n.nspname, (SELECT s.nspname FROM pg_namespace AS s "
    "WHERE s.nspname = coalesce(asked.schema, current_schema()::text)))::text, c.oid::bigint, a.atttypmod, "
    f"to_regclass(quote_ident(n.nspname) || '.{CATALOGUE}') IS NOT NULL, h.nspname::text, e.extversion "
    "FROM asked LEFT JOIN pg_class AS c "
    "ON c.oid = to_regclass(coalesce(quote_ident(asked.schema) || '.', '') || quote_ident(asked.name)) "
    "LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'embedding' "
    "AND a.atttypid IN (SELECT oid FROM pg_type WHERE typname = 'vector') "
    "AND 2 = (SELECT count(*) FROM pg_attribute AS b WHERE b.attrelid = c.oid AND (b.attname, b.atttypid) "
    "IN (('id', 'text'::regtype), ('payload', 'jsonb'::regtype))) "
    "LEFT JOIN pg_extension AS e ON e.extname = 'vector' LEFT JOIN pg_namespace AS h ON h.oid = e.extnamespace"
)
#: What holds of a record with one of some ids.
BY_ID = "id = ANY(%s::text[])"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database says of a name.

    `schema` is where it is, or would be made, `None` if there is no such schema; `oid` is the number of what has the
    name. `home` and `version` are the extension's.
    """

    schema: str | None
    oid: int | None
    dimension: int | None
    has_catalogue: bool
    home: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection that is there. The names are quoted, and ready for a statement that binds values."""

    oid: int
    table: str
    dimension: int
    metric: VectorMetric
    home: str
    version: tuple[int, ...]


def parts_of(collection: str) -> tuple[str | None, str]:
    """Read a collection's name, `table` or `schema.table`.

    Raises:
        ValueError: it is none, or PostgreSQL would cut it.
    """
    schema, dot, table = collection.partition(".") if isinstance(collection, str) else ("", ".", "")
    if not all(map(_is_name, (schema, table) if dot else (schema,))):
        raise ValueError(
            f"a collection's name is table or schema.table, each of 1 to {_MAX_NAME} bytes in UTF-8, without NUL"
        )
    name = table if dot else schema
    if name == CATALOGUE:
        raise ValueError(f"a collection can't have the name {CATALOGUE!r}, which is that of their catalogue")
    return (schema if dot else None), name


def _is_name(part: str) -> bool:
    try:
        return 0 < len(part.encode()) <= _MAX_NAME and "\0" not in part
    except UnicodeEncodeError:  # a lone surrogate
        return False


def named(dialect: Dialect, *names: str) -> str:
    """Quote a name for a statement that binds values."""
    return dialect.without_values(".".join(map(dialect.quote, names)))


def version_of(text: str) -> tuple[int, ...]:
    """Read the version of the extension as far as it matters."""
    return tuple(int(part) for part in text.split(".")[:2])


def check_dimension(dimension: int, index: VectorIndex | None) -> None:
    """Refuse what pgvector, or its index, can't hold.

    Raises:
        ValueError: says what is allowed.
    """
    most, what = (_MAX_DIMENSION, "PgVectorStore") if index is None else (MAX_HALF, f"an index of {index.kind}")
    if dimension > most:
        raise ValueError(f"{what} takes vectors of at most {most} numbers")


# --- making a collection ------------------------------------------------------------------------------------------


def catalogue_sql(catalogue: str) -> str:
    """Spell the table that remembers metrics."""
    return (
        f"CREATE TABLE IF NOT EXISTS {catalogue} (name text PRIMARY KEY, dimension int NOT NULL, metric text NOT NULL)"
    )


def remember_sql(catalogue: str) -> str:
    """Spell what notes a collection; binds name, dimension and metric."""
    return (
        f"INSERT INTO {catalogue} (name, dimension, metric) VALUES (%s::text, %s::int, %s::text) "
        "ON CONFLICT (name) DO UPDATE SET dimension = EXCLUDED.dimension, metric = EXCLUDED.metric"
    )


def table_sql(table: str, home: str, dimension: int) -> str:
    """Spell a collection's table."""
    return (
        f'CREATE TABLE {table} (id text COLLATE "C" PRIMARY KEY, '
        f"embedding {home}.vector({dimension}) NOT NULL, payload jsonb)"
    )


def index_sql(table: str, home: str, dimension: int, metric: VectorMetric, index: VectorIndex) -> str:
    """Spell a collection's index."""
    kind = "vector" if dimension <= MAX_INDEXED else "halfvec"
    indexed = _indexed("embedding", home, dimension)
    classes = f"{home}.{kind}_{_CLASSES[metric]}"
    return f"CREATE INDEX ON {table} USING {index.kind} ({indexed} {classes}){index.storage}"


def _indexed(vector: str, home: str, dimension: int) -> str:
    """Spell what of a vector is in an index: all of it, or rounded to half precision."""
    return vector if dimension <= MAX_INDEXED else f"({vector}::{home}.halfvec({dimension}))"


# --- writing and reading ------------------------------------------------------------------------------------------

_UPSERT = "ON CONFLICT (id) DO UPDATE SET embedding = EXCLUDED.embedding, payload = EXCLUDED.payload"


def insert_sql(known: Collection, rows: int) -> str:
    """Spell an upsert that binds id, vector and payload of each row."""
    row = f"(%s::text, %s::real[]::{known.home}.vector, %s::text::jsonb)"
    return f"INSERT INTO {known.table} (id, embedding, payload) VALUES {', '.join([row] * rows)} {_UPSERT}"


def incoming_sql(known: Collection) -> tuple[str, str, str]:
    """Spell an upsert by COPY: what comes before that, what follows it, and what cleans up."""
    incoming = f'pg_temp."{INCOMING}"'
    return (
        f"CREATE TEMPORARY TABLE {incoming} (id text, embedding {known.home}.vector, payload jsonb)",
        f"INSERT INTO {known.table} (id, embedding, payload) SELECT id, embedding, payload FROM {incoming} {_UPSERT}",
        f"DROP TABLE {incoming}",
    )


def fetch_sql(known: Collection, where: str | None) -> str:
    """Spell the reading of records."""
    return (
        f"SELECT id, {known.home}.vector_send(embedding), payload::text FROM {known.table}{_where(where)} ORDER BY id"
    )


def delete_sql(known: Collection, where: str | None) -> str:
    """Spell the deletion of records, which are locked in one order, as others lock them, too."""
    found = f"SELECT id FROM {known.table}{_where(where)} ORDER BY id FOR UPDATE"
    return f"DELETE FROM {known.table} WHERE id IN ({found})"


def count_sql(known: Collection, where: str | None) -> str:
    """Spell the counting of records."""
    return f"SELECT count(*) FROM {known.table}{_where(where)}"


# --- searching ----------------------------------------------------------------------------------------------------


def exact_sql(known: Collection, top_k: int, where: str | None) -> str:
    """Spell a search that looks at all records."""
    return (
        f"{_result(known)} FROM (SELECT id, payload, tableoid, {_distance(known, _asked(known))} + 0 AS distance "
        f"FROM {known.table}{_where(where)} ORDER BY distance, id LIMIT {top_k}) AS nearest ORDER BY distance, id"
    )


def few_sql(known: Collection, top_k: int, where: str) -> str:
    """Spell an exact search that gives up where too many match; its last column says that it did not."""
    limit = f"(SELECT greatest({_FEW_ROWS}, reltuples::bigint / {_FEW_PART}) FROM pg_class WHERE oid = {known.oid})"
    return (
        f"WITH found AS MATERIALIZED (SELECT id, payload, tableoid, {_distance(known, _asked(known))} AS distance "
        f"FROM {known.table}{_where(where)} LIMIT {limit}) "
        f"{_result(known)}, (SELECT count(*) FROM found) < {limit} FROM found ORDER BY distance, id LIMIT {top_k}"
    )


def indexed_sql(known: Collection, index: VectorIndex, top_k: int, where: str | None) -> str:
    """Spell a search by an index. The row of `asked` is made before the index is opened, and with it the settings."""
    settings = "".join(
        f", set_config('{name}', '{value}', true)" for name, value in index.settings(top_k, known.version).items()
    )
    distance = _distance(known, "asked.vector")
    stored, asked = (_indexed(vector, known.home, known.dimension) for vector in ("embedding", "asked.vector"))
    return (
        f"WITH asked AS MATERIALIZED (SELECT {_asked(known)} AS vector{settings}) "
        f"{_result(known)} FROM asked CROSS JOIN LATERAL ("
        f"SELECT id, payload, tableoid, {distance} AS distance FROM {known.table}{_where(where)} "
        f"ORDER BY {stored} {_operator(known)} {asked} LIMIT {top_k}) AS nearest ORDER BY distance, id"
    )


def _result(known: Collection) -> str:
    return f"SELECT id, {_SCORES[known.metric]}, payload::text, tableoid::bigint"


def _asked(known: Collection) -> str:
    return f"(SELECT %s::real[]::{known.home}.vector)"


def _distance(known: Collection, asked: str) -> str:
    return f"(embedding {_operator(known)} {asked})"


def _operator(known: Collection) -> str:
    return f"OPERATOR({known.home}.{_OPERATORS[known.metric]})"


def _where(condition: str | None) -> str:
    return "" if condition is None else f" WHERE {condition}"
