"""ValidatedModel: construction, types and rules (V1 to V3), which need no database; V4 is bound to every backend."""

from __future__ import annotations

import collections
import copy
import dataclasses
import datetime as dt
import enum
import gc
import pickle
import re
import sys
import textwrap
import threading
import types
import typing
import unittest
import uuid
import warnings
import weakref
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    MutableSequence,
    Sequence,
    Set,
)
from dataclasses import KW_ONLY, InitVar, dataclass, field
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, NewType, Optional, Protocol, TypedDict, Union

from hypothesis import given, settings
from hypothesis import strategies as st

from mini_orm import ModelError, ValidationError
from mini_orm.validation import ValidatedModel
from tests.backends import bind_all
from tests.contracts.validation import ReadingContract, WritingContract

bind_all(globals(), WritingContract, ReadingContract)

SECRET = "xyzzy"


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(str, enum.Enum):
    READ = "r"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass
class Point:
    x: int = 0


class Point3(Point):
    """A subclass: also a `Point`."""


class Sized(Protocol):
    def size(self) -> int: ...


@typing.runtime_checkable
class Closing(Protocol):
    def close(self) -> None: ...


class Options(TypedDict):
    depth: int


class Pair(typing.NamedTuple):
    left: int
    right: int


Name = NewType("Name", str)
Text = typing.TypeVar("Text", bound=str)


def model(annotation: Any, default: Any = dataclasses.MISSING, **metadata: Any) -> Any:
    """Make a model with one field, `it`."""
    return dataclasses.make_dataclass(
        "One", [("it", annotation, field(default=default, metadata=metadata))], bases=(ValidatedModel,)
    )


class Case(unittest.TestCase):
    def refusal(self, make: Callable[..., Any], *args: Any, **kwargs: Any) -> ValidationError:
        """Hold that a call raises a ValidationError, and return it."""
        with self.assertRaises(ValidationError) as caught:
            make(*args, **kwargs)
        return caught.exception

    def rules(self, make: Callable[..., Any], *args: Any, **kwargs: Any) -> list[tuple[str | None, str]]:
        """Return the fields and rules that a refused call breaks."""
        return [(name, rule) for name, rule, _ in self.refusal(make, *args, **kwargs).errors]

    def mistake(self, make: Callable[[], Any], *names: str) -> ModelError:
        """Hold that the class is refused with an error that names `names`, each time anew."""
        for _ in range(2):
            with self.assertRaises(ModelError) as caught:
                make()
        self.assertIsInstance(caught.exception, TypeError)
        self.assertIsInstance(caught.exception, ValueError)
        for name in names:
            self.assertIn(name, str(caught.exception))
        return caught.exception


@dataclass
class Player(ValidatedModel):
    name: str = field(metadata={"non_empty": True, "max_len": 10})
    level: int = field(default=1, metadata={"ge": 1, "le": 99})
    email: str | None = field(default=None, metadata={"pattern": r"[^@]+@[^@]+"})
    tags: list[str] = field(default_factory=list)


