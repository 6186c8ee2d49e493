"""Codecs: each field is written as what its column holds, and read again as what it was.

The annotation says how. `metadata={"codec": "json"}` is for what has no column of its own: here a set, and any value.

It prints:

    status is stored as 'sent'
    priority is stored as 3
    weight is stored as '2.5'
    address is stored as '{"city":"Oslo","zip":"0150"}'
    labels is stored as '["fragile","heavy"]'
    note is stored as '[1,{"seen":null}]'
    read as it was: True
    Status.SENT, 3, Decimal('2.5'), 'Oslo', ['fragile', 'heavy']
    found by a member: 1, by its value: 1, by JSON: 1, by a set: 1
    Parcel.status: expected Status or the value of one of its members, got str
    Parcel.address: at $.floor: JSON has no Decimal
    Parcel.status: a stored value of row 1 can't be read
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any

from mini_orm import C, CodecError, Database, Repository


class Status(Enum):
    PACKED = "packed"
    SENT = "sent"


class Priority(IntEnum):
    LOW = 1
    HIGH = 3


@dataclass
class Parcel:
    status: Status
    priority: Priority
    weight: Decimal
    address: dict[str, Any] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set, metadata={"codec": "json"})
    note: Any = field(default=None, metadata={"codec": "json"})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


db = Database.connect("sqlite://")
parcels = Repository(db, Parcel, auto_schema=True)

oslo = {"zip": "0150", "city": "Oslo"}
parcel = parcels.insert(
    Parcel(Status.SENT, Priority.HIGH, Decimal("2.50"), oslo, {"heavy", "fragile"}, [1, {"seen": None}])
)

# What the database has is plain, and other programs read it as well.
for column, stored in (db.fetchone("SELECT * FROM parcel") or {}).items():
    if column != "id":
        print(f"{column} is stored as {stored!r}")

found = parcels.get(parcel.id)
assert found is not None
print("read as it was:", found == parcel)
print(f"{found.status}, {found.priority}, {found.weight!r}, {found.address['city']!r}, {sorted(found.labels)}")

# Values of filters go the same way.
by_member, by_value = parcels.count(C.eq("status", Status.SENT)), parcels.count(C.eq("status", "sent"))
by_json, by_set = parcels.count(C.eq("address", oslo)), parcels.count(C.eq("labels", {"fragile", "heavy"}))
print(f"found by a member: {by_member}, by its value: {by_value}, by JSON: {by_json}, by a set: {by_set}")

# What does not fit is refused before the database sees it.
for status, address in (("lost", {}), (Status.SENT, {"floor": Decimal(3)})):
    try:
        parcels.insert(Parcel(status, Priority.LOW, Decimal(1), address))  # type: ignore[arg-type]
    except CodecError as error:
        print(error)

# So is what another program has written, when it is read; the error says where it stands.
db.execute("UPDATE parcel SET status = 'burnt'")
try:
    parcels.list()
except CodecError as error:
    print(f"{error.model}.{error.field}: a stored value of row {error.key} can't be read")
db.close()
