"""Days, months, quarters and years; the days on which the bank works and redeems."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank import periods, values
from gongyi_bank.errors import InvalidInstant, InvalidValue
from gongyi_bank.periods import Period, PeriodKind, RedemptionWindow, WeekdayCalendar

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAYS = st.dates(date(2, 1, 1), date(9998, 12, 31))
MODERN_DAYS = st.dates(date(1950, 1, 1), date(2100, 1, 1))
KINDS = st.sampled_from(PeriodKind)
PERIODS = st.builds(Period.containing, DAYS, KINDS)
#: Zones with summer time, with half hours, with a skipped midnight and a skipped day.
ZONES = st.sampled_from(
    [
        ZoneInfo(name)
        for name in (
            "Asia/Shanghai",
            "Asia/Urumqi",
            "UTC",
            "Europe/Berlin",
            "America/Sao_Paulo",
            "Pacific/Apia",
            "Australia/Lord_Howe",
        )
    ]
)


# --- instants and days


@pytest.mark.parametrize("value", [datetime(2022, 1, 1), date(2022, 1, 1), "2022-01-01", None, 0])  # noqa: DTZ001
def test_only_an_instant_with_a_zone_is_an_instant(value):
    with pytest.raises(InvalidInstant) as caught:
        periods.require_aware(value, "started_at")
    assert caught.value.facts["field"] == "started_at"


def test_an_aware_instant_is_handed_back():
    now = datetime(2022, 1, 1, tzinfo=UTC)
    assert periods.require_aware(now, "now") is now


@pytest.mark.parametrize("value", [datetime(2022, 1, 1, tzinfo=UTC), "2022-01-01", None])
def test_only_a_plain_date_is_a_day(value):
    with pytest.raises(InvalidInstant):
        periods.require_day(value)
    with pytest.raises(InvalidInstant):
        Period.containing(value, "month")


def test_the_business_day_is_that_of_the_bank_not_of_the_writer():
    late = datetime(2022, 10, 31, 16, 30, tzinfo=UTC)
    assert periods.business_day(late, SHANGHAI) == date(2022, 11, 1)
    with pytest.raises(InvalidInstant):
        periods.business_day(datetime.max.replace(tzinfo=UTC), SHANGHAI)


# --- periods


@pytest.mark.parametrize(
    ("label", "kind", "first_on", "last_on"),
    [
        ("2022-10-31", "day", date(2022, 10, 31), date(2022, 10, 31)),
        ("2022-10", "month", date(2022, 10, 1), date(2022, 10, 31)),
        ("2024-02", "month", date(2024, 2, 1), date(2024, 2, 29)),
        ("2022Q4", "quarter", date(2022, 10, 1), date(2022, 12, 31)),
        ("2022", "year", date(2022, 1, 1), date(2022, 12, 31)),
        ("9999", "year", date(9999, 1, 1), date(9999, 12, 31)),
    ],
)
def test_labels_name_periods(label, kind, first_on, last_on):
    period = Period.parse(label)
    assert (period.kind, period.first_on, period.last_on) == (kind, first_on, last_on)
    assert period.label == str(period) == label


@pytest.mark.parametrize(
    "label",
    ["", "2022Q5", "2022Q0", "2022-13", "2022-1", "2022-02-30", "22", "0000", "2022q4", " 2022"],
)
def test_other_labels_are_refused(label):
    with pytest.raises(InvalidValue):
        Period.parse(label)


@pytest.mark.parametrize("label", ["2022-10\n", "２０２２", "2022-10-31T00:00", None, 2022])
def test_what_only_looks_like_a_label_is_refused_and_the_field_is_named(label):
    with pytest.raises(InvalidValue) as caught:
        Period.parse(label, field="closing")
    assert caught.value.facts["field"] == "closing"


def test_month_quarter_and_year_take_only_their_own_labels():
    assert periods.month("2022-10").kind is PeriodKind.MONTH
    assert periods.quarter("2022Q4").kind is PeriodKind.QUARTER
    assert periods.year("2022").kind is PeriodKind.YEAR
    for read, label in ((periods.month, "2022"), (periods.quarter, "2022-10")):
        with pytest.raises(InvalidValue):
            read(label)


@given(DAYS, KINDS)
def test_a_day_is_in_the_period_that_contains_it_and_not_in_its_neighbours(day, kind):
    period = Period.containing(day, kind)
    assert period.contains(day)
    assert not period.previous().contains(day)
    assert not period.next().contains(day)


@given(PERIODS)
def test_periods_follow_each_other_without_a_gap(period):
    assert period.next().previous() == period.previous().next() == period
    assert period.next().first_on == period.last_on + timedelta(days=1)
    assert period.previous() < period < period.next()
    assert Period.parse(period.label) == period


@given(PERIODS)
def test_the_months_of_a_period_cover_it(period):
    months = periods.months_of(period)
    assert months[0].contains(period.first_on)
    assert months[-1].contains(period.last_on)
    assert len(months) == {"day": 1, "month": 1, "quarter": 3, "year": 12}[period.kind]


def test_a_period_is_whole_or_not_made():
    with pytest.raises(InvalidValue):
        Period(date(2022, 10, 2), date(2022, 10, 31), PeriodKind.MONTH)
    with pytest.raises(InvalidValue):
        Period.containing(date(2022, 10, 2), "week")
    made = Period(date(2022, 10, 1), date(2022, 10, 31), "month")
    assert made.kind is PeriodKind.MONTH


def test_the_calendar_ends():
    with pytest.raises(InvalidInstant):
        Period.parse("9999").next()
    with pytest.raises(InvalidInstant):
        Period.parse("0001").previous()
    with pytest.raises(InvalidInstant):
        periods.instants(Period.parse("9999-12"), UTC)


@given(MODERN_DAYS, KINDS, ZONES)
def test_instants_are_half_open_and_touch_those_of_the_next_period(day, kind, zone):
    period = Period.containing(day, kind)
    start, end = periods.instants(period, zone)
    assert periods.instants(period.next(), zone)[0] == end
    assert start.astimezone(UTC) <= end.astimezone(UTC)
    tick = timedelta(microseconds=1)
    if start.astimezone(UTC) < end.astimezone(UTC):  # Apia had no 30 December 2011.
        assert period.contains(periods.business_day(start, zone))
        assert period.contains(periods.business_day(end.astimezone(UTC) - tick, zone))
    assert not period.contains(periods.business_day(end, zone))
    assert not period.contains(periods.business_day(start.astimezone(UTC) - tick, zone))


def test_a_period_ends_at_23_59_of_the_bank():
    end = periods.end_of(Period.parse("2022Q4"), SHANGHAI)
    assert end == datetime.combine(date(2022, 12, 31), time(23, 59), SHANGHAI)
    assert end.isoformat() == "2022-12-31T23:59:00+08:00"


# --- months from an anchor


@pytest.mark.parametrize(
    ("anchor", "months", "reached"),
    [
        (date(2023, 1, 31), 1, date(2023, 2, 28)),
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2023, 1, 31), 2, date(2023, 3, 31)),
        (date(2024, 2, 29), 36, date(2027, 2, 28)),
        (date(2023, 3, 31), -1, date(2023, 2, 28)),
    ],
)
def test_months_count_from_the_anchor(anchor, months, reached):
    assert periods.add_months(anchor, months) == reached


@given(MODERN_DAYS, MODERN_DAYS, st.integers(1, 600))
def test_older_points_never_outlive_newer_ones(one, other, months):
    older, newer = sorted([one, other])
    assert periods.expiry_on(older, months) <= periods.expiry_on(newer, months)
    assert older < periods.expiry_on(older, months)


def test_points_without_a_life_never_expire():
    assert periods.expiry_on(date(2022, 10, 31), None) == values.NEVER
    assert periods.expiry_on(date(2022, 10, 31), 36) == date(2025, 10, 31)


@pytest.mark.parametrize("months", [0, -1, 1.5, True, 10**9])
def test_a_life_is_a_positive_number_of_months(months):
    with pytest.raises(InvalidValue):
        periods.expiry_on(date(2022, 10, 31), months)


@pytest.mark.parametrize(("anchor", "months"), [(date(9999, 12, 1), 1), (date(1, 1, 1), -1)])
def test_months_beyond_the_calendar_are_refused(anchor, months):
    with pytest.raises(InvalidInstant):
        periods.add_months(anchor, months)


# --- working days

NATIONAL_DAY = WeekdayCalendar(
    holidays=frozenset(date(2022, 10, day) for day in range(1, 8)),
    working_weekends=frozenset({date(2022, 10, 8), date(2022, 10, 9)}),
)


def test_holidays_are_off_and_exchanged_weekends_are_worked():
    assert not NATIONAL_DAY.is_working_day(date(2022, 10, 3))
    assert NATIONAL_DAY.is_working_day(date(2022, 10, 8))
    assert not NATIONAL_DAY.is_working_day(date(2022, 10, 15))
    assert NATIONAL_DAY.is_working_day(date(2022, 10, 10))


def test_working_days_count_from_the_day_after():
    assert periods.add_working_days(date(2022, 9, 30), 1, NATIONAL_DAY) == date(2022, 10, 8)
    assert periods.add_working_days(date(2022, 9, 30), 3, NATIONAL_DAY) == date(2022, 10, 10)
    assert periods.add_working_days(date(2022, 10, 14), 10, WeekdayCalendar()) == date(2022, 10, 28)


@given(MODERN_DAYS, st.integers(0, 60), st.integers(0, 60))
def test_working_days_add_up(day, one, other):
    step = periods.add_working_days
    calendar = WeekdayCalendar()
    assert step(step(day, one, calendar), other, calendar) == step(day, one + other, calendar)


@given(MODERN_DAYS, st.integers(1, 60))
def test_as_many_working_days_as_asked_lie_between(day, n):
    reached = periods.add_working_days(day, n, NATIONAL_DAY)
    between = [day + timedelta(days=step) for step in range(1, (reached - day).days + 1)]
    assert sum(map(NATIONAL_DAY.is_working_day, between)) == n
    assert NATIONAL_DAY.is_working_day(reached)


def test_wrong_calendars_and_counts_are_refused():
    class Closed:
        def is_working_day(self, day: date) -> bool:
            return False

    with pytest.raises(InvalidValue):
        WeekdayCalendar(
            holidays=frozenset({date(2022, 10, 8)}), working_weekends=frozenset({date(2022, 10, 8)})
        )
    with pytest.raises(InvalidValue):
        periods.add_working_days(date(2022, 10, 8), 1, Closed())
    with pytest.raises(InvalidValue):
        periods.add_working_days(date(2022, 10, 8), -1, WeekdayCalendar())
    with pytest.raises(InvalidInstant):
        periods.add_working_days(date(9999, 12, 31), 1, WeekdayCalendar())


# --- redemption days


def open_days(window: RedemptionWindow, month: str) -> list[int]:
    period = periods.month(month)
    days = [period.first_on.replace(day=day) for day in range(1, period.last_on.day + 1)]
    return [day.day for day in days if window.is_open(day)]


@pytest.mark.parametrize(
    ("first_day", "last_day", "month", "expected"),
    [
        (1, 5, "2022-10", [1, 2, 3, 4, 5]),
        (29, -1, "2022-10", [29, 30, 31]),
        (-1, -1, "2023-02", [28]),
        (30, 31, "2023-02", [28]),
        (30, 2, "2022-10", [1, 2, 30, 31]),
        (31, 1, "2023-02", [1, 28]),
        (-1, 1, "2022-11", [1, 30]),
        (15, 15, "2022-11", [15]),
    ],
)
def test_the_window_is_open_on_its_days_of_the_month(first_day, last_day, month, expected):
    window = RedemptionWindow(first_day=first_day, last_day=last_day)
    assert open_days(window, month) == expected


def test_a_window_without_days_is_always_open():
    assert RedemptionWindow().is_always_open
    assert len(open_days(RedemptionWindow(), "2022-10")) == 31


DAYS_OF_MONTH = st.integers(1, 31) | st.just(-1)


@given(DAYS_OF_MONTH, DAYS_OF_MONTH, MODERN_DAYS)
def test_every_month_has_an_open_day_and_the_next_one_is_found(first_day, last_day, day):
    window = RedemptionWindow(first_day=first_day, last_day=last_day)
    assert open_days(window, f"{day:%Y-%m}")
    found = window.next_open_on(day)
    assert found >= day
    assert window.is_open(found)
    assert (found == day) == window.is_open(day)


@pytest.mark.parametrize(
    ("first_day", "last_day"), [(0, 5), (1, 32), (-2, 5), (1, None), (None, 5), (1.0, 5), (True, 5)]
)
def test_other_windows_are_refused(first_day, last_day):
    with pytest.raises(InvalidValue):
        RedemptionWindow(first_day=first_day, last_day=last_day)


def test_the_public_list_is_true():
    assert all(hasattr(periods, name) for name in periods.__all__)
