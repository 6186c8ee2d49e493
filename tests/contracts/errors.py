"""Errors: every error that SQLite can provoke, as mini_orm's class and as the driver's own at once."""

from __future__ import annotations

import copy
import pickle
import sqlite3
import threading
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mini_orm import (
    C,
    CheckViolation,
    CodecError,
    DatabaseError,
    DataError,
    ForeignKeyViolation,
    IntegrityError,
    LockTimeout,
    MiniOrmError,
    ModelError,
    NotNullViolation,
    OperationalError,
    ProgrammingError,
    QueryError,
    SerializationFailure,
    UniqueViolation,
    UnsafeOperationError,
)
from tests.backends import maybe_await, needs
from tests.contracts.transactions import Tools

#: A value that no note and no message of ours may quote.
SECRET = "s3cret-value-4711"


@dataclass
class Person:
    """A model whose table, made by hand below, has every kind of constraint."""

    id: int | None = field(default=None, metadata={"pk": True, "auto": True})
    email: str = ""
    first: str = "a"
    last: str = "b"
    age: int | None = 1
    team: int | None = None
    code: str | None = None


#: A statement that runs long enough to be interrupted.
COUNTING = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000) SELECT max(i) AS top FROM n"
)

TABLES = (
    "CREATE TABLE team (id INTEGER PRIMARY KEY, name TEXT)",
    """CREATE TABLE person (
        id INTEGER PRIMARY KEY,
        email VARCHAR(255) NOT NULL UNIQUE,
        "first" VARCHAR(255) NOT NULL,
        "last" VARCHAR(255) NOT NULL,
        age INTEGER NOT NULL,
        team BIGINT,
        code TEXT,
        UNIQUE ("first", "last"),
        CONSTRAINT age_is_positive CHECK (age > 0),
        FOREIGN KEY (team) REFERENCES team (id)
    )""",
    "INSERT INTO person VALUES (1, 'taken', 'Ann', 'Lee', 30, NULL, 'Code')",
)


