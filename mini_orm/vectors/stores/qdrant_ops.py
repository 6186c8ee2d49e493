"""What a store on Qdrant does, each operation once, for the client that blocks and the one that is awaited."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from ...errors import CollectionExistsError, CollectionNotFoundError, VectorError
from ..checks import checked_ids, checked_records, checked_top_k, float32, latest
from ..filters import Filter, FilterInput, parse
from ..metrics import VectorMetric
from ..records import VectorIdPolicy, VectorRecord, VectorSearchResult
from .base import CollectionInfo, new_collection
from .qdrant_errors import Failure, failure_of
from .qdrant_filters import compile_filter
from .qdrant_payloads import is_utf8, norm_of, read_payload, written_payload

R = TypeVar("R")
STORE = "QdrantVectorStore"
#: A server takes 32 MB in a request, unless it is told otherwise.
_REQUEST_BYTES = 16_000_000
#: Bytes of a number of float32, written as a decimal of double precision, and its comma.
_NUMBER_BYTES = 24
#: Norms between which Qdrant makes unit vectors of what is asked, in float32.
_SMALL, _LARGE = 1e-2, 1e15
#: How many records are read at a time, and how many ids are named.
_PAGE, _IDS = 500, 10_000
#: A server makes room for as many results as are asked for; above this many it is asked how many there can be.
_MANY_RESULTS = 10_000
#: What a server refuses in a name, which local mode makes a folder's name of.
_NOT_IN_NAMES = frozenset('<>:"/\\|?*\0\x1f')
_DISTANCES = {VectorMetric.COSINE: "Cosine", VectorMetric.DOT: "Dot", VectorMetric.L2: "Euclid"}


class ClientCall(Protocol):
    """Calls a method of the client."""

    async def __call__(self, method: str, **arguments: Any) -> Any:
        """Return what the method returns."""


class QdrantOperations:
    """The operations of a store.

    Args:
        call: calls the client.
        known: what is known of collections, so that calls need not ask for it.
        is_exact: the client looks at every vector.
    """

    def __init__(self, call: ClientCall, known: dict[str, CollectionInfo], *, is_exact: bool) -> None:
        self._call = call
        self._known = known
        self._is_exact = is_exact

    async def create_collection(self, name: str, dimension: int, metric: str, *, overwrite: bool) -> None:
        from qdrant_client import models

        info = new_collection(name, dimension, metric)
        if not _can_be_name(name):
            raise ValueError('a name of a collection has 1 to 255 bytes in UTF-8, without < > : " / \\ | ? *')
        if overwrite:
            await self._ask("delete_collection", name)
        distance = models.Distance(_DISTANCES[info.metric])
        params = models.VectorParams(size=info.dimension, distance=distance)
        await self._ask("create_collection", name, vectors_config=params)
        self._known[name] = info

    async def describe_collection(self, name: str) -> CollectionInfo | None:
        try:
            found = await self._ask("get_collection", name)
        except CollectionNotFoundError:
            return None
        params = found.config.params.vectors
        metrics = {distance: metric for metric, distance in _DISTANCES.items()}
        metric = None if params is None or isinstance(params, Mapping) else metrics.get(params.distance.value)
        if metric is None:
            raise VectorError(
                f"{STORE} takes collections of one vector without a name, under Cosine, Dot or Euclid; {name!r} is none"
            )
        info = self._known[name] = CollectionInfo(params.size, metric)
        return info

    async def upsert(self, collection: str, records: Iterable[VectorRecord]) -> None:
        listed = checked_records(records)
        ids = checked_ids([record.id for record in listed], VectorIdPolicy.UUID)
        info, (vectors, norms) = await self._fitting(collection, _packed, [record.vector for record in listed])
        payloads = [written_payload(one.payload, norm, STORE) for one, norm in zip(listed, norms, strict=True)]
        places = latest(ids)
        for batch in _batches(places, payloads, info.dimension):
            points = [_point(ids[place], vectors[place], payloads[place]) for place in batch]
            await self._ask("upsert", collection, points=points, wait=True)

    async def query_many(
        self, collection: str, vectors: Iterable[Sequence[float]], *, top_k: int, filters: FilterInput | Filter
    ) -> list[list[VectorSearchResult]]:
        wanted, limit = self._compiled(filters), checked_top_k(top_k)
        info, asked = await self._fitting(collection, _asked, list(vectors))
        if limit > _MANY_RESULTS:
            limit = min(limit, await self._count(collection, wanted))
        if limit == 0 or not asked:
            return [[] for _ in asked]
        found = await self._search(collection, asked, limit, wanted, is_exact=False)
        if wanted is not None and not self._is_exact:
            # The graph that Qdrant searches may lead to fewer than there are, if the filter keeps few of them.
            short = [place for place, points in enumerate(found) if len(points) < limit]
            if short:
                again = await self._search(collection, [asked[n] for n in short], limit, wanted, is_exact=True)
                for place, points in zip(short, again, strict=True):
                    found[place] = points
        return [_results(points, info.metric) for points in found]

    async def fetch(self, collection: str, ids: Iterable[str] | None) -> list[VectorRecord]:
        if ids is None:
            return await self._fetch_all(collection)
        wanted = checked_ids(ids, VectorIdPolicy.UUID)
        found: dict[str, Any] = {}
        for some in _chunks(wanted, _PAGE):
            points = await self._ask("retrieve", collection, ids=some, with_payload=True, with_vectors=True)
            found.update((str(point.id), point) for point in points)
        return [_record(found[one]) for one in wanted if one in found]

    async def delete(self, collection: str, ids: Iterable[str]) -> int:
        from qdrant_client import models

        deleted = 0
        for some in _chunks(list(dict.fromkeys(checked_ids(ids, VectorIdPolicy.UUID))), _IDS):
            points = await self._ask("retrieve", collection, ids=some, with_payload=False, with_vectors=False)
            there = [point.id for point in points]
            if there:
                selector = models.PointIdsList(points=there)
                await self._ask("delete", collection, points_selector=selector, wait=True)
            deleted += len(there)
        return deleted

    async def delete_where(self, collection: str, filters: FilterInput | Filter) -> int:
        from qdrant_client import models

        wanted = self._compiled(filters)
        deleted = await self._count(collection, wanted)
        if deleted:
            selector = models.FilterSelector(filter=models.Filter() if wanted is None else wanted)
            await self._ask("delete", collection, points_selector=selector, wait=True)
        return deleted

    async def count(self, collection: str, filters: FilterInput | Filter) -> int:
        return await self._count(collection, self._compiled(filters))

    async def _count(self, collection: str, wanted: Any) -> int:
        found = await self._ask("count", collection, count_filter=wanted, exact=True)
        return int(found.count)

    async def _fetch_all(self, collection: str) -> list[VectorRecord]:
        records: list[VectorRecord] = []
        offset = None
        while True:
            points, offset = await self._ask(
                "scroll", collection, limit=_PAGE, offset=offset, with_payload=True, with_vectors=True
            )
            records.extend(map(_record, points))
            if offset is None:
                return sorted(records, key=lambda one: one.id)

    async def _search(
        self, collection: str, vectors: Sequence[list[float]], limit: int, wanted: Any, *, is_exact: bool
    ) -> list[Any]:
        """Return the points that are nearest to each vector."""
        from qdrant_client import models

        params = models.SearchParams(exact=True) if is_exact else None
        if len(vectors) == 1:
            answer = await self._ask(
                "query_points",
                collection,
                query=vectors[0],
                query_filter=wanted,
                search_params=params,
                limit=limit,
                with_payload=True,
            )
            return [answer.points]
        requests = [
            models.QueryRequest(query=vector, filter=wanted, params=params, limit=limit, with_payload=True)
            for vector in vectors
        ]
        size = len(vectors[0]) * _NUMBER_BYTES + (len(wanted.model_dump_json()) if wanted is not None else 0)
        found = []
        for some in _chunks(requests, max(_REQUEST_BYTES // size, 1)):
            found += await self._ask("query_batch_points", collection, requests=some)
        return [one.points for one in found]

    async def _fitting(
        self, collection: str, pack: Callable[[CollectionInfo, Sequence[Any]], R], vectors: Sequence[Any]
    ) -> tuple[CollectionInfo, R]:
        """Check vectors by what is known of a collection, and ask for that again before they are refused."""
        known = self._known.get(collection)
        info = await self._info(collection)
        try:
            return info, pack(info, vectors)
        except VectorError:
            if known is None:
                raise
            self._known.pop(collection, None)
            info = await self._info(collection)
            if info == known:
                raise
        return info, pack(info, vectors)

    async def _info(self, collection: str) -> CollectionInfo:
        """Return what a collection was created with."""
        info = self._known.get(collection) or await self.describe_collection(collection)
        if info is None:
            raise _missing(collection)
        return info

    async def _ask(self, method: str, collection: str, **arguments: Any) -> Any:
        """Call the client, and raise what it refuses as an error of mini_orm."""
        if not _can_be_name(collection):
            raise _missing(collection)
        try:
            return await self._call(method, collection_name=collection, **arguments)
        except Exception as exc:
            failure = failure_of(exc)
            if failure is None:
                raise
            self._known.pop(collection, None)  # somebody else may have made it anew
            if failure is Failure.REFUSED:
                failure = await self._reason(method, collection)
            raise self._error(failure, method, collection) from exc

    async def _reason(self, method: str, collection: str) -> Failure:
        """Tell why a call was refused; local mode, and old servers, say it in words alone."""
        try:
            exists = await self._call("collection_exists", collection_name=collection)
        except Exception as exc:
            if failure_of(exc) is None:
                raise
            return Failure.REFUSED
        if method == "create_collection":
            return Failure.EXISTS if exists else Failure.REFUSED
        return Failure.REFUSED if exists else Failure.MISSING

    @staticmethod
    def _error(failure: Failure, method: str, collection: str) -> VectorError:
        if failure is Failure.MISSING:
            return _missing(collection)
        if failure is Failure.EXISTS:
            return CollectionExistsError(f"there is a collection {collection!r} already")
        what = "refused" if failure is Failure.REFUSED else "did not answer"
        return VectorError(f"Qdrant {what} {method} on the collection {collection!r}; the cause says why")

    @staticmethod
    def _compiled(filters: FilterInput | Filter) -> Any:
        parsed = parse(filters, STORE)
        return None if parsed is None else compile_filter(parsed, STORE)


def _missing(collection: str) -> CollectionNotFoundError:
    return CollectionNotFoundError(f"there is no collection {collection!r}")


def _can_be_name(name: str) -> bool:
    if not isinstance(name, str) or not is_utf8(name) or not 0 < len(name.encode()) < 256:
        return False
    return _NOT_IN_NAMES.isdisjoint(name) and name not in (".", "..")


def _packed(info: CollectionInfo, vectors: Sequence[Any]) -> tuple[list[list[float]], list[float]]:
    """Check vectors of records; return them with their norms. Under cosine they are unit vectors, and the norms beside.

    Qdrant makes unit vectors itself, but in float32, where large numbers overflow, and small ones vanish.
    """
    import numpy as np

    from .numpy_rows import NumpyRows

    packed = NumpyRows(info.dimension, info.metric).pack(vectors, "the vector of record {}")
    if info.metric is not VectorMetric.COSINE:
        return packed.rows.tolist(), [1.0] * len(vectors)
    norms = np.sqrt(packed.squares)
    units = (packed.rows / norms[:, None]).astype(np.float32)
    return units.tolist(), norms.tolist()


def _asked(info: CollectionInfo, vectors: Sequence[Any]) -> list[list[float]]:
    """Check the vectors of queries, and make unit vectors of those of which Qdrant can't."""
    subject = "the vector" if len(vectors) == 1 else "vector {}"
    asked = []
    for place, vector in enumerate(vectors):
        numbers = float32(vector, info.dimension, info.metric, subject.format(place)).tolist()
        if info.metric is VectorMetric.COSINE:
            norm = math.hypot(*numbers)
            if not _SMALL < norm < _LARGE:
                numbers = [number / norm for number in numbers]
        asked.append(numbers)
    return asked


