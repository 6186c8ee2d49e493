"""An annotation -> what a value of it looks like.

Rules of this file:
- A type says what it takes (`accepts`), which is always right, and what a quick look may take for granted (`exact`
  and `each`), which `checks.py` writes into the function that is called for each object.
- What can't be told by looking at a value (a protocol, a callable, a type variable) is not checked at all, rather
  than wrongly refused. A container that may be read only once is not read.
"""

from __future__ import annotations

import collections
import datetime as dt
import types
import typing
from collections import abc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal

Part = tuple[str, "TypeCheck", Any]

#: Types that take more, or less, than their own instances: what is taken, and what of that is refused.
_WIDER: dict[type, tuple[tuple[type, ...], tuple[type, ...]]] = {
    int: ((int,), (bool,)),
    float: ((float, int), (bool,)),
    complex: ((complex, float, int), (bool,)),
    dt.date: ((dt.date,), (dt.datetime,)),
}
#: Text and bytes are sequences in Python, and never what `Sequence[str]` means.
_NO_SEQUENCE = (str, bytes, bytearray, memoryview)
#: Containers whose parameters are the types of their items, and the classes that such a value mostly has.
_CONTAINERS: dict[Any, tuple[type, ...]] = {
    list: (list,),
    set: (set,),
    frozenset: (frozenset,),
    collections.deque: (collections.deque,),
    abc.Sequence: (list, tuple),
    abc.MutableSequence: (list,),
    abc.Set: (set, frozenset),
    abc.MutableSet: (set,),
    abc.Collection: (list, tuple, set, frozenset),
}
_MAPPINGS: dict[Any, tuple[type, ...]] = {
    dict: (dict,),
    collections.OrderedDict: (collections.OrderedDict,),
    collections.defaultdict: (collections.defaultdict,),
    abc.Mapping: (dict,),
    abc.MutableMapping: (dict,),
}


def _no_parts(value: Any) -> Iterable[Part]:
    return ()


@dataclass(frozen=True, slots=True)
class TypeCheck:
    """What an annotation takes.

    Attributes:
        name: the annotation as messages show it.
        accepts: whether a value is of the type.
        exact: classes whose own instances are accepted, if `each` accepts their items.
        each: the type of the items, or of the keys and the values; empty where they need no look.
        nullable: whether `None` is accepted.
        parts: the items of a value that is the right container: where they are, their type, and they themselves.
        classes: what a value that is not `None` may be an instance of; empty where that is not known.
    """

    name: str
    accepts: Callable[[Any], bool]
    exact: tuple[type, ...] = ()
    each: tuple[TypeCheck, ...] = ()
    nullable: bool = False
    parts: Callable[[Any], Iterable[Part]] = _no_parts
    classes: tuple[type, ...] = ()

    def mismatch(self, value: Any, path: str = "") -> str:
        """Say what was expected of a value that is not accepted, and where in it."""
        for place, inner, item in self.parts(value):
            if not inner.accepts(item):
                return inner.mismatch(item, path + place)
        where = f" at {path}" if path else ""
        length = f" of length {len(value)}" if type(value) is tuple else ""
        return f"expected {self.name}{where}, got {type(value).__name__}{length}"


def _anything(value: Any) -> bool:
    return True


def is_open(check: TypeCheck) -> bool:
    """Tell whether a type accepts whatever there is."""
    return check.accepts is _anything


def type_check(annotation: Any, aliases: dict[Any, list[TypeCheck]] | None = None) -> TypeCheck:
    """Read an annotation whose names are resolved.

    Args:
        annotation: what `field_hints` returned for a field.
        aliases: the aliases (`type X = …`) that are being read; one may stand in itself.
    """
    aliases = {} if aliases is None else aliases
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated or origin is typing.Final:
        return type_check(typing.get_args(annotation)[0], aliases)
    if isinstance(annotation, typing.NewType):
        return type_check(annotation.__supertype__, aliases)
    for alias in (annotation, origin):
        if type(alias).__name__ == "TypeAliasType":
            return _alias(alias, aliases)
    if annotation is None or annotation is types.NoneType:
        return TypeCheck("None", _is_none, nullable=True, classes=(types.NoneType,))
    if origin is typing.Union or origin is types.UnionType:
        return _union([type_check(member, aliases) for member in typing.get_args(annotation)])
    if origin is Literal:
        return _literal(typing.get_args(annotation))
    if origin is not None and hasattr(annotation, "__args__"):  # `typing.List` alone has no parameters
        return _generic(origin, typing.get_args(annotation), aliases)
    return _of_class(origin or annotation)


def _is_none(value: Any) -> bool:
    return value is None


def _alias(alias: Any, aliases: dict[Any, list[TypeCheck]]) -> TypeCheck:
    if alias in aliases:
        found = aliases[alias]
        return TypeCheck(
            alias.__name__, lambda value: found[0].accepts(value), parts=lambda value: found[0].parts(value)
        )
    aliases[alias] = []
    check = type_check(alias.__value__, aliases)
    aliases.pop(alias).append(check)
    return check


def _union(members: list[TypeCheck]) -> TypeCheck:
    name = " | ".join(dict.fromkeys(member.name for member in members))
    nullable = any(member.nullable for member in members)
    classes = _joined(member.classes for member in members)
    rest = [member for member in members if member.classes != (types.NoneType,)]
    if len(rest) == 1:
        inner = rest[0].accepts
        return replace(
            rest[0], name=name, accepts=lambda value: value is None or inner(value), nullable=True, classes=classes
        )

    def accepts(value: Any) -> bool:
        return any(member.accepts(value) for member in members)

    exact = () if any(member.each for member in rest) else _joined(member.exact for member in rest)
    return TypeCheck(name, accepts, exact, nullable=nullable, classes=classes)