class Construction(Case):
    """V1: checks after construction."""

    def test_a_right_object_is_left_as_it_is(self) -> None:
        """V1: nothing is converted, copied or attached."""
        tags = ["a"]
        player = Player("Ada", 7, "ada@example.org", tags)
        self.assertEqual(vars(player), {"name": "Ada", "level": 7, "email": "ada@example.org", "tags": tags})
        self.assertIs(player.tags, tags)
        ratio = model(float)(3)
        self.assertIs(type(ratio.it), int)

    def test_every_failure_is_collected(self) -> None:
        """V1: one error with all that is wrong, in the order of the fields; its text names them and no value."""
        error = self.refusal(Player, SECRET * 5, "7", SECRET, [SECRET, 5])
        self.assertIsInstance(error, ValueError)
        self.assertEqual(
            error.errors,
            (
                ("name", "max_len", "must have a length of at most 10"),
                ("level", "type", "expected int, got str"),
                ("email", "pattern", "must match '[^@]+@[^@]+' as a whole"),
                ("tags", "type", "expected str at [1], got int"),
            ),
        )
        self.assertEqual(error.model, "Player")
        for name, _, message in error.errors:
            self.assertIn(f"{name}: {message}", str(error))
        self.assertTrue(str(error).startswith("Player: "))
        self.assertNotIn(SECRET, str(error))

    def test_several_rules_of_one_field(self) -> None:
        """V1 V3: every rule that a value breaks is there."""
        cls = model(str, min_len=3, pattern="[a-z]+", choices=("abc", "abcd"))
        self.assertEqual(self.rules(cls, "X"), [("it", "pattern"), ("it", "choices"), ("it", "min_len")])

    def test_the_error_travels(self) -> None:
        """V1 Errors: facts have names, and survive pickling and copying."""
        error = self.refusal(Player, "", 0)
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            self.assertEqual((str(twin), twin.errors, twin.model), (str(error), error.errors, "Player"))
            self.assertEqual((twin.errors[0].field, twin.errors[0].rule), ("name", "non_empty"))
            self.assertIn("blank", twin.errors[0].message)
        self.assertEqual(ValidationError("in short").errors, ())

    def test_own_post_init(self) -> None:
        """V1: a `__post_init__` of the class's own calls super's; what it sets before is checked."""
        calls = []

        @dataclass
        class Own(ValidatedModel):
            name: str

            def __post_init__(self) -> None:
                calls.append(self.name)
                self.name = self.name.strip()
                super().__post_init__()

        self.assertEqual(Own(" a ").name, "a")
        self.assertEqual(calls, [" a "])

        @dataclass
        class Child(Own):
            size: int = field(default=0, metadata={"ge": 0})

        self.assertEqual(self.rules(Child, "b", -1), [("size", "ge")])

    def test_init_var(self) -> None:
        """V1: an InitVar is no field, with and without a `__post_init__` of the class's own."""

        @dataclass
        class Plain(ValidatedModel):
            name: str
            salt: InitVar[int] = 5

        @dataclass
        class Own(ValidatedModel):
            name: str
            salt: InitVar[int]
            hashed: int = field(init=False)

            def __post_init__(self, salt: int) -> None:
                self.hashed = salt
                super().__post_init__()

        self.assertEqual(Plain("a", "unchecked"), Plain("a"))  # type: ignore[arg-type]  # on purpose
        self.assertEqual(Own("a", 3).hashed, 3)
        self.assertEqual(self.rules(Own, "a", "3"), [("hashed", "type")])

    def test_init_false(self) -> None:
        """V1: a field without a place in `__init__` is checked once it is set, and left out before."""

        @dataclass
        class Late(ValidatedModel):
            size: int
            double: int = field(init=False)
            count: int = field(default=0, init=False, metadata={"ge": 0})

            def __post_init__(self) -> None:
                super().__post_init__()
                self.double = self.size * 2

        self.assertEqual(Late(2).double, 4)
        self.assertEqual(self.rules(Late, "2"), [("size", "type")])
        self.assertEqual(self.rules(model(int, "0")), [("it", "type")])

    def test_defaults_and_factories(self) -> None:
        """V1: defaults are checked like any value, and a factory is called once."""
        made = []

        def factory() -> list[int]:
            made.append(1)
            return [1]

        @dataclass
        class Counted(ValidatedModel):
            items: list[int] = field(default_factory=factory)
            none: int = None  # type: ignore[assignment]  # what models take for nullable

        self.assertEqual((Counted().items, made), ([1], [1]))
        self.assertIsNone(Counted().none)
        self.assertEqual(self.rules(Counted, none="1"), [("none", "type")])
        self.assertEqual(self.rules(model(int, "wrong")), [("it", "type")])

    def test_forms_of_dataclasses(self) -> None:
        """V1 V4: frozen, slots, kw_only, and all of them."""
        for frozen in (False, True):
            for slots in (False, True):
                for kw_only in (False, True):
                    with self.subTest(frozen=frozen, slots=slots, kw_only=kw_only):

                        @dataclass(frozen=frozen, slots=slots, kw_only=kw_only)  # type: ignore[literal-required]
                        class Form(ValidatedModel):
                            size: int = field(metadata={"ge": 0})
                            name: str = ""

                        self.assertEqual(Form(size=1, name="a"), Form(size=1, name="a"))
                        self.assertEqual(self.rules(Form, size=-1, name=None), [("size", "ge"), ("name", "type")])
                        self.assertEqual(hasattr(Form(size=1), "__dict__"), not slots)
                        self.assertIs(type(Form), type)

    def test_slots_with_own_post_init(self) -> None:
        """V1: with slots, a `__post_init__` names its base (before Python 3.14 `super()` means another class)."""

        @dataclass(slots=True)
        class Slotted(ValidatedModel):
            size: int

            def __post_init__(self) -> None:
                ValidatedModel.__post_init__(self)

        self.assertEqual(Slotted(1).size, 1)
        self.assertEqual(self.rules(Slotted, "1"), [("size", "type")])

    def test_inheritance(self) -> None:
        """V1: a subclass checks the fields that it has, its parent those that the parent has."""

        @dataclass
        class Parent(ValidatedModel):
            size: int = field(metadata={"ge": 0})

        @dataclass
        class Child(Parent):
            size: int = field(metadata={"ge": 10})
            name: str = ""

        self.assertEqual(Parent(5).size, 5)
        self.assertEqual(self.rules(Child, 5, 5), [("size", "ge"), ("name", "type")])
        self.assertEqual(Child(10, "a").name, "a")
        self.assertEqual(self.rules(Parent, -1), [("size", "ge")])

        @dataclass
        class Mixed(ValidatedModel):
            constant: ClassVar[int] = "no field"  # type: ignore[assignment]  # on purpose
            _: KW_ONLY
            last: Final[int] = 1

        self.assertEqual(self.rules(Mixed, last="1"), [("last", "type")])

    def test_generic(self) -> None:
        """V1: a type variable is not checked, what stands beside it is."""

        @dataclass
        class Box(ValidatedModel, Generic[Text]):
            it: Text
            size: int = 0

        self.assertEqual(Box[Any](5).it, 5)
        self.assertEqual(self.rules(Box, "a", "b"), [("size", "type")])

    def test_a_base_that_keeps_subclasses_to_itself(self) -> None:
        """V1: a class is checked by its own fields, even if a base forgets to call `super().__init_subclass__`."""

        class Registry:
            def __init_subclass__(cls) -> None:
                pass

        @dataclass
        class Parent(Registry, ValidatedModel):
            size: int = 0

        @dataclass
        class Child(Parent):
            name: str = ""

        Parent(1)
        self.assertEqual(self.rules(Child, 1, 2), [("name", "type")])
        self.assertEqual(self.rules(Parent, "1"), [("size", "type")])

    def test_model_validate(self) -> None:
        """V1: called when every field is right, and only then; its ValueError becomes a ValidationError."""
        calls: list[Any] = []

        @dataclass
        class Span(ValidatedModel):
            start: int
            end: int

            def model_validate(self) -> None:
                calls.append(self)
                if self.end < self.start:
                    raise ValueError("end is before start")

        self.assertEqual(calls, [Span(1, 2)])
        error = self.refusal(Span, 2, 1)
        self.assertEqual(
            (error.errors, str(error)),
            (((None, "model_validate", "end is before start"),), "Span: end is before start"),
        )
        self.assertIsInstance(error.__cause__, ValueError)
        calls.clear()
        self.refusal(Span, 2, "1")
        self.assertEqual(calls, [])

    def test_what_model_validate_raises(self) -> None:
        """V1: a ValidationError goes through as it is, and so does whatever is no ValueError."""
        for raised in (ValidationError("mine"), TypeError("a bug"), KeyError("k"), KeyboardInterrupt()):
            with self.subTest(raised=type(raised)):

                @dataclass
                class Raising(ValidatedModel):
                    size: int

                    def model_validate(self) -> None:
                        raise raised  # noqa: B023  # it is called before the next one is bound

                with self.assertRaises(type(raised)) as caught:
                    Raising(1)
                self.assertIs(caught.exception, raised)

    def test_inherited_model_validate(self) -> None:
        """V1: a subclass inherits `model_validate`."""

        class Even(ValidatedModel):
            def model_validate(self) -> None:
                if self.size % 2:  # type: ignore[attr-defined]  # the subclass has it
                    raise ValueError("odd")

        @dataclass
        class Child(Even):
            size: int

        Child(2)
        self.assertEqual(self.rules(Child, 1), [(None, "model_validate")])

    def test_replace_copy_and_pickle(self) -> None:
        """V1: `replace` makes an object, so it checks; copies and pickles are the same object and don't."""
        player = Player("Ada")
        self.assertEqual(self.rules(dataclasses.replace, player, level=0), [("level", "ge")])
        player.level = 0
        for twin in (copy.copy(player), copy.deepcopy(player), pickle.loads(pickle.dumps(player))):
            self.assertEqual(twin, player)

    def test_the_class_is_never_changed(self) -> None:
        """V1: using a class leaves it, its fields and its objects as they were."""

        @dataclass
        class Thing(ValidatedModel):
            size: int = field(metadata={"ge": 0})

        def state() -> Any:
            return dict(vars(Thing)), [repr(one) for one in dataclasses.fields(Thing)], dict(Thing.__annotations__)

        before = state()
        thing = Thing(1)
        self.refusal(Thing, "1")
        self.assertEqual(state(), before)
        self.assertEqual(vars(thing), {"size": 1})

    def test_classes_are_held_weakly(self) -> None:
        """V1: a class goes with its last user, whatever its fields and rules refer to."""

        def use() -> list[weakref.ref[type]]:
            @dataclass
            class Leaf(ValidatedModel):
                tree: Tree | None = None
                size: int = field(default=1, metadata={"validator": lambda value: Tree is not None})

            @dataclass(slots=True)
            class Tree(ValidatedModel):
                leaves: list[Leaf] = field(default_factory=list)
                parent: Tree | None = None

            Tree([Leaf(Tree())], Tree())
            self.refusal(Tree, [5])
            return [weakref.ref(Leaf), weakref.ref(Tree)]

        references = use()
        gc.collect()
        self.assertEqual([reference() for reference in references], [None, None])

    def test_first_used_by_many_threads(self) -> None:
        """V1: a class that is first used by several threads at once is checked in each."""
        start = threading.Barrier(8)
        found: list[Any] = []

        @dataclass
        class Shared(ValidatedModel):
            size: int = field(metadata={"ge": 0})
            names: dict[str, list[int]] = field(default_factory=dict)

        def use() -> None:
            start.wait(30)
            Shared(1)
            found.append(self.rules(Shared, -1, {"a": ["b"]}))

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [[("size", "ge"), ("names", "type")]] * 8)

    def test_no_dataclass(self) -> None:
        """V1: a class without its decorator is told so."""

        class Plain(ValidatedModel):
            size: int

        self.mistake(lambda: Plain().__post_init__(), "Plain", "dataclass")


