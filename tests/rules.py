"""The rules that the tests hold, each in a few words of our own; `scripts/rules_table.py` makes the table.

A test names its rules at the start of its docstring (`\"\"\"Q3 Q4: …\"\"\"`) or in its own name (`test_q3_…`).
Rules whose name is a word (Names, Codecs, Errors) count only among the names that a docstring starts with.
"""

from __future__ import annotations

RULES: dict[str, str] = {
    "Names": "the public names, their paths, signatures and value classes; both faces alike; a light import",
    # Reading the model
    "M1": "annotations are resolved, also quoted, postponed and local ones; what can't be is a ModelError",
    "M2": "Optional, Annotated, NewType and Literal give the inner column; None or a None default makes it nullable",
    "M3": "ClassVar, InitVar and KW_ONLY are no columns; `column` renames a field or leaves it out",
    "M4": "a row becomes an object through the class's own constructor, once; no factory for what the row has",
    "M5": "frozen objects stay as they are and come back anew; slots work; nothing is attached to an object",
    "M6": "subclasses are tables of their own; a class that is defined again replaces the earlier one",
    "M7": "a model needs a key; composite keys, by tuple or mapping; `auto` only on a single integer key",
    "M8": "an auto key of None is filled in; one that is given is used",
    "M9": "a server default that is left out is read back",
    "M10": "identifiers are always quoted: any name works everywhere, NUL is refused",
    "M11": "a misspelt metadata key warns; a type without a column form is a ModelError with a hint",
    "M12": "a model class is never changed; what is no dataclass is a ModelError",
    # Types
    "T0": "a value of another type than the field's is a CodecError, before the driver",
    "T1": "integers have 64 bits; beyond is a CodecError",
    "T2": "bool comes back as bool",
    "T3": "floats are doubles; NaN is refused where it can't be kept",
    "T4": "Decimals are exact, and compared, ordered and unique by value; no rounding",
    "T5": "aware datetimes are kept as UTC, naive ones as they are; mixing them up is an error that shows the fix",
    "T6": "microseconds, time and timedelta survive; a datetime is no date",
    "T7": "UUIDs come back as UUID",
    "T8": "bytes, bytearray and memoryview are read as bytes",
    "T9": "text as it is, by code point; NUL and lone surrogates are refused; keyed text can be indexed on MySQL",
    "T10": "an Enum is stored as its value; a value that is no member is a CodecError with its place",
    "T11": "dict, list and codec='json' are JSON; what JSON does not have is refused, with the path",
    "T12": "`update` writes every column, so a JSON value changed in place is saved",
    "T13": "on SQLite the declared type carries the kind",
    # Queries
    "Q1": "comparing with None asks for NULL, or is refused",
    "Q2": "`ne` leaves NULL out; `same_as` and `distinct_from` don't",
    "Q3": "an empty IN list is false, an empty NOT IN list true",
    "Q4": "None inside a list stands for NULL",
    "Q5": "`in_` takes any iterable, once; text is refused",
    "Q6": "a list of 300,000 values is one statement",
    "Q7": "`like` is the database's own; contains, startswith and endswith take plain text and mind case",
    "Q8": "`ilike` ignores case for all of Unicode; the rest of `C`, and & | ~",
    "Q9": "groups: empty, nested, thousands wide; too deep is a QueryError",
    "Q10": "an unknown name is a QueryError with the nearest one, before any SQL",
    "Q11": "filter values are type-checked by the field's codec",
    "Q12": "limit and offset are checked; offset works without limit",
    "Q13": "order by names, `-names` and OrderBy, with NULLs first or last",
    "Q14": "update_where and delete_where need a filter or allow_all, and sensible values",
    "Q15": "count and exists ignore order",
    "Q16": "F expressions in updates and comparisons, in one statement",
    "Q17": "raw SQL in the driver's style; results are read already, rows are mappings",
    # Results
    "R1": "insert returns the object with its key and server defaults",
    "R2": "get of a missing key, or of None, is None",
    "R3": "update writes every column, counts rows matched, never inserts; no key or only a key is refused",
    "R4": "delete counts rows deleted and leaves the object alone; no key is refused",
    "R5": "a count is never -1",
    "R6": "each call is whole and committed; on error it is rolled back and the connection is clean",
    "B1": "insert_many of nothing is no SQL; any iterable goes in chunks",
    "B2": "the objects come back in input order, each with its own row's key",
    "B3": "insert_many is all or nothing",
    "G1": "get_or_create needs a unique lookup; many callers at once make one row",
    # Transactions and connections
    "X1": "a transaction commits or rolls back; nested ones are savepoints; a lost one is an error",
    "X2": "mini_orm sends BEGIN and COMMIT itself, joins a transaction that is open, and puts modes back",
    "X3": "SQLite writes take the lock at once; a busy timeout is set",
    "X4": "one connection is one lock; a transaction belongs to its opener, `tx` to whoever holds it",
    "X5": "use after close is a ClosedError; closing twice is fine; databases are context managers",
    "X6": "async over a blocking driver: a worker hop an operation, or inline where the loop owns the connection",
    "X7": "a cancelled call is interrupted, rolled back and leaves a clean connection",
    "X9": "run_in_transaction tries again after a conflict, with a pause, and not otherwise",
    # Pool
    "P1": "a pool that can't work is a ValueError when it is made",
    "P2": "connections open when needed, first come first served; timeouts and closing tell what they must",
    "P3": "a connection that comes back with an open transaction is rolled back, refused, left or closed, as told",
    "P4": "a connection that can't be rolled back is closed",
    "P5": "a session that was in the user's hands is reset, one that was not is left alone; async connects work",
    # Schema
    "S1": "apply_schema returns what it ran, in the order of foreign keys, in one transaction, and can be repeated",
    "S2": "index names are deterministic, fit 63 bytes and differ; equal specs once; bad specs are refused",
    "S3": "ensure_schema adds what is missing and names every conflict before it changes anything",
    "S4": "types are compared by family; a second run does nothing",
    "S5": "auto_schema looks once for each database and model, and a failure is not remembered",
    "S6": "registration, and what is refused without it",
    "S7": "the hub takes objects alone or after their model, and nothing else",
    # Codecs and errors
    "Codecs": "`codec` in the metadata names json or enum; another name is refused",
    "Errors": "a driver's error is one of ours and still its own; facts are attributes, values are not quoted",
}
