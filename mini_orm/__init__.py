"""mini_orm: the data layer for plain dataclasses."""

from __future__ import annotations

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
    "PoolConnector",
    "PoolError",
    "PoolStats",
    "PoolTimeout",
    "PostgresDialect",
    "ProgrammingError",
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