NOW = dt.datetime(2024, 5, 17, 12)
#: An annotation, values of it, and values that are none.
TYPES: list[tuple[Any, list[Any], list[Any]]] = [
    (int, [0, -5, 2**80, Level.LOW], [True, 1.0, "1", None, Decimal(1)]),
    (float, [0.5, 3, float("nan"), Level.LOW], [False, "1", None, Decimal(1), 1j]),
    (complex, [1j, 1.5, 2], [True, "1"]),
    (bool, [True, False], [0, 1, "True", None]),
    (str, ["", "a", Mode.READ, Name("b")], [b"a", 1, None, ["a"]]),
    (bytes, [b"", b"a"], ["a", bytearray(b"a"), [1]]),
    (Decimal, [Decimal("1.5"), Decimal("NaN")], [1, 1.5, "1"]),
    (dt.date, [NOW.date()], [NOW, "2024-05-17", NOW.time()]),
    (dt.datetime, [NOW, NOW.replace(tzinfo=dt.UTC)], [NOW.date(), 0]),
    (dt.time, [NOW.time()], [NOW]),
    (dt.timedelta, [dt.timedelta(1)], [1]),
    (uuid.UUID, [uuid.UUID(int=1)], [str(uuid.UUID(int=1)), 1]),
    (None, [None], [0, False, ""]),
    (Optional[int], [1, None], [True, "1"]),
    (int | None, [1, None], [1.5]),
    (Union[int, str], [1, "a"], [None, 1.5, True]),
    (int | list[str] | None, [1, ["a"], None], [[1], "a", [None]]),
    (Literal["a", 1], ["a", 1], [True, "b", 1.0, None, [], Mode.READ]),
    (Literal[True, None], [True, None], [1, False]),
    (Literal[Color.RED], [Color.RED], [Color.BLUE, "red"]),
    (Annotated[int, "meta"], [1], ["1"]),
    (Annotated[int | None, "meta"], [1, None], ["1"]),
    (Name, ["a"], [1]),
    (list, [[], [1, "a"]], [(), "a", {}, None]),
    (list[int], [[], [1, 2]], [[1, "2"], [None], (1,), [True], "12", {1}]),
    (typing.List[int], [[1]], [["1"]]),
    (list[int | None], [[1, None]], [["a"], None]),
    (list[Any], [[], [1, None]], [(1,)]),
    (list[list[int]], [[[1], []]], [[1], [["1"]]]),
    (list[list[list[list[list[list[list[int]]]]]]], [[[[[[[[1]]]]]]]], [[[[[[[["1"]]]]]]]]),
    (set[str], [set(), {"a"}], [["a"], {1}, frozenset("a")]),
    (frozenset[int], [frozenset({1})], [{1}, frozenset("a")]),
    (collections.deque[int], [collections.deque([1])], [[1], collections.deque("a")]),
    (tuple, [(), (1, "a")], [[1], 1]),
    (tuple[int, str], [(1, "a")], [(1,), ("a", 1), (1, "a", 2), [1, "a"], ()]),
    (tuple[int, ...], [(), (1, 2), Pair(1, 2)], [(1, "a"), [1]]),
    (tuple[()], [()], [(1,), []]),
    (tuple[int, *tuple[str, ...]], [(1, "a")], [[1]]),
    (Pair, [Pair(1, 2)], [(1, 2)]),
    (Sequence, [[], (1,), range(3)], ["a", b"a", {1}, bytearray()]),
    (Sequence[str], [["a"], ("a",), []], ["abc", b"abc", [1], {"a"}, memoryview(b"a")]),
    (typing.Sequence[int], [[1], range(3)], [b"abc", ["a"]]),
    (MutableSequence[int], [[1], collections.deque([1])], [(1,), ["a"]]),
    (Set[int], [{1}, frozenset({1}), {1: 2}.keys()], [[1], {"a"}]),
    (Collection[int], [[1], {1}, (1,)], [["a"], 5, iter([1])]),
    (dict, [{}, {1: 2}], [[], None]),
    (dict[str, int], [{}, {"a": 1}], [{"a": "b"}, {1: 1}, [("a", 1)], {"a": None}]),
    (dict[str, list[int]], [{"a": [1]}], [{"a": 1}, {"a": ["b"]}]),
    (dict[str, Any], [{"a": object()}], [{1: 1}]),
    (Mapping[str, int], [{"a": 1}, types.MappingProxyType({"a": 1})], [{"a": "b"}, [1]]),
    (MutableMapping[str, int], [{"a": 1}, collections.OrderedDict(a=1)], [types.MappingProxyType({}), {1: 1}]),
    (collections.defaultdict[str, int], [collections.defaultdict(int, a=1)], [{"a": 1}]),
    (collections.Counter[str], [collections.Counter("a")], [{"a": 1}]),
    (Color, [Color.RED], ["red", Level.LOW, None]),
    (Level, [Level.LOW], [1]),
    (Access, [Access.READ, Access.READ | Access.WRITE], [1]),
    (Point, [Point(), Point3()], [{"x": 1}, 0, Point]),
    (list[Point], [[Point(), Point3()]], [[Point(), None]]),
    (type, [int, Point], [1]),
    (type[Point], [Point, Point3], [int, Point()]),
    (type[Any], [int], [1]),
    (Iterable[int], [[1], iter([1]), ["unread"]], [5]),
    (Iterator[int], [iter([1])], [[1]]),
    (Callable[[int], str], [len, lambda: None], [5]),
    (re.Pattern[str], [re.compile("a")], ["a"]),
    (Options, [{"depth": 1}, {}], [[("depth", 1)]]),
    (Any, [None, 1, object()], []),
    (object, [None, 1], []),
    (Sized, [None, 1], []),
    (Closing, [None, 1], []),
    (Text, [None, 1], []),
    (list[Text], [[None, 1]], ["a"]),
    (Any | None, [None, 1], []),
]


