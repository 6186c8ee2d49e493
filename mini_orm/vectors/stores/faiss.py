"""`FaissVectorStore`: vectors in this process, found by an index of faiss, and saved to a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from numbers import Real
from typing import TYPE_CHECKING, Any

from ...errors import MissingDependencyError, UnsupportedFilterError, VectorError
from ..checks import checked_ids, json_payloads
from ..filters import Filter, FilterInput, is_empty
from .base import CollectionInfo
from .faiss_file import Reader, Writer, reading, writing
from .local import LocalCollection, LocalStore

if TYPE_CHECKING:
    from typing import Self

    from .faiss_index import IndexKind
    from .numpy_indexed import IndexedRows


class FaissVectorStore(LocalStore["_Collection"]):
    """Keeps vectors in memory and finds the nearest ones by faiss (`pip install "mini_orm[faiss]"`).

    It takes no filters. Payloads are values of JSON. Safe for threads. `save` writes all collections to a file.

    Args:
        index: what faiss' index factory takes, `"HNSW32"` or `"IVF1024,Flat"` for example; without it all vectors are
            looked at, and the answer is exact. Each collection has an index of its own.
        training_rows: an index that has to be trained is trained with the first vectors, as soon as there are so many;
            until then all of them are looked at. By default so many as faiss asks for: 39 for each of its centroids.
        search_parameters: what faiss' `ParameterSpace` knows, `{"nprobe": 16}` or `{"efSearch": 64}` for example.

    Raises:
        MissingDependencyError: faiss is not installed.
        ValueError: `index` is no text, `training_rows` no int of 1 or more, or a search parameter no number.
        VectorError: faiss can't read `index`.
    """

    supports_filters = False

    def __init__(
        self,
        *,
        index: str | None = None,
        training_rows: int | None = None,
        search_parameters: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        try:
            from .faiss_index import IndexKind, check_spec
        except ImportError as exc:
            raise MissingDependencyError('FaissVectorStore needs faiss: pip install "mini_orm[faiss]"') from exc
        kind = IndexKind(
            "Flat" if index is None else index, _checked_rows(training_rows), _checked_parameters(search_parameters)
        )
        check_spec(kind.spec)
        self._kind = kind

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all collections to one file, in the place of the one that is there; it is whole at any time.

        Calls about a collection wait while it is written.

        Raises:
            VectorError: the file can't be written.
        """
        with self._lock:
            collections = dict(self._collections)
        with writing(path) as file:
            said = [found.save(file, str(n), name) for n, (name, found) in enumerate(collections.items())]
            file.summary(asdict(self._kind), said)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return a store with all that was saved, and the options of the store that saved it.

        Raises:
            VectorError: there is no such file; it is damaged, of another version, or none of `save`.
            MissingDependencyError: faiss is not installed.
        """
        with reading(path) as file:
            summary = file.summary()
            store = cls(
                index=summary["spec"],
                training_rows=summary["training_rows"],
                search_parameters=summary["search_parameters"],
            )
            for number, said in enumerate(summary["collections"]):
                store.create_collection(said["name"], said["dimension"], said["metric"])
                store._collection(said["name"]).load(file, str(number), said)
        return store

    def _made(self, info: CollectionInfo) -> _Collection:
        return _Collection(info, self._kind, type(self).__name__)

    def _parsed(self, filters: FilterInput | Filter) -> Filter | None:
        if is_empty(filters):
            return None
        raise UnsupportedFilterError(f"{type(self).__name__} does not support payload filters")


class _Collection(LocalCollection):
    """The records of one collection, with its index."""

    _rows: IndexedRows

    def __init__(self, info: CollectionInfo, kind: IndexKind, store: str) -> None:
        from .faiss_index import FaissIndex
        from .numpy_indexed import IndexedRows
        from .numpy_rows import NumpyMasks

        def make(saved: Any = None) -> FaissIndex:
            return FaissIndex(kind, info.dimension, info.metric, saved)

        super().__init__(info, IndexedRows(info.dimension, info.metric, make), NumpyMasks(), store)

    def save(self, file: Writer, folder: str, name: str) -> dict[str, Any]:
        """Write the collection; return what `load` has to be told."""
        with self._lock:
            columns = self._rows.saved()
            file.json(f"{folder}/records.json", {"ids": self._ids, "payloads": self._payloads})
            for column, content in columns.items():
                file.part(f"{folder}/{column}", content)
            metric = self.info.metric.value
            return {"name": name, "dimension": self.info.dimension, "metric": metric, "columns": [*columns]}

    def load(self, file: Reader, folder: str, said: Mapping[str, Any]) -> None:
        """Fill the collection, which is empty, from a file."""
        records = file.json(f"{folder}/records.json")
        ids = checked_ids(records["ids"])
        payloads = json_payloads(records["payloads"], self._store)
        if not len(set(ids)) == len(ids) == len(payloads):
            raise VectorError("the ids and payloads of the file don't fit together")
        packed = self._rows.unpacked(file.part(f"{folder}/vectors"), len(ids))
        super()._write(ids, payloads, packed)
        if "index" in said["columns"]:
            self._rows.restore(file.part(f"{folder}/index"), file.part(f"{folder}/numbers"))
        else:
            self._rows.settle()

    def _write(self, ids: Sequence[str], payloads: Sequence[dict[str, Any] | None], packed: Any) -> None:
        super()._write(ids, payloads, packed)
        self._rows.settle()


def _checked_rows(value: int | None) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError("training_rows is an int of 1 or more")
    return value


def _checked_parameters(values: Mapping[str, Any] | None) -> dict[str, float]:
    if values is not None and not isinstance(values, Mapping):
        raise ValueError(f"search_parameters is a mapping of names to numbers, not {type(values).__name__}")
    for name, value in (values or {}).items():
        if not isinstance(name, str) or isinstance(value, bool) or not isinstance(value, Real):
            raise ValueError(f"search_parameters maps names to numbers, not {name!r} to {type(value).__name__}")
    return {name: float(value) for name, value in (values or {}).items()}
