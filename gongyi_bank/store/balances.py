"""Sums over accounts: one customer's, a branch's ledger book, the trial balance."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import (
    account,
    account_head,
    account_line,
    customer,
    hour_record,
    internal_move,
    outlet,
    passbook,
)
from gongyi_bank.store.tables.columns import Big
from gongyi_bank.store.transaction import Transaction, of_bank, query

CREDITED = "credited"
_ZERO: sa.ColumnElement[Any] = sa.literal_column("0")


def _total(value: Any) -> sa.ColumnElement[int]:
    """A sum as a 64-bit integer, 0 of nothing: PostgreSQL sums BIGINT to NUMERIC."""
    return sa.cast(sa.func.coalesce(sa.func.sum(value), _ZERO), Big)


def _where(condition: Any, value: Any) -> sa.ColumnElement[Any]:
    return sa.case((condition, value), else_=_ZERO)


# --- one customer --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """A customer with their outlet; nothing personal."""

    account_no: int
    kind: str
    state: str
    ref: str | None
    registered_on: dt.date
    closed_on: dt.date | None
    outlet: str
    outlet_name: str


@dataclass(frozen=True, slots=True)
class CustomerCounts:
    """How many records there are, how many wait, and the passbook in use."""

    records: int
    waiting: int
    newest_line_on: dt.date | None
    passbook_no: int | None
    printed_line_no: int | None


_MINE: sa.BindParameter[int] = sa.bindparam("account")


@query
def _customer(_: StoreEngine) -> sa.Select[Any]:
    place = sa.and_(
        outlet.c.bank_id == customer.c.bank_id, outlet.c.outlet_no == customer.c.outlet_no
    )
    return (
        sa.select(
            customer.c.account_no,
            customer.c.kind,
            customer.c.state,
            customer.c.ref,
            customer.c.registered_on,
            customer.c.closed_on,
            outlet.c.code,
            outlet.c.name,
        )
        .select_from(customer.join(outlet, place))
        .where(of_bank(customer), customer.c.account_no == _MINE)
    )


@query
def _counts(_: StoreEngine) -> sa.Select[Any]:
    record = hour_record
    records = sa.select(sa.func.count()).where(of_bank(record), record.c.account_no == _MINE)
    waiting = records.where(record.c.state.startswith("waiting"))
    newest = (
        sa.select(account_line.c.business_day)
        .where(of_bank(account_line), account_line.c.account_no == _MINE)
        .order_by(account_line.c.line_no.desc())
        .limit(1)
    )

    def book(column: sa.Column[Any]) -> sa.ScalarSelect[Any]:
        mine = (passbook.c.account_no == _MINE, passbook.c.state == "in_use")
        return sa.select(column).where(of_bank(passbook), *mine).scalar_subquery()

    return sa.select(
        records.scalar_subquery().label("records"),
        waiting.scalar_subquery().label("waiting"),
        newest.scalar_subquery().label("newest"),
        book(passbook.c.passbook_no).label("book_no"),
        book(passbook.c.printed_line_no).label("printed"),
    )


def load_customer(tx: Transaction, account_no: int) -> CustomerFacts | None:
    """One customer with their outlet."""
    rows = _customer(tx, account=account_no)
    return CustomerFacts(*rows[0]) if rows else None


def load_customer_counts(tx: Transaction, account_no: int) -> CustomerCounts:
    """Records, waiting ones, newest line and passbook of one customer."""
    return CustomerCounts(*_counts(tx, account=account_no)[0])


# --- ledger book ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BookEntry:
    """One account of a ledger book, in the smallest part."""

    account_no: int
    kind: str
    state: str
    outlet: str
    outlet_name: str
    opening: int
    credited: int
    debited: int
    minutes: int


def _members() -> sa.CTE:
    """The customers registered in an outlet's subtree."""
    place, parent = outlet.alias("place"), outlet.alias("parent")
    registered = sa.and_(
        place.c.bank_id == customer.c.bank_id, place.c.outlet_no == customer.c.outlet_no
    )
    above = sa.and_(parent.c.bank_id == place.c.bank_id, parent.c.outlet_no == place.c.parent_no)
    top: sa.BindParameter[int] = sa.bindparam("outlet")
    return (
        sa.select(
            customer.c.account_no, customer.c.kind, customer.c.state, place.c.code, place.c.name
        )
        .select_from(customer.join(place, registered).outerjoin(parent, above))
        .where(
            of_bank(customer),
            sa.or_(place.c.outlet_no == top, place.c.parent_no == top, parent.c.parent_no == top),
        )
        .cte("members")
    )


@query
def _book_to_date(_: StoreEngine) -> sa.Select[Any]:
    members, head = _members(), account_head
    mine = sa.and_(
        head.c.bank_id == sa.bindparam("bank"), head.c.account_no == members.c.account_no
    )
    zero = sa.cast(_ZERO, Big).label("opening")
    return (
        sa.select(members, zero, head.c.credited, head.c.debited, head.c.verified_minutes)
        .select_from(members.join(head, mine))
        .order_by(members.c.account_no)
    )


