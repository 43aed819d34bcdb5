"""What an act is about to write, as a value: the engine turns it into statements.

An act collects its rows here after the marked line *after this point the act must
succeed*. The number of statements depends on the tables touched, never on the rows.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.tables import voucher

Row = tuple[Any, ...]
VOUCHER_COLUMNS = tuple(column.name for column in voucher.columns if column.name != "bank_id")


@dataclass(slots=True)
class Insert:
    """New rows of one table; `bank_id` is added by the engine.

    Where a row's key is there already, the row gets the new values of the columns in `replaces`;
    without any, that is an error.
    """

    table: sa.Table
    columns: tuple[str, ...]
    rows: list[Row]
    replaces: tuple[str, ...] = ()


@dataclass(slots=True)
class Update:
    """Changed rows of one table, found by `key`; every row must be found.

    A row is the key's values, the guards' expected old values, then the new values.
    """

    table: sa.Table
    key: tuple[str, ...]
    guards: tuple[str, ...]
    changes: tuple[str, ...]
    rows: list[Row]


@dataclass(slots=True)
class Writes:
    """One act's voucher and every row that depends on it; or those of several acts."""

    steps: list[Insert | Update] = field(default_factory=list)
    #: Vouchers in the order of VOUCHER_COLUMNS; filled in last, written first, all or none.
    vouchers: list[Row] = field(default_factory=list)

    def insert(
        self,
        table: sa.Table,
        columns: Sequence[str],
        rows: list[Row],
        *,
        replaces: Sequence[str] = (),
    ) -> None:
        """Add new rows, or replace columns of those there are; nothing happens for none."""
        if rows:
            self.steps.append(Insert(table, tuple(columns), rows, tuple(replaces)))

    def update(
        self,
        table: sa.Table,
        rows: list[Row],
        *,
        key: Sequence[str],
        changes: Sequence[str],
        guards: Sequence[str] = (),
    ) -> None:
        """Change rows that must exist with the guarded values; nothing happens for none."""
        if rows:
            step = Update(table, tuple(key), tuple(guards), tuple(changes), rows)
            self._require_other_rows(step)
            self.steps.append(step)

    @classmethod
    def joined(cls, acts: Iterable[Writes]) -> Writes:
        """What several acts write, one after another, as one: a row that some of them change is
        changed once, from what the first of them saw to what the last made of it."""
        whole = cls()
        inserts: dict[tuple[Any, ...], list[Row]] = {}
        updates: dict[tuple[Any, ...], dict[Row, Row]] = {}
        for act in acts:
            whole.vouchers += act.vouchers
            for step in act.steps:
                if isinstance(step, Insert):
                    kind = (step.table, step.columns, step.replaces)
                    inserts.setdefault(kind, []).extend(step.rows)
                else:
                    shape = (step.table, step.key, step.guards, step.changes)
                    _join(updates.setdefault(shape, {}), step)
        # What others point to comes first, in whatever order the acts were.
        for kind, rows in sorted(inserts.items(), key=lambda item: _place(item[0][0])):
            table, columns, replaces = kind
            whole.insert(table, columns, rows, replaces=replaces)
        for (table, key, guards, changes), found in updates.items():
            whole.update(table, list(found.values()), key=key, guards=guards, changes=changes)
        return whole

    def _require_other_rows(self, new: Update) -> None:
        """One act changes a row once: in a fused statement the second change would be lost."""
        size = len(new.key)
        for step in self.steps:
            if isinstance(step, Update) and step.table is new.table:
                changed = {row[:size] for row in step.rows}
                if any(row[:size] in changed for row in new.rows):
                    raise AssertionError(f"{new.table.name}: a row is changed twice in one act")


def _join(earlier: dict[Row, Row], step: Update) -> None:
    """Add changes to earlier ones of the same shape, by key."""
    size, seen = len(step.key), len(step.key) + len(step.guards)
    for row in step.rows:
        key = row[:size]
        first = earlier.get(key)
        earlier[key] = row if first is None else (*first[:seen], *row[seen:])


@functools.cache
def _place(table: sa.Table) -> int:
    """Where a table stands among all, those it points to before it."""
    return table.metadata.sorted_tables.index(table)


def columns_of(table: sa.Table) -> tuple[str, ...]:
    """All columns but `bank_id`, in order: the shape of a full row."""
    return tuple(column.name for column in table.columns if column.name != "bank_id")
