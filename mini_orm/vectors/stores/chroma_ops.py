"""What `ChromaVectorStore` does, each operation once.

Rules of this file:
- Every operation is a coroutine that awaits nothing but its client. The plain store drives it without an event loop,
  the async one awaits it.
- A collection that another client has deleted and made again has another identity in Chroma. An operation that finds
  its own gone, or refuses a vector that may fit by now, begins again with the one that has the name.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ...errors import CollectionExistsError, CollectionNotFoundError, DimensionError, VectorError, VectorValueError
from ..checks import checked_ids, checked_records, checked_top_k, latest
from ..filters import Filter, FilterInput, parse
from ..metrics import VectorMetric
from ..records import VectorRecord, VectorSearchResult
from .base import CollectionInfo, new_collection
from .chroma_clients import STORE, translated
from .chroma_filters import EVERYTHING, Where, where_of
from .chroma_payloads import RESERVED, chroma_id, metadata_of, payload_of, replacing, user_id

R = TypeVar("R")
_DIMENSION = f"{RESERVED}dimension"
_SPACES = {VectorMetric.COSINE: "cosine", VectorMetric.DOT: "ip", VectorMetric.L2: "l2"}
_METRICS = {space: metric for metric, space in _SPACES.items()}
#: How many candidates a search follows at once. With Chroma's 100 it misses a tenth of the best of 2,000 random vectors
#: of 384 numbers; with this it finds all of them.
_EF_SEARCH = 400
#: What may be wrong because the collection is another one by now. Vectors are refused before anything is written.
_DOUBTFUL = (CollectionNotFoundError, DimensionError, VectorValueError)
#: A longer answer than this is asked for only where there are so many records.
_MANY = 1000
_NAME = re.compile(r"(?!.*\.\.)(?!(\d+\.){3}\d+$)[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]")
#: The squares of norms between which products and distances of two vectors fit into float32.
_SMALLEST, _LARGEST = 1e-28, 8.5e37


@dataclass(frozen=True, slots=True)
class Opened:
    """A collection as one client knows it."""

    name: str
    info: CollectionInfo
    client: Any
    collection: Any
    #: No rows, which check vectors by its dimension and metric.
    rows: Any

    async def call(self, method: str, **options: Any) -> Any:
        """Call a method of the collection.

        Raises:
            CollectionNotFoundError: it is gone.
            VectorError: Chroma refused the call, or could not be reached.
        """
        with translated(subject(self.name)):
            return await self.client.call_on(self.collection, method, **options)

    def pack(self, vectors: Sequence[Any], text: str) -> Any:
        """Return vectors as a matrix of float32.

        Raises:
            DimensionError, VectorValueError: one is not as it has to be, or beyond what Chroma can compute.
        """
        matrix, squares = self.rows.pack(vectors, text)
        smallest = _SMALLEST if self.info.metric is VectorMetric.COSINE else 0.0
        if len(squares) and (squares.min() < smallest or squares.max() > _LARGEST):
            place = ((squares < smallest) | (squares > _LARGEST)).argmax()
            raise VectorValueError(f"{text.format(place)} is of a length that {STORE} can't compute with in float32")
        return matrix


def subject(name: str) -> str:
    """Return how errors speak of a collection."""
    return f"collection {name!r}"


class ChromaOperations:
    """The operations of a store on one of its clients."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def create_collection(self, name: str, dimension: int, metric: str, overwrite: bool) -> None:
        info = new_collection(name, dimension, metric)
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{STORE} can't name a collection {name!r}: Chroma takes 3 to 512 of the characters a-z, A-Z, 0-9, "
                "'.', '_' and '-', the first and the last of them letters or digits, no '..' and no IP address"
            )
        if await self._get(name) is not None:
            if not overwrite:
                raise CollectionExistsError(f"there is a {subject(name)} already")
            await self._call(name, "delete_collection", name)
        made = await self._create(name, info)
        self._client.known[name] = self._opened(name, info, made)

    async def describe_collection(self, name: str) -> CollectionInfo | None:
        found = await self._find(name)
        return None if found is None else found.info

    async def upsert(self, name: str, records: Iterable[VectorRecord]) -> None:
        listed = checked_records(records)
        ids = [chroma_id(one) for one in checked_ids(record.id for record in listed)]
        metadatas = [metadata_of(record.payload, STORE) for record in listed]

        async def write(opened: Opened) -> None:
            matrix = opened.pack([record.vector for record in listed], "the vector of record {}")
            for places in await self._batches(name, latest(ids)):
                written = [ids[place] for place in places]
                kept = await opened.call("get", ids=written, include=["metadatas"])
                found = dict(zip(kept["ids"], kept["metadatas"], strict=True))
                await opened.call(
                    "upsert",
                    ids=written,
                    embeddings=matrix[places],
                    metadatas=[replacing(metadatas[place], found.get(ids[place]) or ()) for place in places],
                )

        await self._on(name, write)

    async def query_many(
        self, name: str, vectors: Iterable[Any], top_k: int, filters: FilterInput | Filter
    ) -> list[list[VectorSearchResult]]:
        asked, top_k, where = list(vectors), checked_top_k(top_k), self._where(filters)

        async def search(opened: Opened) -> list[list[VectorSearchResult]]:
            matrix = opened.pack(asked, "the vector" if len(asked) == 1 else "vector {}")
            wanted = top_k if top_k <= _MANY else min(top_k, await opened.call("count"))
            if wanted == 0 or not asked:
                return [[] for _ in asked]
            found = await opened.call(
                "query", query_embeddings=matrix, n_results=wanted, where=where, include=["metadatas", "distances"]
            )
            answers = [
                _results(opened.info.metric, *one)
                for one in zip(found["ids"], found["distances"], found["metadatas"], strict=True)
            ]
            fewest = min(map(len, answers))
            if fewest < wanted and fewest < await _matching(opened, where, wanted):
                return await self._scan(opened, asked, wanted, where)
            return answers

        return await self._on(name, search)

    async def fetch(self, name: str, ids: Iterable[str] | None) -> list[VectorRecord]:
        wanted = None if ids is None else [chroma_id(one) for one in checked_ids(ids)]

        async def read(opened: Opened) -> list[VectorRecord]:
            if wanted is None:
                every = await opened.call("get", include=[])
                return await self._records(opened, sorted(every["ids"], key=user_id))
            return await self._records(opened, wanted)

        return await self._on(name, read)

    async def delete(self, name: str, ids: Iterable[str]) -> int:
        wanted = list(dict.fromkeys(chroma_id(one) for one in checked_ids(ids)))

        async def remove(opened: Opened) -> int:
            deleted = 0
            for batch in await self._batches(name, wanted):
                # Chroma counts what it was asked for, and not what was there.
                there = (await opened.call("get", ids=batch, include=[]))["ids"]
                if there:
                    await opened.call("delete", ids=there)
                deleted += len(there)
            return deleted

        return await self._on(name, remove)

    async def delete_where(self, name: str, filters: FilterInput | Filter) -> int:
        where = self._where(filters) or EVERYTHING

        async def remove(opened: Opened) -> int:
            deleted: int = (await opened.call("delete", where=where))["deleted"]
            return deleted

        return await self._on(name, remove)

    async def count(self, name: str, filters: FilterInput | Filter) -> int:
        where = self._where(filters)
        return await self._on(name, lambda opened: _matching(opened, where))

    def _where(self, filters: FilterInput | Filter) -> Where | None:
        return where_of(parse(filters, STORE), STORE)

    async def _scan(
        self, opened: Opened, asked: Sequence[Any], top_k: int, where: Where | None
    ) -> list[list[VectorSearchResult]]:
        """Answer by looking at all that match. Chroma's index loses some where many are equal, or were deleted."""
        records = await self._records(opened, (await opened.call("get", where=where, include=[]))["ids"])
        rows = _rows(opened.info)
        rows.append(rows.pack([record.vector for record in records], "the vector"), range(len(records)))
        if not records:
            return [[] for _ in asked]
        answers = []
        for scored in rows.best(rows.pack(asked, "the vector"), top_k, None):
            results = [VectorSearchResult(records[at].id, score, records[at].payload) for at, score in scored]
            answers.append(sorted(results, key=_rank)[:top_k])
        return answers

    async def _records(self, opened: Opened, ids: Sequence[str]) -> list[VectorRecord]:
        """Return those of `ids` that are there, in their order."""
        found: dict[str, tuple[Any, Any]] = {}
        for batch in await self._batches(opened.name, list(dict.fromkeys(ids))):
            part = await opened.call("get", ids=batch, include=["embeddings", "metadatas"])
            found.update(zip(part["ids"], zip(part["embeddings"], part["metadatas"], strict=True), strict=True))
        return [
            VectorRecord(user_id(one), array("f", found[one][0]).tolist(), payload_of(found[one][1]))
            for one in ids
            if one in found
        ]

    async def _batches(self, name: str, items: Sequence[R]) -> list[Sequence[R]]:
        """Cut a list into as many parts as Chroma takes at once."""
        size = await self._call(name, "get_max_batch_size")
        return [items[start : start + size] for start in range(0, len(items), size)]

    async def _on(self, name: str, operation: Callable[[Opened], Awaitable[R]]) -> R:
        """Run an operation on a collection."""
        await self._client.open()
        known: Opened | None = self._client.known.get(name)
        if known is not None:
            try:
                return await operation(known)
            except _DOUBTFUL:
                self._client.known.pop(name, None)
        found = await self._find(name)
        if found is None:
            raise CollectionNotFoundError(f"there is no {subject(name)}")
        self._client.known[name] = found
        return await operation(found)

    async def _find(self, name: str) -> Opened | None:
        """Open a collection that is there."""
        collection = await self._get(name)
        if collection is None:
            return None
        dimension = (collection.metadata or {}).get(_DIMENSION) or collection.get_model().dimension
        if dimension is None:
            raise VectorError(
                f"the {subject(name)} is empty and was not made by mini_orm: nobody has said its dimension; "
                "create it with overwrite=True"
            )
        configuration = collection.configuration_json
        space = (configuration.get("hnsw") or configuration.get("spann") or {}).get("space", "l2")
        return self._opened(name, CollectionInfo(dimension, _METRICS[space]), collection)

    def _opened(self, name: str, info: CollectionInfo, collection: Any) -> Opened:
        return Opened(name, info, self._client, collection, _rows(info))

    async def _get(self, name: str) -> Any:
        try:
            return await self._call(name, "get_collection", name, embedding_function=None)
        except CollectionNotFoundError:
            return None

    async def _create(self, name: str, info: CollectionInfo) -> Any:
        try:
            return await self._call(
                name,
                "create_collection",
                name,
                configuration={"hnsw": {"space": _SPACES[info.metric], "ef_search": _EF_SEARCH}},
                metadata={_DIMENSION: info.dimension},
                embedding_function=None,
            )
        except VectorError as exc:
            if await self._get(name) is None:
                raise
            raise CollectionExistsError(f"there is a {subject(name)} already") from exc.__cause__

    async def _call(self, name: str, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the client."""
        await self._client.open()
        with translated(subject(name)):
            return await self._client.call(method, *arguments, **options)


def _rows(info: CollectionInfo) -> Any:
    """Return rows in memory, which check vectors and score them exactly."""
    from .numpy_rows import NumpyRows  # chromadb brings numpy

    return NumpyRows(info.dimension, info.metric)


async def _matching(opened: Opened, where: Where | None, limit: int | None = None) -> int:
    """Return how many records match, up to a limit."""
    if where is None:
        counted: int = await opened.call("count")
        return counted
    return len((await opened.call("get", where=where, limit=limit, include=[]))["ids"])


def _results(
    metric: VectorMetric, ids: Sequence[str], distances: Sequence[float], metadatas: Sequence[Any]
) -> list[VectorSearchResult]:
    found = list(map(VectorSearchResult, map(user_id, ids), _scores(metric, distances), map(payload_of, metadatas)))
    found.sort(key=_rank)
    return found


def _scores(metric: VectorMetric, distances: Sequence[float]) -> list[float]:
    """Return the scores of Chroma's distances: 1 - cosine, 1 - product, or the square of the Euclidean one."""
    if metric is VectorMetric.L2:
        return [0.0 - math.sqrt(distance) for distance in distances]
    if metric is VectorMetric.DOT:
        return [1.0 - distance for distance in distances]
    return [max(-1.0, min(1.0, 1.0 - distance)) for distance in distances]


def _rank(result: VectorSearchResult) -> tuple[float, str]:
    return -result.score, result.id
