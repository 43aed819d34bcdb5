"""The driver's connection that the library is given: it takes turns with other clients, and fails.

A failure is one that SQLite can really give: an error before the statement was run or after it, one
that undid the whole transaction on its way (as a full disk does), a lock that did not come, half of
the rows of one call, a COMMIT that did nothing or whose answer was lost, the client's death.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tests.simulation.planted import Planted

if TYPE_CHECKING:
    from tests.simulation.clients import Client

#: What may go wrong, by the kind of statement. "killed" is the client's own death.
FAILURES = {
    "BEGIN": ("killed",),  # alone it does nothing that could fail
    "IMMEDIATE": ("before", "after", "busy", "killed"),
    "COMMIT": ("before", "rolled_back", "busy", "after", "after", "killed", "killed_after"),
    "ROLLBACK": ("before", "after", "killed"),
    "SAVEPOINT": ("before", "after", "rolled_back", "killed"),
    "RELEASE": ("before", "after", "rolled_back", "killed"),
    "SELECT": ("before", "fetch", "rolled_back", "busy", "killed"),
    "PRAGMA": ("before", "killed"),  # asks for a setting
    "INSERT": ("before", "after", "half", "rolled_back", "busy", "killed"),
    "UPDATE": ("before", "after", "half", "rolled_back", "busy", "killed"),
}
_CODES = {"busy": ("SQLITE_BUSY", "database is locked"), "rolled_back": ("SQLITE_FULL", "full")}
#: Waiting is for the scheduler, and no power is cut here (that is for `tests.faults.power_cut`).
_INSTEAD = {
    "PRAGMA busy_timeout=10000": "PRAGMA busy_timeout=0",
    "PRAGMA synchronous=FULL": "PRAGMA synchronous=OFF",
}
#: Ends of transactions fail more often than other statements, by this factor.
ENDS_OFTENER = {"COMMIT": 5, "ROLLBACK": 2}
#: Failures of COMMIT that look alike, whether or not it was done: only OutcomeUnknown is true.
UNCLEAR = ("before", "rolled_back", "after")
#: How often a client in the queue for the write lock is looked past before it gives up.
_LOCK_TURNS_MAX = 400


class Broken(AssertionError):
    """The bank, or a planted fault, did what it must not."""


class Killed(BaseException):
    """The client died at this statement: nothing of it runs any more."""


def failure(kind: str) -> sqlite3.OperationalError:
    """The driver's error, as the library will see it."""
    name, text = _CODES.get(kind, ("SQLITE_IOERR", "disk I/O error"))
    error = sqlite3.OperationalError(text)
    error.sqlite_errorname = name
    return error


def kind_of(sql: str) -> str:
    """The word of a statement that decides what may go wrong with it."""
    if sql == "BEGIN IMMEDIATE":
        return "IMMEDIATE"
    first = sql.lstrip(" (").split(None, 1)[0].upper()
    return "SELECT" if first == "WITH" else first  # several questions in one


def sets_up(sql: str) -> bool:
    """Whether a statement sets up a connection, for which no act waits."""
    return sql.startswith("PRAGMA") and "=" in sql


class WiredConnection(sqlite3.Connection):
    """A connection of one client; every statement of it is a turn."""

    client: Client

    def cursor(self, *_: Any) -> WiredCursor:  # type: ignore[override]
        return super().cursor(WiredCursor)

    def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
        return self.cursor().execute(_INSTEAD.get(sql, sql), *given)

    def commit(self) -> None:
        """COMMIT, and the moment from which the books must hold what was in it."""
        if not self.in_transaction:
            return
        planted = self.client.world.planted
        if planted is Planted.LOST_COMMIT:
            self.client.take_turn("COMMIT")
            self.undo()
            self.client.committed()
            return
        self._end("COMMIT", self._really_commit)

    def rollback(self) -> None:
        if self.in_transaction:
            keeps = self.client.world.planted is Planted.KEPT_HALF
            self._end("ROLLBACK", super().commit if keeps else self.undo)

    def close(self) -> None:
        """Whatever was begun is undone now, not when the last cursor is collected some day."""
        self.client.connections.remove(self)
        self.undo()
        super().close()

    def undo(self) -> None:
        """ROLLBACK, for certain."""
        super().rollback()

    def _really_commit(self) -> None:
        super().commit()
        self.client.committed()

    def _end(self, word: str, run: Any) -> None:
        fails = self.client.take_turn(word)
        if word == "COMMIT":
            self.client.commits(fails)
        if fails == "rolled_back":
            self.undo()
        elif fails in (None, "after", "killed_after"):
            run()
        self.client.fail(fails)


