"""What a repository sees to before it acts: `auto_schema` (S5) and registration (S6)."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import re
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mini_orm
from mini_orm import (
    C,
    F,
    NotRegisteredError,
    OrderBy,
    ProgrammingError,
    QueryError,
    SchemaConflictError,
    TransactionError,
)
from tests.backends import maybe_await, needs
from tests.contracts.crud import Outside, auto_key
from tests.contracts.transactions import LIMIT, Tools, quiet_log


@dataclass
class Author:
    name: str = field(metadata={"unique_index": True})
    id: int | None = auto_key()


@dataclass
class Book:
    title: str
    author_id: int | None = field(default=None, metadata={"fk": (Author, "id")})
    id: int | None = auto_key()


@dataclass
class Review:
    stars: int
    book_id: int | None = field(default=None, metadata={"fk": {"model": Book, "column": "id"}, "index": True})
    again_id: int | None = field(default=None, metadata={"fk": (Author, "id")})
    id: int | None = auto_key()


@dataclass
class Shelf:
    """Refers to tables by their names, one of them its own."""

    author_id: int | None = field(default=None, metadata={"fk": "author.id"})
    inside_id: int | None = field(default=None, metadata={"fk": "shelf.id"})
    id: int | None = auto_key()


@dataclass
class Topic:
    name: str
    id: int | None = auto_key()


@dataclass
class BookTopic:
    """A link."""

    book_id: int = field(metadata={"pk": True, "fk": (Book, "id")})
    topic_id: int = field(metadata={"pk": True, "fk": (Topic, "id")})


#: A model, what is asked of its repository over relations, and the models that this reaches, links last.
OVER_RELATIONS: tuple[tuple[type, Callable[[Any], Any], list[type]], ...] = (
    (Author, lambda repo: repo.list(where=C.none("books")), [Book]),
    (Author, lambda repo: repo.count(~C.any_("books", C.eq("title", "a"))), [Book]),
    (Author, lambda repo: repo.exists([C.eq("name", "a"), C.any_("books.reviews") | C.eq("id", 1)]), [Book, Review]),
    (Author, lambda repo: repo.list(where=C.any_("books", C.none("topics"))), [Book, Topic, BookTopic]),
    (Author, lambda repo: repo.list_related(include="books", where=C.any_("reviews")), [Book, Review]),
    (Book, lambda repo: repo.list(order_by="-author.name"), [Author]),
    (Book, lambda repo: repo.list_related(include="author", order_by=["id", OrderBy("author.id")]), [Author]),
    (Book, lambda repo: repo.update_where({"title": "b"}, where=C.eq("author.name", "a")), [Author]),
    (Book, lambda repo: repo.delete_where(where=C.any_("topics")), [Topic, BookTopic]),
    (Book, lambda repo: repo.count(C.eq("title", F("author.name"))), [Author]),
    (Review, lambda repo: repo.list(where=C.between("stars", F("book.author.id") * 2, 3)), [Book, Author]),
)


def actions(repo: Any) -> dict[str, tuple[Callable[[], Any], Any]]:
    """Return every verb as a call on a repository of `Author`, and its result where there are no rows."""
    return {
        "insert": (lambda: repo.insert(Author("Ann")), Author("Ann", 1)),
        "insert_many": (lambda: repo.insert_many([Author("Ann"), Author("Bob")]), [Author("Ann", 1), Author("Bob", 2)]),
        "create": (lambda: repo.create(Author("Ann")), Author("Ann", 1)),
        "get": (lambda: repo.get(1), None),
        "list": (lambda: repo.list(), []),
        "update": (lambda: repo.update(Author("Ann", 1)), 0),
        "delete": (lambda: repo.delete(Author("Ann", 1)), 0),
        "count": (lambda: repo.count(), 0),
        "exists": (lambda: repo.exists(C.eq("name", "Ann")), False),
        "update_where": (lambda: repo.update_where({"name": "Bob"}, where=C.eq("name", "Ann")), 0),
        "delete_where": (lambda: repo.delete_where(allow_all=True), 0),
        "get_or_create": (lambda: repo.get_or_create(lookup={"name": "Ann"}), (Author("Ann", 1), True)),
    }


class Schemas(Outside):
    """Ways to see what becomes of a schema; a part of the contracts."""

    within = Tools.within

    def auto(self, model: type, db: Any = None, **flags: Any) -> Any:
        """Return a repository that looks after its schema."""
        return self.repo(model, db, auto_schema=True, **flags)

    def tables(self) -> list[str]:
        """Return the names of the tables that are committed."""
        return self.backend.tables()

    async def sent(self, action: Callable[[], Any]) -> list[str]:
        """Return the statements that an action runs."""
        seen = await self.trace()
        await maybe_await(action())
        return list(seen)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Let the other threads or tasks go on until something is so."""
        deadline = time.monotonic() + LIMIT
        while not is_so():
            self.assertLess(time.monotonic(), deadline, "it never came to that")
            if self.is_async:
                await asyncio.sleep(0)
            else:
                time.sleep(0)

    def is_looked_after(self, db: Any = None) -> bool:
        """Whether somebody looks after a schema outside of a transaction, or waits to do so."""
        return not (db or self.db)._registry.lock.free

    def pooled(self, size: int) -> tuple[Any, list[str]]:
        """Return a database on a pool, and a list that grows with every statement that its connections run."""
        seen: list[str] = []

        pool = self.backend.traced_pool(seen.append, max_size=size)
        self.addAsyncCleanup(self.shut, pool)
        dialect = [] if self.backend.supports_own_connect else [self.db.dialect]
        return self.backend.database(pool, *dialect), seen

    async def shut(self, pool: mini_orm.PoolConnector) -> None:
        await maybe_await(pool.close())


