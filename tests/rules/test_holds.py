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
    HELD,
    LAPSED,
    RELEASED,
    EarlierHold,
    HeldGoods,
    Hold,
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
HOUR = dt.timedelta(hours=1)
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
LATER, TOO_LATE = NOW + HOUR, NOW + 241 * HOUR
#: In the order of precedence: each wish breaks the rules below it as well.
REFUSALS: list[tuple[type[GongyiBankError], dict[str, Any]]] = [
    (UnknownCustomer, {"account_no": UNKNOWN, "store": "NO"}),
    (AccountClosed, {"account_no": CLOSED, "store": "NO"}),
    (AccountFrozen, {"account_no": FROZEN, "store": "NO"}),
    (PassbookFrozen, {"account_no": LOST, "store": "NO"}),
    (UnknownStore, {"store": "NO"}),
    (StoreClosed, {"store": "LEFT"}),
    (OutletClosed, {"store": "SHUT"}),
    (InvalidValue, {"hours": 1, "deadline_at": TOO_LATE}),
    (InvalidInstant, {"hours": None, "deadline_at": NOW}),
    (HoldTooLong, {"hours": None, "deadline_at": TOO_LATE}),
    (HoldTooLong, {"hours": 241}),
    (InvalidAmount, {"hours": 240}),
    (InsufficientPoints, {"hours": 240, "points": Points(3)}),
]


@pytest.mark.parametrize(("error", "fields"), REFUSALS)
def test_a_hold_is_refused_by_the_first_rule_that_applies(
    error: type[GongyiBankError], fields: dict[str, Any]
) -> None:
    wish = WISH | {"hours": 1, "deadline_at": TOO_LATE, "points": Points("3.001")} | fields
    if error is HoldTooLong or "hours" in fields:
        wish |= {"deadline_at": None} | fields
    with pytest.raises(GongyiBankError) as caught:
        decide_placing(facts(credited=0), **wish)
    assert type(caught.value) is error


@pytest.mark.parametrize("account_no", [ACTIVE, DORMANT])
def test_all_that_is_available_may_be_held(account_no: int) -> None:
    placing = decide_placing(facts(), **WISH | {"account_no": account_no})
    assert (placing.amount, placing.deadline_at) == (300, NOW + 72 * HOUR)
    with pytest.raises(InsufficientPoints):
        decide_placing(facts(), **WISH | {"points": Points("3.01")})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 72 * HOUR),
        ({"hours": 1}, HOUR),
        ({"hours": 240}, 240 * HOUR),
        ({"hours": 241}, HoldTooLong),
        ({"deadline_at": NOW - HOUR}, InvalidInstant),
        ({"deadline_at": NOW}, InvalidInstant),
        ({"deadline_at": NOW + dt.timedelta(microseconds=1)}, dt.timedelta(microseconds=1)),
        ({"deadline_at": NOW + 240 * HOUR}, 240 * HOUR),
        ({"deadline_at": NOW + 240 * HOUR + dt.timedelta(microseconds=1)}, HoldTooLong),
        ({"hours": 1, "deadline_at": LATER}, InvalidValue),
    ],
)
def test_a_deadline_lies_ahead_and_within_the_longest_life(
    given: dict[str, Any], expected: Any
) -> None:
    wish = {"hours": None, "deadline_at": None} | given
    if isinstance(expected, dt.timedelta):
        assert decide_deadline(NOW, RULES, **wish) == (NOW + expected, NOW + 240 * HOUR)
    else:
        with pytest.raises(expected):
            decide_deadline(NOW, RULES, **wish)


def test_a_reservation_that_the_policy_lets_live_longer_is_not_cut() -> None:
    assert latest_of(NOW, NOW + 72 * HOUR, RULES) == NOW + 240 * HOUR
    assert latest_of(NOW, NOW + 300 * HOUR, RULES) == NOW + 300 * HOUR


def a_hold(state: str = HELD, captured: int = 0, goods: HeldGoods | None = None) -> Hold:
    return Hold(
        b"x" * 16, ACTIVE, internal_no("store", 7), 300, captured, state, NOW, NOW + 72 * HOUR,
        NOW + 240 * HOUR, 1003, 1, 1, "B01S01", goods,
    )  # fmt: skip


GOODS = HeldGoods(1, "A", 2)
DEADLINE = NOW + 72 * HOUR


@pytest.mark.parametrize(
    ("hold", "now", "error"),
    [
        (a_hold(CAPTURED, goods=GOODS), DEADLINE, HoldOfReservation),
        (a_hold(CAPTURED), DEADLINE, HoldSettled),
        (a_hold(RELEASED), NOW, HoldSettled),
        (a_hold(LAPSED), NOW, HoldSettled),
        (a_hold(), DEADLINE, HoldLapsed),
        (a_hold(), DEADLINE + HOUR, HoldLapsed),
        (a_hold(), DEADLINE - dt.timedelta(microseconds=1), None),
    ],
)
def test_only_a_hold_that_lives_is_captured_or_extended(
    hold: Hold, now: dt.datetime, error: type[GongyiBankError] | None
) -> None:
    if error is None:
        require_alive(hold, now, "x")
        return
    with pytest.raises(GongyiBankError) as caught:
        require_alive(hold, now, "x")
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("points", "amount"), [(None, 200), ("0.01", 1), ("2.00", 200), ("2.01", None)]
)
def test_no_more_than_is_left_is_captured(points: str | None, amount: int | None) -> None:
    wanted = None if points is None else Points(points)
    if amount is None:
        with pytest.raises(HoldExceeded):
            decide_amount(a_hold(captured=100), wanted, 2, "x")
    else:
        assert decide_amount(a_hold(captured=100), wanted, 2, "x") == amount


@pytest.mark.parametrize(
    ("deadline_at", "error"),
    [
        (DEADLINE - HOUR, InvalidInstant),
        (DEADLINE, InvalidInstant),
        (DEADLINE + dt.timedelta(microseconds=1), None),
        (NOW + 240 * HOUR, None),
        (NOW + 240 * HOUR + dt.timedelta(microseconds=1), HoldTooLong),
    ],
)
def test_an_extension_ends_later_but_never_beyond_the_longest_life(
    deadline_at: dt.datetime, error: type[GongyiBankError] | None
) -> None:
    if error is None:
        assert decide_extension(a_hold(), deadline_at) == deadline_at
        return
    with pytest.raises(error):
        decide_extension(a_hold(), deadline_at)


def test_a_release_after_the_deadline_says_that_it_had_lapsed() -> None:
    assert decide_release(a_hold(), DEADLINE - HOUR, "x") == RELEASED
    assert decide_release(a_hold(), DEADLINE, "x") == LAPSED
    with pytest.raises(HoldSettled):
        decide_release(a_hold(RELEASED), NOW, "x")
    with pytest.raises(HoldOfReservation):
        decide_release(a_hold(goods=GOODS), NOW, "x")


def test_the_same_reference_is_a_replay_or_a_conflict() -> None:
    assert not is_replay(None, b"d", "R1")
    assert is_replay(EarlierHold(b"d", "{}"), b"d", "R1")
    with pytest.raises(IdempotencyConflict):
        is_replay(EarlierHold(b"d", "{}"), b"e", "R1")


def test_a_hold_knows_the_store_that_captures_go_to() -> None:
    hold = a_hold()
    assert hold.store_no == 7
    hold.payee_no = internal_no("pool", 7)
    assert hold.store_no is None


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
            with pytest.raises(ValueError, match="stays settled"):
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
