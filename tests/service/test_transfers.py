"""Gifts, donations, grants from pools and many-legged transfers, on every engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.commands.transfers import GiftPoints, SendPoints
from gongyi_bank.errors import (
    AccountClosed,
    AccountFrozen,
    FourEyesRequired,
    GiftedPointsStay,
    GongyiBankError,
    IdempotencyConflict,
    InsufficientPoints,
    InvalidAmount,
    InvalidValue,
    NotPermitted,
    OutletClosed,
    PassbookFrozen,
    PoolClosed,
    PoolShort,
    TransferLimitReached,
    TransferNotAllowed,
    UnknownCustomer,
    UnknownOutlet,
    UnknownPool,
    UnknownStaff,
)
from gongyi_bank.policies import PointsExpiry, Policy, TransferRules
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.store.tables import account_line, voucher
from gongyi_bank.values import NEVER, Points, compose_account_no
from tests.books import everything
from tests.district import District
from tests.service.test_stores import a_shop, new_offer

ONE, TWO = Points("1"), Points("2")
ANYBODY = TransferRules(gift_points_year_max=None)


def saver(district: District, points: int = 8, **fields: Any) -> int:
    """A customer with so many points, at one an hour."""
    account: int = district.customer(**fields)
    if points:
        district.serve(account, "10-03 08:00", 60 * points)
    return account


def a_pool(district: District, code: str = "P1", points: int = 0) -> str:
    """A pool of branch B01 with so many points in it."""
    district.acting("K1").pools.open(code=code, name="爱心池", outlet="B01")
    if points:
        give(district, saver(district, points), pool=code, points=Points(points))
    return code


def give(district: District, account: int, **fields: Any) -> Any:
    """A donation at B01S01."""
    wish = {"account": account, "points": ONE, "outlet": "B01S01"} | fields
    return district.acting("T1").transfers.donate(**wish)


def gift(district: District, account: int, target: int, **fields: Any) -> Any:
    """A gift of a point at B01S01."""
    wish = {"account": account, "target": target, "points": ONE, "outlet": "B01S01"} | fields
    return district.acting("T1").transfers.gift(**wish)


def grant(district: District, *parts: tuple[int, Points], **fields: Any) -> Any:
    """A grant from P1 by the branch's ledger keepers."""
    wish = {
        "pool": "P1", "reason": "慰问", "second_person": "K1b",
        "grants": [{"account": account, "points": points} for account, points in parts],
    } | fields  # fmt: skip
    return district.acting("K1").transfers.grant(**wish)


def leg(source: int | str, target: int | str, points: Points = ONE) -> dict[str, Any]:
    """A leg between accounts (numbers) and pools (codes)."""
    sides: dict[str, Any] = {"points": points}
    for name, side in (("source", source), ("target", target)):
        sides[name if isinstance(side, int) else f"{name}_pool"] = side
    return sides


def send(district: District, *legs: dict[str, Any], staff: str = "K1", **fields: Any) -> Any:
    """A many-legged transfer at B01S01."""
    wish = {"legs": legs, "outlet": "B01S01"} | fields
    return district.acting(staff).transfers.send(**wish)


def lines_of(district: District, account: int) -> list[tuple[Any, ...]]:
    """(kind, amount in hundredths, account on the other side, last day) of an account."""
    line = account_line.c
    with district.bank.engine.connect() as connection:
        found = connection.execute(
            sa.select(line.kind, line.amount, line.contra_no, line.expires_on)
            .where(line.account_no == account)
            .order_by(line.line_no)
        )
        return list(map(tuple, found))


def require_sound(district: District) -> None:
    """Everything agrees, and the trial balance balances, to date and as of today."""
    assert district.bank.verify().faults == ()
    reports = district.bank.reports
    today = district.clock.now.date()
    assert reports.trial_balance().is_balanced
    assert reports.trial_balance().rows == reports.trial_balance(as_of=today).rows


def adopt(district: District, policy: Policy) -> None:
    """Let a policy hold from today on."""
    district.bank.policies.adopt(policy=policy, effective_on=district.clock.now.date())


# --- what is written -----------------------------------------------------------------------


