"""MySQL 8 and MariaDB 10.11: many writers, row locks in key order, an act's rows step by step.

Traps that shape this file: a lock timeout undoes one statement and a deadlock the whole
transaction; INSERT IGNORE cuts texts off; DDL commits; at REPEATABLE READ an old snapshot is
acted upon without a word. docs/decisions/0010 has the measurements.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import json
import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import dialect as mysql_dialect
from sqlalchemy.dialects.mysql import insert as mysql_insert
from sqlalchemy.sql import visitors

from gongyi_bank.errors import EngineError, EngineSettingsUnsafe, RetryTransaction
from gongyi_bank.store.engines import grants
from gongyi_bank.store.engines.base import (
    Capability,
    Fusion,
    KeyTaken,
    StoreEngine,
    WeakSettings,
    all_or_none,
    insert_columns,
    require_all_found,
    sorted_rows,
    sorted_vouchers,
)
from gongyi_bank.store.engines.guards import mysql_guards
from gongyi_bank.store.engines.union import united
from gongyi_bank.store.engines.wire import Wire
from gongyi_bank.store.tables import voucher
from gongyi_bank.store.tables.columns import (
    Big,
    Day,
    Instant,
    exact_collation,
    with_zone,
    without_zone,
)
from gongyi_bank.store.writing import VOUCHER_COLUMNS, Insert, Update, Writes

_DUPLICATE = 1062
_LOCK_TIMEOUT = 1205
#: Certainly not applied: lock timeout, deadlock, a row changed since the snapshot, a cluster
#: node that is not ready, a group of servers whose other member was first (MySQL).
_NOT_APPLIED = frozenset({_LOCK_TIMEOUT, 1213, 1020, 1047, 3101})
#: A key, or a table, trigger or index, that somebody else has just made; a table changed
#: meanwhile; a MySQL that is being shut down, where MariaDB drops the connection.
_RETRY = _NOT_APPLIED | {_DUPLICATE, 1050, 1053, 1061, 1359, 1412, 1684, 1826}
#: Why an error whose number alone helps nobody comes.
_EXPLAINED = {
    1305: "the block's savepoint is gone: its transaction was ended by a deadlock, or a statement",
    1419: "MySQL with a binary log: making triggers wants log_bin_trust_function_creators=1,"
    " or an account with SUPER",
}
#: The driver's flag by which an UPDATE counts the rows found, not those that became different.
_FOUND_ROWS = 2
_STRICT = ("STRICT_ALL_TABLES", "STRICT_TRANS_TABLES")
#: The session of a connection of our own.
_SESSION = (
    "SET sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',"
    " innodb_lock_wait_timeout = 10, time_zone = '+00:00', collation_connection = 'utf8mb4_bin'"
)
#: There CHECK can be switched off; and a list of over 1 000 would be locked out of order.
_SESSION_OF_MARIADB = ", check_constraint_checks = ON, in_predicate_conversion_threshold = 0"
#: There a list of some 36 000 would be no range of the index any more, and all rows be looked at.
_SESSION_OF_MYSQL = ", range_optimizer_max_mem_size = 0"
#: MySQL's DETECT_ONLY finds torn pages, and cannot mend them.
_MENDS_TORN_PAGES = ("ON", "1", "DETECT_AND_RECOVER")
#: MySQL can be told to write no redo log at all.
_REDO_LOG = sa.text("SHOW GLOBAL STATUS LIKE 'Innodb_redo_log_enabled'")
_SETTINGS = sa.text(
    "SHOW VARIABLES WHERE Variable_name IN ('innodb_flush_log_at_trx_commit', 'log_bin',"
    " 'innodb_flush_method', 'sync_binlog', 'innodb_doublewrite', 'sql_mode',"
    " 'check_constraint_checks', 'innodb_lock_wait_timeout')"
)
#: From here on InnoDB sets no clock (the default is 50 seconds).
_ENDLESS_SECONDS = 100_000_000
_OTHER_STORAGE = sa.text(
    "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
    " AND left(table_name, 3) = 'gb_' AND engine <> 'InnoDB'"
)
_TRIGGERS = (
    "SELECT count(*) FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
    " AND left(trigger_name, 3) = 'gb_'"
)
#: The lock of whoever changes the schema of this database; names are at most 64 characters. (Newer
#: MySQL has no SHA1 any more.)
_SCHEMA = "CONCAT('gb_schema_', LEFT(SHA2(DATABASE(), 256), 40))"
_TAKE_SCHEMA = f"SELECT GET_LOCK({_SCHEMA}, 600)"
_LEAVE_SCHEMA = f"SELECT RELEASE_LOCK({_SCHEMA})"
_LEVEL, _LEVEL_OF_MARIADB = "SELECT @@transaction_isolation", "SELECT @@tx_isolation"
_SNAPSHOT = "SHOW VARIABLES LIKE 'innodb_snapshot_isolation'"
#: Names in backticks, and a host's % as it is.
_QUOTING = mysql_dialect(paramstyle="named").identifier_preparer


def _is_duplicate(error: RetryTransaction) -> bool:
    """Whether a row with this key exists; then only the statement was undone."""
    return str(error.facts["reason"]).startswith(f"errno {_DUPLICATE}")


class MysqlEngine(StoreEngine):
    """MySQL 8.0.29 or MariaDB 10.11 or later, through PyMySQL; named after its URL."""

    name: ClassVar[str] = "mysql"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.GUARD_TRIGGERS,
            Capability.SHARED_ROW_LOCK,
            Capability.GRANTS,
        }
    )

    def engine_options(self, url: sa.URL) -> dict[str, Any]:
        """READ COMMITTED; connections are renewed before a server drops them as idle."""
        return {
            "isolation_level": "READ COMMITTED",
            "pool_recycle": 1800,
            "connect_args": {"charset": "utf8mb4"},
        }

    def prepare(self, engine: sa.Engine) -> None:
        sa.event.listen(engine, "connect", _on_connect)

    def create_tables(self, connection: sa.Connection, metadata: sa.MetaData) -> None:
        """Whatever is missing: DDL commits, so an earlier founder may have got half-way."""
        for table in metadata.sorted_tables:
            connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
            present = {index["name"] for index in sa.inspect(connection).get_indexes(table.name)}
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                if index.name not in present:
                    connection.execute(sa.schema.CreateIndex(index))

    @contextlib.contextmanager
    def migrating_alone(self, connection: sa.Connection) -> Iterator[None]:
        """Under a name's lock, since DDL commits, and with that lets go of every row.

        A change of a table waits for whoever uses it, and everybody else then waits behind it:
        by default for a day.
        """
        with _schema_taken(connection):
            connection.exec_driver_sql("SET SESSION lock_wait_timeout = 10")
            connection.rollback()
            try:
                yield
            finally:
                if _is_usable(connection):
                    connection.exec_driver_sql("SET SESSION lock_wait_timeout = DEFAULT")
                    connection.rollback()

    @contextlib.contextmanager
    def founding_alone(self, connection: sa.Connection) -> Iterator[None]:
        """Under the same name's lock: a migration that met half a schema could not go on.

        What was read before would keep the tables from changing. The version is a row, and must
        be there for whoever comes next.
        """
        connection.exec_driver_sql("COMMIT")
        with _schema_taken(connection):
            yield
            connection.exec_driver_sql("COMMIT")

    def in_a_script(self, statement: str) -> str:
        """With another sign for the end, since a trigger's body has semicolons in it."""
        return f"DELIMITER //\n{statement}\n//\nDELIMITER ;"

    def weak_settings(self, connection: sa.Connection) -> WeakSettings:
        rows = connection.execute(_SETTINGS).all()
        found = {name.lower(): str(value).upper() for name, value in rows}
        faults = []
        if found["innodb_flush_log_at_trx_commit"] != "1":
            faults.append("innodb_flush_log_at_trx_commit is not 1")
        if (method := found.get("innodb_flush_method")) in ("NOSYNC", "LITTLESYNC"):
            faults.append(f"innodb_flush_method is {method.lower()}")
        if found["log_bin"] in ("ON", "1") and found["sync_binlog"] != "1":
            faults.append("sync_binlog is not 1")
        if found["innodb_doublewrite"] not in _MENDS_TORN_PAGES:
            faults.append(f"innodb_doublewrite is {found['innodb_doublewrite'].lower()}")
        if any(value != "ON" for _, value in connection.execute(_REDO_LOG)):
            faults.append("the InnoDB redo log is switched off")
        if not any(mode in found["sql_mode"].split(",") for mode in _STRICT):
            faults.append("sql_mode is not strict")
        if found.get("check_constraint_checks", "ON") != "ON":
            faults.append("check_constraint_checks is off")
        others = connection.scalars(_OTHER_STORAGE).all()
        faults += [f"table {name} is not InnoDB" for name in others]
        return WeakSettings(faults, _endless(int(found["innodb_lock_wait_timeout"])))

    def guards_of(self, table: str, columns: Sequence[str] | None) -> list[str]:
        return mysql_guards(table, columns)

    def count_guards(self, wire: Wire) -> int:
        found: int = wire.fetch(_TRIGGERS, ())[0][0]
        return found

    def grants_for(self, connection: sa.Connection, role: str) -> list[str]:
        grantee = grants.quoted_account(_QUOTING, role)
        database = connection.exec_driver_sql("SELECT DATABASE()").scalar_one()
        return grants.table_grants(_QUOTING, database, grantee)

    def history_is_writable(self, wire: Wire) -> bool | None:
        if wire.fetch(grants.MYSQL_MAY_CHANGE_HISTORY, ())[0][0]:
            return True
        has_roles = wire.fetch(grants.MYSQL_COUNT_ROLES, ())[0][0] > 0
        for_everybody = any(" TO PUBLIC" in text for (text,) in wire.fetch("SHOW GRANTS", ()))
        return None if has_roles or for_everybody else False

    def among(self, column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
        # The driver writes a list as (1, 2, 3): one parameter, and a range of the index.
        return column.op("IN", is_comparison=True)(sa.bindparam(name))

    def rows_of(self, name: str, columns: Sequence[str]) -> sa.FromClause:
        cells = [f"{column} BIGINT PATH '$[{place}]'" for place, column in enumerate(columns)]
        shape: sa.ColumnElement[Any] = sa.literal_column(f"'$[*]' COLUMNS ({', '.join(cells)})")
        rows = sa.func.json_table(sa.bindparam(name, type_=sa.Text()), shape)
        return rows.table_valued(*(sa.column(column, Big) for column in columns), name=name)

    def looked_up_by(
        self, select: sa.Select[Any], table: sa.FromClause, index: str
    ) -> sa.Select[Any]:
        # What it knows of an index may be as old as an empty table; then it reads the whole bank.
        return select.with_hint(table, f"FORCE INDEX ({index})")

    def rows_named(
        self, columns: Sequence[Any], column: sa.Column[Any], named: sa.CompoundSelect[Any]
    ) -> sa.Select[Any]:
        # InnoDB locks what it looks at, not only what it finds. What is left of an outer join is
        # read first; STRAIGHT_JOIN is forgotten where the select becomes part of another.
        leading = named.subquery("leading_names")
        mine = sa.and_(column.table.c.bank_id == sa.bindparam("bank"), column == leading.c[0])
        return sa.select(*columns).select_from(leading.outerjoin(column.table, mine))

    def lock(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        return super().lock(_along_the_key(statement))

    def adapt(self, value: Any) -> Any:
        if isinstance(value, dt.datetime):
            return without_zone(value)
        if isinstance(value, list):
            # With a NULL, which nothing equals, a list of one is a list: the server would look
            # up the only row of a key before everything else, and lock it out of order.
            return (*map(self.adapt, value), None)
        return value

    def compile(self, select: sa.ClauseElement, dialect: sa.Dialect) -> Any:
        return select.compile(dialect=_marked(bool(getattr(dialect, "is_mariadb", False))))

    def fuse(self, selects: Sequence[tuple[str, int, Sequence[Any]]]) -> Fusion:
        return united(selects, self.result_converters, kind_of=_kind_of, cell=_united_cell)

    def result_converters(self, types: Sequence[Any]) -> list[tuple[int, Any]]:
        return [(i, with_zone) for i, t in enumerate(types) if isinstance(t, Instant)]

    def begin_writing(self, wire: Wire, bank_id: int) -> None:
        """Refuse what cannot be safe; above READ COMMITTED be told of a snapshot that is old.

        InnoDB locks the newest row and reads the others from the snapshot. MariaDB can be
        told not to (innodb_snapshot_isolation); SERIALIZABLE makes every read a locking one.
        """
        driver_connection: Any = wire.connection.connection.driver_connection
        if driver_connection.get_autocommit():
            raise EngineSettingsUnsafe(reason="the connection commits every statement (AUTOCOMMIT)")
        if not driver_connection.client_flag & _FOUND_ROWS:
            raise EngineSettingsUnsafe(reason="the client flag FOUND_ROWS is off")
        level = _level(wire)
        if level == "READ-COMMITTED":
            return
        if level != "SERIALIZABLE" and not _tells_of_changes(wire, level):
            raise EngineSettingsUnsafe(
                reason=f"{level} acts on old snapshots: use READ COMMITTED, or on MariaDB"
                " innodb_snapshot_isolation=ON"
            )
        share = "SELECT 1 FROM gb_bank WHERE bank_id = %s LOCK IN SHARE MODE"
        try:
            wire.fetch(share, (bank_id,))
        except RetryTransaction as error:
            # The server undid all of the caller's transaction: nobody may go on in it.
            wire.connection.invalidate(error)
            raise

    def reads_newest_rows(self, wire: Wire) -> bool:
        return _level(wire) in ("READ-COMMITTED", "SERIALIZABLE")

    def sees_one_moment(self, wire: Wire) -> bool:
        # SERIALIZABLE reads the newest rows, and locks them all.
        return _level(wire) != "READ-COMMITTED"

    def for_reading(self, connection: sa.Connection) -> sa.Connection:
        wire = Wire(connection, self)
        wire.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", ())
        wire.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", ())
        return connection

    def write(self, wire: Wire, bank_id: int, writes: Writes) -> None:
        with all_or_none(wire, writes.vouchers):
            try:
                rows = sorted_vouchers(writes.vouchers)
                _insert_rows(wire, bank_id, Insert(voucher, VOUCHER_COLUMNS, rows))
            except RetryTransaction as error:
                if _is_duplicate(error):
                    raise KeyTaken from None
                raise
        for step in writes.steps:
            if isinstance(step, Insert):
                _insert(wire, bank_id, step)
            else:
                _update(wire, bank_id, step)

    def insert_if_missing(self, table: sa.Table) -> Any:
        # Not IGNORE, which would also take a text that is too long and cut it off.
        return mysql_insert(table).on_duplicate_key_update(bank_id=table.c.bank_id)

    def insert_construct(self, table: sa.Table) -> Any:
        return mysql_insert(table)

    def classify(self, error: BaseException | None, *, lost: bool) -> EngineError:
        number = _errno(error)
        if lost or number is None:
            return RetryTransaction(reason="connection lost")
        explained = _EXPLAINED.get(number) or _constraint(error)
        reason = " ".join(filter(None, (f"errno {number}", explained)))
        return RetryTransaction(reason=reason) if number in _RETRY else EngineError(reason=reason)

    def commit_outcome_known(self, error: sa.exc.DBAPIError) -> bool:
        return _errno(error.orig) in _NOT_APPLIED

    def must_run_again(self, error: sa.exc.DBAPIError) -> bool:
        # A lock timeout has undone its statement alone.
        return _errno(error.orig) in _NOT_APPLIED - {_LOCK_TIMEOUT}


def _endless(seconds: int) -> list[str]:
    if seconds < _ENDLESS_SECONDS:
        return []
    return [
        f"innodb_lock_wait_timeout is {seconds}, so an act may wait for a lock without end:"
        " SET innodb_lock_wait_timeout = 10 in every session of the engine"
    ]


def _along_the_key(rows: sa.Select[Any]) -> sa.Select[Any]:
    """Rows that are named by their key alone: looked for by it, and by no other index.

    Of a list that names a good part of a table the server thinks that it had better look at all
    of it. It would wait for everybody's rows, on MySQL in the order of any index there is.
    """
    froms, where = rows.get_final_froms(), rows.whereclause
    if len(froms) != 1 or where is None or not isinstance(table := froms[0], sa.Table):
        return rows
    named = {found for found in visitors.iterate(where) if isinstance(found, sa.Column)}
    named = {column for column in named if column.table is table}
    has_others = named - set(table.primary_key.columns)
    return rows if has_others else rows.with_hint(table, "FORCE INDEX (PRIMARY)")


@functools.cache
def _marked(is_mariadb: bool) -> sa.Dialect:
    """How SQL is compiled for the driver's own cursor: with %s, in their order."""
    return mysql_dialect(paramstyle="format", is_mariadb=is_mariadb)


def _kind_of(kind: Any) -> Hashable:
    """What may share a column of a UNION: bytes are as long there as the longest of them."""
    if isinstance(kind, sa.LargeBinary):
        return sa.LargeBinary, kind.length
    for shared in (sa.Integer, sa.Text, sa.String, Day, Instant):
        if isinstance(kind, shared):
            return shared
    return object()


def _united_cell(name: str, kind: Any) -> str:
    """A sum is a decimal number, and would make one of every other value of its column."""
    # Not a cast: that would make of a larger number the largest one there is.
    return f"{name} DIV 1" if isinstance(kind, sa.Integer) else name


class MariadbEngine(MysqlEngine):
    """The same under SQLAlchemy's other name for it."""

    name: ClassVar[str] = "mariadb"


@contextlib.contextmanager
def _schema_taken(connection: sa.Connection) -> Iterator[None]:
    """Alone among those who change the schema of this database, whatever is committed within."""
    if connection.exec_driver_sql(_TAKE_SCHEMA).scalar() != 1:
        raise RetryTransaction(reason="somebody else changes the schema")
    try:
        yield
    finally:
        if _is_usable(connection):
            connection.exec_driver_sql(_LEAVE_SCHEMA)


def _is_usable(connection: sa.Connection) -> bool:
    return not connection.closed and not connection.invalidated


def _on_connect(connection: Any, _record: object) -> None:
    is_mariadb = "MariaDB" in connection.get_server_info()
    with connection.cursor() as cursor:
        cursor.execute(_SESSION + (_SESSION_OF_MARIADB if is_mariadb else _SESSION_OF_MYSQL))


def _level(wire: Wire) -> str:
    """The transaction's isolation level, as the server calls it."""
    driver_connection: Any = wire.connection.connection.driver_connection
    is_mariadb = "MariaDB" in driver_connection.get_server_info()
    level: str = wire.fetch(_LEVEL_OF_MARIADB if is_mariadb else _LEVEL, ())[0][0]
    return level


def _tells_of_changes(wire: Wire, level: str) -> bool:
    """Whether locking a row that changed since the snapshot fails (MariaDB, errno 1020)."""
    if level != "REPEATABLE-READ":
        return False
    return [value for _, value in wire.fetch(_SNAPSHOT, ())] == ["ON"]


def _errno(error: BaseException | None) -> int | None:
    """The server's number; None or 0 where the driver itself lost the connection."""
    number = error.args[0] if error is not None and error.args else None
    return number if isinstance(number, int) and number > 0 else None


def _constraint(error: BaseException | None) -> str | None:
    """The constraint's name alone: the message goes on with what the row contains."""
    found = re.findall(r"[`'.](gb_\w+_(?:pk|uq|fk|ck|ix))[`']", str(error))
    return found[-1] if found else None


@functools.cache
def _insert_sql(table: str, columns: tuple[str, ...], replaces: tuple[str, ...] = ()) -> str:
    names, marks = ", ".join(f"`{name}`" for name in columns), ", ".join(["%s"] * len(columns))
    sets = ", ".join(f"`{name}` = VALUES(`{name}`)" for name in replaces)
    insert = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
    return f"{insert} ON DUPLICATE KEY UPDATE {sets}" if sets else insert


def _insert(wire: Wire, bank_id: int, step: Insert) -> None:
    """Rows in key order, whatever order the act came to them in."""
    _insert_rows(wire, bank_id, replace(step, rows=sorted_rows(step)))


def _insert_rows(wire: Wire, bank_id: int, step: Insert) -> None:
    """Rows as they come; the driver makes one statement of them (of at most 1 MB each)."""
    instants = [i for i, name in enumerate(step.columns, 1) if _is_instant(step.table.c[name])]
    rows = [[bank_id, *row] for row in step.rows]
    for row in rows:
        for position in instants:
            if row[position] is not None:
                row[position] = without_zone(row[position])
    wire.execute_many(_insert_sql(step.table.name, insert_columns(step), step.replaces), rows)


def _is_instant(column: sa.Column[Any]) -> bool:
    return isinstance(column.type, Instant)


def _update(wire: Wire, bank_id: int, step: Update) -> None:
    """All rows in one statement, which takes them as a JSON array."""
    columns = [step.table.c[name] for name in (*step.key, *step.guards, *step.changes)]
    writers = [_json_writer(column) for column in columns]
    rows = [
        [None if cell is None else write(cell) for write, cell in zip(writers, row, strict=True)]
        for row in sorted_rows(step)
    ]
    collation = exact_collation(wire.connection.dialect)
    sql = _update_sql(step.table, step.key, step.guards, step.changes, collation)
    found = wire.execute(sql, (json.dumps(rows, ensure_ascii=False), bank_id))
    require_all_found(step, found)


def _json_writer(column: sa.Column[Any]) -> Any:
    if isinstance(column.type, Instant):
        return lambda value: without_zone(value).isoformat(" ", "microseconds")
    if isinstance(column.type, Day):
        return dt.date.isoformat
    return bytes.hex if isinstance(column.type, sa.LargeBinary) else lambda value: value


@functools.cache
def _update_sql(
    table: sa.Table,
    key: tuple[str, ...],
    guards: tuple[str, ...],
    changes: tuple[str, ...],
    collation: str,
) -> str:
    """Parameters: the rows as a JSON array of arrays, and the bank."""
    same, fresh = (*key, *guards), changes
    kinds = [_json_type(table.c[name], collation, is_fresh=False) for name in same]
    kinds += [_json_type(table.c[name], collation, is_fresh=True) for name in fresh]
    cells = ", ".join(f"c{i} {kind} PATH '$[{i}]' ERROR ON ERROR" for i, kind in enumerate(kinds))
    read = [_cell(table.c[name], i) for i, name in enumerate((*same, *fresh))]
    where = " AND ".join(f"t.`{name}` = {read[i]}" for i, name in enumerate(same))
    sets = ", ".join(f"t.`{name}` = {read[i]}" for i, name in enumerate(fresh, len(same)))
    # STRAIGHT_JOIN: the list leads, however few rows the statistics know.
    return (
        f"UPDATE JSON_TABLE(%s, '$[*]' COLUMNS ({cells})) AS u STRAIGHT_JOIN {table.name} AS t"  # noqa: S608
        f" ON t.bank_id = %s AND {where} SET {sets}"
    )


def _cell(column: sa.Column[Any], number: int) -> str:
    return f"UNHEX(u.c{number})" if isinstance(column.type, sa.LargeBinary) else f"u.c{number}"


def _json_type(column: sa.Column[Any], collation: str, *, is_fresh: bool) -> str:
    """The type in which JSON_TABLE hands a cell on.

    MySQL refuses what does not fit there, if it is told to (else it makes a NULL of it). MariaDB
    cuts it off without a word; so there is room for one character or digit too many, and the
    column, being strict, refuses that.
    """
    kind = column.type
    if isinstance(kind, Instant):
        return "DATETIME(6)"
    if isinstance(kind, Day):
        return "DATE"
    if isinstance(kind, sa.LargeBinary):
        return f"VARCHAR({2 * (kind.length or 0) + 1})"
    if isinstance(kind, sa.String):
        size = f"VARCHAR({kind.length + 1})" if kind.length else "LONGTEXT"
        return f"{size} CHARACTER SET utf8mb4 COLLATE {collation}"
    return "DECIMAL(20, 0)" if is_fresh else "BIGINT"