class DatabaseErrorContract(Tools):
    """Errors: the `DatabaseError` half of the tree."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        for sql in TABLES:
            await maybe_await(self.db.execute(sql.replace("INTEGER PRIMARY KEY", self.backend.auto_key)))
        self.resume_keys(Person)
        self.people = self.repo(Person)

    async def provoke(self, ours: type[BaseException], theirs: type[BaseException], call: Callable[[], Any]) -> Any:
        """Run `call`, check the rules that hold for every translated error, and return it."""
        with self.assertRaises(ours) as caught:
            await maybe_await(call())
        error: Any = caught.exception
        self.check(error, ours, theirs)
        return error

    def check(self, error: Any, ours: type[BaseException], theirs: type[BaseException]) -> None:
        self.assertIsInstance(error, ours)
        self.assertIsInstance(error, DatabaseError)
        self.assertIsInstance(error, MiniOrmError)
        cause = error.__cause__
        self.assertIsInstance(error, type(cause))
        self.assertIsInstance(cause, self.backend.driver_error(theirs))
        if self.backend.uses_file:
            self.assertIs(type(cause), theirs)
        self.assertEqual((error.args, str(error)), (cause.args, str(cause)))
        for name in ("sqlite_errorcode", "sqlite_errorname"):
            self.assertEqual(getattr(error, name, None), getattr(cause, name, None))
        self.assertIn(type(error).__name__, repr(error))
        self.assertIn(str(cause), "".join(traceback.format_exception_only(error)))
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            self.assertIs(type(twin), type(error))
            self.assertEqual((twin.args, str(twin)), (error.args, str(error)))
            for name in ("constraint", "table", "columns", "sqlite_errorcode", "sqlite_errorname"):
                self.assertEqual(getattr(twin, name, None), getattr(error, name, None))

    def assert_about(self, error: Any, table: str, columns: tuple[str, ...], constraint: str) -> None:
        """Check that an error of a key names its table and columns, or only its constraint, as the database does."""
        if self.backend.tells_columns:
            self.assertEqual((error.table, error.columns), (table, columns))
        else:
            self.assertEqual((error.constraint, error.table or table, error.columns), (constraint, table, None))

    async def test_unique(self) -> None:
        """Errors R6: a unique column, by insert, bulk insert and update: UniqueViolation with table and column."""
        ann = await maybe_await(self.people.get(1))
        ben = await maybe_await(self.people.insert(Person(email="ben", first="Ben")))
        self.assertIsNotNone(ann)
        ben.email = "taken"
        calls: list[Callable[[], Any]] = [
            lambda: self.people.insert(Person(email="taken", first="x")),
            lambda: self.people.create(Person(email="taken", first="x")),
            lambda: self.people.insert_many([Person(email="new", first="n"), Person(email="taken", first="x")]),
            lambda: self.people.update(ben),
            lambda: self.people.update_where({"email": "taken"}, where=C.eq("id", ben.id)),
            lambda: self.db.execute("UPDATE person SET email = 'taken'"),
        ]
        for call in calls:
            error = await self.provoke(UniqueViolation, sqlite3.IntegrityError, call)
            self.assertIsInstance(error, IntegrityError)
            self.assert_about(error, "person", ("email",), "email")
            self.assertEqual(*self.backend.code(error, "SQLITE_CONSTRAINT_UNIQUE", "23505"))
            await self.assert_clean()

    async def test_primary_key(self) -> None:
        """Errors: a key that is taken is a UniqueViolation, too, whatever SQLite calls it."""
        error = await self.provoke(
            UniqueViolation, sqlite3.IntegrityError, lambda: self.people.insert(Person(id=1, email="new", first="x"))
        )
        self.assert_about(error, "person", ("id",), "PRIMARY")
        await maybe_await(self.db.execute("CREATE TABLE pair (a VARCHAR(9), b VARCHAR(9), PRIMARY KEY (a, b))"))
        await maybe_await(self.db.execute("INSERT INTO pair VALUES ('x', 'y')"))
        error = await self.provoke(
            UniqueViolation, sqlite3.IntegrityError, lambda: self.db.execute("INSERT INTO pair VALUES ('x', 'y')")
        )
        self.assert_about(error, "pair", ("a", "b"), "PRIMARY")

    async def test_unique_of_two_columns(self) -> None:
        """Errors: a constraint of several columns names them all."""
        error = await self.provoke(
            UniqueViolation,
            sqlite3.IntegrityError,
            lambda: self.people.insert(Person(email="new", first="Ann", last="Lee")),
        )
        self.assert_about(error, "person", ("first", "last"), "first")

    @needs("supports_expression_indexes")
    async def test_unique_of_an_expression(self) -> None:
        """Errors: an index on an expression is named by the database: `.constraint`."""
        await maybe_await(self.db.execute("CREATE UNIQUE INDEX lower_code ON person (lower(code))"))
        error = await self.provoke(
            UniqueViolation,
            sqlite3.IntegrityError,
            lambda: self.people.insert(Person(email="new", first="x", code="cODE")),
        )
        self.assertEqual(error.constraint, "lower_code")

    async def test_names_with_dots_and_commas(self) -> None:
        """Errors M10: table and columns are read right where their names hold dots, commas and colons."""
        await maybe_await(self.db.execute('CREATE TABLE "a: b" ("c, d" VARCHAR(9) UNIQUE)'))
        await maybe_await(self.db.execute("""INSERT INTO "a: b" VALUES ('x')"""))
        error = await self.provoke(
            UniqueViolation, sqlite3.IntegrityError, lambda: self.db.execute("""INSERT INTO "a: b" VALUES ('x')""")
        )
        # The database's text can't be taken apart: nothing is better than something wrong.
        self.assertIn(error.table, ("a: b", None))
        self.assertIn(error.columns, (("c, d",), None))

    async def test_not_null(self) -> None:
        """Errors: NULL in a NOT NULL column: NotNullViolation with table and column."""
        calls: list[Callable[[], Any]] = [
            lambda: self.people.insert(Person(email="new", first="x", age=None)),
            lambda: self.people.update_where({"age": None}, allow_all=True),
            lambda: self.db.execute("UPDATE person SET age = NULL"),
        ]
        for call in calls:
            error = await self.provoke(NotNullViolation, sqlite3.IntegrityError, call)
            self.assertEqual((error.table or "person", error.columns), ("person", ("age",)))
            await self.assert_clean()

    async def test_check(self) -> None:
        """Errors: a failed CHECK: CheckViolation with the constraint's name."""
        error = await self.provoke(
            CheckViolation, sqlite3.IntegrityError, lambda: self.people.insert(Person(email="n", first="x", age=-1))
        )
        self.assertEqual(error.constraint, "age_is_positive")

    async def test_foreign_key(self) -> None:
        """Errors L6: a missing parent, or a parent that is still referred to: ForeignKeyViolation."""
        await maybe_await(self.db.execute("INSERT INTO team VALUES (1, 'red')"))
        await maybe_await(self.people.insert(Person(email="new", first="x", team=1)))
        calls: list[Callable[[], Any]] = [
            lambda: self.people.insert(Person(email="other", first="y", team=99)),
            lambda: self.db.execute("DELETE FROM team"),
        ]
        for call in calls:
            error = await self.provoke(ForeignKeyViolation, sqlite3.IntegrityError, call)
            self.assertIn(error.columns, (None, ("team",)))  # SQLite and PostgreSQL don't say which
            await self.assert_clean()

    async def test_by_code_not_by_text(self) -> None:
        """Errors: by code, not text: a trigger that says "UNIQUE …" is no UniqueViolation."""
        body = self.backend.raising("UNIQUE constraint failed: person.email")
        for sql in self.backend.trigger("liar", "BEFORE DELETE", "person", body):
            await maybe_await(self.db.execute(sql))
        expected = IntegrityError if self.backend.tells_sqlstate else DatabaseError
        error = await self.provoke(expected, sqlite3.IntegrityError, lambda: self.people.delete_where(allow_all=True))
        self.assertNotIsInstance(error, UniqueViolation)
        self.assertEqual(*self.backend.code(error, "SQLITE_CONSTRAINT_TRIGGER", "23000"))

    @needs("stores_anything")
    async def test_wrong_kind_for_the_key(self) -> None:
        """Errors: SQLITE_MISMATCH (text as an integer key) is a DatabaseError, and the driver's class."""
        await self.provoke(
            DatabaseError, sqlite3.IntegrityError, lambda: self.db.execute("INSERT INTO team (id) VALUES ('x')")
        )

    async def test_bad_sql(self) -> None:
        """Errors Q17: SQL that SQLite does not understand, and tables that are not there."""
        for sql in ("SELEC 1", "SELECT * FROM nowhere", "SELECT nothing FROM person", "DROP TABLE nowhere"):
            for method in (self.db.execute, self.db.fetchone, self.db.fetchall):
                with self.subTest(sql=sql, method=method.__name__):
                    error = await self.provoke(DatabaseError, sqlite3.OperationalError, partial(method, sql))
                    self.assertIsInstance(error, (OperationalError, ProgrammingError))
        await self.assert_clean()

    async def test_missing_table_of_a_model(self) -> None:
        """Errors: a repository whose table is not there gets the driver's error, named by the statement's text."""
        await maybe_await(self.db.execute("DROP TABLE person"))
        error = await self.provoke(DatabaseError, sqlite3.OperationalError, lambda: self.people.count())
        self.assertIn("person", "\n".join(error.__notes__))

    async def test_wrong_parameters(self) -> None:
        """Errors Q17: too few, too many or unknown parameters, and values that can't be bound: ProgrammingError."""
        for sql, params in (
            ("SELECT ?", ()),
            ("SELECT ?", (1, 2)),
            *([("SELECT :a", {"b": 1})] if self.backend.supports_named_params else []),
            ("SELECT ?", (threading.Lock(),)),
        ):
            sql = self.backend.sql(sql)
            with self.subTest(sql=sql, params=params):
                await self.provoke(ProgrammingError, sqlite3.ProgrammingError, partial(self.db.execute, sql, params))
        await self.assert_clean()

    @needs("refuses_scripts")
    async def test_two_statements(self) -> None:
        """Errors Q17: two statements in one call are refused with a DatabaseError, and neither is kept."""
        with self.assertRaises(DatabaseError) as caught:
            await maybe_await(self.db.execute("DELETE FROM person; DELETE FROM team"))
        # sqlite3 raises its Warning class up to 3.11, ProgrammingError since.
        theirs = (self.backend.driver_error(sqlite3.Warning), self.backend.driver_error(sqlite3.ProgrammingError))
        self.assertIsInstance(caught.exception, theirs)
        self.assertEqual(await maybe_await(self.people.count()), 1)
        await self.assert_clean()

    @needs("supports_zeroblob")
    async def test_too_big(self) -> None:
        """Errors: a value that the database can't hold: DataError."""
        error = await self.provoke(
            DataError, sqlite3.DataError, lambda: self.db.fetchone("SELECT zeroblob(2147483647) AS big")
        )
        self.assertEqual(error.sqlite_errorname, "SQLITE_TOOBIG")

    @needs("locks_file")
    async def test_lock_timeout(self) -> None:
        """Errors X3: a write that can't have the lock in time: LockTimeout, an OperationalError of both kinds."""
        db = await self.open(timeout=0.02)
        holder = self.outside()
        holder.execute("BEGIN EXCLUSIVE")
        calls: list[Callable[[], Any]] = [
            lambda: self.repo(Person, db).insert(Person(email="new", first="x")),
            lambda: self.repo(Person, db).count(),
            lambda: db.execute("UPDATE person SET age = 2"),
        ]
        for call in calls:
            error = await self.provoke(LockTimeout, sqlite3.OperationalError, call)
            self.assertIsInstance(error, OperationalError)
            self.assertEqual(error.sqlite_errorcode & 0xFF, sqlite3.SQLITE_BUSY)
        holder.execute("ROLLBACK")
        await self.assert_clean(db)

    @needs("locks_file")
    async def test_stale_snapshot(self) -> None:
        """Errors X9: a reader that writes what has changed since gets an error worth another try."""
        await maybe_await(self.db.execute("PRAGMA journal_mode = WAL"))
        other = self.outside()
        await maybe_await(self.db.execute("BEGIN"))
        self.assertEqual(await maybe_await(self.people.count()), 1)
        other.execute("UPDATE person SET age = age + 1")
        with self.assertRaises((SerializationFailure, LockTimeout)) as caught:
            await maybe_await(self.people.update_where({"age": 5}, allow_all=True))
        error: Any = caught.exception
        self.assertEqual(error.sqlite_errorname, "SQLITE_BUSY_SNAPSHOT")
        await maybe_await(self.db.execute("ROLLBACK"))
        await self.assert_clean()

    @needs("uses_file")
    async def test_read_only_file(self) -> None:
        """Errors: a database that is opened read-only: OperationalError on writes, and reads work."""
        db = await self.open(path=f"{self.backend.path.as_uri()}?mode=ro", uri=True)
        repo = self.repo(Person, db)
        error = await self.provoke(
            OperationalError, sqlite3.OperationalError, lambda: repo.insert(Person(email="new", first="x"))
        )
        self.assertEqual(error.sqlite_errorcode & 0xFF, sqlite3.SQLITE_READONLY)
        self.assertEqual(await maybe_await(repo.count()), 1)

    @needs("uses_file")
    async def test_no_database(self) -> None:
        """Errors: a file that is no database: DatabaseError, not one of ours without the driver's class."""
        path = self.backend.directory / "garbage"
        path.write_bytes(b"this is no database, but longer than a header would be" * 50)
        conn = await self.backend.connect(path=path)
        try:
            with self.assertRaises(DatabaseError) as caught:
                await maybe_await(self.backend.database(conn).fetchall("SELECT * FROM sqlite_master"))
            self.assertIsInstance(caught.exception, sqlite3.DatabaseError)
        finally:
            await self.on_driver(conn, "close")

    @needs("supports_functions")
    async def test_interrupted(self) -> None:
        """Errors: a statement that the user interrupts: OperationalError, and the connection goes on."""
        await self.on_driver(self.db.conn, "set_progress_handler", lambda: 1, 100)
        error = await self.provoke(
            OperationalError,
            sqlite3.OperationalError,
            lambda: self.db.fetchall(COUNTING),
        )
        self.assertEqual(error.sqlite_errorname, "SQLITE_INTERRUPT")
        await self.on_driver(self.db.conn, "set_progress_handler", None, 100)
        await self.assert_clean()

    @needs("supports_functions")
    async def test_user_function(self) -> None:
        """Errors: an exception in a user's SQL function is the driver's OperationalError."""

        def broken() -> int:
            raise ZeroDivisionError

        await self.on_driver(self.db.conn, "create_function", "broken", 0, broken)
        with self.assertRaises(DatabaseError) as caught:
            await maybe_await(self.db.fetchone("SELECT broken() AS x"))
        self.assertIsInstance(caught.exception, sqlite3.OperationalError)
        await self.assert_clean()

    @needs("stores_anything")
    async def test_while_rows_are_read(self) -> None:
        """Errors: an error that comes with the rows, not with the statement, is translated as well."""
        await maybe_await(self.db.execute("UPDATE person SET email = CAST(x'ff' AS TEXT)"))
        calls: list[Callable[[], Any]] = [
            lambda: self.db.fetchall("SELECT email FROM person"),
            lambda: self.db.fetchone("SELECT email FROM person"),
            lambda: self.db.execute("SELECT email FROM person"),
            lambda: self.people.get(1),
            lambda: self.people.list(),
        ]
        for call in calls:
            with self.assertRaises(MiniOrmError):
                await maybe_await(call())
        await self.assert_clean()

    async def test_both_ways_to_catch(self) -> None:
        """Errors: `except sqlite3.IntegrityError` and `except UniqueViolation` both catch it, in blocks as well."""
        for cls in (
            *map(self.backend.driver_error, (sqlite3.IntegrityError, sqlite3.DatabaseError, sqlite3.Error)),
            UniqueViolation,
            IntegrityError,
            DatabaseError,
            MiniOrmError,
        ):
            with self.assertRaises(cls):
                await maybe_await(self.people.insert(Person(email="taken", first="x")))
            with self.assertRaises(cls):
                async with self.transaction() as tx:
                    await maybe_await(self.repo(Person, tx).insert(Person(email="taken", first="x")))
        with self.assertRaises(UniqueViolation) as caught:
            async with self.transaction() as tx:
                await maybe_await(self.repo(Person, tx).insert(Person(email="taken", first="x")))
        self.assertIsInstance(caught.exception.__cause__, self.backend.driver_error(sqlite3.IntegrityError))

    async def test_notes_carry_sql_and_no_value(self) -> None:
        """Errors: the note is the statement's text; neither note nor text quotes a value."""
        await maybe_await(self.people.insert(Person(email=SECRET, first="s")))
        calls: list[Callable[[], Any]] = [
            lambda: self.people.insert(Person(email=SECRET, first="x")),
            lambda: self.people.insert_many([Person(email="new", first=SECRET), Person(email=SECRET, first="x")]),
            lambda: self.people.update_where({"email": SECRET}, allow_all=True),
        ]
        for call in calls:
            with self.assertRaises(IntegrityError) as caught:
                await maybe_await(call())
            notes = "\n".join(caught.exception.__notes__)
            self.assertRegex(notes.upper(), r"\b(INSERT|UPDATE)\b.*PERSON")
            self.assertNotIn(SECRET, notes)
            self.assertEqual(str(caught.exception), str(caught.exception.__cause__))  # the driver's, whatever it says
        with self.assertRaises(IntegrityError) as caught:
            await maybe_await(self.db.execute(self.backend.sql("INSERT INTO person (email) VALUES (?)"), (SECRET,)))
        self.assertFalse(getattr(caught.exception, "__notes__", None))


