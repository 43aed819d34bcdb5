"""A sweep that waits for somebody goes by what they have done: a move, a closing, a capture."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gongyi_bank.bank import Counter
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_expiry import lines
from tests.service.test_expiry_later import MONTH, adopt, grant
from tests.service.test_holds import require_holds_agree
from tests.service.test_holds_at_once import placed
from tests.service.test_stores import a_shop, new_offer
from tests.waiting import wait_for_lock

DAY = dt.timedelta(days=1)


@pytest.fixture(params=["postgresql", pytest.param("mariadb", marks=pytest.mark.slow)])
def crowded(request: pytest.FixtureRequest) -> Iterator[District]:
    """A shop, and points that last a month, on the engines that have many writers."""
    made = District(request.getfixturevalue(f"{request.param}_tables_url"))
    a_shop(made, new_offer(stock=9))
    adopt(made, MONTH)
    yield made
    made.close()


def saver(district: District) -> int:
    """A customer of B01S01 with a point."""
    account = district.customer()
    grant(district, account, 100)
    return account


def swept_behind(
    district: District, first: Callable[[Counter], object], sweep: Callable[[], Any]
) -> Any:
    """What the sweep says that has waited for the act of another transaction."""
    with ThreadPoolExecutor(1) as pool:
        with district.bank.begin() as counter:
            first(counter)
            future = pool.submit(sweep)
            wait_for_lock(district.bank, future)
        return future.result(60)


def require_sound(district: District) -> None:
    require_holds_agree(district)
    assert district.bank.verify().is_clean, str(district.bank.verify())


def test_who_moves_meanwhile_has_the_expiry_line_at_their_new_outlet(crowded: District) -> None:
    account = saver(crowded)
    crowded.clock.advance(days=40)
    swept = swept_behind(
        crowded,
        lambda at: at.customers.move(account=account, outlet="B02S01"),
        crowded.bank.points.expire_due,
    )
    assert (swept.lines, swept.left_out) == (1, 0)
    line = crowded.bank.reports.statement(account, newest=1).lines[0]
    assert (line.kind, line.outlet) == ("expiry", "B02S01")
    require_sound(crowded)


def test_who_closes_the_account_meanwhile_has_one_expiry_line(crowded: District) -> None:
    account = saver(crowded)
    crowded.clock.advance(days=40)
    swept = swept_behind(
        crowded,
        lambda at: at.accounts.close(account=account, reason="销户"),
        crowded.bank.points.expire_due,
    )
    assert (swept.lines, swept.points, swept.voucher_id) == (0, 0, None)
    assert lines(crowded, account) == [("grant", 100), ("expiry", -100)]
    require_sound(crowded)


@pytest.mark.parametrize("of_holds", [False, True])
def test_whose_day_is_closed_meanwhile_is_left_to_the_next_one(
    crowded: District, of_holds: bool
) -> None:
    """By a host that lives in the next day already."""
    account = saver(crowded)
    placed(crowded, account, hours=1)
    crowded.clock.advance(days=40)
    today = crowded.clock().date()
    behind = crowded.bank.at(crowded.clock.now)
    sweep = behind.holds.lapse_overdue if of_holds else behind.points.expire_due
    crowded.clock.advance(days=1)

    def close(at: Counter) -> object:
        return at.closings.close(today.isoformat(), outlet="B01")

    swept = swept_behind(crowded, close, sweep)
    assert (swept.left_out, swept.voucher_id) == (1, None)
    assert lines(crowded, account) == [("grant", 100)]
    assert len(crowded.bank.holds.lapse_overdue().hold_ids) == 1
    assert crowded.bank.points.expire_due().lines == 0
    assert lines(crowded, account)[1:] == [("expiry", -100)]
    require_sound(crowded)


@pytest.mark.parametrize("points", [None, Points("0.10")])
def test_what_is_captured_or_extended_in_time_is_not_swept(
    crowded: District, points: Points | None
) -> None:
    account = saver(crowded)
    hold = placed(crowded, account, hours=1)
    past = crowded.bank.at(crowded.clock.now + dt.timedelta(hours=1))

    def settle(at: Counter) -> object:
        if points is not None:
            at.holds.extend(hold=hold, deadline_at=crowded.clock.now + DAY)
        return at.holds.capture(hold=hold, points=points)

    swept = swept_behind(crowded, settle, past.holds.lapse_overdue)
    assert (swept.hold_ids, swept.left_out, swept.voucher_id) == ((), 0, None)
    (row,) = crowded.bank.holds.of(account)
    assert row["points_left"] == (Points("0.10") if points else Points(0))
    require_sound(crowded)
