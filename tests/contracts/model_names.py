"""Names of tables, columns, keys and indexes (M10)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from mini_orm import (
    C,
    F,
    ForeignKeyViolation,
    IndexSpec,
    MySQLDialect,
    OrderBy,
    PostgresDialect,
    QueryError,
    SQLiteDialect,
    UniqueViolation,
)
from tests.backends import maybe_await
from tests.contracts.models import KEY, ModelMixin
from tests.strategies import HOSTILE_NAMES

DIALECTS = (SQLiteDialect, PostgresDialect, MySQLDialect)


def hostile_model(table: str, columns: tuple[str, str, str], index: str) -> Any:
    """A model whose table, key, columns and index have these names."""
    key, text, number = columns
    return dataclasses.make_dataclass(
        "Hostile",
        [
            ("id", int | None, field(default=None, metadata={**KEY, "column": key})),
            ("text", str, field(default="", metadata={"column": text, "unique_index": True, "index_name": index})),
            ("number", int | None, field(default=None, metadata={"column": number, "index": True})),
            ("size", int, field(default=0, metadata={"column": f"{key}2", "server_default": "3"})),
        ],
        namespace={"__table__": table, "__indexes__": [("number", "text")]},
    )


class NamesContract(ModelMixin):
    """M10: identifiers are data."""

    async def test_hostile_names_everywhere(self) -> None:
        """M10: reserved words, spaces, quotes, percent, unicode: as table, key, column and index, in every verb."""
        for name in HOSTILE_NAMES[:: self.amount(1, 2)]:
            if not self.backend.takes_name(f"n {name}"):
                continue
            with self.subTest(name):
                index = f"ix {name}"[:60]
                model = hostile_model(name, (name, f"{name} t", f"n {name}"), index)
                statements = await self.create_tables(model)
                self.assertIn(self.db.dialect.quote(index), " ".join(statements))
                repo = self.repo(model)
                one = await maybe_await(repo.insert(model(text=name, number=1)))
                many = await maybe_await(repo.insert_many([model(text="b", number=2), model(text="c")]))
                self.assertEqual([row.id for row in (one, *many)], [1, 2, 3])
                self.assertEqual(await maybe_await(repo.get(1)), one)
                self.assertEqual(await maybe_await(repo.list(where=C.eq("text", name))), [one])
                ordered = await maybe_await(repo.list(order_by=[OrderBy("number", True, "first"), "text"], limit=2))
                self.assertEqual([row.id for row in ordered], [3, 2])
                where = C.or_(C.is_null("number"), C.in_("number", [2, 5]), ~C.like("text", "%"))
                self.assertEqual(await maybe_await(repo.count(where)), 2)
                self.assertTrue(await maybe_await(repo.exists(C.between("id", 2, 3))))
                self.assertEqual(await maybe_await(repo.update_where({"number": F("id") * 10}, where=where)), 2)
                grown = await maybe_await(repo.list(where=C.gt("number", F("id")), order_by="-id"))
                self.assertEqual([row.id for row in grown], [3, 2])
                one.text = "changed"
                self.assertEqual(await maybe_await(repo.update(one)), 1)
                found, created = await maybe_await(repo.get_or_create(lookup={"text": "b"}, defaults={"number": 9}))
                self.assertEqual((found.id, found.number, created), (2, 20, False))
                with self.assertRaises(UniqueViolation):
                    await maybe_await(repo.insert(model(text="b")))
                self.assertEqual(await maybe_await(repo.delete(one)), 1)
                self.assertEqual(await maybe_await(repo.delete_where(where=C.eq("text", "c"))), 1)
                self.assertEqual(await maybe_await(repo.count()), 1)

    async def test_applied_again_with_hostile_names(self) -> None:
        """M10 S1: what exists under a hostile name is found again."""
        for name in ('quo"te', "100%", "it's", "two words", "日本", "\u202eabc"):
            with self.subTest(name):
                model = hostile_model(name, (name, f"{name} t", f"n {name}"), f"ix {name}")
                await self.create_tables(model)
                await maybe_await(self.repo(model).insert(model(text="kept")))
                await self.create_tables(model, if_not_exists=True)
                self.assertEqual(await maybe_await(self.repo(model).count()), 1)

    async def test_hostile_names_in_foreign_keys_and_composite_keys(self) -> None:
        """M10: names of both ends of a foreign key, and of the parts of a key, are quoted."""
        for name in ("order", 'quo"te', "100%", "it's", "a.b", "two words", "日本"):
            with self.subTest(name):
                parent = dataclasses.make_dataclass(
                    "Parent",
                    [("id", int, field(metadata={"pk": True, "column": f"id {name}"}))],
                    namespace={"__table__": f"parent {name}"},
                )
                link: Any = {"pk": True, "column": f"to {name}", "on_delete": "cascade"}
                child = dataclasses.make_dataclass(
                    "Child",
                    [
                        ("parent_id", int, field(metadata={**link, "fk": (parent, "id")})),
                        ("place", int, field(metadata={"pk": True, "column": name})),
                        ("other", int | None, field(default=None, metadata={"column": f"other {name}"})),
                    ],
                    namespace={"__table__": f"child {name}"},
                )
                named: Any = {"fk": {"table": f"parent {name}", "column": f"id {name}"}}
                cousin = dataclasses.make_dataclass(
                    "Cousin",
                    [("id", int, field(metadata={"pk": True})), ("up", int, field(metadata=named))],
                    namespace={"__table__": f"cousin {name}"},
                )
                await self.create_tables(parent, child, cousin)
                parents, children, cousins = self.repo(parent), self.repo(child), self.repo(cousin)
                await maybe_await(parents.insert(parent(1)))
                await maybe_await(children.insert_many([child(1, 1), child(1, 2)]))
                self.assertEqual(await maybe_await(children.get((1, 2))), child(1, 2))
                self.assertEqual(await maybe_await(children.update(child(1, 2, 5))), 1)
                for orphans, orphan in ((children, child(9, 1)), (cousins, cousin(1, 9))):
                    with self.assertRaises(ForeignKeyViolation):
                        await maybe_await(orphans.insert(orphan))
                await maybe_await(parents.delete(parent(1)))
                self.assertEqual(await maybe_await(children.count()), 0)

    async def test_nul_is_refused(self) -> None:
        """M10: NUL in a table's, a column's or an index's name is refused before any SQL."""
        table = dataclasses.make_dataclass(
            "Nul", [("id", int, field(metadata={"pk": True}))], namespace={"__table__": "a\0b"}
        )
        column = dataclasses.make_dataclass("Nul", [("id", int, field(metadata={"pk": True, "column": "a\0b"}))])
        for model in (table, column):
            self.assert_names(await self.refusal(model), "Nul", "NUL")
        metadata = {"pk": True, "index": True, "index_name": "a\0b"}
        named = dataclasses.make_dataclass("Nul", [("id", int, field(metadata=metadata))])
        spec = IndexSpec(("id",), name="a\0b")
        listed = dataclasses.make_dataclass(
            "Nul", [("id", int, field(metadata={"pk": True}))], namespace={"__indexes__": [spec]}
        )
        for model in (named, listed):
            with self.assertRaises(ValueError):
                await self.create_tables(model)
        self.assertEqual(self.backend.tables(), [])

    async def test_quote(self) -> None:
        """M10: a dialect doubles its quote character, and refuses NUL."""
        for dialect in (make() for make in DIALECTS):
            char = dialect.quote_char
            for name in HOSTILE_NAMES:
                quoted = dialect.quote(name)
                self.assertEqual(quoted, dialect.q(name))
                self.assertEqual(quoted, char + name.replace(char, char * 2) + char)
            with self.assertRaises(ValueError):
                dialect.quote("a\0b")

    async def test_unknown_names_are_never_sql(self) -> None:
        """M10 Q10: a hostile name that is no field is a QueryError wherever a name goes; nothing runs."""

        @dataclass
        class Thing:
            name: str
            id: int | None = field(default=None, metadata=KEY)

        repo = await self.table(Thing, [Thing("a")])
        for name in (*HOSTILE_NAMES, "a\0b", "\ud800", "", "x" * 10_000, "1; DROP TABLE thing", "name --", 'name"'):
            with self.subTest(name[:30]):
                for call in (
                    lambda name: repo.list(where=C.eq(name, 1)),
                    lambda name: repo.list(order_by=name if name else "-"),
                    lambda name: repo.list(order_by=OrderBy(name)),
                    lambda name: repo.update_where({name: 1}, allow_all=True),
                    lambda name: repo.update_where({"name": F(name)}, allow_all=True),
                    lambda name: repo.delete_where(where=C.gt("id", F(name))),
                    lambda name: repo.get_or_create(lookup={name: 1}),
                    lambda name: repo.count(C.is_null(name)),
                ):
                    with self.assertRaises(QueryError):
                        await maybe_await(call(name))
        self.assertEqual(await maybe_await(repo.list()), [Thing("a", 1)])
