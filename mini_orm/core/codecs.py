"""Python value <-> column value, by the column's type and the form that a database stores it in.

Rules of this file:
- `encode` takes only what the field's type says (T0) and raises `Refused` before the driver sees the value, which
  the compiler turns into a `CodecError` with the field's name; `decode` undoes it exactly. `None` is handled by the
  callers, so that no codec asks for it.
- A codec that has nothing to undo has `decode = None`, and costs nothing when rows are read.
- `coerce` is `encode` without the limits of the column (length, scale, membership): for values of a filter,
  which may well lie outside of what the column can hold.
- `encode_all` is `encode` for a whole column of values of one exact type, where that is quicker; it returns `None`
  where a value needs a closer look, or is refused.
- The form says what the driver gets: "native" its own Python type, "text", "int", "bytes", "utc" (a naive datetime
  in UTC), "zoned" (an aware one, read as a naive one in UTC), "no nan" or "finite" (floats that the database keeps),
  "38,10" (a Decimal's digits where none are declared), "uuid text" (text, read as what the driver makes of it),
  "checked" (the driver has its own type, but for what Python can't hold), "jsonb" (text of a database that writes
  numbers its own way), "json64" (one that keeps ints of 64 bits), "span" (a time, read as the timedelta since
  midnight). Which kind has which form is data of the dialect.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum, Flag
from typing import Any, NamedTuple, NoReturn

from ..errors import CodecError
from .columns import ColumnType
from .decimals import decimal_text, literal_decimal
from .models import ColumnMeta, ModelMeta
from .refused import Refused, plain_text

Function = Callable[[Any], Any]
#: Takes the values and their exact type.
ColumnFunction = Callable[[Sequence[Any], type], Sequence[Any] | None]

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
# Postgres: up to 131072 digits before the point and 16383 after it.
_DECIMAL_HIGH, _DECIMAL_LOW = 131072, -16383
_MICROSECOND = dt.timedelta(microseconds=1)


class Codec(NamedTuple):
    """`encode` and `coerce` take a value that is not `None`; `decode` is `None` where the value comes as it is."""

    encode: Function
    coerce: Function
    decode: Function | None
    encode_all: ColumnFunction | None = None


def make_codec(kind: ColumnType, forms: Mapping[str, str]) -> Codec:
    """Make the codec of a column's type, for the forms that a dialect stores kinds in."""
    form = forms.get(kind.kind, "native")
    codec = _SCALARS[kind.kind](kind, form)
    if kind.enum is not None:
        return _enum_codec(kind.enum, codec)
    if kind.literals is not None:
        return _literal_codec(kind.literals, codec)
    return codec


def codec_error(meta: ModelMeta, column: ColumnMeta, value: Any, reason: BaseException) -> CodecError:
    """Say which field could not be written, and why."""
    where = {"model": meta.name, "field": column.name, "table": meta.table, "column": column.column}
    return CodecError(f"{meta.name}.{column.name}: {reason}", **where, value=value)


def _refuse(expected: str, value: Any, hint: str = "") -> NoReturn:
    raise Refused(f"expected {expected}, got {type(value).__name__}{hint and '; '}{hint}")


# --- numbers ---------------------------------------------------------------------------------------------------


def _int_codec(kind: ColumnType, form: str) -> Codec:
    def encode(value: Any) -> int:
        if type(value) is not int:
            if isinstance(value, bool) or not isinstance(value, int):
                _refuse("int", value)
            value = int(value)
        if not _INT_MIN <= value <= _INT_MAX:
            raise Refused("the int does not fit into 64 bits")
        return value  # type: ignore[no-any-return]  # int(value) above, which mypy has forgotten

    def encode_all(values: Sequence[Any], kind: type) -> Sequence[Any] | None:
        return values if kind is int and min(values) >= _INT_MIN and max(values) <= _INT_MAX else None

    return Codec(encode, encode, None, encode_all)


def refusing_zero(codec: Codec) -> Codec:
    """Return the codec of an `auto` key that a database would replace where it is 0."""

    def encode(value: Any) -> Any:
        if value == 0 and type(value) is int:
            raise Refused("a key of 0 would become a new one in this database")
        return codec.encode(value)

    def encode_all(values: Sequence[Any], kind: type) -> Sequence[Any] | None:
        return None if codec.encode_all is None or 0 in values else codec.encode_all(values, kind)

    return Codec(encode, codec.coerce, codec.decode, encode_all)


