"""到期: dates of points, policies that come later, and two models that keep lots."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gongyi_bank.policies import PointsExpiry
from gongyi_bank.rules.expiry import (
    ExpiryTerms,
    Introduction,
    Lot,
    earliest_after,
    introductions_of,
    note_introduction,
    schedule,
    terms_of,
)
from gongyi_bank.rules.ledger import Head
from gongyi_bank.rules.reversals import dead_among
from gongyi_bank.values import NEVER
from tests.rules.lots import ACCOUNT, ExactLots, NaiveLots, NumberedBook, OneLot, book_of

NONE = PointsExpiry()
JAN, FEB, MAR, JUN = (dt.date(2023, month, 1) for month in (1, 2, 3, 6))


def months(length: int) -> PointsExpiry:
    return PointsExpiry(mode="months", length=length)


def years(length: int) -> PointsExpiry:
    return PointsExpiry(mode="calendar_years", length=length)


# --- dates ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "booked_on", "last_on"),
    [
        (months(1), (2023, 1, 31), (2023, 2, 28)),
        (months(1), (2024, 1, 31), (2024, 2, 29)),
        (months(1), (2023, 2, 28), (2023, 3, 28)),
        (months(12), (2024, 2, 29), (2025, 2, 28)),
        (months(48), (2024, 2, 29), (2028, 2, 29)),
        (months(0), (2024, 2, 29), (2024, 2, 29)),
        (years(0), (2024, 12, 31), (2024, 12, 31)),
        (years(1), (2024, 1, 1), (2025, 12, 31)),
        (NONE, (2024, 2, 29), (9999, 12, 31)),
    ],
)
def test_the_last_day_at_the_ends_of_months_and_years(
    policy: PointsExpiry, booked_on: tuple[int, int, int], last_on: tuple[int, int, int]
) -> None:
    assert policy.expires_on(dt.date(*booked_on)) == dt.date(*last_on)


BOOKED = st.dates(dt.date(1990, 1, 1), dt.date(2200, 12, 31))


@given(
    BOOKED, BOOKED, st.integers(0, 600).flatmap(lambda n: st.sampled_from([months(n), years(n)]))
)
@example(dt.date(2024, 2, 29), dt.date(2024, 3, 1), months(12))
@example(dt.date(2023, 1, 28), dt.date(2023, 1, 31), months(1))
def test_what_is_booked_later_never_ends_earlier_and_nothing_before_it_is_booked(
    one: dt.date, other: dt.date, policy: PointsExpiry
) -> None:
    first, second = sorted((one, other))
    assert first <= policy.expires_on(first) <= policy.expires_on(second)


# --- introductions ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "introductions"),
    [
        ([], []),
        ([(JAN, NONE)], []),
        ([(JAN, months(2))], [(JAN, NEVER, MAR)]),
        ([(JAN, years(1))], [(JAN, NEVER, dt.date(2024, 12, 31))]),
        # A change of the length is no introduction: whoever had a date keeps it.
        ([(JAN, months(2)), (FEB, months(1))], [(JAN, NEVER, MAR)]),
        ([(JAN, months(2)), (FEB, NONE)], [(JAN, FEB, MAR)]),
        ([(JAN, months(2)), (FEB, NONE), (MAR, months(3))], [(JAN, FEB, MAR), (MAR, NEVER, JUN)]),
        # What the first promised stands, though the second is shorter.
        ([(JAN, months(5)), (FEB, NONE), (MAR, months(1))], [(JAN, FEB, JUN), (MAR, NEVER, JUN)]),
        ([(JAN, months(2)), (FEB, NONE), (MAR, NONE)], [(JAN, FEB, MAR)]),
    ],
)
def test_which_policies_introduce_expiry(
    history: list[tuple[dt.date, PointsExpiry]],
    introductions: list[tuple[dt.date, dt.date, dt.date]],
) -> None:
    found = introductions_of(book_of(history))
    assert found == tuple(Introduction(*made) for made in introductions)


TWICE = book_of([(JAN, months(2)), (FEB, NONE), (MAR, months(3))])


@pytest.mark.parametrize(
    ("booked_on", "last_day"),
    [
        (dt.date(2022, 12, 31), MAR),
        # The morning before the policy was adopted, from the same day on.
        (JAN, MAR),
        (dt.date(2023, 1, 31), MAR),
        (FEB, JUN),
        (dt.date(2023, 2, 28), JUN),
    ],
)
def test_points_without_a_date_get_that_of_the_next_introduction(
    booked_on: dt.date, last_day: dt.date
) -> None:
    terms = terms_of(TWICE, FEB)
    assert terms.last_day(NEVER, booked_on) == last_day
    assert terms.last_day(JAN, booked_on) == JAN


def test_without_a_later_introduction_they_have_none() -> None:
    ended = terms_of(book_of([(JAN, months(2)), (FEB, NONE)]), JUN)
    assert ended.last_day(NEVER, FEB) == NEVER
    assert ended.last_day(NEVER, dt.date(2023, 1, 31)) == MAR


@pytest.mark.parametrize(
    ("today", "unlimited_from"),
    [
        (dt.date(2022, 12, 31), dt.date.min),
        (JAN, dt.date.min),
        (FEB, dt.date.min),
        (MAR, dt.date.min),
        (dt.date(2023, 3, 2), FEB),
        (JUN, FEB),
        (dt.date(2023, 6, 2), NEVER),
    ],
)
def test_which_points_without_a_date_live(today: dt.date, unlimited_from: dt.date) -> None:
    assert terms_of(TWICE, today).unlimited_from == unlimited_from


@pytest.mark.parametrize(
    ("booked_on", "today", "earliest_on"),
    [
        (dt.date(2022, 12, 30), dt.date(2022, 12, 31), NEVER),  # nothing has begun
        (dt.date(2022, 12, 30), JAN, MAR),
        (JAN, JAN, MAR),  # booked before it was adopted, on its first day
        (dt.date(2023, 1, 31), FEB, MAR),  # ended: what it promised stands
        (FEB, FEB, NEVER),  # younger than the first, and the second has not begun
        (dt.date(2022, 12, 30), MAR, MAR),  # the first, however late it is asked
        (FEB, MAR, JUN),
        (FEB, JUN, JUN),
    ],
)
def test_no_credit_dies_before_points_without_a_date(
    booked_on: dt.date, today: dt.date, earliest_on: dt.date
) -> None:
    assert earliest_after(booked_on, today, introductions_of(TWICE)) == earliest_on


@pytest.mark.parametrize(
    ("today", "booked_on", "look_on"),
    [
        # In force: whatever has no date yet is looked at, at the first date it can have.
        (JAN, JAN, MAR),
        (JUN, FEB, MAR),
        # Ended: only if the account has not been posted to since the date passed.
        (FEB, JAN, NEVER),
    ],
)
def test_when_an_account_without_dates_is_looked_at(
    today: dt.date, booked_on: dt.date, look_on: dt.date
) -> None:
    assert terms_of(TWICE, today).look_on(booked_on) == look_on


@pytest.mark.parametrize(
    ("booked_on", "look_on"), [(MAR, MAR), (dt.date(2023, 3, 2), NEVER), (JAN, MAR)]
)
def test_where_expiry_has_ended_an_account_is_looked_at_once(
    booked_on: dt.date, look_on: dt.date
) -> None:
    ended = book_of([(JAN, months(2)), (FEB, NONE)])
    assert terms_of(ended, JUN).look_on(booked_on) == look_on


def test_a_head_is_given_the_date_of_the_introduction_and_no_later_credit_dies_before_it() -> None:
    book = NumberedBook()
    book.credit(10)
    book.adopted.append((book.today, months(2)))
    book.bring_up()
    good_until = dt.date(2022, 3, 1)
    assert (book.head.next_expiry_on, book.head.last_expires_on) == (good_until, good_until)
    book.credit(5, book.today)
    assert book.dates() == {good_until: 15}


def test_a_schedule_leaves_out_what_is_spent_or_held_and_never_falls() -> None:
    lots = [Lot(0, 10, JUN, JAN), Lot(10, 30, FEB, JAN), Lot(30, 35, NEVER, JUN)]
    assert schedule(lots, ExpiryTerms(JAN, NEVER), 5) == {JUN: 25, NEVER: 5}
    assert schedule(lots, ExpiryTerms(JAN, NEVER), 12) == {JUN: 18, NEVER: 5}
    assert schedule(lots, ExpiryTerms(JAN, NEVER), 35) == {}


# --- properties: the numbers against lots --------------------------------------------------

POLICIES = st.one_of(
    st.just(NONE),
    st.integers(0, 3).map(months),
    st.integers(0, 1).map(years),
)
AMOUNTS = st.integers(1, 30)
STEPS = st.one_of(
    st.tuples(st.just("credit"), AMOUNTS),
    st.tuples(st.sampled_from(["debit", "hold", "release", "capture"]), AMOUNTS),
    st.tuples(st.just("days"), st.integers(1, 50)),
    st.tuples(st.just("adopt"), st.tuples(st.integers(0, 40), POLICIES)),
)


def adopt(book: NumberedBook, naive: NaiveLots, what: tuple[int, PointsExpiry]) -> None:
    """A policy from today on or later; a newer one begins after all that were adopted."""
    days, policy = what
    effective_on = book.today + dt.timedelta(days=days)
    if all(effective_on > other for other, _ in book.adopted):
        book.adopted.append((effective_on, policy))
        naive.wake(book.policies)


def do(book: NumberedBook, naive: NaiveLots, what: str, amount: int) -> None:
    """The same act in both, as far as there are points for it."""
    room = {"debit": naive.available, "hold": naive.available}.get(what, naive.held)
    amount = amount if what == "credit" else min(amount, room)
    if amount:
        getattr(book, what)(amount)
        getattr(naive, what)(amount)


@given(st.lists(STEPS, max_size=30))
@example([("credit", 10), ("adopt", (0, months(1))), ("days", 20), ("credit", 5), ("days", 20)])
@example([
    ("credit", 9), ("adopt", (0, months(3))), ("days", 1), ("credit", 8), ("adopt", (1, NONE)),
    ("days", 5), ("credit", 7), ("adopt", (1, months(1))), ("days", 40), ("credit", 6),
    ("days", 50), ("debit", 4),
])  # fmt: skip
def test_the_numbers_are_equal_to_lots_that_are_walked_over_every_day(
    steps: list[tuple[str, int | tuple[int, PointsExpiry]]],
) -> None:
    book, naive = NumberedBook(), NaiveLots()
    for what, how in steps:
        if what == "days":
            assert isinstance(how, int)
            book.today += dt.timedelta(days=how)
            naive.pass_days(how, book.policies)
        elif what == "adopt":
            assert isinstance(how, tuple)
            adopt(book, naive, how)
        else:
            assert isinstance(how, int)
            do(book, naive, what, how)
        book.bring_up()
        head = book.head
        assert (head.balance, head.held) == (naive.balance, naive.held)
        assert (head.available, head.expirable) == (naive.available, naive.expirable)
        assert book.expired == naive.expired
    assert book.dates() == _announced(book, naive)


def _announced(book: NumberedBook, naive: NaiveLots) -> dict[dt.date, int]:
    """What the model says once the policies that are adopted for later have begun.

    A date that is announced already is shown before its policy is in force.
    """
    coming = [day for day, _ in book.adopted if day > naive.today]
    later = NaiveLots(
        naive.today, naive.policy, [OneLot(lot.left, lot.until) for lot in naive.lots],
        naive.held, naive.introduced,
    )  # fmt: skip
    passing = later.held + later.expirable
    for day in coming:
        later.today = day
        later.wake(book.policies)
    found: dict[dt.date, int] = {}
    for lot in later.lots:
        free = max(0, lot.left - passing)
        passing -= lot.left - free
        if free:
            found[lot.until] = found.get(lot.until, 0) + free
    return found


# --- properties: against particular lots ------------------------------------------------------

DATES = [dt.date(2022, 1, 1) + dt.timedelta(days=days) for days in (5, 10, 20, 40)]
CHOICE = st.integers(0, 5)
EXACT_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("credit"), AMOUNTS, st.integers(0, 3)),
        st.tuples(st.sampled_from(["debit", "hold"]), AMOUNTS, st.just(0)),
        # With an amount, a part of the hold or of the debit.
        st.tuples(st.sampled_from(["capture", "refund"]), st.one_of(st.just(0), AMOUNTS), CHOICE),
        st.tuples(st.just("release"), st.just(0), CHOICE),
        st.tuples(st.just("days"), st.integers(1, 12), st.just(0)),
    ),
    max_size=30,
)
Taken = list[tuple[OneLot, int]]


@dataclass
class Put:
    """A hold or a debit in both models: the number below what it cites, its amount, its lots."""

    cites_from: int
    amount: int
    lots: Taken

    def cut(self, wanted: int) -> Put:
        """A part of it, from its first point on; 0 is all that is left."""
        amount = min(wanted or self.amount, self.amount)
        part, left = Put(self.cites_from, amount, []), amount
        while left:
            lot, of_lot = self.lots.pop(0)
            part.lots.append((lot, min(of_lot, left)))
            if of_lot > left:
                self.lots.insert(0, (lot, of_lot - left))
            left -= min(of_lot, left)
        self.cites_from += amount
        self.amount -= amount
        return part


class Pair:
    """An account by its numbers beside one by particular lots; debits as the lots allow them."""

    def __init__(self, account_no: int = ACCOUNT, *, is_cited: bool = False) -> None:
        #: Whether a refund is good as long as the points that it returns, or good anew.
        self.is_cited = is_cited
        self.book, self.exact = NumberedBook(account_no), ExactLots()
        self.holds: list[Put] = []
        self.debits: list[Put] = []
        self.differs: Counter[str] = Counter()

    def step(self, what: str, amount: int, choice: int) -> None:
        """One act in both; what cannot be is left out."""
        self.book.bring_up()
        if what == "days":
            self.book.today += dt.timedelta(days=amount)
            self.exact.today = self.book.today
        elif what == "credit":
            self.credit(amount, max(self.book.today, DATES[choice]))
        elif what in ("debit", "hold"):
            amount = min(amount, self.room)
            if amount:
                self.put(what, amount)
        elif what in ("release", "capture") and self.holds:
            self.settle(what, amount, choice % len(self.holds))
        elif what == "refund" and self.debits:
            self.refund(amount, choice % len(self.debits))
        self.check(what)

    @property
    def room(self) -> int:
        """What may be spent in both."""
        self.book.bring_up()
        return min(self.book.head.available, self.exact.available)

    def put(self, what: str, amount: int) -> None:
        """Take points, or put them aside; both cite what lies behind all that is held."""
        made = self.book.debit(amount) if what == "debit" else self.book.hold(amount)
        kept = self.debits if what == "debit" else self.holds
        kept.append(Put(made, amount, getattr(self.exact, what)(amount)))

    def settle(self, what: str, amount: int, place: int) -> None:
        """Release a hold, or capture it or a part of it."""
        part = self.holds[place].cut(amount)
        if not self.holds[place].amount:
            del self.holds[place]
        getattr(self.book, what)(part.amount)
        getattr(self.exact, what)(part.lots)
        if what == "capture":
            self.debits.append(part)

    def refund(self, amount: int, place: int) -> None:
        """To the lots themselves; by number, what it cites and is dead by now does not return."""
        part = self.debits[place].cut(amount)
        if not self.debits[place].amount:
            del self.debits[place]
        self.exact.refund(part.lots)
        head, until = self.book.head, self.book.today + dt.timedelta(days=60)
        back = part.amount
        if self.is_cited:
            back -= dead_among(part.cites_from, back, head.dead_no)
            until = head.last_expires_on
        if back:
            self.book.credit(back, until)

    def credit(self, amount: int, until: dt.date) -> None:
        """The same date in both: no point dies before an older one."""
        until = max(until, self.book.head.last_expires_on)
        self.book.credit(amount, until)
        self.exact.credit(amount, until)

    def check(self, what: str) -> None:
        """Never less than by particular lots; where it is more is counted."""
        self.book.bring_up()
        head = self.book.head
        assert head.held == self.exact.held
        assert head.available >= self.exact.available
        if head.available > self.exact.available:
            self.differs[what] += 1


@pytest.mark.parametrize("is_cited", [False, True], ids=["fresh", "cited"])
@given(steps=EXACT_STEPS)
def test_neither_holds_nor_refunds_ever_take_from_the_customer(
    is_cited: bool, steps: list[tuple[str, int, int]]
) -> None:
    pair = Pair(is_cited=is_cited)
    for step in steps:
        pair.step(*step)
    if not {"hold", "refund"} & {what for what, *_ in steps}:
        assert not pair.differs


BESIDE_A_HOLD = [
    ("credit", 10, 0), ("credit", 10, 1), ("hold", 10, 0), ("debit", 10, 0), ("days", 6, 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("end", "exact", "by_number"),
    [
        # The younger points were taken; those of the hold are dead, and its capture cites them.
        ([("refund", 0, 0)], 10, 10),
        ([("capture", 0, 0), ("refund", 0, 0)], 10, 10),
        ([("capture", 0, 0), ("refund", 0, 1)], 0, 0),
        ([("capture", 0, 0), ("refund", 0, 0), ("refund", 0, 0)], 10, 10),
        # By number the released ones are the younger: what is dead of the lots still lives.
        ([("release", 0, 0)], 0, 10),
        ([("release", 0, 0), ("refund", 0, 0)], 10, 20),
    ],
)
def test_what_comes_back_of_a_debit_beside_a_hold_after_the_older_points_died(
    end: list[tuple[str, int, int]], exact: int, by_number: int
) -> None:
    pair = Pair(is_cited=True)
    for step in [*BESIDE_A_HOLD, *end]:
        pair.step(*step)
    assert (pair.exact.available, pair.book.head.available) == (exact, by_number)


def test_where_the_two_differ() -> None:
    """While points are held, a debit takes older ones by number than by particular lots."""
    pair = Pair()
    story = [
        ("credit", 10, 0), ("credit", 10, 1), ("hold", 10, 0), ("debit", 10, 0), ("days", 6, 0),
        ("release", 0, 0), ("refund", 0, 0), ("days", 5, 0),
    ]  # fmt: skip
    for step in story:
        pair.step(*step)
    # The released points were those of the first lot, which is past its date by now; by number
    # the debit took these. A refund that is good anew outlives the lot it came from.
    assert pair.differs == {"release": 1, "refund": 1, "days": 1}


@pytest.mark.parametrize(
    ("booked_on", "look_on", "last_on"), [(JAN, MAR, MAR), (MAR, MAR, NEVER), (JUN, NEVER, NEVER)]
)
def test_an_account_that_slept_since_expiry_ended_is_looked_at_and_one_that_woke_is_not(
    booked_on: dt.date, look_on: dt.date, last_on: dt.date
) -> None:
    head = Head(1, credited=5, next_expiry_line_no=1, last_expires_on=NEVER)
    note_introduction(head, ExpiryTerms(JUN, NEVER, (Introduction(JAN, FEB, MAR),)), booked_on)
    assert (head.next_expiry_on, head.last_expires_on) == (look_on, last_on)
