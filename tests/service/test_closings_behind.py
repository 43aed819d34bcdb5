"""Closings by a host whose clock is behind: they go by the ledger's clock, and accuse nobody."""

from __future__ import annotations

import datetime as dt

import pytest

from gongyi_bank.errors import PeriodNotOver
from tests.district import District, at

MONTH = "2022-10"


def test_a_month_closed_by_a_clock_that_is_behind_accuses_no_honest_line(
    district: District,
) -> None:
    account = district.customer()
    district.clock.now = at("11-08 12:00")
    district.serve(account, "10-20 08:00")
    behind = district.bank.at(at("11-02 09:00"))
    behind.closings.close("2022-10-31")
    closed = behind.closings.close(MONTH)
    assert closed.booked_at >= at("11-08 12:00")
    assert district.bank.verify().is_clean, str(district.bank.verify())


def test_in_one_transaction_too(district: District) -> None:
    account = district.customer()
    district.clock.now = at("11-08 12:00")
    district.serve(account, "10-20 08:00")
    with district.bank.at(at("11-02 09:00")).begin() as counter:
        counter.closings.close("2022-10-31")
        counter.closings.close(MONTH)
    district.serve(account, "10-21 08:00")
    assert district.bank.verify().is_clean, str(district.bank.verify())


def test_whether_a_period_is_over_is_judged_by_the_host_s_own_clock(district: District) -> None:
    account = district.customer()
    district.clock.now = at("11-08 12:00")
    district.serve(account, "10-20 08:00")
    behind = district.bank.at(at("10-31 12:00"))
    with pytest.raises(PeriodNotOver):
        behind.closings.close("2022-10-31")
    assert behind.closings.close("2022-10-30").last_on == dt.date(2022, 10, 30)
    assert district.bank.verify().is_clean, str(district.bank.verify())
