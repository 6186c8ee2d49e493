"""The vector contracts on pgvector, over every driver, and what it has beside them."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sqlite3
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from mini_orm import Database, PgVectorStore, VectorRecord, VectorRepository
from mini_orm.errors import ConfigurationError
from tests import servers
from tests.backends import SyncPsycopg
from tests.contracts.vector_stores import bind_vector_contracts
from tests.contracts.vectors import VectorQueryContract, VectorWriteContract
from tests.contracts.vectors_congruence import VectorCongruenceContract
from tests.contracts.vectors_pgvector import (
    PgVectorCancelContract,
    PgVectorIndexContract,
    PgVectorLargeContract,
    PgVectorTableContract,
    PgVectorTransactionContract,
)
from tests.test_readme import python_blocks
from tests.vector_backends import PGVECTOR_BACKENDS, bind_vectors
from tests.vector_backends.pgvector import (
    PGVECTOR_DRIVERS,
    PgVectorAsyncpg,
    PgVectorAsyncPsycopg,
    PgVectorHnsw,
    PgVectorPool,
    PgVectorPsycopg2,
    PgVectorWorker,
    ensure_extension,
)

bind_vector_contracts(globals(), PGVECTOR_BACKENDS)
bind_vectors(globals(), VectorCongruenceContract, backends=PGVECTOR_DRIVERS)
bind_vectors(globals(), PgVectorIndexContract, PgVectorLargeContract, backends=PGVECTOR_BACKENDS)
bind_vectors(globals(), PgVectorTableContract, backends=[*PGVECTOR_BACKENDS, PgVectorPsycopg2])
bind_vectors(
    globals(), PgVectorTransactionContract, backends=[*PGVECTOR_BACKENDS, PgVectorPsycopg2, PgVectorAsyncPsycopg]
)
bind_vectors(globals(), PgVectorCancelContract, backends=[PgVectorAsyncpg, PgVectorAsyncPsycopg, PgVectorWorker])
bind_vectors(globals(), VectorQueryContract, backends=[PgVectorHnsw, PgVectorAsyncPsycopg])
bind_vectors(globals(), VectorWriteContract, backends=[PgVectorPool, PgVectorPsycopg2])


class Construction(unittest.TestCase):
    def test_what_is_no_postgres(self) -> None:
        """E7: another database is a ValueError, and what is no database a ConfigurationError."""
        with Database(sqlite3.connect(":memory:")) as db, self.assertRaisesRegex(ValueError, "PostgresDialect"):
            PgVectorStore(db)
        with self.assertRaisesRegex(ConfigurationError, "Database"):
            PgVectorStore(sqlite3.connect)  # type: ignore[arg-type]  # the mistake under test


@unittest.skipIf(servers.postgres() is None, servers.reason("postgres"))
class TheUsersConnection(unittest.TestCase):
    def setUp(self) -> None:
        ensure_extension()
        self.backend = SyncPsycopg("")
        self.addCleanup(self.backend.close)

    def test_what_the_user_registered_changes_nothing(self) -> None:
        """E7 X2: adapters of the user's stay, and none are added."""
        from psycopg.rows import dict_row
        from psycopg.types.json import set_json_loads

        conn = self.backend.connector(**self.backend.address({}))
        conn.row_factory = dict_row
        set_json_loads(lambda text: "the user's", conn)
        before = dict(conn.adapters._dumpers_by_oid[0])
        with Database(conn) as db:
            repo = VectorRepository(PgVectorStore(db), "things", dimension=2)
            repo.upsert([VectorRecord(str(n), [n, 1], {"n": n}) for n in range(50)])
            found = repo.query([1, 1], top_k=1, filters={"n": 1})
            self.assertEqual([one.payload for one in found], [{"n": 1}])
            conn.autocommit = True
            [row] = conn.execute("SELECT payload FROM things WHERE id = '1'").fetchall()
            self.assertEqual(row, {"payload": "the user's"})
            self.assertEqual(dict(conn.adapters._dumpers_by_oid[0]), before)

    def test_payloads_of_others(self) -> None:
        """E7: rows that SQL wrote are records."""
        with Database(self.backend.connector(**self.backend.address({}))) as db:
            repo = VectorRepository(PgVectorStore(db), "things", dimension=2)
            payload: Any = {"a": [1, 2.5], "b": None}
            sql = "INSERT INTO things VALUES ('x', ARRAY[1, 2]::extensions.vector, %s)"
            db.execute(sql, [json.dumps(payload)])
            self.assertEqual(repo.fetch(), [VectorRecord("x", [1.0, 2.0], payload)])

    def test_the_page(self) -> None:
        """Names: the blocks of docs/vectors_pgvector.md print what their comments say."""
        page = Path(__file__).resolve().parent.parent / "docs" / "vectors_pgvector.md"
        blocks = [source for _, source in python_blocks(page.read_text(encoding="utf-8"))]
        printed = io.StringIO()
        with (
            Database(self.backend.connector(**self.backend.address({}))) as db,
            mock.patch.object(Database, "connect", lambda url: db),
            contextlib.redirect_stdout(printed),
        ):
            exec(compile("\n".join(blocks), str(page), "exec"), {})
        promised = [one for source in blocks for one in re.findall(r"print\(.*\)  # (.+)$", source, re.M)]
        self.assertGreaterEqual(len(promised), 2)
        self.assertEqual(printed.getvalue().splitlines(), promised)


if __name__ == "__main__":
    unittest.main()
