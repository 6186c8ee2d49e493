"""The vector contracts on the stores that need nothing else: those in memory, and a user's own."""

from __future__ import annotations

from tests.contracts.vectors import (
    VectorBatchContract,
    VectorCollectionContract,
    VectorQueryContract,
    VectorWriteContract,
)
from tests.contracts.vectors_codecs import VectorCodecContract
from tests.contracts.vectors_filters import (
    VectorConditionContract,
    VectorMappingContract,
    VectorNoConditionContract,
)
from tests.vector_backends import VECTOR_BACKENDS, bind_vectors

bind_vectors(globals(), VectorCollectionContract, VectorWriteContract, VectorQueryContract, VectorBatchContract)
bind_vectors(globals(), VectorCodecContract, VectorMappingContract, VectorConditionContract)
bind_vectors(
    globals(), VectorNoConditionContract, backends=[one for one in VECTOR_BACKENDS if not one.supports_conditions]
)
