"""The vector contracts on the stores that need nothing else: those in memory, and a user's own."""

from __future__ import annotations

import unittest
from unittest import mock

from mini_orm import InMemoryVectorStore, VectorRecord, VectorRepository
from mini_orm.vectors.stores import python_rows
from tests.contracts.vector_stores import bind_vector_contracts
from tests.vector_backends import MEMORY_BACKENDS, OWN_BACKENDS

bind_vector_contracts(globals(), MEMORY_BACKENDS + OWN_BACKENDS)


class Interrupted(unittest.TestCase):
    """Without numpy writing takes long enough to be interrupted by hand."""

    def test_an_upsert(self) -> None:
        """E3: an interrupt leaves each record with its own vector."""
        with mock.patch.object(InMemoryVectorStore, "_numpy", return_value=None):
            store = InMemoryVectorStore()
        repo = VectorRepository(store, "c", dimension=2)
        repo.upsert([VectorRecord("a", [1, 0])])
        for ids, last in ((["b", "c"], 1), (["a", "b", "c"], 0), (["a", "b", "c"], 2)):
            with (
                mock.patch.object(python_rows, "_dot", side_effect=[1.0] * last + [KeyboardInterrupt]),
                self.assertRaises(KeyboardInterrupt),
            ):
                repo.upsert([VectorRecord(one, [-1, 0]) for one in ids])
            repo.upsert([VectorRecord("z", [0, 1])])
            self.assertEqual([one.id for one in repo.query([0, 1], top_k=1)], ["z"])
            self.assertEqual(repo.fetch(["z"])[0].vector, [0.0, 1.0])
            repo.delete(["z"])