def test_a_gift_is_a_line_in_either_book(district: District) -> None:
    giver, taker = saver(district), saver(district, 0, outlet="B02S01")
    receipt = gift(district, giver, taker, points=Points("2.50"))
    assert (receipt.points, receipt.line_no, str(receipt.balance)) == (Points("2.50"), 2, "5.50")
    assert lines_of(district, giver)[-1] == ("gift_out", -250, taker, None)
    assert lines_of(district, taker) == [("gift_in", 250, giver, NEVER)]
    assert district.bank.reports.statement(taker).lines[0].summary == "受赠"
    require_sound(district)


def test_a_donation_goes_to_a_pool_or_to_an_organisation(district: District) -> None:
    giver, group = saver(district), saver(district, 0, kind="organisation")
    pool_no = internal_no("pool", 1)
    a_pool(district)
    assert give(district, giver, pool="P1").pool == "P1"
    assert give(district, giver, organisation=group, points=TWO).organisation == group
    assert lines_of(district, pool_no) == [("donation_in", 100, giver, NEVER)]
    assert lines_of(district, group) == [("donation_in", 200, giver, NEVER)]
    assert [line[1:3] for line in lines_of(district, giver)[1:]] == [(-100, pool_no), (-200, group)]
    require_sound(district)


def test_a_pool_grants_to_all_or_to_none(district: District) -> None:
    a_pool(district, points=5)
    first, second = saver(district, 0), saver(district, 0)
    before = everything(district.bank)
    with pytest.raises(InsufficientPoints):
        grant(district, (first, TWO), (second, Points("3.01")))
    assert everything(district.bank) == before
    receipt = grant(district, (first, TWO), (second, Points("3")))
    assert (receipt.points, receipt.balance) == (Points(5), Points(0))
    assert [(part.account, part.balance) for part in receipt.grants] == [
        (first, TWO), (second, Points("3")),
    ]  # fmt: skip
    assert lines_of(district, second) == [("pool_grant_in", 300, internal_no("pool", 1), NEVER)]
    require_sound(district)


def test_a_class_pays_its_teacher_and_the_rest_goes_to_the_pool(district: District) -> None:
    """Each learner pays one point, the teacher earns one (Ireland's time bank)."""
    a_pool(district)
    teacher, *learners = (saver(district, points) for points in (0, 1, 1, 1))
    legs = [leg(learners[0], teacher), leg(learners[1], "P1"), leg(learners[2], "P1")]
    receipt = send(district, *legs, staff="T1")
    assert [(side.account, side.pool, side.points) for side in receipt.sides] == [
        (learners[0], None, Points(-1)), (teacher, None, ONE), (learners[1], None, Points(-1)),
        (None, "P1", TWO), (learners[2], None, Points(-1)),
    ]  # fmt: skip
    transit = lines_of(district, teacher)[0][2]
    assert lines_of(district, internal_no("pool", 1)) == [("donation_in", 200, transit, NEVER)]
    assert lines_of(district, learners[0])[-1] == ("gift_out", -100, transit, None)
    require_sound(district)


def test_an_account_between_two_others_is_netted(district: District) -> None:
    first, middle, last = saver(district), saver(district, 0), saver(district, 0)
    receipt = send(district, leg(first, middle, TWO), leg(middle, last, Points("1.50")))
    assert [str(side.balance) for side in receipt.sides] == ["6.00", "0.50", "1.50"]
    assert [line[:2] for line in lines_of(district, middle)] == [("gift_in", 50)]
    require_sound(district)


def test_a_round_in_which_nothing_is_left_writes_no_line(district: District) -> None:
    first, second = saver(district, 0), saver(district, 0)
    receipt = send(district, leg(first, second), leg(second, first))
    assert {side.points for side in receipt.sides} == {Points(0)}
    assert lines_of(district, first) == lines_of(district, second) == []
    require_sound(district)


def test_a_pool_sends_to_a_pool_and_to_customers_with_two_people(district: District) -> None:
    a_pool(district, points=5)
    a_pool(district, "P2")
    needy = saver(district, 0)
    legs = [leg("P1", "P2", TWO), leg("P1", needy)]
    receipt = send(district, *legs, reason="调剂", second_person="K1b")
    assert [str(side.balance) for side in receipt.sides] == ["2.00", "2.00", "1.00"]
    assert [line[0] for line in lines_of(district, needy)] == ["pool_grant_in"]
    require_sound(district)


