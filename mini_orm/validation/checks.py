"""A dataclass -> the function that checks its objects, made once for each class.

Rules of this file:
- The function is made as text, as a loop over prepared checks takes half as long again. It passes what is ordinary and
  right at a glance; the rest it leaves to `_Checks.explain`, which is right for all and collects what is wrong.
- A validator is called once each time that an object is checked, and never with a value that breaks another rule.
- Messages name fields, types and what is allowed, never the value. What a validator says of it is its own.
"""

from __future__ import annotations

import builtins
import dataclasses
import difflib
import linecache
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import Failure, ModelError, ValidationError
from .annotations import TypeCheck, is_open, type_check
from .hints import field_hints
from .rules import Function, Rule, is_on, mixes_awareness, read_rule, read_validator, refuse_contradictions

Check = Callable[[Any], None]

#: Keys of the metadata that are rules, in the order in which they are looked at.
RULES = (
    *("required", "non_empty", "pattern", "choices", "min_len", "max_len"),
    *("gt", "ge", "lt", "le", "min", "max", "validator"),
)
#: Keys that look like a rule and are something else.
_NO_RULES = ("max_length",)
#: Loops inside each other; Python allows 20. The items of deeper containers are left to functions.
_MAX_LOOPS = 5


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    type: TypeCheck
    nullable: bool  # `None` is right, and kept from the rules
    required: bool
    rules: tuple[Rule, ...]
    validator: Function | None
    init: bool


def make_check(cls: type, *, is_extended: bool) -> Check:
    """Make the function that checks the objects of a class.

    Args:
        cls: the class; the function may hold it.
        is_extended: whether it has a `model_validate` of its own.

    Raises:
        ModelError: it is no dataclass, an annotation can't be resolved, or a rule is broken.
    """
    if not dataclasses.is_dataclass(cls):
        raise ModelError(f"{cls.__name__} is no dataclass; decorate it with @dataclass", model=cls.__name__)
    fields = dataclasses.fields(cls)
    hints = field_hints(cls, fields)
    checks = _Checks(cls.__name__, tuple(_read(cls, field, hints[field.name]) for field in fields), is_extended)
    return _compiled(cls, checks)


# --- reading the class -----------------------------------------------------------------------------------------


def _read(cls: type, field: dataclasses.Field[Any], hint: Any) -> _Field:
    _warn_of_misspelt(cls, field)
    try:
        check = type_check(hint)
    except Exception as exc:  # an annotation may be any expression
        raise _broken(cls, field, f"its annotation {field.type!r} can't be read: {exc}") from exc
    rules: dict[str, Rule] = {}
    required = False
    validator: Function | None = None
    for name in RULES:
        stated = field.metadata.get(name)
        try:
            if stated is None:
                continue
            elif name == "required":
                required = is_on(stated)
            elif name == "validator":
                validator = read_validator(stated)
            elif rule := read_rule(name, stated, check):
                rules[name] = rule
                refuse_contradictions(rules)
        except (TypeError, ValueError) as exc:
            raise _broken(cls, field, f"the rule {name!r}: {exc}") from exc
    return _Field(
        name=field.name,
        type=check,
        nullable=(check.nullable or field.default is None) and not required,
        required=required,
        rules=tuple(rules.values()),
        validator=validator,
        init=field.init,
    )


def _broken(cls: type, field: dataclasses.Field[Any], message: str) -> ModelError:
    return ModelError(f"{cls.__name__}.{field.name}: {message}", model=cls.__name__, field=field.name)


def _warn_of_misspelt(cls: type, field: dataclasses.Field[Any]) -> None:
    for key in field.metadata:
        if isinstance(key, str) and key not in RULES and key not in _NO_RULES:
            near = difflib.get_close_matches(key, (*RULES, *_NO_RULES), n=1, cutoff=0.8)
            if near:
                message = f"{cls.__name__}.{field.name}: unknown metadata key {key!r}; did you mean {near[0]!r}?"
                warnings.warn(message, UserWarning, stacklevel=2)


# --- the exact way ---------------------------------------------------------------------------------------------


class _Findings:
    """What is wrong with an object, and what the first validator that raised did raise."""

    __slots__ = ("cause", "failures")

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.cause: Exception | None = None

    def add(self, field: str, rule: str, message: str, cause: Exception | None = None) -> None:
        self.failures.append(Failure(field, rule, message))
        self.cause = self.cause or cause


class _Checks:
    """The checks of one class."""

    __slots__ = ("fields", "is_extended", "model", "validated")

    def __init__(self, model: str, fields: tuple[_Field, ...], is_extended: bool) -> None:
        self.model = model
        self.fields = fields
        self.validated = tuple(field for field in fields if field.validator is not None)
        self.is_extended = is_extended

    def explain(self, obj: Any) -> None:
        """Check everything, and say all that is wrong."""
        findings = _Findings()
        for field in self.fields:
            _look(field, obj, findings)
        self._finish(obj, findings)

    def finish(self, obj: Any) -> None:
        """Do what is left for an object whose types and plain rules are right."""
        findings = _Findings()
        for field in self.validated:
            value = getattr(obj, field.name)
            if value is not None or not field.nullable:
                _ask_validator(field, value, findings)
        self._finish(obj, findings)

    def _finish(self, obj: Any, findings: _Findings) -> None:
        if findings.failures:
            raise self._error(findings.failures) from findings.cause
        if self.is_extended:
            try:
                obj.model_validate()
            except ValidationError:
                raise
            except ValueError as exc:
                raise self._error([Failure(None, "model_validate", str(exc))]) from exc

    def _error(self, failures: list[Failure]) -> ValidationError:
        said = (message if field is None else f"{field}: {message}" for field, _, message in failures)
        return ValidationError(f"{self.model}: {'; '.join(said)}", model=self.model, errors=tuple(failures))


