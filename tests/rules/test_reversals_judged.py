"""冲正 judged by models that know nothing of numbers: lots that holds bind, and single points."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.errors import InsufficientPoints
from gongyi_bank.rules.ledger import Leg, Mark, head_matches, internal_kind
from gongyi_bank.rules.reversals import Reversible
from tests.rules.lots import ExactLots, OneLot
from tests.rules.test_reversals import ANNA, BELA, ISSUED, TAKEN, Book

Bound = list[tuple[OneLot, int]]
SIZES = st.integers(1, 4)
SEED = st.randoms(use_true_random=False)


# --- holds: particular lots --------------------------------------------------------------------


class HoldingBook(Book):
    """A book whose debits cite what lies behind all that was taken or held before them."""

    def __init__(self) -> None:
        super().__init__(spent="debt")
        self.cites: dict[int, int] = {}

    def cited(self, line_no: int, account: int = ANNA) -> Reversible:
        found = super().cited(line_no, account)
        found.cites_from = self.cites.get(line_no)
        return found

    def redeem(self, amount: int) -> int:
        line_no = self.debit(amount)
        self.cites[line_no] = self.heads[ANNA].free_from - amount
        return line_no

    def hold(self, amount: int) -> int:
        """Put so much aside; the number below what it is placed on."""
        posting = self.posting()
        head = posting.heads[ANNA]
        posting.expire(head, 1003)
        placed_on = head.free_from
        head.held += amount
        self.keep(posting)
        return placed_on

    def release(self, amount: int) -> None:
        posting = self.posting()
        posting.heads[ANNA].held -= amount
        posting.expire(posting.heads[ANNA], 1003)
        self.keep(posting)

    def capture(self, amount: int, cites_from: int) -> int:
        posting = self.posting()
        head = posting.heads[ANNA]
        posting.capture(head, Leg(ANNA, TAKEN, amount), self.mark("capture"))
        line_no = head.line_no
        posting.expire(head, 1003)
        self.cites[line_no] = cites_from
        self.keep(posting)
        return line_no


class BesideLots:
    """An account with holds by numbers, and by lots that they bind."""

    def __init__(self) -> None:
        self.book, self.exact = HoldingBook(), ExactLots()
        self.credits: list[int] = []
        self.debits: list[tuple[int, Bound]] = []
        self.holds: list[tuple[int, int, Bound]] = []
        self.pass_days(0)

    def worth(self) -> tuple[int, int]:
        """What is free, less what is owed, by numbers and by lots."""
        head = self.book.posting().heads[ANNA]
        return head.available - head.debt, self.exact.available - self.exact.debt

    def pass_days(self, days: int) -> None:
        self.book.pass_days(days)
        self.exact.today = self.book.today

    def credit(self, amount: int, days: int) -> None:
        until = self.book.today + dt.timedelta(days=days)
        self.credits.append(self.book.credit(amount, days))
        self.exact.credit(amount, max([until, *(lot.until for lot in self.exact.lots)]))

    def take(self, amount: int, *, is_hold: bool) -> None:
        amount = min(amount, max(0, min(self.worth())))
        if amount and is_hold:
            self.holds.append((self.book.hold(amount), amount, self.exact.hold(amount)))
        elif amount:
            self.debits.append((self.book.redeem(amount), self.exact.debit(amount)))

    def capture(self, which: int) -> None:
        cites_from, amount, bound = self.holds.pop(which % len(self.holds))
        self.exact.capture(bound)
        self.debits.append((self.book.capture(amount, cites_from), bound))

    def release(self, which: int) -> None:
        _, amount, bound = self.holds.pop(which % len(self.holds))
        self.exact.release(bound)
        self.book.release(amount)

    def give_back(self, which: int) -> None:
        line_no, lots = self.debits.pop(which % len(self.debits))
        self.book.reverse(line_no)
        self.exact.refund(lots)

    def reverse(self, which: int) -> None:
        """Once each; by lots its own points go first."""
        self.book.reverse(self.credits[which])
        self.exact.reverse(self.exact.lots[which])


@given(
    st.lists(st.tuples(SIZES, st.integers(0, 9)), min_size=1, max_size=4),
    st.lists(st.tuples(SIZES, st.booleans()), max_size=8),
    st.integers(0, 14),
    SEED,
    st.integers(0, 8),
)
def test_after_holds_captures_and_returns_a_reversal_takes_what_it_takes_by_lots(
    credits_: list[tuple[int, int]],
    taken: list[tuple[int, bool]],
    days: int,
    random: Random,
    returned: int,
) -> None:
    """All that the account had was held or taken; in whatever order it came back after its date."""
    both, choose = BesideLots(), random.randrange
    for amount, validity in credits_:
        both.credit(amount, validity)
    for amount, is_hold in taken:
        both.take(amount, is_hold=is_hold)
    both.take(both.worth()[0], is_hold=False)
    both.pass_days(days)
    while both.holds:
        both.capture(choose(9))
    for _ in range(min(returned, len(both.debits))):
        both.give_back(choose(9))
    left = list(range(len(both.credits)))
    while left:
        both.reverse(left.pop(choose(9) % len(left)))
        by_number, by_lots = both.worth()
        assert by_number == by_lots


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("credit"), SIZES, st.integers(0, 9)),
        st.tuples(st.sampled_from(["redeem", "hold"]), SIZES, st.just(0)),
        st.tuples(st.sampled_from(["capture", "release", "return"]), st.just(0), st.integers(0, 5)),
        st.tuples(st.just("pass"), st.integers(1, 6), st.just(0)),
        st.tuples(st.just("reverse"), st.just(0), st.integers(0, 9)),
    ),
    max_size=20,
)


@given(STEPS)
def test_nobody_owes_more_than_is_held_or_was_spent_and_has_not_come_back(
    steps: list[tuple[str, int, int]],
) -> None:
    both, reversed_ = BesideLots(), set[int]()
    for what, amount, which in steps:
        if what == "credit":
            both.credit(amount, which)
        elif what in ("redeem", "hold"):
            both.take(amount, is_hold=what == "hold")
        elif what == "pass":
            both.pass_days(amount)
        elif what == "return" and both.debits:
            both.give_back(which)
        elif what in ("capture", "release") and both.holds:
            getattr(both, what)(which)
        elif what == "reverse" and which < len(both.credits) and which not in reversed_:
            reversed_.add(which)
            both.reverse(which)
        head = both.book.heads[ANNA]
        spent = sum(-line[3] for line in both.book.lines.values() if line[2] == "capture")
        back = sum(part.moved for part in both.book.parts if not part.line.is_credit)
        assert head_matches(head)
        assert head.debt <= spent - back + head.held


# --- gifts: single points ----------------------------------------------------------------------


@dataclass(slots=True)
class Point:
    """One point: which grant brought it, until when it is good, and whether it has expired."""

    grant: int
    until: dt.date
    has_expired: bool = False


@dataclass(slots=True)
class SinglePoints:
    """Two people's points, one by one, oldest first. A gift that was undone was never given."""

    today: dt.date
    #: What each has and could spend, and what belongs to each grant and each gift.
    anna: list[Point] = field(default_factory=list)
    bela: list[Point] = field(default_factory=list)
    granted: list[list[Point]] = field(default_factory=list)
    given: list[list[Point]] = field(default_factory=list)

    def grant(self, amount: int, until: dt.date) -> None:
        self.granted.append([Point(len(self.granted), until) for _ in range(amount)])
        self.anna += self.granted[-1]

    def give(self, amount: int, until: dt.date) -> None:
        """They are Bela's, with a date of their own, and remember whose grant they were."""
        gift = [Point(point.grant, until) for point in self.anna[:amount]]
        del self.anna[:amount]
        self.given.append(gift)
        self.bela += gift

    def wake(self, today: dt.date) -> None:
        self.today = today
        for mine in (self.anna, self.bela):
            for point in mine:
                point.has_expired = point.until < today
            mine[:] = [point for point in mine if not point.has_expired]

    def undo_gift(self, which: int, spent: str) -> int | None:
        """How much comes back to Anna; None if it is refused."""
        gift = self.given[which]
        due = sum(not point.has_expired for point in gift)
        if due > len(self.bela) and spent == "refuse":
            return None
        for point in gift:
            # What expired in Bela's hands would be Anna's, and nobody had it.
            if point.has_expired:
                next(p for p in self.granted[point.grant] if not p.has_expired).has_expired = True
        back = due if spent == "debt" else min(due, len(self.bela))
        del self.bela[: min(back, len(self.bela))]
        self.anna += [Point(-1, dt.date.max) for _ in range(back)]
        return back

    def undo_grant(self, which: int, spent: str) -> int | None:
        """How much Anna pays for it; None if it is refused."""
        due = sum(not point.has_expired for point in self.granted[which])
        if due > len(self.anna) and spent == "refuse":
            return None
        paid = due if spent == "debt" else min(due, len(self.anna))
        del self.anna[: min(paid, len(self.anna))]
        return paid


