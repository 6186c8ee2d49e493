"""Queries on every backend."""

from __future__ import annotations

from tests.backends import bind_all
from tests.contracts.queries import ConditionContract
from tests.contracts.query_changes import ChangeWhereContract, OrderAndPageContract, RawContract
from tests.contracts.query_groups import GroupContract, LongListContract

bind_all(
    globals(),
    ConditionContract,
    LongListContract,
    GroupContract,
    OrderAndPageContract,
    ChangeWhereContract,
    RawContract,
)
