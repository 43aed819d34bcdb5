"""冲正: parts of lines, expired numbers, debts, and lines that are reversed together."""

from __future__ import annotations

import copy
import datetime as dt
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.errors import InsufficientPoints, LineNotReversible, LineTakenBack
from gongyi_bank.rules.ledger import (
    CONTRA_KINDS,
    LINE_SUMMARIES,
    Head,
    Leg,
    Mark,
    Posting,
    head_matches,
    internal_no,
)
from gongyi_bank.rules.past import Dead, PartTaken, Past, may_spend
from gongyi_bank.rules.reversals import (
    INSTEAD,
    REVERSIBLE,
    CitedLine,
    Part,
    Reversible,
    Terms,
    movements_of,
    note_expiries,
    require_reversible,
    reverse,
    share_out,
)
from gongyi_bank.values import NEVER, compose_account_no

ANNA, BELA, CILI = (compose_account_no(1003, serial) for serial in (1, 2, 3))
ISSUED, TAKEN = (internal_no(kind, 1003) for kind in ("issued", "store"))
TRANSIT = internal_no("transit", 1003)
START = dt.date(2022, 10, 15)
COLUMNS = (
    "account_no", "line_no", "kind", "amount", "contra_no", "credited_after", "debited_after",
)  # fmt: skip


class Book:
    """Some accounts in memory, with the parts of their lines: what the tables would hold."""

    def __init__(self, *accounts: int, spent: str = "refuse", validity: str = "cited") -> None:
        self.today = START
        self.heads = {number: Head(number) for number in accounts or (ANNA,)}
        self.lines: dict[tuple[int, int], tuple[Any, ...]] = {}
        self.parts: list[Part] = []
        self.terms = Terms(spent, validity, NEVER, lambda _: self.mark("reversal"))

    def mark(self, kind: str, expires_on: dt.date = NEVER) -> Mark:
        return Mark(kind, self.today, 1003, expires_on=expires_on)

    def posting(self) -> Posting:
        """Heads brought up to today, as `note_passed_dates` would."""
        for number, head in self.heads.items():
            dead = [
                line[5] for line in self.lines.values()
                if line[0] == number and line[7] is not None and line[7] < self.today
            ]  # fmt: skip
            head.dead_no = max(dead, default=0)
        noon = dt.datetime.combine(self.today, dt.time(4), dt.UTC)
        return Posting(copy.deepcopy(self.heads), bytes(16), self.today, noon)

    def keep(self, posting: Posting) -> int:
        """Keep what an act did; the newest line's number of the first account."""
        self.heads = posting.heads
        self.lines |= {line[:2]: line for line in posting.lines}
        return self.heads[ANNA].line_no

    def credit(self, amount: int, days: int = 10**5, account: int = ANNA) -> int:
        posting = self.posting()
        until = self.today + dt.timedelta(days=days)
        posting.post(Leg(ISSUED, account, amount), self.mark("grant", until))
        return self.keep(posting)

    def debit(self, amount: int, kind: str = "capture", account: int = ANNA) -> int:
        posting = self.posting()
        posting.post(Leg(account, TAKEN, amount), self.mark(kind))
        return self.keep(posting)

    def give(self, amounts: dict[int, int], target: int, until: dt.date = NEVER) -> None:
        """Gifts of several to one, in one voucher."""
        posting = self.posting()
        for source, amount in amounts.items():
            posting.post(Leg(source, TRANSIT, amount), self.mark("gift_out"))
        posting.post(Leg(TRANSIT, target, sum(amounts.values())), self.mark("gift_in", until))
        self.keep(posting)

    def cited(self, line_no: int, account: int = ANNA) -> Reversible:
        """A line with its parts and the numbers that have expired since."""
        said = dict(zip(COLUMNS, self.lines[account, line_no][:7], strict=True))
        line = CitedLine(
            **said, value_on=START, outlet_no=1003, policy_id=None, voucher_id=bytes(16)
        )
        mine = [part for part in self.parts if part.line.key == line.key]
        return Reversible(
            line, sum(p.amount for p in mine), len(mine), sum(p.expired for p in mine),
            self.past(account, line_no),
        )  # fmt: skip

    def past(self, account: int, line_no: int = 0) -> Past:
        """What the store finds of an account's points: all parts, and expiries since a line."""
        past = Past()
        past.expired += [
            (made[6] + made[3], made[6]) for made in self.lines.values()
            if made[0] == account and made[2] == "expiry" and made[1] > line_no
        ]  # fmt: skip
        for p in self.parts:
            if p.line.account_no == account:
                made = self.lines[account, p.by_line_no] if p.by_line_no else (0,) * 6
                numbers = (p.line.is_credit, p.low, p.high, p.expired)
                where = (p.cites_from, may_spend(p.line.contra_no))
                past.note(PartTaken(*numbers, abs(made[3]), made[5], *where))
        return past

    def reverse(self, line_no: int, wanted: int | None = None, account: int = ANNA) -> list[Part]:
        """Reverse a line, with the mirrors that it has in the book."""
        posting = self.posting()
        lines = [self.cited(number, owner) for owner, number in self.lines]
        movement = next(
            made for made in movements_of(lines)
            if any(one.line.key == (account, line_no) for one in made.lines)
        )  # fmt: skip
        note_expiries(posting, movement.lines, 1003)
        parts = reverse(posting, [movement], wanted, self.terms)
        self.keep(posting)
        self.parts += parts
        assert len(posting.parts) == len(parts)
        return parts

    def pass_days(self, days: int) -> None:
        self.today += dt.timedelta(days=days)

    def head(self, account: int = ANNA) -> tuple[int, int, int]:
        head = self.heads[account]
        return head.credited, head.debited, head.debt


