"""ValidatedModel as a table (V4): whatever writes whole objects checks them again, reading never does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from mini_orm import C, CodecError, Database, ModelError, Repository, ValidationError
from mini_orm.validation import ValidatedModel
from tests.backends import maybe_await
from tests.contracts.crud import auto_key

if TYPE_CHECKING:
    from tests.backends import ContractCase as Case
else:
    Case = object

NOON = datetime(2024, 1, 1, 12)
#: What is made while rows are read, by `Watchful`.
made: list[Any] = []


@dataclass
class Account(ValidatedModel):
    email: str = field(metadata={"pattern": r"[^@ ]+@[^@ ]+", "unique_index": True})
    age: int | None = field(default=None, metadata={"ge": 18})
    low: int = 0
    high: int = 10
    tags: list[str] = field(default_factory=list, metadata={"max_len": 3})
    id: int | None = auto_key()

    def model_validate(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


@dataclass
class Careless(ValidatedModel):
    """Its `__post_init__` forgets super's."""

    size: int = field(metadata={"ge": 0})
    id: int | None = auto_key()

    def __post_init__(self) -> None:
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Coin(ValidatedModel):
    face: str = field(metadata={"choices": ("heads", "tails")})
    weight: int | None = field(default=None, metadata={"server_default": "5", "ge": 1})
    id: int | None = auto_key()


@dataclass
class Watchful(ValidatedModel):
    """Its `__post_init__` makes objects of other models, and one of its own."""

    name: str = field(metadata={"min_len": 2})
    deep: bool = False
    id: int | None = auto_key()
    note: InitVar[str] = ""

    def __post_init__(self, note: str) -> None:
        super().__post_init__()
        made.append((type(self), self.name))
        for make in (lambda: Account("no address"), lambda: Derived("x")):
            with contextlib.suppress(ValidationError):
                made.append(make())


@dataclass
class Derived(Watchful):
    """A subclass of a model whose rows are read: another class, so its own checks stay on."""

    def __post_init__(self, note: str) -> None:
        ValidatedModel.__post_init__(self)


class Validated(Case):
    """What both contracts share."""

    @contextlib.asynccontextmanager
    async def nothing_written(self) -> AsyncIterator[None]:
        """Hold that no statement changes anything, as seen on a connection of its own."""
        before = self.dump()
        yield
        self.assertEqual(self.dump(), before)

    def dump(self) -> list[str]:
        return self.backend.dump()

    def break_rows(self, sql: str) -> None:
        """Change rows behind the models' back."""
        with contextlib.closing(self.backend.raw()) as conn:
            conn.execute(sql)

    async def refusal(self, call: Any) -> ValidationError:
        """Hold that a call is refused before anything is written, and return the error."""
        async with self.nothing_written():
            with self.assertRaises(ValidationError) as caught:
                await maybe_await(call())
        return caught.exception


