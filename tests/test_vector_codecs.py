"""JsonVectorPayloadCodec alone: any payload is read as it was written, and nothing is imported or trusted."""

from __future__ import annotations

import copy
import enum
import json
import math
import sys
import types
import unittest
from collections import OrderedDict, namedtuple
from datetime import UTC, date, timedelta, timezone
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from mini_orm import IdentityVectorPayloadCodec, JsonVectorPayloadCodec

PREFIX = "__miniorm_json__:"


class Level(enum.IntEnum):
    LOW = 1


class Name(str, enum.Enum):
    ANN = "ann"


class Point(enum.Enum):
    ORIGIN = (0, 0)


class Both(enum.Flag):
    A = 1
    B = 2


class Holder:
    class Inner(enum.Enum):
        X = "x"


Pair = namedtuple("Pair", "left right")

_texts = st.text() | st.sampled_from([PREFIX, PREFIX + "[1]", PREFIX + "{", PREFIX + '{"__miniorm_codec__":"tuple"}'])
_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _texts
_hashable = (
    _scalars
    | st.binary()
    | st.uuids()
    | st.dates()
    | st.times()
    | st.datetimes(timezones=st.none() | st.just(UTC) | st.just(timezone(timedelta(hours=-3, minutes=7))))
    | st.decimals(allow_nan=False)
    | st.sampled_from([*Level, *Name, *Point, Both.A | Both.B, Holder.Inner.X])
)
_keys = _texts | st.sampled_from(["__miniorm_codec__", "value", "type"])
_values = st.recursive(
    _hashable | st.frozensets(_hashable) | st.sets(_hashable),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(_keys, inner, max_size=3)
        | st.dictionaries(_hashable, inner, max_size=3)
    ),
    max_leaves=8,
)