def _bool_codec(kind: ColumnType, form: str) -> Codec:
    is_native = form == "native"

    def encode(value: Any) -> Any:
        if type(value) is not bool:
            _refuse("bool", value)
        return value if is_native else 1 if value else 0

    def encode_all(values: Sequence[Any], kind: type) -> Sequence[Any] | None:
        if kind is not bool:
            return None
        return values if form == "native" else list(map(int, values))

    return Codec(encode, encode, None if form == "native" else bool, encode_all)


def _float_codec(kind: ColumnType, form: str) -> Codec:
    keeps_nan = form == "native"
    keeps_infinity = form in ("native", "no nan")

    def encode(value: Any) -> float:
        if type(value) is not float:
            if isinstance(value, bool) or not isinstance(value, int | float):
                _refuse("float", value)
            try:
                exact = float(value)
            except OverflowError:
                raise Refused("the int is too large for a float") from None
            if exact != value and value == value:
                raise Refused("the int has no exact float")
            value = exact
        if value != value and not keeps_nan:
            raise Refused("this database can't keep NaN")
        if not keeps_infinity and math.isinf(value):
            raise Refused("this database can't keep an infinity")
        return value  # type: ignore[no-any-return]  # a float by now

    def encode_all(values: Sequence[Any], kind: type) -> Sequence[Any] | None:
        # A sum is finite only if every value is.
        return values if kind is float and math.isfinite(sum(values)) else None

    # A REAL column of another program may hold what SQLite calls an integer.
    return Codec(encode, encode, None, encode_all)


def _decimal_codec(kind: ColumnType, form: str) -> Codec:
    precision, scale = kind.precision, kind.scale
    if precision is not None and scale is None:
        scale = 0
    if precision is None and form == "38,10":
        precision, scale = 38, 10

    def coerce(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, Decimal | int):
            _refuse("Decimal", value, "Decimal(str(x)) makes one of a float" if isinstance(value, float) else "")
        if isinstance(value, int):
            value = Decimal(int(value))
        if not value.is_finite():
            raise Refused("NaN and infinities are no column values of a Decimal")
        exponent = value.as_tuple().exponent
        if value and (value.adjusted() >= _DECIMAL_HIGH or (isinstance(exponent, int) and exponent < _DECIMAL_LOW)):
            raise Refused("the Decimal has more digits than a database keeps")
        if form == "38,10":
            return literal_decimal(value)
        return decimal_text(value) if form == "text" else value

    def encode(value: Any) -> Any:
        encoded = coerce(value)
        if precision is not None and scale is not None:
            whole, _, fraction = decimal_text(Decimal(value)).lstrip("-").partition(".")
            if len(fraction) > scale:
                raise Refused(f"more than {scale} digits after the point, and mini_orm does not round")
            if len(whole.lstrip("0")) > precision - scale:
                raise Refused(f"more than {precision - scale} digits before the point")
        return encoded

    return Codec(encode, coerce, _to_decimal if form == "text" else None)


def _to_decimal(value: Any) -> Decimal:
    # An int or float stands here only where another program wrote it.
    return Decimal(value) if type(value) is str else Decimal(str(value))


# --- text, bytes, uuid -----------------------------------------------------------------------------------------


def _str_codec(kind: ColumnType, form: str) -> Codec:
    max_length = kind.max_length

    def coerce(value: Any) -> str:
        if type(value) is str and value.isascii() and "\0" not in value:  # most are; `plain_text` knows the others
            return value
        if not isinstance(value, str):
            _refuse("str", value)
        return plain_text(value)

    def encode(value: Any) -> str:
        text = coerce(value)
        if max_length is not None and len(text) > max_length:
            raise Refused(f"{len(text)} characters, and the column takes {max_length}")
        return text

    def encode_all(values: Sequence[Any], kind: type) -> Sequence[Any] | None:
        if kind is not str or (max_length is not None and max(map(len, values)) > max_length):
            return None
        text = "".join(values)
        return values if text.isascii() and "\0" not in text else None

    return Codec(encode if max_length is not None else coerce, coerce, None, encode_all)


def _bytes_codec(kind: ColumnType, form: str) -> Codec:
    max_length = kind.max_length

    def coerce(value: Any) -> bytes:
        if type(value) is bytes:
            return value
        if not isinstance(value, bytes | bytearray | memoryview):
            _refuse("bytes", value)
        return bytes(value)

    def encode(value: Any) -> bytes:
        data = coerce(value)
        if max_length is not None and len(data) > max_length:
            raise Refused(f"{len(data)} bytes, and the column takes {max_length}")
        return data

    return Codec(encode, coerce, None if form == "bytes" else _to_bytes)


