"""Stays that cannot be, of customers and of outlets; when outlets closed, and what is open there.

Asked of the database as a whole: what comes back is what is wrong, and of honest books nothing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from gongyi_bank.rules.outlets import SAVINGS_BRANCH
from gongyi_bank.store import tables
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.hours import is_waiting
from gongyi_bank.store.transaction import Transaction, of_bank, query

#: Two machines' clocks may differ, and no order of acts is told by days that lie close together.
_APART: Final = dt.timedelta(days=31)


@dataclass(frozen=True, slots=True)
class StrangeStay:
    """A stay with what it is held against."""

    owner_no: int
    stay_no: int
    since_on: dt.date
    #: Of the stay before it; None where there is none.
    earlier_on: dt.date | None
    #: The business day of its voucher; None where there is none.
    booked_on: dt.date | None
    #: Of the outlet that it names: a customer's own, or the one above an outlet.
    tier: int | None
    opened_on: dt.date | None
    #: When the customer was registered, or the outlet opened.
    begun_on: dt.date | None
    own_tier: int

    def __str__(self) -> str:
        return f"{self.stay_no} since {self.since_on}, at tier {self.tier}"

    def expected(self) -> str | None:
        """What it should be; None where two clocks may have differed, and all is well."""
        if self.booked_on is None:
            return "a voucher"
        if self.tier != self.own_tier:
            return f"at an outlet of tier {self.own_tier}"
        if self.opened_on is not None and self.opened_on > self.booked_on + _APART:
            return f"at an outlet that was there on {self.booked_on}"
        return self._expected_day(self.booked_on)

    def _expected_day(self, booked_on: dt.date) -> str | None:
        if self.stay_no != 1:
            if self.earlier_on is None:
                return "numbered from 1 without a gap"
            since_on = max(self.earlier_on, booked_on)
            return f"since {since_on}" if self.since_on != since_on else None
        if self.begun_on is None or not self.begun_on <= self.since_on <= booked_on:
            return f"from {self.begun_on} to {booked_on}"
        return None


def _stays(
    stay: sa.Table, owner: sa.Table, outlet_no: str, begun_on: str, own_tier: sa.ColumnElement[int]
) -> sa.Select[Any]:
    """Stays of which something may be wrong, with what they are held against.

    `owner` has them and began on its column `begun_on`; their column `outlet_no` is the place.
    """
    key = next(name for name in ("account_no", "outlet_no") if name in owner.primary_key.columns)
    earlier, place, act = stay.alias("earlier"), tables.outlet.alias("place"), tables.voucher
    one: sa.ColumnElement[int] = sa.literal_column("1")
    none: sa.ColumnElement[int] = sa.literal_column("0")
    before = sa.and_(
        earlier.c.bank_id == stay.c.bank_id,
        earlier.c[key] == stay.c[key],
        earlier.c.stay_no == stay.c.stay_no - one,
    )
    its_owner = sa.and_(owner.c.bank_id == stay.c.bank_id, owner.c[key] == stay.c[key])
    its_place = sa.and_(place.c.bank_id == stay.c.bank_id, place.c.outlet_no == stay.c[outlet_no])
    its_act = sa.and_(act.c.bank_id == stay.c.bank_id, act.c.voucher_id == stay.c.voucher_id)
    since_on, earlier_on, booked_on = stay.c.since_on, earlier.c.since_on, act.c.business_day
    tier, began_on = sa.func.coalesce(place.c.tier, none), owner.c[begun_on]
    is_odd_first = sa.or_(began_on.is_(None), since_on < began_on, since_on > booked_on)
    later_on = sa.case((earlier_on > booked_on, earlier_on), else_=booked_on)
    is_odd_later = sa.or_(earlier_on.is_(None), since_on != later_on)
    is_odd = sa.or_(
        booked_on.is_(None),
        tier != own_tier,
        place.c.opened_on > booked_on,
        sa.case((stay.c.stay_no == one, is_odd_first), else_=is_odd_later),
    )
    return (
        sa.select(
            stay.c[key], stay.c.stay_no, since_on, earlier_on, booked_on, tier.label("tier"),
            place.c.opened_on, began_on, own_tier.label("own_tier"),
        )
        .select_from(
            stay.outerjoin(earlier, before).outerjoin(owner, its_owner)
            .outerjoin(place, its_place).outerjoin(act, its_act)
        )
        .where(of_bank(stay), is_odd)
        .order_by(stay.c[key], stay.c.stay_no)
    )  # fmt: skip


@query
def _of_customers(_: StoreEngine) -> sa.Select[Any]:
    own_tier: sa.ColumnElement[int] = sa.literal_column(str(SAVINGS_BRANCH), sa.Integer())
    owner = tables.customer
    return _stays(tables.customer_stay, owner, "outlet_no", "registered_on", own_tier)


@query
def _of_outlets(_: StoreEngine) -> sa.Select[Any]:
    owner = tables.outlet
    own_tier = owner.c.tier - sa.literal_column("1", sa.Integer())
    return _stays(tables.outlet_stay, owner, "parent_no", "opened_on", own_tier)


def list_stays_of_customers(tx: Transaction) -> list[StrangeStay]:
    """Customers' stays of which something may be wrong."""
    return [StrangeStay(*row) for row in _of_customers(tx)]


