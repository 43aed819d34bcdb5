"""PostgreSQL's fused write: an act's vouchers and all its rows in one statement.

Every row depends on all vouchers' keys being free, for it is anchored on their RETURNING: one
voucher missing, no rows. Acts of one row a table take plain parameters, others an array for
each column.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.engines import arrays
from gongyi_bank.store.engines.arrays import Kind
from gongyi_bank.store.engines.base import on_conflict
from gongyi_bank.store.tables import voucher
from gongyi_bank.store.writing import VOUCHER_COLUMNS, Insert, Row, Update

#: Table; the columns of an INSERT and those it replaces; or an UPDATE's key, guards and changes.
Shape = tuple[sa.Table, tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def shape_of(step: Insert | Update) -> Shape:
    """What the text of the statement depends on: all but the rows."""
    if isinstance(step, Insert):
        return (step.table, step.columns, step.replaces, ())
    return (step.table, step.key, step.guards, step.changes)


class FusedWrite:
    """The statement for steps of these shapes.

    Its parameters: the bank, how many vouchers, then what `given` makes of each step's rows,
    the vouchers being step 0. It returns how many vouchers were claimed, and for each UPDATE
    how many rows it found.
    """

    def __init__(self, is_single: bool, shapes: tuple[Shape, ...]) -> None:
        self._is_single = is_single
        self._kinds: list[list[Kind]] = []
        self._size = 2
        source = self._source(voucher, VOUCHER_COLUMNS, VOUCHER_COLUMNS)
        bank = "(SELECT $1::bigint AS bank_id) AS k"
        claim = _insert(voucher, VOUCHER_COLUMNS, f"{bank} CROSS JOIN {source}", "k")
        parts = [
            f"claimed AS ({claim} ON CONFLICT DO NOTHING RETURNING bank_id)",
            "v AS (SELECT min(bank_id) AS bank_id FROM claimed HAVING count(*) = $2::bigint)",
        ]
        counts = ["(SELECT count(*) FROM claimed)"]
        for number, shape in enumerate(shapes):
            parts.append(f"w{number} AS ({self._step(*shape)})")
            if shape[-1]:
                counts.append(f"(SELECT count(*) FROM w{number})")  # noqa: S608
        self.sql = f"WITH {', '.join(parts)} SELECT {', '.join(counts)}"

    def given(self, step: int, rows: Sequence[Row]) -> list[Any]:
        """The parameters for the rows of a step."""
        if self._is_single:
            return list(map(arrays.scalar, rows[0]))
        columns = zip(*rows, strict=True)
        return list(map(arrays.array, self._kinds[step], columns))

    def _source(self, table: sa.Table, names: Sequence[str], aliases: Sequence[str]) -> str:
        """The rows of a step as a table `u`."""
        kinds = [arrays.kind_of(table.c[name]) for name in names]
        self._kinds.append(kinds)
        marks = [f"${self._size + number}::{kind.name}" for number, kind in enumerate(kinds, 1)]
        self._size += len(marks)
        if self._is_single:
            picked = ", ".join(f"{m} AS {a}" for m, a in zip(marks, aliases, strict=True))
            return f"(SELECT {picked}) AS u"
        lists = ", ".join(f"{mark}[]" for mark in marks)
        return f"unnest({lists}) AS u({', '.join(aliases)})"

    def _step(
        self, table: sa.Table, key: Sequence[str], guards: Sequence[str], changes: Sequence[str]
    ) -> str:
        if not changes:
            insert = _insert(table, key, f"v CROSS JOIN {self._source(table, key, key)}", "v")
            return insert + on_conflict(table, guards)
        # Under names of their own, since a guarded column may change too.
        aliases = (*key, *(f"seen_{name}" for name in guards), *(f"new_{n}" for n in changes))
        source = self._source(table, (*key, *guards, *changes), aliases)
        sets = ", ".join(f"{name} = u.new_{name}" for name in changes)
        where = [f"t.{name} = u.{name}" for name in key]
        where += [f"t.{name} = u.seen_{name}" for name in guards]
        return (
            f"UPDATE {table.name} AS t SET {sets} FROM v CROSS JOIN {source}"  # noqa: S608
            f" WHERE t.bank_id = v.bank_id AND {' AND '.join(where)} RETURNING 1"
        )


def _insert(table: sa.Table, columns: Sequence[str], source: str, anchor: str) -> str:
    names = ", ".join(("bank_id", *columns))
    picked = ", ".join(f"u.{name}" for name in columns)
    return f"INSERT INTO {table.name} ({names}) SELECT {anchor}.bank_id, {picked} FROM {source}"  # noqa: S608


@functools.cache
def fused_write(is_single: bool, shapes: tuple[Shape, ...]) -> FusedWrite:
    """The statement, made once."""
    return FusedWrite(is_single, shapes)