# --- which lines ---------------------------------------------------------------------------


def a_line(kind: str, amount: int = 100, contra_no: int = ISSUED) -> CitedLine:
    return CitedLine(
        ANNA, 1, kind, amount, contra_no, 100, 0 if amount > 0 else 100, START, 1003, None,
        bytes(16),
    )  # fmt: skip


@pytest.mark.parametrize("kind", sorted(LINE_SUMMARIES))
def test_every_kind_is_reversible_or_says_what_to_do_instead(kind: str) -> None:
    if kind in REVERSIBLE:
        require_reversible(a_line(kind), by_voucher=False)
        assert kind not in INSTEAD
        assert set(CONTRA_KINDS[kind]) <= set(CONTRA_KINDS["reversal"])
        return
    with pytest.raises(LineNotReversible) as caught:
        require_reversible(a_line(kind), by_voucher=True)
    assert LINE_SUMMARIES[kind] in caught.value.message("zh")
    assert INSTEAD[kind].partition(" ")[2] in caught.value.message("en")


def test_one_leg_of_many_is_reversed_only_with_the_others() -> None:
    line = a_line("gift_in", contra_no=TRANSIT)
    require_reversible(line, by_voucher=True)
    with pytest.raises(LineNotReversible, match="whole voucher"):
        require_reversible(line, by_voucher=False)


# --- parts ---------------------------------------------------------------------------------


def test_parts_take_the_lowest_numbers_of_the_line_that_are_left() -> None:
    book = Book()
    book.credit(7)
    line_no = book.credit(100)
    (first,), (second,) = book.reverse(line_no, 30), book.reverse(line_no)
    assert [(p.part_no, p.low, p.high) for p in (first, second)] == [(1, 7, 37), (2, 37, 107)]
    assert [p.by_line_no for p in (first, second)] == [3, 4]
    assert book.head() == (107, 100, 0)


@pytest.mark.parametrize(("before", "wanted"), [(0, 101), (60, 41), (100, None), (100, 1)])
def test_parts_never_add_up_to_more_than_the_line(before: int, wanted: int | None) -> None:
    book = Book()
    line_no = book.credit(100)
    book.credit(500)
    if before:
        book.reverse(line_no, before)
    with pytest.raises(LineTakenBack) as caught:
        book.reverse(line_no, wanted)
    assert caught.value.facts["left"] == f"{(100 - before) / 100:.2f}"


