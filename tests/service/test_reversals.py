"""Reversing lines and vouchers through the books, on every engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.errors import (
    AccountClosed,
    FourEyesRequired,
    GongyiBankError,
    InsufficientPoints,
    LineNotReversible,
    LineTakenBack,
    NothingToReverse,
    NotPermitted,
    PeriodClosed,
    UnknownLine,
    UnknownStaff,
    UnknownVoucher,
)
from gongyi_bank.policies import ClosingRules, PointsExpiry, Policy, ReversalRules
from gongyi_bank.receipts.reversals import LineReversed
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.store.tables import account_line, line_part
from gongyi_bank.values import Points
from tests.books import everything
from tests.district import District, at
from tests.service.test_redemptions import saver
from tests.service.test_stores import a_shop

TWO = {"reason": "误记", "second_person": "K1b"}


@pytest.fixture
def founded(engine_url: str) -> Iterator[Callable[..., District]]:
    """Founds a district with further policies."""
    made: list[District] = []

    def found(*policies: Policy) -> District:
        made.append(District(engine_url, policies=policies))
        return made[-1]

    yield found
    for district in made:
        district.close()


def lines(district: District, account: int) -> list[tuple[str, int]]:
    line = account_line.c
    query = sa.select(line.kind, line.amount).where(line.account_no == account)
    with district.bank.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(line.line_no))]


def parts(district: District, account: int) -> list[tuple[Any, ...]]:
    part = line_part.c
    columns = (part.line_no, part.part_no, part.amount, part.expired, part.by_line_no)
    query = sa.select(*columns).where(part.account_no == account).order_by(*columns[:2])
    with district.bank.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def reverse(district: District, account: int, line_no: int, **fields: Any) -> LineReversed:
    """Reverse a line as K1, with K1b as the second person."""
    desk = district.acting("K1").reversals
    receipt: LineReversed = desk.reverse_line(account=account, line_no=line_no, **TWO | fields)
    return receipt


def spend(district: District, account: int, quantity: int = 1) -> Any:
    desk = district.acting("T1").redemptions
    return desk.redeem(account=account, store="P1", sku="A", quantity=quantity)


def test_a_line_is_taken_back_in_parts_by_new_lines(district: District) -> None:
    account = saver(district, 120)
    first = reverse(district, account, 1, points=Points("0.50"))
    assert (first.part.by_line_no, first.part.moved, first.part.balance) == (
        2, Points("0.50"), Points("1.50"),
    )  # fmt: skip
    assert (first.part.debt, first.mirror) == (0, None)
    assert reverse(district, account, 1).part.points == Points("1.50")
    assert lines(district, account) == [("service", 200), ("reversal", -50), ("reversal", -150)]
    assert parts(district, account) == [(1, 1, 50, 0, 2), (1, 2, 150, 0, 3)]
    with pytest.raises(LineTakenBack):
        reverse(district, account, 1)
    assert district.bank.verify().is_clean
    assert district.bank.reports.trial_balance().is_balanced


def test_the_same_key_reverses_once(district: District) -> None:
    account = saver(district, 120)
    receipts = [
        reverse(district, account, 1, points=Points(1), idempotency_key="R1") for _ in range(2)
    ]
    assert receipts[0] == receipts[1]
    assert len(lines(district, account)) == 2


def test_a_reversal_goes_against_the_account_of_its_line(district: District) -> None:
    account = saver(district, 120)
    reverse(district, account, 1, outlet="B01")
    with district.bank.engine.connect() as connection:
        made = connection.execute(
            sa.select(account_line.c.contra_no, account_line.c.outlet_no).order_by(
                account_line.c.line_no
            )
        ).all()
    assert made[0].contra_no == made[1].contra_no == internal_no("issued", made[0].outlet_no)
    assert made[1].outlet_no != made[0].outlet_no


@pytest.mark.parametrize(
    ("value", "value_on"), [("original", dt.date(2022, 10, 3)), ("today", dt.date(2022, 10, 15))]
)
def test_it_corrects_the_figures_of_either_day(
    district: District, value: str, value_on: dt.date
) -> None:
    account = saver(district, 120)
    receipt = reverse(district, account, 1, value=value)
    statement = district.bank.reports.statement(account)
    line = next(x for x in statement.lines if x.line_no == receipt.part.by_line_no)
    assert line.value_on == value_on


def test_a_line_of_a_closed_month_is_corrected_on_the_first_open_day(district: District) -> None:
    account = saver(district, 120)
    district.clock.advance(days=20)
    for period in ("2022-10-31", "2022-10"):
        district.bank.closings.close(period)
    receipt = reverse(district, account, 1, points=Points(1))
    assert dates(district, account)[1] == (dt.date(2022, 11, 1), dt.date(2022, 10, 3))
    assert receipt.business_day == dt.date(2022, 11, 4)
    refusing = ClosingRules(late_work="refuse")
    district.bank.policies.adopt(policy=refusing, effective_on=district.clock().date())
    with pytest.raises(PeriodClosed):
        reverse(district, account, 1)
    assert reverse(district, account, 1, value="today").part.balance == 0
    assert district.bank.verify().is_clean


def dates(district: District, account: int) -> list[tuple[Any, ...]]:
    line = account_line.c
    query = sa.select(line.value_on, line.origin_on).where(line.account_no == account)
    with district.bank.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(line.line_no))]


# --- refusals, each before the next --------------------------------------------------------


def test_refusals_come_in_their_order(district: District) -> None:
    a_shop(district)
    account = saver(district, 120)
    spend(district, account, 3)
    own = Appointment(code="OWN", role="ledger_keeper", outlet="B01", own_account=account)
    district.bank.staff.appoint(appointments=[own])
    wrong: list[tuple[type[GongyiBankError], str, dict[str, Any]]] = [
        (UnknownLine, "T1", {"line_no": 9, "second_person": "K1"}),
        (NotPermitted, "T1", {"second_person": "T1"}),
        (NotPermitted, "K2", {"second_person": "K2"}),
        (UnknownStaff, "OWN", {"second_person": "nobody"}),
        (FourEyesRequired, "OWN", {"second_person": "OWN"}),
        (NotPermitted, "OWN", {"second_person": "K2"}),
        (FourEyesRequired, "OWN", {"line_no": 2}),
        (FourEyesRequired, "K1", {"line_no": 2, "second_person": "OWN"}),
        (LineNotReversible, "K1", {"line_no": 2, "points": Points(9)}),
        (LineTakenBack, "K1", {"points": Points("2.01")}),
        (InsufficientPoints, "K1", {"points": Points("0.51")}),
    ]
    before = everything(district.bank)
    for refusal, staff, fields in wrong:
        given = {"account": account, "line_no": 1, **TWO} | fields
        with pytest.raises(refusal) as caught:
            district.acting(staff).reversals.reverse_line(**given)
        assert type(caught.value) is refusal
    assert everything(district.bank) == before
    assert reverse(district, account, 1, points=Points("0.50")).part.balance == 0


def close_october(district: District) -> None:
    """November has begun, October is closed, and work for it is refused."""
    district.clock.now = at("11-03 09:00")
    for period in ("2022-10-31", "2022-10"):
        district.bank.closings.close(period)


#: Acts that take a service of October back whose points are spent.
TAKERS: dict[str, Callable[[District, int, UUID], object]] = {
    "reversals.reverse_line": lambda d, a, _: reverse(d, a, 1),
    "reversals.reverse_line, a part": lambda d, a, _: reverse(d, a, 1, points=Points("1.50")),
    "reversals.reverse_voucher": lambda d, _, voucher: d.acting("K1").reversals.reverse_voucher(
        voucher=voucher, **TWO
    ),
    "hours.void": lambda d, a, _: d.acting("K1").hours.void(account=a, record_no=1, **TWO),
    "hours.correct": lambda d, a, _: d.acting("K1").hours.correct(
        account=a, record_no=1, category="elder_care", started_at=at("11-02 08:00"),
        ended_at=at("11-02 08:01"), recorded_by="T1", checked_by="K1", reason="误记",
    ),
}  # fmt: skip


@pytest.mark.parametrize("act", TAKERS)
def test_a_closed_period_is_named_before_points_that_are_spent(
    founded: Callable[..., District], act: str
) -> None:
    district = founded(ClosingRules(late_work="refuse"))
    a_shop(district)
    account = district.customer()
    voucher = district.serve(account, "10-03 08:00", 120).voucher_id
    spend(district, account, 4)
    district.clock.now = at("11-02 12:00")
    with pytest.raises(InsufficientPoints):
        TAKERS[act](district, account, voucher)
    close_october(district)
    before = everything(district.bank)
    with pytest.raises(PeriodClosed):
        TAKERS[act](district, account, voucher)
    assert everything(district.bank) == before


def test_a_closed_period_of_any_line_is_named_before_spent_points_of_another(
    founded: Callable[..., District],
) -> None:
    district = founded(ClosingRules(late_work="refuse"))
    a_shop(district)
    spent, kept = district.customer(), district.customer()
    district.clock.now = at("11-01 12:00")
    rows = [district.row(spent, "11-01 08:00", 120), district.row(kept, "10-31 08:00", 120)]
    booked = district.bank.hours.record_many(rows=rows)
    spend(district, spent, 4)
    wish = {"voucher": booked.voucher_id, "reason": "误记", "second_person": "ADM2"}
    with pytest.raises(InsufficientPoints):
        district.bank.reversals.reverse_voucher(**wish)
    close_october(district)
    with pytest.raises(PeriodClosed):
        district.bank.reversals.reverse_voucher(**wish)
    with pytest.raises(InsufficientPoints) as caught:
        district.bank.reversals.reverse_voucher(**wish, value="today")
    assert caught.value.facts["account"] == spent


def test_a_closed_account_is_left_alone(district: District) -> None:
    account = saver(district, 120)
    district.bank.accounts.close(
        account=account, balance_to="pool", reason="迁出", second_person="ADM2"
    )
    with pytest.raises(AccountClosed):
        reverse(district, account, 1, points=Points(9))


def test_a_frozen_account_is_corrected_all_the_same(district: District) -> None:
    account = saver(district, 120)
    district.bank.accounts.freeze(account=account, reason="核查")
    assert reverse(district, account, 1).part.balance == 0


# --- spent points, debts -------------------------------------------------------------------


def test_a_debt_is_recorded_and_settled_by_the_next_credits(
    founded: Callable[..., District],
) -> None:
    district = founded(ReversalRules(spent="debt"))
    a_shop(district)
    account = saver(district, 120)
    spend(district, account, 3)
    receipt = reverse(district, account, 1)
    assert (receipt.part.moved, receipt.part.debt) == (2, Points("1.50"))
    assert receipt.part.balance == -Points("1.50")
    assert district.bank.verify().is_clean
    with pytest.raises(InsufficientPoints):
        spend(district, account)
    district.serve(account, "10-04 08:00", 60)
    with pytest.raises(InsufficientPoints):
        spend(district, account)
    district.serve(account, "10-05 08:00", 60)
    assert district.bank.reports.customer_summary(account).available == Points("0.50")
    spend(district, account)
    assert district.bank.verify().is_clean


def test_what_is_there_is_taken_and_the_rest_is_let_go(founded: Callable[..., District]) -> None:
    district = founded(ReversalRules(spent="take_available"))
    a_shop(district)
    account = saver(district, 120)
    spend(district, account, 3)
    receipt = reverse(district, account, 1)
    assert (receipt.part.points, receipt.part.moved, receipt.part.debt) == (2, Points("0.50"), 0)
    assert district.bank.verify().is_clean
    with pytest.raises(LineTakenBack):
        reverse(district, account, 1)


# --- expired points ------------------------------------------------------------------------


def test_what_expires_between_two_parts_is_left_out_once(
    founded: Callable[..., District],
) -> None:
    district = founded(PointsExpiry(mode="months", length=1))
    account = saver(district, 60)
    reverse(district, account, 1, points=Points("0.30"))
    district.clock.advance(days=20)
    district.serve(account, "11-01 08:00", 60)
    district.clock.advance(days=20)
    receipt = reverse(district, account, 1)
    assert (receipt.part.points, receipt.part.expired, receipt.part.moved) == (
        Points("0.70"), Points("0.70"), 0,
    )  # fmt: skip
    assert receipt.part.by_line_no is None
    assert lines(district, account)[2:] == [("service", 100), ("expiry", -70)]
    assert district.bank.verify().is_clean


# --- hours ---------------------------------------------------------------------------------


def void(district: District, account: int, record_no: int = 1) -> Any:
    return district.acting("K1").hours.void(account=account, record_no=record_no, **TWO)


def test_a_void_takes_what_no_part_has_taken_before(district: District) -> None:
    account = saver(district, 120)
    reverse(district, account, 1, points=Points("0.50"))
    receipt = void(district, account)
    assert (receipt.points, receipt.line_no, receipt.balance) == (Points("1.50"), 3, 0)
    assert parts(district, account) == [(1, 1, 50, 0, 2), (1, 2, 150, 0, 3)]
    with pytest.raises(LineTakenBack):
        reverse(district, account, 1)
    assert district.bank.verify().is_clean


def test_a_void_of_a_line_that_is_reversed_already_takes_the_minutes(district: District) -> None:
    account = saver(district, 120)
    reverse(district, account, 1)
    receipt = void(district, account)
    assert (receipt.points, receipt.line_no) == (0, None)
    assert district.bank.verify().is_clean


def test_a_void_leaves_a_debt_where_the_policy_says_so(founded: Callable[..., District]) -> None:
    district = founded(ReversalRules(spent="debt"))
    a_shop(district)
    account = saver(district, 120)
    spend(district, account, 3)
    assert void(district, account).balance == -Points("1.50")
    assert district.bank.verify().is_clean


def test_a_correction_takes_what_no_part_has_taken_before(district: District) -> None:
    account = saver(district, 120)
    reverse(district, account, 1, points=Points("0.50"))
    receipt = district.acting("K1").hours.correct(
        account=account, record_no=1, reason="时间有误", category="sanitation",
        started_at=at("10-03 08:00"), ended_at=at("10-03 09:00"), recorded_by="T1",
        checked_by="K1",
    )  # fmt: skip
    assert receipt.balance == 1
    assert lines(district, account)[2:] == [("service", 100), ("reversal", -150)]
    assert district.bank.verify().is_clean


# --- vouchers ------------------------------------------------------------------------------


def reverse_voucher(district: District, voucher: Any, staff: str = "K1", **fields: Any) -> Any:
    return district.acting(staff).reversals.reverse_voucher(voucher=voucher, **TWO | fields)


def test_a_voucher_is_reversed_as_a_whole(district: District) -> None:
    accounts = [district.customer() for _ in range(3)]
    rows = [district.row(account, "10-03 08:00") for account in accounts]
    booked = district.bank.hours.record_many(rows=[*rows, district.row(accounts[0], "10-04 08:00")])
    reverse(district, accounts[0], 1, points=Points("0.25"))
    receipt = reverse_voucher(district, booked.voucher_id)
    assert [(p.account, p.line_no, p.points) for p in receipt.parts] == [
        (accounts[0], 1, Points("0.75")), (accounts[0], 2, 1), (accounts[1], 1, 1),
        (accounts[2], 1, 1),
    ]  # fmt: skip
    assert [p.balance for p in receipt.parts] == [0, 0, 0, 0]
    assert district.bank.verify().is_clean
    with pytest.raises(NothingToReverse):
        reverse_voucher(district, booked.voucher_id)


def test_all_lines_of_a_voucher_or_none(district: District) -> None:
    a_shop(district)
    accounts = [district.customer() for _ in range(3)]
    rows = [district.row(account, "10-03 08:00") for account in accounts]
    booked = district.bank.hours.record_many(rows=rows)
    spend(district, accounts[1])
    before = everything(district.bank)
    with pytest.raises(InsufficientPoints):
        reverse_voucher(district, booked.voucher_id)
    assert everything(district.bank) == before


def test_expiries_that_a_voucher_wrote_on_the_way_stand(founded: Callable[..., District]) -> None:
    district = founded(PointsExpiry(mode="months", length=1))
    account = saver(district, 60)
    district.clock.advance(days=40)
    booked = district.serve(account, "11-20 08:00", 60)
    assert lines(district, account)[1:] == [("expiry", -100), ("service", 100)]
    receipt = reverse_voucher(district, booked.voucher_id)
    assert [(p.line_no, p.moved) for p in receipt.parts] == [(3, 1)]
    assert district.bank.verify().is_clean


def test_vouchers_that_cannot_be_reversed_say_why(district: District) -> None:
    a_shop(district)
    account = saver(district, 120)
    frozen = district.bank.accounts.freeze(account=district.customer(), reason="核查")
    with pytest.raises(UnknownVoucher):
        reverse_voucher(district, uuid4())
    with pytest.raises(NothingToReverse):
        reverse_voucher(district, frozen.voucher_id)
    with pytest.raises(LineNotReversible, match=r"redemptions\.refund"):
        reverse_voucher(district, spend(district, account).voucher_id)
    with pytest.raises(NotPermitted):
        reverse_voucher(
            district, district.serve(account, "10-04 08:00").voucher_id, "K2", second_person="K1"
        )


# --- points that changed hands -------------------------------------------------------------


def test_a_gift_is_reversed_on_both_sides(district: District) -> None:
    account, other = saver(district, 120), district.customer()
    gift = district.acting("T1").transfers.gift(
        account=account, target=other, points=Points("1.50"), outlet="B01S01"
    )
    receipt = reverse(district, other, 1, points=Points("0.50"))
    assert receipt.mirror is not None
    assert (receipt.part.account, receipt.part.balance) == (other, 1)
    assert (receipt.mirror.account, receipt.mirror.moved) == (account, Points("0.50"))
    assert reverse_voucher(district, gift.voucher_id).parts[0].points == 1
    assert district.bank.reports.balance(account) == 2
    assert district.bank.reports.balance(other) == 0
    assert district.bank.verify().is_clean


def test_a_donation_and_a_grant_of_a_pool_are_reversed_on_both_sides(district: District) -> None:
    account, other = saver(district, 120), district.customer()
    district.acting("K1").pools.open(code="POOL", name="爱心池", outlet="B01")
    teller = district.acting("T1")
    donated = teller.transfers.donate(
        account=account, pool="POOL", points=Points(2), outlet="B01S01"
    )
    granted = district.acting("K1").transfers.grant(
        pool="POOL", grants=[{"account": other, "points": Points("1.50")}], reason="助困",
        second_person="K1b",
    )  # fmt: skip
    with pytest.raises(InsufficientPoints):
        reverse_voucher(district, donated.voucher_id)
    assert [p.moved for p in reverse_voucher(district, granted.voucher_id).parts] == [
        Points("1.50"), Points("1.50"),
    ]  # fmt: skip
    reverse(district, account, 2)
    assert district.bank.reports.balance(account) == 2
    assert district.bank.pools.balance("POOL") == 0
    assert district.bank.verify().is_clean
