"""Ranges of points by their numbers: which lines they came from, and which took them.

Totals never fall with the line's number, so a line is found by searching the key: some tens of
probes a statement, a few statements for a million lines. No account is scanned.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.statements import compared
from gongyi_bank.store.sums import whole
from gongyi_bank.store.tables import (
    account_line,
    hour_record,
    line_part,
    outlet,
    partner_store,
    redemption,
)
from gongyi_bank.store.transaction import Transaction, of_bank, query

#: Lines looked at in one statement of a search: four statements for a million lines.
_PROBES = 31


@dataclass(frozen=True, slots=True)
class RangeLine:
    """A line with the numbers that it credited or took, and where it was handled."""

    account_no: int
    line_no: int
    kind: str
    amount: int
    contra_no: int
    credited_after: int
    debited_after: int
    expires_on: dt.date | None
    value_on: dt.date
    business_day: dt.date
    voucher_id: bytes
    outlet: str

    @property
    def low(self) -> int:
        """The number below its first point: of those it credited, or of those it took."""
        if self.amount > 0:
            return self.credited_after - self.amount
        return self.debited_after + self.amount

    @property
    def high(self) -> int:
        """The number of its last point."""
        return self.low + abs(self.amount)


@dataclass(frozen=True, slots=True)
class CitedPart:
    """A part of a line that another line of the account gave back."""

    line_no: int
    part_no: int
    amount: int
    #: What of it did not come back: its lowest numbers.
    expired: int
    #: What earlier parts of the line had taken.
    taken_before: int


@dataclass(frozen=True, slots=True)
class PaidRecord:
    """The service behind a credit line."""

    line_no: int
    record_no: int
    category: str | None
    project: str | None
    minutes: int


@dataclass(frozen=True, slots=True)
class PaidGoods:
    """The goods behind a debit line."""

    line_no: int
    store: str
    sku: str


_ITS_OUTLET = sa.and_(
    outlet.c.bank_id == account_line.c.bank_id, outlet.c.outlet_no == account_line.c.outlet_no
)
_LINE = (*(account_line.c[name] for name in RangeLine.__slots__[:-1]), outlet.c.code)
_MINE = account_line.c.account_no == sa.bindparam("account")


def _paid_by(table: sa.FromClause, cited: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """What stands behind a line, found by the line's voucher and not among the account's rows."""
    return sa.and_(
        table.c.bank_id == account_line.c.bank_id,
        cited == account_line.c.voucher_id,
        compared(table.c.account_no) == account_line.c.account_no,
        table.c.line_no == account_line.c.line_no,
    )


@query
def _totals(engine: StoreEngine) -> sa.Select[Any]:
    line = account_line
    return (
        sa.select(line.c.line_no, line.c.credited_after, line.c.debited_after)
        .where(of_bank(line), _MINE, engine.among(line.c.line_no, "lines"))
        .order_by(line.c.line_no)
    )


def _between(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        sa.select(*_LINE)
        .select_from(account_line.join(outlet, _ITS_OUTLET))
        .where(
            of_bank(account_line),
            _MINE,
            account_line.c.line_no >= sa.bindparam("first"),
            account_line.c.line_no <= sa.bindparam("last"),
            *conditions,
        )
        .order_by(account_line.c.line_no)
    )


@query
def _credits(_: StoreEngine) -> sa.Select[Any]:
    return _between(account_line.c.amount > sa.literal_column("0"))


@query
def _debits(_: StoreEngine) -> sa.Select[Any]:
    return _between(account_line.c.amount < sa.literal_column("0"))


@query
def _legs(_: StoreEngine) -> sa.Select[Any]:
    """The lines of a voucher that have this account on the other side."""
    return (
        sa.select(*_LINE)
        .select_from(account_line.join(outlet, _ITS_OUTLET))
        .where(
            of_bank(account_line),
            account_line.c.contra_no == sa.bindparam("contra"),
            account_line.c.business_day == sa.bindparam("day"),
            account_line.c.voucher_id == sa.bindparam("voucher"),
        )
        .order_by(account_line.c.account_no, account_line.c.line_no)
    )


@query
def _parts(_: StoreEngine) -> sa.Select[Any]:
    """The parts that a line gave back, with what earlier parts of the same lines had taken."""
    part, earlier = line_part, line_part.alias("earlier")
    before = (
        sa.select(sa.func.coalesce(sa.func.sum(earlier.c.amount), sa.literal_column("0")))
        .where(
            earlier.c.bank_id == part.c.bank_id,
            earlier.c.account_no == part.c.account_no,
            earlier.c.line_no == part.c.line_no,
            earlier.c.part_no < part.c.part_no,
        )
        .scalar_subquery()
    )
    return (
        sa.select(
            part.c.line_no,
            part.c.part_no,
            part.c.amount,
            part.c.expired,
            whole(before).label("taken_before"),
        )
        .where(
            of_bank(part),
            part.c.account_no == sa.bindparam("account"),
            part.c.by_line_no == sa.bindparam("line"),
        )
        .order_by(part.c.line_no, part.c.part_no)
    )


@query
def _records(engine: StoreEngine) -> sa.CompoundSelect[Any]:
    """By the voucher that credited each line: when it was recorded, or when it was approved."""
    record, line = hour_record, account_line
    columns = [record.c[name] for name in PaidRecord.__slots__]
    return sa.union(
        *(
            sa.select(*columns)
            .select_from(line.join(record, _paid_by(record, cited)))
            .where(of_bank(line), _MINE, engine.among(line.c.line_no, "lines"))
            for cited in (record.c.voucher_id, record.c.decided_voucher_id)
        )
    )


@query
def _goods(engine: StoreEngine) -> sa.CompoundSelect[Any]:
    """By the voucher that took each line's points: the redemption's, or that of its capture."""
    taken, line = redemption, account_line
    its_store = sa.and_(
        partner_store.c.bank_id == taken.c.bank_id, partner_store.c.store_no == taken.c.store_no
    )
    return sa.union(
        *(
            sa.select(taken.c.line_no, partner_store.c.code, taken.c.sku)
            .select_from(line.join(taken, _paid_by(taken, cited)).join(partner_store, its_store))
            .where(of_bank(line), _MINE, engine.among(line.c.line_no, "lines"))
            for cited in (taken.c.voucher_id, taken.c.settled_voucher_id)
        )
    )


def find_line(tx: Transaction, account_no: int, total: int, *, above: int, newest: int) -> int:
    """The first of `newest` lines after which a total is above a number; `newest` + 1 if none.

    `total` is 0 for what was credited by then, 1 for what was debited.
    """
    low, high = 0, newest + 1
    while high - low > 1:
        width = high - low
        probes = {low + width * part // (_PROBES + 1) for part in range(1, _PROBES + 1)}
        for line_no, *totals in _totals(tx, account=account_no, lines=sorted(probes - {low})):
            if totals[total] > above:
                high = line_no
                break
            low = line_no
    return high


def list_credits(
    tx: Transaction, account_no: int, *, low: int, high: int, newest: int
) -> list[RangeLine]:
    """The credit lines among the first `newest` that brought the points low + 1 to high."""
    return _list(tx, account_no, 0, low, high, newest)


def list_debits(
    tx: Transaction, account_no: int, *, low: int, high: int, newest: int
) -> list[RangeLine]:
    """The debit lines among the first `newest` that took the points low + 1 to high."""
    return _list(tx, account_no, 1, low, high, newest)


def _list(
    tx: Transaction, account_no: int, total: int, low: int, high: int, newest: int
) -> list[RangeLine]:
    first = find_line(tx, account_no, total, above=low, newest=newest)
    last = find_line(tx, account_no, total, above=high - 1, newest=newest)
    lines = (_credits, _debits)[total]
    return [RangeLine(*row) for row in lines(tx, account=account_no, first=first, last=last)]


def list_credits_from(
    tx: Transaction, account_no: int, *, first: int, newest: int
) -> list[RangeLine]:
    """The credit lines from one line on."""
    rows = _credits(tx, account=account_no, first=first, last=newest)
    return [RangeLine(*row) for row in rows]


def load_lines(tx: Transaction, account_no: int, line_nos: Iterable[int]) -> dict[int, RangeLine]:
    """Lines of an account that exist, by their number."""
    found = {}
    for line_no in sorted(set(line_nos)):
        span = {"account": account_no, "first": line_no, "last": line_no}
        (row,) = _credits(tx, **span) or _debits(tx, **span)
        found[line_no] = RangeLine(*row)
    return found


def list_legs(tx: Transaction, line: RangeLine, contra_no: int) -> list[RangeLine]:
    """The lines of a line's voucher that have `contra_no` on their other side, in order."""
    rows = _legs(tx, contra=contra_no, day=line.business_day, voucher=line.voucher_id)
    return [RangeLine(*row) for row in rows]


def list_parts(tx: Transaction, account_no: int, line_no: int) -> list[CitedPart]:
    """What a credit line gave back of earlier debits."""
    return [CitedPart(*row) for row in _parts(tx, account=account_no, line=line_no)]


def load_records(
    tx: Transaction, account_no: int, line_nos: Iterable[int]
) -> dict[int, PaidRecord]:
    """The service records behind credit lines, by line number."""
    rows = _records(tx, account=account_no, lines=sorted(set(line_nos)))
    return {row[0]: PaidRecord(*row) for row in rows}


def load_goods(tx: Transaction, account_no: int, line_nos: Iterable[int]) -> dict[int, PaidGoods]:
    """The goods behind debit lines, by line number."""
    rows = _goods(tx, account=account_no, lines=sorted(set(line_nos)))
    return {row[0]: PaidGoods(*row) for row in rows}