class AutoSchemaContract(Schemas):
    """S5: the schema is there before the first action, and is made once."""

    async def test_before_the_first_action_of_any_kind(self) -> None:
        """S5: each verb finds its table made, with its index, and gives what it gives on an empty one."""
        for verb in actions(None):
            with self.subTest(verb=verb):
                db = await self.open(**self.backend.other(verb))
                action, expected = actions(self.auto(Author, db))[verb]
                self.assertEqual(await maybe_await(action()), expected)
                place = self.backend.other(verb)
                self.assertEqual(self.backend.tables(**place), ["author"])
                self.assertEqual(self.backend.indexes(**place), ["uidx_author_name"])

    async def test_only_where_it_is_asked_for(self) -> None:
        """S5: a repository makes nothing by itself, also where another model's has made its own."""
        await maybe_await(self.auto(Author).count())
        with self.assertRaises(ProgrammingError):
            await maybe_await(self.repo(Book).count())
        self.assertEqual(self.tables(), ["author"])

    async def test_once_for_a_database_and_a_model(self) -> None:
        """S5: afterwards no statement is added to an action: of this repository, another, or on another `Database`."""
        await maybe_await(self.auto(Book).count())
        for model in (Book, Author):
            plain = await self.sent(lambda model=model: self.repo(model).count())
            repo = self.auto(model)
            self.assertEqual(await self.sent(lambda repo=repo: repo.count()), plain)
            self.assertEqual(await self.sent(lambda repo=repo: repo.count()), plain)
            other = self.auto(model, self.backend.database(self.db.conn))
            self.assertEqual(await self.sent(lambda other=other: other.count()), plain)

    async def test_each_database_looks_for_itself(self) -> None:
        """S5: what one connection has found is not taken for true on another one."""
        first, second = self.db, await self.open()
        await maybe_await(self.auto(Author, first).insert(Author("Ann")))
        seen = await self.trace(second)
        self.assertEqual(await maybe_await(self.auto(Author, second).count()), 1)
        self.assertGreater(len(seen), len(await self.sent(lambda: self.repo(Author).count())))
        self.assertEqual([sql for sql in seen if sql.startswith("CREATE")], [])

    async def test_what_ensure_schema_has_seen(self) -> None:
        """S5: a model that `ensure_schema` was called for is there, and is not looked at again."""
        ensure = mini_orm.ensure_schema_async if self.is_async else mini_orm.ensure_schema
        await maybe_await(ensure(self.db, [Author, Book]))
        plain = await self.sent(lambda: self.repo(Book).count())
        self.assertEqual(await self.sent(lambda: self.auto(Book).count()), plain)

    async def test_targets_of_foreign_keys(self) -> None:
        """S5: the models that foreign keys refer to come first, however far, each once."""
        seen = await self.trace()
        await maybe_await(self.auto(Review).insert(Review(3)))
        made = [re.split('["`]', sql)[1] for sql in seen if sql.startswith("CREATE TABLE")]
        self.assertEqual(made, ["author", "book", "review"])
        await maybe_await(self.auto(Shelf).insert(Shelf()))
        self.assertEqual(self.tables(), ["author", "book", "review", "shelf"])

    async def test_what_filters_and_orders_lead_to(self) -> None:
        """S5 L7: models on a path, links too, are made before an action that goes over them, and once."""
        for number, (model, ask, reached) in enumerate(OVER_RELATIONS):
            with self.subTest(number, model=model):
                db = await self.open(**self.backend.other(str(number)))
                repo = self.auto(model, db)
                self.assertFalse(await maybe_await(ask(repo)))
                self.assertTrue({model, *reached} <= set(db._registry.ready))
                seen = await self.trace(db)
                await maybe_await(ask(repo))
                again = list(seen)
                seen.clear()
                await maybe_await(ask(self.repo(model, db)))
                self.assertEqual(again, seen)

    async def test_a_filter_that_leads_nowhere_else(self) -> None:
        """S5 Q11: nothing is made for the sake of a value with a dot, of `F`, or of a path that is refused."""
        repo = self.auto(Author)
        dotted = C.in_("name", ["books.title"]) | C.eq("name", "books.id") | C.between("id", 1, F("id") + 1)
        self.assertEqual(await maybe_await(repo.list(where=[dotted], order_by=["name", OrderBy("id")])), [])
        for where in (C.eq("books.title", "a"), C.any_("boks"), C.any_("books", C.eq("titel", "a")), "books.id = 1"):
            with self.assertRaises(QueryError):
                await maybe_await(repo.count(where))
        with self.assertRaises(QueryError):
            await maybe_await(repo.list(order_by="books.title"))
        self.assertEqual(self.tables(), ["author"])

    async def test_an_older_table_is_brought_up_to_date(self) -> None:
        """S5: what `ensure_schema` does, and not only CREATE TABLE."""
        old = self.versions()[0]
        await self.table(old, [old("kept")])
        new = self.versions()[1]
        self.assertEqual(await maybe_await(self.auto(new).list()), [new("kept", None, 1)])

    async def test_a_class_that_is_defined_again(self) -> None:
        """S5 M6: it is another model, and its table is looked at again."""
        old, new = self.versions()
        await maybe_await(self.auto(old).insert(old("kept")))
        self.assertEqual(await maybe_await(self.auto(new).list()), [new("kept", None, 1)])

    @staticmethod
    def versions() -> tuple[Any, Any]:
        """Return two classes of one name and table; the second has a column more."""

        @dataclass
        class Note:
            text: str
            id: int | None = auto_key()

        first = Note

        @dataclass
        class Note:  # type: ignore[no-redef]
            text: str
            mark: str | None = None
            id: int | None = auto_key()

        return first, Note

    async def test_a_failure_is_not_remembered(self) -> None:
        """S5 S3: every action fails until the table is as it should be, and changes nothing; then it works."""
        await maybe_await(
            self.db.execute("CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT, must TEXT NOT NULL)")
        )
        repo, child = self.auto(Author), self.auto(Book)
        for _ in range(2):
            with self.assertRaises(SchemaConflictError):
                await maybe_await(repo.insert(Author("Ann")))
            with self.assertRaises(SchemaConflictError):
                await maybe_await(child.count())
        self.assertEqual(self.tables(), ["author"])
        await maybe_await(self.db.execute("DROP TABLE author"))
        self.assertEqual(await maybe_await(child.count()), 0)
        self.assertEqual((await maybe_await(repo.insert(Author("Ann")))).id, 1)

    async def test_recreate(self) -> None:
        """S5 S3: `schema_conflict="recreate"` makes the table anew, once, with a warning in the log."""
        await maybe_await(
            self.db.execute("CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT, must TEXT NOT NULL)")
        )
        repo = self.auto(Author, schema_conflict="recreate")
        with self.assertLogs("mini_orm", "WARNING"):
            self.assertEqual(await maybe_await(repo.count()), 0)
        await maybe_await(repo.insert(Author("Ann")))
        self.assertEqual(await maybe_await(self.auto(Author, schema_conflict="recreate").count()), 1)

    async def test_unknown_ways_to_deal_with_conflicts(self) -> None:
        """S5: a ValueError that says what is allowed, when the repository or the hub is made, whatever else it does."""
        for wrong in ("drop", "", None, True, ["raise"]):
            for flags in ({}, {"auto_schema": True}):
                with self.subTest(wrong=wrong), self.assertRaisesRegex(ValueError, "'raise', 'recreate'"):
                    self.repo(Author, schema_conflict=wrong, **flags)
                with self.subTest(wrong=wrong), self.assertRaisesRegex(ValueError, "'raise', 'recreate'"):
                    self.hub(schema_conflict=wrong, **flags)

    async def test_models_go_with_their_last_user(self) -> None:
        """S5 S6 M6: what is known of a model does not keep its class."""
        model = self.versions()[0]
        await maybe_await(self.auto(model).insert(model("gone")))
        await maybe_await(self.repo(model).register())
        gone = weakref.ref(model)
        del model
        await maybe_await(self.db.execute("SELECT 1"))  # so that no worker has the last operation at hand
        gc.collect()
        self.assertIsNone(gone())


