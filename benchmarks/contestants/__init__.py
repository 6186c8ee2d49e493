"""Who takes part: one class for each way to do the operations, by database.

A class is named as `module:Class` and imported in its own process, so that a package that is not installed there is a
gap in the table, and no contestant carries the modules of another one.
"""

from __future__ import annotations

#: The name of the first one begins those by whom others are measured (`baseline_of`); one name may have several
#: classes, each with operations of its own (the awaited ones).
CONTESTANTS: dict[str, dict[str, tuple[str, ...]]] = {
    "sqlite": {
        "raw": (
            "benchmarks.contestants.sqlite_raw:RawSqlite3",
            "benchmarks.contestants.sqlite_aiosqlite:RawAiosqlite",
        ),
        "mini_orm": (
            "benchmarks.contestants.sqlite_mini_orm:MiniOrm",
            "benchmarks.contestants.sqlite_mini_orm:AsyncMiniOrm",
        ),
    },
    "postgres": {
        "raw": (
            "benchmarks.contestants.postgres_psycopg:RawPsycopg",
            "benchmarks.contestants.postgres_asyncpg:RawAsyncpg",
        ),
        "mini_orm": (
            "benchmarks.contestants.postgres_mini_orm:MiniOrm",
            "benchmarks.contestants.postgres_mini_orm:AsyncMiniOrm",
        ),
    },
    "mysql": {
        "raw": (
            "benchmarks.contestants.mysql_raw:RawMySQLClient",
            "benchmarks.contestants.mysql_asyncmy:RawAsyncmy",
        ),
        "mini_orm": (
            "benchmarks.contestants.mysql_mini_orm:OverMySQLClient",
            "benchmarks.contestants.mysql_mini_orm:OverAsyncmy",
        ),
        "raw (PyMySQL)": ("benchmarks.contestants.mysql_raw:RawPyMySQL",),
        "mini_orm (PyMySQL)": ("benchmarks.contestants.mysql_mini_orm:OverPyMySQL",),
    },
}
