"""The two faces are one: the same names, arguments and meanings."""

from __future__ import annotations

import inspect
import re
import unittest
from collections.abc import Callable
from typing import Any

import mini_orm

PAIRS: tuple[tuple[type, type], ...] = (
    (mini_orm.Database, mini_orm.AsyncDatabase),
    (mini_orm.Repository, mini_orm.AsyncRepository),
    (mini_orm.UnifiedRepository, mini_orm.AsyncUnifiedRepository),
    (mini_orm.Session, mini_orm.AsyncSession),
    (mini_orm.VectorRepository, mini_orm.AsyncVectorRepository),
)
FUNCTIONS: tuple[tuple[Callable[..., Any], Callable[..., Any]], ...] = (
    (mini_orm.apply_schema, mini_orm.apply_schema_async),
    (mini_orm.ensure_schema, mini_orm.ensure_schema_async),
)
#: Plain calls on both faces.
PLAIN = {"close", "repo", "is_registered"}
#: A context manager on both faces: called plainly, entered with `async with` on the async one.
CONTEXTS = {"begin", "transaction"}
#: A generator on both faces: called plainly, read with `async for` on the async one.
GENERATORS = {"iterate"}
#: Names that the async face has in addition.
EXTRA = {"aclose"}
#: Where the async twin takes a coroutine function, so that its annotations say something else.
OTHER_ANNOTATIONS = {"run_in_transaction"}
#: Where the async twin has something of its own to say (contract X5).
OTHER_DOCSTRINGS = {"close", "aclose"}


def public(cls: type) -> dict[str, Any]:
    """Return the public attributes of a class, as they stand in it or its bases."""
    return {name: inspect.getattr_static(cls, name) for name in dir(cls) if not name.startswith("_")}


def function_of(attribute: Any) -> Any:
    """Return the function of a method or property."""
    if isinstance(attribute, staticmethod | classmethod):
        return attribute.__func__
    return attribute.fget if isinstance(attribute, property) else attribute


def shape(function: Any) -> list[tuple[str, Any, Any]]:
    """Return a callable's parameters: names, kinds, defaults."""
    return [(one.name, one.kind, one.default) for one in inspect.signature(function).parameters.values()]


def annotations(function: Any) -> dict[str, str]:
    """Return annotations as text in which both faces read alike."""
    found = {}
    for name, value in inspect.get_annotations(function).items():
        text = value if isinstance(value, str) else inspect.formatannotation(value)
        text = re.sub(r"\b(collections\.abc|contextlib|typing|builtins)\.", "", text)
        found[name] = re.sub(r"\bAsync(?=[A-Z])|\bAsync(?=Context|Iter)|(?<=Abstract)Async", "", text)
    return found


