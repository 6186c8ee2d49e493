"""Keys of many rows where MySQL tells the first one alone: the others are counted from it (B2)."""

from __future__ import annotations

import mini_orm
from tests.backends import maybe_await
from tests.contracts.bulk import Item
from tests.contracts.crud import Outside


class CountedKeysContract(Outside):
    """`insert_many` on what changes the keys that a server gives."""

    async def test_keys_in_steps(self) -> None:
        """B2: a server of a cluster gives keys in steps; each object of many statements has its own row's."""
        repo = await self.table(Item)
        await maybe_await(
            self.db.execute("SET SESSION auto_increment_increment = 7, SESSION auto_increment_offset = 3")
        )
        stored = await maybe_await(repo.insert_many([Item(n) for n in range(1_200)]))
        self.assertEqual([item.id for item in stored[:3]], [3, 10, 17])
        self.assertEqual(self.rows("SELECT id, n FROM item ORDER BY n"), [(item.id, item.n) for item in stored])

    async def test_keys_of_another_table(self) -> None:
        """B2: keys that a trigger's rows get in another table are not taken for those of the objects."""
        repo = await self.table(Item, [Item(-1)])
        await maybe_await(self.db.execute(f"CREATE TABLE log (id {self.backend.auto_key}, n BIGINT)"))
        await maybe_await(self.db.execute("INSERT INTO log (id) VALUES (500)"))
        for when in ("BEFORE", "AFTER"):
            body = "INSERT INTO log (n) VALUES (NEW.n)"
            for sql in self.backend.trigger(f"logs_{when}", f"{when} INSERT", "item", body):
                await maybe_await(self.db.execute(sql))
        stored = await maybe_await(repo.insert_many([Item(n) for n in range(1_200)]))
        self.assertEqual(
            self.rows("SELECT id, n FROM item WHERE n >= 0 ORDER BY n"), [(item.id, item.n) for item in stored]
        )

    async def test_a_trigger_that_gives_the_keys(self) -> None:
        """B2 B3: where a trigger gives rows keys of its own nobody can count them: nothing is inserted."""
        repo = await self.table(Item, [Item(-1)])
        for sql in self.backend.trigger("numbers", "BEFORE INSERT", "item", "SET NEW.id = NEW.n * 10"):
            await maybe_await(self.db.execute(sql))
        items = [Item(n) for n in (300, 100, 200)]
        with self.assertRaisesRegex(mini_orm.OperationalError, "trigger"):
            await maybe_await(repo.insert_many(items))
        self.assertEqual([item.id for item in items], [None, None, None])
        self.assertEqual(self.rows("SELECT n FROM item"), [(-1,)])
        self.assert_clean()
        self.assertEqual((await maybe_await(repo.insert(items[0]))).id, 3000)
