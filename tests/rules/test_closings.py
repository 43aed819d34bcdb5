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
from gongyi_bank.rules.closings import (
    EVERYWHERE,
    ClosedDays,
    Home,
    Reached,
    closed_through,
    decide_first_day,
    homes_of,
    require_parts_closed,
)
from gongyi_bank.rules.ledger import EARLIEST
from gongyi_bank.rules.outlets import stays_of
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
        ([(1001, 2, "day", OCTOBER), (1001, 2, "day", FOUNDED)], SAVINGS, OCTOBER, None),
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
    with pytest.raises(DayClosed) as caught:
        closed.require_open_day(SAVINGS, OCTOBER)
    assert caught.value.facts == {"outlet": "B01S01", "day": OCTOBER}
    closed.require_open_day(SAVINGS, OCTOBER + dt.timedelta(days=1))


def test_a_value_date_whose_figures_stand_is_refused_and_the_next_is_open() -> None:
    closed = ClosedDays([(1000, 1, "month", OCTOBER)])
    with pytest.raises(PeriodClosed) as caught:
        closed.require_open_value(SAVINGS, OCTOBER)
    assert caught.value.facts == {"outlet": "B01S01", "day": OCTOBER, "through": OCTOBER}
    closed.require_open_value(SAVINGS, OCTOBER + dt.timedelta(days=1))


def test_closed_days_reach_as_far_as_the_newest_of_any_outlet() -> None:
    closed = ClosedDays([(1001, 1, "day", OCTOBER), (1000, 2, "month", TODAY)])
    assert closed.reaches(OCTOBER)
    assert not closed.reaches(OCTOBER + dt.timedelta(days=1))


def test_late_work_counts_on_the_first_open_day_with_its_origin() -> None:
    closed = ClosedDays([(1000, 1, "month", OCTOBER)])
    first_open = dt.date(2022, 11, 1)
    assert closed.value_day(SAVINGS, OCTOBER, TODAY, policies()) == (first_open, OCTOBER)
    assert closed.value_day(SAVINGS, first_open, TODAY, policies()) == (first_open, None)


def test_a_policy_may_refuse_late_work() -> None:
    closed = ClosedDays([(1000, 1, "month", OCTOBER)])
    with pytest.raises(PeriodClosed) as caught:
        closed.value_day(SAVINGS, FOUNDED, TODAY, policies("refuse"))
    assert caught.value.facts == {"outlet": "B01S01", "day": FOUNDED, "through": OCTOBER}
    day = OCTOBER + dt.timedelta(days=1)
    assert closed.value_day(SAVINGS, day, TODAY, policies("refuse")) == (day, None)


# --- outlets that moved --------------------------------------------------------------------

MOVED = dt.date(2022, 11, 2)
SINCE_THEN = dt.date(2022, 11, 30)
#: What was below B01 until 1 November is below B02 from the 2nd on.
STAYS = stays_of([(1003, 1001, FOUNDED), (1003, 1002, MOVED)])
NOW = OutletFacts(1003, "B01S01", "储蓄所", 3, 1002, True)


@pytest.mark.parametrize(
    ("closings", "through"),
    [
        ([], EARLIEST),
        ([(1001, 2, OCTOBER)], OCTOBER),
        ([(1001, 2, SINCE_THEN)], dt.date(2022, 11, 1)),  # as long as it was there
        ([(1002, 2, OCTOBER)], EARLIEST),  # it was not there yet
        ([(1002, 2, MOVED)], MOVED),
        ([(1001, 2, FOUNDED), (1002, 2, SINCE_THEN)], SINCE_THEN),
        ([(1001, 2, OCTOBER), (1002, 2, dt.date(2022, 11, 1))], OCTOBER),
        ([(1003, 3, OCTOBER)], OCTOBER),
        ([(1000, 1, OCTOBER), (1001, 2, FOUNDED)], OCTOBER),
    ],
)
def test_a_branch_closes_the_days_on_which_the_outlet_was_below_it(
    closings: list[tuple[int, int, dt.date]], through: dt.date
) -> None:
    closed = ClosedDays([(no, tier, "day", day) for no, tier, day in closings], STAYS)
    assert closed.booking_through(NOW) == through
    # Facts that know of no move yet, or of one more, change nothing.
    assert closed.booking_through(SAVINGS) == through


def test_late_work_for_a_month_of_the_old_branch_counts_on_the_first_open_day() -> None:
    closed = ClosedDays([(1001, 2, "month", OCTOBER)], STAYS)
    day = dt.date(2022, 10, 14)
    assert closed.value_day(NOW, day, TODAY, policies()) == (dt.date(2022, 11, 1), day)


# --- customers, wherever they are served -----------------------------------------------------

ELSEWHERE = OutletFacts(1005, "B02S01", "储蓄所", 3, 1002, True)
NOVEMBER = dt.date(2022, 11, 1)