class WritingContract(Validated):
    """V4: insert, insert_many, update, create and get_or_create check again."""

    async def test_objects_that_changed(self) -> None:
        """V4: an object that was right when it was made, and is not any more, is refused with all that is wrong."""
        repo = await self.table(Account, [Account("a@b", 20)])
        right = await maybe_await(repo.get(1))
        wrong = Account("c@d", 20)
        wrong.email, wrong.age = "c d", "20"  # type: ignore[assignment]  # on purpose
        error = await self.refusal(lambda: repo.insert(wrong))
        self.assertEqual([one[:2] for one in error.errors], [("email", "pattern"), ("age", "type")])
        self.assertIsNone(wrong.id)
        await self.refusal(lambda: repo.create(wrong))
        await self.refusal(lambda: repo.insert_many([Account("e@f"), wrong, Account("g@h")]))
        right.tags += "wxyz"
        self.assertEqual([one.rule for one in (await self.refusal(lambda: repo.update(right))).errors], ["max_len"])
        self.assertEqual(await maybe_await(repo.list()), [Account("a@b", 20, id=1)])

    async def test_model_validate(self) -> None:
        """V4: `model_validate` is asked again too."""
        repo = await self.table(Account)
        account = await maybe_await(repo.insert(Account("a@b")))
        account.low = 11
        for call in (repo.insert, repo.update, repo.create, lambda obj: repo.insert_many([obj])):
            error = await self.refusal(lambda call=call: call(account))
            self.assertEqual(error.errors, ((None, "model_validate", "low is above high"),))

    async def test_a_post_init_without_checks(self) -> None:
        """V4: objects of a class whose `__post_init__` checks nothing are checked when they are written."""
        repo = await self.table(Careless)
        wrong = Careless(-1)
        await self.refusal(lambda: repo.insert(wrong))
        await self.refusal(lambda: repo.insert_many([Careless(1), wrong]))
        await self.refusal(lambda: repo.get_or_create(lookup={"id": 5}, defaults={"size": -1}))
        right = await maybe_await(repo.insert(Careless(1)))
        right.size = -1
        await self.refusal(lambda: repo.update(right))
        self.assertEqual(await maybe_await(repo.list()), [Careless(1, 1)])

    async def test_get_or_create(self) -> None:
        """V4: a new row is checked before it is inserted; one that is there is found, whatever it is."""
        repo = await self.table(Account)
        await self.refusal(lambda: repo.get_or_create(lookup={"email": "no address"}))
        await self.refusal(lambda: repo.get_or_create(lookup={"email": "a@b"}, defaults={"age": 17}))
        account, created = await maybe_await(repo.get_or_create(lookup={"email": "a@b"}, defaults={"age": 18}))
        self.assertEqual((account, created), (Account("a@b", 18, id=1), True))
        self.break_rows("UPDATE account SET age = 5")
        account, created = await maybe_await(repo.get_or_create(lookup={"email": "a@b"}, defaults={"age": 18}))
        self.assertEqual((account.age, created), (5, False))

    async def test_frozen_and_slots(self) -> None:
        """V4: frozen objects come back with what the database filled in, and are checked alike."""
        repo = await self.table(Coin)
        coin = await maybe_await(repo.insert(Coin(face="heads")))
        self.assertEqual(coin, Coin(face="heads", weight=5, id=1))
        more = await maybe_await(repo.insert_many([Coin(face="tails"), Coin(face="heads", weight=2)]))
        self.assertEqual([(one.id, one.weight) for one in more], [(2, 5), (3, 2)])
        object.__setattr__(coin, "face", "edge")
        for call in (repo.insert, repo.update, lambda obj: repo.insert_many([obj])):
            error = await self.refusal(lambda call=call: call(coin))
            self.assertEqual([one[:2] for one in error.errors], [("face", "choices")])

    async def test_by_the_hub_and_in_a_transaction(self) -> None:
        """V4: also through the hub; a transaction goes on after a refusal that is caught."""
        await self.create_tables(Account)
        wrong = Account("a@b")
        wrong.age = 5
        async with self.transaction() as tx:
            hub = self.hub(tx)
            await maybe_await(hub.insert(Account("c@d")))
            for call in (hub.insert, hub.update, lambda obj: hub.insert_many([obj])):
                with self.assertRaises(ValidationError):
                    await maybe_await(call(wrong))
            await maybe_await(hub.insert(Account("e@f")))
        self.assertEqual(await maybe_await(self.repo(Account).count()), 2)

    async def test_before_the_codecs(self) -> None:
        """V4 T0: a wrong type is the model's matter first; what its rules leave open is the column's."""
        repo = await self.table(Account)
        account = Account("a@b")
        account.low = "5"  # type: ignore[assignment]  # on purpose
        await self.refusal(lambda: repo.insert(account))
        with self.assertRaises(CodecError):
            await maybe_await(repo.insert(Account("a@b", 2**70)))

    async def test_what_is_not_checked(self) -> None:
        """V4: `delete`, conditions and `update_where` have no object to check."""
        repo = await self.table(Account, [Account("a@b", 20)])
        account = await maybe_await(repo.get(1))
        self.assertEqual(await maybe_await(repo.update_where({"age": 5}, where=C.eq("email", "a@b"))), 1)
        self.assertEqual(await maybe_await(repo.count(C.lt("age", 18))), 1)
        account.age = "wrong"
        self.assertEqual(await maybe_await(repo.delete(account)), 1)

    async def test_a_mistake_in_a_rule(self) -> None:
        """V3 V4: a broken rule is found when the class is first used, also for reading, before any SQL."""

        @dataclass
        class Broken(ValidatedModel):
            name: str = field(metadata={"pattern": "["})
            id: int | None = auto_key()

        for call in (lambda: self.repo(Broken).list(), lambda: self.repo(Broken).get(1)):
            with self.assertRaisesRegex(ModelError, "Broken.name.*pattern"):
                await maybe_await(call())

    async def test_bounds_with_nothing_between(self) -> None:
        """V3: bounds that leave no value, or can't be compared, are a mistake; those that leave one are none."""
        for bounds, said in (
            ({"gt": 3, "lt": 3}, "nothing lies between gt and lt"),
            ({"gt": 3, "le": 3}, "nothing lies between gt and le"),
            ({"ge": 3, "lt": 3.0}, "nothing lies between ge and lt"),
            ({"min": 3, "lt": 3}, "nothing lies between min and lt"),
            ({"gt": 3, "max": 3}, "nothing lies between gt and max"),
            ({"gt": 4, "lt": 3}, "gt is above lt"),
            ({"ge": NOON, "le": NOON.replace(tzinfo=UTC)}, "ge and le can't be compared with each other"),
        ):

            @dataclass
            class Bounded(ValidatedModel):
                size: int | float | datetime = field(metadata={"codec": "json", **bounds})
                id: int | None = auto_key()

            with self.subTest(bounds=bounds), self.assertRaisesRegex(ModelError, f"^Bounded.size: .*{said}"):
                await maybe_await(self.repo(Bounded).list())

        @dataclass
        class Exact(ValidatedModel):
            size: int = field(metadata={"ge": 3, "min": 3, "le": 3, "max": 3})
            text: str = field(default="ab", metadata={"min_len": 2, "max_len": 2})
            id: int | None = auto_key()

        repo = await self.table(Exact, [Exact(3)])
        self.assertEqual(await maybe_await(repo.get(1)), Exact(3, "ab", 1))

    async def test_rules_of_unions(self) -> None:
        """V3: a rule is for the values of a union that it can be asked of; one that is for none is a mistake."""

        @dataclass
        class Mixed(ValidatedModel):
            code: int | str | None = field(metadata={"codec": "json", "min_len": 2, "pattern": "[a-z]*", "ge": 10})
            many: int | list[int] = field(default=0, metadata={"codec": "json", "non_empty": True, "max_len": 1})
            id: int | None = auto_key()

        right = [Mixed("ab"), Mixed(10), Mixed(None), Mixed("ab", [1])]
        repo = await self.table(Mixed, right)
        self.assertEqual(await maybe_await(repo.list(order_by="id")), right)
        for values, broken in (
            (("a",), ["min_len"]),
            (("A",), ["pattern", "min_len"]),
            ((9,), ["ge"]),
            ((10, []), ["non_empty"]),
            ((10, [1, 2]), ["max_len"]),
        ):
            with self.subTest(values=values), self.assertRaises(ValidationError) as caught:
                Mixed(*values)
            self.assertEqual([failure.rule for failure in caught.exception.errors], broken)

        @dataclass
        class Nothing(ValidatedModel):
            code: int | float | None = field(metadata={"codec": "json", "min_len": 2})
            id: int | None = auto_key()

        with self.assertRaisesRegex(ModelError, r"^Nothing.code: .*'min_len': it does not apply to int \| float"):
            await maybe_await(self.repo(Nothing).list())

    async def test_naive_and_aware_bounds(self) -> None:
        """V3: a value that can't be compared with a bound for its time zone, or for want of one, is told so."""

        @dataclass
        class Meeting(ValidatedModel):
            begins: datetime = field(metadata={"ge": NOON})
            ends: datetime = field(metadata={"timezone": True, "gt": NOON.replace(tzinfo=UTC)})
            daily: time = field(default=time(13), metadata={"le": time(14)})
            id: int | None = auto_key()

        later = NOON.replace(hour=13)
        repo = await self.table(Meeting, [Meeting(later, later.replace(tzinfo=UTC))])
        meeting = await maybe_await(repo.get(1))
        meeting.begins, meeting.ends, meeting.daily = later.replace(tzinfo=UTC), later, time(13, tzinfo=UTC)
        error = await self.refusal(lambda: repo.update(meeting))
        naive, aware = "a naive value can't be compared with an aware bound", "an aware value .* a naive bound"
        for failure, said in zip(error.errors, (aware, naive, aware), strict=True):
            self.assertRegex(failure.message, f"^must be .*; {said}$")
        meeting.begins = NOON.replace(hour=11)
        error = await self.refusal(lambda: repo.update(meeting))
        self.assertNotIn("compared", error.errors[0].message)