class Types(Case):
    """V2: the annotation, recursively."""

    def test_types(self) -> None:
        """V2: every annotation takes its values and refuses others, naming the field."""
        for annotation, right, wrong in TYPES:
            cls = model(annotation)
            for value in right:
                with self.subTest(annotation=annotation, right=value):
                    self.assertIs(cls(value).it, value)
            for value in wrong:
                with self.subTest(annotation=annotation, wrong=value):
                    self.assertEqual(self.rules(cls, value), [("it", "type")])

    def test_types_inside_optional_and_containers(self) -> None:
        """V2: the same inside `| None`, a list, a tuple and a dict."""
        for annotation, right, wrong in TYPES:
            wrappings: list[tuple[Any, Callable[[Any], Any]]] = [
                (Optional[annotation], lambda value: value),
                (list[annotation], lambda value: [value]),
                (tuple[int, annotation], lambda value: (1, value)),
                (dict[str, annotation], lambda value: {"a": value}),
                (Annotated[Sequence[Union[annotation, Point]], 5], lambda value: (Point(), value)),
            ]
            for wrapped, wrap in wrappings:
                cls = model(wrapped)
                for value in right:
                    with self.subTest(annotation=wrapped, right=value):
                        cls(wrap(value))
                for value in wrong:
                    if isinstance(value, Point) or (value is None and wrapped == Optional[annotation]):
                        continue
                    with self.subTest(annotation=wrapped, wrong=value):
                        self.assertEqual(self.rules(cls, wrap(value)), [("it", "type")])

    def test_messages_say_where(self) -> None:
        """V2: the message says what was expected, where inside, and what type was found; never the value."""
        for annotation, value, message in (
            (int, SECRET, "expected int, got str"),
            (int | None, SECRET, "expected int | None, got str"),
            (Optional[list[int]], [1, SECRET], "expected int at [1], got str"),
            (list[dict[str, int]], [{}, {SECRET: SECRET}], "expected int at [1][a value], got str"),
            (dict[int, int], {SECRET: 1}, "expected int at [a key], got str"),
            (set[int], {SECRET}, "expected int at […], got str"),
            (tuple[int, str], (1, 2), "expected str at [1], got int"),
            (tuple[int, str], (1,), "expected tuple[int, str], got tuple of length 1"),
            (tuple[int, ...], [1], "expected tuple[int, ...], got list"),
            (Literal["a", "b"], SECRET, "expected Literal['a', 'b'], got str"),
            (Color, SECRET, "expected Color, got str"),
            (int | str, None, "expected int | str, got NoneType"),
            (Sequence[str], SECRET, "expected Sequence[str], got str"),
        ):
            with self.subTest(annotation=annotation):
                error = self.refusal(model(annotation), value)
                self.assertEqual(error.errors, (("it", "type", message),))
                self.assertNotIn(SECRET, str(error))

    def test_postponed_and_quoted(self) -> None:
        """V2: names are resolved where they were written, also of what is defined further down or in a function."""
        source = """
            from __future__ import annotations
            from dataclasses import dataclass
            from mini_orm.validation import ValidatedModel

            @dataclass
            class Node(ValidatedModel):
                value: Kind
                next: Node | None = None
                nodes: "list[Node]" = ()

            class Kind:
                pass

            def local():
                class Inner:
                    pass

                @dataclass
                class Outer(ValidatedModel):
                    inner: Inner

                return Outer(Inner()), lambda: Outer(5)
        """
        module = types.ModuleType("mini_orm_test_validation")
        sys.modules[module.__name__] = module
        self.addCleanup(sys.modules.pop, module.__name__)
        exec(compile(textwrap.dedent(source), module.__name__, "exec", dont_inherit=True), vars(module))
        kind = module.Kind()
        node = module.Node(kind, None, [])
        module.Node(kind, node, [node])
        self.assertEqual(self.rules(module.Node, 5, 5, [5]), [("value", "type"), ("next", "type"), ("nodes", "type")])
        right, wrong = module.local()
        self.assertIsInstance(right.inner, object)
        self.assertEqual(self.rules(wrong), [("inner", "type")])

    def test_a_name_that_cannot_be_found(self) -> None:
        """V2: an annotation that can't be resolved is an error of the class, with class, field and name."""
        error = self.mistake(lambda: model("Missing | None")(5), "One.it", "Missing")
        self.assertEqual((error.model, error.field), ("One", "it"))
        self.mistake(lambda: model("1 +")(5), "One.it")

    @unittest.skipIf(sys.version_info < (3, 12), "needs Python 3.12 for `type X = …`")
    def test_aliases(self) -> None:
        """V2: an alias stands for what it names, also where it names itself."""
        names: dict[str, Any] = {}
        exec("type Json = None | str | list[Json] | dict[str, Json]\ntype Two[T] = tuple[T, T]", names)
        cls = model(names["Json"])
        for value in (None, "a", ["a", {"b": [None]}]):
            cls(value)
        for value in (5, ["a", 5], {"a": {"b": 5}}, {5: "a"}):
            self.assertEqual(self.rules(cls, value), [("it", "type")])
        pairs = model(names["Two"][int])
        pairs((1, "unchecked"))
        self.assertEqual(self.rules(pairs, (1,)), [("it", "type")])

    def test_a_container_that_holds_itself(self) -> None:
        """V2: no recursion error for a value that has no end."""
        names: dict[str, Any] = {"Any": Any}
        endless: list[Any] = []
        endless.append(endless)
        model(list[Any])(endless)
        if sys.version_info >= (3, 12):
            exec("type Deep = list[Deep]", names)
            self.assertEqual(self.rules(model(names["Deep"]), endless), [("it", "type")])

    def test_many_containers_inside_each_other(self) -> None:
        """V2: as deep as one likes, deeper than Python lets loops stand inside each other."""
        annotation: Any = int
        right: Any = 1
        wrong: Any = "1"
        for _ in range(30):
            annotation, right, wrong = list[annotation], [right], [wrong]
        model(annotation)(right)
        self.assertEqual(self.rules(model(annotation), wrong), [("it", "type")])

    def test_classes_that_refuse_questions(self) -> None:
        """V2: a class whose `isinstance` fails is not checked."""

        class Meta(type):
            def __instancecheck__(cls, value: Any) -> bool:
                raise TypeError("no questions")

        class Odd(metaclass=Meta):
            pass

        model(Odd)(5)
        model(list[Odd])([5])


