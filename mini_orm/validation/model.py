"""ValidatedModel, and when its checks are off.

Rules of this file:
- What was prepared for a class hangs on the class itself and goes with it. Its place is made with the class, so that
  using the class changes nothing.
- The checks are off for one class in one thread at a time, while rows of that class become objects.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Any, ClassVar, TypeVar

T = TypeVar("T")
Check = Callable[[Any], None]

#: The class whose rows become objects, by thread.
_decoding: dict[int, type] = {}


class ValidatedModel:
    """A mixin for dataclasses that checks an object's fields as soon as it is made.

        @dataclass
        class Player(ValidatedModel):
            name: str = field(metadata={"non_empty": True, "max_len": 40})
            level: int = field(default=1, metadata={"ge": 1, "le": 99})
            team: str | None = field(default=None, metadata={"pattern": "[a-z]+"})

    Every field is checked, and all that is wrong is collected in one `ValidationError`. Nothing is converted. As a
    model of a repository it is checked again by whatever writes whole objects (`insert`, `insert_many`, `create`,
    `update`, `get_or_create`), before any SQL. So is the row that `link` or `create` puts between two objects, if need
    be inside the transaction, when its keys are known. Rows are read without checks, so that what the database has can
    always be looked at; `update_where` and SQL of your own are not checked.

    **Types.** A value is of the type of its annotation, all the way down: unions, `Literal`, containers and their
    items, `Enum` members, classes by `isinstance`. A bool is no int and no float, an int is a float, a datetime is no
    date, text and bytes are no `Sequence`. `None` is right where the annotation or a default of `None` says so. Not
    checked: protocols, type variables, what a callable takes, the items of iterators and of generic classes of your
    own.

    **Rules** are keys of the field's metadata. They are for values of the right type, and skip `None`. In a union a
    rule skips values that it can't be asked of, too: `min_len` of `int | str` is for text.

    - `required`: not `None`, whatever the annotation says
    - `non_empty`: text that is not blank, containers that are not empty
    - `pattern`: a regular expression, as text or compiled, that matches the whole text
    - `choices`: a collection of the values that are allowed
    - `min_len`, `max_len`: bounds of the length
    - `gt`, `ge`, `lt`, `le`, `min`, `max`: bounds of the value; `min` is `ge`, `max` is `le`
    - `validator`: a function of the value; `False` or an exception refuses it. The text of a `ValueError` or an
      `AssertionError` becomes the message.

    A mistake in a rule is a `ModelError` (a TypeError and a ValueError) when the class is first used.

    A class with a `__post_init__` of its own calls `super().__post_init__()`; fields with `init=False` that are not
    set by then are left out. (With `slots=True`, Python before 3.14 wants `ValidatedModel.__post_init__(self)`.) While
    rows of a class become objects, other objects of this very class that its `__post_init__` makes are not checked
    either.
    """

    __slots__ = ()
    #: The function that checks objects of the class; its place belongs to one class, its key says which.
    __mini_orm_checks__: ClassVar[dict[type, Check]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__mini_orm_checks__ = {}

    def __post_init__(self, *init_vars: Any) -> None:
        """Check the object.

        Raises:
            ValidationError: a field is not of its type, or breaks a rule; `.errors` has them all.
            ModelError: the class has a mistake in an annotation or a rule.
        """
        cls = type(self)
        if _decoding and _decoding.get(get_ident()) is cls:
            return
        try:
            check = self.__mini_orm_checks__[cls]
        except KeyError:
            check = validate
        check(self)

    def model_validate(self) -> None:
        """Check what concerns several fields: override it. It is called when all fields are right.

        A `ValueError` that it raises becomes a `ValidationError` with its text; any other exception stays as it is.
        """


def prepare(cls: type[ValidatedModel]) -> Check:
    """Return the function that checks objects of a class.

    Raises:
        ModelError: the class has a mistake in an annotation or a rule.
    """
    found = cls.__mini_orm_checks__.get(cls)
    if found is None:
        # Here, as most programs never need it: it is a twentieth of what `import mini_orm` would take.
        from .checks import make_check

        is_extended = cls.model_validate is not ValidatedModel.model_validate
        found = cls.__mini_orm_checks__.setdefault(cls, make_check(cls, is_extended=is_extended))
    return found


def validate(obj: ValidatedModel) -> None:
    """Check an object, whatever its `__post_init__` did.

    Raises:
        ValidationError: as `ValidatedModel.__post_init__`.
    """
    prepare(type(obj))(obj)


def without_checks(cls: type, make: Callable[..., T], *args: Any) -> T:
    """Call `make(*args)`, which makes objects of `cls` from rows, and let their `__post_init__` check nothing."""
    thread = get_ident()
    outer = _decoding.get(thread)
    try:
        _decoding[thread] = cls
        return make(*args)
    finally:
        if outer is None:
            _decoding.pop(thread, None)
        else:
            _decoding[thread] = outer
