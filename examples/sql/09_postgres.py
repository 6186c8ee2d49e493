"""PostgreSQL: a pool, JSONB, times with a zone, transactions, and a transaction that is tried again.

Needs `pip install "mini_orm[postgres]"` and a server: MINI_ORM_PG_HOST, _PORT, _USER, _PASSWORD and _DATABASE say which
one (localhost, 5432, postgres, password and postgres, where they are not set). All that is stored goes into a schema of
its own, which is dropped at the end.

It prints:

    CREATE TABLE "account" (
      "owner" TEXT NOT NULL,
      "balance" NUMERIC(12,2) NOT NULL,
      PRIMARY KEY ("owner")
    )
    stored event 1: {'item': 'lamp', 'tags': ['new', 'sale']}
    it happened at 2024-05-01 10:00:00+00:00
    found by JSON: ['lamp', 'desk']
    refused: not enough
    as before: ada has 100.00, bob has 20.00
    in try 1 ada's balance is 100.00
    in try 2 ada's balance is 150.00
    after it: ada has 120.00, bob has 50.00
    8 threads on a pool of 3 stored 8 events
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from mini_orm import C, Database, DatabaseError, F, MissingDependencyError, Repository, apply_schema

SCHEMA = f"mini_orm_example_{os.getpid()}"


@dataclass
class Event:
    kind: str = field(metadata={"index": True})
    details: dict[str, Any]  # JSONB
    at: datetime = field(metadata={"timezone": True})  # TIMESTAMPTZ
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Account:
    owner: str = field(metadata={"pk": True})
    balance: Decimal = field(metadata={"precision": 12, "scale": 2})


def url() -> str:
    """Make the server's URL of the variables. What may have any character in it is percent-encoded."""
    user = quote(os.environ.get("MINI_ORM_PG_USER", "postgres"), safe="")
    password = quote(os.environ.get("MINI_ORM_PG_PASSWORD", "password"), safe="")
    host = os.environ.get("MINI_ORM_PG_HOST", "localhost")
    port = os.environ.get("MINI_ORM_PG_PORT", "5432")
    database = quote(os.environ.get("MINI_ORM_PG_DATABASE", "postgres"), safe="")
    return f"postgresql://{user}:{password}@{host}:{port}/{database}"


def connect() -> Database:
    """Open a database with a pool of three connections, whose tables are those of the example's schema."""
    try:
        # What mini_orm does not know itself goes to the driver, psycopg: here libpq's `options`.
        return Database.connect(url(), pool_size=3, options=f"-c search_path={SCHEMA}")
    except (DatabaseError, MissingDependencyError) as error:
        reason = str(error).splitlines()[0]
        sys.exit(f"{reason}; MINI_ORM_PG_HOST, _PORT, _USER, _PASSWORD and _DATABASE name another server")


def store_events(db: Database) -> None:
    """Store what happened, and find it again."""
    events = Repository(db, Event)
    # A time of any zone is stored as the moment that it is, and read back in UTC.
    noon = datetime(2024, 5, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    first = events.insert(Event("sold", {"item": "lamp", "tags": ["new", "sale"]}, noon))
    print(f"stored event {first.id}: {first.details}")
    stored = events.get(first.id)
    assert stored is not None
    print("it happened at", stored.at)

    # Keys come from the sequence first, so that many rows are one statement.
    events.insert_many(
        Event("sold", {"item": item, "tags": tags}, noon + timedelta(hours=hours))
        for hours, (item, tags) in enumerate([("desk", ["sale"]), ("chair", [])], start=1)
    )
    # What is PostgreSQL's own is said in SQL. Marks are the driver's: %s.
    sql = "SELECT details ->> 'item' AS item FROM event WHERE details -> 'tags' ? %s ORDER BY id"
    rows = db.fetchall(sql, ["sale"])
    print("found by JSON:", [row["item"] for row in rows])


def show(db: Database, what: str) -> None:
    """Print the accounts."""
    accounts = Repository(db, Account).list(order_by="owner")
    print(f"{what}:", ", ".join(f"{account.owner} has {account.balance}" for account in accounts))


def pay_in_a_transaction(db: Database) -> None:
    """Change two rows, or none."""
    try:
        with db.transaction() as tx:
            accounts = Repository(tx, Account)
            accounts.update_where({"balance": F("balance") + 500}, where=C.eq("owner", "bob"))
            enough = C.eq("owner", "ada") & C.ge("balance", Decimal(500))
            if not accounts.update_where({"balance": F("balance") - 500}, where=enough):
                raise ValueError("not enough")
    except ValueError as error:
        print("refused:", error)
    show(db, "as before")


def pay_and_try_again(db: Database, somebody_else: Database) -> None:
    """Read, decide, write. Who changes the same rows meanwhile makes PostgreSQL refuse one of the two."""
    tries = 0

    def pay(tx: Database) -> None:
        nonlocal tries
        tries += 1
        accounts = Repository(tx, Account)
        ada, bob = accounts.get("ada"), accounts.get("bob")
        assert ada is not None and bob is not None
        print(f"in try {tries} ada's balance is {ada.balance}")
        if tries == 1:
            others = Repository(somebody_else, Account)
            others.update_where({"balance": F("balance") + 50}, where=C.eq("owner", "ada"))
        ada.balance -= 30
        bob.balance += 30
        accounts.update(ada)  # in the first try: SerializationFailure, as ada's row is not what was read
        accounts.update(bob)

    # The function is called again from its start, in a new transaction, so it does nothing but use `tx`.
    db.run_in_transaction(pay, isolation="repeatable read")
    show(db, "after it")


def store_in_threads(db: Database) -> None:
    """Let threads share the pool: each call has a connection of its own, and gives it back."""
    events = Repository(db, Event)
    now = datetime(2024, 5, 2, tzinfo=UTC)
    with ThreadPoolExecutor(8) as threads:
        stored = list(threads.map(events.insert, [Event("seen", {"by": number}, now) for number in range(8)]))
    assert len({event.id for event in stored}) == 8
    print("8 threads on a pool of 3 stored", events.count(C.eq("kind", "seen")), "events")


def main() -> None:
    """Tell the story."""
    with connect() as db, connect() as somebody_else:
        db.execute(f"CREATE SCHEMA {SCHEMA}")
        try:
            print(apply_schema(db, [Account, Event])[0])
            store_events(db)
            Repository(db, Account).insert_many([Account("ada", Decimal(100)), Account("bob", Decimal(20))])
            pay_in_a_transaction(db)
            pay_and_try_again(db, somebody_else)
            store_in_threads(db)
        finally:
            db.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


if __name__ == "__main__":
    main()
