"""`get_or_create` (G1): one row and one `True`, whoever else tries at the same time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import mini_orm
from mini_orm import IndexSpec
from tests.backends import maybe_await, needs
from tests.contracts.crud import Outside, auto_key, pk

CALLERS = 32


@dataclass
class Account:
    email: str = field(metadata={"unique_index": True})
    name: str | None = field(default=None, metadata={"unique_index": True})
    age: int | None = field(default=None, metadata={"index": True})
    visits: int = 1
    tags: list[str] = field(default_factory=lambda: ["new"])
    id: int | None = auto_key()


@dataclass
class Seat:
    __indexes__ = [IndexSpec(("hall", "number"), unique=True), ("number", "guest")]
    hall: str
    number: int = field(metadata={"column": "seat number"})
    guest: str | None = None
    id: int | None = auto_key()


@dataclass
class Slot:
    day: str = pk()
    hour: int = pk()
    title: str = ""


@dataclass(frozen=True)
class Word:
    text: str = pk()
    seen: int = 0


@dataclass
class Owner:
    id: int = pk()


@dataclass
class Pet:
    chip: str = field(metadata={"unique_index": True})
    owner_id: int = field(default=0, metadata={"fk": (Owner, "id")})
    id: int | None = auto_key()


class GetOrCreateContract(Outside):
    """G1 on every backend."""

    async def test_created_then_found(self) -> None:
        """G1: the first call creates, with the defaults and the class's own; the second finds and changes nothing."""
        repo = await self.table(Account)
        made, created = await maybe_await(repo.get_or_create(lookup={"email": "a@x"}, defaults={"age": 3}))
        self.assertIs(created, True)
        self.assertEqual(made, Account("a@x", None, 3, 1, ["new"], made.id))
        self.assertEqual(self.rows("SELECT id, email, age FROM account"), [(made.id, "a@x", 3)])
        found, created = await maybe_await(repo.get_or_create(lookup={"email": "a@x"}, defaults={"age": 99}))
        self.assertIs(created, False)
        self.assertEqual(found, made)
        again, created = await maybe_await(repo.get_or_create(lookup={"email": "a@x"}))
        self.assertEqual((again, created), (made, False))

    async def test_by_every_kind_of_key(self) -> None:
        """G1 M7: auto, given and composite keys and a composite unique index, in any order of names."""
        await self.create_tables(Account, Slot, Word, Seat)
        cases: list[tuple[type, dict[str, Any], dict[str, Any]]] = [
            (Account, {"id": 77}, {"email": "seven@x"}),
            (Word, {"text": "hello"}, {"seen": 1}),
            (Slot, {"day": "monday", "hour": 9}, {"title": "stand-up"}),
            (Slot, {"hour": 10, "day": "monday"}, {}),
            (Seat, {"hall": "A", "number": 1}, {"guest": "Ann"}),
            (Seat, {"number": 2, "hall": "A"}, {"guest": "Bob"}),
        ]
        for model, lookup, defaults in cases:
            with self.subTest(model=model.__name__, lookup=lookup):
                repo = self.repo(model)
                made, created = await maybe_await(repo.get_or_create(lookup=lookup, defaults=defaults))
                self.assertIs(created, True)
                for name, value in {**lookup, **defaults}.items():
                    self.assertEqual(getattr(made, name), value)
                found = await maybe_await(repo.get_or_create(lookup=lookup, defaults=defaults))
                self.assertEqual(found, (made, False))
        self.assertEqual(self.rows('SELECT hall, "seat number", guest FROM seat'), [("A", 1, "Ann"), ("A", 2, "Bob")])

    async def test_a_lookup_that_no_unique_index_backs_is_refused(self) -> None:
        """G1: a plain field, a field of a non-unique index, a part of a composite key or index."""
        await self.create_tables(Account, Seat, Slot)
        cases: list[tuple[type, dict[str, Any]]] = [
            (Account, {"age": 3}),
            (Account, {"visits": 3}),
            (Seat, {"hall": "A"}),
            (Seat, {"number": 1}),
            (Seat, {"number": 1, "guest": "Ann"}),
            (Slot, {"day": "monday"}),
        ]
        for model, lookup in cases:
            with self.subTest(model=model.__name__, lookup=lookup), self.assertRaises(mini_orm.QueryError):
                await maybe_await(self.repo(model).get_or_create(lookup=lookup))
        for table in ("account", "seat", "slot"):
            self.assertEqual(self.rows(f"SELECT count(*) FROM {table}"), [(0,)])

    async def test_empty_unknown_and_none_in_a_lookup_are_refused(self) -> None:
        """G1 Q10 Q11: `QueryError` before any SQL; an unknown name is told with the nearest one."""
        repo = await self.table(Account)
        seen = await self.trace()
        for lookup in ({}, {"email": None}, {"id": None}, {"email": "a@x", "name": None}, {"email": 3}, {"id": "x"}):
            with self.subTest(lookup=lookup), self.assertRaises(mini_orm.QueryError):
                await maybe_await(repo.get_or_create(lookup=lookup))
        with self.assertRaisesRegex(mini_orm.QueryError, "emial.*email"):
            await maybe_await(repo.get_or_create(lookup={"emial": "a@x"}))
        with self.assertRaisesRegex(mini_orm.QueryError, "aeg.*age"):
            await maybe_await(repo.get_or_create(lookup={"email": "a@x"}, defaults={"aeg": 3}))
        self.assertEqual([sql for sql in seen if "ACCOUNT" in sql.upper()], [])

    async def test_defaults_that_contradict_the_lookup_are_refused(self) -> None:
        """G1: a lookup name again in the defaults is fine with the same value and a `QueryError` with another."""
        repo = await self.table(Account)
        with self.assertRaises(mini_orm.QueryError):
            await maybe_await(repo.get_or_create(lookup={"email": "a@x"}, defaults={"email": "b@x"}))
        self.assertEqual(self.rows("SELECT count(*) FROM account"), [(0,)])
        for expected in (True, False):
            defaults = {"email": "a@x", "age": 3}
            account, created = await maybe_await(repo.get_or_create(lookup={"email": "a@x"}, defaults=defaults))
            self.assertEqual((account.email, account.age, created), ("a@x", 3, expected))
        with self.assertRaises(mini_orm.QueryError):  # also where the row is there
            await maybe_await(repo.get_or_create(lookup={"email": "a@x"}, defaults={"email": "b@x"}))

    async def test_the_callers_mappings_are_not_changed(self) -> None:
        """G1: neither the lookup nor the defaults; a mutable default is the caller's own."""
        repo = await self.table(Account)
        lookup, defaults = {"email": "a@x"}, {"age": 3}
        await maybe_await(repo.get_or_create(lookup=lookup, defaults=defaults))
        self.assertEqual((lookup, defaults), ({"email": "a@x"}, {"age": 3}))

    async def test_an_integrity_error_that_is_not_about_the_lookup_is_raised(self) -> None:
        """G1 R6: another unique column, a foreign key, NOT NULL: raised at once, nothing is created."""
        await self.create_tables(Owner, Pet)
        repo = await self.table(Account, [Account("a@x", "taken")])
        calls: list[tuple[type[Exception], Any]] = [
            (mini_orm.UniqueViolation, lambda: repo.get_or_create(lookup={"email": "b@x"}, defaults={"name": "taken"})),
            (mini_orm.UniqueViolation, lambda: repo.get_or_create(lookup={"id": 9}, defaults={"email": "a@x"})),
            (mini_orm.NotNullViolation, lambda: repo.get_or_create(lookup={"email": "c@x"}, defaults={"visits": None})),
            (
                mini_orm.ForeignKeyViolation,
                lambda: self.repo(Pet).get_or_create(lookup={"chip": "1"}, defaults={"owner_id": 404}),
            ),
        ]
        for error, call in calls:
            with self.subTest(error=error.__name__):
                with self.assertRaises(error):
                    await maybe_await(call())
                self.assert_clean()
        self.assertEqual(self.rows("SELECT email FROM account"), [("a@x",)])
        self.assertEqual(self.rows("SELECT count(*) FROM pet"), [(0,)])

    async def test_inside_a_transaction_it_runs_under_a_savepoint(self) -> None:
        """G1 R6 X1: a refused one takes nothing else with it, and an outer rollback takes the created row back."""
        await self.table(Account, [Account("a@x", "taken")])
        with self.assertRaises(ZeroDivisionError):
            async with self.transaction() as tx:
                repo = self.repo(Account, tx)
                await maybe_await(repo.insert(Account("b@x")))
                with self.assertRaises(mini_orm.UniqueViolation):
                    await maybe_await(repo.get_or_create(lookup={"email": "c@x"}, defaults={"name": "taken"}))
                _, created = await maybe_await(repo.get_or_create(lookup={"email": "d@x"}))
                self.assertTrue(created)
                _, created = await maybe_await(repo.get_or_create(lookup={"email": "b@x"}))
                self.assertFalse(created)
                self.assertEqual(await maybe_await(repo.count()), 3)
                raise ZeroDivisionError
        self.assertEqual(self.rows("SELECT email FROM account"), [("a@x",)])

    @needs("supports_functions")
    async def test_a_row_that_is_gone_again_is_retried(self) -> None:
        """G1: a unique violation whose row is deleted before the second select is tried again.

        A trigger plays the competitor: it takes the place just before the insert, and the failing statement takes
        the competitor's row back with it, as if it had been deleted in between.
        """
        repo = await self.table(Account)
        races: list[int] = []

        def race() -> bool:
            races.append(1)
            return len(races) <= 2

        await maybe_await(self.db.conn.create_function("race", 0, race))
        await maybe_await(
            self.db.execute(
                "CREATE TRIGGER racing BEFORE INSERT ON account WHEN race() BEGIN "
                "INSERT INTO account (email, visits, tags) VALUES (NEW.email, 0, '[]'); END"
            )
        )
        account, created = await maybe_await(repo.get_or_create(lookup={"email": "a@x"}, defaults={"age": 3}))
        self.assertIs(created, True)
        self.assertEqual(len(races), 3)
        self.assertEqual(self.rows("SELECT id, email, age FROM account"), [(account.id, "a@x", 3)])
        self.assert_clean()

    @needs("aborts_on_errors")
    async def test_a_winner_that_can_not_be_seen(self) -> None:
        """G1 X9: above READ COMMITTED a transaction never sees a row that came later: SerializationFailure."""
        repo = await self.table(Account)
        for isolation in ("repeatable read", "serializable"):
            email = f"{isolation}@x"
            with self.subTest(isolation), self.assertRaises(mini_orm.SerializationFailure):
                async with self.transaction(isolation=isolation) as tx:
                    await maybe_await(self.repo(Account, tx).count())  # the snapshot is taken
                    await maybe_await((await self.outside_repo()).get_or_create(lookup={"email": email}))
                    await maybe_await(self.repo(Account, tx).get_or_create(lookup={"email": email}))
            calls = 0

            async def body(tx: Any, email: str = f"again {email}") -> bool:
                nonlocal calls
                calls += 1
                await maybe_await(self.repo(Account, tx).count())
                if calls == 1:
                    await maybe_await((await self.outside_repo()).get_or_create(lookup={"email": email}))
                _, created = await maybe_await(self.repo(Account, tx).get_or_create(lookup={"email": email}))
                return bool(created)

            if self.is_async:
                self.assertFalse(await self.db.run_in_transaction(body, isolation=isolation))
                self.assertEqual(calls, 2)
        self.assertEqual(await maybe_await(repo.count()), 4 if self.is_async else 2)
        self.assert_clean()

    async def outside_repo(self) -> Any:
        """Return a repository on a connection of its own."""
        return self.repo(Account, await self.open())

    async def test_32_callers_on_one_connection(self) -> None:
        """G1 X4: one row, one `True`, and everybody has the same object."""
        await self.create_tables(Account, Seat, Word)
        await self._race([self.db])

    async def test_32_callers_on_several_connections(self) -> None:
        """G1: the same with eight connections to one file."""
        await self.create_tables(Account, Seat, Word)
        await self._race([self.db, *[await self.open() for _ in range(7)]])

    async def _race(self, databases: list[Any]) -> None:
        cases: list[tuple[type, dict[str, Any], str]] = [
            (Account, {"email": "a@x"}, "visits"),
            (Seat, {"hall": "A", "number": 1}, "guest"),
            (Word, {"text": "hello"}, "seen"),
        ]
        for model, lookup, mark in cases:
            start = self._starting_line(CALLERS)

            async def work(
                index: int,
                model: type = model,
                lookup: dict[str, Any] = lookup,
                mark: str = mark,
                start: Callable[[], Awaitable[None]] = start,
            ) -> tuple[Any, bool]:
                repo = self.repo(model, databases[index % len(databases)])
                value = f"guest {index}" if mark == "guest" else index
                await start()
                return await maybe_await(repo.get_or_create(lookup=lookup, defaults={mark: value}))

            with self.subTest(model=model.__name__):
                results = await self.together([lambda index=index, work=work: work(index) for index in range(CALLERS)])
                self.assertEqual([result for result in results if isinstance(result, BaseException)], [])
                self.assertEqual(sum(created for _, created in results), 1)
                winner = next(obj for obj, created in results if created)
                self.assertEqual([obj for obj, _ in results], [winner] * CALLERS)
                self.assertEqual(self.rows(f"SELECT count(*) FROM {model.__name__.lower()}"), [(1,)])

    def _starting_line(self, parties: int) -> Callable[[], Awaitable[None]]:
        """Return what every caller awaits, so that all of them start at once."""
        if self.is_async:
            line = asyncio.Barrier(parties)

            async def meet() -> None:
                await line.wait()
        else:
            threads = threading.Barrier(parties, timeout=30)

            async def meet() -> None:
                threads.wait()

        return meet
