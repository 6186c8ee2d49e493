"""Many rows on PostgreSQL: keys that a trigger gives (B2), and what COPY does not know (B4)."""

from __future__ import annotations

import contextlib
from typing import Any

from mini_orm import ProgrammingError
from tests.backends import maybe_await
from tests.contracts.bulk import Cell, Item
from tests.contracts.crud import Outside


class GivenKeysContract(Outside):
    """`insert_many` where keys are not those of the sequence."""

    async def test_a_trigger_that_gives_the_keys(self) -> None:
        """B2: objects have the keys of their rows, and so once the trigger is off."""
        repo = await self.table(Item, [Item(-1)])
        for sql in self.backend.trigger("numbers", "BEFORE INSERT", "item", "NEW.id := NEW.n * 10"):
            await maybe_await(self.db.execute(sql))
        stored = await maybe_await(repo.insert_many([Item(n) for n in (300, 100, 200)]))
        self.assertEqual([item.id for item in stored], [3000, 1000, 2000])
        await maybe_await(self.db.execute("ALTER TABLE item DISABLE TRIGGER numbers"))
        more = await maybe_await(repo.insert_many([Item(n) for n in (7, 5)]))
        self.assertEqual(
            self.rows("SELECT id, n FROM item WHERE n >= 0 ORDER BY n"),
            sorted(((item.id, item.n) for item in (*stored, *more)), key=lambda row: row[1]),
        )


class CopyContract(Outside):
    """`insert_many` where COPY can't be had, or would read something else."""

    async def load(self, repo: Any, objects: list[Any]) -> None:
        self.assertEqual(await maybe_await(repo.insert_many(objects, returning=False)), len(objects))

    async def execute(self, *statements: str) -> None:
        for sql in statements:
            await maybe_await(self.db.execute(sql))

    async def test_copy(self) -> None:
        """B4: it is COPY."""
        repo = await self.table(Item)
        seen = await self.trace()
        await self.load(repo, [Item(1)])
        self.assertEqual([sql for sql in seen if "INSERT" in sql], [])

    async def test_copy_of_many_with_keys(self) -> None:
        """B2: many objects take their keys from the sequence first, and go by COPY; a few are an INSERT."""
        repo = await self.table(Item)
        seen = await self.trace()
        stored = await maybe_await(repo.insert_many([Item(n) for n in range(1_000)]))
        self.assertEqual([sql for sql in seen if "INSERT" in sql], [])
        self.assertEqual(self.rows("SELECT id, n FROM item ORDER BY n"), [(item.id, item.n) for item in stored])
        few = await maybe_await(repo.insert_many([Item(n) for n in range(1_000, 1_010)]))
        self.assertEqual(len([sql for sql in seen if "INSERT" in sql]), 1)
        self.assertEqual(
            self.rows("SELECT id, n FROM item WHERE n >= 1000 ORDER BY n"), [(item.id, item.n) for item in few]
        )

    async def test_special_characters(self) -> None:
        """B2 T1: what the text form of COPY escapes is stored as it is."""
        repo = await self.table(Item)
        labels = ["\\", "\\N", "\\.", "\t", "\r\n", "a\\tb", "\\\\n", "", " ", "ä\\ö\n€"]
        for returning in (True, False):
            items = [Item(n, labels[n % len(labels)]) for n in range(500)]
            await maybe_await(repo.insert_many(items, returning=returning))
            found = self.rows("SELECT n, label FROM item ORDER BY n")
            self.assertEqual(found, [(item.n, item.label) for item in items])
            await maybe_await(repo.delete_where(allow_all=True))

    async def test_a_key_that_is_always_generated(self) -> None:
        """B2 B4: a key that an INSERT refuses is refused, however many there are; the database gives them by itself."""
        await self.execute("CREATE TABLE item (id bigint GENERATED ALWAYS AS IDENTITY, n bigint, label text)")
        repo = self.repo(Item)
        for size in (2, 1_000):
            for returning in (True, False):
                with self.subTest(size=size, returning=returning):
                    given = [Item(n, id=n + 1) for n in range(size)]
                    with self.assertRaises(ProgrammingError):
                        await maybe_await(repo.insert_many(given, returning=returning))
                    self.assertEqual(await maybe_await(repo.count()), 0)
                    await maybe_await(repo.insert_many([Item(n) for n in range(size)], returning=returning))
                    self.assertEqual(await maybe_await(repo.delete_where(allow_all=True)), size)

    async def test_views_rules_and_policies(self) -> None:
        """B4: what COPY refuses, or passes over, is an INSERT."""
        repo = await self.table(Item)
        await self.execute("ALTER TABLE item RENAME TO stored", "CREATE VIEW item AS SELECT * FROM stored")
        await self.load(repo, [Item(1), Item(2)])
        await self.execute("DROP VIEW item", "ALTER TABLE stored RENAME TO item")
        await self.execute("ALTER TABLE item ENABLE ROW LEVEL SECURITY", "CREATE POLICY all_rows ON item")
        await self.load(repo, [Item(3)])
        await self.create_tables(Cell)
        await self.execute("CREATE RULE noted AS ON INSERT TO item DO ALSO INSERT INTO cell VALUES (NEW.n, 'x', 1)")
        await self.load(repo, [Item(4)])
        self.assertEqual(self.rows("SELECT n FROM item ORDER BY n"), [(1,), (2,), (3,), (4,)])
        self.assertEqual(self.rows("SELECT x FROM cell"), [(4,)])

    async def test_names(self) -> None:
        """B4 M10: a temporary table goes before another of its name, and a missing one is the INSERT's error."""
        repo = await self.table(Item)
        await self.execute("CREATE TEMPORARY TABLE item (LIKE item INCLUDING ALL)")
        await self.load(repo, [Item(1)])
        await self.execute("DROP TABLE pg_temp.item")
        self.assertEqual(await maybe_await(repo.count()), 0)
        with self.assertRaises(ProgrammingError):
            await maybe_await(self.repo(Cell).insert_many([Cell(1, "a")], returning=False))

    async def test_a_skipped_row(self) -> None:
        """B4: a row that a trigger leaves out does not count."""
        repo = await self.table(Item)
        body = "IF NEW.n = 2 THEN RETURN NULL; END IF"
        await self.execute(*self.backend.trigger("skipping", "BEFORE INSERT", "item", body))
        stored = repo.insert_many([Item(1), Item(2), Item(3)], returning=False)
        self.assertEqual(await maybe_await(stored), 2)


class PipelineContract(Outside):
    """`insert_many` while statements are sent without waiting for their results."""

    async def test_many_rows_in_a_pipeline(self) -> None:
        """B2: what can't be COPY then is an INSERT."""
        repo = await self.table(Item)
        async with contextlib.AsyncExitStack() as stack:
            pipeline = self.db.conn.pipeline()
            if hasattr(pipeline, "__aenter__"):
                await stack.enter_async_context(pipeline)
            else:
                stack.enter_context(pipeline)
            stored = await maybe_await(repo.insert_many([Item(n) for n in range(1_000)]))
            self.assertEqual(await maybe_await(repo.count()), 1_000)
        self.assertEqual(self.rows("SELECT id, n FROM item ORDER BY n"), [(item.id, item.n) for item in stored])