@pytest.mark.parametrize(
    ("closings", "homes", "expected"),
    [
        ([(1001, 2, OCTOBER)], [(FOUNDED, SAVINGS)], NOVEMBER),
        ([(1001, 2, OCTOBER)], [(FOUNDED, ELSEWHERE)], None),
        ([(1001, 2, OCTOBER)], [], None),
        ([(1002, 2, OCTOBER)], [(FOUNDED, SAVINGS)], NOVEMBER),  # where it is served
        ([(1003, 3, OCTOBER)], [(FOUNDED, SAVINGS)], NOVEMBER),
        # Who moved away was there on the last day of the month; who came since was not.
        ([(1001, 2, OCTOBER)], [(FOUNDED, SAVINGS), (MOVED, ELSEWHERE)], NOVEMBER),
        ([(1001, 2, OCTOBER)], [(FOUNDED, ELSEWHERE), (MOVED, SAVINGS)], None),
        ([(1001, 2, OCTOBER)], [(MOVED, SAVINGS)], None),  # registered late: nowhere then
        ([(1001, 2, SINCE_THEN)], [(FOUNDED, SAVINGS), (MOVED, ELSEWHERE)], MOVED),
        ([(1001, 2, OCTOBER), (1002, 2, FOUNDED)], [(FOUNDED, SAVINGS)], NOVEMBER),
        ([(1001, 2, FOUNDED), (1002, 2, OCTOBER)], [(FOUNDED, SAVINGS)], NOVEMBER),
    ],
)
def test_work_counts_where_neither_who_serves_nor_who_keeps_the_account_has_closed(
    closings: list[tuple[int, int, dt.date]],
    homes: list[tuple[dt.date, OutletFacts]],
    expected: dt.date | None,
) -> None:
    closed = ClosedDays((no, tier, "month", day) for no, tier, day in closings)
    day = dt.date(2022, 10, 14)
    found = closed.value_day(ELSEWHERE, day, TODAY, policies(), homes_of(homes))
    assert found == ((expected, day) if expected else (day, None))


def test_the_refusal_names_the_outlet_that_has_closed_more() -> None:
    closed = ClosedDays([(1001, 2, "month", OCTOBER), (1002, 2, "month", FOUNDED)])
    homes = homes_of([(FOUNDED, SAVINGS)])
    with pytest.raises(PeriodClosed) as caught:
        closed.value_day(ELSEWHERE, FOUNDED, TODAY, policies("refuse"), homes)
    assert caught.value.facts == {"outlet": "B01S01", "day": FOUNDED, "through": OCTOBER}


def test_of_two_that_have_closed_as_much_the_refusal_names_the_outlet_that_serves() -> None:
    closed = ClosedDays([(1001, 2, "month", OCTOBER), (1002, 2, "month", OCTOBER)])
    homes = homes_of([(FOUNDED, SAVINGS)])
    with pytest.raises(PeriodClosed) as caught:
        closed.value_day(ELSEWHERE, FOUNDED, TODAY, policies("refuse"), homes)
    assert caught.value.facts == {"outlet": ELSEWHERE.code, "day": FOUNDED, "through": OCTOBER}


def test_a_day_closed_at_home_is_closed_for_its_customers() -> None:
    closed = ClosedDays([(1001, 2, "day", OCTOBER)])
    homes = homes_of([(FOUNDED, SAVINGS), (MOVED, ELSEWHERE)])
    assert closed.closed_home(homes, OCTOBER) == homes[0]
    with pytest.raises(DayClosed) as caught:
        closed.require_open_homes(homes, OCTOBER)
    assert caught.value.facts == {"outlet": "B01S01", "day": OCTOBER}
    assert closed.closed_home(homes, NOVEMBER) is None
    closed.require_open_homes(homes, NOVEMBER)
    assert closed.closed_home(homes[1:], OCTOBER) is None


@pytest.mark.parametrize(
    ("closings", "expected"),
    [
        ([], False),
        ([(1000, 1, "month", OCTOBER)], False),
        ([(1001, 2, "month", OCTOBER)], True),
        ([(1003, 3, "day", OCTOBER)], True),
        ([(1000, 1, "month", OCTOBER), (1001, 2, "month", OCTOBER)], False),
        ([(1000, 1, "day", OCTOBER), (1001, 2, "month", OCTOBER)], True),
        ([(1000, 1, "day", FOUNDED), (1001, 2, "day", OCTOBER)], True),
    ],
)
def test_homes_matter_where_a_branch_has_closed_more_than_the_bank(
    closings: list[tuple[int, int, str, dt.date]], expected: bool
) -> None:
    assert ClosedDays(closings).is_by_branch is expected


