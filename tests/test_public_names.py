"""The public names: what can be imported, from where, and how it is built."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import pickle
import re
import types
import unittest
from typing import Any

import mini_orm
from mini_orm import (
    C,
    Condition,
    ConditionGroup,
    F,
    IndexSpec,
    NotCondition,
    OrderBy,
    RelatedResult,
    RelationSpec,
    RelationType,
    VectorRecord,
    VectorSearchResult,
)

GROUPS: dict[str, str] = {
    "database": "Database AsyncDatabase PoolConnector PoolStats Dialect SQLiteDialect PostgresDialect MySQLDialect",
    "repositories": "Repository AsyncRepository UnifiedRepository AsyncUnifiedRepository Session AsyncSession",
    "queries": "C F Condition ConditionGroup NotCondition OrderBy WhereExpression WhereInput",
    "schema": "apply_schema apply_schema_async ensure_schema ensure_schema_async create_table_sql create_index_sql "
    "create_indexes_sql create_schema_sql IndexSpec",
    "relations": "RelationSpec RelationType model_relations RelatedResult AsyncRelatedResult",
    "validation": "ValidatedModel",
    "errors": "MiniOrmError ConfigurationError MissingDependencyError ModelError RelationError NotRegisteredError "
    "QueryError UnsafeOperationError CodecError ValidationError SchemaError SchemaConflictError TransactionError "
    "ClosedError PoolError PoolTimeout DirtyConnectionError DatabaseError IntegrityError UniqueViolation "
    "ForeignKeyViolation NotNullViolation CheckViolation OperationalError SerializationFailure DeadlockDetected "
    "LockTimeout ConnectionLost ProgrammingError DataError VectorError DimensionError CollectionExistsError "
    "CollectionNotFoundError VectorIdError VectorValueError UnsupportedFilterError",
    "vectors": "VectorRepository AsyncVectorRepository VectorRecord VectorSearchResult VectorMetric VectorIdPolicy "
    "VectorPayloadCodec IdentityVectorPayloadCodec JsonVectorPayloadCodec InMemoryVectorStore PgVectorStore "
    "QdrantVectorStore ChromaVectorStore FaissVectorStore",
    "other": "__version__",
}
PUBLIC = sorted(name for names in GROUPS.values() for name in names.split())
#: Names that stand for types only: nothing to hang a docstring on.
ALIASES = {"WhereExpression", "WhereInput"}

REQUIRED = inspect.Parameter.empty
FLAGS = "*, auto_schema=False, schema_conflict='raise', require_registration=False"


def parameters(function: Any) -> str:
    """Write a callable's parameters without annotations, as the contract does."""
    signature = inspect.signature(function)
    kept = [one.replace(annotation=REQUIRED) for one in signature.parameters.values() if one.name != "self"]
    return str(inspect.Signature(kept))


