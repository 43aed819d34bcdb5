"""Sweeps by a host whose clock is behind: whoever's day is closed keeps nobody else waiting."""

from __future__ import annotations

import pytest

from tests.district import District
from tests.service.test_expiry import lines
from tests.service.test_expiry_later import MONTH, adopt, grant
from tests.service.test_holds import require_holds_agree
from tests.service.test_holds_at_once import placed
from tests.service.test_redemptions import saver
from tests.service.test_stores import a_shop


def shut_ahead(district: District, outlet: str = "B02") -> None:
    """Close today at a branch, by the clock of a host that is a day ahead of ours."""
    today = district.clock().date()
    district.clock.advance(days=1)
    district.bank.closings.close(today.isoformat(), outlet=outlet)
    district.clock.advance(days=-1)


def expired(district: District, *accounts: int) -> list[int]:
    return [sum(n for kind, n in lines(district, one) if kind == "expiry") for one in accounts]


@pytest.mark.parametrize("is_noted", [True, False])
def test_who_is_passed_over_keeps_no_others_waiting(district: District, is_noted: bool) -> None:
    """Neither where a date has come nor where the sweep has still to note one."""
    shut = [district.customer("B01S01") for _ in range(3)]
    others = [district.customer("B02S01") for _ in range(2)]
    if is_noted:
        adopt(district, MONTH)
    for account in (*shut, *others):
        grant(district, account, 100)
    if not is_noted:
        adopt(district, MONTH)
    district.clock.advance(days=40)
    shut_ahead(district, "B01")
    sweep = district.bank.points.expire_due
    swept = [sweep(count_max=1) for _ in range(3)]
    assert [(one.lines, one.left_out, one.may_be_more) for one in swept] == [
        (1, 3, True), (1, 3, True), (0, 3, False),
    ]  # fmt: skip
    assert expired(district, *shut, *others) == [0, 0, 0, -100, -100]
    district.clock.advance(days=1)
    rest = sweep()
    assert (rest.lines, rest.left_out, rest.may_be_more) == (3, 0, False)
    assert district.bank.verify().is_clean, str(district.bank.verify())


def test_a_page_that_is_passed_over_is_followed_by_the_next(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gongyi_bank.service.sweeps._PAGE", 2)
    adopt(district, MONTH)
    accounts = []
    for outlet in ("B02S01", "B02S01", "B02S02", "B01S01", "B02S01", "B01S02"):
        accounts.append(district.customer(outlet))
        grant(district, accounts[-1], 100)
        district.clock.advance(days=1)
    district.clock.advance(days=40)
    shut_ahead(district)
    sweep = district.acting("K1").points.expire_due
    first, second, third = (sweep(count_max=1) for _ in range(3))
    assert (first.lines, first.left_out) == (1, 3)
    assert (second.lines, second.left_out) == (1, 4)
    assert (third.lines, third.left_out, third.may_be_more) == (0, 4, False)
    assert expired(district, *accounts) == [0, 0, 0, -100, 0, -100]


def test_holds_of_customers_whose_day_is_closed_keep_no_others_waiting(
    district: District,
) -> None:
    a_shop(district)
    shut, other = saver(district, 60, outlet="B02S01"), saver(district, 60)
    for account in (shut, shut, other, other):
        placed(district, account, hours=1)
        district.clock.advance(minutes=1)
    district.clock.advance(days=3)
    shut_ahead(district)
    sweep = district.bank.holds.lapse_overdue
    swept = [sweep(count_max=1) for _ in range(3)]
    assert [(len(one.hold_ids), one.left_out, one.may_be_more) for one in swept] == [
        (1, 2, True), (1, 2, True), (0, 2, False),
    ]  # fmt: skip
    assert swept[-1].voucher_id is None
    district.clock.advance(days=1)
    rest = sweep()
    assert (len(rest.hold_ids), rest.left_out, rest.may_be_more) == (2, 0, False)
    require_holds_agree(district)
    assert district.bank.verify().is_clean, str(district.bank.verify())
