"""Live schema (S3 and S4) in PostgreSQL's own words: types, defaults, keys, indexes, schemas, and what is no table."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import uuid
from decimal import Decimal
from typing import Any, Optional

import mini_orm
from mini_orm import C, IndexSpec
from tests.backends import maybe_await
from tests.contracts.crud import pk
from tests.contracts.schema_live import InItsOwnWords, column, thing

PLAIN_KEY = ("id", int, pk())


class OwnTypesContract(InItsOwnWords):
    """Types: the same in other words, good enough, or others."""

    async def test_types_that_are_the_same(self) -> None:
        """S4: what the catalog calls otherwise, and a precision that is the most there is."""
        model = self.with_types(
            [
                (int, {}, ["bigint", "int8", "bigserial"]),
                (float, {}, ["double precision", "float8", "float", "float(25)"]),
                (bool, {}, ["bool", "boolean"]),
                (str, {}, ["text", "varchar", 'text COLLATE "C"']),
                (str, {"max_length": 20}, ["varchar(20)", "character varying(20)"]),
                (Decimal, {}, ["numeric", "decimal"]),
                (Decimal, {"precision": 8, "scale": 2}, ["numeric(8,2)", "decimal(8, 2)"]),
                (Decimal, {"precision": 8}, ["numeric(8)", "dec(8,0)"]),
                (dt.datetime, {}, ["timestamp", "timestamp(6) without time zone"]),
                (dt.datetime, {"timezone": True}, ["timestamptz", "timestamptz(6)"]),
                (dt.date, {}, ["date"]),
                (dt.time, {}, ["time", "time(6)"]),
                (dt.timedelta, {}, ["bigint"]),
                (uuid.UUID, {}, ["uuid"]),
                (bytes, {}, ["bytea"]),
                (list, {}, ["jsonb"]),
            ]
        )
        with self.logged():
            await self.assert_done(model)

    async def test_types_that_will_do(self) -> None:
        """S3 S4 R1 Q6: a narrower number, and text for JSON and UUID, are logged, keep what fits, and are found."""
        token = uuid.UUID(int=7)
        values: list[tuple[Any, str]] = [
            *((5, type_) for type_ in ("integer", "smallint", "serial")),
            *((0.5, type_) for type_ in ("real", "float(24)")),
            *((token, type_) for type_ in ("text", "varchar", "varchar(36)", "char(36)")),
            *(({"a": [1, None]}, type_) for type_ in ("json", "text", "varchar")),
        ]
        model = self.with_types([(type(value), {}, [type_]) for value, type_ in values])
        with self.logged(*((logging.WARNING, f"'c{place}'") for place in range(len(values)))):
            await self.assert_done(model)
        repo = self.repo(model)
        made = model(**{f"c{place}": value for place, (value, _) in enumerate(values)})
        await maybe_await(repo.insert(made))
        self.assertEqual(await maybe_await(repo.get(made.id)), made)
        await maybe_await(repo.update(made))
        for place, (value, _) in enumerate(values):
            for where in (
                C.eq(f"c{place}", value),
                C.same_as(f"c{place}", value),
                C.in_(f"c{place}", [value]),
                C.in_(f"c{place}", [value] * 300),
            ):
                self.assertEqual(await maybe_await(repo.count(where)), 1, where)

    async def test_types_that_differ(self) -> None:
        """S3 S4: another kind, and a limit that the model does not have, or has otherwise."""
        model = self.with_types(
            [
                (int, {}, ["numeric", "numeric(20,0)", "text", "oid", "real", "boolean", "bigint[]"]),
                (float, {}, ["numeric", "money", "bigint"]),
                (bool, {}, ["integer", "bit", "char(1)"]),
                (str, {}, ["varchar(20)", "char(20)", "bpchar", '"char"', "name", "text[]", "json", "uuid", "bytea"]),
                (str, {"max_length": 20}, ["varchar(19)", "varchar(21)", "varchar", "text", "char(20)"]),
                (Decimal, {}, ["numeric(8,2)", "numeric(8)", "float8", "money"]),
                (Decimal, {"precision": 8, "scale": 2}, ["numeric", "numeric(8,3)", "numeric(9,2)", "numeric(8)"]),
                (dt.datetime, {}, ["timestamptz", "timestamp(3)", "date", "text"]),
                (dt.datetime, {"timezone": True}, ["timestamp", "timestamptz(0)"]),
                (dt.date, {}, ["timestamp", "text"]),
                (dt.time, {}, ["timetz", "time(3)", "interval"]),
                (dt.timedelta, {}, ["interval", "numeric"]),
                (uuid.UUID, {}, ["bytea", "char(32)", "varchar(40)", "uuid[]"]),
                (dict, {}, ["xml", "varchar(36)", "jsonb[]", "bytea"]),
                (bytes, {}, ["text", "varbit", "bit(8)"]),
            ]
        )
        await self.assert_each_differs(model)

    async def test_types_of_the_users_own(self) -> None:
        """S3: a domain, an enum and a row are what `db_type` says; to a field without one they are others."""
        types = ["label", "mood", '"Odd Type"', "pair"]
        before = [
            "CREATE DOMAIN label AS text CHECK (VALUE <> '')",
            "CREATE TYPE mood AS ENUM ('calm', 'cross')",
            "CREATE TYPE \"Odd Type\" AS ENUM ('calm')",
            "CREATE TYPE pair AS (a integer, b integer)",
        ]
        stated = self.with_types([(str, {"db_type": type_}, [type_]) for type_ in types], *before)
        with self.logged():
            await self.assert_done(stated)
        await self.assert_each_differs(self.with_types([(str, {}, types)]))
        await self.ensure(stated, schema_conflict="recreate")
        await self.assert_done(stated)

    async def test_a_type_that_is_not_there(self) -> None:
        """S3: the database's own error; nothing of the call is kept."""
        model = thing(a=column(str, ..., db_type="nowhere_type"))
        with self.assertRaises(mini_orm.ProgrammingError):
            await self.ensure([thing(table="other"), model])
        self.assertEqual(self.schema(), [])
        self.assert_clean()