class PublicNames(unittest.TestCase):
    """What the package offers."""

    def test_all_is_what_the_contract_names(self) -> None:
        """Names: `__all__` has each public name once and no other."""
        self.assertEqual(sorted(mini_orm.__all__), PUBLIC)

    def test_every_name_can_be_imported(self) -> None:
        """Names: with `from mini_orm import name`, with `*`, and as an attribute that `dir` shows."""
        namespace: dict[str, Any] = {}
        exec("from mini_orm import *", namespace)
        for name in PUBLIC:
            with self.subTest(name=name):
                self.assertIs(namespace[name], getattr(mini_orm, name))
                self.assertIn(name, dir(mini_orm))
        with self.assertRaises(AttributeError):
            mini_orm.no_such_name  # type: ignore[attr-defined]  # noqa: B018  the mistake under test
        with self.assertRaises(ImportError):
            exec("from mini_orm import no_such_name")

    def test_no_other_name_leaks(self) -> None:
        """Names: what is not in `__all__` is a module or begins with an underscore."""
        found = [name for name in dir(mini_orm) if not name.startswith("_") and name not in mini_orm.__all__]
        leaked = [name for name in found if not isinstance(getattr(mini_orm, name), types.ModuleType)]
        self.assertEqual([name for name in leaked if name not in ("annotations", "Any", "TYPE_CHECKING")], [])

    def test_every_name_is_documented(self) -> None:
        """Names: classes, functions and public methods have a docstring of their own."""
        missing = []
        for name in PUBLIC:
            value = getattr(mini_orm, name)
            if name in ALIASES or name == "__version__":
                continue
            own = value.__dict__.get("__doc__") if isinstance(value, type) else value.__doc__
            if not own or own.startswith(f"{name}("):  # the second is what @dataclass makes up
                missing.append(name)
            if isinstance(value, type) and not issubclass(value, BaseException):
                for key, attribute in vars(value).items():
                    function = attribute.__func__ if isinstance(attribute, staticmethod | classmethod) else attribute
                    inherited = any(getattr(getattr(base, key, None), "__doc__", None) for base in value.__mro__[1:])
                    public = not key.startswith("_") and (
                        inspect.isfunction(function) or isinstance(function, property)
                    )
                    if public and not (function.__doc__ or inherited):
                        missing.append(f"{name}.{key}")
        self.assertEqual(missing, [])

    def test_fixed_module_paths(self) -> None:
        """Names: the paths that other people's code may import from."""
        paths = {
            "mini_orm.core.repositories.repository": ["Repository", "UnifiedRepository"],
            "mini_orm.core.repositories.repository_async": ["AsyncRepository", "AsyncUnifiedRepository"],
            "mini_orm.core.conditions": GROUPS["queries"].split(),
        }
        for path, names in paths.items():
            module = importlib.import_module(path)
            for name in names:
                with self.subTest(path=path, name=name):
                    self.assertIs(getattr(module, name), getattr(mini_orm, name))

    def test_the_version(self) -> None:
        """Names: `__version__` is a version as packaging knows it."""
        self.assertRegex(mini_orm.__version__, r"\A\d+\.\d+(\.\d+)?((a|b|rc)\d+)?(\.dev\d+)?\Z")

    def test_errors_are_one_tree(self) -> None:
        """Names Errors: every public error is a `MiniOrmError` and prints under a name that can be imported."""
        for name in GROUPS["errors"].split():
            error = getattr(mini_orm, name)
            with self.subTest(name=name):
                self.assertTrue(issubclass(error, mini_orm.MiniOrmError))
                self.assertEqual(error.__name__, name)
                self.assertIs(getattr(importlib.import_module(error.__module__), name), error)


