"""What stars are given for: minutes of volunteers, and the five indicators of savings branches.

Every select answers for all accounts or outlets at once; none depends on their number. A
record counts by its value date (see `store.counting`), so a closed period's figures stay.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.periods import Period
from gongyi_bank.rules.accrual import CREDITED
from gongyi_bank.rules.ratings import STARS_MAX, VOLUNTEER, ServedMinutes
from gongyi_bank.store import counting
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.sums import whole
from gongyi_bank.store.tables import (
    account_head,
    customer,
    hour_record,
    outlet,
    partner_store,
    redemption,
    refund,
)
from gongyi_bank.store.transaction import Transaction, of_bank, query

#: More minutes than any account will ever have: a star that a scheme does not give.
_UNREACHABLE = 2**62
#: Records of earlier periods that were voided in the period asked for.
TAKEN_BACK = "taken_back"
#: The redemptions that gave goods out.
_GIVEN_OUT = ("redeemed", "captured")


def _total(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """A sum, empty of nothing."""
    return whole(sa.func.sum(column))


_within = counting.within


def _bounds(period: Period) -> dict[str, dt.date]:
    return {"first_on": period.first_on, "last_on": period.last_on}


# --- volunteers ----------------------------------------------------------------------------


@query
def _lifetime(_: StoreEngine) -> sa.Select[Any]:
    head = account_head
    same = sa.and_(head.c.bank_id == customer.c.bank_id, head.c.account_no == customer.c.account_no)
    return (
        sa.select(customer.c.account_no, customer.c.ref, customer.c.kind, head.c.verified_minutes)
        .select_from(customer.join(head, same))
        .where(of_bank(customer), customer.c.account_no == sa.bindparam("account"))
    )


@query
def _reached(_: StoreEngine) -> sa.Select[Any]:
    """All volunteers, and how many have reached each of five thresholds."""
    head = account_head
    same = sa.and_(head.c.bank_id == customer.c.bank_id, head.c.account_no == customer.c.account_no)
    thresholds = [sa.bindparam(f"star_{star}", type_=sa.BigInteger()) for star in _STARS]
    counts: list[sa.ColumnElement[Any]] = [
        sa.func.count(sa.case((head.c.verified_minutes >= least, 1))) for least in thresholds
    ]
    return (
        sa.select(sa.func.count().label("volunteers"), *counts)
        .select_from(customer.join(head, same))
        .where(of_bank(customer), customer.c.kind == VOLUNTEER)
    )


@query
def _served(engine: StoreEngine) -> sa.Select[Any]:
    record = hour_record
    # The hours have no index by day alone, but one by outlet and day.
    anywhere = sa.select(outlet.c.outlet_no).where(of_bank(outlet))
    served = counting.counted(
        "account_no",
        where=lambda: sa.and_(record.c.outlet_no.in_(anywhere), record.c.kind == "service"),
    )
    total = _total(served.c.minutes)
    return (
        sa.select(customer.c.account_no, customer.c.ref, customer.c.kind, total)
        .select_from(served.join(customer, customer.c.account_no == served.c.account_no))
        .where(of_bank(customer), engine.among(customer.c.kind, "kinds"))
        .group_by(customer.c.account_no, customer.c.ref, customer.c.kind)
        # Who has as much taken back as they served did nothing that counts here.
        .having(total != 0)
    )


@dataclass(frozen=True, slots=True)
class RecordTally:
    """Records of one account, by what was decided on them."""

    #: service, or opening for the hours taken over from the paper books.
    kind: str
    #: credited counts, and so does taken_back: records of earlier periods that were voided in
    #: this one, with minutes below zero. The others are waiting, refused or voided.
    state: str
    records: int
    minutes: int

    @property
    def counts(self) -> bool:
        """Whether the minutes are counted."""
        return self.state in (CREDITED, TAKEN_BACK)


@query
def _tally_lifetime(_: StoreEngine) -> sa.Select[Any]:
    record = hour_record
    return (
        sa.select(record.c.kind, record.c.state, sa.func.count(), _total(record.c.minutes))
        .where(of_bank(record), record.c.account_no == sa.bindparam("account"))
        .group_by(record.c.kind, record.c.state)
    )


@query
def _tally_period(_: StoreEngine) -> sa.Select[Any]:
    record = hour_record
    taken_back = counting.was_taken_back()
    state = sa.case(
        (taken_back, TAKEN_BACK), (counting.stood_at_the_end(), CREDITED), else_=record.c.state
    )
    minutes = sa.case((taken_back, -record.c.minutes), else_=record.c.minutes)
    rows = (
        sa.select(record.c.kind, state.label("state"), minutes.label("minutes"))
        .where(
            of_bank(record),
            record.c.account_no == sa.bindparam("account"),
            record.c.kind == "service",
            sa.or_(_within(record.c.value_on), taken_back),
        )
        .subquery("tallied")
    )
    return sa.select(rows.c.kind, rows.c.state, sa.func.count(), _total(rows.c.minutes)).group_by(
        rows.c.kind, rows.c.state
    )


_STARS = range(1, STARS_MAX + 1)


def load_lifetime(tx: Transaction, account_no: int) -> ServedMinutes | None:
    """A customer with their verified minutes of all time."""
    rows = _lifetime(tx, account=account_no)
    if not rows:
        return None
    number, ref, kind, minutes = rows[0]
    return ServedMinutes(account=number, ref=ref, kind=kind, minutes=minutes)


def count_reached(tx: Transaction, star_minutes: Sequence[int]) -> tuple[int, list[int]]:
    """All volunteers, and how many of them have at least so many minutes for each star."""
    limits = [*star_minutes, *[_UNREACHABLE] * (STARS_MAX - len(star_minutes))]
    params = {f"star_{star}": least for star, least in zip(_STARS, limits, strict=True)}
    total, *reached = _reached(tx, **params)[0]
    return total, reached


def list_served(tx: Transaction, period: Period, kinds: Iterable[str]) -> list[ServedMinutes]:
    """Everyone of these kinds who served in the period, with credited minutes."""
    rows = _served(tx, kinds=sorted(set(kinds)), **_bounds(period))
    return [
        ServedMinutes(account=account_no, ref=ref, kind=kind, minutes=minutes)
        for account_no, ref, kind, minutes in rows
    ]


def list_tallies(tx: Transaction, account_no: int, period: Period | None) -> list[RecordTally]:
    """The account's records of a period (or of all time), by kind and state."""
    if period is None:
        rows = _tally_lifetime(tx, account=account_no)
    else:
        rows = _tally_period(tx, account=account_no, **_bounds(period))
    tallies = (RecordTally(*row) for row in rows)
    return sorted(tallies, key=lambda one: (one.state != CREDITED, one.kind, one.state))


