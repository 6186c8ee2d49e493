"""The transactional outbox: an order and the message about it are one commit, and every message is published.

Who stores an order and then tells the world may die in between, and nobody ever hears of the order. So the message is
stored with the order, and publishers take messages from their table. Each is taken by a compare-and-set, an UPDATE that
matches only while nobody has it, so that several publishers never take the same one. It is taken for a time, its lease:
when a publisher dies, another one may take what it had.

It prints:

    an order that fails: 0 orders, 0 messages
    one that does not: 1 order, 1 message
    ann took 1 message, and died
    bob finds 0 messages before her lease has ended, 1 after that
    published: order 1
    3 shops placed 60 orders while 4 publishers worked
    published: 61 messages, each once: True
"""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mini_orm import C, Database, PoolConnector, Session, apply_schema

LEASE = timedelta(minutes=5)
NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)  # given to who needs it, so that time passes here without waiting
LATER = NOW + LEASE + timedelta(seconds=1)


@dataclass
class Order:
    customer: str
    total: int
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})

    __table__ = "orders"


@dataclass
class Message:
    topic: str
    body: dict[str, Any]
    taken_by: str | None = None
    taken_until: datetime | None = field(default=None, metadata={"timezone": True})
    published_at: datetime | None = field(default=None, metadata={"timezone": True, "index": True})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})

    __table__ = "outbox"


class Died(Exception):
    """Stands for a power cut."""


def place_order(session: Session, customer: str, total: int) -> Order:
    """Store an order and the message about it, or neither."""
    with session.begin():
        order = session.insert(Order(customer, total))
        session.insert(Message("order placed", {"order": order.id}))
        if total < 0:
            raise ValueError("an order can't be negative")
        return order


class Publisher:
    """Takes messages and sends them. There may be any number, in threads, processes or on other machines."""

    def __init__(self, db: Database, name: str, send: Callable[[Message], None]) -> None:
        self.session = Session(db)
        self.name = name
        self.send = send

    def take(self, now: datetime, limit: int = 10) -> list[Message]:
        """Take messages that nobody has, or whose lease has ended."""
        free = C.is_null("published_at") & (C.is_null("taken_by") | C.lt("taken_until", now))
        mine = {"taken_by": self.name, "taken_until": now + LEASE}

        def is_mine(message: Message) -> bool:
            # Others see it, too. Who is first has it: for the rest it is not free any more, and no row matches.
            return self.session.update_where(Message, mine, where=[C.eq("id", message.id), free]) == 1

        return list(filter(is_mine, self.session.list(Message, free, order_by="id", limit=limit)))

    def publish(self, now: datetime) -> int:
        """Send what there is; return how many messages that was."""
        taken = self.take(now)
        for message in taken:
            self.send(message)
            # Who dies right here has sent a message that will be sent again: a receiver knows it by its id.
            own = [C.eq("id", message.id), C.eq("taken_by", self.name)]
            self.session.update_where(Message, {"published_at": now}, where=own)
        return len(taken)


def dies(message: Message) -> None:
    """Send nothing."""
    raise Died


def counted(number: int, what: str) -> str:
    """Write a number of things."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def show(session: Session, what: str) -> None:
    """Print how much there is."""
    print(f"{what}:", counted(session.count(Order), "order") + ",", counted(session.count(Message), "message"))


def one_after_the_other(db: Database, sent: list[Message]) -> None:
    """Show what is stored when, and who takes over."""
    session = Session(db)
    try:
        place_order(session, "eve", -1)
    except ValueError:
        show(session, "an order that fails")
    place_order(session, "eve", 30)
    show(session, "one that does not")

    ann, bob = Publisher(db, "ann", dies), Publisher(db, "bob", sent.append)
    try:
        ann.publish(NOW)
    except Died:
        print("ann took", counted(session.count(Message, C.eq("taken_by", "ann")), "message") + ", and died")
    before, after = bob.publish(NOW), bob.publish(LATER)
    print("bob finds", counted(before, "message"), f"before her lease has ended, {after} after that")
    print("published: order", sent[0].body["order"])


def all_at_once(db: Database, sent: list[Message]) -> None:
    """Let three shops and four publishers work at the same time."""
    is_over = threading.Event()

    def shop(name: str) -> None:
        session = Session(db)
        for total in range(20):
            place_order(session, name, total)

    def publish(name: str) -> None:
        publisher = Publisher(db, name, sent.append)
        is_last = False
        while publisher.publish(NOW) or not is_last:
            is_last = is_over.wait(0.001)

    with ThreadPoolExecutor(7) as threads:
        publishers = [threads.submit(publish, name) for name in ("cid", "dee", "fay", "gil")]
        shops = [threads.submit(shop, name) for name in ("north", "south", "west")]
        try:
            for placing in shops:
                placing.result()
        finally:
            is_over.set()
        for publishing in publishers:
            publishing.result()
    print("3 shops placed 60 orders while 4 publishers worked")


def main() -> None:
    """Tell the story."""
    sent: list[Message] = []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "shop.sqlite3"
        with PoolConnector(sqlite3.connect, path, check_same_thread=False, timeout=60, max_size=7) as pool:
            db = Database(pool)
            db.execute("PRAGMA journal_mode = WAL")
            apply_schema(db, [Order, Message])
            one_after_the_other(db, sent)
            all_at_once(db, sent)
            times = Counter(message.body["order"] for message in sent)
            left = Session(db).count(Message, C.is_null("published_at"))
            print("published:", len(times), "messages, each once:", left == 0 and set(times.values()) == {1})


if __name__ == "__main__":
    main()
