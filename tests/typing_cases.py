"""What type checkers see: `tests/test_typing.py` runs mypy over this file; nothing here is ever called.

Each `assert_type` is a promise to users' editors. A `type: ignore` marks a mistake that has to be refused: under
`--strict` one that refuses nothing is itself an error.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import Any, assert_type

from mini_orm import (
    AsyncDatabase,
    AsyncRelatedResult,
    AsyncRepository,
    AsyncSession,
    AsyncUnifiedRepository,
    AsyncVectorRepository,
    C,
    Condition,
    ConditionGroup,
    Database,
    F,
    IndexSpec,
    InMemoryVectorStore,
    JsonVectorPayloadCodec,
    MySQLDialect,
    NotCondition,
    OrderBy,
    RelatedResult,
    RelationSpec,
    RelationType,
    Repository,
    Session,
    SQLiteDialect,
    UnifiedRepository,
    UniqueViolation,
    VectorMetric,
    VectorRecord,
    VectorRepository,
    VectorSearchResult,
    WhereInput,
    apply_schema,
    apply_schema_async,
    create_index_sql,
    create_indexes_sql,
    create_schema_sql,
    create_table_sql,
    ensure_schema,
    ensure_schema_async,
    model_relations,
)


@dataclass
class User:
    name: str
    age: int | None = None
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Other:
    id: int = field(metadata={"pk": True})


def repository(db: Database) -> None:
    """The verbs of `Repository[User]`."""
    users = Repository(db, User)
    assert_type(users, Repository[User])
    assert_type(users.insert(User("Ann")), User)
    assert_type(users.insert_many([User("Ann")]), list[User])
    assert_type(users.insert_many(User(str(n)) for n in range(3)), list[User])
    assert_type(users.insert_many([User("Ann")], returning=False), int)
    assert_type(users.insert_many([User("Ann")], returning=bool(db)), list[User] | int)
    assert_type(users.get(1), User | None)
    assert_type(users.list(), list[User])
    assert_type(users.list(C.eq("name", "Ann"), "-age", 10, 20), list[User])
    assert_type(users.list(where=[C.gt("age", 3)], order_by=[OrderBy("age"), "name"]), list[User])
    assert_type(users.update(User("Ann", id=1)), int)
    assert_type(users.delete(User("Ann", id=1)), int)
    assert_type(users.count(), int)
    assert_type(users.exists(C.is_null("age")), bool)
    assert_type(users.update_where({"age": F("age") + 1}, where=C.eq("id", 1)), int)
    assert_type(users.delete_where(allow_all=True), int)
    assert_type(users.get_or_create(lookup={"id": 1}, defaults={"name": "Ann"}), tuple[User, bool])
    user, created = users.get_or_create(lookup={"id": 1})
    assert_type(user, User)
    assert_type(created, bool)
    for each in users.list():
        assert_type(each.name, str)
    for one in users.iterate(C.eq("name", "Ann"), "-age", 100):
        assert_type(one, User)
    with closing(users.iterate()) as iteration:
        assert_type(next(iteration), User)


def repository_mistakes(db: Database, adb: AsyncDatabase) -> None:
    """Calls that have to be refused."""
    users = Repository(db, User)
    users.insert(Other(1))  # type: ignore[arg-type]
    users.insert_many([Other(1)])  # type: ignore[list-item]
    users.insert_many([User("Ann")], False)  # type: ignore[call-overload]
    users.update("Ann")  # type: ignore[arg-type]
    print(users.get(1).name)  # type: ignore[union-attr]
    users.list(limit="3")  # type: ignore[arg-type]
    users.list(where="age > 3")  # type: ignore[arg-type]
    users.iterate(batch_size="3")  # type: ignore[arg-type]
    users.iterate(limit=3)  # type: ignore[call-arg]
    users.update_where({"age": 1}, C.eq("id", 1))  # type: ignore[call-arg]
    users.get_or_create({"id": 1})  # type: ignore[call-arg]
    users.inser(User("Ann"))  # type: ignore[attr-defined]
    Repository(adb, User)  # type: ignore[arg-type]
    AsyncRepository(db, User)  # type: ignore[arg-type]
    db.transaction(isolation="snapshot")  # type: ignore[arg-type]
    MySQLDialect("oracle")  # type: ignore[arg-type]
    OrderBy("age", nulls="middle")  # type: ignore[arg-type]
    C.eq("a", 1).op = "<"  # type: ignore[misc]


async def repository_async(db: AsyncDatabase) -> None:
    """The same verbs, awaited."""
    users = AsyncRepository(db, User)
    assert_type(users, AsyncRepository[User])
    assert_type(await users.insert(User("Ann")), User)
    assert_type(await users.insert_many([User("Ann")]), list[User])
    assert_type(await users.insert_many([User("Ann")], returning=False), int)
    assert_type(await users.get(1), User | None)
    assert_type(await users.list(C.eq("name", "Ann"), "-age", 10, 20), list[User])
    assert_type(await users.update(User("Ann", id=1)), int)
    assert_type(await users.delete(User("Ann", id=1)), int)
    assert_type(await users.count(), int)
    assert_type(await users.exists(), bool)
    assert_type(await users.update_where({"age": 1}, allow_all=True), int)
    assert_type(await users.delete_where(where=C.eq("id", 1)), int)
    assert_type(await users.get_or_create(lookup={"id": 1}), tuple[User, bool])
    async for one in users.iterate(C.eq("name", "Ann"), "-age", 100):
        assert_type(one, User)
    async with aclosing(users.iterate()) as iteration:
        assert_type(await anext(iteration), User)
    await users.insert(Other(1))  # type: ignore[arg-type]
    users.list()[0]  # type: ignore[index]
    await users.iterate()  # type: ignore[misc]


def relations(db: Database) -> None:
    """Results know the object's class; what is related to it can be anything."""
    users, hub = Repository(db, User), UnifiedRepository(db)
    assert_type(users.create(User("Ann"), relations={"others": [Other(1)], "boss": None}), User)
    assert_type(users.get_related(1, include="others"), RelatedResult[User] | None)
    found = users.list_related(include=["others", "others.users"], where=C.eq("name", "Ann"), order_by="id", limit=3)
    assert_type(found, list[RelatedResult[User]])
    for one in found:
        assert_type(one.obj, User)
        assert_type(one.relations["others"], Any)
    assert_type(users.link(User("Ann", id=1), "others", [Other(1)]), int)
    assert_type(users.unlink(User("Ann", id=1), "others", (Other(1),)), int)
    assert_type(hub.create(User("Ann"), relations={"others": []}), User)
    assert_type(hub.create(User, User("Ann"), relations=None), User)
    assert_type(hub.get_related(User, 1, include="others"), RelatedResult[User] | None)
    assert_type(hub.list_related(User, include={"others"}), list[RelatedResult[User]])
    assert_type(hub.link(User("Ann", id=1), "others", [Other(1)]), int)
    assert_type(hub.unlink(User("Ann", id=1), "others", [Other(1)]), int)
    assert_type(hub.link(User, User("Ann", id=1), "others", [Other(1)]), int)
    assert_type(hub.unlink(User, User("Ann", id=1), name="others", others=[Other(1)]), int)
    assert_type(model_relations(User), dict[str, RelationSpec])
    assert_type(model_relations(User)["others"].relation_type, RelationType | None)
    RelationSpec("others", Other, "id", ("id",), RelationType.HAS_MANY, many=True)
    users.get_related(1)  # type: ignore[call-arg]
    users.get_related(1, "others")  # type: ignore[call-arg]
    users.list_related(include=3)  # type: ignore[arg-type]
    users.create(User("Ann"), {"others": []})  # type: ignore[call-arg]
    users.create(User("Ann"), relations=[])  # type: ignore[arg-type]
    users.link(Other(1), "others", [])  # type: ignore[arg-type]
    hub.link(User("Ann", id=1), "others")  # type: ignore[call-overload]
    found[0].obj = User("Bob")  # type: ignore[misc]


