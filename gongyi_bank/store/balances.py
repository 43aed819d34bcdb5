"""Sums over accounts: one customer's, and a branch's ledger book."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store import counting
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.sums import ZERO, only_where, total_of
from gongyi_bank.store.tables import (
    account_head,
    account_line,
    customer,
    hour_record,
    outlet,
    passbook,
)
from gongyi_bank.store.tables.columns import Big
from gongyi_bank.store.transaction import Transaction, of_bank, query

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


def _members(home: sa.FromClause | None = None) -> sa.CTE:
    """The customers kept in an outlet's subtree: as it is now, or as both were then.

    `since_on` is the day since which they are there.
    """
    place, parent = outlet.alias("place"), outlet.alias("parent")
    customers: sa.FromClause = customer
    outlet_no: sa.ColumnElement[Any] = customer.c.outlet_no
    stayed: sa.ColumnElement[bool] = sa.true()
    parent_no: sa.ColumnElement[Any] = place.c.parent_no
    since_on: sa.ColumnElement[Any] = customer.c.registered_on
    if home is not None:
        own = sa.and_(
            home.c.bank_id == customer.c.bank_id, home.c.account_no == customer.c.account_no
        )
        stand = counting.places()
        its_place = sa.and_(
            stand.c.bank_id == customer.c.bank_id, stand.c.outlet_no == home.c.outlet_no
        )
        customers = customer.join(home, own).join(stand, its_place)
        outlet_no, parent_no, since_on = home.c.outlet_no, stand.c.parent_no, home.c.since_on
        stayed = sa.and_(counting.was_kept(home), counting.was_place(stand))
    registered = sa.and_(place.c.bank_id == customer.c.bank_id, place.c.outlet_no == outlet_no)
    above = sa.and_(parent.c.bank_id == place.c.bank_id, parent.c.outlet_no == parent_no)
    top: sa.BindParameter[int] = sa.bindparam("outlet")
    return (
        sa.select(
            customer.c.account_no, customer.c.kind, customer.c.state, place.c.code, place.c.name
        )
        .add_columns(since_on.label("since_on"))
        .select_from(customers.join(place, registered).outerjoin(parent, above))
        .where(
            of_bank(customer),
            stayed,
            sa.or_(place.c.outlet_no == top, parent_no == top, parent.c.parent_no == top),
        )
        .cte("members")
    )


def _known_by(members: sa.CTE) -> list[sa.ColumnElement[Any]]:
    """The columns of an entry before its sums."""
    return [members.c[name] for name in ("account_no", "kind", "state", "code", "name")]


@query
def _book_to_date(_: StoreEngine) -> sa.Select[Any]:
    members, head = _members(), account_head
    mine = sa.and_(
        head.c.bank_id == sa.bindparam("bank"), head.c.account_no == members.c.account_no
    )
    zero = sa.cast(ZERO, Big).label("opening")
    return (
        sa.select(
            *_known_by(members), zero, head.c.credited, head.c.debited, head.c.verified_minutes
        )
        .select_from(members.join(head, mine))
        .order_by(members.c.account_no)
    )


@query
def _book_of_period(_: StoreEngine) -> sa.Select[Any]:
    members, line = _members(counting.homes()), account_line
    first, last = counting.FIRST, counting.LAST
    is_earlier, is_within = line.c.business_day < first, line.c.business_day >= first
    moved = (
        sa.select(
            line.c.account_no,
            total_of(only_where(is_earlier, line.c.amount)).label("opening"),
            total_of(only_where(sa.and_(is_within, line.c.amount > 0), line.c.amount)).label(
                "credited"
            ),
            total_of(only_where(sa.and_(is_within, line.c.amount < 0), -line.c.amount)).label(
                "debited"
            ),
        )
        .select_from(members.join(line, line.c.account_no == members.c.account_no))
        .where(of_bank(line), line.c.business_day <= last)
        .group_by(line.c.account_no)
        .cte("moved")
    )
    among = sa.select(members.c.account_no)
    counted = counting.counted("account_no", where=lambda: hour_record.c.account_no.in_(among))
    served = (
        sa.select(counted.c.account_no, total_of(counted.c.minutes).label("minutes"))
        .group_by(counted.c.account_no)
        .cte("served")
    )

    def or_zero(column: Any) -> sa.ColumnElement[int]:
        return sa.cast(sa.func.coalesce(column, ZERO), Big)

    return (
        sa.select(
            *_known_by(members),
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
        # Who came later is not in the book, unless a host whose clock was behind booked before.
        .where(sa.or_(members.c.since_on <= last, moved.c.account_no.is_not(None)))
        .order_by(members.c.account_no)
    )


def list_book(
    tx: Transaction, outlet_no: int, days: tuple[dt.date, dt.date] | None
) -> list[BookEntry]:
    """The accounts registered in an outlet's subtree, over these days or to date, in one query."""
    if days is None:
        rows = _book_to_date(tx, outlet=outlet_no)
    else:
        rows = _book_of_period(tx, outlet=outlet_no, first_on=days[0], last_on=days[1])
    return [BookEntry(*row) for row in rows]
