"""Payloads with dates, enums, decimals and sets: a codec writes them, reads them, and looks for them.

It prints:

    {'status': <Status.PAID: 'paid'>, 'due': datetime.date(2024, 5, 1), 'total': Decimal('9.90'), 'tags': {'a'}}
    paid: ['invoice-1']
    due on that day: ['invoice-1', 'invoice-2']
    as the store has it: {"__miniorm_codec__":"date","value":"2024-05-01"}
    without a codec: InMemoryVectorStore can't hold the payload value of 'due': not JSON-serializable, JSON has no date
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import Enum

from mini_orm import C, InMemoryVectorStore, JsonVectorPayloadCodec, VectorRecord, VectorRepository


class Status(Enum):
    OPEN = "open"
    PAID = "paid"


codec = JsonVectorPayloadCodec()
store = InMemoryVectorStore()
repo = VectorRepository(store, "invoices", dimension=2, payload_codec=codec)
day = date(2024, 5, 1)
repo.upsert(
    [
        VectorRecord("invoice-1", [1, 0], {"status": Status.PAID, "due": day, "total": Decimal("9.90"), "tags": {"a"}}),
        VectorRecord("invoice-2", [0, 1], {"status": Status.OPEN, "due": day}),
    ]
)

[invoice] = repo.fetch(["invoice-1"])
print(invoice.payload)

# Filters go through the codec, too.
print("paid:", [found.id for found in repo.query([1, 0], filters={"status": Status.PAID})])
print("due on that day:", [found.id for found in repo.query([1, 0], filters=C.in_("due", [day]))])

# The store holds plain values only; a repository without the codec sees them as they are.
plain = VectorRepository(store, "invoices", dimension=2)
[raw] = plain.fetch(["invoice-2"])
print("as the store has it:", (raw.payload or {})["due"].removeprefix(codec.prefix))
try:
    plain.upsert([VectorRecord("invoice-3", [1, 1], {"due": day})])
except TypeError as error:
    print("without a codec:", error)
