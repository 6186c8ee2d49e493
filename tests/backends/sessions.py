"""What a test asks of a server about its sessions: who waits for whom, who has a transaction open, and to end one.

Every method takes a connection of `Backend.raw()` to ask with. It sees the sessions of the test's database.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from typing import Any

#: Seconds that a session gets to end.
PATIENCE = 10.0


class Sessions:
    """A server's sessions, by their numbers, and the statements that set how long they wait."""

    #: A cancelled statement ends in the server, too; or it is waited for.
    interrupts_statements = False
    waits_for_statements = False
    #: The server may end a transaction by itself: a deadlock does, and a statement that changes the schema.
    ends_transactions = False
    #: The server may refuse a COMMIT: constraints, and what transactions did to each other, are checked there.
    refuses_commits = False
    #: A query of one minute.
    sleeping: str
    #: A query that would run for hours.
    endless: str
    #: Asks for the number of the session that it runs on.
    session_sql: str
    #: The server takes statements up to a length alone, which a session can be told.
    limits_packets = False
    #: Have a transaction that just began wait for nobody's locks, and have its statements end soon.
    unwaiting: str
    hurrying: str
    #: Statements that a user has prepared are forgotten when the session comes back to a pool.
    forgets_statements = False
    #: Has the server look for deadlocks at once.
    watchful: str = ""
    #: Isolation levels at which a change of a row that changed since the snapshot is refused, in a pool made with
    #: `snapshots=True`; and those at which a row that came later is not seen, though it stands in the way.
    overtaken_levels: tuple[str, ...]
    blind_levels: tuple[str, ...]
    #: Isolation levels at which what is read is locked.
    locking_levels: tuple[str, ...] = ()

    def blocked_sessions(self, conn: Any) -> list[int]:
        """Return the sessions that wait for a lock."""
        raise NotImplementedError

    def open_sessions(self, conn: Any) -> list[int]:
        """Return the sessions other than this one that have a transaction open, or run a statement."""
        raise NotImplementedError

    def sleeping_sessions(self, conn: Any) -> list[int]:
        """Return the sessions that run `sleeping`."""
        raise NotImplementedError

    def end_session(self, conn: Any, number: int) -> bool:
        """Have the server end a session, and wait for that; tell whether it was there."""
        raise NotImplementedError

    def end_statement(self, conn: Any, number: int) -> None:
        """Have the server end the statement that a session runs."""
        raise NotImplementedError

    def small_packets(self, conn: Any, size: int) -> contextlib.AbstractContextManager[None]:
        """Have sessions that begin in the block take statements of so many bytes at most."""
        raise NotImplementedError

    def limits(self, conn: Any) -> list[str]:
        """Return statements of which each has the server end its session soon, when nothing is sent."""
        raise NotImplementedError

    def prepare_to_hold_commits(self, conn: Any, table: str) -> None:
        """Make it so that commits of rows which are inserted into a table from now on can be held."""

    def hold_commits(self, conn: Any) -> contextlib.AbstractContextManager[None]:
        """Have commits wait for the end of the block."""
        raise NotImplementedError


class PostgresSessions(Sessions):
    """As `pg_stat_activity` shows them."""

    interrupts_statements = refuses_commits = forgets_statements = True
    sleeping = "SELECT pg_sleep(60)"
    endless = sleeping
    session_sql = "SELECT pg_backend_pid() AS number"
    unwaiting = "SET LOCAL lock_timeout = '10ms'"
    hurrying = "SET LOCAL statement_timeout = '10ms'"
    watchful = "SET LOCAL deadlock_timeout = '10ms'"
    overtaken_levels = blind_levels = ("repeatable read", "serializable")

    def _matching(self, conn: Any, condition: str) -> list[int]:
        rows = conn.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            f"AND backend_type = 'client backend' AND {condition}"
        ).fetchall()
        return [number for (number,) in rows]

    def blocked_sessions(self, conn: Any) -> list[int]:
        return self._matching(conn, "wait_event_type = 'Lock'")

    def open_sessions(self, conn: Any) -> list[int]:
        return self._matching(conn, "state <> 'idle'")

    def sleeping_sessions(self, conn: Any) -> list[int]:
        return self._matching(conn, "state = 'active' AND query LIKE '%pg_sleep(60)'")

    def end_session(self, conn: Any, number: int) -> bool:
        return bool(conn.execute(f"SELECT pg_terminate_backend({number}, {PATIENCE * 1000:.0f})").fetchone()[0])

    def end_statement(self, conn: Any, number: int) -> None:
        conn.execute(f"SELECT pg_cancel_backend({number})")

    def limits(self, conn: Any) -> list[str]:
        names = ("idle_in_transaction_session_timeout", "transaction_timeout")
        known = [name for (name,) in conn.execute("SELECT name FROM pg_settings").fetchall()]
        return [f"SET LOCAL {name} = '20ms'" for name in names if name in known]  # older servers lack the second

    def prepare_to_hold_commits(self, conn: Any, table: str) -> None:
        conn.execute(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$"
        )
        conn.execute(
            f"CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION wait()"
        )

    @contextlib.contextmanager
    def hold_commits(self, conn: Any) -> Iterator[None]:
        conn.execute("SELECT pg_advisory_lock(1)")
        yield
        conn.execute("SELECT pg_advisory_unlock(1)")


