"""`InMemoryVectorStore`: vectors in this process, exact, with numpy where it is installed and without it."""

from __future__ import annotations

from typing import Any

from ..filters import Filter, FilterInput, parse
from .base import CollectionInfo
from .local import LocalCollection, LocalStore
from .payload_index import PythonMasks
from .python_rows import PythonRows


class InMemoryVectorStore(LocalStore[LocalCollection]):
    """Keeps vectors in memory and finds the nearest ones by looking at all of them.

    With numpy (`pip install "mini_orm[numpy]"`) that goes about as fast as memory can be read; without it the standard
    library does the same, some fifty times slower. Payloads are values of JSON. Safe for threads.
    """

    supports_filters = True
    supports_conditions = True

    def __init__(self) -> None:
        super().__init__()
        self._rows: Any
        self._masks: Any
        self._rows, self._masks = self._numpy() or (PythonRows, PythonMasks())

    def delete_where(self, collection: str, filters: FilterInput | Filter) -> int:
        """Delete the records that match; return how many."""
        return self._collection(collection).delete_where(self._parsed(filters))

    @staticmethod
    def _numpy() -> Any:
        """Return what numpy does for rows and masks, if it is installed."""
        try:
            from .numpy_rows import NumpyMasks, NumpyRows
        except ImportError:
            return None
        return NumpyRows, NumpyMasks()

    def _made(self, info: CollectionInfo) -> LocalCollection:
        return LocalCollection(info, self._rows(info.dimension, info.metric), self._masks, type(self).__name__)

    def _parsed(self, filters: FilterInput | Filter) -> Filter | None:
        return parse(filters, type(self).__name__)