class OwnErrorContract(Tools):
    """Errors: the errors that mini_orm raises by itself, and what their texts never show."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        for sql in TABLES:
            await maybe_await(self.db.execute(sql.replace("INTEGER PRIMARY KEY", self.backend.auto_key)))
        self.resume_keys(Person)
        self.people = self.repo(Person)

    async def test_messages_name_and_never_quote(self) -> None:
        """Errors: our messages name model and field, or the wrong name, and quote no value; all of them pickle."""
        cases: list[tuple[type[MiniOrmError], list[str], Callable[[], Any]]] = [
            (CodecError, ["Person", "age"], lambda: self.people.insert(Person(email="e", age=SECRET))),  # type: ignore[arg-type]
            (CodecError, ["Person", "age"], lambda: self.people.insert_many([Person(), Person(age=SECRET)])),  # type: ignore[arg-type]
            (CodecError, ["Person", "email"], lambda: self.people.insert(Person(email=SECRET + "\0"))),
            (CodecError, ["Person", "age"], lambda: self.people.update(Person(id=1, age=SECRET))),  # type: ignore[arg-type]
            (CodecError, ["Person", "age"], lambda: self.people.update_where({"age": SECRET}, allow_all=True)),
            (QueryError, ["age"], lambda: self.people.list(where=C.eq("age", SECRET))),
            (QueryError, ["age"], lambda: self.people.list(where=C.in_("age", [1, SECRET]))),
            (QueryError, ["Person"], lambda: self.people.get({"id": SECRET})),
            (QueryError, ["emial", "email"], lambda: self.people.list(where=C.eq("emial", SECRET))),
            (QueryError, ["emial"], lambda: self.people.update_where({"emial": SECRET}, allow_all=True)),
            (QueryError, ["id"], lambda: self.people.update(Person(email=SECRET))),
            (UnsafeOperationError, ["allow_all"], lambda: self.people.update_where({"email": SECRET})),
            (UnsafeOperationError, ["allow_all"], lambda: self.people.delete_where()),
        ]
        for cls, names, call in cases:
            with self.subTest(error=cls.__name__, names=names):
                with self.assertRaises(cls) as caught:
                    await maybe_await(call())
                error = caught.exception
                self.assertIsInstance(error, ValueError)
                self.assertNotIsInstance(error, DatabaseError)
                for name in names:
                    self.assertIn(name, str(error))
                for text in (str(error), repr(error), *getattr(error, "__notes__", [])):
                    self.assertNotIn(SECRET, text)
                twin = pickle.loads(pickle.dumps(error))
                self.assertEqual((type(twin), str(twin)), (type(error), str(error)))
                await self.assert_clean()

    async def test_where_a_codec_error_was(self) -> None:
        """Errors T10: a CodecError knows model, field, table and column as attributes; a handle is dropped."""
        for value in (SECRET, threading.Lock()):
            with self.assertRaises(CodecError) as caught:
                await maybe_await(self.people.insert(Person(email="e", age=value)))  # type: ignore[arg-type]
            error = caught.exception
            for twin in (error, pickle.loads(pickle.dumps(error))):
                self.assertEqual((twin.model, twin.field, twin.column), ("Person", "age", "age"))
                self.assertEqual(str(twin), str(error))
            self.assertIs(error.value, value)

    async def test_model_error(self) -> None:
        """Errors M12: what is no model is a ModelError, a TypeError and a ValueError."""
        for thing in (int, object, "Person"):
            with self.assertRaises(ModelError) as caught:
                self.repo(thing)  # type: ignore[arg-type]
            self.assertIsInstance(caught.exception, TypeError)
            self.assertIsInstance(caught.exception, ValueError)

    async def test_unawaited_nothing_is_left(self) -> None:
        """Errors R6: after a hundred errors of all kinds the database is as it was and still works."""
        calls: list[Callable[[], Awaitable[Any] | Any]] = [
            lambda: self.people.insert(Person(email="taken", first="x")),
            lambda: self.people.insert(Person(age=SECRET)),  # type: ignore[arg-type]
            lambda: self.db.execute("no sql"),
            lambda: self.db.execute(self.backend.sql("SELECT ?")),
            lambda: self.people.list(where=C.eq("nothing", 1)),
        ]
        for number in range(100):
            with self.assertRaises(MiniOrmError):
                await maybe_await(calls[number % len(calls)]())
        self.assertEqual(await maybe_await(self.people.count()), 1)
        await self.assert_clean()
