"""Check what comes in, before it goes anywhere: a dataclass that states the rules of its fields.

It prints:

    Booking(room='B-204', guests=3, nights=1, email=None)
    room: must match '[A-Z]-[0-9]{3}' as a whole
    guests: must be at least 1
    nights: expected int, got str
    email: is no address of ours
    the booking: more than 4 guests need a suite
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mini_orm import ValidatedModel, ValidationError


def check_address(email: str) -> None:
    """A validator: whatever it raises refuses the value, and the text of a ValueError becomes the message."""
    if not email.endswith("@example.org"):
        raise ValueError("is no address of ours")


@dataclass
class Booking(ValidatedModel):
    room: str = field(metadata={"pattern": "[A-Z]-[0-9]{3}"})
    guests: int = field(metadata={"ge": 1, "le": 8})
    nights: int = field(default=1, metadata={"ge": 1})
    email: str | None = field(default=None, metadata={"validator": check_address})

    def model_validate(self) -> None:
        """What concerns several fields; it is called when each of them is right."""
        if self.guests > 4 and not self.room.startswith("S"):
            raise ValueError("more than 4 guests need a suite")


def book(form: dict[str, Any]) -> None:
    """Make a booking of what a form, a file or a request brought, and say all that is wrong with it."""
    try:
        print(Booking(**form))
    except ValidationError as error:
        for name, _rule, message in error.errors:
            print(f"{name or 'the booking'}: {message}")


book({"room": "B-204", "guests": 3})
book({"room": "204", "guests": 0, "nights": "two", "email": "ann@example.com"})
book({"room": "B-204", "guests": 5})
