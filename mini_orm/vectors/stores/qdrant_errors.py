"""What Qdrant's client raises, told apart without reading its texts."""

from __future__ import annotations

from enum import Enum, auto


class Failure(Enum):
    """Why a call has failed."""

    MISSING = auto()
    EXISTS = auto()
    REFUSED = auto()
    UNREACHED = auto()


_BY_STATUS = {404: Failure.MISSING, 409: Failure.EXISTS}
_BY_CODE = {
    "NOT_FOUND": Failure.MISSING,
    "ALREADY_EXISTS": Failure.EXISTS,
    "UNAVAILABLE": Failure.UNREACHED,
    "DEADLINE_EXCEEDED": Failure.UNREACHED,
}


def failure_of(exc: Exception) -> Failure | None:
    """Return why a call has failed; `None` if it is no failure of Qdrant's."""
    from grpc import RpcError
    from qdrant_client.common.client_exceptions import QdrantException
    from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

    if isinstance(exc, UnexpectedResponse):
        return _BY_STATUS.get(exc.status_code or 0, Failure.REFUSED)
    if isinstance(exc, ApiException):
        return Failure.UNREACHED
    if isinstance(exc, RpcError) and hasattr(exc, "code"):
        return _BY_CODE.get(exc.code().name, Failure.REFUSED)
    if isinstance(exc, QdrantException | ValueError):  # local mode knows nothing but a ValueError
        return Failure.REFUSED
    return None
