"""Changing the books behind the bank's back: every column, one row gone, one more, two swapped."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.reports.faults import Verification
from gongyi_bank.rules.seals import voucher_day
from gongyi_bank.store.seals import NOT_SEALED
from gongyi_bank.store.tables import metadata
from tests.district import SHANGHAI

Row = dict[str, Any]
#: What people do to books.
CHANGE, DELETE, INSERT, SWAP = "change", "delete", "insert", "swap"
SEALED, OPEN, UNDATED = "sealed", "open", "undated"
#: What tells of a change by hashes alone; an owner without a seal key could compute them anew.
HASHES = frozenset({
    "line_hash", "voucher_hash", "voucher_rows", "seal_root", "seal_count", "seal_hash",
    "head_head_hash",
})  # fmt: skip

#: Tables in which acts write over what stood there, so that only comparing tells.
WRITTEN_OVER = frozenset({f"gb_{name}" for name in NOT_SEALED}) | {
    "gb_customer", "gb_hold", "gb_offer", "gb_outlet", "gb_partner_store", "gb_pool", "gb_staff",
    "gb_staff_role",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tampering:
    """One thing done to one row."""

    table: str
    deed: str
    #: "sealed" or "open" by the row's voucher; "undated" where it has none.
    day: str
    column: str = ""
    #: Of a column with few values: what it says, where that matters.
    was: str | None = None
    #: Which of the other values it is to say.
    nth: int = 0

    def __str__(self) -> str:
        which = (f" {self.was}" if self.was else "") + (f" no. {self.nth}" if self.nth else "")
        return f"{self.table}.{self.column or self.deed} ({self.day}){which}"


class Tamperer:
    """A bank whose guards and constraints are gone, and what is tried on it.

    Every deed happens in a transaction that is audited from within and then rolled back.
    """

    def __init__(self, bank: Bank, sealed_through: dt.date) -> None:
        self.bank = bank
        self.sealed_through = sealed_through
        self.is_sqlite = bank.engine.dialect.name == "sqlite"
        self._drop_guards()
        with bank.engine.connect() as connection:
            self.rows = {
                name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
                for name, table in metadata.tables.items()
            }

    def _drop_guards(self) -> None:
        """Whoever owns the database can do this."""
        with self.bank.engine.begin() as connection:
            if self.is_sqlite:
                names = connection.exec_driver_sql(
                    "SELECT name FROM sqlite_master WHERE type = 'trigger'"
                )
                for (name,) in names.all():
                    connection.exec_driver_sql(f"DROP TRIGGER {name}")
                return
            found = connection.exec_driver_sql(
                "SELECT conrelid::regclass, conname FROM pg_constraint"
                " WHERE contype IN ('f', 'c', 'u') AND connamespace = 'public'::regnamespace"
                " ORDER BY contype = 'u'"
            )
            for table, name in found.all():
                connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE")
            connection.exec_driver_sql("DROP FUNCTION gb_refuse_change CASCADE")

    # --- what there is to do ---

    def deeds(self) -> Iterator[Tampering]:
        """Every deed on every table, for a row of a sealed day and one of the open day."""
        for name, table in metadata.tables.items():
            for day in (SEALED, OPEN, UNDATED):
                rows = self._of(name, day)
                if not rows:
                    continue
                for column in table.columns:
                    yield from self._changes(column, day, rows)
                yield Tampering(name, DELETE, day)
                yield Tampering(name, INSERT, day)
                if _pairs(table, rows):
                    yield Tampering(name, SWAP, day)

    def _changes(self, column: sa.Column[Any], day: str, rows: list[Row]) -> Iterator[Tampering]:
        """Every state to every other one; of numbers that acts write over two; of all else one."""
        name = column.table.name
        said = sorted({row[column.name] for row in rows} - {None}) if allowed(column) else []
        for was in said or [None]:
            sample = was or next((row[column.name] for row in rows if row[column.name]), None)
            count = len(others(sample, column, 1)) if was or name in WRITTEN_OVER else 1
            for nth in range(count):
                yield Tampering(name, CHANGE, day, column.name, was, nth)

    def _of(self, name: str, day: str) -> list[Row]:
        return [row for row in self.rows[name] if self._day(row) == day]

    def _day(self, row: Row) -> str:
        if "voucher_id" not in row:
            return UNDATED
        return SEALED if voucher_day(row["voucher_id"], SHANGHAI) <= self.sealed_through else OPEN

    def audit(self, deed: Tampering, chance: random.Random) -> Verification:
        """Do it, look, and undo it."""
        with self._secretly() as connection:
            self._do(connection, deed, chance)
            with self.bank.within(connection) as counter:
                return counter.verify()

    @contextmanager
    def _secretly(self) -> Iterator[sa.Connection]:
        with self.bank.engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            if self.is_sqlite:
                driver.execute("PRAGMA foreign_keys=OFF")
                driver.execute("PRAGMA ignore_check_constraints=ON")
            else:  # where an audit in somebody's transaction sees one moment
                connection.execution_options(isolation_level="REPEATABLE READ")
            try:
                yield connection
            finally:
                connection.rollback()
                if self.is_sqlite:
                    driver.execute("PRAGMA foreign_keys=ON")
                    driver.execute("PRAGMA ignore_check_constraints=OFF")

    def _do(self, connection: sa.Connection, deed: Tampering, chance: random.Random) -> None:
        table = metadata.tables[deed.table]
        rows = self._of(deed.table, deed.day)
        row = chance.choice(rows)
        if deed.deed == CHANGE:
            filled = [
                row for row in rows if row[deed.column] is not None
                if deed.was in (None, row[deed.column])
            ]  # fmt: skip
            row = chance.choice(filled or rows)
            step = len(self.rows[deed.table])
            value = others(row[deed.column], table.c[deed.column], step)[deed.nth]
            change = sa.update(table).where(*_is(table, row)).values({deed.column: value})
            assert connection.execute(change).rowcount == 1
        elif deed.deed == DELETE:
            assert connection.execute(sa.delete(table).where(*_is(table, row))).rowcount == 1
        elif deed.deed == INSERT:
            connection.execute(sa.insert(table).values(self._copy(table, row)))
        else:
            first, second = chance.choice(_pairs(table, rows))
            for gone in (first, second):
                connection.execute(sa.delete(table).where(*_is(table, gone)))
            key = [column.name for column in table.primary_key.columns]
            connection.execute(sa.insert(table).values(first | {k: second[k] for k in key}))
            connection.execute(sa.insert(table).values(second | {k: first[k] for k in key}))

    def _copy(self, table: sa.Table, row: Row) -> Row:
        """The row again, under another key wherever it must be unique."""
        copy = dict(row)
        for constraint in table.constraints:
            if isinstance(constraint, sa.PrimaryKeyConstraint | sa.UniqueConstraint):
                column = [*constraint.columns][-1]
                if copy[column.name] == row[column.name]:
                    value = row[column.name]
                    if value is not None:
                        copy[column.name] = another(value, column, 1000)
        return copy


def _pairs(table: sa.Table, rows: list[Row]) -> list[tuple[Row, Row]]:
    """Rows that say different things, so that it matters which key each of them has."""
    key = [column.name for column in table.primary_key.columns]
    if len(key) < 2:  # the bank itself
        return []
    said = [{name: value for name, value in row.items() if name not in key} for row in rows]
    return [
        (rows[a], rows[b])
        for a in range(len(rows))
        for b in range(a + 1, len(rows))
        if said[a] != said[b]
    ]


def _is(table: sa.Table, row: Row) -> list[sa.ColumnElement[bool]]:
    return [column == row[column.name] for column in table.primary_key.columns]


def others(value: Any, column: sa.Column[Any], step: int) -> list[Any]:
    """Other values of the same shape: all there are, if they are few; of numbers two."""
    if isinstance(value, int):
        return [value + step, value - 1]
    listed = [name for name in allowed(column) if name != value] if value is not None else []
    return listed or [another(value, column, step)]


def another(value: Any, column: sa.Column[Any], step: int) -> Any:
    """Another value of the same shape; an empty one is filled."""
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    if isinstance(value, int):
        return value + step
    if isinstance(value, dt.datetime):
        return value - dt.timedelta(seconds=1)
    if isinstance(value, dt.date):
        return value - dt.timedelta(days=step)
    if isinstance(value, str):
        if others := [name for name in allowed(column) if name != value]:
            return others[0]
        return value[:-1] + ("x" if value[-1:] != "x" else "y")
    kind = column.type
    if isinstance(kind, sa.LargeBinary):
        return bytes(kind.length or 16)
    if isinstance(kind, sa.String):
        return "x"
    if isinstance(kind, sa.Integer):
        return 7
    return (
        dt.datetime(2022, 10, 1, tzinfo=dt.UTC)
        if "at" in column.name.split("_")
        else dt.date(2022, 10, 1)
    )


def allowed(column: sa.Column[Any]) -> list[str]:
    """The values that the schema lists for this column, if it does."""
    for check in column.table.constraints:
        if isinstance(check, sa.CheckConstraint):
            found = re.search(rf"(?:^|\W){column.name} IN \(('[^)]*)\)", str(check.sqltext))
            if found:
                return re.findall(r"'(\w+)'", found[1])
    return []
