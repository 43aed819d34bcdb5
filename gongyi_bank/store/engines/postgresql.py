"""PostgreSQL: many writers, row locks in key order, an act's rows in one fused statement."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from gongyi_bank.errors import EngineError, EngineSettingsUnsafe, RetryTransaction
from gongyi_bank.store.engines.base import (
    Capability,
    KeyTaken,
    StoreEngine,
    insert_columns,
    require_all_found,
    sorted_rows,
)
from gongyi_bank.store.engines.guards import postgresql_guards
from gongyi_bank.store.engines.wire import Wire
from gongyi_bank.store.tables.columns import Big, Day, Instant
from gongyi_bank.store.writing import VOUCHER_COLUMNS, Insert, Update, Writes

#: Serialization failure, deadlock, lock timeout; a unique key claimed meanwhile; and tables,
#: functions or triggers that another founder has just made.
_RETRY = frozenset({"40001", "40P01", "55P03", "23505", "42P07", "42723", "42710"})


class PostgresqlEngine(StoreEngine):
    """PostgreSQL 14 or later, through psycopg 3."""

    name: ClassVar[str] = "postgresql"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.FUSED_STATEMENTS, Capability.GUARD_TRIGGERS, Capability.SHARED_ROW_LOCK}
    )

    def engine_options(self, url: sa.URL) -> dict[str, Any]:
        """Plans are made once, and waiting for a lock is bounded.

        An act's statements take lists, for which a planner that sees the values would plan
        anew each time, at several times the cost of running.
        """
        if "options" in url.query:
            return {}
        options = "-c plan_cache_mode=force_generic_plan -c lock_timeout=10s"
        return {"connect_args": {"options": options}}

    def prepare(self, engine: sa.Engine) -> None:
        """Nothing: READ COMMITTED and sorted row locks are what the server gives by itself."""

    def fresh_cursor(self, connection: sa.Connection) -> Any:
        """Lists go in binary: the text form of an array is escaped element by element."""
        from psycopg.types.array import ListBinaryDumper

        cursor = connection.connection.cursor()
        # Under asyncio SQLAlchemy wraps the driver's cursor, which alone has the adapters.
        driver_cursor: Any = getattr(cursor, "_cursor", cursor)
        driver_cursor.adapters.register_dumper(list, ListBinaryDumper)
        return cursor

    def unsafe_settings(self, connection: sa.Connection) -> list[str]:
        found = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
        return [] if found in ("on", "remote_apply") else [f"synchronous_commit is {found}"]

    def guard_statements(self) -> list[str]:
        return postgresql_guards()

    def among(self, column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
        kind: sa.types.TypeEngine[Any] = pg.ARRAY(sa.Text() if _is_text(column) else Big)
        if isinstance(column.type, sa.LargeBinary):
            kind = pg.ARRAY(pg.BYTEA())
        return column == sa.any_(sa.bindparam(name, type_=kind))

    def adapt(self, value: Any) -> Any:
        return value

    def result_converters(self, types: Sequence[Any]) -> list[tuple[int, Any]]:
        return [(i, bytes) for i, t in enumerate(types) if isinstance(t, sa.LargeBinary)]

    def fuse(self, selects: Sequence[tuple[str, Sequence[Any]]]) -> str:
        parts = [_as_json(*select, number) for number, select in enumerate(selects)]
        return f"SELECT {', '.join(parts)}"

    def json_converters(self, types: Sequence[Any]) -> list[tuple[int, Any]]:
        converters: dict[type, Any] = {
            Day: dt.date.fromisoformat,
            Instant: dt.datetime.fromisoformat,
            sa.LargeBinary: bytes.fromhex,
        }
        return [(i, converters[type(t)]) for i, t in enumerate(types) if type(t) in converters]

    def begin_writing(self, wire: Wire, bank_id: int) -> None:
        """Rows are locked one by one; but a snapshot taken earlier must not be acted upon.

        At READ COMMITTED each later statement sees what was committed meanwhile. Above it,
        locking the bank's row fails (40001) if the house changed since the snapshot, as
        locking a head does if the account changed.
        """
        driver_connection: Any = wire.connection.connection.dbapi_connection
        if driver_connection.autocommit:
            raise EngineSettingsUnsafe(reason="the connection commits every statement (AUTOCOMMIT)")
        level = wire.fetch("SHOW transaction_isolation", ())[0][0]
        if level != "read committed":
            wire.fetch("SELECT 1 FROM gb_bank WHERE bank_id = %s FOR SHARE", (bank_id,))

    def for_reading(self, connection: sa.Connection) -> sa.Connection:
        return connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    def write(self, wire: Wire, bank_id: int, writes: Writes) -> None:
        shape = tuple(_shape(step) for step in writes.steps)
        params: list[Any] = [bank_id, *writes.voucher]
        for step in writes.steps:
            params += [list(column) for column in zip(*sorted_rows(step), strict=True)]
        counts = wire.fetch(_fused_sql(shape), params)[0]
        if counts[0] != 1:
            raise KeyTaken
        updates = [step for step in writes.steps if isinstance(step, Update)]
        for step, found in zip(updates, counts[1:], strict=True):
            require_all_found(step, found)

    def insert_construct(self, table: sa.Table) -> Any:
        return pg.insert(table)

    def classify(self, error: BaseException | None, *, lost: bool) -> EngineError:
        sqlstate = getattr(error, "sqlstate", None)
        constraint = getattr(getattr(error, "diag", None), "constraint_name", None)
        reason = " ".join(filter(None, (f"SQLSTATE {sqlstate}", constraint)))
        if sqlstate in _RETRY:
            return RetryTransaction(reason=reason)
        if lost or sqlstate is None:
            return RetryTransaction(reason="connection lost")
        return EngineError(reason=reason)

    def commit_outcome_known(self, error: sa.exc.DBAPIError) -> bool:
        return getattr(error.orig, "sqlstate", None) in ("40001", "40P01")


def _as_json(select: str, types: Sequence[Any], number: int) -> str:
    """A select as one JSON array of arrays, its parameters marked as those of its number."""
    prefixed = re.sub(r"%\((\w+)\)s", rf"%(q{number}_\1)s", select)
    names = ", ".join(f"c{i}" for i in range(len(types)))
    # Bytes as plain hex, whatever the session's bytea_output says.
    cells = ", ".join(
        f"encode(c{i}, 'hex')" if isinstance(t, sa.LargeBinary) else f"c{i}"
        for i, t in enumerate(types)
    )
    rows = f"SELECT json_build_array({cells}) AS r FROM ({prefixed}) AS s({names})"  # noqa: S608
    return f"(SELECT coalesce(json_agg(a.r)::text, '[]') FROM ({rows}) AS a)"  # noqa: S608


def _is_text(column: sa.ColumnElement[Any]) -> bool:
    return isinstance(column.type, sa.String)


_Shape = tuple[sa.Table, tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def _shape(step: Insert | Update) -> _Shape:
    if isinstance(step, Insert):
        return (step.table, step.columns, (), ())
    return (step.table, step.key, step.guards, step.changes)


def _array_type(column: sa.Column[Any]) -> str:
    """The SQL array type that `unnest` takes for this column."""
    kind = column.type
    if isinstance(kind, Day):
        return "date[]"
    if isinstance(kind, Instant):
        return "timestamptz[]"
    if isinstance(kind, sa.LargeBinary):
        return "bytea[]"
    return "text[]" if isinstance(kind, sa.String) else "bigint[]"


@functools.cache
def _fused_sql(shape: tuple[_Shape, ...]) -> str:
    """One statement in which every row depends on the voucher's free key.

    Anchored on the voucher's RETURNING: no voucher, no rows. Counts come back: one for
    the voucher, one for each guarded UPDATE.
    """
    names = ", ".join(("bank_id", *VOUCHER_COLUMNS))
    marks = ", ".join(["%s"] * (len(VOUCHER_COLUMNS) + 1))
    parts = [
        f"v AS (INSERT INTO gb_voucher ({names}) VALUES ({marks})"  # noqa: S608
        " ON CONFLICT DO NOTHING RETURNING bank_id)"
    ]
    counts = ["(SELECT count(*) FROM v)"]
    for number, (table, first, guards, changes) in enumerate(shape):
        if changes:
            parts.append(f"w{number} AS ({_update_sql(table, first, guards, changes)})")
            counts.append(f"(SELECT count(*) FROM w{number})")  # noqa: S608
        else:
            parts.append(f"w{number} AS ({_insert_sql(table, first)})")
    return f"WITH {', '.join(parts)} SELECT {', '.join(counts)}"


def _unnest(table: sa.Table, columns: Sequence[str]) -> str:
    arrays = ", ".join(f"%s::{_array_type(table.c[name])}" for name in columns)
    return f"unnest({arrays}) AS u({', '.join(columns)})"


def _insert_sql(table: sa.Table, columns: tuple[str, ...]) -> str:
    names = ", ".join(insert_columns(Insert(table, columns, [])))
    picked = ", ".join(f"u.{name}" for name in columns)
    source = _unnest(table, columns)
    return (
        f"INSERT INTO {table.name} ({names}) SELECT v.bank_id, {picked} FROM v CROSS JOIN {source}"  # noqa: S608
    )


def _update_sql(
    table: sa.Table, key: tuple[str, ...], guards: tuple[str, ...], changes: tuple[str, ...]
) -> str:
    """Guard values come under a name of their own, since a guarded column may change too."""
    kinds = [_array_type(table.c[name]) for name in (*key, *guards, *changes)]
    aliases = (*key, *(f"seen_{name}" for name in guards), *(f"new_{name}" for name in changes))
    arrays = ", ".join(f"%s::{kind}" for kind in kinds)
    sets = ", ".join(f"{name} = u.new_{name}" for name in changes)
    where = [f"t.{name} = u.{name}" for name in key]
    where += [f"t.{name} = u.seen_{name}" for name in guards]
    return (
        f"UPDATE {table.name} AS t SET {sets} FROM v CROSS JOIN unnest({arrays})"  # noqa: S608
        f" AS u({', '.join(aliases)}) WHERE t.bank_id = v.bank_id AND {' AND '.join(where)}"
        " RETURNING 1"
    )