class AutoSchemaInTransactionsContract(Schemas):
    """S5: inside of a transaction the schema is made in it, and goes with it."""

    @needs("supports_transactional_ddl")
    async def test_it_joins_the_transaction(self) -> None:
        """S5: nobody else sees the table before the commit; inside it is looked at once, and afterwards not again."""
        async with self.transaction() as tx:
            first = await self.sent(lambda: self.auto(Author, tx).insert(Author("Ann")))
            self.assertEqual(self.tables(), [])
            plain = await self.sent(lambda: self.repo(Author, tx).count())
            self.assertGreater(len(first), len(plain) + 2)
            for repo in (self.auto(Author, tx), self.auto(Author)):
                self.assertEqual(await self.sent(lambda repo=repo: repo.count()), plain)
        self.assertEqual(self.rows("SELECT name FROM author"), [("Ann",)])
        plain = await self.sent(lambda: self.repo(Author).count())
        self.assertEqual(await self.sent(lambda: self.auto(Author).count()), plain)

    @needs("supports_transactional_ddl")
    async def test_it_is_rolled_back_with_it(self) -> None:
        """S5: the next action makes it again, of the same repository, too."""
        repo = self.auto(Book)
        for _ in range(2):
            with self.assertRaises(ZeroDivisionError):
                async with self.transaction():
                    await maybe_await(repo.insert(Book("gone")))
                    raise ZeroDivisionError
            self.assertEqual(self.tables(), [])
        self.assertEqual((await maybe_await(repo.insert(Book("kept")))).id, 1)
        self.assertEqual(self.tables(), ["author", "book"])

    @needs("supports_transactional_ddl")
    async def test_what_filters_and_orders_lead_to(self) -> None:
        """S5 L7: the tables of models on a path join the transaction, too, and go with it."""
        repo = self.auto(Author)
        await maybe_await(repo.count())
        for _ in range(2):
            with self.assertRaises(ZeroDivisionError):
                async with self.transaction() as tx:
                    for one in (repo, self.auto(Author, tx)):
                        self.assertEqual(await maybe_await(one.list(where=C.any_("books.topics"))), [])
                    raise ZeroDivisionError
            self.assertEqual(self.tables(), ["author"])
        self.assertEqual(await maybe_await(repo.list(where=C.any_("books.topics"))), [])
        self.assertEqual(self.tables(), ["author", "book", "booktopic", "topic"])

    @needs("supports_transactional_ddl")
    async def test_savepoints(self) -> None:
        """S5: what was made under a savepoint goes with it, and stays with its release as long as the rest does."""
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                with contextlib.suppress(ValueError):
                    async with self.transaction(tx) as inner:
                        await maybe_await(self.auto(Author, inner).insert(Author("gone")))
                        raise ValueError
                self.assertEqual(await maybe_await(self.auto(Author, tx).count()), 0)
                async with self.transaction(tx) as inner:
                    await maybe_await(self.auto(Book, inner).insert(Book("gone")))
                plain = await self.sent(lambda: self.repo(Book, tx).count())
                self.assertEqual(await self.sent(lambda: self.auto(Book, tx).count()), plain)
                raise ZeroDivisionError
        self.assertEqual(self.tables(), [])
        self.assertEqual(await maybe_await(self.auto(Book).count()), 0)
        self.assertEqual(self.tables(), ["author", "book"])

    @needs("supports_transactional_ddl")
    async def test_a_transaction_that_is_the_users(self) -> None:
        """S5 X2: a raw BEGIN is joined, too; after its ROLLBACK the schema is made again."""
        repo = self.auto(Author)
        await maybe_await(self.db.execute("BEGIN"))
        await maybe_await(repo.insert(Author("gone")))
        await maybe_await(repo.insert(Author("gone, too")))
        async with self.transaction():
            await maybe_await(repo.insert(Author("and this")))
        await maybe_await(self.db.execute("ROLLBACK"))
        self.assertEqual(self.tables(), [])
        self.assertEqual(await maybe_await(repo.count()), 0)
        self.assertEqual(self.tables(), ["author"])

    async def test_a_read_only_transaction(self) -> None:
        """S5: it is refused only if something has to be made, and that is not remembered."""
        with self.assertRaises(TransactionError):
            async with self.transaction(read_only=True) as tx:
                await maybe_await(self.auto(Author, tx).count())
        await self.create_tables(Author)
        async with self.transaction(read_only=True) as tx:
            self.assertEqual(await maybe_await(self.auto(Author, tx).count()), 0)
        self.assertEqual((await maybe_await(self.auto(Author).insert(Author("Ann")))).id, 1)

    @needs("supports_transactional_ddl")
    async def test_a_conflict_leaves_the_transaction_usable(self) -> None:
        """S5: the error comes before the action, and what was done before stays."""
        await maybe_await(
            self.db.execute("CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT, must TEXT NOT NULL)")
        )
        async with self.transaction() as tx:
            await maybe_await(self.auto(Shelf, tx).insert(Shelf()))
            with self.assertRaises(SchemaConflictError):
                await maybe_await(self.auto(Author, tx).insert(Author("Ann")))
        self.assertEqual(self.tables(), ["author", "shelf"])

    async def test_a_transaction_that_has_ended(self) -> None:
        """S5 X4: its `tx` makes no schema any more."""
        async with self.transaction() as tx:
            pass
        with self.assertRaises(TransactionError):
            await maybe_await(self.auto(Author, tx).count())
        self.assertEqual(self.tables(), [])