def give(book: Book, amount: int, until: dt.date) -> int:
    """A gift from Anna to Bela; Bela's line of it."""
    posting = book.posting()
    mark = Mark("gift_out", book.today, 1003, expires_on=until, target_kind="gift_in")
    posting.post(Leg(ANNA, BELA, amount), mark)
    book.keep(posting)
    return posting.heads[BELA].line_no


def undone(book: Book, line_no: int, account: int) -> int | None:
    """How much the first part of a reversal moved; None if it is refused."""
    try:
        return book.reverse(line_no, account=account)[0].moved
    except InsufficientPoints:
        return None


@pytest.mark.parametrize("spent", ["refuse", "take_available", "debt"])
@given(
    grants=st.lists(st.tuples(SIZES, st.integers(0, 9)), min_size=1, max_size=3),
    gifts=st.lists(st.tuples(SIZES, st.integers(0, 9)), min_size=1, max_size=3),
    spends=st.integers(0, 8),
    days=st.integers(0, 12),
    random=SEED,
)
def test_gifts_and_then_grants_are_undone_as_by_single_points(
    spent: str,
    grants: list[tuple[int, int]],
    gifts: list[tuple[int, int]],
    spends: int,
    days: int,
    random: Random,
) -> None:
    book, choose = Book(ANNA, BELA, spent=spent), random.randrange
    single, lines, newest = SinglePoints(book.today), [], 0
    for amount, validity in [*grants, (3, 99)]:
        newest = max(newest, validity)
        lines.append(book.credit(amount, newest))
        single.grant(amount, book.today + dt.timedelta(days=newest))
    given_by, newest = [], 0
    for amount, validity in gifts:
        amount = min(amount, len(single.anna))
        newest = max(newest, validity)
        until = book.today + dt.timedelta(days=newest)
        if amount:
            given_by.append(give(book, amount, until))
            single.give(amount, until)
    amount = min(spends, len(single.bela))
    if amount:
        book.debit(amount, account=BELA)
        del single.bela[:amount]
    book.pass_days(days)
    single.wake(book.today)
    left = list(range(len(given_by)))
    while left:
        which = left.pop(choose(9) % len(left))
        assert undone(book, given_by[which], BELA) == single.undo_gift(which, spent)
    left = list(range(len(lines)))
    while left:
        which = left.pop(choose(9) % len(left))
        assert undone(book, lines[which], ANNA) == single.undo_grant(which, spent)
    _check_sums(book)


def _check_sums(book: Book) -> None:
    """No point was made or lost, and nobody owes what came back or was let go."""
    lines = book.lines.values()
    brought = sum(line[3] for line in lines if line[4] == ISSUED)
    gone = sum(-line[3] for line in lines if line[4] == TAKEN or _is_expiry(line[4]))
    assert sum(head.balance for head in book.heads.values()) == brought - gone
    given_away = sum(-line[3] for line in lines if line[0] == ANNA and line[4] == BELA)
    assert book.heads[ANNA].debt <= max(0, given_away)


def _is_expiry(contra_no: int) -> bool:
    return internal_kind(contra_no) == "expired"