def raising(error: BaseException) -> Callable[[Any], Any]:
    def validator(value: Any) -> Any:
        raise error

    return validator


class Unorderly:
    """Compares with nothing, but looks as if it did."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __le__(self, other: Any) -> bool:
        if not isinstance(other, Unorderly):
            raise RuntimeError(SECRET)
        return self.number <= other.number

    def __ge__(self, other: Any) -> bool:
        raise RuntimeError(SECRET)

    def __lt__(self, other: Any) -> bool:
        raise RuntimeError(SECRET)


#: A rule, the annotation, values that keep it, and values that break it.
RULES: list[tuple[dict[str, Any], Any, list[Any], list[Any]]] = [
    ({"required": True}, Optional[int], [0, 5], [None]),
    ({"required": False}, Optional[int], [0, None], []),
    ({"required": True}, Any, [0, ""], [None]),
    ({"non_empty": True}, str, ["a", " a "], ["", "  ", "\t\n\u00a0\u2003"]),
    ({"non_empty": True}, bytes, [b"a", b" "], [b""]),
    ({"non_empty": True}, list[int], [[0]], [[]]),
    ({"non_empty": True}, dict[str, int], [{"": 0}], [{}]),
    ({"non_empty": True}, Optional[set[int]], [{1}, None], [set()]),
    ({"non_empty": True}, str | list[str], ["a", [" "]], [" ", []]),
    ({"non_empty": True}, Any, ["a", [1]], ["", (), 5]),
    ({"non_empty": False}, str, ["", "a"], []),
    ({"pattern": "[a-z]+"}, str, ["abc"], ["", "abc\n", "abc1", "1abc", "A"]),
    ({"pattern": re.compile("[a-z]+", re.IGNORECASE)}, str, ["aBc"], ["1"]),
    ({"pattern": ""}, str, [""], ["a"]),
    ({"pattern": b"[a-z]+"}, bytes, [b"abc"], [b"A"]),
    ({"pattern": "[a-z]+"}, Optional[str], ["abc", None], ["1"]),
    ({"pattern": "[a-z]+"}, Any, ["abc"], ["1", 1, b"abc"]),
    ({"pattern": "[a-z]+"}, str | int, ["abc", 1], ["1"]),
    ({"pattern": "[a-z]"}, Mode, [Mode.READ], []),
    ({"choices": ("a", "b")}, str, ["a", "b"], ["c", ""]),
    ({"choices": {"a": 1}}, str, ["a"], ["b"]),
    ({"choices": range(3)}, int, [0, 2], [3, -1]),
    ({"choices": [[1], [2]]}, list[int], [[1]], [[], [1, 2]]),
    ({"choices": Color}, Color, list(Color), []),
    ({"choices": [Color.RED]}, Color, [Color.RED], [Color.BLUE]),
    ({"choices": (1, 2)}, Any, [1], [3, [1], {}]),
    ({"min_len": 2}, str, ["ab", "abc"], ["", "a"]),
    ({"max_len": 2}, str, ["", "ab"], ["abc"]),
    ({"min_len": 1, "max_len": 1}, list[int], [[1]], [[], [1, 2]]),
    ({"max_len": 0}, dict, [{}], [{1: 2}]),
    ({"max_len": 2}, Optional[bytes], [b"ab", None], [b"abc"]),
    ({"max_len": 2}, Any, ["ab"], ["abc", 5]),
    ({"gt": 0}, int, [1], [0, -1]),
    ({"ge": 0}, int, [0, 1], [-1]),
    ({"lt": 10}, int, [9], [10, 11]),
    ({"le": 10}, int, [10], [11]),
    ({"min": 1, "max": 3}, int, [1, 3], [0, 4]),
    ({"ge": 0.5}, float, [0.5, 1, float("inf")], [0, 0.4, float("nan")]),
    ({"ge": 1}, Decimal, [Decimal(1)], [Decimal("0.99"), Decimal("NaN"), Decimal("sNaN")]),
    ({"gt": Decimal("0.1")}, float, [0.2], [0.05]),
    ({"ge": 0}, int | str, [0, "a"], [-1]),
    ({"min_len": 2}, int | str, [0, "ab"], ["a"]),
    ({"non_empty": True}, Optional[int | list[int]], [0, [0], None], [[]]),
    ({"ge": dt.date(2024, 1, 1)}, dt.date | str, [dt.date(2024, 1, 1), ""], [dt.date(2023, 1, 1)]),
    ({"ge": "b"}, str, ["b", "c"], ["a", ""]),
    ({"lt": dt.date(2024, 1, 1)}, dt.date, [dt.date(2023, 12, 31)], [dt.date(2024, 1, 1)]),
    ({"ge": NOW}, dt.datetime, [NOW], [NOW - dt.timedelta(1), NOW.replace(tzinfo=dt.UTC)]),
    ({"gt": dt.timedelta(0)}, dt.timedelta, [dt.timedelta(1)], [dt.timedelta(0)]),
    ({"ge": Level.HIGH}, Level, [Level.HIGH], [Level.LOW]),
    ({"ge": (1, 0)}, tuple[int, ...], [(1, 0), (2,)], [(0, 9)]),
    ({"le": Unorderly(1)}, Unorderly, [Unorderly(1)], [Unorderly(2)]),
    ({"gt": 0}, Any, [1, True], [0, "a", None.__class__]),
    ({"validator": lambda value: value % 2 == 0}, int, [2], [1]),
    ({"validator": lambda value: None}, int, [1], []),
    ({"validator": lambda value: 0}, int, [1], []),
    ({"validator": str.isalpha}, Optional[str], ["a", None], ["1"]),
    ({"validator": raising(ValueError(SECRET))}, Optional[int], [None], [1]),
    ({"validator": raising(RuntimeError(SECRET))}, int, [], [1]),
    ({"validator": int}, str, ["12"], ["a"]),
]


class Rules(Case):
    """V3: the rules in the metadata."""

    def test_rules(self) -> None:
        """V3: each rule takes what keeps it and refuses what breaks it, by its name."""
        for metadata, annotation, right, wrong in RULES:
            cls = model(annotation, **metadata)
            for value in right:
                with self.subTest(metadata=metadata, annotation=annotation, right=value):
                    self.assertIs(cls(value).it, value)
            for value in wrong:
                with self.subTest(metadata=metadata, annotation=annotation, wrong=value):
                    broken = self.rules(cls, value)
                    self.assertEqual(len(broken), 1)
                    self.assertEqual(broken[0][0], "it")
                    self.assertIn(broken[0][1], metadata)

    def test_messages_say_what_is_allowed(self) -> None:
        """V3: the message of every rule, without the value."""
        for metadata, annotation, value, message in (
            ({"required": True}, Any, None, "must not be None"),
            ({"non_empty": True}, str, " ", "must not be empty or blank"),
            ({"non_empty": True}, list, [], "must not be empty"),
            ({"pattern": "[0-9]{2}"}, str, SECRET, "must match '[0-9]{2}' as a whole"),
            ({"choices": ("a", "b")}, str, SECRET, "must be one of 'a', 'b'"),
            ({"choices": range(50)}, int, -5, "must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …"),
            ({"min_len": 9}, str, SECRET, "must have a length of at least 9"),
            ({"max_len": 2}, str, SECRET, "must have a length of at most 2"),
            ({"gt": 0}, int, -77, "must be greater than 0"),
            ({"ge": 0}, int, -77, "must be at least 0"),
            ({"lt": 0}, int, 77, "must be less than 0"),
            ({"le": 0}, int, 77, "must be at most 0"),
            ({"min": 0}, int, -77, "must be at least 0"),
            ({"max": 0}, int, 77, "must be at most 0"),
            ({"validator": lambda value: False}, str, SECRET, "is refused by its validator"),
            ({"validator": raising(ValueError("must end with a dot"))}, str, SECRET, "must end with a dot"),
            ({"validator": raising(AssertionError())}, str, SECRET, "is refused by its validator"),
            ({"validator": raising(KeyError(SECRET))}, str, "a", "is refused by its validator (KeyError)"),
        ):
            with self.subTest(metadata=metadata):
                error = self.refusal(model(annotation, **metadata), value)
                self.assertEqual(error.errors, (("it", next(iter(metadata)), message),))
                self.assertEqual(str(error), f"One: it: {message}")

    def test_none_is_skipped(self) -> None:
        """V3: `None` meets no rule but `required`."""
        rules = {"non_empty": True, "pattern": "a", "choices": ["a", "b"], "min_len": 1, "ge": "a"}
        never = raising(AssertionError("called with None"))
        for annotation, default in ((Optional[str], ""), (Optional[str], None), (str, None)):
            cls = model(annotation, default, **rules, validator=never)
            self.assertIsNone(cls(None).it)
            required = model(annotation, default, **rules, validator=never, required=True)
            self.assertEqual(self.rules(required, None), [("it", "required")])
        self.assertEqual(self.rules(model(str, required=True), None), [("it", "required")])
        self.assertEqual(self.rules(model(str, **rules), None), [("it", "type")])

    def test_rules_never_see_values_of_another_type(self) -> None:
        """V3: a value of the wrong type breaks its type, and is handed to no rule."""
        seen: list[Any] = []
        cls = model(int, ge=0, choices=(1, 2), validator=seen.append)
        self.assertEqual(self.rules(cls, "a"), [("it", "type")])
        cls(1)
        self.assertEqual(seen, [1])

    def test_a_validator_is_called_once(self) -> None:
        """V3: once for each object, and not for a value that breaks another rule."""
        seen: list[Any] = []

        def validator(value: Any) -> bool:
            seen.append(value)
            return value != 7

        @dataclass
        class Checked(ValidatedModel):
            size: int = field(metadata={"ge": 0, "validator": validator})
            other: int = 0

        Checked(1)
        self.refusal(Checked, 7)
        self.refusal(Checked, 3, "wrong")
        self.refusal(Checked, -1)
        self.assertEqual(seen, [1, 7, 3])

    def test_what_a_validator_raised_is_the_cause(self) -> None:
        """V3: the first exception of a validator is the cause; one that is no Exception is not caught."""
        raised = KeyError("why")

        @dataclass
        class Checked(ValidatedModel):
            first: int = field(default=1, metadata={"validator": lambda value: False})
            second: int = field(default=1, metadata={"validator": raising(raised)})
            third: int = field(default=1, metadata={"validator": raising(TypeError())})

        error = self.refusal(Checked)
        self.assertEqual([one.field for one in error.errors], ["first", "second", "third"])
        self.assertIs(error.__cause__, raised)
        with self.assertRaises(KeyboardInterrupt):
            model(int, validator=raising(KeyboardInterrupt()))(1)

    def test_keys_that_say_nothing(self) -> None:
        """V3: a rule of `None` is none, and keys of others are left alone."""
        names = ("required", "non_empty", "pattern", "choices", "min_len", "ge", "max", "validator")
        model(int, **dict.fromkeys(names))(-5)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model(str, label="Name", max_length=5, widget=None, pk=True)("a long text")
            dataclasses.make_dataclass("Odd", [("it", int, field(metadata={5: 6}))], bases=(ValidatedModel,))(1)

    def test_a_misspelt_rule_warns(self) -> None:
        """V3: a key close to a rule's warns when the class is first used, naming class, field and both keys."""
        for wrong, right in (("min_lenght", "min_len"), ("patern", "pattern"), ("requird", "required")):
            with self.subTest(wrong), self.assertWarnsRegex(UserWarning, f"One.it.*{wrong}.*{right}"):
                model(str, **{wrong: 1})("a")

    def test_broken_rules(self) -> None:
        """V3: a rule with a mistake is an error at the first use, with class, field, rule and what is allowed."""
        broken: list[tuple[Any, str, Any, str]] = [
            (str, "pattern", "[a-z", "regular expression"),
            (str, "pattern", "a{99999999999}", "regular expression"),
            (str, "pattern", 5, "compiled pattern"),
            (int, "pattern", "a", "does not apply to int"),
            (bytes, "pattern", "a", "does not apply to bytes"),
            (list[str], "pattern", "a", "does not apply to list[str]"),
            (Optional[int], "pattern", "a", "does not apply to int | None"),
            (str, "validator", "str.isalpha", "function"),
            (str, "validator", [str.isalpha], "function"),
            (str, "validator", awaited, "coroutine"),
            (str, "min_len", -1, "at least 0"),
            (str, "min_len", "1", "expected an int"),
            (str, "max_len", True, "expected an int"),
            (str, "max_len", 1.0, "expected an int"),
            (int, "min_len", 1, "does not apply to int"),
            (int, "non_empty", True, "does not apply to int"),
            (bool | None, "max_len", 1, "does not apply to bool | None"),
            (str, "non_empty", "yes", "True or False"),
            (str, "required", 1, "True or False"),
            (str, "choices", "abc", "collection"),
            (str, "choices", iter(["a"]), "collection"),
            (str, "choices", 5, "collection"),
            (str, "choices", (), "0 choices"),
            (int, "choices", ("1", "2"), "none of its 2 choices is of the type int"),
            (Color, "choices", ("red",), "none of its 1 choices is of the type Color"),
            (int, "ge", "1", "does not apply to int"),
            (str, "le", 5, "does not apply to str"),
            (dt.date, "ge", NOW, "does not apply to date"),
            (uuid.UUID, "min", 5, "does not apply to UUID"),
            (Color, "gt", 1, "does not apply to Color"),
            (list[int], "max", 5, "does not apply to list[int]"),
            (float, "ge", float("nan"), "compared"),
            (Any, "ge", {}, "compared"),
            (Any, "lt", object(), "compared"),
        ]
        for annotation, rule, stated, said in broken:
            with self.subTest(annotation=annotation, rule=rule, stated=stated):
                cls = model(annotation, **{rule: stated})
                error = self.mistake(lambda cls=cls: cls("a"), "One.it", repr(rule), said)  # type: ignore[misc]
                self.assertEqual((error.model, error.field), ("One", "it"))

    def test_bounds_with_nothing_between(self) -> None:
        """V3: a lower bound above an upper one is a mistake, and so is an equal one that is no value itself."""
        above = ({"min_len": 2, "max_len": 1}, {"ge": 2, "le": 1}, {"gt": 5, "max": 1}, {"min": 2, "lt": 1})
        for metadata in (*above, {"gt": 1, "lt": 1}, {"gt": 1, "le": 1}, {"min": 1, "lt": 1}):
            with self.subTest(metadata=metadata):
                cls = model(str if "min_len" in metadata else int, **metadata)
                self.mistake(lambda cls=cls: cls(1), "One.it", *metadata)  # type: ignore[misc]

    def test_a_mistake_is_found_before_the_object_is_checked(self) -> None:
        """V3: also where the object is wrong, or the rule would be skipped."""
        cls = model(Optional[str], pattern="[")
        self.mistake(lambda: cls(None), "pattern")
        self.mistake(lambda: cls(5), "pattern")