class Signatures(unittest.TestCase):
    """How the public callables are called (tests/test_parity.py holds the async twins to the same)."""

    def test_database(self) -> None:
        """Names: constructor and methods of `Database`."""
        expected = {
            "transaction": "(*, isolation=None, read_only=False)",
            "run_in_transaction": "(fn, *, retries=3, isolation=None)",
            "execute": "(sql, params=None)",
            "fetchone": "(sql, params=None)",
            "fetchall": "(sql, params=None)",
            "close": "(*, close_pool=False)",
        }
        self.assertEqual(parameters(mini_orm.Database), "(source, dialect=None, *, joined=None)")
        for name, text in expected.items():
            with self.subTest(name=name):
                self.assertEqual(parameters(getattr(mini_orm.Database, name)), text)
        self.assertEqual(parameters(mini_orm.AsyncDatabase.aclose), "(*, close_pool=False)")

    def test_repository(self) -> None:
        """Names: constructor and verbs of `Repository`."""
        expected = {
            "insert": "(obj)",
            "insert_many": "(objects, *, returning=True)",
            "get": "(pk)",
            "list": "(where=None, order_by=None, limit=None, offset=None)",
            "iterate": "(where=None, order_by=None, batch_size=1000)",
            "update": "(obj)",
            "delete": "(obj)",
            "count": "(where=None)",
            "exists": "(where=None)",
            "update_where": "(values, *, where=None, allow_all=False)",
            "delete_where": "(*, where=None, allow_all=False)",
            "create": "(obj, *, relations=None)",
            "get_or_create": "(*, lookup, defaults=None)",
            "get_related": "(pk, *, include)",
            "list_related": "(*, include, where=None, order_by=None, limit=None, offset=None)",
            "link": "(obj, name, others)",
            "unlink": "(obj, name, others)",
            "register": "(*, ensure=None)",
            "register_many": "(*, ensure=None)",
            "is_registered": "()",
        }
        self.assertEqual(parameters(mini_orm.Repository), f"(db, model, {FLAGS})")
        for name, text in expected.items():
            with self.subTest(name=name):
                self.assertEqual(parameters(getattr(mini_orm.Repository, name)), text)

    def test_hub(self) -> None:
        """Names: constructor and verbs of `UnifiedRepository`: those of `Repository`, with the model first."""
        expected = {
            "get": "(model, pk)",
            "list": "(model, where=None, order_by=None, limit=None, offset=None)",
            "iterate": "(model, where=None, order_by=None, batch_size=1000)",
            "count": "(model, where=None)",
            "exists": "(model, where=None)",
            "update_where": "(model, values, *, where=None, allow_all=False)",
            "delete_where": "(model, *, where=None, allow_all=False)",
            "get_or_create": "(model, *, lookup, defaults=None)",
            "get_related": "(model, pk, *, include)",
            "list_related": "(model, *, include, where=None, order_by=None, limit=None, offset=None)",
            "register": "(model, ensure=None)",
            "register_many": "(models, ensure=None)",
            "is_registered": "(model)",
            "repo": "(model)",
            "insert": "(model=…, obj=…)",
            "insert_many": "(model=…, objects=…, *, returning=True)",
            "create": "(model=…, obj=…, *, relations=None)",
            "update": "(model=…, obj=…)",
            "delete": "(model=…, obj=…)",
            "link": "(model=…, obj=…, name=…, others=…)",
            "unlink": "(model=…, obj=…, name=…, others=…)",
        }
        self.assertEqual(parameters(mini_orm.UnifiedRepository), f"(db, {FLAGS})")
        for name, text in expected.items():
            with self.subTest(name=name):
                self.assertEqual(parameters(getattr(mini_orm.UnifiedRepository, name)), text)
        verbs = {name for name in vars(mini_orm.Repository) if not name.startswith("_")} - {"model"}
        self.assertEqual(verbs - set(expected), {"db"})

    def test_session(self) -> None:
        """Names X8: constructor of `Session`, what it has beside the hub's verbs, and no other names."""
        for name in ("begin", "transaction"):
            self.assertEqual(parameters(getattr(mini_orm.Session, name)), "(*, isolation=None, read_only=False)")
        self.assertEqual(parameters(mini_orm.Session), f"(db, {FLAGS})")
        self.assertTrue(issubclass(mini_orm.Session, mini_orm.UnifiedRepository))
        own = {name for name in dir(mini_orm.Session) if not name.startswith("_")}
        self.assertEqual(own - set(dir(mini_orm.UnifiedRepository)), {"begin", "transaction", "hub"})

    def test_repositories_are_generic(self) -> None:
        """Names: `Repository[T]` and `AsyncRepository[T]` can be written in annotations that are evaluated."""
        for cls in (mini_orm.Repository, mini_orm.AsyncRepository):
            self.assertIs(cls[int].__origin__, cls)  # type: ignore[attr-defined]  # an alias has it at run time

    def test_schema_functions(self) -> None:
        """Names: the functions of the schema."""
        expected = {
            "create_table_sql": "(cls, dialect, *, if_not_exists=False)",
            "create_index_sql": "(cls, dialect, column, *, unique=False, name=None, if_not_exists=False)",
            "create_indexes_sql": "(cls, dialect, *, if_not_exists=False)",
            "create_schema_sql": "(cls, dialect, *, if_not_exists=False)",
            "apply_schema": "(db, model, *, if_not_exists=False)",
            "ensure_schema": "(db, model, *, schema_conflict='raise')",
        }
        for name, text in expected.items():
            with self.subTest(name=name):
                self.assertEqual(parameters(getattr(mini_orm, name)), text)

    def test_dialects(self) -> None:
        """Names M10: names, placeholders and quoting; `q` is `quote`; MySQL's flavour."""
        dialects = {
            mini_orm.SQLiteDialect(): ("sqlite", '"', "?"),
            mini_orm.PostgresDialect(): ("postgres", '"', "%s"),
            mini_orm.MySQLDialect(): ("mysql", "`", "%s"),
            mini_orm.MySQLDialect("mariadb"): ("mysql", "`", "%s"),
        }
        for dialect, (name, mark, placeholder) in dialects.items():
            with self.subTest(name=name):
                self.assertIsInstance(dialect, mini_orm.Dialect)
                self.assertEqual((dialect.name, dialect.quote_char), (name, mark))
                self.assertIn(dialect.paramstyle, ("qmark", "format", "pyformat", "named", "numeric"))
                self.assertIsInstance(dialect.supports_returning, bool)
                self.assertEqual(dialect.placeholder("x"), placeholder)
                hostile = f"a{mark}b; DROP TABLE x --"
                self.assertEqual(dialect.quote(hostile), f"{mark}a{mark}{mark}b; DROP TABLE x --{mark}")
                self.assertEqual(dialect.q("order"), dialect.quote("order"))
                for bad in ("", "a\0b"):
                    with self.assertRaises(ValueError):
                        dialect.quote(bad)
        with self.assertRaises(ValueError):
            mini_orm.MySQLDialect("oracle")  # type: ignore[arg-type]  # the mistake under test


