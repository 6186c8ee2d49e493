"""Schema where a statement that changes it commits (S1, S3, S5, X1): nothing of it can be undone."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

import mini_orm
from mini_orm import SchemaConflictError, TransactionError
from tests.backends import maybe_await
from tests.contracts.crud import Outside, auto_key


@dataclass
class Author:
    name: str
    id: int | None = auto_key()


@dataclass
class Book:
    title: str = field(metadata={"index": True})
    author_id: int | None = field(default=None, metadata={"fk": (Author, "id")})
    id: int | None = auto_key()


class CommittedSchemaContract(Outside):
    """What mini_orm does instead, and what it refuses."""

    requires = ("commits_ddl",)

    async def apply(self, models: Any, db: Any = None, *, function: str = "apply_schema", **options: Any) -> list[str]:
        """Call `apply_schema` or `ensure_schema` of this face."""
        call = getattr(mini_orm, function + ("_async" if self.is_async else ""))
        statements: list[str] = await maybe_await(call(db or self.db, models, **options))
        return statements

    def auto(self, model: type, db: Any = None) -> Any:
        return self.repo(model, db, auto_schema=True)

    async def test_a_failure_says_what_was_done(self) -> None:
        """S1 Errors: what came before stays, and is named by a note; what failed, and what was to come, is not."""
        await maybe_await(self.db.execute("CREATE TABLE book (x INTEGER)"))
        with self.assertRaises(mini_orm.DatabaseError) as caught:
            await self.apply([Author, Book])
        note = "\n".join(caught.exception.__notes__).partition("these statements")[2]
        self.assertIn(mini_orm.create_table_sql(Author, self.db.dialect), note)
        self.assertNotIn("title", note)
        self.assertEqual(self.backend.tables(), ["author", "book"])
        self.assert_clean()

    async def test_equal_rows_and_a_unique_index(self) -> None:
        """S3: a conflict that comes from the database; no row is touched."""

        @dataclass
        class Word:
            text: str = field(metadata={"unique_index": True, "max_length": 9})
            id: int | None = auto_key()

        columns = f"id {self.backend.auto_key}, text VARCHAR(9) NOT NULL"
        await maybe_await(self.db.execute(f"CREATE TABLE word ({columns})"))
        await maybe_await(self.db.execute("INSERT INTO word (text) VALUES ('same'), ('same')"))
        with self.assertRaises(SchemaConflictError) as caught:
            await self.apply(Word, function="ensure_schema")
        self.assertIsInstance(caught.exception.__cause__, mini_orm.UniqueViolation)
        self.assertEqual([(d.what, d.name) for d in caught.exception.differences], [("index", "uidx_word_text")])
        self.assertEqual(self.rows("SELECT text FROM word"), [("same",), ("same",)])
        self.assert_clean()

    async def test_inside_a_transaction(self) -> None:
        """S1 S3 S6 X1: refused before any SQL, with advice; the transaction goes on and nothing of it is lost."""
        await self.apply(Author)
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Author, tx).insert(Author("gone")))
                for make in (
                    lambda: self.apply(Book, tx),
                    lambda: self.apply(Book, tx, if_not_exists=True),
                    lambda: self.apply(Book, tx, function="ensure_schema"),
                    lambda: maybe_await(self.repo(Book, tx).register(ensure=True)),
                    lambda: maybe_await(self.auto(Book, tx).count()),
                    lambda: maybe_await(self.auto(Book).count()),
                ):
                    with self.assertRaisesRegex(TransactionError, "before the transaction"):
                        await make()
                self.assertEqual(await maybe_await(self.repo(Author, tx).count()), 1)
                raise ZeroDivisionError
        self.assertEqual(self.backend.tables(), ["author"])
        self.assertEqual(self.rows("SELECT * FROM author"), [])
        self.assertEqual(await maybe_await(self.auto(Book).count()), 0)

    async def test_inside_a_transaction_of_the_users(self) -> None:
        """S1 S5 X2: the same on a connection that was in a transaction already."""
        await self.apply(Author)
        await maybe_await(self.db.execute("BEGIN"))
        await maybe_await(self.repo(Author).insert(Author("gone")))
        for make in (lambda: self.apply(Book), lambda: maybe_await(self.auto(Book).count())):
            with self.assertRaises(TransactionError):
                await make()
        await maybe_await(self.db.execute("ROLLBACK"))
        self.assertEqual((self.backend.tables(), self.rows("SELECT * FROM author")), (["author"], []))
        self.assertEqual(len(await self.apply(Book)), 2)

    async def test_only_where_a_statement_has_to_run(self) -> None:
        """S3 S5: in a transaction, what is there already is only looked at."""
        await self.apply([Author, Book])
        async with self.transaction() as tx:
            self.assertEqual(await self.apply([Author, Book], tx, function="ensure_schema"), [])
            author = await maybe_await(self.auto(Author, tx).insert(Author("Ann")))
            await maybe_await(self.auto(Book).insert(Book("kept", author.id)))
        self.assertEqual(self.rows("SELECT title FROM book"), [("kept",)])

    async def test_on_another_connection_of_the_pool(self) -> None:
        """S5 X1: the first action in a transaction makes the schema beside it; a rollback takes the rows alone."""
        for number, is_bound in enumerate((True, False)):
            other = self.backend.other(f"pool{number}")
            pool = self.backend.pool(max_size=2, **other)
            db = await self.wrap(pool)
            self.addAsyncCleanup(self.shut, pool)
            with self.assertRaises(ZeroDivisionError):
                async with self.transaction(db) as tx:
                    await maybe_await(self.auto(Book, tx if is_bound else db).insert(Book("gone")))
                    self.assertEqual(self.backend.tables(**other), ["author", "book"])
                    raise ZeroDivisionError
            self.assertEqual(await maybe_await(self.auto(Book, db).count()), 0)

    async def test_a_pool_that_has_none_free(self) -> None:
        """S5: it is refused at once, as a wait might never end; the transaction goes on."""
        pool = self.backend.pool(max_size=1)
        db = await self.wrap(pool)
        self.addAsyncCleanup(self.shut, pool)
        await self.apply(Author)
        async with self.transaction(db) as tx:
            await maybe_await(self.repo(Author, tx).insert(Author("kept")))
            with self.assertRaises(TransactionError):
                await maybe_await(self.auto(Book, tx).count())
        self.assertEqual(self.rows("SELECT name FROM author"), [("kept",)])
        self.assertEqual(self.backend.tables(), ["author"])

    async def shut(self, pool: mini_orm.PoolConnector) -> None:
        await maybe_await(pool.close())

    async def test_a_session_ensures_before_it_begins(self) -> None:
        """S5 X8: what is registered is made before BEGIN; it stays, and the rows go with the rollback."""
        session = self.session(auto_schema=True)
        await maybe_await(session.register(Book, ensure=False))
        await maybe_await(session.register(Author))
        with self.assertRaises(ZeroDivisionError):
            async with contextlib.AsyncExitStack() as stack:
                if self.is_async:
                    await stack.enter_async_context(session)
                else:
                    stack.enter_context(session)
                await maybe_await(session.insert(Author("gone")))
                raise ZeroDivisionError
        self.assertEqual((self.backend.tables(), self.rows("SELECT * FROM author")), (["author"], []))

    async def test_raw_statements_end_the_transaction(self) -> None:
        """X1: after a raw CREATE TABLE every use raises, and so does the exit; nothing after it is committed."""
        await self.apply(Author)
        with self.assertRaises(TransactionError):
            async with self.transaction() as tx:
                await maybe_await(self.repo(Author, tx).insert(Author("early")))
                await maybe_await(tx.execute("CREATE TABLE mine (x INTEGER)"))
                with self.assertRaises(TransactionError):
                    await maybe_await(self.repo(Author, tx).insert(Author("late")))
        self.assertEqual(self.rows("SELECT name FROM author"), [("early",)])
        self.assert_clean()