@dataclass(frozen=True)
class Kind:
    """An annotation, how values of it are drawn, and how values are that it must refuse."""

    annotation: Any
    right: st.SearchStrategy[Any]
    wrong: st.SearchStrategy[Any]


SCALARS = [
    Kind(int, st.integers(), st.booleans() | st.floats() | st.text()),
    Kind(float, st.floats() | st.integers(), st.booleans() | st.text() | st.decimals()),
    Kind(bool, st.booleans(), st.integers() | st.text()),
    Kind(str, st.text(), st.binary() | st.integers() | st.lists(st.text())),
    Kind(bytes, st.binary(), st.text() | st.integers()),
    Kind(dt.date, st.dates(), st.datetimes() | st.text()),
    Kind(dt.datetime, st.datetimes(), st.dates() | st.integers()),
    Kind(Decimal, st.decimals(), st.integers() | st.floats()),
    Kind(uuid.UUID, st.uuids(), st.text() | st.integers()),
    Kind(Color, st.sampled_from(Color), st.sampled_from([color.value for color in Color])),
    Kind(Literal["a", 1], st.sampled_from(["a", 1]), st.sampled_from(["b", True, 1.0, b"a"])),
    Kind(Point, st.builds(Point, st.integers()), st.integers() | st.dictionaries(st.text(), st.integers())),
]


