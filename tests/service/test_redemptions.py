"""Goods for points, at once and by reservation, on every engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.errors import (
    AccountFrozen,
    GongyiBankError,
    IdempotencyConflict,
    InsufficientPoints,
    InvalidValue,
    NotPermitted,
    OfferWithdrawn,
    OutOfStock,
    PassbookFrozen,
    RedemptionSettled,
    Refused,
    ReservationLapsed,
    StoreClosed,
    UnknownRedemption,
)
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.receipts.hours import ManyRecorded
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.store.tables import (
    account_head,
    account_line,
    hold,
    offer,
    redemption,
    stock_move,
)
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_stores import a_shop, new_offer, new_store, require_stock_agrees

HALF = Points("0.50")


def saver(district: District, minutes: int = 120, **fields: Any) -> int:
    """A volunteer of B01S01 with so many minutes credited at 1 point per hour."""
    account: int = district.customer(**fields)
    district.serve(account, "10-03 08:00", minutes)
    return account


def books(district: District) -> dict[str, list[tuple[Any, ...]]]:
    """What the books say, without ids, vouchers, hashes and times."""
    kept = {
        account_head: ("account_no", "credited", "debited", "held", "line_no"),
        account_line: ("account_no", "line_no", "kind", "amount", "contra_no", "value_on"),
        offer: ("store_no", "sku", "stock", "reserved"),
        redemption: ("account_no", "sku", "quantity", "points", "state", "ref", "line_no"),
    }
    with district.bank.engine.connect() as connection:
        return {
            table.name: sorted(
                map(tuple, connection.execute(sa.select(*(table.c[name] for name in names)))),
                key=str,
            )
            for table, names in kept.items()
        }


def require_books_agree(district: District) -> None:
    """Stock, reserved pieces, held points and lines say the same."""
    require_stock_agrees(district)
    with district.bank.engine.connect() as connection:
        taken = connection.execute(
            sa.select(redemption.c.store_no, redemption.c.sku, redemption.c.quantity).where(
                redemption.c.state == "reserved"
            )
        ).all()
        reserved = connection.execute(sa.select(offer.c.store_no, offer.c.sku, offer.c.reserved))
        for store_no, sku, count in reserved:
            assert count == sum(row[2] for row in taken if (row[0], row[1]) == (store_no, sku))
        held = connection.execute(
            sa.select(hold.c.account_no, hold.c.amount - hold.c.captured).where(
                hold.c.state == "held"
            )
        ).all()
        for account_no, amount in connection.execute(
            sa.select(account_head.c.account_no, account_head.c.held)
        ):
            assert amount == sum(row[1] for row in held if row[0] == account_no)
        lines = connection.execute(
            sa.select(
                account_line.c.account_no, account_line.c.line_no, -account_line.c.amount
            ).where(account_line.c.kind == "redemption")
        ).all()
        paid = connection.execute(
            sa.select(redemption.c.account_no, redemption.c.line_no, redemption.c.points).where(
                redemption.c.state.in_(["redeemed", "captured"])
            )
        ).all()
        assert sorted(map(tuple, lines)) == sorted(map(tuple, paid))


def test_a_redemption_debits_the_book_takes_stock_and_credits_the_store(
    district: District,
) -> None:
    a_shop(district)
    account = saver(district)
    receipt = district.acting("T1").redemptions.redeem(
        account=account, store="P1", sku="A", quantity=3, redeemed_on=dt.date(2022, 10, 14)
    )
    assert (receipt.points, receipt.balance, receipt.line_no) == (Points("1.50"), HALF, 2)
    with district.bank.engine.connect() as connection:
        line = connection.execute(
            sa.select(
                account_line.c.amount, account_line.c.contra_no, account_line.c.value_on,
                account_line.c.kind,
            ).where(account_line.c.line_no == 2)
        ).one()  # fmt: skip
        move = connection.scalars(
            sa.select(stock_move.c.quantity).where(
                stock_move.c.voucher_id == receipt.voucher_id.bytes
            )
        ).one()
    day = dt.date(2022, 10, 14)
    assert tuple(line) == (-150, internal_no("store", 1), day, "redemption")
    assert move == -3
    require_books_agree(district)


def test_a_customer_is_served_anywhere_but_only_by_staff_of_the_store_s_outlet(
    district: District,
) -> None:
    a_shop(district)
    account = saver(district, outlet="B02S01")
    with pytest.raises(NotPermitted):
        district.acting("T3").redemptions.redeem(account=account, store="P1", sku="A")
    assert district.acting("T1").redemptions.redeem(account=account, store="P1", sku="A")


def test_a_clerk_redeems_only_at_their_own_store(district: District) -> None:
    a_shop(district)
    district.bank.stores.recruit(stores=[new_store("P2")])
    district.bank.stores.publish_offers(offers=[new_offer("P2")])
    clerk = Appointment(code="C1", role="store_clerk", outlet="B01S01", store="P1")
    district.bank.staff.appoint(appointments=[clerk])
    account = saver(district)
    desk = district.acting("C1").redemptions
    assert desk.redeem(account=account, store="P1", sku="A").balance == Points("1.50")
    assert desk.redeem_many(rows=[RedemptionRow(account=account, store="P1", sku="A")]).voucher_id
    with pytest.raises(NotPermitted):
        desk.redeem(account=account, store="P2", sku="A")


@pytest.mark.parametrize(
    ("quantity", "outcome"), [(4, None), (5, None), (6, OutOfStock)], ids=["less", "equal", "more"]
)
def test_the_last_piece_may_be_taken_and_no_more(
    district: District, quantity: int, outcome: type[GongyiBankError] | None
) -> None:
    a_shop(district)
    account = saver(district, 240)
    before = books(district)
    if outcome is None:
        district.bank.redemptions.redeem(account=account, store="P1", sku="A", quantity=quantity)
        assert [row["stock"] for row in district.bank.stores.offers()] == [5 - quantity]
    else:
        with pytest.raises(outcome):
            district.bank.redemptions.redeem(
                account=account, store="P1", sku="A", quantity=quantity
            )
        assert books(district) == before
    require_books_agree(district)


@pytest.mark.parametrize(("price", "enough"), [("1.99", True), ("2.00", True), ("2.01", False)])
def test_the_last_hundredth_may_be_spent_and_no_more(
    district: District, price: str, enough: bool
) -> None:
    a_shop(district, new_offer(points=Points(price)))
    account = saver(district)
    if enough:
        receipt = district.bank.redemptions.redeem(account=account, store="P1", sku="A")
        assert receipt.balance + Points(price) == Points(2)
    else:
        with pytest.raises(InsufficientPoints):
            district.bank.redemptions.redeem(account=account, store="P1", sku="A")


def test_a_reference_answers_again_and_refuses_other_content(district: District) -> None:
    a_shop(district)
    account = saver(district)
    desk = district.bank.redemptions
    wish = {"account": account, "store": "P1", "sku": "A", "ref": "R1"}
    first = desk.redeem(**wish)
    desk.redeem(**wish | {"ref": "R2"})
    district.clock.advance(days=1)
    assert desk.redeem(**wish) == first
    for other in ({"quantity": 2}, {"redeemed_on": dt.date(2022, 10, 15)}, {"sku": "B"}):
        with pytest.raises(IdempotencyConflict):
            desk.redeem(**wish | other)
    with pytest.raises(IdempotencyConflict):
        desk.reserve(**wish)
    again = desk.redeem_many(rows=[RedemptionRow(**wish)])
    assert (again.outcomes[0].outcome, again.outcomes[0].line_no) == ("replayed", first.line_no)
    assert again.voucher_id is None


def test_nothing_is_redeemed_where_a_state_forbids_it(district: District) -> None:
    a_shop(district, new_offer(), new_offer(sku="B"))
    account = saver(district)
    desk = district.bank.redemptions
    district.bank.accounts.freeze(account=account, reason="核实中")
    with pytest.raises(AccountFrozen):
        desk.redeem(account=account, store="P1", sku="A")
    district.bank.accounts.unfreeze(account=account, reason="核实完毕")
    district.bank.stores.withdraw_offer(store="P1", sku="B", reason="停产")
    with pytest.raises(OfferWithdrawn):
        desk.redeem(account=account, store="P1", sku="B")
    district.bank.stores.leave(store="P1", reason="歇业")
    with pytest.raises(StoreClosed):
        desk.redeem(account=account, store="P1", sku="A")
    yesterday = dt.date(2022, 10, 14)
    assert desk.redeem(account=account, store="P1", sku="A", redeemed_on=yesterday)
    require_books_agree(district)


def test_a_passbook_reported_lost_pays_nothing_until_it_is_found(district: District) -> None:
    a_shop(district)
    account = saver(district)
    reserved = district.bank.redemptions.reserve(account=account, store="P1", sku="A")
    printed = district.bank.passbooks.print_stock(count=1)
    district.bank.passbooks.allot(target="B01", first=printed.first, last=printed.last)
    district.acting("K1").passbooks.allot(target="B01S01", first=printed.first, last=printed.last)
    teller = district.acting("T1")
    teller.passbooks.issue(account=account)
    teller.passbooks.report_loss(account=account, kind="oral")
    with pytest.raises(PassbookFrozen):
        teller.redemptions.redeem(account=account, store="P1", sku="A")
    with pytest.raises(PassbookFrozen):
        teller.redemptions.capture(redemption=reserved.redemption_id)
    teller.passbooks.lift_loss(account=account, reason="已找回")
    assert teller.redemptions.capture(redemption=reserved.redemption_id).line_no == 2
    assert teller.redemptions.redeem(account=account, store="P1", sku="A").line_no == 3


def test_a_list_reports_every_row_in_order(district: District) -> None:
    a_shop(district)
    account = saver(district, ref="C1")
    rows = [
        RedemptionRow(customer_ref="C1", store="P1", sku="A", quantity=2, ref="R1"),
        RedemptionRow(customer_ref="C1", store="P1", sku="A", quantity=2, ref="R1"),
        RedemptionRow(customer_ref="C9", store="P1", sku="A", ref="R2"),
        RedemptionRow(account=account, store="P1", sku="A", quantity=4, ref="R3"),
        RedemptionRow(account=account, store="P1", sku="A", quantity=3, ref="R4"),
        RedemptionRow(account=account, store="P1", sku="A", quantity=2, ref="R5"),
    ]
    done = district.bank.redemptions.redeem_many(rows=rows)
    shown = [(o.outcome, o.line_no, o.points, o.balance) for o in done.outcomes]
    assert shown[0] == ("redeemed", 2, Points(1), Points(1))
    assert shown[1] == ("replayed", 2, Points(1), None)
    assert [o.error and o.error.code for o in done.outcomes] == [
        None, None, "unknown_customer", "out_of_stock", "insufficient_points", None,
    ]  # fmt: skip
    assert shown[5] == ("redeemed", 3, Points(1), Points(0))
    assert ManyRecorded.from_json(done.to_json()) == done
    with district.bank.engine.connect() as connection:
        moves = connection.scalars(sa.select(stock_move.c.quantity)).all()
    assert sorted(moves) == [-4, 5]
    require_books_agree(district)


# --- reservations ---------------------------------------------------------------------------


def test_a_reservation_holds_points_and_goods_and_is_captured(district: District) -> None:
    a_shop(district)
    account = saver(district)
    desk = district.bank.redemptions
    reserved = desk.reserve(account=account, store="P1", sku="A", quantity=3, ref="R1")
    assert reserved.deadline_at == district.clock.now + dt.timedelta(hours=72)
    require_books_agree(district)
    with pytest.raises(InsufficientPoints):
        desk.redeem(account=account, store="P1", sku="A", quantity=2)
    with pytest.raises(OutOfStock):
        desk.redeem(account=account, store="P1", sku="A", quantity=3)
    assert desk.reserve(account=account, store="P1", sku="A", quantity=3, ref="R1") == reserved
    district.clock.advance(hours=71, minutes=59)
    captured = desk.capture(redemption=reserved.redemption_id)
    assert (captured.state, captured.points, captured.balance, captured.line_no) == (
        "captured", Points("1.50"), HALF, 2,
    )  # fmt: skip
    with district.bank.engine.connect() as connection:
        day = connection.scalars(sa.select(redemption.c.redeemed_on)).one()
    assert day == captured.business_day == dt.date(2022, 10, 18)
    require_books_agree(district)
    for settle in (desk.capture, lambda **f: desk.release(reason="不要了", **f)):
        with pytest.raises(RedemptionSettled):
            settle(redemption=reserved.redemption_id)


def test_a_released_reservation_gives_everything_back(district: District) -> None:
    a_shop(district)
    account = saver(district)
    before = books(district)
    desk = district.bank.redemptions
    reserved = desk.reserve(account=account, store="P1", sku="A", quantity=3)
    released = desk.release(redemption=reserved.redemption_id, reason="不要了")
    assert (released.state, released.balance, released.line_no) == ("released", Points(2), None)
    after = books(district)
    assert after["gb_redemption"][0][4] == "released"
    for table in ("gb_account_head", "gb_account_line", "gb_offer"):
        assert after[table] == before[table]
    with pytest.raises(RedemptionSettled):
        desk.capture(redemption=reserved.redemption_id)
    require_books_agree(district)


def test_a_lapsed_reservation_cannot_be_captured_before_or_after_the_sweep(
    district: District,
) -> None:
    a_shop(district)
    account = saver(district)
    desk = district.bank.redemptions
    first = desk.reserve(account=account, store="P1", sku="A", quantity=1)
    second = desk.reserve(account=account, store="P1", sku="A", quantity=2)
    assert district.acting("T1").holds.lapse_overdue().voucher_id is None
    district.clock.advance(hours=72)
    assert [row["state"] for row in desk.reserved()] == ["lapsed", "lapsed"]
    with pytest.raises(ReservationLapsed):
        desk.capture(redemption=first.redemption_id)
    one = district.bank.holds.lapse_overdue(count_max=1)
    assert len(one.hold_ids) == 1
    require_books_agree(district)
    rest = district.acting("T3").holds.lapse_overdue()
    assert {*one.hold_ids, *rest.hold_ids} == {
        first.redemption_id, second.redemption_id,
    }  # fmt: skip
    assert one.points + rest.points == Points("1.50")
    with pytest.raises(RedemptionSettled):
        desk.capture(redemption=first.redemption_id)
    assert len(desk.reserved()) == 0
    assert district.bank.holds.lapse_overdue().hold_ids == ()
    require_books_agree(district)


def test_the_customer_s_lapsed_reservation_is_free_again_before_any_sweep(
    district: District,
) -> None:
    a_shop(district)
    account = saver(district)
    desk = district.bank.redemptions
    desk.reserve(account=account, store="P1", sku="A", quantity=4)
    district.clock.advance(hours=72)
    assert desk.redeem(account=account, store="P1", sku="A", quantity=4).balance == Points(0)
    assert district.bank.holds.lapse_overdue().hold_ids == ()
    require_books_agree(district)


def test_a_release_after_the_deadline_says_that_it_had_lapsed(district: District) -> None:
    a_shop(district)
    account = saver(district)
    desk = district.bank.redemptions
    reserved = desk.reserve(account=account, store="P1", sku="A")
    district.clock.advance(hours=73)
    assert desk.release(redemption=reserved.redemption_id, reason="未取").state == "lapsed"


def test_a_reservation_outlives_withdrawal_and_leaving_but_not_a_freeze(
    district: District,
) -> None:
    a_shop(district)
    account = saver(district)
    desk = district.bank.redemptions
    reserved = desk.reserve(account=account, store="P1", sku="A")
    district.bank.stores.withdraw_offer(store="P1", sku="A", reason="停产")
    district.bank.stores.leave(store="P1", reason="歇业")
    district.bank.accounts.freeze(account=account, reason="核实中")
    with pytest.raises(AccountFrozen):
        desk.capture(redemption=reserved.redemption_id)
    district.bank.accounts.unfreeze(account=account, reason="核实完毕")
    assert desk.capture(redemption=reserved.redemption_id).state == "captured"
    with pytest.raises(UnknownRedemption):
        desk.capture(redemption=uuid4())


@pytest.fixture
def expiring(engine_url: str) -> Iterator[District]:
    """A district whose points live for one month, a little shop, and its clock."""
    made = District(engine_url, policies=(PointsExpiry(mode="months", length=1),))
    a_shop(made, new_offer(stock=50))
    yield made
    made.close()


def test_held_points_are_honoured_past_their_date(expiring: District) -> None:
    account = saver(expiring)
    expiring.clock.now = dt.datetime(2022, 11, 14, 4, tzinfo=dt.UTC)
    desk = expiring.bank.redemptions
    reserved = desk.reserve(account=account, store="P1", sku="A", quantity=3)
    expiring.clock.advance(days=2)
    captured = desk.capture(redemption=reserved.redemption_id)
    # 2.00 in the book: 1.50 were held and are honoured, the other 0.50 are past their date.
    assert (captured.balance, captured.line_no) == (Points(0), 3)
    require_books_agree(expiring)


def test_points_past_their_date_expire_when_a_hold_ends(expiring: District) -> None:
    account = saver(expiring)
    expiring.clock.now = dt.datetime(2022, 11, 14, 4, tzinfo=dt.UTC)
    desk = expiring.bank.redemptions
    reserved = desk.reserve(account=account, store="P1", sku="A", quantity=3)
    expiring.clock.advance(days=2)
    released = desk.release(redemption=reserved.redemption_id, reason="不要了")
    assert released.balance == Points(0)
    require_books_agree(expiring)


def test_a_reservation_holds_live_points_only(expiring: District) -> None:
    account = saver(expiring)
    expiring.clock.now = dt.datetime(2022, 11, 16, 4, tzinfo=dt.UTC)
    desk = expiring.bank.redemptions
    with pytest.raises(InsufficientPoints):
        desk.reserve(account=account, store="P1", sku="A")
    expiring.serve(account, "11-15 08:00", 60)
    reserved = desk.reserve(account=account, store="P1", sku="A", quantity=2)
    with pytest.raises(InsufficientPoints):
        desk.reserve(account=account, store="P1", sku="A")
    released = desk.release(redemption=reserved.redemption_id, reason="不要了")
    assert released.balance == Points(1)
    require_books_agree(expiring)


# --- bulk ------------------------------------------------------------------------------------

WISHES = st.lists(
    st.tuples(
        st.integers(0, 1), st.sampled_from(["A", "B", "Z"]), st.integers(1, 4),
        st.sampled_from([None, "R1", "R2", "R3"]),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


@given(wishes=WISHES)
def test_a_list_gives_the_same_books_as_one_by_one(
    wishes: list[tuple[int, str, int, str | None]],
) -> None:
    seen = []
    for is_bulk in (True, False):
        district = District("sqlite://")
        a_shop(district, new_offer(), new_offer(sku="B", stock=3))
        accounts = [saver(district), saver(district, 180)]
        rows = [
            RedemptionRow(account=accounts[who], store="P1", sku=sku, quantity=count, ref=ref)
            for who, sku, count, ref in wishes
        ]
        desk = district.bank.redemptions
        lists = [rows] if is_bulk else [[row] for row in rows]
        outcomes = [o for part in lists for o in desk.redeem_many(rows=part).outcomes]
        shown = [(o.outcome, o.line_no, o.points, o.balance, o.error) for o in outcomes]
        require_books_agree(district)
        seen.append((shown, books(district)))
        district.close()
    assert seen[0] == seen[1]


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["redeem", "reserve", "capture", "release", "wait", "sweep"]),
            st.integers(0, 1), st.integers(1, 3),
        ),
        min_size=1, max_size=15,
    )
)  # fmt: skip
def test_whatever_happens_the_books_agree(steps: list[tuple[str, int, int]]) -> None:
    district = District("sqlite://", policies=(PointsExpiry(mode="months", length=1),))
    a_shop(district, new_offer(stock=6))
    accounts = [saver(district), saver(district, 180)]
    district.clock.now = dt.datetime(2022, 11, 12, 4, tzinfo=dt.UTC)
    desk = district.bank.redemptions
    made: list[Any] = []
    for step, who, count in steps:
        wish = {"account": accounts[who], "store": "P1", "sku": "A", "quantity": count}
        try:
            if step == "redeem":
                desk.redeem(**wish)
            elif step == "reserve":
                made.append(desk.reserve(**wish).redemption_id)
            elif step == "capture" and made:
                desk.capture(redemption=made[count % len(made)])
            elif step == "release" and made:
                desk.release(redemption=made[count % len(made)], reason="不要了")
            elif step == "wait":
                district.clock.advance(days=count)
            else:
                district.bank.holds.lapse_overdue()
        except Refused:
            pass
        require_books_agree(district)
    district.close()


@contextmanager
def counted(district: District) -> Iterator[list[str]]:
    """The statements that run meanwhile, as the wire sees them."""
    statements: list[str] = []

    def note(statement: str) -> None:
        statements.append(statement)

    with _tapped(district, note):
        yield statements


@contextmanager
def _tapped(district: District, note: Callable[[str], None]) -> Iterator[None]:
    from gongyi_bank.store.engines.wire import Wire

    names = [name for name in ("fetch", "execute", "execute_many") if hasattr(Wire, name)]
    before = {name: getattr(Wire, name) for name in names}

    def tap(name: str) -> Callable[..., Any]:
        def call(self: Any, sql: str, *args: Any) -> Any:
            note(sql)
            return before[name](self, sql, *args)

        return call

    for name in names:
        setattr(Wire, name, tap(name))
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(Wire, name, method)


def test_the_number_of_statements_does_not_depend_on_the_number_of_rows(
    district: District,
) -> None:
    a_shop(district, *(new_offer(sku=f"S{i}", stock=500) for i in range(20)))
    accounts = [saver(district, ref=f"C{i}") for i in range(20)]

    def rows(count: int, mark: str) -> list[RedemptionRow]:
        return [
            RedemptionRow(account=accounts[i], store="P1", sku=f"S{i}", ref=f"{mark}{i}")
            for i in range(count)
        ]

    district.bank.redemptions.redeem_many(rows=rows(2, "warm"))
    with counted(district) as few:
        assert district.bank.redemptions.redeem_many(rows=rows(1, "few")).count("redeemed") == 1
    with counted(district) as many:
        assert district.bank.redemptions.redeem_many(rows=rows(20, "many")).count("redeemed") == 20
    assert len(few) == len(many) > 0
    assert [statement.split()[0] for statement in few] == [s.split()[0] for s in many]


@pytest.mark.parametrize("state", ["captured", "released"])
def test_a_reservation_outlives_the_outlet_of_its_store(district: District, state: str) -> None:
    district.bank.stores.recruit(stores=[new_store(recruited_by="B02S02")])
    district.bank.stores.publish_offers(offers=[new_offer()])
    account = saver(district)
    desk = district.bank.redemptions
    reserved = desk.reserve(account=account, store="P1", sku="A")
    district.bank.stores.leave(store="P1", reason="歇业")
    district.bank.outlets.close(outlet="B02S02", reason="撤并")
    with pytest.raises(NotPermitted):
        district.acting("T1").redemptions.capture(redemption=reserved.redemption_id)
    if state == "captured":
        settled = district.acting("K2").redemptions.capture(redemption=reserved.redemption_id)
    else:
        settled = desk.release(redemption=reserved.redemption_id, reason="改期")
    assert settled.state == state
    require_books_agree(district)
    assert district.bank.verify().is_clean


@pytest.mark.parametrize("quantity", [-3, 0, 2.0, 0.5, True])
def test_a_row_changed_behind_its_checks_is_refused(district: District, quantity: Any) -> None:
    a_shop(district)
    account = saver(district)
    row = RedemptionRow(account=account, store="P1", sku="A", quantity=1)
    object.__setattr__(row, "quantity", quantity)
    before = books(district)
    outcome = district.bank.redemptions.redeem_many(rows=[row]).outcomes[0]
    assert isinstance(outcome.error, InvalidValue)
    good = RedemptionRow(account=account, store="P1", sku="A", quantity=1)
    with pytest.raises(InvalidValue):
        district.bank.redemptions.redeem_many(rows=[good, row], idempotency_key="K")
    assert books(district) == before