def test_transfers_are_neither_service_nor_redemption(district: District) -> None:
    giver, taker = saver(district), saver(district, 0)
    a_pool(district)
    indicators = district.bank.ratings.indicators("2022-10").rows
    minutes = district.bank.reports.customer_summary(taker).verified_minutes
    gift(district, giver, taker)
    give(district, giver, pool="P1")
    grant(district, (taker, ONE))
    assert district.bank.ratings.indicators("2022-10").rows == indicators
    assert district.bank.reports.customer_summary(taker).verified_minutes == minutes
    kinds = {row.kind: row for row in district.bank.reports.trial_balance("B01").rows}
    assert (kinds["pool"].debits, kinds["pool"].credits) == (ONE, ONE)
    assert "store" not in kinds


# --- validity ------------------------------------------------------------------------------


@pytest.fixture
def dated(engine_url: str) -> Any:
    """A bank in which points are good for two months."""
    made = District(engine_url, policies=(PointsExpiry(mode="months", length=2), ANYBODY))
    yield made
    made.close()


def test_gifted_points_keep_their_dates_and_a_line_for_each(dated: District) -> None:
    giver, taker = saver(dated, 2), saver(dated, 0)
    dated.clock.advance(days=31)
    dated.serve(giver, "11-10 08:00", 180)
    gift(dated, giver, taker, points=Points(4))
    assert [line[1::2] for line in lines_of(dated, taker)] == [
        (200, dt.date(2022, 12, 15)), (200, dt.date(2023, 1, 15)),
    ]  # fmt: skip
    assert [line[1] for line in lines_of(dated, giver)[2:]] == [-200, -200]
    require_sound(dated)
    dated.clock.advance(days=31)
    with pytest.raises(InsufficientPoints):  # the first two are past their date there as well
        gift(dated, taker, giver, points=Points(3))
    gift(dated, taker, giver, points=TWO)
    require_sound(dated)


def test_what_is_past_its_date_is_not_given(dated: District) -> None:
    giver, taker = saver(dated, 2), saver(dated, 0)
    dated.clock.advance(days=62)
    with pytest.raises(InsufficientPoints):
        gift(dated, giver, taker)
    dated.serve(giver, "12-10 08:00", 60)
    gift(dated, giver, taker)
    assert [line[0] for line in lines_of(dated, giver)] == [
        "service", "expiry", "service", "gift_out",
    ]  # fmt: skip
    assert lines_of(dated, taker)[0][3] == dt.date(2023, 2, 16)
    require_sound(dated)


def test_a_pool_keeps_points_and_grants_them_fresh(dated: District) -> None:
    giver, needy = saver(dated, 2), saver(dated, 0)
    a_pool(dated)
    give(dated, giver, pool="P1", points=TWO)
    dated.clock.advance(days=100)
    grant(dated, (needy, ONE))
    assert lines_of(dated, needy)[0][3] == dt.date(2023, 3, 23)
    assert dated.bank.pools.balance("P1") == ONE
    require_sound(dated)


def test_a_many_legged_transfer_keeps_the_dates_too(dated: District) -> None:
    giver, taker, other = saver(dated, 2), saver(dated, 0), saver(dated, 0)
    dated.clock.advance(days=31)
    dated.serve(giver, "11-10 08:00", 180)
    send(dated, leg(giver, taker, Points(3)), leg(giver, other, ONE))
    first, second = dt.date(2022, 12, 15), dt.date(2023, 1, 15)
    assert [line[1::2] for line in lines_of(dated, taker)] == [(200, first), (100, second)]
    assert [line[1::2] for line in lines_of(dated, other)] == [(100, second)]
    assert [line[1] for line in lines_of(dated, giver)[2:]] == [-400]
    require_sound(dated)


def test_held_points_are_honoured_and_dead_ones_stay(dated: District) -> None:
    a_shop(dated, new_offer(sku="R", points=TWO))
    giver, taker = saver(dated, 2), saver(dated, 0)
    dated.clock.advance(days=60)
    dated.serve(giver, "12-10 08:00", 60)
    dated.bank.redemptions.reserve(account=giver, store="P1", sku="R")
    dated.clock.advance(days=2)
    gift(dated, giver, taker)
    assert lines_of(dated, taker)[0][3] == dt.date(2023, 2, 14)
    require_sound(dated)