# --- savings branches ----------------------------------------------------------------------


@query
def _savings_branches(_: StoreEngine) -> sa.Select[Any]:
    stand = counting.places()
    same = sa.and_(stand.c.bank_id == outlet.c.bank_id, stand.c.outlet_no == outlet.c.outlet_no)
    return (
        sa.select(
            outlet.c.outlet_no,
            outlet.c.code,
            outlet.c.name,
            stand.c.parent_no,
            outlet.c.opened_on,
        )
        .select_from(outlet.join(stand, same))
        .where(
            of_bank(outlet),
            outlet.c.tier == 3,
            counting.was_place(stand),
            counting.was_open(stand),
        )
    )


@query
def _registered(engine: StoreEngine) -> sa.Select[Any]:
    last_on: sa.BindParameter[dt.date] = sa.bindparam("last_on")
    home = counting.homes()
    whose = sa.and_(
        home.c.bank_id == customer.c.bank_id, home.c.account_no == customer.c.account_no
    )
    return (
        sa.select(home.c.outlet_no, sa.func.count())
        .select_from(customer.join(home, whose))
        .where(
            of_bank(customer),
            engine.among(home.c.outlet_no, "outlets"),
            customer.c.registered_on <= last_on,
            sa.or_(customer.c.closed_on.is_(None), customer.c.closed_on > last_on),
            counting.was_home(home),
        )
        .group_by(home.c.outlet_no)
    )


