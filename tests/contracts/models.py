"""Reading a dataclass as a model: from its annotations to columns (M1, M2)."""

from __future__ import annotations

import enum
import itertools
import sys
import textwrap
import types
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, Optional, Union

from mini_orm import (
    C,
    CodecError,
    ModelError,
    NotNullViolation,
    SQLiteDialect,
    create_table_sql,
)
from tests.backends import maybe_await

if TYPE_CHECKING:
    from tests.backends import ContractCase as Mixin
else:
    Mixin = object

KEY: Any = {"pk": True, "auto": True}
_numbers = itertools.count()


class Shade(enum.Enum):
    """An enum that a function's own `Shade` must win over."""

    LIGHT = 1


class ModelMixin(Mixin):
    """What the contracts about models share."""

    def module(self, source: str) -> Any:
        """Run `source` as a module of its own, without this file's future import, and return it."""
        name = f"mini_orm_test_module_{next(_numbers)}"
        module = types.ModuleType(name)
        sys.modules[name] = module
        self.addCleanup(sys.modules.pop, name, None)
        exec(compile(textwrap.dedent(source), f"<{name}>", "exec", dont_inherit=True), module.__dict__)
        return module

    async def refusal(self, model: Any) -> ModelError:
        """Hold that every way into the library refuses the model, and return the last error."""

        async def repository() -> None:
            await maybe_await(self.repo(model).list())

        async def schema() -> None:
            await self.create_tables(model)

        async def text() -> None:
            create_table_sql(model, SQLiteDialect())

        ways: list[Callable[[], Awaitable[None]]] = [repository, schema, text]
        for way in [*ways, *ways]:  # a class that failed once must not be half-known
            with self.assertRaises(ModelError) as caught:
                await way()
        return caught.exception

    def assert_names(self, error: BaseException, *names: str) -> None:
        for name in names:
            self.assertIn(name, str(error))

    async def declared(self, table: str) -> dict[str, str]:
        """The declared type of each column of a table."""
        return self.backend.columns(table)


