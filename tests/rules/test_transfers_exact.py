"""Gifts between two accounts, by numbers and by lots: who has how much, and until when.

`tests/rules/lots.py` has the models; `test_expiry.py` compares one account with them.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.policies import PointsExpiry
from tests.rules.lots import ACCOUNT, OTHER, NaiveLots, NumberedBook
from tests.rules.test_expiry import AMOUNTS, CHOICE, POLICIES, Pair, adopt, do

WHO = st.integers(0, 1)
DAY = dt.timedelta(days=1)

# --- the rules of design.md, lot by lot ------------------------------------------------------

NaiveStep = tuple[str, int, int]
NAIVE_STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["credit", "debit", "hold", "release", "capture", "gift"]), AMOUNTS, WHO
        ),
        st.tuples(st.just("days"), st.integers(1, 50), st.just(0)),
    ),
    min_size=8,
    max_size=20,
)


@given(first=POLICIES, later=st.tuples(st.integers(1, 60), POLICIES), steps=NAIVE_STEPS)
def test_two_accounts_are_equal_to_lots_that_are_walked_over_every_day(
    first: PointsExpiry, later: tuple[int, PointsExpiry], steps: list[NaiveStep]
) -> None:
    books, naives = (NumberedBook(), NumberedBook(OTHER)), (NaiveLots(), NaiveLots())
    for book, naive in zip(books, naives, strict=True):
        adopt(book, naive, (0, first))
        adopt(book, naive, later)
    for what, amount, who in steps:
        if what == "days":
            for book, naive in zip(books, naives, strict=True):
                book.today += amount * DAY
                naive.pass_days(amount, book.policies)
        elif what == "gift":
            part = min(amount, naives[who].available)
            if part:
                books[who].gift(books[1 - who], part)
                naives[who].gift(naives[1 - who], part)
        else:
            do(books[who], naives[who], what, amount)
        for book, naive in zip(books, naives, strict=True):
            book.bring_up()
            head = book.head
            assert (head.balance, head.held) == (naive.balance, naive.held)
            assert (head.available, head.expirable) == (naive.available, naive.expirable)
            assert book.expired == naive.expired


# --- particular lots ---------------------------------------------------------------------------

ExactStep = tuple[str, int, int, int]
EXACT_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("credit"), AMOUNTS, st.integers(0, 3), WHO),
        st.tuples(st.sampled_from(["hold", "gift"]), AMOUNTS, st.just(0), WHO),
        st.tuples(st.sampled_from(["debit", "hold", "gift"]), AMOUNTS, st.just(0), WHO),
        st.tuples(
            st.sampled_from(["capture", "refund"]), st.one_of(st.just(0), AMOUNTS), CHOICE, WHO
        ),
        st.tuples(st.just("release"), st.just(0), CHOICE, WHO),
        st.tuples(st.just("days"), st.integers(1, 12), st.just(0), st.just(0)),
    ),
    min_size=10,
    max_size=30,
)
#: Points of two dates for somebody who has something to give; the other's are old, since what
#: arrives dies no earlier than what was there.
BEGIN_WITH = [("credit", 20, 0, 0), ("credit", 20, 3, 0), ("credit", 5, 0, 1)]


class OneOfTwo(Pair):
    """One of two accounts: what is compared is what both have together."""

    def check(self, what: str) -> None:
        """Holds are the same in both models, whatever was given."""
        self.book.bring_up()
        assert self.book.head.held == self.exact.held


def living(accounts: list[dict[dt.date, int]], day: dt.date) -> int:
    """What all of them can still spend on that day, if nothing is spent before."""
    return sum(n for dates in accounts for until, n in dates.items() if until >= day)


class Two:
    """Two accounts by their numbers beside two by particular lots."""

    def __init__(self, *, is_cited: bool = True) -> None:
        self.pairs = [OneOfTwo(number, is_cited=is_cited) for number in (ACCOUNT, OTHER)]
        self.differs: Counter[str] = Counter()

    def step(self, what: str, amount: int, choice: int, who: int) -> None:
        """One act in both models; what cannot be in both is left out."""
        if what == "gift":
            self.gift(self.pairs[who], self.pairs[1 - who], amount)
        for pair in self.pairs if what == "days" else [self.pairs[who]]:
            pair.step(what, amount, choice)
        self.check(what)

    def check(self, what: str) -> None:
        """Until no day less than by particular lots; where an account's dates differ is counted."""
        by_number = [pair.book.dates() for pair in self.pairs]
        exact = [pair.exact.dates() for pair in self.pairs]
        for day in {day for dates in exact for day in dates}:
            assert living(by_number, day) >= living(exact, day)
        if by_number != exact:
            self.differs[what] += 1

    @staticmethod
    def gift(giver: Pair, receiver: Pair, wanted: int) -> None:
        """As much as both giver's models can give."""
        amount = min(wanted, giver.room)
        if amount:
            giver.book.gift(receiver.book, amount)
            giver.exact.gift(receiver.exact, amount)

    def available(self) -> tuple[list[int], list[int]]:
        """What each of the two may spend, by number and by particular lots."""
        for pair in self.pairs:
            pair.book.bring_up()
        by_number = [pair.book.head.available for pair in self.pairs]
        return by_number, [pair.exact.available for pair in self.pairs]


