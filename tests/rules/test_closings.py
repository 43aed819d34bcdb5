"""Which days are closed where, and which period may be closed next."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.errors import (
    ClosingUnfinished,
    DayClosed,
    GongyiBankError,
    InvalidValue,
    PeriodAlreadyClosed,
    PeriodClosed,
    PeriodNotOver,
    ShorterPeriodOpen,
)
from gongyi_bank.periods import Period
from gongyi_bank.policies import POLICIES, ClosingRules, PolicyBook
from gongyi_bank.rules.closings import ClosedDays, Reached, decide_first_day, require_parts_closed
from gongyi_bank.rules.ledger import EARLIEST
from gongyi_bank.rules.staff import OutletFacts

HEAD = OutletFacts(1000, "H", "总行", 1, None, True)
BRANCH = OutletFacts(1001, "B01", "分行", 2, 1000, True)
OTHER = OutletFacts(1002, "B02", "分行", 2, 1000, True)
SAVINGS = OutletFacts(1003, "B01S01", "储蓄所", 3, 1001, True)
FOUNDED = dt.date(2022, 9, 10)
TODAY = dt.date(2022, 11, 5)
OCTOBER = dt.date(2022, 10, 31)


def policies(late_work: str = "book_late") -> PolicyBook:
    rules = ClosingRules.model_validate({"late_work": late_work})
    shipped = [policy() for kind, policy in POLICIES.items() if kind != ClosingRules.kind]
    adopted = [(number, EARLIEST, policy) for number, policy in enumerate([rules, *shipped], 1)]
    return PolicyBook(adopted, 1)


# --- what is closed ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("closings", "outlet", "booking", "value"),
    [
        ([], SAVINGS, None, None),
        ([(1000, 1, "day", OCTOBER)], SAVINGS, OCTOBER, None),
        ([(1000, 1, "month", OCTOBER)], SAVINGS, None, OCTOBER),
        ([(1001, 2, "day", OCTOBER)], SAVINGS, OCTOBER, None),
        ([(1001, 2, "day", OCTOBER)], OTHER, None, None),
        ([(1003, 3, "year", OCTOBER)], SAVINGS, None, OCTOBER),
        ([(1003, 3, "year", OCTOBER)], BRANCH, None, None),
        ([(1000, 1, "day", FOUNDED), (1001, 2, "day", OCTOBER)], SAVINGS, OCTOBER, None),
    ],
)
def test_a_closing_covers_everything_below_its_outlet(
    closings: list[tuple[int, int, str, dt.date]],
    outlet: OutletFacts,
    booking: dt.date | None,
    value: dt.date | None,
) -> None:
    closed = ClosedDays(closings)
    assert closed.booking_through(outlet) == (booking or EARLIEST)
    assert closed.value_through(outlet) == (value or EARLIEST)


def test_the_last_closed_day_is_refused_and_the_next_is_open() -> None:
    closed = ClosedDays([(1000, 1, "day", OCTOBER)])
    with pytest.raises(DayClosed):
        closed.require_open_day(SAVINGS, OCTOBER)
    closed.require_open_day(SAVINGS, OCTOBER + dt.timedelta(days=1))


def test_late_work_counts_on_the_first_open_day_with_its_origin() -> None:
    closed = ClosedDays([(1000, 1, "month", OCTOBER)])
    first_open = dt.date(2022, 11, 1)
    assert closed.value_day(SAVINGS, OCTOBER, TODAY, policies()) == (first_open, OCTOBER)
    assert closed.value_day(SAVINGS, first_open, TODAY, policies()) == (first_open, None)


def test_a_policy_may_refuse_late_work() -> None:
    closed = ClosedDays([(1000, 1, "month", OCTOBER)])
    with pytest.raises(PeriodClosed):
        closed.value_day(SAVINGS, OCTOBER, TODAY, policies("refuse"))
    day = OCTOBER + dt.timedelta(days=1)
    assert closed.value_day(SAVINGS, day, TODAY, policies("refuse")) == (day, None)


# --- what may be closed next ---------------------------------------------------------------

DONE = Reached(OCTOBER, OCTOBER)


@pytest.mark.parametrize(
    ("label", "reached", "refusal"),
    [
        ("2022-11-05", {}, PeriodNotOver),
        ("2022-11", {}, PeriodNotOver),
        ("2022-09-09", {}, InvalidValue),
        ("2022-10-31", {"day": DONE}, PeriodAlreadyClosed),
        ("2022-10-30", {"day": DONE}, PeriodAlreadyClosed),
        ("2022-11-01", {"day": Reached(OCTOBER, FOUNDED, OCTOBER)}, ClosingUnfinished),
        ("2022-10-31", {"day": Reached(OCTOBER, FOUNDED, OCTOBER)}, ClosingUnfinished),
        ("2022-10", {}, ShorterPeriodOpen),
        ("2022-10", {"day": Reached(OCTOBER, dt.date(2022, 10, 30))}, ShorterPeriodOpen),
        ("2022Q3", {"day": DONE}, ShorterPeriodOpen),
        ("2022-11-05", {"day": Reached(OCTOBER, FOUNDED, OCTOBER)}, PeriodNotOver),
    ],
)
def test_refusals_in_their_order(
    label: str, reached: dict[str, Reached], refusal: type[GongyiBankError]
) -> None:
    with pytest.raises(refusal):
        decide_first_day(HEAD, Period.parse(label), reached, today=TODAY, founded_on=FOUNDED)


@pytest.mark.parametrize(
    ("label", "reached", "first_on"),
    [
        ("2022-09-10", {}, FOUNDED),
        ("2022-11-04", {}, FOUNDED),
        ("2022-11-04", {"day": DONE}, dt.date(2022, 11, 1)),
        ("2022-10", {"day": DONE}, FOUNDED),
        ("2022-10", {"day": DONE, "month": Reached(dt.date(2022, 9, 30))}, dt.date(2022, 10, 1)),
        ("2022Q3", {"month": DONE}, FOUNDED),
    ],
)
def test_a_closing_begins_where_the_one_before_it_ended(
    label: str, reached: dict[str, Reached], first_on: dt.date
) -> None:
    period = Period.parse(label)
    found = decide_first_day(HEAD, period, reached, today=TODAY, founded_on=FOUNDED)
    assert found == first_on


def test_a_year_needs_its_quarters() -> None:
    year = Period.parse("2022")
    with pytest.raises(ShorterPeriodOpen):
        require_parts_closed(HEAD, year, {"month": Reached(year.last_on, year.last_on)})
    require_parts_closed(HEAD, year, {"quarter": Reached(year.last_on, year.last_on)})


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_closings_follow_each_other_without_gap_or_overlap(steps: list[int]) -> None:
    reached: dict[str, Reached] = {}
    expected, through = FOUNDED, FOUNDED - dt.timedelta(days=1)
    for step in steps:
        through += dt.timedelta(days=step)
        period = Period.containing(through, "day")
        today = through + dt.timedelta(days=1)
        first_on = decide_first_day(HEAD, period, reached, today=today, founded_on=FOUNDED)
        assert first_on == expected
        reached["day"] = Reached(through, through)
        expected = through + dt.timedelta(days=1)
