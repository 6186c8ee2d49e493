"""Finds the models that a command names: `package.module`, `path/to/file.py`, or either with `:Name,Other` behind."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ..core.models import model_meta, nearest
from ..errors import ConfigurationError


def models_of(text: str) -> list[type]:
    """Import what a command names, and return its models in the order of the module.

    Without names these are all dataclasses of the module that have a key; imported ones, too.

    Raises:
        ConfigurationError: the module can't be imported, or has none.
        ModelError: one of them is a model with a mistake.
    """
    found = re.fullmatch(r"(.+?)(?::([\w, ]+))?", text, re.DOTALL)
    place, names = found.groups() if found else (text, None)
    module = _imported(place)
    if names:
        models = [_named(module, name.strip()) for name in names.split(",")]
    else:
        models = list(dict.fromkeys(value for value in vars(module).values() if _is_model(value)))
    if not models:
        raise ConfigurationError(f"{place} has no models; a model is a dataclass with a field that is a key ('pk')")
    for model in models:
        model_meta(model)
    return models


def _is_model(value: Any) -> bool:
    if not isinstance(value, type) or not dataclasses.is_dataclass(value):
        return False
    return any(field.metadata.get("pk") for field in dataclasses.fields(value))


def _named(module: ModuleType, name: str) -> type:
    found = getattr(module, name, None)
    if isinstance(found, type):
        return found
    near = nearest(name[:100], [key for key, value in vars(module).items() if _is_model(value)], 0.5)
    advice = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigurationError(f"{module.__name__} has no class {name!r}{advice}")


def _imported(place: str) -> ModuleType:
    is_file = place.endswith(".py") or os.sep in place
    if is_file and not Path(place).is_file():
        raise ConfigurationError(f"there is no file {place!r}")
    sys.path.insert(0, str(Path(place).resolve().parent) if is_file else os.getcwd())  # as Python itself does
    try:
        return _import_file(Path(place)) if is_file else importlib.import_module(place)
    except (Exception, SystemExit) as exc:  # whatever the module does
        if isinstance(exc, ModuleNotFoundError) and exc.name and f"{place}.".startswith(f"{exc.name}."):
            raise ConfigurationError(f"there is no module {place!r} here; a file is named with its .py") from exc
        raise ConfigurationError(f"{place} can't be imported: {type(exc).__name__}: {exc}") from exc


def _import_file(path: Path) -> ModuleType:
    name = path.stem if path.stem not in sys.modules else f"models in {path}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where annotations are looked up
    spec.loader.exec_module(module)
    return module