async def relations_async(db: AsyncDatabase) -> None:
    """The async twin."""
    users, hub = AsyncRepository(db, User), AsyncUnifiedRepository(db)
    assert_type(await users.create(User("Ann"), relations={"others": [Other(1)]}), User)
    assert_type(await users.get_related(1, include="others"), AsyncRelatedResult[User] | None)
    assert_type(await users.list_related(include="others"), list[RelatedResult[User]])
    assert_type(await users.link(User("Ann", id=1), "others", [Other(1)]), int)
    assert_type(await hub.create(User, User("Ann"), relations={}), User)
    assert_type(await hub.list_related(User, include="others"), list[RelatedResult[User]])
    assert_type(await hub.unlink(User("Ann", id=1), "others", [Other(1)]), int)
    assert_type(await hub.link(User, User("Ann", id=1), "others", [Other(1)]), int)


def registration(db: Database) -> None:
    """Flags, and what `register` returns."""
    users = Repository(db, User, auto_schema=True, schema_conflict="recreate", require_registration=True)
    assert_type(users, Repository[User])
    users.register(ensure=False)
    users.register_many()
    assert_type(users.is_registered(), bool)
    users.register(True)  # type: ignore[call-arg]
    users.register(ensure="yes")  # type: ignore[arg-type]
    Repository(db, User, True)  # type: ignore[call-arg]
    Repository(db, User, schema_conflict="drop")  # type: ignore[arg-type]