class Parity(unittest.TestCase):
    """Every `X` / `AsyncX` pair."""

    def each(self) -> list[tuple[type, type, str, Any, Any]]:
        """Return every public name that both classes of a pair have."""
        found = []
        for sync, twin in PAIRS:
            ours, theirs = public(sync), public(twin)
            found += [(sync, twin, name, ours[name], theirs[name]) for name in sorted(set(ours) & set(theirs))]
        return found

    def test_the_same_public_names(self) -> None:
        """Names: the async face has every name of the sync face, and `aclose` alone in addition."""
        for sync, twin in PAIRS:
            with self.subTest(pair=sync.__name__):
                self.assertEqual(twin.__name__, f"Async{sync.__name__}")
                self.assertEqual(set(public(sync)) - set(public(twin)), set())
                self.assertLessEqual(set(public(twin)) - set(public(sync)), EXTRA)
        self.assertIn("aclose", public(mini_orm.AsyncDatabase))
        self.assertGreater(len(self.each()), 40)

    def test_the_same_kind_of_attribute(self) -> None:
        """Names: a property is a property on both, a method a method."""
        for sync, _, name, ours, theirs in self.each():
            with self.subTest(name=f"{sync.__name__}.{name}"):
                self.assertEqual(isinstance(ours, property), isinstance(theirs, property))
                self.assertEqual(inspect.isfunction(ours), inspect.isfunction(theirs))

    def test_the_same_parameters(self) -> None:
        """Names: names, order, kinds and defaults of every parameter, the constructors' too."""
        for sync, twin in PAIRS:
            with self.subTest(name=sync.__name__):
                self.assertEqual(shape(sync.__init__), shape(twin.__init__))  # type: ignore[misc]  # its signature
        for sync, _, name, ours, theirs in self.each():
            if callable(function_of(ours)):
                with self.subTest(name=f"{sync.__name__}.{name}"):
                    self.assertEqual(shape(function_of(ours)), shape(function_of(theirs)))
        for ours, theirs in FUNCTIONS:
            with self.subTest(name=ours.__name__):
                self.assertEqual(shape(ours), shape(theirs))
                self.assertEqual(theirs.__name__, f"{ours.__name__}_async")

    def test_the_same_annotations(self) -> None:
        """Names: of parameters and results, where an `AsyncX` stands for its `X`."""
        for sync, _, name, ours, theirs in self.each():
            if callable(function_of(ours)) and name not in OTHER_ANNOTATIONS:
                with self.subTest(name=f"{sync.__name__}.{name}"):
                    self.assertEqual(annotations(function_of(ours)), annotations(function_of(theirs)))
        for ours, theirs in FUNCTIONS:
            with self.subTest(name=ours.__name__):
                self.assertEqual(annotations(ours), annotations(theirs))

    def test_awaited_and_plain(self) -> None:
        """Names: on the async face every method is a coroutine function but the named ones; on the sync face none."""
        for sync, twin, name, ours, theirs in self.each():
            if isinstance(ours, property) or not callable(function_of(ours)):
                continue
            plain = name in PLAIN | CONTEXTS | GENERATORS
            with self.subTest(name=f"{twin.__name__}.{name}"):
                self.assertFalse(inspect.iscoroutinefunction(function_of(ours)), sync.__name__)
                self.assertEqual(inspect.iscoroutinefunction(function_of(theirs)), not plain)
        self.assertTrue(inspect.iscoroutinefunction(mini_orm.AsyncDatabase.aclose))
        for ours, theirs in FUNCTIONS:
            self.assertFalse(inspect.iscoroutinefunction(ours))
            self.assertTrue(inspect.iscoroutinefunction(theirs))

    def test_both_are_context_managers(self) -> None:
        """Names X5 X8: `with` on one face, `async with` on the other, never the wrong one."""
        for name, sync_has in (("__enter__", True), ("__exit__", True), ("__aenter__", False), ("__aexit__", False)):
            with self.subTest(name=name):
                for cls in (mini_orm.Database, mini_orm.Session):
                    self.assertEqual(hasattr(cls, name), sync_has)
                for cls in (mini_orm.AsyncDatabase, mini_orm.AsyncSession):
                    self.assertEqual(hasattr(cls, name), not sync_has)

    def test_docstrings_of_the_twins(self) -> None:
        """Names: the sync method is documented; the async twin says only whose twin it is."""
        for sync, twin, name, ours, theirs in self.each():
            if not callable(function_of(ours)):
                continue
            with self.subTest(name=f"{twin.__name__}.{name}"):
                self.assertGreater(len(inspect.getdoc(function_of(ours)) or ""), 10)
                owner = next(cls for cls in sync.__mro__ if name in vars(cls))
                expected = f"Async twin of `{owner.__name__}.{name}`."
                said = inspect.getdoc(function_of(theirs)) or ""
                if name in OTHER_DOCSTRINGS:
                    self.assertTrue(said)
                else:
                    self.assertEqual(said, expected)
        for ours, theirs in FUNCTIONS:
            self.assertGreater(len(inspect.getdoc(ours) or ""), 10)
            self.assertEqual(inspect.getdoc(theirs), f"Async twin of `{ours.__name__}`.")
