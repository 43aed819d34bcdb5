"""SQLite, the embedded default: one writer at a time, the write lock taken at BEGIN."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import json
import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gongyi_bank.errors import EngineError, EngineSettingsUnsafe, RetryTransaction
from gongyi_bank.store.engines.base import (
    Capability,
    Fusion,
    KeyTaken,
    StoreEngine,
    WeakSettings,
    all_or_none,
    insert_columns,
    on_conflict,
    require_all_found,
)
from gongyi_bank.store.engines.guards import sqlite_guards
from gongyi_bank.store.engines.union import united
from gongyi_bank.store.engines.waiting import pause
from gongyi_bank.store.engines.wire import Wire
from gongyi_bank.store.tables.columns import Big, Day, Instant, instant_text
from gongyi_bank.store.writing import VOUCHER_COLUMNS, Insert, Update, Writes

#: Execution option of our connections: BEGIN instead of BEGIN IMMEDIATE.
READ_ONLY = "gongyi_bank_read_only"
#: How SQL is compiled for the driver's own cursor, whatever the caller's engine prefers.
_MARKED = sqlite_dialect(paramstyle="qmark")
#: Whoever needs a lock waits for it this long.
_BUSY_SECONDS = 10
_PRAGMAS = (
    "foreign_keys=ON",
    "recursive_triggers=ON",
    f"busy_timeout={_BUSY_SECONDS * 1000}",
    "synchronous=FULL",
)


class SqliteEngine(StoreEngine):
    """SQLite 3.38 or later, file or memory."""

    name: ClassVar[str] = "sqlite"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.GUARD_TRIGGERS, Capability.GUARDED_TRUNCATE}
    )
    locks_at_begin: ClassVar[bool] = True

    def engine_options(self, url: sa.URL) -> dict[str, Any]:
        """A database in memory lives in one connection, which threads and tasks take in turn.

        Sharing it would let one begin inside another's transaction, and roll that back.
        """
        if not self.lives_in_a_connection(url):
            return {}
        alone: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 10}
        if url.get_dialect().is_async:
            return {"poolclass": sa.pool.AsyncAdaptedQueuePool, **alone}
        threads = {"connect_args": {"check_same_thread": False}}
        return {"poolclass": sa.pool.QueuePool, **threads, **alone}

    def lives_in_a_connection(self, url: sa.URL) -> bool:
        return url.database in (None, "", ":memory:")

    def prepare(self, engine: sa.Engine) -> None:
        sa.event.listen(engine, "connect", functools.partial(_on_connect, engine))
        sa.event.listen(engine, "begin", _on_begin)

    def finish_schema(self, connection: sa.Connection) -> None:
        """Tell the planner how full tables look; it would take a new bank's for empty ones.

        A plan chosen for an empty table scans all accounts for a reference, or all of an
        account's history for a day. ANALYZE replaces these figures with measured ones, which
        a migration leaves as they are.
        """
        connection.exec_driver_sql("ANALYZE gb_schema_version")  # makes sqlite_stat1
        connection.exec_driver_sql("DELETE FROM sqlite_stat1 WHERE tbl = 'gb_schema_version'")
        known = set(map(tuple, connection.exec_driver_sql("SELECT tbl, idx FROM sqlite_stat1")))
        figures = [row for row in _expected_figures(connection) if row[:2] not in known]
        if figures:
            insert = "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)"
            connection.exec_driver_sql(insert, figures)
        connection.exec_driver_sql("ANALYZE sqlite_schema")

    @contextlib.contextmanager
    def migrating_alone(self, connection: sa.Connection) -> Iterator[None]:
        """Without foreign keys, or a table that is made anew would take its referrers along.

        They can only be switched outside a transaction, so not through SQLAlchemy.
        """
        driver_connection: Any = connection.connection.dbapi_connection
        was_on = driver_connection.execute("PRAGMA foreign_keys").fetchone()[0]
        driver_connection.execute("PRAGMA foreign_keys=OFF")
        try:
            yield
        finally:
            driver_connection.execute(f"PRAGMA foreign_keys={was_on}")

    def lock_schema(self, connection: sa.Connection) -> None:
        # On an engine that was handed to us DDL would begin no transaction; this does.
        connection.exec_driver_sql("UPDATE gb_schema_version SET version_num = version_num")

    def require_sound_schema(self, connection: sa.Connection) -> None:
        faults = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if any(row[0].startswith("gb_") for row in faults):
            raise EngineError(reason=f"{faults[0][0]} refers to rows of {faults[0][2]} not there")

    def weak_settings(self, connection: sa.Connection) -> WeakSettings:
        wanted = {"foreign_keys": 1, "recursive_triggers": 1, "ignore_check_constraints": 0}
        found = {name: connection.exec_driver_sql("PRAGMA " + name).scalar_one() for name in wanted}
        wrong = [name for name, is_on in wanted.items() if found[name] != is_on]
        faults = [f"PRAGMA {name} is {'off' if wanted[name] else 'on'}" for name in wrong]
        on_disk = connection.exec_driver_sql("PRAGMA database_list").all()[0][2]
        # Nobody waits for ever: the driver, too, knows no busy_timeout without an end.
        return WeakSettings(faults + (_unsafe_journal(connection) if on_disk else []), [])

    def guards_of(self, table: str, columns: Sequence[str] | None) -> list[str]:
        return sqlite_guards(table, columns)

    def count_guards(self, wire: Wire) -> int:
        # Word for word, so that a trigger made anew without its teeth does not count.
        found = wire.fetch("SELECT sql FROM sqlite_master WHERE type = 'trigger'", ())
        return len({sql for (sql,) in found} & set(self.guard_statements()))

    def history_is_writable(self, wire: Wire) -> bool | None:
        return True  # whoever can write the file at all

    def among(self, column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
        values = sa.func.json_each(sa.bindparam(name, type_=sa.Text())).table_valued("value")
        return column.in_(sa.select(values.c.value))

    def rows_of(self, name: str, columns: Sequence[str]) -> sa.FromClause:
        rows = sa.func.json_each(sa.bindparam(name, type_=sa.Text())).table_valued("value")
        numbers = []
        for place, column in enumerate(columns):
            cell: sa.ColumnElement[Any] = sa.literal_column(f"'$[{place}]'")
            numbers.append(sa.func.json_extract(rows.c.value, cell, type_=Big).label(column))
        return sa.select(*numbers).subquery(name)

    def adapt(self, value: Any) -> Any:
        if isinstance(value, dt.datetime):
            return instant_text(value)
        if isinstance(value, dt.date):
            return value.isoformat()
        if isinstance(value, list):
            return json.dumps(value)
        return value

    def compile(self, select: sa.ClauseElement, dialect: sa.Dialect) -> Any:
        return select.compile(dialect=_MARKED)

    def fuse(self, selects: Sequence[tuple[str, int, Sequence[Any]]]) -> Fusion:
        # A value there has its type with it, so any column takes any.
        return united(selects, self.result_converters, kind_of=lambda _: None)

    def result_converters(self, types: Sequence[Any]) -> list[tuple[int, Any]]:
        converters = {Day: dt.date.fromisoformat, Instant: dt.datetime.fromisoformat}
        return [(i, converters[type(t)]) for i, t in enumerate(types) if type(t) in converters]

    def begin_writing(self, wire: Wire, bank_id: int) -> None:
        # A no-op write takes SQLite's write lock before anything is read, however the
        # caller began; a snapshot that is already old fails here, before any decision.
        wire.execute("UPDATE gb_bank SET bank_id = bank_id WHERE bank_id = ?", (bank_id,))
        # The driver's own: SQLAlchemy's wrapper for asyncio does not have the attribute.
        driver_connection: Any = wire.connection.connection.driver_connection
        # On an engine of ours BEGIN is said even so, and then nobody says COMMIT.
        is_told = wire.connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        if is_told or not driver_connection.in_transaction:
            raise EngineSettingsUnsafe(reason="the connection commits every statement (AUTOCOMMIT)")

    def for_reading(self, connection: sa.Connection) -> sa.Connection:
        return connection.execution_options(**{READ_ONLY: True})

    def write(self, wire: Wire, bank_id: int, writes: Writes) -> None:
        with all_or_none(wire, writes.vouchers):
            rows = [(bank_id, *map(self.adapt, row)) for row in writes.vouchers]
            if wire.execute_many(_voucher_sql(), rows) != len(rows):
                raise KeyTaken
        for step in writes.steps:
            if isinstance(step, Insert):
                _insert(wire, bank_id, step)
            else:
                _update(wire, bank_id, step)

    def insert_construct(self, table: sa.Table) -> Any:
        return sqlite_insert(table)

    def classify(self, error: BaseException | None, *, lost: bool) -> EngineError:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return RetryTransaction(reason=name)
        if name in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"):
            return RetryTransaction(reason=name)
        return EngineError(reason=_reason(name, error))

    def commit_outcome_known(self, error: sa.exc.DBAPIError) -> bool:
        name = getattr(error.orig, "sqlite_errorname", "")
        return bool(name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")))


def _reason(name: str, driver: BaseException | None) -> str:
    """The error's name, and its text only where that text cannot hold row contents."""
    safe = name in ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_FULL", "SQLITE_NOTADB")
    return f"{name}: {driver}" if safe or name.startswith("SQLITE_CONSTRAINT") else name