def hub(db: Database) -> None:
    """The verbs of the hub know their model, in both forms."""
    hub = UnifiedRepository(db, auto_schema=True, schema_conflict="raise", require_registration=False)
    assert_type(hub.db, Database)
    assert_type(hub.repo(User), Repository[User])
    assert_type(hub.insert(User("Ann")), User)
    assert_type(hub.insert(User, User("Ann")), User)
    assert_type(hub.insert(User, obj=User("Ann")), User)
    assert_type(hub.create(User("Ann")), User)
    assert_type(hub.create(User, User("Ann")), User)
    assert_type(hub.insert_many([User("Ann")]), list[User])
    assert_type(hub.insert_many(User, [User("Ann")]), list[User])
    assert_type(hub.insert_many(User(str(n)) for n in range(3)), list[User])
    assert_type(hub.insert_many(User, (User(str(n)) for n in range(3))), list[User])
    assert_type(hub.insert_many([User("Ann")], returning=False), int)
    assert_type(hub.insert_many(User, [User("Ann")], returning=False), int)
    assert_type(hub.get(User, 1), User | None)
    assert_type(hub.list(User), list[User])
    assert_type(hub.list(User, C.eq("name", "Ann"), "-age", 10, 20), list[User])
    assert_type(list(hub.iterate(User, batch_size=10)), list[User])
    assert_type(hub.update(User("Ann", id=1)), int)
    assert_type(hub.update(User, User("Ann", id=1)), int)
    assert_type(hub.delete(User("Ann", id=1)), int)
    assert_type(hub.delete(User, User("Ann", id=1)), int)
    assert_type(hub.count(User, C.is_null("age")), int)
    assert_type(hub.exists(User), bool)
    assert_type(hub.update_where(User, {"age": F("age") + 1}, where=C.eq("id", 1)), int)
    assert_type(hub.delete_where(User, allow_all=True), int)
    assert_type(hub.get_or_create(User, lookup={"id": 1}, defaults={"name": "Ann"}), tuple[User, bool])
    assert_type(hub.register(User), Repository[User])
    assert_type(hub.register(Other, False), Repository[Other])
    hub.register_many([User, Other], ensure=True)
    assert_type(hub.is_registered(User), bool)


def hub_mistakes(db: Database, adb: AsyncDatabase) -> None:
    """Calls that have to be refused."""
    hub = UnifiedRepository(db)
    hub.insert()  # type: ignore[call-overload]
    hub.insert(User, User("Ann"), 3)  # type: ignore[call-overload]
    hub.insert(User("Ann"), User)  # type: ignore[call-overload]
    hub.insert_many(User("Ann"))  # type: ignore[call-overload]
    hub.insert_many(User)  # type: ignore[call-overload]
    hub.get(User("Ann"), 1)  # type: ignore[arg-type]
    hub.get(User)  # type: ignore[call-arg]
    hub.list("User")  # type: ignore[arg-type]
    hub.get_or_create(User, {"id": 1})  # type: ignore[call-arg]
    hub.register_many(User)  # type: ignore[arg-type]
    hub.insrt(User("Ann"))  # type: ignore[attr-defined]
    print(hub.get(User, 1).name)  # type: ignore[union-attr]
    UnifiedRepository(adb)  # type: ignore[arg-type]
    AsyncUnifiedRepository(db)  # type: ignore[arg-type]
    UnifiedRepository(db, schema_conflict="drop")  # type: ignore[arg-type]


