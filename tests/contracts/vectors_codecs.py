"""Payload codecs between a repository and its store."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mini_orm import C, JsonVectorPayloadCodec, QueryError
from tests.backends import maybe_await, needs

if TYPE_CHECKING:
    from tests.vector_backends import VectorCase as Case
else:
    Case = object


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


PAYLOAD: dict[str, Any] = {
    "text": "plain",
    "number": 7,
    "float": 0.5,
    "flag": True,
    "colour": Colour.RED,
    "moment": datetime(2024, 5, 1, 12, 30, tzinfo=UTC),
    "day": date(2024, 5, 1),
    "time": time(12, 30),
    "price": Decimal("1.10"),
    "key": UUID(int=5),
    "raw": b"\0\xff",
    "pair": (1, "a"),
    "some": {3, 1, 2},
    "inner": {"list": [1, {"deep": Colour.BLUE}]},
    "list": [1, date(2024, 5, 1)],
    "tagged": "__miniorm_json__:[1]",
}


class ShoutingCodec:
    """A user's own codec: texts are kept in capitals."""

    def serialize(self, payload: Mapping[str, Any] | None) -> dict[str, Any] | None:
        return None if payload is None else {key: one.upper() for key, one in payload.items()}

    def deserialize(self, payload: Mapping[str, Any] | None) -> dict[str, Any] | None:
        return None if payload is None else {key: one.lower() for key, one in payload.items()}

    def serialize_filters(self, filters: Mapping[str, Any] | None) -> dict[str, Any] | None:
        return self.serialize(filters)


class VectorCodecContract(Case):
    """What a codec writes is read back, and found."""

    async def test_json_codec(self) -> None:
        """E6: every type reads back equal, from fetch, query and query_many; None stays None."""
        repo = await self.filled([PAYLOAD, None], payload_codec=JsonVectorPayloadCodec())
        for found in (
            await maybe_await(repo.fetch()),
            await maybe_await(repo.query([1, 0])),
            (await maybe_await(repo.query_many([[1, 0]])))[0],
        ):
            self.assertEqual([one.payload for one in found], [PAYLOAD, None])
            for key, value in PAYLOAD.items():
                self.assertIs(type(found[0].payload[key]), type(value), key)

    @needs("supports_filters")
    async def test_filters_go_through_the_codec(self) -> None:
        """E6 E4: a filter takes the values that were written."""
        repo = await self.filled([PAYLOAD, {"colour": Colour.BLUE}, None], payload_codec=JsonVectorPayloadCodec())
        for key, value in PAYLOAD.items():
            with self.subTest(key=key):
                self.assertEqual(self.numbers(await maybe_await(repo.query([1, 0], filters={key: value}))), [0])
        self.assertEqual(self.numbers(await maybe_await(repo.query([1, 0], filters={"colour": None}))), [2])
        await self.refused(TypeError, repo.query, [1, 0], filters={"colour": object()})

    @needs("supports_conditions")
    async def test_conditions_go_through_the_codec(self) -> None:
        """E6 E4: each value of a condition, in lists too; what the codec makes a text of has no order."""
        repo = await self.filled([PAYLOAD, {"colour": Colour.BLUE}, None], payload_codec=JsonVectorPayloadCodec())
        for condition, wanted in (
            (C.eq("colour", Colour.RED), [0]),
            (C.ne("colour", Colour.RED), [1]),
            (C.in_("colour", [Colour.RED, Colour.BLUE]), [0, 1]),
            (C.not_in("day", [date(2024, 5, 2)]), [0]),
            (C.eq("some", {1, 2, 3}) & C.gt("number", 6), [0]),
        ):
            with self.subTest(condition=condition):
                self.assertEqual(self.numbers(await maybe_await(repo.query([1, 0], filters=condition))), wanted)
        for condition in (C.lt("moment", datetime(2024, 5, 2)), C.ge("price", Decimal(1)), C.gt("colour", Colour.RED)):
            error = await self.refused(QueryError, repo.query, [1, 0], filters=condition)
            self.assertIn("no order", str(error))

    async def test_what_the_codec_refuses(self) -> None:
        """E6: a TypeError before anything is written, which names the key."""
        repo = await self.repo(payload_codec=JsonVectorPayloadCodec())
        records = [self.record(1, [1, 2]), self.record(2, [1, 2], {"odd": [object()]})]
        error = await self.refused(TypeError, repo.upsert, records)
        self.assertIn("cannot serialize payload value", str(error))
        self.assertIn("odd", str(error))
        self.assertEqual(await maybe_await(repo.fetch()), [])

    async def test_a_codec_of_ones_own(self) -> None:
        """E8: any object with the three methods; the store sees what it writes."""
        repo = await self.filled([{"name": "ann"}, {"name": "bob"}], payload_codec=ShoutingCodec())
        self.assertEqual([one.payload for one in await maybe_await(repo.fetch())], [{"name": "ann"}, {"name": "bob"}])
        if self.backend.supports_filters:
            found = await maybe_await(repo.query([1, 0], filters={"name": "bob"}))
            self.assertEqual([one.payload for one in found], [{"name": "bob"}])
        plain = await self.repo()
        self.assertEqual([one.payload for one in await maybe_await(plain.fetch())], [{"name": "ANN"}, {"name": "BOB"}])
