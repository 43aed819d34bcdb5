"""Found while reading sweeps: lines at an outlet on a day that it had closed.

A host's clock was behind, and the customer had come to that outlet on a later day than it showed.
An act checked the outlets that it named and where customers were registered on the day, but not
where its lines would stand.
"""

from __future__ import annotations

import datetime as dt

import pytest

from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.errors import DayClosed
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_expiry_later import MONTH, adopt, grant


def test_nobody_s_expiry_is_booked_where_the_day_is_closed_though_they_came_later(
    district: District,
) -> None:
    """Who moved after the day that the clock shows: the line would stand at the new outlet."""
    account = district.customer("B01S01")
    adopt(district, MONTH)
    grant(district, account, 100)
    district.clock.advance(days=40)
    today = district.clock().date()
    district.clock.advance(days=2)
    district.bank.customers.move(account=account, outlet="B02S01")
    district.bank.closings.close(today.isoformat(), outlet="B02")
    district.clock.advance(days=-2)
    swept = district.bank.points.expire_due()
    assert (swept.lines, swept.left_out) == (0, 1)
    district.clock.advance(days=2)
    assert district.bank.points.expire_due().lines == 1
    assert district.bank.verify().is_clean, str(district.bank.verify())


def test_no_opening_is_booked_where_the_day_is_closed_though_they_came_later(
    district: District,
) -> None:
    """Of customers of several outlets, so that the act itself is handled elsewhere."""
    account, other = district.customer("B01S01"), district.customer("B01S02")
    today = district.clock().date()
    district.clock.advance(days=2)
    district.bank.customers.move(account=account, outlet="B02S01")
    district.bank.closings.close(today.isoformat(), outlet="B02")
    district.clock.advance(days=-2)
    rows = [
        OpeningRow(account=one, minutes=60, points=Points(1), as_of=dt.date(2022, 10, 1))
        for one in (account, other)
    ]
    with pytest.raises(DayClosed, match="B02S01"):
        district.bank.points.bring_forward(rows=rows)