#: Rows of a full table, and rows that share a prefix of an index but for its last column.
_ROWS, _SHARING = 1_000_000, 30


_OUR_TABLES = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 3) = 'gb_'"
    " AND name <> 'gb_schema_version' ORDER BY name"
)


def _expected_figures(connection: sa.Connection) -> list[tuple[str, str, str]]:
    """sqlite_stat1 rows for every index: rows, then rows for each longer prefix."""
    figures = []
    for table in connection.exec_driver_sql(_OUR_TABLES).scalars().all():
        for _, name, is_unique, origin, _ in connection.exec_driver_sql(
            f"PRAGMA index_list({table})"
        ).all():
            size = len(connection.exec_driver_sql(f"PRAGMA index_info({name})").all())
            between = [_SHARING] * (size - 2)
            last = [1 if is_unique else _SHARING] if size > 1 else []
            stat = " ".join(map(str, [_ROWS, _ROWS, *between, *last]))
            figures.append((table, table if origin == "pk" else name, stat))
    return figures


def _unsafe_journal(connection: sa.Connection) -> list[str]:
    """What a power cut could undo of a file (`tests/faults/power_cut.py` has tried them all)."""
    level = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    if level < 2:
        return ["PRAGMA synchronous is below FULL"]
    if journal in ("off", "memory"):
        return [f"PRAGMA journal_mode is {journal}"]
    if journal == "delete" and level < 3:
        # Removing the journal is the commit, and only EXTRA syncs its folder.
        return ["PRAGMA journal_mode is delete, which wants synchronous=EXTRA, or WAL"]
    return []


