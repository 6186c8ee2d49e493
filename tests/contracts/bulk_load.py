"""`insert_many(…, returning=False)` (B4): the rows of `insert_many`, and neither keys nor objects."""

from __future__ import annotations

import copy
import datetime as dt
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any

import mini_orm
from mini_orm import CodecError, TransactionError, ValidatedModel
from tests.backends import maybe_await
from tests.contracts.bulk import Bare, Cell, Defaulted, Fixed, Item
from tests.contracts.crud import Outside, auto_key
from tests.contracts.transactions import quiet_log

AWKWARD = ("", " ", "\\", "\\N", "\\.", "\n", "\r\n", "\t", "a\tb\\tc\nd", "%s ? :x $1", "'\"`", "é\U0001f600", "\x01")


class Grade(Enum):
    GOOD = "\\N"
    BAD = "a\tb"


@dataclass
class Sample:
    text: str
    grade: Grade
    number: int | None = None
    real: float | None = None
    exact: Decimal | None = None
    flag: bool | None = None
    raw: bytes | None = None
    at: dt.datetime | None = None
    zoned: dt.datetime | None = field(default=None, metadata={"timezone": True})
    day: dt.date | None = None
    hour: dt.time | None = None
    span: dt.timedelta | None = None
    code: uuid.UUID | None = None
    data: dict[str, Any] | None = None
    id: int | None = auto_key()


@dataclass
class Checked(ValidatedModel):
    name: str = field(metadata={"non_empty": True})
    id: int | None = auto_key()


def samples() -> list[Sample]:
    zone = dt.timezone(dt.timedelta(hours=-3))
    full = [
        Sample(
            text,
            list(Grade)[n % 2],
            n - 5,
            [0.1, -0.0, 1e300, 5e-324][n % 4],
            Decimal(["1.50", "-0.000001", "123456789012345678.25"][n % 3]),
            n % 2 == 0,
            bytes([n, 0, 92, 255 - n]),
            dt.datetime(1 + n * 100, 1, 2, 3, 4, 5, n),
            dt.datetime(2024, 5, 6, 7, 8, 9, n, tzinfo=zone),
            dt.date(1 + n * 300, 12, 31),
            dt.time(23, 59, 59, n),
            dt.timedelta(days=-n, microseconds=n),
            uuid.UUID(int=n),
            {text: [text, None, n, {"a\\": 0.5}]},
        )
        for n, text in enumerate(AWKWARD)
    ]
    return [*full, Sample("nothing", Grade.GOOD)]