@pytest.mark.parametrize("cut", range(1, 100, 7))
def test_what_expired_between_two_parts_is_left_out_once(cut: int) -> None:
    book = Book()
    line_no = book.credit(100, days=5)
    book.debit(20)
    book.credit(300)
    book.reverse(line_no, cut)
    book.pass_days(6)
    (rest,) = book.reverse(line_no)
    # Of the line's numbers 20 were spent, and the first part took the next ones.
    expired = max(0, 100 - 20 - cut)
    assert rest.expired == min(expired, 100 - cut)
    assert sum(p.moved + p.expired for p in book.parts) == 100
    assert book.heads[ANNA].balance == 300 - 20


# --- spent points --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spent", "moved", "head"),
    [("take_available", 40, (100, 100, 0)), ("debt", 100, (100, 160, 60))],
)
def test_the_policy_decides_about_spent_points(
    spent: str, moved: int, head: tuple[int, int, int]
) -> None:
    book = Book(spent=spent)
    line_no = book.credit(100)
    book.debit(60)
    (part,) = book.reverse(line_no)
    assert (part.amount, part.moved, part.expired) == (100, moved, 0)
    assert book.head() == head
    with pytest.raises(LineTakenBack):
        book.reverse(line_no)


def test_by_default_spent_points_are_not_taken_back() -> None:
    book = Book()
    line_no = book.credit(100)
    book.debit(60)
    with pytest.raises(InsufficientPoints) as caught:
        book.reverse(line_no, 41)
    assert caught.value.facts == {"account": ANNA, "available": "0.40", "needed": "0.41"}
    assert book.reverse(line_no, 40)[0].moved == 40


def test_where_nothing_is_left_to_take_there_is_no_line() -> None:
    book = Book(spent="take_available")
    line_no = book.credit(100)
    newest = book.debit(100)
    (part,) = book.reverse(line_no)
    assert (part.moved, part.by_line_no, book.heads[ANNA].line_no) == (0, None, newest)


def test_held_points_are_honoured_and_free_ones_settle_the_debt() -> None:
    book = Book(spent="debt")
    line_no = book.credit(100)
    head = book.heads[ANNA]
    head.held = 70
    book.reverse(line_no)
    assert book.head() == (100, 100, 70)
    posting = book.posting()
    head = posting.heads[ANNA]
    head.held -= 50
    posting.expire(head, 1003)
    assert (head.debt, head.available) == (20, 0)
    posting.capture(head, Leg(ANNA, TAKEN, 20), book.mark("capture"))
    assert (head.debt, head.short, head_matches(head)) == (20, 20, True)


# --- debits that are reversed --------------------------------------------------------------


@pytest.mark.parametrize(
    ("validity", "moved", "expired", "until"),
    [("cited", 50, 60, START + dt.timedelta(days=20)), ("fresh", 110, 0, NEVER)],
)
def test_a_reversed_debit_has_the_dates_of_its_points_or_fresh_ones(
    validity: str, moved: int, expired: int, until: dt.date
) -> None:
    book = Book(validity=validity)
    book.credit(60, days=5)
    book.credit(60, days=20)
    line_no = book.debit(110)
    book.pass_days(6)
    (part,) = book.reverse(line_no)
    assert (part.moved, part.expired) == (moved, expired)
    line = book.lines[ANNA, part.by_line_no or 0]
    assert (line[2], line[3], line[4], line[7]) == ("reversal", moved, TAKEN, until)


def test_parts_of_a_debit_cite_its_oldest_points_first() -> None:
    book = Book()
    book.credit(60, days=5)
    book.credit(60, days=20)
    line_no = book.debit(110)
    book.pass_days(6)
    parts = [book.reverse(line_no, wanted)[0] for wanted in (40, 40, None)]
    assert [(p.moved, p.expired) for p in parts] == [(0, 40), (20, 20), (30, 0)]
    assert parts[0].by_line_no is None


# --- lines that belong together ------------------------------------------------------------


def gift(book: Book, amount: int, source: int = ANNA, target: int = BELA) -> None:
    posting = book.posting()
    mark = Mark("gift_out", book.today, 1003, expires_on=NEVER, target_kind="gift_in")
    posting.post(Leg(source, target, amount), mark)
    book.keep(posting)