def _list_of(kind: Kind) -> Kind:
    damaged = st.tuples(st.lists(kind.right), kind.wrong, st.lists(kind.right)).map(lambda t: [*t[0], t[1], *t[2]])
    return Kind(list[kind.annotation], st.lists(kind.right), damaged | st.tuples(kind.right) | st.none())  # type: ignore[name-defined]  # made at run time


def _sequence_of(kind: Kind) -> Kind:
    listed = _list_of(kind)
    right = listed.right | listed.right.map(tuple)
    return Kind(Sequence[kind.annotation], right, st.text() | st.binary() | st.sets(st.integers()))  # type: ignore[name-defined]


def _dict_of(kind: Kind) -> Kind:
    damaged = st.tuples(st.dictionaries(st.text(), kind.right), st.text(), kind.wrong).map(
        lambda t: {**t[0], t[1]: t[2]}
    )
    odd_key = st.dictionaries(st.integers(), kind.right, min_size=1)
    return Kind(dict[str, kind.annotation], st.dictionaries(st.text(), kind.right), damaged | odd_key)  # type: ignore[name-defined]


def _optional(kind: Kind) -> Kind:
    return Kind(Optional[kind.annotation], kind.right | st.none(), kind.wrong.filter(lambda value: value is not None))


def _pair_of(kinds: tuple[Kind, Kind]) -> Kind:
    left, right = kinds
    damaged = st.tuples(left.wrong, right.right) | st.tuples(left.right, right.wrong) | st.tuples(left.right)
    return Kind(tuple[left.annotation, right.annotation], st.tuples(left.right, right.right), damaged)


