"""Property tests: any value of every supported type that is written reads back equal, on every backend and both faces.

Hypothesis does not drive coroutines, so each case has a private event loop, and every example is one `run` of it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import tempfile
import unittest
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Optional

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import mini_orm
from mini_orm import C, OrderBy
from mini_orm.core.models import model_meta
from tests import strategies
from tests.backends import BACKENDS, Backend, maybe_await, where_there_is_a_server
from tests.strategies import KINDS, Kind, ModelCase

SETTINGS = settings(deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck))


def model_of(kind: Kind) -> type:
    """A model with a column of that kind that may not be NULL (`value`) and one that may (`maybe`)."""
    specs: list[tuple[str, Any, Any]] = [
        ("value", kind.annotation, dataclasses.field(metadata=kind.metadata)),
        ("maybe", Optional[kind.annotation], dataclasses.field(default=None, metadata=kind.metadata)),
        ("id", Optional[int], dataclasses.field(default=None, metadata={"pk": True, "auto": True})),
    ]
    return dataclasses.make_dataclass("Kept", specs, namespace={"__table__": kind.name, "__module__": __name__})


class PropertyCase(unittest.TestCase):
    """A backend with a database in memory and an event loop of its own."""

    backend_class: type[Backend]
    runner: asyncio.Runner
    backend: Backend
    db: Any

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="mini_orm_test_")
        self.addCleanup(directory.cleanup)
        self.runner = asyncio.Runner()
        self.addCleanup(self.runner.close)
        self.backend = self.backend_class(directory.name)
        self.addCleanup(self.backend.close)
        self.db = self.run_async(self.backend.open(**self.backend.scratch()))
        self.addCleanup(lambda: self.run_async(self.close(self.db)))

    def run_async(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def close(self, db: Any) -> None:
        await maybe_await(db.close() if self.backend.face == "sync" else db.aclose())

    async def create_table(self, db: Any, model: type) -> None:
        if self.backend.face == "sync":
            mini_orm.apply_schema(db, model)
        else:
            await mini_orm.apply_schema_async(db, model)

    def takes(self, value: Any) -> bool:
        """Tell whether the database keeps a value: not each has infinities."""
        is_infinite = isinstance(value, float) and math.isinf(value)
        return self.backend.keeps_infinity or not is_infinite

    def assert_kept(self, kind: Kind, got: Any, written: Any) -> None:
        """What was read equals what was written, and is of the type that the annotation promises."""
        if written is None:
            self.assertIsNone(got)
            return
        wanted = kind.read(written)
        self.assertEqual(got, wanted)
        self.assertIs(type(got), type(wanted))
        if getattr(wanted, "tzinfo", None) is not None:
            self.assertIsNotNone(got.utcoffset())


# The properties are mixins, as the contracts are; they are bound to the backends at the end of the file.
if TYPE_CHECKING:
    Mixin = PropertyCase
else:
    Mixin = object


class ValuesProperty(Mixin):
    """One test for each way to annotate a column."""

    def keeps(self, name: str, max_examples: int = 12) -> None:
        kind = KINDS[name]
        model = model_of(kind)
        self.run_async(self.create_table(self.db, model))
        repo = self.backend.repository(self.db, model)
        values = kind.values.filter(self.takes)

        @settings(SETTINGS, max_examples=self.backend.amount(max_examples, 3))
        @given(values, values, values, st.one_of(st.none(), values))
        def check(first: Any, second: Any, third: Any, maybe: Any) -> None:
            self.run_async(self.round_trip(kind, model, repo, (first, second, third), maybe))

        check()

    async def round_trip(self, kind: Kind, model: Any, repo: Any, values: tuple[Any, Any, Any], maybe: Any) -> None:
        first, second, third = values
        await maybe_await(repo.delete_where(allow_all=True))

        # insert, insert_many
        one = await maybe_await(repo.insert(model(value=first, maybe=maybe)))
        two, three = await maybe_await(repo.insert_many([model(value=second, maybe=None), model(value=third)]))
        await self.assert_rows(kind, repo, {one.id: (first, maybe), two.id: (second, None), three.id: (third, None)})
        await self.assert_found(kind, repo, {one.id: first, two.id: second, three.id: third})
        nulls = await maybe_await(repo.list(where=C.eq("maybe", None)))
        self.assertEqual({row.id for row in nulls}, {two.id, three.id} | ({one.id} if maybe is None else set()))

        # update
        three.value, three.maybe = first, second
        self.assertEqual(await maybe_await(repo.update(three)), 1)
        await self.assert_rows(kind, repo, {one.id: (first, maybe), two.id: (second, None), three.id: (first, second)})

        # update_where, to a value and to NULL
        changed = await maybe_await(repo.update_where({"value": third, "maybe": first}, where=C.eq("id", two.id)))
        self.assertEqual(changed, 1)
        changed = await maybe_await(repo.update_where({"maybe": None}, where=C.in_("id", [one.id, three.id])))
        self.assertEqual(changed, 2)
        await self.assert_rows(kind, repo, {one.id: (first, None), two.id: (third, first), three.id: (first, None)})
        await self.assert_found(kind, repo, {one.id: first, two.id: third, three.id: first})

    async def assert_rows(self, kind: Kind, repo: Any, rows: dict[int, tuple[Any, Any]]) -> None:
        """Exactly these rows are there, through `list` and through `get`."""
        listed = await maybe_await(repo.list(order_by="id"))
        self.assertEqual([row.id for row in listed], sorted(rows))
        for row in listed:
            single = await maybe_await(repo.get(row.id))
            for got in (row, single):
                value, maybe = rows[row.id]
                self.assert_kept(kind, got.value, value)
                self.assert_kept(kind, got.maybe, maybe)

    async def assert_found(self, kind: Kind, repo: Any, values: dict[int, Any]) -> None:
        """`C.eq`, `C.in_` and order say of these rows what Python says of their values."""
        for row_id, value in values.items():
            found = {row.id for row in await maybe_await(repo.list(where=C.eq("value", value)))}
            self.assertIn(row_id, found)
            if kind.exact:
                equal = {other for other, held in values.items() if kind.read(held) == kind.read(value)}
                self.assertEqual(found, equal)
        self.assertEqual(await maybe_await(repo.count(C.in_("value", list(values.values())))), len(values))
        if not kind.ordered:
            return
        read = {row_id: kind.read(value) for row_id, value in values.items()}
        listed = await maybe_await(repo.list(order_by=["value", "id"]))
        self.assertEqual([row.id for row in listed], sorted(read, key=lambda row_id: (read[row_id], row_id)))
        listed = await maybe_await(repo.list(order_by=[OrderBy("value", desc=True)]))
        self.assertEqual([row.value for row in listed], sorted(read.values(), reverse=True))
        pivot = next(iter(values.values()))
        for name, holds in (
            ("lt", lambda value: value < kind.read(pivot)),
            ("ge", lambda value: value >= kind.read(pivot)),
            ("ne", lambda value: value != kind.read(pivot)),
        ):
            found = {row.id for row in await maybe_await(repo.list(where=getattr(C, name)("value", pivot)))}
            self.assertEqual(found, {row_id for row_id, value in read.items() if holds(value)}, name)

    def test_int(self) -> None:
        """T1: any 64-bit integer."""
        self.keeps("int")

    def test_bool(self) -> None:
        """T2: comes back as bool."""
        self.keeps("bool", 5)

    def test_float(self) -> None:
        """T3: any double but NaN, infinities included."""
        self.keeps("float", 40)

    def test_float_from_int(self) -> None:
        """T0 T3: an int is a float."""
        self.keeps("float_from_int")

    def test_decimal(self) -> None:
        """T4: exact, and compared by value, however it is spelt."""
        self.keeps("decimal", 60)

    def test_decimal_with_scale(self) -> None:
        """T4: NUMERIC(p,s)."""
        self.keeps("money", 40)

    def test_decimal_from_int(self) -> None:
        """T4: an int is taken for a Decimal, and read as one."""
        self.keeps("decimal_from_int")

    def test_naive_datetime(self) -> None:
        """T5 T6: any naive moment, to the microsecond, in the order of time."""
        self.keeps("naive_datetime")

    def test_aware_datetime(self) -> None:
        """T5: any aware moment, read back aware, in the order of time whatever the offsets."""
        self.keeps("aware_datetime", 40)

    def test_date(self) -> None:
        """T6: any date."""
        self.keeps("date")

    def test_time(self) -> None:
        """T6: any time of day, to the microsecond."""
        self.keeps("time")

    def test_timedelta(self) -> None:
        """T6: any duration of 64-bit microseconds, negative ones too."""
        self.keeps("timedelta")

    def test_uuid(self) -> None:
        """T7: any UUID."""
        self.keeps("uuid")

    def test_bytes(self) -> None:
        """T8: any bytes."""
        self.keeps("bytes")

    def test_bytearray(self) -> None:
        """T8: a bytearray is read as bytes."""
        self.keeps("bytearray")

    def test_memoryview(self) -> None:
        """T8: a memoryview is read as bytes."""
        self.keeps("memoryview")

    def test_text(self) -> None:
        """T9: any text without NUL and lone surrogates; equality and order are by code point."""
        self.keeps("text", 60)

    def test_varchar(self) -> None:
        """T9: text with `max_length`."""
        self.keeps("varchar")

    def test_enums(self) -> None:
        """T10: members of every sort of enum, and their values."""
        for name in ("enum_of_text", "enum_of_int", "enum_of_float", "str_enum", "int_enum", "enum_by_value"):
            with self.subTest(name):
                self.keeps(name, 8)

    def test_enum_codec(self) -> None:
        """T10: the codec named in the metadata is the one that the type has anyway."""
        self.keeps("enum_codec", 8)

    def test_literals(self) -> None:
        """M2: a Literal has the column of its values."""
        for name in ("literal_text", "literal_int"):
            with self.subTest(name):
                self.keeps(name, 8)

    def test_annotated_and_new_type(self) -> None:
        """M2: Annotated and NewType have the column of what they stand for."""
        for name in ("annotated", "new_type"):
            with self.subTest(name):
                self.keeps(name, 8)

    def test_json_dict(self) -> None:
        """T11: any nest of JSON in a dict."""
        self.keeps("dict", 60)

    def test_json_list(self) -> None:
        """T11: any nest of JSON in a list."""
        self.keeps("list", 40)

    def test_json_annotated(self) -> None:
        """T11: tuples and sets come back as annotated, at the top and inside."""
        for name in ("dict_of_int", "list_of_text", "list_of_tuples", "dict_of_sets"):
            with self.subTest(name):
                self.keeps(name, 15)

    def test_json_codec(self) -> None:
        """T11 M2: `codec="json"` on a tuple, a set, a union, anything."""
        for name in ("tuple_fixed", "tuple_variadic", "set", "frozenset", "union", "any_json"):
            with self.subTest(name):
                self.keeps(name, 15)


class KindsHaveTests(unittest.TestCase):
    def test_every_kind_is_tested(self) -> None:
        """T0: no kind of `tests/strategies.py` is left out above."""
        tested: set[str] = set()

        class Recorder(ValuesProperty, PropertyCase):
            def keeps(self, name: str, max_examples: int = 12) -> None:
                tested.add(name)

        for name in unittest.TestLoader().getTestCaseNames(Recorder):
            getattr(Recorder(name), name)()
        self.assertEqual(tested, set(KINDS))


class ModelsProperty(Mixin):
    """Dataclasses that nobody thought of."""

    def test_random_models(self) -> None:
        """M3 M5 M7 M8 M10 M12: a drawn model, whatever its names, types, key and options, keeps its rows."""

        @settings(SETTINGS, max_examples=self.backend.amount(30, 5))
        @given(st.data())
        def check(data: st.DataObject) -> None:
            case = data.draw(strategies.models())
            meta = model_meta(case.model)
            assume(all(map(self.backend.takes_name, (meta.table, *(column.column for column in meta.columns)))))
            objects = data.draw(case.objects())
            changes = data.draw(case.values(case.plain))
            written = [changes, *map(case.expected, objects)]
            assume(all(self.takes(value) for values in written for value in values.values()))
            assume(case.auto or len({case.key(obj) for obj in objects}) == len(objects))
            self.run_async(self.keeps_model(case, objects, changes))

        check()

    async def keeps_model(self, case: ModelCase, objects: list[Any], changes: dict[str, Any]) -> None:
        before = dict(vars(case.model))
        db = await self.backend.open(**self.backend.scratch())
        try:
            try:
                await self.create_table(db, case.model)
            except mini_orm.ModelError:
                assume(self.backend.indexes_every_column)  # else that is what is to be said of a model
                raise
            await self.crud(case, self.backend.repository(db, case.model), objects, changes)
        finally:
            await self.close(db)
        self.assertEqual(before, dict(vars(case.model)))

    async def crud(self, case: ModelCase, repo: Any, objects: list[Any], changes: dict[str, Any]) -> None:
        first, *rest = objects
        stored = [await maybe_await(repo.insert(first)), *await maybe_await(repo.insert_many(rest))]
        self.assertEqual(await maybe_await(repo.count()), len(objects))
        frozen = case.options["frozen"]
        for given_obj, obj in zip(objects, stored, strict=True):
            if not frozen:
                self.assertIs(obj, given_obj)
            elif case.auto:
                self.assertIsNone(case.key(given_obj))
            self.assertIs(type(obj), case.model)
            self.assertIsNotNone(case.key(obj))
            await self.assert_row(case, repo, case.key(obj), case.expected(obj))
        self.assertEqual(len({case.key(obj) for obj in stored}), len(objects))
        if not case.plain:
            return
        changed = dataclasses.replace(stored[0], **changes)
        self.assertEqual(await maybe_await(repo.update(changed)), 1)
        await self.assert_row(case, repo, case.key(changed), case.expected(changed))
        for obj in stored[1:]:  # nobody else's row
            await self.assert_row(case, repo, case.key(obj), case.expected(obj))
        self.assertEqual(await maybe_await(repo.update_where(changes, allow_all=True)), len(objects))
        for name, value in changes.items():
            self.assertEqual(await maybe_await(repo.count(C.eq(name, value))), len(objects), name)
        self.assertEqual(await maybe_await(repo.delete(changed)), 1)
        self.assertIsNone(await maybe_await(repo.get(case.key(changed))))
        self.assertEqual(await maybe_await(repo.count()), len(objects) - 1)

    async def assert_row(self, case: ModelCase, repo: Any, key: Any, expected: dict[str, Any]) -> None:
        row = await maybe_await(repo.get(key))
        self.assertIs(type(row), case.model)
        for name, value in expected.items():
            got = getattr(row, name)
            self.assertEqual(got, value, name)
            self.assertIs(type(got), type(value), name)
        found = await maybe_await(repo.list(where=[C.eq(name, getattr(row, name)) for name in case.pk]))
        self.assertEqual(found, [row])


def _bind(case: type, backend: type[Backend]) -> None:
    name = f"{case.__name__}_{backend.__name__}"
    made = type(name, (case, PropertyCase), {"backend_class": backend, "__module__": __name__})
    globals()[name] = where_there_is_a_server(made, backend)


for _backend in BACKENDS:
    _bind(ValuesProperty, _backend)
    _bind(ModelsProperty, _backend)