# --- limits --------------------------------------------------------------------------------


def test_the_months_and_the_years_of_the_calendar_are_counted(engine_url: str) -> None:
    rules = TransferRules(
        gift_count_month_max=2, gift_points_year_max=Points(4), donation_points_month_max=ONE
    )
    district = District(engine_url, policies=(rules,))
    giver, taker = saver(district), saver(district, 0)
    a_pool(district)
    gift(district, giver, taker)
    gift(district, giver, taker)
    with pytest.raises(TransferLimitReached) as refused:
        gift(district, giver, taker)
    assert (refused.value.facts["used"], refused.value.facts["limit"]) == (2, "2")
    give(district, giver, pool="P1")  # donations are counted apart
    with pytest.raises(TransferLimitReached):
        give(district, giver, pool="P1", points=Points("0.01"))
    district.clock.advance(days=17)  # November
    gift(district, giver, taker)
    with pytest.raises(TransferLimitReached) as refused:
        send(district, leg(giver, taker, Points("1.01")))
    assert refused.value.facts["used"] == "3.00"
    send(district, leg(giver, taker, Points("0.50")), leg(giver, taker, Points("0.50")))
    district.clock.advance(days=31)
    with pytest.raises(TransferLimitReached):
        gift(district, giver, taker, points=Points("0.01"))
    district.clock.advance(days=31)  # January
    gift(district, giver, taker)
    require_sound(district)
    district.close()


def test_gifted_points_stay_where_the_rules_say_so(engine_url: str) -> None:
    district = District(engine_url, policies=(TransferRules(may_give_on=False),))
    giver, taker = saver(district), saver(district, 1)
    a_pool(district)
    gift(district, giver, taker)
    gift(district, taker, giver)  # the one it earned itself
    with pytest.raises(GiftedPointsStay):
        gift(district, taker, giver)
    give(district, taker, pool="P1")
    require_sound(district)
    district.close()


def test_groups_only_donate_until_the_rules_change(district: District) -> None:
    group, friend = saver(district, kind="organisation"), saver(district, 0)
    a_pool(district)
    give(district, group, pool="P1")
    with pytest.raises(TransferNotAllowed):
        gift(district, group, friend)
    with pytest.raises(TransferNotAllowed):
        gift(district, saver(district), group)
    adopt(district, TransferRules(givers=("organisation",), donors=("volunteer",)))
    gift(district, group, friend)
    with pytest.raises(TransferNotAllowed):
        give(district, group, pool="P1")


def test_what_people_are_to_each_other_is_judged_and_not_kept(district: District) -> None:
    giver, taker = saver(district), saver(district, 0)
    adopt(district, TransferRules(relations=("direct_kin",)))
    with pytest.raises(TransferNotAllowed):
        gift(district, giver, taker, relation="friend")
    with pytest.raises(TransferNotAllowed):
        send(district, leg(giver, taker))
    kin_leg = leg(giver, taker) | {"relation": "direct_kin"}
    send(district, kin_leg, idempotency_key="S")
    gift(district, giver, taker, relation="direct_kin", idempotency_key="G")
    with district.bank.engine.connect() as connection:
        body, digest = connection.execute(
            sa.select(voucher.c.body, voucher.c.request_digest).where(
                voucher.c.idempotency_key == "G"
            )
        ).one()
    assert "kin" not in body
    plain = GiftPoints(account=giver, target=taker, points=ONE, outlet="B01S01")
    assert digest == plain.request_digest()
    several = [SendPoints(legs=[one], outlet="B01S01") for one in (leg(giver, taker), kin_leg)]
    assert several[0].request_digest() == several[1].request_digest()
    assert "kin" not in repr(several[1])


# --- refusals ------------------------------------------------------------------------------


