"""Reading lines: pages of an account's lines, and what stands behind one of them."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import (
    account_head,
    account_line,
    hour_record,
    outlet,
    partner_store,
    redemption,
    staff,
    voucher,
)
from gongyi_bank.store.transaction import Transaction, of_bank, query


@dataclass(frozen=True, slots=True)
class StoredLine:
    """A line as a statement shows it, with the outlet that handled it."""

    account_no: int
    line_no: int
    kind: str
    amount: int
    credited_after: int
    debited_after: int
    expires_on: dt.date | None
    value_on: dt.date
    booked_at: dt.datetime
    business_day: dt.date
    voucher_id: bytes
    policy_id: int | None
    outlet: str
    outlet_name: str


@dataclass(frozen=True, slots=True)
class StoredTotals:
    """An account's totals, from its head."""

    account_no: int
    credited: int
    debited: int
    line_no: int


@dataclass(frozen=True, slots=True)
class VoucherFacts:
    """Who did an act, who agreed, and why."""

    act: str
    staff: str
    second_person: str | None
    reason: str | None
    booked_at: dt.datetime


@dataclass(frozen=True, slots=True)
class LineRecord:
    """The hour record behind a line."""

    record_no: int
    kind: str
    state: str
    ref: str | None
    category: str | None
    project: str | None
    started_at: dt.datetime
    ended_at: dt.datetime
    minutes: int
    points: int
    policy_id: int | None
    recorded_by: str | None
    checked_by: str | None


@dataclass(frozen=True, slots=True)
class LineRedemption:
    """The redemption behind a line."""

    store: str
    store_name: str
    sku: str
    quantity: int
    ref: str | None


_PLACE = sa.and_(
    outlet.c.bank_id == account_line.c.bank_id, outlet.c.outlet_no == account_line.c.outlet_no
)
_LINE = (
    *(account_line.c[name] for name in tuple(StoredLine.__slots__)[:-2]),
    outlet.c.code,
    outlet.c.name,
)
_MINE = account_line.c.account_no == sa.bindparam("account")


@query
def _totals(engine: StoreEngine) -> sa.Select[Any]:
    head = account_head
    columns = (head.c[name] for name in StoredTotals.__slots__)
    return sa.select(*columns).where(of_bank(head), engine.among(head.c.account_no, "accounts"))


@query
def _page(_: StoreEngine) -> sa.Select[Any]:
    """One range scan on the key, newest first."""
    return (
        sa.select(*_LINE)
        .select_from(account_line.join(outlet, _PLACE))
        .where(
            of_bank(account_line),
            _MINE,
            account_line.c.line_no > sa.bindparam("above"),
            account_line.c.line_no <= sa.bindparam("newest"),
        )
        .order_by(account_line.c.line_no.desc())
        .limit(sa.bindparam("size", type_=sa.Integer()))
    )


@query
def _instant_at(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(account_line.c.booked_at)
        .where(of_bank(account_line), _MINE, account_line.c.line_no <= sa.bindparam("line"))
        .order_by(account_line.c.line_no.desc())
        .limit(1)
    )


@query
def _voucher(_: StoreEngine) -> sa.Select[Any]:
    second = staff.alias("second")
    maker = sa.and_(staff.c.bank_id == voucher.c.bank_id, staff.c.staff_no == voucher.c.staff_no)
    checker = sa.and_(
        second.c.bank_id == voucher.c.bank_id, second.c.staff_no == voucher.c.second_staff_no
    )
    return (
        sa.select(
            voucher.c.act,
            staff.c.code,
            second.c.code.label("second_code"),
            voucher.c.reason,
            voucher.c.booked_at,
        )
        .select_from(voucher.join(staff, maker).outerjoin(second, checker))
        .where(of_bank(voucher), voucher.c.voucher_id == sa.bindparam("voucher"))
    )


@query
def _record(_: StoreEngine) -> sa.Select[Any]:
    """The record that a line paid, or the one that a reversal under this voucher took back."""
    record, checker = hour_record, staff.alias("checker")
    recorded = sa.and_(
        staff.c.bank_id == record.c.bank_id, staff.c.staff_no == record.c.recorded_by_no
    )
    checked = sa.and_(
        checker.c.bank_id == record.c.bank_id, checker.c.staff_no == record.c.checked_by_no
    )
    columns = [record.c[name] for name in tuple(LineRecord.__slots__)[:-2]]
    return (
        sa.select(*columns, staff.c.code, checker.c.code.label("checker_code"))
        .select_from(record.outerjoin(staff, recorded).outerjoin(checker, checked))
        .where(
            of_bank(record),
            record.c.account_no == sa.bindparam("account"),
            sa.or_(
                record.c.line_no == sa.bindparam("line"),
                sa.and_(
                    record.c.state == "voided",
                    record.c.decided_voucher_id == sa.bindparam("reversed_by"),
                ),
            ),
        )
    )


@query
def _redemption(_: StoreEngine) -> sa.Select[Any]:
    taken = redemption
    its_store = sa.and_(
        partner_store.c.bank_id == taken.c.bank_id, partner_store.c.store_no == taken.c.store_no
    )
    return (
        sa.select(
            partner_store.c.code, partner_store.c.name, taken.c.sku, taken.c.quantity, taken.c.ref
        )
        .select_from(taken.join(partner_store, its_store))
        .where(
            of_bank(taken),
            taken.c.account_no == sa.bindparam("account"),
            taken.c.line_no == sa.bindparam("line"),
        )
    )


def load_totals(tx: Transaction, accounts: Iterable[int]) -> dict[int, StoredTotals]:
    """Totals of these accounts, by account number: one seek each, whatever their length."""
    rows = _totals(tx, accounts=sorted(set(accounts)))
    return {row[0]: StoredTotals(*row) for row in rows}


def list_lines(
    tx: Transaction, account_no: int, *, above: int, newest: int, size: int
) -> list[StoredLine]:
    """At most `size` lines with `above` < line number <= `newest`, newest first."""
    rows = _page(tx, account=account_no, above=above, newest=newest, size=size)
    return [StoredLine(*row) for row in rows]


def load_line(tx: Transaction, account_no: int, line_no: int) -> StoredLine | None:
    """One line."""
    found = list_lines(tx, account_no, above=line_no - 1, newest=line_no, size=1)
    return found[0] if found else None


def load_newest_line_no(
    tx: Transaction, account_no: int, line_no: int, instant: dt.datetime, *, is_inclusive: bool
) -> int:
    """The newest of the first `line_no` lines booked before `instant`, or 0.

    A binary search on the key, since `booked_at` never decreases within an account.
    """
    find = bisect_right if is_inclusive else bisect_left
    return find(
        range(1, line_no + 1),
        instant,
        key=lambda number: _instant_at(tx, account=account_no, line=number)[0][0],
    )


def load_voucher(tx: Transaction, voucher_id: bytes) -> VoucherFacts:
    """The voucher of a line that exists."""
    return VoucherFacts(*_voucher(tx, voucher=voucher_id)[0])


def load_line_record(tx: Transaction, line: StoredLine) -> LineRecord | None:
    """The hour record that a line paid, or took back."""
    reversed_by = line.voucher_id if line.kind == "reversal" else b""
    number = line.line_no if line.kind != "reversal" else 0
    rows = _record(tx, account=line.account_no, line=number, reversed_by=reversed_by)
    return LineRecord(*rows[0]) if rows else None


def load_line_redemption(tx: Transaction, line: StoredLine) -> LineRedemption | None:
    """The redemption that a line paid for."""
    rows = _redemption(tx, account=line.account_no, line=line.line_no)
    return LineRedemption(*rows[0]) if rows else None
