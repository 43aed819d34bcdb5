"""The frozen clock: it shows what it was told, and runs backwards only when asked."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.errors import InvalidInstant
from gongyi_bank.testing import FrozenClock

NOON = dt.datetime(2022, 10, 15, 12, tzinfo=ZoneInfo("Asia/Shanghai"))


def test_it_stands_still_until_it_is_told() -> None:
    clock = FrozenClock(NOON)
    assert clock() == clock() == clock.now == NOON
    assert clock.advance(days=1, hours=2, minutes=3, seconds=4) == clock()
    assert clock() - NOON == dt.timedelta(days=1, hours=2, minutes=3, seconds=4)
    assert clock.now.tzinfo is NOON.tzinfo
    assert repr(clock) == "FrozenClock(2022-10-16T14:03:04+08:00)"


def test_an_hour_is_an_hour_when_summer_time_begins() -> None:
    before = dt.datetime(2022, 3, 27, 1, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    clock = FrozenClock(before)
    clock.advance(hours=1)
    assert clock.now.isoformat() == "2022-03-27T03:30:00+02:00"


def test_it_runs_backwards_only_when_asked() -> None:
    clock = FrozenClock(NOON)
    earlier = NOON - dt.timedelta(seconds=1)
    with pytest.raises(InvalidInstant):
        clock.set(earlier)
    with pytest.raises(InvalidInstant):
        clock.advance(hours=-1)
    assert clock() == NOON
    assert clock.set(earlier, backwards=True) == clock() == earlier


@pytest.mark.parametrize(
    "value", [NOON.replace(tzinfo=None), "2022-10-15", None, dt.date(2022, 10, 15)]
)
def test_what_is_no_aware_moment_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInstant):
        FrozenClock(value)
    with pytest.raises(InvalidInstant):
        FrozenClock(NOON).set(value)


def test_a_bank_lives_by_it() -> None:
    clock = FrozenClock(NOON)
    bank = Bank.found("sqlite://", clock=clock)
    clock.advance(days=3)
    bank.pools.open(code="P", name="池", outlet="H")
    opened = bank.outbox.read("x")[-1]
    assert (opened.act, opened.booked_at) == ("pools.open", clock.now)
    bank.close()
