"""What is done about a table that differs from its model."""

from __future__ import annotations

from typing import Literal

Policy = Literal["raise", "recreate"]
POLICIES: tuple[str, ...] = ("raise", "recreate")


def check_policy(schema_conflict: object) -> None:
    """Refuse what is no way to deal with a conflict.

    Raises:
        ValueError: it is neither `"raise"` nor `"recreate"`.
    """
    if schema_conflict not in POLICIES:
        raise ValueError(f"schema_conflict must be one of {', '.join(map(repr, POLICIES))}")