class MySQLSessions(Sessions):
    """As the list of processes and InnoDB's own report show them, as the table of transactions is some time behind."""

    waits_for_statements = ends_transactions = limits_packets = True
    sleeping = "SELECT SLEEP(60)"
    endless = "SELECT COUNT(*) FROM information_schema.collations, {0} AS b, {0} AS c, {0} AS d".format(
        "information_schema.collations"
    )
    session_sql = "SELECT CONNECTION_ID() AS number"
    unwaiting = "SET SESSION innodb_lock_wait_timeout = 0"
    blind_levels = ()
    locking_levels = ("serializable",)
    #: Whose variables differ.
    is_mariadb: bool

    @property
    def hurrying(self) -> str:  # type: ignore[override]  # it depends on the server
        return f"SET SESSION {'max_statement_time = 0.01' if self.is_mariadb else 'max_execution_time = 10'}"

    @property
    def overtaken_levels(self) -> tuple[str, ...]:  # type: ignore[override]  # as above
        return ("repeatable read",) if self.is_mariadb else ()

    def _processes(self, conn: Any, condition: str = "TRUE") -> set[int]:
        rows = conn.execute(
            "SELECT id FROM information_schema.processlist "
            f"WHERE db = DATABASE() AND id <> CONNECTION_ID() AND {condition}"
        ).fetchall()
        return {number for (number,) in rows}

    def _in_transactions(self, conn: Any, state: str) -> set[int]:
        [(*_, report)] = conn.execute("SHOW ENGINE INNODB STATUS").fetchall()
        transactions = report.partition("LIST OF TRANSACTIONS FOR EACH SESSION:")[2].split("---TRANSACTION")
        found = [re.search(r"thread id (\d+)", one) for one in transactions if state in one]
        return {int(number[1]) for number in found if number}

    def blocked_sessions(self, conn: Any) -> list[int]:
        waiting = self._in_transactions(conn, "LOCK WAIT") & self._processes(conn)
        return sorted(waiting | self._processes(conn, "state LIKE 'Waiting for % lock'"))

    def open_sessions(self, conn: Any) -> list[int]:
        idle = self._in_transactions(conn, " ACTIVE ") & self._processes(conn)
        return sorted(idle | self._processes(conn, "command <> 'Sleep'"))

    def await_statements(self, conn: Any) -> None:
        """Wait until no other session runs a statement: a client has its answer before the list tells the end of it."""
        deadline = time.monotonic() + PATIENCE
        while self._processes(conn, "command <> 'Sleep'") and time.monotonic() < deadline:
            time.sleep(0.001)

    def sleeping_sessions(self, conn: Any) -> list[int]:
        return sorted(self._processes(conn, "state = 'User sleep'"))

    def end_session(self, conn: Any, number: int) -> bool:
        try:
            conn.execute(f"KILL {number}")
        except conn.Error:
            return False
        deadline = time.monotonic() + PATIENCE
        while number in self._processes(conn):
            if time.monotonic() > deadline:
                raise AssertionError("the server does not end a session")
            time.sleep(0.001)
        return True

    def end_statement(self, conn: Any, number: int) -> None:
        conn.execute(f"KILL QUERY {number}")

    @contextlib.contextmanager
    def small_packets(self, conn: Any, size: int) -> Iterator[None]:
        [(usual,)] = conn.execute("SELECT @@GLOBAL.max_allowed_packet").fetchall()
        conn.execute(f"SET GLOBAL max_allowed_packet = {size}")
        try:
            yield
        finally:
            conn.execute(f"SET GLOBAL max_allowed_packet = {usual}")

    def limits(self, conn: Any) -> list[str]:
        return ["SET SESSION wait_timeout = 1"]

    @contextlib.contextmanager
    def hold_commits(self, conn: Any) -> Iterator[None]:
        conn.execute("FLUSH TABLES WITH READ LOCK")
        yield
        conn.execute("UNLOCK TABLES")
