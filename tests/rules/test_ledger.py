"""复式账: legs become lines, points carry numbers, and nothing is made or lost."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.errors import InsufficientPoints, InvalidAmount, PoolShort
from gongyi_bank.rules.ledger import (
    CREDITED_MAX,
    EARLIEST,
    GENESIS_HASH,
    INTERNAL_KINDS,
    Head,
    Leg,
    Mark,
    Posting,
    expired_within,
    head_matches,
    internal_no,
    line_hash,
    require_available,
    voucher_hash,
)
from gongyi_bank.values import NEVER, Points, compose_account_no

ANNA, BELA = (compose_account_no(1003, serial) for serial in (1, 2))
ISSUED, TAKEN, EXPIRED = (internal_no(k, 1003) for k in ("issued", "store", "expired"))
TODAY = dt.date(2022, 10, 15)
NOON = dt.datetime(2022, 10, 15, 4, tzinfo=dt.UTC)
#: The columns of a line, in their order.
LINE = (
    "account_no", "line_no", "kind", "amount", "contra_no", "credited_after", "debited_after",
    "expires_on", "value_on", "origin_on", "booked_at", "business_day", "outlet_no", "voucher_id",
    "policy_id",
)  # fmt: skip


def posting(*heads: Head, day: dt.date = TODAY, booked_at: dt.datetime = NOON) -> Posting:
    books = {head.account_no: head for head in heads}
    return Posting(heads=books, voucher_id=bytes(16), business_day=day, booked_at=booked_at)


def mark(kind: str = "service", **changes: Any) -> Mark:
    said = {"kind": kind, "value_on": TODAY, "outlet_no": 1003, "expires_on": NEVER}
    return Mark(**(said | changes))


def lines_of(made: Posting) -> list[dict[str, Any]]:
    return [dict(zip(LINE, line, strict=True)) for line in made.lines]


def short(made: Posting, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(line[name] for name in columns) for line in lines_of(made)]


# --- legs ----------------------------------------------------------------------------------


def test_a_leg_from_an_internal_account_is_one_line_on_the_side_with_a_floor() -> None:
    made = posting(Head(ANNA))
    made.post(Leg(ISSUED, ANNA, 150), mark())
    assert short(made, "account_no", "line_no", "amount", "contra_no") == [(ANNA, 1, 150, ISSUED)]
    assert made.moves == []


def test_a_leg_between_two_accounts_with_floors_is_two_lines_that_mirror_each_other() -> None:
    anna, bela = Head(ANNA, credited=500), Head(BELA, credited=7, line_no=3)
    made = posting(anna, bela)
    made.post(Leg(ANNA, BELA, 200), mark("close"))
    columns = ("account_no", "line_no", "amount", "contra_no", "credited_after", "debited_after")
    assert short(made, *columns) == [
        (ANNA, 1, -200, BELA, 500, 200),
        (BELA, 4, 200, ANNA, 207, 0),
    ]
    assert (anna.balance, bela.balance, made.moves) == (300, 207, [])


def test_a_leg_between_two_internal_accounts_is_a_move_and_no_line() -> None:
    made = posting(Head(ANNA))
    made.post(Leg(ISSUED, TAKEN, 5), mark())
    made.post(Leg(TAKEN, EXPIRED, 6), mark())
    assert [(move[1], move[2], move[3], move[5]) for move in made.moves] == [
        (1, ISSUED, TAKEN, 5),
        (2, TAKEN, EXPIRED, 6),
    ]
    assert made.lines == []


@pytest.mark.parametrize("amount", [0, -1])
def test_a_leg_moves_something(amount: int) -> None:
    with pytest.raises(InvalidAmount, match="above zero"):
        posting(Head(ANNA)).post(Leg(ISSUED, ANNA, amount), mark())


def test_internal_numbers_lie_below_customers_and_never_meet() -> None:
    numbers = [
        internal_no(kind, owner) for kind in INTERNAL_KINDS for owner in (1, 9999, 9_999_999)
    ]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) < 10**11 <= min(ANNA, BELA)


def test_only_what_changed_is_written() -> None:
    still, posted, touched = Head(ANNA), Head(BELA), Head(1, is_touched=True)
    posting(still, posted).post(Leg(ISSUED, BELA, 1), mark())
    assert [h.is_changed for h in (still, posted, touched)] == [False, True, True]
    assert Head(ANNA, record_no=2, seen_record_no=1).is_changed


# --- the floor -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "available"),
    [
        (Head(ANNA), 0),
        (Head(ANNA, credited=100), 100),
        (Head(ANNA, credited=100, debited=100), 0),
        (Head(ANNA, credited=100, held=30), 70),
        (Head(ANNA, credited=100, debited=20, held=30), 50),
        (Head(ANNA, credited=100, dead_no=40), 60),
        (Head(ANNA, credited=100, debited=40, dead_no=40), 60),
        (Head(ANNA, credited=100, debited=60, dead_no=40), 40),
        (Head(ANNA, credited=100, held=40, dead_no=40), 60),
        (Head(ANNA, credited=100, held=30, dead_no=40), 60),
        (Head(ANNA, credited=100, held=50, dead_no=40), 50),
        (Head(ANNA, credited=100, overdraft_limit=10), 110),
        (Head(ANNA, credited=100, debited=130, debt=30), 0),
        (Head(ANNA, credited=100, debited=130, debt=30, overdraft_limit=10), 0),
    ],
)
def test_what_may_be_spent(head: Head, available: int) -> None:
    assert head.available == available
    assert head_matches(head)
    require_available(head, available, 2)
    with pytest.raises(InsufficientPoints):
        require_available(head, available + 1, 2)
    with pytest.raises(PoolShort) as short:
        require_available(head, available + 100, 2, pool="P1")
    shown = {no: str(Points.of_units(no, 2)) for no in (available, available + 100)}
    assert short.value == PoolShort(
        pool="P1", account=ANNA, available=shown[available], needed=shown[available + 100]
    )


@pytest.mark.parametrize("amount", [99, 100])
def test_all_of_the_balance_may_be_spent(amount: int) -> None:
    head = Head(ANNA, credited=100)
    posting(head).post(Leg(ANNA, TAKEN, amount), mark("redemption"))
    assert head.balance == 100 - amount


def test_one_more_is_refused_in_the_banks_own_scale_and_changes_nothing() -> None:
    head = Head(ANNA, credited=100, dead_no=40)
    before = dataclasses.replace(head)
    made = posting(head)
    with pytest.raises(InsufficientPoints) as caught:
        made.post(Leg(ANNA, TAKEN, 61), mark("redemption"))
    assert caught.value.facts == {"account": ANNA, "available": "0.60", "needed": "0.61"}
    # Not even the expiry line of the dead points: a refused row of a list leaves nothing.
    assert (head, made.lines) == (before, [])


@pytest.mark.parametrize(
    ("debt_before", "credit", "debt", "available"),
    [(30, 10, 20, 0), (30, 29, 1, 0), (30, 30, 0, 0), (30, 31, 0, 1), (0, 5, 0, 5)],
)
def test_later_credits_settle_a_debt_first(
    debt_before: int, credit: int, debt: int, available: int
) -> None:
    head = Head(ANNA, credited=100, debited=100 + debt_before, debt=debt_before)
    posting(head).post(Leg(ISSUED, ANNA, credit), mark())
    assert (head.debt, head.available) == (debt, available)
    assert head_matches(head)


def test_a_debt_is_not_settled_twice_where_points_are_held() -> None:
    head = Head(ANNA, credited=100, debited=90, held=20, debt=10)
    posting(head).post(Leg(ISSUED, ANNA, 4), mark())
    assert (head.debt, head.available, head_matches(head)) == (6, 0, True)


# --- expiry --------------------------------------------------------------------------------


def test_no_point_dies_before_an_older_one() -> None:
    head = Head(ANNA)
    made = posting(head)
    days = [dt.date(2025, 1, 1), dt.date(2024, 1, 1), NEVER, dt.date(2026, 1, 1)]
    for day in days:
        made.post(Leg(ISSUED, ANNA, 1), mark(expires_on=day))
    kept = [line["expires_on"] for line in lines_of(made)]
    assert kept == [dt.date(2025, 1, 1), dt.date(2025, 1, 1), NEVER, NEVER]
    assert (head.next_expiry_on, head.next_expiry_line_no) == (dt.date(2025, 1, 1), 1)
    assert head.last_expires_on == NEVER


def test_points_that_never_expire_need_no_later_look() -> None:
    head = Head(ANNA)
    posting(head).post(Leg(ISSUED, ANNA, 1), mark())
    assert (head.next_expiry_on, head.next_expiry_line_no) == (NEVER, 1)


def test_a_customer_has_no_points_without_a_date_where_points_expire_but_a_pool_has() -> None:
    good_until, pool = TODAY + dt.timedelta(days=9), internal_no("pool", 1)
    made = posting(Head(ANNA), Head(pool))
    made.fresh_until = good_until
    for target in (ANNA, pool):
        made.post(Leg(ISSUED, target, 1), mark())
    assert short(made, "account_no", "expires_on") == [(ANNA, good_until), (pool, NEVER)]


def test_a_credit_writes_the_expiry_of_older_points_first() -> None:
    head = Head(ANNA, credited=100, debited=10, dead_no=40, line_no=2)
    made = posting(head)
    made.post(Leg(ISSUED, ANNA, 5), mark())
    assert short(made, "kind", "amount") == [("expiry", -30), ("service", 5)]


def test_dead_points_that_nobody_took_are_left_to_be_found_again() -> None:
    head = Head(ANNA, credited=100, dead_no=40, next_expiry_line_no=3)
    head.seen_expiry = (0, TODAY, 1)
    head.is_touched, before = True, head.booked_at
    head.keep_dates(before + dt.timedelta(hours=1))
    assert (head.dead_no, head.next_expiry_on, head.next_expiry_line_no) == (0, TODAY, 1)
    assert head.booked_at == before
    taken = Head(ANNA, credited=100, debited=40, dead_no=40, seen_expiry=(0, TODAY, 1))
    taken.keep_dates(before)
    assert taken.dead_no == 40


@pytest.mark.parametrize(
    ("is_written", "seen", "moves"),
    [
        (True, (0, NEVER, 0), True),
        (True, (40, NEVER, 0), False),  # nothing new was found
        (True, None, False),  # nobody has looked
        (False, (0, NEVER, 0), False),  # the head stays as it is in the books
    ],
)
def test_what_is_noted_of_dates_moves_the_accounts_clock_and_never_back(
    is_written: bool, seen: tuple[int, dt.date, int] | None, moves: bool
) -> None:
    head = Head(ANNA, credited=100, debited=40, dead_no=40, seen_expiry=seen)
    head.is_touched, before = is_written, head.booked_at
    later = before + dt.timedelta(hours=1)
    head.keep_dates(later)
    assert (head.dead_no, head.booked_at) == (40, later if moves else before)
    head.keep_dates(before)
    assert head.booked_at == (later if moves else before)


def test_who_goes_by_a_moment_is_written_at_it() -> None:
    head = Head(ANNA)
    moment = head.booked_at + dt.timedelta(seconds=1)
    head.go_by(moment)
    assert (head.is_touched, head.booked_at) == (True, moment)
    head.go_by(moment - dt.timedelta(seconds=2))
    assert head.booked_at == moment


def test_a_debit_writes_the_expiry_first_and_takes_the_living_points() -> None:
    head = Head(ANNA, credited=100, debited=10, dead_no=40, line_no=2)
    made = posting(head)
    made.post(Leg(ANNA, TAKEN, 60), mark("redemption"))
    columns = ("line_no", "kind", "amount", "contra_no", "debited_after", "expires_on")
    assert short(made, *columns) == [
        (3, "expiry", -30, EXPIRED, 40, None),
        (4, "redemption", -60, TAKEN, 100, None),
    ]


def test_expiry_is_written_once_and_held_points_are_honoured() -> None:
    head = Head(ANNA, credited=100, held=25, dead_no=40)
    made = posting(head)
    assert [made.expire(head, 1003), made.expire(head, 1003)] == [15, 0]
    head.held = 0  # released: what the hold kept alive is past its date
    assert made.expire(head, 1003) == 25
    assert [line["amount"] for line in lines_of(made)] == [-15, -25]


def test_the_ledger_clock_never_runs_back_within_an_account() -> None:
    head = Head(ANNA, booked_at=NOON + dt.timedelta(hours=1))
    made = posting(head)
    made.post(Leg(ISSUED, ANNA, 1), mark())
    assert lines_of(made)[0]["booked_at"] == head.booked_at == NOON + dt.timedelta(hours=1)


# --- the chain -----------------------------------------------------------------------------

CONTENT = (
    ANNA, 1, "service", 150, ISSUED, 150, 0, NEVER, TODAY, TODAY, NOON, TODAY, 1003, bytes(16), 3,
)  # fmt: skip
DIGEST = bytes(range(32))


@pytest.mark.parametrize("position", range(len(CONTENT)), ids=LINE)
def test_every_field_of_a_line_is_in_its_hash(position: int) -> None:
    old = CONTENT[position]
    others: dict[type, Any] = {
        int: lambda: old + 1,
        str: lambda: old + "x",
        bytes: lambda: b"\x01" + old[1:],
        dt.date: lambda: old - dt.timedelta(days=1),
        dt.datetime: lambda: old + dt.timedelta(microseconds=1),
    }
    for other in (others[type(old)](), None):
        changed = (*CONTENT[:position], other, *CONTENT[position + 1 :])
        assert line_hash(GENESIS_HASH, changed, DIGEST, None) != line_hash(
            GENESIS_HASH, CONTENT, DIGEST, None
        )


def test_the_hash_covers_the_line_before_the_voucher_and_the_key() -> None:
    hashes = {
        line_hash(GENESIS_HASH, CONTENT, DIGEST, None),
        line_hash(b"\x01" * 32, CONTENT, DIGEST, None),
        line_hash(GENESIS_HASH, CONTENT, bytes(32), None),
        line_hash(GENESIS_HASH, CONTENT, DIGEST, b"k" * 16),
        line_hash(GENESIS_HASH, CONTENT, DIGEST, b"l" * 16),
    }
    assert len(hashes) == 5
    assert {len(made) for made in hashes} == {32}


@pytest.mark.parametrize("position", range(13))
def test_every_field_of_a_voucher_is_in_its_digest(position: int) -> None:
    fields: tuple[Any, ...] = (
        bytes(16), "a.b", "K", bytes(32), 1, 7, None, 1000, TODAY, NOON, None, "why", "{}",
    )  # fmt: skip
    changed = (*fields[:position], "another", *fields[position + 1 :])
    assert voucher_hash(1, changed, None) != voucher_hash(1, fields, None)
    assert voucher_hash(1, fields, None) != voucher_hash(2, fields, None)
    assert voucher_hash(1, fields, None) != voucher_hash(1, fields, b"k" * 16)


def test_each_account_has_a_chain_of_its_own() -> None:
    anna, bela = Head(ANNA), Head(BELA)
    made = posting(anna, bela)
    for target in (ANNA, BELA, ANNA):
        made.post(Leg(ISSUED, target, 10), mark())
    sealed = made.sealed_lines(DIGEST, None)
    first, other, second = sealed
    assert first[:-1] == made.lines[0]
    assert first[-1] == line_hash(GENESIS_HASH, made.lines[0], DIGEST, None)
    assert other[-1] == line_hash(GENESIS_HASH, made.lines[1], DIGEST, None) == bela.head_hash
    assert second[-1] == line_hash(first[-1], made.lines[2], DIGEST, None) == anna.head_hash


# --- properties: against a model that keeps every single point -----------------------------


class NaiveBook:
    """One account as a row of single points, each with its last day; no arithmetic at all."""

    def __init__(self) -> None:
        self.points: list[dt.date] = []
        self.last = EARLIEST
        self.held = 0

    def credit(self, amount: int, expires_on: dt.date, today: dt.date) -> None:
        del self.points[: self.dead(today)]
        self.last = max(self.last, expires_on)
        self.points += [self.last] * amount

    def dead(self, today: dt.date) -> int:
        return max(0, sum(1 for day in self.points if day < today) - self.held)

    def available(self, today: dt.date) -> int:
        return len(self.points) - self.held - self.dead(today)

    def take(self, amount: int, today: dt.date) -> bool:
        if amount > self.available(today):
            return False
        del self.points[: self.dead(today)]
        del self.points[:amount]
        return True


def note_passed_dates(head: Head, lines: list[dict[str, Any]], today: dt.date) -> None:
    """What the store does when it loads a head: look at the credits whose date has come."""
    mine = [x for x in lines if x["account_no"] == head.account_no and x["expires_on"]]
    passed = [x["credited_after"] for x in mine if x["expires_on"] < today]
    head.dead_no = max([head.dead_no, *passed])
    later = [x for x in mine if x["expires_on"] >= today]
    head.next_expiry_on = later[0]["expires_on"] if later else NEVER
    head.next_expiry_line_no = later[0]["line_no"] if later else 0


STEPS = st.one_of(
    st.tuples(st.just("credit"), st.integers(1, 20), st.sampled_from([0, 3, 10, None])),
    st.tuples(st.just("debit"), st.integers(1, 25), st.just(0)),
    st.tuples(st.just("hold"), st.integers(1, 10), st.just(0)),
    st.tuples(st.just("release"), st.just(0), st.just(0)),
    st.tuples(st.just("transfer"), st.integers(1, 25), st.just(0)),
    st.tuples(st.just("days"), st.integers(1, 6), st.just(0)),
)


class Story:
    """A run of steps on two heads and the naive book of the first one."""

    def __init__(self) -> None:
        self.anna, self.bela = Head(ANNA), Head(BELA)
        self.naive = NaiveBook()
        self.today = TODAY
        self.lines: list[dict[str, Any]] = []

    def step(self, what: str, amount: int, lasts: int | None) -> None:
        made = posting(self.anna, self.bela, day=self.today)
        if what == "days":
            self.today += dt.timedelta(days=amount)
        elif what == "hold":
            self._hold(amount)
        elif what == "release":
            self.anna.held = self.naive.held = 0
        elif what == "credit":
            until = NEVER if lasts is None else self.today + dt.timedelta(days=lasts)
            made.post(Leg(ISSUED, ANNA, amount), mark(expires_on=until))
            self.naive.credit(amount, until, self.today)
        else:
            self._take(made, amount, TAKEN if what == "debit" else BELA)
        self.lines += lines_of(made)
        note_passed_dates(self.anna, self.lines, self.today)

    def _hold(self, amount: int) -> None:
        if amount <= self.anna.available:
            self.anna.held += amount
            self.naive.held += amount

    def _take(self, made: Posting, amount: int, target: int) -> None:
        allowed = self.naive.take(amount, self.today)
        if allowed:
            made.post(Leg(ANNA, target, amount), mark("redemption"))
        else:
            with pytest.raises(InsufficientPoints):
                made.post(Leg(ANNA, target, amount), mark("redemption"))

    def check(self) -> None:
        """The invariants that hold after every step."""
        assert head_matches(self.anna)
        assert head_matches(self.bela)
        assert self.anna.balance == len(self.naive.points)
        assert self.anna.available == self.naive.available(self.today)
        assert self.anna.expirable == self.naive.dead(self.today)
        for head in (self.anna, self.bela):
            mine = [line for line in self.lines if line["account_no"] == head.account_no]
            assert [line["line_no"] for line in mine] == list(range(1, head.line_no + 1))
            assert sum(line["amount"] for line in mine) == head.balance
            dates = [line["expires_on"] for line in mine if line["expires_on"]]
            assert dates == sorted(dates)
            running = 0
            for line in mine:
                running += line["amount"]
                assert line["credited_after"] - line["debited_after"] == running >= 0

    def conserved(self) -> int:
        """All accounts together, the internal ones read off the lines: always zero."""
        floored = {ANNA, BELA}
        internal = -sum(x["amount"] for x in self.lines if x["contra_no"] not in floored)
        paired = sum(x["amount"] for x in self.lines if x["contra_no"] in floored)
        return self.anna.balance + self.bela.balance + internal + paired


@given(st.lists(STEPS, max_size=25))
def test_heads_agree_with_single_points_after_every_step(
    steps: list[tuple[str, int, int | None]],
) -> None:
    story = Story()
    for step in steps:
        story.step(*step)
        story.check()
        assert story.conserved() == 0


def test_a_credit_says_until_when_its_points_are_good() -> None:
    with pytest.raises(ValueError, match=r"^a credit needs the date until which"):
        posting(Head(ANNA)).post(Leg(ISSUED, ANNA, 1), mark(expires_on=None))


def test_an_account_is_credited_up_to_its_limit_and_no_further() -> None:
    head, other = Head(ANNA, credited=CREDITED_MAX - 5), Head(BELA, credited=50)
    made = posting(head, other)
    for leg in (Leg(ISSUED, ANNA, 6), Leg(BELA, ANNA, 6)):
        with pytest.raises(InvalidAmount):
            made.post(leg, mark())
    assert made.lines == []
    assert not head.is_changed
    assert not other.is_changed
    made.post(Leg(BELA, ANNA, 5), mark())
    assert (head.credited, other.debited) == (CREDITED_MAX, 5)


# --- what has expired of a number range ----------------------------------------------------

STEPS = st.lists(
    st.tuples(st.sampled_from(("credit", "debit", "expire")), st.integers(1, 6)), max_size=20
)


@given(STEPS)
def test_what_has_expired_of_a_credit_is_what_happened_to_each_of_its_points(
    steps: list[tuple[str, int]],
) -> None:
    """Beside a model that keeps every point by itself, oldest first."""
    head = Head(ANNA)
    fates: list[str] = []
    lots: list[tuple[int, int]] = []
    expiries: list[tuple[int, int]] = []
    for what, size in steps:
        made = posting(head)
        living = [number for number, fate in enumerate(fates) if fate == "lives"]
        if what == "credit":
            made.post(Leg(ISSUED, ANNA, size), mark(expires_on=TODAY))
            lots.append((len(fates), len(fates) + size))
            fates += ["lives"] * size
        elif what == "debit" and size <= head.available:
            made.post(Leg(ANNA, TAKEN, size), mark("redemption"))
            for number in living[:size]:
                fates[number] = "spent"
        elif what == "expire":
            head.dead_no = max(head.dead_no, min(head.credited, head.debited + size))
            for number in living[: made.expire(head, 1003)]:
                fates[number] = "expired"
        expiries.extend(
            (after + amount, after)
            for kind, amount, after in short(made, "kind", "amount", "debited_after")
            if kind == "expiry"
        )
    for low, high in lots:
        assert expired_within(low, high, expiries) == fates[low:high].count("expired")
