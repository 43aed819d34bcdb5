"""A hold past its deadline keeps nothing, swept or not: giving points on, and closing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import sqlalchemy as sa

from gongyi_bank.errors import AccountNotEmpty, InsufficientPoints
from gongyi_bank.policies import PointsExpiry, ReversalRules
from gongyi_bank.store.tables import account_head
from gongyi_bank.values import Points
from tests.district import District, at
from tests.racing import at_once
from tests.service.test_holds import require_holds_agree
from tests.service.test_holds_at_once import HOUR, errors, placed
from tests.service.test_redemptions import saver
from tests.service.test_statement_counts import statements
from tests.service.test_stores import a_shop, new_offer

ALL = Points(2)


def gift(district: District, account: int, target: int) -> Any:
    desk = district.bank.transfers
    return desk.gift(account=account, target=target, points=ALL, outlet="B01S01")


def donate(district: District, account: int, _: int) -> Any:
    desk = district.bank.transfers
    return desk.donate(account=account, pool="P1", points=ALL, outlet="B01S01")


def send(district: District, account: int, target: int) -> Any:
    legs = [{"source": account, "target": target, "points": ALL}]
    return district.bank.transfers.send(legs=legs, outlet="B01S01")


def close(district: District, account: int, target: int) -> Any:
    return district.acting("K1").accounts.close(
        account=account, reason="销户", balance_to="account", target=target, second_person="K1b"
    )


GIVING = pytest.mark.parametrize("give", [gift, donate, send, close])
Giving = Callable[[District, int, int], Any]


def prepared(district: District) -> tuple[int, int]:
    """Two customers; the first holds points and has a reservation for an hour."""
    a_shop(district, new_offer(stock=100))
    district.acting("K1").pools.open(code="P1", name="爱心池", outlet="B01")
    account, target = saver(district, 120), district.customer()
    placed(district, account, hours=1)
    district.bank.redemptions.reserve(account=account, store="P1", sku="A", quantity=1)
    return account, target


@GIVING
def test_what_lapsed_unswept_can_be_given(district: District, give: Giving) -> None:
    account, target = prepared(district)
    with pytest.raises((InsufficientPoints, AccountNotEmpty)):
        give(district, account, target)
    district.clock.advance(days=30)
    give(district, account, target)
    assert district.bank.reports.balance(account) == 0
    assert district.bank.holds.lapse_overdue().hold_ids == ()
    require_holds_agree(district)
    assert district.bank.verify().is_clean, str(district.bank.verify())


def test_without_lapsed_goods_a_gift_costs_no_further_statement(district: District) -> None:
    a_shop(district)
    account, target = saver(district, 480), district.customer()
    found = []
    for lapses in (False, True, True):
        if lapses:
            placed(district, account, hours=1)
            district.clock.advance(days=30)
        with statements(district.bank) as seen:
            district.bank.transfers.gift(
                account=account, target=target, points=Points("0.10"), outlet="B01S01"
            )
        found.append(len(seen))
    assert found[1] == found[2]
    if district.bank.engine.dialect.name == "postgresql":
        assert found[0] == found[1]


@pytest.fixture
def crowded(postgresql_tables_url: str) -> Iterator[District]:
    """The engine that has many writers."""
    made = District(postgresql_tables_url)
    yield made
    made.close()


@GIVING
def test_giving_and_the_sweep_free_a_hold_once(crowded: District, give: Giving) -> None:
    account, target = prepared(crowded)
    crowded.clock.advance(days=30)
    past = crowded.bank.at(crowded.clock.now + HOUR)
    results = at_once(lambda: give(crowded, account, target), past.holds.lapse_overdue)
    assert errors(results) == []
    assert crowded.bank.reports.balance(account) == 0
    require_holds_agree(crowded)
    assert crowded.bank.verify().is_clean, str(crowded.bank.verify())


def test_a_hold_that_is_placed_gives_the_goods_of_a_lapsed_reservation_free(
    district: District,
) -> None:
    account, _ = prepared(district)
    district.clock.advance(days=30)
    placed(district, account, hours=1)
    (offer,) = district.bank.stores.offers().rows
    assert offer[5:7] == (100, 0)
    require_holds_agree(district)
    assert district.bank.verify().is_clean, str(district.bank.verify())


@pytest.mark.parametrize("is_swept", [False, True])
def test_a_debt_that_a_lapsed_hold_made_does_not_keep_an_account_open(
    sqlite_url: str, is_swept: bool
) -> None:
    # Found by the reference bank: before the sweep the account was refused for its debt.
    district = District(sqlite_url, policies=(ReversalRules(spent="debt"),))
    account, _ = prepared(district)
    reversing = district.acting("K1").reversals
    taken = reversing.reverse_line(account=account, line_no=1, reason="x", second_person="K1b")
    assert taken.part.debt > Points(0)
    district.clock.advance(days=30)
    if is_swept:
        district.bank.holds.lapse_overdue()
    closed = district.acting("T1").accounts.close(account=account, reason="销户")
    assert closed.paid_out == Points(0)
    assert district.bank.verify().is_clean
    district.close()


# --- taking back: what a lapsed hold keeps is not spent ----------------------------------------


def reverse_line(district: District, account: int) -> Any:
    return district.acting("K1").reversals.reverse_line(
        account=account, line_no=1, reason="误记", second_person="K1b"
    )


def reverse_voucher(district: District, account: int) -> Any:
    line = district.bank.reports.statement(account, newest=9).lines[0]
    return district.acting("K1").reversals.reverse_voucher(
        voucher=line.voucher_id, reason="误记", second_person="K1b"
    )


def void(district: District, account: int) -> Any:
    return district.acting("K1").hours.void(
        account=account, record_no=1, reason="误记", second_person="K1b"
    )


def correct(district: District, account: int) -> Any:
    return district.acting("K1").hours.correct(
        account=account, record_no=1, reason="时间有误", category="sanitation",
        started_at=at("10-03 08:00"), ended_at=at("10-03 08:30"), recorded_by="T1",
        checked_by="K1",
    )  # fmt: skip


def state(district: District, account: int) -> tuple[Any, ...]:
    shown = district.bank.reports.customer_summary(account)
    columns = account_head.c
    query = sa.select(columns.credited, columns.debited, columns.held, columns.debt)
    with district.bank.engine.connect() as connection:
        head = connection.execute(query.where(columns.account_no == account)).one()
    return shown.available, shown.balance, *head


@pytest.mark.parametrize("spent", ["refuse", "take_available", "debt"])
def test_what_lapsed_unswept_is_taken_back_as_after_a_sweep(
    district: District, spent: Literal["refuse", "take_available", "debt"]
) -> None:
    """Otherwise a wrong record's points would stay with whoever once put them aside."""
    a_shop(district, new_offer(stock=100))
    today = district.clock().date()
    district.bank.policies.adopt(policy=ReversalRules(spent=spent), effective_on=today)
    for take in (reverse_line, reverse_voucher, void, correct):
        found = []
        for is_swept in (False, True):
            account = saver(district, 120)
            placed(district, account, "1.20", hours=1)
            district.bank.redemptions.reserve(account=account, store="P1", sku="A", quantity=1)
            district.clock.advance(days=30)
            if is_swept:
                assert len(district.bank.holds.lapse_overdue().hold_ids) == 2
            take(district, account)
            found.append(state(district, account))
            assert district.bank.holds.lapse_overdue().hold_ids == ()
        assert found[0] == found[1], take.__name__
    require_holds_agree(district)
    assert district.bank.verify().is_clean, str(district.bank.verify())


def test_a_correction_revives_nothing_that_a_lapsed_hold_kept(sqlite_url: str) -> None:
    """The hold honoured points past their date; once it has lapsed they have expired."""
    month = PointsExpiry(mode="months", length=1)
    district = District(sqlite_url, policies=(month,))
    a_shop(district)
    found = []
    for is_swept in (False, True):
        account = saver(district, 120)
        district.clock.advance(days=30)
        placed(district, account, "2.00", hours=1)
        district.clock.advance(days=2)
        if is_swept:
            district.bank.holds.lapse_overdue()
        correct(district, account)
        found.append(state(district, account))
    assert found[0] == found[1]
    assert found[0][0] == 0
    assert district.bank.verify().is_clean, str(district.bank.verify())
    district.close()
