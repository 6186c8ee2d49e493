"""All vector contracts, for a store's tests to bind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.contracts.vectors import (
    VectorBatchContract,
    VectorCollectionContract,
    VectorQueryContract,
    VectorWriteContract,
)
from tests.contracts.vectors_codecs import VectorCodecContract
from tests.contracts.vectors_congruence import VectorCongruenceContract
from tests.contracts.vectors_filters import (
    VectorConditionContract,
    VectorMappingContract,
    VectorNoConditionContract,
)
from tests.vector_backends import VectorBackend, bind_vectors


def bind_vector_contracts(namespace: dict[str, Any], backends: Iterable[type[VectorBackend]]) -> None:
    """Put a case for every vector contract and each of these stores into a test module's namespace."""
    stores = list(backends)
    bind_vectors(
        namespace,
        VectorCollectionContract,
        VectorWriteContract,
        VectorQueryContract,
        VectorBatchContract,
        VectorCodecContract,
        VectorMappingContract,
        VectorConditionContract,
        VectorCongruenceContract,
        backends=stores,
    )
    bind_vectors(namespace, VectorNoConditionContract, backends=[one for one in stores if not one.supports_conditions])
