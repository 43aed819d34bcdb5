"""What an act is about to write, as a value: the engine turns it into statements.

An act collects its rows here after the marked line *after this point the act must
succeed*. The number of statements depends on the tables touched, never on the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.tables import voucher

Row = tuple[Any, ...]
VOUCHER_COLUMNS = tuple(column.name for column in voucher.columns if column.name != "bank_id")


@dataclass(slots=True)
class Insert:
    """New rows of one table; `bank_id` is added by the engine."""

    table: sa.Table
    columns: tuple[str, ...]
    rows: list[Row]


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
    """One act's voucher and every row that depends on it."""

    steps: list[Insert | Update] = field(default_factory=list)
    #: The voucher's row in the order of VOUCHER_COLUMNS; filled in last, written first.
    voucher: Row = ()

    def insert(self, table: sa.Table, columns: Sequence[str], rows: list[Row]) -> None:
        """Add new rows; nothing happens for none."""
        if rows:
            self.steps.append(Insert(table, tuple(columns), rows))

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

    def _require_other_rows(self, new: Update) -> None:
        """One act changes a row once: in a fused statement the second change would be lost."""
        size = len(new.key)
        for step in self.steps:
            if isinstance(step, Update) and step.table is new.table:
                changed = {row[:size] for row in step.rows}
                if any(row[:size] in changed for row in new.rows):
                    raise AssertionError(f"{new.table.name}: a row is changed twice in one act")


def columns_of(table: sa.Table) -> tuple[str, ...]:
    """All columns but `bank_id`, in order: the shape of a full row."""
    return tuple(column.name for column in table.columns if column.name != "bank_id")
