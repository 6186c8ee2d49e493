"""Registration and `auto_schema`: the contracts on every backend."""

from __future__ import annotations

from tests.backends import bind_all
from tests.contracts.registration import (
    AutoSchemaAtOnceContract,
    AutoSchemaContract,
    AutoSchemaInTheMiddleContract,
    AutoSchemaInTransactionsContract,
    AutoSchemaOfTasksContract,
    AutoSchemaOnAPoolContract,
    RegistrationContract,
)

bind_all(
    globals(),
    AutoSchemaContract,
    AutoSchemaInTransactionsContract,
    AutoSchemaOfTasksContract,
    AutoSchemaOnAPoolContract,
    AutoSchemaAtOnceContract,
    AutoSchemaInTheMiddleContract,
    RegistrationContract,
)
