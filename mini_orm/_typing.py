"""Names for what is given to us and handed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

#: One row as the driver returns it.
Row: TypeAlias = tuple[Any, ...]
#: Bound values in the order of their placeholders.
Params: TypeAlias = Sequence[Any]
#: Values for raw SQL, in the driver's own style.
RawParams: TypeAlias = Sequence[Any] | Mapping[str, Any] | None
