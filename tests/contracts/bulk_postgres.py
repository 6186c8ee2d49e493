"""Keys of many rows that a trigger of PostgreSQL gives, whatever their sequence says (B2)."""

from __future__ import annotations

from tests.backends import maybe_await
from tests.contracts.bulk import Item
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
