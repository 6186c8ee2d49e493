"""Errors on every backend, and its tree as data."""

from __future__ import annotations

import copy
import pickle
import sqlite3
import subprocess
import sys
import traceback
import unittest
from pathlib import Path

import mini_orm
from mini_orm import MiniOrmError
from tests.backends import bind_all
from tests.contracts.errors import DatabaseErrorContract, OwnErrorContract

bind_all(globals(), DatabaseErrorContract, OwnErrorContract)

#: Class -> what it is, too: its parent in the tree (None where that is left open), and builtins.
TREE: dict[str, tuple[str, tuple[type[BaseException], ...]]] = {
    "ConfigurationError": ("MiniOrmError", ()),
    "MissingDependencyError": ("MiniOrmError", (ImportError,)),
    "ModelError": ("MiniOrmError", (TypeError, ValueError)),
    "RelationError": ("MiniOrmError", (ValueError,)),
    "NotRegisteredError": ("MiniOrmError", (ValueError,)),
    "QueryError": ("MiniOrmError", (ValueError,)),
    "UnsafeOperationError": ("QueryError", (ValueError,)),
    "CodecError": ("MiniOrmError", (ValueError,)),
    "ValidationError": ("MiniOrmError", (ValueError,)),
    "SchemaError": ("MiniOrmError", ()),
    "SchemaConflictError": ("SchemaError", (ValueError,)),
    "TransactionError": ("MiniOrmError", (RuntimeError,)),
    "ClosedError": ("MiniOrmError", (RuntimeError,)),
    "PoolError": ("MiniOrmError", (RuntimeError,)),
    "PoolTimeout": ("PoolError", (TimeoutError,)),
    "DirtyConnectionError": ("PoolError", (RuntimeError,)),
    "DatabaseError": ("MiniOrmError", ()),
    "IntegrityError": ("DatabaseError", ()),
    "UniqueViolation": ("IntegrityError", ()),
    "ForeignKeyViolation": ("IntegrityError", ()),
    "NotNullViolation": ("IntegrityError", ()),
    "CheckViolation": ("IntegrityError", ()),
    "OperationalError": ("DatabaseError", ()),
    "SerializationFailure": ("OperationalError", ()),
    "DeadlockDetected": ("OperationalError", ()),
    "LockTimeout": ("OperationalError", ()),
    "ConnectionLost": ("OperationalError", ()),
    "ProgrammingError": ("DatabaseError", ()),
    "DataError": ("DatabaseError", ()),
}


class ErrorTree(unittest.TestCase):
    """Errors: the tree itself."""

    def test_shape(self) -> None:
        """Errors: every class is public, has its parent, and is the builtin that a caller would have caught."""
        self.assertIs(MiniOrmError.__bases__[0], Exception)
        for name, (parent, builtins) in TREE.items():
            with self.subTest(error=name):
                cls = getattr(mini_orm, name)
                self.assertIn(name, mini_orm.__all__)
                self.assertTrue(issubclass(cls, MiniOrmError))
                self.assertTrue(issubclass(cls, getattr(mini_orm, parent)))
                for builtin in builtins:
                    self.assertTrue(issubclass(cls, builtin), builtin)

    def test_siblings_are_apart(self) -> None:
        """Errors: no class of the tree catches what is not below it."""
        for name in TREE:
            above = {name, "MiniOrmError", "ConfigurationError", "ModelError"}
            parent = TREE[name][0]
            while parent != "MiniOrmError":
                above.add(parent)
                parent = TREE[parent][0]
            for other in set(TREE) - above:
                self.assertFalse(issubclass(getattr(mini_orm, name), getattr(mini_orm, other)), (name, other))

    def test_not_the_drivers(self) -> None:
        """Errors: our classes are not sqlite3's: they serve every driver."""
        for name in ("DatabaseError", "IntegrityError", "OperationalError", "ProgrammingError", "DataError"):
            self.assertFalse(issubclass(getattr(mini_orm, name), sqlite3.Error))

    def test_print_and_pickle(self) -> None:
        """Errors: every error prints its text plainly, and is pickled and copied with its attributes and notes."""
        for name in ["MiniOrmError", *TREE]:
            with self.subTest(error=name):
                error = getattr(mini_orm, name)("what was wrong")
                error.detail = ("table", 7)
                error.add_note("where it was")
                self.assertEqual(str(error), "what was wrong")
                text = "".join(traceback.format_exception_only(error))
                self.assertIn(f"{name}: what was wrong", text)
                self.assertIn("where it was", text)
                for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
                    self.assertIs(type(twin), type(error))
                    self.assertEqual((twin.args, str(twin)), (error.args, str(error)))
                    self.assertEqual((twin.detail, twin.__notes__), (error.detail, error.__notes__))

    def test_pickled_into_another_process(self) -> None:
        """Errors: a pickled error is read in a process that has seen no error of the kind yet."""
        with mini_orm.Database(sqlite3.connect(":memory:")) as db:
            db.execute("CREATE TABLE person (email TEXT UNIQUE)")
            db.execute("INSERT INTO person VALUES ('taken')")
            with self.assertRaises(mini_orm.UniqueViolation) as caught:
                db.execute("INSERT INTO person VALUES ('taken')")
        script = (
            "import pickle, sqlite3, sys\n"
            "error = pickle.loads(sys.stdin.buffer.read())\n"
            "import mini_orm\n"
            "assert isinstance(error, mini_orm.UniqueViolation)\n"
            "both = isinstance(error, sqlite3.IntegrityError)\n"
            "print(type(error).__name__, both, error.table, error.columns, error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            input=pickle.dumps(caught.exception),
            capture_output=True,
            cwd=Path(mini_orm.__file__).parent.parent,
            check=False,
        )
        self.assertEqual(done.stderr, b"")
        self.assertEqual(
            done.stdout.decode().strip(),
            "UniqueViolation True person ('email',) UNIQUE constraint failed: person.email",
        )

    def test_live_handles_are_dropped(self) -> None:
        """Errors: an attribute that can't be pickled does not keep the error from travelling."""
        for name in ["MiniOrmError", *TREE]:
            error = getattr(mini_orm, name)("what was wrong")
            with sqlite3.connect(":memory:") as conn:
                error.connection = conn
            error.table = "person"
            twin = pickle.loads(pickle.dumps(error))
            self.assertEqual((str(twin), twin.table), ("what was wrong", "person"))
            self.assertFalse(hasattr(twin, "connection"))
            conn.close()