@pytest.mark.parametrize("is_cited", [False, True], ids=["fresh", "cited"])
@given(steps=EXACT_STEPS)
def test_giver_and_receiver_never_have_less_than_by_particular_lots(
    is_cited: bool, steps: list[ExactStep]
) -> None:
    """Until no day, and each exactly as much unless a hold was released or goods came back."""
    two = Two(is_cited=is_cited)
    for step in [*BEGIN_WITH, *steps]:
        two.step(*step)
    if not {"release", "refund"} & {what for what, *_ in steps}:
        assert not two.differs


BESIDE_A_HOLD = [("credit", 10, 0, 0), ("credit", 10, 1, 0), ("hold", 10, 0, 0), ("gift", 10, 0, 0)]
AFTER_THE_OLD = ("days", 6, 0, 0)
AFTER_THE_YOUNG = ("days", 5, 0, 0)


@pytest.mark.parametrize(
    ("end", "by_number", "exact"),
    [
        # What was free was given: it lives on, and the hold keeps the old points.
        ([AFTER_THE_OLD], [0, 10], [0, 10]),
        ([AFTER_THE_OLD, ("capture", 0, 0, 0)], [0, 10], [0, 10]),
        ([("release", 0, 0, 0)], [10, 10], [10, 10]),
        ([AFTER_THE_OLD, AFTER_THE_YOUNG], [0, 0], [0, 0]),
        # Here the giver has more: by number the gift took the old points, and the released ones
        # are the younger.
        ([("release", 0, 0, 0), AFTER_THE_OLD], [10, 10], [0, 10]),
        ([AFTER_THE_OLD, ("release", 0, 0, 0)], [10, 10], [0, 10]),
        # They are never good for longer than the youngest of the giver's.
        ([("release", 0, 0, 0), AFTER_THE_OLD, AFTER_THE_YOUNG], [0, 0], [0, 0]),
    ],
)
def test_what_becomes_of_a_gift_beside_a_hold(
    end: list[ExactStep], by_number: list[int], exact: list[int]
) -> None:
    two = Two()
    for step in [*BESIDE_A_HOLD, *end]:
        two.step(*step)
    assert two.available() == (by_number, exact)


def test_what_a_released_hold_has_left_the_giver_is_given_before_younger_points() -> None:
    """Where the shop's old points have died, the numbers give older ones on than the shop does.

    The receiver's die earlier then, and as many stay with the giver.
    """
    two = Two()
    story = [
        ("credit", 10, 0, 0), ("credit", 10, 1, 0), ("credit", 10, 2, 0), ("hold", 10, 0, 0),
        ("debit", 10, 0, 0), AFTER_THE_OLD, ("release", 0, 0, 0), ("gift", 10, 0, 0),
    ]  # fmt: skip
    for step in story:
        two.step(*step)
    assert two.available() == ([10, 10], [0, 10])
    two.step(*AFTER_THE_YOUNG)
    assert two.available() == ([10, 0], [0, 10])