class AnnotationsContract(ModelMixin):
    """M1, M2: from annotations to columns."""

    async def test_future_annotations_in_a_module(self) -> None:
        """M1: `from __future__ import annotations` makes every annotation text; it is resolved in its module."""
        module = self.module(
            """
            from __future__ import annotations
            import datetime as clock
            from dataclasses import dataclass, field
            from enum import Enum

            @dataclass
            class Event:
                id: int | None = field(default=None, metadata={"pk": True, "auto": True})
                day: clock.date | None = None
                kind: Kind | None = None

            class Kind(Enum):
                TALK = "talk"
            """
        )
        repo = await self.table(module.Event, [module.Event(day=date(2024, 2, 29), kind=module.Kind.TALK)])
        self.assertEqual(await maybe_await(repo.get(1)), module.Event(1, date(2024, 2, 29), module.Kind.TALK))

    async def test_quoted_names(self) -> None:
        """M1: quoted names, whole or in part, also of what is defined further down."""
        module = self.module(
            """
            from dataclasses import dataclass, field
            from enum import Enum
            from typing import Optional

            @dataclass
            class Event:
                id: "int | None" = field(default=None, metadata={"pk": True, "auto": True})
                kind: "Kind | None" = None
                other: Optional["Kind"] = None
                plain: "Kind" = None

            class Kind(Enum):
                TALK = "talk"
            """
        )
        talk = module.Kind.TALK
        repo = await self.table(module.Event, [module.Event(None, talk, talk, talk)])
        row = await maybe_await(repo.get(1))
        self.assertEqual((row.kind, row.other, row.plain), (talk, talk, talk))

    async def test_class_and_enum_in_a_function(self) -> None:
        """M1: a class defined in a function, with an enum and an alias that only the function has."""

        class Colour(enum.Enum):
            RED = "red"

        Amount = NewType("Amount", int)

        @dataclass
        class Paint:
            colour: Colour
            tins: Amount | None = None
            other: Optional[Colour] = None
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Paint, [Paint(Colour.RED, Amount(3), None), Paint(Colour.RED, None, Colour.RED)])
        rows = await maybe_await(repo.list(order_by="id"))
        self.assertEqual(rows, [Paint(Colour.RED, Amount(3), None, 1), Paint(Colour.RED, None, Colour.RED, 2)])
        self.assertIs(rows[0].colour, Colour.RED)

    async def test_function_name_wins_over_module_name(self) -> None:
        """M1: where a function and its module have the same name, the function's class means its own."""

        class Shade(enum.Enum):
            DARK = "dark"

        @dataclass
        class Curtain:
            shade: Shade
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Curtain, [Curtain(Shade.DARK)])
        row = await maybe_await(repo.get(1))
        self.assertIs(row.shade, Shade.DARK)

    async def test_module_names_for_a_class_from_a_function_that_returned(self) -> None:
        """M1: a class made by a function that has returned still has its module's names."""

        def make() -> type:
            @dataclass
            class Curtain:
                shade: Shade
                day: Optional[date] = None
                id: int | None = field(default=None, metadata=KEY)

            return Curtain

        model = make()
        repo = await self.table(model, [model(Shade.LIGHT)])
        row = await maybe_await(repo.get(1))
        self.assertIs(row.shade, Shade.LIGHT)

    async def test_caller_names_are_not_taken_for_the_definer_s(self) -> None:
        """M1: a name of the function that uses the class never stands for one of the function that defined it."""

        def make() -> tuple[type, Any]:
            class Tone(enum.Enum):
                LOW = "low"

            @dataclass
            class Bell:
                tone: Tone
                id: int | None = field(default=None, metadata=KEY)

            return Bell, Tone.LOW

        class Tone(enum.Enum):
            HIGH = 1

        model, low = make()
        self.assertEqual(Tone.HIGH.value, 1)
        try:
            repo = await self.table(model, [model(low)])
        except ModelError as error:  # honest where the name is gone with its function
            self.assert_names(error, "Bell", "tone", "Tone")
        else:
            row = await maybe_await(repo.get(1))
            self.assertIs(row.tone, low)

    async def test_inherited_annotation_is_resolved_where_it_was_written(self) -> None:
        """M1 M6: a base class from another module brings its own module's names, not those of the subclass's place."""
        base = self.module(
            """
            from __future__ import annotations
            from dataclasses import dataclass
            from enum import Enum

            class State(Enum):
                OPEN = "open"

            @dataclass(kw_only=True)
            class Base:
                state: State
            """
        )

        class State(enum.Enum):
            SHUT = 1

        @dataclass(kw_only=True)
        class Ticket(base.Base):  # type: ignore[misc, name-defined]  # a module made at run time
            own: State = State.SHUT
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Ticket, [Ticket(state=base.State.OPEN)])
        row = await maybe_await(repo.get(1))
        self.assertIs(row.state, base.State.OPEN)
        self.assertIs(row.own, State.SHUT)

    async def test_unresolved_name(self) -> None:
        """M1: a name that is nowhere is a ModelError with model, field and name; never a silent TEXT column."""
        source = """
            {future}
            from dataclasses import dataclass, field
            from typing import TYPE_CHECKING, Optional, List
            if TYPE_CHECKING:
                from somewhere import Colour

            @dataclass
            class Paint:
                id: int = field(metadata={{"pk": True}})
                shade: {annotation}
            """
        future = "from __future__ import annotations"
        for head, annotation in (
            (future, "Colour"),
            (future, "Colour | None"),
            (future, "List[Colour]"),
            ("", '"Colour"'),
            ("", 'Optional["Colour"]'),
        ):
            with self.subTest(annotation):
                error = await self.refusal(self.module(source.format(future=head, annotation=annotation)).Paint)
                self.assert_names(error, "Paint", "shade", "Colour")

    async def test_annotation_that_is_no_python(self) -> None:
        """M1: text that can't be read as a type is a ModelError with model and field."""
        for annotation in ("'not python!'", "'1 +'", "''", "'date.nothing'", "5"):
            with self.subTest(annotation):
                module = self.module(
                    f"""
                    from dataclasses import dataclass, field
                    from datetime import date

                    @dataclass
                    class Paint:
                        id: int = field(metadata={{"pk": True}})
                        shade: {annotation}
                    """
                )
                self.assert_names(await self.refusal(module.Paint), "Paint", "shade")

    async def test_unions_with_none_are_nullable(self) -> None:
        """M2: nullable if None is in the union, however it is spelt; NULL is read as None."""

        @dataclass
        class Row:
            bar: int | None
            optional: Optional[int]
            union: Union[int, None]
            inside: Annotated[int | None, "note"]
            outside: Annotated[int, "note"] | None
            literal: Literal["a", None]
            id: int | None = field(default=None, metadata=KEY)

        empty = Row(None, None, None, None, None, None)
        full = Row(1, 2, 3, 4, 5, "a")
        repo = await self.table(Row, [empty, full])
        self.assertEqual(await maybe_await(repo.list(order_by="id")), [empty, full])

    async def test_default_none_is_nullable(self) -> None:
        """M2: a default of None makes a column nullable, whatever the annotation says."""

        @dataclass
        class Row:
            id: int | None = field(default=None, metadata=KEY)
            number: int = None  # type: ignore[assignment]  # that is the rule under test
            day: date = field(default=None)  # type: ignore[assignment]

        repo = await self.table(Row, [Row()])
        self.assertEqual(await maybe_await(repo.get(1)), Row(1, None, None))  # type: ignore[arg-type]

    async def test_otherwise_not_nullable(self) -> None:
        """M2: without None in union or default a column is NOT NULL, and the database says so."""

        @dataclass
        class Row:
            number: int
            name: str = "x"
            many: list[int] = field(default_factory=list)
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Row)
        for bad in (Row(None), Row(1, None), Row(1, "x", None)):  # type: ignore[arg-type]
            with self.assertRaises(NotNullViolation):
                await maybe_await(repo.insert(bad))
        self.assertEqual(await maybe_await(repo.count()), 0)

    async def test_wrappers_have_the_column_of_what_they_wrap(self) -> None:
        """M2: Optional, Annotated, NewType and Literal, also nested, give the column of the type inside."""
        Name = NewType("Name", str)
        FullName = NewType("FullName", Name)

        @dataclass
        class Wrapped:
            a: Annotated[date, "note"]
            b: Optional[Annotated[date, "note"]]
            c: Name
            d: Annotated[FullName, 1, 2] | None
            e: Literal["x", "y"]
            f: Literal[1, 2] | None
            g: Optional[Literal[True, False]]
            id: int | None = field(default=None, metadata=KEY)

        @dataclass
        class Plain:
            a: date
            b: date
            c: str
            d: str
            e: str
            f: int
            g: bool
            id: int | None = field(default=None, metadata=KEY)

        await self.create_tables(Wrapped, Plain)
        self.assertEqual(await self.declared("wrapped"), await self.declared("plain"))
        row = Wrapped(date(2024, 1, 1), None, Name("n"), FullName(Name("f")), "y", 2, True)
        repo = self.repo(Wrapped)
        await maybe_await(repo.insert(row))
        self.assertEqual(await maybe_await(repo.get(1)), row)

    async def test_literal_is_checked_when_written(self) -> None:
        """M2 T0: a value that the Literal does not list is a CodecError; True is not the 1 that it lists."""

        @dataclass
        class Row:
            state: Literal["on", "off"]
            level: Literal[1, 2] = 1
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Row, [Row("on")])
        for bad in (Row("OFF"), Row(1), Row("on", 3), Row("on", True), Row("on", "1")):  # type: ignore[arg-type]
            with self.subTest(bad), self.assertRaises(CodecError):
                await maybe_await(repo.insert(bad))
        with self.assertRaises(CodecError):
            await maybe_await(repo.update_where({"state": "idle"}, allow_all=True))
        self.assertEqual(await maybe_await(repo.count(C.eq("state", "idle"))), 0)
        self.assertEqual(await maybe_await(repo.count()), 1)

    async def test_union_of_two_types(self) -> None:
        """M2: a union of two types needs a codec or `db_type`; without, it is a ModelError that says so."""

        @dataclass
        class Bare:
            value: int | str | None
            id: int | None = field(default=None, metadata=KEY)

        error = await self.refusal(Bare)
        self.assert_names(error, "Bare", "value", "codec", "db_type")

        @dataclass
        class Typed:
            value: int | bytes | None = field(
                metadata={"db_type": {"sqlite": "BLOB", "postgres": "BYTEA", "mysql": "BLOB"}}
            )
            id: int | None = field(default=None, metadata=KEY)

        values = [5, b"\x00", None] if self.backend.stores_text else [b"\x05", b"\x00", None]
        repo = await self.table(Typed, [Typed(value) for value in values])
        found = [row.value for row in await maybe_await(repo.list(order_by="id"))]
        self.assertEqual([bytes(one) if isinstance(one, memoryview) else one for one in found], values)
        self.assertIn((await self.declared("typed"))["value"], ("BLOB", "BYTEA"))

        @dataclass
        class Coded:
            value: int | str | None = field(metadata={"codec": "json"})
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Coded, [Coded(5), Coded("5"), Coded(None)])
        self.assertEqual([row.value for row in await maybe_await(repo.list(order_by="id"))], [5, "5", None])
