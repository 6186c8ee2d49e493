"""Frozen dataclasses with slots that cost little to make, for those that every program imports.

`dataclass` compiles methods anew for each class: 0.6 ms, of which all but 0.04 is spared here. The methods are written
once, in `Frozen`; a class adds its own `__init__`, which fills the fields with `set_field`.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

__all__ = ["Frozen", "frozen_dataclass", "set_field"]

set_field = object.__setattr__


class Frozen:
    """The methods of a frozen dataclass, whatever its fields are."""

    __slots__ = ()
    __match_args__: ClassVar[Any] = ()  # the names of the fields, which `dataclass` puts here

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.__match_args__])

    def __repr__(self) -> str:
        fields = [f"{name}={value!r}" for name, value in zip(self.__match_args__, self._values(), strict=True)]
        return f"{type(self).__qualname__}({', '.join(fields)})"

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), self._values()

    if not TYPE_CHECKING:  # which knows of fields that are read-only

        def __setattr__(self, name: str, value: object) -> NoReturn:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")

        def __delattr__(self, name: str) -> NoReturn:
            raise FrozenInstanceError(f"cannot delete field {name!r}")


if TYPE_CHECKING:
    from dataclasses import dataclass as frozen_dataclass
else:

    def frozen_dataclass(*, frozen, slots):
        """Make a dataclass of a `Frozen`; what is stated tells type checkers, which take this for `dataclass`."""

        def make(cls):
            made = dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
            made.__dataclass_params__.frozen = frozen  # so that its subclasses may, and have to be frozen
            return made

        return make
