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


#: Shanghai's clocks showed these hours twice on 15 September 1991; the second comes later.
TWICE = dt.datetime(1991, 9, 15, 1, 30, tzinfo=NOON.tzinfo)


def test_of_an_hour_that_comes_twice_the_second_is_later() -> None:
    second, clock = TWICE.replace(fold=1), FrozenClock(TWICE.replace(minute=45))
    assert clock.set(second) is second
    with pytest.raises(InvalidInstant):
        clock.set(TWICE.replace(minute=45))
    assert clock.advance(minutes=15).isoformat() == "1991-09-15T01:45:00+08:00"
    assert FrozenClock(TWICE).advance(hours=1).isoformat() == "1991-09-15T01:30:00+08:00"


@pytest.mark.parametrize(
    "moment",
    [
        dt.datetime(1969, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
        dt.datetime(1970, 1, 1, 7, 59, tzinfo=NOON.tzinfo),
        dt.datetime(9001, 1, 1, tzinfo=dt.UTC),
    ],
)
def test_it_shows_no_time_at_which_no_bank_books(moment: dt.datetime) -> None:
    with pytest.raises(InvalidInstant, match=r"1970 \(UTC\) to 9000"):
        FrozenClock(moment)
    with pytest.raises(InvalidInstant):
        FrozenClock(NOON).set(moment, backwards=True)
    with pytest.raises(InvalidInstant):
        Bank.found("sqlite://").at(moment).pools.open(code="P", name="池", outlet="H")


@pytest.mark.parametrize("year", [1970, 9000])
def test_a_bank_is_founded_in_its_first_year_and_its_last(year: int) -> None:
    bank = Bank.found("sqlite://", clock=FrozenClock(dt.datetime(year, 1, 1, tzinfo=dt.UTC)))
    assert bank.pools.open(code="P", name="池", outlet="H").booked_at.year == year
    bank.close()


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
