"""Told to the letter: what is sent again by its reference, closed twice, taken back in parts."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.errors import (
    IdempotencyConflict,
    InvalidText,
    PeriodNotOver,
    WrongClosingState,
)
from gongyi_bank.store.tables import account_line, voucher
from gongyi_bank.values import Points
from tests.district import District, at
from tests.refusals import ONE, held, redeem, reserved, saver, shop

# --- sent again ----------------------------------------------------------------------------


def test_a_hold_placed_again_by_its_reference_is_the_same_hold(sqlite_district: District) -> None:
    shop(sqlite_district)
    account = saver(sqlite_district)
    place = sqlite_district.acting("T1").holds.place
    first = place(account=account, points=ONE, store="P1", ref="R1")
    sqlite_district.clock.advance(hours=1)
    assert place(account=account, points=ONE, store="P1", ref="R1") == first
    for changed in ({"points": Points("1.01")}, {"hours": 3}):
        wish = {"account": account, "points": ONE, "store": "P1", "ref": "R1"} | changed
        with pytest.raises(IdempotencyConflict):
            place(**wish)
    without = [place(account=account, points=ONE, store="P1") for _ in range(2)]
    assert len({first.hold_id, *(one.hold_id for one in without)}) == 3
    assert without[1].available == Points(1)


@pytest.mark.parametrize("key", ["LIST-1", None])
def test_a_list_of_redemptions_sent_again_gives_nothing_out_twice(
    sqlite_district: District, key: str | None
) -> None:
    """With a key the receipt is the first one; without one its rows are answered by reference."""
    shop(sqlite_district)
    rows = [RedemptionRow(account=saver(sqlite_district), store="P1", sku="A", ref="R1")]
    desk = sqlite_district.acting("T1").redemptions
    first, again = (desk.redeem_many(rows=rows, idempotency_key=key) for _ in range(2))
    if key is not None:
        assert again == first
    assert [receipt.outcomes[0].outcome for receipt in (first, again)] == [
        "redeemed",
        "redeemed" if key else "replayed",
    ]
    assert [row["stock"] for row in sqlite_district.bank.stores.offers()] == [8]
    query = sa.select(voucher.c.body.contains('"receipt"')).where(
        voucher.c.act == "redemptions.redeem_many"
    )
    with sqlite_district.bank.engine.connect() as connection:
        assert list(connection.scalars(query)) == [key is not None]


# --- closings ------------------------------------------------------------------------------


def test_a_period_that_is_drained_or_closed_is_not_drained_again(
    sqlite_district: District,
) -> None:
    sqlite_district.clock.advance(days=2)
    closings = sqlite_district.bank.closings
    closings.announce(period="2022-10-15")
    closings.drain(period="2022-10-15")
    for state in ("drained", "closed"):
        with pytest.raises(WrongClosingState) as caught:
            closings.drain(period="2022-10-15")
        assert caught.value.facts["state"] == state
        if state == "drained":
            closings.close("2022-10-15")


def test_a_day_is_over_at_midnight_of_the_bank_s_zone(sqlite_district: District) -> None:
    """When it is not over by the clock of Greenwich for eight hours more."""
    for moment in ("10-15 23:59", "10-16 00:01"):
        sqlite_district.clock.now = at(moment)
        if moment < "10-16":
            with pytest.raises(PeriodNotOver):
                sqlite_district.bank.closings.close("2022-10-15")
        else:
            sqlite_district.bank.closings.close("2022-10-15")


# --- taken back ----------------------------------------------------------------------------


def lines(district: District, account: int) -> list[tuple[str, dt.date, int | None]]:
    """Of each line of an account: its kind, its value date and the policy that it names."""
    line = account_line.c
    query = sa.select(line.kind, line.value_on, line.policy_id).order_by(line.line_no)
    with district.bank.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query.where(line.account_no == account))]


def test_a_reversal_counts_today_or_on_the_day_it_takes_back_and_names_the_same_policy(
    sqlite_district: District,
) -> None:
    accounts = {value: saver(sqlite_district) for value in ("today", "original")}
    sqlite_district.clock.advance(days=3)
    for value, account in accounts.items():
        sqlite_district.acting("K1").reversals.reverse_line(
            account=account, line_no=1, reason="误记", second_person="K1b", value=value
        )
    worked, today = dt.date(2022, 10, 3), dt.date(2022, 10, 18)
    for value, day in (("today", today), ("original", worked)):
        credit, reversal = lines(sqlite_district, accounts[value])
        assert (credit[1], reversal[1]) == (worked, day)
        assert credit[2] is not None
        assert reversal[2] == credit[2]


def test_goods_that_come_back_in_parts_leave_fewer_each_time(sqlite_district: District) -> None:
    shop(sqlite_district)
    bought = redeem(sqlite_district, saver(sqlite_district), quantity=4)

    def refund(quantity: int) -> tuple[int, Points]:
        receipt = sqlite_district.acting("T1").redemptions.refund(
            redemption=bought.redemption_id, quantity=quantity, reason="破损", second_person="K1"
        )
        return receipt.left, receipt.points

    assert [refund(quantity) for quantity in (1, 2, 1)] == [(3, ONE), (1, Points(2)), (0, ONE)]


def test_the_reason_why_something_was_released_is_on_the_voucher(
    sqlite_district: District,
) -> None:
    waiting = reserved(sqlite_district)
    desks = sqlite_district.acting("T1")
    desks.redemptions.release(redemption=waiting.redemption_id, reason="不要了")
    kept = desks.holds.place(account=saver(sqlite_district), points=ONE, store="P1")
    desks.holds.release(hold=kept.hold_id, reason="改期")
    query = sa.select(voucher.c.reason).where(voucher.c.act.endswith(".release"))
    with sqlite_district.bank.engine.connect() as connection:
        assert set(connection.scalars(query)) == {"不要了", "改期"}


# --- lists, and locks ----------------------------------------------------------------------


def test_open_holds_are_listed_by_their_deadline_and_not_as_they_were_placed(
    sqlite_district: District,
) -> None:
    account = held(sqlite_district).account
    sqlite_district.bank.redemptions.reserve(account=account, store="P1", sku="A")
    place = sqlite_district.acting("T1").holds.place
    wishes = [place(account=account, points=Points("0.10"), store="P1", hours=h) for h in (9, 3, 6)]
    desk = sqlite_district.bank.holds
    deadlines = [row["deadline_at"] for row in desk.list()]
    assert deadlines == sorted(deadlines)
    assert deadlines[:3] == sorted(one.deadline_at for one in wishes)
    assert [row["deadline_at"] for row in desk.of(account)][:3] == [
        one.deadline_at for one in reversed(wishes)
    ]


@pytest.mark.parametrize("field", ["pools", "stores"])
def test_a_code_that_cannot_be_one_is_refused_by_the_name_of_its_list(
    sqlite_district: District, field: str
) -> None:
    with sqlite_district.bank.begin() as counter, pytest.raises(InvalidText) as caught:
        counter.lock(**{field: ["no code!"]})
    assert caught.value.facts["field"] == field