def _look(field: _Field, obj: Any, findings: _Findings) -> None:
    """Find out what is wrong with one field."""
    try:
        value = getattr(obj, field.name)
    except AttributeError:
        if field.init:  # others may be set later, by the class's own `__post_init__`
            findings.add(field.name, "type", "is not set")
        return
    if value is None and field.nullable:
        return
    if value is None and field.required:
        return findings.add(field.name, "required", "must not be None")
    if not _is_kept(field.type.accepts, value):
        return findings.add(field.name, "type", _mismatch(field.type, value))
    broken = [rule for rule in field.rules if not _is_kept(rule.passes, value)]
    for rule in broken:
        findings.add(field.name, rule.name, _said_by(rule, value))
    if field.validator is not None and not broken:
        _ask_validator(field, value, findings)


def _is_kept(passes: Function, value: Any) -> bool:
    try:
        return bool(passes(value))
    except Exception:  # comparing, measuring and hashing are the value's own code
        return False


def _said_by(rule: Rule, value: Any) -> str:
    """Say what a rule asks for, and why a value could not be compared where that is easily overlooked."""
    if not _is_kept(lambda value: mixes_awareness(rule.operand, value), value):
        return rule.message
    kinds = ("a naive", "an aware") if value.utcoffset() is None else ("an aware", "a naive")
    return f"{rule.message}; {kinds[0]} value can't be compared with {kinds[1]} bound"


def _mismatch(check: TypeCheck, value: Any) -> str:
    try:
        return check.mismatch(value)
    except Exception:  # so is iterating; and a list may hold itself
        return f"expected {check.name}"


def _ask_validator(field: _Field, value: Any, findings: _Findings) -> None:
    assert field.validator is not None
    refused = "is refused by its validator"
    try:
        if field.validator(value) is False:
            findings.add(field.name, "validator", refused)
    except (ValueError, AssertionError) as exc:
        findings.add(field.name, "validator", str(exc) or refused, exc)
    except Exception as exc:  # whatever a validator raises says no; only of those above the text is meant for readers
        findings.add(field.name, "validator", f"{refused} ({type(exc).__name__})", exc)


# --- the quick way ---------------------------------------------------------------------------------------------


class _Source:
    """The text of a function, line by line, and what its names stand for."""

    def __init__(self, **names: Any) -> None:
        self.lines: list[str] = []
        self.names = names

    def name(self, value: object) -> str:
        """Return a name that stands for a value; plain ones stand for themselves."""
        if type(value) is int:
            return repr(value)
        if isinstance(value, type):
            name = value.__name__
            if vars(builtins).get(name) is value:
                return name
        name = f"_{len(self.names)}"
        self.names[name] = value
        return name

    def add(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def refuse(self, depth: int, condition: str) -> None:
        """Leave the object to `explain` where a condition holds."""
        self.add(depth, f"if {condition}:")
        self.add(depth + 1, "raise ValueError")


def _compiled(cls: type, checks: _Checks) -> Check:
    source = _Source(explain=checks.explain, finish=checks.finish)
    source.add(0, "def check(obj):")
    source.add(1, "try:")
    source.add(2, "pass")
    for field in checks.fields:
        _write_field(source, field, 2)
    source.add(1, "except Exception:")
    source.add(2, "pass")
    source.add(1, "else:")
    source.add(2, "return finish(obj)" if checks.validated or checks.is_extended else "return")
    source.add(1, "explain(obj)")
    text = "\n".join(source.lines) + "\n"
    # For tracebacks and debuggers; the name is no file's.
    file = f"<checks of {cls.__module__}.{cls.__qualname__}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), source.names)
    check: Check = source.names["check"]
    return check


def _write_field(source: _Source, field: _Field, depth: int) -> None:
    if is_open(field.type) and not field.rules and not field.required:
        return
    source.add(depth, f"value = obj.{field.name}")
    if field.nullable:
        source.add(depth, "if value is not None:")
        depth += 1
    elif field.required:
        source.refuse(depth, "value is None")
    _write_type(source, dataclasses.replace(field.type, nullable=False), "value", depth)
    for rule in field.rules:
        if rule.source is None:
            source.refuse(depth, f"not {source.name(rule.passes)}(value)")
        else:
            source.refuse(depth, "not " + rule.source.format(value="value", operand=source.name(rule.operand)))


def _write_type(source: _Source, check: TypeCheck, value: str, depth: int, loops: int = 0) -> None:
    if is_open(check):
        return
    if not check.exact or loops == _MAX_LOOPS:
        return source.refuse(depth, f"not {source.name(check.accepts)}({value})")
    if check.nullable:
        source.add(depth, f"if {value} is not None:")
        depth += 1
    source.refuse(depth, " and ".join(f"type({value}) is not {source.name(cls)}" for cls in check.exact))
    if check.each:
        items = [f"{value}_{place}" for place in range(len(check.each))]
        source.add(depth, f"for {', '.join(items)} in {value}{'.items()' if len(items) == 2 else ''}:")
        for inner, item in zip(check.each, items, strict=True):
            _write_type(source, inner, item, depth + 1, loops + 1)
