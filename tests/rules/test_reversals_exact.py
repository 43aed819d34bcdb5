"""冲正 beside a model that keeps particular lots: what expired is never taken from the customer."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.rules.past import Past
from tests.rules.lots import ExactLots
from tests.rules.test_reversals import ANNA, Book

CREDITS = st.tuples(st.just("credit"), st.integers(1, 4), st.integers(0, 9))
DEBITS = st.tuples(st.just("debit"), st.integers(1, 6), st.just(0))
DAYS = st.tuples(st.just("pass"), st.integers(1, 6), st.just(0))
REVERSALS = st.tuples(st.just("reverse"), st.integers(0, 9), st.just(0))
REFUNDS = st.tuples(st.just("refund"), st.integers(0, 9), st.integers(0, 4))
Step = tuple[str, int, int]


class Beside:
    """One account by numbers and by lots, under the policy of debts."""

    def __init__(self, validity: str = "cited") -> None:
        self.book, self.exact = Book(spent="debt", validity=validity), ExactLots()
        self.credits: list[int] = []
        self.debits: list[int] = []
        self.reversed: set[int] = set()

    @property
    def worth(self) -> int:
        """What may be spent, or less than zero what is owed."""
        head = self.book.posting().heads[ANNA]
        return head.available - head.debt

    @property
    def worth_by_lots(self) -> int:
        return self.exact.available - self.exact.debt

    @property
    def spent(self) -> int:
        """What was spent and has not come back."""
        taken = sum(-self.book.lines[ANNA, line_no][3] for line_no in self.debits)
        return taken - sum(p.moved for p in self.book.parts if not p.line.is_credit)

    def step(self, what: str, amount: int, choice: int) -> None:
        """One act in both; what cannot be is left out."""
        if what == "credit":
            until = self.book.today + dt.timedelta(days=choice)
            self.credits.append(self.book.credit(amount, choice))
            self.exact.today = self.book.today
            newest = max([until, *(lot.until for lot in self.exact.lots)])
            self.exact.credit(amount, newest)
        elif what == "debit":
            amount = min(amount, max(0, self.worth), max(0, self.worth_by_lots))
            if amount:
                self.debits.append(self.book.debit(amount))
                self.exact.debit(amount)
        elif what == "pass":
            self.book.pass_days(amount)
            self.exact.today = self.book.today
        elif what == "reverse":
            left = [n for n in range(len(self.credits)) if n not in self.reversed]
            if left:
                number = left[amount % len(left)]
                self.reversed.add(number)
                self.book.reverse(self.credits[number])
                self.exact.reverse(self.exact.lots[number])
        else:
            self.refund(amount, choice)

    def refund(self, which: int, amount: int) -> None:
        """Only by numbers: by lots it would go back to its lots."""
        left = [n for n in self.debits if self.book.cited(n).left]
        if left:
            line_no = left[which % len(left)]
            self.book.reverse(line_no, min(amount, self.book.cited(line_no).left) or None)


@given(
    st.lists(st.one_of(CREDITS, CREDITS, DEBITS, DAYS), max_size=12),
    st.lists(st.one_of(CREDITS, DAYS, REVERSALS, REVERSALS), max_size=12),
)
def test_reversals_never_take_more_than_by_particular_lots(
    before: list[Step], after: list[Step]
) -> None:
    both = Beside()
    for step in before + after:
        both.step(*step)
        assert both.worth >= both.worth_by_lots


@given(
    st.lists(st.one_of(CREDITS, CREDITS, DEBITS, DAYS, REVERSALS, REFUNDS), max_size=20),
    st.sampled_from(["cited", "fresh"]),
)
def test_nobody_owes_more_than_was_spent_and_has_not_come_back(
    steps: list[Step], validity: str
) -> None:
    both = Beside(validity)
    for step in steps:
        both.step(*step)
        assert both.worth >= -both.spent


def test_where_a_single_reversal_takes_more_than_by_particular_lots() -> None:
    """After a younger line was reversed, older points live longer by their numbers.

    Who spends them then has spent the older line's, and the younger ones expire; by lots it is
    the other way round. Each line charges what was spent of it: all lines together agree.
    """
    both = Beside()
    story = [
        ("credit", 100, 5), ("credit", 100, 10), ("credit", 100, 20), ("reverse", 1, 0),
        ("pass", 6, 0),
    ]  # fmt: skip
    for step in story:
        both.step(*step)
    assert (both.worth, both.worth_by_lots) == (200, 100)
    both.step("debit", 100, 0)
    both.step("pass", 15, 0)
    both.step("reverse", 0, 0)
    assert (both.worth, both.worth_by_lots) == (-100, 0)
    both.step("reverse", 0, 0)
    assert (both.worth, both.worth_by_lots) == (-100, -100)


@pytest.mark.parametrize("spent", ["refuse", "debt"])
def test_what_expired_in_place_of_an_older_line_is_not_due_from_it(spent: str) -> None:
    book = Book(spent=spent)
    first, second = book.credit(100, 5), book.credit(100, 5)
    assert book.reverse(second)[0].moved == 100  # the numbers 1 to 100
    book.pass_days(6)
    (part,) = book.reverse(first)
    assert (part.moved, part.expired) == (0, 100)
    assert book.head() == (200, 200, 0)


def test_points_of_a_younger_line_do_not_pay_for_what_expired() -> None:
    book = Book(spent="debt")
    first, second, third = (book.credit(100, days) for days in (5, 6, 100))
    book.reverse(second)
    book.pass_days(7)
    assert book.reverse(first)[0].moved == 0
    assert book.heads[ANNA].balance == 100
    assert book.reverse(third)[0].moved == 100


def test_what_was_given_back_and_expired_is_not_owed() -> None:
    book = Book(spent="debt", validity="fresh")
    book.terms = type(book.terms)("debt", "fresh", book.today, book.terms.mark_of)
    line_no = book.credit(100, 0)
    book.reverse(book.debit(100))
    book.pass_days(1)
    assert book.reverse(line_no)[0].moved == 0
    assert book.heads[ANNA].debt == 0


def test_a_refund_of_dead_points_settles_what_is_owed_for_them() -> None:
    book = Book(spent="debt")
    line_no = book.credit(100, 5)
    taken = book.debit(60)
    book.reverse(line_no)
    assert book.heads[ANNA].debt == 60
    book.pass_days(6)
    (part,) = book.reverse(taken, 40)
    assert (part.moved, part.expired, book.heads[ANNA].debt) == (40, 0, 20)
    (part,) = book.reverse(taken)
    assert (part.moved, book.heads[ANNA].debt) == (20, 0)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=4),
    st.lists(st.tuples(st.integers(10, 40), st.integers(1, 9), st.integers(0, 9)), max_size=4),
    st.lists(st.integers(1, 9), max_size=4),
)
def test_what_is_due_for_parts_adds_up_to_what_is_due_for_the_whole(
    expired: list[tuple[int, int]], taken: list[tuple[int, int, int]], cuts: list[int]
) -> None:
    numbers = sorted({n for low, size in expired for n in range(low, low + size)})
    past = Past([(n, n + 1) for n in numbers], [(low, low + n, m) for low, n, m in taken])
    whole, low, due = past.due(0, 10), 0, 0
    for cut in [*cuts, 10]:
        high = min(10, low + cut)
        if low < high:
            part = past.due(low, high)
            past.taken.append((low, high, part))
            due, low = due + part, high
    assert due == whole