def _on_connect(engine: sa.Engine, connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in _PRAGMAS:
        connection.execute("PRAGMA " + pragma)
    _keep_write_ahead_log(engine, connection)


def _keep_write_ahead_log(engine: sa.Engine, connection: sqlite3.Connection) -> None:
    """Switch a file to WAL; whoever uses it meanwhile is waited for, at most a busy_timeout.

    For this one change SQLite does not wait by itself: of several that open a new file at once,
    all but one would be told that it is locked.
    """
    give_up_at = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > give_up_at:
                raise
        else:
            return
        pause(engine, random.uniform(0.001, 0.01))


def _on_begin(connection: sa.Connection) -> None:
    if connection.get_execution_options().get(READ_ONLY):
        # A plain BEGIN waits for nobody, so the driver may be asked directly.
        driver_connection: Any = connection.connection.dbapi_connection
        driver_connection.execute("BEGIN")
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@functools.cache
def _voucher_sql() -> str:
    names = ", ".join(("bank_id", *VOUCHER_COLUMNS))
    marks = ", ".join("?" * (len(VOUCHER_COLUMNS) + 1))
    return f"INSERT INTO gb_voucher ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608


@functools.cache
def _insert_sql(table: str, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608


@functools.cache
def _update_sql(
    table: str, key: tuple[str, ...], guards: tuple[str, ...], changes: tuple[str, ...]
) -> str:
    """Parameters: the new values, then the bank, the key and the guards."""
    sets = ", ".join(f"{name} = ?" for name in changes)
    where = " AND ".join(f"{name} = ?" for name in ("bank_id", *key, *guards))
    return f"UPDATE {table} SET {sets} WHERE {where}"  # noqa: S608


@functools.cache
def _timed(table: sa.Table, columns: tuple[str, ...]) -> tuple[tuple[int, bool], ...]:
    """The positions of days (False) and instants (True) among the columns."""
    kinds = [(i, table.c[name].type) for i, name in enumerate(columns)]
    return tuple((i, isinstance(k, Instant)) for i, k in kinds if isinstance(k, Day | Instant))


def _converted(step: Insert | Update, columns: tuple[str, ...]) -> list[list[Any]]:
    timed = _timed(step.table, columns)
    rows = [list(row) for row in step.rows]
    for row in rows:
        for position, is_instant in timed:
            value = row[position]
            if value is not None:
                row[position] = instant_text(value) if is_instant else value.isoformat()
    return rows


def _insert(wire: Wire, bank_id: int, step: Insert) -> None:
    sql = _insert_sql(step.table.name, insert_columns(step))
    sql += on_conflict(step.table, step.replaces)
    rows = [(bank_id, *row) for row in _converted(step, step.columns)]
    wire.execute_many(sql, rows)


def _update(wire: Wire, bank_id: int, step: Update) -> None:
    sql = _update_sql(step.table.name, step.key, step.guards, step.changes)
    size = len(step.key) + len(step.guards)
    rows = _converted(step, (*step.key, *step.guards, *step.changes))
    params = [(*row[size:], bank_id, *row[:size]) for row in rows]
    require_all_found(step, wire.execute_many(sql, params))