class OwnDefaultsContract(InItsOwnWords):
    """Defaults, which the catalog shows in words of its own."""

    async def test_a_second_run_finds_the_same(self) -> None:
        """S3 S4 M9: a literal is compared by its value, and an expression whatever types the catalog adds to it."""
        defaults: list[tuple[Any, dict[str, Any], list[str]]] = [
            (int, {}, ["7", "-7", "(-7)", "'7'", "'-7'", "0x1F", "7::int", "CAST(7 AS bigint)", "1 + 1", "abs(-1)"]),
            (int, {}, ["2147483648", "-9223372036854775808", "coalesce(NULL, 3)", "nextval('numbers')"]),
            (float, {}, ["0.5", "1e3", "'1e3'", ".5", "5.", "-1e-7", "'Infinity'", "'NaN'", "pi()"]),
            (Decimal, {}, ["1.50", "'1.50'", "-1.5", "1e3", "1.5::numeric(8, 2)"]),
            (Decimal, {"precision": 8, "scale": 2}, ["1.5", "1.50"]),
            (bool, {}, ["true", "FALSE", "'t'", "'off'", "'1'", "1 = 1"]),
            (str, {}, ["'it''s'", "''", "'a' || 'b'", "lower('ABC')", "current_user", "'-1'", "'NULL'", "'a::text'"]),
            (str, {}, ["'date ''x'''", "'CAST(1 AS int)'", "'100%'", "to_char(now(), 'YYYY')", "md5('x')"]),
            (str, {"max_length": 5}, ["'x'", "'7'"]),
            (dt.datetime, {}, ["CURRENT_TIMESTAMP", "now()", "'2024-02-29'", "'2024-02-29 10:00'", "localtimestamp"]),
            (dt.datetime, {}, ["timezone('utc', now())", "now() + interval '1 day'", "TIMESTAMP '2024-01-01'"]),
            (dt.datetime, {"timezone": True}, ["now()", "'2024-02-29T10:00:00.5Z'", "'2024-02-29 10:00+05:30'"]),
            (dt.datetime, {"timezone": True}, ["'2024-02-29'", "'infinity'", "now() - interval '02:00:00'"]),
            (dt.date, {}, ["'2024-02-29'", "CURRENT_DATE", "date '2024-02-29'", "'20240229'"]),
            (dt.time, {}, ["'10:00'", "'10:00:00.5'", "localtime"]),
            (dt.timedelta, {}, ["0", "'1000'"]),
            (uuid.UUID, {}, ["gen_random_uuid()", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"]),
            (uuid.UUID, {}, ["'{a0eebc999c0b4ef8bb6d6bb9bd380a11}'"]),
            (dict, {}, ["'{}'", '\'{"b":1,"a":[1,2]}\'', "'{}'::jsonb", "CAST('{}' AS jsonb)", "'\"it''s\"'"]),
            (dict, {}, ["jsonb_build_object()", "'[1.0, true]'"]),
            (bytes, {}, [r"'\x00ff'", r"'\xABCD'", "'abc'", "''", "decode('00', 'hex')"]),
        ]
        self.run_as_it_is("CREATE SEQUENCE numbers")
        columns = [(annotation, metadata, default) for annotation, metadata, some in defaults for default in some]
        model = thing(
            **{
                f"c{place}": column(annotation, ..., server_default=default, **metadata)
                for place, (annotation, metadata, default) in enumerate(columns)
            }
        )
        await self.ensure(model)
        await self.assert_done(model)

    async def test_another_zone(self) -> None:
        """S3 T5: a default that says its zone is the same in a session that shows it in another."""
        model = thing(a=column(dt.datetime, ..., timezone=True, server_default="'2024-02-29 10:00+00'"))
        await self.ensure(model)
        await maybe_await(self.db.execute("SET TimeZone = 'Asia/Tokyo'"))
        await self.assert_done(model)

    async def test_other_defaults(self) -> None:
        """S3 M9: none, or another value, however alike the words are."""
        cases: list[tuple[Any, str, str]] = [
            (int, "7", "8"),
            (int, "7", "-7"),
            (int, "7", "nextval('numbers')"),
            (float, "0.5", "0.25"),
            (bool, "true", "false"),
            (str, "'A'", "'a'"),
            (str, "'a'", "lower('a')"),
            (str, "'1'", "'1.0'"),
            (str, "''", "' '"),
            (dt.datetime, "now()", "clock_timestamp()"),
            (dt.datetime, "'2024-02-29'", "'2024-02-29 00:00:01'"),
            (dt.date, "'2024-02-29'", "'2024-02-28'"),
            (uuid.UUID, "gen_random_uuid()", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
            (dict, "'{}'", "'[]'"),
            (dict, "'[1]'", "'[true]'"),
            (bytes, r"'\x00'", r"'\x01'"),
        ]
        self.run_as_it_is("CREATE SEQUENCE numbers")
        types, columns = self.db.dialect.types, [f"id {self.backend.auto_key}"]
        wanted: dict[str, Any] = {}
        kinds = {dt.datetime: "datetime", dt.date: "date", uuid.UUID: "uuid", dict: "json"}
        for place, (annotation, ours, theirs) in enumerate(cases):
            type_ = types[kinds.get(annotation, annotation.__name__)]
            columns += [f"c{place} {type_} NOT NULL DEFAULT {theirs}", f"d{place} {type_} NOT NULL"]
            for name in (f"c{place}", f"d{place}"):
                wanted[name] = column(annotation, ..., server_default=ours)
        self.remake(", ".join(columns))
        await self.assert_each_differs(thing(**wanted))

    async def test_columns_that_are_added_to_rows(self) -> None:
        """S3: with an expression, with one that differs by row, and with a foreign key that has a default."""
        self.run_as_it_is("CREATE TABLE parent (id bigint PRIMARY KEY)", "INSERT INTO parent VALUES (1)")
        self.remake(f"id {self.backend.auto_key}")
        self.run_as_it_is("INSERT INTO thing VALUES (DEFAULT), (DEFAULT)")
        model = thing(
            made=column(dt.datetime, ..., timezone=True, server_default="now()"),
            token=column(uuid.UUID, ..., server_default="gen_random_uuid()"),
            parent_id=column(int, 1, fk="parent.id", on_delete="cascade"),
        )
        self.assertEqual(len(await self.ensure(model)), 3)
        await self.assert_done(model)
        one, two = await maybe_await(self.repo(model).list())
        self.assertEqual((one.made, one.parent_id, two.parent_id), (two.made, 1, 1))
        self.assertNotEqual(one.token, two.token)


class OwnKeysContract(InItsOwnWords):
    """Primary keys, identities, sequences, and columns that the database computes."""

    async def test_keys_that_the_database_hands_out(self) -> None:
        """S3 M8 B2: an identity of either kind, a serial column, a sequence or a function of the user's."""
        function = "CREATE FUNCTION next_key() RETURNS bigint LANGUAGE sql AS 'SELECT 7 * nextval(''numbers'')'"
        self.run_as_it_is("CREATE SEQUENCE numbers", function)
        for key in (
            "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            "id bigint GENERATED BY DEFAULT AS IDENTITY, PRIMARY KEY (id) DEFERRABLE",
            "id bigserial PRIMARY KEY",
            "id bigint PRIMARY KEY DEFAULT nextval('numbers')",
            "id bigint PRIMARY KEY DEFAULT next_key()",
            "a text, id bigserial, PRIMARY KEY (id) INCLUDE (a)",
        ):
            with self.subTest(key=key):
                self.remake(key)
                model = thing()
                with self.logged():
                    await self.assert_done(model)
                repo = self.repo(model)
                stored = [
                    await maybe_await(repo.insert(model())),
                    *await maybe_await(repo.insert_many([model(), model()])),
                ]
                self.assertEqual(await maybe_await(repo.list(order_by="id")), stored)

    async def test_keys_that_it_does_not(self) -> None:
        """S3 M8: a key without a default, and with one that never changes; none at all; a UNIQUE in its place."""
        for key in (
            "id bigint PRIMARY KEY",
            "id bigint PRIMARY KEY DEFAULT 0",
            "id bigint PRIMARY KEY DEFAULT (1 + 1)",
            "id bigint GENERATED BY DEFAULT AS IDENTITY",
            "id bigint GENERATED BY DEFAULT AS IDENTITY UNIQUE",
        ):
            with self.subTest(key=key):
                self.remake(key)
                self.assertEqual(await self.conflicts(thing()), [("primary key", "id")])

    async def test_a_key_of_the_models_own(self) -> None:
        """S3 M8: the database may have a default for it, but has to take the model's value."""
        model = thing(key=PLAIN_KEY)
        for key in ("id bigserial PRIMARY KEY", f"id {self.backend.auto_key}", "id bigint PRIMARY KEY DEFAULT 0"):
            with self.subTest(key=key):
                self.remake(key)
                await self.assert_done(model)
        self.remake("id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
        self.assertEqual(await self.conflicts(model), [("column", "id")])

    async def test_columns_that_the_database_fills(self) -> None:
        """S3: no value can be written to a computed one and to an identity that is ALWAYS so; others may be filled."""
        key = f"id {self.backend.auto_key}"
        self.remake(
            f"{key}, a bigint GENERATED ALWAYS AS IDENTITY, b bigint NOT NULL GENERATED ALWAYS AS (id * 2) STORED"
        )
        model = thing(a=column(int, ...), b=column(int, ...))
        self.assertEqual(await self.conflicts(model), [("column", "a"), ("column", "b")])
        self.remake(f"{key}, a bigint GENERATED BY DEFAULT AS IDENTITY")
        await self.assert_done(thing(a=column(int, ...)))

    async def test_what_only_the_database_has(self) -> None:
        """S3: a row needs no value for an identity, a serial column and a domain that has a default of its own."""
        self.remake(
            f"id {self.backend.auto_key}, a bigint GENERATED ALWAYS AS IDENTITY, b serial, c label NOT NULL, "
            "EXCLUDE USING btree (b WITH =), CHECK (b > 0)",
            "CREATE DOMAIN label AS text DEFAULT 'none'",
        )
        before, model = self.schema(), thing()
        with self.logged():
            await self.assert_done(model)
        self.assertEqual(self.schema(), before)
        await maybe_await(self.repo(model).insert(model()))
        self.assertEqual(self.rows("SELECT a, b, c FROM thing"), [(1, 1, "none")])


class OwnIndexesContract(InItsOwnWords):
    """Indexes, and the constraints that bring them along."""

    async def test_changed_indexes_are_made_anew(self) -> None:
        """S3: where NULL goes, a class of operators, a collation, another method, an index that was never finished."""
        await self.assert_others(
            'CREATE INDEX "it\'s" ON thing (a, b NULLS FIRST)',
            'CREATE INDEX "it\'s" ON thing (a DESC NULLS LAST, b)',
            'CREATE INDEX "it\'s" ON thing (a text_pattern_ops, b)',
            'CREATE INDEX "it\'s" ON thing (a COLLATE "POSIX", b)',
            'CREATE INDEX "it\'s" ON thing USING hash (a)',
            'CREATE INDEX "it\'s" ON thing USING brin (a, b)',
            'CREATE INDEX "it\'s" ON thing (b, a) INCLUDE (id)',
        )

    async def test_a_unique_index_that_takes_one_null(self) -> None:
        """S3: it refuses rows that the model's would take."""
        with contextlib.closing(self.backend.raw()) as conn:
            if conn.info.server_version < 150000:
                self.skipTest("NULLS NOT DISTINCT came with PostgreSQL 15")
        await self.assert_others('CREATE UNIQUE INDEX "it\'s" ON thing (a, b) NULLS NOT DISTINCT', unique=True)

    async def test_an_index_that_was_never_finished(self) -> None:
        """S3: what CREATE INDEX CONCURRENTLY leaves behind is made anew, or a conflict while rows are equal."""
        model = thing(a=column(str, ..., unique_index=True))
        self.remake(f"id {self.backend.auto_key}, a text NOT NULL")
        self.run_as_it_is("INSERT INTO thing (a) VALUES ('x'), ('x')")
        with contextlib.suppress(Exception):  # whatever psycopg calls it: the rows are equal
            self.run_as_it_is("CREATE UNIQUE INDEX CONCURRENTLY uidx_thing_a ON thing (a)")
        self.assertEqual(self.backend.indexes(), ["uidx_thing_a"])
        error = await self.refused(model)
        self.assertIsInstance(error.__cause__, mini_orm.UniqueViolation)
        self.run_as_it_is("DELETE FROM thing WHERE id = 1")
        self.assertEqual([sql.split()[0] for sql in await self.ensure(model)], ["DROP", "CREATE"])
        await self.assert_done(model)

    async def test_the_same_index_in_other_words(self) -> None:
        """S3: how it is kept, and what else its leaves hold, is no change; nor is a UNIQUE of its name."""
        self.remake(
            f"id {self.backend.auto_key}, a text NOT NULL, b bigint NOT NULL, CONSTRAINT uidx_thing_b UNIQUE (b)"
        )
        self.run_as_it_is(
            'CREATE INDEX idx_thing_a_b ON thing USING btree ("a" ASC, b) INCLUDE (id) WITH (fillfactor = 70)'
        )
        model = thing(a=column(str, ...), b=column(int, ..., unique_index=True), indexes=[("a", "b")])
        with self.logged():
            await self.assert_done(model)

    async def test_a_constraint_of_the_name(self) -> None:
        """S3: its index can't be dropped alone, so that another one is a conflict."""
        for constraint in ("UNIQUE (b, a)", "UNIQUE (a)", "UNIQUE (a, b) DEFERRABLE", "EXCLUDE (a WITH =, b WITH =)"):
            with self.subTest(constraint=constraint):
                self.remake(
                    f"id {self.backend.auto_key}, a text NOT NULL, b bigint NOT NULL, CONSTRAINT mine {constraint}"
                )
                spec = IndexSpec(("a", "b"), unique=True, name="mine")
                model = thing(a=column(str, ...), b=column(int, ...), indexes=[spec])
                self.assertEqual(await self.conflicts(model), [("index", "mine")])

    async def test_indexes_that_only_the_database_has(self) -> None:
        """S3: those of constraints are not logged, and a missing index is made though a constraint does its work."""
        self.remake(f"id {self.backend.auto_key}, a text NOT NULL UNIQUE, EXCLUDE USING btree (a WITH =)")
        self.run_as_it_is("CREATE INDEX mine ON thing ((a || 'x'))")
        model = thing(a=column(str, ..., unique_index=True))
        with self.logged((logging.INFO, "'mine'")):
            self.assertEqual(await self.ensure(model), mini_orm.create_indexes_sql(model, self.db.dialect))

    async def test_a_partitioned_table(self) -> None:
        """S3: it is compared as any other, and an index over none of its partitions is made anew."""
        self.remake("id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, a text NOT NULL) PARTITION BY RANGE (id")
        self.run_as_it_is(
            "CREATE TABLE thing_1 PARTITION OF thing FOR VALUES FROM (0) TO (100)",
            "CREATE INDEX idx_thing_a ON ONLY thing (a)",
        )
        model = thing(a=column(str, ..., index=True))
        self.assertEqual([sql.split()[0] for sql in await self.ensure(model)], ["DROP", "CREATE"])
        with self.logged():
            await self.assert_done(model)


class OwnForeignKeysContract(InItsOwnWords):
    """Foreign keys, in what only this database can say of them."""

    async def test_foreign_keys(self) -> None:
        """S3: when a key is checked is no matter; what it does on delete is logged, where it is another thing."""
        self.run_as_it_is("CREATE TABLE parent (id bigint PRIMARY KEY, code bigint UNIQUE)")
        model = thing(a=column(Optional[int], None, fk="parent.id"))
        key = f"id {self.backend.auto_key}, a bigint"
        for references in ("DEFERRABLE INITIALLY DEFERRED", "MATCH FULL ON UPDATE CASCADE", "ON DELETE NO ACTION"):
            with self.subTest(references=references), self.logged():
                self.remake(f"{key} REFERENCES parent {references}")
                await self.assert_done(model)
        self.remake(f"{key} REFERENCES parent ON DELETE SET DEFAULT")
        with self.logged((logging.WARNING, "SET DEFAULT")):
            await self.assert_done(model)
        self.remake(f"{key} REFERENCES parent, FOREIGN KEY (a) REFERENCES parent (code)")
        self.assertEqual(await self.conflicts(model), [("foreign key", "a")])

    async def test_a_target_of_the_same_name_elsewhere(self) -> None:
        """S3: of two tables of one name it is the one that the name leads to; one that no name leads to will do."""
        elsewhere = self.backend.other("elsewhere")["schema"]
        self.run_as_it_is(f'CREATE TABLE "{elsewhere}".parent (id bigint PRIMARY KEY)')
        self.remake(f'id {self.backend.auto_key}, a bigint REFERENCES "{elsewhere}".parent')
        model = thing(a=column(Optional[int], None, fk="parent.id"))
        with self.logged():
            await self.assert_done(model)
        self.run_as_it_is("CREATE TABLE parent (id bigint PRIMARY KEY)")
        self.assertEqual(await self.conflicts(model), [("foreign key", "a")])


class OwnPlacesContract(InItsOwnWords):
    """What has the name of a table, and schemas."""

    async def test_something_else_in_its_place(self) -> None:
        """S3: whatever keeps a table from being made; nothing is dropped."""
        for kind, sql in {
            "view": "CREATE VIEW thing AS SELECT 1 AS id",
            "materialized view": "CREATE MATERIALIZED VIEW thing AS SELECT 1 AS id",
            "sequence": "CREATE SEQUENCE thing",
            "type": "CREATE TYPE thing AS ENUM ('a')",
        }.items():
            await self.assert_in_its_place(kind, sql)
            self.run_as_it_is(f"DROP {kind} thing")
        for sql in ("CREATE TYPE thing AS (a integer)", "CREATE DOMAIN thing AS integer"):
            await self.assert_in_its_place("type", sql)
            self.run_as_it_is(f"DROP {sql.split()[1]} thing")
        self.run_as_it_is(
            "CREATE TABLE hing (a integer)", "CREATE TYPE _thing AS ENUM ('a')"
        )  # arrays' types make room
        await self.ensure([thing(), thing(table="_hing")])

    async def test_a_foreign_table_in_its_place(self) -> None:
        """S3: what it keeps is another server's."""
        name = f"server_{self.backend.schema}"
        self.run_as_it_is(f"CREATE FOREIGN DATA WRAPPER {name}", f"CREATE SERVER {name} FOREIGN DATA WRAPPER {name}")
        self.addCleanup(self.run_as_it_is, f"DROP FOREIGN DATA WRAPPER {name} CASCADE")
        await self.assert_in_its_place(
            "foreign table", f"CREATE FOREIGN TABLE thing (id bigint NOT NULL) SERVER {name}"
        )

    async def test_names(self) -> None:
        """S3 M10: letters in another case are another name; of a long one the first 63 bytes count, whole letters."""
        self.run_as_it_is('CREATE TABLE "THING" ("ID" bigint)')
        model = thing(A=column(str, ..., index=True))
        self.assertEqual(len(await self.ensure(model)), 2)
        self.remake(f"id {self.backend.auto_key}, a text")
        self.assertEqual((await self.refused(model)).differences[0].name, "A")
        for name in ("x" * 63, "y" * 70, "z" * 62 + "é", "ü" * 40, 'a "quoted" %s'):
            with self.subTest(name=name):
                long = thing(
                    table=name,
                    a=column(str, ..., column=name, index=True),
                    b=column(Optional[int], None, column=f"b{name}", fk=f"{name}.id"),
                )
                await self.ensure(long)
                with self.logged():
                    await self.assert_done(long)

    async def test_two_schemas(self) -> None:
        """S3: the table that its name leads to is compared and changed, wherever it is, and no other."""
        elsewhere = self.backend.other("elsewhere")["schema"]
        both = await self.open(schema=f"{self.backend.schema},{elsewhere}")
        self.run_as_it_is(
            f'CREATE TABLE "{elsewhere}".thing (id {self.backend.auto_key})',
            f'CREATE TABLE "{elsewhere}".taken (a text)',
            "CREATE TABLE free (a text)",
            "CREATE INDEX idx_thing_b ON free (a)",
        )
        model = thing(a=column(str, "x"), b=column(Optional[int], None, index=True))
        self.assertEqual(len(await self.ensure(model, both)), 3)
        self.assertEqual(await self.ensure(model, both), [])
        self.assertEqual((self.backend.tables(), self.backend.tables(schema=elsewhere)), (["free"], ["taken", "thing"]))
        self.run_as_it_is(f'CREATE INDEX idx_thing_a ON "{elsewhere}".taken (a)')
        with self.assertRaises(mini_orm.SchemaConflictError) as caught:
            await self.ensure(thing(a=column(str, "x", index=True), b=column(Optional[int])), both)
        self.assertIn("'taken'", str(caught.exception))
        changed = thing(a=column(int, ...))
        with self.assertRaises(mini_orm.SchemaConflictError) as caught:
            await self.ensure(changed, both, schema_conflict="recreate")
        self.assertIn("another schema", str(caught.exception))
        self.assertEqual(self.backend.tables(schema=elsewhere), ["taken", "thing"])
        self.run_as_it_is("DROP INDEX idx_thing_b")
        self.remake(f"id {self.backend.auto_key}, a text")
        with self.assertLogs("mini_orm", "WARNING"):
            await self.ensure(changed, both, schema_conflict="recreate")
        self.assertEqual(
            (self.backend.tables(), self.backend.tables(schema=elsewhere)), (["free", "thing"], ["taken", "thing"])
        )


class OwnRecreateContract(InItsOwnWords):
    """`schema_conflict="recreate"`, with what depends on the table."""

    async def test_a_key_from_another_schema(self) -> None:
        """S3: its rows keep the table as those of any other do; without them the key is put back."""
        elsewhere = f'"{self.backend.other("elsewhere")["schema"]}"'
        self.remake(f"id {self.backend.auto_key}, a text")
        self.run_as_it_is(
            f"CREATE TABLE {elsewhere}.child (a bigint CONSTRAINT mine REFERENCES thing ON DELETE CASCADE)",
            "INSERT INTO thing DEFAULT VALUES",
            f"INSERT INTO {elsewhere}.child VALUES (1), (NULL)",
        )
        changed = thing(a=column(int, ...))
        self.assertIn(".child'", str(await self.refused(changed, schema_conflict="recreate")))
        self.run_as_it_is(f"DELETE FROM {elsewhere}.child WHERE a = 1")
        with self.logged((logging.WARNING, "'thing'")):
            await self.ensure(changed, schema_conflict="recreate")
        found = self.rows("SELECT conname FROM pg_constraint WHERE confrelid = 'thing'::regclass AND contype = 'f'")
        self.assertEqual(found, [("mine",)])

    async def test_a_key_that_fits_no_more(self) -> None:
        """S3: a foreign key of another table to what the new one does not have is gone, with a warning."""
        self.remake(f"id {self.backend.auto_key}, a text, code bigint UNIQUE")
        self.run_as_it_is("CREATE TABLE child (a bigint CONSTRAINT mine REFERENCES thing (code))")
        with self.logged((logging.WARNING, '"mine"'), (logging.WARNING, "'thing'")):
            statements = await self.ensure(thing(a=column(int, ...)), schema_conflict="recreate")
        self.assertEqual(statements[0], 'ALTER TABLE "child" DROP CONSTRAINT "mine"')
        self.assertEqual([sql for sql in statements if "ADD" in sql], [])

    async def test_what_depends_on_it_otherwise(self) -> None:
        """S3: the database does not drop what a view reads or a table inherits; nothing is changed."""
        changed = thing(a=column(int, ...))
        for kind, sql in {
            "VIEW": "CREATE VIEW other AS SELECT * FROM thing",
            "TABLE": "CREATE TABLE other () INHERITS (thing)",
        }.items():
            with self.subTest(kind=kind):
                self.remake(f"id {self.backend.auto_key}, a text")
                self.run_as_it_is("INSERT INTO thing (a) VALUES ('x')", sql)
                before = self.everything()
                with self.assertRaises(mini_orm.DatabaseError):
                    await self.ensure([thing(table="first"), changed], schema_conflict="recreate")
                self.assertEqual(self.everything(), before)
                self.assert_clean()
                self.run_as_it_is(f"DROP {kind} other")

    async def test_tables_of_a_circle(self) -> None:
        """S3: without rows that refer, both are made anew, in one transaction."""
        self.run_as_it_is(
            f"CREATE TABLE one (id {self.backend.auto_key}, a text, b bigint)",
            f"CREATE TABLE two (id {self.backend.auto_key}, a text, b bigint REFERENCES one)",
            "ALTER TABLE one ADD FOREIGN KEY (b) REFERENCES two",
            "INSERT INTO one DEFAULT VALUES",
        )
        models = [
            thing(table=name, a=column(int, ...), b=column(Optional[int], None, fk=f"{other}.id"))
            for name, other in (("one", "two"), ("two", "one"))
        ]
        with self.logged(*((logging.WARNING, f"'{name}'") for name in ("two", "one"))):
            await self.ensure(models, schema_conflict="recreate")
        await self.assert_done(*models)
