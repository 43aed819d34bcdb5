"""Points put aside for a store: captured in parts, extended, released, swept; on every engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.commands.holds import HoldCapture
from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.errors import (
    AccountFrozen,
    AccountNotEmpty,
    HoldExceeded,
    HoldLapsed,
    HoldOfReservation,
    HoldSettled,
    HoldTooLong,
    IdempotencyConflict,
    InsufficientPoints,
    InvalidValue,
    NotPermitted,
    RedemptionSettled,
    Refused,
    ReservationExceeded,
    ReservationLapsed,
    UnknownHold,
)
from gongyi_bank.policies import HoldRules, PointsExpiry
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.store.tables import account_head, account_line, hold, hold_event, redemption
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_redemptions import books, require_books_agree, saver
from tests.service.test_statement_counts import statements
from tests.service.test_stores import a_shop, new_offer, new_store

HOUR = dt.timedelta(hours=1)


def require_holds_agree(district: District) -> None:
    """Heads, holds, steps and lines say the same; stock and reservations too."""
    require_books_agree(district)
    with district.bank.engine.connect() as connection:
        captured = dict(
            map(tuple, connection.execute(sa.select(hold.c.hold_id, hold.c.captured)).all())
        )
        steps = connection.execute(
            sa.select(hold_event.c.hold_id, hold_event.c.amount).where(
                hold_event.c.kind == "captured"
            )
        ).all()
    for hold_id, amount in captured.items():
        assert amount == sum(row[1] for row in steps if row[0] == hold_id)
    found = district.bank.verify()
    assert found.is_clean, str(found)


def test_a_hold_keeps_points_until_they_are_captured_in_parts(district: District) -> None:
    a_shop(district)
    account = saver(district)
    desk = district.acting("T1").holds
    placed = desk.place(account=account, points=Points("1.50"), store="P1")
    assert (placed.balance, placed.available) == (Points(2), Points("0.50"))
    assert placed.deadline_at == district.clock.now + 72 * HOUR
    with pytest.raises(InsufficientPoints):
        district.bank.redemptions.redeem(account=account, store="P1", sku="A", quantity=2)
    first = desk.capture(hold=placed.hold_id, points=Points("0.40"))
    assert (first.state, first.points_left, first.balance) == (
        "held",
        Points("1.10"),
        Points("1.6"),
    )
    with pytest.raises(HoldExceeded):
        desk.capture(hold=placed.hold_id, points=Points("1.11"))
    second = desk.capture(hold=placed.hold_id)
    assert (second.state, second.points, second.line_no) == ("captured", Points("1.10"), 3)
    for act in (desk.capture, lambda **f: desk.release(reason="改期", **f)):
        with pytest.raises(HoldSettled):
            act(hold=placed.hold_id)
    with district.bank.engine.connect() as connection:
        lines = connection.execute(
            sa.select(account_line.c.kind, account_line.c.amount, account_line.c.contra_no)
            .where(account_line.c.account_no == account, account_line.c.line_no > 1)
            .order_by(account_line.c.line_no)
        ).all()
    store_no = internal_no("store", 1)
    assert [tuple(line) for line in lines] == [
        ("capture", -40, store_no), ("capture", -110, store_no),
    ]  # fmt: skip
    require_holds_agree(district)


def test_a_release_gives_the_rest_free_and_no_more(district: District) -> None:
    a_shop(district)
    account = saver(district)
    desk = district.bank.holds
    placed = desk.place(account=account, points=Points(2), store="P1")
    desk.capture(hold=placed.hold_id, points=Points("0.50"))
    released = desk.release(hold=placed.hold_id, reason="不要了")
    assert (released.state, released.points, released.balance) == (
        "released", Points("1.50"), Points("1.50"),
    )  # fmt: skip
    assert desk.place(account=account, points=Points("1.50"), store="P1").available == Points(0)
    require_holds_agree(district)


def test_the_deadline_itself_is_lapsed_before_and_after_a_sweep(district: District) -> None:
    a_shop(district)
    account = saver(district)
    desk = district.bank.holds
    made = [
        desk.place(account=account, points=Points("0.50"), store="P1", hours=hours).hold_id
        for hours in (1, 2)
    ]
    district.clock.advance(hours=1)
    later = district.clock.now + 5 * HOUR
    for _ in ("before", "after"):
        with pytest.raises((HoldLapsed, HoldSettled)):
            desk.capture(hold=made[0])
        with pytest.raises((HoldLapsed, HoldSettled)):
            desk.extend(hold=made[0], deadline_at=later)
        assert sorted(row["state"] for row in desk.of(account)) == ["held", "lapsed"]
        swept = desk.lapse_overdue()
    assert swept.hold_ids == ()
    district.clock.now += HOUR - dt.timedelta(microseconds=1)
    assert desk.capture(hold=made[1]).state == "captured"
    require_holds_agree(district)


def test_a_sweep_takes_holds_and_reservations_alike(district: District) -> None:
    a_shop(district)
    account = saver(district)
    district.bank.redemptions.reserve(account=account, store="P1", sku="A", quantity=2)
    part = district.bank.redemptions.reserve(account=account, store="P1", sku="A", quantity=2)
    district.bank.redemptions.release(redemption=part.redemption_id, reason="改期")
    placed = district.bank.holds.place(account=account, points=Points("0.25"), store="P1")
    assert district.acting("T3").holds.lapse_overdue().voucher_id is None
    district.clock.advance(hours=72)
    assert [row["state"] for row in district.bank.holds.list()] == ["lapsed", "lapsed"]
    one = district.bank.holds.lapse_overdue(count_max=1)
    rest = district.acting("T3").holds.lapse_overdue()
    assert len(one.hold_ids) == len(rest.hold_ids) == 1
    assert one.points + rest.points == Points("1.25")
    with pytest.raises(HoldSettled):
        district.bank.holds.release(hold=placed.hold_id, reason="改期")
    assert len(district.bank.holds.list()) == 0
    require_holds_agree(district)


def test_whatever_a_customer_does_next_finds_a_lapsed_hold_free(district: District) -> None:
    a_shop(district)
    account = saver(district)
    desk = district.bank.holds
    desk.place(account=account, points=Points(2), store="P1")
    district.clock.advance(hours=72)
    again = desk.place(account=account, points=Points("1.50"), store="P1")
    assert desk.lapse_overdue().hold_ids == ()
    district.clock.advance(hours=72)
    redeemed = district.bank.redemptions.redeem(account=account, store="P1", sku="A", quantity=4)
    assert redeemed.balance == Points(0)
    with pytest.raises(HoldSettled):
        desk.capture(hold=again.hold_id)
    require_holds_agree(district)


def test_a_hold_is_extended_up_to_its_longest_life(engine_url: str) -> None:
    district = District(engine_url, policies=(HoldRules(hours=24, hours_max=48),))
    a_shop(district)
    desk = district.bank.holds
    placed = desk.place(account=saver(district), points=Points(1), store="P1")
    assert placed.latest_at == placed.deadline_at + 24 * HOUR
    with pytest.raises(HoldTooLong):
        desk.extend(hold=placed.hold_id, deadline_at=placed.latest_at + HOUR)
    with pytest.raises(InvalidValue):
        desk.extend(hold=placed.hold_id, deadline_at=placed.deadline_at)
    extended = desk.extend(hold=placed.hold_id, deadline_at=placed.latest_at)
    assert (extended.deadline_at, extended.points) == (placed.latest_at, Points(1))
    district.clock.advance(hours=47)
    assert desk.capture(hold=placed.hold_id).state == "captured"
    require_holds_agree(district)
    district.close()


def test_a_reference_answers_again_and_refuses_other_content(district: District) -> None:
    a_shop(district)
    account = saver(district)
    desk = district.bank.holds
    wish: dict[str, Any] = {"account": account, "points": Points(1), "store": "P1", "ref": "R1"}
    first = desk.place(**wish)
    desk.extend(hold=first.hold_id, deadline_at=first.deadline_at + HOUR)
    desk.capture(hold=first.hold_id, points=Points("0.25"))
    district.clock.advance(days=1)
    assert desk.place(**wish) == first
    with pytest.raises(IdempotencyConflict):
        desk.place(**wish | {"points": Points("1.01")})
    with pytest.raises(UnknownHold):
        desk.capture(hold=uuid4())
    require_holds_agree(district)


def test_a_key_answers_again_and_captures_once(district: District) -> None:
    a_shop(district)
    desk = district.bank.holds
    placed = desk.place(account=saver(district), points=Points(1), store="P1")
    wish: dict[str, Any] = {"hold": placed.hold_id, "points": Points("0.25")}
    first = desk.capture(**wish, idempotency_key="K1")
    assert desk.capture(**wish, idempotency_key="K1") == first
    assert desk.capture(**wish).points_left == Points("0.50")
    require_holds_agree(district)


def test_the_store_s_outlet_handles_a_hold_and_a_clerk_only_their_own(district: District) -> None:
    a_shop(district)
    district.bank.stores.recruit(stores=[new_store("P2")])
    clerk = Appointment(code="C1", role="store_clerk", outlet="B01S01", store="P1")
    district.bank.staff.appoint(appointments=[clerk])
    account = saver(district, outlet="B02S01")
    with pytest.raises(NotPermitted):
        district.acting("T3").holds.place(account=account, points=Points(1), store="P1")
    desk = district.acting("C1").holds
    mine = desk.place(account=account, points=Points("0.50"), store="P1")
    other = district.acting("T1").holds.place(account=account, points=Points("0.50"), store="P2")
    assert desk.capture(hold=mine.hold_id).state == "captured"
    with pytest.raises(NotPermitted):
        desk.capture(hold=other.hold_id)
    with pytest.raises(NotPermitted):
        desk.place(account=account, points=Points("0.50"), store="P2")
    with pytest.raises(NotPermitted):
        desk.lapse_overdue()


def test_a_hold_outlives_the_store_but_not_a_freeze(district: District) -> None:
    a_shop(district)
    account = saver(district)
    desk = district.bank.holds
    placed = desk.place(account=account, points=Points(1), store="P1")
    district.bank.stores.leave(store="P1", reason="歇业")
    with pytest.raises(AccountNotEmpty):
        district.bank.accounts.close(
            account=account, balance_to="pool", reason="迁出", second_person="ADM2"
        )
    district.bank.accounts.freeze(account=account, reason="核实中")
    with pytest.raises(AccountFrozen):
        desk.capture(hold=placed.hold_id, points=Points("0.50"))
    district.bank.accounts.unfreeze(account=account, reason="核实完毕")
    assert desk.capture(hold=placed.hold_id).state == "captured"
    require_holds_agree(district)


# --- lists -------------------------------------------------------------------------------------


def test_a_list_of_captures_is_all_or_none_and_may_name_a_hold_twice(district: District) -> None:
    a_shop(district)
    desk = district.bank.holds
    first, second = (
        desk.place(account=saver(district), points=Points(1), store="P1").hold_id for _ in "ab"
    )
    part = HoldCapture(hold=first, points=Points("0.25"))
    before = books(district)
    too_much = HoldCapture(hold=first, points=Points("0.76"))
    for wrong, error in ((HoldCapture(hold=uuid4()), UnknownHold), (too_much, HoldExceeded)):
        with pytest.raises(error):
            desk.capture_many(captures=[part, wrong])
        assert books(district) == before
    done = desk.capture_many(captures=[part, HoldCapture(hold=second), HoldCapture(hold=first)])
    shown = [(p.points, p.points_left, p.state, p.line_no) for p in done.parts]
    assert shown == [
        (Points("0.25"), Points("0.75"), "held", 2), (Points(1), Points(0), "captured", 2),
        (Points("0.75"), Points(0), "captured", 3),
    ]  # fmt: skip
    assert type(done).from_json(done.to_json()) == done
    require_holds_agree(district)


def test_a_list_of_releases_is_all_or_none(district: District) -> None:
    a_shop(district)
    desk = district.bank.holds
    account = saver(district)
    made = [
        desk.place(account=account, points=Points("0.50"), store="P1").hold_id for _ in range(3)
    ]
    desk.release(hold=made[2], reason="改期")
    with pytest.raises(HoldSettled):
        desk.release_many(holds=made, reason="改期")
    done = desk.release_many(holds=made[:2], reason="改期")
    assert [part.state for part in done.parts] == ["released", "released"]
    with pytest.raises(HoldSettled):
        desk.release_many(holds=made[:1] * 2, reason="改期")
    require_holds_agree(district)


def test_lists_and_sweeps_cost_no_statement_per_hold(district: District) -> None:
    a_shop(district)
    desk = district.bank.holds
    accounts = [saver(district) for _ in range(20)]

    def placed(count: int) -> list[Any]:
        return [
            desk.place(account=a, points=Points("0.01"), store="P1", hours=1).hold_id
            for a in accounts[:count]
        ]

    def cost(*acts: Any) -> list[int]:
        counts = []
        for act in acts:
            with statements(district.bank) as seen:
                act()
            counts.append(len(seen))
        return counts

    one, many = placed(1), placed(20)
    few, lot = cost(
        lambda: desk.capture_many(captures=[HoldCapture(hold=one[0])]),
        lambda: desk.capture_many(captures=[HoldCapture(hold=hold) for hold in many]),
    )
    assert few == lot
    one, many = placed(1), placed(20)
    few, lot = cost(
        lambda: desk.release_many(holds=one, reason="改期"),
        lambda: desk.release_many(holds=many, reason="改期"),
    )
    assert few == lot
    placed(1)
    district.clock.advance(hours=1)
    (few,) = cost(desk.lapse_overdue)
    placed(20)
    district.clock.advance(hours=1)
    assert cost(desk.lapse_overdue) == [few]
    require_holds_agree(district)


def test_holds_are_listed_page_by_page_and_by_account(district: District) -> None:
    a_shop(district)
    desk = district.bank.holds
    accounts = [saver(district) for _ in range(2)]
    made = [
        desk.place(account=accounts[i % 2], points=Points("0.25"), store="P1", hours=1 + i // 2)
        for i in range(6)
    ]
    whole = [row["hold_id"] for row in desk.list()]
    assert set(whole) == {placed.hold_id for placed in made}
    paged: list[Any] = []
    after = None
    while page := list(desk.list(after=after, count_max=2)):
        paged += [row["hold_id"] for row in page]
        after = (page[-1]["deadline_at"], page[-1]["hold_id"])
    assert paged == whole
    assert len(desk.of(accounts[0])) == 3
    for count_max in (0, True, "7"):
        with pytest.raises(InvalidValue):
            desk.of(accounts[0], count_max=count_max)


# --- reservations in parts ---------------------------------------------------------------------


def test_a_reservation_is_captured_in_parts_each_a_redemption_of_its_own(
    district: District,
) -> None:
    a_shop(district)
    account = saver(district)
    desk = district.bank.redemptions
    wish: dict[str, Any] = {
        "account": account, "store": "P1", "sku": "A", "quantity": 4, "ref": "R1",
    }  # fmt: skip
    reserved = desk.reserve(**wish)
    with pytest.raises(HoldOfReservation):
        district.bank.holds.capture(hold=reserved.redemption_id)
    first = desk.capture(redemption=reserved.redemption_id, quantity=1)
    assert (first.state, first.quantity_left, first.points) == ("reserved", 3, Points("0.50"))
    assert first.part_id != reserved.redemption_id
    extended = desk.extend(
        redemption=reserved.redemption_id, deadline_at=reserved.deadline_at + HOUR
    )
    assert extended.latest_at == reserved.latest_at
    assert desk.reserve(**wish) == reserved
    district.clock.advance(hours=72)
    with pytest.raises(ReservationExceeded):
        desk.capture(redemption=reserved.redemption_id, quantity=4)
    desk.capture(redemption=reserved.redemption_id, quantity=2)
    assert first.part_id is not None
    with pytest.raises(RedemptionSettled):
        desk.capture(redemption=first.part_id)
    assert [(row["quantity"], row["points"]) for row in desk.reserved()] == [(1, Points("0.50"))]
    last = desk.capture(redemption=reserved.redemption_id)
    assert (last.state, last.part_id, last.quantity_left) == (
        "captured", reserved.redemption_id, 0,
    )  # fmt: skip
    with district.bank.engine.connect() as connection:
        rows = connection.execute(
            sa.select(redemption.c.quantity, redemption.c.points, redemption.c.state).order_by(
                redemption.c.line_no
            )
        ).all()
    assert [tuple(row) for row in rows] == [
        (1, 50, "captured"), (2, 100, "captured"), (1, 50, "captured"),
    ]  # fmt: skip
    assert district.bank.reports.explain(account, 3).quantity == 2
    require_holds_agree(district)


@pytest.mark.parametrize("end", ["release", "lapse"])
def test_what_is_left_of_a_reservation_is_given_free(district: District, end: str) -> None:
    a_shop(district)
    account = saver(district)
    desk = district.bank.redemptions
    reserved = desk.reserve(account=account, store="P1", sku="A", quantity=4)
    desk.capture(redemption=reserved.redemption_id, quantity=3)
    if end == "release":
        released = desk.release(redemption=reserved.redemption_id, reason="改期")
        assert (released.quantity, released.points) == (1, Points("0.50"))
    else:
        district.clock.advance(hours=72)
        with pytest.raises(ReservationLapsed):
            desk.extend(redemption=reserved.redemption_id, deadline_at=district.clock.now + HOUR)
        assert district.bank.holds.lapse_overdue().points == Points("0.50")
    assert [row["stock"] for row in district.bank.stores.offers()] == [2]
    require_holds_agree(district)


# --- points that pass their date ---------------------------------------------------------------


@pytest.fixture
def expiring(engine_url: str) -> Iterator[District]:
    """A district whose points live for one month, a little shop, and its clock."""
    made = District(engine_url, policies=(PointsExpiry(mode="months", length=1),))
    a_shop(made, new_offer(stock=50))
    yield made
    made.close()


@pytest.mark.parametrize("end", ["capture", "release", "lapse"])
def test_held_points_are_honoured_and_expire_with_the_act_that_frees_them(
    expiring: District, end: str
) -> None:
    account = saver(expiring)
    expiring.clock.now = dt.datetime(2022, 11, 14, 4, tzinfo=dt.UTC)
    desk = expiring.bank.holds
    placed = desk.place(account=account, points=Points("1.50"), store="P1", hours=50)
    expiring.clock.advance(days=2)
    part = desk.capture(hold=placed.hold_id, points=Points("0.50"))
    # 1.00 is still held and honoured; the 0.50 that nobody held are past their date.
    assert part.balance == Points(1)
    if end == "capture":
        assert desk.capture(hold=placed.hold_id).balance == Points(0)
    elif end == "release":
        assert desk.release(hold=placed.hold_id, reason="改期").balance == Points(0)
    else:
        expiring.clock.advance(hours=2)
        desk.lapse_overdue()
    kinds = ["service", "expiry", "capture", "capture" if end == "capture" else "expiry"]
    with expiring.bank.engine.connect() as connection:
        found = connection.execute(
            sa.select(account_line.c.kind, account_head.c.held)
            .join(account_head, account_head.c.account_no == account_line.c.account_no)
            .order_by(account_line.c.line_no)
        ).all()
    assert [tuple(row) for row in found] == [(kind, 0) for kind in kinds]
    require_holds_agree(expiring)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["place", "reserve", "capture", "part", "extend", "release", "wait", "sweep", "redeem"]
        ),
        st.integers(0, 1), st.integers(1, 3),
    ),
    min_size=1, max_size=14,
)  # fmt: skip


@given(steps=STEPS)
def test_whatever_happens_to_holds_the_books_agree(steps: list[tuple[str, int, int]]) -> None:
    district = District("sqlite://", policies=(PointsExpiry(mode="months", length=1),))
    a_shop(district, new_offer(stock=9))
    accounts = [saver(district), saver(district, 180)]
    district.clock.now = dt.datetime(2022, 11, 13, 4, tzinfo=dt.UTC)
    holds, redemptions = district.bank.holds, district.bank.redemptions
    made: list[tuple[Any, Any, bool]] = []
    for step, who, count in steps:
        points = Points.of_units(count * 37, 2)
        one, deadline_at, has_goods = made[count % len(made)] if made else (uuid4(), None, False)
        name = {"redemption" if has_goods else "hold": one}
        desk: Any = redemptions if has_goods else holds
        try:
            if step == "place":
                receipt = holds.place(account=accounts[who], points=points, store="P1")
                made.append((receipt.hold_id, receipt.deadline_at, False))
            elif step == "reserve":
                goods = redemptions.reserve(
                    account=accounts[who], store="P1", sku="A", quantity=count
                )
                made.append((goods.redemption_id, goods.deadline_at, True))
            elif step == "capture":
                desk.capture(**name)
            elif step == "part":
                desk.capture(**name, **({"quantity": 1} if has_goods else {"points": points}))
            elif step == "extend" and deadline_at is not None:
                desk.extend(**name, deadline_at=deadline_at + count * HOUR)
            elif step == "release":
                desk.release(**name, reason="改期")
            elif step == "redeem":
                redemptions.redeem(account=accounts[who], store="P1", sku="A", quantity=count)
            elif step == "wait":
                district.clock.advance(days=count)
            elif step == "sweep":
                holds.lapse_overdue()
        except (Refused, InvalidValue):
            pass
    require_holds_agree(district)
    district.close()
