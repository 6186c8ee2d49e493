"""mini_orm: the data layer for plain dataclasses."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .core.conditions import (
    C,
    Condition,
    ConditionGroup,
    F,
    NotCondition,
    OrderBy,
    WhereExpression,
    WhereInput,
)
from .core.database.database import Database
from .core.database.database_async import AsyncDatabase
from .core.database.health import PoolStats
from .core.database.pool import PoolConnector
from .core.dialects import Dialect, MySQLDialect, PostgresDialect, SQLiteDialect
from .core.models import IndexSpec
from .core.relations import RelationSpec, RelationType, model_relations
from .core.repositories.related import AsyncRelatedResult, RelatedResult
from .core.repositories.repository import Repository, UnifiedRepository
from .core.repositories.repository_async import AsyncRepository, AsyncUnifiedRepository
from .core.repositories.session import Session
from .core.repositories.session_async import AsyncSession
from .core.schema.apply import apply_schema, apply_schema_async
from .core.schema.ddl import create_index_sql, create_indexes_sql, create_schema_sql, create_table_sql
from .core.schema.ensure import ensure_schema, ensure_schema_async
from .errors import (
    CheckViolation,
    ClosedError,
    CodecError,
    CollectionExistsError,
    CollectionNotFoundError,
    ConfigurationError,
    ConnectionLost,
    DatabaseError,
    DataError,
    DeadlockDetected,
    DimensionError,
    DirtyConnectionError,
    ForeignKeyViolation,
    IntegrityError,
    LockTimeout,
    MiniOrmError,
    MissingDependencyError,
    ModelError,
    NotNullViolation,
    NotRegisteredError,
    OperationalError,
    PoolError,
    PoolTimeout,
    ProgrammingError,
    QueryError,
    RelationError,
    SchemaConflictError,
    SchemaError,
    SerializationFailure,
    TransactionError,
    UniqueViolation,
    UnsafeOperationError,
    UnsupportedFilterError,
    ValidationError,
    VectorError,
    VectorIdError,
    VectorValueError,
)
from .validation import ValidatedModel
from .vectors.codecs import IdentityVectorPayloadCodec, JsonVectorPayloadCodec, VectorPayloadCodec
from .vectors.metrics import VectorMetric
from .vectors.records import VectorIdPolicy, VectorRecord, VectorSearchResult
from .vectors.repository import VectorRepository
from .vectors.repository_async import AsyncVectorRepository
from .vectors.stores.memory import InMemoryVectorStore

if TYPE_CHECKING:
    from .vectors.stores.chroma import ChromaVectorStore
    from .vectors.stores.faiss import FaissVectorStore
    from .vectors.stores.pgvector import PgVectorStore
    from .vectors.stores.qdrant import QdrantVectorStore

__version__ = "0.1.0"

__all__ = [
    "AsyncDatabase",
    "AsyncRelatedResult",
    "AsyncRepository",
    "AsyncSession",
    "AsyncUnifiedRepository",
    "AsyncVectorRepository",
    "C",
    "CheckViolation",
    "ChromaVectorStore",
    "ClosedError",
    "CodecError",
    "CollectionExistsError",
    "CollectionNotFoundError",
    "Condition",
    "ConditionGroup",
    "ConfigurationError",
    "ConnectionLost",
    "DataError",
    "Database",
    "DatabaseError",
    "DeadlockDetected",
    "Dialect",
    "DimensionError",
    "DirtyConnectionError",
    "F",
    "FaissVectorStore",
    "ForeignKeyViolation",
    "IdentityVectorPayloadCodec",
    "InMemoryVectorStore",
    "IndexSpec",
    "IntegrityError",
    "JsonVectorPayloadCodec",
    "LockTimeout",
    "MiniOrmError",
    "MissingDependencyError",
    "ModelError",
    "MySQLDialect",
    "NotCondition",
    "NotNullViolation",
    "NotRegisteredError",
    "OperationalError",
    "OrderBy",
    "PgVectorStore",
    "PoolConnector",
    "PoolError",
    "PoolStats",
    "PoolTimeout",
    "PostgresDialect",
    "ProgrammingError",
    "QdrantVectorStore",
    "QueryError",
    "RelatedResult",
    "RelationError",
    "RelationSpec",
    "RelationType",
    "Repository",
    "SQLiteDialect",
    "SchemaConflictError",
    "SchemaError",
    "SerializationFailure",
    "Session",
    "TransactionError",
    "UnifiedRepository",
    "UniqueViolation",
    "UnsafeOperationError",
    "UnsupportedFilterError",
    "ValidatedModel",
    "ValidationError",
    "VectorError",
    "VectorIdError",
    "VectorIdPolicy",
    "VectorMetric",
    "VectorPayloadCodec",
    "VectorRecord",
    "VectorRepository",
    "VectorSearchResult",
    "VectorValueError",
    "WhereExpression",
    "WhereInput",
    "__version__",
    "apply_schema",
    "apply_schema_async",
    "create_index_sql",
    "create_indexes_sql",
    "create_schema_sql",
    "create_table_sql",
    "ensure_schema",
    "ensure_schema_async",
    "model_relations",
]

#: What few programs use is imported with its first use.
_LATER = {
    "ChromaVectorStore": ".vectors.stores.chroma",
    "FaissVectorStore": ".vectors.stores.faiss",
    "PgVectorStore": ".vectors.stores.pgvector",
    "QdrantVectorStore": ".vectors.stores.qdrant",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LATER[name], __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