class ValueClasses(unittest.TestCase):
    """The frozen dataclasses."""

    SHAPES: tuple[tuple[type, tuple[tuple[str, Any], ...]], ...] = (
        (
            Condition,
            (("col", REQUIRED), ("op", REQUIRED), ("value", None), ("values", None), ("is_unary", False)),
        ),
        (ConditionGroup, (("operator", REQUIRED), ("items", REQUIRED))),
        (NotCondition, (("item", REQUIRED),)),
        (OrderBy, (("col", REQUIRED), ("desc", False), ("nulls", None))),
        (IndexSpec, (("columns", REQUIRED), ("unique", False), ("name", None))),
        (
            RelationSpec,
            (
                *((name, REQUIRED) for name in ("name", "model", "local_key", "remote_key")),
                *(("relation_type", None), ("many", False), ("through", None)),
            ),
        ),
        (RelatedResult, (("obj", REQUIRED), ("relations", REQUIRED))),
        (VectorRecord, (("id", REQUIRED), ("vector", REQUIRED), ("payload", None))),
        (VectorSearchResult, (("id", REQUIRED), ("score", REQUIRED), ("payload", None))),
    )

    def test_positional_order_and_defaults(self) -> None:
        """Names: fields, constructor and defaults stand in the contract's order."""
        for cls, shape in self.SHAPES:
            with self.subTest(cls=cls.__name__):
                self.assertEqual([one.name for one in dataclasses.fields(cls)], [name for name, _ in shape])
                found = [(one.name, one.default) for one in inspect.signature(cls).parameters.values()]
                self.assertEqual(found, list(shape))

    def test_they_are_frozen_values(self) -> None:
        """Names: nothing can be assigned; equal contents are equal."""
        for make in (
            lambda: Condition("age", ">", 3),
            lambda: ConditionGroup("AND", (Condition("age", ">", 3),)),
            lambda: NotCondition(Condition("age", ">", 3)),
            lambda: OrderBy("age", True, "last"),
            lambda: IndexSpec(("a", "b"), True, "name"),
            lambda: RelationSpec("a", int, "b", "c"),
            lambda: VectorRecord("a", (1.0, 2.0)),
            lambda: VectorSearchResult("a", 0.5),
        ):
            with self.subTest(value=make()):
                self.assertEqual(make(), make())
                self.assertEqual(hash(make()), hash(make()))
                for one in dataclasses.fields(make()):
                    with self.assertRaises(dataclasses.FrozenInstanceError):
                        setattr(make(), one.name, None)

    def test_they_travel(self) -> None:
        """Names: conditions, orders and indexes are copied, pickled, changed by `replace`, and matched by position."""
        for value in (
            C.any_("posts", C.eq("age", 3) | ~C.in_("name", ["a"])),
            F("a") * 2 - F("b"),
            OrderBy("age", True, "last"),
            IndexSpec(("a", "b"), True, "name"),
        ):
            with self.subTest(value=value):
                for twin in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
                    self.assertEqual((twin, hash(twin), repr(twin)), (value, hash(value), repr(value)))
        self.assertEqual(dataclasses.replace(OrderBy("age", True), col="name"), OrderBy("name", True))
        self.assertNotEqual(C.eq("age", 3), C.eq("age", 4))
        match C.gt("age", 3):
            case Condition(col, ">", value):
                self.assertEqual((col, value), ("age", 3))
            case _:
                self.fail("not matched")

    def test_subclasses_of_them(self) -> None:
        """Names: a dataclass that is made of one is frozen, too, and another value than its base."""

        @dataclasses.dataclass(frozen=True)
        class Named(OrderBy):
            label: str = ""

        named = Named("age", label="by age")
        self.assertEqual((named.col, named.label), ("age", "by age"))
        self.assertNotEqual(Named("age"), OrderBy("age"))
        self.assertNotEqual(OrderBy("age"), Named("age"))
        with self.assertRaises(dataclasses.FrozenInstanceError):
            del named.col
        with self.assertRaisesRegex(TypeError, "frozen"):
            dataclasses.dataclass(type("Open", (OrderBy,), {}))

    def test_a_related_result(self) -> None:
        """Names L5: frozen, equal by what it has, and the same class on both faces; `RelatedResult[T]` is an alias."""
        made = RelatedResult("obj", {"posts": [1]})
        self.assertEqual(made, RelatedResult(obj="obj", relations={"posts": [1]}))
        self.assertNotEqual(made, RelatedResult("obj", {}))
        self.assertEqual(repr(made), "RelatedResult(obj='obj', relations={'posts': [1]})")
        with self.assertRaises(dataclasses.FrozenInstanceError):
            made.obj = "other"  # type: ignore[misc]  # the mistake under test
        self.assertIs(mini_orm.AsyncRelatedResult, RelatedResult)
        self.assertEqual(RelatedResult[str]("obj", {"posts": [1]}), made)

    def test_types_of_relations(self) -> None:
        """Names L1: each is its own text."""
        self.assertEqual(RelationType.BELONGS_TO, "belongs_to")
        self.assertEqual(RelationType.HAS_MANY, "has_many")
        self.assertEqual([one.name.lower() for one in RelationType], [one.value for one in RelationType])

    def test_vector_enums(self) -> None:
        """Names E1 E5: each is its own text, and "euclid" is L2."""
        self.assertEqual([one.value for one in mini_orm.VectorMetric], ["cosine", "dot", "l2"])
        self.assertEqual([one.value for one in mini_orm.VectorIdPolicy], ["any", "uuid"])
        for enum in (mini_orm.VectorMetric, mini_orm.VectorIdPolicy):
            self.assertEqual([(one.name.lower(), one) for one in enum], [(one.value, one.value) for one in enum])
        self.assertIs(mini_orm.VectorMetric("euclid"), mini_orm.VectorMetric.L2)

    def test_vector_repositories(self) -> None:
        """Names E1: their arguments, and those of the store that needs nothing."""
        made = "store, collection, *, dimension, metric='cosine', auto_create=True, overwrite=False, payload_codec=None"
        self.assertEqual(parameters(mini_orm.VectorRepository), f"({made})")
        self.assertEqual(parameters(mini_orm.InMemoryVectorStore), "()")
        for name, text in {
            "create_collection": "(*, overwrite=False)",
            "upsert": "(records, *, batch_size=None, progress=None)",
            "query": "(vector, *, top_k=10, filters=None)",
            "query_many": "(vectors, *, top_k=10, filters=None)",
            "fetch": "(ids=None)",
            "delete": "(ids)",
            "delete_where": "(filters)",
            "count": "(filters=None)",
        }.items():
            with self.subTest(name=name):
                self.assertEqual(parameters(getattr(mini_orm.VectorRepository, name)), text)

    def test_what_c_builds(self) -> None:
        """Names Q1 Q9: each method of `C` gives the value class that the contract says, as data."""
        self.assertEqual(C.eq("x", None), Condition("x", "=", None))
        operators = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "like": "LIKE"}
        for method, op in operators.items():
            with self.subTest(method=method):
                self.assertEqual(getattr(C, method)("x", "v"), Condition("x", op, "v"))
        for method, op in {"is_null": "IS NULL", "is_not_null": "IS NOT NULL"}.items():
            self.assertEqual(getattr(C, method)("x"), Condition("x", op, is_unary=True))
        found = C.in_("x", iter([1, 2]))
        self.assertEqual((found.op, list(found.values or ())), ("IN", [1, 2]))
        one, two = C.eq("a", 1), C.eq("b", 2)
        for group, operator in (
            (C.and_(one, two), "AND"),
            (one & two, "AND"),
            (C.or_([one, two]), "OR"),
            (one | two, "OR"),
        ):
            self.assertEqual(group, ConditionGroup(operator, (one, two)))
        for inverted in (C.not_(one), ~one):
            self.assertEqual(inverted, NotCondition(one))

    def test_reprs_are_code(self) -> None:
        """Names: a value prints as the call that makes it."""
        for value in (Condition("age", ">", 3), OrderBy("age", True), IndexSpec(("a",)), NotCondition(C.eq("a", 1))):
            with self.subTest(value=value):
                self.assertEqual(eval(repr(value), vars(mini_orm).copy()), value)
                self.assertTrue(re.match(rf"{type(value).__name__}\(", repr(value)))