def test_a_gift_is_reversed_on_both_sides() -> None:
    book = Book(ANNA, BELA)
    book.credit(100)
    gift(book, 80)
    taken, given = book.reverse(2, 30)
    assert (taken.line.account_no, given.line.account_no) == (BELA, ANNA)
    assert (taken.moved, given.moved, given.expired) == (30, 30, 0)
    assert book.head() == (130, 80, 0)
    assert book.head(BELA) == (80, 30, 0)
    one, other = book.lines[ANNA, 3], book.lines[BELA, 2]
    assert (one[3], one[4], other[3], other[4]) == (30, BELA, -30, ANNA)


def test_what_the_receiver_has_no_more_does_not_come_back() -> None:
    book = Book(ANNA, BELA, spent="take_available")
    book.credit(100)
    gift(book, 80)
    book.debit(60, account=BELA)
    taken, given = book.reverse(1, account=BELA)
    assert (taken.moved, taken.expired) == (20, 0)
    assert (given.moved, given.expired) == (20, 0)


def test_equal_gifts_between_the_same_two_are_told_apart_by_their_order() -> None:
    book = Book(ANNA, BELA)
    book.credit(100)
    gift(book, 20)
    gift(book, 20)
    gift(book, 20, BELA, ANNA)
    taken, given = book.reverse(3)
    assert (taken.line.key, given.line.key) == ((BELA, 2), (ANNA, 3))


def test_many_legs_come_back_as_they_were_given() -> None:
    book = Book(ANNA, BELA, CILI, spent="take_available")
    book.credit(100)
    book.credit(100, account=CILI)
    book.give({ANNA: 60, CILI: 30}, BELA)
    book.debit(60, account=BELA)
    parts = book.reverse(1, account=BELA)
    assert [(p.line.account_no, p.moved) for p in parts] == [(BELA, 30), (ANNA, 20), (CILI, 10)]
    in_transit = [line[3] for line in book.lines.values() if line[4] == TRANSIT]
    assert sum(in_transit) == 0


def test_what_expired_at_the_receivers_is_shared_out_over_what_does_not_come_back() -> None:
    book = Book(ANNA, BELA, CILI, spent="take_available")
    book.credit(1)
    book.credit(9, account=CILI)
    book.give({ANNA: 1, CILI: 9}, BELA, until=START + dt.timedelta(days=5))
    book.debit(5, account=BELA)
    book.credit(5, account=BELA)
    book.pass_days(6)
    parts = book.reverse(1, account=BELA)
    found = [(part.line.account_no, part.moved, part.expired) for part in parts]
    assert found == [(BELA, 5, 5), (ANNA, 1, 0), (CILI, 4, 5)]


def test_a_later_part_of_the_same_act_knows_what_an_earlier_one_left() -> None:
    """A debit of 4 was given on, and cites the numbers behind a hold of 3; 3 of it have died."""
    past = Past()
    line = a_line("gift_out", -4, contra_no=BELA)
    part = Part(line, 1, 4, low=10, cites_from=13, past=past, expired=3, moved=1)
    part.note(Book().posting(), "reversal")
    assert past.dead == [Dead(cited=14, took=11, amount=3)]
    assert past.taken == [(-1, 0, 1)]


def test_who_has_nothing_gets_no_share_of_what_is_left_over() -> None:
    assert share_out(1, [0, 1, 1]) == [0, 1, 0]
    assert share_out(0, [0, 0]) == [0, 0]


@given(st.integers(0, 1000), st.lists(st.integers(0, 100), min_size=1, max_size=6))
def test_shares_add_up(total: int, amounts: list[int]) -> None:
    total = min(total, sum(amounts))
    shares = share_out(total, amounts)
    assert sum(shares) == total
    assert all(0 <= share <= amount for share, amount in zip(shares, amounts, strict=True))


# --- any history ---------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("credit"), st.integers(1, 60), st.integers(0, 20)),
        st.tuples(st.just("debit"), st.integers(1, 60), st.just(0)),
        st.tuples(st.just("pass"), st.integers(1, 12), st.just(0)),
        st.tuples(st.just("reverse"), st.integers(1, 60), st.integers(0, 9)),
        st.tuples(st.just("hold"), st.integers(1, 30), st.just(0)),
        st.tuples(st.just("release"), st.just(0), st.just(0)),
    ),
    max_size=25,
)


