"""清算: with each closed day of the bank the books of every branch balance by themselves."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.errors import InvalidValue
from gongyi_bank.store import tables
from gongyi_bank.values import Points
from tests.district import District, at
from tests.service.test_stores import new_offer, new_store

BRANCHES = ("B01", "B02")


def moves(district: District) -> list[tuple[str, str, int]]:
    """(outlet from, outlet to, amount) of all that was netted, in order."""
    move, place = tables.internal_move, tables.outlet
    with district.bank.engine.connect() as connection:
        codes = dict(connection.execute(sa.select(place.c.outlet_no, place.c.code)).all())
        rows = connection.execute(
            sa.select(move.c.source_no, move.c.target_no, move.c.amount).order_by(
                move.c.business_day, move.c.voucher_id, move.c.leg_no
            )
        ).all()
    return [(codes[one % 10**7], codes[other % 10**7], amount) for one, other, amount in rows]


def close_through(district: District, day: str) -> Any:
    """Close the bank's days through one of October, on the day after it."""
    district.clock.now = at(f"{day} 12:00") + dt.timedelta(days=1)
    return district.bank.closings.close(f"2022-{day}")


def require_balanced(district: District) -> None:
    """Every branch's books add up to zero by themselves, and nothing is at fault."""
    for code in BRANCHES:
        found = district.bank.reports.trial_balance(code)
        assert found.is_balanced
        assert found.outside == Points("0"), found.to_table().to_text()
    assert not district.bank.verify().faults


def rows(district: District, day: dt.date | None = None) -> dict[str, tuple[str, ...]]:
    """Opening, business, moved, closing of each branch by the clearing sheet."""
    table = district.bank.reports.clearing(day).to_plain_table()
    return {row[0]: tuple(map(str, row[2:])) for row in table.rows}


def a_shop_at_the_other_branch(district: District) -> None:
    """R1 of B02, with pieces of A at one point each."""
    store = new_store("R1", recruited_by="B02", joined_on=dt.date(2022, 1, 1))
    district.bank.stores.recruit(stores=[store])
    offer = new_offer("R1", points=Points("1"))
    district.bank.stores.publish_offers(offers=[offer])


def take(district: District, account: int) -> Any:
    """One piece of A, at R1."""
    return district.acting("K2").redemptions.redeem(account=account, store="R1", sku="A")


def saver(district: District, outlet: str = "B01S01") -> int:
    """A customer of an outlet who has two points for service there."""
    account = district.customer(outlet)
    keeper = "K1" if outlet.startswith("B01") else "K2"
    served = {"outlet": outlet, "recorded_by": "T1", "checked_by": keeper}
    district.bank.hours.record_many(rows=[district.row(account, "10-14 08:00", 120, **served)])
    return account


def test_what_a_customer_takes_at_another_branch_is_owed_to_it(district: District) -> None:
    a_shop_at_the_other_branch(district)
    account = saver(district)
    assert district.bank.reports.trial_balance("B01").outside == Points("0")
    take(district, account)
    assert district.bank.reports.trial_balance("B01").outside == Points("1")
    done = close_through(district, "10-15")
    assert (done.netted, moves(district)) == (2, [("H", "B01", 100), ("B02", "H", 100)])
    require_balanced(district)
    assert rows(district) == {
        "H": ("0.00", "0.00", "0.00", "0.00"),
        "B01": ("0.00", "1.00", "0.00", "1.00"),
        "B02": ("0.00", "-1.00", "0.00", "-1.00"),
    }
    sheet = district.bank.reports.clearing()
    owed = [(one.outlet, one.other, one.kind, str(one.points)) for one in sheet.crossings]
    assert owed == [("B01", "B02", "redemption", "1.00")]


def test_a_day_on_which_nothing_crossed_nets_nothing(district: District) -> None:
    saver(district)
    saver(district, "B02S01")
    assert close_through(district, "10-15").netted == 0
    require_balanced(district)


def test_what_comes_back_is_netted_back(district: District) -> None:
    a_shop_at_the_other_branch(district)
    given = take(district, saver(district))
    close_through(district, "10-15")
    district.acting("K2").redemptions.refund(
        redemption=given.redemption_id, quantity=1, reason="质量问题", second_person="admin"
    )
    assert close_through(district, "10-16").netted == 2
    require_balanced(district)
    assert rows(district)["B01"] == ("1.00", "-1.00", "0.00", "0.00")
    # The sheet of an older closing stays as it was.
    assert rows(district, dt.date(2022, 10, 15))["B01"] == ("0.00", "1.00", "0.00", "1.00")


