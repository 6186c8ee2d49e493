"""Tables that are not as the model says: an older version, another program's defaults, triggers and counters."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mini_orm import C, DataError, F, ModelError, ProgrammingError, QueryError
from tests.backends import maybe_await, needs

KEY = {"pk": True, "auto": True}


@dataclass
class Person:
    name: str
    nickname: str | None = None
    id: int | None = field(default=None, metadata=KEY)


@dataclass
class Priced:
    price: Decimal | None = field(default=None, metadata={"server_default": "1.00"})
    at: dt.datetime | None = field(default=None, metadata={"server_default": "'2024-01-02'"})
    day: dt.date | None = field(default=None, metadata={"server_default": "('2024-01-02')"})
    time: dt.time | None = field(default=None, metadata={"server_default": "'10:00'"})
    token: uuid.UUID | None = field(default=None, metadata={"server_default": "'12345678-1234-5678-1234-56781234ABCD'"})
    tags: dict[str, int] | None = field(default=None, metadata={"server_default": '\'{ "b": 1, "a": 2 }\''})
    seen: dt.datetime | None = field(default=None, metadata={"server_default": "(current_timestamp)", "timezone": True})
    id: int | None = field(default=None, metadata=KEY)


@dataclass
class Scaled:
    price: Decimal = field(metadata={"precision": 6, "scale": 2})
    id: int | None = field(default=None, metadata=KEY)


class ForeignContract:
    """What other programs, and other versions, left in the database."""

    async def test_a_column_that_the_table_does_not_have(self: Any) -> None:
        """Q10 Errors: it is an error in every statement, and never the text of its own name."""
        await maybe_await(self.db.execute(f"CREATE TABLE person (id {self.backend.auto_key}, name TEXT)"))
        await maybe_await(self.db.execute("INSERT INTO person (name) VALUES ('Ann')"))
        repo = self.repo(Person)
        calls: list[Any] = [
            lambda: repo.list(),
            lambda: repo.get(1),
            lambda: repo.count(C.eq("nickname", "nickname")),
            lambda: repo.exists(C.contains("nickname", "n")),
            lambda: repo.delete_where(where=C.eq("nickname", "nickname")),
            lambda: repo.update_where({"name": "x"}, where=C.eq("nickname", "nickname")),
            lambda: repo.update_where({"name": F("nickname")}, where=C.eq("id", 1)),
            lambda: repo.insert(Person("Bob")),
        ]
        for call in calls:
            with self.assertRaises(ProgrammingError):
                await maybe_await(call())
        self.assertEqual(await maybe_await(self.db.fetchall("SELECT name FROM person")), [{"name": "Ann"}])

    @needs("triggers_write_their_table")
    async def test_a_trigger_that_takes_keys(self: Any) -> None:
        """B2: a trigger that inserts into the same table takes keys, too; each object gets its own row's."""
        repo = await self.table(Person)
        body = "INSERT INTO person (name, nickname) SELECT NEW.name, 'twin' WHERE NEW.nickname IS NULL"
        for sql in self.backend.trigger("twice", "AFTER INSERT", "person", body):
            await maybe_await(self.db.execute(sql))
        people = await maybe_await(repo.insert_many([Person("a"), Person("b"), Person("c")]))
        for person in people:
            self.assertEqual(await maybe_await(repo.get(person.id)), person)
        self.assertEqual(await maybe_await(repo.count()), 6)

    async def test_keys_that_are_never_given_again(self: Any) -> None:
        """B2: where a table remembers its last key (AUTOINCREMENT, a sequence), a deleted row's does not come back."""
        key = self.backend.auto_key + (" AUTOINCREMENT" if self.backend.uses_file else "")
        await maybe_await(self.db.execute(f"CREATE TABLE person (id {key}, name TEXT, nickname TEXT)"))
        repo = self.repo(Person)
        await maybe_await(repo.insert_many([Person("a"), Person("b")]))
        await maybe_await(repo.delete_where(allow_all=True))
        self.assertEqual([one.id for one in await maybe_await(repo.insert_many([Person("c"), Person("d")]))], [3, 4])

    async def test_an_object_twice(self: Any) -> None:
        """B2: one object can't have two keys; nothing is inserted."""
        repo = await self.table(Person)
        person = Person("a")
        with self.assertRaises(QueryError):
            await maybe_await(repo.insert_many([person, person]))
        self.assertEqual((person.id, await maybe_await(repo.count())), (None, 0))

    async def test_defaults_are_found_by_their_value(self: Any) -> None:
        """M9 Q11 T4 T5 T7 T11: a literal default is stored as the column stores values."""
        repo = await self.table(Priced)
        row = await maybe_await(repo.insert(Priced()))
        self.assertEqual((row.price, row.day, row.time), (Decimal(1), dt.date(2024, 1, 2), dt.time(10)))
        self.assertEqual(row.tags, {"a": 2, "b": 1})
        for name in ("price", "at", "day", "time", "token", "tags", "seen"):
            with self.subTest(name):
                self.assertEqual(await maybe_await(repo.count(C.eq(name, getattr(row, name)))), 1)

    @needs("stores_text")
    async def test_a_default_that_is_no_value(self: Any) -> None:
        """M9 S1: a literal that the column can't hold is refused with the model and the field."""

        @dataclass
        class Wrong:
            day: dt.date = field(default=None, metadata={"server_default": "'tomorrow'"})  # type: ignore[assignment]
            id: int | None = field(default=None, metadata=KEY)

        with self.assertRaisesRegex(ModelError, "Wrong.day"):
            await self.create_tables(Wrong)

    async def test_arithmetic_stays_within_the_scale(self: Any) -> None:
        """T4 Q16: more digits than the column takes are refused by the database, not stored."""
        repo = await self.table(Scaled, [Scaled(Decimal("9.99"))])
        await maybe_await(repo.update_where({"price": F("price") * 2}, allow_all=True))
        with self.assertRaises(DataError):
            await maybe_await(repo.update_where({"price": F("price") * Decimal("0.1")}, allow_all=True))
        with self.assertRaises(DataError):
            await maybe_await(repo.update_where({"price": F("price") * 10_000}, allow_all=True))
        [row] = await maybe_await(repo.list())
        self.assertEqual(row.price, Decimal("19.98"))
        self.assertEqual(await maybe_await(repo.update(row)), 1)
