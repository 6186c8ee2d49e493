"""Property test of `mini-orm inspect` (K1): tables that nobody thought of, read back as models that fit them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

import mini_orm
from mini_orm.command.inspecting import inspect_database
from tests.backends import SyncPsycopg, SyncPyMySQL, SyncSqlite3, where_there_is_a_server
from tests.contracts.command import imported, models_in
from tests.schema_strategies import PARENT, versions
from tests.test_types_property import SETTINGS, PropertyCase

if TYPE_CHECKING:
    Mixin = PropertyCase
else:
    Mixin = object


class InspectProperty(Mixin):
    """What holds for any table that has a model; `examples` says how many are tried."""

    examples: int

    def test_models_of_any_table(self) -> None:
        """K1: ensure_schema finds nothing to do there, nor where apply_schema has made the table anew."""

        @settings(SETTINGS, max_examples=self.examples)
        @given(st.data())
        def check(data: st.DataObject) -> None:
            version = data.draw(versions(self.backend_class))
            assume(version.is_possible)
            assume(all(map(self.backend.takes_name, (version.table, *(part.column for part in version.all)))))
            self.run_async(self.round_trip(version.model()))

        check()

    async def round_trip(self, model: Any) -> None:
        """Make the table of a model, write the models of the database, and compare."""
        db, fresh = [await self.backend.open(**self.backend.scratch()) for _ in range(2)]
        with db, fresh:
            db.execute(self.backend.ddl(f'CREATE TABLE "{PARENT}" (id INTEGER PRIMARY KEY)'))
            mini_orm.apply_schema(db, model)
            found = db.run(inspect_database, db.dialect, ())
            self.assertEqual((found.models, found.notes), (2, []), found.source)
            with imported(found.source) as module:
                self.assertEqual(mini_orm.ensure_schema(db, models_in(module)), [], found.source)
                mini_orm.apply_schema(fresh, models_in(module))
                self.assertEqual(mini_orm.ensure_schema(fresh, models_in(module)), [], found.source)


for _backend, _examples in ((SyncSqlite3, 30), (SyncPsycopg, 15), (SyncPyMySQL, 8)):
    _name = f"InspectProperty_{_backend.__name__}"
    _body: dict[str, Any] = {"backend_class": _backend, "examples": _examples, "__module__": __name__}
    globals()[_name] = where_there_is_a_server(type(_name, (InspectProperty, PropertyCase), _body), _backend)