def test_who_moves_brings_the_balance_along(district: District) -> None:
    account = saver(district)
    close_through(district, "10-15")
    district.bank.customers.move(account=account, outlet="B02S01")
    assert close_through(district, "10-16").netted == 2
    require_balanced(district)
    assert rows(district)["B01"] == ("0.00", "0.00", "2.00", "2.00")
    assert rows(district)["B02"] == ("0.00", "0.00", "-2.00", "-2.00")
    assert district.bank.reports.clearing().crossings == ()


def test_a_savings_branch_that_moves_brings_its_books_along(district: District) -> None:
    a_shop_at_the_other_branch(district)
    account = saver(district)
    close_through(district, "10-15")
    district.bank.outlets.move(outlet="B01S01", branch="B02")
    take(district, account)  # Within its branch, by now.
    assert close_through(district, "10-16").netted == 0
    require_balanced(district)


def test_gifts_and_grants_of_a_pool_cross_too(district: District) -> None:
    giver, taker = saver(district), saver(district, "B02S01")
    district.acting("K1").transfers.gift(
        account=giver, target=taker, points=Points("0.50"), outlet="B01"
    )
    district.bank.pools.open(code="P", name="爱心池", outlet="H")
    district.acting("K1").transfers.donate(
        account=giver, pool="P", points=Points("0.25"), outlet="B01"
    )
    assert close_through(district, "10-15").netted == 2
    require_balanced(district)
    sheet = district.bank.reports.clearing()
    owed = {(one.outlet, one.other, one.kind): str(one.points) for one in sheet.crossings}
    assert owed == {("B01", "B02", "gift_out"): "0.50", ("B01", "H", "donation_out"): "0.25"}
    assert rows(district)["H"] == ("0.00", "-0.25", "0.00", "-0.25")


def test_what_is_booked_while_a_day_is_closed_waits_for_its_own_closing(
    district: District,
) -> None:
    a_shop_at_the_other_branch(district)
    account = saver(district)
    district.clock.now = at("10-16 09:00")
    take(district, account)
    assert district.bank.closings.close("2022-10-15").netted == 0
    take(district, account)
    assert close_through(district, "10-16").netted == 2
    assert moves(district) == [("H", "B01", 200), ("B02", "H", 200)]
    require_balanced(district)


def test_days_that_are_closed_one_after_the_other_on_one_day_are_netted_once_each(
    district: District,
) -> None:
    a_shop_at_the_other_branch(district)
    account = saver(district)
    take(district, account)
    district.clock.advance(days=1)
    take(district, account)
    district.clock.now = at("10-20 09:00")
    for day, netted in (("15", 2), ("16", 2), ("17", 0)):
        assert district.bank.closings.close(f"2022-10-{day}").netted == netted
    require_balanced(district)
    assert [amount for _, _, amount in moves(district)] == [100] * 4
    assert rows(district, dt.date(2022, 10, 16))["B01"] == ("1.00", "1.00", "0.00", "2.00")
    # What was netted is rolled up and sealed with the day on which it was booked.
    assert close_through(district, "10-20").totals == 3
    require_balanced(district)


def test_a_branch_or_a_month_by_itself_nets_nothing(district: District) -> None:
    a_shop_at_the_other_branch(district)
    take(district, saver(district))
    district.clock.now = at("11-05 12:00")
    assert district.acting("K1").closings.close("2022-10-31", outlet="B01").netted == 0
    assert district.bank.closings.close("2022-10-31").netted == 2
    assert district.bank.closings.close("2022-10").netted == 0


def test_there_is_no_sheet_for_a_day_with_which_no_closing_ended(district: District) -> None:
    with pytest.raises(InvalidValue):
        district.bank.reports.clearing()
    saver(district)
    close_through(district, "10-17")
    assert district.bank.reports.clearing().first_on == dt.date(2022, 10, 15)
    for day in (dt.date(2022, 10, 16), dt.date(2022, 10, 18)):
        with pytest.raises(InvalidValue):
            district.bank.reports.clearing(day)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE gb_internal_move SET amount = amount + 1 WHERE leg_no = 1",
        "DELETE FROM gb_internal_move WHERE leg_no = 2",
        "UPDATE gb_internal_move SET target_no = source_no, source_no = target_no",
    ],
)
def test_a_changed_move_is_told_by_its_sum(sqlite_district: District, statement: str) -> None:
    district = sqlite_district
    a_shop_at_the_other_branch(district)
    take(district, saver(district))
    close_through(district, "10-15")
    with district.bank.engine.begin() as connection:
        triggers = sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in connection.execute(triggers).all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql(statement)
    assert "clearing" in {fault.kind for fault in district.bank.verify().faults}
