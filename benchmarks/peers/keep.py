"""Look after a peer's file of SQLite from a process of its own: `… ADDRESS stored|restore TABLE`."""

from __future__ import annotations

import pickle
import sys

from ..contestants.sqlite import SqliteContestant


def main(address: str, verb: str, table: str) -> None:
    """Do it; rows are pickled to the standard output."""
    contestant = SqliteContestant(address)
    try:
        if verb == "restore":
            contestant.restore(table)
        else:
            sys.stdout.buffer.write(pickle.dumps(contestant.stored(table)))
    finally:
        contestant.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