class InsertRowsContract(Outside):
    """B4 on every backend."""

    async def load(self, repo: Any, objects: Any) -> Any:
        return await maybe_await(repo.insert_many(objects, returning=False))

    async def test_nothing_is_no_sql(self) -> None:
        """B4 B1: no objects are 0 rows, in the hub, too."""
        repo = await self.table(Item)
        seen = await self.trace()
        self.assertEqual(await self.load(repo, []), 0)
        self.assertEqual(await self.load(self.hub(), iter(())), 0)
        self.assertEqual(seen, [])

    async def test_many(self) -> None:
        """B4: any iterable; the number of rows comes back, the objects stay as they are, and may be there twice."""
        repo = await self.table(Item)
        many = self.amount(20_000, 700)
        items = [Item(n, f"label {n}") for n in range(many)]
        self.assertEqual(await self.load(repo, (item for item in items)), many)
        self.assertEqual({item.id for item in items}, {None})
        self.assertEqual(self.rows("SELECT count(DISTINCT id), min(n), max(n) FROM item"), [(many, 0, many - 1)])
        later = Item(many)
        self.assertEqual(await maybe_await(self.hub().insert_many(Item, [later], returning=False)), 1)
        self.assertIsNone(later.id)
        cells = await self.table(Fixed)
        self.assertEqual(await self.load(cells, [Fixed(1)] * 3), 3)
        self.assertEqual(self.rows("SELECT n FROM fixed"), [(1,)] * 3)

    async def test_every_type(self) -> None:
        """B4: what is read is what was written, whatever is in it, and as `insert_many` writes it."""
        repo = await self.table(Sample)
        given = samples()
        self.assertEqual(await self.load(repo, copy.deepcopy(given)), len(given))
        for place, found in enumerate(await maybe_await(repo.list(order_by="id"))):
            with self.subTest(place=place):
                found.id = None
                self.assertEqual(found, given[place])

    async def test_keys_and_defaults(self) -> None:
        """B4 M8 M9: the database fills in what is left out, of all rows or of some; keys that are given are kept."""
        await self.create_tables(Item, Defaulted, Bare, Cell)
        await self.load(self.repo(Defaulted), [Defaulted(1), Defaulted(2)])
        await self.load(self.repo(Defaulted), [Defaulted(3), Defaulted(4, state=6)])
        self.assertEqual(self.rows("SELECT n, state FROM defaulted ORDER BY n"), [(1, 5), (2, 5), (3, 5), (4, 6)])
        await self.load(self.repo(Item), [Item(1, id=100), Item(2, id=200)])
        self.resume_keys(Item)
        await self.load(self.repo(Item), [Item(3), Item(4, id=400), Item(5)])
        self.assertEqual(self.rows("SELECT id FROM item WHERE n IN (1, 2, 4) ORDER BY n"), [(100,), (200,), (400,)])
        self.assertEqual(self.rows("SELECT count(*) FROM item"), [(5,)])
        self.assertEqual(await self.load(self.repo(Bare), [Bare(), Bare(), Bare()]), 3)
        self.assertEqual(self.rows("SELECT count(*) FROM bare"), [(3,)])
        self.assertEqual(await self.load(self.repo(Cell), [Cell(1, "a", 2), Cell(2, "\t", 3)]), 2)
        self.assertEqual(self.rows("SELECT x, y, value FROM cell ORDER BY x"), [(1, "a", 2), (2, "\t", 3)])

    async def test_all_or_nothing(self) -> None:
        """B4 B3: of a row that is refused none stays, and a transaction goes on without them."""
        repo = await self.table(Item, [Item(-1)])
        bad = [*(Item(n) for n in range(450)), Item(3)]
        with self.assertRaises(mini_orm.UniqueViolation) as caught:
            await self.load(repo, bad)
        self.assertNotIn("450", str(caught.exception.args))
        self.assertEqual(self.rows("SELECT n FROM item"), [(-1,)])
        self.assert_clean()
        with quiet_log():
            async with self.transaction():
                await maybe_await(repo.insert(Item(900)))
                with self.assertRaises(mini_orm.UniqueViolation):
                    await self.load(repo, bad)
                self.assertEqual(await self.load(repo, [Item(901)]), 1)
        self.assertEqual(self.rows("SELECT n FROM item ORDER BY n"), [(-1,), (900,), (901,)])

    async def test_what_is_refused(self) -> None:
        """B4 B3 T0 V4: as by `insert_many`, before anything is written."""
        await self.create_tables(Item, Checked)
        repo: Any = self.repo(Item)
        bad: Any = Item("x")  # type: ignore[arg-type]  # that is the point
        with self.assertRaisesRegex(CodecError, r"Item\.n"):
            await self.load(repo, [Item(1), bad])
        for wrong in (Item(1), None, [Item(1), None], [Item(1), Fixed(2)]):
            with self.subTest(wrong=wrong), self.assertRaises(TypeError):
                await self.load(repo, wrong)
        for returning in (None, 0, "no"):
            with self.subTest(returning=returning), self.assertRaisesRegex(TypeError, "returning"):
                await maybe_await(repo.insert_many([Item(1)], returning=returning))
        checked = Checked("x")
        checked.name = ""
        with self.assertRaises(mini_orm.ValidationError):
            await self.load(self.repo(Checked), [checked])
        with self.assertRaisesRegex(TransactionError, "read_only"):
            async with self.transaction(read_only=True):
                await self.load(repo, [Item(1)])
        self.assertEqual(self.rows("SELECT n FROM item"), [])
        self.assert_clean()

    async def test_triggers(self) -> None:
        """B4: they run for each row."""
        await self.create_tables(Item, Cell)
        body = "INSERT INTO cell (x, y, value) VALUES (NEW.n, NEW.label, 7)"
        for sql in self.backend.trigger("noted", "AFTER INSERT", "item", body):
            await maybe_await(self.db.execute(sql))
        self.assertEqual(await self.load(self.repo(Item), [Item(1, "a"), Item(2, "b")]), 2)
        self.assertEqual(self.rows("SELECT x, y, value FROM cell ORDER BY x"), [(1, "a", 7), (2, "b", 7)])
