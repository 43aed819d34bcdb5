"""Sums as every engine gives them: 64-bit integers, and 0 where there is nothing to add."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.tables.columns import Big

#: A zero written into the statement, so that it needs no parameter.
ZERO: sa.ColumnElement[Any] = sa.literal_column("0")


def total_of(value: Any) -> sa.ColumnElement[int]:
    """A sum as a 64-bit integer, 0 of nothing: PostgreSQL sums BIGINT to NUMERIC."""
    return sa.cast(sa.func.coalesce(sa.func.sum(value), ZERO), Big)


def only_where(condition: Any, value: Any) -> sa.ColumnElement[Any]:
    """The value in rows that meet the condition, 0 in the others."""
    return sa.case((condition, value), else_=ZERO)