class AutoSchemaAtOnceContract(Schemas):
    """S5: many users at once."""

    async def test_many_first_actions_at_once(self) -> None:
        """S5: threads or tasks on one connection: the schema is looked at once, and everybody finds it."""
        await maybe_await(self.db.fetchone("SELECT 1"))  # makes the connection ready
        expected = await self.sent(lambda: self.auto(Author).count())
        plain = await self.sent(lambda: self.repo(Author).count())
        await maybe_await(self.db.execute("DROP TABLE author"))
        self.db._registry.ready.clear()
        seen = await self.trace()

        async def work() -> int:
            count: int = await maybe_await(self.auto(Author).count())
            return count

        self.assertEqual(await self.within(self.together([work] * 8)), [0] * 8)
        self.assertEqual(sum(sql.startswith("CREATE TABLE") for sql in seen), 1)
        self.assertEqual(len(seen), len(expected) + 7 * len(plain))

    async def test_many_connections_at_once(self) -> None:
        """S5 X3: each looks for itself, one of them makes it, and no one is told that it is there already."""
        databases = [await self.open() for _ in range(4)]

        async def work(db: Any, number: int) -> int:
            await maybe_await(self.auto(Review, db).insert(Review(number)))
            count: int = await maybe_await(self.auto(Book, db).count())
            return count

        works = [lambda db=db, number=number: work(db, number) for number, db in enumerate(databases)]
        self.assertEqual(await self.within(self.together(works)), [0] * 4)
        self.assertEqual(self.rows("SELECT stars FROM review ORDER BY 1"), [(0,), (1,), (2,), (3,)])

    @needs("supports_transactional_ddl")
    async def test_a_transaction_never_waits_for_who_waits_for_it(self) -> None:
        """S5: a stranger's first action waits for the transaction, whose own first action does not wait for it."""

        async def stranger() -> int:
            count: int = await maybe_await(self.auto(Book).count())
            return count

        async def block() -> list[str]:
            async with self.transaction() as tx:
                waiting.append(self.spawn(stranger))
                await self.until(self.is_looked_after)
                await maybe_await(self.auto(Author, tx).insert(Author("Ann")))
                await maybe_await(self.repo(Author, tx).register(ensure=True))
                return self.tables()

        waiting: list[Any] = []
        self.assertEqual(await self.within(self.spawn(block).join()), [])
        self.assertEqual(await self.within(waiting[0].join()), 0)
        self.assertEqual(self.tables(), ["author", "book"])

    async def test_who_inherited_a_transaction(self) -> None:
        """S5 X4: gets the usual error at once, and makes nothing."""

        async def heir() -> None:
            await maybe_await(self.auto(Author).count())

        async with self.transaction():
            with self.assertRaises(TransactionError):
                await self.within(self.spawn(heir, inherit=True).join())
        self.assertEqual(self.tables(), [])


