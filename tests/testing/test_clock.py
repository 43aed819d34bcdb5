"""The frozen clock: it shows what it was told, and runs backwards only when asked."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.errors import InvalidInstant, InvalidValue
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


@pytest.mark.parametrize(
    ("span", "field"),
    [
        ({"days": "x"}, "days"),
        ({"days": None}, "days"),
        ({"weeks": True}, "weeks"),
        ({"hours": float("nan")}, "hours"),
        ({"minutes": float("inf")}, "minutes"),
        ({"hours": 1, "seconds": dt.timedelta(1)}, "seconds"),
        ({"days": 10**9}, "days"),
        ({"weeks": 10**400}, "weeks"),
        ({"days": 900_000_000, "weeks": 100_000_000}, "days"),
        ({"days": 5_000_000}, "advance"),
        ({"days": 2_900_000}, "now"),
    ],
)
def test_a_span_that_is_none_is_named_and_moves_nothing(span: dict[str, Any], field: str) -> None:
    clock = FrozenClock(NOON)
    with pytest.raises(InvalidValue) as caught:
        clock.advance(**span)
    assert caught.value.facts["field"] == field
    assert clock() == NOON


def test_it_goes_on_by_parts_of_a_unit() -> None:
    assert FrozenClock(NOON).advance(hours=1.5) == NOON + dt.timedelta(minutes=90)


def test_a_bank_lives_by_it() -> None:
    clock = FrozenClock(NOON)
    bank = Bank.found("sqlite://", clock=clock)
    clock.advance(days=3)
    bank.pools.open(code="P", name="池", outlet="H")
    opened = bank.outbox.read("x")[-1]
    assert (opened.act, opened.booked_at) == ("pools.open", clock.now)
    bank.close()
