"""Holds: one row per refusal, per boundary, and their order; what is kept, and how often."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from gongyi_bank.errors import (
    AccountClosed,
    AccountFrozen,
    GongyiBankError,
    HoldExceeded,
    HoldLapsed,
    HoldOfReservation,
    HoldSettled,
    HoldTooLong,
    IdempotencyConflict,
    InsufficientPoints,
    InvalidAmount,
    InvalidInstant,
    InvalidValue,
    OutletClosed,
    PassbookFrozen,
    StoreClosed,
    UnknownCustomer,
    UnknownStore,
)
from gongyi_bank.policies import HoldRules
from gongyi_bank.rules.holds import (
    CAPTURED,
    EXTENDED,
    HELD,
    LAPSED,
    PLACED,
    RELEASED,
    EarlierHold,
    HeldGoods,
    Hold,
    HoldStep,
    PlacingFacts,
    decide_amount,
    decide_deadline,
    decide_extension,
    decide_placing,
    decide_release,
    is_replay,
    latest_of,
    require_alive,
)
from gongyi_bank.rules.ledger import Head, Leg, Mark, Posting, internal_no
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.rules.stores import StoreFacts
from gongyi_bank.values import NEVER, Points, compose_account_no

NOW = dt.datetime(2022, 10, 15, 4, tzinfo=dt.UTC)
TODAY = dt.date(2022, 10, 15)
HOUR, MOMENT = dt.timedelta(hours=1), dt.timedelta(microseconds=1)
RULES = HoldRules(hours=72, hours_max=240)
ACTIVE, FROZEN, CLOSED, DORMANT, LOST, UNKNOWN = (
    compose_account_no(1003, serial) for serial in range(1, 7)
)


def facts(credited: int = 300) -> PlacingFacts:
    since = dt.date(2022, 7, 1)
    states = {
        ACTIVE: "active", FROZEN: "frozen", CLOSED: "closed", DORMANT: "dormant", LOST: "active",
    }  # fmt: skip
    stores = [
        StoreFacts(1, "P1", "超市", "community_store", 1003, "B01S01", since, None),
        StoreFacts(2, "LEFT", "超市", "community_store", 1003, "B01S01", since, TODAY),
        StoreFacts(3, "SHUT", "超市", "community_store", 1004, "B01S02", since, None),
    ]
    return PlacingFacts(
        now=NOW,
        today=TODAY,
        scale=2,
        rules=RULES,
        customers=states,
        frozen={LOST: 123},
        stores={store.code: store for store in stores},
        outlets={
            "B01S01": OutletFacts(1003, "B01S01", "储蓄所", 3, 1001, is_open=True),
            "B01S02": OutletFacts(1004, "B01S02", "储蓄所", 3, 1001, is_open=False),
        },
        heads={number: Head(number, credited=credited) for number in states},
    )


WISH: dict[str, Any] = {
    "account_no": ACTIVE, "points": Points(3), "store": "P1", "hours": None, "deadline_at": None,
}  # fmt: skip
LATER, TOO_LATE, LATEST = NOW + HOUR, NOW + 241 * HOUR, NOW + 240 * HOUR
BOTH = InvalidValue.of("hours", 1, "give hours or deadline_at, not both")


def past(deadline_at: dt.datetime) -> InvalidInstant:
    return InvalidInstant.of("deadline_at", str(deadline_at), "it is past")


def too_long(deadline_at: dt.datetime) -> HoldTooLong:
    return HoldTooLong(deadline_at=deadline_at, latest_at=LATEST)


#: In the order of precedence: each wish breaks the rules below it as well.
REFUSALS: list[tuple[GongyiBankError, dict[str, Any]]] = [
    (UnknownCustomer(account=UNKNOWN), {"account_no": UNKNOWN, "store": "NO"}),
    (AccountClosed(account=CLOSED), {"account_no": CLOSED, "store": "NO"}),
    (AccountFrozen(account=FROZEN), {"account_no": FROZEN, "store": "NO"}),
    (PassbookFrozen(account=LOST, serial="00000012 3"), {"account_no": LOST, "store": "NO"}),
    (UnknownStore(store="NO"), {"store": "NO"}),
    (StoreClosed(store="LEFT", day=TODAY), {"store": "LEFT"}),
    (OutletClosed(outlet="B01S02"), {"store": "SHUT"}),
    (BOTH, {"hours": 1, "deadline_at": TOO_LATE}),
    (past(NOW), {"hours": None, "deadline_at": NOW}),
    (too_long(TOO_LATE), {"hours": None, "deadline_at": TOO_LATE}),
    (too_long(TOO_LATE), {"hours": 241, "deadline_at": None}),
    (
        InvalidAmount.of("points", "3.001", "this bank keeps 2 decimals"),
        {"hours": 240, "deadline_at": None},
    ),
    (
        InsufficientPoints(account=ACTIVE, available="0.00", needed="3.00"),
        {"hours": 240, "deadline_at": None, "points": Points(3)},
    ),
]


@pytest.mark.parametrize(("error", "fields"), REFUSALS)
def test_a_hold_is_refused_by_the_first_rule_that_applies(
    error: GongyiBankError, fields: dict[str, Any]
) -> None:
    wish = WISH | {"hours": 1, "deadline_at": TOO_LATE, "points": Points("3.001")} | fields
    with pytest.raises(GongyiBankError) as caught:
        decide_placing(facts(credited=0), **wish)
    assert caught.value == error


@pytest.mark.parametrize("account_no", [ACTIVE, DORMANT])
def test_all_that_is_available_may_be_held(account_no: int) -> None:
    placing = decide_placing(facts(), **WISH | {"account_no": account_no})
    assert (placing.store.code, placing.outlet.code, placing.amount) == ("P1", "B01S01", 300)
    assert (placing.deadline_at, placing.latest_at) == (NOW + 72 * HOUR, LATEST)
    with pytest.raises(InsufficientPoints):
        decide_placing(facts(), **WISH | {"points": Points("3.01")})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 72 * HOUR),
        ({"hours": 1}, HOUR),
        ({"hours": 240}, 240 * HOUR),
        ({"hours": 241}, too_long(TOO_LATE)),
        ({"deadline_at": NOW - HOUR}, past(NOW - HOUR)),
        ({"deadline_at": NOW}, past(NOW)),
        ({"deadline_at": NOW + MOMENT}, MOMENT),
        ({"deadline_at": LATEST}, 240 * HOUR),
        ({"deadline_at": LATEST + MOMENT}, too_long(LATEST + MOMENT)),
        ({"hours": 1, "deadline_at": LATER}, BOTH),
    ],
)
def test_a_deadline_lies_ahead_and_within_the_longest_life(
    given: dict[str, Any], expected: dt.timedelta | GongyiBankError
) -> None:
    wish = {"hours": None, "deadline_at": None} | given
    if isinstance(expected, dt.timedelta):
        assert decide_deadline(NOW, RULES, **wish) == (NOW + expected, LATEST)
        return
    with pytest.raises(GongyiBankError) as caught:
        decide_deadline(NOW, RULES, **wish)
    assert caught.value == expected


def test_a_deadline_is_kept_in_utc_whatever_zone_it_was_told_in() -> None:
    told = (NOW + 80 * HOUR).astimezone(dt.timezone(8 * HOUR))
    deadline_at, _ = decide_deadline(NOW, RULES, None, told)
    assert deadline_at.tzinfo is decide_extension(a_hold(), told).tzinfo is dt.UTC


def test_a_reservation_that_the_policy_lets_live_longer_is_not_cut() -> None:
    assert latest_of(NOW, NOW + 72 * HOUR, RULES) == NOW + 240 * HOUR
    assert latest_of(NOW, NOW + 300 * HOUR, RULES) == NOW + 300 * HOUR


def a_hold(state: str = HELD, captured: int = 0, goods: HeldGoods | None = None) -> Hold:
    return Hold(
        b"x" * 16, ACTIVE, internal_no("store", 7), 300, captured, state, NOW, NOW + 72 * HOUR,
        NOW + 240 * HOUR, 1003, 0, 1, 1, "B01S01", goods,
    )  # fmt: skip


GOODS = HeldGoods(1, "A", 2)
DEADLINE = NOW + 72 * HOUR


@pytest.mark.parametrize(
    ("hold", "now", "error"),
    [
        (a_hold(CAPTURED, goods=GOODS), DEADLINE, HoldOfReservation(hold="x")),
        (a_hold(CAPTURED), DEADLINE, HoldSettled(hold="x", state=CAPTURED)),
        (a_hold(RELEASED), NOW, HoldSettled(hold="x", state=RELEASED)),
        (a_hold(LAPSED), NOW, HoldSettled(hold="x", state=LAPSED)),
        (a_hold(), DEADLINE, HoldLapsed(hold="x", deadline_at=DEADLINE)),
        (a_hold(), DEADLINE + HOUR, HoldLapsed(hold="x", deadline_at=DEADLINE)),
        (a_hold(), DEADLINE - MOMENT, None),
    ],
)
def test_only_a_hold_that_lives_is_captured_or_extended(
    hold: Hold, now: dt.datetime, error: GongyiBankError | None
) -> None:
    if error is None:
        require_alive(hold, now, "x")
        return
    with pytest.raises(GongyiBankError) as caught:
        require_alive(hold, now, "x")
    assert caught.value == error


@pytest.mark.parametrize(
    ("points", "amount"), [(None, 200), ("0.01", 1), ("2.00", 200), ("2.01", None)]
)
def test_no_more_than_is_left_is_captured(points: str | None, amount: int | None) -> None:
    wanted = None if points is None else Points(points)
    if amount is not None:
        assert decide_amount(a_hold(captured=100), wanted, 2, "x") == amount
        return
    with pytest.raises(HoldExceeded) as caught:
        decide_amount(a_hold(captured=100), wanted, 2, "x")
    assert caught.value.facts == {"hold": "x", "left": "2.00", "wanted": points}


NO_LATER = "it is no later than the deadline there is"


@pytest.mark.parametrize(
    ("deadline_at", "error"),
    [
        (DEADLINE - HOUR, InvalidInstant.of("deadline_at", str(DEADLINE - HOUR), NO_LATER)),
        (DEADLINE, InvalidInstant.of("deadline_at", str(DEADLINE), NO_LATER)),
        (DEADLINE + MOMENT, None),
        (LATEST, None),
        (LATEST + MOMENT, too_long(LATEST + MOMENT)),
    ],
)
def test_an_extension_ends_later_but_never_beyond_the_longest_life(
    deadline_at: dt.datetime, error: GongyiBankError | None
) -> None:
    if error is None:
        assert decide_extension(a_hold(), deadline_at) == deadline_at
        return
    with pytest.raises(GongyiBankError) as caught:
        decide_extension(a_hold(), deadline_at)
    assert caught.value == error


def test_a_release_after_the_deadline_says_that_it_had_lapsed() -> None:
    assert decide_release(a_hold(), DEADLINE - HOUR, "x") == RELEASED
    assert decide_release(a_hold(), DEADLINE, "x") == LAPSED
    with pytest.raises(HoldSettled) as settled:
        decide_release(a_hold(RELEASED), NOW, "x")
    assert settled.value.facts == {"hold": "x", "state": RELEASED}
    with pytest.raises(HoldOfReservation) as of_goods:
        decide_release(a_hold(goods=GOODS), NOW, "x")
    assert of_goods.value.facts == {"hold": "x"}


def test_the_same_reference_is_a_replay_or_a_conflict() -> None:
    assert not is_replay(None, b"d", "R1")
    assert is_replay(EarlierHold(b"d", "{}"), b"d", "R1")
    with pytest.raises(IdempotencyConflict) as caught:
        is_replay(EarlierHold(b"d", "{}"), b"e", "R1")
    assert caught.value.facts == {"key": "R1"}


def test_a_hold_knows_the_store_that_captures_go_to() -> None:
    hold = a_hold()
    assert hold.store_no == 7
    hold.payee_no = internal_no("pool", 7)
    assert hold.store_no is None


# --- the life of a hold --------------------------------------------------------------------


def new_hold() -> Hold:
    hold = a_hold()
    hold.event_no = hold.seen_event_no = 0
    return hold


def test_the_history_of_a_hold_tells_what_when_until_when_and_by_which_line() -> None:
    hold, head = new_hold(), Head(ACTIVE, credited=300)
    hold.place(head)
    assert (head.held, head.is_touched) == (300, True)
    hold.extend(LATEST)
    hold.capture(1, 7)
    assert (hold.state, hold.left) == (HELD, 299)
    hold.capture(299, 8)
    assert (hold.state, hold.left) == (CAPTURED, 0)
    assert hold.steps == [
        HoldStep(1, PLACED, 300, DEADLINE),
        HoldStep(2, EXTENDED, 0, LATEST),
        HoldStep(3, CAPTURED, 1, LATEST, 7),
        HoldStep(4, CAPTURED, 299, LATEST, 8),
    ]


@pytest.mark.parametrize("state", [RELEASED, LAPSED])
def test_the_end_of_a_hold_gives_the_rest_free(state: str) -> None:
    hold, head = a_hold(captured=100), Head(ACTIVE, credited=900, held=250)
    assert hold.end(state, head) == 200
    assert (head.held, head.is_touched, hold.state, hold.left) == (50, True, state, 0)
    assert hold.steps == [HoldStep(2, state, 200, DEADLINE)]


@pytest.mark.parametrize("amount", [-1, 0, 201])
def test_a_capture_never_takes_nothing_nor_more_than_is_left(amount: int) -> None:
    hold = a_hold(captured=100)
    with pytest.raises(ValueError, match=r"^only what is held can be captured$"):
        hold.capture(amount, 7)
    assert (hold.captured, hold.steps) == (100, [])


class HoldsOfOneAccount(RuleBasedStateMachine):
    """One account, many holds, and points that die: counted beside the head."""

    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.head = Head(ACTIVE, credited=1000, last_expires_on=NEVER)
        self.posting = Posting({ACTIVE: self.head}, b"v", TODAY, NOW)
        self.made: list[Hold] = []
        self.ended: dict[int, tuple[Any, ...]] = {}

    @rule(target=holds, amount=st.integers(1, 400))
    def place(self, amount: int) -> Any:
        hold = a_hold()
        hold.amount, hold.event_no, hold.seen_event_no = min(amount, self.head.available), 0, 0
        if not hold.amount:
            hold.state, hold.amount = RELEASED, 1
            return hold
        self.posting.expire(self.head, 1003)
        hold.place(self.head)
        self.made.append(hold)
        return hold

    @rule(hold=holds, amount=st.integers(1, 400))
    def capture(self, hold: Hold, amount: int) -> None:
        if amount > hold.left:
            with pytest.raises(ValueError, match="what is held"):
                hold.capture(amount, 1)
            return
        leg = Leg(ACTIVE, hold.payee_no, amount)
        self.posting.capture(self.head, leg, Mark("capture", TODAY, 1003))
        hold.capture(amount, self.head.line_no)

    @rule(hold=consumes(holds), state=st.sampled_from([RELEASED, LAPSED]))
    def end(self, hold: Hold, state: str) -> None:
        if not hold.left:
            with pytest.raises(ValueError, match=r"^a settled hold stays settled$"):
                hold.end(state, self.head)
            return
        hold.end(state, self.head)
        self.posting.expire(self.head, 1003)

    @rule(days=st.integers(1, 300))
    def grow_old(self, days: int) -> None:
        self.head.dead_no = min(self.head.credited, self.head.dead_no + days)

    @rule(points=st.integers(1, 300))
    def earn(self, points: int) -> None:
        leg = Leg(internal_no("issued", 1003), ACTIVE, points)
        self.posting.post(leg, Mark("service", TODAY, 1003, expires_on=NEVER))

    @invariant()
    def never_more_than_was_held_is_captured(self) -> None:
        assert all(0 <= hold.captured <= hold.amount for hold in self.made)
        captured = sum(hold.captured for hold in self.made)
        assert captured == -sum(line[3] for line in self.posting.lines if line[2] == "capture")

    @invariant()
    def the_head_holds_what_the_open_holds_keep(self) -> None:
        assert self.head.held == sum(hold.left for hold in self.made)
        assert self.head.debited + self.head.held <= self.head.credited

    @invariant()
    def a_settled_hold_stays_settled(self) -> None:
        for hold in self.made:
            if hold.state != HELD:
                seen = (hold.state, hold.captured, hold.event_no)
                assert self.ended.setdefault(id(hold), seen) == seen

    @invariant()
    def the_steps_tell_what_happened(self) -> None:
        for hold in self.made:
            assert [step.event_no for step in hold.steps] == list(range(1, hold.event_no + 1))
            assert hold.steps[0].amount == hold.amount
            taken = [step.amount for step in hold.steps[1:]]
            assert sum(taken) == hold.amount - hold.left


TestHoldsOfOneAccount = HoldsOfOneAccount.TestCase


def test_a_hold_is_placed_behind_what_was_taken_and_held_before() -> None:
    head = Head(ACTIVE, credited=900, debited=100, held=200)
    hold = a_hold()
    hold.place(head)
    assert (hold.cites_from, head.held) == (300, 500)