class JsonCodec(unittest.TestCase):
    """What is written, and what is read."""

    def setUp(self) -> None:
        self.codec = JsonVectorPayloadCodec()

    def test_the_tags(self) -> None:
        """E6: scalars as they are; the rest is the prefix, and JSON with the inner key."""
        written = self.codec.serialize(
            {"a": 1, "b": "x", "c": None, "d": 1.5, "e": True, "f": date(2024, 5, 1), "g": [1, (2,)], "h": PREFIX}
        )
        assert written is not None
        self.assertEqual([written[key] for key in "abcde"], [1, "x", None, 1.5, True])
        self.assertEqual(written["f"], PREFIX + '{"__miniorm_codec__":"date","value":"2024-05-01"}')
        self.assertEqual(written["g"], PREFIX + '[1,{"__miniorm_codec__":"tuple","value":[2]}]')
        self.assertEqual(written["h"], PREFIX + json.dumps(PREFIX))
        self.assertEqual(self.codec.prefix, PREFIX)
        other = JsonVectorPayloadCodec(prefix="~").serialize({"a": [1], "b": PREFIX, "c": "~"})
        self.assertEqual(other, {"a": "~[1]", "b": PREFIX, "c": '~"~"'})
        for prefix in ("", None, 7):
            with self.assertRaises(ValueError):
                JsonVectorPayloadCodec(prefix)  # type: ignore[arg-type]  # the mistake under test

    @settings(max_examples=60, deadline=None)
    @given(st.dictionaries(_keys, _values, max_size=4))
    def test_any_payload(self, payload: dict[str, Any]) -> None:
        """E6: reads back equal, with the same types, through JSON too; the payload itself is left alone."""
        before = copy.deepcopy(payload)
        written = self.codec.serialize(payload)
        self.assertEqual(payload, before)
        assert written is not None
        kept = {str, int, float, bool, type(None)}
        for value in written.values():
            self.assertTrue(isinstance(value, str | int | float | None))
        self.assertLessEqual({type(value) for key, value in written.items() if type(payload[key]) in kept}, kept)
        read = self.codec.deserialize(written)
        assert read is not None
        self.assertEqual(read, payload)
        self.assertEqual(
            {key: type(one) for key, one in read.items()}, {key: type(one) for key, one in payload.items()}
        )

    @settings(max_examples=60, deadline=None)
    @given(_values)
    def test_equal_values_have_one_text(self, value: Any) -> None:
        """E6 E4: so that a filter finds what was written: a dict in another order, a set made otherwise."""
        other = value
        if isinstance(value, dict):
            other = dict(reversed(value.items()))
        elif isinstance(value, set):
            backwards = list(value)[::-1]
            other = set(backwards)
        self.assertEqual(self.codec.serialize({"k": value}), self.codec.serialize_filters({"k": other}))

    def test_subclasses(self) -> None:
        """E6: of containers read back equal; a member of an Enum that is a text or a number, too, is a member."""
        payload = {"a": OrderedDict(x=1), "b": Pair(1, 2), "c": Level.LOW, "d": Name.ANN, "e": {"f": Name.ANN}}
        read = self.codec.deserialize(self.codec.serialize(payload))
        assert read is not None
        self.assertEqual(read, payload)
        self.assertIs(read["c"], Level.LOW)
        self.assertIs(read["d"], Name.ANN)
        self.assertIs(read["e"]["f"], Name.ANN)

    def test_what_has_no_form(self) -> None:
        """E6: a TypeError that names the key and the type, and never the value."""
        for value in (object(), 1j, bytearray(b"secret"), timedelta(1), [object()], {"a": {1j}}, int):
            with self.subTest(value=value), self.assertRaises(TypeError) as caught:
                self.codec.serialize({"the key": value})
            self.assertIn("cannot serialize payload value", str(caught.exception))
            self.assertIn("the key", str(caught.exception))
            self.assertNotIn("secret", str(caught.exception))
        holds_itself: list[Any] = []
        holds_itself.append(holds_itself)
        with self.assertRaises(TypeError):
            self.codec.serialize({"k": holds_itself})
        for payload in ([1], "text"):
            with self.assertRaises(TypeError):
                self.codec.serialize(payload)  # type: ignore[arg-type]  # the mistake under test

    def test_nothing(self) -> None:
        """E6: None is None, and an empty payload an empty one."""
        for method in (self.codec.serialize, self.codec.deserialize, self.codec.serialize_filters):
            self.assertIsNone(method(None))
            self.assertEqual(method({}), {})

    def test_enums_of_classes_that_are_gone(self) -> None:
        """E6: fall back to the value; no module is imported, or asked for what it would have to import."""
        asked: list[str] = []
        lazy = types.ModuleType("lazy_module")
        lazy.__getattr__ = asked.append  # type: ignore[method-assign]  # what PEP 562 has modules do
        written = self.codec.serialize({"k": Level.LOW, "p": Point.ORIGIN})
        assert written is not None
        with mock.patch.dict(sys.modules, lazy_module=lazy):
            for place in ("antigravity:Level", "lazy_module:Level", f"{__name__}:Gone", f"{__name__}:Pair", ":", "x"):
                with self.subTest(place=place):
                    moved = {key: text.replace(f"{__name__}:Level", place) for key, text in written.items()}
                    moved = {key: text.replace(f"{__name__}:Point", place) for key, text in moved.items()}
                    self.assertEqual(self.codec.deserialize(moved), {"k": 1, "p": (0, 0)})
        self.assertEqual(asked, [])
        self.assertNotIn("antigravity", sys.modules)
        member = written["k"].replace('"value":1', '"value":99')
        self.assertEqual(self.codec.deserialize({"k": member}), {"k": 99})

    def test_local_enums(self) -> None:
        """E6: of a class inside a function, which nobody can find again, the value is read."""

        class Local(enum.Enum):
            A = "a"

        self.assertEqual(self.codec.deserialize(self.codec.serialize({"k": Local.A})), {"k": "a"})

    def test_texts_of_others(self) -> None:
        """E6: what begins with the prefix and is no text of the codec's is read as it is."""
        for rest in ("", "{", '{"__miniorm_codec__":"other","value":1}', '{"__miniorm_codec__":"date","value":"x"}'):
            for text in (PREFIX + rest, PREFIX + '{"__miniorm_codec__":["a"]}', PREFIX + '{"__miniorm_codec__":"set"}'):
                self.assertEqual(self.codec.deserialize({"k": text}), {"k": text})

    def test_floats_that_json_does_not_know(self) -> None:
        """E6: infinities inside of other values survive."""
        self.assertEqual(self.codec.deserialize(self.codec.serialize({"k": [math.inf]})), {"k": [math.inf]})


class IdentityCodec(unittest.TestCase):
    def test_nothing_changes(self) -> None:
        """E6: the very object."""
        codec, payload = IdentityVectorPayloadCodec(), {"k": object()}
        for method in (codec.serialize, codec.deserialize, codec.serialize_filters):
            self.assertIs(method(payload), payload)
            self.assertIsNone(method(None))


if __name__ == "__main__":
    unittest.main()