def test_of_two_homes_on_a_day_the_newest_counts_and_before_the_first_there_is_none() -> None:
    assert homes_of([]) == ()
    assert homes_of([(FOUNDED, SAVINGS), (MOVED, ELSEWHERE)]) == (
        Home(SAVINGS, FOUNDED, dt.date(2022, 11, 1)), Home(ELSEWHERE, MOVED),
    )  # fmt: skip
    # A clock that was behind: the older stay has no day from then on.
    first, second = homes_of([(MOVED, SAVINGS), (OCTOBER, ELSEWHERE)])
    assert (first.last_on, second.first_on) == (OCTOBER - dt.timedelta(days=1), OCTOBER)
    assert first.closed_through(SINCE_THEN) == EARLIEST
    assert second.closed_through(SINCE_THEN) == SINCE_THEN
    assert second.closed_through(OCTOBER) == OCTOBER  # its first day
    assert second.closed_through(OCTOBER - dt.timedelta(days=1)) == EARLIEST


# --- all of it, in any order -----------------------------------------------------------------

DAYS = st.integers(0, 30).map(lambda n: EARLIEST + dt.timedelta(days=n))


@given(
    stays=st.lists(st.tuples(DAYS, st.sampled_from([SAVINGS, ELSEWHERE])), max_size=4),
    months=st.dictionaries(st.sampled_from([1001, 1002]), DAYS),
    day=DAYS,
)
def test_no_figure_of_a_closed_period_shows_what_is_judged_open(
    stays: list[tuple[dt.date, OutletFacts]], months: dict[int, dt.date], day: dt.date
) -> None:
    """A period of a branch ends on its closed day: who was its customer then is in its figures."""
    closed = ClosedDays((no, 2, "month", last_on) for no, last_on in months.items())
    place = OutletFacts(1006, "B03", "分行", 2, 1000, True)
    value_on, origin_on = closed.value_day(place, day, TODAY, policies(), homes_of(stays))
    assert (origin_on is None) == (value_on == day)
    for branch_no, last_on in months.items():
        had_begun = [outlet for since_on, outlet in stays if since_on <= last_on]
        if had_begun and had_begun[-1].parent_no == branch_no:
            assert value_on > last_on


@given(
    moves=st.lists(st.tuples(DAYS, st.sampled_from([1001, 1002])), max_size=5),
    days=st.dictionaries(st.sampled_from([EVERYWHERE, 1001, 1002, 1003]), DAYS),
)
def test_a_day_is_closed_where_it_or_a_later_one_was_closed_by_the_parent_of_then(
    moves: list[tuple[dt.date, int]], days: dict[int, dt.date]
) -> None:
    moves = [(EARLIEST, 1001), *sorted(moves, key=lambda move: move[0])]
    stays = stays_of((1003, parent, since) for since, parent in moves)[1003]

    def is_closed(day: dt.date) -> bool:
        parent = [parent for since, parent in moves if since <= day][-1]
        return any(days.get(place, EARLIEST) >= day for place in (1003, parent, EVERYWHERE))

    every_day = (EARLIEST + dt.timedelta(days=n) for n in range(31))
    assert closed_through(days, 1003, stays) == max(filter(is_closed, every_day))


# --- what may be closed next ---------------------------------------------------------------

DONE = Reached(OCTOBER, OCTOBER)


UNFINISHED = ClosingUnfinished(outlet="H", kind="day", through=OCTOBER)
CLOSED_ALREADY = PeriodAlreadyClosed(outlet="H", kind="day", through=OCTOBER)


def not_over(period: str) -> PeriodNotOver:
    return PeriodNotOver(period=period, today=TODAY)


def shorter_open(kind: str, period: str, through: dt.date) -> ShorterPeriodOpen:
    return ShorterPeriodOpen(outlet="H", kind=kind, period=period, through=through)


@pytest.mark.parametrize(
    ("label", "reached", "refusal"),
    [
        ("2022-11-05", {}, not_over("2022-11-05")),
        ("2022-11", {}, not_over("2022-11")),
        (
            "2022-09-09",
            {},
            InvalidValue.of("period", "2022-09-09", "the bank was founded on 2022-09-10"),
        ),
        ("2022-10-31", {"day": DONE}, CLOSED_ALREADY),
        ("2022-10-30", {"day": DONE}, CLOSED_ALREADY),
        ("2022-11-01", {"day": Reached(OCTOBER, FOUNDED, OCTOBER)}, UNFINISHED),
        ("2022-10-31", {"day": Reached(OCTOBER, FOUNDED, OCTOBER)}, UNFINISHED),
        ("2022-10", {}, shorter_open("day", "2022-10", OCTOBER)),
        (
            "2022-10",
            {"day": Reached(OCTOBER, dt.date(2022, 10, 30))},
            shorter_open("day", "2022-10", OCTOBER),
        ),
        ("2022Q3", {"day": DONE}, shorter_open("month", "2022Q3", dt.date(2022, 9, 30))),
        ("2022-11-05", {"day": Reached(OCTOBER, FOUNDED, OCTOBER)}, not_over("2022-11-05")),
    ],
)
def test_refusals_in_their_order(
    label: str, reached: dict[str, Reached], refusal: GongyiBankError
) -> None:
    with pytest.raises(GongyiBankError) as caught:
        decide_first_day(HEAD, Period.parse(label), reached, today=TODAY, founded_on=FOUNDED)
    assert caught.value == refusal


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
