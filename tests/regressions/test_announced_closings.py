"""Announcing a closing bars nothing, whichever handle looks.

Handles keep which days are closed until the house's stamp changes, and announcing does not change
it. One opened after it counted the announced month as closed, one opened before it did not.
"""

from __future__ import annotations

import datetime as dt

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.errors import PeriodClosed
from gongyi_bank.policies import ClosingRules
from gongyi_bank.values import Points
from tests.district import District


def test_whether_a_closing_was_announced_makes_no_difference_to_any_handle(
    sqlite_district: District,
) -> None:
    """Found by the state machine, once it announced closings without draining them at once."""
    old, account = sqlite_district.bank, sqlite_district.customer()
    rule = ClosingRules(late_work="refuse")
    old.policies.adopt(policy=rule, effective_on=sqlite_district.clock.now.date())
    sqlite_district.clock.advance(days=20)
    old.closings.close(period="2022-10-31")
    old.closings.announce(period="2022-10")
    new = Bank.open(sqlite_district.url, staff="admin", clock=sqlite_district.clock)
    new.points.grant(
        account=account, points=Points(1), reason="表彰", second_person="K1b", outlet="B01",
        value_on=dt.date(2022, 10, 20),
    )  # fmt: skip
    sqlite_district.serve(account, "10-20 08:00")
    new.closings.drain(period="2022-10")
    with pytest.raises(PeriodClosed):
        sqlite_district.serve(account, "10-21 08:00")
