"""Goods that come back: points into the passbook, pieces to the store, on every engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.holds import HoldCapture
from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.errors import (
    AccountClosed,
    FourEyesRequired,
    GongyiBankError,
    GoodsNotGiven,
    GoodsReturned,
    NotPermitted,
    UnknownRedemption,
    UnknownStaff,
)
from gongyi_bank.policies import PointsExpiry, Policy, ReversalRules
from gongyi_bank.store.tables import line_part, offer, refund
from gongyi_bank.values import Points
from tests.books import everything
from tests.district import District
from tests.service.test_redemptions import HALF, saver
from tests.service.test_reversals import lines, spend
from tests.service.test_stores import a_shop, require_stock_agrees

TWO = {"reason": "破损", "second_person": "K1"}


@pytest.fixture
def founded(engine_url: str) -> Iterator[Callable[..., District]]:
    """Founds a district with a shop and further policies."""
    made: list[District] = []

    def found(*policies: Policy) -> District:
        made.append(District(engine_url, policies=policies))
        a_shop(made[-1])
        return made[-1]

    yield found
    for district in made:
        district.close()


def give_back(district: District, redemption: Any, **fields: Any) -> Any:
    """Refund as T1, with K1 as the second person."""
    desk = district.acting("T1").redemptions
    return desk.refund(redemption=redemption, **TWO | fields)


def stock(district: District) -> int:
    with district.bank.engine.connect() as connection:
        return connection.scalar(sa.select(offer.c.stock)) or 0


def test_goods_come_back_piece_by_piece(founded: Callable[..., District]) -> None:
    district = founded()
    account = saver(district, 120)
    taken = spend(district, account, 3)
    first = give_back(district, taken.redemption_id, quantity=1)
    assert (first.points, first.expired, first.line_no, first.balance, first.left) == (
        HALF, 0, 3, 1, 2,
    )  # fmt: skip
    rest = give_back(district, taken.redemption_id, restock=False)
    assert (rest.quantity, rest.points, rest.balance, rest.left) == (2, 1, 2, 0)
    assert lines(district, account) == [
        ("service", 200), ("redemption", -150), ("refund", 50), ("refund", 100),
    ]  # fmt: skip
    assert stock(district) == 3  # of five pieces three went out, and one came back whole
    with pytest.raises(GoodsReturned):
        give_back(district, taken.redemption_id)
    with district.bank.engine.connect() as connection:
        part, row = line_part.c, refund.c
        cited = connection.execute(sa.select(part.kind, part.line_no, part.by_line_no)).all()
        rows = connection.execute(sa.select(row.quantity, row.points, row.restocked)).all()
    assert sorted(map(tuple, cited)) == [("refund", 2, 3), ("refund", 2, 4)]
    assert sorted(map(tuple, rows)) == [(1, 50, 1), (2, 100, 0)]
    require_stock_agrees(district)
    assert district.bank.verify().is_clean
    assert district.bank.reports.trial_balance().is_balanced


def test_what_was_reserved_and_handed_over_comes_back_too(
    founded: Callable[..., District],
) -> None:
    district = founded()
    account = saver(district, 120)
    desk = district.acting("T1").redemptions
    reserved = desk.reserve(account=account, store="P1", sku="A", quantity=2)
    with pytest.raises(GoodsNotGiven):
        give_back(district, reserved.redemption_id)
    desk.capture(redemption=reserved.redemption_id)
    assert give_back(district, reserved.redemption_id).balance == 2
    assert stock(district) == 5
    assert district.bank.verify().is_clean


def test_the_same_key_refunds_once(founded: Callable[..., District]) -> None:
    district = founded()
    taken = spend(district, saver(district, 120), 2)
    receipts = [
        give_back(district, taken.redemption_id, quantity=1, idempotency_key="F1") for _ in range(2)
    ]
    assert receipts[0] == receipts[1]


@pytest.mark.parametrize(
    ("validity", "points", "available"), [("cited", HALF, HALF), ("fresh", 1, 1)]
)
def test_points_past_their_date_come_back_only_with_a_fresh_one(
    founded: Callable[..., District], validity: str, points: object, available: object
) -> None:
    district = founded(
        PointsExpiry(mode="months", length=1), ReversalRules(refund_validity=validity)
    )
    account = saver(district, 30)  # good until 15 November
    district.clock.advance(days=20)
    district.serve(account, "11-01 08:00", 30)  # good until 4 December
    taken = spend(district, account, 2)
    district.clock.advance(days=15)
    receipt = give_back(district, taken.redemption_id)
    assert (receipt.points, receipt.points.to_units(2) - receipt.expired.to_units(2)) == (
        1, Points(str(points)).to_units(2),
    )  # fmt: skip
    summary = district.bank.reports.customer_summary(account)
    assert summary.available == available
    assert district.bank.verify().is_clean


def test_where_all_points_are_past_their_date_the_goods_come_back_without_any(
    founded: Callable[..., District],
) -> None:
    district = founded(PointsExpiry(mode="months", length=1))
    account = saver(district, 60)
    taken = spend(district, account, 2)
    district.clock.advance(days=40)
    receipt = give_back(district, taken.redemption_id, quantity=1)
    assert (receipt.points, receipt.expired, receipt.line_no) == (HALF, HALF, None)
    assert stock(district) == 4
    assert district.bank.verify().is_clean


def two_ages(founded: Callable[..., District]) -> tuple[District, int]:
    """An account with 1 point good until 15 November and 1.50 until 4 December."""
    district = founded(PointsExpiry(mode="months", length=1))
    account = saver(district, 60)
    district.clock.advance(days=20)
    district.serve(account, "11-01 08:00", 90)
    return district, account


def on_the_older(district: District, account: int) -> Any:
    """A hold of 1 point."""
    holds = district.acting("T1").holds
    return holds.place(account=account, points=Points(1), store="P1", hours=240)


def beside_a_hold(founded: Callable[..., District]) -> tuple[District, int, Any, Any]:
    """A hold on the older point, and 1 point spent."""
    district, account = two_ages(founded)
    return district, account, on_the_older(district, account), spend(district, account, 2)


def test_what_was_spent_beside_a_hold_comes_back_with_the_dates_behind_it(
    founded: Callable[..., District],
) -> None:
    district, account, hold, taken = beside_a_hold(founded)
    district.acting("T1").holds.capture(hold=hold.hold_id)
    district.clock.advance(days=15)  # the older point is dead, and it was the hold's
    back = give_back(district, taken.redemption_id, quantity=1)
    assert (back.points, back.expired) == (HALF, 0)
    assert give_back(district, taken.redemption_id).expired == 0
    assert district.bank.reports.customer_summary(account).available == Points("1.50")
    assert district.bank.verify().is_clean
    capture = next(
        n for n, (kind, _) in enumerate(lines(district, account), 1) if kind == "capture"
    )
    reversed_ = district.acting("K1").reversals.reverse_line(
        account=account, line_no=capture, reason="退货", second_person="K1b"
    )
    assert (reversed_.part.points, reversed_.part.expired) == (1, 1)
    assert district.bank.verify().is_clean


def test_each_part_of_a_hold_comes_back_with_the_dates_of_its_own_points(
    founded: Callable[..., District],
) -> None:
    district = founded(PointsExpiry(mode="months", length=1))
    account = saver(district, 60)
    district.clock.advance(days=20)
    district.serve(account, "11-01 08:00", 60)
    teller = district.acting("T1")
    reserved = teller.redemptions.reserve(account=account, store="P1", sku="A", quantity=3)
    first = teller.redemptions.capture(redemption=reserved.redemption_id, quantity=2)
    last = teller.redemptions.capture(redemption=reserved.redemption_id)
    assert first.part_id != last.part_id == reserved.redemption_id
    district.clock.advance(days=15)
    assert give_back(district, last.part_id).expired == 0
    assert give_back(district, first.part_id).expired == 1
    assert district.bank.verify().is_clean


def test_goods_reserved_beside_a_hold_come_back_with_the_dates_behind_it(
    founded: Callable[..., District],
) -> None:
    """They are handed over first, so their line has the numbers that the hold was placed on."""
    district, account = two_ages(founded)
    hold = on_the_older(district, account)
    desk = district.acting("T1").redemptions
    reserved = desk.reserve(account=account, store="P1", sku="A", quantity=2)
    desk.capture(redemption=reserved.redemption_id)
    district.acting("T1").holds.capture(hold=hold.hold_id)
    district.clock.advance(days=15)  # the older point is dead, and it was the hold's
    back = give_back(district, reserved.redemption_id)
    assert (back.points, back.expired) == (1, 0)
    assert district.bank.reports.customer_summary(account).available == Points("1.50")
    assert district.bank.verify().is_clean


def test_goods_reserved_before_others_were_taken_come_back_with_their_own_dates(
    founded: Callable[..., District],
) -> None:
    """They are handed over last, so their line has the numbers of younger points."""
    district, account = two_ages(founded)
    desk = district.acting("T1").redemptions
    reserved = desk.reserve(account=account, store="P1", sku="A", quantity=2)
    spent = spend(district, account, 2)
    desk.capture(redemption=reserved.redemption_id)
    district.clock.advance(days=15)
    first = give_back(district, reserved.redemption_id, quantity=1)
    assert (first.points, first.expired, first.line_no) == (HALF, HALF, None)
    assert give_back(district, reserved.redemption_id).expired == HALF
    assert give_back(district, spent.redemption_id).expired == 0
    assert district.bank.reports.customer_summary(account).available == Points("1.50")
    assert district.bank.verify().is_clean


def test_a_hold_that_was_captured_by_many_is_told_from_others_by_its_account(
    founded: Callable[..., District],
) -> None:
    district = founded(PointsExpiry(mode="months", length=1))
    teller, accounts = district.acting("T1"), [saver(district, 60), saver(district, 60)]
    district.clock.advance(days=20)
    for account in accounts:
        district.serve(account, "11-01 08:00", 60)
    # Of the one account the hold is on the older point, of the other on the younger.
    spend(district, accounts[1], 2)
    holds = [
        teller.holds.place(account=account, points=Points(1), store="P1").hold_id
        for account in accounts
    ]
    wanted = tuple(HoldCapture(hold=hold_id) for hold_id in holds)
    captured = teller.holds.capture_many(captures=wanted)
    district.clock.advance(days=15)
    back = district.acting("K1").reversals.reverse_voucher(
        voucher=captured.voucher_id, reason="退货", second_person="K1b"
    )
    assert {part.account: part.expired for part in back.parts} == {accounts[0]: 1, accounts[1]: 0}
    assert district.bank.verify().is_clean


def test_a_refund_settles_a_debt_first(founded: Callable[..., District]) -> None:
    district = founded(ReversalRules(spent="debt"))
    account = saver(district, 120)
    taken = spend(district, account, 3)
    district.acting("K1").reversals.reverse_line(
        account=account, line_no=1, reason="误记", second_person="K1b"
    )
    assert give_back(district, taken.redemption_id, quantity=1).balance == -1
    assert district.bank.reports.customer_summary(account).available == 0
    assert give_back(district, taken.redemption_id).balance == 0
    assert district.bank.verify().is_clean


def test_the_indicator_is_net_of_what_came_back_in_the_same_period(
    founded: Callable[..., District],
) -> None:
    district = founded()
    account = saver(district, 120)
    taken = spend(district, account, 3)

    def redeemed(period: str) -> Points:
        rows = district.bank.ratings.indicators(period).rows
        return next(row.points_redeemed for row in rows if row.outlet_code == "B01S01")

    give_back(district, taken.redemption_id, quantity=1)
    assert redeemed("2022-10") == 1
    district.clock.advance(days=31)
    give_back(district, taken.redemption_id, quantity=1)
    assert redeemed("2022-10") == 1
    assert redeemed("2022-11") == -HALF
    assert redeemed("2022") == HALF


def test_refusals_come_in_their_order(founded: Callable[..., District]) -> None:
    district = founded()
    account = saver(district, 120)
    taken = spend(district, account, 1).redemption_id
    desk = district.acting("T1").redemptions
    waiting = desk.reserve(account=account, store="P1", sku="A").redemption_id
    own = Appointment(code="OWN", role="teller", outlet="B01S01", own_account=account)
    district.bank.staff.appoint(appointments=[own])
    wrong: list[tuple[type[GongyiBankError], str, dict[str, Any]]] = [
        (UnknownRedemption, "T3", {"redemption": uuid4()}),
        (NotPermitted, "T3", {"second_person": "T3"}),
        (UnknownStaff, "OWN", {"second_person": "nobody"}),
        (FourEyesRequired, "OWN", {"second_person": "OWN"}),
        (FourEyesRequired, "OWN", {"redemption": waiting}),
        (GoodsNotGiven, "T1", {"redemption": waiting, "quantity": 9}),
        (GoodsReturned, "T1", {"quantity": 2}),
    ]
    before = everything(district.bank)
    for refusal, staff, fields in wrong:
        given = {"redemption": taken, **TWO} | fields
        with pytest.raises(refusal) as caught:
            district.acting(staff).redemptions.refund(**given)
        assert type(caught.value) is refusal
    assert everything(district.bank) == before
    desk.release(redemption=waiting, reason="不要了")
    district.bank.accounts.close(
        account=account, balance_to="pool", reason="迁出", second_person="ADM2"
    )
    with pytest.raises(AccountClosed):
        give_back(district, taken, quantity=2)


def test_a_store_that_left_still_takes_its_goods_back(founded: Callable[..., District]) -> None:
    district = founded()
    taken = spend(district, saver(district, 120), 1)
    district.clock.advance(days=1)
    district.bank.stores.leave(store="P1", reason="歇业")
    assert give_back(district, taken.redemption_id).business_day == dt.date(2022, 10, 16)
    assert district.bank.verify().is_clean


def test_where_more_came_back_than_was_given_out_the_figure_scores_nothing(
    founded: Callable[..., District],
) -> None:
    district = founded()
    taken = spend(district, saver(district, 120), 2)
    district.clock.advance(days=31)
    give_back(district, taken.redemption_id)
    league = district.bank.ratings.outlet_league("2022-11")
    (mine,) = [one for one in league.standings if one.indicators.outlet_code == "B01S01"]
    assert (mine.indicators.points_redeemed, mine.scores[3]) == (Points(-1), 0)