def _to_bytes(value: Any) -> bytes:
    return value if type(value) is bytes else value.encode() if type(value) is str else bytes(value)


def _uuid_codec(kind: ColumnType, form: str) -> Codec:
    import uuid  # few models need it, and it is not free to import

    def encode(value: Any) -> Any:
        if not isinstance(value, uuid.UUID):
            _refuse("UUID", value, "uuid.UUID(text) makes one of text" if isinstance(value, str) else "")
        return value if form == "native" else str(value)

    def plain(value: Any) -> uuid.UUID:
        if type(value) is uuid.UUID:
            return value
        # A driver's own subclass is to be a plain one, too.
        return uuid.UUID(value) if isinstance(value, str) else uuid.UUID(int=value.int)

    decoders: dict[str, Function | None] = {"native": None, "uuid text": plain}
    return Codec(encode, encode, decoders.get(form, uuid.UUID))


# --- times -----------------------------------------------------------------------------------------------------


def _datetime_codec(kind: ColumnType, form: str) -> Codec:
    is_text = form == "text"

    def naive(value: Any) -> Any:
        if not isinstance(value, dt.datetime):
            _refuse("datetime", value)
        if value.tzinfo is not None:
            raise Refused(
                "an aware datetime in a naive column; declare the field with metadata={'timezone': True}, "
                "or take the time zone off with value.replace(tzinfo=None)"
            )
        return value.isoformat(" ", "microseconds") if is_text else value

    def aware(value: Any) -> Any:
        if not isinstance(value, dt.datetime):
            _refuse("datetime", value)
        if value.utcoffset() is None:
            raise Refused(
                "a naive datetime in a column with timezone=True; say which time it is with "
                "value.replace(tzinfo=datetime.timezone.utc), or datetime.now(datetime.timezone.utc)"
            )
        try:
            value = value.astimezone(dt.UTC)
        except OverflowError:
            raise Refused("the datetime is out of range in UTC") from None
        if form == "text":
            return value.isoformat(" ", "microseconds")
        return value.replace(tzinfo=None) if form == "utc" else value

    if kind.timezone:
        decoders: dict[str, Function] = {"text": _to_aware, "utc": _as_utc, "zoned": _as_utc}
        decode = decoders.get(form, _to_utc)
        return Codec(aware, aware, decode)

    def naive_all(values: Sequence[Any], kind: type) -> Sequence[Any] | None:
        if kind is not dt.datetime or [value.tzinfo for value in values].count(None) < len(values):
            return None
        return [value.isoformat(" ", "microseconds") for value in values] if form == "text" else values

    naive_decoders: dict[str, Function] = {"text": dt.datetime.fromisoformat, "utc": _to_date}
    return Codec(naive, naive, naive_decoders.get(form), naive_all)


def _as_utc(value: dt.datetime) -> dt.datetime:
    return value.replace(tzinfo=dt.UTC)


def _to_utc(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.UTC)


def _to_aware(value: str) -> dt.datetime:
    found = dt.datetime.fromisoformat(value)
    zone = found.tzinfo
    if zone is dt.UTC:
        return found
    # SQLite's CURRENT_TIMESTAMP is UTC and does not say so.
    return found.replace(tzinfo=dt.UTC) if zone is None else found.astimezone(dt.UTC)


def _date_codec(kind: ColumnType, form: str) -> Codec:
    def encode(value: Any) -> Any:
        if isinstance(value, dt.datetime) or not isinstance(value, dt.date):
            _refuse("date", value, "value.date() takes the time off" if isinstance(value, dt.datetime) else "")
        return value.isoformat() if form == "text" else value

    decoders: dict[str, Function] = {"text": dt.date.fromisoformat, "checked": _to_date}
    return Codec(encode, encode, decoders.get(form))


def _to_date(value: Any) -> dt.date:
    if not isinstance(value, dt.date):
        raise ValueError("MySQL knows a date of zeros")
    return value


def _time_codec(kind: ColumnType, form: str) -> Codec:
    def encode(value: Any) -> Any:
        if not isinstance(value, dt.time):
            _refuse("time", value)
        if value.tzinfo is not None:
            raise Refused("a time with a time zone; only a datetime can have one")
        return value.isoformat("microseconds") if form == "text" else value

    decoders: dict[str, Function] = {"text": dt.time.fromisoformat, "span": _to_time}
    return Codec(encode, encode, decoders.get(form))


