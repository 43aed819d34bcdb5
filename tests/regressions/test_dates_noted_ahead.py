"""Dates that a host ahead has noted on an account without a line, and hosts behind it.

A sweep that finds dead points with nothing left to take, or an act that writes a head and no line,
notes on the head which numbers are past their date. The account's clock was that of its newest
line, so a host a second behind, on the day before, booked on that day by the numbers of the next:
a refund gave nothing back for points that were good that day, a released hold let them expire, and
an audit by that host called the head wrong. A note moves the account's clock now, as a line does;
so does a part of a line of which nothing comes back. (A reviewer and the machine found it, where
points live for a day.)
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.policies import HoldRules, PointsExpiry
from gongyi_bank.store.tables import account_head
from gongyi_bank.values import Points
from tests.district import District, at
from tests.service.test_redemptions import saver
from tests.service.test_refunds import give_back
from tests.service.test_reversals import reverse, spend
from tests.service.test_stores import a_shop
from tests.testing.mirrored import MirroredDistrict
from tests.testing.test_reference_ledger import require_equal_books

#: The service is of 15 October: its point is good until 15 November.
BEHIND, AHEAD = at("11-15 23:59"), at("11-16 00:00")


@pytest.fixture
def district() -> Iterator[District]:
    """Where points are good for a month; beside a reference bank with the same books."""
    policies = (PointsExpiry(mode="months", length=1), HoldRules(hours=24, hours_max=2000))
    made = MirroredDistrict("sqlite://", policies=policies)
    a_shop(made)
    yield made
    require_equal_books(made)
    for moment in (BEHIND, AHEAD, at("12-31 12:00")):
        made.clock.now = moment
        assert made.bank.verify().is_clean, moment
    made.close()


def swept(district: District, account: int) -> None:
    district.bank.points.expire_due()


def waiting(district: District, account: int) -> None:
    """Twelve hours of work, which wait for an approval: a record, and no line."""
    row = district.serve(account, "11-10 08:00", 12 * 60)
    assert row.line_no is None


NOTES: list[Callable[[District, int], None]] = [swept, waiting]


def refunded(district: District, account: int, taken: Any) -> tuple[Points, dt.date]:
    back = give_back(district, taken.redemption_id)
    return back.points - back.expired, back.business_day


@pytest.mark.parametrize("note", [None, *NOTES])
def test_goods_come_back_by_the_day_that_the_account_has_come_to(
    district: District, note: Callable[[District, int], None] | None
) -> None:
    account = saver(district, 60)
    taken = spend(district, account, 2)
    if note is not None:
        district.clock.now = AHEAD
        note(district, account)
    district.clock.now = BEHIND
    on_time = (Points(1), BEHIND.date())
    assert refunded(district, account, taken) == (
        on_time if note is None else (Points(0), AHEAD.date())
    )


@pytest.mark.parametrize("note", [None, *NOTES])
def test_a_hold_is_let_go_by_that_day_too(
    district: District, note: Callable[[District, int], None] | None
) -> None:
    account = saver(district, 60)
    holds = district.acting("T1").holds
    hold = holds.place(account=account, points=Points(1), store="P1", hours=1500)
    if note is not None:
        district.clock.now = AHEAD
        note(district, account)
    district.clock.now = BEHIND
    released = holds.release(hold=hold.hold_id, reason="改期")
    assert released.business_day == (BEHIND if note is None else AHEAD).date()
    lines = district.bank.reports.statement(account).lines
    assert [line.booked_at for line in lines if line.kind == "expiry"] == (
        [] if note is None else [AHEAD]
    )


def test_an_act_that_notes_nothing_moves_no_clock(district: District) -> None:
    account = saver(district, 60)
    district.clock.now = at("11-10 12:00")
    district.acting("T1").holds.place(account=account, points=Points(1), store="P1", hours=1)
    with district.bank.engine.connect() as connection:
        assert connection.scalar(sa.select(account_head.c.booked_at)) == at("10-15 12:00")


def test_an_audit_sees_a_clock_that_no_act_has_set(sqlite_district: District) -> None:
    account = saver(sqlite_district, 60)
    ahead = sa.update(account_head).where(account_head.c.account_no == account)
    with sqlite_district.bank.engine.begin() as connection:
        connection.execute(ahead.values(booked_at=at("10-15 13:00")))
    (fault,) = sqlite_district.bank.verify().faults
    assert (fault.kind, "head_moment" in str(fault)) == ("disagreement", True)


def test_a_return_of_points_that_are_all_dead_moves_it_too(district: District) -> None:
    """It writes a part and no line, and what of the account has died decides on later parts."""
    account = saver(district, 60)
    taken = spend(district, account, 2)
    district.clock.now = AHEAD
    assert give_back(district, taken.redemption_id).line_no is None
    district.clock.now = BEHIND
    taken_back = reverse(district, account, 1)
    assert (taken_back.business_day, taken_back.part.expired) == (AHEAD.date(), 1)
