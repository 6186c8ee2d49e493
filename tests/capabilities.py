"""Why a backend does not run a test: the capabilities that contracts ask for, each with the reason where one lacks it.

`scripts/rules_table.py` puts the reasons below the table of contracts and backends in tests/README.md, and finds no
excuse for a test that a backend does not run without one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.backends import MYSQL_BACKENDS, POOLED_BACKENDS, POSTGRES_BACKENDS, SQLITE_BACKENDS
from tests.vector_backends import VECTOR_BACKENDS

#: The columns of the tables.
FAMILIES: Mapping[str, Sequence[type]] = {
    "SQLite": SQLITE_BACKENDS,
    "PostgreSQL": POSTGRES_BACKENDS,
    "MySQL": MYSQL_BACKENDS,
    "Pools": POOLED_BACKENDS,
    "Vectors": VECTOR_BACKENDS,
}

CAPABILITIES: Mapping[str, str] = {
    "aborts_on_errors": "transactions of SQLite and MySQL go on after a statement has failed",
    "checks_names": "the user's store takes the names that its repository has checked",
    "checks_payloads": "the user's store keeps what it is given, as it is",
    "commits_ddl": "a transaction of SQLite and PostgreSQL takes statements that change the schema",
    "conflicts_roll_back": "only SQLite has ON CONFLICT ROLLBACK, with which a failed statement ends its transaction",
    "ends_transactions": "only MySQL ends a transaction at a deadlock, or at a statement that changes the schema",
    "finds_free_keys": "MySQL gives out keys above the largest one alone",
    "forgets_statements": "MySQL's sessions keep what was prepared by a name",
    "names_uniques_itself": "a UNIQUE has a name there, which a model can give an index",
    "has_nocase": "NOCASE, and names in quotes that stand for a text, are SQLite's",
    "has_rowids": "SQLite's integer key is the number of the row itself",
    "has_schemas": "SQLite has no schemas, sequences, types of the user's own and materialized views",
    "has_virtual_tables": "virtual tables are SQLite's",
    "interrupts_statements": "the drivers of MySQL can't end a statement that the server runs",
    "interleaves_reading": "MySQL takes no statement while rows of another one are on their way",
    "keeps_nan": "SQLite and MySQL have no NaN",
    "limits_added_columns": "PostgreSQL adds columns with any default and any foreign key",
    "limits_packets": "only MySQL has a limit for the length of a statement",
    "locks_file": "SQLite locks the whole file, for who reads and for who writes; a server locks rows",
    "opens_in_autocommit": "psycopg2 takes no mode when it connects",
    "reads_alone": "SQLite and PostgreSQL take statements while rows of another one are read",
    "refuses_commits": "only PostgreSQL checks at a COMMIT what could refuse it",
    "refuses_scripts": "PostgreSQL, mysqlclient and asyncmy run several statements of one text",
    "repeats_values": "what values become its driver shows on the other face, and worker threads with another driver",
    "savepoints_begin": "outside of a transaction only SQLite takes a savepoint, which opens one",
    "shares_names": "names of MySQL's indexes are those of one table, and names of tables may mind case",
    "stores_anything": "only SQLite's columns take values of any type, and text of any bytes",
    "stores_text": "PostgreSQL and MySQL have types of their own for what SQLite keeps as text",
    "supports_any_id": "Qdrant's ids are UUIDs",
    "supports_autocommit": "about the attribute `autocommit`, which sqlite3 does not always have, and asyncpg never",
    "supports_awaited_pools": "the pool's connections are opened by a call that blocks",
    "supports_blocking_calls": "about calls that block, and the calls of this face are awaited",
    "supports_conditions": "the user's store takes mappings as filters, and no conditions; Faiss has no filters",
    "supports_dangling_keys": "PostgreSQL and MySQL enforce foreign keys always",
    "supports_deferred_keys": "MySQL checks foreign keys at once",
    "supports_description": "the user's store does not tell the dimension and metric of a collection",
    "supports_driver_commit": "asyncpg has no call that commits, and psycopg2's ends nothing that it did not begin",
    "supports_early_foreign_keys": "PostgreSQL and MySQL want the table that a foreign key refers to before the key",
    "supports_expression_indexes": "MariaDB has no index on an expression, and none of some rows",
    "supports_filters": "Faiss has no filters",
    "supports_functions": "SQL functions of the test's own are SQLite's",
    "supports_implicit_begin": "asyncpg is always in autocommit: no transaction begins by itself",
    "supports_isolation_level": "isolation_level, detect_types and check_same_thread are sqlite3's",
    "supports_own_connect": "a connection bound to the loop's thread is opened there, by a function of ours",
    "supports_row_factory": "asyncpg takes the class of its rows when it connects",
    "supports_tasks": "about tasks and their cancellation, and the calls of this face block",
    "supports_text_conditions": (
        "the user's store takes mappings as filters, and no conditions; Faiss has no filters; "
        "Qdrant finds no ends of texts, and Chroma no part of one"
    ),
    "supports_text_order": (
        "the user's store takes mappings as filters, and no conditions; Faiss has no filters; "
        "Qdrant and Chroma have no order of texts"
    ),
    "supports_thread_check": "only sqlite3 binds its connections to threads",
    "supports_threads": "the connection is bound to the loop's thread",
    "supports_transactional_ddl": "MySQL commits the transaction before a statement that changes the schema",
    "supports_zeroblob": "zeroblob, which makes a value that is too large, is SQLite's",
    "survives_errors": "PostgreSQL's transactions take nothing but a rollback after a statement has failed",
    "takes_any_type": "SQLite takes any words for a type; those of PostgreSQL are tried in its own words",
    "takes_null_for_a_default": "MySQL refuses NULL as the default of a column that is NOT NULL",
    "tells_temporary_tables": "MySQL's catalog leaves temporary tables out",
    "triggers_skip_rows": "a trigger of MySQL can't leave a row out without an error",
    "triggers_write_their_table": "a trigger of MySQL can't write into the table whose statement fired it",
    "uses_file": "SQLite's databases are files, or in memory; a server's are neither",
    "uses_pragmas": "pragmas are SQLite's",
    "waits_for_statements": "the driver ends a statement whose caller is cancelled",
}

#: Contracts that are bound to some backends only, by name.
CHOSEN: Mapping[str, str] = {
    "AsyncConnectionContract": "about tasks, and the calls of this face block",
    "BlockingDriverContract": "about a driver that blocks, under the face that awaits",
    "CancellationContract": "about tasks and their cancellation, and the calls of this face block",
    "CopyContract": "about COPY, which PostgreSQL alone has",
    "CountedKeysContract": "the other databases tell each key, or hand keys out before",
    "GivenKeysContract": "about keys of a sequence that are handed out before their rows",
    "InlineContract": "about a connection that works in the loop's own thread",
    "InspectContract": "the command line opens blocking connections; others show how drivers read the catalog",
    "InterruptContract": "about interrupting a connection in a worker thread, and the calls of this face block",
    "LostIterateContract": "about a server that ends a session",
    "InspectProperty": "the SQL is the dialect's, and one driver of a server shows that",
    "LiveSchemaProperty": "the SQL is the dialect's, and one driver of a server shows that; it takes its time",
    **dict.fromkeys(
        ("LostServerContract", "LostSessionContract"),
        "what a loss does in worker threads PostgreSQL's show, and MariaDB takes its time to start again",
    ),
    "MySQLHealthContract": "about a server that goes away; the backend only says the face",
    "MySQLUrlContract": "about URLs of MySQL and MariaDB; the backend only says the face",
    "NativeDriverContract": "about a driver whose connections are awaited",
    "PipelineContract": "about a mode of psycopg's connections",
    "OffTheLoopContract": "about work away from the event loop, and the calls of this face block",
    **dict.fromkeys(
        (
            "MySQLDefaultsContract",
            "MySQLForeignKeysContract",
            "MySQLIndexesContract",
            "MySQLKeysContract",
            "MySQLPlacesContract",
            "MySQLTypesContract",
            "OwnDefaultsContract",
            "OwnForeignKeysContract",
            "OwnIndexesContract",
            "OwnKeysContract",
            "OwnPlacesContract",
            "OwnRecreateContract",
            "OwnTypesContract",
        ),
        "the catalog is one database's, and read by each driver in one way, whatever the face",
    ),
    "PathProperties": "the SQL is the dialect's, and a driver on each face shows that; the property takes its time",
    **dict.fromkeys(
        (
            "PgVectorCancelContract",
            "PgVectorIndexContract",
            "PgVectorLargeContract",
            "PgVectorTableContract",
            "PgVectorTransactionContract",
        ),
        "about tables, transactions and indexes of PostgreSQL, and calls that are cancelled there",
    ),
    "PostgresUrlContract": "about URLs of PostgreSQL; the backend only says the face",
    "QueryProperties": "the SQL is the dialect's, and one driver of a server shows that; it takes its time",
    "ServerHealthContract": "about a server that goes away; the backend only says the face",
    "SqliteUrlContract": "about URLs of SQLite; the backend only says the face",
    "VectorNoConditionContract": "about what a store refuses that takes no conditions",
}