def _to_time(value: Any) -> Any:
    if type(value) is dt.time:
        return value
    if value.days:
        raise ValueError("the span is longer than a day, or negative")
    return (dt.datetime.min + value).time()


def _timedelta_codec(kind: ColumnType, form: str) -> Codec:
    def encode(value: Any) -> int:
        if not isinstance(value, dt.timedelta):
            _refuse("timedelta", value)
        microseconds = value // _MICROSECOND
        if not _INT_MIN <= microseconds <= _INT_MAX:
            raise Refused("the timedelta does not fit into 64 bits of microseconds")
        return microseconds

    def decode(value: Any) -> dt.timedelta:
        return dt.timedelta(microseconds=value)

    return Codec(encode, encode, decode)


def _json_codec(kind: ColumnType, form: str) -> Codec:
    # Not free to import, as `json` is not, which many models do without.
    from .json_values import json_text, load_json, refuse_long_ints, restored, with_fractions

    shape = kind.shape
    container = shape.container if shape is not None else None

    def encode(value: Any) -> str:
        if container is not None and not isinstance(value, container):
            _refuse(container.__name__, value)
        text = json_text(value)
        if form == "json64":
            refuse_long_ints(text)
        return with_fractions(text) if form == "jsonb" else text

    is_text = form in ("text", "jsonb", "json64")
    if shape is None or shape.is_plain:
        return Codec(encode, encode, load_json if is_text else None)

    def decode(value: Any) -> Any:
        return restored(load_json(value) if is_text else value, shape)

    return Codec(encode, encode, decode)


# --- narrowed types --------------------------------------------------------------------------------------------


def _enum_codec(enum: type[Enum], inner: Codec) -> Codec:
    by_type = {(type(member.value), member.value) for member in enum}
    # The hash of a member is a call of Python code; its id is not.
    by_id = {id(member): inner.encode(member.value) for member in enum}

    is_flag = issubclass(enum, Flag)

    def encode(value: Any) -> Any:
        if isinstance(value, enum):
            found = by_id.get(id(value))
            return inner.encode(value.value) if found is None else found  # a Flag's combination is no member
        if is_flag and type(value) is int:
            return encode(_flag(enum, value))
        if isinstance(value, Enum) or not _hashable(value) or (type(value), value) not in by_type:
            _refuse(f"{enum.__name__} or the value of one of its members", value)
        return inner.encode(value)

    class Members(dict[Any, Enum]):
        """The members by what is stored. A look-up is no call of Python code but where it finds none."""

        def __missing__(self, value: Any) -> Enum:
            return enum(value if inner.decode is None else inner.decode(value))

    members = Members({inner.encode(member.value): member for member in enum})

    def encode_all(values: Sequence[Any], kind: type) -> Sequence[Any] | None:
        if not issubclass(kind, enum):
            return None
        try:
            return [by_id[id(value)] for value in values]
        except KeyError:
            return None

    return Codec(encode, encode, members.__getitem__, encode_all)


def _flag(enum: type[Enum], value: int) -> Enum:
    try:
        return enum(value)
    except ValueError:
        raise Refused(f"expected {enum.__name__}, got an int with other bits") from None


def _literal_codec(literals: tuple[Any, ...], inner: Codec) -> Codec:
    allowed = {(type(value), value) for value in literals}

    def encode(value: Any) -> Any:
        if not _hashable(value) or (type(value), value) not in allowed:
            raise Refused(f"the {type(value).__name__} is none of the {len(literals)} values of the Literal")
        return inner.encode(value)

    return Codec(encode, inner.coerce, inner.decode)


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _raw_codec(kind: ColumnType, form: str) -> Codec:
    return Codec(_as_is, _as_is, None)


def _as_is(value: Any) -> Any:
    return value


_SCALARS: dict[str, Callable[[ColumnType, str], Codec]] = {
    "int": _int_codec,
    "bool": _bool_codec,
    "float": _float_codec,
    "decimal": _decimal_codec,
    "str": _str_codec,
    "bytes": _bytes_codec,
    "datetime": _datetime_codec,
    "date": _date_codec,
    "time": _time_codec,
    "timedelta": _timedelta_codec,
    "uuid": _uuid_codec,
    "json": _json_codec,
    "raw": _raw_codec,
}