@query
def _service(engine: StoreEngine) -> sa.Select[Any]:
    record = hour_record
    served = counting.counted(
        "outlet_no",
        "project",
        where=lambda: sa.and_(
            engine.among(record.c.outlet_no, "outlets"), record.c.kind == "service"
        ),
    )
    # What is taken back of an earlier period is no project of this one.
    project = sa.case((served.c.n > 0, served.c.project))
    projects = sa.func.count(sa.distinct(project))
    return sa.select(served.c.outlet_no, _total(served.c.minutes), projects).group_by(
        served.c.outlet_no
    )


@query
def _redeemed(engine: StoreEngine) -> sa.Select[Any]:
    """兑换总额: what was given out in the period, less what came back in it (its goods' price).

    A refund counts in the period in which the goods came back: earlier figures stay.
    """
    home = counting.homes()
    given = sa.select(redemption.c.account_no, redemption.c.points).where(
        of_bank(redemption),
        _within(redemption.c.redeemed_on),
        sa.or_(*(redemption.c.state == state for state in _GIVEN_OUT)),
    )
    returned = sa.select(refund.c.account_no, -refund.c.points).where(
        of_bank(refund), _within(refund.c.refunded_on)
    )
    taken = sa.union_all(given, returned).subquery("taken")
    return (
        sa.select(home.c.outlet_no, _total(taken.c.points))
        .select_from(taken.join(home, home.c.account_no == taken.c.account_no))
        .where(
            home.c.bank_id == sa.bindparam("bank"),
            engine.among(home.c.outlet_no, "outlets"),
            counting.was_home(home),
        )
        .group_by(home.c.outlet_no)
    )


@query
def _recruited(engine: StoreEngine) -> sa.Select[Any]:
    store = partner_store
    last_on: sa.BindParameter[dt.date] = sa.bindparam("last_on")
    return (
        sa.select(store.c.recruited_by_no, sa.func.count())
        .where(
            of_bank(store),
            engine.among(store.c.recruited_by_no, "outlets"),
            store.c.joined_on <= last_on,
            sa.or_(store.c.left_on.is_(None), store.c.left_on > last_on),
        )
        .group_by(store.c.recruited_by_no)
    )


@dataclass(frozen=True, slots=True)
class SavingsBranch:
    """A savings branch that had not been closed before a period."""

    outlet_no: int
    code: str
    name: str
    #: The branch above it on the period's last day.
    parent_no: int
    #: It may have taken over service that is older than itself.
    opened_on: dt.date


def list_savings_branches(tx: Transaction, period: Period) -> list[SavingsBranch]:
    """All savings branches but those closed before the period, by code."""
    rows = _savings_branches(tx, **_bounds(period))
    return sorted((SavingsBranch(*row) for row in rows), key=lambda branch: branch.code)


@dataclass(frozen=True, slots=True)
class Counted:
    """The five indicators by outlet number; an outlet that has nothing is missing."""

    registered: dict[int, int]
    minutes: dict[int, int]
    projects: dict[int, int]
    #: In the smallest part of a point.
    redeemed: dict[int, int]
    enterprises: dict[int, int]


def count_indicators(tx: Transaction, period: Period, outlets: Iterable[int]) -> Counted:
    """The five indicators of these outlets for the period, in four statements."""
    numbers, bounds = sorted(set(outlets)), _bounds(period)
    service = _service(tx, outlets=numbers, **bounds)
    return Counted(
        registered=dict(_registered(tx, outlets=numbers, last_on=period.last_on)),
        minutes={row[0]: row[1] for row in service},
        projects={row[0]: row[2] for row in service},
        redeemed=dict(_redeemed(tx, outlets=numbers, **bounds)),
        enterprises=dict(_recruited(tx, outlets=numbers, last_on=period.last_on)),
    )
