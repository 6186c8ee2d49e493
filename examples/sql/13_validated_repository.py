"""A model whose objects are checked whenever they are written, and never when they are read.

It prints:

    1 Ada
    refused: Player: level: must be at most 99
    read all the same: level 500
    updated: 1
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from mini_orm import Database, Repository, ValidatedModel, ValidationError, apply_schema


@dataclass
class Player(ValidatedModel):
    name: str = field(metadata={"non_empty": True, "max_len": 40})
    level: int = field(default=1, metadata={"ge": 1, "le": 99})
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


with Database(sqlite3.connect(":memory:")) as db:
    apply_schema(db, Player)
    players = Repository(db, Player)
    ada = players.insert(Player("Ada", level=7))
    print(ada.id, ada.name)

    ada.level = 500
    try:
        players.update(ada)
    except ValidationError as error:
        print("refused:", error)

    # Another program, or an older version of the rules, may have left anything in the table.
    db.execute("UPDATE player SET level = 500")
    found = players.get(1)
    assert found is not None
    print("read all the same: level", found.level)

    found.level = 99
    print("updated:", players.update(found))
