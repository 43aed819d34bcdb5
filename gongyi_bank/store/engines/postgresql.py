"""PostgreSQL: many writers, row locks in key order, an act's rows in one fused statement."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from gongyi_bank.errors import EngineError, EngineSettingsUnsafe, RetryTransaction
from gongyi_bank.store.engines import arrays, grants
from gongyi_bank.store.engines.base import (
    Capability,
    Fusion,
    KeyTaken,
    StoreEngine,
    WeakSettings,
    all_or_none,
    require_all_found,
    sorted_rows,
    sorted_vouchers,
)
from gongyi_bank.store.engines.fused import fused_write, shape_of
from gongyi_bank.store.engines.guards import (
    POSTGRESQL_FUNCTION,
    postgresql_guards,
    postgresql_unguards,
)
from gongyi_bank.store.engines.wire import Wire
from gongyi_bank.store.tables.columns import Big, Day, Instant
from gongyi_bank.store.writing import Update, Writes

_log = logging.getLogger("gongyi_bank.sql")
#: Serialization failure, deadlock, lock timeout; a unique key claimed meanwhile; and tables,
#: functions or triggers that another founder has just made.
_RETRY = frozenset({"40001", "40P01", "55P03", "23505", "42P07", "42723", "42710"})


#: Why an error whose number alone helps nobody comes.
_EXPLAINED = {
    "25P02": "a statement failed before in this transaction, or block",
    "3B001": "the block's savepoint is gone: its transaction was ended by a statement",
}
_SHARE_BANK = (
    "SELECT 1 FROM gb_bank AS b WHERE bank_id = $1 AND NOT EXISTS (SELECT 1 FROM gb_closing AS c"
    " WHERE c.bank_id = b.bank_id AND c.state = 'closing') FOR SHARE"
)
_QUEUE_FOR_BANK = "SELECT 1 FROM gb_bank WHERE bank_id = $1 FOR NO KEY UPDATE"
#: What a connection of our own tells the server when it begins.
_OPTIONS = "-c plan_cache_mode=force_generic_plan -c lock_timeout=10s"
#: What decides whether a power cut can take back what was acknowledged; and what ends a wait.
_SETTINGS = (
    "SELECT current_setting('synchronous_commit'), current_setting('fsync'),"
    " current_setting('full_page_writes'), current_setting('lock_timeout'),"
    " current_setting('statement_timeout')"
)
_ENDLESS = (
    "lock_timeout is 0, so an act may wait for a lock without end: make the engine with"
    " connect_args={'options': '-c lock_timeout=10s'}"
)


#: What JSON gives as text.
_FROM_JSON: dict[type, Any] = {
    Day: dt.date.fromisoformat,
    Instant: dt.datetime.fromisoformat,
    sa.LargeBinary: bytes.fromhex,
}
#: How SQL is compiled for the server itself: with $1, $2 for its parameters.
_NUMBERED = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class _Autocommit:
    """Every statement is a transaction by itself.

    Not by SQLAlchemy's execution options: they cost as much as the question for a balance.
    """

    __slots__ = ("_connection", "_was_so")

    def __init__(self, driver_connection: Any) -> None:
        self._connection = driver_connection
        self._was_so: bool = driver_connection.autocommit

    def __enter__(self) -> None:
        self._connection.autocommit = True

    def __exit__(self, *_: object) -> None:
        if not self._connection.closed:
            self._connection.autocommit = self._was_so


class PostgresqlEngine(StoreEngine):
    """PostgreSQL 14 or later, through psycopg 3."""

    name: ClassVar[str] = "postgresql"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.GUARD_TRIGGERS,
            Capability.GUARDED_TRUNCATE,
            Capability.SHARED_ROW_LOCK,
            Capability.SHARERS_OVERTAKE,
            Capability.GRANTS,
        }
    )

    def engine_options(self, url: sa.URL) -> dict[str, Any]:
        """Plans are made once, and waiting for a lock is bounded.

        An act's statements take lists, for which a planner that sees the values would plan
        anew each time, at several times the cost of running. A statement is prepared when a
        connection runs it for the second time; behind a pooler that gives every transaction
        another server connection, say `?prepare_threshold=none` in the URL. Options that the
        URL has come after ours, and of two that say something else the server takes the last.
        """
        given: dict[str, Any] = {"prepare_threshold": 1}
        if "prepare_threshold" in url.query:
            said = str(url.query["prepare_threshold"])
            given["prepare_threshold"] = None if said == "none" else int(said)
        said_last = url.normalized_query.get("options", ())
        given["options"] = " ".join((_OPTIONS, *said_last))
        return {"connect_args": given}

    def prepare(self, engine: sa.Engine) -> None:
        """Nothing: READ COMMITTED and sorted row locks are what the server gives by itself."""

    def refresh_statistics(self, engine: sa.Engine, tables: Iterable[str]) -> None:
        """ANALYZE, which also makes every session forget the plans it has kept.

        A plan made while a table was empty may look a voucher up by its bank alone, and is
        kept: then an import takes a time that grows with its square. The server analyses by
        itself, but only minutes later, and not where autovacuum is off.
        """
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"ANALYZE {', '.join(tables)}")
        except sa.exc.DBAPIError as error:
            _log.warning("no fresh statistics: %s", self.classify_wrapped(error))

    def fresh_cursor(self, connection: sa.Connection) -> Any:
        """One that passes on SQL as it is, and parameters as `arrays` has made them.

        The driver's usual cursor turns its own placeholders into the server's, anew for every
        statement that is longer than it cares to remember: as all that write are.
        """
        from gongyi_bank.store.engines.raw import raw_cursor

        return raw_cursor(connection)

    def weak_settings(self, connection: sa.Connection) -> WeakSettings:
        commits, *found, lock, statement = connection.exec_driver_sql(_SETTINGS).one()
        faults = [] if commits in ("on", "remote_apply") else [f"synchronous_commit is {commits}"]
        others = zip(("fsync", "full_page_writes"), found, strict=True)
        faults += [f"{name} is off" for name, setting in others if setting == "off"]
        return WeakSettings(faults, [_ENDLESS] if lock == statement == "0" else [])

    def lock_schema(self, connection: sa.Connection) -> None:
        # Readers of the version go on; another migration may take longer than a lock should.
        connection.exec_driver_sql("SET LOCAL lock_timeout = '10min'")
        connection.exec_driver_sql("LOCK TABLE gb_schema_version IN EXCLUSIVE MODE")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")

    def guard_basis(self) -> list[str]:
        return [POSTGRESQL_FUNCTION]

    def guards_of(self, table: str, columns: Sequence[str] | None) -> list[str]:
        return postgresql_guards(table, columns)

    def unguards_of(self, table: str) -> list[str]:
        return postgresql_unguards(table)

    def count_guards(self, wire: Wire) -> int:
        select = (
            "SELECT count(*) FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid"
            " JOIN pg_class c ON c.oid = t.tgrelid WHERE f.proname = 'gb_refuse_change'"
            " AND t.tgenabled IN ('O', 'A') AND pg_table_is_visible(c.oid)"
        )
        found: int = wire.fetch(select, ())[0][0]
        return found

    def grants_for(self, connection: sa.Connection, role: str) -> list[str]:
        quote = _NUMBERED.identifier_preparer
        grantee = grants.quoted_role(quote, role)
        database, schema = connection.exec_driver_sql(grants.POSTGRESQL_PLACE).one()
        return [
            f"GRANT CONNECT ON DATABASE {quote.quote_identifier(database)} TO {grantee}",
            f"GRANT USAGE ON SCHEMA {quote.quote_identifier(schema)} TO {grantee}",
            *grants.table_grants(quote, schema, grantee),
        ]

    def history_is_writable(self, wire: Wire) -> bool | None:
        found: bool = wire.fetch(grants.POSTGRESQL_MAY_CHANGE_HISTORY, ())[0][0]
        return found

    def among(self, column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
        kind: sa.types.TypeEngine[Any] = pg.ARRAY(sa.Text() if _is_text(column) else Big)
        if isinstance(column.type, sa.LargeBinary):
            kind = pg.ARRAY(pg.BYTEA())
        return column == sa.any_(sa.bindparam(name, type_=kind))

    def rows_of(self, name: str, columns: Sequence[str]) -> sa.FromClause:
        given = sa.cast(sa.bindparam(name, type_=sa.Text()), sa.JSON)
        # The server expects a hundred rows of JSON, but ten of an array: then it seeks each of
        # them by its key, rather than read a table that was small when the plan was made.
        elements = sa.select(sa.func.json_array_elements(given)).scalar_subquery()
        rows = sa.func.unnest(sa.func.array(elements)).table_valued("value").render_derived()
        cells = [rows.c.value.op("->>")(sa.literal_column(str(i))) for i in range(len(columns))]
        named = zip(cells, columns, strict=True)
        numbers = [sa.cast(cell, Big).label(column) for cell, column in named]
        return sa.select(*numbers).subquery(name)

    def row_at(
        self, columns: Sequence[sa.Column[Any]], *conditions: sa.ColumnElement[bool]
    ) -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
        # A subquery with a limit is run for each row; a join may read the table at every step.
        row = sa.select(*columns).where(*conditions).limit(sa.literal_column("1"))
        return row.lateral(f"{columns[0].table.name}_at"), sa.true()

    def compile(self, select: sa.ClauseElement, dialect: sa.Dialect) -> Any:
        return select.compile(dialect=_NUMBERED)

    def adapt(self, value: Any) -> Any:
        return arrays.looked_up(value) if isinstance(value, list) else arrays.scalar(value)

    def result_converters(self, types: Sequence[Any]) -> list[tuple[int, Any]]:
        return [(i, bytes) for i, t in enumerate(types) if isinstance(t, sa.LargeBinary)]

    def fuse(self, selects: Sequence[tuple[str, int, Sequence[Any]]]) -> Fusion:
        parts, before = [], 0
        for select, size, types in selects:
            parts.append(_as_json(_renumbered(select, before), types))
            before += size
        converters = [_json_converters(types) for _, _, types in selects]
        return Fusion(f"SELECT {', '.join(parts)}", _from_json, converters)

    def begin_writing(self, wire: Wire, bank_id: int) -> None:
        """Rows are locked one by one; but a snapshot taken earlier must not be acted upon.

        At READ COMMITTED each later statement sees what was committed meanwhile. Above it,
        locking the bank's row fails (40001) if the house changed since the snapshot, as
        locking a head does if the account changed.
        """
        driver_connection: Any = wire.connection.connection.dbapi_connection
        if driver_connection.autocommit:
            raise EngineSettingsUnsafe(reason="the connection commits every statement (AUTOCOMMIT)")
        if self.reads_newest_rows(wire):
            return
        # Whoever closes a day waits for this row: who comes then queues, and never overtakes.
        bank = (arrays.scalar(bank_id),)
        if not wire.fetch(_SHARE_BANK, bank):
            wire.fetch(_QUEUE_FOR_BANK, bank)

    def reads_newest_rows(self, wire: Wire) -> bool:
        level = wire.fetch("SHOW transaction_isolation", ())[0][0]
        return bool(level == "read committed")

    def alone(self, connection: sa.Connection) -> AbstractContextManager[object]:
        return _Autocommit(connection.connection.dbapi_connection)

    def for_reading(self, connection: sa.Connection) -> sa.Connection:
        return connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    def write(self, wire: Wire, bank_id: int, writes: Writes) -> None:
        vouchers = sorted_vouchers(writes.vouchers)
        is_single = len(vouchers) == 1 and all(len(step.rows) == 1 for step in writes.steps)
        statement = fused_write(is_single, tuple(map(shape_of, writes.steps)))
        params = [arrays.scalar(bank_id), arrays.scalar(len(vouchers))]
        params += statement.given(0, vouchers)
        for number, step in enumerate(writes.steps, start=1):
            params += statement.given(number, sorted_rows(step))
        with all_or_none(wire, vouchers):
            counts = wire.fetch(statement.sql, params)[0]
            if counts[0] != len(vouchers):
                raise KeyTaken
        updates = [step for step in writes.steps if isinstance(step, Update)]
        for step, found in zip(updates, counts[1:], strict=True):
            require_all_found(step, found)

    def lock_once(self, statement: sa.Select[Any], name: str) -> sa.Select[Any]:
        """What a transaction remembers is a setting of its own.

        The server takes it back with the savepoint that it was made in, whoever undoes that.
        """
        bank: sa.BindParameter[int] = sa.bindparam("bank", type_=Big)
        setting = sa.literal_column(f"'gongyi_bank.{name}_'").op("||")(sa.cast(bank, sa.Text))
        is_new = sa.func.coalesce(sa.func.current_setting(setting, sa.true()), "") == ""
        passed = self.lock(statement.where(is_new)).subquery()
        counted = sa.select(sa.func.count().label("rows")).select_from(passed).subquery()
        # From a subquery that counts them: so all rows are locked before it is noted.
        noted = sa.cast(counted.c.rows + 1, sa.Text)
        return sa.select(sa.func.set_config(setting, noted, sa.true()))

    def insert_construct(self, table: sa.Table) -> Any:
        return pg.insert(table)

    def classify(self, error: BaseException | None, *, lost: bool) -> EngineError:
        sqlstate = getattr(error, "sqlstate", None)
        constraint = getattr(getattr(error, "diag", None), "constraint_name", None)
        explained = constraint or _EXPLAINED.get(str(sqlstate))
        reason = " ".join(filter(None, (f"SQLSTATE {sqlstate}", explained)))
        if sqlstate in _RETRY:
            return RetryTransaction(reason=reason)
        if lost or sqlstate is None:
            return RetryTransaction(reason="connection lost")
        return EngineError(reason=reason)

    def commit_outcome_known(self, error: sa.exc.DBAPIError) -> bool:
        return getattr(error.orig, "sqlstate", None) in ("40001", "40P01")

    def must_run_again(self, error: sa.exc.DBAPIError) -> bool:
        return self.commit_outcome_known(error)

    def has_failed(self, connection: sa.Connection) -> bool:
        driver_connection: Any = connection.connection.driver_connection
        return bool(driver_connection.info.transaction_status.name == "INERROR")


def _renumbered(select: str, before: int) -> str:
    """A select whose parameters come after so many others."""
    return re.sub(r"\$(\d+)", lambda found: f"${int(found[1]) + before}", select)


def _as_json(select: str, types: Sequence[Any]) -> str:
    """A select as one JSON array of arrays."""
    names = ", ".join(f"c{i}" for i in range(len(types)))
    # Bytes as plain hex, whatever the session's bytea_output says.
    cells = ", ".join(
        f"encode(c{i}, 'hex')" if isinstance(t, sa.LargeBinary) else f"c{i}"
        for i, t in enumerate(types)
    )
    rows = f"SELECT json_build_array({cells}) AS r FROM ({select}) AS s({names})"  # noqa: S608
    return f"(SELECT coalesce(json_agg(a.r)::text, '[]') FROM ({rows}) AS a)"  # noqa: S608


def _from_json(rows: list[tuple[Any, ...]]) -> list[Any]:
    """The only row, one JSON array of rows in each column."""
    return [from_json(text) for text in rows[0]]


def _json_converters(types: Sequence[Any]) -> list[tuple[int, Any]]:
    """As `result_converters`, for values that came through JSON."""
    return [(i, _FROM_JSON[type(t)]) for i, t in enumerate(types) if type(t) in _FROM_JSON]


def _is_text(column: sa.ColumnElement[Any]) -> bool:
    return isinstance(column.type, sa.String)
