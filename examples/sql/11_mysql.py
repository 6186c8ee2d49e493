"""MySQL and MariaDB: text that is indexed, matched rows, JSON in SQL, DDL that commits, and a deadlock.

Needs `pip install "mini_orm[mysql]"` and a server: MINI_ORM_MYSQL_HOST, _PORT, _USER, _PASSWORD and _DATABASE say which
one (localhost, 3306, root, password and mini_orm_test, where they are not set). All that is stored goes into a database
of its own, which is dropped at the end.

It prints:

    CREATE UNIQUE INDEX `uidx_article_code` ON `article` (`code`)
    code is a varchar(40), shelf a varchar(255), note a longtext
    stored with the keys [1, 2, 3, 4]
    the codes with "LAMP" in them: ['LAMP-1']; in any case: ['LAMP-1', 'lamp-1', 'Lamp-2']
    saved unchanged: 1 row; what is gone: 0 rows
    refused by uidx_article_code
    tagged "sale": ['LAMP-1', 'DESK-1']
    refused: a schema is made before a transaction
    2 workers moved 25 in 3 tries
    LAMP-1: 10 - 5 + 20 = 25, DESK-1: 30 + 5 - 20 = 15
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from mini_orm import (
    C,
    Database,
    DatabaseError,
    F,
    MissingDependencyError,
    Repository,
    TransactionError,
    UniqueViolation,
    apply_schema,
)

DATABASE = f"mini_orm_example_{os.getpid()}"


@dataclass
class Article:
    code: str = field(metadata={"unique_index": True, "max_length": 40})  # VARCHAR(40)
    shelf: str = field(metadata={"index": True})  # VARCHAR(255), as it is indexed
    stock: int = 0
    note: str = ""  # LONGTEXT
    details: dict[str, Any] = field(default_factory=dict)  # JSON
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Supplier:
    name: str = field(metadata={"pk": True})


def url(database: str) -> str:
    """Make the server's URL of the variables. What may have any character in it is percent-encoded."""
    user = quote(os.environ.get("MINI_ORM_MYSQL_USER", "root"), safe="")
    password = quote(os.environ.get("MINI_ORM_MYSQL_PASSWORD", "password"), safe="")
    host = os.environ.get("MINI_ORM_MYSQL_HOST", "localhost")
    port = os.environ.get("MINI_ORM_MYSQL_PORT", "3306")
    return f"mysql://{user}:{password}@{host}:{port}/{quote(database, safe='')}"


def connect() -> Database:
    """Open the database that the variables name, to make another one beside it."""
    try:
        return Database.connect(url(os.environ.get("MINI_ORM_MYSQL_DATABASE", "mini_orm_test")), pool_size=1)
    except (DatabaseError, MissingDependencyError) as error:
        reason = str(error).splitlines()[0]
        sys.exit(f"{reason}; MINI_ORM_MYSQL_HOST, _PORT, _USER, _PASSWORD and _DATABASE name another server")


def make_tables(db: Database) -> None:
    """Make the table, and show what became of its texts. What is indexed has a length, as MySQL wants it."""
    print(apply_schema(db, Article)[1])
    sql = (
        "SELECT column_type AS type FROM information_schema.columns "
        "WHERE table_schema = %s AND table_name = %s AND column_name = %s"
    )
    code, shelf, note = (db.fetchone(sql, [DATABASE, "article", name]) for name in ("code", "shelf", "note"))
    assert code is not None and shelf is not None and note is not None
    print(f"code is a {code['type']}, shelf a {shelf['type']}, note a {note['type']}")


def store_articles(db: Database) -> None:
    """Store some, and find them by their text."""
    articles = Repository(db, Article)
    stored = articles.insert_many(
        [
            Article("LAMP-1", "A", stock=10, details={"tags": ["new", "sale"]}),
            Article("lamp-1", "B"),  # another code: text is compared by code point, whatever the server's collation is
            Article("Lamp-2", "B", details={"tags": []}),
            Article("DESK-1", "A", stock=30, details={"tags": ["sale"]}),
        ]
    )
    print("stored with the keys", [article.id for article in stored])
    exact = [article.code for article in articles.list(C.contains("code", "LAMP"), order_by="id")]
    in_any_case = [article.code for article in articles.list(C.ilike("code", "%lamp%"), order_by="id")]
    print(f'the codes with "LAMP" in them: {exact}; in any case: {in_any_case}')

    # Rows are counted that were matched. MySQL by itself counts those that are other than before: 0 here.
    gone = Article("GONE-1", "C", id=999)
    print(f"saved unchanged: {articles.update(stored[0])} row; what is gone: {articles.update(gone)} rows")
    try:
        articles.insert(Article("DESK-1", "C"))
    except UniqueViolation as error:
        print("refused by", error.constraint)

    # What is the database's own is said in SQL. Marks are the driver's: %s.
    sql = "SELECT code FROM article WHERE JSON_CONTAINS(details, JSON_QUOTE(%s), '$.tags') ORDER BY id"
    print('tagged "sale":', [row["code"] for row in db.fetchall(sql, ["sale"])])


def make_a_table_in_a_transaction(db: Database) -> None:
    """Try to. CREATE TABLE would commit what was done before it, so nothing is sent."""
    try:
        with db.transaction() as tx:
            Repository(tx, Article).update_where({"stock": 0}, allow_all=True)
            apply_schema(tx, Supplier)
    except TransactionError:
        print("refused: a schema is made before a transaction")
    assert Repository(db, Article).exists(C.gt("stock", 0))


def move_in_threads(db: Database) -> None:
    """Let two workers lock the same two rows, each in the other's order. MySQL rolls one of them back."""
    both_hold_a_row = threading.Barrier(2)
    tries: list[str] = []

    def move(source: str, target: str, count: int) -> int:
        is_first = True

        def work(tx: Database) -> int:
            nonlocal is_first
            tries.append(source)
            articles = Repository(tx, Article)
            articles.update_where({"stock": F("stock") - count}, where=C.eq("code", source))
            if is_first:
                is_first = False
                both_hold_a_row.wait(timeout=30)
            articles.update_where({"stock": F("stock") + count}, where=C.eq("code", target))
            return count

        # DeadlockDetected: the transaction is gone, so the function is called again from its start.
        return db.run_in_transaction(work)

    with ThreadPoolExecutor(2) as threads:
        moved = sum(threads.map(move, ["LAMP-1", "DESK-1"], ["DESK-1", "LAMP-1"], [5, 20]))
    print(f"2 workers moved {moved} in {len(tries)} tries")
    lamp, desk = (Repository(db, Article).list(C.eq("code", code))[0] for code in ("LAMP-1", "DESK-1"))
    print(f"LAMP-1: 10 - 5 + 20 = {lamp.stock}, DESK-1: 30 + 5 - 20 = {desk.stock}")


def main() -> None:
    """Tell the story."""
    with connect() as server:
        server.execute(f"CREATE DATABASE {DATABASE}")
        try:
            with Database.connect(url(DATABASE), pool_size=3) as db:
                make_tables(db)
                store_articles(db)
                make_a_table_in_a_transaction(db)
                move_in_threads(db)
        finally:
            server.execute(f"DROP DATABASE {DATABASE}")


if __name__ == "__main__":
    main()
