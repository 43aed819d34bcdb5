"""A policy adopted by a host whose clock is behind begins no earlier than the books are."""

from __future__ import annotations

import pytest

from gongyi_bank.errors import PolicyTooLate
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.values import Points
from tests.district import District, at
from tests.service.test_expiry_later import available, grant


def test_a_host_that_lives_in_the_old_year_lets_nobody_s_points_die_at_once(
    district: District,
) -> None:
    """Until the end of the year of booking: by a clock a minute behind, until yesterday."""
    account = district.customer()
    district.clock.now = at("12-31 23:59")
    grant(district, account, 100)
    this_year = PointsExpiry(mode="calendar_years")
    district.clock.advance(minutes=2)
    grant(district, account, 100)
    behind = district.bank.at(at("12-31 23:59"))
    with pytest.raises(PolicyTooLate):
        behind.policies.adopt(policy=this_year, effective_on=at("12-31 00:00").date())
    today = district.clock().date()
    behind.policies.adopt(policy=this_year, effective_on=today)
    assert available(district, account) == Points(2)
    schedule = district.bank.reports.expiry_schedule(account)
    assert [one.expires_on for one in schedule.dates] == [today.replace(month=12, day=31)]
    grant(district, account, 100)
    assert district.bank.verify().is_clean, str(district.bank.verify())