async def hub_async(db: AsyncDatabase) -> None:
    """The same verbs, awaited; `repo` and `is_registered` are plain."""
    hub = AsyncUnifiedRepository(db, auto_schema=True)
    assert_type(hub.db, AsyncDatabase)
    assert_type(hub.repo(User), AsyncRepository[User])
    assert_type(await hub.insert(User("Ann")), User)
    assert_type(await hub.insert(User, User("Ann")), User)
    assert_type(await hub.create(User, obj=User("Ann")), User)
    assert_type(await hub.insert_many([User("Ann")]), list[User])
    assert_type(await hub.insert_many(User, [User("Ann")]), list[User])
    assert_type(await hub.get(User, 1), User | None)
    assert_type(await hub.list(User, where=[C.gt("age", 3)]), list[User])
    assert_type([one async for one in hub.iterate(User, order_by="age")], list[User])
    assert_type(await hub.update(User("Ann", id=1)), int)
    assert_type(await hub.delete(User, User("Ann", id=1)), int)
    assert_type(await hub.count(User), int)
    assert_type(await hub.exists(User), bool)
    assert_type(await hub.update_where(User, {"age": 1}, allow_all=True), int)
    assert_type(await hub.delete_where(User, where=C.eq("id", 1)), int)
    assert_type(await hub.get_or_create(User, lookup={"id": 1}), tuple[User, bool])
    assert_type(await hub.register(User), AsyncRepository[User])
    await hub.register_many([User, Other])
    assert_type(hub.is_registered(User), bool)
    await hub.repo(User).register(ensure=True)
    assert_type(hub.repo(User).is_registered(), bool)
    print(hub.get(User, 1).name)  # type: ignore[attr-defined]


def session(db: Database, adb: AsyncDatabase) -> int:
    """A session is a hub; entering it, or a transaction of it, gives the session, and hides no error."""
    made = Session(db, auto_schema=True, require_registration=True)
    hub: UnifiedRepository = made
    assert_type(made.insert(User("Ann")), User)
    assert_type(made.repo(User), Repository[User])
    assert_type(made.db, Database)
    assert_type(made.hub, UnifiedRepository)
    with made as inside:
        assert_type(inside, Session)
        with inside.begin(isolation="serializable", read_only=True) as inner:
            assert_type(inner, Session)
    hub = made.hub
    Session(adb)  # type: ignore[arg-type]
    made.begin(isolation="snapshot")  # type: ignore[arg-type]
    with made.transaction() as inside:
        return hub.count(User) + inside.count(User)


async def session_async(db: AsyncDatabase) -> int:
    """The async twin."""
    made = AsyncSession(db, schema_conflict="recreate")
    hub: AsyncUnifiedRepository = made
    assert_type(await made.insert(User("Ann")), User)
    assert_type(made.repo(User), AsyncRepository[User])
    assert_type(made.db, AsyncDatabase)
    assert_type(made.hub, AsyncUnifiedRepository)
    async with made as inside:
        assert_type(inside, AsyncSession)
        async with inside.begin(isolation="serializable") as inner:
            assert_type(inner, AsyncSession)
    hub = made.hub
    with made:  # type: ignore[attr-defined]
        pass
    async with made.transaction(read_only=True) as inside:
        return await hub.count(User) + await inside.count(User)


def transactions(db: Database) -> None:
    """`transaction` yields a `Database`; `run_in_transaction` returns what the function returns."""
    with db.transaction(isolation="serializable") as tx:
        assert_type(tx, Database)
        assert_type(Repository(tx, User).get(1), User | None)
        with tx.transaction(read_only=True) as inner:
            assert_type(inner, Database)

    def counted(tx: Database) -> int:
        return Repository(tx, User).count()

    def found(tx: Database) -> User | None:
        return Repository(tx, User).get(1)

    assert_type(db.run_in_transaction(counted), int)
    assert_type(db.run_in_transaction(found, retries=5, isolation="repeatable read"), User | None)
    assert_type(db.run_in_transaction(lambda tx: Repository(tx, User).list()), list[User])
    with Database(db.conn, SQLiteDialect(), joined=True) as other:
        assert_type(other, Database)


def a_transaction_hides_no_error(db: Database) -> int:
    """A `with db.transaction()` block never swallows an exception, so code after a return is not asked for."""
    with db.transaction() as tx:
        return Repository(tx, User).count()


async def transactions_async(db: AsyncDatabase) -> int:
    """The same with `async with` and coroutine functions."""
    async with db.transaction(isolation="serializable") as tx:
        assert_type(tx, AsyncDatabase)

    async def counted(tx: AsyncDatabase) -> int:
        return await AsyncRepository(tx, User).count()

    assert_type(await db.run_in_transaction(counted, retries=1), int)
    await db.run_in_transaction(lambda tx: 3)  # type: ignore[arg-type,return-value]
    async with AsyncDatabase(db.conn) as other:
        assert_type(other, AsyncDatabase)
    async with db.transaction() as tx:
        return await AsyncRepository(tx, User).count()