class AutoSchemaInTheMiddleContract(Schemas):
    """S5: a model's own code, which only a blocking call can have in the middle of an operation."""

    requires = ("supports_blocking_calls",)

    async def test_a_model_that_looks_something_up(self) -> None:
        """S5 X4: its first action does not wait for a stranger who waits for the operation around it."""
        for db in (self.db, self.pooled(1)[0]):
            with self.subTest(db=db):
                await self.look_up(db)
                self.assertEqual(self.tables(), ["author", "book", "curious"])
                await maybe_await(db.execute("DROP TABLE book"))

    async def look_up(self, db: Any) -> None:
        """Read a row whose object counts authors, while a stranger asks for books."""
        case = self
        found: list[int] = []
        waiting: list[Any] = []

        @dataclass
        class Curious:
            text: str
            id: int | None = auto_key()

            def __post_init__(self) -> None:
                if self.id is not None and not waiting:
                    waiting.append(case.spawn(stranger))
                    case.drive(case.until(lambda: case.is_looked_after(db)))
                    found.append(case.auto(Author, db).count())

        async def stranger() -> int:
            count: int = self.auto(Book, db).count()
            return count

        async def look() -> Any:
            return repo.get(1)

        await self.create_tables(Curious, db=db, if_not_exists=True)
        repo = self.repo(Curious, db)
        repo.insert(Curious("a"))
        self.assertEqual((await self.within(self.spawn(look).join())).text, "a")
        self.assertEqual(found, [0])
        self.assertEqual(await self.within(waiting[0].join()), 0)

    @staticmethod
    def drive(work: Any) -> None:
        """Run a coroutine that does not suspend on this face."""
        with contextlib.suppress(StopIteration):
            work.send(None)


