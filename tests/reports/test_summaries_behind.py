"""Summaries read where the host's clock is behind an account's: they say what an act would find.

An account's clock never goes back, so an act on any host goes by the newest line of the account
if the host's own clock is behind it. Who reads there is told the same, or they promise a
customer what the next act refuses.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.errors import PassbookFrozen
from gongyi_bank.policies import HoldRules, PointsExpiry, VolunteerStars
from gongyi_bank.reports.customers import CustomerSummary
from gongyi_bank.reports.expiry import ExpirySchedule
from gongyi_bank.values import Points
from tests.district import District
from tests.reports.test_customers import open_store

DAY = dt.timedelta(days=1)


@pytest.fixture
def district(engine_url: str) -> Iterator[District]:
    """With a store; its clock is that of the host that is a day ahead."""
    policies = PointsExpiry(mode="months", length=1), HoldRules(hours=12)
    district = District(engine_url, policies=policies)
    open_store(district)
    yield district
    district.close()


def behind(district: District) -> Bank:
    """The same bank on a host whose clock is a day behind the district's."""
    return district.bank.at(district.clock() - DAY)


def move_on(district: District, account: int) -> None:
    """A day later, by the clock that is ahead, the account has a line."""
    district.clock.advance(days=1)
    district.serve(account, "10-04 08:00", 60)


def seen_behind(district: District, account: int) -> tuple[CustomerSummary, ExpirySchedule]:
    """What the host that is behind says: all that the other one says, too."""
    here, there = behind(district).reports, district.bank.reports
    summary, dates = here.customer_summary(account), here.expiry_schedule(account)
    assert summary == there.customer_summary(account)
    assert dates == there.expiry_schedule(account)
    return summary, dates


def redeem(bank: Bank, account: int) -> None:
    """Two points' worth of rice."""
    bank.redemptions.redeem(account=account, store="ST1", sku="rice")


def test_a_hold_that_the_account_has_outlived_keeps_nothing(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00", 60)
    district.bank.holds.place(account=account, points=Points(1), store="ST1")
    move_on(district, account)
    summary, dates = seen_behind(district, account)
    (held,) = behind(district).holds.of(account).rows
    assert behind(district).holds.list().rows == district.bank.holds.list().rows == (held,)
    assert (held[6], held[7]) == (Points(1), "lapsed")
    redeem(behind(district), account)
    assert (summary.held, summary.available) == (Points(0), Points(2))
    assert (dates.held, dates.available) == (Points(0), Points(2))


def test_a_reservation_that_its_account_has_outlived_is_shown_so_and_others_as_they_are(
    district: District,
) -> None:
    outlived, other = district.customer(), district.customer()
    for account in (outlived, other):
        district.serve(account, "10-03 08:00", 120)
        district.bank.redemptions.reserve(account=account, store="ST1", sku="rice")
    district.clock.advance(days=2)
    move_on(district, outlived)
    shown = {row[2]: row[-1] for row in behind(district).redemptions.reserved().rows}
    assert shown == {outlived: "lapsed", other: "reserved"}
    ahead = {row[2]: row[-1] for row in district.bank.redemptions.reserved().rows}
    assert ahead == {outlived: "lapsed", other: "lapsed"}


def test_a_hold_that_the_account_has_not_outlived_keeps_its_points(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00", 120)
    district.bank.holds.place(account=account, points=Points(1), store="ST1")
    district.clock.advance(days=1)
    summary = behind(district).reports.customer_summary(account)
    assert (summary.held, summary.available) == (Points(1), Points(1))
    assert district.bank.reports.customer_summary(account).held == Points(0)


def test_points_held_past_a_date_that_the_account_has_outlived_are_past_it(
    district: District,
) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00", 60)
    district.clock.now = dt.datetime(2022, 11, 15, 12, tzinfo=district.bank.zone)
    district.bank.holds.place(account=account, points=Points(1), store="ST1")
    move_on(district, account)
    summary, dates = seen_behind(district, account)
    assert (summary.available, summary.expirable) == (Points(1), Points(1))
    assert (dates.day, dates.past) == (dt.date(2022, 11, 16), Points(1))


def test_a_loss_report_that_the_account_has_outlived_bars_nothing(district: District) -> None:
    account, teller = district.customer(), district.acting("T1")
    district.serve(account, "10-03 08:00", 60)
    printed = district.bank.passbooks.print_stock(count=1)
    for keeper, target in ((district.bank, "B01"), (district.acting("K1"), "B01S01")):
        keeper.passbooks.allot(target=target, first=printed.first, last=printed.last)
    teller.passbooks.issue(account=account)
    teller.passbooks.report_loss(account=account, kind="oral")
    district.clock.now = dt.datetime(2022, 10, 20, 12, tzinfo=district.bank.zone)
    with pytest.raises(PassbookFrozen):
        redeem(district.bank, account)
    move_on(district, account)
    summary, _ = seen_behind(district, account)
    books = behind(district).passbooks.of(account)
    assert [row[2] for row in books.rows] == ["在用"]
    redeem(behind(district), account)
    assert not summary.is_passbook_lost


def test_stars_are_by_the_scheme_that_the_account_has_seen(district: District) -> None:
    account = district.customer()
    district.bank.policies.adopt(
        policy=VolunteerStars(hours=(1, 2, 3, 4, 5)), effective_on=dt.date(2022, 10, 16)
    )
    district.serve(account, "10-03 08:00", 60)
    assert district.bank.reports.customer_summary(account).stars == 0
    move_on(district, account)
    assert seen_behind(district, account)[0].stars == 2
    assert behind(district).ratings.explain(account) == district.bank.ratings.explain(account)