KINDS = st.recursive(
    st.sampled_from(SCALARS),
    lambda kinds: st.one_of(
        kinds.map(_list_of),
        kinds.map(_sequence_of),
        kinds.map(_dict_of),
        kinds.map(_optional),
        st.tuples(kinds, kinds).map(_pair_of),
    ),
    max_leaves=4,
)


class Properties(Case):
    """V2, V3: whatever the annotation and the values are."""

    @settings(max_examples=150, deadline=None)
    @given(st.lists(KINDS, min_size=1, max_size=4), st.data())
    def test_any_types(self, kinds: list[Kind], data: st.DataObject) -> None:
        """V2: values made from the annotations always pass; one of another type fails, and its field alone."""
        names = [f"field_{place}" for place in range(len(kinds))]
        fields: list[Any] = [(name, kind.annotation) for name, kind in zip(names, kinds, strict=True)]
        cls = dataclasses.make_dataclass("Any", fields, bases=(ValidatedModel,))
        values = [data.draw(kind.right) for kind in kinds]
        obj: Any = cls(*values)
        for name, value in zip(names, values, strict=True):
            self.assertIs(getattr(obj, name), value)
        place = data.draw(st.sampled_from(range(len(kinds))))
        values[place] = data.draw(kinds[place].wrong)
        self.assertEqual(self.rules(cls, *values), [(names[place], "type")])

    @settings(max_examples=150, deadline=None)
    @given(
        st.integers(-5, 5) | st.none(),
        st.integers(-5, 5) | st.none(),
        st.sampled_from(["gt", "ge", "min"]),
        st.sampled_from(["lt", "le", "max"]),
        st.integers(-7, 7) | st.floats(-7, 7) | st.just(float("nan")),
    )
    def test_any_bounds(self, low: int | None, high: int | None, lower: str, upper: str, value: float) -> None:
        """V3: a number passes exactly if it lies within its bounds."""
        if low is not None and high is not None and low > high:
            low, high = high, low
        cls = model(float, **{lower: low, upper: high})
        if low is not None and low == high and (lower == "gt" or upper == "lt"):
            self.mistake(lambda: cls(value), lower, upper)
            return
        above = low is None or (value > low if lower == "gt" else value >= low)
        below = high is None or (value < high if upper == "lt" else value <= high)
        if above and below:
            self.assertIs(cls(value).it, value)
        else:
            broken = [("it", lower)] * (not above) + [("it", upper)] * (not below)
            self.assertEqual(sorted(self.rules(cls, value)), sorted(broken))

    @settings(max_examples=150, deadline=None)
    @given(
        st.text(max_size=6) | st.lists(st.integers(), max_size=6), st.integers(0, 6), st.integers(0, 6), st.booleans()
    )
    def test_any_length(self, value: Any, one: int, other: int, filled: bool) -> None:
        """V3: text and lists pass exactly if their length lies within its bounds, and something is in them."""
        low, high = sorted((one, other))
        cls = model(str | list[int], min_len=low, max_len=high, non_empty=filled)
        is_empty = not (value.strip() if isinstance(value, str) else value)
        broken = [("it", "non_empty")] * (filled and is_empty)
        broken += [("it", "min_len")] * (len(value) < low) + [("it", "max_len")] * (len(value) > high)
        if broken:
            self.assertEqual(self.rules(cls, value), broken)
        else:
            self.assertIs(cls(value).it, value)


async def awaited(value: Any) -> bool:
    return True


if __name__ == "__main__":
    unittest.main()
