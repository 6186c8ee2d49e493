"""How a Decimal is written, and what a literal can hold of it."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal

# MySQL: a literal has 65 digits at most, and 30 of them after the point.
# Source: https://dev.mysql.com/doc/refman/8.4/en/precision-math-decimal-characteristics.html
_LITERAL_DIGITS, _LITERAL_SCALE = 65, 30
_WIDE = Context(prec=200_000)


def decimal_text(value: Decimal) -> str:
    """Write a finite Decimal in the one form that all equal Decimals share: `1.50` and `1.5` are `1.5`."""
    if not value:
        return "0"
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text


def literal_decimal(value: Decimal) -> Decimal:
    """Return a Decimal that a literal can hold, and that is greater and less than the same column values."""
    _, digits, exponent = value.as_tuple()
    if len(digits) <= _LITERAL_SCALE and isinstance(exponent, int) and -_LITERAL_SCALE <= exponent <= 0:
        return value
    whole = max(value.adjusted() + 1, 1)
    if value and whole > _LITERAL_DIGITS:
        return Decimal("9" * _LITERAL_DIGITS).copy_sign(value)
    places = min(_LITERAL_SCALE, _LITERAL_DIGITS - whole)
    if decimal_text(value).partition(".")[2][places:] == "":
        return value
    # No column has as many digits, so that it lies between the same two values as this one.
    floor = value.quantize(Decimal((0, (1,), 1 - places)), ROUND_FLOOR, _WIDE)
    return _WIDE.add(floor, Decimal((0, (5,), -places))) if places else floor