def raw_sql(db: Database) -> None:
    """Rows by name, and a `Result` that iterates over tuples."""
    row = db.fetchone("SELECT 1 AS one WHERE ? > 0", [1])
    if row is not None:
        value: Any = row["one"]
        del value
    for each in db.fetchall("SELECT 1 AS one"):
        list(each.keys())
    result = db.execute("SELECT 1")
    assert_type(result.rowcount, int)
    rows: list[tuple[Any, ...]] = result.fetchall()
    tuples: Iterator[tuple[Any, ...]] = iter(result)
    del rows, tuples


def queries() -> None:
    """Conditions are plain values."""
    assert_type(C.eq("a", 1), Condition)
    assert_type(C.eq("a", 1) & C.ne("b", 2), ConditionGroup)
    assert_type(C.or_(C.eq("a", 1), C.eq("b", 2)), ConditionGroup)
    assert_type(C.and_([C.eq("a", 1), ~C.eq("b", 2)]), ConditionGroup)
    assert_type(~(C.eq("a", 1) | C.is_null("b")), NotCondition)
    assert_type(C.gt("spent", F("budget")), Condition)
    where: WhereInput = [C.eq("a", 1), C.not_(C.in_("b", range(3)))]
    where = None
    del where


def schema(db: Database) -> None:
    """Texts and lists of texts."""
    dialect = SQLiteDialect()
    assert_type(create_table_sql(User, dialect), str)
    assert_type(create_index_sql(User, dialect, "name", unique=True, name="x", if_not_exists=True), str)
    assert_type(create_indexes_sql(User, dialect, if_not_exists=True), list[str])
    assert_type(create_schema_sql(User, MySQLDialect("mariadb")), list[str])
    assert_type(apply_schema(db, User), list[str])
    assert_type(apply_schema(db, [User, Other], if_not_exists=True), list[str])
    assert_type(ensure_schema(db, User), list[str])
    assert_type(ensure_schema(db, [User, Other], schema_conflict="recreate"), list[str])
    ensure_schema(db, User, schema_conflict="drop")  # type: ignore[arg-type]
    IndexSpec(("a", "b"), unique=True)


async def schema_async(db: AsyncDatabase) -> None:
    """The async twin."""
    assert_type(await apply_schema_async(db, [User, Other]), builtins.list[str])
    assert_type(await ensure_schema_async(db, User, schema_conflict="raise"), builtins.list[str])


def errors(db: Database) -> None:
    """What a database refused has attributes."""
    try:
        Repository(db, User).insert(User("Ann"))
    except UniqueViolation as exc:
        table: str | None = exc.table
        constraint: str | None = exc.constraint
        del table, constraint


def vectors() -> None:
    """The verbs of `VectorRepository`."""
    repo = VectorRepository(InMemoryVectorStore(), "c", dimension=2, metric=VectorMetric.L2)
    assert_type(repo.metric, VectorMetric)
    assert_type(repo.upsert([VectorRecord("a", (1.0, 2.0), {"k": 1})], batch_size=10, progress=print), None)
    assert_type(repo.query([1, 2], filters={"k": 1}), list[VectorSearchResult])
    assert_type(repo.query_many([[1, 2]], top_k=3, filters=C.ge("k", 1)), list[list[VectorSearchResult]])
    assert_type(repo.query([1, 2], filters=[C.ge("k", 1), C.is_null("l") | C.eq("l", "x")])[0].score, float)
    assert_type(repo.fetch(["a"]), list[VectorRecord])
    assert_type(repo.delete(["a"]) + repo.delete_where({"k": 1}) + repo.count(C.ne("k", 1)), int)
    repo.query([1, 2], filters="k")  # type: ignore[arg-type]
    repo.delete_where()  # type: ignore[call-arg]


async def vectors_async() -> None:
    """The async twin."""
    repo = AsyncVectorRepository(InMemoryVectorStore(), "c", dimension=2, payload_codec=JsonVectorPayloadCodec())
    assert_type(await repo.query([1, 2], filters=C.ge("k", 1)), builtins.list[VectorSearchResult])
    assert_type(await repo.fetch(), builtins.list[VectorRecord])
    assert_type(await repo.count(), int)