def _batches(places: Sequence[int], payloads: Sequence[Any], dimension: int) -> Iterator[list[int]]:
    """Split what is to be written into requests that a server takes."""
    batch: list[int] = []
    size = 0
    for place in places:
        payload = payloads[place]
        bytes_ = dimension * _NUMBER_BYTES + (len(json.dumps(payload)) if payload else 0)
        if batch and size + bytes_ > _REQUEST_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(place)
        size += bytes_
    if batch:
        yield batch


def _chunks(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def _point(one: str, vector: list[float], payload: dict[str, Any] | None) -> Any:
    from qdrant_client import models

    # All of it is checked; the model would look at every number again, as often as it knows kinds of vectors.
    return models.PointStruct.model_construct(id=one, vector=vector, payload=payload)


def _record(point: Any) -> VectorRecord:
    norm = norm_of(point.payload)
    # The server writes float32 as short as it can: what is read may be another number of double precision.
    vector = array("f", point.vector if norm == 1.0 else [number * norm for number in point.vector])
    return VectorRecord(str(point.id), vector.tolist(), read_payload(point.payload))


def _results(points: Iterable[Any], metric: VectorMetric) -> list[VectorSearchResult]:
    sign = -1.0 if metric is VectorMetric.L2 else 1.0
    found = [VectorSearchResult(str(one.id), 0.0 + sign * one.score, read_payload(one.payload)) for one in points]
    return sorted(found, key=lambda one: (-one.score, one.id))
