"""Policies: which one was in force when, and what none of them may say."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.errors import InvalidValue, UnknownCategory, UnknownPolicy
from gongyi_bank.policies import (
    POLICIES,
    HourLimits,
    PointsExpiry,
    Policy,
    PolicyBook,
    Tariff,
    TariffRate,
    VolunteerStars,
)
from gongyi_bank.values import NEVER, Points

DAY = dt.date(2022, 10, 15)


def limits(free: int) -> HourLimits:
    return HourLimits(daily_minutes_free=free)


@pytest.mark.parametrize(
    ("day", "policy_id"),
    [
        (dt.date(1899, 12, 31), None),
        (dt.date(1900, 1, 1), 1),
        (DAY - dt.timedelta(days=1), 1),
        (DAY, 2),
        (DAY + dt.timedelta(days=1), 2),
        (dt.date(2022, 12, 31), 2),
        (dt.date(2023, 1, 1), 3),
        (dt.date.max, 3),
    ],
)
def test_a_policy_is_in_force_from_its_day_until_the_next_one(
    day: dt.date, policy_id: int | None
) -> None:
    book = PolicyBook(
        [
            (3, dt.date(2023, 1, 1), limits(3)),
            (1, dt.date(1900, 1, 1), limits(1)),
            (2, DAY, limits(2)),
        ],
        1,
    )
    if policy_id is None:
        with pytest.raises(UnknownPolicy):
            book.in_force(HourLimits, day)
    else:
        found = book.in_force(HourLimits, day)
        assert found == (policy_id, limits(policy_id))
    assert book.newest_on("hour_limits") == dt.date(2023, 1, 1)
    assert [number for number, _, _ in book.history("hour_limits")] == [1, 2, 3]


def test_kinds_do_not_meet() -> None:
    book = PolicyBook([(1, DAY, limits(1))], 1)
    with pytest.raises(UnknownPolicy):
        book.in_force(Tariff, DAY)
    assert book.newest_on("tariff") is None
    assert book.history("tariff") == []


def tariff(**rates: str) -> Tariff:
    return Tariff(
        rates=tuple(
            TariffRate(category=c, name=c, points_per_hour=Points(p)) for c, p in rates.items()
        )
    )


def test_a_rate_is_that_of_the_day_in_ten_thousandths() -> None:
    book = PolicyBook(
        [(1, dt.date(1900, 1, 1), tariff(a="1.5", b="0.0001")), (2, DAY, tariff(a="2"))], 1
    )
    before = DAY - dt.timedelta(days=1)
    assert [book.rate("a", before), book.rate("b", before), book.rate("a", DAY)] == [
        (1, 15_000), (1, 1), (2, 20_000),
    ]  # fmt: skip
    with pytest.raises(UnknownCategory) as caught:
        book.rate("b", DAY)
    assert caught.value.facts == {"category": "b", "day": DAY}


@pytest.mark.parametrize(
    ("mode", "length", "booked", "last"),
    [
        ("none", 0, "2022-10-15", NEVER.isoformat()),
        ("months", 0, "2022-10-15", "2022-10-15"),
        ("months", 1, "2022-01-31", "2022-02-28"),
        ("months", 1, "2024-01-31", "2024-02-29"),
        ("months", 12, "2024-02-29", "2025-02-28"),
        ("months", 36, "2022-10-31", "2025-10-31"),
        ("calendar_years", 0, "2022-12-31", "2022-12-31"),
        ("calendar_years", 1, "2022-12-31", "2023-12-31"),
        ("calendar_years", 2, "2022-01-01", "2024-12-31"),
    ],
)
def test_points_are_good_until_this_day(mode: Any, length: int, booked: str, last: str) -> None:
    expiry = PointsExpiry(mode=mode, length=length)
    assert expiry.expires_on(dt.date.fromisoformat(booked)) == dt.date.fromisoformat(last)


@given(
    st.sampled_from(["none", "months", "calendar_years"]),
    st.integers(0, 600),
    st.lists(st.dates(dt.date(2000, 1, 1), dt.date(2100, 1, 1)), min_size=2, max_size=2).map(
        sorted
    ),
)
def test_under_one_policy_a_later_credit_never_dies_earlier(
    mode: Any, length: int, days: list[dt.date]
) -> None:
    expiry = PointsExpiry(mode=mode, length=length)
    first, second = (expiry.expires_on(day) for day in days)
    assert days[0] <= first <= second


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_every_shipped_policy_survives_json_frozen_and_equal(kind: str) -> None:
    policy = POLICIES[kind]()
    assert policy.kind == kind
    again = POLICIES[kind].model_validate_json(policy.model_dump_json())
    assert again == policy
    with pytest.raises(Exception, match="frozen"):
        again.anything = 1  # type: ignore[attr-defined]
    with pytest.raises(InvalidValue):
        POLICIES[kind](surplus=1)
    with pytest.raises(InvalidValue):
        POLICIES[kind].model_validate_json("{")


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (VolunteerStars, {"hours": ()}),
        (VolunteerStars, {"hours": (1, 1)}),
        (VolunteerStars, {"hours": (2, 1)}),
        (VolunteerStars, {"hours": (1, 2, 3, 4, 5, 6)}),
        (VolunteerStars, {"hours": (0,)}),
        (HourLimits, {"daily_minutes_branch": 1441}),
        (HourLimits, {"record_minutes_max": True}),
        (PointsExpiry, {"length": -1}),
        (PointsExpiry, {"length": 601}),
        (TariffRate, {"category": "a", "name": "a", "points_per_hour": Points("-0.01")}),
    ],
)
def test_what_no_policy_may_say(make: type[Policy], fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue) as caught:
        make(**fields)
    assert str(caught.value.facts["field"]).split("[")[0] in fields
