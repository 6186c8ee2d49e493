"""How the hub reads its arguments: an object's model is exactly its class, and may be named before it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, NoReturn

from ...errors import ModelError


class Absent(Enum):
    """Stands for an argument that was not given; `None` would be one that was."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "…"


ABSENT = Absent.ABSENT


def one_model(model: Any) -> type:
    """Refuse what is no class where a model is named.

    Raises:
        ModelError: it is an object, a text, `None`, …
    """
    if not isinstance(model, type):
        raise ModelError(f"a model is given as its class, such as User; got {_shown(model)}")
    return model


def many_models(models: Any) -> list[type]:
    """Read the models that `register_many` takes.

    Raises:
        TypeError: it is no iterable, or one model alone.
    """
    if isinstance(models, type | str) or not isinstance(models, Iterable):
        raise TypeError(f"register_many takes models, register_many([User, Post]); got {_shown(models)}")
    return [one_model(model) for model in models]


def one_object(verb: str, model: Any, obj: Any) -> tuple[type, Any]:
    """Read `verb(obj)` and `verb(Model, obj)`; return the model and the object.

    Raises:
        TypeError: neither form was meant, or the object is of another class.
    """
    if model is ABSENT or obj is ABSENT:
        return _alone(verb, obj if model is ABSENT else model)
    if not isinstance(model, type):
        _refuse(verb, f"{_shown(model)} in the model's place")
    if type(obj) is not model:
        _refuse(verb, f"{model.__name__} and {_shown(obj)}")
    return model, obj


def one_to_link(verb: str, *arguments: Any) -> tuple[type, Any, Any, Any]:
    """Read `verb(obj, name, others)` and `verb(Model, obj, name, others)`; return what the second form has.

    Raises:
        TypeError: neither form was meant, or the object is of another class.
    """
    given = [argument for argument in arguments if argument is not ABSENT]
    if len(given) < 3:
        _refuse(verb, f"{len(given)} argument{'' if len(given) == 1 else 's'}")
    *first, name, others = given
    model, obj = one_object(verb, *first) if len(first) > 1 else _alone(verb, *first)
    return model, obj, name, others


def many_objects(model: Any, objects: Any) -> tuple[type | None, list[Any]]:
    """Read `insert_many(objects)` and `insert_many(Model, objects)`; return the model and the objects.

    Returns:
        The model is `None` where no objects were given, and none was named.

    Raises:
        TypeError: neither form was meant, or the objects are not all of one class.
    """
    verb = "insert_many"
    cls: type | None = None
    if model is ABSENT or objects is ABSENT:
        given = objects if model is ABSENT else model
    elif isinstance(model, type):
        cls, given = model, objects
    else:
        _refuse(verb, f"{_shown(model)} in the model's place")
    is_one = dataclasses.is_dataclass(given) if cls is None else isinstance(given, cls)
    if is_one or isinstance(given, type | str | bytes | Mapping) or not isinstance(given, Iterable):
        _refuse(verb, _shown(given))
    found = list(given)
    if not found:
        return cls, []
    if cls is None:
        cls, _ = _alone(verb, found[0])
    for obj in found:
        if type(obj) is not cls:
            _refuse(verb, f"{_shown(obj)} among the objects of {cls.__name__}")
    return cls, found


def _alone(verb: str, obj: Any) -> tuple[type, Any]:
    if isinstance(obj, type) or not dataclasses.is_dataclass(obj):
        _refuse(verb, _shown(obj))
    return type(obj), obj


def _refuse(verb: str, given: str) -> NoReturn:
    """Raise the error that shows both forms."""
    if verb == "insert_many":
        alone, named = "objects of one model, insert_many([User(…), …])", "the objects, insert_many(User, users)"
    elif verb in ("link", "unlink"):
        alone, named = f'an object, {verb}(post, "tags", [tag])', f'the object, {verb}(Post, post, "tags", [tag])'
    else:
        alone, named = f"an object, {verb}(User(…))", f"the object, {verb}(User, user)"
    raise TypeError(f"{verb} takes {alone}, or the model and {named}; got {given}")


def _shown(value: Any) -> str:
    """Say what was given without quoting it."""
    if value is ABSENT:
        return "nothing"
    if value is None:
        return "None"
    return f"the class {value.__name__}" if isinstance(value, type) else f"an object of {type(value).__name__}"
