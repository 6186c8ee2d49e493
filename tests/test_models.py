"""Models on every backend: how a dataclass is read, what becomes of its objects, and its names."""

from __future__ import annotations

from tests.backends import bind_all
from tests.contracts.model_columns import ColumnsContract
from tests.contracts.model_names import NamesContract
from tests.contracts.model_rows import KeysContract, ObjectsContract
from tests.contracts.models import AnnotationsContract

bind_all(globals(), AnnotationsContract, ColumnsContract, ObjectsContract, KeysContract, NamesContract)