class AutoSchemaOfTasksContract(Schemas):
    """S5: first actions that are cancelled."""

    requires = ("supports_tasks",)

    async def test_first_actions_that_are_cancelled(self) -> None:
        """S5 X7: one that waits for the connection, and one that waits for its turn: the next one goes on."""

        async def stranger() -> int:
            count: int = await self.auto(Author).count()
            return count

        waiters = self.db._registry.lock.waiters
        async with self.transaction():
            tasks = []
            for behind in (0, 1, 2):
                tasks.append(asyncio.create_task(stranger(), context=contextvars.Context()))
                await self.until(lambda behind=behind: self.is_looked_after() and len(waiters) == behind)
            for task in tasks[:2]:
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await self.within(task)
        self.assertEqual(await self.within(tasks[2]), 0)
        self.assertFalse(self.is_looked_after())
        self.assertEqual(self.tables(), ["author"])


class AutoSchemaOnAPoolContract(Schemas):
    """S5 S6: on a pool, whose connections know together what is there."""

    async def test_many_first_actions_at_once(self) -> None:
        """S5 P2: eight callers on four connections: the schema is made once, on one of them."""
        db, seen = self.pooled(4)

        async def work(number: int) -> None:
            await maybe_await(self.auto(Review, db).insert(Review(number)))

        works = [lambda number=number: work(number) for number in range(8)]
        self.assertEqual(await self.within(self.together(works)), [None] * 8)
        self.assertEqual(sum(sql.startswith("CREATE TABLE") for sql in seen), 3)
        self.assertEqual(self.rows("SELECT stars FROM review ORDER BY 1"), [(number,) for number in range(8)])
        self.assertEqual(await maybe_await(self.auto(Author, db).count()), 0)
        seen.clear()
        self.assertEqual(await maybe_await(self.auto(Book, db).count()), 0)
        self.assertEqual(
            [sql for sql in seen if "PRAGMA" not in sql], [f"SELECT count(*) FROM {db.dialect.quote('book')}"]
        )

    @needs("supports_transactional_ddl")
    async def test_in_transactions(self) -> None:
        """S5 S6: what one transaction made is made again after its rollback, on whichever connection."""
        db, _ = self.pooled(2)
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction(db) as tx:
                await maybe_await(self.auto(Author, tx).insert(Author("gone")))
                await maybe_await(self.hub(tx).register(Book, ensure=True))
                raise ZeroDivisionError
        self.assertEqual(self.tables(), [])
        self.assertTrue(self.repo(Book, db).is_registered())
        self.assertEqual(await maybe_await(self.auto(Book, db).count()), 0)
        self.assertEqual(self.tables(), ["author", "book"])