def test_a_form_that_cannot_be_right_is_refused_at_the_door(sqlite_district: District) -> None:
    desk, account = sqlite_district.acting("K1").transfers, saver(sqlite_district)
    at_home = {"outlet": "B01S01"}
    wrong: list[Callable[[], Any]] = [
        lambda: desk.gift(account=account, target=account, points=ONE, **at_home),
        lambda: desk.gift(account=account, target=account, points=Points(0), **at_home),
        lambda: desk.donate(account=account, points=ONE, **at_home),
        lambda: desk.donate(account=account, points=ONE, pool="P", organisation=account, **at_home),
        lambda: desk.donate(account=account, points=ONE, organisation=account, **at_home),
        lambda: grant(sqlite_district, (account, ONE), (account, ONE)),
        lambda: grant(sqlite_district),
        lambda: send(sqlite_district),
        lambda: send(sqlite_district, leg(account, account)),
        lambda: send(sqlite_district, leg("P1", "P1"), reason="x", second_person="K1b"),
        lambda: send(sqlite_district, {"points": ONE, "source": account}),
        lambda: send(sqlite_district, {"points": ONE, "target": account}),
        lambda: send(sqlite_district, leg("P1", account), second_person="K1b"),
        lambda: send(sqlite_district, leg("P1", account), reason="慰问"),
    ]
    for wish in wrong:
        with pytest.raises(InvalidValue):
            wish()
    with pytest.raises(InvalidAmount):
        gift(sqlite_district, account, saver(sqlite_district, 0), points=Points("0.001"))


def lose_passbook(district: District, account: int) -> None:
    """Issue a passbook and report its loss."""
    printed = district.bank.passbooks.print_stock(count=1)
    for keeper, target in (("admin", "B01"), ("K1", "B01S01")):
        district.acting(keeper).passbooks.allot(
            target=target, first=printed.first, last=printed.last
        )
    district.acting("T1").passbooks.issue(account=account)
    district.acting("T1").passbooks.report_loss(account=account, kind="oral")


def test_refusals_come_in_their_order(sqlite_district: District) -> None:
    """Each wish breaks what the later ones break as well, and none of them writes anything."""
    district = sqlite_district
    giver, frozen, lost, own = (saver(district) for _ in range(4))
    taker, closed = saver(district, 0), saver(district, 0)
    nobody = compose_account_no(1003, 9_999_999)
    a_pool(district, points=2)
    a_pool(district, "SHUT")
    district.acting("K1").pools.close(pool="SHUT", reason="撤并")
    district.bank.accounts.freeze(account=frozen, reason="核查")
    district.bank.accounts.close(account=closed, reason="迁出")
    lose_passbook(district, lost)
    district.bank.outlets.close(outlet="B02S02", reason="撤并")
    clerk = Appointment(code="OWN", role="ledger_keeper", outlet="B01", own_account=own)
    district.bank.staff.appoint(appointments=[clerk])
    many = Points(1000)
    theirs = district.acting("OWN").transfers
    wishes: list[tuple[type[GongyiBankError], Callable[[], Any]]] = [
        (UnknownOutlet, lambda: gift(district, frozen, closed, points=many, outlet="NONE")),
        (OutletClosed, lambda: gift(district, frozen, closed, points=many, outlet="B02S02")),
        (NotPermitted, lambda: gift(district, frozen, closed, points=many, outlet="B02S01")),
        (
            FourEyesRequired,
            lambda: theirs.gift(account=own, target=closed, points=many, outlet="B01"),
        ),
        (
            FourEyesRequired,
            lambda: theirs.gift(account=closed, target=own, points=many, outlet="B01"),
        ),
        (UnknownCustomer, lambda: gift(district, nobody, closed, points=many)),
        (AccountClosed, lambda: gift(district, closed, nobody, points=many)),
        (AccountFrozen, lambda: gift(district, frozen, closed, points=many)),
        (PassbookFrozen, lambda: gift(district, lost, closed, points=many)),
        (UnknownCustomer, lambda: gift(district, giver, nobody, points=many)),
        (AccountClosed, lambda: gift(district, giver, closed, points=many)),
        (TransferLimitReached, lambda: gift(district, giver, taker, points=many)),
        (InsufficientPoints, lambda: gift(district, giver, taker, points=Points("8.01"))),
        (UnknownPool, lambda: give(district, giver, pool="NONE", points=many)),
        (PoolClosed, lambda: give(district, giver, pool="SHUT", points=many)),
        (TransferNotAllowed, lambda: give(district, giver, organisation=taker, points=many)),
        (InsufficientPoints, lambda: give(district, giver, pool="P1", points=many)),
        (UnknownPool, lambda: grant(district, (closed, many), pool="NONE", second_person="X")),
        (UnknownStaff, lambda: grant(district, (closed, many), pool="SHUT", second_person="X")),
        (FourEyesRequired, lambda: grant(district, (closed, many), second_person="K1")),
        (NotPermitted, lambda: grant(district, (closed, many), second_person="K2")),
        (FourEyesRequired, lambda: grant(district, (own, many), second_person="OWN")),
        (PoolClosed, lambda: grant(district, (closed, many), pool="SHUT")),
        (AccountClosed, lambda: grant(district, (closed, many))),
        (PoolShort, lambda: grant(district, (taker, many))),
    ]  # fmt: skip
    before = everything(district.bank)
    for error, wish in wishes:
        with pytest.raises(error) as refused:
            wish()
        assert type(refused.value) is error
    assert everything(district.bank) == before


