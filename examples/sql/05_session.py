"""A session: one object to store and find everything with, and a transaction around whatever belongs together.

It prints:

    opened: ada has 100, bob has 20
    moved 30: ada has 70, bob has 50
    refused: bob has not got 500
    as before: ada has 70, bob has 50
    paid 2 of 3 bills: ada has 30, bob has 90
    with raw SQL: 120 in all
    four threads, one transaction: ada has 34, bob has 94
"""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from mini_orm import C, Database, F, Session


@dataclass
class Account:
    owner: str = field(metadata={"pk": True})
    balance: int = 0


@dataclass
class Payment:
    payer: str = field(metadata={"fk": (Account, "owner")})
    payee: str = field(metadata={"fk": (Account, "owner")})
    amount: int
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


class NotEnough(Exception):
    """Stops a payment."""


def pay(session: Session, payer: str, payee: str, amount: int) -> None:
    """Move money. Called inside of a transaction it is a part of that; else it is one of its own."""
    with session.begin():
        session.update_where(Account, {"balance": F("balance") + amount}, where=C.eq("owner", payee))
        enough = C.ge("balance", amount)
        if not session.update_where(Account, {"balance": F("balance") - amount}, where=[C.eq("owner", payer), enough]):
            raise NotEnough(f"{payer} has not got {amount}")
        session.insert(Payment(payer, payee, amount))


def show(session: Session, what: str) -> None:
    """Print the accounts."""
    accounts = session.list(Account, order_by="owner")
    print(f"{what}:", ", ".join(f"{account.owner} has {account.balance}" for account in accounts))


db = Database(sqlite3.connect(":memory:", check_same_thread=False))
session = Session(db, auto_schema=True)
session.register_many([Account, Payment])

# One transaction: both accounts are there behind it, or none.
with session:
    session.insert_many([Account("ada", 100), Account("bob", 20)])
show(session, "opened")

pay(session, "ada", "bob", 30)
show(session, "moved 30")

# An exception rolls back all of it, and goes on; the session is as good as before.
try:
    with session:
        pay(session, "ada", "bob", 20)
        pay(session, "bob", "ada", 500)
except NotEnough as error:
    print("refused:", error)
show(session, "as before")

# begin() inside of a transaction is a savepoint: what fails in it is undone alone.
with session:
    paid = 0
    for amount in (25, 500, 15):
        try:
            pay(session, "ada", "bob", amount)
            paid += 1
        except NotEnough:
            pass
show(session, f"paid {paid} of 3 bills")

# Raw SQL belongs to the transaction, too.
with session:
    row = session.db.fetchone("SELECT sum(balance) AS total FROM account")
    assert row is not None
    print("with raw SQL:", row["total"], "in all")

# So does what other threads do through the session; they take turns.
with session, ThreadPoolExecutor(4) as threads:
    for owner in ("ada", "bob") * 4:
        threads.submit(session.update_where, Account, {"balance": F("balance") + 1}, where=C.eq("owner", owner))
show(session, "four threads, one transaction")

db.close()