def live(book: Book, steps: list[tuple[str, int, int]]) -> None:
    """Do these steps as far as the rules allow, and check the books after each."""
    for what, amount, other in steps:
        before = book.head()
        try:
            _step(book, what, amount, other)
        except (InsufficientPoints, LineTakenBack):
            assert book.head() == before
        _check(book, before, what, amount)


def _step(book: Book, what: str, amount: int, other: int) -> None:
    if what == "credit":
        book.credit(amount, other)
    elif what == "debit":
        book.debit(amount)
    elif what == "pass":
        book.pass_days(amount)
    elif what == "reverse":
        lines = [no for (_, no), line in book.lines.items() if line[2] in REVERSIBLE]
        if lines:
            book.reverse(lines[other % len(lines)], amount if other % 3 else None)
    else:
        posting = book.posting()
        head = posting.heads[ANNA]
        if what == "hold":
            posting.expire(head, 1003)
            head.held += min(amount, head.available)
        else:
            head.held = 0
            posting.expire(head, 1003)
        book.keep(posting)


def _check(book: Book, before: tuple[int, int, int], what: str, amount: int) -> None:
    head = book.heads[ANNA]
    assert head_matches(head)
    assert head.debt == head.short
    assert head.balance == sum(line[3] for line in book.lines.values())
    if head.debt:
        assert head.available == 0, "no debit can use a debt"
    if head.debt > before[2]:
        assert what == "reverse", "only a reversal creates a debt"
    if what == "credit":
        assert head.debt == max(0, before[2] - amount), "a credit settles it first"
    for (_, line_no), line in book.lines.items():
        mine = [part for part in book.parts if part.line.line_no == line_no]
        assert sum(part.amount for part in mine) <= abs(line[3])
        for one, following in pairwise(mine):
            assert one.high == following.low, "parts lie side by side"
        if line[3] > 0:
            # Every number of the line came back, or was counted as expired, at most once.
            assert sum(part.moved + part.expired for part in mine) <= line[3]
        for part in mine:
            made = book.lines[ANNA, part.by_line_no][3] if part.by_line_no else 0
            assert abs(made) == part.moved <= part.amount - part.expired


@given(STEPS, st.sampled_from(["refuse", "take_available", "debt"]))
def test_whatever_happens_the_books_add_up(steps: list[tuple[str, int, int]], spent: str) -> None:
    live(Book(spent=spent), steps)


@given(STEPS, st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_the_whole_is_the_sum_of_its_parts(
    steps: list[tuple[str, int, int]], cuts: list[int]
) -> None:
    book = Book(spent="debt")
    live(book, steps)
    for (_, line_no), line in list(book.lines.items()):
        left = book.cited(line_no).left
        if line[2] not in REVERSIBLE or not left:
            continue
        at_once, in_parts = copy.deepcopy(book), copy.deepcopy(book)
        (whole,) = at_once.reverse(line_no)
        made = []
        for cut in cuts:
            if 0 < cut < left - sum(part.amount for part in made):
                made += in_parts.reverse(line_no, cut)
        made += in_parts.reverse(line_no)
        for name in ("amount", "expired", "moved"):
            assert sum(getattr(part, name) for part in made) == getattr(whole, name)
        assert in_parts.head() == at_once.head()


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 20)), min_size=1, max_size=6),
       st.lists(st.integers(1, 60), max_size=6), st.integers(0, 25))  # fmt: skip
def test_who_gives_everything_back_owes_what_was_spent(
    credits_: list[tuple[int, int]], debits: list[int], days: int
) -> None:
    book = Book(spent="debt")
    numbers = [book.credit(amount, validity) for amount, validity in credits_]
    spent = 0
    for amount in debits:
        if amount <= book.posting().heads[ANNA].available:
            book.debit(amount)
            spent += amount
    book.pass_days(days)
    for line_no in numbers:
        book.reverse(line_no)
    assert book.heads[ANNA].debt == spent
    book.credit(spent + 5)
    assert (book.heads[ANNA].debt, book.posting().heads[ANNA].available) == (0, 5)