def test_what_may_not_give_may_still_receive(district: District) -> None:
    giver, frozen, lost = saver(district), saver(district, 0), saver(district, 0)
    district.bank.accounts.freeze(account=frozen, reason="核查")
    lose_passbook(district, lost)
    for taker in (frozen, lost):
        gift(district, giver, taker)
        with pytest.raises((AccountFrozen, PassbookFrozen)):
            gift(district, taker, giver)


def test_a_pool_is_granted_from_by_its_own_branch(district: District) -> None:
    """Wherever the act is handled: the pool's points are its outlet's."""
    a_pool(district, points=3)
    taker = saver(district, 0)
    for staff in ("T1", "T3", "K2", "AUD"):
        with pytest.raises(NotPermitted):
            district.acting(staff).transfers.grant(
                pool="P1", grants=[{"account": taker, "points": ONE}], reason="慰问",
                second_person="K1",
            )  # fmt: skip
    wish = {"reason": "慰问", "outlet": "B02"}
    with pytest.raises(NotPermitted):
        send(district, leg("P1", taker), staff="K2", second_person="K1", **wish)
    with pytest.raises(NotPermitted):
        send(district, leg("P1", taker), staff="admin", second_person="K2", **wish)
    with pytest.raises(NotPermitted):
        send(district, leg("P1", taker), staff="T1", second_person="K1", reason="慰问")
    send(district, leg("P1", taker), staff="admin", second_person="ADM2", **wish)
    give(district, saver(district), pool="P1")  # but anybody takes donations
    district.acting("T3").transfers.donate(
        account=saver(district), pool="P1", points=ONE, outlet="B02S01"
    )


def test_a_leg_that_is_refused_refuses_them_all(district: District) -> None:
    first, second, poor = saver(district), saver(district), saver(district, 0)
    before = everything(district.bank)
    for legs in (
        [leg(first, second), leg(poor, second)],
        [leg(first, second), leg(first, "NONE")],
        [leg(first, poor), leg(poor, "NONE")],
    ):
        with pytest.raises((InsufficientPoints, UnknownPool)):
            send(district, *legs)
    assert everything(district.bank) == before


# --- replay --------------------------------------------------------------------------------


def test_a_repeated_wish_has_the_same_answer_whatever_happened_since(district: District) -> None:
    giver, taker = saver(district), saver(district, 0)
    a_pool(district, points=1)
    wishes: list[Callable[[], Any]] = [
        lambda: gift(district, giver, taker, points=Points(7), idempotency_key="G"),
        lambda: give(district, giver, pool="P1", idempotency_key="D"),
        lambda: grant(district, (taker, TWO), idempotency_key="A"),
        lambda: send(district, leg(taker, giver), idempotency_key="S"),
    ]
    receipts = [wish() for wish in wishes]
    district.bank.accounts.freeze(account=giver, reason="核查")
    district.acting("K1").pools.close(pool="P1", reason="撤并")
    before = everything(district.bank)
    assert [wish() for wish in wishes] == receipts
    with pytest.raises(IdempotencyConflict):
        gift(district, giver, taker, idempotency_key="G")
    assert everything(district.bank) == before
    require_sound(district)