class ReadingContract(Validated):
    """V4: while rows become objects, the model's own checks are off, and nobody else's."""

    async def test_rows_that_break_the_rules(self) -> None:
        """V4: rows that break every rule are read by every verb that reads."""
        repo = await self.table(Account, [Account(f"a{n}@b", 20) for n in range(3)])
        self.break_rows("UPDATE account SET email = 'no address ' || id, age = 5, low = 11")
        rows = await maybe_await(repo.list(order_by="id"))
        self.assertEqual(
            [(row.email, row.age, row.low) for row in rows], [(f"no address {n}", 5, 11) for n in (1, 2, 3)]
        )
        self.assertEqual(await maybe_await(repo.get(2)), rows[1])
        self.assertEqual((await maybe_await(repo.get_or_create(lookup={"id": 3})))[0], rows[2])
        await self.refusal(lambda: repo.update(rows[0]))
        rows[0].email, rows[0].age, rows[0].low = "a@b", 18, 0
        self.assertEqual(await maybe_await(repo.update(rows[0])), 1)

    async def test_rows_of_null(self) -> None:
        """V4: NULL in a column that the rules want filled, and a row without decoders, are read."""

        @dataclass
        class Loose(ValidatedModel):
            name: str | None = field(default="", metadata={"required": True, "non_empty": True})
            id: int | None = auto_key()

        repo = await self.table(Loose)
        self.break_rows("INSERT INTO loose (name) VALUES (NULL), ('  ')")
        rows = await maybe_await(repo.list(order_by="id"))
        self.assertEqual([row.name for row in rows], [None, "  "])
        self.assertIsNone((await maybe_await(repo.get(1))).name)

    async def test_checks_are_on_again(self) -> None:
        """V4: after a read, after one that failed, and after one in which the model raised."""

        @dataclass
        class Failing(ValidatedModel):
            size: int = field(metadata={"ge": 0})
            day: list[int] = field(default_factory=list)
            id: int | None = auto_key()

            def __post_init__(self) -> None:
                super().__post_init__()
                if self.size == -7:
                    raise LookupError("as the model likes")

        repo = await self.table(Failing, [Failing(1)])

        def is_checked() -> None:
            with self.assertRaises(ValidationError):
                Failing(-1)

        await maybe_await(repo.list())
        is_checked()
        self.break_rows("UPDATE failing SET size = -7")
        for call in (repo.list, lambda: repo.get(1)):
            with self.assertRaises(LookupError):
                await maybe_await(call())
            is_checked()
        if not self.backend.stores_text:  # else a date can be no date
            return
        self.break_rows("UPDATE failing SET size = -1, day = '['")
        for call in (repo.list, lambda: repo.get(1)):
            with self.assertRaises(CodecError):
                await maybe_await(call())
            is_checked()

    async def test_objects_of_other_models(self) -> None:
        """V4: what a `__post_init__` makes while its own rows are read is checked, subclasses too."""
        repo = await self.table(Watchful, [Watchful("ab")])
        self.break_rows("UPDATE watchful SET name = 'x'")
        for call in (repo.list, lambda: repo.get(1)):
            made.clear()
            await maybe_await(call())
            self.assertEqual(made, [(Watchful, "x")])

    async def test_reading_inside_of_reading(self) -> None:
        """V4: a model that reads another one in its `__post_init__` goes on unchecked afterwards."""
        connect = self.backend.raw

        @dataclass
        class Leaf(ValidatedModel):
            size: int = field(metadata={"ge": 0})
            id: int | None = auto_key()

        @dataclass
        class Tree(ValidatedModel):
            size: int = field(metadata={"ge": 0})
            id: int | None = auto_key()
            leaves: list[Any] = field(default_factory=list, metadata={"column": False})

            def __post_init__(self) -> None:
                with Database(connect()) as db:
                    self.leaves = Repository(db, Leaf).list()
                super().__post_init__()

        await self.create_tables(Leaf, Tree)
        self.break_rows("INSERT INTO leaf (size) VALUES (-1), (-2)")
        self.break_rows("INSERT INTO tree (size) VALUES (-3), (-4)")
        rows = await maybe_await(self.repo(Tree).list(order_by="-size"))
        self.assertEqual([row.size for row in rows], [-3, -4])
        for row in rows:
            self.assertEqual([leaf.size for leaf in row.leaves], [-1, -2])

    async def test_other_threads(self) -> None:
        """V4: while one thread reads rows of a class, another one's objects of it are checked."""
        outcomes: list[Any] = []

        @dataclass
        class Shared(ValidatedModel):
            size: int = field(metadata={"ge": 0})
            id: int | None = auto_key()

            def __post_init__(self) -> None:
                if self.size == -1:
                    thread = threading.Thread(target=make)
                    thread.start()
                    thread.join()
                super().__post_init__()

        def make() -> None:
            try:
                outcomes.append(Shared(-2))
            except ValidationError as error:
                outcomes.append(error.errors[0].rule)

        repo = await self.table(Shared)
        self.break_rows("INSERT INTO shared (size) VALUES (-1)")
        self.assertEqual([row.size for row in await maybe_await(repo.list())], [-1])
        self.assertEqual(outcomes, ["ge"])
