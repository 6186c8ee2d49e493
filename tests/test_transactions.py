"""X1 X3 X9 R6 on every backend."""

from __future__ import annotations

from tests.backends import bind_all
from tests.contracts.transactions import (
    AtomicityContract,
    BusyTimeoutContract,
    FailedRollbackContract,
    LockingContract,
    LostTransactionContract,
    RunInTransactionContract,
    TransactionContract,
)

bind_all(
    globals(),
    TransactionContract,
    LostTransactionContract,
    FailedRollbackContract,
    LockingContract,
    BusyTimeoutContract,
    AtomicityContract,
    RunInTransactionContract,
)