def list_stays_of_outlets(tx: Transaction) -> list[StrangeStay]:
    """Outlets' stays of which something may be wrong."""
    return [StrangeStay(*row) for row in _of_outlets(tx)]


# --- when outlets were closed --------------------------------------------------------------


@query
def _closed_otherwise(_: StoreEngine) -> sa.Select[Any]:
    """Closed outlets that name another day than the act that closed them.

    It is the one of the first stay after the last one that was open: whoever moves a closed outlet
    adds a further stay.
    """
    place, stay, act = tables.outlet, tables.outlet_stay, tables.voucher
    before = tables.outlet_stay.alias("before")
    one: sa.ColumnElement[int] = sa.literal_column("1")
    last_open = (
        sa.select(sa.func.max(before.c.stay_no))
        .where(
            before.c.bank_id == place.c.bank_id, before.c.outlet_no == place.c.outlet_no,
            before.c.state == "open",
        )
        .scalar_subquery()
    )  # fmt: skip
    its_stay = sa.and_(stay.c.bank_id == place.c.bank_id, stay.c.outlet_no == place.c.outlet_no)
    its_act = sa.and_(act.c.bank_id == stay.c.bank_id, act.c.voucher_id == stay.c.voucher_id)
    return (
        sa.select(place.c.code, place.c.closed_on, act.c.business_day)
        .select_from(place.join(stay, its_stay).join(act, its_act))
        .where(
            of_bank(place), stay.c.stay_no == last_open + one,
            place.c.closed_on != act.c.business_day,
        )
        .order_by(place.c.outlet_no)
    )  # fmt: skip


def list_closed_otherwise(tx: Transaction) -> list[tuple[str, dt.date, dt.date]]:
    """(outlet's code, day on which it says it was closed, day of the act that closed it)."""
    return [(code, closed_on, booked_on) for code, closed_on, booked_on in _closed_otherwise(tx)]


# --- what is open at closed outlets --------------------------------------------------------


@query
def _left(_: StoreEngine) -> sa.CompoundSelect[Any]:
    """(outlet, what, how many) of what would have kept a closed outlet from closing."""
    place, record = tables.outlet, tables.hour_record
    left = (
        ("accounts", tables.customer.c.outlet_no, tables.customer.c.state != "closed"),
        ("blank passbooks", tables.passbook.c.outlet_no, tables.passbook.c.state == "blank"),
        ("waiting records", record.c.outlet_no, is_waiting()),
        ("staff roles", tables.staff_role.c.outlet_no, tables.staff_role.c.ended_on.is_(None)),
        (
            "partner stores", tables.partner_store.c.recruited_by_no,
            tables.partner_store.c.left_on.is_(None),
        ),
        ("pools", tables.pool.c.outlet_no, tables.pool.c.state == "open"),
    )  # fmt: skip

    def counted(what: str, number: sa.Column[Any], is_open: Any) -> sa.Select[Any]:
        table = number.table
        here = sa.and_(place.c.bank_id == table.c.bank_id, place.c.outlet_no == number)
        name = sa.literal_column(f"'{what}'", sa.String()).label("what")
        return (
            sa.select(place.c.code, name, sa.func.count().label("n"))
            .select_from(table.join(place, here))
            .where(
                table.c.bank_id == sa.bindparam("bank"), of_bank(place), is_open,
                place.c.state == "closed",
            )
            .group_by(place.c.code)
        )  # fmt: skip

    return sa.union_all(*(counted(*one) for one in left))


def list_left_open(tx: Transaction) -> list[tuple[str, str, int]]:
    """(outlet's code, what, how many) of what is still open at outlets that are closed."""
    return sorted((code, what, count) for code, what, count in _left(tx))
