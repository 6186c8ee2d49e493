"""Those whom peers stand beside: hand-written code and mini_orm, whose tables are compared as those of peers are."""

from __future__ import annotations

from typing import ClassVar

from ..contestants import CONTESTANTS
from ..worker import made
from .base import Peer


class _Measured(Peer):
    """One whom `benchmarks.sql` measures, as it is."""

    name: ClassVar[str]

    def open(self) -> None:
        self._inner = made(CONTESTANTS[self.database][self.name][0], self.address)
        for operation in self._inner.operations:
            setattr(self, operation, getattr(self._inner, operation))

    def shut(self) -> None:
        self._inner.close()


class Raw(_Measured):
    """By hand."""

    name = "raw"


class MiniOrm(_Measured):
    """Through mini_orm."""

    name = "mini_orm"
