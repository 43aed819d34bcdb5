"""Sums as every engine gives them: 64-bit integers, and 0 where there is nothing to add.

What one account is credited in its life is bounded (`rules.ledger.CREDITED_MAX`), and so is
every sum of one account. A sum over many accounts is not: one that 64 bits cannot hold is an
error on every engine, and never a smaller number.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from gongyi_bank.store.tables.columns import Big

#: A zero written into the statement, so that it needs no parameter.
ZERO: sa.ColumnElement[Any] = sa.literal_column("0")


class _Whole(sa.sql.functions.FunctionElement[int]):
    """One number as a 64-bit integer."""

    name = "whole"
    type = Big
    inherit_cache = True


@compiles(_Whole)
def _cast(element: _Whole, compiler: Any, **options: Any) -> str:
    (value,) = element.clauses
    sql: str = compiler.process(sa.cast(value, Big), **options)
    return sql


@compiles(_Whole, "mysql", "mariadb")
def _divide(element: _Whole, compiler: Any, **options: Any) -> str:
    # A cast to an integer would make of a larger number the largest one there is.
    (value,) = element.clauses
    return f"(({compiler.process(value, **options)}) DIV 1)"


def whole(value: Any) -> sa.ColumnElement[int]:
    """A sum as a 64-bit integer: PostgreSQL sums BIGINT to NUMERIC, MariaDB to DECIMAL.

    An error where it does not fit.
    """
    return _Whole(value)


def total_of(value: Any) -> sa.ColumnElement[int]:
    """A sum as a 64-bit integer, 0 of nothing; an error where it does not fit."""
    return whole(sa.func.coalesce(sa.func.sum(value), ZERO))


def only_where(condition: Any, value: Any) -> sa.ColumnElement[Any]:
    """The value in rows that meet the condition, 0 in the others."""
    return sa.case((condition, value), else_=ZERO)
