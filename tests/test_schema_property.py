"""Property tests of the live schema: models and changes of models that nobody thought of, on every backend."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

import mini_orm
from mini_orm import SchemaConflictError, UniqueViolation
from tests.backends import SQLITE_BACKENDS, Backend, SyncPsycopg, SyncPyMySQL, maybe_await, where_there_is_a_server
from tests.schema_strategies import PARENT, PARENT_ID, Version, obstacles, successors, versions
from tests.strategies import KINDS
from tests.test_types_property import SETTINGS, PropertyCase

if TYPE_CHECKING:
    Mixin = PropertyCase
else:
    Mixin = object


class LiveSchemaProperty(Mixin):
    """What holds for any model, and for any two versions of one; `examples` says how many are tried of each."""

    examples: tuple[int, int]

    async def ensure(self, db: Any, model: type) -> list[str]:
        """Call `ensure_schema` of this face."""
        is_async = self.backend.face == "async"
        function: Any = mini_orm.ensure_schema_async if is_async else mini_orm.ensure_schema
        return await maybe_await(function(db, model))

    async def schema(self, db: Any) -> list[Any]:
        """Return the schema, byte for byte."""
        return [tuple(row.values()) for row in await maybe_await(db.fetchall(self.backend.schema_sql))]

    async def store(self, repo: Any, objects: list[Any]) -> None:
        """Insert what the model's unique indexes take."""
        for obj in objects:
            try:
                await maybe_await(repo.insert(obj))
            except UniqueViolation:
                continue

    def assume_possible(self, version: Version) -> None:
        """Go on with what the database can have, by names, indexes and defaults."""
        assume(version.is_possible)
        assume(all(map(self.backend.takes_name, (version.table, *(part.column for part in version.all)))))
        assume(all(part.default[0] == "factory" or self.takes(part.default[1]) for part in version.all))

    def drawn(self, data: st.DataObject, version: Version, model: Any) -> list[Any]:
        """Draw objects of a model that the database takes."""
        objects: list[Any] = data.draw(version.case(model).objects())
        return [obj for obj in objects if all(map(self.takes, vars(obj).values()))]

    def test_a_second_run_does_nothing(self) -> None:
        """S3 S4: whatever the types, the key and the indexes of a model are, one run is enough."""

        @settings(SETTINGS, max_examples=self.examples[0])
        @given(st.data())
        def check(data: st.DataObject) -> None:
            version = data.draw(versions(self.backend_class))
            self.assume_possible(version)
            model = version.model()
            self.run_async(self.done_once(model, self.drawn(data, version, model)))

        check()

    async def make_parent(self, db: Any) -> None:
        """Make the table that foreign keys refer to, with its row."""
        await maybe_await(db.execute(self.backend.ddl(f'CREATE TABLE "{PARENT}" (id INTEGER PRIMARY KEY)')))
        await maybe_await(db.execute(f'INSERT INTO "{PARENT}" VALUES ({PARENT_ID})'))

    async def done_once(self, model: Any, objects: list[Any]) -> None:
        db = await self.backend.open(**self.backend.scratch())
        try:
            await self.make_parent(db)
            self.assertEqual(await self.ensure(db, model), mini_orm.create_schema_sql(model, db.dialect))
            made = await self.schema(db)
            with self.assertNoLogs("mini_orm"):
                self.assertEqual(await self.ensure(db, model), [])
                await self.store(self.backend.repository(db, model), objects)
                self.assertEqual(await self.ensure(db, model), [])
            self.assertEqual(await self.schema(db), made)
        finally:
            await self.close(db)

    def test_two_versions(self) -> None:
        """S3 S4: the second version is reached with the rows that are there, or every conflict is named."""
        logging.disable()  # what is lived with is logged each time
        self.addCleanup(logging.disable, logging.NOTSET)

        @settings(SETTINGS, max_examples=self.examples[1])
        @given(st.data())
        def check(data: st.DataObject) -> None:
            first = data.draw(versions(self.backend_class))
            second = data.draw(successors(first))
            self.assume_possible(first)
            self.assume_possible(second)
            model = first.model()
            objects = self.drawn(data, first, model) if data.draw(st.booleans()) else []
            self.run_async(self.changed(first, model, second, objects))

        check()

    async def changed(self, first: Version, model: Any, second: Version, objects: list[Any]) -> None:
        db = await self.backend.open(**self.backend.scratch())
        try:
            await self.make_parent(db)
            await self.ensure(db, model)
            repo = self.backend.repository(db, model)
            await self.store(repo, objects)
            rows = await maybe_await(repo.list())
            made = await self.schema(db)
            later = second.model()
            try:
                await self.ensure(db, later)
            except SchemaConflictError as error:
                self.assert_named(error, obstacles(first, second, has_rows=bool(rows)))
                if self.backend.supports_transactional_ddl or error.__cause__ is None:
                    self.assertEqual(await self.schema(db), made)
                self.assertEqual(await maybe_await(repo.list()), rows)
            else:
                self.assertEqual(obstacles(first, second, has_rows=bool(rows)), set())
                self.assertEqual(await self.ensure(db, later), [])
                self.assert_kept(first, rows, second, await maybe_await(self.backend.repository(db, later).list()))
        finally:
            await self.close(db)

    def assert_named(self, error: SchemaConflictError, expected: set[tuple[str, str]]) -> None:
        """The error names what is in the way and nothing else; equal rows come up where nothing else does."""
        found = {(difference.what, difference.name) for difference in error.differences}
        if expected:
            self.assertEqual(found, expected)
        else:
            self.assertIsInstance(error.__cause__, UniqueViolation)
            self.assertEqual({what for what, _ in found}, {"index"})
        for _, name in found:
            self.assertTrue(name in str(error) or repr(name) in str(error), name)

    def assert_kept(self, first: Version, before: list[Any], second: Version, after: list[Any]) -> None:  # type: ignore[override]
        """Every row is there, with the values it had, and new columns have what a new object would have."""
        keys = [part.name for part in first.key]
        later = {tuple(getattr(row, part.name) for part in second.key): row for row in after}
        self.assertEqual(len(after), len(before))
        old_names = {part.name for part in first.all}
        for row in before:
            new = later[tuple(getattr(row, name) for name in keys)]
            for part in second.all:
                value = getattr(new, part.name)
                if part.name in old_names:
                    self.assertEqual(value, getattr(row, part.name), part.name)
                elif part.server_default is None and part.nullable:
                    self.assertIsNone(value, part.name)
                elif part.server_default is None:
                    way, given_default = part.default
                    expected = given_default() if way == "factory" else given_default
                    self.assertEqual(value, KINDS[part.kind].read(expected), part.name)


_EXAMPLES: dict[type[Backend], tuple[int, int]] = {
    **dict.fromkeys(SQLITE_BACKENDS, (40, 60)),
    SyncPsycopg: (30, 40),
    SyncPyMySQL: (12, 16),
}
for _backend, _examples in _EXAMPLES.items():
    _name = f"LiveSchemaProperty_{_backend.__name__}"
    _body: dict[str, Any] = {"backend_class": _backend, "examples": _examples, "__module__": __name__}
    globals()[_name] = where_there_is_a_server(type(_name, (LiveSchemaProperty, PropertyCase), _body), _backend)
