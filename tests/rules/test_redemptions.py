"""A redemption row against the books: one row per refusal, per boundary, and their order."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.errors import (
    AccountClosed,
    AccountFrozen,
    GongyiBankError,
    IdempotencyConflict,
    InsufficientPoints,
    InvalidInstant,
    InvalidValue,
    NotPermitted,
    OfferWithdrawn,
    OutletClosed,
    OutOfStock,
    PassbookFrozen,
    PeriodClosed,
    RedemptionSettled,
    ReservationExceeded,
    ReservationLapsed,
    StoreClosed,
    UnknownCustomer,
    UnknownOffer,
    UnknownStore,
)
from gongyi_bank.policies import HoldRules, PolicyBook, RedemptionRules
from gongyi_bank.rules.accrual import Declined
from gongyi_bank.rules.holds import Hold
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.rules.redemptions import (
    LAPSED,
    REDEEMED,
    REDEMPTION,
    RELEASED,
    RESERVATION,
    RESERVED,
    EarlierRedemption,
    RedemptionAccepted,
    RedemptionFacts,
    RedemptionReplayed,
    Reservation,
    deadline_of,
    decide_capture,
    decide_redemptions,
    decide_release,
    require_capturable,
)
from gongyi_bank.rules.staff import OutletFacts, RoleFacts, StaffFacts
from gongyi_bank.rules.stores import LISTED, WITHDRAWN, OfferFacts, StoreFacts
from gongyi_bank.values import compose_account_no

TODAY = dt.date(2022, 10, 15)
ACTIVE, FROZEN, CLOSED, DORMANT, LOST, UNKNOWN = (
    compose_account_no(1003, serial) for serial in range(1, 7)
)
HOURS = dt.timedelta(hours=1)
POLICIES = PolicyBook(
    [
        (1, dt.date(2000, 1, 1), RedemptionRules(quantity_max=10, reservation_hours=72)),
        (2, dt.date(2000, 1, 1), HoldRules(hours_max=100)),
    ],
    1,
)


TELLER = StaffFacts(1, "T", None, (RoleFacts("teller", 1001, 2),))
IMPORTER = StaffFacts(2, "A", None, (RoleFacts("administrator", 1000, 1),))


def facts(
    *, stock: int = 5, points: int = 300, available: int = 1500, actor: StaffFacts = TELLER
) -> RedemptionFacts:
    since = dt.date(2022, 7, 1)
    accounts = {
        ACTIVE: "active", FROZEN: "frozen", CLOSED: "closed", DORMANT: "dormant", LOST: "active",
    }  # fmt: skip
    stores = [
        StoreFacts(1, "P1", "超市", "community_store", 1003, "B01S01", since, None),
        StoreFacts(2, "LEFT", "超市", "community_store", 1003, "B01S01", since, TODAY),
        StoreFacts(3, "SHUT", "超市", "community_store", 1004, "B01S02", since, None),
    ]
    offers = [
        OfferFacts(1, "A", "大米", points, stock, 0, LISTED, stock, 0),
        OfferFacts(1, "W", "大米", points, stock, 0, WITHDRAWN, stock, 0),
        OfferFacts(2, "A", "大米", points, stock, 0, LISTED, stock, 0),
        OfferFacts(3, "A", "大米", points, stock, 0, LISTED, stock, 0),
    ]
    return RedemptionFacts(
        today=TODAY,
        scale=2,
        policies=POLICIES,
        actor=actor,
        customers=accounts,
        customers_by_ref={"C1": ACTIVE},
        frozen={LOST: 123},
        stores={store.code: store for store in stores},
        outlets={
            "B01S01": OutletFacts(1003, "B01S01", "储蓄所", 3, 1001, is_open=True),
            "B01S02": OutletFacts(1004, "B01S02", "储蓄所", 3, 1001, is_open=False),
        },
        offers={offer.key: offer for offer in offers},
        available=dict.fromkeys(accounts, available),
        refs={},
    )


def row(**fields: Any) -> RedemptionRow:
    return RedemptionRow(**{"account": ACTIVE, "store": "P1", "sku": "A"} | fields)


def refusal(books: RedemptionFacts, wanted: RedemptionRow) -> GongyiBankError | None:
    (decision,) = decide_redemptions(books, [wanted])
    return decision.error if isinstance(decision, Declined) else None


TOMORROW, BEFORE = TODAY + dt.timedelta(days=1), dt.date(2022, 6, 30)
#: In the order of precedence: each row breaks the rules below it as well.
REFUSALS: list[tuple[GongyiBankError, dict[str, Any]]] = [
    (
        InvalidInstant.of("redeemed_on", TOMORROW, "it is in the future"),
        {"redeemed_on": TOMORROW, "account": UNKNOWN, "store": "NO"},
    ),
    (UnknownCustomer(account=UNKNOWN), {"account": UNKNOWN, "store": "NO"}),
    (UnknownCustomer(account="C9"), {"account": None, "customer_ref": "C9", "store": "NO"}),
    (AccountClosed(account=CLOSED), {"account": CLOSED, "store": "NO"}),
    (AccountFrozen(account=FROZEN), {"account": FROZEN, "store": "NO"}),
    (PassbookFrozen(account=LOST, serial="00000012 3"), {"account": LOST, "store": "NO"}),
    (UnknownStore(store="NO"), {"store": "NO", "sku": "NO"}),
    (StoreClosed(store="LEFT", day=TODAY), {"store": "LEFT", "sku": "NO"}),
    (StoreClosed(store="P1", day=BEFORE), {"redeemed_on": BEFORE, "sku": "NO"}),
    (OutletClosed(outlet="B01S02"), {"store": "SHUT", "sku": "NO"}),
    (UnknownOffer(store="P1", sku="NO"), {"sku": "NO", "quantity": 11}),
    (OfferWithdrawn(store="P1", sku="W"), {"sku": "W", "quantity": 11}),
    (InvalidValue.of("quantity", 11, "at most 10 at once"), {"quantity": 11}),
    (OutOfStock(sku="A", left=5, wanted=10), {"quantity": 10}),
    (InsufficientPoints(account=ACTIVE, available="0.00", needed="6.00"), {"quantity": 2}),
]


@pytest.mark.parametrize(("error", "fields"), REFUSALS)
def test_a_row_is_refused_by_the_first_rule_that_applies(
    error: GongyiBankError, fields: dict[str, Any]
) -> None:
    books, wanted = facts(available=0), row(**fields)
    assert decide_redemptions(books, [wanted]) == [Declined(wanted, error)]
    assert not any(offer.is_changed for offer in books.offers.values())


@pytest.mark.parametrize(
    "fields", [{}, {"account": DORMANT}, {"account": None, "customer_ref": "C1"},
               {"store": "LEFT", "redeemed_on": TODAY - dt.timedelta(days=1)}],
)  # fmt: skip
def test_these_rows_are_redeemed(fields: dict[str, Any]) -> None:
    assert refusal(facts(actor=IMPORTER), row(**fields)) is None


def test_at_a_store_that_left_only_an_importer_sends_what_was_redeemed_before() -> None:
    wanted = row(store="LEFT", redeemed_on=TODAY - dt.timedelta(days=1))
    assert isinstance(refusal(facts(actor=TELLER), wanted), StoreClosed)


@pytest.mark.parametrize(
    ("stock", "quantity", "error"),
    [(5, 4, None), (5, 5, None), (5, 6, OutOfStock), (1, 1, None), (0, 1, OutOfStock)],
)
def test_as_many_as_are_left_and_not_one_more(
    stock: int, quantity: int, error: type[GongyiBankError] | None
) -> None:
    found = refusal(facts(stock=stock, available=10_000), row(quantity=quantity))
    assert (type(found) if found else None) is error


@pytest.mark.parametrize(
    ("available", "error"), [(599, InsufficientPoints), (600, None), (601, None)]
)
def test_the_last_hundredth_of_a_point_counts(
    available: int, error: type[GongyiBankError] | None
) -> None:
    found = refusal(facts(available=available), row(quantity=2))
    assert (type(found) if found else None) is error


@pytest.mark.parametrize(("quantity", "error"), [(10, None), (11, InvalidValue)])
def test_the_policy_limits_the_pieces_at_once(
    quantity: int, error: type[GongyiBankError] | None
) -> None:
    found = refusal(facts(stock=20, available=10_000), row(quantity=quantity))
    assert (type(found) if found else None) is error


def test_each_row_sees_what_the_rows_before_it_took() -> None:
    books = facts(stock=5, points=300, available=1000)
    wanted = [
        row(quantity=3),  # 2 left, 1.00 left
        row(quantity=3),  # stock
        row(quantity=1),  # points
        row(account=DORMANT, quantity=2),
        row(account=DORMANT, quantity=1),  # stock
    ]
    decisions = decide_redemptions(books, wanted)
    errors = [type(d.error) if isinstance(d, Declined) else None for d in decisions]
    assert errors == [None, OutOfStock, InsufficientPoints, None, OutOfStock]
    assert books.offers[1, "A"].stock == 0
    assert (books.available[ACTIVE], books.available[DORMANT]) == (100, 400)


def test_a_reference_is_a_replay_or_a_conflict_before_any_refusal() -> None:
    first, other = row(ref="R1"), row(ref="R1", quantity=2)
    later = row(ref="R1", store="P1")
    books = facts(stock=1, available=300)
    taken, again, conflict = decide_redemptions(books, [first, later, other])
    assert isinstance(taken, RedemptionAccepted)
    assert isinstance(again, RedemptionReplayed)
    assert again.record is taken.record
    assert again.row is later
    assert conflict == Declined(other, IdempotencyConflict(key="R1"))


def test_rows_without_a_reference_are_never_the_same_redemption() -> None:
    first, second = decide_redemptions(facts(), [row(), row()])
    assert isinstance(first, RedemptionAccepted)
    assert isinstance(second, RedemptionAccepted)


@pytest.mark.parametrize(
    ("purpose", "state", "free", "put_aside"),
    [(REDEMPTION, REDEEMED, 3, 0), (RESERVATION, RESERVED, 3, 2)],
)
def test_what_is_accepted_says_where_when_and_what_it_costs(
    purpose: str, state: str, free: int, put_aside: int
) -> None:
    books, wanted = facts(), row(quantity=2, ref="R1")
    (taken,) = decide_redemptions(books, [wanted], purpose)
    offer = books.offers[1, "A"]
    record = EarlierRedemption(b"", ACTIVE, state, wanted.digest(purpose), 600)
    assert taken == RedemptionAccepted(
        wanted, books.stores["P1"], books.outlets["B01S01"], offer, TODAY, None, record
    )
    assert (offer.stock, offer.reserved, books.refs) == (free, put_aside, {"R1": record})


CLERK = StaffFacts(3, "C", None, (RoleFacts("store_clerk", 1003, 3, store_no=1),))
REDEEMERS = "administrator, ledger_keeper, service_account, store_clerk, teller"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, None),
        (
            {"store": "LEFT", "account": UNKNOWN},
            NotPermitted(staff="C", act="redemptions.redeem", outlet="B01S01", roles=REDEEMERS),
        ),
    ],
)
def test_a_store_clerk_hands_out_the_goods_of_that_store_only(
    fields: dict[str, Any], error: GongyiBankError | None
) -> None:
    assert refusal(facts(actor=CLERK), row(**fields)) == error


def test_a_row_that_was_changed_behind_its_checks_is_declined_by_itself() -> None:
    forged = row()
    object.__setattr__(forged, "quantity", 0)
    reason = "a whole number from 1 to 1000000"
    declined, taken = decide_redemptions(facts(), [forged, row()])
    assert declined == Declined(forged, InvalidValue.of("quantity", 0, reason))
    assert isinstance(taken, RedemptionAccepted)


def test_a_reference_of_a_reservation_is_no_redemption() -> None:
    books = facts()
    (reserved,) = decide_redemptions(books, [row(ref="R1")], RESERVATION)
    assert isinstance(reserved, RedemptionAccepted)
    assert (reserved.offer.stock, reserved.offer.reserved) == (4, 1)
    assert isinstance(refusal(books, row(ref="R1")), IdempotencyConflict)


def test_a_refused_reference_may_come_again() -> None:
    books = facts(stock=0)
    assert isinstance(refusal(books, row(ref="R1")), OutOfStock)
    books.offers[1, "A"].stock = 1
    assert refusal(books, row(ref="R1")) is None


def test_a_reference_known_to_the_books_keeps_its_line() -> None:
    books = facts()
    books.refs["R1"] = EarlierRedemption(b"x", ACTIVE, "redeemed", row(ref="R1").digest(), 300, 7)
    (again,) = decide_redemptions(books, [row(ref="R1")])
    assert isinstance(again, RedemptionReplayed)
    assert again.record.line_no == 7


NOON = dt.datetime(2022, 10, 15, 4, tzinfo=dt.UTC)


def a_reservation(state: str = "reserved", quantity: int = 1) -> Reservation:
    hold = Hold(
        b"x", ACTIVE, internal_no("store", 1), 1500, 0, "held", NOON - HOURS, NOON,
        NOON + HOURS, 1003, 0, 1, 1,
    )  # fmt: skip
    return Reservation(
        b"x", ACTIVE, 1, "B01S01", 1003, "A", quantity, quantity * 300, state, TODAY, b"d",
        hold if state != "redeemed" else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("quantity", "expected"), [(None, (5, 1500)), (1, (1, 300)), (5, (5, 1500)), (6, None)]
)
def test_no_more_pieces_than_are_left_are_captured(
    quantity: int | None, expected: tuple[int, int] | None
) -> None:
    if expected is None:
        with pytest.raises(ReservationExceeded) as caught:
            decide_capture(a_reservation(quantity=5), quantity, "x")
        assert caught.value.facts == {"redemption": "x", "left": 5, "wanted": quantity}
    else:
        pieces, points = decide_capture(a_reservation(quantity=5), quantity, "x")
        assert (pieces, points) == expected
        assert type(points) is int


def test_goods_of_a_closed_period_count_on_an_open_day() -> None:
    books = facts(actor=IMPORTER)
    opened = TODAY.replace(day=1)
    asked = []
    books.value_day = lambda _, day, account_no: (asked.append(account_no), (opened, day))[1]
    (taken,) = decide_redemptions(books, [row(redeemed_on=dt.date(2022, 9, 30))])
    assert isinstance(taken, RedemptionAccepted)
    assert (taken.redeemed_on, taken.origin_on) == (opened, dt.date(2022, 9, 30))
    assert asked == [ACTIVE]


def test_a_closed_period_refuses_a_row_by_itself() -> None:
    books = facts()

    def refuse(outlet: OutletFacts, day: dt.date, _: int) -> tuple[dt.date, dt.date | None]:
        raise PeriodClosed(outlet=outlet.code, day=day, through=day)

    books.value_day = refuse
    assert isinstance(refusal(books, row()), PeriodClosed)
    assert not any(offer.is_changed for offer in books.offers.values())


@pytest.mark.parametrize(("seconds", "is_lapsed"), [(-1, False), (0, True), (1, True)])
def test_a_reservation_lapses_at_its_deadline_whether_or_not_anybody_swept(
    seconds: int, is_lapsed: bool
) -> None:
    now = NOON + dt.timedelta(seconds=seconds)
    if is_lapsed:
        with pytest.raises(ReservationLapsed) as caught:
            require_capturable(a_reservation(), now, "x")
        assert caught.value.facts == {"redemption": "x", "deadline_at": NOON}
    else:
        require_capturable(a_reservation(), now, "x")
    assert decide_release(a_reservation(), now, "x") == (LAPSED if is_lapsed else RELEASED)


@pytest.mark.parametrize("state", ["redeemed", "captured", "released", "lapsed"])
def test_what_is_settled_stays_settled(state: str) -> None:
    for settle in (require_capturable, decide_release):
        with pytest.raises(RedemptionSettled) as caught:
            settle(a_reservation(state), NOON, "x")
        assert caught.value.facts == {"redemption": "x", "state": state}


def test_the_policy_sets_the_deadline() -> None:
    deadline_at, latest_at = deadline_of(NOON, POLICIES, TODAY)
    assert (deadline_at, latest_at) == (NOON + 72 * HOURS, NOON + 100 * HOURS)


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": 0}, {"quantity": -1}, {"quantity": 1.0}, {"quantity": True},
        {"quantity": 10**7}, {"customer_ref": "C1"}, {"account": None}, {"store": ""}, {"sku": 7},
        {"redeemed_on": NOON}, {"ref": "x" * 101}, {"account": "not a number"},
    ],
)  # fmt: skip
def test_a_row_that_could_never_be_right_is_refused_when_it_is_made(
    fields: dict[str, Any],
) -> None:
    with pytest.raises(InvalidValue):
        row(**fields)