def _joined(groups: Iterable[tuple[type, ...]]) -> tuple[type, ...]:
    """Put groups of classes together; empty, which is unknown, where one of them is."""
    listed = list(groups)
    return tuple(dict.fromkeys(cls for group in listed for cls in group)) if all(listed) else ()


def _literal(values: tuple[Any, ...]) -> TypeCheck:
    allowed = {(type(value), value) for value in values}

    def accepts(value: Any) -> bool:
        try:
            return (type(value), value) in allowed
        except TypeError:  # it has no hash
            return False

    name = f"Literal[{', '.join(map(repr, values))}]"
    return TypeCheck(name, accepts, nullable=None in values, classes=tuple({type(value) for value in values}))


def _of_class(cls: Any) -> TypeCheck:
    """Read what has no parameters: instances of a class, or what is not checked."""
    name = getattr(cls, "__name__", None) or str(cls)
    if typing.is_typeddict(cls):
        return replace(_of_class(dict), name=name)
    if not isinstance(cls, type) or cls is object or getattr(cls, "_is_protocol", False) or not _can_be_asked(cls):
        return TypeCheck(name, _anything, nullable=True)
    taken, refused = _WIDER.get(cls, ((cls,), _NO_SEQUENCE if cls is abc.Sequence else ()))

    def accepts(value: Any) -> bool:
        return isinstance(value, taken) and not isinstance(value, refused)

    # An instance of a class of the user's is often one of a subclass: that is asked with isinstance at once.
    is_plain = cls.__module__ in ("builtins", "datetime", "decimal", "uuid") or issubclass(cls, Enum)
    return TypeCheck(name, accepts, taken if is_plain else (), classes=taken)


def _can_be_asked(cls: type) -> bool:
    try:
        isinstance(None, cls)
    except Exception:  # classes may refuse, each in its own way
        return False
    return True


def _generic(origin: Any, args: tuple[Any, ...], aliases: dict[Any, list[TypeCheck]]) -> TypeCheck:
    if origin is tuple:
        return _tuple(args, aliases)
    if origin in _CONTAINERS:
        return _collection(origin, _CONTAINERS[origin], type_check(args[0], aliases), f"{origin.__name__}[{{}}]")
    if origin in _MAPPINGS:
        return _mapping(origin, _MAPPINGS[origin], *(type_check(one, aliases) for one in args))
    # What the parameters of another class say of its items is not known.
    return _class_of(args[0]) if origin is type else _of_class(origin)


def _collection(container: type, exact: tuple[type, ...], item: TypeCheck, name: str) -> TypeCheck:
    outer = _of_class(container)
    name = name.format(item.name)
    if is_open(item):
        return replace(outer, name=name, exact=exact)

    def accepts(value: Any) -> bool:
        return outer.accepts(value) and all(map(item.accepts, value))

    def parts(value: Any) -> Iterator[Part]:
        if outer.accepts(value):
            for place, one in enumerate(value):
                yield f"[{place}]" if isinstance(value, abc.Sequence) else "[…]", item, one

    return TypeCheck(name, accepts, exact, (item,), parts=parts, classes=(container,))


def _mapping(container: type, exact: tuple[type, ...], key: TypeCheck, item: TypeCheck) -> TypeCheck:
    outer = _of_class(container)
    name = f"{container.__name__}[{key.name}, {item.name}]"
    if is_open(key) and is_open(item):
        return replace(outer, name=name, exact=exact)

    def accepts(value: Any) -> bool:
        return outer.accepts(value) and all(map(key.accepts, value)) and all(map(item.accepts, value.values()))

    def parts(value: Any) -> Iterator[Part]:
        if outer.accepts(value):
            for one, other in value.items():
                yield "[a key]", key, one
                yield "[a value]", item, other

    return TypeCheck(name, accepts, exact, (key, item), parts=parts, classes=(container,))


def _tuple(args: tuple[Any, ...], aliases: dict[Any, list[TypeCheck]]) -> TypeCheck:
    if any(typing.get_origin(one) is typing.Unpack or getattr(one, "__unpacked__", False) for one in args):
        return _of_class(tuple)
    if args[1:] == (Ellipsis,):
        return _collection(tuple, (tuple,), type_check(args[0], aliases), "tuple[{}, ...]")
    items = [type_check(one, aliases) for one in args]

    def accepts(value: Any) -> bool:
        return is_one(value) and all(item.accepts(one) for item, one in zip(items, value, strict=True))

    def is_one(value: Any) -> bool:
        return isinstance(value, tuple) and len(value) == len(items)

    def parts(value: Any) -> Iterator[Part]:
        if is_one(value):
            for place, (item, one) in enumerate(zip(items, value, strict=True)):
                yield f"[{place}]", item, one

    name = f"tuple[{', '.join(item.name for item in items) or '()'}]"
    return TypeCheck(name, accepts, parts=parts, classes=(tuple,))


def _class_of(cls: Any) -> TypeCheck:
    """Read `type[X]`: `X` and its subclasses."""
    if is_open(_of_class(cls)):
        return _of_class(type)

    def accepts(value: Any) -> bool:
        return isinstance(value, type) and issubclass(value, cls)

    return TypeCheck(f"type[{cls.__name__}]", accepts, classes=(type,))