@query
def _book_of_period(_: StoreEngine) -> sa.Select[Any]:
    members, line, record = _members(), account_line, hour_record
    first: sa.BindParameter[Any] = sa.bindparam("first", type_=line.c.business_day.type)
    last: sa.BindParameter[Any] = sa.bindparam("last", type_=line.c.business_day.type)
    is_earlier, is_within = line.c.business_day < first, line.c.business_day >= first
    moved = (
        sa.select(
            line.c.account_no,
            _total(_where(is_earlier, line.c.amount)).label("opening"),
            _total(_where(sa.and_(is_within, line.c.amount > 0), line.c.amount)).label("credited"),
            _total(_where(sa.and_(is_within, line.c.amount < 0), -line.c.amount)).label("debited"),
        )
        .select_from(members.join(line, line.c.account_no == members.c.account_no))
        .where(of_bank(line), line.c.business_day <= last)
        .group_by(line.c.account_no)
        .cte("moved")
    )
    served = (
        sa.select(record.c.account_no, _total(record.c.minutes).label("minutes"))
        .select_from(members.join(record, record.c.account_no == members.c.account_no))
        .where(
            of_bank(record),
            record.c.state == CREDITED,
            record.c.service_on >= first,
            record.c.service_on <= last,
        )
        .group_by(record.c.account_no)
        .cte("served")
    )

    def or_zero(column: Any) -> sa.ColumnElement[int]:
        return sa.cast(sa.func.coalesce(column, _ZERO), Big)

    return (
        sa.select(
            members,
            or_zero(moved.c.opening).label("opening"),
            or_zero(moved.c.credited).label("credited"),
            or_zero(moved.c.debited).label("debited"),
            or_zero(served.c.minutes).label("minutes"),
        )
        .select_from(
            members.outerjoin(moved, moved.c.account_no == members.c.account_no).outerjoin(
                served, served.c.account_no == members.c.account_no
            )
        )
        .order_by(members.c.account_no)
    )


def list_book(
    tx: Transaction, outlet_no: int, days: tuple[dt.date, dt.date] | None
) -> list[BookEntry]:
    """The accounts registered in an outlet's subtree, over these days or to date, in one query."""
    if days is None:
        rows = _book_to_date(tx, outlet=outlet_no)
    else:
        rows = _book_of_period(tx, outlet=outlet_no, first=days[0], last=days[1])
    return [BookEntry(*row) for row in rows]


# --- trial balance -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccountSum:
    """What went out of (debits) and into (credits) one kind of account of one outlet."""

    outlet_no: int
    kind: str
    debits: int
    credits: int


@query
def _customers_to_date(_: StoreEngine) -> sa.Select[Any]:
    head = account_head
    its_head = sa.and_(
        head.c.bank_id == customer.c.bank_id, head.c.account_no == customer.c.account_no
    )
    return (
        sa.select(
            customer.c.outlet_no,
            sa.literal_column("'customer'", sa.Text()).label("kind"),
            _total(head.c.debited),
            _total(head.c.credited),
        )
        .select_from(customer.join(head, its_head))
        .where(of_bank(customer))
        .group_by(customer.c.outlet_no)
    )


@query
def _customers_as_of(_: StoreEngine) -> sa.Select[Any]:
    line = account_line
    its_lines = sa.and_(
        line.c.bank_id == customer.c.bank_id, line.c.account_no == customer.c.account_no
    )
    return (
        sa.select(
            customer.c.outlet_no,
            sa.literal_column("'customer'", sa.Text()).label("kind"),
            _total(_where(line.c.amount < 0, -line.c.amount)),
            _total(_where(line.c.amount > 0, line.c.amount)),
        )
        .select_from(customer.join(line, its_lines))
        .where(of_bank(customer), line.c.business_day <= sa.bindparam("day"))
        .group_by(customer.c.outlet_no)
    )


@query
def _internal_by_lines(_: StoreEngine) -> sa.Select[Any]:
    """The other side of the customers' lines; lines between two customers are left out."""
    line = account_line
    contra = sa.and_(account.c.bank_id == line.c.bank_id, account.c.account_no == line.c.contra_no)
    return (
        sa.select(
            account.c.outlet_no,
            account.c.kind,
            _total(_where(line.c.amount > 0, line.c.amount)),
            _total(_where(line.c.amount < 0, -line.c.amount)),
        )
        .select_from(line.join(account, contra))
        .where(
            of_bank(line), account.c.kind != "customer", line.c.business_day <= sa.bindparam("day")
        )
        .group_by(account.c.outlet_no, account.c.kind)
    )


@query
def _internal_by_moves(_: StoreEngine) -> sa.CompoundSelect[Any]:
    move = internal_move

    def side(number: sa.Column[Any], debits: Any, credits_: Any) -> sa.Select[Any]:
        own = sa.and_(account.c.bank_id == move.c.bank_id, account.c.account_no == number)
        return (
            sa.select(
                account.c.outlet_no,
                account.c.kind,
                _total(debits),
                _total(credits_),
            )
            .select_from(move.join(account, own))
            .where(of_bank(move), move.c.business_day <= sa.bindparam("day"))
            .group_by(account.c.outlet_no, account.c.kind)
        )

    return sa.union_all(
        side(move.c.source_no, move.c.amount, _ZERO), side(move.c.target_no, _ZERO, move.c.amount)
    )


def list_account_sums(tx: Transaction, as_of: dt.date | None) -> list[AccountSum]:
    """Every account's debits and credits up to a day, summed by outlet and kind.

    To date the customers' side comes from their heads and the other from the lines, so
    that the two prove each other.
    """
    day = as_of or dt.date.max
    rows = _customers_to_date(tx) if as_of is None else _customers_as_of(tx, day=day)
    rows = rows + _internal_by_lines(tx, day=day) + _internal_by_moves(tx, day=day)
    return [AccountSum(*row) for row in rows]