class WiredCursor(sqlite3.Cursor):
    """Runs statements as the scheduler lets it."""

    connection: WiredConnection  # type: ignore[misc]
    _fails_at_fetch = False

    def execute(self, sql: str, given: Any = ()) -> sqlite3.Cursor:
        return self._turn(sql, lambda: super(WiredCursor, self).execute(sql, given))

    def executemany(self, sql: str, rows: Iterable[Any]) -> sqlite3.Cursor:  # type: ignore[override]
        rows = list(rows)
        half = rows[: len(rows) // 2]
        return self._turn(
            sql,
            lambda: super(WiredCursor, self).executemany(sql, rows),
            lambda: super(WiredCursor, self).executemany(sql, half),
        )

    def _turn(self, sql: str, run: Any, run_half: Any = None) -> sqlite3.Cursor:
        connection, client = self.connection, self.connection.client
        word = kind_of(sql)
        if client.world.is_quiet or sets_up(sql):
            return run()
        if word not in FAILURES:
            client.world.fail(f"nobody has thought of what may go wrong with {sql}")
        fails = client.take_turn(word, sql)
        if client.world.plays(Planted.LOST_LINE, 0.06) and "INTO gb_account_line" in sql:
            return self
        if fails == "rolled_back" and connection.in_transaction:
            connection.undo()
            if client.world.planted is Planted.STATEMENT_RETRIED:
                sqlite3.Cursor(connection).execute("BEGIN IMMEDIATE")
                fails = None
        self._fails_at_fetch = fails == "fetch"
        if fails in (None, "after", "fetch"):
            self._wait_for(run)
            client.has_run(word)
        elif fails == "half" and run_half is not None:
            run_half()
        client.fail(None if fails == "fetch" else fails)
        self._spoil(word)
        return self

    def fetchall(self) -> list[Any]:
        """SQLite reads on while rows are fetched, and may fail only then; that ends the read."""
        rows = super().fetchall()
        if self._fails_at_fetch:
            self._fails_at_fetch = False
            self.connection.client.fail("fetch")
        return rows

    def _wait_for(self, run: Any) -> None:
        """Run a statement, letting others go on while one of them holds the write lock."""
        for _ in range(_LOCK_TURNS_MAX):
            try:
                run()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY":
                    raise
                self.connection.client.wait()
            else:
                return
        raise failure("busy")

    def _spoil(self, word: str) -> None:
        """What a planted fault does behind the library's back."""
        world, connection = self.connection.client.world, self.connection
        if word in ("INSERT", "UPDATE") and connection.in_transaction:
            if world.planted is Planted.COMMIT_EACH:
                sqlite3.Connection.commit(connection)
                sqlite3.Cursor(connection).execute("BEGIN IMMEDIATE")
            if world.plays(Planted.STRAY_WRITE, 0.01):
                sql = "UPDATE gb_account_head SET credited = credited + 1"
                sqlite3.Cursor(connection).execute(sql)


def wired(engine: sa.Engine, client: Client) -> None:
    """Let an engine that has not connected yet make connections of this client."""

    def connect(_dialect: Any, _record: Any, given: Any, named: Any) -> sqlite3.Connection:
        made = sqlite3.connect(*given, factory=WiredConnection, **named)
        made.client = client
        client.connections.append(made)
        return made

    sa.event.listen(engine, "do_connect", connect)
