"""Live schema (S3 and S4) in MySQL's own words: types, defaults, keys, indexes, engines, and other databases."""

from __future__ import annotations

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


class MySQLTypesContract(InItsOwnWords):
    """Types: the same in other words, good enough, or others."""

    async def test_types_that_are_the_same(self) -> None:
        """S4: other names, and the width in which a number is shown."""
        model = self.with_types(
            [
                (int, {}, ["bigint", "bigint(20)", "int8", "bigint(5)"]),
                (float, {}, ["double", "double precision", "real", "float8", "float(53)"]),
                (bool, {}, ["bool", "boolean", "tinyint(1)"]),
                (str, {}, ["longtext", "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "varchar(255)"]),
                (str, {"max_length": 20}, ["varchar(20)", "character varying(20)", "national varchar(20)"]),
                (Decimal, {}, ["decimal(38,10)"]),
                (Decimal, {"precision": 8, "scale": 2}, ["numeric(8,2)", "dec(8, 2)", "fixed(8,2)"]),
                (Decimal, {"precision": 8}, ["decimal(8)"]),
                (dt.datetime, {}, ["datetime(6)", "datetime(6) DEFAULT NOW(6) ON UPDATE NOW(6)"]),
                (dt.datetime, {"timezone": True}, ["datetime(6)"]),
                (dt.date, {}, ["date"]),
                (dt.time, {}, ["time(6)"]),
                (dt.timedelta, {}, ["bigint"]),
                (uuid.UUID, {}, ["char(36)"]),
                (bytes, {}, ["longblob"]),
                (list, {}, ["json"]),
            ]
        )
        with self.logged((logging.WARNING, "varchar(255)")):  # as long as that of a text with an index
            await self.assert_done(model)

    async def test_types_that_will_do(self) -> None:
        """S3 S4 R1 Q6: a narrower number or text, and text for JSON and UUID, are logged, keep what fits, are found."""
        token = uuid.UUID(int=7)
        integers = ("int", "int(11)", "mediumint", "smallint(3)", "tinyint", "bigint unsigned", "int unsigned zerofill")
        values: list[tuple[Any, str]] = [
            *((5, type_) for type_ in integers),
            *((0.5, type_) for type_ in ("float", "float(24)")),
            *(("x", type_) for type_ in ("text", "mediumtext")),
            *((b"x", type_) for type_ in ("blob", "mediumblob", "varbinary(255)")),
            *((token, type_) for type_ in ("text", "longtext", "varchar(36)")),
            *(({"a": [1, None]}, type_) for type_ in ("text", "mediumtext")),
        ]
        model = self.with_types([(type(value), {}, [type_]) for value, type_ in values])
        with self.logged(*((logging.WARNING, f"'c{place}'") for place in range(len(values)))):
            await self.assert_done(model)
        repo = self.repo(model)
        made = model(**{f"c{place}": value for place, (value, _) in enumerate(values)})
        await maybe_await(repo.insert(made))
        self.assertEqual(await maybe_await(repo.get(made.id)), made)
        for place, (value, _) in enumerate(values):
            for where in (C.eq(f"c{place}", value), C.in_(f"c{place}", [value])):
                self.assertEqual(await maybe_await(repo.count(where)), 1, where)

    async def test_types_that_differ(self) -> None:
        """S3 S4: another kind, a limit that the model does not have, digits after the point that are rounded away."""
        model = self.with_types(
            [
                (int, {}, ["tinyint(1)", "decimal(20,0)", "double", "bit(8)", "year", "text", "decimal(8,2) unsigned"]),
                (float, {}, ["decimal(8,2)", "bigint", "double(10,2)", "float(7,4)"]),
                (bool, {}, ["tinyint(4)", "bit(1)", "char(1)"]),
                (str, {}, ["varchar(20)", "char(255)", "tinytext", "enum('a','b')", "set('a')", "longblob"]),
                (str, {"max_length": 20}, ["varchar(19)", "varchar(21)", "char(20)", "text", "varbinary(20)"]),
                (Decimal, {}, ["decimal(8,2)", "decimal(65,10)", "double"]),
                (Decimal, {"precision": 8, "scale": 2}, ["decimal(8,3)", "decimal(9,2)", "decimal(8)"]),
                (dt.datetime, {}, ["datetime", "datetime(3)", "timestamp(6) DEFAULT NOW(6)", "date", "text"]),
                (dt.datetime, {"timezone": True}, ["timestamp(6) DEFAULT NOW(6)", "datetime"]),
                (dt.date, {}, ["datetime(6)", "text", "year"]),
                (dt.time, {}, ["time", "time(3)", "text"]),
                (dt.timedelta, {}, ["time(6)", "decimal(20,0)"]),
                (uuid.UUID, {}, ["binary(16)", "char(32)", "varchar(40)"]),
                (dict, {}, ["longblob", "varchar(255)"]),
                (bytes, {}, ["longtext", "binary(16)", "bit(8)", "varbinary(20)", "tinyblob"]),
            ]
        )
        await self.assert_each_differs(model)

    async def test_texts_of_another_collation(self) -> None:
        """S3 S4 Q3: it is the user's, and compares; what its character set does not have is an error, and not cut."""
        self.remake(
            f"id {self.backend.auto_key}, a longtext COLLATE utf8mb4_general_ci NOT NULL, "
            "b varchar(9) CHARACTER SET latin1 NOT NULL"
        )
        model = thing(a=column(str, ...), b=column(str, ..., max_length=9))
        with self.logged():
            await self.assert_done(model)
        repo = self.repo(model)
        made = await maybe_await(repo.insert(model(a="Ä", b="Ä")))
        self.assertEqual(await maybe_await(repo.get(made.id)), made)
        for where, number in ((C.eq("a", "a"), 1), (C.eq("b", "Ä"), 1), (C.startswith("a", "ä"), 0)):
            self.assertEqual(await maybe_await(repo.count(where)), number, where)
        for value in ("\U0001f389", "ж"):
            with self.assertRaises(mini_orm.DataError):
                await maybe_await(repo.insert(model(a="x", b=value)))
        self.assertEqual(self.rows("SELECT count(*) FROM thing"), [(1,)])


class MySQLDefaultsContract(InItsOwnWords):
    """Defaults, which the catalog shows in words of its own."""

    async def test_a_second_run_finds_the_same(self) -> None:
        """S3 S4 M9: a literal is compared by its value, and an expression whatever the catalog makes of it."""
        defaults: list[tuple[Any, dict[str, Any], list[str]]] = [
            (int, {}, ["7", "-7", "(-7)", "'7'", "0x1F", "1 + 1", "abs(-1)", "coalesce(NULL, 3)", "TRUE"]),
            (int, {}, ["2147483648", "-9223372036854775808", "CAST(7 AS signed)", "year(now())"]),
            (float, {}, ["0.5", "1e3", "'1e3'", ".5", "5.", "-1e-7", "rand()"]),
            (Decimal, {}, ["1.50", "'1.50'", "-1.5"]),
            (Decimal, {"precision": 8, "scale": 2}, ["1.5", "1.50"]),
            (bool, {}, ["true", "FALSE", "1", "1 = 1"]),
            (str, {}, ["'it''s'", "''", "concat('a', 'b')", "lower('ABC')", "user()", "'-1'", "'NULL'", "'now()'"]),
            (str, {}, ["'100%'", "md5('x')", "'ünï 🎉'", "'a \"b\" `c`'", "'(x)'", "hex(7)", "if(1 > 0, 'a', 'b')"]),
            (str, {"max_length": 5}, ["'x'", "'7'", "''", "'(a)'", "'NULL'"]),
            (dt.datetime, {}, ["CURRENT_TIMESTAMP", "now()", "NOW(6)", "'2024-02-29'", "'2024-02-29 10:00'"]),
            (dt.datetime, {}, ["utc_timestamp()", "now() + interval 1 day", "TIMESTAMP '2024-01-01 00:00:00'"]),
            (dt.datetime, {"timezone": True}, ["now()", "CURRENT_TIMESTAMP(6)", "'2024-02-29 10:00:00.5'"]),
            (dt.date, {}, ["'2024-02-29'", "CURRENT_DATE", "curdate()", "date '2024-02-29'"]),
            (dt.time, {}, ["'10:00'", "'10:00:00.5'", "curtime()", "CURRENT_TIME"]),
            (dt.timedelta, {}, ["0", "'1000'"]),
            (uuid.UUID, {}, ["uuid()", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "'a0eebc999c0b4ef8bb6d6bb9bd380a11'"]),
            (dict, {}, ["'{}'", '\'{"b":1,"a":[1,2]}\'', "json_object()", "'{\"a\": \"it''s\"}'"]),
            (list, {}, ["'[1.0, true]'", "json_array()"]),
            (bytes, {}, ["x'00ff'", "'abc'", "''", "unhex('00')"]),
        ]
        columns = [(annotation, metadata, default) for annotation, metadata, some in defaults for default in some]
        model = thing(
            **{
                f"c{place}": column(annotation, ..., server_default=default, **metadata)
                for place, (annotation, metadata, default) in enumerate(columns)
            }
        )
        await self.ensure(model)
        await self.assert_done(model)

    async def test_defaults_that_the_user_wrote(self) -> None:
        """S3 M9: with parentheses, as MySQL has to have them, or without."""
        written: list[tuple[Any, str, str, list[str]]] = [
            (int, "bigint", "7", ["7", "'7'", "(7)", "+7"]),
            (str, "varchar(20)", "'it''s'", ["'it''s'", "('it''s')", '"it\'s"', r"'it\'s'", "_utf8mb4'it''s'"]),
            (dt.date, "date", "'2024-02-29'", ["'2024-02-29'", "('2024-02-29')"]),
            (dt.datetime, "datetime(6)", "now()", ["NOW(6)", "CURRENT_TIMESTAMP(6)", "(NOW(6))"]),
            (Decimal, "decimal(38,10)", "1.5", ["1.5", "1.50", "'1.5'"]),
            (bool, "tinyint(1)", "TRUE", ["1", "TRUE", "'1'"]),
        ]
        for annotation, type_, wanted, texts in written:
            metadata = {"max_length": 20} if annotation is str else {}
            model = thing(a=column(annotation, ..., server_default=wanted, **metadata))
            for text in texts:
                with self.subTest(type=type_, text=text):
                    quotes = "SET SESSION sql_mode = REPLACE(@@sql_mode, 'ANSI_QUOTES', '')"
                    self.run_as_it_is("DROP TABLE IF EXISTS thing", quotes)
                    declaration = f"CREATE TABLE thing (id {self.backend.auto_key}, a {type_} NOT NULL DEFAULT {text})"
                    self.run_as_it_is(quotes, declaration)
                    await self.assert_done(model)

    async def test_other_defaults(self) -> None:
        """S3 M9: none, or another value, however alike the words are."""
        others: list[tuple[Any, str, str, list[str]]] = [
            (int, "bigint", "7", ["", "DEFAULT 8", "DEFAULT -7", "DEFAULT (7 + 0)"]),
            (str, "longtext", "'now()'", ["", "DEFAULT (now())", "DEFAULT ('NOW()')", "DEFAULT ('')"]),
            (str, "longtext", "'NULL'", ["", "DEFAULT ('null')"]),
            (dt.datetime, "datetime(6)", "now()", ["", "DEFAULT (utc_timestamp(6))", "DEFAULT '2024-01-01'"]),
            (dict, "json", "'{}'", ["", "DEFAULT ('[]')", "DEFAULT (json_object())"]),
        ]
        for annotation, type_, wanted, declarations in others:
            for declaration in declarations:
                with self.subTest(type=type_, declaration=declaration):
                    self.remake(f"id {self.backend.auto_key}, a {type_} NOT NULL {declaration}")
                    model = thing(a=column(annotation, ..., server_default=wanted))
                    self.assertEqual([d.name for d in (await self.refused(model)).differences], ["a"])


class MySQLKeysContract(InItsOwnWords):
    """Keys, and columns that the database fills."""

    async def test_keys_that_the_database_hands_out(self) -> None:
        """S3 M8: AUTO_INCREMENT, of whatever width; a narrower one is logged."""
        model = thing()
        for key, logs in (
            ("id bigint AUTO_INCREMENT, PRIMARY KEY (id)", ()),
            ("id bigint NOT NULL PRIMARY KEY AUTO_INCREMENT, a int DEFAULT 1", ()),
            ("id serial PRIMARY KEY", ("bigint",)),
            ("id int unsigned AUTO_INCREMENT PRIMARY KEY", ("int",)),
        ):
            with self.subTest(key=key):
                self.remake(key)
                with self.logged(*((logging.WARNING, part) for part in logs)):
                    await self.assert_done(model)
                repo = self.repo(model)
                stored = [
                    await maybe_await(repo.insert(model())),
                    *await maybe_await(repo.insert_many([model(), model()])),
                ]
                self.assertEqual([one.id for one in stored], [1, 2, 3])

    async def test_keys_that_it_does_not(self) -> None:
        """S3 M8: a key without AUTO_INCREMENT; AUTO_INCREMENT in a column that is no key, or but a part of one."""
        for key, name in (
            ("id bigint PRIMARY KEY", "id"),
            ("id bigint PRIMARY KEY DEFAULT 0", "id"),
            ("id bigint AUTO_INCREMENT UNIQUE", "id"),
            ("id bigint AUTO_INCREMENT, a bigint DEFAULT 1, PRIMARY KEY (id, a)", "id"),
        ):
            with self.subTest(key=key):
                self.remake(key)
                self.assertEqual(await self.conflicts(thing()), [("primary key", name)])

    async def test_a_key_of_the_models_own(self) -> None:
        """S3 M8: AUTO_INCREMENT takes the model's values, but for 0: that is logged."""
        model = thing(key=PLAIN_KEY)
        self.remake(f"id {self.backend.auto_key}")
        with self.logged((logging.WARNING, "takes 0")):
            await self.assert_done(model)
        self.remake("id bigint PRIMARY KEY DEFAULT 7")
        with self.logged():
            await self.assert_done(model)

    async def test_columns_that_the_database_fills(self) -> None:
        """S3: a computed column, stored or not, takes no value of a model's; one that follows an UPDATE does."""
        self.remake(
            f"id {self.backend.auto_key}, x int DEFAULT 1, a bigint AS (x * 2) STORED, b bigint AS (x * 2) VIRTUAL"
        )
        model = thing(a=column(Optional[int]), b=column(Optional[int]))
        self.assertEqual(await self.conflicts(model), [("column", "a"), ("column", "b")])
        self.remake(
            f"id {self.backend.auto_key}, a datetime(6) NOT NULL DEFAULT NOW(6) ON UPDATE NOW(6), b int DEFAULT 1"
        )
        moment = dt.datetime(2024, 2, 29, 1, 2, 3, 4)
        clock = thing(a=column(dt.datetime, ...))
        with self.logged():
            await self.assert_done(clock)
        repo = self.repo(clock)
        made = await maybe_await(repo.insert(clock(a=moment)))
        self.run_as_it_is("UPDATE thing SET b = 2")
        self.assertNotEqual((await maybe_await(repo.get(made.id))).a, moment)
        await maybe_await(repo.update(made))
        self.assertEqual(await maybe_await(repo.get(made.id)), made)


class MySQLIndexesContract(InItsOwnWords):
    """Indexes, and the keys that bring them along or need them."""

    async def test_changed_indexes_are_made_anew(self) -> None:
        """S3: over the beginning of a text, of another kind."""
        await self.assert_others(
            'CREATE INDEX "it\'s" ON thing (a(10), b)',
            'CREATE FULLTEXT INDEX "it\'s" ON thing (a)',
        )

    async def test_the_same_index_in_other_words(self) -> None:
        """S3: a comment, and that the planner leaves it alone, is no change; nor is a UNIQUE of its name."""
        hidden = "IGNORED" if self.backend.is_mariadb else "INVISIBLE"
        self.remake(
            f"id {self.backend.auto_key}, a varchar(255) NOT NULL, b bigint NOT NULL, UNIQUE UIDX_thing_b (b), "
            f"KEY idx_thing_a_b USING BTREE (a ASC, b) COMMENT 'mine' {hidden}"
        )
        model = thing(a=column(str, ...), b=column(int, ..., unique_index=True), indexes=[("a", "b")])
        with self.logged():
            await self.assert_done(model)

    async def test_an_index_that_a_foreign_key_needs(self) -> None:
        """S3: it is never gone: the other one takes its place in the same statement."""
        self.remake(
            f"id {self.backend.auto_key}, a bigint, b bigint NOT NULL, KEY mine (a), "
            "FOREIGN KEY (a) REFERENCES thing (id)"
        )
        spec = IndexSpec(("a", "b"), name="mine")
        model = thing(a=column(Optional[int], None, fk="thing.id"), b=column(int, ...), indexes=[spec])
        await self.assert_made_anew(model)
        with self.logged():
            await self.assert_done(model)

    async def test_indexes_that_only_the_database_has(self) -> None:
        """S3: those of keys are not logged; a missing index is made though another does its work."""
        self.remake(
            f"id {self.backend.auto_key}, a varchar(255) NOT NULL, b bigint, p bigint, UNIQUE (a), "
            "CONSTRAINT to_itself FOREIGN KEY (p) REFERENCES thing (id), KEY mine (b)"
        )
        model = thing(a=column(str, ..., unique_index=True), b=column(Optional[int]))
        with self.logged((logging.INFO, "'mine'")):
            self.assertEqual(await self.ensure(model), mini_orm.create_indexes_sql(model, self.db.dialect))

    async def test_names_of_indexes(self) -> None:
        """S3: each table has its own: another's index, table or view of the name is no matter."""
        self.run_as_it_is(
            "CREATE TABLE other (a bigint, KEY idx_thing_a (a))",
            "CREATE TABLE uidx_thing_b (a bigint)",
        )
        model = thing(a=column(int, ..., index=True), b=column(int, ..., unique_index=True))
        self.assertEqual(len(await self.ensure([model, thing(table="later", a=column(int, ...))])), 4)
        with self.logged():
            await self.assert_done(model)


class MySQLForeignKeysContract(InItsOwnWords):
    """Foreign keys, in what only this database can say of them."""

    async def test_foreign_keys(self) -> None:
        """S3: RESTRICT is the same as no action, and what follows an update is no matter."""
        self.run_as_it_is("CREATE TABLE parent (id bigint PRIMARY KEY, code bigint UNIQUE)")
        key = f"id {self.backend.auto_key}, a bigint, FOREIGN KEY (a) REFERENCES parent (id)"
        for on_delete in (None, "restrict", "no action"):
            model = thing(a=column(Optional[int], None, fk="parent.id", on_delete=on_delete))
            for references in ("", "ON DELETE RESTRICT", "ON DELETE NO ACTION ON UPDATE CASCADE"):
                with self.subTest(on_delete=on_delete, references=references), self.logged():
                    self.remake(f"{key} {references}")
                    await self.assert_done(model)
        self.remake(f"{key} ON DELETE SET NULL, FOREIGN KEY (a) REFERENCES parent (code)")
        with self.assertNoLogs("mini_orm"):
            self.assertEqual(await self.conflicts(model), [("foreign key", "a")])

    async def test_a_target_in_another_database(self) -> None:
        """S3: a table of the same name there is another table."""
        elsewhere = self.backend.other("elsewhere")["schema"]
        self.run_as_it_is(
            f"CREATE TABLE {elsewhere}.parent (id bigint PRIMARY KEY)", "CREATE TABLE parent (id bigint PRIMARY KEY)"
        )
        self.remake(f"id {self.backend.auto_key}, a bigint, FOREIGN KEY (a) REFERENCES {elsewhere}.parent (id)")
        model = thing(a=column(Optional[int], None, fk="parent.id"))
        self.assertEqual(await self.conflicts(model), [("foreign key", "a")])

    async def test_a_key_from_another_database(self) -> None:
        """S3: the server keeps the table that rows there refer to; nothing of it is changed."""
        elsewhere = self.backend.other("elsewhere")["schema"]
        self.remake(f"id {self.backend.auto_key}, a longtext")
        self.run_as_it_is(
            f"CREATE TABLE {elsewhere}.child (a bigint, FOREIGN KEY (a) REFERENCES {self.backend.schema}.thing (id) "
            "ON DELETE CASCADE)",
            "INSERT INTO thing VALUES (1, 'x')",
            f"INSERT INTO {elsewhere}.child VALUES (1)",
        )
        before = self.everything()
        with self.assertRaises(mini_orm.DatabaseError):
            await self.ensure(thing(a=column(int, ...)), schema_conflict="recreate")
        self.assertEqual(self.everything(), before)
        self.assertEqual(self.rows(f"SELECT a FROM {elsewhere}.child"), [(1,)])
        self.run_as_it_is(f"DROP TABLE {elsewhere}.child")  # else the server keeps the test's database, too

    async def test_a_key_that_fits_no_more(self) -> None:
        """S3: a foreign key of another table to what the new one does not have is gone, with a warning."""
        self.remake(f"id {self.backend.auto_key}, a text, code bigint UNIQUE")
        self.run_as_it_is(
            "CREATE TABLE child (a bigint, b bigint, CONSTRAINT mine FOREIGN KEY (a) REFERENCES thing (code), "
            "CONSTRAINT kept FOREIGN KEY (b) REFERENCES thing (id) ON DELETE CASCADE)"
        )
        with self.logged((logging.WARNING, "`mine`"), (logging.WARNING, "'thing'")):
            await self.ensure(thing(a=column(int, ...)), schema_conflict="recreate")
        found = self.rows(
            "SELECT constraint_name, delete_rule FROM information_schema.referential_constraints "
            "WHERE constraint_schema = DATABASE() AND table_name = 'child'"
        )
        self.assertEqual(found, [("kept", "CASCADE")])


class MySQLPlacesContract(InItsOwnWords):
    """What has the name of a table, how a table is kept, and other databases."""

    async def test_an_engine_without_transactions(self) -> None:
        """S3 X1: a transaction could take nothing back that is written there; the error says so."""
        for engine in ("MyISAM", "MEMORY"):
            with self.subTest(engine=engine):
                self.run_as_it_is(
                    "DROP TABLE IF EXISTS thing", f"CREATE TABLE thing (id {self.backend.auto_key}) ENGINE={engine}"
                )
                self.assertIn(engine, str(await self.refused(thing())))
                self.assertEqual(await self.conflicts(thing()), [("table", "thing")])

    async def test_something_else_in_its_place(self) -> None:
        """S3: what keeps a table from being made; nothing is dropped."""
        kinds = {"view": "CREATE VIEW thing AS SELECT 1 AS id"}
        if self.backend.is_mariadb:
            kinds["sequence"] = "CREATE SEQUENCE thing"
        for kind, sql in kinds.items():
            await self.assert_in_its_place(kind, sql)
            self.run_as_it_is(f"DROP {kind} thing")
        await self.ensure(thing())

    async def test_a_table_that_keeps_its_history(self) -> None:
        """S3: it is compared as any other."""
        if not self.backend.is_mariadb:
            self.skipTest("only MariaDB keeps the history of a table")
        self.run_as_it_is(f"CREATE TABLE thing (id {self.backend.auto_key}, a longtext) WITH SYSTEM VERSIONING")
        model = thing(a=column(Optional[str]))
        with self.logged():
            await self.assert_done(model)

    async def test_names(self) -> None:
        """S3 M10: a table's is compared as the server does it, those of columns and indexes by any case of letters."""
        self.remake(f"ID {self.backend.auto_key}, SIZE bigint NOT NULL, KEY IDX_THING_SIZE (SIZE)")
        with self.logged():
            await self.assert_done(thing(size=column(int, ..., index=True)))
        minds_case = self.rows("SELECT @@lower_case_table_names") == [(0,)]
        self.assertEqual(len(await self.ensure(thing(table="THING", size=column(int, ...)))), int(minds_case))
        for name in ("x" * 64, "é" * 63, 'a "quoted" `%s`', "it's\\"):
            with self.subTest(name=name):
                long = thing(
                    table=name,
                    a=column(str, ..., column=name, index=True, index_name=f"{name[:60]}_i"),
                )
                await self.ensure(long)
                with self.logged():
                    await self.assert_done(long)

    async def test_tables_of_another_database(self) -> None:
        """S3: what has the same names there is neither looked at nor changed."""
        elsewhere = self.backend.other("elsewhere")["schema"]
        self.run_as_it_is(
            f"CREATE TABLE {elsewhere}.thing (id text, a bigint, KEY idx_thing_a (a))",
            f"CREATE TABLE {elsewhere}.child (a bigint)",
        )
        model = thing(a=column(str, "x", index=True))
        self.assertEqual(await self.ensure(model), mini_orm.create_schema_sql(model, self.db.dialect))
        with self.logged():
            await self.assert_done(model)
        self.assertEqual(self.backend.tables(schema=elsewhere), ["child", "thing"])