class RegistrationContract(Schemas):
    """S6: what `register` notes and makes."""

    async def test_register_notes_and_makes_nothing(self) -> None:
        """S6: without `auto_schema` it runs no SQL; twice is fine; `register_many` is the same for one model."""
        self.assertFalse(self.repo(Author).is_registered())
        seen = await self.trace()
        for register in (self.repo(Author).register, self.repo(Author).register, self.repo(Book).register_many):
            self.assertIsNone(await maybe_await(register()))
        self.assertTrue(self.repo(Author).is_registered() and self.repo(Book).is_registered())
        self.assertFalse(self.repo(Shelf).is_registered())
        self.assertEqual(seen, [])

    async def test_it_is_the_database_that_knows(self) -> None:
        """S6: every repository, hub, `Database` and `tx` on the connection sees it; another connection does not."""
        await maybe_await(self.repo(Author).register())
        async with self.transaction() as tx:
            self.assertTrue(self.repo(Author, tx).is_registered())
            await maybe_await(self.repo(Book, tx).register())
        for model in (Author, Book):
            self.assertTrue(self.repo(model, self.backend.database(self.db.conn)).is_registered())
            self.assertTrue(self.hub().is_registered(model))
            self.assertFalse(self.repo(model, await self.open()).is_registered())

    async def test_register_follows_auto_schema(self) -> None:
        """S6: with `auto_schema` it ensures, once; `ensure=None` is the same."""
        repo = self.auto(Book)
        await maybe_await(repo.register())
        self.assertEqual(self.tables(), ["author", "book"])
        self.assertTrue(repo.is_registered())
        self.assertFalse(self.repo(Author).is_registered())
        self.assertEqual(await self.sent(lambda: repo.register(ensure=None)), [])

    async def test_ensure_true(self) -> None:
        """S6: the schema is made now, with the targets, whatever the flags; asked again, it is looked at again."""
        await maybe_await(self.repo(Book).register(ensure=True))
        self.assertEqual(self.tables(), ["author", "book"])
        await maybe_await(self.db.execute("DROP TABLE book"))
        await maybe_await(self.repo(Book).register_many(ensure=True))
        self.assertEqual(self.tables(), ["author", "book"])
        plain = await self.sent(lambda: self.repo(Book).count())
        self.assertEqual(await self.sent(lambda: self.auto(Book).count()), plain)

    @needs("supports_early_foreign_keys")
    async def test_ensure_false(self) -> None:
        """S6: the model is registered, and no later action makes its table, as a target neither."""
        for repo in (self.repo(Author), self.auto(Author)):
            await maybe_await(repo.register(ensure=False))
            self.assertTrue(repo.is_registered())
            with self.assertRaises(ProgrammingError):
                await maybe_await(self.auto(Author).count())
        self.assertEqual(await maybe_await(self.auto(Book).count()), 0)
        self.assertEqual(self.tables(), ["book"])

    @needs("supports_early_foreign_keys")
    async def test_ensure_false_keeps_from_its_own_targets(self) -> None:
        """S6: a model that is left alone has nothing made for its sake, one that needs the same target does."""
        await maybe_await(self.repo(Book).register(ensure=False))
        with self.assertRaises(ProgrammingError):
            await maybe_await(self.auto(Book).count())
        self.assertEqual(self.tables(), [])
        await maybe_await(self.auto(Review).count())
        self.assertEqual(self.tables(), ["author", "review"])

    async def test_a_later_ensure(self) -> None:
        """S6: `ensure=True`, or a `register` that follows `auto_schema`, takes back `ensure=False`."""
        for model, register in (
            (Author, lambda: self.repo(Author).register(ensure=True)),
            (Book, lambda: self.auto(Book).register()),
        ):
            await maybe_await(self.repo(model).register(ensure=False))
            await maybe_await(self.repo(model).register())
            with self.assertRaises(ProgrammingError):
                await maybe_await(self.auto(model).count())
            await maybe_await(register())
            self.assertEqual(await maybe_await(self.auto(model).count()), 0)
        self.db._registry.ready.clear()
        await maybe_await(self.db.execute("DROP TABLE book"))
        self.assertEqual(await maybe_await(self.auto(Book).count()), 0)

    @needs("supports_early_foreign_keys")
    async def test_a_later_ensure_that_is_rolled_back(self) -> None:
        """S6 S5: from then on the model is looked after, also by repositories that have left it alone before."""
        await maybe_await(self.repo(Author).register(ensure=False))
        repo = self.auto(Book)
        for _ in range(2):
            self.assertEqual(await maybe_await(repo.count()), 0)
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Author, tx).register(ensure=True))
                raise ZeroDivisionError
        self.assertEqual(self.tables(), ["book"])
        self.assertEqual(await maybe_await(repo.count()), 0)
        self.assertEqual(self.tables(), ["author", "book"])

    async def test_an_ensure_that_fails(self) -> None:
        """S6: does not register, and leaves what was registered before as it was."""
        await maybe_await(
            self.db.execute("CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT, must TEXT NOT NULL)")
        )
        for model, flags, ensure in ((Author, {}, True), (Author, {"auto_schema": True}, None), (Book, {}, True)):
            with self.subTest(model=model, ensure=ensure):
                repo = self.repo(model, **flags)
                with self.assertRaises(SchemaConflictError):
                    await maybe_await(repo.register(ensure=ensure))
                self.assertFalse(repo.is_registered())
        await maybe_await(self.repo(Author).register(ensure=False))
        with self.assertRaises(SchemaConflictError):
            await maybe_await(self.repo(Author).register(ensure=True))
        self.assertTrue(self.repo(Author).is_registered())
        self.assertEqual(await maybe_await(self.auto(Author).count()), 0)
        self.assertEqual(self.tables(), ["author"])

    async def test_ensure_is_a_bool_or_none(self) -> None:
        """S6: anything else is a TypeError, and nothing is registered."""
        for wrong in ("yes", 1, 0, [True]):
            with self.subTest(wrong=wrong):
                for call in (self.auto(Author).register, self.auto(Author).register_many):
                    with self.assertRaisesRegex(TypeError, "ensure must be True, False or None"):
                        await maybe_await(call(ensure=wrong))
        self.assertFalse(self.repo(Author).is_registered())
        self.assertEqual(self.tables(), [])

    @needs("supports_transactional_ddl")
    async def test_in_a_transaction(self) -> None:
        """S6 S5: the schema goes with its rollback, the registration stays, and the next action makes it again."""
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Author, tx).register(ensure=True))
                self.assertEqual(await maybe_await(self.repo(Author, tx).count()), 0)
                raise ZeroDivisionError
        self.assertEqual(self.tables(), [])
        self.assertTrue(self.repo(Author).is_registered())
        self.assertEqual(await maybe_await(self.auto(Author).count()), 0)

    async def test_at_once(self) -> None:
        """S6: eight callers register and ensure at once, in as many repositories."""

        async def work() -> bool:
            repo = self.repo(Review)
            await maybe_await(repo.register(ensure=True))
            answer: bool = repo.is_registered()
            return answer

        self.assertEqual(await self.within(self.together([work] * 8)), [True] * 8)
        self.assertEqual(self.tables(), ["author", "book", "review"])

    async def test_registration_that_is_required(self) -> None:
        """S6 Errors: every verb is refused before any SQL, reads too; the error says how to register."""
        await self.create_tables(Author)
        seen = await self.trace()
        for flags in ({}, {"auto_schema": True}):
            repo = self.repo(Author, require_registration=True, **flags)
            for verb, (action, _) in actions(repo).items():
                with self.subTest(verb=verb), self.assertRaisesRegex(NotRegisteredError, "^Author is not registered"):
                    await maybe_await(action())
        with self.assertRaisesRegex(ValueError, r"call register\(\)"):
            await maybe_await(repo.get(1))
        async with self.transaction() as tx:
            seen.clear()
            with self.assertRaises(NotRegisteredError):
                await maybe_await(self.repo(Author, tx, require_registration=True).count())
            self.assertEqual(seen, [])

    async def test_registration_of_what_filters_and_orders_lead_to(self) -> None:
        """S6 L7: models on a path have to be registered, links too, as those of an include; before any SQL."""
        await self.create_tables(Author, Book, Review, Topic, BookTopic)
        for number, (model, ask, reached) in enumerate(OVER_RELATIONS):
            for flags in ({}, {"auto_schema": True}):
                with self.subTest(number, model=model, **flags):
                    db = await self.open()
                    repo = self.repo(model, db, require_registration=True, **flags)
                    seen = await self.trace(db)
                    for missing in (model, *reached):
                        with self.assertRaisesRegex(NotRegisteredError, f"^{missing.__name__} is not registered"):
                            await maybe_await(ask(repo))
                        await maybe_await(self.repo(missing, db).register())
                    self.assertEqual(seen, [])
                    self.assertFalse(await maybe_await(ask(repo)))

    async def test_what_is_left_alone_on_a_path(self) -> None:
        """S6 S5: `ensure=False` keeps a model from being made for a filter's sake."""
        await maybe_await(self.repo(Book).register(ensure=False))
        with self.assertRaises(ProgrammingError):
            await maybe_await(self.auto(Author).list(where=C.any_("books")))
        self.assertEqual(self.tables(), ["author"])

    async def test_registration_opens_the_way(self) -> None:
        """S6: whichever repository registers the model, all may act; its targets need no registration of their own."""
        await self.create_tables(Author, Book)
        repos = [self.repo(Book, require_registration=True) for _ in range(2)]
        with self.assertRaises(NotRegisteredError):
            await maybe_await(repos[0].count())
        await maybe_await(self.repo(Book).register())
        for repo in repos:
            self.assertEqual(await maybe_await(repo.insert(Book("a"))), Book("a", None, repos.index(repo) + 1))
        with self.assertRaises(NotRegisteredError):
            await maybe_await(self.repo(Author, require_registration=True).count())

    async def test_registration_and_auto_schema(self) -> None:
        """S6 S5: with both, `register` ensures; `ensure=False` opens the way and makes nothing."""
        repo = self.auto(Author, require_registration=True)
        await maybe_await(repo.register(ensure=False))
        with self.assertRaises(ProgrammingError):
            await maybe_await(repo.count())
        await maybe_await(repo.register())
        self.assertEqual(await maybe_await(repo.count()), 0)

    async def test_a_repository_that_is_ready_spends_nothing(self) -> None:
        """S5 S6: from then on its actions go to the database as those of one without flags do."""
        with quiet_log():
            repo = self.auto(Author, schema_conflict="recreate", require_registration=True)
            await maybe_await(repo.register())
            await maybe_await(repo.count())
            await maybe_await(repo.count())
        for ready in (repo, self.auto(Author), self.repo(Author)):
            self.assertEqual(ready._run, self.db.run)
